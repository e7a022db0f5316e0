//! A time line of what a script did to a link, in the notation of packetdrill with fault marks.
//!
//! One line for each frame that entered the engine, `>` from the stack and `<` towards it, and one
//! for each that came out later, changed, copied or forged:
//!
//! ```text
//! 0.000000 > S 0:0(0) win 65535 <mss 1460>              ✗ drop lose-1st-syn (1/1)
//! 1.000000 > S 0:0(0) win 65535 <mss 1460>
//! 1.000200 < S. 0:0(0) ack 1 win 64240 <mss 1460>       ~ delay 40 ms slow (1/3)
//! 1.040200 < S. 0:0(0) ack 1 win 64240 <mss 1460>       ~ delayed 40 ms by rule=slow
//! 5.000000 * link down
//! ```
//!
//! The marks: `✗` it is lost, `~` it waits, `≠` it is changed, `+` there are more of it, `!` there
//! are others because of it, `·` none of these. Behind the rule's name stands how many times it
//! has fired, of how many frames that it matched.

use std::fmt;

use tapsock_stack::fault::{Effect, Observer, Record, Verdict};
use tapsock_stack::link::Direction;
use tapsock_stack::link::tape::{Act, Narrator, Notation, Passage, Seen, Told};
use tapsock_stack::time::{Duration, Instant};

use crate::output::{Ink, Paint};

/// Where the marks begin, counted from the direction.
const COLUMN: usize = 56;

/// Shows what an engine does as lines, as soon as it does it.
pub struct TimeLine {
    narrator: Narrator,
    lines: Lines,
}

struct Lines {
    notation: Notation,
    paint: Paint,
    show: Box<dyn FnMut(&str) + Send>,
}

impl TimeLine {
    /// Calls `show` with every line.
    pub fn new(paint: Paint, show: impl FnMut(&str) + Send + 'static) -> Self {
        let lines = Lines { notation: Notation::new(), paint, show: Box::new(show) };
        Self { narrator: Narrator::new(0), lines }
    }
}

impl Observer for TimeLine {
    fn record(&mut self, record: &Record<'_>) {
        let Self { narrator, lines } = self;
        narrator.hear(record, &mut |told| lines.tell(told));
    }
}

impl Drop for TimeLine {
    fn drop(&mut self) {
        let Self { narrator, lines } = self;
        narrator.finish(&mut |told| lines.tell(told));
    }
}

impl fmt::Debug for TimeLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimeLine").finish_non_exhaustive()
    }
}

/// What was done to a frame, in short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    sign: char,
    words: String,
}

impl Mark {
    fn new(sign: char, words: impl Into<String>) -> Self {
        Self { sign, words: words.into() }
    }

    fn painted(&self, paint: Paint) -> String {
        let text = format!("{} {}", self.sign, self.words);
        match self.sign {
            '✗' => paint.paint(Ink::Bad, &text),
            '·' => paint.paint(Ink::Dim, &text),
            _ => paint.paint(Ink::Strong, &text),
        }
    }
}

/// A line about a frame.
pub fn frame(
    at: Instant,
    direction: Direction,
    words: &str,
    marks: &[Mark],
    paint: Paint,
) -> String {
    let way = match direction {
        Direction::Inbound => '<',
        Direction::Outbound => '>',
    };
    let mut line = format!("{} {way} {words}", seconds(at));
    if !marks.is_empty() {
        let width = words.chars().count() + 2;
        line += &" ".repeat(COLUMN.saturating_sub(width).max(3));
        let marks: Vec<String> = marks.iter().map(|mark| mark.painted(paint)).collect();
        line += &marks.join("  ");
    }
    line
}

/// A line about what happened without a frame.
pub fn note(at: Instant, text: &str) -> String {
    format!("{} * {text}", seconds(at))
}

/// A time in seconds with microseconds, as packetdrill and Wireshark write it.
pub fn seconds(at: Instant) -> String {
    let micros = at.total_micros();
    let sign = if micros < 0 { "-" } else { "" };
    let micros = micros.unsigned_abs();
    format!("{sign}{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

/// The mark of a part of a story, such as `link-model verdict=lost`.
pub fn told(part: &str) -> Mark {
    let sign = if part.contains("verdict=") && !part.contains("verdict=later") {
        '✗'
    } else if part.contains("changed") || part.contains("corrupt") {
        '≠'
    } else if part.starts_with("copy ") || part.starts_with("second part") {
        '+'
    } else if part.starts_with("forged") {
        '!'
    } else if part.contains("delay") || part.contains("held") {
        '~'
    } else {
        '·'
    };
    Mark::new(sign, part)
}

impl Lines {
    fn tell(&mut self, told: Told<'_>) {
        let line = match told {
            Told::Frame(seen) => self.frame(&seen),
            Told::Note { now, text } => Some(note(now, text)),
        };
        if let Some(line) = line {
            (self.show)(&line);
        }
    }

    fn frame(&mut self, seen: &Seen<'_>) -> Option<String> {
        let marks = match seen.passage {
            Passage::Entered(verdict) => entered(seen, verdict),
            // It went straight through, which has been said.
            Passage::Left(source) if source.made_by.is_none() && !comes_out(seen.story) => {
                return None;
            }
            Passage::Left(_) => parts(seen.story).map(told).collect(),
            // On the side on which it entered.
            Passage::Bypass => {
                let inbound = seen.direction == Direction::Inbound;
                if inbound != seen.number.is_none() {
                    return None;
                }
                Vec::new()
            }
        };
        let words = self.notation.line(seen.frame, seen.direction);
        Some(frame(seen.now, seen.direction, &words, &marks, self.paint))
    }
}

/// Whether a frame that left is another than the one that entered.
fn comes_out(story: &str) -> bool {
    story.starts_with("delayed ")
        || story.contains("changed by ") && !story.starts_with("unchanged")
}

/// The parts of a story, without the stack's number of the frame.
pub(crate) fn parts(story: &str) -> impl Iterator<Item = &str> {
    story.split("; ").filter(|part| !part.is_empty() && !part.starts_with("frame="))
}

fn entered(seen: &Seen<'_>, verdict: Verdict) -> Vec<Mark> {
    let mut marks: Vec<Mark> = seen.acts.iter().map(act).collect();
    let others = parts(seen.story).filter(|part| {
        !part.starts_with("rule=") && !part.starts_with("on a copy: ") && *part != "verdict=later"
    });
    marks.extend(others.map(|part| match verdict {
        Verdict::Lost | Verdict::Overflow => Mark::new('✗', part.replace("verdict=", "")),
        _ => told(part),
    }));
    marks
}

/// What a rule did: `✗ drop lose-1st-synack (1/1)`.
fn act(act: &Act) -> Mark {
    let Act { rule: _, name, fired, matched, copy, effects } = act;
    let mut sign = '·';
    let mut did = Vec::new();
    for (action, effect) in effects {
        let (found, words) = effect_words(action, effect);
        did.push(words);
        if rank(found) > rank(sign) {
            sign = found;
        }
    }
    let copy = if *copy { "on a copy: " } else { "" };
    let did = did.join(", ");
    match fired {
        Some(fired) => Mark::new(sign, format!("{copy}{did} {name} ({fired}/{matched})")),
        None => Mark::new('✗', format!("{copy}blackhole {name}")),
    }
}

/// Which sign stands for several.
fn rank(sign: char) -> usize {
    ['·', '!', '+', '~', '≠', '✗'].iter().position(|known| *known == sign).unwrap_or(0)
}

fn effect_words(action: &str, effect: &Effect) -> (char, String) {
    if effect.lost {
        ('✗', action.into())
    } else if effect.changed || effect.split {
        ('≠', action.into())
    } else if effect.delay != Duration::ZERO {
        ('~', format!("{action} {}", span(effect.delay)))
    } else if effect.held {
        ('~', action.into())
    } else if effect.copies > 0 {
        ('+', format!("{action} {}", effect.copies))
    } else if effect.forged > 0 {
        ('!', action.into())
    } else if effect.noted {
        ('·', action.into())
    } else {
        ('·', format!("{action} did nothing"))
    }
}

/// A length of time, as short as it can be said exactly.
pub fn span(duration: Duration) -> String {
    let micros = duration.total_micros();
    if micros.is_multiple_of(1_000_000) && micros > 0 {
        format!("{} s", micros / 1_000_000)
    } else if micros.is_multiple_of(1_000) {
        format!("{} ms", micros / 1_000)
    } else if micros < 1_000 {
        format!("{micros} us")
    } else {
        format!("{}.{:03} ms", micros / 1_000, micros % 1_000)
    }
}

#[cfg(test)]
mod tests;
