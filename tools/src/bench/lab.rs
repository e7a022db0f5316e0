//! The namespaces and devices of a benchmark.
//!
//! This process lives in a namespace of its own, in which the kernel is everybody's peer. Three
//! ways lead to it: a TAP device that offloads, a plain one, and a veth pair to a second namespace,
//! where the kernel is the one that is measured. Nothing of it outlives the process.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::thread;

use nix::sched::{CloneFlags, setns};
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
        }
    }

    const fn number(self) -> u8 {
        match self {
            Self::Own => 77,
            Self::Plain => 78,
            Self::Veth => 79,
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
    fn sides(self, host: u8) -> [IpCidr; 2] {
        [(Family::V4, 24), (Family::V6, 64)]
            .map(|(family, length)| IpCidr::new(self.host(family, host).into(), length))
    }

    /// The measured side's addresses with their prefixes.
    pub(super) fn own_sides(self) -> [IpCidr; 2] {
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
}

/// The Ethernet address of our own stack.
pub(super) const STACK_MAC: [u8; 6] = [2, 0, 0, 0, 0, 77];
/// That of the kernel on the same device.
pub(super) const KERNEL_MAC: [u8; 6] = [2, 0, 0, 0, 1, 77];

/// The far end of the veth pair.
const FAR: &str = "veth1";

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
        let (device, stack) = (Way::Own.device(), Way::Own.own(Family::V4));
        let words = |mac| EthernetAddress(mac).to_string().replace('-', ":");
        for command in [
            format!("link set dev {device} address {}", words(KERNEL_MAC)),
            format!("neighbor replace {stack} lladdr {} dev {device}", words(STACK_MAC)),
        ] {
            namespace::ip(&command).map_err(Trouble::from)?;
        }
        let far = thread::spawn(far).join();
        let far = far.unwrap_or_else(|_| Err(Trouble::new("a namespace could not be made")))?;
        let near = Way::Veth.device();
        for address in Way::Veth.sides(1) {
            namespace::add_address(near, address).map_err(Trouble::from)?;
        }
        namespace::set_up(near, true).map_err(Trouble::from)?;
        let lab = Self { far };
        lab.in_far(|| {
            for address in Way::Veth.sides(2) {
                namespace::add_address(FAR, address).map_err(Trouble::from)?;
            }
            namespace::set_up(FAR, true).map_err(Trouble::from)
        })?;
        Ok(lab)
    }

    /// Moves the calling thread, and no other, to the measured kernel.
    pub(super) fn move_to_far(&self) -> Result<(), Trouble> {
        setns(&self.far, CloneFlags::CLONE_NEWNET)
            .map_err(|error| Trouble::new(format!("a namespace could not be entered: {error}")))
    }

    /// Calls `act` in a thread there.
    fn in_far<T: Send>(
        &self,
        act: impl FnOnce() -> Result<T, Trouble> + Send,
    ) -> Result<T, Trouble> {
        thread::scope(|scope| {
            let thread = scope.spawn(|| {
                self.move_to_far()?;
                act()
            });
            thread.join().unwrap_or_else(|_| Err(Trouble::new("a namespace is of no use")))
        })
    }
}

/// Makes the far namespace with both ends of the pair and gives one back.
fn far() -> Result<OwnedFd, Trouble> {
    namespace::enter().map_err(Trouble::from)?;
    let near = Way::Veth.device();
    let process = std::process::id();
    namespace::ip(&format!("link add {FAR} type veth peer name {near} netns {process}"))
        .map_err(Trouble::from)?;
    let file =
        File::open("/proc/thread-self/ns/net").map_err(Trouble::of("opening a namespace"))?;
    Ok(file.into())
}
