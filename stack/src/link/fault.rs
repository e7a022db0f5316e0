//! A decorator that breaks a link as a script says.

use core::fmt;
use core::ops::Range;

use smoltcp::time::{Duration, Instant};

use super::{Direction, FrameMeta, Link, LinkError, Offload};
use crate::fault::{Engine, Passage};

/// How many frames one call takes from the link, or gives to it, at the most.
const TURN: usize = 64;

/// How long a busy link is left alone.
const BUSY: Duration = Duration::from_millis(1);

/// The room before an IP packet in a frame.
const HEADER: usize = 14;

/// A link with an [`Engine`] before it.
///
/// The stack's side is numbered as the stack counts: a frame that a rule drops on its way out has
/// passed the stack's side, one that is dropped on its way in has not. While the engine does
/// nothing ([`Engine::is_active`]) frames are counted, but neither looked at nor copied, except by
/// an observer, and a device under it works for the stack; from the moment on at which it has
/// something to do it gives and takes only frames as they are on the wire.
///
/// [`Link::poll_at`] says when what is held back is due, on its way in or out, and when an event
/// is.
pub struct Fault<'a, L> {
    link: L,
    gate: Gate<'a>,
}

impl<'a, L: Link> Fault<'a, L> {
    /// Breaks `link` as `engine` says.
    pub fn new(link: L, engine: Engine<'a>) -> Self {
        Self { link, gate: Gate::new(engine) }
    }

    /// The link.
    pub fn link(&self) -> &L {
        &self.link
    }

    /// The link, mutably. Frames that pass it directly meet no rule.
    pub fn link_mut(&mut self) -> &mut L {
        &mut self.link
    }

    /// The engine.
    pub fn engine(&self) -> &Engine<'a> {
        &self.gate.engine
    }

    /// The engine, mutably.
    pub fn engine_mut(&mut self) -> &mut Engine<'a> {
        &mut self.gate.engine
    }

    /// The link alone. What is held back is lost.
    pub fn into_link(self) -> L {
        self.link
    }
}

impl<L: Link> Link for Fault<'_, L> {
    fn mtu(&self) -> usize {
        self.gate.mtu(&self.link)
    }
    fn is_up(&self) -> bool {
        self.link.is_up() && self.gate.engine.link_is_up()
    }
    fn is_gone(&self) -> bool {
        self.link.is_gone()
    }
    fn receive(&mut self, now: Instant, buffer: &mut [u8]) -> Result<Option<usize>, LinkError> {
        self.gate.receive(&mut self.link, now, buffer)
    }
    fn transmit(&mut self, now: Instant, frame: &[u8]) -> Result<(), LinkError> {
        self.gate.transmit(&mut self.link, now, frame)
    }
    fn poll_at(&self) -> Option<Instant> {
        [self.gate.poll_at(), self.link.poll_at()].into_iter().flatten().min()
    }
    fn offload(&self) -> Offload {
        self.gate.offload(&self.link)
    }
    fn receive_offloaded(
        &mut self,
        now: Instant,
        buffer: &mut [u8],
    ) -> Result<Option<(Range<usize>, FrameMeta)>, LinkError> {
        self.gate.receive_offloaded(&mut self.link, now, buffer)
    }
    fn transmit_offloaded(
        &mut self,
        now: Instant,
        frame: &[u8],
        meta: &FrameMeta,
    ) -> Result<(), LinkError> {
        self.gate.transmit_offloaded(&mut self.link, now, frame, meta)
    }
}

impl<L: fmt::Debug> fmt::Debug for Fault<'_, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fault")
            .field("link", &self.link)
            .field("engine", &self.gate.engine)
            .finish()
    }
}

#[cfg(feature = "std")]
impl<L: std::os::fd::AsFd> std::os::fd::AsFd for Fault<'_, L> {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.link.as_fd()
    }
}

#[cfg(feature = "std")]
impl<L: std::os::fd::AsRawFd> std::os::fd::AsRawFd for Fault<'_, L> {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.link.as_raw_fd()
    }
}

/// An engine before any link, which is given with each call.
#[derive(Debug)]
pub(crate) struct Gate<'a> {
    pub(crate) engine: Engine<'a>,
    /// When a busy link is tried again.
    retry_at: Option<Instant>,
    /// A call took as many frames as it may; there may be more.
    more: bool,
}

impl<'a> Gate<'a> {
    pub(crate) fn new(engine: Engine<'a>) -> Self {
        Self { engine, retry_at: None, more: false }
    }

    pub(crate) fn mtu<L: Link + ?Sized>(&self, link: &L) -> usize {
        let own = self.engine.mtu().map_or(usize::MAX, usize::from);
        link.mtu().min(own)
    }

    pub(crate) fn receive<L: Link + ?Sized>(
        &mut self,
        link: &mut L,
        now: Instant,
        buffer: &mut [u8],
    ) -> Result<Option<usize>, LinkError> {
        self.more = false;
        if !self.engine.is_active() {
            let received = link.receive(now, buffer);
            if let Ok(Some(length)) = received {
                let frame = buffer.get(..length).unwrap_or(&[]);
                self.engine.bypassed(now, Direction::Inbound, frame);
            }
            return received;
        }
        self.engine.advance(now);
        self.engine.set_carries(link.mtu().saturating_add(HEADER));
        self.flush(link, now);
        for _ in 0..TURN {
            // What is due goes before what arrives now.
            if let Some(length) = self.engine.leave(now, Direction::Inbound, |frame| {
                let length = frame.len().min(buffer.len());
                buffer[..length].copy_from_slice(&frame[..length]);
                Ok(length)
            }) {
                return Ok(Some(length));
            }
            let received = link.receive(now, buffer)?;
            let Some(length) = received else {
                return if self.engine.link_is_up() { Ok(None) } else { Err(LinkError::Down) };
            };
            let frame = buffer.get(..length).unwrap_or(&[]);
            if !self.engine.link_is_up() {
                self.engine.lost_by_link(now, frame);
                continue;
            }
            match self.engine.admit(now, Direction::Inbound, frame) {
                Passage::Pass => {
                    self.engine.passed(now, Direction::Inbound, frame);
                    return Ok(Some(length));
                }
                // It may have caused something in the other direction.
                Passage::Taken => self.flush(link, now),
            }
        }
        self.more = true;
        if self.engine.link_is_up() { Ok(None) } else { Err(LinkError::Down) }
    }

    pub(crate) fn transmit<L: Link + ?Sized>(
        &mut self,
        link: &mut L,
        now: Instant,
        frame: &[u8],
    ) -> Result<(), LinkError> {
        if !self.engine.is_active() {
            return self.bypass(link, now, frame);
        }
        self.engine.advance(now);
        self.engine.set_carries(link.mtu().saturating_add(HEADER));
        if !self.engine.link_is_up() {
            self.engine.refused(now, frame);
            return Err(LinkError::Down);
        }
        if !link.is_up() {
            return self.bypass(link, now, frame);
        }
        self.flush(link, now);
        if self.engine.admit(now, Direction::Outbound, frame) == Passage::Pass {
            match link.transmit(now, frame) {
                Ok(()) => self.engine.passed(now, Direction::Outbound, frame),
                // The rules have counted it: it must not come to them again.
                Err(LinkError::Busy) => {
                    self.engine.keep(now, Direction::Outbound, frame);
                    self.retry_at = Some(now + BUSY);
                }
                Err(LinkError::Down) => {
                    self.engine.not_taken(now, frame);
                    return Err(LinkError::Down);
                }
            }
        }
        self.flush(link, now);
        Ok(())
    }

    pub(crate) fn offload<L: Link + ?Sized>(&self, link: &L) -> Offload {
        if self.engine.is_active() { Offload::NONE } else { link.offload() }
    }

    pub(crate) fn receive_offloaded<L: Link + ?Sized>(
        &mut self,
        link: &mut L,
        now: Instant,
        buffer: &mut [u8],
    ) -> Result<Option<(Range<usize>, FrameMeta)>, LinkError> {
        if !self.engine.is_active() {
            self.more = false;
            let received = link.receive_offloaded(now, buffer);
            if let Ok(Some((range, _))) = &received {
                let frame = buffer.get(range.clone()).unwrap_or(&[]);
                self.engine.bypassed(now, Direction::Inbound, frame);
            }
            return received;
        }
        let received = self.receive(link, now, buffer)?;
        Ok(received.map(|length| (0..length, FrameMeta::WHOLE)))
    }

    pub(crate) fn transmit_offloaded<L: Link + ?Sized>(
        &mut self,
        link: &mut L,
        now: Instant,
        frame: &[u8],
        meta: &FrameMeta,
    ) -> Result<(), LinkError> {
        if !self.engine.is_active() {
            link.transmit_offloaded(now, frame, meta)?;
            self.engine.bypassed(now, Direction::Outbound, frame);
            return Ok(());
        }
        if !meta.is_whole() {
            return Err(LinkError::Busy);
        }
        self.transmit(link, now, frame)
    }

    /// Sends a frame that no rule sees.
    fn bypass<L: Link + ?Sized>(
        &mut self,
        link: &mut L,
        now: Instant,
        frame: &[u8],
    ) -> Result<(), LinkError> {
        link.transmit(now, frame)?;
        self.engine.bypassed(now, Direction::Outbound, frame);
        Ok(())
    }

    /// When to call [`Gate::receive`].
    pub(crate) fn poll_at(&self) -> Option<Instant> {
        if self.more {
            return Some(Instant::ZERO);
        }
        let outbound = self.engine.outbound_at();
        let outbound = outbound.map(|at| self.retry_at.map_or(at, |retry_at| at.max(retry_at)));
        [self.engine.inbound_at(), outbound].into_iter().flatten().min()
    }

    /// Gives the link what is due.
    fn flush<L: Link + ?Sized>(&mut self, link: &mut L, now: Instant) {
        if self.retry_at.is_some_and(|retry_at| now < retry_at) {
            return;
        }
        self.retry_at = None;
        for _ in 0..TURN {
            let sent = self.engine.leave(now, Direction::Outbound, |frame| {
                match link.transmit(now, frame) {
                    // A link that is down has lost it.
                    Ok(()) | Err(LinkError::Down) => Ok(true),
                    Err(LinkError::Busy) => Err(false),
                }
            });
            match sent {
                Some(true) => {}
                Some(false) => {
                    self.retry_at = Some(now + BUSY);
                    return;
                }
                None => return,
            }
        }
    }
}
