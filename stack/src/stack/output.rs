//! The way of a packet out: own address, route, neighbor, fragments, Ethernet, link.

use smoltcp::time::{Duration, Instant};
use smoltcp::wire::EthernetAddress;

use super::{Core, HEADER, LINK_QUEUE, LOOPBACK_QUEUE, Sent};
use crate::TcpId;
use crate::event::SocketRef;
use crate::link::offload::{ChecksumStatus, FrameMeta, Gso, GsoKind, Segments, Sums, finish};
use crate::link::{Link, LinkError};
use crate::net::{Hop, Resolve, checksum, ethernet, sanity};
use crate::storage::{Fifo, Storage};
use crate::tcp::segment::Pieces;
use crate::udp::{Fragmentation, UdpChecksum};

/// How long a busy link is left alone.
const BUSY: Duration = Duration::from_millis(1);

/// Which checksums a packet has, and which it is to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fill {
    /// It has all of them.
    Done,
    /// All of them are missing. A link that completes them may do so.
    All,
    /// The same, but that of UDP over IPv4 is left out (RFC 768).
    Unchecked,
}

/// A frame that a busy link did not take yet.
#[derive(Debug)]
pub(super) struct Stalled<P> {
    frame: P,
    meta: FrameMeta,
}

impl<'a, L: Link, S: Storage<'a>> Core<'a, L, S> {
    /// Sends the IP packet of `len` bytes that stands behind the header room of `frame`.
    pub(super) fn send(
        &mut self,
        now: Instant,
        frame: &mut [u8],
        len: usize,
        owner: Option<SocketRef>,
    ) -> Sent {
        let Some(packet) = frame.get_mut(HEADER..HEADER + len) else { return Sent::Lost };
        let Some((source, destination)) = sanity::addresses(packet) else { return Sent::Lost };
        let fill = match owner {
            Some(SocketRef::Udp(id))
                if self
                    .datagrams
                    .get(id)
                    .is_some_and(|socket| socket.options.checksum == UdpChecksum::ZeroOverIpv4) =>
            {
                Fill::Unchecked
            }
            _ => Fill::All,
        };
        let hardware = match self.net.hop_from(source, destination) {
            Hop::Local => return self.turn_back(packet),
            Hop::NoRoute => {
                self.counters.no_route += 1;
                return Sent::Lost;
            }
            Hop::Broadcast => EthernetAddress::BROADCAST,
            Hop::Multicast => match ethernet::multicast(destination) {
                Some(hardware) => hardware,
                None => return Sent::Lost,
            },
            Hop::Via(next) => match self.net.resolve(now, next) {
                Resolve::Found(hardware) => hardware,
                Resolve::Waiting => {
                    fill.software(packet);
                    let waiting = self.wait_for(next, packet, owner);
                    self.poll_neighbors(now, frame);
                    return waiting;
                }
                Resolve::Full => {
                    self.counters.no_neighbor += 1;
                    return Sent::Lost;
                }
            },
        };
        self.send_to(now, frame, len, hardware, owner, fill)
    }

    /// Sends a segment of `len` bytes of a connection: in pieces of what the peer and the path take,
    /// where it is longer than that. The link makes them, if it does that; a segment is so long
    /// because the link does, or the path takes less than it did when the connection began.
    pub(super) fn send_segment(
        &mut self,
        now: Instant,
        id: TcpId,
        frame: &mut [u8],
        len: usize,
    ) -> Sent {
        let owner = Some(SocketRef::Tcp(id));
        let Some(packet) = frame.get_mut(HEADER..HEADER + len) else { return Sent::Lost };
        let Some((source, destination)) = sanity::addresses(packet) else { return Sent::Lost };
        let Some(connection) = self.connections.get(id) else { return Sent::Lost };
        if connection.on_loopback {
            return self.send(now, frame, len, owner);
        }
        let path = self.net.path(now, destination);
        let below = path.is_some_and(|path| path.below);
        let link = self.link.mtu();
        let most = path.map_or(link, |path| link.min(path.mtu.into()));
        let Some(mut pieces) = Pieces::of(packet, most, connection.stage.peer_mss()) else {
            if below {
                self.net.allow_fragments(packet);
            }
            return self.send(now, frame, len, owner);
        };
        // What routers may cut is numbered by this side, each piece anew.
        if self.link.offload().cuts(destination)
            && !below
            && let Hop::Via(next) = self.net.hop_from(source, destination)
            && let Resolve::Found(hardware) = self.net.resolve(now, next)
            && let Some(meta) = superframe(packet, &pieces)
        {
            self.counters.superframes_out += 1;
            return self.send_frame(now, frame, len, hardware, &meta);
        }
        let mut sent = Sent::Out;
        while let Some(piece) = pieces.next(frame, HEADER) {
            let Some(frame) = frame.get_mut(piece) else { return Sent::Lost };
            if below && let Some(packet) = frame.get_mut(HEADER..) {
                self.net.allow_fragments(packet);
            }
            match self.send(now, frame, frame.len() - HEADER, owner) {
                Sent::Out => {}
                other => sent = other,
            }
        }
        sent
    }

    /// Puts the checksums into a packet and the Ethernet header before it, and gives the frame to
    /// the link; of a packet that is longer than the path takes the fragments, all of them or
    /// none.
    pub(super) fn send_to(
        &mut self,
        now: Instant,
        frame: &mut [u8],
        len: usize,
        hardware: EthernetAddress,
        owner: Option<SocketRef>,
        fill: Fill,
    ) -> Sent {
        let range = HEADER..HEADER + len;
        let Some(packet) = frame.get_mut(range.clone()) else { return Sent::Lost };
        let Some((_, destination)) = sanity::addresses(packet) else { return Sent::Lost };
        let whole = match owner {
            Some(SocketRef::Udp(id)) => self
                .datagrams
                .get(id)
                .is_some_and(|socket| socket.options.fragmentation != Fragmentation::Allow),
            _ => false,
        };
        let link = self.link.mtu();
        let most = if whole { link } else { self.net.path_mtu(now, destination, link) };
        if len <= most {
            let meta = fill.for_link(packet, self.link.offload().checksum);
            return self.send_frame(now, frame, len, hardware, &meta);
        }
        // A device completes no checksum that is spread over fragments.
        fill.software(packet);
        let Some(mut cut) = self.net.cut(frame, range, most).filter(|_| !whole) else {
            // Only while it waited for its neighbor can it have become too long.
            self.counters.too_big += 1;
            return Sent::Lost;
        };
        if cut.count() > self.link_room() {
            self.counters.link_overrun += cut.count() as u64;
            return Sent::Lost;
        }
        self.counters.fragmented += 1;
        let mut sent = Sent::Out;
        while let Some(fragment) = cut.next(frame) {
            let len = fragment.len();
            let frame = frame.get_mut(fragment.start - HEADER..).unwrap_or_default();
            if self.send_frame(now, frame, len, hardware, &FrameMeta::WHOLE) == Sent::Lost {
                sent = Sent::Lost;
            }
        }
        sent
    }

    /// How many frames the link takes in any case, if only later.
    fn link_room(&self) -> usize {
        let most = self.stalled.limit().unwrap_or(LINK_QUEUE).min(LINK_QUEUE);
        most.saturating_sub(self.stalled.len())
    }

    fn send_frame(
        &mut self,
        now: Instant,
        frame: &mut [u8],
        len: usize,
        hardware: EthernetAddress,
        meta: &FrameMeta,
    ) -> Sent {
        let Some(frame) = frame.get_mut(..HEADER + len) else { return Sent::Lost };
        let protocol = match frame.get(HEADER).map(|first| first >> 4) {
            Some(6) => ethernet::IPV6,
            _ => ethernet::IPV4,
        };
        ethernet::write(frame, hardware, self.config.hardware_address, protocol);
        self.transmit(now, frame, meta)
    }

    /// Gives a complete frame to the link, behind those that a busy link did not take yet.
    pub(super) fn transmit(&mut self, now: Instant, frame: &[u8], meta: &FrameMeta) -> Sent {
        if self.stalled.is_empty() {
            match offer(&mut self.link, now, frame, meta) {
                Ok(()) => {
                    self.frames += 1;
                    self.counters.frames_out += 1;
                    return Sent::Out;
                }
                Err(LinkError::Down) => {
                    self.counters.link_down += 1;
                    return Sent::Lost;
                }
                Err(LinkError::Busy) => {}
            }
        }
        let room = self.stalled.len() < LINK_QUEUE;
        let kept = room
            && self.storage.keep(frame).is_some_and(|frame| {
                self.stalled.push_back(Stalled { frame, meta: *meta }).is_ok()
            });
        if !kept {
            self.counters.link_overrun += 1;
            return Sent::Lost;
        }
        self.retry_at = Some(now + BUSY);
        Sent::Out
    }

    pub(super) fn retry_stalled(&mut self, now: Instant) {
        if self.stalled.is_empty() {
            return;
        }
        self.retry_at = None;
        let Self { stalled, cutting, link, counters, frames, retry_at, .. } = self;
        while let Some(next) = stalled.front_mut() {
            match next.offer(link, now, cutting) {
                Ok(More::No) => {
                    *frames += 1;
                    counters.frames_out += 1;
                }
                Ok(More::Yes) => {
                    *frames += 1;
                    counters.frames_out += 1;
                    continue;
                }
                Err(LinkError::Down) => counters.link_down += 1,
                Err(LinkError::Busy) => {
                    *retry_at = Some(now + BUSY);
                    return;
                }
            }
            *cutting = None;
            stalled.pop_front();
        }
    }

    /// A packet to an own address goes back in through a queue, not through a call: however long
    /// two ends of this stack talk to each other, the call depth stays the same.
    pub(super) fn turn_back(&mut self, packet: &[u8]) -> Sent {
        if self.loopback.len() < LOOPBACK_QUEUE
            && let Some(packet) = self.storage.keep(packet)
            && self.loopback.push_back(packet).is_ok()
        {
            self.counters.loopback += 1;
            return Sent::Out;
        }
        self.counters.loopback_overrun += 1;
        Sent::Lost
    }

    /// Whether the loopback takes another packet and an answer to it.
    pub(super) fn loopback_has_room(&self) -> bool {
        // A fixed queue holds 4: leave a place for the answer that smoltcp may give at once.
        self.loopback.len() + 2 <= LOOPBACK_QUEUE.min(self.loopback_capacity())
    }

    fn loopback_capacity(&self) -> usize {
        self.loopback.limit().unwrap_or(usize::MAX)
    }

    fn wait_for(
        &mut self,
        neighbor: smoltcp::wire::IpAddress,
        packet: &[u8],
        owner: Option<SocketRef>,
    ) -> Sent {
        let connection = match owner {
            Some(SocketRef::Tcp(id)) => Some(id),
            _ => None,
        };
        let waits = connection
            .and_then(|id| self.connections.get(id))
            .and_then(|connection| connection.waiting);
        if waits.and_then(|waiting| self.waiting.neighbor(waiting)).is_some() {
            // One packet a flow: four copies of a SYN are of no more use than one.
            return Sent::Waiting;
        }
        let Some(waiting) = self.waiting.enter(&mut self.storage, neighbor, owner, packet) else {
            self.counters.no_neighbor += 1;
            return Sent::Lost;
        };
        if let Some(connection) = connection.and_then(|id| self.connections.get_mut(id)) {
            connection.waiting = Some(waiting);
        }
        Sent::Waiting
    }
}

/// Whether there is more of a frame that was cut.
enum More {
    Yes,
    No,
}

impl<P: AsMut<[u8]>> Stalled<P> {
    /// Gives the link the frame, or its next piece. A link that did part of the work when the frame
    /// came to wait may have ceased to.
    fn offer(
        &mut self,
        link: &mut impl Link,
        now: Instant,
        cutting: &mut Option<Segments>,
    ) -> Result<More, LinkError> {
        let frame = self.frame.as_mut();
        if cutting.is_none() && !link.offload().covers(&self.meta) {
            match self.meta.gso {
                // This stack made it, so it can be cut.
                Some(_) => *cutting = Segments::of(frame, &self.meta, Sums::Fill).ok(),
                None => finish(frame, &self.meta),
            }
            self.meta = FrameMeta::WHOLE;
        }
        let Some(segments) = cutting else {
            return offer(link, now, frame, &self.meta).map(|()| More::No);
        };
        if let Some(piece) = segments.piece(frame).and_then(|piece| frame.get(piece)) {
            link.transmit(now, piece)?;
        }
        segments.advance();
        Ok(if segments.is_done() { More::No } else { More::Yes })
    }
}

fn offer(
    link: &mut impl Link,
    now: Instant,
    frame: &[u8],
    meta: &FrameMeta,
) -> Result<(), LinkError> {
    if meta.is_whole() {
        link.transmit(now, frame)
    } else {
        link.transmit_offloaded(now, frame, meta)
    }
}

impl Fill {
    fn software(self, packet: &mut [u8]) {
        match self {
            Self::Done => {}
            Self::All => checksum::fill(packet),
            Self::Unchecked => checksum::fill_unchecked(packet),
        }
    }

    /// Leaves the checksum of TCP or UDP to a link that completes it.
    fn for_link(self, packet: &mut [u8], completes: bool) -> FrameMeta {
        if completes
            && self == Self::All
            && let Some(checksum) = partial(packet)
        {
            return FrameMeta { checksum, gso: None };
        }
        self.software(packet);
        FrameMeta::WHOLE
    }
}

/// Puts in only as much of the checksum as a device needs to complete it.
fn partial(packet: &mut [u8]) -> Option<ChecksumStatus> {
    let (start, offset) = checksum::fill_partial(packet)?;
    // Headers are shorter than 64 KiB.
    Some(ChecksumStatus::Partial { start: (HEADER + start) as u16, offset: offset as u16 })
}

/// What a link is told that makes these pieces of `packet`.
fn superframe(packet: &mut [u8], pieces: &Pieces) -> Option<FrameMeta> {
    let kind = match packet.first()? >> 4 {
        4 => GsoKind::Tcp4,
        _ => GsoKind::Tcp6,
    };
    let size = u16::try_from(pieces.step()).ok()?;
    let header = u16::try_from(HEADER + pieces.header_len()).ok()?;
    Some(FrameMeta { checksum: partial(packet)?, gso: Some(Gso { kind, size, header }) })
}
