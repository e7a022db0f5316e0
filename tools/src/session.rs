//! A process on the configured link, for the verbs that talk to somebody.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use tapsock_stack::fault::Record;
use tapsock_stack::link::capture::Capture;
use tapsock_stack::link::tape::Narrator;
use tapsock_stack::time::{Duration, Instant};
use wsa::SocketHandle;
use wsa::config::{Configuration, LinkChoice};
use wsa::engine::Engine;
use wsa::net::{Net, TcpStream};
use wsa::recording::Recording;
use wsa::start::{AnyLink, Start, StartError, ThreadedProcess, interface, open_link};

use crate::frames::{Moment, Watch};
use crate::namespace::{self, DEVICE};
use crate::output::{Failure, INTERRUPTED, note, of_call, of_io};
use crate::report::Report;

/// A started process.
#[derive(Debug)]
pub struct Session {
    process: Arc<ThreadedProcess>,
    net: Net,
    linger: Duration,
    /// When the link was opened.
    began: std::time::Instant,
}

impl Session {
    /// Makes the private namespace if there is to be one, opens the link and starts a process on
    /// it. `show` is called with everything that happens on the link, whose time is that of the
    /// stack.
    ///
    /// Must be called while the program has one thread.
    ///
    /// # Errors
    /// [`Failure::Environment`] where a right or a device is missing.
    pub fn open(
        configuration: &Configuration,
        mut show: impl FnMut(Moment) + Send + 'static,
    ) -> Result<Self, Failure> {
        if configuration.link == LinkChoice::Private {
            namespace::enter()
                .and_then(|()| {
                    let kernel_side = configuration.kernel_side();
                    namespace::make_tap(DEVICE, configuration.mtu, &kernel_side)
                })
                // Then the kernel says of what it has no way to that it has none.
                .and_then(|()| namespace::forward())
                .map_err(|error| Failure::Environment(error.to_string()))?;
        }
        let mut start = Start::new(configuration).map_err(|error| of_start(&error))?;
        let (link, descriptor) =
            open_link(configuration, Some(DEVICE)).map_err(|error| of_start(&error))?;
        let (now, began) = (SystemTime::now(), std::time::Instant::now());
        let file = match &configuration.capture {
            Some(path) => {
                let (file, recording) = Recording::create(path).map_err(|error| {
                    Failure::Usage(format!(
                        "{} cannot be written ({error}); give --capture a file that can",
                        path.display()
                    ))
                })?;
                start.keep(recording);
                Some(file)
            }
            None => None,
        };
        let name = interface(configuration, Some(DEVICE));
        let link: AnyLink = if let Some(faults) = start.faults() {
            if let Some(file) = file {
                faults.record(configuration, &name, file);
            }
            let mut narrator = Narrator::new(0);
            faults.engine.observe_too(move |record: &Record<'_>| {
                narrator.hear(record, &mut |told| {
                    if let Some(moment) = Moment::of(told) {
                        show(moment);
                    }
                });
            });
            link
        } else {
            let epoch = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
            let epoch = Duration::from_micros(u64::try_from(epoch).unwrap_or(u64::MAX));
            let mut watch = Watch::new(move |mut frame| {
                frame.at -= epoch;
                show(Moment::Frame { frame, story: String::new() });
            });
            if let Some(file) = file {
                watch = watch.with_file(file);
            }
            Box::new(Capture::new(link, watch, &name, now).in_real_time())
        };
        let mut linger = Duration::ZERO;
        let process = start
            .on(link, descriptor, |config| linger = config.linger)
            .map_err(|error| of_start(&error))?;
        let process = Arc::new(process);
        let net = Net::new(Arc::clone(&process)).map_err(|error| of_io("WSAStartup", &error))?;
        Ok(Self { process, net, linger, began })
    }

    /// The process.
    pub fn process(&self) -> &Arc<ThreadedProcess> {
        &self.process
    }

    /// The process as a network.
    pub fn net(&self) -> &Net {
        &self.net
    }

    /// A new socket for addresses of the family of `address`.
    ///
    /// # Errors
    /// When socket fails.
    pub fn socket(&self, address: SocketAddr, kind: i32) -> Result<SocketHandle, Failure> {
        let family =
            if address.is_ipv4() { wsa::constants::AF_INET } else { wsa::constants::AF_INET6 };
        self.process.socket(family, kind, 0).map_err(|error| of_call("socket", error))
    }

    /// The time on the clock that frames are stamped with.
    pub fn now(&self) -> Instant {
        let micros = self.began.elapsed().as_micros();
        Instant::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
    }

    /// From now on the first Ctrl-C, or another request to end, closes the socket, which ends the
    /// call that waits on it, and sets what is given; the second ends the program at once. To be
    /// called once.
    ///
    /// # Errors
    /// [`Failure::Environment`] when the system refuses.
    pub fn close_on_interrupt(&self, s: SocketHandle) -> Result<Arc<AtomicBool>, Failure> {
        let interrupted = Arc::new(AtomicBool::new(false));
        let (seen, process) = (Arc::clone(&interrupted), Arc::clone(&self.process));
        ctrlc::set_handler(move || {
            if seen.swap(true, Ordering::AcqRel) {
                std::process::exit(INTERRUPTED);
            }
            // It fails only when the socket was closed meanwhile.
            let _ = process.closesocket(s);
        })
        .map_err(|error| Failure::Environment(format!("signals cannot be handled: {error}")))?;
        Ok(interrupted)
    }

    /// Ends the process: what was sent is delivered, also when other threads still hold the
    /// process and wait for something else. Then says how the fault rules have fared.
    ///
    /// # Errors
    /// [`Failure::Failed`] when a rule did not fire as it must, [`Failure::Told`] when a recording
    /// is incomplete.
    pub fn end(self, json: bool) -> Result<(), Failure> {
        // The network's own WSACleanup comes with its last socket, which another thread may hold.
        let _ = self.process.wsa_cleanup();
        let engine = self.process.engine();
        if !engine.deliver(self.linger) {
            let linger = self.linger;
            note(&format!("tapsock: the peer did not take everything within {linger}"));
        }
        let report = engine.with(|access| Report::of(access.stack.link().engine()));
        let recordings = engine.attached::<Recording>();
        engine.dismiss();
        report.show(json)?;
        if let Some(error) = recordings.iter().find_map(Recording::error) {
            return Err(Failure::Told(error));
        }
        if report.holds() { Ok(()) } else { Err(Failure::Failed) }
    }
}

/// Why there is no process, as this program says it: what is written wrong is a matter of usage.
pub fn of_start(error: &StartError) -> Failure {
    match error {
        StartError::Script(..) | StartError::Faults(_) => Failure::Usage(error.to_string()),
        _ => Failure::Environment(error.to_string()),
    }
}

/// A stream that counts.
#[derive(Debug)]
pub struct Counted {
    stream: TcpStream,
    sent: u64,
    received: u64,
}

impl Counted {
    /// Counts from now on.
    pub fn new(stream: TcpStream) -> Self {
        Self { stream, sent: 0, received: 0 }
    }

    /// The stream.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Bytes written so far.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Bytes read so far.
    pub fn received(&self) -> u64 {
        self.received
    }
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.stream.read(buffer)?;
        self.received += length as u64;
        Ok(length)
    }
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = self.stream.write(bytes)?;
        self.sent += length as u64;
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}
