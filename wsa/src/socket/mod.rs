//! What a process knows about one of its sockets, and the calls that make and end one.

mod close;
mod create;
mod ioctl;
mod names;
mod options;
mod settle;
mod shutdown;
mod usual;

pub(crate) use names::is_link_local;
pub(crate) use options::{Options, Told};
pub(crate) use settle::bind_error;
use usual::Common;
pub(crate) use usual::Usual;

use tapsock_stack::event::{Cause, PacketEvidence};
use tapsock_stack::port::Binding;
use tapsock_stack::time::Instant;
use tapsock_stack::{ListenerId, TcpId, UdpId};

use crate::address::{Family, SockAddr};
use crate::error::Error;
use crate::process::Fault;
use crate::readiness::Record;

/// The two types of socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// SOCK_STREAM over TCP.
    Stream,
    /// SOCK_DGRAM over UDP.
    Datagram,
}

/// Who takes the result of a connection attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Awaited {
    /// The call that made it, which waits.
    ByCall,
    /// SO_ERROR and select.
    Later,
}

/// What stands for the socket in the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Nothing: open, or bound, or failed to connect.
    Idle,
    /// A connection attempt.
    Connecting(TcpId, Awaited),
    /// A connection, for good: also after either side has closed or reset it.
    Connected(TcpId),
    /// A listener.
    Listening(ListenerId),
    /// A bound datagram socket.
    Datagram(UdpId),
}

/// A port that the socket holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bound {
    pub(crate) binding: Binding,
    /// bind was not called: connect or sendto chose the port.
    pub(crate) implicit: bool,
}

/// What stays of a failed connection attempt.
///
/// The code is only for attempts that nobody waited for; it outlives further failures, further
/// attempts and listen, and ends with a connection. The signal in exceptfds is for all failures.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct FailureRecord {
    /// SO_ERROR.
    pub(crate) code: Option<Error>,
    /// exceptfds.
    pub(crate) signalled: bool,
    /// What decided it.
    pub(crate) cause: Option<Cause>,
    /// TCP_ICMP_ERROR_INFO.
    pub(crate) icmp: Option<PacketEvidence>,
}

impl Common for FailureRecord {
    const COMMON: &'static Self = &Self { code: None, signalled: false, cause: None, icmp: None };
}

/// The result of an attempt, until the call that waits for it takes it.
pub(crate) type Outcome = Option<Result<(), Fault>>;

impl Common for Outcome {
    const COMMON: &'static Self = &None;
}

/// The directions that shutdown closed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Shut {
    pub(crate) receive: bool,
    pub(crate) send: bool,
}

/// One socket.
#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) family: Family,
    pub(crate) kind: Kind,
    pub(crate) state: State,
    /// FIONBIO.
    pub(crate) nonblocking: bool,
    pub(crate) options: Usual<Options>,
    pub(crate) bound: Option<Bound>,
    /// Where the socket is bound to the wildcard and a connection has fixed the local address:
    /// the port at that address.
    pub(crate) committed: Option<Binding>,
    /// The peer as connect named it, or as accept found it.
    pub(crate) peer: Option<SockAddr>,
    pub(crate) failure: Usual<FailureRecord>,
    /// The result of an attempt, for the call that waits for it.
    pub(crate) outcome: Usual<Outcome>,
    pub(crate) shut: Shut,
    /// A datagram socket whose association was ended.
    pub(crate) disconnected: bool,
    /// closesocket waits for it to linger; to every other call the handle is none.
    pub(crate) closing: bool,
    /// The task that is woken when something about the socket changes.
    #[cfg(feature = "embedded")]
    pub(crate) waker: Option<core::task::Waker>,
    /// Its network events, and who is told of them.
    pub(crate) record: Record,
    /// When the connection was established.
    pub(crate) connected_at: Option<Instant>,
}

impl Socket {
    pub(crate) fn new(family: Family, kind: Kind) -> Self {
        Self {
            family,
            kind,
            state: State::Idle,
            nonblocking: false,
            options: Usual::default(),
            bound: None,
            committed: None,
            peer: None,
            failure: Usual::default(),
            outcome: Usual::default(),
            shut: Shut::default(),
            disconnected: false,
            closing: false,
            #[cfg(feature = "embedded")]
            waker: None,
            record: Record::default(),
            connected_at: None,
        }
    }

    /// A new attempt begins, which has no ICMP error yet.
    pub(crate) fn forget_icmp(&mut self) {
        if self.failure.icmp.is_some() {
            self.failure.icmp = None;
        }
    }

    pub(crate) fn is_stream(&self) -> bool {
        self.kind == Kind::Stream
    }

    /// Whether the socket speaks IPv4 as well as IPv6.
    pub(crate) fn is_dual(&self) -> bool {
        self.family != Family::V4 && !self.options.v6_only
    }
}
