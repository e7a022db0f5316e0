//! What every frame of the stack must be, as an independent parser reads it.

use std::fmt;

use etherparse::checksum::Sum16BitWords;
use etherparse::{NetSlice, SlicedPacket, TcpOptionElement, TransportSlice};
use tapsock_stack::wire::{EthernetAddress, IpAddress, IpEndpoint};

use crate::flow::Observed;
use crate::network::OWN;

/// What a frame of the stack was.
#[derive(Debug)]
pub(crate) enum Sent<'f> {
    /// A question for a neighbor's Ethernet address.
    Question(IpAddress),
    Segment {
        local: IpEndpoint,
        remote: IpEndpoint,
        observed: Observed,
        payload: &'f [u8],
    },
    /// Anything else, as an IP packet.
    Other,
}

/// A rule that a frame breaks.
#[derive(Debug)]
pub(crate) struct Malformed(&'static str);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

fn must(holds: bool, rule: &'static str) -> Result<(), Malformed> {
    if holds { Ok(()) } else { Err(Malformed(rule)) }
}

/// Checks a frame that the stack sent. `own` are the addresses that it has or had.
pub(crate) fn check<'f>(
    frame: &'f [u8],
    mtu: usize,
    own: &[IpAddress],
) -> Result<Sent<'f>, Malformed> {
    must(frame.len() >= 14, "a frame has an Ethernet header")?;
    must(frame[6..12] == OWN.0, "the Ethernet source is the stack's own")?;
    let to = EthernetAddress([frame[0], frame[1], frame[2], frame[3], frame[4], frame[5]]);
    let sliced = SlicedPacket::from_ethernet(frame)
        .map_err(|_| Malformed("etherparse reads every frame"))?;
    let packet = &frame[14..];
    let (source, destination, ttl) = match &sliced.net {
        Some(NetSlice::Arp(_)) => return check_arp(packet, to, own),
        Some(NetSlice::Ipv4(ip)) => {
            let header = ip.header();
            must(
                usize::from(header.total_len()) == packet.len(),
                "the IPv4 length is the frame's",
            )?;
            let sum = Sum16BitWords::new().add_slice(header.slice()).ones_complement();
            must(sum == 0, "the IPv4 header checksum is right")?;
            let source = IpAddress::from(header.source_addr());
            (source, IpAddress::from(header.destination_addr()), header.ttl())
        }
        Some(NetSlice::Ipv6(ip)) => {
            let header = ip.header();
            let len = 40 + usize::from(header.payload_length());
            must(len == packet.len(), "the IPv6 length is the frame's")?;
            let source = IpAddress::from(header.source_addr());
            (source, IpAddress::from(header.destination_addr()), header.hop_limit())
        }
        None => return Err(Malformed("every frame is ARP, IPv4 or IPv6")),
    };
    must(packet.len() <= mtu, "a packet fits the link")?;
    check_addresses(source, destination, to, own)?;
    must(ttl > 0 || destination.is_multicast(), "a packet has a hop to go")?;
    if sliced.is_ip_payload_fragmented() {
        return Ok(Sent::Other);
    }
    let upper = sliced.ip_payload().map_or(&[][..], |payload| payload.payload);
    match &sliced.transport {
        Some(TransportSlice::Tcp(tcp)) => {
            must(!destination.is_multicast(), "TCP is for one host")?;
            must(pseudo_sum(source, destination, 6, upper) == 0, "the TCP checksum is right")?;
            let mut shift = 0;
            for option in tcp.options_iterator() {
                let option = option.map_err(|_| Malformed("TCP options are well formed"))?;
                if let TcpOptionElement::WindowScale(scale) = option {
                    must(scale <= 14, "a window scale is at most 14")?;
                    shift = scale;
                }
            }
            let header = tcp.slice();
            let flags = header[13];
            must(flags & 0x17 != 0, "a segment has flags")?;
            must(flags & 3 != 3 && flags & 6 != 6, "SYN stands without FIN and RST")?;
            let payload = tcp.payload();
            let control = (flags & 1) + (flags >> 1 & 1);
            let observed = Observed {
                flags,
                sequence: tcp.sequence_number(),
                acknowledgment: tcp.acknowledgment_number(),
                window: tcp.window_size(),
                shift,
                span: payload.len() as u32 + u32::from(control),
            };
            let local = IpEndpoint::new(source, tcp.source_port());
            let remote = IpEndpoint::new(destination, tcp.destination_port());
            must(local.port != 0 && remote.port != 0, "no segment has port 0")?;
            Ok(Sent::Segment { local, remote, observed, payload })
        }
        Some(TransportSlice::Udp(udp)) => {
            must(usize::from(udp.length()) == upper.len(), "the UDP length is the packet's")?;
            // UDP_NOCHECKSUM leaves it out, which IPv6 does not allow (RFC 8200, section 8.1).
            let left_out = udp.checksum() == 0 && matches!(source, IpAddress::Ipv4(_));
            let right = left_out || pseudo_sum(source, destination, 17, upper) == 0;
            must(right && (left_out || udp.checksum() != 0), "the UDP checksum is right")?;
            must(udp.destination_port() != 0, "no datagram is for port 0")?;
            Ok(Sent::Other)
        }
        Some(TransportSlice::Icmpv4(icmp)) => {
            let sum = Sum16BitWords::new().add_slice(icmp.slice()).ones_complement();
            must(sum == 0, "the ICMP checksum is right")?;
            Ok(Sent::Other)
        }
        Some(TransportSlice::Icmpv6(icmp)) => {
            let sum = pseudo_sum(source, destination, 58, icmp.slice());
            must(sum == 0, "the ICMPv6 checksum is right")?;
            let message = icmp.slice();
            if (133..=137).contains(&message[0]) {
                must(ttl == 255, "neighbor discovery has hop limit 255")?;
            }
            if message[0] == 135 {
                let target: [u8; 16] = message
                    .get(8..24)
                    .and_then(|target| target.try_into().ok())
                    .ok_or(Malformed("a solicitation has a target"))?;
                return Ok(Sent::Question(std::net::Ipv6Addr::from(target).into()));
            }
            Ok(Sent::Other)
        }
        Some(TransportSlice::Igmp(igmp)) => {
            let sum = Sum16BitWords::new().add_slice(igmp.slice()).ones_complement();
            must(sum == 0, "the IGMP checksum is right")?;
            Ok(Sent::Other)
        }
        None => Ok(Sent::Other),
    }
}

fn check_arp<'f>(
    packet: &[u8],
    to: EthernetAddress,
    own: &[IpAddress],
) -> Result<Sent<'f>, Malformed> {
    must(packet.len() == 28, "ARP for Ethernet and IPv4 has 28 bytes")?;
    must(packet[..6] == [0, 1, 8, 0, 6, 4], "ARP is for Ethernet and IPv4")?;
    must(packet[8..14] == OWN.0, "the ARP sender is the stack")?;
    let address =
        |at: usize| IpAddress::v4(packet[at], packet[at + 1], packet[at + 2], packet[at + 3]);
    let sender = address(14);
    must(own.contains(&sender) || sender.is_unspecified(), "the ARP sender's address is own")?;
    match packet[6..8] {
        [0, 1] => Ok(Sent::Question(address(24))),
        [0, 2] => {
            must(to.is_unicast(), "an ARP answer is for one host")?;
            Ok(Sent::Other)
        }
        _ => Err(Malformed("ARP asks or answers")),
    }
}

fn check_addresses(
    source: IpAddress,
    destination: IpAddress,
    to: EthernetAddress,
    own: &[IpAddress],
) -> Result<(), Malformed> {
    must(!source.is_multicast() && !source.is_broadcast(), "the source is no group")?;
    let unspecified = source.is_unspecified() && destination.is_multicast();
    must(own.contains(&source) || unspecified, "the source is an own address")?;
    must(!destination.is_unspecified(), "the destination is somebody")?;
    let loopback = match destination {
        IpAddress::Ipv4(address) => address.is_loopback(),
        IpAddress::Ipv6(address) => address.is_loopback(),
    };
    must(!loopback, "the loopback stays inside")?;
    if destination.is_multicast() {
        must(to.is_multicast(), "a group's packet is in a group's frame")?;
    } else if destination.is_broadcast() {
        must(to.is_broadcast(), "a broadcast packet is in a broadcast frame")?;
    }
    Ok(())
}

fn pseudo_sum(source: IpAddress, destination: IpAddress, protocol: u8, upper: &[u8]) -> u16 {
    let (source, destination) = (crate::packet::octets(source), crate::packet::octets(destination));
    let len = (upper.len() as u32).to_be_bytes();
    Sum16BitWords::new()
        .add_slice(&source)
        .add_slice(&destination)
        .add_slice(&len)
        .add_slice(&[0, 0, 0, protocol])
        .add_slice(upper)
        .ones_complement()
}
