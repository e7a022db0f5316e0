//! Whether this process is the one that made something, or a child of it by fork.
//!
//! The process's identity says so too, for a system call at each question. A page that a child does
//! not inherit says it for a load.
//!
//! Unsafe: the page is the system's.
#![allow(unsafe_code)]

use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicU8, Ordering};
use std::process;

use rustix::io;
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};

/// The system makes a whole page of it.
const LEN: usize = 1;

/// A mark of the process that makes it.
#[derive(Debug)]
pub struct ForkMark {
    /// Not 0 in this process. Absent where a kernel has no such pages: before Linux 4.14.
    byte: Option<NonNull<AtomicU8>>,
    process: u32,
}

// SAFETY: the byte is atomic, and the mapping lives until the mark is dropped.
unsafe impl Send for ForkMark {}
// SAFETY: as above.
unsafe impl Sync for ForkMark {}

impl ForkMark {
    /// A mark of the calling process.
    pub fn new() -> Self {
        Self { byte: byte().ok(), process: process::id() }
    }

    /// Whether the calling process is another one: a child, or a child's.
    pub fn is_inherited(&self) -> bool {
        match self.byte {
            // SAFETY: the mapping is dropped with `self`.
            Some(byte) => unsafe { byte.as_ref() }.load(Ordering::Relaxed) == 0,
            None => self.process != process::id(),
        }
    }
}

impl Default for ForkMark {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for ForkMark {
    fn drop(&mut self) {
        if let Some(byte) = self.byte {
            // SAFETY: it was mapped for this mark alone, which lends it to nobody.
            let unmapped = unsafe { munmap(byte.as_ptr().cast(), LEN) };
            debug_assert!(unmapped.is_ok(), "it was mapped with this length");
        }
    }
}

/// A byte that is 1 here and 0 in every child.
fn byte() -> io::Result<NonNull<AtomicU8>> {
    let protection = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: a new mapping at a place that the system chooses is in nobody's way.
    let start = unsafe { mmap_anonymous(ptr::null_mut(), LEN, protection, MapFlags::PRIVATE)? };
    // SAFETY: the mapping is ours, and nobody has a reference into it.
    if let Err(refused) = unsafe { madvise(start, LEN, Advice::LinuxWipeOnFork) } {
        // SAFETY: as above.
        let _ = unsafe { munmap(start, LEN) };
        return Err(refused);
    }
    let byte = NonNull::new(start.cast::<AtomicU8>()).ok_or(io::Errno::NOMEM)?;
    // SAFETY: the page is there, and zero is a value of the byte.
    unsafe { byte.as_ref() }.store(1, Ordering::Relaxed);
    Ok(byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_made_a_mark_has_not_inherited_it() {
        let mark = ForkMark::new();
        assert!(!mark.is_inherited());
        let without = ForkMark { byte: None, process: process::id() };
        assert!(!without.is_inherited());
        let others = ForkMark { byte: None, process: 0 };
        assert!(others.is_inherited());
    }

    #[test]
    fn a_child_sees_that_it_has_inherited_it() {
        let mark = ForkMark::new();
        for level in 0..2 {
            // SAFETY: the child does nothing but look and exit, without any lock.
            let child = unsafe { libc::fork() };
            if child == 0 {
                // SAFETY: as above.
                unsafe { libc::_exit(i32::from(!mark.is_inherited())) };
            }
            let mut status = -1;
            // SAFETY: the status is ours.
            assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
            assert_eq!(status, 0, "{level}");
        }
    }
}
