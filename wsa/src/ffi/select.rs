//! select.

use core::ffi::{c_int, c_void};
use core::mem::offset_of;
use std::vec::Vec;

use tapsock_stack::time::Duration;

use super::SOCKET_ERROR;
use super::guard::{self, on_process};
use super::layout::{FD_SET, SOCKET, TIMEVAL};
use super::memory;
use super::socket::handle;
use crate::error::{Error, Result};
use crate::memory::Arg;
use crate::process::SocketHandle;
use crate::readiness::FdSet;

/// Where the sockets of a set begin.
const ARRAY: usize = offset_of!(FD_SET, fd_array);
/// A set of this many needs no memory beside the stack's.
const FEW: usize = 64;
/// The most sockets that a set may have: as many as a process.
const MOST: usize = 1 << 20;

/// A set of the caller's, copied.
struct Set {
    at: *mut FD_SET,
    few: [SocketHandle; FEW],
    many: Vec<SocketHandle>,
    count: usize,
}

impl Set {
    /// The set at `at`, or WSAEFAULT.
    fn read(at: *mut FD_SET) -> Result<Option<Self>> {
        let count = match memory::value(at.cast::<u32>().cast_const()) {
            Arg::Null => return Ok(None),
            Arg::Unreadable => return Err(Error::WSAEFAULT),
            Arg::Value(count) => count as usize,
        };
        if count > MOST {
            return Err(Error::WSAEFAULT);
        }
        let mut set = Self { at, few: [SocketHandle::INVALID; FEW], many: Vec::new(), count };
        if count > FEW {
            set.many.try_reserve_exact(count).map_err(|_| Error::WSAEFAULT)?;
            set.many.resize(count, SocketHandle::INVALID);
        }
        let mut bytes = [0; FEW * size_of::<SOCKET>()];
        for (number, places) in set.places().chunks_mut(FEW).enumerate() {
            let bytes = bytes.get_mut(..size_of_val(places)).unwrap_or_default();
            let from = at.wrapping_byte_add(ARRAY + number * FEW * size_of::<SOCKET>());
            if memory::read(from.cast::<c_void>().cast_const(), bytes) < bytes.len() {
                return Err(Error::WSAEFAULT);
            }
            let (words, _) = bytes.as_chunks();
            for (place, word) in places.iter_mut().zip(words) {
                *place = handle(SOCKET::from_ne_bytes(*word));
            }
        }
        Ok(Some(set))
    }

    /// The set at `at`, which a call will change, or WSAEFAULT.
    fn read_to_write(at: *mut FD_SET) -> Result<Option<Self>> {
        let set = Self::read(at)?;
        if let Some(set) = &set {
            let size = ARRAY + set.count * size_of::<SOCKET>();
            if memory::writable(at.cast(), size) < size {
                return Err(Error::WSAEFAULT);
            }
        }
        Ok(set)
    }

    fn places(&mut self) -> &mut [SocketHandle] {
        if self.count > FEW {
            &mut self.many
        } else {
            self.few.get_mut(..self.count).unwrap_or_default()
        }
    }

    /// Leaves `sockets` in the caller's set.
    ///
    /// # Safety
    /// As for [`memory::write`].
    unsafe fn write(at: *mut FD_SET, sockets: &[SocketHandle]) -> Result<()> {
        let mut bytes = [0; FEW * size_of::<SOCKET>()];
        for (number, sockets) in sockets.chunks(FEW).enumerate() {
            for (place, s) in bytes.chunks_exact_mut(size_of::<SOCKET>()).zip(sockets) {
                place.copy_from_slice(&s.raw().to_ne_bytes());
            }
            let to = at.wrapping_byte_add(ARRAY + number * FEW * size_of::<SOCKET>());
            let bytes = bytes.get(..size_of_val(sockets)).unwrap_or_default();
            // SAFETY: our caller's promise.
            if !unsafe { memory::write(to.cast(), bytes) } {
                return Err(Error::WSAEFAULT);
            }
        }
        let count = (sockets.len() as u32).to_ne_bytes();
        // SAFETY: our caller's promise.
        if unsafe { memory::write(at.cast(), &count) } { Ok(()) } else { Err(Error::WSAEFAULT) }
    }
}

/// A time limit; `None` for none.
fn limit(timeout: *const TIMEVAL) -> Result<Option<Duration>> {
    let timeout = match memory::value(timeout) {
        Arg::Null => return Ok(None),
        Arg::Unreadable => return Err(Error::WSAEFAULT),
        Arg::Value(timeout) => timeout,
    };
    let number = |number: i32| u64::try_from(number).map_err(|_| Error::WSAEINVAL);
    let micros = number(timeout.tv_sec)? * 1_000_000 + number(timeout.tv_usec)?;
    Ok(Some(Duration::from_micros(micros)))
}

/// select. The first argument does not count. One set may be given twice: it gets what is ready
/// in either sense.
#[unsafe(export_name = "wsa_select")]
pub unsafe extern "C" fn select(
    _nfds: c_int,
    read: *mut FD_SET,
    write: *mut FD_SET,
    except: *mut FD_SET,
    timeout: *const TIMEVAL,
) -> c_int {
    on_process(SOCKET_ERROR, |process| {
        let arguments = || {
            let sets = (Set::read_to_write(read)?, Set::read_to_write(write)?);
            Ok((sets.0, sets.1, Set::read_to_write(except)?, limit(timeout)?))
        };
        let (mut read, mut write, mut except, timeout) = match arguments() {
            Ok(arguments) => arguments,
            Err(error) => return guard::refuse(process, error),
        };
        let places = [read.as_ref(), write.as_ref(), except.as_ref()]
            .map(|set| set.map_or(core::ptr::null_mut(), |set| set.at));
        let mut sets = [&mut read, &mut write, &mut except]
            .map(|set| set.as_mut().map(|set| FdSet::of(set.places())));
        let [read, write, except] = &mut sets;
        let ready = process.select(read.as_mut(), write.as_mut(), except.as_mut(), timeout)?;
        for (index, at) in places.into_iter().enumerate() {
            // The sets at one address are written once, together.
            if at.is_null() || places[..index].contains(&at) {
                continue;
            }
            let mut here = sets
                .iter()
                .zip(places)
                .filter(|(_, place)| *place == at)
                .filter_map(|(set, _)| set.as_ref());
            let first = here.next().map(FdSet::sockets).unwrap_or_default();
            let outcome = match here.next() {
                // SAFETY: select's contract: the sets are written.
                None => unsafe { Set::write(at, first) },
                Some(second) => {
                    let mut all = first.to_vec();
                    for s in second.sockets().iter().chain(here.flat_map(FdSet::sockets)) {
                        if !all.contains(s) {
                            all.push(*s);
                        }
                    }
                    // SAFETY: as above.
                    unsafe { Set::write(at, &all) }
                }
            };
            outcome?;
        }
        Ok(count(ready))
    })
}

fn count(ready: usize) -> c_int {
    c_int::try_from(ready).unwrap_or(c_int::MAX)
}

/// __WSAFDIsSet, which FD_ISSET is: whether a socket is in a set. Works before WSAStartup.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __WSAFDIsSet(s: SOCKET, set: *mut FD_SET) -> c_int {
    let is_set = guard::contain(|| match Set::read(set) {
        Ok(Some(mut set)) => set.places().contains(&handle(s)),
        Ok(None) | Err(_) => false,
    });
    c_int::from(is_set == Some(true))
}
