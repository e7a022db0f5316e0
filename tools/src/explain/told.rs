//! An explanation, for people and for programs.

use serde::Serialize;
use tapsock_stack::fault::{Verdict, View, Why};
use tapsock_stack::link::tape::{Notation, Side};
use tapsock_stack::time::Instant;

use super::evaluate::{Asked, Decision, Evaluation};
use super::recording::{Item, Packet, Recording};
use super::words::{self, About};
use crate::describe;
use crate::output::{self, Failure, Ink, Paint};
use crate::timeline::{self, seconds};

/// What can be said about a packet.
#[derive(Debug, Serialize)]
pub(super) struct Explanation {
    packet: Facts,
    /// The packet where the frame entered the script, if that is another.
    entered: Option<Facts>,
    rules: Vec<Told>,
    model: Option<String>,
    /// What became of the frame that entered.
    outcome: String,
    /// Where the frame, its copies and what was forged because of it came out.
    left: Vec<Facts>,
    /// Why this may not be how it was.
    doubts: Vec<String>,
}

/// A packet of the file.
#[derive(Debug, Clone, Serialize)]
struct Facts {
    /// As Wireshark numbers it.
    number: u64,
    side: &'static str,
    /// The stack's number, which evidence cites.
    frame: Option<u64>,
    /// Seconds.
    at: String,
    dir: &'static str,
    /// What both sides of a frame have in common.
    id: Option<u64>,
    bytes: usize,
    what: String,
    notation: String,
    comment: Option<String>,
}

/// What a rule did about the frame.
#[derive(Debug, Serialize)]
struct Told {
    rule: String,
    /// Whether it saw the frame, a copy of it, or neither.
    saw: Saw,
    acted: bool,
    why: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Saw {
    Frame,
    Copy,
    Nothing,
}

/// The frames of a recording in the notation of packetdrill, one line for each packet.
fn notations(recording: &Recording) -> Vec<String> {
    let mut notation = Notation::new();
    let packets = recording.packets.iter();
    packets.map(|packet| notation.line(&packet.bytes, packet.direction)).collect()
}

fn facts(packet: &Packet, notation: &str) -> Facts {
    Facts {
        number: packet.number,
        side: side(packet.side),
        frame: packet.frame,
        at: seconds(packet.at),
        dir: words::way(packet.direction),
        id: packet.id,
        bytes: packet.bytes.len(),
        what: describe::frame(&packet.bytes),
        notation: notation.to_string(),
        comment: packet.story.clone(),
    }
}

fn side(side: Side) -> &'static str {
    match side {
        Side::Stack => "stack",
        Side::Wire => "wire",
    }
}

/// The frame because of which a packet was forged.
fn cause(packet: &Packet) -> Option<u64> {
    let (_, rest) = packet.story.as_deref()?.split_once(" because of id=")?;
    rest.split(';').next()?.parse().ok()
}

/// Explains a packet.
pub(super) fn explanation(
    recording: &Recording,
    evaluation: &Evaluation,
    chosen: &Packet,
) -> Explanation {
    let notations = notations(recording);
    let with_words = |packet: &Packet| {
        let place = recording.packets.iter().position(|it| it.number == packet.number);
        let words = place.and_then(|place| notations.get(place)).map_or("", String::as_str);
        facts(packet, words)
    };
    let id = chosen.id.or_else(|| cause(chosen));
    let is_it = |packet: &&Packet| packet.enters() && packet.id.is_some() && packet.id == id;
    let entered = recording.packets.iter().find(is_it);
    let decision = id.and_then(|id| evaluation.frames.get(&id));
    let mut doubts = doubts(recording, evaluation);
    let mut explanation = Explanation {
        packet: with_words(chosen),
        entered: entered.filter(|it| it.number != chosen.number).map(with_words),
        rules: Vec::new(),
        model: None,
        outcome: String::new(),
        left: Vec::new(),
        doubts: Vec::new(),
    };
    match (entered, decision) {
        (Some(entered), Some(decision)) => {
            explanation.rules = rules(entered, decision);
            if decision.verdict != Verdict::Down && !decision.bypassed {
                explanation.model = Some(words::model(decision, entered.direction));
            }
            explanation.outcome = outcome(decision, entered.at);
            let came = without_number(&decision.story);
            let recorded = without_number(entered.story.as_deref().unwrap_or_default());
            if came != recorded {
                doubts.push(format!(
                    "the recording says \"{recorded}\" and the script, run again, \"{came}\"; the \
                     rules have counted something that is not in the file"
                ));
            }
        }
        _ if id.is_none() => explanation.outcome = "it was forged by an event of the script".into(),
        _ => {
            explanation.outcome = "nothing is known".into();
            doubts.push("the frame entered the script before the recording began".into());
        }
    }
    if let Some(id) = id {
        let others = recording.packets.iter().filter(|packet| !packet.enters());
        let of_it = others.filter(|it| it.id == Some(id) || cause(it) == Some(id));
        explanation.left = of_it.map(with_words).collect();
        for item in &recording.items {
            if let Item::Note(at, text) = item
                && let Some((_, rest)) = text.split_once(&format!(": id={id} "))
                && text.starts_with("lost on its way")
            {
                let at = seconds(*at);
                explanation.outcome += &format!("; at {at} s lost after all, {rest}");
            }
        }
    }
    explanation.doubts = doubts;
    explanation
}

fn doubts(recording: &Recording, evaluation: &Evaluation) -> Vec<String> {
    let mut doubts = Vec::new();
    let before = recording.heading.entered;
    if before > 0 {
        doubts.push(format!(
            "{before} frames had met the script before the recording began, so rules may have \
             counted more than can be seen here"
        ));
    }
    for change in &evaluation.unknown {
        doubts.push(format!("the live change \"{change}\" could not be made again"));
    }
    doubts
}

/// A story without the stack's number of its frame.
fn without_number(story: &str) -> &str {
    story.rfind("; frame=").map_or(story, |end| &story[..end])
}

fn rules(entered: &Packet, decision: &Decision) -> Vec<Told> {
    let view = View::new(&entered.bytes);
    let (direction, time) = (entered.direction, format!("{} s", seconds(entered.at)));
    let mut about = About { view, direction, time, changed: false };
    let mut told = Vec::new();
    let mut ended: Option<&str> = None;
    for (index, rule) in decision.rules.iter().enumerate() {
        let name = rule.name.as_str();
        let of_it = |asked: &&Asked| usize::from(asked.rule) == index;
        for asked in decision.asked.iter().filter(of_it) {
            let why = words::why(asked, rule, decision, &about);
            let acted = matches!(asked.why, Why::Fired(_) | Why::Swallowed);
            let saw = if asked.copy { Saw::Copy } else { Saw::Frame };
            told.push(Told { rule: name.to_string(), saw, acted, why });
            if acted && !asked.copy {
                ended = Some(name);
                about.changed |= asked.effects.iter().any(|(_, it)| it.changed || it.split);
            }
        }
        if !decision.asked.iter().any(|asked| !asked.copy && usize::from(asked.rule) == index) {
            let why = match (decision.bypassed, decision.verdict, ended) {
                (true, ..) => "was not asked: nothing in the script was switched on".into(),
                (_, Verdict::Down, _) => "was not asked: the link was down".into(),
                (_, Verdict::TooLarge, _) => "was not asked: it is larger than the MTU".into(),
                (.., Some(above)) => format!("was not asked: \"{above}\" above it ended this"),
                _ => "was not asked".into(),
            };
            told.push(Told { rule: name.to_string(), saw: Saw::Nothing, acted: false, why });
        }
    }
    told
}

fn outcome(decision: &Decision, entered: Instant) -> String {
    let rule = |index: u16| match decision.rules.get(usize::from(index)) {
        Some(rule) => format!("\"{}\"", rule.name),
        None => "a rule".into(),
    };
    match decision.verdict {
        Verdict::Pass if decision.bypassed => "it went through, past the script".into(),
        Verdict::Pass => "it went through at once".into(),
        Verdict::Later(due) if due.total_micros() == i64::MAX => {
            "it was held back until something happens".into()
        }
        Verdict::Later(due) if due <= entered => "it went through at once".into(),
        Verdict::Later(due) => {
            let length = timeline::span(due - entered);
            format!("it was held back for {length}, until {} s at the latest", seconds(due))
        }
        Verdict::Drop(Some(index)) => format!("it was dropped by {}", rule(index)),
        Verdict::Drop(None) => "it was dropped by an event of the script".into(),
        Verdict::Merge(index) => format!("it became part of another segment by {}", rule(index)),
        Verdict::Lost => "it was lost by the link model".into(),
        Verdict::Overflow => "it was lost, as the link model's queue was full".into(),
        Verdict::Exhausted => "it was lost, as no memory was left to hold it".into(),
        Verdict::TooLarge => "it was lost, as it is larger than the MTU of the script".into(),
        Verdict::Down => "it was lost, as the link was down".into(),
        _ => "it went another way".into(),
    }
}

impl Explanation {
    /// Writes it to standard output.
    pub(super) fn print(&self, paint: Paint) -> Result<(), Failure> {
        output::line(self.lines(paint).join("\n").as_str())
    }

    /// The lines for people.
    pub(super) fn lines(&self, paint: Paint) -> Vec<String> {
        let mut lines = vec![paint.paint(Ink::Strong, &self.packet.heading())];
        lines.push(format!("  {}", self.packet.what));
        lines.push(format!("  {}", self.packet.notation));
        if let Some(comment) = &self.packet.comment {
            lines.push(format!("  {comment}"));
        }
        if let Some(entered) = &self.entered {
            lines.push(format!("came from {}", entered.heading()));
            lines.push(format!("  {}", entered.what));
        }
        if !self.rules.is_empty() {
            lines.push(paint.paint(Ink::Strong, "rules, from top to bottom"));
        }
        let width = self.rules.iter().map(|told| told.rule.chars().count()).max().unwrap_or(0);
        for told in &self.rules {
            let copy = if told.saw == Saw::Copy { "on a copy: " } else { "" };
            let line = format!("  {:width$}  {copy}{}", told.rule, told.why);
            let ink = if told.acted { Ink::Bad } else { Ink::Dim };
            lines.push(paint.paint(ink, &line));
        }
        if let Some(model) = &self.model {
            lines.push(format!("link model: {model}"));
        }
        lines.push(format!("outcome: {}", self.outcome));
        for left in &self.left {
            let comment = left.comment.as_deref().unwrap_or("as it was");
            lines.push(format!("  came out as {}: {comment}", left.heading()));
        }
        for doubt in &self.doubts {
            lines.push(paint.paint(Ink::Bad, &format!("not certain: {doubt}")));
        }
        lines
    }
}

impl Facts {
    fn heading(&self) -> String {
        let Self { number, side, at, dir, bytes, .. } = self;
        let frame = self.frame.map_or(String::new(), |frame| format!(" (frame {frame})"));
        format!("packet {number} on the {side} side{frame}, {at} s, {dir}, {bytes} bytes")
    }
}

/// Writes the time line of a recording to standard output.
pub(super) fn list(recording: &Recording, json: bool, paint: Paint) -> Result<(), Failure> {
    let notations = notations(recording);
    for item in &recording.items {
        match item {
            Item::Note(at, text) if json => {
                output::json(&serde_json::json!({ "at": seconds(*at), "note": text }))?;
            }
            Item::Note(at, text) => output::line(&timeline::note(*at, text))?,
            Item::Packet(index) => {
                let Some(packet) = recording.packets.get(*index) else { continue };
                let words = notations.get(*index).map_or("", String::as_str);
                if json {
                    output::json(&facts(packet, words))?;
                } else if let Some(line) = line(packet, words, paint) {
                    output::line(&line)?;
                }
            }
        }
    }
    Ok(())
}

/// The line of a packet on a time line: none where a frame came out as it was.
fn line(packet: &Packet, words: &str, paint: Paint) -> Option<String> {
    let story = packet.story.as_deref().unwrap_or_default();
    if !packet.enters() && (story.is_empty() || story.starts_with("unchanged")) {
        return None;
    }
    let marks: Vec<_> = timeline::parts(story).map(timeline::told).collect();
    let number = format!("{:>5} ", packet.number);
    Some(number + &timeline::frame(packet.at, packet.direction, words, &marks, paint))
}
