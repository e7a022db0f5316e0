//! What an engine decides, kept while it goes on, and what came of what it did.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tapsock_stack::fault::{
    ACK, Carriage, Chance, FIN, Firing, Forced, Observer, Outcome, RST, Record, Rule, SYN, View,
    Why,
};
use tapsock_stack::link::Direction;

/// When rules fired, and what chance decided on the link.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Decisions {
    /// Sorted by rule, then by frame.
    pub firings: Vec<Firing>,
    /// Sorted by direction, inbound first, then by frame. Only what is out of the ordinary.
    pub lanes: Vec<Carriage>,
}

impl Decisions {
    /// In the order in which an engine takes them.
    pub fn sort(&mut self) {
        self.firings.sort_unstable();
        self.firings.dedup();
        let key = |one: &Carriage| (one.direction == Direction::Outbound, one.number);
        self.lanes.sort_by_key(key);
        self.lanes.dedup_by_key(|one| key(one));
    }

    /// What makes an engine decide the same.
    pub(super) fn forced(&self) -> Forced<'static> {
        let Self { firings, lanes } = self.clone();
        Forced { firings: firings.into(), lanes: lanes.into() }
    }
}

/// The most firings of which it is watched what came of them.
const WATCHES: usize = 4096;

/// Listens to an engine. A handle: clones keep the same.
#[derive(Debug, Clone)]
pub(super) struct Listener(Arc<Mutex<Heard>>);

#[derive(Debug)]
struct Heard {
    decisions: Decisions,
    /// What must come of each rule.
    outcomes: Vec<Option<Outcome>>,
    /// The rules with an outcome that fired on the frame which is being decided about.
    fired: Vec<u16>,
    watches: Vec<Watch>,
    /// Where the stack's side of each flow has come to.
    ends: BTreeMap<u32, u32>,
}

/// What the stack did in a flow after a rule fired there.
#[derive(Debug)]
struct Watch {
    rule: u16,
    flow: u32,
    said: bool,
    rst: bool,
    bare_ack: bool,
    again: bool,
}

impl Watch {
    fn holds(&self, outcome: Outcome) -> bool {
        match outcome {
            Outcome::ChallengeAck => self.bare_ack,
            Outcome::Rst => self.rst,
            Outcome::Retransmission => self.again,
            Outcome::Silence => !self.said,
        }
    }
}

impl Listener {
    pub(super) fn new(rules: &[Rule]) -> Self {
        Self(Arc::new(Mutex::new(Heard {
            decisions: Decisions::default(),
            outcomes: rules.iter().map(|rule| rule.outcome).collect(),
            fired: Vec::new(),
            watches: Vec::new(),
            ends: BTreeMap::new(),
        })))
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All that was decided, sorted.
    pub(super) fn decisions(&self) -> Decisions {
        let mut decisions = self.heard().decisions.clone();
        decisions.sort();
        decisions
    }

    /// How many times that what must come of the rule with this index did not come, and what it
    /// is. `None` where nothing must.
    pub(super) fn missing(&self, rule: usize) -> Option<(Outcome, usize)> {
        let heard = self.heard();
        let outcome = (*heard.outcomes.get(rule)?)?;
        let of_rule = heard.watches.iter().filter(|watch| usize::from(watch.rule) == rule);
        Some((outcome, of_rule.filter(|watch| !watch.holds(outcome)).count()))
    }
}

impl Heard {
    /// A frame was decided about.
    fn verdict(&mut self, direction: Direction, flow: u32, frame: &[u8]) {
        let view = View::new(frame);
        if direction == Direction::Outbound
            && let (Some(flags), Some(seq)) = (view.flags(), view.seq())
        {
            let end = seq.wrapping_add(view.span());
            let known = self.ends.get(&flow).copied();
            // Sequence numbers are compared on a circle (RFC 9293, section 3.4).
            let is_old = known.is_some_and(|known| known.wrapping_sub(end) < 1 << 31);
            let again = view.span() > 0 && is_old;
            if !is_old {
                self.ends.insert(flow, end);
            }
            let bare = view.span() == 0 && flags & (SYN | FIN | RST | ACK) == ACK;
            for watch in self.watches.iter_mut().filter(|watch| watch.flow == flow) {
                watch.said = true;
                watch.rst |= flags & RST != 0;
                watch.bare_ack |= bare;
                watch.again |= again;
            }
        }
        for rule in std::mem::take(&mut self.fired) {
            if self.watches.len() < WATCHES {
                let (said, rst, bare_ack, again) = (false, false, false, false);
                self.watches.push(Watch { rule, flow, said, rst, bare_ack, again });
            }
        }
    }
}

impl Observer for Listener {
    fn record(&mut self, record: &Record<'_>) {
        let heard = &mut *self.heard();
        match *record {
            Record::Rule { rule, matched, why: Why::Fired(_), .. } => {
                heard.decisions.firings.push(Firing { rule, matched });
                if heard.outcomes.get(usize::from(rule)).copied().flatten().is_some() {
                    heard.fired.push(rule);
                }
            }
            Record::Lane { direction, number, chance, .. } if chance != Chance::default() => {
                heard.decisions.lanes.push(Carriage { direction, number, chance });
            }
            Record::Verdict { direction, flow, frame, .. } => {
                heard.verdict(direction, flow, frame);
            }
            _ => {}
        }
    }
}
