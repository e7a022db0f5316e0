//! The options about packets that are larger than their path takes, of both IP levels.

use tapsock_stack::link::Link;
use tapsock_stack::storage::Storage;
use tapsock_stack::udp::Fragmentation;

use super::values::{Given, Wanted};
use crate::constants::*;
use crate::engine::Access;
use crate::error::{Error, Result};
use crate::process::SocketHandle;
use crate::socket::{Socket, State};

/// What a socket does about packets that are larger than their path takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct PathMtu {
    /// IP_DONTFRAGMENT.
    pub(crate) dont_fragment: bool,
    /// IP_MTU_DISCOVER.
    pub(crate) discovery: Discovery,
}

/// The values of IP_MTU_DISCOVER.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Discovery {
    #[default]
    NotSet,
    Do,
    Dont,
    Probe,
}

impl PathMtu {
    pub(super) const DEFAULT: Self = Self { dont_fragment: false, discovery: Discovery::NotSet };

    /// As the stack has it. Either option is enough to keep datagrams whole.
    pub(crate) fn fragmentation(self) -> Fragmentation {
        match (self.discovery, self.dont_fragment) {
            (Discovery::Probe, _) => Fragmentation::Probe,
            (Discovery::Do, _) | (_, true) => Fragmentation::Forbid,
            (Discovery::NotSet | Discovery::Dont, false) => Fragmentation::Allow,
        }
    }
}

impl<'a, L: Link, S: Storage<'a>> Access<'_, 'a, L, S> {
    /// IP_DONTFRAGMENT and IPV6_DONTFRAG, which only sockets of datagrams have: a stream makes
    /// segments that fit.
    pub(super) fn dont_fragment(&self, s: SocketHandle, value: Wanted<'_>) -> Result<()> {
        let socket = self.core.socket(s)?;
        if socket.is_stream() {
            return Err(Error::WSAENOPROTOOPT);
        }
        value.flag(socket.options.path_mtu.dont_fragment)
    }

    /// IP_MTU_DISCOVER and IPV6_MTU_DISCOVER.
    pub(super) fn mtu_discovery(&self, s: SocketHandle, value: Wanted<'_>) -> Result<()> {
        value.number(match self.core.socket(s)?.options.path_mtu.discovery {
            Discovery::NotSet => IP_PMTUDISC_NOT_SET,
            Discovery::Do => IP_PMTUDISC_DO,
            Discovery::Dont => IP_PMTUDISC_DONT,
            Discovery::Probe => IP_PMTUDISC_PROBE,
        })
    }

    /// IP_MTU and IPV6_MTU: what is known about the path to the peer. WSAENOTCONN without one.
    pub(super) fn peer_mtu(&mut self, s: SocketHandle, value: Wanted<'_>) -> Result<()> {
        let socket = self.core.socket(s)?;
        let peer = match socket.state {
            State::Connected(_) | State::Datagram(_) => socket.peer,
            State::Idle | State::Connecting(..) | State::Listening(_) => None,
        };
        let peer = peer.ok_or(Error::WSAENOTCONN)?.endpoint();
        let mtu = self.stack.path_mtu(self.now, peer.addr);
        value.number(u32::try_from(mtu).unwrap_or(u32::MAX))
    }
}

/// IP_DONTFRAGMENT and IPV6_DONTFRAG.
pub(super) fn set_dont_fragment(socket: &mut Socket, value: Given<'_>) -> Result<()> {
    if socket.is_stream() {
        return Err(Error::WSAENOPROTOOPT);
    }
    socket.options.path_mtu.dont_fragment = value.flag()?;
    Ok(())
}

/// IP_MTU_DISCOVER and IPV6_MTU_DISCOVER. TCP finds the size of its path by what this stack is
/// made of, and cannot be told not to.
pub(super) fn set_discovery(socket: &mut Socket, value: Given<'_>) -> Result<()> {
    let discovery = match value.number()? {
        IP_PMTUDISC_NOT_SET => Discovery::NotSet,
        IP_PMTUDISC_DO => Discovery::Do,
        IP_PMTUDISC_DONT | IP_PMTUDISC_PROBE if socket.is_stream() => {
            return Err(Error::WSAENOPROTOOPT);
        }
        IP_PMTUDISC_DONT => Discovery::Dont,
        IP_PMTUDISC_PROBE => Discovery::Probe,
        _ => return Err(Error::WSAEINVAL),
    };
    socket.options.path_mtu.discovery = discovery;
    Ok(())
}
