//! Winsock's errors as those of `std::io`.

use std::fmt;
use std::io::{self, ErrorKind};

use tapsock_stack::event::Cause;

use crate::error::Error;

/// Why a call of this module failed: what is inside an [`io::Error`] that comes from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NetError {
    error: Error,
    cause: Option<Cause>,
}

impl NetError {
    pub(super) const fn new(error: Error, cause: Option<Cause>) -> Self {
        Self { error, cause }
    }

    /// The one inside `error`, if it comes from this module.
    pub fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref().and_then(|inside| inside.downcast_ref())
    }

    /// Winsock's error.
    pub const fn error(&self) -> Error {
        self.error
    }

    /// Its number.
    pub const fn code(&self) -> i32 {
        self.error.code()
    }

    /// The packet, or the silence, that decided it; `None` when nothing on the wire did.
    pub const fn cause(&self) -> Option<Cause> {
        self.cause
    }

    /// What `std::net` would call it.
    pub const fn kind(&self) -> ErrorKind {
        match self.error {
            Error::WSAEINTR => ErrorKind::Interrupted,
            Error::WSAEWOULDBLOCK => ErrorKind::WouldBlock,
            Error::WSAEACCES => ErrorKind::PermissionDenied,
            Error::WSAEFAULT
            | Error::WSAEINVAL
            | Error::WSAEMSGSIZE
            | Error::WSAENOPROTOOPT
            | Error::WSAEDESTADDRREQ => ErrorKind::InvalidInput,
            Error::WSAEOPNOTSUPP
            | Error::WSAEAFNOSUPPORT
            | Error::WSAEPFNOSUPPORT
            | Error::WSAEPROTONOSUPPORT
            | Error::WSAESOCKTNOSUPPORT => ErrorKind::Unsupported,
            Error::WSAEADDRINUSE => ErrorKind::AddrInUse,
            Error::WSAEADDRNOTAVAIL => ErrorKind::AddrNotAvailable,
            Error::WSAENETDOWN => ErrorKind::NetworkDown,
            Error::WSAENETUNREACH => ErrorKind::NetworkUnreachable,
            Error::WSAEHOSTUNREACH => ErrorKind::HostUnreachable,
            Error::WSAECONNABORTED => ErrorKind::ConnectionAborted,
            Error::WSAECONNRESET | Error::WSAENETRESET => ErrorKind::ConnectionReset,
            Error::WSAECONNREFUSED => ErrorKind::ConnectionRefused,
            Error::WSAENOTCONN => ErrorKind::NotConnected,
            // As where a write to a closed direction is EPIPE.
            Error::WSAESHUTDOWN => ErrorKind::BrokenPipe,
            Error::WSAETIMEDOUT => ErrorKind::TimedOut,
            Error::WSAENOBUFS => ErrorKind::OutOfMemory,
            _ => ErrorKind::Other,
        }
    }
}

impl fmt::Display for NetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cause {
            Some(cause) => write!(f, "{}; {cause}", self.error),
            None => self.error.fmt(f),
        }
    }
}

impl std::error::Error for NetError {}

impl From<NetError> for io::Error {
    fn from(error: NetError) -> Self {
        Self::new(error.kind(), error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_those_that_programs_look_for() {
        let rows = [
            (10004, ErrorKind::Interrupted),
            (10013, ErrorKind::PermissionDenied),
            (10014, ErrorKind::InvalidInput),
            (10022, ErrorKind::InvalidInput),
            (10035, ErrorKind::WouldBlock),
            (10040, ErrorKind::InvalidInput),
            (10045, ErrorKind::Unsupported),
            (10047, ErrorKind::Unsupported),
            (10048, ErrorKind::AddrInUse),
            (10049, ErrorKind::AddrNotAvailable),
            (10050, ErrorKind::NetworkDown),
            (10051, ErrorKind::NetworkUnreachable),
            (10052, ErrorKind::ConnectionReset),
            (10053, ErrorKind::ConnectionAborted),
            (10054, ErrorKind::ConnectionReset),
            (10055, ErrorKind::OutOfMemory),
            (10057, ErrorKind::NotConnected),
            (10058, ErrorKind::BrokenPipe),
            (10060, ErrorKind::TimedOut),
            (10061, ErrorKind::ConnectionRefused),
            (10065, ErrorKind::HostUnreachable),
            (10038, ErrorKind::Other),
            (10093, ErrorKind::Other),
        ];
        for (code, kind) in rows {
            let error = NetError::new(Error::from_code(code).unwrap(), None);
            let error = io::Error::from(error);
            assert_eq!(error.kind(), kind, "{code}");
            assert_eq!(NetError::of(&error).map(NetError::code), Some(code));
        }
        assert_eq!(NetError::of(&ErrorKind::TimedOut.into()), None);
    }
}
