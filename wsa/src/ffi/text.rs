//! Byte order and addresses as text.

use core::cell::Cell;
use core::ffi::{c_char, c_int, c_void};
use core::net::{Ipv4Addr, Ipv6Addr};
use core::ptr;

use super::SOCKET_ERROR;
use super::guard::{self, call, on_process};
use super::layout::{IN_ADDR, IN6_ADDR, SOCKET};
use super::memory::{self, Number};
use super::socket::handle;
use crate::constants::{AF_INET, AF_INET6};
use crate::error::{Error, Result};
use crate::text::{self, AddressText};

/// in6addr_any: the wildcard.
#[unsafe(export_name = "wsa_in6addr_any")]
pub static in6addr_any: IN6_ADDR = IN6_ADDR { Byte: Ipv6Addr::UNSPECIFIED.octets() };

/// in6addr_loopback: this very stack.
#[unsafe(export_name = "wsa_in6addr_loopback")]
pub static in6addr_loopback: IN6_ADDR = IN6_ADDR { Byte: Ipv6Addr::LOCALHOST.octets() };

/// htonl.
#[unsafe(export_name = "wsa_htonl")]
pub extern "C" fn htonl(number: u32) -> u32 {
    number.to_be()
}

/// htons.
#[unsafe(export_name = "wsa_htons")]
pub extern "C" fn htons(number: u16) -> u16 {
    number.to_be()
}

/// ntohl.
#[unsafe(export_name = "wsa_ntohl")]
pub extern "C" fn ntohl(number: u32) -> u32 {
    u32::from_be(number)
}

/// ntohs.
#[unsafe(export_name = "wsa_ntohs")]
pub extern "C" fn ntohs(number: u16) -> u16 {
    u16::from_be(number)
}

/// Writes a number whose bytes a socket's protocol wants in another order. All that there are want
/// them in network byte order, so the socket says nothing but whether it is one.
///
/// # Safety
/// As for [`memory::write`].
unsafe fn put(s: SOCKET, at: *mut c_void, bytes: &[u8]) -> c_int {
    on_process(SOCKET_ERROR, |process| {
        guard::check_socket(process, handle(s))?;
        // SAFETY: our caller's promise.
        if unsafe { memory::write(at, bytes) } { Ok(0) } else { Err(Error::WSAEFAULT) }
    })
}

/// WSAHtonl.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn WSAHtonl(s: SOCKET, number: u32, to: *mut u32) -> c_int {
    // SAFETY: WSAHtonl's contract: the number is written.
    unsafe { put(s, to.cast(), &htonl(number).to_bytes()) }
}

/// WSAHtons.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn WSAHtons(s: SOCKET, number: u16, to: *mut u16) -> c_int {
    // SAFETY: WSAHtons's contract: the number is written.
    unsafe { put(s, to.cast(), &htons(number).to_ne_bytes()) }
}

/// WSANtohl.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn WSANtohl(s: SOCKET, number: u32, to: *mut u32) -> c_int {
    // SAFETY: WSANtohl's contract: the number is written.
    unsafe { put(s, to.cast(), &ntohl(number).to_bytes()) }
}

/// WSANtohs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn WSANtohs(s: SOCKET, number: u16, to: *mut u16) -> c_int {
    // SAFETY: WSANtohs's contract: the number is written.
    unsafe { put(s, to.cast(), &ntohs(number).to_ne_bytes()) }
}

/// INADDR_NONE.
const INADDR_NONE: u32 = u32::MAX;

/// inet_addr. INADDR_NONE for what is no address, also for a bad pointer. Leaves the last error
/// alone.
#[unsafe(export_name = "wsa_inet_addr")]
pub unsafe extern "C" fn inet_addr(at: *const c_char) -> u32 {
    let address = guard::contain(|| {
        // A number may have as many leading zeros as fit.
        let mut room = [0; 256];
        text::inet_addr(memory::text(at.cast(), &mut room)?)
    });
    address.flatten().map_or(INADDR_NONE, |address| u32::from_ne_bytes(address.octets()))
}

std::thread_local! {
    /// What inet_ntoa returns: valid until the thread's next call of it, or its end.
    static TEXT: Cell<[u8; 16]> = const { Cell::new([0; 16]) };
}

/// inet_ntoa. The text is the thread's, and changes with its next call.
#[unsafe(export_name = "wsa_inet_ntoa")]
pub extern "C" fn inet_ntoa(address: IN_ADDR) -> *mut c_char {
    let text = AddressText::of(Ipv4Addr::from(address.S_addr.to_ne_bytes()));
    let mut bytes = [0; 16];
    for (to, from) in bytes.iter_mut().zip(text.with_nul()) {
        *to = *from;
    }
    TEXT.with(|place| {
        place.set(bytes);
        place.as_ptr().cast()
    })
}

/// inet_pton: 1 for an address, which is written; 0 for a text that is none; -1 with
/// WSAEAFNOSUPPORT or WSAEFAULT.
#[unsafe(export_name = "wsa_inet_pton")]
pub unsafe extern "C" fn inet_pton(family: c_int, at: *const c_char, to: *mut c_void) -> c_int {
    call(SOCKET_ERROR, || {
        // Longer than any address.
        let mut room = [0; 64];
        let bytes = |room| {
            let is_there = !at.is_null() && memory::read(at.cast(), &mut [0]) == 1;
            if is_there { Ok(memory::text(at.cast(), room)) } else { Err(Error::WSAEFAULT) }
        };
        // SAFETY: inet_pton's contract: an address of the family is written.
        let put = |bytes: &[u8]| {
            if unsafe { memory::write(to, bytes) } { Ok(1) } else { Err(Error::WSAEFAULT) }
        };
        match family {
            AF_INET => match bytes(&mut room)?.and_then(text::parse_v4) {
                Some(address) => put(&address.octets()),
                None => Ok(0),
            },
            AF_INET6 => match bytes(&mut room)?.and_then(text::parse_v6) {
                Some(address) => put(&address.octets()),
                None => Ok(0),
            },
            _ => Err(Error::WSAEAFNOSUPPORT),
        }
    })
}

/// inet_ntop: `to`, where the text is, or null with WSAEAFNOSUPPORT, WSAEFAULT, or
/// WSA_INVALID_PARAMETER for too little room.
#[unsafe(export_name = "wsa_inet_ntop")]
pub unsafe extern "C" fn inet_ntop(
    family: c_int,
    at: *const c_void,
    to: *mut c_char,
    len: usize,
) -> *const c_char {
    call(ptr::null(), || {
        let text = match family {
            AF_INET => AddressText::of(Ipv4Addr::from(octets(at)?)),
            AF_INET6 => AddressText::of(Ipv6Addr::from(octets::<16>(at)?)),
            _ => return Err(Error::WSAEAFNOSUPPORT),
        };
        if to.is_null() || len < text.with_nul().len() {
            return Err(Error::WSA_INVALID_PARAMETER);
        }
        // SAFETY: inet_ntop's contract: the text is written.
        let written = unsafe { memory::write(to.cast(), text.with_nul()) };
        if written { Ok(to.cast_const()) } else { Err(Error::WSAEFAULT) }
    })
}

fn octets<const N: usize>(at: *const c_void) -> Result<[u8; N]> {
    let mut octets = [0; N];
    if memory::read(at, &mut octets) == N { Ok(octets) } else { Err(Error::WSAEFAULT) }
}
