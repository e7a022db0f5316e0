//! What scripts do to a host: faults between its stack and its cable, in virtual time.

use tapsock_stack::TcpId;
use tapsock_stack::event::{Asked, CauseKind, Evidence};
use tapsock_stack::fault::{
    ACK, Action, Decide, Event, EventAct, Flags, Forge, IcmpFault, LinkFault, Match, Name,
    NeighborFault, Proto, QuoteSeq, Rule, SYN, Script, Seq, Side, Span, When,
};
use tapsock_stack::link::Link;
use tapsock_stack::link::capture::SharedBuffer;
use tapsock_stack::port::Family;
use tapsock_stack::sim::{Faults, Pair};
use tapsock_stack::tcp::{Phase, Take};
use tapsock_stack::time::Duration;
use tapsock_stack::wire::IpEndpoint;

use crate::scene::{connect, listen, pattern};

const SYNACK: Option<Flags> = Some(Flags::Some { set: SYN | ACK, clear: 0 });
const TCP: Option<Proto> = Some(Proto::Tcp);

/// Two hosts of which the client's cable is broken as the rules say, and a server on port 80.
struct Broken {
    pair: Pair,
    faults: Faults,
}

fn broken(rules: &[Rule]) -> Broken {
    scripted(Script::new(7).with_rules(rules.to_vec()))
}

fn scripted(script: Script<'static>) -> Broken {
    let pair = Pair::new(7);
    let faults = pair.client.faults(script).unwrap();
    listen(&pair.server, Family::V4, 80, 5);
    Broken { pair, faults }
}

impl Broken {
    fn connect(&self) -> TcpId {
        let [server, _] = Pair::addresses(2);
        connect(&self.pair.client, IpEndpoint::new(server, 80)).unwrap()
    }

    fn phase(&self, id: TcpId) -> Phase {
        self.pair.client.with(|stack, _| stack.tcp(id).unwrap().phase)
    }

    /// When the attempt was over, in milliseconds.
    fn settled(&self, id: TcpId) -> i64 {
        let _ = self.pair.world.run_while(|_| self.phase(id) == Phase::Connecting);
        self.pair.world.now().total_millis()
    }
}

impl Broken {
    fn cause(&self, id: TcpId) -> (CauseKind, Evidence) {
        let cause = self.pair.client.with(|stack, _| stack.tcp(id).unwrap().cause);
        let cause = cause.expect("it failed");
        (cause.kind, cause.evidence)
    }
}

#[test]
fn a_connect_whose_first_syn_ack_is_lost_completes_on_its_retransmission() {
    let rule = Rule::new("lose-1st-synack")
        .on(Match { proto: TCP, flags: SYNACK, ..Match::RX })
        .when(When::nth(1).per_flow())
        .does(&[Action::Drop])
        .expecting(1, 1);
    let scene = broken(&[rule]);
    let id = scene.connect();
    assert_eq!(scene.settled(id), 1000);
    assert_eq!(scene.phase(id), Phase::Connected);
    let (matched, fired) = scene.faults.hits("lose-1st-synack").unwrap();
    assert!(matched >= 2, "{matched}");
    assert_eq!(fired, 1);
    assert!(scene.faults.with(|engine, _| engine.report().all(|hits| hits.holds())));
}

#[test]
fn the_twin_without_the_rule_connects_at_once() {
    let scene = broken(&[]);
    let id = scene.connect();
    assert_eq!(scene.settled(id), 0);
    assert_eq!(scene.phase(id), Phase::Connected);
    assert!(scene.faults.with(|engine, _| !engine.is_active()));
}

const FIRST_SYN: Match =
    Match { proto: TCP, flags: Some(Flags::Some { set: SYN, clear: ACK }), ..Match::TX };

#[test]
fn a_forged_reset_refuses_a_syn_that_never_left() {
    let refuse = Action::Forge(Forge::Rst { to: Side::Stack, seq: Seq::Exact });
    let scene = broken(&[Rule::new("refuse").on(FIRST_SYN).does(&[refuse, Action::Drop])]);
    let id = scene.connect();
    assert_eq!(scene.settled(id), 0);
    assert_eq!(scene.phase(id), Phase::Failed);
    assert_eq!(scene.cause(id).0, CauseKind::Refused);
    assert_eq!(scene.faults.hits("refuse"), Some((1, 1)));
}

#[test]
fn forged_icmp_errors_name_what_is_unreachable() {
    for (code, kind) in [(0, CauseKind::NetUnreachable), (1, CauseKind::HostUnreachable)] {
        let error = IcmpFault::unreachable(code);
        let forge = |quote| Forge::Icmp { error, from: None, quote };
        let rule = |quote| {
            Rule::new("icmp").on(FIRST_SYN).does(&[Action::Forge(forge(quote)), Action::Drop])
        };
        let scene = broken(&[rule(QuoteSeq::InFlight)]);
        let id = scene.connect();
        assert_eq!(scene.settled(id), 0);
        assert_eq!(scene.cause(id).0, kind);
        // One that quotes what is not in flight is not believed.
        let scene = broken(&[rule(QuoteSeq::Stale)]);
        let id = scene.connect();
        assert_eq!(scene.settled(id), 21_000);
        assert_eq!(scene.cause(id).0, CauseKind::TimedOut);
        assert_eq!(scene.faults.hits("icmp"), Some((5, 5)));
    }
}

#[test]
fn a_silent_neighbor_is_an_unreachable_host() {
    let silence = Action::Neighbor(NeighborFault::Silence);
    let scene = broken(&[Rule::new("silence").on(Match::TX).does(&[silence])]);
    let id = scene.connect();
    assert_eq!(scene.settled(id), 3_000);
    let (kind, evidence) = scene.cause(id);
    assert_eq!(kind, CauseKind::HostUnreachable);
    let Evidence::Silence(silence) = evidence else { panic!("{evidence}") };
    assert_eq!((silence.asked, silence.sent), (Asked::Arp, 3));
    assert_eq!(scene.faults.hits("silence"), Some((3, 3)));
}

#[test]
fn an_event_wakes_a_stack_that_sleeps() {
    let down = EventAct::Link(LinkFault::Down(Some(Duration::from_secs(2))));
    let at = Duration::from_secs(5);
    let scene =
        scripted(Script::new(7).with_events(vec![Event { name: Name::NONE, at, act: down }]));
    let up = || scene.pair.client.with(|stack, _| stack.link().is_up());
    let mut changes = vec![];
    let mut was = up();
    let _ = scene.pair.world.run_while(|world| {
        if up() != was {
            was = !was;
            changes.push((world.now().total_millis(), was));
        }
        true
    });
    assert_eq!(changes, [(5_000, false), (7_000, true)]);
}

/// Sends 40,000 bytes over a link that loses and delays, and gives the capture of the client.
fn transfer(seed: u64, decide: Decide) -> Vec<u8> {
    let data = Match { proto: TCP, payload: Some(Span::from(1)), ..Match::ANY };
    let rules = vec![
        Rule::new("lose").on(data).when(When::prob(0.1)).does(&[Action::Drop]),
        Rule::new("reorder").on(data).does(&[Action::Reorder {
            prob: 0.2,
            gap: 2,
            limit: Duration::from_millis(30),
        }]),
    ];
    let pair = Pair::new(7);
    let script = Script::new(seed).with_rules(rules).deciding(decide);
    let faults = pair.client.faults(script).unwrap();
    let capture = SharedBuffer::new();
    pair.client.capture(capture.clone());
    let listener = listen(&pair.server, Family::V4, 80, 5);
    let [server, _] = Pair::addresses(2);
    let id = connect(&pair.client, IpEndpoint::new(server, 80)).unwrap();
    let expected = pattern(40_000);
    pair.world.run_for(Duration::from_secs(1));
    let accepted = pair.server.with(|stack, _| stack.tcp_accept(listener, 0)).unwrap();
    let sent = pair.client.with(|stack, now| stack.tcp_send(now, id, &expected, 1 << 20));
    assert_eq!(sent, Ok(40_000));
    let (mut received, mut buffer) = (Vec::new(), vec![0; 65536]);
    for _ in 0..1_000 {
        pair.world.run_for(Duration::from_millis(100));
        let read = |stack: &mut tapsock_stack::Stack<'static, _, _>, now| {
            stack.tcp_recv(now, accepted, &mut buffer, Take::Consume)
        };
        if let Ok(length) = pair.server.with(read) {
            received.extend_from_slice(&buffer[..length]);
        }
    }
    assert!(received == expected, "{} bytes", received.len());
    let (matched, fired) = faults.hits("lose").unwrap();
    assert!(0 < fired && fired < matched, "{fired} of {matched}");
    capture.to_vec()
}

#[test]
fn a_broken_transfer_is_whole_and_the_same_seed_gives_the_same_bytes() {
    for decide in [Decide::Stream, Decide::Hash] {
        let once = transfer(1, decide);
        assert!(once == transfer(1, decide));
        assert!(once != transfer(2, decide));
    }
}

#[test]
fn a_script_that_makes_no_sense_breaks_nothing() {
    let pair = Pair::new(7);
    let twice = vec![Rule::new("a"), Rule::new("a")];
    assert!(pair.client.faults(Script::new(1).with_rules(twice)).is_err());
    assert!(pair.client.with(|stack, _| stack.link_mut().faults().is_none()));
    let guard = pair.client.faults(Script::new(1)).unwrap();
    drop(guard);
    assert!(pair.client.with(|stack, _| stack.link_mut().faults().is_none()));
}
