//! Sockets that nobody waits for one by one: non-blocking calls and poll, as one thread with many
//! connections has them.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType};
use wsa::constants::{
    AF_INET, AF_INET6, IPPROTO_TCP, POLLERR, POLLHUP, POLLRDNORM, POLLWRNORM, SOCK_STREAM,
};
use wsa::{Error, SocketHandle, WsaPollFd};

use super::host::PATIENCE;
use super::kernel::Kernel;
use super::own::Own;

/// What a connection is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::bench) enum Await {
    /// To be established.
    Connected,
    /// To have something to be received, or its end.
    Readable,
}

/// Non-blocking stream sockets.
pub(in crate::bench) trait Sockets {
    type Socket;

    /// A socket whose connection to `to` has begun.
    fn begin(&self, to: SocketAddr) -> io::Result<Self::Socket>;

    /// Waits until one of them at least is ready, and sets `ready` for each.
    fn poll(&self, all: &mut [(Self::Socket, Await, bool)]) -> io::Result<()>;

    fn receive(&self, socket: &Self::Socket, buffer: &mut [u8]) -> io::Result<usize>;

    fn close(&self, socket: Self::Socket) -> io::Result<()>;
}

impl<S: Sockets> Sockets for &S {
    type Socket = S::Socket;

    fn begin(&self, to: SocketAddr) -> io::Result<S::Socket> {
        (**self).begin(to)
    }

    fn poll(&self, all: &mut [(S::Socket, Await, bool)]) -> io::Result<()> {
        (**self).poll(all)
    }

    fn receive(&self, socket: &S::Socket, buffer: &mut [u8]) -> io::Result<usize> {
        (**self).receive(socket, buffer)
    }

    fn close(&self, socket: S::Socket) -> io::Result<()> {
        (**self).close(socket)
    }
}

pub(super) fn silent() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "nothing happened for some seconds")
}

impl Sockets for Kernel<'_> {
    type Socket = OwnedFd;

    fn begin(&self, to: SocketAddr) -> io::Result<OwnedFd> {
        let family = if to.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
        match rustix::net::connect(&socket, &to) {
            Ok(()) | Err(rustix::io::Errno::INPROGRESS) => Ok(socket),
            Err(error) => Err(error.into()),
        }
    }

    fn poll(&self, all: &mut [(OwnedFd, Await, bool)]) -> io::Result<()> {
        let mut asked: Vec<PollFd<'_>> = all
            .iter()
            .map(|(socket, what, _)| {
                let flags = match what {
                    Await::Connected => PollFlags::OUT,
                    Await::Readable => PollFlags::IN,
                };
                PollFd::new(socket, flags)
            })
            .collect();
        let limit = PATIENCE.try_into().map_err(|_| silent())?;
        if rustix::event::poll(&mut asked, Some(&limit))? == 0 {
            return Err(silent());
        }
        let ready: Vec<bool> = asked.iter().map(|fd| !fd.revents().is_empty()).collect();
        all.iter_mut().zip(ready).for_each(|((.., is), ready)| *is = ready);
        Ok(())
    }

    fn receive(&self, socket: &OwnedFd, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::net::recv(socket, buffer, RecvFlags::empty())?.0)
    }

    fn close(&self, socket: OwnedFd) -> io::Result<()> {
        drop(socket);
        Ok(())
    }
}

fn told(error: Error) -> io::Error {
    io::Error::other(error.to_string())
}

/// By Winsock's calls.
impl Sockets for Own {
    type Socket = SocketHandle;

    fn begin(&self, to: SocketAddr) -> io::Result<SocketHandle> {
        let process = self.process();
        let family = if to.is_ipv4() { AF_INET } else { AF_INET6 };
        let s = process.socket(family, SOCK_STREAM, IPPROTO_TCP).map_err(told)?;
        process.set_nonblocking(s, true).map_err(told)?;
        match process.connect_to(s, to) {
            Ok(()) | Err(Error::WSAEWOULDBLOCK) => Ok(s),
            Err(error) => Err(told(error)),
        }
    }

    fn poll(&self, all: &mut [(SocketHandle, Await, bool)]) -> io::Result<()> {
        let mut asked: Vec<WsaPollFd> = all
            .iter()
            .map(|(s, what, _)| {
                let flags = match what {
                    Await::Connected => POLLWRNORM,
                    Await::Readable => POLLRDNORM,
                };
                WsaPollFd::new(*s, flags)
            })
            .collect();
        let limit = i32::try_from(PATIENCE.as_millis()).map_err(|_| silent())?;
        if self.process().wsa_poll(&mut asked, limit).map_err(told)? == 0 {
            return Err(silent());
        }
        for ((.., ready), fd) in all.iter_mut().zip(asked) {
            *ready = fd.revents & (fd.events | POLLERR | POLLHUP) != 0;
        }
        Ok(())
    }

    fn receive(&self, s: &SocketHandle, buffer: &mut [u8]) -> io::Result<usize> {
        self.process().recv(*s, buffer.into(), 0).map_err(told)
    }

    fn close(&self, s: SocketHandle) -> io::Result<()> {
        self.process().closesocket(s).map_err(told)
    }
}
