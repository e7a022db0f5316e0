//! The one process that C needs: its birth in WSAStartup, its end at exit, and its forks.

use core::ptr;
use core::sync::atomic::{AtomicU32, Ordering};
use std::io::{self, Write};
use std::string::{String, ToString};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::{process, thread};

use super::{guard, memory};
use crate::config::{Configuration, Given};
use crate::engine::Engine as _;
use crate::error::{Error, Result};
use crate::recording::Recording;
use crate::start::{self, ThreadedProcess};

static PROCESS: OnceLock<ThreadedProcess> = OnceLock::new();

/// The process identity of the one that has a stack or is about to make it; 0 for none. It is
/// looked at before any lock: a child of a fork may inherit a lock that nobody will give up.
static OWNER: AtomicU32 = AtomicU32::new(0);

/// Held while the process is made.
static MAKING: Mutex<()> = Mutex::new(());

/// The process, if this is not a child of it and WSAStartup was called.
pub(super) fn process() -> Result<&'static ThreadedProcess> {
    match PROCESS.get() {
        // The engine knows whose it is, and need not ask the system.
        Some(process) if process.engine().is_down() => Err(Error::WSAENETDOWN),
        Some(process) => Ok(process),
        None if is_child() => Err(Error::WSAENETDOWN),
        None => Err(Error::WSANOTINITIALISED),
    }
}

/// The process, made if there is none. WSASYSNOTREADY when that is impossible, with one line on
/// standard error, or when this is a child.
pub(super) fn make_process() -> Result<&'static ThreadedProcess> {
    if is_child() {
        return Err(Error::WSASYSNOTREADY);
    }
    let _making = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(process) = PROCESS.get() {
        return Ok(process);
    }
    OWNER.store(process::id(), Ordering::Release);
    match make() {
        Ok(process) => Ok(PROCESS.get_or_init(|| process)),
        Err(why) => {
            OWNER.store(0, Ordering::Release);
            // Where standard error is closed there is nobody to be told.
            let _ = writeln!(io::stderr(), "libwsa: {why}");
            Err(Error::WSASYSNOTREADY)
        }
    }
}

/// Whether this is the child of a fork of the process that has the stack.
fn is_child() -> bool {
    let owner = OWNER.load(Ordering::Acquire);
    owner != 0 && owner != process::id()
}

fn make() -> Result<ThreadedProcess, String> {
    if !memory::is_available() {
        return Err("the kernel refuses process_vm_readv on this process itself, without which \
                    pointers cannot be checked"
            .into());
    }
    let configuration =
        Configuration::read(&Given::default()).map_err(|error| error.to_string())?;
    let signals = SignalsBlocked::new();
    let started = start::start(&configuration, None, |_| {});
    drop(signals);
    let process = started.map_err(|error| error.to_string())?;
    // SAFETY: `deliver` is a function that takes and returns nothing and does not unwind.
    if unsafe { libc::atexit(deliver) } != 0 {
        return Err("the system takes no more functions that run at exit".into());
    }
    Ok(process)
}

/// Runs at a normal end of the program: what was sent is delivered first.
extern "C" fn deliver() {
    let _ = guard::contain(|| {
        let Ok(process) = process() else { return };
        let recordings = process.engine().attached::<Recording>();
        // In a thread of its own, because this one's thread-local values are gone by now, and
        // without them it could not wait for another thread that leads.
        let delivery = thread::Builder::new().name("tapsock-exit".into());
        if let Ok(delivery) = delivery.spawn(|| process.engine().shut_down()) {
            // A panic there was reported where it happened.
            let _ = delivery.join();
        }
        for error in recordings.iter().filter_map(Recording::error) {
            // Where standard error is closed there is nobody to be told.
            let _ = writeln!(io::stderr(), "libwsa: {error}");
        }
    });
}

/// All signals are blocked on this thread, and on those that it starts: a signal handler of the
/// program's belongs on a thread of the program's.
struct SignalsBlocked {
    before: libc::sigset_t,
}

impl SignalsBlocked {
    fn new() -> Option<Self> {
        // SAFETY: a set of signals is plain bits, for which zero is a value.
        let (mut all, mut before): (libc::sigset_t, libc::sigset_t) =
            unsafe { (core::mem::zeroed(), core::mem::zeroed()) };
        // SAFETY: both sets are ours and live during the calls.
        let done = unsafe {
            libc::sigfillset(&mut all) == 0
                && libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut before) == 0
        };
        done.then_some(Self { before })
    }
}

impl Drop for SignalsBlocked {
    fn drop(&mut self) {
        // SAFETY: the set was filled in by `new`; the old mask is not asked for.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.before, ptr::null_mut()) };
    }
}
