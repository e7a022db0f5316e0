//! What the tests on a TAP device share: a network namespace a test thread, with the Linux kernel
//! in it as the peer.
//!
//! ```no_run
//! use tapsock_tests::Kernel;
//!
//! // At the top of a test. Where TAP devices are not permitted it is skipped with one sentence,
//! // or fails when TAPSOCK_REQUIRE_TAP=1 says that they must be.
//! let Some(kernel) = Kernel::start() else { return };
//! let echo = kernel.tcp_server("10.77.0.1:0", tapsock_tests::echo);
//! // Now open kernel.device() as the link of a stack with the address 10.77.0.2 and connect to
//! // echo.address().
//! ```
//!
//! Threads and programs that the test starts are in the same namespace. `/proc/net` and
//! `/sys/class/net` show the one of the main thread instead; ask `ip`, or
//! `/proc/thread-self/net`.

mod rule_table;
pub mod taped;

pub use rule_table::rule_table;

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use std::{env, fmt};

use sha2::{Digest, Sha256};
use tapsock_stack::wire::IpCidr;
use tapsock_tools::namespace::{self, Fate};
use wsa::config::{DEFAULT_MTU, KERNEL_V4, KERNEL_V6};

/// The kernel's IPv4 address.
pub const KERNEL: &str = "10.77.0.1";
/// The kernel's IPv6 address, as in a socket address.
pub const KERNEL_6: &str = "[fd77::1]";
/// How long a kernel socket waits before a test fails instead of hanging.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The kernel in the namespace of this thread, with a TAP device between it and the stack.
#[derive(Debug)]
pub struct Kernel {
    device: &'static str,
}

impl Kernel {
    /// Enters a namespace and makes the device with 10.77.0.1/24 and fd77::1/64 on the kernel's
    /// side and an MTU of 1500. `None` when the test is to be skipped.
    pub fn start() -> Option<Self> {
        Self::with_mtu(DEFAULT_MTU)
    }

    /// The same with another MTU, in bytes.
    ///
    /// # Panics
    /// When the namespace is not to be had although `TAPSOCK_REQUIRE_TAP` is set.
    pub fn with_mtu(mtu: usize) -> Option<Self> {
        if is_set("TAPSOCK_SKIP_TAP") {
            skip("TAPSOCK_SKIP_TAP is set");
            return None;
        }
        if let Err(error) = namespace::enter() {
            assert!(!is_set("TAPSOCK_REQUIRE_TAP"), "a TAP device is required: {error}");
            skip(&error);
            return None;
        }
        let kernel = Self { device: namespace::DEVICE };
        // From here on nothing can be missing but a program, and that is a failure.
        namespace::make_tap(kernel.device, mtu, &[KERNEL_V4, KERNEL_V6])
            .unwrap_or_else(|error| panic!("{error}"));
        Some(kernel)
    }

    /// The name of the TAP device.
    pub fn device(&self) -> &'static str {
        self.device
    }

    /// Runs `ip` with these words as its arguments.
    ///
    /// # Panics
    /// When `ip` refuses.
    pub fn ip(&self, arguments: &str) {
        namespace::ip(arguments).unwrap_or_else(|error| panic!("{error}"));
    }

    /// Makes the kernel a router, with this fate for packets to each of these prefixes.
    ///
    /// # Panics
    /// When a prefix is none, or the kernel refuses.
    pub fn routes(&self, fates: &[(Fate, &str)]) {
        namespace::forward().unwrap_or_else(|error| panic!("{error}"));
        for (fate, prefix) in fates {
            let Ok(prefix) = prefix.parse::<IpCidr>() else { panic!("{prefix} is no prefix") };
            namespace::add_route(*fate, prefix).unwrap_or_else(|error| panic!("{error}"));
        }
    }

    /// Takes the device away from the stack.
    ///
    /// # Panics
    /// When the kernel refuses.
    pub fn remove_device(&self) {
        namespace::remove(self.device).unwrap_or_else(|error| panic!("{error}"));
    }

    /// A TCP server of the kernel, which runs `serve` for each connection in a thread of its own.
    /// Port 0 takes any free one.
    ///
    /// # Panics
    /// When the address cannot be bound.
    pub fn tcp_server(
        &self,
        address: &str,
        serve: impl Fn(TcpStream) -> io::Result<()> + Send + Sync + Clone + 'static,
    ) -> Server {
        let listener = TcpListener::bind(address).unwrap_or_else(|e| panic!("{address}: {e}"));
        let address = listener.local_addr().unwrap_or_else(|e| panic!("{e}"));
        // Ends with the test's process; it holds nothing that must be given back.
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                let serve = serve.clone();
                thread::spawn(move || {
                    patient(&stream);
                    // What went wrong here shows at the stack's end, where the test looks.
                    let _ = serve(stream);
                });
            }
        });
        Server { address }
    }

    /// A TCP server for one connection, whose end and result the test waits for.
    ///
    /// # Panics
    /// When the address cannot be bound.
    pub fn tcp_once<T: Send + 'static>(
        &self,
        address: &str,
        serve: impl FnOnce(TcpStream) -> io::Result<T> + Send + 'static,
    ) -> (SocketAddr, JoinHandle<io::Result<T>>) {
        let listener = TcpListener::bind(address).unwrap_or_else(|e| panic!("{address}: {e}"));
        let address = listener.local_addr().unwrap_or_else(|e| panic!("{e}"));
        let thread = thread::spawn(move || {
            let (stream, _) = listener.accept()?;
            patient(&stream);
            serve(stream)
        });
        (address, thread)
    }

    /// A connection of the kernel to somebody who listens already.
    ///
    /// # Errors
    /// When nobody accepts within [`PATIENCE`].
    pub fn tcp_client(&self, address: &str) -> io::Result<TcpStream> {
        let Some(address) = address.to_socket_addrs()?.next() else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        patient(&stream);
        Ok(stream)
    }

    /// A UDP socket of the kernel. Port 0 takes any free one.
    ///
    /// # Panics
    /// When the address cannot be bound.
    pub fn udp(&self, address: &str) -> UdpSocket {
        let socket = UdpSocket::bind(address).unwrap_or_else(|e| panic!("{address}: {e}"));
        socket.set_read_timeout(Some(PATIENCE)).unwrap_or_else(|e| panic!("{e}"));
        socket
    }
}

/// A server of the kernel.
#[derive(Debug, Clone, Copy)]
pub struct Server {
    address: SocketAddr,
}

impl Server {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Sends back what comes until the peer has sent its FIN, then sends one too.
///
/// # Errors
/// Those of the stream.
pub fn echo(mut stream: TcpStream) -> io::Result<()> {
    let mut from = stream.try_clone()?;
    io::copy(&mut from, &mut stream)?;
    stream.shutdown(Shutdown::Write)
}

/// Answers every request with this body, as HTTP/1.0 does.
pub fn serve_http(
    body: Vec<u8>,
) -> impl Fn(TcpStream) -> io::Result<()> + Send + Sync + Clone + 'static {
    move |mut stream| {
        let mut request = Vec::new();
        let mut byte = [0];
        while !request.ends_with(b"\r\n\r\n") && request.len() < 65536 {
            if stream.read(&mut byte)? == 0 {
                return Ok(());
            }
            request.extend(byte);
        }
        write!(stream, "HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n", body.len())?;
        stream.write_all(&body)?;
        stream.shutdown(Shutdown::Write)
    }
}

/// A reproducible stream of `len` bytes without visible pattern.
#[derive(Debug, Clone)]
pub struct Pattern {
    seed: u64,
    at: u64,
    len: u64,
}

impl Pattern {
    /// The stream that belongs to this seed.
    pub fn new(seed: u64, len: u64) -> Self {
        Self { seed, at: 0, len }
    }

    /// Eight bytes of the stream, by SplitMix64.
    fn word(&self, index: u64) -> [u8; 8] {
        let mut mixed = self.seed.wrapping_add(index.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)).to_le_bytes()
    }
}

impl Read for Pattern {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() && self.at < self.len {
            let word = self.word(self.at / 8);
            let rest = &word[(self.at % 8) as usize..];
            let room = (buffer.len() - filled).min(rest.len());
            let take = room.min(usize::try_from(self.len - self.at).unwrap_or(room));
            buffer[filled..filled + take].copy_from_slice(&rest[..take]);
            filled += take;
            self.at += take as u64;
        }
        Ok(filled)
    }
}

/// The SHA-256 of everything that `from` gives, and how many bytes that was.
///
/// # Errors
/// Those of `from`.
pub fn sha256(mut from: impl Read) -> io::Result<([u8; 32], u64)> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 65536];
    let mut total = 0;
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok((hash.finalize().into(), total)),
            len => {
                hash.update(&buffer[..len]);
                total += len as u64;
            }
        }
    }
}

/// No read and no write of a kernel socket waits forever.
fn patient(stream: &TcpStream) {
    // Fails only for a zero duration.
    let _ = stream.set_read_timeout(Some(PATIENCE));
    let _ = stream.set_write_timeout(Some(PATIENCE));
}

fn is_set(variable: &str) -> bool {
    env::var_os(variable).is_some_and(|value| !value.is_empty() && value != "0")
}

fn skip(why: impl fmt::Display) {
    eprintln!("skipped: {why}");
}
