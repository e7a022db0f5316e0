//! accept and WSAAccept.

use tapsock_stack::link::Link;
use tapsock_stack::storage::Storage;
use tapsock_stack::{ListenerId, TcpId};

use crate::address::{self, SockAddr};
use crate::constants::{CF_ACCEPT, CF_DEFER, CF_REJECT};
use crate::engine::{Access, Engine};
use crate::error::{Error, Result};
use crate::memory::MemoryMut;
use crate::process::{Cue, Process, SocketHandle, Turn};
use crate::readiness::Bits;
use crate::socket::{Kind, Socket, State};

/// What a condition function is told about who wants to connect. There is never connection data
/// and never a quality of service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// Who connects.
    pub caller: SockAddr,
    /// The name that they connect to.
    pub callee: SockAddr,
}

/// The connection at the head of the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pending {
    listener: ListenerId,
    connection: TcpId,
    who: Caller,
}

impl<'a, E: Engine<'a>> Process<'a, E> {
    /// accept: takes the first waiting connection as a new socket, which inherits the listener's
    /// blocking mode and its options as they are now; what concerns the wire it has from its
    /// handshake on. The peer's name goes into `name`, which has `namelen` bytes; a null pointer
    /// wants none.
    ///
    /// # Errors
    /// WSAENOTSOCK; WSAEOPNOTSUPP for a datagram socket; WSAEINVAL for one that does not listen;
    /// WSAEFAULT for too little room, with the connection left in the queue; WSAEWOULDBLOCK;
    /// WSAEMFILE; WSAEINTR; WSAEINPROGRESS.
    pub fn accept(
        &self,
        s: SocketHandle,
        name: MemoryMut<'_>,
        namelen: Option<&mut i32>,
    ) -> Result<SocketHandle> {
        self.wsa_accept(s, name, namelen, None)
    }

    /// WSAAccept: like accept, but `condition` decides: CF_ACCEPT, CF_REJECT (the peer's
    /// connection is reset), or CF_DEFER (it stays at the head of the queue).
    ///
    /// Inside `condition` no call of this thread may block: it would be WSAEINPROGRESS.
    ///
    /// # Errors
    /// As [`Process::accept`]; WSAECONNREFUSED after CF_REJECT; WSATRY_AGAIN after CF_DEFER;
    /// WSAECONNRESET when the connection went away while `condition` ran; WSAEINVAL when it gives
    /// another value.
    pub fn wsa_accept(
        &self,
        s: SocketHandle,
        mut name: MemoryMut<'_>,
        mut namelen: Option<&mut i32>,
        condition: Option<&mut dyn FnMut(&Caller) -> i32>,
    ) -> Result<SocketHandle> {
        let thread = self.thread();
        let interest = [s.index().unwrap_or(u32::MAX)];
        let mut waiting = false;
        let has_condition = condition.is_some();
        let found = self.block(&interest, |access, cue| {
            let turn = access.pending(thread, s, waiting, &mut name, namelen.as_deref(), cue);
            waiting = true;
            let turn = match turn {
                Turn::Done(Ok(pending)) if !has_condition => {
                    let taken = access.take(s, pending, &mut name, namelen.as_deref_mut());
                    Turn::Done(taken.map(Found::Taken).map_err(Into::into))
                }
                Turn::Done(Ok(pending)) => Turn::Done(Ok(Found::Asked(pending))),
                Turn::Done(Err(fault)) => Turn::Done(Err(fault)),
                Turn::Wait(until) => Turn::Wait(until),
            };
            if !matches!(turn, Turn::Wait(_) | Turn::Done(Ok(Found::Asked(_)))) {
                access.note_call(s, Bits::ACCEPT);
            }
            turn
        })?;
        let (pending, condition) = match (found, condition) {
            (Found::Taken(accepted), _) => return Ok(accepted),
            (Found::Asked(pending), Some(condition)) => (pending, condition),
            (Found::Asked(_), None) => return Err(Error::WSAEINVAL),
        };
        let verdict = self.in_callback(thread, || condition(&pending.who));
        self.call(|access| {
            let answered = access.answer(s, pending, verdict, &mut name, namelen);
            if answered != Err(Error::WSATRY_AGAIN) {
                access.note_call(s, Bits::ACCEPT);
            }
            Ok(answered?)
        })
    }
}

enum Found {
    Taken(SocketHandle),
    Asked(Pending),
}

impl<'a, L: Link, S: Storage<'a>> Access<'_, 'a, L, S> {
    /// The head of the queue, or what stands against waiting for it.
    fn pending(
        &mut self,
        thread: u64,
        s: SocketHandle,
        waiting: bool,
        name: &mut MemoryMut<'_>,
        namelen: Option<&i32>,
        cue: Cue,
    ) -> Turn<Pending> {
        let socket = match self.core.socket(s) {
            Ok(socket) => socket,
            // closesocket on another thread has taken the socket away.
            Err(_) if waiting => return Turn::fail(Error::WSAEINTR),
            Err(error) => return Turn::fail(error),
        };
        if !socket.is_stream() {
            return Turn::fail(Error::WSAEOPNOTSUPP);
        }
        let (family, nonblocking) = (socket.family, socket.nonblocking);
        if !matches!(socket.state, State::Listening(_)) {
            return Turn::fail(Error::WSAEINVAL);
        }
        if !name.is_null() && address::checked_room(name, namelen, family).is_err() {
            return Turn::fail(Error::WSAEFAULT);
        }
        if let Err(error) = self.may_block(thread, s) {
            return Turn::fail(error);
        }
        match (self.head(s), cue) {
            (Err(error), _) => Turn::fail(error),
            (Ok(Some(pending)), Cue::Look) => Turn::Done(Ok(pending)),
            (_, Cue::GiveUp(error)) => Turn::fail(error),
            (Ok(None), Cue::Look) if nonblocking => {
                self.core.ask();
                Turn::fail(Error::WSAEWOULDBLOCK)
            }
            (Ok(None), Cue::Look) => Turn::Wait(None),
        }
    }

    /// What the condition function's verdict makes of the connection at the head.
    fn answer(
        &mut self,
        s: SocketHandle,
        pending: Pending,
        verdict: i32,
        name: &mut MemoryMut<'_>,
        namelen: Option<&mut i32>,
    ) -> Result<SocketHandle> {
        // The function has run without the lock: everything may have changed.
        if self.head(s)? != Some(pending) {
            return Err(Error::WSAECONNRESET);
        }
        match verdict {
            CF_ACCEPT => self.take(s, pending, name, namelen),
            CF_REJECT => {
                self.stack.tcp_reject(self.now, pending.listener);
                self.touch(s);
                Err(Error::WSAECONNREFUSED)
            }
            CF_DEFER => Err(Error::WSATRY_AGAIN),
            _ => Err(Error::WSAEINVAL),
        }
    }

    fn head(&self, s: SocketHandle) -> Result<Option<Pending>> {
        let socket = self.core.socket(s)?;
        let State::Listening(listener) = socket.state else { return Err(Error::WSAEINVAL) };
        Ok(self.stack.tcp_pending(listener).map(|(connection, status)| Pending {
            listener,
            connection,
            who: Caller {
                caller: SockAddr::of_endpoint(socket.family, status.remote),
                callee: SockAddr::of_endpoint(socket.family, status.local),
            },
        }))
    }

    /// Makes the connection at the head a socket.
    fn take(
        &mut self,
        s: SocketHandle,
        pending: Pending,
        name: &mut MemoryMut<'_>,
        namelen: Option<&mut i32>,
    ) -> Result<SocketHandle> {
        let listening = self.core.socket(s)?;
        if !name.is_null() {
            // Before the connection is taken: it shall not be lost for the caller's mistake.
            address::checked_room(name, namelen.as_deref(), listening.family)?;
        }
        let mut socket = Socket::new(listening.family, Kind::Stream);
        // It takes over everything.
        socket.options = listening.options.clone();
        socket.nonblocking = listening.nonblocking;
        socket.record = listening.record.inherited();
        let mut peer = pending.who.caller;
        if crate::socket::is_link_local(peer.address) {
            peer.scope_id = crate::constants::LINK_SCOPE_ID;
        }
        socket.peer = Some(peer);
        let options = socket.options.for_connection();
        let accepted = self.core.sockets.insert(socket).ok_or(Error::WSAEMFILE)?;
        let owner = accepted.index().unwrap_or(u32::MAX);
        let Some(connection) = self.stack.tcp_accept(pending.listener, owner) else {
            self.core.sockets.remove(accepted);
            return Err(Error::WSAEWOULDBLOCK);
        };
        self.stack.tcp_set(self.now, connection, &options);
        let connected_at = self.stack.tcp(connection).and_then(|status| status.connected_at);
        let socket = self.core.socket_mut(accepted)?;
        socket.state = State::Connected(connection);
        socket.connected_at = connected_at.or(Some(self.now));
        if !name.is_null() {
            peer.write(name, namelen)?;
        }
        self.touch(accepted);
        // What its listener was selected for it is selected for, and may be already.
        self.record(accepted, Bits::NONE);
        Ok(accepted)
    }
}
