//! `tapsock listen`: the other side of a connection.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv6Addr, Shutdown, SocketAddr};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;
use wsa::Error;
use wsa::config::{Configuration, LinkChoice};
use wsa::net::{NetError, TcpListener, TcpStream, UdpSocket};

use crate::cli::ListenArgs;
use crate::http::{self, Root};
use crate::join::{self, Peer};
use crate::output::{self, Failure, of_io};
use crate::session::{Counted, Session};

/// The most connections at a time; further ones wait in the queue of the listener.
const CONNECTIONS: usize = 1024;
/// How long an HTTP connection may be idle.
const IDLE: Duration = Duration::from_secs(60);
/// How long a peer that was answered may go on.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// Bytes that are moved at once; no datagram is longer.
const CHUNK: usize = 65536;

/// What is done with connections and datagrams.
#[derive(Debug, Clone)]
enum Service {
    /// The first is joined to standard input and output.
    Join,
    Echo,
    Discard,
    Serve(Root),
}

/// The verb.
///
/// # Errors
/// What ends the program with another status than 0.
pub fn main(args: &ListenArgs, configuration: &Configuration, json: bool) -> Result<(), Failure> {
    let service = match (&args.serve, args.echo, args.discard) {
        (Some(directory), ..) => Service::Serve(Root::new(directory).map_err(|error| {
            Failure::Usage(format!(
                "{} cannot be served ({error}); name a directory that can be read",
                directory.display()
            ))
        })?),
        (None, true, _) => Service::Echo,
        (None, false, true) => Service::Discard,
        (None, false, false) => Service::Join,
    };
    let session = Session::open(configuration, |_| {})?;
    let ended = listen(&session, args, configuration, service, Log { json });
    let over = session.end(json);
    ended.and(over)
}

fn listen(
    session: &Session,
    args: &ListenArgs,
    configuration: &Configuration,
    service: Service,
    log: Log,
) -> Result<(), Failure> {
    // One socket for both families.
    let any = (Ipv6Addr::UNSPECIFIED, args.port);
    let (interrupted, ended);
    if args.udp {
        let socket = session.net().bind_udp(any).map_err(|error| of_io("bind", &error))?;
        interrupted = session.close_on_interrupt(socket.socket())?;
        announce(configuration, args, log)?;
        ended = match service {
            Service::Join => join_datagrams(socket, log),
            service => datagrams(&socket, &service),
        };
    } else {
        let listener = session.net().listen(any).map_err(|error| of_io("listen", &error))?;
        interrupted = session.close_on_interrupt(listener.socket())?;
        announce(configuration, args, log)?;
        ended = match service {
            Service::Join => accept_one(listener, log),
            service => accept_all(&listener, &service, log),
        };
    }
    // Ctrl-C closes the socket, which ends whatever waited on it.
    if interrupted.load(Ordering::Acquire) { Ok(()) } else { ended }
}

fn announce(configuration: &Configuration, args: &ListenArgs, log: Log) -> Result<(), Failure> {
    let protocol = if args.udp { "UDP" } else { "TCP" };
    let addresses: Vec<String> = configuration
        .addresses
        .iter()
        .map(|own| SocketAddr::new(own.address().into(), args.port).to_string())
        .collect();
    let mut places = addresses.join(" and ");
    if configuration.link == LinkChoice::Loopback {
        places = format!("the loopback addresses, port {}", args.port);
    }
    if log.json {
        return output::json(&Event::Listening { protocol, addresses });
    }
    output::note(&format!("listening on {places} over {protocol}; Ctrl-C ends it"));
    if configuration.link == LinkChoice::Private {
        output::note(&format!(
            "in a private namespace: reach it with sudo nsenter --net=/proc/{}/ns/net COMMAND, or \
             name a device with --link",
            std::process::id()
        ));
    }
    Ok(())
}

// Streams.

/// The next connection.
fn accept(listener: &TcpListener) -> Result<(TcpStream, SocketAddr), Failure> {
    loop {
        match listener.accept() {
            Ok((stream, peer)) => return Ok((stream, unmapped(peer))),
            // It went away before anybody looked at it.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            Err(error) => return Err(of_io("accept", &error)),
        }
    }
}

/// A v4-mapped address is shown as what it stands for.
fn unmapped(name: SocketAddr) -> SocketAddr {
    SocketAddr::new(name.ip().to_canonical(), name.port())
}

fn accept_one(listener: TcpListener, log: Log) -> Result<(), Failure> {
    let (stream, peer) = accept(&listener)?;
    log.event(&Event::Accepted { peer })?;
    // Whoever comes later is refused.
    drop(listener);
    let join::Joined { sent, received } = join::join(&Peer::Stream(stream), log.json)?;
    log.event(&Event::Closed { peer, sent, received, error: None })
}

fn accept_all(listener: &TcpListener, service: &Service, log: Log) -> Result<(), Failure> {
    let places = Arc::new(Places::default());
    loop {
        let place = Places::take(&places);
        let (stream, peer) = accept(listener)?;
        // That nobody reads the log is no reason to stop serving.
        let _ = log.event(&Event::Accepted { peer });
        if matches!(service, Service::Serve(_)) {
            // Without a limit idle clients would only stay longer.
            let _ = stream.set_read_timeout(Some(IDLE));
            let _ = stream.set_write_timeout(Some(IDLE));
        }
        let (stream, service) = (Counted::new(stream), service.clone());
        // Where there is no thread for it, the connection is closed with what would have run.
        let _ = thread::Builder::new().spawn(move || {
            let _place = place;
            attend(stream, &service, peer, log);
        });
    }
}

/// Serves one connection to its end.
fn attend(mut stream: Counted, service: &Service, peer: SocketAddr, log: Log) {
    let ended = match service {
        Service::Serve(root) => http::serve(&mut stream, root, |served| {
            let _ = log.event(&Event::Request { peer, served });
        }),
        Service::Echo => drain(&mut stream, Answer::Echo),
        Service::Discard | Service::Join => drain(&mut stream, Answer::Nothing),
    };
    let ended = ended.and_then(|()| stream.stream().shutdown(Shutdown::Write));
    let (sent, received) = (stream.sent(), stream.received());
    if ended.is_ok() {
        hear_out(stream.stream());
    }
    drop(stream);
    let error = ended.err().map(|error| error.to_string());
    let _ = log.event(&Event::Closed { peer, sent, received, error });
}

/// Takes what the peer still says after the last answer, for a while: closing with data unread
/// would reset the connection, and the peer might lose the answer (RFC 9112, section 9.6).
fn hear_out(mut stream: &TcpStream) {
    let end = Instant::now() + LAST_WORDS;
    let mut chunk = vec![0; CHUNK];
    loop {
        let left = end.saturating_duration_since(Instant::now());
        // Zero is no time limit.
        if left.is_zero() || stream.set_read_timeout(Some(left)).is_err() {
            return;
        }
        if !matches!(stream.read(&mut chunk), Ok(1..)) {
            return;
        }
    }
}

/// What is sent back.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answer {
    Echo,
    Nothing,
}

/// Takes what comes until the peer has closed its direction.
fn drain(stream: &mut Counted, answer: Answer) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    loop {
        let length = stream.read(&mut chunk)?;
        if length == 0 {
            return Ok(());
        }
        if answer == Answer::Echo {
            stream.write_all(&chunk[..length])?;
        }
    }
}

/// How many connections may be attended to.
#[derive(Default)]
struct Places {
    taken: Mutex<usize>,
    freed: Condvar,
}

struct Place(Arc<Places>);

impl Places {
    fn lock(&self) -> MutexGuard<'_, usize> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(places: &Arc<Self>) -> Place {
        let mut taken = places.lock();
        while *taken >= CONNECTIONS {
            taken = places.freed.wait(taken).unwrap_or_else(PoisonError::into_inner);
        }
        *taken += 1;
        Place(Arc::clone(places))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        *self.0.lock() -= 1;
        self.0.freed.notify_one();
    }
}

// Datagrams.

fn datagrams(socket: &UdpSocket, service: &Service) -> Result<(), Failure> {
    let mut buffer = vec![0; CHUNK];
    loop {
        let (length, from) = match socket.recv_from(&mut buffer) {
            Ok(received) => received,
            Err(error) if is_of_one(&error) => continue,
            Err(error) => return Err(of_io("recvfrom", &error)),
        };
        if matches!(service, Service::Echo) {
            // A datagram may be lost; who sent it knows.
            let _ = socket.send_to(&buffer[..length], from);
        }
    }
}

/// Whether the error is about one datagram: an earlier answer met a closed port, or was lost
/// otherwise. Others go on.
fn is_of_one(error: &io::Error) -> bool {
    matches!(
        NetError::of(error).map(NetError::error),
        Some(
            Error::WSAECONNRESET
                | Error::WSAENETRESET
                | Error::WSAEHOSTUNREACH
                | Error::WSAENETUNREACH
                | Error::WSAEMSGSIZE
        )
    )
}

/// The sender of the first datagram becomes the peer.
fn join_datagrams(socket: UdpSocket, log: Log) -> Result<(), Failure> {
    let mut buffer = vec![0; CHUNK];
    let from = loop {
        // It stays in the queue, and connecting to its sender leaves it there.
        match socket.peek_from(&mut buffer) {
            Ok((_, from)) => break from,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            Err(error) => return Err(of_io("recvfrom", &error)),
        }
    };
    socket.connect(from).map_err(|error| of_io("connect", &error))?;
    let peer = unmapped(from);
    log.event(&Event::Accepted { peer })?;
    let join::Joined { sent, received } = join::join(&Peer::Datagrams(socket), log.json)?;
    log.event(&Event::Closed { peer, sent, received, error: None })
}

// The log.

/// Says what happens: text to standard error, or JSON to standard output.
#[derive(Debug, Clone, Copy)]
struct Log {
    json: bool,
}

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum Event<'e> {
    Listening {
        protocol: &'static str,
        addresses: Vec<String>,
    },
    Accepted {
        peer: SocketAddr,
    },
    Request {
        peer: SocketAddr,
        #[serde(flatten)]
        served: &'e http::Served,
    },
    Closed {
        peer: SocketAddr,
        sent: u64,
        received: u64,
        error: Option<String>,
    },
}

impl fmt::Display for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listening { protocol, addresses } => {
                write!(f, "listening on {} over {protocol}", addresses.join(" and "))
            }
            Self::Accepted { peer } => write!(f, "{peer} connected"),
            Self::Request { peer, served } => {
                let http::Served { request, status, bytes } = served;
                write!(f, "{peer} {request:?} {status}, {bytes} bytes")
            }
            Self::Closed { peer, sent, received, error: None } => {
                write!(f, "{peer} closed: {sent} bytes sent, {received} received")
            }
            Self::Closed { peer, sent, received, error: Some(error) } => {
                write!(f, "{peer} ended: {error}; {sent} bytes sent, {received} received")
            }
        }
    }
}

impl Log {
    fn event(self, event: &Event<'_>) -> Result<(), Failure> {
        if self.json {
            return output::json(event);
        }
        output::note(&event.to_string());
        Ok(())
    }
}
