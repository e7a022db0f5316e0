//! WSASend, WSASendTo, WSARecv, WSARecvFrom: the transfers with lists of buffers.

use tapsock_stack::source::Source;

use super::list::{Scatter, gather};
use super::{Receipt, Sender};
use crate::constants::MSG_PARTIAL;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::memory::{Arg, Memory, MemoryMut, WsaBuf, WsaBufMut};
use crate::process::{Process, SocketHandle};

impl<'a, E: Engine<'a>> Process<'a, E> {
    /// WSASend without an overlapped structure: sends the bytes of all `buffers`, one after the
    /// other. On a stream they count as one send, which is taken whole as [`Process::send`] says;
    /// on a datagram socket they are one datagram.
    ///
    /// `bytes_sent` is lpNumberOfBytesSent, `None` where it is null or cannot be written; it gets
    /// the number of bytes taken. A buffer of no bytes may have any pointer.
    ///
    /// # Errors
    /// As [`Process::send`]; WSAEFAULT, right after WSAENOTSOCK, without `bytes_sent`; then
    /// WSAEINVAL for an empty list (whatever its pointer), for more than
    /// [`MAX_BUFFERS`](super::MAX_BUFFERS), and for more than 4,294,967,295 bytes together; then
    /// WSAEFAULT when any part of the list or of a buffer cannot be read. Nothing is sent then,
    /// and `bytes_sent` is left alone.
    pub fn wsa_send(
        &self,
        s: SocketHandle,
        buffers: Arg<&[WsaBuf<'_>]>,
        bytes_sent: Option<&mut u32>,
        flags: i32,
    ) -> Result<()> {
        self.send_list(s, buffers, bytes_sent, flags)
    }

    /// The same with buffers of any kind.
    pub(crate) fn send_list<B: Source>(
        &self,
        s: SocketHandle,
        buffers: Arg<&[B]>,
        bytes_sent: Option<&mut u32>,
        flags: i32,
    ) -> Result<()> {
        let list = bytes_sent.as_ref().ok_or(Error::WSAEFAULT).and(gather(buffers));
        let sent = self.send_from(s, list, flags)?;
        report(bytes_sent, sent);
        Ok(())
    }

    /// WSASendTo without an overlapped structure: the same to the address `to`, as
    /// [`Process::sendto`] does.
    ///
    /// # Errors
    /// As [`Process::sendto`], and [`Process::wsa_send`] for the list.
    pub fn wsa_send_to(
        &self,
        s: SocketHandle,
        buffers: Arg<&[WsaBuf<'_>]>,
        bytes_sent: Option<&mut u32>,
        flags: i32,
        to: Memory<'_>,
        tolen: i32,
    ) -> Result<()> {
        self.send_list_to(s, buffers, bytes_sent, flags, to, tolen)
    }

    /// The same with buffers of any kind.
    pub(crate) fn send_list_to<B: Source>(
        &self,
        s: SocketHandle,
        buffers: Arg<&[B]>,
        bytes_sent: Option<&mut u32>,
        flags: i32,
        to: Memory<'_>,
        tolen: i32,
    ) -> Result<()> {
        let list = bytes_sent.as_ref().ok_or(Error::WSAEFAULT).and(gather(buffers));
        let sent = self.send_from_to(s, list, flags, to, tolen)?;
        report(bytes_sent, sent);
        Ok(())
    }

    /// WSARecv without an overlapped structure: receives into `buffers`, filling one after the
    /// other, as [`Process::recv`] does into one. When all of them are empty, a stream waits until
    /// something is there and takes nothing.
    ///
    /// `bytes_received` is lpNumberOfBytesRecvd and `flags` is lpFlags, `None` where they are null
    /// or cannot be written. `flags` is read and, where the call succeeds, written: no flag is
    /// ever set then. A datagram that is longer than the buffers fills them; the call is
    /// WSAEMSGSIZE, `bytes_received` says how much there was room for, and `flags` is MSG_PARTIAL.
    ///
    /// # Errors
    /// As [`Process::recv`]; WSAEFAULT, right after WSAENOTSOCK, without `bytes_received` or
    /// `flags`; then as [`Process::wsa_send`] for the list. MSG_PARTIAL is WSAEOPNOTSUPP on a
    /// stream, MSG_PUSH_IMMEDIATE on datagrams. `bytes_received` and `flags` are left alone then.
    pub fn wsa_recv(
        &self,
        s: SocketHandle,
        buffers: Arg<&mut [WsaBufMut<'_>]>,
        bytes_received: Option<&mut u32>,
        flags: Option<&mut i32>,
    ) -> Result<()> {
        self.receive_reported(s, buffers, bytes_received, flags, None)
    }

    /// WSARecvFrom without an overlapped structure: the same, with the sender's name in `from`,
    /// which has `fromlen` bytes, as [`Process::recvfrom`] does.
    ///
    /// # Errors
    /// As [`Process::recvfrom`] and [`Process::wsa_recv`].
    pub fn wsa_recv_from(
        &self,
        s: SocketHandle,
        buffers: Arg<&mut [WsaBufMut<'_>]>,
        bytes_received: Option<&mut u32>,
        flags: Option<&mut i32>,
        from: MemoryMut<'_>,
        fromlen: Option<&mut i32>,
    ) -> Result<()> {
        self.receive_reported(s, buffers, bytes_received, flags, Some((from, fromlen)))
    }

    fn receive_reported(
        &self,
        s: SocketHandle,
        buffers: Arg<&mut [WsaBufMut<'_>]>,
        bytes_received: Option<&mut u32>,
        flags: Option<&mut i32>,
        from: Option<Sender<'_>>,
    ) -> Result<()> {
        let wanted = flags.as_deref().copied();
        let given = wanted.is_some() && bytes_received.is_some();
        let list = if given { Scatter::checked(buffers) } else { Err(Error::WSAEFAULT) };
        let mut receipt = Receipt::default();
        let outcome = self.receive_scattered(s, list, wanted.unwrap_or(0), from, &mut receipt);
        if outcome.is_ok() || receipt.truncated {
            report(bytes_received, receipt.copied);
            if let Some(flags) = flags {
                *flags = if receipt.truncated { MSG_PARTIAL } else { 0 };
            }
        }
        outcome.map(|_| ())
    }
}

/// A number of bytes, which the lists' checks have found to fit.
pub(super) fn report(target: Option<&mut u32>, bytes: usize) {
    if let Some(target) = target {
        *target = u32::try_from(bytes).unwrap_or(u32::MAX);
    }
}
