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
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::string::String;
use std::time::SystemTime;

use tapsock_stack::Stack;
use tapsock_stack::config::Config;
use tapsock_stack::link::capture::Capture;
use tapsock_stack::link::tap::{Tap, TapError};
use tapsock_stack::link::{Link, NoLink};
use tapsock_stack::storage::Growable;

use crate::config::{Configuration, LinkChoice};
use crate::engine::threaded::Threaded;
use crate::process::{Core, Process};

/// Any link that a thread may carry along.
pub type AnyLink = Box<dyn Link + Send>;

/// A process whose calls may come from any thread.
pub type ThreadedProcess = Process<'static, Threaded<AnyLink>>;

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
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Tap(error) => Some(error),
            Self::Capture(_, error) | Self::System(error) | Self::NoSeed(error) => Some(error),
            Self::NoDevice | Self::Down(_) | Self::Exhausted => None,
        }
    }
}

impl From<TapError> for StartError {
    fn from(error: TapError) -> Self {
        Self::Tap(error)
    }
}

/// A process on what `configuration` describes, on which WSAStartup was not called yet.
///
/// `private` is the TAP device of the private namespace that the program has entered, for a
/// configuration that names no link. The capture, if one is named, is a file. `adjust` may change
/// what the stack is told.
///
/// # Errors
/// As [`StartError`] says.
pub fn start(
    configuration: &Configuration,
    private: Option<&str>,
    adjust: impl FnOnce(&mut Config),
) -> Result<ThreadedProcess, StartError> {
    let (link, descriptor) = open_link(configuration, private)?;
    let link: AnyLink = match &configuration.capture {
        Some(path) => record(link, path, &interface(configuration, private))?,
        None => link,
    };
    start_on(configuration, link, descriptor, adjust)
}

/// The same on a link of the caller's, such as one that [`open_link`] gave and a decorator wraps.
/// `descriptor` becomes readable when a frame has arrived. The configuration's link and capture
/// do not count.
///
/// # Errors
/// As [`StartError`] says.
pub fn start_on(
    configuration: &Configuration,
    link: AnyLink,
    descriptor: Option<OwnedFd>,
    adjust: impl FnOnce(&mut Config),
) -> Result<ThreadedProcess, StartError> {
    let seed = match configuration.seed {
        Some(seed) => seed,
        None => draw_seed().map_err(StartError::NoSeed)?,
    };
    let mut config = configuration.stack(seed);
    adjust(&mut config);
    let core = Core::new().with_profile(configuration.profile.profile());
    let mut complete = true;
    let engine = Threaded::new(core, descriptor, |now| {
        let mut stack = Stack::new(config, link, Growable::default(), now);
        complete = furnish(&mut stack, configuration);
        stack
    })
    .map_err(StartError::System)?;
    if complete { Ok(Process::new(engine)) } else { Err(StartError::Exhausted) }
}

fn furnish(stack: &mut Stack<'static, AnyLink, Growable>, configuration: &Configuration) -> bool {
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
    let tap = Tap::open(name)?;
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

fn record(link: AnyLink, path: &Path, interface: &str) -> Result<AnyLink, StartError> {
    let error = |error| StartError::Capture(path.into(), error);
    // Without a buffer: however the program ends, what has passed is in the file.
    let file = File::create(path).map_err(error)?;
    // The stack's clock starts when the engine is made, which is now, to some microseconds.
    Ok(Box::new(Capture::new(link, file, interface, SystemTime::now()).in_real_time()))
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
