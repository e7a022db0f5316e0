//! Links the stack and the core of `wsa` where there is no operating system.
//!
//! The library has a panic handler of its own, so that `std` anywhere below it is a second one and
//! fails to compile (E0152), and no allocator, so that `alloc` anywhere below it fails to link.
//! [`tapsock_no_std`] makes both ends of a connection in one process and moves bytes over it;
//! `check` runs it from a C program.
#![no_std]

use core::panic::PanicInfo;

use tapsock_stack::storage::{Fixed, Memory, Storage};

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
    let mut memory = Memory::<4, 2048>::new();
    let mut storage = Fixed::<4, 16, 1514>::new(&mut memory);
    let Some(cell) = storage.socket(0, 0) else { return 1 };
    storage.recycle(cell);
    0
}
