use alloc::vec::Vec;
use core::ops::Range;

use proptest::prelude::*;
use smoltcp::wire::{IpCidr, Ipv4Address};

use super::*;
use crate::net::{Net, Received, checksum};
use crate::storage::{Fixed, Growable};

const OWN_MAC: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 1]);
const ROUTER_MAC: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 0xfe]);
const V4: IpAddress = IpAddress::v4(239, 1, 2, 3);
const V6: IpAddress = IpAddress::v6(0xff02, 0, 0, 0, 0, 0, 0, 0x1234);
const LINK_LOCAL: Ipv6Address = Ipv6Address::new(0xfe80, 0, 0, 0, 0, 0xff, 0xfe00, 1);

type Subject = Net<'static, Growable>;

/// A host at 10.0.0.1 and its link-local address.
fn net() -> Subject {
    let mut net = Net::new(OWN_MAC, [1, 2], OwnGroups::Unreported);
    net.add_address(IpCidr::new(IpAddress::v4(10, 0, 0, 1), 24)).unwrap();
    net
}

fn at(millis: i64) -> Instant {
    Instant::from_millis(millis)
}

/// A report: where the frame goes, the message's type, the record's type where it has one, and
/// the group.
#[derive(Debug, PartialEq)]
struct Said {
    ethernet: [u8; 6],
    to: IpAddress,
    kind: u8,
    record: Option<u8>,
    group: IpAddress,
}

fn v4(bytes: &[u8]) -> IpAddress {
    Ipv4Address::from_octets(bytes.try_into().unwrap()).into()
}

fn v6(bytes: &[u8]) -> IpAddress {
    Ipv6Address::from_octets(bytes.try_into().unwrap()).into()
}

/// Reads a report byte by byte, and holds everything in it that never differs to the RFCs.
fn said(frame: &[u8]) -> Said {
    let ethernet = frame[..6].try_into().unwrap();
    assert_eq!(frame[6..12], OWN_MAC.0);
    let packet = &frame[14..];
    if frame[12..14] == [0x08, 0] {
        assert_eq!(packet[0], 0x46, "options");
        assert_eq!(packet[1], 0xc0, "RFC 3376 section 4: internetwork control");
        assert_eq!(usize::from(packet[3]), packet.len());
        assert_eq!((packet[8], packet[9]), (1, 2), "time to live and protocol");
        assert_eq!(packet[20..24], [148, 4, 0, 0], "router alert");
        assert_eq!(checksum::sum(&packet[..24]), 0xffff);
        assert_eq!(checksum::sum(&packet[24..]), 0xffff);
        let message = &packet[24..];
        let (record, group) = match message[0] {
            0x22 => {
                assert_eq!(message[4..8], [0, 0, 0, 1], "one record");
                assert_eq!(message[9..12], [0, 0, 0], "no data, no sources");
                assert_eq!(message.len(), 16);
                (Some(message[8]), &message[12..16])
            }
            _ => {
                assert_eq!(message.len(), 8);
                (None, &message[4..8])
            }
        };
        let to = v4(&packet[16..20]);
        return Said { ethernet, to, kind: message[0], record, group: v4(group) };
    }
    assert_eq!(frame[12..14], [0x86, 0xdd]);
    assert_eq!(usize::from(packet[5]) + 40, packet.len());
    assert_eq!((packet[6], packet[7]), (0, 1), "hop-by-hop options and hop limit");
    assert_eq!(v6(&packet[8..24]), LINK_LOCAL.into());
    assert_eq!(packet[40..48], [58, 0, 5, 2, 0, 0, 1, 0], "router alert for MLD, padding");
    assert!(checksum::verify(packet));
    let message = &packet[48..];
    let (record, group) = match message[0] {
        143 => {
            assert_eq!(message[4..8], [0, 0, 0, 1], "one record");
            assert_eq!(message[9..12], [0, 0, 0], "no data, no sources");
            assert_eq!(message.len(), 28);
            (Some(message[8]), &message[12..28])
        }
        _ => {
            assert_eq!(message.len(), 24);
            (None, &message[8..24])
        }
    };
    Said { ethernet, to: v6(&packet[24..40]), kind: message[0], record, group: v6(group) }
}

/// Everything that is said up to then, each a line: when and what.
fn until(net: &mut Subject, end: i64) -> Vec<(i64, Said)> {
    let mut lines = Vec::new();
    while let Some(next) = net.poll_at().filter(|next| *next <= at(end)) {
        let mut frame = [0; REPORT_LEN];
        while let Some(len) = net.report(next, &mut frame) {
            lines.push((next.total_millis(), said(&frame[..len])));
        }
    }
    lines
}

const IGMPV3: ([u8; 6], IpAddress) = ([1, 0, 0x5e, 0, 0, 22], IpAddress::v4(224, 0, 0, 22));
const MLDV2: ([u8; 6], IpAddress) =
    ([0x33, 0x33, 0, 0, 0, 0x16], IpAddress::v6(0xff02, 0, 0, 0, 0, 0, 0, 0x16));

fn new_report(group: IpAddress, record: u8) -> Said {
    let ((ethernet, to), kind) = match group {
        IpAddress::Ipv4(_) => (IGMPV3, 0x22),
        IpAddress::Ipv6(_) => (MLDV2, 143),
    };
    Said { ethernet, to, kind, record: Some(record), group }
}

/// An IGMP message with everything that RFC 3376 wants around it.
fn igmp(source: [u8; 4], to: [u8; 4], message: &[u8]) -> Vec<u8> {
    let mut packet = Vec::from([0x46, 0xc0, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0]);
    packet.extend(source);
    packet.extend(to);
    packet.extend([148, 4, 0, 0]);
    packet.extend(message);
    packet[3] = packet.len() as u8;
    let sum = !checksum::sum(&packet[24..]);
    packet[26..28].copy_from_slice(&sum.to_be_bytes());
    in_frame(v4(&to), packet)
}

/// An MLD message with everything that RFC 3810 wants around it.
fn mld(to: IpAddress, message: &[u8]) -> Vec<u8> {
    let IpAddress::Ipv6(address) = to else { panic!("not IPv6") };
    let mut packet = Vec::from([0x60, 0, 0, 0, 0, message.len() as u8 + 8, 0, 1]);
    packet.extend(Ipv6Address::new(0xfe80, 0, 0, 0, 0, 0, 0, 0xfe).octets());
    packet.extend(address.octets());
    packet.extend([58, 0, 5, 2, 0, 0, 1, 0]);
    packet.extend(message);
    in_frame(to, packet)
}

fn in_frame(to: IpAddress, mut packet: Vec<u8>) -> Vec<u8> {
    checksum::fill(&mut packet);
    let mut frame = Vec::from([0; 14]);
    let ethernet = ethernet::multicast(to).unwrap_or(OWN_MAC);
    ethernet::write(&mut frame, ethernet, ROUTER_MAC, ethernet::ethertype(to));
    frame.extend(packet);
    frame
}

const ROUTER: [u8; 4] = [10, 0, 0, 254];
const ALL: [u8; 4] = [224, 0, 0, 1];

/// A query of the version that its length says, about `group`.
fn igmp_query(version: u8, code: u8, group: [u8; 4]) -> Vec<u8> {
    let to = if group == [0; 4] { ALL } else { group };
    let [a, b, c, d] = group;
    let message = [0x11, code, 0, 0, a, b, c, d, 2, 125, 0, 0];
    igmp(ROUTER, to, &message[..if version == 3 { 12 } else { 8 }])
}

fn mld_query(version: u8, code: u16, group: Option<Ipv6Address>) -> Vec<u8> {
    let to = group.unwrap_or(Ipv6Address::new(0xff02, 0, 0, 0, 0, 0, 0, 1));
    let mut message = Vec::from([130, 0, 0, 0]);
    message.extend(code.to_be_bytes());
    message.extend([0, 0]);
    message.extend(group.unwrap_or(Ipv6Address::UNSPECIFIED).octets());
    message.extend([2, 125, 0, 0]);
    message.truncate(if version == 2 { 28 } else { 24 });
    mld(to.into(), &message)
}

fn hears(net: &mut Subject, millis: i64, frame: &[u8]) {
    let received = net.receive(at(millis), frame, &mut [0; 128]);
    assert_eq!(received, Received::Consumed { reply: None });
}

fn drops(net: &mut Subject, frame: &[u8], reason: Reason) {
    assert_eq!(net.receive(at(0), frame, &mut [0; 128]), Received::Dropped(reason));
}

#[track_caller]
fn only(lines: &[(i64, Said)], within: Range<i64>, expected: &Said) {
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(within.contains(&lines[0].0), "{lines:?}");
    assert_eq!(&lines[0].1, expected);
}

#[test]
fn joining_and_leaving_are_said_twice_within_a_second() {
    for group in [V4, V6] {
        let mut net = net();
        net.join_group(group).unwrap();
        net.join_group(group).unwrap();
        assert!(net.is_member(group));
        let lines = until(&mut net, 60_000);
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert_eq!((lines[0].0, &lines[0].1), (0, &new_report(group, 4)));
        assert!((0..=1000).contains(&lines[1].0));
        assert_eq!(lines[1].1, new_report(group, 4));
        net.leave_group(group);
        assert!(net.is_member(group), "another member is left");
        assert_eq!(until(&mut net, 60_000), []);
        net.leave_group(group);
        assert!(!net.is_member(group));
        let lines = until(&mut net, 60_000);
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines.iter().all(|(_, said)| *said == new_report(group, 3)));
        assert_eq!(net.poll_at(), None);
        assert_eq!(net.memberships.groups.len(), 1, "the link-local address's own");
    }
}

#[test]
fn who_joins_again_while_leaving_is_said_takes_it_back() {
    let mut net = net();
    net.join_group(V4).unwrap();
    until(&mut net, 10_000);
    net.leave_group(V4);
    net.join_group(V4).unwrap();
    let lines = until(&mut net, 60_000);
    assert_eq!(lines.len(), 2);
    assert!(lines.iter().all(|(_, said)| *said == new_report(V4, 4)));
}

#[test]
fn own_ipv6_addresses_are_members_of_their_solicited_node_groups() {
    let mut net: Subject = Net::new(OWN_MAC, [1, 2], OwnGroups::Reported);
    let node = |low: u16| IpAddress::v6(0xff02, 0, 0, 0, 0, 1, 0xff00, low);
    let lines = until(&mut net, 60_000);
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines.iter().all(|(_, said)| *said == new_report(node(1), 4)));
    let own = |low| IpCidr::new(IpAddress::v6(0xfd00, 0, 0, 0, 0, 0, 0, low), 64);
    // The first shares its group with the link-local address.
    net.add_address(own(1)).unwrap();
    net.add_address(own(2)).unwrap();
    net.add_address(own(2)).unwrap();
    let lines = until(&mut net, 60_000);
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines.iter().all(|(_, said)| *said == new_report(node(2), 4)));
    net.remove_address(own(1).address());
    net.remove_address(own(2).address());
    net.remove_address(own(2).address());
    let lines = until(&mut net, 60_000);
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines.iter().all(|(_, said)| *said == new_report(node(2), 3)));
    assert!(net.is_member(node(1)) && !net.is_member(node(2)));
}

#[test]
fn a_query_is_answered_once_within_its_time() {
    for (group, general, specific) in [
        (V4, igmp_query(3, 100, [0; 4]), igmp_query(3, 10, [239, 1, 2, 3])),
        (V6, mld_query(2, 10_000, None), {
            let IpAddress::Ipv6(group) = V6 else { panic!("not IPv6") };
            mld_query(2, 1000, Some(group))
        }),
    ] {
        let mut net = net();
        net.join_group(group).unwrap();
        until(&mut net, 2000);
        hears(&mut net, 5000, &general);
        let mut lines = until(&mut net, 60_000);
        // The link-local address's own group answers to MLD, too.
        lines.retain(|(_, said)| said.group == group);
        only(&lines, 5000..15_000, &new_report(group, 2));
        hears(&mut net, 20_000, &specific);
        only(&until(&mut net, 60_000), 20_000..21_000, &new_report(group, 2));
        // Two queries, one answer.
        hears(&mut net, 30_000, &specific);
        hears(&mut net, 30_000, &specific);
        only(&until(&mut net, 60_000), 30_000..31_000, &new_report(group, 2));
    }
}

#[test]
fn a_query_about_another_group_is_not_answered() {
    let mut net = net();
    net.join_group(V4).unwrap();
    until(&mut net, 2000);
    // It shares the Ethernet address of the group that was joined.
    drops(&mut net, &igmp_query(3, 10, [238, 129, 2, 3]), Reason::NotMember);
    // And this one does not.
    drops(&mut net, &igmp_query(3, 10, [239, 1, 2, 4]), Reason::EthernetGroup);
    assert_eq!(net.poll_at(), None);
}

#[test]
fn the_longest_wait_is_coded_as_a_floating_point_number() {
    // RFC 3376 section 4.1.1: 0x9f is 0x1f << 4 tenths of a second. RFC 3810 section 5.1.3:
    // 0x9fff is 0x1fff << 4 ms.
    for (group, query, longest) in [
        (V4, igmp_query(3, 0x7f, [0; 4]), 12_700),
        (V4, igmp_query(3, 0x9f, [0; 4]), 49_600),
        (V6, mld_query(2, 0x7fff, None), 32_767),
        (V6, mld_query(2, 0x9fff, None), 131_056),
    ] {
        let mut latest = 0;
        for seed in 0..100 {
            let mut net: Subject = Net::new(OWN_MAC, [seed, 2], OwnGroups::Reported);
            net.join_group(group).unwrap();
            until(&mut net, 2000);
            hears(&mut net, 2000, &query);
            let lines = until(&mut net, 1_000_000);
            latest = latest.max(lines.iter().map(|(millis, _)| millis - 2000).max().unwrap());
        }
        assert!((longest * 9 / 10..=longest).contains(&latest), "{latest} of {longest}");
    }
}

#[test]
fn old_routers_hear_their_own_language_and_for_260_s() {
    let old = |group, kind| Said {
        ethernet: ethernet::multicast(group).unwrap().0,
        to: group,
        kind,
        record: None,
        group,
    };
    for (group, query, report, leave) in [
        (V4, igmp_query(1, 0, [0; 4]), 0x12, None),
        (V4, igmp_query(2, 100, [0; 4]), 0x16, Some((0x17, IpAddress::v4(224, 0, 0, 2)))),
        (
            V6,
            mld_query(1, 10_000, None),
            131,
            Some((132, IpAddress::v6(0xff02, 0, 0, 0, 0, 0, 0, 2))),
        ),
    ] {
        let mut net = net();
        hears(&mut net, 1000, &query);
        until(&mut net, 20_000);
        net.join_group(group).unwrap();
        let mut lines = until(&mut net, 60_000);
        lines.retain(|(_, said)| said.group == group);
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines.iter().all(|(_, said)| *said == old(group, report)));
        net.leave_group(group);
        let mut lines = until(&mut net, 60_000);
        lines.retain(|(_, said)| said.group == group);
        match leave {
            None => assert_eq!(lines, []),
            Some((kind, to)) => {
                let ethernet = ethernet::multicast(to).unwrap().0;
                let expected = Said { ethernet, to, kind, record: None, group };
                assert_eq!(lines.iter().map(|(_, said)| said).collect::<Vec<_>>(), [&expected]);
            }
        }
        // The last millisecond of the old router, and the first of the time after.
        let mut frame = [0; REPORT_LEN];
        net.join_group(group).unwrap();
        let len = net.report(at(260_999), &mut frame).unwrap();
        assert_eq!(said(&frame[..len]), old(group, report));
        net.leave_group(group);
        net.join_group(group).unwrap();
        let len = net.report(at(261_000), &mut frame).unwrap();
        assert_eq!(said(&frame[..len]), new_report(group, 4));
    }
}

#[test]
fn one_answer_is_enough_for_an_old_router() {
    let mut net = net();
    net.join_group(V4).unwrap();
    until(&mut net, 2000);
    hears(&mut net, 2000, &igmp_query(2, 100, [0; 4]));
    let report = igmp([10, 0, 0, 7], [239, 1, 2, 3], &[0x16, 0, 0, 0, 239, 1, 2, 3]);
    hears(&mut net, 2000, &report);
    assert_eq!(until(&mut net, 60_000), [], "another member has answered");
    net.leave_group(V4);
    assert_eq!(until(&mut net, 60_000), [], "and is still there");
    // Routers of today count the members.
    let mut net = self::net();
    net.join_group(V4).unwrap();
    until(&mut net, 2000);
    hears(&mut net, 2000, &igmp_query(3, 100, [0; 4]));
    hears(&mut net, 2000, &report);
    only(&until(&mut net, 60_000), 2000..12_000, &new_report(V4, 2));
}

#[test]
fn a_switch_without_an_address_may_ask() {
    let mut net = net();
    net.join_group(V4).unwrap();
    until(&mut net, 2000);
    let query = igmp([0; 4], ALL, &[0x11, 100, 0, 0, 0, 0, 0, 0, 2, 125, 0, 0]);
    hears(&mut net, 2000, &query);
    only(&until(&mut net, 60_000), 2000..12_000, &new_report(V4, 2));
}

#[test]
fn what_is_no_valid_message_is_not_believed() {
    let mut net = net();
    net.join_group(V4).unwrap();
    net.join_group(V6).unwrap();
    until(&mut net, 2000);
    let edited = |frame: &[u8], at: usize, byte: u8| {
        let mut frame = frame.to_vec();
        frame[14 + at] = byte;
        checksum::fill(&mut frame[14..]);
        frame
    };
    let igmp_valid = igmp_query(3, 100, [0; 4]);
    // A router in between; no router alert; a wrong sum.
    drops(&mut net, &edited(&igmp_valid, 8, 2), Reason::Membership);
    drops(&mut net, &edited(&igmp_valid, 20, 149), Reason::Membership);
    drops(&mut net, &edited(&igmp_valid, 25, 99), Reason::Checksum);
    // About everything, to one group; about what is no group; too short.
    let general = [0x11, 100, 0, 0, 0, 0, 0, 0, 2, 125, 0, 0];
    drops(&mut net, &igmp(ROUTER, [239, 1, 2, 3], &general), Reason::Membership);
    drops(&mut net, &igmp(ROUTER, ALL, &[0x11, 100, 0, 0, 10, 0, 0, 9]), Reason::Membership);
    drops(&mut net, &igmp(ROUTER, ALL, &general[..11]), Reason::Membership);
    drops(&mut net, &igmp(ROUTER, ALL, &general[..7]), Reason::Membership);
    let mld_valid = mld_query(2, 1000, None);
    drops(&mut net, &edited(&mld_valid, 7, 2), Reason::Membership);
    drops(&mut net, &edited(&mld_valid, 42, 1), Reason::Membership);
    drops(&mut net, &edited(&mld_valid, 8, 0xfd), Reason::Membership);
    let mut message = [0; 28];
    message[0] = 130;
    drops(&mut net, &mld(V6, &message[..27]), Reason::Membership);
    drops(&mut net, &mld(V6, &message[..23]), Reason::Membership);
    message[8] = 0xfd;
    drops(&mut net, &mld(V6, &message[..24]), Reason::Membership);
    assert_eq!(net.poll_at(), None);
    // Messages for routers are none of ours, and harmless.
    hears(&mut net, 2000, &igmp(ROUTER, ALL, &[0x22, 0, 0, 0, 0, 0, 0, 0]));
    hears(&mut net, 2000, &mld(V6, &[143, 0, 0, 0, 0, 0, 0, 0]));
    assert_eq!(net.poll_at(), None);
}

#[test]
fn groups_that_never_leave_a_host_are_never_reported() {
    let mut net = net();
    let everybody = [
        IpAddress::v4(224, 0, 0, 1),
        IpAddress::v6(0xff02, 0, 0, 0, 0, 0, 0, 1),
        IpAddress::v6(0xff01, 0, 0, 0, 0, 0, 0, 1),
    ];
    for group in everybody {
        assert!(net.is_member(group));
        net.join_group(group).unwrap();
        net.leave_group(group);
        assert!(net.is_member(group));
    }
    net.join_group(IpAddress::v6(0xff01, 0, 0, 0, 0, 0, 0, 0x99)).unwrap();
    assert_eq!(net.poll_at(), None);
    hears(&mut net, 0, &mld_query(2, 1000, None));
    let lines = until(&mut net, 60_000);
    assert!(lines.iter().all(|(_, said)| said.to == MLDV2.1 && said.record == Some(2)));
    assert_eq!(lines.len(), 1, "the link-local address's own");
}

#[test]
fn there_are_256_groups_and_no_more() {
    let mut net = net();
    let group = |number: u16| {
        let [high, low] = number.to_be_bytes();
        IpAddress::v4(239, 7, high, low)
    };
    // One is the link-local address's own.
    for number in 0..255 {
        net.join_group(group(number)).unwrap();
    }
    assert_eq!(net.join_group(group(255)), Err(Exhausted));
    assert!(!net.is_member(group(255)));
    assert_eq!(net.join_group(group(254)), Ok(()));
    // While the leaving is said the place is taken.
    net.leave_group(group(0));
    assert_eq!(net.join_group(group(255)), Err(Exhausted));
    until(&mut net, 5000);
    assert_eq!(net.join_group(group(255)), Ok(()));
}

#[test]
fn a_fixed_table_refuses_what_does_not_fit_and_stays_whole() {
    let mut net: Net<'static, Fixed<'static, 8, 32, 1514>> =
        Net::new(OWN_MAC, [1, 2], OwnGroups::Reported);
    let group = |number| IpAddress::v4(239, 7, 0, number);
    let joined = (0..100).filter(|&number| net.join_group(group(number)).is_ok()).count();
    assert_eq!(joined, 15);
    let own = IpCidr::new(IpAddress::v6(0xfd00, 0, 0, 0, 0, 0, 0, 9), 64);
    assert_eq!(net.add_address(own), Err(Exhausted), "there is no place for its group");
    assert!(!net.is_own_address(own.address()));
}

#[test]
fn the_same_seed_waits_the_same() {
    let story = |seed| {
        let mut net: Subject = Net::new(OWN_MAC, [seed, 2], OwnGroups::Reported);
        for number in 0..20 {
            net.join_group(IpAddress::v4(239, 7, 0, number)).unwrap();
        }
        hears(&mut net, 3000, &igmp_query(3, 100, [0; 4]));
        until(&mut net, 60_000)
    };
    assert_eq!(story(1), story(1));
    assert_ne!(story(1), story(2));
}

proptest! {
    #[test]
    fn no_message_makes_trouble(message in prop::collection::vec(any::<u8>(), 0..40), v6: bool) {
        let mut net = net();
        net.join_group(V4).unwrap();
        net.join_group(V6).unwrap();
        let frame = if v6 { mld(V6, &message) } else {
            let mut message = message;
            message.resize(message.len().max(4), 0);
            igmp(ROUTER, ALL, &message)
        };
        let _ = net.receive(at(0), &frame, &mut [0; 128]);
        until(&mut net, 100_000_000);
        prop_assert!(net.is_member(V4) && net.is_member(V6));
    }
}
