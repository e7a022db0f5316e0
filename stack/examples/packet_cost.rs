//! What a packet costs a stack: a full segment sent, a full segment received, and a small one that has
//! to find its connection among many.
//!
//! ```text
//! cargo run --release -p tapsock-stack --example packet_cost -- MODE COUNT CONNECTIONS
//! ```
//!
//! MODE is `transmit` (COUNT full segments are sent, and their acknowledgments taken in), `receive`
//! (as many are taken in and read) or `demux` (COUNT segments of a byte are taken in). They belong to
//! each of the connections in turn. Only what happens within the function `measured` counts:
//! `scripts/instructions` has callgrind look at nothing else.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::env;
use std::error::Error;
use std::rc::Rc;

use tapsock_stack::config::{Config, OwnGroups};
use tapsock_stack::link::{Link, LinkError};
use tapsock_stack::port::{BindAddress, Share, Transport};
use tapsock_stack::storage::Growable;
use tapsock_stack::tcp::{Connect, Phase, Take};
use tapsock_stack::time::{Duration, Instant};
use tapsock_stack::wire::{EthernetAddress, IpAddress, IpCidr, IpEndpoint};
use tapsock_stack::{Progress, Stack, TcpId};

/// Bytes of the largest packet.
const MTU: usize = 1500;
/// Bytes in a full segment.
const PAYLOAD: usize = MTU - 40;
/// Frames that are on the cable in one direction at a time, at the most.
const CAPACITY: usize = 256;
/// Bytes in each ring of a connection.
const BUFFER: usize = 65_536;
const PORT: u16 = 9;
/// The first port of the client; each connection has one.
const FIRST: u16 = 10_000;
/// Virtual time between two looks at the stacks.
const STEP: Duration = Duration::from_micros(10);

type Host = Stack<'static, End, Growable>;

/// What is counted.
#[inline(never)]
fn measured<R>(work: impl FnOnce() -> R) -> R {
    work()
}

fn settle(host: &mut Host, now: Instant) {
    while host.poll(now) == Progress::More {}
}

/// A connection's two ends.
#[derive(Clone, Copy)]
struct Ends {
    client: TcpId,
    server: TcpId,
}

fn main() -> Result<(), Box<dyn Error>> {
    let usage = "usage: packet_cost transmit|receive|demux COUNT CONNECTIONS";
    let mut arguments = env::args().skip(1);
    let mode = arguments.next().ok_or(usage)?;
    let mut number = || arguments.next().and_then(|text| text.parse::<u32>().ok()).ok_or(usage);
    let (count, connections) = (number()?, number()?);
    if !(1..=50_000).contains(&connections) {
        return Err("CONNECTIONS is from 1 to 50000".into());
    }
    let (near, far) = End::pair();
    let [own, peer] = [1, 2].map(|host| IpAddress::v4(10, 0, 0, host));
    let mut now = Instant::ZERO;
    let mut client = stack(1, own, near, now)?;
    let mut server = stack(2, peer, far, now)?;
    let connected = connect(&mut client, &mut server, &mut now, [own, peer], connections)?;
    let mut room = vec![0; BUFFER];
    let segment = [0xa5; PAYLOAD];
    for number in 0..count {
        let Ends { client: from, server: to } = connected[(number % connections) as usize];
        let data = if mode == "demux" { &segment[..1] } else { &segment };
        let send = |client: &mut Host| {
            let sent = client.tcp_send(now, from, data, BUFFER);
            (client.poll(now) == Progress::Idle && sent == Ok(data.len()))
                .then_some(())
                .ok_or("a segment was not sent at once")
        };
        let mut read = |server: &mut Host| {
            let received = server.tcp_recv(now, to, &mut room, Take::Consume);
            (received == Ok(data.len())).then_some(()).ok_or("a segment did not arrive at once")
        };
        match mode.as_str() {
            "transmit" => {
                measured(|| send(&mut client))?;
                settle(&mut server, now);
                read(&mut server)?;
            }
            "receive" => {
                send(&mut client)?;
                measured(|| {
                    settle(&mut server, now);
                    read(&mut server)
                })?;
            }
            "demux" => {
                send(&mut client)?;
                measured(|| settle(&mut server, now));
                read(&mut server)?;
            }
            _ => return Err(usage.into()),
        }
        // Late acknowledgments, which belong to the sending.
        now += Duration::from_millis(20);
        settle(&mut server, now);
        if mode == "transmit" {
            measured(|| settle(&mut client, now));
        } else {
            settle(&mut client, now);
        }
        while client.next_event().is_some() {}
        while server.next_event().is_some() {}
    }
    Ok(())
}

/// Connections by handshakes, one after the other.
fn connect(
    client: &mut Host,
    server: &mut Host,
    now: &mut Instant,
    [own, peer]: [IpAddress; 2],
    connections: u32,
) -> Result<Vec<Ends>, Box<dyn Error>> {
    let any = BindAddress::Address(peer);
    let binding = server.bind(Transport::Tcp, any, PORT, Share::Default);
    let binding = binding.map_err(|error| format!("{error:?}"))?;
    let listener = server.tcp_listen(binding, 1, 0).map_err(|error| format!("{error:?}"))?;
    let mut all = Vec::new();
    for number in 0..connections {
        let local = IpEndpoint::new(own, FIRST + number as u16);
        let mut request = Connect::new(local, IpEndpoint::new(peer, PORT));
        (request.receive_buffer, request.transmit_buffer) = (Some(BUFFER), Some(BUFFER));
        let id = client.tcp_connect(*now, &request).map_err(|error| format!("{error:?}"))?;
        while client.tcp(id).is_some_and(|status| status.phase == Phase::Connecting) {
            let _ = (client.poll(*now), server.poll(*now));
            *now += STEP;
        }
        let _ = server.poll(*now);
        let accepted = server.tcp_accept(listener, 0).ok_or("a connection was not accepted")?;
        all.push(Ends { client: id, server: accepted });
    }
    Ok(all)
}

/// A stack on one end, as a program has it.
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
}

/// One of its two ends.
struct End {
    /// The whole cable.
    wire: Rc<RefCell<Wire>>,
    side: usize,
}

impl End {
    /// Both.
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
        Ok(())
    }
}
