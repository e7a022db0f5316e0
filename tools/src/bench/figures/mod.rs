//! What is measured, against whom, and what must hold.

mod bulk;
mod client;
mod connect;
mod datagram;
mod loss;
mod memory;
mod relayed;
mod scale;
mod start;

use std::fmt;

use super::lab::Lab;
use super::runner::Pace;
use super::trouble::Trouble;

/// One number with its name.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Figure {
    /// As it is asked for.
    pub(super) name: String,
    /// For people.
    pub(super) what: String,
    pub(super) unit: &'static str,
    /// What ours is compared with; `None` where it stands for itself.
    pub(super) peer: Option<&'static str>,
    /// What must hold of the ratio, or of the value where there is no peer.
    pub(super) bound: Option<Bound>,
    /// Which of the numbers that a run of the comparison gives.
    pub(super) index: usize,
}

impl Figure {
    fn new(
        name: impl Into<String>,
        what: impl Into<String>,
        unit: &'static str,
        peer: &'static str,
    ) -> Self {
        let (name, what) = (name.into(), what.into());
        Self { name, what, unit, peer: Some(peer), bound: None, index: 0 }
    }

    fn must(mut self, bound: Bound) -> Self {
        self.bound = Some(bound);
        self
    }

    fn index(mut self, index: usize) -> Self {
        self.index = index;
        self
    }
}

/// What must hold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

impl Bound {
    /// Whether `value` is within it.
    pub(super) fn holds(self, value: f64) -> bool {
        match self {
            Self::AtLeast(least) => value >= least,
            Self::AtMost(most) => value <= most,
        }
    }

    /// `>=` or `<=`.
    pub(super) const fn sign(self) -> &'static str {
        match self {
            Self::AtLeast(_) => ">=",
            Self::AtMost(_) => "<=",
        }
    }

    /// The number.
    pub(super) const fn number(self) -> f64 {
        match self {
            Self::AtLeast(number) | Self::AtMost(number) => number,
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{} {}", self.sign(), self.number()))
    }
}

/// What differs from round to round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rounds {
    /// What else the machine does.
    Timed,
    /// Only the seed: no clock is involved.
    Seeds,
    /// Nothing: one round says all.
    Once,
}

/// What a round gives for one side.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Measured {
    /// A number for each figure of the comparison.
    pub(super) values: Vec<f64>,
    /// What else is to be known.
    pub(super) note: Option<String>,
}

impl From<Vec<f64>> for Measured {
    fn from(values: Vec<f64>) -> Self {
        Self { values, note: None }
    }
}

/// Measures one side in a round and gives a number for each figure of the comparison.
pub(super) type Measure = Box<dyn Fn(&Lab, &Pace, usize) -> Result<Measured, Trouble>>;

/// Two ways to measure the same, which are played in turn.
pub(super) struct Comparison {
    pub(super) figures: Vec<Figure>,
    /// How many numbers a run gives.
    pub(super) measured: usize,
    pub(super) rounds: Rounds,
    pub(super) own: Measure,
    pub(super) peer: Option<Measure>,
}

impl Comparison {
    /// Of figures that are measured together: each is a number of every run.
    fn new(
        figures: Vec<Figure>,
        own: impl Fn(&Lab, &Pace, usize) -> Result<Vec<f64>, Trouble> + 'static,
        peer: impl Fn(&Lab, &Pace, usize) -> Result<Vec<f64>, Trouble> + 'static,
    ) -> Self {
        let measured = figures.len();
        let own =
            Box::new(move |lab: &Lab, pace: &Pace, round| own(lab, pace, round).map(Into::into));
        let peer =
            Box::new(move |lab: &Lab, pace: &Pace, round| peer(lab, pace, round).map(Into::into));
        let (own, peer) = (own, Some(peer as Measure));
        Self { figures, measured, rounds: Rounds::Timed, own, peer }
    }

    /// Of what has no peer.
    fn alone(
        figures: Vec<Figure>,
        own: impl Fn(&Lab, &Pace, usize) -> Result<Measured, Trouble> + 'static,
    ) -> Self {
        let measured = figures.len();
        let figures = figures.into_iter().map(|figure| Figure { peer: None, ..figure }).collect();
        Self { figures, measured, rounds: Rounds::Timed, own: Box::new(own), peer: None }
    }

    /// Leaves out the figures that nobody wants.
    pub(super) fn keep(&mut self, wanted: impl Fn(&str) -> bool) {
        self.figures.retain(|figure| wanted(&figure.name));
    }
}

/// Everything that can be measured, in the order of the table.
pub(super) fn all() -> Vec<Comparison> {
    let mut all = bulk::comparisons();
    all.extend(connect::comparisons());
    all.extend(datagram::comparisons());
    all.extend(loss::comparisons());
    all.extend(relayed::comparisons());
    all.extend(scale::comparisons());
    all.extend(memory::comparisons());
    all.extend(start::comparisons());
    all
}

/// The peers' names.
mod peer {
    pub(super) const SMOLTCP: &str = "stock smoltcp";
    pub(super) const SMOLTCP_RENO: &str = "stock smoltcp, Reno";
    pub(super) const LWIP: &str = "lwIP of Debian";
    pub(super) const RAW: &str = "TAP without a stack";
    pub(super) const VETH: &str = "kernel, veth";
    pub(super) const RELAYED: &str = "kernel, relay";
}
