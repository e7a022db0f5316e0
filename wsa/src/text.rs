//! Addresses as text: inet_addr, inet_ntoa, inet_pton, inet_ntop.
//!
//! None of them needs a process, and all work before WSAStartup.

use core::fmt::{self, Write};
use core::net::{Ipv4Addr, Ipv6Addr};
use core::str;

use crate::address::Family;

/// inet_addr: the address that a text of one to four numbers says, each decimal, octal (a leading
/// 0) or hexadecimal (a leading 0x). The last one fills what the others leave: `10.1` is 10.0.0.1.
/// What follows white space does not count. A single space is 0.0.0.0, nothing at all is no
/// address.
pub fn inet_addr(text: &[u8]) -> Option<Ipv4Addr> {
    if text.is_empty() {
        return None;
    }
    let end = text.iter().position(|byte| is_space(*byte)).unwrap_or(text.len());
    let text = &text[..end];
    if text.is_empty() {
        return Some(Ipv4Addr::UNSPECIFIED);
    }
    let mut parts = text.split(|byte| *byte == b'.');
    let mut address = 0u32;
    let mut filled = 0;
    let mut part = number(parts.next()?)?;
    for next in parts {
        // All but the last are one octet, and there is room for three of them.
        if filled == 3 {
            return None;
        }
        address = (address << 8) | u32::from(u8::try_from(part).ok()?);
        filled += 1;
        part = number(next)?;
    }
    let bits = 32 - 8 * filled;
    if bits < 32 && part >> bits != 0 {
        return None;
    }
    let high = address.checked_shl(bits).unwrap_or(0);
    Some(Ipv4Addr::from_bits(high | part))
}

/// White space as C knows it.
const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | 0x0B | 0x0C | b'\r')
}

fn number(text: &[u8]) -> Option<u32> {
    let (digits, radix) = match text {
        [b'0', b'x' | b'X', rest @ ..] => (rest, 16),
        [b'0', rest @ ..] if !rest.is_empty() => (rest, 8),
        _ => (text, 10),
    };
    if digits.first().is_none_or(|first| !first.is_ascii_alphanumeric()) {
        return None;
    }
    u32::from_str_radix(str::from_utf8(digits).ok()?, radix).ok()
}

/// inet_pton for an IPv4 address: four decimal numbers.
pub fn parse_v4(text: &[u8]) -> Option<Ipv4Addr> {
    str::from_utf8(text).ok()?.parse().ok()
}

/// inet_pton for an IPv6 address, in any of RFC 4291's forms and without a scope.
pub fn parse_v6(text: &[u8]) -> Option<Ipv6Addr> {
    str::from_utf8(text).ok()?.parse().ok()
}

/// The longest text of an address of this family with its NUL, in bytes: INET_ADDRSTRLEN and
/// INET6_ADDRSTRLEN without the room that Windows leaves for a port and a scope.
pub const fn longest(family: Family) -> usize {
    match family {
        Family::V4 => 16,
        #[cfg(feature = "ipv6")]
        Family::V6 => LONGEST,
    }
}

/// The longest text of any family.
const LONGEST: usize = 46;

/// The text of an address with a NUL behind it.
#[derive(Debug, Clone, Copy)]
pub struct AddressText {
    bytes: [u8; LONGEST],
    len: usize,
}

impl AddressText {
    /// inet_ntop, and inet_ntoa for an IPv4 address; IPv6 in the form of RFC 5952.
    pub fn of(address: impl fmt::Display) -> Self {
        let mut text = Self { bytes: [0; LONGEST], len: 0 };
        // An address is never longer; what is, is cut.
        let _ = write!(text, "{address}");
        text
    }

    /// The text, with its NUL.
    pub fn with_nul(&self) -> &[u8] {
        &self.bytes[..=self.len]
    }
}

impl Write for AddressText {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // One byte stays for the NUL.
        let room = self.bytes.len() - 1 - self.len;
        let text = text.as_bytes().get(..text.len().min(room)).unwrap_or_default();
        self.bytes[self.len..self.len + text.len()].copy_from_slice(text);
        self.len += text.len();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(text: &str) -> Option<[u8; 4]> {
        inet_addr(text.as_bytes()).map(|address| address.octets())
    }

    #[test]
    fn inet_addr_takes_one_to_four_numbers_in_three_bases() {
        assert_eq!(v4("1.2.3.4"), Some([1, 2, 3, 4]));
        assert_eq!(v4("1.2.772"), Some([1, 2, 3, 4]));
        assert_eq!(v4("1.131844"), Some([1, 2, 3, 4]));
        assert_eq!(v4("16909060"), Some([1, 2, 3, 4]));
        assert_eq!(v4("0x7f.1"), Some([127, 0, 0, 1]));
        assert_eq!(v4("0X7F000001"), Some([127, 0, 0, 1]));
        assert_eq!(v4("0177.0.0.01"), Some([127, 0, 0, 1]));
        assert_eq!(v4("0"), Some([0, 0, 0, 0]));
        assert_eq!(v4("255.255.255.255"), Some([255, 255, 255, 255]));
    }

    #[test]
    fn inet_addr_ends_at_white_space() {
        assert_eq!(v4("1.2.3.4 and more"), Some([1, 2, 3, 4]));
        assert_eq!(v4("1.2.3.4\n"), Some([1, 2, 3, 4]));
        assert_eq!(v4(" "), Some([0, 0, 0, 0]));
        assert_eq!(v4(""), None);
    }

    #[test]
    fn inet_addr_refuses_what_does_not_fit() {
        // Each beside the last that does.
        assert_eq!(v4("1.2.3.255"), Some([1, 2, 3, 255]));
        assert_eq!(v4("1.2.3.256"), None);
        assert_eq!(v4("1.2.65535"), Some([1, 2, 255, 255]));
        assert_eq!(v4("1.2.65536"), None);
        assert_eq!(v4("1.16777215"), Some([1, 255, 255, 255]));
        assert_eq!(v4("1.16777216"), None);
        assert_eq!(v4("4294967295"), Some([255, 255, 255, 255]));
        assert_eq!(v4("4294967296"), None);
        assert_eq!(v4("256.1"), None);
        for bad in ["1.2.3.4.5", "1.2.3.", ".1", "1..2", "08", "0x", "0xg", "1a", "-1", "+1", "é"]
        {
            assert_eq!(v4(bad), None, "{bad}");
        }
    }

    #[test]
    fn inet_pton_is_strict() {
        assert_eq!(parse_v4(b"1.2.3.4"), Some(Ipv4Addr::new(1, 2, 3, 4)));
        for bad in ["1.2.3", "01.2.3.4", "0x1.2.3.4", "1.2.3.4 ", "256.1.1.1", ""] {
            assert_eq!(parse_v4(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(parse_v6(b"fe80::1"), Some(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1)));
        for bad in ["fe80::1%1", "[::1]", "1::2::3", "12345::", "", "1.2.3.4"] {
            assert_eq!(parse_v6(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn texts_end_with_a_nul() {
        let text = |address: Ipv6Addr| AddressText::of(address);
        assert_eq!(AddressText::of(Ipv4Addr::BROADCAST).with_nul(), b"255.255.255.255\0");
        assert_eq!(text(Ipv6Addr::LOCALHOST).with_nul(), b"::1\0");
        let mapped = Ipv4Addr::BROADCAST.to_ipv6_mapped();
        assert_eq!(text(mapped).with_nul(), b"::ffff:255.255.255.255\0");
        let long = Ipv6Addr::from_bits(u128::MAX);
        assert_eq!(text(long).with_nul(), b"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff\0");
    }
}
