//! What `windows.h` declares and Winsock has no function for.

use core::time::Duration;
use std::thread;

use super::guard;

/// INFINITE.
const INFINITE: u32 = u32::MAX;

/// Sleep. Signals do not shorten it, and the last error stays what it is.
#[unsafe(export_name = "wsa_Sleep")]
pub extern "C" fn Sleep(milliseconds: u32) {
    let _ = guard::contain(|| match milliseconds {
        0 => thread::yield_now(),
        INFINITE => loop {
            thread::park();
        },
        _ => thread::sleep(Duration::from_millis(milliseconds.into())),
    });
}
