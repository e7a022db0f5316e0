//! The decisions of a run as a file of JSON lines: the script, then when rules fired and what
//! chance did on the link, then what came of it. That is all that is needed to make the run again.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use tapsock_stack::fault::{Carriage, Chance, Firing};
use tapsock_stack::link::Direction;

use super::decisions::Decisions;
use super::document::Loaded;
use super::expect::Ending;
use super::run::Run;
use crate::output::Failure;
use crate::stage::Medium;

/// The first line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    /// The version of the program that wrote it.
    tapsock: String,
    name: String,
    seed: u64,
    real_time: bool,
    script: String,
}

/// Every further line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
enum Line {
    /// A rule fired, on the frame with this number among those that it matches.
    Fired { rule: String, matched: u64 },
    /// Chance on the link, about the frame with this number in its direction.
    Link {
        dir: String,
        number: u64,
        #[serde(default, skip_serializing_if = "is_false")]
        lost: bool,
        #[serde(default, skip_serializing_if = "is_false")]
        copied: bool,
        #[serde(default, skip_serializing_if = "is_false")]
        corrupt: bool,
        #[serde(default, skip_serializing_if = "is_false")]
        overtakes: bool,
        #[serde(default, skip_serializing_if = "is_false")]
        copy_overtakes: bool,
    },
    /// What came of it.
    Result { result: Ending, call: String, micros: u64 },
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

/// A run out of a file.
#[derive(Debug)]
pub struct Recorded {
    /// The script.
    pub loaded: Loaded,
    /// What everything random was derived from.
    pub seed: u64,
    /// Where it was run.
    pub medium: Medium,
    /// What was decided.
    pub decisions: Decisions,
    /// How it ended, by which call, and after how many microseconds.
    pub result: (Ending, String, u64),
}

/// The lines about a run.
///
/// # Errors
/// [`Failure::Told`] when something cannot be written as JSON.
pub fn lines(loaded: &Loaded, run: &Run, seed: u64, medium: Medium) -> Result<String, Failure> {
    let head = Head {
        tapsock: env!("CARGO_PKG_VERSION").into(),
        name: loaded.name.clone(),
        seed,
        real_time: medium == Medium::Tap,
        script: loaded.text.clone(),
    };
    let mut text = line(&head)?;
    for Firing { rule, matched } in &run.decisions.firings {
        let rule = loaded.document.rules.get(usize::from(*rule));
        let rule = rule.map_or(String::new(), |rule| rule.name.to_string());
        text.push_str(&line(&Line::Fired { rule, matched: *matched })?);
    }
    for Carriage { direction, number, chance } in &run.decisions.lanes {
        let Chance { lost, copied, corrupt, overtakes, copy_overtakes } = *chance;
        let dir = if *direction == Direction::Outbound { "tx" } else { "rx" }.to_string();
        let number = *number;
        text.push_str(&line(&Line::Link {
            dir,
            number,
            lost,
            copied,
            corrupt,
            overtakes,
            copy_overtakes,
        })?);
    }
    let (result, call, micros) = (run.ending, run.call.to_string(), run.took.total_micros());
    text.push_str(&line(&Line::Result { result, call, micros })?);
    Ok(text)
}

fn line(value: &impl Serialize) -> Result<String, Failure> {
    let text = serde_json::to_string(value);
    let text =
        text.map_err(|error| Failure::Told(format!("this cannot be written as JSON: {error}")))?;
    Ok(text + "\n")
}

impl Recorded {
    /// Reads a file that [`lines`] has filled.
    ///
    /// # Errors
    /// [`Failure::Usage`] with the line that is wrong.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let text = fs::read_to_string(path).map_err(|error| {
            Failure::Usage(format!("{} cannot be read: {error}", path.display()))
        })?;
        Self::parse(&path.display().to_string(), &text)
    }

    fn parse(file: &str, text: &str) -> Result<Self, Failure> {
        let wrong = |number: usize, what: &str| {
            Failure::Usage(format!("{file}:{number}: {what}; write one with faults run --record"))
        };
        let mut lines = text.lines();
        let head: Head = serde_json::from_str(lines.next().unwrap_or_default())
            .map_err(|error| wrong(1, &format!("this is no recorded run ({error})")))?;
        let script = format!("the script in {file}");
        let loaded = Loaded::parse(&script, &head.name, head.script)?;
        let mut decisions = Decisions::default();
        let mut result = None;
        for (index, text) in lines.enumerate() {
            let number = index + 2;
            let line: Line = serde_json::from_str(text)
                .map_err(|error| wrong(number, &format!("this is no decision ({error})")))?;
            match line {
                Line::Fired { rule, matched } => {
                    let mut rules = loaded.document.rules.iter();
                    let found = rules.position(|known| known.name.as_str() == rule);
                    let rule =
                        found.and_then(|index| u16::try_from(index).ok()).ok_or_else(|| {
                            wrong(number, &format!("the script has no rule \"{rule}\""))
                        })?;
                    decisions.firings.push(Firing { rule, matched });
                }
                Line::Link {
                    dir,
                    number: frame,
                    lost,
                    copied,
                    corrupt,
                    overtakes,
                    copy_overtakes,
                } => {
                    let direction = match dir.as_str() {
                        "tx" => Direction::Outbound,
                        "rx" => Direction::Inbound,
                        _ => return Err(wrong(number, "dir must be tx or rx")),
                    };
                    let chance = Chance { lost, copied, corrupt, overtakes, copy_overtakes };
                    decisions.lanes.push(Carriage { direction, number: frame, chance });
                }
                Line::Result { result: ending, call, micros } => {
                    result = Some((ending, call, micros));
                }
            }
        }
        decisions.sort();
        let result = result.ok_or_else(|| wrong(text.lines().count(), "the result is missing"))?;
        let medium = if head.real_time { Medium::Tap } else { Medium::Simulated };
        Ok(Self { loaded, seed: head.seed, medium, decisions, result })
    }
}

#[cfg(test)]
mod tests {
    use wsa::config::Configuration;

    use super::super::run::run;
    use super::*;

    const SCRIPT: &str = r#"
version = 1
[link]
loss = 0.05
[scenario]
program = "transfer"
[[rule]]
name = "lose"
match = { dir = "tx", proto = "tcp" }
when = { prob = 0.1 }
do = "drop"
"#;

    #[test]
    fn what_was_recorded_makes_the_same_run() {
        let loaded = Loaded::parse("lossy.toml", "lossy", SCRIPT.into()).unwrap();
        let configuration = Configuration::default();
        let first =
            run(&loaded.case(), &loaded.text, Medium::Simulated, 9, &configuration).unwrap();
        let text = lines(&loaded, &first, 9, Medium::Simulated).unwrap();
        let recorded = Recorded::parse("run.jsonl", &text).unwrap();
        assert_eq!(recorded.decisions, first.decisions);
        assert!(!first.decisions.firings.is_empty() && !first.decisions.lanes.is_empty());
        let mut case = recorded.loaded.case();
        case.forced = Some(recorded.decisions);
        let again =
            run(&case, &recorded.loaded.text, recorded.medium, recorded.seed, &configuration)
                .unwrap();
        assert!(again.capture == first.capture);
        assert_eq!(recorded.result.0, again.ending);
    }

    #[test]
    fn what_is_no_record_is_refused_with_its_line() {
        let loaded = Loaded::parse("lossy.toml", "lossy", SCRIPT.into()).unwrap();
        let run =
            run(&loaded.case(), &loaded.text, Medium::Simulated, 9, &Configuration::default())
                .unwrap();
        let text = lines(&loaded, &run, 9, Medium::Simulated).unwrap();
        let told = |text: &str| Recorded::parse("r", text).unwrap_err().to_string();
        assert!(told("").starts_with("r:1: this is no recorded run"));
        assert!(told("{}").starts_with("r:1: this is no recorded run"));
        let (head, rest) = text.split_once('\n').unwrap();
        assert_eq!(told(head), "r:1: the result is missing; write one with faults run --record");
        assert!(told(&format!("{head}\nnoise\n{rest}")).starts_with("r:2: this is no decision"));
        let stranger = "{\"fired\":{\"rule\":\"x\",\"matched\":1}}";
        let sentence = told(&format!("{head}\n{stranger}\n{rest}"));
        assert!(sentence.starts_with("r:2: the script has no rule \"x\""), "{sentence}");
        let broken = text.replace("version = 1", "version = 2");
        assert!(told(&broken).contains("the script in r:"), "{}", told(&broken));
    }
}
