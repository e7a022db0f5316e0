//! The flows of a capture as a table, or as JSON.

use serde::Serialize;

use super::analysis::Analysis;
use super::flow::Flow;
use crate::output::{self, Failure, Ink, Paint};

/// A flow as JSON.
#[derive(Debug, Serialize)]
pub(super) struct Object<'f> {
    flow: usize,
    from: String,
    to: String,
    packets: u64,
    bytes: [u64; 2],
    began: &'f str,
    ended: &'f str,
    retransmissions: [u64; 2],
    first_ns: i64,
    last_ns: i64,
}

/// A flow and what it did.
pub(super) fn object<'f>(flow: &Flow, analysis: &'f Analysis) -> Object<'f> {
    let Analysis { side: _, tracks, scales: _, packets, began, ended } = analysis;
    Object {
        flow: flow.number,
        from: flow.ends[0].to_string(),
        to: flow.ends[1].to_string(),
        packets: *packets,
        bytes: [tracks[0].bytes, tracks[1].bytes],
        began,
        ended,
        retransmissions: [tracks[0].retransmissions, tracks[1].retransmissions],
        first_ns: flow.entries.first().map_or(0, |entry| entry.at),
        last_ns: flow.entries.last().map_or(0, |entry| entry.at),
    }
}

/// The table.
pub(super) fn table(flows: &[(&Flow, Analysis)], paint: Paint) -> Vec<String> {
    let head = ["flow", "from", "to", "packets", "bytes", "retrans", "began", "ended"];
    let mut rows = vec![head.map(str::to_string)];
    for (flow, analysis) in flows {
        let row = object(flow, analysis);
        let sum = |two: [u64; 2]| (two[0].saturating_add(two[1])).to_string();
        rows.push([
            row.flow.to_string(),
            row.from.clone(),
            row.to.clone(),
            row.packets.to_string(),
            sum(row.bytes),
            sum(row.retransmissions),
            row.began.to_string(),
            row.ended.to_string(),
        ]);
    }
    let widths: Vec<usize> = (0..head.len())
        .map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
        .collect();
    let line = |row: &[String; 8]| {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| {
            // Numbers end where their columns end.
            match column {
                0 | 3..=5 => format!("{cell:>width$}"),
                _ => format!("{cell:width$}"),
            }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_string()
    };
    let mut lines: Vec<String> = rows.iter().map(line).collect();
    lines[0] = paint.paint(Ink::Strong, &lines[0]);
    lines
}

/// Prints the flows.
///
/// # Errors
/// As [`output::line`].
pub(super) fn print(flows: &[(&Flow, Analysis)], json: bool) -> Result<(), Failure> {
    if json {
        return flows.iter().try_for_each(|(flow, analysis)| output::json(&object(flow, analysis)));
    }
    table(flows, Paint::stdout()).iter().try_for_each(|line| output::line(line))
}
