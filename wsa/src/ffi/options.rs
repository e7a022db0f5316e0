//! getsockopt, setsockopt, ioctlsocket, WSAIoctl.

use core::ffi::{c_char, c_int, c_void};

use super::SOCKET_ERROR;
use super::extension;
use super::guard::{self, on_process};
use super::layout::SOCKET;
use super::memory::{InOut, Input, Output};
use super::socket::handle;
use crate::constants::{SIO_ADDRESS_LIST_QUERY, SIO_GET_EXTENSION_FUNCTION_POINTER};

/// More than the longest option and the longest argument of an ioctl, in bytes.
const MOST: usize = 1024;

/// getsockopt.
#[unsafe(export_name = "wsa_getsockopt")]
pub unsafe extern "C" fn getsockopt(
    s: SOCKET,
    level: c_int,
    option: c_int,
    value: *mut c_char,
    optlen: *mut c_int,
) -> c_int {
    on_process(SOCKET_ERROR, |process| {
        // SAFETY: getsockopt's contract: both are written.
        let mut len = unsafe { InOut::new(optlen) };
        let room = len.get().and_then(|len| usize::try_from(len).ok()).unwrap_or(0);
        // SAFETY: as above.
        let mut value = unsafe { Output::<MOST>::new(value.cast(), room) };
        process.getsockopt(handle(s), level, option, value.memory(), len.as_mut())?;
        value.finish(len.get().and_then(|len| usize::try_from(len).ok()).unwrap_or(0))?;
        len.finish().map(|()| 0)
    })
}

/// setsockopt.
#[unsafe(export_name = "wsa_setsockopt")]
pub unsafe extern "C" fn setsockopt(
    s: SOCKET,
    level: c_int,
    option: c_int,
    value: *const c_char,
    optlen: c_int,
) -> c_int {
    on_process(SOCKET_ERROR, |process| {
        let value = Input::<MOST>::new(value.cast(), usize::try_from(optlen).unwrap_or(0));
        process.setsockopt(handle(s), level, option, value.memory(), optlen).map(|()| 0)
    })
}

/// ioctlsocket. The command is a `long` of 32 bits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ioctlsocket(s: SOCKET, command: i32, argument: *mut u32) -> c_int {
    on_process(SOCKET_ERROR, |process| {
        // SAFETY: ioctlsocket's contract: the argument is written.
        let mut argument = unsafe { InOut::new(argument) };
        process.ioctlsocket(handle(s), command as u32, argument.argument())?;
        argument.finish().map(|()| 0)
    })
}

/// Makes the offsets of a SOCKET_ADDRESS_LIST pointers. It is a count and, each a pointer and a
/// length, that many addresses.
fn relocate(list: &mut [u8], base: usize) {
    const WORD: usize = size_of::<usize>();
    let Some((count, addresses)) = list.split_at_mut_checked(WORD) else { return };
    let Some(count) = count.first_chunk().map(|count| u32::from_ne_bytes(*count)) else { return };
    for address in addresses.chunks_exact_mut(2 * WORD).take(count as usize) {
        if let Some(pointer) = address.first_chunk_mut::<WORD>() {
            *pointer = usize::from_ne_bytes(*pointer).wrapping_add(base).to_ne_bytes();
        }
    }
}

/// WSAIoctl. There are no overlapped operations yet: a structure or a routine for one is
/// WSAEOPNOTSUPP. SIO_GET_EXTENSION_FUNCTION_POINTER knows WSARecvMsg and WSASendMsg; another
/// function is WSAEINVAL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn WSAIoctl(
    s: SOCKET,
    code: u32,
    input: *const c_void,
    in_len: u32,
    output: *mut c_void,
    out_len: u32,
    returned: *mut u32,
    overlapped: *mut c_void,
    routine: *const c_void,
) -> c_int {
    on_process(SOCKET_ERROR, |process| {
        guard::check_not_overlapped(process, handle(s), overlapped, routine)?;
        // SAFETY: WSAIoctl's contract: both are written.
        let mut returned = unsafe { InOut::new(returned) };
        // SAFETY: as above.
        let mut output = unsafe { Output::<MOST>::new(output, out_len as usize) };
        let (room, count) = (output.memory(), returned.as_mut());
        let outcome = if code == SIO_GET_EXTENSION_FUNCTION_POINTER {
            extension::pointer(process, handle(s), input, in_len, room, count)
        } else {
            let input = Input::<MOST>::new(input, in_len as usize);
            process.wsa_ioctl(handle(s), code, input.memory(), in_len, room, out_len, count)
        };
        if outcome.is_ok() {
            if code == SIO_ADDRESS_LIST_QUERY {
                let base = output.address();
                relocate(output.bytes_mut(), base);
            }
            output.finish(returned.get().map_or(0, |returned| returned as usize))?;
        }
        // After a failure it says how much room would have been enough.
        returned.finish()?;
        outcome.map(|()| 0)
    })
}
