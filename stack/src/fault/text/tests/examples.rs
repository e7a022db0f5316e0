//! Scripts as people write them.

use alloc::vec::Vec;

use smoltcp::time::Duration;

use super::*;
use crate::link::Direction;

const LOSSY_HANDSHAKE: &str = r##"
version = 1
seed    = 0x5eed
clock   = "virtual"
profile = "3g"

[link.tx]
rate   = "2 Mbit/s"
delay  = { mean = "40 ms", jitter = "10 ms", dist = "normal", correlation = 0.25 }
loss   = { model = "gilbert-elliott", p = 0.01, r = 0.3, good = 0.0, bad = 1.0 }
queue  = { limit = "64 KiB", policy = "drop-tail" }

[scenario]
program = "connect"

[expect]
result = "connected"
within = "2 s"

[[rule]]
name   = "lose-1st-synack"
match  = { dir = "rx", proto = "tcp", flags = "+SYN +ACK", dport = 49152 }
when   = { nth = 1, scope = "flow" }
do     = "drop"
expect = { hits = 1 }

[[rule]]
name   = "corrupt-payload-with-valid-checksum"
match  = { dir = "tx", proto = "tcp", payload = "> 0", sport = [80, "8000..=8010"] }
when   = { prob = 0.01, from = "2 s", until = "10 s" }
do     = { corrupt = { at = "payload", bits = 1, fix-checksums = true } }

[[rule]]
name   = "blind-reset"
match  = { dir = "tx", proto = "tcp", flags = "-SYN" }
when   = { after-bytes = 100_000, nth = 1, scope = "flow" }
do     = { forge-rst = { to = "stack", seq = "in-window" } }
expect = { hits = 1, outcome = "challenge-ack" }

[[rule]]
name   = "icmp-admin-prohibited"
match  = { dir = "tx", proto = "tcp", retransmission = true }
do     = { forge-icmp = { type = "unreachable", code = "admin-prohibited", quote-seq = "in-flight" } }

[[event]]
at = "5 s"
do = { link = "down", for = "800 ms" }
[[event]]
at = "7 s"
do = { arp = "silence", for = "3 s" }
[[event]]
at = "12 s"
do = { flap = { period = "200 ms", count = 10 } }
"##;

#[test]
fn a_whole_script() {
    let read: Document<toml::Table, toml::Table> = LOSSY_HANDSHAKE.parse().unwrap();
    assert_eq!((read.seed, read.clock), (Some(0x5eed), Some(Clock::Virtual)));
    assert_eq!(read.decides(), Decide::Stream);
    let profile = Profile::named("3g").unwrap();
    assert_eq!(read.profile, Some(profile));
    assert_eq!(read.rx, profile.rx);
    let delay = Delay {
        mean: Duration::from_millis(40),
        jitter: Duration::from_millis(10),
        dist: Distribution::Normal,
        correlation: 0.25,
    };
    let loss = Loss::GilbertElliott { p: 0.01, r: 0.3, good: 0.0, bad: 1.0 };
    let queue = Limit::Bytes(65_536);
    let rate = Some(Rate(2_000_000));
    assert_eq!(read.tx, Model { rate, delay, loss, queue, ..Model::IDEAL });
    assert_eq!(read.scenario.as_ref().unwrap()["program"].as_str(), Some("connect"));
    assert_eq!(read.expect.as_ref().unwrap()["within"].as_str(), Some("2 s"));

    let tcp = |dir| Match { dir: Some(dir), proto: Some(Proto::Tcp), ..Match::ANY };
    let (rx, tx) = (Direction::Inbound, Direction::Outbound);
    let sport = ports(&[Span::only(80), Span::new(8000, 8010)]);
    let corrupt = Action::Corrupt { at: Part::Payload, bits: 1, checksums: Checksums::Fix };
    let within = When {
        from: Some(Duration::from_secs(2)),
        until: Some(Duration::from_secs(10)),
        ..When::prob(0.01)
    };
    let icmp = Forge::Icmp {
        error: IcmpFault::Unreachable { v4: 13, v6: 1 },
        from: None,
        quote: QuoteSeq::InFlight,
    };
    let reset = Forge::Rst { to: Side::Stack, seq: Seq::InWindow };
    let rules = [
        Rule::new("lose-1st-synack")
            .on(Match {
                flags: Some(Flags::Some { set: SYN | ACK, clear: 0 }),
                dport: port(49152),
                ..tcp(rx)
            })
            .when(When::nth(1).per_flow())
            .does(&[Action::Drop])
            .expecting(1, 1),
        Rule::new("corrupt-payload-with-valid-checksum")
            .on(Match { payload: Some(Span::from(1)), sport, ..tcp(tx) })
            .when(within)
            .does(&[corrupt]),
        Rule {
            outcome: Some(Outcome::ChallengeAck),
            ..Rule::new("blind-reset")
                .on(Match { flags: Some(Flags::Some { set: 0, clear: SYN }), ..tcp(tx) })
                .when(When { after_bytes: Some(100_000), ..When::nth(1).per_flow() })
                .does(&[Action::Forge(reset)])
                .expecting(1, 1)
        },
        Rule::new("icmp-admin-prohibited")
            .on(Match { retransmission: Some(true), ..tcp(tx) })
            .does(&[Action::Forge(icmp)]),
    ];
    assert_eq!(read.rules, rules);
    let event = |seconds, act| Event { name: Name::NONE, at: Duration::from_secs(seconds), act };
    let events = [
        event(5, EventAct::Link(LinkFault::Down(Some(Duration::from_millis(800))))),
        event(7, EventAct::Neighbor(NeighborFault::Silence, Some(Duration::from_secs(3)))),
        event(
            12,
            EventAct::Link(LinkFault::Flap { period: Duration::from_millis(200), count: 10 }),
        ),
    ];
    assert_eq!(read.events, events);
    assert_eq!(read.script(3).check(), Ok(()));
}

/// What is written is the language as one would write it.
#[test]
fn a_whole_script_as_it_is_written() {
    let read: Document<toml::Table, toml::Table> = LOSSY_HANDSHAKE.parse().unwrap();
    let expected = r#"version = 1
seed = 0x5eed
clock = "virtual"
profile = "3g"

[link.tx]
rate = "2 Mbit/s"
delay = { mean = "40 ms", jitter = "10 ms", dist = "normal", correlation = 0.25 }
loss = { model = "gilbert-elliott", p = 0.01, r = 0.3, good = 0.0, bad = 1.0 }

[scenario]
program = "connect"

[expect]
result = "connected"
within = "2 s"

[[rule]]
name = "lose-1st-synack"
match = { dir = "rx", proto = "tcp", dport = 49152, flags = "+SYN +ACK" }
when = { nth = 1, scope = "flow" }
do = "drop"
expect = { hits = 1 }

[[rule]]
name = "corrupt-payload-with-valid-checksum"
match = { dir = "tx", proto = "tcp", sport = [80, "8000..=8010"], payload = ">= 1" }
when = { prob = 0.01, from = "2 s", until = "10 s" }
do = { corrupt = { at = "payload", bits = 1, fix-checksums = true } }

[[rule]]
name = "blind-reset"
match = { dir = "tx", proto = "tcp", flags = "-SYN" }
when = { nth = 1, scope = "flow", after-bytes = 100000 }
do = { forge-rst = { to = "stack", seq = "in-window" } }
expect = { hits = 1, outcome = "challenge-ack" }

[[rule]]
name = "icmp-admin-prohibited"
match = { dir = "tx", proto = "tcp", retransmission = true }
do = { forge-icmp = { type = "unreachable", code = "admin-prohibited" } }

[[event]]
at = "5 s"
do = { link = "down", for = "800 ms" }

[[event]]
at = "7 s"
do = { neighbor = "silence", for = "3 s" }

[[event]]
at = "12 s"
do = { flap = { period = "200 ms", count = 10 } }
"#;
    assert_eq!(read.to_string(), expected);
    assert_eq!(expected.parse(), Ok(read));
}

#[test]
fn lines() {
    let cases = [
        ("tx tcp dport=80 flags=+SYN nth=3 drop", "tx tcp dport=80 flags=+SYN nth=3 drop"),
        (
            "name=slow rx prob=0.01 delay=40ms jitter=10ms",
            "name=slow rx prob=0.01 delay={mean=40ms,jitter=10ms}",
        ),
        ("  drop   tx\tnth=3,7,9 ", "tx nth=[3,7,9] drop"),
        ("flags=\"+SYN -ACK\" drop", "flags=+SYN-ACK drop"),
        ("flags==RST+ACK mark-ecn-ce", "flags==RST+ACK mark-ecn=ce"),
        ("sport=80,8000-8010 payload=>0 drop", "sport=[80,8000..=8010] payload=>=1 drop"),
        ("proto=tcp prob=\"1 %\" drop expect=1", "tcp prob=0.01 drop expect=1"),
        ("after=5 after-rule=x blackhole=\"5 s\"", "after=5 after-rule=x blackhole=5s"),
        ("after={rule=x} link=down for=800ms", "after-rule=x link=down for=800ms"),
        ("drop delay=1ms delay=2ms then=continue", "drop delay=1ms delay=2ms then=continue"),
        ("forge-icmp={type=time-exceeded}", "forge-icmp={type=time-exceeded,code=hop-limit}"),
        ("arp neighbor=wrong-mac", "arp neighbor=wrong-mac mac=02:00:00:00:de:ad"),
        ("contains=\"GET /\" hold-until=x limit=2s", "contains=\"GET /\" hold-until=x limit=2s"),
        ("contains={hex=00ff} pass rematch", "contains={hex=00ff} pass rematch"),
        ("fragment=false retransmission drop", "fragment=false retransmission drop"),
        (
            "icmp icmp-type=unreachable icmp-code=port drop",
            "icmp icmp-type=unreachable icmp-code=port drop",
        ),
        (
            "conn=established expect=>=2 outcome=rst forge-rst",
            "conn=established forge-rst={to=stack,seq=exact} expect=>=2 outcome=rst",
        ),
    ];
    for (line, written) in cases {
        let rule: Rule = line.parse().unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(rule.to_string(), written);
        assert_eq!(written.parse(), Ok(rule));
    }
}

#[test]
fn names_that_are_made_from_the_text() {
    let names: Vec<String> = [
        "drop",
        "tx tcp nth=3 drop",
        "tcp  tx drop nth=3",
        "tx tcp dport=80 flags=+SYN-ACK conn=handshake nth=3 drop",
    ]
    .map(|line| line.parse::<Rule>().unwrap().name.to_string())
    .into();
    assert_eq!(names[0], "drop");
    assert_eq!(names[1], names[2]);
    assert_eq!(names[3].len(), 48);
    assert_eq!(names[3], "tx-tcp-dport-80-flags-SYN-ACK-conn-hand-fc0bdd8a");
}

/// Every way to say an action, and what it means.
#[test]
fn actions() {
    let cases: &[(&str, Action)] = &[
        ("\"drop\"", Action::Drop),
        ("{ drop = true }", Action::Drop),
        ("{ delay = \"40 ms\" }", Action::Delay(Delay::fixed(Duration::from_millis(40)))),
        (
            "{ delay = \"40 ms\", jitter = \"1.5 ms\" }",
            Action::Delay(Delay::uniform(Duration::from_millis(40), Duration::from_micros(1_500))),
        ),
        (
            "{ reorder = { prob = \"25 %\", gap = 3 } }",
            Action::Reorder { prob: 0.25, gap: 3, limit: Duration::from_secs(1) },
        ),
        (
            "{ duplicate = { n = 2, delay = \"1 ms\" } }",
            Action::Duplicate { copies: 2, delay: Duration::from_millis(1) },
        ),
        ("\"duplicate\"", Action::Duplicate { copies: 1, delay: Duration::ZERO }),
        (
            "{ corrupt = { at = 20, bits = 3 } }",
            Action::Corrupt { at: Part::Byte(20), bits: 3, checksums: Checksums::Leave },
        ),
        (
            "{ truncate = { to = 60, fix-lengths = true } }",
            Action::Truncate { to: 60, lengths: Lengths::Fix },
        ),
        ("{ truncate = 60 }", Action::Truncate { to: 60, lengths: Lengths::Leave }),
        ("{ rate = \"64 kbit/s\" }", Action::Rate(Rate(64_000))),
        (
            "{ hold-until = \"r\", limit = \"2 min\" }",
            Action::Hold { until: Name::literal("r"), limit: Some(Duration::from_secs(120)) },
        ),
        ("{ blackhole = { for = \"5 s\" } }", Action::Blackhole(Some(Duration::from_secs(5)))),
        ("\"blackhole\"", Action::Blackhole(None)),
        ("\"mark-ecn-ce\"", Action::Mark(Ecn::Ce)),
        ("{ mark-ecn = \"ect0\" }", Action::Mark(Ecn::Ect0)),
        ("{ set-ttl = 1 }", Action::Set(Field::Ttl(1))),
        ("{ set-win = 0 }", Action::Set(Field::Win(0))),
        ("{ set-mss = 536 }", Action::Set(Field::Mss(536))),
        ("{ strip-option = \"ts\" }", Action::Strip(TcpOption::TIMESTAMPS)),
        ("{ strip-option = 77 }", Action::Strip(TcpOption(77))),
        ("{ split = 100 }", Action::Split(100)),
        ("{ merge = \"10 ms\" }", Action::Merge(Duration::from_millis(10))),
        ("\"forge-syn\"", Action::Forge(Forge::Syn { to: Side::Stack, seq: Seq::Exact })),
        (
            "{ forge-fin = { to = \"peer\", seq = \"out-of-window\" } }",
            Action::Forge(Forge::Fin { to: Side::Peer, seq: Seq::OutOfWindow }),
        ),
        (
            "{ forge-ack = { dup-ack = 3 } }",
            Action::Forge(Forge::Ack { to: Side::Stack, ack: AckOf::Duplicate(3) }),
        ),
        (
            "{ forge-ack = { ack-beyond = 9 } }",
            Action::Forge(Forge::Ack { to: Side::Stack, ack: AckOf::Beyond(9) }),
        ),
        (
            "{ forge-icmp = { type = \"frag-needed\", mtu = 1280, from = \"10.0.0.9\" } }",
            Action::Forge(Forge::Icmp {
                error: IcmpFault::FragmentationNeeded(1280),
                from: Some("10.0.0.9".parse().unwrap()),
                quote: QuoteSeq::InFlight,
            }),
        ),
        (
            "{ forge-icmp = \"source-quench\" }",
            Action::Forge(Forge::Icmp {
                error: IcmpFault::SourceQuench,
                from: None,
                quote: QuoteSeq::InFlight,
            }),
        ),
        ("{ arp = \"silence\" }", Action::Neighbor(NeighborFault::Silence)),
        ("{ nd = \"flood\" }", Action::Neighbor(NeighborFault::Flood(100))),
        (
            "{ arp = \"conflict\", mac = \"02:00:00:00:00:09\" }",
            Action::Neighbor(NeighborFault::Conflict(smoltcp::wire::EthernetAddress([
                2, 0, 0, 0, 0, 9,
            ]))),
        ),
        ("{ link = \"up\" }", Action::Link(LinkFault::Up)),
        ("{ mtu = 1280 }", Action::Mtu(Some(1280))),
        ("{ mtu = \"link\" }", Action::Mtu(None)),
        ("{ set-tag = 4 }", Action::Tag(4)),
        ("{ hook = 5 }", Action::Hook(5)),
    ];
    for (text, action) in cases {
        let text = alloc::format!("version = 1\n[[rule]]\nname = \"r\"\ndo = {text}\n");
        let read: Document = text.parse().unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(*read.rules[0].actions, [*action], "{text}");
    }
    let several = "version = 1\n[[rule]]\nname = \"r\"\ndo = [{ delay = \"1 ms\" }, \"drop\"]";
    assert_eq!(several.parse::<Document>().unwrap().rules[0].actions.len(), 2);
}

#[test]
fn links() {
    let of = |text: &str| {
        let text = alloc::format!("version = 1\n{text}");
        let read: Document = text.parse().unwrap_or_else(|error| panic!("{error}"));
        (read.tx, read.rx)
    };
    let lost = Model { loss: Loss::Bernoulli { prob: 0.01, correlation: 0.0 }, ..Model::IDEAL };
    assert_eq!(of("[link]\nloss = \"1 %\""), (lost, lost));
    assert_eq!(of("[link]\nloss = 0.01\n[link.rx]\nloss = \"none\""), (lost, Model::IDEAL));
    let packets = Model { queue: Limit::Packets(100), ..Model::IDEAL };
    assert_eq!(of("[link.rx]\nqueue = \"100 packets\""), (Model::IDEAL, packets));
    let satellite = Profile::named("satellite").unwrap();
    let (tx, rx) = of("profile = \"satellite\"\n[link.tx]\nrate = \"unlimited\"");
    assert_eq!((tx, rx), (Model { rate: None, ..satellite.tx }, satellite.rx));
    for profile in Profile::ALL {
        assert_eq!(Profile::named(profile.name), Some(&profile));
    }
}

#[test]
fn a_real_clock_decides_by_hash_unless_the_script_says_otherwise() {
    let decides = |text: &str| text.parse::<Document>().unwrap().script(0).decide;
    assert_eq!(decides("version = 1"), Decide::Stream);
    assert_eq!(decides("version = 1\nclock = \"real\""), Decide::Hash);
    assert_eq!(decides("version = 1\nclock = \"real\"\ndecide = \"stream\""), Decide::Stream);
}

#[test]
fn seeds() {
    let seed = |text: &str| {
        alloc::format!("version = 1\nseed = {text}").parse::<Document>().map(|it| it.seed)
    };
    assert_eq!(seed("0"), Ok(Some(0)));
    assert_eq!(seed("0xffff_ffff_ffff_ffff"), Ok(Some(u64::MAX)));
    assert_eq!(seed("\"0xffffffffffffffff\""), Ok(Some(u64::MAX)));
    assert!(seed("18446744073709551616").is_err());
    assert!(seed("-1").is_err());
}
