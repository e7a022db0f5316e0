//! Bytes over TCP and UDP, from a stack to itself, in memory that is all on the program's stack.

use tapsock_stack::config::Config;
use tapsock_stack::link::NoLink;
use tapsock_stack::port::{BindAddress, Family, Share, Transport};
use tapsock_stack::storage::{Fixed, Memory};
use tapsock_stack::tcp::{Close, Connect, Take};
use tapsock_stack::time::{Duration, Instant};
use tapsock_stack::wire::{EthernetAddress, IpAddress, IpEndpoint};
use tapsock_stack::{Progress, Stack};

/// Sockets of a kind, bytes of each ring, slots of a hash table, bytes of a frame.
const SOCKETS: usize = 4;
const RING: usize = 2048;
const SLOTS: usize = 16;
const FRAME: usize = 1514;

type Small<'a> = Stack<'a, NoLink, Fixed<'a, SOCKETS, SLOTS, FRAME>>;

/// What went wrong, as the number of the step.
type Step = Result<(), i32>;

/// A connection over IPv4 and one over IPv6, and a datagram each way.
pub(crate) fn stack() -> Step {
    let mut memory: Memory<'_, SOCKETS, RING> = Memory::new();
    let config = Config::new(EthernetAddress([2, 0, 0, 0, 0, 1]), 1);
    let mut stack = Stack::new(config, NoLink, Fixed::new(&mut memory), Instant::ZERO);
    let mut now = Instant::ZERO;
    tcp(&mut stack, &mut now, IpAddress::v4(127, 0, 0, 1), 10)?;
    tcp(&mut stack, &mut now, IpAddress::v6(0, 0, 0, 0, 0, 0, 0, 1), 20)?;
    udp(&mut stack, &mut now, IpAddress::v4(127, 0, 0, 1), 30)
}

/// Lets the stack do what is due, and time pass, until nothing more would happen.
fn settle(stack: &mut Small<'_>, now: &mut Instant) {
    // A second is more than any acknowledgement waits, and less than a connection rests.
    let end = *now + Duration::from_secs(1);
    loop {
        while stack.poll(*now) == Progress::More {}
        while stack.next_event().is_some() {}
        match stack.poll_at() {
            Some(at) if at <= end => *now = at.max(*now + Duration::from_micros(1)),
            _ => return,
        }
    }
}

fn tcp(stack: &mut Small<'_>, now: &mut Instant, own: IpAddress, step: i32) -> Step {
    let any = BindAddress::Any(Family::of(own));
    let server = stack.bind(Transport::Tcp, any, 7, Share::Default).map_err(|_| step)?;
    let listener = stack.tcp_listen(server, 2, 1).map_err(|_| step + 1)?;
    let remote = IpEndpoint::new(own, 7);
    let client = stack
        .bind_for(Transport::Tcp, BindAddress::Address(own), remote, Share::Default)
        .map_err(|_| step + 2)?;
    let (_, port) = stack.bound(client).ok_or(step + 2)?;
    let request = Connect::new(IpEndpoint::new(own, port), remote);
    let near = stack.tcp_connect(*now, &request).map_err(|_| step + 3)?;
    settle(stack, now);
    let far = stack.tcp_accept(listener, 2).ok_or(step + 4)?;

    let mut buffer = [0; 64];
    for (from, to) in [(near, far), (far, near)] {
        stack.tcp_send(*now, from, b"no heap", 64).map_err(|_| step + 5)?;
        settle(stack, now);
        let len = stack.tcp_recv(*now, to, &mut buffer, Take::Consume).map_err(|_| step + 6)?;
        if &buffer[..len] != b"no heap" {
            return Err(step + 7);
        }
    }
    stack.tcp_close(*now, near, Close::Deliver);
    settle(stack, now);
    // The other side has read everything, so what is left is the FIN.
    if stack.tcp_recv(*now, far, &mut buffer, Take::Consume) != Ok(0) {
        return Err(step + 8);
    }
    stack.tcp_close(*now, far, Close::Deliver);
    stack.close_listener(*now, listener);
    settle(stack, now);
    stack.unbind(client);
    stack.unbind(server);
    if stack.sockets() == 0 { Ok(()) } else { Err(step + 9) }
}

fn udp(stack: &mut Small<'_>, now: &mut Instant, own: IpAddress, step: i32) -> Step {
    let binding = stack
        .bind(Transport::Udp, BindAddress::Address(own), 53, Share::Default)
        .map_err(|_| step)?;
    let socket = stack.udp_open(binding, 512, 1).map_err(|_| step + 1)?;
    stack.udp_send(*now, socket, IpEndpoint::new(own, 53), b"to myself").map_err(|_| step + 2)?;
    settle(stack, now);
    let mut buffer = [0; 64];
    let datagram = stack.udp_recv(socket, &mut buffer, Take::Consume).ok_or(step + 3)?;
    if &buffer[..datagram.len] != b"to myself" {
        return Err(step + 4);
    }
    stack.udp_close(socket);
    stack.unbind(binding);
    if stack.sockets() == 0 { Ok(()) } else { Err(step + 5) }
}
