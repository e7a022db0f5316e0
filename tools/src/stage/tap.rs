//! The network on a TAP device, with the Linux kernel as the peer and as the router.

use std::fs;
use std::os::fd::OwnedFd;
use std::thread;
use std::time::{Duration, Instant};

use tapsock_stack::config::Route;
use tapsock_stack::link::tap::TapError;
use tapsock_stack::wire::IpCidr;
use wsa::config::{Configuration, KERNEL_V4, KERNEL_V6, STACK_V4, STACK_V6};
use wsa::start::{AnyLink, StartError, open_link};

use super::{Ip, Party, ROUTED};
use crate::namespace::{self, DEVICE, Fate, NamespaceError};
use crate::output::Failure;

/// How long a device that was given back may be held by a program that is being started.
const RELEASED: Duration = Duration::from_secs(3);

/// The kernel in the namespace of this thread, which serves nobody yet.
#[derive(Debug)]
pub(crate) struct Kernel {
    mtu: usize,
}

impl Kernel {
    /// Enters a namespace and makes the kernel a peer and a router in it.
    ///
    /// # Errors
    /// As [`namespace`] says.
    pub(crate) fn new(mtu: usize) -> Result<Self, NamespaceError> {
        namespace::enter()?;
        namespace::make_tap(DEVICE, mtu, &[KERNEL_V4, KERNEL_V6])?;
        await_neighbor_discovery();
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
        Ok(Self { mtu })
    }

    /// Makes the device again after a scene has taken it away.
    ///
    /// # Errors
    /// As [`namespace`] says.
    pub(crate) fn ensure_device(&self) -> Result<(), NamespaceError> {
        if namespace::ip(&format!("link show dev {DEVICE}")).is_ok() {
            return Ok(());
        }
        namespace::make_tap(DEVICE, self.mtu, &[KERNEL_V4, KERNEL_V6])
    }
}

/// Waits until the kernel hears solicitations for its IPv6 address: it joins the group for them
/// (RFC 4291, section 2.7.1) some time after it has the address, and until then a scene would see
/// a silent neighbor.
fn await_neighbor_discovery() {
    // ff02::1:ff00:1, the group of fd77::1.
    const GROUP: &str = "ff0200000000000000000001ff000001";
    let end = Instant::now() + RELEASED;
    while Instant::now() < end {
        match fs::read_to_string("/proc/thread-self/net/igmp6") {
            Ok(groups) if !groups.contains(GROUP) => thread::sleep(Duration::from_millis(1)),
            _ => return,
        }
    }
}

/// `configuration` with the addresses and routes of this stage, and without files and faults: who
/// plays on it has its own.
///
/// # Errors
/// Only when this program is wrong.
pub(crate) fn configured(configuration: &Configuration) -> Result<Configuration, Failure> {
    let mut configuration = configuration.clone();
    configuration.addresses = vec![STACK_V4, STACK_V6];
    configuration.gateways = Vec::new();
    configuration.routes = routes()?;
    configuration.capture = None;
    configuration.faults = None;
    configuration.fault = Vec::new();
    configuration.events = None;
    configuration.control = None;
    Ok(configuration)
}

/// What a missing right or device means.
pub(crate) fn environment(error: &NamespaceError) -> Failure {
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

/// Opens the device, which the scene before has given back. A program that another worker starts
/// holds every descriptor of this process for a moment, until it is itself.
///
/// # Errors
/// As [`open_link`].
pub(crate) fn open_released(
    configuration: &Configuration,
) -> Result<(AnyLink, Option<OwnedFd>), StartError> {
    let end = Instant::now() + RELEASED;
    loop {
        match open_link(configuration, Some(DEVICE)) {
            Err(StartError::Tap(TapError::InUse(_))) if Instant::now() < end => {
                thread::sleep(Duration::from_millis(5));
            }
            other => return other,
        }
    }
}
