//! Connections.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::time::Duration;

use super::Net;
use super::socket::Socket;
use crate::constants::{IPPROTO_TCP, MSG_PEEK, SD_BOTH, SD_RECEIVE, SD_SEND, TCP_NODELAY};
use crate::process::SocketHandle;

/// A TCP connection, from [`Net::connect`](super::Net::connect) or
/// [`TcpListener::accept`](super::TcpListener::accept).
///
/// Reads and writes work on `&TcpStream` as well, from several threads at a time. Dropping the
/// last clone closes the connection; what was written is delivered in the background.
#[derive(Debug)]
pub struct TcpStream {
    socket: Socket,
}

impl TcpStream {
    pub(super) const fn new(socket: Socket) -> Self {
        Self { socket }
    }

    /// The stream of a connected stream that was made by calls of `net`'s own process. The handle is
    /// this stream's from now on, and closed with it.
    pub fn adopt(net: &Net, handle: SocketHandle) -> Self {
        Self::new(Socket::adopt(net, handle))
    }

    /// Winsock's handle, which stays this stream's.
    pub fn socket(&self) -> SocketHandle {
        self.socket.handle()
    }

    /// Another handle to the same connection, which is closed with the last of them. Options,
    /// time limits and non-blocking mode are shared.
    ///
    /// # Errors
    /// None; the result is that of `std::net`.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { socket: self.socket.clone() })
    }

    /// This side.
    ///
    /// # Errors
    /// When getsockname fails.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// The other side.
    ///
    /// # Errors
    /// When getpeername fails.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket.peer_addr()
    }

    /// Ends one direction or both: what was written is delivered before the FIN. Reads of a
    /// direction that was ended give 0 bytes, writes are `BrokenPipe`.
    ///
    /// # Errors
    /// When shutdown fails.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        let how = match how {
            Shutdown::Read => SD_RECEIVE,
            Shutdown::Write => SD_SEND,
            Shutdown::Both => SD_BOTH,
        };
        self.socket.run(|process, s| process.shutdown(s, how))
    }

    /// Reads without taking from the queue.
    ///
    /// # Errors
    /// As reads.
    pub fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        self.socket.receive(buffer, MSG_PEEK)
    }

    /// Reads without a copy: `read` is given received bytes where they are, at least one, and says
    /// how many from the beginning it has taken; the others stay. At the end of the stream the
    /// result is 0 without a call of `read`. Another call gives what is behind.
    ///
    /// `read` runs while all sockets of the network are locked: it has to be short, must not wait
    /// for another thread that uses them, and must not use them itself, not even drop one; each
    /// such call fails with WSAEINPROGRESS. See [`Process::recv_with`](crate::Process::recv_with).
    ///
    /// ```
    /// # use std::io::Write;
    /// # use wsa::config::{Configuration, LinkChoice};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let mut configuration = Configuration::default();
    /// # configuration.link = LinkChoice::Loopback;
    /// # let process = wsa::start::start(&configuration, None, |_| {})?;
    /// # let net = wsa::net::Net::new(process.into())?;
    /// # let listener = net.listen("127.0.0.1:0")?;
    /// # let stream = net.connect(listener.local_addr()?)?;
    /// # let (peer, _) = listener.accept()?;
    /// let written = stream.write_with(|room| {
    ///     room[..5].copy_from_slice(b"line\n");
    ///     5
    /// })?;
    /// # assert_eq!(written, 5);
    /// # drop(stream);
    /// let mut lines = 0;
    /// while peer.read_with(|bytes| {
    ///     lines += bytes.iter().filter(|byte| **byte == b'\n').count();
    ///     bytes.len()
    /// })? > 0
    /// {}
    /// assert_eq!(lines, 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As reads.
    pub fn read_with(&self, read: impl FnOnce(&[u8]) -> usize) -> io::Result<usize> {
        self.socket.read_with(read)
    }

    /// Writes without a copy: `write` is given room where bytes wait to be sent, at least one byte
    /// of it, and says how many from the beginning it has written; with 0 nothing is sent. What the
    /// room holds before is meaningless. Another call gives more room, or waits for it.
    ///
    /// What `write` must not do is what is forbidden in [`TcpStream::read_with`]. See
    /// [`Process::send_with`](crate::Process::send_with).
    ///
    /// # Errors
    /// As writes.
    pub fn write_with(&self, write: impl FnOnce(&mut [u8]) -> usize) -> io::Result<usize> {
        self.socket.write_with(write)
    }

    /// The longest that a read waits.
    ///
    /// # Errors
    /// When getsockopt fails.
    pub fn read_timeout(&self) -> io::Result<Option<Duration>> {
        self.socket.read_timeout()
    }

    /// Sets the longest that a read waits, in whole milliseconds, rounded up; then it is
    /// `TimedOut`. `None` is for ever.
    ///
    /// # Errors
    /// `InvalidInput` for zero.
    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.socket.set_read_timeout(timeout)
    }

    /// The longest that a write waits.
    ///
    /// # Errors
    /// When getsockopt fails.
    pub fn write_timeout(&self) -> io::Result<Option<Duration>> {
        self.socket.write_timeout()
    }

    /// Sets the longest that a write waits; as [`TcpStream::set_read_timeout`].
    ///
    /// # Errors
    /// `InvalidInput` for zero.
    pub fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.socket.set_write_timeout(timeout)
    }

    /// Whether small segments are sent at once.
    ///
    /// # Errors
    /// When getsockopt fails.
    pub fn nodelay(&self) -> io::Result<bool> {
        Ok(self.socket.option(IPPROTO_TCP, TCP_NODELAY)? != 0)
    }

    /// Sets whether small segments are sent at once.
    ///
    /// # Errors
    /// When setsockopt fails.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.socket.set_option(IPPROTO_TCP, TCP_NODELAY, nodelay.into())
    }

    /// The time to live, or hop limit, of what is sent.
    ///
    /// # Errors
    /// When getsockopt fails.
    pub fn ttl(&self) -> io::Result<u32> {
        self.socket.ttl()
    }

    /// Sets the time to live, or hop limit, of what is sent.
    ///
    /// # Errors
    /// `InvalidInput` when it is out of range.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.socket.set_ttl(ttl)
    }

    /// How long closing waits for the delivery of what was written.
    ///
    /// # Errors
    /// When getsockopt fails.
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        self.socket.linger()
    }

    /// Sets how long closing waits for the delivery of what was written, in whole seconds, rounded
    /// up, at most 65,535; then the connection is reset. Zero resets at once, `None` delivers in
    /// the background, as does dropping a non-blocking stream.
    ///
    /// # Errors
    /// When setsockopt fails.
    pub fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        self.socket.set_linger(linger)
    }

    /// Sets whether reads and writes that would have to wait are `WouldBlock` instead.
    ///
    /// # Errors
    /// When ioctlsocket fails.
    pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.socket.set_nonblocking(nonblocking)
    }

    /// SO_ERROR: why a non-blocking attempt to connect failed. Reading it does not clear it.
    ///
    /// # Errors
    /// When getsockopt fails.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.socket.take_error()
    }
}

impl Read for &TcpStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        self.socket.receive(buffer, 0)
    }

    fn read_vectored(&mut self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        // The first that has room leads, so that no run of empty ones hides it.
        let first = buffers.iter().position(|buffer| !buffer.is_empty());
        match first {
            Some(first) => self.socket.receive_vectored(&mut buffers[first..]),
            None => Ok(0),
        }
    }
}

impl Write for &TcpStream {
    /// Takes at most 1 MiB, which is queued whole or not at all.
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if data.is_empty() {
            return Ok(0);
        }
        self.socket.write(data)
    }

    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        let first = buffers.iter().position(|buffer| !buffer.is_empty());
        match first {
            Some(first) => self.socket.write_vectored(&buffers[first..]),
            None => Ok(0),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for TcpStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&*self).read(buffer)
    }

    fn read_vectored(&mut self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        (&*self).read_vectored(buffers)
    }
}

impl Write for TcpStream {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        (&*self).write(data)
    }

    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        (&*self).write_vectored(buffers)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
