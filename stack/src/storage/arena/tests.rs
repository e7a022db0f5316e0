use smoltcp::socket::tcp::State;

use super::*;

fn refuse(_: usize) -> io::Result<NonNull<u8>> {
    Err(io::Errno::NOMEM)
}

impl Arena {
    /// One for which the system has no address space.
    pub(in crate::storage) fn refused() -> Self {
        Self::new(refuse)
    }
}

/// Reserves no more than was cut, as where address space is scarce.
fn spare(len: usize) -> io::Result<NonNull<u8>> {
    if len > 1 << 20 { Err(io::Errno::NOMEM) } else { reserve(len) }
}

impl Slot {
    fn range(&self) -> core::ops::Range<usize> {
        let start = self.start.0.as_ptr().addr();
        start..start + size(self.class)
    }

    fn fill(&mut self, byte: u8) {
        // SAFETY: no socket has the slot, and it is borrowed alone.
        unsafe { self.start.0.write_bytes(byte, size(self.class)) };
    }

    fn holds(&self, byte: u8) -> bool {
        // SAFETY: no socket has the slot; it was zero when it was mapped.
        let bytes = unsafe { slice::from_raw_parts(self.start.0.as_ptr(), size(self.class)) };
        bytes.iter().all(|&found| found == byte)
    }
}

#[test]
fn slots_are_whole_pages_of_their_own() {
    let arena = Arena::default();
    let mut slots: Vec<Slot> = Vec::new();
    for pages in [1, 2, 3, 4, 1, 1000, 7, 1, 9000] {
        let slot = arena.slot(PAGE * pages).unwrap();
        assert!(slot.range().start.is_multiple_of(PAGE));
        assert_eq!(slot.range().len(), PAGE * pages.next_power_of_two());
        for other in &slots {
            let (one, two) = (slot.range(), other.range());
            assert!(one.end <= two.start || two.end <= one.start, "{one:?} {two:?}");
        }
        assert!(slot.holds(0));
        slots.push(slot);
    }
    for (number, slot) in slots.iter_mut().enumerate() {
        slot.fill(number as u8 + 1);
    }
    assert!(slots.iter().enumerate().all(|(number, slot)| slot.holds(number as u8 + 1)));
}

#[test]
fn a_free_slot_is_used_again_for_its_class_and_for_no_other() {
    let arena = Arena::default();
    let first = arena.slot(2 * PAGE).unwrap();
    let range = first.range();
    drop(first);
    assert_ne!(arena.slot(PAGE).unwrap().range(), range);
    assert_ne!(arena.slot(3 * PAGE).unwrap().range(), range);
    let again = arena.slot(PAGE + 1).unwrap();
    assert_eq!(again.range(), range);
    assert_ne!(arena.slot(2 * PAGE).unwrap().range(), range, "one at a time");
}

#[test]
fn a_slot_that_gives_its_memory_back_is_as_new() {
    let arena = Arena::default();
    let mut slot = arena.slot(4 * PAGE).unwrap();
    let mut beside = arena.slot(4 * PAGE).unwrap();
    slot.fill(7);
    beside.fill(8);
    slot.discard();
    assert!(slot.holds(0) && beside.holds(8));
    slot.fill(9);
    assert!(slot.holds(9));
}

#[test]
fn few_free_slots_keep_their_memory_and_many_do_not() {
    let arena = Arena::default();
    let size = WARM / 4;
    let mut slots: Vec<_> = (0..6).map(|_| arena.slot(size).unwrap()).collect();
    slots.iter_mut().for_each(|slot| slot.fill(1));
    drop(slots);
    let slots: Vec<_> = (0..6).map(|_| arena.slot(size).unwrap()).collect();
    let kept = slots.iter().filter(|slot| slot.holds(1)).count();
    assert_eq!((kept, slots.iter().filter(|slot| slot.holds(0)).count()), (4, 2));
    assert_eq!(arena.shared.lock().warmth, 0);
}

#[test]
fn a_cell_outlives_its_arena_and_memory_is_given_back_with_the_last() {
    let arena = Arena::default();
    let mut first: Cell<'static> = arena.cell(5000, 100).unwrap();
    let second: Cell<'static> = arena.cell(1, 1).unwrap();
    let shared = Arc::downgrade(&arena.shared);
    drop(arena);
    drop(second);
    assert_eq!(first.socket().recv_capacity(), 5000);
    assert_eq!(first.socket().send_capacity(), 100);
    first.socket_mut().listen(80).unwrap();
    assert_eq!(first.socket().state(), State::Listen);
    first.give_back();
    assert!(shared.upgrade().is_some());
    drop(first);
    assert!(shared.upgrade().is_none());
}

#[test]
fn what_the_system_refuses_is_none_and_said_once() {
    let arena = Arena::new(refuse);
    assert!(arena.cell(1000, 1000).is_none());
    assert!(arena.cell(1000, 1000).is_none());
    assert!(arena.shared.lock().complained);
    assert!(Arena::default().cell(usize::MAX, 1).is_none());
    assert!(Arena::default().cell(usize::MAX / 2, usize::MAX / 2).is_none());
}

#[test]
fn where_little_is_left_little_is_asked_for() {
    let arena = Arena::new(spare);
    let slots: Vec<_> = (0..3).map(|_| arena.slot(1 << 20).unwrap()).collect();
    assert!(arena.slot((1 << 20) + 1).is_none());
    assert_eq!(arena.shared.lock().reservations.len(), slots.len());
}
