//! Datagrams.

use tapsock_stack::UdpId;
use tapsock_stack::event::{Cause, CauseKind, Evidence, PacketSummary};
use tapsock_stack::link::Link;
use tapsock_stack::source::Source;
use tapsock_stack::storage::Storage;
use tapsock_stack::tcp::{RouteError, SendError, Take};
use tapsock_stack::udp::{Ancillary, DatagramError};
use tapsock_stack::wire::{IpAddress, IpEndpoint};

use super::{Patience, Receipt, Scatter, Sender};
use crate::address::{self, Name, ShortZero, SockAddr};
use crate::constants::{LINK_SCOPE_ID, MSG_PEEK};
use crate::engine::Access;
use crate::error::Error;
use crate::memory::Memory;
use crate::process::{Cue, Fault, SocketHandle, Turn};
use crate::socket::{Socket, State, Told};

impl<'a, L: Link, S: Storage<'a>> Access<'_, 'a, L, S> {
    /// send on a datagram socket.
    pub(super) fn send_to_peer(
        &mut self,
        s: SocketHandle,
        data: &impl Source,
        ancillary: &Ancillary,
    ) -> Result<usize, Fault> {
        let socket = self.core.socket(s)?;
        if socket.shut.send {
            return Err(Error::WSAESHUTDOWN.into());
        }
        let (State::Datagram(id), Some(peer)) = (socket.state, socket.peer) else {
            return Err(Error::WSAENOTCONN.into());
        };
        self.check_source(ancillary, peer.endpoint())?;
        self.send_datagram(id, peer.endpoint(), data, ancillary)
    }

    /// sendto on a datagram socket.
    pub(super) fn send_to(
        &mut self,
        s: SocketHandle,
        data: &impl Source,
        name: Memory<'_>,
        namelen: i32,
        ancillary: &Ancillary,
    ) -> Result<usize, Fault> {
        let socket = self.core.socket(s)?;
        let name = address::parse(socket.family, name, namelen, ShortZero::Refused)?;
        if socket.shut.send {
            return Err(Error::WSAESHUTDOWN.into());
        }
        let Name::Address(name) = name else { return Err(Error::WSAEAFNOSUPPORT.into()) };
        let remote = name.endpoint();
        let unusable = remote.addr.is_unspecified() || remote.port == 0;
        if unusable || (name.is_v4_mapped() && !socket.is_dual()) {
            return Err(Error::WSAEADDRNOTAVAIL.into());
        }
        if !socket.options.broadcast && self.stack.is_broadcast(remote.addr) {
            return Err(Error::WSAEACCES.into());
        }
        let bound = socket.bound;
        if let Some((address, _)) = bound.and_then(|bound| self.stack.bound(bound.binding)) {
            self.can_reach(address, remote.addr)?;
        }
        let was_bound = bound.is_some();
        self.check_source(ancillary, remote)?;
        self.source_for(remote.addr)?;
        let id = self.datagram_socket(s, remote)?;
        let sent = self.send_datagram(id, remote, data, ancillary);
        if sent.is_err() && !was_bound {
            self.unbind_datagram(s);
        }
        sent
    }

    fn send_datagram(
        &mut self,
        id: UdpId,
        remote: IpEndpoint,
        data: &impl Source,
        ancillary: &Ancillary,
    ) -> Result<usize, Fault> {
        match self.stack.udp_send_from(self.now, id, remote, ancillary, data) {
            Ok(()) => Ok(data.total()),
            Err(SendError::NoRoute) => Err(self.route_fault(RouteError::NoRoute, remote.addr)),
            Err(error) => Err(self.send_fault(error)),
        }
    }

    /// A source that a datagram names must be of this host and of the receiver's family.
    fn check_source(&self, ancillary: &Ancillary, remote: IpEndpoint) -> Result<(), Error> {
        match ancillary.source {
            Some(source) if source.version() != remote.addr.version() => Err(Error::WSAEINVAL),
            Some(source) if !self.stack.is_own_address(source) => Err(Error::WSAEADDRNOTAVAIL),
            Some(_) | None => Ok(()),
        }
    }

    /// recv (`from` is `None`) and recvfrom on a datagram socket.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn receive_datagram(
        &mut self,
        s: SocketHandle,
        list: &mut Scatter<'_, '_>,
        flags: i32,
        from: &mut Option<Sender<'_>>,
        receipt: &mut Receipt,
        patience: &mut Patience,
        cue: Cue,
    ) -> Turn<usize> {
        let (id, timeout) = match self.receivable(s, from) {
            Ok(found) => found,
            Err(error) => return Turn::fail(error),
        };
        if let Some(error) = self.stack.udp_error(id) {
            return Turn::Done(Err(datagram_fault(&error)));
        }
        let take = if flags & MSG_PEEK != 0 { Take::Peek } else { Take::Consume };
        let Some(datagram) = self.stack.udp_recv_scattered(id, list.behind(0), take) else {
            return self.wait_for_transfer(s, timeout, patience, cue);
        };
        let mut told = Told::default();
        let written = self.core.socket(s).and_then(|socket| {
            told = socket.options.ip.told(datagram.local);
            let mut name = SockAddr::of_endpoint(socket.family, datagram.remote);
            if crate::socket::is_link_local(name.address) {
                name.scope_id = LINK_SCOPE_ID;
            }
            match from {
                Some((room, len)) if !room.is_null() => name.write(room, len.as_deref_mut()),
                _ => Ok(()),
            }
        });
        if let Err(error) = written {
            return Turn::fail(error);
        }
        *receipt = Receipt {
            copied: datagram.copied,
            truncated: datagram.len > datagram.copied,
            about: Some((datagram, told)),
        };
        if receipt.truncated {
            return Turn::fail(Error::WSAEMSGSIZE);
        }
        Turn::Done(Ok(datagram.copied))
    }

    /// The stack's socket and the time limit, or what stands against receiving.
    fn receivable(
        &self,
        s: SocketHandle,
        from: &mut Option<Sender<'_>>,
    ) -> Result<(UdpId, u32), Error> {
        let socket = self.core.socket(s)?;
        if let Some((room, len)) = from
            && !room.is_null()
        {
            address::checked_room(room, len.as_deref(), socket.family)?;
        }
        if socket.shut.receive {
            return Err(Error::WSAESHUTDOWN);
        }
        let State::Datagram(id) = socket.state else { return Err(Error::WSAEINVAL) };
        if from.is_none() && self.needs_peer(socket) {
            return Err(Error::WSAENOTCONN);
        }
        Ok((id, socket.options.receive_timeout))
    }

    fn needs_peer(&self, socket: &Socket) -> bool {
        use crate::profile::AfterDisconnect::NotConnected;
        socket.disconnected && self.core.profile.after_disconnect == NotConnected
    }
}

/// What an ICMP error about an earlier datagram makes of the next receive. Which errors a socket
/// wants to know at all, the stack has been told.
fn datagram_fault(error: &DatagramError) -> Fault {
    let code = match error.kind {
        // A host that does not know UDP is no host that has closed a port.
        CauseKind::Refused if is_protocol_unreachable(error) => Error::WSAENETUNREACH,
        CauseKind::Refused => Error::WSAECONNRESET,
        _ if error.in_transit => Error::WSAENETRESET,
        CauseKind::NetUnreachable => Error::WSAENETUNREACH,
        _ => Error::WSAEHOSTUNREACH,
    };
    let cause = Cause {
        kind: error.kind,
        at: error.evidence.at,
        evidence: Evidence::Packet(error.evidence),
    };
    Fault { error: code, cause: Some(cause) }
}

/// ICMP type 3, code 2; over IPv6 there is no such error.
fn is_protocol_unreachable(error: &DatagramError) -> bool {
    matches!(
        error.evidence.summary,
        PacketSummary::Icmp { source: IpAddress::Ipv4(_), kind: 3, code: 2, .. }
    )
}
