//! A process on a host of a simulated network.

use alloc::sync::Arc;
use core::cell::Cell;
use core::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread_local;

use tapsock_stack::sim::{Host, Port, Stepped, World};
use tapsock_stack::storage::Growable;
use tapsock_stack::time::Instant;

use super::super::{Access, Engine, Waited, deliver};
use crate::process::{Core, Process};

/// A host of a simulated network. A blocked call steps the whole network until its condition
/// holds; when nothing will ever happen again, the call ends with WSAEINTR.
///
/// The other parties of a scene are actors of the [`World`] that use clones of an `Arc` of a
/// process. An actor that plays another thread of a process says so with [`as_thread`]. A
/// blocking call inside an actor holds up the call that was blocked before, until it ends.
#[derive(Debug)]
pub struct Simulated {
    host: Host,
    core: Mutex<Core<'static, Growable>>,
}

impl Simulated {
    /// An engine on `host`. A host has one process.
    pub fn new(host: Host) -> Self {
        Self { host, core: Mutex::new(Core::new()) }
    }

    /// A process on `host`, ready to be shared with actors.
    pub fn process(host: Host) -> Arc<Process<'static, Self>> {
        Arc::new(Process::new(Self::new(host)))
    }

    /// The host.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The network.
    pub fn world(&self) -> &World {
        self.host.world()
    }

    fn core(&self) -> MutexGuard<'_, Core<'static, Growable>> {
        // A poisoned lock means that a test's own closure panicked; its state is still whole.
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine<'static> for Simulated {
    type Link = Port;
    type Storage = Growable;

    fn with<R>(&self, f: impl FnOnce(&mut Access<'_, 'static, Port, Growable>) -> R) -> R {
        let result = self.host.with(|stack, now| {
            let mut core = self.core();
            core.absorb(stack, now);
            let result = f(&mut Access { core: &mut core, stack, now });
            // The world polls the host in its next step; what happened in the call itself counts
            // at once.
            core.absorb(stack, now);
            result
        });
        deliver(|step| self.core().delivery(step, self.thread()));
        result
    }

    fn wait(&self, seen: u64, interest: &[u32], until: Option<Instant>) -> Waited {
        if self.with(|access| access.core.changed(seen, interest)) {
            return Waited::Again;
        }
        match until {
            // Once the clock shows that time, the caller's own test ends the wait.
            Some(until) => {
                let _ = self.world().step_until(until);
                Waited::Again
            }
            None if self.world().step() == Stepped::Progressed => Waited::Again,
            None => Waited::Stuck,
        }
    }

    fn is_simulated(&self) -> bool {
        true
    }

    fn thread(&self) -> u64 {
        PLAYED.get().unwrap_or_else(|| OWN.with(|own| *own))
    }
}

static THREADS: AtomicU64 = AtomicU64::new(1 << 32);

thread_local! {
    /// The thread that an actor plays.
    static PLAYED: Cell<Option<u64>> = const { Cell::new(None) };
    static OWN: u64 = THREADS.fetch_add(1, Ordering::Relaxed);
}

/// Runs `f` as if on another thread: last errors and "inside a blocking call" are those of
/// `thread`, any number below 2^32.
pub fn as_thread<R>(thread: u64, f: impl FnOnce() -> R) -> R {
    struct Restore(Option<u64>);
    impl Drop for Restore {
        fn drop(&mut self) {
            PLAYED.set(self.0);
        }
    }
    let _restore = Restore(PLAYED.replace(Some(thread)));
    f()
}
