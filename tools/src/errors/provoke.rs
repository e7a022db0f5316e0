//! The provocations: for each row the Winsock calls that lead to it.
//!
//! Nothing but public calls, and what the parties on the wire do by themselves.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use tapsock_stack::event::Cause;
use tapsock_stack::time::Duration;
use wsa::constants::{
    AF_INET, CF_REJECT, IPPROTO_IPV6, IPPROTO_TCP, IPV6_V6ONLY, SD_BOTH, SD_SEND, SO_REUSEADDR,
    SOCK_DGRAM, SOCK_STREAM, SOL_SOCKET, TCP_FAIL_CONNECT_ON_ICMP_ERROR, TCP_MAXRTMS,
};
use wsa::qos::SERVICETYPE_GUARANTEED;
use wsa::{
    Arg, BlockingHook, FdSet, FlowSpec, Memory, MemoryMut, Process, Qos, SocketHandle, WsaBuf,
    WsaBufMut, sockaddr,
};

use super::row::{Ip, Pointer, Row, Way};
use super::stage::Stage;
use crate::frames;
use crate::output::Failure;
use crate::stage::{self, Party};

/// What came of a provocation.
#[derive(Debug, Clone, Default)]
pub(super) struct Came {
    /// What WSAGetLastError gave after the call; 0 after success.
    pub(super) got: i32,
    pub(super) cause: Option<Cause>,
    /// The numbers of the frames that passed during the decisive call: after the first, up to and
    /// including the second.
    pub(super) frames: (u64, u64),
    /// Why the row cannot hold whatever the code is.
    pub(super) wrong: Option<String>,
}

/// Versions as WSAStartup takes them.
const VERSION_1_1: u16 = 0x0101;
const VERSION_2_2: u16 = 0x0202;
/// How long another thread waits before it acts, while a call is blocked.
const MEANWHILE: Duration = Duration::from_millis(200);
/// After which a router that is there has answered.
const RESOLVED: Duration = Duration::from_millis(50);
/// Local ports that rows bind to.
const LOCAL_PORT: u16 = 6000;
/// How many ephemeral ports there are (RFC 6335, as Windows uses them: 49152 to 65535).
const EPHEMERAL_PORTS: usize = 16384;
/// Where the stack is.
const OWN: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);

/// Leads to the row.
///
/// # Errors
/// When what the row needs first cannot be had: the environment's fault, or ours.
pub(super) fn provoke<S: Stage>(stage: &S, row: &Row) -> Result<Came, Failure> {
    let script = Script { stage, process: stage.process() };
    script.run(row.way)
}

/// The arguments of a WSAConnect beside the socket and the name.
#[derive(Default, Clone, Copy)]
struct Rest<'m> {
    caller_data: Arg<WsaBuf<'m>>,
    callee_data: Callee,
    sqos: Arg<Qos<'m>>,
    gqos: Arg<Qos<'m>>,
}

/// lpCalleeData, which is written through.
#[derive(Default, Clone, Copy)]
enum Callee {
    #[default]
    Absent,
    Unwritable,
    Buffer(Pointer),
}

struct Script<'s, S: Stage> {
    stage: &'s S,
    process: &'s Arc<Process<'static, S::Engine>>,
}

/// A call that only leads up to the row, and must succeed.
fn first<T>(what: &str, result: wsa::Result<T>) -> Result<T, Failure> {
    result
        .map_err(|error| Failure::Told(format!("{what} failed with {error}, so nothing is shown")))
}

impl<S: Stage> Script<'_, S> {
    fn run(&self, way: Way) -> Result<Came, Failure> {
        match way {
            Way::NotStarted => Ok(self.connect_nothing()),
            Way::CleanedUp => {
                self.start(VERSION_2_2)?;
                let s = self.stream(Ip::V4)?;
                first("WSACleanup", self.process.wsa_cleanup())?;
                Ok(self.connect(s, Party::Listening.address(Ip::V4)))
            }
            Way::InvalidHandle => {
                self.start(VERSION_2_2)?;
                Ok(self.connect_nothing())
            }
            Way::ClosedHandle => {
                let s = self.started_stream(Ip::V4)?;
                first("closesocket", self.process.closesocket(s))?;
                Ok(self.connect(s, Party::Listening.address(Ip::V4)))
            }
            Way::LinkTakenAway => {
                let s = self.started_stream(Ip::V4)?;
                self.stage.take_link_away()?;
                Ok(self.connect(s, Party::Listening.address(Ip::V4)))
            }
            Way::SameFourTuple
            | Way::TimeWait
            | Way::PortTakenAtAddress
            | Way::ExclusivePort
            | Way::NoPorts => self.ports(way),
            Way::Cancelled | Way::InsideHook => self.inside_hook(way),
            Way::ClosedMeanwhile => self.closed_meanwhile(),
            Way::InsideCondition => self.inside_condition(),
            Way::Again => self.again(VERSION_2_2),
            Way::AgainInVersion1 => self.again(VERSION_1_1),
            Way::NonBlocking => {
                let s = self.started_stream(Ip::V4)?;
                self.warm_up()?;
                first("ioctlsocket", self.process.set_nonblocking(s, true))?;
                Ok(self.connect(s, Party::Blackhole.address(Ip::V4)))
            }
            Way::AddressZero
            | Way::PortZero
            | Way::Broadcast
            | Way::Multicast
            | Way::MappedOnV6Only
            | Way::ZeroNameOnStream
            | Way::V6NameOnV4Socket
            | Way::UnknownFamily
            | Way::Name(_)
            | Way::NameLength(_)
            | Way::V4NameOnV6Socket => self.names(way),
            Way::CallerDataStructure
            | Way::CallerDataBuffer(_)
            | Way::CallerDataTooLong
            | Way::CallerData
            | Way::CalleeDataStructure
            | Way::CalleeDataBuffer(_)
            | Way::QosStructure
            | Way::QosProviderBuffer(_)
            | Way::QosProviderHeader
            | Way::QosGuaranteed
            | Way::GroupQos => self.arguments(way),
            Way::Listening | Way::Connected | Way::ShutDown => self.states(way),
            Way::ClosedPort(ip) => self.reach(ip, Party::Closed),
            Way::PortUnreachable => self.reach(Ip::V4, Party::PortUnreachable),
            Way::NoRoute(ip) => self.reach(ip, Party::Unrouted),
            Way::NetUnreachable(ip) => self.reach(ip, Party::NoWayOn),
            Way::HostUnreachable => self.reach(Ip::V4, Party::HostUnreachable),
            Way::Prohibited(ip) => self.reach(ip, Party::Prohibited),
            Way::SilentNeighbor(ip) => self.reach(ip, Party::Nobody),
            Way::SilentHost(ip) => self.reach(ip, Party::Blackhole),
            Way::IcmpIsHard => {
                let s = self.started_stream(Ip::V4)?;
                self.option(s, IPPROTO_TCP, TCP_FAIL_CONNECT_ON_ICMP_ERROR, 1)?;
                Ok(self.connect(s, Party::NoWayOn.address(Ip::V4)))
            }
            Way::MaxRt => {
                let s = self.started_stream(Ip::V4)?;
                self.option(s, IPPROTO_TCP, TCP_MAXRTMS, 500)?;
                Ok(self.connect(s, Party::Blackhole.address(Ip::V4)))
            }
            Way::DatagramBroadcast => self.datagram_to(Ipv4Addr::BROADCAST),
            Way::DatagramSubnetBroadcast => self.datagram_to(Ipv4Addr::new(10, 77, 0, 255)),
            Way::SendAfterDisconnect => self.send_after_disconnect(),
        }
    }

    // The pieces.

    fn start(&self, version: u16) -> Result<(), Failure> {
        match self.process.wsa_startup(version).0 {
            0 => Ok(()),
            code => Err(Failure::Told(format!("WSAStartup failed with {code}"))),
        }
    }

    fn stream(&self, ip: Ip) -> Result<SocketHandle, Failure> {
        first("socket", self.process.socket(ip.family(), SOCK_STREAM, IPPROTO_TCP))
    }

    fn started_stream(&self, ip: Ip) -> Result<SocketHandle, Failure> {
        self.start(VERSION_2_2)?;
        self.stream(ip)
    }

    fn option(&self, s: SocketHandle, level: i32, name: i32, value: u32) -> Result<(), Failure> {
        first("setsockopt", self.process.set_option(s, level, name, value))
    }

    /// Makes the way into silence known, so that a SYN leaves within the call that sends it: a
    /// datagram makes the stack ask for the router, and select waits for the answer.
    fn warm_up(&self) -> Result<(), Failure> {
        let s = first("socket", self.process.socket(AF_INET, SOCK_DGRAM, 0))?;
        let name = sockaddr(Party::Blackhole.address(Ip::V4));
        let data = Memory::Bytes(b"is anybody there?");
        first("sendto", self.process.sendto(s, data, 0, name.memory(), name.len()))?;
        let mut sockets = [s];
        let mut read = FdSet::of(&mut sockets);
        first("select", self.process.select(Some(&mut read), None, None, Some(RESOLVED)))?;
        first("closesocket", self.process.closesocket(s))
    }

    /// A non-blocking socket whose SYN is on its way into silence.
    fn launched(&self) -> Result<SocketHandle, Failure> {
        let s = self.stream(Ip::V4)?;
        first("ioctlsocket", self.process.set_nonblocking(s, true))?;
        match self.process.connect_to(s, Party::Blackhole.address(Ip::V4)) {
            Err(wsa::Error::WSAEWOULDBLOCK) => Ok(s),
            Err(error) => first("a first connect", Err(error)),
            Ok(()) => Err(Failure::Told("a connect into silence succeeded".into())),
        }
    }

    /// The decisive call, with the evidence that there is right after it.
    fn decide<T>(&self, call: impl FnOnce() -> wsa::Result<T>) -> Came {
        let before = self.frames();
        let result = call();
        let got = self.process.wsa_get_last_error();
        let cause = self.process.last_cause();
        let code = result.err().map_or(0, wsa::Error::code);
        let wrong =
            (code != got).then(|| format!("the call gave {code}, but WSAGetLastError gave {got}"));
        Came { got, cause, frames: (before, self.frames()), wrong }
    }

    fn frames(&self) -> u64 {
        frames::read(&self.stage.recording()).last().map_or(0, |frame| frame.number)
    }

    fn connect(&self, s: SocketHandle, to: SocketAddr) -> Came {
        self.decide(|| self.process.connect_to(s, to))
    }

    /// WSAConnect with nothing right about it.
    fn connect_nothing(&self) -> Came {
        let (invalid, name) = (SocketHandle::INVALID, Memory::Unreadable);
        let (caller, sqos) = (Arg::Unreadable, Arg::Unreadable);
        self.decide(|| {
            self.process.wsa_connect(
                invalid,
                name,
                -1,
                caller,
                Arg::Unreadable,
                sqos,
                Arg::Unreadable,
            )
        })
    }

    /// WSAConnect to the listening peer with these other arguments.
    fn connect_with(&self, s: SocketHandle, rest: Rest<'_>) -> Came {
        let name = sockaddr(Party::Listening.address(Ip::V4));
        let Rest { caller_data, callee_data, sqos, gqos } = rest;
        let mut room = WsaBufMut { len: 4, buf: MemoryMut::Null };
        let callee = match callee_data {
            Callee::Absent => Arg::Null,
            Callee::Unwritable => Arg::Unreadable,
            Callee::Buffer(pointer) => {
                room.buf = match pointer {
                    Pointer::Null => MemoryMut::Null,
                    Pointer::Unreadable => MemoryMut::Unwritable,
                };
                Arg::Value(&mut room)
            }
        };
        let mut came = self.decide(|| {
            self.process.wsa_connect(s, name.memory(), name.len(), caller_data, callee, sqos, gqos)
        });
        if room.len != 4 {
            came.wrong = Some("the refused call has changed lpCalleeData->len".into());
        }
        came
    }

    fn reach(&self, ip: Ip, party: Party) -> Result<Came, Failure> {
        let s = self.started_stream(ip)?;
        Ok(self.connect(s, party.address(ip)))
    }

    // The rows that take more than one line.

    fn names(&self, way: Way) -> Result<Came, Failure> {
        let ip = match way {
            Way::MappedOnV6Only | Way::V4NameOnV6Socket => Ip::V6,
            _ => Ip::V4,
        };
        let s = self.started_stream(ip)?;
        let peer = Party::Listening.address(Ip::V4);
        let port = peer.port();
        let name = sockaddr(match way {
            Way::AddressZero => SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)),
            Way::PortZero => SocketAddr::new(peer.ip(), 0),
            Way::Broadcast => SocketAddr::from((Ipv4Addr::BROADCAST, port)),
            Way::Multicast => SocketAddr::from((Ipv4Addr::new(224, 0, 0, 1), port)),
            Way::MappedOnV6Only => SocketAddr::from((stage::PEER_V4.to_ipv6_mapped(), port)),
            Way::V6NameOnV4Socket => Party::Listening.address(Ip::V6),
            _ => peer,
        });
        if way == Way::MappedOnV6Only {
            self.option(s, IPPROTO_IPV6, IPV6_V6ONLY, 1)?;
        }
        let mut unknown = [0; 16];
        unknown.copy_from_slice(&sockaddr(peer).as_ref()[..16]);
        unknown[..2].copy_from_slice(&0xDEAD_u16.to_ne_bytes());
        let (memory, length) = match way {
            Way::Name(Pointer::Null) => (Memory::Null, 16),
            Way::Name(Pointer::Unreadable) => (Memory::Unreadable, 16),
            Way::NameLength(length) => (name.memory(), length),
            Way::ZeroNameOnStream => (Memory::Bytes(&[0; 16]), 16),
            Way::UnknownFamily => (Memory::Bytes(&unknown), 16),
            _ => (name.memory(), name.len()),
        };
        Ok(self.decide(|| self.process.connect(s, memory, length)))
    }

    fn arguments(&self, way: Way) -> Result<Came, Failure> {
        let s = self.started_stream(Ip::V4)?;
        let long = [0; 1025];
        let readable = |pointer| match pointer {
            Pointer::Null => Memory::Null,
            Pointer::Unreadable => Memory::Unreadable,
        };
        let provider =
            |len, buf| Qos { provider_specific: WsaBuf { len, buf }, ..Qos::BEST_EFFORT };
        let guaranteed = FlowSpec { token_rate: 1000, ..FlowSpec::of_type(SERVICETYPE_GUARANTEED) };
        let mut rest = Rest::default();
        match way {
            Way::CallerDataStructure => rest.caller_data = Arg::Unreadable,
            Way::CallerDataBuffer(pointer) => {
                rest.caller_data = Arg::Value(WsaBuf { len: 4, buf: readable(pointer) });
            }
            Way::CallerDataTooLong => rest.caller_data = Arg::Value(WsaBuf::new(&long)),
            Way::CallerData => rest.caller_data = Arg::Value(WsaBuf::new(b"hello")),
            Way::CalleeDataStructure => rest.callee_data = Callee::Unwritable,
            Way::CalleeDataBuffer(pointer) => rest.callee_data = Callee::Buffer(pointer),
            Way::QosStructure => rest.sqos = Arg::Unreadable,
            Way::QosProviderBuffer(pointer) => {
                rest.sqos = Arg::Value(provider(16, readable(pointer)));
            }
            Way::QosProviderHeader => {
                rest.sqos = Arg::Value(provider(4, Memory::Bytes(&long[..4])));
            }
            Way::QosGuaranteed => {
                rest.sqos = Arg::Value(Qos { sending: guaranteed, ..Qos::BEST_EFFORT });
            }
            _ => rest.gqos = Arg::Value(Qos::BEST_EFFORT),
        }
        Ok(self.connect_with(s, rest))
    }

    fn states(&self, way: Way) -> Result<Came, Failure> {
        let s = self.started_stream(Ip::V4)?;
        let peer = Party::Listening.address(Ip::V4);
        if way == Way::Listening {
            first("bind", self.process.bind_to(s, any(LOCAL_PORT)))?;
            first("listen", self.process.listen(s, 1))?;
            return Ok(self.connect(s, peer));
        }
        first("a first connect", self.process.connect_to(s, peer))?;
        if way == Way::ShutDown {
            first("shutdown", self.process.shutdown(s, SD_BOTH))?;
        }
        Ok(self.connect(s, peer))
    }

    fn ports(&self, way: Way) -> Result<Came, Failure> {
        let s = self.started_stream(Ip::V4)?;
        let peer = Party::Listening.address(Ip::V4);
        let own = SocketAddr::from((OWN, LOCAL_PORT));
        match way {
            Way::SameFourTuple => {
                let other = self.stream(Ip::V4)?;
                for one in [other, s] {
                    self.option(one, SOL_SOCKET, SO_REUSEADDR, 1)?;
                    first("bind", self.process.bind_to(one, own))?;
                }
                first("a first connect", self.process.connect_to(other, peer))?;
            }
            Way::TimeWait => {
                let other = self.stream(Ip::V4)?;
                first("bind", self.process.bind_to(other, own))?;
                first("a first connect", self.process.connect_to(other, peer))?;
                // Whoever closes first keeps the pair of ends (RFC 9293, section 3.6).
                first("shutdown", self.process.shutdown(other, SD_SEND))?;
                self.stage.let_peer_close();
                first("recv", self.process.recv(other, MemoryMut::Bytes(&mut [0; 1]), 0))?;
                first("closesocket", self.process.closesocket(other))?;
                first("bind", self.process.bind_to(s, own))?;
            }
            Way::PortTakenAtAddress | Way::ExclusivePort => {
                // Who wants to share a port is told that another does not.
                let shares = u32::from(way == Way::ExclusivePort);
                self.option(s, SOL_SOCKET, SO_REUSEADDR, shares)?;
                first("bind", self.process.bind_to(s, any(LOCAL_PORT)))?;
                let other = self.stream(Ip::V4)?;
                first("bind", self.process.bind_to(other, own))?;
            }
            _ => {
                for taken in 0..EPHEMERAL_PORTS {
                    let other = self.stream(Ip::V4)?;
                    let what = format!("bind to ephemeral port {} of 16384", taken + 1);
                    first(&what, self.process.bind_to(other, any(0)))?;
                }
            }
        }
        Ok(self.connect(s, peer))
    }

    fn again(&self, version: u16) -> Result<Came, Failure> {
        self.start(version)?;
        self.warm_up()?;
        let s = self.launched()?;
        Ok(self.connect(s, Party::Blackhole.address(Ip::V4)))
    }

    fn inside_hook(&self, way: Way) -> Result<Came, Failure> {
        self.start(VERSION_1_1)?;
        self.warm_up()?;
        let s = self.stream(Ip::V4)?;
        let other = self.stream(Ip::V4)?;
        let inner: Arc<Mutex<Option<i32>>> = Arc::default();
        let heard = Arc::clone(&inner);
        // Weak, or the process would own a hook that owns the process.
        let process = Arc::downgrade(self.process);
        let hook = BlockingHook::new(move || {
            let Some(process) = process.upgrade() else { return false };
            if way == Way::InsideHook {
                let result = process.connect_to(other, Party::Listening.address(Ip::V4));
                let code = result.err().map_or(0, wsa::Error::code);
                *heard.lock().unwrap_or_else(PoisonError::into_inner) = Some(code);
            }
            // When nothing can be cancelled, the blocked call shows it.
            let _ = process.wsa_cancel_blocking_call();
            false
        });
        first("WSASetBlockingHook", self.process.wsa_set_blocking_hook(hook))?;
        let mut came = self.connect(s, Party::Blackhole.address(Ip::V4));
        first("WSAUnhookBlockingHook", self.process.wsa_unhook_blocking_hook())?;
        if way == Way::InsideHook {
            let code = *inner.lock().unwrap_or_else(PoisonError::into_inner);
            came = came.inner(code);
        }
        Ok(came)
    }

    fn inside_condition(&self) -> Result<Came, Failure> {
        self.start(VERSION_2_2)?;
        let listener = self.stream(Ip::V4)?;
        first("bind", self.process.bind_to(listener, any(LOCAL_PORT)))?;
        first("listen", self.process.listen(listener, 1))?;
        let client = self.stream(Ip::V4)?;
        first("ioctlsocket", self.process.set_nonblocking(client, true))?;
        let own = SocketAddr::from((Ipv4Addr::LOCALHOST, LOCAL_PORT));
        // Over loopback: its result is the connection that WSAAccept is asked about.
        let _ = self.process.connect_to(client, own);
        let s = self.stream(Ip::V4)?;
        let mut inner = None;
        let mut condition = |_: &wsa::Caller| {
            let result = self.process.connect_to(s, Party::Listening.address(Ip::V4));
            inner = Some(result.err().map_or(0, wsa::Error::code));
            CF_REJECT
        };
        let came = self.decide(|| {
            self.process.wsa_accept(listener, MemoryMut::Null, None, Some(&mut condition))
        });
        Ok(came.inner(inner))
    }

    fn closed_meanwhile(&self) -> Result<Came, Failure> {
        let s = self.started_stream(Ip::V4)?;
        let process = Arc::clone(self.process);
        self.stage.later(
            MEANWHILE,
            Box::new(move || {
                // The blocked call shows whether it was closed.
                let _ = process.closesocket(s);
            }),
        );
        Ok(self.connect(s, Party::Blackhole.address(Ip::V4)))
    }

    fn datagram_to(&self, to: Ipv4Addr) -> Result<Came, Failure> {
        self.start(VERSION_2_2)?;
        let s = first("socket", self.process.socket(AF_INET, SOCK_DGRAM, 0))?;
        Ok(self.connect(s, SocketAddr::from((to, 9))))
    }

    fn send_after_disconnect(&self) -> Result<Came, Failure> {
        self.start(VERSION_2_2)?;
        let s = first("socket", self.process.socket(AF_INET, SOCK_DGRAM, 0))?;
        first("a connect", self.process.connect_to(s, Party::Listening.address(Ip::V4)))?;
        let zero = Memory::Bytes(&[0; 16]);
        first("the disconnect", self.process.connect(s, zero, 16))?;
        Ok(self.decide(|| self.process.send(s, Memory::Bytes(b"nobody"), 0)))
    }
}

impl Came {
    /// What came of a call inside the one that was made: its code counts, and the frames that
    /// the outer call sent are not its own.
    fn inner(self, code: Option<i32>) -> Self {
        let wrong = match code {
            Some(_) => None,
            None => Some("the function was not called".to_string()),
        };
        let frames = (self.frames.1, self.frames.1);
        Self { got: code.unwrap_or(0), cause: None, frames, wrong }
    }
}

fn any(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))
}
