//! A decorator that records every frame of a link in a pcapng file.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::Mutex;
use std::time::{Instant as Clock, SystemTime};

use smoltcp::time::Instant;

use super::pcapng::Pcapng;
use super::{Direction, FrameMeta, Link, LinkError, Offload};

/// A link whose frames are recorded.
///
/// Frame N of the file is frame N of the link: what the link refused ([`LinkError`]) never passed
/// it and is not recorded. What the device cuts or puts together is one frame, with the checksum that
/// the device left there, as tcpdump would show it. Each frame is written at once; give a [`std::io::BufWriter`] where that
/// is too slow.
///
/// Recording never disturbs the link. When the writer fails, recording ends, the frames go on,
/// and [`Capture::error`] tells.
pub struct Capture<L, W: Write> {
    link: L,
    recorder: Recorder<W>,
    /// When the recording began, where frames are stamped as they pass.
    began: Option<Clock>,
}

impl<L: Link, W: Write> Capture<L, W> {
    /// Records the frames of `link`, which `interface` names in the file, into `writer`.
    ///
    /// `epoch` is the wall-clock time of [`Instant::ZERO`]: of the moment at which the clock of
    /// the stack began, or [`SystemTime::UNIX_EPOCH`] for a virtual clock.
    pub fn new(link: L, writer: W, interface: &str, epoch: SystemTime) -> Self {
        Self { link, recorder: Recorder::new(writer, interface, epoch), began: None }
    }

    /// Stamps each frame with the real time at which it passes, counted from now, in place of the
    /// time of the call that it passes in: a stack that takes several frames in one turn gives all
    /// of them the same. For links of the operating system only; the stack's own clock should
    /// start at about the same moment.
    #[must_use]
    pub fn in_real_time(mut self) -> Self {
        self.began = Some(Clock::now());
        self
    }

    fn stamp(&self, now: Instant) -> Instant {
        match self.began {
            Some(began) => {
                let micros = began.elapsed().as_micros();
                Instant::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
            }
            None => now,
        }
    }

    /// The link.
    pub fn link(&self) -> &L {
        &self.link
    }

    /// The link, mutably. Frames that pass it directly are not recorded.
    pub fn link_mut(&mut self) -> &mut L {
        &mut self.link
    }

    /// How many frames passed, recorded or not.
    pub fn frames(&self) -> u64 {
        self.recorder.frames()
    }

    /// Why recording ended early, if it did.
    pub fn error(&self) -> Option<&io::Error> {
        self.recorder.error()
    }

    /// Makes everything recorded so far reach its destination. Also done on drop.
    ///
    /// # Errors
    /// The error that ended recording, or that of the writer now. Its kind and text; the
    /// original stays in [`Capture::error`].
    pub fn flush(&mut self) -> io::Result<()> {
        self.recorder.flush()
    }
}

impl<L: Link, W: Write> Link for Capture<L, W> {
    fn mtu(&self) -> usize {
        self.link.mtu()
    }

    fn is_up(&self) -> bool {
        self.link.is_up()
    }

    fn is_gone(&self) -> bool {
        self.link.is_gone()
    }

    fn receive(&mut self, now: Instant, buffer: &mut [u8]) -> Result<Option<usize>, LinkError> {
        let received = self.link.receive(now, buffer)?;
        if let Some(length) = received {
            let at = self.stamp(now);
            self.recorder.frame(at, Direction::Inbound, &buffer[..length]);
        }
        Ok(received)
    }

    fn transmit(&mut self, now: Instant, frame: &[u8]) -> Result<(), LinkError> {
        self.link.transmit(now, frame)?;
        let at = self.stamp(now);
        self.recorder.frame(at, Direction::Outbound, frame);
        Ok(())
    }

    fn poll_at(&self) -> Option<Instant> {
        self.link.poll_at()
    }

    fn offload(&self) -> Offload {
        self.link.offload()
    }

    fn receive_offloaded(
        &mut self,
        now: Instant,
        buffer: &mut [u8],
    ) -> Result<Option<(Range<usize>, FrameMeta)>, LinkError> {
        let received = self.link.receive_offloaded(now, buffer)?;
        if let Some((range, _)) = &received {
            let at = self.stamp(now);
            self.recorder.frame(at, Direction::Inbound, &buffer[range.clone()]);
        }
        Ok(received)
    }

    fn transmit_offloaded(
        &mut self,
        now: Instant,
        frame: &[u8],
        meta: &FrameMeta,
    ) -> Result<(), LinkError> {
        self.link.transmit_offloaded(now, frame, meta)?;
        let at = self.stamp(now);
        self.recorder.frame(at, Direction::Outbound, frame);
        Ok(())
    }
}

impl<L: AsFd, W: Write> AsFd for Capture<L, W> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.link.as_fd()
    }
}

impl<L: AsRawFd, W: Write> AsRawFd for Capture<L, W> {
    fn as_raw_fd(&self) -> RawFd {
        self.link.as_raw_fd()
    }
}

impl<L: fmt::Debug, W: Write> fmt::Debug for Capture<L, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Capture")
            .field("link", &self.link)
            .field("recorder", &self.recorder)
            .finish()
    }
}

/// Numbers frames and writes them until the writer fails.
pub(crate) struct Recorder<W: Write> {
    state: State<W>,
    frames: u64,
}

enum State<W: Write> {
    Recording(Pcapng<W>),
    Failed(io::Error),
}

impl<W: Write> Recorder<W> {
    pub(crate) fn new(writer: W, interface: &str, epoch: SystemTime) -> Self {
        let epoch = epoch.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let epoch = u64::try_from(epoch.as_nanos()).unwrap_or(u64::MAX);
        let state = match Pcapng::new(writer, interface, epoch) {
            Ok(file) => State::Recording(file),
            Err(error) => State::Failed(error),
        };
        Self { state, frames: 0 }
    }

    pub(crate) fn frame(&mut self, now: Instant, direction: Direction, frame: &[u8]) {
        self.frames += 1;
        if let State::Recording(file) = &mut self.state
            && let Err(error) = file.frame(now, direction, self.frames, frame)
        {
            self.state = State::Failed(error);
        }
    }

    /// Counts on from a link that already passed `frames`.
    pub(crate) fn counting_from(mut self, frames: u64) -> Self {
        self.frames = frames;
        self
    }

    pub(crate) fn frames(&self) -> u64 {
        self.frames
    }

    pub(crate) fn error(&self) -> Option<&io::Error> {
        match &self.state {
            State::Recording(_) => None,
            State::Failed(error) => Some(error),
        }
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        match &mut self.state {
            State::Recording(file) => file.flush(),
            State::Failed(error) => Err(io::Error::new(error.kind(), alloc::format!("{error}"))),
        }
    }
}

impl<W: Write> Drop for Recorder<W> {
    fn drop(&mut self) {
        // Nobody is left to hear about a failure.
        let _ = self.flush();
    }
}

impl<W: Write> fmt::Debug for Recorder<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder")
            .field("frames", &self.frames)
            .field("error", &self.error())
            .finish_non_exhaustive()
    }
}

/// Memory to record into and to read while recording goes on. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct SharedBuffer(Arc<Mutex<Vec<u8>>>);

impl SharedBuffer {
    /// Empty memory.
    pub fn new() -> Self {
        Self::default()
    }

    /// A copy of what was written so far.
    pub fn to_vec(&self) -> Vec<u8> {
        match self.0.lock() {
            Ok(bytes) => bytes.clone(),
            // A vector of bytes is whole at any time.
            Err(poisoned) => poisoned.into_inner().clone(),
        }
    }
}

impl Write for SharedBuffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.lock() {
            Ok(mut buffer) => buffer.extend_from_slice(bytes),
            Err(poisoned) => poisoned.into_inner().extend_from_slice(bytes),
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
