//! Options of SOL_SOCKET.

use tapsock_stack::link::Link;
use tapsock_stack::storage::Storage;

use super::values::{Given, Wanted};
use crate::address::Family;
use crate::constants::*;
use crate::engine::Access;
use crate::error::{Error, Result};
use crate::process::SocketHandle;
use crate::protocol::Protocol;
use crate::socket::{Socket, State};

/// Options that the transports of TCP/IP do not have: WSAEINVAL, where others that do not exist
/// are WSAENOPROTOOPT.
fn is_foreign(option: i32) -> bool {
    matches!(option, SO_SNDLOWAT | SO_RCVLOWAT | SO_USELOOPBACK)
}

/// Whether the type and family of the socket have the option.
fn fits(option: i32, socket: &Socket) -> bool {
    match option {
        SO_ACCEPTCONN
        | SO_KEEPALIVE
        | SO_LINGER
        | SO_DONTLINGER
        | SO_OOBINLINE
        | SO_CONDITIONAL_ACCEPT => socket.is_stream(),
        SO_BROADCAST | SO_MAX_MSG_SIZE => !socket.is_stream(),
        SO_DONTROUTE => socket.family == Family::V4,
        _ => true,
    }
}

fn protocol(socket: &Socket) -> Protocol {
    Protocol { family: socket.family, kind: socket.kind }
}

impl<'a, L: Link, S: Storage<'a>> Access<'_, 'a, L, S> {
    pub(super) fn socket_option(
        &mut self,
        s: SocketHandle,
        option: i32,
        value: Wanted<'_>,
    ) -> Result<()> {
        let socket = self.core.socket(s)?;
        let options = &socket.options;
        match option {
            _ if is_foreign(option) => Err(Error::WSAEINVAL),
            _ if !fits(option, socket) => Err(Error::WSAENOPROTOOPT),
            SO_DEBUG => value.flag(options.debug),
            SO_ACCEPTCONN => value.flag(matches!(socket.state, State::Listening(_))),
            SO_REUSEADDR => value.flag(options.reuse),
            SO_EXCLUSIVEADDRUSE => value.flag(options.exclusive),
            SO_KEEPALIVE => value.flag(options.keep_alive),
            SO_DONTROUTE => value.flag(options.dont_route),
            SO_BROADCAST => value.flag(options.broadcast),
            SO_OOBINLINE => value.flag(options.oob_inline),
            SO_CONDITIONAL_ACCEPT => value.flag(options.conditional_accept),
            SO_LINGER => {
                let [on, off] = u16::from(options.linger.is_some()).to_ne_bytes();
                let [low, high] = options.linger.unwrap_or(0).to_ne_bytes();
                value.bytes(&[on, off, low, high])
            }
            SO_DONTLINGER => value.flag(options.linger.is_none()),
            SO_SNDBUF => value.number(options.send_buffer),
            SO_RCVBUF => value.number(options.receive_buffer),
            SO_SNDTIMEO => value.number(options.send_timeout),
            SO_RCVTIMEO => value.number(options.receive_timeout),
            SO_ERROR => value.number(socket.failure.code.map_or(0, |error| error.code() as u32)),
            SO_TYPE => {
                value.number(if socket.is_stream() { SOCK_STREAM } else { SOCK_DGRAM } as u32)
            }
            SO_MAX_MSG_SIZE => value.number(protocol(socket).longest_message()),
            SO_PROTOCOL_INFOA => value.bytes(&protocol(socket).narrow()),
            SO_PROTOCOL_INFOW => value.bytes(&protocol(socket).wide()),
            SO_RANDOMIZE_PORT => value.flag(options.randomize_port),
            SO_PORT_SCALABILITY => value.flag(options.port_scalability),
            SO_CONNECT_TIME => value.number(match socket.connected_at {
                Some(since) if self.now >= since => (self.now - since).secs() as u32,
                Some(_) => 0,
                None => NOT_CONNECTED_TIME,
            }),
            _ => Err(Error::WSAENOPROTOOPT),
        }
    }

    pub(super) fn set_socket_option(
        &mut self,
        s: SocketHandle,
        option: i32,
        value: Given<'_>,
    ) -> Result<()> {
        let socket = self.core.socket_mut(s)?;
        let is_bound = socket.bound.is_some();
        if is_foreign(option) {
            return Err(Error::WSAEINVAL);
        }
        if !fits(option, socket) {
            return Err(Error::WSAENOPROTOOPT);
        }
        let options = &mut socket.options;
        match option {
            SO_DEBUG => options.debug = value.flag()?,
            SO_REUSEADDR => {
                let on = value.flag()?;
                if on && options.exclusive {
                    return Err(Error::WSAEINVAL);
                }
                options.reuse = on;
            }
            SO_EXCLUSIVEADDRUSE => {
                let on = value.flag()?;
                if is_bound || (on && options.reuse) {
                    return Err(Error::WSAEINVAL);
                }
                options.exclusive = on;
            }
            SO_RANDOMIZE_PORT | SO_PORT_SCALABILITY if is_bound => {
                value.flag()?;
                return Err(Error::WSAEINVAL);
            }
            SO_RANDOMIZE_PORT => options.randomize_port = value.flag()?,
            SO_PORT_SCALABILITY => options.port_scalability = value.flag()?,
            SO_KEEPALIVE => options.keep_alive = value.flag()?,
            SO_DONTROUTE => options.dont_route = value.flag()?,
            SO_BROADCAST => options.broadcast = value.flag()?,
            SO_OOBINLINE => options.oob_inline = value.flag()?,
            SO_CONDITIONAL_ACCEPT => options.conditional_accept = value.flag()?,
            SO_LINGER => {
                let [on, off, low, high] = value.bytes()?;
                let on = u16::from_ne_bytes([on, off]) != 0;
                options.linger = on.then(|| u16::from_ne_bytes([low, high]));
            }
            SO_DONTLINGER => options.linger = if value.flag()? { None } else { Some(0) },
            SO_SNDBUF => options.send_buffer = value.number()?,
            SO_RCVBUF => {
                options.receive_buffer = value.number()?;
                options.receive_buffer_given = true;
            }
            SO_SNDTIMEO => options.send_timeout = value.number()?,
            SO_RCVTIMEO => options.receive_timeout = value.number()?,
            _ => return Err(Error::WSAENOPROTOOPT),
        }
        Ok(())
    }
}
