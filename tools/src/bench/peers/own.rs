//! Our own sockets, as programs use them: `wsa::net` on the offloading TAP device.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tapsock_stack::wire::EthernetAddress;
use wsa::config::{Configuration, LinkChoice};
use wsa::net::{Net, TcpListener, TcpStream, UdpSocket};
use wsa::start::{ThreadedProcess, start};

use super::super::lab::{Family, STACK_MAC, Way};
use super::super::trouble::Trouble;
use super::host::{Datagrams, Host, PATIENCE, Stream};

/// Our stack in a process of its own, which ends with it.
pub(in crate::bench) struct Own {
    net: Net,
    process: Arc<ThreadedProcess>,
}

/// Longer than an answer takes.
const SPIN: tapsock_stack::time::Duration = tapsock_stack::time::Duration::from_millis(1);

/// How long what is still under way may take at the end of a run.
const LINGER: tapsock_stack::time::Duration = tapsock_stack::time::Duration::from_millis(100);

impl Own {
    /// A new stack with socket buffers of this many bytes; `None` for what everybody gets.
    pub(in crate::bench) fn start(buffer: Option<usize>) -> Result<Self, Trouble> {
        Self::configured(buffer, Configuration::default())
    }

    /// A new stack whose waiting calls look at the link for [`SPIN`] before they sleep.
    pub(in crate::bench) fn spinning() -> Result<Self, Trouble> {
        let mut configuration = Configuration::default();
        configuration.spin = SPIN;
        Self::configured(None, configuration)
    }

    fn configured(
        buffer: Option<usize>,
        mut configuration: Configuration,
    ) -> Result<Self, Trouble> {
        configuration.link = LinkChoice::Tap(Way::Own.device().into());
        configuration.addresses = Way::Own.own_sides().into();
        // The kernel remembers whom it has seen.
        configuration.mac = Some(EthernetAddress(STACK_MAC));
        let process = start(&configuration, None, |config| {
            config.linger = LINGER;
            if let Some(buffer) = buffer {
                (config.receive_buffer, config.transmit_buffer) = (buffer, buffer);
            }
        })
        .map_err(Trouble::from)?;
        let process = Arc::new(process);
        let net = Net::new(Arc::clone(&process)).map_err(Trouble::of("WSAStartup"))?;
        Ok(Self { net, process })
    }

    /// The process, for Winsock's own calls.
    pub(in crate::bench) fn process(&self) -> &ThreadedProcess {
        &self.process
    }
}

impl Host for Own {
    type Stream = TcpStream;
    type Datagrams = UdpSocket;
    type Listener = TcpListener;

    fn arrive(&self) -> Result<(), Trouble> {
        Ok(())
    }

    fn peer(&self, family: Family) -> IpAddr {
        Way::Own.peer(family)
    }

    fn own(&self, family: Family) -> IpAddr {
        Way::Own.own(family)
    }

    fn connect(&self, to: SocketAddr) -> io::Result<TcpStream> {
        self.net.connect(to)
    }

    fn datagrams(&self, to: SocketAddr) -> io::Result<UdpSocket> {
        let family = if to.is_ipv4() { Family::V4 } else { Family::V6 };
        let socket = self.net.bind_udp(family.unspecified())?;
        socket.connect(to)?;
        Ok(socket)
    }

    fn listen(&self, family: Family) -> io::Result<(TcpListener, u16)> {
        let listener = self.net.listen(family.unspecified())?;
        let port = listener.local_addr()?.port();
        Ok((listener, port))
    }

    fn accept(&self, listener: &TcpListener) -> io::Result<TcpStream> {
        Ok(listener.accept()?.0)
    }
}

impl Stream for TcpStream {
    fn prepare(&self) -> io::Result<()> {
        self.set_nodelay(true)?;
        self.set_read_timeout(Some(PATIENCE))?;
        self.set_write_timeout(Some(PATIENCE))?;
        self.set_linger(Some(Duration::ZERO))
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

    /// Its stack spins: see [`Own::spinning`].
    fn spin(&self) -> io::Result<()> {
        Ok(())
    }
}
