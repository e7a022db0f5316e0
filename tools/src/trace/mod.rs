//! `tapsock trace`: a connection of a capture as a picture.
//!
//! From the file to the picture: `capture` reads packets, `packet` looks into them, `comment`
//! knows what faults have written on them, `flow` sorts them by connection, `analysis` follows
//! one of these on one side; then `graph` and `ladder` draw it and `picture` puts both on one
//! card. The same bytes give the same picture.

mod analysis;
mod capture;
mod comment;
mod flow;
mod graph;
mod ladder;
mod list;
mod packet;
mod picture;
mod scale;
pub(crate) mod svg;
#[cfg(test)]
mod tests;
pub(crate) mod theme;

use std::fs;
use std::path::Path;

use self::analysis::Analysis;
use self::capture::{Capture, Side};
use self::flow::{Flow, Flows};
use self::picture::Picture;
use crate::cli::{TraceArgs, TraceSide};
use crate::output::{self, Failure};

/// The verb.
///
/// # Errors
/// What ends the program with another status than 0.
pub(super) fn main(args: &TraceArgs, json: bool) -> Result<(), Failure> {
    let file = args.file.display();
    let bytes = fs::read(&args.file).map_err(|error| {
        Failure::Usage(format!("{file} cannot be read ({error}); name a capture"))
    })?;
    let capture = capture::read(&bytes).map_err(|why| {
        Failure::Usage(format!("{file} is not a capture ({why}); give a pcapng or pcap file"))
    })?;
    if let Some(damage) = &capture.damage {
        output::note(&format!("tapsock: {file} is not drawn whole: {damage}"));
    }
    let flows = flow::sort(&capture);
    let side = shown_side(&capture, args.side)
        .map_err(|sentence| Failure::Usage(format!("{file} {sentence}")))?;
    if flows.flows.is_empty() {
        let packets = scale::counted(capture.packets.len() as u64, "packet");
        return Err(Failure::Usage(format!(
            "{file} has no TCP in its {packets}; give a capture of a connection"
        )));
    }
    let analysed = analyse(&flows, side);
    let Some(out) = args.svg.as_deref().filter(|_| !args.list) else {
        return list::print(&analysed, json);
    };
    output::refuse_input(out, std::slice::from_ref(&args.file))?;
    let (flow, analysis) = chosen(&analysed, args.flow)
        .map_err(|sentence| Failure::Usage(format!("{file} {sentence}")))?;
    let name = args.file.file_name().unwrap_or(args.file.as_os_str()).to_string_lossy();
    let picture = Picture {
        file: &name,
        capture: &capture,
        flows: &flows,
        flow,
        analysis,
        packets: args.packets,
    };
    write(out, &picture.svg())
}

fn write(out: &Path, svg: &str) -> Result<(), Failure> {
    if out == Path::new("-") {
        return output::line(svg.trim_end());
    }
    fs::write(out, svg).map_err(|error| {
        let out = out.display();
        Failure::Usage(format!("{out} cannot be written ({error}); name another file for --svg"))
    })
}

/// Which side to show of a capture that has two; `None` for one that knows no sides.
fn shown_side(capture: &Capture, asked: Option<TraceSide>) -> Result<Option<Side>, String> {
    let is_on = |side| capture.packets.iter().any(|packet| packet.side == side);
    let (stack, wire) = (is_on(Side::Stack), is_on(Side::Wire));
    match asked {
        Some(TraceSide::Stack) if stack => Ok(Some(Side::Stack)),
        Some(TraceSide::Wire) if wire => Ok(Some(Side::Wire)),
        Some(side) => {
            let name = match side {
                TraceSide::Stack => "stack",
                TraceSide::Wire => "wire",
            };
            Err(format!("has no interface named \"{name}\"; leave --side out"))
        }
        None if stack => Ok(Some(Side::Stack)),
        None if wire => Ok(Some(Side::Wire)),
        None => Ok(None),
    }
}

/// Follows every flow, on `side` or on the one that it was recorded on.
fn analyse(flows: &Flows, side: Option<Side>) -> Vec<(&Flow, Analysis)> {
    let side_of = |flow: &Flow| {
        let own = flow.entries.first().map_or(Side::Interface(0), |entry| entry.side);
        match own {
            Side::Interface(_) => own,
            Side::Stack | Side::Wire => side.unwrap_or(own),
        }
    };
    flows.flows.iter().map(|flow| (flow, analysis::follow(flow, side_of(flow)))).collect()
}

/// The flow with this number; without one that with the most packets, and of several such the
/// first that began with a SYN.
fn chosen<'a>(
    flows: &'a [(&'a Flow, Analysis)],
    number: Option<usize>,
) -> Result<(&'a Flow, &'a Analysis), String> {
    let found = match number {
        Some(number) => flows.iter().find(|(flow, _)| flow.number == number),
        None => flows.iter().max_by_key(|(flow, analysis)| {
            let begins = flow.entries.iter().any(|entry| entry.segment.syn);
            (analysis.packets, begins, std::cmp::Reverse(flow.number))
        }),
    };
    let pair = found.ok_or_else(|| {
        let number = number.unwrap_or(0);
        format!("has no flow {number}; --flow takes 1 to {}, which --list shows", flows.len())
    })?;
    Ok((pair.0, &pair.1))
}
