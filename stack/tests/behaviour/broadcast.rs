//! Datagrams to everybody: which sockets hear them, and sockets that share a port.

use etherparse::PacketBuilder;
use tapsock_stack::UdpId;
use tapsock_stack::net::{Delivery, Origin};
use tapsock_stack::port::{BindAddress, Family};
use tapsock_stack::sim::Pair;
use tapsock_stack::stack::Counters;
use tapsock_stack::wire::{IpAddress, IpCidr, IpEndpoint};

use crate::scene::{HOST_MAC, PEER_MAC, Scene, open_udp, receive_udp, scene, seconds};

const ANY: BindAddress = BindAddress::Any(Family::V4);
const LIMITED: [u8; 4] = [255; 4];
const SUBNET: [u8; 4] = [10, 0, 0, 255];

fn own(last: u8) -> BindAddress {
    BindAddress::Address(IpAddress::v4(10, 0, 0, last))
}

fn v4([a, b, c, d]: [u8; 4]) -> IpAddress {
    IpAddress::v4(a, b, c, d)
}

/// A datagram from port 7 of 10.0.0.`source` to port 5000.
fn datagram(mac: [u8; 6], source: u8, destination: [u8; 4], data: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(PEER_MAC, mac)
        .ipv4([10, 0, 0, source], destination, 64)
        .udp(7, 5000)
        .write(&mut frame, data)
        .unwrap();
    frame
}

fn to_all(destination: [u8; 4]) -> Vec<u8> {
    datagram([255; 6], 2, destination, b"to all")
}

fn waiting<const N: usize>(scene: &Scene, ids: [UdpId; N]) -> [usize; N] {
    ids.map(|id| scene.host.with(|stack, _| stack.udp(id).unwrap().waiting))
}

fn counters(scene: &Scene) -> Counters {
    scene.host.with(|stack, _| stack.counters().clone())
}

#[test]
fn every_socket_on_the_port_gets_a_copy() {
    let scene = scene();
    let hears = [
        open_udp(&scene.host, ANY, 5000),
        open_udp(&scene.host, ANY, 5000),
        open_udp(&scene.host, BindAddress::AnyDual, 5000),
        open_udp(&scene.host, own(1), 5000),
    ];
    let does_not = [
        open_udp(&scene.host, BindAddress::Any(Family::V6), 5000),
        open_udp(&scene.host, BindAddress::Address(IpAddress::v4(127, 0, 0, 1)), 5000),
        open_udp(&scene.host, ANY, 5001),
    ];
    for (round, destination) in [(1, LIMITED), (2, SUBNET)] {
        scene.arrives(&to_all(destination));
        assert_eq!(waiting(&scene, hears), [round; 4]);
        assert_eq!(waiting(&scene, does_not), [0; 3]);
    }
    for id in hears {
        for destination in [LIMITED, SUBNET] {
            let (data, about) = receive_udp(&scene.host, id).unwrap();
            assert_eq!((&*data, about.local), (&b"to all"[..], v4(destination)));
            assert_eq!((about.delivery, about.origin), (Delivery::Broadcast, Origin::Link));
        }
    }
    let counters = counters(&scene);
    assert_eq!((counters.udp_copies, counters.udp_unmatched, counters.udp_overflowed), (8, 0, 0));
}

#[test]
fn each_copy_is_bounded_by_its_own_queue() {
    let scene = scene();
    let large = open_udp(&scene.host, ANY, 5000);
    let small = scene.host.with(|stack, _| {
        use tapsock_stack::port::{Share, Transport};
        let binding = stack.bind(Transport::Udp, ANY, 5000, Share::Reuse).unwrap();
        stack.udp_open(binding, 10, 0).unwrap()
    });
    for _ in 0..3 {
        scene.arrives(&to_all(LIMITED));
    }
    assert_eq!(waiting(&scene, [large, small]), [3, 1]);
    let overflowed = scene.host.with(|stack, _| stack.udp(small).unwrap().overflowed);
    let counters = counters(&scene);
    // Two copies had no room; of each datagram somebody had one.
    assert_eq!((counters.udp_copies, overflowed), (4, 2));
    assert_eq!((counters.datagrams, counters.udp_overflowed), (3, 0));
}

#[test]
fn a_connected_socket_hears_only_its_peer_here_too() {
    let scene = scene();
    let connected = [2, 3].map(|peer| {
        let id = open_udp(&scene.host, ANY, 5000);
        let remote = IpEndpoint::new(IpAddress::v4(10, 0, 0, peer), 7);
        scene.host.with(|stack, _| stack.udp_connect(id, scene.own(), remote)).unwrap();
        id
    });
    scene.arrives(&to_all(SUBNET));
    assert_eq!(waiting(&scene, connected), [1, 0]);
    let filtered = scene.host.with(|stack, _| stack.udp(connected[1]).unwrap().filtered);
    let counters = counters(&scene);
    assert_eq!((counters.udp_copies, filtered, counters.udp_unmatched), (1, 1, 0));
    assert_eq!((counters.datagrams, counters.udp_filtered), (1, 0));
}

#[test]
fn an_address_hears_the_broadcasts_of_its_own_prefix() {
    let scene = scene();
    scene.host.with(|stack, _| {
        stack.add_address(IpCidr::new(IpAddress::v4(192, 168, 5, 1), 24)).unwrap();
    });
    let other = BindAddress::Address(IpAddress::v4(192, 168, 5, 1));
    let ids = [open_udp(&scene.host, own(1), 5000), open_udp(&scene.host, other, 5000)];
    scene.arrives(&to_all(SUBNET));
    assert_eq!(waiting(&scene, ids), [1, 0]);
    scene.arrives(&to_all([192, 168, 5, 255]));
    assert_eq!(waiting(&scene, ids), [1, 1]);
    scene.arrives(&to_all(LIMITED));
    assert_eq!(waiting(&scene, ids), [2, 2]);
}

#[test]
fn a_datagram_to_one_goes_to_one_the_most_specific_and_first() {
    let scene = scene();
    let first = open_udp(&scene.host, ANY, 5000);
    let second = open_udp(&scene.host, ANY, 5000);
    let to_one = || scene.arrives(&datagram(HOST_MAC, 2, [10, 0, 0, 1], b"to one"));
    to_one();
    assert_eq!(waiting(&scene, [first, second]), [1, 0]);
    let specific = open_udp(&scene.host, own(1), 5000);
    let equal = open_udp(&scene.host, own(1), 5000);
    to_one();
    assert_eq!(waiting(&scene, [first, second, specific, equal]), [1, 0, 1, 0]);
    let connected = open_udp(&scene.host, ANY, 5000);
    let remote = IpEndpoint::new(IpAddress::v4(10, 0, 0, 2), 7);
    scene.host.with(|stack, _| stack.udp_connect(connected, scene.own(), remote)).unwrap();
    to_one();
    assert_eq!(waiting(&scene, [first, second, specific, equal, connected]), [1, 0, 1, 0, 1]);
    // Whoever goes makes room for the next.
    scene.host.with(|stack, _| {
        stack.udp_close(connected);
        stack.udp_close(specific);
    });
    to_one();
    assert_eq!(waiting(&scene, [first, second, equal]), [1, 0, 1]);
    scene.host.with(|stack, _| {
        stack.udp_close(equal);
        stack.udp_close(first);
    });
    to_one();
    assert_eq!(waiting(&scene, [second]), [1]);
    assert_eq!(counters(&scene).udp_copies, 0, "not one of them was to many");
}

#[test]
fn a_broadcast_is_heard_on_the_link_and_by_the_senders_own_sockets() {
    for destination in [LIMITED, SUBNET] {
        let pair = Pair::new(1);
        let sender = open_udp(&pair.client, ANY, 5000);
        let other = open_udp(&pair.client, ANY, 5000);
        let peer = open_udp(&pair.server, ANY, 5000);
        let to = IpEndpoint::new(v4(destination), 5000);
        pair.client.with(|stack, now| stack.udp_send(now, sender, to, b"all")).unwrap();
        pair.world.run_for(seconds(0.01));
        for (host, id, origin) in [
            (&pair.client, sender, Origin::Loopback),
            (&pair.client, other, Origin::Loopback),
            (&pair.server, peer, Origin::Link),
        ] {
            let (data, about) = receive_udp(host, id).unwrap();
            assert_eq!((&*data, about.origin), (&b"all"[..], origin));
            assert_eq!(about.remote, IpEndpoint::new(Pair::addresses(1)[0], 5000));
            assert!(receive_udp(host, id).is_none(), "once");
        }
        pair.client.with(|stack, _| {
            assert_eq!((stack.counters().loopback, stack.counters().frames_out), (1, 1));
        });
    }
}

#[test]
fn a_broadcast_that_no_own_socket_hears_does_not_come_back() {
    let pair = Pair::new(1);
    let sender = open_udp(&pair.client, ANY, 5000);
    let to = IpEndpoint::new(v4(LIMITED), 7);
    pair.client.with(|stack, now| stack.udp_send(now, sender, to, b"all")).unwrap();
    pair.world.run_for(seconds(0.01));
    pair.client.with(|stack, _| {
        let counters = stack.counters();
        assert_eq!((counters.loopback, counters.udp_unmatched), (0, 0));
    });
}

#[test]
fn ten_thousand_sockets_on_other_ports_are_not_looked_at() {
    let scene = scene();
    let id = open_udp(&scene.host, ANY, 5000);
    for port in 10_000..20_000 {
        open_udp(&scene.host, ANY, port);
    }
    for _ in 0..1000 {
        scene.arrives(&to_all(LIMITED));
    }
    assert_eq!(waiting(&scene, [id]), [1000]);
    assert_eq!(counters(&scene).udp_copies, 1000);
}
