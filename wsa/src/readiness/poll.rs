//! WSAPoll.

use tapsock_stack::link::Link;
use tapsock_stack::storage::Storage;

use super::{Flags, Limit};
use crate::constants::{POLLERR, POLLHUP, POLLNVAL, POLLRDBAND, POLLRDNORM, POLLWRNORM};
use crate::engine::{Access, Engine};
use crate::error::{Error, Result};
use crate::memory::Arg;
use crate::process::{Cue, Process, SocketHandle, Turn};
use crate::profile::PollNegative;

/// WSAPOLLFD: a socket, what is asked about it, and the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WsaPollFd {
    /// The socket.
    pub fd: SocketHandle,
    /// What is asked: POLLRDNORM, POLLRDBAND, POLLWRNORM.
    pub events: i16,
    /// The answer: what holds of that, and POLLERR, POLLHUP and POLLNVAL unasked.
    pub revents: i16,
}

impl WsaPollFd {
    /// An entry that asks for `events`.
    pub const fn new(fd: SocketHandle, events: i16) -> Self {
        Self { fd, events, revents: 0 }
    }
}

/// What may be asked.
const ASKABLE: i16 = POLLRDNORM | POLLRDBAND | POLLWRNORM;
/// What is answered unasked.
const UNASKED: i16 = POLLERR | POLLHUP | POLLNVAL;

/// What each flag answers. The peer's end is no data: it has a bit of its own.
const ANSWERS: [(Flags, i16); 6] = [
    (Flags::READ, POLLRDNORM),
    (Flags::ACCEPT, POLLRDNORM),
    (Flags::WRITE, POLLWRNORM),
    (Flags::HUP, POLLHUP),
    (Flags::RESET, POLLERR | POLLHUP | POLLWRNORM),
    (Flags::CONNECT_ERR, POLLERR | POLLHUP | POLLWRNORM),
];

/// What WSAPoll makes of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Valid,
    Invalid,
    /// A negative handle, where the profile lets it switch an entry off.
    Ignored,
}

impl<'a, E: Engine<'a>> Process<'a, E> {
    /// WSAPoll: waits until something that is asked in `fds` holds, or `timeout` milliseconds have
    /// passed; a negative number is for ever, zero looks once. Every `revents` is written.
    ///
    /// Gives the number of entries with an answer, 0 after the timeout. A handle that is no
    /// socket's is POLLNVAL, is not counted and ends no wait; a socket that is closed during the
    /// wait is POLLNVAL, and is and does. A failed connection attempt is POLLERR, POLLHUP and
    /// POLLWRNORM.
    ///
    /// # Errors
    /// WSANOTINITIALISED; WSAEINPROGRESS; WSAEINVAL for no entries, and when something else than
    /// POLLRDNORM, POLLRDBAND and POLLWRNORM is asked about a socket; WSAENOTSOCK when no entry is
    /// of a socket, with POLLNVAL set; WSAEINTR.
    pub fn wsa_poll(&self, fds: &mut [WsaPollFd], timeout: i32) -> Result<usize> {
        let count = u32::try_from(fds.len()).unwrap_or(u32::MAX);
        self.wsa_poll_at(Arg::Value(fds), count, timeout)
    }

    /// WSAPoll with the array's pointer and length as the caller gave them.
    ///
    /// # Errors
    /// As [`Process::wsa_poll`]; WSAEFAULT for `nfds` entries that cannot be read and written.
    pub fn wsa_poll_at(
        &self,
        fds: Arg<&mut [WsaPollFd]>,
        nfds: u32,
        timeout: i32,
    ) -> Result<usize> {
        let fds = match fds {
            Arg::Value(fds) => fds.get_mut(..nfds as usize),
            Arg::Null | Arg::Unreadable => None,
        };
        let (Some(fds), 1..) = (fds, nfds) else {
            let error = if nfds == 0 { Error::WSAEINVAL } else { Error::WSAEFAULT };
            return self.call(|_| Err(error.into()));
        };
        let thread = self.thread();
        let interest: <E::Storage as Storage<'a>>::Sockets<u32> =
            super::interest(fds.iter().filter_map(|entry| entry.fd.index()));
        let mut limit = Limit::millis(u32::try_from(timeout).ok());
        let mut waiting = false;
        self.block(&interest, |access, cue| {
            if !waiting && let Err(error) = access.begin_poll(fds) {
                return Turn::fail(error);
            }
            let ready = access.poll(fds);
            if ready > 0 || limit.is_over(access) {
                return Turn::Done(Ok(ready));
            }
            if let Cue::GiveUp(error) = cue {
                return Turn::fail(error);
            }
            if access.core.in_callback(thread) {
                return Turn::fail(Error::WSAEINPROGRESS);
            }
            waiting = true;
            Turn::Wait(limit.end())
        })
    }
}

impl<'a, L: Link, S: Storage<'a>> Access<'_, 'a, L, S> {
    fn standing(&self, fd: SocketHandle) -> Standing {
        let is_negative = (fd.raw() as isize) < 0;
        match self.core.socket(fd) {
            Ok(_) => Standing::Valid,
            Err(_) if is_negative && self.core.profile.poll_negative == PollNegative::Ignored => {
                Standing::Ignored
            }
            Err(_) => Standing::Invalid,
        }
    }

    /// Looks at the question, and marks what is invalid from the start.
    fn begin_poll(&self, fds: &mut [WsaPollFd]) -> Result<()> {
        let mut any = false;
        for entry in &*fds {
            if self.standing(entry.fd) == Standing::Valid {
                any = true;
                if entry.events & !ASKABLE != 0 {
                    return Err(Error::WSAEINVAL);
                }
            }
        }
        for entry in fds {
            entry.revents = match self.standing(entry.fd) {
                Standing::Invalid => POLLNVAL,
                Standing::Valid | Standing::Ignored => 0,
            };
        }
        if any { Ok(()) } else { Err(Error::WSAENOTSOCK) }
    }

    /// Writes the answers. Gives the number of those that count.
    fn poll(&mut self, fds: &mut [WsaPollFd]) -> usize {
        let mut ready = 0;
        for entry in fds {
            if entry.revents == POLLNVAL {
                // From the start, so it does not count.
                continue;
            }
            entry.revents = match self.standing(entry.fd) {
                Standing::Ignored => 0,
                Standing::Invalid => POLLNVAL,
                Standing::Valid => {
                    let flags = self.flags(entry.fd);
                    let holds = ANSWERS.iter().filter(|(flag, _)| flags.intersects(*flag));
                    holds.fold(0, |all, (_, answer)| all | answer) & (entry.events | UNASKED)
                }
            };
            ready += usize::from(entry.revents != 0);
        }
        ready
    }
}
