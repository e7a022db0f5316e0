//! What a connect is refused for before anything happens, in the order in which it is looked at.
//!
//! Each row is one function that only looks: it gets shared references, so a refused call cannot
//! have bound the socket, disturbed an attempt under way or written through an argument. The
//! order is the order of the list in [`rows`].

use tapsock_stack::Stack;
use tapsock_stack::link::Link;
use tapsock_stack::storage::Storage;

use super::Arguments;
use crate::address::{self, Name, ShortZero, SockAddr};
use crate::constants::{LINK_SCOPE_ID, MAX_CONNECT_DATA};
use crate::error::{Error, Result};
use crate::memory::{Arg, Memory};
use crate::process::Core;
use crate::profile::{BroadcastConnect, UnusableAddress};
use crate::socket::{Socket, State};

/// All that the rows look at.
pub(super) struct Question<'q, 'a, L: Link, S: Storage<'a>> {
    pub(super) core: &'q Core<'a, S>,
    pub(super) stack: &'q Stack<'a, L, S>,
    pub(super) thread: u64,
    pub(super) arguments: &'q Arguments<'q>,
}

/// Where the ladder leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// A datagram socket loses its peer.
    Disconnect,
    /// A datagram socket gets this peer.
    Associate(SockAddr),
    /// A stream's handshake begins.
    Launch(SockAddr),
    /// A non-blocking stream's attempt is taken and fails.
    FailLater(Error),
}

/// What a row says of a call that it does not refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// Nothing; the next row decides.
    Pass,
    /// The call succeeds here and now, as a disconnect.
    Disconnect,
    /// The rest is still to be looked at, but the attempt is lost.
    FailLater(Error),
}

type Row<'a, L, S> = fn(&Question<'_, 'a, L, S>) -> Result<Verdict>;

/// The ladder. WSAConnect's documentation names the errors; this is the order in which they win.
#[rustfmt::skip]
fn rows<'a, L: Link, S: Storage<'a>>() -> [Row<'a, L, S>; 15] {
    [
        started,               // WSANOTINITIALISED
        not_inside_a_call,     // WSAEINPROGRESS
        handle_is_a_socket,    // WSAENOTSOCK
        name_is_readable,      // WSAEFAULT
        data_is_readable,      // WSAEFAULT
        no_group_qos,          // WSAEINVAL
        not_listening,         // WSAEINVAL
        not_connecting,        // WSAEALREADY
        not_connected,         // WSAEISCONN
        disconnect,            // success
        family_is_the_sockets, // WSAEAFNOSUPPORT
        address_can_be_a_peer, // WSAEADDRNOTAVAIL
        broadcast_is_allowed,  // WSAEACCES
        qos_can_be_had,        // WSAEOPNOTSUPP, WSAEFAULT
        no_caller_data,        // WSAEPROTONOSUPPORT
    ]
}

/// Asks every row.
pub(super) fn climb<'a, L: Link, S: Storage<'a>>(
    question: &Question<'_, 'a, L, S>,
) -> Result<Step> {
    let mut lost = None;
    for row in rows() {
        match row(question)? {
            Verdict::Pass => {}
            Verdict::Disconnect => return Ok(Step::Disconnect),
            Verdict::FailLater(error) => lost = Some(error),
        }
    }
    if let Some(error) = lost {
        return Ok(Step::FailLater(error));
    }
    // The rows have refused whatever is missing here.
    let socket = question.socket().ok_or(Error::WSAENOTSOCK)?;
    let Some(Name::Address(peer)) = question.name() else { return Err(Error::WSAEFAULT) };
    Ok(if socket.is_stream() { Step::Launch(peer) } else { Step::Associate(peer) })
}

impl<'a, L: Link, S: Storage<'a>> Question<'_, 'a, L, S> {
    fn socket(&self) -> Option<&Socket> {
        self.core.socket(self.arguments.s).ok()
    }

    fn parse_name(&self, socket: &Socket) -> Result<Name> {
        let short_zero = if socket.is_stream() { ShortZero::Refused } else { ShortZero::Accepted };
        address::parse(socket.family, self.arguments.name, self.arguments.namelen, short_zero)
    }

    fn name(&self) -> Option<Name> {
        self.parse_name(self.socket()?).ok()
    }

    /// The address that the name gives, whatever family stands before it.
    fn peer(&self) -> Option<SockAddr> {
        match self.name()? {
            Name::Address(peer) | Name::OtherFamily(peer) => Some(peer),
            Name::Zero => None,
        }
    }

    fn stream_state(&self) -> Option<State> {
        self.socket().filter(|socket| socket.is_stream()).map(|socket| socket.state)
    }
}

fn started<'a, L: Link, S: Storage<'a>>(question: &Question<'_, 'a, L, S>) -> Result<Verdict> {
    question.core.admit_started()?;
    Ok(Verdict::Pass)
}

/// A 1.1 process has one blocking call a thread; in any process nothing blocks inside a condition
/// function or an APC, where it could wait for what only its own caller can do.
fn not_inside_a_call<'a, L: Link, S: Storage<'a>>(
    question: &Question<'_, 'a, L, S>,
) -> Result<Verdict> {
    question.core.admit_reentry(question.thread)?;
    let would_block =
        question.socket().is_some_and(|socket| socket.is_stream() && !socket.nonblocking);
    if would_block && question.core.in_callback(question.thread) {
        return Err(Error::WSAEINPROGRESS);
    }
    Ok(Verdict::Pass)
}

fn handle_is_a_socket<'a, L: Link, S: Storage<'a>>(
    question: &Question<'_, 'a, L, S>,
) -> Result<Verdict> {
    question.core.socket(question.arguments.s)?;
    Ok(Verdict::Pass)
}

/// The length is judged by the family of the socket, not by the one that the name claims.
fn name_is_readable<'a, L: Link, S: Storage<'a>>(
    question: &Question<'_, 'a, L, S>,
) -> Result<Verdict> {
    match question.socket() {
        Some(socket) => question.parse_name(socket).map(|_| Verdict::Pass),
        None if matches!(question.arguments.name, Memory::Bytes(_)) => Ok(Verdict::Pass),
        None => Err(Error::WSAEFAULT),
    }
}

/// On a datagram socket connection data means nothing, whatever it is.
fn data_is_readable<'a, L: Link, S: Storage<'a>>(
    question: &Question<'_, 'a, L, S>,
) -> Result<Verdict> {
    let arguments = question.arguments;
    let is_stream = question.socket().is_none_or(Socket::is_stream);
    let caller_data = match &arguments.caller_data {
        Arg::Null => true,
        Arg::Unreadable => false,
        Arg::Value(data) => data.len <= MAX_CONNECT_DATA && data.is_there(),
    };
    let sqos = match &arguments.sqos {
        Arg::Null => true,
        Arg::Unreadable => false,
        Arg::Value(qos) => qos.provider_specific.is_there(),
    };
    if (is_stream && !(caller_data && arguments.callee_data_is_writable)) || !sqos {
        return Err(Error::WSAEFAULT);
    }
    Ok(Verdict::Pass)
}

/// Socket groups do not exist.
fn no_group_qos<'a, L: Link, S: Storage<'a>>(question: &Question<'_, 'a, L, S>) -> Result<Verdict> {
    if question.arguments.gqos_is_null { Ok(Verdict::Pass) } else { Err(Error::WSAEINVAL) }
}

fn not_listening<'a, L: Link, S: Storage<'a>>(
    question: &Question<'_, 'a, L, S>,
) -> Result<Verdict> {
    match question.stream_state() {
        Some(State::Listening(_)) => Err(Error::WSAEINVAL),
        _ => Ok(Verdict::Pass),
    }
}

fn not_connecting<'a, L: Link, S: Storage<'a>>(
    question: &Question<'_, 'a, L, S>,
) -> Result<Verdict> {
    match question.stream_state() {
        // Winsock 1.1 had no WSAEALREADY for this.
        Some(State::Connecting(..)) if question.core.ever_1_1 => Err(Error::WSAEINVAL),
        Some(State::Connecting(..)) => Err(Error::WSAEALREADY),
        _ => Ok(Verdict::Pass),
    }
}

fn not_connected<'a, L: Link, S: Storage<'a>>(
    question: &Question<'_, 'a, L, S>,
) -> Result<Verdict> {
    match question.stream_state() {
        Some(State::Connected(_)) => Err(Error::WSAEISCONN),
        _ => Ok(Verdict::Pass),
    }
}

fn disconnect<'a, L: Link, S: Storage<'a>>(question: &Question<'_, 'a, L, S>) -> Result<Verdict> {
    let is_datagram = question.socket().is_some_and(|socket| !socket.is_stream());
    if is_datagram && question.name() == Some(Name::Zero) {
        return Ok(Verdict::Disconnect);
    }
    Ok(Verdict::Pass)
}

fn family_is_the_sockets<'a, L: Link, S: Storage<'a>>(
    question: &Question<'_, 'a, L, S>,
) -> Result<Verdict> {
    let is_datagram = question.socket().is_some_and(|socket| !socket.is_stream());
    match question.name() {
        Some(Name::OtherFamily(_)) => Err(Error::WSAEAFNOSUPPORT),
        // Zero bytes are the family AF_UNSPEC. A stream is told that the address is unusable.
        Some(Name::Zero) if is_datagram => Err(Error::WSAEAFNOSUPPORT),
        _ => Ok(Verdict::Pass),
    }
}

fn address_can_be_a_peer<'a, L: Link, S: Storage<'a>>(
    question: &Question<'_, 'a, L, S>,
) -> Result<Verdict> {
    let Some(socket) = question.socket() else { return Ok(Verdict::Pass) };
    let Some(peer) = question.peer() else {
        let is_zero = question.name() == Some(Name::Zero);
        return if is_zero { Err(Error::WSAEADDRNOTAVAIL) } else { Ok(Verdict::Pass) };
    };
    let address = peer.wire_address();
    if address.is_unspecified() || peer.port == 0 || !scope_is_known(&peer) {
        return Err(Error::WSAEADDRNOTAVAIL);
    }
    let wrong_family = peer.is_v4_mapped() && !socket.is_dual();
    let no_unicast = address.is_multicast() || question.stack.is_broadcast(address);
    let usable = !wrong_family && (!no_unicast || !socket.is_stream());
    if usable {
        return Ok(Verdict::Pass);
    }
    let later = question.core.profile.unusable_address == UnusableAddress::Later;
    if later && socket.is_stream() && socket.nonblocking {
        return Ok(Verdict::FailLater(Error::WSAEADDRNOTAVAIL));
    }
    Err(Error::WSAEADDRNOTAVAIL)
}

/// A scope says which link a link-local address is on. There is one link; 0 means it too.
fn scope_is_known(peer: &SockAddr) -> bool {
    !crate::socket::is_link_local(peer.address) || matches!(peer.scope_id, 0 | LINK_SCOPE_ID)
}

fn broadcast_is_allowed<'a, L: Link, S: Storage<'a>>(
    question: &Question<'_, 'a, L, S>,
) -> Result<Verdict> {
    let Some(socket) = question.socket().filter(|socket| !socket.is_stream()) else {
        return Ok(Verdict::Pass);
    };
    let Some(peer) = question.peer() else { return Ok(Verdict::Pass) };
    let refused = question.core.profile.broadcast_connect == BroadcastConnect::Refused;
    if refused && !socket.options.broadcast && question.stack.is_broadcast(peer.wire_address()) {
        return Err(Error::WSAEACCES);
    }
    Ok(Verdict::Pass)
}

fn qos_can_be_had<'a, L: Link, S: Storage<'a>>(
    question: &Question<'_, 'a, L, S>,
) -> Result<Verdict> {
    if let Arg::Value(qos) = &question.arguments.sqos {
        qos.judge()?;
    }
    Ok(Verdict::Pass)
}

/// TCP has no room for user data in its handshake.
fn no_caller_data<'a, L: Link, S: Storage<'a>>(
    question: &Question<'_, 'a, L, S>,
) -> Result<Verdict> {
    let is_stream = question.socket().is_some_and(Socket::is_stream);
    match &question.arguments.caller_data {
        Arg::Value(data) if is_stream && data.len > 0 => Err(Error::WSAEPROTONOSUPPORT),
        _ => Ok(Verdict::Pass),
    }
}
