//! The engine: carries a script out on the frames of one link.

use core::fmt;

use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, IpAddress};

use super::apply::{Fate, Hook};
use super::decide::Purpose;
use super::flow::Flows;
use super::line::Line;
use super::memory::{Memory, Table};
use super::model::{Lane, Model, later};
use super::pool::{Made, NEVER, Pool, Source, Wait};
#[cfg(feature = "alloc")]
use super::record::Both;
use super::record::{Counters, Hits, Observer, Record, Verdict, Why};
use super::rule::{Action, Event, EventAct, LinkFault, NeighborFault, Rule, Switch, Then};
use super::script::{self, Decide, Forced, Items, Script, ScriptError};
use super::short::Name;
use super::state::{RuleState, Sizes, begin, mix};
use super::view::View;
use crate::link::Direction;
use crate::random::Random;

/// What the caller does with a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Passage {
    /// It goes on now, as it is.
    Pass,
    /// The engine has taken it, for good or for later.
    Taken,
}

/// Carries a script out.
///
/// It stands between a stack and a link, and is fed by [`link::fault`](crate::link::fault).
/// Everything about its state may be asked and changed while it runs.
pub struct Engine<'a> {
    pub(super) rules: Items<'a, Rule>,
    pub(super) events: Items<'a, Event>,
    pub(super) core: Core<'a>,
    next_event: usize,
    began: Instant,
    pub(super) switched_on: usize,
    paused: bool,
    /// For rules that are added or begin anew.
    pub(super) seed: u64,
}

/// Everything but the rules themselves, so that a rule can be looked at while this changes.
pub(super) struct Core<'a> {
    pub(super) states: Table<'a, RuleState>,
    pub(super) counts: Table<'a, u32>,
    pub(super) flows: Flows<'a>,
    pub(super) pool: Pool<'a>,
    pub(super) models: [Model; 2],
    pub(super) lanes: [Lane; 2],
    pub(super) ideal: [bool; 2],
    pub(super) decide: Decide,
    /// Stands in for all conditions and for chance.
    pub(super) forced: Option<Forced<'a>>,
    pub(super) random: Random,
    pub(super) line: Line,
    pub(super) mtu: Option<u16>,
    /// The longest frame that the link itself takes.
    pub(super) carries: usize,
    /// ARP and neighbor discovery meet this until then.
    pub(super) neighbor: Option<(NeighborFault, Instant)>,
    /// Who the stack is, as far as it was seen to send.
    pub(super) host: Option<(EthernetAddress, [Option<IpAddress>; 2])>,
    pub(super) observer: Option<Watching<'a, dyn Observer + Send + 'a>>,
    pub(super) hook: Option<Watching<'a, dyn Hook + Send + 'a>>,
    pub(super) ids: u64,
    /// How many frames were forged at the time when the last one was.
    pub(super) forging: (Instant, usize),
    pub(super) counters: Counters,
}

/// Somebody who is told, or asked.
pub(super) enum Watching<'a, T: ?Sized> {
    Borrowed(&'a mut T),
    #[cfg(feature = "alloc")]
    Owned(alloc::boxed::Box<T>),
}

impl<T: Observer + ?Sized> Observer for Watching<'_, T> {
    fn record(&mut self, record: &Record<'_>) {
        self.get().record(record);
    }
}

impl<T: ?Sized> Watching<'_, T> {
    pub(super) fn get(&mut self) -> &mut T {
        match self {
            Self::Borrowed(this) => this,
            #[cfg(feature = "alloc")]
            Self::Owned(this) => this,
        }
    }
}

impl<'a> Engine<'a> {
    /// An engine whose time begins at `now`.
    ///
    /// # Errors
    /// What is wrong with the script, and [`ScriptError::TooManyRules`] when it has more rules than
    /// there is memory for.
    pub fn new(script: Script<'a>, memory: Memory<'a>, now: Instant) -> Result<Self, ScriptError> {
        script.check()?;
        let Memory { rules: mut states, counts, flows, slots, bytes, frame } = memory;
        if script.rules.len() > states.len() {
            return Err(ScriptError::TooManyRules);
        }
        for (state, rule) in states.iter_mut().zip(script.rules.iter()) {
            let after = rule.when.after_rule.and_then(|name| script.rule(&name));
            *state = begin(rule, after, script.seed, now);
        }
        let lane = |direction| {
            let seed = mix(script.seed, "link", direction);
            Lane::new(seed, now)
        };
        let models = [script.rx, script.tx];
        let core = Core {
            states,
            counts,
            flows: Flows::new(flows, [mix(script.seed, "flows", 0), mix(script.seed, "flows", 1)]),
            pool: Pool::new(slots, bytes, frame),
            models,
            lanes: [lane(0), lane(1)],
            ideal: [models[0] == Model::IDEAL, models[1] == Model::IDEAL],
            decide: script.decide,
            forced: script.forced,
            random: Random::new(mix(script.seed, "events", 0)),
            line: Line::UP,
            mtu: None,
            carries: usize::MAX,
            neighbor: None,
            host: None,
            observer: None,
            hook: None,
            ids: 0,
            forging: (now, 0),
            counters: Counters::default(),
        };
        let switched_on = script.rules.iter().filter(|rule| rule.switch == Switch::On).count();
        let (next_event, paused) = (0, false);
        Ok(Self {
            seed: script.seed,
            rules: script.rules,
            events: script.events,
            core,
            next_event,
            began: now,
            switched_on,
            paused,
        })
    }

    /// Shows what happens to `observer`, in place of an earlier one.
    #[must_use]
    pub fn observed_by(mut self, observer: &'a mut (dyn Observer + Send + 'a)) -> Self {
        self.core.observer = Some(Watching::Borrowed(observer));
        self
    }

    /// Shows what happens to `observer`, in place of an earlier one.
    #[cfg(feature = "alloc")]
    pub fn observe(&mut self, observer: impl Observer + Send + 'a) {
        self.core.observer = Some(Watching::Owned(alloc::boxed::Box::new(observer)));
    }

    /// Shows what happens to `observer` as well, after those that it is shown to already.
    #[cfg(feature = "alloc")]
    pub fn observe_too(&mut self, observer: impl Observer + Send + 'a) {
        match self.core.observer.take() {
            Some(first) => self.observe(Both(first, observer)),
            None => self.observe(observer),
        }
    }

    /// Tells the observers how each rule has fared, and all counters: at the end of a run.
    pub fn tell_report(&mut self, now: Instant) {
        for rule in 0..self.rules.len() {
            let (Some(rule), Some(state)) = (self.rules.get(rule), self.core.states.get(rule))
            else {
                return;
            };
            let Rule { name, expect, .. } = rule;
            let RuleState { matched, fired, swallowed, .. } = *state;
            let hits = Hits { name, matched, fired, swallowed, expected: *expect };
            self.core.tell(&Record::Report { now, hits });
        }
        let counters = self.counters();
        self.core.tell(&Record::Totals { now, counters });
    }

    /// Asks `hook` where a rule says [`Action::Hook`].
    #[must_use]
    pub fn hooked_by(mut self, hook: &'a mut (dyn Hook + Send + 'a)) -> Self {
        self.core.hook = Some(Watching::Borrowed(hook));
        self
    }

    /// Asks `hook` where a rule says [`Action::Hook`].
    #[cfg(feature = "alloc")]
    pub fn hook(&mut self, hook: impl Hook + Send + 'a) {
        self.core.hook = Some(Watching::Owned(alloc::boxed::Box::new(hook)));
    }

    /// Whether it does anything at all: a rule is switched on, an event is still to come, the link
    /// model is not ideal, or something that happened before still has an effect.
    pub fn is_active(&self) -> bool {
        let core = &self.core;
        let script =
            self.switched_on > 0 || self.next_event < self.events.len() || core.ideal != [true; 2];
        !core.pool.is_empty()
            || !core.line.up
            || core.line.change_at.is_some()
            || core.mtu.is_some()
            || core.neighbor.is_some()
            || (script && !self.paused)
    }

    /// Whether the link is up.
    pub fn link_is_up(&self) -> bool {
        self.core.line.up
    }

    /// The MTU that the script set.
    pub fn mtu(&self) -> Option<u16> {
        self.core.mtu
    }

    /// The rules.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The events.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// What it was made with, and how far it has come.
    pub fn sizes(&self) -> Sizes {
        let core = &self.core;
        Sizes {
            seed: self.seed,
            decide: core.decide,
            began: self.began,
            entered: core.ids,
            rules: core.states.len(),
            flows: core.flows.len(),
            held: core.pool.capacity(),
            frame: core.pool.frame(),
        }
    }

    /// Index of the rule with this name.
    pub fn rule(&self, name: &str) -> Option<usize> {
        self.rules.iter().position(|rule| rule.name.as_str() == name)
    }

    /// How the rule with this index has fared.
    pub fn hits(&self, rule: usize) -> Option<Hits<'_>> {
        let Rule { name, expect, .. } = self.rules.get(rule)?;
        let RuleState { matched, fired, swallowed, .. } = *self.core.states.get(rule)?;
        Some(Hits { name, matched, fired, swallowed, expected: *expect })
    }

    /// How all rules have fared, from top to bottom.
    pub fn report(&self) -> impl Iterator<Item = Hits<'_>> {
        (0..self.rules.len()).filter_map(|rule| self.hits(rule))
    }

    /// What was done so far.
    pub fn counters(&self) -> Counters {
        Counters { forgotten: self.core.flows.forgotten, ..self.core.counters }
    }

    /// Switches the rule with this index.
    pub fn switch(&mut self, rule: usize, switch: Switch) {
        if rule >= self.rules.len() {
            return;
        }
        if let Some(state) = self.core.states.get_mut(rule)
            && state.switch != switch
        {
            state.switch = switch;
            match switch {
                Switch::On => self.switched_on += 1,
                Switch::Off => self.switched_on -= 1,
            }
        }
    }

    /// Lets every frame pass that enters from now on, or not any more. The events wait meanwhile,
    /// and what is held back goes on at its time.
    pub fn pause(&mut self, paused: bool) {
        self.paused = paused;
    }

    /// Whether every frame passes.
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// Gives the flow of a frame that goes in `direction` this tag, as [`Action::Tag`] does. Flows
    /// have the numbers that rules see; one that was forgotten is left alone.
    pub fn tag(&mut self, frame: &[u8], direction: Direction, tag: u32) {
        let flow = self.core.flows.find(&View::new(frame), direction);
        if let Some(flow) = flow.and_then(|flow| self.core.flows.get_mut(flow)) {
            flow.tag = tag;
        }
    }

    /// Makes the link up, down or flap from now on.
    pub fn set_link(&mut self, now: Instant, fault: LinkFault) {
        self.core.set_link(now, fault);
    }

    /// When [`Engine::advance`] is to be called although no frame comes.
    pub fn poll_at(&self) -> Option<Instant> {
        [self.inbound_at(), self.outbound_at()].into_iter().flatten().min()
    }

    /// When an event or a frame on its way in is due.
    pub(crate) fn inbound_at(&self) -> Option<Instant> {
        let event = match self.events.get(self.next_event) {
            Some(event) if !self.paused => Some(later(self.began, event.at)),
            _ => None,
        };
        let pool = &self.core.pool;
        let neighbor = self.core.neighbor.map(|(_, until)| until).filter(|until| *until < NEVER);
        let inbound = pool.next_due(Direction::Inbound);
        [event, self.core.line.change_at, neighbor, inbound].into_iter().flatten().min()
    }

    /// When the next frame is due on its way out.
    pub(crate) fn outbound_at(&self) -> Option<Instant> {
        self.core.pool.next_due(Direction::Outbound)
    }

    /// Does what is due by the clock.
    pub fn advance(&mut self, now: Instant) {
        let core = &mut self.core;
        let was_up = core.line.up;
        core.line.advance(now);
        if core.line.up != was_up {
            core.line_changed(now);
        }
        if core.neighbor.is_some_and(|(_, until)| until <= now) {
            core.neighbor = None;
        }
        if self.paused {
            return;
        }
        while let Some(event) = self.events.get(self.next_event).copied()
            && later(self.began, event.at) <= now
        {
            let index = self.next_event;
            self.next_event += 1;
            self.happen(now, index, event);
        }
    }

    fn happen(&mut self, now: Instant, index: usize, event: Event) {
        let core = &mut self.core;
        core.tell(&Record::Event { now, event: index as u16, of: &event });
        match event.act {
            EventAct::Link(fault) => core.set_link(now, fault),
            EventAct::Mtu(mtu) => core.mtu = mtu,
            EventAct::Neighbor(fault, length) => core.neighbor_event(now, fault, length),
            EventAct::Release => {}
            EventAct::Switch(name, switch) => {
                if let Some(rule) = self.rule(name.as_str()) {
                    self.switch(rule, switch);
                }
            }
        }
        self.core.trigger(now, index as u16);
    }

    /// Decides about a frame that enters. The caller has advanced the engine to `now`.
    pub(crate) fn admit(&mut self, now: Instant, direction: Direction, frame: &[u8]) -> Passage {
        let core = &mut self.core;
        core.counters.entered += 1;
        core.ids += 1;
        let id = core.ids;
        if self.paused {
            let verdict = Verdict::Pass;
            core.tell(&Record::Verdict { now, id, direction, flow: 0, frame, verdict });
            return Passage::Pass;
        }
        if !core.line.up {
            core.counters.down += 1;
            let verdict = Verdict::Down;
            core.tell(&Record::Verdict { now, id, direction, flow: 0, frame, verdict });
            return Passage::Taken;
        }
        let view = View::new(frame);
        core.meet(direction, &view);
        let track = core.flows.track(&view, direction);
        if let Some(flow) = track.forgotten {
            for rule in 0..self.rules.len() {
                core.forget_count(rule, flow);
            }
        }
        let mut fate = Fate::new(now, direction, id, track);
        let script = Running { rules: &self.rules, events: &self.events, began: self.began };
        if core.mtu.is_some_and(|mtu| view.packet().len() > usize::from(mtu)) {
            fate.lost = Some(Verdict::TooLarge);
        } else if let Some((fault, _)) = core.neighbor {
            core.neighbor(fault, frame, &mut fate, None);
        }
        if fate.lost.is_none() {
            meet_rules(&script, core, frame, &mut fate);
        }
        conclude(&script, core, frame, &mut fate)
    }

    /// Shows the next frame that is due to `take`, and forgets it if that says so. `None` when
    /// there is none.
    pub(crate) fn leave<R>(
        &mut self,
        now: Instant,
        direction: Direction,
        take: impl FnOnce(&[u8]) -> Result<R, R>,
    ) -> Option<R> {
        let core = &mut self.core;
        let index = core.pool.due(direction, now)?;
        let frame = core.pool.bytes(index);
        match take(frame) {
            Ok(result) => {
                let source = core
                    .pool
                    .slot(index)
                    .map_or(Source { id: 0, made_by: None }, |slot| slot.source);
                if let Some(observer) = &mut core.observer {
                    let (rules, frame) = (&self.rules, core.pool.bytes(index));
                    let by = source.rule().and_then(|rule| rules.get(usize::from(rule)));
                    let by = by.map(|rule| &rule.name);
                    observer.get().record(&Record::Left { now, direction, source, by, frame });
                }
                core.pool.unqueue(direction, index);
                core.pool.give_back(index);
                core.counters.left += 1;
                Some(result)
            }
            Err(result) => Some(result),
        }
    }

    /// Holds a frame that was let pass but that the link does not take just now.
    pub(crate) fn keep(&mut self, now: Instant, direction: Direction, frame: &[u8]) {
        let core = &mut self.core;
        let source = Source { id: core.ids, made_by: None };
        match core.pool.copy(frame) {
            Some(index) => core.pool.queue(direction, index, now, source, Wait::Time),
            None => core.counters.exhausted += 1,
        }
    }

    /// A frame that was let pass has gone.
    pub(crate) fn passed(&mut self, now: Instant, direction: Direction, frame: &[u8]) {
        let source = Source { id: self.core.ids, made_by: None };
        self.core.counters.left += 1;
        self.core.tell(&Record::Left { now, direction, source, by: None, frame });
    }

    /// A frame passed while the engine is not active. It is counted, and otherwise only looked at
    /// by an observer.
    pub(crate) fn bypassed(&mut self, now: Instant, direction: Direction, frame: &[u8]) {
        self.core.ids += 1;
        let id = self.core.ids;
        self.core.tell(&Record::Bypass { now, id, direction, frame });
    }

    /// A frame that arrived was lost because the link is down.
    pub(crate) fn lost_by_link(&mut self, now: Instant, frame: &[u8]) {
        let core = &mut self.core;
        core.counters.entered += 1;
        core.counters.down += 1;
        core.ids += 1;
        let (id, direction, verdict) = (core.ids, Direction::Inbound, Verdict::Down);
        core.tell(&Record::Verdict { now, id, direction, flow: 0, frame, verdict });
    }

    /// The stack's frame was refused because the script's link is down.
    pub(crate) fn refused(&mut self, now: Instant, frame: &[u8]) {
        self.core.counters.entered += 1;
        self.core.counters.down += 1;
        self.core.tell(&Record::Refused { now, id: 0, frame });
    }

    /// A frame was let pass, but the link itself was down.
    pub(crate) fn not_taken(&mut self, now: Instant, frame: &[u8]) {
        let id = self.core.ids;
        self.core.tell(&Record::Refused { now, id, frame });
    }

    /// Says the longest frame that the link itself takes.
    pub(crate) fn set_carries(&mut self, length: usize) {
        self.core.carries = length;
    }
}

impl fmt::Debug for Engine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("rules", &self.rules.len())
            .field("events", &self.events.len())
            .field("counters", &self.counters())
            .finish_non_exhaustive()
    }
}

/// The script while a frame is decided about.
pub(super) struct Running<'s> {
    rules: &'s [Rule],
    events: &'s [Event],
    began: Instant,
}

impl Running<'_> {
    /// The number of the rule or event with this name.
    fn trigger(&self, name: &Name) -> Option<u16> {
        script::trigger(self.rules, self.events, name)
    }
}

/// Shows a frame to the rules, from top to bottom.
pub(super) fn meet_rules(
    script: &Running<'_>,
    core: &mut Core<'_>,
    original: &[u8],
    fate: &mut Fate,
) {
    let whole = View::new(original);
    for (index, rule) in script.rules.iter().enumerate() {
        let why = core.ask(rule, index, script.began, &whole, fate);
        if let Some(observer) = &mut core.observer {
            let (number, name) = (index as u16, &rule.name);
            let matched = match why {
                Why::Off | Why::NoMatch(_) => 0,
                _ => core.states.get(index).map_or(0, |state| state.matched),
            };
            let Fate { now, id, is_copy: copy, .. } = *fate;
            let rule = number;
            observer.get().record(&Record::Rule { now, id, copy, rule, name, matched, why });
        }
        match why {
            Why::Fired(_) => {
                let mut random = core.draw(index, fate, Purpose::What);
                core.trigger(fate.now, (script.events.len() + index) as u16);
                for action in rule.actions.iter() {
                    let trigger = match action {
                        Action::Hold { until, .. } => script.trigger(until),
                        _ => None,
                    };
                    let before = core.glimpse(original, fate);
                    let number = index as u16;
                    core.apply((number, rule), action, trigger, original, fate, &mut random);
                    if let Some(before) = before {
                        let effect = core.effect(before, original, fate, action);
                        let Fate { now, id, is_copy: copy, .. } = *fate;
                        let (rule, name) = (number, &rule.name);
                        core.tell(&Record::Action { now, id, copy, rule, name, action, effect });
                    }
                }
            }
            Why::Swallowed => {
                fate.lost.get_or_insert(Verdict::Drop(Some(index as u16)));
            }
            _ => continue,
        }
        let ends = match rule.then {
            Then::AsUsual => fate.lost.is_some() || fate.replaced,
            Then::Continue => false,
            Then::Stop => true,
        };
        if ends {
            return;
        }
    }
}

/// Sends a frame on, as the rules have decided, through the link model.
fn conclude(
    script: &Running<'_>,
    core: &mut Core<'_>,
    original: &[u8],
    fate: &mut Fate,
) -> Passage {
    let Fate { now, direction, id, .. } = *fate;
    let at = later(now, fate.delay);
    for index in 0..fate.copies.len() {
        let (rule, count, step) = fate.copies[index];
        let mut due = at;
        for _ in 0..count {
            due = later(due, step);
            core.copy(script, original, fate, rule, due);
        }
    }
    let mut verdict = fate.lost.unwrap_or(Verdict::Pass);
    if fate.lost.is_none() {
        verdict = core.send(original, fate, at);
        if let Some(second) = fate.second.take() {
            let source = Source { id, made_by: Some(Made::Part(fate.split_by)) };
            core.counters.copied += 1;
            let due = match verdict {
                Verdict::Later(due) => due,
                _ => at,
            };
            core.pool.queue(direction, second, due, source, Wait::Time);
        }
    }
    match verdict {
        Verdict::Pass | Verdict::Later(_) => {
            core.pool.release(direction, now, |wait| match wait {
                Wait::Frames(left) => {
                    *left = left.saturating_sub(1);
                    *left == 0
                }
                _ => false,
            });
        }
        Verdict::Drop(_) | Verdict::Merge(_) => core.counters.dropped += 1,
        Verdict::Lost => core.counters.lost += 1,
        Verdict::Overflow => core.counters.overflowed += 1,
        Verdict::Exhausted => core.counters.exhausted += 1,
        Verdict::TooLarge => core.counters.too_large += 1,
        Verdict::Down => core.counters.down += 1,
    }
    for unused in [fate.work.take(), fate.second.take()].into_iter().flatten() {
        core.pool.give_back(unused);
    }
    let flow = fate.track.number;
    core.tell(&Record::Verdict { now, id, direction, flow, frame: original, verdict });
    // A link that a rule took down takes what it holds with it, at the end.
    if let Some(fault) = fate.link.take() {
        core.set_link(now, fault);
    }
    if verdict == Verdict::Pass { Passage::Pass } else { Passage::Taken }
}

impl Core<'_> {
    pub(super) fn tell(&mut self, record: &Record<'_>) {
        if let Some(observer) = &mut self.observer {
            observer.get().record(record);
        }
    }

    fn forget_count(&mut self, rule: usize, flow: u16) {
        if let Some(count) = self.count(rule, flow) {
            *count = 0;
        }
    }

    pub(super) fn count(&mut self, rule: usize, flow: u16) -> Option<&mut u32> {
        self.counts.get_mut(rule * self.flows.len() + usize::from(flow))
    }
}
