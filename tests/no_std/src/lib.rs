//! Links the stack and the core of `wsa` where there is no operating system.
//!
//! The library has a panic handler of its own, so that `std` anywhere below it is a second one and
//! fails to compile (E0152), and no allocator, so that `alloc` anywhere below it fails to build,
//! too. [`tapsock_no_std`] has both ends of its connections in one process; `check` runs it from a
//! C program.
#![no_std]

mod exchange;
mod faults;
mod winsock;

use core::panic::PanicInfo;

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    // SAFETY: abort of the C library takes nothing and does not return.
    unsafe { abort() }
}

unsafe extern "C" {
    fn abort() -> !;
}

/// Named by the precompiled `core`, which is built for unwinding; nothing here unwinds.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

/// Gives 0 when all went well, otherwise the number of the step that did not.
#[unsafe(no_mangle)]
pub extern "C" fn tapsock_no_std() -> i32 {
    match exchange::stack().and_then(|()| winsock::winsock(40)).and_then(|()| faults::faults(100)) {
        Ok(()) => 0,
        Err(step) => step,
    }
}
