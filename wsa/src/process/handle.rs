//! Handles, and the tables of what they stand for.

use core::fmt;
use core::marker::PhantomData;

use tapsock_stack::storage::List;

/// A SOCKET: a handle to a socket of one process.
///
/// As on Windows it is a multiple of 4 and never 0. It carries a generation, so that the handle
/// of a closed socket does not come to mean the next one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SocketHandle(usize);

/// A WSAEVENT: a handle to an event object of one process. Like a socket's, and never equal to
/// one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventHandle(usize);

/// Bits of a handle that say which place in the table it stands for.
const INDEX_BITS: u32 = 20;
/// Bits that say how often the place was given away.
const GENERATION_BITS: u32 = 9;
const GENERATION_MASK: u32 = (1 << GENERATION_BITS) - 1;
const INDEX_MASK: u32 = (1 << INDEX_BITS) - 1;

/// The most event objects of a process. Sockets have what is left of the handles.
const MOST_EVENTS: u32 = 1 << 16;
/// The number of the first event object; below are the sockets.
pub(super) const FIRST_EVENT: u32 = INDEX_MASK - MOST_EVENTS;
/// The number of the queue of messages, which has no handle.
pub(crate) const MESSAGES: u32 = INDEX_MASK;

/// What handles of all kinds have in common.
///
/// The things of a process are numbered through, whatever their kind, so that a waiting call can
/// name what it waits for by numbers alone.
pub(crate) trait Handle: Copy {
    /// The number of the first thing of the kind.
    const FIRST: u32;
    /// The most things of the kind.
    const MOST: u32;

    fn from_raw(raw: usize) -> Self;
    fn raw(self) -> usize;

    fn new(number: u32, generation: u16) -> Self {
        // The number counts from one, so that no handle is 0; 2 + 20 + 9 bits stay positive in a
        // 32-bit int, where careless programs keep their sockets.
        Self::from_raw((((u32::from(generation) << INDEX_BITS) | (number + 1)) << 2) as usize)
    }

    /// The number, also for a stale handle; `None` for what never was a handle.
    fn number(self) -> Option<u32> {
        let raw = u32::try_from(self.raw()).ok()?;
        if raw & 3 != 0 {
            return None;
        }
        ((raw >> 2) & INDEX_MASK).checked_sub(1)
    }

    fn generation(self) -> u32 {
        (self.raw() >> (INDEX_BITS + 2)) as u32
    }
}

impl Handle for SocketHandle {
    const FIRST: u32 = 0;
    const MOST: u32 = FIRST_EVENT;

    fn from_raw(raw: usize) -> Self {
        Self(raw)
    }

    fn raw(self) -> usize {
        self.0
    }
}

impl Handle for EventHandle {
    const FIRST: u32 = FIRST_EVENT;
    const MOST: u32 = MOST_EVENTS;

    fn from_raw(raw: usize) -> Self {
        Self(raw)
    }

    fn raw(self) -> usize {
        self.0
    }
}

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

    /// The place in the table, also for a stale handle; `None` for what never was a handle.
    pub(crate) fn index(self) -> Option<u32> {
        self.number()
    }
}

impl EventHandle {
    /// WSA_INVALID_EVENT.
    pub const INVALID: Self = Self(0);

    /// The handle with this number, whatever it stands for.
    pub const fn from_raw(raw: usize) -> Self {
        Self(raw)
    }

    /// The number.
    pub const fn raw(self) -> usize {
        self.0
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

impl fmt::Debug for EventHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::INVALID {
            return f.write_str("WSA_INVALID_EVENT");
        }
        write!(f, "{:#x}", self.0)
    }
}

impl fmt::Display for EventHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

const NONE: u32 = u32::MAX;

/// One place of a table.
#[derive(Debug)]
pub(crate) struct Place<T> {
    generation: u16,
    next_free: u32,
    /// The epoch of the last change.
    stamp: u64,
    value: Option<T>,
}

/// The things of one kind that a process has. A place that becomes free is used again last of all
/// free ones.
#[derive(Debug)]
pub(crate) struct Table<T, H, L> {
    places: L,
    first_free: u32,
    last_free: u32,
    len: usize,
    _kind: PhantomData<(T, H)>,
}

impl<T, H: Handle, L: List<Place<T>>> Table<T, H, L> {
    pub(crate) fn new() -> Self {
        let (places, _kind) = (L::default(), PhantomData);
        Self { places, first_free: NONE, last_free: NONE, len: 0, _kind }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// One past the highest number in use so far.
    pub(crate) fn end(&self) -> u32 {
        H::FIRST + self.places.len() as u32
    }

    /// Adds a thing, or `None` when the table is full.
    pub(crate) fn insert(&mut self, value: T) -> Option<H> {
        let index = if self.first_free == NONE {
            let index = u32::try_from(self.places.len()).ok().filter(|at| *at < H::MOST)?;
            let place = Place { generation: 1, next_free: NONE, stamp: 0, value: None };
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
        place.value = Some(value);
        self.len += 1;
        Some(H::new(H::FIRST + index, place.generation))
    }

    fn index(number: u32) -> Option<usize> {
        number.checked_sub(H::FIRST).map(|index| index as usize)
    }

    pub(crate) fn get(&self, handle: H) -> Option<&T> {
        let place = self.places.get(Self::index(handle.number()?)?)?;
        if u32::from(place.generation) == handle.generation() { place.value.as_ref() } else { None }
    }

    pub(crate) fn get_mut(&mut self, handle: H) -> Option<&mut T> {
        let place = self.places.get_mut(Self::index(handle.number()?)?)?;
        if u32::from(place.generation) == handle.generation() { place.value.as_mut() } else { None }
    }

    /// The handle of the thing with this number, if there is one.
    pub(crate) fn handle_at(&self, number: u32) -> Option<H> {
        let place = self.places.get(Self::index(number)?)?;
        place.value.as_ref()?;
        Some(H::new(number, place.generation))
    }

    /// Takes a thing out. Its handle is stale from now on.
    pub(crate) fn remove(&mut self, handle: H) -> Option<T> {
        self.get(handle)?;
        let index = Self::index(handle.number()?)?;
        let place = self.places.get_mut(index)?;
        let value = place.value.take()?;
        place.generation = match u32::from(place.generation) {
            GENERATION_MASK => 1,
            _ => place.generation + 1,
        };
        self.len -= 1;
        let index = index as u32;
        match self.places.get_mut(self.last_free as usize) {
            Some(last) => last.next_free = index,
            None => self.first_free = index,
        }
        self.last_free = index;
        Some(value)
    }

    /// Notes that something about the place changed at `epoch`.
    pub(crate) fn stamp(&mut self, number: u32, epoch: u64) {
        if let Some(place) = Self::index(number).and_then(|index| self.places.get_mut(index)) {
            place.stamp = epoch;
        }
    }

    /// Whether the place changed after `seen`.
    pub(crate) fn changed(&self, number: u32, seen: u64) -> bool {
        Self::index(number)
            .and_then(|index| self.places.get(index))
            .is_some_and(|place| place.stamp > seen)
    }
}
