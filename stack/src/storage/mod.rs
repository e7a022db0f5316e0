//! Where the stack keeps its state: growable tables with a heap, fixed ones without.
//!
//! The rooms of this crate are written once, over the traits of this module. One type parameter,
//! a [`Storage`], chooses between [`Growable`] (needs the `alloc` feature) and [`Fixed`], whose
//! capacities are constants and whose buffers the caller supplies.

#[cfg(feature = "std")]
mod arena;
mod cell;
#[cfg(feature = "alloc")]
mod growable;
#[cfg(feature = "std")]
mod mark;
mod pool;
#[cfg(test)]
mod tests;

use core::mem::MaybeUninit;
use core::ops::DerefMut;

use smoltcp::iface::{SocketSet, SocketStorage};
use smoltcp::socket::tcp;
use smoltcp::time::Instant;

pub use cell::Cell;
#[cfg(feature = "alloc")]
pub use growable::Growable;
#[cfg(feature = "std")]
pub use mark::ForkMark;
use pool::Pool;
pub use pool::{Place as PacketPlace, Pooled};

use crate::TcpId;
use crate::source::Source;

/// A sequence that is either growable or of fixed capacity.
pub trait List<T>: DerefMut<Target = [T]> + Default {
    /// Appends `value`, or gives it back when the list is full.
    fn push(&mut self, value: T) -> Result<(), T>;
    /// Takes the last element.
    fn pop(&mut self) -> Option<T>;
    /// Takes the element at `index` and puts the last one in its place.
    ///
    /// # Panics
    /// When `index` is out of bounds.
    fn swap_remove(&mut self, index: usize) -> T;
    /// Puts `value` in front of the element at `index`, or gives it back when the list is full.
    /// Beyond the end is at the end.
    fn insert_at(&mut self, index: usize, value: T) -> Result<(), T> {
        self.push(value)?;
        if let Some(moved @ [_, ..]) = self.get_mut(index..) {
            moved.rotate_right(1);
        }
        Ok(())
    }
    /// Takes the element at `index`, if there is one; the others stay in order.
    fn remove_at(&mut self, index: usize) -> Option<T> {
        let Some(moved @ [_, ..]) = self.get_mut(index..) else { return None };
        moved.rotate_left(1);
        self.pop()
    }
    /// The most elements this list will ever hold; `None` when only memory bounds it.
    fn limit(&self) -> Option<usize>;
}

/// A first-in, first-out queue that is either growable or of fixed capacity.
pub trait Fifo<T>: Default {
    /// Appends `value`, or gives it back when the queue is full.
    fn push_back(&mut self, value: T) -> Result<(), T>;
    /// Takes the oldest element.
    fn pop_front(&mut self) -> Option<T>;
    /// The oldest element.
    fn front(&self) -> Option<&T>;
    /// The oldest element, mutably.
    fn front_mut(&mut self) -> Option<&mut T>;
    /// How many elements wait.
    fn len(&self) -> usize;
    /// Whether nothing waits.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Keeps only the elements for which `keep` is true, in order.
    fn retain(&mut self, keep: impl FnMut(&T) -> bool);
    /// The most elements this queue will ever hold; `None` when only memory bounds it.
    fn limit(&self) -> Option<usize>;
}

/// The owned bytes of one packet that grows.
pub trait Packet: AsRef<[u8]> + AsMut<[u8]> + Sized {
    /// Copies `bytes`, or `None` when there is no room for them.
    fn copy_from(bytes: &[u8]) -> Option<Self>;
    /// Makes it `len` bytes long, with zeros behind what it had; false, and nothing changed, when
    /// there is no room for them.
    fn resize(&mut self, len: usize) -> bool;
}

/// A value that most sockets do not have: behind a pointer where there is a heap, in place where
/// there is none.
pub trait Rare<T>: Default {
    /// The value, if there is one.
    fn get(&self) -> Option<&T>;
    /// The value, if there is one, mutably.
    fn get_mut(&mut self) -> Option<&mut T>;
    /// The value; a default one if there was none.
    fn get_or_default(&mut self) -> &mut T
    where
        T: Default;
    /// Puts a value in place of what there was.
    fn put(&mut self, value: T);
    /// Takes the value out.
    fn take(&mut self) -> Option<T>;
}

impl<T> Rare<T> for Option<T> {
    fn get(&self) -> Option<&T> {
        self.as_ref()
    }
    fn get_mut(&mut self) -> Option<&mut T> {
        self.as_mut()
    }
    fn get_or_default(&mut self) -> &mut T
    where
        T: Default,
    {
        self.get_or_insert_default()
    }
    fn put(&mut self, value: T) {
        *self = Some(value);
    }
    fn take(&mut self) -> Option<T> {
        self.take()
    }
}

/// Bytes accepted from a send that do not fit into the socket's ring yet, in order.
///
/// Without a heap there is no such chain and a send is accepted in part.
pub trait Chain: Default {
    /// Whether sends beyond the ring can be kept at all.
    const UNBOUNDED: bool;
    /// How many bytes wait.
    fn len(&self) -> usize;
    /// Whether nothing waits.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Keeps a copy of `data` without its first `skip` bytes behind what waits already; false, and
    /// nothing is kept, when that is impossible.
    fn push(&mut self, data: &impl Source, skip: usize) -> bool;
    /// Offers the oldest bytes to `take`, which says how many it took, until it takes less than
    /// it was offered or nothing is left.
    fn drain(&mut self, take: impl FnMut(&[u8]) -> usize);
    /// Forgets everything.
    fn clear(&mut self);
}

/// Copies `bytes` into `pieces`, filling one after the other; how many had room.
pub(crate) fn scatter<'d>(bytes: &[u8], pieces: impl Iterator<Item = &'d mut [u8]>) -> usize {
    let mut rest = bytes;
    for piece in pieces {
        let (now, later) = rest.split_at(rest.len().min(piece.len()));
        if let Some(room) = piece.get_mut(..now.len()) {
            room.copy_from_slice(now);
        }
        rest = later;
        if rest.is_empty() {
            break;
        }
    }
    bytes.len() - rest.len()
}

/// The one type parameter that chooses every table and every buffer.
pub trait Storage<'a> {
    /// Tables with an entry a socket, of whatever kind.
    type Sockets<T>: List<T>;
    /// Tables with an entry a TCP connection.
    type Streams<T>: List<T>;
    /// Tables with an entry a UDP socket.
    type Datagrams<T>: List<T>;
    /// Slots of hash tables.
    type Hash<T>: List<T>;
    /// Short tables: addresses, routes, neighbors.
    type Small<T>: List<T>;
    /// Queues with at most an entry a socket.
    type Queue<T>: Fifo<T>;
    /// Queues of whole packets and datagrams.
    type Packets<T>: Fifo<T>;
    /// Packets of which fragments are missing. May have no place at all: then fragments are
    /// dropped.
    type Partials<T>: List<T>;
    /// What most sockets do not have, or not for long.
    type Rare<T>: Rare<T>;
    /// One packet.
    type Packet: Packet;
    /// A packet or a datagram that waits in a queue.
    type Kept: AsRef<[u8]> + AsMut<[u8]>;
    /// What one send has beyond the ring.
    type Chain: Chain;
    /// Room for one frame while it is worked on.
    type Scratch: AsMut<[u8]> + AsRef<[u8]>;

    /// The most sockets of a kind, `None` when only memory bounds them.
    fn socket_limit(&self) -> Option<usize>;
    /// A buffer for one frame. Called twice, when the stack is made.
    fn scratch(&mut self) -> Self::Scratch;
    /// Keeps a copy of a packet on its way; `None` when there is no room for it.
    fn keep(&mut self, packet: &[u8]) -> Option<Self::Kept>;
    /// Keeps a copy of a datagram for a socket; `None` when there is no room for it. Some room is
    /// left to packets on their way, so that nobody stops them by sending datagrams.
    fn keep_datagram(&mut self, datagram: &[u8]) -> Option<Self::Kept>;
    /// A socket with `receive` and `transmit` bytes of buffer, or the sizes of the pool where
    /// those are fixed. `None` when the pool is empty.
    fn socket(&mut self, receive: usize, transmit: usize) -> Option<Cell<'a>>;
    /// Takes a socket back. Its connection is over.
    fn recycle(&mut self, cell: Cell<'a>);
    /// Notes that bytes pass the rings of a connection, if idle rings can give memory back here.
    fn note_used(&mut self, now: Instant, id: TcpId) {
        let _ = (now, id);
    }
    /// The connection that was noted first, and when that was.
    fn first_used(&self) -> Option<(Instant, TcpId)> {
        None
    }
    /// Takes the note away that [`Storage::first_used`] gives.
    fn drop_first_used(&mut self) {}
    /// An empty set, for packets that no socket wants.
    fn empty_set(&mut self) -> SocketSet<'a> {
        SocketSet::new(&mut [][..])
    }
}

impl<T, const N: usize> List<T> for heapless::Vec<T, N> {
    fn push(&mut self, value: T) -> Result<(), T> {
        heapless::Vec::push(self, value)
    }
    fn pop(&mut self) -> Option<T> {
        heapless::Vec::pop(self)
    }
    fn swap_remove(&mut self, index: usize) -> T {
        heapless::Vec::swap_remove(self, index)
    }
    fn limit(&self) -> Option<usize> {
        Some(N)
    }
}

impl<T, const N: usize> Fifo<T> for heapless::Deque<T, N> {
    fn push_back(&mut self, value: T) -> Result<(), T> {
        heapless::Deque::push_back(self, value)
    }
    fn pop_front(&mut self) -> Option<T> {
        heapless::Deque::pop_front(self)
    }
    fn front(&self) -> Option<&T> {
        heapless::Deque::front(self)
    }
    fn front_mut(&mut self) -> Option<&mut T> {
        heapless::Deque::front_mut(self)
    }
    fn len(&self) -> usize {
        self.iter().count()
    }
    fn is_empty(&self) -> bool {
        heapless::Deque::is_empty(self)
    }
    fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        for _ in 0..Fifo::len(self) {
            let Some(value) = self.pop_front() else { return };
            if keep(&value) {
                // Room is certain: an element was taken out just above.
                let _ = heapless::Deque::push_back(self, value);
            }
        }
    }
    fn limit(&self) -> Option<usize> {
        Some(N)
    }
}

impl<const N: usize> Packet for heapless::Vec<u8, N> {
    fn copy_from(bytes: &[u8]) -> Option<Self> {
        Self::from_slice(bytes).ok()
    }
    fn resize(&mut self, len: usize) -> bool {
        heapless::Vec::resize(self, len, 0).is_ok()
    }
}

/// No chain: what does not fit into the ring is not accepted.
#[derive(Debug, Default, Clone, Copy)]
pub struct NoChain;

impl Chain for NoChain {
    const UNBOUNDED: bool = false;
    fn len(&self) -> usize {
        0
    }
    fn push(&mut self, _: &impl Source, _: usize) -> bool {
        false
    }
    fn drain(&mut self, _: impl FnMut(&[u8]) -> usize) {}
    fn clear(&mut self) {}
}

/// Memory for `N` TCP sockets with `B` bytes of buffer each way, for `P` packets and datagrams of
/// up to `F` bytes that wait (for a neighbor, for a busy link, on their way to this stack itself,
/// or to be received), and for the two that are being read and written. Supplied by the caller.
///
/// Put it into a `static` cell or a local that outlives the stack.
#[derive(Debug)]
pub struct Memory<'a, const N: usize, const B: usize, const F: usize = 1514, const P: usize = 8> {
    /// Written when a stack is made, so that a `static` of this is all zeros and takes no place in
    /// a program's image.
    sets: MaybeUninit<[SocketStorage<'a>; N]>,
    receive: [[u8; B]; N],
    transmit: [[u8; B]; N],
    packets: [PacketPlace<F>; P],
    scratch: [[u8; F]; 2],
}

impl<const N: usize, const B: usize, const F: usize, const P: usize> Memory<'_, N, B, F, P> {
    /// Zeroed memory. As a `static` it costs nothing but its place.
    pub const fn new() -> Self {
        Self {
            sets: MaybeUninit::uninit(),
            receive: [[0; B]; N],
            transmit: [[0; B]; N],
            packets: [const { PacketPlace::new() }; P],
            scratch: [[0; F]; 2],
        }
    }
}

impl<const N: usize, const B: usize, const F: usize, const P: usize> Default
    for Memory<'_, N, B, F, P>
{
    fn default() -> Self {
        Self::new()
    }
}

/// Places for packets that datagrams in sockets leave free.
const SPARE: usize = 2;

/// Tables of fixed capacity and buffers of the caller; no heap.
///
/// `N` sockets, hash tables of `H` slots (a power of two, at least 8/3 of `N`), frames of at most
/// `F` bytes (the link's MTU and 14 bytes of Ethernet header). Of the sockets at most `T` are TCP
/// connections and `U` are of UDP. Listeners are none of either, but who waits in one is.
///
/// At most `R` packets are put together from fragments at a time, which takes about `F + 650`
/// bytes each. With 0 all fragments are dropped and counted. A packet has room if its data is at
/// most `F - 60` bytes: with `F` for an MTU of 1500 those that somebody cut for a smaller one.
#[derive(Debug)]
pub struct Fixed<
    'a,
    const N: usize,
    const H: usize,
    const F: usize,
    const R: usize = 2,
    const T: usize = N,
    const U: usize = N,
> {
    pool: heapless::Vec<Cell<'a>, T>,
    packets: Pool<'a, F>,
    scratch: core::slice::IterMut<'a, [u8; F]>,
}

impl<
    'a,
    const N: usize,
    const H: usize,
    const F: usize,
    const R: usize,
    const T: usize,
    const U: usize,
> Fixed<'a, N, H, F, R, T, U>
{
    /// Splits `memory` into a pool of sockets and a pool of packets.
    ///
    /// It does not compile for hash tables whose size is no power of two, nor for frames that do
    /// not hold the smallest MTU that a link may have, nor with fewer than three places for
    /// packets.
    pub fn new<const B: usize, const P: usize>(memory: &'a mut Memory<'a, T, B, F, P>) -> Self {
        const {
            // Two entries a socket, in tables of which a quarter stays empty.
            assert!(H.is_power_of_two() && 3 * H >= 8 * N, "H: a power of two, at least 8/3 of N");
            assert!(T <= N && U <= N, "T and U: at most N");
            assert!(F >= 1280 + 14, "F: at least 1294 bytes");
            assert!(P > SPARE, "P: at least 3");
        }
        let mut pool = heapless::Vec::new();
        let buffers = memory.receive.iter_mut().zip(memory.transmit.iter_mut());
        let sets = memory.sets.write([SocketStorage::EMPTY; T]);
        for (set, (receive, transmit)) in sets.chunks_mut(1).zip(buffers) {
            let socket = tcp::Socket::new(
                tcp::SocketBuffer::new(&mut receive[..]),
                tcp::SocketBuffer::new(&mut transmit[..]),
            );
            // One element of each of the T-element arrays an iteration, so the pool has room.
            let _ = pool.push(Cell::new(SocketSet::new(set), socket));
        }
        let packets = Pool::new(&mut memory.packets);
        Self { pool, packets, scratch: memory.scratch.iter_mut() }
    }
}

impl<
    'a,
    const N: usize,
    const H: usize,
    const F: usize,
    const R: usize,
    const T: usize,
    const U: usize,
> Storage<'a> for Fixed<'a, N, H, F, R, T, U>
{
    type Sockets<E> = heapless::Vec<E, N>;
    type Streams<E> = heapless::Vec<E, T>;
    type Datagrams<E> = heapless::Vec<E, U>;
    type Hash<E> = heapless::Vec<E, H>;
    type Small<E> = heapless::Vec<E, 16>;
    type Queue<E> = heapless::Deque<E, N>;
    type Packets<E> = heapless::Deque<E, 4>;
    type Partials<E> = heapless::Vec<E, R>;
    type Rare<E> = Option<E>;
    type Packet = heapless::Vec<u8, F>;
    type Kept = Pooled<'a>;
    type Chain = NoChain;
    type Scratch = &'a mut [u8];

    fn socket_limit(&self) -> Option<usize> {
        Some(N)
    }

    fn scratch(&mut self) -> Self::Scratch {
        // A third one is asked for by nobody, and would hold nothing.
        self.scratch.next().map_or(&mut [], |scratch| scratch)
    }

    fn keep(&mut self, packet: &[u8]) -> Option<Pooled<'a>> {
        self.packets.keep(packet, 0)
    }

    fn keep_datagram(&mut self, datagram: &[u8]) -> Option<Pooled<'a>> {
        self.packets.keep(datagram, SPARE)
    }

    fn socket(&mut self, _receive: usize, _transmit: usize) -> Option<Cell<'a>> {
        self.pool.pop()
    }

    fn recycle(&mut self, mut cell: Cell<'a>) {
        cell.socket_mut().abort();
        // The pool handed this cell out, so it has room for it.
        let _ = self.pool.push(cell);
    }
}
