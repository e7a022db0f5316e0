//! `tapsock faults` from outside: exit status, files, what is printed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A folder of the test's own.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("tapsock-faults-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn with(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn faults(words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tapsock"));
    command.arg("faults").args(words);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("TAPSOCK_")) {
        command.env_remove(name);
    }
    command.output().unwrap()
}

fn said(output: &Output) -> String {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8(text).unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

const LOST: &str = r#"# All SYNs are lost.
version = 1
seed = 3
[scenario]
program = "connect"
[expect]
result = "WSAETIMEDOUT"
[[rule]]
name = "lose"
match = { dir = "tx", proto = "tcp", flags = "+SYN -ACK" }
do = "drop"
expect = { hits = 5 }
"#;

#[test]
fn one_script_is_shown_whole() {
    let folder = Folder::new("one");
    let script = folder.with("lost.toml", LOST);
    let output = faults(&["run", text(&script), "--twin"]);
    let hash = "script ";
    let shown = said(&output);
    assert_eq!(output.status.code(), Some(0), "{shown}");
    let expected = "\
lost: All SYNs are lost

       rule  matched   fired  expected
       lose        5       5  5            PASS

PASS   WSAConnect: WSAETIMEDOUT (10060) after 21.000 s
       cause: timed out: silence: 5 SYNs to 10.77.0.1 unanswered in 21.000 s
       without its faults: WSAConnect: connected after 0.000 s
       seed 3, ";
    assert!(shown.starts_with(expected), "{shown}");
    assert!(shown.contains(hash) && shown.contains("virtual clock, tapsock "), "{shown}");
}

#[test]
fn the_readme_shows_what_is_printed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let script = root.join("scripts/faults/half-open-peer.toml");
    let output = faults(&["run", text(&script), "--twin"]);
    assert!(readme.contains(said(&output).trim_end()), "{}", said(&output));
    assert!(readme.contains(fs::read_to_string(script).unwrap().trim_end()));
}

#[test]
fn what_does_not_hold_is_told_and_is_status_1() {
    let folder = Folder::new("wrong");
    let good = folder.with("good.toml", LOST);
    let wrong = LOST.replace("WSAETIMEDOUT", "connected").replace("hits = 5", "hits = 4");
    folder.with("wrong.toml", &wrong);
    let output = faults(&["run", text(&folder.0)]);
    let shown = said(&output);
    assert_eq!(output.status.code(), Some(1), "{shown}");
    for line in [
        "PASS   good      WSAConnect: WSAETIMEDOUT (10060) after 21.000 s",
        "FAIL   wrong     WSAConnect: WSAETIMEDOUT (10060) after 21.000 s",
        "       connected is due, but the result is WSAConnect: WSAETIMEDOUT (10060) after 21.000 s",
        "       rule lose fired 5 times, 4 are due",
        "1 pass, 1 fail",
    ] {
        assert!(shown.lines().any(|found| found == line), "{line}\n{shown}");
    }

    // Listed with a reason, it has to fail.
    folder.with("expected-failures.toml", "wrong = { reason = \"four is not five\" }\n");
    let output = faults(&["run", text(&folder.0)]);
    let shown = said(&output);
    assert_eq!(output.status.code(), Some(0), "{shown}");
    assert!(shown.contains("1 pass, 1 fail as expected"), "{shown}");
    assert!(shown.contains("expected to fail: four is not five"), "{shown}");

    folder.with("expected-failures.toml", "good = { reason = \"out of date\" }\n");
    let output = faults(&["run", text(&good)]);
    let shown = said(&output);
    assert_eq!(output.status.code(), Some(1), "{shown}");
    assert!(shown.contains("XPASS") && shown.contains("but holds: out of date"), "{shown}");

    folder.with("expected-failures.toml", "good = \"no reason\"\n");
    assert_eq!(faults(&["run", text(&good)]).status.code(), Some(2));
}

#[test]
fn a_script_without_effect_fails_with_its_twin() {
    let folder = Folder::new("twin");
    let harmless = LOST.replace("WSAETIMEDOUT", "connected").replace("+SYN -ACK", "+FIN");
    let harmless = harmless.replace("hits = 5", "hits = 0");
    let script = folder.with("harmless.toml", &harmless);
    assert_eq!(faults(&["run", text(&script)]).status.code(), Some(0));
    let output = faults(&["run", text(&script), "--twin"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("without its faults the expectation holds as well"));
}

#[test]
fn json_is_one_object_a_script() {
    let folder = Folder::new("json");
    folder.with("a.toml", LOST);
    folder.with("b.toml", &LOST.replace("do = \"drop\"", "do = [\"forge-rst\", \"drop\"]"));
    let output = faults(&["run", "--json", text(&folder.0)]);
    assert_eq!(output.status.code(), Some(1));
    let objects: Vec<serde_json::Value> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(objects.len(), 2);
    assert_eq!(objects[0]["verdict"], "PASS");
    assert_eq!(objects[0]["result"], "WSAETIMEDOUT");
    assert_eq!(objects[0]["code"], 10060);
    assert_eq!(objects[0]["rules"][0]["fired"], 5);
    assert_eq!(objects[0]["seed"], 3);
    assert_eq!(objects[1]["verdict"], "FAIL");
    assert_eq!(objects[1]["result"], "WSAECONNREFUSED");
    assert!(objects[1]["failures"].as_array().unwrap().len() == 2);
}

#[test]
fn a_mistake_is_shown_with_its_line_and_a_caret() {
    let folder = Folder::new("check");
    let good = folder.with("good.toml", LOST);
    let output = faults(&["check", text(&good)]);
    assert_eq!((output.status.code(), said(&output).as_str()), (Some(0), "1 script can be run\n"));

    for (from, to, told) in [
        ("flags", "flag", "3"),
        ("\"connect\"", "\"conect\"", ":5:"),
        ("WSAETIMEDOUT", "WSAETIMEOUT", ":7:"),
        ("result =", "resalt =", ":7:"),
        ("program = \"connect\"", "program = \"connect\"\nbytes = 3", "bytes has no meaning"),
        ("version = 1", "", "version = 1"),
    ] {
        let script = folder.with("bad.toml", &LOST.replace(from, to));
        let output = faults(&["check", text(&script)]);
        let shown = said(&output);
        assert_eq!(output.status.code(), Some(2), "{shown}");
        assert!(shown.contains("bad.toml") && shown.contains(told), "{shown}");
        assert_eq!(faults(&["run", text(&script)]).status.code(), Some(2));
    }
    let noise: Vec<u8> =
        (0..1_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let script = folder.0.join("noise.toml");
    fs::write(&script, noise).unwrap();
    let output = faults(&["check", text(&script)]);
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).len() < 1000);
}

#[test]
fn a_recorded_run_is_replayed() {
    let folder = Folder::new("replay");
    let lossy = r#"
version = 1
[link]
loss = "20 %"
[scenario]
program = "transfer"
[expect]
result = "delivered"
"#;
    let script = folder.with("lossy.toml", lossy);
    let record = folder.0.join("run.jsonl");
    let (first, again) = (folder.0.join("first.pcapng"), folder.0.join("again.pcapng"));
    let run = ["run", text(&script), "--seed", "34", "--record", text(&record)];
    faults(&[&run[..], &["--capture", text(&first)]].concat());
    let output = faults(&["replay", text(&record), "--capture", text(&again)]);
    let shown = said(&output);
    assert!(shown.contains("replayed: the result is the recorded one"), "{shown}");
    assert!(shown.contains("seed 34"), "{shown}");
    let written = fs::read_to_string(&record).unwrap();
    assert!(written.lines().count() > 10);

    // Without its losses the run is another one.
    let without: String = written
        .lines()
        .filter(|line| !line.contains("\"link\""))
        .map(|line| format!("{line}\n"))
        .collect();
    let forged = folder.with("forged.jsonl", &without);
    let output = faults(&["replay", text(&forged)]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("the record has WSAECONNRESET by recv"), "{}", said(&output));
}

#[test]
fn a_failing_run_is_shrunk_to_a_script_that_fails() {
    let folder = Folder::new("shrink");
    let mut script = String::from(
        "# Something ends a transfer.\nversion = 1\nseed = 7\n[scenario]\nprogram = \"transfer\"\n\
         [expect]\nresult = \"delivered\"\n",
    );
    for number in 0..39 {
        script.push_str(&format!(
            "[[rule]]\nname = \"noise-{number}\"\nwhen = {{ prob = 0.2 }}\ndo = {{ set-ttl = {} }}\n",
            20 + number
        ));
    }
    script.push_str(
        "[[rule]]\nname = \"culprit\"\nmatch = { dir = \"tx\", proto = \"tcp\", ack = \"> 1000\" }\n\
         when = { prob = 0.5 }\ndo = \"forge-rst\"\n",
    );
    let path = folder.with("forty.toml", &script);
    assert_eq!(faults(&["run", text(&path)]).status.code(), Some(1));
    let output = faults(&["shrink", text(&path)]);
    let smaller = String::from_utf8(output.stdout.clone()).unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_eq!(smaller.matches("[[rule]]").count(), 1, "{smaller}");
    assert!(smaller.contains("name = \"culprit\"") && smaller.contains("nth = "), "{smaller}");
    assert!(smaller.starts_with("# What is left of: Something ends a transfer.\n"), "{smaller}");

    let path = folder.with("smaller.toml", &smaller);
    let output = faults(&["run", text(&path)]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("WSAECONNRESET"), "{}", said(&output));

    let holds = folder.with("holds.toml", LOST);
    let output = faults(&["shrink", text(&holds)]);
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("there is nothing to shrink"));
}

#[test]
fn nothing_that_is_read_is_written_over_and_no_capture_by_another() {
    let folder = Folder::new("over");
    let script = folder.with("lost.toml", LOST);
    for option in ["--capture", "--record"] {
        // By another name of the same file.
        let same = folder.0.join(".").join("lost.toml");
        let output = faults(&["run", text(&script), option, text(&same)]);
        assert_eq!(output.status.code(), Some(2), "{option}: {}", said(&output));
        assert!(said(&output).contains("would be written over; name another file"));
        assert_eq!(fs::read_to_string(&script).unwrap(), LOST);
    }
    let second = folder.0.join("second");
    fs::create_dir_all(&second).unwrap();
    let twin = folder.with("second/lost.toml", LOST);
    let captures = folder.0.join("captures");
    let output = faults(&["run", text(&script), text(&twin), "--capture", text(&captures)]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("would have the same capture"), "{}", said(&output));
    assert!(!captures.exists());
}

#[test]
fn a_twin_that_holds_is_no_excuse_of_the_faults_when_the_run_fails() {
    let folder = Folder::new("twin");
    let wrong = LOST.replace("WSAETIMEDOUT", "connected");
    let script = folder.with("lost.toml", &wrong);
    let output = faults(&["run", text(&script), "--twin"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("without its faults the expectation holds ("));
    assert!(!said(&output).contains("not the reason"), "{}", said(&output));
}
