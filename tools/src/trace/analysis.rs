//! What a connection did, as seen on one side: new data, retransmissions, acknowledgments,
//! windows.

use std::collections::BTreeMap;

use super::capture::Side;
use super::flow::{Entry, Flow};

/// What a segment that takes sequence numbers is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It was not there before.
    New,
    /// At least a part of it was, or it fills a hole too late to have been overtaken.
    Retransmission,
    /// It fills a hole so soon that it was overtaken.
    OutOfOrder,
    /// The byte before the next one, once more.
    KeepAlive,
    /// One byte into a closed window.
    WindowProbe,
}

/// A segment that takes sequence numbers, or a RST.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sent {
    /// Index of the entry.
    pub entry: usize,
    /// When, in nanoseconds.
    pub at: i64,
    /// The first relative sequence number.
    pub seq: i64,
    /// The one behind the last.
    pub end: i64,
    /// What it is.
    pub kind: Kind,
}

/// An acknowledgment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Acknowledged {
    /// Index of the entry.
    pub entry: usize,
    /// When, in nanoseconds.
    pub at: i64,
    /// The next sequence number that is awaited.
    pub ack: i64,
    /// The window in bytes.
    pub window: u64,
    /// For which time in a row it is a duplicate; 0 when it is none.
    pub duplicate: u32,
}

/// What one end sent, and what the other said to it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Track {
    /// The segments.
    pub sent: Vec<Sent>,
    /// The acknowledgments.
    pub acknowledged: Vec<Acknowledged>,
    /// Bytes of payload, repeated ones included.
    pub bytes: u64,
    /// How many segments had payload.
    pub segments: u64,
    /// How many segments were retransmissions.
    pub retransmissions: u64,
}

/// A flow as seen on one side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Analysis {
    /// The side.
    pub side: Side,
    /// What was sent by each of the ends.
    pub tracks: [Track; 2],
    /// By how many bits each end's window is shifted: `None` when no handshake was seen.
    pub scales: Option<[u8; 2]>,
    /// Segments on this side.
    pub packets: u64,
    /// How it began.
    pub began: String,
    /// How it ended.
    pub ended: String,
}

/// Wireshark's limit between what was overtaken and what was sent again.
const OVERTAKEN: i64 = 3_000_000;

/// What one end has sent so far.
#[derive(Debug, Default)]
struct Progress {
    /// What was there: from, to.
    seen: BTreeMap<i64, i64>,
    /// The highest number, and when it was reached.
    end: i64,
    reached: i64,
    /// The last acknowledgment and window that it sent.
    told: Option<(i64, u64)>,
    duplicates: u32,
}

impl Progress {
    fn has_any(&self, from: i64, to: i64) -> bool {
        self.seen.range(..to).next_back().is_some_and(|(_, &end)| end > from)
    }

    fn add(&mut self, mut from: i64, mut to: i64) {
        while let Some((&start, &end)) = self.seen.range(..=to).next_back() {
            if end < from {
                break;
            }
            (from, to) = (from.min(start), to.max(end));
            self.seen.remove(&start);
        }
        self.seen.insert(from, to);
    }
}

/// Follows a flow on `side`.
pub(super) fn follow(flow: &Flow, side: Side) -> Analysis {
    let scales = scales(flow, side);
    let mut analysis = Analysis {
        side,
        tracks: Default::default(),
        scales,
        packets: 0,
        began: began(flow, side),
        ended: ended(flow, side),
    };
    let mut progress: [Progress; 2] = Default::default();
    for (index, entry) in flow.entries.iter().enumerate() {
        if entry.side != side {
            continue;
        }
        analysis.packets += 1;
        let other = 1 - entry.from;
        if let Some(kind) = kind(entry, &progress) {
            let own = &mut progress[entry.from];
            let track = &mut analysis.tracks[entry.from];
            let (at, seq, end) = (entry.at, entry.seq, entry.end());
            track.sent.push(Sent { entry: index, at, seq, end, kind });
            track.bytes += u64::from(entry.segment.length);
            track.segments += u64::from(entry.segment.length > 0);
            track.retransmissions += u64::from(kind == Kind::Retransmission);
            // A probed byte is sent again when there is room.
            let counts = !entry.segment.rst && kind != Kind::WindowProbe;
            if end > seq && counts {
                own.add(seq, end);
                if end > own.end {
                    (own.end, own.reached) = (end, at);
                }
            }
        }
        if let Some(ack) = entry.ack.filter(|_| !entry.segment.rst) {
            let window = window(entry, scales);
            let outstanding = progress[other].end > ack;
            let own = &mut progress[entry.from];
            let bare = entry.segment.span() == 0;
            let same = own.told.is_some_and(|(last, size)| last == ack && size == window);
            own.duplicates = match () {
                () if bare && same && outstanding && window > 0 => own.duplicates + 1,
                () if bare => 0,
                () => own.duplicates,
            };
            let duplicate = if bare { own.duplicates } else { 0 };
            own.told = Some((ack, window));
            let at = entry.at;
            let told = Acknowledged { entry: index, at, ack, window, duplicate };
            analysis.tracks[other].acknowledged.push(told);
        }
    }
    analysis
}

/// What a segment is; `None` for a bare acknowledgment.
fn kind(entry: &Entry, progress: &[Progress; 2]) -> Option<Kind> {
    let segment = &entry.segment;
    let (own, other) = (&progress[entry.from], &progress[1 - entry.from]);
    let (seq, end) = (entry.seq, entry.end());
    let plain = !segment.syn && !segment.fin && !segment.rst;
    let acknowledged = other.told.is_some_and(|(ack, _)| ack >= own.end);
    if plain && segment.length <= 1 && own.end >= 1 && seq == own.end - 1 && acknowledged {
        return Some(Kind::KeepAlive);
    }
    if segment.rst {
        return Some(Kind::New);
    }
    if end == seq {
        return None;
    }
    let closed = other.told.is_some_and(|(_, window)| window == 0);
    if plain && segment.length == 1 && closed {
        return Some(Kind::WindowProbe);
    }
    if own.has_any(seq, end) {
        return Some(Kind::Retransmission);
    }
    if seq < own.end {
        let soon = entry.at.saturating_sub(own.reached) <= OVERTAKEN;
        return Some(if soon { Kind::OutOfOrder } else { Kind::Retransmission });
    }
    Some(Kind::New)
}

/// The window of an entry in bytes. That of a SYN is never scaled (RFC 7323 section 2.2).
pub(super) fn window(entry: &Entry, scales: Option<[u8; 2]>) -> u64 {
    let scale = match scales {
        Some(scales) if !entry.segment.syn => scales[entry.from],
        _ => 0,
    };
    u64::from(entry.segment.window) << scale
}

/// Windows are scaled when both SYNs have the option; a handshake whose answer was not seen
/// leaves it open.
fn scales(flow: &Flow, side: Side) -> Option<[u8; 2]> {
    let syn = |end: usize| {
        let here = flow.entries.iter().filter(|entry| entry.side == side);
        // What was lost has told nobody.
        let mut syns = here.filter(|entry| entry.from == end && entry.segment.syn);
        syns.next().map(|entry| entry.segment.scale)
    };
    match (syn(0)?, syn(1)?) {
        (Some(first), Some(second)) => Some([first, second]),
        _ => Some([0, 0]),
    }
}

fn here(flow: &Flow, side: Side) -> impl Iterator<Item = &Entry> {
    flow.entries.iter().filter(move |entry| entry.side == side)
}

fn began(flow: &Flow, side: Side) -> String {
    let any = |end: usize, ack: bool| {
        here(flow, side).any(|entry| {
            entry.from == end && entry.segment.syn && entry.segment.ack.is_some() == ack
        })
    };
    match (any(0, false), any(1, true), any(1, false)) {
        (true, _, true) => "simultaneous open",
        (true, true, _) => "handshake",
        (true, false, _) => "SYN",
        (false, true, _) => "SYN-ACK",
        (false, false, _) if here(flow, side).next().is_none() => "not on this side",
        (false, false, _) => "in the middle",
    }
    .to_string()
}

fn ended(flow: &Flow, side: Side) -> String {
    if let Some(reset) = here(flow, side).find(|entry| entry.segment.rst) {
        return format!("RST from {}", flow.ends[reset.from]);
    }
    let finished =
        [0, 1].map(|end| here(flow, side).any(|entry| entry.from == end && entry.segment.fin));
    match finished {
        [true, true] => return "FIN from both".into(),
        [true, false] => return format!("FIN from {} alone", flow.ends[0]),
        [false, true] => return format!("FIN from {} alone", flow.ends[1]),
        [false, false] => {}
    }
    let answered = here(flow, side).any(|entry| entry.from == 1);
    match flow.errors.first() {
        Some((_, control)) if !answered => control.text.clone(),
        _ if !answered => "no answer".into(),
        _ => "open".into(),
    }
}
