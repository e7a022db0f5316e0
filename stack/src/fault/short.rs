//! Short lists and names that are part of their owner, so that a table of rules can be a constant.

use core::fmt;
use core::ops::Deref;

/// At most `N` items, held in place.
#[derive(Clone, Copy)]
pub struct Short<T, const N: usize> {
    items: [T; N],
    len: u8,
}

impl<T: Copy, const N: usize> Short<T, N> {
    /// An empty list; `fill` stands in the places that are not used.
    pub const fn empty(fill: T) -> Self {
        Self { items: [fill; N], len: 0 }
    }

    /// A copy of `items`, or `None` when they are more than `N`.
    pub const fn of(fill: T, items: &[T]) -> Option<Self> {
        let mut list = Self::empty(fill);
        if items.len() > N || items.len() > u8::MAX as usize {
            return None;
        }
        while (list.len as usize) < items.len() {
            list.items[list.len as usize] = items[list.len as usize];
            list.len += 1;
        }
        Some(list)
    }

    /// Appends `item`, or gives it back when the list is full.
    ///
    /// # Errors
    /// The item.
    pub fn push(&mut self, item: T) -> Result<(), T> {
        match self.items.get_mut(usize::from(self.len)) {
            Some(place) if self.len < u8::MAX => {
                *place = item;
                self.len += 1;
                Ok(())
            }
            _ => Err(item),
        }
    }
}

impl<T, const N: usize> Deref for Short<T, N> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        self.items.get(..usize::from(self.len)).unwrap_or(&[])
    }
}

impl<T: PartialEq, const N: usize> PartialEq for Short<T, N> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Eq, const N: usize> Eq for Short<T, N> {}

impl<T: fmt::Debug, const N: usize> fmt::Debug for Short<T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// The name of a rule or an event: at most [`Name::LONGEST`] bytes of UTF-8.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Name(Short<u8, { Name::LONGEST }>);

impl Name {
    /// The most bytes of a name.
    pub const LONGEST: usize = 48;
    /// The empty name.
    pub const NONE: Self = Self(Short::empty(0));

    /// `text` as a name; `None` when it is too long.
    pub const fn new(text: &str) -> Option<Self> {
        match Short::of(0, text.as_bytes()) {
            Some(bytes) => Some(Self(bytes)),
            None => None,
        }
    }

    /// A name that is written in the program.
    ///
    /// # Panics
    /// When it is longer than [`Name::LONGEST`]; in a constant that is an error at compile time.
    pub const fn literal(text: &'static str) -> Self {
        match Self::new(text) {
            Some(name) => name,
            None => panic!("a name has at most 48 bytes"),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        // It came from a text, whole.
        core::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_full_at_its_capacity() {
        let mut list = Short::<u8, 2>::empty(0);
        assert_eq!(list.push(1), Ok(()));
        assert_eq!(list.push(2), Ok(()));
        assert_eq!(list.push(3), Err(3));
        assert_eq!(*list, [1, 2]);
        assert_eq!(Short::<u8, 2>::of(0, &[1, 2]), Some(list));
        assert_eq!(Short::<u8, 2>::of(0, &[1, 2, 3]), None);
    }

    #[test]
    fn a_name_of_48_bytes_fits_and_one_of_49_does_not() {
        let text = "123456789012345678901234567890123456789012345678";
        assert_eq!(Name::new(text).map(|name| name.as_str().len()), Some(48));
        assert_eq!(Name::new("1234567890123456789012345678901234567890123456789"), None);
        const NAME: Name = Name::literal("lose-1st-synack");
        assert_eq!(NAME.as_str(), "lose-1st-synack");
    }
}
