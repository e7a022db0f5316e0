//! Sockets in the shape of `std::net`, over a process on any engine that threads may share.
//!
//! Whatever takes `Read` and `Write`, or has a `std::net::TcpStream` in mind, works over these
//! types: a [`Net`] stands for the network, and its methods for the constructors of `std::net`.
//!
//! ```
//! use std::io::{Read, Write};
//! use std::thread;
//!
//! use wsa::config::{Configuration, LinkChoice};
//! use wsa::net::Net;
//! use wsa::start::start;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut configuration = Configuration::default();
//! configuration.link = LinkChoice::Loopback;
//! let net = Net::new(start(&configuration, None, |_| {})?.into())?;
//!
//! let listener = net.listen("127.0.0.1:0")?;
//! let address = listener.local_addr()?;
//! let server = thread::spawn(move || {
//!     let (mut stream, _peer) = listener.accept()?;
//!     let mut heard = String::new();
//!     stream.read_to_string(&mut heard)?;
//!     stream.write_all(heard.to_uppercase().as_bytes())
//! });
//!
//! let mut stream = net.connect(address)?;
//! stream.write_all(b"hello")?;
//! stream.shutdown(std::net::Shutdown::Write)?;
//! let mut answer = String::new();
//! stream.read_to_string(&mut answer)?;
//! assert_eq!(answer, "HELLO");
//! server.join().unwrap()?;
//! # Ok(())
//! # }
//! ```
//!
//! An `std::io::Error` that comes from here has the kind that `std::net` would give it, and
//! inside a [`NetError`] with Winsock's code and the packet, or the silence, that decided it:
//!
//! ```
//! use tapsock_stack::sim::Pair;
//! use wsa::engine::stepped::Simulated;
//! use wsa::net::{Net, NetError};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let pair = Pair::new(7);
//! let net = Net::new(Simulated::process(pair.client))?;
//! let error = net.connect("10.0.0.2:80").unwrap_err();
//! assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
//! let inside = NetError::of(&error).ok_or("another error")?;
//! assert_eq!(inside.error(), wsa::Error::WSAECONNREFUSED);
//! assert!(error.to_string().contains("[RST,ACK]"));
//! # Ok(())
//! # }
//! ```
//!
//! Where this differs from `std::net`:
//!
//! - Addresses are numeric. A name is an error rather than a question to the host's resolver,
//!   which would look past this stack.
//! - A read or write that takes longer than its time limit is `TimedOut`, as in Rust on Windows;
//!   on a non-blocking socket it is `WouldBlock`. A call that another thread ends by closing the
//!   socket is `Interrupted`.
//! - In a simulated network a call that nothing will ever end is `Deadlock`.
//! - A listener or datagram socket at `[::]` serves both families, and accepted streams are
//!   blocking whatever the listener is.
//! - A datagram that is longer than its buffer fills it and is an error, WSAEMSGSIZE.
//! - What a reader leaves unread when it drops a stream, or shuts down its direction, resets the
//!   connection, as the process's [`Profile`](crate::Profile) says.

mod address;
mod datagram;
mod error;
mod listener;
mod multicast;
mod process;
mod socket;
mod stream;

pub use address::ToAddresses;
pub use datagram::UdpSocket;
pub use error::NetError;
pub use listener::{Incoming, TcpListener};
pub use stream::TcpStream;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use self::process::Sockets;
use crate::constants::{IPPROTO_IPV6, IPV6_V6ONLY, SOCK_DGRAM, SOCK_STREAM};
use crate::engine::Engine;
use crate::error::Error;
use crate::process::Process;
use socket::Socket;

/// How many connections wait for accept at the most.
const BACKLOG: i32 = 512;

/// A network: what its sockets need of the process that they belong to.
///
/// Clones are of the same network. It ends, with WSACleanup, when the last of them and the last
/// socket are gone.
#[derive(Clone)]
pub struct Net {
    shared: Arc<Shared>,
}

struct Shared {
    process: Arc<dyn Sockets>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        // One WSAStartup needs one WSACleanup; it fails only when somebody else made it.
        let _ = self.process.cleanup();
    }
}

impl fmt::Debug for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Net").finish_non_exhaustive()
    }
}

impl Net {
    /// The network of `process`, which may be used directly too. Calls WSAStartup.
    ///
    /// # Errors
    /// When WSAStartup fails.
    pub fn new<E>(process: Arc<Process<'static, E>>) -> io::Result<Self>
    where
        E: Engine<'static> + Send + Sync + 'static,
    {
        process.startup().map_err(|error| NetError::new(error, None))?;
        Ok(Self { shared: Arc::new(Shared { process }) })
    }

    /// Connects to the first of the addresses that answers.
    ///
    /// # Errors
    /// That of the last address; `InvalidInput` when there is none.
    pub fn connect(&self, addresses: impl ToAddresses) -> io::Result<TcpStream> {
        each(addresses, |address| {
            let socket = self.socket(address, SOCK_STREAM)?;
            socket.run(|process, s| process.connect(s, address))?;
            Ok(TcpStream::new(socket))
        })
    }

    /// Connects to `address`, which has `timeout` to answer.
    ///
    /// # Errors
    /// `TimedOut` when it did not; `InvalidInput` for a `timeout` of zero; as the wire says.
    pub fn connect_timeout(
        &self,
        address: &SocketAddr,
        timeout: Duration,
    ) -> io::Result<TcpStream> {
        if timeout.is_zero() {
            return Err(zero_timeout());
        }
        let socket = self.socket(*address, SOCK_STREAM)?;
        socket.set_nonblocking(true)?;
        match socket.run(|process, s| process.connect(s, *address)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if !socket.run(|process, s| process.await_connect(s, timeout))? {
                    return Err(NetError::new(Error::WSAETIMEDOUT, None).into());
                }
                if let Some(error) = socket.take_error()? {
                    return Err(error);
                }
            }
            connected => connected?,
        }
        socket.set_nonblocking(false)?;
        Ok(TcpStream::new(socket))
    }

    /// A listener at the first of the addresses that can be had. Port 0 takes a free one; `[::]`
    /// is for both families.
    ///
    /// # Errors
    /// That of the last address; `InvalidInput` when there is none.
    pub fn listen(&self, addresses: impl ToAddresses) -> io::Result<TcpListener> {
        each(addresses, |address| {
            let socket = self.bound(address, SOCK_STREAM)?;
            socket.run(|process, s| process.listen(s, BACKLOG))?;
            Ok(TcpListener::new(socket))
        })
    }

    /// A datagram socket at the first of the addresses that can be had. Port 0 takes a free one;
    /// `[::]` is for both families.
    ///
    /// # Errors
    /// That of the last address; `InvalidInput` when there is none.
    pub fn bind_udp(&self, addresses: impl ToAddresses) -> io::Result<UdpSocket> {
        each(addresses, |address| Ok(UdpSocket::new(self.bound(address, SOCK_DGRAM)?)))
    }

    fn socket(&self, address: SocketAddr, kind: i32) -> io::Result<Socket> {
        Socket::open(self, address, kind)
    }

    fn bound(&self, address: SocketAddr, kind: i32) -> io::Result<Socket> {
        let socket = self.socket(address, kind)?;
        if address.is_ipv6() && address.ip().is_unspecified() {
            socket.set_option(IPPROTO_IPV6, IPV6_V6ONLY, 0)?;
        }
        socket.run(|process, s| process.bind(s, address))?;
        Ok(socket)
    }
}

/// The first success, or the last failure.
fn each<T>(
    addresses: impl ToAddresses,
    mut attempt: impl FnMut(SocketAddr) -> io::Result<T>,
) -> io::Result<T> {
    let mut outcome = Err(io::Error::new(io::ErrorKind::InvalidInput, "there is no address"));
    for address in addresses.to_addresses()? {
        outcome = attempt(address);
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

fn zero_timeout() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "a time limit of zero: give None for no limit")
}
