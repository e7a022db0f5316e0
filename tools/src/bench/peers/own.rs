//! Our own sockets, as programs use them: `wsa::net` on the offloading TAP device, or on a relay.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tapsock_stack::config::Config;
use tapsock_stack::wire::EthernetAddress;
use wsa::config::{Configuration, LinkChoice};
use wsa::constants::{SO_SNDBUF, SOL_SOCKET};
use wsa::net::{Net, TcpListener, TcpStream, UdpSocket};
use wsa::start::{StartError, ThreadedProcess, start, start_on};

use super::super::lab::{Family, STACK_MAC, Way};
use super::super::relay::Port;
use super::super::trouble::Trouble;
use super::host::{Datagrams, Host, PATIENCE, Stream};

/// Our stack in a process of its own, which ends with it.
pub(in crate::bench) struct Own {
    net: Net,
    process: Arc<ThreadedProcess>,
    way: Way,
}

/// What is done to the settings of a stack before it is made.
type Adjust = Box<dyn FnOnce(&mut Config)>;

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
        Self::made(Way::Own, buffer, configuration, |configuration, adjust| {
            start(configuration, None, adjust)
        })
    }

    /// A new stack on the port of a relay.
    pub(in crate::bench) fn relayed(buffer: usize, port: Port) -> Result<Self, Trouble> {
        let Port { link, descriptor } = port;
        Self::made(Way::Relay, Some(buffer), Configuration::default(), |configuration, adjust| {
            start_on(configuration, link, Some(descriptor), adjust)
        })
    }

    fn made(
        way: Way,
        buffer: Option<usize>,
        mut configuration: Configuration,
        start: impl FnOnce(&Configuration, Adjust) -> Result<ThreadedProcess, StartError>,
    ) -> Result<Self, Trouble> {
        configuration.addresses = way.own_sides();
        // The kernel remembers whom it has seen.
        configuration.mac = Some(EthernetAddress(STACK_MAC));
        let adjust = move |config: &mut Config| {
            config.linger = LINGER;
            if let Some(buffer) = buffer {
                (config.receive_buffer, config.transmit_buffer) = (buffer, buffer);
            }
        };
        let process = start(&configuration, Box::new(adjust)).map_err(Trouble::from)?;
        let process = Arc::new(process);
        let net = Net::new(Arc::clone(&process)).map_err(Trouble::of("WSAStartup"))?;
        Ok(Self { net, process, way })
    }

    /// Lets a connection have as many bytes under way: SO_SNDBUF.
    pub(in crate::bench) fn set_send_buffer(
        &self,
        stream: &TcpStream,
        bytes: i32,
    ) -> Result<(), Trouble> {
        let value = bytes.to_ne_bytes();
        self.process
            .setsockopt(stream.socket(), SOL_SOCKET, SO_SNDBUF, (&value).into(), 4)
            .map_err(|error| Trouble::new(format!("setting SO_SNDBUF failed: {error}")))
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
        self.way.peer(family)
    }

    fn own(&self, family: Family) -> IpAddr {
        self.way.own(family)
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
