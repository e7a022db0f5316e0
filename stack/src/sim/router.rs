//! A scripted router: resolves, and answers packets to others with errors or silence.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use std::sync::{Mutex, PoisonError};

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::time::Instant;
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, EthernetAddress, EthernetFrame, EthernetProtocol,
    EthernetRepr, Icmpv6Packet, Icmpv6Repr, IpAddress, IpCidr, IpProtocol, Ipv4Address, Ipv4Packet,
    Ipv4Repr, Ipv6Address, Ipv6Packet, Ipv6Repr, NdiscNeighborFlags, NdiscRepr, RawHardwareAddress,
};

use super::world::Device;

const ETHERNET_HEADER: usize = 14;
/// The longest ICMP error (RFC 1812 4.3.2.3).
const IPV4_ERROR_LIMIT: usize = 576;
/// The longest ICMPv6 error (RFC 4443 2.4(c)).
const IPV6_ERROR_LIMIT: usize = 1280;

/// What a [`Router`] does with packets to a prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// An ICMP or ICMPv6 error of this type and code.
    Error {
        /// Type field.
        kind: u8,
        /// Code field.
        code: u8,
    },
    /// Fragmentation needed, or packet too big, with this MTU.
    TooBig {
        /// Next-hop MTU, in bytes.
        mtu: u16,
    },
    /// Time exceeded in transit.
    TimeExceeded,
    /// Nothing at all.
    Silence,
}

/// How often a [`Router`] did what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RouterCounters {
    /// ARP requests and neighbor solicitations that it answered.
    pub resolutions: u64,
    /// Packets that reached it for others.
    pub packets: u64,
    /// ICMP and ICMPv6 errors that it sent.
    pub errors: u64,
    /// Packets that it swallowed: told to be silent, no prefix matches, addressed to itself, or
    /// errors themselves, about which no error may be sent (RFC 1812 4.3.2.7, RFC 4443 2.4(e)).
    pub silences: u64,
}

/// Reads the counters of a [`Router`] that is on the switch already. Clones read the same.
#[derive(Debug, Clone, Default)]
pub struct RouterWatch(Arc<Mutex<RouterCounters>>);

impl RouterWatch {
    /// The counters as they are now.
    pub fn counters(&self) -> RouterCounters {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, field: impl FnOnce(&mut RouterCounters) -> &mut u64) {
        *field(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner)) += 1;
    }
}

/// A router that forwards nothing: it answers ARP requests and neighbor solicitations for its own
/// addresses, and every packet through it as the longest matching prefix says. A packet whose hop
/// limit ends here is answered by time exceeded.
#[derive(Debug)]
pub struct Router {
    hardware: EthernetAddress,
    addresses: Vec<IpAddress>,
    answers: Vec<(IpCidr, Answer)>,
    quote: usize,
    watch: RouterWatch,
}

impl Router {
    /// A router with this Ethernet address and nothing else.
    pub fn new(hardware: EthernetAddress) -> Self {
        let watch = RouterWatch::default();
        Self { hardware, addresses: Vec::new(), answers: Vec::new(), quote: 8, watch }
    }

    /// Gives it an address. Its errors come from the first address of their family; it sends none
    /// of a family in which it has no address.
    #[must_use]
    pub fn with_address(mut self, address: impl Into<IpAddress>) -> Self {
        self.addresses.push(address.into());
        self
    }

    /// Packets to `prefix` get `answer`; packets that match no prefix get silence.
    #[must_use]
    pub fn with_answer(mut self, prefix: impl Into<IpCidr>, answer: Answer) -> Self {
        self.answers.push((prefix.into(), answer));
        self
    }

    /// Errors quote the IP header and this many bytes of its payload, 8 unless told otherwise, as
    /// far as an error may be long: 576 bytes in IPv4, 1280 in IPv6.
    #[must_use]
    pub fn with_quote(mut self, bytes: usize) -> Self {
        self.quote = bytes;
        self
    }

    /// Reads the counters when the router is on the switch.
    pub fn watch(&self) -> RouterWatch {
        self.watch.clone()
    }

    fn answer(&self, destination: IpAddress) -> Answer {
        let matching = self.answers.iter().filter(|(prefix, _)| prefix.contains_addr(&destination));
        // Of equal prefixes the one given last.
        let longest = matching.max_by_key(|(prefix, _)| prefix.prefix_len());
        longest.map_or(Answer::Silence, |(_, answer)| *answer)
    }

    fn v4(&self) -> Option<Ipv4Address> {
        self.addresses.iter().find_map(|address| match address {
            IpAddress::Ipv4(address) => Some(*address),
            IpAddress::Ipv6(_) => None,
        })
    }

    fn v6(&self) -> Option<Ipv6Address> {
        self.addresses.iter().find_map(|address| match address {
            IpAddress::Ipv6(address) => Some(*address),
            IpAddress::Ipv4(_) => None,
        })
    }

    /// The reply to an ARP request for one of its addresses.
    fn arp(&self, packet: &[u8]) -> Option<Vec<u8>> {
        let request = ArpRepr::parse(&ArpPacket::new_checked(packet).ok()?).ok()?;
        let ArpRepr::EthernetIpv4 {
            operation: ArpOperation::Request,
            source_hardware_addr,
            source_protocol_addr,
            target_protocol_addr,
            ..
        } = request
        else {
            return None;
        };
        if !self.addresses.contains(&target_protocol_addr.into()) {
            return None;
        }
        self.watch.count(|counters| &mut counters.resolutions);
        let reply = ArpRepr::EthernetIpv4 {
            operation: ArpOperation::Reply,
            source_hardware_addr: self.hardware,
            source_protocol_addr: target_protocol_addr,
            target_hardware_addr: source_hardware_addr,
            target_protocol_addr: source_protocol_addr,
        };
        let length = reply.buffer_len();
        Some(self.frame(source_hardware_addr, EthernetProtocol::Arp, length, |payload| {
            reply.emit(&mut ArpPacket::new_unchecked(payload));
        }))
    }

    /// The advertisement for a solicitation of one of its addresses (RFC 4861 7.1.1, 7.2.4).
    fn solicitation(&self, from: EthernetAddress, packet: &[u8]) -> Option<Vec<u8>> {
        let checksums = ChecksumCapabilities::default();
        let ip = Ipv6Packet::new_checked(packet).ok()?;
        if ip.next_header() != IpProtocol::Icmpv6 || ip.hop_limit() != 255 {
            return None;
        }
        let (source, destination) = (ip.src_addr(), ip.dst_addr());
        let icmp = Icmpv6Packet::new_checked(ip.payload()).ok()?;
        let repr = Icmpv6Repr::parse(&source, &destination, &icmp, &checksums).ok()?;
        let Icmpv6Repr::Ndisc(NdiscRepr::NeighborSolicit { target_addr, lladdr }) = repr else {
            return None;
        };
        if !self.addresses.contains(&target_addr.into()) {
            return None;
        }
        self.watch.count(|counters| &mut counters.resolutions);
        // A solicitation from the unspecified address asks whether the address is taken; the
        // answer is for everybody (RFC 4861 7.2.4).
        let (hardware, to, flags) = if source.is_unspecified() {
            let all = Ipv6Address::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
            (EthernetAddress([0x33, 0x33, 0, 0, 0, 1]), all, NdiscNeighborFlags::OVERRIDE)
        } else {
            let flags = NdiscNeighborFlags::SOLICITED | NdiscNeighborFlags::OVERRIDE;
            let asked_from =
                lladdr.and_then(|address| address.parse(smoltcp::phy::Medium::Ethernet).ok());
            let hardware = match asked_from {
                Some(smoltcp::wire::HardwareAddress::Ethernet(address)) => address,
                _ => from,
            };
            (hardware, source, flags)
        };
        let advertisement = Icmpv6Repr::Ndisc(NdiscRepr::NeighborAdvert {
            flags: flags | NdiscNeighborFlags::ROUTER,
            target_addr,
            lladdr: Some(RawHardwareAddress::from(self.hardware)),
        });
        let header = Ipv6Repr {
            src_addr: target_addr,
            dst_addr: to,
            next_header: IpProtocol::Icmpv6,
            payload_len: advertisement.buffer_len(),
            hop_limit: 255,
        };
        let length = header.buffer_len() + header.payload_len;
        Some(self.frame(hardware, EthernetProtocol::Ipv6, length, |payload| {
            let mut packet = Ipv6Packet::new_unchecked(payload);
            header.emit(&mut packet);
            let mut icmp = Icmpv6Packet::new_unchecked(packet.payload_mut());
            advertisement.emit(&target_addr, &to, &mut icmp, &checksums);
        }))
    }

    /// The answer to an IPv4 packet that is to pass.
    fn pass_v4(&self, from: EthernetAddress, packet: &[u8]) -> Option<Vec<u8>> {
        let ip = Ipv4Packet::new_checked(packet).ok()?;
        let packet = &packet[..usize::from(ip.total_len())];
        let header = usize::from(ip.header_len());
        let (source, destination) = (ip.src_addr(), ip.dst_addr());
        self.watch.count(|counters| &mut counters.packets);
        // Never about another error, a fragment but the first, or a source that names no single
        // host (RFC 1812 4.3.2.7).
        let about_error = ip.next_header() == IpProtocol::Icmp
            && ip.payload().first().is_none_or(|kind| !matches!(kind, 0 | 8 | 13 | 14));
        let single = !source.is_unspecified() && !source.is_broadcast() && !source.is_multicast();
        let own = self.addresses.contains(&destination.into());
        let answer = if own || about_error || ip.frag_offset() != 0 || !single {
            Answer::Silence
        } else if ip.hop_limit() <= 1 {
            Answer::TimeExceeded
        } else {
            self.answer(destination.into())
        };
        let (kind, code, mtu) = match answer {
            Answer::Error { kind, code } => (kind, code, 0),
            Answer::TooBig { mtu } => (3, 4, mtu),
            Answer::TimeExceeded => (11, 0, 0),
            Answer::Silence => return self.silence(),
        };
        let Some(router) = self.v4() else { return self.silence() };
        self.watch.count(|counters| &mut counters.errors);

        let room = IPV4_ERROR_LIMIT - 20 - 8;
        let quote = &packet[..packet.len().min(header.saturating_add(self.quote)).min(room)];
        let repr = Ipv4Repr {
            src_addr: router,
            dst_addr: source,
            next_header: IpProtocol::Icmp,
            payload_len: 8 + quote.len(),
            hop_limit: 64,
        };
        let length = repr.buffer_len() + repr.payload_len;
        Some(self.frame(from, EthernetProtocol::Ipv4, length, |payload| {
            let mut packet = Ipv4Packet::new_unchecked(payload);
            repr.emit(&mut packet, &ChecksumCapabilities::default());
            let icmp = packet.payload_mut();
            icmp[..8].copy_from_slice(&[kind, code, 0, 0, 0, 0, 0, 0]);
            icmp[6..8].copy_from_slice(&mtu.to_be_bytes());
            icmp[8..].copy_from_slice(quote);
            let sum = !sum(icmp, 0);
            icmp[2..4].copy_from_slice(&sum.to_be_bytes());
        }))
    }

    /// The answer to an IPv6 packet that is to pass.
    fn pass_v6(&self, from: EthernetAddress, packet: &[u8]) -> Option<Vec<u8>> {
        let ip = Ipv6Packet::new_checked(packet).ok()?;
        let packet = &packet[..ip.total_len()];
        let (source, destination) = (ip.src_addr(), ip.dst_addr());
        self.watch.count(|counters| &mut counters.packets);
        // RFC 4443 2.4(e). Types below 128 are errors.
        let about_error = ip.next_header() == IpProtocol::Icmpv6
            && ip.payload().first().is_none_or(|kind| *kind < 128);
        let single = !source.is_unspecified() && !source.is_multicast();
        let own = self.addresses.contains(&destination.into());
        let answer = if own || about_error || !single {
            Answer::Silence
        } else if ip.hop_limit() <= 1 {
            Answer::TimeExceeded
        } else {
            self.answer(destination.into())
        };
        let (kind, code, mtu) = match answer {
            Answer::Error { kind, code } => (kind, code, 0),
            Answer::TooBig { mtu } => (2, 0, u32::from(mtu)),
            Answer::TimeExceeded => (3, 0, 0),
            Answer::Silence => return self.silence(),
        };
        let Some(router) = self.v6() else { return self.silence() };
        self.watch.count(|counters| &mut counters.errors);

        let room = IPV6_ERROR_LIMIT - 40 - 8;
        let quote = &packet[..packet.len().min(self.quote.saturating_add(40)).min(room)];
        let repr = Ipv6Repr {
            src_addr: router,
            dst_addr: source,
            next_header: IpProtocol::Icmpv6,
            payload_len: 8 + quote.len(),
            hop_limit: 64,
        };
        let length = repr.buffer_len() + repr.payload_len;
        Some(self.frame(from, EthernetProtocol::Ipv6, length, |payload| {
            let mut packet = Ipv6Packet::new_unchecked(payload);
            repr.emit(&mut packet);
            let icmp = packet.payload_mut();
            icmp[..8].copy_from_slice(&[kind, code, 0, 0, 0, 0, 0, 0]);
            icmp[4..8].copy_from_slice(&mtu.to_be_bytes());
            icmp[8..].copy_from_slice(quote);
            // The pseudo-header of RFC 8200 8.1: addresses, length, next header 58.
            let pseudo = sum(&router.octets(), 0);
            let pseudo = sum(&source.octets(), pseudo);
            let pseudo =
                sum(&[(repr.payload_len >> 8) as u8, repr.payload_len as u8, 0, 58], pseudo);
            let sum = !sum(icmp, pseudo);
            icmp[2..4].copy_from_slice(&sum.to_be_bytes());
        }))
    }

    fn silence(&self) -> Option<Vec<u8>> {
        self.watch.count(|counters| &mut counters.silences);
        None
    }

    /// A frame from the router with a payload of `length` bytes, which `emit` writes.
    fn frame(
        &self,
        to: EthernetAddress,
        ethertype: EthernetProtocol,
        length: usize,
        emit: impl FnOnce(&mut [u8]),
    ) -> Vec<u8> {
        let mut bytes = vec![0; ETHERNET_HEADER + length];
        let header = EthernetRepr { src_addr: self.hardware, dst_addr: to, ethertype };
        header.emit(&mut EthernetFrame::new_unchecked(&mut bytes));
        emit(&mut bytes[ETHERNET_HEADER..]);
        bytes
    }
}

impl Device for Router {
    fn receive(&mut self, _now: Instant, frame: &[u8], send: &mut dyn FnMut(&[u8])) {
        let Ok(frame) = EthernetFrame::new_checked(frame) else { return };
        let (from, to) = (frame.src_addr(), frame.dst_addr());
        let reply = match frame.ethertype() {
            EthernetProtocol::Arp => self.arp(frame.payload()),
            EthernetProtocol::Ipv4 if to == self.hardware => self.pass_v4(from, frame.payload()),
            EthernetProtocol::Ipv6 if is_neighbor_discovery(frame.payload()) => {
                self.solicitation(from, frame.payload())
            }
            EthernetProtocol::Ipv6 if to == self.hardware => self.pass_v6(from, frame.payload()),
            _ => None,
        };
        if let Some(reply) = reply {
            send(&reply);
        }
    }
}

/// Whether an IPv6 packet is one of the five messages of RFC 4861, which never pass a router.
fn is_neighbor_discovery(packet: &[u8]) -> bool {
    packet.get(6) == Some(&58) && packet.get(40).is_some_and(|kind| (133..=137).contains(kind))
}

/// The ones' complement sum of RFC 1071, continued from `start`.
fn sum(bytes: &[u8], start: u16) -> u16 {
    let mut total = u32::from(start);
    for pair in bytes.chunks(2) {
        let low = pair.get(1).copied().unwrap_or(0);
        total += u32::from(u16::from_be_bytes([pair[0], low]));
    }
    while total > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    total as u16
}
