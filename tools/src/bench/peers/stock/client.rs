//! Sockets over stock smoltcp's loop, for client logic that is the same for everybody: a call that
//! has to wait turns the loop.

use std::cell::{Cell, RefCell};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use smoltcp::iface::SocketHandle;
use smoltcp::socket::tcp::{RecvError, Socket, State};
use smoltcp::socket::udp::{self, PacketBuffer, PacketMetadata, UdpMetadata};
use smoltcp::wire::IpEndpoint;

use super::super::super::lab::{Family, Way};
use super::super::super::trouble::Trouble;
use super::super::flight::{Await, Sockets, silent};
use super::super::host::{Client, Datagrams, PATIENCE, Site, Stream};
use super::{Clock, Stock, prompt};

/// Bytes of a socket's buffers: what ours has where nothing is said.
const BUFFER: usize = 64 * 1024;
/// Local ports, in turn.
const FIRST_PORT: u16 = 1024;
/// Datagrams that a socket has room for each way, and their bytes.
const DATAGRAMS: usize = 256;

/// Stock smoltcp for each thread that comes.
pub(in crate::bench) struct StockSite;

impl Site for StockSite {
    type Client = StockClient;

    fn peer(&self, family: Family) -> IpAddr {
        Way::Plain.peer(family)
    }

    fn enter(&self) -> Result<StockClient, Trouble> {
        let first = crate::cli::seed(&Default::default()) as u16;
        let mut stock = Stock::start()?;
        stock.reach()?;
        let shared = Shared { stock, resting: Vec::new(), connected: false, port: first };
        Ok(StockClient(Rc::new(RefCell::new(shared))))
    }
}

/// The loop's sockets.
pub(in crate::bench) struct StockClient(Rc<RefCell<Shared>>);

struct Shared {
    stock: Stock,
    /// Sockets that the program has closed. They are used again when they are done; until then the
    /// next connection takes another, so that no close holds up a connect.
    resting: Vec<SocketHandle>,
    /// Whether there was a connection already.
    connected: bool,
    port: u16,
}

impl Shared {
    /// Another one than the last.
    fn port(&mut self) -> u16 {
        self.port = self.port.checked_add(1).unwrap_or(0).max(FIRST_PORT);
        self.port
    }

    /// A socket whose connection to `to` has begun.
    fn begin(&mut self, to: SocketAddr) -> io::Result<SocketHandle> {
        let port = self.port();
        let Self { stock, resting, connected, port: _ } = self;
        let done = |handle: &SocketHandle| !stock.sockets.get::<Socket<'_>>(*handle).is_open();
        let handle = match resting.iter().position(done) {
            Some(place) => resting.remove(place),
            None => stock.sockets.add(prompt(BUFFER)),
        };
        let many = std::mem::replace(connected, true);
        let socket = stock.sockets.get_mut::<Socket<'_>>(handle);
        // The kernel closes first, so its end of each connection rests in TIME-WAIT for a minute.
        // smoltcp's sequence numbers are random: when the ports have been used once, every second
        // connection would begin with a lost second, were it not for timestamps (RFC 6191). Who makes
        // one connection does without, which makes a round trip a fiftieth shorter.
        socket.set_tsval_generator(many.then_some(milliseconds));
        socket
            .connect(stock.interface.context(), IpEndpoint::from(to), port)
            .map_err(|error| io::Error::other(error.to_string()))?;
        Ok(handle)
    }

    fn socket(&mut self, handle: SocketHandle) -> &mut Socket<'static> {
        self.stock.sockets.get_mut(handle)
    }

    fn is_ready(&self, handle: SocketHandle, what: Await) -> bool {
        let socket = self.stock.sockets.get::<Socket<'_>>(handle);
        match what {
            Await::Connected => !matches!(socket.state(), State::SynSent | State::SynReceived),
            Await::Readable => socket.can_recv() || !socket.may_recv(),
        }
    }

    /// Turns until `handle` is ready.
    fn until(&mut self, handle: SocketHandle, what: Await) -> io::Result<()> {
        let began = Clock::now();
        while !self.is_ready(handle, what) {
            self.turn(1, began)?;
        }
        Ok(())
    }

    fn turn(&mut self, most: usize, began: Clock) -> io::Result<()> {
        if began.elapsed() > PATIENCE {
            return Err(silent());
        }
        self.stock.exchange(most, Some(PATIENCE))
    }

    /// What arrived, or the end of what arrives; nobody waits.
    fn receive(&mut self, handle: SocketHandle, buffer: &mut [u8]) -> io::Result<usize> {
        match self.socket(handle).recv_slice(buffer) {
            Ok(0) => Err(ErrorKind::WouldBlock.into()),
            Ok(length) => Ok(length),
            Err(RecvError::Finished) => Ok(0),
            Err(RecvError::InvalidState) => Err(ErrorKind::ConnectionReset.into()),
        }
    }

    /// Its FIN goes out with whatever goes out next.
    fn close(&mut self, handle: SocketHandle) {
        self.socket(handle).close();
        self.resting.push(handle);
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // What was closed last is not to be left waiting at the kernel's.
        self.stock.send_out();
    }
}

impl Sockets for StockClient {
    type Socket = SocketHandle;

    fn begin(&self, to: SocketAddr) -> io::Result<SocketHandle> {
        self.0.borrow_mut().begin(to)
    }

    fn poll(&self, all: &mut [(SocketHandle, Await, bool)]) -> io::Result<()> {
        let mut shared = self.0.borrow_mut();
        let began = Clock::now();
        loop {
            let mut some = false;
            for (handle, what, ready) in all.iter_mut() {
                *ready = shared.is_ready(*handle, *what);
                some |= *ready;
            }
            if some {
                return Ok(());
            }
            shared.turn(usize::MAX, began)?;
        }
    }

    fn receive(&self, handle: &SocketHandle, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.borrow_mut().receive(*handle, buffer)
    }

    fn close(&self, handle: SocketHandle) -> io::Result<()> {
        self.0.borrow_mut().close(handle);
        Ok(())
    }
}

impl Client for StockClient {
    type Stream = StockStream;
    type Datagrams = StockDatagrams;

    fn connect(&self, to: SocketAddr) -> io::Result<StockStream> {
        let mut shared = self.0.borrow_mut();
        let handle = shared.begin(to)?;
        shared.until(handle, Await::Connected)?;
        if shared.socket(handle).state() == State::Closed {
            return Err(ErrorKind::ConnectionRefused.into());
        }
        Ok(StockStream { shared: Rc::clone(&self.0), handle, aborts: Cell::new(false) })
    }

    fn datagrams(&self, to: SocketAddr) -> io::Result<StockDatagrams> {
        let mut shared = self.0.borrow_mut();
        let port = shared.port();
        let room =
            || PacketBuffer::new(vec![PacketMetadata::EMPTY; DATAGRAMS], vec![0; DATAGRAMS * 256]);
        let mut socket = udp::Socket::new(room(), room());
        socket.bind(port).map_err(|error| io::Error::other(error.to_string()))?;
        let handle = shared.stock.sockets.add(socket);
        let (shared, to) = (Rc::clone(&self.0), IpEndpoint::from(to).into());
        Ok(StockDatagrams {
            shared,
            handle,
            to,
            patience: Cell::new(Some(PATIENCE)),
            out: Cell::new(0),
        })
    }
}

/// The clock of timestamps (RFC 7323, section 5.4).
fn milliseconds() -> u32 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    (now.tv_sec * 1000 + now.tv_nsec / 1_000_000) as u32
}

/// A connection over the loop.
pub(in crate::bench) struct StockStream {
    shared: Rc<RefCell<Shared>>,
    handle: SocketHandle,
    /// Whether it ends with a reset.
    aborts: Cell<bool>,
}

impl Read for StockStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut shared = self.shared.borrow_mut();
        shared.until(self.handle, Await::Readable)?;
        shared.receive(self.handle, buffer)
    }
}

impl Write for StockStream {
    /// It goes out with the next call that waits, which is what a program that polls does.
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let mut shared = self.shared.borrow_mut();
        let began = Clock::now();
        loop {
            match shared.socket(self.handle).send_slice(data) {
                Ok(0) => shared.turn(usize::MAX, began)?,
                Ok(length) => return Ok(length),
                Err(_) => return Err(ErrorKind::ConnectionReset.into()),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for StockStream {
    /// Nothing else is left to set.
    fn prepare(&self) -> io::Result<()> {
        self.aborts.set(true);
        Ok(())
    }
}

impl Drop for StockStream {
    fn drop(&mut self) {
        let mut shared = self.shared.borrow_mut();
        if self.aborts.get() {
            shared.socket(self.handle).abort();
        }
        shared.close(self.handle);
    }
}

/// Datagrams over the loop.
pub(in crate::bench) struct StockDatagrams {
    shared: Rc<RefCell<Shared>>,
    handle: SocketHandle,
    to: UdpMetadata,
    /// `None` for a socket that spins.
    patience: Cell<Option<Duration>>,
    /// Datagrams that were sent and not answered.
    out: Cell<usize>,
}

impl Datagrams for StockDatagrams {
    /// It goes out with the next receive.
    fn send(&self, data: &[u8]) -> io::Result<usize> {
        let mut shared = self.shared.borrow_mut();
        let socket = shared.stock.sockets.get_mut::<udp::Socket<'_>>(self.handle);
        match socket.send_slice(data, self.to) {
            Ok(()) => {
                self.out.set(self.out.get() + 1);
                Ok(data.len())
            }
            Err(error) => Err(io::Error::other(error.to_string())),
        }
    }

    fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut shared = self.shared.borrow_mut();
        let began = Clock::now();
        loop {
            let socket = shared.stock.sockets.get_mut::<udp::Socket<'_>>(self.handle);
            if let Ok((length, _)) = socket.recv_slice(buffer) {
                self.out.set(self.out.get().saturating_sub(1));
                return Ok(length);
            }
            let left = self.patience.get().map(|all| all.saturating_sub(began.elapsed()));
            if left == Some(Duration::ZERO) {
                self.out.set(0);
                return Err(ErrorKind::TimedOut.into());
            }
            // No more than can be answers: where one is awaited nobody asks for another.
            shared.stock.exchange(self.out.get().max(1), left)?;
            let socket = shared.stock.sockets.get::<udp::Socket<'_>>(self.handle);
            if left.is_none() && !socket.can_recv() {
                return Err(ErrorKind::WouldBlock.into());
            }
        }
    }

    fn set_patience(&self, patience: Duration) -> io::Result<()> {
        self.patience.set(Some(patience));
        Ok(())
    }

    fn spin(&self) -> io::Result<()> {
        self.patience.set(None);
        Ok(())
    }
}
