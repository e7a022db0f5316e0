//! What sockets need of a process, whatever its engine.

use std::net::SocketAddr;
use std::time::Duration;

use tapsock_stack::event::Cause;

use crate::address::SockAddr;
use crate::constants::SOCKADDR_IN6_LEN;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::memory::{Arg, Memory, MemoryMut, WsaBuf, WsaBufMut};
use crate::process::{Process, SocketHandle};
use crate::readiness::FdSet;

/// The version that is asked for.
const VERSION: u16 = 0x0202;

/// Writes into the room of a stream, and says how much.
pub(super) type Writing<'w> = &'w mut dyn FnMut(&mut [u8]) -> usize;
/// Looks at the bytes of a stream, and says how many it has taken.
pub(super) type Reading<'r> = &'r mut dyn FnMut(&[u8]) -> usize;

/// The calls of a process that may be shared, as one type for all engines.
pub(super) trait Sockets: Send + Sync {
    fn startup(&self) -> Result<()>;
    fn cleanup(&self) -> Result<()>;
    fn open(&self, family: i32, kind: i32) -> Result<SocketHandle>;
    fn close(&self, s: SocketHandle) -> Result<()>;
    fn bind(&self, s: SocketHandle, address: SocketAddr) -> Result<()>;
    fn connect(&self, s: SocketHandle, address: SocketAddr) -> Result<()>;
    /// Whether an attempt under way has ended within this time.
    fn await_connect(&self, s: SocketHandle, timeout: Duration) -> Result<bool>;
    fn listen(&self, s: SocketHandle, backlog: i32) -> Result<()>;
    fn accept(&self, s: SocketHandle) -> Result<(SocketHandle, SocketAddr)>;
    fn local_name(&self, s: SocketHandle) -> Result<SocketAddr>;
    fn peer_name(&self, s: SocketHandle) -> Result<SocketAddr>;
    fn shutdown(&self, s: SocketHandle, how: i32) -> Result<()>;
    fn set_nonblocking(&self, s: SocketHandle, nonblocking: bool) -> Result<()>;
    fn option(&self, s: SocketHandle, level: i32, option: i32) -> Result<u32>;
    fn set_option(&self, s: SocketHandle, level: i32, option: i32, value: &[u8]) -> Result<()>;
    fn send(&self, s: SocketHandle, pieces: &[WsaBuf<'_>]) -> Result<usize>;
    fn send_to(&self, s: SocketHandle, data: &[u8], address: SocketAddr) -> Result<usize>;
    fn receive(&self, s: SocketHandle, pieces: &mut [WsaBufMut<'_>], flags: i32) -> Result<usize>;
    fn receive_from(
        &self,
        s: SocketHandle,
        buffer: &mut [u8],
        flags: i32,
    ) -> Result<(usize, SocketAddr)>;
    fn send_with(&self, s: SocketHandle, write: Writing<'_>) -> Result<usize>;
    fn receive_with(&self, s: SocketHandle, read: Reading<'_>) -> Result<usize>;
    /// The evidence of the thread's last failure.
    fn last_cause(&self) -> Option<Cause>;
    /// The evidence of the socket's last failure.
    fn cause(&self, s: SocketHandle) -> Option<Cause>;
    fn is_simulated(&self) -> bool;
}

impl<E: Engine<'static> + Send + Sync> Sockets for Process<'static, E> {
    fn startup(&self) -> Result<()> {
        match Error::from_code(self.wsa_startup(VERSION).0) {
            None => Ok(()),
            Some(error) => Err(error),
        }
    }

    fn cleanup(&self) -> Result<()> {
        self.wsa_cleanup()
    }

    fn open(&self, family: i32, kind: i32) -> Result<SocketHandle> {
        self.socket(family, kind, 0)
    }

    fn close(&self, s: SocketHandle) -> Result<()> {
        self.closesocket(s)
    }

    fn bind(&self, s: SocketHandle, address: SocketAddr) -> Result<()> {
        self.bind_to(s, address)
    }

    fn connect(&self, s: SocketHandle, address: SocketAddr) -> Result<()> {
        self.connect_to(s, address)
    }

    fn await_connect(&self, s: SocketHandle, timeout: Duration) -> Result<bool> {
        let (mut writable, mut failed) = ([s], [s]);
        let (mut write, mut except) = (FdSet::of(&mut writable), FdSet::of(&mut failed));
        let ready = self.select(None, Some(&mut write), Some(&mut except), Some(timeout.into()))?;
        Ok(ready > 0)
    }

    fn listen(&self, s: SocketHandle, backlog: i32) -> Result<()> {
        self.listen(s, backlog)
    }

    fn accept(&self, s: SocketHandle) -> Result<(SocketHandle, SocketAddr)> {
        let mut name = [0; SOCKADDR_IN6_LEN];
        let mut len = SOCKADDR_IN6_LEN as i32;
        let accepted = self.accept(s, MemoryMut::Bytes(&mut name), Some(&mut len))?;
        Ok((accepted, written(&name)?))
    }

    fn local_name(&self, s: SocketHandle) -> Result<SocketAddr> {
        self.local_name(s).map(Into::into)
    }

    fn peer_name(&self, s: SocketHandle) -> Result<SocketAddr> {
        self.peer_name(s).map(Into::into)
    }

    fn shutdown(&self, s: SocketHandle, how: i32) -> Result<()> {
        self.shutdown(s, how)
    }

    fn set_nonblocking(&self, s: SocketHandle, nonblocking: bool) -> Result<()> {
        self.set_nonblocking(s, nonblocking)
    }

    fn option(&self, s: SocketHandle, level: i32, option: i32) -> Result<u32> {
        self.option(s, level, option)
    }

    fn set_option(&self, s: SocketHandle, level: i32, option: i32, value: &[u8]) -> Result<()> {
        let len = i32::try_from(value.len()).unwrap_or(i32::MAX);
        self.setsockopt(s, level, option, Memory::Bytes(value), len)
    }

    fn send(&self, s: SocketHandle, pieces: &[WsaBuf<'_>]) -> Result<usize> {
        let mut sent = 0;
        self.wsa_send(s, Arg::Value(pieces), Some(&mut sent), 0)?;
        Ok(sent as usize)
    }

    fn send_to(&self, s: SocketHandle, data: &[u8], address: SocketAddr) -> Result<usize> {
        let name = SockAddr::from(address).encode();
        self.sendto(s, Memory::Bytes(data), 0, name.memory(), name.len())
    }

    fn receive(&self, s: SocketHandle, pieces: &mut [WsaBufMut<'_>], flags: i32) -> Result<usize> {
        let (mut received, mut flags) = (0, flags);
        self.wsa_recv(s, Arg::Value(pieces), Some(&mut received), Some(&mut flags))?;
        Ok(received as usize)
    }

    fn receive_from(
        &self,
        s: SocketHandle,
        buffer: &mut [u8],
        flags: i32,
    ) -> Result<(usize, SocketAddr)> {
        let mut name = [0; SOCKADDR_IN6_LEN];
        let mut len = SOCKADDR_IN6_LEN as i32;
        let room = MemoryMut::Bytes(&mut name);
        let received = self.recvfrom(s, MemoryMut::Bytes(buffer), flags, room, Some(&mut len))?;
        Ok((received, written(&name)?))
    }

    fn send_with(&self, s: SocketHandle, write: Writing<'_>) -> Result<usize> {
        self.send_with(s, write)
    }

    fn receive_with(&self, s: SocketHandle, read: Reading<'_>) -> Result<usize> {
        self.recv_with(s, read)
    }

    fn last_cause(&self) -> Option<Cause> {
        self.last_cause()
    }

    fn cause(&self, s: SocketHandle) -> Option<Cause> {
        self.cause(s)
    }

    fn is_simulated(&self) -> bool {
        self.engine().is_simulated()
    }
}

/// The name that a successful call wrote.
fn written(name: &[u8]) -> Result<SocketAddr> {
    SockAddr::decode(name).map(Into::into).ok_or(Error::WSAEFAULT)
}
