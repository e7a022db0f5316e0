//! Time to live and traffic class, as they leave and as the receiver is told.

use etherparse::{NetSlice, SlicedPacket};
use tapsock_stack::event::Happened;
use tapsock_stack::net::{Delivery, Origin};
use tapsock_stack::port::{BindAddress, Family};
use tapsock_stack::sim::Pair;
use tapsock_stack::tcp::TcpOptions;
use tapsock_stack::udp::UdpOptions;
use tapsock_stack::wire::IpEndpoint;

use crate::scene::{Scene, open_udp, receive_udp, seconds};

/// Time to live, or hop limit, and traffic class of a frame.
fn marks(frame: &[u8]) -> (u8, u8) {
    match SlicedPacket::from_ethernet(frame).unwrap().net.unwrap() {
        NetSlice::Ipv4(ip) => (ip.header().ttl(), frame[15]),
        NetSlice::Ipv6(ip) => (ip.header().hop_limit(), ip.header().traffic_class()),
        NetSlice::Arp(_) => panic!("no IP packet"),
    }
}

#[test]
fn a_datagram_carries_what_its_socket_says_and_tells_how_it_came() {
    for (family, of) in [(0, Family::V4), (1, Family::V6)] {
        let pair = Pair::new(1);
        let client = open_udp(&pair.client, BindAddress::Any(of), 5000);
        let server = open_udp(&pair.server, BindAddress::Any(of), 7);
        let to = IpEndpoint::new(Pair::addresses(2)[family], 7);
        for (hop_limit, traffic_class, arrives_with) in [(64, 0, 64), (3, 0xb8, 3), (0, 3, 1)] {
            let options = UdpOptions { hop_limit, traffic_class, ..UdpOptions::default() };
            pair.client.with(|stack, now| {
                stack.udp_set(client, &options);
                stack.udp_send(now, client, to, b"marked").unwrap();
            });
            pair.world.run_for(seconds(0.01));
            let (_, about) = receive_udp(&pair.server, server).unwrap();
            assert_eq!((about.hop_limit, about.traffic_class), (arrives_with, traffic_class));
            assert_eq!((about.delivery, about.origin), (Delivery::Own, Origin::Link));
        }
        let own = IpEndpoint::new(Pair::addresses(1)[family], 5000);
        pair.client.with(|stack, now| stack.udp_send(now, client, own, b"here")).unwrap();
        pair.world.run_for(seconds(0.01));
        assert_eq!(receive_udp(&pair.client, client).unwrap().1.origin, Origin::Loopback);
    }
}

#[test]
fn every_segment_carries_what_its_connection_says_from_the_syn_on() {
    for family in [Family::V4, Family::V6] {
        let scene = Scene::new(family, |_| {});
        let (id, peer) = scene
            .connect_with(|request| {
                request.hop_limit = Some(9);
                request.traffic_class = 0x10;
            })
            .unwrap();
        scene.settle();
        assert_eq!(marks(&scene.last_out()), (9, 0x10), "the SYN");
        scene.until(1.0);
        assert_eq!(marks(&scene.last_out()), (9, 0x10), "its repetition");
        peer.sends("S. 0 ack 1");
        assert_eq!(marks(&scene.last_out()), (9, 0x10), "the acknowledgment");
        let options =
            TcpOptions { hop_limit: Some(5), traffic_class: 0x28, ..TcpOptions::default() };
        scene.host.with(|stack, now| stack.tcp_set(now, id, &options));
        scene.send(id, b"data");
        scene.settle();
        assert_eq!(marks(&scene.last_out()), (5, 0x28), "data after a change");
        assert!(scene.happened().contains(Happened::CONNECTED));
    }
}
