//! Datagrams.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use super::socket::Socket;
use super::{Net, ToAddresses, each};
use crate::constants::{MSG_PEEK, SO_BROADCAST, SOL_SOCKET};
use crate::process::SocketHandle;

/// A UDP socket, from [`Net::bind_udp`](super::Net::bind_udp). Dropping the last clone closes it.
///
/// A datagram that is longer than the buffer of a receive fills it and is `InvalidInput`
/// (WSAEMSGSIZE); the rest is lost.
#[derive(Debug)]
pub struct UdpSocket {
    pub(super) socket: Socket,
}

impl UdpSocket {
    pub(super) const fn new(socket: Socket) -> Self {
        Self { socket }
    }

    /// The socket of a bound or connected datagram socket that was made by calls of `net`'s own process. The handle is
    /// this socket's from now on, and closed with it.
    pub fn adopt(net: &Net, handle: SocketHandle) -> Self {
        Self::new(Socket::adopt(net, handle))
    }

    /// Winsock's handle, which stays this socket's.
    pub fn socket(&self) -> SocketHandle {
        self.socket.handle()
    }

    /// Another handle to the same socket.
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

    /// The peer.
    ///
    /// # Errors
    /// `NotConnected` without one.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket.peer_addr()
    }

    /// Sets the peer: [`UdpSocket::send`] sends to it, and only its datagrams are received.
    ///
    /// # Errors
    /// That of the last address; `InvalidInput` when there is none.
    pub fn connect(&self, addresses: impl ToAddresses) -> io::Result<()> {
        each(addresses, |address| self.socket.run(|process, s| process.connect(s, address)))
    }

    /// Sends one datagram to the peer.
    ///
    /// # Errors
    /// As send; `NotConnected` without a peer.
    pub fn send(&self, data: &[u8]) -> io::Result<usize> {
        self.socket.send(data)
    }

    /// Sends one datagram to the first of the addresses.
    ///
    /// # Errors
    /// As sendto; `InvalidInput` when there is no address.
    pub fn send_to(&self, data: &[u8], addresses: impl ToAddresses) -> io::Result<usize> {
        let first = addresses.to_addresses()?.into_iter().take(1).collect::<std::vec::Vec<_>>();
        each(&first[..], |address| self.socket.run(|process, s| process.send_to(s, data, address)))
    }

    /// Receives one datagram.
    ///
    /// # Errors
    /// As recv; `ConnectionReset` when an earlier datagram met a closed port.
    pub fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.socket.receive(buffer, 0)
    }

    /// Receives one datagram and says whose it is.
    ///
    /// # Errors
    /// As recvfrom.
    pub fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.socket.run(|process, s| process.receive_from(s, buffer, 0))
    }

    /// Receives one datagram and leaves it in the queue.
    ///
    /// # Errors
    /// As recv.
    pub fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.socket.receive(buffer, MSG_PEEK)
    }

    /// Receives one datagram, says whose it is, and leaves it in the queue.
    ///
    /// # Errors
    /// As recvfrom.
    pub fn peek_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.socket.run(|process, s| process.receive_from(s, buffer, MSG_PEEK))
    }

    /// The longest that a receive waits.
    ///
    /// # Errors
    /// When getsockopt fails.
    pub fn read_timeout(&self) -> io::Result<Option<Duration>> {
        self.socket.read_timeout()
    }

    /// Sets the longest that a receive waits, in whole milliseconds, rounded up; then it is
    /// `TimedOut`. `None` is for ever.
    ///
    /// # Errors
    /// `InvalidInput` for zero.
    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.socket.set_read_timeout(timeout)
    }

    /// The longest that a send waits.
    ///
    /// # Errors
    /// When getsockopt fails.
    pub fn write_timeout(&self) -> io::Result<Option<Duration>> {
        self.socket.write_timeout()
    }

    /// Sets the longest that a send waits. None does: a datagram leaves at once or not at all.
    ///
    /// # Errors
    /// `InvalidInput` for zero.
    pub fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.socket.set_write_timeout(timeout)
    }

    /// Whether datagrams to broadcast addresses are allowed.
    ///
    /// # Errors
    /// When getsockopt fails.
    pub fn broadcast(&self) -> io::Result<bool> {
        Ok(self.socket.option(SOL_SOCKET, SO_BROADCAST)? != 0)
    }

    /// Sets whether datagrams to broadcast addresses are allowed.
    ///
    /// # Errors
    /// When setsockopt fails.
    pub fn set_broadcast(&self, broadcast: bool) -> io::Result<()> {
        self.socket.set_option(SOL_SOCKET, SO_BROADCAST, broadcast.into())
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

    /// Sets whether a receive that would have to wait is `WouldBlock` instead.
    ///
    /// # Errors
    /// When ioctlsocket fails.
    pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.socket.set_nonblocking(nonblocking)
    }

    /// SO_ERROR. Reading it does not clear it.
    ///
    /// # Errors
    /// When getsockopt fails.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.socket.take_error()
    }
}
