//! The embedded traits on sockets: embedded-io, embedded-nal, and their asynchronous sisters.
//!
//! A [`Network`] is a way to the sockets of a process; a [`Connection`] is one of its streams.
//! Their blocking calls are Winsock's own: the engine advances the stack while they wait. The calls
//! of embedded-nal never wait, and the futures of the asynchronous traits are woken by the stack;
//! for them something has to advance it meanwhile, such as a task that calls
//! [`Stepped::poll`](crate::engine::stepped::Stepped::poll) whenever a frame has arrived or the time
//! has come that the last call gave.

mod future;
mod nal;

pub use nal::{Network, TcpSocket, UdpSocket};

use core::net::SocketAddr;

use embedded_io::{ErrorKind, ErrorType, Read, ReadReady, Write, WriteReady};

use crate::address::SockAddr;
use crate::constants::{AF_INET, IPPROTO_TCP, SD_SEND, SOCK_STREAM};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::process::{Process, SocketHandle};
use crate::readiness::Flags;

impl embedded_io::Error for Error {
    fn kind(&self) -> ErrorKind {
        match *self {
            Self::WSAECONNREFUSED => ErrorKind::ConnectionRefused,
            Self::WSAECONNRESET => ErrorKind::ConnectionReset,
            Self::WSAECONNABORTED => ErrorKind::ConnectionAborted,
            Self::WSAENOTCONN => ErrorKind::NotConnected,
            Self::WSAEADDRINUSE => ErrorKind::AddrInUse,
            Self::WSAEADDRNOTAVAIL => ErrorKind::AddrNotAvailable,
            Self::WSAESHUTDOWN => ErrorKind::BrokenPipe,
            Self::WSAETIMEDOUT => ErrorKind::TimedOut,
            Self::WSAEINTR => ErrorKind::Interrupted,
            Self::WSAEACCES => ErrorKind::PermissionDenied,
            Self::WSAEINVAL | Self::WSAEFAULT => ErrorKind::InvalidInput,
            Self::WSAEOPNOTSUPP | Self::WSAEAFNOSUPPORT => ErrorKind::Unsupported,
            Self::WSAENOBUFS | Self::WSAEMFILE => ErrorKind::OutOfMemory,
            _ => ErrorKind::Other,
        }
    }
}

/// A connected stream, which is closed when it goes out of scope: what was written is still
/// delivered.
#[derive(Debug)]
pub struct Connection<'p, 'a, E: Engine<'a>> {
    process: &'p Process<'a, E>,
    socket: SocketHandle,
}

impl<'p, 'a, E: Engine<'a>> Connection<'p, 'a, E> {
    /// Connects, and waits until that has come to an end.
    ///
    /// # Errors
    /// As [`Process::socket`] and [`Process::wsa_connect`].
    pub fn open(process: &'p Process<'a, E>, remote: SocketAddr) -> Result<Self> {
        let name = name(remote)?;
        let socket = process.socket(name.family().number(), SOCK_STREAM, IPPROTO_TCP)?;
        // From here on it is closed whatever happens.
        let connection = Self { process, socket };
        process.connect_to(socket, name)?;
        Ok(connection)
    }

    /// A stream that is connected already, such as one that was accepted.
    pub const fn from_socket(process: &'p Process<'a, E>, socket: SocketHandle) -> Self {
        Self { process, socket }
    }

    /// The socket, for everything else that Winsock can do with it.
    pub const fn socket(&self) -> SocketHandle {
        self.socket
    }

    /// Closes this side's direction. The peer reads what was written, and then the end.
    ///
    /// # Errors
    /// As [`Process::shutdown`].
    pub fn finish(&mut self) -> Result<()> {
        self.process.shutdown(self.socket, SD_SEND)
    }

    fn shows(&self, flags: Flags) -> bool {
        self.process.engine().with(|access| access.flags(self.socket).intersects(flags))
    }
}

impl<'a, E: Engine<'a>> Drop for Connection<'_, 'a, E> {
    fn drop(&mut self) {
        // It may have been closed through its handle.
        let _ = self.process.closesocket(self.socket);
    }
}

impl<'a, E: Engine<'a>> ErrorType for Connection<'_, 'a, E> {
    type Error = Error;
}

impl<'a, E: Engine<'a>> Read for Connection<'_, 'a, E> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        self.process.recv(self.socket, buffer.into(), 0)
    }
}

impl<'a, E: Engine<'a>> Write for Connection<'_, 'a, E> {
    fn write(&mut self, data: &[u8]) -> Result<usize> {
        if data.is_empty() {
            return Ok(0);
        }
        self.process.send(self.socket, data.into(), 0)
    }

    /// What was written leaves without being asked to.
    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

impl<'a, E: Engine<'a>> ReadReady for Connection<'_, 'a, E> {
    fn read_ready(&mut self) -> Result<bool> {
        Ok(self.shows(Flags::READ | Flags::HUP | Flags::RESET))
    }
}

impl<'a, E: Engine<'a>> WriteReady for Connection<'_, 'a, E> {
    fn write_ready(&mut self) -> Result<bool> {
        Ok(self.shows(Flags::WRITE | Flags::RESET))
    }
}

/// A name; WSAEAFNOSUPPORT for one of a family that this build does not have.
fn name(remote: SocketAddr) -> Result<SockAddr> {
    match remote {
        SocketAddr::V4(remote) => Ok(remote.into()),
        #[cfg(feature = "ipv6")]
        SocketAddr::V6(remote) => Ok(remote.into()),
        #[cfg(not(feature = "ipv6"))]
        SocketAddr::V6(_) => Err(Error::WSAEAFNOSUPPORT),
    }
}

/// The family of sockets that listen, and of those that are not told.
const ANY_FAMILY: i32 = AF_INET;
