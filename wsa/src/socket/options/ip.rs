//! Options of IPPROTO_IP and IPPROTO_IPV6.

use tapsock_stack::link::Link;
use tapsock_stack::storage::Storage;

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
            _ => Err(Error::WSAENOPROTOOPT),
        }
    }

    pub(super) fn set_ip_option(
        &mut self,
        s: SocketHandle,
        option: i32,
        value: Given<'_>,
    ) -> Result<()> {
        let options = &mut self.core.socket_mut(s)?.options;
        match option {
            IP_TTL => options.hop_limit = hop_limit(value)?,
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
        let is_bound = socket.bound.is_some();
        let options = &mut socket.options;
        match option {
            IPV6_UNICAST_HOPS => options.hop_limit = hop_limit(value)?,
            IPV6_V6ONLY => {
                let on = value.flag()?;
                if is_bound {
                    return Err(Error::WSAEINVAL);
                }
                options.v6_only = on;
            }
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
