//! Values that are the same for most sockets.

use core::ops::{Deref, DerefMut};

#[cfg(feature = "alloc")]
use alloc::boxed::Box;

/// A type with a value that most sockets have.
pub(crate) trait Common: Clone + 'static {
    /// That value.
    const COMMON: &'static Self;
}

/// A value that takes memory only where it was written to, if there is a heap: of a hundred thousand
/// connections hardly one has failed, or options of its own.
#[derive(Debug, Clone)]
#[cfg(feature = "alloc")]
pub(crate) struct Usual<T>(Option<Box<T>>);

/// The same in place, where there is no heap.
#[derive(Debug, Clone)]
#[cfg(not(feature = "alloc"))]
pub(crate) struct Usual<T>(T);

#[cfg(feature = "alloc")]
impl<T: Common> Default for Usual<T> {
    fn default() -> Self {
        Self(None)
    }
}

#[cfg(not(feature = "alloc"))]
impl<T: Common> Default for Usual<T> {
    fn default() -> Self {
        Self(T::COMMON.clone())
    }
}

impl<T: Common> Deref for Usual<T> {
    type Target = T;

    fn deref(&self) -> &T {
        #[cfg(feature = "alloc")]
        return self.0.as_deref().unwrap_or(T::COMMON);
        #[cfg(not(feature = "alloc"))]
        &self.0
    }
}

impl<T: Common> DerefMut for Usual<T> {
    fn deref_mut(&mut self) -> &mut T {
        #[cfg(feature = "alloc")]
        return self.0.get_or_insert_with(|| Box::new(T::COMMON.clone()));
        #[cfg(not(feature = "alloc"))]
        &mut self.0
    }
}
