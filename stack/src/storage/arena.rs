//! Rings of connections in reserved address space.
//!
//! A mapping takes memory where it was written to, page by page, and until it is given back. So a
//! connection costs what passes through it and not what its buffers might hold, and costs nothing
//! once it is idle. A ring on the heap is all there from the beginning, for good.
//!
//! Both rings of a connection stand in one slot, whose size is a power of two in pages. Slots are
//! cut from reservations one after the other, and go from hand to hand afterwards: a slot is used
//! again for rings of the same class. Address space is given back when the arena and the last cell
//! are gone, never before.
//!
//! Unsafe: the memory is the system's, and its lifetime is that of the slot beside the socket that
//! reads and writes it.
#![allow(unsafe_code)]

use core::ffi::c_void;
use core::ptr::{self, NonNull};
use core::{fmt, slice};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::vec::Vec;

use rustix::io;
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};
use smoltcp::iface::SocketSet;
use smoltcp::socket::tcp;

use super::cell::Cell;

/// What memory is taken and given back in: a page, or, where a kernel may have been built with
/// others, what is a number of pages with all of them. It is no question to the system: rustix would
/// look for the answer where it is not under valgrind.
const PAGE: usize =
    if cfg!(any(target_arch = "x86_64", target_arch = "x86")) { 4096 } else { 65536 };

/// Slots of a page, of two, four, and so on, up to what two of the largest rings need.
const CLASSES: usize = 20;

/// The first reservation; each is twice as large as the one before.
const FIRST: usize = 16 << 20;

/// The largest reservation, unless one slot needs more: small enough for address spaces of 32 bits.
const LARGEST: usize = if usize::BITS > 32 { 1 << 30 } else { FIRST };

/// Bytes of free slots that keep what memory they have. Whoever opens and closes connections one
/// after the other shall not go to the system for each.
const WARM: usize = 4 << 20;

/// Reserves so many bytes, a number of pages.
type Reserve = fn(usize) -> io::Result<NonNull<u8>>;

/// Where rings come from.
pub(super) struct Arena {
    shared: Arc<Shared>,
}

struct Shared {
    reserve: Reserve,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    reservations: Vec<Reservation>,
    /// Bytes that were cut from the last reservation.
    cut: usize,
    /// Free slots without memory, by class.
    cold: [Vec<Place>; CLASSES],
    /// Free slots that may have some.
    warm: [Vec<Place>; CLASSES],
    /// Bytes in `warm`.
    warmth: usize,
    /// Whether it was said that the system refused.
    complained: bool,
}

/// Where a slot begins.
#[derive(Clone, Copy)]
struct Place(NonNull<u8>);

// SAFETY: it is an address. What is done with the memory is said where it is done.
unsafe impl Send for Place {}
// SAFETY: as above.
unsafe impl Sync for Place {}

/// A mapping of our own.
struct Reservation {
    start: Place,
    len: usize,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        // SAFETY: this mapping was made for this reservation alone. Nobody reaches into it: it is
        // dropped with the arena's state, which each slot keeps alive, and each reference into it
        // is in a cell, which holds its slot.
        let unmapped = unsafe { munmap(self.start.0.as_ptr().cast(), self.len) };
        debug_assert!(unmapped.is_ok(), "it was mapped with this length");
    }
}

impl Default for Arena {
    fn default() -> Self {
        Self::new(reserve)
    }
}

impl fmt::Debug for Arena {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arena").finish_non_exhaustive()
    }
}

impl Arena {
    fn new(reserve: Reserve) -> Self {
        let state = Mutex::new(State::default());
        Self { shared: Arc::new(Shared { reserve, state }) }
    }

    /// A socket with rings of so many bytes; `None` where the system has no address space
    /// for them, or they are larger than anything.
    pub(super) fn cell<'a>(&self, receive: usize, transmit: usize) -> Option<Cell<'a>> {
        let second = receive.checked_next_multiple_of(PAGE)?;
        let slot = self.slot(second.checked_add(transmit)?)?;
        // SAFETY: `second` is at most the slot's length.
        let behind = unsafe { slot.start.0.add(second) };
        // SAFETY: both are in the slot, the one behind the other. Its memory can be read and
        // written, holds zeros or bytes of an earlier connection, and is nobody else's until `slot`
        // is dropped. The references are in the socket, the socket does not leave its cell, and the
        // cell drops `slot` last. So nobody uses them afterwards, whatever `'a` says.
        let (receive, transmit) = unsafe {
            (
                slice::from_raw_parts_mut(slot.start.0.as_ptr(), receive),
                slice::from_raw_parts_mut(behind.as_ptr(), transmit),
            )
        };
        let socket =
            tcp::Socket::new(tcp::SocketBuffer::new(receive), tcp::SocketBuffer::new(transmit));
        Some(Cell::in_slot(SocketSet::new(Vec::with_capacity(1)), socket, slot))
    }

    /// A slot of at least `bytes` bytes.
    fn slot(&self, bytes: usize) -> Option<Slot> {
        let pages = bytes.div_ceil(PAGE).checked_next_power_of_two()?;
        let class = pages.trailing_zeros() as usize;
        let size = PAGE.checked_mul(pages)?;
        let mut state = self.shared.lock();
        let start = state.take(class, size).or_else(|| state.cut(size, self.shared.reserve))?;
        Some(Slot { start, class: class as u8, shared: Arc::clone(&self.shared) })
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Whatever panicked elsewhere, the lists are whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// A slot that was used before.
    fn take(&mut self, class: usize, size: usize) -> Option<Place> {
        if let Some(place) = self.warm.get_mut(class)?.pop() {
            self.warmth -= size;
            return Some(place);
        }
        self.cold.get_mut(class)?.pop()
    }

    /// A new slot.
    fn cut(&mut self, size: usize, reserve: Reserve) -> Option<Place> {
        let last = self.reservations.last().map_or(0, |last| last.len);
        if last - self.cut < size {
            let more = (last * 2).clamp(FIRST, LARGEST).max(size);
            // Where address space is scarce, a little may still be had.
            let reserved =
                reserve(more).map(|start| (start, more)).or_else(|_| Ok((reserve(size)?, size)));
            match reserved {
                Ok((start, len)) => {
                    self.reservations.push(Reservation { start: Place(start), len });
                    self.cut = 0;
                }
                Err(refused) => {
                    self.complain(size, refused);
                    return None;
                }
            }
        }
        let Reservation { start, .. } = self.reservations.last()?;
        // SAFETY: at least `size` bytes of the reservation lie behind what was cut from it.
        let place = unsafe { start.0.add(self.cut) };
        self.cut += size;
        Some(Place(place))
    }

    fn complain(&mut self, size: usize, refused: io::Errno) {
        if !core::mem::replace(&mut self.complained, true) {
            log::warn!(
                "{size} bytes of address space for the buffers of a connection could not be \
                 reserved ({refused}): buffers are taken from the heap, where idle connections keep \
                 all of theirs"
            );
        }
    }

    /// Takes a slot back.
    fn put(&mut self, place: Place, class: u8, size: usize) {
        let index = usize::from(class);
        let list = if self.warmth + size <= WARM {
            self.warmth += size;
            self.warm.get_mut(index)
        } else {
            discard(place, size);
            self.cold.get_mut(index)
        };
        if let Some(list) = list {
            list.push(place);
        }
    }
}

/// The place of one connection's rings. Whoever holds it has the memory alone.
pub(super) struct Slot {
    start: Place,
    class: u8,
    shared: Arc<Shared>,
}

impl Slot {
    /// Gives the memory back. The rings stay where they are, and hold zeros.
    pub(super) fn discard(&mut self) {
        discard(self.start, size(self.class));
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let size = size(self.class);
        self.shared.lock().put(self.start, self.class, size);
    }
}

/// Bytes of a slot.
fn size(class: u8) -> usize {
    PAGE << class
}

/// Gives the memory of a slot back that the caller has alone, or that is free.
fn discard(start: Place, size: usize) {
    // SAFETY: the range is within one mapping of ours and begins at a page. The socket, if there is
    // one, is borrowed by nobody, as its cell is borrowed alone; and its rings are bytes, of which
    // zero is as good as any other.
    let _ = unsafe { madvise(start.0.as_ptr().cast(), size, Advice::LinuxDontNeed) };
    // Of a process that locked its memory the system takes none back.
}

fn reserve(len: usize) -> io::Result<NonNull<u8>> {
    let protection = ProtFlags::READ | ProtFlags::WRITE;
    let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
    // SAFETY: a new mapping at a place that the system chooses is in nobody's way.
    let start: *mut c_void = unsafe { mmap_anonymous(ptr::null_mut(), len, protection, flags)? };
    // SAFETY: as above; the advice changes nothing that a program could see. A kernel without huge
    // pages refuses it, and needs none.
    let _ = unsafe { madvise(start, len, Advice::LinuxNoHugepage) };
    NonNull::new(start.cast()).ok_or(io::Errno::NOMEM)
}

#[cfg(test)]
mod tests;
