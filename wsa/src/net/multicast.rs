//! Groups that a datagram socket hears and speaks to.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::UdpSocket;
use crate::constants::{
    IP_ADD_MEMBERSHIP, IP_DROP_MEMBERSHIP, IP_MULTICAST_LOOP, IP_MULTICAST_TTL, IPPROTO_IP,
    IPPROTO_IPV6, IPV6_JOIN_GROUP, IPV6_LEAVE_GROUP, IPV6_MULTICAST_LOOP,
};

/// The options of IPv4 are for sockets of IPv4 and those of IPv6 for sockets of IPv6, also where
/// one at `[::]` serves both.
impl UdpSocket {
    /// Joins a group on the interface with this address; the unspecified one is the default.
    ///
    /// # Errors
    /// `InvalidInput` for a group that the socket has joined, and before bind; `AddrNotAvailable`
    /// for an address that is no group's, or no interface's.
    pub fn join_multicast_v4(&self, group: &Ipv4Addr, interface: &Ipv4Addr) -> io::Result<()> {
        self.socket.set_option_bytes(IPPROTO_IP, IP_ADD_MEMBERSHIP, &request_v4(group, interface))
    }

    /// Leaves a group. Closing the socket leaves them all.
    ///
    /// # Errors
    /// `AddrNotAvailable` for a group that the socket has not joined.
    pub fn leave_multicast_v4(&self, group: &Ipv4Addr, interface: &Ipv4Addr) -> io::Result<()> {
        self.socket.set_option_bytes(IPPROTO_IP, IP_DROP_MEMBERSHIP, &request_v4(group, interface))
    }

    /// Joins a group on the interface with this index; 0 is the default.
    ///
    /// # Errors
    /// As [`UdpSocket::join_multicast_v4`].
    pub fn join_multicast_v6(&self, group: &Ipv6Addr, interface: u32) -> io::Result<()> {
        self.socket.set_option_bytes(IPPROTO_IPV6, IPV6_JOIN_GROUP, &request_v6(group, interface))
    }

    /// Leaves a group. Closing the socket leaves them all.
    ///
    /// # Errors
    /// As [`UdpSocket::leave_multicast_v4`].
    pub fn leave_multicast_v6(&self, group: &Ipv6Addr, interface: u32) -> io::Result<()> {
        self.socket.set_option_bytes(IPPROTO_IPV6, IPV6_LEAVE_GROUP, &request_v6(group, interface))
    }

    /// Whether this socket hears what its own host sends to groups that it has joined.
    ///
    /// # Errors
    /// When getsockopt fails, as on a socket of IPv6.
    pub fn multicast_loop_v4(&self) -> io::Result<bool> {
        Ok(self.socket.option(IPPROTO_IP, IP_MULTICAST_LOOP)? != 0)
    }

    /// Sets whether this socket hears what its own host sends to groups that it has joined. On by
    /// default. As on Windows, and unlike on Linux, it is the receiver that decides.
    ///
    /// # Errors
    /// When setsockopt fails, as on a socket of IPv6.
    pub fn set_multicast_loop_v4(&self, hears: bool) -> io::Result<()> {
        self.socket.set_option(IPPROTO_IP, IP_MULTICAST_LOOP, hears.into())
    }

    /// The same as [`UdpSocket::multicast_loop_v4`] for groups of IPv6.
    ///
    /// # Errors
    /// When getsockopt fails, as on a socket of IPv4.
    pub fn multicast_loop_v6(&self) -> io::Result<bool> {
        Ok(self.socket.option(IPPROTO_IPV6, IPV6_MULTICAST_LOOP)? != 0)
    }

    /// The same as [`UdpSocket::set_multicast_loop_v4`] for groups of IPv6.
    ///
    /// # Errors
    /// When setsockopt fails, as on a socket of IPv4.
    pub fn set_multicast_loop_v6(&self, hears: bool) -> io::Result<()> {
        self.socket.set_option(IPPROTO_IPV6, IPV6_MULTICAST_LOOP, hears.into())
    }

    /// The time to live of what is sent to groups of IPv4.
    ///
    /// # Errors
    /// When getsockopt fails, as on a socket of IPv6.
    pub fn multicast_ttl_v4(&self) -> io::Result<u32> {
        self.socket.option(IPPROTO_IP, IP_MULTICAST_TTL)
    }

    /// Sets the time to live of what is sent to groups of IPv4: 0 to 255, by default 1, which no
    /// router passes on. 0 stays in this host.
    ///
    /// # Errors
    /// `InvalidInput` when it is out of range; as on a socket of IPv6.
    pub fn set_multicast_ttl_v4(&self, ttl: u32) -> io::Result<()> {
        self.socket.set_option(IPPROTO_IP, IP_MULTICAST_TTL, ttl)
    }
}

/// An `ip_mreq`.
fn request_v4(group: &Ipv4Addr, interface: &Ipv4Addr) -> [u8; 8] {
    let mut request = [0; 8];
    request[..4].copy_from_slice(&group.octets());
    request[4..].copy_from_slice(&interface.octets());
    request
}

/// An `ipv6_mreq`.
fn request_v6(group: &Ipv6Addr, interface: u32) -> [u8; 20] {
    let mut request = [0; 20];
    request[..16].copy_from_slice(&group.octets());
    request[16..].copy_from_slice(&interface.to_ne_bytes());
    request
}
