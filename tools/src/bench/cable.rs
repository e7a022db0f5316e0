//! Two stacks of ours on a cable in memory: no clock, no system call, no losses, so that
//! instructions and processor time are those of the stacks alone.

mod cost;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, Write};
use std::rc::Rc;
use std::time::SystemTime;

use tapsock_stack::config::{Config, OwnGroups};
use tapsock_stack::fault::{Engine, Memory, Rule, Script};
use tapsock_stack::link::capture::Capture;
use tapsock_stack::link::fault::Fault;
use tapsock_stack::link::{Link, LinkError};
use tapsock_stack::port::{BindAddress, Share, Transport};
use tapsock_stack::storage::Growable;
use tapsock_stack::tcp::{Connect, Take};
use tapsock_stack::time::{Duration, Instant};
use tapsock_stack::wire::{EthernetAddress, IpAddress, IpCidr, IpEndpoint};
use tapsock_stack::{ListenerId, Progress, Stack, TcpId};

pub(super) use self::cost::packets;
use super::trouble::Trouble;

const MTU: usize = 1500;
/// Bytes in a full segment.
const PAYLOAD: usize = MTU - 40;
/// Frames that are on the cable in one direction at a time, at the most.
const CAPACITY: usize = 256;
/// Bytes in each ring of a connection.
const BUFFER: usize = 65_536;
/// Virtual time between two looks at the stacks.
const STEP: Duration = Duration::from_micros(10);
/// The first port that is listened at.
const PORT: u16 = 9;
/// Connections to each port: what the ports of a client have room for.
const PER_PORT: usize = 25_000;
/// The first port of the clients.
const FIRST: u16 = 20_000;
/// Looks after which a handshake or a transfer in memory will never end.
const PATIENCE: usize = 100_000;

/// A cable without conditions. Frames that have arrived leave their memory to later ones.
#[derive(Default)]
struct Wire {
    /// On the way to each end.
    lanes: [VecDeque<Vec<u8>>; 2],
    spare: Vec<Vec<u8>>,
    frames: u64,
}

/// One of its two ends.
pub(super) struct End {
    wire: Rc<RefCell<Wire>>,
    side: usize,
}

impl Link for End {
    fn mtu(&self) -> usize {
        MTU
    }

    fn is_up(&self) -> bool {
        true
    }

    fn receive(&mut self, _: Instant, buffer: &mut [u8]) -> Result<Option<usize>, LinkError> {
        let mut wire = self.wire.borrow_mut();
        let Some(frame) = wire.lanes[self.side].pop_front() else { return Ok(None) };
        let length = frame.len().min(buffer.len());
        buffer[..length].copy_from_slice(&frame[..length]);
        wire.spare.push(frame);
        Ok(Some(length))
    }

    fn transmit(&mut self, _: Instant, frame: &[u8]) -> Result<(), LinkError> {
        let mut wire = self.wire.borrow_mut();
        let other = 1 - self.side;
        if wire.lanes[other].len() >= CAPACITY {
            return Err(LinkError::Busy);
        }
        let mut copy = wire.spare.pop().unwrap_or_default();
        copy.clear();
        copy.extend_from_slice(frame);
        wire.lanes[other].push_back(copy);
        wire.frames += 1;
        Ok(())
    }
}

/// Two stacks with connections from one to the other.
pub(super) struct Rig<L: Link> {
    wire: Rc<RefCell<Wire>>,
    now: Instant,
    client: Stack<'static, L, Growable>,
    server: Stack<'static, L, Growable>,
    listeners: Vec<ListenerId>,
    /// Both ends of each connection.
    pub(super) connections: Vec<[TcpId; 2]>,
    room: Vec<u8>,
}

impl Rig<End> {
    /// On the bare cable.
    pub(super) fn bare() -> Result<Self, Trouble> {
        Self::over(Ok)
    }
}

impl<L: Link> Rig<L> {
    /// With something around each end of the cable.
    pub(super) fn over(around: impl Fn(End) -> Result<L, Trouble>) -> Result<Self, Trouble> {
        let wire = Rc::<RefCell<Wire>>::default();
        let end = |side| around(End { wire: Rc::clone(&wire), side });
        let now = Instant::ZERO;
        let [client, server] = [(1, end(0)?), (2, end(1)?)].map(|(host, link)| {
            let mut config = Config::new(EthernetAddress([2, 0, 0, 0, 0, host]), host.into());
            config.own_groups = OwnGroups::Unreported;
            (config.receive_buffer, config.transmit_buffer) = (BUFFER, BUFFER);
            let mut stack = Stack::new(config, link, Growable::default(), now);
            stack.add_address(IpCidr::new(address(host), 24)).map_err(Trouble::debug)?;
            Ok::<_, Trouble>(stack)
        });
        let (client, server) = (client?, server?);
        let (listeners, connections, room) = (Vec::new(), Vec::new(), vec![0; BUFFER]);
        Ok(Self { wire, now, client, server, listeners, connections, room })
    }

    /// Frames that one stack sent and the other received: each is two packets, for it passes two
    /// stacks.
    pub(super) fn packets(&self) -> u64 {
        2 * self.wire.borrow().frames
    }

    /// Makes connections, each by its own handshake, until there are this many.
    pub(super) fn connect(&mut self, connections: usize) -> Result<(), Trouble> {
        while self.connections.len() < connections {
            let number = self.connections.len();
            let (port, source) = (number / PER_PORT, FIRST + (number % PER_PORT) as u16);
            let port = PORT + port as u16;
            if number.is_multiple_of(PER_PORT) {
                let at = BindAddress::Address(address(2));
                let binding = self
                    .server
                    .bind(Transport::Tcp, at, port, Share::Default)
                    .map_err(Trouble::debug)?;
                let listener = self.server.tcp_listen(binding, 8, 0).map_err(Trouble::debug)?;
                self.listeners.push(listener);
            }
            let Some(&listener) = self.listeners.last() else { continue };
            let (own, to) =
                (IpEndpoint::new(address(1), source), IpEndpoint::new(address(2), port));
            let request = Connect::new(own, to);
            let id = self.client.tcp_connect(self.now, &request).map_err(Trouble::debug)?;
            let mut accepted = None;
            for _ in 0..PATIENCE {
                self.turn();
                accepted = self.server.tcp_accept(listener, 0);
                if accepted.is_some() {
                    break;
                }
            }
            let accepted =
                accepted.ok_or_else(|| Trouble::new("a handshake in memory did not end"))?;
            self.connections.push([id, accepted]);
        }
        Ok(())
    }

    /// Lets both stacks do what there is to do; true when there was something.
    fn turn(&mut self) -> bool {
        let mut busy = self.client.poll(self.now) == Progress::More;
        busy |= self.server.poll(self.now) == Progress::More;
        while self.client.next_event().is_some() {}
        while self.server.next_event().is_some() {}
        self.now += STEP;
        busy
    }

    /// Sends this many full segments over a connection, and an acknowledgment for every two of
    /// them comes back.
    pub(super) fn transfer(&mut self, connection: usize, segments: usize) -> Result<(), Trouble> {
        let &[id, other] = self.connections.get(connection).ok_or_else(gone)?;
        let data = [0xa5; PAYLOAD];
        let (mut sent, mut received, mut idle) = (0, 0, 0);
        while received < segments * PAYLOAD {
            let mut busy = self.turn();
            let status = self.client.tcp(id).ok_or_else(gone)?;
            if let Some(cause) = status.cause {
                return Err(Trouble::from(cause));
            }
            // Two at a time, as receivers acknowledge every second segment (RFC 9293, 3.8.6.3).
            for _ in 0..2.min(segments - sent) {
                if self.client.tcp(id).is_some_and(|status| status.room >= PAYLOAD) {
                    self.client.tcp_send(self.now, id, &data, BUFFER).map_err(Trouble::debug)?;
                    sent += 1;
                    busy = true;
                }
            }
            while let Ok(length @ 1..) =
                self.server.tcp_recv(self.now, other, &mut self.room, Take::Consume)
            {
                received += length;
                busy = true;
            }
            if busy {
                idle = 0;
            } else {
                let due = [self.client.poll_at(), self.server.poll_at()];
                self.now = self.now.max(due.into_iter().flatten().min().unwrap_or(self.now));
                idle += 1;
                if idle > PATIENCE {
                    return Err(Trouble::new("a transfer in memory came to a halt"));
                }
            }
        }
        Ok(())
    }

    /// Sends a small message over every connection in turn, this many in all.
    pub(super) fn messages(&mut self, from: usize, messages: usize) -> Result<(), Trouble> {
        for number in from..from + messages {
            let &[id, other] = &self.connections[number % self.connections.len()];
            self.client.tcp_send(self.now, id, &[0xa5; 64], BUFFER).map_err(Trouble::debug)?;
            let mut received = 0;
            for _ in 0..PATIENCE {
                if !self.turn() {
                    // Where small segments wait for an acknowledgment, that is what comes next.
                    let due = [self.client.poll_at(), self.server.poll_at()];
                    self.now = self.now.max(due.into_iter().flatten().min().unwrap_or(self.now));
                }
                if let Ok(length @ 1..) =
                    self.server.tcp_recv(self.now, other, &mut self.room, Take::Consume)
                {
                    received += length;
                }
                if received == 64 {
                    break;
                }
            }
            if received != 64 {
                return Err(Trouble::new("a message in memory did not arrive"));
            }
        }
        Ok(())
    }
}

fn gone() -> Trouble {
    Trouble::new("a connection in memory is gone")
}

const fn address(host: u8) -> IpAddress {
    IpAddress::v4(10, 0, 0, host)
}

/// What is around the ends of the cable in a transfer whose instructions are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Around {
    /// Nothing.
    Bare,
    /// A fault engine with this many rules that match no frame of the transfer.
    Rules(usize),
    /// A fault engine without rules, and a capture whose file takes nothing any more.
    Idle,
    /// One with a rule that changes every frame with data.
    Fires,
}

impl std::str::FromStr for Around {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Self::Bare),
            "idle" => Ok(Self::Idle),
            "fires" => Ok(Self::Fires),
            count => count.parse().map(Self::Rules).map_err(|_| {
                format!("{count:?} is not none, idle, fires or a number of rules, such as 100")
            }),
        }
    }
}

/// Transfers this many segments and gives the number of packets.
pub(super) fn counted(around: Around, segments: usize) -> Result<u64, Trouble> {
    let rules = match around {
        Around::Bare => return played(Rig::bare()?, segments),
        Around::Fires => vec![rule("name=fires tcp payload=\">= 1\" set-ttl=63")?],
        Around::Idle => Vec::new(),
        Around::Rules(count) => (0..count).map(elsewhere).collect::<Result<_, _>>()?,
    };
    if around == Around::Idle {
        let rig = Rig::over(|end| {
            broken(Capture::new(end, Full, "cable", SystemTime::UNIX_EPOCH), &rules)
        })?;
        return played(rig, segments);
    }
    played(Rig::over(|end| broken(end, &rules))?, segments)
}

/// A file on a full disk: its capture is idle from the beginning.
struct Full;

impl Write for Full {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::StorageFull.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A link with a fault engine.
fn broken<L: Link>(link: L, rules: &[Rule]) -> Result<Fault<'static, L>, Trouble> {
    let script = Script::new(1).with_rules(rules.to_vec());
    let memory = Memory::growable(rules.len(), 64, 1024, MTU + 14);
    let engine = Engine::new(script, memory, Instant::ZERO).map_err(Trouble::from)?;
    Ok(Fault::new(link, engine))
}

fn played<L: Link>(mut rig: Rig<L>, segments: usize) -> Result<u64, Trouble> {
    rig.connect(1)?;
    rig.transfer(0, segments)?;
    Ok(rig.packets())
}

/// A rule as in tests of a service: for other ports, flags and lengths than those of the transfer.
fn elsewhere(number: usize) -> Result<Rule, Trouble> {
    let port = 1000 + number;
    rule(&match number % 4 {
        0 => format!("name=r{number} rx tcp sport={port} flags=\"+SYN +ACK\" nth=1 drop"),
        1 => format!("name=r{number} tx tcp dport={port} payload=\">= 1\" prob=0.01 drop"),
        2 => format!("name=r{number} tcp flags=+RST nth=2 drop"),
        _ => format!("name=r{number} udp dport={port} delay=40ms"),
    })
}

fn rule(line: &str) -> Result<Rule, Trouble> {
    line.parse().map_err(Trouble::from)
}
