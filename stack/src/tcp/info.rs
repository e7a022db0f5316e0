//! What a connection can tell about itself in numbers.

use smoltcp::socket::tcp::State;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::TcpSeqNumber;

use super::moment::Moment;

/// The numbers of one connection. What the stack does not know it does not tell: smoltcp keeps the
/// congestion window to itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct TcpInfo {
    /// Its state; CLOSED once it failed.
    pub state: State,
    /// The largest payload of a segment to the peer, in bytes.
    pub mss: u16,
    /// Since when it is established.
    pub connected_at: Option<Instant>,
    /// The smoothed round-trip time (RFC 6298, section 2), once there was a sample.
    pub rtt: Option<Duration>,
    /// The shortest round-trip time so far.
    pub min_rtt: Option<Duration>,
    /// Bytes that were sent and are not acknowledged.
    pub bytes_in_flight: usize,
    /// Bytes that the peer has room for behind what it acknowledged.
    pub send_window: usize,
    /// Bytes that the peer was told it may send.
    pub receive_window: usize,
    /// The receive buffer in bytes.
    pub receive_buffer: usize,
    /// Payload bytes sent, each counted once.
    pub bytes_out: u64,
    /// Payload bytes received in order, each counted once.
    pub bytes_in: u64,
    /// Payload bytes that arrived before something that was sent earlier.
    pub bytes_reordered: u64,
    /// Payload bytes sent again.
    pub bytes_retransmitted: u64,
    /// Segments sent again because of duplicate acknowledgments.
    pub fast_retransmits: u32,
    /// Times that the retransmission timer ran out, consecutive ones counted once.
    pub timeout_episodes: u32,
    /// Duplicate acknowledgments received (RFC 5681, section 2).
    pub duplicate_acks: u32,
    /// SYNs, or SYN|ACKs, sent again.
    pub syn_retransmits: u32,
}

/// Duplicate acknowledgments that make the sender repeat a segment (RFC 5681, section 3.2).
pub(super) const FAST: u32 = 3;

/// A clock that stands still between sending and hearing has seen that little (RFC 6298, section
/// 2: its G).
const GRANULARITY: Duration = Duration::from_micros(1);

/// Counts what passes the segment stage.
#[derive(Debug, Default)]
pub(crate) struct Measure {
    /// What is being timed: its end, and when it was sent. Never anything that was sent twice
    /// (RFC 6298, section 3).
    timed: (TcpSeqNumber, Moment),
    rtt: Span,
    min_rtt: Span,
    pub(crate) bytes_out: u64,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_reordered: u64,
    pub(crate) bytes_retransmitted: u64,
    pub(crate) fast_retransmits: u32,
    pub(crate) timeout_episodes: u32,
    pub(crate) duplicate_acks: u32,
    /// Since something new was acknowledged.
    pub(super) duplicates: u32,
    pub(super) fast: bool,
    timed_out: bool,
}

/// A round-trip time of at most 71 minutes in four bytes, or none.
#[derive(Debug, Clone, Copy, Default)]
struct Span(u32);

impl From<Duration> for Span {
    fn from(time: Duration) -> Self {
        // No sample is shorter than the granularity.
        Self(u32::try_from(time.total_micros()).unwrap_or(u32::MAX))
    }
}

impl From<Span> for Option<Duration> {
    fn from(span: Span) -> Self {
        (span.0 > 0).then(|| Duration::from_micros(span.0.into()))
    }
}

impl Measure {
    /// A segment goes out for the first time. `end` is the sequence number behind it.
    pub(crate) fn sent(&mut self, now: Instant, end: TcpSeqNumber, payload: usize) {
        if !self.timed.1.is_some() {
            self.timed = (end, now.into());
        }
        self.bytes_out += payload as u64;
    }

    /// Something goes out again.
    pub(crate) fn repeated(&mut self, payload: usize) {
        self.timed.1 = Moment::NONE;
        self.bytes_retransmitted += payload as u64;
    }

    /// The oldest segment goes out again.
    pub(crate) fn lost(&mut self) {
        if self.duplicates >= FAST && !self.fast {
            self.fast = true;
            self.fast_retransmits += 1;
        } else if !self.timed_out {
            self.timed_out = true;
            self.timeout_episodes += 1;
        }
    }

    pub(crate) fn duplicate(&mut self) {
        self.duplicates += 1;
        self.duplicate_acks += 1;
    }

    /// The peer acknowledges everything before `acknowledgment`, and something of it is new.
    pub(crate) fn acknowledged(&mut self, now: Instant, acknowledgment: TcpSeqNumber) {
        (self.duplicates, self.fast, self.timed_out) = (0, false, false);
        if let (end, Some(at)) = (self.timed.0, self.timed.1.get())
            && end <= acknowledgment
        {
            self.timed.1 = Moment::NONE;
            let sample = (now - at).max(GRANULARITY);
            // RFC 6298, section 2: alpha is 1/8, and the first sample is taken as it is.
            self.rtt = self.rtt().map_or(sample, |smoothed| (smoothed * 7 + sample) / 8).into();
            self.min_rtt = self.min_rtt().map_or(sample, |least| least.min(sample)).into();
        }
    }

    /// The smoothed round-trip time, once there was a sample.
    pub(crate) fn rtt(&self) -> Option<Duration> {
        self.rtt.into()
    }

    /// The shortest one.
    pub(crate) fn min_rtt(&self) -> Option<Duration> {
        self.min_rtt.into()
    }
}
