//! The way of a packet out: own address, route, neighbor, fragments, Ethernet, link.

use smoltcp::time::{Duration, Instant};
use smoltcp::wire::EthernetAddress;

use super::{Core, HEADER, LINK_QUEUE, LOOPBACK_QUEUE, Sent};
use crate::TcpId;
use crate::event::SocketRef;
use crate::link::{Link, LinkError};
use crate::net::{Hop, Resolve, checksum, ethernet, sanity};
use crate::storage::{Fifo, Packet, Storage};
use crate::tcp::segment::Pieces;
use crate::udp::{Fragmentation, UdpChecksum};

/// How long a busy link is left alone.
const BUSY: Duration = Duration::from_millis(1);

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
                checksum::fill_unchecked
            }
            _ => checksum::fill,
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
                    fill(packet);
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
        fill(packet);
        self.send_to(now, frame, len, hardware, owner)
    }

    /// Sends a segment of `len` bytes of a connection: in pieces, where the path takes less than
    /// it did when the connection began.
    pub(super) fn send_segment(
        &mut self,
        now: Instant,
        id: TcpId,
        frame: &mut [u8],
        len: usize,
    ) -> Sent {
        let owner = Some(SocketRef::Tcp(id));
        let Some(packet) = frame.get_mut(HEADER..HEADER + len) else { return Sent::Lost };
        let Some((_, destination)) = sanity::addresses(packet) else { return Sent::Lost };
        let Some(path) = self.net.path(now, destination) else {
            return self.send(now, frame, len, owner);
        };
        if path.below {
            self.net.allow_fragments(packet);
        }
        let most = self.link.mtu().min(path.mtu.into());
        let Some(mut pieces) = Pieces::of(packet, most) else {
            return self.send(now, frame, len, owner);
        };
        let mut sent = Sent::Out;
        while let Some(piece) = pieces.next(frame, HEADER) {
            let len = piece.len() - HEADER;
            match frame.get_mut(piece).map(|frame| self.send(now, frame, len, owner)) {
                Some(Sent::Out) => {}
                Some(other) => sent = other,
                None => return Sent::Lost,
            }
        }
        sent
    }

    /// Puts the Ethernet header before a packet whose checksums are right, and gives the frame to
    /// the link; of a packet that is longer than the path takes the fragments, all of them or
    /// none.
    pub(super) fn send_to(
        &mut self,
        now: Instant,
        frame: &mut [u8],
        len: usize,
        hardware: EthernetAddress,
        owner: Option<SocketRef>,
    ) -> Sent {
        let packet = HEADER..HEADER + len;
        let Some(destination) = frame.get(packet.clone()).and_then(sanity::addresses) else {
            return Sent::Lost;
        };
        let whole = match owner {
            Some(SocketRef::Udp(id)) => self
                .datagrams
                .get(id)
                .is_some_and(|socket| socket.options.fragmentation != Fragmentation::Allow),
            _ => false,
        };
        let link = self.link.mtu();
        let most = if whole { link } else { self.net.path_mtu(now, destination.1, link) };
        if len <= most {
            return self.send_frame(now, frame, len, hardware);
        }
        let Some(mut cut) = self.net.cut(frame, packet, most).filter(|_| !whole) else {
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
            if self.send_frame(now, frame, len, hardware) == Sent::Lost {
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
    ) -> Sent {
        let Some(frame) = frame.get_mut(..HEADER + len) else { return Sent::Lost };
        let protocol = match frame.get(HEADER).map(|first| first >> 4) {
            Some(6) => ethernet::IPV6,
            _ => ethernet::IPV4,
        };
        ethernet::write(frame, hardware, self.config.hardware_address, protocol);
        self.transmit(now, frame)
    }

    /// Gives a complete frame to the link, behind those that a busy link did not take yet.
    pub(super) fn transmit(&mut self, now: Instant, frame: &[u8]) -> Sent {
        if self.stalled.is_empty() {
            match self.link.transmit(now, frame) {
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
            && S::Packet::copy_from(frame)
                .is_some_and(|frame| self.stalled.push_back(frame).is_ok());
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
        while let Some(frame) = self.stalled.front() {
            match self.link.transmit(now, frame.as_ref()) {
                Ok(()) => {
                    self.frames += 1;
                    self.counters.frames_out += 1;
                }
                Err(LinkError::Down) => self.counters.link_down += 1,
                Err(LinkError::Busy) => {
                    self.retry_at = Some(now + BUSY);
                    return;
                }
            }
            self.stalled.pop_front();
        }
    }

    /// A packet to an own address goes back in through a queue, not through a call: however long
    /// two ends of this stack talk to each other, the call depth stays the same.
    pub(super) fn turn_back(&mut self, packet: &[u8]) -> Sent {
        if self.loopback.len() < LOOPBACK_QUEUE
            && let Some(packet) = S::Packet::copy_from(packet)
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
        let Some(waiting) = self.waiting.enter(neighbor, owner, packet) else {
            self.counters.no_neighbor += 1;
            return Sent::Lost;
        };
        if let Some(connection) = connection.and_then(|id| self.connections.get_mut(id)) {
            connection.waiting = Some(waiting);
        }
        Sent::Waiting
    }
}
