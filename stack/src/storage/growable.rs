//! Tables and buffers that grow.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use alloc::{boxed::Box, vec};

use bytes::{Buf, Bytes, BytesMut};
use smoltcp::iface::SocketSet;
use smoltcp::socket::tcp;
#[cfg(feature = "std")]
use smoltcp::time::Instant;

#[cfg(feature = "std")]
use super::arena::Arena;
use super::{Cell, Chain, Fifo, List, Packet, Rare, Storage};
#[cfg(feature = "std")]
use crate::TcpId;
use crate::link::offload::ARRIVAL;
use crate::source::Source;

/// No window can announce more (RFC 7323, section 2.3), and smoltcp refuses it.
const LARGEST_RING: usize = 1 << 30;

impl<T> List<T> for Vec<T> {
    fn push(&mut self, value: T) -> Result<(), T> {
        Vec::push(self, value);
        Ok(())
    }
    fn pop(&mut self) -> Option<T> {
        Vec::pop(self)
    }
    fn swap_remove(&mut self, index: usize) -> T {
        Vec::swap_remove(self, index)
    }
    fn limit(&self) -> Option<usize> {
        None
    }
}

impl<T> Fifo<T> for VecDeque<T> {
    fn push_back(&mut self, value: T) -> Result<(), T> {
        VecDeque::push_back(self, value);
        Ok(())
    }
    fn pop_front(&mut self) -> Option<T> {
        VecDeque::pop_front(self)
    }
    fn front(&self) -> Option<&T> {
        VecDeque::front(self)
    }
    fn front_mut(&mut self) -> Option<&mut T> {
        VecDeque::front_mut(self)
    }
    fn len(&self) -> usize {
        VecDeque::len(self)
    }
    fn retain(&mut self, keep: impl FnMut(&T) -> bool) {
        VecDeque::retain(self, keep);
    }
    fn limit(&self) -> Option<usize> {
        None
    }
}

impl<T> Rare<T> for Option<Box<T>> {
    fn get(&self) -> Option<&T> {
        self.as_deref()
    }
    fn get_mut(&mut self) -> Option<&mut T> {
        self.as_deref_mut()
    }
    fn get_or_default(&mut self) -> &mut T
    where
        T: Default,
    {
        self.get_or_insert_default()
    }
    fn put(&mut self, value: T) {
        *self = Some(Box::new(value));
    }
    fn take(&mut self) -> Option<T> {
        self.take().map(|value| *value)
    }
}

impl Packet for BytesMut {
    fn copy_from(bytes: &[u8]) -> Option<Self> {
        Some(Self::from(bytes))
    }
    fn resize(&mut self, len: usize) -> bool {
        Self::resize(self, len, 0);
        true
    }
}

/// A chain of reference-counted buffers, with a place on the heap while there is something in it.
#[derive(Debug, Default)]
pub struct ByteChain(Option<Box<Parts>>);

#[derive(Debug, Default)]
struct Parts {
    parts: VecDeque<Bytes>,
    len: usize,
}

impl Chain for ByteChain {
    const UNBOUNDED: bool = true;

    fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |chain| chain.len)
    }

    fn push(&mut self, data: &impl Source, skip: usize) -> bool {
        let len = data.total().saturating_sub(skip);
        // One part for one send, however many pieces it comes in.
        let mut part = Vec::with_capacity(len);
        let is_there = data.append(skip, &mut part);
        if is_there && len > 0 {
            let chain = self.0.get_or_insert_default();
            chain.parts.push_back(part.into());
            chain.len += len;
        }
        is_there
    }

    fn drain(&mut self, mut take: impl FnMut(&[u8]) -> usize) {
        let Some(chain) = &mut self.0 else { return };
        while let Some(part) = chain.parts.front_mut() {
            let offered = part.len();
            let taken = take(part).min(offered);
            part.advance(taken);
            chain.len -= taken;
            if taken < offered {
                return;
            }
            chain.parts.pop_front();
        }
        self.clear();
    }

    fn clear(&mut self) {
        self.0 = None;
    }
}

/// Tables on the heap; rings where memory is taken as they are used, or on the heap as well.
#[derive(Debug)]
pub struct Growable {
    sockets: usize,
    #[cfg(feature = "std")]
    arena: Arena,
    /// Connections whose rings were used, and since when.
    #[cfg(feature = "std")]
    used: VecDeque<(Instant, TcpId)>,
}

/// The most sockets of a kind, unless the caller says otherwise.
const SOCKETS: usize = 1 << 20;

impl Default for Growable {
    fn default() -> Self {
        Self::limited(SOCKETS)
    }
}

impl Growable {
    /// Tables that hold at most so many sockets of a kind; the default is 1,048,576.
    pub fn limited(sockets: usize) -> Self {
        Self {
            sockets,
            #[cfg(feature = "std")]
            arena: Arena::default(),
            #[cfg(feature = "std")]
            used: VecDeque::new(),
        }
    }
}

impl<'a> Storage<'a> for Growable {
    type Sockets<T> = Vec<T>;
    type Streams<T> = Vec<T>;
    type Datagrams<T> = Vec<T>;
    type Hash<T> = Vec<T>;
    type Small<T> = Vec<T>;
    type Queue<T> = VecDeque<T>;
    type Packets<T> = VecDeque<T>;
    type Partials<T> = Vec<T>;
    type Rare<T> = Option<Box<T>>;
    type Packet = BytesMut;
    type Kept = BytesMut;
    type Chain = ByteChain;
    type Scratch = Box<[u8]>;

    fn socket_limit(&self) -> Option<usize> {
        Some(self.sockets)
    }

    fn scratch(&mut self) -> Self::Scratch {
        // What may arrive. Also the largest IPv6 packet behind an Ethernet header, and the
        // fragment header that cutting it takes.
        vec![0; ARRIVAL].into_boxed_slice()
    }

    fn keep(&mut self, packet: &[u8]) -> Option<BytesMut> {
        Some(BytesMut::from(packet))
    }

    fn keep_datagram(&mut self, datagram: &[u8]) -> Option<BytesMut> {
        self.keep(datagram)
    }

    fn socket(&mut self, receive: usize, transmit: usize) -> Option<Cell<'a>> {
        let (receive, transmit) = (receive.clamp(1, LARGEST_RING), transmit.clamp(1, LARGEST_RING));
        #[cfg(feature = "std")]
        if let Some(cell) = self.arena.cell(receive, transmit) {
            return Some(cell);
        }
        let socket = tcp::Socket::new(
            tcp::SocketBuffer::new(zeros(receive)?),
            tcp::SocketBuffer::new(zeros(transmit)?),
        );
        Some(Cell::new(SocketSet::new(Vec::with_capacity(1)), socket))
    }

    fn recycle(&mut self, cell: Cell<'a>) {
        drop(cell);
    }

    #[cfg(feature = "std")]
    fn note_used(&mut self, now: Instant, id: TcpId) {
        self.used.push_back((now, id));
    }

    #[cfg(feature = "std")]
    fn first_used(&self) -> Option<(Instant, TcpId)> {
        self.used.front().copied()
    }

    #[cfg(feature = "std")]
    fn drop_first_used(&mut self) {
        self.used.pop_front();
    }

    fn empty_set(&mut self) -> SocketSet<'a> {
        SocketSet::new(Vec::new())
    }
}

/// Zeros on the heap, or `None` where it has no room for them.
fn zeros(len: usize) -> Option<Vec<u8>> {
    let mut zeros = Vec::new();
    zeros.try_reserve_exact(len).ok()?;
    zeros.resize(len, 0);
    Some(zeros)
}

#[cfg(all(test, feature = "std"))]
mod tests {
    use super::*;

    #[test]
    fn without_address_space_rings_are_on_the_heap() {
        let mut storage = Growable { arena: Arena::refused(), ..Growable::default() };
        let cell: Cell<'static> = storage.socket(5000, 3000).unwrap();
        assert!(!cell.gives_back());
        assert_eq!((cell.socket().recv_capacity(), cell.socket().send_capacity()), (5000, 3000));
        let cell: Cell<'static> = Growable::default().socket(5000, 3000).unwrap();
        assert!(cell.gives_back());
        assert_eq!((cell.socket().recv_capacity(), cell.socket().send_capacity()), (5000, 3000));
    }
}
