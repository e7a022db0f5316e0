//! Names of numbers: ICMP types and codes, TCP options, EtherTypes.

use alloc::format;
use alloc::vec::Vec;

use super::error::Flaw;
use super::node::{Kind, Node, choice, shortened};
use super::value;
use crate::fault::{IcmpFault, Proto, TcpOption};

/// IANA "ICMP Type Numbers".
pub(super) const TYPES4: [(&str, u8); 11] = [
    ("echo-reply", 0),
    ("unreachable", 3),
    ("source-quench", 4),
    ("redirect", 5),
    ("echo-request", 8),
    ("router-advertisement", 9),
    ("router-solicitation", 10),
    ("time-exceeded", 11),
    ("parameter-problem", 12),
    ("timestamp", 13),
    ("timestamp-reply", 14),
];

/// IANA "ICMPv6 type Numbers".
pub(super) const TYPES6: [(&str, u8); 14] = [
    ("unreachable", 1),
    ("packet-too-big", 2),
    ("time-exceeded", 3),
    ("parameter-problem", 4),
    ("echo-request", 128),
    ("echo-reply", 129),
    ("mld-query", 130),
    ("mld-report", 131),
    ("mld-done", 132),
    ("router-solicitation", 133),
    ("router-advertisement", 134),
    ("neighbor-solicitation", 135),
    ("neighbor-advertisement", 136),
    ("redirect", 137),
];

/// Codes of a type of ICMP (RFC 792, RFC 1122, RFC 1812).
const CODES4: [(u8, &[(&str, u8)]); 4] = [
    (
        3,
        &[
            ("net", 0),
            ("host", 1),
            ("protocol", 2),
            ("port", 3),
            ("frag-needed", 4),
            ("source-route-failed", 5),
            ("net-unknown", 6),
            ("host-unknown", 7),
            ("host-isolated", 8),
            ("net-prohibited", 9),
            ("host-prohibited", 10),
            ("net-tos", 11),
            ("host-tos", 12),
            ("admin-prohibited", 13),
            ("host-precedence-violation", 14),
            ("precedence-cutoff", 15),
        ],
    ),
    (5, &[("net", 0), ("host", 1), ("net-tos", 2), ("host-tos", 3)]),
    (11, &EXCEEDED),
    (12, &[("pointer", 0), ("missing-option", 1), ("bad-length", 2)]),
];

/// Codes of a type of ICMPv6 (RFC 4443).
const CODES6: [(u8, &[(&str, u8)]); 3] = [
    (
        1,
        &[
            ("no-route", 0),
            ("admin-prohibited", 1),
            ("beyond-scope", 2),
            ("address", 3),
            ("port", 4),
            ("policy-failed", 5),
            ("reject-route", 6),
        ],
    ),
    (3, &EXCEEDED),
    (4, &[("header-field", 0), ("next-header", 1), ("option", 2)]),
];

/// What was exceeded: the same codes in both families.
pub(super) const EXCEEDED: [(&str, u8); 2] = [("hop-limit", 0), ("reassembly", 1)];

/// Why something is unreachable, with the code of each family. A name that only one family has
/// becomes in the other what translators make of it (RFC 7915, sections 4.2 and 5.2); where they
/// make nothing of it, "no route" and "administratively prohibited".
pub(super) const UNREACHABLE: [(&str, u8, u8); 20] = [
    ("net", 0, 0),
    ("host", 1, 3),
    ("protocol", 2, 0),
    ("port", 3, 4),
    ("source-route-failed", 5, 0),
    ("net-unknown", 6, 0),
    ("host-unknown", 7, 0),
    ("host-isolated", 8, 0),
    ("net-prohibited", 9, 1),
    ("host-prohibited", 10, 1),
    ("net-tos", 11, 0),
    ("host-tos", 12, 0),
    ("admin-prohibited", 13, 1),
    ("host-precedence-violation", 14, 1),
    ("precedence-cutoff", 15, 1),
    ("address", 1, 3),
    ("no-route", 1, 0),
    ("beyond-scope", 1, 2),
    ("policy-failed", 13, 5),
    ("reject-route", 13, 6),
];

const OPTIONS: [(&str, u8); 16] = [
    ("end", 0),
    ("nop", 1),
    ("mss", 2),
    ("window-scale", 3),
    ("sack-permitted", 4),
    ("sack", 5),
    ("timestamps", 8),
    ("md5", 19),
    ("user-timeout", 28),
    ("auth", 29),
    ("mptcp", 30),
    ("fast-open", 34),
    // Other names that are usual.
    ("ts", 8),
    ("wscale", 3),
    ("sack-ok", 4),
    ("tfo", 34),
];

const ETHERTYPES: [(&str, u16); 3] = [("ipv4", 0x0800), ("arp", 0x0806), ("ipv6", 0x86dd)];

const PROTOS: [(&str, Proto); 7] = [
    ("tcp", Proto::Tcp),
    ("udp", Proto::Udp),
    ("icmp", Proto::Icmp),
    ("icmp6", Proto::Icmp6),
    ("arp", Proto::Arp),
    ("nd", Proto::Nd),
    ("ip-frag", Proto::IpFrag),
];

/// Whether a value is to be read as a number.
fn is_number(node: &Node) -> bool {
    match &node.kind {
        Kind::Text(text) => text.starts_with(|first: char| first.is_ascii_digit()),
        _ => true,
    }
}

pub(super) fn option(key: &str, node: &Node) -> Result<TcpOption, Flaw> {
    let kind =
        if is_number(node) { value::byte(key, node) } else { value::word(key, node, &OPTIONS) };
    kind.map(TcpOption)
}

pub(super) fn option_of(option: TcpOption) -> Node {
    match OPTIONS.iter().find(|(_, kind)| *kind == option.0) {
        Some((name, _)) => Node::text(*name),
        None => Node::int(option.0),
    }
}

pub(super) fn ethertype(key: &str, node: &Node) -> Result<u16, Flaw> {
    if is_number(node) { value::short(key, node) } else { value::word(key, node, &ETHERTYPES) }
}

pub(super) fn ethertype_of(ethertype: u16) -> Node {
    match ETHERTYPES.iter().find(|(_, found)| *found == ethertype) {
        Some((name, _)) => Node::text(*name),
        None => value::hex(ethertype.into()),
    }
}

pub(super) fn proto(key: &str, node: &Node) -> Result<Proto, Flaw> {
    if is_number(node) {
        value::byte(key, node).map(Proto::Ip)
    } else {
        value::word(key, node, &PROTOS)
    }
}

pub(super) fn proto_of(proto: Proto) -> Node {
    match proto {
        Proto::Ip(number) => Node::int(number),
        proto => Node::text(value::word_for(&proto, &PROTOS)),
    }
}

pub(super) fn is_proto(word: &str) -> bool {
    PROTOS.iter().any(|(name, _)| *name == word)
}

/// Which families a protocol may belong to: ICMP, ICMPv6.
fn families(proto: Option<Proto>) -> [bool; 2] {
    match proto {
        Some(Proto::Icmp) => [true, false],
        Some(Proto::Icmp6 | Proto::Nd) => [false, true],
        _ => [true, true],
    }
}

pub(super) fn icmp_type(key: &str, node: &Node, proto: Option<Proto>) -> Result<u8, Flaw> {
    if is_number(node) {
        return value::byte(key, node);
    }
    let [v4, v6] = families(proto);
    let mut words = Vec::new();
    words.extend(TYPES4.iter().filter(|_| v4));
    words.extend(TYPES6.iter().filter(|_| v6));
    unambiguous(key, node, &words)
}

pub(super) fn icmp_code(
    key: &str,
    node: &Node,
    proto: Option<Proto>,
    kind: Option<u8>,
) -> Result<u8, Flaw> {
    if is_number(node) {
        return value::byte(key, node);
    }
    let Some(kind) = kind else {
        return Err(Flaw::new(&node.at, format!("{key} by name needs icmp-type beside it")));
    };
    let [v4, v6] = families(proto);
    let mut words = Vec::new();
    for (found, codes) in CODES4.iter().filter(|_| v4).chain(CODES6.iter().filter(|_| v6)) {
        if *found == kind {
            words.extend(codes.iter());
        }
    }
    if words.is_empty() {
        return Err(Flaw::new(
            &node.at,
            format!("the codes of ICMP type {kind} have no names; give {key} as a number"),
        ));
    }
    unambiguous(key, node, &words)
}

/// The number for a word that has to mean the same in all that it may belong to.
fn unambiguous(key: &str, node: &Node, words: &[&(&str, u8)]) -> Result<u8, Flaw> {
    let found = value::text(key, node)?;
    let mut numbers = words.iter().filter(|(word, _)| *word == found).map(|(_, number)| *number);
    match (numbers.next(), numbers.next()) {
        (Some(number), None) => Ok(number),
        (Some(one), Some(other)) if one == other => Ok(one),
        (Some(one), Some(other)) => Err(Flaw::new(
            &node.at,
            format!(
                "{key} \"{found}\" is {one} in ICMP and {other} in ICMPv6: say proto = \"icmp\" or \"icmp6\""
            ),
        )),
        (None, _) => {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            let choice = choice(found, &known);
            let found = shortened(found);
            Err(Flaw::new(&node.at, format!("{key} cannot be \"{found}\"{choice}")))
        }
    }
}

/// The name of a type where it is one for this protocol, otherwise the number.
pub(super) fn icmp_type_of(kind: u8, proto: Option<Proto>) -> Node {
    let found = match families(proto) {
        [true, false] => TYPES4.iter().find(|(_, number)| *number == kind),
        [false, true] => TYPES6.iter().find(|(_, number)| *number == kind),
        _ => None,
    };
    found.map_or_else(|| Node::int(kind), |(name, _)| Node::text(*name))
}

/// As [`icmp_type_of`], for a code.
pub(super) fn icmp_code_of(code: u8, proto: Option<Proto>, kind: Option<u8>) -> Node {
    let tables: &[(u8, &[(&'static str, u8)])] = match families(proto) {
        [true, false] => &CODES4,
        [false, true] => &CODES6,
        _ => &[],
    };
    let codes = tables.iter().find(|(found, _)| Some(*found) == kind);
    let found = codes.and_then(|(_, codes)| codes.iter().find(|(_, number)| *number == code));
    found.map_or_else(|| Node::int(code), |(name, _)| Node::text(*name))
}

/// Why something is unreachable: a name, a number for both families, or one for each.
pub(super) fn unreachable(key: &str, node: &Node) -> Result<IcmpFault, Flaw> {
    if let Kind::Table(_) = node.kind {
        let mut fields = super::node::Fields::of("the code", node)?;
        let v4 = fields.need("icmp", value::byte)?;
        let v6 = fields.need("icmp6", value::byte)?;
        fields.finish()?;
        return Ok(IcmpFault::Unreachable { v4, v6 });
    }
    if is_number(node) {
        return value::byte(key, node).map(IcmpFault::unreachable);
    }
    if matches!(&node.kind, Kind::Text(text) if text == "frag-needed") {
        return Err(Flaw::new(
            &node.at,
            "that a packet is too large is said by type = \"frag-needed\" with mtu",
        ));
    }
    let words = UNREACHABLE.map(|(name, v4, v6)| (name, (v4, v6)));
    let (v4, v6) = value::word(key, node, &words)?;
    Ok(IcmpFault::Unreachable { v4, v6 })
}

pub(super) fn unreachable_of(v4: u8, v6: u8) -> Node {
    match UNREACHABLE.iter().find(|(_, one, other)| (*one, *other) == (v4, v6)) {
        Some((name, ..)) => Node::text(*name),
        None if v4 == v6 => Node::int(v4),
        None => super::write::table([("icmp", Node::int(v4)), ("icmp6", Node::int(v6))]),
    }
}
