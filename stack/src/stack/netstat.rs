//! All sockets at a glance, as netstat shows them.

use core::fmt;

use smoltcp::socket::tcp::State;
use smoltcp::wire::IpEndpoint;

use super::Stack;
use crate::event::{Cause, Shown};
use crate::link::Link;
use crate::port::{BindAddress, Family, Transport};
use crate::storage::{Fifo, Storage};
use crate::tcp::TcpInfo;

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
    /// Bytes that a receive would give, or a listener's connections that wait to be accepted.
    pub receive_queue: usize,
    /// Bytes accepted from sends that are not acknowledged yet.
    pub send_queue: usize,
    /// The numbers of a connection.
    pub tcp: Option<TcpInfo>,
    /// Why it failed.
    pub cause: Option<Cause>,
}

impl SocketRow {
    const fn new(transport: Transport, local: BindAddress, port: u16) -> Self {
        Self {
            transport,
            local,
            port,
            remote: None,
            state: None,
            receive_queue: 0,
            send_queue: 0,
            tcp: None,
            cause: None,
        }
    }

    /// What it is bound to, as netstat writes it; `*` for both families.
    pub fn local_name(&self) -> impl fmt::Display {
        Local(self.local, self.port)
    }

    /// The other side likewise, where there is one.
    pub fn remote_name(&self) -> Option<impl fmt::Display> {
        self.remote.map(|remote| Local(BindAddress::Address(remote.addr), remote.port))
    }

    /// The state as RFC 9293 writes it.
    pub const fn state_name(&self) -> Option<&'static str> {
        match self.state {
            Some(state) => Some(name(state)),
            None => None,
        }
    }
}

impl<'a, L: Link, S: Storage<'a>> Stack<'a, L, S> {
    /// Every socket: listeners, connections (half-open ones, those that wait to be accepted, and
    /// closed ones that still deliver among them), four-tuples in TIME-WAIT, datagram sockets.
    ///
    /// This looks at all of them, so it is for reports, never for every packet.
    pub fn netstat(&self) -> impl Iterator<Item = SocketRow> {
        let core = &self.core;
        let tcp = |local, port| SocketRow::new(Transport::Tcp, local, port);
        let listeners = core.listeners.iter().map(move |(_, listener)| SocketRow {
            state: Some(State::Listen),
            receive_queue: listener.queue.len(),
            ..tcp(listener.address, listener.port)
        });
        // Once it has ended, a connection's four-tuple rests, or is another's.
        let connections = core.connections.iter().map(move |(_, connection)| {
            let (local, status) = (connection.local, connection.status());
            SocketRow {
                remote: Some(connection.remote),
                state: Some(if connection.attached { connection.state() } else { State::Closed }),
                receive_queue: status.receivable,
                send_queue: status.queued,
                tcp: Some(connection.info()),
                cause: status.cause,
                ..tcp(BindAddress::Address(local.addr), local.port)
            }
        });
        let rests = core.rests.iter().map(move |(_, rest)| SocketRow {
            remote: Some(rest.remote),
            state: Some(State::TimeWait),
            ..tcp(BindAddress::Address(rest.local.addr), rest.local.port)
        });
        let datagrams = core.datagrams.iter().map(|(_, socket)| {
            let local = socket.local.map_or(socket.address, BindAddress::Address);
            SocketRow {
                remote: socket.peer,
                receive_queue: socket.status().bytes,
                ..SocketRow::new(Transport::Udp, local, socket.port)
            }
        });
        listeners.chain(connections).chain(rests).chain(datagrams)
    }
}

/// Protocol, both ends and the state, as `netstat --numeric` prints them.
impl fmt::Display for SocketRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.transport {
            Transport::Tcp => "tcp ",
            Transport::Udp => "udp ",
        })?;
        self.local_name().fmt(f)?;
        match self.remote {
            Some(remote) => write!(f, " {}", Shown(&remote))?,
            None => f.write_str(" *:*")?,
        }
        match self.state_name() {
            Some(state) => write!(f, " {state}"),
            None => Ok(()),
        }
    }
}

/// An address and a port that a socket is bound to.
struct Local(BindAddress, u16);

impl fmt::Display for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(address, port) = *self;
        match address {
            BindAddress::Address(address) => Shown(&IpEndpoint::new(address, port)).fmt(f),
            BindAddress::Any(Family::V4) => write!(f, "0.0.0.0:{port}"),
            BindAddress::Any(Family::V6) => write!(f, "[::]:{port}"),
            BindAddress::AnyDual => write!(f, "*:{port}"),
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
