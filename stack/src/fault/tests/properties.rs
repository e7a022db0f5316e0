//! Whatever a frame is, nothing panics, and what a view reads is what etherparse reads.

use etherparse::NetSlice;
use proptest::prelude::*;

use super::*;

fn any_action() -> impl Strategy<Value = Action> {
    let side = prop_oneof![Just(Side::Stack), Just(Side::Peer)];
    let seq = prop_oneof![
        Just(Seq::Exact),
        Just(Seq::InWindow),
        Just(Seq::OutOfWindow),
        Just(Seq::Random)
    ];
    let part = prop_oneof![
        Just(Part::Any),
        Just(Part::Ip),
        Just(Part::Transport),
        Just(Part::Payload),
        any::<u16>().prop_map(Part::Byte)
    ];
    let checksums = prop_oneof![Just(Checksums::Leave), Just(Checksums::Fix)];
    let lengths = prop_oneof![Just(Lengths::Leave), Just(Lengths::Fix)];
    let icmp = prop_oneof![
        any::<u8>().prop_map(IcmpFault::unreachable),
        any::<u16>().prop_map(IcmpFault::FragmentationNeeded),
        any::<u8>().prop_map(IcmpFault::TimeExceeded),
        Just(IcmpFault::SourceQuench)
    ];
    let hardware = smoltcp::wire::EthernetAddress([2, 0, 0, 0, 0, 9]);
    let neighbor = prop_oneof![
        Just(NeighborFault::Silence),
        Just(NeighborFault::Wrong(hardware)),
        Just(NeighborFault::Conflict(hardware)),
        Just(NeighborFault::Flood(3))
    ];
    let forge = prop_oneof![
        (side.clone(), seq.clone()).prop_map(|(to, seq)| Forge::Rst { to, seq }),
        (side.clone(), seq.clone()).prop_map(|(to, seq)| Forge::Syn { to, seq }),
        (side.clone(), seq).prop_map(|(to, seq)| Forge::Fin { to, seq }),
        side.clone().prop_map(|to| Forge::Ack { to, ack: AckOf::Duplicate(2) }),
        side.prop_map(|to| Forge::Ack { to, ack: AckOf::Beyond(9) }),
        icmp.prop_map(|error| Forge::Icmp { error, from: None, quote: QuoteSeq::Stale }),
    ];
    prop_oneof![
        Just(Action::Drop),
        Just(Action::Delay(Delay::uniform(millis(1), millis(2)))),
        Just(Action::Reorder { prob: 0.5, gap: 2, limit: millis(3) }),
        Just(Action::Duplicate { copies: 2, delay: millis(1) }),
        (part, any::<u8>(), checksums).prop_map(|(at, bits, checksums)| Action::Corrupt {
            at,
            bits,
            checksums
        }),
        (any::<u8>(), lengths)
            .prop_map(|(to, lengths)| Action::Truncate { to: to.into(), lengths }),
        Just(Action::Rate(Rate(1_000_000))),
        any::<u8>().prop_map(|ttl| Action::Set(Field::Ttl(ttl))),
        any::<u16>().prop_map(|window| Action::Set(Field::Win(window))),
        any::<u16>().prop_map(|mss| Action::Set(Field::Mss(mss))),
        Just(Action::Mark(Ecn::Ce)),
        any::<u8>().prop_map(|kind| Action::Strip(TcpOption(kind))),
        (0..40_u16).prop_map(Action::Split),
        Just(Action::Merge(millis(2))),
        forge.prop_map(Action::Forge),
        neighbor.prop_map(Action::Neighbor),
    ]
}

/// Frames that are mostly sane, so that they reach deep.
fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    let noise = prop::collection::vec(any::<u8>(), 0..200);
    let payload = prop::collection::vec(any::<u8>(), 0..60);
    let sane = (any::<u8>(), 0..100_u32, payload, any::<bool>()).prop_map(
        |(flags, seq, payload, sixth)| {
            let segment = out(flags & 0x1f, seq).with(&payload);
            if sixth { segment.v6() } else { segment.v4() }
        },
    );
    let frame = prop_oneof![
        2 => noise.clone(),
        4 => sane,
        1 => Just(arp_request()),
        1 => noise.prop_map(|noise| udp(1, 2, &noise)),
    ];
    // Cut, and with bytes exchanged, as a wire may do it.
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4);
    (frame, changes, any::<prop::sample::Index>(), any::<bool>()).prop_map(
        |(mut frame, changes, end, cut)| {
            for (index, byte) in changes {
                if !frame.is_empty() {
                    let at = index.index(frame.len());
                    frame[at] = byte;
                }
            }
            if cut {
                frame.truncate(end.index(frame.len() + 1));
            }
            frame
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn nothing_panics_and_no_memory_is_lost(
        actions in prop::collection::vec(any_action(), 1..5),
        frames in prop::collection::vec((any_frame(), any::<bool>()), 1..30),
        rematch in prop_oneof![Just(Rematch::No), Just(Rematch::Yes)],
    ) {
        let rules: Vec<Rule> = actions
            .iter()
            .zip(["a", "b", "c", "d"])
            .map(|(action, name)| Rule { rematch, ..Rule::new(name).does(&[*action]) })
            .collect();
        let mut bench = Bench::sized(Script::new(1).with_rules(rules), 3, 8);
        for (frame, outbound) in &frames {
            if *outbound {
                bench.tx(frame);
            } else {
                bench.rx(frame);
            }
            bench.now += millis(1);
        }
        bench.now += Duration::from_secs(100);
        bench.received();
        bench.link.link_mut().sent.clear();
        prop_assert_eq!(bench.link.poll_at(), None);
        // All eight places are free again.
        let none = bench.engine().counters().exhausted;
        for rule in 0..actions.len() {
            bench.engine().switch(rule, Switch::Off);
        }
        let now = bench.now;
        let delay = Action::Delay(Delay::fixed(millis(1)));
        bench.engine().add(Rule::new("delay").does(&[delay]), now).unwrap();
        for _ in 0..8 {
            bench.tx(&udp(1, 2, b"x"));
        }
        prop_assert_eq!(bench.engine().counters().exhausted, none);
        bench.now += millis(1);
        bench.received();
        prop_assert_eq!(bench.link.link().sent.len(), 8);
    }

    #[test]
    fn a_view_agrees_with_etherparse(frame in any_frame()) {
        let view = View::new(&frame);
        let Ok(packet) = SlicedPacket::from_ethernet(&frame) else { return Ok(()) };
        match packet.net {
            Some(NetSlice::Ipv4(ip)) => {
                prop_assert!(view.is_ipv4());
                prop_assert_eq!(view.source(), Some(ip.header().source_addr().into()));
                prop_assert_eq!(view.destination(), Some(ip.header().destination_addr().into()));
                prop_assert_eq!(view.ttl(), Some(ip.header().ttl()));
                prop_assert_eq!(view.ecn(), Some(ip.header().ecn().value()));
                prop_assert_eq!(view.is_fragment(), ip.header().is_fragmenting_payload());
                prop_assert_eq!(view.packet().len(), usize::from(ip.header().total_len()));
            }
            // etherparse takes a length of 0 for "up to the end of the frame" (RFC 2675 asks for an
            // option then), a view for no payload.
            Some(NetSlice::Ipv6(ip)) if ip.header().payload_length() == 0 => return Ok(()),
            Some(NetSlice::Ipv6(ip)) => {
                prop_assert!(view.is_ipv6());
                prop_assert_eq!(view.source(), Some(ip.header().source_addr().into()));
                prop_assert_eq!(view.destination(), Some(ip.header().destination_addr().into()));
                prop_assert_eq!(view.ttl(), Some(ip.header().hop_limit()));
            }
            Some(NetSlice::Arp(_)) => prop_assert_eq!(view.ethertype(), 0x0806),
            None => {}
        }
        match packet.transport {
            Some(TransportSlice::Tcp(tcp)) => {
                prop_assert!(view.is_tcp());
                prop_assert_eq!(view.ports(), Some((tcp.source_port(), tcp.destination_port())));
                prop_assert_eq!(view.seq(), Some(tcp.sequence_number()));
                prop_assert_eq!(view.ack(), tcp.ack().then_some(tcp.acknowledgment_number()));
                prop_assert_eq!(view.window(), Some(tcp.window_size()));
                prop_assert_eq!(view.payload(), tcp.payload());
                let flag = |bit| view.flags().is_some_and(|flags| flags & bit != 0);
                let flags = (flag(SYN), flag(FIN), flag(RST), flag(PSH), flag(ACK), flag(URG));
                let theirs = (tcp.syn(), tcp.fin(), tcp.rst(), tcp.psh(), tcp.ack(), tcp.urg());
                prop_assert_eq!(flags, theirs);
            }
            Some(TransportSlice::Udp(udp)) => {
                prop_assert!(view.is_udp());
                prop_assert_eq!(view.ports(), Some((udp.source_port(), udp.destination_port())));
            }
            Some(TransportSlice::Icmpv4(icmp)) if view.is_ipv4() => {
                prop_assert_eq!(view.icmp(), Some((icmp.type_u8(), icmp.code_u8())));
            }
            Some(TransportSlice::Icmpv6(icmp)) if view.is_ipv6() => {
                prop_assert_eq!(view.icmp(), Some((icmp.type_u8(), icmp.code_u8())));
            }
            // etherparse reads ICMPv6 in IPv4 and the other way round; neither exists.
            Some(TransportSlice::Icmpv4(_) | TransportSlice::Icmpv6(_)) => {
                prop_assert_eq!(view.icmp(), None);
            }
            Some(TransportSlice::Igmp(_)) | None => {}
        }
    }
}
