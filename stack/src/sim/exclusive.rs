//! A lock that refuses to wait for itself.

use core::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

/// A mutex that panics, with a sentence that says why, where a thread would wait for itself for
/// ever.
#[derive(Debug)]
pub(super) struct Exclusive<T> {
    value: Mutex<T>,
    holder: Mutex<Option<ThreadId>>,
}

impl<T> Exclusive<T> {
    pub(super) fn new(value: T) -> Self {
        Self { value: Mutex::new(value), holder: Mutex::new(None) }
    }

    pub(super) fn enter(&self) -> Entered<'_, T> {
        let this = thread::current().id();
        // Poisoned means that the caller's own code panicked within. Whoever goes on after that
        // finds what it left behind.
        let holder = *self.holder.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(
            holder != Some(this),
            "a simulated party was entered, or its world stepped, from within its own code"
        );
        let value = self.value.lock().unwrap_or_else(PoisonError::into_inner);
        *self.holder.lock().unwrap_or_else(PoisonError::into_inner) = Some(this);
        Entered { value, holder: &self.holder }
    }
}

/// The value, locked, and the thread noted as its holder.
pub(super) struct Entered<'a, T> {
    value: MutexGuard<'a, T>,
    holder: &'a Mutex<Option<ThreadId>>,
}

impl<T> Deref for Entered<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Entered<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<T> Drop for Entered<'_, T> {
    fn drop(&mut self) {
        // Before `value` unlocks, which happens after this.
        *self.holder.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
