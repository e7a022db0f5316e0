//! One socket alone.

use core::fmt;

use smoltcp::iface::{SocketHandle, SocketSet};
use smoltcp::socket::tcp;

#[cfg(feature = "std")]
use super::arena::Slot;

/// One TCP socket in a set of its own.
///
/// smoltcp looks at every socket of the set it is given, for each packet and each timer. With one
/// set a connection that cost is constant, whatever the number of connections.
///
/// The socket never leaves its cell: its rings may end with the cell.
pub struct Cell<'a> {
    set: SocketSet<'a>,
    handle: SocketHandle,
    /// Where its rings stand, unless they are the caller's or on the heap. Dropped behind the
    /// socket.
    #[cfg(feature = "std")]
    slot: Option<Slot>,
}

impl<'a> Cell<'a> {
    /// Puts `socket` alone into `set`, which must be empty and have room for one.
    pub fn new(mut set: SocketSet<'a>, socket: tcp::Socket<'a>) -> Self {
        let handle = set.add(socket);
        Self {
            set,
            handle,
            #[cfg(feature = "std")]
            slot: None,
        }
    }

    /// The same for a socket whose rings stand in `slot`.
    #[cfg(feature = "std")]
    pub(super) fn in_slot(set: SocketSet<'a>, socket: tcp::Socket<'a>, slot: Slot) -> Self {
        Self { slot: Some(slot), ..Self::new(set, socket) }
    }

    /// The set, for smoltcp's poll functions. The socket stays in it.
    pub(crate) fn set(&mut self) -> &mut SocketSet<'a> {
        &mut self.set
    }

    /// The socket.
    pub fn socket(&self) -> &tcp::Socket<'a> {
        self.set.get(self.handle)
    }

    /// The socket, mutably. It stays where it is.
    pub(crate) fn socket_mut(&mut self) -> &mut tcp::Socket<'a> {
        self.set.get_mut(self.handle)
    }

    /// Whether [`Cell::give_back`] has any effect.
    pub(crate) fn gives_back(&self) -> bool {
        #[cfg(feature = "std")]
        return self.slot.is_some();
        #[cfg(not(feature = "std"))]
        false
    }

    /// Gives the memory of both rings back. What was in them is gone, also what came out of order.
    pub(crate) fn give_back(&mut self) {
        #[cfg(feature = "std")]
        if let Some(slot) = &mut self.slot {
            slot.discard();
        }
    }
}

impl fmt::Debug for Cell<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cell").field("state", &self.socket().state()).finish_non_exhaustive()
    }
}
