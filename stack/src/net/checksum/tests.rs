use alloc::vec::Vec;

use etherparse::{PacketBuilder, SlicedPacket, TransportSlice};
use proptest::prelude::*;

use super::*;

const A4: [u8; 4] = [10, 0, 0, 1];
const B4: [u8; 4] = [10, 0, 0, 2];
const A6: [u8; 16] = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
const B6: [u8; 16] = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];

/// One packet of each kind, with checksums from etherparse.
fn packets(payload: &[u8]) -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    macro_rules! write {
        ($builder:expr) => {{
            let mut packet = Vec::new();
            $builder.write(&mut packet, payload).unwrap();
            packets.push(packet);
        }};
    }
    write!(PacketBuilder::ipv4(A4, B4, 64).tcp(1, 2, 3, 4));
    write!(PacketBuilder::ipv4(A4, B4, 64).udp(1, 2));
    write!(PacketBuilder::ipv4(A4, B4, 64).icmpv4_echo_request(1, 2));
    write!(PacketBuilder::ipv6(A6, B6, 64).tcp(1, 2, 3, 4));
    write!(PacketBuilder::ipv6(A6, B6, 64).udp(1, 2));
    write!(PacketBuilder::ipv6(A6, B6, 64).icmpv6_echo_request(1, 2));
    packets
}

#[test]
fn the_sum_of_rfc_1071_section_3() {
    assert_eq!(sum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), 0xddf2);
    assert_eq!(sum(&[0x12]), 0x1200);
    assert_eq!(sum(&[]), 0);
    assert_eq!(sum(&[0xff; 65535]), 0xff00);
}

#[test]
fn a_flipped_bit_anywhere_under_a_checksum_is_seen() {
    for packet in packets(b"odd") {
        assert!(verify(&packet));
        for at in 1..packet.len() {
            // What no checksum of IPv6 covers: traffic class, flow label and hop limit; and the
            // protocol, without which there is no telling which checksum it is.
            if packet[0] == 0x60 && matches!(at, 1..=3 | 6 | 7) {
                continue;
            }
            let mut bad = packet.clone();
            bad[at] ^= 0x10;
            assert!(!verify(&bad), "byte {at} of {packet:02x?}");
        }
    }
}

#[test]
fn a_udp_checksum_that_comes_to_zero_is_sent_as_ffff() {
    for packet in [&packets(&[0, 0])[1], &packets(&[0, 0])[4]] {
        let mut packet = packet.clone();
        let at = packet.len() - 4;
        // The checksum as payload makes the new one zero.
        let checksum = [packet[at], packet[at + 1]];
        packet[at + 2..].copy_from_slice(&checksum);
        fill(&mut packet);
        assert_eq!(packet[at..at + 2], [0xff, 0xff]);
        assert!(verify(&packet));
    }
}

#[test]
fn zero_is_no_checksum_for_ipv4_and_forbidden_for_ipv6() {
    let mut packets = packets(b"data");
    packets[1][26..28].fill(0);
    assert!(verify(&packets[1]));
    packets[4][46..48].fill(0);
    assert!(!verify(&packets[4]));
}

#[test]
fn only_the_header_of_a_fragment_is_filled() {
    let mut packet = packets(b"data").swap_remove(1);
    packet[6] = 0x20;
    packet[26..28].fill(0);
    packet[10..12].fill(0);
    fill(&mut packet);
    assert_eq!(packet[26..28], [0, 0]);
    assert_ne!(packet[10..12], [0, 0]);
    assert!(verify(&packet));
}

#[test]
fn an_ipv6_fragment_is_left_alone_unless_it_is_the_whole() {
    let whole = packets(b"data").swap_remove(4);
    for (field, filled) in [(0u16, true), (1, false), (8, false), (0x0100, false)] {
        let [high, low] = field.to_be_bytes();
        let fragment = [17, 0, high, low, 0, 0, 0, 9];
        let mut packet = [&whole[..40], &fragment[..], &whole[40..]].concat();
        (packet[5], packet[6]) = (20, 44);
        packet[54..56].fill(0);
        fill(&mut packet);
        let expected = if filled { &whole[46..48] } else { &[0, 0] };
        assert_eq!(&packet[54..56], expected, "{field:04x}");
    }
}

#[test]
fn lengths_that_contradict_each_other_change_nothing() {
    for packet in packets(b"data") {
        for length in 0..packet.len() {
            let mut short = packet[..length].to_vec();
            fill(&mut short);
            assert_eq!(short, packet[..length]);
            assert!(!verify(&short));
        }
    }
}

proptest! {
    #[test]
    fn fill_writes_what_an_independent_implementation_writes(payload: Vec<u8>) {
        for packet in packets(&payload) {
            let mut filled = packet.clone();
            let sliced = SlicedPacket::from_ip(&packet).unwrap();
            let at = match sliced.transport.unwrap() {
                TransportSlice::Tcp(tcp) => packet.len() - tcp.slice().len() + 16,
                TransportSlice::Udp(udp) => packet.len() - udp.slice().len() + 6,
                TransportSlice::Icmpv4(icmp) => packet.len() - icmp.slice().len() + 2,
                TransportSlice::Icmpv6(icmp) => packet.len() - icmp.slice().len() + 2,
                _ => unreachable!(),
            };
            filled[at..at + 2].fill(0xa5);
            if packet[0] == 0x45 {
                filled[10..12].fill(0xa5);
            }
            fill(&mut filled);
            prop_assert_eq!(&filled, &packet);
            prop_assert!(verify(&packet));
        }
    }

    #[test]
    fn an_update_is_as_good_as_a_new_sum(mut data: Vec<u16>, at: usize, new: u16) {
        prop_assume!(!data.is_empty());
        let bytes = |data: &[u16]| data.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<_>>();
        // A sum of zero only comes from data of nothing but zeros, which no header is.
        data.push(1);
        let before = !sum(&bytes(&data));
        let at = at % (data.len() - 1);
        let old = core::mem::replace(&mut data[at], new);
        prop_assert_eq!(update(before, old, new), !sum(&bytes(&data)));
    }

    #[test]
    fn arbitrary_bytes_are_neither_read_nor_written_out_of_bounds(mut bytes: Vec<u8>, first in 0x40u8..0x70) {
        verify(&bytes);
        if let Some(byte) = bytes.first_mut() {
            *byte = first;
        }
        verify(&bytes);
        fill(&mut bytes);
    }
}
