//! Makes of an engine's records what a reader wants to know about each frame.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::hash::Hasher;
use core::mem;

use siphasher::sip::SipHasher13;
use smoltcp::time::{Duration, Instant};

use super::words;
use crate::fault::{Chance, Effect, Made, Name, Record, Source, Verdict, Why};
use crate::link::Direction;

/// The most frames about which is remembered what was done to them until they leave: as many as
/// an engine holds back at the most.
const REMEMBERED: usize = u16::MAX as usize;

/// A side of an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// Between the stack and the engine.
    Stack,
    /// Between the engine and the link.
    Wire,
}

/// How a frame comes to be seen on a side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passage {
    /// It entered the engine, which decided so about it.
    Entered(Verdict),
    /// It left the engine, and came from there.
    Left(Source),
    /// It entered while the engine was not active, and left again.
    Bypass,
}

/// A frame that was seen on a side of an engine.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'t> {
    /// When.
    pub now: Instant,
    /// Where.
    pub side: Side,
    /// How.
    pub passage: Passage,
    /// Which way.
    pub direction: Direction,
    /// The engine's number of the frame; that of the original for copies and parts, `None` for
    /// forged frames.
    pub id: Option<u64>,
    /// The stack's number of the frame, which evidence cites; `None` on the wire.
    pub number: Option<u64>,
    /// The number of its flow, where the engine said it, otherwise 0.
    pub flow: u32,
    /// What rules have done, of a frame that entered.
    pub acts: &'t [Act],
    /// Everything that is to be said about it, in words; empty for a frame that nobody touched.
    pub story: &'t str,
    /// Its bytes.
    pub frame: &'t [u8],
}

/// What one rule did about a frame.
#[derive(Debug, Clone, PartialEq)]
pub struct Act {
    /// Index of the rule.
    pub rule: u16,
    /// Its name.
    pub name: Name,
    /// For which time it fired; `None` when its blackhole swallowed the frame.
    pub fired: Option<u64>,
    /// Which of the frames that the rule matches this is; the first is 1.
    pub matched: u64,
    /// Whether it saw a copy and not the frame itself.
    pub copy: bool,
    /// What it did, by the name of the action.
    pub effects: Vec<(&'static str, Effect)>,
}

/// Something to be told.
#[derive(Debug, Clone, Copy)]
pub enum Told<'t> {
    /// A frame was seen.
    Frame(Seen<'t>),
    /// Something happened without a frame, in the words of the section "Notes" of
    /// [`tape`](super).
    Note {
        /// When.
        now: Instant,
        /// What.
        text: &'t str,
    },
}

/// Listens to an engine and tells what became of each frame, in order.
///
/// A frame that the stack sends is told once it is known that the link took it, with the next
/// record: call [`Narrator::finish`] at the end.
#[derive(Debug, Default)]
pub struct Narrator {
    /// How many frames the stack has counted.
    frames: u64,
    /// By index of the rule.
    names: Vec<Option<Name>>,
    /// The frame that the rules are looking at.
    deciding: u64,
    acts: Vec<Act>,
    /// What happened to its copies meanwhile.
    asides: Vec<String>,
    /// What the link model has decided about it.
    chance: Chance,
    remembered: BTreeMap<u64, Memory>,
    waiting: Option<Waiting>,
}

/// What is remembered about a frame that entered.
#[derive(Debug)]
struct Memory {
    entered: Instant,
    digest: u64,
    flow: u32,
    touched: Vec<String>,
    delayed: Vec<String>,
    changed: Vec<String>,
    copies: u64,
    /// How many are still to leave: itself, copies by rules, a second part.
    outstanding: u64,
}

/// A frame that may still turn out not to have been sent.
#[derive(Debug)]
struct Waiting {
    now: Instant,
    id: u64,
    flow: u32,
    acts: Vec<Act>,
    story: String,
    frame: Vec<u8>,
}

impl Narrator {
    /// For an engine before which the stack has already counted `frames` frames.
    pub fn new(frames: u64) -> Self {
        Self { frames, ..Self::default() }
    }

    /// Hears a record and tells what follows from it.
    pub fn hear(&mut self, record: &Record<'_>, tell: &mut dyn FnMut(Told<'_>)) {
        if let Record::Refused { now, id, frame } = *record {
            self.refused(now, id, frame, tell);
            return;
        }
        self.finish(tell);
        match *record {
            Record::Bypass { now, id, direction, frame } => {
                self.bypassed(now, id, direction, frame, tell);
            }
            Record::Rule { id, copy, rule, name, matched, why, .. } => {
                self.turn_to(id);
                let fired = match why {
                    Why::Fired(number) => Some(number),
                    Why::Swallowed => None,
                    _ => return,
                };
                self.learn(rule, *name);
                let (name, effects) = (*name, Vec::new());
                self.acts.push(Act { rule, name, fired, matched, copy, effects });
            }
            Record::Action { id, action, effect, .. } => {
                self.turn_to(id);
                if let Some(act) = self.acts.last_mut() {
                    act.effects.push((words::action_word(action), effect));
                }
            }
            Record::Lane { id, chance, .. } => {
                self.turn_to(id);
                self.chance = chance;
            }
            Record::Verdict { now, id, direction, flow, frame, verdict } => {
                self.turn_to(id);
                self.decided(now, (id, direction, flow), frame, verdict, tell);
            }
            Record::Left { now, direction, source, by, frame } => {
                if let (Some(rule), Some(name)) = (source.rule(), by) {
                    self.learn(rule, *name);
                }
                self.left(now, direction, source, frame, tell);
            }
            Record::Lost { now, direction, source, verdict } => {
                let by = self.lost_by(verdict);
                let what = self.made(source);
                let way = match direction {
                    Direction::Inbound => "to the stack",
                    Direction::Outbound => "to the wire",
                };
                self.gone(source);
                if source.id == self.deciding && source.id != 0 && source.made_by.is_some() {
                    self.asides.push(format!("{what}: {by}"));
                } else {
                    let text = format!("lost on its way {way}: id={} {what}: {by}", source.id);
                    tell(Told::Note { now, text: &text });
                }
            }
            Record::Event { now, event, of } => {
                tell(Told::Note { now, text: &words::event(event, of) });
            }
            Record::Link { now, up } => {
                tell(Told::Note { now, text: if up { "link up" } else { "link down" } });
            }
            Record::Change { now, text } => {
                // Rules may have moved.
                self.names.clear();
                tell(Told::Note { now, text: &format!("live {text}") });
            }
            Record::Report { now, ref hits } => {
                tell(Told::Note { now, text: &words::hits(hits) });
            }
            Record::Totals { now, ref counters } => {
                tell(Told::Note { now, text: &words::totals(counters) });
            }
            Record::Refused { .. } => {}
        }
    }

    /// Tells what waits.
    pub fn finish(&mut self, tell: &mut dyn FnMut(Told<'_>)) {
        let Some(waiting) = self.waiting.take() else { return };
        let Waiting { now, id, flow, acts, story, frame } = waiting;
        self.frames += 1;
        let number = Some(self.frames);
        let story = numbered(story, number);
        tell(Told::Frame(Seen {
            now,
            side: Side::Stack,
            passage: Passage::Entered(Verdict::Pass),
            direction: Direction::Outbound,
            id: Some(id),
            number,
            flow,
            acts: &acts,
            story: &story,
            frame: &frame,
        }));
    }

    fn turn_to(&mut self, id: u64) {
        if self.deciding != id {
            self.deciding = id;
            self.acts.clear();
            self.asides.clear();
            self.chance = Chance::default();
        }
    }

    fn learn(&mut self, rule: u16, name: Name) {
        let rule = usize::from(rule);
        if self.names.len() <= rule {
            self.names.resize(rule + 1, None);
        }
        if let Some(place) = self.names.get_mut(rule) {
            *place = Some(name);
        }
    }

    /// A rule as it stands in a story.
    fn rule(&self, rule: u16) -> String {
        match self.names.get(usize::from(rule)) {
            Some(Some(name)) => format!("rule={name}"),
            _ => "a rule that is no more".into(),
        }
    }

    fn lost_by(&self, verdict: Verdict) -> String {
        match verdict {
            Verdict::Drop(Some(rule)) => format!("{} verdict=drop", self.rule(rule)),
            Verdict::Drop(None) => "an event verdict=drop".into(),
            Verdict::Lost => "link-model verdict=lost".into(),
            Verdict::Overflow => "link-model verdict=overflow".into(),
            Verdict::Exhausted => "verdict=exhausted, no memory was left".into(),
            Verdict::TooLarge => "verdict=too-large for the script's MTU".into(),
            Verdict::Down => "verdict=down, the link is down".into(),
            other => format!("verdict={}", words::verdict(other)),
        }
    }

    /// How a frame was made.
    fn made(&self, source: Source) -> String {
        match source.made_by {
            None => "the frame".into(),
            Some(Made::Copy(Some(rule))) => format!("a copy by {}", self.rule(rule)),
            Some(Made::Copy(None)) => "a copy by link-model".into(),
            Some(Made::Part(rule)) => format!("second part by {}", self.rule(rule)),
            Some(Made::Forged(Some(rule))) => format!("forged by {}", self.rule(rule)),
            Some(Made::Forged(None)) => "forged by an event".into(),
        }
    }

    fn refused(&mut self, now: Instant, id: u64, frame: &[u8], tell: &mut dyn FnMut(Told<'_>)) {
        match self.waiting.take() {
            Some(waiting) if waiting.id == id => {}
            other => {
                self.waiting = other;
                self.finish(tell);
            }
        }
        self.remembered.remove(&id);
        let text = format!("refused, the link is down: {} bytes from the stack", frame.len());
        tell(Told::Note { now, text: &text });
    }

    fn bypassed(
        &mut self,
        now: Instant,
        id: u64,
        direction: Direction,
        frame: &[u8],
        tell: &mut dyn FnMut(Told<'_>),
    ) {
        self.frames += 1;
        let sides = match direction {
            Direction::Inbound => [Side::Wire, Side::Stack],
            Direction::Outbound => [Side::Stack, Side::Wire],
        };
        for side in sides {
            tell(Told::Frame(Seen {
                now,
                side,
                passage: Passage::Bypass,
                direction,
                id: Some(id),
                number: (side == Side::Stack).then_some(self.frames),
                flow: 0,
                acts: &[],
                story: "",
                frame,
            }));
        }
    }

    fn decided(
        &mut self,
        now: Instant,
        (id, direction, flow): (u64, Direction, u32),
        frame: &[u8],
        verdict: Verdict,
        tell: &mut dyn FnMut(Told<'_>),
    ) {
        let story = self.decision(now, verdict);
        if !story.is_empty() {
            self.remember(now, id, flow, frame, verdict);
        }
        let acts = mem::take(&mut self.acts);
        if direction == Direction::Outbound && verdict == Verdict::Pass {
            let frame = frame.to_vec();
            self.waiting = Some(Waiting { now, id, flow, acts, story, frame });
            return;
        }
        let (side, number) = match direction {
            Direction::Inbound => (Side::Wire, None),
            Direction::Outbound => {
                self.frames += 1;
                (Side::Stack, Some(self.frames))
            }
        };
        let story = numbered(story, number);
        let passage = Passage::Entered(verdict);
        let (id, acts, story) = (Some(id), &acts[..], &story[..]);
        tell(Told::Frame(Seen {
            now,
            side,
            passage,
            direction,
            id,
            number,
            flow,
            acts,
            story,
            frame,
        }));
    }

    /// What the rules and the link model have decided, in words.
    fn decision(&self, now: Instant, verdict: Verdict) -> String {
        let mut parts: Vec<String> = self.acts.iter().map(act).collect();
        parts.extend(self.asides.iter().cloned());
        let dropped = self.acts.iter().any(|act| !act.copy && loses(act));
        match verdict {
            Verdict::Drop(_) | Verdict::Merge(_) if dropped => {}
            Verdict::Pass | Verdict::Later(_) => {
                let model = self.model(now, verdict);
                if !model.is_empty() {
                    parts.push(format!("link-model{model}"));
                } else if parts.is_empty() && verdict != Verdict::Pass {
                    parts.push("verdict=later, behind others".into());
                }
            }
            lost => parts.push(self.lost_by(lost)),
        }
        parts.join("; ")
    }

    /// What the link model has done to a frame that goes on, each word behind a space.
    fn model(&self, now: Instant, verdict: Verdict) -> String {
        let Chance { corrupt, copied, overtakes, .. } = self.chance;
        let mut text = String::new();
        if let Verdict::Later(due) = verdict {
            let delay = self.model_delay(now, due);
            if delay != Duration::ZERO {
                text += &format!(" delay={}", words::span(delay));
            }
        }
        for (holds, word) in
            [(corrupt, " corrupt"), (copied, " copies=1"), (overtakes, " overtakes")]
        {
            if holds {
                text += word;
            }
        }
        text
    }

    /// How much of a delay is none of the rules'.
    fn model_delay(&self, now: Instant, due: Instant) -> Duration {
        let acts = self.acts.iter().filter(|act| !act.copy);
        let effects: Vec<_> = acts.flat_map(|act| &act.effects).map(|(_, it)| it).collect();
        if effects.iter().any(|effect| effect.held) || due <= now {
            return Duration::ZERO;
        }
        let by_rules = effects
            .iter()
            .fold(0, |sum: u64, effect| sum.saturating_add(effect.delay.total_micros()));
        Duration::from_micros((due - now).total_micros().saturating_sub(by_rules))
    }

    fn remember(&mut self, now: Instant, id: u64, flow: u32, frame: &[u8], verdict: Verdict) {
        let mut memory = Memory {
            entered: now,
            digest: digest(frame),
            flow,
            touched: Vec::new(),
            delayed: Vec::new(),
            changed: Vec::new(),
            copies: 0,
            outstanding: u64::from(matches!(verdict, Verdict::Pass | Verdict::Later(_))),
        };
        for act in self.acts.iter().filter(|act| !act.copy) {
            memory.touched.push(format!("rule={}", act.name));
            for (action, effect) in &act.effects {
                memory.outstanding += u64::from(effect.copies) + u64::from(effect.split);
                let by = format!("rule={}", act.name);
                if effect.changed || effect.split {
                    memory.changed.push(format!("{by} ({action})"));
                }
                if effect.held && *action == "merge" {
                    memory.changed.push(format!("{by} (merge)"));
                }
                if effect.held || effect.delay != Duration::ZERO {
                    memory.delayed.push(by);
                }
            }
        }
        if let Verdict::Later(due) = verdict
            && self.model_delay(now, due) != Duration::ZERO
        {
            memory.delayed.push("link-model".into());
        }
        if self.chance.corrupt {
            memory.changed.push("link-model".into());
        }
        if self.chance != Chance::default() {
            memory.touched.push("link-model".into());
        }
        if memory.outstanding == 0 {
            return;
        }
        self.remembered.insert(id, memory);
        if self.remembered.len() > REMEMBERED {
            self.remembered.pop_first();
        }
    }

    fn left(
        &mut self,
        now: Instant,
        direction: Direction,
        source: Source,
        frame: &[u8],
        tell: &mut dyn FnMut(Told<'_>),
    ) {
        let story = self.departure(now, source, frame);
        let flow = self.remembered.get(&source.id).map_or(0, |memory| memory.flow);
        self.gone(source);
        let (side, number) = match direction {
            Direction::Outbound => (Side::Wire, None),
            Direction::Inbound => {
                self.frames += 1;
                (Side::Stack, Some(self.frames))
            }
        };
        let forged = matches!(source.made_by, Some(Made::Forged(_)));
        let id = (!forged && source.id != 0).then_some(source.id);
        let story = numbered(story, number);
        let (passage, story) = (Passage::Left(source), &story[..]);
        tell(Told::Frame(Seen {
            now,
            side,
            passage,
            direction,
            id,
            number,
            flow,
            acts: &[],
            story,
            frame,
        }));
    }

    /// One of those that were expected of a frame has left or is lost.
    fn gone(&mut self, source: Source) {
        if matches!(source.made_by, Some(Made::Copy(None) | Made::Forged(_))) {
            return;
        }
        if let Some(memory) = self.remembered.get_mut(&source.id) {
            memory.outstanding = memory.outstanding.saturating_sub(1);
            if memory.outstanding == 0 {
                self.remembered.remove(&source.id);
            }
        }
    }

    /// What was done to a frame that leaves, in words.
    fn departure(&mut self, now: Instant, source: Source, frame: &[u8]) -> String {
        let mut made = self.made(source);
        if let Some(Made::Forged(_)) = source.made_by {
            if source.id != 0 {
                made += &format!(" because of id={}", source.id);
            }
            return made;
        }
        let Some(memory) = self.remembered.get_mut(&source.id) else {
            return if source.made_by.is_none() { String::new() } else { made };
        };
        let mut parts = Vec::new();
        match source.made_by {
            None => {}
            Some(Made::Copy(_)) => {
                memory.copies += 1;
                parts.push(made.replacen("a copy", &format!("copy {}", memory.copies), 1));
            }
            Some(_) => parts.push(made),
        }
        if now > memory.entered {
            let by = match &memory.delayed {
                none if none.is_empty() && source.made_by.is_some() => String::new(),
                none if none.is_empty() => " behind others".into(),
                by => format!(" by {}", by.join(", ")),
            };
            parts.push(format!("delayed {}{by}", words::span(now - memory.entered)));
        }
        let is_part = matches!(source.made_by, Some(Made::Part(_)));
        if !is_part && digest(frame) != memory.digest {
            let by = &memory.changed;
            let by = if by.is_empty() { "link-model".into() } else { by.join(", ") };
            parts.push(format!("changed by {by}"));
        }
        if parts.is_empty() && !memory.touched.is_empty() {
            parts.push(format!("unchanged by {}", memory.touched.join(", ")));
        }
        parts.join("; ")
    }
}

fn loses(act: &Act) -> bool {
    act.fired.is_none() || act.effects.iter().any(|(_, effect)| effect.lost)
}

/// What a rule did, in words.
fn act(act: &Act) -> String {
    let Act { rule: _, name, fired, matched: _, copy, effects } = act;
    let mut text = if *copy { String::from("on a copy: ") } else { String::new() };
    text += &format!("rule={name}");
    match fired {
        Some(number) => text += &format!(" fired={number}"),
        None => text += " swallowed verdict=drop",
    }
    for (action, effect) in effects {
        let said = effect_words(action, effect);
        if said.is_empty() {
            text += &format!(" {action}=nothing");
        } else {
            text += &said;
        }
    }
    text
}

fn effect_words(action: &str, effect: &Effect) -> String {
    // Those that are not named here are said by the name of the action.
    let Effect { lost, delay, held, copies, changed, split, forged, noted } = *effect;
    let mut text = String::new();
    if delay != Duration::ZERO {
        text += &format!(" {action}={}", words::span(delay));
    }
    if held {
        text += &format!(" {action}=held");
    }
    if copies > 0 {
        text += &format!(" copies={copies}");
    }
    if split {
        text += " split";
    } else if changed {
        text += &format!(" {action}=changed");
    }
    if forged > 0 {
        text += &format!(" {action}={forged}");
    }
    if noted {
        text += &format!(" {action}");
    }
    if lost {
        text += if action == "merge" { " verdict=merge" } else { " verdict=drop" };
    }
    text
}

/// A story with the stack's number of its frame.
fn numbered(mut story: String, number: Option<u64>) -> String {
    if let Some(number) = number
        && !story.is_empty()
    {
        story += "; frame=";
        story += &number.to_string();
    }
    story
}

/// A number by which two sequences of bytes are told apart.
fn digest(bytes: &[u8]) -> u64 {
    let mut hasher = SipHasher13::new();
    hasher.write(bytes);
    hasher.finish()
}
