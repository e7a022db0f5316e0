//! Packets as the peers write them, right in every field unless a script says otherwise.

use tapsock_stack::wire::{EthernetAddress, IpAddress};

pub(crate) const ICMP: u8 = 1;
pub(crate) const TCP: u8 = 6;
pub(crate) const UDP: u8 = 17;
pub(crate) const ICMPV6: u8 = 58;
const FRAGMENT: u8 = 44;

/// An IP packet before it is written.
#[derive(Debug, Clone)]
pub(crate) struct Packet {
    pub(crate) source: IpAddress,
    pub(crate) destination: IpAddress,
    pub(crate) protocol: u8,
    /// The upper layer's header and payload; its checksum is filled in when it is written.
    pub(crate) upper: Vec<u8>,
}

/// A damage.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Breakage {
    pub(crate) how: u8,
    pub(crate) at: u16,
    pub(crate) value: u8,
}

/// How a packet is cut.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cut {
    pub(crate) size: u8,
    pub(crate) order: u8,
    pub(crate) identification: u8,
}

/// What a script says about how the next packet is written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Dressing {
    /// Pairs of what and value, see [`Dressing::apply`].
    pub(crate) changes: Vec<(u8, u8)>,
    /// Headers and their contents.
    pub(crate) extensions: Vec<(u8, Vec<u8>)>,
    pub(crate) breakages: Vec<Breakage>,
    pub(crate) cut: Option<Cut>,
}

impl Dressing {
    /// Whether nothing of a packet is changed that the receiver might believe.
    pub(crate) fn is_honest(&self) -> bool {
        self.breakages.is_empty() && self.cut.is_none_or(|cut| cut.order % 8 < 3)
    }

    fn value(&self, what: u8) -> Option<u8> {
        self.changes.iter().find(|(change, _)| change % 8 == what).map(|(_, value)| *value)
    }

    /// The frames of `packet`.
    pub(crate) fn frames(&self, mut packet: Packet) -> Vec<Vec<u8>> {
        self.damage(&mut packet.upper, 0);
        fill_checksum(&mut packet);
        self.damage(&mut packet.upper, 1);
        let parts = match self.cut {
            Some(cut) => fragments(&packet, cut),
            None => vec![(packet.upper.clone(), None)],
        };
        parts.into_iter().map(|(part, fragment)| self.frame(&packet, &part, fragment)).collect()
    }

    fn frame(&self, packet: &Packet, upper: &[u8], fragment: Option<Place>) -> Vec<u8> {
        let mut frame = self.ethernet(packet);
        let start = frame.len();
        match (packet.source, packet.destination) {
            (IpAddress::Ipv4(source), IpAddress::Ipv4(destination)) => {
                let mut options: Vec<u8> =
                    self.extensions.iter().flat_map(|(_, bytes)| bytes.clone()).collect();
                options.truncate(40);
                options.resize(options.len().div_ceil(4) * 4, 0);
                let header_len = 20 + options.len();
                let place = fragment.map_or(0, Place::v4);
                frame.extend([0x40 | (header_len / 4) as u8, self.value(1).unwrap_or(0)]);
                frame.extend(((header_len + upper.len()) as u16).to_be_bytes());
                let identification = fragment.map_or(0, |place| place.identification);
                frame.extend(u16::from(identification).to_be_bytes());
                frame.extend(place.to_be_bytes());
                frame.extend([self.value(0).unwrap_or(64), packet.protocol, 0, 0]);
                frame.extend(source.octets());
                frame.extend(destination.octets());
                frame.extend(options);
                self.damage(&mut frame[start..], 2);
                fill_header_checksum(&mut frame[start..]);
            }
            _ => {
                let mut chain: Vec<(u8, Vec<u8>)> = self.extensions.clone();
                chain.iter_mut().for_each(|(_, bytes)| bytes.truncate(254));
                let mut body = Vec::new();
                let mut next = packet.protocol;
                if let Some(place) = fragment {
                    body.extend([next, 0]);
                    body.extend(place.v6().to_be_bytes());
                    body.extend(u32::from(place.identification).to_be_bytes());
                    next = FRAGMENT;
                }
                for (header, bytes) in chain.iter().rev() {
                    let mut extension = vec![next, 0];
                    extension.extend(bytes);
                    let len = extension.len().div_ceil(8) * 8;
                    // One byte of padding each.
                    extension.resize(len, 0);
                    extension[1] = (len / 8 - 1) as u8;
                    extension.append(&mut body);
                    body = extension;
                    next = *header;
                }
                body.extend(upper);
                frame.extend([0x60, self.value(1).unwrap_or(0), 0, 0]);
                frame.extend((body.len() as u16).to_be_bytes());
                let hop_limit = if is_discovery(packet) { 255 } else { 64 };
                frame.extend([next, self.value(0).unwrap_or(hop_limit)]);
                frame.extend(octets(packet.source));
                frame.extend(octets(packet.destination));
                frame.extend(body);
                self.damage(&mut frame[start..], 2);
            }
        }
        if frame[start] >> 4 == 4 {
            frame.extend(upper);
        }
        self.damage(&mut frame, 3);
        if let Some(padding) = self.value(4) {
            frame.resize(frame.len() + usize::from(padding), 0x55);
        }
        self.truncate(&mut frame);
        frame
    }

    fn ethernet(&self, packet: &Packet) -> Vec<u8> {
        let own = super::network::OWN;
        let destination = match self.value(2) {
            Some(value) if value % 4 == 1 => EthernetAddress::BROADCAST,
            Some(value) if value % 4 == 2 => EthernetAddress([2, 0, 0, 0, 9, 9]),
            Some(value) if value % 4 == 3 => EthernetAddress([1, 0, 0x5e, 1, 1, 1]),
            _ => group_hardware(packet.destination).unwrap_or(own),
        };
        let source = match self.value(3) {
            Some(value) if value % 2 == 1 => EthernetAddress([1, 0, 0x5e, 1, 1, 1]),
            Some(_) => own,
            None => super::network::hardware(packet.source),
        };
        let kind: [u8; 2] = match packet.source {
            IpAddress::Ipv4(_) => [8, 0],
            IpAddress::Ipv6(_) => [0x86, 0xdd],
        };
        [&destination.0[..], &source.0[..], &kind[..]].concat()
    }

    /// Damages of one stage: 0 before the upper checksum, 1 after it, 2 in the IP header before
    /// its checksum, 3 in the frame.
    fn damage(&self, bytes: &mut [u8], stage: u8) {
        for Breakage { how, at, value } in &self.breakages {
            if how % 8 == stage && !bytes.is_empty() {
                let at = usize::from(*at) % bytes.len();
                bytes[at] ^= value;
            }
        }
    }

    fn truncate(&self, frame: &mut Vec<u8>) {
        for Breakage { how, at, .. } in &self.breakages {
            if how % 8 == 4 {
                frame.truncate(usize::from(*at));
            }
        }
    }
}

/// Where a fragment stands.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// In eights of bytes.
    offset: u16,
    more: bool,
    identification: u8,
}

impl Place {
    fn v4(self) -> u16 {
        u16::from(self.more) << 13 | self.offset & 0x1fff
    }

    fn v6(self) -> u16 {
        self.offset << 3 | u16::from(self.more)
    }
}

fn fragments(packet: &Packet, cut: Cut) -> Vec<(Vec<u8>, Option<Place>)> {
    let size = (usize::from(cut.size).max(1) * 8).max(packet.upper.len().div_ceil(64) / 8 * 8);
    let count = packet.upper.chunks(size).len();
    let mut parts: Vec<_> = packet
        .upper
        .chunks(size)
        .enumerate()
        .map(|(index, part)| {
            let offset = (index * size / 8) as u16;
            let more = index + 1 < count;
            let place = Place { offset, more, identification: cut.identification };
            (part.to_vec(), Some(place))
        })
        .collect();
    match cut.order % 8 {
        1 => parts.reverse(),
        2 => {
            let again = parts.clone();
            parts.extend(again);
        }
        // Overlapping: each begins where it should and is longer.
        3 => {
            let last = parts.len().saturating_sub(1);
            for (part, _) in &mut parts[..last] {
                part.extend([0xee; 8]);
            }
        }
        // The last is missing.
        4 => {
            parts.pop();
        }
        // The first is missing.
        5 => {
            parts.drain(..1.min(parts.len()));
        }
        // They end beyond what a packet can be.
        6 => {
            for (_, place) in &mut parts {
                if let Some(place) = place {
                    place.offset += 0x1ff0;
                }
            }
        }
        // A length that is no multiple of eight, with more to follow.
        7 => {
            for (part, place) in &mut parts {
                if place.is_some_and(|place| place.more) {
                    part.pop();
                }
            }
        }
        _ => {}
    }
    parts
}

fn is_discovery(packet: &Packet) -> bool {
    packet.protocol == ICMPV6 && packet.upper.first().is_some_and(|kind| (133..=137).contains(kind))
}

fn group_hardware(address: IpAddress) -> Option<EthernetAddress> {
    match address {
        IpAddress::Ipv4(address) if address.is_multicast() => {
            let [_, high, middle, low] = address.octets();
            Some(EthernetAddress([1, 0, 0x5e, high & 0x7f, middle, low]))
        }
        IpAddress::Ipv4(address) => {
            let everybody = address.is_broadcast() || address.octets() == [10, 0, 0, 255];
            everybody.then_some(EthernetAddress::BROADCAST)
        }
        IpAddress::Ipv6(address) if address.is_multicast() => {
            let [.., a, b, c, d] = address.octets();
            Some(EthernetAddress([0x33, 0x33, a, b, c, d]))
        }
        IpAddress::Ipv6(_) => None,
    }
}

pub(crate) fn octets(address: IpAddress) -> Vec<u8> {
    match address {
        IpAddress::Ipv4(address) => address.octets().to_vec(),
        IpAddress::Ipv6(address) => address.octets().to_vec(),
    }
}

/// RFC 1071.
fn checksum(parts: &[&[u8]]) -> u16 {
    let mut sum = 0u64;
    for part in parts {
        for pair in part.chunks(2) {
            sum += u64::from(pair[0]) << 8 | u64::from(*pair.get(1).unwrap_or(&0));
        }
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// Where the upper layer keeps its checksum.
const fn checksum_at(protocol: u8) -> Option<usize> {
    match protocol {
        ICMP | ICMPV6 => Some(2),
        2 => Some(2),
        TCP => Some(16),
        UDP => Some(6),
        _ => None,
    }
}

fn fill_checksum(packet: &mut Packet) {
    let Some(at) = checksum_at(packet.protocol) else { return };
    if packet.upper.len() < at + 2 {
        return;
    }
    packet.upper[at..at + 2].fill(0);
    let pseudo = match (packet.protocol, packet.source) {
        (ICMP | 2, _) => Vec::new(),
        _ => {
            let mut pseudo = octets(packet.source);
            pseudo.extend(octets(packet.destination));
            pseudo.extend((packet.upper.len() as u32).to_be_bytes());
            pseudo.extend([0, 0, 0, packet.protocol]);
            pseudo
        }
    };
    let mut sum = checksum(&[&pseudo, &packet.upper]);
    if packet.protocol == UDP && sum == 0 {
        sum = 0xffff;
    }
    packet.upper[at..at + 2].copy_from_slice(&sum.to_be_bytes());
}

/// Fills in the header checksum of what begins like an IPv4 packet.
pub(crate) fn fill_header_checksum(packet: &mut [u8]) {
    let Some(first) = packet.first() else { return };
    let header_len = usize::from(first & 0x0f) * 4;
    if first >> 4 != 4 || header_len < 20 || packet.len() < header_len {
        return;
    }
    packet[10..12].fill(0);
    let sum = checksum(&[&packet[..header_len]]);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
}

/// The fields of a TCP header that differ.
#[derive(Debug, Clone)]
pub(crate) struct Tcp<'t> {
    pub(crate) source: u16,
    pub(crate) destination: u16,
    pub(crate) sequence: u32,
    pub(crate) acknowledgment: u32,
    pub(crate) flags: u8,
    pub(crate) window: u16,
    pub(crate) options: &'t [u8],
    pub(crate) payload: &'t [u8],
}

impl Tcp<'_> {
    pub(crate) fn write(&self) -> Vec<u8> {
        let mut options = self.options[..self.options.len().min(40)].to_vec();
        options.resize(options.len().div_ceil(4) * 4, 0);
        let mut upper = Vec::new();
        upper.extend(self.source.to_be_bytes());
        upper.extend(self.destination.to_be_bytes());
        upper.extend(self.sequence.to_be_bytes());
        upper.extend(self.acknowledgment.to_be_bytes());
        upper.extend([((20 + options.len()) * 4) as u8, self.flags]);
        upper.extend(self.window.to_be_bytes());
        upper.extend([0; 4]);
        upper.extend(options);
        upper.extend(self.payload);
        upper
    }
}

pub(crate) fn udp(source: u16, destination: u16, payload: &[u8]) -> Vec<u8> {
    let mut upper = Vec::new();
    upper.extend(source.to_be_bytes());
    upper.extend(destination.to_be_bytes());
    upper.extend(((8 + payload.len()) as u16).to_be_bytes());
    upper.extend([0, 0]);
    upper.extend(payload);
    upper
}

/// An ARP packet of Ethernet and IPv4 in its frame.
pub(crate) fn arp(
    operation: u16,
    sender: (EthernetAddress, IpAddress),
    target: (EthernetAddress, IpAddress),
) -> Vec<u8> {
    let to = if operation == 1 { EthernetAddress::BROADCAST } else { target.0 };
    let mut frame = [&to.0[..], &sender.0.0[..], &[8, 6], &[0, 1, 8, 0, 6, 4]].concat();
    frame.extend(operation.to_be_bytes());
    frame.extend(sender.0.0);
    frame.extend(octets(sender.1));
    frame.extend(target.0.0);
    frame.extend(octets(target.1));
    frame
}
