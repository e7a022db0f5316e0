//! ioctlsocket and WSAIoctl.

use tapsock_stack::link::Link;
use tapsock_stack::storage::Storage;

use super::options::InitialRto;
use super::{Socket, State};
use crate::constants::{
    FIONBIO, FIONREAD, SIO_TCP_INITIAL_RTO, SIO_UDP_CONNRESET, SIO_UDP_NETRESET, SIOCATMARK,
    TCP_INITIAL_RTO_DEFAULT_MAX_SYN_RETRANSMISSIONS, TCP_INITIAL_RTO_DEFAULT_RTT,
    TCP_INITIAL_RTO_NO_SYN_RETRANSMISSIONS, TCP_INITIAL_RTO_UNSPECIFIED_MAX_SYN_RETRANSMISSIONS,
    TCP_INITIAL_RTO_UNSPECIFIED_RTT,
};
use crate::engine::{Access, Engine};
use crate::error::{Error, Result};
use crate::memory::{Arg, Memory, MemoryMut};
use crate::process::{Process, SocketHandle};

impl<'a, E: Engine<'a>> Process<'a, E> {
    /// ioctlsocket: FIONBIO, FIONREAD or SIOCATMARK with its 32-bit argument.
    ///
    /// # Errors
    /// WSAENOTSOCK; WSAEFAULT for a bad pointer; WSAEINVAL for another command.
    pub fn ioctlsocket(
        &self,
        s: SocketHandle,
        command: u32,
        argument: Arg<&mut u32>,
    ) -> Result<()> {
        self.call(|access| {
            access.core.socket(s)?;
            let Arg::Value(argument) = argument else { return Err(Error::WSAEFAULT.into()) };
            match command {
                FIONBIO => access.set_nonblocking(s, *argument != 0)?,
                FIONREAD => *argument = access.readable_bytes(s)?,
                SIOCATMARK => *argument = access.at_mark(s)?,
                _ => return Err(Error::WSAEINVAL.into()),
            }
            Ok(())
        })
    }

    /// FIONBIO as a plain call.
    ///
    /// # Errors
    /// WSAENOTSOCK.
    pub fn set_nonblocking(&self, s: SocketHandle, nonblocking: bool) -> Result<()> {
        self.call(|access| Ok(access.set_nonblocking(s, nonblocking)?))
    }

    /// WSAIoctl without an overlapped structure: input of `in_len` bytes, room for `out_len`
    /// bytes of output, whose number goes into `returned`.
    ///
    /// # Errors
    /// WSAENOTSOCK; WSAEFAULT without `returned`, and for a short or unreadable argument;
    /// WSAEINVAL for a bad argument; WSAEOPNOTSUPP for an unknown code.
    #[allow(clippy::too_many_arguments)]
    pub fn wsa_ioctl(
        &self,
        s: SocketHandle,
        code: u32,
        input: Memory<'_>,
        in_len: u32,
        mut output: MemoryMut<'_>,
        out_len: u32,
        returned: Option<&mut u32>,
    ) -> Result<()> {
        self.call(|access| {
            access.core.socket(s)?;
            let returned = returned.ok_or(Error::WSAEFAULT)?;
            let number = || -> Result<[u8; 4]> {
                let bytes = if in_len < 4 { None } else { input.read(4) };
                bytes.and_then(|bytes| bytes.try_into().ok()).ok_or(Error::WSAEFAULT)
            };
            let mut put = |value: u32, returned: &mut u32| -> Result<()> {
                let room = if out_len < 4 { None } else { output.write(4) };
                room.ok_or(Error::WSAEFAULT)?.copy_from_slice(&value.to_ne_bytes());
                *returned = 4;
                Ok(())
            };
            match code {
                FIONREAD => put(access.readable_bytes(s)?, returned)?,
                SIOCATMARK => put(access.at_mark(s)?, returned)?,
                FIONBIO => {
                    access.set_nonblocking(s, u32::from_ne_bytes(number()?) != 0)?;
                    *returned = 0;
                }
                SIO_UDP_CONNRESET | SIO_UDP_NETRESET => {
                    let on = u32::from_ne_bytes(number()?) != 0;
                    let socket = access.core.socket_mut(s)?;
                    if socket.is_stream() {
                        return Err(Error::WSAEOPNOTSUPP.into());
                    }
                    let options = &mut socket.options;
                    match code {
                        SIO_UDP_CONNRESET => options.udp_conn_reset = on,
                        _ => options.udp_net_reset = on,
                    }
                    *returned = 0;
                }
                SIO_TCP_INITIAL_RTO => {
                    let parameters = number()?;
                    if out_len != 0 {
                        return Err(Error::WSAEINVAL.into());
                    }
                    access.settle(s);
                    let socket = access.core.socket_mut(s)?;
                    set_initial_rto(socket, parameters)?;
                    *returned = 0;
                }
                _ => return Err(Error::WSAEOPNOTSUPP.into()),
            }
            Ok(())
        })
    }
}

/// TCP_INITIAL_RTO_PARAMETERS: a third of the first step in milliseconds as 16 bits, the number
/// of repetitions as 8 bits, a byte of padding.
fn set_initial_rto(socket: &mut Socket, parameters: [u8; 4]) -> Result<()> {
    if !socket.is_stream() {
        return Err(Error::WSAEOPNOTSUPP);
    }
    if socket.state != State::Idle {
        return Err(Error::WSAEINVAL);
    }
    let [low, high, retries, _] = parameters;
    let rtt = match u16::from_ne_bytes([low, high]) {
        TCP_INITIAL_RTO_DEFAULT_RTT | TCP_INITIAL_RTO_UNSPECIFIED_RTT => None,
        rtt => Some(rtt),
    };
    let retries = match retries {
        TCP_INITIAL_RTO_DEFAULT_MAX_SYN_RETRANSMISSIONS
        | TCP_INITIAL_RTO_UNSPECIFIED_MAX_SYN_RETRANSMISSIONS => None,
        TCP_INITIAL_RTO_NO_SYN_RETRANSMISSIONS => Some(0),
        retries => Some(retries),
    };
    socket.options.initial_rto = InitialRto { rtt, retries };
    Ok(())
}

impl<'a, L: Link, S: Storage<'a>> Access<'_, 'a, L, S> {
    fn set_nonblocking(&mut self, s: SocketHandle, nonblocking: bool) -> Result<()> {
        self.core.socket_mut(s)?.nonblocking = nonblocking;
        Ok(())
    }

    /// All bytes of a stream, the next datagram's of a datagram socket.
    fn readable_bytes(&mut self, s: SocketHandle) -> Result<u32> {
        self.settle(s);
        let bytes = match self.core.socket(s)?.state {
            State::Connected(id) => self.stack.tcp(id).map(|status| status.receivable),
            State::Datagram(id) => self.stack.udp(id).and_then(|status| status.next_len),
            State::Idle | State::Connecting(..) | State::Listening(_) => None,
        };
        Ok(u32::try_from(bytes.unwrap_or(0)).unwrap_or(u32::MAX))
    }

    /// There is never out-of-band data left to read.
    fn at_mark(&self, s: SocketHandle) -> Result<u32> {
        if self.core.socket(s)?.is_stream() { Ok(1) } else { Err(Error::WSAEINVAL) }
    }
}
