//! How fault rules have fared, at the end of a run.

use std::path::Path;
use std::{fmt, fs};

use serde::Deserialize;
use serde_json::{Value, json};
use tapsock_stack::fault::{Engine, Span};

use crate::output::{self, Failure, Ink, Paint};

/// How one rule has fared.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Rule {
    rule: String,
    matched: u64,
    fired: u64,
    expected: Option<(u64, u64)>,
    holds: bool,
    idle: bool,
}

/// How all rules have fared.
#[derive(Debug, Clone, Default)]
pub struct Report {
    seed: Option<String>,
    rules: Vec<Rule>,
    /// Frames that the engine lost because it had no memory left.
    exhausted: u64,
    /// The counters, and when they were read, where an event log says them.
    totals: Option<Value>,
}

impl Report {
    /// How the rules of an engine have fared until now.
    pub fn of(engine: &Engine<'_>) -> Self {
        let rules = engine.report().map(|hits| Rule {
            rule: hits.name.to_string(),
            matched: hits.matched,
            fired: hits.fired,
            expected: hits.expected.map(|span| (span.first, span.last)),
            holds: hits.holds(),
            idle: hits.idle(),
        });
        let exhausted = engine.counters().exhausted;
        Self { rules: rules.collect(), exhausted, ..Self::default() }
    }

    /// Adds what the same rules did in another run.
    pub fn add(&mut self, other: &Self) {
        self.exhausted += other.exhausted;
        for rule in &other.rules {
            let Some(sum) = self.rules.iter_mut().find(|sum| sum.rule == rule.rule) else {
                self.rules.push(rule.clone());
                continue;
            };
            sum.matched += rule.matched;
            sum.fired += rule.fired;
            let due = sum.expected.map(|(first, last)| Span::new(first, last));
            sum.holds = due.is_none_or(|due| due.contains(sum.fired));
            sum.idle = sum.fired == 0 && !due.is_some_and(|due| due.contains(0));
        }
    }

    /// Shows it, where there are rules: as a table on standard error, or as a line of JSON on
    /// standard output.
    ///
    /// # Errors
    /// As [`output::json`].
    pub fn show(&self, as_json: bool) -> Result<(), Failure> {
        if self.rules.is_empty() {
            return Ok(());
        }
        if as_json {
            return output::json(&json!({"event": "report", "rules": self.json(),
                "exhausted": self.exhausted}));
        }
        for line in self.lines(Paint::stderr()) {
            output::note(&line);
        }
        Ok(())
    }

    fn json(&self) -> Vec<Value> {
        let rules = self.rules.iter().map(|rule| {
            let Rule { rule, matched, fired, expected, holds, idle } = rule;
            json!({"rule": rule, "matched": matched, "fired": fired, "expected": expected,
                   "holds": holds & !idle})
        });
        rules.collect()
    }

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
                Some("totals") => {
                    report.exhausted = event["exhausted"].as_u64().unwrap_or(0);
                    report.totals = Some(event);
                }
                _ => {}
            }
        }
        report
    }

    /// Whether every rule fired as many times as it must, or at all where nothing is said.
    pub fn holds(&self) -> bool {
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
                Some((first, last)) => Due(Span::new(first, last)).to_string(),
            };
            let (ink, word) = match one {
                Rule { holds: true, idle: false, .. } => (Ink::Good, "PASS"),
                Rule { idle: true, fired: 0, expected: None, .. } => (Ink::Bad, "NEVER FIRED"),
                _ => (Ink::Bad, "FAIL"),
            };
            let word = paint.paint(ink, word);
            lines.push(format!("{rule:name$}  {matched:7}  {fired:6}  {due:13} {word}"));
        }
        lines.extend(exhausted(self.exhausted));
        lines
    }
}

/// A range of numbers, as people write it.
pub(crate) struct Due(pub(crate) Span);

impl fmt::Display for Due {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Span { first, last } = self.0;
        let text = match (first, last) {
            (first, last) if first == last => first.to_string(),
            (first, u64::MAX) => format!("{first} or more"),
            (first, last) => format!("{first} to {last}"),
        };
        f.pad(&text)
    }
}

/// What is said of frames for which the engine had no memory.
pub(crate) fn exhausted(frames: u64) -> Option<String> {
    let (plural, pronoun) = match frames {
        0 => return None,
        1 => (" was", "it"),
        _ => ("s were", "them"),
    };
    Some(format!(
        "{frames} frame{plural} lost because the engine had no memory left to hold {pronoun}"
    ))
}

/// Shows the report of a run, as text on standard error or as JSON on standard output, and says
/// whether every expectation about a rule holds.
///
/// # Errors
/// As [`output::json`].
pub fn of_events(events: &Path, as_json: bool, code: u8) -> Result<bool, Failure> {
    // There is none when the program never started a stack.
    let text = fs::read_to_string(events).unwrap_or_default();
    let report = Report::read(&text);
    if as_json {
        output::json(&json!({"event": "report", "status": code, "started": !text.is_empty(),
            "seed": report.seed, "rules": report.json(), "totals": report.totals}))?;
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
    fn runs_add_up() {
        let rule = |fired, expected| Rule {
            rule: "lose".into(),
            matched: 5,
            fired,
            expected,
            holds: true,
            idle: fired == 0,
        };
        for (expected, fired, holds) in [
            (None, [0, 1], true),
            (None, [0, 0], false),
            (Some((2, 2)), [1, 1], true),
            (Some((2, 2)), [1, 2], false),
            (Some((0, 0)), [0, 0], true),
        ] {
            let report = |fired| Report { rules: vec![rule(fired, expected)], ..Report::default() };
            let mut sum = report(fired[0]);
            sum.add(&report(fired[1]));
            assert_eq!(sum.holds(), holds, "{expected:?} {fired:?}");
            assert_eq!(sum.rules[0].matched, 10);
        }
    }

    #[test]
    fn without_rules_there_is_nothing_to_hold() {
        let report = Report::read("");
        assert!(report.holds());
        assert_eq!(report.lines(Paint::NONE), [""; 0]);
    }
}
