//! Each field of a match, with a frame that it takes and one that it does not.

use smoltcp::wire::IpCidr;

use super::*;

fn icmp4(kind: u8, code: u8) -> Vec<u8> {
    let ip = PacketBuilder::ethernet2(PEER_MAC, STACK_MAC).ipv4(PEER, STACK, 64);
    let mut frame = Vec::new();
    ip.icmpv4_raw(kind, code, [0; 4]).write(&mut frame, b"quoted").unwrap();
    frame
}

fn icmp6(kind: u8) -> Vec<u8> {
    let ip = PacketBuilder::ethernet2(PEER_MAC, STACK_MAC).ipv6(PEER6, STACK6, 255);
    let mut frame = Vec::new();
    ip.icmpv6_raw(kind, 0, [0; 4]).write(&mut frame, &[0; 24]).unwrap();
    frame
}

/// A later fragment of a UDP datagram.
fn fragment() -> Vec<u8> {
    let mut frame = udp(1, 2, b"fragment");
    frame[20..22].copy_from_slice(&[0x00, 0x10]);
    frame
}

/// With this type of service.
fn classed(class: u8) -> Vec<u8> {
    let mut frame = udp(1, 2, b"x");
    frame[15] = class;
    frame
}

fn tagged(frame: &[u8]) -> Vec<u8> {
    let mut tagged = frame[..12].to_vec();
    tagged.extend([0x81, 0x00, 0x00, 0x05]);
    tagged.extend(&frame[12..]);
    tagged
}

#[track_caller]
fn takes(matches: Match, direction: Direction, taken: &[u8], passed: &[u8]) {
    for (frame, expected) in [(taken, true), (passed, false)] {
        let mut bench = Bench::new(&[drops(matches)]);
        let through = match direction {
            Direction::Outbound => bench.tx(frame),
            Direction::Inbound => bench.rx(frame),
        };
        assert_eq!(through.is_empty(), expected, "{matches:?}");
        assert_eq!(bench.hits(0), (expected.into(), expected.into()));
    }
}

const TX: Direction = Direction::Outbound;
const RX: Direction = Direction::Inbound;

#[test]
fn dir() {
    let frame = out(SYN, 100).v4();
    let mut bench = Bench::new(&[drops(Match::RX)]);
    assert_eq!(bench.tx(&frame).len(), 1);
    assert_eq!(bench.rx(&frame).len(), 0);
    let mut bench = Bench::new(&[drops(Match::TX)]);
    assert_eq!(bench.tx(&frame).len(), 0);
    assert_eq!(bench.rx(&frame).len(), 1);
}

#[test]
fn ethertype_and_the_one_behind_a_vlan_tag() {
    let (v4, v6) = (out(SYN, 1).v4(), out(SYN, 1).v6());
    takes(Match { ethertype: Some(0x86dd), ..Match::ANY }, TX, &v6, &v4);
    takes(Match { ethertype: Some(0x0806), ..Match::ANY }, TX, &arp_request(), &v4);
    takes(Match { ethertype: Some(0x86dd), ..Match::ANY }, TX, &tagged(&v6), &tagged(&v4));
    let dport = port(80);
    takes(Match { dport, ..Match::ANY }, TX, &tagged(&v4), &tagged(&udp(80, 81, b"")));
}

#[test]
fn proto() {
    let (tcp, udp) = (out(SYN, 1).v4(), udp(1, 2, b""));
    let cases: [(Proto, &[u8], &[u8]); 9] = [
        (Proto::Tcp, &tcp, &udp),
        (Proto::Tcp, &out(SYN, 1).v6(), &icmp6(1)),
        (Proto::Udp, &udp, &tcp),
        (Proto::Icmp, &icmp4(3, 1), &icmp6(1)),
        (Proto::Icmp6, &icmp6(1), &icmp4(3, 1)),
        (Proto::Arp, &arp_request(), &tcp),
        (Proto::Nd, &icmp6(135), &icmp6(128)),
        (Proto::IpFrag, &fragment(), &udp),
        (Proto::Ip(17), &udp, &tcp),
    ];
    for (proto, taken, passed) in cases {
        takes(Match { proto: Some(proto), ..Match::ANY }, TX, taken, passed);
    }
}

#[test]
fn addresses_by_prefix() {
    let cidr = |text: &str| Some(text.parse::<IpCidr>().unwrap());
    let (own, other) = (out(SYN, 1).v4(), back(SYN, 1).v4());
    takes(Match { src: cidr("10.0.0.1/32"), ..Match::ANY }, TX, &own, &other);
    takes(Match { dst: cidr("10.0.0.2/31"), ..Match::ANY }, TX, &own, &other);
    takes(Match { dst: cidr("fd00::2/128"), ..Match::ANY }, TX, &out(SYN, 1).v6(), &own);
    takes(Match { src: cidr("0.0.0.0/0"), ..Match::ANY }, TX, &own, &out(SYN, 1).v6());
    takes(Match { dst: cidr("10.0.0.2/32"), ..Match::ANY }, TX, &arp_request(), &other);
}

#[test]
fn ports_as_a_set_of_ranges() {
    let set = ports(&[Span::only(80), Span::new(8000, 8010)]);
    for (taken, passed) in [(80, 81), (8000, 7999), (8010, 8011)] {
        let (taken, passed) = (udp(taken, 5, b""), udp(passed, 5, b""));
        takes(Match { sport: set, ..Match::ANY }, TX, &taken, &passed);
    }
    takes(Match { dport: set, ..Match::ANY }, TX, &out(SYN, 1).v4(), &udp(80, 5, b""));
    takes(Match { dport: set, ..Match::ANY }, TX, &out(SYN, 1).v6(), &arp_request());
}

#[test]
fn flags() {
    let some = |set, clear| Match { flags: Some(Flags::Some { set, clear }), ..Match::ANY };
    let exactly = |flags| Match { flags: Some(Flags::Exactly(flags)), ..Match::ANY };
    let (syn, synack) = (out(SYN, 1).v4(), out(SYN | ACK, 1).v4());
    takes(some(SYN | ACK, 0), TX, &synack, &syn);
    takes(some(SYN, ACK), TX, &syn, &synack);
    takes(exactly(SYN), TX, &syn, &synack);
    takes(some(0, SYN), TX, &out(ACK, 1).v4(), &syn);
    takes(some(0, SYN), TX, &out(ACK, 1).v4(), &udp(1, 2, b""));
    takes(exactly(FIN | ACK), TX, &out(FIN | ACK, 1).v4(), &out(FIN | ACK | PSH, 1).v4());
}

/// A connection with these initial sequence numbers, which wrap.
fn opened(bench: &mut Bench) {
    bench.tx(&out(SYN, u32::MAX - 9).v4());
    let mut synack = back(SYN | ACK, u32::MAX);
    synack.ack = u32::MAX - 8;
    bench.rx(&synack.v4());
}

#[test]
fn relative_sequence_and_acknowledgment_numbers() {
    let matches = Match { seq: Some(Span::new(1, 10)), ..Match::TX };
    let mut bench = Bench::new(&[drops(matches)]);
    opened(&mut bench);
    for (relative, passes) in [(1, 0), (10, 0), (11, 1)] {
        let segment = out(ACK, (u32::MAX - 9).wrapping_add(relative)).with(b"x");
        assert_eq!(bench.tx(&segment.v4()).len(), passes, "{relative}");
    }
    let matches = Match { ack: Some(Span::from(5)), ..Match::TX };
    let mut bench = Bench::new(&[drops(matches)]);
    opened(&mut bench);
    for (relative, passes) in [(4, 1), (5, 0)] {
        let mut segment = out(ACK, u32::MAX - 8);
        segment.ack = u32::MAX.wrapping_add(relative);
        assert_eq!(bench.tx(&segment.v4()).len(), passes, "{relative}");
    }
    assert_eq!(bench.hits(0), (1, 1), "a SYN has no acknowledgment number");
}

#[test]
fn window() {
    let (small, large) = (out(ACK, 1), Tcp { window: 1025, ..out(ACK, 1) });
    let matches = Match { win: Some(Span::new(0, 1024)), ..Match::ANY };
    takes(matches, TX, &small.v4(), &large.v4());
}

#[test]
fn lengths_of_payload_and_packet() {
    let (empty, one) = (out(ACK, 1).v4(), out(ACK, 1).with(b"x").v4());
    takes(Match { payload: Some(Span::from(1)), ..Match::ANY }, TX, &one, &empty);
    takes(Match { length: Some(Span::only(41)), ..Match::ANY }, TX, &one, &empty);
    // Ethernet padding is not part of either.
    let mut padded = empty.clone();
    padded.resize(60, 0);
    takes(Match { payload: Some(Span::only(0)), ..Match::ANY }, TX, &padded, &one);
    takes(Match { length: Some(Span::only(40)), ..Match::ANY }, TX, &padded, &one);
}

#[test]
fn only_tcp_and_udp_have_a_payload_that_counts() {
    let any = Match { payload: Some(Span::from(0)), ..Match::ANY };
    for other in [arp_request(), icmp6(135), icmp4(3, 1), fragment()] {
        takes(any, TX, &udp(1, 2, b""), &other);
        takes(any, RX, &out(ACK, 1).v6(), &other);
    }
    // A header that is cut off is none.
    let mut cut = out(ACK, 1).v4();
    cut.truncate(14 + 20 + 19);
    takes(any, TX, &out(ACK, 1).v4(), &cut);
}

#[test]
fn bytes_in_the_payload() {
    let contains = Short::of(0, b"GET");
    let (taken, passed) = (udp(1, 2, b"a GET b"), udp(1, 2, b"a GE"));
    takes(Match { contains, ..Match::ANY }, TX, &taken, &passed);
}

#[test]
fn a_tcp_option_that_is_present() {
    let (syn, ack) = (out(SYN, 1).v4(), out(ACK, 1).v4());
    takes(Match { option: Some(TcpOption::MSS), ..Match::ANY }, TX, &syn, &ack);
    takes(Match { option: Some(TcpOption::SACK_PERMITTED), ..Match::ANY }, TX, &syn, &ack);
    let mut bench =
        Bench::new(&[drops(Match { option: Some(TcpOption::TIMESTAMPS), ..Match::ANY })]);
    assert_eq!(bench.tx(&syn).len(), 1);
}

#[test]
fn icmp_type_and_code() {
    takes(Match { icmp_type: Some(3), ..Match::ANY }, RX, &icmp4(3, 1), &icmp4(11, 1));
    takes(Match { icmp_code: Some(1), ..Match::ANY }, RX, &icmp4(3, 1), &icmp4(3, 0));
    takes(Match { icmp_type: Some(128), ..Match::ANY }, RX, &icmp6(128), &out(ACK, 1).v6());
}

#[test]
fn ecn() {
    for (ecn, class) in [(Ecn::NotEct, 0), (Ecn::Ect1, 1), (Ecn::Ect0, 2), (Ecn::Ce, 3)] {
        let (taken, passed) = (classed(0xfc | class), classed(0xfc | class ^ 1));
        takes(Match { ecn: Some(ecn), ..Match::ANY }, TX, &taken, &passed);
    }
    let mut marked = out(ACK, 1).v6();
    marked[15] |= 0x30;
    takes(Match { ecn: Some(Ecn::Ce), ..Match::ANY }, TX, &marked, &out(ACK, 1).v6());
}

#[test]
fn ttl() {
    let ttl = Some(Span::new(0, 64));
    takes(Match { ttl, ..Match::ANY }, RX, &out(ACK, 1).v4(), &icmp6(135));
    takes(Match { ttl, ..Match::ANY }, RX, &out(ACK, 1).v6(), &arp_request());
}

#[test]
fn whether_it_is_a_fragment() {
    let whole = udp(1, 2, b"fragment");
    takes(Match { fragment: Some(true), ..Match::ANY }, TX, &fragment(), &whole);
    takes(Match { fragment: Some(false), ..Match::ANY }, TX, &whole, &fragment());
    // A later fragment has no ports, whatever its bytes look like.
    takes(Match { dport: port(2), ..Match::ANY }, TX, &whole, &fragment());
}

#[test]
fn retransmissions_and_what_is_out_of_order() {
    let rules = [
        Rule::new("again").on(Match { retransmission: Some(true), ..Match::TX }).does(&[]),
        Rule::new("early").on(Match { out_of_order: Some(true), ..Match::TX }).does(&[]),
    ];
    let mut bench = Bench::new(&rules);
    let segment = |seq| out(ACK, seq).with(b"0123456789").v4();
    bench.tx(&out(SYN, 100).v4());
    bench.tx(&segment(101));
    bench.tx(&out(ACK, 111).v4());
    assert_eq!((bench.hits(0), bench.hits(1)), ((0, 0), (0, 0)));
    bench.tx(&segment(101));
    assert_eq!((bench.hits(0), bench.hits(1)), ((1, 1), (0, 0)));
    bench.tx(&segment(121));
    assert_eq!((bench.hits(0), bench.hits(1)), ((1, 1), (1, 1)));
    bench.tx(&segment(131));
    assert_eq!((bench.hits(0), bench.hits(1)), ((1, 1), (1, 1)));
    // The same numbers on other ports are another connection.
    let other = Tcp { ports: (1001, 80), ..out(SYN, 100) };
    bench.tx(&other.v4());
    assert_eq!((bench.hits(0), bench.hits(1)), ((1, 1), (1, 1)));
}

#[test]
fn flows_have_numbers_in_the_order_of_their_appearance() {
    let mut bench = Bench::new(&[drops(Match { flow: Some(2), ..Match::ANY })]);
    assert_eq!(bench.tx(&udp(1, 9, b"")).len(), 1);
    assert_eq!(bench.tx(&udp(2, 9, b"")).len(), 0);
    assert_eq!(bench.tx(&udp(1, 9, b"")).len(), 1);
    assert_eq!(bench.tx(&udp(2, 9, b"")).len(), 0);
}

#[test]
fn the_flow_that_was_quiet_for_longest_is_forgotten() {
    let rule = Rule::new("second")
        .when(When { count: Count::Nth(2), scope: Scope::Flow, ..When::ALWAYS })
        .does(&[Action::Drop]);
    let script = Script::new(1).with_rules([rule].to_vec());
    let mut bench = Bench::sized(script, 2, 8);
    for (source, passes) in [(1, 1), (2, 1), (1, 0), (3, 1), (2, 1), (3, 0), (2, 0)] {
        assert_eq!(bench.tx(&udp(source, 9, b"")).len(), passes, "{source}");
    }
    assert_eq!(bench.engine().counters().forgotten, 2);
}

#[test]
fn a_tag_of_the_user() {
    let rules = [
        Rule::new("tag")
            .on(Match { contains: Short::of(0, b"tag me"), ..Match::ANY })
            .does(&[Action::Tag(7)]),
        Rule::new("drop").on(Match { tag: Some(7), ..Match::ANY }).does(&[Action::Drop]),
    ];
    let mut bench = Bench::new(&rules);
    assert_eq!(bench.tx(&udp(1, 9, b"first")).len(), 1);
    assert_eq!(bench.tx(&udp(1, 9, b"tag me")).len(), 0);
    assert_eq!(bench.tx(&udp(1, 9, b"later")).len(), 0);
    assert_eq!(bench.tx(&udp(2, 9, b"other")).len(), 1);
    bench.engine().tag(&udp(2, 9, b""), Direction::Outbound, 7);
    assert_eq!(bench.tx(&udp(2, 9, b"other")).len(), 0);
}

#[test]
fn the_state_of_a_connection() {
    use Conn::{Closed, Closing, Established, Handshake};
    let rules = [Handshake, Established, Closing, Closed].map(|conn| {
        let name = match conn {
            Handshake => "handshake",
            Established => "established",
            Closing => "closing",
            Closed => "closed",
        };
        Rule::new(name).on(Match { conn: Some(conn), ..Match::ANY }).does(&[])
    });
    let mut bench = Bench::new(&rules);
    let mut shows = |segment: Tcp, expected: Conn| {
        let before: Vec<u64> = (0..4).map(|rule| bench.hits(rule).0).collect();
        let frame = segment.v4();
        match segment.direction {
            Direction::Outbound => bench.tx(&frame),
            Direction::Inbound => bench.rx(&frame),
        };
        for (rule, before) in before.into_iter().enumerate() {
            let grown = bench.hits(rule).0 - before;
            let wanted = rules[rule].matches.conn == Some(expected);
            assert_eq!(grown, u64::from(wanted), "{segment:?} {}", rules[rule].name);
        }
    };
    shows(out(SYN, 100), Handshake);
    shows(out(SYN, 100), Handshake);
    shows(back(SYN | ACK, 500), Handshake);
    shows(out(ACK, 101), Established);
    shows(out(ACK, 101).with(b"data"), Established);
    shows(out(FIN | ACK, 105), Closing);
    shows(Tcp { ack: 106, ..back(ACK, 501) }, Closing);
    shows(Tcp { ack: 106, ..back(FIN | ACK, 501) }, Closing);
    shows(Tcp { ack: 502, ..out(ACK, 106) }, Closed);
    shows(Tcp { ack: 106, ..back(FIN | ACK, 501) }, Closed);
    shows(out(SYN, 9_000), Handshake);
    shows(back(RST | ACK, 0), Closed);
    // What is tried again with the same number.
    shows(out(SYN, 9_000), Handshake);
    // Of this one the beginning was not seen.
    shows(Tcp { ports: (1, 2), ..out(ACK, 7) }, Established);
    let tcp = Match { conn: Some(Established), ..Match::ANY };
    takes(tcp, TX, &out(ACK, 7).v4(), &udp(1, 2, b""));
}
