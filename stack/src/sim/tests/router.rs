use etherparse::{
    Icmpv4Type, Icmpv6Type, LinkSlice, NetSlice, PacketBuilder, SlicedPacket, TransportSlice,
    icmpv4, icmpv6,
};
use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr};

use super::*;
use crate::sim::{Answer, Router, RouterCounters, RouterWatch, Stepped};

const ROUTER: [u8; 6] = [2, 0, 0, 0, 0, 0xfe];
const HOST: [u8; 6] = [2, 0, 0, 0, 0, 1];

/// 10.0.0.254 and fd00::fe; what lies behind them answers as its third byte or group says.
fn router() -> Router {
    let v4 = |third| IpCidr::new(IpAddress::v4(10, 1, third, 0), 24);
    let v6 = |third| IpCidr::new(IpAddress::v6(0xfd01, 0, third, 0, 0, 0, 0, 0), 48);
    Router::new(EthernetAddress(ROUTER))
        .with_address(IpAddress::v4(10, 0, 0, 254))
        .with_address(IpAddress::v6(0xfd00, 0, 0, 0, 0, 0, 0, 0xfe))
        .with_answer(
            IpCidr::new(IpAddress::v4(10, 1, 0, 0), 16),
            Answer::Error { kind: 3, code: 0 },
        )
        .with_answer(v4(1), Answer::Error { kind: 3, code: 1 })
        .with_answer(v4(2), Answer::Silence)
        .with_answer(v4(3), Answer::TimeExceeded)
        .with_answer(v4(4), Answer::TooBig { mtu: 1300 })
        .with_answer(v6(1), Answer::Error { kind: 1, code: 3 })
        .with_answer(v6(2), Answer::Silence)
        .with_answer(v6(3), Answer::TimeExceeded)
        .with_answer(v6(4), Answer::TooBig { mtu: 1300 })
}

/// What the router answers to `frames`, one a millisecond.
fn ask(router: Router, frames: Vec<Vec<u8>>) -> (Vec<Vec<u8>>, RouterCounters) {
    let world = World::new(1);
    let watch: RouterWatch = router.watch();
    world.device(router);
    let times = (0..).map(|number| at(number * 1000));
    let (_, log) = probe(&world, times.zip(frames).collect::<Vec<_>>());
    assert_eq!(world.run_while(|_| true), Stepped::Idle);
    let answers = log.lock().unwrap().iter().map(|(_, frame)| frame.clone()).collect();
    (answers, watch.counters())
}

fn v4_packet(destination: [u8; 4], hop_limit: u8) -> Vec<u8> {
    let builder =
        PacketBuilder::ethernet2(HOST, ROUTER).ipv4([10, 0, 0, 1], destination, hop_limit);
    let mut frame = Vec::new();
    builder.tcp(50_000, 80, 1234, 1024).syn().write(&mut frame, &[]).unwrap();
    frame
}

fn v6(last: u16) -> [u8; 16] {
    core::net::Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, last).octets()
}

fn v6_packet(third: u16, hop_limit: u8) -> Vec<u8> {
    let destination = core::net::Ipv6Addr::new(0xfd01, 0, third, 0, 0, 0, 0, 1).octets();
    let builder = PacketBuilder::ethernet2(HOST, ROUTER).ipv6(v6(1), destination, hop_limit);
    let mut frame = Vec::new();
    builder.udp(50_000, 53).write(&mut frame, &[0; 100]).unwrap();
    frame
}

/// Checks everything about an IPv4 error but its meaning, which it returns, with what is quoted.
fn icmp_v4(frame: &[u8]) -> (Icmpv4Type, Vec<u8>) {
    let packet = SlicedPacket::from_ethernet(frame).unwrap();
    let Some(LinkSlice::Ethernet2(ethernet)) = &packet.link else { panic!() };
    assert_eq!((ethernet.source(), ethernet.destination()), (ROUTER, HOST));
    let Some(NetSlice::Ipv4(ip)) = &packet.net else { panic!() };
    let header = ip.header();
    assert_eq!(header.source(), [10, 0, 0, 254]);
    assert_eq!(header.destination(), [10, 0, 0, 1]);
    assert_eq!(header.header_checksum(), header.to_header().calc_header_checksum());
    let Some(TransportSlice::Icmpv4(icmp)) = &packet.transport else { panic!() };
    let expected = icmp.icmp_type().calc_checksum(icmp.payload());
    assert_eq!(icmp.checksum(), expected);
    (icmp.icmp_type(), icmp.payload().to_vec())
}

/// As [`icmp_v4`].
fn icmp_v6(frame: &[u8]) -> (Icmpv6Type, Vec<u8>) {
    let packet = SlicedPacket::from_ethernet(frame).unwrap();
    let Some(NetSlice::Ipv6(ip)) = &packet.net else { panic!() };
    assert_eq!(ip.header().source(), v6(0xfe));
    let Some(TransportSlice::Icmpv6(icmp)) = &packet.transport else { panic!() };
    assert!(icmp.is_checksum_valid(ip.header().source(), ip.header().destination()));
    (icmp.icmp_type(), icmp.payload().to_vec())
}

#[test]
fn each_prefix_answers_as_told_and_the_longest_wins() {
    let frames = [9, 1, 2, 3, 4].map(|third| v4_packet([10, 1, third, 1], 64));
    let (answers, counters) = ask(router(), frames.to_vec());
    let meanings: Vec<_> = answers.iter().map(|frame| icmp_v4(frame).0).collect();
    use icmpv4::DestUnreachableHeader as Unreachable;
    assert_eq!(
        meanings,
        [
            Icmpv4Type::DestinationUnreachable(Unreachable::Network),
            Icmpv4Type::DestinationUnreachable(Unreachable::Host),
            Icmpv4Type::TimeExceeded(icmpv4::TimeExceededCode::TtlExceededInTransit),
            Icmpv4Type::DestinationUnreachable(Unreachable::FragmentationNeeded {
                next_hop_mtu: 1300
            }),
        ]
    );
    let expected = RouterCounters { resolutions: 0, packets: 5, errors: 4, silences: 1 };
    assert_eq!(counters, expected);
}

#[test]
fn ipv6_answers_as_told() {
    let frames = [1, 2, 3, 4, 9].map(|third| v6_packet(third, 64));
    let (answers, counters) = ask(router(), frames.to_vec());
    let meanings: Vec<_> = answers.iter().map(|frame| icmp_v6(frame).0).collect();
    assert_eq!(
        meanings,
        [
            Icmpv6Type::DestinationUnreachable(icmpv6::DestUnreachableCode::Address),
            Icmpv6Type::TimeExceeded(icmpv6::TimeExceededCode::HopLimitExceeded),
            Icmpv6Type::PacketTooBig { mtu: 1300 },
        ]
    );
    assert_eq!(counters.silences, 2, "told to be, and no prefix");
}

#[test]
fn errors_quote_the_header_and_eight_bytes() {
    let frame = v4_packet([10, 1, 1, 1], 64);
    let (answers, _) = ask(router(), Vec::from([frame.clone()]));
    assert_eq!(icmp_v4(&answers[0]).1, frame[14..14 + 28]);

    let frame = v6_packet(1, 64);
    let (answers, _) = ask(router(), Vec::from([frame.clone()]));
    assert_eq!(icmp_v6(&answers[0]).1, frame[14..14 + 48]);

    let (answers, _) = ask(router().with_quote(usize::MAX), Vec::from([frame.clone()]));
    assert_eq!(icmp_v6(&answers[0]).1, frame[14..]);
}

#[test]
fn no_error_is_longer_than_it_may_be() {
    let mut v4 = Vec::new();
    PacketBuilder::ethernet2(HOST, ROUTER)
        .ipv4([10, 0, 0, 1], [10, 1, 1, 1], 64)
        .udp(1, 2)
        .write(&mut v4, &[0; 1400])
        .unwrap();
    let mut v6_frame = Vec::new();
    let destination = core::net::Ipv6Addr::new(0xfd01, 0, 1, 0, 0, 0, 0, 1).octets();
    PacketBuilder::ethernet2(HOST, ROUTER)
        .ipv6(v6(1), destination, 64)
        .udp(1, 2)
        .write(&mut v6_frame, &[0; 1400])
        .unwrap();
    let (answers, _) = ask(router().with_quote(usize::MAX), Vec::from([v4, v6_frame]));
    assert_eq!([answers[0].len(), answers[1].len()], [14 + 576, 14 + 1280]);
    icmp_v4(&answers[0]);
    icmp_v6(&answers[1]);
}

#[test]
fn a_hop_limit_that_ends_here_is_time_exceeded() {
    let frames = [v4_packet([10, 1, 2, 1], 1), v4_packet([10, 1, 2, 1], 2), v6_packet(2, 1)];
    let (answers, _) = ask(router(), frames.to_vec());
    assert_eq!(answers.len(), 2);
    assert!(matches!(icmp_v4(&answers[0]).0, Icmpv4Type::TimeExceeded(_)));
    assert!(matches!(icmp_v6(&answers[1]).0, Icmpv6Type::TimeExceeded(_)));
}

#[test]
fn no_error_about_an_error_nor_to_nobody() {
    let unreachable = Icmpv4Type::DestinationUnreachable(icmpv4::DestUnreachableHeader::Host);
    let mut about_error = Vec::new();
    PacketBuilder::ethernet2(HOST, ROUTER)
        .ipv4([10, 0, 0, 1], [10, 1, 1, 1], 64)
        .icmpv4(unreachable)
        .write(&mut about_error, &[0; 28])
        .unwrap();
    let mut echo = Vec::new();
    PacketBuilder::ethernet2(HOST, ROUTER)
        .ipv4([10, 0, 0, 1], [10, 1, 1, 1], 64)
        .icmpv4_echo_request(1, 1)
        .write(&mut echo, &[0; 28])
        .unwrap();
    let mut from_nobody = Vec::new();
    PacketBuilder::ethernet2(HOST, ROUTER)
        .ipv4([0; 4], [10, 1, 1, 1], 64)
        .udp(1, 2)
        .write(&mut from_nobody, &[])
        .unwrap();
    let own = v4_packet([10, 0, 0, 254], 64);
    let (answers, counters) = ask(router(), Vec::from([about_error, echo, from_nobody, own]));
    assert_eq!(answers.len(), 1, "an echo request is no error");
    assert_eq!(counters.silences, 3);
}

/// A solicitation of `target` from fd00::1 with a hop limit of `hop_limit`.
fn solicitation(target: u16, hop_limit: u8, source: [u8; 16]) -> Vec<u8> {
    let group = [0x33, 0x33, 0xff, 0, 0, 0xfe];
    let mut multicast = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0, 0, 0];
    multicast[15] = target as u8;
    let mut payload = v6(target).to_vec();
    if source != [0; 16] {
        payload.extend([1, 1]);
        payload.extend(HOST);
    }
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(HOST, group)
        .ipv6(source, multicast, hop_limit)
        .icmpv6_raw(135, 0, [0; 4])
        .write(&mut frame, &payload)
        .unwrap();
    frame
}

#[test]
fn a_solicitation_of_its_own_address_is_answered() {
    let (answers, counters) = ask(router(), Vec::from([solicitation(0xfe, 255, v6(1))]));
    assert_eq!(answers.len(), 1);
    let answer = &answers[0];
    let (kind, payload) = icmp_v6(answer);
    // Router, solicited and override; the target; the target's Ethernet address.
    assert!(matches!(kind, Icmpv6Type::NeighborAdvertisement(header)
        if header.router && header.solicited && header.r#override));
    assert_eq!(payload[..16], v6(0xfe));
    assert_eq!(payload[16..], [&[2, 1][..], &ROUTER].concat());
    assert_eq!(answer[21], 255, "hop limit");
    assert_eq!(answer[..12], [HOST, ROUTER].concat());
    assert_eq!(counters.resolutions, 1);
}

#[test]
fn a_solicitation_that_came_through_a_router_is_ignored() {
    let others = Vec::from([solicitation(0xfe, 254, v6(1)), solicitation(0xfd, 255, v6(1))]);
    let (answers, counters) = ask(router(), others);
    assert!(answers.is_empty());
    assert_eq!(counters, RouterCounters::default());
}

#[test]
fn duplicate_address_detection_is_answered_to_everybody() {
    let (answers, _) = ask(router(), Vec::from([solicitation(0xfe, 255, [0; 16])]));
    assert_eq!(answers[0][..6], [0x33, 0x33, 0, 0, 0, 1]);
    assert!(matches!(icmp_v6(&answers[0]).0, Icmpv6Type::NeighborAdvertisement(header)
        if !header.solicited && header.r#override));
}

#[test]
fn an_arp_request_for_its_own_address_is_answered() {
    let request = |last| {
        let mut frame = Vec::from([0xff; 6]);
        frame.extend([2, 0, 0, 0, 0, 1, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
        frame.extend([2, 0, 0, 0, 0, 1, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, last]);
        frame
    };
    let (answers, counters) = ask(router(), Vec::from([request(254), request(253)]));
    let mut expected = [HOST, ROUTER].concat();
    expected.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, 2]);
    expected.extend([2, 0, 0, 0, 0, 0xfe, 10, 0, 0, 254, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1]);
    assert_eq!(answers, [expected]);
    assert_eq!(counters.resolutions, 1);
}

#[test]
fn a_router_without_an_address_of_the_family_is_silent() {
    let router = Router::new(EthernetAddress(ROUTER))
        .with_answer(IpCidr::new(IpAddress::v4(0, 0, 0, 0), 0), Answer::TimeExceeded);
    let (answers, counters) = ask(router, Vec::from([v4_packet([1, 2, 3, 4], 64)]));
    assert!(answers.is_empty());
    assert_eq!((counters.errors, counters.silences), (0, 1));
}

#[test]
fn damaged_frames_do_no_harm() {
    let whole = [v4_packet([10, 1, 1, 1], 64), v6_packet(1, 64), solicitation(0xfe, 255, v6(1))];
    let mut frames = Vec::new();
    for frame in whole {
        for length in 0..frame.len() {
            frames.push(frame[..length].to_vec());
            let mut damaged = frame.clone();
            damaged[length] ^= 0xff;
            frames.push(damaged);
        }
    }
    let _ = ask(router(), frames);
}
