//! Options of IPPROTO_IP and IPPROTO_IPV6, but for memberships.
//!
//! There is one interface, the link, with one index.

use tapsock_stack::link::Link;
use tapsock_stack::storage::Storage;
use tapsock_stack::wire::{IpAddress, Ipv4Address};

use super::mtu;
use super::values::{Given, Wanted};
use crate::constants::*;
use crate::engine::Access;
use crate::error::{Error, Result};
use crate::process::SocketHandle;
use crate::socket::Socket;

/// The values of these options.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IpOptions {
    /// IP_TOS and IPV6_TCLASS.
    pub(crate) traffic_class: u8,
    pub(crate) multicast_hop_limit: u8,
    pub(crate) multicast_loop: bool,
    /// IP_MULTICAST_IF as it was given.
    multicast_if: Ipv4Address,
    /// IPV6_MULTICAST_IF.
    multicast_if_v6: u32,
    /// IP_UNICAST_IF and IPV6_UNICAST_IF.
    unicast_if: [u32; 2],
    pub(crate) receive_broadcast: bool,
    /// What WSARecvMsg tells of datagrams over IPv4, and of those over IPv6.
    told: [Told; 2],
    protection_level: u32,
}

/// What WSARecvMsg tells about a datagram.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) packet_info: bool,
    pub(crate) hop_limit: bool,
    pub(crate) traffic_class: bool,
    pub(crate) interface: bool,
    pub(crate) destination: bool,
}

const V4: usize = 0;
const V6: usize = 1;

impl Told {
    const NOTHING: Self = Self {
        packet_info: false,
        hop_limit: false,
        traffic_class: false,
        interface: false,
        destination: false,
    };
}

/// Time to live of datagrams to groups where no option sets another.
const DEFAULT_MULTICAST_HOP_LIMIT: u8 = 1;

impl IpOptions {
    pub(super) const DEFAULT: Self = Self {
        traffic_class: 0,
        multicast_hop_limit: DEFAULT_MULTICAST_HOP_LIMIT,
        multicast_loop: true,
        multicast_if: Ipv4Address::UNSPECIFIED,
        multicast_if_v6: 0,
        unicast_if: [0; 2],
        receive_broadcast: true,
        told: [Told::NOTHING; 2],
        protection_level: PROTECTION_LEVEL_UNRESTRICTED,
    };

    /// The address from which datagrams to groups go out, where one was given.
    pub(crate) fn multicast_source(&self) -> Option<IpAddress> {
        let given = self.multicast_if;
        (index(given).is_none()).then_some(IpAddress::Ipv4(given))
    }

    /// What is wanted of datagrams to an address of this family.
    pub(crate) fn told(&self, local: IpAddress) -> Told {
        match local {
            IpAddress::Ipv4(_) => self.told[V4],
            #[cfg(feature = "ipv6")]
            IpAddress::Ipv6(_) => self.told[V6],
        }
    }

    fn told_mut(&mut self, family: usize, option: i32) -> Option<&mut bool> {
        let told = &mut self.told[family];
        Some(match option {
            IP_PKTINFO => &mut told.packet_info,
            IP_HOPLIMIT => &mut told.hop_limit,
            IP_RECVTOS => &mut told.traffic_class,
            IP_RECVIF => &mut told.interface,
            IP_RECVDSTADDR => &mut told.destination,
            _ => return None,
        })
    }
}

// What is told has the same numbers at both levels.
const _: () = assert!(
    IP_PKTINFO == IPV6_PKTINFO
        && IP_HOPLIMIT == IPV6_HOPLIMIT
        && IP_RECVTOS == IPV6_RECVTCLASS
        && IP_RECVIF == IPV6_RECVIF
        && IP_RECVDSTADDR == IPV6_RECVDSTADDR
);

/// The index in an IPv4 address of the form 0.x.x.x; `None` for another address.
pub(super) fn index(address: Ipv4Address) -> Option<u32> {
    let bits = address.to_bits();
    (bits >> 24 == 0).then_some(bits)
}

/// Looks at the index of an interface: that of the link, or 0.
pub(super) fn check_index(index: u32) -> Result<()> {
    if matches!(index, 0 | LINK_SCOPE_ID) { Ok(()) } else { Err(Error::WSAEADDRNOTAVAIL) }
}

/// What both levels ask first: the options that need a raw socket, or none with a connection.
fn check_kind(socket: &Socket, option: i32, of_datagrams: &[i32], of_raw: &[i32]) -> Result<()> {
    if of_raw.contains(&option) || (socket.is_stream() && of_datagrams.contains(&option)) {
        return Err(Error::WSAEINVAL);
    }
    Ok(())
}

/// Options of IPPROTO_IP that a stream does not have.
const DATAGRAMS_V4: [i32; 9] = [
    IP_MULTICAST_IF,
    IP_MULTICAST_TTL,
    IP_MULTICAST_LOOP,
    IP_PKTINFO,
    IP_HOPLIMIT,
    IP_RECEIVE_BROADCAST,
    IP_RECVIF,
    IP_RECVDSTADDR,
    IP_RECVTOS,
];
/// The same of IPPROTO_IPV6.
const DATAGRAMS_V6: [i32; 8] = [
    IPV6_MULTICAST_IF,
    IPV6_MULTICAST_HOPS,
    IPV6_MULTICAST_LOOP,
    IPV6_PKTINFO,
    IPV6_HOPLIMIT,
    IPV6_RECVIF,
    IPV6_RECVDSTADDR,
    IPV6_RECVTCLASS,
];

impl<'a, L: Link, S: Storage<'a>> Access<'_, 'a, L, S> {
    pub(super) fn ip_option(
        &mut self,
        s: SocketHandle,
        option: i32,
        value: Wanted<'_>,
    ) -> Result<()> {
        let socket = self.core.socket(s)?;
        check_kind(socket, option, &DATAGRAMS_V4, &[IP_HDRINCL])?;
        let mut ip = socket.options.ip;
        match option {
            IP_OPTIONS => value.bytes(&[]),
            IP_TOS => value.number(ip.traffic_class.into()),
            IP_TTL => value.number(socket.options.hop_limit_or_default().into()),
            IP_MULTICAST_IF => value.bytes(&ip.multicast_if.octets()),
            IP_MULTICAST_TTL => value.number(ip.multicast_hop_limit.into()),
            IP_MULTICAST_LOOP => value.flag(ip.multicast_loop),
            IP_RECEIVE_BROADCAST => value.flag(ip.receive_broadcast),
            IP_UNICAST_IF => value.bytes(&ip.unicast_if[V4].to_be_bytes()),
            IP_DONTFRAGMENT => self.dont_fragment(s, value),
            IP_MTU_DISCOVER => self.mtu_discovery(s, value),
            IP_MTU => self.peer_mtu(s, value),
            _ => match ip.told_mut(V4, option) {
                Some(told) => value.flag(*told),
                None => Err(Error::WSAENOPROTOOPT),
            },
        }
    }

    pub(super) fn set_ip_option(
        &mut self,
        s: SocketHandle,
        option: i32,
        value: Given<'_>,
    ) -> Result<()> {
        let socket = self.core.socket(s)?;
        check_kind(socket, option, &DATAGRAMS_V4, &[IP_HDRINCL])?;
        if option == IP_MULTICAST_IF {
            self.check_multicast_interface(Ipv4Address::from_octets(value.bytes()?))?;
        }
        let socket = self.core.socket_mut(s)?;
        let options = &mut socket.options;
        let ip = &mut options.ip;
        match option {
            IP_DONTFRAGMENT => mtu::set_dont_fragment(socket, value)?,
            IP_MTU_DISCOVER => mtu::set_discovery(socket, value)?,
            // None at all is what there is.
            IP_OPTIONS if value.memory().1 == 0 => {}
            IP_TOS => ip.traffic_class = byte(value)?,
            IP_TTL => options.hop_limit = hop_limit(value)?,
            IP_MULTICAST_IF => ip.multicast_if = Ipv4Address::from_octets(value.bytes()?),
            IP_MULTICAST_TTL => ip.multicast_hop_limit = byte(value)?,
            IP_MULTICAST_LOOP => ip.multicast_loop = value.flag()?,
            IP_RECEIVE_BROADCAST => ip.receive_broadcast = value.flag()?,
            IP_UNICAST_IF => {
                let index = u32::from_be_bytes(value.bytes()?);
                check_index(index)?;
                ip.unicast_if[V4] = index;
            }
            IP_ADD_MEMBERSHIP..=IP_DROP_MEMBERSHIP
            | IP_ADD_SOURCE_MEMBERSHIP..=IP_UNBLOCK_SOURCE
            | MCAST_JOIN_GROUP..=MCAST_LEAVE_SOURCE_GROUP => {
                return self.set_membership(s, IPPROTO_IP, option, value);
            }
            _ => match ip.told_mut(V4, option) {
                Some(told) => *told = value.flag()?,
                None => return Err(Error::WSAENOPROTOOPT),
            },
        }
        Ok(())
    }

    pub(super) fn ipv6_option(
        &mut self,
        s: SocketHandle,
        option: i32,
        value: Wanted<'_>,
    ) -> Result<()> {
        let socket = self.core.socket(s)?;
        check_kind(socket, option, &DATAGRAMS_V6, &[IPV6_HDRINCL, IPV6_CHECKSUM])?;
        let mut ip = socket.options.ip;
        match option {
            IPV6_UNICAST_HOPS => value.number(socket.options.hop_limit_or_default().into()),
            IPV6_MULTICAST_IF => value.number(ip.multicast_if_v6),
            IPV6_MULTICAST_HOPS => value.number(ip.multicast_hop_limit.into()),
            IPV6_MULTICAST_LOOP => value.flag(ip.multicast_loop),
            IPV6_PROTECTION_LEVEL => value.number(ip.protection_level),
            IPV6_V6ONLY => value.flag(socket.options.v6_only),
            IPV6_UNICAST_IF => value.number(ip.unicast_if[V6]),
            IPV6_TCLASS => value.number(ip.traffic_class.into()),
            IPV6_DONTFRAG => self.dont_fragment(s, value),
            IPV6_MTU_DISCOVER => self.mtu_discovery(s, value),
            IPV6_MTU => self.peer_mtu(s, value),
            _ => match ip.told_mut(V6, option) {
                Some(told) => value.flag(*told),
                None => Err(Error::WSAENOPROTOOPT),
            },
        }
    }

    pub(super) fn set_ipv6_option(
        &mut self,
        s: SocketHandle,
        option: i32,
        value: Given<'_>,
    ) -> Result<()> {
        let socket = self.core.socket_mut(s)?;
        check_kind(socket, option, &DATAGRAMS_V6, &[IPV6_HDRINCL, IPV6_CHECKSUM])?;
        let is_bound = socket.bound.is_some();
        let options = &mut socket.options;
        let ip = &mut options.ip;
        match option {
            IPV6_DONTFRAG => mtu::set_dont_fragment(socket, value)?,
            IPV6_MTU_DISCOVER => mtu::set_discovery(socket, value)?,
            IPV6_UNICAST_HOPS => options.hop_limit = hop_limit(value)?,
            IPV6_MULTICAST_IF => {
                let index = value.number()?;
                check_index(index)?;
                ip.multicast_if_v6 = index;
            }
            IPV6_MULTICAST_HOPS if value.number()? == DEFAULT => {
                ip.multicast_hop_limit = DEFAULT_MULTICAST_HOP_LIMIT;
            }
            IPV6_MULTICAST_HOPS => ip.multicast_hop_limit = byte(value)?,
            IPV6_MULTICAST_LOOP => ip.multicast_loop = value.flag()?,
            IPV6_PROTECTION_LEVEL => match value.number()? {
                level @ (PROTECTION_LEVEL_UNRESTRICTED
                | PROTECTION_LEVEL_EDGERESTRICTED
                | PROTECTION_LEVEL_RESTRICTED) => ip.protection_level = level,
                _ => return Err(Error::WSAEINVAL),
            },
            IPV6_V6ONLY => {
                let on = value.flag()?;
                if is_bound {
                    return Err(Error::WSAEINVAL);
                }
                options.v6_only = on;
            }
            IPV6_UNICAST_IF => {
                let index = value.number()?;
                check_index(index)?;
                ip.unicast_if[V6] = index;
            }
            IPV6_TCLASS => ip.traffic_class = byte(value)?,
            IPV6_JOIN_GROUP..=IPV6_LEAVE_GROUP | MCAST_JOIN_GROUP..=MCAST_LEAVE_SOURCE_GROUP => {
                return self.set_membership(s, IPPROTO_IPV6, option, value);
            }
            _ => match ip.told_mut(V6, option) {
                Some(told) => *told = value.flag()?,
                None => return Err(Error::WSAENOPROTOOPT),
            },
        }
        Ok(())
    }

    /// Looks at an interface as `ip_mreq` and IP_MULTICAST_IF name it: by an address of the link's
    /// or by its index.
    pub(super) fn check_multicast_interface(&self, interface: Ipv4Address) -> Result<()> {
        match index(interface) {
            Some(index) => check_index(index),
            None if !interface.is_loopback() && self.stack.is_own_address(interface.into()) => {
                Ok(())
            }
            None => Err(Error::WSAEADDRNOTAVAIL),
        }
    }
}

/// -1, which stands for the default of a hop limit.
const DEFAULT: u32 = u32::MAX;

/// 1 to 255, or 0 or -1 for the default.
fn hop_limit(value: Given<'_>) -> Result<Option<u8>> {
    if value.number()? == DEFAULT {
        return Ok(None);
    }
    let limit = byte(value)?;
    Ok((limit != 0).then_some(limit))
}

/// A 32-bit number from 0 to 255.
fn byte(value: Given<'_>) -> Result<u8> {
    u8::try_from(value.number()?).map_err(|_| Error::WSAEINVAL)
}
