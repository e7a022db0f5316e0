//! A process on a link of the operating system, as a configuration describes it.
//!
//! ```no_run
//! use std::net::SocketAddr;
//!
//! use wsa::config::{Configuration, Given};
//! use wsa::constants::{AF_INET, IPPROTO_TCP, SOCK_STREAM};
//! use wsa::{Arg, sockaddr};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // What TAPSOCK_LINK=tap:tapsock0 and the other variables say.
//! let configuration = Configuration::read(&Given::default())?;
//! let process = wsa::start::start(&configuration, None, |_| {})?;
//! process.wsa_startup(0x0202);
//! let s = process.socket(AF_INET, SOCK_STREAM, IPPROTO_TCP)?;
//!
//! let peer: SocketAddr = "10.77.0.1:80".parse()?;
//! let name = sockaddr(peer);
//! let (data, qos) = (Arg::Null, Arg::Null);
//! match process.wsa_connect(s, name.memory(), name.len(), data, Arg::Null, qos, Arg::Null) {
//!     Ok(()) => println!("connected"),
//!     Err(error) => match process.last_cause() {
//!         Some(cause) => println!("{error}, because {cause}"),
//!         None => println!("{error}: decided by the call alone"),
//!     },
//! }
//! # Ok(())
//! # }
//! ```

use std::boxed::Box;
use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::string::{String, ToString};
use std::time::SystemTime;
use std::vec::Vec;

use tapsock_stack::Stack;
use tapsock_stack::config::Config;
use tapsock_stack::fault::text::{Clock, Document};
use tapsock_stack::fault::{Engine, Memory, Script};
use tapsock_stack::link::capture::Capture;
use tapsock_stack::link::fault::Fault;
use tapsock_stack::link::tap::{Tap, TapError};
use tapsock_stack::link::tape::{ClockMode, EventLog, Heading, Tape};
use tapsock_stack::link::{Link, NoLink};
use tapsock_stack::storage::Growable;
use tapsock_stack::time::Instant;

use crate::config::{Configuration, LinkChoice, OffloadChoice};
use crate::control::Control;
use crate::engine::threaded::{Handle, Threaded};
use crate::process::{Core, Process};
use crate::recording::Recording;

/// Any link that a thread may carry along.
pub type AnyLink = Box<dyn Link + Send>;

/// A link that a script may break, also while it is in use.
pub type FaultyLink = Fault<'static, AnyLink>;

/// A process whose calls may come from any thread.
pub type ThreadedProcess = Process<'static, Threaded<FaultyLink>>;

/// Why there is no process. Displayed as one sentence that says what to do.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// The TAP device cannot be had.
    Tap(TapError),
    /// A private namespace is asked for, or nothing is, and nobody has entered one.
    NoDevice,
    /// The TAP device of this name is down, or was not there before.
    Down(String),
    /// The capture file cannot be written.
    Capture(PathBuf, io::Error),
    /// The system refuses a descriptor or a thread.
    System(io::Error),
    /// The system's random numbers cannot be had.
    NoSeed(io::Error),
    /// There are more addresses or routes than the stack takes.
    Exhausted,
    /// The fault script cannot be read.
    Script(PathBuf, io::Error),
    /// The fault script says something that cannot be. The text shows where.
    Faults(String),
    /// The events of the faults cannot be written.
    Events(PathBuf, io::Error),
    /// The control socket cannot be served.
    Control(PathBuf, io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tap(error) => error.fmt(f),
            Self::NoDevice => f.write_str(
                "there is no link: set TAPSOCK_LINK to tap:NAME (scripts/tap up makes one) or to \
                 loopback; private is for the command tapsock alone",
            ),
            Self::Down(name) => write!(f, "{name} is down; run: sudo scripts/tap up {name}"),
            Self::Capture(path, error) => {
                write!(f, "the capture {} cannot be written: {error}", path.display())
            }
            Self::System(error) => write!(f, "the system refuses a descriptor or thread: {error}"),
            Self::NoSeed(error) => {
                write!(f, "the system gives no random numbers ({error}); name a seed")
            }
            Self::Exhausted => f.write_str("there are too many addresses or routes"),
            Self::Script(path, error) => {
                write!(f, "the fault script {} cannot be read: {error}", path.display())
            }
            Self::Faults(why) => f.write_str(why),
            Self::Events(path, error) => {
                write!(f, "the events {} cannot be written: {error}", path.display())
            }
            Self::Control(path, error) if error.kind() == io::ErrorKind::AddrInUse => write!(
                f,
                "{} is in use by another program or is no socket; name another control socket",
                path.display()
            ),
            Self::Control(path, error) => {
                write!(f, "the control socket {} cannot be made: {error}", path.display())
            }
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Tap(error) => Some(error),
            Self::Capture(_, error)
            | Self::Script(_, error)
            | Self::Events(_, error)
            | Self::Control(_, error)
            | Self::System(error)
            | Self::NoSeed(error) => Some(error),
            Self::NoDevice | Self::Down(_) | Self::Exhausted | Self::Faults(_) => None,
        }
    }
}

impl From<TapError> for StartError {
    fn from(error: TapError) -> Self {
        Self::Tap(error)
    }
}

/// A fault script with whatever it has in its sections `[scenario]` and `[expect]`, which mean
/// nothing here.
pub type FaultDocument = Document<toml::Table, toml::Table>;

/// The fault script that a configuration names, with its rules behind those of the script. `None`
/// when there are neither.
///
/// # Errors
/// [`StartError::Script`] and [`StartError::Faults`].
pub fn read_faults(configuration: &Configuration) -> Result<Option<FaultDocument>, StartError> {
    let Configuration { faults, fault, .. } = configuration;
    let mut document = match faults {
        None if fault.is_empty() => return Ok(None),
        None => FaultDocument::default(),
        Some(path) => {
            let text = fs::read_to_string(path)
                .map_err(|error| StartError::Script(path.clone(), error))?;
            FaultDocument::parse(&text).map_err(|error| {
                StartError::Faults(error.in_file(path.to_string_lossy()).to_string())
            })?
        }
    };
    document.rules.extend_from_slice(fault);
    // What is parsed has names once each, but not together with other rules.
    engine(document.script(0), Memory::growable(document.rules.len(), 0, 0, 0))?;
    Ok(Some(document))
}

/// The faults that a configuration asks for.
#[derive(Debug)]
pub struct Faults {
    /// What breaks the link. Its time begins with that of the process's stack.
    pub engine: Engine<'static>,
    /// The script with the rules of the configuration, as text.
    pub script: String,
}

/// Rules that may be added while a stack runs.
const RULES_LATER: usize = 64;
/// Flows whose frames are counted apart.
const FLOWS: usize = 1024;
/// Frames that are held back at a time.
const FRAMES: usize = 4096;
/// An Ethernet header with a VLAN tag, in bytes.
const HEADER: usize = 18;

impl Faults {
    /// `None` when there are neither a script nor rules, and no control socket through which rules
    /// could come. Where the configuration names no seed it gets that of the script.
    fn read(configuration: &mut Configuration) -> Result<Option<Self>, StartError> {
        let mut document = match read_faults(configuration)? {
            Some(document) => document,
            None if configuration.control.is_some() => FaultDocument::default(),
            None => return Ok(None),
        };
        // Here frames do not come in the same order twice.
        document.clock.get_or_insert(Clock::Real);
        let seed = match configuration.seed.or(document.seed) {
            Some(seed) => seed,
            None => draw_seed().map_err(StartError::NoSeed)?,
        };
        (configuration.seed, document.seed) = (Some(seed), Some(seed));
        let script = document.script(seed);
        let rules = script.rules.len() + RULES_LATER;
        let memory = Memory::growable(rules, FLOWS, FRAMES, configuration.mtu + HEADER);
        let engine = engine(script, memory)?;
        Ok(Some(Self { engine, script: document.to_string() }))
    }

    /// Records both sides as pcapng, from now on. `link` is its name there.
    pub fn record(
        &mut self,
        configuration: &Configuration,
        link: &str,
        writer: impl Write + Send + 'static,
    ) -> Tape {
        Tape::start(&mut self.engine, writer, &heading(configuration, link, &self.script))
    }
}

fn engine(script: Script<'static>, memory: Memory<'static>) -> Result<Engine<'static>, StartError> {
    Engine::new(script, memory, Instant::ZERO)
        .map_err(|error| StartError::Faults(error.to_string()))
}

/// A process that is about to be made.
#[derive(Debug)]
pub struct Start {
    configuration: Configuration,
    seed: u64,
    faults: Option<Faults>,
    recordings: Vec<Recording>,
}

impl Start {
    /// Reads the fault script, if the configuration names one, and draws a seed, if it names none.
    ///
    /// # Errors
    /// [`StartError::Script`], [`StartError::Faults`], [`StartError::NoSeed`].
    pub fn new(configuration: &Configuration) -> Result<Self, StartError> {
        let mut configuration = configuration.clone();
        let faults = Faults::read(&mut configuration)?;
        if configuration.link == LinkChoice::Loopback
            && faults.as_ref().is_some_and(|faults| !faults.engine.rules().is_empty())
        {
            return Err(StartError::Faults(
                "rules break a link, and loopback has none; name a TAP device with --link or \
                 TAPSOCK_LINK, or leave the rules out"
                    .into(),
            ));
        }
        let seed = match configuration.seed {
            Some(seed) => seed,
            None => draw_seed().map_err(StartError::NoSeed)?,
        };
        Ok(Self { configuration, seed, faults, recordings: Vec::new() })
    }

    /// What breaks the link; `None` where nothing does and nothing can be added. An observer of
    /// the engine hears of every frame.
    pub fn faults(&mut self) -> Option<&mut Faults> {
        self.faults.as_mut()
    }

    /// Opens the link that the configuration names, and the capture if it names one.
    ///
    /// # Errors
    /// As [`StartError`] says.
    pub fn open(
        mut self,
        private: Option<&str>,
        adjust: impl FnOnce(&mut Config),
    ) -> Result<ThreadedProcess, StartError> {
        let (mut link, descriptor) = open_link(&self.configuration, private)?;
        if let Some(path) = &self.configuration.capture {
            let (file, recording) = Recording::create(path)
                .map_err(|error| StartError::Capture(path.clone(), error))?;
            self.recordings.push(recording);
            let name = interface(&self.configuration, private);
            // The stack's clock starts when the engine is made, which is now, to some
            // microseconds.
            if let Some(faults) = &mut self.faults {
                faults.record(&self.configuration, &name, file);
            } else {
                let now = SystemTime::now();
                link = Box::new(Capture::new(link, file, &name, now).in_real_time());
            }
        }
        self.on(link, descriptor, adjust)
    }

    /// Lets a recording of the caller's be found among the attached ones of the engine
    /// ([`Threaded::attached`]).
    pub fn keep(&mut self, recording: Recording) {
        self.recordings.push(recording);
    }

    /// Starts on a link of the caller's, such as one that [`open_link`] gave and a decorator wraps.
    /// `descriptor` becomes readable when a frame has arrived. The configuration's link and capture
    /// do not count.
    ///
    /// # Errors
    /// As [`StartError`] says.
    pub fn on(
        self,
        link: AnyLink,
        descriptor: Option<OwnedFd>,
        adjust: impl FnOnce(&mut Config),
    ) -> Result<ThreadedProcess, StartError> {
        let Self { configuration, seed, faults, mut recordings } = self;
        let mut config = configuration.stack(seed);
        adjust(&mut config);
        let core = Core::new().with_profile(configuration.profile.profile());
        let (mut engine, script) = match faults {
            Some(Faults { engine, script }) => (engine, script),
            None => (engine(Script::new(0), Memory::growable(0, 0, 0, 0))?, String::new()),
        };
        let log = match &configuration.events {
            Some(path) => {
                let (file, recording) = Recording::create(path)
                    .map_err(|error| StartError::Events(path.clone(), error))?;
                recordings.push(recording);
                Some(EventLog::start(&mut engine, file, &heading(&configuration, "", &script)))
            }
            None => None,
        };
        let link = Fault::new(link, engine);
        let mut complete = true;
        let engine = Threaded::new(core, descriptor, |now| {
            let mut stack = Stack::new(config, link, Growable::default(), now);
            complete = furnish(&mut stack, &configuration);
            stack
        })
        .map_err(StartError::System)?;
        if !complete {
            return Err(StartError::Exhausted);
        }
        engine.set_spin(configuration.spin);
        // In the order in which they end: nothing changes any more when the report is made.
        if let Some(path) = &configuration.control {
            let control = Control::serve(path, engine.handle())
                .map_err(|error| StartError::Control(path.clone(), error))?;
            engine.attach(control);
        }
        // For whoever wants to know at the end whether everything is in them.
        for recording in recordings {
            engine.attach(recording);
        }
        if let Some(log) = log {
            engine.attach(Report { handle: engine.handle(), log });
        }
        Ok(Process::new(engine))
    }
}

/// Tells at the end how all rules have fared.
#[derive(Debug)]
struct Report {
    handle: Handle<FaultyLink>,
    log: EventLog,
}

impl Drop for Report {
    fn drop(&mut self) {
        self.handle.with(|access| access.stack.link_mut().engine_mut().tell_report(access.now));
        if let Some(error) = self.log.flush().err() {
            log::warn!("the events of the faults are incomplete: {error}");
        }
    }
}

/// What a recording of both sides says about itself: the stack's clock starts about now.
fn heading<'h>(configuration: &Configuration, link: &'h str, script: &'h str) -> Heading<'h> {
    let (clock, epoch, mtu) = (ClockMode::Real, SystemTime::now(), configuration.mtu);
    Heading { link, clock, epoch, mtu, ..Heading::new(script) }
}

/// A process on what `configuration` describes, on which WSAStartup was not called yet.
///
/// `private` is the TAP device of the private namespace that the program has entered, for a
/// configuration that names no link. The capture, if one is named, is a file; where faults are
/// possible it shows both sides of them ([`Tape`]). `adjust` may change what the stack is told.
///
/// # Errors
/// As [`StartError`] says.
pub fn start(
    configuration: &Configuration,
    private: Option<&str>,
    adjust: impl FnOnce(&mut Config),
) -> Result<ThreadedProcess, StartError> {
    Start::new(configuration)?.open(private, adjust)
}

/// The same on a link of the caller's: [`Start::on`].
///
/// # Errors
/// As [`StartError`] says.
pub fn start_on(
    configuration: &Configuration,
    link: AnyLink,
    descriptor: Option<OwnedFd>,
    adjust: impl FnOnce(&mut Config),
) -> Result<ThreadedProcess, StartError> {
    Start::new(configuration)?.on(link, descriptor, adjust)
}

fn furnish(
    stack: &mut Stack<'static, FaultyLink, Growable>,
    configuration: &Configuration,
) -> bool {
    let addresses = configuration.addresses.iter().all(|&own| stack.add_address(own).is_ok());
    addresses && configuration.all_routes().all(|route| stack.add_route(route).is_ok())
}

/// The link that a configuration names, and what becomes readable when a frame has arrived.
/// `private` is as for [`start`].
///
/// # Errors
/// [`StartError::Tap`], [`StartError::NoDevice`], [`StartError::Down`], [`StartError::System`].
pub fn open_link(
    configuration: &Configuration,
    private: Option<&str>,
) -> Result<(AnyLink, Option<OwnedFd>), StartError> {
    let name = match &configuration.link {
        LinkChoice::Loopback => return Ok((Box::new(NoLink), None)),
        LinkChoice::Tap(name) => name.as_str(),
        LinkChoice::Private => private.ok_or(StartError::NoDevice)?,
    };
    let tap = match configuration.offload {
        OffloadChoice::On => Tap::open_offloading(name)?,
        OffloadChoice::Off => Tap::open(name)?,
    };
    if !tap.is_up() {
        return Err(StartError::Down(name.into()));
    }
    let descriptor = tap.as_fd().try_clone_to_owned().map_err(StartError::System)?;
    Ok((Box::new(tap), Some(descriptor)))
}

/// What the link of a configuration is called in a capture. `private` is as for [`start`].
pub fn interface(configuration: &Configuration, private: Option<&str>) -> String {
    match &configuration.link {
        LinkChoice::Loopback => "loopback".into(),
        LinkChoice::Tap(name) => name.clone(),
        LinkChoice::Private => private.unwrap_or("private").into(),
    }
}

/// A seed that nobody can guess.
fn draw_seed() -> io::Result<u64> {
    let mut seed = [0; 8];
    let mut filled = 0;
    while filled < seed.len() {
        let flags = rustix::rand::GetRandomFlags::empty();
        filled += rustix::rand::getrandom(&mut seed[filled..], flags)?;
    }
    Ok(u64::from_le_bytes(seed))
}
