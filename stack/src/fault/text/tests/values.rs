//! Values at their limits: the last that works and the first that does not.

use alloc::format;

use smoltcp::time::Duration;

use super::*;

fn delay(text: &str) -> Option<u64> {
    let rule: Rule = format!("delay=\"{text}\"").parse().ok()?;
    match rule.actions.first() {
        Some(Action::Delay(delay)) => Some(delay.mean.total_micros()),
        _ => None,
    }
}

#[test]
fn times() {
    let cases = [
        ("40 ms", Some(40_000)),
        ("40ms", Some(40_000)),
        (" 1.5 s ", Some(1_500_000)),
        ("0.000001 s", Some(1)),
        ("0.0000001 s", None),
        ("0.5 us", None),
        ("1.50 us", None),
        ("1.0 us", Some(1)),
        ("2 min", Some(120_000_000)),
        ("1 h", Some(3_600_000_000)),
        ("100 µs", Some(100)),
        ("1_000 us", Some(1_000)),
        ("18446744073709551615 us", Some(u64::MAX)),
        ("18446744073709551616 us", None),
        ("18446744073709.551616 s", None),
        ("0 s", Some(0)),
        ("-1 s", None),
        ("1. s", None),
        (".5 s", None),
        ("1.2.3 s", None),
        ("1e3 s", None),
        ("s", None),
        ("", None),
        ("5 days", None),
    ];
    for (text, micros) in cases {
        assert_eq!(delay(text), micros, "{text}");
    }
}

#[test]
fn rates() {
    let rate = |text: &str| -> Option<u64> {
        let rule: Rule = format!("rate=\"{text}\"").parse().ok()?;
        match rule.actions.first() {
            Some(Action::Rate(rate)) => Some(rate.0),
            _ => None,
        }
    };
    let cases = [
        ("64 kbit/s", Some(64_000)),
        ("2 Mbit/s", Some(2_000_000)),
        ("2mbit", Some(2_000_000)),
        ("1.5 Gbit/s", Some(1_500_000_000)),
        ("1 MB/s", Some(8_000_000)),
        ("1 bit/s", Some(1)),
        ("0 bit/s", None),
        ("1 bps", None),
        ("1", None),
    ];
    for (text, bits) in cases {
        assert_eq!(rate(text), bits, "{text}");
    }
}

#[test]
fn sizes() {
    let queue = |text: &str| -> Option<Limit> {
        let text = format!("version = 1\n[link.tx]\nqueue = {text}");
        text.parse::<Document>().ok().map(|document| document.tx.queue)
    };
    let cases = [
        ("\"64 KiB\"", Some(Limit::Bytes(65_536))),
        ("\"1 MB\"", Some(Limit::Bytes(1_000_000))),
        ("\"1500 B\"", Some(Limit::Bytes(1_500))),
        ("\"4294967295 B\"", Some(Limit::Bytes(u32::MAX))),
        ("\"4 GiB\"", None),
        ("\"100 packets\"", Some(Limit::Packets(100))),
        ("\"1500\"", None),
        ("1500", None),
        ("\"none\"", Some(Limit::None)),
    ];
    for (text, limit) in cases {
        assert_eq!(queue(text), limit, "{text}");
    }
    let bytes = |text: &str| -> Option<u64> {
        format!("after-bytes={text} drop").parse::<Rule>().ok()?.when.after_bytes
    };
    assert_eq!((bytes("1500"), bytes("64KiB")), (Some(1_500), Some(65_536)));
}

#[test]
fn ranges() {
    let range = |text: &str| -> Option<(u64, u64)> {
        let rule: Rule = format!("payload=\"{text}\" drop").parse().ok()?;
        rule.matches.payload.map(|span| (span.first, span.last))
    };
    let cases = [
        ("5", Some((5, 5))),
        ("0x10", Some((16, 16))),
        ("> 0", Some((1, u64::MAX))),
        (">=100", Some((100, u64::MAX))),
        ("< 10", Some((0, 9))),
        ("< 0", None),
        ("<= 0", Some((0, 0))),
        ("5..=9", Some((5, 9))),
        ("5..=5", Some((5, 5))),
        ("5..=4", None),
        ("5..9", Some((5, 8))),
        ("5..5", None),
        ("5..", Some((5, u64::MAX))),
        ("..=5", Some((0, 5))),
        ("5-9", Some((5, 9))),
        ("4294967295", Some((4_294_967_295, 4_294_967_295))),
        ("4294967296", None),
        ("> 18446744073709551615", None),
        ("+5", None),
        ("five", None),
    ];
    for (text, span) in cases {
        assert_eq!(range(text), span, "{text}");
    }
}

#[test]
fn shares() {
    let prob = |text: &str| format!("prob={text} drop").parse::<Rule>().ok().map(|it| it.when.prob);
    let cases = [
        ("0", Some(0.0)),
        ("1", Some(1.0)),
        ("1.0", Some(1.0)),
        ("1.0000001", None),
        ("-0.1", None),
        ("\"1 %\"", Some(0.01)),
        ("100%", Some(1.0)),
        ("\"100.1 %\"", None),
        ("nan", None),
        ("inf", None),
    ];
    for (text, share) in cases {
        assert_eq!(prob(text), share, "{text}");
    }
    let toml =
        |text: &str| format!("version = 1\n[link]\nloss = {text}").parse::<Document>().is_ok();
    assert!(toml("1.0") && !toml("nan") && !toml("inf") && !toml("-0.1"));
}

#[test]
fn lists_and_names_at_their_longest() {
    let list = |count: usize, from: usize| -> String {
        let numbers: alloc::vec::Vec<String> =
            (from..from + count).map(|number| number.to_string()).collect();
        numbers.join(",")
    };
    let good = |line: String| line.parse::<Rule>().is_ok();
    assert!(
        good(format!("sport={} drop", list(8, 1))) && !good(format!("sport={} drop", list(9, 1)))
    );
    assert!(
        good(format!("nth={} drop", list(16, 1))) && !good(format!("nth={} drop", list(17, 1)))
    );
    assert!(!good("sport=[] drop".into()) && !good("nth=[] drop".into()));
    let text = |length| "x".repeat(length);
    assert!(good(format!("name={} drop", text(48))) && !good(format!("name={} drop", text(49))));
    assert!(
        good(format!("contains={} drop", text(64))) && !good(format!("contains={} drop", text(65)))
    );
    assert!(good("sport=65535 drop".into()) && !good("sport=65536 drop".into()));
    assert!(good("ttl=255 drop".into()) && !good("ttl=256 drop".into()));
    assert!(good("mtu=1".into()) && !good("mtu=0".into()) && !good("mtu=65536".into()));
    assert!(good("src=10.0.0.0/32 drop".into()) && !good("src=10.0.0.0/33 drop".into()));
    assert!(good("src=fd00::/128 drop".into()) && !good("src=fd00::/129 drop".into()));
    assert!(good("flow=\"#1\" drop".into()) && !good("flow=\"#0\" drop".into()));
}

#[test]
fn profiles_have_the_numbers_of_the_table() {
    let model = |name: &str| Profile::named(name).map(|profile| (profile.tx, profile.rx));
    let (tx, rx) = model("lte").unwrap();
    assert_eq!((tx.rate, rx.rate), (Some(Rate(10_000_000)), Some(Rate(40_000_000))));
    assert_eq!(tx.delay.mean, Duration::from_millis(20));
    assert_eq!(model("lte2"), None);
}
