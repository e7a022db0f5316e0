//! The script, the clock and the wire: what is shared by whoever plays a part.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use tapsock_stack::time::{Duration, Instant};
use wsa::engine::Waited;

use crate::operation::Operation;
use crate::wire::Wire;

/// How often one script may make time pass to the next deadline, so that a day of keep-alives
/// ends. What is then left of a wait is left out.
const DEADLINES: u32 = 20_000;

/// The same inside one blocking call.
const IDLE: u32 = 2_000;

/// A script that is being played.
#[derive(Debug)]
pub(crate) struct Script {
    operations: Vec<Operation>,
    at: Cell<usize>,
    now: Cell<Instant>,
    deadlines: Cell<u32>,
    idle: Cell<u32>,
    pub(crate) wire: Rc<RefCell<Wire>>,
}

impl Script {
    pub(crate) fn new(operations: Vec<Operation>, wire: Wire) -> Self {
        Self {
            operations,
            at: Cell::new(0),
            now: Cell::new(Instant::ZERO),
            deadlines: Cell::new(DEADLINES),
            idle: Cell::new(0),
            wire: Rc::new(RefCell::new(wire)),
        }
    }

    pub(crate) fn now(&self) -> Instant {
        self.now.get()
    }

    pub(crate) fn set_now(&self, now: Instant) {
        self.now.set(now.max(self.now.get()));
    }

    /// Takes a deadline out of the budget; false when it is spent.
    pub(crate) fn spend(&self) -> bool {
        let left = self.deadlines.get();
        self.deadlines.set(left.saturating_sub(1));
        left > 0
    }

    /// Gives the budget back, for the end of the script.
    pub(crate) fn refill(&self) {
        self.deadlines.set(DEADLINES);
    }

    /// Whether the budget lasted.
    pub(crate) fn is_within_budget(&self) -> bool {
        self.deadlines.get() > 0
    }

    pub(crate) fn next(&self) -> Option<Operation> {
        self.idle.set(0);
        let at = self.at.get();
        self.at.set(at + 1);
        self.operations.get(at).cloned()
    }

    /// A blocking call waits: the script goes on as far as it speaks of the wire and of time, and
    /// otherwise the next deadline comes.
    pub(crate) fn idle(&self, deadline: Option<Instant>) -> Waited {
        let turns = self.idle.get() + 1;
        self.idle.set(turns);
        if turns > IDLE || !self.spend() {
            return Waited::Stuck;
        }
        if let Some(operation) = self.operations.get(self.at.get()) {
            if let Operation::Wait { unit, count } = *operation {
                self.at.set(self.at.get() + 1);
                let end = self.now() + wait(unit, count);
                // Not beyond a deadline: the call is to be on time.
                self.set_now(deadline.map_or(end, |deadline| deadline.min(end)));
                return Waited::Again;
            }
            if self.wire.borrow_mut().perform(operation) {
                self.at.set(self.at.get() + 1);
                return Waited::Again;
            }
        }
        match deadline {
            Some(deadline) => {
                self.set_now(deadline);
                Waited::Again
            }
            None => Waited::Stuck,
        }
    }
}

/// How long a wait is.
pub(crate) fn wait(unit: u8, count: u8) -> Duration {
    let micros = match unit % 12 {
        power @ 0..=8 => 10u64.pow(power.into()),
        9 => 60_000_000,
        10 => 3_600_000_000,
        _ => 86_400_000_000,
    };
    Duration::from_micros(micros * u64::from(count))
}
