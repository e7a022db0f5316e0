//! accept and WSAAccept.

use core::ffi::c_int;
use core::ptr;

use super::INVALID_SOCKET;
use super::guard::on_process;
use super::layout::{QOS, SOCKADDR, SOCKET, WSABUF};
use super::socket::{NAME, NameRoom, handle};
use crate::address::SockAddr;
use crate::listen::Caller;

/// A condition function: the caller's name, their data and wishes (there never are any), the name
/// that they connect to, room for an answer (which TCP has not), a group, and WSAAccept's last
/// argument. CF_ACCEPT, CF_REJECT or CF_DEFER.
pub type ConditionProc = unsafe extern "C-unwind" fn(
    *mut WSABUF,
    *mut WSABUF,
    *mut QOS,
    *mut QOS,
    *mut WSABUF,
    *mut WSABUF,
    *mut u32,
    usize,
) -> c_int;

/// accept.
#[unsafe(export_name = "wsa_accept")]
pub unsafe extern "C" fn accept(s: SOCKET, at: *mut SOCKADDR, namelen: *mut c_int) -> SOCKET {
    // SAFETY: the same contract; there is no condition.
    unsafe { WSAAccept(s, at, namelen, None, 0) }
}

/// WSAAccept.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn WSAAccept(
    s: SOCKET,
    at: *mut SOCKADDR,
    namelen: *mut c_int,
    condition: Option<ConditionProc>,
    callback_data: usize,
) -> SOCKET {
    on_process(INVALID_SOCKET, |process| {
        // SAFETY: WSAAccept's contract: both are written.
        let mut room = unsafe { NameRoom::new(at, namelen) };
        let mut ask = condition.map(|condition| {
            // SAFETY: the caller's function, with the arguments that it was declared to take.
            move |who: &Caller| unsafe { ask(condition, who, callback_data) }
        });
        let ask = ask.as_mut().map(|ask| ask as &mut dyn FnMut(&Caller) -> i32);
        let (name, len) = (room.name.memory(), room.len.as_mut());
        let accepted = process.wsa_accept(handle(s), name, len, ask)?;
        room.finish()?;
        Ok(accepted.raw())
    })
}

/// Runs a condition function. What it is shown lives while it runs, and is its own to spoil.
///
/// # Safety
/// `condition` is a function of this type.
unsafe fn ask(condition: ConditionProc, who: &Caller, callback_data: usize) -> c_int {
    let (mut caller, mut callee) = (Shown::new(who.caller), Shown::new(who.callee));
    let (mut caller_id, mut callee_id) = (caller.buffer(), callee.buffer());
    let mut answer = WSABUF { len: 0, buf: ptr::null_mut() };
    let mut group = 0;
    let (no_data, no_wishes) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: our caller's promise. All pointers lead to locals that are not looked at again, or
    // are null for what is absent, as Winsock says.
    unsafe {
        condition(
            &raw mut caller_id,
            no_data,
            no_wishes,
            no_wishes,
            &raw mut callee_id,
            &raw mut answer,
            &raw mut group,
            callback_data,
        )
    }
}

/// A name as a condition function sees it, aligned as a `sockaddr` is.
#[repr(C, align(8))]
struct Shown {
    bytes: [u8; NAME],
    len: u32,
}

impl Shown {
    fn new(name: SockAddr) -> Self {
        let encoded = name.encode();
        let mut bytes = [0; NAME];
        bytes[..encoded.as_ref().len()].copy_from_slice(encoded.as_ref());
        Self { bytes, len: encoded.as_ref().len() as u32 }
    }

    fn buffer(&mut self) -> WSABUF {
        WSABUF { len: self.len, buf: self.bytes.as_mut_ptr().cast() }
    }
}
