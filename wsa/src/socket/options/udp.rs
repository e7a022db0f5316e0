//! Options of IPPROTO_UDP.

use tapsock_stack::link::Link;
use tapsock_stack::storage::Storage;

use super::values::{Given, Wanted};
use crate::address::Family;
use crate::constants::*;
use crate::engine::Access;
use crate::error::{Error, Result};
use crate::process::SocketHandle;

impl<'a, L: Link, S: Storage<'a>> Access<'_, 'a, L, S> {
    pub(super) fn udp_option(
        &mut self,
        s: SocketHandle,
        option: i32,
        value: Wanted<'_>,
    ) -> Result<()> {
        let socket = self.core.socket(s)?;
        match option {
            // IPv6 has no datagrams without a checksum (RFC 8200, section 8.1).
            _ if socket.family != Family::V4 => Err(Error::WSAENOPROTOOPT),
            UDP_NOCHECKSUM => value.flag(socket.options.unchecked),
            UDP_CHECKSUM_COVERAGE => value.flag(!socket.options.unchecked),
            _ => Err(Error::WSAENOPROTOOPT),
        }
    }

    pub(super) fn set_udp_option(
        &mut self,
        s: SocketHandle,
        option: i32,
        value: Given<'_>,
    ) -> Result<()> {
        let socket = self.core.socket_mut(s)?;
        match option {
            _ if socket.family != Family::V4 => return Err(Error::WSAENOPROTOOPT),
            UDP_NOCHECKSUM => socket.options.unchecked = value.flag()?,
            UDP_CHECKSUM_COVERAGE => socket.options.unchecked = !value.flag()?,
            _ => return Err(Error::WSAENOPROTOOPT),
        }
        Ok(())
    }
}
