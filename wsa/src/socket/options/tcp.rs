//! Options of IPPROTO_TCP.

use tapsock_stack::event::PacketSummary;
use tapsock_stack::link::Link;
use tapsock_stack::storage::Storage;

use super::values::{Given, MaxRt, Wanted};
use crate::address::{Family, SockAddr};
use crate::constants::*;
use crate::engine::Access;
use crate::error::{Error, Result};
use crate::process::SocketHandle;
use crate::socket::{Socket, State};

/// Size of ICMP_ERROR_INFO: a SOCKADDR_INET of 28 bytes, the protocol, type and code.
const ICMP_ERROR_INFO: usize = 36;

/// What this stack does not do: off, and not to be switched on.
const OFF: [i32; 5] =
    [TCP_EXPEDITED_1122, TCP_STDURG, TCP_TIMESTAMPS, TCP_DELAY_FIN_ACK, TCP_FASTOPEN];

impl<'a, L: Link, S: Storage<'a>> Access<'_, 'a, L, S> {
    pub(super) fn tcp_option(
        &mut self,
        s: SocketHandle,
        option: i32,
        value: Wanted<'_>,
    ) -> Result<()> {
        let socket = self.core.socket(s)?;
        let options = &socket.options;
        match option {
            TCP_NODELAY => value.flag(options.no_delay),
            TCP_KEEPALIVE => value.number(seconds(options.probing.idle)),
            TCP_KEEPINTVL => value.number(seconds(options.probing.interval)),
            TCP_KEEPCNT => value.number(u32::from(options.probing.count)),
            TCP_MAXSEG => value.number(self.segment_size(socket)),
            TCP_NOSYNRETRIES => value.flag(options.no_syn_retries),
            _ if OFF.contains(&option) => value.flag(false),
            TCP_MAXRT => value.number(match options.max_rt {
                MaxRt::Default => 0,
                MaxRt::Millis(millis) => millis.div_ceil(1000),
                MaxRt::Forever => u32::MAX,
            }),
            TCP_MAXRTMS => value.number(match options.max_rt {
                MaxRt::Default => 0,
                MaxRt::Millis(millis) => millis,
                MaxRt::Forever => u32::MAX,
            }),
            TCP_FAIL_CONNECT_ON_ICMP_ERROR => value.flag(options.fail_on_icmp),
            TCP_ICMP_ERROR_INFO => match icmp_error_info(socket) {
                Some(info) => value.bytes(&info),
                None => value.bytes(&[]),
            },
            _ => Err(Error::WSAENOPROTOOPT),
        }
    }

    /// TCP_MAXSEG: of the connection, or what the link allows one to have.
    fn segment_size(&self, socket: &Socket) -> u32 {
        let connection = match socket.state {
            State::Connected(id) => self.stack.tcp_info(id),
            _ => None,
        };
        let headers = match socket.family {
            Family::V4 => 40,
            #[cfg(feature = "ipv6")]
            Family::V6 => 60,
        };
        let most = self.stack.link().mtu().saturating_sub(headers) as u32;
        connection.map_or(most, |info| u32::from(info.mss))
    }

    pub(super) fn set_tcp_option(
        &mut self,
        s: SocketHandle,
        option: i32,
        value: Given<'_>,
    ) -> Result<()> {
        let options = &mut self.core.socket_mut(s)?.options;
        match option {
            // Any length, but only the low byte counts.
            TCP_NODELAY => {
                let [low] = value.bytes()?;
                options.no_delay = low != 0;
            }
            TCP_KEEPALIVE => options.probing.idle = millis(value)?,
            TCP_KEEPINTVL => options.probing.interval = millis(value)?,
            TCP_KEEPCNT => {
                options.probing.count = match u8::try_from(value.number()?) {
                    Ok(count @ 1..) => count,
                    _ => return Err(Error::WSAEINVAL),
                };
            }
            TCP_NOSYNRETRIES => options.no_syn_retries = value.flag()?,
            _ if OFF.contains(&option) && !value.flag()? => {}
            TCP_MAXRT => {
                options.max_rt = match value.number()? {
                    0 => MaxRt::Default,
                    u32::MAX => MaxRt::Forever,
                    seconds => MaxRt::Millis(seconds.saturating_mul(1000)),
                };
            }
            TCP_MAXRTMS => {
                options.max_rt = match value.number()? {
                    0 => MaxRt::Default,
                    u32::MAX => MaxRt::Forever,
                    millis => MaxRt::Millis(millis),
                };
            }
            TCP_FAIL_CONNECT_ON_ICMP_ERROR => options.fail_on_icmp = value.flag()?,
            _ => return Err(Error::WSAENOPROTOOPT),
        }
        Ok(())
    }
}

/// Seconds, rounded up so that nothing but 0 is 0.
fn seconds(millis: u64) -> u32 {
    u32::try_from(millis.div_ceil(1000)).unwrap_or(u32::MAX)
}

/// Seconds as milliseconds. Probes without any time between them would end every connection.
fn millis(value: Given<'_>) -> Result<u64> {
    match value.number()? {
        0 => Err(Error::WSAEINVAL),
        seconds => Ok(u64::from(seconds) * 1000),
    }
}

/// ICMP_ERROR_INFO about the last attempt.
fn icmp_error_info(socket: &Socket) -> Option<[u8; ICMP_ERROR_INFO]> {
    let PacketSummary::Icmp { source, kind, code, .. } = socket.failure.icmp?.summary else {
        return None;
    };
    let mut info = [0; ICMP_ERROR_INFO];
    let name = SockAddr::new(source, 0);
    let encoded = name.encode();
    info[..encoded.as_ref().len()].copy_from_slice(encoded.as_ref());
    let protocol: u32 = match name.family() {
        Family::V4 => 1,
        #[cfg(feature = "ipv6")]
        Family::V6 => 58,
    };
    info[28..32].copy_from_slice(&protocol.to_ne_bytes());
    info[32] = kind;
    info[33] = code;
    Some(info)
}
