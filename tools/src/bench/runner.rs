//! Plays the sides of a comparison in turn.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::figures::{Comparison, Figure, Measured, Rounds};
use super::lab::Lab;
use super::statistics::{Summary, ratio};
use super::trouble::Trouble;

/// How long and how often.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Pace {
    /// Rounds; `None` for as many as a figure needs.
    pub(super) rounds: Option<usize>,
    /// For each side of a round.
    pub(super) seconds: f64,
    /// Whether it is enough to show that everything works.
    pub(super) quick: bool,
}

/// Rounds of a figure of which nothing must hold, and of one of which something must.
const ROUNDS: (usize, usize) = (5, 9);

impl Pace {
    /// The rounds of a comparison.
    pub(super) fn rounds(&self, comparison: &Comparison) -> usize {
        let must = comparison.figures.iter().any(|figure| figure.bound.is_some());
        let usual = if must { ROUNDS.1 } else { ROUNDS.0 };
        match comparison.rounds {
            Rounds::Timed => self.rounds.unwrap_or(usual),
            Rounds::Seeds => self.rounds.unwrap_or(usual),
            Rounds::Once => 1,
        }
    }
}

/// What is known of a figure after its rounds.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub(super) figure: Figure,
    /// Ours, a number for each round.
    pub(super) own: Vec<f64>,
    /// The peer's; empty where there is none.
    pub(super) peer: Vec<f64>,
    /// Whether all rounds were played once more because the runs of a side lay far apart.
    pub(super) repeated: bool,
    /// What else is to be known.
    pub(super) note: Option<String>,
    /// Why there are no numbers, or no peer's.
    pub(super) trouble: Option<Trouble>,
}

impl Row {
    /// The row of these runs.
    pub(super) fn new(figure: Figure, own: Vec<f64>, peer: Vec<f64>) -> Self {
        Self { figure, own, peer, repeated: false, note: None, trouble: None }
    }

    pub(super) fn value(&self) -> Option<Summary> {
        Summary::of(&self.own)
    }

    pub(super) fn peer_value(&self) -> Option<Summary> {
        Summary::of(&self.peer)
    }

    /// Ours to the peer's.
    pub(super) fn ratio(&self) -> Option<Summary> {
        ratio(&self.own, &self.peer)
    }

    /// What the bound is about: the ratio, or the value where there is no peer.
    pub(super) fn judged(&self) -> Option<f64> {
        match self.figure.peer {
            Some(_) => self.ratio().map(|ratio| ratio.median),
            None => self.value().map(|value| value.median),
        }
    }

    /// Whether what must hold does; `None` where nothing must.
    pub(super) fn holds(&self) -> Option<bool> {
        let bound = self.figure.bound?;
        Some(self.judged().is_some_and(|judged| bound.holds(judged)))
    }

    /// Whether the runs of a side lie far apart.
    pub(super) fn is_wide(&self) -> bool {
        [self.value(), self.peer_value()].into_iter().flatten().any(|side| side.is_wide())
    }
}

/// Who plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Own,
    Peer,
}

/// Who plays first in a round and who next: they take turns in that too.
pub(super) fn order(round: usize) -> [Side; 2] {
    if round.is_multiple_of(2) { [Side::Own, Side::Peer] } else { [Side::Peer, Side::Own] }
}

/// Runs of both sides, figure by figure.
struct Runs {
    values: Vec<(Vec<f64>, Vec<f64>)>,
    note: Option<String>,
}

impl Runs {
    fn new(measured: usize) -> Self {
        Self { values: vec![Default::default(); measured], note: None }
    }
}

/// Plays comparisons, and shows how far it has come.
pub(super) struct Runner {
    pace: Pace,
    bar: ProgressBar,
}

impl Runner {
    /// For these comparisons.
    pub(super) fn new(comparisons: &[Comparison], pace: Pace) -> Self {
        let rounds = comparisons.iter().map(|one| pace.rounds(one) as u64 * 2).sum();
        // Hidden when standard error is no terminal.
        let bar = ProgressBar::with_draw_target(Some(rounds), ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {elapsed} {msg}") {
            bar.set_style(style);
        }
        Self { pace, bar }
    }

    /// Shows something else meanwhile.
    pub(super) fn suspend<T>(&self, show: impl FnOnce() -> T) -> T {
        self.bar.suspend(show)
    }

    /// Takes the bar away.
    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }

    /// All rounds of a comparison, and once more where the runs lie far apart.
    pub(super) fn run(&mut self, comparison: &Comparison, lab: &Lab) -> Vec<Row> {
        let mut runs = Runs::new(comparison.measured);
        let mut trouble = self.rounds(comparison, lab, &mut runs, "");
        let rows = |runs: &Runs, trouble: &Option<Trouble>, repeated| -> Vec<Row> {
            let rows = comparison.figures.iter().map(|figure| {
                let (own, peer) = runs.values.get(figure.index).cloned().unwrap_or_default();
                let trouble = trouble.clone();
                let note = runs.note.clone();
                Row { repeated, note, trouble, ..Row::new(figure.clone(), own, peer) }
            });
            rows.collect()
        };
        let first = rows(&runs, &trouble, false);
        let wide = first.iter().any(Row::is_wide);
        let again = comparison.rounds == Rounds::Timed && !self.pace.quick;
        if trouble.is_some() || !wide || !again {
            return first;
        }
        // All rounds count: to choose between the two would be to choose the result.
        self.bar.inc_length(self.pace.rounds(comparison) as u64 * 2);
        trouble = self.rounds(comparison, lab, &mut runs, ", once more");
        rows(&runs, &trouble, true)
    }

    fn rounds(
        &self,
        comparison: &Comparison,
        lab: &Lab,
        runs: &mut Runs,
        note: &str,
    ) -> Option<Trouble> {
        let name = comparison.figures.first().map_or("", |figure| &figure.name);
        let rounds = self.pace.rounds(comparison);
        for round in 0..rounds {
            self.bar.set_message(format!("{name}, round {} of {rounds}{note}", round + 1));
            for side in order(round) {
                let measure = match side {
                    Side::Own => Some(&comparison.own),
                    Side::Peer => comparison.peer.as_ref(),
                };
                if let Some(measure) = measure {
                    let Measured { values, note } = match measure(lab, &self.pace, round) {
                        Ok(measured) => measured,
                        Err(trouble) => return Some(trouble),
                    };
                    runs.note = note.or(runs.note.take());
                    for ((own, peer), value) in runs.values.iter_mut().zip(values) {
                        match side {
                            Side::Own => own.push(value),
                            Side::Peer => peer.push(value),
                        }
                    }
                }
                self.bar.inc(1);
            }
        }
        None
    }
}
