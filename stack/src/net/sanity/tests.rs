use alloc::vec;
use alloc::vec::Vec;

use etherparse::PacketBuilder;
use proptest::prelude::*;
use smoltcp::iface::{Config, Interface, SocketSet};
use smoltcp::phy::{self, DeviceCapabilities, Medium};
use smoltcp::time::Instant;
use smoltcp::wire::{HardwareAddress, IpCidr};

use super::*;

const PEER4: [u8; 4] = [10, 0, 0, 2];
const OWN4: [u8; 4] = [10, 0, 0, 1];
const PEER6: [u8; 16] = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];
const OWN6: [u8; 16] = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
const GROUP6: [u8; 16] = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];

/// 10.0.0.1/24 and fd00::1/64.
struct Host;

impl Addresses for Host {
    fn is_own(&self, address: IpAddress) -> bool {
        routes::is_loopback(address)
            || address == IpAddress::Ipv4(Ipv4Address::from_octets(OWN4))
            || address == IpAddress::Ipv6(Ipv6Address::from_octets(OWN6))
    }
    fn is_broadcast(&self, address: IpAddress) -> bool {
        address.is_broadcast() || address == IpAddress::v4(10, 0, 0, 255)
    }
}

const LINK: Context<'_> =
    Context { origin: Origin::Link, checksums: Checksums::Verify, addresses: &Host };
const LOOPBACK: Context<'_> =
    Context { origin: Origin::Loopback, checksums: Checksums::Skip, addresses: &Host };

fn link(packet: &[u8]) -> Result<Parsed, Reason> {
    check(packet, &LINK)
}

/// What becomes of `packet` with its checksums made right again.
fn repaired(mut packet: Vec<u8>) -> Result<(), Reason> {
    checksum::fill(&mut packet);
    link(&packet).map(|_| ())
}

/// Makes the IPv4 header's checksum right, whatever the lengths say.
fn fill_header(packet: &mut [u8]) {
    packet[10..12].fill(0);
    let checksum = !checksum::sum(&packet[..20]);
    packet[10..12].copy_from_slice(&checksum.to_be_bytes());
}

macro_rules! build {
    ($builder:expr, $payload:expr) => {{
        let mut packet = Vec::new();
        $builder.write(&mut packet, $payload).unwrap();
        packet
    }};
}

fn tcp4() -> Vec<u8> {
    build!(PacketBuilder::ipv4(PEER4, OWN4, 61).tcp(5000, 80, 7, 1024).syn(), b"")
}
fn tcp6() -> Vec<u8> {
    build!(PacketBuilder::ipv6(PEER6, OWN6, 61).tcp(5000, 80, 7, 1024).ack(9), b"hello")
}
fn udp4() -> Vec<u8> {
    build!(PacketBuilder::ipv4(PEER4, OWN4, 61).udp(5000, 53), b"hello")
}
fn udp6() -> Vec<u8> {
    build!(PacketBuilder::ipv6(PEER6, OWN6, 61).udp(5000, 53), b"hello")
}
fn echo4() -> Vec<u8> {
    build!(PacketBuilder::ipv4(PEER4, OWN4, 61).icmpv4_echo_request(1, 2), b"")
}
fn echo6() -> Vec<u8> {
    build!(PacketBuilder::ipv6(PEER6, OWN6, 61).icmpv6_echo_request(1, 2), b"")
}
fn all() -> [Vec<u8>; 6] {
    [tcp4(), tcp6(), udp4(), udp6(), echo4(), echo6()]
}

/// `packet`, IPv4, with options behind its header.
fn with_ipv4_options(packet: &[u8], options: &[u8]) -> Vec<u8> {
    assert_eq!(options.len() % 4, 0);
    let mut longer = [&packet[..20], options, &packet[20..]].concat();
    longer[0] += (options.len() / 4) as u8;
    let total = longer.len() as u16;
    longer[2..4].copy_from_slice(&total.to_be_bytes());
    checksum::fill(&mut longer);
    longer
}

/// `packet`, IPv6, with extension headers behind its header; the next header field of the last
/// one is set to what `packet` had.
fn with_extensions(packet: &[u8], first: u8, extensions: &[u8], last: usize) -> Vec<u8> {
    let mut longer = [&packet[..40], extensions, &packet[40..]].concat();
    longer[40 + last] = packet[6];
    longer[6] = first;
    let payload = (longer.len() - 40) as u16;
    longer[4..6].copy_from_slice(&payload.to_be_bytes());
    checksum::fill(&mut longer);
    longer
}

/// `packet`, TCP over IPv4 without options, with options.
fn with_tcp_options(packet: &[u8], options: &[u8]) -> Vec<u8> {
    assert_eq!(options.len() % 4, 0);
    let mut longer = [&packet[..40], options, &packet[40..]].concat();
    longer[32] = (((20 + options.len()) / 4) << 4) as u8;
    let total = longer.len() as u16;
    longer[2..4].copy_from_slice(&total.to_be_bytes());
    checksum::fill(&mut longer);
    longer
}

fn with_source(mut packet: Vec<u8>, source: &str) -> Vec<u8> {
    match source.parse().unwrap() {
        core::net::IpAddr::V4(source) => packet[12..16].copy_from_slice(&source.octets()),
        core::net::IpAddr::V6(source) => packet[8..24].copy_from_slice(&source.octets()),
    }
    packet
}

fn with_destination(mut packet: Vec<u8>, destination: &str) -> Vec<u8> {
    match destination.parse().unwrap() {
        core::net::IpAddr::V4(address) => packet[16..20].copy_from_slice(&address.octets()),
        core::net::IpAddr::V6(address) => packet[24..40].copy_from_slice(&address.octets()),
    }
    packet
}

#[test]
fn a_sane_packet_is_parsed() {
    let parsed = link(&tcp6()).unwrap();
    assert_eq!(parsed.source, IpAddress::Ipv6(Ipv6Address::from_octets(PEER6)));
    assert_eq!(parsed.destination, IpAddress::Ipv6(Ipv6Address::from_octets(OWN6)));
    assert_eq!(parsed.protocol, IpProtocol::Tcp);
    assert_eq!((parsed.header_len, parsed.total_len, parsed.hop_limit), (40, 65, 61));
    assert_eq!(parsed.delivery, Delivery::Own);
    assert_eq!(parsed.ports(), Some((5000, 80)));
    assert_eq!(parsed.payload(), 60..65);
    let expected = TcpHeader {
        source_port: 5000,
        destination_port: 80,
        sequence: 7,
        acknowledgment: 9,
        flags: 16,
        window: 1024,
        header_len: 20,
    };
    assert_eq!(parsed.upper, Upper::Tcp(expected));

    let parsed = link(&udp4()).unwrap();
    assert_eq!(parsed.ports(), Some((5000, 53)));
    assert_eq!(parsed.payload(), 28..33);
    let (source, destination) = parsed.endpoints().unwrap();
    assert_eq!(source, IpEndpoint::new(IpAddress::v4(10, 0, 0, 2), 5000));
    assert_eq!(destination, IpEndpoint::new(IpAddress::v4(10, 0, 0, 1), 53));

    assert_eq!(link(&echo4()).unwrap().upper, Upper::Icmp { kind: 8, code: 0 });
    assert_eq!(link(&echo6()).unwrap().upper, Upper::Icmp { kind: 128, code: 0 });
}

#[test]
fn reasons_have_places_and_names_of_their_own() {
    for (index, reason) in Reason::ALL.into_iter().enumerate() {
        assert_eq!(reason.index(), index);
        let same = Reason::ALL.iter().filter(|other| other.name() == reason.name());
        assert_eq!(same.count(), 1, "{reason}");
    }
}

#[test]
fn ethernet_padding_is_not_counted() {
    for packet in all() {
        let total_len = packet.len();
        let mut padded = packet;
        padded.extend_from_slice(&[0xaa; 20]);
        assert_eq!(link(&padded).unwrap().total_len, total_len);
    }
}

#[test]
fn a_packet_cut_anywhere_is_dropped() {
    for packet in all() {
        for length in 0..packet.len() {
            assert!(link(&packet[..length]).is_err(), "{length} of {packet:02x?}");
        }
    }
}

#[test]
fn versions_other_than_4_and_6_are_dropped() {
    for version in [0u8, 1, 2, 3, 5, 7, 8, 15] {
        let mut packet = tcp4();
        packet[0] = version << 4 | 5;
        assert_eq!(link(&packet), Err(Reason::Version));
    }
}

#[test]
fn a02_the_header_length_is_20_bytes_to_the_packets_end() {
    for words in 0..5 {
        let mut packet = tcp4();
        packet[0] = 0x40 | words;
        assert_eq!(repaired(packet), Err(Reason::HeaderLength));
    }
    let mut packet = tcp4();
    packet[0] = 0x4b;
    assert_eq!(link(&packet[..40]), Err(Reason::HeaderLength));
}

#[test]
fn a02_the_total_length_is_between_header_and_frame() {
    for (length, reason) in [
        (0u16, Reason::TotalLength),
        (19, Reason::TotalLength),
        (20, Reason::TcpLength),
        (39, Reason::TcpLength),
        (41, Reason::TotalLength),
        (65535, Reason::TotalLength),
    ] {
        let mut packet = tcp4();
        packet[2..4].copy_from_slice(&length.to_be_bytes());
        fill_header(&mut packet);
        assert_eq!(link(&packet), Err(reason), "{length}");
    }
    for (length, reason) in [(0u16, Reason::TcpLength), (26, Reason::TotalLength)] {
        let mut packet = tcp6();
        packet[4..6].copy_from_slice(&length.to_be_bytes());
        assert_eq!(link(&packet), Err(reason), "{length}");
    }
}

#[test]
fn a02_the_udp_length_is_8_bytes_to_the_packets_end() {
    for (packet, at) in [(udp4(), 24), (udp6(), 44)] {
        for (length, expected) in [
            (0u8, Err(Reason::UdpLength)),
            (7, Err(Reason::UdpLength)),
            (8, Ok(())),
            (12, Ok(())),
            (13, Ok(())),
            (14, Err(Reason::UdpLength)),
        ] {
            let mut packet = packet.clone();
            packet[at + 1] = length;
            assert_eq!(repaired(packet), expected, "{length}");
        }
    }
    let mut packet = udp4();
    packet[25] = 12;
    checksum::fill(&mut packet);
    assert_eq!(link(&packet).unwrap().payload(), 28..32);
}

#[test]
fn a02_the_tcp_data_offset_is_20_bytes_to_the_segments_end() {
    for (packet, at) in [(tcp4(), 32), (tcp6(), 52)] {
        for (words, expected) in [
            (0u8, Err(Reason::TcpLength)),
            (4, Err(Reason::TcpLength)),
            (5, Ok(())),
            (7, Err(Reason::TcpLength)),
        ] {
            let mut packet = packet.clone();
            packet[at] = words << 4;
            assert_eq!(repaired(packet), expected, "{words}");
        }
    }
}

#[test]
fn a01_tcp_options_with_impossible_lengths_are_dropped() {
    for (options, expected) in [
        (&[0x50, 0, 0, 0][..], Err(Reason::TcpOptions)),
        (&[2, 0, 0, 0], Err(Reason::TcpOptions)),
        (&[0xff, 1, 0, 0], Err(Reason::TcpOptions)),
        (&[2, 5, 0, 0], Err(Reason::TcpOptions)),
        (&[1, 1, 1, 2], Err(Reason::TcpOptions)),
        (&[2, 4, 5, 0xb4], Ok(())),
        (&[1, 1, 1, 0], Ok(())),
        // Behind the end of the list nothing counts.
        (&[0, 2, 0, 0], Ok(())),
        (&[0xff, 4, 0, 0, 1, 3, 3, 7], Ok(())),
    ] {
        assert_eq!(repaired(with_tcp_options(&tcp4(), options)), expected, "{options:02x?}");
    }
}

/// A packet with this flags and offset field, of which `keep` bytes behind the IP header are there.
fn fragment4(mut packet: Vec<u8>, field: u16, keep: usize) -> Result<(usize, bool), Reason> {
    packet.resize(20 + keep, 0);
    packet[2..4].copy_from_slice(&((20 + keep) as u16).to_be_bytes());
    packet[4..6].copy_from_slice(&[0x12, 0x34]);
    packet[6..8].copy_from_slice(&field.to_be_bytes());
    checksum::fill(&mut packet);
    part(&link(&packet)?, 0x1234)
}

/// The same with a fragment header, and `keep` bytes behind it.
fn fragment6(packet: &[u8], field: u16, keep: usize) -> Result<(usize, bool), Reason> {
    let [high, low] = field.to_be_bytes();
    let mut packet = with_extensions(packet, 44, &[0, 0, high, low, 1, 2, 3, 4], 0);
    packet.resize(48 + keep, 0);
    packet[4..6].copy_from_slice(&((8 + keep) as u16).to_be_bytes());
    let parsed = link(&packet)?;
    assert_eq!(parsed.payload(), 48..48 + keep);
    part(&parsed, 0x0102_0304)
}

fn part(parsed: &Parsed, identification: u32) -> Result<(usize, bool), Reason> {
    let Upper::Fragment(fragment) = parsed.upper else { panic!("{parsed:?}") };
    assert_eq!(fragment.identification, identification);
    Ok((fragment.offset, fragment.more))
}

#[test]
fn a06_fragments_say_which_part_they_are() {
    assert_eq!(fragment4(udp4(), 0x2000, 8), Ok((0, true)));
    assert_eq!(fragment4(udp4(), 0x2001, 16), Ok((8, true)));
    assert_eq!(fragment4(udp4(), 0x0002, 5), Ok((16, false)));
    assert_eq!(fragment6(&udp6(), 0x0001, 8), Ok((0, true)));
    assert_eq!(fragment6(&udp6(), 0x0009, 16), Ok((8, true)));
    assert_eq!(fragment6(&udp6(), 0x0010, 5), Ok((16, false)));
}

#[test]
fn a06_fragments_of_impossible_lengths_are_dropped() {
    for keep in [0, 9, 15] {
        assert_eq!(fragment4(udp4(), 0x2001, keep), Err(Reason::FragmentLength), "{keep}");
        assert_eq!(fragment6(&udp6(), 0x0009, keep), Err(Reason::FragmentLength), "{keep}");
    }
    assert_eq!(fragment4(udp4(), 0x0001, 0), Err(Reason::FragmentLength));
    assert_eq!(fragment6(&udp6(), 0x0008, 0), Err(Reason::FragmentLength));
}

#[test]
fn a06_the_largest_packet_may_be_cut_and_a_byte_more_may_not() {
    // With 20 bytes of header 65,535; of IPv6 the header does not count.
    assert_eq!(fragment4(udp4(), 0x1ffd, 3), Ok((65512, false)));
    assert_eq!(fragment4(udp4(), 0x1ffd, 4), Err(Reason::FragmentOffset));
    assert_eq!(fragment6(&udp6(), 0xfff8, 7), Ok((65528, false)));
    assert_eq!(fragment6(&udp6(), 0xfff8, 8), Err(Reason::FragmentOffset));
}

#[test]
fn a06_a_first_fragment_holds_the_header_of_the_upper_layer() {
    for (packet, enough) in [(udp4(), 8), (tcp4(), 24), (echo4(), 8)] {
        assert_eq!(fragment4(packet.clone(), 0x2000, enough), Ok((0, true)));
        if enough > 8 {
            let less = fragment4(packet, 0x2000, enough - 8);
            assert_eq!(less, Err(Reason::FragmentHeaders), "{enough}");
        }
    }
    assert_eq!(fragment6(&udp6(), 1, 8), Ok((0, true)));
    // The header that the first fragment announces stands in the second one.
    let mut options = with_extensions(&udp6(), 60, &[17, 1, 1, 12, 0, 0, 0, 0], 0);
    options.resize(48, 0);
    assert_eq!(fragment6(&options, 1, 8), Err(Reason::FragmentHeaders));
}

#[test]
fn a06_an_atomic_fragment_is_a_whole_packet_and_two_headers_are_none() {
    let atomic = with_extensions(&udp6(), 44, &[0, 0, 0, 0, 1, 2, 3, 4], 0);
    assert!(matches!(link(&atomic).unwrap().upper, Upper::Udp { .. }));
    let twice = with_extensions(&atomic, 44, &[0, 0, 0, 0, 1, 2, 3, 4], 0);
    assert_eq!(link(&twice).unwrap_err(), Reason::NestedFragment);
    assert_eq!(fragment6(&atomic, 1, 16), Err(Reason::NestedFragment));
    // "Don't fragment" is no fragment.
    let mut packet = udp4();
    packet[6..8].copy_from_slice(&[0x40, 0]);
    assert_eq!(repaired(packet), Ok(()));
}

#[test]
fn a07_source_routes_and_impossible_options_are_dropped() {
    for (options, expected) in [
        (&[1, 1, 1, 0][..], Ok(())),
        (&[0x94, 4, 0, 0], Ok(())),
        (&[7, 7, 4, 0, 0, 0, 0, 0], Ok(())),
        (&[0x83, 7, 4, 10, 0, 0, 9, 0], Err(Reason::SourceRoute)),
        (&[1, 0x89, 3, 4], Err(Reason::SourceRoute)),
        (&[0x94, 0, 0, 0], Err(Reason::IpOptions)),
        (&[0x94, 1, 0, 0], Err(Reason::IpOptions)),
        (&[0x94, 5, 0, 0], Err(Reason::IpOptions)),
        (&[1, 1, 1, 7], Err(Reason::IpOptions)),
    ] {
        assert_eq!(repaired(with_ipv4_options(&echo4(), options)), expected, "{options:02x?}");
    }
    let parsed = link(&with_ipv4_options(&tcp4(), &[1, 1, 1, 0])).unwrap();
    assert_eq!((parsed.header_len, parsed.ports()), (24, Some((5000, 80))));
}

#[test]
fn a07_a_packet_in_a_packet_is_not_unwrapped() {
    for protocol in [4u8, 41, 47] {
        let mut packet = tcp4();
        packet[9] = protocol;
        checksum::fill(&mut packet);
        let parsed = link(&packet).unwrap();
        assert_eq!((parsed.upper, parsed.ports()), (Upper::Other, None));
        assert_eq!(parsed.protocol, IpProtocol::from(protocol));
        let packet = with_destination(packet, "10.0.0.255");
        assert_eq!(repaired(packet), Err(Reason::UnknownProtocol));
    }
}

#[test]
fn a08_icmp_is_eight_bytes_long_at_least() {
    for length in 0..8u8 {
        let mut packet = echo4();
        packet.truncate(20 + usize::from(length));
        packet[3] = 20 + length;
        fill_header(&mut packet);
        assert_eq!(link(&packet), Err(Reason::IcmpLength));
        let mut packet = echo6();
        packet.truncate(40 + usize::from(length));
        packet[5] = length;
        assert_eq!(repaired(packet), Err(Reason::IcmpLength));
    }
}

#[test]
fn a08_nobody_answers_an_echo_request_to_a_group() {
    for destination in ["10.0.0.255", "255.255.255.255", "224.0.0.1"] {
        let packet = with_destination(echo4(), destination);
        assert_eq!(repaired(packet), Err(Reason::EchoToGroup));
    }
    assert_eq!(repaired(with_destination(echo6(), "ff02::1")), Err(Reason::EchoToGroup));
    // Other messages to a group are in order, such as queries for its members.
    let query = build!(PacketBuilder::ipv6(PEER6, GROUP6, 1).icmpv6_raw(130, 0, [0; 4]), &[0; 20]);
    assert_eq!(link(&query).unwrap().delivery, Delivery::Multicast);
}

#[test]
fn a09_extension_headers_are_skipped_up_to_eight() {
    let padding = [60u8, 0, 1, 4, 0, 0, 0, 0];
    for (count, expected) in [
        (1, Ok(())),
        (8, Ok(())),
        (9, Err(Reason::TooManyHeaders)),
        (180, Err(Reason::TooManyHeaders)),
    ] {
        let packet = with_extensions(&tcp6(), 60, &padding.repeat(count), 8 * (count - 1));
        assert_eq!(repaired(packet), expected, "{count}");
    }
    let parsed = link(&with_extensions(&tcp6(), 0, &padding, 0)).unwrap();
    assert_eq!((parsed.header_len, parsed.ports()), (48, Some((5000, 80))));
    assert_eq!(parsed.protocol, IpProtocol::Tcp);
}

#[test]
fn a09_extension_headers_beyond_the_packet_or_out_of_order_are_dropped() {
    for length in [4, 255] {
        let packet = with_extensions(&tcp6(), 60, &[0, length, 1, 4, 0, 0, 0, 0], 0);
        assert_eq!(link(&packet).unwrap_err(), Reason::ExtensionHeader);
    }
    let packet = with_extensions(&tcp6(), 60, &[0, 0, 1, 4, 0, 0, 0, 0, 0, 0, 1, 4, 0, 0, 0, 0], 8);
    assert_eq!(link(&packet).unwrap_err(), Reason::ExtensionHeader, "hop-by-hop comes first");
    let packet = with_extensions(&tcp6(), 43, &[0, 0, 0, 1, 0, 0, 0, 0], 0);
    assert_eq!(link(&packet).unwrap_err(), Reason::SourceRoute);
    let packet = with_extensions(&tcp6(), 43, &[0, 0, 0, 0, 0, 0, 0, 0], 0);
    assert!(link(&packet).is_ok(), "no segments left");
    let mut packet = tcp6();
    packet[6] = 59;
    assert_eq!(link(&packet), Err(Reason::NoPayload));
}

#[test]
fn a09_an_unknown_option_says_what_becomes_of_the_packet() {
    for (options, expected) in [
        ([5, 2, 0, 0, 1, 0], Ok(())),
        ([0x3e, 0, 0, 0, 0, 0], Ok(())),
        ([0x7e, 0, 0, 0, 0, 0], Err(Reason::UnknownOption)),
        ([0xbe, 0, 0, 0, 0, 0], Err(Reason::UnknownOption)),
        ([0xc2, 4, 0, 1, 0, 0], Err(Reason::UnknownOption)),
        ([1, 5, 0, 0, 0, 0], Err(Reason::ExtensionHeader)),
        ([0, 0, 0, 0, 0, 1], Err(Reason::ExtensionHeader)),
    ] {
        for kind in [0, 60] {
            let extension = [&[0, 0][..], &options].concat();
            let packet = with_extensions(&udp6(), kind, &extension, 0);
            assert_eq!(repaired(packet), expected, "{options:02x?}");
        }
    }
}

#[test]
fn a15_nobody_on_the_link_has_these_addresses() {
    for source in [
        "0.0.0.0",
        "0.1.2.3",
        "127.0.0.1",
        "127.9.9.9",
        "224.0.0.1",
        "239.1.1.1",
        "240.0.0.1",
        "255.255.255.255",
        "10.0.0.255",
    ] {
        for packet in [tcp4(), udp4(), echo4()] {
            let result = repaired(with_source(packet, source));
            assert_eq!(result, Err(Reason::MartianSource), "{source}");
        }
    }
    for source in ["::", "::1", "ff02::1", "::ffff:10.0.0.2"] {
        for packet in [tcp6(), udp6(), echo6()] {
            let result = repaired(with_source(packet, source));
            assert_eq!(result, Err(Reason::MartianSource), "{source}");
        }
    }
    for destination in ["127.0.0.1", "0.0.0.0", "240.0.0.1", "::1", "::", "ff01::1", "ff00::1"] {
        let packet = if destination.contains(':') { udp6() } else { udp4() };
        let result = repaired(with_destination(packet, destination));
        assert_eq!(result, Err(Reason::MartianDestination), "{destination}");
    }
    for (packet, destination) in [(udp4(), "10.0.0.3"), (udp6(), "fd00::3")] {
        assert_eq!(repaired(with_destination(packet, destination)), Err(Reason::NotForUs));
    }
}

#[test]
fn a15_land() {
    for packet in [with_source(tcp4(), "10.0.0.1"), with_source(tcp6(), "fd00::1")] {
        assert_eq!(repaired(packet), Err(Reason::OwnSource));
    }
}

#[test]
fn a15_tcp_is_for_one_host() {
    for (packet, destination) in [
        (tcp4(), "10.0.0.255"),
        (tcp4(), "255.255.255.255"),
        (tcp4(), "224.0.0.1"),
        (tcp6(), "ff02::1"),
    ] {
        assert_eq!(repaired(with_destination(packet, destination)), Err(Reason::TcpToGroup));
    }
    for (packet, destination, delivery) in [
        (udp4(), "10.0.0.255", Delivery::Broadcast),
        (udp4(), "255.255.255.255", Delivery::Broadcast),
        (udp4(), "224.0.0.251", Delivery::Multicast),
        (udp6(), "ff02::fb", Delivery::Multicast),
    ] {
        let mut packet = with_destination(packet, destination);
        checksum::fill(&mut packet);
        assert_eq!(link(&packet).unwrap().delivery, delivery);
    }
}

#[test]
fn a15_port_zero() {
    for (at, expected) in [(20, Err(Reason::PortZero)), (22, Err(Reason::PortZero))] {
        let mut packet = tcp4();
        packet[at..at + 2].fill(0);
        assert_eq!(repaired(packet), expected);
    }
    // A datagram from port zero wants no answer (RFC 768).
    for (at, expected) in [(20, Ok(())), (22, Err(Reason::PortZero))] {
        let mut packet = udp4();
        packet[at..at + 2].fill(0);
        assert_eq!(repaired(packet), expected);
    }
}

#[test]
fn a20_flags_that_no_segment_has() {
    for flags in 0..64u8 {
        let (fin, syn, rst, ack) =
            (flags & 1 != 0, flags & 2 != 0, flags & 4 != 0, flags & 16 != 0);
        let impossible = !(fin || syn || rst || ack) || syn && (fin || rst);
        let mut packet = tcp4();
        packet[33] = flags;
        let expected = if impossible { Err(Reason::TcpFlags) } else { Ok(()) };
        assert_eq!(repaired(packet), expected, "{flags:06b}");
    }
}

#[test]
fn a24_wrong_checksums() {
    for packet in all() {
        for at in [packet.len() - 1, if packet[0] == 0x45 { 25 } else { 45 }] {
            let mut packet = packet.clone();
            packet[at] ^= 1;
            let reason = link(&packet).unwrap_err();
            assert!(matches!(reason, Reason::Checksum | Reason::UdpLength), "byte {at}: {reason}");
        }
    }
    let mut packet = udp4();
    packet[8] -= 1;
    assert_eq!(link(&packet), Err(Reason::HeaderChecksum));
    let mut packet = udp4();
    packet[26..28].fill(0);
    assert!(link(&packet).is_ok(), "no checksum");
    let mut packet = udp6();
    packet[46..48].fill(0);
    assert_eq!(link(&packet), Err(Reason::Checksum));
}

#[test]
fn this_host_may_send_to_itself_without_checksums() {
    let mut packet = with_source(with_destination(tcp4(), "127.0.0.1"), "127.0.0.1");
    packet[10..12].fill(0);
    packet[36..38].fill(0);
    assert!(check(&packet, &LOOPBACK).is_ok());
    let packet = with_source(with_destination(tcp6(), "::1"), "::1");
    assert!(check(&packet, &LOOPBACK).is_ok());
    let packet = with_source(tcp4(), "10.0.0.1");
    assert!(check(&packet, &LOOPBACK).is_ok());
    let packet = with_source(tcp4(), "0.0.0.0");
    assert_eq!(check(&packet, &LOOPBACK), Err(Reason::MartianSource));
}

#[test]
fn stripped_extension_headers_leave_the_packet_that_was_wrapped() {
    let extensions = [&[60, 0, 1, 4, 0, 0, 0, 0][..], &[0, 1, 1, 12], &[0; 12]].concat();
    for packet in [tcp6(), udp6(), echo6()] {
        let mut wrapped = with_extensions(&packet, 0, &extensions, 8);
        let parsed = link(&wrapped).unwrap();
        assert_eq!(parsed.header_len, 64);
        let moved = strip_extensions(&mut wrapped, &parsed);
        assert_eq!(moved, 24);
        assert_eq!(wrapped[24..], packet);
    }
    for mut packet in all() {
        let (before, parsed) = (packet.clone(), link(&packet).unwrap());
        assert_eq!(strip_extensions(&mut packet, &parsed), 0);
        assert_eq!(packet, before);
    }
}

/// A device whose one received packet is given, and which keeps nothing that is sent.
struct Device(Option<Vec<u8>>);

struct Receive(Vec<u8>);
struct Transmit;

impl phy::RxToken for Receive {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

impl phy::TxToken for Transmit {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, f: F) -> R {
        f(&mut vec![0; length])
    }
}

impl phy::Device for Device {
    type RxToken<'d> = Receive;
    type TxToken<'d> = Transmit;

    fn receive(&mut self, _: Instant) -> Option<(Receive, Transmit)> {
        self.0.take().map(|packet| (Receive(packet), Transmit))
    }
    fn transmit(&mut self, _: Instant) -> Option<Transmit> {
        Some(Transmit)
    }
    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = 65535;
        capabilities
    }
}

/// Shows `packet` to a smoltcp interface without sockets.
fn show_to_smoltcp(packet: Vec<u8>) {
    let now = Instant::ZERO;
    let mut device = Device(Some(packet));
    let mut interface = Interface::new(Config::new(HardwareAddress::Ip), &mut device, now);
    interface.set_any_ip(true);
    interface.update_ip_addrs(|addresses| {
        let own = IpCidr::new(IpAddress::Ipv4(Ipv4Address::from_octets(OWN4)), 24);
        addresses.push(own).unwrap();
    });
    let mut sockets = SocketSet::new(Vec::new());
    interface.poll(now, &mut device, &mut sockets);
}

/// Packets that are nearly right, of every kind and with everything around them.
fn nearly_right() -> impl Strategy<Value = Vec<u8>> {
    let base = prop_oneof![
        Just(tcp4()),
        Just(tcp6()),
        Just(udp4()),
        Just(udp6()),
        Just(echo4()),
        Just(echo6()),
        Just(build!(PacketBuilder::ipv4(PEER4, OWN4, 1).icmpv4_raw(3, 3, [0; 4]), &udp4())),
        Just(build!(PacketBuilder::ipv6(PEER6, OWN6, 1).icmpv6_raw(1, 4, [0; 4]), &tcp6())),
        Just(build!(PacketBuilder::ipv6(PEER6, GROUP6, 1).icmpv6_raw(130, 0, [0; 4]), &[0; 20])),
        proptest::collection::vec(any::<u8>(), 0..40).prop_map(|options| build!(
            PacketBuilder::ipv4(PEER4, OWN4, 9).icmpv4_raw(options.len() as u8, 0, [0; 4]),
            &options
        )),
        proptest::collection::vec(any::<u8>(), 0..40).prop_map(|options| build!(
            PacketBuilder::ipv6(PEER6, OWN6, 9).icmpv6_raw(128 + options.len() as u8, 0, [0; 4]),
            &options
        )),
        proptest::collection::vec(any::<u32>(), 0..10).prop_map(|options| {
            let options: Vec<u8> = options.iter().flat_map(|word| word.to_be_bytes()).collect();
            with_tcp_options(&tcp4(), &options)
        }),
        proptest::collection::vec(any::<u32>(), 0..10).prop_map(|options| {
            let options: Vec<u8> = options.iter().flat_map(|word| word.to_be_bytes()).collect();
            with_ipv4_options(&tcp4(), &options)
        }),
        (prop_oneof![Just(0u8), Just(43), Just(60)], 0..7u8, any::<[u8; 54]>()).prop_map(
            |(kind, units, options)| {
                let header = [&[0, units][..], &options[..6 + 8 * usize::from(units)]].concat();
                with_extensions(&udp6(), kind, &header, 0)
            }
        ),
    ];
    let changes = proptest::collection::vec((any::<usize>(), any::<u8>()), 0..4);
    (base, changes, any::<bool>()).prop_map(|(mut packet, changes, repair)| {
        for (at, value) in changes {
            let at = at % packet.len();
            packet[at] = value;
        }
        if repair {
            checksum::fill(&mut packet);
        }
        packet
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn what_passes_is_what_its_parsed_form_says(packet in nearly_right()) {
        let Ok(parsed) = link(&packet) else { return Ok(()) };
        prop_assert!(parsed.header_len <= parsed.total_len);
        prop_assert!(parsed.total_len <= packet.len());
        prop_assert!(parsed.payload().start <= parsed.payload().end);
        prop_assert!(parsed.payload().end <= parsed.total_len);
        prop_assert!(checksum::verify(&packet[..parsed.total_len]));
        prop_assert!(!Host.is_own(parsed.source));
        if let Upper::Tcp(_) = parsed.upper {
            prop_assert!(Host.is_own(parsed.destination));
        }
    }

    #[test]
    fn nothing_that_passes_makes_smoltcp_panic(packet in nearly_right()) {
        let mut packet = packet;
        if let Ok(parsed) = link(&packet) {
            packet.truncate(parsed.total_len);
            show_to_smoltcp(packet.clone());
            let start = strip_extensions(&mut packet, &parsed);
            show_to_smoltcp(packet.split_off(start));
        }
    }

    #[test]
    fn arbitrary_bytes_are_only_dropped(packet: Vec<u8>, version in 0x40u8..0x70) {
        let _ = link(&packet);
        let mut packet = packet;
        if let Some(first) = packet.first_mut() {
            *first = version;
        }
        let _ = check(&packet, &LOOPBACK);
    }
}
