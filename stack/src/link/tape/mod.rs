//! Recordings of both sides of an engine that breaks a link: what the stack sent and got, what
//! the wire saw, and what was done to each frame in between.
//!
//! [`Tape`] writes pcapng for Wireshark, [`EventLog`] one JSON object a line for programs. Both are
//! [`Observer`]s of an [`Engine`]; [`Narrator`] is what they understand it with, for others to do
//! the same.
//!
//! # The file of a tape
//!
//! Two interfaces: on `stack` is what passed between the stack and the engine, on `wire` what
//! passed between the engine and the link. A frame that goes through is in the file twice, with
//! the same packet identifier (`epb_packetid`); one that was lost only where it entered. Copies
//! and second parts of segments have the identifier of the original. Forged frames have none.
//! Directions (`epb_flags`) are those seen from the stack on both interfaces.
//!
//! **Frame N of the evidence of a failure is the Nth packet of the interface `stack`.** Where a
//! packet of it has a comment, this ends with `frame=N`.
//!
//! To a reader that follows connections the second side of a segment looks like a retransmission.
//! One side alone is a capture as any other:
//! `tshark -r FILE -Y 'frame.interface_name == "stack"' -w ONE.pcapng`.
//!
//! A packet has a comment if a rule or the link model touched it, such as
//! `rule=lose-1st-synack fired=1 verdict=drop`, `link-model verdict=lost`,
//! `rule=slow fired=3 delay=40 ms`, and on the other side `delayed 40 ms by rule=slow`,
//! `changed by rule=bits (corrupt)`, `copy 1 by rule=twice`,
//! `forged by rule=refuse because of id=12`.
//!
//! The first comment of the section header is one line of what has to be known to do the same
//! again: [`Heading`]. The comments behind it are the script, in pieces where it is long.
//!
//! # Notes
//!
//! What happens without a frame is a comment of an interface statistics block at its time, which
//! readers number no packet for, and a comment of the next packet, beginning with the time:
//!
//! - `event=NAME WHAT`: an event of the script; without a name its number
//! - `link down`, `link up`
//! - `live WHAT`: the script was changed while it ran ([`Engine::note`])
//! - `lost on its way …`: a frame that was held back is lost after all
//! - `refused, …`: the stack was told that the link is down; the frame is not in the file
//! - `report rule=NAME matched=N fired=N …` and `totals …`, at the end; in no packet's comment

mod events;
mod narrator;
mod notation;
mod words;

#[cfg(test)]
mod tests;

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use smoltcp::time::Instant;

pub use events::EventLog;
pub use narrator::{Act, Narrator, Passage, Seen, Side, Told};
pub use notation::Notation;
pub use words::action_word;

use super::pcapng::{Packet, Pcapng};
use crate::fault::{Decide, Engine, Observer, Record};

/// The most notes that wait for a packet to stand at.
const NOTES: usize = 16;

/// Which clock the stack and the engine go by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockMode {
    /// A virtual one: the same calls happen at the same times again.
    Virtual,
    /// That of the machine.
    Real,
}

/// What the section header of a tape says besides what the engine knows.
#[derive(Debug, Clone, Copy)]
pub struct Heading<'h> {
    /// The link's name, which stands before those of the sides (`tap0-stack`); empty for none.
    pub link: &'h str,
    /// The text of the script, whole.
    pub script: &'h str,
    /// Which clock the engine goes by. Whichever it is, records have the times that the engine is
    /// told, so that all that tells of a run agrees on them, and rules can be judged by them again.
    pub clock: ClockMode,
    /// The wall-clock time of [`Instant::ZERO`]; [`SystemTime::UNIX_EPOCH`] suits a virtual clock.
    pub epoch: SystemTime,
    /// The MTU of the link, in bytes.
    pub mtu: usize,
    /// How many frames the stack has counted before.
    pub frames: u64,
}

impl<'h> Heading<'h> {
    /// For a link in virtual time whose script has this text, recorded from the first frame, with
    /// an MTU of 1500.
    pub fn new(script: &'h str) -> Self {
        let (clock, epoch) = (ClockMode::Virtual, SystemTime::UNIX_EPOCH);
        Self { link: "", script, clock, epoch, mtu: 1500, frames: 0 }
    }

    /// The first comment of the section header: words with values, of which `script-bytes` is the
    /// length of the script in the comments that follow.
    pub fn line(&self, engine: &Engine<'_>) -> String {
        let version = env!("CARGO_PKG_VERSION");
        let clock = match self.clock {
            ClockMode::Virtual => "virtual",
            ClockMode::Real => "real",
        };
        let sizes = engine.sizes();
        let decide = match sizes.decide {
            Decide::Hash => "hash",
            _ => "stream",
        };
        format!(
            "tapsock {version} seed={:#x} clock={clock} decide={decide} epoch={} began={} entered={} \
             frames={} mtu={} rules={} flows={} held={} frame={} script-bytes={}",
            sizes.seed,
            self.epoch_nanos(),
            words::seconds(sizes.began),
            sizes.entered,
            self.frames,
            self.mtu,
            sizes.rules,
            sizes.flows,
            sizes.held,
            sizes.frame,
            self.script.len(),
        )
    }

    fn epoch_nanos(&self) -> u64 {
        let epoch = self.epoch.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        u64::try_from(epoch.as_nanos()).unwrap_or(u64::MAX)
    }
}

/// Records both sides of an engine as pcapng.
///
/// A handle: clones are the same recording, so that the engine can have one and whoever ends the
/// run another. Recording never disturbs the link. When the writer fails, recording ends, the
/// frames go on, and [`Tape::error`] tells.
#[derive(Clone)]
pub struct Tape(Arc<Mutex<Inner>>);

struct Inner {
    narrator: Narrator,
    file: File,
}

struct File {
    state: State,
    last: Instant,
    /// What is to be said with the next packet.
    notes: Vec<String>,
}

enum State {
    Recording(Pcapng<Box<dyn Write + Send>>),
    Failed(io::Error),
}

impl Tape {
    /// Records what `engine` does from now on, beside those who observe it already. Give a
    /// [`SharedBuffer`](super::capture::SharedBuffer) to read while recording goes on, and a
    /// [`std::io::BufWriter`] where a write for each frame is too slow.
    pub fn start(
        engine: &mut Engine<'_>,
        writer: impl Write + Send + 'static,
        heading: &Heading<'_>,
    ) -> Self {
        let state = match open(Box::new(writer), heading, engine) {
            Ok(file) => State::Recording(file),
            Err(error) => State::Failed(error),
        };
        let file = File { state, last: Instant::ZERO, notes: Vec::new() };
        let narrator = Narrator::new(heading.frames);
        let this = Self(Arc::new(Mutex::new(Inner { narrator, file })));
        engine.observe_too(this.clone());
        this
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // What was written is whole; at worst a frame is missing.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why recording ended early, if it did: kind and text.
    pub fn error(&self) -> Option<io::Error> {
        match &self.inner().file.state {
            State::Recording(_) => None,
            State::Failed(error) => Some(io::Error::new(error.kind(), format!("{error}"))),
        }
    }

    /// Makes everything recorded so far reach its destination. Also done when the last handle is
    /// dropped.
    ///
    /// # Errors
    /// The error that ended recording, or that of the writer now.
    pub fn flush(&self) -> io::Result<()> {
        self.inner().flush()
    }
}

impl Observer for Tape {
    fn record(&mut self, record: &Record<'_>) {
        let Inner { narrator, file } = &mut *self.inner();
        narrator.hear(record, &mut |told| file.tell(told));
    }
}

impl fmt::Debug for Tape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tape").field("error", &self.error()).finish_non_exhaustive()
    }
}

fn open(
    writer: Box<dyn Write + Send>,
    heading: &Heading<'_>,
    engine: &Engine<'_>,
) -> io::Result<Pcapng<Box<dyn Write + Send>>> {
    let line = heading.line(engine);
    let mut file = Pcapng::section(writer, heading.epoch_nanos(), &[&line, heading.script])?;
    for side in [Side::Stack, Side::Wire] {
        let name = match side {
            Side::Stack => "stack",
            Side::Wire => "wire",
        };
        if heading.link.is_empty() {
            file.interface(name)?;
        } else {
            file.interface(&format!("{}-{name}", heading.link))?;
        }
    }
    Ok(file)
}

impl Inner {
    fn flush(&mut self) -> io::Result<()> {
        let Self { narrator, file } = self;
        narrator.finish(&mut |told| file.tell(told));
        match &mut file.state {
            State::Recording(file) => file.flush(),
            State::Failed(error) => Err(io::Error::new(error.kind(), format!("{error}"))),
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Nobody is left to hear about a failure.
        let _ = self.flush();
    }
}

impl File {
    fn tell(&mut self, told: Told<'_>) {
        let result = match told {
            Told::Frame(seen) => self.frame(&seen),
            Told::Note { now, text } => self.note(now, text),
        };
        if let Err(error) = result {
            self.state = State::Failed(error);
        }
    }

    fn stamp(&mut self, now: Instant) -> Instant {
        // Readers expect that time does not run backwards.
        self.last = self.last.max(now);
        self.last
    }

    fn frame(&mut self, seen: &Seen<'_>) -> io::Result<()> {
        let at = self.stamp(seen.now);
        let State::Recording(file) = &mut self.state else { return Ok(()) };
        let notes = core::mem::take(&mut self.notes);
        let mut comments: Vec<&str> = notes.iter().map(String::as_str).collect();
        if !seen.story.is_empty() {
            comments.push(seen.story);
        }
        let Seen { direction, id, frame, .. } = *seen;
        let interface = match seen.side {
            Side::Stack => 0,
            Side::Wire => 1,
        };
        file.packet(&Packet { interface, at, direction, id, comments: &comments, frame })
    }

    fn note(&mut self, now: Instant, text: &str) -> io::Result<()> {
        let at = self.stamp(now);
        let State::Recording(file) = &mut self.state else { return Ok(()) };
        let at_the_end = text.starts_with("report ") || text.starts_with("totals");
        if !at_the_end && self.notes.len() < NOTES {
            self.notes.push(format!("at {} s: {text}", words::seconds(at)));
        }
        file.note(0, at, &[text])
    }
}
