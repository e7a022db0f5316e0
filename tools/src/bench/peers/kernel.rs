//! The kernel's sockets at the far end of the veth pair.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use super::super::lab::{Family, Lab, Way};
use super::super::trouble::Trouble;
use super::host::{Datagrams, Host, PATIENCE, Stream};
use super::server::best_congestion_control;

/// The kernel as a client.
pub(in crate::bench) struct Kernel<'l> {
    lab: &'l Lab,
}

impl<'l> Kernel<'l> {
    pub(in crate::bench) const fn new(lab: &'l Lab) -> Self {
        Self { lab }
    }
}

impl Host for Kernel<'_> {
    type Stream = TcpStream;
    type Datagrams = UdpSocket;
    type Listener = TcpListener;

    fn arrive(&self) -> Result<(), Trouble> {
        self.lab.move_to_far()
    }

    fn peer(&self, family: Family) -> IpAddr {
        Way::Veth.peer(family)
    }

    fn own(&self, family: Family) -> IpAddr {
        Way::Veth.own(family)
    }

    fn connect(&self, to: SocketAddr) -> io::Result<TcpStream> {
        TcpStream::connect(to)
    }

    fn datagrams(&self, to: SocketAddr) -> io::Result<UdpSocket> {
        let family = if to.is_ipv4() { Family::V4 } else { Family::V6 };
        let socket = UdpSocket::bind(family.unspecified())?;
        socket.connect(to)?;
        Ok(socket)
    }

    fn listen(&self, family: Family) -> io::Result<(TcpListener, u16)> {
        let listener = TcpListener::bind(family.unspecified())?;
        let port = listener.local_addr()?.port();
        Ok((listener, port))
    }

    fn accept(&self, listener: &TcpListener) -> io::Result<TcpStream> {
        Ok(listener.accept()?.0)
    }
}

impl Stream for TcpStream {
    fn prepare(&self) -> io::Result<()> {
        best_congestion_control(self);
        self.set_nodelay(true)?;
        self.set_read_timeout(Some(PATIENCE))?;
        self.set_write_timeout(Some(PATIENCE))?;
        rustix::net::sockopt::set_socket_linger(self, Some(Duration::ZERO))?;
        Ok(())
    }
}

impl Datagrams for UdpSocket {
    fn send(&self, data: &[u8]) -> io::Result<usize> {
        self.send(data)
    }

    fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.recv(buffer)
    }

    fn set_patience(&self, patience: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(patience))
    }

    fn spin(&self) -> io::Result<()> {
        self.set_nonblocking(true)
    }
}
