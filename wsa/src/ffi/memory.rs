//! A caller's memory, asked of the kernel: what is there, may it be written, copy it.
//!
//! See the module above for why nothing here follows a pointer.

use core::ffi::{c_int, c_void};
use core::mem::{MaybeUninit, size_of};
use core::{ptr, slice};

use super::layout::{Address, Plain};
use crate::error::{Error, Result};
use crate::memory::{Arg, Memory, MemoryMut};

/// The smallest page that Linux has anywhere, in bytes. Larger ones are multiples of it.
const PAGE: usize = 4096;

/// Whether the kernel does this for the calling process: some sandboxes forbid it.
pub(super) fn is_available() -> bool {
    let there = [1u8; 4];
    let mut copy = [0; 4];
    let mut word = 7u32;
    read(there.as_ptr().cast(), &mut copy) == 4
        && copy == there
        && writable(ptr::from_mut(&mut word).cast(), 4) == 4
        && word == 7
}

/// Copies from `at` until `into` is full or memory is not readable. Gives the number of bytes.
pub(super) fn read(at: Address, into: &mut [u8]) -> usize {
    let mut done = read_piece(at, into);
    // The kernel may have refused the whole for the sake of its last page.
    while let Some(rest) = into.get_mut(done..).filter(|rest| !rest.is_empty()) {
        let from = at.wrapping_byte_add(done);
        let piece = (PAGE - from as usize % PAGE).min(rest.len());
        if read_piece(from, &mut rest[..piece]) < piece {
            break;
        }
        done += piece;
    }
    done
}

fn read_piece(at: Address, into: &mut [u8]) -> usize {
    if into.is_empty() {
        return 0;
    }
    let local = libc::iovec { iov_base: into.as_mut_ptr().cast(), iov_len: into.len() };
    let remote = libc::iovec { iov_base: at.cast_mut(), iov_len: into.len() };
    // SAFETY: the kernel writes to `into` alone, at most its length; `at` it checks itself.
    let copied = unsafe { libc::process_vm_readv(libc::getpid(), &local, 1, &remote, 1, 0) };
    usize::try_from(copied).unwrap_or(0)
}

/// Whether all `len` bytes at `at` can be read.
pub(super) fn is_readable(at: Address, len: usize) -> bool {
    let Some(end) = (at as usize).checked_add(len) else { return false };
    are_there(at, end, libc::MADV_POPULATE_READ) || is_each_readable(at, end)
}

/// The same page by page: one byte of each is looked at.
fn is_each_readable(at: Address, end: usize) -> bool {
    const BATCH: usize = 64;
    let mut sink = [0u8; BATCH];
    let mut next = at as usize;
    while next < end {
        let mut pages = [libc::iovec { iov_base: ptr::null_mut(), iov_len: 1 }; BATCH];
        let mut count = 0;
        while count < BATCH && next < end {
            pages[count].iov_base = at.wrapping_byte_add(next - at as usize).cast_mut();
            count += 1;
            next = (next - next % PAGE).saturating_add(PAGE);
        }
        let local = libc::iovec { iov_base: sink.as_mut_ptr().cast(), iov_len: count };
        // SAFETY: the kernel writes `count` bytes to `sink`, which has room for them; the
        // addresses it checks itself.
        let copied = unsafe {
            libc::process_vm_readv(libc::getpid(), &local, 1, pages.as_ptr(), count as u64, 0)
        };
        if usize::try_from(copied) != Ok(count) {
            return false;
        }
    }
    true
}

/// How many of the first `len` bytes at `at` can be written. Nothing is changed.
///
/// Where the kernel does not say it at once, one word of each page is or-ed with 0, atomically, so
/// that nothing that another thread writes there meanwhile is undone.
pub(super) fn writable(at: *mut c_void, len: usize) -> usize {
    let start = at as usize;
    let Some(end) = start.checked_add(len) else { return 0 };
    if len > PAGE && are_there(at, end, libc::MADV_POPULATE_WRITE) {
        return len;
    }
    let mut next = start;
    while next < end && is_word_writable(at.wrapping_byte_add(next - start)) {
        next = (next - next % PAGE).saturating_add(PAGE);
    }
    next.min(end) - start
}

/// Whether the kernel says that all pages from `at` to `end` are there, to be read or to be written
/// as `advice` has it, in a third of the time that asking for each takes. That it does not say so
/// means nothing: Linux knows this advice since 5.14, and not for every kind of memory.
fn are_there(at: Address, end: usize, advice: c_int) -> bool {
    let within = at as usize % PAGE;
    let first = at.wrapping_byte_sub(within).cast_mut();
    // SAFETY: this advice changes no memory. Pages come to be as by an access to each of them, which
    // is what the call is about to do.
    unsafe { libc::madvise(first, end - first as usize, advice) == 0 }
}

fn is_word_writable(at: *mut c_void) -> bool {
    // A word never crosses a page.
    let word = at.wrapping_byte_sub(at as usize % size_of::<u32>());
    let own = 0u32;
    let none: usize = 0;
    let operation = libc::FUTEX_WAKE_OP | libc::FUTEX_PRIVATE_FLAG;
    let or_zero = libc::FUTEX_OP(libc::FUTEX_OP_OR, 0, libc::FUTEX_OP_CMP_LT, 0);
    // SAFETY: FUTEX_WAKE_OP wakes whoever waits on `own`, which is nobody; changes `word` to
    // itself or 0, after the kernel has checked that it can be; and may wake a thread that waits
    // on it, which such a thread has to expect at any time.
    let woken = unsafe {
        libc::syscall(libc::SYS_futex, &raw const own, operation, none, none, word, or_zero)
    };
    woken >= 0
}

/// Copies `from` to `at`. False when not all of it could be.
///
/// # Safety
/// The memory at `at`, as far as it is there, was given to this library to be written.
pub(super) unsafe fn write(at: *mut c_void, from: &[u8]) -> bool {
    if from.is_empty() {
        return true;
    }
    let local = libc::iovec { iov_base: from.as_ptr().cast_mut().cast(), iov_len: from.len() };
    let remote = libc::iovec { iov_base: at, iov_len: from.len() };
    // SAFETY: the kernel reads from `from` alone; `at` it checks itself, and that it may be
    // changed our caller vouches for.
    let copied = unsafe { libc::process_vm_writev(libc::getpid(), &local, 1, &remote, 1, 0) };
    usize::try_from(copied) == Ok(from.len())
}

/// The structure at `at`; `Unreadable` when not all of it can be read.
pub(super) fn value<T: Plain>(at: *const T) -> Arg<T> {
    if at.is_null() {
        return Arg::Null;
    }
    let mut value = MaybeUninit::<T>::zeroed();
    // SAFETY: all bytes of `value` are initialized, and nothing else refers to them.
    let bytes =
        unsafe { slice::from_raw_parts_mut(value.as_mut_ptr().cast::<u8>(), size_of::<T>()) };
    if read(at.cast(), bytes) < bytes.len() {
        return Arg::Unreadable;
    }
    // SAFETY: `T` is plain: these bytes are a value of it.
    Arg::Value(unsafe { value.assume_init() })
}

/// A 32-bit number that a call reads and writes.
pub(super) trait Number: Plain + PartialEq {
    fn to_bytes(self) -> [u8; 4];
}

impl Number for u32 {
    fn to_bytes(self) -> [u8; 4] {
        self.to_ne_bytes()
    }
}

impl Number for i32 {
    fn to_bytes(self) -> [u8; 4] {
        self.to_ne_bytes()
    }
}

/// A pointer to a 32-bit number, which is read at once and written back if it has changed.
pub(super) struct InOut<T> {
    at: *mut T,
    before: Option<T>,
    now: Option<T>,
}

impl<T: Number> InOut<T> {
    /// # Safety
    /// As for [`write`].
    pub(super) unsafe fn new(at: *mut T) -> Self {
        let before = match value(at) {
            Arg::Value(value) if writable(at.cast(), 4) == 4 => Some(value),
            _ => None,
        };
        Self { at, before, now: before }
    }

    /// The number; `None` for a bad pointer.
    pub(super) fn get(&self) -> Option<T> {
        self.now
    }

    /// The number as the argument of a call; `None` for a bad pointer.
    pub(super) fn as_mut(&mut self) -> Option<&mut T> {
        self.now.as_mut()
    }

    /// The same, where a call tells a null pointer from a bad one.
    pub(super) fn argument(&mut self) -> Arg<&mut T> {
        match &mut self.now {
            Some(value) => Arg::Value(value),
            None if self.at.is_null() => Arg::Null,
            None => Arg::Unreadable,
        }
    }

    /// Writes the number back.
    pub(super) fn finish(self) -> Result<()> {
        match self.now {
            // SAFETY: `new` was promised that it may be written.
            Some(now) if self.before != self.now => {
                done(unsafe { write(self.at.cast(), &now.to_bytes()) })
            }
            _ => Ok(()),
        }
    }
}

/// What a call reads: at most `N` bytes of it.
pub(super) struct Input<const N: usize> {
    bytes: [u8; N],
    /// How many of them are there; `None` for a null pointer, an error for an unreadable one.
    len: Option<Result<usize>>,
}

impl<const N: usize> Input<N> {
    pub(super) fn new(at: Address, len: usize) -> Self {
        let mut bytes = [0; N];
        if at.is_null() {
            return Self { bytes, len: None };
        }
        let wanted = len.min(N);
        let found = read(at, &mut bytes[..wanted]);
        let is_bad = found == 0 && wanted > 0;
        Self { bytes, len: Some(if is_bad { Err(Error::WSAEFAULT) } else { Ok(found) }) }
    }

    pub(super) fn memory(&self) -> Memory<'_> {
        match self.len {
            None => Memory::Null,
            Some(Err(_)) => Memory::Unreadable,
            Some(Ok(len)) => Memory::Bytes(self.bytes.get(..len).unwrap_or_default()),
        }
    }
}

/// Room that a call writes to: at most `N` bytes of it.
pub(super) struct Output<const N: usize> {
    at: *mut c_void,
    bytes: [u8; N],
    /// How many of them can be written.
    room: usize,
    is_bad: bool,
}

impl<const N: usize> Output<N> {
    /// # Safety
    /// As for [`write`].
    pub(super) unsafe fn new(at: *mut c_void, len: usize) -> Self {
        let wanted = if at.is_null() { 0 } else { len.min(N) };
        let room = writable(at, wanted);
        Self { at, bytes: [0; N], room, is_bad: room == 0 && wanted > 0 }
    }

    pub(super) fn memory(&mut self) -> MemoryMut<'_> {
        if self.at.is_null() {
            MemoryMut::Null
        } else if self.is_bad {
            MemoryMut::Unwritable
        } else {
            MemoryMut::Bytes(self.bytes.get_mut(..self.room).unwrap_or_default())
        }
    }

    /// What the call has written so far.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The same, to be changed before the caller gets it.
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// Where the caller will find the first byte.
    pub(super) fn address(&self) -> usize {
        self.at as usize
    }

    /// Copies the first `len` bytes to the caller.
    pub(super) fn finish(self, len: usize) -> Result<()> {
        let bytes = self.bytes.get(..len.min(self.room)).unwrap_or_default();
        // SAFETY: `new` was promised that it may be written.
        done(unsafe { write(self.at, bytes) })
    }
}

/// The outcome of a write to where it was possible a moment ago.
pub(super) fn done(written: bool) -> Result<()> {
    if written { Ok(()) } else { Err(Error::WSAEFAULT) }
}

/// The text at `at`, up to its NUL, in `into`. `None` when there is no NUL in the first bytes that
/// can be read, or none within the length of `into`.
pub(super) fn text(at: Address, into: &mut [u8]) -> Option<&[u8]> {
    if at.is_null() {
        return None;
    }
    let len = read(at, into);
    let found = into.get(..len)?;
    let end = found.iter().position(|byte| *byte == 0)?;
    found.get(..end)
}

#[cfg(test)]
mod tests;
