//! The stage on a TAP device, with the Linux kernel as the peer and as the router.
//!
//! Several rows are provoked at a time, each by a worker that has a network namespace to itself,
//! so that three seconds of silence here do not hold up the rows there. Where a row only awaits
//! silence, the SYN schedule is the fast one.

use std::io;
use std::net::{IpAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use tapsock_stack::link::Link;
use tapsock_stack::link::capture::{Capture, SharedBuffer};
use tapsock_stack::time::Duration;
use wsa::Process;
use wsa::config::{Configuration, TimingChoice};
use wsa::engine::Engine;
use wsa::engine::threaded::Threaded;
use wsa::start::{FaultyLink, StartError, ThreadedProcess, start_on};

use super::row::{Pace, Row};
use super::stage::Stage;
use super::{Medium, Outcome, outcome, rows, syn_timing};
use crate::namespace::{self, DEVICE, NamespaceError};
use crate::output::Failure;
use crate::report::Report;
use crate::stage::tap::{Kernel, configured, environment, open_released};
use crate::stage::{LISTENING_PORT, PEER_V4, PEER_V6};

/// How many namespaces there are at a time.
const WORKERS: usize = 8;
/// How long the stack may take to notice that its device is gone.
const NOTICED: std::time::Duration = std::time::Duration::from_secs(3);
/// How long a row's process may take to end: no row has sent anything that matters.
const LINGER: Duration = Duration::from_millis(100);

/// Provokes every row and hands the outcomes on in order.
pub(super) fn run(
    configuration: &Configuration,
    seed: u64,
    mut each: impl FnMut(&Outcome) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let all: Vec<&'static Row> = rows(Medium::Tap).collect();
    let next = AtomicUsize::new(0);
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..WORKERS.min(all.len()) {
            let (sender, next, all) = (sender.clone(), &next, &all);
            scope.spawn(move || {
                let mut kernel = None;
                // Whoever does not listen any more has an error to report.
                while let Some(number) = take(next, all.len()) {
                    let done = one(&mut kernel, all[number], number, configuration, seed);
                    if sender.send((number, done)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let ended = in_order(all.len(), receiver, &mut each);
        // After an error the workers find nothing more to do.
        next.store(all.len(), Ordering::Relaxed);
        ended
    })
}

fn take(next: &AtomicUsize, rows: usize) -> Option<usize> {
    let number = next.fetch_add(1, Ordering::Relaxed);
    (number < rows).then_some(number)
}

type Done = Result<Outcome, Failure>;

fn in_order(
    rows: usize,
    receiver: mpsc::Receiver<(usize, Done)>,
    each: &mut impl FnMut(&Outcome) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut waiting: Vec<Option<Outcome>> = (0..rows).map(|_| None).collect();
    let mut shown = 0;
    for (number, done) in receiver {
        waiting[number] = Some(done?);
        while let Some(outcome) = waiting.get_mut(shown).and_then(Option::take) {
            each(&outcome)?;
            shown += 1;
        }
    }
    if shown == rows { Ok(()) } else { Err(Failure::Told("a row ended without an outcome".into())) }
}

fn one(
    kernel: &mut Option<Kernel>,
    row: &'static Row,
    number: usize,
    configuration: &Configuration,
    seed: u64,
) -> Done {
    let kernel = match kernel {
        Some(kernel) => kernel,
        None => {
            kernel.insert(self::kernel(configuration.mtu).map_err(|error| environment(&error))?)
        }
    };
    kernel.ensure_device().map_err(|error| environment(&error))?;

    let mut configuration = configured(configuration)?;
    // One Ethernet address for all rows: the kernel remembers whom it has seen.
    configuration.mac = Some(configuration.hardware_address(seed));
    configuration.seed = Some(seed.wrapping_add(number as u64));
    let timing = match (row.pace, configuration.timing) {
        (Pace::Any, _) => TimingChoice::Test,
        (Pace::Patient, timing) => timing,
    };
    let stage = TapStage::new(&configuration, row, timing)?;
    outcome(&stage, row, configuration.profile)
}

/// The kernel in the namespace of a worker, with its listeners.
fn kernel(mtu: usize) -> Result<Kernel, NamespaceError> {
    let kernel = Kernel::new(mtu)?;
    for address in [PEER_V4.into(), PEER_V6.into()] {
        listen(address).map_err(|why| NamespaceError::Setting {
            path: format!("port {LISTENING_PORT} of the kernel"),
            why,
        })?;
    }
    Ok(kernel)
}

/// Accepts connections and closes each when the stack has closed its side.
fn listen(address: IpAddr) -> io::Result<()> {
    let listener = TcpListener::bind((address, LISTENING_PORT))?;
    let serve = move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            // A row may end without a word to its peer: the connection goes with the program.
            let drain = move || io::copy(&mut stream, &mut io::sink());
            if thread::Builder::new().spawn(drain).is_err() {
                return;
            }
        }
    };
    thread::Builder::new().spawn(serve).map(drop)
}

struct TapStage {
    process: Arc<ThreadedProcess>,
    recording: SharedBuffer,
    epoch: Duration,
}

impl TapStage {
    fn new(
        configuration: &Configuration,
        row: &Row,
        timing: TimingChoice,
    ) -> Result<Self, Failure> {
        let failed = |error: StartError| Failure::Environment(error.to_string());
        let (link, descriptor) = open_released(configuration).map_err(failed)?;
        let recording = SharedBuffer::new();
        let now = SystemTime::now();
        let link = Box::new(Capture::new(link, recording.clone(), DEVICE, now));
        let process = start_on(configuration, link, descriptor, |config| {
            config.syn = syn_timing(row, timing);
            config.linger = LINGER;
        })
        .map_err(failed)?;
        let epoch = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
        let epoch = Duration::from_micros(u64::try_from(epoch).unwrap_or(u64::MAX));
        Ok(Self { process: Arc::new(process), recording, epoch })
    }
}

impl Stage for TapStage {
    type Engine = Threaded<FaultyLink>;

    fn process(&self) -> &Arc<Process<'static, Self::Engine>> {
        &self.process
    }

    fn recording(&self) -> Vec<u8> {
        self.recording.to_vec()
    }

    fn epoch(&self) -> Duration {
        self.epoch
    }

    fn later(&self, delay: Duration, act: Box<dyn FnOnce() + Send>) {
        thread::spawn(move || {
            thread::sleep(delay.into());
            act();
        });
    }

    fn let_peer_close(&self) {
        // It does so by itself.
    }

    fn faults(&self) -> Report {
        self.process.engine().with(|access| Report::of(access.stack.link().engine()))
    }

    fn take_link_away(&self) -> Result<(), Failure> {
        namespace::remove(DEVICE).map_err(|error| environment(&error))?;
        let end = Instant::now() + NOTICED;
        while self.process.engine().with(|access| access.stack.link().is_up()) {
            if Instant::now() > end {
                return Err(Failure::Told(
                    "the stack does not notice that its device is gone".into(),
                ));
            }
            thread::sleep(std::time::Duration::from_millis(5));
        }
        Ok(())
    }
}
