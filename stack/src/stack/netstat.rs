//! All sockets at a glance, as netstat shows them.

use core::fmt;

use smoltcp::socket::tcp::State;
use smoltcp::wire::IpEndpoint;

use super::Stack;
use crate::event::Shown;
use crate::link::Link;
use crate::port::{BindAddress, Family, Transport};
use crate::storage::Storage;

/// One socket, or one four-tuple in TIME-WAIT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SocketRow {
    /// TCP or UDP.
    pub transport: Transport,
    /// The addresses that it is bound to.
    pub local: BindAddress,
    /// Its port.
    pub port: u16,
    /// The other side, where there is one.
    pub remote: Option<IpEndpoint>,
    /// The state of RFC 9293, section 3.3.2; none for UDP. A connection that failed is
    /// [`State::Closed`] until its owner closes it.
    pub state: Option<State>,
}

impl<'a, L: Link, S: Storage<'a>> Stack<'a, L, S> {
    /// Every socket: listeners, connections (half-open ones, those that wait to be accepted, and
    /// closed ones that still deliver among them), four-tuples in TIME-WAIT, datagram sockets.
    ///
    /// This looks at all of them, so it is for reports, never for every packet.
    pub fn netstat(&self) -> impl Iterator<Item = SocketRow> {
        let core = &self.core;
        let listeners = core.listeners.iter().map(|(_, listener)| SocketRow {
            transport: Transport::Tcp,
            local: listener.address,
            port: listener.port,
            remote: None,
            state: Some(State::Listen),
        });
        // Once it has ended, a connection's four-tuple rests, or is another's.
        let connections = core.connections.iter().map(|(_, connection)| SocketRow {
            transport: Transport::Tcp,
            local: BindAddress::Address(connection.local.addr),
            port: connection.local.port,
            remote: Some(connection.remote),
            state: Some(if connection.attached { connection.state() } else { State::Closed }),
        });
        let rests = core.rests.iter().map(|(_, rest)| SocketRow {
            transport: Transport::Tcp,
            local: BindAddress::Address(rest.local.addr),
            port: rest.local.port,
            remote: Some(rest.remote),
            state: Some(State::TimeWait),
        });
        let datagrams = core.datagrams.iter().map(|(_, socket)| SocketRow {
            transport: Transport::Udp,
            local: socket.local.map_or(socket.address, BindAddress::Address),
            port: socket.port,
            remote: socket.peer,
            state: None,
        });
        listeners.chain(connections).chain(rests).chain(datagrams)
    }
}

/// A line as `netstat --numeric` prints it.
impl fmt::Display for SocketRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { transport, local, port, remote, state } = *self;
        f.write_str(match transport {
            Transport::Tcp => "tcp ",
            Transport::Udp => "udp ",
        })?;
        match local {
            BindAddress::Address(address) => Shown(&IpEndpoint::new(address, port)).fmt(f)?,
            BindAddress::Any(Family::V4) => write!(f, "0.0.0.0:{port}")?,
            BindAddress::Any(Family::V6) => write!(f, "[::]:{port}")?,
            BindAddress::AnyDual => write!(f, "*:{port}")?,
        }
        match remote {
            Some(remote) => write!(f, " {}", Shown(&remote))?,
            None => f.write_str(" *:*")?,
        }
        match state {
            Some(state) => write!(f, " {}", name(state)),
            None => Ok(()),
        }
    }
}

/// A state as RFC 9293 writes it.
const fn name(state: State) -> &'static str {
    match state {
        State::Closed => "CLOSED",
        State::Listen => "LISTEN",
        State::SynSent => "SYN-SENT",
        State::SynReceived => "SYN-RECEIVED",
        State::Established => "ESTABLISHED",
        State::FinWait1 => "FIN-WAIT-1",
        State::FinWait2 => "FIN-WAIT-2",
        State::CloseWait => "CLOSE-WAIT",
        State::Closing => "CLOSING",
        State::LastAck => "LAST-ACK",
        State::TimeWait => "TIME-WAIT",
    }
}
