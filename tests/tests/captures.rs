//! Captures of every kind of fault as tshark, which is not ours, reads them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, process};

use tapsock_tests::taped::{Taped, tape};

/// A script for each action and each part of the link model.
const SCRIPTS: [(&str, &str); 32] = [
    ("drop", r#"do = "drop""#),
    ("delay", r#"do = { delay = "40 ms", jitter = "10 ms" }"#),
    ("reorder", r#"do = { reorder = { prob = 0.5, gap = 1 } }"#),
    ("duplicate", r#"do = { duplicate = { n = 2, delay = "1 ms" } }"#),
    ("corrupt", r#"do = { corrupt = { at = "ip", bits = 3 } }"#),
    ("corrupt", r#"do = { corrupt = { at = "payload", bits = 1, fix-checksums = true } }"#),
    ("truncate", r#"do = { truncate = { to = 50 } }"#),
    ("truncate", r#"do = { truncate = { to = 60, fix-lengths = true } }"#),
    ("rate", r#"do = { rate = "1 Mbit/s" }"#),
    ("hold-until", r#"do = { hold-until = "go", limit = "3 s" }"#),
    ("blackhole", r#"do = { blackhole = "100 ms" }"#),
    ("mark-ecn", r#"do = "mark-ecn-ce""#),
    ("set-ttl", r#"do = { set-ttl = 3 }"#),
    ("set-win", r#"do = { set-win = 700 }"#),
    ("set-mss", r#"do = { set-mss = 536 }"#),
    ("strip-option", r#"do = { strip-option = "mss" }"#),
    ("split", r#"do = { split = 100 }"#),
    ("merge", r#"do = { merge = "20 ms" }"#),
    ("forge-rst", r#"do = { forge-rst = { to = "peer", seq = "out-of-window" } }"#),
    ("forge-syn", r#"do = { forge-syn = { to = "stack", seq = "random" } }"#),
    ("forge-fin", r#"do = { forge-fin = { to = "peer", seq = "out-of-window" } }"#),
    ("forge-ack", r#"do = { forge-ack = { to = "stack", dup-ack = 3 } }"#),
    ("forge-icmp", r#"do = { forge-icmp = { type = "unreachable", code = "host" } }"#),
    ("forge-icmp", r#"do = { forge-icmp = { type = "frag-needed", mtu = 1280 } }"#),
    ("neighbor-silence", r#"do = { neighbor = "silence" }"#),
    ("neighbor-wrong", r#"do = { neighbor = "wrong-mac" }"#),
    ("neighbor-conflict", r#"do = { neighbor = "conflict" }"#),
    ("neighbor-flood", r#"do = { neighbor = "flood" }"#),
    ("link", r#"do = { link = "down", for = "300 ms" }"#),
    ("mtu", r#"do = { mtu = 1280 }"#),
    ("set-tag", r#"do = { set-tag = 7 }"#),
    ("hook", r#"do = { hook = 1 }"#),
];

const MODEL: &str = r#"
version = 1
[link]
loss = 0.1
delay = { mean = "20 ms", jitter = "5 ms" }
duplicate = 0.1
corrupt = 0.1
reorder = { prob = 0.1, gap = 2 }
"#;

fn script(number: usize) -> String {
    let (name, what) = SCRIPTS[number];
    let hold = "[[event]]\nname = \"go\"\nat = \"2 s\"\ndo = \"release\"\n";
    let event = if name == "hold-until" { hold } else { "" };
    // What these are about is rare.
    let only = match name {
        "set-mss" | "strip-option" => "match = { flags = \"+SYN\" }",
        _ if name.starts_with("neighbor-") => {
            "match = { dir = \"tx\", proto = \"arp\" }\nwhen = { nth = 1 }"
        }
        _ => "when = { every = 3 }",
    };
    format!("version = 1\n[[rule]]\nname = \"it\"\n{only}\n{what}\n{event}")
}

/// Whether tshark is there. Without it a test is skipped, unless it must be there.
fn tshark_is_there() -> bool {
    let there = Command::new("tshark").arg("-v").output().is_ok_and(|it| it.status.success());
    if !there {
        let required = env::var_os("TAPSOCK_REQUIRE_TAP").is_some_and(|it| it != "0");
        assert!(!required, "tshark is required; run scripts/setup");
        eprintln!("skipped: tshark is not installed; run scripts/setup");
    }
    there
}

/// A file of this process, which is removed again.
struct File(PathBuf);

impl File {
    fn new(name: &str, bytes: &[u8]) -> Self {
        let path = env::temp_dir().join(format!("tapsock-{}-{name}.pcapng", process::id()));
        fs::write(&path, bytes).unwrap();
        Self(path)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// A packet as tshark shows it.
#[derive(Debug)]
struct Shown {
    number: u64,
    side: String,
    comments: Vec<String>,
    id: Option<u64>,
    outbound: bool,
    nanos: u128,
    malformed: bool,
}

/// Reads a file with tshark, which must have nothing to complain about.
fn read(file: &Path) -> Vec<Shown> {
    let fields = [
        "frame.number",
        "frame.interface_name",
        "frame.packet_id",
        "frame.packet_flags_direction",
        "frame.time_epoch",
        "_ws.malformed",
        "frame.comment",
    ];
    let mut command = Command::new("tshark");
    command.args(["-n", "-T", "fields", "-E", "separator=/t", "-E", "aggregator=|", "-r"]);
    command.arg(file);
    for field in fields {
        command.args(["-e", field]);
    }
    let output = command.output().unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr);
    let complaints: Vec<&str> =
        complaints.lines().filter(|line| !line.starts_with("Running as user")).collect();
    assert!(output.status.success() && complaints.is_empty(), "{complaints:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(shown).collect()
}

fn shown(line: &str) -> Shown {
    let columns: Vec<&str> = line.splitn(7, '\t').collect();
    let [number, side, id, direction, time, malformed, comments] = columns[..] else {
        panic!("{line}")
    };
    let (seconds, nanos) = time.split_once('.').unwrap();
    let nanos = seconds.parse::<u128>().unwrap() * 1_000_000_000 + nanos.parse::<u128>().unwrap();
    Shown {
        number: number.parse().unwrap(),
        side: side.to_string(),
        comments: comments.split('|').filter(|it| !it.is_empty()).map(str::to_string).collect(),
        id: number_of(id),
        outbound: number_of(direction) == Some(2),
        nanos,
        malformed: !malformed.is_empty(),
    }
}

fn number_of(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

impl Shown {
    fn story(&self) -> Option<&str> {
        let mut stories = self.comments.iter().filter(|comment| !comment.starts_with("at "));
        stories.next_back().map(String::as_str)
    }

    fn enters(&self) -> bool {
        (self.side == "stack") == self.outbound
    }
}

/// What must hold of every capture.
fn check(name: &str, packets: &[Shown]) {
    assert!(packets.len() > 10, "{name}: {} packets", packets.len());
    let mut entered: BTreeMap<u64, &Shown> = BTreeMap::new();
    for (index, packet) in packets.iter().enumerate() {
        let about = format!("{name}: {packet:?}");
        assert_eq!(packet.number, index as u64 + 1, "{about}");
        assert!(packet.side == "stack" || packet.side == "wire", "{about}");
        assert!(index == 0 || packets[index - 1].nanos <= packet.nanos, "{about}: time");
        let story = packet.story().unwrap_or_default();
        if packet.enters() {
            let id = packet.id.unwrap_or_else(|| panic!("{about}: no identifier"));
            assert!(entered.insert(id, packet).is_none(), "{about}: entered twice");
            assert!(!packet.malformed, "{about}");
        } else if story.starts_with("forged by ") {
            assert_eq!(packet.id, None, "{about}");
        } else {
            let first = packet.id.and_then(|id| entered.get(&id));
            let first = first.unwrap_or_else(|| panic!("{about}: where did it enter?"));
            // What a rule touched says so on both sides.
            assert_eq!(first.story().is_some(), packet.story().is_some(), "{about}: {first:?}");
        }
        assert!(!packet.malformed || story.contains("changed by "), "{about}");
    }
}

#[test]
fn tshark_reads_what_every_action_does() {
    if !tshark_is_there() {
        return;
    }
    let mut seen = BTreeSet::new();
    for (number, (name, what)) in SCRIPTS.into_iter().enumerate() {
        let Taped { tape, .. } = tape(&script(number), 5);
        let file = File::new(&number.to_string(), &tape);
        let packets = read(&file.0);
        check(what, &packets);
        let acted = packets.iter().filter_map(Shown::story).filter(|story| {
            let says = |word: &str| story.contains(&format!(" {name}{word}"));
            let lost = matches!(name, "drop" | "blackhole" | "neighbor-silence")
                && story.contains("verdict=drop");
            let shown = says("=") && !says("=nothing")
                || says(";")
                || story.ends_with(name)
                || story.contains(" split");
            story.starts_with("rule=it fired=") && (shown || lost || story.contains(" copies="))
        });
        assert!(acted.count() > 0, "{what} has done nothing");
        seen.insert(name);
    }
    assert_eq!(seen.len(), 29);
}

#[test]
fn tshark_reads_what_the_link_model_does() {
    if !tshark_is_there() {
        return;
    }
    let Taped { tape, .. } = tape(MODEL, 5);
    let file = File::new("model", &tape);
    let packets = read(&file.0);
    check("model", &packets);
    let stories: Vec<&str> = packets.iter().filter_map(Shown::story).collect();
    for part in [
        "link-model verdict=lost",
        "link-model delay=",
        " corrupt",
        " copies=1",
        " overtakes",
        "by link-model",
        "changed by link-model",
        "copy 1 by link-model",
    ] {
        assert!(stories.iter().any(|story| story.contains(part)), "{part}");
    }
}

#[test]
fn tshark_shows_the_script_in_the_header() {
    if !tshark_is_there() {
        return;
    }
    let script = script(0);
    let Taped { tape, .. } = tape(&script, 5);
    let file = File::new("header", &tape);
    // capinfos comes with tshark.
    let output = Command::new("capinfos").arg("-k").arg(&file.0).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("seed=0x5 clock=virtual"), "{text}");
    assert!(text.contains("name = \"it\""), "{text}");
}

#[test]
fn events_are_told_where_they_happen() {
    if !tshark_is_there() {
        return;
    }
    let script = "version = 1\n\
                  [[event]]\nname = \"cut\"\nat = \"5 s\"\ndo = { link = \"down\", for = \"800 ms\" }\n";
    let Taped { tape, .. } = tape(script, 5);
    let file = File::new("events", &tape);
    let packets = read(&file.0);
    check("events", &packets);
    let told: Vec<&str> = packets
        .iter()
        .flat_map(|packet| &packet.comments)
        .filter(|comment| comment.starts_with("at "))
        .map(String::as_str)
        .collect();
    assert!(told.contains(&"at 5.000000 s: event=cut link down for 800 ms"), "{told:?}");
    assert!(told.contains(&"at 5.000000 s: link down"), "{told:?}");
    assert!(told.contains(&"at 5.800000 s: link up"), "{told:?}");
}

#[test]
fn the_same_seed_gives_the_same_file_and_another_seed_another() {
    let once = tape(MODEL, 5);
    let again = tape(MODEL, 5);
    assert!(once.tape == again.tape && once.log == again.log);
    let other = tape(MODEL, 6);
    assert!(once.tape != other.tape && once.log != other.log);
}

#[test]
fn every_line_of_the_log_is_json() {
    for number in 0..SCRIPTS.len() {
        let Taped { log, .. } = tape(&script(number), 5);
        let text = String::from_utf8(log).unwrap();
        let mut whats = BTreeSet::new();
        for line in text.lines() {
            let value: serde_json::Value =
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            whats.insert(value["what"].as_str().unwrap().to_string());
        }
        for what in ["begin", "frame", "report", "totals"] {
            assert!(whats.contains(what), "{what} in {whats:?}");
        }
        let first: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        assert_eq!(first["script"].as_str().unwrap(), script(number));
    }
}
