//! What a script may say, and what an engine is while it runs.

use super::*;

fn error(rules: &[Rule]) -> Option<ScriptError> {
    let script = Script::new(1).with_rules(rules.to_vec());
    Engine::new(script, Memory::growable(4, 4, 4, 100), Instant::ZERO).err()
}

fn name(text: &'static str) -> Name {
    Name::literal(text)
}

#[test]
fn scripts_that_make_no_sense_are_refused() {
    let rule = Rule::new("a");
    assert_eq!(error(&[rule, Rule::new("b")]), None);
    assert_eq!(error(&[rule, rule]), Some(ScriptError::DuplicateName(name("a"))));
    assert_eq!(error(&[Rule::named(Name::NONE)]), Some(ScriptError::DuplicateName(Name::NONE)));

    let after = When { after_rule: Name::new("b"), ..When::ALWAYS };
    assert_eq!(error(&[rule.when(after)]), Some(ScriptError::UnknownName(name("b"))));
    assert_eq!(error(&[rule.when(after), Rule::new("b")]), None);
    let hold = Action::Hold { until: name("b"), limit: None };
    assert_eq!(error(&[rule.does(&[hold])]), Some(ScriptError::UnknownName(name("b"))));

    for (prob, refused) in [(0.0, false), (1.0, false), (-0.1, true), (1.1, true), (f64::NAN, true)]
    {
        let expected = refused.then_some(ScriptError::Probability(name("a"), "prob"));
        assert_eq!(error(&[rule.when(When::prob(prob))]), expected, "{prob}");
    }
    let payload = Some(Span::new(2, 1));
    let refused = Some(ScriptError::EmptyRange(name("a"), "payload"));
    assert_eq!(error(&[rule.on(Match { payload, ..Match::ANY })]), refused);
    assert_eq!(error(&[rule.when(When::nth(0))]), Some(ScriptError::EmptyRange(name("a"), "nth")));
    assert_eq!(error(&[rule.expecting(2, 1)]), Some(ScriptError::EmptyRange(name("a"), "expect")));
    let second = Some(Duration::from_secs(1));
    let when = When { from: second, until: second, ..When::ALWAYS };
    assert_eq!(error(&[rule.when(when)]), Some(ScriptError::EmptyRange(name("a"), "until")));

    let five = ["a", "b", "c", "d", "e"].map(Rule::new);
    assert_eq!(error(&five[..4]), None);
    assert_eq!(error(&five), Some(ScriptError::TooManyRules));
}

#[test]
fn events_are_in_order_and_know_their_rules() {
    let event = |seconds, act| Event { name: Name::NONE, at: Duration::from_secs(seconds), act };
    let refused = |events: &[Event]| {
        let script = Script::new(1).with_events(events.to_vec());
        Engine::new(script, Memory::growable(4, 4, 4, 100), Instant::ZERO).err()
    };
    let down = EventAct::Link(LinkFault::Down(None));
    assert_eq!(refused(&[event(1, down), event(1, down)]), None);
    let late = refused(&[event(2, down), event(1, down)]);
    assert_eq!(late, Some(ScriptError::EventsOutOfOrder(1)));
    let switch = EventAct::Switch(name("x"), Switch::On);
    assert_eq!(refused(&[event(1, switch)]), Some(ScriptError::UnknownName(name("x"))));
}

#[test]
fn a_table_of_rules_is_a_constant_and_memory_the_callers() {
    const RULES: [Rule; 1] =
        [Rule::new("first").when(When::nth(1)).does(&[Action::Drop]).expecting(1, 1)];
    let mut memory = Fixed::<1, 2, 2, 128>::new();
    let script = Script::new(1).with_rules(&RULES);
    let engine = Engine::new(script, Memory::fixed(&mut memory), Instant::ZERO).unwrap();
    let mut link = Fault::new(Wire::default(), engine);
    for _ in 0..3 {
        link.transmit(Instant::ZERO, &udp(1, 2, b"x")).unwrap();
    }
    assert_eq!(link.link().sent.len(), 2);
    assert!(link.engine().hits(0).unwrap().holds());
}

#[test]
fn rules_are_switched_and_added_while_it_runs() {
    let mut bench = Bench::new(&[Rule { switch: Switch::Off, ..drops(Match::TX) }]);
    assert!(!bench.engine().is_active());
    assert_eq!(bench.tx(&udp(1, 2, b"")).len(), 1);
    bench.engine().switch(0, Switch::On);
    assert!(bench.engine().is_active());
    assert_eq!(bench.tx(&udp(1, 2, b"")).len(), 0);
    bench.engine().pause(true);
    assert_eq!(bench.tx(&udp(1, 2, b"")).len(), 1);
    bench.engine().pause(false);
    bench.engine().switch(0, Switch::Off);
    assert_eq!(bench.tx(&udp(1, 2, b"")).len(), 1);
    assert_eq!(bench.hits(0), (1, 1));

    let now = bench.now;
    let second = Rule::new("second").does(&[Action::Drop]);
    assert_eq!(bench.engine().add(second, now), Ok(1));
    let twice = bench.engine().add(second, now);
    assert_eq!(twice, Err(ScriptError::DuplicateName(name("second"))));
    assert_eq!(bench.tx(&udp(1, 2, b"")).len(), 0);
    assert_eq!(bench.hits(1), (1, 1));
    assert_eq!(bench.engine().add(Rule::new("third"), now), Ok(2));
    assert_eq!(bench.engine().add(Rule::new("fourth"), now), Err(ScriptError::TooManyRules));
}

#[test]
fn then_says_whether_the_rules_below_see_it() {
    let first = |then, action: Action| {
        let rules = [
            Rule { then, ..Rule::new("a").does(&[action]) },
            Rule::new("b").does(&[Action::Tag(1)]),
        ];
        let mut bench = Bench::new(&rules);
        bench.tx(&udp(1, 2, b"x"));
        bench.hits(1).0
    };
    let delay = Action::Delay(Delay::fixed(millis(1)));
    assert_eq!(first(Then::AsUsual, Action::Drop), 0);
    assert_eq!(first(Then::AsUsual, delay), 1);
    assert_eq!(first(Then::Continue, Action::Drop), 1);
    assert_eq!(first(Then::Stop, delay), 0);
}

#[test]
fn what_the_rules_above_changed_is_what_rules_see() {
    let rules = [
        Rule::new("set").does(&[Action::Set(Field::Ttl(3))]),
        Rule::new("see").on(Match { ttl: Some(Span::only(3)), ..Match::ANY }).does(&[]),
    ];
    let mut bench = Bench::new(&rules);
    bench.tx(&udp(1, 2, b"x"));
    assert_eq!(bench.hits(1), (1, 1));
}

#[test]
fn a_closure_decides() {
    let rule = Rule::new("hook").does(&[Action::Hook(5)]);
    let mut bench = Bench::new(&[rule]);
    let mut calls = 0;
    bench.engine().hook(move |call: &HookCall<'_>, room: &mut [u8]| {
        assert_eq!(call.number, 5);
        calls += 1;
        match calls {
            1 => Answer::Pass,
            2 => Answer::Drop,
            3 => Answer::Delay(Duration::from_millis(1)),
            4 => {
                room[..3].copy_from_slice(b"new");
                Answer::Replace(3)
            }
            _ => Answer::Replace(usize::MAX),
        }
    });
    let frame = udp(1, 2, b"x");
    assert_eq!(bench.tx(&frame), core::slice::from_ref(&frame));
    assert_eq!(bench.tx(&frame).len(), 0);
    assert_eq!(bench.tx(&frame).len(), 0);
    assert_eq!(bench.after(1), core::slice::from_ref(&frame));
    assert_eq!(bench.tx(&frame), [b"new"]);
    assert_eq!(bench.tx(&frame).len(), 0);
    assert_eq!(bench.engine().counters().exhausted, 1);
}

#[test]
fn an_engine_that_does_nothing_counts_nothing() {
    let mut bench = Bench::new(&[]);
    assert_eq!(bench.tx(&udp(1, 2, b"")).len(), 1);
    assert_eq!(bench.rx(&udp(1, 2, b"")).len(), 1);
    assert_eq!(bench.engine().counters(), Counters::default());
    assert_eq!(bench.link.poll_at(), None);
}
