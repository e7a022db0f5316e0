//! closesocket.

use tapsock_stack::link::Link;
use tapsock_stack::storage::Storage;
use tapsock_stack::tcp::Close;
use tapsock_stack::time::{Duration, Instant};

use super::State;
use crate::engine::{Access, Engine};
use crate::error::{Error, Result};
use crate::process::{Cue, Process, SocketHandle, Turn};

/// What a close has to wait for.
enum Lingering {
    No,
    Until(Instant),
}

impl<'a, E: Engine<'a>> Process<'a, E> {
    /// closesocket: the handle means nothing any more, and calls blocked on the socket end with
    /// WSAEINTR.
    ///
    /// What was sent is delivered in the background, unless SO_LINGER says otherwise: with zero
    /// seconds the connection is reset; with more, a blocking socket waits that long for the
    /// delivery and resets the connection when the time is over. A peer whose data was not
    /// received, or that sends more, gets a RST behind what was sent (RFC 1122, section 4.2.2.13).
    ///
    /// # Errors
    /// WSANOTINITIALISED; WSAENOTSOCK; for a socket that would have to linger, which then stays
    /// open: WSAEWOULDBLOCK when it is non-blocking, WSAEINPROGRESS inside a callback, WSAENOBUFS.
    pub fn closesocket(&self, s: SocketHandle) -> Result<()> {
        let thread = self.thread();
        let interest = [s.index().unwrap_or(u32::MAX)];
        let mut deadline = None;
        self.block(&interest, |access, cue| {
            let Some(until) = deadline else {
                return match access.begin_close(thread, s) {
                    Err(error) => Turn::fail(error),
                    Ok(Lingering::No) => Turn::Done(Ok(())),
                    Ok(Lingering::Until(until)) => {
                        deadline = Some(until);
                        Turn::Wait(Some(until))
                    }
                };
            };
            let delivered = access.is_delivered(s);
            if delivered || cue != Cue::Look || access.now >= until {
                let how = if delivered { Close::Deliver } else { Close::Reset };
                access.close(s, how);
                return Turn::Done(Ok(()));
            }
            Turn::Wait(Some(until))
        })
    }
}

impl<'a, L: Link, S: Storage<'a>> Access<'_, 'a, L, S> {
    pub(crate) fn touch(&mut self, s: SocketHandle) {
        if let Some(index) = s.index() {
            self.core.touch(index);
        }
    }

    fn begin_close(&mut self, thread: u64, s: SocketHandle) -> Result<Lingering> {
        self.core.socket(s)?;
        self.settle(s);
        let delivered = self.is_delivered(s);
        let now = self.now;
        let socket = self.core.socket_mut(s)?;
        let linger = socket.options.linger;
        let (State::Connected(id), Some(seconds)) = (socket.state, linger) else {
            self.close(s, Close::Deliver);
            return Ok(Lingering::No);
        };
        if seconds == 0 {
            self.close(s, Close::Reset);
            return Ok(Lingering::No);
        }
        if delivered {
            self.close(s, Close::Deliver);
            return Ok(Lingering::No);
        }
        if socket.nonblocking {
            return Err(Error::WSAEWOULDBLOCK);
        }
        // Whoever must not wait, or has no record to wait with, is refused while the socket is still
        // as it was.
        if self.core.in_callback(thread) {
            return Err(Error::WSAEINPROGRESS);
        }
        if self.core.thread_mut(thread).is_none() {
            return Err(Error::WSAENOBUFS);
        }
        let socket = self.core.socket_mut(s)?;
        socket.closing = true;
        self.stack.tcp_shutdown(now, id);
        self.touch(s);
        Ok(Lingering::Until(now + Duration::from_secs(u64::from(seconds))))
    }

    /// Whether the peer has acknowledged all that was sent, or never will.
    fn is_delivered(&self, s: SocketHandle) -> bool {
        let Some(socket) = self.core.sockets.get(s) else { return true };
        let State::Connected(id) = socket.state else { return true };
        self.stack.tcp(id).is_none_or(|status| status.queued == 0 || status.cause.is_some())
    }

    /// Ends a socket. An attempt under way is dropped without a frame.
    pub(crate) fn close(&mut self, s: SocketHandle, how: Close) {
        self.uncommit(s);
        self.core.leave_line(s);
        let Some(socket) = self.core.sockets.remove(s) else { return };
        match socket.state {
            State::Idle => {}
            State::Connecting(id, _) => self.stack.tcp_close(self.now, id, Close::Silent),
            State::Connected(id) => self.stack.tcp_close(self.now, id, how),
            State::Listening(id) => self.stack.close_listener(self.now, id),
            State::Datagram(id) => self.stack.udp_close(id),
        }
        if let Some(bound) = socket.bound {
            self.stack.unbind(bound.binding);
        }
        self.touch(s);
    }

    /// The end of the last WSACleanup: every socket is closed as its options say, without
    /// waiting.
    pub(crate) fn close_all(&mut self) {
        for index in 0..self.core.sockets.end() {
            let Some(handle) = self.core.sockets.handle_at(index) else { continue };
            let linger = self.core.sockets.get(handle).and_then(|socket| socket.options.linger);
            self.close(handle, if linger == Some(0) { Close::Reset } else { Close::Deliver });
        }
        self.core.touch_all();
    }
}
