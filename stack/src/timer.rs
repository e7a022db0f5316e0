//! Deadlines: one place a socket in an indexed heap.
//!
//! A socket's deadline changes with nearly every packet. Its entry is moved in place, so the heap
//! never holds more entries than there are sockets, and the earliest deadline is read in O(1).

use smoltcp::time::Instant;

use crate::storage::List;

/// A heap entry: when, and the index of the socket.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    at: Instant,
    index: u32,
}

const ABSENT: u32 = u32::MAX;

/// The deadlines of sockets, by their index.
#[derive(Debug, Default)]
pub struct Deadlines<H, P> {
    heap: H,
    /// Where in `heap` the entry of an index stands.
    places: P,
}

impl<H: List<Entry>, P: List<u32>> Deadlines<H, P> {
    /// The earliest deadline.
    pub fn earliest(&self) -> Option<Instant> {
        self.heap.first().map(|entry| entry.at)
    }

    /// Takes the index whose deadline is the earliest, if that is not after `now`.
    pub fn due(&mut self, now: Instant) -> Option<usize> {
        let entry = *self.heap.first()?;
        if entry.at > now {
            return None;
        }
        self.set(entry.index as usize, None);
        Some(entry.index as usize)
    }

    /// Sets or clears the deadline of `index`. False when a fixed heap has no place for it.
    pub fn set(&mut self, index: usize, at: Option<Instant>) -> bool {
        while self.places.len() <= index {
            if self.places.push(ABSENT).is_err() {
                return false;
            }
        }
        let Some(&place) = self.places.get(index) else { return false };
        match (place, at) {
            (ABSENT, None) => {}
            (ABSENT, Some(at)) => {
                if self.heap.push(Entry { at, index: index as u32 }).is_err() {
                    return false;
                }
                let last = self.heap.len().saturating_sub(1);
                self.note(last);
                self.up(last);
            }
            (place, None) => {
                let place = place as usize;
                if let Some(place) = self.places.get_mut(index) {
                    *place = ABSENT;
                }
                self.heap.swap_remove(place);
                if place < self.heap.len() {
                    self.note(place);
                    self.restore(place);
                }
            }
            (place, Some(at)) => {
                let place = place as usize;
                if let Some(entry) = self.heap.get_mut(place).filter(|entry| entry.at != at) {
                    entry.at = at;
                    self.restore(place);
                }
            }
        }
        true
    }

    fn restore(&mut self, place: usize) {
        if place > 0 && self.before(place, (place - 1) / 2) {
            self.up(place);
        } else {
            self.down(place);
        }
    }

    /// Equal deadlines fire in the order of their indices, so that a run depends on its input only.
    fn before(&self, left: usize, right: usize) -> bool {
        let key = |place: usize| self.heap.get(place).map(|entry| (entry.at, entry.index));
        key(left) < key(right)
    }

    /// Notes where the entry at `place` of the heap stands.
    fn note(&mut self, place: usize) {
        if let Some(entry) = self.heap.get(place)
            && let Some(noted) = self.places.get_mut(entry.index as usize)
        {
            *noted = place as u32;
        }
    }

    fn swap(&mut self, left: usize, right: usize) {
        if left.max(right) < self.heap.len() {
            self.heap.swap(left, right);
        }
        self.note(left);
        self.note(right);
    }

    fn up(&mut self, mut place: usize) {
        while place > 0 {
            let parent = (place - 1) / 2;
            if !self.before(place, parent) {
                return;
            }
            self.swap(place, parent);
            place = parent;
        }
    }

    fn down(&mut self, mut place: usize) {
        loop {
            let mut least = place;
            for child in [2 * place + 1, 2 * place + 2] {
                if child < self.heap.len() && self.before(child, least) {
                    least = child;
                }
            }
            if least == place {
                return;
            }
            self.swap(place, least);
            place = least;
        }
    }
}

#[cfg(all(test, feature = "alloc"))]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    type Growing = Deadlines<Vec<Entry>, Vec<u32>>;

    fn at(millis: i64) -> Instant {
        Instant::from_millis(millis)
    }

    #[test]
    fn deadlines_fire_in_order_and_once() {
        let mut deadlines = Growing::default();
        for index in 0..1000usize {
            deadlines.set(index, Some(at((index as i64 * 7919) % 1009)));
        }
        for index in (0..1000).step_by(2) {
            deadlines.set(index, None);
        }
        for index in (1..1000).step_by(4) {
            deadlines.set(index, Some(at(2000 - index as i64)));
        }
        let mut fired = Vec::new();
        let mut last = at(-1);
        while let Some(next) = deadlines.earliest() {
            assert!(next >= last);
            last = next;
            assert_eq!(deadlines.due(next - smoltcp::time::Duration::from_micros(1)), None);
            fired.push(deadlines.due(next).unwrap());
        }
        fired.sort_unstable();
        assert_eq!(fired, (1..1000).step_by(2).collect::<Vec<_>>());
    }

    #[test]
    fn moving_a_deadline_keeps_one_entry() {
        let mut deadlines = Growing::default();
        for millis in (0..100_000).rev() {
            deadlines.set(3, Some(at(millis)));
        }
        assert_eq!(deadlines.due(at(0)), Some(3));
        assert_eq!(deadlines.earliest(), None);
    }
}
