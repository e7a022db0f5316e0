//! The programs of scenarios: nothing but Winsock calls, the same on every stage.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tapsock_stack::event::Cause;
use tapsock_stack::tcp::TcpInfo;
use tapsock_stack::time::{Duration, Instant};
use wsa::constants::{
    IPPROTO_TCP, SD_SEND, SO_ERROR, SO_KEEPALIVE, SO_RCVTIMEO, SOCK_DGRAM, SOCK_STREAM, SOL_SOCKET,
    TCP_KEEPCNT, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_MAXRTMS,
};
use wsa::engine::Engine;
use wsa::{Arg, Error, FdSet, Memory, MemoryMut, Process, SocketHandle, sockaddr};

use super::expect::Ending;
use super::peer::Log;
use super::scenario::{Program, Scenario, Way};
use crate::output::Failure;
use crate::stage::{Ip, LISTENING_PORT, Medium};

/// Where a scenario is played: a process, and a peer that does its part by itself.
pub(super) trait Scene {
    /// What advances the process's stack.
    type Engine: Engine<'static> + Send + Sync + 'static;

    /// The process, which has called nothing yet.
    fn process(&self) -> &Arc<Process<'static, Self::Engine>>;

    /// What the peer has seen.
    fn log(&self) -> &Log;

    /// Lets the peer connect to the process's listener.
    fn dial(&self);

    /// Runs `act` as another thread of the process, `delay` from now.
    fn later(&self, delay: Duration, act: Box<dyn FnOnce() + Send>);
}

/// What came of a program.
#[derive(Debug, Clone)]
pub(super) struct Came {
    pub(super) ending: Ending,
    /// Which call decided it.
    pub(super) call: &'static str,
    pub(super) cause: Option<Cause>,
    /// Since the first call that the network has to do with.
    pub(super) took: Duration,
    /// Bytes that the program received.
    pub(super) received: usize,
    /// The numbers of its connection.
    pub(super) tcp: Option<TcpInfo>,
}

/// How far an echoed transfer sends ahead of what came back: less than the buffers of either
/// side, or both sides would wait for each other.
const AHEAD: usize = 32 << 10;
/// What one call sends or receives at the most.
const CHUNK: usize = 16 << 10;
/// How long `datagram` waits for an answer where nothing is said.
const ANSWERED: Duration = Duration::from_secs(2);
const VERSION: u16 = 0x0202;

/// Bytes to be recognized: neither a run of equal ones nor a short period.
pub(super) fn pattern(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let mut bytes = Vec::with_capacity(length.next_multiple_of(8));
    while bytes.len() < length {
        // Marsaglia's xorshift64.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Runs the program of `scenario`.
///
/// # Errors
/// When a call fails that has nothing to do with the network.
pub(super) fn play<S: Scene>(
    scene: &S,
    scenario: &Scenario,
    medium: Medium,
    seed: u64,
) -> Result<Came, Failure> {
    let process = scene.process();
    let (code, _) = process.wsa_startup(VERSION);
    if code != 0 {
        return Err(Failure::Told(format!("WSAStartup failed with {code}")));
    }
    let player = Player {
        process,
        scene,
        scenario,
        seed,
        guard: Guard::default(),
        began: process.engine().with(|access| access.now),
        received: 0,
    };
    player.run(scenario.limit(medium))
}

/// Ends a run that takes too long, by closing the socket under the call that blocks.
#[derive(Clone, Default)]
struct Guard {
    socket: Arc<Mutex<Option<SocketHandle>>>,
    ended: Arc<AtomicBool>,
}

impl Guard {
    fn watch(&self, s: SocketHandle) {
        *self.socket.lock().unwrap_or_else(PoisonError::into_inner) = Some(s);
    }

    fn watched(&self) -> Option<SocketHandle> {
        *self.socket.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Player<'s, S: Scene> {
    process: &'s Arc<Process<'static, S::Engine>>,
    scene: &'s S,
    scenario: &'s Scenario,
    seed: u64,
    guard: Guard,
    began: Instant,
    received: usize,
}

/// Why a program goes no further.
enum Stop {
    /// It has ended.
    Came(Box<Came>),
    /// It could not begin.
    Failed(Failure),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

type Step<T> = Result<T, Stop>;

impl<S: Scene> Player<'_, S> {
    fn run(mut self, limit: Duration) -> Result<Came, Failure> {
        let program = self.scenario.program.clone();
        // Weak, or what waits for its time would keep the process.
        let process = Arc::downgrade(self.process);
        let guard = self.guard.clone();
        self.scene.later(
            limit,
            Box::new(move || {
                if let (Some(process), Some(s)) = (process.upgrade(), guard.watched()) {
                    guard.ended.store(true, Ordering::Release);
                    // What is blocked on it comes back; one that has come back does not care.
                    let _ = process.closesocket(s);
                }
            }),
        );
        let ended = match program {
            Program::Connect => self.connect(),
            Program::Transfer => self.transfer(),
            Program::Listen => self.listen(),
            Program::Datagram => self.datagram(),
            Program::Command(words) => Err(Stop::Failed(Failure::Usage(format!(
                "the command {} is a program of its own, which only runs on a TAP device: run it \
                 with --tap",
                words.join(" ")
            )))),
        };
        match ended {
            Ok(came) => Ok(came),
            Err(Stop::Came(came)) => Ok(*came),
            Err(Stop::Failed(failure)) => Err(failure),
        }
    }

    fn now(&self) -> Instant {
        self.process.engine().with(|access| access.now)
    }

    fn came(&self, ending: Ending, call: &'static str) -> Came {
        let took = self.now() - self.began;
        let tcp = self.guard.watched().and_then(|s| self.process.tcp_info(s));
        Came { ending, call, cause: None, took, received: self.received, tcp }
    }

    /// A call that the network decides.
    fn decided<T>(&self, call: &'static str, result: wsa::Result<T>) -> Step<T> {
        result.map_err(|error| {
            let cause = self.process.last_cause();
            Stop::Came(Box::new(self.failed(call, error, cause)))
        })
    }

    fn failed(&self, call: &'static str, error: Error, cause: Option<Cause>) -> Came {
        if self.guard.ended.load(Ordering::Acquire) {
            return self.came(Ending::Blocked, call);
        }
        Came { cause, ..self.came(Ending::Code(error), call) }
    }

    /// A call that must succeed.
    fn needed<T>(call: &str, result: wsa::Result<T>) -> Step<T> {
        result.map_err(|error| {
            Stop::Failed(Failure::Told(format!("{call} failed with {error}, so nothing was run")))
        })
    }

    fn socket(&self, kind: i32) -> Step<SocketHandle> {
        let protocol = if kind == SOCK_STREAM { IPPROTO_TCP } else { 0 };
        let s =
            Self::needed("socket", self.process.socket(self.scenario.ip.family(), kind, protocol))?;
        self.guard.watch(s);
        let timeout = match (self.scenario.receive_timeout, kind) {
            (Some(time), _) => Some(time.0),
            (None, SOCK_DGRAM) => Some(ANSWERED),
            (None, _) => None,
        };
        if let Some(time) = timeout {
            self.set(s, SOL_SOCKET, SO_RCVTIMEO, millis(time))?;
        }
        Ok(s)
    }

    fn set(&self, s: SocketHandle, level: i32, name: i32, value: u32) -> Step<()> {
        Self::needed("setsockopt", self.process.set_option(s, level, name, value))
    }

    fn connected(&mut self) -> Step<SocketHandle> {
        let scenario = self.scenario;
        let s = self.socket(SOCK_STREAM)?;
        if let Some(time) = scenario.max_rt {
            self.set(s, IPPROTO_TCP, TCP_MAXRTMS, millis(time.0))?;
        }
        if let Some(probes) = scenario.keep_alive {
            self.set(s, SOL_SOCKET, SO_KEEPALIVE, 1)?;
            self.set(s, IPPROTO_TCP, TCP_KEEPIDLE, millis(probes.idle.0) / 1000)?;
            self.set(s, IPPROTO_TCP, TCP_KEEPINTVL, millis(probes.interval.0) / 1000)?;
            self.set(s, IPPROTO_TCP, TCP_KEEPCNT, probes.count.into())?;
        }
        if scenario.nonblocking {
            Self::needed("ioctlsocket", self.process.set_nonblocking(s, true))?;
        }
        self.began = self.now();
        match self.wsa_connect(s) {
            Err(Error::WSAEWOULDBLOCK) if scenario.nonblocking => self.completed(s)?,
            result => self.decided("WSAConnect", result)?,
        }
        if scenario.nonblocking {
            Self::needed("ioctlsocket", self.process.set_nonblocking(s, false))?;
        }
        self.pause(s)?;
        Ok(s)
    }

    fn wsa_connect(&self, s: SocketHandle) -> wsa::Result<()> {
        let name = sockaddr(self.scenario.to.address(self.scenario.ip));
        let (data, qos) = (Arg::Null, Arg::Null);
        self.process.wsa_connect(s, name.memory(), name.len(), data, Arg::Null, qos, Arg::Null)
    }

    /// Waits until a non-blocking attempt has ended.
    fn completed(&self, s: SocketHandle) -> Step<()> {
        let (mut writable, mut exceptional) = ([s], [s]);
        let (mut write, mut except) = (FdSet::of(&mut writable), FdSet::of(&mut exceptional));
        self.decided(
            "select",
            self.process.select(None, Some(&mut write), Some(&mut except), None),
        )?;
        let code = self.decided("getsockopt", self.process.option(s, SOL_SOCKET, SO_ERROR))?;
        match i32::try_from(code).ok().and_then(Error::from_code) {
            Some(error) => {
                let failed = self.failed("WSAConnect", error, self.process.cause(s));
                Err(Stop::Came(Box::new(failed)))
            }
            None => Ok(()),
        }
    }

    /// Does nothing for the time that the scenario says.
    fn pause(&self, s: SocketHandle) -> Step<()> {
        let Some(time) = self.scenario.idle else { return Ok(()) };
        // A connected socket is never exceptional.
        let mut exceptional = [s];
        let mut except = FdSet::of(&mut exceptional);
        self.decided("select", self.process.select(None, None, Some(&mut except), Some(time.0)))?;
        Ok(())
    }

    fn receive(&mut self, s: SocketHandle, buffer: &mut [u8]) -> Step<usize> {
        let length = self.decided("recv", self.process.recv(s, MemoryMut::Bytes(buffer), 0))?;
        self.received += length;
        Ok(length)
    }

    fn send(&self, s: SocketHandle, data: &[u8]) -> Step<usize> {
        self.decided("send", self.process.send(s, Memory::Bytes(data), 0))
    }

    fn connect(&mut self) -> Step<Came> {
        let s = self.connected()?;
        if !self.scenario.receive {
            return Ok(self.came(Ending::Connected, "WSAConnect"));
        }
        let ending = match self.receive(s, &mut [0; 1024])? {
            0 => Ending::Closed,
            _ => Ending::Received,
        };
        Ok(self.came(ending, "recv"))
    }

    fn transfer(&mut self) -> Step<Came> {
        let s = self.connected()?;
        let sent = pattern(self.seed, self.scenario.length());
        let came = match self.scenario.direction {
            Way::Echo => self.echoed(s, &sent)?,
            Way::Up => {
                for chunk in sent.chunks(CHUNK) {
                    let mut rest = chunk;
                    while !rest.is_empty() {
                        rest = &rest[self.send(s, rest)?..];
                    }
                }
                self.decided("shutdown", self.process.shutdown(s, SD_SEND))?;
                // The peer closes its side when it has everything.
                while self.receive(s, &mut [0; 1024])? > 0 {}
                self.scene.log().collected()
            }
            Way::Down => {
                let mut buffer = [0; CHUNK];
                let mut came = Vec::new();
                loop {
                    match self.receive(s, &mut buffer)? {
                        0 => break came,
                        length => came.extend_from_slice(&buffer[..length]),
                    }
                }
            }
        };
        Ok(self.came(compared(&sent, &came), "recv"))
    }

    fn echoed(&mut self, s: SocketHandle, data: &[u8]) -> Step<Vec<u8>> {
        let mut buffer = [0; CHUNK];
        let (mut sent, mut came) = (0, Vec::new());
        while came.len() < data.len() {
            if sent < data.len() && sent - came.len().min(sent) < AHEAD {
                let end = data.len().min(sent + CHUNK);
                sent += self.send(s, &data[sent..end])?;
                if sent == data.len() {
                    self.decided("shutdown", self.process.shutdown(s, SD_SEND))?;
                }
                continue;
            }
            match self.receive(s, &mut buffer)? {
                0 => break,
                length => came.extend_from_slice(&buffer[..length]),
            }
        }
        Ok(came)
    }

    fn listen(&mut self) -> Step<Came> {
        let any = match self.scenario.ip {
            Ip::V4 => SocketAddr::from((Ipv4Addr::UNSPECIFIED, LISTENING_PORT)),
            Ip::V6 => SocketAddr::from((Ipv6Addr::UNSPECIFIED, LISTENING_PORT)),
        };
        let listener = self.socket(SOCK_STREAM)?;
        Self::needed("bind", self.process.bind_to(listener, any))?;
        Self::needed("listen", self.process.listen(listener, 8))?;
        self.began = self.now();
        self.scene.dial();
        let accepted = self.process.accept(listener, MemoryMut::Null, None);
        let s = self.decided("accept", accepted)?;
        self.guard.watch(s);
        let mut came = Vec::new();
        let mut buffer = [0; CHUNK];
        let due = pattern(self.seed, self.scenario.length());
        while came.len() < due.len() {
            let length = self.receive(s, &mut buffer)?;
            if length == 0 {
                break;
            }
            let mut rest = &buffer[..length];
            while !rest.is_empty() {
                rest = &rest[self.send(s, rest)?..];
            }
            came.extend_from_slice(&buffer[..length]);
        }
        let call = if due.is_empty() { "accept" } else { "recv" };
        Ok(match compared(&due, &came) {
            Ending::Delivered => self.came(Ending::Accepted, call),
            other => self.came(other, call),
        })
    }

    fn datagram(&mut self) -> Step<Came> {
        let s = self.socket(SOCK_DGRAM)?;
        self.began = self.now();
        let connected = self.wsa_connect(s);
        self.decided("WSAConnect", connected)?;
        self.pause(s)?;
        let length = self.scenario.length();
        let mut buffer = vec![0; length + 1];
        for number in 0..self.scenario.count.unwrap_or(1) {
            let sent = pattern(self.seed.wrapping_add(2 * u64::from(number)), length);
            self.send(s, &sent)?;
            let came = self.receive(s, &mut buffer)?;
            if buffer[..came] != sent {
                return Ok(self.came(Ending::Differs, "recv"));
            }
        }
        Ok(self.came(Ending::Received, "recv"))
    }
}

fn compared(sent: &[u8], came: &[u8]) -> Ending {
    if sent == came {
        Ending::Delivered
    } else if came.len() < sent.len() && sent.starts_with(came) {
        Ending::Closed
    } else {
        Ending::Differs
    }
}

fn millis(time: Duration) -> u32 {
    u32::try_from(time.total_millis()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_is_compared_byte_by_byte() {
        assert_eq!(compared(b"abc", b"abc"), Ending::Delivered);
        assert_eq!(compared(b"abc", b"ab"), Ending::Closed);
        assert_eq!(compared(b"abc", b"ax"), Ending::Differs);
        assert_eq!(compared(b"abc", b"abd"), Ending::Differs);
    }

    #[test]
    fn the_pattern_follows_from_the_seed_and_has_its_length() {
        assert_eq!(pattern(7, 1000), pattern(7, 1000));
        assert_ne!(pattern(7, 1000), pattern(9, 1000));
        for length in [0, 1, 7, 8, 9] {
            assert_eq!(pattern(7, length).len(), length);
        }
        assert_eq!(pattern(7, 16)[..8], pattern(7, 8));
    }
}
