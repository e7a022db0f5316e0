//! UDP: the peer filter, the receive queue, and what a datagram may be.

use etherparse::PacketBuilder;
use tapsock_stack::UdpId;
use tapsock_stack::event::Happened;
use tapsock_stack::port::{BindAddress, Family, Share, Transport};
use tapsock_stack::sim::{Conditions, Host, Pair};
use tapsock_stack::tcp::{SendError, Take};
use tapsock_stack::udp::UdpStatus;
use tapsock_stack::wire::{IpAddress, IpEndpoint};

use crate::scene::{HOST_MAC, PEER_MAC, Scene, pattern, receive_udp as receive, scene, seconds};

pub(crate) fn open(host: &Host, address: BindAddress, port: u16, bytes: usize) -> UdpId {
    host.with(|stack, _| {
        let binding = stack.bind(Transport::Udp, address, port, Share::Default).unwrap();
        stack.udp_open(binding, bytes, 0).unwrap()
    })
}

fn any(host: &Host, port: u16) -> UdpId {
    open(host, BindAddress::Any(Family::V4), port, 65536)
}

fn status(host: &Host, id: UdpId) -> UdpStatus {
    host.with(|stack, _| stack.udp(id).unwrap())
}

/// A datagram from 10.0.0.`source` to port 5000 of 10.0.0.`destination` in a frame for `mac`.
fn datagram(mac: [u8; 6], source: (u8, u16), destination: u8, data: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(PEER_MAC, mac)
        .ipv4([10, 0, 0, source.0], [10, 0, 0, destination], 64)
        .udp(source.1, 5000)
        .write(&mut frame, data)
        .unwrap();
    frame
}

fn from(source: (u8, u16), data: &[u8]) -> Vec<u8> {
    datagram(HOST_MAC, source, 1, data)
}

fn connect(scene: &Scene, id: UdpId, remote: (u8, u16)) {
    let remote = IpEndpoint::new(IpAddress::v4(10, 0, 0, remote.0), remote.1);
    scene.host.with(|stack, _| stack.udp_connect(id, scene.own(), remote)).unwrap();
}

#[test]
fn datagrams_go_both_ways_with_their_addresses() {
    for (family, of) in [(0, Family::V4), (1, Family::V6)] {
        let pair = Pair::new(1);
        let client = open(&pair.client, BindAddress::Any(of), 5000, 65536);
        let server = open(&pair.server, BindAddress::AnyDual, 7, 65536);
        let to = IpEndpoint::new(Pair::addresses(2)[family], 7);
        for length in [0, 1, 1000, 1432] {
            let data = pattern(length);
            pair.client.with(|stack, now| stack.udp_send(now, client, to, &data)).unwrap();
            pair.world.run_for(seconds(0.01));
            let (received, about) = receive(&pair.server, server).unwrap();
            assert_eq!((received, about.len), (data, length));
            let back = IpEndpoint::new(Pair::addresses(1)[family], 5000);
            assert_eq!((about.remote, about.local), (back, to.addr));
            pair.server.with(|stack, now| stack.udp_send(now, server, back, b"ok")).unwrap();
            pair.world.run_for(seconds(0.01));
            assert_eq!(receive(&pair.client, client).unwrap().0, b"ok");
        }
    }
}

#[test]
fn a_connected_socket_hears_only_its_peer_and_the_others_are_counted_before_the_queue() {
    let scene = scene();
    let id = any(&scene.host, 5000);
    connect(&scene, id, (2, 7));
    scene.happened();
    for other in [(2, 8), (3, 7), (9, 9)] {
        scene.arrives(&from(other, b"not from the peer"));
    }
    assert!(scene.happened().is_empty());
    let now = status(&scene.host, id);
    assert_eq!((now.waiting, now.bytes, now.filtered), (0, 0, 3));
    scene.arrives(&from((2, 7), b"from the peer"));
    assert_eq!(scene.happened(), Happened::READABLE);
    assert_eq!(receive(&scene.host, id).unwrap().0, b"from the peer");
    scene.host.with(|stack, _| {
        assert_eq!((stack.counters().udp_filtered, stack.counters().udp_unmatched), (3, 0));
    });
    // The port is open: nobody is told otherwise.
    scene.until(1.0);
    assert!(scene.capture.frames().iter().all(|seen| !seen.out));
}

#[test]
fn the_first_connect_keeps_what_the_peer_sent_and_drops_the_rest() {
    let scene = scene();
    let id = any(&scene.host, 5000);
    for (source, data) in [((2, 7), b"one"), ((3, 7), b"two"), ((2, 7), b"six"), ((2, 8), b"ten")] {
        scene.arrives(&from(source, data));
    }
    connect(&scene, id, (2, 7));
    let now = status(&scene.host, id);
    assert_eq!((now.waiting, now.bytes, now.filtered), (2, 6, 2));
    assert_eq!(now.peer, Some(scene.remote(7)));
    assert_eq!(now.local, Some(scene.own()));
    assert_eq!(receive(&scene.host, id).unwrap().0, b"one");
    assert_eq!(receive(&scene.host, id).unwrap().0, b"six");
}

#[test]
fn another_connect_flushes_unless_it_is_to_the_same_peer() {
    let scene = scene();
    let id = any(&scene.host, 5000);
    connect(&scene, id, (2, 7));
    scene.arrives(&from((2, 7), b"old"));
    connect(&scene, id, (2, 7));
    assert_eq!(status(&scene.host, id).waiting, 1);
    connect(&scene, id, (3, 7));
    let now = status(&scene.host, id);
    assert_eq!((now.waiting, now.bytes, now.filtered), (0, 0, 1));
    scene.arrives(&from((2, 7), b"too late"));
    scene.arrives(&from((3, 7), b"new"));
    assert_eq!(receive(&scene.host, id).unwrap().0, b"new");
    assert_eq!(status(&scene.host, id).filtered, 2);
}

#[test]
fn disconnecting_keeps_the_queue_and_opens_the_socket_to_everybody() {
    let scene = scene();
    let id = any(&scene.host, 5000);
    connect(&scene, id, (2, 7));
    scene.arrives(&from((2, 7), b"kept"));
    scene.host.with(|stack, _| stack.udp_disconnect(id));
    scene.arrives(&from((3, 9), b"anybody"));
    let now = status(&scene.host, id);
    assert_eq!((now.waiting, now.peer, now.local, now.filtered), (2, None, None, 0));
    assert_eq!(receive(&scene.host, id).unwrap().0, b"kept");
    let (data, about) = receive(&scene.host, id).unwrap();
    assert_eq!(data, b"anybody");
    assert_eq!(about.remote, IpEndpoint::new(IpAddress::v4(10, 0, 0, 3), 9));
    // Twice does no harm.
    scene.host.with(|stack, _| stack.udp_disconnect(id));
    scene.arrives(&from((3, 9), b"still"));
    assert_eq!(status(&scene.host, id).waiting, 1);
}

#[test]
fn disconnecting_a_socket_that_was_never_connected_changes_nothing() {
    let scene = scene();
    let id = any(&scene.host, 5000);
    scene.host.with(|stack, _| stack.udp_disconnect(id));
    scene.arrives(&from((3, 9), b"once"));
    assert_eq!(status(&scene.host, id).waiting, 1);
    scene.host.with(|stack, _| stack.udp_close(id));
    // Not even a shadow of it is left in a table.
    scene.arrives(&from((3, 9), b"nobody"));
    assert_eq!(scene.host.with(|stack, _| stack.counters().udp_unmatched), 1);
}

#[test]
fn a_port_is_shared_by_one_socket_for_everybody_and_one_for_each_peer() {
    let scene = scene();
    let share = |remote: Option<(u8, u16)>| {
        let id = scene.host.with(|stack, _| {
            let any = BindAddress::Any(Family::V4);
            let binding = stack.bind(Transport::Udp, any, 5000, Share::Reuse).unwrap();
            stack.udp_open(binding, 65536, 0).unwrap()
        });
        if let Some(remote) = remote {
            connect(&scene, id, remote);
        }
        id
    };
    let (one, two) = (share(Some((2, 7))), share(Some((3, 7))));
    let rest = share(None);
    for source in [(2, 7), (3, 7), (3, 7), (4, 7), (5, 7), (6, 7)] {
        scene.arrives(&from(source, b"x"));
    }
    let waiting = [one, two, rest].map(|id| status(&scene.host, id).waiting);
    assert_eq!(waiting, [1, 2, 3]);
    assert_eq!(scene.host.with(|stack, _| stack.counters().udp_filtered), 0);
}

#[test]
fn a_full_queue_drops_the_new_and_counts() {
    let scene = scene();
    let id = open(&scene.host, BindAddress::Any(Family::V4), 5000, 1000);
    for length in [400, 600, 1, 0] {
        scene.arrives(&from((2, 7), &pattern(length)));
    }
    let now = status(&scene.host, id);
    // An empty datagram takes no bytes.
    assert_eq!((now.waiting, now.bytes, now.overflowed), (3, 1000, 1));
    assert_eq!((now.next_len, now.filtered), (Some(400), 0));
    assert_eq!(scene.host.with(|stack, _| stack.counters().udp_overflowed), 1);
    assert_eq!(receive(&scene.host, id).unwrap().1.len, 400);
    scene.arrives(&from((2, 7), &pattern(400)));
    let now = status(&scene.host, id);
    assert_eq!((now.waiting, now.bytes, now.overflowed), (3, 1000, 1));
}

#[test]
fn empty_datagrams_do_not_fill_memory() {
    let scene = scene();
    let id = open(&scene.host, BindAddress::Any(Family::V4), 5000, 1000);
    for _ in 0..10_000 {
        scene.host.inject(&from((2, 7), b""));
    }
    scene.settle();
    let now = status(&scene.host, id);
    assert_eq!(now.waiting, 4096);
    assert_eq!(now.waiting as u64 + now.overflowed, 10_000);
}

#[test]
fn one_datagram_is_taken_even_if_it_is_larger_than_the_queue() {
    let scene = scene();
    let id = open(&scene.host, BindAddress::Any(Family::V4), 5000, 0);
    scene.arrives(&from((2, 7), &pattern(1000)));
    scene.arrives(&from((2, 7), &pattern(1)));
    let now = status(&scene.host, id);
    assert_eq!((now.waiting, now.overflowed), (1, 1));
}

#[test]
fn a_buffer_too_small_truncates_and_the_rest_is_lost() {
    let scene = scene();
    let id = any(&scene.host, 5000);
    scene.arrives(&from((2, 7), &pattern(100)));
    scene.arrives(&from((2, 7), b"next"));
    let mut buffer = [0; 10];
    for take in [Take::Peek, Take::Peek, Take::Consume] {
        let about = scene.host.with(|stack, _| stack.udp_recv(id, &mut buffer, take)).unwrap();
        assert_eq!((about.copied, about.len), (10, 100));
        assert_eq!(&buffer[..], &pattern(100)[..10]);
    }
    assert_eq!(receive(&scene.host, id).unwrap().0, b"next");
    assert!(receive(&scene.host, id).is_none());
    // Not a byte of room is room enough to take one away.
    scene.arrives(&from((2, 7), b"gone"));
    let about = scene.host.with(|stack, _| stack.udp_recv(id, &mut [], Take::Consume)).unwrap();
    assert_eq!((about.copied, about.len), (0, 4));
    assert_eq!(status(&scene.host, id).waiting, 0);
}

#[test]
fn errors_wait_in_a_queue_of_their_own_and_the_oldest_stay() {
    let scene = scene();
    let id = any(&scene.host, 5000);
    for port in 1..=20u16 {
        let remote = scene.remote(port);
        scene.host.with(|stack, now| stack.udp_send(now, id, remote, b"x")).unwrap();
        scene.icmp(3, 3, &scene.last_out(), 8);
    }
    let kept = status(&scene.host, id).errors;
    assert_eq!(kept, 8);
    for port in 1..=8 {
        let error = scene.host.with(|stack, _| stack.udp_error(id)).unwrap();
        assert_eq!(error.remote, scene.remote(port));
    }
    assert_eq!(scene.host.with(|stack, _| stack.udp_error(id)), None);
}

#[test]
fn an_error_about_somebody_elses_datagram_does_not_reach_a_connected_socket() {
    let scene = scene();
    let id = any(&scene.host, 5000);
    let to = |port| {
        let remote = scene.remote(port);
        scene.host.with(|stack, now| stack.udp_send(now, id, remote, b"x")).unwrap();
        scene.last_out()
    };
    let (old, new) = (to(6), to(7));
    connect(&scene, id, (2, 7));
    scene.icmp(3, 3, &old, 8);
    assert_eq!(status(&scene.host, id).errors, 0);
    scene.icmp(3, 3, &new, 8);
    assert_eq!(status(&scene.host, id).errors, 1);
    scene.host.with(|stack, _| {
        assert_eq!((stack.counters().icmp_matched, stack.counters().icmp_unmatched), (1, 1));
    });
}

#[test]
fn a_broadcast_reaches_who_listens_and_nobody_says_that_nobody_does() {
    let scene = scene();
    let id = any(&scene.host, 5000);
    scene.arrives(&datagram([255; 6], (2, 7), 255, b"to the subnet"));
    let (data, about) = receive(&scene.host, id).unwrap();
    assert_eq!((&*data, about.local), (&b"to the subnet"[..], IpAddress::v4(10, 0, 0, 255)));
    let mut limited = Vec::new();
    PacketBuilder::ethernet2(PEER_MAC, [255; 6])
        .ipv4([10, 0, 0, 2], [255; 4], 64)
        .udp(7, 5000)
        .write(&mut limited, b"to all")
        .unwrap();
    scene.arrives(&limited);
    assert_eq!(receive(&scene.host, id).unwrap().0, b"to all");
    scene.host.with(|stack, _| stack.udp_close(id));
    let frames = scene.capture.frames().len();
    scene.arrives(&datagram([255; 6], (2, 7), 255, b"to nobody"));
    scene.until(1.0);
    assert_eq!(scene.capture.frames().len(), frames + 1, "silence");
    assert_eq!(scene.host.with(|stack, _| stack.counters().udp_unmatched), 1);
}

#[test]
fn a_broadcast_goes_out_to_everybody() {
    let pair = Pair::new(1);
    let client = any(&pair.client, 5000);
    let server = any(&pair.server, 7);
    for address in [IpAddress::v4(255, 255, 255, 255), IpAddress::v4(10, 0, 0, 255)] {
        let to = IpEndpoint::new(address, 7);
        pair.client.with(|stack, now| stack.udp_send(now, client, to, b"all")).unwrap();
        pair.world.run_for(seconds(0.01));
        let (data, about) = receive(&pair.server, server).unwrap();
        assert_eq!((&*data, about.local), (&b"all"[..], address));
    }
}

#[test]
fn datagrams_for_a_neighbor_that_is_being_asked_wait_and_leave_in_order() {
    let pair = Pair::over(1, Conditions { delay: seconds(0.5), ..Conditions::GOOD });
    let client = any(&pair.client, 5000);
    let server = any(&pair.server, 7);
    let to = IpEndpoint::new(Pair::addresses(2)[0], 7);
    for number in 0..10u8 {
        pair.client.with(|stack, now| stack.udp_send(now, client, to, &[number])).unwrap();
    }
    pair.world.run_for(seconds(3.0));
    let received: Vec<u8> =
        core::iter::from_fn(|| receive(&pair.server, server)).map(|(data, _)| data[0]).collect();
    assert_eq!(received, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
}

#[test]
fn a_closed_socket_leaves_nothing_behind() {
    let scene = scene();
    for round in 0..100 {
        let id = scene.host.with(|stack, _| {
            let any = BindAddress::Any(Family::V4);
            let binding = stack.bind(Transport::Udp, any, 5000, Share::Default).unwrap();
            let id = stack.udp_open(binding, 65536, 0).unwrap();
            stack.unbind(binding);
            id
        });
        if round % 2 == 0 {
            connect(&scene, id, (2, 7));
        }
        scene.arrives(&from((2, 7), b"x"));
        assert_eq!(status(&scene.host, id).waiting, 1);
        scene.host.with(|stack, _| stack.udp_close(id));
        assert!(scene.host.with(|stack, _| stack.udp(id)).is_none());
        assert_eq!(scene.host.with(|stack, _| stack.sockets()), 0);
    }
}

#[test]
fn calls_with_a_stale_handle_say_so() {
    let scene = scene();
    let id = any(&scene.host, 5000);
    let remote = scene.remote(7);
    scene.host.with(|stack, now| {
        stack.udp_close(id);
        assert_eq!(stack.udp_send(now, id, remote, b"x"), Err(SendError::NotConnected));
        assert!(stack.udp_recv(id, &mut [0; 8], Take::Consume).is_none());
        assert!(stack.udp_error(id).is_none());
        assert!(stack.udp_connect(id, remote.addr, remote).is_err());
        stack.udp_disconnect(id);
        stack.udp_close(id);
    });
}
