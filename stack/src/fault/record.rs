//! What an engine tells about its work: to an observer as it happens, and in counters.

use core::fmt;

use smoltcp::time::{Duration, Instant};

use super::model::Chance;
use super::pool::Source;
use super::rule::{Action, Event, Span};
use super::short::Name;
use crate::link::Direction;

/// Something that happened in an engine.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Record<'r> {
    /// A frame passed while the engine was not active ([`Engine::is_active`](super::Engine)): no
    /// rule has seen it.
    Bypass {
        /// When.
        now: Instant,
        /// The frame's number.
        id: u64,
        /// Which way.
        direction: Direction,
        /// Its bytes.
        frame: &'r [u8],
    },
    /// A rule saw a frame.
    Rule {
        /// When.
        now: Instant,
        /// The frame: the first that entered has number 1.
        id: u64,
        /// Whether it is the frame itself or a copy of it.
        copy: bool,
        /// Index of the rule.
        rule: u16,
        /// Its name.
        name: &'r Name,
        /// Which of the frames that it matches this is, the first is 1; 0 when it does not match it
        /// or is switched off. With this number [`Forced`](super::Forced) says when it fires.
        matched: u64,
        /// Why it did or did not act.
        why: Why,
    },
    /// A rule that fired has done one of the things that it does.
    Action {
        /// When.
        now: Instant,
        /// The frame.
        id: u64,
        /// Whether it is the frame itself or a copy of it.
        copy: bool,
        /// Index of the rule.
        rule: u16,
        /// Its name.
        name: &'r Name,
        /// What it does.
        action: &'r Action,
        /// What came of it.
        effect: Effect,
    },
    /// The link model has made its random decisions about a frame, or about the copy that a rule
    /// made of it. One that is ideal makes none.
    Lane {
        /// When.
        now: Instant,
        /// The frame.
        id: u64,
        /// Which way it goes.
        direction: Direction,
        /// Which of the frames of its direction this is for the link model; the first is 1.
        number: u64,
        /// What was decided.
        chance: Chance,
    },
    /// All rules and the link model have decided about a frame.
    Verdict {
        /// When.
        now: Instant,
        /// The frame.
        id: u64,
        /// Which way it goes.
        direction: Direction,
        /// Number of its flow; 0 without one.
        flow: u32,
        /// Its bytes as it came.
        frame: &'r [u8],
        /// What becomes of it.
        verdict: Verdict,
    },
    /// A frame leaves the engine: towards the stack, or on the link.
    Left {
        /// When.
        now: Instant,
        /// Which way.
        direction: Direction,
        /// Where it came from.
        source: Source,
        /// The name of the rule that made it.
        by: Option<&'r Name>,
        /// Its bytes as they leave.
        frame: &'r [u8],
    },
    /// A frame that was held back, or a copy, is lost after all.
    Lost {
        /// When.
        now: Instant,
        /// Which way it went.
        direction: Direction,
        /// Where it came from.
        source: Source,
        /// By what.
        verdict: Verdict,
    },
    /// The stack offered a frame and was told that the link is down: for the stack it was never
    /// sent.
    Refused {
        /// When.
        now: Instant,
        /// Its number if rules have met it, otherwise 0.
        id: u64,
        /// Its bytes.
        frame: &'r [u8],
    },
    /// An event of the time line.
    Event {
        /// When.
        now: Instant,
        /// Index of the event.
        event: u16,
        /// The event.
        of: &'r Event,
    },
    /// The link went up or down.
    Link {
        /// When.
        now: Instant,
        /// Whether it is up now.
        up: bool,
    },
    /// Somebody changed the rules while the engine ran ([`Engine::note`](super::Engine::note)).
    Change {
        /// When.
        now: Instant,
        /// What was done, as whoever did it has written it.
        text: &'r str,
    },
    /// How a rule has fared until now ([`Engine::tell_report`](super::Engine)).
    Report {
        /// When.
        now: Instant,
        /// The rule.
        hits: Hits<'r>,
    },
    /// What was done until now, after the last [`Record::Report`].
    Totals {
        /// When.
        now: Instant,
        /// All counters.
        counters: Counters,
    },
}

impl Record<'_> {
    /// When it happened.
    pub fn now(&self) -> Instant {
        match *self {
            Self::Bypass { now, .. }
            | Self::Rule { now, .. }
            | Self::Action { now, .. }
            | Self::Lane { now, .. }
            | Self::Verdict { now, .. }
            | Self::Left { now, .. }
            | Self::Lost { now, .. }
            | Self::Refused { now, .. }
            | Self::Event { now, .. }
            | Self::Link { now, .. }
            | Self::Change { now, .. }
            | Self::Report { now, .. }
            | Self::Totals { now, .. } => now,
        }
    }
}

/// What came of one action. Nothing, if every field says so: such as a frame that was too short
/// to be changed, or for which chance decided against it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Effect {
    /// The frame is lost, or has become part of another.
    pub lost: bool,
    /// It is held back for so long.
    pub delay: Duration,
    /// It is held back until something happens.
    pub held: bool,
    /// So many copies follow it.
    pub copies: u16,
    /// Its bytes are others.
    pub changed: bool,
    /// It has become two.
    pub split: bool,
    /// So many frames were forged.
    pub forged: u32,
    /// Its flow has another tag, or the link another state or MTU.
    pub noted: bool,
}

/// Why a rule did or did not act on a frame, in the order in which it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It is switched off.
    Off,
    /// The frame is not what it matches, by this field of [`Match`](super::Match).
    NoMatch(&'static str),
    /// It swallows what it matches ([`Action::Blackhole`](super::Action::Blackhole)).
    Swallowed,
    /// `from` is not reached or `until` is.
    Time,
    /// The rule that it waits for has not fired.
    AfterRule,
    /// Too few bytes have gone before.
    AfterBytes,
    /// Forced decisions are replayed, and this frame is not among them.
    NotForced,
    /// It counted the frame, and this number is not one of those that it fires on.
    Count(u32),
    /// Chance decided against it.
    Prob,
    /// It fired a short time ago.
    Cooldown,
    /// It has fired as many times as it may.
    Budget,
    /// It fired, for the time with this number.
    Fired(u64),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("switched off"),
            Self::NoMatch(field) => write!(f, "{field} does not match"),
            Self::Swallowed => f.write_str("swallowed by its blackhole"),
            Self::Time => f.write_str("outside its time"),
            Self::AfterRule => f.write_str("the rule before it has not fired"),
            Self::AfterBytes => f.write_str("too few bytes have gone before"),
            Self::NotForced => f.write_str("not among the decisions that are replayed"),
            Self::Count(number) => write!(f, "number {number} is not its turn"),
            Self::Prob => f.write_str("chance decided against it"),
            Self::Cooldown => f.write_str("it fired a short time ago"),
            Self::Budget => f.write_str("its budget is spent"),
            Self::Fired(number) => write!(f, "fired ({number})"),
        }
    }
}

/// What becomes of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// It goes on as it is, at once.
    Pass,
    /// It goes on at this time, changed or unchanged; [`Instant::from_micros`]`(i64::MAX)` for
    /// when what it waits for happens.
    Later(Instant),
    /// The rule with this index dropped or swallowed it; `None` for an event.
    Drop(Option<u16>),
    /// It became part of another segment, by the rule with this index.
    Merge(u16),
    /// The loss model took it.
    Lost,
    /// The queue of the link model was full.
    Overflow,
    /// No memory was left to hold it in, or it is longer than a place of it.
    Exhausted,
    /// It is larger than the MTU.
    TooLarge,
    /// The link was down, or went down while it was held back.
    Down,
}

/// How a rule has fared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hits<'r> {
    /// Its name.
    pub name: &'r Name,
    /// Frames that were what it matches.
    pub matched: u64,
    /// How many times it fired.
    pub fired: u64,
    /// Frames that its blackhole swallowed after it fired.
    pub swallowed: u64,
    /// How many times it must fire.
    pub expected: Option<Span>,
}

impl Hits<'_> {
    /// Whether it fired as many times as it must.
    pub fn holds(&self) -> bool {
        self.expected.is_none_or(|expected| expected.contains(self.fired))
    }

    /// Whether it never fired although nobody said that it need not: most often a mistake in the
    /// rule.
    pub fn idle(&self) -> bool {
        self.fired == 0 && !self.expected.is_some_and(|expected| expected.contains(0))
    }
}

/// What an engine has done. Every counter only grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Counters {
    /// Frames that entered while it was active.
    pub entered: u64,
    /// Frames that left it, in either direction, while it was active.
    pub left: u64,
    /// Frames dropped, swallowed or merged by a rule or an event.
    pub dropped: u64,
    /// Frames taken by the loss model.
    pub lost: u64,
    /// Frames for which the link model's queue had no room.
    pub overflowed: u64,
    /// Frames lost, and copies and forgeries not made, because no memory was left. In one instant
    /// no more is forged than can be held back.
    pub exhausted: u64,
    /// Frames larger than the MTU.
    pub too_large: u64,
    /// Frames lost because the link was down or went down.
    pub down: u64,
    /// Copies made by rules, the link model and splitting.
    pub copied: u64,
    /// Frames forged.
    pub forged: u64,
    /// Flows forgotten for newer ones.
    pub forgotten: u64,
}

/// Sees what an engine does. Any closure that takes a record is one.
pub trait Observer {
    /// Something happened.
    fn record(&mut self, record: &Record<'_>);
}

impl<F: FnMut(&Record<'_>)> Observer for F {
    fn record(&mut self, record: &Record<'_>) {
        self(record);
    }
}

/// Two observers at once: the first hears of each thing first. Pairs of pairs make as many as are
/// wanted; [`Engine::observe_too`](super::Engine) makes them where there is a heap.
#[derive(Debug, Clone, Copy, Default)]
pub struct Both<A, B>(pub A, pub B);

impl<A: Observer, B: Observer> Observer for Both<A, B> {
    fn record(&mut self, record: &Record<'_>) {
        self.0.record(record);
        self.1.record(record);
    }
}
