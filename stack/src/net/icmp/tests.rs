use alloc::vec;
use alloc::vec::Vec;

use etherparse::icmpv4::DestUnreachableHeader;
use etherparse::icmpv6::DestUnreachableCode;
use etherparse::{Icmpv4Type, Icmpv6Type, PacketBuilder, SlicedPacket, TransportSlice};
use proptest::prelude::*;

use super::*;

const ROUTER4: [u8; 4] = [10, 0, 0, 254];
const OWN4: [u8; 4] = [10, 0, 0, 1];
const FAR4: [u8; 4] = [192, 168, 7, 7];
const ROUTER6: [u8; 16] = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xfe];
const OWN6: [u8; 16] = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
const FAR6: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7];

macro_rules! build {
    ($builder:expr, $payload:expr) => {{
        let mut packet = Vec::new();
        $builder.write(&mut packet, $payload).unwrap();
        packet
    }};
}

/// SYNs from port 5000 to port 80 with sequence number 0x01020304.
fn syn4() -> Vec<u8> {
    build!(PacketBuilder::ipv4(OWN4, FAR4, 64).tcp(5000, 80, 0x0102_0304, 1024).syn(), b"")
}
fn syn6() -> Vec<u8> {
    build!(PacketBuilder::ipv6(OWN6, FAR6, 64).tcp(5000, 80, 0x0102_0304, 1024).syn(), b"")
}
fn udp4() -> Vec<u8> {
    build!(PacketBuilder::ipv4(FAR4, OWN4, 64).udp(5000, 53), b"question")
}
fn udp6() -> Vec<u8> {
    build!(PacketBuilder::ipv6(FAR6, OWN6, 64).udp(5000, 53), b"question")
}

fn error4(kind: u8, code: u8, rest: [u8; 4], quote: &[u8]) -> Vec<u8> {
    build!(PacketBuilder::ipv4(ROUTER4, OWN4, 64).icmpv4_raw(kind, code, rest), quote)
}
fn error6(kind: u8, code: u8, rest: [u8; 4], quote: &[u8]) -> Vec<u8> {
    build!(PacketBuilder::ipv6(ROUTER6, OWN6, 64).icmpv6_raw(kind, code, rest), quote)
}

fn endpoint4(address: [u8; 4], port: u16) -> IpEndpoint {
    IpEndpoint::new(IpAddress::Ipv4(Ipv4Address::from_octets(address)), port)
}
fn endpoint6(address: [u8; 16], port: u16) -> IpEndpoint {
    IpEndpoint::new(IpAddress::Ipv6(Ipv6Address::from_octets(address)), port)
}

/// What the error does, if it is one.
fn effect4(kind: u8, code: u8) -> Option<Effect> {
    parse_error(&error4(kind, code, [0; 4], &syn4()[..28])).map(|error| error.effect)
}
fn effect6(kind: u8, code: u8) -> Option<Effect> {
    parse_error(&error6(kind, code, [0; 4], &syn6()[..48])).map(|error| error.effect)
}

#[test]
fn eight_quoted_bytes_are_enough() {
    let expected = IcmpError {
        source: IpAddress::v4(10, 0, 0, 254),
        kind: 3,
        code: 1,
        protocol: Transport::Tcp,
        quoted_source: endpoint4(OWN4, 5000),
        quoted_destination: endpoint4(FAR4, 80),
        quoted_sequence: Some(0x0102_0304),
        effect: Effect::Host,
        mtu: 0,
        quoted_len: 40,
    };
    for length in [28, 40] {
        let error = error4(3, 1, [0; 4], &syn4()[..length]);
        assert_eq!(parse_error(&error), Some(expected), "{length}");
    }
    assert_eq!(parse_error(&error4(3, 1, [0; 4], &syn4()[..27])), None);

    let expected = IcmpError {
        source: IpAddress::Ipv6(Ipv6Address::from_octets(ROUTER6)),
        kind: 1,
        code: 0,
        quoted_source: endpoint6(OWN6, 5000),
        quoted_destination: endpoint6(FAR6, 80),
        effect: Effect::Net,
        quoted_len: 60,
        ..expected
    };
    for length in [48, 60] {
        let error = error6(1, 0, [0; 4], &syn6()[..length]);
        assert_eq!(parse_error(&error), Some(expected), "{length}");
    }
    assert_eq!(parse_error(&error6(1, 0, [0; 4], &syn6()[..47])), None);
}

#[test]
fn a_quoted_datagram_has_no_sequence_number() {
    let quote = build!(PacketBuilder::ipv4(OWN4, FAR4, 64).udp(5000, 53), b"question");
    let error = parse_error(&error4(3, 3, [0; 4], &quote[..28])).unwrap();
    assert_eq!((error.protocol, error.quoted_sequence), (Transport::Udp, None));
    assert_eq!(error.quoted_source, endpoint4(OWN4, 5000));
    assert_eq!(error.quoted_destination, endpoint4(FAR4, 53));
    assert_eq!(error.effect, Effect::Refused);
}

#[test]
fn what_each_code_of_icmp_means() {
    use Effect::{Host, Ignored, Net, PathMtu, Refused, Transit};
    let unreachable = [
        Net, Host, Refused, Refused, PathMtu, Host, Net, Host, Host, Net, Host, Net, Host, Host,
        Host, Host, Ignored,
    ];
    for (code, expected) in unreachable.into_iter().enumerate() {
        assert_eq!(effect4(3, code as u8), Some(expected), "3/{code}");
    }
    for (kind, code, expected) in [
        (3, 255, Some(Ignored)),
        (11, 0, Some(Transit)),
        (11, 1, Some(Transit)),
        (12, 0, Some(Transit)),
        (4, 0, Some(Ignored)),
        (5, 1, Some(Ignored)),
        (0, 0, None),
        (8, 0, None),
        (13, 0, None),
    ] {
        assert_eq!(effect4(kind, code), expected, "{kind}/{code}");
    }
}

#[test]
fn what_each_code_of_icmpv6_means() {
    use Effect::{Host, Ignored, Net, PathMtu, Refused, Transit};
    for (kind, code, expected) in [
        (1, 0, Some(Net)),
        (1, 1, Some(Host)),
        (1, 2, Some(Host)),
        (1, 3, Some(Host)),
        (1, 4, Some(Refused)),
        (1, 5, Some(Host)),
        (1, 6, Some(Host)),
        (1, 7, Some(Ignored)),
        (2, 0, Some(PathMtu)),
        (3, 0, Some(Transit)),
        (4, 2, Some(Transit)),
        (100, 0, Some(Ignored)),
        (128, 0, None),
        (136, 0, None),
    ] {
        assert_eq!(effect6(kind, code), expected, "{kind}/{code}");
    }
}

#[test]
fn the_mtu_of_the_path() {
    let mtu = |error: Vec<u8>| parse_error(&error).unwrap().mtu;
    assert_eq!(mtu(error4(3, 4, [0, 0, 0x05, 0x78], &syn4())), 1400);
    assert_eq!(mtu(error4(3, 4, [9, 9, 0, 0], &syn4())), 0, "a router from before RFC 1191");
    assert_eq!(mtu(error6(2, 0, [0, 0, 0x05, 0x00], &syn6())), 1280);
    assert_eq!(mtu(error6(2, 0, [0, 1, 0, 0], &syn6())), 65536);
    assert_eq!(mtu(error4(3, 1, [0, 0, 0x05, 0x78], &syn4())), 0);
    assert_eq!(mtu(error6(4, 0, [0, 0, 0, 40], &syn6())), 0);
}

#[test]
fn options_around_and_in_the_quote_are_skipped() {
    let with_options = |packet: Vec<u8>| {
        let mut longer = [&packet[..20], &[1, 1, 1, 0], &packet[20..]].concat();
        longer[0] = 0x46;
        let total = longer.len() as u16;
        longer[2..4].copy_from_slice(&total.to_be_bytes());
        checksum::fill(&mut longer);
        longer
    };
    let quote = with_options(syn4());
    let error = with_options(error4(3, 1, [0; 4], &quote[..32]));
    let parsed = parse_error(&error).unwrap();
    assert_eq!(parsed.quoted_destination, endpoint4(FAR4, 80));
    assert_eq!(parsed.quoted_sequence, Some(0x0102_0304));
    let error = with_options(error4(3, 1, [0; 4], &quote[..31]));
    assert_eq!(parse_error(&error), None);
}

/// `packet`, IPv6, with extension headers in front of TCP.
fn with_extensions(packet: &[u8], first: u8, extensions: &[u8]) -> Vec<u8> {
    let mut longer = [&packet[..40], extensions, &packet[40..]].concat();
    longer[6] = first;
    let payload = (longer.len() - 40) as u16;
    longer[4..6].copy_from_slice(&payload.to_be_bytes());
    longer
}

#[test]
fn extension_headers_in_the_quote_are_walked() {
    let quote = with_extensions(&syn6(), 60, &[43, 0, 1, 4, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0]);
    let parsed = parse_error(&error6(1, 0, [0; 4], &quote[..64])).unwrap();
    assert_eq!(parsed.quoted_destination, endpoint6(FAR6, 80));
    assert_eq!(parse_error(&error6(1, 0, [0; 4], &quote[..63])), None);
    assert_eq!(parse_error(&error6(1, 0, [0; 4], &quote[..50])), None);
}

#[test]
fn of_a_fragmented_packet_only_the_first_fragment_has_ports() {
    for (offset, has_ports) in [(0x2000u16, true), (0x2001, false), (1, false)] {
        let mut quote = syn4();
        quote[6..8].copy_from_slice(&offset.to_be_bytes());
        let error = parse_error(&error4(3, 1, [0; 4], &quote));
        assert_eq!(error.is_some(), has_ports, "{offset:04x}");
    }
    for (offset, has_ports) in [(1u16, true), (8, false), (9, false)] {
        let [high, low] = offset.to_be_bytes();
        let quote = with_extensions(&syn6(), 44, &[6, 0, high, low, 0, 0, 0, 1]);
        let error = parse_error(&error6(1, 0, [0; 4], &quote));
        assert_eq!(error.is_some(), has_ports, "{offset:04x}");
    }
}

#[test]
fn errors_about_other_things_are_not_for_sockets() {
    let about_icmp = error4(3, 1, [0; 4], &error4(3, 1, [0; 4], &syn4()));
    assert_eq!(parse_error(&about_icmp), None);
    let about_echo = build!(PacketBuilder::ipv4(OWN4, FAR4, 64).icmpv4_echo_request(1, 2), b"");
    assert_eq!(parse_error(&error4(3, 1, [0; 4], &about_echo)), None);
    assert_eq!(parse_error(&error4(3, 1, [0; 4], &syn6())), None, "the other family");
    assert_eq!(parse_error(&error6(1, 0, [0; 4], &syn4())), None, "the other family");
    assert_eq!(parse_error(&syn4()), None);
    assert_eq!(parse_error(&[]), None);
    let mut quote = syn4();
    quote[0] = 0x44;
    assert_eq!(parse_error(&error4(3, 1, [0; 4], &quote)), None, "a header of 16 bytes");
    let padded = [&error4(3, 1, [0; 4], &syn4()[..27])[..], &[0; 8]].concat();
    assert_eq!(parse_error(&padded), None, "padding is no quote");
    for packet in [error4(3, 1, [0; 4], &syn4()[..28]), error6(1, 0, [0; 4], &syn6()[..48])] {
        for length in 0..packet.len() {
            assert_eq!(parse_error(&packet[..length]), None, "{length}");
        }
    }
}

#[test]
fn port_unreachable_quotes_what_arrived() {
    let (mut buffer, offending) = ([0; 1500], udp4());
    let length = port_unreachable(&mut buffer, &offending).unwrap();
    let packet = &buffer[..length];
    assert_eq!(length, 20 + 8 + offending.len());
    assert!(checksum::verify(packet));
    let sliced = SlicedPacket::from_ip(packet).unwrap();
    let Some(etherparse::NetSlice::Ipv4(ip)) = sliced.net else { panic!("no IPv4") };
    assert_eq!(ip.header().source(), OWN4);
    assert_eq!(ip.header().destination(), FAR4);
    assert_eq!(ip.header().ttl(), 64);
    assert_eq!(ip.header().header_checksum(), ip.header().to_header().calc_header_checksum());
    let Some(TransportSlice::Icmpv4(icmp)) = sliced.transport else { panic!("no ICMP") };
    let expected = Icmpv4Type::DestinationUnreachable(DestUnreachableHeader::Port);
    assert_eq!(icmp.icmp_type(), expected);
    assert_eq!(icmp.payload(), offending);

    let (mut buffer, offending) = ([0; 1500], udp6());
    let length = port_unreachable(&mut buffer, &offending).unwrap();
    let sliced = SlicedPacket::from_ip(&buffer[..length]).unwrap();
    let Some(etherparse::NetSlice::Ipv6(ip)) = sliced.net else { panic!("no IPv6") };
    assert_eq!((ip.header().source(), ip.header().destination()), (OWN6, FAR6));
    let Some(TransportSlice::Icmpv6(icmp)) = sliced.transport else { panic!("no ICMPv6") };
    let expected = Icmpv6Type::DestinationUnreachable(DestUnreachableCode::Port);
    assert_eq!(icmp.icmp_type(), expected);
    assert!(icmp.is_checksum_valid(OWN6, FAR6));
    assert_eq!(icmp.payload(), offending);
}

#[test]
fn port_unreachable_is_what_its_receiver_understands() {
    let mut buffer = [0; 1500];
    let length = port_unreachable(&mut buffer, &udp4()).unwrap();
    let error = parse_error(&buffer[..length]).unwrap();
    assert_eq!((error.protocol, error.effect), (Transport::Udp, Effect::Refused));
    assert_eq!(error.quoted_source, endpoint4(FAR4, 5000));
    assert_eq!(error.quoted_destination, endpoint4(OWN4, 53));
    let length = port_unreachable(&mut buffer, &udp6()).unwrap();
    let error = parse_error(&buffer[..length]).unwrap();
    assert_eq!((error.kind, error.code, error.effect), (1, 4, Effect::Refused));
}

#[test]
fn a_long_packet_is_quoted_in_part() {
    let mut buffer = [0; 2000];
    let offending = build!(PacketBuilder::ipv4(FAR4, OWN4, 64).udp(5000, 53), &[7; 3000]);
    assert_eq!(port_unreachable(&mut buffer, &offending), Some(576));
    assert!(checksum::verify(&buffer[..576]));
    assert_eq!(port_unreachable(&mut buffer[..575], &offending), None);
    let offending = build!(PacketBuilder::ipv6(FAR6, OWN6, 64).udp(5000, 53), &[7; 3000]);
    assert_eq!(port_unreachable(&mut buffer, &offending), Some(1280));
    assert!(checksum::verify(&buffer[..1280]));
}

#[test]
fn nothing_is_said_about_errors_groups_and_later_fragments() {
    let mut buffer = vec![0; 1500];
    let mut none = |offending: &[u8]| assert_eq!(port_unreachable(&mut buffer, offending), None);
    none(&error4(3, 3, [0; 4], &syn4()));
    none(&error6(1, 4, [0; 4], &syn6()));
    for destination in [[224, 0, 0, 1], [255; 4], [0; 4]] {
        none(&build!(PacketBuilder::ipv4(FAR4, destination, 64).udp(5000, 53), b""));
        none(&build!(PacketBuilder::ipv4(destination, OWN4, 64).udp(5000, 53), b""));
    }
    let mut group = FAR6;
    group[0] = 0xff;
    none(&build!(PacketBuilder::ipv6(FAR6, group, 64).udp(5000, 53), b""));
    none(&build!(PacketBuilder::ipv6([0; 16], OWN6, 64).udp(5000, 53), b""));
    let mut fragment = udp4();
    fragment[7] = 1;
    none(&fragment);
    none(&[]);
}

#[test]
fn an_unknown_option_that_asks_for_it_is_answered() {
    let mut buffer = [0; 1500];
    // The option is the fourth byte of the second header: 40 + 8 + 3.
    for (option, answered) in [(0x3e, false), (0x7e, false), (0xbe, true), (0xfe, true)] {
        let extensions = [60, 0, 1, 4, 0, 0, 0, 0, 17, 0, 0, option, 1, 9, 0, 0];
        let offending = with_extensions(&udp6(), 0, &extensions);
        let length = parameter_problem(&mut buffer, &offending);
        assert_eq!(length.is_some(), answered, "{option:02x}");
        if let Some(length) = length {
            assert_eq!(buffer[40..42], [4, 2]);
            assert_eq!(buffer[44..48], [0, 0, 0, 51]);
            assert_eq!(buffer[48..length], offending);
            assert!(checksum::verify(&buffer[..length]));
        }
    }
    assert_eq!(parameter_problem(&mut buffer, &udp6()), None);
    assert_eq!(parameter_problem(&mut buffer, &udp4()), None);
}

proptest! {
    #[test]
    fn no_bytes_are_too_strange(
        packet in proptest::collection::vec(any::<u8>(), 0..200),
        changes in proptest::collection::vec((any::<usize>(), any::<u8>()), 0..4),
    ) {
        let mut buffer = [0; 1500];
        let bases = [
            error4(3, 1, [0; 4], &syn4()[..28]),
            error6(1, 0, [0; 4], &with_extensions(&syn6(), 60, &[6, 0, 1, 4, 0, 0, 0, 0])),
            udp6(),
            packet,
        ];
        for mut packet in bases {
            for (at, value) in &changes {
                if !packet.is_empty() {
                    let at = at % packet.len();
                    packet[at] = *value;
                }
            }
            parse_error(&packet);
            parameter_problem(&mut buffer, &packet);
            if let Some(length) = port_unreachable(&mut buffer, &packet) {
                prop_assert!(checksum::verify(&buffer[..length]));
            }
        }
    }
}

#[test]
fn the_first_fragment_is_quoted_when_the_others_did_not_come() {
    let mut fragment = build!(PacketBuilder::ipv4(FAR4, OWN4, 64).udp(5000, 53), b"half of it");
    fragment[6] = 0x20;
    checksum::fill(&mut fragment);
    let mut buffer = [0; 1280];
    let length = reassembly_time_exceeded(&mut buffer, &fragment).unwrap();
    assert_eq!((buffer[20], buffer[21], &buffer[28..length]), (11, 1, &fragment[..]));
    assert!(checksum::verify(&buffer[..length]));

    let whole = build!(PacketBuilder::ipv6(FAR6, OWN6, 64).udp(5000, 53), b"half of it");
    let mut fragment = [&whole[..40], &[17, 0, 0, 1, 0, 0, 0, 9], &whole[40..]].concat();
    (fragment[5], fragment[6]) = (whole[5] + 8, 44);
    let length = reassembly_time_exceeded(&mut buffer, &fragment).unwrap();
    assert_eq!((buffer[40], buffer[41], &buffer[48..length]), (3, 1, &fragment[..]));
    assert!(checksum::verify(&buffer[..length]));

    // A later fragment does not say whom to tell what.
    fragment[43] = 9;
    assert_eq!(reassembly_time_exceeded(&mut buffer, &fragment), None);
}

#[test]
fn wrong_fragments_of_ipv6_are_answered_with_their_field() {
    let whole = build!(PacketBuilder::ipv6(FAR6, OWN6, 64).udp(5000, 53), b"half of it");
    let mut fragment = [&whole[..40], &[17, 0, 0, 1, 0, 0, 0, 9], &whole[40..]].concat();
    (fragment[5], fragment[6]) = (whole[5] + 8, 44);
    let mut buffer = [0; 1280];
    for (reason, code, pointer) in [(Reason::FragmentLength, 0, 4), (Reason::FragmentHeaders, 3, 0)]
    {
        let length = fragment_problem(&mut buffer, &fragment, reason).unwrap();
        assert_eq!((buffer[40], buffer[41], buffer[47]), (4, code, pointer));
        assert_eq!(&buffer[48..length], &fragment[..]);
    }
    assert_eq!(fragment_problem(&mut buffer, &fragment, Reason::FragmentOverlap), None);
    let ipv4 = build!(PacketBuilder::ipv4(FAR4, OWN4, 64).udp(5000, 53), b"half of it");
    assert_eq!(fragment_problem(&mut buffer, &ipv4, Reason::FragmentLength), None);
}
