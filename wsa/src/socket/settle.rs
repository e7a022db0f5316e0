//! What the stack did, taken over into the state of the socket.

use tapsock_stack::event::{
    Asked, Cause, CauseKind, Evidence, PacketEvidence, PacketSummary, Silence,
};
use tapsock_stack::link::Link;
use tapsock_stack::port::BindError;
use tapsock_stack::storage::Storage;
use tapsock_stack::tcp::{Close, OpenError, Phase, RouteError, TcpInfo};

use super::{Awaited, Socket, State};
use crate::engine::Access;
use crate::error::Error;
use crate::process::{Fault, SocketHandle};
use crate::profile::Profile;

impl<'a, L: Link, S: Storage<'a>> Access<'_, 'a, L, S> {
    /// Ends an attempt that the stack has ended. Harmless at any time.
    pub(crate) fn settle(&mut self, s: SocketHandle) {
        let profile = self.core.profile;
        let Some(socket) = self.core.sockets.get_mut(s) else { return };
        let State::Connecting(id, awaited) = socket.state else { return };
        let Some(status) = self.stack.tcp(id) else { return };
        let result = match status.phase {
            Phase::Connecting => return,
            Phase::Connected => {
                socket.state = State::Connected(id);
                // Only a connection ends the memory of earlier failures.
                socket.failure = super::Usual::default();
                socket.connected_at = status.connected_at;
                let options = socket.options.for_connection();
                self.stack.tcp_set(self.now, id, &options);
                Ok(())
            }
            Phase::Failed => {
                let cause = status.cause.unwrap_or(Cause {
                    kind: CauseKind::Aborted,
                    at: self.now,
                    evidence: Evidence::Local("the attempt was given up"),
                });
                let error = attempt_error(&profile, socket, &cause);
                let icmp = icmp_of(&cause).or(status.soft_error);
                socket.failure.icmp = icmp;
                Err(Fault { error, cause: Some(cause) })
            }
        };
        if let Err(fault) = result {
            self.stack.tcp_close(self.now, id, Close::Silent);
            self.fail_attempt(s, fault, awaited);
        }
        let Some(socket) = self.core.sockets.get_mut(s) else { return };
        if awaited == Awaited::ByCall {
            *socket.outcome = Some(result);
        }
        if let Some(index) = s.index() {
            self.core.touch(index);
        }
        if result.is_ok() {
            self.note_connect(s, None);
        }
    }

    /// The record that a failed attempt leaves. The port stays with the socket, which may try
    /// again.
    pub(crate) fn fail_attempt(&mut self, s: SocketHandle, fault: Fault, awaited: Awaited) {
        self.uncommit(s);
        let Some(socket) = self.core.sockets.get_mut(s) else { return };
        socket.state = State::Idle;
        socket.peer = None;
        socket.failure.signalled = true;
        socket.failure.cause = fault.cause;
        if awaited == Awaited::Later {
            socket.failure.code = Some(fault.error);
        }
        self.note_connect(s, Some(fault.error));
    }

    /// Gives back the concrete address that a wildcard bind was committed to.
    pub(crate) fn uncommit(&mut self, s: SocketHandle) {
        let committed = self.core.sockets.get_mut(s).and_then(|socket| socket.committed.take());
        if let Some(binding) = committed {
            self.stack.unbind(binding);
        }
    }

    /// The evidence of a socket's last failure.
    pub(crate) fn cause(&self, s: SocketHandle) -> Option<Cause> {
        let socket = self.core.sockets.get(s)?;
        match socket.state {
            State::Connected(id) | State::Connecting(id, _) => {
                self.stack.tcp(id).and_then(|status| status.cause)
            }
            State::Idle | State::Listening(_) | State::Datagram(_) => None,
        }
        .or(socket.failure.cause)
    }

    /// The numbers of a socket's connection.
    pub(crate) fn numbers(&self, s: SocketHandle) -> Option<TcpInfo> {
        match self.core.sockets.get(s)?.state {
            State::Connected(id) => self.stack.tcp_info(id),
            _ => None,
        }
    }

    /// A call refused because there is no way to the destination.
    pub(crate) fn route_fault(
        &self,
        error: RouteError,
        destination: tapsock_stack::wire::IpAddress,
    ) -> Fault {
        let (error, kind, evidence) = match error {
            RouteError::NoRoute => {
                (Error::WSAENETUNREACH, CauseKind::NetUnreachable, Evidence::NoRoute(destination))
            }
            RouteError::LinkDown => (
                self.core.profile.link_down,
                CauseKind::LinkDown,
                Evidence::Local("the link is down"),
            ),
        };
        Fault { error, cause: Some(Cause { kind, at: self.now, evidence }) }
    }

    /// The code for what the stack could not open.
    pub(crate) fn open_fault(
        &self,
        error: OpenError,
        destination: tapsock_stack::wire::IpAddress,
    ) -> Fault {
        match error {
            OpenError::InUse => Error::WSAEADDRINUSE.into(),
            OpenError::Exhausted | OpenError::Stale => Error::WSAENOBUFS.into(),
            OpenError::Route(error) => self.route_fault(error, destination),
        }
    }

    /// The code of a connection that was established and then failed.
    pub(crate) fn connection_fault(&self, cause: Cause) -> Fault {
        let error = match cause.kind {
            CauseKind::Refused | CauseKind::Reset => Error::WSAECONNRESET,
            CauseKind::TimedOut if asked_in_vain(&cause) => KEEP_ALIVE_FAILED,
            CauseKind::TimedOut => Error::WSAETIMEDOUT,
            CauseKind::NetUnreachable => Error::WSAENETUNREACH,
            CauseKind::HostUnreachable => Error::WSAEHOSTUNREACH,
            CauseKind::LinkDown => self.core.profile.link_down,
            CauseKind::Aborted => Error::WSAECONNABORTED,
        };
        Fault { error, cause: Some(cause) }
    }
}

/// The code of a connection whose peer answered no keep-alive probe: what the documentation of
/// SO_KEEPALIVE gives to calls in progress. Here every later call gets it too, as a call that
/// comes too late to be in progress has no other way to learn why.
const KEEP_ALIVE_FAILED: Error = Error::WSAENETRESET;

/// Whether keep-alive ended the connection.
fn asked_in_vain(cause: &Cause) -> bool {
    matches!(cause.evidence, Evidence::Silence(Silence { asked: Asked::KeepAlive, .. }))
}

/// The code of a failed attempt.
fn attempt_error(profile: &Profile, socket: &Socket, cause: &Cause) -> Error {
    if socket.options.fail_on_icmp && icmp_of(cause).is_some() {
        return Error::WSAEHOSTUNREACH;
    }
    match cause.kind {
        CauseKind::Refused | CauseKind::Reset => Error::WSAECONNREFUSED,
        CauseKind::TimedOut => Error::WSAETIMEDOUT,
        CauseKind::NetUnreachable => Error::WSAENETUNREACH,
        CauseKind::HostUnreachable => Error::WSAEHOSTUNREACH,
        CauseKind::LinkDown => profile.link_down,
        CauseKind::Aborted => Error::WSAECONNABORTED,
    }
}

/// The ICMP error that decided, if one did.
fn icmp_of(cause: &Cause) -> Option<PacketEvidence> {
    match cause.evidence {
        Evidence::Packet(packet) if matches!(packet.summary, PacketSummary::Icmp { .. }) => {
            Some(packet)
        }
        _ => None,
    }
}

/// The code for a port that could not be had.
pub(crate) fn bind_error(error: BindError) -> Error {
    match error {
        BindError::InUse => Error::WSAEADDRINUSE,
        BindError::Denied => Error::WSAEACCES,
        BindError::NotOwn => Error::WSAEADDRNOTAVAIL,
        BindError::Exhausted => Error::WSAENOBUFS,
    }
}
