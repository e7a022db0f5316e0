//! `tapsock explain` on recordings of simulated hosts.

use std::path::PathBuf;
use std::process::Command;
use std::{env, fs, process};

use serde_json::Value;
use tapsock_stack::link::Direction;
use tapsock_stack::link::pcapng::Pcapng;
use tapsock_stack::time::Instant;
use tapsock_tests::taped::tape;

const SCRIPT: &str = r#"
version = 1

[link.tx]
delay = { mean = "20 ms", jitter = "5 ms" }
loss = 0.05

[[rule]]
name = "lose-3rd"
match = { dir = "tx", proto = "tcp", payload = "> 0" }
when = { nth = 3, scope = "flow" }
do = "drop"

[[rule]]
name = "twice"
match = { dir = "rx", proto = "tcp", dport = "1..=65535" }
when = { prob = 0.2 }
do = { duplicate = { n = 2, delay = "1 ms" } }

[[rule]]
name = "never"
match = { dport = 80 }
do = "drop"

[[rule]]
name = "early"
match = { proto = "udp", ttl = 64 }
when = { until = "1500 ms" }
do = { forge-icmp = { type = "unreachable", code = "host" } }

[[event]]
at = "5 s"
do = { link = "down", for = "800 ms" }
"#;

/// A file of this process, which is removed again.
struct File(PathBuf);

impl File {
    fn new(name: &str, bytes: &[u8]) -> Self {
        let path = env::temp_dir().join(format!("tapsock-explain-{}-{name}", process::id()));
        fs::write(&path, bytes).unwrap();
        Self(path)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Exit status, standard output and standard error.
fn explain(file: &File, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_tapsock-under-test"))
        .arg("explain")
        .arg(&file.0)
        .args(arguments)
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn json(file: &File, arguments: &[&str]) -> Value {
    let (status, out, err) = explain(file, &[arguments, &["--json"]].concat());
    assert_eq!((status, err.as_str()), (0, ""), "{out}");
    serde_json::from_str(&out).unwrap()
}

/// The packets of a recording, as `explain` without a number lists them.
fn packets(file: &File) -> Vec<Value> {
    let (status, out, err) = explain(file, &["--json"]);
    assert_eq!((status, err.as_str()), (0, ""));
    let values = out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    values.filter(|value| value["number"].is_u64()).collect()
}

fn comment(packet: &Value) -> &str {
    packet["comment"].as_str().unwrap_or_default()
}

fn number(packet: &Value) -> String {
    packet["number"].to_string()
}

fn rule<'v>(explanation: &'v Value, name: &str) -> &'v Value {
    let rules = explanation["rules"].as_array().unwrap();
    rules.iter().find(|rule| rule["rule"] == name).unwrap_or_else(|| panic!("{explanation:#}"))
}

#[test]
fn what_is_evaluated_again_is_what_was_recorded() {
    let file = File::new("all", &tape(SCRIPT, 5).tape);
    let packets = packets(&file);
    assert!(packets.len() > 60, "{}", packets.len());
    for packet in &packets {
        let explanation = json(&file, &["--packet", &number(packet)]);
        assert_eq!(explanation["doubts"].as_array().unwrap().len(), 0, "{explanation:#}");
        assert_eq!(explanation["packet"], *packet);
        assert!(explanation["rules"].as_array().unwrap().len() >= 4, "{explanation:#}");
    }
}

#[test]
fn each_rule_says_why_with_the_values() {
    let file = File::new("why", &tape(SCRIPT, 5).tape);
    let packets = packets(&file);
    let dropped = packets.iter().find(|it| comment(it).starts_with("rule=lose-3rd")).unwrap();
    let explanation = json(&file, &["--packet", &number(dropped)]);
    let why = rule(&explanation, "lose-3rd")["why"].as_str().unwrap();
    assert_eq!(why, "acted, for the 1st time, on the 3rd frame that it matches: drop (it is lost)");
    let why = rule(&explanation, "twice")["why"].as_str().unwrap();
    assert_eq!(why, "was not asked: \"lose-3rd\" above it ended this");
    assert_eq!(explanation["outcome"], "it was dropped by \"lose-3rd\"");
    assert_eq!(explanation["left"].as_array().unwrap().len(), 0);

    // The one before it in the same flow.
    let before = packets.iter().rfind(|it| {
        it["number"].as_u64() < dropped["number"].as_u64()
            && it["side"] == "stack"
            && it["dir"] == "tx"
            && it["bytes"] == dropped["bytes"]
    });
    let explanation = json(&file, &["--packet", &number(before.unwrap())]);
    let why = rule(&explanation, "lose-3rd")["why"].as_str().unwrap();
    assert!(why.starts_with("did not act: nth = 3, this was number 2 in flow #"), "{why}");
    let why = rule(&explanation, "twice")["why"].as_str().unwrap();
    assert_eq!(why, "did not match: it asks for dir rx, this has tx");
    let why = rule(&explanation, "never")["why"].as_str().unwrap();
    assert_eq!(why, "did not match: it asks for dport 80, this has 40001");
    let why = rule(&explanation, "early")["why"].as_str().unwrap();
    assert_eq!(why, "did not match: it asks for proto udp, this has tcp");
    let model = explanation["model"].as_str().unwrap();
    assert!(model.starts_with("held it back for "), "{model}");
    let left = explanation["left"].as_array().unwrap();
    assert_eq!((left.len(), &left[0]["side"]), (1, &Value::from("wire")));
    assert!(comment(&left[0]).starts_with("delayed "), "{}", left[0]);

    let late = packets.iter().rfind(|it| it["side"] == "stack" && it["bytes"] == 62).unwrap();
    let explanation = json(&file, &["--packet", &number(late)]);
    let why = rule(&explanation, "early")["why"].as_str().unwrap();
    assert!(why.starts_with("did not act: until = 1500 ms and this was at "), "{why}");
}

#[test]
fn copies_and_forged_frames_lead_to_the_frame_they_come_from() {
    let file = File::new("made", &tape(SCRIPT, 5).tape);
    let packets = packets(&file);
    let copy = packets.iter().find(|it| comment(it).starts_with("copy 2 by rule=twice")).unwrap();
    let explanation = json(&file, &["--packet", &number(copy)]);
    assert_eq!(explanation["entered"]["id"], copy["id"]);
    assert_eq!(explanation["entered"]["side"], "wire");
    assert_eq!(explanation["left"].as_array().unwrap().len(), 3);
    let forged = packets.iter().find(|it| comment(it).starts_with("forged by rule=early")).unwrap();
    let explanation = json(&file, &["--packet", &number(forged)]);
    let cause = explanation["entered"]["id"].as_u64().unwrap();
    assert!(comment(forged).contains(&format!("because of id={cause};")), "{forged}");
    assert_eq!(rule(&explanation, "early")["acted"], true);
}

#[test]
fn frame_n_is_the_nth_packet_of_the_stack_side() {
    let file = File::new("frame", &tape(SCRIPT, 5).tape);
    let packets = packets(&file);
    let stack: Vec<&Value> = packets.iter().filter(|it| it["side"] == "stack").collect();
    for (index, packet) in stack.iter().enumerate() {
        let frame = index + 1;
        assert_eq!(packet["frame"], frame);
        let told = comment(packet).rsplit_once("; frame=");
        assert!(told.is_none_or(|(_, told)| told == frame.to_string()), "{packet}");
    }
    let last = stack.len();
    assert_eq!(json(&file, &["--frame", &last.to_string()])["packet"], *stack[last - 1]);
    let (status, out, err) = explain(&file, &["--frame", &(last + 1).to_string()]);
    assert_eq!((status, out.as_str()), (2, ""));
    let sentence = format!("has frames 1 to {last} on the stack's side; --frame {} is", last + 1);
    assert!(err.contains(&sentence), "{err}");
}

#[test]
fn for_people_it_is_a_few_lines() {
    let file = File::new("people", &tape(SCRIPT, 5).tape);
    let packets = packets(&file);
    let dropped = packets.iter().find(|it| comment(it).starts_with("rule=lose-3rd")).unwrap();
    let (status, out, err) = explain(&file, &["--packet", &number(dropped)]);
    assert_eq!((status, err.as_str()), (0, ""));
    let lines: Vec<&str> = out.lines().collect();
    assert!(
        lines[0].starts_with(&format!("packet {} on the stack side", number(dropped))),
        "{out}"
    );
    assert_eq!(lines[4], "rules, from top to bottom");
    assert!(lines[5].starts_with("  lose-3rd  acted, for the 1st time"), "{out}");
    assert_eq!(lines.last(), Some(&"outcome: it was dropped by \"lose-3rd\""));

    let (status, out, _) = explain(&file, &[]);
    assert_eq!(status, 0);
    assert!(out.contains("\u{2717} rule=lose-3rd fired=1 verdict=drop"), "{out}");
    assert!(out.contains("5.000000 * link down"), "{out}");
    assert!(out.contains(" > S 0:0(0) win 65535 <mss 1440,sackOK"), "{out}");
}

#[test]
fn what_cannot_be_explained_is_one_sentence() {
    let whole = tape(SCRIPT, 5).tape;
    let mut plain = Vec::new();
    let mut pcapng = Pcapng::new(&mut plain, "tap0", 0).unwrap();
    pcapng.frame(Instant::ZERO, Direction::Outbound, 1, &[0; 60]).unwrap();
    // What the heading asks for is not trusted: as many bytes as before, but too much of them.
    let sizes = b" flows=64 held=1024 ";
    let at = whole.windows(sizes.len()).position(|it| it == sizes).unwrap();
    let with = |sizes: &[u8; 20]| {
        let mut file = whole.clone();
        file[at..at + 20].copy_from_slice(sizes);
        file
    };
    let (greedy, odd) = (with(b" flows=6 held=65536 "), with(b" flows=-4 held=1024 "));
    let cases = [
        ("plain", &plain[..], "carries no fault script"),
        ("noise", &[0xff; 4096][..], "is no pcapng file"),
        ("empty", &[][..], "is no pcapng file"),
        ("greedy", &greedy[..], "asks for more memory than any fault script needs"),
        ("odd", &odd[..], "carries no fault script"),
    ];
    for (name, bytes, sentence) in cases {
        let file = File::new(name, bytes);
        for arguments in [&["--packet", "1"][..], &[]] {
            let (status, out, err) = explain(&file, arguments);
            assert_eq!((status, out.as_str()), (2, ""), "{name}");
            assert!(err.contains(sentence) && err.lines().count() == 1, "{name}: {err}");
        }
    }
    let file = File::new("whole", &whole);
    let (status, _, err) = explain(&file, &["--packet", "99999"]);
    assert_eq!(status, 2);
    assert!(err.contains("--packet 99999 is none of them"), "{err}");
}

#[test]
fn a_file_that_is_cut_off_is_explained_as_far_as_it_goes() {
    let whole = tape(SCRIPT, 5).tape;
    let file = File::new("cut", &whole[..whole.len() / 2]);
    let (status, out, err) = explain(&file, &["--packet", "5"]);
    assert_eq!(status, 0, "{err}");
    assert!(err.contains("is not whole: it is cut off behind packet "), "{err}");
    assert!(out.contains("outcome: "), "{out}");
}
