//! socket and WSASocket.

use tapsock_stack::storage::Storage;

use super::{Kind, Socket};
use crate::address::Family;
use crate::constants::{
    AF_INET, AF_INET6, AF_UNSPEC, IPPROTO_TCP, IPPROTO_UDP, SOCK_DGRAM, SOCK_STREAM,
    WSA_FLAG_OVERLAPPED,
};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::process::{Core, Process, SocketHandle};

/// The type, then the family, then the protocol: what is left out is deduced.
fn resolve(af: i32, ty: i32, protocol: i32) -> Result<(Family, Kind)> {
    let wanted = match ty {
        0 => None,
        SOCK_STREAM => Some(Kind::Stream),
        SOCK_DGRAM => Some(Kind::Datagram),
        _ => return Err(Error::WSAESOCKTNOSUPPORT),
    };
    let family = match af {
        AF_INET => Family::V4,
        #[cfg(feature = "ipv6")]
        AF_INET6 => Family::V6,
        // The protocol alone may say what is meant.
        AF_UNSPEC if protocol == 0 => return Err(Error::WSAEINVAL),
        AF_UNSPEC => Family::V4,
        _ => return Err(Error::WSAEAFNOSUPPORT),
    };
    let kind = match (wanted, protocol) {
        (None | Some(Kind::Stream), 0 | IPPROTO_TCP) => Kind::Stream,
        (None | Some(Kind::Datagram), IPPROTO_UDP) | (Some(Kind::Datagram), 0) => Kind::Datagram,
        _ => return Err(Error::WSAEPROTONOSUPPORT),
    };
    Ok((family, kind))
}

impl<'a, E: Engine<'a>> Process<'a, E> {
    /// socket: a new socket, blocking, unbound. It supports overlapped operations unless
    /// SO_OPENTYPE says otherwise.
    ///
    /// # Errors
    /// WSANOTINITIALISED; WSAEINPROGRESS; WSAESOCKTNOSUPPORT, WSAEAFNOSUPPORT,
    /// WSAEPROTONOSUPPORT in this order; WSAEINVAL without family and protocol; WSAEMFILE when
    /// the table of sockets is full.
    pub fn socket(&self, af: i32, ty: i32, protocol: i32) -> Result<SocketHandle> {
        let thread = self.thread();
        self.call(|access| {
            let overlapped = access.core.open_type(thread) == 0;
            Ok(access.core.create(af, ty, protocol, overlapped)?)
        })
    }

    /// WSASocket without protocol information and groups. `flags` are the WSA_FLAG_ bits.
    ///
    /// # Errors
    /// As [`Process::socket`].
    pub fn wsa_socket(&self, af: i32, ty: i32, protocol: i32, flags: u32) -> Result<SocketHandle> {
        self.call(|access| {
            let overlapped = flags & WSA_FLAG_OVERLAPPED != 0;
            Ok(access.core.create(af, ty, protocol, overlapped)?)
        })
    }
}

impl<'a, S: Storage<'a>> Core<'a, S> {
    fn create(
        &mut self,
        af: i32,
        ty: i32,
        protocol: i32,
        overlapped: bool,
    ) -> Result<SocketHandle> {
        let (family, kind) = resolve(af, ty, protocol)?;
        let mut socket = Socket::new(family, kind);
        socket.options.overlapped = overlapped;
        self.sockets.insert(socket).ok_or(Error::WSAEMFILE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_is_judged_before_the_family_and_that_before_the_protocol() {
        for ((af, ty, protocol), code) in [
            ((0xDEAD, 0xDEAD, 6), 10044),
            ((0xDEAD, 1, 0xDEAD), 10047),
            ((2, 1, 0xDEAD), 10043),
            ((2, 1, 17), 10043),
            ((2, 2, 6), 10043),
            ((0, 0, 0), 10022),
            ((0, 1, 0), 10022),
        ] {
            let error = resolve(af, ty, protocol).unwrap_err();
            assert_eq!(error.code(), code, "({af}, {ty}, {protocol})");
        }
    }

    #[test]
    fn what_is_left_out_is_deduced() {
        for ((af, ty, protocol), expected) in [
            ((0, 1, 6), (Family::V4, Kind::Stream)),
            ((0, 0, 17), (Family::V4, Kind::Datagram)),
            ((2, 0, 0), (Family::V4, Kind::Stream)),
            ((23, 2, 0), (Family::V6, Kind::Datagram)),
            ((23, 1, 6), (Family::V6, Kind::Stream)),
        ] {
            assert_eq!(resolve(af, ty, protocol).unwrap(), expected);
        }
    }
}
