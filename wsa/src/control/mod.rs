//! Live control of a running stack: a Unix socket that lists its sockets, and lists, adds, removes and
//! switches the rules that break its link.
//!
//! A request is one line of JSON, and so is its answer. Every answer has `ok`; where that is false
//! `error` is a sentence that says why, and nothing has changed.
//!
//! | request | what it does | what the answer has beside `ok` |
//! |---|---|---|
//! | `{"do": "list"}` | | `rules`: each with `rule` (its one-line form), `name`, `on`, `matched`, `fired`, `swallowed`, `expect` |
//! | `{"do": "add", "rule": LINE}` | appends a rule in its one-line form, which begins to count now | `name` |
//! | `{"do": "remove", "name": NAME}` | takes a rule away | |
//! | `{"do": "enable", "name": NAME}`, `"disable"` | switches a rule | |
//! | `{"do": "pause"}`, `"resume"` | lets every frame pass, or not any more; events wait meanwhile | |
//! | `{"do": "reset"}` | sets every rule's counts to zero | |
//! | `{"do": "netstat", "most": COUNT}` | lists the sockets, at most 1000 of them where COUNT is not said | `now`, `total`, `sockets`, and the stack's `counters` and `dropped` without what is 0 |
//! | `{"do": "stats"}` | | `now` in seconds of the stack's clock, `active`, `paused`, `link` (`"up"` or `"down"`), `counters` |
//!
//! What changes something is also told to the engine's observer, so that a capture and an event
//! log have it at its time.

mod server;
mod sockets;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::format;
use std::io;
use std::path::Path;
use std::string::{String, ToString};
use std::vec::Vec;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tapsock_stack::fault::{Engine, Rule, Switch};
use tapsock_stack::link::Link;
use tapsock_stack::link::fault::Fault;
use tapsock_stack::time::Instant;

use crate::engine::threaded::Handle;
use server::Server;

/// A control socket, served until this is dropped.
#[derive(Debug)]
pub struct Control {
    _server: Server,
}

impl Control {
    /// Serves a new socket at `path`, which only this user may use, for the engine behind
    /// `handle`. The socket of a program that has ended is replaced.
    ///
    /// # Errors
    /// What the system says; [`io::ErrorKind::AddrInUse`] when something else is at `path`.
    pub fn serve<L: Link + Send + 'static>(
        path: &Path,
        handle: Handle<Fault<'static, L>>,
    ) -> io::Result<Self> {
        let server = Server::start(path, move |line| {
            let answered = handle.with(|access| {
                let (now, stack) = (access.now, &mut *access.stack);
                match request(line) {
                    Ok(Request::Netstat { most }) => {
                        done(sockets::sockets(stack, now, most.unwrap_or(sockets::MOST)))
                    }
                    request => answer(stack.link_mut().engine_mut(), now, request),
                }
            });
            answered.unwrap_or_else(|| failed("the stack has ended"))
        })?;
        Ok(Self { _server: server })
    }
}

#[derive(Debug, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
enum Request {
    List {},
    Add { rule: String },
    Remove { name: String },
    Enable { name: String },
    Disable { name: String },
    Pause {},
    Resume {},
    Reset {},
    Stats {},
    Netstat { most: Option<usize> },
}

#[derive(Debug, Serialize)]
struct Done<T> {
    ok: bool,
    #[serde(flatten)]
    more: T,
}

#[derive(Debug, Serialize)]
struct Failed<'e> {
    ok: bool,
    error: &'e str,
}

#[derive(Debug, Serialize)]
struct Nothing {}

#[derive(Debug, Serialize)]
struct Added {
    name: String,
}

#[derive(Debug, Serialize)]
struct Rules {
    rules: Vec<RuleLine>,
}

#[derive(Debug, Serialize)]
struct RuleLine {
    name: String,
    rule: String,
    on: bool,
    matched: u64,
    fired: u64,
    swallowed: u64,
    /// The least and the most times that it must fire; the most is null for any number.
    expect: Option<(u64, Option<u64>)>,
}

#[derive(Debug, Serialize)]
struct Stats {
    now: f64,
    active: bool,
    paused: bool,
    link: &'static str,
    counters: BTreeMap<&'static str, u64>,
}

fn failed(error: &str) -> String {
    written(&Failed { ok: false, error })
}

fn written(value: &impl Serialize) -> String {
    // Only maps with keys that are no texts cannot be written.
    serde_json::to_string(value).unwrap_or_else(|_| r#"{"ok":false,"error":"no JSON"}"#.into())
}

fn done(more: impl Serialize) -> String {
    written(&Done { ok: true, more })
}

/// What a line asks for.
fn request(line: &str) -> Result<Request, String> {
    // By way of a map: by itself an enum could be read from a list as well.
    let request = serde_json::from_str(line).map(Value::Object).and_then(serde_json::from_value);
    request.map_err(|error| format!("this is not a request: {error}"))
}

/// Does what is asked for and says so in a line.
fn answer(engine: &mut Engine<'static>, now: Instant, request: Result<Request, String>) -> String {
    match request.and_then(|request| perform(engine, now, request)) {
        Ok(text) => text,
        Err(error) => failed(&error),
    }
}

fn perform(engine: &mut Engine<'static>, now: Instant, request: Request) -> Result<String, String> {
    match request {
        Request::List {} => return Ok(done(Rules { rules: list(engine) })),
        Request::Stats {} => return Ok(done(stats(engine, now))),
        Request::Netstat { .. } => return Err("an engine alone has no sockets".into()),
        Request::Add { rule } => {
            let rule: Rule = rule.parse().map_err(|error| format!("{error}"))?;
            engine.add(rule, now).map_err(|error| error.to_string())?;
            engine.note(now, &format!("add {rule}"));
            return Ok(done(Added { name: rule.name.to_string() }));
        }
        Request::Remove { name } => {
            let rule = find(engine, &name)?;
            engine.remove(rule).map_err(|error| error.to_string())?;
            engine.note(now, &format!("remove {name}"));
        }
        Request::Enable { name } => {
            let rule = find(engine, &name)?;
            engine.switch(rule, Switch::On);
            engine.note(now, &format!("enable {name}"));
        }
        Request::Disable { name } => {
            let rule = find(engine, &name)?;
            engine.switch(rule, Switch::Off);
            engine.note(now, &format!("disable {name}"));
        }
        Request::Pause {} => {
            engine.pause(true);
            engine.note(now, "pause");
        }
        Request::Resume {} => {
            engine.pause(false);
            engine.note(now, "resume");
        }
        Request::Reset {} => {
            engine.reset(now);
            engine.note(now, "reset");
        }
    }
    Ok(done(Nothing {}))
}

fn find(engine: &Engine<'static>, name: &str) -> Result<usize, String> {
    engine.rule(name).ok_or_else(|| match engine.rules() {
        [] => format!("there is no rule \"{name}\", nor any other"),
        rules => {
            let names: Vec<&str> = rules.iter().map(|rule| rule.name.as_str()).collect();
            format!("there is no rule \"{name}\"; there are: {}", names.join(", "))
        }
    })
}

fn list(engine: &Engine<'static>) -> Vec<RuleLine> {
    let rules = engine.rules().iter().zip(engine.report());
    rules
        .enumerate()
        .map(|(index, (rule, hits))| RuleLine {
            name: rule.name.to_string(),
            rule: rule.to_string(),
            on: engine.is_on(index),
            matched: hits.matched,
            fired: hits.fired,
            swallowed: hits.swallowed,
            expect: hits
                .expected
                .map(|span| (span.first, Some(span.last).filter(|last| *last != u64::MAX))),
        })
        .collect()
}

fn stats(engine: &Engine<'static>, now: Instant) -> Stats {
    Stats {
        now: now.total_micros() as f64 / 1e6,
        active: engine.is_active(),
        paused: engine.is_paused(),
        link: if engine.link_is_up() { "up" } else { "down" },
        counters: engine.counters().named().collect(),
    }
}
