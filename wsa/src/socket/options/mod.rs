//! getsockopt and setsockopt: the calls, and which level knows an option.

mod group;
mod ip;
mod mtu;
mod socket;
mod tcp;
mod udp;
mod values;

pub(crate) use ip::Told;
pub(crate) use values::Options;
pub(super) use values::{Given, InitialRto, Probing};

use tapsock_stack::link::Link;
use tapsock_stack::storage::Storage;

use super::{Socket, State};
use crate::address::Family;
use crate::constants::*;
use crate::engine::{Access, Engine};
use crate::error::{Error, Result};
use crate::memory::{Memory, MemoryMut};
use crate::process::{Process, SocketHandle};
use crate::readiness::Bits;
use values::Wanted;

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
        let thread = self.thread();
        self.call(|access| {
            let value = Wanted::new(value, optlen);
            if (level, option) == (SOL_SOCKET, SO_OPENTYPE) {
                return Ok(value.number(access.core.open_type(thread))?);
            }
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
    /// Any SO_RCVBUF and SO_SNDBUF is taken and given back. A receive buffer has between 536 bytes
    /// and 16 MiB: of a datagram socket from now on, of a stream with its next attempt to connect,
    /// of a listener for whoever connects from now on. A stream that is connected keeps the one it
    /// has, and where there is no heap all streams have the buffers of their pool. SO_SNDBUF
    /// bounds what a stream has queued when the next send is taken, at once.
    ///
    /// SO_OPENTYPE needs no socket.
    ///
    /// # Errors
    /// WSAENOTSOCK; WSAEINVAL for a level that is not of the socket, for a value out of range, for
    /// SO_REUSEADDR together with SO_EXCLUSIVEADDRUSE, for what must be set before bind, and for
    /// the low-water marks; WSAENOPROTOOPT for an option that is unknown, read-only, or of another
    /// type of socket, and for switching on what this stack does not have; WSAEFAULT for too short
    /// a value.
    pub fn setsockopt(
        &self,
        s: SocketHandle,
        level: i32,
        option: i32,
        value: Memory<'_>,
        optlen: i32,
    ) -> Result<()> {
        let thread = self.thread();
        self.call(|access| {
            if (level, option) == (SOL_SOCKET, SO_OPENTYPE) {
                let open_type = Given::new(value, optlen)?.number()?;
                access.core.thread_mut(thread).ok_or(Error::WSAENOBUFS)?.open_type = open_type;
                return Ok(());
            }
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
        IPPROTO_IPV6 => socket.family != Family::V4,
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
            IPPROTO_UDP => self.udp_option(s, option, value),
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
            IPPROTO_UDP => self.set_udp_option(s, option, value)?,
            IPPROTO_IP => self.set_ip_option(s, option, value)?,
            IPPROTO_IPV6 => self.set_ipv6_option(s, option, value)?,
            _ => return Err(Error::WSAENOPROTOOPT),
        }
        self.apply_options(s)?;
        // A larger send buffer has room for those who wait for it, on whatever thread.
        self.touch(s);
        self.record(s, Bits::NONE);
        Ok(())
    }

    /// Gives what was set to the stack, where the socket stands for something there.
    pub(crate) fn apply_options(&mut self, s: SocketHandle) -> Result<()> {
        let socket = self.core.socket(s)?;
        let options = &socket.options;
        match socket.state {
            State::Connected(id) => self.stack.tcp_set(self.now, id, &options.for_connection()),
            State::Listening(id) => self.stack.listener_set(id, &options.for_listener()),
            State::Datagram(id) => {
                self.stack.udp_set(id, &options.for_datagrams());
                self.stack.udp_set_receive_bytes(id, options.receive_room());
            }
            State::Idle | State::Connecting(..) => {}
        }
        Ok(())
    }
}
