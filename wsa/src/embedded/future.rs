//! A waker for each socket, and the asynchronous traits.

use core::future::poll_fn;
use core::net::SocketAddr;
use core::task::{Context, Poll};

use embedded_io_async::{Read, Write};

use super::{Connection, Network, name};
use crate::constants::{IPPROTO_TCP, SO_ERROR, SOCK_STREAM, SOL_SOCKET};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::process::{Process, SocketHandle};
use crate::readiness::Flags;

impl<'a, E: Engine<'a>> Process<'a, E> {
    /// Runs `call`, which must not block, as often as the socket's state changes, until it says
    /// something else than WSAEWOULDBLOCK. A socket has one waker: the last task that polled it is
    /// woken.
    ///
    /// The stack has to be advanced by somebody else meanwhile.
    ///
    /// # Errors
    /// WSAENOTSOCK, and those of `call`.
    pub fn poll_socket<T>(
        &self,
        s: SocketHandle,
        context: &mut Context<'_>,
        call: impl FnOnce(&Self) -> Result<T>,
    ) -> Poll<Result<T>> {
        // Before the call: what happens behind it wakes.
        let known = self.engine().with(|access| {
            let socket = access.core.socket_mut(s)?;
            if !socket.waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
                socket.waker = Some(context.waker().clone());
            }
            Ok(())
        });
        match known.and_then(|()| call(self)) {
            Err(Error::WSAEWOULDBLOCK) => Poll::Pending,
            outcome => Poll::Ready(outcome),
        }
    }
}

impl<'p, 'a, E: Engine<'a>> Connection<'p, 'a, E> {
    /// Connects without blocking.
    ///
    /// # Errors
    /// As [`Process::socket`] and [`Process::wsa_connect`].
    pub async fn connect(process: &'p Process<'a, E>, remote: SocketAddr) -> Result<Self> {
        let name = name(remote)?;
        let socket = process.socket(name.family().number(), SOCK_STREAM, IPPROTO_TCP)?;
        let connection = Self { process, socket };
        process.set_nonblocking(socket, true)?;
        match process.connect_to(socket, name) {
            Ok(()) => return Ok(connection),
            Err(Error::WSAEWOULDBLOCK) => {}
            Err(error) => return Err(error),
        }
        connection
            .until(|connection| {
                if connection.shows(Flags::CONNECT) {
                    return Ok(());
                }
                if !connection.shows(Flags::CONNECT_ERR | Flags::RESET) {
                    return Err(Error::WSAEWOULDBLOCK);
                }
                let code = process.option(socket, SOL_SOCKET, SO_ERROR)?;
                Err(Error::from_code(code as i32).unwrap_or(Error::WSAECONNREFUSED))
            })
            .await?;
        Ok(connection)
    }

    async fn until<T>(&self, mut call: impl FnMut(&Self) -> Result<T>) -> Result<T> {
        poll_fn(|context| self.process.poll_socket(self.socket, context, |_| call(self))).await
    }
}

/// For streams that do not block: those of [`Connection::connect`], and others after
/// [`Process::set_nonblocking`].
impl<'a, E: Engine<'a>> Read for Connection<'_, 'a, E> {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        self.until(|connection| {
            connection.process.recv(connection.socket, (&mut *buffer).into(), 0)
        })
        .await
    }
}

impl<'a, E: Engine<'a>> Write for Connection<'_, 'a, E> {
    async fn write(&mut self, data: &[u8]) -> Result<usize> {
        if data.is_empty() {
            return Ok(0);
        }
        self.until(|connection| connection.process.send(connection.socket, data.into(), 0)).await
    }

    async fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

impl<'p, 'a, E: Engine<'a>> embedded_nal_async::TcpConnect for Network<'p, 'a, E> {
    type Error = Error;
    type Connection<'c>
        = Connection<'p, 'a, E>
    where
        Self: 'c;

    async fn connect<'c>(&'c self, remote: SocketAddr) -> Result<Connection<'p, 'a, E>> {
        Connection::connect(self.process, remote).await
    }
}
