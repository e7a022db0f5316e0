//! The data of sends and receives, in memory of our own while a call runs.
//!
//! What is sent is copied when the call begins, and what is received when it ends: in between no
//! reference leads to memory that another thread of the program may change or unmap. The copy lies
//! in a buffer that the thread keeps, so that no ordinary call allocates.

use core::cell::Cell;
use core::ffi::c_void;
use core::ptr;
use std::vec;
use std::vec::Vec;

use super::layout::{Address, WSABUF};
use super::memory;
use crate::error::{Error, Result};
use crate::memory::{Arg, Memory, MemoryMut, WsaBuf, WsaBufMut};
use crate::transfer::MAX_BUFFERS;

/// The longest buffer that a thread keeps between its calls, in bytes.
const KEPT: usize = 1 << 20;
/// Data up to this length is copied without looking at it first.
const COPIED_AT_ONCE: usize = 64 << 10;
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
    /// The one buffer of send and recv.
    pub(super) fn one(at: Address, len: i32) -> Self {
        let Ok(len) = u32::try_from(len) else { return Self::Bad };
        Self::single(WSABUF { len, buf: at.cast_mut().cast() })
    }

    /// A list of this buffer.
    pub(super) fn single(buffer: WSABUF) -> Self {
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

/// Data that a call sends, copied when the call begins.
pub(super) struct Outgoing {
    list: List,
    /// The bytes of all buffers; `None` when some cannot be read.
    copy: Option<Scratch>,
}

impl Outgoing {
    /// A copy of what is in the buffers, as far as that is allowed; WSAENOBUFS without memory.
    pub(super) fn new(list: List) -> Result<Self> {
        let Some(total) = list.total() else { return Ok(Self { list, copy: None }) };
        let all_there = |buffer: &WSABUF| {
            let len = buffer.len as usize;
            len <= COPIED_AT_ONCE || memory::is_readable(buffer.buf.cast_const().cast(), len)
        };
        // Before memory is set aside for what is not there.
        if !list.buffers().iter().all(all_there) {
            return Ok(Self { list, copy: None });
        }
        let mut copy = Scratch::new(total)?;
        let mut rest = copy.0.as_mut_slice();
        for buffer in list.buffers() {
            // The lengths add up to `total`.
            let Some((place, behind)) = rest.split_at_mut_checked(buffer.len as usize) else {
                break;
            };
            if memory::read(buffer.buf.cast_const().cast(), place) < place.len() {
                return Ok(Self { list, copy: None });
            }
            rest = behind;
        }
        Ok(Self { list, copy: Some(copy) })
    }

    /// The bytes of the only buffer.
    pub(super) fn memory(&self) -> Memory<'_> {
        match (self.list.buffers(), &self.copy) {
            ([buffer], Some(copy)) => {
                Memory::Bytes(copy.0.get(..buffer.len as usize).unwrap_or_default())
            }
            _ => Memory::Unreadable,
        }
    }

    /// Runs `call` with the list.
    pub(super) fn with<R>(&self, call: impl FnOnce(Arg<&[WsaBuf<'_>]>) -> R) -> R {
        if matches!(self.list, List::Bad) {
            return call(Arg::Unreadable);
        }
        let buffers = self.list.buffers();
        let mut rest = self.copy.as_ref().map(|copy| copy.0.as_slice());
        let views = buffers.iter().map(|buffer| {
            let (place, behind) =
                rest.and_then(|rest| rest.split_at_checked(buffer.len as usize)).unzip();
            rest = behind;
            WsaBuf { len: buffer.len, buf: place.map_or(Memory::Unreadable, Memory::Bytes) }
        });
        if buffers.len() <= FEW {
            let mut few = [WsaBuf::default(); FEW];
            for (place, view) in few.iter_mut().zip(views) {
                *place = view;
            }
            return call(Arg::Value(few.get(..buffers.len()).unwrap_or_default()));
        }
        call(Arg::Value(&views.collect::<Vec<_>>()))
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
