//! ioctlsocket and WSAIoctl.

mod address;
mod tcp;

use tapsock_stack::link::Link;
use tapsock_stack::storage::Storage;

use super::State;
use super::options::Given;
use crate::constants::*;
use crate::engine::{Access, Engine};
use crate::error::{Error, Result};
use crate::memory::{Arg, Memory, MemoryMut};
use crate::process::{Fault, Process, SocketHandle};

impl<'a, E: Engine<'a>> Process<'a, E> {
    /// ioctlsocket: FIONBIO, FIONREAD or SIOCATMARK with its 32-bit argument.
    ///
    /// # Errors
    /// WSAENOTSOCK; WSAEFAULT for a bad pointer; WSAEINVAL for another command, and for blocking
    /// mode while WSAEventSelect or WSAAsyncSelect is in force.
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
    /// WSAENOTSOCK; WSAEINVAL for blocking mode while WSAEventSelect or WSAAsyncSelect is in force.
    pub fn set_nonblocking(&self, s: SocketHandle, nonblocking: bool) -> Result<()> {
        self.call(|access| Ok(access.set_nonblocking(s, nonblocking)?))
    }

    /// WSAIoctl without an overlapped structure: input of `in_len` bytes, room for `out_len`
    /// bytes of output, whose number goes into `returned`. Where the room is too small, `returned`
    /// is what would be enough.
    ///
    /// There are FIONREAD, FIONBIO, SIOCATMARK and SIO_BASE_HANDLE with its like for every socket;
    /// SIO_ROUTING_INTERFACE_QUERY and SIO_ADDRESS_LIST_QUERY, of which nobody is told when the
    /// answer changes; for streams SIO_KEEPALIVE_VALS, SIO_TCP_INITIAL_RTO, SIO_TCP_INFO,
    /// SIO_TCP_SET_ACK_FREQUENCY (1 or 2) and SIO_LOOPBACK_FAST_PATH (which changes nothing: the
    /// loopback is a queue); for datagram sockets SIO_UDP_CONNRESET, SIO_UDP_NETRESET and, over
    /// IPv4, SIO_GET_BROADCAST_ADDRESS.
    ///
    /// SIO_ADDRESS_LIST_QUERY gives a SOCKET_ADDRESS_LIST whose pointers count from the beginning
    /// of the output: whoever knows where that is in memory adds it.
    ///
    /// SIO_GET_EXTENSION_FUNCTION_POINTER is unknown here, as methods have no address for a program to
    /// call: the C library answers it.
    ///
    /// # Errors
    /// WSAENOTSOCK; WSAEFAULT without `returned`, and for a short or unreadable argument;
    /// WSAEINVAL for a bad argument; WSAEOPNOTSUPP for an unknown code and one of another type of
    /// socket; WSAENOPROTOOPT for SIO_ASSOCIATE_HANDLE, SIO_ENABLE_CIRCULAR_QUEUEING,
    /// SIO_FIND_ROUTE, SIO_FLUSH and SIO_TRANSLATE_HANDLE; WSAENETUNREACH, WSAEAFNOSUPPORT and
    /// WSAENETDOWN from SIO_ROUTING_INTERFACE_QUERY.
    #[allow(clippy::too_many_arguments)]
    pub fn wsa_ioctl(
        &self,
        s: SocketHandle,
        code: u32,
        input: Memory<'_>,
        in_len: u32,
        output: MemoryMut<'_>,
        out_len: u32,
        returned: Option<&mut u32>,
    ) -> Result<()> {
        self.call(|access| {
            access.core.socket(s)?;
            let returned = returned.ok_or(Error::WSAEFAULT)?;
            let input = Given::sized(input, in_len as usize);
            let output = Output { memory: output, len: out_len as usize, returned };
            access.ioctl(s, code, input, output)
        })
    }
}

/// Where the output of an ioctl goes.
#[derive(Debug)]
pub(super) struct Output<'m> {
    memory: MemoryMut<'m>,
    len: usize,
    returned: &'m mut u32,
}

impl Output<'_> {
    /// There is none.
    fn nothing(self) {
        *self.returned = 0;
    }

    /// Writes all of `bytes` and their number.
    fn bytes(mut self, bytes: &[u8]) -> Result<()> {
        let room = if self.len < bytes.len() { None } else { self.memory.write(bytes.len()) };
        *self.returned = bytes.len() as u32;
        room.ok_or(Error::WSAEFAULT)?.copy_from_slice(bytes);
        Ok(())
    }

    fn number(self, number: u32) -> Result<()> {
        self.bytes(&number.to_ne_bytes())
    }

    /// The code is not supported.
    fn refuse(self, error: Error) -> Result<(), Fault> {
        *self.returned = 0;
        Err(error.into())
    }
}

impl<'a, L: Link, S: Storage<'a>> Access<'_, 'a, L, S> {
    fn ioctl(
        &mut self,
        s: SocketHandle,
        code: u32,
        input: Given<'_>,
        output: Output<'_>,
    ) -> Result<(), Fault> {
        let is_stream = self.core.socket(s)?.is_stream();
        match code {
            FIONREAD => output.number(self.readable_bytes(s)?)?,
            SIOCATMARK => output.number(self.at_mark(s)?)?,
            FIONBIO => {
                self.set_nonblocking(s, input.number()? != 0)?;
                output.nothing();
            }
            SIO_UDP_CONNRESET | SIO_UDP_NETRESET if !is_stream => {
                let on = input.number()? != 0;
                let options = &mut self.core.socket_mut(s)?.options;
                match code {
                    SIO_UDP_CONNRESET => options.udp_conn_reset = on,
                    _ => options.udp_net_reset = on,
                }
                self.apply_options(s)?;
                output.nothing();
            }
            SIO_KEEPALIVE_VALS
            | SIO_TCP_INITIAL_RTO
            | SIO_TCP_INFO
            | SIO_LOOPBACK_FAST_PATH
            | SIO_TCP_SET_ACK_FREQUENCY
                if is_stream =>
            {
                self.tcp_ioctl(s, code, input, output)?;
            }
            SIO_GET_BROADCAST_ADDRESS => self.broadcast_address(s, output)?,
            SIO_ROUTING_INTERFACE_QUERY => self.routing_interface(s, input, output)?,
            SIO_ADDRESS_LIST_QUERY => self.address_list(s, output)?,
            SIO_BASE_HANDLE | SIO_BSP_HANDLE | SIO_BSP_HANDLE_SELECT | SIO_BSP_HANDLE_POLL => {
                output.bytes(&s.raw().to_ne_bytes())?;
            }
            // The documentation has a code of its own for these where TCP/IP lacks them.
            SIO_ASSOCIATE_HANDLE
            | SIO_ENABLE_CIRCULAR_QUEUEING
            | SIO_FIND_ROUTE
            | SIO_FLUSH
            | SIO_TRANSLATE_HANDLE => return output.refuse(Error::WSAENOPROTOOPT),
            _ => return output.refuse(Error::WSAEOPNOTSUPP),
        }
        Ok(())
    }

    fn set_nonblocking(&mut self, s: SocketHandle, nonblocking: bool) -> Result<()> {
        let socket = self.core.socket_mut(s)?;
        if !nonblocking && socket.record.is_selected() {
            return Err(Error::WSAEINVAL);
        }
        socket.nonblocking = nonblocking;
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
        let bytes = bytes.unwrap_or(0);
        if bytes == 0 {
            self.core.ask();
        }
        Ok(u32::try_from(bytes).unwrap_or(u32::MAX))
    }

    /// There is never out-of-band data left to read.
    fn at_mark(&self, s: SocketHandle) -> Result<u32> {
        if self.core.socket(s)?.is_stream() { Ok(1) } else { Err(Error::WSAEINVAL) }
    }
}
