//! What client logic needs of a network, so that it is written once.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::super::lab::Family;
use super::super::trouble::Trouble;

/// Where sockets come from.
pub(in crate::bench) trait Host: Sync {
    type Stream: Stream;
    type Datagrams: Datagrams;
    type Listener: Send + Sync;

    /// To be called first in each thread that makes sockets.
    fn arrive(&self) -> Result<(), Trouble>;

    /// The peer's address.
    fn peer(&self, family: Family) -> IpAddr;

    /// The host's own address.
    fn own(&self, family: Family) -> IpAddr;

    fn connect(&self, to: SocketAddr) -> io::Result<Self::Stream>;

    /// A datagram socket that is connected to `to`.
    fn datagrams(&self, to: SocketAddr) -> io::Result<Self::Datagrams>;

    /// A listener at a port that it says.
    fn listen(&self, family: Family) -> io::Result<(Self::Listener, u16)>;

    fn accept(&self, listener: &Self::Listener) -> io::Result<Self::Stream>;
}

/// Sockets of one thread.
pub(in crate::bench) trait Client {
    type Stream: Stream;
    type Datagrams: Datagrams;

    fn connect(&self, to: SocketAddr) -> io::Result<Self::Stream>;

    /// A datagram socket that is connected to `to`.
    fn datagrams(&self, to: SocketAddr) -> io::Result<Self::Datagrams>;
}

impl<H: Host> Client for &H {
    type Stream = H::Stream;
    type Datagrams = H::Datagrams;

    fn connect(&self, to: SocketAddr) -> io::Result<H::Stream> {
        (**self).connect(to)
    }

    fn datagrams(&self, to: SocketAddr) -> io::Result<H::Datagrams> {
        (**self).datagrams(to)
    }
}

/// Where threads get their sockets: of a host that they share, or of a loop that each has for
/// itself.
pub(in crate::bench) trait Site: Sync {
    type Client: Client;

    /// The peer's address.
    fn peer(&self, family: Family) -> IpAddr;

    /// To be called once in each thread.
    fn enter(&self) -> Result<Self::Client, Trouble>;
}

impl<'h, H: Host> Site for &'h H {
    type Client = &'h H;

    fn peer(&self, family: Family) -> IpAddr {
        (**self).peer(family)
    }

    fn enter(&self) -> Result<&'h H, Trouble> {
        self.arrive()?;
        Ok(self)
    }
}

/// How long a call may take before the run has failed.
pub(in crate::bench) const PATIENCE: Duration = Duration::from_secs(5);

/// A connection.
pub(in crate::bench) trait Stream: Read + Write {
    /// Small segments leave at once, calls end after [`PATIENCE`], and the connection ends with a
    /// reset when it is dropped.
    fn prepare(&self) -> io::Result<()>;
}

/// Datagrams to and from one peer.
pub(in crate::bench) trait Datagrams {
    fn send(&self, data: &[u8]) -> io::Result<usize>;
    fn receive(&self, buffer: &mut [u8]) -> io::Result<usize>;
    fn set_patience(&self, patience: Duration) -> io::Result<()>;
    /// Receives do not sleep from now on: those that would have to wait look again and again, or are
    /// `WouldBlock`, so that the caller does.
    fn spin(&self) -> io::Result<()>;
}
