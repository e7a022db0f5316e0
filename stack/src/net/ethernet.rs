//! Ethernet II framing.

use smoltcp::wire::{EthernetAddress, IpAddress};

/// Bytes of the Ethernet header: destination, source, EtherType.
pub const HEADER_LEN: usize = 14;

/// EtherType of IPv4.
pub const IPV4: u16 = 0x0800;
/// EtherType of ARP.
pub const ARP: u16 = 0x0806;
/// EtherType of IPv6.
pub const IPV6: u16 = 0x86dd;

/// The header of one frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Whom the frame is for.
    pub destination: EthernetAddress,
    /// Who sent it.
    pub source: EthernetAddress,
    /// What it carries; below 1536 it is the length of an IEEE 802.3 frame.
    pub ethertype: u16,
}

/// The header of `frame`; what it carries begins at [`HEADER_LEN`]. `None` when it is too short.
pub fn parse(frame: &[u8]) -> Option<Header> {
    let (header, _) = frame.split_first_chunk::<HEADER_LEN>()?;
    let [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, type_high, type_low] = *header;
    Some(Header {
        destination: EthernetAddress([d0, d1, d2, d3, d4, d5]),
        source: EthernetAddress([s0, s1, s2, s3, s4, s5]),
        ethertype: u16::from_be_bytes([type_high, type_low]),
    })
}

/// Writes a header at the start of `frame` and says whether there was room for it.
pub fn write(
    frame: &mut [u8],
    destination: EthernetAddress,
    source: EthernetAddress,
    ethertype: u16,
) -> bool {
    let Some((header, _)) = frame.split_first_chunk_mut::<HEADER_LEN>() else {
        return false;
    };
    header[..6].copy_from_slice(&destination.0);
    header[6..12].copy_from_slice(&source.0);
    header[12..].copy_from_slice(&ethertype.to_be_bytes());
    true
}

/// The EtherType of packets between addresses of this family.
pub const fn ethertype(address: IpAddress) -> u16 {
    match address {
        IpAddress::Ipv4(_) => IPV4,
        #[cfg(feature = "ipv6")]
        IpAddress::Ipv6(_) => IPV6,
    }
}

/// The Ethernet address that frames to an IP multicast group go to (RFC 1112 section 6.4,
/// RFC 2464 section 7). `None` for an address that is no group.
pub fn multicast(group: IpAddress) -> Option<EthernetAddress> {
    if !group.is_multicast() {
        return None;
    }
    Some(match group {
        IpAddress::Ipv4(group) => {
            let [_, b, c, d] = group.octets();
            EthernetAddress([0x01, 0x00, 0x5e, b & 0x7f, c, d])
        }
        #[cfg(feature = "ipv6")]
        IpAddress::Ipv6(group) => {
            let [.., a, b, c, d] = group.octets();
            EthernetAddress([0x33, 0x33, a, b, c, d])
        }
    })
}

#[cfg(test)]
mod tests {
    use smoltcp::wire::{Ipv4Address, Ipv6Address};

    use super::*;

    #[test]
    fn a_written_header_is_parsed_again() {
        let mut frame = [0; 20];
        let destination = EthernetAddress([2, 0, 0, 0, 0, 1]);
        let source = EthernetAddress([2, 0, 0, 0, 0, 2]);
        assert!(write(&mut frame, destination, source, IPV6));
        assert_eq!(frame[..14], [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x86, 0xdd]);
        assert_eq!(parse(&frame), Some(Header { destination, source, ethertype: 0x86dd }));
    }

    #[test]
    fn a_frame_of_thirteen_bytes_has_no_header() {
        assert_eq!(parse(&[0; 13]), None);
        assert!(parse(&[0; 14]).is_some());
        assert!(!write(&mut [0; 13], EthernetAddress::BROADCAST, EthernetAddress([2; 6]), ARP));
    }

    #[test]
    fn groups_have_their_own_ethernet_addresses() {
        let v4 = IpAddress::Ipv4(Ipv4Address::new(239, 129, 2, 3));
        assert_eq!(multicast(v4), Some(EthernetAddress([0x01, 0x00, 0x5e, 0x01, 2, 3])));
        let v6 = IpAddress::Ipv6(Ipv6Address::new(0xff02, 0, 0, 0, 0, 1, 0xff00, 0x1234));
        assert_eq!(multicast(v6), Some(EthernetAddress([0x33, 0x33, 0xff, 0, 0x12, 0x34])));
        assert_eq!(multicast(IpAddress::Ipv4(Ipv4Address::new(10, 0, 0, 1))), None);
    }
}
