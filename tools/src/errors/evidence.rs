//! What proves a row: found in the recording, or found wanting.

use tapsock_stack::event::{Asked, Evidence as Decided, PacketSummary, Silence};
use tapsock_stack::link::Direction;
use tapsock_stack::time::Instant;
use tapsock_stack::wire::{
    ArpOperation, ArpPacket, ArpRepr, EthernetFrame, EthernetProtocol, IpAddress, IpEndpoint,
    IpProtocol, Ipv4Packet, Ipv6Packet, TcpPacket,
};

use super::provoke::Came;
use super::row::Proof;
use crate::describe;
use crate::frames::Frame;
use crate::output::seconds;

/// What stands behind a code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// One line for people.
    pub summary: String,
    /// The frame of the recording that it is about, if it is about one.
    pub frame: Option<u64>,
    /// What was asked in vain, if that is the evidence.
    pub silence: Option<Silence>,
    /// Whether the recording bears it out.
    pub holds: bool,
}

impl Evidence {
    fn lacking(summary: String) -> Self {
        Self { summary, frame: None, silence: None, holds: false }
    }
}

/// Looks for the proof of what came in the frames that passed, whose times are the stack's.
pub(super) fn find(proof: Proof, came: &Came, recording: &[Frame]) -> Evidence {
    let decided = came.cause.map(|cause| cause.evidence);
    match (proof, decided) {
        (Proof::NoFrame, decided) => no_frame(came, recording, decided),
        (Proof::Syn, _) => {
            let what = "SYN on its way, no answer yet";
            newest(recording, what, |segment| segment.syn && !segment.ack && segment.outbound)
        }
        (Proof::SynAck, _) => {
            let what = "the connection is established";
            newest(recording, what, |segment| segment.syn && segment.ack && !segment.outbound)
        }
        (Proof::Packet, Some(Decided::Packet(packet))) => {
            let cited = recording.iter().find(|frame| frame.number == packet.number);
            match cited.filter(|frame| says(frame, &packet.summary)) {
                Some(frame) => about(frame, recording, ""),
                None => Evidence::lacking(format!("not in the recording: {packet}")),
            }
        }
        (Proof::Silence, Some(Decided::Silence(silence))) => unanswered(silence, recording),
        (Proof::Packet, Some(other)) => Evidence::lacking(format!("a packet is due, but: {other}")),
        (Proof::Silence, Some(other)) => Evidence::lacking(format!("silence is due, but: {other}")),
        (Proof::Packet | Proof::Silence, None) => {
            Evidence::lacking("the failure has no cause".to_string())
        }
    }
}

fn no_frame(came: &Came, recording: &[Frame], decided: Option<Decided>) -> Evidence {
    let (before, after) = came.frames;
    let during = before + 1..=after;
    let sent =
        |frame: &&Frame| frame.direction == Direction::Outbound && during.contains(&frame.number);
    if let Some(frame) = recording.iter().find(sent) {
        let line = about(frame, recording, "");
        return Evidence { holds: false, summary: format!("sent: {}", line.summary), ..line };
    }
    let summary = match decided {
        Some(decided) => format!("no packet sent: {decided}"),
        None => "no packet sent: decided by the call alone".to_string(),
    };
    Evidence { summary, frame: None, silence: None, holds: true }
}

/// One line about a frame of the recording.
fn about(frame: &Frame, recording: &[Frame], what: &str) -> Evidence {
    let start = recording.first().map_or(Instant::ZERO, |first| first.at);
    let after = frame.at.total_micros().saturating_sub(start.total_micros());
    let colon = if what.is_empty() { "" } else { ", " };
    let line = describe::frame(&frame.bytes);
    let summary = format!("frame {} at {}{colon}{what}: {line}", frame.number, seconds(after));
    Evidence { summary, frame: Some(frame.number), silence: None, holds: true }
}

fn newest(recording: &[Frame], what: &str, is: impl Fn(&Segment) -> bool) -> Evidence {
    let found = recording.iter().rev().find(|frame| Segment::of(frame).is_some_and(|one| is(&one)));
    match found {
        Some(frame) => about(frame, recording, what),
        None => Evidence::lacking(format!("not in the recording: {what}")),
    }
}

/// The requests are there, all of them, and there is no answer.
fn unanswered(silence: Silence, recording: &[Frame]) -> Evidence {
    // A neighbor may be asked again after it was given up: those requests are another silence.
    let window = silence.since..silence.since + silence.waited;
    let meant = recording.iter().filter(|frame| window.contains(&frame.at));
    let asked = meant.filter(|frame| asks(frame, &silence)).count();
    let answer = recording.iter().find(|frame| answers(frame, &silence));
    let (holds, but) = match answer {
        Some(frame) => (false, format!(", but frame {} answers", frame.number)),
        None if asked != silence.sent as usize => {
            (false, format!(", but the recording has {asked}"))
        }
        None => (true, String::new()),
    };
    Evidence { summary: format!("{silence}{but}"), frame: None, silence: Some(silence), holds }
}

fn asks(frame: &Frame, silence: &Silence) -> bool {
    if frame.direction != Direction::Outbound {
        return false;
    }
    match silence.asked {
        Asked::Syn => Segment::of(frame)
            .is_some_and(|one| one.syn && !one.ack && one.destination.addr == silence.whom),
        Asked::Arp | Asked::NeighborSolicitation => {
            Neighborly::of(frame).is_some_and(|one| !one.answer && one.target == silence.whom)
        }
        Asked::Retransmission | Asked::Probe | Asked::KeepAlive => false,
    }
}

fn answers(frame: &Frame, silence: &Silence) -> bool {
    if frame.direction != Direction::Inbound {
        return false;
    }
    match silence.asked {
        Asked::Syn => Segment::of(frame).is_some_and(|one| one.source.addr == silence.whom),
        Asked::Arp | Asked::NeighborSolicitation => {
            Neighborly::of(frame).is_some_and(|one| one.answer && one.target == silence.whom)
        }
        Asked::Retransmission | Asked::Probe | Asked::KeepAlive => false,
    }
}

/// Whether the frame is what the evidence says.
fn says(frame: &Frame, summary: &PacketSummary) -> bool {
    match *summary {
        PacketSummary::Tcp { source, destination, flags, sequence, .. } => Segment::of(frame)
            .is_some_and(|one| {
                let bits = [(1, one.fin), (2, one.syn), (4, one.rst), (16, one.ack)];
                (one.source, one.destination, one.sequence) == (source, destination, sequence)
                    && bits.iter().all(|(bit, set)| (flags & bit != 0) == *set)
            }),
        PacketSummary::Icmp { source, kind, code, .. } => {
            packet(frame).is_some_and(|(from, _, protocol, payload)| {
                from == source
                    && matches!(protocol, IpProtocol::Icmp | IpProtocol::Icmpv6)
                    && payload.get(..2) == Some(&[kind, code])
            })
        }
    }
}

/// What counts about a TCP segment here.
struct Segment {
    outbound: bool,
    source: IpEndpoint,
    destination: IpEndpoint,
    fin: bool,
    syn: bool,
    rst: bool,
    ack: bool,
    sequence: u32,
}

impl Segment {
    fn of(frame: &Frame) -> Option<Self> {
        let (source, destination, protocol, payload) = packet(frame)?;
        if protocol != IpProtocol::Tcp {
            return None;
        }
        let segment = TcpPacket::new_checked(payload).ok()?;
        Some(Self {
            outbound: frame.direction == Direction::Outbound,
            source: IpEndpoint::new(source, segment.src_port()),
            destination: IpEndpoint::new(destination, segment.dst_port()),
            fin: segment.fin(),
            syn: segment.syn(),
            rst: segment.rst(),
            ack: segment.ack(),
            sequence: segment.seq_number().0 as u32,
        })
    }
}

/// Sender, receiver, protocol and payload of an IP packet.
fn packet(frame: &Frame) -> Option<(IpAddress, IpAddress, IpProtocol, &[u8])> {
    let ethernet = EthernetFrame::new_checked(&frame.bytes[..]).ok()?;
    match ethernet.ethertype() {
        EthernetProtocol::Ipv4 => {
            let ip = Ipv4Packet::new_checked(frame.bytes.get(14..)?).ok()?;
            let (from, to) = (ip.src_addr().into(), ip.dst_addr().into());
            Some((from, to, ip.next_header(), ip.payload()))
        }
        EthernetProtocol::Ipv6 => {
            let ip = Ipv6Packet::new_checked(frame.bytes.get(14..)?).ok()?;
            let (from, to) = (ip.src_addr().into(), ip.dst_addr().into());
            Some((from, to, ip.next_header(), ip.payload()))
        }
        _ => None,
    }
}

/// ARP or neighbor discovery: a question about an address, or an answer.
struct Neighborly {
    target: IpAddress,
    answer: bool,
}

impl Neighborly {
    fn of(frame: &Frame) -> Option<Self> {
        let ethernet = EthernetFrame::new_checked(&frame.bytes[..]).ok()?;
        if ethernet.ethertype() == EthernetProtocol::Arp {
            let parsed = ArpRepr::parse(&ArpPacket::new_checked(ethernet.payload()).ok()?).ok()?;
            let ArpRepr::EthernetIpv4 {
                operation, source_protocol_addr, target_protocol_addr, ..
            } = parsed
            else {
                return None;
            };
            let answer = operation == ArpOperation::Reply;
            let target = if answer { source_protocol_addr } else { target_protocol_addr };
            return Some(Self { target: target.into(), answer });
        }
        let (_, _, protocol, payload) = packet(frame)?;
        let kind = *payload.first()?;
        if protocol != IpProtocol::Icmpv6 || !matches!(kind, 135 | 136) {
            return None;
        }
        let octets: [u8; 16] = payload.get(8..24)?.try_into().ok()?;
        let target = std::net::Ipv6Addr::from(octets).into();
        Some(Self { target, answer: kind == 136 })
    }
}
