//! The two boards.

#[cfg(target_arch = "arm")]
mod cortex_m;
#[cfg(target_arch = "arm")]
mod lan9118;
#[cfg(target_arch = "x86_64")]
mod virtio;
#[cfg(target_arch = "x86_64")]
mod x86_64;

#[cfg(target_arch = "arm")]
pub use cortex_m::{exit, memory, micros, paint, sleep, write};
#[cfg(target_arch = "arm")]
pub use lan9118::Nic;
#[cfg(target_arch = "x86_64")]
pub use virtio::Nic;
#[cfg(target_arch = "x86_64")]
pub use x86_64::{exit, memory, micros, paint, sleep, write};

/// What a program has used of its memory, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct MemoryUse {
    /// Variables that live as long as the program.
    pub statics: usize,
    /// The deepest that the stack has been so far.
    pub stack: usize,
}
