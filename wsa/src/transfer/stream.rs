//! Bytes over a connection.

use tapsock_stack::TcpId;
use tapsock_stack::link::Link;
use tapsock_stack::source::{Behind, Source};
use tapsock_stack::storage::Storage;
use tapsock_stack::tcp::{ReceiveError, SendError, Take};

use super::{Patience, Scatter};
use crate::constants::{MSG_PEEK, MSG_WAITALL};
use crate::engine::Access;
use crate::error::{Error, Result};
use crate::process::{Cue, Fault, SocketHandle, Turn};
use crate::socket::{Shut, State};

/// A connection on which something may be sent.
pub(super) struct Sending {
    pub(super) id: TcpId,
    /// SO_SNDBUF, and one byte at least.
    pub(super) limit: usize,
    /// SO_SNDTIMEO.
    pub(super) timeout: u32,
    nonblocking: bool,
}

impl<'a, L: Link, S: Storage<'a>> Access<'_, 'a, L, S> {
    /// The connection, if there is one: WSAENOTCONN before, and while an attempt is under way.
    pub(super) fn connection(&self, s: SocketHandle) -> Result<(TcpId, Shut)> {
        let socket = self.core.socket(s)?;
        match socket.state {
            State::Connected(id) => Ok((id, socket.shut)),
            _ => Err(Error::WSAENOTCONN),
        }
    }

    /// What every send needs of a stream, or why there is none.
    pub(super) fn sending(&self, s: SocketHandle) -> Result<Sending> {
        let (id, shut) = self.connection(s)?;
        if shut.send {
            return Err(Error::WSAESHUTDOWN);
        }
        let socket = self.core.socket(s)?;
        let (limit, timeout) = (socket.options.send_buffer, socket.options.send_timeout);
        // A send buffer of zero bytes still takes one send at a time.
        let limit = (limit as usize).max(1);
        Ok(Sending { id, limit, timeout, nonblocking: socket.nonblocking })
    }

    /// The same for a receive: the connection and SO_RCVTIMEO.
    pub(super) fn receiving(&self, s: SocketHandle) -> Result<(TcpId, u32)> {
        match self.connection(s)? {
            (_, shut) if shut.receive => Err(Error::WSAESHUTDOWN),
            (id, _) => Ok((id, self.core.socket(s)?.options.receive_timeout)),
        }
    }

    pub(super) fn send_stream(
        &mut self,
        s: SocketHandle,
        data: &impl Source,
        sent: &mut usize,
        patience: &mut Patience,
        cue: Cue,
    ) -> Turn<usize> {
        let Sending { id, limit, timeout, nonblocking } = match self.sending(s) {
            Ok(sending) => sending,
            Err(error) => return Turn::fail(error),
        };
        match self.stack.tcp_send_from(self.now, id, &Behind { source: data, skip: *sent }, limit) {
            Ok(taken) => {
                *sent += taken;
                if *sent >= data.total() || nonblocking {
                    return Turn::Done(Ok(*sent));
                }
                self.wait_for_transfer(s, timeout, patience, cue)
            }
            Err(SendError::WouldBlock) => self.wait_for_transfer(s, timeout, patience, cue),
            Err(error) => Turn::Done(Err(self.send_fault(error))),
        }
    }

    pub(super) fn receive_stream(
        &mut self,
        s: SocketHandle,
        list: &mut Scatter<'_, '_>,
        flags: i32,
        received: &mut usize,
        patience: &mut Patience,
        cue: Cue,
    ) -> Turn<usize> {
        let (id, timeout) = match self.receiving(s) {
            Ok(receiving) => receiving,
            Err(error) => return Turn::fail(error),
        };
        let take = if flags & MSG_PEEK != 0 { Take::Peek } else { Take::Consume };
        let room = list.len();
        if room == 0 {
            // No bytes are wanted, only to know when there are some.
            let Some(status) = self.stack.tcp(id) else { return Turn::fail(Error::WSAENOTCONN) };
            return match status.cause {
                Some(cause) => Turn::Done(Err(self.connection_fault(cause))),
                None if status.receivable > 0 || status.peer_closed => Turn::Done(Ok(0)),
                None => self.wait_for_transfer(s, timeout, patience, cue),
            };
        }
        match self.stack.tcp_recv_scattered(self.now, id, list.behind(*received), take) {
            Ok(0) => Turn::Done(Ok(*received)),
            Ok(taken) => {
                *received += taken;
                if *received >= room || flags & MSG_WAITALL == 0 {
                    return Turn::Done(Ok(*received));
                }
                // Only what is there was asked for; the peer's FIN may be behind it.
                match self.stack.tcp(id) {
                    Some(status) if status.peer_closed => Turn::Done(Ok(*received)),
                    _ => self.wait_for_transfer(s, timeout, patience, cue),
                }
            }
            Err(ReceiveError::WouldBlock) => self.wait_for_transfer(s, timeout, patience, cue),
            Err(ReceiveError::NotConnected) => Turn::fail(Error::WSAENOTCONN),
            Err(ReceiveError::Failed(cause)) => Turn::Done(Err(self.connection_fault(cause))),
        }
    }

    pub(super) fn send_fault(&self, error: SendError) -> Fault {
        match error {
            SendError::WouldBlock => Error::WSAEWOULDBLOCK.into(),
            SendError::NotConnected => Error::WSAENOTCONN.into(),
            SendError::Shutdown => Error::WSAESHUTDOWN.into(),
            SendError::Failed(cause) => self.connection_fault(cause),
            SendError::NoBuffers => Error::WSAENOBUFS.into(),
            SendError::TooLong => Error::WSAEMSGSIZE.into(),
            SendError::NoRoute => Error::WSAENETUNREACH.into(),
            SendError::LinkDown => self.core.profile.link_down.into(),
            SendError::Unreadable => Error::WSAEFAULT.into(),
        }
    }
}
