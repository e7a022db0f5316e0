//! Whom a packet is for.
//!
//! Four-tuples, listeners, and datagram sockets with and without a peer, each in a keyed hash
//! table: the answer takes the same time whatever the number of sockets.

use smoltcp::wire::IpEndpoint;

use crate::port::{BindAddress, Family};
use crate::slab::{Id, Place, Slab};
use crate::storage::Storage;
use crate::table::{Index, Slot, Table};
use crate::tcp::{Connection, Rest};
use crate::{ListenerId, TcpId, TcpKind, UdpId};

/// Marks handles of four-tuples in TIME-WAIT.
#[derive(Debug)]
pub(crate) enum RestKind {}

/// A four-tuple in TIME-WAIT.
pub(crate) type RestId = Id<RestKind>;

/// The two ends of a conversation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Flow {
    pub(crate) local: IpEndpoint,
    pub(crate) remote: IpEndpoint,
}

/// Who has a four-tuple of TCP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Target {
    Connection(TcpId),
    Rest(RestId),
}

/// What a socket without a peer is bound to.
pub(crate) type Bound = (BindAddress, u16);

/// Who gets a datagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Receiver {
    /// This socket.
    Socket(UdpId),
    /// Nobody: the socket at this port is connected to another peer.
    Filtered(UdpId),
    /// Nobody: the port is closed.
    None,
}

type FlowTable<'a, S, V> = Table<Flow, V, <S as Storage<'a>>::Hash<Slot<Flow, V>>>;
type BoundTable<'a, S, V> = Table<Bound, V, <S as Storage<'a>>::Hash<Slot<Bound, V>>>;

pub(crate) struct Demux<'a, S: Storage<'a>> {
    /// TCP connections, and four-tuples at rest.
    pub(crate) flows: Index<Target, S::Hash<Slot<(), Target>>>,
    /// The listener that began last at each place.
    pub(crate) listening: BoundTable<'a, S, ListenerId>,
    /// Datagram sockets with a peer.
    pub(crate) datagram_flows: FlowTable<'a, S, UdpId>,
    /// Datagram sockets without one.
    pub(crate) datagram_bound: BoundTable<'a, S, UdpId>,
    /// Those with a peer again, under what they are bound to, to know a foreign datagram for one.
    pub(crate) datagram_shadow: BoundTable<'a, S, UdpId>,
    /// All of them by their port, in the order in which they were opened.
    pub(crate) datagram_ports: Table<u16, UdpId, S::Hash<Slot<u16, UdpId>>>,
}

/// The connections.
pub(crate) type Connections<'a, S> =
    Slab<Connection<'a, S>, TcpKind, <S as Storage<'a>>::Streams<Place<Connection<'a, S>>>>;

/// The four-tuples in TIME-WAIT.
pub(crate) type Rests<'a, S> = Slab<Rest, RestKind, <S as Storage<'a>>::Sockets<Place<Rest>>>;

impl<'a, S: Storage<'a>> Demux<'a, S> {
    /// Who of these has a four-tuple of TCP.
    pub(crate) fn target(
        &self,
        flow: &Flow,
        connections: &Connections<'a, S>,
        rests: &Rests<'a, S>,
    ) -> Option<Target> {
        self.flows.find_by(flow, |target| {
            let ends = match target {
                Target::Connection(id) => connections.get(id).map(Connection::flow),
                Target::Rest(id) => rests.get(id).map(Rest::flow),
            };
            ends.as_ref() == Some(flow)
        })
    }

    /// Empty tables, each keyed with what `key` gives next.
    pub(crate) fn new(mut key: impl FnMut() -> [u64; 2]) -> Self {
        Self {
            flows: Table::new(key()),
            listening: Table::new(key()),
            datagram_flows: Table::new(key()),
            datagram_bound: Table::new(key()),
            datagram_shadow: Table::new(key()),
            datagram_ports: Table::new(key()),
        }
    }

    /// The listener for a SYN to `local`: the most specific one.
    pub(crate) fn listener(&self, local: IpEndpoint) -> Option<ListenerId> {
        keys(local).iter().find_map(|key| self.listening.get(key))
    }

    /// The receiver of a datagram that belongs to `flow`: the socket that is connected so, or
    /// the one that is bound most specifically. Among equals it is the one that was opened, or
    /// connected so, or lost its peer, first.
    pub(crate) fn receiver(&self, flow: &Flow) -> Receiver {
        if let Some(id) = self.datagram_sender(flow) {
            return Receiver::Socket(id);
        }
        let shadow = keys(flow.local).iter().find_map(|key| self.datagram_shadow.get(key));
        shadow.map_or(Receiver::None, Receiver::Filtered)
    }

    /// The datagram socket that sends from `flow`'s local to its remote end.
    pub(crate) fn datagram_sender(&self, flow: &Flow) -> Option<UdpId> {
        self.datagram_flows
            .get(flow)
            .or_else(|| keys(flow.local).iter().find_map(|key| self.datagram_bound.get(key)))
    }
}

/// What a socket that gets packets to `local` may be bound to, the most specific first.
fn keys(local: IpEndpoint) -> [Bound; 3] {
    let IpEndpoint { addr, port } = local;
    [
        (BindAddress::Address(addr), port),
        (BindAddress::Any(Family::of(addr)), port),
        (BindAddress::AnyDual, port),
    ]
}
