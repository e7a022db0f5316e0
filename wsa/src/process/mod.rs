//! A Winsock process as a value.

mod block;
mod handle;
mod startup;
mod state;
mod thread;

pub use handle::{EventHandle, SocketHandle};
pub use startup::WsaData;
pub use state::Core;
#[cfg(feature = "alloc")]
pub use thread::Apc;
pub use thread::BlockingHook;

pub(crate) use block::{Cue, Turn};
pub(crate) use handle::{Handle, MESSAGES};
pub(crate) use thread::Fault;

use core::marker::PhantomData;

use tapsock_stack::event::Cause;
use tapsock_stack::tcp::TcpInfo;

use crate::engine::{Access, Engine};
use crate::error::{Error, Result};
use crate::profile::Profile;

/// One Winsock process: its startup count and versions, its sockets, its profile, and the engine
/// with the stack that it is bound to.
///
/// All methods take `&self`; where the engine may be shared between threads, so may the process.
/// Every Winsock call sets the calling thread's last error: to the code that it failed with, or
/// to 0.
#[derive(Debug)]
pub struct Process<'a, E: Engine<'a>> {
    engine: E,
    _storage: PhantomData<&'a ()>,
}

impl<'a, E: Engine<'a>> Process<'a, E> {
    /// A process on `engine` that has not called WSAStartup yet.
    pub const fn new(engine: E) -> Self {
        Self { engine, _storage: PhantomData }
    }

    /// The engine.
    pub const fn engine(&self) -> &E {
        &self.engine
    }

    /// The engine, and the end of the process.
    pub fn into_engine(self) -> E {
        self.engine
    }

    /// The calling thread, as [`Process::queue_user_apc`] names it.
    pub fn thread(&self) -> u64 {
        self.engine.thread()
    }

    /// How contradictions between documentation and observation are resolved.
    pub fn profile(&self) -> Profile {
        self.look(|access| Some(access.core.profile)).unwrap_or_default()
    }

    /// Resolves contradictions otherwise from now on. Attempts under way keep their rules.
    pub fn set_profile(&self, profile: Profile) {
        let _ = self.look(|access| {
            access.core.profile = profile;
            Some(())
        });
    }

    /// Why no call can be made from here at all: the engine is gone, or the caller is inside it.
    pub(crate) fn refusal(&self) -> Option<Error> {
        if self.engine.is_down() {
            Some(Error::WSAENETDOWN)
        } else if self.engine.is_entered() {
            Some(Error::WSAEINPROGRESS)
        } else {
            None
        }
    }

    /// Access for calls that are not Winsock's; `None` when the engine is gone.
    pub(crate) fn look<T>(
        &self,
        f: impl FnOnce(&mut Access<'_, 'a, E::Link, E::Storage>) -> Option<T>,
    ) -> Option<T> {
        if self.refusal().is_some() { None } else { self.engine.with(f) }
    }

    /// The evidence of the calling thread's last failure: the packet or the silence that decided
    /// it. `None` when the last failure was not decided on the wire.
    ///
    /// As with WSAGetLastError, only meaningful directly after a call that failed.
    pub fn last_cause(&self) -> Option<Cause> {
        let thread = self.engine.thread();
        self.look(|access| access.core.thread(thread).and_then(|thread| thread.cause))
    }

    /// The evidence of a socket's last failure, also where no call has reported it yet.
    pub fn cause(&self, s: SocketHandle) -> Option<Cause> {
        self.look(|access| access.cause(s))
    }

    /// The numbers of a stream's connection, as SIO_TCP_INFO gives them; `None` without one.
    pub fn tcp_info(&self, s: SocketHandle) -> Option<TcpInfo> {
        self.look(|access| access.numbers(s))
    }

    /// WSAGetLastError: the code of the calling thread's last failed call, 0 after a call that
    /// succeeded. Works before WSAStartup.
    pub fn wsa_get_last_error(&self) -> i32 {
        if let Some(error) = self.refusal() {
            return error.code();
        }
        let thread = self.engine.thread();
        self.engine.with(|access| access.core.thread(thread).map_or(0, |thread| thread.last_error))
    }

    /// WSASetLastError. Works before WSAStartup.
    pub fn wsa_set_last_error(&self, code: i32) {
        let thread = self.engine.thread();
        let _ = self.look(|access| access.core.thread_mut(thread).map(|t| t.last_error = code));
    }

    /// Runs a call that never waits: rows 1 and 2 of every ladder, `f`, the last error.
    pub(crate) fn call<T>(
        &self,
        f: impl FnOnce(&mut Access<'_, 'a, E::Link, E::Storage>) -> Result<T, Fault>,
    ) -> Result<T> {
        if let Some(error) = self.refusal() {
            return Err(error);
        }
        let thread = self.engine.thread();
        self.engine.with(|access| {
            let outcome = match access.core.admit(thread) {
                Ok(()) => f(access),
                Err(error) => Err(error.into()),
            };
            access.core.finish(thread, outcome)
        })
    }
}
