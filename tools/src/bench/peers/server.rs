//! The kernel's end of every measurement, the same for all who are measured.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::net::sockopt;

use super::super::lab::Family;
use super::super::trouble::Trouble;

/// What a server does with a connection or a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::bench) enum Service {
    /// Reads and counts.
    Sink,
    /// Writes pieces of this many bytes for as long as somebody takes them.
    Source(usize),
    /// Sends everything back.
    Echo,
    /// Accepts and closes.
    Close,
    /// Accepts, and nothing else.
    Idle,
    /// Sends datagrams back.
    Datagrams,
}

/// Bytes that the kernel's end reads at a time.
const READ: usize = 256 * 1024;
/// Threads that accept.
const ACCEPTORS: usize = 2;
/// How often a server of datagrams asks whether it is to end.
const ASK: Duration = Duration::from_millis(50);

/// A server in the namespace of the thread that starts it. Ends when it is dropped.
#[derive(Debug)]
pub(in crate::bench) struct Server {
    port: u16,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    ended: AtomicBool,
    counted: AtomicU64,
    listener: Option<TcpListener>,
    streams: Mutex<Vec<TcpStream>>,
}

impl Server {
    /// Serves at a port that is free.
    pub(in crate::bench) fn start(service: Service, family: Family) -> Result<Self, Trouble> {
        let refused = Trouble::of("starting the kernel's end");
        if service == Service::Datagrams {
            return Self::datagrams(family).map_err(refused);
        }
        Self::streams(service, family, None).map_err(refused)
    }

    /// One that reads and counts behind a relay. Its sockets have receive buffers of this many bytes
    /// in place of such as grow, and are gone with it: what is lost of their ends is not repeated.
    pub(in crate::bench) fn sink(buffer: usize, family: Family) -> Result<Self, Trouble> {
        let refused = Trouble::of("starting the kernel's end");
        Self::streams(Service::Sink, family, Some(buffer)).map_err(refused)
    }

    fn streams(service: Service, family: Family, buffer: Option<usize>) -> io::Result<Self> {
        let listener = TcpListener::bind(family.unspecified())?;
        best_congestion_control(&listener);
        if let Some(buffer) = buffer {
            // A connection has what its listener has, from the first window on.
            sockopt::set_socket_recv_buffer_size(&listener, buffer)?;
            sockopt::set_socket_linger(&listener, Some(Duration::ZERO))?;
        }
        // As many as may come at once.
        rustix::net::listen(&listener, 4096)?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared { listener: Some(listener), ..Shared::default() });
        let mut threads = Vec::new();
        for _ in 0..ACCEPTORS {
            let shared = Arc::clone(&shared);
            threads.push(thread::Builder::new().spawn(move || shared.accept(service))?);
        }
        Ok(Self { port, shared, threads })
    }

    fn datagrams(family: Family) -> io::Result<Self> {
        let socket = UdpSocket::bind(family.unspecified())?;
        socket.set_read_timeout(Some(ASK))?;
        let port = socket.local_addr()?.port();
        let shared = Arc::new(Shared::default());
        let serving = Arc::clone(&shared);
        let thread = thread::Builder::new().spawn(move || serving.send_back(&socket))?;
        Ok(Self { port, shared, threads: vec![thread] })
    }

    /// Where it serves.
    pub(in crate::bench) const fn port(&self) -> u16 {
        self.port
    }

    /// Bytes read, or connections accepted.
    pub(in crate::bench) fn counted(&self) -> u64 {
        self.shared.counted.load(Ordering::Relaxed)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Release);
        if let Some(listener) = &self.shared.listener {
            // Ends the accept of every thread.
            let _ = rustix::net::shutdown(listener, rustix::net::Shutdown::Both);
        }
        for stream in &*self.shared.streams() {
            // The other side may be gone without a word, and then a write waits for minutes.
            let _ = stream.shutdown(Shutdown::Both);
        }
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn streams(&self) -> std::sync::MutexGuard<'_, Vec<TcpStream>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn accept(self: &Arc<Self>, service: Service) {
        let Some(listener) = &self.listener else { return };
        while !self.ended.load(Ordering::Acquire) {
            let Ok((stream, _)) = listener.accept() else { continue };
            if service == Service::Close {
                self.counted.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            if service == Service::Idle {
                self.streams().push(stream);
                self.counted.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            let (serving, Ok(kept)) = (Arc::clone(self), stream.try_clone()) else { continue };
            self.streams().push(kept);
            // It ends with its stream.
            let _ = thread::Builder::new().spawn(move || {
                let _ = serving.serve(stream, service);
            });
        }
    }

    fn serve(&self, mut stream: TcpStream, service: Service) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let length = if let Service::Source(piece) = service { piece } else { READ };
        let mut room = vec![0x5a; length];
        loop {
            let moved = match service {
                Service::Source(_) => stream.write(&room)?,
                _ => stream.read(&mut room)?,
            };
            if moved == 0 {
                return Ok(());
            }
            if service == Service::Echo {
                stream.write_all(&room[..moved])?;
            }
            self.counted.fetch_add(moved as u64, Ordering::Relaxed);
        }
    }

    fn send_back(&self, socket: &UdpSocket) {
        let mut room = [0; 2048];
        while !self.ended.load(Ordering::Acquire) {
            if let Ok((length, from)) = socket.recv_from(&mut room) {
                // What is lost is the client's to notice.
                let _ = socket.send_to(&room[..length], from);
            }
        }
    }
}

/// The one that a stack on the other side has as well. The machine's own preference may be another:
/// bbr paces, and halves what a stack can take.
pub(super) fn best_congestion_control(socket: impl AsFd) {
    // A kernel without it keeps what it has.
    let _ = sockopt::set_tcp_congestion(socket, "cubic");
}
