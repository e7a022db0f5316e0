//! What belongs to a process and a thread together.

use core::fmt;

use tapsock_stack::event::Cause;
use tapsock_stack::storage::List;

use crate::error::Error;

/// A function that a blocking call of a version 1.1 process runs while it waits, again and again
/// until it returns false.
#[derive(Clone)]
pub enum BlockingHook {
    /// A plain function, as in Winsock.
    Function(fn() -> bool),
    /// A closure.
    #[cfg(feature = "alloc")]
    Shared(alloc::sync::Arc<dyn Fn() -> bool + Send + Sync>),
}

impl BlockingHook {
    /// A hook from a closure.
    #[cfg(feature = "alloc")]
    pub fn new(hook: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self::Shared(alloc::sync::Arc::new(hook))
    }

    pub(crate) fn run(&self) -> bool {
        match self {
            Self::Function(hook) => hook(),
            #[cfg(feature = "alloc")]
            Self::Shared(hook) => hook(),
        }
    }
}

impl fmt::Debug for BlockingHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BlockingHook")
    }
}

/// A user APC: runs on the thread that it was queued to, the next time that one waits.
#[cfg(feature = "alloc")]
pub type Apc = alloc::boxed::Box<dyn FnOnce() + Send>;

/// The most records of threads that a process keeps. Beyond it, the record that was used least
/// recently and belongs to no waiting call is given up, and with it that thread's last error.
const MOST_THREADS: usize = 1024;

/// What a process knows about a thread.
#[derive(Default)]
pub(crate) struct Thread {
    id: u64,
    used: u64,
    /// What WSAGetLastError gives.
    pub(crate) last_error: i32,
    /// The evidence of the last failure.
    pub(crate) cause: Option<Cause>,
    /// How many blocking calls wait, one inside a callback of another.
    pub(crate) blocking: u32,
    /// WSACancelBlockingCall was called inside the innermost of them.
    pub(crate) cancelled: bool,
    /// How many callbacks run: condition functions, APCs.
    pub(crate) callbacks: u32,
    /// SO_OPENTYPE.
    pub(crate) open_type: u32,
    /// The hook of a version 1.1 process.
    pub(crate) hook: Option<BlockingHook>,
    #[cfg(feature = "alloc")]
    pub(crate) apcs: alloc::collections::VecDeque<Apc>,
}

impl Thread {
    fn new(id: u64) -> Self {
        Self { id, ..Self::default() }
    }

    /// Whether an APC waits to run.
    pub(crate) fn is_alerted(&self) -> bool {
        #[cfg(feature = "alloc")]
        if !self.apcs.is_empty() {
            return true;
        }
        false
    }

    fn is_idle(&self) -> bool {
        !self.is_alerted()
            && self.blocking == 0
            && self.callbacks == 0
            && self.hook.is_none()
            && self.open_type == 0
    }
}

/// The records of a process's threads, sorted by identity.
pub(crate) struct Threads<L> {
    records: L,
    clock: u64,
}

impl<L: List<Thread>> Threads<L> {
    pub(crate) fn new() -> Self {
        Self { records: L::default(), clock: 0 }
    }

    pub(crate) fn get(&self, id: u64) -> Option<&Thread> {
        let at = self.records.binary_search_by_key(&id, |thread| thread.id).ok()?;
        self.records.get(at)
    }

    /// The record of a thread, made if there is none. `None` where there is no room for it, which
    /// takes as many waiting threads as the table has places.
    pub(crate) fn get_mut(&mut self, id: u64) -> Option<&mut Thread> {
        self.clock += 1;
        let at = match self.records.binary_search_by_key(&id, |thread| thread.id) {
            Ok(at) => at,
            Err(_) => {
                let room = self.records.limit().unwrap_or(MOST_THREADS).min(MOST_THREADS);
                if self.records.len() >= room {
                    self.evict();
                }
                let at = self.records.partition_point(|thread| thread.id < id);
                self.records.insert_at(at, Thread::new(id)).ok()?;
                at
            }
        };
        let thread = self.records.get_mut(at)?;
        thread.used = self.clock;
        Some(thread)
    }

    fn evict(&mut self) {
        let idle = self.records.iter().enumerate().filter(|(_, thread)| thread.is_idle());
        let Some((at, _)) = idle.min_by_key(|(_, thread)| thread.used) else { return };
        self.records.remove_at(at);
    }
}

/// A failure on its way out of a call: the code, and what decided it where the wire did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) error: Error,
    pub(crate) cause: Option<Cause>,
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self { error, cause: None }
    }
}
