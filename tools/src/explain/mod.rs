//! `tapsock explain`: what a fault script did to a packet of a recording, and why.
//!
//! The recording carries the script. It is run again, in virtual time, over the frames that
//! entered it, so that also what the recording does not say can be told: which rules saw the frame
//! and did not act.

mod evaluate;
mod recording;
mod told;
mod words;

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::de::IgnoredAny;
use tapsock_stack::fault::Decide;
use tapsock_stack::fault::text::Document;

use self::recording::{Packet, Recording, Unreadable};
use self::told::Explanation;
use crate::output::{self, Failure, Paint};

/// What `tapsock explain` takes.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// A capture of both sides of a fault script (pcapng)
    pub file: PathBuf,

    /// Explain the packet with this number, as Wireshark shows it
    #[arg(long, value_name = "N", conflicts_with = "frame")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    pub packet: Option<u64>,

    /// Explain the packet with this number on the stack's side, as evidence cites it
    #[arg(long, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    pub frame: Option<u64>,
}

/// Runs the verb.
///
/// # Errors
/// What is wrong with the file, the number or standard output.
pub fn main(args: &ExplainArgs, json: bool) -> Result<(), Failure> {
    let name = args.file.display();
    let bytes = fs::read(&args.file).map_err(|error| {
        Failure::Usage(format!("{name} cannot be read ({error}); name a capture"))
    })?;
    let recording = recording::read(&bytes).map_err(|why| unreadable(&args.file, why))?;
    if let Some(damage) = &recording.damage {
        output::note(&format!("tapsock: {name} is not whole: {damage}"));
    }
    let chosen = match (args.packet, args.frame) {
        (Some(number), _) => Some(packet(&recording, &args.file, number)?),
        (None, Some(number)) => Some(frame(&recording, &args.file, number)?),
        (None, None) => None,
    };
    let Some(chosen) = chosen else {
        return told::list(&recording, json, Paint::stdout());
    };
    let explanation = explain(&recording, chosen)
        .map_err(|why| Failure::Usage(format!("the script in {name} cannot be run: {why}")))?;
    if json { output::json(&explanation) } else { explanation.print(Paint::stdout()) }
}

/// Explains a packet.
fn explain(recording: &Recording, chosen: &Packet) -> Result<Explanation, String> {
    let document: Document<IgnoredAny, IgnoredAny> =
        Document::parse(&recording.script).map_err(|error| error.to_string())?;
    let heading = &recording.heading;
    let mut script = document.script(heading.seed);
    script.decide = if heading.by_hash { Decide::Hash } else { Decide::Stream };
    let evaluation = evaluate::evaluate(recording, script)?;
    Ok(told::explanation(recording, &evaluation, chosen))
}

fn packet<'r>(recording: &'r Recording, file: &Path, number: u64) -> Result<&'r Packet, Failure> {
    recording.packets.iter().find(|packet| packet.number == number).ok_or_else(|| {
        let last = recording.packets.last().map_or(0, |packet| packet.number);
        let file = file.display();
        Failure::Usage(format!("{file} has packets 1 to {last}; --packet {number} is none of them"))
    })
}

fn frame<'r>(recording: &'r Recording, file: &Path, number: u64) -> Result<&'r Packet, Failure> {
    recording.packets.iter().find(|packet| packet.frame == Some(number)).ok_or_else(|| {
        let mut frames = recording.packets.iter().filter_map(|packet| packet.frame);
        let (first, last) = (frames.next().unwrap_or(0), frames.next_back().unwrap_or(0));
        let file = file.display();
        Failure::Usage(format!(
            "{file} has frames {first} to {} on the stack's side; --frame {number} is none of them",
            last.max(first)
        ))
    })
}

fn unreadable(file: &Path, why: Unreadable) -> Failure {
    let file = file.display();
    Failure::Usage(match why {
        Unreadable::NotPcapng => format!("{file} is no pcapng file; name a capture"),
        Unreadable::Swapped => {
            format!("{file} was written on a machine of another byte order; explain it there")
        }
        Unreadable::NoScript => format!(
            "{file} carries no fault script; explain needs a capture of both sides of one, such as \
             tapsock faults run --capture makes"
        ),
        Unreadable::TooLarge => {
            format!("{file} asks for more memory than any fault script needs; it is damaged")
        }
    })
}

#[cfg(test)]
mod tests;
