//! Datagram sockets and their default peer.

use tapsock_stack::UdpId;
use tapsock_stack::link::Link;
use tapsock_stack::port::{self, BindAddress, Binding, Transport};
use tapsock_stack::storage::Storage;
use tapsock_stack::wire::{IpAddress, IpEndpoint};

use super::reserve::share_of;
use crate::address::{Family, SockAddr};
use crate::engine::Access;
use crate::error::Result;
use crate::process::{Fault, SocketHandle};
use crate::socket::{self, Bound, State};

impl<'a, L: Link, S: Storage<'a>> Access<'_, 'a, L, S> {
    /// Gives the socket its peer: at once, and whether or not anybody is there.
    pub(super) fn connect_datagram(
        &mut self,
        s: SocketHandle,
        peer: SockAddr,
    ) -> Result<(), Fault> {
        let remote = peer.endpoint();
        let source = self.source_for(remote.addr)?;
        let bound = self.core.socket(s)?.bound;
        if let Some((address, _)) = bound.and_then(|bound| self.stack.bound(bound.binding)) {
            self.can_reach(address, remote.addr)?;
        }
        let was_bound = bound.is_some();
        let id = self.datagram_socket(s, remote)?;
        // Whoever bound to an address sends from it.
        let binding = self.core.socket(s)?.bound;
        let local = match binding.and_then(|bound| self.stack.bound(bound.binding)) {
            Some((BindAddress::Address(address), _)) => address,
            _ => source,
        };
        if let Err(error) = self.stack.udp_connect(id, local, remote) {
            if !was_bound {
                self.unbind_datagram(s);
            }
            return Err(self.open_fault(error, remote.addr));
        }
        let socket = self.core.socket_mut(s)?;
        socket.peer = Some(peer);
        socket.disconnected = false;
        self.touch(s);
        self.note_connect(s, None);
        Ok(())
    }

    /// Takes the peer away. The port and what waits to be received stay.
    pub(super) fn disconnect_datagram(&mut self, s: SocketHandle) -> Result<(), Fault> {
        let socket = self.core.socket_mut(s)?;
        if socket.peer.take().is_none() {
            return Ok(());
        }
        socket.disconnected = true;
        if let State::Datagram(id) = socket.state {
            self.stack.udp_disconnect(id);
        }
        self.touch(s);
        Ok(())
    }

    /// The stack's socket, bound to a port chosen for `remote` where bind was not called.
    pub(crate) fn datagram_socket(
        &mut self,
        s: SocketHandle,
        remote: IpEndpoint,
    ) -> Result<UdpId, Fault> {
        let socket = self.core.socket(s)?;
        if let State::Datagram(id) = socket.state {
            return Ok(id);
        }
        let wildcard = match socket.family {
            Family::V4 => BindAddress::Any(port::Family::V4),
            #[cfg(feature = "ipv6")]
            Family::V6 if socket.is_dual() => BindAddress::AnyDual,
            #[cfg(feature = "ipv6")]
            Family::V6 => BindAddress::Any(port::Family::V6),
        };
        let share = share_of(socket);
        let binding = self
            .stack
            .bind_for(Transport::Udp, wildcard, remote, share)
            .map_err(socket::bind_error)?;
        let id = self.open_datagram(s, binding, remote.addr)?;
        let socket = self.core.socket_mut(s)?;
        socket.bound = Some(Bound { binding, implicit: true });
        socket.state = State::Datagram(id);
        Ok(id)
    }

    /// The stack's socket on what `binding` holds, with the options that were set so far. The
    /// binding is given back if there can be none.
    pub(crate) fn open_datagram(
        &mut self,
        s: SocketHandle,
        binding: Binding,
        address: IpAddress,
    ) -> Result<UdpId, Fault> {
        let options = self.core.socket(s)?.options.clone();
        let owner = s.index().unwrap_or(u32::MAX);
        match self.stack.udp_open(binding, options.receive_room(), owner) {
            Ok(id) => {
                self.stack.udp_set(id, &options.for_datagrams());
                Ok(id)
            }
            Err(error) => {
                self.stack.unbind(binding);
                Err(self.open_fault(error, address))
            }
        }
    }

    /// Undoes an implicit bind.
    pub(crate) fn unbind_datagram(&mut self, s: SocketHandle) {
        let Ok(socket) = self.core.socket_mut(s) else { return };
        let bound = socket.bound.take();
        if let State::Datagram(id) = socket.state {
            socket.state = State::Idle;
            self.stack.udp_close(id);
        }
        if let Some(bound) = bound {
            self.stack.unbind(bound.binding);
        }
    }
}
