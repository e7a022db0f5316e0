//! The kernel's sockets at the far end of the veth pair, or behind a relay.

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
    place: Place,
}

/// Where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Far,
    Relayed,
}

impl Place {
    const fn way(self) -> Way {
        match self {
            Self::Far => Way::Veth,
            Self::Relayed => Way::Relay,
        }
    }
}

impl<'l> Kernel<'l> {
    pub(in crate::bench) const fn new(lab: &'l Lab) -> Self {
        Self { lab, place: Place::Far }
    }

    /// The one behind a relay.
    pub(in crate::bench) const fn relayed(lab: &'l Lab) -> Self {
        Self { lab, place: Place::Relayed }
    }
}

impl Host for Kernel<'_> {
    type Stream = TcpStream;
    type Datagrams = UdpSocket;
    type Listener = TcpListener;

    fn arrive(&self) -> Result<(), Trouble> {
        match self.place {
            Place::Far => self.lab.move_to_far(),
            Place::Relayed => self.lab.move_to_relayed(),
        }
    }

    fn peer(&self, family: Family) -> IpAddr {
        self.place.way().peer(family)
    }

    fn own(&self, family: Family) -> IpAddr {
        self.place.way().own(family)
    }

    fn connect(&self, to: SocketAddr) -> io::Result<TcpStream> {
        match self.place {
            Place::Far => TcpStream::connect(to),
            // What a relay loses is asked for again, and where there is no relay any more the kernel
            // would ask for minutes.
            Place::Relayed => TcpStream::connect_timeout(&to, PATIENCE),
        }
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
