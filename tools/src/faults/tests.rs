use tapsock_stack::fault::{
    ACK, Action, Flags, Forge, IcmpFault, Match, Proto, QuoteSeq, Rule, SYN, Seq, Side, Span, When,
};
use wsa::Error;
use wsa::config::Configuration;

use super::*;

fn syn(base: Match) -> Match {
    Match { proto: Some(Proto::Tcp), flags: Some(Flags::Some { set: SYN, clear: ACK }), ..base }
}

fn expecting(result: Ending) -> Option<Expect> {
    Some(Expect { result: Some(result), ..Expect::default() })
}

fn case(program: Program, rules: &[Rule], result: Ending) -> Case {
    let scenario = Scenario { program, ..Scenario::default() };
    Case { rules: rules.to_vec(), expect: expecting(result), ..Case::new(scenario) }
}

fn played(case: &Case) -> Run {
    run(case, "", Medium::Simulated, 7, &Configuration::default()).unwrap()
}

fn holds(case: &Case) -> Run {
    let run = played(case);
    assert_eq!(run.failures, Vec::<String>::new(), "{}", run.outcome());
    run
}

#[test]
fn without_rules_each_program_succeeds() {
    for (program, ending) in [
        (Program::Connect, Ending::Connected),
        (Program::Transfer, Ending::Delivered),
        (Program::Listen, Ending::Accepted),
        (Program::Datagram, Ending::Received),
    ] {
        for ip in [Ip::V4, Ip::V6] {
            let mut case = case(program.clone(), &[], ending);
            case.scenario.ip = ip;
            holds(&case);
        }
    }
}

#[test]
fn transfers_go_every_way_and_count_what_they_receive() {
    for (direction, received) in [(Way::Echo, 200_000), (Way::Up, 0), (Way::Down, 200_000)] {
        let mut case = case(Program::Transfer, &[], Ending::Delivered);
        case.scenario.direction = direction;
        case.scenario.bytes = Some(Size(200_000));
        assert_eq!(holds(&case).received, received, "{direction:?}");
    }
}

#[test]
fn lost_syns_are_a_time_out_with_its_silence_and_its_time() {
    let lose = Rule::new("lose-syns").on(syn(Match::TX)).does(&[Action::Drop]).expecting(5, 5);
    let mut case = case(Program::Connect, &[lose], Ending::Code(Error::WSAETIMEDOUT));
    let expect = case.expect.as_mut().unwrap();
    expect.cause = Some(Texts(vec!["silence".into(), "5 SYNs".into()]));
    expect.call = Some("WSAConnect".into());
    expect.within = Some(Time(tapsock_stack::time::Duration::from_secs(21)));
    expect.not_before = expect.within;
    let run = holds(&case);
    assert_eq!(run.outcome(), "WSAConnect: WSAETIMEDOUT (10060) after 21.000 s");
    assert_eq!((run.hits[0].matched, run.hits[0].fired), (5, 5));

    let twin = played(&case.twin());
    assert!(twin.failures[0].starts_with("WSAETIMEDOUT is due, but the result is WSAConnect: co"));
}

#[test]
fn a_forged_reset_refuses_and_a_forged_error_is_a_packet() {
    let reset = Action::Forge(Forge::Rst { to: Side::Stack, seq: Seq::Exact });
    let refuse = Rule::new("refuse").on(syn(Match::TX)).does(&[reset, Action::Drop]);
    holds(&case(Program::Connect, &[refuse], Ending::Code(Error::WSAECONNREFUSED)));

    let error = Action::Forge(Forge::Icmp {
        error: IcmpFault::unreachable(1),
        from: None,
        quote: QuoteSeq::InFlight,
    });
    let unreachable = Rule::new("unreachable").on(syn(Match::TX)).does(&[error, Action::Drop]);
    let mut case = case(Program::Connect, &[unreachable], Ending::Code(Error::WSAEHOSTUNREACH));
    case.expect.as_mut().unwrap().cause = Some(Texts(vec!["packet".into()]));
    holds(&case);
}

#[test]
fn a_rule_that_never_fires_is_told_unless_it_says_so() {
    let never = Rule::new("never").on(Match { proto: Some(Proto::Udp), ..Match::TX });
    let told = played(&case(Program::Connect, &[never], Ending::Connected)).failures;
    assert_eq!(told, ["rule never never fired; if that is meant, say expect.hits = 0"]);
    holds(&case(Program::Connect, &[never.expecting(0, 0)], Ending::Connected));

    let twice = Rule::new("twice").on(syn(Match::TX)).expecting(2, 2);
    let told = played(&case(Program::Connect, &[twice], Ending::Connected)).failures;
    assert_eq!(told, ["rule twice fired 1 times, 2 are due"]);
}

#[test]
fn a_call_that_never_comes_back_is_ended_and_told() {
    let mut case = case(Program::Connect, &[], Ending::Blocked);
    case.scenario.receive = true;
    let run = holds(&case);
    assert_eq!(run.outcome(), "recv still blocked after 300.000 s");
    case.scenario.limit = Some(Time(tapsock_stack::time::Duration::from_secs(2)));
    assert_eq!(holds(&case).outcome(), "recv still blocked after 2.000 s");
}

#[test]
fn a_listener_may_be_late_and_a_peer_may_forget() {
    let mut late = case(Program::Connect, &[], Ending::Code(Error::WSAECONNREFUSED));
    late.scenario.listen_after = Some(Time(tapsock_stack::time::Duration::from_secs(4)));
    holds(&late);
    let reset = Match { flags: Some(Flags::Some { set: 4, clear: 0 }), ..Match::RX };
    late.rules.push(Rule::new("no-resets").on(reset).does(&[Action::Drop]));
    late.expect = expecting(Ending::Connected);
    assert_eq!(holds(&late).took.secs(), 7);

    let mut half_open = case(Program::Transfer, &[], Ending::Code(Error::WSAECONNRESET));
    half_open.scenario.forget_after = Some(Time(tapsock_stack::time::Duration::from_secs(1)));
    half_open.scenario.idle = Some(Time(tapsock_stack::time::Duration::from_secs(2)));
    holds(&half_open);
}

#[test]
fn the_same_seed_gives_the_same_capture_and_another_seed_another() {
    let lose = Rule::new("lose").on(Match::ANY).when(When::prob(0.1)).does(&[Action::Drop]);
    let case = case(Program::Transfer, &[lose], Ending::Delivered);
    let captured =
        |seed| run(&case, "", Medium::Simulated, seed, &Configuration::default()).unwrap().capture;
    assert!(captured(1) == captured(1));
    assert!(captured(1) != captured(2));
}

#[test]
fn fields_without_a_meaning_are_refused() {
    let told = |scenario: Scenario| scenario.check().unwrap_err();
    let transfer = Scenario { program: Program::Transfer, ..Scenario::default() };
    assert_eq!(
        told(Scenario { bytes: Some(Size(1)), ..Scenario::default() }),
        "scenario: bytes has no meaning for program connect"
    );
    assert_eq!(
        told(Scenario { count: Some(2), ..transfer.clone() }),
        "scenario: count has no meaning for program transfer"
    );
    assert!(told(Scenario { bytes: Some(Size(0)), ..transfer }).contains("bytes is 0"));
    let datagram = Scenario { program: Program::Datagram, ..Scenario::default() };
    for (bytes, fits) in [(65507, true), (65508, false)] {
        let scenario = Scenario { bytes: Some(Size(bytes)), ..datagram.clone() };
        assert_eq!(scenario.check().is_ok(), fits);
    }
}

#[test]
fn a_run_is_made_again_by_its_decisions_alone() {
    use tapsock_stack::fault::{Loss, Model};
    let lose = Rule::new("lose").on(Match::TX).when(When::prob(0.1)).does(&[Action::Drop]);
    let mut case = case(Program::Transfer, &[lose], Ending::Delivered);
    case.rx = Model { loss: Loss::Bernoulli { prob: 0.05, correlation: 0.0 }, ..Model::IDEAL };
    let first = holds(&case);
    assert!(first.decisions.firings.len() > 2 && first.decisions.lanes.len() > 2);

    case.rules[0].when = When::ALWAYS;
    case.rx =
        Model { loss: Loss::Bernoulli { prob: 0.0, correlation: 0.0 }, duplicate: 1.0, ..case.rx };
    case.forced = Some(first.decisions.clone());
    let again = holds(&case);
    assert_eq!(again.decisions, first.decisions);
    assert!(again.capture == first.capture);
}

/// Rules that delay, copy and lose a little of what does not matter.
fn noise(count: u8) -> Vec<Rule> {
    use tapsock_stack::fault::Name;
    let name = |number| Name::new(&format!("noise-{number}")).unwrap();
    let acts = [
        Action::Delay(tapsock_stack::fault::Delay::fixed(millis(2))),
        Action::Duplicate { copies: 1, delay: millis(1) },
        Action::Set(tapsock_stack::fault::Field::Ttl(50)),
    ];
    let rule = |number: u8| {
        let act = acts[usize::from(number) % acts.len()];
        Rule::named(name(number)).on(Match::ANY).when(When::prob(0.3)).does(&[act])
    };
    (0..count).map(rule).collect()
}

fn millis(number: u64) -> tapsock_stack::time::Duration {
    tapsock_stack::time::Duration::from_millis(number)
}

#[test]
fn shrinking_a_script_of_forty_rules_gives_back_the_culprit_alone() {
    let mut rules = noise(39);
    let reset = Action::Forge(Forge::Rst { to: Side::Stack, seq: Seq::Exact });
    let data = Match { proto: Some(Proto::Tcp), payload: Some(Span::from(1)), ..Match::RX };
    let culprit = Rule::new("culprit").on(data).when(When::prob(0.2)).does(&[reset]);
    rules.insert(17, culprit);
    let case = case(Program::Transfer, &rules, Ending::Delivered);
    let configuration = Configuration::default();
    let shrunk = shrink(&case, 7, &configuration, 500).unwrap();
    assert!(shrunk.is_minimal && shrunk.is_script, "{} runs", shrunk.runs);
    let names: Vec<_> = shrunk.case.rules.iter().map(|rule| rule.name.as_str()).collect();
    assert_eq!(names, ["culprit"]);
    assert_eq!(shrunk.parts.1, 1);
    assert_eq!(shrunk.run.ending, Ending::Code(Error::WSAECONNRESET));
    assert_eq!(played(&shrunk.case).ending, shrunk.run.ending);

    let some = shrink(&case, 7, &configuration, 5).unwrap();
    assert!(!some.is_minimal && some.runs <= 5);
}

#[test]
fn what_holds_cannot_be_shrunk() {
    let configuration = Configuration::default();
    let good = case(Program::Connect, &[], Ending::Connected);
    assert!(matches!(shrink(&good, 7, &configuration, 9), Err(Unshrinkable::Holds(_))));
    let idle = Rule::new("idle").on(Match { proto: Some(Proto::Udp), ..Match::TX });
    let hits = case(Program::Connect, &[idle], Ending::Connected);
    assert!(matches!(shrink(&hits, 7, &configuration, 9), Err(Unshrinkable::OnlyHits(_))));
}

#[test]
fn losses_by_chance_become_rules_that_drop() {
    use tapsock_stack::fault::{Loss, Model};
    // Bad luck: all five SYNs.
    let mut case = case(Program::Connect, &[], Ending::Connected);
    case.tx = Model { loss: Loss::Bernoulli { prob: 0.9, correlation: 0.0 }, ..Model::IDEAL };
    case.tx.delay = tapsock_stack::fault::Delay::fixed(millis(20));
    let configuration = Configuration::default();
    let unlucky = |seed: &u64| {
        let run = run(&case, "", Medium::Simulated, *seed, &configuration).unwrap();
        run.ending == Ending::Code(Error::WSAETIMEDOUT)
    };
    let seed = (0..1000).find(unlucky).unwrap();
    let shrunk = shrink(&case, seed, &configuration, 500).unwrap();
    assert!(shrunk.is_minimal && shrunk.is_script);
    assert_eq!((shrunk.case.tx, shrunk.case.rx), (Model::IDEAL, Model::IDEAL));
    assert_eq!(shrunk.case.rules.len(), 1);
    assert_eq!(shrunk.case.rules[0].actions[..], [Action::Drop]);
}

#[test]
fn what_must_come_of_a_rule_is_looked_for() {
    use tapsock_stack::fault::Outcome;
    let blind = Action::Forge(Forge::Rst { to: Side::Stack, seq: Seq::InWindow });
    let data = Match { proto: Some(Proto::Tcp), payload: Some(Span::from(1)), ..Match::RX };
    let reset = Rule::new("blind").on(data).when(When::nth(3)).does(&[blind]);
    let told = |rule: Rule, outcome| {
        let rule = Rule { outcome: Some(outcome), ..rule };
        played(&case(Program::Transfer, &[rule], Ending::Delivered)).failures
    };
    assert_eq!(told(reset, Outcome::ChallengeAck), Vec::<String>::new());
    for (outcome, what) in [(Outcome::Rst, "a RST"), (Outcome::Silence, "silence")] {
        let sentence = format!("rule blind fired 1 times, and 1 times {what} did not come of it");
        assert_eq!(told(reset, outcome), [sentence]);
    }
    let sent = Match { dir: Match::TX.dir, ..data };
    let lose = Rule::new("lose").on(sent).when(When::nth(2)).does(&[Action::Drop]);
    assert_eq!(told(lose, Outcome::Retransmission), Vec::<String>::new());
    // The last word of the stack is not said again, and nothing is said after it.
    let last = Rule::new("last")
        .on(data)
        .when(When::nth(1))
        .does(&[Action::Set(tapsock_stack::fault::Field::Ttl(9))]);
    assert_eq!(told(last, Outcome::Retransmission).len(), 1);
}

#[test]
fn each_expectation_holds_at_its_limit_and_not_beyond_it() {
    use tapsock_stack::fault::{Delay, Model};
    let mut case = case(Program::Transfer, &[], Ending::Delivered);
    case.tx = Model { delay: Delay::fixed(millis(20)), ..Model::IDEAL };
    let run = holds(&case);
    let rtt = run.tcp.unwrap().min_rtt.unwrap();
    let longer = tapsock_stack::time::Duration::from_micros(rtt.total_micros() + 1);
    let tcp = |tcp: Tcp| Expect { tcp: Some(tcp), ..Expect::default() };
    let micro = tapsock_stack::time::Duration::from_micros(1);
    let none = Expect::default;
    for (expect, good) in [
        (tcp(Tcp { min_rtt: Some(Time(rtt)), ..Tcp::default() }), true),
        (tcp(Tcp { min_rtt: Some(Time(longer)), ..Tcp::default() }), false),
        (tcp(Tcp { mss: Some(1460), ..Tcp::default() }), true),
        (tcp(Tcp { mss: Some(1459), ..Tcp::default() }), false),
        (tcp(Tcp { timeouts: Some(0), ..Tcp::default() }), true),
        (tcp(Tcp { timeouts: Some(1), ..Tcp::default() }), false),
        (Expect { within: Some(Time(run.took)), ..none() }, true),
        (Expect { within: Some(Time(run.took - micro)), ..none() }, false),
        (Expect { not_before: Some(Time(run.took)), ..none() }, true),
        (Expect { not_before: Some(Time(run.took + micro)), ..none() }, false),
        (Expect { received: Some(Size(65536)), ..none() }, true),
        (Expect { received: Some(Size(65535)), ..none() }, false),
        (Expect { challenges: Some(0), ..none() }, true),
        (Expect { challenges: Some(1), ..none() }, false),
        (Expect { call: Some("recv".into()), ..none() }, true),
        (Expect { call: Some("send".into()), ..none() }, false),
    ] {
        assert_eq!(expect.judge(&run).is_empty(), good, "{expect:?}");
    }
}
