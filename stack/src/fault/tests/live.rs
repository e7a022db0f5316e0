//! Rules that come and go while the engine runs.

use super::*;

fn named(name: &'static str, when: When) -> Rule {
    Rule::new(name).on(Match { proto: Some(Proto::Udp), ..Match::TX }).when(when)
}

fn datagram() -> Vec<u8> {
    udp(1, 2, b"x")
}

#[test]
fn the_rules_below_a_removed_one_keep_their_counts() {
    let count = named("count", When::ALWAYS).does(&[Action::Tag(1)]);
    let second = named("second", When::nth(2).per_flow()).does(&[Action::Drop]);
    let mut bench = Bench::new(&[count, named("gone", When::ALWAYS), second]);
    assert_eq!(bench.tx(&datagram()).len(), 1);
    bench.engine().remove(1).unwrap();
    let names: Vec<_> = bench.engine().report().map(|hits| hits.name.as_str().len()).collect();
    assert_eq!(names, [5, 6]);
    assert_eq!(bench.hits(1), (1, 0));
    assert_eq!(bench.tx(&datagram()).len(), 0, "the second of this flow");
    assert_eq!((bench.hits(0), bench.hits(1)), ((2, 2), (2, 1)));

    // In the place of the last one a new rule begins with nothing.
    let now = bench.now;
    let again = named("again", When::nth(1).per_flow()).does(&[Action::Drop]);
    assert_eq!(bench.engine().add(again, now), Ok(2));
    assert_eq!(bench.tx(&datagram()).len(), 0);
    assert_eq!(bench.hits(2), (1, 1));
}

#[test]
fn a_removed_rule_does_nothing_more_and_its_name_is_free() {
    let drops = named("drop", When::ALWAYS).does(&[Action::Drop]);
    let mut bench = Bench::new(&[drops]);
    assert_eq!(bench.tx(&datagram()).len(), 0);
    bench.engine().remove(0).unwrap();
    assert!(!bench.engine().is_active());
    assert_eq!(bench.tx(&datagram()).len(), 1);
    let now = bench.now;
    assert_eq!(bench.engine().add(drops, now), Ok(0));
    assert_eq!(bench.tx(&datagram()).len(), 0);
    assert_eq!(bench.engine().remove(7), Ok(()), "there is none");
}

#[test]
fn a_rule_that_others_refer_to_stays() {
    let first = named("first", When::ALWAYS);
    let waits = named("waits", When { after_rule: Some(Name::literal("first")), ..When::ALWAYS });
    let hold = Action::Hold { until: Name::literal("waits"), limit: None };
    let holds = named("holds", When::ALWAYS).does(&[hold]);
    let switch = EventAct::Switch(Name::literal("holds"), Switch::Off);
    let event = Event { name: Name::NONE, at: millis(5), act: switch };
    let script = Script::new(1).with_rules(vec![first, waits, holds]).with_events(vec![event]);
    let mut bench = Bench::of(script);
    for (rule, name) in [(0, "first"), (1, "waits"), (2, "holds")] {
        let refused = Err(ScriptError::InUse(Name::literal(name)));
        assert_eq!(bench.engine().remove(rule), refused);
    }
    assert_eq!(bench.engine().rules().len(), 3);
}

#[test]
fn what_waits_for_a_rule_below_a_removed_one_still_hears_of_it() {
    let gone = named("gone", When { count: Count::Nth(9), ..When::ALWAYS });
    let trigger = Rule::new("trigger").on(Match { proto: Some(Proto::Arp), ..Match::TX });
    let hold = Action::Hold { until: Name::literal("trigger"), limit: None };
    let holds = named("holds", When::nth(1)).does(&[hold]);
    let after = When { after_rule: Some(Name::literal("trigger")), ..When::ALWAYS };
    let late = named("late", after).does(&[Action::Drop]);
    let mut bench = Bench::new(&[gone, trigger, holds, late]);
    assert_eq!(bench.tx(&datagram()).len(), 0, "held");
    bench.engine().remove(0).unwrap();
    assert_eq!(bench.tx(&arp_request()).len(), 2, "the held one and the request");
    assert_eq!(bench.tx(&datagram()).len(), 0, "dropped by the one that came after");
}

#[test]
fn after_a_reset_everything_happens_again() {
    let second = named("second", When::nth(2).per_flow()).does(&[Action::Drop]);
    let random = named("random", When { prob: 0.5, ..When::ALWAYS }).does(&[Action::Drop]);
    let mut bench = Bench::new(&[second, random]);
    let sent = |bench: &mut Bench| -> Vec<usize> {
        (0..20).map(|_| bench.tx(&datagram()).len()).collect()
    };
    let first = sent(&mut bench);
    let now = bench.now;
    bench.engine().switch(0, Switch::Off);
    bench.engine().switch(0, Switch::On);
    bench.engine().reset(now);
    assert_eq!((bench.hits(0), bench.hits(1)), ((0, 0), (0, 0)));
    assert_eq!(sent(&mut bench), first);
    bench.engine().switch(0, Switch::Off);
    let now = bench.now;
    bench.engine().reset(now);
    sent(&mut bench);
    assert_eq!(bench.hits(0), (0, 0), "it stays switched off");
}

#[test]
fn the_observer_hears_of_changes_and_counters_have_names() {
    use alloc::string::String;
    use alloc::sync::Arc;
    use std::sync::Mutex;

    let heard = Arc::new(Mutex::new(Vec::<(Instant, String)>::new()));
    let mut bench = Bench::new(&[named("drop", When::ALWAYS).does(&[Action::Drop])]);
    let tell = Arc::clone(&heard);
    bench.engine().observe(move |record: &Record<'_>| {
        if let Record::Change { now, text } = record {
            tell.lock().unwrap().push((*now, String::from(*text)));
        }
    });
    bench.tx(&datagram());
    bench.now += millis(3);
    let now = bench.now;
    assert!(bench.engine().is_on(0) && !bench.engine().is_on(1));
    bench.engine().switch(0, Switch::Off);
    bench.engine().note(now, "disable drop");
    assert!(!bench.engine().is_on(0));
    assert_eq!(*heard.lock().unwrap(), [(now, "disable drop".into())]);
    let counted: Vec<_> =
        bench.engine().counters().named().filter(|(_, count)| *count > 0).collect();
    assert_eq!(counted, [("entered", 1), ("dropped", 1)]);
}
