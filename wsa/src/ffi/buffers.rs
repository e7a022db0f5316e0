//! The data of sends and receives.
//!
//! What is sent is copied once, by the kernel, to where it waits to be sent. What is received lies in
//! memory of our own until the call ends, in a buffer that the thread keeps, so that no ordinary call
//! allocates. No reference ever leads to memory that another thread of the program may change or
//! unmap.

use core::cell::Cell;
use core::ffi::c_void;
use core::ptr;
use std::vec;
use std::vec::Vec;

use tapsock_stack::source::Source;

use super::layout::{Address, WSABUF};
use super::memory;
use crate::error::{Error, Result};
use crate::memory::{Arg, Memory, MemoryMut, WsaBuf, WsaBufMut};
use crate::transfer::MAX_BUFFERS;

/// The longest buffer that a thread keeps between its calls, in bytes.
const KEPT: usize = 1 << 20;
/// A list of this many buffers needs no memory beside the stack's.
const FEW: usize = 16;

std::thread_local! {
    static KEEP: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Room of our own for the data of one call. A call inside a callback of another has its own.
struct Scratch(Vec<u8>);

impl Scratch {
    /// At least `len` bytes, or WSAENOBUFS.
    fn new(len: usize) -> Result<Self> {
        let mut bytes = KEEP.try_with(Cell::take).unwrap_or_default();
        let more = len.saturating_sub(bytes.len());
        bytes.try_reserve_exact(more).map_err(|_| Error::WSAENOBUFS)?;
        if more > 0 {
            bytes.resize(len, 0);
        }
        Ok(Self(bytes))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if self.0.len() <= KEPT {
            let bytes = core::mem::take(&mut self.0);
            // A thread that is being torn down keeps nothing.
            let _ = KEEP.try_with(|keep| keep.set(bytes));
        }
    }
}

/// The buffers that a call names. A short list lies here, so that it needs no memory elsewhere.
#[allow(clippy::large_enum_variant)]
pub(super) enum List {
    Few([WSABUF; FEW], usize),
    Many(Vec<WSABUF>),
    /// The list, or the length of its one buffer, is bad: WSAEFAULT.
    Bad,
}

const NO_BUFFER: WSABUF = WSABUF { len: 0, buf: ptr::null_mut() };

impl List {
    /// The one buffer of recv and recvfrom.
    pub(super) fn one(at: Address, len: i32) -> Self {
        let Ok(buffer) = WSABUF::of(at, len) else { return Self::Bad };
        let mut few = [NO_BUFFER; FEW];
        few[0] = buffer;
        Self::Few(few, 1)
    }

    /// The `count` buffers at `at`. An empty list may be anywhere, and so may one that is too long:
    /// instead of it there is another, for the call to refuse when it comes to that.
    pub(super) fn read(at: *const WSABUF, count: u32) -> Self {
        let count = count as usize;
        if count > MAX_BUFFERS {
            return Self::Many(vec![NO_BUFFER; MAX_BUFFERS + 1]);
        }
        if count > 0 && !memory::is_readable(at.cast(), count * size_of::<WSABUF>()) {
            return Self::Bad;
        }
        let read = |number| match memory::value(at.wrapping_add(number)) {
            Arg::Value(buffer) => Some(buffer),
            Arg::Null | Arg::Unreadable => None,
        };
        if count <= FEW {
            let mut few = [NO_BUFFER; FEW];
            for (number, place) in few.iter_mut().enumerate().take(count) {
                let Some(buffer) = read(number) else { return Self::Bad };
                *place = buffer;
            }
            return Self::Few(few, count);
        }
        let many: Option<Vec<_>> = (0..count).map(read).collect();
        many.map_or(Self::Bad, Self::Many)
    }

    /// The list as the argument of a send.
    pub(super) fn argument(&self) -> Arg<&[WSABUF]> {
        match self {
            Self::Bad => Arg::Unreadable,
            Self::Few(..) | Self::Many(_) => Arg::Value(self.buffers()),
        }
    }

    fn buffers(&self) -> &[WSABUF] {
        match self {
            Self::Few(few, count) => few.get(..*count).unwrap_or_default(),
            Self::Many(many) => many,
            Self::Bad => &[],
        }
    }

    /// All bytes; `None` for more than any call moves.
    fn total(&self) -> Option<usize> {
        let total: u64 = self.buffers().iter().map(|buffer| u64::from(buffer.len)).sum();
        u32::try_from(total).ok().map(|total| total as usize)
    }
}

/// What a send takes: the bytes go from the program's memory to where they wait to be sent.
impl Source for WSABUF {
    fn total(&self) -> usize {
        self.len as usize
    }

    fn copy(&self, skip: usize, into: &mut [u8]) -> bool {
        memory::read(self.behind(skip), into) == into.len()
    }

    fn is_readable(&self, skip: usize) -> bool {
        memory::is_readable(self.behind(skip), self.total().saturating_sub(skip))
    }
}

impl WSABUF {
    /// The one buffer of a call; WSAEFAULT for a negative length.
    pub(super) fn of(at: Address, len: i32) -> Result<Self> {
        let len = u32::try_from(len).map_err(|_| Error::WSAEFAULT)?;
        Ok(Self { len, buf: at.cast_mut().cast() })
    }

    fn behind(&self, skip: usize) -> Address {
        self.buf.wrapping_byte_add(skip).cast_const().cast()
    }
}

/// A copy of a buffer that a call looks through.
pub(super) struct Copied {
    len: u32,
    /// `None` when some of it cannot be read.
    bytes: Option<Scratch>,
}

impl Copied {
    /// A copy of what is there; WSAENOBUFS without memory.
    pub(super) fn new(buffer: WSABUF) -> Result<Self> {
        let len = buffer.len;
        // Before memory is set aside for what is not there.
        if !buffer.is_readable(0) {
            return Ok(Self { len, bytes: None });
        }
        let mut scratch = Scratch::new(len as usize)?;
        let room = scratch.0.get_mut(..len as usize).unwrap_or_default();
        let is_there = buffer.copy(0, room);
        Ok(Self { len, bytes: is_there.then_some(scratch) })
    }

    pub(super) fn argument(&self) -> WsaBuf<'_> {
        let bytes = self.bytes.as_ref().and_then(|bytes| bytes.0.get(..self.len as usize));
        WsaBuf { len: self.len, buf: bytes.map_or(Memory::Unreadable, Memory::Bytes) }
    }
}

/// Room for data that a call receives: filled here, then copied to the caller.
pub(super) struct Incoming {
    list: List,
    /// The bytes of all buffers, as far as they are used; `None` when some cannot be written.
    copy: Option<Scratch>,
    most: usize,
}

impl Incoming {
    /// Room for what the buffers take, of which at most `most` bytes are used; WSAENOBUFS without
    /// memory.
    ///
    /// # Safety
    /// As for [`memory::write`].
    pub(super) unsafe fn new(list: List, most: usize) -> Result<Self> {
        let all_there = |buffer: &WSABUF| {
            let len = buffer.len as usize;
            memory::writable(buffer.buf.cast(), len) == len
        };
        let copy = match list.total() {
            Some(total) if list.buffers().iter().all(all_there) => {
                Some(Scratch::new(total.min(most))?)
            }
            _ => None,
        };
        Ok(Self { list, copy, most })
    }

    /// The room of the only buffer.
    pub(super) fn memory(&mut self) -> MemoryMut<'_> {
        match (self.list.buffers(), &mut self.copy) {
            ([buffer], Some(copy)) => {
                let len = (buffer.len as usize).min(self.most);
                MemoryMut::Bytes(copy.0.get_mut(..len).unwrap_or_default())
            }
            _ => MemoryMut::Unwritable,
        }
    }

    /// Runs `call` with the list.
    pub(super) fn with<'m, R>(
        &'m mut self,
        call: impl FnOnce(Arg<&mut [WsaBufMut<'m>]>) -> R,
    ) -> R {
        if matches!(self.list, List::Bad) {
            return call(Arg::Unreadable);
        }
        let buffers = self.list.buffers();
        let mut left = self.most;
        let mut rest = self.copy.as_mut().map(|copy| copy.0.as_mut_slice());
        let views = buffers.iter().map(|buffer| {
            let Some(room) = rest.take() else {
                return WsaBufMut { len: buffer.len, buf: MemoryMut::Unwritable };
            };
            let len = (buffer.len as usize).min(left);
            // The scratch is as long as all of them together.
            let (place, behind) = room.split_at_mut(len.min(room.len()));
            left -= place.len();
            rest = Some(behind);
            WsaBufMut::new(place)
        });
        if buffers.len() <= FEW {
            let mut few: [WsaBufMut<'_>; FEW] = Default::default();
            for (place, view) in few.iter_mut().zip(views) {
                *place = view;
            }
            return call(Arg::Value(few.get_mut(..buffers.len()).unwrap_or_default()));
        }
        call(Arg::Value(&mut views.collect::<Vec<_>>()))
    }

    /// How many bytes are used.
    pub(super) fn room(&self) -> usize {
        self.list.total().unwrap_or(0).min(self.most)
    }

    /// Copies the first `len` bytes to the caller, one buffer after the other.
    pub(super) fn finish(self, len: usize) -> Result<()> {
        let Some(copy) = &self.copy else { return Ok(()) };
        let mut rest = copy.0.get(..len).unwrap_or_default();
        for buffer in self.list.buffers() {
            let (bytes, behind) = rest.split_at((buffer.len as usize).min(rest.len()));
            // SAFETY: `new` was promised that it may be written.
            memory::done(unsafe { memory::write(buffer.buf.cast::<c_void>(), bytes) })?;
            rest = behind;
        }
        Ok(())
    }
}
