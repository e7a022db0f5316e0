//! Own addresses, and where packets leave.
//!
//! The tables are short and walked in order: routes stand sorted by prefix length, longest first,
//! so that the first match is the best one.

use core::marker::PhantomData;
use core::net::Ipv6Addr as Ipv6Address;

#[cfg(feature = "ipv6")]
use smoltcp::wire::Ipv6Cidr;
use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr, Ipv4Address};

use super::Exhausted;
use crate::config::Route;
use crate::storage::{List, Storage};

/// Where a packet leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hop {
    /// It comes back: the destination is an address of this host.
    Local,
    /// To every host on the link.
    Broadcast,
    /// To the members of a group on the link.
    Multicast,
    /// To this host on the link: the destination itself or a router.
    Via(IpAddress),
    /// Nowhere.
    NoRoute,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// Given by the caller.
    Explicit,
    /// The prefix of an own address.
    Implied,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    route: Route,
    origin: Origin,
}

/// The addresses of one link and the routes over it.
pub struct Routes<'a, S: Storage<'a>> {
    /// In the order in which they were added.
    addresses: S::Small<IpCidr>,
    /// By prefix length, longest first; of equal ones the caller's first.
    entries: S::Small<Entry>,
    _storage: PhantomData<&'a ()>,
}

impl<'a, S: Storage<'a>> core::fmt::Debug for Routes<'a, S> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Routes")
            .field("addresses", &&self.addresses[..])
            .field("entries", &&self.entries[..])
            .finish()
    }
}

impl<'a, S: Storage<'a>> Default for Routes<'a, S> {
    fn default() -> Self {
        Self { addresses: S::Small::default(), entries: S::Small::default(), _storage: PhantomData }
    }
}

impl<'a, S: Storage<'a>> Routes<'a, S> {
    /// Makes `cidr`'s address an own one and its prefix reachable on the link. An own address
    /// that is added again takes the new prefix. Nothing happens for what no host can have as its
    /// address: the unspecified address, groups, 255.255.255.255; or has anyway: 127/8 and ::1.
    ///
    /// # Errors
    /// When a table is full; then nothing changed.
    pub fn add_address(&mut self, cidr: IpCidr) -> Result<(), Exhausted> {
        let address = cidr.address();
        if is_loopback(address)
            || address.is_unspecified()
            || address.is_multicast()
            || address.is_broadcast()
        {
            return Ok(());
        }
        let previous = self.addresses.iter().copied().find(|own| own.address() == address);
        if previous == Some(cidr) {
            return Ok(());
        }
        let route = Route { destination: network(cidr), gateway: None };
        let known = self.addresses.iter().any(|own| network(*own) == route.destination);
        if !known {
            self.insert(Entry { route, origin: Origin::Implied })?;
        }
        let place = self.addresses.iter_mut().find(|own| own.address() == address);
        if let Some(place) = place {
            let old = core::mem::replace(place, cidr);
            self.forget_prefix(old);
        } else if self.addresses.push(cidr).is_err() {
            self.forget_prefix(cidr);
            return Err(Exhausted);
        }
        Ok(())
    }

    /// Gives an own address up, and its prefix unless another own address has it too. Says
    /// whether it was an own one.
    pub fn remove_address(&mut self, address: IpAddress) -> bool {
        let Some(at) = self.addresses.iter().position(|own| own.address() == address) else {
            return false;
        };
        let cidr = self.addresses[at];
        self.addresses.remove_at(at);
        self.forget_prefix(cidr);
        true
    }

    /// Adds a route. One that the caller gave before for the same destination is replaced.
    ///
    /// # Errors
    /// When the table is full.
    pub fn add_route(&mut self, route: Route) -> Result<(), Exhausted> {
        let route = Route { destination: network(route.destination), ..route };
        let same = self.entries.iter_mut().find(|entry| {
            entry.origin == Origin::Explicit && entry.route.destination == route.destination
        });
        if let Some(entry) = same {
            entry.route = route;
            return Ok(());
        }
        self.insert(Entry { route, origin: Origin::Explicit })
    }

    /// Removes the caller's route to `destination` and says whether there was one. The prefix of
    /// an own address stays reachable until the address is removed.
    pub fn remove_route(&mut self, destination: IpCidr) -> bool {
        let destination = network(destination);
        let at = self.entries.iter().position(|entry| {
            entry.origin == Origin::Explicit && entry.route.destination == destination
        });
        if let Some(at) = at {
            self.entries.remove_at(at);
        }
        at.is_some()
    }

    /// The own addresses that were added, in that order.
    pub fn addresses(&self) -> &[IpCidr] {
        &self.addresses
    }

    /// The routes in the order in which they are tried.
    pub fn routes(&self) -> impl Iterator<Item = Route> {
        self.entries.iter().map(|entry| entry.route)
    }

    /// Whether packets to `address` are for this host: one that was added, 127/8 or ::1.
    pub fn is_own(&self, address: IpAddress) -> bool {
        is_loopback(address) || self.is_added(address)
    }

    /// Whether `address` is one that was added, which others on the link may ask for.
    pub(super) fn is_added(&self, address: IpAddress) -> bool {
        self.addresses.iter().any(|own| own.address() == address)
    }

    /// Whether `address` is 255.255.255.255 or the broadcast address of an own prefix.
    pub fn is_broadcast(&self, address: IpAddress) -> bool {
        address.is_broadcast()
            || self.addresses.iter().any(|own| subnet_broadcast(*own) == Some(address))
    }

    /// Whether what is sent to `many`, a broadcast address or a group, is for the own address
    /// `own` too.
    pub(super) fn is_heard_at(&self, own: IpAddress, many: IpAddress) -> bool {
        let Some(cidr) = self.addresses.iter().find(|cidr| cidr.address() == own) else {
            return false;
        };
        same_family(own, many)
            && (many.is_multicast() || many.is_broadcast() || subnet_broadcast(*cidr) == Some(many))
    }

    /// Where a packet to `destination` leaves.
    pub fn hop(&self, destination: IpAddress) -> Hop {
        if self.is_own(destination) {
            Hop::Local
        } else if self.is_broadcast(destination) {
            Hop::Broadcast
        } else if destination.is_multicast() {
            Hop::Multicast
        } else if is_reserved(destination) {
            Hop::NoRoute
        } else {
            let best = self
                .entries
                .iter()
                .find(|entry| entry.route.destination.contains_addr(&destination));
            match best.map(|entry| entry.route.gateway.unwrap_or(destination)) {
                // A router that is this host itself cannot take the packet further.
                Some(next) if !self.is_own(next) => Hop::Via(next),
                _ => Hop::NoRoute,
            }
        }
    }

    /// The own address that a packet to `destination` should come from, after RFC 6724 section 5:
    /// the destination itself (rule 1), an address of the right scope (rule 2), one of the next
    /// hop's prefix (rule 5.5), the longest matching prefix (rule 8), the one added first.
    /// `None` when there is no route or no address of this family.
    pub fn source_for(&self, destination: IpAddress) -> Option<IpAddress> {
        match self.hop(destination) {
            Hop::NoRoute => None,
            Hop::Local => Some(match destination {
                IpAddress::Ipv4(v4) if v4.is_loopback() => Ipv4Address::LOCALHOST.into(),
                own => own,
            }),
            Hop::Via(next) => self.choose(destination, next),
            Hop::Broadcast | Hop::Multicast => self.choose(destination, destination),
        }
    }

    /// The source for what is sent to `next` itself: requests to neighbors.
    pub(super) fn source_on_link(&self, next: IpAddress) -> Option<IpAddress> {
        self.choose(next, next)
    }

    fn choose(&self, destination: IpAddress, next: IpAddress) -> Option<IpAddress> {
        let rank = |own: &IpCidr| {
            let scope = match scope(own.address()).cmp(&scope(destination)) {
                core::cmp::Ordering::Equal => 2,
                core::cmp::Ordering::Greater => 1,
                core::cmp::Ordering::Less => 0,
            };
            let on_link = own.contains_addr(&next) || subnet_broadcast(*own) == Some(next);
            // Groups have no prefix that means anything.
            let group = destination.is_multicast() || destination.is_broadcast();
            let common = if group { 0 } else { common_prefix(own.address(), destination) };
            (scope, on_link, common)
        };
        let mut best = None;
        for own in self.addresses.iter().filter(|own| same_family(own.address(), destination)) {
            let rank = rank(own);
            if best.is_none_or(|(best, _)| rank > best) {
                best = Some((rank, own.address()));
            }
        }
        best.map(|(_, address)| address)
    }

    fn insert(&mut self, entry: Entry) -> Result<(), Exhausted> {
        let key = |entry: &Entry| (entry.route.destination.prefix_len(), entry.origin);
        let (length, origin) = key(&entry);
        let at = self
            .entries
            .iter()
            .position(|other| {
                let (other_length, other_origin) = key(other);
                other_length < length
                    || other_length == length
                        && origin == Origin::Explicit
                        && other_origin == Origin::Implied
            })
            .unwrap_or(self.entries.len());
        self.entries.insert_at(at, entry).map_err(|_| Exhausted)
    }

    /// Removes the route that `cidr` implied, unless an own address still implies it.
    fn forget_prefix(&mut self, cidr: IpCidr) {
        let destination = network(cidr);
        if self.addresses.iter().any(|own| network(*own) == destination) {
            return;
        }
        let at = self.entries.iter().position(|entry| {
            entry.origin == Origin::Implied && entry.route.destination == destination
        });
        if let Some(at) = at {
            self.entries.remove_at(at);
        }
    }
}

/// The link-local address that an interface with this Ethernet address has (RFC 4291 appendix A).
#[cfg(feature = "ipv6")]
pub fn link_local(hardware: EthernetAddress) -> IpCidr {
    let [a, b, c, d, e, f] = hardware.0;
    let address = Ipv6Address::from_octets([
        0xfe,
        0x80,
        0,
        0,
        0,
        0,
        0,
        0,
        a ^ 0x02,
        b,
        c,
        0xff,
        0xfe,
        d,
        e,
        f,
    ]);
    IpCidr::Ipv6(Ipv6Cidr::new(address, 64))
}

/// Whether packets to `address` never leave a host: 127/8 and ::1.
pub fn is_loopback(address: IpAddress) -> bool {
    match address {
        IpAddress::Ipv4(address) => address.is_loopback(),
        #[cfg(feature = "ipv6")]
        IpAddress::Ipv6(address) => address.is_loopback(),
    }
}

/// Whether what is sent to `group` never leaves a host: interface-local IPv6 groups (RFC 4291
/// section 2.7).
pub fn stays_in_host(group: IpAddress) -> bool {
    match group {
        IpAddress::Ipv4(_) => false,
        #[cfg(feature = "ipv6")]
        IpAddress::Ipv6(group) => group.is_multicast() && scope(group.into()) <= 1,
    }
}

/// Whether no host on any network has `address`: 0/8 and 240/4 (RFC 6890), `::` and the
/// v4-mapped ::ffff:0:0/96.
pub(super) fn is_reserved(address: IpAddress) -> bool {
    match address {
        IpAddress::Ipv4(address) => {
            let first = address.octets()[0];
            first == 0 || first >= 240
        }
        #[cfg(feature = "ipv6")]
        IpAddress::Ipv6(address) => address.is_unspecified() || address.to_ipv4_mapped().is_some(),
    }
}

fn same_family(a: IpAddress, b: IpAddress) -> bool {
    a.version() == b.version()
}

/// The broadcast address of a prefix; /31 and /32 have none (RFC 3021).
fn subnet_broadcast(cidr: IpCidr) -> Option<IpAddress> {
    match cidr {
        IpCidr::Ipv4(cidr) if cidr.prefix_len() < 31 => {
            let host = u32::MAX.checked_shr(cidr.prefix_len().into()).unwrap_or(0);
            Some(Ipv4Address::from_bits(cidr.address().to_bits() | host).into())
        }
        _ => None,
    }
}

/// `cidr` with its host bits cleared.
fn network(cidr: IpCidr) -> IpCidr {
    match cidr {
        IpCidr::Ipv4(cidr) => IpCidr::Ipv4(cidr.network()),
        #[cfg(feature = "ipv6")]
        IpCidr::Ipv6(cidr) => {
            let length = cidr.prefix_len();
            let host = u128::MAX.checked_shr(length.into()).unwrap_or(0);
            let address = Ipv6Address::from_bits(cidr.address().to_bits() & !host);
            IpCidr::Ipv6(Ipv6Cidr::new(address, length))
        }
    }
}

/// How far packets with this address travel (RFC 6724 section 3.1); more is farther.
fn scope(address: IpAddress) -> u8 {
    const LINK: u8 = 0x2;
    const GLOBAL: u8 = 0xe;
    match address {
        // A limited broadcast is for the link, but every address is good enough to send it.
        IpAddress::Ipv4(address) if address.is_link_local() => LINK,
        IpAddress::Ipv4(_) => GLOBAL,
        #[cfg(feature = "ipv6")]
        IpAddress::Ipv6(address) if address.is_multicast() => address.octets()[1] & 0x0f,
        #[cfg(feature = "ipv6")]
        IpAddress::Ipv6(address) if address.is_unicast_link_local() => LINK,
        #[cfg(feature = "ipv6")]
        IpAddress::Ipv6(_) => GLOBAL,
    }
}

fn common_prefix(a: IpAddress, b: IpAddress) -> u32 {
    match (a, b) {
        (IpAddress::Ipv4(a), IpAddress::Ipv4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        #[cfg(feature = "ipv6")]
        (IpAddress::Ipv6(a), IpAddress::Ipv6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        _ => 0,
    }
}

#[cfg(all(test, feature = "alloc"))]
mod tests;
