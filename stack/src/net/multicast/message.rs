//! The messages by which routers ask for members and members answer: IGMP (RFC 1112 appendix I,
//! RFC 2236, RFC 3376) and MLD (RFC 2710, RFC 3810).

use core::net::Ipv6Addr as Ipv6Address;

use smoltcp::time::Duration;
use smoltcp::wire::{EthernetAddress, IpAddress, Ipv4Address};

use super::REPORT_LEN;
use crate::net::extension::{self, IPV6_HEADER_LEN};
use crate::net::{Parsed, Reason, checksum, ethernet};

const IGMP_QUERY: u8 = 0x11;
const IGMP_V1_REPORT: u8 = 0x12;
const IGMP_V2_REPORT: u8 = 0x16;
const IGMP_LEAVE: u8 = 0x17;
const IGMP_V3_REPORT: u8 = 0x22;

const MLD_QUERY: u8 = 130;
const MLD_V1_REPORT: u8 = 131;
const MLD_V1_DONE: u8 = 132;
const MLD_V2_REPORT: u8 = 143;

const IGMP: u8 = 2;
const ICMPV6: u8 = 58;

pub(super) const ALL_HOSTS: Ipv4Address = Ipv4Address::new(224, 0, 0, 1);
const ALL_ROUTERS: Ipv4Address = Ipv4Address::new(224, 0, 0, 2);
const ALL_V3_ROUTERS: Ipv4Address = Ipv4Address::new(224, 0, 0, 22);
pub(super) const ALL_NODES: Ipv6Address = Ipv6Address::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ALL_V6_ROUTERS: Ipv6Address = Ipv6Address::new(0xff02, 0, 0, 0, 0, 0, 0, 2);
const ALL_MLDV2_ROUTERS: Ipv6Address = Ipv6Address::new(0xff02, 0, 0, 0, 0, 0, 0, 0x16);

/// Router alert of IPv4 (RFC 2113): kind, length, and "every router shall look".
const ROUTER_ALERT: [u8; 4] = [148, 4, 0, 0];
/// A hop-by-hop options header with the router alert of MLD (RFC 2711) and two bytes of padding,
/// before ICMPv6.
const HOP_BY_HOP: [u8; 8] = [ICMPV6, 0, 5, 2, 0, 0, 1, 0];

/// Network control, as RFC 3376 section 4 wants it.
const INTERNETWORK_CONTROL: u8 = 0xc0;

/// Which protocol the routers of the link speak. Of one family, the older is the lesser.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Dialect {
    Igmp1,
    Igmp2,
    Igmp3,
    Mld1,
    Mld2,
}

/// What a message says that matters to a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// A router asks.
    Query {
        dialect: Dialect,
        /// About one group; `None` for all.
        group: Option<IpAddress>,
        /// The longest that an answer may take.
        within: Duration,
    },
    /// Another member has said in an old dialect that the group has one.
    Report(IpAddress),
    /// Something for routers.
    Other,
}

/// What a member says about a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Statement {
    /// This host has become a member.
    Joined,
    /// This host is one, in answer to a query.
    Member,
    /// This host is none any more.
    Left,
}

/// Whether an ICMPv6 message of this type is of MLD.
pub(crate) fn is_mld_type(kind: u8) -> bool {
    matches!(kind, MLD_QUERY | MLD_V1_REPORT | MLD_V1_DONE | MLD_V2_REPORT)
}

/// Reads the message in a sane packet. Only what comes from this link counts: the time to live is
/// 1, as no router forwards it.
pub(super) fn parse(packet: &[u8], parsed: &Parsed) -> Result<Heard, Reason> {
    let message = packet.get(parsed.header_len..parsed.total_len).ok_or(Reason::Membership)?;
    if parsed.hop_limit != 1 {
        return Err(Reason::Membership);
    }
    match (parsed.source, parsed.destination) {
        #[cfg(feature = "ipv6")]
        (IpAddress::Ipv6(source), _) => {
            // RFC 3810 section 6.2: from a link-local address, with a router alert.
            if !source.is_unicast_link_local() || !has_alert_v6(packet) {
                return Err(Reason::Membership);
            }
            parse_mld(message)
        }
        (IpAddress::Ipv4(_), IpAddress::Ipv4(destination)) => {
            if checksum::sum(message) != 0xffff {
                return Err(Reason::Checksum);
            }
            let options = packet.get(20..parsed.header_len).unwrap_or_default();
            parse_igmp(message, destination, options)
        }
        _ => Err(Reason::Membership),
    }
}

fn parse_igmp(message: &[u8], destination: Ipv4Address, options: &[u8]) -> Result<Heard, Reason> {
    let &[kind, code, _, _, a, b, c, d] = message.first_chunk::<8>().ok_or(Reason::Membership)?;
    let address = Ipv4Address::new(a, b, c, d);
    let group = group_of(address.into())?;
    match (kind, group) {
        (IGMP_QUERY, _) => {}
        (IGMP_V1_REPORT | IGMP_V2_REPORT, Some(group)) => return Ok(Heard::Report(group)),
        (IGMP_V1_REPORT | IGMP_V2_REPORT, None) => return Err(Reason::Membership),
        _ => return Ok(Heard::Other),
    }
    let (dialect, tenths) = match (message.len(), code) {
        // RFC 3376 section 7.1 tells the versions apart so.
        (8, 0) => (Dialect::Igmp1, 100),
        (8, code) => (Dialect::Igmp2, u32::from(code)),
        (12.., 128..) => {
            let mantissa = u32::from(code & 0x0f | 0x10);
            (Dialect::Igmp3, mantissa << (u32::from(code >> 4 & 7) + 3))
        }
        (12.., code) => (Dialect::Igmp3, u32::from(code)),
        _ => return Err(Reason::Membership),
    };
    // RFC 3376 section 9.1: without an alert, or about all groups to fewer than all hosts, it is
    // forged. The first version knew no alert.
    let alert = dialect == Dialect::Igmp1 || has_alert_v4(options);
    if !alert || group.is_none() && destination != ALL_HOSTS {
        return Err(Reason::Membership);
    }
    Ok(Heard::Query { dialect, group, within: Duration::from_millis(u64::from(tenths) * 100) })
}

#[cfg(feature = "ipv6")]
fn parse_mld(message: &[u8]) -> Result<Heard, Reason> {
    let fixed = message.first_chunk::<24>();
    let kind = *message.first().ok_or(Reason::Membership)?;
    if !matches!(kind, MLD_QUERY | MLD_V1_REPORT) {
        return Ok(Heard::Other);
    }
    let fixed = fixed.ok_or(Reason::Membership)?;
    let mut octets = [0; 16];
    octets.copy_from_slice(&fixed[8..24]);
    let group = group_of(Ipv6Address::from_octets(octets).into())?;
    if kind == MLD_V1_REPORT {
        return group.map(Heard::Report).ok_or(Reason::Membership);
    }
    let code = u32::from(u16::from_be_bytes([fixed[4], fixed[5]]));
    let (dialect, millis) = match (message.len(), code) {
        // RFC 3810 section 8.1.
        (24, millis) => (Dialect::Mld1, millis),
        (28.., 0x8000..) => (Dialect::Mld2, (code & 0x0fff | 0x1000) << ((code >> 12 & 7) + 3)),
        (28.., millis) => (Dialect::Mld2, millis),
        _ => return Err(Reason::Membership),
    };
    Ok(Heard::Query { dialect, group, within: Duration::from_millis(u64::from(millis)) })
}

/// The group that a message is about; `None` for the unspecified address.
fn group_of(address: IpAddress) -> Result<Option<IpAddress>, Reason> {
    match address {
        address if address.is_unspecified() => Ok(None),
        group if group.is_multicast() => Ok(Some(group)),
        _ => Err(Reason::Membership),
    }
}

/// Whether a router alert is among options that the packet's check has walked.
fn has_alert_v4(mut options: &[u8]) -> bool {
    loop {
        options = match *options {
            [] | [0, ..] => return false,
            [148, ..] => return true,
            [1, ref rest @ ..] => rest,
            [_, length, ..] => options.get(usize::from(length.max(1))..).unwrap_or_default(),
            [_] => return false,
        };
    }
}

fn has_alert_v6(packet: &[u8]) -> bool {
    let mut found = false;
    // The packet's check has walked the same chain to its end.
    let _ = extension::walk(packet, |kind, _, header| {
        let mut options = if kind == extension::HOP_BY_HOP { &header[2..] } else { &[] };
        while let [option, rest @ ..] = options {
            found |= *option == 5;
            options = match (option, rest) {
                (0, rest) => rest,
                (_, [length, rest @ ..]) => rest.get(usize::from(*length)..).unwrap_or_default(),
                _ => &[],
            };
        }
        Ok::<(), ()>(())
    });
    found
}

/// Writes what this host says about `group` as a complete frame and gives its length; `None` when
/// the dialect has no word for it, or the source is of the other family.
pub(super) fn write(
    frame: &mut [u8; REPORT_LEN],
    hardware: EthernetAddress,
    source: IpAddress,
    dialect: Dialect,
    group: IpAddress,
    statement: Statement,
) -> Option<usize> {
    match (source, group) {
        (IpAddress::Ipv4(source), IpAddress::Ipv4(group)) => {
            write_igmp(frame, hardware, source, dialect, group, statement)
        }
        #[cfg(feature = "ipv6")]
        (IpAddress::Ipv6(source), IpAddress::Ipv6(group)) => {
            write_mld(frame, hardware, source, dialect, group, statement)
        }
        _ => None,
    }
}

/// The record type of a group whose every source is wanted, or none (RFC 3376 section 4.2.12,
/// RFC 3810 section 5.2.12).
const fn record(statement: Statement) -> u8 {
    match statement {
        Statement::Member => 2,
        Statement::Left => 3,
        Statement::Joined => 4,
    }
}

fn write_igmp(
    frame: &mut [u8; REPORT_LEN],
    hardware: EthernetAddress,
    source: Ipv4Address,
    dialect: Dialect,
    group: Ipv4Address,
    statement: Statement,
) -> Option<usize> {
    const IP_LEN: usize = 24;
    let (destination, kind, len) = match (dialect, statement) {
        (Dialect::Igmp1, Statement::Left) => return None,
        (Dialect::Igmp1, _) => (group, IGMP_V1_REPORT, 8),
        (Dialect::Igmp2, Statement::Left) => (ALL_ROUTERS, IGMP_LEAVE, 8),
        (Dialect::Igmp2, _) => (group, IGMP_V2_REPORT, 8),
        _ => (ALL_V3_ROUTERS, IGMP_V3_REPORT, 16),
    };
    ethernet::write(frame, ethernet::multicast(destination.into())?, hardware, ethernet::IPV4);
    let packet = &mut frame[ethernet::HEADER_LEN..][..IP_LEN + len];
    packet[..12].copy_from_slice(&[
        0x46,
        INTERNETWORK_CONTROL,
        0,
        (IP_LEN + len) as u8,
        0,
        0,
        0x40,
        0,
        1,
        IGMP,
        0,
        0,
    ]);
    packet[12..16].copy_from_slice(&source.octets());
    packet[16..20].copy_from_slice(&destination.octets());
    packet[20..24].copy_from_slice(&ROUTER_ALERT);
    let message = &mut packet[IP_LEN..];
    message[..4].copy_from_slice(&[kind, 0, 0, 0]);
    if len == 8 {
        message[4..8].copy_from_slice(&group.octets());
    } else {
        message[4..12].copy_from_slice(&[0, 0, 0, 1, record(statement), 0, 0, 0]);
        message[12..16].copy_from_slice(&group.octets());
    }
    let sum = !checksum::sum(message);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    checksum::fill(packet);
    Some(ethernet::HEADER_LEN + IP_LEN + len)
}

#[cfg(feature = "ipv6")]
fn write_mld(
    frame: &mut [u8; REPORT_LEN],
    hardware: EthernetAddress,
    source: Ipv6Address,
    dialect: Dialect,
    group: Ipv6Address,
    statement: Statement,
) -> Option<usize> {
    const IP_LEN: usize = IPV6_HEADER_LEN + HOP_BY_HOP.len();
    let (destination, kind, len) = match (dialect, statement) {
        (Dialect::Mld1, Statement::Left) => (ALL_V6_ROUTERS, MLD_V1_DONE, 24),
        (Dialect::Mld1, _) => (group, MLD_V1_REPORT, 24),
        _ => (ALL_MLDV2_ROUTERS, MLD_V2_REPORT, 28),
    };
    ethernet::write(frame, ethernet::multicast(destination.into())?, hardware, ethernet::IPV6);
    let packet = &mut frame[ethernet::HEADER_LEN..][..IP_LEN + len];
    let payload_len = (HOP_BY_HOP.len() + len) as u8;
    packet[..8].copy_from_slice(&[0x60, 0, 0, 0, 0, payload_len, extension::HOP_BY_HOP, 1]);
    packet[8..24].copy_from_slice(&source.octets());
    packet[24..40].copy_from_slice(&destination.octets());
    packet[40..48].copy_from_slice(&HOP_BY_HOP);
    let message = &mut packet[IP_LEN..];
    message[..8].copy_from_slice(&[kind, 0, 0, 0, 0, 0, 0, 0]);
    if len == 24 {
        message[8..24].copy_from_slice(&group.octets());
    } else {
        message[7] = 1;
        message[8..12].copy_from_slice(&[record(statement), 0, 0, 0]);
        message[12..28].copy_from_slice(&group.octets());
    }
    checksum::fill(packet);
    Some(ethernet::HEADER_LEN + IP_LEN + len)
}
