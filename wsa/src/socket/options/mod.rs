//! getsockopt and setsockopt: the calls, and which level knows an option.

mod ip;
mod socket;
mod tcp;
mod values;

pub(crate) use values::{InitialRto, Options};

use tapsock_stack::link::Link;
use tapsock_stack::storage::Storage;

use super::{Socket, State};
use crate::address::Family;
use crate::constants::*;
use crate::engine::{Access, Engine};
use crate::error::{Error, Result};
use crate::memory::{Memory, MemoryMut};
use crate::process::{Process, SocketHandle};
use values::{Given, Wanted};

impl<'a, E: Engine<'a>> Process<'a, E> {
    /// getsockopt: writes the option into `value`, which has `optlen` bytes, and its length into
    /// `optlen`.
    ///
    /// # Errors
    /// WSAENOTSOCK; WSAEINVAL for a level that is not of the socket; WSAENOPROTOOPT for an
    /// unknown option; WSAEFAULT for too little room.
    pub fn getsockopt(
        &self,
        s: SocketHandle,
        level: i32,
        option: i32,
        value: MemoryMut<'_>,
        optlen: Option<&mut i32>,
    ) -> Result<()> {
        self.call(|access| {
            let value = Wanted::new(value, optlen);
            Ok(access.option(s, level, option, value)?)
        })
    }

    /// getsockopt for an option that is one 32-bit number or a boolean.
    ///
    /// # Errors
    /// As [`Process::getsockopt`].
    pub fn option(&self, s: SocketHandle, level: i32, option: i32) -> Result<u32> {
        let mut value = [0; 4];
        let mut len = 4;
        self.getsockopt(s, level, option, MemoryMut::Bytes(&mut value), Some(&mut len))?;
        Ok(u32::from_ne_bytes(value))
    }

    /// setsockopt: sets the option to the `optlen` bytes of `value`. Booleans may be one byte.
    ///
    /// SO_RCVBUF takes effect with the next connection attempt or bind, and between 536 bytes and
    /// 16 MiB.
    ///
    /// # Errors
    /// WSAENOTSOCK; WSAEINVAL for a level that is not of the socket, for SO_REUSEADDR together
    /// with SO_EXCLUSIVEADDRUSE, and for what must be set before bind; WSAENOPROTOOPT for an
    /// unknown or read-only option; WSAEFAULT for too short a value.
    pub fn setsockopt(
        &self,
        s: SocketHandle,
        level: i32,
        option: i32,
        value: Memory<'_>,
        optlen: i32,
    ) -> Result<()> {
        self.call(|access| {
            access.core.socket(s)?;
            let value = Given::new(value, optlen)?;
            Ok(access.set_option(s, level, option, value)?)
        })
    }

    /// setsockopt for an option that is one 32-bit number or a boolean.
    ///
    /// # Errors
    /// As [`Process::setsockopt`].
    pub fn set_option(&self, s: SocketHandle, level: i32, option: i32, value: u32) -> Result<()> {
        self.setsockopt(s, level, option, Memory::Bytes(&value.to_ne_bytes()), 4)
    }
}

fn check_level(socket: &Socket, level: i32) -> Result<()> {
    let known = match level {
        SOL_SOCKET => true,
        IPPROTO_TCP => socket.is_stream(),
        IPPROTO_UDP => !socket.is_stream(),
        IPPROTO_IP => socket.family == Family::V4 || socket.is_dual(),
        IPPROTO_IPV6 => socket.family == Family::V6,
        _ => false,
    };
    if known { Ok(()) } else { Err(Error::WSAEINVAL) }
}

impl<'a, L: Link, S: Storage<'a>> Access<'_, 'a, L, S> {
    fn option(
        &mut self,
        s: SocketHandle,
        level: i32,
        option: i32,
        value: Wanted<'_>,
    ) -> Result<()> {
        self.core.socket(s)?;
        self.settle(s);
        check_level(self.core.socket(s)?, level)?;
        match level {
            SOL_SOCKET => self.socket_option(s, option, value),
            IPPROTO_TCP => self.tcp_option(s, option, value),
            IPPROTO_IP => self.ip_option(s, option, value),
            IPPROTO_IPV6 => self.ipv6_option(s, option, value),
            _ => Err(Error::WSAENOPROTOOPT),
        }
    }

    fn set_option(
        &mut self,
        s: SocketHandle,
        level: i32,
        option: i32,
        value: Given<'_>,
    ) -> Result<()> {
        self.settle(s);
        check_level(self.core.socket(s)?, level)?;
        match level {
            SOL_SOCKET => self.set_socket_option(s, option, value)?,
            IPPROTO_TCP => self.set_tcp_option(s, option, value)?,
            IPPROTO_IP => self.set_ip_option(s, option, value)?,
            IPPROTO_IPV6 => self.set_ipv6_option(s, option, value)?,
            _ => return Err(Error::WSAENOPROTOOPT),
        }
        self.apply_options(s)
    }

    /// Gives what was set to the stack, where the socket stands for something there.
    fn apply_options(&mut self, s: SocketHandle) -> Result<()> {
        let socket = self.core.socket(s)?;
        let options = &socket.options;
        match socket.state {
            State::Connected(id) => self.stack.tcp_set(self.now, id, &options.for_connection()),
            State::Datagram(id) => self.stack.udp_set(id, &options.for_datagrams()),
            State::Idle | State::Connecting(..) | State::Listening(_) => {}
        }
        Ok(())
    }
}
