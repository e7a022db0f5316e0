//! Places for packets in memory that the caller supplies.
//!
//! Unsafe: the places are lent out one by one, and each comes back when its packet is dropped,
//! wherever that happens.
#![allow(unsafe_code)]

use core::cell::UnsafeCell;
use core::fmt;
use core::marker::PhantomData;
use core::ptr::NonNull;
use core::slice;
use core::sync::atomic::{AtomicBool, Ordering};

/// A place for one packet of at most `F` bytes.
pub struct Place<const F: usize> {
    taken: AtomicBool,
    bytes: UnsafeCell<[u8; F]>,
}

// SAFETY: the bytes are only reached through the one `Pooled` that a `Pool` makes between setting
// `taken` and its drop, which clears it.
unsafe impl<const F: usize> Sync for Place<F> {}

impl<const F: usize> Place<F> {
    /// An empty place.
    pub const fn new() -> Self {
        Self { taken: AtomicBool::new(false), bytes: UnsafeCell::new([0; F]) }
    }
}

impl<const F: usize> Default for Place<F> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const F: usize> fmt::Debug for Place<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").field("taken", &self.taken).finish_non_exhaustive()
    }
}

/// The only one who gives these places away: it came by a unique borrow, and is not copied.
#[derive(Debug)]
pub(super) struct Pool<'a, const F: usize> {
    places: &'a [Place<F>],
}

impl<'a, const F: usize> Pool<'a, F> {
    pub(super) fn new(places: &'a mut [Place<F>]) -> Self {
        for place in places.iter_mut() {
            // A packet of an earlier pool over them that was forgotten is gone by now.
            *place.taken.get_mut() = false;
        }
        Self { places }
    }

    /// Copies `bytes` into a place, unless only `spare` places are free.
    pub(super) fn keep(&mut self, bytes: &[u8], spare: usize) -> Option<Pooled<'a>> {
        if bytes.len() > F {
            return None;
        }
        let free = |place: &&Place<F>| !place.taken.load(Ordering::Acquire);
        let place = self.places.iter().filter(free).nth(spare)?;
        place.taken.store(true, Ordering::Relaxed);
        let start = NonNull::new(place.bytes.get())?.cast::<u8>();
        // SAFETY: nobody else reaches these F bytes: the place was free, only this pool takes
        // places, by `&mut self`, and only the packet made below gives it back. `bytes` is not
        // among them for the same reason, and fits.
        unsafe { start.copy_from_nonoverlapping(NonNull::from(bytes).cast(), bytes.len()) };
        Some(Pooled { start, len: bytes.len(), taken: &place.taken, _bytes: PhantomData })
    }
}

/// A packet in a place of a pool.
pub struct Pooled<'a> {
    start: NonNull<u8>,
    len: usize,
    taken: &'a AtomicBool,
    _bytes: PhantomData<&'a mut [u8]>,
}

// SAFETY: it is the only way to its bytes, like the unique borrow that it stands for.
unsafe impl Send for Pooled<'_> {}
// SAFETY: as above; a shared one only reads.
unsafe impl Sync for Pooled<'_> {}

impl AsRef<[u8]> for Pooled<'_> {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: `len` bytes from `start` on were written, and are this packet's alone.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl AsMut<[u8]> for Pooled<'_> {
    fn as_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and it is borrowed alone.
        unsafe { slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

impl Drop for Pooled<'_> {
    fn drop(&mut self) {
        self.taken.store(false, Ordering::Release);
    }
}

impl fmt::Debug for Pooled<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pooled").field("len", &self.len).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_given_once_and_come_back() {
        let mut places = [const { Place::<4>::new() }; 3];
        let mut pool = Pool::new(&mut places);
        for _ in 0..10 {
            let first = pool.keep(b"1234", 0).unwrap();
            let second = pool.keep(b"", 0).unwrap();
            let third = pool.keep(b"xy", 0).unwrap();
            assert!(pool.keep(b"z", 0).is_none(), "there is no fourth place");
            assert_eq!(
                (first.as_ref(), second.as_ref(), third.as_ref()),
                (&b"1234"[..], &b""[..], &b"xy"[..])
            );
            drop(second);
            let again = pool.keep(b"5678", 0).unwrap();
            assert_eq!(
                (first.as_ref(), again.as_ref(), third.as_ref()),
                (&b"1234"[..], &b"5678"[..], &b"xy"[..])
            );
        }
    }

    #[test]
    fn what_is_longer_than_a_place_is_not_kept() {
        let mut places = [const { Place::<4>::new() }; 1];
        let mut pool = Pool::new(&mut places);
        assert!(pool.keep(b"12345", 0).is_none());
        assert!(pool.keep(b"1234", 0).is_some());
    }

    #[test]
    fn spare_places_stay_free() {
        let mut places = [const { Place::<4>::new() }; 3];
        let mut pool = Pool::new(&mut places);
        let first = pool.keep(b"1", 2).unwrap();
        assert!(pool.keep(b"2", 2).is_none());
        let second = pool.keep(b"2", 1).unwrap();
        let third = pool.keep(b"3", 0).unwrap();
        assert!(pool.keep(b"4", 0).is_none());
        drop((first, second, third));
        assert!(pool.keep(b"1", 2).is_some());
    }

    #[test]
    fn a_forgotten_packet_does_not_outlive_its_pool() {
        let mut places = [const { Place::<4>::new() }; 1];
        core::mem::forget(Pool::new(&mut places).keep(b"1", 0));
        assert!(Pool::new(&mut places).keep(b"2", 0).is_some());
    }
}
