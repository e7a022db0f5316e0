//! When the oldest segment is sent again without waiting for smoltcp's retransmission timer, which
//! takes a second at least.
//!
//! smoltcp sends the oldest segment again after three duplicate acknowledgments, once. What a second
//! hole in the same window, a lost repetition, or fewer than three duplicates need is known here:
//! a partial acknowledgment (RFC 6582, section 3.2) or a short time without progress while
//! duplicates tell that the peer is there (after RFC 8985, section 6.3, which has a timer for this).
//! smoltcp is then shown three duplicate acknowledgments. Silence is left to its timer.

use smoltcp::time::{Duration, Instant};
use smoltcp::wire::TcpSeqNumber;

use super::handshake::later;

/// What is added to two round trips, for a peer or a link that is busy.
const SLACK: Duration = Duration::from_millis(10);

/// How often the time is doubled and waited for again.
const TRIES: u8 = 3;

/// Later than anything.
const NEVER: Instant = Instant::from_micros_const(i64::MAX);

/// The recovery of a connection. As each has one, it is kept small.
#[derive(Debug)]
pub(crate) struct Recovery {
    /// When the segment that the peer asks for is taken for lost without further evidence; [`NEVER`]
    /// where nothing points at a loss.
    at: Instant,
    /// Until everything before this is acknowledged, that segment is lost (RFC 6582: recover).
    until: TcpSeqNumber,
    /// Whether there is such a number.
    recovering: bool,
    /// How often the time has passed.
    tries: u8,
    repetition: Repetition,
}

impl Default for Recovery {
    fn default() -> Self {
        Self {
            at: NEVER,
            until: TcpSeqNumber(0),
            recovering: false,
            tries: 0,
            repetition: Repetition::Unneeded,
        }
    }
}

/// Of the oldest segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Repetition {
    /// Nobody but smoltcp has a reason for it.
    #[default]
    Unneeded,
    /// It is due.
    Due,
    /// smoltcp was told.
    Asked,
}

impl Recovery {
    /// So many duplicate acknowledgments came since the last new one. With the third smoltcp sends
    /// the oldest segment again by itself.
    pub(crate) fn duplicates(
        &mut self,
        now: Instant,
        trip: Option<Duration>,
        third: bool,
        furthest: TcpSeqNumber,
    ) {
        if third {
            self.begin(furthest);
        }
        if self.at == NEVER {
            self.arm(now, trip);
        }
    }

    /// Everything before `acknowledgment` arrived, and something of it is new.
    pub(crate) fn acknowledged(&mut self, acknowledgment: TcpSeqNumber) {
        self.recovering &= acknowledgment < self.until;
        (self.at, self.tries) = (NEVER, 0);
        self.repetition = if self.recovering { Repetition::Due } else { Repetition::Unneeded };
    }

    /// The oldest segment goes out again. True where that was asked for here, and is no sign of
    /// silence.
    pub(crate) fn repeated(&mut self, now: Instant, trip: Option<Duration>, fast: bool) -> bool {
        let asked = core::mem::take(&mut self.repetition) == Repetition::Asked;
        if asked || fast {
            self.arm(now, trip);
        } else {
            // smoltcp's timer ran out: it sends everything again.
            *self = Self::default();
        }
        asked
    }

    fn arm(&mut self, now: Instant, trip: Option<Duration>) {
        self.at = trip
            .filter(|_| self.tries < TRIES)
            .map_or(NEVER, |trip| later(now, (trip * 2 + SLACK) * (1 << self.tries)));
    }

    /// `furthest` is the end of what was sent.
    fn begin(&mut self, furthest: TcpSeqNumber) {
        if !self.recovering {
            (self.recovering, self.until) = (true, furthest);
        }
    }

    /// When [`Recovery::ask`] is to be called although nothing arrives.
    pub(crate) fn poll_at(&self) -> Option<Instant> {
        (self.at != NEVER).then_some(self.at)
    }

    /// Whether smoltcp is to be told now that the oldest segment is lost. `furthest` is the end of
    /// what was sent, `None` where smoltcp must not be told.
    pub(crate) fn ask(&mut self, now: Instant, furthest: Option<TcpSeqNumber>) -> bool {
        if self.at <= now {
            self.at = NEVER;
            self.tries += 1;
            self.repetition = Repetition::Due;
        }
        let due = self.repetition == Repetition::Due;
        if due {
            if let Some(furthest) = furthest {
                self.begin(furthest);
            }
            let asked = furthest.is_some();
            self.repetition = if asked { Repetition::Asked } else { Repetition::Unneeded };
        }
        due && furthest.is_some()
    }
}
