//! The way of a packet in: link, Ethernet, sanity, reassembly, then to the socket that it is for.

use smoltcp::socket::tcp::State;
use smoltcp::time::Instant;
use smoltcp::wire::IpProtocol;

use super::{Arrival, Core, HEADER, TURN};
use crate::config::{FullBacklog, LoneFin, OnError, OnReset};
use crate::demux::{Flow, Receiver, Target};
use crate::event::{
    Cause, CauseKind, Evidence, Happened, PacketEvidence, PacketSummary, SocketRef,
};
use crate::link::offload::{ARRIVAL, Segments, Sums};
use crate::link::{FrameMeta, Gso, GsoKind, Link, LinkError};
use crate::net::icmp::{Effect, IcmpError};
use crate::net::{
    Checksums, Delivery, Expired, FragmentHeader, Origin, Parsed, Reason, Received, Upper, icmp,
    sanity,
};
use crate::port::Transport;
use crate::storage::{Fifo, Rare, Storage};
use crate::tcp::segment::{ACK, RST, SYN, Segment, past, write_ack};
use crate::tcp::stage::Verdict;
use crate::tcp::{Acknowledge, Phase, Role};
use crate::udp::{About, Arriving, DatagramError};
use crate::{ListenerId, TcpId};

impl<'a, L: Link, S: Storage<'a>> Core<'a, L, S> {
    /// Takes at most [`TURN`] frames from the link; true when there may be more.
    pub(super) fn receive(
        &mut self,
        now: Instant,
        arriving: &mut [u8],
        departing: &mut [u8],
    ) -> bool {
        for _ in 0..TURN {
            // A link that puts frames together would lose what has no room.
            let received = if arriving.len() < ARRIVAL {
                self.link
                    .receive(now, arriving)
                    .map(|len| len.map(|len| (0..len, FrameMeta::WHOLE)))
            } else {
                self.link.receive_offloaded(now, arriving)
            };
            let (range, meta) = match received {
                Ok(Some(received)) => received,
                Ok(None) => return false,
                Err(LinkError::Busy | LinkError::Down) => {
                    if self.link_was_up {
                        self.link_was_up = false;
                        #[cfg(feature = "log")]
                        log::warn!("the link is down");
                        #[cfg(feature = "defmt")]
                        defmt::warn!("the link is down");
                    }
                    if self.link.is_gone() {
                        self.lose_link(now);
                    }
                    return false;
                }
            };
            self.link_was_up = true;
            self.frames += 1;
            self.counters.frames_in += 1;
            let arrival = Arrival { number: self.frames, now };
            let Some(frame) = arriving.get_mut(range) else { continue };
            if meta.gso.is_some() {
                self.counters.superframes_in += 1;
            }
            match meta.gso {
                Some(Gso { kind: GsoKind::Udp, .. }) => {
                    self.datagrams_input(arrival, frame, &meta, departing);
                }
                _ => match meta.check(frame) {
                    Ok(checksums) => self.frame_input(arrival, frame, checksums, departing),
                    Err(reason) => self.dropped(reason),
                },
            }
        }
        true
    }

    /// A superframe of datagrams: each goes on as if it had come alone.
    fn datagrams_input(
        &mut self,
        arrival: Arrival,
        frame: &mut [u8],
        meta: &FrameMeta,
        departing: &mut [u8],
    ) {
        let mut segments = match Segments::of(frame, meta, Sums::Header) {
            Ok(segments) => segments,
            Err(reason) => {
                self.dropped(reason);
                return;
            }
        };
        self.counters.coalesced += segments.count() as u64 - 1;
        while let Some(piece) = segments.piece(frame) {
            if let Some(datagram) = frame.get_mut(piece) {
                self.frame_input(arrival, datagram, Checksums::Header, departing);
            }
            segments.advance();
        }
    }

    fn frame_input(
        &mut self,
        arrival: Arrival,
        frame: &mut [u8],
        checksums: Checksums,
        departing: &mut [u8],
    ) {
        let now = arrival.now;
        match self.net.receive_verified(now, frame, checksums, departing) {
            Received::Packet { range, parsed } => {
                if let Some(packet) = frame.get_mut(range) {
                    self.packet(arrival, parsed, packet, departing);
                }
            }
            Received::Consumed { reply } => {
                self.counters.neighbor += 1;
                if let Some(reply) = reply.and_then(|len| departing.get(..len)) {
                    self.transmit(now, reply, &FrameMeta::WHOLE);
                }
                self.poll_neighbors(now, departing);
            }
            Received::Dropped(reason) => {
                self.dropped(reason);
                self.explain(now, reason, frame, departing);
            }
        }
    }

    /// Takes at most [`TURN`] packets that this stack sent to itself.
    pub(super) fn deliver_loopback(
        &mut self,
        now: Instant,
        arriving: &mut [u8],
        departing: &mut [u8],
    ) {
        for _ in 0..TURN {
            let Some(queued) = self.loopback.pop_front() else { return };
            let bytes = queued.as_ref();
            let Some(packet) = arriving.get_mut(..bytes.len()) else { continue };
            packet.copy_from_slice(bytes);
            drop(queued);
            match self.net.check(packet, Origin::Loopback, Checksums::Skip) {
                Ok(parsed) => self.packet(Arrival { number: 0, now }, parsed, packet, departing),
                Err(reason) => self.dropped(reason),
            }
        }
    }

    /// Tells the sender of a frame why it was dropped, where RFC 8200 wants that: about an option
    /// that must not be skipped (section 4.2) and about a fragment (section 4.5).
    fn explain(&mut self, now: Instant, reason: Reason, frame: &[u8], departing: &mut [u8]) {
        let Some(packet) = frame.get(HEADER..) else { return };
        let Some(room) = departing.get_mut(HEADER..) else { return };
        let len = match reason {
            Reason::UnknownOption => icmp::parameter_problem(room, packet),
            Reason::FragmentLength | Reason::FragmentHeaders => {
                icmp::fragment_problem(room, packet, reason)
            }
            _ => None,
        };
        if let Some(len) = len
            && self.icmp_allowed(now)
        {
            self.send(now, departing, len, None);
        }
    }

    fn dropped(&mut self, reason: Reason) {
        self.counters.dropped.count(reason);
    }

    /// A sane IP packet for this stack.
    fn packet(
        &mut self,
        arrival: Arrival,
        mut parsed: Parsed,
        packet: &mut [u8],
        departing: &mut [u8],
    ) {
        if let Upper::Fragment(fragment) = parsed.upper {
            self.fragment_input(arrival, &parsed, fragment, packet, departing);
            return;
        }
        let extensions = sanity::strip_extensions(packet, &parsed);
        let Some(packet) = packet.get_mut(extensions..) else { return };
        parsed.header_len -= extensions;
        parsed.total_len -= extensions;
        match parsed.upper {
            Upper::Tcp(tcp) => {
                let segment = Segment::of(&parsed, &tcp);
                self.tcp_input(arrival, &segment, packet, departing);
            }
            Upper::Udp { .. } => self.udp_input(arrival, &parsed, packet, departing),
            Upper::Icmp { .. } => match icmp::parse_error(packet) {
                Some(error) => self.icmp_input(arrival, &error, departing),
                None => {
                    self.counters.others += 1;
                    if parsed.delivery == Delivery::Own {
                        self.answer_for_nobody(arrival.now, packet, departing);
                    }
                }
            },
            // IGMP has ended before; what this stack says itself is for others.
            Upper::Igmp => self.counters.others += 1,
            Upper::Other => {
                self.counters.others += 1;
                if parsed.delivery == Delivery::Own && self.icmp_allowed(arrival.now) {
                    self.answer_for_nobody(arrival.now, packet, departing);
                }
            }
            // Fragments were sorted out above.
            Upper::Fragment(_) => {}
        }
    }

    /// A fragment goes on as the packet that it completes, if it does.
    fn fragment_input(
        &mut self,
        arrival: Arrival,
        parsed: &Parsed,
        fragment: FragmentHeader,
        packet: &[u8],
        departing: &mut [u8],
    ) {
        match self.net.reassemble(arrival.now, parsed, fragment, packet) {
            Ok(Some(mut whole)) => match self.net.check_reassembled(whole.packet()) {
                Ok(parsed) => {
                    self.counters.reassembled += 1;
                    self.packet(arrival, parsed, whole.packet(), departing);
                }
                Err(reason) => self.dropped(reason),
            },
            Ok(None) => self.counters.fragments += 1,
            Err(reason) => self.dropped(reason),
        }
        self.counters.reassembly_evicted = self.net.reassembly_evictions();
    }

    /// Gives packets up whose fragments did not all arrive in time, and tells their senders.
    pub(super) fn expire_fragments(&mut self, now: Instant, departing: &mut [u8]) {
        while let Some(expired) = self.net.expired(now) {
            self.counters.reassembly_expired += 1;
            if let Expired::Begun(mut first) = expired
                && self.icmp_allowed(now)
                && let Some(room) = departing.get_mut(HEADER..)
                && let Some(len) = icmp::reassembly_time_exceeded(room, first.packet())
            {
                self.send(now, departing, len, None);
            }
        }
    }

    /// smoltcp answers what no socket wants: RST, echo reply, protocol unreachable.
    fn answer_for_nobody(&mut self, now: Instant, packet: &[u8], departing: &mut [u8]) {
        let Some(room) = departing.get_mut(HEADER..) else { return };
        let len = self.ip.ingress(now, &mut self.nobody, packet, room);
        if len > 0 {
            // smoltcp forbids routers to cut anything, but only TCP makes smaller packets then.
            if packet.get(9) != Some(&IpProtocol::Tcp.into())
                && let Some(answer) = room.get_mut(..len)
            {
                self.net.allow_fragments(answer);
            }
            self.send(now, departing, len, None);
        }
    }

    fn tcp_input(
        &mut self,
        arrival: Arrival,
        segment: &Segment,
        packet: &mut [u8],
        departing: &mut [u8],
    ) {
        let flow = Flow { local: segment.destination, remote: segment.source };
        match self.target(&flow) {
            Some(Target::Connection(id)) => {
                self.counters.segments += 1;
                self.connection_input(arrival, id, segment, packet, departing);
                return;
            }
            Some(Target::Rest(id)) if !self.rest_input(arrival.now, id, segment, departing) => {
                self.counters.segments += 1;
                return;
            }
            Some(Target::Rest(_)) | None => {}
        }
        if segment.has(SYN)
            && !segment.has(ACK)
            && !segment.has(RST)
            && let Some(listener) = self.demux.listener(segment.destination)
        {
            self.listener_input(arrival, listener, segment, packet, departing);
            return;
        }
        self.counters.tcp_unmatched += 1;
        self.answer_for_nobody(arrival.now, packet, departing);
    }

    fn listener_input(
        &mut self,
        arrival: Arrival,
        id: ListenerId,
        segment: &Segment,
        packet: &mut [u8],
        departing: &mut [u8],
    ) {
        let half_open_limit = usize::from(self.config.half_open_limit);
        let Some(listener) = self.listeners.get(id) else { return };
        if listener.queue.len() >= listener.backlog {
            self.counters.backlog_full += 1;
            if self.config.full_backlog == FullBacklog::Reset {
                self.answer_for_nobody(arrival.now, packet, departing);
            }
            return;
        }
        if listener.half_open >= half_open_limit {
            self.counters.half_open_full += 1;
            return;
        }
        match self.open_passive(arrival.now, id, segment) {
            Some(connection) => {
                self.counters.segments += 1;
                self.connection_input(arrival, connection, segment, packet, departing);
            }
            None => self.counters.tcp_exhausted += 1,
        }
    }

    fn connection_input(
        &mut self,
        arrival: Arrival,
        id: TcpId,
        segment: &Segment,
        packet: &mut [u8],
        departing: &mut [u8],
    ) {
        let now = arrival.now;
        let Some(connection) = self.connections.get_mut(id) else { return };
        let before = connection.state();
        let evidence =
            PacketEvidence { number: arrival.number, at: now, summary: segment.summary() };

        if before == State::SynSent && segment.has(RST) {
            // RFC 9293, section 3.10.7.3: a RST counts if it acknowledges our SYN.
            let counts =
                segment.has(ACK) && segment.acknowledgment == past(connection.stage.initial(), 1);
            if counts {
                self.refused(id, evidence);
            }
            return;
        }
        if before == State::SynReceived
            && connection.passive
            && segment.has(SYN)
            && !segment.has(ACK)
            && !segment.has(RST)
        {
            // The peer repeats its SYN: our answer was lost, or is late.
            self.repeat_handshake(now, id, departing);
            return;
        }

        let unsent = connection.queued() > 0;
        let mut segment = *segment;
        if before == State::SynReceived && !connection.passive && segment.has(SYN | ACK) {
            connection.stage.crossed(&mut segment, packet);
        }
        match connection.stage.arrive(&mut segment, packet, unsent) {
            Verdict::Show => connection.prober.heard(now),
            Verdict::Hide => return,
            Verdict::Challenge => {
                self.challenge(now, id, departing);
                return;
            }
        }
        // Only while the handshake's own copies are out does smoltcp get a moved clock.
        let at = match connection.handshake.get() {
            Some(handshake) if connection.withheld() && handshake.started() => {
                handshake.arrival(now)
            }
            _ => now,
        };
        let Some(cell) = &mut connection.cell else { return };
        let (readable, queued) = (cell.socket().recv_queue(), cell.socket().send_queue());
        self.counters.sockets_touched += 1;
        let Some(room) = departing.get_mut(HEADER..) else { return };
        let len = self.ip.ingress(at, cell.set(), packet, room);

        let socket = cell.socket();
        let mut what = Happened::default();
        if socket.recv_queue() > readable {
            what |= Happened::READABLE;
        }
        if socket.send_queue() < queued {
            what |= Happened::WRITABLE;
        }
        let after = socket.state();
        if before != after || segment.has(ACK) {
            let received = socket.recv_queue() - readable;
            connection.stage.accepted(now, &segment, packet, received, before, after);
        }
        let lone_fin = (before, after) == (State::Established, State::CloseWait)
            && socket.recv_queue() == readable
            && queued == 0
            && connection.options().acknowledge == Acknowledge::Delayed;
        let owned = connection.role != Role::Released;
        let told = owned && connection.connected_at.is_some();
        if !owned || connection.receive_shutdown {
            connection.discard();
            if self.reset_unread(now, id, Evidence::Packet(evidence), departing) {
                return;
            }
        }
        if told && what != Happened::default() {
            self.happened(id, what);
        }
        if len > 0 {
            self.connection_send(now, id, departing, len);
        }
        self.nudge(now, id, departing);
        self.changed(now, id, before, after, Some((&segment, evidence)), departing);
        if lone_fin && self.config.lone_fin == LoneFin::Delayed {
            // Whatever is sent until this deadline acknowledges it.
            self.schedule(now, id);
        } else {
            self.mark_dirty(id);
        }
    }

    /// Shows smoltcp duplicate acknowledgments where the stage knows that the oldest segment is lost,
    /// so that it goes out again at once.
    pub(super) fn nudge(&mut self, now: Instant, id: TcpId, departing: &mut [u8]) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        let (local, remote) = (connection.local, connection.remote);
        let Some((next, acknowledgment, window)) = connection.stage.nudge(now) else { return };
        let Some(cell) = &mut connection.cell else { return };
        let mut packet = [0; 60];
        // The first has a window of its own, and so the second too: that makes smoltcp count from the
        // beginning, whatever it has seen.
        for number in 0..5 {
            let window = window ^ u16::from(number == 0);
            let len = write_ack(&mut packet, remote, local, next, acknowledgment, window);
            if let Some(packet) = packet.get(..len.unwrap_or(0)) {
                // Nothing is answered to these.
                self.ip.ingress(now, cell.set(), packet, departing);
            }
        }
    }

    /// Tells the peer where this side stands.
    fn challenge(&mut self, now: Instant, id: TcpId, departing: &mut [u8]) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        let (local, remote) = (connection.local, connection.remote);
        if let Some((next, expected, window)) = connection.stage.challenge(now)
            && let Some(room) = departing.get_mut(HEADER..)
            && let Some(len) = write_ack(room, local, remote, next, expected, window)
        {
            self.counters.challenges += 1;
            connection.mark(room);
            // Past the stage, which learns from what smoltcp writes where smoltcp stands.
            self.send(now, departing, len, Some(SocketRef::Tcp(id)));
        }
    }

    fn refused(&mut self, id: TcpId, evidence: PacketEvidence) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        if let Some(handshake) = connection.handshake.get_mut()
            && let OnReset::Retry(delay) = handshake.policy.reset
            && handshake.retry_after_reset(evidence.at, delay)
        {
            self.schedule(evidence.at, id);
            return;
        }
        let kind = CauseKind::Refused;
        self.fail(id, Cause { kind, at: evidence.at, evidence: Evidence::Packet(evidence) });
    }

    fn icmp_input(&mut self, arrival: Arrival, error: &IcmpError, departing: &mut [u8]) {
        let flow = Flow { local: error.quoted_source, remote: error.quoted_destination };
        let evidence = PacketEvidence {
            number: arrival.number,
            at: arrival.now,
            summary: PacketSummary::Icmp {
                source: error.source,
                kind: error.kind,
                code: error.code,
                quoted_source: error.quoted_source,
                quoted_destination: error.quoted_destination,
            },
        };
        let kind = match error.effect {
            Effect::Net => CauseKind::NetUnreachable,
            Effect::Host | Effect::Transit => CauseKind::HostUnreachable,
            Effect::Refused => CauseKind::Refused,
            Effect::PathMtu => {
                let matched = self.too_big(arrival.now, flow, error, departing);
                self.count_icmp(matched);
                return;
            }
            Effect::Ignored => {
                self.count_icmp(false);
                return;
            }
        };
        let matched = match error.protocol {
            Transport::Tcp => self.icmp_for_connection(flow, error, kind, evidence),
            Transport::Udp => self.icmp_for_datagram(flow, error, kind, evidence),
        };
        self.count_icmp(matched);
    }

    fn count_icmp(&mut self, matched: bool) {
        if matched {
            self.counters.icmp_matched += 1;
        } else {
            self.counters.icmp_unmatched += 1;
        }
    }

    /// A router says that a packet was too large for it. Never fatal: from now on packets to this
    /// destination are smaller, and what TCP has in flight goes out again at once.
    fn too_big(
        &mut self,
        now: Instant,
        flow: Flow,
        error: &IcmpError,
        departing: &mut [u8],
    ) -> bool {
        let connection = match error.protocol {
            Transport::Tcp => {
                let Some(Target::Connection(id)) = self.target(&flow) else {
                    return false;
                };
                if !self.quotes_flight(id, error) {
                    return false;
                }
                Some(id)
            }
            Transport::Udp if self.demux.datagram_sender(&flow).is_none() => return false,
            Transport::Udp => None,
        };
        if self.net.too_big(now, error, self.link.mtu()) {
            self.counters.path_mtu_lowered += 1;
            if let Some(id) = connection {
                self.retransmit(now, id, departing);
            }
        }
        true
    }

    /// RFC 5927, section 4.1: whoever cannot see our packets cannot quote what is in flight.
    fn quotes_flight(&self, id: TcpId, error: &IcmpError) -> bool {
        let connection = self.connections.get(id);
        connection
            .zip(error.quoted_sequence)
            .is_some_and(|(connection, sequence)| connection.stage.in_flight(sequence))
    }

    fn icmp_for_connection(
        &mut self,
        flow: Flow,
        error: &IcmpError,
        kind: CauseKind,
        evidence: PacketEvidence,
    ) -> bool {
        let Some(Target::Connection(id)) = self.target(&flow) else { return false };
        if !self.quotes_flight(id, error) {
            return false;
        }
        let Some(connection) = self.connections.get_mut(id) else { return false };
        let connecting = connection.phase() == Phase::Connecting && !connection.passive;
        let policy = connection.handshake.get().map(|handshake| handshake.policy.icmp);
        if connecting && policy == Some(OnError::Fail) {
            let at = evidence.at;
            self.fail(id, Cause { kind, at, evidence: Evidence::Packet(evidence) });
        } else {
            // RFC 1122, section 4.2.3.9 and RFC 5461: a hint, no verdict.
            connection.trouble_mut().soft_error = Some(evidence);
            self.happened(id, Happened::SOFT_ERROR);
        }
        true
    }

    fn icmp_for_datagram(
        &mut self,
        flow: Flow,
        error: &IcmpError,
        kind: CauseKind,
        evidence: PacketEvidence,
    ) -> bool {
        let Some(id) = self.demux.datagram_sender(&flow) else { return false };
        let Some(socket) = self.datagrams.get_mut(id) else { return false };
        let in_transit = error.effect == Effect::Transit;
        if socket.error(DatagramError { kind, in_transit, remote: flow.remote, evidence }) {
            self.datagram_happened(id, Happened::SOFT_ERROR);
        }
        true
    }

    fn udp_input(
        &mut self,
        arrival: Arrival,
        parsed: &Parsed,
        packet: &[u8],
        departing: &mut [u8],
    ) {
        let Some(datagram) = Arriving::of(parsed, arrival.origin(), packet) else { return };
        let About { source, destination, .. } = datagram.about;
        if parsed.delivery != Delivery::Own {
            self.fan_out(&datagram);
            return;
        }
        let flow = Flow { local: destination, remote: source };
        match self.demux.receiver(&flow) {
            Receiver::Socket(id) => {
                let Some(socket) = self.datagrams.get_mut(id) else { return };
                if socket.accept(&mut self.storage, &datagram) {
                    self.counters.datagrams += 1;
                    self.datagram_happened(id, Happened::READABLE);
                } else {
                    self.counters.udp_overflowed += 1;
                }
                return;
            }
            Receiver::Filtered(id) => {
                // The port is open, but for another peer: dropped before it is queued.
                self.counters.udp_filtered += 1;
                if let Some(socket) = self.datagrams.get_mut(id) {
                    socket.filtered += 1;
                }
                return;
            }
            Receiver::None => {}
        }
        self.counters.udp_unmatched += 1;
        if self.icmp_allowed(arrival.now)
            && let Some(room) = departing.get_mut(HEADER..)
            && let Some(len) = self.net.port_unreachable(room, parsed, packet)
        {
            self.send(arrival.now, departing, len, None);
        }
    }

    /// Whether another ICMP error may be sent now.
    fn icmp_allowed(&mut self, now: Instant) -> bool {
        let allowed = self.icmp.take(now);
        self.counters.icmp_withheld += u64::from(!allowed);
        allowed
    }

    /// Sends a segment that smoltcp wrote for a connection.
    pub(super) fn connection_send(
        &mut self,
        now: Instant,
        id: TcpId,
        departing: &mut [u8],
        len: usize,
    ) {
        use crate::tcp::stage::Departure;
        let retries = self.config.data_retries;
        let Some(connection) = self.connections.get_mut(id) else { return };
        let Some(packet) = departing.get_mut(HEADER..HEADER + len) else { return };
        connection.mark(packet);
        // With a budget of time there is no count.
        let retries = connection.options().max_rt.is_none().then_some(retries);
        if connection.stage.depart(now, packet, retries) == Departure::GiveUp {
            self.give_up(now, id);
            return;
        }
        let begins = match connection.handshake.get_mut() {
            Some(handshake) if !handshake.started() => {
                handshake.keep(now, packet);
                true
            }
            _ => false,
        };
        let sent = self.send_segment(now, id, departing, len);
        if begins && sent == super::Sent::Out {
            self.left(id);
        }
    }
}
