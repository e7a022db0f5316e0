//! Whether the link is up, down or flapping.

use smoltcp::time::{Duration, Instant};

use super::model::later;
use super::rule::LinkFault;

/// Whether the link is up, and when that changes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    pub(super) up: bool,
    pub(super) change_at: Option<Instant>,
    /// Changes after the next one, each `half` after the one before.
    more: u64,
    half: Duration,
}

impl Line {
    pub(super) const UP: Self =
        Self { up: true, change_at: None, more: 0, half: Duration::from_micros(1) };

    pub(super) fn fault(now: Instant, fault: LinkFault) -> Self {
        match fault {
            LinkFault::Up => Self::UP,
            LinkFault::Down(length) => {
                Self { up: false, change_at: length.map(|length| later(now, length)), ..Self::UP }
            }
            LinkFault::Flap { count: 0, .. } => Self::UP,
            LinkFault::Flap { period, count } => {
                let half = (period / 2).max(Duration::from_micros(1));
                let more = 2 * u64::from(count) - 2;
                Self { up: false, change_at: Some(later(now, half)), more, half }
            }
        }
    }

    /// Does what is due; in one step, however much it is.
    pub(super) fn advance(&mut self, now: Instant) {
        let Some(at) = self.change_at else { return };
        if at > now {
            return;
        }
        // No line flaps in no time.
        let due = (now - at).total_micros().checked_div(self.half.total_micros()).unwrap_or(0);
        let changes = due.min(self.more) + 1;
        self.up ^= changes % 2 == 1;
        self.change_at = if changes > self.more {
            None
        } else {
            let step = Duration::from_micros(self.half.total_micros().saturating_mul(changes));
            Some(later(at, step))
        };
        self.more = self.more.saturating_sub(changes);
    }
}
