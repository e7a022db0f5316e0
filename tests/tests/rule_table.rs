//! The fault script of the embedded image: as its table, and on a TAP device.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tapsock_stack::fault::text::{Document, Nothing};
use tapsock_stack::fault::{Engine, Memory, Record, Verdict};
use tapsock_stack::link::fault::Fault;
use tapsock_stack::time::{Duration, Instant};
use tapsock_tests::{Kernel, rule_table};
use wsa::config::{Configuration, LinkChoice};
use wsa::start::{open_link, start_on};

const SCRIPT: &str = "tests/embedded/faults/lose-1st-synack.toml";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn the_image_has_the_table_of_its_script() {
    let made = Command::new(env!("CARGO_BIN_EXE_rule-table"))
        .arg(SCRIPT)
        .current_dir(root())
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let kept = fs::read(root().join("tests/embedded/src/rules.rs")).unwrap();
    assert!(
        made.stdout == kept,
        "run: cargo run -p tapsock-tests --bin rule-table {SCRIPT} > tests/embedded/src/rules.rs"
    );
}

#[test]
fn what_a_table_cannot_say_is_refused() {
    let lossy = r#"do = "drop", match = { proto = "tcp" }"#;
    for (rule, refused) in [
        (lossy.to_string(), false),
        (r#"do = "duplicate""#.to_string(), true),
        (format!("{lossy}, when = {{ prob = 0.5 }}"), true),
        (format!("{lossy}, then = \"continue\""), true),
        (r#"do = "drop", match = { payload = "> 0" }"#.to_string(), true),
    ] {
        let text = format!("version = 1\nrule = [{{ name = \"r\", {rule} }}]");
        let document = Document::<Nothing, Nothing>::parse(&text)
            .unwrap_or_else(|why| panic!("{text}: {why}"));
        assert_eq!(rule_table(&document).is_err(), refused, "{text}");
    }
}

/// As on the board, so on a TAP device of this host.
#[test]
fn the_handshake_completes_on_a_repeated_syn_ack() {
    let Some(kernel) = Kernel::start() else { return };
    kernel.tcp_server("10.77.0.1:7004", tapsock_tests::echo);
    let text = fs::read_to_string(root().join(SCRIPT)).unwrap();
    let script = Document::<Nothing, Nothing>::parse(&text).unwrap().script(1);
    let dropped = Arc::new(AtomicU64::new(0));
    let mut engine = Engine::new(script, Memory::growable(1, 16, 16, 1514), Instant::ZERO).unwrap();
    let counted = Arc::clone(&dropped);
    engine.observe(move |record: &Record<'_>| {
        if let Record::Verdict { verdict: Verdict::Drop(Some(0)), .. } = record {
            counted.fetch_add(1, Ordering::Relaxed);
        }
    });

    let mut configuration = Configuration::default();
    configuration.link = LinkChoice::Tap(kernel.device().into());
    let (link, descriptor) = open_link(&configuration, None).unwrap();
    let step = Duration::from_millis(250);
    let process =
        start_on(&configuration, Box::new(Fault::new(link, engine)), descriptor, |config| {
            config.syn.initial = step;
        })
        .unwrap();
    process.wsa_startup(0x0202);
    let s = process.socket(2, 1, 6).unwrap();
    let began = std::time::Instant::now();
    process.connect_to(s, SocketAddr::from(([10, 77, 0, 1], 7004))).unwrap();
    assert!(began.elapsed() >= step.into(), "it completed before anything was repeated");
    assert_eq!(dropped.load(Ordering::Relaxed), 1);
    process.closesocket(s).unwrap();
}
