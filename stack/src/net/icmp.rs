//! ICMP and ICMPv6 errors: what arrives, and the one that this host sends.
//!
//! Routers quote the header and the first eight bytes of the packet that an error is about
//! (RFC 792; RFC 1812 allows more). Those eight bytes are enough: they hold the ports, and of TCP
//! the sequence number. Echo is not handled here.

use core::net::Ipv6Addr as Ipv6Address;

use smoltcp::wire::{IpAddress, IpEndpoint, Ipv4Address};

use super::extension::{self, IPV6_HEADER_LEN};
use super::{Reason, Transport, checksum};

/// What an error means for the packet's sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// The network cannot be reached.
    Net,
    /// The host cannot be reached.
    Host,
    /// The host is there, and nobody listens.
    Refused,
    /// The packet is larger than the path takes: never fatal.
    PathMtu,
    /// The packet was lost on its way: time exceeded, or a parameter problem.
    Transit,
    /// Nothing: source quench (RFC 6633), redirects, and codes that nobody has defined.
    Ignored,
}

/// An error about a TCP segment or a UDP datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IcmpError {
    /// The router or host that sent the error.
    pub source: IpAddress,
    /// Type field.
    pub kind: u8,
    /// Code field.
    pub code: u8,
    /// The transport of the quoted packet.
    pub protocol: Transport,
    /// Who sent the quoted packet.
    pub quoted_source: IpEndpoint,
    /// Whom the quoted packet was sent to.
    pub quoted_destination: IpEndpoint,
    /// The quoted TCP sequence number.
    pub quoted_sequence: Option<u32>,
    /// What it means.
    pub effect: Effect,
    /// With [`Effect::PathMtu`] the largest packet that passes, in bytes; 0 where the router does
    /// not say (RFC 1191 section 5), and with every other effect.
    pub mtu: u32,
    /// Bytes of the packet that is quoted, as its header says.
    pub quoted_len: usize,
}

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMPV6: u8 = 58;

const V4_UNREACHABLE: u8 = 3;
const V4_SOURCE_QUENCH: u8 = 4;
const V4_REDIRECT: u8 = 5;
const V4_TIME_EXCEEDED: u8 = 11;
const V4_PARAMETER_PROBLEM: u8 = 12;
const V6_UNREACHABLE: u8 = 1;
const V6_TOO_BIG: u8 = 2;
const V6_TIME_EXCEEDED: u8 = 3;
const V6_PARAMETER_PROBLEM: u8 = 4;

/// Reads an error out of a whole IP packet. `None` when it is no error, or the quote does not say
/// whose packet it is about: too short, a later fragment, or neither TCP nor UDP; so also an error
/// about an ICMP message. The checksum is not looked at.
///
/// Whether the quoted packet was ever sent is for the caller to find out: ports and sequence
/// number must be those of a segment in flight (RFC 5927 section 4).
pub fn parse_error(packet: &[u8]) -> Option<IcmpError> {
    let outer = header(packet)?;
    let packet = packet.get(..outer.total_len)?;
    let message = packet.get(outer.header_len..)?;
    let (fixed, quote) = message.split_first_chunk::<8>()?;
    let &[kind, code, _, _, mtu_0, mtu_1, mtu_2, mtu_3] = fixed;
    let (effect, mtu) = match (outer.source, outer.protocol) {
        (IpAddress::Ipv4(_), ICMP) => {
            (effect_v4(kind, code)?, u32::from(u16::from_be_bytes([mtu_2, mtu_3])))
        }
        #[cfg(feature = "ipv6")]
        (IpAddress::Ipv6(_), ICMPV6) => {
            (effect_v6(kind, code)?, u32::from_be_bytes([mtu_0, mtu_1, mtu_2, mtu_3]))
        }
        _ => return None,
    };
    let inner = header(quote)?;
    if inner.source.version() != outer.source.version() {
        return None;
    }
    let protocol = match inner.protocol {
        TCP => Transport::Tcp,
        UDP => Transport::Udp,
        _ => return None,
    };
    let transport = quote.get(inner.header_len..)?.first_chunk::<8>()?;
    let &[s0, s1, d0, d1, sequence @ ..] = transport;
    Some(IcmpError {
        source: outer.source,
        kind,
        code,
        protocol,
        quoted_source: IpEndpoint::new(inner.source, u16::from_be_bytes([s0, s1])),
        quoted_destination: IpEndpoint::new(inner.destination, u16::from_be_bytes([d0, d1])),
        quoted_sequence: (protocol == Transport::Tcp).then(|| u32::from_be_bytes(sequence)),
        effect,
        mtu: if effect == Effect::PathMtu { mtu } else { 0 },
        quoted_len: inner.total_len,
    })
}

/// RFC 792, RFC 1122 section 3.2.2.1 and RFC 1812 section 5.2.7.1. `None` for what is no error.
fn effect_v4(kind: u8, code: u8) -> Option<Effect> {
    Some(match (kind, code) {
        (V4_UNREACHABLE, 0 | 6 | 9 | 11) => Effect::Net,
        (V4_UNREACHABLE, 1 | 5 | 7 | 8 | 10 | 12..=15) => Effect::Host,
        (V4_UNREACHABLE, 2 | 3) => Effect::Refused,
        (V4_UNREACHABLE, 4) => Effect::PathMtu,
        (V4_TIME_EXCEEDED | V4_PARAMETER_PROBLEM, _) => Effect::Transit,
        (V4_UNREACHABLE | V4_SOURCE_QUENCH | V4_REDIRECT, _) => Effect::Ignored,
        _ => return None,
    })
}

/// RFC 4443 section 3. `None` for what is no error.
fn effect_v6(kind: u8, code: u8) -> Option<Effect> {
    Some(match (kind, code) {
        (V6_UNREACHABLE, 0) => Effect::Net,
        (V6_UNREACHABLE, 1 | 2 | 3 | 5 | 6) => Effect::Host,
        (V6_UNREACHABLE, 4) => Effect::Refused,
        (V6_TOO_BIG, _) => Effect::PathMtu,
        (V6_TIME_EXCEEDED | V6_PARAMETER_PROBLEM, _) => Effect::Transit,
        // The first half of the types is errors (RFC 4443 section 2.1).
        (0..=127, _) => Effect::Ignored,
        _ => return None,
    })
}

/// What an IP header says.
struct Header {
    source: IpAddress,
    destination: IpAddress,
    protocol: u8,
    /// Where the upper layer begins.
    header_len: usize,
    /// As the header says; a quote ends earlier.
    total_len: usize,
}

/// The header of a packet, or of the beginning of one. `None` for a fragment that is not the
/// first.
fn header(packet: &[u8]) -> Option<Header> {
    match packet.first()? >> 4 {
        4 => {
            let header = packet.first_chunk::<20>()?;
            let header_len = usize::from(header[0] & 0x0f) * 4;
            let offset = u16::from_be_bytes([header[6], header[7]]) & 0x1fff;
            if header_len < 20 || offset != 0 {
                return None;
            }
            let &[.., s0, s1, s2, s3, d0, d1, d2, d3] = header;
            Some(Header {
                source: Ipv4Address::new(s0, s1, s2, s3).into(),
                destination: Ipv4Address::new(d0, d1, d2, d3).into(),
                protocol: header[9],
                header_len,
                total_len: u16::from_be_bytes([header[2], header[3]]).into(),
            })
        }
        #[cfg(feature = "ipv6")]
        6 => {
            let header = packet.first_chunk::<IPV6_HEADER_LEN>()?;
            let address = |at: usize| {
                let mut octets = [0; 16];
                octets.copy_from_slice(&header[at..at + 16]);
                IpAddress::Ipv6(Ipv6Address::from_octets(octets))
            };
            let (protocol, header_len) = extension::walk(packet, |kind, _, header| {
                let first = u16::from_be_bytes([header[2], header[3]]) & 0xfff8 == 0;
                if kind != extension::FRAGMENT || first { Ok(()) } else { Err(()) }
            })
            .ok()?;
            Some(Header {
                source: address(8),
                destination: address(24),
                protocol,
                header_len,
                total_len: IPV6_HEADER_LEN
                    + usize::from(u16::from_be_bytes([header[4], header[5]])),
            })
        }
        _ => None,
    }
}

/// The largest error over IPv4 (RFC 1812 section 4.3.2.3).
const V4_ERROR_LEN: usize = 576;
/// The largest error over IPv6 (RFC 4443 section 2.4, c).
const V6_ERROR_LEN: usize = 1280;

/// Writes the port unreachable error about `offending`, a whole IP packet to this host, as a
/// whole IP packet into `buffer`, and gives its length. `None` when there must be none (RFC 1122
/// section 3.2.2, RFC 4443 section 2.4, e): about an ICMP error, a fragment that is not the
/// first, or a packet from or to a group or to 255.255.255.255; and when `buffer` has less than
/// 576 bytes for IPv4 or 1280 for IPv6, unless the error is shorter.
///
/// The broadcast addresses of prefixes are not known here; do not call it for them.
pub fn port_unreachable(buffer: &mut [u8], offending: &[u8]) -> Option<usize> {
    match offending.first()? >> 4 {
        4 => error(buffer, offending, V4_UNREACHABLE, 3, 0),
        _ => error(buffer, offending, V6_UNREACHABLE, 4, 0),
    }
}

/// Writes the error about a packet whose fragments did not all arrive in time, of which
/// `offending` is the first one. `None` where [`port_unreachable`] gives none.
pub fn reassembly_time_exceeded(buffer: &mut [u8], offending: &[u8]) -> Option<usize> {
    const REASSEMBLY: u8 = 1;
    match offending.first()? >> 4 {
        4 => error(buffer, offending, V4_TIME_EXCEEDED, REASSEMBLY, 0),
        _ => error(buffer, offending, V6_TIME_EXCEEDED, REASSEMBLY, 0),
    }
}

/// Writes the error that answers an IPv6 fragment dropped for this reason (RFC 8200 section 4.5),
/// as a whole IP packet into `buffer`, and gives its length. `None` for other reasons, and where
/// [`port_unreachable`] gives none.
pub fn fragment_problem(buffer: &mut [u8], offending: &[u8], reason: Reason) -> Option<usize> {
    const ERRONEOUS_FIELD: u8 = 0;
    const INCOMPLETE_HEADERS: u8 = 3;
    const PAYLOAD_LENGTH: u32 = 4;
    if offending.first()? >> 4 != 6 {
        return None;
    }
    let (code, pointer) = match reason {
        Reason::FragmentLength => (ERRONEOUS_FIELD, PAYLOAD_LENGTH),
        Reason::FragmentHeaders => (INCOMPLETE_HEADERS, 0),
        _ => return None,
    };
    error(buffer, offending, V6_PARAMETER_PROBLEM, code, pointer)
}

/// Writes the error that answers a packet dropped for [`Reason::UnknownOption`], as a whole IP
/// packet into `buffer`, and gives its length. `None` when the option asks for none (RFC 8200
/// section 4.2), and where [`port_unreachable`] gives none.
pub fn parameter_problem(buffer: &mut [u8], offending: &[u8]) -> Option<usize> {
    const UNRECOGNIZED_OPTION: u8 = 2;
    if offending.first()? >> 4 != 6 {
        return None;
    }
    let mut found = None;
    // Ends at the option, which is what the walk is for.
    let _ = extension::walk(offending, |kind, offset, header| {
        if kind != extension::HOP_BY_HOP && kind != extension::DESTINATION {
            return Ok(());
        }
        let mut at = 2;
        while let Some(&option) = header.get(at) {
            if option & 0xc0 != 0 {
                found = Some((option, offset + at));
                return Err(());
            }
            at += if option == 0 { 1 } else { 2 + usize::from(*header.get(at + 1).ok_or(())?) };
        }
        Ok(())
    });
    let (option, at) = found?;
    // 01 means to drop in silence; 10 and 11 differ only for groups.
    if option & 0x80 == 0 {
        return None;
    }
    error(buffer, offending, V6_PARAMETER_PROBLEM, UNRECOGNIZED_OPTION, at as u32)
}

fn error(buffer: &mut [u8], offending: &[u8], kind: u8, code: u8, parameter: u32) -> Option<usize> {
    let about = header(offending)?;
    let offending = offending.get(..about.total_len)?;
    let message = offending.get(about.header_len..);
    let about_error = match (about.source, about.protocol, message.and_then(<[u8]>::first)) {
        (IpAddress::Ipv4(_), ICMP, Some(&kind)) => effect_v4(kind, 0).is_some(),
        #[cfg(feature = "ipv6")]
        (IpAddress::Ipv6(_), ICMPV6, Some(&kind)) => kind < 128,
        _ => false,
    };
    let group = |address: IpAddress| {
        address.is_multicast() || address.is_broadcast() || address.is_unspecified()
    };
    if about_error || group(about.source) || group(about.destination) {
        return None;
    }
    let (header_len, longest) = match about.source {
        IpAddress::Ipv4(_) => (20, V4_ERROR_LEN),
        #[cfg(feature = "ipv6")]
        IpAddress::Ipv6(_) => (IPV6_HEADER_LEN, V6_ERROR_LEN),
    };
    let quoted = offending.len().min(longest - header_len - 8);
    let length = header_len + 8 + quoted;
    let packet = buffer.get_mut(..length)?;
    match (about.source, about.destination) {
        (IpAddress::Ipv4(source), IpAddress::Ipv4(destination)) => {
            // Identification 0 is for packets that are never fragmented (RFC 6864 section 4.1).
            packet[..12].copy_from_slice(&[0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, ICMP, 0, 0]);
            packet[2..4].copy_from_slice(&(length as u16).to_be_bytes());
            packet[12..16].copy_from_slice(&destination.octets());
            packet[16..20].copy_from_slice(&source.octets());
        }
        #[cfg(feature = "ipv6")]
        (IpAddress::Ipv6(source), IpAddress::Ipv6(destination)) => {
            packet[..8].copy_from_slice(&[0x60, 0, 0, 0, 0, 0, ICMPV6, 64]);
            packet[4..6].copy_from_slice(&((length - IPV6_HEADER_LEN) as u16).to_be_bytes());
            packet[8..24].copy_from_slice(&destination.octets());
            packet[24..40].copy_from_slice(&source.octets());
        }
        _ => return None,
    }
    packet[header_len..header_len + 4].copy_from_slice(&[kind, code, 0, 0]);
    packet[header_len + 4..header_len + 8].copy_from_slice(&parameter.to_be_bytes());
    packet[header_len + 8..].copy_from_slice(&offending[..quoted]);
    checksum::fill(packet);
    Some(length)
}

#[cfg(all(test, feature = "alloc"))]
mod tests;
