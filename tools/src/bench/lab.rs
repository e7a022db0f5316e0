//! The namespaces and devices of a benchmark.
//!
//! This process lives in a namespace of its own, in which the kernel is everybody's peer. Four
//! ways lead to it: a TAP device that offloads, a plain one, a veth pair to a second namespace,
//! where the kernel is the one that is measured, and a relay, behind which is our stack or the kernel
//! of a third. Nothing of it outlives the process.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::thread;

use nix::sched::{CloneFlags, setns};
use tapsock_stack::link::tap::Tap;
use tapsock_stack::wire::{EthernetAddress, IpCidr};
use wsa::config::DEFAULT_MTU;

use super::trouble::Trouble;
use crate::namespace;

/// A way to the peer in this process's namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// For our own stack.
    Own,
    /// For stacks that know no offloading.
    Plain,
    /// For the kernel.
    Veth,
    /// Through a relay, for whoever is to meet losses. Of IPv4 alone.
    Relay,
}

/// A version of IP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6,
}

impl Way {
    /// The device in this process's namespace.
    pub(super) const fn device(self) -> &'static str {
        match self {
            Self::Own => "own0",
            Self::Plain => "plain0",
            Self::Veth => "veth0",
            Self::Relay => "relay0",
        }
    }

    const fn number(self) -> u8 {
        match self {
            Self::Own => 77,
            Self::Plain => 78,
            Self::Veth => 79,
            Self::Relay => 80,
        }
    }

    fn host(self, family: Family, host: u8) -> IpAddr {
        match family {
            Family::V4 => Ipv4Addr::new(10, self.number(), 0, host).into(),
            Family::V6 => {
                let prefix = 0xfd00 | u16::from(self.number());
                Ipv6Addr::new(prefix, 0, 0, 0, 0, 0, 0, host.into()).into()
            }
        }
    }

    /// The peer's address, as the measured side sees it.
    pub(super) fn peer(self, family: Family) -> IpAddr {
        self.host(family, 1)
    }

    /// The measured side's address.
    pub(super) fn own(self, family: Family) -> IpAddr {
        self.host(family, 2)
    }

    /// The same two with the length of their prefix.
    fn sides(self, host: u8) -> Vec<IpCidr> {
        let families: &[(Family, u8)] = match self {
            Self::Relay => &[(Family::V4, 24)],
            _ => &[(Family::V4, 24), (Family::V6, 64)],
        };
        let side = |&(family, length)| IpCidr::new(self.host(family, host).into(), length);
        families.iter().map(side).collect()
    }

    /// The measured side's addresses with their prefixes.
    pub(super) fn own_sides(self) -> Vec<IpCidr> {
        self.sides(2)
    }
}

impl Family {
    /// Any address and any port.
    pub(super) fn unspecified(self) -> SocketAddr {
        match self {
            Self::V4 => (Ipv4Addr::UNSPECIFIED, 0).into(),
            Self::V6 => (Ipv6Addr::UNSPECIFIED, 0).into(),
        }
    }
}

/// The namespaces of a run.
#[derive(Debug)]
pub(super) struct Lab {
    /// Where the measured kernel lives.
    far: OwnedFd,
    /// Where it lives behind a relay, with [`RELAYED`].
    relayed: OwnedFd,
}

/// The Ethernet address of our own stack.
pub(super) const STACK_MAC: [u8; 6] = [2, 0, 0, 0, 0, 77];
/// That of the kernel on the same device.
pub(super) const KERNEL_MAC: [u8; 6] = [2, 0, 0, 0, 1, 77];

/// The far end of the veth pair.
const FAR: &str = "veth1";
/// The device of the kernel behind a relay.
const RELAYED: &str = "relay1";

impl Lab {
    /// Moves this process into a namespace of its own and makes everything.
    ///
    /// # Errors
    /// One sentence that says which right or device is missing.
    pub(super) fn new() -> Result<Self, Trouble> {
        namespace::enter().map_err(Trouble::from)?;
        for way in [Way::Own, Way::Plain] {
            namespace::make_tap(way.device(), DEFAULT_MTU, &way.sides(1)).map_err(Trouble::from)?;
        }
        // Who works without a stack answers nobody who asks for an Ethernet address.
        introduce(Way::Own.device(), KERNEL_MAC, Way::Own.own(Family::V4), STACK_MAC)?;
        let [far, relayed] = [far, relayed].map(|make| thread::spawn(make).join());
        let made = |joined: thread::Result<Result<OwnedFd, Trouble>>| {
            joined.unwrap_or_else(|_| Err(Trouble::new("a namespace could not be made")))
        };
        let (far, relayed) = (made(far)?, made(relayed)?);
        relay_end(Way::Relay.device(), 1, KERNEL_MAC, STACK_MAC)?;
        let near = Way::Veth.device();
        for address in Way::Veth.sides(1) {
            namespace::add_address(near, address).map_err(Trouble::from)?;
        }
        namespace::set_up(near, true).map_err(Trouble::from)?;
        let lab = Self { far, relayed };
        within(&lab.far, || {
            for address in Way::Veth.sides(2) {
                namespace::add_address(FAR, address).map_err(Trouble::from)?;
            }
            namespace::set_up(FAR, true).map_err(Trouble::from)
        })?;
        Ok(lab)
    }

    /// Moves the calling thread, and no other, to the measured kernel.
    pub(super) fn move_to_far(&self) -> Result<(), Trouble> {
        enter(&self.far)
    }

    /// The same to the one behind a relay.
    pub(super) fn move_to_relayed(&self) -> Result<(), Trouble> {
        enter(&self.relayed)
    }

    /// Opens the device of the kernel that is measured through a relay.
    pub(super) fn open_relayed(&self) -> Result<Tap, Trouble> {
        within(&self.relayed, || Tap::open(RELAYED).map_err(Trouble::from))
    }
}

fn enter(namespace: &OwnedFd) -> Result<(), Trouble> {
    setns(namespace, CloneFlags::CLONE_NEWNET)
        .map_err(|error| Trouble::new(format!("a namespace could not be entered: {error}")))
}

/// Calls `act` in a thread in this namespace.
fn within<T: Send>(
    namespace: &OwnedFd,
    act: impl FnOnce() -> Result<T, Trouble> + Send,
) -> Result<T, Trouble> {
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            enter(namespace)?;
            act()
        });
        thread.join().unwrap_or_else(|_| Err(Trouble::new("a namespace is of no use")))
    })
}

/// Gives the kernel's side of a device an Ethernet address and tells it that of a neighbor.
fn introduce(device: &str, own: [u8; 6], neighbor: IpAddr, its: [u8; 6]) -> Result<(), Trouble> {
    let words = |mac| EthernetAddress(mac).to_string().replace('-', ":");
    for command in [
        format!("link set dev {device} address {}", words(own)),
        format!("neighbor replace {neighbor} lladdr {} dev {device}", words(its)),
    ] {
        namespace::ip(&command).map_err(Trouble::from)?;
    }
    Ok(())
}

/// Makes a device of the kernel's at an end of a relay, on which nothing passes but what is measured:
/// whatever else did would change which frames a seed loses.
fn relay_end(device: &str, host: u8, own: [u8; 6], other: [u8; 6]) -> Result<(), Trouble> {
    namespace::make_tap(device, DEFAULT_MTU, &Way::Relay.sides(host)).map_err(Trouble::from)?;
    let setting = format!("net/ipv6/conf/{device}/disable_ipv6");
    namespace::set(&setting, "1").map_err(Trouble::from)?;
    introduce(device, own, Way::Relay.host(Family::V4, 3 - host), other)
}

/// Makes the namespace of the kernel behind a relay.
fn relayed() -> Result<OwnedFd, Trouble> {
    namespace::enter().map_err(Trouble::from)?;
    // The next connection meets another path: what this one has learned would mislead it.
    namespace::set("net/ipv4/tcp_no_metrics_save", "1").map_err(Trouble::from)?;
    // The addresses that our stack has at this end: the receiver cannot tell the two apart.
    relay_end(RELAYED, 2, STACK_MAC, KERNEL_MAC)?;
    this_namespace()
}

/// Makes the far namespace with both ends of the pair and gives one back.
fn far() -> Result<OwnedFd, Trouble> {
    namespace::enter().map_err(Trouble::from)?;
    let near = Way::Veth.device();
    let process = std::process::id();
    namespace::ip(&format!("link add {FAR} type veth peer name {near} netns {process}"))
        .map_err(Trouble::from)?;
    this_namespace()
}

/// The namespace of the calling thread.
fn this_namespace() -> Result<OwnedFd, Trouble> {
    let file =
        File::open("/proc/thread-self/ns/net").map_err(Trouble::of("opening a namespace"))?;
    Ok(file.into())
}
