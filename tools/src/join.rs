//! Standard input and output joined to a peer, as netcat does.

use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use serde::Serialize;
use wsa::Error;
use wsa::net::{NetError, TcpStream, UdpSocket};

use crate::output::{self, Failure};

/// Bytes that are moved at once; no datagram is longer.
const CHUNK: usize = 65536;
/// How long answers to datagrams are awaited after the end of the input.
const LAST_ANSWERS: Duration = Duration::from_secs(1);
/// How often a socket of datagrams is left to see whether the input has ended.
const LOOK: Duration = Duration::from_millis(100);

/// What is joined to the terminal.
#[derive(Debug)]
pub enum Peer {
    /// A stream, which ends with the peer's FIN.
    Stream(TcpStream),
    /// Datagrams of a connected socket: what one read of the input gives is one of them. They end a
    /// second after the input.
    Datagrams(UdpSocket),
}

impl Peer {
    fn try_clone(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Stream(stream) => Self::Stream(stream.try_clone()?),
            Self::Datagrams(socket) => Self::Datagrams(socket.try_clone()?),
        })
    }

    fn send(&self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Stream(stream) => (&*stream).write_all(bytes),
            Self::Datagrams(socket) => socket.send(bytes).map(|_| ()),
        }
    }
}

/// How much went each way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Joined {
    /// Bytes sent.
    pub sent: u64,
    /// Bytes received.
    pub received: u64,
}

/// Sends standard input to the peer and writes what comes to standard output, until the peer has
/// closed its direction. The end of the input closes this one.
///
/// With `json` what comes is written as objects, one a line, with `text` where it is text and
/// `hex` where it is not.
///
/// # Errors
/// When the connection or standard output fails.
pub fn join(peer: &Peer, json: bool) -> Result<Joined, Failure> {
    let input = Arc::new(Input::default());
    {
        let sender = peer.try_clone().map_err(|error| output::of_io("try_clone", &error))?;
        let input = Arc::clone(&input);
        // Not waited for: when the peer has closed, nobody is interested in the input any more.
        thread::spawn(move || input.send(&sender));
    }
    let received = receive(peer, json, &input)?;
    if let Some(error) = *input.failed.lock().unwrap_or_else(PoisonError::into_inner) {
        return Err(Failure::Told(format!("sending failed with {error}")));
    }
    Ok(Joined { sent: input.sent.load(Ordering::Acquire), received })
}

/// What became of standard input.
#[derive(Default)]
struct Input {
    sent: AtomicU64,
    ended: AtomicBool,
    failed: Mutex<Option<Error>>,
}

impl Input {
    fn send(&self, peer: &Peer) {
        let mut stdin = io::stdin().lock();
        let mut chunk = vec![0; CHUNK];
        loop {
            let length = match stdin.read(&mut chunk) {
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                // An input that cannot be read has ended.
                Err(_) => 0,
            };
            if length == 0 {
                break;
            }
            match peer.send(&chunk[..length]) {
                Ok(()) => self.sent.fetch_add(length as u64, Ordering::AcqRel),
                // The receiving side sees the same end, and why.
                Err(error) => {
                    let error = NetError::of(&error).map(NetError::error);
                    if error == Some(Error::WSAEMSGSIZE) {
                        self.fail(Error::WSAEMSGSIZE);
                    }
                    break;
                }
            };
        }
        if let Peer::Stream(stream) = peer {
            // Fails when the connection has ended, which the receiving side tells.
            let _ = stream.shutdown(Shutdown::Write);
        }
        self.ended.store(true, Ordering::Release);
    }

    fn fail(&self, error: Error) {
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }
}

fn receive(peer: &Peer, json: bool, input: &Input) -> Result<u64, Failure> {
    let mut chunk = vec![0; CHUNK];
    let mut received = 0;
    loop {
        let length = match peer {
            Peer::Stream(stream) => (&*stream)
                .read(&mut chunk)
                .map(|length| if length == 0 { None } else { Some(length) }),
            Peer::Datagrams(socket) => datagram(socket, &mut chunk, input),
        };
        // Otherwise the connection has ended in another way than by a FIN.
        let length = length.map_err(|error| output::of_io("receiving", &error))?;
        let Some(length) = length else { return Ok(received) };
        received += length as u64;
        if json {
            output::json(&Received::new(&chunk[..length]))?;
        } else {
            let mut stdout = io::stdout().lock();
            let written = stdout.write_all(&chunk[..length]).and_then(|()| stdout.flush());
            written.map_err(|error| output::of_stdout(&error))?;
        }
    }
}

/// The next datagram; none when the input has ended and no answer comes any more.
fn datagram(socket: &UdpSocket, chunk: &mut [u8], input: &Input) -> io::Result<Option<usize>> {
    loop {
        let ended = input.ended.load(Ordering::Acquire);
        socket.set_read_timeout(Some(if ended { LAST_ANSWERS } else { LOOK }))?;
        match socket.recv(chunk) {
            Ok(length) => return Ok(Some(length)),
            Err(error) if error.kind() != ErrorKind::TimedOut => return Err(error),
            Err(_) if ended => return Ok(None),
            Err(_) => {}
        }
    }
}

/// Received bytes as JSON.
#[derive(Serialize)]
struct Received {
    event: &'static str,
    bytes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hex: Option<String>,
}

impl Received {
    fn new(bytes: &[u8]) -> Self {
        let text = std::str::from_utf8(bytes).ok().map(str::to_string);
        let hex = || bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let hex = if text.is_none() { Some(hex()) } else { None };
        Self { event: "received", bytes: bytes.len(), text, hex }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn received_bytes_are_text_or_hexadecimal() {
        let json = |bytes| serde_json::to_string(&Received::new(bytes)).unwrap();
        assert_eq!(json("hé".as_bytes()), r#"{"event":"received","bytes":3,"text":"hé"}"#);
        assert_eq!(json(&[0xff, 0]), r#"{"event":"received","bytes":2,"hex":"ff00"}"#);
    }
}
