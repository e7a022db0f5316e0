//! What a number of runs say.

/// A median with the least and the greatest run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Summary {
    /// The middle one, or the mean of the two in the middle.
    pub(super) median: f64,
    pub(super) min: f64,
    pub(super) max: f64,
}

/// The runs of a side lie further apart than this part of their median: the machine was busy with
/// something else, or the figure is not worth much.
const WIDE: f64 = 0.5;

impl Summary {
    /// `None` without a run.
    pub(super) fn of(runs: &[f64]) -> Option<Self> {
        let mut sorted = runs.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (&min, &max) = (sorted.first()?, sorted.last()?);
        let middle = sorted.len() / 2;
        let median = match sorted.len() % 2 {
            0 => f64::midpoint(sorted[middle - 1], sorted[middle]),
            _ => sorted[middle],
        };
        Some(Self { median, min, max })
    }

    /// How far the runs lie apart, as a part of the median.
    pub(super) fn spread(&self) -> f64 {
        if self.max == self.min { 0.0 } else { (self.max - self.min) / self.median.abs() }
    }

    /// Whether they lie too far apart for the median to say much.
    pub(super) fn is_wide(&self) -> bool {
        self.spread() > WIDE
    }
}

/// The median of the ratios of each round. What disturbed a round disturbed both its sides, so that
/// this is steadier than the ratio of the medians.
pub(super) fn ratio(own: &[f64], peer: &[f64]) -> Option<Summary> {
    let ratios: Vec<f64> = own.iter().zip(peer).map(|(own, peer)| own / peer).collect();
    Summary::of(&ratios).filter(|ratios| ratios.median.is_finite())
}

/// The value below which this part of `values` lies, by nearest rank.
pub(super) fn quantile(values: &mut [f64], part: f64) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let rank = (part * values.len() as f64).ceil() as usize;
    values.get(rank.saturating_sub(1)).copied()
}
