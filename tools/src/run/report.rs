//! How the rules have fared, read from the events that the library wrote.

use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::output::{self, Failure, Ink, Paint};

/// How one rule has fared.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Rule {
    rule: String,
    matched: u64,
    fired: u64,
    expected: Option<(u64, u64)>,
    holds: bool,
    idle: bool,
}

/// What the events say.
#[derive(Debug, Default)]
struct Report {
    seed: Option<String>,
    rules: Vec<Rule>,
    /// The counters, and when they were read.
    totals: Option<Value>,
}

impl Report {
    fn read(text: &str) -> Self {
        let mut report = Self::default();
        for line in text.lines() {
            // A program that was killed may leave half a line.
            let Ok(event) = serde_json::from_str::<Value>(line) else { continue };
            match event["what"].as_str() {
                // A program that starts a stack again begins anew.
                Some("begin") => {
                    let seed = event["seed"].as_str().map(String::from);
                    report = Self { seed, ..Self::default() };
                }
                Some("report") => report.rules.extend(serde_json::from_value(event).ok()),
                Some("totals") => report.totals = Some(event),
                _ => {}
            }
        }
        report
    }

    fn holds(&self) -> bool {
        self.rules.iter().all(|rule| rule.holds && !rule.idle)
    }

    fn lines(&self, paint: Paint) -> Vec<String> {
        let mut lines = Vec::new();
        if self.rules.is_empty() {
            return lines;
        }
        let name = self.rules.iter().map(|rule| rule.rule.chars().count()).max().unwrap_or(0);
        let name = name.max(4);
        let head = format!("{:name$}  matched   fired  expected", "rule");
        lines.push(paint.paint(Ink::Dim, &head));
        for one in &self.rules {
            let Rule { rule, matched, fired, expected, .. } = one;
            let due = match *expected {
                None => "1 or more".to_string(),
                Some((first, last)) if first == last => first.to_string(),
                Some((first, u64::MAX)) => format!("{first} or more"),
                Some((first, last)) => format!("{first} to {last}"),
            };
            let (ink, word) = match one {
                Rule { holds: true, idle: false, .. } => (Ink::Good, "PASS"),
                Rule { idle: true, fired: 0, expected: None, .. } => (Ink::Bad, "NEVER FIRED"),
                _ => (Ink::Bad, "FAIL"),
            };
            let word = paint.paint(ink, word);
            lines.push(format!("{rule:name$}  {matched:7}  {fired:6}  {due:13} {word}"));
        }
        lines
    }
}

/// Shows the report of a run, as text on standard error or as JSON on standard output, and says
/// whether every expectation about a rule holds.
///
/// # Errors
/// As [`output::json`].
pub(super) fn show(events: &Path, as_json: bool, code: u8) -> Result<bool, Failure> {
    // There is none when the program never started a stack.
    let text = fs::read_to_string(events).unwrap_or_default();
    let report = Report::read(&text);
    if as_json {
        let rules: Vec<Value> = report
            .rules
            .iter()
            .map(|rule| {
                let Rule { rule, matched, fired, expected, holds, idle } = rule;
                json!({"rule": rule, "matched": matched, "fired": fired, "expected": expected,
                       "holds": holds & !idle})
            })
            .collect();
        output::json(&json!({"event": "report", "status": code, "started": !text.is_empty(),
            "seed": report.seed, "rules": rules, "totals": report.totals}))?;
        return Ok(report.holds());
    }
    if text.is_empty() {
        output::note("tapsock: the program ended without starting a stack (WSAStartup)");
        return Ok(true);
    }
    for line in report.lines(Paint::stderr()) {
        output::note(&line);
    }
    let dropped = |name: &str| report.totals.as_ref().and_then(|totals| totals[name].as_u64());
    match (&report.totals, &report.seed) {
        (None, _) => output::note("tapsock: the program was ended before it could report"),
        (Some(totals), Some(seed)) if !report.rules.is_empty() => {
            let at = totals["t"].as_f64().unwrap_or_default();
            let (entered, left) = (dropped("entered"), dropped("left"));
            let (entered, left) = (entered.unwrap_or(0), left.unwrap_or(0));
            output::note(&format!(
                "{entered} frames came to the faults and {left} left them in {at:.3} s, seed {seed}"
            ));
        }
        _ => {}
    }
    Ok(report.holds())
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENTS: &str = r#"{"what":"begin","seed":"0x1"}
{"t":0.1,"what":"report","rule":"old","matched":1,"fired":1,"swallowed":0,"expected":null,"holds":true,"idle":false}
{"what":"begin","seed":"0x7"}
{"t":0.1,"what":"frame","id":1}
{"t":0.5,"what":"report","rule":"lose","matched":9,"fired":2,"swallowed":0,"expected":[2,2],"holds":true,"idle":false}
{"t":0.5,"what":"report","rule":"often","matched":9,"fired":1,"swallowed":0,"expected":[2,18446744073709551615],"holds":false,"idle":false}
{"t":0.5,"what":"report","rule":"never","matched":0,"fired":0,"swallowed":0,"expected":null,"holds":true,"idle":true}
{"t":0.5,"what":"totals","entered":12,"left":9}
{"t":0.5,"what":"fra"#;

    #[test]
    fn the_last_stack_counts_and_half_a_line_does_not() {
        let report = Report::read(EVENTS);
        assert_eq!(report.seed.as_deref(), Some("0x7"));
        assert!(!report.holds());
        assert_eq!(
            report.lines(Paint::NONE),
            [
                "rule   matched   fired  expected",
                "lose         9       2  2             PASS",
                "often        9       1  2 or more     FAIL",
                "never        0       0  1 or more     NEVER FIRED",
            ]
        );
        assert_eq!(report.totals.unwrap()["entered"], 12);
    }

    #[test]
    fn without_rules_there_is_nothing_to_hold() {
        let report = Report::read("");
        assert!(report.holds());
        assert_eq!(report.lines(Paint::NONE), [""; 0]);
    }
}
