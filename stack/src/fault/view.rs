//! What the headers of a frame say, read in place.
//!
//! A view exists for every sequence of bytes: what does not make sense or is cut off is absent,
//! and nothing panics.

use core::net::Ipv6Addr as Ipv6Address;

use smoltcp::wire::{IpAddress, Ipv4Address};

use crate::net::{ethernet, extension};

const VLAN: u16 = 0x8100;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMP: u8 = 1;
const ICMPV6: u8 = 58;

/// A frame and where its parts are.
#[derive(Debug, Clone, Copy)]
pub struct View<'f> {
    frame: &'f [u8],
    pub(super) at: Layout,
}

/// Where the parts of a frame are, in bytes from its beginning. Each is at most `end`, and `end`
/// is at most the frame's length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) ethertype: u16,
    /// Behind the Ethernet header.
    pub(super) network: usize,
    /// Behind the IP header.
    pub(super) transport: usize,
    /// Behind the transport's header.
    pub(super) payload: usize,
    /// Behind the packet; Ethernet padding follows.
    pub(super) end: usize,
    /// The protocol over IP.
    pub(super) protocol: Option<u8>,
    fragment: Fragment,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fragment {
    Whole,
    First,
    Later,
}

impl<'f> View<'f> {
    /// Looks at `frame`.
    pub fn new(frame: &'f [u8]) -> Self {
        Self { frame, at: layout(frame) }
    }

    /// The frame.
    pub fn frame(&self) -> &'f [u8] {
        self.frame
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.frame.get(..self.at.end)?.get(at).copied()
    }

    fn word(&self, at: usize) -> Option<u16> {
        Some(u16::from_be_bytes([self.byte(at)?, self.byte(at + 1)?]))
    }

    fn long(&self, at: usize) -> Option<u32> {
        Some(u32::from(self.word(at)?) << 16 | u32::from(self.word(at + 2)?))
    }

    /// The EtherType, behind a VLAN tag if there is one; 0 when the frame is too short.
    pub fn ethertype(&self) -> u16 {
        self.at.ethertype
    }

    /// The IP packet, or whatever follows the Ethernet header; without Ethernet padding.
    pub fn packet(&self) -> &'f [u8] {
        self.frame.get(self.at.network..self.at.end).unwrap_or(&[])
    }

    /// Whether it is IPv4.
    pub fn is_ipv4(&self) -> bool {
        self.at.ethertype == ethernet::IPV4 && self.at.protocol.is_some()
    }

    /// Whether it is IPv6.
    pub fn is_ipv6(&self) -> bool {
        self.at.ethertype == ethernet::IPV6 && self.at.protocol.is_some()
    }

    /// Whether it is ARP for IPv4 over Ethernet, whole.
    pub fn is_arp(&self) -> bool {
        let at = self.at.network;
        self.at.ethertype == ethernet::ARP
            && self.at.end >= at + 28
            && self.long(at) == Some(0x0001_0800)
            && self.word(at + 4) == Some(0x0604)
    }

    /// The operation of ARP: 1 for a request, 2 for a reply.
    pub fn arp_operation(&self) -> Option<u16> {
        if self.is_arp() { self.word(self.at.network + 6) } else { None }
    }

    /// The protocol over IP, behind extension headers.
    pub fn protocol(&self) -> Option<u8> {
        self.at.protocol
    }

    /// The sender over IP or ARP.
    pub fn source(&self) -> Option<IpAddress> {
        self.address([14, 12, 8])
    }

    /// The receiver over IP or, for ARP, the target.
    pub fn destination(&self) -> Option<IpAddress> {
        self.address([24, 16, 24])
    }

    /// The address at one of these offsets, for ARP, IPv4 and IPv6.
    fn address(&self, [arp, v4, v6]: [usize; 3]) -> Option<IpAddress> {
        let packet = self.packet();
        let four = |at: usize| {
            let octets: [u8; 4] = packet.get(at..at + 4)?.try_into().ok()?;
            Some(IpAddress::Ipv4(Ipv4Address::from(octets)))
        };
        if self.is_arp() {
            four(arp)
        } else if self.is_ipv4() {
            four(v4)
        } else {
            self.address_v6(v6)
        }
    }

    #[cfg(feature = "ipv6")]
    fn address_v6(&self, at: usize) -> Option<IpAddress> {
        let octets = self.packet().get(at..at + 16).filter(|_| self.is_ipv6())?;
        Some(IpAddress::Ipv6(Ipv6Address::from(<[u8; 16]>::try_from(octets).ok()?)))
    }

    #[cfg(not(feature = "ipv6"))]
    fn address_v6(&self, _: usize) -> Option<IpAddress> {
        None
    }

    /// Whether it is a fragment of an IP packet.
    pub fn is_fragment(&self) -> bool {
        self.at.fragment != Fragment::Whole
    }

    /// Whether the transport's header may be in it.
    fn begins(&self) -> bool {
        self.at.fragment != Fragment::Later
    }

    /// Time to live or hop limit.
    pub fn ttl(&self) -> Option<u8> {
        if self.is_ipv4() {
            self.byte(self.at.network + 8)
        } else if self.is_ipv6() {
            self.byte(self.at.network + 7)
        } else {
            None
        }
    }

    /// The two bits of the ECN field.
    pub fn ecn(&self) -> Option<u8> {
        if self.is_ipv4() {
            self.byte(self.at.network + 1).map(|class| class & 3)
        } else if self.is_ipv6() {
            self.byte(self.at.network + 1).map(|class| class >> 4 & 3)
        } else {
            None
        }
    }

    fn is(&self, protocol: u8, shortest: usize) -> bool {
        self.at.protocol == Some(protocol)
            && self.begins()
            && self.at.end >= self.at.transport + shortest
    }

    /// Whether a whole TCP header is in it.
    pub fn is_tcp(&self) -> bool {
        self.is(TCP, 20)
    }

    /// Whether a whole UDP header is in it.
    pub fn is_udp(&self) -> bool {
        self.is(UDP, 8)
    }

    /// Whether it is ICMP for IPv4.
    pub fn is_icmp(&self) -> bool {
        self.is_ipv4() && self.is(ICMP, 4)
    }

    /// Whether it is ICMPv6.
    pub fn is_icmp6(&self) -> bool {
        self.is_ipv6() && self.is(ICMPV6, 4)
    }

    /// Whether it is neighbor discovery: ICMPv6 types 133 to 137 (RFC 4861, section 4).
    pub fn is_nd(&self) -> bool {
        self.is_icmp6() && matches!(self.icmp(), Some((133..=137, _)))
    }

    /// Type and code of ICMP or ICMPv6.
    pub fn icmp(&self) -> Option<(u8, u8)> {
        if self.is_icmp() || self.is_icmp6() {
            Some((self.byte(self.at.transport)?, self.byte(self.at.transport + 1)?))
        } else {
            None
        }
    }

    /// Source and destination port of TCP or UDP.
    pub fn ports(&self) -> Option<(u16, u16)> {
        if self.is_tcp() || self.is_udp() {
            Some((self.word(self.at.transport)?, self.word(self.at.transport + 2)?))
        } else {
            None
        }
    }

    /// The TCP flags, as in byte 13 of the header.
    pub fn flags(&self) -> Option<u8> {
        if self.is_tcp() { self.byte(self.at.transport + 13) } else { None }
    }

    /// The TCP sequence number.
    pub fn seq(&self) -> Option<u32> {
        if self.is_tcp() { self.long(self.at.transport + 4) } else { None }
    }

    /// The TCP acknowledgment number, of segments with ACK.
    pub fn ack(&self) -> Option<u32> {
        if self.flags()? & 16 != 0 { self.long(self.at.transport + 8) } else { None }
    }

    /// The TCP window field, unscaled.
    pub fn window(&self) -> Option<u16> {
        if self.is_tcp() { self.word(self.at.transport + 14) } else { None }
    }

    /// What is behind the headers that are known here.
    pub fn payload(&self) -> &'f [u8] {
        self.frame.get(self.at.payload..self.at.end).unwrap_or(&[])
    }

    /// What is behind the header of TCP or UDP, where there is one.
    pub fn segment(&self) -> Option<&'f [u8]> {
        (self.is_tcp() || self.is_udp()).then(|| self.payload())
    }

    /// How much sequence space a TCP segment takes.
    pub fn span(&self) -> u32 {
        let flags = self.flags().unwrap_or(0);
        self.payload().len() as u32 + u32::from(flags & 2 != 0) + u32::from(flags & 1 != 0)
    }

    /// Where in the frame the TCP option of this kind is, kind and length included.
    pub fn option(&self, kind: u8) -> Option<core::ops::Range<usize>> {
        if !self.is_tcp() {
            return None;
        }
        let mut at = self.at.transport + 20;
        while at < self.at.payload {
            match self.byte(at)? {
                0 => return None,
                1 => at += 1,
                found => {
                    let length = usize::from(self.byte(at + 1)?);
                    if length < 2 || at + length > self.at.payload {
                        return None;
                    }
                    if found == kind {
                        return Some(at..at + length);
                    }
                    at += length;
                }
            }
        }
        None
    }

    /// The shift of the window scale option, at most 14 (RFC 7323, section 2.3).
    pub(super) fn window_scale(&self) -> Option<u8> {
        let option = self.option(3)?;
        if option.len() == 3 {
            self.byte(option.start + 2).map(|shift| shift.min(14))
        } else {
            None
        }
    }

    /// Whether `bytes` occur in the payload.
    pub fn contains(&self, bytes: &[u8]) -> bool {
        // `windows` has none of length 0.
        bytes.is_empty() || self.payload().windows(bytes.len()).any(|window| window == bytes)
    }
}

fn layout(frame: &[u8]) -> Layout {
    let word = |at: usize| Some(u16::from_be_bytes([*frame.get(at)?, *frame.get(at + 1)?]));
    let (mut ethertype, mut network) = (word(12).unwrap_or(0), ethernet::HEADER_LEN);
    if ethertype == VLAN {
        (ethertype, network) = (word(16).unwrap_or(0), ethernet::HEADER_LEN + 4);
    }
    let end = frame.len();
    let network = network.min(end);
    let nothing = Layout {
        ethertype,
        network,
        transport: network,
        payload: network,
        end,
        protocol: None,
        fragment: Fragment::Whole,
    };
    let packet = frame.get(network..).unwrap_or(&[]);
    let found = match ethertype {
        ethernet::IPV4 => ipv4(packet),
        ethernet::IPV6 => ipv6(packet),
        _ => None,
    };
    let Some((protocol, header, length, fragment)) = found else { return nothing };
    let (transport, end) = (network + header, network + length);
    let payload = if fragment == Fragment::Later {
        transport
    } else {
        let header = match protocol {
            TCP => frame.get(transport + 12).map_or(0, |offset| usize::from(offset >> 4) * 4),
            UDP => 8,
            ICMP | ICMPV6 => 4,
            _ => 0,
        };
        // A data offset below its least is nonsense; what is behind the least header is payload.
        (transport + if protocol == TCP { header.max(20) } else { header }).min(end)
    };
    Layout { transport, payload, end, protocol: Some(protocol), fragment, ..nothing }
}

/// Protocol, header length, packet length, and whether it is a fragment; of what is there.
fn ipv4(packet: &[u8]) -> Option<(u8, usize, usize, Fragment)> {
    let header = usize::from(packet.first()? & 0x0f) * 4;
    if packet[0] >> 4 != 4 || header < 20 || packet.len() < header {
        return None;
    }
    // The header is there: at least 20 bytes.
    let total = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
    let length = total.clamp(header, packet.len());
    let fragment = match u16::from_be_bytes([packet[6], packet[7]]) {
        word if word & 0x1fff != 0 => Fragment::Later,
        word if word & 0x2000 != 0 => Fragment::First,
        _ => Fragment::Whole,
    };
    Some((packet[9], header, length, fragment))
}

fn ipv6(packet: &[u8]) -> Option<(u8, usize, usize, Fragment)> {
    const HEADER: usize = extension::IPV6_HEADER_LEN;
    if packet.len() < HEADER || packet[0] >> 4 != 6 {
        return None;
    }
    let length = HEADER + usize::from(u16::from_be_bytes([packet[4], packet[5]]));
    let length = length.min(packet.len());
    let mut fragment = Fragment::Whole;
    let mut behind = None;
    let walked = extension::walk(&packet[..length], |kind, offset, header| {
        if kind == extension::FRAGMENT {
            let word = u16::from_be_bytes([header[2], header[3]]);
            fragment = match (word & 0xfff8, word & 1) {
                (0, 0) => Fragment::Whole,
                (0, _) => Fragment::First,
                _ => Fragment::Later,
            };
            if fragment == Fragment::Later {
                // What follows is data, whatever it looks like.
                behind = Some((header[0], offset + header.len()));
                return Err(());
            }
        }
        Ok(())
    });
    let (protocol, offset) = match (walked, behind) {
        (Ok(upper), _) | (Err(_), Some(upper)) => upper,
        // Cut off or too long: the IP header is all that is known.
        (Err(_), None) => (packet[6], HEADER),
    };
    Some((protocol, offset.min(length), length, fragment))
}
