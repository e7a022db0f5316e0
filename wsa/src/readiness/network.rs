//! The record of network events that each socket keeps, and who is told of them.
//!
//! A bit of the record is an edge: it is recorded when its condition holds while the bit is armed,
//! which disarms it. The call that acts on the condition arms it again: a receive FD_READ, an
//! accept FD_ACCEPT, a send that would have blocked FD_WRITE. FD_CONNECT is recorded once for each
//! attempt and FD_CLOSE once for each connection.
//!
//! What is recorded does not depend on the mask of a selection, only who hears of it does. So a
//! mask that becomes wider reports what is true and was not fetched, and the same mask again
//! reports nothing twice. Only sockets that something happened to are looked at.

use core::ops::{BitAnd, BitOr, BitOrAssign, Sub, SubAssign};

use tapsock_stack::event::{CauseKind, Happened};
use tapsock_stack::link::Link;
use tapsock_stack::storage::Storage;

use super::Flags;
use crate::constants::{
    FD_ACCEPT, FD_ADDRESS_LIST_CHANGE, FD_ALL_EVENTS, FD_CLOSE, FD_CONNECT, FD_OOB, FD_QOS,
    FD_READ, FD_ROUTING_INTERFACE_CHANGE, FD_WRITE,
};
use crate::engine::Access;
use crate::error::Error;
use crate::process::{EventHandle, SocketHandle};
use crate::profile::CloseEvent;
use crate::socket::State;

/// A set of `FD_` bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Bits(i32);

impl Bits {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const READ: Self = Self(FD_READ);
    pub(crate) const WRITE: Self = Self(FD_WRITE);
    pub(crate) const ACCEPT: Self = Self(FD_ACCEPT);
    pub(crate) const CONNECT: Self = Self(FD_CONNECT);
    pub(crate) const CLOSE: Self = Self(FD_CLOSE);
    pub(crate) const OOB: Self = Self(FD_OOB);
    pub(super) const QOS: Self = Self(FD_QOS);
    pub(super) const ROUTING_INTERFACE_CHANGE: Self = Self(FD_ROUTING_INTERFACE_CHANGE);
    pub(super) const ADDRESS_LIST_CHANGE: Self = Self(FD_ADDRESS_LIST_CHANGE);
    /// Those with a condition that lasts.
    const LASTING: Self = Self(FD_READ | FD_WRITE | FD_OOB | FD_ACCEPT | FD_CLOSE);

    /// The caller's bits; `None` where one of them means nothing.
    pub(super) const fn new(bits: i32) -> Option<Self> {
        if bits & !FD_ALL_EVENTS == 0 { Some(Self(bits)) } else { None }
    }

    pub(super) const fn get(self) -> i32 {
        self.0
    }

    pub(super) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for Bits {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Bits {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl BitAnd for Bits {
    type Output = Self;
    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl Sub for Bits {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

impl SubAssign for Bits {
    fn sub_assign(&mut self, other: Self) {
        self.0 &= !other.0;
    }
}

/// Who is told of a socket's network events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Target {
    #[default]
    Nobody,
    /// WSAEventSelect.
    Event(EventHandle),
    /// WSAAsyncSelect.
    Window { window: usize, message: u32 },
}

/// A socket's record, and its selection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Record {
    pub(super) target: Target,
    pub(super) mask: Bits,
    /// The socket was selected at some time. Before that only the end of an attempt is recorded,
    /// and the lasting conditions are when it is.
    pub(super) kept: bool,
    /// What is recorded as soon as it is true.
    pub(super) armed: Bits,
    /// What has happened and was neither fetched nor posted.
    pub(super) recorded: Bits,
    /// With what the last attempt failed.
    connect: Option<Error>,
    /// With what the connection ended.
    close: Option<Error>,
    /// The socket waits for room in the queue of messages.
    pub(super) queued: bool,
}

impl Default for Record {
    fn default() -> Self {
        Self {
            target: Target::Nobody,
            mask: Bits::NONE,
            kept: false,
            armed: Bits::LASTING,
            recorded: Bits::NONE,
            connect: None,
            close: None,
            queued: false,
        }
    }
}

impl Record {
    /// A new record, kept from now on if somebody is told.
    pub(super) fn new(target: Target, mask: Bits) -> Self {
        Self { target, mask, kept: target != Target::Nobody, ..Self::default() }
    }

    /// The record of a socket that a listener with this one accepts.
    pub(crate) fn inherited(&self) -> Self {
        Self::new(self.target, self.mask)
    }

    /// An attempt begins: what happened before it is of no interest any more.
    pub(crate) fn restart(&mut self) {
        self.armed = Bits::LASTING;
        self.recorded = Bits::NONE;
    }

    /// Whether the socket is selected for anything, and so may not block.
    pub(crate) fn is_selected(&self) -> bool {
        !self.mask.is_empty()
    }

    /// The code that goes with one recorded bit.
    pub(super) fn code(&self, bit: Bits) -> i32 {
        let error = match bit {
            Bits::CONNECT => self.connect,
            Bits::CLOSE => self.close,
            _ => None,
        };
        error.map_or(0, Error::code)
    }

    pub(super) fn rearm(&mut self, bits: Bits) {
        self.armed |= bits;
    }

    pub(super) fn is_window(&self) -> bool {
        matches!(self.target, Target::Window { .. })
    }
}

/// The network event of each lasting condition.
const LASTING: [(Flags, Bits); 5] = [
    (Flags::READ, Bits::READ),
    (Flags::WRITE, Bits::WRITE),
    (Flags::ACCEPT, Bits::ACCEPT),
    (Flags::HUP, Bits::CLOSE),
    (Flags::RESET, Bits::CLOSE),
];

impl<'a, L: Link, S: Storage<'a>> Access<'_, 'a, L, S> {
    /// The stack has said that something happened to the socket.
    pub(crate) fn note(&mut self, s: SocketHandle, what: Happened) {
        let Some(socket) = self.core.sockets.get_mut(s) else { return };
        if !socket.record.kept {
            return;
        }
        // What arrives is news for an event object even if the last news was not acted on; a
        // window is not told twice.
        if !socket.record.is_window() {
            let errors = !socket.is_stream() && what.contains(Happened::SOFT_ERROR);
            if errors || what.contains(Happened::READABLE) {
                socket.record.rearm(Bits::READ);
            }
            if what.contains(Happened::ACCEPTABLE) {
                socket.record.rearm(Bits::ACCEPT);
            }
        }
        self.record(s, Bits::NONE);
    }

    /// A connection attempt has ended, or a datagram socket has got its peer.
    pub(crate) fn note_connect(&mut self, s: SocketHandle, failed: Option<Error>) {
        let Some(socket) = self.core.sockets.get_mut(s) else { return };
        socket.record.connect = failed;
        if failed.is_none() {
            socket.record.rearm(Bits::WRITE);
        }
        self.record(s, Bits::CONNECT);
    }

    /// A call has acted on these conditions, with or without success.
    pub(crate) fn note_call(&mut self, s: SocketHandle, acted_on: Bits) {
        let Some(socket) = self.core.sockets.get_mut(s) else { return };
        if !socket.record.kept {
            return;
        }
        socket.record.rearm(acted_on);
        socket.record.recorded -= acted_on;
        self.record(s, Bits::NONE);
    }

    /// A send into the ring found no room there. That is to be told when there is some, and not
    /// because a send that may go beyond the ring could be done now.
    pub(crate) fn note_no_room(&mut self, s: SocketHandle) {
        let Some(socket) = self.core.sockets.get_mut(s) else { return };
        if socket.record.kept {
            socket.record.rearm(Bits::WRITE);
            socket.record.recorded -= Bits::WRITE;
        }
    }

    /// Records `edges` and what is armed and true, and tells whom it concerns.
    pub(crate) fn record(&mut self, s: SocketHandle, edges: Bits) {
        let Some(socket) = self.core.sockets.get_mut(s) else { return };
        if !socket.record.kept {
            socket.record.recorded |= edges;
            return;
        }
        let holds = self.lasting(s);
        let close = self.close_code(s);
        let Some(socket) = self.core.sockets.get_mut(s) else { return };
        let record = &mut socket.record;
        let fresh = (holds & record.armed) | edges;
        record.armed -= fresh;
        record.recorded |= fresh;
        if fresh.has(Bits::CLOSE) {
            record.close = close;
        }
        let heard = fresh & record.mask;
        match record.target {
            Target::Event(event) if !heard.is_empty() => self.core.set_event(event),
            Target::Window { .. } => self.core.post_recorded(s),
            Target::Event(_) | Target::Nobody => {}
        }
    }

    /// The network events whose conditions hold.
    fn lasting(&mut self, s: SocketHandle) -> Bits {
        let flags = self.flags(s);
        let Some(socket) = self.core.sockets.get(s) else { return Bits::NONE };
        let mut holds = Bits::NONE;
        for (flag, bit) in LASTING {
            if flags.intersects(flag) {
                holds |= bit;
            }
        }
        if flags.intersects(Flags::RESET) {
            // Writable for select, but only to learn of the end.
            return holds - Bits::WRITE;
        }
        if socket.state == State::Idle && !socket.record.is_window() {
            // A datagram socket that is not bound: event objects hear of it when it is.
            holds -= Bits::WRITE;
        }
        if flags.intersects(Flags::READ) && self.core.profile.close_event == CloseEvent::AfterData {
            holds -= Bits::CLOSE;
        }
        holds
    }

    /// What FD_CLOSE says: nothing after the peer's FIN.
    fn close_code(&self, s: SocketHandle) -> Option<Error> {
        let State::Connected(id) = self.core.sockets.get(s)?.state else { return None };
        let cause = self.stack.tcp(id)?.cause?;
        Some(match cause.kind {
            CauseKind::Reset | CauseKind::Refused => self.core.profile.close_event_after_reset,
            _ => Error::WSAECONNABORTED,
        })
    }
}
