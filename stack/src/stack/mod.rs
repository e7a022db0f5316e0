//! The stack itself: the one type that callers hold.

mod connection;
mod counters;
mod fan_out;
mod input;
mod neighbors;
mod netstat;
mod output;
mod tcp;
mod time_wait;
mod timers;
mod udp;

use core::fmt;

pub use counters::{Counters, Drops};
pub use netstat::SocketRow;
use output::Stalled;
use smoltcp::iface::SocketSet;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{IpAddress, IpCidr, IpEndpoint};
use timers::REST;

use crate::config::{Config, Route};
use crate::demux::{Connections, Demux, Flow, RestId, Rests, Target};
use crate::event::{Event, Happened, SocketRef};
use crate::interface::Ip;
use crate::link::Link;
use crate::link::offload::Segments;
use crate::net::{Exhausted, Hop, Net, Origin};
use crate::port::{BindAddress, BindError, Binding, Ports, Share, Transport};
use crate::random::next_random;
use crate::slab::{Place, Slab};
use crate::storage::{Fifo, Storage};
use crate::tcp::handshake::later;
use crate::tcp::{Listener, Role, RouteError};
use crate::timer::{Deadlines, Entry};
use crate::udp::UdpSocket;
use crate::waiting::WaitingRoom;
use crate::{ListenerId, ListenerKind, TcpId, UdpId, UdpKind};

/// How many frames, packets or sockets one call of [`Stack::poll`] works on at the most, each.
pub const TURN: usize = 64;

/// Room for an Ethernet header before each packet.
pub(crate) const HEADER: usize = 14;

/// The most packets on their way from this stack to itself.
const LOOPBACK_QUEUE: usize = 256;

/// The most frames that wait for a busy link.
const LINK_QUEUE: usize = 256;

/// Whether [`Stack::poll`] left something undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Progress {
    /// Nothing can be done before the next frame or the next deadline.
    Idle,
    /// There is more to do at once: call again.
    More,
}

/// What becomes of the frames that have arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Frames {
    Taken,
    Left,
}

/// Where a packet came from, and when.
#[derive(Debug, Clone, Copy)]
struct Arrival {
    /// The frame's number on the link; 0 for the loopback.
    number: u64,
    now: Instant,
}

impl Arrival {
    fn origin(self) -> Origin {
        if self.number == 0 { Origin::Loopback } else { Origin::Link }
    }
}

/// How many ICMP errors may be sent: RFC 4443, section 2.4 (f) and RFC 1812, section 4.3.2.8 want
/// a limit, by a token bucket.
#[derive(Debug, Clone, Copy)]
struct Allowance {
    tokens: u32,
    refilled: Instant,
}

impl Allowance {
    /// Errors at once.
    const BURST: u32 = 50;
    /// From one error to the next in the long run: a thousand a second.
    const STEP: Duration = Duration::from_millis(1);

    fn new(now: Instant) -> Self {
        Self { tokens: Self::BURST, refilled: now }
    }

    fn take(&mut self, now: Instant) -> bool {
        let steps = (now - self.refilled).total_micros() / Self::STEP.total_micros();
        let tokens = u64::from(self.tokens) + steps;
        if tokens >= u64::from(Self::BURST) {
            (self.tokens, self.refilled) = (Self::BURST, now);
        } else {
            self.tokens = tokens as u32;
            self.refilled += Self::STEP * steps as u32;
        }
        let allowed = self.tokens > 0;
        self.tokens = self.tokens.saturating_sub(1);
        allowed
    }
}

/// What became of a packet on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sent {
    /// The link or the loopback has it, or will have it as soon as it takes frames again.
    Out,
    /// It waits for a neighbor.
    Waiting,
    /// It is lost.
    Lost,
}

/// A userspace TCP/UDP stack on one link and a loopback.
///
/// It reads no clock, has no thread and never blocks: every call takes `now`, [`Stack::poll_at`]
/// says when to call [`Stack::poll`] again, and [`Stack::next_event`] says what happened.
pub struct Stack<'a, L: Link, S: Storage<'a>> {
    core: Core<'a, L, S>,
    /// The frame that is being read.
    arriving: S::Scratch,
    /// The frame that is being written, with room for its Ethernet header.
    departing: S::Scratch,
}

struct Core<'a, L: Link, S: Storage<'a>> {
    config: Config,
    link: L,
    storage: S,
    net: Net<'a, S>,
    ip: Ip,
    /// Given to smoltcp with packets that belong to no socket.
    nobody: SocketSet<'a>,
    ports: Ports<'a, S>,
    demux: Demux<'a, S>,
    connections: Connections<'a, S>,
    listeners: Slab<Listener<'a, S>, ListenerKind, S::Sockets<Place<Listener<'a, S>>>>,
    datagrams: Slab<UdpSocket<'a, S>, UdpKind, S::Datagrams<Place<UdpSocket<'a, S>>>>,
    rests: Rests<'a, S>,
    /// All rest equally long, so the oldest ends first.
    resting: S::Queue<RestId>,
    deadlines: Deadlines<S::Sockets<Entry>, S::Sockets<u32>>,
    dirty: S::Queue<TcpId>,
    connection_events: S::Queue<TcpId>,
    listener_events: S::Queue<ListenerId>,
    datagram_events: S::Queue<UdpId>,
    waiting: WaitingRoom<'a, S>,
    loopback: S::Packets<S::Kept>,
    /// Frames that a busy link did not take yet, in order.
    stalled: S::Packets<Stalled<S::Kept>>,
    /// Set while the first of them is a superframe that the link does not cut any more.
    cutting: Option<Segments>,
    /// When a busy link is tried again.
    retry_at: Option<Instant>,
    link_was_up: bool,
    /// Frames that passed the link, either way.
    frames: u64,
    random: u64,
    icmp: Allowance,
    released: usize,
    limit: usize,
    /// Bytes that all sockets hold beyond their rings.
    chained: usize,
    counters: Counters,
}

impl<'a, L: Link, S: Storage<'a>> Stack<'a, L, S> {
    /// A stack on `link`, without an address of its own but the loopback's.
    ///
    /// A stack without a heap is large, and stays best where it is: a local of the function that goes
    /// on to use it, with an engine that borrows it.
    #[inline(never)]
    pub fn new(config: Config, link: L, mut storage: S, now: Instant) -> Self {
        let (arriving, departing) = (storage.scratch(), storage.scratch());
        let room = departing.as_ref().len().saturating_sub(HEADER);
        // Nothing is done with it here, so that it is made where the caller wants it. Any call on
        // a local would make it a second stack, which a small device may have no memory for.
        Self { core: Core::new(config, link, storage, room, now), arriving, departing }
    }

    /// Gives the stack an address. Its prefix is reached over the link from now on.
    ///
    /// # Errors
    /// [`Exhausted`] when a fixed table is full.
    pub fn add_address(&mut self, address: IpCidr) -> Result<(), Exhausted> {
        self.core.net.add_address(address)
    }

    /// Takes an address away. Connections from it are not told; their packets no longer arrive.
    pub fn remove_address(&mut self, address: IpAddress) {
        self.core.net.remove_address(address);
    }

    /// The stack's own addresses, with their prefixes.
    pub fn addresses(&self) -> &[IpCidr] {
        self.core.net.addresses()
    }

    /// Adds a route, in place of one to the same destination.
    ///
    /// # Errors
    /// [`Exhausted`] when a fixed table is full.
    pub fn add_route(&mut self, route: Route) -> Result<(), Exhausted> {
        self.core.net.add_route(route)
    }

    /// Removes the route to `destination`.
    pub fn remove_route(&mut self, destination: IpCidr) {
        self.core.net.remove_route(destination);
    }

    /// Whether packets to `address` stay in this stack: its own addresses, 127/8 and ::1.
    pub fn is_own_address(&self, address: IpAddress) -> bool {
        self.core.net.is_own_address(address)
    }

    /// Whether `address` is the limited broadcast or that of a subnet of ours.
    pub fn is_broadcast(&self, address: IpAddress) -> bool {
        self.core.net.is_broadcast(address)
    }

    /// The address from which packets to `remote` go out.
    ///
    /// # Errors
    /// [`RouteError::NoRoute`] when no route matches or no address of the family exists,
    /// [`RouteError::LinkDown`] when the route's link is down.
    pub fn source_for(&self, remote: IpAddress) -> Result<IpAddress, RouteError> {
        match self.core.net.hop(remote) {
            Hop::NoRoute => return Err(RouteError::NoRoute),
            Hop::Local => {}
            Hop::Broadcast | Hop::Multicast | Hop::Via(_) => {
                if !self.core.link.is_up() {
                    return Err(RouteError::LinkDown);
                }
            }
        }
        self.core.net.source_for(remote).ok_or(RouteError::NoRoute)
    }

    /// The largest packet, in bytes, that can go to `remote` without being cut, as far as is
    /// known: what the link takes, less where a router said so in the last ten minutes.
    pub fn path_mtu(&mut self, now: Instant, remote: IpAddress) -> usize {
        self.core.path_mtu(now, remote)
    }

    /// Advances everything to `now`: takes frames in, runs what is due, sends what is ready.
    ///
    /// It works on at most [`TURN`] frames. Time must not run backwards between calls.
    pub fn poll(&mut self, now: Instant) -> Progress {
        let Self { core, arriving, departing } = self;
        core.poll(now, arriving.as_mut(), departing.as_mut(), Frames::Taken)
    }

    /// As [`Stack::poll`], but leaves on the link what has arrived. For a caller who takes it soon,
    /// and would only find the link empty now: a look costs as much as a small packet.
    pub fn poll_egress(&mut self, now: Instant) -> Progress {
        let Self { core, arriving, departing } = self;
        core.poll(now, arriving.as_mut(), departing.as_mut(), Frames::Left)
    }

    /// When [`Stack::poll`] is to be called although no frame arrives. Earlier is harmless, later
    /// makes every timer late. Ask again after every call that takes the stack mutably.
    pub fn poll_at(&mut self) -> Option<Instant> {
        self.core.poll_at()
    }

    /// The next thing that happened to a socket.
    pub fn next_event(&mut self) -> Option<Event> {
        self.core.next_event()
    }

    /// The link.
    pub fn link(&self) -> &L {
        &self.core.link
    }

    /// The link, mutably.
    pub fn link_mut(&mut self) -> &mut L {
        &mut self.core.link
    }

    /// What happened so far.
    pub fn counters(&self) -> &Counters {
        &self.core.counters
    }

    /// What the stack was told when it was made.
    pub fn config(&self) -> &Config {
        &self.core.config
    }

    /// A number that follows from the seed.
    pub fn random(&mut self) -> u32 {
        next_random(&mut self.core.random) as u32
    }

    /// Holds `port` on `address`; port 0 for an ephemeral one.
    ///
    /// # Errors
    /// As [`BindError`] says.
    pub fn bind(
        &mut self,
        transport: Transport,
        address: BindAddress,
        port: u16,
        share: Share,
    ) -> Result<Binding, BindError> {
        let core = &mut self.core;
        if let BindAddress::Address(own) = address
            && !core.net.is_own_address(own)
        {
            return Err(BindError::NotOwn);
        }
        if port == 0 {
            return core.ports.bind_ephemeral(transport, address, None, share, |_| true);
        }
        core.ports.bind(transport, address, port, share)
    }

    /// Holds an ephemeral port for talking to `remote` (RFC 6056, algorithm 3). The four-tuple
    /// with it is free.
    ///
    /// # Errors
    /// As [`BindError`] says.
    pub fn bind_for(
        &mut self,
        transport: Transport,
        address: BindAddress,
        remote: IpEndpoint,
        share: Share,
    ) -> Result<Binding, BindError> {
        let source = match address {
            BindAddress::Address(own) => {
                if !self.core.net.is_own_address(own) {
                    return Err(BindError::NotOwn);
                }
                Some(own)
            }
            BindAddress::Any(_) | BindAddress::AnyDual => self.core.net.source_for(remote.addr),
        };
        let Core { ports, demux, connections, rests, .. } = &mut self.core;
        ports.bind_ephemeral(transport, address, Some(remote), share, |port| {
            let Some(source) = source else { return true };
            let flow = Flow { local: IpEndpoint::new(source, port), remote };
            transport == Transport::Udp || demux.target(&flow, connections, rests).is_none()
        })
    }

    /// What a binding holds.
    pub fn bound(&self, binding: Binding) -> Option<(BindAddress, u16)> {
        self.core.ports.get(binding).map(|holder| (holder.address, holder.port))
    }

    /// Gives a port back. Its sockets must be closed.
    pub fn unbind(&mut self, binding: Binding) {
        self.core.ports.unbind(binding);
    }

    /// Says who a socket belongs to; the number comes back in its events.
    pub fn set_owner(&mut self, socket: SocketRef, owner: u32) {
        let core = &mut self.core;
        match socket {
            SocketRef::Tcp(id) => {
                if let Some(connection) = core.connections.get_mut(id) {
                    connection.owner = owner;
                }
            }
            SocketRef::Listener(id) => {
                if let Some(listener) = core.listeners.get_mut(id) {
                    listener.owner = owner;
                }
            }
            SocketRef::Udp(id) => {
                if let Some(socket) = core.datagrams.get_mut(id) {
                    socket.owner = owner;
                }
            }
        }
    }

    /// How many sockets of all kinds there are, closed ones that still deliver included.
    pub fn sockets(&self) -> usize {
        self.core.connections.len() + self.core.listeners.len() + self.core.datagrams.len()
    }
}

impl<'a, L: Link + fmt::Debug, S: Storage<'a>> fmt::Debug for Stack<'a, L, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stack")
            .field("config", &self.core.config)
            .field("link", &self.core.link)
            .field("connections", &self.core.connections.len())
            .field("listeners", &self.core.listeners.len())
            .field("datagrams", &self.core.datagrams.len())
            .field("counters", &self.core.counters)
            .finish_non_exhaustive()
    }
}

impl<'a, L: Link, S: Storage<'a>> Core<'a, L, S> {
    /// For packets of up to `room` bytes. One expression, for the reason given in [`Stack::new`].
    #[inline(never)]
    fn new(config: Config, link: L, mut storage: S, room: usize, now: Instant) -> Self {
        let mut random = config.seed;
        let mut secret = || {
            let high = next_random(&mut random);
            [high, next_random(&mut random)]
        };
        let limit = storage.socket_limit().unwrap_or(usize::MAX);
        Self {
            link_was_up: link.is_up(),
            link,
            net: Net::new(config.hardware_address, secret(), config.own_groups),
            ip: Ip::new(secret()[0], room, now),
            nobody: storage.empty_set(),
            ports: Ports::new(secret(), secret(), limit),
            demux: Demux::new(&mut secret),
            connections: Slab::default(),
            listeners: Slab::default(),
            datagrams: Slab::default(),
            rests: Slab::default(),
            resting: S::Queue::default(),
            deadlines: Deadlines::default(),
            dirty: S::Queue::default(),
            connection_events: S::Queue::default(),
            listener_events: S::Queue::default(),
            datagram_events: S::Queue::default(),
            waiting: WaitingRoom::new(secret()),
            loopback: S::Packets::default(),
            stalled: S::Packets::default(),
            cutting: None,
            retry_at: None,
            frames: 0,
            random: secret()[0],
            icmp: Allowance::new(now),
            released: 0,
            limit,
            chained: 0,
            counters: Counters::default(),
            config,
            storage,
        }
    }

    fn poll(
        &mut self,
        now: Instant,
        arriving: &mut [u8],
        departing: &mut [u8],
        frames: Frames,
    ) -> Progress {
        self.retry_stalled(now);
        self.expire_fragments(now, departing);
        let full_turn = frames == Frames::Taken && self.receive(now, arriving, departing);
        self.poll_neighbors(now, departing);
        self.run_deadlines(now, departing);
        self.end_rests(now);
        self.service_dirty(now, departing);
        self.deliver_loopback(now, arriving, departing);
        self.service_dirty(now, departing);
        self.return_rings(now);
        let held = !self.stalled.is_empty();
        if full_turn || !self.loopback.is_empty() || (!self.dirty.is_empty() && !held) {
            Progress::More
        } else {
            Progress::Idle
        }
    }

    fn path_mtu(&mut self, now: Instant, remote: IpAddress) -> usize {
        match self.net.hop(remote) {
            Hop::Local => usize::from(u16::MAX),
            _ => self.net.path_mtu(now, remote, self.link.mtu()),
        }
    }

    fn poll_at(&self) -> Option<Instant> {
        let rest = self
            .resting
            .front()
            .map(|&id| self.rests.get(id).map_or(Instant::from_micros(0), |rest| rest.ends));
        let at_once = (!self.loopback.is_empty()
            || (!self.dirty.is_empty() && self.stalled.is_empty()))
        .then_some(Instant::from_micros(0));
        [
            at_once,
            self.deadlines.earliest(),
            self.net.poll_at(),
            rest,
            self.retry_at,
            self.link.poll_at(),
            self.storage.first_used().map(|(since, _)| later(since, REST)),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn next_event(&mut self) -> Option<Event> {
        while let Some(id) = self.connection_events.pop_front() {
            if let Some(connection) = self.connections.get_mut(id)
                && connection.role == Role::Owned
            {
                let what = core::mem::take(&mut connection.happened);
                let owner = connection.owner;
                return Some(Event { socket: SocketRef::Tcp(id), owner, what });
            }
        }
        while let Some(id) = self.listener_events.pop_front() {
            if let Some(listener) = self.listeners.get_mut(id) {
                let what = core::mem::take(&mut listener.happened);
                let owner = listener.owner;
                return Some(Event { socket: SocketRef::Listener(id), owner, what });
            }
        }
        while let Some(id) = self.datagram_events.pop_front() {
            if let Some(socket) = self.datagrams.get_mut(id) {
                let what = core::mem::take(&mut socket.happened);
                let owner = socket.owner;
                return Some(Event { socket: SocketRef::Udp(id), owner, what });
            }
        }
        None
    }

    /// Who has a four-tuple of TCP.
    fn target(&self, flow: &Flow) -> Option<Target> {
        self.demux.target(flow, &self.connections, &self.rests)
    }

    fn happened(&mut self, id: TcpId, what: Happened) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        let queued = !connection.happened.is_empty();
        connection.happened |= what;
        // Before it is accepted nobody knows it; afterwards its owner hears what happened so far.
        if !queued && connection.role == Role::Owned {
            let connections = &self.connections;
            push(&mut self.connection_events, id, |&id| connections.get(id).is_some());
        }
    }

    fn listener_happened(&mut self, id: ListenerId, what: Happened) {
        let Some(listener) = self.listeners.get_mut(id) else { return };
        let queued = !listener.happened.is_empty();
        listener.happened |= what;
        if !queued {
            let listeners = &self.listeners;
            push(&mut self.listener_events, id, |&id| listeners.get(id).is_some());
        }
    }

    fn datagram_happened(&mut self, id: UdpId, what: Happened) {
        let Some(socket) = self.datagrams.get_mut(id) else { return };
        if socket.happens(what) {
            let datagrams = &self.datagrams;
            push(&mut self.datagram_events, id, |&id| datagrams.get(id).is_some());
        }
    }

    fn mark_dirty(&mut self, id: TcpId) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        if !connection.dirty {
            connection.dirty = true;
            let connections = &self.connections;
            push(&mut self.dirty, id, |&id| connections.get(id).is_some());
        }
    }
}

/// Appends to a queue that has room for one entry of every live socket. Entries of sockets that
/// are gone are only thrown out when they are in the way.
fn push<T: Copy>(queue: &mut impl Fifo<T>, value: T, live: impl FnMut(&T) -> bool) {
    if queue.push_back(value).is_err() {
        queue.retain(live);
        // Live sockets are unique in the queue and as many as it has places, this one among them.
        let _ = queue.push_back(value);
    }
}
