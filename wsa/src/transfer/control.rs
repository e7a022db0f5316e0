//! Control buffers: the WSACMSGHDRs of WSARecvMsg and WSASendMsg.
//!
//! A header has 16 bytes on a 64-bit system: the length of header and data in 8, level and type in
//! 4 each. Data follows at once; the next header begins at a multiple of 8 bytes.

use tapsock_stack::udp::{Ancillary, Datagram};
use tapsock_stack::wire::{IpAddress, Ipv4Address};

use crate::constants::*;
use crate::error::{Error, Result};
use crate::socket::Told;

/// Size of a WSACMSGHDR.
const HEADER: usize = 16;
/// Where the next header may begin.
const ALIGNMENT: usize = 8;

/// What was written to a control buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Written {
    /// Bytes, padding between the messages included.
    pub(super) len: usize,
    /// There was no room for everything.
    pub(super) truncated: bool,
}

/// Writes what is `told` about `datagram`: whole messages, as many as there is room for.
pub(super) fn write(room: &mut [u8], told: Told, datagram: &Datagram) -> Written {
    let mut writer = Writer { room, len: 0, truncated: false };
    let Told { packet_info, hop_limit, traffic_class, interface, destination } = told;
    let hops = i32::from(datagram.hop_limit).to_ne_bytes();
    let class = i32::from(datagram.traffic_class).to_ne_bytes();
    let index = LINK_SCOPE_ID.to_ne_bytes();
    match datagram.local {
        IpAddress::Ipv4(local) => {
            let mut message =
                |wanted, kind, data: &[u8]| writer.add(wanted, IPPROTO_IP, kind, data);
            let [a, b, c, d] = local.octets();
            let [e, f, g, h] = index;
            message(packet_info, IP_PKTINFO, &[a, b, c, d, e, f, g, h]);
            message(hop_limit, IP_HOPLIMIT, &hops);
            message(traffic_class, IP_TOS, &class);
            message(interface, IP_RECVIF, &index);
            message(destination, IP_RECVDSTADDR, &local.octets());
        }
        #[cfg(feature = "ipv6")]
        IpAddress::Ipv6(local) => {
            let mut message =
                |wanted, kind, data: &[u8]| writer.add(wanted, IPPROTO_IPV6, kind, data);
            let mut info = [0; 20];
            info[..16].copy_from_slice(&local.octets());
            info[16..].copy_from_slice(&index);
            message(packet_info, IPV6_PKTINFO, &info);
            message(hop_limit, IPV6_HOPLIMIT, &hops);
            message(traffic_class, IPV6_TCLASS, &class);
            message(interface, IPV6_RECVIF, &index);
            message(destination, IPV6_RECVDSTADDR, &local.octets());
        }
    }
    Written { len: writer.len, truncated: writer.truncated }
}

struct Writer<'r> {
    room: &'r mut [u8],
    len: usize,
    truncated: bool,
}

impl Writer<'_> {
    fn add(&mut self, wanted: bool, level: i32, kind: i32, data: &[u8]) {
        let start = self.len.next_multiple_of(ALIGNMENT);
        let len = HEADER + data.len();
        let place = self.room.get_mut(start..start + len).filter(|_| wanted && !self.truncated);
        let Some(place) = place else {
            self.truncated |= wanted;
            return;
        };
        place[..8].copy_from_slice(&(len as u64).to_ne_bytes());
        place[8..12].copy_from_slice(&level.to_ne_bytes());
        place[12..16].copy_from_slice(&kind.to_ne_bytes());
        place[16..].copy_from_slice(data);
        if let Some(padding) = self.room.get_mut(self.len..start) {
            padding.fill(0);
        }
        self.len = start + len;
    }
}

/// Reads what one datagram is to have: source address, hop limit, traffic class.
///
/// # Errors
/// WSAEINVAL for a length that contradicts another, and for a message that is not known here;
/// WSAEADDRNOTAVAIL for another interface than the link.
pub(super) fn read(bytes: &[u8]) -> Result<Ancillary> {
    let mut ancillary = Ancillary::default();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (header, _) = rest.split_first_chunk::<HEADER>().ok_or(Error::WSAEINVAL)?;
        let number = |at: usize| {
            i32::from_ne_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
        };
        let [a, b, c, d, e, f, g, h, ..] = *header;
        let len = usize::try_from(u64::from_ne_bytes([a, b, c, d, e, f, g, h]));
        let data = len.ok().and_then(|len| rest.get(HEADER..len)).ok_or(Error::WSAEINVAL)?;
        match (number(8), number(12)) {
            (IPPROTO_IP, IP_PKTINFO) => {
                let (address, index) = split_info::<4>(data)?;
                check_index(index)?;
                ancillary.source = source(Ipv4Address::from_octets(address).into());
            }
            #[cfg(feature = "ipv6")]
            (IPPROTO_IPV6, IPV6_PKTINFO) => {
                let (address, index) = split_info::<16>(data)?;
                check_index(index)?;
                ancillary.source =
                    source(tapsock_stack::wire::Ipv6Address::from_octets(address).into());
            }
            (IPPROTO_IP, IP_HOPLIMIT) | (IPPROTO_IPV6, IPV6_HOPLIMIT) => {
                ancillary.hop_limit = Some(byte(data)?);
            }
            (IPPROTO_IP, IP_TOS) | (IPPROTO_IPV6, IPV6_TCLASS) => {
                ancillary.traffic_class = Some(byte(data)?);
            }
            _ => return Err(Error::WSAEINVAL),
        }
        let used = (HEADER + data.len()).next_multiple_of(ALIGNMENT);
        // The last message may end without its padding.
        rest = rest.get(used..).unwrap_or_default();
    }
    Ok(ancillary)
}

/// The unspecified address leaves the choice to the stack.
fn source(address: IpAddress) -> Option<IpAddress> {
    (!address.is_unspecified()).then_some(address)
}

/// An address and the index of an interface.
fn split_info<const N: usize>(data: &[u8]) -> Result<([u8; N], u32)> {
    let (address, index) = data.split_first_chunk::<N>().ok_or(Error::WSAEINVAL)?;
    let index = index.try_into().map_err(|_| Error::WSAEINVAL)?;
    Ok((*address, u32::from_ne_bytes(index)))
}

fn check_index(index: u32) -> Result<()> {
    if matches!(index, 0 | LINK_SCOPE_ID) { Ok(()) } else { Err(Error::WSAEADDRNOTAVAIL) }
}

/// An `int` from 0 to 255.
fn byte(data: &[u8]) -> Result<u8> {
    let number = data.try_into().map(i32::from_ne_bytes).map_err(|_| Error::WSAEINVAL)?;
    u8::try_from(number).map_err(|_| Error::WSAEINVAL)
}
