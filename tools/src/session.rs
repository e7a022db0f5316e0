//! A Winsock process for a verb, on the link that the configuration describes.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::sync::Arc;
use std::time::SystemTime;

use tapsock_stack::link::capture::Capture;
use wsa::config::{Configuration, LinkChoice};
use wsa::constants::SD_SEND;
use wsa::engine::Engine;
use wsa::start::{StartError, ThreadedProcess, interface, open_link, start_on};
use wsa::{Error, SocketHandle};

use crate::frames::Watch;
use crate::namespace;
use crate::output::Failure;

/// A started process that the threads of a verb share.
pub type Shared = Arc<ThreadedProcess>;

/// Makes a process and calls WSAStartup. Where no link is named a private namespace is made for
/// it. Frames go to `watch`, and to the capture file that the configuration names.
///
/// # Errors
/// [`Failure::Environment`] when a right, a device or a program is missing.
pub fn open(configuration: &Configuration, watch: Option<Watch>) -> Result<Shared, Failure> {
    let missing = |error: &dyn std::fmt::Display| Failure::Environment(error.to_string());
    let private = configuration.link == LinkChoice::Private;
    if private {
        namespace::enter().map_err(|error| missing(&error))?;
        let kernel_side = configuration.kernel_side();
        namespace::make_tap(namespace::DEVICE, configuration.mtu, &kernel_side)
            .map_err(|error| missing(&error))?;
    }
    let file = match &configuration.capture {
        Some(path) => Some(BufWriter::new(File::create(path).map_err(|error| {
            Failure::Usage(StartError::Capture(path.clone(), error).to_string())
        })?)),
        None => None,
    };
    let recording: Option<Box<dyn Write + Send>> = match (watch, file) {
        (Some(watch), Some(file)) => Some(Box::new(watch.with_file(file))),
        (Some(watch), None) => Some(Box::new(watch)),
        (None, Some(file)) => Some(Box::new(file)),
        (None, None) => None,
    };
    let device = private.then_some(namespace::DEVICE);
    let (mut link, descriptor) =
        open_link(configuration, device).map_err(|error| missing(&error))?;
    if let Some(recording) = recording {
        let name = interface(configuration, device);
        // The stack's clock starts when the engine is made: now, to some microseconds.
        link = Box::new(Capture::new(link, recording, &name, SystemTime::now()));
    }
    let process =
        start_on(configuration, link, descriptor, |_| {}).map_err(|error| missing(&error))?;
    match process.wsa_startup(0x0202).0 {
        0 => Ok(Arc::new(process)),
        code => Err(Failure::Environment(format!("WSAStartup fails with {code}"))),
    }
}

/// Ends a process: closes what is open and waits until what was sent is delivered. Threads that
/// still hold it, as one that reads standard input, do not keep it from that.
pub fn close(process: &Shared) {
    // A process that was started can be cleaned up.
    let _ = process.wsa_cleanup();
    let linger = process.engine().with(|access| access.stack.config().linger);
    if !process.engine().deliver(linger) {
        crate::output::note(&format!("tapsock: the peer did not take everything within {linger}"));
    }
}

/// A connected socket to read from and to write to.
#[derive(Debug, Clone)]
pub struct Stream {
    process: Shared,
    socket: SocketHandle,
}

impl Stream {
    /// A stream over `socket`.
    pub fn new(process: &Shared, socket: SocketHandle) -> Self {
        Self { process: Arc::clone(process), socket }
    }

    /// Closes this direction: the peer reads its end.
    pub fn end(&self) {
        // A connection that is gone meanwhile has ended already.
        let _ = self.process.shutdown(self.socket, SD_SEND);
    }
}

/// An error of a socket as one of a stream, with Winsock's name in it.
pub fn io_error(error: Error) -> io::Error {
    io::Error::other(format!("{error}"))
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        self.process.recv(self.socket, buffer.into(), 0).map_err(io_error)
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.process.send(self.socket, bytes.into(), 0).map_err(io_error)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Joins a connection with standard input and output until the peer has closed its direction. The
/// end of the input closes this one.
///
/// # Errors
/// [`Failure::Told`] when the connection fails, [`Failure::Closed`] when nobody reads the output.
pub fn join(process: &Shared, socket: SocketHandle) -> Result<(), Failure> {
    let mut outgoing = Stream::new(process, socket);
    // It ends with the program: nothing can end a read of standard input.
    std::thread::spawn(move || {
        let mut buffer = vec![0; 65536];
        let mut input = io::stdin().lock();
        loop {
            match input.read(&mut buffer) {
                Ok(0) => break,
                Ok(len) => {
                    if outgoing.write_all(&buffer[..len]).is_err() {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        outgoing.end();
    });
    let mut incoming = Stream::new(process, socket);
    let mut output = io::stdout().lock();
    let mut buffer = vec![0; 65536];
    loop {
        match incoming.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(len) => {
                let written = output.write_all(&buffer[..len]).and_then(|()| output.flush());
                written.map_err(|error| crate::output::of_stdout(&error))?;
            }
            Err(error) => {
                let cause = process.cause(socket).map_or_else(String::new, |c| format!(": {c}"));
                return Err(Failure::Told(format!("the connection failed: {error}{cause}")));
            }
        }
    }
}
