//! Frames that are held back, in memory of fixed size.

#[cfg(feature = "alloc")]
use core::cmp::Ordering;

use smoltcp::time::Instant;

use super::flow::{NONE, side};
use super::memory::Table;
use crate::link::Direction;

/// Beyond all deadlines.
pub(super) const NEVER: Instant = Instant::from_micros_const(i64::MAX);

/// Memory for what is known about one frame that is held back.
#[derive(Debug, Clone, Copy)]
pub struct Slot {
    length: usize,
    due: Instant,
    pub(super) source: Source,
    pub(super) wait: Wait,
    before: u16,
    after: u16,
}

impl Source {
    /// The rule that made it.
    pub fn rule(&self) -> Option<u16> {
        match self.made_by? {
            Made::Copy(rule) | Made::Forged(rule) => rule,
            Made::Part(rule) => Some(rule),
        }
    }
}

impl Slot {
    /// Memory that is not in use.
    pub const EMPTY: Self = Self {
        length: 0,
        due: NEVER,
        source: Source { id: 0, made_by: None },
        wait: Wait::Time,
        before: NONE,
        after: NONE,
    };
}

/// Where a frame comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// The frame that entered the engine, or of which this is a part or a copy, or because of
    /// which it was forged; 0 when an event made it.
    pub id: u64,
    /// How it was made, if it is not the frame itself.
    pub made_by: Option<Made>,
}

/// How a frame that did not enter the engine was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Made {
    /// A copy, by the rule with this index ([`u16::MAX`] for one that is no more) or by the link
    /// model.
    Copy(Option<u16>),
    /// The second part of a segment, which the rule with this index split ([`u16::MAX`] for one
    /// that is no more).
    Part(u16),
    /// Forged, by the rule with this index or by an event.
    Forged(Option<u16>),
}

/// What a frame waits for besides its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    Time,
    /// So many later frames of its direction.
    Frames(u16),
    /// The trigger with this number.
    Trigger(u16),
    /// The segment that follows it, for this rule and flow.
    Segment(u16, u32),
}

/// One queue for each direction, in the order of their times and, of equal times, of entry.
#[derive(Debug)]
pub(super) struct Pool<'a> {
    slots: Table<'a, Slot>,
    bytes: Table<'a, u8>,
    frame: usize,
    free: u16,
    ends: [(u16, u16); 2],
    lengths: [usize; 2],
    /// How many wait for more than their time, in each direction.
    waiting: [usize; 2],
}

impl<'a> Pool<'a> {
    pub(super) fn new(mut slots: Table<'a, Slot>, bytes: Table<'a, u8>, frame: usize) -> Self {
        let count = slots.len().min(usize::from(NONE));
        for (index, slot) in slots.iter_mut().enumerate().take(count) {
            let after = if index + 1 < count { index as u16 + 1 } else { NONE };
            *slot = Slot { after, ..Slot::EMPTY };
        }
        let free = if count == 0 { NONE } else { 0 };
        Self {
            slots,
            bytes,
            frame,
            free,
            ends: [(NONE, NONE); 2],
            lengths: [0; 2],
            waiting: [0; 2],
        }
    }

    /// The longest frame it holds.
    pub(super) fn frame(&self) -> usize {
        self.frame
    }

    /// How many frames it has places for.
    pub(super) fn capacity(&self) -> usize {
        self.slots.len()
    }

    /// How many frames it holds at the most.
    pub(super) fn places(&self) -> usize {
        self.slots.len().min(usize::from(NONE))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lengths == [0; 2]
    }

    pub(super) fn len(&self, direction: Direction) -> usize {
        self.lengths[side(direction)]
    }

    fn get(&self, index: u16) -> Option<&Slot> {
        self.slots.get(usize::from(index))
    }

    fn get_mut(&mut self, index: u16) -> Option<&mut Slot> {
        self.slots.get_mut(usize::from(index))
    }

    /// A place with all its bytes, which is in no queue yet. It must be put into one or freed.
    pub(super) fn take(&mut self) -> Option<u16> {
        let index = self.free;
        let slot = self.get_mut(index)?;
        slot.length = 0;
        self.free = slot.after;
        Some(index)
    }

    /// A place with a copy of `frame`; `None` when there is none or the frame is too long.
    pub(super) fn copy(&mut self, frame: &[u8]) -> Option<u16> {
        if frame.len() > self.frame {
            return None;
        }
        let index = self.take()?;
        if let Some(room) = self.room(index).get_mut(..frame.len()) {
            room.copy_from_slice(frame);
        }
        self.set_len(index, frame.len());
        Some(index)
    }

    /// A place with a copy of another.
    pub(super) fn duplicate(&mut self, index: u16) -> Option<u16> {
        let copy = self.take()?;
        let length = self.pair(copy, index).map_or(0, |(room, bytes)| {
            // Each place has room for as many bytes as the other.
            if let Some(room) = room.get_mut(..bytes.len()) {
                room.copy_from_slice(bytes);
            }
            bytes.len()
        });
        self.set_len(copy, length);
        Some(copy)
    }

    pub(super) fn give_back(&mut self, index: u16) {
        let free = self.free;
        if let Some(slot) = self.get_mut(index) {
            slot.after = free;
            self.free = index;
        }
    }

    fn range(&self, index: u16) -> core::ops::Range<usize> {
        let start = usize::from(index) * self.frame;
        start..start + self.frame
    }

    /// All the bytes of a place.
    pub(super) fn room(&mut self, index: u16) -> &mut [u8] {
        let range = self.range(index);
        self.bytes.get_mut(range).unwrap_or(&mut [])
    }

    pub(super) fn set_len(&mut self, index: u16, length: usize) {
        let length = length.min(self.frame);
        if let Some(slot) = self.get_mut(index) {
            slot.length = length;
        }
    }

    pub(super) fn bytes(&self, index: u16) -> &[u8] {
        let length = self.get(index).map_or(0, |slot| slot.length);
        self.bytes.get(self.range(index)).and_then(|room| room.get(..length)).unwrap_or(&[])
    }

    /// The bytes of a place, mutably.
    pub(super) fn bytes_mut(&mut self, index: u16) -> &mut [u8] {
        let length = self.get(index).map_or(0, |slot| slot.length);
        self.room(index).get_mut(..length).unwrap_or(&mut [])
    }

    /// All the room of one place, and the bytes of another.
    pub(super) fn pair(&mut self, room: u16, bytes: u16) -> Option<(&mut [u8], &mut [u8])> {
        let length = self.get(bytes)?.length;
        let ranges = [self.range(room), self.range(bytes)];
        let [room, bytes] = self.bytes.get_disjoint_mut(ranges).ok()?;
        Some((room, bytes.get_mut(..length)?))
    }

    /// The rule with this index is no more, and those below it have moved up. `events` come before
    /// the rules in the numbers of triggers.
    #[cfg(feature = "alloc")]
    pub(super) fn remove_rule(&mut self, rule: usize, events: usize) {
        let moved = |index: u16, rule: usize| match usize::from(index).cmp(&rule) {
            Ordering::Less => Some(index),
            Ordering::Equal => None,
            Ordering::Greater => Some(index - 1),
        };
        for slot in self.slots.iter_mut() {
            slot.source.made_by = slot.source.made_by.map(|made| match made {
                Made::Forged(Some(by)) => Made::Forged(moved(by, rule)),
                Made::Copy(Some(by)) => Made::Copy(Some(moved(by, rule).unwrap_or(NONE))),
                Made::Part(by) => Made::Part(moved(by, rule).unwrap_or(NONE)),
                other => other,
            });
            // Nothing waits for this one by its name, and a segment that waits to be merged by it
            // has a time as well.
            slot.wait = match slot.wait {
                Wait::Trigger(number) => {
                    Wait::Trigger(moved(number, events + rule).unwrap_or(NONE))
                }
                Wait::Segment(by, flow) => Wait::Segment(moved(by, rule).unwrap_or(NONE), flow),
                other => other,
            };
        }
    }

    pub(super) fn slot(&self, index: u16) -> Option<Slot> {
        self.get(index).copied()
    }

    /// Puts a place into a queue, behind everything that is due at the same time.
    pub(super) fn queue(
        &mut self,
        direction: Direction,
        index: u16,
        due: Instant,
        source: Source,
        wait: Wait,
    ) {
        let lane = side(direction);
        // From the end: most frames are due later than all others.
        let mut before = self.ends[lane].1;
        while let Some(slot) = self.get(before)
            && slot.due > due
        {
            before = slot.before;
        }
        let after = self.get(before).map_or(self.ends[lane].0, |slot| slot.after);
        let Some(slot) = self.get_mut(index) else { return };
        (slot.due, slot.source, slot.wait) = (due, source, wait);
        (slot.before, slot.after) = (before, after);
        match self.get_mut(before) {
            Some(slot) => slot.after = index,
            None => self.ends[lane].0 = index,
        }
        match self.get_mut(after) {
            Some(slot) => slot.before = index,
            None => self.ends[lane].1 = index,
        }
        self.lengths[lane] += 1;
        self.waiting[lane] += usize::from(wait != Wait::Time);
    }

    /// Takes a place out of its queue, without freeing it.
    pub(super) fn unqueue(&mut self, direction: Direction, index: u16) {
        let lane = side(direction);
        let Some(&Slot { before, after, wait, .. }) = self.get(index) else { return };
        match self.get_mut(before) {
            Some(slot) => slot.after = after,
            None => self.ends[lane].0 = after,
        }
        match self.get_mut(after) {
            Some(slot) => slot.before = before,
            None => self.ends[lane].1 = before,
        }
        self.lengths[lane] -= 1;
        self.waiting[lane] -= usize::from(wait != Wait::Time);
    }

    /// The next that is due by `now`.
    pub(super) fn due(&self, direction: Direction, now: Instant) -> Option<u16> {
        let index = self.ends[side(direction)].0;
        (self.get(index)?.due <= now).then_some(index)
    }

    /// When the next is due.
    pub(super) fn next_due(&self, direction: Direction) -> Option<Instant> {
        let due = self.get(self.ends[side(direction)].0)?.due;
        (due < NEVER).then_some(due)
    }

    /// Lets those go on at `now` of which `ready` says so. Asks only if any wait, and at most once
    /// for each.
    pub(super) fn release(
        &mut self,
        direction: Direction,
        now: Instant,
        mut ready: impl FnMut(&mut Wait) -> bool,
    ) {
        let lane = side(direction);
        if self.waiting[lane] == 0 {
            return;
        }
        let (mut index, mut left) = (self.ends[lane].0, self.lengths[lane]);
        while left > 0
            && let Some(slot) = self.get_mut(index)
        {
            let after = slot.after;
            if slot.wait != Wait::Time && ready(&mut slot.wait) {
                let source = slot.source;
                self.unqueue(direction, index);
                self.queue(direction, index, now, source, Wait::Time);
            }
            (index, left) = (after, left - 1);
        }
    }

    /// The one that waits for a segment, for this rule.
    pub(super) fn merging(&self, direction: Direction, rule: u16) -> Option<(u16, u32)> {
        let lane = side(direction);
        if self.waiting[lane] == 0 {
            return None;
        }
        let mut index = self.ends[lane].0;
        for _ in 0..self.lengths[lane] {
            let slot = self.get(index)?;
            if let Wait::Segment(found, flow) = slot.wait
                && found == rule
            {
                return Some((index, flow));
            }
            index = slot.after;
        }
        None
    }

    /// Frees one frame, whichever, and says where it came from; `None` when there is none.
    pub(super) fn discard(&mut self) -> Option<(Direction, Source)> {
        for direction in [Direction::Inbound, Direction::Outbound] {
            let index = self.ends[side(direction)].0;
            if let Some(&Slot { source, .. }) = self.get(index) {
                self.unqueue(direction, index);
                self.give_back(index);
                return Some((direction, source));
            }
        }
        None
    }
}
