//! Programs of the user's as the scenario: on a TAP device in a namespace of their own, with the
//! kernel as the peer. What the C library says of its link is in its events.

use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration as Time, Instant as Clock};
use std::{env, fs, io, process, thread};

use serde::Deserialize;
use serde_json::Value;
use tapsock_stack::fault::{Counters, Span};
use tapsock_stack::time::Duration;
use wsa::config::{Configuration, Setting};

use super::decisions::Decisions;
use super::document::document;
use super::expect::Ending;
use super::peer::Plan;
use super::run::{Case, Hits, Run};
use super::tap::Peer;
use crate::namespace::DEVICE;
use crate::output::Failure;
use crate::stage::tap::{Kernel, environment};

/// How often it is looked whether the program has ended.
const TURN: Time = Time::from_millis(2);

/// A file of the run's own, which goes with it.
struct Scratch(PathBuf);

impl Scratch {
    fn new(ending: &str) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("tapsock-faults-{}-{number}.{ending}", process::id());
        Self(env::temp_dir().join(name))
    }

    fn bytes(&self) -> Vec<u8> {
        // There is none when the program never started a stack.
        fs::read(&self.0).unwrap_or_default()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// What the library says of a rule at its end.
#[derive(Deserialize)]
struct Report {
    rule: String,
    matched: u64,
    fired: u64,
    expected: Option<(u64, u64)>,
    holds: bool,
    idle: bool,
}

/// Runs the command `words` and says what came of it. The calling thread enters a namespace.
///
/// # Errors
/// [`Failure::Usage`] when there is no such program; [`Failure::Environment`] without the right to
/// make a namespace and a device.
pub(super) fn run(
    case: &Case,
    words: &[String],
    seed: u64,
    configuration: &Configuration,
    limit: Duration,
) -> Result<Run, Failure> {
    // Before the namespace: a file that cannot be written needs none.
    let (script, events, capture) =
        (Scratch::new("toml"), Scratch::new("jsonl"), Scratch::new("pcapng"));
    fs::write(&script.0, document(case, seed).to_string())
        .map_err(|error| Failure::Environment(format!("{}: {error}", script.0.display())))?;
    Kernel::new(configuration.mtu).map_err(|error| environment(&error))?;
    let peer = Peer::new(Plan::new(&case.scenario, seed, limit));
    peer.open()?;

    let Some((program, arguments)) = words.split_first() else {
        return Err(Failure::Usage("the command of the scenario is empty".into()));
    };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    for (setting, value) in [
        (Setting::Link, format!("tap:{DEVICE}")),
        (Setting::Seed, seed.to_string()),
        (Setting::Faults, script.0.display().to_string()),
        (Setting::Events, events.0.display().to_string()),
        (Setting::Capture, capture.0.display().to_string()),
    ] {
        command.env(setting.variable(), value);
    }
    let began = Clock::now();
    let child = command.spawn().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            Failure::Usage(format!("there is no program {program}; give its path"))
        }
        _ => Failure::Usage(format!("{program} cannot be run: {error}")),
    })?;
    let (status, said) = ended(child, began + limit.into())?;
    let took = Duration::from_micros(u64::try_from(began.elapsed().as_micros()).unwrap_or(0));
    peer.end();

    let ending = match status {
        None => Ending::Blocked,
        Some(status) => Ending::Exited(code(status)),
    };
    let events = events.bytes();
    let text = String::from_utf8_lossy(&events);
    let mut failures = Vec::new();
    if text.is_empty() && !case.rules.is_empty() {
        let last = said.lines().last().map_or(String::new(), |line| format!("; it said: {line}"));
        failures.push(format!("{program} ended without starting a stack (WSAStartup){last}"));
    }
    Ok(Run {
        ending,
        call: "exit",
        cause: None,
        took,
        received: 0,
        challenges: 0,
        tcp: None,
        hits: text.lines().filter_map(hits).collect(),
        counters: Counters::default(),
        decisions: Decisions::default(),
        capture: capture.bytes(),
        events: events.clone(),
        failures,
    })
}

/// Waits for a program until `end`, and ends it then. Gives what it wrote to standard error.
fn ended(mut child: Child, end: Clock) -> Result<(Option<ExitStatus>, String), Failure> {
    let stderr = child.stderr.take();
    let reader = thread::spawn(move || {
        let mut said = Vec::new();
        // What cannot be read is not shown.
        let _ = stderr.map(|mut stderr| stderr.read_to_end(&mut said));
        String::from_utf8_lossy(&said).into_owned()
    });
    let gone =
        |error: io::Error| Failure::Told(format!("the program cannot be waited for: {error}"));
    let status = loop {
        match child.try_wait().map_err(gone)? {
            Some(status) => break Some(status),
            None if Clock::now() >= end => {
                let _ = child.kill();
                child.wait().map_err(gone)?;
                break None;
            }
            None => thread::sleep(TURN),
        }
    };
    Ok((status, reader.join().unwrap_or_default()))
}

/// The program's own status, or 128 and the number of the signal that ended it.
fn code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| Some(128 + status.signal()?));
    // Linux has no others.
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

fn hits(line: &str) -> Option<Hits> {
    let event: Value = serde_json::from_str(line).ok()?;
    if event["what"] != "report" {
        return None;
    }
    let Report { rule, matched, fired, expected, holds, idle } =
        serde_json::from_value(event).ok()?;
    let expected = expected.map(|(first, last)| Span::new(first, last));
    let holds = holds && !idle;
    Some(Hits { name: rule, matched, fired, expected, missing: None, holds })
}
