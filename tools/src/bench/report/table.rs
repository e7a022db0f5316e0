//! The table, for a terminal and for the README.

use super::super::figures::Figure;
use super::super::runner::{Pace, Row};
use super::super::statistics::Summary;
use crate::output::{self, Ink, Paint};

const NAME: usize = 29;
const SIDE: usize = 10;
const UNIT: usize = 8;
const RATIO: usize = 20;
const MUST: usize = 9;
/// The width of the table, in characters.
const WIDTH: usize = 100;

pub(in crate::bench) fn head(paint: Paint) -> String {
    let text = format!(
        "{:NAME$} {:>SIDE$} {:>SIDE$} {:UNIT$} {:RATIO$} {:MUST$}",
        "figure", "ours", "peer's", "", "ratio [min..max]", "must"
    );
    paint.paint(Ink::Strong, text.trim_end())
}

/// A row and, below it, what has to be said about it.
pub(in crate::bench) fn row(row: &Row, paint: Paint) -> Vec<String> {
    let Figure { name, what, unit, peer, bound, index: _ } = &row.figure;
    let verdict = match row.holds() {
        None => String::new(),
        Some(true) => paint.paint(Ink::Good, "holds"),
        Some(false) => paint.paint(Ink::Bad, "MISSES"),
    };
    let line = format!(
        "{name:NAME$} {:>SIDE$} {:>SIDE$} {unit:UNIT$} {:RATIO$} {:MUST$} {verdict}",
        median(row.value()),
        median(row.peer_value()),
        side(row.ratio()),
        bound.map(|bound| bound.to_string()).unwrap_or_default(),
    );
    let mut about = what.clone();
    for (words, part) in [
        ("against ", peer.map(ToString::to_string)),
        ("ours ", range(row.value())),
        ("peer's ", range(row.peer_value())),
        ("", row.note.clone()),
    ] {
        if let Some(part) = part {
            about += &format!(", {words}{part}");
        }
    }
    about += &spread(row);
    let mut lines = vec![line.trim_end().to_string()];
    for text in output::wrap(&about, WIDTH - 2) {
        lines.push(paint.paint(Ink::Dim, &format!("  {text}")));
    }
    if let Some(trouble) = &row.trouble {
        for text in output::wrap(&trouble.to_string(), WIDTH - 2) {
            lines.push(format!("  {}", paint.paint(Ink::Bad, &text)));
        }
    }
    lines
}

/// What is said of runs that lie far apart.
fn spread(row: &Row) -> String {
    let sides = [("ours", row.value()), ("the peer's", row.peer_value())];
    let wide = sides.iter().filter_map(|(name, side)| {
        let side = side.filter(Summary::is_wide)?;
        Some(format!("{name} by {:.0} %", side.spread() * 100.0))
    });
    let wide: Vec<String> = wide.collect();
    match (wide.is_empty(), row.repeated) {
        (true, false) => String::new(),
        (true, true) => "; repeated because runs spread, and all rounds count".into(),
        (false, repeated) => format!(
            "; the runs spread, {}{}",
            wide.join(", "),
            if repeated { "; repeated once, and all rounds count" } else { "" }
        ),
    }
}

fn median(summary: Option<Summary>) -> String {
    summary.map_or_else(|| "-".to_string(), |summary| number(summary.median))
}

/// From the least to the greatest, where they differ.
fn range(summary: Option<Summary>) -> Option<String> {
    let Summary { median: _, min, max } = summary.filter(|it| it.min != it.max)?;
    Some(format!("{}..{}", number(min), number(max)))
}

fn side(summary: Option<Summary>) -> String {
    summary.map_or_else(
        || "-".to_string(),
        |Summary { median, min, max }| {
            if min == max {
                return number(median);
            }
            format!("{} [{}..{}]", number(median), number(min), number(max))
        },
    )
}

/// With three digits that mean something, and whole from a thousand on.
pub(in crate::bench) fn number(value: f64) -> String {
    let digits = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        _ => 2,
    };
    let text = format!("{value:.digits$}");
    let (whole, rest) = text.split_once('.').map_or((&*text, None), |(a, b)| (a, Some(b)));
    let (sign, figures) = whole.strip_prefix('-').map_or(("", whole), |rest| ("-", rest));
    let mut grouped = String::new();
    for (place, figure) in figures.chars().enumerate() {
        if place > 0 && (figures.len() - place) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(figure);
    }
    match rest {
        Some(rest) => format!("{sign}{grouped}.{rest}"),
        None => format!("{sign}{grouped}"),
    }
}

pub(in crate::bench) fn foot(machine: &str, pace: Pace) -> String {
    let quick = if pace.quick { " These rounds are too short to say anything." } else { "" };
    let text = format!(
        "The ratio is ours to the peer's: the median of the ratios of the rounds, in each of which \
         both sides were measured.{quick} {machine}."
    );
    output::wrap(&text, WIDTH).join("\n")
}

pub(in crate::bench) fn markdown_head() -> String {
    "| figure | ours | peer | peer's | ratio | must |\n|---|---|---|---|---|---|".into()
}

pub(in crate::bench) fn markdown_row(row: &Row) -> String {
    let Figure { name, what, unit, peer, bound, index: _ } = &row.figure;
    let with_unit = |summary: Option<Summary>| match summary {
        Some(summary) => format!("{} {unit}", number(summary.median)),
        None => "-".into(),
    };
    let ratio = row.ratio().map_or_else(
        || "-".to_string(),
        |ratio| {
            let text = side(Some(ratio));
            text.replacen(&number(ratio.median), &format!("**{}**", number(ratio.median)), 1)
        },
    );
    let must = match (bound, row.holds()) {
        (Some(bound), Some(true)) => bound.to_string(),
        (Some(bound), _) => format!("{bound}, missed"),
        (None, _) => String::new(),
    };
    let trouble = row.trouble.as_ref().map(ToString::to_string);
    let said = row.note.iter().chain(&trouble);
    let note: String = said.map(|text| format!("; {text}")).collect();
    format!(
        "| {what} (`{name}`){note} | {} | {} | {} | {ratio} | {must} |",
        with_unit(row.value()),
        peer.unwrap_or("-"),
        with_unit(row.peer_value()),
    )
}

/// A line of the list of figures.
pub(in crate::bench) fn listed(figure: &Figure) -> String {
    let Figure { name, what, unit, peer, bound, index: _ } = figure;
    let against = peer.map(|peer| format!(", against {peer}")).unwrap_or_default();
    let must = bound.map(|bound| format!(", must be {bound}")).unwrap_or_default();
    format!("{name:NAME$} {what}, {unit}{against}{must}")
}
