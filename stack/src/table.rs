//! A keyed open-addressing hash table over [`List`] slots.
//!
//! The hash is SipHash-1-3 with a secret key, so that nobody on the wire can choose keys that
//! collide. Entries are never iterated in slot order: that order depends on the key, and what the
//! stack sends must depend on nothing but its input and its seed.

use core::hash::{Hash, Hasher};
use core::marker::PhantomData;

use siphasher::sip::SipHasher13;

use crate::storage::List;

/// One slot of a table.
#[derive(Debug, Clone, Copy)]
pub struct Slot<K, V> {
    hash: u32,
    entry: Option<(K, V)>,
}

/// A multimap from `K` to `V`: a key may stand in it more than once. Its values are found in the
/// order in which they were inserted, whatever was removed or inserted beside them: removals move
/// entries without overtaking, and growing walks every chain from its beginning.
#[derive(Debug)]
pub struct Table<K, V, L> {
    slots: L,
    len: usize,
    key: [u64; 2],
    _entry: PhantomData<(K, V)>,
}

const SMALLEST: usize = 16;

impl<K: Copy, V: Copy + PartialEq, L: List<Slot<K, V>>> Table<K, V, L> {
    /// An empty table whose hash is keyed with `key`.
    pub fn new(key: [u64; 2]) -> Self {
        let mut table = Self { slots: L::default(), len: 0, key, _entry: PhantomData };
        match table.slots.limit() {
            // For good: where the size is fixed, nothing of what grows a table is needed.
            Some(limit) => {
                for _ in 0..previous_power_of_two(limit) {
                    let _ = table.slots.push(Slot { hash: 0, entry: None });
                }
            }
            None => table.resize(SMALLEST),
        }
        table
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the table is empty.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The first entry with this hash for which `wanted` is true.
    fn search(&self, hash: u32, mut wanted: impl FnMut(&K, V) -> bool) -> Option<(usize, V)> {
        if self.slots.is_empty() {
            return None;
        }
        let mut at = hash as usize & self.mask();
        for _ in 0..self.slots.len() {
            let slot = self.slots.get(at)?;
            let (stored, value) = slot.entry.as_ref()?;
            if slot.hash == hash && wanted(stored, *value) {
                return Some((at, *value));
            }
            at = (at + 1) & self.mask();
        }
        None
    }

    fn add(&mut self, hash: u32, key: K, value: V) -> bool {
        if (self.len + 1) * 4 > self.slots.len() * 3 {
            if self.slots.limit().is_some() {
                return false;
            }
            self.resize(self.slots.len() * 2);
        }
        self.place(Slot { hash, entry: Some((key, value)) });
        self.len += 1;
        true
    }

    /// Empties the slot at `hole`, which is not empty.
    fn take_out(&mut self, mut hole: usize) {
        // Backward-shift deletion: no tombstones, so probe chains never grow with churn.
        let mut at = hole;
        loop {
            at = (at + 1) & self.mask();
            let Some(&slot) = self.slots.get(at).filter(|slot| slot.entry.is_some()) else { break };
            let home = slot.hash as usize & self.mask();
            let distance = at.wrapping_sub(home) & self.mask();
            let gap = at.wrapping_sub(hole) & self.mask();
            if distance >= gap {
                self.write(hole, slot);
                hole = at;
            }
        }
        self.write(hole, Slot { hash: 0, entry: None });
        self.len -= 1;
    }

    fn mask(&self) -> usize {
        self.slots.len().wrapping_sub(1)
    }

    /// Writes a slot, whose place is one of the table's.
    fn write(&mut self, at: usize, slot: Slot<K, V>) {
        if let Some(place) = self.slots.get_mut(at) {
            *place = slot;
        }
    }

    fn hash(&self, key: &impl Hash) -> u32 {
        let mut hasher = SipHasher13::new_with_keys(self.key[0], self.key[1]);
        key.hash(&mut hasher);
        hasher.finish() as u32
    }

    fn place(&mut self, slot: Slot<K, V>) {
        let mut at = slot.hash as usize & self.mask();
        while self.slots.get(at).is_some_and(|slot| slot.entry.is_some()) {
            at = (at + 1) & self.mask();
        }
        self.write(at, slot);
    }

    fn resize(&mut self, size: usize) {
        let mut larger = L::default();
        for _ in 0..size {
            if larger.push(Slot { hash: 0, entry: None }).is_err() {
                break;
            }
        }
        let old = core::mem::replace(&mut self.slots, larger);
        // Behind an empty slot, so that a chain around the end is walked from its beginning, and
        // equal keys keep their order.
        let start = old.iter().position(|slot| slot.entry.is_none()).unwrap_or(0);
        let (before, behind) = old.split_at(start);
        for slot in behind.iter().chain(before) {
            if slot.entry.is_some() {
                self.place(*slot);
            }
        }
    }
}

impl<K: Hash + Eq + Copy, V: Copy + PartialEq, L: List<Slot<K, V>>> Table<K, V, L> {
    /// The first value under `key`.
    pub fn get(&self, key: &K) -> Option<V> {
        self.find(key, |_| true).map(|(_, value)| value)
    }

    /// The first value under `key` for which `wanted` is true. `wanted` is shown all of them until
    /// then, in the order in which they were inserted.
    pub fn find(&self, key: &K, mut wanted: impl FnMut(V) -> bool) -> Option<(usize, V)> {
        self.search(self.hash(key), |stored, value| stored == key && wanted(value))
    }

    /// Adds an entry; false when the table is of fixed size and full.
    pub fn insert(&mut self, key: K, value: V) -> bool {
        self.add(self.hash(&key), key, value)
    }

    /// Removes the entry (`key`, `value`); false when there is none.
    pub fn remove(&mut self, key: &K, value: V) -> bool {
        let found = self.find(key, |found| found == value);
        if let Some((at, _)) = found {
            self.take_out(at);
        }
        found.is_some()
    }
}

/// A table that does not keep its keys, because what its values stand for has them. Without them it
/// is a fraction as large, and a packet's way through it touches less memory.
pub type Index<V, L> = Table<(), V, L>;

impl<V: Copy + PartialEq, L: List<Slot<(), V>>> Index<V, L> {
    /// The value under `key`, which `is_under` knows by the value.
    pub fn find_by(&self, key: &impl Hash, is_under: impl Fn(V) -> bool) -> Option<V> {
        self.search(self.hash(key), |(), value| is_under(value)).map(|(_, value)| value)
    }

    /// Adds an entry; false when the table is of fixed size and full.
    pub fn insert_under(&mut self, key: &impl Hash, value: V) -> bool {
        self.add(self.hash(key), (), value)
    }

    /// Removes the entry (`key`, `value`); false when there is none.
    pub fn remove_under(&mut self, key: &impl Hash, value: V) -> bool {
        let found = self.search(self.hash(key), |(), found| found == value);
        if let Some((at, _)) = found {
            self.take_out(at);
        }
        found.is_some()
    }
}

fn previous_power_of_two(limit: usize) -> usize {
    if limit.is_power_of_two() { limit } else { limit.next_power_of_two() / 2 }
}

#[cfg(all(test, feature = "alloc"))]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    type Growing = Table<u32, u16, Vec<Slot<u32, u16>>>;

    #[test]
    fn entries_are_found_until_removed() {
        let mut table = Growing::new([1, 2]);
        for key in 0..10_000u32 {
            assert!(table.insert(key, key as u16));
        }
        for key in (0..10_000u32).step_by(3) {
            assert!(table.remove(&key, key as u16));
        }
        for key in 0..10_000u32 {
            let expected = if key % 3 == 0 { None } else { Some(key as u16) };
            assert_eq!(table.get(&key), expected, "{key}");
        }
        assert_eq!(table.len(), 6_666);
    }

    #[test]
    fn equal_keys_are_told_apart_by_value() {
        let mut table = Growing::new([1, 2]);
        table.insert(7, 1);
        table.insert(7, 2);
        assert!(table.remove(&7, 1));
        assert!(!table.remove(&7, 1));
        assert_eq!(table.get(&7), Some(2));
    }

    #[test]
    fn equal_keys_keep_their_order_while_the_table_grows_and_shrinks_around_them() {
        for seed in 0..200 {
            let mut table = Growing::new([seed, 2]);
            let mut expected = Vec::new();
            for value in 0..100u16 {
                table.insert(u32::from(value) + 100, value);
                if value % 3 == 0 {
                    table.insert(7, value);
                    expected.push(value);
                }
                if value % 5 == 4 {
                    table.remove(&(u32::from(value) + 98), value - 2);
                    let gone = expected.remove(expected.len() / 2);
                    assert!(table.remove(&7, gone));
                }
                let mut found = Vec::new();
                table.find(&7, |value| {
                    found.push(value);
                    false
                });
                assert_eq!(found, expected, "seed {seed}");
            }
        }
    }

    #[test]
    fn an_index_tells_entries_apart_by_what_they_stand_for() {
        let keys: Vec<u32> = (0..10_000).collect();
        let mut index: Index<u32, Vec<Slot<(), u32>>> = Index::new([1, 2]);
        let find = |index: &Index<u32, Vec<Slot<(), u32>>>, key: u32| {
            index.find_by(&key, |value| keys[value as usize] == key)
        };
        for &key in &keys {
            assert!(index.insert_under(&key, key));
        }
        for key in (0..10_000).step_by(3) {
            assert!(!index.remove_under(&key, key + 1));
            assert!(index.remove_under(&key, key));
        }
        for &key in &keys {
            let expected = if key % 3 == 0 { None } else { Some(key) };
            assert_eq!(find(&index, key), expected, "{key}");
        }
        // All under one key: nobody but the caller can tell them apart.
        let mut index: Index<u32, Vec<Slot<(), u32>>> = Index::new([1, 2]);
        for value in 0..100 {
            assert!(index.insert_under(&0, value));
        }
        for value in 0..100 {
            assert_eq!(index.find_by(&0, |found| found == value), Some(value));
        }
        assert_eq!(index.find_by(&0, |found| found == 100), None);
    }

    #[test]
    fn a_fixed_table_refuses_what_does_not_fit() {
        let mut table: Table<u32, u16, heapless::Vec<Slot<u32, u16>, 16>> = Table::new([1, 2]);
        let inserted = (0..100).filter(|&key| table.insert(key, 0)).count();
        assert_eq!(inserted, 12);
        assert!(table.remove(&0, 0));
        assert!(table.insert(50, 0));
    }
}
