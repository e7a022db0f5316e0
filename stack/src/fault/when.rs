//! When a rule fires: its conditions of time, number and chance.

use smoltcp::time::Duration;

use super::short::{Name, Short};

/// When a rule fires on a frame that it matches.
///
/// The conditions are asked in this order: `from` and `until`, `after_rule`, `after_bytes`. A
/// frame for which they hold is counted. Then come `count`, which sees this number, `prob`,
/// `cooldown` and `budget`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct When {
    /// With which probability, 0 to 1.
    pub prob: f64,
    /// Which of the counted frames.
    pub count: Count,
    /// Among which frames it counts.
    pub scope: Scope,
    /// Not before this time since the engine was made.
    pub from: Option<Duration>,
    /// Not at or after this time since the engine was made.
    pub until: Option<Duration>,
    /// Not before the rule of this name has fired.
    pub after_rule: Option<Name>,
    /// Not before this many payload bytes have gone before the frame in its flow and direction;
    /// bytes that TCP sends again count once.
    pub after_bytes: Option<u64>,
    /// Not again within this time.
    pub cooldown: Option<Duration>,
    /// At most this many times in all.
    pub budget: Option<u64>,
}

impl When {
    /// Every time.
    pub const ALWAYS: Self = Self {
        prob: 1.0,
        count: Count::Any,
        scope: Scope::Rule,
        from: None,
        until: None,
        after_rule: None,
        after_bytes: None,
        cooldown: None,
        budget: None,
    };

    /// With this probability.
    pub const fn prob(prob: f64) -> Self {
        Self { prob, ..Self::ALWAYS }
    }

    /// On the frame with this number among all that the rule matches; the first is 1.
    pub const fn nth(number: u32) -> Self {
        Self { count: Count::Nth(number), ..Self::ALWAYS }
    }

    /// Counts in each flow by itself.
    #[must_use]
    pub const fn per_flow(mut self) -> Self {
        self.scope = Scope::Flow;
        self
    }
}

impl Default for When {
    fn default() -> Self {
        Self::ALWAYS
    }
}

/// Which of the frames that a rule counts it fires on. The first has number 1.
///
/// For [`Scope::Rule`] and a rule without `from`, `until`, `after_rule` and `after_bytes` every
/// frame that it matches is counted, so that these are the numbers of
/// [`Record::Rule`](super::Record::Rule): a rule that fires by chance does the same to the same
/// frames when it names those that chance has chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// All.
    Any,
    /// This one.
    Nth(u32),
    /// These.
    Among(Short<u32, 16>),
    /// The first so many.
    First(u32),
    /// Each whose number can be divided by this.
    Every(u32),
    /// All but the first so many.
    After(u32),
    /// Those from the first number to the second, both included.
    Range(u32, u32),
}

impl Count {
    /// Whether the frame with this number is one of them.
    pub fn contains(self, number: u32) -> bool {
        match self {
            Self::Any => true,
            Self::Nth(wanted) => number == wanted,
            Self::Among(wanted) => wanted.contains(&number),
            Self::First(last) => number <= last,
            Self::Every(step) => step != 0 && number.is_multiple_of(step),
            Self::After(last) => number > last,
            Self::Range(first, last) => first <= number && number <= last,
        }
    }
}

/// Among which frames a rule counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// In each flow by itself; frames that belong to none count together.
    Flow,
    /// Among all.
    Rule,
    /// In each direction by itself.
    Dir,
}
