//! shutdown, WSASendDisconnect and WSARecvDisconnect.

use tapsock_stack::link::Link;
use tapsock_stack::storage::Storage;

use super::{Shut, State};
use crate::constants::{SD_BOTH, SD_RECEIVE, SD_SEND};
use crate::engine::{Access, Engine};
use crate::error::{Error, Result};
use crate::memory::{Arg, WsaBuf, WsaBufMut};
use crate::process::{Fault, Process, SocketHandle};
use crate::profile::UnreadData;

impl<'a, E: Engine<'a>> Process<'a, E> {
    /// shutdown: closes one direction or both. `how` is SD_RECEIVE, SD_SEND or SD_BOTH.
    ///
    /// SD_SEND sends a FIN behind what was sent. SD_RECEIVE sends nothing; what becomes of data
    /// that is unread then, or comes later, is a point of the [`Profile`](crate::Profile): the
    /// connection is reset, and is WSAECONNABORTED from then on, or the data is kept for nobody.
    /// A datagram socket goes on queueing what comes.
    ///
    /// # Errors
    /// WSAENOTSOCK; WSAEINVAL for another `how`; WSAENOTCONN for a stream without a connection. A
    /// datagram socket needs none. Repeating it is no error.
    pub fn shutdown(&self, s: SocketHandle, how: i32) -> Result<()> {
        self.call(|access| {
            access.core.socket(s)?;
            let (receive, send) = match how {
                SD_RECEIVE => (true, false),
                SD_SEND => (false, true),
                SD_BOTH => (true, true),
                _ => return Err(Error::WSAEINVAL.into()),
            };
            access.shut(s, Shut { receive, send })
        })
    }

    /// WSASendDisconnect: shutdown with SD_SEND. TCP and UDP carry no disconnect data.
    ///
    /// # Errors
    /// WSAENOTSOCK; WSAEFAULT for data that cannot be read; WSAENOPROTOOPT for data of more than
    /// zero bytes; WSAENOTCONN for a stream without a connection.
    pub fn wsa_send_disconnect(&self, s: SocketHandle, data: Arg<WsaBuf<'_>>) -> Result<()> {
        self.call(|access| {
            access.core.socket(s)?;
            match data {
                Arg::Unreadable => return Err(Error::WSAEFAULT.into()),
                Arg::Value(data) if !data.is_there() => return Err(Error::WSAEFAULT.into()),
                Arg::Value(data) if data.len > 0 => return Err(Error::WSAENOPROTOOPT.into()),
                Arg::Value(_) | Arg::Null => {}
            }
            access.shut(s, Shut { receive: false, send: true })
        })
    }

    /// WSARecvDisconnect: shutdown with SD_RECEIVE. There never are disconnect data.
    ///
    /// # Errors
    /// WSAENOTSOCK; WSAEFAULT for room that cannot be written; WSAENOPROTOOPT for room of more
    /// than zero bytes; WSAENOTCONN for a stream without a connection.
    pub fn wsa_recv_disconnect(
        &self,
        s: SocketHandle,
        room: Arg<&mut WsaBufMut<'_>>,
    ) -> Result<()> {
        self.call(|access| {
            access.core.socket(s)?;
            match room {
                Arg::Unreadable => return Err(Error::WSAEFAULT.into()),
                Arg::Value(room) if !room.is_writable() => return Err(Error::WSAEFAULT.into()),
                Arg::Value(room) if room.len > 0 => return Err(Error::WSAENOPROTOOPT.into()),
                Arg::Value(_) | Arg::Null => {}
            }
            access.shut(s, Shut { receive: true, send: false })
        })
    }
}

impl<'a, L: Link, S: Storage<'a>> Access<'_, 'a, L, S> {
    /// Closes these directions.
    fn shut(&mut self, s: SocketHandle, directions: Shut) -> Result<(), Fault> {
        self.settle(s);
        let socket = self.core.socket_mut(s)?;
        let connection = match socket.state {
            State::Connected(id) => Some(id),
            _ if socket.is_stream() => return Err(Error::WSAENOTCONN.into()),
            _ => None,
        };
        let before = socket.shut;
        socket.shut.receive |= directions.receive;
        socket.shut.send |= directions.send;
        let after = socket.shut;
        if let Some(id) = connection {
            let resets = self.core.profile.unread_after_shutdown == UnreadData::Resets;
            if resets && after.receive && !before.receive {
                self.stack.tcp_stop_receiving(self.now, id);
            }
            if after.send && !before.send {
                self.stack.tcp_shutdown(self.now, id);
            }
        }
        // Receives that wait on another thread have to see it.
        self.touch(s);
        Ok(())
    }
}
