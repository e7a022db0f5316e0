//! `tapsock listen`: the other side of a connection.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::{Value, json};
use tapsock_stack::wire::{IpAddress, IpCidr};
use wsa::config::{Configuration, LinkChoice};
use wsa::constants::{AF_INET6, IPPROTO_IPV6, IPV6_V6ONLY, SOCK_DGRAM, SOCK_STREAM};
use wsa::engine::Engine;
use wsa::{Error, MemoryMut, SockAddr, SocketHandle};

use crate::cli::ListenArgs;
use crate::http::{self, Root};
use crate::output::{Failure, note};
use crate::session::{self, Shared, Stream};

/// Connections that wait to be accepted.
const BACKLOG: i32 = 128;

/// What is done with a connection.
#[derive(Debug, Clone)]
enum Service {
    Join,
    Echo,
    Discard,
    Files(Root),
}

/// Tells what happens: on standard error for people, as JSON on standard output for programs,
/// unless standard output is the connection's.
#[derive(Debug, Clone, Copy)]
struct Log {
    json: bool,
    output_is_taken: bool,
}

impl Log {
    fn tell(self, text: &str, object: &Value) {
        match (self.json, self.output_is_taken) {
            (false, _) => note(text),
            (true, true) => note(&object.to_string()),
            // That nobody reads it is no reason to stop serving.
            (true, false) => drop(crate::output::line(&object.to_string())),
        }
    }
}

/// The verb.
///
/// # Errors
/// What ends the program with another status than 0.
pub fn main(args: &ListenArgs, configuration: &Configuration, json: bool) -> Result<(), Failure> {
    let service = match (&args.serve, args.echo, args.discard) {
        (Some(directory), ..) => Service::Files(Root::new(directory).map_err(|error| {
            Failure::Usage(format!(
                "{} cannot be served ({error}); name a directory that can be read",
                directory.display()
            ))
        })?),
        (None, true, _) => Service::Echo,
        (None, _, true) => Service::Discard,
        (None, false, false) => Service::Join,
    };
    let log = Log { json, output_is_taken: matches!(service, Service::Join) };
    let process = session::open(configuration, None)?;
    let kind = if args.udp { SOCK_DGRAM } else { SOCK_STREAM };
    let socket = bound(&process, kind, args.port)?;
    if !args.udp {
        process.listen(socket, BACKLOG).map_err(|error| failed("listen", error))?;
    }
    let ended = end_on_interrupt(&process, socket)?;
    announce(&process, configuration, args, log);
    let result = if args.udp {
        datagrams(&process, socket, &service, &ended)
    } else {
        streams(&process, socket, &service, log, &ended)
    };
    session::close(&process);
    result
}

fn failed(call: &str, error: Error) -> Failure {
    Failure::Told(format!("{call} fails: {error}"))
}

/// A socket at this port of every address, IPv4 and IPv6.
fn bound(process: &Shared, kind: i32, port: u16) -> Result<SocketHandle, Failure> {
    let any = SocketAddr::from(([0u16; 8], port));
    let socket = process.socket(AF_INET6, kind, 0).map_err(|error| failed("socket", error))?;
    process
        .set_option(socket, IPPROTO_IPV6, IPV6_V6ONLY, 0)
        .map_err(|error| failed("setsockopt", error))?;
    process.bind_to(socket, any).map_err(|error| failed("bind", error))?;
    Ok(socket)
}

/// Ctrl-C closes the socket, which ends the call that waits on it.
fn end_on_interrupt(process: &Shared, socket: SocketHandle) -> Result<Arc<AtomicBool>, Failure> {
    let ended = Arc::new(AtomicBool::new(false));
    let (process, flag) = (Arc::clone(process), Arc::clone(&ended));
    let handler = move || {
        flag.store(true, Ordering::Relaxed);
        // Closed twice by an impatient user, it is no socket any more.
        let _ = process.closesocket(socket);
    };
    ctrlc::set_handler(handler).map_err(|error| {
        Failure::Environment(format!("the handler for Ctrl-C cannot be set: {error}"))
    })?;
    Ok(ended)
}

fn announce(process: &Shared, configuration: &Configuration, args: &ListenArgs, log: Log) {
    let own: Vec<IpAddress> = match configuration.link {
        LinkChoice::Loopback => vec![IpAddress::v4(127, 0, 0, 1)],
        LinkChoice::Tap(_) | LinkChoice::Private => process
            .engine()
            .with(|access| access.stack.addresses().iter().map(IpCidr::address).collect()),
    };
    let places: Vec<String> = own
        .into_iter()
        .filter(|address| !matches!(address, IpAddress::Ipv6(v6) if v6.is_unicast_link_local()))
        .map(|address| match address {
            IpAddress::Ipv4(address) => format!("{address}:{}", args.port),
            IpAddress::Ipv6(address) => format!("[{address}]:{}", args.port),
        })
        .collect();
    let protocol = if args.udp { "udp" } else { "tcp" };
    log.tell(
        &format!("listening on {} ({protocol}), end with Ctrl-C", places.join(" and ")),
        &json!({ "event": "listening", "protocol": protocol, "at": places }),
    );
}

fn streams(
    process: &Shared,
    listener: SocketHandle,
    service: &Service,
    log: Log,
    ended: &AtomicBool,
) -> Result<(), Failure> {
    loop {
        let socket = match process.accept(listener, MemoryMut::Null, None) {
            Ok(socket) => socket,
            Err(_) if ended.load(Ordering::Relaxed) => return Ok(()),
            // Of this connection nothing is left; there will be others.
            Err(Error::WSAECONNRESET) => continue,
            Err(error) => return Err(failed("accept", error)),
        };
        let peer = process.peer_name(socket).map_or_else(|_| "?".into(), shown);
        log.tell(&format!("{peer} connected"), &json!({ "event": "connected", "peer": peer }));
        if matches!(service, Service::Join) {
            let result = session::join(process, socket);
            let _ = process.closesocket(socket);
            return result;
        }
        let (process, service) = (Arc::clone(process), service.clone());
        let serve = move || {
            let result = serve_one(&process, socket, &service, &peer, log);
            let why = match (result, process.cause(socket)) {
                (Ok(()), _) => String::new(),
                (Err(error), None) => format!(": {error}"),
                (Err(error), Some(cause)) => format!(": {error}, {cause}"),
            };
            let _ = process.closesocket(socket);
            log.tell(
                &format!("{peer} done{why}"),
                &json!({ "event": "done", "peer": peer, "error": why.trim_start_matches(": ") }),
            );
        };
        if let Err(error) = thread::Builder::new().spawn(serve) {
            note(&format!("tapsock: a connection is dropped, there is no thread for it: {error}"));
        }
    }
}

fn serve_one(
    process: &Shared,
    socket: SocketHandle,
    service: &Service,
    peer: &str,
    log: Log,
) -> io::Result<()> {
    let mut stream = Stream::new(process, socket);
    match service {
        Service::Files(root) => http::serve(&mut stream, root, |served| {
            let http::Served { request, status, bytes } = served;
            log.tell(
                &format!("{peer} \"{request}\" {status} {bytes}"),
                &json!({
                    "event": "request", "peer": peer,
                    "request": request, "status": status, "bytes": bytes,
                }),
            );
        }),
        Service::Echo | Service::Discard | Service::Join => {
            let mut buffer = vec![0; 65536];
            loop {
                match stream.read(&mut buffer)? {
                    0 => return Ok(()),
                    len if matches!(service, Service::Echo) => stream.write_all(&buffer[..len])?,
                    _ => {}
                }
            }
        }
    }
}

fn datagrams(
    process: &Shared,
    socket: SocketHandle,
    service: &Service,
    ended: &AtomicBool,
) -> Result<(), Failure> {
    let mut buffer = vec![0; 65536];
    let mut name = [0; 28];
    loop {
        let mut namelen = name.len() as i32;
        let received = process.recvfrom(
            socket,
            buffer.as_mut_slice().into(),
            0,
            (&mut name).into(),
            Some(&mut namelen),
        );
        let len = match received {
            Ok(len) => len,
            Err(_) if ended.load(Ordering::Relaxed) => return Ok(()),
            // An earlier answer found nobody: that concerns its receiver alone.
            Err(Error::WSAECONNRESET) => continue,
            Err(error) => return Err(failed("recvfrom", error)),
        };
        match service {
            Service::Echo => {
                let length = usize::try_from(namelen).unwrap_or(0).min(name.len());
                let to = (&name[..length]).into();
                // A datagram may get lost; whoever wants it back asks again.
                let _ = process.sendto(socket, buffer[..len].into(), 0, to, namelen);
            }
            Service::Join => {
                let mut output = io::stdout().lock();
                let written = output.write_all(&buffer[..len]).and_then(|()| output.flush());
                written.map_err(|error| crate::output::of_stdout(&error))?;
            }
            Service::Discard | Service::Files(_) => {}
        }
    }
}

/// An address as people write it; a mapped one as the IPv4 address that it is.
pub(crate) fn shown(name: SockAddr) -> String {
    let endpoint = name.endpoint();
    match endpoint.addr {
        IpAddress::Ipv4(address) => format!("{address}:{}", endpoint.port),
        IpAddress::Ipv6(address) => format!("[{address}]:{}", endpoint.port),
    }
}
