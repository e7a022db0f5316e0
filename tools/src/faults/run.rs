//! One run of a script: the scenario on a stage, and what came of it.

use std::time::SystemTime;

use tapsock_stack::event::Cause;
use tapsock_stack::fault::{
    Counters, Decide, Engine, Event, Memory, Model, Outcome, Rule, Script, ScriptError, Span,
};
use tapsock_stack::link::capture::SharedBuffer;
use tapsock_stack::link::tape::{ClockMode, EventLog, Heading, Tape};
use tapsock_stack::tcp::TcpInfo;
use tapsock_stack::time::{Duration, Instant};
use wsa::config::{Configuration, ProfileChoice};
use wsa::engine::Engine as _;

use super::command;
use super::decisions::{Decisions, Listener};
use super::expect::{Ending, Expect};
use super::peer::Plan;
use super::program::{Came, Scene, play};
use super::scenario::{Program, Scenario};
use super::simulated::SimulatedScene;
use super::tap::TapScene;
use crate::namespace::DEVICE;
use crate::output::{Failure, seconds};
use crate::report::Due;
use crate::stage::Medium;

/// A script with what runs and what must come of it.
#[derive(Debug, Clone)]
pub struct Case {
    /// The rules, from top to bottom.
    pub rules: Vec<Rule>,
    /// The events, in the order of their times.
    pub events: Vec<Event>,
    /// The link, for what the stack sends.
    pub tx: Model,
    /// The link, for what the stack receives.
    pub rx: Model,
    /// What runs.
    pub scenario: Scenario,
    /// What must come of it; `None` where nothing is said.
    pub expect: Option<Expect>,
    /// Where decisions by chance come from; `None` for what suits the medium.
    pub decide: Option<Decide>,
    /// Decisions that stand in for all conditions of the rules and for chance.
    pub forced: Option<Decisions>,
}

impl Case {
    /// The scenario without anything that breaks the network.
    pub fn new(scenario: Scenario) -> Self {
        Self {
            rules: Vec::new(),
            events: Vec::new(),
            tx: Model::IDEAL,
            rx: Model::IDEAL,
            scenario,
            expect: None,
            decide: None,
            forced: None,
        }
    }

    /// The same without rules, events and link: if the expectation still holds, what broke the
    /// network was not the reason.
    #[must_use]
    pub fn twin(&self) -> Self {
        Self { expect: self.expect.clone(), ..Self::new(self.scenario.clone()) }
    }

    fn script(&self, medium: Medium, seed: u64) -> Script<'static> {
        let decide = self.decide.unwrap_or(match medium {
            Medium::Simulated => Decide::Stream,
            // The order of frames differs between runs.
            Medium::Tap => Decide::Hash,
        });
        let mut script = Script::new(seed)
            .with_rules(self.rules.clone())
            .with_events(self.events.clone())
            .deciding(decide);
        (script.tx, script.rx) = (self.tx, self.rx);
        script.forced = self.forced.as_ref().map(Decisions::forced);
        script
    }
}

/// How a rule has fared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hits {
    /// Its name.
    pub name: String,
    /// Frames that were what it matches.
    pub matched: u64,
    /// How many times it fired.
    pub fired: u64,
    /// How many times it must fire.
    pub expected: Option<Span>,
    /// What must come of it, and how many times it did not.
    pub missing: Option<(Outcome, usize)>,
    /// It fired as many times as it must, or at all where nothing is said, and what must come of
    /// it came.
    pub holds: bool,
}

impl Hits {
    /// What does not hold, in a sentence.
    fn complaint(&self) -> Option<String> {
        let Self { name, fired, expected, missing, holds, .. } = self;
        if *holds {
            return None;
        }
        if let Some((outcome, times)) = missing.filter(|(_, times)| *times > 0) {
            let what = match outcome {
                Outcome::ChallengeAck => "a challenge ACK",
                Outcome::Rst => "a RST",
                Outcome::Retransmission => "a retransmission",
                Outcome::Silence => "silence",
            };
            return Some(format!(
                "rule {name} fired {fired} times, and {times} times {what} did not come of it"
            ));
        }
        Some(match expected {
            Some(span) => format!("rule {name} fired {fired} times, {} are due", Due(*span)),
            None => format!("rule {name} never fired; if that is meant, say expect.hits = 0"),
        })
    }
}

/// What came of a run.
#[derive(Debug, Clone)]
pub struct Run {
    /// How it ended.
    pub ending: Ending,
    /// The call that decided it.
    pub call: &'static str,
    /// What stands behind a code.
    pub cause: Option<Cause>,
    /// How long it took, from the first call that the network has to do with.
    pub took: Duration,
    /// How many bytes the program received.
    pub received: usize,
    /// How many segments were answered by a challenge ACK.
    pub challenges: u64,
    /// The numbers of the program's connection, where there is one.
    pub tcp: Option<TcpInfo>,
    /// How the rules have fared, from top to bottom.
    pub hits: Vec<Hits>,
    /// What was done to frames.
    pub counters: Counters,
    /// When rules fired and what chance decided.
    pub decisions: Decisions,
    /// What passed the engine on both sides, as pcapng: see [`tape`](tapsock_stack::link::tape).
    pub capture: Vec<u8>,
    /// What the engine did, as JSON lines: see [`EventLog`].
    pub events: Vec<u8>,
    /// What does not hold; empty when all does.
    pub failures: Vec<String>,
}

impl Run {
    /// Whether all that was expected holds.
    pub fn holds(&self) -> bool {
        self.failures.is_empty()
    }

    /// The ending with the call that decided it and its time.
    pub fn outcome(&self) -> String {
        let Self { ending, call, took, .. } = self;
        let at = seconds(took.total_micros() as i64);
        match ending {
            Ending::Code(error) => {
                format!("{call}: {} ({}) after {at}", error.name(), error.code())
            }
            Ending::Blocked if *call == "exit" => format!("still running after {at}"),
            Ending::Blocked => format!("{call} still blocked after {at}"),
            Ending::Exited(status) => format!("exit {status} after {at}"),
            other => format!("{call}: {other} after {at}"),
        }
    }
}

/// How many flows an engine tells apart.
const FLOWS: usize = 64;
/// How many frames it holds back at the most.
const FRAMES: usize = 2048;

/// What is recorded of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Watching {
    /// Both sides of the link, and everything that the engine does.
    All,
    /// Nothing, which is faster.
    Nothing,
}

/// Runs a script and says what came of it. `text` is what the capture says the script is.
///
/// Of the configuration the profile, the timing, the MAC and the MTU count, where the scenario says
/// nothing else. On [`Medium::Tap`] the calling thread enters a network namespace of its own, for
/// good.
///
/// # Errors
/// A [`Failure`] when nothing could be run: the scenario or the script is wrong, or the environment
/// lacks something. An expectation that does not hold is no error.
pub fn run(
    case: &Case,
    text: &str,
    medium: Medium,
    seed: u64,
    configuration: &Configuration,
) -> Result<Run, Failure> {
    watched(case, text, Watching::All, medium, seed, configuration)
}

/// As [`run`], recording as much as is wanted.
pub(super) fn watched(
    case: &Case,
    text: &str,
    watching: Watching,
    medium: Medium,
    seed: u64,
    configuration: &Configuration,
) -> Result<Run, Failure> {
    case.scenario.check().map_err(Failure::Usage)?;
    let mut configuration = configuration.clone();
    configuration.seed = Some(seed);
    if let Some(profile) = case.scenario.profile {
        configuration.profile = profile.into();
    }
    if let Some(timing) = case.scenario.timing {
        configuration.timing = timing.into();
    }
    if let (Program::Command(words), Medium::Tap) = (&case.scenario.program, medium) {
        let limit = case.scenario.limit(medium);
        let mut run = command::run(case, words, seed, &configuration, limit)?;
        judge(case, &mut run);
        return Ok(run);
    }
    let wrong = |error: ScriptError| Failure::Usage(error.to_string());
    let memory = Memory::growable(case.rules.len(), FLOWS, FRAMES, configuration.mtu + 32);
    let mut engine =
        Engine::new(case.script(medium, seed), memory, Instant::ZERO).map_err(wrong)?;
    let listener = Listener::new(&case.rules);
    engine.observe(listener.clone());
    let (capture, events) = (SharedBuffer::new(), SharedBuffer::new());
    let heading = heading(text, medium, configuration.mtu);
    let recordings = (watching == Watching::All).then(|| {
        let tape = Tape::start(&mut engine, capture.clone(), &heading);
        (tape, EventLog::start(&mut engine, events.clone(), &heading))
    });
    // What happens at the beginning has happened when the first call is made.
    engine.advance(Instant::ZERO);
    let plan = Plan::new(&case.scenario, seed, case.scenario.limit(medium));

    let mut run = match medium {
        Medium::Simulated => {
            let config = configuration.stack(seed);
            let scene = SimulatedScene::new(config, configuration.mtu, engine, plan)?;
            let came = played(&scene, case, medium, seed, configuration.profile)?;
            let now = scene.process().engine().world().now();
            let (hits, counters) = scene.with_engine(|engine| fared(engine, &listener, now))?;
            Run { hits, counters, ..came }
        }
        Medium::Tap => {
            let scene = TapScene::new(&configuration, engine, plan)?;
            let came = played(&scene, case, medium, seed, configuration.profile)?;
            let now = scene.process().engine().with(|access| access.now);
            let (hits, counters) = scene.with_engine(|engine| fared(engine, &listener, now));
            Run { hits, counters, ..came }
        }
    };
    // What is left to be said is written when they end.
    drop(recordings);
    (run.capture, run.events) = (capture.to_vec(), events.to_vec());
    run.decisions = listener.decisions();
    judge(case, &mut run);
    Ok(run)
}

/// Says what does not hold, after what was found already.
fn judge(case: &Case, run: &mut Run) {
    let told = case.expect.as_ref().map_or(Vec::new(), |expect| expect.judge(run));
    run.failures.extend(told);
    run.failures.extend(run.hits.iter().filter_map(Hits::complaint));
}

fn heading(script: &str, medium: Medium, mtu: usize) -> Heading<'_> {
    let heading = Heading { mtu, ..Heading::new(script) };
    match medium {
        Medium::Simulated => heading,
        Medium::Tap => {
            Heading { link: DEVICE, clock: ClockMode::Real, epoch: SystemTime::now(), ..heading }
        }
    }
}

fn played<S: Scene>(
    scene: &S,
    case: &Case,
    medium: Medium,
    seed: u64,
    profile: ProfileChoice,
) -> Result<Run, Failure> {
    scene.process().set_profile(profile.profile());
    let Came { ending, call, cause, took, received, tcp } =
        play(scene, &case.scenario, medium, seed)?;
    let challenges = scene.process().engine().with(|access| access.stack.counters().challenges);
    Ok(Run {
        ending,
        call,
        cause,
        took,
        received,
        challenges,
        tcp,
        hits: Vec::new(),
        counters: Counters::default(),
        decisions: Decisions::default(),
        capture: Vec::new(),
        events: Vec::new(),
        failures: Vec::new(),
    })
}

fn fared(engine: &mut Engine<'static>, listener: &Listener, now: Instant) -> (Vec<Hits>, Counters) {
    engine.tell_report(now);
    let hits = engine.report().enumerate().map(|(rule, hits)| {
        let missing = listener.missing(rule);
        let lacking = missing.is_some_and(|(_, times)| times > 0);
        Hits {
            name: hits.name.to_string(),
            matched: hits.matched,
            fired: hits.fired,
            expected: hits.expected,
            missing,
            holds: hits.holds() && !hits.idle() && !lacking,
        }
    });
    (hits.collect(), engine.counters())
}
