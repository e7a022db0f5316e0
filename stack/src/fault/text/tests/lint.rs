//! What is warned about, each with something like it that is not.

use alloc::vec::Vec;

use smoltcp::time::Duration;

use super::*;

fn document(text: &str) -> Document {
    let text = alloc::format!("version = 1\n{text}");
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

/// The first text has this warning and no other, the second none.
#[track_caller]
fn pair(lint: Lint, warns: &str, quiet: &str) {
    let found = |text: &str| -> Vec<Lint> {
        document(text).lint().into_iter().map(|warning| warning.lint).collect()
    };
    assert_eq!(found(warns), [lint], "{:#?}", document(warns).lint());
    assert_eq!(found(quiet), [], "{:#?}", document(quiet).lint());
}

/// Rules "a", "b" and so on with these fields.
fn rules(fields: &[&str]) -> String {
    let names = ["a", "b", "c", "d"];
    let rules = fields.iter().zip(names);
    rules.map(|(fields, name)| alloc::format!("[[rule]]\nname = \"{name}\"\n{fields}\n")).collect()
}

#[track_caller]
fn rule_pair(lint: Lint, warns: &[&str], quiet: &[&str]) {
    pair(lint, &rules(warns), &rules(quiet));
}

const DROP: &str = "do = \"drop\"";

#[test]
fn rules_that_no_frame_reaches() {
    let tcp = "match = { proto = \"tcp\" }\ndo = \"drop\"";
    let web = "match = { proto = \"tcp\", dport = [80, \"90..=95\"], flags = \"+SYN -ACK\" }\ndo = \"drop\"";
    let cases: &[(&[&str], &[&str])] = &[
        (&[DROP, tcp], &[tcp, DROP]),
        (&[tcp, web], &[web, tcp]),
        (&["do = \"blackhole\"", tcp], &["do = { delay = \"1 ms\" }", tcp]),
        (&["do = \"pass\"\nthen = \"stop\"", tcp], &["do = \"pass\"", tcp]),
        (&[tcp, tcp], &["match = { proto = \"tcp\" }\ndo = \"drop\"\nthen = \"continue\"", tcp]),
        (&[tcp, web], &["match = { proto = \"tcp\" }\nwhen = { first = 3 }\ndo = \"drop\"", web]),
        (
            &["match = { dport = \"80..=100\" }\ndo = \"drop\"", web],
            &["match = { dport = \"80..=94\" }\ndo = \"drop\"", web],
        ),
        (
            &["match = { flags = \"+SYN\" }\ndo = \"drop\"", web],
            &["match = { flags = \"+ACK\" }\ndo = \"drop\"", web],
        ),
        (
            &[
                "match = { src = \"10.0.0.0/8\" }\ndo = \"drop\"",
                "match = { src = \"10.1.0.0/16\" }\ndo = \"drop\"",
            ],
            &[
                "match = { src = \"10.0.0.0/8\" }\ndo = \"drop\"",
                "match = { src = \"11.1.0.0/16\" }\ndo = \"drop\"",
            ],
        ),
        (
            &[
                "match = { contains = \"GET\" }\ndo = \"drop\"",
                "match = { contains = \"GET /\" }\ndo = \"drop\"",
            ],
            &[
                "match = { contains = \"GET /\" }\ndo = \"drop\"",
                "match = { contains = \"GET\" }\ndo = \"drop\"",
            ],
        ),
        // What is changed in between may make a frame that the first did not see.
        (
            &[
                "match = { ttl = 3 }\ndo = \"drop\"",
                "do = { delay = \"1 ms\" }",
                "match = { ttl = 3 }\ndo = \"drop\"",
            ],
            &[
                "match = { ttl = 3 }\ndo = \"drop\"",
                "do = { set-ttl = 3 }",
                "match = { ttl = 3 }\ndo = \"drop\"",
            ],
        ),
    ];
    for (warns, quiet) in cases {
        rule_pair(Lint::Unreachable, warns, quiet);
    }
    let off = "[[event]]\nat = \"1 s\"\ndo = { switch-off = \"a\" }";
    let both = rules(&[DROP, tcp]);
    pair(Lint::Unreachable, &both, &alloc::format!("{both}{off}"));
}

#[test]
fn chance_without_a_seed() {
    let by_chance = "[[rule]]\nname = \"a\"\nwhen = { prob = 0.5 }\ndo = \"drop\"";
    pair(Lint::NoSeed, by_chance, &alloc::format!("seed = 0\n{by_chance}"));
    rule_pair(
        Lint::NoSeed,
        &["when = { prob = 0.5 }\ndo = \"drop\""],
        &["when = { prob = 1.0 }\ndo = \"drop\""],
    );
    let loss = "[link.tx]\nloss = 0.1\n";
    pair(Lint::NoSeed, loss, &alloc::format!("seed = 1\n{loss}"));
    let profile = "profile = \"lossy100\"\n";
    pair(Lint::NoSeed, profile, &alloc::format!("seed = 1\n{profile}"));
}

#[test]
fn counting_where_the_order_differs() {
    let nth = "[[rule]]\nname = \"a\"\nwhen = { nth = 3 }\ndo = \"drop\"";
    pair(Lint::CountByHash, &alloc::format!("clock = \"real\"\n{nth}"), nth);
    let real = alloc::format!("decide = \"hash\"\n{nth}");
    pair(Lint::CountByHash, &real, &alloc::format!("clock = \"real\"\ndecide = \"stream\"\n{nth}"));
    let syn = "decide = \"hash\"\n[[rule]]\nname = \"a\"\nmatch = { flags = \"+SYN\" }\nwhen = { first = 2, scope = \"flow\" }\ndo = \"drop\"";
    pair(Lint::CountByHash, &syn.replace("+SYN", "-SYN"), syn);
}

#[test]
fn damage_that_is_loss() {
    rule_pair(
        Lint::CorruptIsLoss,
        &["do = { corrupt = { at = \"payload\" } }"],
        &["do = { corrupt = { at = \"payload\", fix-checksums = true } }"],
    );
    rule_pair(
        Lint::CorruptIsLoss,
        &["do = \"corrupt\""],
        &["match = { proto = \"arp\" }\ndo = \"corrupt\""],
    );
}

#[test]
fn delay_without_a_limit() {
    let delay = "[link.rx]\ndelay = \"40 ms\"\n";
    pair(Lint::NoQueueLimit, delay, &alloc::format!("{delay}queue = \"100 packets\""));
    pair(Lint::NoQueueLimit, delay, "[link.rx]\nrate = \"1 Mbit/s\"");
}

#[test]
fn looking_for_what_is_forged() {
    let reset = "match = { dir = \"tx\", flags = \"+SYN\" }\ndo = \"forge-rst\"";
    let cases = [
        (
            reset,
            "match = { dir = \"rx\", flags = \"+RST\" }",
            "match = { dir = \"tx\", flags = \"+RST\" }",
        ),
        (
            "match = { dir = \"tx\" }\ndo = \"forge-fin\"",
            "match = { flags = \"=FIN +ACK\" }",
            "match = { flags = \"=ACK\" }",
        ),
        (
            "match = { dir = \"tx\" }\ndo = { forge-icmp = { type = \"unreachable\", code = \"port\" } }",
            "match = { dir = \"rx\", proto = \"icmp\" }",
            "match = { dir = \"tx\", proto = \"icmp\" }",
        ),
        (
            "match = { dir = \"rx\" }\ndo = { forge-syn = { to = \"peer\" } }",
            "match = { dir = \"tx\", flags = \"+SYN -ACK\" }",
            "match = { dir = \"rx\", flags = \"+SYN -ACK\" }",
        ),
    ];
    for (forges, warns, quiet) in cases {
        let of = |matches: &str| rules(&[forges, &alloc::format!("{matches}\n{DROP}")]);
        pair(Lint::ForgedMeetsNoRule, &of(warns), &of(quiet));
    }
}

#[test]
fn actions_that_do_nothing() {
    let cases = [
        ("proto = \"udp\"", "{ strip-option = \"ts\" }", "proto = \"tcp\""),
        ("proto = \"udp\"", "\"forge-rst\"", "dport = 80"),
        ("ethertype = \"arp\"", "{ split = 10 }", "ethertype = \"ipv6\""),
        ("proto = \"arp\"", "{ set-ttl = 1 }", "proto = \"icmp\""),
        ("proto = \"arp\"", "\"mark-ecn-ce\"", "proto = \"udp\""),
        ("flags = \"+SYN\"", "{ arp = \"silence\" }", "dir = \"tx\""),
        ("proto = \"icmp\"", "{ nd = \"silence\" }", "proto = \"nd\""),
    ];
    for (excludes, action, admits) in cases {
        let of = |matches: &str| alloc::format!("match = {{ {matches} }}\ndo = {action}");
        rule_pair(Lint::NoEffect, &[&of(excludes)], &[&of(admits)]);
    }
}

#[test]
fn matches_of_nothing() {
    let cases = [
        ("proto = \"udp\", flags = \"+SYN\"", "proto = \"tcp\", flags = \"+SYN\""),
        ("proto = \"icmp\", dport = 80", "proto = \"udp\", dport = 80"),
        ("proto = \"tcp\", icmp-type = 3", "proto = \"icmp\", icmp-type = 3"),
        ("proto = \"udp\", retransmission = true", "proto = \"udp\", retransmission = false"),
    ];
    for (never, sometimes) in cases {
        let of = |matches: &str| alloc::format!("match = {{ {matches} }}\n{DROP}");
        rule_pair(Lint::NoMatch, &[&of(never)], &[&of(sometimes)]);
    }
}

#[test]
fn what_is_held_for_ever() {
    let hold = "match = { dir = \"tx\" }\ndo = { hold-until = \"b\" }";
    let limited = "match = { dir = \"tx\" }\ndo = { hold-until = \"b\", limit = \"1 s\" }";
    let drop =
        |when: &str| alloc::format!("match = {{ dir = \"rx\" }}\nwhen = {{ {when} }}\n{DROP}");
    let lints = |first: &str, when: &str| -> Vec<Lint> {
        let text = rules(&[first, &drop(when)]);
        document(&text).lint().into_iter().map(|warning| warning.lint).collect()
    };
    let both = [Lint::NeverReleased, Lint::NeverFires];
    assert_eq!(lints(hold, "budget = 0"), both);
    assert_eq!(lints(limited, "budget = 0"), both[1..]);
    assert_eq!(lints(hold, "budget = 1"), []);
}

#[test]
fn what_never_fires() {
    rule_pair(
        Lint::NeverFires,
        &["when = { budget = 0 }\ndo = \"drop\""],
        &["when = { budget = 1 }\ndo = \"drop\""],
    );
    rule_pair(
        Lint::NeverFires,
        &["when = { prob = 0.0 }\ndo = \"drop\""],
        &["when = { prob = 1.0 }\ndo = \"drop\""],
    );
    let second = Some(Duration::from_secs(1));
    let mut document: Document = document(&rules(&[DROP]));
    let when = When { from: second, until: Some(Duration::from_secs(2)), ..When::ALWAYS };
    document.rules[0].when = when;
    assert_eq!(document.lint(), []);
    document.rules[0].when.until = second;
    let found: Vec<Lint> = document.lint().iter().map(|warning| warning.lint).collect();
    assert_eq!(found, [Lint::NeverFires]);
}

#[test]
fn what_is_switched_off_for_good() {
    let off = rules(&["do = \"drop\"\nswitch = \"off\""]);
    let on = alloc::format!("{off}[[event]]\nat = \"1 s\"\ndo = {{ switch-on = \"a\" }}");
    pair(Lint::NeverOn, &off, &on);
}

#[test]
fn a_warning_points_at_its_cause() {
    let text = rules(&["when = { nth = 1, budget = 0 }\ndo = \"drop\""]);
    let warnings = document(&text).lint();
    let shown = warnings[0].clone().in_file("x.toml").to_string();
    let expected = "x.toml:4:28: with a budget of 0 it never fires\n  |\n4 | when = { nth = 1, budget = 0 }\n  |                            ^";
    assert_eq!(shown, expected);
    // Changed, it is what the document would be written as.
    let mut document = document(&text);
    document.seed = Some(1);
    assert_eq!(document.lint()[0].text.line, 6);
}

#[test]
fn every_profile_is_free_of_warnings() {
    for profile in Profile::ALL {
        let text = alloc::format!("seed = 1\nprofile = \"{}\"", profile.name);
        assert_eq!(document(&text).lint(), []);
    }
}

#[test]
fn a_hook_needs_a_program() {
    let (warns, quiet) = (rules(&["do = { hook = 3 }"]), rules(&["do = \"drop\""]));
    pair(Lint::NeedsHook, &warns, &quiet);
}
