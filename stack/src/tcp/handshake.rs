//! The handshake's own timer.
//!
//! smoltcp repeats a SYN after 1, 2, 4, ... seconds for ever and takes its first round-trip sample
//! from the first copy. Here the segment that smoltcp wrote is kept, further copies are sent by
//! this schedule, and smoltcp is asked for nothing until the handshake has moved on. The answer is
//! then handed in as if it had come one true round trip after the first copy: see
//! [`Handshake::arrival`].

use smoltcp::time::{Duration, Instant};

use crate::config::{ConnectPolicy, SynTiming};

/// The longest SYN: 40 bytes of IPv6, 20 of TCP, 40 of options.
const LONGEST: usize = 100;

/// A SYN or SYN|ACK and when it is sent again.
#[derive(Debug)]
pub(crate) struct Handshake {
    /// What the attempt does with errors.
    pub(crate) policy: ConnectPolicy,
    copy: heapless::Vec<u8, LONGEST>,
    timing: SynTiming,
    /// Replaces the schedule's end: the budget of TCP_MAXRT.
    budget: Option<Duration>,
    first: Instant,
    last: Instant,
    next: Instant,
    /// Copies made so far.
    sent: u32,
    /// Copies that a link or the loopback took. A neighbor that does not answer holds them back.
    pub(crate) left: u32,
}

/// What is to be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    /// Nothing before the deadline.
    Wait,
    /// Send the copy again.
    Send,
    /// Give up.
    End,
}

impl Handshake {
    pub(crate) fn new(timing: SynTiming, budget: Option<Duration>, now: Instant) -> Self {
        Self {
            policy: ConnectPolicy::IMMEDIATE,
            copy: heapless::Vec::new(),
            timing,
            budget,
            first: now,
            last: now,
            next: now,
            sent: 0,
            left: 0,
        }
    }

    /// Whether smoltcp has written the segment. From then on it must not be asked for egress
    /// until the handshake has moved on.
    pub(crate) fn started(&self) -> bool {
        self.sent > 0
    }

    /// Keeps the segment that smoltcp wrote, which is being sent now.
    pub(crate) fn keep(&mut self, now: Instant, packet: &[u8]) {
        self.copy.clear();
        // Longer than the longest SYN is impossible; then there is nothing to repeat.
        let _ = self.copy.extend_from_slice(packet);
        self.first = now;
        self.count(now);
    }

    fn count(&mut self, now: Instant) {
        self.sent += 1;
        self.last = now;
        self.next = later(now, self.timing.step(self.sent));
    }

    /// The segment, for another copy.
    pub(crate) fn copy(&self) -> &[u8] {
        &self.copy
    }

    /// Notes that another copy is being sent.
    pub(crate) fn repeat(&mut self, now: Instant) {
        self.count(now);
    }

    fn spent(&self) -> bool {
        self.budget.is_none() && self.sent > u32::from(self.timing.retries)
    }

    fn end(&self) -> Instant {
        let limit = match (self.budget, self.timing.total) {
            (Some(budget), _) => Some(later(self.first, budget)),
            (None, total) => total.map(|total| later(self.first, total)),
        };
        match (limit, self.spent()) {
            (Some(limit), true) => limit.min(self.next),
            (Some(limit), false) => limit,
            (None, true) => self.next,
            (None, false) => Instant::from_micros(i64::MAX),
        }
    }

    /// When [`Handshake::due`] has something to do.
    pub(crate) fn deadline(&self) -> Instant {
        self.next.min(self.end())
    }

    /// What to do at `now`.
    pub(crate) fn due(&self, now: Instant) -> Due {
        if now >= self.end() {
            Due::End
        } else if now >= self.next {
            Due::Send
        } else {
            Due::Wait
        }
    }

    /// Notes a RST that the policy says to try again after `delay`; false when the retries are
    /// spent.
    pub(crate) fn retry_after_reset(&mut self, now: Instant, delay: Duration) -> bool {
        let out_of_time = now >= self.end();
        if self.spent() || out_of_time {
            return false;
        }
        self.next = later(now, delay);
        true
    }

    /// The time at which smoltcp is told that the answer arrived.
    ///
    /// It measures from the first copy, so a handshake that took three copies would start the
    /// connection with an estimate of seconds. RFC 6298, section 3 (Karn's algorithm) forbids such
    /// a sample; moved by the age of the last copy it is the true round trip.
    pub(crate) fn arrival(&self, now: Instant) -> Instant {
        self.first + (now - self.last)
    }

    pub(crate) fn sent(&self) -> u32 {
        self.sent
    }

    pub(crate) fn first(&self) -> Instant {
        self.first
    }
}

/// `at + by` that stops at the end of time.
pub(crate) fn later(at: Instant, by: Duration) -> Instant {
    let micros = i64::try_from(by.total_micros()).unwrap_or(i64::MAX);
    Instant::from_micros(at.total_micros().saturating_add(micros))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(timing: SynTiming, budget: Option<Duration>) -> ([i64; 16], usize, i64) {
        let start = Instant::from_secs(100);
        let mut handshake = Handshake::new(timing, budget, start);
        handshake.keep(start, b"syn");
        let (mut times, mut count) = ([0; 16], 1);
        loop {
            let now = handshake.deadline();
            match handshake.due(now) {
                Due::Wait => panic!("a deadline with nothing to do"),
                Due::Send => {
                    times[count] = (now - start).total_millis() as i64;
                    count += 1;
                    handshake.repeat(now);
                }
                Due::End => return (times, count, (now - start).total_millis() as i64),
            }
        }
    }

    #[test]
    fn a_reset_does_not_prolong_the_budget() {
        let start = Instant::from_secs(100);
        let budget = Some(Duration::from_millis(1200));
        let mut handshake = Handshake::new(SynTiming::WINDOWS_10, budget, start);
        handshake.keep(start, b"syn");
        let heard = start + Duration::from_millis(1000);
        assert!(handshake.retry_after_reset(heard, Duration::from_millis(500)));
        assert_eq!(handshake.deadline(), start + Duration::from_millis(1200));
        assert_eq!(handshake.due(handshake.deadline()), Due::End);
    }

    #[test]
    fn windows_10_sends_five_and_ends_at_21_s() {
        let (times, count, end) = schedule(SynTiming::WINDOWS_10, None);
        assert_eq!(&times[..count], &[0, 1000, 3000, 7000, 15000]);
        assert_eq!(end, 21000);
    }

    #[test]
    fn windows_7_sends_three_and_ends_at_21_s() {
        let (times, count, end) = schedule(SynTiming::WINDOWS_7, None);
        assert_eq!(&times[..count], &[0, 3000, 9000]);
        assert_eq!(end, 21000);
    }

    #[test]
    fn two_retries_end_at_7_s() {
        let timing = SynTiming { retries: 2, ..SynTiming::WINDOWS_10 };
        assert_eq!(schedule(timing, None).2, 7000);
    }

    #[test]
    fn rfc_6298_ends_at_123_s_because_a_step_is_at_most_60_s() {
        let (times, count, end) = schedule(SynTiming::RFC_6298, None);
        assert_eq!(&times[..count], &[0, 1000, 3000, 7000, 15000, 31000, 63000]);
        assert_eq!(end, 123_000);
    }

    #[test]
    fn a_budget_replaces_count_and_total() {
        let (times, count, end) = schedule(SynTiming::WINDOWS_10, Some(Duration::from_secs(40)));
        assert_eq!(&times[..count], &[0, 1000, 3000, 7000, 15000, 31000]);
        assert_eq!(end, 40_000);
    }

    #[test]
    fn resets_are_retried_every_500_ms_until_the_retries_are_spent() {
        let start = Instant::ZERO;
        let delay = Duration::from_millis(500);
        let mut handshake = Handshake::new(SynTiming::WINDOWS_10, None, start);
        handshake.keep(start, b"syn");
        let mut now = start;
        while handshake.retry_after_reset(now, delay) {
            now = handshake.deadline();
            assert_eq!(handshake.due(now), Due::Send);
            handshake.repeat(now);
        }
        assert_eq!((now - start).total_millis(), 2000);
        assert_eq!(handshake.sent(), 5);
    }

    #[test]
    fn the_answer_is_handed_in_one_round_trip_after_the_first_copy() {
        let mut handshake = Handshake::new(SynTiming::WINDOWS_10, None, Instant::ZERO);
        handshake.keep(Instant::ZERO, b"syn");
        handshake.repeat(Instant::from_millis(1000));
        let answered = handshake.arrival(Instant::from_millis(1030));
        assert_eq!(answered, Instant::from_millis(30));
    }
}
