//! `tapsock bench`: that it measures, and that what it says is whole. How fast anything is, no test
//! says.

use std::fs;
use std::os::fd::OwnedFd;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use serde_json::Value;
use tapsock_tests::{Kernel, PATIENCE};

/// Figures of every kind of peer, each of which takes a moment.
const FIGURES: [&str; 15] = [
    "bulk_tx_smoltcp",
    "bulk_rx_veth",
    "connect_1_veth",
    "connect_1_smoltcp",
    "connect_16_smoltcp",
    "accept_smoltcp",
    "udp_rtt_veth",
    "udp_rtt_spin_smoltcp",
    "udp_rate_smoltcp",
    "tcp_rtt_p50_veth",
    "tcp_rtt_p99_smoltcp",
    "goodput_loss_smoltcp",
    "goodput_loss_0_1ms_kernel",
    "packet_cost_1k",
    "start_smoltcp",
];

fn bench(words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tapsock-under-test"));
    command.arg("bench").args(words).stdin(Stdio::null());
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn is_number(value: &Value) -> bool {
    value.as_f64().is_some_and(|number| number.is_finite() && number > 0.0)
}

#[test]
fn every_line_of_a_quick_run_is_whole() {
    // It makes namespaces of its own; the one of this test says that it may.
    let Some(_kernel) = Kernel::start() else { return };
    let output = bench(&[&["--json", "--quick", "--rounds", "3"], &FIGURES[..]].concat());
    let (lines, said) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{lines}\n{said}");
    assert_eq!(said, "");
    let rows: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut names: Vec<&str> = rows.iter().map(|row| row["figure"].as_str().unwrap()).collect();
    let mut expected = FIGURES;
    names.sort_unstable();
    expected.sort_unstable();
    assert_eq!(names, expected);
    for row in &rows {
        for name in ["value", "min", "max", "peer_value", "peer_min", "peer_max", "ratio"] {
            assert!(is_number(&row[name]), "{name}: {row}");
        }
        assert!(row["min"].as_f64() <= row["value"].as_f64(), "{row}");
        assert!(row["value"].as_f64() <= row["max"].as_f64(), "{row}");
        for name in ["what", "unit", "peer", "ratio_of"] {
            assert!(row[name].as_str().is_some_and(|text| !text.is_empty()), "{name}: {row}");
        }
        for side in ["own", "peer"] {
            let runs = row["runs"][side].as_array().unwrap();
            assert!(runs.len() == 3 && runs.iter().all(is_number), "{row}");
        }
        assert_eq!(row["bound"].is_string(), row["must"].is_number(), "{row}");
        assert_eq!(row["bound"].is_string(), row["holds"].is_boolean(), "{row}");
        assert_eq!(row["trouble"], Value::Null, "{row}");
    }
}

#[test]
fn the_table_and_the_picture_say_the_same_figures() {
    let Some(_kernel) = Kernel::start() else { return };
    let output = bench(&["--quick", "--svg", "-", "goodput_loss_0_1ms", "tcp_rtt"]);
    // Alone, so that it can be piped to a viewer.
    let (picture, table) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{table}");
    assert!(picture.starts_with("<?xml"), "{picture}");
    for name in [
        "goodput_loss_0_1ms_smoltcp",
        "tcp_rtt_p50_veth",
        "tcp_rtt_p99_veth",
        "tcp_rtt_p50_smoltcp",
        "tcp_rtt_p99_smoltcp",
    ] {
        assert!(table.lines().any(|line| line.starts_with(name)), "{table}");
        assert!(picture.contains(&format!(">{name}</text>")), "{picture}");
    }
    assert!(table.contains("too short to say anything"), "{table}");
    for (args, said) in [
        (["--svg", "-", "--json"], "--svg - and the rows would both stand on standard output"),
        (["--svg", "/proc/none.svg", "--quick"], "/proc/none.svg cannot be written"),
    ] {
        let output = bench(&args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(text(&output.stderr).contains(said), "{}", text(&output.stderr));
        assert!(output.stdout.is_empty(), "nothing was measured");
    }
}

#[test]
fn connections_of_other_processes_are_held_and_counted() {
    let Some(_kernel) = Kernel::start() else { return };
    let output = bench(&["--json", "--quick", "idle_connection_bytes"]);
    let row: Value = serde_json::from_str(text(&output.stdout).trim()).unwrap();
    assert_eq!(row["note"], "500 connections", "{row}");
    assert!(is_number(&row["value"]), "{row}");
    assert_eq!(row["peer"], Value::Null, "{row}");
}

/// What a process has started: process numbers and command lines.
fn parts(process: u32) -> Vec<(i32, String)> {
    let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children"));
    let children = children.unwrap_or_default();
    let words = |child: &str| {
        let line = fs::read(format!("/proc/{child}/cmdline")).unwrap_or_default();
        Some((child.parse().ok()?, text(&line).replace('\0', " ")))
    };
    children.split_whitespace().filter_map(words).collect()
}

/// The network namespaces that a process is in or holds.
fn namespaces(process: &str) -> Vec<String> {
    let holds = fs::read_dir(format!("/proc/{process}/fd")).into_iter().flatten().flatten();
    let holds = holds.map(|entry| entry.path());
    let all = holds.chain([format!("/proc/{process}/ns/net").into()]);
    let names =
        all.filter_map(|path| fs::read_link(path).ok()?.into_os_string().into_string().ok());
    names.filter(|name| name.starts_with("net:")).collect()
}

/// Opens what tells when a process has ended.
fn watched(process: i32) -> OwnedFd {
    pidfd_open(Pid::from_raw(process).unwrap(), PidfdFlags::empty()).unwrap()
}

/// Whether a process ends within this time.
fn ends(process: &OwnedFd, within: Duration) -> bool {
    let within = within.try_into().unwrap();
    poll(&mut [PollFd::new(process, PollFlags::IN)], Some(&within)).unwrap() > 0
}

#[test]
fn an_interrupted_benchmark_says_so_and_leaves_nothing_behind() {
    let Some(_kernel) = Kernel::start() else { return };
    let here = namespaces("self");
    let child = Command::new(env!("CARGO_BIN_EXE_tapsock-under-test"))
        .args(["bench", "--quick", "idle_connection_bytes"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let process = child.id();
    let bench = watched(process as i32);
    let end = Instant::now() + PATIENCE;
    let parts = loop {
        let parts = parts(process);
        if parts.iter().any(|(_, words)| words.contains(" call:")) {
            break parts;
        }
        assert!(Instant::now() < end, "nobody calls: {parts:?}");
        if ends(&bench, Duration::from_millis(5)) {
            panic!("it ended early: {:?}", child.wait_with_output().unwrap());
        }
    };
    assert!(parts.iter().any(|(_, words)| words.contains(" hold")), "{parts:?}");
    let parts: Vec<OwnedFd> = parts.iter().map(|(process, _)| watched(*process)).collect();
    let mut theirs = namespaces(&process.to_string());
    theirs.retain(|name| !here.contains(name));
    assert!(theirs.len() >= 2, "its own and the far one: {theirs:?}");
    kill_process(Pid::from_raw(process as i32).unwrap(), Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    assert_eq!(
        text(&output.stderr),
        "tapsock: the benchmark was interrupted; what is not shown was not measured\n"
    );
    // It did not wait for the end of what it was measuring.
    assert!(!text(&output.stdout).contains("idle_connection_bytes"), "{output:?}");
    for part in &parts {
        assert!(ends(part, PATIENCE), "a part goes on");
    }
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let held = namespaces(&entry.file_name().to_string_lossy());
        assert!(held.iter().all(|name| !theirs.contains(name)), "{entry:?} has {held:?}");
    }
}

#[test]
fn what_is_no_figure_is_one_sentence() {
    let output = bench(&["bulk_tx_vethe"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        text(&output.stderr),
        "tapsock: there is no figure \"bulk_tx_vethe\"; run tapsock bench --list for the names\n"
    );
}
