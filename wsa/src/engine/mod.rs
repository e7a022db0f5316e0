//! Who advances the stack.
//!
//! Every blocking call of this crate is one loop: test the condition under [`Engine::with`], and
//! where it does not hold yet, [`Engine::wait`]. What differs between a virtual clock, a
//! microcontroller and a program of many threads is only how these two are done.
//!
//! What an engine owes its process, in order:
//!
//! 1. In [`Engine::with`], after the closure: poll the stack until it is idle or the turn's bound
//!    is reached, so that whatever must go out has gone out, and call [`Core::absorb`], which
//!    takes the stack's events.
//! 2. After unlocking: wake the callers for whom [`Core::changed`] became true, and [`deliver`].
//! 3. In [`Engine::wait`]: return when [`Core::changed`] is true for `seen` and `interest`, when
//!    `until` has passed, or at any earlier time.

pub mod stepped;
#[cfg(feature = "std")]
pub mod threaded;

use core::fmt;

use tapsock_stack::Stack;
use tapsock_stack::link::Link;
use tapsock_stack::storage::Storage;
use tapsock_stack::time::Instant;

use crate::process::Core;
use crate::readiness::{Delivery, Step};

/// What [`Engine::with`] gives access to, for as long as its closure runs.
pub struct Access<'e, 'a, L: Link, S: Storage<'a>> {
    /// The Winsock state.
    pub core: &'e mut Core<'a, S>,
    /// The stack.
    pub stack: &'e mut Stack<'a, L, S>,
    /// The current time.
    pub now: Instant,
}

impl<'a, L: Link, S: Storage<'a>> fmt::Debug for Access<'_, 'a, L, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access")
            .field("core", &self.core)
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}

/// Hands what waits for the hook of WSAAsyncSelect's messages to it, one after the other.
///
/// `next` locks, asks [`Core::delivery`] for the calling thread, and unlocks. Engines call this
/// without any lock, after [`Core::absorb`] and in [`Engine::with`];
/// [`Core::delivery_is_due`] says whether it is worth it.
pub fn deliver(next: impl FnMut(Step) -> Option<Delivery>) {
    /// A hook that panics takes only its own message with it.
    struct Delivering<N: FnMut(Step) -> Option<Delivery>> {
        next: N,
        under_way: bool,
    }
    impl<N: FnMut(Step) -> Option<Delivery>> Drop for Delivering<N> {
        fn drop(&mut self) {
            if self.under_way {
                (self.next)(Step::Stop);
            }
        }
    }
    let mut delivering = Delivering { next, under_way: false };
    let mut due = (delivering.next)(Step::Begin);
    while let Some(delivery) = due {
        delivering.under_way = true;
        delivery.run();
        due = (delivering.next)(Step::Next);
        delivering.under_way = false;
    }
}

/// How a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waited {
    /// The condition is to be tested again.
    Again,
    /// Nothing will ever happen again, as when a simulated network has no deadline left. The
    /// blocked call ends with WSAEINTR rather than hang.
    Stuck,
}

/// Exclusive access to a stack and to the Winsock state over it, and a way to wait.
pub trait Engine<'a> {
    /// The stack's link.
    type Link: Link;
    /// The stack's and the process's storage.
    type Storage: Storage<'a>;

    /// Runs `f` with exclusive access at the current time.
    ///
    /// When this returns, whatever `f` made due has been transmitted and whoever waits for what
    /// changed has been woken. `f` never calls back into the engine.
    fn with<R>(&self, f: impl FnOnce(&mut Access<'_, 'a, Self::Link, Self::Storage>) -> R) -> R;

    /// Waits until the state may have changed for the caller.
    ///
    /// Returns as soon as [`Core::changed`] is true for `seen` (the [`Core::epoch`] at which the
    /// caller found its condition false) and `interest` (numbers of sockets and event objects, for sockets as in the events'
    /// `owner`), or `until` has passed, or, in a stepped engine, one step was made. An early
    /// return is harmless; a late one is not.
    fn wait(&self, seen: u64, interest: &[u32], until: Option<Instant>) -> Waited;

    /// The calling thread's identity, the same for each call from one thread. The last error and
    /// "inside a blocking call" belong to a process and a thread together.
    fn thread(&self) -> u64 {
        0
    }

    /// Whether time is virtual and moves only as far as something happens: then a wait that nothing
    /// will ever end can be told ([`Waited::Stuck`]), and must not be cut into pieces.
    fn is_simulated(&self) -> bool {
        false
    }

    /// Whether the stack is gone for the caller for good, as in the child of a fork. Every call
    /// is WSAENETDOWN then, and [`Engine::with`] is not called.
    fn is_down(&self) -> bool {
        false
    }

    /// Whether the calling thread is inside [`Engine::with`] and would wait for itself, as a closure
    /// of [`Process::send_with`](crate::Process::send_with) that makes a call. Every call is
    /// WSAEINPROGRESS then.
    fn is_entered(&self) -> bool {
        false
    }
}
