//! Which packets belong to which connection, and how its sequence numbers count.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use tapsock_stack::link::Direction;

use super::capture::{Capture, Side};
use super::comment::{self, Mark};
use super::packet::{self, Control, Seen, Segment};

/// A segment of a flow, on one side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Index of the packet in the capture.
    pub packet: usize,
    /// Where it was recorded.
    pub side: Side,
    /// When, in nanoseconds.
    pub at: i64,
    /// Which of the flow's ends sent it: 0 or 1.
    pub from: usize,
    /// The segment.
    pub segment: Segment,
    /// Its first sequence number, relative to the sender's SYN.
    pub seq: i64,
    /// What it acknowledges, relative to the other end's SYN.
    pub ack: Option<i64>,
    /// Its SACK blocks, relative as `ack`.
    pub sack: Vec<(i64, i64)>,
    /// What faults did to it.
    pub marks: Vec<Mark>,
}

impl Entry {
    /// The relative sequence number behind it.
    pub(super) fn end(&self) -> i64 {
        self.seq.saturating_add(self.segment.span().into())
    }

    /// The mark of the fault that it was lost to.
    pub(super) fn lost(&self) -> Option<&Mark> {
        self.marks.iter().find(|mark| mark.loss)
    }
}

/// A TCP connection, or an attempt at one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Flow {
    /// Its number; the first of the capture is 1.
    pub number: usize,
    /// The end that opened it, as far as that is known, and the other.
    pub ends: [SocketAddr; 2],
    /// Which of the two is the stack that the capture was made at, where it says so.
    pub local: Option<usize>,
    /// All its segments, on all sides.
    pub entries: Vec<Entry>,
    /// The ICMP errors about it: index of the packet, and what it says.
    pub errors: Vec<(usize, Control)>,
    /// Its initial sequence numbers.
    initial: [Option<u32>; 2],
    /// Whether it was over before its last segment.
    closed: bool,
    finished: [bool; 2],
}

/// A segment can belong to one of this many flows of its two ends: the others are long over.
const LATEST: usize = 16;

/// Everything that a trace can show of a capture.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Flows {
    /// The connections, in the order of their first segments.
    pub flows: Vec<Flow>,
    /// ARP, neighbor discovery and ICMP: index of the packet, and what it says.
    pub controls: Vec<(usize, Control)>,
}

/// Sorts the packets of a capture. Connections on different interfaces of a capture without sides
/// are different ones, as a bridge would otherwise seem to repeat everything.
pub(super) fn sort(capture: &Capture) -> Flows {
    let mut sorted = Flows::default();
    let notes = capture.notes.iter();
    let lost_later: BTreeMap<u64, Mark> =
        notes.filter_map(|note| comment::lost_later(&note.text)).collect();
    let mut latest: BTreeMap<([SocketAddr; 2], Option<u32>), Vec<usize>> = BTreeMap::new();
    for (index, packet) in capture.packets.iter().enumerate() {
        match packet::look(packet.link, &packet.bytes) {
            Seen::Other => {}
            Seen::Control(control) => sorted.controls.push((index, control)),
            Seen::Tcp(segment) => {
                let mut ends = [segment.source, segment.destination];
                ends.sort();
                let interface = match packet.side {
                    Side::Interface(number) => Some(number),
                    Side::Stack | Side::Wire => None,
                };
                let known = latest.entry((ends, interface)).or_default();
                let takes = |&&at: &&usize| sorted.flows[at].takes(&segment);
                let flow = match known.iter().rev().take(LATEST).find(takes) {
                    Some(&at) => at,
                    None => {
                        sorted.flows.push(Flow::new(sorted.flows.len() + 1, &segment));
                        known.push(sorted.flows.len() - 1);
                        sorted.flows.len() - 1
                    }
                };
                let mut marks = comment::marks(&packet.comments);
                let later = packet.id.and_then(|id| lost_later.get(&id));
                if let Some(mark) = later.filter(|_| packet.enters()) {
                    marks.push(mark.clone());
                }
                let flow = &mut sorted.flows[flow];
                flow.add(index, packet.side, packet.at, segment, marks, packet.direction);
            }
        }
    }
    for flow in &mut sorted.flows {
        flow.count();
    }
    for (index, control) in &sorted.controls {
        let Some((from, to)) = control.quoted else { continue };
        let mut ends = [from, to];
        ends.sort();
        for (_, known) in latest.range((ends, None)..=(ends, Some(u32::MAX))) {
            for &at in known {
                sorted.flows[at].errors.push((*index, control.clone()));
            }
        }
    }
    sorted
}

impl Flow {
    fn new(number: usize, first: &Segment) -> Self {
        let mut ends = [first.source, first.destination];
        // What begins with an answer was opened by the other end.
        if first.syn && first.ack.is_some() {
            ends.reverse();
        }
        Self {
            number,
            ends,
            local: None,
            entries: Vec::new(),
            errors: Vec::new(),
            initial: [None; 2],
            closed: false,
            finished: [false; 2],
        }
    }

    fn end_of(&self, address: SocketAddr) -> usize {
        usize::from(address != self.ends[0])
    }

    /// Whether this segment, of the same two ends, is one of this connection. A SYN with another
    /// number after the end begins a new one.
    fn takes(&self, segment: &Segment) -> bool {
        if !segment.syn {
            return true;
        }
        let from = self.end_of(segment.source);
        match self.initial[from] {
            Some(initial) if initial == segment.seq => true,
            Some(_) => segment.ack.is_some() && !self.closed,
            // Both may open at once.
            None => {
                let opening = || self.entries.iter().all(|entry| entry.segment.syn);
                !self.closed && (segment.ack.is_some() || opening())
            }
        }
    }

    fn add(
        &mut self,
        packet: usize,
        side: Side,
        at: i64,
        segment: Segment,
        marks: Vec<Mark>,
        direction: Option<Direction>,
    ) {
        let from = self.end_of(segment.source);
        if segment.syn && self.initial[from].is_none() {
            self.initial[from] = Some(segment.seq);
        }
        self.finished[from] |= segment.fin;
        self.closed |= segment.rst || self.finished == [true; 2];
        self.local = self.local.or(direction.map(|direction| match direction {
            Direction::Outbound => from,
            Direction::Inbound => 1 - from,
        }));
        self.entries.push(Entry {
            packet,
            side,
            at,
            from,
            segment,
            seq: 0,
            ack: None,
            sack: Vec::new(),
            marks,
        });
    }

    /// Makes the numbers relative, when all segments are there.
    fn count(&mut self) {
        let mut counters = [0, 1].map(|end| Counter { base: self.base(end), last: 0 });
        for entry in &mut self.entries {
            let [own, other] = match entry.from {
                0 => [0, 1],
                _ => [1, 0],
            };
            entry.seq = counters[own].relative(entry.segment.seq, !entry.segment.rst);
            entry.ack = entry.segment.ack.map(|ack| counters[other].relative(ack, true));
            let sacked = &counters[other];
            let blocks = entry.segment.sack.iter();
            entry.sack =
                blocks.map(|&(from, to)| (sacked.position(from), sacked.position(to))).collect();
        }
    }

    /// What counts as 0 for the numbers of an end: its SYN. A connection that was captured from
    /// the middle begins with 1, as in Wireshark.
    fn base(&self, end: usize) -> u32 {
        if let Some(initial) = self.initial[end] {
            return initial;
        }
        for entry in &self.entries {
            if entry.from == end {
                let before = u32::from(!entry.segment.rst);
                return entry.segment.seq.wrapping_sub(before);
            }
            if let Some(ack) = entry.segment.ack {
                return ack.wrapping_sub(1);
            }
        }
        0
    }
}

/// Relative numbers of 64 bits, which do not wrap around.
#[derive(Debug, Clone, Copy)]
struct Counter {
    base: u32,
    last: i64,
}

impl Counter {
    /// The position next to the last that has this number.
    fn position(&self, number: u32) -> i64 {
        let here = self.base.wrapping_add(self.last as u32);
        self.last.saturating_add((number.wrapping_sub(here) as i32).into())
    }

    fn relative(&mut self, number: u32, counts: bool) -> i64 {
        let position = self.position(number);
        // A forged number far away is not where the connection is.
        if counts && position > self.last && position - self.last < 1 << 30 {
            self.last = position;
        }
        position
    }
}
