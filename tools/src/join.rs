//! Standard input and output joined to a socket, as netcat does.

use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use serde::Serialize;
use tapsock_stack::time::Duration;
use wsa::constants::SD_SEND;
use wsa::start::ThreadedProcess;
use wsa::{Error, FdSet, Memory, MemoryMut, SocketHandle};

use crate::output::{self, Failure};

/// Bytes that are moved at once; no datagram is longer.
const CHUNK: usize = 65536;
/// How long answers to datagrams are awaited after the end of the input.
const LAST_ANSWERS: Duration = Duration::from_secs(1);
/// How often a socket of datagrams is left to see whether the input has ended.
const LOOK: Duration = Duration::from_millis(100);

/// What a socket carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A stream, which ends with the peer's FIN.
    Stream,
    /// Datagrams: what one read of the input gives is one of them. They end a second after the
    /// input.
    Datagrams,
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
pub fn join(
    process: &Arc<ThreadedProcess>,
    s: SocketHandle,
    kind: Kind,
    json: bool,
) -> Result<Joined, Failure> {
    let input = Arc::new(Input::default());
    {
        let (process, input) = (Arc::clone(process), Arc::clone(&input));
        // Not waited for: when the peer has closed, nobody is interested in the input any more.
        thread::spawn(move || input.send(&process, s, kind));
    }
    let received = receive(process, s, kind, json, &input)?;
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
    fn send(&self, process: &ThreadedProcess, s: SocketHandle, kind: Kind) {
        let mut stdin = io::stdin().lock();
        let mut chunk = vec![0; CHUNK];
        loop {
            let length = match stdin.read(&mut chunk) {
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                // An input that cannot be read has ended.
                Err(_) => 0,
            };
            if length == 0 {
                break;
            }
            match process.send(s, Memory::Bytes(&chunk[..length]), 0) {
                Ok(sent) => self.sent.fetch_add(sent as u64, Ordering::AcqRel),
                // The receiving side sees the same end, and why.
                Err(Error::WSAEMSGSIZE) => {
                    self.fail(Error::WSAEMSGSIZE);
                    break;
                }
                Err(_) => break,
            };
        }
        if kind == Kind::Stream {
            // Fails when the connection has ended, which the receiving side tells.
            let _ = process.shutdown(s, SD_SEND);
        }
        self.ended.store(true, Ordering::Release);
    }

    fn fail(&self, error: Error) {
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }
}

fn receive(
    process: &ThreadedProcess,
    s: SocketHandle,
    kind: Kind,
    json: bool,
    input: &Input,
) -> Result<u64, Failure> {
    let mut chunk = vec![0; CHUNK];
    let mut received = 0;
    loop {
        if kind == Kind::Datagrams && !awaits_datagram(process, s, input)? {
            return Ok(received);
        }
        let length = match process.recv(s, MemoryMut::Bytes(&mut chunk), 0) {
            Ok(0) if kind == Kind::Stream => return Ok(received),
            Ok(length) => length,
            Err(error) => return Err(lost(process, error)),
        };
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

/// Waits for a datagram; false when the input has ended and no answer comes any more.
fn awaits_datagram(
    process: &ThreadedProcess,
    s: SocketHandle,
    input: &Input,
) -> Result<bool, Failure> {
    loop {
        let ended = input.ended.load(Ordering::Acquire);
        let patience = if ended { LAST_ANSWERS } else { LOOK };
        let mut sockets = [s];
        let mut read = FdSet::of(&mut sockets);
        match process.select(Some(&mut read), None, None, Some(patience)) {
            Ok(0) if ended => return Ok(false),
            Ok(0) => {}
            Ok(_) => return Ok(true),
            Err(error) => return Err(output::of_call("select", error)),
        }
    }
}

/// The connection has ended otherwise than by a FIN.
fn lost(process: &ThreadedProcess, error: Error) -> Failure {
    match process.last_cause() {
        Some(cause) => Failure::Told(format!("receiving failed with {error}; {cause}")),
        None => Failure::Told(format!("receiving failed with {error}")),
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
