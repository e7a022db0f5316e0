//! The stage on a TAP device, with the Linux kernel as the peer and as the router.
//!
//! Several rows are provoked at a time, each by a worker that has a network namespace to itself,
//! so that three seconds of silence here do not hold up the rows there. Where a row only awaits
//! silence, the SYN schedule is the fast one.

use std::io;
use std::net::{IpAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use tapsock_stack::config::Route;
use tapsock_stack::link::Link;
use tapsock_stack::link::capture::{Capture, SharedBuffer};
use tapsock_stack::link::tap::TapError;
use tapsock_stack::time::Duration;
use tapsock_stack::wire::IpCidr;
use wsa::Process;
use wsa::config::{Configuration, KERNEL_V4, KERNEL_V6, STACK_V4, STACK_V6, TimingChoice};
use wsa::engine::Engine;
use wsa::engine::threaded::Threaded;
use wsa::start::{AnyLink, FaultyLink, StartError, ThreadedProcess, open_link, start_on};

use super::row::{Ip, Pace, Row};
use super::stage::{LISTENING_PORT, PEER_V4, PEER_V6, Party, ROUTED, Stage};
use super::{Medium, Outcome, outcome, rows, syn_timing};
use crate::namespace::{self, DEVICE, Fate, NamespaceError};
use crate::output::Failure;

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
        None => kernel.insert(Kernel::new(configuration.mtu).map_err(|error| environment(&error))?),
    };
    kernel.ensure_device().map_err(|error| environment(&error))?;

    let mut configuration = configuration.clone();
    configuration.addresses = vec![STACK_V4, STACK_V6];
    configuration.gateways = Vec::new();
    configuration.routes = routes()?;
    configuration.capture = None;
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

fn environment(error: &NamespaceError) -> Failure {
    Failure::Environment(error.to_string())
}

fn routes() -> Result<Vec<Route>, Failure> {
    let mut routes = Vec::new();
    for (_, ip, prefix) in ROUTED {
        let gateway = if ip == Ip::V4 { KERNEL_V4.address() } else { KERNEL_V6.address() };
        routes.push(Route { destination: prefix_of(prefix)?, gateway: Some(gateway) });
    }
    Ok(routes)
}

fn prefix_of(text: &str) -> Result<IpCidr, Failure> {
    text.parse().map_err(|()| Failure::Told(format!("{text} is no prefix")))
}

/// The kernel in the namespace of a worker.
struct Kernel {
    mtu: usize,
}

impl Kernel {
    /// Enters a namespace and makes the kernel a peer and a router in it.
    fn new(mtu: usize) -> Result<Self, NamespaceError> {
        namespace::enter()?;
        namespace::make_tap(DEVICE, mtu, &[KERNEL_V4, KERNEL_V6])?;
        namespace::forward()?;
        for (party, ip, prefix) in ROUTED {
            let fate = match (party, ip) {
                (Party::NoWayOn, Ip::V4) => Fate::Throw,
                // The kernel has no host unreachable for IPv6: this is 1/0 as well.
                (Party::NoWayOn, Ip::V6) | (Party::HostUnreachable, _) => Fate::Unreachable,
                (Party::Prohibited, _) => Fate::Prohibit,
                _ => Fate::Blackhole,
            };
            if let Ok(prefix) = prefix.parse() {
                namespace::add_route(fate, prefix)?;
            }
        }
        for address in [PEER_V4.into(), PEER_V6.into()] {
            Self::listen(address).map_err(|why| NamespaceError::Setting {
                path: format!("port {LISTENING_PORT} of the kernel"),
                why,
            })?;
        }
        Ok(Self { mtu })
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

    /// Makes the device again after a row has taken it away.
    fn ensure_device(&self) -> Result<(), NamespaceError> {
        if namespace::ip(&format!("link show dev {DEVICE}")).is_ok() {
            return Ok(());
        }
        namespace::make_tap(DEVICE, self.mtu, &[KERNEL_V4, KERNEL_V6])
    }
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

/// Opens the device, which the row before has given back. A program that another worker starts
/// holds every descriptor of this process for a moment, until it is itself.
fn open_released(configuration: &Configuration) -> Result<(AnyLink, Option<OwnedFd>), StartError> {
    let end = Instant::now() + NOTICED;
    loop {
        match open_link(configuration, Some(DEVICE)) {
            Err(StartError::Tap(TapError::InUse(_))) if Instant::now() < end => {
                thread::sleep(std::time::Duration::from_millis(5));
            }
            other => return other,
        }
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
