//! Keep-alive (RFC 9293, section 3.8.4): probes of a connection on which nothing is heard.
//!
//! smoltcp knows one interval and no end, so its own probes stay off. A probe here is an
//! acknowledgment that begins one byte before what the peer expects, which it must answer.

use smoltcp::time::{Duration, Instant};

use super::handshake::later;

/// When an idle connection is probed and when it is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeepAlive {
    /// Silence before the first probe; at least a millisecond.
    pub idle: Duration,
    /// From a probe without an answer to the next, and from the last to the end; at least a
    /// millisecond.
    pub interval: Duration,
    /// Probes without an answer before the connection is given up; at least 1.
    pub count: u8,
}

impl KeepAlive {
    /// What Windows has: two hours, one second, ten probes.
    pub const DEFAULT: Self =
        Self { idle: Duration::from_secs(7200), interval: Duration::from_secs(1), count: 10 };

    /// Shorter than it, a time would keep the stack busy with nothing else.
    const SHORTEST: Duration = Duration::from_millis(1);
}

impl Default for KeepAlive {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What was heard and asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Prober {
    pub(crate) heard: Instant,
    /// Probes since then.
    pub(crate) sent: u32,
    pub(crate) first: Instant,
    last: Instant,
}

impl Prober {
    pub(crate) fn new(now: Instant) -> Self {
        Self { heard: now, sent: 0, first: now, last: now }
    }

    /// The peer is there.
    pub(crate) fn heard(&mut self, now: Instant) {
        *self = Self::new(now);
    }

    /// When to probe, or to give up.
    pub(crate) fn due(&self, keep: &KeepAlive) -> Instant {
        match self.sent {
            0 => later(self.heard, keep.idle.max(KeepAlive::SHORTEST)),
            _ => later(self.last, keep.interval.max(KeepAlive::SHORTEST)),
        }
    }

    /// Whether all probes were sent.
    pub(crate) fn spent(&self, keep: &KeepAlive) -> bool {
        self.sent >= u32::from(keep.count.max(1))
    }

    /// A probe is being sent.
    pub(crate) fn probe(&mut self, now: Instant) {
        if self.sent == 0 {
            self.first = now;
        }
        self.sent += 1;
        self.last = now;
    }
}
