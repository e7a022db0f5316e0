//! What streams, listeners and datagram sockets have in common.

use std::array;
use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::process::Sockets;
use super::{Net, NetError, zero_timeout};
use crate::constants::{
    AF_INET, AF_INET6, IP_TTL, IPPROTO_IP, IPPROTO_IPV6, IPV6_UNICAST_HOPS, SO_DONTLINGER,
    SO_ERROR, SO_LINGER, SO_RCVTIMEO, SO_SNDTIMEO, SOL_SOCKET,
};
use crate::error::{Error, Result};
use crate::memory::{WsaBuf, WsaBufMut};
use crate::process::SocketHandle;

/// The most buffers of one vectored read or write.
const PIECES: usize = 16;

/// The most bytes of one write, which Winsock takes whole and keeps until they are acknowledged:
/// a longer one would be a copy of all that the caller has. Also of one vectored read, whose
/// buffers together must not be longer than a DWORD counts.
const MOST_AT_ONCE: usize = 1 << 20;

/// A socket, which is closed when the last of its clones is dropped.
#[derive(Debug, Clone)]
pub(super) struct Socket(Arc<Owned>);

#[derive(Debug)]
struct Owned {
    net: Net,
    handle: SocketHandle,
}

impl Drop for Owned {
    fn drop(&mut self) {
        let process = &self.net.shared.process;
        if process.close(self.handle).is_err() {
            // It would have to linger, and is non-blocking: what was sent is delivered in the
            // background then. Any other reason, such as a handle that is closed already, stays.
            let on = 1_u32.to_ne_bytes();
            let _ = process.set_option(self.handle, SOL_SOCKET, SO_DONTLINGER, &on);
            let _ = process.close(self.handle);
        }
    }
}

impl Socket {
    /// A new socket for the family of `address`.
    pub(super) fn open(net: &Net, address: SocketAddr, kind: i32) -> io::Result<Self> {
        let family = if address.is_ipv4() { AF_INET } else { AF_INET6 };
        let opened = net.shared.process.open(family, kind);
        let handle = opened.map_err(|error| NetError::new(error, None))?;
        Ok(Self::adopt(net, handle))
    }

    /// What was made by calls of the process, and belongs to the socket from now on.
    pub(super) fn adopt(net: &Net, handle: SocketHandle) -> Self {
        Self(Arc::new(Owned { net: net.clone(), handle }))
    }

    pub(super) fn handle(&self) -> SocketHandle {
        self.0.handle
    }

    /// Makes a call.
    pub(super) fn run<T>(
        &self,
        call: impl FnOnce(&dyn Sockets, SocketHandle) -> Result<T>,
    ) -> io::Result<T> {
        let process = &*self.0.net.shared.process;
        call(process, self.0.handle).map_err(|error| {
            if error == Error::WSAEINTR && process.is_simulated() {
                // Whoever tries again after an interruption would do so for ever.
                return io::Error::new(ErrorKind::Deadlock, NetError::new(error, None));
            }
            NetError::new(error, process.last_cause()).into()
        })
    }

    pub(super) fn accept(&self) -> io::Result<(Self, SocketAddr)> {
        let (handle, peer) = self.run(|process, s| process.accept(s))?;
        let accepted = Self::adopt(&self.0.net, handle);
        accepted.set_nonblocking(false)?;
        Ok((accepted, peer))
    }

    pub(super) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.run(|process, s| process.local_name(s))
    }

    pub(super) fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.run(|process, s| process.peer_name(s))
    }

    pub(super) fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.run(|process, s| process.set_nonblocking(s, nonblocking))
    }

    // Transfers.

    pub(super) fn receive(&self, buffer: &mut [u8], flags: i32) -> io::Result<usize> {
        let received =
            self.run(|process, s| process.receive(s, &mut [WsaBufMut::new(buffer)], flags));
        shut_is_the_end(received)
    }

    pub(super) fn receive_vectored(&self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let mut rest = MOST_AT_ONCE;
        let mut rooms = buffers.iter_mut();
        let mut pieces: [_; PIECES] = array::from_fn(|_| {
            let room = rooms.next().map_or(&mut [][..], |room| room);
            let len = room.len().min(rest);
            rest -= len;
            WsaBufMut::new(&mut room[..len])
        });
        shut_is_the_end(self.run(|process, s| process.receive(s, &mut pieces, 0)))
    }

    pub(super) fn send(&self, data: &[u8]) -> io::Result<usize> {
        self.run(|process, s| process.send(s, &[WsaBuf::new(data)]))
    }

    pub(super) fn write_with(&self, write: impl FnOnce(&mut [u8]) -> usize) -> io::Result<usize> {
        let mut write = Some(write);
        // It is called once; the trait object cannot say so.
        let mut once = |room: &mut [u8]| write.take().map_or(0, |write| write(room));
        self.run(|process, s| process.send_with(s, &mut once))
    }

    pub(super) fn read_with(&self, read: impl FnOnce(&[u8]) -> usize) -> io::Result<usize> {
        let mut read = Some(read);
        let mut once = |bytes: &[u8]| read.take().map_or(0, |read| read(bytes));
        shut_is_the_end(self.run(|process, s| process.receive_with(s, &mut once)))
    }

    /// Sends to a stream what is bearable of `data`.
    pub(super) fn write(&self, data: &[u8]) -> io::Result<usize> {
        self.send(data.get(..MOST_AT_ONCE).unwrap_or(data))
    }

    pub(super) fn write_vectored(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut rest = MOST_AT_ONCE;
        let mut slices = buffers.iter();
        let pieces: [_; PIECES] = array::from_fn(|_| {
            let slice = slices.next().map_or(&[][..], |slice| slice);
            let piece = slice.get(..rest).unwrap_or(slice);
            rest -= piece.len();
            WsaBuf::new(piece)
        });
        self.run(|process, s| process.send(s, &pieces))
    }

    // Options.

    pub(super) fn option(&self, level: i32, option: i32) -> io::Result<u32> {
        self.run(|process, s| process.option(s, level, option))
    }

    pub(super) fn set_option(&self, level: i32, option: i32, value: u32) -> io::Result<()> {
        self.set_option_bytes(level, option, &value.to_ne_bytes())
    }

    pub(super) fn set_option_bytes(&self, level: i32, option: i32, value: &[u8]) -> io::Result<()> {
        self.run(|process, s| process.set_option(s, level, option, value))
    }

    pub(super) fn read_timeout(&self) -> io::Result<Option<Duration>> {
        self.option(SOL_SOCKET, SO_RCVTIMEO).map(limit)
    }

    pub(super) fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.set_option(SOL_SOCKET, SO_RCVTIMEO, millis(timeout)?)
    }

    pub(super) fn write_timeout(&self) -> io::Result<Option<Duration>> {
        self.option(SOL_SOCKET, SO_SNDTIMEO).map(limit)
    }

    pub(super) fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.set_option(SOL_SOCKET, SO_SNDTIMEO, millis(timeout)?)
    }

    pub(super) fn ttl(&self) -> io::Result<u32> {
        let (level, option) = self.ttl_option()?;
        self.option(level, option)
    }

    pub(super) fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        let (level, option) = self.ttl_option()?;
        self.set_option(level, option, ttl)
    }

    fn ttl_option(&self) -> io::Result<(i32, i32)> {
        Ok(match self.local_addr()? {
            SocketAddr::V4(_) => (IPPROTO_IP, IP_TTL),
            SocketAddr::V6(_) => (IPPROTO_IPV6, IPV6_UNICAST_HOPS),
        })
    }

    pub(super) fn linger(&self) -> io::Result<Option<Duration>> {
        let [on_low, on_high, low, high] = self.option(SOL_SOCKET, SO_LINGER)?.to_ne_bytes();
        let seconds = u16::from_ne_bytes([low, high]);
        let on = u16::from_ne_bytes([on_low, on_high]) != 0;
        Ok(on.then(|| Duration::from_secs(seconds.into())))
    }

    pub(super) fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        // Two 16-bit numbers: whether, and how many seconds.
        let [on_low, on_high] = u16::from(linger.is_some()).to_ne_bytes();
        let seconds = linger.map_or(0, |linger| linger.as_nanos().div_ceil(1_000_000_000));
        let [low, high] = u16::try_from(seconds).unwrap_or(u16::MAX).to_ne_bytes();
        self.set_option_bytes(SOL_SOCKET, SO_LINGER, &[on_low, on_high, low, high])
    }

    pub(super) fn take_error(&self) -> io::Result<Option<io::Error>> {
        let code = self.option(SOL_SOCKET, SO_ERROR)?;
        let error = i32::try_from(code).ok().and_then(Error::from_code);
        let cause = self.0.net.shared.process.cause(self.handle());
        Ok(error.map(|error| NetError::new(error, cause).into()))
    }
}

/// A direction that was shut down has ended.
fn shut_is_the_end(received: io::Result<usize>) -> io::Result<usize> {
    match received {
        Err(error) if NetError::of(&error).map(NetError::error) == Some(Error::WSAESHUTDOWN) => {
            Ok(0)
        }
        received => received,
    }
}

/// A time limit as Winsock has it: in milliseconds, rounded up, 0 for none.
fn millis(timeout: Option<Duration>) -> io::Result<u32> {
    let Some(timeout) = timeout else { return Ok(0) };
    if timeout.is_zero() {
        return Err(zero_timeout());
    }
    Ok(u32::try_from(timeout.as_nanos().div_ceil(1_000_000)).unwrap_or(u32::MAX))
}

fn limit(millis: u32) -> Option<Duration> {
    (millis != 0).then(|| Duration::from_millis(millis.into()))
}
