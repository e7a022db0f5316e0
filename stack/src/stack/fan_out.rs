//! Datagrams to many: who hears a broadcast or a group, and this stack's own among them.

use smoltcp::wire::{IpAddress, IpEndpoint};

use super::{Core, HEADER, Stack, push};
use crate::UdpId;
use crate::event::Happened;
use crate::link::Link;
use crate::net::{Delivery, Net, Origin};
use crate::port::{BindAddress, Family};
use crate::storage::Storage;
use crate::udp::{About, Arriving, Membership, MembershipError, Step, UdpSocket};

/// What a socket does with a datagram to many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    Takes,
    /// It would, but is connected to somebody else.
    Filters,
    Ignores,
}

/// What became of a datagram to many, the better the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Unmatched,
    Filtered,
    Overflowed,
    Taken,
}

impl<'a, L: Link, S: Storage<'a>> Stack<'a, L, S> {
    /// Changes what a socket hears of `group`. It belongs to its groups until it leaves them or is
    /// closed; whether it has a peer does not matter. The reports that follow for routers leave
    /// with the next [`Stack::poll`].
    ///
    /// # Errors
    /// As [`MembershipError`] says; then nothing changed.
    pub fn udp_membership(
        &mut self,
        id: UdpId,
        group: IpAddress,
        change: Membership,
    ) -> Result<(), MembershipError> {
        let core = &mut self.core;
        let socket = core.datagrams.get_mut(id).ok_or(MembershipError::Stale)?;
        let family = Family::of(group);
        let heard = match socket.address {
            BindAddress::Any(own) => own == family,
            BindAddress::AnyDual => true,
            BindAddress::Address(own) => Family::of(own) == family,
        };
        let no_source = |source: IpAddress| {
            source.is_multicast() || source.is_unspecified() || Family::of(source) != family
        };
        if !heard || !group.is_multicast() || change.source().is_some_and(no_source) {
            return Err(MembershipError::Address);
        }
        match socket.memberships.step(group, change)? {
            Step::Enters => {
                core.net.join_group(group).map_err(|_| MembershipError::Exhausted)?;
            }
            Step::Leaves => core.net.leave_group(group),
            Step::Stays => {}
        }
        socket.memberships.change(group, change);
        Ok(())
    }

    /// Whether the stack belongs to `group`, because a socket has joined it or every host does.
    pub fn is_member(&self, group: IpAddress) -> bool {
        self.core.net.is_member(group)
    }
}

impl<'a, L: Link, S: Storage<'a>> Core<'a, L, S> {
    /// Gives a datagram to a broadcast address or a group to every socket that wants it. Only the
    /// sockets on its port are looked at. It is counted once, for the best that became of it.
    pub(super) fn fan_out(&mut self, datagram: &Arriving<'_>) {
        let Self { net, demux, datagrams, datagram_events, counters, storage, .. } = self;
        let mut fate = Fate::Unmatched;
        demux.datagram_ports.find(&datagram.about.destination.port, |id| {
            let Some(socket) = datagrams.get_mut(id) else { return false };
            match wish(net, socket, &datagram.about) {
                Wish::Ignores => return false,
                Wish::Filters => {
                    socket.filtered += 1;
                    fate = fate.max(Fate::Filtered);
                }
                Wish::Takes if socket.accept(storage, datagram) => {
                    counters.udp_copies += 1;
                    fate = Fate::Taken;
                    if socket.happens(Happened::READABLE) {
                        push(datagram_events, id, |&id| datagrams.get(id).is_some());
                    }
                }
                Wish::Takes => fate = fate.max(Fate::Overflowed),
            }
            false
        });
        match fate {
            Fate::Unmatched => counters.udp_unmatched += 1,
            Fate::Filtered => counters.udp_filtered += 1,
            Fate::Overflowed => counters.udp_overflowed += 1,
            Fate::Taken => counters.datagrams += 1,
        }
    }

    /// Gives this stack's own sockets a copy of a datagram to many, if there may be one that wants
    /// it.
    pub(super) fn copy_to_own(&mut self, departing: &[u8], len: usize, remote: IpEndpoint) {
        let heard = !remote.addr.is_multicast() || self.net.is_member(remote.addr);
        if heard
            && self.demux.datagram_ports.get(&remote.port).is_some()
            && let Some(packet) = departing.get(HEADER..HEADER + len)
        {
            self.turn_back(packet);
        }
    }

    /// Takes a socket that is closed out of its groups.
    pub(super) fn leave_groups(&mut self, id: UdpId) {
        while let Some(socket) = self.datagrams.get_mut(id)
            && let Some(group) = socket.memberships.first()
        {
            socket.memberships.change(group, Membership::Leave);
            self.net.leave_group(group);
        }
    }
}

/// A socket bound to an address hears what comes to the link on which the address is.
fn wish<'a, S: Storage<'a>>(net: &Net<'a, S>, socket: &UdpSocket<'a, S>, about: &About) -> Wish {
    let destination = about.destination.addr;
    let on_link = match socket.address {
        BindAddress::Any(family) => family == Family::of(destination),
        BindAddress::AnyDual => true,
        BindAddress::Address(own) => net.is_heard_at(own, destination),
    };
    let wanted = match about.delivery {
        Delivery::Multicast => {
            let looped = about.origin == Origin::Loopback;
            (!looped || socket.options.multicast_loop)
                && socket.memberships.wants(destination, about.source.addr)
        }
        Delivery::Broadcast => socket.options.broadcasts,
        Delivery::Own => true,
    };
    if !on_link || !wanted {
        Wish::Ignores
    } else if socket.peer.is_some_and(|peer| peer != about.source) {
        Wish::Filters
    } else {
        Wish::Takes
    }
}
