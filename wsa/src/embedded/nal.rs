//! embedded-nal's stacks, whose calls never wait.

use core::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use embedded_nal::{
    TcpClientStack, TcpError, TcpErrorKind, TcpFullStack, UdpClientStack, UdpFullStack,
};

use super::{ANY_FAMILY, name};
use crate::address::SockAddr;
use crate::constants::{IPPROTO_TCP, IPPROTO_UDP, SOCK_DGRAM, SOCK_STREAM};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::memory::MemoryMut;
use crate::process::{Process, SocketHandle};
use crate::readiness::Flags;

/// Connections that wait to be accepted.
const BACKLOG: i32 = 5;

/// A process as a network for drivers that know embedded-nal alone. A copy is another way to the
/// same one.
#[derive(Debug)]
pub struct Network<'p, 'a, E: Engine<'a>> {
    pub(super) process: &'p Process<'a, E>,
}

impl<'p, 'a, E: Engine<'a>> Network<'p, 'a, E> {
    /// The network of a process that has called WSAStartup.
    pub const fn new(process: &'p Process<'a, E>) -> Self {
        Self { process }
    }

    /// A socket that does not block.
    fn open(&self, family: i32, ty: i32, protocol: i32) -> Result<SocketHandle> {
        let s = self.process.socket(family, ty, protocol)?;
        if let Err(error) = self.process.set_nonblocking(s, true) {
            let _ = self.process.closesocket(s);
            return Err(error);
        }
        Ok(s)
    }

    fn shows(&self, s: SocketHandle, flags: Flags) -> bool {
        self.process.engine().with(|access| access.flags(s).intersects(flags))
    }

    /// Opens the socket of a name's family unless there is one, and gives it.
    fn opened(
        &self,
        socket: &mut Option<SocketHandle>,
        family: i32,
        ty: i32,
        protocol: i32,
    ) -> Result<SocketHandle> {
        match *socket {
            Some(s) => Ok(s),
            None => {
                let s = self.open(family, ty, protocol)?;
                *socket = Some(s);
                Ok(s)
            }
        }
    }
}

impl<'a, E: Engine<'a>> Clone for Network<'_, 'a, E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<'a, E: Engine<'a>> Copy for Network<'_, 'a, E> {}

/// A stream, which gets its socket when the family is known.
#[derive(Debug, Default)]
pub struct TcpSocket {
    socket: Option<SocketHandle>,
    /// An attempt is under way.
    connecting: bool,
}

/// A datagram socket, likewise.
#[derive(Debug, Default)]
pub struct UdpSocket {
    socket: Option<SocketHandle>,
}

impl TcpError for Error {
    fn kind(&self) -> TcpErrorKind {
        match *self {
            Self::WSAECONNRESET | Self::WSAECONNABORTED | Self::WSAESHUTDOWN => {
                TcpErrorKind::PipeClosed
            }
            _ => TcpErrorKind::Other,
        }
    }
}

/// WSAEWOULDBLOCK as embedded-nal says it.
fn now<T>(outcome: Result<T>) -> nb::Result<T, Error> {
    outcome.map_err(|error| match error {
        Error::WSAEWOULDBLOCK => nb::Error::WouldBlock,
        error => nb::Error::Other(error),
    })
}

fn handle(socket: Option<SocketHandle>) -> Result<SocketHandle> {
    socket.ok_or(Error::WSAENOTCONN)
}

impl<'a, E: Engine<'a>> TcpClientStack for Network<'_, 'a, E> {
    type TcpSocket = TcpSocket;
    type Error = Error;

    fn socket(&mut self) -> Result<TcpSocket> {
        Ok(TcpSocket::default())
    }

    /// Call again until it does not say that it would block.
    fn connect(&mut self, socket: &mut TcpSocket, remote: SocketAddr) -> nb::Result<(), Error> {
        let name = name(remote)?;
        let family = name.family().number();
        let s = self.opened(&mut socket.socket, family, SOCK_STREAM, IPPROTO_TCP)?;
        if !socket.connecting {
            let begun = self.process.connect_to(s, name);
            socket.connecting = begun == Err(Error::WSAEWOULDBLOCK);
            return now(begun);
        }
        if self.shows(s, Flags::CONNECT) {
            socket.connecting = false;
            return Ok(());
        }
        if !self.shows(s, Flags::CONNECT_ERR | Flags::RESET) {
            return Err(nb::Error::WouldBlock);
        }
        socket.connecting = false;
        let code =
            self.process.option(s, crate::constants::SOL_SOCKET, crate::constants::SO_ERROR)?;
        Err(nb::Error::Other(Error::from_code(code as i32).unwrap_or(Error::WSAECONNREFUSED)))
    }

    fn send(&mut self, socket: &mut TcpSocket, buffer: &[u8]) -> nb::Result<usize, Error> {
        now(self.process.send(handle(socket.socket)?, buffer.into(), 0))
    }

    fn receive(&mut self, socket: &mut TcpSocket, buffer: &mut [u8]) -> nb::Result<usize, Error> {
        now(self.process.recv(handle(socket.socket)?, buffer.into(), 0))
    }

    fn close(&mut self, socket: TcpSocket) -> Result<()> {
        socket.socket.map_or(Ok(()), |s| self.process.closesocket(s))
    }
}

impl<'a, E: Engine<'a>> TcpFullStack for Network<'_, 'a, E> {
    fn bind(&mut self, socket: &mut TcpSocket, local_port: u16) -> Result<()> {
        let s = self.opened(&mut socket.socket, ANY_FAMILY, SOCK_STREAM, IPPROTO_TCP)?;
        self.process.bind_to(s, SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, local_port))
    }

    fn listen(&mut self, socket: &mut TcpSocket) -> Result<()> {
        self.process.listen(handle(socket.socket)?, BACKLOG)
    }

    fn accept(&mut self, socket: &mut TcpSocket) -> nb::Result<(TcpSocket, SocketAddr), Error> {
        let listener = handle(socket.socket)?;
        // What is accepted does not block either: it has that from the listener.
        let s = now(self.process.accept(listener, MemoryMut::Null, None))?;
        let peer = self.process.peer_name(s)?;
        Ok((TcpSocket { socket: Some(s), connecting: false }, peer.into()))
    }
}

impl<'a, E: Engine<'a>> UdpClientStack for Network<'_, 'a, E> {
    type UdpSocket = UdpSocket;
    type Error = Error;

    fn socket(&mut self) -> Result<UdpSocket> {
        Ok(UdpSocket::default())
    }

    fn connect(&mut self, socket: &mut UdpSocket, remote: SocketAddr) -> Result<()> {
        let name = name(remote)?;
        let family = name.family().number();
        let s = self.opened(&mut socket.socket, family, SOCK_DGRAM, IPPROTO_UDP)?;
        self.process.connect_to(s, name)
    }

    fn send(&mut self, socket: &mut UdpSocket, buffer: &[u8]) -> nb::Result<(), Error> {
        now(self.process.send(handle(socket.socket)?, buffer.into(), 0)).map(drop)
    }

    fn receive(
        &mut self,
        socket: &mut UdpSocket,
        buffer: &mut [u8],
    ) -> nb::Result<(usize, SocketAddr), Error> {
        let s = handle(socket.socket)?;
        let mut from = [0; crate::constants::SOCKADDR_IN6_LEN];
        let mut len = from.len() as i32;
        let received =
            self.process.recvfrom(s, buffer.into(), 0, (&mut from).into(), Some(&mut len));
        let received = now(received)?;
        let from = from.get(..usize::try_from(len).unwrap_or(0)).and_then(SockAddr::decode);
        let from = from.ok_or(nb::Error::Other(Error::WSAEFAULT))?;
        Ok((received, from.into()))
    }

    fn close(&mut self, socket: UdpSocket) -> Result<()> {
        socket.socket.map_or(Ok(()), |s| self.process.closesocket(s))
    }
}

impl<'a, E: Engine<'a>> UdpFullStack for Network<'_, 'a, E> {
    fn bind(&mut self, socket: &mut UdpSocket, local_port: u16) -> Result<()> {
        let s = self.opened(&mut socket.socket, ANY_FAMILY, SOCK_DGRAM, IPPROTO_UDP)?;
        self.process.bind_to(s, SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, local_port))
    }

    fn send_to(
        &mut self,
        socket: &mut UdpSocket,
        remote: SocketAddr,
        buffer: &[u8],
    ) -> nb::Result<(), Error> {
        let name = name(remote)?;
        let family = name.family().number();
        let s = self.opened(&mut socket.socket, family, SOCK_DGRAM, IPPROTO_UDP)?;
        let name = name.encode();
        now(self.process.sendto(s, buffer.into(), 0, name.memory(), name.len())).map(drop)
    }
}
