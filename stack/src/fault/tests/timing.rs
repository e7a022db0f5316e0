//! When rules fire.

use super::*;

/// Which of ten equal datagrams pass, a second apart.
fn passing(when: When) -> Vec<usize> {
    let mut bench = Bench::new(&[Rule::new("r").when(when).does(&[Action::Drop])]);
    (1..=10)
        .filter(|_| {
            let passes = !bench.tx(&udp(1, 2, b"x")).is_empty();
            bench.now += Duration::from_secs(1);
            passes
        })
        .collect()
}

#[test]
fn which_of_those_it_counts() {
    let count = |count| passing(When { count, ..When::ALWAYS });
    assert_eq!(count(Count::Any), []);
    assert_eq!(count(Count::Nth(3)), [1, 2, 4, 5, 6, 7, 8, 9, 10]);
    assert_eq!(count(Count::First(8)), [9, 10]);
    assert_eq!(count(Count::Every(2)), [1, 3, 5, 7, 9]);
    assert_eq!(count(Count::After(4)), [1, 2, 3, 4]);
    assert_eq!(count(Count::Range(2, 9)), [1, 10]);
}

#[test]
fn from_and_until() {
    let (from, until) = (Some(Duration::from_secs(2)), Some(Duration::from_secs(5)));
    // At 2, 3 and 4 s, but not at 5 s.
    assert_eq!(passing(When { from, until, ..When::ALWAYS }), [1, 2, 6, 7, 8, 9, 10]);
    // Outside its time it does not count.
    let count = Count::Nth(2);
    assert_eq!(passing(When { from, count, ..When::ALWAYS }), [1, 2, 3, 5, 6, 7, 8, 9, 10]);
}

#[test]
fn cooldown_and_budget() {
    let cooldown = Some(Duration::from_secs(4));
    assert_eq!(passing(When { cooldown, ..When::ALWAYS }), [2, 3, 4, 6, 7, 8, 10]);
    assert_eq!(passing(When { budget: Some(3), ..When::ALWAYS }), [4, 5, 6, 7, 8, 9, 10]);
}

#[test]
fn certain_and_impossible() {
    assert_eq!(passing(When::prob(1.0)), []);
    assert_eq!(passing(When::prob(0.0)).len(), 10);
}

#[test]
fn a_chance_of_one_in_five() {
    let mut bench = Bench::new(&[Rule::new("r").when(When::prob(0.2)).does(&[Action::Drop])]);
    for _ in 0..10_000 {
        bench.tx(&udp(1, 2, b"x"));
    }
    let (matched, fired) = bench.hits(0);
    assert_eq!(matched, 10_000);
    assert!((1_880..2_120).contains(&fired), "{fired}");
}

#[test]
fn each_scope_counts_by_itself() {
    let drop_first = |scope| {
        Bench::new(&[Rule::new("r").when(When { scope, ..When::nth(1) }).does(&[Action::Drop])])
    };
    let frames = [udp(1, 2, b"x"), udp(3, 2, b"x")];
    let mut bench = drop_first(Scope::Rule);
    let passed: Vec<usize> = frames.iter().map(|frame| bench.tx(frame).len()).collect();
    assert_eq!(passed, [0, 1]);
    assert_eq!(bench.rx(&frames[0]).len(), 1);

    let mut bench = drop_first(Scope::Flow);
    let passed: Vec<usize> = frames.iter().map(|frame| bench.tx(frame).len()).collect();
    assert_eq!(passed, [0, 0]);
    assert_eq!(bench.tx(&frames[0]).len(), 1);

    let mut bench = drop_first(Scope::Dir);
    let passed: Vec<usize> = frames.iter().map(|frame| bench.tx(frame).len()).collect();
    assert_eq!(passed, [0, 1]);
    assert_eq!(bench.rx(&frames[0]).len(), 0);
    assert_eq!(bench.rx(&frames[0]).len(), 1);
}

#[test]
fn after_another_rule() {
    let rules = [
        Rule::new("third").when(When::nth(3)).does(&[]),
        Rule::new("then")
            .when(When { after_rule: Name::new("third"), ..When::ALWAYS })
            .does(&[Action::Drop]),
    ];
    let mut bench = Bench::new(&rules);
    let passed: Vec<usize> = (0..5).map(|_| bench.tx(&udp(1, 2, b"x")).len()).collect();
    assert_eq!(passed, [1, 1, 0, 0, 0], "from the frame on that made the other fire");
    assert_eq!((bench.hits(0), bench.hits(1)), ((5, 1), (5, 3)));
}

#[test]
fn after_so_many_bytes_of_its_flow() {
    let when = When { after_bytes: Some(20), ..When::nth(1) }.per_flow();
    let mut bench = Bench::new(&[Rule::new("r").when(when).does(&[Action::Drop])]);
    let segment = |seq| out(ACK, seq).with(b"0123456789").v4();
    bench.tx(&out(SYN, 100).v4());
    assert_eq!(bench.tx(&segment(101)).len(), 1);
    assert_eq!(bench.tx(&segment(101)).len(), 1, "sent again it counts once");
    assert_eq!(bench.tx(&segment(111)).len(), 1);
    assert_eq!(bench.tx(&segment(121)).len(), 0, "20 bytes were before it");
    assert_eq!(bench.tx(&segment(131)).len(), 1);
}

#[test]
fn every_verdict_has_its_reason() {
    use std::sync::{Arc, Mutex};
    let from = Some(Duration::from_secs(1));
    let rules = [
        Rule { switch: Switch::Off, ..Rule::new("off") },
        Rule::new("field").on(Match { dport: port(80), ..Match::ANY }).does(&[]),
        Rule::new("time").when(When { from, ..When::ALWAYS }).does(&[]),
        Rule::new("after").when(When { after_rule: Name::new("time"), ..When::ALWAYS }).does(&[]),
        Rule::new("bytes").when(When { after_bytes: Some(9), ..When::ALWAYS }).does(&[]),
        Rule::new("count").when(When::nth(2)).does(&[]),
        Rule::new("prob").when(When::prob(0.0)).does(&[]),
        Rule::new("budget").when(When { budget: Some(0), ..When::ALWAYS }).does(&[]),
        Rule::new("fires").does(&[]),
    ];
    let mut bench = Bench::new(&rules);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&seen);
    bench.engine().observe(move |record: &Record<'_>| match record {
        Record::Rule { why, .. } => told.lock().unwrap().push(*why),
        Record::Verdict { verdict, .. } => assert_eq!(*verdict, Verdict::Pass),
        Record::Left { source, .. } => {
            assert_eq!(*source, Source { id: 1, made_by: None });
        }
        _ => panic!("{record:?}"),
    });
    bench.tx(&udp(1, 2, b"x"));
    let expected = [
        Why::Off,
        Why::NoMatch("dport"),
        Why::Time,
        Why::AfterRule,
        Why::AfterBytes,
        Why::Count(1),
        Why::Prob,
        Why::Budget,
        Why::Fired(1),
    ];
    assert_eq!(*seen.lock().unwrap(), expected);
    let idle: Vec<bool> = bench.engine().report().map(|hits| hits.idle()).collect();
    assert_eq!(idle, [true, true, true, true, true, true, true, true, false]);
}
