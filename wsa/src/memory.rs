//! A caller's memory as safe values.
//!
//! Winsock takes pointers that may be null or lead nowhere, and says with WSAEFAULT when they do.
//! Here such a pointer is a value that says so itself; the C entry points build these values from
//! real pointers, and nothing behind them ever sees a pointer.

use tapsock_stack::source::Source;

/// A pointer to memory that a call reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Memory<'m> {
    /// A null pointer.
    #[default]
    Null,
    /// A pointer to memory that cannot be read.
    Unreadable,
    /// Readable bytes.
    Bytes(&'m [u8]),
}

impl<'m> Memory<'m> {
    /// The first `len` bytes, or `None` when not all of them can be read.
    pub fn read(self, len: usize) -> Option<&'m [u8]> {
        match self {
            Self::Null | Self::Unreadable => None,
            Self::Bytes(bytes) => bytes.get(..len),
        }
    }
}

impl<'m> From<&'m [u8]> for Memory<'m> {
    fn from(bytes: &'m [u8]) -> Self {
        Self::Bytes(bytes)
    }
}

impl<'m, const N: usize> From<&'m [u8; N]> for Memory<'m> {
    fn from(bytes: &'m [u8; N]) -> Self {
        Self::Bytes(bytes)
    }
}

/// A pointer to memory that a call writes.
#[derive(Debug, PartialEq, Eq, Default)]
pub enum MemoryMut<'m> {
    /// A null pointer.
    #[default]
    Null,
    /// A pointer to memory that cannot be written.
    Unwritable,
    /// Writable bytes.
    Bytes(&'m mut [u8]),
}

impl<'m> MemoryMut<'m> {
    /// The first `len` bytes, or `None` when not all of them can be written.
    pub fn write(&mut self, len: usize) -> Option<&mut [u8]> {
        match self {
            Self::Null | Self::Unwritable => None,
            Self::Bytes(bytes) => bytes.get_mut(..len),
        }
    }

    /// Whether the pointer is null.
    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The same pointer, for a while.
    pub(crate) fn reborrow(&mut self) -> MemoryMut<'_> {
        match self {
            Self::Null => MemoryMut::Null,
            Self::Unwritable => MemoryMut::Unwritable,
            Self::Bytes(bytes) => MemoryMut::Bytes(bytes),
        }
    }

    /// All bytes, or `None` when there are none to be written.
    pub fn bytes(self) -> Option<&'m mut [u8]> {
        match self {
            Self::Null | Self::Unwritable => None,
            Self::Bytes(bytes) => Some(bytes),
        }
    }
}

impl<'m> From<&'m mut [u8]> for MemoryMut<'m> {
    fn from(bytes: &'m mut [u8]) -> Self {
        Self::Bytes(bytes)
    }
}

impl<'m, const N: usize> From<&'m mut [u8; N]> for MemoryMut<'m> {
    fn from(bytes: &'m mut [u8; N]) -> Self {
        Self::Bytes(bytes)
    }
}

/// A pointer to a structure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Arg<T> {
    /// A null pointer: the argument is absent.
    #[default]
    Null,
    /// A pointer to memory that cannot be read, or not written where the call must write.
    Unreadable,
    /// The structure.
    Value(T),
}

impl<T> Arg<T> {
    /// The same pointer, to be looked through without giving it up.
    pub const fn as_ref(&self) -> Arg<&T> {
        match self {
            Self::Null => Arg::Null,
            Self::Unreadable => Arg::Unreadable,
            Self::Value(value) => Arg::Value(value),
        }
    }

    /// Whether the pointer is null.
    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The structure, if there is one.
    pub fn value(self) -> Option<T> {
        match self {
            Self::Null | Self::Unreadable => None,
            Self::Value(value) => Some(value),
        }
    }
}

/// A WSABUF that a call reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WsaBuf<'m> {
    /// Length in bytes.
    pub len: u32,
    /// The bytes.
    pub buf: Memory<'m>,
}

impl<'m> WsaBuf<'m> {
    /// A WSABUF of these bytes.
    pub fn new(bytes: &'m [u8]) -> Self {
        Self { len: u32::try_from(bytes.len()).unwrap_or(u32::MAX), buf: Memory::Bytes(bytes) }
    }

    /// Whether all `len` bytes are there.
    pub(crate) fn is_there(&self) -> bool {
        self.len == 0 || self.buf.read(self.len as usize).is_some()
    }

    /// The bytes; none where they cannot be read.
    pub(crate) fn bytes(&self) -> &'m [u8] {
        self.buf.read(self.len as usize).unwrap_or_default()
    }
}

/// All of its bytes are there or none.
impl Source for WsaBuf<'_> {
    fn total(&self) -> usize {
        self.len as usize
    }

    fn copy(&self, skip: usize, into: &mut [u8]) -> bool {
        self.bytes().copy(skip, into)
    }

    fn is_readable(&self, _: usize) -> bool {
        self.is_there()
    }

    #[cfg(feature = "alloc")]
    fn append(&self, skip: usize, kept: &mut alloc::vec::Vec<u8>) -> bool {
        self.is_there() && self.bytes().append(skip, kept)
    }
}

/// A WSABUF that a call fills.
#[derive(Debug, PartialEq, Eq, Default)]
pub struct WsaBufMut<'m> {
    /// Length in bytes. As callee data of a connect: of the room before the call, of what was
    /// written after it. In a list of a receiving call: of the room, and left alone.
    pub len: u32,
    /// The room.
    pub buf: MemoryMut<'m>,
}

impl<'m> WsaBufMut<'m> {
    /// A WSABUF of this room.
    pub fn new(room: &'m mut [u8]) -> Self {
        let len = u32::try_from(room.len()).unwrap_or(u32::MAX);
        Self { len, buf: MemoryMut::Bytes(room) }
    }

    /// Whether there is room for `len` bytes.
    pub(crate) fn is_writable(&self) -> bool {
        match &self.buf {
            _ if self.len == 0 => true,
            MemoryMut::Null | MemoryMut::Unwritable => false,
            MemoryMut::Bytes(bytes) => bytes.len() >= self.len as usize,
        }
    }

    /// The room; none where it cannot be written.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        self.buf.write(self.len as usize).unwrap_or_default()
    }
}
