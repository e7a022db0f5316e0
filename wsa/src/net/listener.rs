//! Listeners.

use std::io;
use std::net::SocketAddr;

use super::TcpStream;
use super::socket::Socket;
use crate::process::SocketHandle;

/// A listener, from [`Net::listen`](super::Net::listen). Dropping the last clone resets what
/// waits to be accepted.
#[derive(Debug)]
pub struct TcpListener {
    socket: Socket,
}

impl TcpListener {
    pub(super) const fn new(socket: Socket) -> Self {
        Self { socket }
    }

    /// Winsock's handle, which stays this listener's.
    pub fn socket(&self) -> SocketHandle {
        self.socket.handle()
    }

    /// Another handle to the same listener.
    ///
    /// # Errors
    /// None; the result is that of `std::net`.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { socket: self.socket.clone() })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When getsockname fails.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Waits for a connection. The stream is blocking; other options are the listener's.
    ///
    /// # Errors
    /// As accept; `WouldBlock` on a non-blocking listener.
    pub fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (socket, peer) = self.socket.accept()?;
        Ok((TcpStream::new(socket), peer))
    }

    /// The connections, one after the other, for ever.
    pub const fn incoming(&self) -> Incoming<'_> {
        Incoming { listener: self }
    }

    /// Sets whether an accept that would have to wait is `WouldBlock` instead.
    ///
    /// # Errors
    /// When ioctlsocket fails.
    pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.socket.set_nonblocking(nonblocking)
    }

    /// The time to live, or hop limit, of accepted connections.
    ///
    /// # Errors
    /// When getsockopt fails.
    pub fn ttl(&self) -> io::Result<u32> {
        self.socket.ttl()
    }

    /// Sets the time to live, or hop limit, of accepted connections.
    ///
    /// # Errors
    /// `InvalidInput` when it is out of range.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.socket.set_ttl(ttl)
    }

    /// SO_ERROR. Reading it does not clear it.
    ///
    /// # Errors
    /// When getsockopt fails.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.socket.take_error()
    }
}

/// The connections of a listener.
#[derive(Debug)]
pub struct Incoming<'l> {
    listener: &'l TcpListener,
}

impl Iterator for Incoming<'_> {
    type Item = io::Result<TcpStream>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.listener.accept().map(|(stream, _)| stream))
    }
}
