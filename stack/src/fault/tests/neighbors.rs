//! ARP and neighbor discovery, and events about them.

use smoltcp::wire::{EthernetAddress, IpAddress};

use super::*;

const WRONG: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 0x66]);

fn meets(fault: NeighborFault) -> Bench {
    Bench::new(&[Rule::new("r").does(&[Action::Neighbor(fault)])])
}

/// A solicitation or an advertisement between the stack and the peer, about the peer.
fn nd(kind: u8) -> Vec<u8> {
    let outbound = kind == 135;
    let (macs, ips) = if outbound {
        ((STACK_MAC, PEER_MAC), (STACK6, PEER6))
    } else {
        ((PEER_MAC, STACK_MAC), (PEER6, STACK6))
    };
    let ip = PacketBuilder::ethernet2(macs.0, macs.1).ipv6(ips.0, ips.1, 255);
    let mut body = PEER6.to_vec();
    body.extend([if outbound { 1 } else { 2 }, 1]);
    body.extend(macs.0);
    let flags = if outbound { 0 } else { 0x60 };
    let mut frame = Vec::new();
    ip.icmpv6_raw(kind, 0, [flags, 0, 0, 0]).write(&mut frame, &body).unwrap();
    frame
}

#[test]
fn silence_takes_arp_and_nd_alone() {
    let mut bench = meets(NeighborFault::Silence);
    assert_eq!(bench.tx(&arp_request()).len(), 0);
    assert_eq!(bench.tx(&nd(135)).len(), 0);
    assert_eq!(bench.rx(&nd(136)).len(), 0);
    assert_eq!(bench.tx(&udp(1, 2, b"")).len(), 1);
}

#[test]
fn a_question_gets_a_wrong_answer_and_goes_no_further() {
    let mut bench = meets(NeighborFault::Wrong(WRONG));
    assert_eq!(bench.tx(&arp_request()).len(), 0);
    let expected = arp(2, (WRONG.0, PEER), (STACK_MAC, STACK), STACK_MAC);
    assert_eq!(bench.received(), [expected]);

    assert_eq!(bench.tx(&nd(135)).len(), 0);
    let received = bench.received();
    let frame = &received[0];
    assert!(valid(frame));
    assert_eq!((frame[54], frame[58], frame[21]), (136, 0x60, 255));
    assert_eq!(frame[62..78], PEER6);
    assert_eq!(frame[78..86], [2, 1, 2, 0, 0, 0, 0, 0x66]);
}

#[test]
fn a_right_answer_becomes_a_wrong_one() {
    let mut bench = meets(NeighborFault::Wrong(WRONG));
    let answer = |hardware| arp(2, (hardware, PEER), (STACK_MAC, STACK), STACK_MAC);
    let received = bench.rx(&answer(PEER_MAC));
    assert_eq!(received[0][22..28], WRONG.0);
    assert_eq!(received[0][28..32], PEER);
    let received = bench.rx(&nd(136));
    assert_eq!(received[0][80..86], WRONG.0);
    assert!(valid(&received[0]));
}

#[test]
fn somebody_claims_the_address_of_the_sender() {
    let mut bench = meets(NeighborFault::Conflict(WRONG));
    assert_eq!(bench.tx(&arp_request()).len(), 1);
    assert_eq!(bench.received(), [arp(1, (WRONG.0, STACK), ([0; 6], STACK), [0xff; 6])]);
    assert_eq!(bench.tx(&nd(135)).len(), 1);
    let received = bench.received();
    assert_eq!(received[0][62..78], STACK6);
    assert_eq!(received[0][..6], [0x33, 0x33, 0, 0, 0, 1]);
}

#[test]
fn a_flood_of_strangers() {
    let mut bench = meets(NeighborFault::Flood(5));
    bench.tx(&arp_request());
    // It was forged towards the stack, where the rule does not see it.
    let received = bench.received();
    assert_eq!(received.len(), 5);
    assert_eq!(bench.hits(0), (1, 1));
    assert!(received.iter().all(|frame| View::new(frame).is_arp()));
    assert_ne!(received[0][22..32], received[1][22..32]);
    bench.tx(&nd(135));
    assert!(bench.received().iter().all(|frame| View::new(frame).is_nd() && valid(frame)));
}

fn event(at: u64, act: EventAct) -> Event {
    Event { name: Name::NONE, at: millis(at), act }
}

fn with_events(events: &[Event]) -> Bench {
    Bench::of(Script::new(1).with_events(events.to_vec()))
}

#[test]
fn events_silence_neighbors_for_a_time() {
    let silence = EventAct::Neighbor(NeighborFault::Silence, Some(millis(10)));
    let mut bench = with_events(&[event(5, silence)]);
    assert_eq!(bench.tx(&arp_request()).len(), 1);
    bench.now += millis(5);
    assert_eq!(bench.tx(&arp_request()).len(), 0);
    bench.now += millis(10);
    assert_eq!(bench.tx(&arp_request()).len(), 1);
    assert!(!bench.engine().is_active(), "nothing is left to do");
}

#[test]
fn events_claim_the_addresses_of_a_stack_that_was_seen() {
    let conflict = EventAct::Neighbor(NeighborFault::Conflict(WRONG), None);
    let mut bench = with_events(&[event(5, conflict)]);
    bench.tx(&arp_request());
    bench.tx(&nd(135));
    bench.now += millis(5);
    let received = bench.received();
    assert_eq!(received.len(), 2);
    let claimed: Vec<_> = received.iter().map(|frame| View::new(frame).source()).collect();
    let own: [Option<IpAddress>; 2] = ["10.0.0.1", "fd00::1"].map(|text| text.parse().ok());
    assert_eq!(claimed, own);
}

#[test]
fn events_happen_by_the_clock() {
    let rule = Rule { switch: Switch::Off, ..drops(Match::TX) };
    let events = [
        event(10, EventAct::Link(LinkFault::Down(Some(millis(5))))),
        event(20, EventAct::Mtu(Some(1280))),
        event(30, EventAct::Mtu(None)),
        event(40, EventAct::Switch(Name::literal("r"), Switch::On)),
    ];
    let script = Script::new(1).with_rules([rule].to_vec()).with_events(events.to_vec());
    let mut bench = Bench::of(script);
    let mut deadlines = Vec::new();
    let mut states = Vec::new();
    while let Some(at) = bench.link.poll_at() {
        bench.now = at;
        bench.received();
        deadlines.push(at.total_millis());
        states.push((bench.link.is_up(), bench.link.mtu()));
    }
    assert_eq!(deadlines, [10, 15, 20, 30, 40]);
    let expected = [(false, 1500), (true, 1500), (true, 1280), (true, 1500), (true, 1500)];
    assert_eq!(states, expected);
    assert_eq!(bench.tx(&udp(1, 2, b"")).len(), 0);
}

#[test]
fn an_event_releases_what_waits_for_it() {
    let until = Name::literal("door");
    let rule = Rule::new("r").does(&[Action::Hold { until, limit: None }]);
    let events = [Event { name: until, at: millis(7), act: EventAct::Release }];
    let script = Script::new(1).with_rules([rule].to_vec()).with_events(events.to_vec());
    let mut bench = Bench::of(script);
    let now = bench.now;
    bench.engine().add(Rule::new("later"), now).unwrap();
    assert_eq!(bench.tx(&udp(1, 2, b"")).len(), 0);
    assert_eq!(bench.after(6).len(), 0);
    assert_eq!(bench.after(1).len(), 1);
}

#[test]
fn what_is_forged_and_answered_at_once_ends_with_the_instant() {
    let rule = Rule::new("conflict")
        .on(Match { proto: Some(Proto::Arp), ..Match::RX })
        .does(&[Action::Neighbor(NeighborFault::Conflict(EthernetAddress([2, 0, 0, 0, 0, 9])))]);
    let mut bench = Bench::sized(Script::new(1).with_rules(vec![rule]), 4, 8);
    let claim = arp(1, (PEER_MAC, PEER), ([0; 6], STACK), [0xff; 6]);
    for _ in 0..2 {
        for _ in 0..20 {
            bench.rx(&claim);
        }
        assert_eq!(core::mem::take(&mut bench.link.link_mut().sent).len(), 8);
        bench.now += millis(1);
    }
    assert_eq!(bench.engine().counters().forged, 16);
    assert_eq!(bench.engine().counters().exhausted, 24);
}
