//! What runs look like: a line for each script and what does not hold, or JSON.

use serde::Serialize;
use tapsock_stack::event::Evidence;
use tapsock_stack::fault::Outcome;

use super::judged::{Judged, Verdict};
use super::run::{Hits, Run};
use crate::output::{self, Failure, Ink, Paint, seconds};
use crate::report::{Due, exhausted};
use crate::stage::Medium;

/// The width of the tables, in characters.
const WIDTH: usize = 100;
/// Where details begin, below the verdict of a script.
const INDENT: usize = 7;
/// The most characters of a name before the columns move.
const NAME: usize = 34;

/// How much is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Detail {
    /// Everything, as for one script.
    All,
    /// A line for what holds, everything for the rest.
    Failures,
    /// JSON.
    Json,
}

/// Shows scripts one after the other and remembers whether all hold.
pub(super) struct Report {
    detail: Detail,
    paint: Paint,
    medium: Medium,
    name: usize,
    counts: [usize; 4],
    skipped: usize,
}

impl Report {
    /// `longest` is the length of the longest name of a script.
    pub(super) fn new(medium: Medium, detail: Detail, longest: usize) -> Self {
        let (paint, name) = (Paint::stdout(), longest.clamp(8, NAME));
        Self { detail, paint, medium, name, counts: [0; 4], skipped: 0 }
    }

    /// A script that is not run here.
    pub(super) fn skip(&mut self, name: &str) {
        self.skipped += 1;
        if self.detail == Detail::All {
            output::note(&format!("{name} says clock = \"virtual\": run it without --tap"));
        }
    }

    /// A script that was run.
    pub(super) fn script(&mut self, judged: &Judged) -> Result<(), Failure> {
        self.counts[judged.verdict as usize] += 1;
        match self.detail {
            Detail::Json => output::json(&Object::new(judged, self.medium)),
            Detail::All => self.whole(judged),
            Detail::Failures => self.short(judged),
        }
    }

    /// The sum, and whether all is as it should be.
    pub(super) fn end(self) -> Result<(), Failure> {
        let [pass, fail, xfail, xpass] = self.counts;
        if self.detail == Detail::Failures {
            let mut parts = vec![format!("{pass} pass")];
            let others =
                [(fail, "fail"), (xfail, "fail as expected"), (xpass, "pass unexpectedly")];
            parts.extend(
                others
                    .iter()
                    .filter(|(count, _)| *count > 0)
                    .map(|(count, word)| format!("{count} {word}")),
            );
            if self.skipped > 0 {
                parts.push(format!("{} left out, as they say clock = \"virtual\"", self.skipped));
            }
            let ink = if fail + xpass == 0 { Ink::Good } else { Ink::Bad };
            let sum = self.paint.paint(ink, &parts.join(", "));
            output::line(&format!("\n{sum}"))?;
            let note = format!("{} clock, tapsock {}", clock(self.medium), version());
            output::line(&self.paint.paint(Ink::Dim, &note))?;
        }
        if fail + xpass == 0 { Ok(()) } else { Err(Failure::Failed) }
    }

    fn short(&self, judged: &Judged) -> Result<(), Failure> {
        let Judged { name, verdict, run, .. } = judged;
        output::line(&format!(
            "{}{name:width$}  {}",
            self.verdict(*verdict),
            run.outcome(),
            width = self.name
        ))?;
        if let (Verdict::Xfail, Some(reason)) = (verdict, &judged.reason) {
            return self.dim(&format!("expected to fail: {reason}"));
        }
        if *verdict == Verdict::Pass {
            return match exhausted(judged.run.counters.exhausted) {
                Some(text) => self.lines(Ink::Bad, &text),
                None => Ok(()),
            };
        }
        self.details(judged)?;
        self.table(&run.hits)?;
        self.origin(judged)
    }

    fn whole(&self, judged: &Judged) -> Result<(), Failure> {
        let Judged { name, title, verdict, run, .. } = judged;
        let title = title.as_ref().map_or(String::new(), |title| format!(": {title}"));
        for line in output::wrap(&format!("{name}{title}"), WIDTH) {
            output::line(&self.paint.paint(Ink::Strong, &line))?;
        }
        output::line("")?;
        if !run.hits.is_empty() {
            self.table(&run.hits)?;
            output::line("")?;
        }
        output::line(&format!("{}{}", self.verdict(*verdict), run.outcome()))?;
        self.details(judged)?;
        self.origin(judged)
    }

    fn verdict(&self, verdict: Verdict) -> String {
        let ink = match verdict {
            Verdict::Pass => Ink::Good,
            Verdict::Fail | Verdict::Xpass => Ink::Bad,
            Verdict::Xfail => Ink::Dim,
        };
        self.paint.paint(ink, &format!("{:INDENT$}", verdict.name()))
    }

    /// The cause, what does not hold, and the twin.
    fn details(&self, judged: &Judged) -> Result<(), Failure> {
        let Judged { run, verdict, reason, twin, .. } = judged;
        if let Some(cause) = run.cause {
            self.dim(&format!("cause: {cause}"))?;
        }
        for failure in &run.failures {
            self.lines(Ink::Bad, failure)?;
        }
        match (verdict, reason) {
            (Verdict::Xpass, Some(reason)) => self.lines(
                Ink::Bad,
                &format!("this is listed as an expected failure, but holds: {reason}"),
            )?,
            (Verdict::Xfail, Some(reason)) => self.dim(&format!("expected to fail: {reason}"))?,
            _ => {}
        }
        if let Some(text) = exhausted(run.counters.exhausted) {
            self.lines(Ink::Bad, &text)?;
        }
        match twin {
            // The run's own failures say what is wrong, which may be a rule that never fired.
            Some(twin) if twin.holds() && !run.holds() => {
                self.dim(&format!("without its faults the expectation holds ({})", twin.outcome()))
            }
            Some(twin) if twin.holds() => self.lines(
                Ink::Bad,
                &format!(
                    "without its faults the expectation holds as well ({}), so that they are not \
                     the reason",
                    twin.outcome()
                ),
            ),
            Some(twin) => self.dim(&format!("without its faults: {}", twin.outcome())),
            None => Ok(()),
        }
    }

    fn origin(&self, judged: &Judged) -> Result<(), Failure> {
        let Judged { seed, hash, .. } = judged;
        let clock = clock(self.medium);
        self.dim(&format!("seed {seed}, script {hash:016x}, {clock} clock, tapsock {}", version()))
    }

    fn dim(&self, text: &str) -> Result<(), Failure> {
        self.lines(Ink::Dim, text)
    }

    fn lines(&self, ink: Ink, text: &str) -> Result<(), Failure> {
        for line in output::wrap(text, WIDTH - INDENT) {
            output::line(&format!("{:INDENT$}{}", "", self.paint.paint(ink, &line)))?;
        }
        Ok(())
    }

    /// How the rules have fared.
    fn table(&self, hits: &[Hits]) -> Result<(), Failure> {
        if hits.is_empty() {
            return Ok(());
        }
        let name = hits.iter().map(|hits| hits.name.chars().count()).max().unwrap_or(0).max(4);
        let width = if hits.iter().any(|hits| hits.missing.is_some()) { 24 } else { 12 };
        let head = format!("{:INDENT$}{:name$}  matched   fired  expected", "", "rule");
        output::line(&self.paint.paint(Ink::Dim, &head))?;
        for one in hits {
            let Hits { name: rule, matched, fired, expected, missing, holds } = one;
            let mut due = expected.map_or("1 or more".to_string(), |span| Due(span).to_string());
            if let Some((outcome, _)) = missing {
                due.push_str(&format!(", {}", word(*outcome)));
            }
            let (ink, word) = if *holds { (Ink::Good, "PASS") } else { (Ink::Bad, "FAIL") };
            output::line(&format!(
                "{:INDENT$}{rule:name$}  {matched:7}  {fired:6}  {due:width$} {}",
                "",
                self.paint.paint(ink, word)
            ))?;
        }
        Ok(())
    }
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::ChallengeAck => "challenge-ack",
        Outcome::Rst => "rst",
        Outcome::Retransmission => "retransmission",
        Outcome::Silence => "silence",
    }
}

fn clock(medium: Medium) -> &'static str {
    match medium {
        Medium::Simulated => "virtual",
        Medium::Tap => "real",
    }
}

fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

/// A script as JSON.
#[derive(Serialize)]
struct Object<'j> {
    script: &'j str,
    title: Option<&'j str>,
    verdict: &'static str,
    result: &'static str,
    code: i32,
    call: &'static str,
    seconds: f64,
    received: usize,
    challenges: u64,
    cause: Option<String>,
    frame: Option<u64>,
    failures: &'j [String],
    expected_failure: Option<&'j str>,
    rules: Vec<Rule<'j>>,
    frames: Frames,
    twin: Option<Twin>,
    seed: u64,
    hash: String,
    clock: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
struct Rule<'j> {
    name: &'j str,
    matched: u64,
    fired: u64,
    least: Option<u64>,
    most: Option<u64>,
    holds: bool,
}

/// What was done to frames.
#[derive(Serialize)]
struct Frames {
    entered: u64,
    left: u64,
    dropped: u64,
    lost: u64,
    overflowed: u64,
    exhausted: u64,
    too_large: u64,
    down: u64,
    copied: u64,
    forged: u64,
}

#[derive(Serialize)]
struct Twin {
    result: &'static str,
    call: &'static str,
    seconds: f64,
    holds: bool,
}

impl<'j> Object<'j> {
    fn new(judged: &'j Judged, medium: Medium) -> Self {
        let Judged { name, title, verdict, run, reason, twin, seed, hash } = judged;
        let took = |run: &Run| run.took.total_micros() as f64 / 1e6;
        let rules = run.hits.iter().map(|hits| Rule {
            name: &hits.name,
            matched: hits.matched,
            fired: hits.fired,
            least: hits.expected.map(|span| span.first),
            most: hits.expected.map(|span| span.last).filter(|last| *last != u64::MAX),
            holds: hits.holds,
        });
        let counters = run.counters;
        Self {
            script: name,
            title: title.as_deref(),
            verdict: verdict.name(),
            result: run.ending.name(),
            code: run.ending.code(),
            call: run.call,
            seconds: took(run),
            received: run.received,
            challenges: run.challenges,
            cause: run.cause.map(|cause| cause.to_string()),
            frame: run.cause.and_then(|cause| match cause.evidence {
                Evidence::Packet(packet) => Some(packet.number),
                _ => None,
            }),
            failures: &run.failures,
            expected_failure: reason.as_deref(),
            rules: rules.collect(),
            frames: Frames {
                entered: counters.entered,
                left: counters.left,
                dropped: counters.dropped,
                lost: counters.lost,
                overflowed: counters.overflowed,
                exhausted: counters.exhausted,
                too_large: counters.too_large,
                down: counters.down,
                copied: counters.copied,
                forged: counters.forged,
            },
            twin: twin.as_ref().map(|twin| Twin {
                result: twin.ending.name(),
                call: twin.call,
                seconds: took(twin),
                holds: twin.holds(),
            }),
            seed: *seed,
            hash: format!("{hash:016x}"),
            clock: clock(medium),
            version: version(),
        }
    }
}

/// A list of scripts: name, what it shows, scenario, expectation.
pub(super) fn list(rows: &[[String; 4]], json: bool) -> Result<(), Failure> {
    #[derive(Serialize)]
    struct Entry<'r> {
        script: &'r str,
        title: &'r str,
        scenario: &'r str,
        expect: &'r str,
    }
    let paint = Paint::stdout();
    for [script, title, scenario, expect] in rows {
        if json {
            output::json(&Entry { script, title, scenario, expect })?;
            continue;
        }
        output::line(&paint.paint(Ink::Strong, script))?;
        for line in output::wrap(title, WIDTH - 4) {
            output::line(&format!("    {line}"))?;
        }
        for line in output::wrap(&format!("{scenario}: {expect}"), WIDTH - 4) {
            output::line(&format!("    {}", paint.paint(Ink::Dim, &line)))?;
        }
    }
    Ok(())
}

/// What was made of a failing run.
pub(super) fn shrunk(parts: (usize, usize), runs: usize, is_minimal: bool, run: &Run) {
    let (before, after) = parts;
    let took = seconds(run.took.total_micros() as i64);
    output::note(&format!(
        "{before} decisions, events and properties of the link became {after} in {runs} runs; it \
         ends as before: {} by {} after {took}",
        run.ending, run.call
    ));
    if !is_minimal {
        output::note("the runs were used up: something more may be left out; give --runs more");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_for_which_there_was_no_memory_are_told() {
        assert_eq!(exhausted(0), None);
        let end = "lost because the engine had no memory left to hold";
        assert_eq!(exhausted(1), Some(format!("1 frame was {end} it")));
        assert_eq!(exhausted(2), Some(format!("2 frames were {end} them")));
    }
}
