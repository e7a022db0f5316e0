//! socket to closesocket, bind, listen, and names.

use core::ffi::c_int;

use super::connect::{Data, Room};
use super::guard::{self, on_process};
use super::layout::{SOCKADDR, SOCKET, WSABUF, WSAPROTOCOL_INFO};
use super::memory::{self, InOut, Input, Output};
use super::{INVALID_SOCKET, SOCKET_ERROR};
use crate::constants::SOCKADDR_IN6_LEN;
use crate::error::{Error, Result};
use crate::memory::Arg;
use crate::process::SocketHandle;

/// The longest name there is, in bytes.
pub(super) const NAME: usize = SOCKADDR_IN6_LEN;

/// A handle as the rest of the crate knows it.
pub(super) const fn handle(s: SOCKET) -> SocketHandle {
    SocketHandle::from_raw(s)
}

/// A name argument of `namelen` bytes.
pub(super) fn name(at: *const SOCKADDR, namelen: c_int) -> Input<NAME> {
    Input::new(at.cast(), usize::try_from(namelen).unwrap_or(0))
}

/// Room for a name, of as many bytes as a number elsewhere says.
pub(super) struct NameRoom {
    pub(super) name: Output<NAME>,
    pub(super) len: InOut<c_int>,
}

impl NameRoom {
    /// # Safety
    /// As for [`memory::write`], for both.
    pub(super) unsafe fn new(at: *mut SOCKADDR, namelen: *mut c_int) -> Self {
        // SAFETY: our caller's promise.
        let len = unsafe { InOut::new(namelen) };
        let room = len.get().and_then(|len| usize::try_from(len).ok()).unwrap_or(0);
        // SAFETY: our caller's promise.
        Self { name: unsafe { Output::new(at.cast(), room) }, len }
    }

    /// Copies the name to the caller, if the call has written one: a stream's receive does not,
    /// and no name begins with zero bytes.
    pub(super) fn finish(self) -> Result<()> {
        if self.name.bytes().iter().all(|byte| *byte == 0) {
            return Ok(());
        }
        let len = self.len.get().and_then(|len| usize::try_from(len).ok()).unwrap_or(0);
        self.name.finish(len)?;
        self.len.finish()
    }
}

/// socket.
#[unsafe(export_name = "wsa_socket")]
pub extern "C" fn socket(af: c_int, ty: c_int, protocol: c_int) -> SOCKET {
    on_process(INVALID_SOCKET, |process| Ok(process.socket(af, ty, protocol)?.raw()))
}

/// FROM_PROTOCOL_INFO: the argument is in the structure.
const FROM_PROTOCOL_INFO: c_int = -1;

/// WSASocketA. Of the protocol information, family, type and protocol count, where the arguments
/// say so; groups there are none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn WSASocketA(
    af: c_int,
    ty: c_int,
    protocol: c_int,
    info: *const WSAPROTOCOL_INFO,
    _group: u32,
    flags: u32,
) -> SOCKET {
    on_process(INVALID_SOCKET, |process| {
        let choose = |given, in_info| if given == FROM_PROTOCOL_INFO { in_info } else { given };
        let (af, ty, protocol) = match memory::value(info) {
            Arg::Null => (af, ty, protocol),
            Arg::Unreadable => return guard::refuse(process, Error::WSAEFAULT),
            Arg::Value(info) => (
                choose(af, info.iAddressFamily),
                choose(ty, info.iSocketType),
                choose(protocol, info.iProtocol),
            ),
        };
        Ok(process.wsa_socket(af, ty, protocol, flags)?.raw())
    })
}

/// WSASocketW: as WSASocketA; the two structures differ in their texts, which do not count.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn WSASocketW(
    af: c_int,
    ty: c_int,
    protocol: c_int,
    info: *const WSAPROTOCOL_INFO,
    group: u32,
    flags: u32,
) -> SOCKET {
    // SAFETY: the same contract.
    unsafe { WSASocketA(af, ty, protocol, info, group, flags) }
}

/// closesocket.
#[unsafe(no_mangle)]
pub extern "C" fn closesocket(s: SOCKET) -> c_int {
    on_process(SOCKET_ERROR, |process| process.closesocket(handle(s)).map(|()| 0))
}

/// shutdown.
#[unsafe(export_name = "wsa_shutdown")]
pub extern "C" fn shutdown(s: SOCKET, how: c_int) -> c_int {
    on_process(SOCKET_ERROR, |process| process.shutdown(handle(s), how).map(|()| 0))
}

/// WSASendDisconnect.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn WSASendDisconnect(s: SOCKET, data: *const WSABUF) -> c_int {
    on_process(SOCKET_ERROR, |process| {
        process.wsa_send_disconnect(handle(s), Data::new(data).argument()).map(|()| 0)
    })
}

/// WSARecvDisconnect.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn WSARecvDisconnect(s: SOCKET, data: *mut WSABUF) -> c_int {
    on_process(SOCKET_ERROR, |process| {
        // SAFETY: WSARecvDisconnect's contract: the length is written.
        let room = unsafe { Room::new(data) };
        room.with(|room| process.wsa_recv_disconnect(handle(s), room)).map(|()| 0)
    })
}

/// bind.
#[unsafe(export_name = "wsa_bind")]
pub unsafe extern "C" fn bind(s: SOCKET, at: *const SOCKADDR, namelen: c_int) -> c_int {
    on_process(SOCKET_ERROR, |process| {
        process.bind(handle(s), name(at, namelen).memory(), namelen).map(|()| 0)
    })
}

/// listen.
#[unsafe(export_name = "wsa_listen")]
pub extern "C" fn listen(s: SOCKET, backlog: c_int) -> c_int {
    on_process(SOCKET_ERROR, |process| process.listen(handle(s), backlog).map(|()| 0))
}

/// getsockname.
#[unsafe(export_name = "wsa_getsockname")]
pub unsafe extern "C" fn getsockname(s: SOCKET, at: *mut SOCKADDR, namelen: *mut c_int) -> c_int {
    on_process(SOCKET_ERROR, |process| {
        // SAFETY: getsockname's contract: both are written.
        let mut room = unsafe { NameRoom::new(at, namelen) };
        process.getsockname(handle(s), room.name.memory(), room.len.as_mut())?;
        room.finish().map(|()| 0)
    })
}

/// getpeername.
#[unsafe(export_name = "wsa_getpeername")]
pub unsafe extern "C" fn getpeername(s: SOCKET, at: *mut SOCKADDR, namelen: *mut c_int) -> c_int {
    on_process(SOCKET_ERROR, |process| {
        // SAFETY: getpeername's contract: both are written.
        let mut room = unsafe { NameRoom::new(at, namelen) };
        process.getpeername(handle(s), room.name.memory(), room.len.as_mut())?;
        room.finish().map(|()| 0)
    })
}
