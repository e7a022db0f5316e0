//! One object a line.

use serde::Serialize;

use super::super::figures::{Bound, Figure};
use super::super::runner::Row;
use super::super::statistics::Summary;

/// A row. Numbers that there are not are null.
#[derive(Debug, Serialize)]
pub(in crate::bench) struct Line<'r> {
    figure: &'r str,
    what: &'r str,
    unit: &'r str,
    /// Median, least and greatest of ours.
    value: Option<f64>,
    min: Option<f64>,
    max: Option<f64>,
    peer: Option<&'r str>,
    peer_value: Option<f64>,
    peer_min: Option<f64>,
    peer_max: Option<f64>,
    /// Ours to the peer's.
    ratio: Option<f64>,
    ratio_min: Option<f64>,
    ratio_max: Option<f64>,
    /// How the ratio came about.
    ratio_of: Option<&'static str>,
    /// `>=` or `<=`.
    bound: Option<&'static str>,
    must: Option<f64>,
    holds: Option<bool>,
    /// The runs of a side lie further apart than half of their median.
    wide: bool,
    /// For that reason all rounds were played twice; all count.
    repeated: bool,
    /// What else is to be known.
    note: Option<&'r str>,
    /// Why something is missing.
    trouble: Option<String>,
    runs: Runs<'r>,
}

#[derive(Debug, Serialize)]
struct Runs<'r> {
    own: &'r [f64],
    peer: &'r [f64],
}

impl<'r> Line<'r> {
    pub(in crate::bench) fn of(row: &'r Row) -> Self {
        let Row { figure, own, peer, repeated, note, trouble } = row;
        let Figure { name, what, unit, peer: peer_name, bound, index: _ } = figure;
        let parts = |summary: Option<Summary>| {
            let part = |pick: fn(Summary) -> f64| summary.map(pick).filter(|it| it.is_finite());
            (part(|it| it.median), part(|it| it.min), part(|it| it.max))
        };
        let (value, min, max) = parts(row.value());
        let (peer_value, peer_min, peer_max) = parts(row.peer_value());
        let (ratio, ratio_min, ratio_max) = parts(row.ratio());
        Self {
            figure: name,
            what,
            unit,
            value,
            min,
            max,
            peer: *peer_name,
            peer_value,
            peer_min,
            peer_max,
            ratio,
            ratio_min,
            ratio_max,
            ratio_of: ratio.map(|_| "median of the ratios of the rounds"),
            bound: bound.map(Bound::sign),
            must: bound.map(Bound::number),
            holds: row.holds(),
            wide: row.is_wide(),
            repeated: *repeated,
            note: note.as_deref(),
            trouble: trouble.as_ref().map(ToString::to_string),
            runs: Runs { own, peer },
        }
    }
}

/// A figure that can be asked for.
#[derive(Debug, Serialize)]
pub(in crate::bench) struct Listed<'f> {
    figure: &'f str,
    what: &'f str,
    unit: &'f str,
    peer: Option<&'f str>,
    bound: Option<&'static str>,
    must: Option<f64>,
}

impl<'f> Listed<'f> {
    pub(in crate::bench) fn of(figure: &'f Figure) -> Self {
        let Figure { name, what, unit, peer, bound, index: _ } = figure;
        Self {
            figure: name,
            what,
            unit,
            peer: *peer,
            bound: bound.map(Bound::sign),
            must: bound.map(Bound::number),
        }
    }
}
