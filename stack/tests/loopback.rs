//! Both ends of a connection in one stack.

use tapsock_stack::config::{Config, OwnGroups};
use tapsock_stack::event::{CauseKind, Happened, SocketRef};
use tapsock_stack::link::NoLink;
use tapsock_stack::port::{BindAddress, Family, Share, Transport};
use tapsock_stack::storage::Growable;
use tapsock_stack::tcp::{Close, Connect, Phase, Take};
use tapsock_stack::time::{Duration, Instant};
use tapsock_stack::wire::{EthernetAddress, IpAddress, IpEndpoint};
use tapsock_stack::{Progress, Stack, TcpId};

type Loopback = Stack<'static, NoLink, Growable>;

fn stack() -> Loopback {
    let hardware = EthernetAddress([2, 0, 0, 0, 0, 1]);
    let mut config = Config::new(hardware, 7);
    config.own_groups = OwnGroups::Unreported;
    Stack::new(config, NoLink, Growable::default(), Instant::ZERO)
}

fn run(stack: &mut Loopback, now: Instant) {
    for _ in 0..10_000 {
        if stack.poll(now) == Progress::Idle {
            return;
        }
    }
    panic!("the stack never comes to rest");
}

const LOCALHOST: IpAddress = IpAddress::v4(127, 0, 0, 1);

fn connect(stack: &mut Loopback, port: u16, now: Instant) -> TcpId {
    let remote = IpEndpoint::new(LOCALHOST, port);
    let any = BindAddress::Any(Family::V4);
    let binding = stack.bind_for(Transport::Tcp, any, remote, Share::Default).unwrap();
    let local = IpEndpoint::new(LOCALHOST, stack.bound(binding).unwrap().1);
    stack.tcp_connect(now, &Connect::new(local, remote)).unwrap()
}

#[test]
fn a_connection_to_the_stack_itself_carries_data_both_ways() {
    let mut stack = stack();
    let now = Instant::ZERO;
    let any = BindAddress::Any(Family::V4);
    let binding = stack.bind(Transport::Tcp, any, 80, Share::Default).unwrap();
    let listener = stack.tcp_listen(binding, 5, 0).unwrap();
    let client = connect(&mut stack, 80, now);
    run(&mut stack, now);
    assert_eq!(stack.tcp(client).unwrap().phase, Phase::Connected);
    let server = stack.tcp_accept(listener, 0).unwrap();

    let sent: Vec<u8> = (0..1_000_000u32).map(|byte| byte as u8).collect();
    assert_eq!(stack.tcp_send(now, client, &sent, 65536), Ok(1_000_000));
    let mut received = Vec::new();
    let mut buffer = [0; 4096];
    while received.len() < sent.len() {
        run(&mut stack, now);
        while let Ok(taken) = stack.tcp_recv(now, server, &mut buffer, Take::Consume) {
            received.extend_from_slice(&buffer[..taken]);
        }
    }
    assert_eq!(received, sent);

    stack.tcp_close(now, client, Close::Deliver);
    run(&mut stack, now);
    assert_eq!(stack.tcp_recv(now, server, &mut buffer, Take::Consume), Ok(0));
    assert_eq!(stack.delivering(), 1);
    stack.tcp_close(now, server, Close::Deliver);
    run(&mut stack, now);
    assert_eq!(stack.delivering(), 0);
    // The listener is all that is left, and the four-tuple rests for a minute.
    assert_eq!(stack.sockets(), 1);
    assert_eq!(stack.poll_at(), Some(now + Duration::from_secs(60)));
}

#[test]
fn a_closed_port_refuses_at_once() {
    let mut stack = stack();
    let client = connect(&mut stack, 81, Instant::ZERO);
    run(&mut stack, Instant::ZERO);
    let status = stack.tcp(client).unwrap();
    assert_eq!(status.phase, Phase::Failed);
    assert_eq!(status.cause.unwrap().kind, CauseKind::Refused);
    let event = stack.next_event().unwrap();
    assert_eq!(event.socket, SocketRef::Tcp(client));
    assert!(event.what.contains(Happened::FAILED));
}
