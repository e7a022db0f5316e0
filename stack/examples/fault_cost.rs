//! What the faults of a link cost: a bulk transfer between two stacks on a cable in memory.
//!
//! ```text
//! cargo run --release -p tapsock-stack --example fault_cost -- MODE SEGMENTS
//! ```
//!
//! MODE is `none` (no decorator), `idle` (an engine without a script, as in every process), a number
//! of rules that match no frame of the transfer, or `fires` (one rule that changes every frame with
//! data). SEGMENTS full segments go one way, and an acknowledgment for every two of them the other.
//! The number of packets is printed: a frame that one stack sends and the other receives is two of
//! them, for it passes two links. There is no clock here and no system call for a packet, so that
//! `scripts/bench-faults` can count instructions.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::env;
use std::error::Error;
use std::rc::Rc;

use tapsock_stack::config::{Config, OwnGroups};
use tapsock_stack::fault::{Engine, Memory, Rule, Script};
use tapsock_stack::link::fault::Fault;
use tapsock_stack::link::{Link, LinkError};
use tapsock_stack::port::{BindAddress, Share, Transport};
use tapsock_stack::storage::Growable;
use tapsock_stack::tcp::{Connect, Take};
use tapsock_stack::time::{Duration, Instant};
use tapsock_stack::wire::{EthernetAddress, IpAddress, IpCidr, IpEndpoint};
use tapsock_stack::{Progress, Stack};

const PORT: u16 = 9;
const MTU: usize = 1500;
/// Bytes in a full segment.
const PAYLOAD: usize = MTU - 40;
/// Frames that are on the cable in one direction at a time, at the most.
const CAPACITY: usize = 256;
/// Bytes in each ring of the connection.
const BUFFER: usize = 65_536;
/// Virtual time between two looks at the stacks.
const STEP: Duration = Duration::from_micros(10);

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let usage = "usage: fault_cost none|idle|RULES|fires SEGMENTS";
    let mode = arguments.next().ok_or(usage)?;
    let segments: usize = arguments.next().ok_or(usage)?.parse()?;
    let (client, server) = End::pair();
    let wire = Rc::clone(&client.wire);
    if mode == "none" {
        transfer(client, server, segments)?;
    } else {
        let rules = rules(&mode)?;
        transfer(broken(client, &rules)?, broken(server, &rules)?, segments)?;
    }
    let frames = wire.borrow().frames;
    println!("{}", 2 * frames);
    Ok(())
}

/// Rules as in tests of a service: other ports, flags and lengths than those of the transfer.
fn rules(mode: &str) -> Result<Vec<Rule>, Box<dyn Error>> {
    let count = match mode {
        "idle" => 0,
        "fires" => return Ok(vec!["name=fires tcp payload=\">= 1\" set-ttl=63".parse()?]),
        count => count.parse().map_err(|_| {
            format!("MODE {mode:?} is not none, idle, fires or a number of rules, such as 100")
        })?,
    };
    let rule = |number: usize| {
        let port = 1000 + number;
        let line = match number % 4 {
            0 => format!("name=r{number} rx tcp sport={port} flags=\"+SYN +ACK\" nth=1 drop"),
            1 => format!("name=r{number} tx tcp dport={port} payload=\">= 1\" prob=0.01 drop"),
            2 => format!("name=r{number} tcp flags=+RST nth=2 drop"),
            _ => format!("name=r{number} udp dport={port} delay=40ms"),
        };
        line.parse::<Rule>()
    };
    Ok((0..count).map(rule).collect::<Result<_, _>>()?)
}

fn broken(end: End, rules: &[Rule]) -> Result<Fault<'static, End>, Box<dyn Error>> {
    let script = Script::new(1).with_rules(rules.to_vec());
    let memory = Memory::growable(rules.len(), 64, 1024, MTU + 14);
    let engine = Engine::new(script, memory, Instant::ZERO).map_err(|error| error.to_string())?;
    Ok(Fault::new(end, engine))
}

fn transfer<L: Link>(client: L, server: L, segments: usize) -> Result<(), Box<dyn Error>> {
    let mut now = Instant::ZERO;
    let [own, peer] = [1, 2].map(|host| IpAddress::v4(10, 0, 0, host));
    let mut client = stack(1, own, client, now)?;
    let mut server = stack(2, peer, server, now)?;
    let binding = server
        .bind(Transport::Tcp, BindAddress::Address(peer), PORT, Share::Default)
        .map_err(|error| format!("{error:?}"))?;
    let listener = server.tcp_listen(binding, 1, 0).map_err(|error| format!("{error:?}"))?;
    let mut request = Connect::new(IpEndpoint::new(own, 40_000), IpEndpoint::new(peer, PORT));
    request.receive_buffer = Some(BUFFER);
    request.transmit_buffer = Some(BUFFER);
    let id = client.tcp_connect(now, &request).map_err(|error| format!("{error:?}"))?;
    let mut accepted = None;
    let data = [0xa5; PAYLOAD];
    let mut room = vec![0; BUFFER];
    let (mut sent, mut received) = (0, 0);
    while accepted.is_none() || received < segments * PAYLOAD {
        let mut busy = client.poll(now) == Progress::More;
        busy |= server.poll(now) == Progress::More;
        while client.next_event().is_some() {}
        while server.next_event().is_some() {}
        let status = client.tcp(id).ok_or("the connection is gone")?;
        if let Some(cause) = status.cause {
            return Err(cause.to_string().into());
        }
        accepted = accepted.or_else(|| server.tcp_accept(listener, 0));
        let Some(other) = accepted else {
            now += STEP;
            continue;
        };
        // Two at a time, as receivers acknowledge every second segment (RFC 9293, 3.8.6.3).
        for _ in 0..2.min(segments - sent) {
            if client.tcp(id).is_some_and(|status| status.room >= PAYLOAD) {
                client.tcp_send(now, id, &data, BUFFER).map_err(|error| format!("{error:?}"))?;
                sent += 1;
                busy = true;
            }
        }
        while let Ok(length @ 1..) = server.tcp_recv(now, other, &mut room, Take::Consume) {
            received += length;
            busy = true;
        }
        now += STEP;
        if !busy {
            let due = [client.poll_at(), server.poll_at()].into_iter().flatten().min();
            now = now.max(due.unwrap_or(now));
        }
    }
    Ok(())
}

fn stack<L: Link>(
    host: u8,
    address: IpAddress,
    link: L,
    now: Instant,
) -> Result<Stack<'static, L, Growable>, Box<dyn Error>> {
    let mut config = Config::new(EthernetAddress([2, 0, 0, 0, 0, host]), host.into());
    config.own_groups = OwnGroups::Unreported;
    let mut stack = Stack::new(config, link, Growable::default(), now);
    stack.add_address(IpCidr::new(address, 24))?;
    Ok(stack)
}

/// A cable without conditions. Frames that have arrived leave their memory to later ones.
#[derive(Default)]
struct Wire {
    /// On the way to each end.
    lanes: [VecDeque<Vec<u8>>; 2],
    spare: Vec<Vec<u8>>,
    frames: u64,
}

/// One of its two ends.
struct End {
    wire: Rc<RefCell<Wire>>,
    side: usize,
}

impl End {
    fn pair() -> (Self, Self) {
        let wire = Rc::<RefCell<Wire>>::default();
        (Self { wire: Rc::clone(&wire), side: 0 }, Self { wire, side: 1 })
    }
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
