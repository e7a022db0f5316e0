//! The one loop in which every blocking call waits, and what may interrupt it.

use tapsock_stack::time::{Duration, Instant};

use super::thread::{BlockingHook, Fault};
use super::{Process, SocketHandle};
use crate::engine::{Access, Engine, Waited};
use crate::error::{Error, Result};

/// Why a turn of the loop is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cue {
    /// To see whether the call can end.
    Look,
    /// The call ends now: with what it has done, or with this error and what it began undone.
    GiveUp(Error),
}

/// What a turn found.
#[derive(Debug)]
pub(crate) enum Turn<T> {
    /// The call ends.
    Done(Result<T, Fault>),
    /// The call goes on waiting, until this time at the latest to be looked at again.
    Wait(Option<Instant>),
}

impl<T> Turn<T> {
    pub(crate) fn fail(error: Error) -> Self {
        Self::Done(Err(error.into()))
    }
}

/// Looks whether a call can end.
type ATurn<'t, 'a, E> = dyn FnMut(&mut Access<'_, 'a, <E as Engine<'a>>::Link, <E as Engine<'a>>::Storage>, Cue) -> Turn<()>
    + 't;

/// What may run on a thread while it waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Alertable {
    /// Its APCs and its blocking hook, and then the wait goes on.
    Yes,
    /// Nothing.
    No,
}

/// What a waiting call has to do before it sleeps.
#[derive(Default)]
struct Chores {
    hook: Option<BlockingHook>,
    #[cfg(feature = "alloc")]
    apc: Option<super::thread::Apc>,
}

impl Chores {
    fn any(&self) -> bool {
        #[cfg(feature = "alloc")]
        if self.apc.is_some() {
            return true;
        }
        self.hook.is_some()
    }
}

/// APCs that wait for one thread.
#[cfg(feature = "alloc")]
const MOST_APCS: usize = 4096;

/// How long a call with a blocking hook sleeps at the most before the hook runs again.
const HOOK_PERIOD: Duration = Duration::from_millis(20);

/// How many times in a row a blocking hook is run before the condition is tested again.
const HOOK_RUNS: usize = 64;

impl<'a, E: Engine<'a>> Process<'a, E> {
    /// Runs a call that may wait for something about the sockets `interest` (an empty list: about
    /// any). WSANOTINITIALISED and WSAEINPROGRESS come first.
    pub(crate) fn block<T>(
        &self,
        interest: &[u32],
        turn: impl FnMut(&mut Access<'_, 'a, E::Link, E::Storage>, Cue) -> Turn<T>,
    ) -> Result<T> {
        let thread = self.engine.thread();
        self.wait_loop(interest, Alertable::Yes, admitted(thread, turn))
    }

    /// The same for a wait during which neither APCs nor the hook run.
    pub(crate) fn block_undisturbed<T>(
        &self,
        interest: &[u32],
        turn: impl FnMut(&mut Access<'_, 'a, E::Link, E::Storage>, Cue) -> Turn<T>,
    ) -> Result<T> {
        let thread = self.engine.thread();
        self.wait_loop(interest, Alertable::No, admitted(thread, turn))
    }

    /// The same as [`Process::block`] for a call whose own list of checks has these two in it.
    ///
    /// `turn` is called at once and again whenever something may have changed, with exclusive
    /// access, until it says that the call is done. The wait is alertable: APCs queued to the
    /// thread run, and then the wait goes on.
    pub(crate) fn block_unadmitted<T>(
        &self,
        interest: &[u32],
        turn: impl FnMut(&mut Access<'_, 'a, E::Link, E::Storage>, Cue) -> Turn<T>,
    ) -> Result<T> {
        self.wait_loop(interest, Alertable::Yes, turn)
    }

    fn wait_loop<T>(
        &self,
        interest: &[u32],
        alertable: Alertable,
        mut turn: impl FnMut(&mut Access<'_, 'a, E::Link, E::Storage>, Cue) -> Turn<T>,
    ) -> Result<T> {
        let mut result = None;
        let outcome = self.wait(interest, alertable, &mut |access, cue| match turn(access, cue) {
            Turn::Wait(until) => Turn::Wait(until),
            Turn::Done(outcome) => Turn::Done(outcome.map(|value| result = Some(value))),
        });
        // A loop that ended well had its last turn end well.
        outcome.and_then(|()| result.ok_or(Error::WSAEINTR))
    }

    /// The loop itself, once for all calls: a program for a microcontroller has dozens of them.
    fn wait(
        &self,
        interest: &[u32],
        alertable: Alertable,
        turn: &mut ATurn<'_, 'a, E>,
    ) -> Result<()> {
        if let Some(error) = self.refusal() {
            return Err(error);
        }
        let thread = self.engine.thread();
        let mut entered = false;
        let mut stuck = false;
        loop {
            let step = self.engine.with(|access| {
                let record = access.core.thread_mut(thread);
                let cancelled = entered && record.is_some_and(|record| record.cancelled);
                let interrupted = cancelled || stuck;
                let cue = if interrupted { Cue::GiveUp(Error::WSAEINTR) } else { Cue::Look };
                let mut found = turn(access, cue);
                if !entered && matches!(found, Turn::Wait(_)) && access.core.in_callback(thread) {
                    // Every call looks out for this before it begins anything. This is the net.
                    let _ = turn(access, Cue::GiveUp(Error::WSAEINPROGRESS));
                    found = Turn::fail(Error::WSAEINPROGRESS);
                }
                match found {
                    Turn::Wait(until) if !interrupted => {
                        if !entered && !access.enter_wait(thread) {
                            let _ = turn(access, Cue::GiveUp(Error::WSAENOBUFS));
                            let refused = Err(Error::WSAENOBUFS.into());
                            return Err(access.core.finish(thread, refused));
                        }
                        entered = true;
                        let chores = match alertable {
                            Alertable::Yes => access.chores(thread),
                            Alertable::No => Chores::default(),
                        };
                        Ok((access.core.epoch(), access.now, until, chores))
                    }
                    found => {
                        if entered {
                            access.leave_wait(thread);
                        }
                        // What the call has done by then counts: bytes that were taken out of a
                        // queue, or a connection that stands, are not given back.
                        let outcome = match found {
                            Turn::Done(outcome) => outcome,
                            Turn::Wait(_) => Err(Error::WSAEINTR.into()),
                        };
                        Err(access.core.finish(thread, outcome))
                    }
                }
            });
            let (seen, now, mut until, chores) = match step {
                Ok(wait) => wait,
                Err(outcome) => return outcome,
            };
            if chores.hook.is_some() && !self.engine.is_simulated() {
                // Nothing but time brings the hook its next turn.
                let next = now + HOOK_PERIOD;
                until = Some(until.map_or(next, |until| until.min(next)));
            }
            // An APC may have ended the wait, and others may be queued behind it: look again
            // before sleeping. What a hook did shows in the epoch.
            if chores.any() && self.run(thread, chores) {
                continue;
            }
            stuck = self.engine.wait(seen, interest, until) == Waited::Stuck;
        }
    }

    /// Runs an APC, or else the hook, outside any lock. True when an APC ran.
    fn run(&self, thread: u64, chores: Chores) -> bool {
        #[cfg(feature = "alloc")]
        if let Some(apc) = chores.apc {
            self.in_callback(thread, apc);
            return true;
        }
        if let Some(hook) = chores.hook {
            for _ in 0..HOOK_RUNS {
                if !hook.run() || self.is_cancelled(thread) {
                    break;
                }
            }
        }
        false
    }

    fn is_cancelled(&self, thread: u64) -> bool {
        self.engine.with(|access| access.core.thread(thread).is_some_and(|record| record.cancelled))
    }

    /// Runs the APCs that wait for this thread, in order, but not those that they queue.
    #[cfg(feature = "alloc")]
    pub(crate) fn run_apcs(&self, thread: u64) {
        let count = |record: &super::thread::Thread| record.apcs.len();
        let queued = self.engine.with(|access| access.core.thread(thread).map_or(0, count));
        for _ in 0..queued {
            if let Some(apc) = self.engine.with(|access| access.chores(thread).apc) {
                self.in_callback(thread, apc);
            }
        }
    }

    /// Runs `f`, a function of the caller's, on this thread; blocking calls made inside it are
    /// WSAEINPROGRESS.
    pub(crate) fn in_callback<T>(&self, thread: u64, f: impl FnOnce() -> T) -> T {
        self.engine.with(|access| {
            if let Some(record) = access.core.thread_mut(thread) {
                record.callbacks += 1;
            }
        });
        let _callback = Callback { process: self, thread };
        f()
    }

    /// QueueUserAPC: `apc` runs on `thread` ([`Process::thread`] there) in its next or present
    /// wait inside a blocking call, which then goes on waiting. False when as many wait as a thread
    /// may have, or when the process keeps no more records of threads.
    #[cfg(feature = "alloc")]
    pub fn queue_user_apc(&self, thread: u64, apc: super::thread::Apc) -> bool {
        if self.refusal().is_some() {
            return false;
        }
        self.engine.with(|access| {
            let Some(record) = access.core.thread_mut(thread) else { return false };
            if record.apcs.len() >= MOST_APCS {
                return false;
            }
            record.apcs.push_back(apc);
            access.core.touch_all();
            true
        })
    }

    /// WSASetBlockingHook: `hook` runs while this thread's blocking calls wait, until it returns
    /// false, again and again. Gives the hook that was set before.
    ///
    /// # Errors
    /// WSANOTINITIALISED; WSAEINPROGRESS inside a blocking call; WSAEOPNOTSUPP in a process that
    /// never negotiated version 1.1, as Winsock 2 has no hooks; WSAENOBUFS.
    pub fn wsa_set_blocking_hook(&self, hook: BlockingHook) -> Result<Option<BlockingHook>> {
        let thread = self.engine.thread();
        self.call(|access| {
            if !access.core.ever_1_1 {
                return Err(Error::WSAEOPNOTSUPP.into());
            }
            let record = access.core.thread_mut(thread).ok_or(Error::WSAENOBUFS)?;
            Ok(record.hook.replace(hook))
        })
    }

    /// WSAUnhookBlockingHook: back to no hook.
    ///
    /// # Errors
    /// As [`Process::wsa_set_blocking_hook`].
    pub fn wsa_unhook_blocking_hook(&self) -> Result<()> {
        let thread = self.engine.thread();
        self.call(|access| {
            if !access.core.ever_1_1 {
                return Err(Error::WSAEOPNOTSUPP.into());
            }
            if let Some(record) = access.core.thread_mut(thread) {
                record.hook = None;
            }
            Ok(())
        })
    }

    /// WSAIsBlocking: whether this thread is inside a blocking call (and so inside a hook or
    /// another callback of it). Does not touch the last error.
    pub fn wsa_is_blocking(&self) -> bool {
        if self.refusal().is_some() {
            return false;
        }
        let thread = self.engine.thread();
        self.engine
            .with(|access| access.core.thread(thread).is_some_and(|record| record.blocking > 0))
    }

    /// WSACancelBlockingCall: the blocking call that this thread is inside of ends with WSAEINTR
    /// as soon as its hook has returned.
    ///
    /// # Errors
    /// WSANOTINITIALISED; WSAEOPNOTSUPP in a process that never negotiated version 1.1;
    /// WSAEINVAL when no blocking call is in progress.
    pub fn wsa_cancel_blocking_call(&self) -> Result<()> {
        if let Some(error) = self.refusal() {
            return Err(error);
        }
        let thread = self.engine.thread();
        self.engine.with(|access| {
            let outcome = access.cancel(thread);
            access.core.finish(thread, outcome.map_err(Fault::from))
        })
    }
}

/// `turn` behind the first two questions of every call.
fn admitted<'a, L, S, T>(
    thread: u64,
    mut turn: impl FnMut(&mut Access<'_, 'a, L, S>, Cue) -> Turn<T>,
) -> impl FnMut(&mut Access<'_, 'a, L, S>, Cue) -> Turn<T>
where
    L: tapsock_stack::link::Link,
    S: tapsock_stack::storage::Storage<'a>,
{
    let mut admitted = false;
    move |access, cue| {
        if !admitted && let Err(error) = access.core.admit(thread) {
            return Turn::fail(error);
        }
        admitted = true;
        turn(access, cue)
    }
}

/// A function of the caller's that runs. It ends also where it panics.
struct Callback<'p, 'a, E: Engine<'a>> {
    process: &'p Process<'a, E>,
    thread: u64,
}

impl<'a, E: Engine<'a>> Drop for Callback<'_, 'a, E> {
    fn drop(&mut self) {
        self.process.engine.with(|access| {
            if let Some(record) = access.core.thread_mut(self.thread) {
                record.callbacks = record.callbacks.saturating_sub(1);
            }
        });
    }
}

impl<'a, L, S> Access<'_, 'a, L, S>
where
    L: tapsock_stack::link::Link,
    S: tapsock_stack::storage::Storage<'a>,
{
    /// False when there is no record for the thread and no room for one: a call that nobody can
    /// interrupt must not wait.
    fn enter_wait(&mut self, thread: u64) -> bool {
        let Some(record) = self.core.thread_mut(thread) else { return false };
        record.blocking += 1;
        record.cancelled = false;
        true
    }

    fn leave_wait(&mut self, thread: u64) {
        if let Some(record) = self.core.thread_mut(thread) {
            record.blocking = record.blocking.saturating_sub(1);
            record.cancelled = false;
        }
    }

    fn chores(&mut self, thread: u64) -> Chores {
        let hooks = self.core.ever_1_1;
        let Some(record) = self.core.thread_mut(thread) else { return Chores::default() };
        Chores {
            hook: record.hook.clone().filter(|_| hooks),
            // One at a time, so that what an APC did is seen before the next one runs.
            #[cfg(feature = "alloc")]
            apc: record.apcs.pop_front(),
        }
    }

    fn cancel(&mut self, thread: u64) -> Result<()> {
        self.core.admit_started()?;
        if !self.core.ever_1_1 {
            return Err(Error::WSAEOPNOTSUPP);
        }
        match self.core.thread_mut(thread) {
            Some(record) if record.blocking > 0 => record.cancelled = true,
            _ => return Err(Error::WSAEINVAL),
        }
        self.core.touch_all();
        Ok(())
    }

    /// Whether a call on a blocking socket may begin on this thread: not inside a callback.
    pub(crate) fn may_block(&self, thread: u64, s: SocketHandle) -> Result<()> {
        let blocking = self.core.socket(s).is_ok_and(|socket| !socket.nonblocking);
        if blocking && self.core.in_callback(thread) { Err(Error::WSAEINPROGRESS) } else { Ok(()) }
    }
}
