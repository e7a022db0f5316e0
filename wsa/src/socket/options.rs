//! getsockopt and setsockopt.

use tapsock_stack::config::SynTiming;
use tapsock_stack::event::PacketSummary;
use tapsock_stack::link::Link;
use tapsock_stack::storage::Storage;
use tapsock_stack::tcp::TcpOptions;
use tapsock_stack::time::Duration;

use super::{Socket, State};
use crate::address::{Family, SockAddr};
use crate::constants::*;
use crate::engine::{Access, Engine};
use crate::error::{Error, Result};
use crate::memory::{Memory, MemoryMut};
use crate::process::{Process, SocketHandle};

/// The option values of one socket.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Options {
    pub(crate) reuse: bool,
    pub(crate) exclusive: bool,
    pub(crate) keep_alive: bool,
    pub(crate) broadcast: bool,
    pub(crate) oob_inline: bool,
    pub(crate) dont_route: bool,
    pub(crate) debug: bool,
    pub(crate) conditional_accept: bool,
    pub(crate) overlapped: bool,
    /// Seconds, where SO_LINGER is on.
    pub(crate) linger: Option<u16>,
    /// Bytes.
    pub(crate) send_buffer: u32,
    /// Bytes.
    pub(crate) receive_buffer: u32,
    /// Milliseconds, 0 for no limit.
    pub(crate) send_timeout: u32,
    /// Milliseconds, 0 for no limit.
    pub(crate) receive_timeout: u32,
    pub(crate) no_delay: bool,
    /// Seconds.
    pub(crate) keep_idle: u32,
    pub(crate) max_rt: MaxRt,
    pub(crate) fail_on_icmp: bool,
    pub(crate) hop_limit: Option<u8>,
    pub(crate) v6_only: bool,
    pub(crate) initial_rto: InitialRto,
    pub(crate) udp_conn_reset: bool,
    pub(crate) udp_net_reset: bool,
}

/// TCP_MAXRT and TCP_MAXRTMS, one value in two units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum MaxRt {
    /// Not set: the schedule and the number of retries decide.
    #[default]
    Default,
    /// Milliseconds in all.
    Millis(u32),
    /// Never give up.
    Forever,
}

/// SIO_TCP_INITIAL_RTO.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct InitialRto {
    /// A third of the first step, in milliseconds.
    pub(crate) rtt: Option<u16>,
    /// How many times a SYN is repeated.
    pub(crate) retries: Option<u8>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            reuse: false,
            exclusive: false,
            keep_alive: false,
            broadcast: false,
            oob_inline: false,
            dont_route: false,
            debug: false,
            conditional_accept: false,
            overlapped: false,
            linger: None,
            send_buffer: 65536,
            receive_buffer: 65536,
            send_timeout: 0,
            receive_timeout: 0,
            no_delay: false,
            keep_idle: 7200,
            max_rt: MaxRt::Default,
            fail_on_icmp: false,
            hop_limit: None,
            v6_only: true,
            initial_rto: InitialRto::default(),
            udp_conn_reset: true,
            udp_net_reset: true,
        }
    }
}

impl Options {
    /// How an established connection shall behave.
    pub(crate) fn for_connection(&self) -> TcpOptions {
        TcpOptions {
            nodelay: self.no_delay,
            keep_alive: self.keep_alive.then(|| Duration::from_secs(u64::from(self.keep_idle))),
            max_rt: match self.max_rt {
                MaxRt::Default => None,
                MaxRt::Millis(millis) => Some(Duration::from_millis(u64::from(millis))),
                MaxRt::Forever => Some(Duration::MAX),
            },
            hop_limit: self.hop_limit,
        }
    }

    /// The SYN schedule of an attempt, where the socket changes the stack's own.
    ///
    /// A number of repetitions that was asked for is also the end of the attempt: the default
    /// limit on the whole goes with the default number.
    pub(crate) fn syn_timing(&self, default: SynTiming) -> Option<SynTiming> {
        let mut timing = default;
        if let Some(rtt) = self.initial_rto.rtt {
            timing.initial = Duration::from_millis(3 * u64::from(rtt));
        }
        if let Some(retries) = self.initial_rto.retries {
            timing.retries = retries;
            timing.total = None;
        }
        (timing != default).then_some(timing)
    }

    /// Room for received bytes as the stack is asked for it. A number of the caller's is not a
    /// reason to allocate without bound, nor to leave a peer no window at all.
    pub(crate) fn receive_room(&self) -> usize {
        self.receive_buffer.clamp(LEAST_RECEIVE_BUFFER, MOST_RECEIVE_BUFFER) as usize
    }

    /// What an accepted socket takes over from its listener: everything.
    pub(crate) fn inherited(&self) -> Self {
        *self
    }
}

/// An option's value on its way to the caller.
enum Value {
    /// One byte is enough room.
    Flag(bool),
    Number(u32),
    Linger(Option<u16>),
    IcmpError(Option<[u8; ICMP_ERROR_INFO]>),
}

/// The smallest receive buffer, in bytes: one segment of the smallest MTU of IPv4 hosts.
const LEAST_RECEIVE_BUFFER: u32 = 536;
/// The largest receive buffer, in bytes.
const MOST_RECEIVE_BUFFER: u32 = 16 << 20;

/// Size of ICMP_ERROR_INFO: a SOCKADDR_INET of 28 bytes, the protocol, type and code.
const ICMP_ERROR_INFO: usize = 36;

impl<'a, E: Engine<'a>> Process<'a, E> {
    /// getsockopt: writes the option into `value`, which has `optlen` bytes, and its length into
    /// `optlen`.
    ///
    /// # Errors
    /// WSAENOTSOCK; WSAEINVAL for a level that is not of the socket; WSAENOPROTOOPT for an
    /// unknown option; WSAEFAULT for too little room.
    pub fn getsockopt(
        &self,
        s: SocketHandle,
        level: i32,
        option: i32,
        mut value: MemoryMut<'_>,
        optlen: Option<&mut i32>,
    ) -> Result<()> {
        self.call(|access| {
            let found = access.option(s, level, option)?;
            let optlen = optlen.ok_or(Error::WSAEFAULT)?;
            let room = usize::try_from(*optlen).map_err(|_| Error::WSAEFAULT)?;
            let mut put = |bytes: &[u8]| -> Result<()> {
                if room < bytes.len() {
                    return Err(Error::WSAEFAULT);
                }
                let target = value.write(bytes.len()).ok_or(Error::WSAEFAULT)?;
                target.copy_from_slice(bytes);
                *optlen = bytes.len() as i32;
                Ok(())
            };
            match found {
                Value::Flag(flag) if (1..4).contains(&room) => put(&[u8::from(flag)])?,
                Value::Flag(flag) => put(&u32::from(flag).to_ne_bytes())?,
                Value::Number(number) => put(&number.to_ne_bytes())?,
                Value::Linger(linger) => {
                    let [on, off] = u16::from(linger.is_some()).to_ne_bytes();
                    let [low, high] = linger.unwrap_or(0).to_ne_bytes();
                    put(&[on, off, low, high])?;
                }
                Value::IcmpError(Some(info)) => put(&info)?,
                Value::IcmpError(None) => *optlen = 0,
            }
            Ok(())
        })
    }

    /// getsockopt for an option that is one 32-bit number or a boolean.
    ///
    /// # Errors
    /// As [`Process::getsockopt`].
    pub fn option(&self, s: SocketHandle, level: i32, option: i32) -> Result<u32> {
        let mut value = [0; 4];
        let mut len = 4;
        self.getsockopt(s, level, option, MemoryMut::Bytes(&mut value), Some(&mut len))?;
        Ok(u32::from_ne_bytes(value))
    }

    /// setsockopt: sets the option to the `optlen` bytes of `value`. Booleans may be one byte.
    ///
    /// SO_RCVBUF takes effect with the next connection attempt or bind, and between 536 bytes and
    /// 16 MiB.
    ///
    /// # Errors
    /// WSAENOTSOCK; WSAEINVAL for a level that is not of the socket, for SO_REUSEADDR together
    /// with SO_EXCLUSIVEADDRUSE, and for what must be set before bind; WSAENOPROTOOPT for an
    /// unknown or read-only option; WSAEFAULT for too short a value.
    pub fn setsockopt(
        &self,
        s: SocketHandle,
        level: i32,
        option: i32,
        value: Memory<'_>,
        optlen: i32,
    ) -> Result<()> {
        self.call(|access| {
            access.core.socket(s)?;
            let given = usize::try_from(optlen).map_err(|_| Error::WSAEFAULT)?;
            // Not more than the longest option is ever looked at.
            let bytes = value.read(given.min(4)).ok_or(Error::WSAEFAULT)?;
            Ok(access.set_option(s, level, option, bytes)?)
        })
    }

    /// setsockopt for an option that is one 32-bit number or a boolean.
    ///
    /// # Errors
    /// As [`Process::setsockopt`].
    pub fn set_option(&self, s: SocketHandle, level: i32, option: i32, value: u32) -> Result<()> {
        self.setsockopt(s, level, option, Memory::Bytes(&value.to_ne_bytes()), 4)
    }
}

fn check_level(socket: &Socket, level: i32) -> Result<()> {
    let known = match level {
        SOL_SOCKET => true,
        IPPROTO_TCP => socket.is_stream(),
        IPPROTO_UDP => !socket.is_stream(),
        IPPROTO_IP => socket.family == Family::V4 || socket.is_dual(),
        IPPROTO_IPV6 => socket.family == Family::V6,
        _ => false,
    };
    if known { Ok(()) } else { Err(Error::WSAEINVAL) }
}

fn flag(bytes: &[u8]) -> Result<bool> {
    if bytes.is_empty() { Err(Error::WSAEFAULT) } else { Ok(bytes.iter().any(|byte| *byte != 0)) }
}

fn number(bytes: &[u8]) -> Result<u32> {
    let bytes: [u8; 4] = bytes.try_into().map_err(|_| Error::WSAEFAULT)?;
    Ok(u32::from_ne_bytes(bytes))
}

impl<'a, L: Link, S: Storage<'a>> Access<'_, 'a, L, S> {
    fn option(&mut self, s: SocketHandle, level: i32, option: i32) -> Result<Value> {
        self.core.socket(s)?;
        self.settle(s);
        let now = self.now;
        let socket = self.core.socket(s)?;
        check_level(socket, level)?;
        let options = &socket.options;
        Ok(match (level, option) {
            (SOL_SOCKET, SO_DEBUG) => Value::Flag(options.debug),
            (SOL_SOCKET, SO_ACCEPTCONN) => Value::Flag(matches!(socket.state, State::Listening(_))),
            (SOL_SOCKET, SO_REUSEADDR) => Value::Flag(options.reuse),
            (SOL_SOCKET, SO_EXCLUSIVEADDRUSE) => Value::Flag(options.exclusive),
            (SOL_SOCKET, SO_KEEPALIVE) => Value::Flag(options.keep_alive),
            (SOL_SOCKET, SO_DONTROUTE) => Value::Flag(options.dont_route),
            (SOL_SOCKET, SO_BROADCAST) => Value::Flag(options.broadcast),
            (SOL_SOCKET, SO_OOBINLINE) => Value::Flag(options.oob_inline),
            (SOL_SOCKET, SO_CONDITIONAL_ACCEPT) => Value::Flag(options.conditional_accept),
            (SOL_SOCKET, SO_LINGER) => Value::Linger(options.linger),
            (SOL_SOCKET, SO_DONTLINGER) => Value::Flag(options.linger.is_none()),
            (SOL_SOCKET, SO_SNDBUF) => Value::Number(options.send_buffer),
            (SOL_SOCKET, SO_RCVBUF) => Value::Number(options.receive_buffer),
            (SOL_SOCKET, SO_SNDTIMEO) => Value::Number(options.send_timeout),
            (SOL_SOCKET, SO_RCVTIMEO) => Value::Number(options.receive_timeout),
            (SOL_SOCKET, SO_ERROR) => {
                Value::Number(socket.failure.code.map_or(0, |error| error.code() as u32))
            }
            (SOL_SOCKET, SO_TYPE) => {
                Value::Number(if socket.is_stream() { SOCK_STREAM } else { SOCK_DGRAM } as u32)
            }
            (SOL_SOCKET, SO_MAX_MSG_SIZE) if !socket.is_stream() => Value::Number(MAX_DATAGRAM),
            (SOL_SOCKET, SO_CONNECT_TIME) => Value::Number(match socket.connected_at {
                Some(since) if now >= since => (now - since).secs() as u32,
                Some(_) => 0,
                None => NOT_CONNECTED_TIME,
            }),
            (IPPROTO_TCP, TCP_NODELAY) => Value::Flag(options.no_delay),
            (IPPROTO_TCP, TCP_KEEPALIVE) => Value::Number(options.keep_idle),
            (IPPROTO_TCP, TCP_MAXRT) => Value::Number(match options.max_rt {
                MaxRt::Default => 0,
                MaxRt::Millis(millis) => millis.div_ceil(1000),
                MaxRt::Forever => u32::MAX,
            }),
            (IPPROTO_TCP, TCP_MAXRTMS) => Value::Number(match options.max_rt {
                MaxRt::Default => 0,
                MaxRt::Millis(millis) => millis,
                MaxRt::Forever => u32::MAX,
            }),
            (IPPROTO_TCP, TCP_FAIL_CONNECT_ON_ICMP_ERROR) => Value::Flag(options.fail_on_icmp),
            (IPPROTO_TCP, TCP_ICMP_ERROR_INFO) => Value::IcmpError(icmp_error_info(socket)),
            (IPPROTO_IP, IP_TTL) | (IPPROTO_IPV6, IPV6_UNICAST_HOPS) => {
                Value::Number(u32::from(options.hop_limit.unwrap_or(DEFAULT_HOP_LIMIT)))
            }
            (IPPROTO_IPV6, IPV6_V6ONLY) => Value::Flag(options.v6_only),
            _ => return Err(Error::WSAENOPROTOOPT),
        })
    }

    fn set_option(&mut self, s: SocketHandle, level: i32, option: i32, bytes: &[u8]) -> Result<()> {
        self.settle(s);
        let socket = self.core.socket_mut(s)?;
        check_level(socket, level)?;
        let is_bound = socket.bound.is_some();
        let is_stream = socket.is_stream();
        let options = &mut socket.options;
        match (level, option) {
            (SOL_SOCKET, SO_DEBUG) => options.debug = flag(bytes)?,
            (SOL_SOCKET, SO_REUSEADDR) => {
                let on = flag(bytes)?;
                if on && options.exclusive {
                    return Err(Error::WSAEINVAL);
                }
                options.reuse = on;
            }
            (SOL_SOCKET, SO_EXCLUSIVEADDRUSE) => {
                let on = flag(bytes)?;
                if is_bound || (on && options.reuse) {
                    return Err(Error::WSAEINVAL);
                }
                options.exclusive = on;
            }
            (SOL_SOCKET, SO_KEEPALIVE) => options.keep_alive = flag(bytes)?,
            (SOL_SOCKET, SO_DONTROUTE) => options.dont_route = flag(bytes)?,
            (SOL_SOCKET, SO_BROADCAST) => options.broadcast = flag(bytes)?,
            (SOL_SOCKET, SO_OOBINLINE) => options.oob_inline = flag(bytes)?,
            (SOL_SOCKET, SO_CONDITIONAL_ACCEPT) => options.conditional_accept = flag(bytes)?,
            // Datagram sockets have nothing to linger for.
            (SOL_SOCKET, SO_LINGER | SO_DONTLINGER) if !is_stream => {
                return Err(Error::WSAENOPROTOOPT);
            }
            (SOL_SOCKET, SO_LINGER) => {
                let [on, off, low, high] = number(bytes)?.to_ne_bytes();
                let on = u16::from_ne_bytes([on, off]) != 0;
                options.linger = on.then(|| u16::from_ne_bytes([low, high]));
            }
            (SOL_SOCKET, SO_DONTLINGER) => {
                options.linger = if flag(bytes)? { None } else { Some(0) };
            }
            (SOL_SOCKET, SO_SNDBUF) => options.send_buffer = number(bytes)?,
            (SOL_SOCKET, SO_RCVBUF) => options.receive_buffer = number(bytes)?,
            (SOL_SOCKET, SO_SNDTIMEO) => options.send_timeout = number(bytes)?,
            (SOL_SOCKET, SO_RCVTIMEO) => options.receive_timeout = number(bytes)?,
            // Any length, but only the low byte counts.
            (IPPROTO_TCP, TCP_NODELAY) => {
                options.no_delay = *bytes.first().ok_or(Error::WSAEFAULT)? != 0;
            }
            // Probes without any time between them would end every connection.
            (IPPROTO_TCP, TCP_KEEPALIVE) if number(bytes)? == 0 => return Err(Error::WSAEINVAL),
            (IPPROTO_TCP, TCP_KEEPALIVE) => options.keep_idle = number(bytes)?,
            (IPPROTO_TCP, TCP_MAXRT) => {
                options.max_rt = match number(bytes)? {
                    0 => MaxRt::Default,
                    u32::MAX => MaxRt::Forever,
                    seconds => MaxRt::Millis(seconds.saturating_mul(1000)),
                };
            }
            (IPPROTO_TCP, TCP_MAXRTMS) => {
                options.max_rt = match number(bytes)? {
                    0 => MaxRt::Default,
                    u32::MAX => MaxRt::Forever,
                    millis => MaxRt::Millis(millis),
                };
            }
            (IPPROTO_TCP, TCP_FAIL_CONNECT_ON_ICMP_ERROR) => options.fail_on_icmp = flag(bytes)?,
            (IPPROTO_IP, IP_TTL) | (IPPROTO_IPV6, IPV6_UNICAST_HOPS) => {
                let limit = u8::try_from(number(bytes)?).map_err(|_| Error::WSAEINVAL)?;
                options.hop_limit = (limit != 0).then_some(limit);
            }
            (IPPROTO_IPV6, IPV6_V6ONLY) => {
                let on = flag(bytes)?;
                if is_bound {
                    return Err(Error::WSAEINVAL);
                }
                options.v6_only = on;
            }
            _ => return Err(Error::WSAENOPROTOOPT),
        }
        let hop_limit = options.hop_limit.unwrap_or(DEFAULT_HOP_LIMIT);
        let options = options.for_connection();
        match socket.state {
            State::Connected(id) => self.stack.tcp_set(self.now, id, &options),
            State::Datagram(id) => self.stack.udp_set_hop_limit(id, hop_limit),
            State::Idle | State::Connecting(..) | State::Listening(_) => {}
        }
        Ok(())
    }
}

/// Time to live where no option sets another.
const DEFAULT_HOP_LIMIT: u8 = 64;

/// ICMP_ERROR_INFO about the last attempt.
fn icmp_error_info(socket: &Socket) -> Option<[u8; ICMP_ERROR_INFO]> {
    let PacketSummary::Icmp { source, kind, code, .. } = socket.failure.icmp?.summary else {
        return None;
    };
    let mut info = [0; ICMP_ERROR_INFO];
    let name = SockAddr::new(source, 0);
    let encoded = name.encode();
    info[..encoded.as_ref().len()].copy_from_slice(encoded.as_ref());
    let protocol: u32 = match name.family() {
        Family::V4 => 1,
        Family::V6 => 58,
    };
    info[28..32].copy_from_slice(&protocol.to_ne_bytes());
    info[32] = kind;
    info[33] = code;
    Some(info)
}
