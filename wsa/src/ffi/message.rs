//! WSASendMsg and WSARecvMsg.

use core::ffi::{c_int, c_void};
use core::mem::offset_of;

use super::SOCKET_ERROR;
use super::buffers::{Copied, Incoming, List};
use super::guard::{self, on_process};
use super::layout::{SOCKET, WSABUF, WSAMSG};
use super::memory::{self, InOut, Output};
use super::socket::{NAME, handle, name};
use super::transfer::MOST_AT_ONCE;
use crate::error::{Error, Result};
use crate::memory::{Arg, MemoryMut, WsaBufMut};
use crate::transfer::{WsaMsg, WsaMsgMut};

/// More than all control messages of one datagram have together, in bytes.
const CONTROL: usize = 512;

/// WSASendMsg.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn WSASendMsg(
    s: SOCKET,
    message: *const WSAMSG,
    flags: u32,
    sent: *mut u32,
    overlapped: *mut c_void,
    routine: *const c_void,
) -> c_int {
    on_process(SOCKET_ERROR, |process| {
        guard::check_not_overlapped(process, handle(s), overlapped, routine)?;
        // SAFETY: WSASendMsg's contract: the number of bytes is written.
        let mut sent = unsafe { InOut::new(sent) };
        let flags = flags as i32;
        let Arg::Value(given) = memory::value(message) else {
            let refused = process.wsa_send_msg(handle(s), Arg::Unreadable, flags, sent.as_mut());
            return refused.map(|()| 0);
        };
        let name = name(given.name, given.namelen);
        let data = List::read(given.lpBuffers, given.dwBufferCount);
        let control = Copied::new(given.Control)?;
        let message = WsaMsg {
            name: name.memory(),
            namelen: given.namelen,
            buffers: data.argument(),
            control: control.argument(),
        };
        process.send_message_of(handle(s), Arg::Value(&message), flags, sent.as_mut())?;
        sent.finish().map(|()| 0)
    })
}

/// WSARecvMsg, which has no name in the library: WSAIoctl gives its address. Of buffers that are
/// longer than 1 MiB together, only that much is used.
pub unsafe extern "C" fn WSARecvMsg(
    s: SOCKET,
    message: *mut WSAMSG,
    received: *mut u32,
    overlapped: *mut c_void,
    routine: *const c_void,
) -> c_int {
    on_process(SOCKET_ERROR, |process| {
        guard::check_not_overlapped(process, handle(s), overlapped, routine)?;
        // SAFETY: WSARecvMsg's contract: the number of bytes is written.
        let mut received = unsafe { InOut::new(received) };
        let Some(given) = writable_message(message) else {
            let refused = process.wsa_recv_msg(handle(s), Arg::Unreadable, received.as_mut());
            return refused.map(|()| 0);
        };
        // SAFETY: WSARecvMsg's contract: what the message names is written.
        let (mut data, mut name, mut control) = unsafe {
            let list = List::read(given.lpBuffers, given.dwBufferCount);
            let namelen = usize::try_from(given.namelen).unwrap_or(0);
            (
                Incoming::new(list, MOST_AT_ONCE)?,
                Output::<NAME>::new(given.name.cast(), namelen),
                ControlRoom::new(given.Control),
            )
        };
        let (outcome, namelen, control_len, flags) = data.with(|buffers| {
            let mut message = WsaMsgMut {
                name: name.memory(),
                namelen: given.namelen,
                buffers,
                control: control.argument(),
                flags: given.dwFlags as i32,
            };
            let outcome =
                process.wsa_recv_msg(handle(s), Arg::Value(&mut message), received.as_mut());
            (outcome, message.namelen, message.control.len, message.flags)
        });
        // With too little room for something, a datagram was received all the same.
        if !matches!(outcome, Ok(()) | Err(Error::WSAEMSGSIZE)) {
            return outcome.map(|()| 0);
        }
        data.finish(received.get().map_or(0, |bytes| bytes as usize))?;
        name.finish(usize::try_from(namelen).unwrap_or(0))?;
        control.room.finish(control_len as usize)?;
        let put = |offset: usize, bytes: [u8; 4]| -> Result<()> {
            // SAFETY: WSARecvMsg's contract: the message is written.
            memory::done(unsafe { memory::write(message.wrapping_byte_add(offset).cast(), &bytes) })
        };
        put(offset_of!(WSAMSG, namelen), namelen.to_ne_bytes())?;
        let control_at = offset_of!(WSAMSG, Control) + offset_of!(WSABUF, len);
        put(control_at, control_len.to_ne_bytes())?;
        put(offset_of!(WSAMSG, dwFlags), flags.to_ne_bytes())?;
        received.finish()?;
        outcome.map(|()| 0)
    })
}

/// The message at `at`, if it can be written.
fn writable_message(at: *mut WSAMSG) -> Option<WSAMSG> {
    let given = memory::value(at.cast_const()).value()?;
    let size = size_of::<WSAMSG>();
    (memory::writable(at.cast(), size) == size).then_some(given)
}

/// Room for control messages. All of it has to be there, as much as can be needed is used.
struct ControlRoom {
    room: Output<CONTROL>,
    len: u32,
    is_bad: bool,
}

impl ControlRoom {
    /// # Safety
    /// As for [`memory::write`].
    unsafe fn new(given: WSABUF) -> Self {
        let len = given.len as usize;
        // SAFETY: our caller's promise.
        let room = unsafe { Output::new(given.buf.cast(), len) };
        Self { room, len: given.len, is_bad: memory::writable(given.buf.cast(), len) < len }
    }

    fn argument(&mut self) -> WsaBufMut<'_> {
        let len = self.len.min(CONTROL as u32);
        let buf = if self.is_bad { MemoryMut::Unwritable } else { self.room.memory() };
        WsaBufMut { len, buf }
    }
}
