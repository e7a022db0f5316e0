//! The state of a process: no locks, no packets, no clock.

use core::fmt;
use core::marker::PhantomData;

use tapsock_stack::Stack;
use tapsock_stack::event::SocketRef;
use tapsock_stack::link::Link;
use tapsock_stack::storage::Storage;
use tapsock_stack::time::Instant;

use super::handle::{EventHandle, FIRST_EVENT, MESSAGES, Place, SocketHandle, Table};
use super::thread::{Fault, Thread, Threads};
use crate::engine::Access;
use crate::error::{Error, Result};
use crate::profile::Profile;
use crate::readiness::{Event, Messages, SocketMessage};
use crate::socket::Socket;

/// All Winsock state of one process.
///
/// An engine keeps it beside the stack and hands both out together. It never looks inside.
pub struct Core<'a, S: Storage<'a>> {
    /// WSAStartup calls without their WSACleanup.
    pub(crate) startups: u32,
    /// Version 1.1 was negotiated at least once: for the rest of the process's life blocking
    /// hooks work and a pending connect answers a second one with WSAEINVAL.
    pub(crate) ever_1_1: bool,
    /// How contradictions are resolved.
    pub(crate) profile: Profile,
    pub(crate) sockets: Table<Socket, SocketHandle, S::Sockets<Place<Socket>>>,
    pub(crate) events: Table<Event, EventHandle, S::Sockets<Place<Event>>>,
    pub(crate) messages: Messages<S::Queue<SocketMessage>, S::Queue<SocketHandle>>,
    threads: Threads<S::Sockets<Thread>>,
    /// Counts everything that may end a wait.
    epoch: u64,
    /// The epoch of the last change that concerns every waiting caller.
    touched_all: u64,
    /// A call ended for want of something that may lie on the link.
    asked: bool,
    _storage: PhantomData<&'a ()>,
}

impl<'a, S: Storage<'a>> Default for Core<'a, S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<'a, S: Storage<'a>> Core<'a, S> {
    /// The state of a process that has not called WSAStartup, with [`Profile::DOCUMENTED`].
    pub fn new() -> Self {
        Self {
            startups: 0,
            ever_1_1: false,
            profile: Profile::DOCUMENTED,
            sockets: Table::new(),
            events: Table::new(),
            messages: Messages::new(),
            threads: Threads::new(),
            epoch: 0,
            touched_all: 0,
            asked: false,
            _storage: PhantomData,
        }
    }

    /// The same with another profile.
    #[must_use]
    pub fn with_profile(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }

    /// The number of changes so far that may have ended somebody's wait.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Whether something changed after the epoch `seen` that concerns a caller interested in the
    /// sockets, event objects and messages `interest`; an empty list is interest in all of them.
    pub fn changed(&self, seen: u64, interest: &[u32]) -> bool {
        let changed = |&number: &u32| match number {
            MESSAGES => self.messages.changed(seen),
            FIRST_EVENT.. => self.events.changed(number, seen),
            _ => self.sockets.changed(number, seen),
        };
        self.touched_all > seen
            || (interest.is_empty() && self.epoch > seen)
            || interest.iter().any(changed)
    }

    /// Takes the stack's events. Engines call this whenever the stack was polled or used.
    ///
    /// Afterwards [`Core::changed`] is true for whoever may go on.
    pub fn absorb<L: Link>(&mut self, stack: &mut Stack<'a, L, S>, now: Instant) {
        while let Some(event) = stack.next_event() {
            let mut access = Access { core: self, stack, now };
            if let Some(handle) = access.core.sockets.handle_at(event.owner) {
                let ours = access.core.sockets.get(handle).and_then(Socket::stack_ref);
                if ours == Some(event.socket) {
                    access.settle(handle);
                    access.note(handle, event.what);
                }
            }
            // Also where the socket is another one by now: a wake-up too many is harmless.
            self.touch(event.owner);
        }
    }

    /// Something about a socket, an event object or the queue of messages changed.
    pub(crate) fn touch(&mut self, number: u32) {
        self.epoch += 1;
        match number {
            MESSAGES => self.messages.stamp(self.epoch),
            FIRST_EVENT.. => self.events.stamp(number, self.epoch),
            _ => {
                self.sockets.stamp(number, self.epoch);
                #[cfg(feature = "embedded")]
                self.wake(number);
            }
        }
    }

    /// Wakes the task that polled a socket last.
    #[cfg(feature = "embedded")]
    fn wake(&mut self, number: u32) {
        let handle = self.sockets.handle_at(number);
        let socket = handle.and_then(|handle| self.sockets.get_mut(handle));
        if let Some(waker) = socket.and_then(|socket| socket.waker.take()) {
            waker.wake();
        }
    }

    /// Whether a call ended, since this was asked last, without what it was made for: what has
    /// arrived on the link may be what the next one is made for. Engines that do not look at the
    /// link with every call ask this.
    pub fn take_asked(&mut self) -> bool {
        core::mem::take(&mut self.asked)
    }

    /// A call ends for want of something that may lie on the link.
    pub(crate) fn ask(&mut self) {
        self.asked = true;
    }

    /// Something changed that concerns every waiting caller.
    pub(crate) fn touch_all(&mut self) {
        self.epoch += 1;
        self.touched_all = self.epoch;
    }

    /// The first two questions of every call: WSANOTINITIALISED, and in a process that ever
    /// negotiated 1.1, WSAEINPROGRESS inside a blocking call.
    pub(crate) fn admit(&self, thread: u64) -> Result<()> {
        self.admit_started()?;
        self.admit_reentry(thread)
    }

    pub(crate) fn admit_started(&self) -> Result<()> {
        if self.startups == 0 { Err(Error::WSANOTINITIALISED) } else { Ok(()) }
    }

    pub(crate) fn admit_reentry(&self, thread: u64) -> Result<()> {
        let inside = self.threads.get(thread).is_some_and(|thread| thread.blocking > 0);
        if self.ever_1_1 && inside { Err(Error::WSAEINPROGRESS) } else { Ok(()) }
    }

    /// Whether the thread runs a condition function or an APC, where nothing may block.
    pub(crate) fn in_callback(&self, thread: u64) -> bool {
        self.threads.get(thread).is_some_and(|thread| thread.callbacks > 0)
    }

    /// Whether an APC waits for the thread.
    pub(crate) fn is_alerted(&self, thread: u64) -> bool {
        self.threads.get(thread).is_some_and(Thread::is_alerted)
    }

    /// A socket that the caller may use, or WSAENOTSOCK.
    pub(crate) fn socket(&self, handle: SocketHandle) -> Result<&Socket> {
        self.sockets.get(handle).filter(|socket| !socket.closing).ok_or(Error::WSAENOTSOCK)
    }

    /// The same, mutably.
    pub(crate) fn socket_mut(&mut self, handle: SocketHandle) -> Result<&mut Socket> {
        self.sockets.get_mut(handle).filter(|socket| !socket.closing).ok_or(Error::WSAENOTSOCK)
    }

    /// SO_OPENTYPE of a thread.
    pub(crate) fn open_type(&self, id: u64) -> u32 {
        self.threads.get(id).map_or(0, |thread| thread.open_type)
    }

    pub(crate) fn thread(&self, id: u64) -> Option<&Thread> {
        self.threads.get(id)
    }

    pub(crate) fn thread_mut(&mut self, id: u64) -> Option<&mut Thread> {
        self.threads.get_mut(id)
    }

    /// The end of every call: the thread's last error, and the evidence of a failure.
    pub(crate) fn finish<T>(&mut self, id: u64, outcome: Result<T, Fault>) -> Result<T> {
        self.note(id, outcome.as_ref().err());
        outcome.map_err(|fault| fault.error)
    }

    #[inline(never)]
    fn note(&mut self, id: u64, fault: Option<&Fault>) {
        let Some(thread) = self.threads.get_mut(id) else { return };
        match fault {
            None => thread.last_error = 0,
            Some(fault) => {
                thread.last_error = fault.error.code();
                thread.cause = fault.cause;
            }
        }
    }
}

impl Socket {
    /// What stands for this socket in the stack.
    pub(crate) fn stack_ref(&self) -> Option<SocketRef> {
        use crate::socket::State;
        match self.state {
            State::Idle => None,
            State::Connecting(id, _) | State::Connected(id) => Some(SocketRef::Tcp(id)),
            State::Listening(id) => Some(SocketRef::Listener(id)),
            State::Datagram(id) => Some(SocketRef::Udp(id)),
        }
    }
}

impl<'a, S: Storage<'a>> fmt::Debug for Core<'a, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core")
            .field("startups", &self.startups)
            .field("sockets", &self.sockets.len())
            .field("events", &self.events.len())
            .field("epoch", &self.epoch)
            .finish_non_exhaustive()
    }
}
