//! From frames to packets and back: everything below the sockets.
//!
//! [`Net`] owns the addresses, the routes and the neighbors of one link. A frame goes in by
//! [`Net::receive`]: ARP and neighbor discovery end there, anything else has to pass the checks
//! of [`sanity`] before a socket sees it; fragments are put together by [`Net::reassemble`], and
//! what they make has to pass the checks again. For a packet that goes out, [`Net::hop`] says
//! where it leaves, [`Net::resolve`] which Ethernet address it is sent to, [`Net::path_mtu`] how
//! large it may be, and [`Net::cut`] makes fragments of one that is larger. [`Net::poll`] gives
//! the requests to neighbors that are due, [`Net::outcome`] what became of them.
//!
//! Nothing here knows a socket, reads a clock, or touches a device.

pub mod checksum;
mod discovery;
pub mod ethernet;
pub(crate) mod extension;
pub mod fragment;
pub mod icmp;
pub mod mark;
mod multicast;
pub mod neighbor;
pub mod path;
pub mod reassembly;
pub mod routes;
pub mod sanity;

use core::fmt;
use core::hash::Hasher;
use core::ops::Range;

use siphasher::sip::SipHasher13;
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr, Ipv4Address};

use crate::config::{OwnGroups, Route};
use crate::event::Silence;
use crate::storage::Storage;

pub use multicast::{GROUPS, REPORT_LEN};
pub use neighbor::{Outcome, Resolution, Resolve};
pub use path::PathMtu;
pub use reassembly::{Expired, Reassembled};
pub use routes::Hop;
pub use sanity::{Checksums, Delivery, FragmentHeader, Origin, Parsed, Reason, Upper};

use discovery::{Arp, Body, Message, Operation};
use fragment::{Cut, Identifications};
use icmp::IcmpError;
use multicast::Memberships;
use neighbor::{Claim, Neighbors};
use path::Paths;
use reassembly::Reassembly;
use routes::Routes;

/// A table of fixed capacity is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exhausted;

impl fmt::Display for Exhausted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table of fixed capacity is full")
    }
}

impl core::error::Error for Exhausted {}

/// The two transports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// Transmission Control Protocol.
    Tcp,
    /// User Datagram Protocol.
    Udp,
}

/// What became of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// It carries a sane IP packet for this host.
    Packet {
        /// Where in the frame it stands; Ethernet padding is cut off.
        range: Range<usize>,
        /// What its headers say.
        parsed: Parsed,
    },
    /// It was ARP or neighbor discovery and is dealt with.
    Consumed {
        /// Bytes of a complete frame in the reply buffer, which must be sent.
        reply: Option<usize>,
    },
    /// It was dropped.
    Dropped(Reason),
}

/// The largest frame that [`Net::receive`] and [`Net::poll`] write, in bytes: Ethernet, IPv6, and
/// a neighbor solicitation or advertisement with one option.
pub const REPLY_LEN: usize = ethernet::HEADER_LEN + 40 + 32;

/// Addresses, routes and neighbors of one link, and of the loopback beside it.
pub struct Net<'a, S: Storage<'a>> {
    hardware: EthernetAddress,
    routes: Routes<'a, S>,
    neighbors: Neighbors<'a, S>,
    reassembly: Reassembly<'a, S>,
    paths: Paths<'a, S>,
    identifications: Identifications,
    memberships: Memberships<'a, S>,
    own_groups: OwnGroups,
    conflicts: u64,
}

impl<'a, S: Storage<'a>> fmt::Debug for Net<'a, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Net")
            .field("hardware", &self.hardware)
            .field("routes", &self.routes)
            .field("neighbors", &self.neighbors.len())
            .field("reassembling", &self.reassembly.held().0)
            .field("conflicts", &self.conflicts)
            .finish()
    }
}

impl<'a, S: Storage<'a>> Net<'a, S> {
    /// A link with this Ethernet address and, of the IP addresses, only the link-local one that
    /// belongs to it. `key` is the secret that hash tables and identifications follow from,
    /// `own_groups` whether anything is said unasked about the groups of own addresses.
    pub fn new(hardware: EthernetAddress, key: [u64; 2], own_groups: OwnGroups) -> Self {
        let mut net = Self {
            hardware,
            routes: Routes::default(),
            neighbors: Neighbors::new(key),
            reassembly: Reassembly::default(),
            paths: Paths::new(derived(key, 1)),
            identifications: Identifications::new(derived(key, 2)),
            memberships: Memberships::new(key),
            own_groups,
            conflicts: 0,
        };
        // Nor is there a group yet.
        #[cfg(feature = "ipv6")]
        let _ = net.add_address(routes::link_local(hardware));
        net
    }

    /// The Ethernet address of the link.
    pub fn hardware_address(&self) -> EthernetAddress {
        self.hardware
    }

    /// Adds an own address and the route to its prefix. An own address that is added again takes
    /// the new prefix. What can be nobody's address, or is own anyway (127/8, ::1), is ignored.
    ///
    /// # Errors
    /// When a table is full; then nothing changed.
    pub fn add_address(&mut self, cidr: IpCidr) -> Result<(), Exhausted> {
        let address = cidr.address();
        let known = self.routes.is_added(address);
        self.routes.add_address(cidr)?;
        if let (Some(group), false) = (node_group(address), known)
            && self.routes.is_added(address)
            && let Err(full) = self.memberships.join(group, self.own_groups)
        {
            self.routes.remove_address(address);
            return Err(full);
        }
        Ok(())
    }

    /// Gives an own address up, with the route that it implied. Says whether it was an own one.
    pub fn remove_address(&mut self, address: IpAddress) -> bool {
        let removed = self.routes.remove_address(address);
        if let (Some(group), true) = (node_group(address), removed) {
            self.memberships.leave(group, self.own_groups);
        }
        removed
    }

    /// The own addresses that were added, in that order; the link-local one is the first.
    pub fn addresses(&self) -> &[IpCidr] {
        self.routes.addresses()
    }

    /// Adds a route, or replaces the one that was added for the same destination.
    ///
    /// # Errors
    /// When the table is full.
    pub fn add_route(&mut self, route: Route) -> Result<(), Exhausted> {
        self.routes.add_route(route)
    }

    /// Removes a route that was added. Says whether there was one.
    pub fn remove_route(&mut self, destination: IpCidr) -> bool {
        self.routes.remove_route(destination)
    }

    /// All routes, those that own addresses imply among them, in the order in which they are
    /// tried.
    pub fn routes(&self) -> impl Iterator<Item = Route> {
        self.routes.routes()
    }

    /// Whether packets to `address` are for this host; true for 127/8 and ::1.
    pub fn is_own_address(&self, address: IpAddress) -> bool {
        self.routes.is_own(address)
    }

    /// Whether `address` is 255.255.255.255 or the broadcast address of an own prefix.
    pub fn is_broadcast(&self, address: IpAddress) -> bool {
        self.routes.is_broadcast(address)
    }

    /// Whether a socket at the own address `own` hears what is sent to `many`, a broadcast address
    /// or a group: every group and 255.255.255.255 on the link, and the broadcast address of its
    /// own prefix.
    pub fn is_heard_at(&self, own: IpAddress, many: IpAddress) -> bool {
        self.routes.is_heard_at(own, many)
    }

    /// Where a packet to `destination` leaves.
    pub fn hop(&self, destination: IpAddress) -> Hop {
        self.routes.hop(destination)
    }

    /// The same for a packet from `source`: a loopback address never leaves this host (RFC 1122
    /// section 3.2.1.3 (g), RFC 4291 section 2.5.3).
    pub fn hop_from(&self, source: IpAddress, destination: IpAddress) -> Hop {
        match self.routes.hop(destination) {
            Hop::Local => Hop::Local,
            _ if routes::is_loopback(source) => Hop::NoRoute,
            hop => hop,
        }
    }

    /// The own address that a packet to `destination` should come from; `None` when there is no
    /// route or no address of this family.
    pub fn source_for(&self, destination: IpAddress) -> Option<IpAddress> {
        self.routes.source_for(destination)
    }

    /// How many frames claimed that another host has an own address (RFC 5227 section 2.4,
    /// RFC 4862 section 5.4.4).
    pub fn conflicts(&self) -> u64 {
        self.conflicts
    }

    /// Adds a member to `group`; the first one makes the host join it. Call [`Net::report`].
    ///
    /// # Errors
    /// When there are too many groups ([`GROUPS`], or what a fixed table holds).
    pub fn join_group(&mut self, group: IpAddress) -> Result<(), Exhausted> {
        self.memberships.join(group, OwnGroups::Reported)
    }

    /// Takes a member out of `group`; the last one makes the host leave it. Call
    /// [`Net::report`].
    pub fn leave_group(&mut self, group: IpAddress) {
        self.memberships.leave(group, OwnGroups::Reported);
    }

    /// Whether this host belongs to `group`.
    pub fn is_member(&self, group: IpAddress) -> bool {
        self.memberships.is_member(group)
    }

    /// Writes the next IGMP or MLD report that is due as a complete frame, and gives its length;
    /// call again until `None`. `frame` must have [`REPORT_LEN`] bytes, or nothing is written.
    #[must_use]
    pub fn report(&mut self, now: Instant, frame: &mut [u8]) -> Option<usize> {
        let frame = frame.first_chunk_mut::<REPORT_LEN>()?;
        let Self { hardware, routes, memberships, .. } = self;
        memberships.poll(now, frame, *hardware, |group| match group {
            // RFC 3376 section 4.2.13: the sender may have no address yet.
            IpAddress::Ipv4(_) => {
                routes.source_on_link(group).unwrap_or(Ipv4Address::UNSPECIFIED.into())
            }
            // RFC 3810 section 5.2.13: from a link-local address.
            #[cfg(feature = "ipv6")]
            IpAddress::Ipv6(_) => routes::link_local(*hardware).address(),
        })
    }

    /// The Ethernet address of `next`, a host on the link. Unless it is known, asking it begins
    /// or goes on: call [`Net::poll`], and wait for its [`Outcome`].
    pub fn resolve(&mut self, now: Instant, next: IpAddress) -> Resolve {
        self.neighbors.resolve(now, next)
    }

    /// Writes the next request to a neighbor that is due as a complete frame, and gives its
    /// length; call again until `None`, and then fetch what happened with [`Net::outcome`].
    /// `frame` must have [`REPLY_LEN`] bytes, or nothing is written.
    #[must_use]
    pub fn poll(&mut self, now: Instant, frame: &mut [u8]) -> Option<usize> {
        let frame = frame.first_chunk_mut::<REPLY_LEN>()?;
        let request = self.neighbors.poll(now)?;
        let source = self.routes.source_on_link(request.neighbor);
        Some(discovery::request(frame, self.hardware, source, request))
    }

    /// What `next`, a host on the link, has been asked in vain so far; `None` for one that is not
    /// being asked.
    pub fn unanswered(&self, now: Instant, next: IpAddress) -> Option<Silence> {
        self.neighbors.unanswered(now, next)
    }

    /// When [`Net::poll`], [`Net::report`] or [`Net::expired`] has something to do. Early is
    /// harmless, late is not.
    pub fn poll_at(&self) -> Option<Instant> {
        [self.neighbors.poll_at(), self.memberships.poll_at(), self.reassembly.poll_at()]
            .into_iter()
            .flatten()
            .min()
    }

    /// The next neighbor that was found or has failed, in the order in which that happened. One
    /// whose outcome is not fetched keeps its place in the table.
    pub fn outcome(&mut self) -> Option<Outcome> {
        self.neighbors.outcome()
    }

    /// Checks a whole IP packet that did not come by [`Net::receive`], such as one from this host
    /// to itself.
    ///
    /// # Errors
    /// Why it must be dropped.
    pub fn check(
        &self,
        packet: &[u8],
        origin: Origin,
        checksums: Checksums,
    ) -> Result<Parsed, Reason> {
        sanity::check(packet, &sanity::Context { origin, checksums, addresses: &self.routes })
    }

    /// Takes a fragment that came by [`Net::receive`], and gives the packet that it completes. That
    /// has to pass [`Net::check_reassembled`].
    ///
    /// # Errors
    /// Why it was dropped.
    pub fn reassemble(
        &mut self,
        now: Instant,
        parsed: &Parsed,
        fragment: FragmentHeader,
        packet: &[u8],
    ) -> Result<Option<Reassembled<S::Packet>>, Reason> {
        self.reassembly.take(now, parsed, fragment, packet)
    }

    /// Checks a packet that was put together from fragments.
    ///
    /// # Errors
    /// Why it must be dropped.
    pub fn check_reassembled(&self, packet: &[u8]) -> Result<Parsed, Reason> {
        let parsed = self.check(packet, Origin::Link, Checksums::Verify)?;
        if is_membership(&parsed) {
            // Such a message fits any link, and its hop limit says that nobody cut it on its way.
            return Err(Reason::Membership);
        }
        match (parsed.source, parsed.upper) {
            (_, Upper::Fragment(_)) => Err(Reason::NestedFragment),
            // RFC 6980 section 5: neighbor discovery is never fragmented.
            #[cfg(feature = "ipv6")]
            (IpAddress::Ipv6(_), Upper::Icmp { kind, .. })
                if discovery::is_discovery_type(kind) =>
            {
                Err(Reason::Neighbor)
            }
            _ => Ok(parsed),
        }
    }

    /// Gives up the oldest packet whose fragments did not all arrive in time; call again until
    /// `None`.
    pub fn expired(&mut self, now: Instant) -> Option<Expired<S::Packet>> {
        self.reassembly.expired(now)
    }

    /// How many packets are being put together from fragments, and the bytes that they hold.
    pub fn reassembling(&self) -> (usize, usize) {
        self.reassembly.held()
    }

    /// How many packets were given up before their time because newer ones needed their place.
    pub fn reassembly_evictions(&self) -> u64 {
        self.reassembly.evicted()
    }

    /// What is known about the path to `destination`; `None` where it takes what the link takes.
    pub fn path(&mut self, now: Instant, destination: IpAddress) -> Option<PathMtu> {
        self.paths.get(now, destination)
    }

    /// The largest packet to `destination`, in bytes, over a link that takes `link` bytes.
    pub fn path_mtu(&mut self, now: Instant, destination: IpAddress, link: usize) -> usize {
        self.path(now, destination).map_or(link, |path| link.min(path.mtu.into()))
    }

    /// Takes note of an error that says that a packet of this host was too large, and that is
    /// known to quote one. Says whether the path is smaller than was known, over a link that takes
    /// `link` bytes.
    pub fn too_big(&mut self, now: Instant, error: &IcmpError, link: usize) -> bool {
        PathMtu::reported(error)
            .filter(|path| usize::from(path.mtu) < link)
            .is_some_and(|path| self.paths.lower(now, error.quoted_destination.addr, path))
    }

    /// Lets routers cut an IPv4 packet of this host: takes "don't fragment" away from it, and
    /// identifies it, which RFC 6864 section 4.1 then asks for. The checksum is not updated.
    pub fn allow_fragments(&mut self, packet: &mut [u8]) {
        if let Some((source, destination)) = sanity::addresses(packet) {
            fragment::allow(packet, self.identifications.next(source, destination));
        }
    }

    /// Cuts a packet of this host, whose checksums are right and which stands at `range` of
    /// `buffer`, into fragments of at most `mtu` bytes. `None` when it must not be cut, or there
    /// is no room: see [`Cut::new`].
    pub fn cut(&mut self, buffer: &mut [u8], range: Range<usize>, mtu: usize) -> Option<Cut> {
        let (source, destination) = sanity::addresses(buffer.get(range.clone())?)?;
        // IPv4 packets that may be cut have a number already.
        let identification = match source {
            IpAddress::Ipv4(_) => 0,
            #[cfg(feature = "ipv6")]
            IpAddress::Ipv6(_) => self.identifications.next(source, destination),
        };
        Cut::new(buffer, range, mtu, identification)
    }

    /// Writes the port unreachable error about `offending`, a whole IP packet, as a whole IP
    /// packet into `buffer`, and gives its length. `None` when there must be none: see
    /// [`icmp::port_unreachable`]; also for a packet to the broadcast address of a prefix.
    #[must_use]
    pub fn port_unreachable(
        &self,
        buffer: &mut [u8],
        offending: &Parsed,
        packet: &[u8],
    ) -> Option<usize> {
        if offending.delivery != Delivery::Own {
            return None;
        }
        icmp::port_unreachable(buffer, packet)
    }

    /// Takes a complete Ethernet frame in. An answer, where it needs one at once, is written to
    /// `reply`, which must have [`REPLY_LEN`] bytes, or there is none.
    pub fn receive(&mut self, now: Instant, frame: &[u8], reply: &mut [u8]) -> Received {
        self.receive_verified(now, frame, Checksums::Verify, reply)
    }

    /// The same for a frame of which a device has verified what `checksums` leaves out.
    pub fn receive_verified(
        &mut self,
        now: Instant,
        frame: &[u8],
        checksums: Checksums,
        reply: &mut [u8],
    ) -> Received {
        match self.take(now, frame, checksums, reply) {
            Ok(received) => received,
            Err(reason) => Received::Dropped(reason),
        }
    }

    fn take(
        &mut self,
        now: Instant,
        frame: &[u8],
        checksums: Checksums,
        reply: &mut [u8],
    ) -> Result<Received, Reason> {
        let header = ethernet::parse(frame).ok_or(Reason::Truncated)?;
        if !header.source.is_unicast() {
            return Err(Reason::EthernetSource);
        }
        if header.destination.is_unicast() && header.destination != self.hardware {
            return Err(Reason::EthernetDestination);
        }
        if !header.destination.is_unicast() && !self.memberships.hears(header.destination) {
            return Err(Reason::EthernetGroup);
        }
        let payload = frame.get(ethernet::HEADER_LEN..).ok_or(Reason::Truncated)?;
        let version = match header.ethertype {
            ethernet::ARP => {
                let arp = Arp::parse(payload).ok_or(Reason::Arp)?;
                let reply = self.take_arp(now, header, arp, reply);
                return Ok(Received::Consumed { reply });
            }
            ethernet::IPV4 => 4,
            ethernet::IPV6 => 6,
            _ => return Err(Reason::EtherType),
        };
        if payload.first().ok_or(Reason::Truncated)? >> 4 != version {
            return Err(Reason::Version);
        }
        #[cfg(feature = "ipv6")]
        if discovery::is_discovery(payload) {
            let message = Message::parse(payload)?;
            let reply = self.take_message(now, header, message, reply)?;
            return Ok(Received::Consumed { reply });
        }
        let parsed = self.check(payload, Origin::Link, checksums)?;
        if !matches!(parsed.source, IpAddress::Ipv4(_))
            && let Upper::Icmp { kind, .. } = parsed.upper
            && discovery::is_discovery_type(kind)
        {
            // Behind extension headers. Nobody sends it so, and nobody behind this may see it.
            return Err(Reason::Neighbor);
        }
        if parsed.delivery == Delivery::Own && !header.destination.is_unicast() {
            return Err(Reason::GroupFrame);
        }
        if parsed.delivery == Delivery::Multicast && !self.is_member(parsed.destination) {
            return Err(Reason::NotMember);
        }
        if is_membership(&parsed) {
            self.memberships.receive(now, payload, &parsed)?;
            return Ok(Received::Consumed { reply: None });
        }
        let start = ethernet::HEADER_LEN;
        Ok(Received::Packet { range: start..start + parsed.total_len, parsed })
    }

    fn take_arp(
        &mut self,
        now: Instant,
        header: ethernet::Header,
        arp: Arp,
        reply: &mut [u8],
    ) -> Option<usize> {
        let for_us = self.routes.is_added(arp.target.into());
        if !self.is_conflict(arp.sender.into(), arp.sender_hardware) {
            self.neighbors.learn(
                now,
                Claim {
                    neighbor: arp.sender.into(),
                    hardware: Some(arp.sender_hardware),
                    solicited: arp.operation == Operation::Reply
                        && for_us
                        && header.destination == self.hardware,
                    replaces: true,
                },
            );
        }
        if arp.operation == Operation::Request && for_us && arp.sender_hardware != self.hardware {
            Some(arp.answer(reply.first_chunk_mut()?, self.hardware))
        } else {
            None
        }
    }

    #[cfg(feature = "ipv6")]
    fn take_message(
        &mut self,
        now: Instant,
        header: ethernet::Header,
        message: Message,
        reply: &mut [u8],
    ) -> Result<Option<usize>, Reason> {
        if !message.destination.is_multicast() && !self.routes.is_own(message.destination.into()) {
            return Err(Reason::NotForUs);
        }
        let (neighbor, solicited, replaces) = match message.body {
            Body::Solicitation => (message.source, false, true),
            Body::Advertisement { solicited, replaces } => (message.target, solicited, replaces),
        };
        let sender = message.hardware.unwrap_or(header.source);
        if !self.is_conflict(neighbor.into(), sender) {
            let hardware = message.hardware;
            let neighbor = neighbor.into();
            self.neighbors.learn(now, Claim { neighbor, hardware, solicited, replaces });
        }
        let asked = message.body == Body::Solicitation
            && self.routes.is_added(message.target.into())
            && header.source != self.hardware;
        Ok(if asked {
            let frame = reply.first_chunk_mut();
            frame.map(|frame| message.answer(frame, self.hardware, header.source))
        } else {
            None
        })
    }

    /// Counts it when the host with this Ethernet address uses an address of this one.
    fn is_conflict(&mut self, address: IpAddress, hardware: EthernetAddress) -> bool {
        let own = self.routes.is_added(address);
        if own && hardware != self.hardware {
            self.conflicts += 1;
        }
        own
    }
}

/// The group that belongs to an own address: the one in which IPv6 neighbors ask for it.
fn node_group(own: IpAddress) -> Option<IpAddress> {
    match own {
        IpAddress::Ipv4(_) => None,
        #[cfg(feature = "ipv6")]
        IpAddress::Ipv6(own) => Some(discovery::solicited_node(own).into()),
    }
}

/// Whether a packet is of IGMP or MLD.
fn is_membership(parsed: &Parsed) -> bool {
    match (parsed.source, parsed.upper) {
        (_, Upper::Igmp) => true,
        #[cfg(feature = "ipv6")]
        (IpAddress::Ipv6(_), Upper::Icmp { kind, .. }) => multicast::is_mld_type(kind),
        _ => false,
    }
}

/// A secret of its own for each `purpose`.
fn derived(key: [u64; 2], purpose: u64) -> [u64; 2] {
    [0, 1].map(|half: u64| {
        let mut hasher = SipHasher13::new_with_keys(key[0], key[1]);
        hasher.write_u64(purpose);
        hasher.write_u64(half);
        hasher.finish()
    })
}

impl<'a, S: Storage<'a>> sanity::Addresses for Routes<'a, S> {
    fn is_own(&self, address: IpAddress) -> bool {
        Routes::is_own(self, address)
    }
    fn is_broadcast(&self, address: IpAddress) -> bool {
        Routes::is_broadcast(self, address)
    }
}

#[cfg(all(test, feature = "alloc"))]
mod tests;
