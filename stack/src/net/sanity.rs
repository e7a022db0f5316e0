//! The checks that every packet passes before a socket sees it.
//!
//! What passes has lengths that agree with each other, a chain of headers that ends, right
//! checksums, addresses that can be where they are, and a TCP, UDP or ICMP header that is whole.
//! No parser behind it has to expect anything else. What does not pass is dropped in silence, for
//! a [`Reason`].

use core::fmt;
use core::net::Ipv6Addr as Ipv6Address;
use core::ops::Range;

use smoltcp::wire::{IpAddress, IpEndpoint, IpProtocol, Ipv4Address};

use super::extension::{self, IPV6_HEADER_LEN, Stop};
use super::{checksum, routes};

macro_rules! reasons {
    ($($(#[$doc:meta])+ $name:ident = $text:literal,)+) => {
        /// Why a frame was dropped.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason {
            $($(#[$doc])+ $name,)+
        }

        impl Reason {
            /// Every reason, in the order of [`Reason::index`].
            pub const ALL: [Self; [$(Self::$name),+].len()] = [$(Self::$name),+];

            /// A few words, for a table of counters.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }
        }
    };
}

reasons! {
    /// The frame or packet ends before its header does.
    Truncated = "truncated",
    /// The Ethernet source is a group address.
    EthernetSource = "Ethernet source is a group",
    /// The Ethernet destination is another host.
    EthernetDestination = "Ethernet destination is another host",
    /// The Ethernet destination is a group of which nothing is wanted.
    EthernetGroup = "Ethernet destination is a group that was not joined",
    /// A frame to a group carries a packet to one host (RFC 1122 section 3.3.6).
    GroupFrame = "packet for one host in a frame for many",
    /// Neither IPv4, IPv6 nor ARP.
    EtherType = "unknown EtherType",
    /// Malformed ARP.
    Arp = "malformed ARP",
    /// Neighbor discovery that RFC 4861 section 7.1 calls invalid.
    Neighbor = "invalid neighbor discovery",
    /// A router solicitation, router advertisement or redirect: not used.
    Router = "router discovery or redirect",
    /// Neither version 4 nor 6, or not the one that the EtherType says.
    Version = "wrong IP version",
    /// An IPv4 header length below 20 bytes or beyond the packet.
    HeaderLength = "wrong IPv4 header length",
    /// A total or payload length beyond the packet, or below the header's.
    TotalLength = "wrong IP length",
    /// The IPv4 header checksum is wrong.
    HeaderChecksum = "wrong IPv4 header checksum",
    /// IPv4 options that contradict their lengths.
    IpOptions = "malformed IPv4 options",
    /// A source-routed packet.
    SourceRoute = "source route",
    /// A source address that no host has on this link.
    MartianSource = "impossible source address",
    /// The source address is this host's own.
    OwnSource = "own address as the source",
    /// A destination address that no packet may have on this link.
    MartianDestination = "impossible destination address",
    /// For somebody else.
    NotForUs = "destination is another host",
    /// A fragment that carries a fragment, or a packet with two fragment headers.
    NestedFragment = "fragment of a fragment",
    /// A fragment without data, or one before the last whose length is no multiple of eight
    /// (RFC 8200 section 4.5).
    FragmentLength = "wrong fragment length",
    /// A fragment that ends beyond the largest packet there can be.
    FragmentOffset = "fragment beyond the largest packet",
    /// A first fragment that does not hold all headers (RFC 7112 section 5, RFC 1858 section 3).
    FragmentHeaders = "first fragment without all headers",
    /// A fragment that overlaps another one of its datagram, which is abandoned (RFC 5722).
    FragmentOverlap = "overlapping fragment",
    /// A fragment that contradicts the end of its datagram, which is abandoned.
    FragmentEnd = "fragment beyond the end of its datagram",
    /// A repetition of a fragment that is already there.
    FragmentDuplicate = "repeated fragment",
    /// A fragment of a datagram that was abandoned.
    FragmentAbandoned = "fragment of an abandoned datagram",
    /// A fragment of a datagram that would be too large, or in too many pieces, for this host.
    FragmentBound = "no room for a fragment",
    /// IPv6 extension headers that contradict their lengths or stand where they must not.
    ExtensionHeader = "malformed IPv6 extension header",
    /// More IPv6 extension headers than are walked.
    TooManyHeaders = "too many IPv6 extension headers",
    /// An IPv6 option that is unknown here and says that the packet must then be dropped.
    UnknownOption = "unknown IPv6 option",
    /// Nothing behind the headers (RFC 8200 section 4.7).
    NoPayload = "no upper layer",
    /// A protocol that is unknown here, to a broadcast or multicast address.
    UnknownProtocol = "unknown protocol to a group",
    /// A TCP header that is too short, or a data offset out of bounds.
    TcpLength = "wrong TCP length",
    /// TCP options that contradict their lengths.
    TcpOptions = "malformed TCP options",
    /// No flags, or SYN with FIN or RST.
    TcpFlags = "impossible TCP flags",
    /// TCP to a broadcast or multicast address.
    TcpToGroup = "TCP to a group",
    /// A UDP length below 8 bytes or beyond the packet.
    UdpLength = "wrong UDP length",
    /// Port zero, where no port can be zero.
    PortZero = "port zero",
    /// An ICMP message shorter than its header.
    IcmpLength = "wrong ICMP length",
    /// Not a valid IGMP or MLD message.
    Membership = "invalid IGMP or MLD",
    /// To a group that this host does not belong to.
    NotMember = "group was not joined",
    /// An echo request to a broadcast or multicast address.
    EchoToGroup = "echo request to a group",
    /// A wrong TCP, UDP or ICMP checksum; for IPv6 also a UDP checksum of zero.
    Checksum = "wrong checksum",
    /// What the device says about the frame contradicts it.
    Offload = "impossible offload",
}

impl Reason {
    /// The place in [`Reason::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where a packet comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// From the link: nothing there has a loopback address or one of ours.
    Link,
    /// From this host itself.
    Loopback,
}

/// Whether checksums must be right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksums {
    /// They must.
    Verify,
    /// That of the IPv4 header must; a device vouches for the other, which need not stand there.
    Header,
    /// There are none: loopback.
    Skip,
}

/// What the checks must know about this host's addresses.
pub trait Addresses {
    /// Whether packets to `address` are for this host, 127/8 and ::1 included.
    fn is_own(&self, address: IpAddress) -> bool;
    /// Whether `address` is 255.255.255.255 or the broadcast address of an own prefix.
    fn is_broadcast(&self, address: IpAddress) -> bool;
}

/// Under which circumstances a packet is checked.
#[derive(Clone, Copy)]
pub struct Context<'c> {
    /// Where it comes from.
    pub origin: Origin,
    /// Whether its checksums must be right.
    pub checksums: Checksums,
    /// Whom it may be for.
    pub addresses: &'c dyn Addresses,
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { origin, checksums, addresses: _ } = self;
        f.debug_struct("Context")
            .field("origin", origin)
            .field("checksums", checksums)
            .finish_non_exhaustive()
    }
}

/// Whom a packet is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// This host alone.
    Own,
    /// Every host.
    Broadcast,
    /// The members of a group. Whether this host is one is not checked.
    Multicast,
}

/// What the headers of a sane packet say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parsed {
    /// Who sent it.
    pub source: IpAddress,
    /// Whom it was sent to.
    pub destination: IpAddress,
    /// What kind of address the destination is.
    pub delivery: Delivery,
    /// The upper layer's protocol, behind any extension headers. Of an IPv6 fragment, what the
    /// whole packet begins with behind its fragment header.
    pub protocol: IpProtocol,
    /// Where the upper layer, or the data of a fragment, begins: bytes of IP header, options and
    /// extension headers.
    pub header_len: usize,
    /// Bytes of the whole packet; what stands behind them is padding.
    pub total_len: usize,
    /// Time to live, or hop limit.
    pub hop_limit: u8,
    /// The upper layer's header.
    pub upper: Upper,
}

/// The upper layer's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upper {
    /// TCP.
    Tcp(TcpHeader),
    /// UDP.
    Udp {
        /// The sender's port; zero when it wants no answer (RFC 768).
        source_port: u16,
        /// The receiver's port, never zero.
        destination_port: u16,
        /// Bytes of payload.
        payload_len: usize,
    },
    /// ICMP in IPv4, ICMPv6 in IPv6.
    Icmp {
        /// Type field.
        kind: u8,
        /// Code field.
        code: u8,
    },
    /// IGMP, unchecked.
    Igmp,
    /// Anything else, unchecked.
    Other,
    /// Part of a packet. Only its lengths were checked, and of the first one that it holds all
    /// headers; the whole packet has to be checked once it is complete.
    Fragment(FragmentHeader),
}

/// Which part of which packet a fragment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FragmentHeader {
    /// The same in all fragments of a packet; 16 bits in IPv4.
    pub identification: u32,
    /// Where its data begins in the whole, in bytes: a multiple of eight.
    pub offset: usize,
    /// Further fragments follow.
    pub more: bool,
}

/// A TCP header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpHeader {
    /// The sender's port, never zero.
    pub source_port: u16,
    /// The receiver's port, never zero.
    pub destination_port: u16,
    /// Sequence number.
    pub sequence: u32,
    /// Acknowledgment number; meaningful with the ACK flag.
    pub acknowledgment: u32,
    /// The flags: FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32, ECE 64, CWR 128.
    pub flags: u8,
    /// The window field, unscaled.
    pub window: u16,
    /// Bytes of header and options.
    pub header_len: usize,
}

impl Parsed {
    /// The ports of sender and receiver, for TCP and UDP.
    pub fn ports(&self) -> Option<(u16, u16)> {
        match self.upper {
            Upper::Tcp(TcpHeader { source_port, destination_port, .. })
            | Upper::Udp { source_port, destination_port, .. } => {
                Some((source_port, destination_port))
            }
            Upper::Icmp { .. } | Upper::Igmp | Upper::Other | Upper::Fragment(_) => None,
        }
    }

    /// Sender and receiver, for TCP and UDP.
    pub fn endpoints(&self) -> Option<(IpEndpoint, IpEndpoint)> {
        let (source, destination) = self.ports()?;
        Some((IpEndpoint::new(self.source, source), IpEndpoint::new(self.destination, destination)))
    }

    /// Where the upper layer's payload stands in the packet.
    pub fn payload(&self) -> Range<usize> {
        match self.upper {
            Upper::Tcp(header) => self.header_len + header.header_len..self.total_len,
            Upper::Udp { payload_len, .. } => {
                self.header_len + 8..self.header_len + 8 + payload_len
            }
            Upper::Icmp { .. } | Upper::Igmp | Upper::Other | Upper::Fragment(_) => {
                self.header_len..self.total_len
            }
        }
    }
}

/// Checks `packet`, which begins with an IP header and may be followed by padding.
///
/// # Errors
/// Why it must be dropped.
pub fn check(packet: &[u8], context: &Context<'_>) -> Result<Parsed, Reason> {
    match packet.first().ok_or(Reason::Truncated)? >> 4 {
        4 => check_ipv4(packet, context),
        #[cfg(feature = "ipv6")]
        6 => check_ipv6(packet, context),
        _ => Err(Reason::Version),
    }
}

/// Sender and receiver of a packet, as its IP header says; nothing else is looked at. `None` when
/// the header is not whole.
pub fn addresses(packet: &[u8]) -> Option<(IpAddress, IpAddress)> {
    match packet.first()? >> 4 {
        4 => {
            let &[.., s0, s1, s2, s3, d0, d1, d2, d3] = packet.first_chunk::<20>()?;
            let source = Ipv4Address::new(s0, s1, s2, s3);
            Some((source.into(), Ipv4Address::new(d0, d1, d2, d3).into()))
        }
        #[cfg(feature = "ipv6")]
        6 => {
            let header = packet.first_chunk::<IPV6_HEADER_LEN>()?;
            Some((ipv6_address(header, 8), ipv6_address(header, 24)))
        }
        _ => None,
    }
}

/// The address at this place of an IPv6 header.
#[cfg(feature = "ipv6")]
fn ipv6_address(header: &[u8; IPV6_HEADER_LEN], at: usize) -> IpAddress {
    let mut octets = [0; 16];
    octets.copy_from_slice(&header[at..at + 16]);
    IpAddress::Ipv6(Ipv6Address::from_octets(octets))
}

/// What the IP layer says, for the upper layer's checks.
#[derive(Clone, Copy)]
struct Network {
    source: IpAddress,
    destination: IpAddress,
    protocol: u8,
    header_len: usize,
    hop_limit: u8,
}

impl Network {
    /// What there is to say about all of `packet`.
    fn parsed(self, packet: &[u8], delivery: Delivery, upper: Upper) -> Parsed {
        let Self { source, destination, protocol, header_len, hop_limit } = self;
        Parsed {
            source,
            destination,
            delivery,
            protocol: IpProtocol::from(protocol),
            header_len,
            total_len: packet.len(),
            hop_limit,
            upper,
        }
    }
}

const ICMP: u8 = 1;
const IGMP: u8 = 2;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMPV6: u8 = 58;
const NO_NEXT_HEADER: u8 = 59;

fn check_ipv4(packet: &[u8], context: &Context<'_>) -> Result<Parsed, Reason> {
    let header = packet.first_chunk::<20>().ok_or(Reason::Truncated)?;
    let header_len = usize::from(header[0] & 0x0f) * 4;
    if header_len < 20 || header_len > packet.len() {
        return Err(Reason::HeaderLength);
    }
    let total_len = usize::from(u16::from_be_bytes([header[2], header[3]]));
    if total_len < header_len || total_len > packet.len() {
        return Err(Reason::TotalLength);
    }
    let packet = &packet[..total_len];
    if context.checksums != Checksums::Skip && !checksum::verify_header(packet) {
        return Err(Reason::HeaderChecksum);
    }
    check_ipv4_options(&packet[20..header_len])?;
    let [.., s0, s1, s2, s3, d0, d1, d2, d3] = *header;
    let network = Network {
        source: Ipv4Address::new(s0, s1, s2, s3).into(),
        destination: Ipv4Address::new(d0, d1, d2, d3).into(),
        protocol: header[9],
        header_len,
        hop_limit: header[8],
    };
    let delivery = check_addresses(&network, context)?;
    let place = u16::from_be_bytes([header[6], header[7]]);
    // More fragments follow, or this is not the first one.
    if place & 0x3fff != 0 {
        let fragment = FragmentHeader {
            identification: u16::from_be_bytes([header[4], header[5]]).into(),
            offset: usize::from(place & 0x1fff) * 8,
            more: place & 0x2000 != 0,
        };
        check_fragment(fragment, total_len - header_len, LARGEST_PACKET - header_len)?;
        if fragment.offset == 0 {
            check_first(&packet[header_len..], network.protocol)?;
        }
        return Ok(network.parsed(packet, delivery, Upper::Fragment(fragment)));
    }
    check_upper(packet, network, delivery, context)
}

/// Bytes of the largest IPv4 packet, and of what can stand behind an IPv6 header.
const LARGEST_PACKET: usize = 65535;

/// RFC 8200 section 4.5, and the same for IPv4: a fragment of `len` bytes out of at most `most`.
fn check_fragment(fragment: FragmentHeader, len: usize, most: usize) -> Result<(), Reason> {
    if len == 0 || fragment.more && !len.is_multiple_of(8) {
        return Err(Reason::FragmentLength);
    }
    if fragment.offset + len > most {
        return Err(Reason::FragmentOffset);
    }
    Ok(())
}

/// Whether `data`, which the first fragment has of the upper layer, holds the whole of its fixed
/// header: whoever looks at the first fragment must see who it is for.
fn check_first(data: &[u8], protocol: u8) -> Result<(), Reason> {
    let shortest = match protocol {
        TCP => 20,
        UDP | ICMP | ICMPV6 => 8,
        _ => 0,
    };
    if data.len() < shortest { Err(Reason::FragmentHeaders) } else { Ok(()) }
}

/// RFC 791 section 3.1: one byte, or a kind, a length that counts both, and data.
fn check_ipv4_options(mut options: &[u8]) -> Result<(), Reason> {
    const END: u8 = 0;
    const NO_OPERATION: u8 = 1;
    const LOOSE_SOURCE_ROUTE: u8 = 131;
    const STRICT_SOURCE_ROUTE: u8 = 137;
    loop {
        options = match *options {
            [] | [END, ..] => return Ok(()),
            [NO_OPERATION, ref rest @ ..] => rest,
            // Whoever fills in a route decides where the answer goes: not here (RFC 7126
            // sections 4.3 and 4.4).
            [LOOSE_SOURCE_ROUTE | STRICT_SOURCE_ROUTE, ..] => return Err(Reason::SourceRoute),
            [_, length, ..] if length >= 2 => {
                options.get(length.into()..).ok_or(Reason::IpOptions)?
            }
            _ => return Err(Reason::IpOptions),
        };
    }
}

#[cfg(feature = "ipv6")]
fn check_ipv6(packet: &[u8], context: &Context<'_>) -> Result<Parsed, Reason> {
    let header = packet.first_chunk::<IPV6_HEADER_LEN>().ok_or(Reason::Truncated)?;
    let total_len = IPV6_HEADER_LEN + usize::from(u16::from_be_bytes([header[4], header[5]]));
    if total_len > packet.len() {
        return Err(Reason::TotalLength);
    }
    let packet = &packet[..total_len];
    let mut network = Network {
        source: ipv6_address(header, 8),
        destination: ipv6_address(header, 24),
        protocol: header[6],
        header_len: IPV6_HEADER_LEN,
        hop_limit: header[7],
    };
    let delivery = check_addresses(&network, context)?;
    let mut part = None;
    let upper = extension::walk(packet, |kind, offset, header| {
        if kind != extension::FRAGMENT {
            return check_extension(kind, offset, header).map_err(Found::Insane);
        }
        if part.is_some() {
            return Err(Found::Insane(Reason::NestedFragment));
        }
        let fragment = fragment_header(header);
        part = Some((fragment, header[0], offset + header.len()));
        // What stands behind the header of a later fragment are no headers.
        if fragment.offset == 0 { Ok(()) } else { Err(Found::LaterFragment) }
    });
    let upper = match upper {
        Ok(upper) => Some(upper),
        Err(Stop::Refused(Found::LaterFragment)) => None,
        Err(Stop::Refused(Found::Insane(reason))) => return Err(reason),
        Err(Stop::TooMany) => return Err(Reason::TooManyHeaders),
        Err(Stop::Truncated) => {
            return Err(match part {
                Some((FragmentHeader { more: true, .. }, ..)) => Reason::FragmentHeaders,
                _ => Reason::ExtensionHeader,
            });
        }
    };
    if let Some((fragment, protocol, data)) = part
        // An atomic fragment is a whole packet (RFC 6946 section 4).
        && (fragment.more || fragment.offset != 0)
    {
        (network.protocol, network.header_len) = (protocol, data);
        check_fragment(fragment, total_len - data, LARGEST_PACKET)?;
        if let Some((protocol, at)) = upper {
            check_first(&packet[at..], protocol)?;
        }
        return Ok(network.parsed(packet, delivery, Upper::Fragment(fragment)));
    }
    if let Some(upper) = upper {
        (network.protocol, network.header_len) = upper;
    }
    check_upper(packet, network, delivery, context)
}

/// Why the walk through the extension headers of a packet ended early.
enum Found {
    Insane(Reason),
    LaterFragment,
}

/// RFC 8200 section 4.5; `header` has eight bytes.
fn fragment_header(header: &[u8]) -> FragmentHeader {
    let &[_, _, high, low, a, b, c, d, ..] = header else {
        return FragmentHeader { identification: 0, offset: 0, more: false };
    };
    let place = u16::from_be_bytes([high, low]);
    FragmentHeader {
        identification: u32::from_be_bytes([a, b, c, d]),
        offset: usize::from(place & 0xfff8),
        more: place & 1 != 0,
    }
}

fn check_extension(kind: u8, offset: usize, header: &[u8]) -> Result<(), Reason> {
    match kind {
        // RFC 8200 section 4.1: only directly behind the IPv6 header.
        extension::HOP_BY_HOP if offset != IPV6_HEADER_LEN => Err(Reason::ExtensionHeader),
        extension::HOP_BY_HOP | extension::DESTINATION => check_ipv6_options(&header[2..]),
        // RFC 8200 section 4.4: with no segments left a route is only skipped.
        extension::ROUTING if header[3] != 0 => Err(Reason::SourceRoute),
        _ => Ok(()),
    }
}

/// RFC 8200 section 4.2: one byte of padding, or a kind, a length of the data, and the data.
fn check_ipv6_options(mut options: &[u8]) -> Result<(), Reason> {
    const PAD_ONE: u8 = 0;
    loop {
        options = match *options {
            [] => return Ok(()),
            [PAD_ONE, ref rest @ ..] => rest,
            // The two highest bits say what to do with an option that is not known. The known
            // ones, padding and router alert, have both clear.
            [kind, ..] if kind & 0xc0 != 0 => return Err(Reason::UnknownOption),
            [_, length, ref rest @ ..] => {
                rest.get(length.into()..).ok_or(Reason::ExtensionHeader)?
            }
            _ => return Err(Reason::ExtensionHeader),
        };
    }
}

fn check_addresses(network: &Network, context: &Context<'_>) -> Result<Delivery, Reason> {
    let Network { source, destination, protocol, .. } = *network;
    // A switch that asks for members has no address (RFC 4541 section 2.1.1).
    let asks = protocol == IGMP && source == IpAddress::Ipv4(Ipv4Address::UNSPECIFIED);
    let from_link = context.origin == Origin::Link;
    // RFC 1122 section 3.2.1.3, RFC 4291 section 2.7.
    if source.is_multicast()
        || routes::is_reserved(source) && !asks
        || from_link && routes::is_loopback(source)
        || context.addresses.is_broadcast(source)
    {
        return Err(Reason::MartianSource);
    }
    if from_link && context.addresses.is_own(source) {
        return Err(Reason::OwnSource);
    }
    if context.addresses.is_broadcast(destination) {
        return Ok(Delivery::Broadcast);
    }
    if destination.is_multicast() {
        return match destination {
            // RFC 4291 section 2.7.1: scope 0 is reserved, scope 1 never leaves an interface.
            #[cfg(feature = "ipv6")]
            IpAddress::Ipv6(group) if group.octets()[1] & 0x0f == 0 => {
                Err(Reason::MartianDestination)
            }
            #[cfg(feature = "ipv6")]
            IpAddress::Ipv6(group) if from_link && group.octets()[1] & 0x0f == 1 => {
                Err(Reason::MartianDestination)
            }
            _ => Ok(Delivery::Multicast),
        };
    }
    if routes::is_reserved(destination) || from_link && routes::is_loopback(destination) {
        return Err(Reason::MartianDestination);
    }
    if context.addresses.is_own(destination) { Ok(Delivery::Own) } else { Err(Reason::NotForUs) }
}

fn check_upper(
    packet: &[u8],
    network: Network,
    delivery: Delivery,
    context: &Context<'_>,
) -> Result<Parsed, Reason> {
    let Network { source, protocol, header_len, .. } = network;
    let ipv4 = matches!(source, IpAddress::Ipv4(_));
    let data = packet.get(header_len..).ok_or(Reason::Truncated)?;
    let upper = match protocol {
        TCP => {
            if delivery != Delivery::Own {
                return Err(Reason::TcpToGroup);
            }
            Upper::Tcp(check_tcp(data)?)
        }
        UDP => check_udp(data)?,
        ICMP if ipv4 => check_icmp(data, delivery, 8)?,
        ICMPV6 if !ipv4 => check_icmp(data, delivery, 128)?,
        IGMP if ipv4 => Upper::Igmp,
        NO_NEXT_HEADER => return Err(Reason::NoPayload),
        _ if delivery != Delivery::Own => return Err(Reason::UnknownProtocol),
        _ => Upper::Other,
    };
    if context.checksums == Checksums::Verify && !checksum::verify_upper(packet) {
        return Err(Reason::Checksum);
    }
    Ok(network.parsed(packet, delivery, upper))
}

fn check_tcp(segment: &[u8]) -> Result<TcpHeader, Reason> {
    const FIN: u8 = 1;
    const SYN: u8 = 2;
    const RST: u8 = 4;
    const ACK: u8 = 16;
    let header = segment.first_chunk::<20>().ok_or(Reason::TcpLength)?;
    let header_len = usize::from(header[12] >> 4) * 4;
    if header_len < 20 || header_len > segment.len() {
        return Err(Reason::TcpLength);
    }
    check_tcp_options(&segment[20..header_len])?;
    let flags = header[13];
    // RFC 9293 section 3.10.7 has no case for any of these.
    if flags & (FIN | SYN | RST | ACK) == 0 || flags & SYN != 0 && flags & (FIN | RST) != 0 {
        return Err(Reason::TcpFlags);
    }
    let word = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    let long = |at: usize| u32::from(word(at)) << 16 | u32::from(word(at + 2));
    let (source_port, destination_port) = (word(0), word(2));
    if source_port == 0 || destination_port == 0 {
        return Err(Reason::PortZero);
    }
    Ok(TcpHeader {
        source_port,
        destination_port,
        sequence: long(4),
        acknowledgment: long(8),
        flags,
        window: word(14),
        header_len,
    })
}

/// RFC 9293 section 3.2: one byte, or a kind, a length that counts both, and data.
fn check_tcp_options(mut options: &[u8]) -> Result<(), Reason> {
    const END: u8 = 0;
    const NO_OPERATION: u8 = 1;
    loop {
        options = match *options {
            [] | [END, ..] => return Ok(()),
            [NO_OPERATION, ref rest @ ..] => rest,
            [_, length, ..] if length >= 2 => {
                options.get(length.into()..).ok_or(Reason::TcpOptions)?
            }
            _ => return Err(Reason::TcpOptions),
        };
    }
}

fn check_udp(datagram: &[u8]) -> Result<Upper, Reason> {
    let header = datagram.first_chunk::<8>().ok_or(Reason::UdpLength)?;
    let word = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    let length = usize::from(word(4));
    if length < 8 || length > datagram.len() {
        return Err(Reason::UdpLength);
    }
    let (source_port, destination_port) = (word(0), word(2));
    if destination_port == 0 {
        return Err(Reason::PortZero);
    }
    Ok(Upper::Udp { source_port, destination_port, payload_len: length - 8 })
}

fn check_icmp(message: &[u8], delivery: Delivery, echo_request: u8) -> Result<Upper, Reason> {
    // Every message that is used here has eight bytes before its data.
    let &[kind, code, ..] = message.first_chunk::<8>().ok_or(Reason::IcmpLength)?;
    // Answers to a group's echo request come from every member (RFC 1122 section 3.2.2.6).
    if kind == echo_request && delivery != Delivery::Own {
        return Err(Reason::EchoToGroup);
    }
    Ok(Upper::Icmp { kind, code })
}

/// Takes the extension headers out of a sane IPv6 packet, in place, and gives the number of bytes
/// by which it now begins later; 0 for a packet without them. smoltcp knows none but hop-by-hop
/// options, and answers the others with an error.
pub fn strip_extensions(packet: &mut [u8], parsed: &Parsed) -> usize {
    let extra = match parsed.source {
        IpAddress::Ipv4(_) => 0,
        #[cfg(feature = "ipv6")]
        IpAddress::Ipv6(_) => parsed.header_len.saturating_sub(IPV6_HEADER_LEN),
    };
    let moved = IPV6_HEADER_LEN + extra;
    if extra == 0 || parsed.total_len < moved || packet.len() < parsed.total_len {
        return 0;
    }
    packet.copy_within(..IPV6_HEADER_LEN, extra);
    // No longer than the length it replaces.
    let payload_len = (parsed.total_len - moved) as u16;
    packet[extra + 4..extra + 6].copy_from_slice(&payload_len.to_be_bytes());
    packet[extra + 6] = parsed.protocol.into();
    extra
}

#[cfg(all(test, feature = "alloc"))]
mod tests;
