//! Who sleeps, on what, and who is to be woken.

use std::os::fd::OwnedFd;
use std::thread::Thread;
use std::vec::Vec;

use rustix::event::Timespec;
use tapsock_stack::time::{Duration, Instant};

/// What a caller waits for. Nearly all wait for one socket.
#[derive(Debug)]
pub(super) enum Interest {
    Few([u32; 4], usize),
    Many(Vec<u32>),
}

impl Interest {
    pub(super) fn new(numbers: &[u32]) -> Self {
        let mut few = [0; 4];
        match few.get_mut(..numbers.len()) {
            Some(places) => {
                places.copy_from_slice(numbers);
                Self::Few(few, numbers.len())
            }
            None => Self::Many(numbers.into()),
        }
    }

    pub(super) fn numbers(&self) -> &[u32] {
        match self {
            Self::Few(few, count) => few.get(..*count).unwrap_or_default(),
            Self::Many(many) => many,
        }
    }
}

/// What the sleeping leader waits for, besides a frame.
#[derive(Debug)]
pub(super) struct Sleep {
    /// When it wakes by itself; `None` for never.
    pub(super) until: Option<Instant>,
    /// The leading caller's own condition; `None` for the background thread.
    pub(super) condition: Option<(u64, Interest)>,
    pub(super) kicked: bool,
}

impl Sleep {
    /// Whether it has to be woken, which is done once.
    pub(super) fn kick(&mut self) -> bool {
        !std::mem::replace(&mut self.kicked, true)
    }

    /// The same where the deadline is `next` by now.
    pub(super) fn hurry(&mut self, next: Option<Instant>) -> bool {
        let too_late = match (next, self.until) {
            (Some(next), Some(until)) => next < until,
            (Some(_), None) => true,
            (None, _) => false,
        };
        too_late && self.kick()
    }
}

/// What ended the sleep of the background thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// A frame on the link.
    Frame,
    /// Somebody's kick.
    Kick,
    /// The time, or an error.
    Nothing,
}

/// What is to be woken once the lock is given up: notifying under it would send the woken thread
/// straight into the lock.
#[derive(Default)]
pub(super) struct Wakes {
    /// As many as mostly are, so that nothing is allocated for them.
    pub(super) few: [Option<Thread>; 4],
    pub(super) many: Vec<Thread>,
    pub(super) leader: bool,
    pub(super) background: bool,
    /// The hook of WSAAsyncSelect's messages.
    pub(super) hook: bool,
}

impl Wakes {
    pub(super) fn push(&mut self, thread: Thread) {
        match self.few.iter_mut().find(|place| place.is_none()) {
            Some(place) => *place = Some(thread),
            None => self.many.push(thread),
        }
    }
}

pub(super) fn earlier(left: Option<Instant>, right: Option<Instant>) -> Option<Instant> {
    match (left, right) {
        (Some(left), Some(right)) => Some(left.min(right)),
        (left, right) => left.or(right),
    }
}

pub(super) fn timespec(duration: Duration) -> Timespec {
    let micros = duration.total_micros();
    Timespec {
        tv_sec: i64::try_from(micros / 1_000_000).unwrap_or(i64::MAX),
        tv_nsec: (micros % 1_000_000) as i64 * 1000,
    }
}

/// Takes a kick back; without one there is nothing to read.
pub(super) fn settle(event: &OwnedFd) {
    let _ = rustix::io::read(event, &mut [0; 8]);
}

pub(super) fn kick(event: &OwnedFd) {
    // A full counter means that it is kicked already.
    let _ = rustix::io::write(event, &1u64.to_ne_bytes());
}
