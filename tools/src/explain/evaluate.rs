//! Runs a recorded script again over the frames that entered it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tapsock_stack::fault::{
    Chance, Effect, Engine, Memory, Observer, Record, Rule, Script, Switch, Verdict, Why,
};
use tapsock_stack::link::fault::Fault;
use tapsock_stack::link::tape::{Narrator, Passage, Told, action_word};
use tapsock_stack::link::{Direction, Link, LinkError};
use tapsock_stack::time::Instant;

use super::recording::{Item, Packet, Recording};

/// The most deadlines that are attended to between two packets: a script whose events never end
/// must not hold an explanation up for ever.
const DEADLINES: usize = 1 << 20;

/// What was decided about each frame, by its identifier.
#[derive(Debug, Default)]
pub(super) struct Evaluation {
    pub(super) frames: BTreeMap<u64, Decision>,
    /// Live changes that could not be made again.
    pub(super) unknown: Vec<String>,
}

/// What was decided about one frame.
#[derive(Debug, Clone)]
pub(super) struct Decision {
    pub(super) flow: u32,
    /// No rule was asked, because the script did nothing then.
    pub(super) bypassed: bool,
    pub(super) verdict: Verdict,
    /// In the order in which they were asked.
    pub(super) asked: Vec<Asked>,
    /// What the link model decided, and about the how-manieth frame of its direction.
    pub(super) model: Option<(u64, Chance)>,
    /// What is said about it, as a tape says it.
    pub(super) story: String,
    /// The rules as they were then.
    pub(super) rules: Arc<Vec<Rule>>,
}

/// A rule that saw the frame.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) rule: u16,
    pub(super) copy: bool,
    pub(super) matched: u64,
    pub(super) why: Why,
    pub(super) effects: Vec<(&'static str, Effect)>,
}

/// Runs `script` over the frames of `recording`.
///
/// # Errors
/// Why the script cannot be carried out.
pub(super) fn evaluate(
    recording: &Recording,
    script: Script<'static>,
) -> Result<Evaluation, String> {
    let heading = &recording.heading;
    let rules = heading.rules.max(script.rules.len());
    let memory = Memory::growable(rules, heading.flows, heading.held, heading.frame);
    let began = Instant::from_micros(heading.began);
    let mut engine = Engine::new(script, memory, began).map_err(|error| error.to_string())?;
    let heard = Arc::new(Mutex::new(Heard::new(heading.entered, engine.rules())));
    engine.observe(Listener(Arc::clone(&heard)));
    let wire = Wire { mtu: heading.mtu, arriving: VecDeque::new() };
    let mut player = Player { link: Fault::new(wire, engine), now: began, room: vec![0; 1 << 16] };
    for item in &recording.items {
        match item {
            Item::Packet(index) => {
                if let Some(packet) = recording.packets.get(*index).filter(|it| it.enters()) {
                    player.play(packet);
                }
            }
            Item::Note(at, text) => {
                let Some(change) = text.strip_prefix("live ") else { continue };
                player.run_until(*at);
                let known = apply(player.link.engine_mut(), change, *at);
                let mut heard = lock(&heard);
                heard.rules = Arc::new(player.link.engine().rules().to_vec());
                if !known {
                    heard.evaluation.unknown.push(change.to_string());
                }
            }
        }
    }
    drop(player);
    let mut heard = lock(&heard);
    heard.finish();
    Ok(std::mem::take(&mut heard.evaluation))
}

/// Makes a change that somebody made to the rules while they ran: `add RULE`, `remove NAME`,
/// `enable NAME`, `disable NAME`, `pause`, `resume`, `reset`. Says whether it could be made.
fn apply(engine: &mut Engine<'static>, change: &str, now: Instant) -> bool {
    let (verb, rest) = change.split_once(' ').unwrap_or((change, ""));
    let rest = rest.trim();
    let rule = engine.rule(rest);
    match (verb, rule) {
        ("pause", _) => engine.pause(true),
        ("resume", _) => engine.pause(false),
        ("reset", _) => engine.reset(now),
        ("enable", Some(rule)) => engine.switch(rule, Switch::On),
        ("disable", Some(rule)) => engine.switch(rule, Switch::Off),
        ("remove", Some(rule)) => return engine.remove(rule).is_ok(),
        ("add", _) => {
            return rest.parse::<Rule>().is_ok_and(|rule| engine.add(rule, now).is_ok());
        }
        _ => return false,
    }
    true
}

/// Gives the script the frames that entered it, when they entered it.
struct Player {
    link: Fault<'static, Wire>,
    now: Instant,
    room: Vec<u8>,
}

impl Player {
    fn play(&mut self, packet: &Packet) {
        self.run_until(packet.at);
        match packet.direction {
            Direction::Outbound => {
                // One that is refused then was refused before.
                let _ = self.link.transmit(self.now, &packet.bytes);
            }
            Direction::Inbound => {
                self.link.link_mut().arriving.push_back(packet.bytes.clone());
                self.receive();
            }
        }
    }

    /// Does what is due before `at`.
    fn run_until(&mut self, at: Instant) {
        for _ in 0..DEADLINES {
            match self.link.poll_at() {
                Some(due) if due < at => {
                    self.now = self.now.max(due);
                    self.receive();
                }
                _ => break,
            }
        }
        self.now = self.now.max(at);
    }

    fn receive(&mut self) {
        while let Ok(Some(_)) = self.link.receive(self.now, &mut self.room) {}
    }
}

/// A link that takes everything, and on which arrives what it is given.
struct Wire {
    mtu: usize,
    arriving: VecDeque<Vec<u8>>,
}

impl Link for Wire {
    fn mtu(&self) -> usize {
        self.mtu
    }
    fn is_up(&self) -> bool {
        true
    }
    fn receive(&mut self, _: Instant, buffer: &mut [u8]) -> Result<Option<usize>, LinkError> {
        let Some(frame) = self.arriving.pop_front() else { return Ok(None) };
        let length = frame.len().min(buffer.len());
        buffer[..length].copy_from_slice(&frame[..length]);
        Ok(Some(length))
    }
    fn transmit(&mut self, _: Instant, _: &[u8]) -> Result<(), LinkError> {
        Ok(())
    }
}

struct Listener(Arc<Mutex<Heard>>);

struct Heard {
    narrator: Narrator,
    evaluation: Evaluation,
    /// How many frames had entered before the recording began.
    before: u64,
    rules: Arc<Vec<Rule>>,
    deciding: u64,
    asked: Vec<Asked>,
    model: Option<(u64, Chance)>,
}

fn lock(heard: &Mutex<Heard>) -> MutexGuard<'_, Heard> {
    heard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Heard {
    fn new(before: u64, rules: &[Rule]) -> Self {
        Self {
            narrator: Narrator::new(0),
            evaluation: Evaluation::default(),
            before,
            rules: Arc::new(rules.to_vec()),
            deciding: 0,
            asked: Vec::new(),
            model: None,
        }
    }

    fn turn_to(&mut self, id: u64) {
        if self.deciding != id {
            self.deciding = id;
            self.asked.clear();
            self.model = None;
        }
    }

    fn hear(&mut self, record: &Record<'_>) {
        match *record {
            Record::Rule { id, copy, rule, matched, why, .. } => {
                self.turn_to(id);
                self.asked.push(Asked { rule, copy, matched, why, effects: Vec::new() });
            }
            Record::Action { id, action, effect, .. } => {
                self.turn_to(id);
                if let Some(asked) = self.asked.last_mut() {
                    asked.effects.push((action_word(action), effect));
                }
            }
            Record::Lane { id, number, chance, .. } => {
                self.turn_to(id);
                self.model = Some((number, chance));
            }
            Record::Verdict { id, flow, verdict, .. } => {
                self.turn_to(id);
                let asked = std::mem::take(&mut self.asked);
                self.decided(id, flow, verdict, asked, false);
            }
            Record::Bypass { id, .. } => {
                self.turn_to(id);
                self.decided(id, 0, Verdict::Pass, Vec::new(), true);
            }
            _ => {}
        }
        let Self { narrator, evaluation, before, .. } = self;
        narrator.hear(record, &mut |told| note(evaluation, *before, told));
    }

    fn finish(&mut self) {
        let Self { narrator, evaluation, before, .. } = self;
        narrator.finish(&mut |told| note(evaluation, *before, told));
    }

    fn decided(&mut self, id: u64, flow: u32, verdict: Verdict, asked: Vec<Asked>, bypassed: bool) {
        let (model, rules) = (self.model, Arc::clone(&self.rules));
        let story = String::new();
        let decision = Decision { flow, bypassed, verdict, asked, model, story, rules };
        self.evaluation.frames.insert(self.before + id, decision);
    }
}

/// Keeps the story of a frame that entered.
fn note(evaluation: &mut Evaluation, before: u64, told: Told<'_>) {
    let Told::Frame(seen) = told else { return };
    if let (Passage::Entered(_), Some(id)) = (seen.passage, seen.id)
        && let Some(decision) = evaluation.frames.get_mut(&(before + id))
    {
        decision.story = seen.story.to_string();
    }
}

impl Observer for Listener {
    fn record(&mut self, record: &Record<'_>) {
        lock(&self.0).hear(record);
    }
}
