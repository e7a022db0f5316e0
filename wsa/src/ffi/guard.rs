//! What stands around every exported function: no panic leaves it, and it sets the last error.

use core::cell::Cell;
use core::ffi::c_void;
use std::panic::{self, AssertUnwindSafe};
use std::string::String;

use super::global;
use crate::error::{Error, Result};
use crate::process::SocketHandle;
use crate::start::ThreadedProcess;

std::thread_local! {
    /// What WSAGetLastError gives. Not the process's own record of the thread, because it exists
    /// before there is a process, and in the child of a fork, where nothing may be locked.
    static LAST_ERROR: Cell<i32> = const { Cell::new(0) };
}

/// The calling thread's last error.
pub(super) fn last_error() -> i32 {
    LAST_ERROR.get()
}

/// Sets the calling thread's last error.
pub(super) fn set_last_error(code: i32) {
    LAST_ERROR.set(code);
}

/// A call on the process: WSAENETDOWN in the child of a fork, WSANOTINITIALISED before the first
/// WSAStartup, or what `body` gives. The last error is 0 after success; after an error it says
/// which, and `failed` is returned.
pub(super) fn on_process<T>(
    failed: T,
    body: impl FnOnce(&'static ThreadedProcess) -> Result<T>,
) -> T {
    call(failed, || body(global::process()?))
}

/// The same for a call that needs no process.
pub(super) fn call<T>(failed: T, body: impl FnOnce() -> Result<T>) -> T {
    match contain(body).unwrap_or(Err(Error::WSASYSCALLFAILURE)) {
        Ok(value) => {
            set_last_error(0);
            value
        }
        Err(error) => {
            set_last_error(error.code());
            failed
        }
    }
}

/// A call whose arguments are refused here: `error`, unless the process has something to say
/// before that.
pub(super) fn refuse<T>(process: &ThreadedProcess, error: Error) -> Result<T> {
    process.call(|_| Err(error.into()))
}

/// WSAENOTSOCK, unless the handle is a socket's.
pub(super) fn check_socket(process: &ThreadedProcess, s: SocketHandle) -> Result<()> {
    process.call(|access| Ok(access.core.socket(s).map(|_| ())?))
}

/// WSAEOPNOTSUPP for a structure or a routine of an overlapped operation: there are none yet, and
/// who waits for one to end would wait for ever.
pub(super) fn check_not_overlapped(
    process: &ThreadedProcess,
    s: SocketHandle,
    overlapped: *const c_void,
    routine: *const c_void,
) -> Result<()> {
    if overlapped.is_null() && routine.is_null() {
        return Ok(());
    }
    check_socket(process, s)?;
    Err(Error::WSAEOPNOTSUPP)
}

/// Runs `body`; `None` when it panicked, which is logged.
pub(super) fn contain<T>(body: impl FnOnce() -> T) -> Option<T> {
    // What a panic leaves behind is whole: the engine's lock is given up between calls only.
    match panic::catch_unwind(AssertUnwindSafe(body)) {
        Ok(value) => Some(value),
        Err(payload) => {
            let text = payload
                .downcast_ref::<&str>()
                .copied()
                .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
                .unwrap_or("no message");
            log::error!("a call panicked: {text}");
            // Whatever it is, its destructor must not have the last word.
            core::mem::forget(payload);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_a_code_and_the_next_call_works() {
        let code = call(-1, || panic!("on purpose, in a test"));
        assert_eq!((code, last_error()), (-1, 10107));
        let code = call(-1, || Err(Error::WSAEFAULT));
        assert_eq!((code, last_error()), (-1, 10014));
        assert_eq!((call(-1, || Ok(7)), last_error()), (7, 0));
    }
}
