//! Which groups this host belongs to, and how the routers of the link hear of it: IGMP (RFC 3376,
//! and RFC 2236 and RFC 1112 where routers speak no newer version) and MLD (RFC 3810, RFC 2710).
//!
//! A group has a count of members: sockets, and for solicited-node groups own addresses. The first
//! one makes the host join it, which is said at once and once more; the last one that leaves makes
//! the host leave. A query is answered for each group after a random part of the time that it
//! allows, in the version of the query.
//!
//! Reports ask for a group with all its sources: which sources a socket wants is decided where its
//! datagrams arrive, not by routers.

mod message;

use core::net::Ipv6Addr as Ipv6Address;

use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{EthernetAddress, IpAddress};

use super::{Exhausted, Parsed, Reason, ethernet};
use crate::config::OwnGroups;
use crate::random::next_random;
use crate::slab::{Id, Place, Slab};
use crate::storage::Storage;
use crate::table::{Slot, Table};
use message::{Dialect, Heard, Statement};

pub(super) use message::is_mld_type;

/// The largest frame that `Memberships::poll` writes, in bytes: Ethernet, IPv6, hop-by-hop
/// options, and a report about one group.
pub const REPORT_LEN: usize = ethernet::HEADER_LEN + 40 + 8 + 28;

/// The most groups at once where the storage grows.
pub const GROUPS: usize = 256;

/// How often a change is said (robustness variable, RFC 3376 section 8.1, RFC 3810 section 9.1).
const COPIES: u8 = 2;
/// The longest wait between two of them (RFC 3376 section 8.11, RFC 3810 section 9.11).
const REPEAT: Duration = Duration::from_secs(1);
/// The same in the older versions (RFC 2236 section 8.10, RFC 2710 section 7.10).
const OLD_REPEAT: Duration = Duration::from_secs(10);
/// How long an older version is spoken after the last query in it (RFC 3376 section 8.12,
/// RFC 3810 section 9.12): twice the query interval of 125 s, and 10 s for the answer.
const OLD_QUERIER: Duration = Duration::from_secs(260);

/// When something is due that became so between two polls.
const AT_ONCE: Instant = Instant::from_micros_const(0);

/// Marks handles of groups.
#[derive(Debug)]
enum Kind {}
type Key = Id<Kind>;

#[derive(Debug)]
struct Group {
    address: IpAddress,
    /// 0 only while the host's leaving is still being said.
    members: u32,
    /// What has changed, how many more times it is to be said, and when next.
    change: Option<(Statement, u8, Instant)>,
    /// When a query is answered.
    answer: Option<Instant>,
    /// This host was the last to report it, as far as one hears (RFC 2236 section 3).
    reported: bool,
}

impl Group {
    fn due(&self) -> Option<Instant> {
        let change = self.change.map(|(_, _, at)| at);
        [change, self.answer].into_iter().flatten().min()
    }
}

/// The version that the routers of a family speak.
#[derive(Debug, Clone, Copy)]
struct Querier {
    newest: Dialect,
    /// An older one, and until when.
    older: Option<(Dialect, Instant)>,
}

impl Querier {
    fn dialect(&self, now: Instant) -> Dialect {
        match self.older {
            Some((dialect, until)) if now < until => dialect,
            _ => self.newest,
        }
    }
}

/// The groups of one link.
pub(super) struct Memberships<'a, S: Storage<'a>> {
    groups: Slab<Group, Kind, S::Small<Place<Group>>>,
    index: Table<IpAddress, Key, S::Hash<Slot<IpAddress, Key>>>,
    /// The same by Ethernet address, which some groups share.
    filter: Table<EthernetAddress, Key, S::Hash<Slot<EthernetAddress, Key>>>,
    queriers: [Querier; 2],
    random: u64,
    /// No group is due before.
    next: Option<Instant>,
}

impl<'a, S: Storage<'a>> Memberships<'a, S> {
    /// No groups but those that every host belongs to; `key` keys the hash and the waits.
    pub(super) fn new(key: [u64; 2]) -> Self {
        let newest = |newest| Querier { newest, older: None };
        Self {
            groups: Slab::default(),
            index: Table::new(key),
            filter: Table::new([key[1], key[0]]),
            queriers: [newest(Dialect::Igmp3), newest(Dialect::Mld2)],
            random: key[0] ^ key[1].rotate_left(32),
            next: None,
        }
    }

    /// Whether this host belongs to `group`.
    pub(super) fn is_member(&self, group: IpAddress) -> bool {
        is_always_joined(group) || self.group(group).is_some_and(|(_, group)| group.members > 0)
    }

    /// Whether frames to this group address carry anything that is for this host.
    pub(super) fn hears(&self, hardware: EthernetAddress) -> bool {
        const ALL_HOSTS: EthernetAddress = EthernetAddress([0x01, 0x00, 0x5e, 0, 0, 1]);
        const ALL_NODES: EthernetAddress = EthernetAddress([0x33, 0x33, 0, 0, 0, 1]);
        hardware.is_broadcast()
            || hardware == ALL_HOSTS
            || hardware == ALL_NODES
            || self.filter.get(&hardware).is_some()
    }

    /// Adds a member to `group`.
    ///
    /// # Errors
    /// When there are too many groups.
    pub(super) fn join(&mut self, group: IpAddress, report: OwnGroups) -> Result<(), Exhausted> {
        if is_always_joined(group) {
            return Ok(());
        }
        let key = match self.group(group) {
            Some((key, _)) => key,
            None => self.add(group)?,
        };
        let Some(entry) = self.groups.get_mut(key) else { return Err(Exhausted) };
        entry.members += 1;
        if entry.members == 1 {
            let reported = is_reported(group) && report == OwnGroups::Reported;
            entry.reported = reported;
            entry.change = reported.then_some((Statement::Joined, COPIES, AT_ONCE));
            if reported {
                self.next = Some(AT_ONCE);
            }
        }
        Ok(())
    }

    /// Takes a member out of `group`.
    pub(super) fn leave(&mut self, group: IpAddress, report: OwnGroups) {
        let Some((key, _)) = self.group(group) else { return };
        let Some(entry) = self.groups.get_mut(key) else { return };
        if entry.members != 1 {
            entry.members = entry.members.saturating_sub(1);
            return;
        }
        entry.members = 0;
        entry.answer = None;
        if is_reported(group) && report == OwnGroups::Reported {
            entry.change = Some((Statement::Left, COPIES, AT_ONCE));
            self.next = Some(AT_ONCE);
        } else {
            self.remove(key);
        }
    }

    /// Takes an IGMP or MLD message in.
    ///
    /// # Errors
    /// Why it must be dropped.
    pub(super) fn receive(
        &mut self,
        now: Instant,
        packet: &[u8],
        parsed: &Parsed,
    ) -> Result<(), Reason> {
        match message::parse(packet, parsed)? {
            Heard::Query { dialect, group, within } => {
                self.hear_querier(now, parsed.source, dialect);
                self.asked(now, parsed.source, group, within);
            }
            Heard::Report(group) => {
                let old = self.querier(group).dialect(now) != self.querier(group).newest;
                // One answer is enough for a router of the older versions.
                if old
                    && let Some((key, _)) = self.group(group)
                    && let Some(entry) = self.groups.get_mut(key)
                {
                    entry.answer = None;
                    entry.reported = false;
                }
            }
            Heard::Other => {}
        }
        Ok(())
    }

    /// Writes the next report that is due as a complete frame and gives its length; call again
    /// until `None`. `source` gives the own address that messages to a group come from.
    pub(super) fn poll(
        &mut self,
        now: Instant,
        frame: &mut [u8; REPORT_LEN],
        hardware: EthernetAddress,
        source: impl Fn(IpAddress) -> IpAddress,
    ) -> Option<usize> {
        if self.next.is_none_or(|next| now < next) {
            return None;
        }
        while let Some(key) = self.find(|group| group.due().is_some_and(|at| at <= now)) {
            let Some(entry) = self.groups.get_mut(key) else { continue };
            let group = entry.address;
            let querier = self.queriers[family(group)];
            let dialect = querier.dialect(now);
            let old = dialect != querier.newest;
            // RFC 2236 section 3: another host has reported it since, and is still there.
            let untold = old && !entry.reported;
            let statement = match entry.change {
                Some((statement, copies, at)) if at <= now => {
                    let again = now + wait(&mut self.random, if old { OLD_REPEAT } else { REPEAT });
                    let once = old && statement == Statement::Left;
                    let more = copies > 1 && !once;
                    entry.change = more.then(|| (statement, copies - 1, again));
                    statement
                }
                _ => {
                    entry.answer = None;
                    entry.reported = true;
                    Statement::Member
                }
            };
            if statement == Statement::Left && entry.change.is_none() {
                self.remove(key);
                if untold {
                    continue;
                }
            }
            let len = message::write(frame, hardware, source(group), dialect, group, statement);
            if len.is_some() {
                return len;
            }
        }
        self.next = self.earliest();
        None
    }

    /// When [`Memberships::poll`] has something to do.
    pub(super) fn poll_at(&self) -> Option<Instant> {
        self.next
    }

    fn earliest(&self) -> Option<Instant> {
        self.groups.iter().filter_map(|(_, group)| group.due()).min()
    }

    /// The first group that is `wanted`.
    fn find(&self, wanted: impl Fn(&Group) -> bool) -> Option<Key> {
        self.groups.iter().find(|(_, group)| wanted(group)).map(|(key, _)| key)
    }

    /// RFC 3376 section 7.2.1 and RFC 3810 section 8.2.1: the oldest version of the queries heard
    /// lately is spoken. What was to be said in another is not said any more.
    fn hear_querier(&mut self, now: Instant, router: IpAddress, dialect: Dialect) {
        let querier = &mut self.queriers[family(router)];
        let before = querier.dialect(now);
        if dialect < querier.newest && dialect <= before {
            querier.older = Some((dialect, now + OLD_QUERIER));
        }
        if querier.dialect(now) == before {
            return;
        }
        let same = |group: &Group| family(group.address) == family(router);
        for (_, group) in self.groups.iter_mut().filter(|(_, group)| same(group)) {
            group.change = None;
            group.answer = None;
        }
        while let Some(key) = self.find(|group| same(group) && group.members == 0) {
            self.remove(key);
        }
    }

    /// Answers are due within this time; an earlier one that is due already is enough.
    fn asked(
        &mut self,
        now: Instant,
        router: IpAddress,
        group: Option<IpAddress>,
        within: Duration,
    ) {
        for (_, entry) in self.groups.iter_mut() {
            if family(entry.address) != family(router)
                || group.is_some_and(|group| group != entry.address)
                || entry.members == 0
                || !is_reported(entry.address)
            {
                continue;
            }
            let due = now + wait(&mut self.random, within);
            let due = entry.answer.map_or(due, |earlier| earlier.min(due));
            entry.answer = Some(due);
            self.next = Some(self.next.map_or(due, |next| next.min(due)));
        }
    }

    fn group(&self, group: IpAddress) -> Option<(Key, &Group)> {
        let key = self.index.get(&group)?;
        Some((key, self.groups.get(key)?))
    }

    fn querier(&self, group: IpAddress) -> &Querier {
        &self.queriers[family(group)]
    }

    fn add(&mut self, address: IpAddress) -> Result<Key, Exhausted> {
        let hardware = ethernet::multicast(address).ok_or(Exhausted)?;
        if self.groups.len() >= GROUPS {
            return Err(Exhausted);
        }
        let group = Group { address, members: 0, change: None, answer: None, reported: false };
        let key = self.groups.insert(group).map_err(|_| Exhausted)?;
        if !self.index.insert(address, key) || !self.filter.insert(hardware, key) {
            self.remove(key);
            return Err(Exhausted);
        }
        Ok(key)
    }

    fn remove(&mut self, key: Key) {
        let Some(group) = self.groups.remove(key) else { return };
        self.index.remove(&group.address, key);
        if let Some(hardware) = ethernet::multicast(group.address) {
            self.filter.remove(&hardware, key);
        }
    }
}

/// A part of `longest` that is not to be guessed.
fn wait(random: &mut u64, longest: Duration) -> Duration {
    Duration::from_micros(next_random(random) % longest.total_micros().max(1))
}

const fn family(address: IpAddress) -> usize {
    match address {
        IpAddress::Ipv4(_) => 0,
        #[cfg(feature = "ipv6")]
        IpAddress::Ipv6(_) => 1,
    }
}

/// Groups that every host belongs to (RFC 1112 section 4, RFC 4291 section 2.8).
fn is_always_joined(group: IpAddress) -> bool {
    match group {
        IpAddress::Ipv4(group) => group == message::ALL_HOSTS,
        #[cfg(feature = "ipv6")]
        IpAddress::Ipv6(group) => {
            group == message::ALL_NODES || group == Ipv6Address::new(0xff01, 0, 0, 0, 0, 0, 0, 1)
        }
    }
}

/// RFC 3810 section 6: nothing is ever said about scopes 0 and 1.
fn is_reported(group: IpAddress) -> bool {
    match group {
        IpAddress::Ipv4(_) => true,
        #[cfg(feature = "ipv6")]
        IpAddress::Ipv6(group) => group.octets()[1] & 0x0f > 1,
    }
}

#[cfg(all(test, feature = "alloc"))]
mod tests;
