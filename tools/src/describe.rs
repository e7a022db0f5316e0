//! One line about a frame, for a time line.
//!
//! Shows what matters to somebody who asks why a connection failed: who asks for whom, which
//! flags a segment has, what an ICMP error is about. Whatever cannot be read is said to be so;
//! no frame makes this fail.

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

use tapsock_stack::wire::{
    ArpOperation, ArpPacket, ArpRepr, EthernetAddress, EthernetFrame, EthernetProtocol, IpAddress,
    IpProtocol, Ipv4Packet, Ipv6Packet, TcpOption, TcpPacket, UdpPacket,
};

/// One line about a whole Ethernet frame.
pub fn frame(bytes: &[u8]) -> String {
    let Ok(frame) = EthernetFrame::new_checked(bytes) else {
        return format!("{} bytes, too short for Ethernet", bytes.len());
    };
    match frame.ethertype() {
        EthernetProtocol::Arp => arp(frame.payload()),
        EthernetProtocol::Ipv4 | EthernetProtocol::Ipv6 => packet(frame.payload()),
        EthernetProtocol::Unknown(kind) => {
            let (source, destination) = (colons(frame.src_addr()), colons(frame.dst_addr()));
            format!("{source} > {destination} Ethernet type {kind:#06x}")
        }
    }
}

fn arp(bytes: &[u8]) -> String {
    let parsed = ArpPacket::new_checked(bytes).and_then(|packet| ArpRepr::parse(&packet));
    match parsed {
        Ok(ArpRepr::EthernetIpv4 {
            operation: ArpOperation::Request,
            source_protocol_addr,
            target_protocol_addr,
            ..
        }) => format!("ARP who has {target_protocol_addr}? tell {source_protocol_addr}"),
        Ok(ArpRepr::EthernetIpv4 {
            operation: ArpOperation::Reply,
            source_hardware_addr,
            source_protocol_addr,
            ..
        }) => format!("ARP {source_protocol_addr} is at {}", colons(source_hardware_addr)),
        Ok(_) => "ARP, neither request nor reply".into(),
        Err(_) => "ARP, malformed".into(),
    }
}

/// The address as `--mac` and every capture tool write it.
fn colons(address: EthernetAddress) -> String {
    address.to_string().replace('-', ":")
}

/// One line about an IP packet.
pub fn packet(bytes: &[u8]) -> String {
    match bytes.first().map(|byte| byte >> 4) {
        Some(4) => {
            let Ok(ip) = Ipv4Packet::new_checked(bytes) else { return "IPv4, malformed".into() };
            let ends = Ends { source: ip.src_addr().into(), destination: ip.dst_addr().into() };
            if ip.frag_offset() != 0 {
                let (id, offset) = (ip.ident(), ip.frag_offset());
                return format!("{ends} fragment of {id:#06x} at byte {offset}");
            }
            let mut line = ends.transport(ip.next_header(), ip.payload());
            if ip.more_frags() {
                let _ = write!(line, ", first fragment of {:#06x}", ip.ident());
            }
            line
        }
        Some(6) => {
            let Ok(ip) = Ipv6Packet::new_checked(bytes) else { return "IPv6, malformed".into() };
            let ends = Ends { source: ip.src_addr().into(), destination: ip.dst_addr().into() };
            let (protocol, payload) = behind_extensions(ip.next_header(), ip.payload());
            ends.transport(protocol, payload)
        }
        _ => "neither IPv4 nor IPv6".into(),
    }
}

/// The most extension headers that are looked behind.
const EXTENSIONS: usize = 8;

/// The upper-layer header of an IPv6 packet (RFC 8200 section 4). Options are skipped; a fragment
/// header ends the walk.
fn behind_extensions(mut protocol: IpProtocol, mut payload: &[u8]) -> (IpProtocol, &[u8]) {
    for _ in 0..EXTENSIONS {
        if !matches!(protocol, IpProtocol::HopByHop | IpProtocol::Ipv6Route | IpProtocol::Ipv6Opts)
        {
            break;
        }
        let [next, length, ..] = *payload else { break };
        let Some(rest) = payload.get(8 * (usize::from(length) + 1)..) else { break };
        (protocol, payload) = (IpProtocol::from(next), rest);
    }
    (protocol, payload)
}

/// Who sends to whom.
#[derive(Clone, Copy)]
struct Ends {
    source: IpAddress,
    destination: IpAddress,
}

impl std::fmt::Display for Ends {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} > {}", self.source, self.destination)
    }
}

impl Ends {
    fn ports(self, source: u16, destination: u16) -> String {
        let end = |address: IpAddress, port| SocketAddr::new(IpAddr::from(address), port);
        format!("{} > {}", end(self.source, source), end(self.destination, destination))
    }

    fn transport(self, protocol: IpProtocol, payload: &[u8]) -> String {
        match protocol {
            IpProtocol::Tcp => match TcpPacket::new_checked(payload) {
                Ok(segment) => self.tcp(&segment),
                Err(_) => format!("{self} TCP, malformed"),
            },
            IpProtocol::Udp => match UdpPacket::new_checked(payload) {
                Ok(datagram) => {
                    let ports = self.ports(datagram.src_port(), datagram.dst_port());
                    format!("{ports} UDP len {}", datagram.payload().len())
                }
                Err(_) => format!("{self} UDP, malformed"),
            },
            IpProtocol::Icmp => self.icmp(payload),
            IpProtocol::Icmpv6 => self.icmpv6(payload),
            IpProtocol::Igmp => format!("{self} IGMP"),
            IpProtocol::Ipv6Frag => format!("{self} fragment"),
            other => format!("{self} IP protocol {}", u8::from(other)),
        }
    }

    fn tcp(self, segment: &TcpPacket<&[u8]>) -> String {
        let mut line = self.ports(segment.src_port(), segment.dst_port());
        let flags = [
            (segment.syn(), "SYN"),
            (segment.fin(), "FIN"),
            (segment.rst(), "RST"),
            (segment.psh(), "PSH"),
            (segment.ack(), "ACK"),
        ];
        let names: Vec<&str> =
            flags.iter().filter(|(set, _)| *set).map(|(_, name)| *name).collect();
        let length = segment.payload().len();
        let _ = write!(line, " [{}] seq {}", names.join(","), segment.seq_number().0 as u32);
        if segment.ack() {
            let _ = write!(line, " ack {}", segment.ack_number().0 as u32);
        }
        let _ = write!(line, " len {length}");
        if segment.syn()
            && let Some(size) = max_segment_size(segment.options())
        {
            let _ = write!(line, " mss {size}");
        }
        line
    }

    fn icmp(self, payload: &[u8]) -> String {
        let [kind, code, ..] = *payload else { return format!("{self} ICMP, malformed") };
        let says = match (kind, code) {
            (0, _) => "echo reply",
            (8, _) => "echo request",
            (3, 0 | 6 | 9 | 11) => "network unreachable",
            (3, 2) => "protocol unreachable",
            (3, 3) => "port unreachable",
            (3, 4) => "fragmentation needed",
            (3, 13) => "prohibited",
            (3, _) => "host unreachable",
            (5, _) => "redirect",
            (11, _) => "time exceeded",
            (12, _) => "parameter problem",
            _ => return format!("{self} ICMP {kind}/{code}"),
        };
        let about = if matches!(kind, 3 | 5 | 11 | 12) { quote(payload) } else { String::new() };
        format!("{self} ICMP {says} ({kind}/{code}){about}")
    }

    fn icmpv6(self, payload: &[u8]) -> String {
        let [kind, code, ..] = *payload else { return format!("{self} ICMPv6, malformed") };
        let target = |what: &str| match payload.get(8..24).map(<[u8; 16]>::try_from) {
            Some(Ok(octets)) => {
                let target = std::net::Ipv6Addr::from(octets);
                let source = self.source;
                match (kind, hardware(payload)) {
                    (135, _) => format!("{what} {target}? tell {source}"),
                    (_, Some(hardware)) => format!("{what} {target} is at {}", colons(hardware)),
                    (_, None) => format!("{what} {target} is here"),
                }
            }
            _ => format!("{self} ICMPv6 neighbor discovery, malformed"),
        };
        let says = match (kind, code) {
            (1, 0) => "network unreachable",
            (1, 1) => "prohibited",
            (1, 4) => "port unreachable",
            (1, _) => "host unreachable",
            (2, _) => "packet too big",
            (3, _) => "time exceeded",
            (4, _) => "parameter problem",
            (128, _) => "echo request",
            (129, _) => "echo reply",
            (130..=132 | 143, _) => "multicast listener",
            (133, _) => "router solicitation",
            (134, _) => "router advertisement",
            (135, _) => return target("NS who has"),
            (136, _) => return target("NA"),
            (137, _) => "redirect",
            _ => return format!("{self} ICMPv6 {kind}/{code}"),
        };
        let about = if kind < 128 { quote(payload) } else { String::new() };
        format!("{self} ICMPv6 {says} ({kind}/{code}){about}")
    }
}

/// The hardware address in the options of a neighbor advertisement (RFC 4861 4.6.1).
fn hardware(payload: &[u8]) -> Option<EthernetAddress> {
    let option = payload.get(24..32)?;
    (option[..2] == [2, 1]).then(|| EthernetAddress::from_bytes(&option[2..8]))
}

/// The maximum segment size in the options of a SYN.
fn max_segment_size(mut options: &[u8]) -> Option<u16> {
    while !options.is_empty() {
        let (rest, option) = TcpOption::parse(options).ok()?;
        match option {
            TcpOption::EndOfList => return None,
            TcpOption::MaxSegmentSize(size) => return Some(size),
            _ => {}
        }
        options = rest;
    }
    None
}

/// What an ICMP error is about: the packet that it quotes, of which 8 bytes beyond the IP header
/// are promised (RFC 792).
fn quote(payload: &[u8]) -> String {
    let quoted = payload.get(8..).unwrap_or_default();
    let Some((ends, protocol, rest)) = quoted_header(quoted) else { return String::new() };
    let name = match protocol {
        IpProtocol::Tcp => "TCP",
        IpProtocol::Udp => "UDP",
        _ => return format!(" about {ends}"),
    };
    let [a, b, c, d, ..] = *rest else { return format!(" about {name} {ends}") };
    let ports = ends.ports(u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    format!(" about {name} {ports}")
}

/// The quoted packet is cut off, so its lengths are not those of the bytes that are there.
fn quoted_header(quoted: &[u8]) -> Option<(Ends, IpProtocol, &[u8])> {
    match quoted.first()? >> 4 {
        4 => {
            let length = usize::from(quoted[0] & 0x0f) * 4;
            let rest = quoted.get(length.max(20)..)?;
            let ip = Ipv4Packet::new_unchecked(quoted);
            let ends = Ends { source: ip.src_addr().into(), destination: ip.dst_addr().into() };
            Some((ends, ip.next_header(), rest))
        }
        6 => {
            let rest = quoted.get(40..)?;
            let ip = Ipv6Packet::new_unchecked(quoted);
            let ends = Ends { source: ip.src_addr().into(), destination: ip.dst_addr().into() };
            let (protocol, rest) = behind_extensions(ip.next_header(), rest);
            Some((ends, protocol, rest))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
