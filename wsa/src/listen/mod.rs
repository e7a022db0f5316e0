//! bind, listen, accept.

mod accept;

pub use accept::Caller;

use tapsock_stack::link::Link;
use tapsock_stack::port::{self, BindAddress, Transport};
use tapsock_stack::storage::Storage;

use crate::address::{self, Family, Name, ShortZero, SockAddr};
use crate::connect::share_of;
use crate::constants::LINK_SCOPE_ID;
use crate::engine::{Access, Engine};
use crate::error::{Error, Result};
use crate::memory::Memory;
use crate::process::{Fault, Process, SocketHandle};
use crate::readiness::Bits;
use crate::socket::{self, Bound, Kind, State};

impl<'a, E: Engine<'a>> Process<'a, E> {
    /// bind: gives the socket a local name. Port 0 takes a free one, whatever the options say.
    ///
    /// A wildcard and an address under it share a port, and the most specific gets what arrives.
    /// The same name needs SO_REUSEADDR of all that have it. SO_EXCLUSIVEADDRUSE keeps the name for
    /// its socket, with a wildcard every address, and a wildcard with it is refused where any
    /// address is taken. TIME-WAIT keeps nobody off a port; a connection that was accepted under
    /// SO_EXCLUSIVEADDRUSE keeps off others with that option while it lives.
    ///
    /// # Errors
    /// WSAENOTSOCK; WSAEFAULT for a bad name; WSAEINVAL for a bound socket; WSAEAFNOSUPPORT for
    /// another family; WSAEADDRNOTAVAIL for an address that is not this stack's; WSAEADDRINUSE,
    /// or WSAEACCES where an exclusive use is in the way; WSAENOBUFS.
    pub fn bind(&self, s: SocketHandle, name: Memory<'_>, namelen: i32) -> Result<()> {
        self.call(|access| access.bind(s, name, namelen))
    }

    /// bind to an address as a Rust value.
    ///
    /// # Errors
    /// As [`Process::bind`].
    pub fn bind_to(&self, s: SocketHandle, address: impl Into<SockAddr>) -> Result<()> {
        let name = address.into().encode();
        self.bind(s, name.memory(), name.len())
    }

    /// listen: lets the socket be connected to. A second listen changes the backlog.
    ///
    /// A bound socket whose connect failed may listen. Of several sockets that listen at one name,
    /// the one that did so last has the connections until it is closed.
    ///
    /// # Errors
    /// WSAENOTSOCK; WSAEOPNOTSUPP for a datagram socket; WSAEINVAL for an unbound one and while
    /// an attempt is under way; WSAEISCONN; WSAEADDRINUSE; WSAENOBUFS.
    pub fn listen(&self, s: SocketHandle, backlog: i32) -> Result<()> {
        self.call(|access| access.listen(s, backlog))
    }
}

impl<'a, L: Link, S: Storage<'a>> Access<'_, 'a, L, S> {
    fn bind(&mut self, s: SocketHandle, name: Memory<'_>, namelen: i32) -> Result<(), Fault> {
        let socket = self.core.socket(s)?;
        let name = address::parse(socket.family, name, namelen, ShortZero::Refused)?;
        if socket.bound.is_some() {
            return Err(Error::WSAEINVAL.into());
        }
        let Name::Address(name) = name else { return Err(Error::WSAEAFNOSUPPORT.into()) };
        let link_local = socket::is_link_local(name.address);
        if link_local && !matches!(name.scope_id, 0 | LINK_SCOPE_ID) {
            return Err(Error::WSAEADDRNOTAVAIL.into());
        }
        if name.is_v4_mapped() && !socket.is_dual() {
            return Err(Error::WSAEADDRNOTAVAIL.into());
        }
        let wire = name.wire_address();
        let address = match (socket.family, wire.is_unspecified()) {
            (_, false) => BindAddress::Address(wire),
            (Family::V4, true) => BindAddress::Any(port::Family::V4),
            // ::ffff:0.0.0.0 is the wildcard of one family, :: of both.
            #[cfg(feature = "ipv6")]
            (Family::V6, true) if name.is_v4_mapped() => BindAddress::Any(port::Family::V4),
            #[cfg(feature = "ipv6")]
            (Family::V6, true) if socket.is_dual() => BindAddress::AnyDual,
            #[cfg(feature = "ipv6")]
            (Family::V6, true) => BindAddress::Any(port::Family::V6),
        };
        let (kind, share) = (socket.kind, share_of(socket));
        let transport = match kind {
            Kind::Stream => Transport::Tcp,
            Kind::Datagram => Transport::Udp,
        };
        let binding =
            self.stack.bind(transport, address, name.port, share).map_err(socket::bind_error)?;
        if kind == Kind::Datagram {
            let id = self.open_datagram(s, binding, wire)?;
            self.core.socket_mut(s)?.state = State::Datagram(id);
        }
        self.core.socket_mut(s)?.bound = Some(Bound { binding, implicit: false });
        self.record(s, Bits::NONE);
        Ok(())
    }

    fn listen(&mut self, s: SocketHandle, backlog: i32) -> Result<(), Fault> {
        self.core.socket(s)?;
        self.settle(s);
        let socket = self.core.socket(s)?;
        if !socket.is_stream() {
            return Err(Error::WSAEOPNOTSUPP.into());
        }
        let backlog = usize::try_from(backlog).unwrap_or(0).max(1);
        let bound = match (socket.state, socket.bound) {
            (State::Connected(_), _) => return Err(Error::WSAEISCONN.into()),
            (State::Listening(id), _) => {
                self.stack.set_backlog(id, backlog);
                return Ok(());
            }
            (State::Idle, Some(bound)) => bound,
            (State::Idle | State::Connecting(..) | State::Datagram(_), _) => {
                return Err(Error::WSAEINVAL.into());
            }
        };
        let owner = s.index().unwrap_or(u32::MAX);
        let local = self.local_name(s)?.wire_address();
        let id = self
            .stack
            .tcp_listen(bound.binding, backlog, owner)
            .map_err(|error| self.open_fault(error, local))?;
        self.core.socket_mut(s)?.state = State::Listening(id);
        self.apply_options(s)?;
        self.touch(s);
        Ok(())
    }
}
