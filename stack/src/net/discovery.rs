//! The frames by which neighbors find each other: ARP (RFC 826) and neighbor solicitations and
//! advertisements (RFC 4861).

use core::net::Ipv6Addr as Ipv6Address;

use smoltcp::wire::{EthernetAddress, IpAddress, Ipv4Address};

use super::extension::IPV6_HEADER_LEN;
use super::neighbor::Request;
use super::{REPLY_LEN, Reason, checksum, ethernet, routes};

/// Ethernet and IPv4, with their address lengths.
const ARP_PREFIX: [u8; 6] = [0, 1, 0x08, 0, 6, 4];
const ARP_LEN: usize = 28;

const ICMPV6: u8 = 58;
const ROUTER_SOLICITATION: u8 = 133;
const ROUTER_ADVERTISEMENT: u8 = 134;
const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;
const REDIRECT: u8 = 137;

const SOURCE_LINK_LAYER: u8 = 1;
const TARGET_LINK_LAYER: u8 = 2;

const FLAG_SOLICITED: u8 = 0x40;
const FLAG_OVERRIDE: u8 = 0x20;

/// Bytes of a solicitation or advertisement with one Ethernet address option.
const MESSAGE_LEN: usize = 32;

/// What an ARP packet does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Request,
    Reply,
}

/// An ARP packet for Ethernet and IPv4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Arp {
    pub(super) operation: Operation,
    pub(super) sender_hardware: EthernetAddress,
    pub(super) sender: Ipv4Address,
    pub(super) target: Ipv4Address,
}

impl Arp {
    /// Reads what stands behind the Ethernet header.
    pub(super) fn parse(packet: &[u8]) -> Option<Self> {
        let (prefix, rest) = packet.first_chunk::<ARP_LEN>()?.split_first_chunk::<6>()?;
        let &[
            0,
            operation,
            h0,
            h1,
            h2,
            h3,
            h4,
            h5,
            s0,
            s1,
            s2,
            s3,
            _,
            _,
            _,
            _,
            _,
            _,
            t0,
            t1,
            t2,
            t3,
        ] = rest
        else {
            return None;
        };
        let sender_hardware = EthernetAddress([h0, h1, h2, h3, h4, h5]);
        if *prefix != ARP_PREFIX || !sender_hardware.is_unicast() {
            return None;
        }
        Some(Self {
            operation: match operation {
                1 => Operation::Request,
                2 => Operation::Reply,
                _ => return None,
            },
            sender_hardware,
            sender: Ipv4Address::new(s0, s1, s2, s3),
            target: Ipv4Address::new(t0, t1, t2, t3),
        })
    }

    /// Writes the frame from `self.sender_hardware` to `destination`. The target's Ethernet
    /// address is zero in a request.
    fn write(
        &self,
        frame: &mut [u8; REPLY_LEN],
        destination: EthernetAddress,
        target_hardware: EthernetAddress,
    ) -> usize {
        ethernet::write(frame, destination, self.sender_hardware, ethernet::ARP);
        let packet = &mut frame[ethernet::HEADER_LEN..][..ARP_LEN];
        packet[..6].copy_from_slice(&ARP_PREFIX);
        packet[6] = 0;
        packet[7] = match self.operation {
            Operation::Request => 1,
            Operation::Reply => 2,
        };
        packet[8..14].copy_from_slice(&self.sender_hardware.0);
        packet[14..18].copy_from_slice(&self.sender.octets());
        packet[18..24].copy_from_slice(&target_hardware.0);
        packet[24..28].copy_from_slice(&self.target.octets());
        ethernet::HEADER_LEN + ARP_LEN
    }

    /// Writes the answer of the host with this Ethernet address to the request `self`.
    pub(super) fn answer(&self, frame: &mut [u8; REPLY_LEN], hardware: EthernetAddress) -> usize {
        let reply = Self {
            operation: Operation::Reply,
            sender_hardware: hardware,
            sender: self.target,
            target: self.sender,
        };
        reply.write(frame, self.sender_hardware, self.sender_hardware)
    }
}

/// A valid message of neighbor discovery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) body: Body,
    pub(super) source: Ipv6Address,
    pub(super) destination: Ipv6Address,
    /// The address that is asked for, or about which something is said.
    pub(super) target: Ipv6Address,
    /// The Ethernet address of a solicitation's source or an advertisement's target.
    pub(super) hardware: Option<EthernetAddress>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    Solicitation,
    Advertisement { solicited: bool, replaces: bool },
}

/// Whether an IPv6 packet carries neighbor or router discovery directly behind its header.
pub(super) fn is_discovery(packet: &[u8]) -> bool {
    packet.first().is_some_and(|first| first >> 4 == 6)
        && packet.get(6) == Some(&ICMPV6)
        && packet.get(IPV6_HEADER_LEN).is_some_and(|&kind| is_discovery_type(kind))
}

/// Whether an ICMPv6 message of this type is neighbor or router discovery.
pub(super) fn is_discovery_type(kind: u8) -> bool {
    (ROUTER_SOLICITATION..=REDIRECT).contains(&kind)
}

impl Message {
    /// Reads an IPv6 packet for which [`is_discovery`] is true, by the rules of RFC 4861 sections
    /// 7.1.1 and 7.1.2.
    pub(super) fn parse(packet: &[u8]) -> Result<Self, Reason> {
        let header = packet.first_chunk::<IPV6_HEADER_LEN>().ok_or(Reason::Truncated)?;
        let length = IPV6_HEADER_LEN + usize::from(u16::from_be_bytes([header[4], header[5]]));
        let packet = packet.get(..length).ok_or(Reason::TotalLength)?;
        // Only a packet from this link has not lost a hop yet.
        if header[7] != 255 {
            return Err(Reason::Neighbor);
        }
        if !checksum::verify(packet) {
            return Err(Reason::Checksum);
        }
        let message = &packet[IPV6_HEADER_LEN..];
        let kind = *message.first().ok_or(Reason::Neighbor)?;
        let option = match kind {
            SOLICITATION => SOURCE_LINK_LAYER,
            ADVERTISEMENT => TARGET_LINK_LAYER,
            ROUTER_SOLICITATION | ROUTER_ADVERTISEMENT | REDIRECT => return Err(Reason::Router),
            _ => return Err(Reason::Neighbor),
        };
        let (fixed, options) = message.split_first_chunk::<24>().ok_or(Reason::Neighbor)?;
        let message = Self {
            body: match kind {
                SOLICITATION => Body::Solicitation,
                _ => Body::Advertisement {
                    solicited: fixed[4] & FLAG_SOLICITED != 0,
                    replaces: fixed[4] & FLAG_OVERRIDE != 0,
                },
            },
            source: address(header, 8),
            destination: address(header, 24),
            target: address(fixed, 8),
            hardware: link_layer_option(options, option)?,
        };
        if fixed[1] != 0 || !message.is_valid() {
            return Err(Reason::Neighbor);
        }
        Ok(message)
    }

    fn is_valid(&self) -> bool {
        let Self { body, source, destination, target, hardware } = *self;
        if target.is_multicast()
            || target.is_unspecified()
            || target.is_loopback()
            || source.is_multicast()
            || source.is_loopback()
            || hardware.is_some_and(|hardware| !hardware.is_unicast())
        {
            return false;
        }
        match body {
            // Duplicate address detection asks from no address.
            Body::Solicitation if source.is_unspecified() => {
                destination == solicited_node(target) && hardware.is_none()
            }
            Body::Solicitation => true,
            Body::Advertisement { solicited, .. } => {
                !(source.is_unspecified() || solicited && destination.is_multicast())
            }
        }
    }

    /// Writes the answer of the host with this Ethernet address to the solicitation `self`, which
    /// came in a frame from `asker`.
    pub(super) fn answer(
        &self,
        frame: &mut [u8; REPLY_LEN],
        hardware: EthernetAddress,
        asker: EthernetAddress,
    ) -> usize {
        // RFC 4861 section 7.2.4: to all nodes, and not solicited, when the asker has no address.
        let (destination, ethernet, flags) = if self.source.is_unspecified() {
            let all_nodes = Ipv6Address::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
            (all_nodes, EthernetAddress([0x33, 0x33, 0, 0, 0, 1]), FLAG_OVERRIDE)
        } else {
            (self.source, self.hardware.unwrap_or(asker), FLAG_SOLICITED | FLAG_OVERRIDE)
        };
        let message = [ADVERTISEMENT, flags, TARGET_LINK_LAYER];
        ethernet::write(frame, ethernet, hardware, ethernet::IPV6);
        write_message(frame, message, self.target, destination, self.target, hardware)
    }
}

/// Writes a question to a neighbor as a complete frame and gives its length.
pub(super) fn request(
    frame: &mut [u8; REPLY_LEN],
    hardware: EthernetAddress,
    source: Option<IpAddress>,
    request: Request,
) -> usize {
    match request.neighbor {
        IpAddress::Ipv4(target) => {
            let sender = match source {
                Some(IpAddress::Ipv4(source)) => source,
                // RFC 5227 section 1.1: the sender has no address yet.
                _ => Ipv4Address::UNSPECIFIED,
            };
            let question =
                Arp { operation: Operation::Request, sender_hardware: hardware, sender, target };
            let to = request.to.unwrap_or(EthernetAddress::BROADCAST);
            question.write(frame, to, EthernetAddress([0; 6]))
        }
        #[cfg(feature = "ipv6")]
        IpAddress::Ipv6(target) => {
            let source = match (source, routes::link_local(hardware).address()) {
                (Some(IpAddress::Ipv6(source)), _) | (_, IpAddress::Ipv6(source)) => source,
                _ => Ipv6Address::UNSPECIFIED,
            };
            let group = solicited_node(target);
            let [.., a, b, c, d] = group.octets();
            let (destination, ethernet) = match request.to {
                Some(hardware) => (target, hardware),
                None => (group, EthernetAddress([0x33, 0x33, a, b, c, d])),
            };
            ethernet::write(frame, ethernet, hardware, ethernet::IPV6);
            let message = [SOLICITATION, 0, SOURCE_LINK_LAYER];
            write_message(frame, message, source, destination, target, hardware)
        }
    }
}

/// Writes an IPv6 packet with a message, of `type, flags, option type`, behind the Ethernet
/// header, and gives the frame's length.
fn write_message(
    frame: &mut [u8; REPLY_LEN],
    [kind, flags, option]: [u8; 3],
    source: Ipv6Address,
    destination: Ipv6Address,
    target: Ipv6Address,
    hardware: EthernetAddress,
) -> usize {
    let packet = &mut frame[ethernet::HEADER_LEN..];
    packet[..8].copy_from_slice(&[0x60, 0, 0, 0, 0, MESSAGE_LEN as u8, ICMPV6, 255]);
    packet[8..24].copy_from_slice(&source.octets());
    packet[24..40].copy_from_slice(&destination.octets());
    packet[40..48].copy_from_slice(&[kind, 0, 0, 0, flags, 0, 0, 0]);
    packet[48..64].copy_from_slice(&target.octets());
    packet[64..66].copy_from_slice(&[option, 1]);
    packet[66..72].copy_from_slice(&hardware.0);
    checksum::fill(packet);
    REPLY_LEN
}

/// The Ethernet address in the first option of type `wanted`; `Err` when an option has no length
/// or ends beyond the message (RFC 4861 section 4.6).
fn link_layer_option(mut options: &[u8], wanted: u8) -> Result<Option<EthernetAddress>, Reason> {
    let mut found = None;
    while let [kind, units, ..] = *options {
        let (option, rest) =
            options.split_at_checked(usize::from(units) * 8).ok_or(Reason::Neighbor)?;
        match *option {
            [] => return Err(Reason::Neighbor),
            [_, 1, a, b, c, d, e, f] if kind == wanted && found.is_none() => {
                found = Some(EthernetAddress([a, b, c, d, e, f]));
            }
            _ => {}
        }
        options = rest;
    }
    if options.is_empty() { Ok(found) } else { Err(Reason::Neighbor) }
}

/// The group that hosts with this address listen to for questions (RFC 4291 section 2.7.1).
pub(super) fn solicited_node(address: Ipv6Address) -> Ipv6Address {
    let [.., a, b, c] = address.octets();
    Ipv6Address::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | u16::from(a), u16::from_be_bytes([b, c]))
}

fn address(bytes: &[u8], at: usize) -> Ipv6Address {
    let mut octets = [0; 16];
    octets.copy_from_slice(&bytes[at..at + 16]);
    Ipv6Address::from_octets(octets)
}
