//! Frames out of a recording, while it is being made or afterwards.
//!
//! Links record what passes them as pcapng, and number it. Whoever wants to show frames as they
//! pass gives the link a [`Watch`] to write into; whoever has a whole recording gives it to
//! [`read`]. So a time line, the evidence of a failure and a file never disagree about a number.

use std::fmt;
use std::io::{self, Write};

use tapsock_stack::fault::Verdict;
use tapsock_stack::link::Direction;
use tapsock_stack::link::tape::{Passage, Seen, Side, Told};
use tapsock_stack::time::Instant;

/// A frame that passed a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Its number on the link; the first is 1.
    pub number: u64,
    /// When it passed: since the beginning of the recording's clock.
    pub at: Instant,
    /// Which way.
    pub direction: Direction,
    /// The frame without FCS.
    pub bytes: Vec<u8>,
}

/// Something that happens on a link that faults may break.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Moment {
    /// A frame passed the stack's side, or would have if no fault had taken it: then it has the
    /// number 0.
    Frame {
        /// The frame.
        frame: Frame,
        /// What faults have done to it, in words; empty for nothing.
        story: String,
    },
    /// Something happened without a frame.
    Note {
        /// When.
        at: Instant,
        /// What, in words.
        text: String,
    },
}

impl Moment {
    /// What is told of an engine, as far as it is to be shown: each frame once, where the stack
    /// sees it, and on the wire what never came to the stack.
    pub fn of(told: Told<'_>) -> Option<Self> {
        let seen = match told {
            Told::Note { now, text } => return Some(Self::Note { at: now, text: text.into() }),
            Told::Frame(seen) => seen,
        };
        let lost = matches!(
            seen.passage,
            Passage::Entered(verdict) if !matches!(verdict, Verdict::Pass | Verdict::Later(_))
        );
        if seen.side == Side::Wire && !(lost && seen.direction == Direction::Inbound) {
            return None;
        }
        let Seen { now: at, number, direction, story, frame, .. } = seen;
        let (number, bytes) = (number.unwrap_or(0), frame.to_vec());
        let frame = Frame { number, at, direction, bytes };
        Some(Self::Frame { frame, story: story.into() })
    }
}

/// The frames of a whole recording, such as a link has made it. What cannot be read ends it.
pub fn read(recording: &[u8]) -> Vec<Frame> {
    let mut reader = Reader::default();
    reader.push(recording);
    reader.collect()
}

/// Takes a recording in pieces and gives its frames.
#[derive(Debug, Default)]
struct Reader {
    rest: Vec<u8>,
    numbers: u64,
}

const ENHANCED_PACKET: u32 = 6;
/// No block of a link's recording is larger: a frame and its options.
const BLOCK_LIMIT: usize = 1 << 20;
const EPB_FLAGS: u16 = 2;
const EPB_PACKETID: u16 = 5;

impl Reader {
    fn push(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
    }

    fn enhanced_packet(&mut self, body: &[u8]) -> Option<Frame> {
        let high = u64::from(u32_at(body, 4)?);
        let low = u64::from(u32_at(body, 8)?);
        let length = u32_at(body, 12)? as usize;
        let bytes = body.get(20..20usize.checked_add(length)?)?.to_vec();
        let mut options = body.get(20 + length.next_multiple_of(4)..)?;
        self.numbers += 1;
        let mut direction = Direction::Inbound;
        while let (Some(code), Some(size)) = (u16_at(options, 0), u16_at(options, 2)) {
            let size = usize::from(size);
            let Some(value) = options.get(4..4 + size) else { break };
            match code {
                EPB_FLAGS if u32_at(value, 0)? & 3 == 2 => direction = Direction::Outbound,
                EPB_PACKETID => {
                    let (low, high) = (u32_at(value, 0)?, u32_at(value, 4)?);
                    self.numbers = u64::from(high) << 32 | u64::from(low);
                }
                _ => {}
            }
            options = options.get(4 + size.next_multiple_of(4)..).unwrap_or_default();
        }
        // Nanoseconds, as the interface description of the links says.
        let micros = i64::try_from((high << 32 | low) / 1000).unwrap_or(i64::MAX);
        Some(Frame { number: self.numbers, at: Instant::from_micros(micros), direction, bytes })
    }
}

impl Iterator for Reader {
    type Item = Frame;

    fn next(&mut self) -> Option<Frame> {
        loop {
            let kind = u32_at(&self.rest, 0)?;
            let total = u32_at(&self.rest, 4)? as usize;
            if !(12..=BLOCK_LIMIT).contains(&total) {
                self.rest.clear();
                return None;
            }
            if self.rest.len() < total {
                return None;
            }
            let block: Vec<u8> = self.rest.drain(..total).collect();
            if kind == ENHANCED_PACKET {
                return self.enhanced_packet(&block[8..total - 4]);
            }
        }
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

/// What is called with every frame.
type Show = Box<dyn FnMut(Frame) + Send>;

/// Somewhere to record to that shows every frame at once, and keeps the recording in a file too
/// where one is given.
pub struct Watch {
    reader: Reader,
    show: Show,
    file: Option<Box<dyn Write + Send>>,
}

impl Watch {
    /// Calls `show` with every frame that is recorded.
    pub fn new(show: impl FnMut(Frame) + Send + 'static) -> Self {
        Self { reader: Reader::default(), show: Box::new(show), file: None }
    }

    /// Writes the recording to `file` as well.
    #[must_use]
    pub fn with_file(mut self, file: impl Write + Send + 'static) -> Self {
        self.file = Some(Box::new(file));
        self
    }
}

impl Write for Watch {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(file) = &mut self.file {
            file.write_all(bytes)?;
        }
        self.reader.push(bytes);
        for frame in &mut self.reader {
            (self.show)(frame);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), Write::flush)
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("file", &self.file.is_some()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tapsock_stack::link::pcapng::Pcapng;

    use super::*;

    fn recording() -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut file = Pcapng::new(&mut bytes, "test", 0).unwrap();
        file.frame(Instant::from_millis(5), Direction::Outbound, 1, &[1; 61]).unwrap();
        file.frame(Instant::from_secs(21), Direction::Inbound, 2, &[2; 60]).unwrap();
        bytes
    }

    #[test]
    fn a_recording_gives_back_its_frames() {
        let frames = read(&recording());
        assert_eq!(frames.len(), 2);
        assert_eq!(
            frames[0],
            Frame {
                number: 1,
                at: Instant::from_millis(5),
                direction: Direction::Outbound,
                bytes: vec![1; 61]
            }
        );
        assert_eq!((frames[1].number, frames[1].at), (2, Instant::from_secs(21)));
        assert_eq!(frames[1].direction, Direction::Inbound);
    }

    #[test]
    fn a_watch_shows_frames_as_soon_as_they_are_whole() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&seen);
        let mut watch = Watch::new(move |frame| sink.lock().unwrap().push(frame));
        for byte in recording() {
            watch.write_all(&[byte]).unwrap();
        }
        assert_eq!(*seen.lock().unwrap(), read(&recording()));
    }

    #[test]
    fn rubbish_and_cut_off_recordings_end_quietly() {
        let whole = recording();
        for length in 0..whole.len() {
            assert!(read(&whole[..length]).len() < 2);
        }
        assert_eq!(read(&[0xff; 64]), []);
        assert_eq!(read(&[6, 0, 0, 0, 12, 0, 0, 0, 12, 0, 0, 0]), []);
    }
}
