//! The segment stage: the one place where a connection's segments are seen, changed or held on
//! their way between smoltcp and the network.
//!
//! It keeps a mirror of the few sequence numbers that smoltcp does not show, clamps the segment
//! size to the link (smoltcp itself runs with the largest MTU there is), counts retransmissions
//! that nobody answers, and hides from smoltcp what it would trip over.

use smoltcp::socket::tcp::State;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::TcpSeqNumber;

use super::handshake::later;
use super::info::{FAST, Measure, TcpInfo};
use super::moment::Moment;
use super::recovery::Recovery;
use super::segment::{ACK, FIN, RST, SYN, Segment, past};

/// The least time between two challenges of a connection, as Linux has it.
const CHALLENGES: Duration = Duration::from_millis(500);

/// What the stage needs to know about the way that segments take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Path {
    /// The largest segment that the link carries; `None` on the loopback.
    pub(crate) mss: Option<u16>,
    /// IPv6 flow label of every packet.
    pub(crate) flow_label: u32,
}

/// What comes of a segment on its way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// smoltcp gets it.
    Show,
    /// It ends here.
    Hide,
    /// It ends here, and the peer is told where this side stands (RFC 5961).
    Challenge,
}

/// What comes of a segment on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Departure {
    /// It is sent.
    Send,
    /// It would be one repetition too many: the connection is given up instead.
    GiveUp,
}

/// The mirror of one connection.
#[derive(Debug)]
pub(crate) struct Stage {
    path: Path,
    initial: TcpSeqNumber,
    /// SND.UNA: the oldest sequence number that is not acknowledged.
    unacknowledged: TcpSeqNumber,
    /// The end of the furthest segment that was ever sent.
    furthest: TcpSeqNumber,
    /// The same without probes: what the peer once said it has room for.
    permitted: TcpSeqNumber,
    /// The sequence number of our FIN, once sent.
    fin: Option<TcpSeqNumber>,
    acknowledged: TcpSeqNumber,
    /// RCV.NXT: the next sequence number of the peer's; `None` before its SYN.
    expected: Option<TcpSeqNumber>,
    /// The end of what arrived behind a hole that is not filled yet.
    gap: Option<TcpSeqNumber>,
    /// The peer's FIN was accepted.
    finished: bool,
    /// The right edge of the peer's window.
    edge: TcpSeqNumber,
    /// SND.WL1 and SND.WL2: the segment that last moved the edge.
    edge_sequence: TcpSeqNumber,
    edge_acknowledgment: TcpSeqNumber,
    peer_shift: u8,
    /// The window last advertised, in units of its scale.
    window: u16,
    shift: u8,
    /// Where the window of our SYN|ACK ends, until smoltcp announces another.
    first_edge: Option<TcpSeqNumber>,
    /// When the next challenge may be sent.
    challenge_at: Moment,
    /// The window field that smoltcp was last shown.
    shown: u16,
    pub(crate) recovery: Recovery,
    /// Repetitions of the oldest segment since it was first sent.
    retries: u8,
    /// Probes since the peer was last heard.
    probes: u8,
    /// Since when something is unacknowledged without any progress.
    waiting_since: Moment,
    probing_since: Instant,
    /// When the peer last said that its window is closed, which is an answer too, or when
    /// something was repeated to it for the first time after that.
    closed_at: Instant,
    started: bool,
    /// The largest segment that the peer takes, as its SYN said.
    peer_mss: u16,
    pub(crate) measure: Measure,
}

/// What a peer takes that does not say (RFC 9293, section 3.7.1).
const DEFAULT_MSS: u16 = 536;

/// What smoltcp sends to a peer that takes less.
const LEAST_MSS: usize = 48;

impl Stage {
    pub(crate) fn new(path: Path, now: Instant) -> Self {
        let zero = TcpSeqNumber(0);
        Self {
            path,
            initial: zero,
            unacknowledged: zero,
            furthest: zero,
            permitted: zero,
            fin: None,
            acknowledged: zero,
            expected: None,
            gap: None,
            finished: false,
            edge: zero,
            edge_sequence: zero,
            edge_acknowledgment: zero,
            peer_shift: 0,
            window: 0,
            shift: 0,
            first_edge: None,
            challenge_at: Moment::NONE,
            shown: 0,
            recovery: Recovery::default(),
            retries: 0,
            probes: 0,
            waiting_since: Moment::NONE,
            probing_since: now,
            closed_at: now,
            started: false,
            peer_mss: u16::MAX,
            measure: Measure::default(),
        }
    }

    /// A segment that smoltcp wrote passes out. `retries` is how often it may be repeated in vain,
    /// if anything but time limits that.
    pub(crate) fn depart(
        &mut self,
        now: Instant,
        packet: &mut [u8],
        retries: Option<u8>,
    ) -> Departure {
        let spent = |count: u8| retries.is_some_and(|most| count >= most);
        let Some(mut segment) = Segment::parse(packet) else { return Departure::Send };
        if segment.has(RST) {
            return Departure::Send;
        }
        if segment.has(SYN) {
            if let Some(limit) = self.path.mss {
                segment.clamp_mss(packet, limit);
            }
            self.shift = segment.window_scale(packet).unwrap_or(0);
            if !self.started {
                self.started = true;
                self.initial = segment.sequence;
                self.unacknowledged = segment.sequence;
                self.furthest = segment.end();
                self.permitted = segment.end();
                self.measure.sent(now, segment.end(), 0);
            }
        }
        if segment.has(ACK) {
            self.acknowledged = segment.acknowledgment;
            self.window = segment.window;
            self.first_edge = None;
        }
        if segment.has(SYN) {
            // The window of a SYN is not scaled (RFC 7323, section 2.2).
            self.window = segment.window >> self.shift;
            self.first_edge = (segment.has(ACK) && self.shift > 0)
                .then(|| past(segment.acknowledgment, segment.window.into()));
        }
        if segment.span() == 0 {
            // After a retransmission time-out smoltcp numbers its bare acknowledgments from where
            // it starts again. The peer has that behind it, must discard them (RFC 9293, section
            // 3.10.7.4), and if the other side does the same neither ever hears the other again.
            if self.started && segment.sequence < self.furthest {
                segment.set_sequence(packet, self.furthest);
            }
            return Departure::Send;
        }
        if segment.has(SYN) {
            return Departure::Send;
        }
        if segment.has(FIN) {
            self.fin = Some(past(segment.sequence, segment.payload));
        }
        // A lone byte probes a closed window. It is no repetition, and must not go on for ever when
        // nobody answers (RFC 1122, section 4.2.2.17: a peer that answers probes is never given
        // up).
        if self.peer_window() == 0 && segment.payload <= 1 {
            if self.probes == 0 {
                self.probing_since = now;
            }
            if spent(self.probes) {
                return Departure::GiveUp;
            }
            self.probes = self.probes.saturating_add(1);
        } else {
            if segment.sequence == self.unacknowledged && segment.sequence < self.furthest {
                let fast = self.measure.duplicates >= FAST && !self.measure.fast;
                if !self.recovery.repeated(now, self.measure.rtt(), fast) {
                    if spent(self.retries) {
                        return Departure::GiveUp;
                    }
                    if self.retries == 0 && self.peer_window() == 0 {
                        self.closed_at = now;
                    }
                    if segment.sequence < self.permitted {
                        self.measure.lost();
                    }
                    self.retries = self.retries.saturating_add(1);
                }
            }
            if self.permitted < segment.end() {
                self.permitted = segment.end();
            }
        }
        let fresh =
            ahead(self.furthest, past(segment.sequence, segment.payload)).min(segment.payload);
        if fresh < segment.payload {
            self.measure.repeated(segment.payload - fresh);
        }
        if self.furthest < segment.end() {
            self.furthest = segment.end();
            self.measure.sent(now, segment.end(), fresh);
        } else {
            self.measure.repeated(0);
        }
        if !self.waiting_since.is_some() {
            self.waiting_since = now.into();
        }
        Departure::Send
    }

    /// A segment arrives; `packet` may be changed before smoltcp gets it.
    pub(crate) fn arrive(
        &mut self,
        segment: &mut Segment,
        packet: &mut [u8],
        unsent: bool,
    ) -> Verdict {
        if segment.has(SYN)
            && let Some(limit) = self.path.mss
        {
            // smoltcp takes the smaller of this and its own MTU, which is the largest there is.
            segment.clamp_mss(packet, limit);
        }
        if segment.has(SYN) && self.expected.is_none() {
            self.peer_mss = segment.mss(packet).unwrap_or(DEFAULT_MSS);
        }
        if let Some(expected) = self.expected {
            if segment.has(RST) {
                // smoltcp reads a RST that carries a FIN as nonsense. A RST is a RST.
                segment.strip(packet, FIN);
                return self.judge_reset(expected, segment.sequence);
            }
            if self.finished && segment.payload > 0 && expected < segment.end() {
                // Nothing comes behind a FIN (RFC 9293, section 3.10.7.4), but smoltcp takes it.
                return Verdict::Challenge;
            }
            if segment.has(SYN) {
                // RFC 5961, section 4.2: whoever really began anew answers with a RST.
                return Verdict::Challenge;
            }
        }
        if self.first_edge.is_some_and(|edge| edge < past(segment.sequence, segment.payload)) {
            // smoltcp takes the window of its SYN|ACK for a scaled one, so it would take in what
            // its buffer has no room for, and trip over it.
            return Verdict::Challenge;
        }
        self.probes = 0;
        self.count(segment);
        if segment.has(ACK) && !segment.has(SYN) && !segment.has(RST) {
            let synchronized = self.unacknowledged != self.initial;
            if synchronized && self.furthest < segment.acknowledgment {
                // It acknowledges what was never sent (RFC 9293, section 3.10.7.4). smoltcp would
                // believe it as long as the bytes are at least queued.
                return Verdict::Challenge;
            }
            // Before our SYN is acknowledged only its exact acknowledgment counts; smoltcp answers
            // any other with a RST, and nothing of it is remembered.
            if synchronized || segment.acknowledgment == self.furthest {
                self.straighten(segment, packet);
            }
        }
        let only_fin_is_out = self.fin == Some(self.unacknowledged) && !unsent;
        if only_fin_is_out
            && segment.span() == 0
            && segment.has(ACK)
            && !segment.has(RST)
            && segment.acknowledgment == self.unacknowledged
            && self.acknowledged <= segment.sequence
        {
            // Three duplicate acknowledgments make smoltcp 0.14 start a fast retransmission. With
            // no data left to retransmit it sends nothing, and its timer is gone: the FIN would
            // never be repeated. Unseen, they leave the retransmission timer running. A probe of
            // the peer's, which begins before what it was told, is shown: it wants an answer.
            return Verdict::Hide;
        }
        self.shown = segment.window;
        Verdict::Show
    }

    /// Notes what a segment says about the order in which segments travel.
    fn count(&mut self, segment: &Segment) {
        if segment.payload > 0 && self.expected.is_some_and(|expected| expected < segment.sequence)
        {
            self.measure.bytes_reordered += segment.payload as u64;
            let end = segment.sequence + segment.payload;
            if self.gap.is_none_or(|gap| gap < end) {
                self.gap = Some(end);
            }
        }
        // RFC 5681, section 2: nothing but the same acknowledgment and the same window, while
        // something is under way.
        let offered = past(segment.acknowledgment, usize::from(segment.window) << self.peer_shift);
        if segment.flags & (SYN | FIN | RST | ACK) == ACK
            && segment.payload == 0
            && segment.acknowledgment == self.unacknowledged
            && self.unacknowledged < self.furthest
            && offered == self.edge
        {
            self.measure.duplicate();
        }
    }

    /// RFC 5961, section 3.2: only the exact number resets; elsewhere in the window it may be a
    /// guess.
    fn judge_reset(&self, expected: TcpSeqNumber, sequence: TcpSeqNumber) -> Verdict {
        let edge = past(self.acknowledged, usize::from(self.window) << self.shift);
        if sequence == expected {
            Verdict::Show
        } else if expected < sequence && sequence < edge {
            Verdict::Challenge
        } else {
            Verdict::Hide
        }
    }

    /// What to show smoltcp so that it takes the oldest segment for lost: sequence number,
    /// acknowledgment and window of the peer's. `None` when nothing is to be sent again.
    pub(crate) fn nudge(&mut self, now: Instant) -> Option<(TcpSeqNumber, TcpSeqNumber, u16)> {
        // Into a closed window smoltcp sends probes alone; and where the FIN is all that is left, it
        // would send nothing ever again (see `arrive`).
        let possible = self.shown > 0 && self.fin != Some(self.unacknowledged);
        let furthest = possible.then_some(self.furthest);
        self.recovery.ask(now, furthest).then_some((
            self.expected?,
            self.unacknowledged,
            self.shown,
        ))
    }

    /// The numbers of a challenge, unless one was sent just now (RFC 5961, section 7).
    pub(crate) fn challenge(&mut self, now: Instant) -> Option<(TcpSeqNumber, TcpSeqNumber, u16)> {
        let expected = self.expected?;
        if self.challenge_at.get().is_some_and(|at| now < at) {
            return None;
        }
        self.challenge_at = later(now, CHALLENGES).into();
        self.acknowledged = expected;
        Some((self.furthest, expected, self.window))
    }

    /// A SYN|ACK arrives in SYN-RECEIVED: in a simultaneous open both sides answer the other's SYN
    /// with one (RFC 9293, figure 7). Its SYN is known, which is all that smoltcp looks at; what
    /// counts is the acknowledgment, and the peer has no reason to send another.
    pub(crate) fn crossed(&self, segment: &mut Segment, packet: &mut [u8]) {
        if segment.acknowledgment == past(self.initial, 1) {
            segment.strip_syn(packet);
            // Only the window of a segment without SYN is scaled.
            segment.set_window(packet, segment.window >> self.peer_shift);
        }
    }

    /// Makes a segment that was overtaken say nothing that is older than what is known.
    fn straighten(&mut self, segment: &mut Segment, packet: &mut [u8]) {
        let offered = past(segment.acknowledgment, usize::from(segment.window) << self.peer_shift);
        let (sequence, acknowledgment) = (segment.sequence, segment.acknowledgment);
        // RFC 9293, section 3.10.7.4: only a segment that is not older moves the window back, and
        // one whose acknowledgment is older moves it not at all.
        let newer = self.edge_sequence < sequence
            || (self.edge_sequence == sequence && self.edge_acknowledgment <= acknowledgment);
        if acknowledgment < self.unacknowledged {
            // smoltcp drops a segment with an old acknowledgment, and the data in it.
            segment.set_acknowledgment(packet, self.unacknowledged);
        } else if newer {
            (self.edge_sequence, self.edge_acknowledgment) = (sequence, acknowledgment);
            self.edge = offered;
        } else if self.edge < offered {
            self.edge = offered;
        }
        // Whatever was sent was permitted, so it may be repeated. If the window that smoltcp sees
        // were closed over it, its retransmission timer would fire once, stop, and never be
        // started again.
        let shown = segment.acknowledgment;
        // In units of the peer's scale, the one rounded down and the other up.
        let shift = self.peer_shift;
        let permitted = ahead(shown, self.permitted);
        let up = permitted >> shift << shift != permitted;
        let window = (ahead(shown, self.edge) >> shift).max((permitted >> shift) + usize::from(up));
        let window = u16::try_from(window).unwrap_or(u16::MAX);
        if window != segment.window {
            segment.set_window(packet, window);
        }
    }

    fn peer_window(&self) -> usize {
        ahead(self.unacknowledged, self.edge)
    }

    /// smoltcp has taken `received` bytes of `segment` and those before it, and went from `before`
    /// to `after`.
    pub(crate) fn accepted(
        &mut self,
        now: Instant,
        segment: &Segment,
        packet: &[u8],
        received: usize,
        before: State,
        after: State,
    ) {
        if segment.has(SYN) && matches!(before, State::Listen | State::SynSent) && before != after {
            self.expected = Some(past(segment.sequence, 1));
            if segment.window_scale(packet).is_none() {
                self.shift = 0;
            }
            self.peer_shift = segment.window_scale(packet).unwrap_or(0);
            // The window of a SYN is not scaled (RFC 7323, section 2.2). A bare SYN acknowledges
            // nothing: the window begins with our first data.
            self.edge = past(self.initial, 1 + usize::from(segment.window));
            self.edge_sequence = segment.sequence;
            self.edge_acknowledgment = self.initial;
        }
        if segment.has(ACK)
            && segment.acknowledgment > self.unacknowledged
            && segment.acknowledgment <= self.furthest
        {
            self.unacknowledged = segment.acknowledgment;
            self.measure.acknowledged(now, segment.acknowledgment);
            self.retries = 0;
            self.waiting_since = (self.unacknowledged < self.furthest).then_some(now).into();
            self.recovery.acknowledged(segment.acknowledgment);
        } else if self.measure.duplicates > 0 {
            let third = self.measure.duplicates == FAST;
            self.recovery.duplicates(now, self.measure.rtt(), third, self.furthest);
        }
        if segment.has(ACK) && self.peer_window() == 0 {
            self.retries = 0;
            self.closed_at = now;
        }
        let fin = segment.has(FIN) && !closed_by_peer(before) && closed_by_peer(after);
        self.finished |= fin;
        self.measure.bytes_in += received as u64;
        if let Some(expected) = &mut self.expected {
            *expected = past(*expected, received + usize::from(fin));
            self.gap = self.gap.filter(|gap| *expected < *gap);
        }
    }

    /// Whether `sequence` lies in what was sent and is not acknowledged (RFC 5927, section 4.1).
    pub(crate) fn in_flight(&self, sequence: u32) -> bool {
        let sequence = TcpSeqNumber(sequence as i32);
        self.started && self.unacknowledged <= sequence && sequence < self.furthest
    }

    /// When a connection with this budget is given up, if nothing is heard until then.
    pub(crate) fn budget_ends(&self, budget: Duration) -> Option<Instant> {
        let probing = (self.probes > 0).then_some(self.probing_since);
        // Between two probes of a closed window there is nothing that could be answered.
        let asked = self.retries > 0 || self.peer_window() > 0;
        let silent =
            self.waiting_since.get().filter(|_| asked).map(|since| since.max(self.closed_at));
        let since = [probing, silent].into_iter().flatten().min()?;
        Some(later(since, budget))
    }

    /// When nothing will have been acknowledged for so long, whatever else was heard.
    pub(crate) fn stalled_at(&self, limit: Duration) -> Option<Instant> {
        self.waiting_since.get().map(|since| later(since, limit))
    }

    /// How often the oldest segment was repeated, and since when it waits.
    pub(crate) fn unanswered(&self, now: Instant) -> (u32, Instant, bool) {
        match (self.retries, self.probes) {
            (0, probes @ 1..) => (u32::from(probes), self.probing_since, true),
            (retries, _) => {
                let since = self.waiting_since.get().map_or(now, |since| since.max(self.closed_at));
                (u32::from(retries), since, false)
            }
        }
    }

    /// Whether nothing waits for what is missing before it.
    pub(crate) fn is_whole(&self) -> bool {
        self.gap.is_none()
    }

    /// Whether everything that was sent is acknowledged.
    pub(crate) fn is_idle(&self) -> bool {
        self.furthest <= self.unacknowledged
    }

    /// The numbers of a probe that the peer must answer: it begins with a byte that it has.
    pub(crate) fn probe(&self) -> (TcpSeqNumber, TcpSeqNumber, u16) {
        let (next, expected, window) = self.rest();
        (TcpSeqNumber(next.0.wrapping_sub(1)), expected, window)
    }

    /// The IPv6 flow label of every packet; 0 for none.
    pub(crate) fn flow_label(&self) -> u32 {
        self.path.flow_label
    }

    /// The largest segment that the peer takes, as smoltcp understands its SYN: no less than 48
    /// bytes.
    pub(crate) fn peer_mss(&self) -> usize {
        match self.peer_mss {
            0 => DEFAULT_MSS.into(),
            mss => usize::from(mss).max(LEAST_MSS),
        }
    }

    /// The numbers that the stage knows.
    pub(crate) fn info(&self) -> TcpInfo {
        let measure = &self.measure;
        TcpInfo {
            state: State::Closed,
            mss: self.path.mss.unwrap_or(u16::MAX).min(self.peer_mss),
            connected_at: None,
            rtt: measure.rtt(),
            min_rtt: measure.min_rtt(),
            bytes_in_flight: ahead(self.unacknowledged, self.furthest),
            send_window: self.peer_window(),
            receive_window: usize::from(self.window) << self.shift,
            receive_buffer: 0,
            bytes_out: measure.bytes_out,
            bytes_in: measure.bytes_in,
            bytes_reordered: measure.bytes_reordered,
            bytes_retransmitted: measure.bytes_retransmitted,
            fast_retransmits: measure.fast_retransmits,
            timeout_episodes: measure.timeout_episodes,
            duplicate_acks: measure.duplicate_acks,
            syn_retransmits: 0,
        }
    }

    /// The numbers that answer for this connection once it rests in TIME-WAIT: the next sequence
    /// number of ours, the next that we expect, and the window last advertised.
    pub(crate) fn rest(&self) -> (TcpSeqNumber, TcpSeqNumber, u16) {
        (self.furthest, self.expected.unwrap_or(self.acknowledged), self.window)
    }

    /// The first sequence number of this side.
    pub(crate) fn initial(&self) -> TcpSeqNumber {
        self.initial
    }
}

/// How far `to` is ahead of `from`, 0 where it is not. smoltcp's own subtraction panics when they
/// are exactly half of the sequence space apart, where each is "less" than the other.
fn ahead(from: TcpSeqNumber, to: TcpSeqNumber) -> usize {
    usize::try_from(to.0.wrapping_sub(from.0)).unwrap_or(0)
}

fn closed_by_peer(state: State) -> bool {
    matches!(state, State::CloseWait | State::Closing | State::LastAck | State::TimeWait)
}
