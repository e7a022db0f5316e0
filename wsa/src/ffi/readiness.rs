//! WSAPoll, event objects, network events and messages.

use core::ffi::{c_int, c_void};
use core::mem::offset_of;
use std::vec::Vec;

use super::SOCKET_ERROR;
use super::guard::{self, on_process};
use super::layout::{SOCKET, WSAEVENT, WSANETWORKEVENTS, WSAPOLLFD};
use super::memory;
use super::socket::handle;
use crate::constants::{WSA_MAXIMUM_WAIT_EVENTS, WSA_WAIT_FAILED};
use crate::error::{Error, Result};
use crate::memory::Arg;
use crate::process::EventHandle;
use crate::readiness::{Alertable, WaitFor, WsaNetworkEvents, WsaPollFd};

const TRUE: c_int = 1;
const FALSE: c_int = 0;

/// As many entries of WSAPoll need no memory beside the stack's.
const FEW: usize = 64;
/// The most entries of WSAPoll: as many as a process has sockets.
const MOST: usize = 1 << 20;

fn event(event: WSAEVENT) -> EventHandle {
    EventHandle::from_raw(event.addr())
}

/// The entries at `at`, which can be written; `None` where they are not there.
fn entries(at: *const WSAPOLLFD, count: usize) -> Option<Vec<WsaPollFd>> {
    let size = count * size_of::<WSAPOLLFD>();
    if count > MOST || memory::writable(at.cast_mut().cast(), size) < size {
        return None;
    }
    let mut entries = Vec::new();
    entries.try_reserve_exact(count.max(FEW)).ok()?;
    for number in 0..count {
        let entry = memory::value(at.wrapping_add(number)).value()?;
        entries.push(WsaPollFd {
            fd: handle(entry.fd),
            events: entry.events,
            revents: entry.revents,
        });
    }
    Some(entries)
}

/// WSAPoll.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn WSAPoll(fds: *mut WSAPOLLFD, count: u32, timeout: c_int) -> c_int {
    on_process(SOCKET_ERROR, |process| {
        let mut entries = entries(fds, count as usize);
        let argument = match &mut entries {
            Some(entries) => Arg::Value(entries.as_mut_slice()),
            None => Arg::Unreadable,
        };
        let outcome = process.wsa_poll_at(argument, count, timeout);
        // Also where no entry is of a socket, which is an error and an answer.
        if matches!(outcome, Ok(_) | Err(Error::WSAENOTSOCK)) {
            for (number, entry) in entries.iter().flatten().enumerate() {
                let place =
                    fds.wrapping_add(number).wrapping_byte_add(offset_of!(WSAPOLLFD, revents));
                // SAFETY: WSAPoll's contract: the answers are written.
                memory::done(unsafe { memory::write(place.cast(), &entry.revents.to_ne_bytes()) })?;
            }
        }
        Ok(c_int::try_from(outcome?).unwrap_or(c_int::MAX))
    })
}

/// WSACreateEvent. WSA_INVALID_EVENT, a null pointer, when it fails.
#[unsafe(no_mangle)]
pub extern "C" fn WSACreateEvent() -> WSAEVENT {
    on_process(core::ptr::null_mut(), |process| {
        Ok(core::ptr::without_provenance_mut(process.wsa_create_event()?.raw()))
    })
}

/// WSASetEvent.
#[unsafe(no_mangle)]
pub extern "C" fn WSASetEvent(e: WSAEVENT) -> c_int {
    on_process(FALSE, |process| process.wsa_set_event(event(e)).map(|()| TRUE))
}

/// WSAResetEvent.
#[unsafe(no_mangle)]
pub extern "C" fn WSAResetEvent(e: WSAEVENT) -> c_int {
    on_process(FALSE, |process| process.wsa_reset_event(event(e)).map(|()| TRUE))
}

/// WSACloseEvent.
#[unsafe(no_mangle)]
pub extern "C" fn WSACloseEvent(e: WSAEVENT) -> c_int {
    on_process(FALSE, |process| process.wsa_close_event(event(e)).map(|()| TRUE))
}

/// WSAWaitForMultipleEvents. A list that cannot be read is WSA_INVALID_PARAMETER.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn WSAWaitForMultipleEvents(
    count: u32,
    events: *const WSAEVENT,
    all: c_int,
    timeout: u32,
    alertable: c_int,
) -> u32 {
    on_process(WSA_WAIT_FAILED, |process| {
        // One more than allowed is refused without a look at them.
        let mut list = [EventHandle::INVALID; WSA_MAXIMUM_WAIT_EVENTS + 1];
        let count = (count as usize).min(list.len());
        let list = list.get_mut(..count).unwrap_or_default();
        if list.len() <= WSA_MAXIMUM_WAIT_EVENTS {
            for (number, place) in list.iter_mut().enumerate() {
                let at = events.wrapping_add(number).cast::<usize>();
                match memory::value(at) {
                    Arg::Value(raw) => *place = EventHandle::from_raw(raw),
                    _ => return guard::refuse(process, Error::WSA_INVALID_PARAMETER),
                }
            }
        }
        let wanted = if all != FALSE { WaitFor::All } else { WaitFor::Any };
        let alertable = if alertable != FALSE { Alertable::Yes } else { Alertable::No };
        process.wsa_wait_for_multiple_events(list, wanted, timeout, alertable)
    })
}

/// WSAEventSelect.
#[unsafe(no_mangle)]
pub extern "C" fn WSAEventSelect(s: SOCKET, e: WSAEVENT, events: i32) -> c_int {
    on_process(SOCKET_ERROR, |process| {
        process.wsa_event_select(handle(s), event(e), events).map(|()| 0)
    })
}

/// WSAEnumNetworkEvents.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn WSAEnumNetworkEvents(
    s: SOCKET,
    e: WSAEVENT,
    at: *mut WSANETWORKEVENTS,
) -> c_int {
    on_process(SOCKET_ERROR, |process| {
        let mut found = network_events(at);
        let argument = match &mut found {
            Some(found) => Arg::Value(found),
            None => Arg::Unreadable,
        };
        process.wsa_enum_network_events(handle(s), event(e), argument)?;
        let mut bytes = [0; size_of::<WSANETWORKEVENTS>()];
        if let Some(found) = &found {
            let numbers = core::iter::once(&found.network_events).chain(&found.error_code);
            for (place, number) in bytes.chunks_exact_mut(4).zip(numbers) {
                place.copy_from_slice(&number.to_ne_bytes());
            }
        }
        // SAFETY: WSAEnumNetworkEvents's contract: the structure is written.
        memory::done(unsafe { memory::write(at.cast::<c_void>(), &bytes) }).map(|()| 0)
    })
}

/// The structure at `at`, if it can be written.
fn network_events(at: *mut WSANETWORKEVENTS) -> Option<WsaNetworkEvents> {
    let given = memory::value(at.cast_const()).value()?;
    let size = size_of::<WSANETWORKEVENTS>();
    (memory::writable(at.cast(), size) == size).then_some(WsaNetworkEvents {
        network_events: given.lNetworkEvents,
        error_code: given.iErrorCode,
    })
}

/// WSAAsyncSelect. There are no windows: the number of one comes back with each message, which
/// [`wsa_next_message`] gives.
#[unsafe(no_mangle)]
pub extern "C" fn WSAAsyncSelect(
    s: SOCKET,
    window: *mut c_void,
    message: u32,
    events: i32,
) -> c_int {
    on_process(SOCKET_ERROR, |process| {
        process.wsa_async_select(handle(s), window.addr(), message, events).map(|()| 0)
    })
}

/// A message of WSAAsyncSelect, with the beginning of Windows's MSG.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct WsaMessage {
    /// The window that WSAAsyncSelect was given.
    pub hwnd: *mut c_void,
    /// The message that it was given.
    pub message: u32,
    /// The socket.
    pub wParam: usize,
    /// WSAGETSELECTEVENT and WSAGETSELECTERROR.
    pub lParam: isize,
}

/// What GetMessage is to Windows: takes the oldest message of WSAAsyncSelect, and waits for it at
/// most `timeout` milliseconds, WSA_INFINITE without end. 1 for a message, 0 for none,
/// SOCKET_ERROR with WSAEFAULT before one is taken.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wsa_next_message(to: *mut WsaMessage, timeout: u32) -> c_int {
    on_process(SOCKET_ERROR, |process| {
        let size = size_of::<WsaMessage>();
        if memory::writable(to.cast(), size) < size {
            return guard::refuse(process, Error::WSAEFAULT);
        }
        let Some(message) = process.wait_message(timeout)? else { return Ok(0) };
        let put = |offset: usize, bytes: &[u8]| -> Result<()> {
            // SAFETY: this function's contract: the message is written.
            memory::done(unsafe { memory::write(to.wrapping_byte_add(offset).cast(), bytes) })
        };
        put(offset_of!(WsaMessage, hwnd), &message.window.to_ne_bytes())?;
        put(offset_of!(WsaMessage, message), &message.message.to_ne_bytes())?;
        put(offset_of!(WsaMessage, wParam), &message.w_param().to_ne_bytes())?;
        let l_param = message.l_param() as isize;
        put(offset_of!(WsaMessage, lParam), &l_param.to_ne_bytes())?;
        Ok(1)
    })
}
