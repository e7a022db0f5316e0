//! A table of entries under handles that go stale.

use core::fmt;
use core::hash::{Hash, Hasher};
use core::marker::PhantomData;

use crate::storage::List;

/// A handle to an entry of one kind. It goes stale when the entry is removed and never comes to
/// mean another one.
pub struct Id<K> {
    index: u32,
    generation: u32,
    _kind: PhantomData<fn() -> K>,
}

impl<K> Id<K> {
    const fn new(index: u32, generation: u32) -> Self {
        Self { index, generation, _kind: PhantomData }
    }

    /// The place in the table. Unique among the live entries of a kind, and reused.
    pub fn index(self) -> usize {
        self.index as usize
    }
}

impl<K> Clone for Id<K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K> Copy for Id<K> {}

impl<K> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        (self.index, self.generation) == (other.index, other.generation)
    }
}

impl<K> Eq for Id<K> {}

impl<K> PartialOrd for Id<K> {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<K> Ord for Id<K> {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        (self.index, self.generation).cmp(&(other.index, other.generation))
    }
}

impl<K> Hash for Id<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.index.hash(state);
        self.generation.hash(state);
    }
}

impl<K> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}.{}", self.index, self.generation)
    }
}

/// One place of a slab.
#[derive(Debug)]
pub struct Place<T> {
    generation: u32,
    next_free: u32,
    value: Option<T>,
}

const NONE: u32 = u32::MAX;

/// Entries of type `T` under handles of kind `K`.
#[derive(Debug)]
pub struct Slab<T, K, L> {
    places: L,
    free: u32,
    len: usize,
    _kind: PhantomData<(T, fn() -> K)>,
}

impl<T, K, L: List<Place<T>>> Default for Slab<T, K, L> {
    fn default() -> Self {
        Self { places: L::default(), free: NONE, len: 0, _kind: PhantomData }
    }
}

impl<T, K, L: List<Place<T>>> Slab<T, K, L> {
    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// One more than the largest index of an entry.
    pub fn places(&self) -> usize {
        self.places.len()
    }

    /// Adds an entry, or gives it back when there is no place for it.
    pub fn insert(&mut self, value: T) -> Result<Id<K>, T> {
        // No place has the number that stands for none.
        if let Some(place) = self.places.get_mut(self.free as usize) {
            let index = self.free;
            self.free = place.next_free;
            place.value = Some(value);
            self.len += 1;
            return Ok(Id::new(index, place.generation));
        }
        let index = self.places.len();
        if index >= self.places.limit().unwrap_or(NONE as usize) {
            return Err(value);
        }
        // There is room: that was the question just above.
        let _ = self.places.push(Place { generation: 0, next_free: NONE, value: Some(value) });
        self.len += 1;
        Ok(Id::new(index as u32, 0))
    }

    /// The entry under `id`.
    pub fn get(&self, id: Id<K>) -> Option<&T> {
        let place = self.places.get(id.index())?;
        if place.generation == id.generation { place.value.as_ref() } else { None }
    }

    /// The entry under `id`, mutably.
    pub fn get_mut(&mut self, id: Id<K>) -> Option<&mut T> {
        let place = self.places.get_mut(id.index())?;
        if place.generation == id.generation { place.value.as_mut() } else { None }
    }

    /// The handle of the entry at `index`, if one lives there.
    pub fn id_at(&self, index: usize) -> Option<Id<K>> {
        let place = self.places.get(index)?;
        place.value.as_ref()?;
        Some(Id::new(index as u32, place.generation))
    }

    /// Takes the entry out. Its handle is stale from now on.
    pub fn remove(&mut self, id: Id<K>) -> Option<T> {
        let place = self.places.get_mut(id.index())?;
        if place.generation != id.generation {
            return None;
        }
        let value = place.value.take()?;
        place.generation = place.generation.wrapping_add(1);
        place.next_free = self.free;
        self.free = id.index;
        self.len -= 1;
        Some(value)
    }

    /// All entries in the order of their places, mutably.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (Id<K>, &mut T)> {
        self.places.iter_mut().enumerate().filter_map(|(index, place)| {
            let value = place.value.as_mut()?;
            Some((Id::new(index as u32, place.generation), value))
        })
    }

    /// All entries in the order of their places. For reports, never for each packet.
    pub fn iter(&self) -> impl Iterator<Item = (Id<K>, &T)> {
        self.places.iter().enumerate().filter_map(|(index, place)| {
            let value = place.value.as_ref()?;
            Some((Id::new(index as u32, place.generation), value))
        })
    }
}

#[cfg(all(test, feature = "alloc"))]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn a_removed_entry_leaves_a_stale_handle() {
        let mut slab: Slab<&str, (), Vec<_>> = Slab::default();
        let first = slab.insert("first").unwrap();
        assert_eq!(slab.remove(first), Some("first"));
        let second = slab.insert("second").unwrap();
        assert_eq!(first.index(), second.index());
        assert_eq!(slab.get(first), None);
        assert_eq!(slab.get(second), Some(&"second"));
        assert_eq!(slab.len(), 1);
    }
}
