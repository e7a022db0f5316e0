//! What actions do.

use smoltcp::time::{Duration, Instant};

use super::edit;
use super::engine::Core;
use super::flow::Track;
use super::forge;
use super::model::later;
use super::pool::{Made, NEVER, Source, Wait};
use super::record::Verdict;
use super::rule::{AckOf, Action, Forge, LinkFault, NeighborFault, Rematch, Rule, Side};
use super::short::Short;
use super::view::View;
use crate::link::Direction;
use crate::random::Random;

/// What the rules make of a frame.
pub(super) struct Fate {
    pub(super) now: Instant,
    pub(super) direction: Direction,
    pub(super) id: u64,
    pub(super) track: Track,
    /// It is a copy, which is not copied again.
    pub(super) is_copy: bool,
    pub(super) lost: Option<Verdict>,
    pub(super) replaced: bool,
    pub(super) delay: Duration,
    pub(super) wait: Wait,
    /// The longest that it waits; `None` for ever.
    pub(super) limit: Option<Duration>,
    /// Its own place in the pool, once it is changed.
    pub(super) work: Option<u16>,
    /// The second part of a segment that was split.
    pub(super) second: Option<u16>,
    /// The rule that split it.
    pub(super) split_by: u16,
    /// By which rule, how many, and how long after each other.
    pub(super) copies: Short<(u16, u8, Duration), 4>,
    pub(super) rematch: Rematch,
    pub(super) link: Option<LinkFault>,
}

impl Fate {
    pub(super) fn new(now: Instant, direction: Direction, id: u64, track: Track) -> Self {
        Self {
            now,
            direction,
            id,
            track,
            is_copy: false,
            lost: None,
            replaced: false,
            delay: Duration::ZERO,
            wait: Wait::Time,
            limit: None,
            work: None,
            second: None,
            split_by: 0,
            copies: Short::empty((0, 0, Duration::ZERO)),
            rematch: Rematch::No,
            link: None,
        }
    }

    /// The frames that were forged by a rule because of this one.
    fn forged(&self, rule: Option<u16>) -> Source {
        Source { id: self.id, made_by: Some(Made::Forged(rule)) }
    }

    /// The direction in which the frame's sender is.
    fn back(&self) -> Direction {
        match self.direction {
            Direction::Inbound => Direction::Outbound,
            Direction::Outbound => Direction::Inbound,
        }
    }
}

/// A frame that a rule shows to a closure.
#[derive(Debug, Clone, Copy)]
pub struct HookCall<'c> {
    /// When.
    pub now: Instant,
    /// The number that the rule gave.
    pub number: u32,
    /// The frame's number.
    pub id: u64,
    /// Which way it goes.
    pub direction: Direction,
    /// The frame, as the rules above have changed it.
    pub view: View<'c>,
}

/// What a closure decides about a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It goes on.
    Pass,
    /// It is lost.
    Drop,
    /// It is held back for so long.
    Delay(Duration),
    /// As many bytes of the room as this go on in its place. More than there are: it is lost.
    Replace(usize),
}

/// Decides what rules cannot say. Any closure of this form is one.
pub trait Hook {
    /// Decides about a frame. A frame in its place is written into `room`, which is empty when no
    /// memory is left.
    fn decide(&mut self, call: &HookCall<'_>, room: &mut [u8]) -> Answer;
}

impl<F: FnMut(&HookCall<'_>, &mut [u8]) -> Answer> Hook for F {
    fn decide(&mut self, call: &HookCall<'_>, room: &mut [u8]) -> Answer {
        self(call, room)
    }
}

/// Scripts may say times of any length.
fn plus(one: Duration, other: Duration) -> Duration {
    Duration::from_micros(one.total_micros().saturating_add(other.total_micros()))
}

impl Core<'_> {
    /// Does what one action of a rule that fired says.
    pub(super) fn apply(
        &mut self,
        rule: (u16, &Rule),
        action: &Action,
        trigger: Option<u16>,
        original: &[u8],
        fate: &mut Fate,
        random: &mut Random,
    ) {
        let (index, Rule { rematch, .. }) = rule;
        let now = fate.now;
        match *action {
            Action::Drop => fate.lost = Some(Verdict::Drop(Some(index))),
            Action::Delay(delay) => {
                let Some(state) = self.states.get_mut(usize::from(index)) else { return };
                let delay = delay.sample(random, &mut state.last_delay);
                fate.delay = plus(fate.delay, delay);
            }
            Action::Reorder { prob, gap, limit } => {
                if random.chance(prob) && gap > 0 {
                    (fate.wait, fate.limit) = (Wait::Frames(gap), Some(limit));
                }
            }
            Action::Duplicate { copies, delay } => {
                if !fate.is_copy {
                    fate.rematch = *rematch;
                    // The most that one frame is copied by: four rules.
                    let _ = fate.copies.push((index, copies, delay));
                }
            }
            Action::Corrupt { at, bits, checksums } => {
                if let Some(frame) = self.frame_mut(original, fate) {
                    edit::corrupt(frame, at, bits, checksums, random);
                }
            }
            Action::Truncate { to, lengths } => {
                if let Some(frame) = self.frame_mut(original, fate) {
                    let length = edit::truncate(frame, usize::from(to), lengths);
                    if let Some(work) = fate.work {
                        self.pool.set_len(work, length);
                    }
                }
            }
            Action::Rate(rate) => {
                let length = fate.work.map_or(original.len(), |work| self.pool.bytes(work).len());
                let Some(state) = self.states.get_mut(usize::from(index)) else { return };
                let at = later(now, fate.delay);
                state.busy_until = later(state.busy_until.max(at), rate.time(length));
                fate.delay = state.busy_until - now;
            }
            Action::Hold { limit, .. } => {
                if let Some(trigger) = trigger {
                    (fate.wait, fate.limit) = (Wait::Trigger(trigger), limit);
                }
            }
            Action::Blackhole(length) => {
                fate.lost = Some(Verdict::Drop(Some(index)));
                if let Some(state) = self.states.get_mut(usize::from(index)) {
                    state.blackhole = Some(length.map_or(NEVER, |length| later(now, length)));
                }
            }
            Action::Mark(ecn) => {
                if let Some(frame) = self.frame_mut(original, fate) {
                    edit::mark(frame, ecn);
                }
            }
            Action::Set(field) => {
                if let Some(frame) = self.frame_mut(original, fate) {
                    edit::set(frame, field);
                }
            }
            Action::Strip(option) => {
                if let Some(frame) = self.frame_mut(original, fate) {
                    edit::strip(frame, option);
                }
            }
            Action::Split(at) => self.split(index, usize::from(at), original, fate),
            Action::Merge(limit) => self.merge(index, limit, original, fate),
            Action::Forge(forge) => self.forge(index, forge, original, fate, random),
            Action::Neighbor(fault) => self.neighbor(fault, original, fate, Some((index, random))),
            Action::Link(fault) => fate.link = Some(fault),
            Action::Mtu(mtu) => self.mtu = mtu,
            Action::Tag(tag) => {
                if let Some(flow) = fate.track.flow.and_then(|flow| self.flows.get_mut(flow)) {
                    flow.tag = tag;
                }
            }
            Action::Hook(number) => self.ask_hook(index, number, original, fate),
        }
    }

    fn frame_mut(&mut self, original: &[u8], fate: &mut Fate) -> Option<&mut [u8]> {
        let work = self.writable(original, fate)?;
        Some(self.pool.bytes_mut(work))
    }

    /// Makes another frame from this one. It is in no queue yet.
    fn make(
        &mut self,
        original: &[u8],
        fate: &Fate,
        write: impl FnOnce(&mut [u8], &View<'_>) -> Option<usize>,
    ) -> Option<u16> {
        let slot = self.place_for_forged(fate.now)?;
        let length = match fate.work {
            None => write(self.pool.room(slot), &View::new(original)),
            Some(work) => match self.pool.pair(slot, work) {
                Some((room, frame)) => write(room, &View::new(frame)),
                None => None,
            },
        };
        let Some(length) = length else {
            self.pool.give_back(slot);
            return None;
        };
        self.pool.set_len(slot, length);
        Some(slot)
    }

    fn split(&mut self, rule: u16, at: usize, original: &[u8], fate: &mut Fate) {
        if fate.second.is_some() {
            return;
        }
        let view = fate.work.map_or(View::new(original), |work| View::new(self.pool.bytes(work)));
        if !view.is_tcp() || at == 0 || view.payload().len() <= at {
            return;
        }
        let Some(work) = self.writable(original, fate) else { return };
        let Some(slot) = self.pool.take() else {
            self.counters.exhausted += 1;
            return;
        };
        let parts =
            self.pool.pair(slot, work).and_then(|(room, frame)| edit::split(frame, at, room));
        match parts {
            Some((first, second)) => {
                self.pool.set_len(work, first);
                self.pool.set_len(slot, second);
                (fate.second, fate.split_by) = (Some(slot), rule);
            }
            None => self.pool.give_back(slot),
        }
    }

    fn merge(&mut self, rule: u16, limit: Duration, original: &[u8], fate: &mut Fate) {
        let Fate { now, direction, track, .. } = *fate;
        if let Some((held, flow)) = self.pool.merging(direction, rule) {
            let largest = self.carries.min(self.pool.frame());
            let length = self.pool.bytes(held).len();
            let merged = if flow != track.number {
                None
            } else if let Some(work) = fate.work {
                self.pool
                    .pair(held, work)
                    .and_then(|(room, next)| edit::merge(room, length, next, largest))
            } else {
                edit::merge(self.pool.room(held), length, original, largest)
            };
            if let Some(length) = merged {
                self.pool.set_len(held, length);
                fate.lost = Some(Verdict::Merge(rule));
            }
            // Together or alone, it has waited long enough.
            self.pool.release(
                direction,
                now,
                |wait| matches!(wait, Wait::Segment(found, _) if *found == rule),
            );
            return;
        }
        let view = fate.work.map_or(View::new(original), |work| View::new(self.pool.bytes(work)));
        if view.is_tcp() && !view.payload().is_empty() {
            (fate.wait, fate.limit) = (Wait::Segment(rule, track.number), Some(limit));
        }
    }

    fn forge(
        &mut self,
        rule: u16,
        forge: Forge,
        original: &[u8],
        fate: &mut Fate,
        random: &mut Random,
    ) {
        let (now, direction) = (fate.now, fate.direction);
        let source = fate.forged(Some(rule));
        let (to, segment, count) = match forge {
            Forge::Icmp { error, from, quote } => {
                let slot = self
                    .make(original, fate, |room, view| forge::icmp(room, view, error, from, quote));
                if let Some(slot) = slot {
                    let length = self.pool.bytes(slot).len();
                    self.launch(now, fate.back(), source, slot, Some(length));
                }
                return;
            }
            Forge::Rst { to, seq } => (to, forge::Segment::Rst(seq), 1),
            Forge::Syn { to, seq } => (to, forge::Segment::Syn(seq), 1),
            Forge::Fin { to, seq } => (to, forge::Segment::Fin(seq), 1),
            Forge::Ack { to, ack: ack @ AckOf::Duplicate(count) } => {
                (to, forge::Segment::Ack(ack), count)
            }
            Forge::Ack { to, ack } => (to, forge::Segment::Ack(ack), 1),
        };
        let Some(flow) = fate.track.flow.and_then(|flow| self.flows.get(flow)).copied() else {
            return;
        };
        let towards = match to {
            Side::Stack => Direction::Inbound,
            Side::Peer => Direction::Outbound,
        };
        for _ in 0..count {
            let slot = self.make(original, fate, |room, view| {
                forge::segment(room, view, direction, &flow, to, segment, random)
            });
            let Some(slot) = slot else { return };
            let length = self.pool.bytes(slot).len();
            self.launch(now, towards, source, slot, Some(length));
        }
    }

    /// Lets an ARP or neighbor discovery message meet a fault, by a rule or by an event.
    pub(super) fn neighbor(
        &mut self,
        fault: NeighborFault,
        original: &[u8],
        fate: &mut Fate,
        rule: Option<(u16, &mut Random)>,
    ) {
        let view = fate.work.map_or(View::new(original), |work| View::new(self.pool.bytes(work)));
        if !view.is_arp() && !view.is_nd() {
            return;
        }
        let index = rule.as_ref().map(|(index, _)| *index);
        let (question, answer) = (forge::question(&view), forge::answer(&view));
        let sender = view.source();
        let (now, back, source) = (fate.now, fate.back(), fate.forged(index));
        match fault {
            NeighborFault::Silence => fate.lost = Some(Verdict::Drop(index)),
            NeighborFault::Wrong(hardware) => {
                if let Some((whose, asker)) = question {
                    // Who has no address yet asks to find out that nobody else has it.
                    let to = Some(asker).filter(|(_, address)| !address.is_unspecified());
                    let claim = forge::Claim { whose, hardware, to };
                    self.forge_claim(now, back, source, claim);
                    fate.lost = Some(Verdict::Drop(index));
                } else if let Some(place) = answer
                    && let Some(frame) = self.frame_mut(original, fate)
                {
                    let answer = frame.get_mut(place).unwrap_or_default();
                    answer.iter_mut().zip(hardware.0).for_each(|(byte, new)| *byte = new);
                    edit::fill(frame);
                }
            }
            NeighborFault::Conflict(hardware) => {
                if let Some(whose) = sender.filter(|sender| !sender.is_unspecified()) {
                    let claim = forge::Claim { whose, hardware, to: None };
                    self.forge_claim(now, back, source, claim);
                }
            }
            NeighborFault::Flood(count) => {
                if let (Some(like), Some((_, random))) = (sender, rule) {
                    self.flood(now, back, source, like, count, random);
                }
            }
        }
    }

    fn ask_hook(&mut self, rule: u16, number: u32, original: &[u8], fate: &mut Fate) {
        let Some(hook) = &mut self.hook else { return };
        let Fate { now, id, direction, .. } = *fate;
        let slot = self.pool.take();
        let mut call = |view, room: &mut [u8]| {
            hook.get().decide(&HookCall { now, number, id, direction, view }, room)
        };
        let answer = match (slot, fate.work) {
            (Some(slot), None) => call(View::new(original), self.pool.room(slot)),
            (Some(slot), Some(work)) => match self.pool.pair(slot, work) {
                Some((room, frame)) => call(View::new(frame), room),
                // Two places of the pool are never the same.
                None => Answer::Pass,
            },
            (None, None) => call(View::new(original), &mut []),
            (None, Some(work)) => call(View::new(self.pool.bytes(work)), &mut []),
        };
        let mut unused = slot;
        match answer {
            Answer::Pass => {}
            Answer::Drop => fate.lost = Some(Verdict::Drop(Some(rule))),
            Answer::Delay(delay) => fate.delay = plus(fate.delay, delay),
            Answer::Replace(length) => match slot {
                Some(slot) if length <= self.pool.frame() => {
                    self.pool.set_len(slot, length);
                    unused = fate.work.replace(slot);
                    fate.replaced = true;
                }
                _ => fate.lost = Some(Verdict::Exhausted),
            },
        }
        if let Some(unused) = unused {
            self.pool.give_back(unused);
        }
    }
}
