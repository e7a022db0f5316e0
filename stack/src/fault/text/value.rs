//! Values with units and names, from a text and to one.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::IpAddr;
use core::ops::Range;

use smoltcp::time::Duration;
use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr};

use super::error::Flaw;
use super::node::{Kind, Node, choice, shortened};
use crate::fault::{Flags, Name, Pattern, Ports, Rate, Short, Span};

type Read<T> = Result<T, Flaw>;

fn wrong<T>(node: &Node, message: impl Into<String>) -> Read<T> {
    Err(Flaw::new(&node.at, message))
}

/// The place of a part of a text; of the whole where it was written with escapes.
fn part(node: &Node, text: &str, range: Range<usize>) -> Range<usize> {
    let around = node.at.len().saturating_sub(text.len());
    match around {
        0 | 2 => {
            let start = node.at.start + around / 2;
            start + range.start..start + range.end
        }
        _ => node.at.clone(),
    }
}

pub(super) fn text<'n>(key: &str, node: &'n Node) -> Read<&'n str> {
    match &node.kind {
        Kind::Text(text) => Ok(text),
        kind => wrong(node, format!("{key} is a text, not {}", kind.noun())),
    }
}

pub(super) fn boolean(key: &str, node: &Node) -> Read<bool> {
    match &node.kind {
        Kind::Bool(value) => Ok(*value),
        kind => wrong(node, format!("{key} is true or false, not {}", kind.noun())),
    }
}

pub(super) fn name(key: &str, node: &Node) -> Read<Name> {
    let text = text(key, node)?;
    if text.is_empty() || text.chars().any(char::is_control) {
        return wrong(node, format!("{key} is a name: not empty, without control characters"));
    }
    match Name::new(text) {
        Some(name) => Ok(name),
        None => wrong(
            node,
            format!(
                "a name has at most {} bytes, and \"{}\" has {}",
                Name::LONGEST,
                shortened(text),
                text.len()
            ),
        ),
    }
}

/// One of some words.
pub(super) fn word<T: Copy>(key: &str, node: &Node, words: &[(&str, T)]) -> Read<T> {
    let found = text(key, node)?;
    if let Some((_, value)) = words.iter().find(|(word, _)| *word == found) {
        return Ok(*value);
    }
    let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    let choice = choice(found, &known);
    wrong(node, format!("{key} cannot be \"{}\"{choice}", shortened(found)))
}

/// The first word for a value.
pub(super) fn word_for<T: PartialEq>(value: &T, words: &[(&'static str, T)]) -> &'static str {
    words.iter().find(|(_, found)| found == value).map_or("", |(word, _)| word)
}

/// A whole number of at least `least` and at most `most`.
pub(super) fn whole(key: &str, node: &Node, least: u64, most: u64) -> Read<u64> {
    let refuse = |shown: String| {
        wrong(node, format!("{key} is a number from {least} to {most}, not {shown}"))
    };
    let number = match &node.kind {
        Kind::Int(number) => u64::try_from(*number).ok(),
        Kind::Text(text) => parse_whole(text),
        _ => None,
    };
    match number {
        Some(number) if (least..=most).contains(&number) => Ok(number),
        _ => refuse(node.kind.noun()),
    }
}

/// A number in base 10 or, after 0x, in base 16.
fn parse_whole(text: &str) -> Option<u64> {
    let text = text.trim().replace('_', "");
    let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let (digits, radix) = hex.map_or((&*text, 10), |hex| (hex, 16));
    // No sign, which from_str_radix would take.
    digits.chars().all(|digit| digit.is_digit(radix)).then_some(())?;
    u64::from_str_radix(digits, radix).ok()
}

macro_rules! numbers {
    ($($name:ident: $type:ty),*) => {$(
        pub(super) fn $name(key: &str, node: &Node) -> Read<$type> {
            // It is at most what the type holds.
            whole(key, node, 0, <$type>::MAX.into()).map(|number| number as $type)
        }
    )*};
}
numbers!(byte: u8, short: u16, long: u32, huge: u64);

/// A `u32` that counts from 1.
pub(super) fn ordinal(key: &str, node: &Node) -> Read<u32> {
    whole(key, node, 1, u32::MAX.into()).map(|number| number as u32)
}

pub(super) fn number(number: u64) -> Node {
    match i64::try_from(number) {
        Ok(number) => Node::int(number),
        // More than TOML holds.
        Err(_) => Node::text(number.to_string()),
    }
}

pub(super) fn hex(number: u64) -> Node {
    if i64::try_from(number).is_ok() {
        Node::new(Kind::Hex(number))
    } else {
        Node::text(format!("{number:#x}"))
    }
}

/// A probability, or another share of a whole.
pub(super) fn share(key: &str, node: &Node) -> Read<f64> {
    let value = match &node.kind {
        Kind::Float(value) => Some(*value),
        Kind::Int(value) => Some(*value as f64),
        Kind::Text(text) => match text.trim().strip_suffix('%') {
            Some(percent) => percent.trim().parse().ok().map(|percent: f64| percent / 100.0),
            None => text.trim().parse().ok(),
        },
        _ => None,
    };
    match value {
        // Without a sign for zero.
        Some(value) if (0.0..=1.0).contains(&value) => Ok(value.abs()),
        _ => {
            let noun = node.kind.noun();
            wrong(node, format!("{key} is from 0 to 1, or from \"0 %\" to \"100 %\", not {noun}"))
        }
    }
}

pub(super) fn share_of(value: f64) -> Node {
    Node::new(Kind::Float(value))
}

/// A number with a unit, as a whole number of the smallest unit.
struct Units {
    /// What has such units, in a sentence.
    noun: &'static str,
    /// An example.
    example: &'static str,
    units: &'static [(&'static str, u64)],
    /// Whether a number without unit is meant.
    bare: bool,
}

const TIME: Units = Units {
    noun: "a time",
    example: "\"40 ms\"",
    units: &[
        ("us", 1),
        ("ms", 1_000),
        ("s", 1_000_000),
        ("min", 60_000_000),
        ("h", 3_600_000_000),
        ("µs", 1),
        ("usec", 1),
        ("msec", 1_000),
        ("sec", 1_000_000),
    ],
    bare: false,
};

const RATE: Units = Units {
    noun: "a rate",
    example: "\"2 Mbit/s\"",
    units: &[
        ("bit/s", 1),
        ("kbit/s", 1_000),
        ("Mbit/s", 1_000_000),
        ("Gbit/s", 1_000_000_000),
        ("bit", 1),
        ("kbit", 1_000),
        ("Mbit", 1_000_000),
        ("Gbit", 1_000_000_000),
        ("mbit", 1_000_000),
        ("gbit", 1_000_000_000),
        ("B/s", 8),
        ("kB/s", 8_000),
        ("MB/s", 8_000_000),
    ],
    bare: false,
};

const SIZE: Units = Units {
    noun: "a size",
    example: "\"64 KiB\" or 1500",
    units: &[
        ("B", 1),
        ("kB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("KB", 1_000),
        ("bytes", 1),
    ],
    bare: true,
};

impl Units {
    fn read(&self, key: &str, node: &Node) -> Read<u64> {
        let Self { noun, example, units, bare } = self;
        let text = match &node.kind {
            Kind::Text(text) => text,
            Kind::Int(number) if *bare => {
                return u64::try_from(*number).map_err(|_| {
                    Flaw::new(&node.at, format!("{key} is {noun}, which is not below 0"))
                });
            }
            kind @ (Kind::Int(_) | Kind::Float(_)) => {
                let noun_found = kind.noun();
                return wrong(
                    node,
                    format!("{key} needs a unit after {noun_found}, as in {example}"),
                );
            }
            kind => {
                return wrong(
                    node,
                    format!("{key} is {noun} such as {example}, not {}", kind.noun()),
                );
            }
        };
        let trimmed = text.trim();
        let is_digit = |character: char| character.is_ascii_digit() || "._".contains(character);
        let end = trimmed.find(|character| !is_digit(character)).unwrap_or(trimmed.len());
        let (digits, unit) = trimmed.split_at(end);
        let start = text.len() - text.trim_start().len();
        let refuse = |range: Range<usize>, message: String| {
            Err(Flaw::new(&part(node, text, start + range.start..start + range.end), message))
        };
        let whole = 0..trimmed.len();
        if digits.is_empty() {
            let shown = shortened(text);
            return refuse(whole, format!("{key} is {noun} such as {example}, not \"{shown}\""));
        }
        let unit_at = end + (unit.len() - unit.trim_start().len())..trimmed.len();
        let unit = unit.trim();
        let factor = match units.iter().find(|(name, _)| *name == unit) {
            Some((_, factor)) => *factor,
            None if unit.is_empty() && *bare => 1,
            None if unit.is_empty() => {
                return refuse(
                    whole,
                    format!("{key} needs a unit after {digits}, as in {example}"),
                );
            }
            None => {
                let names: Vec<&str> = units.iter().map(|(name, _)| *name).collect();
                let choice = choice(unit, &names);
                let unit = shortened(unit);
                return refuse(unit_at, format!("{noun} has no unit \"{unit}\"{choice}"));
            }
        };
        match exact(digits, factor) {
            Ok(value) => Ok(value),
            Err(Inexact::NoNumber) => {
                refuse(0..end, format!("{key}: \"{}\" is no number", shortened(digits)))
            }
            Err(Inexact::TooLarge) => {
                refuse(whole, format!("{key} is larger than any {}", &noun[2..]))
            }
            Err(Inexact::TooFine) => {
                let least = units.first().map_or("", |(name, _)| name);
                refuse(whole, format!("{key} is no whole number of {least}"))
            }
        }
    }

    /// In the largest of the first `count` units in which it is a whole number.
    fn write(&self, value: u64, count: usize) -> Node {
        let units = self.units.iter().take(count).rev();
        let mut fitting = units.filter(|(_, factor)| value.is_multiple_of(*factor));
        let (name, factor) = fitting.next().copied().unwrap_or(("", 1));
        Node::words(format!("{} {name}", value / factor))
    }
}

enum Inexact {
    NoNumber,
    TooLarge,
    TooFine,
}

/// `digits`, which may have a point, times `factor`.
fn exact(digits: &str, factor: u64) -> Result<u64, Inexact> {
    let digits = digits.replace('_', "");
    let (whole, fraction) = digits.split_once('.').unwrap_or((&digits, ""));
    let fraction = fraction.trim_end_matches('0');
    if whole.is_empty() || fraction.contains('.') || digits.ends_with('.') {
        return Err(Inexact::NoNumber);
    }
    let whole: u64 = whole.parse().map_err(|_| Inexact::TooLarge)?;
    let mut value = whole.checked_mul(factor).ok_or(Inexact::TooLarge)?;
    let mut left = u128::from(factor);
    let mut scaled = 0_u128;
    if !fraction.is_empty() {
        if fraction.len() > 18 {
            return Err(Inexact::TooFine);
        }
        for digit in fraction.bytes() {
            scaled = scaled * 10 + u128::from(digit - b'0');
        }
        // At most 18 digits times 64 bits.
        left *= scaled;
        let divisor = 10_u128.pow(fraction.len() as u32);
        if !left.is_multiple_of(divisor) {
            return Err(Inexact::TooFine);
        }
        let rest = u64::try_from(left / divisor).map_err(|_| Inexact::TooLarge)?;
        value = value.checked_add(rest).ok_or(Inexact::TooLarge)?;
    }
    Ok(value)
}

pub(super) fn time(key: &str, node: &Node) -> Read<Duration> {
    TIME.read(key, node).map(Duration::from_micros)
}

pub(super) fn time_of(time: Duration) -> Node {
    TIME.write(time.total_micros(), 3)
}

pub(super) fn rate(key: &str, node: &Node) -> Read<Rate> {
    match RATE.read(key, node)? {
        0 => wrong(node, format!("{key} is more than 0; what lets nothing pass is a blackhole")),
        bits => Ok(Rate(bits)),
    }
}

pub(super) fn rate_of(rate: Rate) -> Node {
    RATE.write(rate.0, 4)
}

/// Bytes.
pub(super) fn bytes(key: &str, node: &Node) -> Read<u64> {
    SIZE.read(key, node)
}

/// Bytes, at most as many as a `u32` holds.
pub(super) fn size(key: &str, node: &Node) -> Read<u32> {
    let bytes = SIZE.read(key, node)?;
    u32::try_from(bytes).or_else(|_| wrong(node, format!("{key} is less than 4 GiB")))
}

pub(super) fn size_of(size: u32) -> Node {
    // KiB and MiB are what people mean by round numbers.
    let (value, unit) = match size {
        0 => (0, "B"),
        size if size.is_multiple_of(1 << 20) => (size >> 20, "MiB"),
        size if size.is_multiple_of(1 << 10) => (size >> 10, "KiB"),
        size => (size, "B"),
    };
    Node::words(format!("{value} {unit}"))
}

/// A range of numbers of at most `most`.
pub(super) fn range(key: &str, node: &Node, most: u64) -> Read<Span> {
    let span = match &node.kind {
        Kind::Text(text) => match parse_range(text) {
            Some(span) => span,
            None => {
                let shown = shortened(text);
                return wrong(
                    node,
                    format!(
                        "{key} is a number or a range such as \"> 0\", \"< 10\" or \"5..=9\", not \"{shown}\""
                    ),
                );
            }
        },
        Kind::Int(number) => match u64::try_from(*number) {
            Ok(number) => Span::only(number),
            Err(_) => return wrong(node, format!("{key} is not below 0")),
        },
        kind => {
            return wrong(node, format!("{key} is a number or a range, not {}", kind.noun()));
        }
    };
    if span.is_empty() {
        return wrong(node, format!("nothing is in the range of {key}"));
    }
    if span.first > most || (span.last > most && span.last != u64::MAX) {
        return wrong(node, format!("{key} is from 0 to {most}, not {}", node.kind.noun()));
    }
    Ok(span)
}

fn parse_range(text: &str) -> Option<Span> {
    // Empty, as first is greater than last.
    const EMPTY: Span = Span::new(1, 0);
    let text = text.trim();
    if let Some(least) = text.strip_prefix(">=") {
        return Some(Span::from(parse_whole(least)?));
    }
    if let Some(below) = text.strip_prefix('>') {
        return Some(parse_whole(below)?.checked_add(1).map_or(EMPTY, Span::from));
    }
    if let Some(most) = text.strip_prefix("<=") {
        return Some(Span::new(0, parse_whole(most)?));
    }
    if let Some(above) = text.strip_prefix('<') {
        return Some(parse_whole(above)?.checked_sub(1).map_or(EMPTY, |last| Span::new(0, last)));
    }
    if let Some((first, last)) = text.split_once("..=").or_else(|| text.split_once('-')) {
        let first = if first.is_empty() { 0 } else { parse_whole(first)? };
        return Some(Span::new(first, parse_whole(last)?));
    }
    if let Some((first, last)) = text.split_once("..") {
        let first = if first.is_empty() { 0 } else { parse_whole(first)? };
        if last.is_empty() {
            return Some(Span::from(first));
        }
        return Some(
            parse_whole(last)?.checked_sub(1).map_or(EMPTY, |last| Span::new(first, last)),
        );
    }
    parse_whole(text).map(Span::only)
}

pub(super) fn range_of(span: Span) -> Node {
    match span {
        Span { first, last } if first == last => number(first),
        Span { first, last: u64::MAX } => Node::words(format!(">= {first}")),
        Span { first: 0, last } => Node::words(format!("<= {last}")),
        Span { first, last } => Node::words(format!("{first}..={last}")),
    }
}

/// Several values, as a list or with commas between them.
fn several(node: &Node) -> Vec<Node> {
    match &node.kind {
        Kind::List(items) => items.clone(),
        Kind::Text(text) => {
            let mut items = Vec::new();
            let mut start = 0;
            for item in text.split(',') {
                let inner = item.trim();
                let at = start + (item.len() - item.trim_start().len());
                items.push(Node {
                    at: part(node, text, at..at + inner.len()),
                    kind: Kind::Text(inner.to_owned()),
                });
                start += item.len() + 1;
            }
            items
        }
        _ => Vec::from([node.clone()]),
    }
}

/// At most `N` values.
fn collect<T: Copy, const N: usize>(
    key: &str,
    node: &Node,
    fill: T,
    read: impl Fn(&str, &Node) -> Read<T>,
) -> Read<Short<T, N>> {
    let mut list = Short::empty(fill);
    for item in several(node) {
        if list.push(read(key, &item)?).is_err() {
            return wrong(&item, format!("{key} has at most {N} values"));
        }
    }
    if list.is_empty() {
        return wrong(node, format!("{key} is not empty"));
    }
    Ok(list)
}

pub(super) fn ports(key: &str, node: &Node) -> Read<Ports> {
    collect(key, node, Span::only(0), |_, item| {
        let port = range("a port", item, u16::MAX.into())?;
        Ok(Span::new(port.first, port.last.min(u16::MAX.into())))
    })
}

pub(super) fn ports_of(ports: &Ports) -> Node {
    match **ports {
        [port] => range_of(port),
        _ => Node::new(Kind::List(ports.iter().map(|port| range_of(*port)).collect())),
    }
}

pub(super) fn ordinals(key: &str, node: &Node) -> Read<Short<u32, 16>> {
    collect(key, node, 0, ordinal)
}

const FLAGS: [(&str, u8); 8] = [
    ("FIN", 1),
    ("SYN", 2),
    ("RST", 4),
    ("PSH", 8),
    ("ACK", 16),
    ("URG", 32),
    ("ECE", 64),
    ("CWR", 128),
];

pub(super) fn flags(key: &str, node: &Node) -> Read<Flags> {
    let text = text(key, node)?;
    let trimmed = text.trim_start();
    let exactly = trimmed.starts_with('=');
    let (mut set, mut clear) = (0, 0);
    let mut rest = trimmed.strip_prefix('=').unwrap_or(trimmed);
    loop {
        rest = rest.trim_start();
        let Some(first) = rest.chars().next() else { break };
        let start = text.len() - rest.len();
        let sign = matches!(first, '+' | '-');
        let letters = if sign { &rest[1..] } else { rest };
        let end =
            letters.find(|letter: char| !letter.is_ascii_alphanumeric()).unwrap_or(letters.len());
        let (name, behind) = letters.split_at(end);
        let at = part(node, text, start..start + usize::from(sign) + end.max(1));
        if !sign && !exactly {
            return Err(Flaw::new(
                &at,
                "flags have a + or - before each, or = before all: \"+SYN -ACK\" or \"=RST\"",
            ));
        }
        let Some((_, bit)) = FLAGS.iter().find(|(flag, _)| flag.eq_ignore_ascii_case(name)) else {
            let known = FLAGS.map(|(flag, _)| flag);
            let choice = choice(&name.to_uppercase(), &known);
            return Err(Flaw::new(&at, format!("TCP has no flag \"{}\"{choice}", shortened(name))));
        };
        if first == '-' && exactly {
            return Err(Flaw::new(&at, "after = no flag is excluded: all others are"));
        }
        match first {
            '-' => clear |= bit,
            _ => set |= bit,
        }
        rest = behind;
    }
    match (exactly, set & clear) {
        (true, _) => Ok(Flags::Exactly(set)),
        (false, 0) => Ok(Flags::Some { set, clear }),
        _ => wrong(node, "a flag cannot be set and clear at once"),
    }
}

pub(super) fn flags_of(flags: Flags) -> Node {
    let (first, set, clear) = match flags {
        Flags::Exactly(set) => ("=", set, 0),
        Flags::Some { set, clear } => ("+", set, clear),
    };
    let mut text = String::new();
    for (sign, bits) in [(first, set), ("-", clear)] {
        for (flag, _) in FLAGS.iter().filter(|(_, bit)| bits & bit != 0) {
            let sign = match sign {
                "=" if !text.is_empty() => "+",
                sign => sign,
            };
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(sign);
            text.push_str(flag);
        }
    }
    if first == "=" && text.is_empty() {
        text.push('=');
    }
    Node::words(text)
}

pub(super) fn address(key: &str, node: &Node) -> Read<IpAddress> {
    let text = text(key, node)?;
    match text.trim().parse::<IpAddr>() {
        Ok(address) => Ok(address.into()),
        Err(_) => wrong(node, format!("{key} is an IP address, not \"{}\"", shortened(text))),
    }
}

pub(super) fn cidr(key: &str, node: &Node) -> Read<IpCidr> {
    let text = text(key, node)?.trim();
    let (address, prefix) = text.split_once('/').map_or((text, None), |(a, b)| (a, Some(b)));
    let parsed = address.parse::<IpAddr>().ok().and_then(|address| {
        let most = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(prefix) => parse_whole(prefix).filter(|prefix| *prefix <= most)?,
            None => most,
        };
        Some(IpCidr::new(address.into(), prefix as u8))
    });
    match parsed {
        Some(cidr) => Ok(cidr),
        None => wrong(
            node,
            format!(
                "{key} is an IP address with or without prefix, such as \"10.0.0.0/8\" or \"fd00::1\", not \"{}\"",
                shortened(text)
            ),
        ),
    }
}

pub(super) fn hardware(key: &str, node: &Node) -> Read<EthernetAddress> {
    let text = text(key, node)?;
    let mut address = [0; 6];
    let mut parts = text.trim().split([':', '-']);
    let mut right = true;
    for byte in &mut address {
        let digits = parts.next().unwrap_or("");
        let two = digits.len() == 2 && digits.chars().all(|digit| digit.is_ascii_hexdigit());
        right &= two;
        *byte = u8::from_str_radix(digits, 16).unwrap_or(0);
    }
    if right && parts.next().is_none() {
        return Ok(EthernetAddress(address));
    }
    let shown = shortened(text);
    wrong(node, format!("{key} is a MAC address such as \"02:00:00:00:00:01\", not \"{shown}\""))
}

pub(super) fn hardware_of(address: EthernetAddress) -> Node {
    let [a, b, c, d, e, f] = address.0;
    Node::text(format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}"))
}

/// A text, or `{ hex = "..." }`.
pub(super) fn pattern(key: &str, node: &Node) -> Read<Pattern> {
    let bytes = match &node.kind {
        Kind::Text(text) => text.as_bytes().to_vec(),
        Kind::Table(entries) => match &entries[..] {
            [entry] if entry.key == "text" => text("text", &entry.value)?.as_bytes().to_vec(),
            [entry] if entry.key == "hex" => {
                let text = text("hex", &entry.value)?;
                let Some(bytes) = hex_bytes(text) else {
                    return wrong(
                        &entry.value,
                        "hex has two digits for each byte, such as \"de ad\"",
                    );
                };
                bytes
            }
            _ => return wrong(node, format!("{key} is a text or {{ hex = \"de ad\" }}")),
        },
        kind => {
            return wrong(
                node,
                format!("{key} is a text or {{ hex = \"de ad\" }}, not {}", kind.noun()),
            );
        }
    };
    match Short::of(0, &bytes) {
        Some(pattern) => Ok(pattern),
        None => wrong(node, format!("{key} has at most 64 bytes, not {}", bytes.len())),
    }
}

fn hex_bytes(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<char> = text.chars().filter(|digit| !" :".contains(*digit)).collect();
    let mut bytes = Vec::new();
    for pair in digits.chunks(2) {
        let [high, low] = pair else { return None };
        bytes.push((high.to_digit(16)? * 16 + low.to_digit(16)?) as u8);
    }
    Some(bytes)
}

pub(super) fn pattern_of(pattern: &Pattern) -> Node {
    match core::str::from_utf8(pattern) {
        Ok(text) if !text.chars().any(char::is_control) => Node::text(text),
        _ => {
            let mut digits = String::new();
            for (index, byte) in pattern.iter().enumerate() {
                let space = if index == 0 { "" } else { " " };
                digits.push_str(&format!("{space}{byte:02x}"));
            }
            super::write::table([("hex", Node::words(digits))])
        }
    }
}
