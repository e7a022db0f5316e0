//! The table, or one JSON object a row.

use std::path::Path;

use serde::Serialize;
use wsa::Error;
use wsa::config::ProfileChoice;

use super::{Medium, Outcome};
use crate::output::{self, Failure, Ink, Paint};

/// The width of the table, in characters.
const WIDTH: usize = 100;
const NAME: usize = 19;
const CASE: usize = 51;
const GOT: usize = 14;
/// Where the line of the evidence begins: below the name.
const INDENT: usize = 7;

/// Shows rows one after the other and remembers whether all hold.
pub(super) struct Report {
    json: bool,
    paint: Paint,
    profile: ProfileChoice,
    rows: usize,
    failed: usize,
}

/// A row as JSON.
#[derive(Serialize)]
struct Object<'o> {
    code: i32,
    name: &'static str,
    case: &'static str,
    profile: &'static str,
    expected: i32,
    got: i32,
    got_name: &'static str,
    ok: bool,
    evidence: &'o str,
    network: bool,
    frame: Option<u64>,
    silence: Option<Silent>,
    capture: Option<String>,
}

#[derive(Serialize)]
struct Silent {
    sent: u32,
    whom: String,
    waited_ms: u64,
}

impl Report {
    pub(super) fn new(medium: Medium, profile: ProfileChoice, json: bool) -> Result<Self, Failure> {
        let report = Self { json, paint: Paint::stdout(), profile, rows: 0, failed: 0 };
        if !json {
            let place = match medium {
                Medium::Simulated => "simulated hosts in virtual time",
                Medium::Tap => "a TAP device with the Linux kernel as the peer",
            };
            output::line(&format!("WSAConnect on {place}, profile {}\n", name_of(profile)))?;
            let head = format!(
                "{:INDENT$}{:NAME$}{:CASE$}{:GOT$}ok",
                "code", "name", "provoked by", "came back"
            );
            output::line(&report.paint.paint(Ink::Strong, &head))?;
        }
        Ok(report)
    }

    pub(super) fn row(&mut self, outcome: &Outcome, capture: Option<&Path>) -> Result<(), Failure> {
        self.rows += 1;
        self.failed += usize::from(!outcome.ok);
        if self.json { self.object(outcome, capture) } else { self.lines(outcome) }
    }

    /// The sum, and whether all rows hold.
    pub(super) fn end(self) -> Result<(), Failure> {
        let Self { json, rows, failed, paint, .. } = self;
        if !json {
            let (ink, text) = match failed {
                0 => (Ink::Good, format!("{rows} rows, all ok")),
                _ => (Ink::Bad, format!("{rows} rows, {failed} not ok")),
            };
            output::line(&format!("\n{}", paint.paint(ink, &text)))?;
        }
        if failed == 0 { Ok(()) } else { Err(Failure::Failed) }
    }

    fn lines(&self, outcome: &Outcome) -> Result<(), Failure> {
        let row = outcome.row;
        let (ink, ok) = if outcome.ok { (Ink::Good, "ok") } else { (Ink::Bad, "NO") };
        // Where observed Windows differs from the documentation, or another code is due, the bare
        // code would not explain itself.
        let got = match outcome.got {
            0 => "success".to_string(),
            code => code.to_string(),
        };
        let got = if outcome.got != outcome.expected {
            format!("{got} ({})", outcome.expected)
        } else if outcome.expected != row.error.code() {
            format!("{got} (win)")
        } else {
            got
        };
        output::line(&format!(
            "{:<INDENT$}{:NAME$}{:CASE$}{:GOT$}{}",
            row.error.code(),
            row.error.name(),
            row.case,
            got,
            self.paint.paint(ink, ok)
        ))?;
        for line in output::wrap(&outcome.evidence.summary, WIDTH - INDENT) {
            let ink = if outcome.ok { Ink::Dim } else { Ink::Bad };
            output::line(&format!("{:INDENT$}{}", "", self.paint.paint(ink, &line)))?;
        }
        Ok(())
    }

    fn object(&self, outcome: &Outcome, capture: Option<&Path>) -> Result<(), Failure> {
        let row = outcome.row;
        let object = Object {
            code: row.error.code(),
            name: row.error.name(),
            case: row.case,
            profile: name_of(self.profile),
            expected: outcome.expected,
            got: outcome.got,
            got_name: Error::from_code(outcome.got).map_or("success", Error::name),
            ok: outcome.ok,
            evidence: &outcome.evidence.summary,
            network: row.is_network(self.profile),
            frame: outcome.evidence.frame,
            silence: outcome.evidence.silence.map(|silence| Silent {
                sent: silence.sent,
                whom: silence.whom.to_string(),
                waited_ms: silence.waited.total_millis(),
            }),
            capture: capture.map(|path| path.display().to_string()),
        };
        output::json(&object)
    }
}

fn name_of(profile: ProfileChoice) -> &'static str {
    match profile {
        ProfileChoice::Documented => "documented",
        ProfileChoice::Windows => "windows",
    }
}
