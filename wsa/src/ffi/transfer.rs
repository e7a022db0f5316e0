//! send, recv, sendto, recvfrom, and with lists of buffers WSASend, WSARecv, WSASendTo,
//! WSARecvFrom.
//!
//! There are no overlapped operations yet: a structure or a routine for one is WSAEOPNOTSUPP.

use core::ffi::{c_char, c_int, c_void};

use super::SOCKET_ERROR;
use super::buffers::{Incoming, List};
use super::guard::{self, on_process};
use super::layout::{SOCKADDR, SOCKET, WSABUF};
use super::memory::InOut;
use super::socket::{NameRoom, handle, name};
use crate::constants::MSG_WAITALL;
use crate::error::{Error, Result};

/// The most bytes that one receive gives, where it need not fill its buffer: more than a datagram
/// has, and than a stream has ready unless SO_RCVBUF was raised above it.
pub(super) const MOST_AT_ONCE: usize = 1 << 20;

/// The most bytes of a buffer that a receive with these flags may use.
const fn most(flags: c_int) -> usize {
    if flags & MSG_WAITALL != 0 { usize::MAX } else { MOST_AT_ONCE }
}

/// A number of bytes as C's int. No call takes or gives more than it was asked for in one.
fn count(bytes: usize) -> c_int {
    c_int::try_from(bytes).unwrap_or(c_int::MAX)
}

/// How many bytes a receive has put into a room of `room` bytes: those that it counted, or all
/// when a datagram was longer.
fn filled(received: &Result<usize>, room: usize) -> usize {
    match received {
        Ok(bytes) => *bytes,
        Err(Error::WSAEMSGSIZE) => room,
        Err(_) => 0,
    }
}

/// send.
#[unsafe(export_name = "wsa_send")]
pub unsafe extern "C" fn send(s: SOCKET, buf: *const c_char, len: c_int, flags: c_int) -> c_int {
    on_process(SOCKET_ERROR, |process| {
        let data = WSABUF::of(buf.cast(), len);
        process.send_from(handle(s), data, flags).map(count)
    })
}

/// sendto.
#[unsafe(export_name = "wsa_sendto")]
pub unsafe extern "C" fn sendto(
    s: SOCKET,
    buf: *const c_char,
    len: c_int,
    flags: c_int,
    to: *const SOCKADDR,
    tolen: c_int,
) -> c_int {
    on_process(SOCKET_ERROR, |process| {
        let (data, to) = (WSABUF::of(buf.cast(), len), name(to, tolen));
        process.send_from_to(handle(s), data, flags, to.memory(), tolen).map(count)
    })
}

/// recv. Gives at most 1 MiB at a time, but with MSG_WAITALL.
#[unsafe(export_name = "wsa_recv")]
pub unsafe extern "C" fn recv(s: SOCKET, buf: *mut c_char, len: c_int, flags: c_int) -> c_int {
    on_process(SOCKET_ERROR, |process| {
        // SAFETY: recv's contract: the buffer is written.
        let mut data = unsafe { Incoming::new(List::one(buf.cast(), len), most(flags))? };
        let received = process.recv(handle(s), data.memory(), flags);
        let bytes = filled(&received, data.room());
        data.finish(bytes)?;
        received.map(count)
    })
}

/// recvfrom. As [`recv`], with the sender's name.
#[unsafe(export_name = "wsa_recvfrom")]
pub unsafe extern "C" fn recvfrom(
    s: SOCKET,
    buf: *mut c_char,
    len: c_int,
    flags: c_int,
    from: *mut SOCKADDR,
    fromlen: *mut c_int,
) -> c_int {
    on_process(SOCKET_ERROR, |process| {
        // SAFETY: recvfrom's contract: all three are written.
        let (mut data, mut from) = unsafe {
            let data = Incoming::new(List::one(buf.cast(), len), most(flags))?;
            (data, NameRoom::new(from, fromlen))
        };
        let (room, roomlen) = (from.name.memory(), from.len.as_mut());
        let received = process.recvfrom(handle(s), data.memory(), flags, room, roomlen);
        let bytes = filled(&received, data.room());
        data.finish(bytes)?;
        from.finish()?;
        received.map(count)
    })
}

/// WSASend.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn WSASend(
    s: SOCKET,
    buffers: *const WSABUF,
    number: u32,
    sent: *mut u32,
    flags: u32,
    overlapped: *mut c_void,
    routine: *const c_void,
) -> c_int {
    on_process(SOCKET_ERROR, |process| {
        guard::check_not_overlapped(process, handle(s), overlapped, routine)?;
        // SAFETY: WSASend's contract: the number of bytes is written.
        let mut sent = unsafe { InOut::new(sent) };
        let list = List::read(buffers, number);
        process.send_list(handle(s), list.argument(), sent.as_mut(), flags as i32)?;
        sent.finish().map(|()| 0)
    })
}

/// WSASendTo.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn WSASendTo(
    s: SOCKET,
    buffers: *const WSABUF,
    number: u32,
    sent: *mut u32,
    flags: u32,
    to: *const SOCKADDR,
    tolen: c_int,
    overlapped: *mut c_void,
    routine: *const c_void,
) -> c_int {
    on_process(SOCKET_ERROR, |process| {
        guard::check_not_overlapped(process, handle(s), overlapped, routine)?;
        // SAFETY: WSASendTo's contract: the number of bytes is written.
        let mut sent = unsafe { InOut::new(sent) };
        let (list, to) = (List::read(buffers, number), name(to, tolen));
        let (list, flags) = (list.argument(), flags as i32);
        process.send_list_to(handle(s), list, sent.as_mut(), flags, to.memory(), tolen)?;
        sent.finish().map(|()| 0)
    })
}

/// WSARecv. As [`recv`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn WSARecv(
    s: SOCKET,
    buffers: *const WSABUF,
    number: u32,
    received: *mut u32,
    flags: *mut u32,
    overlapped: *mut c_void,
    routine: *const c_void,
) -> c_int {
    on_process(SOCKET_ERROR, |process| {
        guard::check_not_overlapped(process, handle(s), overlapped, routine)?;
        // SAFETY: WSARecv's contract: number of bytes, flags and buffers are written.
        let (mut received, mut flags) =
            unsafe { (InOut::new(received), InOut::new(flags.cast::<i32>())) };
        let list = List::read(buffers, number);
        // SAFETY: as above.
        let mut data = unsafe { Incoming::new(list, most(flags.get().unwrap_or(0)))? };
        let outcome =
            data.with(|list| process.wsa_recv(handle(s), list, received.as_mut(), flags.as_mut()));
        hand_over(outcome, data, received, flags)
    })
}

/// WSARecvFrom. As [`recv`], with the sender's name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn WSARecvFrom(
    s: SOCKET,
    buffers: *const WSABUF,
    number: u32,
    received: *mut u32,
    flags: *mut u32,
    from: *mut SOCKADDR,
    fromlen: *mut c_int,
    overlapped: *mut c_void,
    routine: *const c_void,
) -> c_int {
    on_process(SOCKET_ERROR, |process| {
        guard::check_not_overlapped(process, handle(s), overlapped, routine)?;
        // SAFETY: WSARecvFrom's contract: number of bytes, flags, buffers and name are written.
        let (mut received, mut flags, mut from) = unsafe {
            let numbers = (InOut::new(received), InOut::new(flags.cast::<i32>()));
            (numbers.0, numbers.1, NameRoom::new(from, fromlen))
        };
        let list = List::read(buffers, number);
        // SAFETY: as above.
        let mut data = unsafe { Incoming::new(list, most(flags.get().unwrap_or(0)))? };
        let (room, roomlen) = (from.name.memory(), from.len.as_mut());
        let outcome = data.with(|list| {
            let (received, flags) = (received.as_mut(), flags.as_mut());
            process.wsa_recv_from(handle(s), list, received, flags, room, roomlen)
        });
        from.finish()?;
        hand_over(outcome, data, received, flags)
    })
}

/// What a receive with a list has put into the caller's memory, also where a datagram was longer.
fn hand_over(
    outcome: Result<()>,
    data: Incoming,
    received: InOut<u32>,
    flags: InOut<i32>,
) -> Result<c_int> {
    if matches!(outcome, Ok(()) | Err(Error::WSAEMSGSIZE)) {
        data.finish(received.get().map_or(0, |bytes| bytes as usize))?;
        received.finish()?;
        flags.finish()?;
    }
    outcome.map(|()| 0)
}
