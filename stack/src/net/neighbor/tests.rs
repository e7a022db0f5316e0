use alloc::vec::Vec;

use smoltcp::wire::Ipv4Address;

use super::*;
use crate::storage::{Fixed, Growable};

const MAC: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 9]);
const OTHER: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 8]);

fn host(number: u32) -> IpAddress {
    Ipv4Address::from_bits(0x0a00_0000 + number).into()
}

fn at(millis: i64) -> Instant {
    Instant::from_millis(millis)
}

fn table() -> Neighbors<'static, Growable> {
    Neighbors::new([1, 2])
}

fn answer(neighbor: IpAddress) -> Claim {
    Claim { neighbor, hardware: Some(MAC), solicited: true, replaces: true }
}

/// A host that is known since `millis`.
fn known<'a, S: Storage<'a>>(table: &mut Neighbors<'a, S>, neighbor: IpAddress, millis: i64) {
    assert_eq!(table.resolve(at(millis), neighbor), Resolve::Waiting);
    assert!(table.poll(at(millis)).is_some());
    table.learn(at(millis), answer(neighbor));
    let result = Resolution::Resolved(MAC);
    assert_eq!(table.outcome(), Some(Outcome { neighbor, result }));
}

#[test]
fn a_silent_host_is_asked_three_times_and_fails_after_three_seconds() {
    let mut table = table();
    assert_eq!(table.resolve(at(500), host(1)), Resolve::Waiting);
    let request = Some(Request { neighbor: host(1), to: None });
    for millis in [500, 1500, 2500] {
        assert_eq!(table.poll_at(), Some(at(millis)));
        assert_eq!(table.poll(at(millis - 1)), None);
        assert_eq!(table.poll(at(millis)), request);
        assert_eq!(table.poll(at(millis)), None);
        assert_eq!(table.resolve(at(millis), host(1)), Resolve::Waiting);
        assert_eq!(table.outcome(), None);
    }
    assert_eq!(table.poll_at(), Some(at(3500)));
    assert_eq!(table.poll(at(3500)), None);
    let silence = Silence {
        asked: Asked::Arp,
        whom: host(1),
        sent: 3,
        since: at(500),
        waited: Duration::from_secs(3),
    };
    let outcome = Outcome { neighbor: host(1), result: Resolution::Unreachable(silence) };
    assert_eq!(table.outcome(), Some(outcome));
    assert_eq!(table.outcome(), None);
    assert_eq!(table.poll_at(), None);
    assert_eq!(table.len(), 0);
    // Forgotten: the next packet asks anew.
    assert_eq!(table.resolve(at(3500), host(1)), Resolve::Waiting);
    assert_eq!(table.poll(at(3500)), request);
}

#[test]
fn an_answer_ends_the_questions() {
    let mut table = table();
    known(&mut table, host(1), 0);
    assert_eq!(table.poll_at(), None);
    assert_eq!(table.resolve(at(59_999), host(1)), Resolve::Found(MAC));
    assert_eq!(table.poll_at(), None);
}

#[test]
fn a_failure_is_told_even_when_the_answer_comes_after_it() {
    let mut table = table();
    table.resolve(at(0), host(1));
    for millis in [0, 1000, 2000] {
        assert!(table.poll(at(millis)).is_some());
    }
    assert_eq!(table.poll(at(3000)), None);
    table.learn(at(3001), answer(host(1)));
    assert_eq!(table.resolve(at(3001), host(1)), Resolve::Waiting, "for that outcome");
    let outcome = table.outcome().unwrap();
    assert!(matches!(outcome.result, Resolution::Unreachable(Silence { sent: 3, .. })));
    assert_eq!(table.outcome(), None);
}

#[test]
fn each_answer_is_believed_for_a_minute() {
    let mut table = table();
    known(&mut table, host(1), 0);
    table.learn(at(30_000), answer(host(1)));
    assert_eq!(table.resolve(at(89_999), host(1)), Resolve::Found(MAC));
    assert_eq!(table.poll_at(), None);
    // What the host says unasked does not show that it hears us.
    table.learn(at(89_999), Claim { solicited: false, ..answer(host(1)) });
    assert_eq!(table.resolve(at(90_000), host(1)), Resolve::Found(MAC));
    assert_eq!(table.poll_at(), Some(at(90_000)));
}

#[test]
fn a_host_still_used_after_a_minute_is_asked_by_unicast() {
    let mut table = table();
    known(&mut table, host(1), 0);
    assert_eq!(table.resolve(at(60_000), host(1)), Resolve::Found(MAC));
    assert_eq!(table.poll(at(60_000)), Some(Request { neighbor: host(1), to: Some(MAC) }));
    assert_eq!(table.resolve(at(60_500), host(1)), Resolve::Found(MAC));
    table.learn(at(60_600), answer(host(1)));
    assert_eq!(table.poll_at(), None);
    assert_eq!(table.outcome(), None, "nobody waited");
    assert_eq!(table.resolve(at(120_599), host(1)), Resolve::Found(MAC));
    assert_eq!(table.poll_at(), None);
}

#[test]
fn a_host_that_does_not_answer_a_probe_is_asked_by_everybodys_address_next() {
    let mut table = table();
    known(&mut table, host(1), 0);
    assert_eq!(table.resolve(at(60_000), host(1)), Resolve::Found(MAC));
    let probe = Some(Request { neighbor: host(1), to: Some(MAC) });
    for millis in [60_000, 61_000, 62_000] {
        assert_eq!(table.poll(at(millis)), probe);
    }
    assert_eq!(table.poll(at(63_000)), None);
    assert_eq!(table.outcome(), None);
    assert_eq!(table.len(), 0);
    assert_eq!(table.resolve(at(63_000), host(1)), Resolve::Waiting);
    assert_eq!(table.poll(at(63_000)), Some(Request { neighbor: host(1), to: None }));
}

#[test]
fn a_host_that_nobody_asked_for_stays_unknown() {
    let mut table = table();
    table.learn(at(0), answer(host(1)));
    assert_eq!(table.len(), 0);
    assert_eq!(table.resolve(at(0), host(1)), Resolve::Waiting);
}

#[test]
fn a_known_host_may_move_but_is_then_asked_at_its_next_use() {
    let mut table = table();
    known(&mut table, host(1), 0);
    let moved =
        Claim { neighbor: host(1), hardware: Some(OTHER), solicited: false, replaces: true };
    table.learn(at(1000), moved);
    assert_eq!(table.poll_at(), None);
    assert_eq!(table.resolve(at(1000), host(1)), Resolve::Found(OTHER));
    assert_eq!(table.poll(at(1000)), Some(Request { neighbor: host(1), to: Some(OTHER) }));
}

#[test]
fn an_answer_without_override_does_not_replace_an_address() {
    let mut table = table();
    known(&mut table, host(1), 0);
    let proxy =
        Claim { neighbor: host(1), hardware: Some(OTHER), solicited: true, replaces: false };
    table.learn(at(1000), proxy);
    assert_eq!(table.resolve(at(1000), host(1)), Resolve::Found(MAC));
    assert_eq!(table.poll(at(1000)), Some(Request { neighbor: host(1), to: Some(MAC) }));
    table.learn(at(1001), proxy);
    assert_eq!(table.poll_at(), Some(at(2000)), "still asked");
    // RFC 4861 section 7.2.5: an answer need not repeat the address.
    table.learn(at(1002), Claim { hardware: None, ..answer(host(1)) });
    assert_eq!(table.poll_at(), None);
}

#[test]
fn an_answer_without_an_address_is_no_answer_to_the_first_question() {
    let mut table = table();
    table.resolve(at(0), host(1));
    table.poll(at(0));
    table.learn(at(1), Claim { hardware: None, ..answer(host(1)) });
    assert_eq!(table.resolve(at(1), host(1)), Resolve::Waiting);
    assert_eq!(table.outcome(), None);
}

#[test]
fn many_silent_hosts_fail_side_by_side_in_the_order_of_their_questions() {
    let mut table = table();
    for number in 0..1000 {
        assert_eq!(table.resolve(at(0), host(number * 7919 % 1000)), Resolve::Waiting);
    }
    for millis in [0, 1000, 2000] {
        let asked: Vec<_> = core::iter::from_fn(|| table.poll(at(millis))).collect();
        assert_eq!(asked.len(), 1000, "{millis}");
        assert_eq!(asked[1].neighbor, host(919));
    }
    assert_eq!(table.poll(at(3000)), None);
    let failed: Vec<_> = core::iter::from_fn(|| table.outcome()).collect();
    assert_eq!(failed.len(), 1000);
    for (number, outcome) in failed.iter().enumerate() {
        assert_eq!(outcome.neighbor, host(number as u32 * 7919 % 1000));
    }
}

#[test]
fn outcomes_come_in_the_order_in_which_they_happened() {
    let mut table = table();
    for number in [1, 2, 3] {
        table.resolve(at(0), host(number));
        table.poll(at(0));
    }
    table.learn(at(2), answer(host(3)));
    table.learn(at(5), answer(host(1)));
    while table.poll(at(1000)).is_some() {}
    while table.poll(at(2000)).is_some() {}
    while table.poll(at(3000)).is_some() {}
    let order: Vec<_> =
        core::iter::from_fn(|| table.outcome()).map(|outcome| outcome.neighbor).collect();
    assert_eq!(order, [host(3), host(1), host(2)]);
}

#[test]
fn a_late_poll_sends_no_burst() {
    let mut table = table();
    table.resolve(at(0), host(1));
    assert!(table.poll(at(0)).is_some());
    assert!(table.poll(at(10_000)).is_some());
    assert_eq!(table.poll(at(10_000)), None);
    assert_eq!(table.poll_at(), Some(at(11_000)));
}

#[test]
fn the_least_recently_used_host_makes_room() {
    let mut table = table();
    for number in 0..1024 {
        known(&mut table, host(number), i64::from(number));
    }
    assert_eq!(table.resolve(at(2000), host(0)), Resolve::Found(MAC));
    assert_eq!(table.resolve(at(2000), host(5000)), Resolve::Waiting);
    assert_eq!(table.len(), 1024);
    assert_eq!(table.resolve(at(2000), host(0)), Resolve::Found(MAC), "used just now");
    assert_eq!(table.resolve(at(2000), host(2)), Resolve::Found(MAC));
    assert_eq!(table.resolve(at(2000), host(1)), Resolve::Waiting, "evicted");
}

#[test]
fn hosts_that_are_being_asked_are_not_evicted() {
    let mut table = table();
    for number in 0..1024 {
        assert_eq!(table.resolve(at(0), host(number)), Resolve::Waiting);
    }
    assert_eq!(table.resolve(at(0), host(5000)), Resolve::Full);
    while table.poll(at(0)).is_some() {}
    table.learn(at(1), answer(host(7)));
    assert_eq!(table.resolve(at(1), host(5000)), Resolve::Full, "an outcome is not lost");
    assert!(table.outcome().is_some());
    assert_eq!(table.resolve(at(1), host(5000)), Resolve::Waiting);
    assert_eq!(table.resolve(at(1), host(7)), Resolve::Full);
}

#[test]
fn a_table_of_fixed_size_holds_what_fits() {
    // Sixteen entries, and a hash table whose three quarters are twelve.
    let mut table: Neighbors<'_, Fixed<'_, 4, 16, 1514>> = Neighbors::new([1, 2]);
    for number in 0..12 {
        known(&mut table, host(number), 0);
    }
    known(&mut table, host(12), 0);
    assert_eq!(table.len(), 12);
    assert_eq!(table.resolve(at(0), host(0)), Resolve::Waiting, "evicted");
    for number in 20..31 {
        assert_eq!(table.resolve(at(0), host(number)), Resolve::Waiting);
    }
    assert_eq!(table.resolve(at(0), host(40)), Resolve::Full);
    assert_eq!(table.len(), 12);
}
