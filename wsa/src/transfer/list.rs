//! Lists of buffers: the WSABUFs of WSASend and its like, gathered and scattered without a copy
//! between them and the stack.

use core::slice;

use tapsock_stack::source::Source;

use crate::error::{Error, Result};
use crate::memory::{Arg, WsaBufMut};

/// The most buffers that one call takes. Winsock names no limit; whoever copies the list from a
/// program's memory needs one.
pub const MAX_BUFFERS: usize = 65_536;

/// The buffers of a sending call, none of which was looked into yet.
///
/// # Errors
/// WSAEINVAL for an empty list, for more than [`MAX_BUFFERS`], and for more bytes than a DWORD
/// counts; WSAEFAULT when the list itself cannot be read.
pub(crate) fn gather<B: Source>(list: Arg<&[B]>) -> Result<&[B]> {
    let Arg::Value(list) = list else { return Err(Error::WSAEFAULT) };
    check_lengths(list.iter().map(Source::total))?;
    Ok(list)
}

/// The buffers of a receiving call, all of which can be written.
#[derive(Debug)]
pub(crate) struct Scatter<'l, 'm>(&'l mut [WsaBufMut<'m>]);

impl<'l, 'm> Scatter<'l, 'm> {
    /// Looks at every buffer of the list.
    ///
    /// # Errors
    /// As [`gather`], and WSAEFAULT when a buffer cannot be written.
    pub(crate) fn checked(list: Arg<&'l mut [WsaBufMut<'m>]>) -> Result<Self> {
        let Arg::Value(list) = list else { return Err(Error::WSAEFAULT) };
        check_lengths(list.iter().map(|buffer| buffer.len as usize))?;
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
fn check_lengths(mut lengths: impl ExactSizeIterator<Item = usize>) -> Result<()> {
    let add = |sum: u32, len| sum.checked_add(u32::try_from(len).ok()?);
    let countable =
        lengths.len() > 0 && lengths.len() <= MAX_BUFFERS && lengths.try_fold(0, add).is_some();
    if countable { Ok(()) } else { Err(Error::WSAEINVAL) }
}
