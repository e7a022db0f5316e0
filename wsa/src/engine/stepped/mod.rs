//! Engines without a thread: the blocked caller advances the stack itself.
//!
//! [`Stepped`] drives any stack by a clock and an idle function that the caller supplies, as on a
//! microcontroller. [`Simulated`] is a host of a simulated network, whose virtual clock moves
//! while a call is blocked.

#[cfg(feature = "std")]
mod simulated;

#[cfg(feature = "std")]
pub use simulated::{Simulated, as_thread};

use core::borrow::BorrowMut;
use core::cell::{RefCell, RefMut};
use core::fmt;
use core::marker::PhantomData;

use tapsock_stack::link::Link;
use tapsock_stack::storage::Storage;
use tapsock_stack::time::Instant;
use tapsock_stack::{Progress, Stack};

use super::{Access, Engine, Waited};
use crate::process::Core;

/// How many times in a row a stack that always has more to do is polled before its caller is
/// asked again.
const TURNS: usize = 16;

/// A stack that its only caller advances.
///
/// `clock` tells the time, which must not run backwards. `idle` is called while a call is blocked
/// and nothing can be done: it returns when a frame has arrived or the given time has come, or at
/// any earlier time, and says [`Waited::Stuck`] when neither will ever happen.
///
/// `B` is the stack, or a borrow of one that stays where it was made: a stack without a heap is large,
/// and a microcontroller has no room to move it.
pub struct Stepped<'a, L: Link, S: Storage<'a>, C, I, B = Stack<'a, L, S>> {
    state: RefCell<State<'a, L, S, B>>,
    clock: C,
    idle: I,
}

struct State<'a, L: Link, S: Storage<'a>, B> {
    stack: B,
    core: Core<'a, S>,
    _link: PhantomData<L>,
}

impl<'a, L, S, C, I> Stepped<'a, L, S, C, I>
where
    L: Link,
    S: Storage<'a>,
    C: Fn() -> Instant,
    I: Fn(Option<Instant>) -> Waited,
{
    /// An engine of `stack`, which was made at a time of the same clock.
    pub fn new(stack: Stack<'a, L, S>, clock: C, idle: I) -> Self {
        Self { state: RefCell::new(State::new(stack)), clock, idle }
    }
}

impl<'s, 'a, L, S, C, I> Stepped<'a, L, S, C, I, &'s mut Stack<'a, L, S>>
where
    L: Link,
    S: Storage<'a>,
    C: Fn() -> Instant,
    I: Fn(Option<Instant>) -> Waited,
{
    /// The same for a stack that stays in its place, such as a `static` cell.
    pub fn on(stack: &'s mut Stack<'a, L, S>, clock: C, idle: I) -> Self {
        Self { state: RefCell::new(State::new(stack)), clock, idle }
    }
}

impl<'a, L, S, C, I, B> Stepped<'a, L, S, C, I, B>
where
    L: Link,
    S: Storage<'a>,
    C: Fn() -> Instant,
    I: Fn(Option<Instant>) -> Waited,
    B: BorrowMut<Stack<'a, L, S>>,
{
    /// Advances the stack where no call is blocked, as a program does in its main loop. Gives the
    /// time at which to call again although no frame arrives.
    ///
    /// # Panics
    /// When called from within [`Engine::with`].
    pub fn poll(&self) -> Option<Instant> {
        let now = (self.clock)();
        let next = {
            let mut state = self.state();
            match state.advance(now) {
                Progress::More => Some(now),
                Progress::Idle => state.stack.borrow_mut().poll_at(),
            }
        };
        self.deliver();
        next
    }

    /// The state, for whoever is not within a call already.
    fn state(&self) -> RefMut<'_, State<'a, L, S, B>> {
        self.state.try_borrow_mut().unwrap_or_else(|_| entered_twice())
    }

    /// What comes before a call. Not part of [`Engine::with`], of which there is one for each
    /// call that a program makes.
    #[inline(never)]
    fn enter(&self) -> Instant {
        let now = (self.clock)();
        let mut state = self.state();
        let State { stack, core, _link } = &mut *state;
        core.absorb(stack.borrow_mut(), now);
        now
    }

    /// What comes behind it.
    #[inline(never)]
    fn leave(&self, now: Instant) {
        // What is left for another turn is due at once by the stack's own deadline.
        let _ = self.state().advance(now);
        self.deliver();
    }

    fn deliver(&self) {
        // Nothing is borrowed here, so the hook may call Winsock. There is one thread.
        super::deliver(|step| self.state().core.delivery(step, 0));
    }
}

/// A closure that was given an [`Access`] has called its own process. There is one thread, so nothing
/// could ever be waited for, and nothing else is left to be said: this is the one panic of an engine
/// without threads, and no packet leads here.
#[cold]
#[inline(never)]
fn entered_twice() -> ! {
    panic!("a process was called by a closure that has access to it")
}

impl<'a, L: Link, S: Storage<'a>, B: BorrowMut<Stack<'a, L, S>>> State<'a, L, S, B> {
    fn new(stack: B) -> Self {
        Self { stack, core: Core::new(), _link: PhantomData }
    }

    /// Whether there is more to do at once.
    fn advance(&mut self, now: Instant) -> Progress {
        let mut progress = Progress::More;
        for _ in 0..TURNS {
            progress = self.stack.borrow_mut().poll(now);
            if progress == Progress::Idle {
                break;
            }
        }
        self.core.absorb(self.stack.borrow_mut(), now);
        progress
    }
}

impl<'a, L, S, C, I, B> Engine<'a> for Stepped<'a, L, S, C, I, B>
where
    L: Link,
    S: Storage<'a>,
    C: Fn() -> Instant,
    I: Fn(Option<Instant>) -> Waited,
    B: BorrowMut<Stack<'a, L, S>>,
{
    type Link = L;
    type Storage = S;

    fn with<R>(&self, f: impl FnOnce(&mut Access<'_, 'a, L, S>) -> R) -> R {
        let now = self.enter();
        let result = {
            let mut state = self.state();
            let State { stack, core, _link } = &mut *state;
            f(&mut Access { core, stack: stack.borrow_mut(), now })
        };
        self.leave(now);
        result
    }

    fn wait(&self, seen: u64, interest: &[u32], until: Option<Instant>) -> Waited {
        let now = (self.clock)();
        let deadline = {
            let mut state = self.state();
            let progress = state.advance(now);
            let done = progress == Progress::More
                || state.core.changed(seen, interest)
                || state.core.delivery_is_due();
            if done { Some(now) } else { state.stack.borrow_mut().poll_at() }
        };
        self.deliver();
        let deadline = [deadline, until].into_iter().flatten().min();
        if deadline.is_some_and(|deadline| deadline <= now) {
            return Waited::Again;
        }
        (self.idle)(deadline)
    }
}

impl<'a, L: Link, S: Storage<'a>, C, I, B> fmt::Debug for Stepped<'a, L, S, C, I, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stepped").finish_non_exhaustive()
    }
}
