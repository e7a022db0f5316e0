//! What a socket is ready for.
//!
//! There is one set of flags for each socket, with the meaning of the bits that Windows keeps
//! below all of its notification functions; each of those is a view of it.

mod select;

pub use select::FdSet;

use core::ops::{BitOr, BitOrAssign};

use tapsock_stack::link::Link;
use tapsock_stack::storage::Storage;
use tapsock_stack::tcp::Phase;

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
                if tcp.queued < limit || socket.shut.send {
                    flags |= Flags::WRITE;
                }
            }
        }
        flags
    }
}
