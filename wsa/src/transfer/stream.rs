//! Bytes over a connection.

use tapsock_stack::TcpId;
use tapsock_stack::link::Link;
use tapsock_stack::storage::Storage;
use tapsock_stack::tcp::{ReceiveError, SendError, Take};

use super::Patience;
use crate::constants::{MSG_PEEK, MSG_WAITALL};
use crate::engine::Access;
use crate::error::{Error, Result};
use crate::process::{Cue, Fault, SocketHandle, Turn};
use crate::socket::{Shut, State};

impl<'a, L: Link, S: Storage<'a>> Access<'_, 'a, L, S> {
    /// The connection, if there is one: WSAENOTCONN before, and while an attempt is under way.
    fn connection(&self, s: SocketHandle) -> Result<(TcpId, Shut)> {
        let socket = self.core.socket(s)?;
        match socket.state {
            State::Connected(id) => Ok((id, socket.shut)),
            _ => Err(Error::WSAENOTCONN),
        }
    }

    pub(super) fn send_stream(
        &mut self,
        s: SocketHandle,
        data: &[u8],
        sent: &mut usize,
        patience: &mut Patience,
        cue: Cue,
    ) -> Turn<usize> {
        match self.send_rest(s, data, sent, patience, cue) {
            // What was taken was taken; the next call tells why it was not more.
            Turn::Done(Err(_)) if *sent > 0 => Turn::Done(Ok(*sent)),
            turn => turn,
        }
    }

    fn send_rest(
        &mut self,
        s: SocketHandle,
        data: &[u8],
        sent: &mut usize,
        patience: &mut Patience,
        cue: Cue,
    ) -> Turn<usize> {
        let id = match self.connection(s) {
            Ok((_, shut)) if shut.send => return Turn::fail(Error::WSAESHUTDOWN),
            Ok((id, _)) => id,
            Err(error) => return Turn::fail(error),
        };
        let Ok(socket) = self.core.socket(s) else { return Turn::fail(Error::WSAENOTSOCK) };
        let (limit, timeout) = (socket.options.send_buffer, socket.options.send_timeout);
        let nonblocking = socket.nonblocking;
        let rest = data.get(*sent..).unwrap_or_default();
        // A send buffer of zero bytes still takes one send at a time.
        match self.stack.tcp_send(self.now, id, rest, (limit as usize).max(1)) {
            Ok(taken) => {
                *sent += taken;
                if *sent >= data.len() || nonblocking {
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
        buffer: &mut [u8],
        flags: i32,
        received: &mut usize,
        patience: &mut Patience,
        cue: Cue,
    ) -> Turn<usize> {
        match self.receive_rest(s, buffer, flags, received, patience, cue) {
            Turn::Done(Err(_)) if *received > 0 => Turn::Done(Ok(*received)),
            turn => turn,
        }
    }

    fn receive_rest(
        &mut self,
        s: SocketHandle,
        buffer: &mut [u8],
        flags: i32,
        received: &mut usize,
        patience: &mut Patience,
        cue: Cue,
    ) -> Turn<usize> {
        let id = match self.connection(s) {
            Ok((_, shut)) if shut.receive => return Turn::fail(Error::WSAESHUTDOWN),
            Ok((id, _)) => id,
            Err(error) => return Turn::fail(error),
        };
        let Ok(socket) = self.core.socket(s) else { return Turn::fail(Error::WSAENOTSOCK) };
        let (timeout, nonblocking) = (socket.options.receive_timeout, socket.nonblocking);
        let take = if flags & MSG_PEEK != 0 { Take::Peek } else { Take::Consume };
        let fill = flags & MSG_WAITALL != 0 && !nonblocking;
        if buffer.is_empty() {
            // No bytes are wanted, only to know when there are some.
            let ready = self.stack.tcp(id).is_none_or(|status| {
                status.receivable > 0 || status.peer_closed || status.cause.is_some()
            });
            if ready {
                return Turn::Done(Ok(0));
            }
            return self.wait_for_transfer(s, timeout, patience, cue);
        }
        loop {
            let rest = buffer.get_mut(*received..).unwrap_or_default();
            if rest.is_empty() {
                return Turn::Done(Ok(*received));
            }
            match self.stack.tcp_recv(self.now, id, rest, take) {
                Ok(0) => return Turn::Done(Ok(*received)),
                Ok(taken) => {
                    *received += taken;
                    if !fill {
                        return Turn::Done(Ok(*received));
                    }
                }
                Err(ReceiveError::WouldBlock) => {
                    return self.wait_for_transfer(s, timeout, patience, cue);
                }
                Err(ReceiveError::NotConnected) => return Turn::fail(Error::WSAENOTCONN),
                Err(ReceiveError::Failed(cause)) => {
                    return Turn::Done(Err(self.connection_fault(cause)));
                }
            }
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
        }
    }
}
