//! Connections from the inside: how they begin, send, change and end.

use smoltcp::socket::tcp::State;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::IpListenEndpoint;

use super::{Core, Exhausted, HEADER, TURN};
use crate::demux::{Flow, Target};
use crate::event::{Asked, Cause, CauseKind, Evidence, Happened, PacketEvidence, Silence};
use crate::interface::Size;
use crate::link::Link;
use crate::net::Hop;
use crate::port::Family;
use crate::source::Source;
use crate::storage::{Cell, Chain, Fifo, Rare, Storage};
use crate::tcp::handshake::{Handshake, later};
use crate::tcp::keep_alive::Prober;
use crate::tcp::moment::Moment;
use crate::tcp::segment::{FIN, RST, Segment};
use crate::tcp::stage::{Path, Stage};
use crate::tcp::{
    Close, Connect, Connection, Listener, OpenError, Phase, ReceiveError, Role, RouteError,
    SendError, TcpOptions, congestion_control,
};
use crate::{ListenerId, TcpId};

/// How many segments a connection may send before the next one has its turn.
const BURST: usize = 16;

/// How long a released connection waits for the peer's FIN once everything was delivered.
const FIN_WAIT_2: Duration = Duration::from_secs(60);

/// How long a released connection may go without progress. An owner decides for itself how long
/// it bears a peer that answers every probe and takes nothing (RFC 9293, section 3.8.6.1); nobody
/// does for this one. Longer than five retransmissions in vain.
const STALLED: Duration = Duration::from_secs(120);

/// Why a connection was reset that was closed, or read no more, with data waiting.
pub(super) const CLOSED_UNREAD: Evidence = Evidence::Local("received data was left unread");

impl<'a, L: Link, S: Storage<'a>> Core<'a, L, S> {
    /// The connection under a handle that is not stale.
    pub(super) fn held(&self, id: TcpId) -> Option<&Connection<'a, S>> {
        self.connections.get(id).filter(|connection| connection.role != Role::Released)
    }

    pub(super) fn held_mut(&mut self, id: TcpId) -> Option<&mut Connection<'a, S>> {
        self.connections.get_mut(id).filter(|connection| connection.role != Role::Released)
    }

    /// A connection from which bytes can be received now; `None` at the end of what its peer sends.
    pub(super) fn receivable(
        &mut self,
        id: TcpId,
    ) -> Result<Option<&mut Connection<'a, S>>, ReceiveError> {
        let Some(connection) = self.held_mut(id) else { return Err(ReceiveError::NotConnected) };
        let status = connection.status();
        match (status.cause, status.phase) {
            (Some(cause), _) => Err(ReceiveError::Failed(cause)),
            (None, Phase::Connecting) => Err(ReceiveError::NotConnected),
            _ if status.receivable > 0 => Ok(Some(connection)),
            _ if status.fin_received => Ok(None),
            _ => Err(ReceiveError::WouldBlock),
        }
    }

    pub(super) fn open_active(
        &mut self,
        now: Instant,
        request: &Connect,
    ) -> Result<TcpId, OpenError> {
        let flow = Flow { local: request.local, remote: request.remote };
        if self.target(&flow).is_some() {
            return Err(OpenError::InUse);
        }
        let receive = request.receive_buffer.unwrap_or(self.config.receive_buffer);
        let transmit = request.transmit_buffer.unwrap_or(self.config.transmit_buffer);
        let mut cell = self.cell(receive, transmit).ok_or(OpenError::Exhausted)?;
        let sequence = self.ports.first_sequence(now, request.local, request.remote);
        let mut beginning = self.ip.beginning_with(now, sequence);
        let opened = cell.socket_mut().connect(beginning.context(), request.remote, request.local);
        if opened.is_err() {
            // Port 0, an unspecified address or two families: no such flow can exist.
            self.storage.recycle(cell);
            return Err(OpenError::Route(RouteError::NoRoute));
        }
        let timing = request.syn.unwrap_or(self.config.syn);
        let mut connection = self.connection(now, flow, cell, request.flow_label);
        connection.owner = request.owner;
        connection.set_options(&TcpOptions {
            max_rt: request.max_rt,
            hop_limit: request.hop_limit,
            traffic_class: request.traffic_class,
            ..TcpOptions::default()
        });
        let mut handshake = Handshake::new(timing, request.max_rt, now);
        handshake.policy = request.policy;
        connection.handshake.put(handshake);
        self.enter(flow, connection).map_err(|Exhausted| OpenError::Exhausted)
    }

    /// A connection for a SYN that a listener wants.
    pub(super) fn open_passive(
        &mut self,
        now: Instant,
        listener: ListenerId,
        segment: &Segment,
    ) -> Option<TcpId> {
        let flow = Flow { local: segment.destination, remote: segment.source };
        let Listener { binding, options: wanted, owner, .. } = *self.listeners.get(listener)?;
        let receive = wanted.receive_buffer.unwrap_or(self.config.receive_buffer);
        let transmit = wanted.transmit_buffer.unwrap_or(self.config.transmit_buffer);
        let mut cell = self.cell(receive, transmit)?;
        let local = IpListenEndpoint { addr: Some(flow.local.addr), port: flow.local.port };
        if cell.socket_mut().listen(local).is_err() {
            self.storage.recycle(cell);
            return None;
        }
        let mut connection = self.connection(now, flow, cell, 0);
        connection.passive = true;
        connection.role = Role::Waiting(listener);
        connection.owner = owner;
        connection.set_options(&wanted.options);
        connection.handshake.put(Handshake::new(self.config.syn, None, now));
        let id = self.enter(flow, connection).ok()?;
        if let Some(listener) = self.listeners.get_mut(listener) {
            listener.half_open += 1;
        }
        if self.ports.enter(binding)
            && let Some(connection) = self.connections.get_mut(id)
        {
            connection.holds = Some(binding);
        }
        Some(id)
    }

    fn cell(&mut self, receive: usize, transmit: usize) -> Option<Cell<'a>> {
        if self.connections.len() >= self.limit {
            return None;
        }
        self.storage.socket(receive, transmit)
    }

    fn connection(
        &mut self,
        now: Instant,
        flow: Flow,
        mut cell: Cell<'a>,
        flow_label: u32,
    ) -> Connection<'a, S> {
        let on_loopback = self.net.hop(flow.remote.addr) == Hop::Local;
        let headers = match Family::of(flow.local.addr) {
            Family::V4 => 40,
            Family::V6 => 60,
        };
        let mtu = self.path_mtu(now, flow.remote.addr);
        let most = mtu.saturating_sub(headers).min(usize::from(u16::MAX)) as u16;
        let path = Path { mss: (!on_loopback).then_some(most), flow_label };
        cell.socket_mut().set_congestion_control(congestion_control(on_loopback));
        Connection {
            cell: Some(cell),
            local: flow.local,
            remote: flow.remote,
            role: Role::Owned,
            passive: false,
            options: S::Rare::default(),
            handshake: S::Rare::default(),
            handshake_segments: 0,
            stage: Stage::new(path, now),
            prober: Prober::new(now),
            chain: S::Chain::default(),
            shutdown: false,
            receive_shutdown: false,
            unread: false,
            on_loopback,
            attached: false,
            connected_at: Moment::NONE,
            trouble: S::Rare::default(),
            release_ends: Moment::NONE,
            waiting: None,
            holds: None,
            owner: 0,
            happened: Happened::default(),
            dirty: false,
            lent: false,
            returned: 0,
        }
    }

    fn enter(&mut self, flow: Flow, connection: Connection<'a, S>) -> Result<TcpId, Exhausted> {
        let id = match self.connections.insert(connection) {
            Ok(id) => id,
            Err(connection) => {
                if let Some(cell) = connection.cell {
                    self.storage.recycle(cell);
                }
                return Err(Exhausted);
            }
        };
        if !self.demux.flows.insert_under(&flow, Target::Connection(id)) {
            if let Some(Connection { cell: Some(cell), .. }) = self.connections.remove(id) {
                self.storage.recycle(cell);
            }
            return Err(Exhausted);
        }
        if let Some(connection) = self.connections.get_mut(id) {
            connection.attached = true;
            connection.apply();
        }
        Ok(id)
    }

    /// A connection that takes a send, of which fewer than `limit` bytes are queued.
    fn sendable(&mut self, id: TcpId, limit: usize) -> Result<&mut Connection<'a, S>, SendError> {
        let Some(connection) = self.held_mut(id) else { return Err(SendError::NotConnected) };
        if let Some(cause) = connection.cause() {
            return Err(SendError::Failed(cause));
        }
        if connection.shutdown {
            return Err(SendError::Shutdown);
        }
        if connection.phase() == Phase::Connecting {
            return Err(SendError::NotConnected);
        }
        if connection.queued() >= limit.max(1) {
            return Err(SendError::WouldBlock);
        }
        Ok(connection)
    }

    /// Lets `write` put bytes into the free part of the ring, up to its end.
    pub(super) fn write_bytes(
        &mut self,
        id: TcpId,
        limit: usize,
        write: impl FnOnce(&mut [u8]) -> usize,
    ) -> Result<usize, SendError> {
        let connection = self.sendable(id, limit)?;
        let Some(cell) = &mut connection.cell else { return Err(SendError::NotConnected) };
        let socket = cell.socket_mut();
        // What an earlier send has beside the ring comes first.
        if !connection.chain.is_empty() || !socket.can_send() {
            return Err(SendError::WouldBlock);
        }
        let written = socket.send(|room| {
            let written = write(room).min(room.len());
            (written, written)
        });
        // It can send, as was asked above.
        Ok(written.unwrap_or(0))
    }

    /// Copies bytes to where they wait to be sent: into the ring, and beside it what that does not
    /// hold.
    pub(super) fn accept_bytes(
        &mut self,
        id: TcpId,
        data: &impl Source,
        limit: usize,
    ) -> Result<usize, SendError> {
        let (chained, total) = (self.chained, self.config.send_total);
        let connection = self.sendable(id, limit)?;
        let Some(cell) = &mut connection.cell else { return Err(SendError::NotConnected) };
        let socket = cell.socket_mut();
        let room = if connection.chain.is_empty() {
            socket.send_capacity() - socket.send_queue()
        } else {
            0
        };
        let offered = data.total();
        let beyond = offered.saturating_sub(room);
        if S::Chain::UNBOUNDED && beyond > 0 && chained.saturating_add(beyond) > total {
            return Err(SendError::NoBuffers);
        }
        let fitting = offered.min(room);
        let mut taken = 0;
        // The room may be in two parts, of which smoltcp shows the second when the first is full.
        while taken < fitting {
            let part = socket.send(|part| {
                let len = part.len().min(fitting - taken);
                let behind = taken + len;
                // What is in the ring cannot be taken out, so all has to be there that follows.
                let is_there = (taken > 0 || behind == offered || data.is_readable(behind))
                    && part.get_mut(..len).is_some_and(|part| data.copy(taken, part));
                let len = if is_there { len } else { 0 };
                (len, len)
            });
            match part {
                Ok(0) | Err(_) if taken > 0 => return Ok(taken),
                Ok(0) => return Err(SendError::Unreadable),
                Ok(len) => taken += len,
                Err(_) => return Err(SendError::NotConnected),
            }
        }
        if S::Chain::UNBOUNDED && taken < offered {
            if connection.chain.push(data, taken) {
                self.chained += offered - taken;
                taken = offered;
            } else if taken == 0 {
                return Err(SendError::Unreadable);
            }
        }
        if taken == 0 && offered > 0 {
            return Err(SendError::WouldBlock);
        }
        Ok(taken)
    }

    /// Lets a connection send what it has, at most [`BURST`] segments, and sets its next deadline.
    pub(super) fn service(&mut self, now: Instant, id: TcpId, departing: &mut [u8]) {
        for _ in 0..BURST {
            let room = self.loopback_has_room();
            let Some(connection) = self.connections.get_mut(id) else { return };
            if !connection.attached {
                return;
            }
            let chained = connection.chain.len();
            connection.feed();
            self.chained -= chained - connection.chain.len();
            if connection.withheld() {
                break;
            }
            if !self.stalled.is_empty() || (connection.on_loopback && !room) {
                self.mark_dirty(id);
                return;
            }
            let before = connection.state();
            let cut = !connection.on_loopback && self.link.offload().cuts(connection.remote.addr);
            let size = if cut { Size::Superframe } else { Size::Segment };
            let Some(cell) = &mut connection.cell else { return };
            let Some(packet) = departing.get_mut(HEADER..) else { return };
            self.counters.sockets_touched += 1;
            let len = self.ip.egress(now, cell.set(), packet, size);
            let after = cell.socket().state();
            if len > 0 {
                self.connection_send(now, id, departing, len);
            }
            self.changed(now, id, before, after, None, departing);
            if len == 0 {
                self.schedule(now, id);
                return;
            }
        }
        if self.connections.get(id).is_some_and(|connection| !connection.withheld()) {
            self.mark_dirty(id);
        }
        self.schedule(now, id);
    }

    /// Sends again at once what a connection has in flight: it is known to be lost, and not for
    /// lack of room on the way (RFC 1191 section 6.4). smoltcp begins anew from the oldest byte,
    /// slowly, which both RFCs about path MTUs allow.
    pub(super) fn retransmit(&mut self, now: Instant, id: TcpId, departing: &mut [u8]) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        if connection.phase() == Phase::Connected
            && let Some(cell) = &mut connection.cell
        {
            self.ip.expire(now, cell.set());
            self.service(now, id, departing);
        }
    }

    pub(super) fn service_dirty(&mut self, now: Instant, departing: &mut [u8]) {
        for _ in 0..self.dirty.len().min(TURN) {
            let Some(id) = self.dirty.pop_front() else { return };
            let Some(connection) = self.connections.get_mut(id) else { continue };
            connection.dirty = false;
            self.service(now, id, departing);
            if !self.stalled.is_empty() {
                return;
            }
        }
    }

    /// Nobody acknowledges any more.
    pub(super) fn give_up(&mut self, now: Instant, id: TcpId) {
        let Some(connection) = self.connections.get(id) else { return };
        let (sent, since, probing) = connection.stage.unanswered(now);
        let asked = if probing { Asked::Probe } else { Asked::Retransmission };
        let whom = connection.remote.addr;
        let silence = Silence { asked, whom, sent, since, waited: now - since };
        let (kind, evidence) = (CauseKind::TimedOut, Evidence::Silence(silence));
        self.fail(id, Cause { kind, at: now, evidence });
    }

    /// No connection over the link has a future. Those of the loopback go on.
    pub(super) fn lose_link(&mut self, now: Instant) {
        let evidence = Evidence::Local("the device of the link is gone");
        for index in 0..self.connections.places() {
            let Some(id) = self.connections.id_at(index) else { continue };
            let Some(connection) = self.connections.get(id) else { continue };
            if !connection.on_loopback && connection.cause().is_none() {
                self.fail(id, Cause { kind: CauseKind::LinkDown, at: now, evidence });
            }
        }
    }

    /// Ends a connection with a cause, without sending anything.
    pub(super) fn fail(&mut self, id: TcpId, cause: Cause) {
        self.detach(id);
        let Some(connection) = self.connections.get_mut(id) else { return };
        connection.fail(cause);
        let handshake = connection.handshake.take();
        if let Some(handshake) = &handshake {
            connection.handshake_segments = handshake.sent();
        }
        let half_open = handshake.is_some();
        let chained = connection.chain.len();
        connection.chain.clear();
        self.chained -= chained;
        if let Some(cell) = connection.cell.take() {
            self.storage.recycle(cell);
        }
        match connection.role {
            Role::Owned => self.happened(id, Happened::FAILED),
            Role::Released => self.forget(id),
            Role::Waiting(listener) => {
                if let Some(listener) = self.listeners.get_mut(listener) {
                    if half_open {
                        listener.half_open -= 1;
                    } else {
                        listener.queue.retain(|&waiting| waiting != id);
                    }
                }
                self.forget(id);
            }
        }
    }

    /// Takes a connection out of the demultiplexer and of every timer.
    pub(super) fn detach(&mut self, id: TcpId) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        let flow = connection.flow();
        if core::mem::take(&mut connection.attached) {
            self.demux.flows.remove_under(&flow, Target::Connection(id));
        }
        self.deadlines.set(id.index(), None);
        if let Some(binding) = connection.holds.take() {
            self.ports.leave(binding);
        }
        if let Some(waiting) = connection.waiting.take() {
            self.waiting.leave(waiting);
        }
    }

    /// Frees everything of a connection.
    fn forget(&mut self, id: TcpId) {
        self.detach(id);
        let Some(mut connection) = self.connections.remove(id) else { return };
        if connection.role == Role::Released {
            self.released -= 1;
        }
        self.chained -= connection.chain.len();
        if let Some(cell) = connection.cell.take() {
            self.storage.recycle(cell);
        }
    }

    pub(super) fn release(&mut self, now: Instant, id: TcpId, how: Close, departing: &mut [u8]) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        let open = connection.attached && connection.phase() == Phase::Connected;
        connection.role = Role::Owned;
        match how {
            Close::Deliver if open => {
                connection.role = Role::Released;
                connection.shutdown = true;
                connection.discard();
                self.released += 1;
                if !self.reset_unread(now, id, CLOSED_UNREAD, departing) {
                    self.service(now, id, departing);
                    self.settle(now, id);
                }
            }
            Close::Reset if open => self.reset(now, id, departing),
            Close::Deliver | Close::Reset | Close::Silent => self.forget(id),
        }
    }

    /// Tells the peer by a RST that its data was lost, where it was (RFC 1122, section 4.2.2.13).
    /// An owner who asked for it gets the connection back with this cause; of a released
    /// connection everything is delivered first. True when the connection is over.
    pub(super) fn reset_unread(
        &mut self,
        now: Instant,
        id: TcpId,
        evidence: Evidence,
        departing: &mut [u8],
    ) -> bool {
        let Some(connection) = self.connections.get(id) else { return true };
        let open = connection.attached && connection.phase() == Phase::Connected;
        let delivering = connection.role == Role::Released && connection.queued() > 0;
        if !connection.unread || !open || delivering {
            return false;
        }
        self.counters.unread_resets += 1;
        if connection.role == Role::Released {
            self.reset(now, id, departing);
        } else {
            self.send_reset(now, id, departing);
            self.fail(id, Cause { kind: CauseKind::Aborted, at: now, evidence });
        }
        true
    }

    /// Sends a RST and forgets the connection.
    pub(super) fn reset(&mut self, now: Instant, id: TcpId, departing: &mut [u8]) {
        self.send_reset(now, id, departing);
        self.forget(id);
    }

    fn send_reset(&mut self, now: Instant, id: TcpId, departing: &mut [u8]) {
        if let Some(connection) = self.connections.get_mut(id)
            && let Some(cell) = &mut connection.cell
        {
            cell.socket_mut().abort();
            if let Some(packet) = departing.get_mut(HEADER..) {
                let len = self.ip.egress(now, cell.set(), packet, Size::Segment);
                if len > 0 {
                    self.connection_send(now, id, departing, len);
                }
            }
        }
    }

    /// After every step of smoltcp: acts on what changed.
    pub(super) fn changed(
        &mut self,
        now: Instant,
        id: TcpId,
        before: State,
        after: State,
        cause: Option<(&Segment, PacketEvidence)>,
        departing: &mut [u8],
    ) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        if connection.cause().is_some() {
            return;
        }
        let handshaking = connection.handshake.get().is_some();
        if handshaking && !matches!(after, State::SynSent | State::SynReceived | State::Listen) {
            if after != State::Closed {
                self.handshake_completed(now, id, departing);
            }
        } else if handshaking && before == State::SynReceived && after == State::Listen {
            // A RST in answer to our SYN|ACK: smoltcp would listen again, we do not need to.
            let evidence = match cause {
                Some((_, packet)) => Evidence::Packet(packet),
                None => Evidence::Local("the handshake was reset"),
            };
            self.fail(id, Cause { kind: CauseKind::Reset, at: now, evidence });
            return;
        }
        let Some(connection) = self.connections.get_mut(id) else { return };
        if before != after && after == State::Closed {
            let reset = cause.filter(|(segment, _)| segment.has(RST));
            if let Some((_, packet)) = reset {
                let connecting = connection.phase() == Phase::Connecting;
                let kind = if connecting { CauseKind::Refused } else { CauseKind::Reset };
                let evidence = Evidence::Packet(packet);
                self.fail(id, Cause { kind, at: now, evidence });
                return;
            }
        }
        if cause.is_some_and(|(segment, _)| segment.has(FIN))
            && !peer_closed(before)
            && peer_closed(after)
        {
            self.happened(id, Happened::PEER_CLOSED);
        }
        match after {
            State::TimeWait => self.rest(now, id, departing),
            State::Closed if before != State::Closed => {
                // LAST-ACK was acknowledged: the end in order.
                self.detach(id);
                self.happened(id, Happened::FINISHED);
            }
            _ => {}
        }
        self.settle(now, id);
    }

    /// A released connection that delivered everything is forgotten, or waits for the peer's FIN.
    fn settle(&mut self, now: Instant, id: TcpId) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        if connection.role != Role::Released {
            return;
        }
        if !connection.attached {
            self.forget(id);
        } else if connection.state() == State::FinWait2 && !connection.release_ends.is_some() {
            connection.release_ends = later(now, FIN_WAIT_2).into();
            self.schedule(now, id);
        }
    }

    fn handshake_completed(&mut self, now: Instant, id: TcpId, departing: &mut [u8]) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        if let Some(handshake) = connection.handshake.take() {
            connection.handshake_segments = handshake.sent();
        }
        connection.connected_at = now.into();
        // What was wrong on the way is over.
        connection.trouble.take();
        let Role::Waiting(listener_id) = connection.role else {
            self.happened(id, Happened::CONNECTED | Happened::WRITABLE);
            return;
        };
        let queued = self.listeners.get_mut(listener_id).is_some_and(|listener| {
            listener.half_open -= 1;
            listener.queue.len() < listener.backlog && listener.queue.push_back(id).is_ok()
        });
        if queued {
            self.listener_happened(listener_id, Happened::ACCEPTABLE);
        } else {
            // The listener is gone, or others were faster and filled the queue.
            self.counters.accept_overrun += 1;
            self.reset(now, id, departing);
        }
    }
}

impl<'a, S: Storage<'a>> Connection<'a, S> {
    /// When a released connection is given up unless the peer takes something.
    pub(super) fn stalled(&self) -> Option<Instant> {
        if self.role == Role::Released { self.stage.stalled_at(STALLED) } else { None }
    }

    /// Throws away what was received, as nobody will read it, and remembers that there was some.
    pub(crate) fn discard(&mut self) {
        if let Some(cell) = &mut self.cell {
            let socket = cell.socket_mut();
            self.unread |= socket.recv_queue() > 0;
            while socket.recv(|bytes| (bytes.len(), bytes.len())).is_ok_and(|taken| taken > 0) {}
        }
    }
}

fn peer_closed(state: State) -> bool {
    matches!(state, State::CloseWait | State::Closing | State::LastAck | State::TimeWait)
}
