//! Memory that is all there is: tables of fixed size that fill, and are as empty afterwards as
//! before.

use tapsock_stack::config::Config;
use tapsock_stack::event::Happened;
use tapsock_stack::link::NoLink;
use tapsock_stack::port::{BindAddress, BindError, Binding, Family, Share, Transport};
use tapsock_stack::storage::{Fixed, Growable, Memory};
use tapsock_stack::tcp::{Close, Connect, OpenError, Phase, SendError, Take};
use tapsock_stack::time::{Duration, Instant};
use tapsock_stack::wire::{EthernetAddress, IpAddress, IpEndpoint};
use tapsock_stack::{Progress, Stack, TcpId};

const SOCKETS: usize = 6;
const RING: usize = 1024;

type Small<'a> = Stack<'a, NoLink, Fixed<'a, SOCKETS, 32, 1514>>;

const OWN: IpAddress = IpAddress::v4(127, 0, 0, 1);
const ANY: BindAddress = BindAddress::Any(Family::V4);

fn small(memory: &mut Memory<'static, SOCKETS, RING>) -> Small<'static> {
    // Every test leaks its own few kilobytes, in place of a static for each.
    let memory: &'static mut Memory<'static, SOCKETS, RING> =
        Box::leak(Box::new(core::mem::take(memory)));
    let config = Config::new(EthernetAddress([2, 0, 0, 0, 0, 1]), 1);
    Stack::new(config, NoLink, Fixed::new(memory), Instant::ZERO)
}

fn settle(stack: &mut Small<'_>, now: Instant) {
    for _ in 0..10_000 {
        let progress = stack.poll(now);
        while stack.next_event().is_some() {}
        if progress == Progress::Idle {
            return;
        }
    }
    panic!("it never comes to rest");
}

/// A connection attempt with its own binding, which is to be given back.
fn connect(stack: &mut Small<'_>, now: Instant, port: u16) -> Result<(TcpId, Binding), OpenError> {
    let remote = IpEndpoint::new(OWN, port);
    let binding =
        stack.bind_for(Transport::Tcp, ANY, remote, Share::Default).map_err(OpenError::from)?;
    let local = IpEndpoint::new(OWN, stack.bound(binding).unwrap().1);
    match stack.tcp_connect(now, &Connect::new(local, remote)) {
        Ok(id) => Ok((id, binding)),
        Err(error) => {
            stack.unbind(binding);
            Err(error)
        }
    }
}

#[test]
fn a_thousand_connections_one_after_the_other_leak_nothing() {
    let stack = &mut small(&mut Memory::new());
    let mut now = Instant::ZERO;
    let server = stack.bind(Transport::Tcp, ANY, 80, Share::Default).unwrap();
    let listener = stack.tcp_listen(server, 4, 0).unwrap();
    for round in 0..1000 {
        let (near, binding) = connect(stack, now, 80).unwrap();
        settle(stack, now);
        let far = stack.tcp_accept(listener, 0).unwrap_or_else(|| panic!("round {round}"));
        assert_eq!(stack.tcp_send(now, near, &[7; 3000], 4096), Ok(RING));
        settle(stack, now);
        let mut buffer = [0; 4096];
        assert_eq!(stack.tcp_recv(now, far, &mut buffer, Take::Consume), Ok(RING));
        let how = [Close::Deliver, Close::Reset, Close::Silent][round % 3];
        stack.tcp_close(now, near, how);
        settle(stack, now);
        stack.tcp_close(now, far, if how == Close::Silent { Close::Reset } else { how });
        settle(stack, now);
        stack.unbind(binding);
        assert_eq!((stack.sockets(), stack.delivering()), (1, 0), "round {round} {how:?}");
        now += Duration::from_secs(1);
    }
}

#[test]
fn a_thousand_refused_attempts_leak_nothing() {
    let stack = &mut small(&mut Memory::new());
    for _ in 0..1000 {
        let (id, binding) = connect(stack, Instant::ZERO, 81).unwrap();
        settle(stack, Instant::ZERO);
        assert_eq!(stack.tcp(id).unwrap().phase, Phase::Failed);
        stack.tcp_close(Instant::ZERO, id, Close::Deliver);
        stack.unbind(binding);
        assert_eq!(stack.sockets(), 0);
    }
}

#[test]
fn connections_run_out_with_a_word_and_come_back() {
    let stack = &mut small(&mut Memory::new());
    let now = Instant::ZERO;
    let server = stack.bind(Transport::Tcp, ANY, 80, Share::Default).unwrap();
    let listener = stack.tcp_listen(server, 16, 0).unwrap();
    let mut near = Vec::new();
    // Each takes two sockets, one for either end.
    for _ in 0..SOCKETS / 2 {
        near.push(connect(stack, now, 80).unwrap());
        settle(stack, now);
    }
    let exhausted = connect(stack, now, 80).map(|(id, _)| id);
    assert_eq!(exhausted, Err(OpenError::Exhausted));
    for &(id, _) in &near {
        assert_eq!(stack.tcp(id).unwrap().phase, Phase::Connected, "nobody else suffers");
    }
    let (id, binding) = near.pop().unwrap();
    stack.tcp_close(now, id, Close::Reset);
    stack.unbind(binding);
    settle(stack, now);
    assert!(connect(stack, now, 80).is_ok());
    settle(stack, now);
    let mut accepted = 0;
    while let Some(id) = stack.tcp_accept(listener, 0) {
        accepted += 1;
        assert_eq!(stack.tcp(id).unwrap().phase, Phase::Connected);
    }
    assert_eq!(accepted, SOCKETS / 2);
}

#[test]
fn a_syn_for_which_no_socket_is_left_is_dropped_and_counted() {
    let stack = &mut small(&mut Memory::new());
    let mut now = Instant::ZERO;
    let server = stack.bind(Transport::Tcp, ANY, 80, Share::Default).unwrap();
    stack.tcp_listen(server, 16, 0).unwrap();
    // Attempts that nobody answers fill the pool: of port 80 of a stack whose sockets are gone.
    let mut attempts = Vec::new();
    while let Ok(attempt) = connect(stack, now, 80) {
        attempts.push(attempt);
    }
    assert!(attempts.len() < SOCKETS);
    settle(stack, now);
    assert!(stack.counters().tcp_exhausted > 0);
    for _ in 0..25 {
        now += Duration::from_secs(1);
        settle(stack, now);
    }
    for (id, binding) in attempts {
        stack.tcp_close(now, id, Close::Reset);
        stack.unbind(binding);
    }
    settle(stack, now);
    assert!(connect(stack, now, 80).is_ok());
}

#[test]
fn bindings_listeners_and_datagram_sockets_run_out_with_a_word() {
    let stack = &mut small(&mut Memory::new());
    let mut bindings = Vec::new();
    let refused = loop {
        match stack.bind(Transport::Udp, ANY, 0, Share::Default) {
            Ok(binding) => bindings.push(binding),
            Err(error) => break error,
        }
    };
    assert_eq!((refused, bindings.len()), (BindError::Exhausted, SOCKETS));
    let mut sockets = Vec::new();
    for &binding in &bindings {
        sockets.push(stack.udp_open(binding, 1000, 0).unwrap());
    }
    assert_eq!(stack.udp_open(bindings[0], 1000, 0), Err(OpenError::Exhausted));
    for socket in sockets {
        stack.udp_close(socket);
    }
    for &binding in &bindings {
        stack.unbind(binding);
    }
    assert_eq!(stack.sockets(), 0);
    // Listeners.
    for round in 0..3 {
        let mut made = Vec::new();
        for port in 1..=SOCKETS as u16 {
            let binding = stack.bind(Transport::Tcp, ANY, port, Share::Default).unwrap();
            made.push((binding, stack.tcp_listen(binding, 4, 0).unwrap()));
        }
        let again = stack.tcp_listen(made[0].0, 4, 0);
        assert_eq!(again, Err(OpenError::Exhausted), "round {round}");
        for (binding, listener) in made {
            stack.close_listener(Instant::ZERO, listener);
            stack.unbind(binding);
        }
        assert_eq!(stack.sockets(), 0);
    }
}

#[test]
fn datagram_sockets_connect_and_disconnect_for_ever_in_fixed_tables() {
    let stack = &mut small(&mut Memory::new());
    let sockets: Vec<_> = (0..SOCKETS as u16)
        .map(|port| {
            let binding = stack.bind(Transport::Udp, ANY, 5000 + port, Share::Default).unwrap();
            stack.udp_open(binding, 1000, 0).unwrap()
        })
        .collect();
    let now = Instant::ZERO;
    for round in 0..1000u16 {
        for &socket in &sockets {
            let remote = IpEndpoint::new(OWN, 5000 + round % SOCKETS as u16);
            stack.udp_connect(socket, OWN, remote).unwrap();
            if round % 3 == 0 {
                stack.udp_disconnect(socket);
            }
        }
    }
    for &socket in &sockets {
        stack.udp_disconnect(socket);
    }
    stack.udp_send(now, sockets[0], IpEndpoint::new(OWN, 5001), b"hello").unwrap();
    settle(stack, now);
    let mut buffer = [0; 16];
    let received = stack.udp_recv(sockets[1], &mut buffer, Take::Consume).unwrap();
    assert_eq!(&buffer[..received.copied], b"hello");
}

#[test]
fn a_send_is_accepted_in_part_without_a_heap_and_whole_with_one() {
    let stack = &mut small(&mut Memory::new());
    let now = Instant::ZERO;
    let server = stack.bind(Transport::Tcp, ANY, 80, Share::Default).unwrap();
    stack.tcp_listen(server, 4, 0).unwrap();
    let (id, _) = connect(stack, now, 80).unwrap();
    settle(stack, now);
    let mut total = 0;
    while let Ok(sent) = stack.tcp_send(now, id, &[1; 700], 1 << 20) {
        assert!(sent > 0);
        total += sent;
        settle(stack, now);
    }
    // Nobody receives: one ring here and one there.
    assert_eq!(total, 2 * RING);
    assert_eq!(stack.tcp_send(now, id, b"x", 1 << 20), Err(SendError::WouldBlock));
}

#[test]
fn a_stack_with_a_heap_has_its_limits_too() {
    let config = Config::new(EthernetAddress([2, 0, 0, 0, 0, 1]), 1);
    let mut config = config;
    config.send_total = 100_000;
    let mut stack = Stack::new(config, NoLink, Growable::limited(4), Instant::ZERO);
    let now = Instant::ZERO;
    let server = stack.bind(Transport::Tcp, ANY, 80, Share::Default).unwrap();
    stack.tcp_listen(server, 4, 0).unwrap();
    let remote = IpEndpoint::new(OWN, 80);
    let local = |port| IpEndpoint::new(OWN, port);
    let one = stack.tcp_connect(now, &Connect::new(local(1000), remote)).unwrap();
    let two = stack.tcp_connect(now, &Connect::new(local(1001), remote)).unwrap();
    while stack.poll(now) == Progress::More {}
    let third = stack.tcp_connect(now, &Connect::new(local(1002), remote));
    assert_eq!(third, Err(OpenError::Exhausted));
    // The rings are 65536 bytes; what lies beyond them is bounded for all together.
    let large = vec![1; 65536 + 90_000];
    assert_eq!(stack.tcp_send(now, one, &large, 65536), Ok(large.len()));
    assert_eq!(stack.tcp_send(now, two, &large, 65536), Err(SendError::NoBuffers));
    assert_eq!(stack.tcp_send(now, two, &large[..60_000], 65536), Ok(60_000));
    // Whoever closes gives back what it held.
    stack.tcp_close(now, one, Close::Reset);
    while stack.poll(now) == Progress::More {}
    assert_eq!(stack.tcp_send(now, two, &large[..90_000], 65536 * 2), Ok(90_000));
}

#[test]
fn events_of_one_socket_are_joined_so_that_nobody_needs_to_fetch_them() {
    let stack = &mut small(&mut Memory::new());
    let now = Instant::ZERO;
    let server = stack.bind(Transport::Tcp, ANY, 80, Share::Default).unwrap();
    let listener = stack.tcp_listen(server, 4, 1).unwrap();
    for round in 0..100 {
        let (near, binding) = connect(stack, now, 80).unwrap();
        while stack.poll(now) == Progress::More {}
        let far = stack.tcp_accept(listener, 2).unwrap();
        stack.tcp_send(now, near, b"hello", 100).unwrap();
        while stack.poll(now) == Progress::More {}
        stack.tcp_close(now, near, Close::Reset);
        while stack.poll(now) == Progress::More {}
        if round == 99 {
            let mut of_far = Happened::default();
            while let Some(event) = stack.next_event() {
                if event.owner == 2 {
                    of_far |= event.what;
                }
            }
            assert!(of_far.contains(Happened::READABLE | Happened::FAILED));
        }
        stack.tcp_close(now, far, Close::Deliver);
        stack.unbind(binding);
        assert_eq!(stack.sockets(), 1);
    }
}
