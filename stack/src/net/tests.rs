use alloc::vec::Vec;

use etherparse::icmpv6::Icmpv6PayloadSlice;
use etherparse::{ArpOperation, LinkSlice, NetSlice, PacketBuilder, SlicedPacket, TransportSlice};
use proptest::prelude::*;
use smoltcp::time::Duration;
use smoltcp::wire::{Ipv4Address, Ipv6Address};

use super::*;
use crate::event::{Asked, Silence};
use crate::storage::{Fixed, Growable};

const OWN_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
const PEER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];
const EVIL_MAC: [u8; 6] = [2, 0, 0, 0, 0, 0x66];
const ALL_MACS: [u8; 6] = [0xff; 6];
const OWN4: [u8; 4] = [10, 0, 0, 1];
const PEER4: [u8; 4] = [10, 0, 0, 2];
const OWN6: [u8; 16] = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
const PEER6: [u8; 16] = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];
const LOOPBACK: [u8; 16] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
/// The solicited-node groups of the two, and the group of all nodes.
const OWN_GROUP: [u8; 16] = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0, 0, 1];
const PEER_GROUP: [u8; 16] = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0, 0, 2];
const ALL_NODES: [u8; 16] = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];

type Subject = Net<'static, Growable>;

fn net() -> Subject {
    let mut net = Net::new(EthernetAddress(OWN_MAC), [1, 2], OwnGroups::Unreported);
    net.add_address(IpCidr::new(ip4(OWN4), 24)).unwrap();
    net.add_address(IpCidr::new(ip6(OWN6), 64)).unwrap();
    net
}

fn ip4(address: [u8; 4]) -> IpAddress {
    IpAddress::Ipv4(Ipv4Address::from_octets(address))
}
fn ip6(address: [u8; 16]) -> IpAddress {
    IpAddress::Ipv6(Ipv6Address::from_octets(address))
}

fn at(millis: i64) -> Instant {
    Instant::from_millis(millis)
}

/// Shows `frame` to `net`; gives the frame that answers it.
fn consumed(net: &mut Subject, millis: i64, frame: &[u8]) -> Option<Vec<u8>> {
    let mut reply = [0; REPLY_LEN];
    match net.receive(at(millis), frame, &mut reply) {
        Received::Consumed { reply: length } => length.map(|length| reply[..length].to_vec()),
        other => panic!("{other:?}"),
    }
}

fn dropped(net: &mut Subject, frame: &[u8]) -> Reason {
    match net.receive(at(0), frame, &mut [0; REPLY_LEN]) {
        Received::Dropped(reason) => reason,
        other => panic!("{other:?}"),
    }
}

/// All requests that are due.
fn requests(net: &mut Subject, millis: i64) -> Vec<Vec<u8>> {
    let mut frame = [0; REPLY_LEN];
    core::iter::from_fn(|| net.poll(at(millis), &mut frame).map(|length| frame[..length].to_vec()))
        .collect()
}

/// An ARP packet by etherparse, in a frame.
fn arp(
    operation: ArpOperation,
    (sender_mac, sender): ([u8; 6], [u8; 4]),
    (target_mac, target): ([u8; 6], [u8; 4]),
    destination: [u8; 6],
) -> Vec<u8> {
    let packet = etherparse::ArpEthIpv4Packet {
        operation,
        sender_mac,
        sender_ipv4: sender,
        target_mac,
        target_ipv4: target,
    };
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(sender_mac, destination).arp(packet.into()).write(&mut frame).unwrap();
    frame
}

/// An ARP reply from 10.0.0.2 to us.
fn arp_reply(mac: [u8; 6]) -> Vec<u8> {
    arp(ArpOperation::REPLY, (mac, PEER4), (OWN_MAC, OWN4), OWN_MAC)
}

/// A neighbor discovery message of `body` in a frame, with a hop limit.
fn discovery(
    mac: [u8; 6],
    hop_limit: u8,
    source: [u8; 16],
    destination: [u8; 16],
    (kind, flags): (u8, u8),
    body: &[u8],
) -> Vec<u8> {
    let ethernet = if destination[0] == 0xff {
        [0x33, 0x33, destination[12], destination[13], destination[14], destination[15]]
    } else {
        OWN_MAC
    };
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(mac, ethernet)
        .ipv6(source, destination, hop_limit)
        .icmpv6_raw(kind, 0, [flags, 0, 0, 0])
        .write(&mut frame, body)
        .unwrap();
    frame
}

fn target_and_option(target: [u8; 16], option: u8, mac: [u8; 6]) -> Vec<u8> {
    [&target[..], &[option, 1], &mac].concat()
}

/// An advertisement of fd00::2 to us.
fn advertisement(mac: [u8; 6], flags: u8) -> Vec<u8> {
    let body = target_and_option(PEER6, 2, mac);
    discovery(mac, 255, PEER6, OWN6, (136, flags), &body)
}

const SOLICITED: u8 = 0x40;
const OVERRIDE: u8 = 0x20;

fn ethernet_addresses(sliced: &SlicedPacket<'_>) -> ([u8; 6], [u8; 6]) {
    let Some(LinkSlice::Ethernet2(ethernet)) = &sliced.link else { panic!("no Ethernet") };
    (ethernet.source(), ethernet.destination())
}

#[test]
fn the_arp_request_that_goes_out() {
    let mut net = net();
    assert_eq!(net.resolve(at(0), ip4(PEER4)), Resolve::Waiting);
    let frames = requests(&mut net, 0);
    assert_eq!(frames.len(), 1);
    let sliced = SlicedPacket::from_ethernet(&frames[0]).unwrap();
    assert_eq!(ethernet_addresses(&sliced), (OWN_MAC, ALL_MACS));
    let Some(NetSlice::Arp(arp)) = sliced.net else { panic!("no ARP") };
    let arp = arp.to_packet().try_eth_ipv4().unwrap();
    assert_eq!(arp.operation, ArpOperation::REQUEST);
    assert_eq!((arp.sender_mac, arp.sender_ipv4), (OWN_MAC, OWN4));
    assert_eq!((arp.target_mac, arp.target_ipv4), ([0; 6], PEER4));
}

#[test]
fn the_neighbor_solicitation_that_goes_out() {
    let mut net = net();
    assert_eq!(net.resolve(at(0), ip6(PEER6)), Resolve::Waiting);
    let frames = requests(&mut net, 0);
    let sliced = SlicedPacket::from_ethernet(&frames[0]).unwrap();
    assert_eq!(ethernet_addresses(&sliced), (OWN_MAC, [0x33, 0x33, 0xff, 0, 0, 2]));
    let Some(NetSlice::Ipv6(ip)) = &sliced.net else { panic!("no IPv6") };
    assert_eq!((ip.header().source(), ip.header().destination()), (OWN6, PEER_GROUP));
    assert_eq!(ip.header().hop_limit(), 255);
    let Some(TransportSlice::Icmpv6(icmp)) = &sliced.transport else { panic!("no ICMPv6") };
    assert!(icmp.is_checksum_valid(OWN6, PEER_GROUP));
    let Icmpv6PayloadSlice::NeighborSolicitation(body) = icmp.payload_slice().unwrap() else {
        panic!("no solicitation");
    };
    assert_eq!(body.target_address().octets(), PEER6);
    assert_eq!(body.options(), [&[1, 1][..], &OWN_MAC].concat());
}

#[test]
fn requests_come_from_the_address_of_the_neighbors_prefix() {
    let mut net = net();
    net.add_address(IpCidr::new(IpAddress::v4(192, 168, 5, 9), 24)).unwrap();
    net.resolve(at(0), IpAddress::v4(192, 168, 5, 1));
    assert_eq!(requests(&mut net, 0)[0][28..32], [192, 168, 5, 9]);
    net.resolve(at(0), "fe80::1".parse::<core::net::Ipv6Addr>().unwrap().into());
    let IpAddress::Ipv6(link_local) = routes::link_local(EthernetAddress(OWN_MAC)).address() else {
        panic!("not IPv6");
    };
    assert_eq!(requests(&mut net, 0)[0][22..38], link_local.octets());
}

#[test]
fn an_arp_reply_resolves_and_then_everything_goes_there() {
    let mut net = net();
    net.resolve(at(0), ip4(PEER4));
    requests(&mut net, 0);
    assert_eq!(consumed(&mut net, 5, &arp_reply(PEER_MAC)), None);
    let result = Resolution::Resolved(EthernetAddress(PEER_MAC));
    assert_eq!(net.outcome(), Some(Outcome { neighbor: ip4(PEER4), result }));
    assert_eq!(net.resolve(at(5), ip4(PEER4)), Resolve::Found(EthernetAddress(PEER_MAC)));
    assert_eq!(net.poll_at(), None);
}

#[test]
fn the_probe_after_a_minute_goes_to_the_host_alone() {
    for (address, reply) in [
        (ip4(PEER4), arp_reply(PEER_MAC)),
        (ip6(PEER6), advertisement(PEER_MAC, SOLICITED | OVERRIDE)),
    ] {
        let mut net = net();
        net.resolve(at(0), address);
        requests(&mut net, 0);
        consumed(&mut net, 0, &reply);
        assert!(net.outcome().is_some());
        net.resolve(at(60_000), address);
        let frames = requests(&mut net, 60_000);
        assert_eq!(frames.len(), 1);
        assert_eq!(frames[0][..6], PEER_MAC);
        match address {
            IpAddress::Ipv4(_) => assert_eq!(frames[0][38..42], PEER4),
            IpAddress::Ipv6(_) => assert_eq!(frames[0][38..54], PEER6),
        }
        consumed(&mut net, 60_001, &reply);
        assert_eq!(net.poll_at(), None);
    }
}

#[test]
fn a_reply_to_everybody_does_not_end_a_probe() {
    let mut net = net();
    net.resolve(at(0), ip4(PEER4));
    requests(&mut net, 0);
    consumed(&mut net, 0, &arp_reply(PEER_MAC));
    assert!(net.outcome().is_some());
    net.resolve(at(60_000), ip4(PEER4));
    requests(&mut net, 60_000);
    let to_all = arp(ArpOperation::REPLY, (PEER_MAC, PEER4), (OWN_MAC, OWN4), ALL_MACS);
    consumed(&mut net, 60_001, &to_all);
    let to_another = arp(ArpOperation::REPLY, (PEER_MAC, PEER4), (OWN_MAC, PEER4), OWN_MAC);
    consumed(&mut net, 60_001, &to_another);
    let question = arp(ArpOperation::REQUEST, (PEER_MAC, PEER4), (OWN_MAC, OWN4), OWN_MAC);
    consumed(&mut net, 60_001, &question);
    assert_eq!(net.poll_at(), Some(at(61_000)));
}

#[test]
fn silence_is_evidence() {
    let mut net = net();
    net.resolve(at(100), ip6(PEER6));
    for millis in [100, 1100, 2100] {
        assert_eq!(net.poll_at(), Some(at(millis)));
        assert_eq!(requests(&mut net, millis).len(), 1);
    }
    assert_eq!(requests(&mut net, 3100).len(), 0);
    let silence = Silence {
        asked: Asked::NeighborSolicitation,
        whom: ip6(PEER6),
        sent: 3,
        since: at(100),
        waited: Duration::from_secs(3),
    };
    let result = Resolution::Unreachable(silence);
    assert_eq!(net.outcome(), Some(Outcome { neighbor: ip6(PEER6), result }));
}

#[test]
fn nothing_is_lost_when_there_is_no_room_for_a_request() {
    let mut net = net();
    net.resolve(at(0), ip6(PEER6));
    assert_eq!(net.poll(at(0), &mut [0; REPLY_LEN - 1]), None);
    assert_eq!(requests(&mut net, 0).len(), 1);
}

#[test]
fn arp_requests_for_own_addresses_are_answered() {
    let mut net = net();
    let request = arp(ArpOperation::REQUEST, (PEER_MAC, PEER4), ([0; 6], OWN4), ALL_MACS);
    let reply = consumed(&mut net, 0, &request).unwrap();
    let sliced = SlicedPacket::from_ethernet(&reply).unwrap();
    assert_eq!(ethernet_addresses(&sliced), (OWN_MAC, PEER_MAC));
    let Some(NetSlice::Arp(answer)) = sliced.net else { panic!("no ARP") };
    let answer = answer.to_packet().try_eth_ipv4().unwrap();
    assert_eq!(answer.operation, ArpOperation::REPLY);
    assert_eq!((answer.sender_mac, answer.sender_ipv4), (OWN_MAC, OWN4));
    assert_eq!((answer.target_mac, answer.target_ipv4), (PEER_MAC, PEER4));

    // Who asks is not remembered for it.
    assert_eq!(net.resolve(at(0), ip4(PEER4)), Resolve::Waiting);

    for other in [[10, 0, 0, 3], [127, 0, 0, 1], [0; 4], [255; 4]] {
        let request = arp(ArpOperation::REQUEST, (PEER_MAC, PEER4), ([0; 6], other), ALL_MACS);
        assert_eq!(consumed(&mut net, 0, &request), None, "{other:?}");
    }
    // RFC 5227 section 2.1.1: somebody asks whether the address is free.
    let probe = arp(ArpOperation::REQUEST, (PEER_MAC, [0; 4]), ([0; 6], OWN4), ALL_MACS);
    assert!(consumed(&mut net, 0, &probe).is_some());
    assert_eq!(net.conflicts(), 0);
    let mut short = [0; REPLY_LEN - 1];
    let received = net.receive(at(0), &probe, &mut short);
    assert_eq!(received, Received::Consumed { reply: None });
}

#[test]
fn solicitations_for_own_addresses_are_answered() {
    let mut net = net();
    let body = target_and_option(OWN6, 1, PEER_MAC);
    for destination in [OWN_GROUP, OWN6] {
        let question = discovery(PEER_MAC, 255, PEER6, destination, (135, 0), &body);
        let reply = consumed(&mut net, 0, &question).unwrap();
        let sliced = SlicedPacket::from_ethernet(&reply).unwrap();
        assert_eq!(ethernet_addresses(&sliced), (OWN_MAC, PEER_MAC));
        let Some(NetSlice::Ipv6(ip)) = &sliced.net else { panic!("no IPv6") };
        assert_eq!((ip.header().source(), ip.header().destination()), (OWN6, PEER6));
        assert_eq!(ip.header().hop_limit(), 255);
        let Some(TransportSlice::Icmpv6(icmp)) = &sliced.transport else { panic!("no ICMPv6") };
        assert!(icmp.is_checksum_valid(OWN6, PEER6));
        assert_eq!(icmp.bytes5to8()[0], SOLICITED | OVERRIDE);
        let Icmpv6PayloadSlice::NeighborAdvertisement(body) = icmp.payload_slice().unwrap() else {
            panic!("no advertisement");
        };
        assert_eq!(body.target_address().octets(), OWN6);
        assert_eq!(body.options(), [&[2, 1][..], &OWN_MAC].concat());
    }
    assert_eq!(net.resolve(at(0), ip6(PEER6)), Resolve::Waiting, "not remembered for asking");

    let other = target_and_option(PEER6, 1, PEER_MAC);
    let question = discovery(PEER_MAC, 255, PEER6, PEER_GROUP, (135, 0), &other);
    assert_eq!(dropped(&mut net, &question), Reason::EthernetGroup);
}

#[test]
fn an_asker_without_an_address_is_answered_through_all_nodes() {
    let mut net = net();
    let question = discovery(PEER_MAC, 255, [0; 16], OWN_GROUP, (135, 0), &OWN6);
    let reply = consumed(&mut net, 0, &question).unwrap();
    let sliced = SlicedPacket::from_ethernet(&reply).unwrap();
    assert_eq!(ethernet_addresses(&sliced), (OWN_MAC, [0x33, 0x33, 0, 0, 0, 1]));
    let Some(NetSlice::Ipv6(ip)) = &sliced.net else { panic!("no IPv6") };
    assert_eq!((ip.header().source(), ip.header().destination()), (OWN6, ALL_NODES));
    let Some(TransportSlice::Icmpv6(icmp)) = &sliced.transport else { panic!("no ICMPv6") };
    assert!(icmp.is_checksum_valid(OWN6, ALL_NODES));
    assert_eq!(icmp.bytes5to8()[0], OVERRIDE);
}

#[test]
fn a21_unsolicited_claims_make_no_entries() {
    let mut net = net();
    let gratuitous = arp(ArpOperation::REPLY, (EVIL_MAC, PEER4), (ALL_MACS, PEER4), ALL_MACS);
    let request = arp(ArpOperation::REQUEST, (EVIL_MAC, PEER4), ([0; 6], OWN4), ALL_MACS);
    let body = target_and_option(PEER6, 2, EVIL_MAC);
    let unsolicited = discovery(EVIL_MAC, 255, PEER6, ALL_NODES, (136, OVERRIDE), &body);
    for frame in
        [arp_reply(EVIL_MAC), gratuitous, request, unsolicited, advertisement(EVIL_MAC, 0x60)]
    {
        consumed(&mut net, 0, &frame);
    }
    for host in 0..100_000u32 {
        let [_, a, b, c] = host.to_be_bytes();
        let reply = arp(ArpOperation::REPLY, (EVIL_MAC, [10, a, b, c]), (OWN_MAC, OWN4), OWN_MAC);
        consumed(&mut net, 0, &reply);
    }
    assert_eq!(net.resolve(at(0), ip4(PEER4)), Resolve::Waiting);
    assert_eq!(net.resolve(at(0), ip6(PEER6)), Resolve::Waiting);
    assert_eq!(net.outcome(), None);
    assert_eq!(net.neighbors.len(), 2);
}

#[test]
fn a21_malformed_arp_is_dropped() {
    let good = arp_reply(PEER_MAC);
    // Hardware and protocol type, both lengths, the operation, and a sender that is a group.
    for (byte, value) in [(15, 6), (16, 9), (18, 5), (19, 16), (21, 3), (20, 1), (22, 0xff)] {
        let mut bad = good.clone();
        bad[byte] = value;
        assert_eq!(dropped(&mut net(), &bad), Reason::Arp, "byte {byte}");
    }
    for length in 14..42 {
        assert_eq!(dropped(&mut net(), &good[..length]), Reason::Arp, "{length}");
    }
}

#[test]
fn a21_invalid_neighbor_discovery_is_dropped() {
    let body = target_and_option(PEER6, 2, PEER_MAC);
    let from_far = discovery(PEER_MAC, 254, PEER6, OWN6, (136, SOLICITED), &body);
    assert_eq!(dropped(&mut net(), &from_far), Reason::Neighbor);

    let mut corrupt = advertisement(PEER_MAC, SOLICITED);
    corrupt[60] ^= 1;
    assert_eq!(dropped(&mut net(), &corrupt), Reason::Checksum);

    for (source, destination, kind, flags, body) in [
        // Solicited, to a group.
        (PEER6, ALL_NODES, 136, SOLICITED, &body[..]),
        // Too short for a target.
        (PEER6, OWN6, 136, SOLICITED, &body[..15]),
        // An option without a length, and one that ends beyond the message.
        (PEER6, OWN6, 136, SOLICITED, &[&PEER6[..], &[2, 0, 0, 0, 0, 0, 0, 0]].concat()),
        (PEER6, OWN6, 136, SOLICITED, &[&PEER6[..], &[2, 2, 0, 0, 0, 0, 0, 0]].concat()),
        (PEER6, OWN6, 136, SOLICITED, &[&body[..], &[2]].concat()),
        // A group as the target, or as the Ethernet address.
        (PEER6, OWN6, 136, SOLICITED, &target_and_option(ALL_NODES, 2, PEER_MAC)),
        (PEER6, OWN6, 136, SOLICITED, &target_and_option(PEER6, 2, ALL_MACS)),
        // Nobody asks with an Ethernet address and no IP address, or not the group.
        ([0; 16], OWN_GROUP, 135, 0, &target_and_option(OWN6, 1, PEER_MAC)),
        ([0; 16], OWN6, 135, 0, &OWN6[..]),
        ([0; 16], OWN6, 136, 0, &body),
        (ALL_NODES, OWN6, 136, 0, &body),
        // Loopback addresses are nobody's on a link.
        (LOOPBACK, OWN6, 135, 0, &target_and_option(OWN6, 1, PEER_MAC)),
        (PEER6, OWN6, 136, 0, &target_and_option(LOOPBACK, 2, PEER_MAC)),
    ] {
        let frame = discovery(PEER_MAC, 255, source, destination, (kind, flags), body);
        assert_eq!(dropped(&mut net(), &frame), Reason::Neighbor, "{frame:02x?}");
    }

    // RFC 4861 section 7.1: the code is zero.
    for mut frame in [
        advertisement(PEER_MAC, SOLICITED),
        discovery(PEER_MAC, 255, PEER6, OWN_GROUP, (135, 0), &OWN6),
    ] {
        frame[55] = 1;
        checksum::fill(&mut frame[14..]);
        assert_eq!(dropped(&mut net(), &frame), Reason::Neighbor);
    }

    let elsewhere = discovery(PEER_MAC, 255, PEER6, PEER6, (136, 0), &body);
    assert_eq!(dropped(&mut net(), &elsewhere), Reason::NotForUs);
    for kind in [133, 134, 137] {
        let frame = discovery(PEER_MAC, 255, PEER6, ALL_NODES, (kind, 0), &[0; 40]);
        assert_eq!(dropped(&mut net(), &frame), Reason::Router, "{kind}");
    }
}

#[test]
fn a_solicited_advertisement_resolves() {
    let mut net = net();
    net.resolve(at(0), ip6(PEER6));
    requests(&mut net, 0);
    consumed(&mut net, 1, &advertisement(PEER_MAC, SOLICITED));
    let result = Resolution::Resolved(EthernetAddress(PEER_MAC));
    assert_eq!(net.outcome(), Some(Outcome { neighbor: ip6(PEER6), result }));
    // The first option counts, and others than the target's address do not.
    let options = [&[1, 1, 9, 9, 9, 9, 9, 9, 2, 1][..], &PEER_MAC, &[2, 1], &EVIL_MAC].concat();
    let body = [&PEER6[..], &options].concat();
    let frame = discovery(PEER_MAC, 255, PEER6, OWN6, (136, SOLICITED | OVERRIDE), &body);
    consumed(&mut net, 2, &frame);
    // Without the override flag, another address is not taken.
    consumed(&mut net, 2, &advertisement(EVIL_MAC, SOLICITED));
    assert_eq!(net.resolve(at(2), ip6(PEER6)), Resolve::Found(EthernetAddress(PEER_MAC)));
    consumed(&mut net, 3, &advertisement(EVIL_MAC, SOLICITED | OVERRIDE));
    assert_eq!(net.resolve(at(3), ip6(PEER6)), Resolve::Found(EthernetAddress(EVIL_MAC)));
}

#[test]
fn a21_somebody_else_with_our_address_is_counted() {
    let mut net = net();
    let announcement = arp(ArpOperation::REQUEST, (EVIL_MAC, OWN4), ([0; 6], OWN4), ALL_MACS);
    consumed(&mut net, 0, &announcement);
    assert_eq!(net.conflicts(), 1);
    let body = target_and_option(OWN6, 2, EVIL_MAC);
    let claim = discovery(EVIL_MAC, 255, OWN6, ALL_NODES, (136, OVERRIDE), &body);
    consumed(&mut net, 0, &claim);
    assert_eq!(net.conflicts(), 2);
    let mine = arp(ArpOperation::REQUEST, (OWN_MAC, OWN4), ([0; 6], OWN4), ALL_MACS);
    assert_eq!(consumed(&mut net, 0, &mine), None);
    let body = target_and_option(OWN6, 1, OWN_MAC);
    let mine = discovery(OWN_MAC, 255, OWN6, OWN_GROUP, (135, 0), &body);
    assert_eq!(consumed(&mut net, 0, &mine), None);
    assert_eq!(net.conflicts(), 2, "our own frames came back");
    let loopback = arp(ArpOperation::REPLY, (EVIL_MAC, [127, 0, 0, 1]), (OWN_MAC, OWN4), OWN_MAC);
    assert_eq!(consumed(&mut net, 0, &loopback), None);
    assert_eq!(net.conflicts(), 2, "127/8 is everybody's");
}

/// A datagram to us in a frame from `source` to `destination`.
fn datagram(source: [u8; 6], destination: [u8; 6]) -> Vec<u8> {
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(source, destination)
        .ipv4(PEER4, OWN4, 64)
        .udp(5000, 53)
        .write(&mut frame, b"hello")
        .unwrap();
    frame
}

#[test]
fn a_sane_packet_for_us_comes_out_without_its_padding() {
    let mut frame = datagram(PEER_MAC, OWN_MAC);
    frame.resize(60, 0);
    let Received::Packet { range, parsed } = net().receive(at(0), &frame, &mut []) else {
        panic!("not a packet");
    };
    assert_eq!(range, 14..47);
    assert_eq!(parsed.ports(), Some((5000, 53)));
    assert_eq!(frame[range][parsed.payload()], *b"hello");
}

#[test]
fn a_broadcast_comes_in_a_frame_for_all() {
    let mut frame = datagram(PEER_MAC, ALL_MACS);
    frame[33] = 255;
    checksum::fill(&mut frame[14..]);
    let Received::Packet { parsed, .. } = net().receive(at(0), &frame, &mut []) else {
        panic!("not a packet");
    };
    assert_eq!(parsed.delivery, Delivery::Broadcast);
}

#[test]
fn frames_for_others_and_of_other_kinds_are_dropped() {
    let mut net = net();
    assert_eq!(dropped(&mut net, &[0; 13]), Reason::Truncated);
    assert_eq!(dropped(&mut net, &datagram(PEER_MAC, PEER_MAC)), Reason::EthernetDestination);
    assert_eq!(dropped(&mut net, &datagram(ALL_MACS, OWN_MAC)), Reason::EthernetSource);
    assert_eq!(dropped(&mut net, &datagram(PEER_MAC, ALL_MACS)), Reason::GroupFrame);
    let mut frame = datagram(PEER_MAC, OWN_MAC);
    assert_eq!(dropped(&mut net, &frame[..14]), Reason::Truncated);
    frame[12] = 0x86;
    frame[13] = 0xdd;
    assert_eq!(dropped(&mut net, &frame), Reason::Version);
    frame[12] = 0x81;
    frame[13] = 0;
    assert_eq!(dropped(&mut net, &frame), Reason::EtherType);
}

#[test]
fn neighbor_discovery_behind_extension_headers_is_dropped() {
    let good = advertisement(PEER_MAC, SOLICITED);
    let mut frame = [&good[..54], &[58, 0, 1, 4, 0, 0, 0, 0], &good[54..]].concat();
    frame[19] += 8;
    frame[20] = 60;
    checksum::fill(&mut frame[14..]);
    assert_eq!(dropped(&mut net(), &frame), Reason::Neighbor);
}

#[test]
fn a_closed_port_says_so_to_one_host_only() {
    let net = net();
    let mut buffer = [0; 1500];
    let frame = datagram(PEER_MAC, OWN_MAC);
    let mut packet = frame[14..].to_vec();
    let parsed = net.check(&packet, Origin::Link, Checksums::Verify).unwrap();
    assert_eq!(net.port_unreachable(&mut buffer, &parsed, &packet), Some(61));
    packet[19] = 255;
    checksum::fill(&mut packet);
    let parsed = net.check(&packet, Origin::Link, Checksums::Verify).unwrap();
    assert_eq!(parsed.delivery, Delivery::Broadcast);
    assert_eq!(net.port_unreachable(&mut buffer, &parsed, &packet), None);
}

#[test]
fn a_link_has_its_link_local_address_from_the_start() {
    let net = Subject::new(EthernetAddress(OWN_MAC), [1, 2], OwnGroups::Reported);
    let link_local: core::net::Ipv6Addr = "fe80::ff:fe00:1".parse().unwrap();
    assert_eq!(net.addresses(), [IpCidr::new(link_local.into(), 64)]);
    let neighbor: core::net::Ipv6Addr = "fe80::2".parse().unwrap();
    assert_eq!(net.hop(neighbor.into()), Hop::Via(neighbor.into()));
    assert_eq!(net.source_for(neighbor.into()), Some(link_local.into()));
}

#[test]
fn the_same_key_or_another_gives_the_same_frames() {
    let run = |key| {
        let mut net = Subject::new(EthernetAddress(OWN_MAC), key, OwnGroups::Reported);
        net.add_address(IpCidr::new(ip4(OWN4), 16)).unwrap();
        for host in 0..300u32 {
            let [_, _, high, low] = (host * 31).to_be_bytes();
            net.resolve(at(0), IpAddress::v4(10, 0, 1 + high, low));
        }
        let mut bytes = Vec::new();
        for millis in [0, 1000, 2000, 3000] {
            bytes.extend(requests(&mut net, millis).concat());
        }
        let failed: Vec<_> = core::iter::from_fn(|| net.outcome()).collect();
        assert_eq!(failed.len(), 300);
        (bytes, failed)
    };
    assert_eq!(run([1, 2]), run([3, 4]));
}

#[test]
fn the_same_without_a_heap() {
    let mut net: Net<'_, Fixed<'_, 4, 16, 1514>> =
        Net::new(EthernetAddress(OWN_MAC), [1, 2], OwnGroups::Reported);
    net.add_address(IpCidr::new(ip4(OWN4), 24)).unwrap();
    assert_eq!(net.resolve(at(0), ip4(PEER4)), Resolve::Waiting);
    let mut frame = [0; REPLY_LEN];
    assert_eq!(net.poll(at(0), &mut frame), Some(42));
    let received = net.receive(at(0), &arp_reply(PEER_MAC), &mut frame);
    assert_eq!(received, Received::Consumed { reply: None });
    assert!(net.outcome().is_some());
    assert_eq!(net.resolve(at(0), ip4(PEER4)), Resolve::Found(EthernetAddress(PEER_MAC)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_frame_is_too_strange(
        bytes in proptest::collection::vec(any::<u8>(), 0..120),
        base in 0usize..6,
        changes in proptest::collection::vec((any::<usize>(), any::<u8>()), 0..4),
        repair: bool,
        millis in 0i64..100_000,
    ) {
        let mut net = net();
        net.resolve(at(0), ip4(PEER4));
        net.resolve(at(0), ip6(PEER6));
        requests(&mut net, 0);
        let question = target_and_option(OWN6, 1, PEER_MAC);
        let mut frame = match base {
            0 => arp_reply(PEER_MAC),
            1 => advertisement(PEER_MAC, SOLICITED),
            2 => discovery(PEER_MAC, 255, PEER6, OWN_GROUP, (135, 0), &question),
            3 => datagram(PEER_MAC, OWN_MAC),
            4 => [&OWN_MAC[..], &PEER_MAC, &[0x86, 0xdd], &bytes].concat(),
            _ => bytes,
        };
        for (at, value) in changes {
            if !frame.is_empty() {
                let at = at % frame.len();
                frame[at] = value;
            }
        }
        if repair && frame.len() > 14 {
            checksum::fill(&mut frame[14..]);
        }
        let mut reply = [0; REPLY_LEN];
        if let Received::Packet { range, parsed } = net.receive(at(millis), &frame, &mut reply) {
            prop_assert_eq!(range.len(), parsed.total_len);
            prop_assert!(range.end <= frame.len());
        }
        requests(&mut net, millis);
        while net.outcome().is_some() {}
        prop_assert!(net.neighbors.len() <= 2);
    }
}
