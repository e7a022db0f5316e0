//! What people are told about their mistakes: the sentence, the place, the line and the carets.

use super::*;

#[track_caller]
fn check(cases: &[(&str, &str)], complaint: fn(&str) -> String) {
    for (text, expected) in cases {
        assert_eq!(complaint(text), *expected, "{text}");
    }
}

#[test]
fn in_a_file() {
    let cases = [
        (
            "seed = 1
",
            "line 1, column 1: a fault script says version = 1
  |
1 | seed = 1
  | ^",
        ),
        (
            "version = 2
",
            "line 1, column 11: version is 1, the only one there is, not 2
  |
1 | version = 2
  |           ^",
        ),
        (
            "version = 1
sede = 5
",
            r#"line 2, column 1: the script has no "sede"; did you mean "seed"?
  |
2 | sede = 5
  | ^^^^"#,
        ),
        (
            r#"version = 1
[[rule]]
name = "r"
match = { dprot = 80 }
do = "drop"
"#,
            r#"line 4, column 11: match has no "dprot"; did you mean "dport"?
  |
4 | match = { dprot = 80 }
  |           ^^^^^"#,
        ),
        (
            r#"version = 1
[[rule]]
name = "r"
do = "dorp"
"#,
            r#"line 4, column 6: there is no action "dorp"; did you mean "drop"?
  |
4 | do = "dorp"
  |      ^^^^^^"#,
        ),
        (
            r#"version = 1
[[rule]]
name = "r"
do = { delay = 40 }
"#,
            r#"line 4, column 16: delay needs a unit after 40, as in "40 ms"
  |
4 | do = { delay = 40 }
  |                ^^"#,
        ),
        (
            r#"version = 1
[[rule]]
name = "r"
do = { delay = "40" }
"#,
            r#"line 4, column 17: delay needs a unit after 40, as in "40 ms"
  |
4 | do = { delay = "40" }
  |                 ^^"#,
        ),
        (
            r#"version = 1
[[rule]]
name = "r"
do = { delay = "40 mss" }
"#,
            r#"line 4, column 20: a time has no unit "mss"; did you mean "ms"?
  |
4 | do = { delay = "40 mss" }
  |                    ^^^"#,
        ),
        (
            r#"version = 1
[[rule]]
name = "r"
match = { flags = "+SYN +AKC" }
do = "drop"
"#,
            r#"line 4, column 25: TCP has no flag "AKC"; did you mean "ACK"?
  |
4 | match = { flags = "+SYN +AKC" }
  |                         ^^^^"#,
        ),
        (
            r#"version = 1
[[rule]]
name = "r"
match = { flags = "SYN" }
do = "drop"
"#,
            r#"line 4, column 20: flags have a + or - before each, or = before all: "+SYN -ACK" or "=RST"
  |
4 | match = { flags = "SYN" }
  |                    ^^^"#,
        ),
        (
            r#"version = 1
[[rule]]
name = "r"
match = { dport = [80, 70000] }
do = "drop"
"#,
            "line 4, column 24: a port is from 0 to 65535, not 70000
  |
4 | match = { dport = [80, 70000] }
  |                        ^^^^^",
        ),
        (
            r#"version = 1
[[rule]]
name = "r"
when = { prob = 2 }
do = "drop"
"#,
            r#"line 4, column 17: prob is from 0 to 1, or from "0 %" to "100 %", not 2
  |
4 | when = { prob = 2 }
  |                 ^"#,
        ),
        (
            r#"version = 1
[[rule]]
name = "r"
when = { nth = 0 }
do = "drop"
"#,
            "line 4, column 16: nth is a number from 1 to 4294967295, not 0
  |
4 | when = { nth = 0 }
  |                ^",
        ),
        (
            r#"version = 1
[[rule]]
name = "r"
match = { payload = "9..=5" }
do = "drop"
"#,
            r#"line 4, column 21: nothing is in the range of payload
  |
4 | match = { payload = "9..=5" }
  |                     ^^^^^^^"#,
        ),
        (
            r#"version = 1
[[rule]]
name = "r"
when = { nth = 1, every = 2 }
do = "drop"
"#,
            "line 4, column 27: nth and every exclude each other
  |
4 | when = { nth = 1, every = 2 }
  |                           ^",
        ),
        (
            r#"version = 1
[[rule]]
name = "r"
when = { from = "2 s", until = "1 s" }
do = "drop"
"#,
            r#"line 4, column 32: until is not later than from, so that it never fires
  |
4 | when = { from = "2 s", until = "1 s" }
  |                                ^^^^^"#,
        ),
        (
            r#"version = 1
[[rule]]
name = "r"
when = { after = { rule = "rr" } }
do = "drop"
"#,
            r#"line 4, column 27: no rule has the name "rr"; did you mean "r"?
  |
4 | when = { after = { rule = "rr" } }
  |                           ^^^^"#,
        ),
        (
            r#"version = 1
[[rule]]
name = "r"
do = "drop"
[[rule]]
name = "r"
do = "drop"
"#,
            r#"line 6, column 8: another rule or event has the name "r"
  |
6 | name = "r"
  |        ^^^"#,
        ),
        (
            r#"version = 1
[[rule]]
name = "r"
do = { hold-until = "x" }
"#,
            r#"line 4, column 21: no rule or event has the name "x"; did you mean "r"?
  |
4 | do = { hold-until = "x" }
  |                     ^^^"#,
        ),
        (
            r#"version = 1
[[rule]]
name = "r"
match = { icmp-type = "unreachable" }
do = "drop"
"#,
            r#"line 4, column 23: icmp-type "unreachable" is 3 in ICMP and 1 in ICMPv6: say proto = "icmp" or "icmp6"
  |
4 | match = { icmp-type = "unreachable" }
  |                       ^^^^^^^^^^^^^"#,
        ),
        (
            r#"version = 1
[[rule]]
name = "r"
match = { src = "10.0.0.1/33" }
do = "drop"
"#,
            r#"line 4, column 17: src is an IP address with or without prefix, such as "10.0.0.0/8" or "fd00::1", not "10.0.0.1/33"
  |
4 | match = { src = "10.0.0.1/33" }
  |                 ^^^^^^^^^^^^^"#,
        ),
        (
            r#"version = 1
[[rule]]
name = "r"

"#,
            r#"line 2, column 1: a rule needs "do"
  |
2 | [[rule]]
  | ^^^^^^^^"#,
        ),
        (
            r#"version = 1
[[rule]]
name = "r"
	match = { dir = "rx",	proto = "tpc" }
do = "drop"
"#,
            r#"line 4, column 32: proto cannot be "tpc"; did you mean "tcp"?
  |
4 | 	match = { dir = "rx",	proto = "tpc" }
  | 	                     	        ^^^^^"#,
        ),
        (
            r#"version = 1
[[rule]]
name = "r"
match = { contains = "日本é", dir = "in" }
do = "drop"
"#,
            r#"line 4, column 35: dir cannot be "in"; it is one of rx, tx
  |
4 | match = { contains = "日本é", dir = "in" }
  |                                     ^^^^"#,
        ),
        (
            r#"version = 1
[rule]
name = "r"
"#,
            "line 2, column 1: there may be several: write [[rule]] in double brackets
  |
2 | [rule]
  | ^^^^^^",
        ),
        (
            "version = 1
[link.tx]
queue = { limit = 100 }
",
            r#"line 3, column 19: limit needs a unit after 100, as in "64 KiB" or "100 packets"
  |
3 | queue = { limit = 100 }
  |                   ^^^"#,
        ),
        (
            r#"version = 1
[link.tx]
rate = "2 mbps"
"#,
            r#"line 3, column 11: a rate has no unit "mbps"; did you mean "mbit"?
  |
3 | rate = "2 mbps"
  |           ^^^^"#,
        ),
        (
            "version = 1
[link.tx]
loss = { p = 0.1 }
",
            r#"line 3, column 8: loss needs "r"
  |
3 | loss = { p = 0.1 }
  |        ^^^^^^^^^^^"#,
        ),
        (
            r#"version = 1
profile = "4g"
"#,
            r#"line 2, column 11: profile cannot be "4g"; did you mean "3g"?
  |
2 | profile = "4g"
  |           ^^^^"#,
        ),
        (
            r#"version = 1
[[event]]
at = "5 s"
do = { link = "down" }
[[event]]
at = "4 s"
do = { link = "up" }
"#,
            r#"line 6, column 6: events are in the order of their times, and this one is earlier than the one above it
  |
6 | at = "4 s"
  |      ^^^^^"#,
        ),
        (
            r#"version = 1
[[event]]
at = "5 s"
do = { switch-on = "r" }
"#,
            r#"line 4, column 20: no rule has the name "r"
  |
4 | do = { switch-on = "r" }
  |                    ^^^"#,
        ),
        (
            r#"version = 1
[scenario]
program = "connect"
"#,
            r#"line 3, column 1: [scenario]: unknown field `program`, there are no fields
  |
3 | program = "connect"
  | ^^^^^^^"#,
        ),
        (
            "version = 1
seed = 
",
            "line 2, column 8: string values must be quoted, expected literal string
  |
2 | seed = 
  |        ^",
        ),
        (
            "version = 1
seed = 1
seed = 2
",
            "line 3, column 1: duplicate key
  |
3 | seed = 2
  | ^^^^",
        ),
        (
            r#"version = 1
name = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx""#,
            r#"line 2, column 1: the script has no "name"; it is one of version, seed, clock, decide, profile, link, scenario, expect, rule, event
  |
2 | name = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...
  | ^^^^"#,
        ),
        (
            "\u{1b}[31m = 1",
            "line 1, column 2: key with no value, expected `=`
  |
1 | �[31m = 1
  |  ^",
        ),
        (
            r#"version = 1
[[rule]]
name = "r"
do = { jitter = "4 ms" }
"#,
            r#"line 4, column 8: jitter stands behind the action that it belongs to: delay
  |
4 | do = { jitter = "4 ms" }
  |        ^^^^^^"#,
        ),
    ];
    check(&cases, complaint);
}

#[test]
fn what_does_nothing() {
    let cases = [
        (
            r#"version = 1
[[rule]]
do = []
"#,
            r#"line 3, column 6: do needs an action; to do nothing, say "pass"
  |
3 | do = []
  |      ^^"#,
        ),
        (
            r#"version = 1
[[rule]]
do = { flap = "0 s" }
"#,
            r#"line 3, column 15: period is more than 0, for example "1 s"
  |
3 | do = { flap = "0 s" }
  |               ^^^^^"#,
        ),
    ];
    check(&cases, complaint);
}

#[test]
fn on_a_line() {
    let cases = [
        (
            "tx tcp dprot=80 drop",
            r#"line 1, column 8: there is no word "dprot"; did you mean "dport"?
  |
1 | tx tcp dprot=80 drop
  |        ^^^^^"#,
        ),
        (
            "tx drpo",
            r#"line 1, column 4: there is no word "drpo"; did you mean "drop"?
  |
1 | tx drpo
  |    ^^^^"#,
        ),
        (
            "tx tcp",
            "line 1, column 7: the line does not say what is done: add an action, such as drop
  |
1 | tx tcp
  |       ^",
        ),
        (
            "tx nth=0 drop",
            "line 1, column 8: nth is a number from 1 to 4294967295, not 0
  |
1 | tx nth=0 drop
  |        ^",
        ),
        (
            "tx dport=80 dport=81 drop",
            "line 1, column 13: dport is said twice
  |
1 | tx dport=80 dport=81 drop
  |             ^^^^^",
        ),
        (
            "delay=40",
            r#"line 1, column 7: delay needs a unit after 40, as in "40 ms"
  |
1 | delay=40
  |       ^^"#,
        ),
        (
            "jitter=4ms delay=40ms",
            "line 1, column 1: jitter stands behind the action that it belongs to: delay
  |
1 | jitter=4ms delay=40ms
  | ^^^^^^",
        ),
        (
            r#"contains="GET drop"#,
            r#"line 1, column 10: the closing " is missing
  |
1 | contains="GET drop
  |          ^^^^^^^^^"#,
        ),
        (
            "=5",
            "line 1, column 1: before = is the name of a field
  |
1 | =5
  | ^",
        ),
        (
            "dport=",
            r#"line 1, column 7: a value is missing; an empty text is ""
  |
1 | dport=
  |       ^"#,
        ),
        (
            "corrupt={at=payload bits=1}",
            "line 1, column 9: a comma or } is missing
  |
1 | corrupt={at=payload bits=1}
  |         ^^^^^^^^^^^^",
        ),
        (
            "sport=80,90000 drop",
            r#"line 1, column 10: a port is from 0 to 65535, not "90000"
  |
1 | sport=80,90000 drop
  |          ^^^^^"#,
        ),
        (
            "nth drop",
            "line 1, column 1: nth needs a value: nth=...
  |
1 | nth drop
  | ^^^",
        ),
        (
            r#"drop name="""#,
            r#"line 1, column 11: name is a name: not empty, without control characters
  |
1 | drop name=""
  |           ^^"#,
        ),
        (
            "drop drop drop drop drop",
            "line 1, column 21: a rule has at most four actions
  |
1 | drop drop drop drop drop
  |                     ^^^^",
        ),
        (
            r#"contains="\q" drop"#,
            r#"line 1, column 11: after \ comes one of " \ n t r u0000 U00000000
  |
1 | contains="\q" drop
  |           ^"#,
        ),
    ];
    check(&cases, complaint_about_line);
}

#[test]
fn with_the_name_of_a_file() {
    let error = "version = 2".parse::<Document>().unwrap_err().in_file("x.toml");
    assert_eq!((error.line, error.column), (1, 11));
    assert!(error.to_string().starts_with("x.toml:1:11: version is 1,"), "{error}");
}

/// What is left of the caret takes as many columns as the line above.
#[test]
fn a_long_line_is_cut_around_the_place() {
    let text = alloc::format!("version = 1\nprofile = \"3g\" # {}", "x".repeat(500));
    assert!(text.parse::<Document>().is_ok());
    let text = alloc::format!("{} {}=1", "drop ".repeat(80), "y".repeat(500));
    let shown = complaint_about_line(&text);
    assert!(shown.lines().all(|line| line.len() < 200), "{shown}");
    let text = alloc::format!("{}{}", " ".repeat(300), "drpo");
    let expected = alloc::format!(
        "line 1, column 301: there is no word \"drpo\"; did you mean \"drop\"?\n  |\n1 | ...{0}drpo\n  |    {0}^^^^",
        " ".repeat(50)
    );
    assert_eq!(complaint_about_line(&text), expected);
}

#[test]
fn noise_of_a_megabyte() {
    let noise: String = (0..1_000_000_u32)
        .map(|index| char::from(33 + (index.wrapping_mul(2_654_435_761) >> 25) as u8 % 90))
        .collect();
    assert!(complaint(&noise).len() < 1_000);
    assert!(complaint_about_line(&noise).len() < 1_000);
    let nested = "[".repeat(100_000);
    assert!(complaint(&alloc::format!("a = {nested}")).len() < 1_000);
    assert!(complaint_about_line(&alloc::format!("sport={nested}")).len() < 1_000);
}
