//! What rules do to frames.

use super::*;

fn does(actions: &[Action]) -> Bench {
    Bench::new(&[Rule::new("r").on(Match::TX).does(actions)])
}

/// The payloads of datagrams, each one byte.
fn letters(frames: &[Vec<u8>]) -> String {
    frames.iter().map(|frame| char::from(frame[42])).collect()
}

use alloc::string::String;

/// Does so to the datagram "b" alone.
fn to_b(action: Action) -> Bench {
    let matches = Match { contains: Short::of(0, b"b"), ..Match::TX };
    Bench::new(&[Rule::new("r").on(matches).does(&[action])])
}

fn letter(letter: u8) -> Vec<u8> {
    udp(1, 2, &[letter])
}

#[test]
fn a_delay_holds_a_frame_back_until_its_time() {
    let mut bench = to_b(Action::Delay(Delay::fixed(millis(20))));
    assert_eq!(bench.tx(&letter(b'b')).len(), 0);
    assert_eq!(letters(&bench.tx(&letter(b'c'))), "c");
    assert_eq!(bench.link.poll_at(), Some(Instant::from_millis(20)));
    assert_eq!(bench.after(19).len(), 0);
    assert_eq!(letters(&bench.after(1)), "b");
    assert_eq!(bench.link.poll_at(), None);
}

#[test]
fn delays_of_several_rules_add_up() {
    let delay = |name| Rule::new(name).does(&[Action::Delay(Delay::fixed(millis(10)))]);
    let mut bench = Bench::new(&[delay("a"), delay("b")]);
    bench.tx(&letter(b'b'));
    assert_eq!(bench.after(19).len(), 0);
    assert_eq!(bench.after(1).len(), 1);
}

#[test]
fn times_without_end_are_no_panic() {
    let longest = Duration::from_micros(u64::MAX);
    let delay = Action::Delay(Delay::fixed(longest));
    let blackhole = Action::Blackhole(Some(longest));
    let down = Action::Link(LinkFault::Down(Some(longest)));
    for actions in [&[delay, delay][..], &[Action::Rate(Rate(0)), delay], &[blackhole], &[down]] {
        let mut bench = does(actions);
        assert!(bench.tx(&letter(b'a')).len() < 2);
        bench.after(1_000_000);
    }
}

#[test]
fn jitter_stays_within_its_limits_and_reorders() {
    let mut bench = does(&[Action::Delay(Delay::uniform(millis(50), millis(10)))]);
    for letter in b'a'..=b'z' {
        bench.tx(&udp(1, 2, &[letter]));
    }
    assert_eq!(bench.after(39).len(), 0);
    let order = letters(&bench.after(22));
    assert_eq!(order.len(), 26);
    assert_ne!(order, "abcdefghijklmnopqrstuvwxyz");
}

#[test]
fn so_many_frames_overtake_it() {
    let mut bench = to_b(Action::Reorder { prob: 1.0, gap: 2, limit: millis(100) });
    assert_eq!(letters(&bench.tx(&letter(b'a'))), "a");
    assert_eq!(letters(&bench.tx(&letter(b'b'))), "");
    assert_eq!(letters(&bench.tx(&letter(b'c'))), "c");
    assert_eq!(letters(&bench.tx(&letter(b'd'))), "db");
    assert_eq!(letters(&bench.tx(&letter(b'b'))), "");
    assert_eq!(bench.after(99).len(), 0);
    assert_eq!(letters(&bench.after(1)), "b", "nothing overtook it");
}

#[test]
fn copies_follow_each_other() {
    let mut bench = to_b(Action::Duplicate { copies: 2, delay: millis(5) });
    assert_eq!(letters(&bench.tx(&letter(b'b'))), "b");
    assert_eq!(letters(&bench.after(5)), "b");
    assert_eq!(letters(&bench.after(5)), "b");
    assert_eq!(bench.after(100).len(), 0);
    assert_eq!(bench.hits(0), (1, 1));
    assert_eq!(bench.engine().counters().copied, 2);
}

#[test]
fn copies_meet_the_rules_only_where_a_rule_says_so() {
    for (rematch, counted) in [(Rematch::No, 1), (Rematch::Yes, 3)] {
        let twice = Action::Duplicate { copies: 2, delay: Duration::ZERO };
        let rules =
            [Rule { rematch, ..Rule::new("copy").does(&[twice]) }, Rule::new("count").does(&[])];
        let mut bench = Bench::new(&rules);
        assert_eq!(bench.tx(&letter(b'b')).len(), 3);
        assert_eq!(bench.hits(1), (counted, counted), "{rematch:?}");
    }
}

fn differing_bits(one: &[u8], other: &[u8]) -> u32 {
    assert_eq!(one.len(), other.len());
    one.iter().zip(other).map(|(one, other)| (one ^ other).count_ones()).sum()
}

#[test]
fn bits_of_a_part_are_turned_over() {
    let frame = out(ACK | PSH, 1).with(&[0; 100]).v4();
    let parts = [
        (Part::Any, 14..154),
        (Part::Ip, 14..34),
        (Part::Transport, 34..54),
        (Part::Payload, 54..154),
        (Part::Byte(60), 60..61),
    ];
    for (at, range) in parts {
        for bits in [1, 3] {
            let corrupt = Action::Corrupt { at, bits, checksums: Checksums::Leave };
            let mut bench = does(&[corrupt]);
            let sent = bench.tx(&frame);
            assert_eq!(differing_bits(&sent[0], &frame), bits.into(), "{at:?}");
            let within = range.clone();
            assert_eq!(differing_bits(&sent[0][within.clone()], &frame[within]), bits.into());
            assert!(at == Part::Any || !valid(&sent[0]), "{at:?}");
        }
    }
}

#[test]
fn corrupt_data_with_a_valid_checksum() {
    let frame = out(ACK | PSH, 1).with(&[0; 100]).v6();
    let corrupt = Action::Corrupt { at: Part::Payload, bits: 1, checksums: Checksums::Fix };
    let sent = does(&[corrupt]).tx(&frame);
    let tcp = tcp_of(&sent[0]);
    assert_eq!(tcp.payload().iter().map(|byte| byte.count_ones()).sum::<u32>(), 1);
    // A frame without payload has nothing there to corrupt.
    let empty = out(ACK, 1).v4();
    assert_eq!(does(&[corrupt]).tx(&empty), [empty]);
}

#[test]
fn a_frame_is_cut() {
    let frame = udp(1, 2, b"0123456789");
    let cut = |to, lengths| does(&[Action::Truncate { to, lengths }]).tx(&frame);
    assert_eq!(cut(45, Lengths::Leave), [frame[..45].to_vec()]);
    let fixed = cut(45, Lengths::Fix);
    let packet = SlicedPacket::from_ethernet(&fixed[0]).unwrap();
    let Some(TransportSlice::Udp(datagram)) = packet.transport else { panic!() };
    assert_eq!(datagram.payload(), b"012");
    assert!(valid(&fixed[0]));
    assert_eq!(cut(52, Lengths::Fix), core::slice::from_ref(&frame));
    assert_eq!(cut(0, Lengths::Fix), [Vec::new()]);
}

#[test]
fn frames_of_a_rule_take_turns_at_its_rate() {
    // 43 bytes are 344 bits: at 34.4 kbit/s, 10 ms.
    let mut bench = does(&[Action::Rate(Rate(34_400))]);
    for letter in *b"abc" {
        assert_eq!(bench.tx(&udp(1, 2, &[letter])).len(), 0);
    }
    assert_eq!(letters(&bench.after(10)), "a");
    assert_eq!(letters(&bench.after(9)), "");
    assert_eq!(letters(&bench.after(1)), "b");
    assert_eq!(letters(&bench.after(10)), "c");
}

#[test]
fn a_frame_is_held_until_another_rule_fires() {
    let hold = |limit| {
        let until = Name::literal("release");
        let matches = Match { contains: Short::of(0, b"b"), ..Match::TX };
        let release = Match { contains: Short::of(0, b"z"), ..Match::TX };
        Bench::new(&[
            Rule::new("hold").on(matches).does(&[Action::Hold { until, limit }]),
            Rule::new("release").on(release).does(&[]),
        ])
    };
    let mut bench = hold(None);
    assert_eq!(letters(&bench.tx(&letter(b'b'))), "");
    assert_eq!(bench.link.poll_at(), None);
    assert_eq!(letters(&bench.tx(&letter(b'c'))), "c");
    assert_eq!(bench.after(1_000_000).len(), 0);
    assert_eq!(letters(&bench.tx(&letter(b'z'))), "bz");
    let mut bench = hold(Some(millis(10)));
    bench.tx(&letter(b'b'));
    assert_eq!(bench.after(9).len(), 0);
    assert_eq!(letters(&bench.after(1)), "b");
}

#[test]
fn a_blackhole_swallows_for_its_time_whatever_else_the_rule_says() {
    let rule = Rule::new("hole")
        .on(Match { dport: port(2), ..Match::TX })
        .when(When::nth(2))
        .does(&[Action::Blackhole(Some(millis(10)))]);
    let mut bench = Bench::new(&[rule]);
    assert_eq!(bench.tx(&letter(b'a')).len(), 1);
    assert_eq!(bench.tx(&letter(b'b')).len(), 0);
    bench.now += millis(9);
    assert_eq!(bench.tx(&letter(b'c')).len(), 0);
    assert_eq!(bench.tx(&udp(1, 3, b"other")).len(), 1);
    bench.now += millis(1);
    assert_eq!(bench.tx(&letter(b'd')).len(), 1);
    let hits = bench.link.engine().hits(0).unwrap();
    assert_eq!((hits.matched, hits.fired, hits.swallowed), (4, 1, 1));
}

#[test]
fn header_fields_are_set_and_checksums_stay_right() {
    for frame in [out(SYN, 1).v4(), out(SYN, 1).v6()] {
        let v4 = frame[12..14] == [8, 0];
        let sent = does(&[Action::Set(Field::Ttl(3))]).tx(&frame);
        assert_eq!(sent[0][if v4 { 22 } else { 21 }], 3);
        tcp_of(&sent[0]);
        let sent = does(&[Action::Set(Field::Win(77))]).tx(&frame);
        assert_eq!(tcp_of(&sent[0]).window_size(), 77);
        let sent = does(&[Action::Set(Field::Mss(536))]).tx(&frame);
        let mss = etherparse::TcpOptionElement::MaximumSegmentSize(536);
        assert_eq!(header_of(&sent[0]).options_iterator().next(), Some(Ok(mss)));
        tcp_of(&sent[0]);
        let sent = does(&[Action::Mark(Ecn::Ce)]).tx(&frame);
        assert_eq!(View::new(&sent[0]).ecn(), Some(3));
        tcp_of(&sent[0]);
    }
}

#[test]
fn a_middlebox_strips_an_option() {
    let frame = out(SYN, 1).v4();
    let sent = does(&[Action::Strip(TcpOption::MSS)]).tx(&frame);
    let permitted = etherparse::TcpOptionElement::SelectiveAcknowledgementPermitted;
    let left: Vec<_> = header_of(&sent[0]).options_iterator().flatten().collect();
    assert!(left.contains(&permitted));
    assert!(
        !left
            .iter()
            .any(|option| matches!(option, etherparse::TcpOptionElement::MaximumSegmentSize(_)))
    );
    tcp_of(&sent[0]);
    assert_eq!(does(&[Action::Strip(TcpOption::TIMESTAMPS)]).tx(&frame), [frame]);
}

#[test]
fn a_changed_packet_that_was_corrupt_stays_so() {
    let mut frame = out(SYN, 1).v4();
    frame[50] ^= 1;
    let sent = does(&[Action::Set(Field::Win(77))]).tx(&frame);
    assert!(!valid(&sent[0]));
}

#[test]
fn a_segment_is_split() {
    for frame in
        [out(ACK | PSH, 100).with(b"0123456789").v4(), out(ACK | PSH, 100).with(b"0123456789").v6()]
    {
        let sent = does(&[Action::Split(4)]).tx(&frame);
        assert_eq!(sent.len(), 2);
        let (first, second) = (tcp_of(&sent[0]), tcp_of(&sent[1]));
        assert_eq!(
            (first.sequence_number(), first.payload(), first.psh()),
            (100, &b"0123"[..], false)
        );
        let second = (second.sequence_number(), second.payload(), second.psh());
        assert_eq!(second, (104, &b"456789"[..], true));
        assert_eq!(
            does(&[Action::Split(10)]).tx(&frame),
            core::slice::from_ref(&frame),
            "nothing is left"
        );
        assert_eq!(does(&[Action::Split(9)]).tx(&frame).len(), 2);
    }
}

#[test]
fn two_segments_become_one() {
    let mut bench = does(&[Action::Merge(millis(10))]);
    assert_eq!(bench.tx(&out(ACK, 100).with(b"0123").v4()).len(), 0);
    let next = Tcp { ack: 777, ..out(ACK | PSH, 104).with(b"456789") };
    let sent = bench.tx(&next.v4());
    assert_eq!(sent.len(), 1);
    let merged = tcp_of(&sent[0]);
    assert_eq!((merged.sequence_number(), merged.payload()), (100, &b"0123456789"[..]));
    assert_eq!((merged.acknowledgment_number(), merged.psh()), (777, true));

    // One that does not follow lets it go alone.
    assert_eq!(bench.tx(&out(ACK, 110).with(b"a").v4()).len(), 0);
    let sent = bench.tx(&out(ACK, 120).with(b"b").v4());
    let payloads: Vec<&[u8]> = sent.iter().map(|frame| &frame[54..]).collect();
    assert_eq!(payloads, [b"a", b"b"]);
    // And so does time.
    assert_eq!(bench.tx(&out(ACK, 121).with(b"c").v4()).len(), 0);
    assert_eq!(bench.after(9).len(), 0);
    assert_eq!(bench.after(1).len(), 1);
}

/// A connection of which the peer has acknowledged 101 and the stack 501.
fn established(rule: Rule) -> Bench {
    let mut bench = Bench::new(&[rule]);
    bench.tx(&out(SYN, 100).v4());
    bench.rx(&back(SYN | ACK, 500).v4());
    bench.tx(&out(ACK, 101).v4());
    bench
}

fn forging(forge: Forge) -> Rule {
    Rule::new("forge")
        .on(Match { payload: Some(Span::from(1)), ..Match::TX })
        .does(&[Action::Forge(forge)])
}

#[test]
fn a_forged_reset_is_where_it_is_to_be_in_the_window() {
    // To the stack, which expects 501 and has a window of 1024.
    for (seq, expected) in
        [(Seq::Exact, 501), (Seq::InWindow, 501 + 512), (Seq::OutOfWindow, 501 + 1024 + 100_000)]
    {
        let mut bench = established(forging(Forge::Rst { to: Side::Stack, seq }));
        assert_eq!(bench.tx(&out(ACK, 101).with(b"x").v4()).len(), 1);
        let received = bench.received();
        assert_eq!(received.len(), 1);
        let tcp = tcp_of(&received[0]);
        assert_eq!((tcp.source_port(), tcp.destination_port()), (80, 1000));
        assert_eq!((tcp.rst(), tcp.ack(), tcp.sequence_number()), (true, false, expected));
        assert_eq!(received[0][..12], [STACK_MAC, PEER_MAC].concat());
        assert_eq!(bench.engine().counters().forged, 1);
    }
    // To the peer, which acknowledged 101 and has a window of 2048.
    for (seq, expected) in [(Seq::Exact, 101), (Seq::InWindow, 101 + 1024)] {
        let mut bench = established(forging(Forge::Rst { to: Side::Peer, seq }));
        let sent = bench.tx(&out(ACK, 101).with(b"x").v4());
        assert_eq!(sent.len(), 2);
        let tcp = tcp_of(&sent[0]);
        assert_eq!((tcp.source_port(), tcp.rst()), (1000, true));
        assert_eq!(tcp.sequence_number(), expected);
    }
    let forge = Forge::Rst { to: Side::Stack, seq: Seq::Random };
    let mut bench = established(forging(forge));
    bench.tx(&out(ACK, 101).with(b"x").v4());
    assert!(tcp_of(&bench.received()[0]).rst());
}

#[test]
fn a_syn_is_refused_by_a_reset_that_acknowledges_it() {
    let forge = Action::Forge(Forge::Rst { to: Side::Stack, seq: Seq::Exact });
    for frame in [out(SYN, 100).v4(), out(SYN, 100).v6()] {
        let mut bench = does(&[forge, Action::Drop]);
        assert_eq!(bench.tx(&frame).len(), 0);
        let received = bench.received();
        let tcp = tcp_of(&received[0]);
        assert_eq!((tcp.rst(), tcp.ack(), tcp.acknowledgment_number()), (true, true, 101));
    }
}

#[test]
fn forged_syn_fin_and_acknowledgments() {
    let mut bench = established(forging(Forge::Syn { to: Side::Stack, seq: Seq::InWindow }));
    bench.tx(&out(ACK, 101).with(b"x").v4());
    let received = bench.received();
    let tcp = tcp_of(&received[0]);
    assert_eq!((tcp.syn(), tcp.ack(), tcp.sequence_number()), (true, false, 1013));

    let mut bench = established(forging(Forge::Fin { to: Side::Stack, seq: Seq::Exact }));
    bench.tx(&out(ACK, 101).with(b"x").v4());
    let received = bench.received();
    let tcp = tcp_of(&received[0]);
    assert_eq!((tcp.fin(), tcp.sequence_number(), tcp.acknowledgment_number()), (true, 501, 102));

    let ack = AckOf::Duplicate(3);
    let mut bench = established(forging(Forge::Ack { to: Side::Stack, ack }));
    bench.tx(&out(ACK, 101).with(b"x").v4());
    let received = bench.received();
    assert_eq!(received.len(), 3);
    for frame in &received {
        let tcp = tcp_of(frame);
        assert_eq!((tcp.sequence_number(), tcp.acknowledgment_number()), (501, 101));
        assert_eq!((tcp.window_size(), tcp.payload()), (2048, &b""[..]));
    }

    let ack = AckOf::Beyond(5000);
    let mut bench = established(forging(Forge::Ack { to: Side::Stack, ack }));
    bench.tx(&out(ACK, 101).with(b"x").v4());
    assert_eq!(tcp_of(&bench.received()[0]).acknowledgment_number(), 102 + 5000);
}

fn icmp(error: IcmpFault, quote: QuoteSeq, frame: &[u8]) -> Vec<Vec<u8>> {
    let mut bench = does(&[Action::Forge(Forge::Icmp { error, from: None, quote })]);
    assert_eq!(bench.tx(frame).len(), 1);
    bench.received()
}

#[test]
fn icmp_errors_of_every_kind() {
    use IcmpFault::{FragmentationNeeded, SourceQuench, TimeExceeded};
    let (v4, v6) = (out(SYN, 100).v4(), out(SYN, 100).v6());
    let read = |error, frame: &[u8]| {
        let frames = icmp(error, QuoteSeq::InFlight, frame);
        let received = frames.first()?.clone();
        assert!(valid(&received));
        assert_eq!(received[..12], [STACK_MAC, PEER_MAC].concat());
        let at = if received[12..14] == [8, 0] { 34 } else { 54 };
        assert_eq!(&received[at + 8..], &frame[14..], "what it quotes");
        let word = u32::from_be_bytes(received[at + 4..at + 8].try_into().unwrap());
        Some((received[at], received[at + 1], word))
    };
    for code in 0..=15 {
        assert_eq!(read(IcmpFault::unreachable(code), &v4), Some((3, code, 0)));
    }
    for code in 0..=7 {
        assert_eq!(read(IcmpFault::unreachable(code), &v6), Some((1, code, 0)));
    }
    assert_eq!(read(FragmentationNeeded(1280), &v4), Some((3, 4, 1280)));
    assert_eq!(read(FragmentationNeeded(1280), &v6), Some((2, 0, 1280)));
    assert_eq!(read(TimeExceeded(0), &v4), Some((11, 0, 0)));
    assert_eq!(read(TimeExceeded(1), &v6), Some((3, 1, 0)));
    assert_eq!(read(SourceQuench, &v4), Some((4, 0, 0)));
    assert_eq!(read(SourceQuench, &v6), None);
    assert_eq!(icmp(SourceQuench, QuoteSeq::InFlight, &arp_request()).len(), 0);
}

#[test]
fn an_icmp_error_from_a_router_about_data_that_is_not_in_flight() {
    let from = Some("10.0.0.254".parse().unwrap());
    let error = IcmpFault::unreachable(1);
    let forge = Forge::Icmp { error, from, quote: QuoteSeq::Stale };
    let mut bench = does(&[Action::Forge(forge)]);
    bench.tx(&out(ACK, 100).with(&[7; 1400]).v4());
    let received = bench.received();
    assert_eq!(received[0][26..30], [10, 0, 0, 254]);
    assert_eq!(received[0].len(), 14 + 576);
    let quoted = u32::from_be_bytes(received[0][66..70].try_into().unwrap());
    assert_eq!(quoted, 100_u32.wrapping_sub(1 << 30));
}

#[test]
fn a_link_goes_down_and_comes_up() {
    let mut bench = to_b(Action::Link(LinkFault::Down(Some(millis(10)))));
    assert!(bench.link.is_up());
    bench.tx(&letter(b'b'));
    assert!(!bench.link.is_up());
    assert_eq!(bench.link.transmit(bench.now, &letter(b'c')), Err(LinkError::Down));
    bench.link.link_mut().arriving.push_back(letter(b'd'));
    assert_eq!(bench.link.receive(bench.now, &mut [0; 2048]), Err(LinkError::Down));
    assert_eq!(bench.link.poll_at(), Some(Instant::from_millis(10)));
    assert_eq!(bench.after(10).len(), 0);
    assert!(bench.link.is_up());
    assert_eq!(letters(&bench.tx(&letter(b'e'))), "e");
    assert_eq!(bench.engine().counters().down, 2);
}

#[test]
fn a_link_flaps() {
    let flap = LinkFault::Flap { period: millis(10), count: 3 };
    let mut bench = Bench::new(&[]);
    bench.engine().set_link(Instant::ZERO, flap);
    let mut up = String::new();
    for _ in 0..8 {
        bench.after(0);
        up.push(if bench.link.is_up() { '+' } else { '-' });
        bench.now += millis(5);
    }
    assert_eq!(up, "-+-+-+++");
    // Whoever looks only later sees the same end.
    let mut bench = Bench::new(&[]);
    bench.engine().set_link(Instant::ZERO, LinkFault::Flap { period: millis(10), count: 3 });
    bench.after(20);
    assert!(!bench.link.is_up());
    bench.after(1000);
    assert!(bench.link.is_up());
    assert_eq!(bench.link.poll_at(), None);
}

#[test]
fn what_is_held_back_is_lost_with_the_link() {
    let delay = Action::Delay(Delay::fixed(millis(10)));
    let mut bench = does(&[delay]);
    bench.tx(&letter(b'a'));
    bench.engine().set_link(Instant::ZERO, LinkFault::Down(Some(millis(1))));
    assert_eq!(bench.after(100).len(), 0);
    assert_eq!(bench.engine().counters().down, 1);
}

#[test]
fn a_smaller_mtu_loses_what_is_larger() {
    let mut bench = to_b(Action::Mtu(Some(60)));
    assert_eq!(bench.link.mtu(), 1500);
    bench.tx(&letter(b'b'));
    assert_eq!(bench.link.mtu(), 60);
    assert_eq!(bench.tx(&udp(1, 2, &[0; 32])).len(), 1);
    assert_eq!(bench.tx(&udp(1, 2, &[0; 33])).len(), 0);
    assert_eq!(bench.rx(&udp(1, 2, &[0; 33])).len(), 0);
    assert_eq!(bench.engine().counters().too_large, 2);
}

#[test]
fn a_full_pool_loses_frames_and_counts_them() {
    let rule = Rule::new("r").does(&[Action::Delay(Delay::fixed(millis(1)))]);
    let mut bench = Bench::sized(Script::new(1).with_rules([rule].to_vec()), 4, 2);
    for letter in *b"abc" {
        bench.tx(&udp(1, 2, &[letter]));
    }
    assert_eq!(letters(&bench.after(1)), "ab");
    assert_eq!(bench.engine().counters().exhausted, 1);
    for letter in *b"de" {
        bench.tx(&udp(1, 2, &[letter]));
    }
    assert_eq!(letters(&bench.after(1)), "de", "the memory is free again");
}

#[test]
fn a_busy_link_gets_what_it_refused_later_and_once() {
    let mut bench = does(&[]);
    bench.link.link_mut().busy = true;
    assert_eq!(bench.tx(&letter(b'a')).len(), 0);
    assert_eq!(bench.tx(&letter(b'b')).len(), 0);
    assert_eq!(bench.link.poll_at(), Some(Instant::from_millis(1)));
    bench.link.link_mut().busy = false;
    assert_eq!(letters(&bench.after(1)), "ab");
    assert_eq!(bench.hits(0), (2, 2));
}
