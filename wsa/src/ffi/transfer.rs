//! send, recv, sendto, recvfrom.

use core::ffi::{c_char, c_int};

use super::SOCKET_ERROR;
use super::guard::on_process;
use super::layout::{SOCKADDR, SOCKET};
use super::memory::{Incoming, Outgoing};
use super::socket::{NameRoom, handle, name};
use crate::constants::MSG_WAITALL;

/// The most bytes that one receive gives, where it need not fill its buffer: more than a datagram
/// has, and than a stream has ready unless SO_RCVBUF was raised above it.
const MOST_AT_ONCE: usize = 1 << 20;

/// The most bytes of a buffer that a receive with these flags may use.
const fn most(flags: c_int) -> usize {
    if flags & MSG_WAITALL != 0 { usize::MAX } else { MOST_AT_ONCE }
}

/// A number of bytes as C's int. No call takes or gives more than it was asked for in one.
fn count(bytes: usize) -> c_int {
    c_int::try_from(bytes).unwrap_or(c_int::MAX)
}

/// send.
#[unsafe(export_name = "wsa_send")]
pub unsafe extern "C" fn send(s: SOCKET, buf: *const c_char, len: c_int, flags: c_int) -> c_int {
    on_process(SOCKET_ERROR, |process| {
        let data = Outgoing::new(buf.cast(), len)?;
        process.send(handle(s), data.memory(), flags).map(count)
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
        let (data, to) = (Outgoing::new(buf.cast(), len)?, name(to, tolen));
        process.sendto(handle(s), data.memory(), flags, to.memory(), tolen).map(count)
    })
}

/// recv.
#[unsafe(export_name = "wsa_recv")]
pub unsafe extern "C" fn recv(s: SOCKET, buf: *mut c_char, len: c_int, flags: c_int) -> c_int {
    on_process(SOCKET_ERROR, |process| {
        // SAFETY: recv's contract: the buffer is written.
        let mut data = unsafe { Incoming::new(buf.cast(), len, most(flags))? };
        let received = process.recv(handle(s), data.memory(), flags);
        data.finish(&received)?;
        received.map(count)
    })
}

/// recvfrom.
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
        let mut data = unsafe { Incoming::new(buf.cast(), len, most(flags))? };
        // SAFETY: as above.
        let mut room = unsafe { NameRoom::new(from, fromlen) };
        let (name, namelen) = (room.name.memory(), room.len.as_mut());
        let received = process.recvfrom(handle(s), data.memory(), flags, name, namelen);
        data.finish(&received)?;
        room.finish()?;
        received.map(count)
    })
}
