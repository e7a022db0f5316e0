//! UDP sockets: the calls.

use core::iter;

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::time::Instant;
use smoltcp::wire::{IpAddress, IpEndpoint, IpProtocol, IpRepr, UdpPacket, UdpRepr};

use super::{Core, HEADER, Stack};
use crate::UdpId;
use crate::demux::{Bound, Flow};
use crate::event::SocketRef;
use crate::link::Link;
use crate::net::fragment::FRAGMENT_HEADER_LEN;
use crate::net::{Hop, mark, routes};
use crate::port::{BindAddress, Binding, Family, Transport};
use crate::source::Source;
use crate::storage::Storage;
use crate::tcp::{OpenError, RouteError, SendError, Take};
use crate::udp::{
    Ancillary, Datagram, DatagramError, Fragmentation, UdpOptions, UdpSocket, UdpStatus,
};

/// Bytes of a UDP header.
const UDP_HEADER: usize = 8;

/// Bytes of the longest packet over `family`. Both have a length field of 16 bits, but IPv6's does
/// not count the header (RFC 8200, section 3).
const fn longest(family: Family) -> usize {
    match family {
        Family::V4 => 65535,
        Family::V6 => 65535 + 40,
    }
}

impl<'a, L: Link, S: Storage<'a>> Stack<'a, L, S> {
    /// Opens a socket on what `binding` holds. Its receive queue takes `receive_bytes`, but always
    /// one datagram.
    ///
    /// # Errors
    /// [`OpenError::Exhausted`] when no socket is left, [`OpenError::Stale`] for a binding that
    /// was given back or is not of UDP.
    pub fn udp_open(
        &mut self,
        binding: Binding,
        receive_bytes: usize,
        owner: u32,
    ) -> Result<UdpId, OpenError> {
        let core = &mut self.core;
        let holder = *core.ports.get(binding).ok_or(OpenError::Stale)?;
        if holder.transport != Transport::Udp {
            return Err(OpenError::Stale);
        }
        if core.datagrams.len() >= core.limit {
            return Err(OpenError::Exhausted);
        }
        let (address, port) = (holder.address, holder.port);
        let socket = UdpSocket::new(address, port, receive_bytes, owner);
        let id = core.datagrams.insert(socket).map_err(|_| OpenError::Exhausted)?;
        if !core.demux.datagram_bound.insert((address, port), id)
            || !core.demux.datagram_ports.insert(port, id)
        {
            core.demux.datagram_bound.remove(&(address, port), id);
            core.datagrams.remove(id);
            return Err(OpenError::Exhausted);
        }
        Ok(id)
    }

    /// Connects a socket: from now on only datagrams from `remote` to `local` reach it, and others
    /// are dropped before they are queued. Queued datagrams of others go; a change of peer flushes
    /// the queue.
    ///
    /// # Errors
    /// [`OpenError::Exhausted`] when a table is full, [`OpenError::Stale`] for a stale handle,
    /// [`OpenError::Route`] when `local` is not one of the stack's own addresses or the two are of
    /// different families.
    pub fn udp_connect(
        &mut self,
        id: UdpId,
        local: IpAddress,
        remote: IpEndpoint,
    ) -> Result<(), OpenError> {
        let core = &mut self.core;
        let Some(socket) = core.datagrams.get(id) else { return Err(OpenError::Stale) };
        if !core.net.is_own_address(local) || Family::of(local) != Family::of(remote.addr) {
            return Err(OpenError::Route(RouteError::NoRoute));
        }
        let bound = (socket.address, socket.port);
        let flow = Flow { local: IpEndpoint::new(local, socket.port), remote };
        let shadow = (BindAddress::Address(local), socket.port);
        core.withdraw(id);
        if !core.demux.datagram_flows.insert(flow, id)
            || !core.demux.datagram_shadow.insert(shadow, id)
        {
            core.demux.datagram_flows.remove(&flow, id);
            // The place that was just taken out of this table is still free.
            core.demux.datagram_bound.insert(bound, id);
            if let Some(socket) = core.datagrams.get_mut(id) {
                socket.peer = None;
                socket.local = None;
            }
            return Err(OpenError::Exhausted);
        }
        if let Some(socket) = core.datagrams.get_mut(id) {
            socket.connect(local, remote);
        }
        Ok(())
    }

    /// Takes the peer away. What is queued stays, and the socket is bound as before.
    pub fn udp_disconnect(&mut self, id: UdpId) {
        let core = &mut self.core;
        let Some(socket) = core.datagrams.get(id) else { return };
        let bound: Bound = (socket.address, socket.port);
        core.withdraw(id);
        // The place that was just taken out of this table or of the others is enough.
        core.demux.datagram_bound.insert(bound, id);
        if let Some(socket) = core.datagrams.get_mut(id) {
            socket.peer = None;
            socket.local = None;
        }
    }

    /// What there is to know about a socket; `None` for a stale handle.
    pub fn udp(&self, id: UdpId) -> Option<UdpStatus> {
        self.core.datagrams.get(id).map(UdpSocket::status)
    }

    /// Changes the options of a socket. Nothing happens for a stale handle.
    pub fn udp_set(&mut self, id: UdpId, options: &UdpOptions) {
        if let Some(socket) = self.core.datagrams.get_mut(id) {
            socket.set(*options);
        }
    }

    /// Sets the bytes that the receive queue takes. What is queued stays.
    pub fn udp_set_receive_bytes(&mut self, id: UdpId, receive_bytes: usize) {
        if let Some(socket) = self.core.datagrams.get_mut(id) {
            socket.limit = receive_bytes;
        }
    }

    /// Sends one datagram; see [`Stack::udp_send_from`].
    ///
    /// # Errors
    /// As [`Stack::udp_send_from`].
    pub fn udp_send(
        &mut self,
        now: Instant,
        id: UdpId,
        remote: IpEndpoint,
        data: &[u8],
    ) -> Result<(), SendError> {
        self.udp_send_from(now, id, remote, &Ancillary::default(), &data)
    }

    /// Sends the bytes of `data`, which may be a list of buffers, as one datagram: in fragments, if
    /// it is longer than its path takes in one piece and that is not forbidden. What goes to a
    /// broadcast address or a group also comes back to the sockets of this stack that hear it, the
    /// sender's own among them. What `ancillary` has counts instead of what the socket says.
    ///
    /// A datagram for a neighbor that must be asked for first waits, and is dropped without
    /// another word if it does not answer.
    ///
    /// # Errors
    /// [`SendError::TooLong`] for more than 65,507 bytes over IPv4 or 65,527 over IPv6, and when
    /// it does not fit its path and must not be cut, or does not fit the buffers of a fixed size;
    /// [`SendError::NoRoute`], also for a source that is not this stack's or of another family;
    /// [`SendError::LinkDown`]; [`SendError::NotConnected`] for a stale handle;
    /// [`SendError::Unreadable`].
    pub fn udp_send_from(
        &mut self,
        now: Instant,
        id: UdpId,
        remote: IpEndpoint,
        ancillary: &Ancillary,
        data: &impl Source,
    ) -> Result<(), SendError> {
        let route = self.source_for(remote.addr);
        let departing = self.departing.as_mut();
        self.core.udp_send(now, id, remote, ancillary, data, route, departing)
    }

    /// Receives the oldest datagram; see [`Stack::udp_recv_scattered`].
    pub fn udp_recv(&mut self, id: UdpId, buffer: &mut [u8], take: Take) -> Option<Datagram> {
        self.udp_recv_scattered(id, iter::once(buffer), take)
    }

    /// Receives the oldest datagram into `pieces`, filling one after the other; what has no room
    /// there is lost when the datagram is consumed.
    pub fn udp_recv_scattered<'d>(
        &mut self,
        id: UdpId,
        pieces: impl Iterator<Item = &'d mut [u8]>,
        take: Take,
    ) -> Option<Datagram> {
        self.core.datagrams.get_mut(id)?.receive(pieces, take == Take::Peek)
    }

    /// Takes the oldest ICMP error about a datagram that was sent.
    pub fn udp_error(&mut self, id: UdpId) -> Option<DatagramError> {
        self.core.datagrams.get_mut(id)?.next_error()
    }

    /// Closes a socket. What is queued is lost, and its memberships end.
    pub fn udp_close(&mut self, id: UdpId) {
        self.core.withdraw(id);
        self.core.leave_groups(id);
        if let Some(socket) = self.core.datagrams.remove(id) {
            self.core.demux.datagram_ports.remove(&socket.port, id);
        }
    }
}

impl<'a, L: Link, S: Storage<'a>> Core<'a, L, S> {
    /// Takes a socket out of every table of the demultiplexer.
    fn withdraw(&mut self, id: UdpId) {
        let Some(socket) = self.datagrams.get(id) else { return };
        match (socket.local, socket.peer) {
            (Some(local), Some(remote)) => {
                let flow = Flow { local: IpEndpoint::new(local, socket.port), remote };
                self.demux.datagram_flows.remove(&flow, id);
                self.demux.datagram_shadow.remove(&(BindAddress::Address(local), socket.port), id);
            }
            _ => {
                self.demux.datagram_bound.remove(&(socket.address, socket.port), id);
            }
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn udp_send(
        &mut self,
        now: Instant,
        id: UdpId,
        remote: IpEndpoint,
        ancillary: &Ancillary,
        data: &impl Source,
        route: Result<IpAddress, RouteError>,
        departing: &mut [u8],
    ) -> Result<(), SendError> {
        let path = self.path_mtu(now, remote.addr);
        let Some(socket) = self.datagrams.get(id) else { return Err(SendError::NotConnected) };
        let UdpOptions {
            hop_limit,
            multicast_hop_limit,
            traffic_class,
            multicast_source,
            fragmentation,
            checksum: _,
            multicast_loop: _,
            broadcasts: _,
            refusals: _,
            failures: _,
        } = socket.options;
        let Ancillary { source, hop_limit: hops, traffic_class: class } = *ancillary;
        if source.is_some_and(|own| !self.net.is_own_address(own)) {
            return Err(SendError::NoRoute);
        }
        let to_group = remote.addr.is_multicast();
        let given = match socket.address {
            BindAddress::Address(own) => Some(own),
            BindAddress::Any(_) | BindAddress::AnyDual => multicast_source
                .filter(|own| to_group && Family::of(*own) == Family::of(remote.addr)),
        };
        let routed = route?;
        let source = source.or(socket.local).or(given).unwrap_or(routed);
        let hop_limit = match (to_group, hops) {
            (true, hops) => hops.unwrap_or(multicast_hop_limit),
            (false, hops) => hops.unwrap_or(hop_limit).max(1),
        };
        let traffic_class = class.unwrap_or(traffic_class);
        let hop = self.net.hop_from(source, remote.addr);
        if Family::of(source) != Family::of(remote.addr) || hop == Hop::NoRoute {
            return Err(SendError::NoRoute);
        }
        let data_len = data.total();
        // The length field of UDP has 16 bits.
        if data_len > usize::from(u16::MAX) {
            return Err(SendError::TooLong);
        }
        let payload_len = UDP_HEADER + data_len;
        let ip = IpRepr::new(source, remote.addr, IpProtocol::Udp, payload_len, hop_limit);
        let len = ip.header_len() + payload_len;
        // Cutting it takes room for the first fragment's longer header.
        let room = departing.len().saturating_sub(HEADER + FRAGMENT_HEADER_LEN);
        let longest = longest(Family::of(source));
        let most = match fragmentation {
            Fragmentation::Allow if len > path => longest.min(room),
            Fragmentation::Allow => longest,
            Fragmentation::Forbid => path,
            Fragmentation::Probe => path.max(self.link.mtu()),
        };
        if len > most {
            return Err(SendError::TooLong);
        }
        let udp = UdpRepr { src_port: socket.port, dst_port: remote.port };
        let Some(packet) = departing.get_mut(HEADER..HEADER + len) else {
            return Err(SendError::TooLong);
        };
        let checksums = ChecksumCapabilities::ignored();
        ip.emit(&mut *packet, &checksums);
        let header = ip.header_len();
        let Some(room) = packet.get_mut(header..) else { return Err(SendError::TooLong) };
        let mut is_there = false;
        udp.emit(
            &mut UdpPacket::new_unchecked(room),
            &source,
            &remote.addr,
            data_len,
            // The room is as long as the data.
            |payload| is_there = data.copy(0, payload),
            &checksums,
        );
        if !is_there {
            return Err(SendError::Unreadable);
        }
        mark::set_traffic_class(packet, traffic_class);
        if fragmentation == Fragmentation::Allow {
            self.net.allow_fragments(packet);
        }
        let to_many = to_group || self.net.is_broadcast(remote.addr);
        if to_many {
            self.copy_to_own(departing, len, remote);
        }
        if to_group && (hop_limit == 0 || routes::stays_in_host(remote.addr)) {
            return Ok(());
        }
        self.send(now, departing, len, Some(SocketRef::Udp(id)));
        Ok(())
    }
}

impl From<RouteError> for SendError {
    fn from(error: RouteError) -> Self {
        match error {
            RouteError::NoRoute => Self::NoRoute,
            RouteError::LinkDown => Self::LinkDown,
        }
    }
}
