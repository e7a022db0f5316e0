//! `tapsock connect`: one WSAConnect, explained packet by packet.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use tapsock_stack::event::{Cause, Evidence, Silence};
use tapsock_stack::link::Direction;
use tapsock_stack::time::Duration;
use wsa::config::Configuration;
use wsa::constants::{
    AF_INET, AF_INET6, SO_BROADCAST, SO_ERROR, SOCK_DGRAM, SOCK_STREAM, SOL_SOCKET,
};
use wsa::{Error, FdSet, SocketHandle};

use crate::cli::ConnectArgs;
use crate::describe;
use crate::frames::{Frame, Watch};
use crate::listen::shown;
use crate::output::{self, Failure, Ink, Paint, note};
use crate::session::{self, Shared};

/// The verb.
///
/// # Errors
/// What ends the program with another status than 0.
pub fn main(args: &ConnectArgs, configuration: &Configuration, json: bool) -> Result<(), Failure> {
    let explaining = Arc::new(AtomicBool::new(true));
    let paint = Paint::stderr();
    let watch = {
        let explaining = Arc::clone(&explaining);
        let mut first = None;
        Watch::new(move |frame| {
            if explaining.load(Ordering::Relaxed) {
                let since = frame.at - *first.get_or_insert(frame.at);
                show(&frame, since, json, paint);
            }
        })
    };
    let process = session::open(configuration, Some(watch))?;
    let result = connect(&process, args);
    explaining.store(false, Ordering::Relaxed);
    conclude(&process, args, &result, json, paint)?;
    let Ok(socket) = result else { return Err(Failure::Failed) };
    let joined = if json { Ok(()) } else { session::join(&process, socket) };
    let _ = process.closesocket(socket);
    session::close(&process);
    joined
}

/// What failed, and on which socket.
#[derive(Debug)]
struct Refusal {
    call: &'static str,
    error: Error,
    cause: Option<Cause>,
}

fn connect(process: &Shared, args: &ConnectArgs) -> Result<SocketHandle, Refusal> {
    let refusal = |call| move |error| Refusal { call, error, cause: process.last_cause() };
    let family = if args.to.is_ipv4() { AF_INET } else { AF_INET6 };
    let kind = if args.udp { SOCK_DGRAM } else { SOCK_STREAM };
    let socket = process.socket(family, kind, 0).map_err(refusal("socket"))?;
    if args.udp {
        // A tool that is told to talk to a broadcast address means it.
        process.set_option(socket, SOL_SOCKET, SO_BROADCAST, 1).map_err(refusal("setsockopt"))?;
    }
    if let Some(own) = args.bind {
        process.bind_to(socket, own).map_err(refusal("bind"))?;
    }
    if args.nonblocking {
        process.set_nonblocking(socket, true).map_err(refusal("ioctlsocket"))?;
    }
    match process.connect_to(socket, args.to) {
        Err(Error::WSAEWOULDBLOCK) => {
            note(&format!("WSAConnect: {}; waiting with select", described(Error::WSAEWOULDBLOCK)));
            wait(process, socket)?;
        }
        other => other.map_err(refusal("WSAConnect"))?,
    }
    // From here on the calls may wait.
    process.set_nonblocking(socket, false).map_err(refusal("ioctlsocket"))?;
    Ok(socket)
}

/// Waits for the end of a non-blocking attempt: writable is success, an exception failure.
fn wait(process: &Shared, socket: SocketHandle) -> Result<(), Refusal> {
    let (mut writable, mut failed) = ([socket], [socket]);
    let mut write = FdSet::of(&mut writable);
    let mut except = FdSet::of(&mut failed);
    let refusal = |call, error| Refusal { call, error, cause: process.cause(socket) };
    process
        .select(None, Some(&mut write), Some(&mut except), None)
        .map_err(|error| refusal("select", error))?;
    if !except.is_set(socket) {
        return Ok(());
    }
    let code = process
        .option(socket, SOL_SOCKET, SO_ERROR)
        .map_err(|error| refusal("getsockopt", error))?;
    Err(refusal("WSAConnect", Error::from_code(code as i32).unwrap_or(Error::WSAECONNABORTED)))
}

fn described(error: Error) -> String {
    format!("{} ({})", error.name(), error.code())
}

/// A line of the time line, in which the first frame is the beginning.
fn show(frame: &Frame, since: Duration, json: bool, paint: Paint) {
    let micros = since.total_micros();
    let what = describe::frame(&frame.bytes);
    let sent = frame.direction == Direction::Outbound;
    if json {
        let object = json!({
            "packet": frame.number,
            "micros": micros,
            "direction": if sent { "sent" } else { "received" },
            "what": what,
        });
        // The result that follows fails on a closed output too, and says so.
        let _ = output::line(&object.to_string());
    } else {
        let number = paint.paint(Ink::Dim, &format!("{:>4}", frame.number));
        let arrow = if sent { "->" } else { "<-" };
        note(&format!("{number} {:>10}  {arrow} {what}", output::seconds(micros as i64)));
    }
}

fn conclude(
    process: &Shared,
    args: &ConnectArgs,
    result: &Result<SocketHandle, Refusal>,
    json: bool,
    paint: Paint,
) -> Result<(), Failure> {
    match result {
        Ok(socket) => {
            let own = process.local_name(*socket).map_or_else(|_| "?".into(), shown);
            if json {
                return output::line(
                    &json!({ "result": 0, "local": own, "peer": args.to.to_string() }).to_string(),
                );
            }
            let done = paint.paint(Ink::Good, "WSAConnect returns 0");
            note(&format!("{done}: {own} is connected to {}", args.to));
        }
        Err(Refusal { call, error, cause }) => {
            let because = cause.map(|cause| cause.to_string());
            if json {
                let packet = cause.and_then(|cause| match cause.evidence {
                    Evidence::Packet(packet) if packet.number > 0 => Some(packet.number),
                    _ => None,
                });
                let silence = cause.is_some_and(|cause| {
                    matches!(cause.evidence, Evidence::Silence(Silence { .. }))
                });
                return output::line(
                    &json!({
                        "result": -1, "call": call, "code": error.code(), "name": error.name(),
                        "cause": because, "packet": packet, "silence": silence,
                    })
                    .to_string(),
                );
            }
            let failed = paint.paint(Ink::Bad, &format!("{call} fails with {}", described(*error)));
            note(&match because {
                Some(because) => format!("{failed}: {because}"),
                None => failed,
            });
        }
    }
    Ok(())
}
