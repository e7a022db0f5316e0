//! `tapsock listen`: the other side of a connection.

use std::fmt;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use serde::Serialize;
use wsa::config::{Configuration, LinkChoice};
use wsa::constants::{
    AF_INET6, IPPROTO_IPV6, IPV6_V6ONLY, MSG_PEEK, SO_RCVTIMEO, SO_SNDTIMEO, SOCK_DGRAM,
    SOCK_STREAM, SOL_SOCKET,
};
use wsa::start::ThreadedProcess;
use wsa::{Error, Memory, MemoryMut, SockAddr, SocketHandle};

use crate::cli::ListenArgs;
use crate::http::{self, Root};
use crate::join::{self, Kind};
use crate::output::{self, Failure, of_call};
use crate::session::{Session, Stream};

/// The most connections at a time; further ones wait in the queue of the listener.
const CONNECTIONS: usize = 1024;
/// How many wait there.
const BACKLOG: i32 = 512;
/// How long an HTTP connection may be idle, in milliseconds.
const IDLE: u32 = 60_000;
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
    session.end();
    ended
}

fn listen(
    session: &Session,
    args: &ListenArgs,
    configuration: &Configuration,
    service: Service,
    log: Log,
) -> Result<(), Failure> {
    let process = session.process();
    let kind = if args.udp { SOCK_DGRAM } else { SOCK_STREAM };
    let s = process.socket(AF_INET6, kind, 0).map_err(|error| of_call("socket", error))?;
    // One socket for both families.
    process
        .set_option(s, IPPROTO_IPV6, IPV6_V6ONLY, 0)
        .map_err(|error| of_call("setsockopt IPV6_V6ONLY", error))?;
    let any = SocketAddr::from((std::net::Ipv6Addr::UNSPECIFIED, args.port));
    process.bind_to(s, any).map_err(|error| of_call("bind", error))?;
    if !args.udp {
        process.listen(s, BACKLOG).map_err(|error| of_call("listen", error))?;
    }
    let interrupted = session.close_on_interrupt(s)?;
    announce(configuration, args, log)?;
    let ended = match (args.udp, service) {
        (false, Service::Join) => accept_one(process, s, log),
        (false, service) => accept_all(process, s, &service, log),
        (true, Service::Join) => join_datagrams(process, s, log),
        (true, service) => datagrams(process, s, &service),
    };
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

/// The next connection; none when it went away before anybody looked at it.
fn accept(
    process: &ThreadedProcess,
    s: SocketHandle,
) -> Result<Option<(SocketHandle, SocketAddr)>, Failure> {
    let accepted = match process.accept(s, MemoryMut::Null, None) {
        Ok(accepted) => accepted,
        Err(Error::WSAECONNRESET) => return Ok(None),
        Err(error) => return Err(of_call("accept", error)),
    };
    let peer = process.peer_name(accepted).map_err(|error| of_call("getpeername", error))?;
    Ok(Some((accepted, unmapped(peer))))
}

/// A v4-mapped address is shown as what it stands for.
fn unmapped(name: SockAddr) -> SocketAddr {
    SocketAddr::new(name.wire_address().into(), name.port)
}

fn accept_one(process: &Arc<ThreadedProcess>, s: SocketHandle, log: Log) -> Result<(), Failure> {
    let (accepted, peer) = loop {
        if let Some(accepted) = accept(process, s)? {
            break accepted;
        }
    };
    log.event(&Event::Accepted { peer })?;
    // Whoever comes later is refused.
    let _ = process.closesocket(s);
    let joined = join::join(process, accepted, Kind::Stream, log.json);
    let _ = process.closesocket(accepted);
    let join::Joined { sent, received } = joined?;
    log.event(&Event::Closed { peer, sent, received, error: None })
}

fn accept_all(
    process: &Arc<ThreadedProcess>,
    s: SocketHandle,
    service: &Service,
    log: Log,
) -> Result<(), Failure> {
    let places = Arc::new(Places::default());
    loop {
        let place = Places::take(&places);
        let Some((accepted, peer)) = accept(process, s)? else { continue };
        // That nobody reads the log is no reason to stop serving.
        let _ = log.event(&Event::Accepted { peer });
        let stream = Stream::new(process, accepted);
        if matches!(service, Service::Serve(_)) {
            for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
                // Without a limit idle clients would only stay longer.
                let _ = process.set_option(accepted, SOL_SOCKET, option, IDLE);
            }
        }
        let service = service.clone();
        let spawned = thread::Builder::new().spawn(move || {
            let _place = place;
            attend(stream, &service, peer, log);
        });
        if spawned.is_err() {
            // The closure, and with it the connection's stream, is gone: close its socket.
            let _ = process.closesocket(accepted);
        }
    }
}

/// Serves one connection to its end.
fn attend(mut stream: Stream, service: &Service, peer: SocketAddr, log: Log) {
    let ended = match service {
        Service::Serve(root) => http::serve(&mut stream, root, |served| {
            let _ = log.event(&Event::Request { peer, served });
        }),
        Service::Echo => drain(&mut stream, Answer::Echo),
        Service::Discard | Service::Join => drain(&mut stream, Answer::Nothing),
    };
    let ended = ended.and_then(|()| stream.finish());
    let error = ended.err().map(|error| error.to_string());
    let (sent, received) = (stream.sent(), stream.received());
    stream.close();
    let _ = log.event(&Event::Closed { peer, sent, received, error });
}

/// What is sent back.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answer {
    Echo,
    Nothing,
}

/// Takes what comes until the peer has closed its direction.
fn drain(stream: &mut Stream, answer: Answer) -> std::io::Result<()> {
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

fn receive_from(
    process: &ThreadedProcess,
    s: SocketHandle,
    buffer: &mut [u8],
    flags: i32,
) -> wsa::Result<(usize, SockAddr)> {
    let mut name = [0; wsa::constants::SOCKADDR_IN6_LEN];
    let mut length = name.len() as i32;
    let received = process.recvfrom(
        s,
        MemoryMut::Bytes(buffer),
        flags,
        MemoryMut::Bytes(&mut name),
        Some(&mut length),
    )?;
    let from = SockAddr::decode(&name).ok_or(Error::WSAEFAULT)?;
    Ok((received, from))
}

fn datagrams(process: &ThreadedProcess, s: SocketHandle, service: &Service) -> Result<(), Failure> {
    let mut buffer = vec![0; CHUNK];
    loop {
        let (length, from) = match receive_from(process, s, &mut buffer, 0) {
            Ok(received) => received,
            // An earlier answer met a closed port, or was lost otherwise: others go on.
            Err(
                Error::WSAECONNRESET
                | Error::WSAENETRESET
                | Error::WSAEHOSTUNREACH
                | Error::WSAENETUNREACH
                | Error::WSAEMSGSIZE,
            ) => continue,
            Err(error) => return Err(of_call("recvfrom", error)),
        };
        if matches!(service, Service::Echo) {
            let name = from.encode();
            // A datagram may be lost; who sent it knows.
            let data = Memory::Bytes(&buffer[..length]);
            let _ = process.sendto(s, data, 0, name.memory(), name.len());
        }
    }
}

/// The sender of the first datagram becomes the peer.
fn join_datagrams(
    process: &Arc<ThreadedProcess>,
    s: SocketHandle,
    log: Log,
) -> Result<(), Failure> {
    let mut buffer = vec![0; CHUNK];
    let from = loop {
        // It stays in the queue, and connecting to its sender leaves it there.
        match receive_from(process, s, &mut buffer, MSG_PEEK) {
            Ok((_, from)) => break from,
            Err(Error::WSAECONNRESET | Error::WSAENETRESET) => {}
            Err(error) => return Err(of_call("recvfrom", error)),
        }
    };
    process.connect_to(s, from).map_err(|error| of_call("connect", error))?;
    let peer = unmapped(from);
    log.event(&Event::Accepted { peer })?;
    let join::Joined { sent, received } = join::join(process, s, Kind::Datagrams, log.json)?;
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
