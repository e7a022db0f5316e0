//! WSAAsyncSelect.

use tapsock_stack::link::Link;
use tapsock_stack::storage::Storage;

use super::network::{Bits, Record, Target};
use crate::engine::{Access, Engine};
use crate::error::{Error, Result};
use crate::process::{Process, SocketHandle};

impl<'a, E: Engine<'a>> Process<'a, E> {
    /// WSAAsyncSelect: from now on the network events `events` (`FD_` bits) of the socket are
    /// posted as messages, at once those whose conditions hold, but not the end of an attempt that
    /// has ended. The socket is non-blocking from now on.
    ///
    /// There are no windows: `window` and `message` are numbers that come back with each
    /// [`SocketMessage`](crate::SocketMessage), for [`Process::next_message`] or a hook.
    ///
    /// Each call takes the place of an earlier WSAAsyncSelect or WSAEventSelect and posts anew what
    /// holds. With no `events` the selection ends. Messages that are queued stay.
    ///
    /// # Errors
    /// WSANOTINITIALISED; WSAEINPROGRESS; WSAENOTSOCK; WSAEINVAL for a bit that means nothing, and
    /// for the window 0.
    pub fn wsa_async_select(
        &self,
        s: SocketHandle,
        window: usize,
        message: u32,
        events: i32,
    ) -> Result<()> {
        self.call(|access| {
            access.core.socket(s)?;
            let mask = Bits::new(events).ok_or(Error::WSAEINVAL)?;
            let target = match (mask.is_empty(), window) {
                (true, _) => Target::Nobody,
                (false, 0) => return Err(Error::WSAEINVAL.into()),
                (false, _) => Target::Window { window, message },
            };
            access.select_messages(s, target, mask)?;
            Ok(())
        })
    }
}

impl<'a, L: Link, S: Storage<'a>> Access<'_, 'a, L, S> {
    fn select_messages(&mut self, s: SocketHandle, target: Target, mask: Bits) -> Result<()> {
        self.settle(s);
        self.core.leave_line(s);
        let socket = self.core.socket_mut(s)?;
        socket.nonblocking = true;
        // A new record: everything that lasts is news again, an attempt that has ended is not.
        socket.record = Record::new(target, mask);
        self.record(s, Bits::NONE);
        Ok(())
    }
}
