//! Options that join and leave groups.
//!
//! The codes are those of RFC 3678, section 4.1.3, which Winsock's options follow: WSAEINVAL for
//! what the socket's way of belonging to the group does not allow, such as joining it again, and
//! WSAEADDRNOTAVAIL for an address that is none for the purpose or not on the socket's list.

use tapsock_stack::link::Link;
use tapsock_stack::storage::Storage;
use tapsock_stack::udp::{Membership, MembershipError};
use tapsock_stack::wire::{IpAddress, Ipv4Address};

use super::ip;
use super::values::Given;
use crate::address::SockAddr;
use crate::constants::*;
use crate::engine::Access;
use crate::error::{Error, Result};
use crate::process::SocketHandle;
use crate::socket::State;

/// Size of a GROUP_REQ: the interface's index, padding, and a `sockaddr_storage` at byte 8.
const GROUP_REQ: usize = 136;
/// Size of a GROUP_SOURCE_REQ: the same, and another `sockaddr_storage`.
const GROUP_SOURCE_REQ: usize = 264;

impl<'a, L: Link, S: Storage<'a>> Access<'_, 'a, L, S> {
    /// Sets one of the options of `level` that join, leave, block or unblock.
    pub(super) fn set_membership(
        &mut self,
        s: SocketHandle,
        level: i32,
        option: i32,
        value: Given<'_>,
    ) -> Result<()> {
        let socket = self.core.socket(s)?;
        if socket.is_stream() {
            return Err(Error::WSAEINVAL);
        }
        let (group, change) = self.membership(level, option, value)?;
        // Whoever is not bound has nothing yet that could hear.
        let State::Datagram(id) = socket.state else { return Err(Error::WSAEINVAL) };
        self.stack.udp_membership(id, group, change).map_err(|error| match error {
            MembershipError::Mode | MembershipError::Stale => Error::WSAEINVAL,
            MembershipError::Address | MembershipError::Unchanged => Error::WSAEADDRNOTAVAIL,
            MembershipError::Exhausted => Error::WSAENOBUFS,
        })
    }

    /// What the caller's structure asks for, with an interface that is the link.
    fn membership(
        &self,
        level: i32,
        option: i32,
        value: Given<'_>,
    ) -> Result<(IpAddress, Membership)> {
        match (level, option) {
            (IPPROTO_IP, IP_ADD_MEMBERSHIP | IP_DROP_MEMBERSHIP) => {
                let [group, interface] = words(value.bytes::<8>()?);
                self.check_multicast_interface(interface)?;
                let join = option == IP_ADD_MEMBERSHIP;
                Ok((group.into(), if join { Membership::Join } else { Membership::Leave }))
            }
            (IPPROTO_IP, IP_ADD_SOURCE_MEMBERSHIP..=IP_UNBLOCK_SOURCE) => {
                let [group, source, interface] = words(value.bytes::<12>()?);
                self.check_multicast_interface(interface)?;
                let source = source.into();
                Ok((
                    group.into(),
                    match option {
                        IP_ADD_SOURCE_MEMBERSHIP => Membership::JoinSource(source),
                        IP_DROP_SOURCE_MEMBERSHIP => Membership::LeaveSource(source),
                        IP_BLOCK_SOURCE => Membership::Block(source),
                        _ => Membership::Unblock(source),
                    },
                ))
            }
            #[cfg(feature = "ipv6")]
            (IPPROTO_IPV6, IPV6_JOIN_GROUP | IPV6_LEAVE_GROUP) => {
                let bytes = value.bytes::<20>()?;
                let mut group = [0; 16];
                group.copy_from_slice(&bytes[..16]);
                ip::check_index(first_number(&bytes[16..]))?;
                let join = option == IPV6_JOIN_GROUP;
                let change = if join { Membership::Join } else { Membership::Leave };
                Ok((tapsock_stack::wire::Ipv6Address::from_octets(group).into(), change))
            }
            (_, MCAST_JOIN_GROUP | MCAST_LEAVE_GROUP) => {
                let bytes = value.bytes::<GROUP_REQ>()?;
                ip::check_index(first_number(&bytes))?;
                let group = named(level, &bytes[8..])?;
                let join = option == MCAST_JOIN_GROUP;
                Ok((group, if join { Membership::Join } else { Membership::Leave }))
            }
            (_, MCAST_BLOCK_SOURCE..=MCAST_LEAVE_SOURCE_GROUP) => {
                let bytes = value.bytes::<GROUP_SOURCE_REQ>()?;
                ip::check_index(first_number(&bytes))?;
                let (group, source) = (named(level, &bytes[8..])?, named(level, &bytes[136..])?);
                Ok((
                    group,
                    match option {
                        MCAST_BLOCK_SOURCE => Membership::Block(source),
                        MCAST_UNBLOCK_SOURCE => Membership::Unblock(source),
                        MCAST_JOIN_SOURCE_GROUP => Membership::JoinSource(source),
                        _ => Membership::LeaveSource(source),
                    },
                ))
            }
            _ => Err(Error::WSAENOPROTOOPT),
        }
    }
}

/// The IPv4 addresses of an `ip_mreq` or an `ip_mreq_source`.
fn words<const BYTES: usize, const N: usize>(bytes: [u8; BYTES]) -> [Ipv4Address; N] {
    let mut addresses = [Ipv4Address::UNSPECIFIED; N];
    for (address, word) in addresses.iter_mut().zip(bytes.chunks_exact(4)) {
        if let [a, b, c, d] = *word {
            *address = Ipv4Address::new(a, b, c, d);
        }
    }
    addresses
}

/// The 32-bit number at the beginning; 0 where there is none.
fn first_number(bytes: &[u8]) -> u32 {
    bytes.first_chunk::<4>().map_or(0, |bytes| u32::from_ne_bytes(*bytes))
}

/// The address in a `sockaddr_storage`, which must be of the level's family.
fn named(level: i32, bytes: &[u8]) -> Result<IpAddress> {
    let name = SockAddr::decode(bytes).ok_or(Error::WSAEINVAL)?;
    let family = match level {
        IPPROTO_IP => AF_INET,
        _ => AF_INET6,
    };
    if name.family().number() == family { Ok(name.address) } else { Err(Error::WSAEINVAL) }
}
