//! `tapsock connect`: one WSAConnect, explained packet by packet.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;
use tapsock_stack::event::{Cause, Evidence};
use tapsock_stack::link::Direction;
use tapsock_stack::time::Instant;
use wsa::config::Configuration;
use wsa::constants::{SO_ERROR, SOCK_DGRAM, SOCK_STREAM, SOL_SOCKET};
use wsa::net::{TcpStream, UdpSocket};
use wsa::start::ThreadedProcess;
use wsa::{Arg, Error, FdSet, SocketHandle, sockaddr};

use crate::cli::ConnectArgs;
use crate::describe;
use crate::frames::Moment;
use crate::join::{self, Joined, Peer};
use crate::output::{self, Failure, Ink, Paint, of_call};
use crate::session::Session;

/// The verb.
///
/// # Errors
/// What ends the program with another status than 0: [`Failure::Failed`] when the connection was
/// not made.
pub fn main(args: &ConnectArgs, configuration: &Configuration, json: bool) -> Result<(), Failure> {
    let line = TimeLine::new(json);
    let watch = line.clone();
    let session = Session::open(configuration, move |moment| watch.show(&moment))?;
    let ended = explain(&session, args, &line);
    let over = session.end(json);
    ended.and(over)
}

fn explain(session: &Session, args: &ConnectArgs, line: &TimeLine) -> Result<(), Failure> {
    let process = session.process();
    let s = session.socket(args.to, if args.udp { SOCK_DGRAM } else { SOCK_STREAM })?;
    if let Some(own) = args.bind {
        process.bind_to(s, own).map_err(|error| of_call("bind", error))?;
    }
    if args.nonblocking {
        process.set_nonblocking(s, true).map_err(|error| of_call("ioctlsocket", error))?;
    }

    let interrupted = session.close_on_interrupt(s)?;
    let began = session.now();
    let name = sockaddr(args.to);
    let (data, qos) = (Arg::Null, Arg::Null);
    let called = process.wsa_connect(s, name.memory(), name.len(), data, Arg::Null, qos, Arg::Null);
    let mut result = Outcome::of(called.err(), process.last_cause());
    if result.error == Some(Error::WSAEWOULDBLOCK) {
        line.result("WSAConnect", &result, None, [began, session.now()])?;
        result = completed(process, s)?;
        let ends = ends(process, s);
        line.result("select", &result, ends, [began, session.now()])?;
    } else {
        line.result("WSAConnect", &result, ends(process, s), [began, session.now()])?;
    }
    if result.error.is_some() {
        return Err(Failure::Failed);
    }
    line.stop();
    if args.nonblocking {
        // What follows waits for data, not for nothing.
        process.set_nonblocking(s, false).map_err(|error| of_call("ioctlsocket", error))?;
    }
    let peer = if args.udp {
        Peer::Datagrams(UdpSocket::adopt(session.net(), s))
    } else {
        Peer::Stream(TcpStream::adopt(session.net(), s))
    };
    match join::join(&peer, line.json) {
        Err(_) if interrupted.load(Ordering::Acquire) => Err(Failure::Failed),
        joined => line.end(joined?),
    }
}

/// Waits until a non-blocking attempt has ended: select, then SO_ERROR.
fn completed(process: &ThreadedProcess, s: SocketHandle) -> Result<Outcome, Failure> {
    let (mut writable, mut exceptional) = ([s], [s]);
    let (mut write, mut except) = (FdSet::of(&mut writable), FdSet::of(&mut exceptional));
    process
        .select(None, Some(&mut write), Some(&mut except), None)
        .map_err(|error| of_call("select", error))?;
    let code = process
        .option(s, SOL_SOCKET, SO_ERROR)
        .map_err(|error| of_call("getsockopt SO_ERROR", error))?;
    let error = i32::try_from(code).ok().and_then(Error::from_code);
    Ok(Outcome::of(error, process.cause(s)))
}

/// Both ends of a connection, where there is one.
fn ends(process: &ThreadedProcess, s: SocketHandle) -> Option<(SocketAddr, SocketAddr)> {
    let local = process.local_name(s).ok()?;
    let peer = process.peer_name(s).ok()?;
    Some((local.into(), peer.into()))
}

/// What came of the attempt.
struct Outcome {
    error: Option<Error>,
    cause: Option<Cause>,
}

impl Outcome {
    fn of(error: Option<Error>, cause: Option<Cause>) -> Self {
        Self { error, cause: cause.filter(|_| error.is_some()) }
    }
}

/// Where packets and results are shown: text to standard error, or JSON to standard output.
#[derive(Clone)]
struct TimeLine {
    json: bool,
    paint: Paint,
    shows: Arc<AtomicBool>,
}

#[derive(Serialize)]
struct Packet<'p> {
    event: &'static str,
    number: Option<u64>,
    at: f64,
    direction: &'static str,
    summary: &'p str,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<&'p str>,
}

#[derive(Serialize)]
struct Note<'n> {
    event: &'static str,
    at: f64,
    text: &'n str,
}

#[derive(Serialize)]
struct Explained<'e> {
    event: &'static str,
    call: &'e str,
    code: i32,
    name: &'static str,
    text: &'static str,
    seconds: f64,
    local: Option<SocketAddr>,
    peer: Option<SocketAddr>,
    cause: Option<String>,
    frame: Option<u64>,
}

#[derive(Serialize)]
struct Ended {
    event: &'static str,
    #[serde(flatten)]
    joined: Joined,
}

impl TimeLine {
    fn new(json: bool) -> Self {
        Self { json, paint: Paint::stderr(), shows: Arc::new(AtomicBool::new(true)) }
    }

    /// Nothing more is shown of packets.
    fn stop(&self) {
        self.shows.store(false, Ordering::Release);
    }

    fn show(&self, moment: &Moment) {
        if !self.shows.load(Ordering::Acquire) {
            return;
        }
        let (frame, story) = match moment {
            Moment::Frame { frame, story } => (frame, story.as_str()),
            Moment::Note { at, text } => {
                if self.json {
                    let at = at.total_micros() as f64 / 1e6;
                    let _ = output::json(&Note { event: "note", at, text });
                } else {
                    let text = self.paint.paint(Ink::Bad, &format!("** {text}"));
                    output::note(&format!("{}      {text}", precisely(*at)));
                }
                return;
            }
        };
        let summary = describe::frame(&frame.bytes);
        let (direction, arrow) = match frame.direction {
            Direction::Outbound => ("out", "->"),
            Direction::Inbound => ("in", "<-"),
        };
        let number = Some(frame.number).filter(|number| *number > 0);
        if self.json {
            let at = frame.at.total_micros() as f64 / 1e6;
            let fault = Some(story).filter(|story| !story.is_empty());
            let packet =
                Packet { event: "packet", number, at, direction, summary: &summary, fault };
            // That nobody reads any more shows when the result is written.
            let _ = output::json(&packet);
        } else {
            let at = precisely(frame.at);
            let number = number.map(|number| number.to_string()).unwrap_or_default();
            output::note(&format!("{at} {number:>4} {arrow} {summary}"));
            if !story.is_empty() {
                let story = self.paint.paint(Ink::Bad, &format!("** {story}"));
                output::note(&format!("{:21}{story}", ""));
            }
        }
    }

    fn result(
        &self,
        call: &str,
        outcome: &Outcome,
        ends: Option<(SocketAddr, SocketAddr)>,
        [began, ended]: [Instant; 2],
    ) -> Result<(), Failure> {
        let Outcome { error, cause } = outcome;
        let ends = ends.filter(|_| error.is_none());
        if self.json {
            return output::json(&Explained {
                event: "result",
                call,
                code: error.map_or(0, Error::code),
                name: error.map_or("success", Error::name),
                text: error.map_or("connected", Error::text),
                seconds: (ended - began).total_micros() as f64 / 1e6,
                local: ends.map(|(local, _)| local),
                peer: ends.map(|(_, peer)| peer),
                cause: cause.map(|cause| cause.to_string()),
                frame: cause.and_then(|cause| match cause.evidence {
                    Evidence::Packet(packet) => Some(packet.number),
                    _ => None,
                }),
            });
        }
        let (ink, text) = match error {
            None => (Ink::Good, "success".to_string()),
            Some(Error::WSAEWOULDBLOCK) => (Ink::Strong, Error::WSAEWOULDBLOCK.to_string()),
            Some(error) => (Ink::Bad, error.to_string()),
        };
        // On the time line's clock, below the frame that decided it.
        let at = precisely(ended);
        output::note(&format!("{at}      {call}: {}", self.paint.paint(ink, &text)));
        if let Some((local, peer)) = ends {
            output::note(&format!("connected: {local} to {peer}"));
        }
        match cause {
            Some(cause) => output::note(&format!("cause: {cause}")),
            None if error.is_some_and(|error| error != Error::WSAEWOULDBLOCK) => {
                output::note("cause: nothing on the wire");
            }
            None => {}
        }
        Ok(())
    }

    fn end(&self, joined: Joined) -> Result<(), Failure> {
        if self.json {
            return output::json(&Ended { event: "closed", joined });
        }
        let Joined { sent, received } = joined;
        output::note(&format!("closed: {sent} bytes sent, {received} received"));
        Ok(())
    }
}

/// A time of the stack's clock in seconds with microseconds, aligned.
fn precisely(at: Instant) -> String {
    let micros = at.total_micros();
    format!("{:>4}.{:06} s", micros / 1_000_000, micros % 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_aligned() {
        assert_eq!(precisely(Instant::from_micros(21_000_005)), "  21.000005 s");
    }
}
