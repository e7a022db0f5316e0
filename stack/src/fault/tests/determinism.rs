//! The same seed and script do the same; each rule has chance of its own.

use super::*;

/// Which of 200 datagrams pass, of which the second half differs between runs.
fn passing(seed: u64, decide: Decide, rules: &[Rule], order: impl Iterator<Item = u8>) -> Vec<u8> {
    let script = Script::new(seed).with_rules(rules.to_vec()).deciding(decide);
    let mut bench = Bench::of(script);
    order.filter(|number| !bench.tx(&udp(1, 2, &[*number])).is_empty()).collect()
}

fn chance(name: &'static str) -> Rule {
    Rule::new(name).when(When::prob(0.5)).does(&[Action::Drop])
}

#[test]
fn the_same_seed_decides_the_same_and_another_differently() {
    let rules = [chance("a")];
    for decide in [Decide::Stream, Decide::Hash] {
        let once = passing(1, decide, &rules, 0..200);
        assert_eq!(once, passing(1, decide, &rules, 0..200));
        assert_ne!(once, passing(2, decide, &rules, 0..200));
        assert_ne!(once, passing(1, decide, &[chance("b")], 0..200), "its name decides as well");
        assert!((70..130).contains(&once.len()), "{}", once.len());
    }
}

#[test]
fn another_rule_shifts_nothing() {
    let other = Rule::new("other").when(When::prob(0.3)).does(&[Action::Set(Field::Ttl(9))]);
    let alone = passing(1, Decide::Stream, &[chance("a")], 0..200);
    assert_eq!(passing(1, Decide::Stream, &[other, chance("a")], 0..200), alone);
}

#[test]
fn by_hash_the_order_does_not_matter() {
    let rules = [chance("a")];
    let forwards = passing(1, Decide::Hash, &rules, 0..200);
    let mut backwards = passing(1, Decide::Hash, &rules, (0..200).rev());
    backwards.reverse();
    assert_eq!(forwards, backwards);
    let mut backwards = passing(1, Decide::Stream, &rules, (0..200).rev());
    backwards.reverse();
    assert_ne!(passing(1, Decide::Stream, &rules, 0..200), backwards);
}

#[test]
fn by_hash_another_transmission_is_another_decision() {
    let script = Script::new(1).with_rules([chance("a")].to_vec()).deciding(Decide::Hash);
    let mut bench = Bench::of(script);
    // More different segments than are remembered, again and again: each comes through at last.
    let mut left: Vec<u32> = (0..50).map(|index| 101 + 10 * index).collect();
    for _ in 0..20 {
        left.retain(|seq| bench.tx(&out(ACK, *seq).with(b"0123456789").v4()).is_empty());
    }
    assert_eq!(left, Vec::<u32>::new());
}

/// Everything that a link with all kinds of trouble sends, with its times.
fn troubled(seed: u64) -> Vec<(i64, Vec<u8>)> {
    let model = Model {
        rate: Some(Rate(1_000_000)),
        delay: Delay {
            mean: millis(20),
            jitter: millis(5),
            dist: Distribution::Normal,
            correlation: 0.25,
        },
        loss: Loss::GilbertElliott { p: 0.1, r: 0.3, good: 0.0, bad: 1.0 },
        duplicate: 0.1,
        corrupt: 0.1,
        reorder: Some(Overtaking { prob: 0.1, gap: 3 }),
        queue: Limit::Bytes(4096),
    };
    let rules = [
        Rule::new("delay")
            .when(When::prob(0.5))
            .does(&[Action::Delay(Delay::uniform(millis(9), millis(9)))]),
        Rule::new("corrupt").when(When::prob(0.2)).does(&[Action::Corrupt {
            at: Part::Payload,
            bits: 2,
            checksums: Checksums::Fix,
        }]),
    ];
    let script = Script { tx: model, ..Script::new(seed).with_rules(rules.to_vec()) };
    let mut bench = Bench::sized(script, 4, 256);
    let mut seen = Vec::new();
    for number in 0..200 {
        let mut sent = bench.tx(&udp(1, 2, &[number; 50]));
        sent.extend(bench.after(1));
        seen.extend(sent.into_iter().map(|frame| (bench.now.total_micros(), frame)));
    }
    seen
}

#[test]
fn the_same_bytes_at_the_same_times() {
    let once = troubled(7);
    assert!((60..220).contains(&once.len()), "{}", once.len());
    assert_eq!(once, troubled(7));
    assert_ne!(once, troubled(8));
}

fn model(tx: Model) -> Bench {
    Bench::sized(Script { tx, ..Script::new(3) }, 4, 4096)
}

#[test]
fn losses_come_in_bursts() {
    let loss = Loss::GilbertElliott { p: 0.01, r: 0.2, good: 0.0, bad: 1.0 };
    let mut bench = model(Model { loss, ..Model::IDEAL });
    let lost: Vec<bool> = (0..20_000).map(|_| bench.tx(&udp(1, 2, b"x")).is_empty()).collect();
    let bursts = lost.windows(2).filter(|pair| **pair == [false, true]).count();
    let all = lost.iter().filter(|lost| **lost).count();
    // p / (p + r) = 1/21 of 20,000 is 952, in bursts of 1/r = 5.
    assert!((700..1_200).contains(&all), "{all}");
    let mean = all as f64 / bursts as f64;
    assert!((4.0..6.0).contains(&mean), "{mean}");
    assert_eq!(bench.engine().counters().lost, all as u64);
}

#[test]
fn independent_losses() {
    let loss = Loss::Bernoulli { prob: 0.1, correlation: 0.0 };
    let mut bench = model(Model { loss, ..Model::IDEAL });
    let lost = (0..10_000).filter(|_| bench.tx(&udp(1, 2, b"x")).is_empty()).count();
    assert!((900..1_100).contains(&lost), "{lost}");
}

#[test]
fn a_rate_with_a_queue_that_overflows() {
    // 100 bytes are 800 bits: 1 ms each. 300 bytes fit, so the fourth does not.
    let rate = Some(Rate(800_000));
    let mut bench = model(Model { rate, queue: Limit::Bytes(300), ..Model::IDEAL });
    let frame = udp(1, 2, &[0; 58]);
    assert_eq!(frame.len(), 100);
    for _ in 0..4 {
        assert_eq!(bench.tx(&frame).len(), 0);
    }
    assert_eq!(bench.engine().counters().overflowed, 1);
    let arrivals: Vec<usize> = (0..5).map(|_| bench.after(1).len()).collect();
    assert_eq!(arrivals, [1, 1, 1, 0, 0]);
    // And by number.
    let delay = Delay::fixed(millis(10));
    let mut bench = model(Model { delay, queue: Limit::Packets(2), ..Model::IDEAL });
    for _ in 0..3 {
        bench.tx(&frame);
    }
    assert_eq!(bench.after(10).len(), 2);
    assert_eq!(bench.engine().counters().overflowed, 1);
}

#[test]
fn every_frame_twice_or_corrupt() {
    let mut bench = model(Model { duplicate: 1.0, ..Model::IDEAL });
    assert_eq!(bench.tx(&udp(1, 2, b"x")).len(), 2);
    let mut bench = model(Model { corrupt: 1.0, ..Model::IDEAL });
    let frame = udp(1, 2, b"x");
    let sent = bench.tx(&frame);
    let bits: u32 = sent[0].iter().zip(&frame).map(|(one, other)| (one ^ other).count_ones()).sum();
    assert_eq!(bits, 1);
}

#[test]
fn frames_that_are_not_delayed_overtake() {
    let delay = Delay::fixed(millis(10));
    let reorder = Some(Overtaking { prob: 1.0, gap: 3 });
    let mut bench = model(Model { delay, reorder, ..Model::IDEAL });
    let at_once: Vec<usize> = (0..6).map(|_| bench.tx(&udp(1, 2, b"x")).len()).collect();
    assert_eq!(at_once, [0, 0, 1, 0, 0, 1]);
}

#[test]
fn delays_follow_their_distribution() {
    for dist in [Distribution::Normal, Distribution::Pareto, Distribution::ParetoNormal] {
        let delay = Delay { mean: millis(100), jitter: millis(10), dist, correlation: 0.0 };
        let mut bench = model(Model { delay, ..Model::IDEAL });
        for _ in 0..2_000 {
            bench.tx(&udp(1, 2, b"x"));
        }
        let (mut sum, mut count) = (0, 0);
        for milli in 1..=150 {
            // A call sends a bounded number of frames.
            let mut frames = bench.after(1).len();
            while let more @ 1.. = bench.after(0).len() {
                frames += more;
            }
            (sum, count) = (sum + milli * frames, count + frames);
        }
        assert_eq!(count, 2_000);
        let mean = sum as f64 / count as f64;
        assert!((98.5..102.0).contains(&mean), "{dist:?} {mean}");
    }
}

/// If one number decided both, what fires by chance would be delayed by less than the mean only.
#[test]
fn whether_a_rule_fires_says_nothing_about_what_it_does() {
    for decide in [Decide::Stream, Decide::Hash] {
        let delay = Action::Delay(Delay::uniform(millis(20), millis(20)));
        let rule = Rule::new("late").when(When::prob(0.5)).does(&[delay]);
        let mut bench = Bench::of(Script::new(1).with_rules([rule].to_vec()).deciding(decide));
        let (mut early, mut late) = (0, 0);
        for number in 0..100 {
            if bench.tx(&udp(1, 2, &[number])).is_empty() {
                early += bench.after(20).len();
                late += bench.after(20).len();
            }
        }
        assert!(early > 10 && late > 10, "{decide:?}: {early} and {late}");
    }
}
