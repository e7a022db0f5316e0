//! getsockname and getpeername.

use tapsock_stack::link::Link;
use tapsock_stack::port::{BindAddress, Binding};
use tapsock_stack::storage::Storage;
use tapsock_stack::wire::{IpAddress, IpEndpoint};

use super::{Socket, State};
use crate::address::SockAddr;
use crate::constants::LINK_SCOPE_ID;
use crate::engine::{Access, Engine};
use crate::error::{Error, Result};
use crate::memory::MemoryMut;
use crate::process::{Process, SocketHandle};

impl<'a, E: Engine<'a>> Process<'a, E> {
    /// getsockname: writes the local name into `name`, which has `namelen` bytes, and its length
    /// into `namelen`.
    ///
    /// # Errors
    /// WSAENOTSOCK; WSAEINVAL for an unbound socket; then WSAEFAULT for too little room, with
    /// nothing written.
    pub fn getsockname(
        &self,
        s: SocketHandle,
        mut name: MemoryMut<'_>,
        namelen: Option<&mut i32>,
    ) -> Result<()> {
        self.call(|access| Ok(access.local_name(s)?.write(&mut name, namelen)?))
    }

    /// getsockname as a value.
    ///
    /// # Errors
    /// As [`Process::getsockname`].
    pub fn local_name(&self, s: SocketHandle) -> Result<SockAddr> {
        self.call(|access| Ok(access.local_name(s)?))
    }

    /// getpeername: writes the peer's name into `name`, which has `namelen` bytes, and its length
    /// into `namelen`. While a connection attempt is under way this is its target.
    ///
    /// # Errors
    /// WSAENOTSOCK; WSAENOTCONN without a peer; then WSAEFAULT for too little room, with nothing
    /// written.
    pub fn getpeername(
        &self,
        s: SocketHandle,
        mut name: MemoryMut<'_>,
        namelen: Option<&mut i32>,
    ) -> Result<()> {
        self.call(|access| Ok(access.peer_name(s)?.write(&mut name, namelen)?))
    }

    /// getpeername as a value.
    ///
    /// # Errors
    /// As [`Process::getpeername`].
    pub fn peer_name(&self, s: SocketHandle) -> Result<SockAddr> {
        self.call(|access| Ok(access.peer_name(s)?))
    }
}

impl<'a, L: Link, S: Storage<'a>> Access<'_, 'a, L, S> {
    pub(crate) fn local_name(&mut self, s: SocketHandle) -> Result<SockAddr> {
        self.core.socket(s)?;
        self.settle(s);
        let socket = self.core.socket(s)?;
        let name = match socket.state {
            State::Connecting(id, _) | State::Connected(id) => {
                self.stack.tcp(id).map(|status| SockAddr::of_endpoint(socket.family, status.local))
            }
            State::Datagram(id) => self.stack.udp(id).and_then(|status| {
                let local = IpEndpoint::new(status.local?, status.port);
                Some(SockAddr::of_endpoint(socket.family, local))
            }),
            State::Idle | State::Listening(_) => None,
        };
        let bound = socket.bound.map(|bound| bound.binding);
        let mut name = match (name, bound) {
            (Some(name), _) => name,
            (None, Some(binding)) => self.bound_name(socket, binding).ok_or(Error::WSAEINVAL)?,
            (None, None) => return Err(Error::WSAEINVAL),
        };
        if is_link_local(name.address) {
            name.scope_id = LINK_SCOPE_ID;
        }
        Ok(name)
    }

    fn bound_name(&self, socket: &Socket, binding: Binding) -> Option<SockAddr> {
        let (address, port) = self.stack.bound(binding)?;
        Some(match address {
            BindAddress::Any(_) | BindAddress::AnyDual => SockAddr::any(socket.family, port),
            BindAddress::Address(address) => {
                SockAddr::of_endpoint(socket.family, IpEndpoint::new(address, port))
            }
        })
    }

    pub(crate) fn peer_name(&mut self, s: SocketHandle) -> Result<SockAddr> {
        self.core.socket(s)?;
        self.settle(s);
        self.core.socket(s)?.peer.ok_or(Error::WSAENOTCONN)
    }
}

/// fe80::/10, whose addresses mean something only together with a link.
pub(crate) fn is_link_local(address: IpAddress) -> bool {
    match address {
        IpAddress::Ipv4(_) => false,
        #[cfg(feature = "ipv6")]
        IpAddress::Ipv6(address) => address.is_unicast_link_local(),
    }
}
