//! `tapsock bench`: that it measures, and that what it says is whole. How fast anything is, no test
//! says.

use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tapsock_tests::Kernel;

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

#[test]
fn what_is_no_figure_is_one_sentence() {
    let output = bench(&["bulk_tx_vethe"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        text(&output.stderr),
        "tapsock: there is no figure \"bulk_tx_vethe\"; run tapsock bench --list for the names\n"
    );
}
