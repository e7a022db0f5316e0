//! Whether a rule fires, and how a frame goes on: the parts of the engine that decide.

use core::hash::Hasher;

use siphasher::sip::SipHasher13;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::IpAddress;

use super::apply::Fate;
use super::edit;
use super::engine::{Core, Running, meet_rules};
use super::flow::side;
use super::forge;
use super::line::Line;
use super::matching::mismatch;
use super::model::{Carried, later};
use super::pool::{Made, NEVER, Source, Wait};
use super::record::{Record, Verdict, Why};
use super::rule::{Checksums, LinkFault, NeighborFault, Part, Rematch, Rule, Switch};
use super::script::Decide;
use super::view::View;
use super::when::Scope;
use crate::link::Direction;
use crate::net::ethernet;
use crate::random::Random;

/// What random numbers of a rule are for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose {
    /// Whether it fires.
    Whether = 0,
    /// What exactly its actions do.
    What = 1,
}

impl Core<'_> {
    /// Whether a rule fires on a frame, and if not, why. Counts.
    pub(super) fn ask(
        &mut self,
        rule: &Rule,
        index: usize,
        began: Instant,
        whole: &View<'_>,
        fate: &Fate,
    ) -> Why {
        let Fate { now, direction, track, .. } = *fate;
        let view = fate.work.map_or(*whole, |work| View::new(self.pool.bytes(work)));
        let tag = track.flow.and_then(|flow| self.flows.get(flow)).map_or(0, |flow| flow.tag);
        let Some(state) = self.states.get_mut(index) else { return Why::Off };
        if state.switch == Switch::Off {
            return Why::Off;
        }
        if let Some(field) = mismatch(&rule.matches, &view, direction, &track, tag) {
            return Why::NoMatch(field);
        }
        state.matched += 1;
        let matched = state.matched;
        match state.blackhole {
            Some(until) if now < until => {
                state.swallowed += 1;
                return Why::Swallowed;
            }
            Some(_) => state.blackhole = None,
            None => {}
        }
        if let Some(forced) = &self.forced {
            if !forced.fires(index, matched) {
                return Why::NotForced;
            }
            state.fired += 1;
            state.last_fired = Some(now);
            return Why::Fired(state.fired);
        }
        let when = &rule.when;
        let early = when.from.is_some_and(|from| now < later(began, from));
        if early || when.until.is_some_and(|until| now >= later(began, until)) {
            return Why::Time;
        }
        let after = state.after;
        if after != u16::MAX && self.states.get(usize::from(after)).is_none_or(|it| it.fired == 0) {
            return Why::AfterRule;
        }
        if when.after_bytes.is_some_and(|bytes| track.bytes_before < bytes) {
            return Why::AfterBytes;
        }
        let number = self.number(when.scope, index, fate);
        if !when.count.contains(number) {
            return Why::Count(number);
        }
        if when.prob < 1.0 && !self.draw(index, fate, Purpose::Whether).chance(when.prob) {
            return Why::Prob;
        }
        let Some(state) = self.states.get_mut(index) else { return Why::Off };
        if let (Some(cooldown), Some(last)) = (when.cooldown, state.last_fired)
            && now < later(last, cooldown)
        {
            return Why::Cooldown;
        }
        if when.budget.is_some_and(|budget| state.fired >= budget) {
            return Why::Budget;
        }
        state.fired += 1;
        state.last_fired = Some(now);
        Why::Fired(state.fired)
    }

    /// Counts a frame, and gives its number within the scope.
    fn number(&mut self, scope: Scope, index: usize, fate: &Fate) -> u32 {
        let in_flow = match (scope, fate.track.flow) {
            (Scope::Flow, Some(flow)) => self.count(index, flow).map(|count| {
                *count = count.saturating_add(1);
                *count
            }),
            _ => None,
        };
        let Some(state) = self.states.get_mut(index) else { return 0 };
        let count = match scope {
            Scope::Rule => &mut state.counted,
            Scope::Dir => &mut state.by_direction[side(fate.direction)],
            Scope::Flow => match in_flow {
                Some(number) => return number,
                None => &mut state.without_flow,
            },
        };
        *count = count.saturating_add(1);
        *count
    }

    /// Random numbers of a rule for the frame that it has just matched. In a stream they follow
    /// from how many it has matched, not from how many numbers were taken, so that a frame meets
    /// the same if the rule names it instead of leaving it to chance; by hash they are always the
    /// same for the same transmission of the same packet.
    pub(super) fn draw(&self, index: usize, fate: &Fate, purpose: Purpose) -> Random {
        let Some(state) = self.states.get(index) else { return Random::new(0) };
        let lane = side(fate.direction);
        match self.decide {
            Decide::Stream => {
                let number = state.matched.wrapping_mul(2) | purpose as u64;
                Random::stream(state.seeds[lane], number)
            }
            Decide::Hash => {
                let mut hasher = SipHasher13::new_with_keys(state.seeds[lane], fate.track.identity);
                hasher.write_u16(fate.track.times);
                hasher.write_u8(purpose as u8);
                Random::new(hasher.finish())
            }
        }
    }

    /// Sends the frame itself through the link model at `at`.
    pub(super) fn send(&mut self, original: &[u8], fate: &mut Fate, at: Instant) -> Verdict {
        let Fate { now, direction, id, .. } = *fate;
        let lane = side(direction);
        let mut due = at;
        if !self.ideal[lane] {
            let length = fate.work.map_or(original.len(), |work| self.pool.bytes(work).len());
            let waiting = self.pool.len(direction);
            let carried = self.carry(fate, at, length, waiting);
            let Some(arrival) = carried.at else {
                return if carried.overflow { Verdict::Overflow } else { Verdict::Lost };
            };
            due = arrival;
            if let Some(bits) = carried.corrupt
                && let Some(work) = self.writable(original, fate)
            {
                let mut random = Random::new(bits);
                let frame = self.pool.bytes_mut(work);
                edit::corrupt(frame, Part::Any, 1, Checksums::Leave, &mut random);
            }
            if let Some(copy) = carried.copy {
                let bytes = match fate.work {
                    Some(work) => self.pool.duplicate(work),
                    None => self.pool.copy(original),
                };
                let source = Source { id, made_by: Some(Made::Copy(None)) };
                self.queue_copy(now, direction, source, bytes, copy);
            }
        }
        let mut wait = fate.wait;
        if let Wait::Frames(frames) = &mut wait {
            // It is itself the next that goes on.
            *frames = frames.saturating_add(1);
        }
        if wait != Wait::Time {
            due = fate.limit.map_or(NEVER, |limit| later(due, limit));
        }
        let at_once = wait == Wait::Time && due <= now;
        if at_once && fate.work.is_none() && self.pool.due(direction, now).is_none() {
            return Verdict::Pass;
        }
        let Some(work) = self.writable(original, fate) else { return Verdict::Exhausted };
        fate.work = None;
        self.pool.queue(direction, work, due, Source { id, made_by: None }, wait);
        Verdict::Later(due)
    }

    /// Shows a frame to the link model.
    fn carry(&mut self, fate: &Fate, at: Instant, length: usize, waiting: usize) -> Carried {
        let Fate { now, direction, id, .. } = *fate;
        let lane = side(direction);
        let next = self.lanes[lane].next();
        let forced = self.forced.as_ref().map(|forced| forced.chance(direction, next));
        let carried = self.lanes[lane].carry(&self.models[lane], at, length, waiting, forced);
        let Carried { number, chance, .. } = carried;
        self.tell(&Record::Lane { now, id, direction, number, chance });
        carried
    }

    fn queue_copy(
        &mut self,
        now: Instant,
        direction: Direction,
        source: Source,
        slot: Option<u16>,
        due: Instant,
    ) {
        match slot {
            Some(slot) => {
                self.counters.copied += 1;
                self.pool.queue(direction, slot, due, source, Wait::Time);
            }
            None => {
                self.counters.exhausted += 1;
                self.tell_lost(now, direction, source, Verdict::Exhausted);
            }
        }
    }

    pub(super) fn tell_lost(
        &mut self,
        now: Instant,
        direction: Direction,
        source: Source,
        verdict: Verdict,
    ) {
        self.tell(&Record::Lost { now, direction, source, verdict });
    }

    /// Makes one copy of a frame for the rule with the index `by`, which enters the link model at
    /// `due`.
    pub(super) fn copy(
        &mut self,
        script: &Running<'_>,
        original: &[u8],
        fate: &Fate,
        by: u16,
        due: Instant,
    ) {
        let source = Source { id: fate.id, made_by: Some(Made::Copy(Some(by))) };
        let mut copy = Fate::new(fate.now, fate.direction, fate.id, fate.track);
        copy.is_copy = true;
        let taken = match fate.work {
            Some(work) => self.pool.duplicate(work),
            None => self.pool.copy(original),
        };
        let Some(slot) = taken else {
            self.counters.exhausted += 1;
            self.tell_lost(fate.now, fate.direction, source, Verdict::Exhausted);
            return;
        };
        copy.work = Some(slot);
        if fate.rematch == Rematch::Yes {
            meet_rules(script, self, original, &mut copy);
        }
        let at = later(due, copy.delay);
        let lane = side(copy.direction);
        let length = copy.work.map_or(0, |work| self.pool.bytes(work).len());
        let arrival = if let Some(verdict) = copy.lost {
            self.counters.dropped += 1;
            self.tell_lost(copy.now, copy.direction, source, verdict);
            None
        } else if self.ideal[lane] {
            Some(at)
        } else {
            let waiting = self.pool.len(copy.direction);
            let carried = self.carry(&copy, at, length, waiting);
            if carried.overflow {
                self.counters.overflowed += 1;
                self.tell_lost(copy.now, copy.direction, source, Verdict::Overflow);
            } else if carried.at.is_none() {
                self.counters.lost += 1;
                self.tell_lost(copy.now, copy.direction, source, Verdict::Lost);
            }
            carried.at
        };
        match (arrival, copy.work.take()) {
            (Some(arrival), work) => {
                self.queue_copy(copy.now, copy.direction, source, work, arrival);
            }
            (None, Some(work)) => self.pool.give_back(work),
            (None, None) => {}
        }
        if let Some(second) = copy.second.take() {
            let source = Source { id: copy.id, made_by: Some(Made::Part(copy.split_by)) };
            let due = arrival.unwrap_or(at);
            self.queue_copy(copy.now, copy.direction, source, Some(second), due);
        }
    }

    /// A place of its own for a frame that is to be changed or held; what was lost for lack of
    /// one is marked so.
    pub(super) fn writable(&mut self, original: &[u8], fate: &mut Fate) -> Option<u16> {
        if fate.work.is_none() {
            fate.work = self.pool.copy(original);
            if fate.work.is_none() {
                fate.lost = Some(Verdict::Exhausted);
            }
        }
        fate.work
    }

    /// Lets go on what waits for the rule or event with this number.
    pub(super) fn trigger(&mut self, now: Instant, number: u16) {
        for direction in [Direction::Inbound, Direction::Outbound] {
            self.pool.release(direction, now, |wait| *wait == Wait::Trigger(number));
        }
    }

    pub(super) fn set_link(&mut self, now: Instant, fault: LinkFault) {
        let was_up = self.line.up;
        self.line = Line::fault(now, fault);
        if self.line.up != was_up {
            self.line_changed(now);
        }
    }

    pub(super) fn line_changed(&mut self, now: Instant) {
        let up = self.line.up;
        self.tell(&Record::Link { now, up });
        while !up && let Some((direction, source)) = self.pool.discard() {
            self.counters.down += 1;
            self.tell_lost(now, direction, source, Verdict::Down);
        }
    }

    /// Remembers who the stack is.
    pub(super) fn meet(&mut self, direction: Direction, view: &View<'_>) {
        if direction == Direction::Inbound {
            return;
        }
        let (Some(header), Some(source)) = (ethernet::parse(view.frame()), view.source()) else {
            return;
        };
        let (hardware, known) = self.host.get_or_insert((header.source, [None; 2]));
        *hardware = header.source;
        let family = usize::from(!matches!(source, IpAddress::Ipv4(_)));
        if !source.is_unspecified() {
            known[family] = Some(source);
        }
    }

    /// An event about ARP and neighbor discovery.
    pub(super) fn neighbor_event(
        &mut self,
        now: Instant,
        fault: NeighborFault,
        length: Option<Duration>,
    ) {
        let known = self.host.map_or([None; 2], |(_, known)| known);
        match fault {
            NeighborFault::Silence | NeighborFault::Wrong(_) => {
                self.neighbor = Some((fault, length.map_or(NEVER, |length| later(now, length))));
            }
            NeighborFault::Conflict(hardware) => {
                for whose in known.into_iter().flatten() {
                    let claim = forge::Claim { whose, hardware, to: None };
                    self.forge_claim(
                        now,
                        Direction::Inbound,
                        Source { id: 0, made_by: Some(Made::Forged(None)) },
                        claim,
                    );
                }
            }
            NeighborFault::Flood(count) => {
                let Some(like) = known.into_iter().flatten().next() else { return };
                let mut random = Random::new(self.random.bits());
                let source = Source { id: 0, made_by: Some(Made::Forged(None)) };
                self.flood(now, Direction::Inbound, source, like, count, &mut random);
            }
        }
    }

    pub(super) fn flood(
        &mut self,
        now: Instant,
        direction: Direction,
        source: Source,
        like: IpAddress,
        count: u16,
        random: &mut Random,
    ) {
        for _ in 0..count {
            let (whose, hardware) = forge::stranger(like, random);
            let claim = forge::Claim { whose, hardware, to: None };
            if !self.forge_claim(now, direction, source, claim) {
                return;
            }
        }
    }

    /// A place for a frame that is forged. In one instant at most as many are as can be held back:
    /// where what is forged is answered at once, and the answer makes a rule forge again, time
    /// would never go on.
    pub(super) fn place_for_forged(&mut self, now: Instant) -> Option<u16> {
        let (at, count) = self.forging;
        let count = if at == now { count } else { 0 };
        self.forging = (now, count + 1);
        let place = if count < self.pool.places() { self.pool.take() } else { None };
        if place.is_none() {
            self.counters.exhausted += 1;
        }
        place
    }

    /// Says whether there was memory for it.
    pub(super) fn forge_claim(
        &mut self,
        now: Instant,
        direction: Direction,
        source: Source,
        claim: forge::Claim,
    ) -> bool {
        let Some(slot) = self.place_for_forged(now) else { return false };
        let length = forge::claim(self.pool.room(slot), claim);
        self.launch(now, direction, source, slot, length);
        true
    }

    /// Lets a forged frame go, if it could be made.
    pub(super) fn launch(
        &mut self,
        now: Instant,
        direction: Direction,
        source: Source,
        slot: u16,
        length: Option<usize>,
    ) {
        match length {
            Some(length) => {
                self.pool.set_len(slot, length);
                self.pool.queue(direction, slot, now, source, Wait::Time);
                self.counters.forged += 1;
            }
            None => self.pool.give_back(slot),
        }
    }
}
