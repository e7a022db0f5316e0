//! Connections and listeners: the calls.

use core::iter;

use smoltcp::time::Instant;

use super::Stack;
use super::connection::CLOSED_UNREAD;
use crate::event::Happened;
use crate::link::Link;
use crate::net::Hop;
use crate::port::{Binding, Transport};
use crate::source::Source;
use crate::storage::{Fifo, Storage, scatter};
use crate::tcp::{
    Close, Connect, Connection, Listener, ListenerOptions, OpenError, ReceiveError, Role,
    RouteError, SendError, Take, TcpInfo, TcpOptions, TcpStatus,
};
use crate::{ListenerId, TcpId};

impl<'a, L: Link, S: Storage<'a>> Stack<'a, L, S> {
    /// Opens a connection and sends its SYN at once.
    ///
    /// A CONNECTED or FAILED event tells the end. The handle is valid until
    /// [`Stack::tcp_close`].
    ///
    /// # Errors
    /// [`OpenError::InUse`] when the four-tuple belongs to another connection or rests in
    /// TIME-WAIT, [`OpenError::Exhausted`] when no socket is left, [`OpenError::Route`] when the
    /// destination cannot be reached from this address, or is a group (RFC 9293, section 3.9.2.3),
    /// or when the address is not one of the stack's own.
    pub fn tcp_connect(&mut self, now: Instant, request: &Connect) -> Result<TcpId, OpenError> {
        let (local, remote) = (request.local.addr, request.remote.addr);
        let to_group = remote.is_multicast() || self.is_broadcast(remote);
        let no_way = self.core.net.hop_from(local, remote) == Hop::NoRoute;
        if to_group || no_way || !self.is_own_address(local) {
            return Err(OpenError::Route(RouteError::NoRoute));
        }
        self.source_for(remote).map_err(OpenError::Route)?;
        let id = self.core.open_active(now, request)?;
        self.core.service(now, id, self.departing.as_mut());
        Ok(id)
    }

    /// What there is to know about a connection; `None` for a stale handle.
    pub fn tcp(&self, id: TcpId) -> Option<TcpStatus> {
        self.core.held(id).map(Connection::status)
    }

    /// The numbers of a connection; `None` for a stale handle.
    pub fn tcp_info(&self, id: TcpId) -> Option<TcpInfo> {
        self.core.held(id).map(Connection::info)
    }

    /// Sends `data`; see [`Stack::tcp_send_from`].
    ///
    /// # Errors
    /// As [`SendError`] says; nothing was accepted then.
    pub fn tcp_send(
        &mut self,
        now: Instant,
        id: TcpId,
        data: &[u8],
        limit: usize,
    ) -> Result<usize, SendError> {
        self.tcp_send_from(now, id, &data, limit)
    }

    /// Sends the bytes of `data`, which may be a list of buffers, as one send.
    ///
    /// With a heap they are accepted whole while fewer than `limit` bytes are queued, and what the
    /// ring does not hold is kept beside it; without, as much as the ring has room for. Of bytes
    /// that could be read a moment before and cannot any more, those before them are accepted.
    ///
    /// # Errors
    /// As [`SendError`] says; nothing was accepted then.
    pub fn tcp_send_from(
        &mut self,
        now: Instant,
        id: TcpId,
        data: &impl Source,
        limit: usize,
    ) -> Result<usize, SendError> {
        let accepted = self.core.accept_bytes(id, data, limit)?;
        self.core.service(now, id, self.departing.as_mut());
        Ok(accepted)
    }

    /// Lets `write` put bytes where they wait to be sent, without a copy: it is given free room of
    /// the ring, at least one byte of it, and says how many bytes from its beginning it has
    /// written. They are sent as by [`Stack::tcp_send`]. A number beyond the room counts as all of
    /// it; with 0 nothing is sent, and nothing else happens.
    ///
    /// The room holds whatever was sent before. It ends where the ring does, though there may be
    /// more at its beginning: a second call is given that. Where the ring is empty it is all of it.
    /// At most a ring is given at a time, as long as fewer than `limit` bytes are queued: a closure
    /// that fills it may queue more than `limit`, as one send may.
    ///
    /// # Errors
    /// As [`SendError`] says; `write` was not called then. It is [`SendError::WouldBlock`] also
    /// while the ring is full, and while bytes of an earlier send are still beside it, which go
    /// first.
    pub fn tcp_send_with(
        &mut self,
        now: Instant,
        id: TcpId,
        limit: usize,
        write: impl FnOnce(&mut [u8]) -> usize,
    ) -> Result<usize, SendError> {
        let written = self.core.write_bytes(id, limit, write)?;
        self.core.service(now, id, self.departing.as_mut());
        Ok(written)
    }

    /// Receives into `buffer`; see [`Stack::tcp_recv_scattered`].
    ///
    /// # Errors
    /// As [`ReceiveError`] says.
    pub fn tcp_recv(
        &mut self,
        now: Instant,
        id: TcpId,
        buffer: &mut [u8],
        take: Take,
    ) -> Result<usize, ReceiveError> {
        self.tcp_recv_scattered(now, id, iter::once(buffer), take)
    }

    /// Receives into `pieces`, filling one after the other. `Ok(0)` where they have room means
    /// that the peer closed its direction and everything was received.
    ///
    /// A peek into several pieces sees no further than one packet of the largest size.
    ///
    /// # Errors
    /// As [`ReceiveError`] says.
    pub fn tcp_recv_scattered<'d>(
        &mut self,
        now: Instant,
        id: TcpId,
        pieces: impl Iterator<Item = &'d mut [u8]>,
        take: Take,
    ) -> Result<usize, ReceiveError> {
        let Some(connection) = self.core.receivable(id)? else { return Ok(0) };
        let Some(cell) = &mut connection.cell else { return Err(ReceiveError::NotConnected) };
        let socket = cell.socket_mut();
        let mut pieces = pieces.filter(|piece| !piece.is_empty());
        // Bytes are there, so no call has a reason to fail.
        match take {
            Take::Peek => {
                let Some(first) = pieces.next() else { return Ok(0) };
                let mut seen = socket.peek_slice(first).unwrap_or(0);
                if let Some(second) = pieces.next().filter(|_| seen == first.len()) {
                    // smoltcp shows its queue from the front only.
                    let staged = self.departing.as_mut();
                    let len = socket.peek_slice(staged).unwrap_or(0);
                    let rest = staged.get(seen.min(len)..len).unwrap_or_default();
                    seen += scatter(rest, iter::once(second).chain(pieces));
                }
                Ok(seen)
            }
            Take::Consume => {
                let mut received = 0;
                for piece in pieces {
                    let taken = socket.recv_slice(piece).unwrap_or(0);
                    received += taken;
                    if taken < piece.len() {
                        break;
                    }
                }
                if connection.attached {
                    self.core.service(now, id, self.departing.as_mut());
                }
                Ok(received)
            }
        }
    }

    /// Lets `read` look at received bytes where they are, without a copy: it is given at least one,
    /// in order, and says how many from the beginning it has taken; the others stay. A number beyond
    /// what was given counts as all of it. `Ok(0)` without a call of `read` means that the peer
    /// closed its direction and everything was received; with one, that it took nothing.
    ///
    /// What is given ends where the ring does, though there may be more at its beginning: a second
    /// call is given that, once everything before it was taken.
    ///
    /// # Errors
    /// As [`ReceiveError`] says; `read` was not called then.
    pub fn tcp_recv_with(
        &mut self,
        now: Instant,
        id: TcpId,
        read: impl FnOnce(&[u8]) -> usize,
    ) -> Result<usize, ReceiveError> {
        let Some(connection) = self.core.receivable(id)? else { return Ok(0) };
        let Some(cell) = &mut connection.cell else { return Err(ReceiveError::NotConnected) };
        let taken = cell.socket_mut().recv(|bytes| {
            let taken = read(bytes).min(bytes.len());
            (taken, taken)
        });
        // Bytes are there, so the call has no reason to fail.
        let taken = taken.unwrap_or(0);
        if taken > 0 && connection.attached {
            self.core.service(now, id, self.departing.as_mut());
        }
        Ok(taken)
    }

    /// Closes this side's direction behind what is queued.
    pub fn tcp_shutdown(&mut self, now: Instant, id: TcpId) {
        if let Some(connection) = self.core.held_mut(id) {
            connection.shutdown = true;
            self.core.service(now, id, self.departing.as_mut());
        }
    }

    /// Says that nothing will be received any more. Data that waits unread or comes from now on is
    /// lost, and the peer is told so: the connection is reset (RFC 1122, section 4.2.2.13) and
    /// fails with [`CauseKind::Aborted`](crate::event::CauseKind::Aborted). Until then it goes on.
    pub fn tcp_stop_receiving(&mut self, now: Instant, id: TcpId) {
        if let Some(connection) = self.core.held_mut(id) {
            connection.receive_shutdown = true;
            connection.discard();
            self.core.reset_unread(now, id, CLOSED_UNREAD, self.departing.as_mut());
        }
    }

    /// Lets a connection go. Its handle is stale afterwards. A connection that was not accepted
    /// yet is its listener's: see [`Stack::tcp_reject`].
    pub fn tcp_close(&mut self, now: Instant, id: TcpId, how: Close) {
        if self.core.connections.get(id).is_some_and(|held| held.role == Role::Owned) {
            self.core.release(now, id, how, self.departing.as_mut());
        }
    }

    /// Changes options.
    pub fn tcp_set(&mut self, now: Instant, id: TcpId, options: &TcpOptions) {
        if let Some(connection) = self.core.held_mut(id) {
            if options.keep_alive.is_some() && connection.options().keep_alive.is_none() {
                // Nobody asked whether the peer was there before: silence begins now.
                connection.prober.heard(now);
            }
            connection.set_options(options);
            connection.apply();
            self.core.service(now, id, self.departing.as_mut());
        }
    }

    /// How many closed connections still have something to deliver.
    pub fn delivering(&self) -> usize {
        self.core.released
    }

    /// Listens on what `binding` holds, with an accept queue of at most `backlog` connections
    /// (at least 1, at most [`Config::backlog_limit`](crate::config::Config::backlog_limit)).
    ///
    /// Where several listeners have the same address and port, which needs
    /// [`Share::Reuse`](crate::port::Share::Reuse) of all of them, the one that began last gets the
    /// connections, and when it ends the one before it.
    ///
    /// # Errors
    /// [`OpenError::Exhausted`] when no listener is left, [`OpenError::Stale`] for a binding that
    /// was given back or is not of TCP.
    pub fn tcp_listen(
        &mut self,
        binding: Binding,
        backlog: usize,
        owner: u32,
    ) -> Result<ListenerId, OpenError> {
        let core = &mut self.core;
        let holder = *core.ports.get(binding).ok_or(OpenError::Stale)?;
        if holder.transport != Transport::Tcp {
            return Err(OpenError::Stale);
        }
        if core.listeners.len() >= core.limit {
            return Err(OpenError::Exhausted);
        }
        let place = (holder.address, holder.port);
        let under = core.demux.listening.get(&place);
        let listener = Listener {
            binding,
            options: ListenerOptions::default(),
            under,
            over: None,
            address: holder.address,
            port: holder.port,
            backlog: backlog.clamp(1, usize::from(core.config.backlog_limit)),
            half_open: 0,
            queue: S::Queue::default(),
            owner,
            happened: Happened::default(),
        };
        let id = core.listeners.insert(listener).map_err(|_| OpenError::Exhausted)?;
        if let Some(under) = under {
            core.demux.listening.remove(&place, under);
        }
        if !core.demux.listening.insert(place, id) {
            core.listeners.remove(id);
            if let Some(under) = under {
                // The place that was just taken out is still free.
                core.demux.listening.insert(place, under);
            }
            return Err(OpenError::Exhausted);
        }
        if let Some(under) = under.and_then(|under| core.listeners.get_mut(under)) {
            under.over = Some(id);
        }
        Ok(id)
    }

    /// What connections get that arrive from now on.
    pub fn listener_set(&mut self, id: ListenerId, options: &ListenerOptions) {
        if let Some(listener) = self.core.listeners.get_mut(id) {
            listener.options = *options;
        }
    }

    /// Changes the length of the accept queue; connections beyond it stay in it.
    pub fn set_backlog(&mut self, id: ListenerId, backlog: usize) {
        let most = usize::from(self.core.config.backlog_limit);
        if let Some(listener) = self.core.listeners.get_mut(id) {
            listener.backlog = backlog.clamp(1, most);
        }
    }

    /// The connection at the head of the accept queue, which stays there.
    pub fn tcp_pending(&self, id: ListenerId) -> Option<(TcpId, TcpStatus)> {
        let head = *self.core.listeners.get(id)?.queue.front()?;
        Some((head, self.tcp(head)?))
    }

    /// Takes the connection at the head of the accept queue.
    pub fn tcp_accept(&mut self, id: ListenerId, owner: u32) -> Option<TcpId> {
        let head = self.core.listeners.get_mut(id)?.queue.pop_front()?;
        let connection = self.core.connections.get_mut(head)?;
        connection.role = Role::Owned;
        connection.owner = owner;
        if !connection.happened.is_empty() {
            let what = core::mem::take(&mut connection.happened);
            self.core.happened(head, what);
        }
        Some(head)
    }

    /// Resets the connection at the head of the accept queue.
    pub fn tcp_reject(&mut self, now: Instant, id: ListenerId) {
        let Some(listener) = self.core.listeners.get_mut(id) else { return };
        if let Some(head) = listener.queue.pop_front() {
            self.core.release(now, head, Close::Reset, self.departing.as_mut());
        }
    }

    /// Ends a listener and resets what waits in its queues.
    pub fn close_listener(&mut self, now: Instant, id: ListenerId) {
        let Some(mut listener) = self.core.listeners.remove(id) else { return };
        let place = (listener.address, listener.port);
        let core = &mut self.core;
        if let Some(under) = listener.under.and_then(|under| core.listeners.get_mut(under)) {
            under.over = listener.over;
        }
        match listener.over.and_then(|over| core.listeners.get_mut(over)) {
            Some(over) => over.under = listener.under,
            None => {
                core.demux.listening.remove(&place, id);
                if let Some(under) = listener.under {
                    // The place that was just taken out is still free.
                    core.demux.listening.insert(place, under);
                }
            }
        }
        while let Some(waiting) = listener.queue.pop_front() {
            self.core.release(now, waiting, Close::Reset, self.departing.as_mut());
        }
        // Half-open connections find their listener gone when they get any further.
    }
}
