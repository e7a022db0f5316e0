//! A script: the rules, the events, the link model and the seed.

use core::fmt;
use core::ops::Deref;

use super::flow::side;
use super::model::{Chance, Loss, Model};
use super::rule::{Action, Event, EventAct, Match, Rule, Span};
use super::short::Name;
use super::when::Count;
use crate::link::Direction;

/// A table of a script: a constant or the caller's, or owned where there is a heap.
#[derive(Debug)]
pub enum Items<'a, T> {
    /// Somebody else's.
    Borrowed(&'a [T]),
    /// Its own.
    #[cfg(feature = "alloc")]
    Owned(alloc::vec::Vec<T>),
}

impl<T> Deref for Items<'_, T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        match self {
            Self::Borrowed(items) => items,
            #[cfg(feature = "alloc")]
            Self::Owned(items) => items,
        }
    }
}

impl<'a, T> From<&'a [T]> for Items<'a, T> {
    fn from(items: &'a [T]) -> Self {
        Self::Borrowed(items)
    }
}

impl<'a, T, const N: usize> From<&'a [T; N]> for Items<'a, T> {
    fn from(items: &'a [T; N]) -> Self {
        Self::Borrowed(items)
    }
}

#[cfg(feature = "alloc")]
impl<T> From<alloc::vec::Vec<T>> for Items<'_, T> {
    fn from(items: alloc::vec::Vec<T>) -> Self {
        Self::Owned(items)
    }
}

/// Where decisions by chance come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Decide {
    /// From a stream of numbers for each rule and direction, in the order of the frames: by which of
    /// the frames that the rule matches it is.
    #[default]
    Stream,
    /// From what the frame is and how many times it was sent, so that timing and order of other
    /// frames do not matter.
    Hash,
}

/// The decisions of a run, to be made again.
///
/// With them a rule that is switched on fires exactly on the frames that are listed: its time, its
/// count, its probability and its other conditions are not asked. The link model loses, copies,
/// damages and lets overtake exactly what is listed. What follows from a decision, such as the bit
/// that is turned over or the length of a delay, comes from the seed as before. So the decisions
/// that an [`Observer`](super::Observer) was told of make the same run again, and a part of them
/// makes a part of it.
#[derive(Debug)]
pub struct Forced<'a> {
    /// When rules fire, sorted, none twice.
    pub firings: Items<'a, Firing>,
    /// What the link model decides, sorted by direction (inbound first) and number, none twice.
    pub lanes: Items<'a, Carriage>,
}

/// A rule fires on a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Firing {
    /// Index of the rule.
    pub rule: u16,
    /// Which of the frames that it matches; the first is 1.
    pub matched: u64,
}

/// What the link model decides about a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Carriage {
    /// Which way it goes.
    pub direction: Direction,
    /// Which of the frames of its direction; the first is 1.
    pub number: u64,
    /// What is decided.
    pub chance: Chance,
}

impl Carriage {
    fn key(&self) -> (usize, u64) {
        (side(self.direction), self.number)
    }
}

impl Forced<'_> {
    pub(super) fn fires(&self, rule: usize, matched: u64) -> bool {
        let wanted = (rule, matched);
        let key = |firing: &Firing| (usize::from(firing.rule), firing.matched);
        self.firings.binary_search_by_key(&wanted, key).is_ok()
    }

    pub(super) fn chance(&self, direction: Direction, number: u64) -> Chance {
        let found = self.lanes.binary_search_by_key(&(side(direction), number), Carriage::key);
        found
            .ok()
            .and_then(|index| self.lanes.get(index))
            .map_or_else(Chance::default, |it| it.chance)
    }

    /// The first index of either table that is not behind the one before it.
    fn unsorted(&self) -> Option<usize> {
        let firings = self.firings.windows(2).position(|pair| pair[0] >= pair[1]);
        let lanes = self.lanes.windows(2).position(|pair| pair[0].key() >= pair[1].key());
        firings.or(lanes).map(|index| index + 1)
    }
}

/// Everything that an engine carries out.
#[derive(Debug)]
pub struct Script<'a> {
    /// Decides everything random.
    pub seed: u64,
    /// How it does.
    pub decide: Decide,
    /// At most 65,534, with different names.
    pub rules: Items<'a, Rule>,
    /// In the order of their times.
    pub events: Items<'a, Event>,
    /// The link, for what the stack sends.
    pub tx: Model,
    /// The link, for what the stack receives.
    pub rx: Model,
    /// Decisions that stand in for all conditions of the rules and for chance.
    pub forced: Option<Forced<'a>>,
}

impl<'a> Script<'a> {
    /// A script that does nothing.
    pub const fn new(seed: u64) -> Self {
        Self {
            seed,
            decide: Decide::Stream,
            rules: Items::Borrowed(&[]),
            events: Items::Borrowed(&[]),
            tx: Model::IDEAL,
            rx: Model::IDEAL,
            forced: None,
        }
    }

    /// Says the rules.
    #[must_use]
    pub fn with_rules(mut self, rules: impl Into<Items<'a, Rule>>) -> Self {
        self.rules = rules.into();
        self
    }

    /// Says the events.
    #[must_use]
    pub fn with_events(mut self, events: impl Into<Items<'a, Event>>) -> Self {
        self.events = events.into();
        self
    }

    /// Says how chance decides.
    #[must_use]
    pub fn deciding(mut self, decide: Decide) -> Self {
        self.decide = decide;
        self
    }

    /// The number of the rule or event with this name.
    pub(super) fn trigger(&self, name: &Name) -> Option<u16> {
        trigger(&self.rules, &self.events, name)
    }

    pub(super) fn rule(&self, name: &Name) -> Option<u16> {
        self.rules.iter().position(|rule| rule.name == *name).map(|place| place as u16)
    }

    /// Says what is wrong with it.
    pub(in crate::fault) fn check(&self) -> Result<(), ScriptError> {
        let (rules, events) = (self.rules.len(), self.events.len());
        if rules + events >= usize::from(u16::MAX) {
            return Err(ScriptError::TooLong);
        }
        for (index, rule) in self.rules.iter().enumerate() {
            self.check_rule(index, rule)?;
        }
        for (index, event) in self.events.iter().enumerate() {
            if event.name != Name::NONE && self.trigger(&event.name) != Some(index as u16) {
                return Err(ScriptError::DuplicateName(event.name));
            }
            if index > 0 && self.events.get(index - 1).is_some_and(|before| before.at > event.at) {
                return Err(ScriptError::EventsOutOfOrder(index));
            }
            if let EventAct::Switch(rule, _) = event.act
                && self.rule(&rule).is_none()
            {
                return Err(ScriptError::UnknownName(rule));
            }
        }
        for model in [&self.tx, &self.rx] {
            check_model(model).map_err(|field| ScriptError::Probability(Name::NONE, field))?;
        }
        match self.forced.as_ref().and_then(Forced::unsorted) {
            Some(index) => Err(ScriptError::ForcedOutOfOrder(index)),
            None => Ok(()),
        }
    }

    pub(super) fn check_rule(&self, index: usize, rule: &Rule) -> Result<(), ScriptError> {
        let name = rule.name;
        if self.trigger(&name) != Some((self.events.len() + index) as u16) {
            return Err(ScriptError::DuplicateName(name));
        }
        if let Some(field) = empty_range(&rule.matches, &rule.when.count, rule.expect) {
            return Err(ScriptError::EmptyRange(name, field));
        }
        if !is_share(rule.when.prob) {
            return Err(ScriptError::Probability(name, "prob"));
        }
        if let (Some(from), Some(until)) = (rule.when.from, rule.when.until)
            && until <= from
        {
            return Err(ScriptError::EmptyRange(name, "until"));
        }
        if let Some(before) = rule.when.after_rule
            && self.rule(&before).is_none()
        {
            return Err(ScriptError::UnknownName(before));
        }
        for action in rule.actions.iter() {
            match action {
                Action::Hold { until, .. } if self.trigger(until).is_none() => {
                    return Err(ScriptError::UnknownName(*until));
                }
                Action::Reorder { prob, .. } if !is_share(*prob) => {
                    return Err(ScriptError::Probability(name, "reorder"));
                }
                Action::Delay(delay) if !is_share(delay.correlation) => {
                    return Err(ScriptError::Probability(name, "correlation"));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// The number of the rule or event with this name: first the events, whose number does not
/// change, then the rules.
pub(super) fn trigger(rules: &[Rule], events: &[Event], name: &Name) -> Option<u16> {
    let names = events.iter().map(|event| &event.name);
    let mut names = names.chain(rules.iter().map(|rule| &rule.name));
    names.position(|found| found == name && *found != Name::NONE).map(|place| place as u16)
}

fn is_share(value: f64) -> bool {
    (0.0..=1.0).contains(&value)
}

fn check_model(model: &Model) -> Result<(), &'static str> {
    let losses = match model.loss {
        Loss::None => [0.0; 4],
        Loss::Bernoulli { prob, correlation } => [prob, correlation, 0.0, 0.0],
        Loss::GilbertElliott { p, r, good, bad } => [p, r, good, bad],
    };
    let reorder = model.reorder.map_or(0.0, |reorder| reorder.prob);
    let shares = [
        ("duplicate", model.duplicate),
        ("corrupt", model.corrupt),
        ("correlation", model.delay.correlation),
        ("reorder", reorder),
    ];
    if !losses.into_iter().all(is_share) {
        return Err("loss");
    }
    match shares.into_iter().find(|(_, share)| !is_share(*share)) {
        Some((field, _)) => Err(field),
        None => Ok(()),
    }
}

fn empty_range(matches: &Match, count: &Count, expect: Option<Span>) -> Option<&'static str> {
    let spans = [
        ("seq", matches.seq),
        ("ack", matches.ack),
        ("win", matches.win),
        ("payload", matches.payload),
        ("length", matches.length),
        ("ttl", matches.ttl),
        ("expect", expect),
    ];
    if let Some((field, _)) = spans.into_iter().find(|(_, span)| span.is_some_and(Span::is_empty)) {
        return Some(field);
    }
    for (field, set) in [("sport", &matches.sport), ("dport", &matches.dport)] {
        if set.as_ref().is_some_and(|set| set.iter().any(|range| range.is_empty())) {
            return Some(field);
        }
    }
    match *count {
        Count::Nth(0) => Some("nth"),
        Count::Among(list) if list.is_empty() || list.contains(&0) => Some("nth"),
        Count::First(0) => Some("first"),
        Count::Every(0) => Some("every"),
        Count::Range(first, last) if first > last || last == 0 => Some("range"),
        _ => None,
    }
}

/// Why a script cannot be carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScriptError {
    /// There are too many rules and events.
    TooLong,
    /// Two rules or events have this name.
    DuplicateName(Name),
    /// There is no rule or event of this name.
    UnknownName(Name),
    /// In the rule of this name, nothing is in the range of this field.
    EmptyRange(Name, &'static str),
    /// In the rule of this name, or in the link model, this field is not between 0 and 1.
    Probability(Name, &'static str),
    /// The event with this index is before the one above it.
    EventsOutOfOrder(usize),
    /// The forced decision with this index is not behind the one before it.
    ForcedOutOfOrder(usize),
    /// There is memory for fewer rules.
    TooManyRules,
    /// Another rule or an event refers to the rule of this name.
    InUse(Name),
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => f.write_str("a script has at most 65,534 rules and events"),
            Self::DuplicateName(name) => write!(f, "two rules or events have the name \"{name}\""),
            Self::UnknownName(name) => write!(f, "no rule or event has the name \"{name}\""),
            Self::EmptyRange(name, field) => {
                write!(f, "rule \"{name}\": nothing is in the range of {field}")
            }
            Self::Probability(name, field) if name.as_str().is_empty() => {
                write!(f, "link model: {field} must be between 0 and 1")
            }
            Self::Probability(name, field) => {
                write!(f, "rule \"{name}\": {field} must be between 0 and 1")
            }
            Self::EventsOutOfOrder(index) => {
                write!(f, "event {index} is earlier than the one before it")
            }
            Self::InUse(name) => {
                write!(f, "another rule or an event refers to \"{name}\"; remove that first")
            }
            Self::ForcedOutOfOrder(index) => {
                write!(f, "forced decision {index} is not behind the one before it")
            }
            Self::TooManyRules => f.write_str("there is memory for fewer rules"),
        }
    }
}

impl core::error::Error for ScriptError {}
