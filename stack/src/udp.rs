//! UDP over smoltcp's wire format, with the peer filter where datagrams arrive.

mod membership;

pub use membership::{MEMBERSHIPS, Membership, MembershipError};

pub(crate) use membership::Step;

use smoltcp::wire::{IpAddress, IpEndpoint};

use crate::event::{CauseKind, Happened, PacketEvidence};
use crate::net::{Delivery, Origin, Parsed, mark};
use crate::port::BindAddress;
use crate::storage::{Fifo, Storage, scatter};
use membership::Memberships;

/// ICMP errors that a socket keeps for its owner; further ones are dropped.
const ERRORS: usize = 8;

/// Datagrams that a socket keeps at the most, whatever their size: empty ones take no bytes of the
/// receive buffer, but memory all the same.
const DATAGRAMS: usize = 4096;

/// What stands in the checksum field of a datagram that is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UdpChecksum {
    /// The checksum.
    #[default]
    Always,
    /// Over IPv4 zero, which says that there is none (RFC 768).
    ZeroOverIpv4,
}

/// A datagram that was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Datagram {
    /// Bytes copied into the caller's buffer.
    pub copied: usize,
    /// Bytes that the datagram has.
    pub len: usize,
    /// Who sent it.
    pub remote: IpEndpoint,
    /// The address that it was sent to: of this stack, a broadcast address or a group.
    pub local: IpAddress,
    /// What kind of address that is.
    pub delivery: Delivery,
    /// Whether it came over the link or from this stack itself.
    pub origin: Origin,
    /// Time to live, or hop limit, with which it arrived.
    pub hop_limit: u8,
    /// Type of service, or traffic class, with which it arrived.
    pub traffic_class: u8,
}

/// How a socket sends, and which of its own host's datagrams it hears. Everything counts from the
/// next datagram on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UdpOptions {
    /// Time to live, or hop limit, of what goes to one host or to a broadcast address; 0 is taken
    /// for 1.
    pub hop_limit: u8,
    /// The same of what goes to a group. 0 keeps it in this stack.
    pub multicast_hop_limit: u8,
    /// Type of service, or traffic class, of everything (RFC 2474).
    pub traffic_class: u8,
    /// The own address from which datagrams to groups go out while the socket is bound to none;
    /// `None` for the one that routing prefers.
    pub multicast_source: Option<IpAddress>,
    /// What may be done with what is longer than its path takes.
    pub fragmentation: Fragmentation,
    /// Over IPv6 there is always a checksum (RFC 8200, section 8.1).
    pub checksum: UdpChecksum,
    /// Whether the socket, where it belongs to a group, also hears what this stack itself sends
    /// to the group.
    pub multicast_loop: bool,
    /// Whether it hears what is sent to broadcast addresses.
    pub broadcasts: bool,
    /// Whether ICMP errors are kept that say that nobody listens where a datagram went.
    pub refusals: bool,
    /// Whether all other ICMP errors about datagrams are kept.
    pub failures: bool,
}

impl UdpOptions {
    fn keeps(&self, error: &DatagramError) -> bool {
        if error.kind == CauseKind::Refused { self.refusals } else { self.failures }
    }
}

impl Default for UdpOptions {
    /// RFC 1112, section 6.1 wants groups to be reached with a time to live of 1 by default.
    fn default() -> Self {
        Self {
            hop_limit: 64,
            multicast_hop_limit: 1,
            traffic_class: 0,
            multicast_source: None,
            fragmentation: Fragmentation::Allow,
            checksum: UdpChecksum::Always,
            multicast_loop: true,
            broadcasts: true,
            refusals: true,
            failures: true,
        }
    }
}

/// What may be done with a datagram that is longer than its path takes in one piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Fragmentation {
    /// It is cut, by this host or by a router.
    #[default]
    Allow,
    /// Nobody may cut it. What the path is known not to take is refused.
    Forbid,
    /// Nobody may cut it, and what is known about the path is not looked at, only the link: for
    /// whoever finds the largest size by trying (RFC 8899).
    Probe,
}

/// What one datagram has instead of what its socket says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ancillary {
    /// The own address that it comes from.
    pub source: Option<IpAddress>,
    /// Time to live, or hop limit, also to a group.
    pub hop_limit: Option<u8>,
    /// Type of service, or traffic class.
    pub traffic_class: Option<u8>,
}

/// An ICMP error about a datagram that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DatagramError {
    /// What it says.
    pub kind: CauseKind,
    /// The datagram was lost on its way: its time to live ended, or a router could not read it.
    pub in_transit: bool,
    /// Whom the datagram was sent to.
    pub remote: IpEndpoint,
    /// The ICMP packet.
    pub evidence: PacketEvidence,
}

/// What there is to know about a UDP socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UdpStatus {
    /// The address that datagrams go out from, while connected.
    pub local: Option<IpAddress>,
    /// The local port.
    pub port: u16,
    /// Whom it is connected to.
    pub peer: Option<IpEndpoint>,
    /// Datagrams that wait to be received.
    pub waiting: usize,
    /// Size of the one that is received next.
    pub next_len: Option<usize>,
    /// Bytes that wait to be received.
    pub bytes: usize,
    /// Datagrams of others that were dropped because the socket is connected.
    pub filtered: u64,
    /// Datagrams dropped because the queue was full.
    pub overflowed: u64,
    /// Datagrams dropped because their neighbor did not answer.
    pub undeliverable: u64,
    /// ICMP errors that wait.
    pub errors: usize,
    /// ICMP errors that were not kept, because they are not wanted or too many wait.
    pub errors_lost: u64,
}

struct Queued<P> {
    about: About,
    data: P,
}

/// What is known about a datagram besides its data.
#[derive(Debug, Clone, Copy)]
pub(crate) struct About {
    pub(crate) source: IpEndpoint,
    pub(crate) destination: IpEndpoint,
    pub(crate) delivery: Delivery,
    pub(crate) origin: Origin,
    pub(crate) hop_limit: u8,
    pub(crate) traffic_class: u8,
}

pub(crate) struct UdpSocket<'a, S: Storage<'a>> {
    pub(crate) address: BindAddress,
    pub(crate) port: u16,
    pub(crate) local: Option<IpAddress>,
    pub(crate) peer: Option<IpEndpoint>,
    queue: S::Packets<Queued<S::Kept>>,
    bytes: usize,
    pub(crate) limit: usize,
    errors: heapless::Deque<DatagramError, ERRORS>,
    errors_lost: u64,
    pub(crate) filtered: u64,
    overflowed: u64,
    pub(crate) undeliverable: u64,
    pub(crate) options: UdpOptions,
    pub(crate) memberships: Memberships<'a, S>,
    pub(crate) owner: u32,
    pub(crate) happened: Happened,
}

impl<'a, S: Storage<'a>> UdpSocket<'a, S> {
    pub(crate) fn new(address: BindAddress, port: u16, limit: usize, owner: u32) -> Self {
        Self {
            address,
            port,
            local: None,
            peer: None,
            queue: S::Packets::default(),
            bytes: 0,
            limit,
            errors: heapless::Deque::new(),
            errors_lost: 0,
            filtered: 0,
            overflowed: 0,
            undeliverable: 0,
            options: UdpOptions::default(),
            memberships: Memberships::default(),
            owner,
            happened: Happened::default(),
        }
    }

    /// Queues a datagram; false when there is no room, which is counted.
    pub(crate) fn accept(&mut self, storage: &mut S, datagram: &Arriving<'_>) -> bool {
        // One datagram is always taken, as a receive buffer smaller than it would never fill.
        let fits = self.queue.is_empty()
            || (self.bytes + datagram.data.len() <= self.limit && self.queue.len() < DATAGRAMS);
        let queued = fits
            && storage.keep_datagram(datagram.data).is_some_and(|data| {
                self.queue.push_back(Queued { about: datagram.about, data }).is_ok()
            });
        if queued {
            self.bytes += datagram.data.len();
        } else {
            self.overflowed += 1;
        }
        queued
    }

    /// Notes what happened, and says whether nothing was noted before.
    pub(crate) fn happens(&mut self, what: Happened) -> bool {
        let first = self.happened.is_empty();
        self.happened |= what;
        first
    }

    /// Keeps an error if the socket's owner wants to know, and says whether it did.
    pub(crate) fn error(&mut self, error: DatagramError) -> bool {
        // One error more than anybody fetches is of no use: the oldest stay.
        let kept = self.options.keeps(&error) && self.errors.push_back(error).is_ok();
        self.errors_lost += u64::from(!kept);
        kept
    }

    /// Changes the options. Errors that wait go, where they are not wanted any more.
    pub(crate) fn set(&mut self, options: UdpOptions) {
        self.options = options;
        Fifo::retain(&mut self.errors, |error| options.keeps(error));
    }

    pub(crate) fn next_error(&mut self) -> Option<DatagramError> {
        self.errors.pop_front()
    }

    pub(crate) fn receive<'d>(
        &mut self,
        pieces: impl Iterator<Item = &'d mut [u8]>,
        keep: bool,
    ) -> Option<Datagram> {
        let front = self.queue.front()?;
        let data = front.data.as_ref();
        let copied = scatter(data, pieces);
        let About { source, destination, delivery, origin, hop_limit, traffic_class } = front.about;
        let datagram = Datagram {
            copied,
            len: data.len(),
            remote: source,
            local: destination.addr,
            delivery,
            origin,
            hop_limit,
            traffic_class,
        };
        if !keep {
            self.bytes -= datagram.len;
            self.queue.pop_front();
        }
        Some(datagram)
    }

    /// Sets the peer. Datagrams of others that are queued already count as filtered; those of
    /// the new peer stay only if the socket had no other one before.
    pub(crate) fn connect(&mut self, local: IpAddress, remote: IpEndpoint) {
        let moved = self.peer.is_some_and(|peer| peer != remote);
        self.local = Some(local);
        self.peer = Some(remote);
        let (mut bytes, mut dropped) = (0, 0);
        self.queue.retain(|queued| {
            let keep = !moved && queued.about.source == remote;
            if keep {
                bytes += queued.data.as_ref().len();
            } else {
                dropped += 1;
            }
            keep
        });
        self.bytes = bytes;
        self.filtered += dropped;
    }

    pub(crate) fn status(&self) -> UdpStatus {
        UdpStatus {
            local: self.local,
            port: self.port,
            peer: self.peer,
            waiting: self.queue.len(),
            next_len: self.queue.front().map(|queued| queued.data.as_ref().len()),
            bytes: self.bytes,
            filtered: self.filtered,
            overflowed: self.overflowed,
            undeliverable: self.undeliverable,
            errors: self.errors.iter().count(),
            errors_lost: self.errors_lost,
        }
    }
}

/// A datagram that arrives.
pub(crate) struct Arriving<'p> {
    pub(crate) about: About,
    pub(crate) data: &'p [u8],
}

impl<'p> Arriving<'p> {
    /// The datagram of a sane packet.
    pub(crate) fn of(parsed: &Parsed, origin: Origin, packet: &'p [u8]) -> Option<Self> {
        let (source, destination) = parsed.endpoints()?;
        let about = About {
            source,
            destination,
            delivery: parsed.delivery,
            origin,
            hop_limit: parsed.hop_limit,
            traffic_class: mark::traffic_class(packet),
        };
        Some(Self { about, data: packet.get(parsed.payload())? })
    }
}
