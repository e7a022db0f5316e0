//! Where Ethernet frames come from and go to.
//!
//! One trait, implemented by the TAP device and the in-memory cable, and by decorators that wrap
//! any link, such as [`capture`]. Links are the only place of this crate that may touch an
//! operating system.
//!
//! # A link for your own controller
//!
//! Four methods ([`Link::mtu`], [`Link::is_up`], [`Link::receive`], [`Link::transmit`]), of which the stack calls [`Link::receive`] until it gives `None` and
//! [`Link::transmit`] for each frame. Neither may wait.
//!
//! - A frame is what stands in the controller's memory without preamble and checksum (FCS). Many
//!   controllers count the checksum in the length that they report: take its four bytes off.
//! - [`Link::receive`] copies into the stack's buffer, so that frames may wait in the controller's
//!   FIFO or in its ring of descriptors and need no memory of yours. A frame that is longer than the
//!   buffer is taken out of the controller all the same.
//! - [`Link::transmit`] with a full FIFO or ring is [`LinkError::Busy`]: the stack keeps the frame and
//!   offers it again, in order. Only a controller that has lost its carrier, or is gone, is
//!   [`LinkError::Down`]; one that can go for good says so by [`Link::is_gone`].
//! - With several frames in flight by DMA, copy the frame into a buffer that belongs to the
//!   descriptor, and clean the cache before the controller is told.
//! - Interrupts are not the link's. The interrupt handler wakes whoever waits in the engine's idle
//!   function (WFI returns by itself), and the stack asks the link again. Mask the controller's
//!   interrupt there and unmask it before the next sleep, with the processor's interrupts masked, so
//!   that none is lost between the last look and the sleep.
//! - Groups: let multicast frames through, or IPv6 neighbors find nobody. The stack drops what it
//!   does not belong to.
//!
//! Drivers that exist for smoltcp are links by [`phy::FromPhy`]. `tests/embedded/src/machine` has two
//! links for real controllers in fewer than 150 lines each.
//!
//! # Offload
//!
//! A link may do some of the stack's work: see [`Link::offload`].

#[cfg(feature = "std")]
pub mod capture;
pub mod fault;
#[cfg(all(feature = "std", target_os = "linux"))]
mod interface;
pub mod offload;
#[cfg(feature = "std")]
pub mod pcapng;
pub mod phy;
#[cfg(all(feature = "std", target_os = "linux"))]
pub mod tap;
#[cfg(feature = "std")]
pub mod tape;
#[cfg(all(test, feature = "std"))]
mod tests;
#[cfg(all(feature = "std", target_os = "linux"))]
mod vnet;

use core::fmt;
use core::ops::Range;

use smoltcp::time::Instant;

pub use offload::{ChecksumStatus, FrameMeta, Gso, GsoKind, Offload};

/// Which way a frame passes a link, seen from the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Towards the stack.
    Inbound,
    /// Away from the stack.
    Outbound,
}

/// Why a frame could not be sent or received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkError {
    /// The link takes no frame just now. Nothing was sent; the frame may be offered again.
    Busy,
    /// The device is gone or administratively down.
    Down,
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Busy => "the link takes no frame just now",
            Self::Down => "the link is down",
        })
    }
}

impl core::error::Error for LinkError {}

/// A source and sink of Ethernet frames (without preamble and FCS).
///
/// The first frame that passes a link, in either direction, has number 1 and every further one
/// the next; the evidence of a failure cites these numbers, and a capture shows the same ones.
pub trait Link {
    /// The largest IP packet that one frame carries, in bytes. At least 1280.
    fn mtu(&self) -> usize;

    /// Whether frames can pass at all.
    fn is_up(&self) -> bool;

    /// Whether no frame will ever pass again: the device was deleted. Connections over the link fail
    /// then, where those over one that is down wait for it.
    fn is_gone(&self) -> bool {
        false
    }

    /// Takes the next frame that has arrived by `now` into `buffer` and gives its length;
    /// `Ok(None)` when none waits. A frame larger than `buffer` is truncated to it.
    ///
    /// # Errors
    /// [`LinkError::Down`] when nothing can pass. Never [`LinkError::Busy`].
    fn receive(&mut self, now: Instant, buffer: &mut [u8]) -> Result<Option<usize>, LinkError>;

    /// Sends one frame.
    ///
    /// # Errors
    /// [`LinkError::Busy`] when the device takes none just now; [`LinkError::Down`] when nothing can pass.
    fn transmit(&mut self, now: Instant, frame: &[u8]) -> Result<(), LinkError>;

    /// When this link wants [`Link::receive`] to be called although nothing wakes the caller, for
    /// links that hold frames back. `None` for never.
    fn poll_at(&self) -> Option<Instant> {
        None
    }

    /// What this link does for whoever sends, as of the next frame.
    ///
    /// Links and decorators that know nothing of it give and take frames as they are on the wire,
    /// and so does everybody else through [`Link::receive`] and [`Link::transmit`]: whoever
    /// overrides one of these three has to override all of them.
    fn offload(&self) -> Offload {
        Offload::NONE
    }

    /// As [`Link::receive`], but as the device has the frame: it may be a superframe, and its
    /// checksum may be verified already. Gives where in `buffer` it is, because devices have
    /// something to say before it. `buffer` should have [`ARRIVAL`](offload::ARRIVAL) bytes.
    ///
    /// # Errors
    /// As [`Link::receive`].
    fn receive_offloaded(
        &mut self,
        now: Instant,
        buffer: &mut [u8],
    ) -> Result<Option<(Range<usize>, FrameMeta)>, LinkError> {
        Ok(self.receive(now, buffer)?.map(|length| (0..length, FrameMeta::WHOLE)))
    }

    /// Sends one frame on which the link is to do what `meta` says, which must be something that
    /// [`Link::offload`] covers.
    ///
    /// # Errors
    /// As [`Link::transmit`]. [`LinkError::Busy`] also when the link does not do this any more: ask
    /// [`Link::offload`] again before the frame is offered again.
    fn transmit_offloaded(
        &mut self,
        now: Instant,
        frame: &[u8],
        meta: &FrameMeta,
    ) -> Result<(), LinkError> {
        if meta.is_whole() { self.transmit(now, frame) } else { Err(LinkError::Busy) }
    }
}

impl<L: Link + ?Sized> Link for &mut L {
    fn mtu(&self) -> usize {
        (**self).mtu()
    }
    fn is_up(&self) -> bool {
        (**self).is_up()
    }
    fn is_gone(&self) -> bool {
        (**self).is_gone()
    }
    fn receive(&mut self, now: Instant, buffer: &mut [u8]) -> Result<Option<usize>, LinkError> {
        (**self).receive(now, buffer)
    }
    fn transmit(&mut self, now: Instant, frame: &[u8]) -> Result<(), LinkError> {
        (**self).transmit(now, frame)
    }
    fn poll_at(&self) -> Option<Instant> {
        (**self).poll_at()
    }
    fn offload(&self) -> Offload {
        (**self).offload()
    }
    fn receive_offloaded(
        &mut self,
        now: Instant,
        buffer: &mut [u8],
    ) -> Result<Option<(Range<usize>, FrameMeta)>, LinkError> {
        (**self).receive_offloaded(now, buffer)
    }
    fn transmit_offloaded(
        &mut self,
        now: Instant,
        frame: &[u8],
        meta: &FrameMeta,
    ) -> Result<(), LinkError> {
        (**self).transmit_offloaded(now, frame, meta)
    }
}

#[cfg(feature = "alloc")]
impl<L: Link + ?Sized> Link for alloc::boxed::Box<L> {
    fn mtu(&self) -> usize {
        (**self).mtu()
    }
    fn is_up(&self) -> bool {
        (**self).is_up()
    }
    fn is_gone(&self) -> bool {
        (**self).is_gone()
    }
    fn receive(&mut self, now: Instant, buffer: &mut [u8]) -> Result<Option<usize>, LinkError> {
        (**self).receive(now, buffer)
    }
    fn transmit(&mut self, now: Instant, frame: &[u8]) -> Result<(), LinkError> {
        (**self).transmit(now, frame)
    }
    fn poll_at(&self) -> Option<Instant> {
        (**self).poll_at()
    }
    fn offload(&self) -> Offload {
        (**self).offload()
    }
    fn receive_offloaded(
        &mut self,
        now: Instant,
        buffer: &mut [u8],
    ) -> Result<Option<(Range<usize>, FrameMeta)>, LinkError> {
        (**self).receive_offloaded(now, buffer)
    }
    fn transmit_offloaded(
        &mut self,
        now: Instant,
        frame: &[u8],
        meta: &FrameMeta,
    ) -> Result<(), LinkError> {
        (**self).transmit_offloaded(now, frame, meta)
    }
}

/// No link at all: a stack with only its loopback.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoLink;

impl Link for NoLink {
    fn mtu(&self) -> usize {
        65535
    }
    fn is_up(&self) -> bool {
        false
    }
    fn receive(&mut self, _: Instant, _: &mut [u8]) -> Result<Option<usize>, LinkError> {
        Ok(None)
    }
    fn transmit(&mut self, _: Instant, _: &[u8]) -> Result<(), LinkError> {
        Err(LinkError::Down)
    }
}
