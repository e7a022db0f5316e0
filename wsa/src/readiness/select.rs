//! select.

use core::fmt;

use tapsock_stack::storage::Storage;
use tapsock_stack::time::Duration;

use super::{Flags, Limit};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::process::{Cue, Process, SocketHandle, Turn};

/// A set of sockets in memory of the caller's: an array, not a bit mask, and as long as the
/// caller likes.
pub struct FdSet<'m> {
    array: &'m mut [SocketHandle],
    count: usize,
}

impl<'m> FdSet<'m> {
    /// An empty set that has room for as many sockets as `array`.
    pub const fn new(array: &'m mut [SocketHandle]) -> Self {
        Self { array, count: 0 }
    }

    /// The set of the sockets in `array`.
    pub const fn of(array: &'m mut [SocketHandle]) -> Self {
        let count = array.len();
        Self { array, count }
    }

    /// FD_SET: adds a socket. One that is in the set, or for which there is no room, is silently
    /// left out.
    pub fn set(&mut self, s: SocketHandle) {
        if self.is_set(s) {
            return;
        }
        if let Some(place) = self.array.get_mut(self.count) {
            *place = s;
            self.count += 1;
        }
    }

    /// FD_CLR: takes a socket out.
    pub fn clear(&mut self, s: SocketHandle) {
        self.retain(|other| other != s);
    }

    /// FD_ZERO: takes all sockets out.
    pub const fn zero(&mut self) {
        self.count = 0;
    }

    /// FD_ISSET: whether the socket is in the set.
    pub fn is_set(&self, s: SocketHandle) -> bool {
        self.sockets().contains(&s)
    }

    /// The sockets in the set.
    pub fn sockets(&self) -> &[SocketHandle] {
        self.array.get(..self.count).unwrap_or_default()
    }

    /// Keeps what `keep` is true for, each socket once, in order.
    fn retain(&mut self, mut keep: impl FnMut(SocketHandle) -> bool) {
        let mut kept = 0;
        for at in 0..self.count.min(self.array.len()) {
            let s = self.array[at];
            if keep(s) && !self.array[..kept].contains(&s) {
                self.array[kept] = s;
                kept += 1;
            }
        }
        self.count = kept;
    }
}

impl fmt::Debug for FdSet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.sockets()).finish()
    }
}

/// What makes a socket ready in each of the three sets.
const READABLE: Flags = Flags(Flags::READ.0 | Flags::HUP.0 | Flags::RESET.0 | Flags::ACCEPT.0);
const WRITABLE: Flags = Flags::WRITE;
const EXCEPTIONAL: Flags = Flags::CONNECT_ERR;

/// The sets of a call.
struct Sets<'s, 'r, 'w, 'e> {
    read: Option<&'s mut FdSet<'r>>,
    write: Option<&'s mut FdSet<'w>>,
    except: Option<&'s mut FdSet<'e>>,
}

impl Sets<'_, '_, '_, '_> {
    fn read(&self) -> &[SocketHandle] {
        self.read.as_ref().map_or(&[], |set| set.sockets())
    }

    fn write(&self) -> &[SocketHandle] {
        self.write.as_ref().map_or(&[], |set| set.sockets())
    }

    fn except(&self) -> &[SocketHandle] {
        self.except.as_ref().map_or(&[], |set| set.sockets())
    }

    fn all(&self) -> impl Iterator<Item = SocketHandle> {
        [self.read(), self.write(), self.except()].into_iter().flatten().copied()
    }

    fn reads(&self, s: SocketHandle) -> bool {
        self.read().contains(&s)
    }

    /// Leaves in each set what is ready, and counts it.
    fn keep(&mut self, mut ready: impl FnMut(SocketHandle, Flags) -> bool) -> usize {
        let mut count = 0;
        let mut keep = |set: &mut FdSet<'_>, mask| {
            set.retain(|s| ready(s, mask));
            count += set.sockets().len();
        };
        if let Some(set) = &mut self.read {
            keep(set, READABLE);
        }
        if let Some(set) = &mut self.write {
            keep(set, WRITABLE);
        }
        if let Some(set) = &mut self.except {
            keep(set, EXCEPTIONAL);
        }
        count
    }
}

impl<'a, E: Engine<'a>> Process<'a, E> {
    /// select: waits until a socket is readable (data, a closed or reset connection, one to be
    /// accepted), writable (connected and with room), or exceptional (its connection attempt
    /// failed), or until `timeout` has passed; none waits for ever, zero looks once.
    ///
    /// Gives the number of sockets left in the sets, 0 after the timeout. A failed connection
    /// attempt is in the except set and in no other.
    ///
    /// # Errors
    /// WSANOTINITIALISED; WSAEINPROGRESS; WSAEINVAL when all sets are empty or missing;
    /// WSAENOTSOCK for a handle that is no socket's, also one that is closed during the wait and
    /// is not in the read set (in which it is reported as ready); WSAEINTR. The sets are then as
    /// they were.
    pub fn select(
        &self,
        read: Option<&mut FdSet<'_>>,
        write: Option<&mut FdSet<'_>>,
        except: Option<&mut FdSet<'_>>,
        timeout: Option<Duration>,
    ) -> Result<usize> {
        let mut sets = Sets { read, write, except };
        let thread = self.thread();
        let interest: <E::Storage as Storage<'a>>::Sockets<u32> =
            super::interest(sets.all().filter_map(SocketHandle::index));
        let mut limit = Limit::new(timeout);
        let mut waiting = false;
        self.block(&interest, |access, cue| {
            if sets.all().next().is_none() {
                return Turn::fail(Error::WSAEINVAL);
            }
            let gone = |s: SocketHandle| access.core.socket(s).is_err();
            let excuses = |s: SocketHandle| waiting && sets.reads(s);
            if sets.all().any(|s| gone(s) && !excuses(s)) {
                return Turn::fail(Error::WSAENOTSOCK);
            }
            let mut is_ready = |s: SocketHandle, mask: Flags| {
                match access.core.socket(s) {
                    Ok(_) => access.flags(s).intersects(mask),
                    // Closed during the wait: a receive would not block.
                    Err(_) => mask == READABLE,
                }
            };
            let any = sets.read().iter().any(|s| is_ready(*s, READABLE))
                || sets.write().iter().any(|s| is_ready(*s, WRITABLE))
                || sets.except().iter().any(|s| is_ready(*s, EXCEPTIONAL));
            if any {
                return Turn::Done(Ok(sets.keep(is_ready)));
            }
            if limit.is_over(access) {
                return Turn::Done(Ok(sets.keep(|_, _| false)));
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
