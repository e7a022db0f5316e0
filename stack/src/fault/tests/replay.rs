//! Decisions that are replayed, and chance that is replaced by a list.

use alloc::sync::Arc;
use std::sync::Mutex;

use super::*;

const RULES: [Rule; 3] = [
    Rule::new("lose").when(When::prob(0.2)).does(&[Action::Drop]),
    Rule::new("late")
        .when(When::prob(0.5))
        .does(&[Action::Delay(Delay::uniform(Duration::from_millis(9), Duration::from_millis(9)))]),
    Rule::new("hurt").when(When::prob(0.3)).does(&[
        Action::Corrupt { at: Part::Payload, bits: 2, checksums: Checksums::Fix },
        Action::Duplicate { copies: 1, delay: Duration::from_millis(1) },
    ]),
];

const ROUGH: Model = Model {
    rate: Some(Rate(1_000_000)),
    delay: Delay {
        mean: Duration::from_millis(20),
        jitter: Duration::from_millis(5),
        dist: Distribution::Normal,
        correlation: 0.25,
    },
    loss: Loss::GilbertElliott { p: 0.1, r: 0.3, good: 0.0, bad: 1.0 },
    duplicate: 0.2,
    corrupt: 0.2,
    reorder: Some(Overtaking { prob: 0.2, gap: 2 }),
    queue: Limit::Bytes(4096),
};

#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Decisions {
    firings: Vec<Firing>,
    lanes: Vec<Carriage>,
}

/// What 200 datagrams become, when, and what was decided about them.
fn run(script: Script<'static>) -> (Vec<(i64, Vec<u8>)>, Decisions) {
    let told = Arc::new(Mutex::new(Decisions::default()));
    let mut bench = Bench::sized(script, 4, 256);
    let listener = Arc::clone(&told);
    bench.engine().observe(move |record: &Record<'_>| {
        let mut told = listener.lock().unwrap();
        match *record {
            Record::Rule { rule, matched, why: Why::Fired(_), .. } => {
                told.firings.push(Firing { rule, matched });
            }
            Record::Lane { direction, number, chance, .. } if chance != Chance::default() => {
                told.lanes.push(Carriage { direction, number, chance });
            }
            _ => {}
        }
    });
    let mut seen = Vec::new();
    for number in 0..200 {
        let mut sent = bench.tx(&udp(1, 2, &[number; 50]));
        sent.extend(bench.after(1));
        seen.extend(sent.into_iter().map(|frame| (bench.now.total_micros(), frame)));
    }
    let mut decisions = told.lock().unwrap().clone();
    decisions.firings.sort_unstable();
    (seen, decisions)
}

fn script(rules: &[Rule], tx: Model) -> Script<'static> {
    Script { tx, ..Script::new(7).with_rules(rules.to_vec()) }
}

fn forced(decisions: &Decisions) -> Option<Forced<'static>> {
    let Decisions { firings, lanes } = decisions.clone();
    Some(Forced { firings: firings.into(), lanes: lanes.into() })
}

#[test]
fn the_decisions_of_a_run_make_it_again() {
    let (frames, decisions) = run(script(&RULES, ROUGH));
    assert!(decisions.firings.len() > 100 && decisions.lanes.len() > 50, "{decisions:?}");
    // Nothing is left to chance, so that other probabilities change nothing.
    let rules = RULES.map(|rule| rule.when(When::prob(0.0)));
    let tx = Model { loss: Loss::None, duplicate: 0.0, corrupt: 1.0, reorder: None, ..ROUGH };
    let again = run(Script { forced: forced(&decisions), ..script(&rules, tx) });
    assert!(again.1 == decisions, "{:?}", again.1);
    assert!(again.0 == frames, "frames differ");
}

#[test]
fn a_part_of_the_decisions_makes_a_part_of_the_run() {
    let (_, mut decisions) = run(script(&RULES, ROUGH));
    decisions.firings.retain(|firing| firing.rule == 0);
    decisions.lanes.clear();
    let (frames, again) = run(Script { forced: forced(&decisions), ..script(&RULES, ROUGH) });
    assert_eq!(again, decisions);
    assert!(frames.len() < 200);
}

#[test]
fn a_rule_that_is_switched_off_fires_on_nothing() {
    let firings = Vec::from([Firing { rule: 0, matched: 1 }, Firing { rule: 1, matched: 1 }]);
    let decisions = Decisions { firings, lanes: Vec::new() };
    let mut rules = RULES;
    rules[0].switch = Switch::Off;
    let (_, again) = run(Script { forced: forced(&decisions), ..script(&rules, Model::IDEAL) });
    assert_eq!(again.firings, [Firing { rule: 1, matched: 1 }]);
}

#[test]
fn a_list_of_the_frames_that_chance_chose_does_the_same_to_them() {
    for rule in RULES {
        let (_, decisions) = run(script(&[rule], Model::IDEAL));
        let mut chosen = Short::<u32, 16>::empty(0);
        for firing in decisions.firings.iter().take(16) {
            chosen.push(firing.matched as u32).unwrap();
        }
        let budget = Some(16);
        let by_chance = rule.when(When { budget, ..rule.when });
        let by_list = rule.when(When { count: Count::Among(chosen), ..When::ALWAYS });
        let by_chance = run(script(&[by_chance], Model::IDEAL));
        assert_eq!(run(script(&[by_list], Model::IDEAL)), by_chance, "{}", rule.name);
        assert_eq!(by_chance.1.firings.len(), 16);
    }
}

#[test]
fn numbers_are_those_of_the_list_and_no_others() {
    let count = Count::Among(Short::of(0, &[3, 7]).unwrap());
    let mut bench = Bench::new(&[drops(Match::TX).when(When { count, ..When::ALWAYS })]);
    let lost: Vec<u8> =
        (1..=9).filter(|number| bench.tx(&udp(1, 2, &[*number])).is_empty()).collect();
    assert_eq!(lost, [3, 7]);
}

#[test]
fn decisions_out_of_order_are_refused() {
    let refused = |firings: &[Firing]| {
        let decisions = Decisions { firings: firings.to_vec(), lanes: Vec::new() };
        let script = Script { forced: forced(&decisions), ..Script::new(1) };
        Engine::new(script, Memory::growable(1, 1, 1, 100), Instant::ZERO).err()
    };
    let firing = |rule, matched| Firing { rule, matched };
    assert_eq!(refused(&[firing(0, 2), firing(1, 1)]), None);
    assert_eq!(refused(&[firing(0, 1), firing(0, 1)]), Some(ScriptError::ForcedOutOfOrder(1)));
    assert_eq!(refused(&[firing(1, 1), firing(0, 2)]), Some(ScriptError::ForcedOutOfOrder(1)));
}
