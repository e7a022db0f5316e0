//! One JSON object a line for everything that happens.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt::{self, Write as _};
use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use smoltcp::time::Instant;

use super::narrator::{Act, Narrator, Passage, Seen, Told};
use super::notation::Notation;
use super::{ClockMode, Heading, words};
use crate::fault::{Engine, Hits, Made, Observer, Record, Verdict};
use crate::link::Direction;

/// The most frames of which is remembered what they were: as many as an engine holds back.
const REMEMBERED: usize = u16::MAX as usize;

/// Writes what an engine does as JSON, one object a line, for programs.
///
/// - `{"what":"begin",…}` comes first: program, seed, clock, sizes and the whole script.
/// - `{"t","what":"frame","dir","id","flow","frame","rule","verdict","params","before","after"}`
///   for every frame that entered: `t` in seconds, `dir` `tx` or `rx`, `frame` the stack's number
///   where it has one, `rule` the last that fired, `verdict` `pass`, `later`, `drop`, `merge`,
///   `lost`, `overflow`, `exhausted`, `too-large` or `down`, `params` what each rule did, and
///   `before` and `after` the frame in the notation of packetdrill. `after` is `null` where none
///   came out yet. A frame that comes out later, a copy or a forged one has an object of its own
///   with the verdict `left`.
/// - `{"t","what":"event"|"link"|"lost"|"refused","text"}`, as the notes of [`tape`](super).
/// - `{"t","what":"live","text"}`: the script was changed while it ran, in the words of
///   [`Engine::note`].
/// - `{"t","what":"report","rule",…}` for each rule and `{"t","what":"totals",…}`, at the end.
///
/// A handle, as [`Tape`](super::Tape) is.
#[derive(Clone)]
pub struct EventLog(Arc<Mutex<Inner>>);

struct Inner {
    narrator: Narrator,
    lines: Lines,
}

struct Lines {
    writer: Box<dyn Write + Send>,
    error: Option<io::Error>,
    notation: Notation,
    /// What is held back, in words.
    held: BTreeMap<u64, String>,
}

impl EventLog {
    /// Logs what `engine` does from now on, beside those who observe it already.
    pub fn start(
        engine: &mut Engine<'_>,
        writer: impl Write + Send + 'static,
        heading: &Heading<'_>,
    ) -> Self {
        let mut lines = Lines {
            writer: Box::new(writer),
            error: None,
            notation: Notation::new(),
            held: BTreeMap::new(),
        };
        lines.write(&begin(heading, engine));
        let narrator = Narrator::new(heading.frames);
        let this = Self(Arc::new(Mutex::new(Inner { narrator, lines })));
        engine.observe_too(this.clone());
        this
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // At worst a line is missing.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why the log ended early, if it did: kind and text.
    pub fn error(&self) -> Option<io::Error> {
        let inner = self.inner();
        let error = inner.lines.error.as_ref()?;
        Some(io::Error::new(error.kind(), format!("{error}")))
    }

    /// Makes everything reach its destination. Also done when the last handle is dropped.
    ///
    /// # Errors
    /// The error that ended the log, or that of the writer now.
    pub fn flush(&self) -> io::Result<()> {
        self.inner().flush()
    }
}

impl Observer for EventLog {
    fn record(&mut self, record: &Record<'_>) {
        let Inner { narrator, lines } = &mut *self.inner();
        match *record {
            Record::Report { now, ref hits } => {
                narrator.finish(&mut |told| lines.tell(told));
                lines.write(&report(now, hits));
            }
            Record::Totals { now, ref counters } => {
                narrator.finish(&mut |told| lines.tell(told));
                let mut object = Object::at(now, "totals");
                for (name, value) in counters.named() {
                    object.number(name, value);
                }
                lines.write(&object);
            }
            Record::Change { now, text } => {
                narrator.finish(&mut |told| lines.tell(told));
                let mut object = Object::at(now, "live");
                object.text("text", text);
                lines.write(&object);
            }
            _ => narrator.hear(record, &mut |told| lines.tell(told)),
        }
    }
}

impl fmt::Debug for EventLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventLog").field("error", &self.error()).finish_non_exhaustive()
    }
}

impl Inner {
    fn flush(&mut self) -> io::Result<()> {
        let Self { narrator, lines } = self;
        narrator.finish(&mut |told| lines.tell(told));
        match &lines.error {
            None => lines.writer.flush(),
            Some(error) => Err(io::Error::new(error.kind(), format!("{error}"))),
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Nobody is left to hear about a failure.
        let _ = self.flush();
    }
}

impl Lines {
    fn write(&mut self, object: &Object) {
        if self.error.is_none() {
            let line = format!("{}}}\n", object.0);
            self.error = self.writer.write_all(line.as_bytes()).err();
        }
    }

    fn tell(&mut self, told: Told<'_>) {
        match told {
            Told::Note { now, text } => {
                let what = text.split([' ', '=', ',']).next().unwrap_or_default();
                let mut object = Object::at(now, what);
                object.text("text", text);
                self.write(&object);
            }
            Told::Frame(seen) => self.frame(&seen),
        }
    }

    fn frame(&mut self, seen: &Seen<'_>) {
        let inbound = seen.direction == Direction::Inbound;
        match seen.passage {
            Passage::Entered(verdict) => {
                let before = self.notation.line(seen.frame, seen.direction);
                let after = (verdict == Verdict::Pass).then_some(&before[..]);
                let mut object = about(seen, words::verdict(verdict));
                let rule = seen.acts.iter().rfind(|act| !act.copy);
                object.maybe("rule", rule.map(|act| act.name.as_str()));
                object.raw("params", &params(seen.acts, seen.now, verdict));
                object.text("before", &before);
                object.maybe("after", after);
                self.write(&object);
                if let (Verdict::Later(_), Some(id)) = (verdict, seen.id) {
                    self.held.insert(id, before);
                    if self.held.len() > REMEMBERED {
                        self.held.pop_first();
                    }
                }
            }
            Passage::Left(source) => {
                let itself = source.made_by.is_none();
                let before = if itself { self.held.remove(&source.id) } else { None };
                if itself && before.is_none() {
                    // It went straight through, which has been said.
                    return;
                }
                let after = self.notation.line(seen.frame, seen.direction);
                let mut object = about(seen, "left");
                object.maybe("rule", None);
                let mut made = Object::empty();
                made.text("made", made_word(source.made_by));
                made.number("of", source.id);
                made.text("told", seen.story);
                object.raw("params", &made.closed());
                object.maybe("before", before.as_deref());
                object.text("after", &after);
                self.write(&object);
            }
            // On the side on which it entered.
            Passage::Bypass if inbound == seen.number.is_none() => {
                let words = self.notation.line(seen.frame, seen.direction);
                let mut object = about(seen, "pass");
                object.maybe("rule", None);
                object.raw("params", "{}");
                object.text("before", &words);
                object.text("after", &words);
                self.write(&object);
            }
            Passage::Bypass => {}
        }
    }
}

fn about(seen: &Seen<'_>, verdict: &str) -> Object {
    let mut object = Object::at(seen.now, "frame");
    object.text("dir", if seen.direction == Direction::Inbound { "rx" } else { "tx" });
    object.count("id", seen.id);
    object.count("flow", Some(u64::from(seen.flow)).filter(|flow| *flow > 0));
    object.count("frame", seen.number);
    object.text("verdict", verdict);
    object
}

fn made_word(made: Option<Made>) -> &'static str {
    match made {
        None => "itself",
        Some(Made::Copy(_)) => "copy",
        Some(Made::Part(_)) => "part",
        Some(Made::Forged(_)) => "forged",
    }
}

fn params(acts: &[Act], now: Instant, verdict: Verdict) -> String {
    let mut params = Object::empty();
    match verdict {
        Verdict::Later(due) if due.total_micros() != i64::MAX => {
            params.raw("due", &words::seconds(due.max(now)));
        }
        _ => {}
    }
    if !acts.is_empty() {
        let acts: Vec<String> = acts.iter().map(act).collect();
        params.raw("acts", &format!("[{}]", acts.join(",")));
    }
    params.closed()
}

fn act(act: &Act) -> String {
    let mut object = Object::empty();
    object.text("rule", act.name.as_str());
    object.number("matched", act.matched);
    object.count("fired", act.fired);
    if act.copy {
        object.raw("copy", "true");
    }
    let mut did = Vec::new();
    for (action, effect) in &act.effects {
        let mut done = Object::empty();
        done.text("action", action);
        let micros = effect.delay.total_micros();
        for (name, value) in [
            ("delay-us", micros),
            ("copies", effect.copies.into()),
            ("forged", effect.forged.into()),
        ] {
            if value > 0 {
                done.number(name, value);
            }
        }
        for (name, holds) in [
            ("lost", effect.lost),
            ("held", effect.held),
            ("changed", effect.changed),
            ("split", effect.split),
            ("noted", effect.noted),
        ] {
            if holds {
                done.raw(name, "true");
            }
        }
        did.push(done.closed());
    }
    object.raw("did", &format!("[{}]", did.join(",")));
    object.closed()
}

fn begin(heading: &Heading<'_>, engine: &Engine<'_>) -> Object {
    let sizes = engine.sizes();
    let mut object = Object::empty();
    object.text("what", "begin");
    object.text("program", concat!("tapsock ", env!("CARGO_PKG_VERSION")));
    object.text("seed", &format!("{:#x}", sizes.seed));
    let clock = match heading.clock {
        ClockMode::Virtual => "virtual",
        ClockMode::Real => "real",
    };
    object.text("clock", clock);
    object.text("heading", &heading.line(engine));
    object.text("script", heading.script);
    object
}

fn report(now: Instant, hits: &Hits<'_>) -> Object {
    let Hits { name, matched, fired, swallowed, expected } = *hits;
    let mut object = Object::at(now, "report");
    object.text("rule", name.as_str());
    object.number("matched", matched);
    object.number("fired", fired);
    object.number("swallowed", swallowed);
    match expected {
        Some(span) => object.raw("expected", &format!("[{},{}]", span.first, span.last)),
        None => object.raw("expected", "null"),
    }
    object.raw("holds", &hits.holds().to_string());
    object.raw("idle", &hits.idle().to_string());
    object
}

/// A JSON object without its closing brace.
struct Object(String);

impl Object {
    fn empty() -> Self {
        Self("{".into())
    }

    fn at(now: Instant, what: &str) -> Self {
        let mut object = Self::empty();
        object.raw("t", &words::seconds(now));
        object.text("what", what);
        object
    }

    fn closed(self) -> String {
        self.0 + "}"
    }

    fn key(&mut self, key: &str) {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        self.string(key);
        self.0.push(':');
    }

    fn raw(&mut self, key: &str, value: &str) {
        self.key(key);
        self.0 += value;
    }

    fn number(&mut self, key: &str, value: u64) {
        self.raw(key, &value.to_string());
    }

    fn count(&mut self, key: &str, value: Option<u64>) {
        match value {
            Some(value) => self.number(key, value),
            None => self.raw(key, "null"),
        }
    }

    fn text(&mut self, key: &str, value: &str) {
        self.key(key);
        self.string(value);
    }

    fn maybe(&mut self, key: &str, value: Option<&str>) {
        match value {
            Some(value) => self.text(key, value),
            None => self.raw(key, "null"),
        }
    }

    /// RFC 8259, section 7.
    fn string(&mut self, value: &str) {
        self.0.push('"');
        for letter in value.chars() {
            match letter {
                '"' => self.0.push_str("\\\""),
                '\\' => self.0.push_str("\\\\"),
                '\n' => self.0.push_str("\\n"),
                control if u32::from(control) < 0x20 => {
                    let _ = write!(self.0, "\\u{:04x}", u32::from(control));
                }
                other => self.0.push(other),
            }
        }
        self.0.push('"');
    }
}
