//! Lists of buffers: the WSABUFs of WSASend and its like, gathered and scattered without a copy
//! between them and the stack.

use core::slice;

use crate::error::{Error, Result};
use crate::memory::{Arg, WsaBuf, WsaBufMut};

/// The most buffers that one call takes. Winsock names no limit; whoever copies the list from a
/// program's memory needs one.
pub const MAX_BUFFERS: usize = 65_536;

/// The buffers of a sending call, all of which can be read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gather<'l, 'm>(&'l [WsaBuf<'m>]);

impl<'l, 'm> Gather<'l, 'm> {
    /// Looks at every buffer of the list.
    ///
    /// # Errors
    /// WSAEINVAL for an empty list, for more than [`MAX_BUFFERS`], and for more bytes than a DWORD
    /// counts; WSAEFAULT when a buffer, or the list itself, cannot be read.
    pub(crate) fn checked(list: Arg<&'l [WsaBuf<'m>]>) -> Result<Self> {
        let Arg::Value(list) = list else { return Err(Error::WSAEFAULT) };
        check_lengths(list.iter().map(|buffer| buffer.len))?;
        if list.iter().all(WsaBuf::is_readable) { Ok(Self(list)) } else { Err(Error::WSAEFAULT) }
    }

    /// The list of one buffer; WSAEFAULT where there is none.
    pub(crate) fn one(buffer: Option<&'l WsaBuf<'m>>) -> Result<Self> {
        buffer.map(|buffer| Self(slice::from_ref(buffer))).ok_or(Error::WSAEFAULT)
    }

    /// How many bytes there are.
    pub(crate) fn len(&self) -> usize {
        self.0.iter().map(|buffer| buffer.bytes().len()).sum()
    }

    /// The bytes behind the first `skip`, in order.
    pub(crate) fn behind(
        &self,
        skip: usize,
    ) -> impl Iterator<Item = &'m [u8]> + Clone + use<'l, 'm> {
        let mut skip = skip;
        self.0.iter().map(move |buffer| {
            let bytes = buffer.bytes();
            let done = skip.min(bytes.len());
            skip -= done;
            bytes.get(done..).unwrap_or_default()
        })
    }
}

/// The buffers of a receiving call, all of which can be written.
#[derive(Debug)]
pub(crate) struct Scatter<'l, 'm>(&'l mut [WsaBufMut<'m>]);

impl<'l, 'm> Scatter<'l, 'm> {
    /// Looks at every buffer of the list.
    ///
    /// # Errors
    /// As [`Gather::checked`], for writing.
    pub(crate) fn checked(list: Arg<&'l mut [WsaBufMut<'m>]>) -> Result<Self> {
        let Arg::Value(list) = list else { return Err(Error::WSAEFAULT) };
        check_lengths(list.iter().map(|buffer| buffer.len))?;
        if list.iter().all(WsaBufMut::is_writable) { Ok(Self(list)) } else { Err(Error::WSAEFAULT) }
    }

    /// The list of one buffer; WSAEFAULT where there is none.
    pub(crate) fn one(buffer: Option<&'l mut WsaBufMut<'m>>) -> Result<Self> {
        buffer.map(|buffer| Self(slice::from_mut(buffer))).ok_or(Error::WSAEFAULT)
    }

    /// How many bytes have room.
    pub(crate) fn len(&self) -> usize {
        // The sum of the lengths was found to fit a DWORD.
        self.0.iter().map(|buffer| buffer.len as usize).sum()
    }

    /// The room behind the first `skip` bytes, in order.
    pub(crate) fn behind(&mut self, skip: usize) -> impl Iterator<Item = &mut [u8]> {
        let mut skip = skip;
        self.0.iter_mut().map(move |buffer| {
            let room = buffer.room();
            let (done, rest) = room.split_at_mut(skip.min(room.len()));
            skip -= done.len();
            rest
        })
    }
}

/// The number of buffers, and that of their bytes, which lpNumberOfBytesSent and
/// lpNumberOfBytesRecvd must be able to say.
fn check_lengths(mut lengths: impl ExactSizeIterator<Item = u32>) -> Result<()> {
    let countable = lengths.len() > 0
        && lengths.len() <= MAX_BUFFERS
        && lengths.try_fold(0_u32, u32::checked_add).is_some();
    if countable { Ok(()) } else { Err(Error::WSAEINVAL) }
}
