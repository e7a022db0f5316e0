use etherparse::PacketBuilder;
use tapsock_stack::wire::Ipv4Address;

use super::*;

const A: [u8; 4] = [10, 77, 0, 2];
const B: [u8; 4] = [10, 77, 0, 1];
const A6: [u8; 16] = [0xfd, 0x77, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];
const B6: [u8; 16] = [0xfd, 0x77, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];

fn v4() -> etherparse::PacketBuilderStep<etherparse::IpHeaders> {
    PacketBuilder::ethernet2([2; 6], [4; 6]).ipv4(A, B, 64)
}

fn bytes<T>(write: impl FnOnce(&mut Vec<u8>) -> T) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(&mut bytes);
    bytes
}

#[test]
fn segments_show_ports_flags_and_numbers() {
    let syn = v4().tcp(50000, 80, 7, 100).syn();
    let syn = syn.options(&[etherparse::TcpOptionElement::MaximumSegmentSize(1460)]).unwrap();
    assert_eq!(
        frame(&bytes(|out| syn.write(out, &[]).unwrap())),
        "10.77.0.2:50000 > 10.77.0.1:80 [SYN] seq 7 len 0 mss 1460"
    );
    let data = PacketBuilder::ethernet2([2; 6], [4; 6])
        .ipv6(A6, B6, 64)
        .tcp(50000, 80, u32::MAX, 100)
        .psh()
        .ack(9);
    assert_eq!(
        frame(&bytes(|out| data.write(out, b"abc").unwrap())),
        "[fd77::2]:50000 > [fd77::1]:80 [PSH,ACK] seq 4294967295 ack 9 len 3"
    );
}

#[test]
fn datagrams_show_ports_and_length() {
    let datagram = v4().udp(53, 5353);
    assert_eq!(
        frame(&bytes(|out| datagram.write(out, b"abc").unwrap())),
        "10.77.0.2:53 > 10.77.0.1:5353 UDP len 3"
    );
}

#[test]
fn errors_show_what_they_are_about() {
    let about = bytes(|out| PacketBuilder::ipv4(B, A, 64).tcp(50000, 9, 7, 9).write(out, &[]));
    let unreachable = etherparse::Icmpv4Type::DestinationUnreachable(
        etherparse::icmpv4::DestUnreachableHeader::Host,
    );
    let error = v4().icmpv4(unreachable);
    assert_eq!(
        frame(&bytes(|out| error.write(out, &about[..28]).unwrap())),
        "10.77.0.2 > 10.77.0.1 ICMP host unreachable (3/1) about TCP 10.77.0.1:50000 > 10.77.0.2:9"
    );
    let about = bytes(|out| PacketBuilder::ipv6(B6, A6, 64).udp(50000, 9).write(out, &[]));
    let prohibited = etherparse::Icmpv6Type::DestinationUnreachable(
        etherparse::icmpv6::DestUnreachableCode::Prohibited,
    );
    let error = PacketBuilder::ethernet2([2; 6], [4; 6]).ipv6(A6, B6, 64).icmpv6(prohibited);
    assert_eq!(
        frame(&bytes(|out| error.write(out, &about).unwrap())),
        "fd77::2 > fd77::1 ICMPv6 prohibited (1/1) about UDP [fd77::1]:50000 > [fd77::2]:9"
    );
}

#[test]
fn neighbors_ask_and_answer() {
    let arp = |operation| {
        let mut bytes = vec![0; 14 + 28];
        bytes[12..14].copy_from_slice(&[8, 6]);
        ArpRepr::EthernetIpv4 {
            operation,
            source_hardware_addr: EthernetAddress([2, 0, 0, 0, 0, 7]),
            source_protocol_addr: Ipv4Address::from(A),
            target_hardware_addr: EthernetAddress([0; 6]),
            target_protocol_addr: Ipv4Address::from(B),
        }
        .emit(&mut ArpPacket::new_unchecked(&mut bytes[14..]));
        frame(&bytes)
    };
    assert_eq!(arp(ArpOperation::Request), "ARP who has 10.77.0.1? tell 10.77.0.2");
    assert_eq!(arp(ArpOperation::Reply), "ARP 10.77.0.2 is at 02:00:00:00:00:07");

    let nd = |kind, option: &[u8]| {
        let header = PacketBuilder::ethernet2([2; 6], [4; 6]).ipv6(A6, B6, 255);
        let raw = header.icmpv6_raw(kind, 0, [0; 4]);
        let body = [&B6[..], option].concat();
        frame(&bytes(|out| raw.write(out, &body).unwrap()))
    };
    assert_eq!(nd(135, &[1, 1, 2, 0, 0, 0, 0, 7]), "NS who has fd77::1? tell fd77::2");
    assert_eq!(nd(136, &[2, 1, 2, 0, 0, 0, 0, 7]), "NA fd77::1 is at 02:00:00:00:00:07");
    assert_eq!(nd(136, &[]), "NA fd77::1 is here");
}

#[test]
fn no_frame_makes_it_fail() {
    let whole = bytes(|out| v4().tcp(50000, 80, 7, 100).syn().write(out, b"data"));
    for length in 0..whole.len() {
        let _ = frame(&whole[..length]);
    }
    // Every byte of some frames in turn is each of some values.
    let about = bytes(|out| PacketBuilder::ipv6(B6, A6, 64).udp(50000, 9).write(out, &[]));
    let v6 = PacketBuilder::ethernet2([2; 6], [4; 6]).ipv6(A6, B6, 64).icmpv6_raw(1, 0, [0; 4]);
    let v6 = bytes(|out| v6.write(out, &about));
    for original in [whole, v6] {
        for at in 0..original.len() {
            for value in [0, 1, 4, 6, 17, 44, 58, 60, 0x7f, 0x80, 0xff] {
                let mut changed = original.clone();
                changed[at] = value;
                let _ = frame(&changed);
                let _ = frame(&changed[..at]);
            }
        }
    }
    assert_eq!(frame(&[0; 14]), "00:00:00:00:00:00 > 00:00:00:00:00:00 Ethernet type 0x0000");
    assert_eq!(frame(&[]), "0 bytes, too short for Ethernet");
}
