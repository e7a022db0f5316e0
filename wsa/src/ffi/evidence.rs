//! What C has beside Winsock: the evidence of a failure.

use core::ffi::{c_char, c_int};
use std::string::{String, ToString};

use super::{SOCKET_ERROR, global, guard, memory};
use crate::error::{Error, Result};

/// The evidence of the calling thread's last failure, as one sentence: the packet or the silence
/// that decided it. Its whole length in bytes is returned, as much of it as fits is written, with a
/// NUL; of `size` 0 nothing. Empty when the last error is none that was decided on the wire.
/// WSAEFAULT for memory that cannot be written and for a negative size, WSAENETDOWN in a child. On
/// success the last error stays what it is.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wsa_last_cause(text: *mut c_char, size: c_int) -> c_int {
    let outcome = guard::contain(|| {
        let sentence = sentence()?;
        let room = usize::try_from(size).map_err(|_| Error::WSAEFAULT)?;
        if let Some(last) = room.checked_sub(1) {
            let mut bytes = sentence.as_bytes().to_vec();
            bytes.truncate(last);
            bytes.push(0);
            if memory::writable(text.cast(), bytes.len()) < bytes.len() {
                return Err(Error::WSAEFAULT);
            }
            // SAFETY: this function's contract: the text is written.
            memory::done(unsafe { memory::write(text.cast(), &bytes) })?;
        }
        Ok(c_int::try_from(sentence.len()).unwrap_or(c_int::MAX))
    });
    outcome.unwrap_or(Err(Error::WSASYSCALLFAILURE)).unwrap_or_else(|error| {
        guard::set_last_error(error.code());
        SOCKET_ERROR
    })
}

fn sentence() -> Result<String> {
    let process = match global::process() {
        Ok(process) => process,
        Err(Error::WSANOTINITIALISED) => return Ok(String::new()),
        Err(error) => return Err(error),
    };
    // The process does not know of failures that end here, such as those of bad pointers, nor of
    // WSASetLastError. Then its evidence is of an older failure.
    let code = guard::last_error();
    if code == 0 || code != process.wsa_get_last_error() {
        return Ok(String::new());
    }
    Ok(process.last_cause().map(|cause| cause.to_string()).unwrap_or_default())
}
