use alloc::vec;
use alloc::vec::Vec;

use etherparse::defrag::IpDefragPool;
use etherparse::{NetSlice, PacketBuilder, SlicedPacket};
use proptest::prelude::*;
use smoltcp::wire::{Ipv4Address, Ipv6Address};

use super::*;

const OWN4: [u8; 4] = [10, 0, 0, 1];
const PEER4: [u8; 4] = [10, 0, 0, 2];
const OWN6: [u8; 16] = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
const PEER6: [u8; 16] = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];

fn data(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index * 7 + index / 251) as u8).collect()
}

fn packet4(payload: usize) -> Vec<u8> {
    let mut packet = Vec::new();
    let builder = PacketBuilder::ipv4(OWN4, PEER4, 61).udp(5000, 53);
    builder.write(&mut packet, &data(payload)).unwrap();
    allow(&mut packet, 0x1234);
    checksum::fill(&mut packet);
    packet
}

fn packet6(payload: usize) -> Vec<u8> {
    let mut packet = Vec::new();
    let builder = PacketBuilder::ipv6(OWN6, PEER6, 61).udp(5000, 53);
    builder.write(&mut packet, &data(payload)).unwrap();
    packet
}

/// All fragments of `packet`, which stands behind 14 bytes.
fn cut(packet: &[u8], mtu: usize) -> Option<Vec<Vec<u8>>> {
    let mut buffer = vec![0; 14];
    buffer.extend_from_slice(packet);
    buffer.resize(14 + packet.len() + FRAGMENT_HEADER_LEN, 0xee);
    let mut cut = Cut::new(&mut buffer, 14..14 + packet.len(), mtu, 0x0102_0304)?;
    let count = cut.count();
    let mut fragments = Vec::new();
    while let Some(range) = cut.next(&mut buffer) {
        // There is room for an Ethernet header, which overwrites nothing that is still needed.
        buffer[range.start - 14..range.start].fill(0xdd);
        fragments.push(buffer[range].to_vec());
    }
    assert_eq!(fragments.len(), count);
    Some(fragments)
}

/// Where each fragment begins, how many bytes it has, and whether others follow, as etherparse
/// reads them.
fn places(fragments: &[Vec<u8>]) -> Vec<(u16, usize, bool)> {
    let read = |fragment: &Vec<u8>| match SlicedPacket::from_ip(fragment).unwrap().net.unwrap() {
        NetSlice::Ipv4(ip) => {
            let header = ip.header();
            assert_eq!(header.header_checksum(), header.to_header().calc_header_checksum());
            assert_eq!((header.identification(), header.dont_fragment()), (0x1234, false));
            assert_eq!((header.ttl(), header.protocol().0), (61, 17));
            let offset = header.fragments_offset().byte_offset();
            (offset, ip.payload().payload.len(), header.more_fragments())
        }
        NetSlice::Ipv6(ip) => {
            assert_eq!((ip.header().hop_limit(), ip.header().next_header().0), (61, 44));
            let fragment = ip.extensions().clone().into_iter().next().unwrap();
            let etherparse::Ipv6ExtensionSlice::Fragment(fragment) = fragment else {
                panic!("no fragment header")
            };
            assert_eq!((fragment.identification(), fragment.next_header().0), (0x0102_0304, 17));
            let offset = fragment.fragment_offset().byte_offset();
            (offset, ip.payload().payload.len(), fragment.more_fragments())
        }
        NetSlice::Arp(_) => panic!("ARP"),
    };
    fragments.iter().map(read).collect()
}

/// The UDP payload that etherparse makes of the fragments, checksum and all.
fn reassembled(fragments: &[Vec<u8>]) -> Vec<u8> {
    let mut pool = IpDefragPool::<(), ()>::new();
    let mut whole = None;
    for fragment in fragments {
        let sliced = SlicedPacket::from_ip(fragment).unwrap();
        assert!(sliced.transport.is_none(), "a fragment was taken for a whole packet");
        whole = pool.process_sliced_packet(&sliced, (), ()).unwrap().or(whole);
    }
    let whole = whole.expect("something is missing");
    let udp = etherparse::UdpSlice::from_slice(&whole.payload).unwrap();
    let expected = match SlicedPacket::from_ip(&fragments[0]).unwrap().net.unwrap() {
        NetSlice::Ipv4(_) => {
            udp.to_header().calc_checksum_ipv4_raw(OWN4, PEER4, udp.payload()).unwrap()
        }
        _ => udp.to_header().calc_checksum_ipv6_raw(OWN6, PEER6, udp.payload()).unwrap(),
    };
    assert_eq!(udp.checksum(), expected);
    udp.payload().to_vec()
}

#[test]
fn fragments_stand_end_to_end_in_multiples_of_eight() {
    // 8 bytes of UDP header and 2,992 of payload.
    let fragments = cut(&packet4(2992), 1500).unwrap();
    assert_eq!(places(&fragments), [(0, 1480, true), (1480, 1480, true), (2960, 40, false)]);
    assert_eq!(reassembled(&fragments), data(2992));
    let fragments = cut(&packet6(2992), 1500).unwrap();
    assert_eq!(places(&fragments), [(0, 1448, true), (1448, 1448, true), (2896, 104, false)]);
    assert_eq!(reassembled(&fragments), data(2992));
}

#[test]
fn the_largest_datagrams_make_45_and_46_fragments() {
    let fragments = cut(&packet4(65507), 1500).unwrap();
    assert_eq!(fragments.len(), 45);
    assert_eq!(reassembled(&fragments), data(65507));
    let fragments = cut(&packet6(65527), 1500).unwrap();
    assert_eq!(fragments.len(), 46);
    assert_eq!(reassembled(&fragments), data(65527));
}

#[test]
fn what_must_not_or_cannot_be_cut_is_left() {
    let mut packet = packet4(2000);
    packet[6] |= 0x40;
    assert_eq!(cut(&packet, 1500), None);
    assert!(!is_allowed(&packet));
    allow(&mut packet, 7);
    assert!(is_allowed(&packet));
    // Room for 8 bytes of data, and not.
    assert_eq!(cut(&packet4(20), 28).unwrap().len(), 4);
    assert_eq!(cut(&packet4(20), 27), None);
    assert_eq!(cut(&packet6(20), 56).unwrap().len(), 4);
    assert_eq!(cut(&packet6(20), 55), None);
    // No room behind it for the longer header.
    let mut packet = packet6(2000);
    let range = 0..packet.len();
    assert!(Cut::new(&mut packet, range, 1500, 1).is_none());
}

#[test]
fn identifications_count_for_each_pair_of_hosts_from_a_secret() {
    let host = |number| IpAddress::Ipv4(Ipv4Address::new(10, 0, 0, number));
    let mut numbers = Identifications::new([1, 2]);
    let first = numbers.next(host(1), host(2));
    assert_eq!(numbers.next(host(1), host(2)), first.wrapping_add(1));
    // What one pair sees tells nothing about another one, nor about another secret.
    let others: Vec<u32> = (3..19).map(|other| numbers.next(host(1), host(other))).collect();
    let mut apart = others.clone();
    apart.sort_unstable();
    apart.dedup_by_key(|number| *number >> 16);
    assert_eq!(apart.len(), 16, "{others:x?}");
    let mut same = Identifications::new([1, 2]);
    assert_eq!(same.next(host(1), host(2)), first);
    assert_ne!(Identifications::new([1, 3]).next(host(1), host(2)), first);
    let v6 = IpAddress::Ipv6(Ipv6Address::from_octets(PEER6));
    assert_ne!(numbers.next(v6, v6), numbers.next(v6, host(1)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_packet_cut_anywhere_is_the_same_to_etherparse(
        payload in 1usize..20_000, mtu in 68usize..9000, v6: bool,
    ) {
        let (packet, mtu) = if v6 { (packet6(payload), mtu + 1212) } else { (packet4(payload), mtu) };
        prop_assume!(packet.len() > mtu);
        let fragments = cut(&packet, mtu).unwrap();
        prop_assert!(fragments.iter().all(|fragment| fragment.len() <= mtu));
        prop_assert_eq!(reassembled(&fragments), data(payload));
    }
}
