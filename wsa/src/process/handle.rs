//! Handles, and the table of what they stand for.

use core::fmt;

use tapsock_stack::storage::List;

use crate::socket::Socket;

/// A SOCKET: a handle to a socket of one process.
///
/// As on Windows it is a multiple of 4 and never 0. It carries a generation, so that the handle
/// of a closed socket does not come to mean the next one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SocketHandle(usize);

/// Bits of a handle that say which place in the table it stands for.
const INDEX_BITS: u32 = 20;
/// Bits that say how often the place was given away.
const GENERATION_BITS: u32 = 9;
const GENERATION_MASK: u32 = (1 << GENERATION_BITS) - 1;
const INDEX_MASK: u32 = (1 << INDEX_BITS) - 1;

impl SocketHandle {
    /// INVALID_SOCKET.
    pub const INVALID: Self = Self(usize::MAX);

    /// The handle with this number, whatever it stands for.
    pub const fn from_raw(raw: usize) -> Self {
        Self(raw)
    }

    /// The number.
    pub const fn raw(self) -> usize {
        self.0
    }

    fn new(index: u32, generation: u16) -> Self {
        // The index counts from one, so that no handle is 0; 2 + 20 + 9 bits stay positive in a
        // 32-bit int, where careless programs keep their sockets.
        Self((((u32::from(generation) << INDEX_BITS) | (index + 1)) << 2) as usize)
    }

    /// The place in the table, also for a stale handle; `None` for what never was a handle.
    pub(crate) fn index(self) -> Option<u32> {
        let raw = u32::try_from(self.0).ok()?;
        if raw & 3 != 0 {
            return None;
        }
        ((raw >> 2) & INDEX_MASK).checked_sub(1)
    }

    fn generation(self) -> u32 {
        (self.0 >> (INDEX_BITS + 2)) as u32
    }
}

impl fmt::Debug for SocketHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::INVALID {
            return f.write_str("INVALID_SOCKET");
        }
        write!(f, "{:#x}", self.0)
    }
}

impl fmt::Display for SocketHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

const NONE: u32 = u32::MAX;

/// One place of the table.
#[derive(Debug)]
pub(crate) struct Place {
    generation: u16,
    next_free: u32,
    /// The epoch of the last change.
    stamp: u64,
    socket: Option<Socket>,
}

/// The sockets of a process. A place that becomes free is used again last of all free ones.
#[derive(Debug)]
pub(crate) struct Sockets<L> {
    places: L,
    first_free: u32,
    last_free: u32,
    len: usize,
}

impl<L: List<Place>> Sockets<L> {
    pub(crate) fn new() -> Self {
        Self { places: L::default(), first_free: NONE, last_free: NONE, len: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// One past the highest index in use so far.
    pub(crate) fn end(&self) -> u32 {
        self.places.len() as u32
    }

    /// Adds a socket, or `None` when the table is full.
    pub(crate) fn insert(&mut self, socket: Socket) -> Option<SocketHandle> {
        let index = if self.first_free == NONE {
            let index = u32::try_from(self.places.len()).ok().filter(|at| *at < INDEX_MASK)?;
            let place = Place { generation: 1, next_free: NONE, stamp: 0, socket: None };
            self.places.push(place).ok()?;
            index
        } else {
            self.first_free
        };
        let place = self.places.get_mut(index as usize)?;
        if self.first_free == index {
            self.first_free = place.next_free;
            if self.first_free == NONE {
                self.last_free = NONE;
            }
        }
        place.next_free = NONE;
        place.socket = Some(socket);
        self.len += 1;
        Some(SocketHandle::new(index, place.generation))
    }

    pub(crate) fn get(&self, handle: SocketHandle) -> Option<&Socket> {
        let place = self.places.get(handle.index()? as usize)?;
        if u32::from(place.generation) == handle.generation() {
            place.socket.as_ref()
        } else {
            None
        }
    }

    pub(crate) fn get_mut(&mut self, handle: SocketHandle) -> Option<&mut Socket> {
        let place = self.places.get_mut(handle.index()? as usize)?;
        if u32::from(place.generation) == handle.generation() {
            place.socket.as_mut()
        } else {
            None
        }
    }

    /// The handle of the socket at `index`, if one lives there.
    pub(crate) fn handle_at(&self, index: u32) -> Option<SocketHandle> {
        let place = self.places.get(index as usize)?;
        place.socket.as_ref()?;
        Some(SocketHandle::new(index, place.generation))
    }

    /// Takes a socket out. Its handle is stale from now on.
    pub(crate) fn remove(&mut self, handle: SocketHandle) -> Option<Socket> {
        self.get(handle)?;
        let index = handle.index()?;
        let place = self.places.get_mut(index as usize)?;
        let socket = place.socket.take()?;
        place.generation = match u32::from(place.generation) {
            GENERATION_MASK => 1,
            _ => place.generation + 1,
        };
        self.len -= 1;
        match self.places.get_mut(self.last_free as usize) {
            Some(last) => last.next_free = index,
            None => self.first_free = index,
        }
        self.last_free = index;
        Some(socket)
    }

    /// Notes that something about the place changed at `epoch`.
    pub(crate) fn stamp(&mut self, index: u32, epoch: u64) {
        if let Some(place) = self.places.get_mut(index as usize) {
            place.stamp = epoch;
        }
    }

    /// Whether the place changed after `seen`.
    pub(crate) fn changed(&self, index: u32, seen: u64) -> bool {
        self.places.get(index as usize).is_some_and(|place| place.stamp > seen)
    }
}
