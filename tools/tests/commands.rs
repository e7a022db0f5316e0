//! The program as a user meets it, where no device is needed.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tapsock_tools::frames;

fn tapsock(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tapsock"));
    command.args(words);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("TAPSOCK_") {
            command.env_remove(name);
        }
    }
    command
}

fn run(words: &[&str]) -> Output {
    tapsock(words).stdin(Stdio::null()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn objects(output: &Output) -> Vec<Value> {
    text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("tapsock-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn the_table_holds_in_both_profiles_in_less_than_two_seconds() {
    for profile in ["documented", "windows"] {
        let began = Instant::now();
        let output = run(&["errors", "--profile", profile]);
        assert!(began.elapsed() < Duration::from_secs(2));
        let table = text(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{table}");
        assert!(table.ends_with(" rows, all ok\n"), "{table}");
        assert!(!table.contains('\x1b'), "colour without a terminal");
        let widest = table.lines().map(|line| line.chars().count()).max();
        assert!(widest <= Some(100), "{widest:?}");
        assert_eq!(text(&output.stderr), "");
    }
}

#[test]
fn rows_are_objects_with_what_a_program_needs() {
    let output = run(&["errors", "--json", "--seed", "3"]);
    assert_eq!(output.status.code(), Some(0));
    let rows = objects(&output);
    let mut codes = BTreeSet::new();
    for row in &rows {
        codes.insert(row["code"].as_i64().unwrap());
        assert_eq!(row["got"], row["code"]);
        assert_eq!(row["ok"], true);
        assert!(row["name"].as_str().unwrap().starts_with("WSA"));
        assert!(!row["case"].as_str().unwrap().is_empty());
        assert!(!row["evidence"].as_str().unwrap().is_empty());
    }
    let all = [
        10093, 10050, 10048, 10004, 10036, 10037, 10049, 10047, 10061, 10014, 10022, 10056, 10051,
        10065, 10055, 10038, 10045, 10043, 10060, 10035, 10013, 10057,
    ];
    assert_eq!(codes, all.into_iter().collect());
    assert_eq!(output.stdout, run(&["errors", "--json", "--seed", "3"]).stdout);
}

#[test]
fn every_network_row_has_a_capture_with_the_cited_frame() {
    let directory = Directory::new("captures");
    let path = directory.0.display().to_string();
    let output = run(&["errors", "--json", "--capture", &path]);
    assert_eq!(output.status.code(), Some(0));
    let mut network = 0;
    for row in objects(&output).iter().filter(|row| row["network"] == true) {
        network += 1;
        let capture = fs::read(row["capture"].as_str().unwrap()).unwrap();
        let frames = frames::read(&capture);
        // Numbers are places in the file.
        assert!(frames.iter().zip(1..).all(|(frame, place)| frame.number == place));
        match (row["frame"].as_u64(), row["silence"]["sent"].as_u64()) {
            (Some(number), _) => assert!(number >= 1 && number as usize <= frames.len()),
            (None, Some(sent)) => assert!(sent >= 1 && sent as usize <= frames.len()),
            // Without a way nothing is sent.
            (None, None) => assert!(frames.is_empty(), "{row}"),
        }
    }
    assert!(network >= 20, "{network}");
}

#[test]
fn a_wrong_command_line_is_one_sentence_and_status_2() {
    for words in [
        &["frobnicate"][..],
        &[],
        &["connect"],
        &["connect", "10.77.0.1"],
        &["connect", "10.77.0.1:80", "--address", "10.77.0.2"],
        &["errors", "--profile", "linux"],
        &["errors", "--tap", "--link", "loopback"],
        &["errors", "--capture", "/dev/null/x"],
        &["listen", "80", "--serve", "/no/such/directory"],
        &["listen", "70000"],
        &["connect", "127.0.0.1:9", "--link", "loopback", "--capture", "/dev/null/x"],
    ] {
        let output = run(words);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert_eq!(text(&output.stdout), "");
    }
}

#[test]
fn help_names_the_exit_status_and_every_setting() {
    for verb in ["errors", "connect", "listen", "completions", "man"] {
        let output = run(&[verb, "--help"]);
        let help = text(&output.stdout);
        assert_eq!(output.status.code(), Some(0));
        for word in ["Exit status", "--seed", "--json", "--profile", "--link"] {
            assert!(help.contains(word), "{verb} --help lacks {word}");
        }
    }
}

#[test]
fn a_closed_standard_output_ends_the_program_quietly() {
    let mut child = tapsock(&["errors", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut stdout = BufReader::with_capacity(16, child.stdout.take().unwrap());
    stdout.read_line(&mut line).unwrap();
    drop(stdout);
    let output = child.wait_with_output().unwrap();
    assert_eq!(text(&output.stderr), "");
    assert_eq!(output.status.code(), Some(141));
}

#[test]
fn a_refused_connection_is_explained() {
    for more in [&[][..], &["--nonblocking"]] {
        let output = run(&[&["connect", "127.0.0.1:9", "--link", "loopback"], more].concat());
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("WSAECONNREFUSED (10061)"), "{said}");
        assert!(said.contains("cause: refused: loopback packet"), "{said}");
        assert_eq!(text(&output.stdout), "");
    }
    let output = run(&["connect", "10.1.2.3:9", "--link", "loopback", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let result = objects(&output).pop().unwrap();
    assert_eq!((&result["event"], &result["code"]), (&"result".into(), &10051.into()));
    assert_eq!(result["cause"], "network unreachable: no route to 10.1.2.3");
}

#[test]
fn variables_and_the_file_count_on_every_verb() {
    let directory = Directory::new("file");
    fs::create_dir_all(&directory.0).unwrap();
    let file = directory.0.join("tapsock.toml");
    fs::write(&file, "link = \"loopback\"\n").unwrap();
    let file = file.display().to_string();
    let output = run(&["connect", "127.0.0.1:9", "--config", &file]);
    assert!(text(&output.stderr).contains("WSAECONNREFUSED"));
    let output = tapsock(&["errors", "--json"]).env("TAPSOCK_PROFILE", "windows").output().unwrap();
    assert!(objects(&output).iter().all(|row| row["profile"] == "windows"));
    let output = tapsock(&["errors"]).env("TAPSOCK_MTU", "1").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("TAPSOCK_MTU"));
}

#[test]
fn manuals_and_completions_are_written() {
    let directory = Directory::new("man");
    let output = run(&["man", &directory.0.display().to_string()]);
    assert_eq!(output.status.code(), Some(0));
    assert!(directory.0.join("tapsock-connect.1").exists());
    for shell in ["bash", "zsh", "fish"] {
        assert!(text(&run(&["completions", shell]).stdout).contains("errors"));
    }
}

#[test]
fn a_listener_on_loopback_ends_with_an_interrupt() {
    let mut child = tapsock(&["listen", "8080", "--echo", "--link", "loopback", "--json"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    let listening: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(listening["event"], "listening");
    // The shell's own word: the program of this name is not everywhere.
    let pid = child.id().to_string();
    let kill = Command::new("sh").args(["-c", "kill -INT \"$0\"", &pid]).status().unwrap();
    assert!(kill.success());
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    let status = child.wait().unwrap();
    assert_eq!((status.code(), rest.as_str()), (Some(0), ""));
    std::io::stderr().flush().unwrap();
}
