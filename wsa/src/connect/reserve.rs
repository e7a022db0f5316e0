//! Route, source address and port of a connection: one step, undone as a whole.

use tapsock_stack::link::Link;
use tapsock_stack::port::{BindAddress, Binding, Family, Share, Transport};
use tapsock_stack::storage::Storage;
use tapsock_stack::wire::{IpAddress, IpEndpoint};

use crate::engine::Access;
use crate::error::{Error, Result};
use crate::process::{Fault, SocketHandle};
use crate::socket::{self, Bound, Socket};

/// What was reserved for one attempt.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reserved {
    pub(super) local: IpEndpoint,
    /// A port that the socket did not hold before.
    fresh: Option<Binding>,
    /// The concrete address of a wildcard bind.
    committed: Option<Binding>,
}

impl<'a, L: Link, S: Storage<'a>> Access<'_, 'a, L, S> {
    /// Finds the way to `remote` and a local endpoint for it.
    pub(super) fn reserve_stream(
        &mut self,
        s: SocketHandle,
        remote: IpEndpoint,
    ) -> Result<Reserved, Fault> {
        let source = self.source_for(remote.addr)?;
        let socket = self.core.socket(s)?;
        let share = share_of(socket);
        let held = socket.bound.and_then(|bound| {
            let (address, port) = self.stack.bound(bound.binding)?;
            Some((address, port, bound.implicit))
        });
        if let Some((bound, _, false)) = held {
            self.can_reach(bound, remote.addr)?;
        }
        match held {
            Some((BindAddress::Address(address), port, implicit))
                if !implicit || address == source =>
            {
                let local = IpEndpoint::new(address, port);
                Ok(Reserved { local, fresh: None, committed: None })
            }
            Some((BindAddress::Any(_) | BindAddress::AnyDual, port, _)) => {
                let local = IpEndpoint::new(source, port);
                // Nobody else can have what this socket holds exclusively at every address.
                let committed = match share {
                    Share::Exclusive => None,
                    Share::Default | Share::Reuse => {
                        let concrete = BindAddress::Address(source);
                        let binding = self.stack.bind(Transport::Tcp, concrete, port, share);
                        Some(binding.map_err(socket::bind_error)?)
                    }
                };
                Ok(Reserved { local, fresh: None, committed })
            }
            // No port yet, or one that an earlier attempt chose for another source address.
            _ => {
                let concrete = BindAddress::Address(source);
                let binding = self
                    .stack
                    .bind_for(Transport::Tcp, concrete, remote, share)
                    .map_err(socket::bind_error)?;
                let Some((_, port)) = self.stack.bound(binding) else {
                    self.stack.unbind(binding);
                    return Err(Error::WSAENOBUFS.into());
                };
                let local = IpEndpoint::new(source, port);
                Ok(Reserved { local, fresh: Some(binding), committed: None })
            }
        }
    }

    /// The attempt did not begin: nothing of the reservation stays.
    pub(super) fn give_back(&mut self, _: SocketHandle, reserved: Reserved) {
        for binding in [reserved.fresh, reserved.committed].into_iter().flatten() {
            self.stack.unbind(binding);
        }
    }

    /// The attempt has begun: the reservation is the socket's.
    pub(super) fn keep(&mut self, s: SocketHandle, reserved: Reserved) {
        let Ok(socket) = self.core.socket_mut(s) else { return };
        let mut old = None;
        if let Some(binding) = reserved.fresh {
            old = socket.bound.replace(Bound { binding, implicit: true });
        }
        let older = core::mem::replace(&mut socket.committed, reserved.committed);
        for binding in [old.map(|bound| bound.binding), older].into_iter().flatten() {
            self.stack.unbind(binding);
        }
    }

    /// Whether what bind was given can be this side of a conversation with `remote`: it is of its
    /// family, and no loopback address, which means nothing on the link.
    pub(crate) fn can_reach(&self, bound: BindAddress, remote: IpAddress) -> Result<()> {
        let family = Family::of(remote);
        let fits = match bound {
            BindAddress::AnyDual => true,
            BindAddress::Any(own) => own == family,
            BindAddress::Address(own) => {
                let stays = !is_loopback(own) || self.stack.is_own_address(remote);
                Family::of(own) == family && stays
            }
        };
        if fits { Ok(()) } else { Err(Error::WSAEADDRNOTAVAIL) }
    }

    pub(crate) fn source_for(&self, destination: IpAddress) -> Result<IpAddress, Fault> {
        self.stack.source_for(destination).map_err(|error| self.route_fault(error, destination))
    }
}

/// How the socket shares its port.
pub(crate) fn share_of(socket: &Socket) -> Share {
    match (socket.options.exclusive, socket.options.reuse) {
        (true, _) => Share::Exclusive,
        (false, true) => Share::Reuse,
        (false, false) => Share::Default,
    }
}

fn is_loopback(address: IpAddress) -> bool {
    match address {
        IpAddress::Ipv4(address) => address.is_loopback(),
        #[cfg(feature = "ipv6")]
        IpAddress::Ipv6(address) => address.is_loopback(),
    }
}
