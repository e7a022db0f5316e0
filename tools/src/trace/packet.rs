//! What a trace needs to know of a packet.
//!
//! Captures may hold only the beginning of a packet (a snapshot length), so nothing here asks for
//! more bytes than it uses, and lengths come from the IP header.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use pcap_file::DataLink;

use crate::describe;

/// A TCP segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Segment {
    /// Who sends.
    pub source: SocketAddr,
    /// To whom.
    pub destination: SocketAddr,
    /// Sequence number on the wire.
    pub seq: u32,
    /// Acknowledgment number on the wire; `None` without ACK.
    pub ack: Option<u32>,
    /// SYN.
    pub syn: bool,
    /// FIN.
    pub fin: bool,
    /// RST.
    pub rst: bool,
    /// PSH.
    pub psh: bool,
    /// The window field, unscaled.
    pub window: u16,
    /// Bytes of payload, also those that were not captured.
    pub length: u32,
    /// Maximum segment size option.
    pub mss: Option<u16>,
    /// Window scale option.
    pub scale: Option<u8>,
    /// Whether selective acknowledgments are permitted.
    pub sack_permitted: bool,
    /// SACK blocks: first sequence number, and that behind the last.
    pub sack: Vec<(u32, u32)>,
}

impl Segment {
    /// The sequence numbers that it takes: payload, SYN and FIN.
    pub(super) fn span(&self) -> u32 {
        self.length.saturating_add(u32::from(self.syn)).saturating_add(u32::from(self.fin))
    }
}

/// A packet, as far as it was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Seen {
    /// TCP.
    Tcp(Segment),
    /// ICMP, ARP or neighbor discovery.
    Control(Control),
    /// Anything else.
    Other,
}

/// A message about the way, not on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Control {
    /// What it says, in short words.
    pub text: String,
    /// The addresses that it is from, to, and about.
    pub addresses: Vec<IpAddr>,
    /// Who sent it, if that has an address.
    pub source: Option<IpAddr>,
    /// The source and destination of the TCP segment that it quotes.
    pub quoted: Option<(SocketAddr, SocketAddr)>,
    /// Whether it quotes a packet, as ICMP errors do.
    pub is_error: bool,
}

const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_ARP: u16 = 0x0806;
const ETHERTYPE_IPV6: u16 = 0x86dd;
/// 802.1Q and 802.1ad.
const ETHERTYPE_VLAN: [u16; 2] = [0x8100, 0x88a8];

/// Looks into a packet.
pub(super) fn look(link: DataLink, bytes: &[u8]) -> Seen {
    look_into(link, bytes).unwrap_or(Seen::Other)
}

fn look_into(link: DataLink, bytes: &[u8]) -> Option<Seen> {
    let (kind, payload) = match link {
        DataLink::ETHERNET => {
            let (mut kind, mut payload) = (u16_at(bytes, 12)?, bytes.get(14..)?);
            while ETHERTYPE_VLAN.contains(&kind) {
                (kind, payload) = (u16_at(payload, 2)?, payload.get(4..)?);
            }
            (kind, payload)
        }
        // tcpdump -i any
        DataLink::LINUX_SLL => (u16_at(bytes, 14)?, bytes.get(16..)?),
        DataLink::LINUX_SLL2 => (u16_at(bytes, 0)?, bytes.get(20..)?),
        DataLink::NULL | DataLink::LOOP => (0, bytes.get(4..)?),
        DataLink::RAW | DataLink::IPV4 | DataLink::IPV6 => (0, bytes),
        _ => return None,
    };
    match (kind, payload.first()? >> 4) {
        (ETHERTYPE_ARP, _) => arp(payload),
        (ETHERTYPE_IPV4 | 0, 4) => ipv4(payload),
        (ETHERTYPE_IPV6 | 0, 6) => ipv6(payload),
        _ => None,
    }
}

fn arp(bytes: &[u8]) -> Option<Seen> {
    let sender = ipv4_at(bytes, 14)?;
    let target = ipv4_at(bytes, 24)?;
    let octets = bytes.get(8..14)?;
    let text = match u16_at(bytes, 6)? {
        1 if sender == target => format!("ARP {sender} announced"),
        1 => format!("ARP who has {target}?"),
        2 => format!("ARP {sender} is at {}", colons(octets)),
        other => format!("ARP operation {other}"),
    };
    Some(Seen::Control(Control {
        text,
        addresses: vec![sender, target],
        source: Some(sender),
        quoted: None,
        is_error: false,
    }))
}

fn colons(octets: &[u8]) -> String {
    let octets: Vec<String> = octets.iter().map(|octet| format!("{octet:02x}")).collect();
    octets.join(":")
}

/// The parts of an IP packet.
struct Ip<'b> {
    source: IpAddr,
    destination: IpAddr,
    protocol: u8,
    payload: &'b [u8],
    /// The payload's length by the header.
    length: usize,
}

fn ipv4_header(bytes: &[u8]) -> Option<Ip<'_>> {
    let header = usize::from(bytes.first()? & 0x0f) * 4;
    if header < 20 {
        return None;
    }
    let total = usize::from(u16_at(bytes, 2)?);
    // A superframe of an offloading link may say 0.
    let total = if total == 0 { bytes.len() } else { total };
    if u16_at(bytes, 6)? & 0x1fff != 0 {
        return None;
    }
    let length = total.checked_sub(header)?;
    let payload = bytes.get(header..)?;
    Some(Ip {
        source: ipv4_at(bytes, 12)?,
        destination: ipv4_at(bytes, 16)?,
        protocol: *bytes.get(9)?,
        // Ethernet pads what is short.
        payload: payload.get(..length).unwrap_or(payload),
        length,
    })
}

/// The most extension headers that are looked behind.
const EXTENSIONS: usize = 8;

fn ipv6_header(bytes: &[u8]) -> Option<Ip<'_>> {
    let mut length = usize::from(u16_at(bytes, 4)?);
    let mut protocol = *bytes.get(6)?;
    let mut payload = bytes.get(40..)?;
    payload = payload.get(..length).unwrap_or(payload);
    for _ in 0..EXTENSIONS {
        // Hop-by-hop options, routing, destination options (RFC 8200 section 4).
        if !matches!(protocol, 0 | 43 | 60) {
            break;
        }
        let size = 8 * (usize::from(*payload.get(1)?) + 1);
        protocol = *payload.first()?;
        payload = payload.get(size..)?;
        length = length.checked_sub(size)?;
    }
    let source = ipv6_at(bytes, 8)?;
    Some(Ip { source, destination: ipv6_at(bytes, 24)?, protocol, payload, length })
}

fn ipv4(bytes: &[u8]) -> Option<Seen> {
    let ip = ipv4_header(bytes)?;
    match ip.protocol {
        1 => {
            let is_error = matches!(ip.payload.first()?, 3 | 5 | 11 | 12);
            Some(icmp(&ip, &describe::packet(bytes), is_error, None))
        }
        6 => tcp(&ip),
        _ => None,
    }
}

fn ipv6(bytes: &[u8]) -> Option<Seen> {
    let ip = ipv6_header(bytes)?;
    match ip.protocol {
        6 => tcp(&ip),
        58 => {
            let kind = *ip.payload.first()?;
            let target = match kind {
                135 | 136 => ipv6_at(ip.payload, 8),
                // MLD is about groups, not about the two ends.
                130..=132 | 143 => return None,
                _ => None,
            };
            Some(icmp(&ip, &describe::packet(bytes), kind < 128, target))
        }
        _ => None,
    }
}

/// `line` is the line of a time line, of which a ladder already shows the ends.
fn icmp(ip: &Ip<'_>, line: &str, is_error: bool, target: Option<IpAddr>) -> Seen {
    let ends = format!("{} > {} ", ip.source, ip.destination);
    let text = line.strip_prefix(&ends).unwrap_or(line);
    let text = text.split(" about ").next().unwrap_or(text);
    let text = text.split(" tell ").next().unwrap_or(text).trim_end();
    let quoted = is_error.then(|| quoted(ip.payload)).flatten();
    let mut addresses = vec![ip.source, ip.destination];
    addresses.extend(target);
    Seen::Control(Control {
        text: text.to_string(),
        addresses,
        source: Some(ip.source),
        quoted,
        is_error,
    })
}

/// The ends of the TCP segment that an ICMP error quotes.
fn quoted(message: &[u8]) -> Option<(SocketAddr, SocketAddr)> {
    let quote = message.get(8..)?;
    let ip = match quote.first()? >> 4 {
        4 => ipv4_header(quote)?,
        6 => ipv6_header(quote)?,
        _ => return None,
    };
    if ip.protocol != 6 {
        return None;
    }
    let source = SocketAddr::new(ip.source, u16_at(ip.payload, 0)?);
    Some((source, SocketAddr::new(ip.destination, u16_at(ip.payload, 2)?)))
}

fn tcp(ip: &Ip<'_>) -> Option<Seen> {
    let bytes = ip.payload;
    let header = usize::from(*bytes.get(12)? >> 4) * 4;
    let length = ip.length.checked_sub(header.max(20))?;
    let flags = *bytes.get(13)?;
    let set = |bit: u8| flags & bit != 0;
    let mut segment = Segment {
        source: SocketAddr::new(ip.source, u16_at(bytes, 0)?),
        destination: SocketAddr::new(ip.destination, u16_at(bytes, 2)?),
        seq: u32_at(bytes, 4)?,
        ack: if set(0x10) { Some(u32_at(bytes, 8)?) } else { None },
        syn: set(0x02),
        fin: set(0x01),
        rst: set(0x04),
        psh: set(0x08),
        window: u16_at(bytes, 14)?,
        length: u32::try_from(length).ok()?,
        mss: None,
        scale: None,
        sack_permitted: false,
        sack: Vec::new(),
    };
    let options = bytes.get(20..).unwrap_or_default();
    let size = header.saturating_sub(20).min(options.len());
    options_of(&mut segment, &options[..size]);
    Some(Seen::Tcp(segment))
}

fn options_of(segment: &mut Segment, mut options: &[u8]) {
    while let Some(&kind) = options.first() {
        let size = match kind {
            0 => return,
            1 => 1,
            _ => usize::from(options.get(1).copied().unwrap_or(0)),
        };
        let Some(option) = options.get(..size).filter(|_| size > 0) else { return };
        match (kind, size) {
            (2, 4) => segment.mss = u16_at(option, 2),
            // RFC 7323 section 2.3: more than 14 counts as 14.
            (3, 3) => segment.scale = Some(option[2].min(14)),
            (4, 2) => segment.sack_permitted = true,
            (5, _) => {
                for block in option.get(2..).unwrap_or_default().chunks_exact(8) {
                    if let (Some(first), Some(behind)) = (u32_at(block, 0), u32_at(block, 4)) {
                        segment.sack.push((first, behind));
                    }
                }
            }
            _ if kind != 1 && size < 2 => return,
            _ => {}
        }
        options = &options[size..];
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn ipv4_at(bytes: &[u8], at: usize) -> Option<IpAddr> {
    let octets: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
    Some(Ipv4Addr::from(octets).into())
}

fn ipv6_at(bytes: &[u8], at: usize) -> Option<IpAddr> {
    let octets: [u8; 16] = bytes.get(at..at + 16)?.try_into().ok()?;
    Some(Ipv6Addr::from(octets).into())
}
