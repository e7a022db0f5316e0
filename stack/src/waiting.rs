//! Packets that wait for a neighbor's Ethernet address.

use smoltcp::wire::IpAddress;

use crate::event::SocketRef;
use crate::slab::{Id, Place, Slab};
use crate::storage::Storage;
use crate::table::{Slot, Table};

/// The most packets that wait without belonging to a connection. A connection has at most one.
const STRAYS: usize = 256;

/// Marks handles of packets that wait.
#[derive(Debug)]
pub(crate) enum WaitingKind {}

/// A packet that waits.
pub(crate) type WaitingId = Id<WaitingKind>;

pub(crate) struct Waiting<P> {
    neighbor: IpAddress,
    pub(crate) owner: Option<SocketRef>,
    pub(crate) packet: P,
}

type Places<'a, S> = <S as Storage<'a>>::Sockets<Place<Waiting<<S as Storage<'a>>::Kept>>>;

/// All packets that wait, whomever they wait for.
pub(crate) struct WaitingRoom<'a, S: Storage<'a>> {
    packets: Slab<Waiting<S::Kept>, WaitingKind, Places<'a, S>>,
    by_neighbor: Table<IpAddress, WaitingId, S::Hash<Slot<IpAddress, WaitingId>>>,
}

impl<'a, S: Storage<'a>> WaitingRoom<'a, S> {
    pub(crate) fn new(key: [u64; 2]) -> Self {
        Self { packets: Slab::default(), by_neighbor: Table::new(key) }
    }

    /// Keeps a copy of `packet` until something is known about `neighbor`; `None` when there is no
    /// room.
    pub(crate) fn enter(
        &mut self,
        storage: &mut S,
        neighbor: IpAddress,
        owner: Option<SocketRef>,
        packet: &[u8],
    ) -> Option<WaitingId> {
        let stray = !matches!(owner, Some(SocketRef::Tcp(_)));
        if stray && self.packets.len() >= STRAYS {
            return None;
        }
        let packet = storage.keep(packet)?;
        let id = self.packets.insert(Waiting { neighbor, owner, packet }).ok()?;
        if !self.by_neighbor.insert(neighbor, id) {
            self.packets.remove(id);
            return None;
        }
        Some(id)
    }

    /// Whom this packet waits for, if it still does.
    pub(crate) fn neighbor(&self, id: WaitingId) -> Option<IpAddress> {
        self.packets.get(id).map(|waiting| waiting.neighbor)
    }

    /// Takes a packet that waits for `neighbor`.
    pub(crate) fn next_for(&mut self, neighbor: IpAddress) -> Option<Waiting<S::Kept>> {
        let id = self.by_neighbor.get(&neighbor)?;
        self.leave(id)
    }

    /// Takes this packet.
    pub(crate) fn leave(&mut self, id: WaitingId) -> Option<Waiting<S::Kept>> {
        let waiting = self.packets.remove(id)?;
        self.by_neighbor.remove(&waiting.neighbor, id);
        Some(waiting)
    }
}
