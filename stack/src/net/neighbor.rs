//! Which Ethernet address a host on the link has: ARP and IPv6 neighbor discovery.
//!
//! Each host has a state of its own, so that one silent host never delays another. A host that is
//! not known yet is asked three times, one second apart; then its failure is reported with the
//! number of requests as evidence, and forgotten: the next packet to it begins anew. A known host
//! is asked again, by unicast, when it is still used a minute after it last answered.

use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{EthernetAddress, IpAddress};

use crate::event::{Asked, Silence};
use crate::slab::{Id, Place, Slab};
use crate::storage::Storage;
use crate::table::{Slot, Table};

/// How often a host is asked before it counts as unreachable (RFC 4861 section 10,
/// MAX_MULTICAST_SOLICIT and MAX_UNICAST_SOLICIT).
pub const REQUESTS: u32 = 3;
/// The time between two requests (RFC 4861 section 10, RETRANS_TIMER).
pub const RETRY: Duration = Duration::from_secs(1);
/// How long an answer is believed without asking again.
pub const REACHABLE: Duration = Duration::from_secs(60);
/// The most hosts remembered where the storage grows.
pub const CAPACITY: usize = 1024;

/// What is known about a host on the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolve {
    /// Send to this Ethernet address.
    Found(EthernetAddress),
    /// It is being asked; an [`Outcome`] will follow.
    Waiting,
    /// Every place is taken by a host that is being asked. Try again later.
    Full,
}

/// What became of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// Who was asked.
    pub neighbor: IpAddress,
    /// What came of it.
    pub result: Resolution,
}

/// The end of a resolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    /// The host answered.
    Resolved(EthernetAddress),
    /// It did not.
    Unreachable(Silence),
}

/// A request that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Request {
    /// Whom to ask.
    pub(super) neighbor: IpAddress,
    /// Where to send the question; `None` for to everybody.
    pub(super) to: Option<EthernetAddress>,
}

/// What a packet says about a neighbor's Ethernet address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Claim {
    /// Whose.
    pub(super) neighbor: IpAddress,
    /// The address; `None` when the packet does not repeat it.
    pub(super) hardware: Option<EthernetAddress>,
    /// Whether it answers a question of ours, and so proves that the host hears us.
    pub(super) solicited: bool,
    /// Whether it may replace an address that is known already.
    pub(super) replaces: bool,
}

/// Marks handles of entries.
#[derive(Debug)]
enum Kind {}
type Key = Id<Kind>;

#[derive(Debug, Clone, Copy)]
enum State {
    /// Asked by everybody's address; nothing is known.
    Incomplete,
    /// Answered. `confirmed` is when; `None` when the host only said so by itself, and is asked
    /// at the next use.
    Reachable { hardware: EthernetAddress, confirmed: Option<Instant> },
    /// Known and in use, but asked again by unicast.
    Probing { hardware: EthernetAddress },
    /// Did not answer, and nobody was told yet.
    Failed { waited: Duration },
}

/// Every entry stands in exactly one queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Queue {
    /// To be asked for the first time; in the order of their turn.
    Fresh,
    /// Asked, and waiting for [`RETRY`] to pass; the same wait for all, so the first is due first.
    Asked,
    /// With an outcome that was not fetched; in the order in which it happened.
    Untold,
    /// Known; the least recently used first.
    Known,
}

#[derive(Debug)]
struct Entry {
    address: IpAddress,
    state: State,
    /// When the next request is due, in the queues `Fresh` and `Asked`.
    due: Instant,
    /// When the first request of this round was sent.
    since: Instant,
    /// How many requests of this round were sent.
    sent: u32,
    queue: Queue,
    previous: Option<Key>,
    next: Option<Key>,
}

impl Entry {
    /// The questions of this round, none of which was answered.
    fn silence(&self, waited: Duration) -> Silence {
        let asked = match self.address {
            IpAddress::Ipv4(_) => Asked::Arp,
            #[cfg(feature = "ipv6")]
            IpAddress::Ipv6(_) => Asked::NeighborSolicitation,
        };
        Silence { asked, whom: self.address, sent: self.sent, since: self.since, waited }
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Ends {
    first: Option<Key>,
    last: Option<Key>,
}

/// The states of all hosts on the link that were ever asked for and are not forgotten.
pub(super) struct Neighbors<'a, S: Storage<'a>> {
    entries: Slab<Entry, Kind, S::Small<Place<Entry>>>,
    index: Table<IpAddress, Key, S::Hash<Slot<IpAddress, Key>>>,
    queues: [Ends; 4],
}

impl<'a, S: Storage<'a>> Neighbors<'a, S> {
    /// Nobody known; `key` keys the hash.
    pub(super) fn new(key: [u64; 2]) -> Self {
        Self { entries: Slab::default(), index: Table::new(key), queues: [Ends::default(); 4] }
    }

    /// How many hosts are remembered.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Looks `address` up for a packet that is to be sent now.
    pub(super) fn resolve(&mut self, now: Instant, address: IpAddress) -> Resolve {
        let Some(key) = self.index.get(&address) else {
            return self.begin(now, address);
        };
        let Some(entry) = self.entries.get_mut(key) else { return Resolve::Full };
        match entry.state {
            State::Incomplete | State::Failed { .. } => Resolve::Waiting,
            State::Probing { hardware } => Resolve::Found(hardware),
            State::Reachable { hardware, confirmed } => {
                let fresh = confirmed.is_some_and(|confirmed| now < confirmed + REACHABLE);
                if entry.queue == Queue::Known {
                    if !fresh {
                        entry.state = State::Probing { hardware };
                        (entry.due, entry.since, entry.sent) = (now, now, 0);
                    }
                    self.move_to(key, if fresh { Queue::Known } else { Queue::Fresh });
                }
                Resolve::Found(hardware)
            }
        }
    }

    /// What a host that is being asked has been asked in vain so far.
    pub(super) fn unanswered(&self, now: Instant, address: IpAddress) -> Option<Silence> {
        let entry = self.entries.get(self.index.get(&address)?)?;
        match entry.state {
            State::Incomplete if entry.sent > 0 => Some(entry.silence(now - entry.since)),
            _ => None,
        }
    }

    fn begin(&mut self, now: Instant, address: IpAddress) -> Resolve {
        if self.entries.len() >= CAPACITY && !self.evict() {
            return Resolve::Full;
        }
        let mut entry = Entry {
            address,
            state: State::Incomplete,
            due: now,
            since: now,
            sent: 0,
            queue: Queue::Fresh,
            previous: None,
            next: None,
        };
        let key = loop {
            match self.entries.insert(entry) {
                Ok(key) => break key,
                Err(refused) if self.evict() => entry = refused,
                Err(_) => return Resolve::Full,
            }
        };
        while !self.index.insert(address, key) {
            // A table of fixed size may hold less than the list.
            if !self.evict() {
                self.entries.remove(key);
                return Resolve::Full;
            }
        }
        self.append(key, Queue::Fresh);
        Resolve::Waiting
    }

    /// Forgets the least recently used of the known hosts.
    fn evict(&mut self) -> bool {
        let Some(key) = self.queues[Queue::Known as usize].first else { return false };
        self.forget(key);
        true
    }

    /// Takes note of what a host says about itself. Hosts that nobody asked for stay unknown.
    pub(super) fn learn(&mut self, now: Instant, claim: Claim) {
        let Claim { neighbor, hardware: claimed, solicited, replaces } = claim;
        let Some(key) = self.index.get(&neighbor) else { return };
        let Some(entry) = self.entries.get_mut(key) else { return };
        let confirmed = solicited.then_some(now);
        match entry.state {
            State::Failed { .. } => {}
            State::Incomplete => {
                // RFC 4861 section 7.2.5: without an address the answer is of no use.
                let Some(hardware) = claimed else { return };
                entry.state = State::Reachable { hardware, confirmed };
                self.move_to(key, Queue::Untold);
            }
            State::Reachable { hardware, confirmed: before } => {
                entry.state = match claimed {
                    Some(other) if other != hardware && replaces => {
                        State::Reachable { hardware: other, confirmed }
                    }
                    // Somebody else answers too: ask before believing either.
                    Some(other) if other != hardware => {
                        State::Reachable { hardware, confirmed: None }
                    }
                    _ => State::Reachable { hardware, confirmed: confirmed.or(before) },
                };
            }
            State::Probing { hardware } => {
                let other = claimed.unwrap_or(hardware);
                if other == hardware && !solicited || other != hardware && !replaces {
                    return;
                }
                entry.state = State::Reachable { hardware: other, confirmed };
                self.move_to(key, Queue::Known);
            }
        }
    }

    /// The next request that is due; call again until `None`. Hosts that were asked often enough
    /// in vain fail on the way.
    pub(super) fn poll(&mut self, now: Instant) -> Option<Request> {
        loop {
            let key = self.due().filter(|(due, _)| *due <= now)?.1;
            let entry = self.entries.get_mut(key)?;
            if entry.sent < REQUESTS {
                if entry.sent == 0 {
                    entry.since = now;
                }
                entry.sent += 1;
                entry.due = now + RETRY;
                let to = match entry.state {
                    State::Probing { hardware } => Some(hardware),
                    _ => None,
                };
                let neighbor = entry.address;
                self.move_to(key, Queue::Asked);
                return Some(Request { neighbor, to });
            }
            if let State::Incomplete = entry.state {
                entry.state = State::Failed { waited: now - entry.since };
                self.move_to(key, Queue::Untold);
            } else {
                // RFC 4861 section 7.3.3: the next packet asks everybody.
                self.forget(key);
            }
        }
    }

    /// When [`Neighbors::poll`] has something to do.
    pub(super) fn poll_at(&self) -> Option<Instant> {
        self.due().map(|(due, _)| due)
    }

    /// The entry that is due first, and when.
    fn due(&self) -> Option<(Instant, Key)> {
        let first = |queue: Queue| {
            let key = self.queues[queue as usize].first?;
            Some((self.entries.get(key)?.due, key))
        };
        match (first(Queue::Asked), first(Queue::Fresh)) {
            (Some(asked), Some(fresh)) => Some(if fresh.0 < asked.0 { fresh } else { asked }),
            (asked, fresh) => asked.or(fresh),
        }
    }

    /// The next outcome, in the order in which they happened.
    pub(super) fn outcome(&mut self) -> Option<Outcome> {
        let key = self.queues[Queue::Untold as usize].first?;
        let entry = self.entries.get(key)?;
        let neighbor = entry.address;
        let result = match entry.state {
            State::Failed { waited } => {
                let silence = entry.silence(waited);
                self.forget(key);
                Resolution::Unreachable(silence)
            }
            State::Reachable { hardware, .. } | State::Probing { hardware } => {
                self.move_to(key, Queue::Known);
                Resolution::Resolved(hardware)
            }
            // Only the other states enter this queue.
            State::Incomplete => return None,
        };
        Some(Outcome { neighbor, result })
    }

    fn forget(&mut self, key: Key) {
        self.unlink(key);
        if let Some(entry) = self.entries.remove(key) {
            self.index.remove(&entry.address, key);
        }
    }

    fn move_to(&mut self, key: Key, queue: Queue) {
        self.unlink(key);
        self.append(key, queue);
    }

    fn append(&mut self, key: Key, queue: Queue) {
        let last = self.queues[queue as usize].last;
        let Some(entry) = self.entries.get_mut(key) else { return };
        (entry.queue, entry.previous, entry.next) = (queue, last, None);
        match last.and_then(|last| self.entries.get_mut(last)) {
            Some(last) => last.next = Some(key),
            None => self.queues[queue as usize].first = Some(key),
        }
        self.queues[queue as usize].last = Some(key);
    }

    fn unlink(&mut self, key: Key) {
        let Some(entry) = self.entries.get(key) else { return };
        let (queue, previous, next) = (entry.queue, entry.previous, entry.next);
        match previous.and_then(|previous| self.entries.get_mut(previous)) {
            Some(previous) => previous.next = next,
            None => self.queues[queue as usize].first = next,
        }
        match next.and_then(|next| self.entries.get_mut(next)) {
            Some(next) => next.previous = previous,
            None => self.queues[queue as usize].last = previous,
        }
    }
}

#[cfg(all(test, feature = "alloc"))]
mod tests;
