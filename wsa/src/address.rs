//! Names: the bytes of a sockaddr become a typed address here, and nowhere else.

use core::fmt;
use core::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use tapsock_stack::wire::{IpAddress, IpEndpoint};

use crate::constants::{AF_INET, AF_INET6, AF_UNSPEC, SOCKADDR_IN_LEN, SOCKADDR_IN6_LEN};
use crate::error::{Error, Result};
use crate::memory::{Memory, MemoryMut};

/// The family of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// AF_INET.
    V4,
    /// AF_INET6.
    #[cfg(feature = "ipv6")]
    V6,
}

impl Family {
    /// The number in the header.
    pub const fn number(self) -> i32 {
        match self {
            Self::V4 => AF_INET,
            #[cfg(feature = "ipv6")]
            Self::V6 => AF_INET6,
        }
    }

    /// The length of a name of this family, and the least that a call accepts, in bytes.
    pub const fn name_len(self) -> usize {
        match self {
            Self::V4 => SOCKADDR_IN_LEN,
            #[cfg(feature = "ipv6")]
            Self::V6 => SOCKADDR_IN6_LEN,
        }
    }
}

/// The name of one end, as in a `sockaddr_in` or a `sockaddr_in6`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SockAddr {
    /// The address. An IPv4 address in an AF_INET6 name is v4-mapped here too.
    pub address: IpAddress,
    /// The port.
    pub port: u16,
    /// `sin6_flowinfo` in host byte order: traffic class and flow label; 0 for AF_INET.
    pub flow_info: u32,
    /// `sin6_scope_id`; 0 for AF_INET.
    pub scope_id: u32,
}

/// The 20 bits of the flow label in `sin6_flowinfo`.
const FLOW_LABEL: u32 = 0x000F_FFFF;

impl SockAddr {
    /// A name without flow label and scope.
    pub const fn new(address: IpAddress, port: u16) -> Self {
        Self { address, port, flow_info: 0, scope_id: 0 }
    }

    /// How a socket of `family` calls this end of the stack: an IPv4 end of an AF_INET6 socket
    /// is v4-mapped.
    pub(crate) fn of_endpoint(family: Family, endpoint: IpEndpoint) -> Self {
        let address = match (family, endpoint.addr) {
            #[cfg(feature = "ipv6")]
            (Family::V6, IpAddress::Ipv4(address)) => IpAddress::Ipv6(address.to_ipv6_mapped()),
            (_, address) => address,
        };
        Self::new(address, endpoint.port)
    }

    /// The wildcard name of a family.
    pub(crate) const fn any(family: Family, port: u16) -> Self {
        match family {
            Family::V4 => Self::new(IpAddress::Ipv4(Ipv4Addr::UNSPECIFIED), port),
            #[cfg(feature = "ipv6")]
            Family::V6 => Self::new(IpAddress::Ipv6(Ipv6Addr::UNSPECIFIED), port),
        }
    }

    /// Whether the address is an IPv4 one in IPv6 clothes.
    pub fn is_v4_mapped(&self) -> bool {
        self.wire_address() != self.address
    }

    /// The address that packets carry: IPv4 for a v4-mapped one.
    pub fn wire_address(&self) -> IpAddress {
        match self.address {
            #[cfg(feature = "ipv6")]
            IpAddress::Ipv6(address) => {
                address.to_ipv4_mapped().map_or(self.address, IpAddress::Ipv4)
            }
            IpAddress::Ipv4(_) => self.address,
        }
    }

    /// The endpoint that packets carry.
    pub fn endpoint(&self) -> IpEndpoint {
        IpEndpoint::new(self.wire_address(), self.port)
    }

    /// The flow label of `sin6_flowinfo`.
    pub const fn flow_label(&self) -> u32 {
        self.flow_info & FLOW_LABEL
    }

    /// The family that the name is of.
    pub const fn family(&self) -> Family {
        match self.address {
            IpAddress::Ipv4(_) => Family::V4,
            #[cfg(feature = "ipv6")]
            IpAddress::Ipv6(_) => Family::V6,
        }
    }

    /// The bytes of the sockaddr.
    pub fn encode(&self) -> Encoded {
        let mut bytes = [0; SOCKADDR_IN6_LEN];
        let family = self.family();
        bytes[..2].copy_from_slice(&(family.number() as u16).to_ne_bytes());
        bytes[2..4].copy_from_slice(&self.port.to_be_bytes());
        match self.address {
            IpAddress::Ipv4(address) => bytes[4..8].copy_from_slice(&address.octets()),
            #[cfg(feature = "ipv6")]
            IpAddress::Ipv6(address) => {
                bytes[4..8].copy_from_slice(&self.flow_info.to_be_bytes());
                bytes[8..24].copy_from_slice(&address.octets());
                bytes[24..28].copy_from_slice(&self.scope_id.to_ne_bytes());
            }
        }
        Encoded { bytes, len: family.name_len() }
    }

    /// Reads a complete sockaddr, such as a call has written it.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let family = match i32::from(u16::from_ne_bytes(array(bytes, 0)?)) {
            AF_INET => Family::V4,
            #[cfg(feature = "ipv6")]
            AF_INET6 => Family::V6,
            _ => return None,
        };
        let bytes = bytes.get(..family.name_len())?;
        Self::decode_fields(family, bytes)
    }

    fn decode_fields(family: Family, bytes: &[u8]) -> Option<Self> {
        let port = u16::from_be_bytes(array(bytes, 2)?);
        Some(match family {
            Family::V4 => {
                let octets: [u8; 4] = array(bytes, 4)?;
                Self::new(IpAddress::Ipv4(Ipv4Addr::from(octets)), port)
            }
            #[cfg(feature = "ipv6")]
            Family::V6 => {
                let octets: [u8; 16] = array(bytes, 8)?;
                Self {
                    address: IpAddress::Ipv6(Ipv6Addr::from(octets)),
                    port,
                    flow_info: u32::from_be_bytes(array(bytes, 4)?),
                    scope_id: u32::from_ne_bytes(array(bytes, 24)?),
                }
            }
        })
    }

    /// Writes the name where a call returns one: `room` with `*len` bytes, of which the name's
    /// own length is left in `len`.
    ///
    /// WSAEFAULT, with nothing written, for a null pointer and for too little room.
    pub(crate) fn write(&self, room: &mut MemoryMut<'_>, len: Option<&mut i32>) -> Result<()> {
        let encoded = self.encode();
        let target = checked_room(room, len.as_deref(), self.family())?;
        target.copy_from_slice(encoded.as_ref());
        if let Some(len) = len {
            *len = encoded.len();
        }
        Ok(())
    }
}

/// The room for a name of `family`, or WSAEFAULT.
pub(crate) fn checked_room<'r>(
    room: &'r mut MemoryMut<'_>,
    len: Option<&i32>,
    family: Family,
) -> Result<&'r mut [u8]> {
    let needed = family.name_len();
    let len = len.copied().and_then(|len| usize::try_from(len).ok()).unwrap_or(0);
    if len < needed {
        return Err(Error::WSAEFAULT);
    }
    room.write(needed).ok_or(Error::WSAEFAULT)
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

#[cfg(feature = "ipv6")]
impl From<SocketAddr> for SockAddr {
    fn from(address: SocketAddr) -> Self {
        match address {
            SocketAddr::V4(address) => address.into(),
            SocketAddr::V6(address) => address.into(),
        }
    }
}

impl From<SocketAddrV4> for SockAddr {
    fn from(address: SocketAddrV4) -> Self {
        Self::new(IpAddress::Ipv4(*address.ip()), address.port())
    }
}

#[cfg(feature = "ipv6")]
impl From<SocketAddrV6> for SockAddr {
    fn from(address: SocketAddrV6) -> Self {
        Self {
            address: IpAddress::Ipv6(*address.ip()),
            port: address.port(),
            flow_info: address.flowinfo(),
            scope_id: address.scope_id(),
        }
    }
}

impl From<IpEndpoint> for SockAddr {
    fn from(endpoint: IpEndpoint) -> Self {
        Self::new(endpoint.addr, endpoint.port)
    }
}

impl From<SockAddr> for SocketAddr {
    fn from(name: SockAddr) -> Self {
        match name.address {
            IpAddress::Ipv4(address) => SocketAddrV4::new(address, name.port).into(),
            #[cfg(feature = "ipv6")]
            IpAddress::Ipv6(address) => {
                SocketAddrV6::new(address, name.port, name.flow_info, name.scope_id).into()
            }
        }
    }
}

impl fmt::Display for SockAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SocketAddr::from(*self).fmt(f)
    }
}

/// The bytes of a sockaddr.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encoded {
    bytes: [u8; SOCKADDR_IN6_LEN],
    len: usize,
}

impl Encoded {
    /// The bytes as an argument of connect or bind.
    pub fn memory(&self) -> Memory<'_> {
        Memory::Bytes(self.as_ref())
    }

    /// The `namelen` that goes with them, 16 or 28.
    #[allow(clippy::len_without_is_empty)]
    pub const fn len(&self) -> i32 {
        self.len as i32
    }
}

impl AsRef<[u8]> for Encoded {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// The sockaddr of `address`, ready to be given to connect, bind or sendto.
pub fn sockaddr(address: impl Into<SockAddr>) -> Encoded {
    address.into().encode()
}

/// What the bytes of a name argument say to a socket of some family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Name {
    /// The whole structure is zero.
    Zero,
    /// Another family than the socket's, before fields that are read as if it were the same.
    OtherFamily(SockAddr),
    /// An address of the socket's family.
    Address(SockAddr),
}

/// Whether an all-zero name may be as short as a `sockaddr` of 16 bytes on an AF_INET6 socket,
/// as it may where it ends an association.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ShortZero {
    Accepted,
    Refused,
}

/// Reads the name argument of a call on a socket of `family`. Bytes beyond the structure are
/// ignored.
///
/// WSAEFAULT for a pointer to nothing and for a length below the family's own: the length beats
/// the family that the bytes name.
pub(crate) fn parse(
    family: Family,
    name: Memory<'_>,
    namelen: i32,
    short_zero: ShortZero,
) -> Result<Name> {
    let given = usize::try_from(namelen).map_err(|_| Error::WSAEFAULT)?;
    let needed = family.name_len();
    if given < needed {
        if short_zero == ShortZero::Accepted && given >= SOCKADDR_IN_LEN {
            let bytes = name.read(given).ok_or(Error::WSAEFAULT)?;
            if bytes.iter().all(|byte| *byte == 0) {
                return Ok(Name::Zero);
            }
        }
        return Err(Error::WSAEFAULT);
    }
    let bytes = name.read(needed).ok_or(Error::WSAEFAULT)?;
    if bytes.iter().all(|byte| *byte == 0) {
        return Ok(Name::Zero);
    }
    let number = u16::from_ne_bytes(array(bytes, 0).ok_or(Error::WSAEFAULT)?);
    let address = SockAddr::decode_fields(family, bytes).ok_or(Error::WSAEFAULT)?;
    let same = i32::from(number) == family.number();
    Ok(if same { Name::Address(address) } else { Name::OtherFamily(address) })
}

const _: () = assert!(AF_UNSPEC == 0, "an all-zero name has the family AF_UNSPEC");

#[cfg(all(test, feature = "std"))]
mod tests;
