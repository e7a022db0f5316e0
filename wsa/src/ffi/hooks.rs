//! Blocking hooks, which only programs of version 1.1 have.

use core::cell::Cell;
use core::ffi::c_int;

use super::guard::{self, on_process};
use super::{SOCKET_ERROR, global};
use crate::error::Error;
use crate::process::BlockingHook;

/// A blocking hook: true when there may be more to do for it.
pub type BlockingProc = unsafe extern "C-unwind" fn() -> c_int;

std::thread_local! {
    /// The hook that this thread has set.
    static HOOK: Cell<Option<BlockingProc>> = const { Cell::new(None) };
}

/// What there is where no hook was set.
extern "C-unwind" fn default_hook() -> c_int {
    0
}

/// WSASetBlockingHook. Gives the hook before it, or a null pointer after an error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn WSASetBlockingHook(hook: Option<BlockingProc>) -> Option<BlockingProc> {
    on_process(None, |process| {
        let Some(hook) = hook else { return guard::refuse(process, Error::WSAEFAULT) };
        // SAFETY: the caller's function, of the type that it was declared to have.
        process.wsa_set_blocking_hook(BlockingHook::new(move || unsafe { hook() } != 0))?;
        Ok(Some(HOOK.replace(Some(hook)).unwrap_or(default_hook)))
    })
}

/// WSAUnhookBlockingHook.
#[unsafe(no_mangle)]
pub extern "C" fn WSAUnhookBlockingHook() -> c_int {
    on_process(SOCKET_ERROR, |process| {
        process.wsa_unhook_blocking_hook()?;
        HOOK.set(None);
        Ok(0)
    })
}

/// WSAIsBlocking.
#[unsafe(no_mangle)]
pub extern "C" fn WSAIsBlocking() -> c_int {
    let is_blocking = guard::contain(|| match global::process() {
        Ok(process) => process.wsa_is_blocking(),
        Err(_) => false,
    });
    c_int::from(is_blocking == Some(true))
}

/// WSACancelBlockingCall.
#[unsafe(no_mangle)]
pub extern "C" fn WSACancelBlockingCall() -> c_int {
    on_process(SOCKET_ERROR, |process| process.wsa_cancel_blocking_call().map(|()| 0))
}
