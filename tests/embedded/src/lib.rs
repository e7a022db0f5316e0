//! A board without an operating system, for images that run the stack in QEMU: its clock, its
//! console, its Ethernet controller as a link, and how a run ends.
//!
//! The board is an ARM MPS2 with a Cortex-M4F and a LAN9118. Where no compiler for it is to be had,
//! it is a bare x86-64 with a virtio network device.
#![no_std]

mod board;
pub mod machine;
mod out;

pub use board::{ADDRESS, GATEWAY, HARDWARE_ADDRESS, clock, idle, random};
pub use machine::Nic;
pub use out::Console;

use core::panic::PanicInfo;
use core::sync::atomic::{AtomicBool, Ordering};

/// How a run ended, as QEMU's exit status says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Outcome {
    /// Everything passed.
    Passed = 16,
    /// Something did not.
    Failed = 17,
    /// The program panicked.
    Panicked = 18,
    /// The processor took an exception.
    Fault = 19,
}

/// Says what runs once the board is ready, a function without arguments that gives an [`Outcome`].
#[macro_export]
macro_rules! start {
    ($program:expr) => {
        #[unsafe(no_mangle)]
        extern "C" fn program() -> $crate::Outcome {
            let program: fn() -> $crate::Outcome = $program;
            program()
        }
    };
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    static AGAIN: AtomicBool = AtomicBool::new(false);
    // The console may be what panics.
    if !AGAIN.load(Ordering::Relaxed) {
        AGAIN.store(true, Ordering::Relaxed);
        say!("PANIC: {info}");
    }
    machine::exit(Outcome::Panicked)
}
