//! What the stack, the core of `wsa` and the fault engine do on a board, against the Linux kernel
//! at the other end of its wire. `scripts/test-embedded` makes the other end.
#![no_std]
#![no_main]

#[rustfmt::skip]
#[path = "../rules.rs"]
mod rules;

use core::fmt;
use core::net::{Ipv4Addr, SocketAddrV4};

use static_cell::{ConstStaticCell, StaticCell};
use tapsock_embedded::{
    ADDRESS, GATEWAY, HARDWARE_ADDRESS, Nic, Outcome, clock, idle, machine, say, start,
};
use tapsock_stack::Stack;
use tapsock_stack::config::{Config, Route, SynTiming};
use tapsock_stack::event::{Cause, CauseKind, Evidence, PacketSummary};
use tapsock_stack::fault::{self, Engine, Script};
use tapsock_stack::link::fault::Fault;
use tapsock_stack::storage::{Fixed, Memory};
use tapsock_stack::time::{Duration, Instant};
use tapsock_stack::wire::{IpAddress, IpCidr};
use wsa::constants::{
    AF_INET, IPPROTO_TCP, IPPROTO_UDP, POLLERR, POLLHUP, POLLRDNORM, POLLWRNORM, SD_SEND,
    SIO_TCP_INITIAL_RTO, SO_RCVTIMEO, SOCK_DGRAM, SOCK_STREAM, SOL_SOCKET,
};
use wsa::engine::stepped::Stepped;
use wsa::engine::{Engine as _, Waited};
use wsa::{Arg, Error, MemoryMut, Process, SocketHandle, WsaPollFd, sockaddr};

const SOCKETS: usize = 6;
const RING: usize = 8192;
const FRAME: usize = 1514;

/// Who is where. The program at the other end knows the same numbers.
const KERNEL: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
const SILENT: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 77);
const BLACKHOLE: Ipv4Addr = Ipv4Addr::new(10, 99, 1, 1);
const NOWHERE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const ECHO: u16 = 7000;
const CLOSED: u16 = 7001;
const TWO_VOICES: u16 = 7002;
const LOSSY: u16 = 7004;
const OWN: u16 = 4242;

/// Bytes that go each way.
const MEGABYTE: usize = 1 << 20;

/// Above what the silent neighbor takes, which is asked three times.
const SYN_TIMING: SynTiming = SynTiming {
    initial: Duration::from_millis(250),
    retries: 4,
    step_cap: Duration::from_secs(60),
    total: Some(Duration::from_secs(6)),
};

type Tables = Fixed<'static, SOCKETS, 32, FRAME>;
type Wire = Fault<'static, Nic>;
type Board = Stepped<'static, Wire, Tables, fn() -> Instant, fn(Option<Instant>) -> Waited>;
type Winsock = Process<'static, Board>;

static BUFFERS: ConstStaticCell<Memory<'static, SOCKETS, RING>> =
    ConstStaticCell::new(Memory::new());
static FAULTS: ConstStaticCell<fault::Fixed<1, 8, 4, FRAME>> =
    ConstStaticCell::new(fault::Fixed::new());
static PROCESS: StaticCell<Winsock> = StaticCell::new();

/// Why a test failed.
enum Wrong {
    /// A call gave something else than it should.
    Call(&'static str, Result<usize, Error>),
    /// The evidence is not what it should be.
    Cause(Option<Cause>),
    /// Something else.
    Other(&'static str),
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(call, outcome) => write!(f, "{call} gave {outcome:?}"),
            Self::Cause(cause) => write!(f, "the evidence is {cause:?}"),
            Self::Other(what) => f.write_str(what),
        }
    }
}

impl From<(&'static str, Error)> for Wrong {
    fn from((call, error): (&'static str, Error)) -> Self {
        Self::Call(call, Err(error))
    }
}

type Verdict = Result<(), Wrong>;
/// What it is called, and what it does.
type Test = (&'static str, fn(&Winsock) -> Verdict);

/// Says which call it was that failed.
trait During<T> {
    fn during(self, call: &'static str) -> Result<T, Wrong>;
}

impl<T> During<T> for Result<T, Error> {
    fn during(self, call: &'static str) -> Result<T, Wrong> {
        self.map_err(|error| Wrong::from((call, error)))
    }
}

start!(run);

fn run() -> Outcome {
    let process = PROCESS.init_with(begin);
    let tests: [Test; 9] = [
        ("ping", ping),
        ("connect, 1 MiB each way, close", echo),
        ("WSAECONNREFUSED", refused),
        ("WSAETIMEDOUT", timed_out),
        ("WSAEHOSTUNREACH", host_unreachable),
        ("WSAENETUNREACH", network_unreachable),
        ("a connected datagram socket hears its peer alone", datagrams),
        ("listen and accept", accept),
        ("a lost SYN-ACK", lost_syn_ack),
    ];
    let mut failed = 0;
    for (name, test) in tests {
        let began = clock();
        match test(process) {
            Ok(()) => say!("pass: {name} ({} ms)", (clock() - began).total_millis()),
            Err(why) => {
                failed += 1;
                say!("FAIL: {name}: {why}");
            }
        }
    }
    let memory = machine::memory();
    say!("memory: {} bytes of variables, {} bytes of stack", memory.statics, memory.stack);
    say!("{} passed, {failed} failed", tests.len() - failed);
    if failed == 0 { Outcome::Passed } else { Outcome::Failed }
}

fn begin() -> Winsock {
    let config = Config { syn: SYN_TIMING, ..Config::new(HARDWARE_ADDRESS, 0x7a9_50c4) };
    let script = Script::new(1).with_rules(rules::RULES);
    let memory = fault::Memory::fixed(FAULTS.take());
    let Ok(engine) = Engine::new(script, memory, clock()) else { panic!("the script is wrong") };
    let wire = Fault::new(Nic::new(), engine);
    let mut stack = Stack::new(config, wire, Fixed::new(BUFFERS.take()), clock());
    let behind = IpCidr::new(IpAddress::v4(10, 99, 0, 0), 16);
    let route = Route { destination: behind, gateway: Some(GATEWAY) };
    let configured = stack.add_address(ADDRESS).and_then(|()| stack.add_route(route));
    assert!(configured.is_ok(), "there is no room for an address and a route");
    let process = Process::new(Stepped::new(stack, clock as fn() -> _, idle as fn(_) -> _));
    assert_eq!(process.wsa_startup(0x0202).0, 0, "WSAStartup");
    process
}

/// Advances the stack until `done`, for so long at the most.
fn until(
    process: &Winsock,
    limit: Duration,
    done: impl Fn(&Stack<'static, Wire, Tables>) -> bool,
) -> bool {
    let end = clock() + limit;
    while clock() < end {
        let next = process.engine().poll();
        if process.engine().with(|access| done(access.stack)) {
            return true;
        }
        idle(next);
    }
    false
}

fn stream(process: &Winsock) -> Result<SocketHandle, Wrong> {
    process.socket(AF_INET, SOCK_STREAM, IPPROTO_TCP).during("socket")
}

/// WSAConnect with all its arguments.
fn connect(process: &Winsock, s: SocketHandle, to: Ipv4Addr, port: u16) -> Result<(), Error> {
    let name = sockaddr(SocketAddrV4::new(to, port));
    process.wsa_connect(s, name.memory(), name.len(), Arg::Null, Arg::Null, Arg::Null, Arg::Null)
}

/// Connecting fails with `code`, and its evidence is `expected`.
fn fails(
    process: &Winsock,
    (to, port): (Ipv4Addr, u16),
    code: Error,
    expected: impl Fn(&Cause) -> bool,
) -> Verdict {
    let s = stream(process)?;
    if let outcome @ (Ok(()) | Err(_)) = connect(process, s, to, port)
        && outcome != Err(code)
    {
        return Err(Wrong::Call("WSAConnect", outcome.map(|()| 0)));
    }
    let cause = process.last_cause();
    process.closesocket(s).during("closesocket")?;
    if cause.as_ref().is_some_and(expected) { Ok(()) } else { Err(Wrong::Cause(cause)) }
}

/// The kernel's echo request is answered.
fn ping(process: &Winsock) -> Verdict {
    say!("ready for an echo request");
    let answered = until(process, Duration::from_secs(10), |stack| stack.counters().others > 0);
    if answered { Ok(()) } else { Err(Wrong::Other("no echo request came")) }
}

/// A byte of a stream without visible pattern.
fn pattern(at: usize) -> u8 {
    let mixed = (at as u32 ^ 0x9e37).wrapping_mul(0x9e37_79b1);
    (mixed ^ mixed >> 15) as u8
}

fn echo(process: &Winsock) -> Verdict {
    let s = stream(process)?;
    connect(process, s, KERNEL, ECHO).during("WSAConnect")?;
    process.set_nonblocking(s, true).during("ioctlsocket")?;
    let (mut sent, mut received) = (0, 0);
    let mut chunk = [0; 1024];
    while received < MEGABYTE {
        let asked = if sent < MEGABYTE { POLLRDNORM | POLLWRNORM } else { POLLRDNORM };
        let mut fds = [WsaPollFd::new(s, asked)];
        process.wsa_poll(&mut fds, 10_000).during("WSAPoll")?;
        let shown = fds[0].revents;
        if shown == 0 || shown & (POLLERR | POLLHUP) != 0 {
            return Err(Wrong::Other("the connection came to a halt"));
        }
        if shown & POLLWRNORM != 0 {
            let len = chunk.len().min(MEGABYTE - sent);
            let part = &mut chunk[..len];
            part.iter_mut().zip(sent..).for_each(|(byte, at)| *byte = pattern(at));
            sent += process.send(s, (&*part).into(), 0).during("send")?;
        }
        if shown & POLLRDNORM != 0 {
            let len = process.recv(s, (&mut chunk).into(), 0).during("recv")?;
            if len == 0
                || chunk[..len].iter().zip(received..).any(|(&byte, at)| byte != pattern(at))
            {
                return Err(Wrong::Other("what came back is not what was sent"));
            }
            received += len;
        }
    }
    process.set_nonblocking(s, false).during("ioctlsocket")?;
    process.shutdown(s, SD_SEND).during("shutdown")?;
    let end = process.recv(s, (&mut chunk).into(), 0);
    if end != Ok(0) {
        return Err(Wrong::Call("recv behind the last byte", end));
    }
    process.closesocket(s).during("closesocket")
}

fn refused(process: &Winsock) -> Verdict {
    fails(process, (KERNEL, CLOSED), Error::WSAECONNREFUSED, |cause| {
        let evidence = matches!(
            cause.evidence,
            Evidence::Packet(packet) if matches!(packet.summary, PacketSummary::Tcp { .. })
        );
        cause.kind == CauseKind::Refused && evidence
    })
}

/// Three SYNs within a second, and another second for the last one: the time from the first to the
/// second is three times the round-trip time that is set.
fn timed_out(process: &Winsock) -> Verdict {
    let s = stream(process)?;
    let [low, high] = 80_u16.to_le_bytes();
    let preset = [low, high, 2, 0];
    let mut written = 0;
    process
        .wsa_ioctl(
            s,
            SIO_TCP_INITIAL_RTO,
            (&preset).into(),
            4,
            MemoryMut::Null,
            0,
            Some(&mut written),
        )
        .during("WSAIoctl")?;
    let outcome = connect(process, s, BLACKHOLE, ECHO);
    if outcome != Err(Error::WSAETIMEDOUT) {
        return Err(Wrong::Call("WSAConnect", outcome.map(|()| 0)));
    }
    let cause = process.last_cause();
    process.closesocket(s).during("closesocket")?;
    match cause {
        Some(Cause { kind: CauseKind::TimedOut, evidence: Evidence::Silence(silence), .. })
            if silence.sent == 3 =>
        {
            Ok(())
        }
        other => Err(Wrong::Cause(other)),
    }
}

fn host_unreachable(process: &Winsock) -> Verdict {
    fails(process, (SILENT, ECHO), Error::WSAEHOSTUNREACH, |cause| {
        let silent = matches!(cause.evidence, Evidence::Silence(silence) if silence.sent == 3);
        cause.kind == CauseKind::HostUnreachable && silent
    })
}

fn network_unreachable(process: &Winsock) -> Verdict {
    fails(process, (NOWHERE, ECHO), Error::WSAENETUNREACH, |cause| {
        let nowhere = Evidence::NoRoute(IpAddress::Ipv4(NOWHERE));
        cause.kind == CauseKind::NetUnreachable && cause.evidence == nowhere
    })
}

/// The other end answers twice, first from another port.
fn datagrams(process: &Winsock) -> Verdict {
    let s = process.socket(AF_INET, SOCK_DGRAM, IPPROTO_UDP).during("socket")?;
    process.set_option(s, SOL_SOCKET, SO_RCVTIMEO, 10_000).during("setsockopt")?;
    connect(process, s, KERNEL, TWO_VOICES).during("WSAConnect")?;
    process.send(s, b"who is there?".into(), 0).during("send")?;
    let mut buffer = [0; 32];
    let len = process.recv(s, (&mut buffer).into(), 0).during("recv")?;
    if &buffer[..len] != b"your peer" {
        return Err(Wrong::Other("the datagram is not the peer's"));
    }
    let filtered = process.engine().with(|access| access.stack.counters().udp_filtered);
    process.closesocket(s).during("closesocket")?;
    if filtered == 1 { Ok(()) } else { Err(Wrong::Other("the other datagram was not filtered")) }
}

fn accept(process: &Winsock) -> Verdict {
    let listener = stream(process)?;
    let name = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, OWN);
    process.bind_to(listener, name).during("bind")?;
    process.listen(listener, 2).during("listen")?;
    say!("listening");
    let mut fds = [WsaPollFd::new(listener, POLLRDNORM)];
    if process.wsa_poll(&mut fds, 10_000).during("WSAPoll")? != 1 {
        return Err(Wrong::Other("nobody connects"));
    }
    let mut from = [0; 16];
    let mut len = 16;
    let s = process.accept(listener, (&mut from).into(), Some(&mut len)).during("accept")?;
    if from[4..8] != KERNEL.octets() {
        return Err(Wrong::Other("accept names somebody else"));
    }
    let mut buffer = [0; 64];
    loop {
        let len = process.recv(s, (&mut buffer).into(), 0).during("recv")?;
        if len == 0 {
            break;
        }
        process.send(s, buffer[..len].into(), 0).during("send")?;
    }
    process.closesocket(s).during("closesocket")?;
    process.closesocket(listener).during("closesocket")
}

/// The script drops the first SYN-ACK, so the second one completes the handshake.
fn lost_syn_ack(process: &Winsock) -> Verdict {
    let s = stream(process)?;
    let began = clock();
    connect(process, s, KERNEL, LOSSY).during("WSAConnect")?;
    let took = clock() - began;
    process.closesocket(s).during("closesocket")?;
    let held = process
        .engine()
        .with(|access| access.stack.link().engine().report().all(|hits| hits.holds()));
    if !held {
        return Err(Wrong::Other("the rule did not act exactly once"));
    }
    if took < SYN_TIMING.initial {
        return Err(Wrong::Other("it completed before anything was repeated"));
    }
    Ok(())
}
