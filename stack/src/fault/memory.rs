//! The memory of an engine: borrowed from the caller, or from the heap where there is one.

use core::ops::{Deref, DerefMut};

use super::flow::FlowState;
use super::pool::Slot;
use super::state::RuleState;

/// A table of fixed length.
#[derive(Debug)]
pub(super) enum Table<'a, T> {
    /// The caller's.
    Borrowed(&'a mut [T]),
    /// From the heap.
    #[cfg(feature = "alloc")]
    Owned(alloc::vec::Vec<T>),
}

impl<T> Deref for Table<'_, T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        match self {
            Self::Borrowed(items) => items,
            #[cfg(feature = "alloc")]
            Self::Owned(items) => items,
        }
    }
}

impl<T> DerefMut for Table<'_, T> {
    fn deref_mut(&mut self) -> &mut [T] {
        match self {
            Self::Borrowed(items) => items,
            #[cfg(feature = "alloc")]
            Self::Owned(items) => items,
        }
    }
}

/// Memory for an engine with up to `RULES` rules, which tells `FLOWS` flows apart and holds up to
/// `FRAMES` frames of up to `FRAME` bytes back. Of `FLOWS` and `FRAMES` the first 65,534 are used.
#[derive(Debug)]
pub struct Fixed<const RULES: usize, const FLOWS: usize, const FRAMES: usize, const FRAME: usize> {
    rules: [RuleState; RULES],
    counts: [[u32; FLOWS]; RULES],
    flows: [FlowState; FLOWS],
    slots: [Slot; FRAMES],
    bytes: [[u8; FRAME]; FRAMES],
}

impl<const RULES: usize, const FLOWS: usize, const FRAMES: usize, const FRAME: usize>
    Fixed<RULES, FLOWS, FRAMES, FRAME>
{
    /// All of it, unused.
    pub const fn new() -> Self {
        Self {
            rules: [RuleState::EMPTY; RULES],
            counts: [[0; FLOWS]; RULES],
            flows: [FlowState::EMPTY; FLOWS],
            slots: [Slot::EMPTY; FRAMES],
            bytes: [[0; FRAME]; FRAMES],
        }
    }
}

impl<const RULES: usize, const FLOWS: usize, const FRAMES: usize, const FRAME: usize> Default
    for Fixed<RULES, FLOWS, FRAMES, FRAME>
{
    fn default() -> Self {
        Self::new()
    }
}

/// The memory of one engine.
#[derive(Debug)]
pub struct Memory<'a> {
    pub(super) rules: Table<'a, RuleState>,
    /// One for each flow, for each rule.
    pub(super) counts: Table<'a, u32>,
    pub(super) flows: Table<'a, FlowState>,
    pub(super) slots: Table<'a, Slot>,
    pub(super) bytes: Table<'a, u8>,
    pub(super) frame: usize,
}

impl<'a> Memory<'a> {
    /// The caller's memory.
    pub fn fixed<
        const RULES: usize,
        const FLOWS: usize,
        const FRAMES: usize,
        const FRAME: usize,
    >(
        memory: &'a mut Fixed<RULES, FLOWS, FRAMES, FRAME>,
    ) -> Self {
        let Fixed { rules, counts, flows, slots, bytes } = memory;
        Self {
            rules: Table::Borrowed(rules),
            counts: Table::Borrowed(counts.as_flattened_mut()),
            flows: Table::Borrowed(flows),
            slots: Table::Borrowed(slots),
            bytes: Table::Borrowed(bytes.as_flattened_mut()),
            frame: FRAME,
        }
    }

    /// From the heap: for `rules` rules, `flows` flows and `frames` frames of up to `frame` bytes.
    #[cfg(feature = "alloc")]
    pub fn growable(rules: usize, flows: usize, frames: usize, frame: usize) -> Self {
        use alloc::vec;
        let flows = flows.min(usize::from(u16::MAX) - 1);
        let frames = frames.min(usize::from(u16::MAX) - 1);
        Self {
            rules: Table::Owned(vec![RuleState::EMPTY; rules]),
            counts: Table::Owned(vec![0; rules * flows]),
            flows: Table::Owned(vec![FlowState::EMPTY; flows]),
            slots: Table::Owned(vec![Slot::EMPTY; frames]),
            bytes: Table::Owned(vec![0; frames * frame]),
            frame,
        }
    }
}
