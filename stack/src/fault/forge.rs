//! Frames that nobody sent.
//!
//! Everything here writes a whole frame with right checksums into the room it is given and says
//! how long it is, or that it cannot be made from what is known.

use core::net::Ipv6Addr as Ipv6Address;

use smoltcp::wire::{EthernetAddress, IpAddress, Ipv4Address};

use super::edit;
use super::flow::FlowState;
use super::rule::{ACK, AckOf, FIN, IcmpFault, QuoteSeq, RST, SYN, Seq, Side};
use super::view::View;
use crate::link::Direction;
use crate::net::ethernet;
use crate::random::Random;

const HOPS: u8 = 64;
/// RFC 4861, section 7.1: neighbor discovery that passed a router is not believed.
const ND_HOPS: u8 = 255;

/// Who sends a forged packet to whom.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ends {
    pub(super) hardware: (EthernetAddress, EthernetAddress),
    pub(super) source: IpAddress,
    pub(super) destination: IpAddress,
}

impl Ends {
    /// Those of a frame.
    pub(super) fn of(view: &View<'_>) -> Option<Self> {
        let header = ethernet::parse(view.frame())?;
        let (source, destination) = (view.source()?, view.destination()?);
        Some(Self { hardware: (header.source, header.destination), source, destination })
    }

    pub(super) fn reversed(self) -> Self {
        let (source, destination) = self.hardware;
        Self { hardware: (destination, source), source: self.destination, destination: self.source }
    }
}

/// Writes Ethernet and IP headers before `length` bytes that stand behind them already, at
/// [`behind`], and the checksums; gives the frame's length.
fn wrap(room: &mut [u8], ends: Ends, protocol: u8, hops: u8, length: usize) -> Option<usize> {
    let start = behind(ends.source);
    let total = start + length;
    let frame = room.get_mut(..total)?;
    let (source, destination) = ends.hardware;
    ethernet::write(frame, destination, source, ethernet::ethertype(ends.source));
    let header = frame.get_mut(ethernet::HEADER_LEN..start)?;
    header.fill(0);
    match (ends.source, ends.destination) {
        (IpAddress::Ipv4(source), IpAddress::Ipv4(destination)) => {
            header[0] = 0x45;
            header[2..4].copy_from_slice(&u16::try_from(20 + length).ok()?.to_be_bytes());
            (header[8], header[9]) = (hops, protocol);
            header[12..16].copy_from_slice(&source.octets());
            header[16..20].copy_from_slice(&destination.octets());
        }
        #[cfg(feature = "ipv6")]
        (IpAddress::Ipv6(source), IpAddress::Ipv6(destination)) => {
            header[0] = 0x60;
            header[4..6].copy_from_slice(&u16::try_from(length).ok()?.to_be_bytes());
            (header[6], header[7]) = (protocol, hops);
            header[8..24].copy_from_slice(&source.octets());
            header[24..40].copy_from_slice(&destination.octets());
        }
        _ => return None,
    }
    edit::fill(frame);
    Some(total)
}

/// Where the transport's header is in a frame that [`wrap`] writes.
fn behind(address: IpAddress) -> usize {
    ethernet::HEADER_LEN
        + match address {
            IpAddress::Ipv4(_) => 20,
            #[cfg(feature = "ipv6")]
            IpAddress::Ipv6(_) => 40,
        }
}

/// What kind of segment.
#[derive(Debug, Clone, Copy)]
pub(super) enum Segment {
    Rst(Seq),
    Syn(Seq),
    Fin(Seq),
    Ack(AckOf),
}

/// A segment of the flow of `view`, which goes in `direction`, to `to`.
pub(super) fn segment(
    room: &mut [u8],
    view: &View<'_>,
    direction: Direction,
    flow: &FlowState,
    to: Side,
    what: Segment,
    random: &mut Random,
) -> Option<usize> {
    let (sport, dport) = view.ports()?;
    view.seq()?;
    let ends = Ends::of(view)?;
    let forwards = (direction == Direction::Inbound) == (to == Side::Stack);
    let (ends, ports) =
        if forwards { (ends, (sport, dport)) } else { (ends.reversed(), (dport, sport)) };
    let [inbound, outbound] = &flow.sides;
    let (sender, receiver) = match to {
        Side::Stack => (inbound, outbound),
        Side::Peer => (outbound, inbound),
    };
    // What the receiver expects is what it acknowledged last. One that only sent a SYN expects
    // nothing yet; it believes an acknowledgment of its SYN (RFC 9293, section 3.10.7.3).
    let expected = receiver.ack;
    let mut place = |seq: Seq| match seq {
        Seq::Exact => expected.unwrap_or(0),
        Seq::InWindow => {
            let within = (receiver.window / 2).max(1);
            expected.unwrap_or(0).wrapping_add(within)
        }
        Seq::OutOfWindow => {
            expected.unwrap_or(0).wrapping_add(receiver.window).wrapping_add(100_000)
        }
        Seq::Random => random.bits() as u32,
    };
    let known = receiver.first.map(|_| receiver.next);
    let (flags, seq, ack) = match what {
        Segment::Rst(seq) if expected.is_some() => (RST, place(seq), 0),
        Segment::Rst(seq) => (RST | ACK, place(seq), known?),
        Segment::Syn(seq) => (SYN, place(seq), 0),
        Segment::Fin(seq) => (FIN | ACK, place(seq), known?),
        Segment::Ack(AckOf::Duplicate(_)) => (ACK, expected?, sender.ack?),
        Segment::Ack(AckOf::Beyond(bytes)) => (ACK, expected?, known?.wrapping_add(bytes)),
    };
    let window = match what {
        // A duplicate has the window of the original (RFC 5681, section 2).
        Segment::Ack(_) => sender.raw_window,
        _ => 0,
    };
    let start = behind(ends.source);
    let header = room.get_mut(start..start + 20)?;
    header.fill(0);
    header[0..2].copy_from_slice(&ports.0.to_be_bytes());
    header[2..4].copy_from_slice(&ports.1.to_be_bytes());
    header[4..8].copy_from_slice(&seq.to_be_bytes());
    header[8..12].copy_from_slice(&ack.to_be_bytes());
    (header[12], header[13]) = (5 << 4, flags);
    header[14..16].copy_from_slice(&window.to_be_bytes());
    wrap(room, ends, 6, HOPS, 20)
}

/// An ICMP or ICMPv6 error about the packet of `view`, to its sender.
pub(super) fn icmp(
    room: &mut [u8],
    view: &View<'_>,
    error: IcmpFault,
    from: Option<IpAddress>,
    quote: QuoteSeq,
) -> Option<usize> {
    if !view.is_ipv4() && !view.is_ipv6() {
        return None;
    }
    let mut ends = Ends::of(view)?.reversed();
    if let Some(from) = from {
        ends.source = from;
    }
    let v4 = matches!((ends.source, ends.destination), (IpAddress::Ipv4(_), IpAddress::Ipv4(_)));
    let v6 = !v4 && ends.source.version() == ends.destination.version();
    let (kind, code, word) = match error {
        IcmpFault::Unreachable { v4: code, .. } if v4 => (3, code, 0),
        IcmpFault::Unreachable { v6: code, .. } => (1, code, 0),
        IcmpFault::FragmentationNeeded(mtu) if v4 => (3, 4, u32::from(mtu)),
        IcmpFault::FragmentationNeeded(mtu) => (2, 0, u32::from(mtu)),
        IcmpFault::TimeExceeded(code) => (if v4 { 11 } else { 3 }, code, 0),
        IcmpFault::SourceQuench if v4 => (4, 0, 0),
        IcmpFault::SourceQuench => return None,
    };
    if !v4 && !v6 {
        return None;
    }
    // RFC 1812, section 4.3.2.3: up to 576 bytes in all. RFC 4443, section 3.1: up to 1280.
    let (most, protocol) = if v4 { (576 - 28, 1) } else { (1280 - 48, 58) };
    let packet = view.packet();
    let quoted = packet.get(..most).unwrap_or(packet);
    let start = behind(ends.source);
    let body = room.get_mut(start..start + 8 + quoted.len())?;
    body[..4].copy_from_slice(&[kind, code, 0, 0]);
    body[4..8].copy_from_slice(&word.to_be_bytes());
    body[8..].copy_from_slice(quoted);
    if quote == QuoteSeq::Stale
        && let Some(seq) = view.seq()
    {
        // A gigabyte ago.
        let at = 8 + (view.at.transport - view.at.network) + 4;
        let stale = seq.wrapping_sub(1 << 30).to_be_bytes();
        body.get_mut(at..at + 4)?.copy_from_slice(&stale);
    }
    let length = body.len();
    wrap(room, ends, protocol, HOPS, length)
}

/// A message of ARP or neighbor discovery that tells `to` that `whose` has the address `hardware`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claim {
    pub(super) whose: IpAddress,
    pub(super) hardware: EthernetAddress,
    /// Whom it is told: `None` for everybody.
    pub(super) to: Option<(EthernetAddress, IpAddress)>,
}

/// Writes a claim: an answer where it has a receiver, otherwise an announcement (RFC 5227,
/// section 2.3; RFC 4861, section 7.2.6).
pub(super) fn claim(room: &mut [u8], claim: Claim) -> Option<usize> {
    match claim.whose {
        IpAddress::Ipv4(whose) => arp(room, claim, whose),
        #[cfg(feature = "ipv6")]
        IpAddress::Ipv6(whose) => advertisement(room, claim, whose),
    }
}

fn arp(room: &mut [u8], claim: Claim, whose: Ipv4Address) -> Option<usize> {
    let (operation, hardware, (target, address)) = match claim.to {
        Some((hardware, IpAddress::Ipv4(address))) => (2, hardware, (hardware, address)),
        Some(_) => return None,
        None => (1, EthernetAddress::BROADCAST, (EthernetAddress([0; 6]), whose)),
    };
    let frame = room.get_mut(..42)?;
    ethernet::write(frame, hardware, claim.hardware, ethernet::ARP);
    frame[14..22].copy_from_slice(&[0, 1, 8, 0, 6, 4, 0, operation]);
    frame[22..28].copy_from_slice(&claim.hardware.0);
    frame[28..32].copy_from_slice(&whose.octets());
    frame[32..38].copy_from_slice(&target.0);
    frame[38..42].copy_from_slice(&address.octets());
    Some(42)
}

#[cfg(feature = "ipv6")]
fn advertisement(room: &mut [u8], claim: Claim, whose: Ipv6Address) -> Option<usize> {
    const ALL_NODES: Ipv6Address = Ipv6Address::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
    // Solicited and override, or override alone.
    let (flags, hardware, destination) = match claim.to {
        Some((hardware, address @ IpAddress::Ipv6(_))) => (0x60, hardware, address),
        Some(_) => return None,
        None => {
            let group = IpAddress::Ipv6(ALL_NODES);
            (0x20, ethernet::multicast(group)?, group)
        }
    };
    let source = IpAddress::Ipv6(whose);
    let body = room.get_mut(54..54 + 32)?;
    body.fill(0);
    (body[0], body[4]) = (136, flags);
    body[8..24].copy_from_slice(&whose.octets());
    (body[24], body[25]) = (2, 1);
    body[26..32].copy_from_slice(&claim.hardware.0);
    let ends = Ends { hardware: (claim.hardware, hardware), source, destination };
    wrap(room, ends, 58, ND_HOPS, 32)
}

/// What a frame asks neighbors: whose address, and who wants to know. `None` when it is no
/// question.
pub(super) fn question(view: &View<'_>) -> Option<(IpAddress, (EthernetAddress, IpAddress))> {
    let asker = ethernet::parse(view.frame())?.source;
    if view.arp_operation() == Some(1) {
        return Some((view.destination()?, (asker, view.source()?)));
    }
    #[cfg(feature = "ipv6")]
    if view.is_nd() && view.icmp()?.0 == 135 {
        let target = view.frame().get(view.at.transport + 8..view.at.transport + 24)?;
        let target: [u8; 16] = target.try_into().ok()?;
        return Some((Ipv6Address::from(target).into(), (asker, view.source()?)));
    }
    None
}

/// Where in an answer about a neighbor the answer is; `None` when the frame is none.
pub(super) fn answer(view: &View<'_>) -> Option<core::ops::Range<usize>> {
    if view.arp_operation() == Some(2) {
        let at = view.at.network + 8;
        return Some(at..at + 6);
    }
    // The target's link-layer address is the first option in all that is seen in practice.
    if view.is_nd() && view.icmp()?.0 == 136 {
        let at = view.at.transport + 24;
        let option = view.frame().get(at..view.at.end)?;
        if let [2, 1, _, _, _, _, _, _, ..] = option {
            return Some(at + 2..at + 8);
        }
    }
    None
}

/// A neighbor that does not exist, of the family of `like`.
pub(super) fn stranger(like: IpAddress, random: &mut Random) -> (IpAddress, EthernetAddress) {
    let [a, b, c, d, e, f, g, h] = random.bits().to_be_bytes();
    // Locally administered, no group.
    let hardware = EthernetAddress([0x02, a, b, c, d, e]);
    let address = match like {
        IpAddress::Ipv4(_) => Ipv4Address::new(169, 254, f.clamp(1, 254), g).into(),
        #[cfg(feature = "ipv6")]
        IpAddress::Ipv6(_) => {
            let word = |high, low| u16::from_be_bytes([high, low]);
            Ipv6Address::new(0xfe80, 0, 0, 0, word(a, b), word(c, d), word(e, f), word(g, h)).into()
        }
    };
    (address, hardware)
}
