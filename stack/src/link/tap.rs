//! A TAP device of Linux, one frame a system call.
//!
//! With [`Tap::open_offloading`] the kernel completes checksums, cuts superframes of the stack's, and
//! gives superframes of its own, as it would to a network card; with [`Tap::open`] every frame is
//! as it would be on a wire.

// The one call below that a safe API does not offer.
#![allow(unsafe_code)]

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use core::fmt;
use core::ops::Range;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::{Mutex, PoisonError};

use rustix::fs::OFlags;
use rustix::io::Errno;
use smoltcp::time::{Duration, Instant};
use tun_tap::{Iface, Mode};

use super::interface::{Interface, InterfaceState};
use super::vnet::{Vnet, set_offload};
use super::{FrameMeta, Link, LinkError, Offload};

const NODE: &str = "/dev/net/tun";

/// IFNAMSIZ without its terminating zero.
const NAME_LIMIT: usize = 15;

/// How often [`Tap::receive`] asks whether the interface is still up and what its MTU is.
const REFRESH: Duration = Duration::from_secs(1);

/// A TAP device, opened for this stack alone. Dropping it closes the device, and removes it unless
/// it was made persistent.
///
/// To wait for frames, poll its file descriptor for reading. It never blocks.
#[derive(Debug)]
pub struct Tap {
    device: Device,
    name: String,
    interface: Mutex<Interface>,
    up: AtomicBool,
    /// The kernel said that there is no device behind the file any more.
    gone: AtomicBool,
    mtu: AtomicUsize,
    refresh_at: Instant,
}

/// How frames pass the device's file.
enum Device {
    /// As they are.
    Plain(Iface),
    /// Behind a header that says what is left to do.
    Offloading(Box<Vnet>),
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(iface) => iface.fmt(f),
            Self::Offloading(vnet) => vnet.offload().fmt(f),
        }
    }
}

impl Tap {
    /// Opens the TAP device called `name` in the network namespace of the calling thread; makes it
    /// when there is none. A `%d` in the name is replaced by a number that makes it new.
    ///
    /// A device that was just made is down and has no address at the kernel's side: see ip-link(8)
    /// and ip-address(8).
    ///
    /// # Errors
    /// [`TapError`], each with a sentence that says what to do.
    pub fn open(name: &str) -> Result<Self, TapError> {
        // Opened by itself first: the same error codes mean something else afterwards.
        drop(open_node(name)?);
        Self::plain(name)
    }

    /// The same with a kernel that does some of the stack's work: see [`Link::offload`]. One that
    /// refuses gives a plain device.
    ///
    /// # Errors
    /// As [`Tap::open`].
    pub fn open_offloading(name: &str) -> Result<Self, TapError> {
        match Vnet::attach(open_node(name)?, name) {
            Ok((vnet, name)) => Self::on(Device::Offloading(Box::new(vnet)), name),
            // Whatever is wrong with the name or the rights is found again.
            Err(_) => Self::plain(name),
        }
    }

    fn plain(name: &str) -> Result<Self, TapError> {
        let iface = Iface::without_packet_info(name, Mode::Tap)
            .map_err(|error| TapError::from_attach(error, name))?;
        iface.set_non_blocking().map_err(|source| TapError::other("unblock", name, source))?;
        let found = iface.name().to_string();
        let device = Device::Plain(iface);
        // The kernel remembers what the last program took that had this device, and would give
        // superframes without any header. One that cannot be told so has none.
        let _ = set_offload(device.as_fd(), 0);
        Self::on(device, found)
    }

    fn on(device: Device, name: String) -> Result<Self, TapError> {
        let (interface, state) =
            Interface::named(&name).map_err(|source| TapError::other("query", &name, source))?;
        let InterfaceState { index: _, up, mtu } = state;
        Ok(Self {
            device,
            name,
            interface: Mutex::new(interface),
            up: AtomicBool::new(up),
            gone: AtomicBool::new(false),
            mtu: AtomicUsize::new(mtu),
            refresh_at: Instant::ZERO,
        })
    }

    /// The name that the kernel gave it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many frames the kernel took only a part of, and so lost.
    pub fn short_writes(&self) -> u64 {
        match &self.device {
            Device::Plain(_) => 0,
            Device::Offloading(vnet) => vnet.short_writes(),
        }
    }

    /// Asks the kernel for the state and the MTU. Everything else here knows the last answer:
    /// asked every second while frames are received, after every error, and by
    /// [`Link::is_up`] as long as the device was down.
    pub fn refresh(&self) {
        let mut interface = self.interface.lock().unwrap_or_else(PoisonError::into_inner);
        match interface.state() {
            Ok(InterfaceState { index: _, up, mtu }) => {
                self.up.store(up, Ordering::Relaxed);
                self.mtu.store(mtu, Ordering::Relaxed);
            }
            // Deleted, moved to another namespace, or the namespace is gone.
            Err(_) => self.up.store(false, Ordering::Relaxed),
        }
    }

    /// What an error of a read or write means.
    fn failed(&self, error: &io::Error) -> LinkError {
        let again = [Errno::AGAIN, Errno::INTR, Errno::NOBUFS, Errno::NOMEM];
        if error.raw_os_error().is_some_and(|code| again.iter().any(|e| e.raw_os_error() == code)) {
            return LinkError::Busy;
        }
        // EIO: down. EBADFD: deleted, by itself or with its namespace.
        if error.raw_os_error() == Some(Errno::BADFD.raw_os_error()) {
            self.gone.store(true, Ordering::Relaxed);
        }
        self.refresh();
        LinkError::Down
    }

    fn refresh_now_and_then(&mut self, now: Instant) {
        if now >= self.refresh_at {
            self.refresh_at = now + REFRESH;
            self.refresh();
        }
    }

    fn received<T>(&self, result: io::Result<T>) -> Result<Option<T>, LinkError> {
        match result {
            Ok(received) => Ok(Some(received)),
            Err(error) => match self.failed(&error) {
                LinkError::Busy => Ok(None),
                LinkError::Down => Err(LinkError::Down),
            },
        }
    }
}

impl Link for Tap {
    fn mtu(&self) -> usize {
        self.mtu.load(Ordering::Relaxed)
    }

    fn is_up(&self) -> bool {
        if !self.up.load(Ordering::Relaxed) {
            self.refresh();
        }
        self.up.load(Ordering::Relaxed)
    }

    fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Relaxed)
    }

    fn receive(&mut self, now: Instant, buffer: &mut [u8]) -> Result<Option<usize>, LinkError> {
        self.refresh_now_and_then(now);
        let result = match &mut self.device {
            Device::Plain(iface) => iface.recv(buffer),
            Device::Offloading(vnet) => vnet.receive(buffer),
        };
        self.received(result)
    }

    fn transmit(&mut self, now: Instant, frame: &[u8]) -> Result<(), LinkError> {
        self.transmit_offloaded(now, frame, &FrameMeta::WHOLE)
    }

    fn poll_at(&self) -> Option<Instant> {
        match &self.device {
            Device::Offloading(vnet) if vnet.has_more() => Some(Instant::ZERO),
            _ => None,
        }
    }

    fn offload(&self) -> Offload {
        match &self.device {
            Device::Plain(_) => Offload::NONE,
            Device::Offloading(vnet) => vnet.offload(),
        }
    }

    fn receive_offloaded(
        &mut self,
        now: Instant,
        buffer: &mut [u8],
    ) -> Result<Option<(Range<usize>, FrameMeta)>, LinkError> {
        self.refresh_now_and_then(now);
        let result = match &mut self.device {
            Device::Plain(iface) => iface.recv(buffer).map(|length| (0..length, FrameMeta::WHOLE)),
            Device::Offloading(vnet) => vnet.receive_offloaded(buffer),
        };
        self.received(result)
    }

    fn transmit_offloaded(
        &mut self,
        _now: Instant,
        frame: &[u8],
        meta: &FrameMeta,
    ) -> Result<(), LinkError> {
        let result = match &mut self.device {
            Device::Plain(_) if !meta.is_whole() => return Err(LinkError::Busy),
            Device::Plain(iface) => iface.send(frame).map(|_| ()),
            Device::Offloading(vnet) => vnet.transmit(frame, meta),
        };
        result.map_err(|error| self.failed(&error))
    }
}

impl AsRawFd for Tap {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl AsFd for Tap {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.device.as_fd()
    }
}

impl AsFd for Device {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            // SAFETY: `iface` keeps the descriptor open as long as it lives, and the result borrows
            // from it. An open descriptor is never -1.
            Self::Plain(iface) => unsafe { BorrowedFd::borrow_raw(iface.as_raw_fd()) },
            Self::Offloading(vnet) => vnet.as_fd(),
        }
    }
}

fn open_node(name: &str) -> Result<File, TapError> {
    if !is_valid_name(name) {
        return Err(TapError::BadName(name.to_string()));
    }
    let mut options = File::options();
    let non_blocking = OFlags::NONBLOCK.bits() as i32;
    options
        .read(true)
        .write(true)
        .custom_flags(non_blocking)
        .open(NODE)
        .map_err(TapError::from_node)
}

/// Why a TAP device could not be opened.
#[derive(Debug)]
pub enum TapError {
    /// The kernel takes no interface of this name.
    BadName(String),
    /// There is no /dev/net/tun, or no driver behind it.
    NoNode(io::Error),
    /// /dev/net/tun may not be opened by this user.
    NodeDenied(io::Error),
    /// This user may not make the device, or it belongs to another.
    NotPermitted(String),
    /// Another process, or another stack of this one, has it open.
    InUse(String),
    /// There is an interface of this name, and it is no TAP device for one process.
    NotTap(String),
    /// Anything else.
    Other {
        /// What was tried.
        action: &'static str,
        /// The name of the device.
        name: String,
        /// What the kernel said.
        source: io::Error,
    },
}

impl TapError {
    fn from_node(error: io::Error) -> Self {
        match errno(&error) {
            Some(Errno::NOENT | Errno::NXIO | Errno::NODEV) => Self::NoNode(error),
            // EPERM is what the device rules of a container say.
            Some(Errno::ACCESS | Errno::PERM) => Self::NodeDenied(error),
            _ => Self::other("open", NODE, error),
        }
    }

    fn from_attach(error: io::Error, name: &str) -> Self {
        match errno(&error) {
            Some(Errno::PERM) => Self::NotPermitted(name.to_string()),
            Some(Errno::BUSY) => Self::InUse(name.to_string()),
            Some(Errno::INVAL) => Self::NotTap(name.to_string()),
            _ => Self::other("attach to", name, error),
        }
    }

    fn other(action: &'static str, name: &str, source: io::Error) -> Self {
        Self::Other { action, name: name.to_string(), source }
    }
}

impl fmt::Display for TapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadName(name) => write!(
                f,
                "{name:?} is no name of an interface: choose one of 1 to {NAME_LIMIT} letters, \
                 digits, '-', '_' or '.', such as \"tap0\""
            ),
            Self::NoNode(error) => write!(
                f,
                "there is no {NODE} ({error}): run `sudo modprobe tun`, or give the container \
                 the device with `--device {NODE}`"
            ),
            Self::NodeDenied(error) => write!(
                f,
                "this user may not open {NODE} ({error}): run as root, or let everybody open it \
                 with `sudo chmod 0666 {NODE}`"
            ),
            Self::NotPermitted(name) => write!(
                f,
                "there is no TAP device {name} that belongs to this user, and CAP_NET_ADMIN is \
                 missing: run as root, or make it yours with `sudo ip tuntap del dev {name} mode \
                 tap; sudo ip tuntap add dev {name} mode tap user $USER`"
            ),
            Self::InUse(name) => write!(
                f,
                "the TAP device {name} is in use by another process: end that process or choose \
                 another name"
            ),
            Self::NotTap(name) => write!(
                f,
                "the interface {name} exists and is no TAP device for a single process: choose \
                 another name"
            ),
            Self::Other { action, name, source } => {
                write!(f, "could not {action} the TAP device {name}: {source}")
            }
        }
    }
}

impl core::error::Error for TapError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::NoNode(source) | Self::NodeDenied(source) | Self::Other { source, .. } => {
                Some(source)
            }
            Self::BadName(_) | Self::NotPermitted(_) | Self::InUse(_) | Self::NotTap(_) => None,
        }
    }
}

fn errno(error: &io::Error) -> Option<Errno> {
    error.raw_os_error().map(Errno::from_raw_os_error)
}

/// What the kernel's dev_valid_name accepts, in ASCII: anything else only confuses.
fn is_valid_name(name: &str) -> bool {
    let is_printable = |byte: u8| byte.is_ascii_graphic() && byte != b'/' && byte != b':';
    !name.is_empty()
        && name.len() <= NAME_LIMIT
        && name != "."
        && name != ".."
        && name.bytes().all(is_printable)
}
