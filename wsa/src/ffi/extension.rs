//! SIO_GET_EXTENSION_FUNCTION_POINTER: functions that a program asks WSAIoctl for.

use core::ffi::c_void;

use super::guard;
use super::layout::GUID;
use super::memory;
use super::message::{WSARecvMsg, WSASendMsg};
use crate::error::{Error, Result};
use crate::memory::{Arg, MemoryMut};
use crate::process::SocketHandle;
use crate::start::ThreadedProcess;

/// WSAID_WSARECVMSG.
const RECEIVE_MESSAGE: GUID = GUID {
    Data1: 0xF689_D7C8,
    Data2: 0x6F1F,
    Data3: 0x436B,
    Data4: [0x8A, 0x53, 0xE5, 0x4F, 0xE3, 0x51, 0xC3, 0x22],
};
/// WSAID_WSASENDMSG.
const SEND_MESSAGE: GUID = GUID {
    Data1: 0xA441_E712,
    Data2: 0x754F,
    Data3: 0x43CA,
    Data4: [0x84, 0xA7, 0x0D, 0xEE, 0x44, 0xCF, 0x60, 0x6D],
};

/// Puts the address of the function whose GUID is at `input` into `room`. Every socket tells it,
/// whatever its type.
///
/// # Errors
/// WSAENOTSOCK; WSAEFAULT without `returned`, and for a short or unreadable GUID; WSAEINVAL for an
/// unknown one; WSAEFAULT for too little room, with `returned` saying how much would be enough.
pub(super) fn pointer(
    process: &ThreadedProcess,
    s: SocketHandle,
    input: *const c_void,
    in_len: u32,
    mut room: MemoryMut<'_>,
    returned: Option<&mut u32>,
) -> Result<()> {
    guard::check_socket(process, s)?;
    let returned = returned.ok_or(Error::WSAEFAULT)?;
    let function = match memory::value(input.cast::<GUID>()) {
        Arg::Value(_) if (in_len as usize) < size_of::<GUID>() => return Err(Error::WSAEFAULT),
        Arg::Value(RECEIVE_MESSAGE) => WSARecvMsg as *const c_void,
        Arg::Value(SEND_MESSAGE) => WSASendMsg as *const c_void,
        Arg::Value(_) => return Err(Error::WSAEINVAL),
        Arg::Null | Arg::Unreadable => return Err(Error::WSAEFAULT),
    };
    *returned = size_of::<*const c_void>() as u32;
    let room = room.write(size_of::<*const c_void>()).ok_or(Error::WSAEFAULT)?;
    room.copy_from_slice(&(function as usize).to_ne_bytes());
    Ok(())
}
