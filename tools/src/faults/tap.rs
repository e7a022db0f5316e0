//! Scenes on a TAP device, with the Linux kernel as the peer.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant as Clock;

use nix::sys::socket::{setsockopt, sockopt};
use tapsock_stack::fault::Engine;
use tapsock_stack::link::fault::Fault;
use tapsock_stack::link::{Link, LinkError};
use tapsock_stack::time::{Duration, Instant};
use wsa::Process;
use wsa::config::Configuration;
use wsa::engine::threaded::Threaded;
use wsa::start::{AnyLink, FaultyLink, StartError, ThreadedProcess, start_on};

use super::peer::{Log, Plan, Service};
use super::program::Scene;
use crate::output::Failure;
use crate::stage::tap::{Kernel, configured, environment, open_released};
use crate::stage::{LISTENING_PORT, PEER_V4, PEER_V6};

/// How long the process may take to end: nothing that it has sent matters any more.
const LINGER: Duration = Duration::from_millis(100);

/// Where the peer listens.
const ADDRESSES: [SocketAddr; 2] = [
    SocketAddr::new(IpAddr::V4(PEER_V4), LISTENING_PORT),
    SocketAddr::new(IpAddr::V6(PEER_V6), LISTENING_PORT),
];

/// A link that the runner looks into while the stack has it.
#[derive(Clone)]
struct Shared(Arc<Mutex<Fault<'static, AnyLink>>>);

impl Shared {
    fn link(&self) -> MutexGuard<'_, Fault<'static, AnyLink>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Link for Shared {
    fn mtu(&self) -> usize {
        self.link().mtu()
    }
    fn is_up(&self) -> bool {
        self.link().is_up()
    }
    fn is_gone(&self) -> bool {
        self.link().is_gone()
    }
    fn receive(&mut self, now: Instant, buffer: &mut [u8]) -> Result<Option<usize>, LinkError> {
        self.link().receive(now, buffer)
    }
    fn transmit(&mut self, now: Instant, frame: &[u8]) -> Result<(), LinkError> {
        self.link().transmit(now, frame)
    }
    fn poll_at(&self) -> Option<Instant> {
        self.link().poll_at()
    }
}

/// A process on a TAP device in a network namespace of this thread's own.
pub(super) struct TapScene {
    process: Arc<ThreadedProcess>,
    fault: Shared,
    peer: Peer,
}

impl TapScene {
    /// Enters a namespace, in which the kernel is the peer, and starts a process there whose
    /// device is broken as `engine` says.
    pub(super) fn new(
        configuration: &Configuration,
        engine: Engine<'static>,
        plan: Plan,
    ) -> Result<Self, Failure> {
        let failed = |error: StartError| Failure::Environment(error.to_string());
        Kernel::new(configuration.mtu).map_err(|error| environment(&error))?;
        let configuration = configured(configuration)?;
        let (link, descriptor) = open_released(&configuration).map_err(failed)?;
        let fault = Shared(Arc::new(Mutex::new(Fault::new(link, engine))));
        let link = Box::new(fault.clone());
        let process = start_on(&configuration, link, descriptor, |config| {
            config.linger = LINGER;
        })
        .map_err(failed)?;
        let process = Arc::new(process);
        let scene = Self { process, fault, peer: Peer::new(plan) };
        scene.peer.open()?;
        Ok(scene)
    }

    /// What breaks the link.
    pub(super) fn with_engine<R>(&self, look: impl FnOnce(&mut Engine<'static>) -> R) -> R {
        look(self.fault.link().engine_mut())
    }
}

impl Drop for TapScene {
    fn drop(&mut self) {
        self.peer.end();
    }
}

impl Scene for TapScene {
    type Engine = Threaded<FaultyLink>;

    fn process(&self) -> &Arc<Process<'static, Self::Engine>> {
        &self.process
    }

    fn log(&self) -> &Log {
        &self.peer.log
    }

    fn dial(&self) {
        let peer = self.peer.clone();
        // Without a thread nobody connects, and the result shows it.
        let _ = spawn(move || drop(peer.dial()));
    }

    fn later(&self, delay: Duration, act: Box<dyn FnOnce() + Send>) {
        let _ = spawn(move || {
            thread::sleep(delay.into());
            act();
        });
    }
}

fn refused(error: &io::Error) -> Failure {
    Failure::Environment(format!("the kernel does not listen on port {LISTENING_PORT}: {error}"))
}

fn spawn(act: impl FnOnce() + Send + 'static) -> Result<(), Failure> {
    let started = thread::Builder::new().spawn(act).map(drop);
    started.map_err(|error| Failure::Environment(format!("no thread can be had: {error}")))
}

/// The kernel's program. Its threads are in the namespace of the scene.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    plan: Plan,
    log: Log,
    over: Arc<AtomicBool>,
}

impl Peer {
    pub(super) fn new(plan: Plan) -> Self {
        Self { plan, log: Log::default(), over: Arc::default() }
    }

    /// Listens, for connections and for datagrams, when the plan says so.
    ///
    /// # Errors
    /// When the kernel has no port or no thread left.
    pub(super) fn open(&self) -> Result<(), Failure> {
        let Some(delay) = self.plan.listens else { return Ok(()) };
        for address in ADDRESSES {
            if delay == Duration::ZERO {
                self.listen(address).map_err(|error| refused(&error))?;
                continue;
            }
            let peer = self.clone();
            spawn(move || {
                thread::sleep(delay.into());
                // Nobody hears of a kernel that has no port left; the result shows it.
                let _ = peer.listen(address);
            })?;
        }
        Ok(())
    }

    /// Serves nobody any more.
    pub(super) fn end(&self) {
        self.over.store(true, Ordering::Release);
        // Whoever waits for a connection has one, and sees that it is over.
        for address in ADDRESSES {
            let _ = TcpStream::connect_timeout(&address, LINGER.into());
        }
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    fn listen(&self, address: SocketAddr) -> io::Result<()> {
        let datagrams = UdpSocket::bind(address)?;
        datagrams.set_read_timeout(Some(self.plan.patience.into()))?;
        let listener = TcpListener::bind(address)?;
        let peer = self.clone();
        thread::Builder::new().spawn(move || peer.answer(&datagrams))?;
        let peer = self.clone();
        thread::Builder::new().spawn(move || peer.accept(&listener))?;
        Ok(())
    }

    fn answer(&self, socket: &UdpSocket) {
        let mut datagram = [0; 65536];
        while let Ok((length, from)) = socket.recv_from(&mut datagram) {
            let _ = socket.send_to(&datagram[..length], from);
            if self.is_over() {
                return;
            }
        }
    }

    fn accept(&self, listener: &TcpListener) {
        for stream in listener.incoming() {
            let Ok(stream) = stream else { return };
            if self.is_over() {
                return;
            }
            let peer = self.clone();
            let serve = move || drop(peer.serve(stream, &peer.plan.service));
            if thread::Builder::new().spawn(serve).is_err() {
                return;
            }
        }
    }

    fn dial(&self) -> io::Result<()> {
        let stream = TcpStream::connect_timeout(&self.plan.dials, self.plan.patience.into())?;
        self.serve(stream, &Service::Ask(Arc::clone(&self.plan.sends)))
    }

    fn serve(&self, stream: TcpStream, service: &Service) -> io::Result<()> {
        let patience = Some(self.plan.patience.into());
        stream.set_read_timeout(patience)?;
        stream.set_write_timeout(patience)?;
        if let Some(time) = self.plan.forgets {
            return echo_until(stream, Clock::now() + time.into());
        }
        if self.plan.reads > Duration::ZERO {
            thread::sleep(self.plan.reads.into());
        }
        self.exchange(stream, service)
    }

    fn exchange(&self, mut stream: TcpStream, service: &Service) -> io::Result<()> {
        match service {
            Service::Echo => {
                let mut back = stream.try_clone()?;
                io::copy(&mut stream, &mut back)?;
            }
            Service::Collect => self.collect(&mut stream)?,
            Service::Give(data) => stream.write_all(data)?,
            Service::Ask(data) => {
                stream.write_all(data)?;
                stream.shutdown(Shutdown::Write)?;
                self.collect(&mut stream)?;
            }
        }
        Ok(())
    }

    fn collect(&self, stream: &mut TcpStream) -> io::Result<()> {
        let mut buffer = [0; 16384];
        loop {
            match stream.read(&mut buffer)? {
                0 => return Ok(()),
                length => self.log.keep(&buffer[..length]),
            }
        }
    }
}

/// Sends back what comes until `end`, and forgets the connection then.
fn echo_until(mut stream: TcpStream, end: Clock) -> io::Result<()> {
    let mut buffer = [0; 16384];
    loop {
        let left = end.saturating_duration_since(Clock::now());
        if left.is_zero() {
            // A socket under repair is closed without a word.
            return Ok(setsockopt(&stream, sockopt::TcpRepair, &1)?);
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(length) => stream.write_all(&buffer[..length])?,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}
