//! send, recv, sendto, recvfrom.

mod datagram;
mod stream;

use tapsock_stack::link::Link;
use tapsock_stack::storage::Storage;
use tapsock_stack::time::{Duration, Instant};

use crate::constants::{MSG_DONTROUTE, MSG_OOB, MSG_PEEK, MSG_WAITALL};
use crate::engine::{Access, Engine};
use crate::error::{Error, Result};
use crate::memory::{Memory, MemoryMut};
use crate::process::{Cue, Process, SocketHandle, Turn};
use crate::socket::Kind;

/// When a blocking transfer began, for its time limit.
#[derive(Debug, Clone, Copy, Default)]
struct Patience {
    began: Option<Instant>,
}

impl Patience {
    /// The end of a wait of at most `limit` milliseconds, 0 for no limit. An error when it is
    /// over.
    fn until(&mut self, now: Instant, limit: u32) -> Result<Option<Instant>> {
        let began = *self.began.get_or_insert(now);
        if limit == 0 {
            return Ok(None);
        }
        let end = began + Duration::from_millis(u64::from(limit));
        if now >= end { Err(Error::WSAETIMEDOUT) } else { Ok(Some(end)) }
    }
}

impl<'a, E: Engine<'a>> Process<'a, E> {
    /// send: queues `data` for the peer. Gives the number of bytes taken.
    ///
    /// On a stream the data is taken whole as soon as fewer than SO_SNDBUF bytes are queued;
    /// until then a blocking call waits. (A stack without a heap takes what its ring has room
    /// for; a blocking call then goes on until everything is taken.)
    ///
    /// # Errors
    /// WSAENOTSOCK; WSAEFAULT; WSAEOPNOTSUPP for a flag that is not supported; WSAENOTCONN;
    /// WSAESHUTDOWN; WSAEWOULDBLOCK; WSAETIMEDOUT after SO_SNDTIMEO; WSAEMSGSIZE for too long a
    /// datagram; WSAENOBUFS; WSAECONNRESET, WSAECONNABORTED, WSAETIMEDOUT when the connection has
    /// ended so; WSAENETUNREACH, WSAENETDOWN for datagrams without a way; WSAEINTR.
    pub fn send(&self, s: SocketHandle, data: Memory<'_>, flags: i32) -> Result<usize> {
        let Some(data) = readable(data) else { return self.fault(s) };
        let thread = self.thread();
        let interest = [s.index().unwrap_or(u32::MAX)];
        let mut patience = Patience::default();
        let mut sent = 0;
        let mut waiting = false;
        self.block(&interest, |access, cue| {
            let turn = match access.transfer_kind(thread, s, waiting, flags, MSG_DONTROUTE) {
                Err(error) => Turn::fail(error),
                Ok(Kind::Stream) => access.send_stream(s, data, &mut sent, &mut patience, cue),
                Ok(Kind::Datagram) => Turn::Done(access.send_to_peer(s, data)),
            };
            waiting = true;
            turn
        })
    }

    /// sendto: sends a datagram to `name`, or to the default peer when `name` is null. A socket
    /// that was not bound is from then on. On a stream the name is ignored.
    ///
    /// # Errors
    /// As [`Process::send`]; WSAEFAULT for a bad name; WSAEAFNOSUPPORT; WSAEADDRNOTAVAIL for
    /// address or port 0; WSAEACCES for a broadcast address without SO_BROADCAST.
    pub fn sendto(
        &self,
        s: SocketHandle,
        data: Memory<'_>,
        flags: i32,
        name: Memory<'_>,
        namelen: i32,
    ) -> Result<usize> {
        if name == Memory::Null || !self.is_datagram(s) {
            return self.send(s, data, flags);
        }
        let Some(data) = readable(data) else { return self.fault(s) };
        let thread = self.thread();
        self.call(|access| {
            access.transfer_kind(thread, s, false, flags, MSG_DONTROUTE)?;
            access.send_to(s, data, name, namelen)
        })
    }

    /// recv: takes received data into `buffer`. Gives the number of bytes, 0 when the peer has
    /// closed its direction (or for an empty datagram). MSG_PEEK leaves the data in the queue;
    /// MSG_WAITALL fills the buffer.
    ///
    /// # Errors
    /// WSAENOTSOCK; WSAEFAULT; WSAEOPNOTSUPP for a flag that is not supported; WSAENOTCONN for a
    /// stream that is not connected, and after a datagram disconnect; WSAEINVAL for an unbound
    /// datagram socket; WSAESHUTDOWN; WSAEWOULDBLOCK; WSAETIMEDOUT after SO_RCVTIMEO; WSAEMSGSIZE
    /// for a datagram longer than the buffer, which is filled; WSAECONNRESET for a reset, and on
    /// a datagram socket when an earlier datagram met a closed port; WSAEINTR.
    pub fn recv(&self, s: SocketHandle, buffer: MemoryMut<'_>, flags: i32) -> Result<usize> {
        self.receive(s, buffer, flags, None)
    }

    /// recvfrom: the same, with the sender's name in `name`, which has `namelen` bytes. A null
    /// `name` wants none. On a stream the name is left alone.
    ///
    /// # Errors
    /// As [`Process::recv`]; WSAEFAULT for too little room for the name, before anything is
    /// taken.
    pub fn recvfrom(
        &self,
        s: SocketHandle,
        buffer: MemoryMut<'_>,
        flags: i32,
        name: MemoryMut<'_>,
        namelen: Option<&mut i32>,
    ) -> Result<usize> {
        self.receive(s, buffer, flags, Some((name, namelen)))
    }

    fn receive(
        &self,
        s: SocketHandle,
        buffer: MemoryMut<'_>,
        flags: i32,
        mut from: Option<(MemoryMut<'_>, Option<&mut i32>)>,
    ) -> Result<usize> {
        let Some(buffer) = buffer.bytes() else { return self.fault(s) };
        let thread = self.thread();
        let interest = [s.index().unwrap_or(u32::MAX)];
        let mut patience = Patience::default();
        let mut received = 0;
        let mut waiting = false;
        self.block(&interest, |access, cue| {
            let allowed = MSG_PEEK | MSG_WAITALL;
            let turn = match access.transfer_kind(thread, s, waiting, flags, allowed) {
                Err(error) => Turn::fail(error),
                Ok(Kind::Stream) => {
                    access.receive_stream(s, buffer, flags, &mut received, &mut patience, cue)
                }
                Ok(Kind::Datagram) => {
                    access.receive_datagram(s, buffer, flags, &mut from, &mut patience, cue)
                }
            };
            waiting = true;
            turn
        })
    }

    fn is_datagram(&self, s: SocketHandle) -> bool {
        !self.engine().is_down()
            && self.engine().with(|access| access.core.socket(s).is_ok_and(|s| !s.is_stream()))
    }

    /// A bad buffer: WSAEFAULT, unless the handle is no socket's.
    fn fault<T>(&self, s: SocketHandle) -> Result<T> {
        self.call(|access| {
            access.core.socket(s)?;
            Err(Error::WSAEFAULT.into())
        })
    }
}

/// The bytes to be sent; none from a null pointer is what zero bytes look like in C, and is told
/// apart by the entry points, which know the length.
fn readable(data: Memory<'_>) -> Option<&[u8]> {
    match data {
        Memory::Bytes(bytes) => Some(bytes),
        Memory::Null | Memory::Unreadable => None,
    }
}

impl<'a, L: Link, S: Storage<'a>> Access<'_, 'a, L, S> {
    /// What every transfer looks at first.
    fn transfer_kind(
        &mut self,
        thread: u64,
        s: SocketHandle,
        waiting: bool,
        flags: i32,
        allowed: i32,
    ) -> Result<Kind> {
        let kind = match self.core.socket(s) {
            Ok(socket) => socket.kind,
            // closesocket on another thread has taken the socket away.
            Err(_) if waiting => return Err(Error::WSAEINTR),
            Err(error) => return Err(error),
        };
        if flags & MSG_OOB != 0 && allowed & MSG_PEEK != 0 && kind == Kind::Stream {
            // There is never out-of-band data to be received.
            return Err(Error::WSAEINVAL);
        }
        if flags & !allowed != 0 || (flags & MSG_WAITALL != 0 && flags & MSG_PEEK != 0) {
            return Err(Error::WSAEOPNOTSUPP);
        }
        self.may_block(thread, s)?;
        self.settle(s);
        Ok(kind)
    }

    /// What a transfer that could not be done at once does now.
    fn wait_for_transfer<T>(
        &mut self,
        s: SocketHandle,
        limit: u32,
        patience: &mut Patience,
        cue: Cue,
    ) -> Turn<T> {
        if let Cue::GiveUp(error) = cue {
            return Turn::fail(error);
        }
        match self.core.socket(s) {
            Err(error) => return Turn::fail(error),
            Ok(socket) if socket.nonblocking => return Turn::fail(Error::WSAEWOULDBLOCK),
            Ok(_) => {}
        }
        match patience.until(self.now, limit) {
            Ok(until) => Turn::Wait(until),
            Err(error) => Turn::fail(error),
        }
    }
}
