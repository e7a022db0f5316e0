//! send, recv, sendto, recvfrom, and with lists of buffers WSASend, WSARecv, WSASendTo,
//! WSARecvFrom, and with control messages WSASendMsg, WSARecvMsg.
//!
//! All of them are one send, of whatever data can be copied from, and one receive into a list of
//! buffers; that of recv has one.

mod control;
mod datagram;
mod in_place;
mod list;
mod message;
mod stream;
mod vectored;

pub use list::MAX_BUFFERS;
pub(crate) use list::Scatter;
pub use message::{WsaMsg, WsaMsgMut};

use tapsock_stack::link::Link;
use tapsock_stack::source::Source;
use tapsock_stack::storage::Storage;
use tapsock_stack::time::{Duration, Instant};
use tapsock_stack::udp::{Ancillary, Datagram};

use crate::constants::{
    MSG_DONTROUTE, MSG_OOB, MSG_PARTIAL, MSG_PEEK, MSG_PUSH_IMMEDIATE, MSG_WAITALL,
};
use crate::engine::{Access, Engine};
use crate::error::{Error, Result};
use crate::memory::{Memory, MemoryMut, WsaBufMut};
use crate::process::{Cue, Fault, Process, SocketHandle, Turn};
use crate::readiness::Bits;
use crate::socket::{Kind, Told};

/// What a receive on a stream takes. MSG_PUSH_IMMEDIATE changes nothing: data is always handed
/// out as soon as it is there.
const STREAM_FLAGS: i32 = MSG_PEEK | MSG_WAITALL | MSG_PUSH_IMMEDIATE;
/// What a receive of a datagram takes. MSG_PARTIAL changes nothing: a part of a datagram is
/// never there without the rest.
const DATAGRAM_FLAGS: i32 = MSG_PEEK | MSG_PARTIAL;

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

/// The room for a sender's name, and its length.
pub(crate) type Sender<'m> = (MemoryMut<'m>, Option<&'m mut i32>);

impl Turn<usize> {
    /// What was done was done: a call that has moved bytes gives their number, and the next one
    /// says why it was not more.
    fn or_done(self, bytes: usize) -> Self {
        match self {
            Self::Done(Err(_)) if bytes > 0 => Self::Done(Ok(bytes)),
            turn => turn,
        }
    }
}

/// What a receive did, also where it failed with WSAEMSGSIZE.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Receipt {
    /// Bytes that went into the buffers.
    pub(crate) copied: usize,
    /// It was a datagram longer than the buffers.
    pub(crate) truncated: bool,
    /// The datagram that it was, and what the socket wants to be told about it.
    about: Option<(Datagram, Told)>,
}

impl<'a, E: Engine<'a>> Process<'a, E> {
    /// send: queues `data` for the peer. Gives the number of bytes taken.
    ///
    /// On a stream the data is taken whole as soon as fewer than SO_SNDBUF bytes are queued;
    /// until then a blocking call waits. (A stack without a heap takes what its ring has room
    /// for; a blocking call then goes on until everything is taken.) A send of no bytes waits in
    /// the same way and sends nothing; on a datagram socket it sends an empty datagram.
    ///
    /// # Errors
    /// WSAENOTSOCK; WSAEFAULT; WSAEOPNOTSUPP for a flag other than MSG_DONTROUTE; WSAENOTCONN;
    /// WSAESHUTDOWN; WSAEWOULDBLOCK; WSAETIMEDOUT after SO_SNDTIMEO; WSAEMSGSIZE for too long a
    /// datagram; WSAENOBUFS; WSAECONNRESET, WSAECONNABORTED, WSAETIMEDOUT when the connection has
    /// ended so; WSAENETUNREACH, WSAENETDOWN for datagrams without a way; WSAEINTR.
    pub fn send(&self, s: SocketHandle, data: Memory<'_>, flags: i32) -> Result<usize> {
        self.send_from(s, readable(data), flags)
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
        self.send_from_to(s, readable(data), flags, name, namelen)
    }

    /// recv: takes received data into `buffer`. Gives the number of bytes, 0 when the peer has
    /// closed its direction (or for an empty datagram). MSG_PEEK leaves the data in the queue.
    /// MSG_WAITALL fills the buffer of a blocking stream; when the peer's FIN, a failure, the time
    /// limit or an interruption comes in between, the call gives what there is, and the next one
    /// says what came.
    ///
    /// # Errors
    /// WSAENOTSOCK; WSAEFAULT; WSAEOPNOTSUPP for a flag that is not supported, and for MSG_WAITALL
    /// with MSG_PEEK or MSG_PARTIAL, on a non-blocking socket or on datagrams; WSAEINVAL for
    /// MSG_OOB on a stream, as there are no such data; WSAENOTCONN for a
    /// stream that is not connected, and after a datagram disconnect; WSAEINVAL for an unbound
    /// datagram socket; WSAESHUTDOWN; WSAEWOULDBLOCK; WSAETIMEDOUT after SO_RCVTIMEO; WSAEMSGSIZE
    /// for a datagram longer than the buffer, which is filled; WSAECONNRESET for a reset, and on
    /// a datagram socket when an earlier datagram met a closed port; WSAEINTR.
    pub fn recv(&self, s: SocketHandle, buffer: MemoryMut<'_>, flags: i32) -> Result<usize> {
        let mut buffer = writable(buffer);
        let list = Scatter::one(buffer.as_mut());
        self.receive_scattered(s, list, flags, None, &mut Receipt::default())
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
        let mut buffer = writable(buffer);
        let list = Scatter::one(buffer.as_mut());
        let from = Some((name, namelen));
        self.receive_scattered(s, list, flags, from, &mut Receipt::default())
    }

    /// Sends to the peer. `data` may say why there are none: an error that counts after the
    /// handle's.
    pub(crate) fn send_from(
        &self,
        s: SocketHandle,
        data: Result<impl Source + Copy>,
        flags: i32,
    ) -> Result<usize> {
        let thread = self.thread();
        let interest = [s.index().unwrap_or(u32::MAX)];
        let mut patience = Patience::default();
        let wanted = data.as_ref().map_or(0, Source::total);
        let mut sent = 0;
        let mut waiting = false;
        self.block(&interest, |access, cue| {
            let turn = match access.begin_send(s, waiting, data) {
                Err(error) => Turn::fail(error),
                Ok((kind, data)) => {
                    let turn = match (access.allow_send(thread, s, flags), kind) {
                        (Err(error), _) => Turn::fail(error),
                        (Ok(()), Kind::Stream) => {
                            access.send_stream(s, &data, &mut sent, &mut patience, cue)
                        }
                        (Ok(()), Kind::Datagram) => {
                            Turn::Done(access.send_to_peer(s, &data, &Ancillary::default()))
                        }
                    };
                    let done = matches!(turn, Turn::Done(Ok(_)));
                    if done || waiting || data.is_readable(0) {
                        turn
                    } else {
                        Turn::fail(Error::WSAEFAULT)
                    }
                }
            };
            waiting = true;
            if let Turn::Done(done) = &turn {
                access.note_sent(s, done, wanted);
            }
            turn.or_done(sent)
        })
    }

    /// The same to a name, which counts on datagram sockets only.
    pub(crate) fn send_from_to(
        &self,
        s: SocketHandle,
        data: Result<impl Source + Copy>,
        flags: i32,
        name: Memory<'_>,
        namelen: i32,
    ) -> Result<usize> {
        if name == Memory::Null || !self.is_datagram(s) {
            return self.send_from(s, data, flags);
        }
        self.send_message(s, data, flags, name, namelen, &Ancillary::default())
    }

    /// The same on a datagram socket, to its peer where the name is null, with what this datagram
    /// has instead of what the socket says.
    fn send_message(
        &self,
        s: SocketHandle,
        data: Result<impl Source + Copy>,
        flags: i32,
        name: Memory<'_>,
        namelen: i32,
        ancillary: &Ancillary,
    ) -> Result<usize> {
        let thread = self.thread();
        self.call(|access| {
            let (_, data) = access.begin_send(s, false, data)?;
            let sent = access.allow_send(thread, s, flags).map_err(Fault::from).and_then(|()| {
                let sent = match name {
                    Memory::Null => access.send_to_peer(s, &data, ancillary),
                    name => access.send_to(s, &data, name, namelen, ancillary),
                };
                // It may have bound the socket.
                access.record(s, Bits::NONE);
                sent
            });
            if sent.is_ok() || data.is_readable(0) { sent } else { Err(Error::WSAEFAULT.into()) }
        })
    }

    /// Receives, and the sender's name if it is wanted. `list` is as for
    /// [`Process::send_from`].
    pub(crate) fn receive_scattered(
        &self,
        s: SocketHandle,
        mut list: Result<Scatter<'_, '_>>,
        flags: i32,
        mut from: Option<Sender<'_>>,
        receipt: &mut Receipt,
    ) -> Result<usize> {
        let thread = self.thread();
        let interest = [s.index().unwrap_or(u32::MAX)];
        let mut patience = Patience::default();
        let mut waiting = false;
        self.block(&interest, |access, cue| {
            let turn = match access.begin_receive(thread, s, waiting, &mut list, flags) {
                Err(error) => Turn::fail(error),
                Ok((Kind::Stream, list)) => {
                    access.receive_stream(s, list, flags, &mut receipt.copied, &mut patience, cue)
                }
                Ok((Kind::Datagram, list)) => {
                    let from = &mut from;
                    access.receive_datagram(s, list, flags, from, receipt, &mut patience, cue)
                }
            };
            waiting = true;
            if matches!(turn, Turn::Done(_)) {
                access.note_call(s, Bits::READ | Bits::OOB);
            }
            if receipt.truncated { turn } else { turn.or_done(receipt.copied) }
        })
    }

    fn is_datagram(&self, s: SocketHandle) -> bool {
        self.refusal().is_none()
            && self.engine().with(|access| access.core.socket(s).is_ok_and(|s| !s.is_stream()))
    }
}

/// The bytes of send; WSAEFAULT where they cannot be read. A null pointer with zero bytes is what
/// zero bytes look like in C, and is told apart by the entry points, which know the length.
fn readable(data: Memory<'_>) -> Result<&[u8]> {
    match data {
        Memory::Bytes(bytes) => Ok(bytes),
        Memory::Null | Memory::Unreadable => Err(Error::WSAEFAULT),
    }
}

/// The one buffer of recv; none where it cannot be written.
fn writable(buffer: MemoryMut<'_>) -> Option<WsaBufMut<'_>> {
    buffer.bytes().map(WsaBufMut::new)
}

impl<'a, L: Link, S: Storage<'a>> Access<'_, 'a, L, S> {
    /// What every send looks at first. Nothing that comes afterwards counts if the data cannot be
    /// read: where a send does not come to that, they are asked.
    fn begin_send<D>(&self, s: SocketHandle, waiting: bool, data: Result<D>) -> Result<(Kind, D)> {
        let kind = self.transfer_kind(s, waiting)?;
        Ok((kind, data?))
    }

    /// What every send looks at next.
    fn allow_send(&mut self, thread: u64, s: SocketHandle, flags: i32) -> Result<()> {
        if flags & !MSG_DONTROUTE != 0 {
            return Err(Error::WSAEOPNOTSUPP);
        }
        self.may_block(thread, s)?;
        self.settle(s);
        Ok(())
    }

    /// What every receive looks at first.
    fn begin_receive<'r, 'l, 'm>(
        &mut self,
        thread: u64,
        s: SocketHandle,
        waiting: bool,
        list: &'r mut Result<Scatter<'l, 'm>>,
        flags: i32,
    ) -> Result<(Kind, &'r mut Scatter<'l, 'm>)> {
        let kind = self.transfer_kind(s, waiting)?;
        let list = list.as_mut().map_err(|error| *error)?;
        let cannot_wait = !waiting && self.core.socket(s)?.nonblocking;
        let (fill, peek) = (flags & MSG_WAITALL != 0, flags & MSG_PEEK != 0);
        match kind {
            // There is never out-of-band data to be received.
            Kind::Stream if flags & MSG_OOB != 0 => return Err(Error::WSAEINVAL),
            Kind::Stream if flags & !STREAM_FLAGS != 0 || (fill && (peek || cannot_wait)) => {
                return Err(Error::WSAEOPNOTSUPP);
            }
            Kind::Datagram if flags & !DATAGRAM_FLAGS != 0 => return Err(Error::WSAEOPNOTSUPP),
            Kind::Stream | Kind::Datagram => {}
        }
        self.may_block(thread, s)?;
        self.settle(s);
        Ok((kind, list))
    }

    /// A send that could not be done, or not as a whole, wants to know when there is room.
    fn note_sent(&mut self, s: SocketHandle, sent: &Result<usize, Fault>, wanted: usize) {
        let blocked = match sent {
            Ok(taken) => *taken < wanted,
            Err(fault) => fault.error == Error::WSAEWOULDBLOCK,
        };
        if blocked {
            self.note_call(s, Bits::WRITE);
        }
    }

    fn transfer_kind(&self, s: SocketHandle, waiting: bool) -> Result<Kind> {
        match self.core.socket(s) {
            Ok(socket) => Ok(socket.kind),
            // closesocket on another thread has taken the socket away.
            Err(_) if waiting => Err(Error::WSAEINTR),
            Err(error) => Err(error),
        }
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
            Ok(socket) if socket.nonblocking => {
                self.core.ask();
                return Turn::fail(Error::WSAEWOULDBLOCK);
            }
            Ok(_) => {}
        }
        match patience.until(self.now, limit) {
            Ok(until) => Turn::Wait(until),
            Err(error) => Turn::fail(error),
        }
    }
}
