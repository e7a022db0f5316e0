//! What a socket is ready for.
//!
//! There is one set of flags for each socket, with the meaning of the bits that Windows keeps
//! below all of its notification functions; each of those is a view of it.

mod async_select;
mod event;
mod event_select;
mod message;
mod network;
mod poll;
mod select;

pub(crate) use event::Event;
pub use event::{Alertable, EventKind, Signal, WaitFor};
pub use event_select::WsaNetworkEvents;
pub(crate) use message::Messages;
pub use message::{Delivery, MessageCounters, MessageHook, SocketMessage, Step};
pub(crate) use network::{Bits, Record};
pub use poll::WsaPollFd;
pub use select::FdSet;

use core::ops::{BitOr, BitOrAssign};

use tapsock_stack::link::Link;
use tapsock_stack::storage::{Chain as _, List, Storage};
use tapsock_stack::tcp::Phase;
use tapsock_stack::time::{Duration, Instant};

use crate::engine::Access;
use crate::process::SocketHandle;
use crate::socket::State;

/// The state of one socket as a set of bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Flags(u16);

impl Flags {
    /// Data, a datagram, or an error about an earlier datagram waits.
    pub(crate) const READ: Self = Self(1);
    /// A send would take something.
    pub(crate) const WRITE: Self = Self(4);
    /// The peer has closed its direction.
    pub(crate) const HUP: Self = Self(8);
    /// The connection was reset or has failed otherwise.
    pub(crate) const RESET: Self = Self(16);
    /// The connection was established by this side.
    pub(crate) const CONNECT: Self = Self(64);
    /// A connection waits to be accepted.
    pub(crate) const ACCEPT: Self = Self(128);
    /// The last connection attempt failed.
    pub(crate) const CONNECT_ERR: Self = Self(256);

    /// Whether any bit of `other` is set.
    pub(crate) const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl BitOr for Flags {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Flags {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl<'a, L: Link, S: Storage<'a>> Access<'_, 'a, L, S> {
    /// The socket's flags now; none for a handle that is no socket's.
    pub(crate) fn flags(&mut self, s: SocketHandle) -> Flags {
        self.settle(s);
        let mut flags = Flags::default();
        let Ok(socket) = self.core.socket(s) else { return flags };
        let failed = socket.failure.signalled;
        match socket.state {
            State::Idle if !socket.is_stream() => flags |= Flags::WRITE,
            State::Idle if failed => flags |= Flags::CONNECT_ERR,
            // A new attempt hides the failure of the one before.
            State::Idle | State::Connecting(..) => {}
            State::Listening(id) => {
                if self.stack.tcp_pending(id).is_some() {
                    flags |= Flags::ACCEPT;
                }
                if failed {
                    flags |= Flags::CONNECT_ERR;
                }
            }
            State::Datagram(id) => {
                flags |= Flags::WRITE;
                if self.stack.udp(id).is_some_and(|udp| udp.waiting > 0 || udp.errors > 0) {
                    flags |= Flags::READ;
                }
            }
            State::Connected(id) => {
                flags |= Flags::CONNECT;
                let Some(tcp) = self.stack.tcp(id) else { return flags };
                if tcp.phase == Phase::Failed {
                    return flags | Flags::RESET | Flags::WRITE;
                }
                if tcp.receivable > 0 {
                    flags |= Flags::READ;
                }
                if tcp.fin_received {
                    flags |= Flags::HUP;
                }
                let limit = (socket.options.send_buffer as usize).max(1);
                // Without a heap nothing is kept beside the ring, however much may be queued.
                let room = S::Chain::UNBOUNDED || tcp.room > 0;
                if (tcp.queued < limit && room) || socket.shut.send {
                    flags |= Flags::WRITE;
                }
            }
        }
        flags
    }
}

/// What a call waits for: the numbers of these handles. Where the list is too short for them it
/// stays empty, which is interest in everything.
fn interest<L: List<u32>>(numbers: impl Iterator<Item = u32>) -> L {
    let mut interest = L::default();
    for number in numbers {
        if interest.push(number).is_err() {
            while interest.pop().is_some() {}
            break;
        }
    }
    interest
}

/// How long a call waits.
#[derive(Debug, Clone, Copy)]
struct Limit {
    timeout: Option<Duration>,
    end: Option<Instant>,
}

impl Limit {
    /// From the first look on; none is for ever, zero is one look.
    const fn new(timeout: Option<Duration>) -> Self {
        Self { timeout, end: None }
    }

    /// From the first look on, in milliseconds.
    fn millis(millis: Option<u32>) -> Self {
        Self::new(millis.map(|millis| Duration::from_millis(u64::from(millis))))
    }

    /// Whether the call ends now, without what it was made for.
    fn is_over<'a, L: Link, S: Storage<'a>>(&mut self, access: &mut Access<'_, 'a, L, S>) -> bool {
        let Some(timeout) = self.timeout else { return false };
        let over = access.now >= *self.end.get_or_insert_with(|| later(access.now, timeout));
        if over {
            access.core.ask();
        }
        over
    }

    /// When to look again at the latest.
    const fn end(&self) -> Option<Instant> {
        self.end
    }
}

/// `now + by`, or the end of time.
fn later(now: Instant, by: Duration) -> Instant {
    let micros = i64::try_from(by.total_micros()).unwrap_or(i64::MAX);
    Instant::from_micros(now.total_micros().saturating_add(micros))
}
