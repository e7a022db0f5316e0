//! Sends and receives that work on the socket's own buffers: no call of Winsock, but with the
//! rules of WSASend and WSARecv.

use tapsock_stack::link::Link;
use tapsock_stack::storage::Storage;
use tapsock_stack::tcp::{ReceiveError, SendError};

use super::Patience;
use super::stream::Sending;
use crate::engine::{Access, Engine};
use crate::error::{Error, Result};
use crate::process::{Cue, Process, SocketHandle, Turn};
use crate::readiness::Bits;
use crate::socket::Kind;

impl<'a, E: Engine<'a>> Process<'a, E> {
    /// As [`Process::send`] on a stream, but `write` puts the bytes where they wait to be sent,
    /// which saves a copy. It is called once, when there is room for at least one byte, and says
    /// how many from the beginning of the room it has written; more than there is room counts as
    /// all of it. The call gives that number. With 0 nothing is sent, and the call succeeds.
    ///
    /// The room is a part of the socket's transmit ring, at most up to the ring's end: whoever has
    /// more calls again. What it holds before is meaningless. A blocking call waits until fewer
    /// than SO_SNDBUF bytes are queued and the ring has room that no earlier send is waiting for.
    /// Readiness is that of a send: FD_WRITE is armed again by WSAEWOULDBLOCK alone. A socket that
    /// is writable may still be WSAEWOULDBLOCK here, where a longer send before has bytes beside
    /// the ring, or SO_SNDBUF was raised above the ring's size after the connection began. FD_WRITE
    /// comes then when something was acknowledged, while select and WSAPoll go on calling the
    /// socket writable.
    ///
    /// `write` runs while the whole process is locked, so it has to be short, must not wait for
    /// another thread that uses the process, and must make no call of the process: with threads
    /// each is WSAEINPROGRESS there, and on an engine of a single thread it panics. A `write` that
    /// panics has written nothing.
    ///
    /// # Errors
    /// As [`Process::send`], and WSAEOPNOTSUPP for a datagram socket; `write` was not called then.
    pub fn send_with(
        &self,
        s: SocketHandle,
        write: impl FnOnce(&mut [u8]) -> usize,
    ) -> Result<usize> {
        let thread = self.thread();
        let interest = [s.index().unwrap_or(u32::MAX)];
        let (mut patience, mut waiting) = (Patience::default(), false);
        let mut write = Some(write);
        self.block(&interest, |access, cue| {
            let turn = match access.begin_in_place(thread, s, waiting) {
                Err(error) => Turn::fail(error),
                Ok(()) => {
                    let write = |room: &mut [u8]| write.take().map_or(0, |write| write(room));
                    access.send_in_place(s, write, &mut patience, cue)
                }
            };
            waiting = true;
            if let Turn::Done(Err(fault)) = &turn
                && fault.error == Error::WSAEWOULDBLOCK
            {
                access.note_no_room(s);
            }
            turn
        })
    }

    /// As [`Process::recv`] on a stream, but `read` is given received bytes where they are, which
    /// saves a copy. It is called once, with at least one byte, and says how many from the
    /// beginning it has taken; the others stay, as with MSG_PEEK. More than it was given counts as
    /// all of it. The call gives that number. At the end of what the peer has sent it gives 0
    /// without having called `read`.
    ///
    /// The bytes are a part of the socket's receive ring, at most up to the ring's end: whoever
    /// wants what is behind calls again. A blocking call waits for the first byte. Readiness is that
    /// of a receive: each call arms FD_READ again, which is recorded at once where bytes are left.
    ///
    /// `read` runs while the whole process is locked: see [`Process::send_with`].
    ///
    /// # Errors
    /// As [`Process::recv`], and WSAEOPNOTSUPP for a datagram socket; `read` was not called then.
    pub fn recv_with(&self, s: SocketHandle, read: impl FnOnce(&[u8]) -> usize) -> Result<usize> {
        let thread = self.thread();
        let interest = [s.index().unwrap_or(u32::MAX)];
        let (mut patience, mut waiting) = (Patience::default(), false);
        let mut read = Some(read);
        self.block(&interest, |access, cue| {
            let turn = match access.begin_in_place(thread, s, waiting) {
                Err(error) => Turn::fail(error),
                Ok(()) => {
                    let read = |bytes: &[u8]| read.take().map_or(0, |read| read(bytes));
                    access.receive_in_place(s, read, &mut patience, cue)
                }
            };
            waiting = true;
            if matches!(turn, Turn::Done(_)) {
                access.note_call(s, Bits::READ | Bits::OOB);
            }
            turn
        })
    }
}

impl<'a, L: Link, S: Storage<'a>> Access<'_, 'a, L, S> {
    /// What both look at first.
    fn begin_in_place(&mut self, thread: u64, s: SocketHandle, waiting: bool) -> Result<()> {
        match self.transfer_kind(s, waiting)? {
            Kind::Stream => {}
            Kind::Datagram => return Err(Error::WSAEOPNOTSUPP),
        }
        self.may_block(thread, s)?;
        self.settle(s);
        Ok(())
    }

    fn send_in_place(
        &mut self,
        s: SocketHandle,
        write: impl FnOnce(&mut [u8]) -> usize,
        patience: &mut Patience,
        cue: Cue,
    ) -> Turn<usize> {
        let Sending { id, limit, timeout, .. } = match self.sending(s) {
            Ok(sending) => sending,
            Err(error) => return Turn::fail(error),
        };
        match self.stack.tcp_send_with(self.now, id, limit, write) {
            Ok(written) => Turn::Done(Ok(written)),
            Err(SendError::WouldBlock) => self.wait_for_transfer(s, timeout, patience, cue),
            Err(error) => Turn::Done(Err(self.send_fault(error))),
        }
    }

    fn receive_in_place(
        &mut self,
        s: SocketHandle,
        read: impl FnOnce(&[u8]) -> usize,
        patience: &mut Patience,
        cue: Cue,
    ) -> Turn<usize> {
        let (id, timeout) = match self.receiving(s) {
            Ok(receiving) => receiving,
            Err(error) => return Turn::fail(error),
        };
        match self.stack.tcp_recv_with(self.now, id, read) {
            Ok(taken) => Turn::Done(Ok(taken)),
            Err(ReceiveError::WouldBlock) => self.wait_for_transfer(s, timeout, patience, cue),
            Err(ReceiveError::NotConnected) => Turn::fail(Error::WSAENOTCONN),
            Err(ReceiveError::Failed(cause)) => Turn::Done(Err(self.connection_fault(cause))),
        }
    }
}
