//! `tapsock control`: asks a running stack about its fault rules, and changes them.

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::output::{self, Failure, Ink, Paint};

/// What `tapsock control` takes.
#[derive(Debug, Args)]
pub struct ControlArgs {
    /// The socket that --control or TAPSOCK_CONTROL named
    socket: PathBuf,

    #[command(subcommand)]
    action: Action,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
enum Action {
    /// Show the rules and how they have fared
    List,
    /// Append a rule in its one-line form, such as "tx tcp dport=80 nth=3 drop"
    Add {
        /// The rule
        rule: String,
    },
    /// Take a rule away
    Remove {
        /// Its name
        name: String,
    },
    /// Switch a rule on
    Enable {
        /// Its name
        name: String,
    },
    /// Switch a rule off
    Disable {
        /// Its name
        name: String,
    },
    /// Let every frame pass, whatever the rules say
    Pause,
    /// Let the rules decide again
    Resume,
    /// Set the counts of all rules to zero
    Reset,
    /// Show what was done to frames so far
    Stats,
}

impl Action {
    fn request(&self) -> Value {
        match self {
            Self::List => json!({"do": "list"}),
            Self::Add { rule } => json!({"do": "add", "rule": rule}),
            Self::Remove { name } => json!({"do": "remove", "name": name}),
            Self::Enable { name } => json!({"do": "enable", "name": name}),
            Self::Disable { name } => json!({"do": "disable", "name": name}),
            Self::Pause => json!({"do": "pause"}),
            Self::Resume => json!({"do": "resume"}),
            Self::Reset => json!({"do": "reset"}),
            Self::Stats => json!({"do": "stats"}),
        }
    }
}

/// The verb.
///
/// # Errors
/// [`Failure::Usage`] when nobody serves the socket; [`Failure::Told`] when the stack refuses.
pub fn main(args: &ControlArgs, as_json: bool) -> Result<(), Failure> {
    let text = ask(&args.socket, &args.action.request())?;
    let answer: Value = serde_json::from_str(&text)
        .map_err(|_| Failure::Told(format!("{} gave no answer", args.socket.display())))?;
    if answer["ok"] != true {
        let why = answer["error"].as_str().unwrap_or("the stack refuses and gives no reason");
        return Err(Failure::Told(why.into()));
    }
    if as_json {
        return output::line(&text);
    }
    match &args.action {
        Action::List => {
            for line in rules(&answer["rules"], Paint::stdout()) {
                output::line(&line)?;
            }
            Ok(())
        }
        Action::Stats => {
            for line in stats(&answer) {
                output::line(&line)?;
            }
            Ok(())
        }
        Action::Add { .. } => output::line(answer["name"].as_str().unwrap_or_default()),
        _ => Ok(()),
    }
}

/// One request to the stack behind a socket, and its answer.
///
/// # Errors
/// [`Failure::Usage`] when nobody serves the socket, [`Failure::Told`] when it gives no answer.
pub fn ask(socket: &Path, request: &Value) -> Result<String, Failure> {
    let mut stream = UnixStream::connect(socket).map_err(|error| {
        let name = socket.display();
        Failure::Usage(match error.kind() {
            io::ErrorKind::NotFound => {
                format!("there is no socket {name}; start a program with TAPSOCK_CONTROL={name}")
            }
            io::ErrorKind::ConnectionRefused if !is_socket(socket) => {
                format!("{name} is no socket; name the one that --control named")
            }
            io::ErrorKind::ConnectionRefused => {
                format!("the program that served {name} has ended; start it again")
            }
            _ => format!("{name} cannot be used ({error}); name the socket of a running program"),
        })
    })?;
    let unanswered =
        |error: io::Error| Failure::Told(format!("{} gave no answer ({error})", socket.display()));
    stream.write_all(format!("{request}\n").as_bytes()).map_err(unanswered)?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).map_err(unanswered)?;
    Ok(answer.trim_end().to_string())
}

fn is_socket(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.file_type().is_socket())
}

fn rules(rules: &Value, paint: Paint) -> Vec<String> {
    let Some(rules) = rules.as_array().filter(|rules| !rules.is_empty()) else {
        return vec!["there are no rules".into()];
    };
    let text = |rule: &Value, key: &str| rule[key].as_str().unwrap_or_default().to_string();
    let width = rules.iter().map(|rule| text(rule, "name").chars().count()).max().unwrap_or(0);
    let width = width.max(4);
    let head = format!("{:width$}  {:3}  {:>9}  {:>9}  RULE", "NAME", "ON", "MATCHED", "FIRED");
    let mut lines = vec![paint.paint(Ink::Strong, &head)];
    for rule in rules {
        let on = if rule["on"] == true { "on" } else { "off" };
        let line = format!(
            "{:width$}  {on:3}  {:>9}  {:>9}  {}",
            text(rule, "name"),
            rule["matched"].as_u64().unwrap_or_default(),
            rule["fired"].as_u64().unwrap_or_default(),
            text(rule, "rule")
        );
        lines.push(if on == "on" { line } else { paint.paint(Ink::Dim, &line) });
    }
    lines
}

fn stats(answer: &Value) -> Vec<String> {
    let word = |key: &str, yes: &'static str, no: &'static str| {
        if answer[key] == true { yes } else { no }
    };
    let mut lines = vec![format!(
        "{:.6} s  link {}, {}, {}",
        answer["now"].as_f64().unwrap_or_default(),
        answer["link"].as_str().unwrap_or_default(),
        word("active", "faults are active", "no fault is active"),
        word("paused", "paused", "not paused"),
    )];
    let counters = answer["counters"].as_object();
    for (name, count) in counters.into_iter().flatten() {
        lines.push(format!("{name:<11} {:>12}", count.as_u64().unwrap_or_default()));
    }
    lines
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        args: ControlArgs,
    }

    fn action(words: &[&str]) -> Action {
        Program::parse_from([&["control", "/s"], words].concat()).args.action
    }

    #[test]
    fn every_action_is_a_request_that_the_library_knows() {
        for (words, request) in [
            (&["list"][..], r#"{"do":"list"}"#),
            (&["add", "tx drop"], r#"{"do":"add","rule":"tx drop"}"#),
            (&["remove", "a"], r#"{"do":"remove","name":"a"}"#),
            (&["enable", "a"], r#"{"do":"enable","name":"a"}"#),
            (&["disable", "a"], r#"{"do":"disable","name":"a"}"#),
            (&["pause"], r#"{"do":"pause"}"#),
            (&["resume"], r#"{"do":"resume"}"#),
            (&["reset"], r#"{"do":"reset"}"#),
            (&["stats"], r#"{"do":"stats"}"#),
        ] {
            assert_eq!(action(words).request().to_string(), request);
        }
    }

    #[test]
    fn rules_are_a_table() {
        let answer = json!([
            {"name": "lose", "rule": "tx drop", "on": true, "matched": 12, "fired": 3},
            {"name": "a-longer-name", "rule": "rx drop", "on": false, "matched": 0, "fired": 0},
        ]);
        assert_eq!(
            rules(&answer, Paint::NONE),
            [
                "NAME           ON     MATCHED      FIRED  RULE",
                "lose           on          12          3  tx drop",
                "a-longer-name  off          0          0  rx drop",
            ]
        );
        assert_eq!(rules(&json!([]), Paint::NONE), ["there are no rules"]);
    }

    #[test]
    fn a_socket_that_is_not_there_is_a_sentence() {
        let failure = ask(Path::new("/nowhere/at/all"), &json!({})).unwrap_err();
        let sentence = failure.sentence().unwrap();
        assert!(sentence.contains("TAPSOCK_CONTROL=/nowhere/at/all"), "{sentence}");
        assert_eq!(failure.status(), 2);
    }
}
