//! How large a packet a path takes (RFC 1191, RFC 8201).
//!
//! A path is known by its destination alone. What is not known takes what the link takes.

use smoltcp::time::{Duration, Instant};
use smoltcp::wire::IpAddress;

use super::icmp::IcmpError;
use crate::slab::{Id, Place, Slab};
use crate::storage::Storage;
use crate::table::{Slot, Table};

/// How long a smaller path is believed before a large packet tries again (RFC 1191 section 6.3,
/// RFC 8201 section 4: ten minutes).
pub const LIFETIME: Duration = Duration::from_secs(600);
/// The most paths remembered where the storage grows.
pub const CAPACITY: usize = 256;
/// The smallest IPv4 path that is believed. RFC 1191 section 3 allows down to 68, which serves
/// mostly those who want us to send a flood of tiny packets. Where a router says less, packets of
/// this size go out without "don't fragment", and the router may cut them.
pub const IPV4_FLOOR: u16 = 552;
/// The smallest IPv6 path; a report of less is none (RFC 8201 section 4).
pub const IPV6_FLOOR: u16 = 1280;

/// The next lower of the sizes that paths have, for routers that do not tell (RFC 1191 section 7).
const PLATEAUS: [u16; 11] = [65535, 32000, 17914, 8166, 4352, 2002, 1492, 1006, 508, 296, 68];

/// What is known about a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PathMtu {
    /// The largest packet, in bytes.
    pub mtu: u16,
    /// The path takes even less: packets must go out so that routers may cut them.
    pub below: bool,
}

impl PathMtu {
    /// What an error with [`Effect::PathMtu`](super::icmp::Effect::PathMtu) says; `None` when it
    /// cannot be true.
    pub fn reported(error: &IcmpError) -> Option<Self> {
        let quoted = error.quoted_len;
        let mtu = match (error.quoted_destination.addr, error.mtu) {
            (IpAddress::Ipv4(_), 0) => {
                let lower = PLATEAUS.into_iter().find(|&plateau| usize::from(plateau) < quoted);
                lower?.into()
            }
            #[cfg(feature = "ipv6")]
            (IpAddress::Ipv6(_), mtu) if mtu < IPV6_FLOOR.into() => return None,
            (_, mtu) => mtu,
        };
        // The quoted packet would have passed.
        if mtu as usize >= quoted {
            return None;
        }
        let mtu = u16::try_from(mtu).ok()?;
        Some(match error.quoted_destination.addr {
            IpAddress::Ipv4(_) if mtu < IPV4_FLOOR => Self { mtu: IPV4_FLOOR, below: true },
            _ => Self { mtu, below: false },
        })
    }
}

/// Marks handles of entries.
#[derive(Debug)]
enum Kind {}
type Key = Id<Kind>;

#[derive(Debug)]
struct Entry {
    destination: IpAddress,
    path: PathMtu,
    expires: Instant,
    /// A count that was the highest when the entry was last used.
    used: u64,
}

/// The paths that take less than the link.
pub(super) struct Paths<'a, S: Storage<'a>> {
    entries: Slab<Entry, Kind, S::Small<Place<Entry>>>,
    index: Table<IpAddress, Key, S::Hash<Slot<IpAddress, Key>>>,
    uses: u64,
}

impl<'a, S: Storage<'a>> Paths<'a, S> {
    /// None known; `key` keys the hash.
    pub(super) fn new(key: [u64; 2]) -> Self {
        Self { entries: Slab::default(), index: Table::new(key), uses: 0 }
    }

    /// What is known about the path to `destination`.
    pub(super) fn get(&mut self, now: Instant, destination: IpAddress) -> Option<PathMtu> {
        if self.index.is_empty() {
            return None;
        }
        let key = self.index.get(&destination)?;
        let entry = self.entries.get_mut(key)?;
        if entry.expires <= now {
            self.forget(key);
            return None;
        }
        self.uses += 1;
        entry.used = self.uses;
        Some(entry.path)
    }

    /// Takes note of a report; false when it says nothing that is lower than what is known.
    pub(super) fn lower(&mut self, now: Instant, destination: IpAddress, path: PathMtu) -> bool {
        // No report makes a path larger (RFC 8201 section 4).
        let known = self.get(now, destination);
        let lower = known.is_none_or(|known| path.mtu < known.mtu || path.below && !known.below);
        if !lower {
            return false;
        }
        if let Some(key) = self.index.get(&destination) {
            self.forget(key);
        }
        self.uses += 1;
        let entry = Entry { destination, path, expires: now + LIFETIME, used: self.uses };
        self.insert(entry)
    }

    fn insert(&mut self, mut entry: Entry) -> bool {
        if self.entries.len() >= CAPACITY {
            self.evict();
        }
        let destination = entry.destination;
        let key = loop {
            match self.entries.insert(entry) {
                Ok(key) => break key,
                Err(refused) if self.evict() => entry = refused,
                Err(_) => return false,
            }
        };
        while !self.index.insert(destination, key) {
            // A table of fixed size may hold less than the list. The new entry was used last.
            if self.entries.len() < 2 || !self.evict() {
                self.entries.remove(key);
                return false;
            }
        }
        true
    }

    /// Forgets the least recently used path: a look at all of them, at most once a report.
    fn evict(&mut self) -> bool {
        let oldest = self.entries.iter().min_by_key(|(_, entry)| entry.used).map(|(key, _)| key);
        oldest.is_some_and(|key| {
            self.forget(key);
            true
        })
    }

    fn forget(&mut self, key: Key) {
        if let Some(entry) = self.entries.remove(key) {
            self.index.remove(&entry.destination, key);
        }
    }
}

#[cfg(all(test, feature = "alloc"))]
mod tests;
