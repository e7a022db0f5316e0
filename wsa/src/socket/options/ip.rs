//! Options of IPPROTO_IP and IPPROTO_IPV6.

use tapsock_stack::link::Link;
use tapsock_stack::storage::Storage;

use super::mtu;
use super::values::{Given, Wanted};
use crate::constants::*;
use crate::engine::Access;
use crate::error::{Error, Result};
use crate::process::SocketHandle;

impl<'a, L: Link, S: Storage<'a>> Access<'_, 'a, L, S> {
    pub(super) fn ip_option(
        &mut self,
        s: SocketHandle,
        option: i32,
        value: Wanted<'_>,
    ) -> Result<()> {
        let options = &self.core.socket(s)?.options;
        match option {
            IP_TTL => value.number(u32::from(options.hop_limit_or_default())),
            IP_DONTFRAGMENT => self.dont_fragment(s, value),
            IP_MTU_DISCOVER => self.mtu_discovery(s, value),
            IP_MTU => self.peer_mtu(s, value),
            _ => Err(Error::WSAENOPROTOOPT),
        }
    }

    pub(super) fn set_ip_option(
        &mut self,
        s: SocketHandle,
        option: i32,
        value: Given<'_>,
    ) -> Result<()> {
        let socket = self.core.socket_mut(s)?;
        match option {
            IP_TTL => socket.options.hop_limit = hop_limit(value)?,
            IP_DONTFRAGMENT => mtu::set_dont_fragment(socket, value)?,
            IP_MTU_DISCOVER => mtu::set_discovery(socket, value)?,
            _ => return Err(Error::WSAENOPROTOOPT),
        }
        Ok(())
    }

    pub(super) fn ipv6_option(
        &mut self,
        s: SocketHandle,
        option: i32,
        value: Wanted<'_>,
    ) -> Result<()> {
        let options = &self.core.socket(s)?.options;
        match option {
            IPV6_UNICAST_HOPS => value.number(u32::from(options.hop_limit_or_default())),
            IPV6_V6ONLY => value.flag(options.v6_only),
            IPV6_DONTFRAG => self.dont_fragment(s, value),
            IPV6_MTU_DISCOVER => self.mtu_discovery(s, value),
            IPV6_MTU => self.peer_mtu(s, value),
            _ => Err(Error::WSAENOPROTOOPT),
        }
    }

    pub(super) fn set_ipv6_option(
        &mut self,
        s: SocketHandle,
        option: i32,
        value: Given<'_>,
    ) -> Result<()> {
        let socket = self.core.socket_mut(s)?;
        match option {
            IPV6_UNICAST_HOPS => socket.options.hop_limit = hop_limit(value)?,
            IPV6_V6ONLY => {
                let on = value.flag()?;
                if socket.bound.is_some() {
                    return Err(Error::WSAEINVAL);
                }
                socket.options.v6_only = on;
            }
            IPV6_DONTFRAG => mtu::set_dont_fragment(socket, value)?,
            IPV6_MTU_DISCOVER => mtu::set_discovery(socket, value)?,
            _ => return Err(Error::WSAENOPROTOOPT),
        }
        Ok(())
    }
}

/// 1 to 255, or 0 for the default.
fn hop_limit(value: Given<'_>) -> Result<Option<u8>> {
    let limit = u8::try_from(value.number()?).map_err(|_| Error::WSAEINVAL)?;
    Ok((limit != 0).then_some(limit))
}
