//! WSAStartup, WSACleanup, and the last error.

use core::ffi::c_int;
use core::mem::offset_of;

use super::layout::WSADATA;
use super::{SOCKET_ERROR, global, guard, memory};
use crate::error::{Error, Result};
use crate::memory::Arg;
use crate::process::WsaData;

/// WSAStartup. The first one makes the process and its stack.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn WSAStartup(version: u16, data: *mut WSADATA) -> c_int {
    let code = guard::contain(|| {
        let process = match global::make_process() {
            Ok(process) => process,
            Err(error) => return error.code(),
        };
        // Before the call counts, it is certain that its answer can be given.
        let is_bad = memory::writable(data.cast(), size_of::<WSADATA>()) < size_of::<WSADATA>();
        let mut answer = WsaData::default();
        let argument = match () {
            () if data.is_null() => Arg::Null,
            () if is_bad => Arg::Unreadable,
            () => Arg::Value(&mut answer),
        };
        let is_given = matches!(argument, Arg::Value(_));
        let code = process.wsa_startup_into(version, argument);
        if is_given {
            // SAFETY: WSAStartup's contract: it fills the structure.
            let _ = unsafe { fill(data, &answer) };
        }
        code
    });
    code.unwrap_or(Error::WSASYSNOTREADY.code())
}

/// Writes all fields but lpVendorInfo, which Winsock leaves alone.
///
/// # Safety
/// As for [`memory::write`].
unsafe fn fill(data: *mut WSADATA, answer: &WsaData) -> Result<()> {
    let mut head = [0; offset_of!(WSADATA, lpVendorInfo)];
    let numbers = [answer.version, answer.high_version, answer.max_sockets, answer.max_udp_dg];
    for (place, number) in head.chunks_exact_mut(2).zip(numbers) {
        place.copy_from_slice(&number.to_ne_bytes());
    }
    const TEXTS: usize = offset_of!(WSADATA, szDescription);
    const STATUS: usize = offset_of!(WSADATA, szSystemStatus) - TEXTS;
    let mut texts = [0; size_of::<[u8; 257]>() + size_of::<[u8; 129]>()];
    for (at, text) in [(0, answer.description), (STATUS, answer.system_status)] {
        if let Some(place) = texts.get_mut(at..at + text.len()) {
            place.copy_from_slice(text.as_bytes());
        }
    }
    // SAFETY: our caller's promise.
    let written = unsafe {
        memory::write(data.cast(), &head)
            && memory::write(data.wrapping_byte_add(TEXTS).cast(), &texts)
    };
    if written { Ok(()) } else { Err(Error::WSAEFAULT) }
}

/// WSACleanup.
#[unsafe(no_mangle)]
pub extern "C" fn WSACleanup() -> c_int {
    guard::on_process(SOCKET_ERROR, |process| process.wsa_cleanup().map(|()| 0))
}

/// WSAGetLastError.
#[unsafe(no_mangle)]
pub extern "C" fn WSAGetLastError() -> c_int {
    guard::last_error()
}

/// WSASetLastError.
#[unsafe(no_mangle)]
pub extern "C" fn WSASetLastError(code: c_int) {
    guard::set_last_error(code);
}
