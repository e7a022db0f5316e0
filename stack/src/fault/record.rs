//! What an engine tells about its work: to an observer as it happens, and in counters.

use core::fmt;

use smoltcp::time::Instant;

use super::model::Chance;
use super::pool::Source;
use super::rule::Span;
use super::short::Name;
use crate::link::Direction;

/// Something that happened in an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Record<'r> {
    /// A rule saw a frame.
    Rule {
        /// When.
        now: Instant,
        /// The frame: the first that entered has number 1.
        id: u64,
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
        /// Its bytes as they leave.
        frame: &'r [u8],
    },
    /// An event of the time line.
    Event {
        /// When.
        now: Instant,
        /// Index of the event.
        event: u16,
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
    /// Frames lost, and copies and forgeries not made, because no memory was left.
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
