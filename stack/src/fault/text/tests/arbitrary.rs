//! Rules, events and link models of every kind.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use proptest::option::of;
use proptest::prelude::*;
use smoltcp::time::Duration;
use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr};

use super::super::{Clock, Document, Nothing, Profile};
use crate::fault::*;
use crate::link::Direction;

fn one_of<T: Clone + core::fmt::Debug + 'static>(values: &[T]) -> prop::sample::Select<T> {
    prop::sample::select(values.to_vec())
}

fn time() -> impl Strategy<Value = Duration> {
    prop_oneof![
        (0..100_u64).prop_map(Duration::from_secs),
        (0..100_000_u64).prop_map(Duration::from_millis),
        any::<u64>().prop_map(Duration::from_micros),
    ]
}

fn share() -> impl Strategy<Value = f64> {
    prop_oneof![0.0..=1.0, Just(0.0), Just(1.0), Just(1e-300), Just(0.1 + 0.2)]
}

fn span(most: u64) -> impl Strategy<Value = Span> {
    prop_oneof![
        (0..=most).prop_map(Span::only),
        (0..=most).prop_map(Span::from),
        (0..=most, 0..=most).prop_map(|(one, other)| Span::new(one.min(other), one.max(other))),
    ]
}

fn address() -> impl Strategy<Value = IpAddress> {
    prop_oneof![
        any::<[u8; 4]>().prop_map(|bytes| core::net::Ipv4Addr::from(bytes).into()),
        any::<[u8; 16]>().prop_map(|bytes| core::net::Ipv6Addr::from(bytes).into()),
    ]
}

fn cidr() -> impl Strategy<Value = IpCidr> {
    (address(), any::<u8>()).prop_map(|(address, prefix)| match address {
        IpAddress::Ipv4(_) => IpCidr::new(address, prefix % 33),
        IpAddress::Ipv6(_) => IpCidr::new(address, prefix % 129),
    })
}

fn ports() -> impl Strategy<Value = Ports> {
    let port = (any::<u16>(), any::<u16>())
        .prop_map(|(one, other)| Span::new(one.min(other).into(), one.max(other).into()));
    let port = prop_oneof![any::<u16>().prop_map(|port| Span::only(port.into())), port];
    prop::collection::vec(port, 1..=8).prop_map(|list| crate::fault::ports(&list).unwrap())
}

fn pattern() -> impl Strategy<Value = Pattern> {
    let bytes = prop::collection::vec(any::<u8>(), 0..=64);
    let text = "[ -~é\"\\\\]{0,20}".prop_map(String::into_bytes);
    prop_oneof![bytes, text].prop_map(|bytes| Short::of(0, &bytes).unwrap())
}

fn flags() -> impl Strategy<Value = Flags> {
    prop_oneof![
        any::<u8>().prop_map(Flags::Exactly),
        (any::<u8>(), any::<u8>())
            .prop_map(|(set, clear)| Flags::Some { set, clear: clear & !set }),
    ]
}

fn hardware() -> impl Strategy<Value = EthernetAddress> {
    any::<[u8; 6]>().prop_map(EthernetAddress)
}

fn proto() -> impl Strategy<Value = Proto> {
    let named =
        [Proto::Tcp, Proto::Udp, Proto::Icmp, Proto::Icmp6, Proto::Arp, Proto::Nd, Proto::IpFrag];
    prop_oneof![3 => one_of(&named), 1 => any::<u8>().prop_map(Proto::Ip)]
}

pub(super) fn name() -> impl Strategy<Value = Name> {
    let odd = "[^\\p{Cc}]{1,12}";
    let usual = "[a-z][a-z0-9-]{0,30}";
    prop_oneof![3 => usual, 1 => odd, 1 => "[0-9=,.]{1,5}", 1 => one_of(&["true", "tx", "drop"])
        .prop_map(String::from)]
    .prop_map(|text| Name::new(&text).unwrap_or(Name::literal("x")))
}

fn matches() -> impl Strategy<Value = Match> {
    let long = u64::from(u32::MAX);
    let first = (
        of(one_of(&[Direction::Inbound, Direction::Outbound])),
        of(any::<u16>()),
        of(proto()),
        of(cidr()),
        of(cidr()),
        of(ports()),
        of(ports()),
        of(flags()),
        of(one_of(&[Conn::Handshake, Conn::Established, Conn::Closing, Conn::Closed])),
    );
    let second = (
        of(span(long)),
        of(span(long)),
        of(span(long)),
        of(span(long)),
        of(span(long)),
        of(pattern()),
        of(any::<u8>().prop_map(TcpOption)),
        of(any::<u8>()),
    );
    let third = (
        of(any::<u8>()),
        of(one_of(&[Ecn::NotEct, Ecn::Ect1, Ecn::Ect0, Ecn::Ce])),
        of(span(255)),
        of(any::<bool>()),
        of(any::<bool>()),
        of(any::<bool>()),
        of(1..=u32::MAX),
        of(any::<u32>()),
    );
    (first, second, third).prop_map(|(first, second, third)| {
        let (dir, ethertype, proto, src, dst, sport, dport, flags, conn) = first;
        let (seq, ack, win, payload, length, contains, option, icmp_type) = second;
        let (icmp_code, ecn, ttl, fragment, retransmission, out_of_order, flow, tag) = third;
        Match {
            dir,
            ethertype,
            proto,
            src,
            dst,
            sport,
            dport,
            flags,
            conn,
            seq,
            ack,
            win,
            payload,
            length,
            contains,
            option,
            icmp_type,
            icmp_code,
            ecn,
            ttl,
            fragment,
            retransmission,
            out_of_order,
            flow,
            tag,
        }
    })
}

fn count() -> impl Strategy<Value = Count> {
    let number = 1..=u32::MAX;
    prop_oneof![
        Just(Count::Any),
        number.clone().prop_map(Count::Nth),
        prop::collection::vec(number.clone(), 1..=16)
            .prop_map(|list| Count::Among(Short::of(0, &list).unwrap())),
        number.clone().prop_map(Count::First),
        number.clone().prop_map(Count::Every),
        any::<u32>().prop_map(Count::After),
        (number.clone(), number)
            .prop_map(|(one, other)| Count::Range(one.min(other), one.max(other))),
    ]
}

fn when() -> impl Strategy<Value = When> {
    let times = (of(time()), of(time())).prop_map(|(one, other)| match (one, other) {
        (Some(one), Some(other)) if one == other => (Some(one), None),
        (Some(one), Some(other)) => (Some(one.min(other)), Some(one.max(other))),
        times => times,
    });
    let scope = one_of(&[Scope::Flow, Scope::Rule, Scope::Dir]);
    let rest = (of(name()), of(any::<u64>()), of(time()), of(any::<u64>()));
    (share(), count(), scope, times, rest).prop_map(|(prob, count, scope, times, rest)| {
        let ((from, until), (after_rule, after_bytes, cooldown, budget)) = (times, rest);
        When { prob, count, scope, from, until, after_rule, after_bytes, cooldown, budget }
    })
}

fn delay() -> impl Strategy<Value = Delay> {
    let dist = one_of(&[
        Distribution::Uniform,
        Distribution::Normal,
        Distribution::Pareto,
        Distribution::ParetoNormal,
    ]);
    (time(), prop_oneof![time(), Just(Duration::ZERO)], dist, share())
        .prop_map(|(mean, jitter, dist, correlation)| Delay { mean, jitter, dist, correlation })
}

fn forge() -> impl Strategy<Value = Forge> {
    let side = one_of(&[Side::Stack, Side::Peer]);
    let seq = one_of(&[Seq::Exact, Seq::InWindow, Seq::OutOfWindow, Seq::Random]);
    let ends = (side.clone(), seq);
    let error = prop_oneof![
        (any::<u8>(), any::<u8>()).prop_map(|(v4, v6)| IcmpFault::Unreachable { v4, v6 }),
        (0..20_u8, 0..10_u8).prop_map(|(v4, v6)| IcmpFault::Unreachable { v4, v6 }),
        any::<u16>().prop_map(IcmpFault::FragmentationNeeded),
        any::<u8>().prop_map(IcmpFault::TimeExceeded),
        Just(IcmpFault::SourceQuench),
    ];
    let quote = one_of(&[QuoteSeq::InFlight, QuoteSeq::Stale]);
    let ack =
        prop_oneof![any::<u8>().prop_map(AckOf::Duplicate), any::<u32>().prop_map(AckOf::Beyond)];
    prop_oneof![
        ends.clone().prop_map(|(to, seq)| Forge::Rst { to, seq }),
        ends.clone().prop_map(|(to, seq)| Forge::Syn { to, seq }),
        ends.prop_map(|(to, seq)| Forge::Fin { to, seq }),
        (side, ack).prop_map(|(to, ack)| Forge::Ack { to, ack }),
        (error, of(address()), quote).prop_map(|(error, from, quote)| Forge::Icmp {
            error,
            from,
            quote
        }),
    ]
}

fn neighbor() -> impl Strategy<Value = NeighborFault> {
    prop_oneof![
        Just(NeighborFault::Silence),
        hardware().prop_map(NeighborFault::Wrong),
        hardware().prop_map(NeighborFault::Conflict),
        any::<u16>().prop_map(NeighborFault::Flood),
    ]
}

fn link() -> impl Strategy<Value = LinkFault> {
    prop_oneof![
        of(time()).prop_map(LinkFault::Down),
        Just(LinkFault::Up),
        (time(), any::<u32>()).prop_map(|(period, count)| {
            let period = period.max(Duration::from_micros(1));
            LinkFault::Flap { period, count }
        }),
    ]
}

fn action() -> impl Strategy<Value = Action> {
    let part = prop_oneof![
        one_of(&[Part::Any, Part::Ip, Part::Transport, Part::Payload]),
        any::<u16>().prop_map(Part::Byte),
    ];
    let checksums = one_of(&[Checksums::Leave, Checksums::Fix]);
    let lengths = one_of(&[Lengths::Leave, Lengths::Fix]);
    let field = prop_oneof![
        any::<u8>().prop_map(Field::Ttl),
        any::<u16>().prop_map(Field::Win),
        any::<u16>().prop_map(Field::Mss),
    ];
    prop_oneof![
        Just(Action::Drop),
        delay().prop_map(Action::Delay),
        (share(), any::<u16>(), time()).prop_map(|(prob, gap, limit)| Action::Reorder {
            prob,
            gap,
            limit
        }),
        (any::<u8>(), time()).prop_map(|(copies, delay)| Action::Duplicate { copies, delay }),
        (part, any::<u8>(), checksums).prop_map(|(at, bits, checksums)| Action::Corrupt {
            at,
            bits,
            checksums
        }),
        (any::<u16>(), lengths).prop_map(|(to, lengths)| Action::Truncate { to, lengths }),
        (1..=u64::MAX).prop_map(|bits| Action::Rate(Rate(bits))),
        (name(), of(time())).prop_map(|(until, limit)| Action::Hold { until, limit }),
        of(time()).prop_map(Action::Blackhole),
        one_of(&[Ecn::NotEct, Ecn::Ect1, Ecn::Ect0, Ecn::Ce]).prop_map(Action::Mark),
        field.prop_map(Action::Set),
        any::<u8>().prop_map(|kind| Action::Strip(TcpOption(kind))),
        any::<u16>().prop_map(Action::Split),
        time().prop_map(Action::Merge),
        forge().prop_map(Action::Forge),
        neighbor().prop_map(Action::Neighbor),
        link().prop_map(Action::Link),
        of(1..=u16::MAX).prop_map(Action::Mtu),
        any::<u32>().prop_map(Action::Tag),
        any::<u32>().prop_map(Action::Hook),
    ]
}

pub(super) fn rule() -> impl Strategy<Value = Rule> {
    let actions = prop::collection::vec(action(), 0..=4)
        .prop_map(|actions| Short::of(Action::Drop, &actions).unwrap());
    let outcomes = [Outcome::ChallengeAck, Outcome::Rst, Outcome::Retransmission, Outcome::Silence];
    let rest = (
        one_of(&[Then::AsUsual, Then::Continue, Then::Stop]),
        one_of(&[Rematch::No, Rematch::Yes]),
        of(span(u64::MAX)),
        of(one_of(&outcomes)),
        one_of(&[Switch::On, Switch::Off]),
    );
    (name(), matches(), when(), actions, rest).prop_map(|(name, matches, when, actions, rest)| {
        let (then, rematch, expect, outcome, switch) = rest;
        Rule { name, matches, when, actions, then, rematch, expect, outcome, switch }
    })
}

fn event() -> impl Strategy<Value = Event> {
    let act = prop_oneof![
        link().prop_map(EventAct::Link),
        of(1..=u16::MAX).prop_map(EventAct::Mtu),
        (neighbor(), of(time())).prop_map(|(fault, length)| EventAct::Neighbor(fault, length)),
        Just(EventAct::Release),
        (name(), one_of(&[Switch::On, Switch::Off]))
            .prop_map(|(rule, switch)| EventAct::Switch(rule, switch)),
    ];
    (prop_oneof![name(), Just(Name::NONE)], time(), act).prop_map(|(name, at, act)| Event {
        name,
        at,
        act,
    })
}

fn model() -> impl Strategy<Value = Model> {
    let loss =
        prop_oneof![
            Just(Loss::None),
            (share(), share())
                .prop_map(|(prob, correlation)| Loss::Bernoulli { prob, correlation }),
            (share(), share(), share(), share())
                .prop_map(|(p, r, good, bad)| Loss::GilbertElliott { p, r, good, bad }),
        ];
    let reorder = of((share(), any::<u32>()).prop_map(|(prob, gap)| Overtaking { prob, gap }));
    let queue = prop_oneof![
        Just(Limit::None),
        any::<u32>().prop_map(Limit::Bytes),
        any::<u32>().prop_map(Limit::Packets)
    ];
    let any = (of((1..=u64::MAX).prop_map(Rate)), delay(), loss, share(), share(), reorder, queue)
        .prop_map(|(rate, delay, loss, duplicate, corrupt, reorder, queue)| Model {
            rate,
            delay,
            loss,
            duplicate,
            corrupt,
            reorder,
            queue,
        });
    prop_oneof![3 => any, 1 => Just(Model::IDEAL)]
}

/// A document that makes sense: names are different, and what is referred to exists.
pub(super) fn document() -> impl Strategy<Value = Document> {
    let profile = of(prop::sample::select(
        Profile::ALL.map(|profile| Profile::named(profile.name).unwrap()).to_vec(),
    ));
    let head = (
        of(any::<u64>()),
        of(one_of(&[Clock::Virtual, Clock::Real])),
        of(one_of(&[Decide::Stream, Decide::Hash])),
        profile,
        (model(), model(), any::<bool>()),
        of(Just(Nothing {})),
        of(Just(Nothing {})),
    );
    let rules = prop::collection::vec(rule(), 0..5);
    let events = prop::collection::vec(event(), 0..4);
    (head, rules, events).prop_map(|(head, mut rules, mut events)| {
        let (seed, clock, decide, profile, (tx, rx, same), scenario, expect) = head;
        let mut known: Vec<Name> = Vec::new();
        rules.retain(|rule| {
            let new = !known.contains(&rule.name);
            known.push(rule.name);
            new
        });
        events.sort_by_key(|event| event.at);
        for event in &mut events {
            if known.contains(&event.name) {
                event.name = Name::NONE;
            }
            known.push(event.name);
        }
        let target = rules.first().map(|rule| rule.name);
        for rule in &mut rules {
            rule.when.after_rule = rule.when.after_rule.and(target);
            let mut actions = rule.actions.to_vec();
            for action in &mut actions {
                if let (Action::Hold { until, .. }, Some(target)) = (action, target) {
                    *until = target;
                }
            }
            rule.actions = Short::of(Action::Drop, &actions).unwrap();
        }
        for event in &mut events {
            if let EventAct::Switch(rule, _) = &mut event.act {
                match target {
                    Some(target) => *rule = target,
                    None => event.act = EventAct::Release,
                }
            }
        }
        Document {
            seed,
            clock,
            decide,
            profile,
            tx,
            rx: if same { tx } else { rx },
            scenario,
            expect,
            rules,
            events,
            ..Document::default()
        }
    })
}
