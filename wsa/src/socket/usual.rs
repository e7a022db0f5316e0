//! Values that are the same for most sockets.

use core::ops::{Deref, DerefMut};

#[cfg(feature = "alloc")]
use alloc::sync::Arc;

/// A type with a value that most sockets have.
pub(crate) trait Common: Clone + 'static {
    /// That value.
    const COMMON: &'static Self;
}

/// A value that takes memory only where it was written to, if there is a heap: of a hundred thousand
/// connections hardly one has failed, or options of its own. Clones share it until one is written
/// to, as those that a listener accepts share its options.
#[derive(Debug, Clone)]
#[cfg(feature = "alloc")]
pub(crate) struct Usual<T>(Option<Arc<T>>);

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
        return Arc::make_mut(self.0.get_or_insert_with(|| Arc::new(T::COMMON.clone())));
        #[cfg(not(feature = "alloc"))]
        &mut self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, PartialEq)]
    struct Number(u32);

    impl Common for Number {
        const COMMON: &'static Self = &Self(7);
    }

    #[test]
    fn clones_share_a_value_until_one_is_written_to() {
        let mut first = Usual::<Number>::default();
        assert_eq!(*first, Number(7));
        *first = Number(8);
        let mut second = first.clone();
        assert!(core::ptr::eq(&*first, &*second));
        *second = Number(9);
        assert_eq!((&*first, &*second), (&Number(8), &Number(9)));
        assert_eq!(*Usual::<Number>::default(), Number(7));
    }
}
