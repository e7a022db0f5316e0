//! The Internet checksum (RFC 1071) of whole IP packets.

use super::extension;

pub(crate) const TCP: u8 = 6;
pub(crate) const UDP: u8 = 17;
const ICMP: u8 = 1;
const ICMPV6: u8 = 58;

/// A one's complement sum that was not folded yet.
#[derive(Debug, Clone, Copy, Default)]
struct Sum(u64);

impl Sum {
    /// Adds `bytes`, which begin at an even offset. An odd last byte is padded with zero.
    fn add(mut self, bytes: &[u8]) -> Self {
        // The sum is the same in either byte order up to a swap at the end (RFC 1071 section 2),
        // and 32-bit halves in a 64-bit accumulator cannot overflow below 16 GiB.
        let mut chunks = bytes.chunks_exact(8);
        let mut accumulator = 0u64;
        for chunk in &mut chunks {
            let [a, b, c, d, e, f, g, h] = *chunk else { continue };
            let word = u64::from_ne_bytes([a, b, c, d, e, f, g, h]);
            accumulator += (word & 0xffff_ffff) + (word >> 32);
        }
        let mut rest = [0; 8];
        rest.iter_mut().zip(chunks.remainder()).for_each(|(to, from)| *to = *from);
        let word = u64::from_ne_bytes(rest);
        accumulator += (word & 0xffff_ffff) + (word >> 32);
        self.0 += fold32(accumulator);
        self
    }

    fn add_word(self, word: u16) -> Self {
        self.add(&word.to_be_bytes())
    }

    /// The sum in 16 bits, in network order.
    fn fold(self) -> u16 {
        let sum = fold32(self.0);
        let sum = (sum & 0xffff) + (sum >> 16);
        let sum = (sum & 0xffff) + (sum >> 16);
        u16::from_be(((sum & 0xffff) + (sum >> 16)) as u16)
    }
}

fn fold32(sum: u64) -> u64 {
    let sum = (sum & 0xffff_ffff) + (sum >> 32);
    (sum & 0xffff_ffff) + (sum >> 32)
}

/// The one's complement sum of `bytes` in 16 bits; over data that contains its checksum it is
/// 0xffff.
pub fn sum(bytes: &[u8]) -> u16 {
    Sum::default().add(bytes).fold()
}

/// The checksum after one aligned 16-bit word of the data changed from `old` to `new`
/// (RFC 1624 section 3, equation 3).
pub fn update(checksum: u16, old: u16, new: u16) -> u16 {
    let sum = u32::from(!checksum) + u32::from(!old) + u32::from(new);
    let sum = (sum & 0xffff) + (sum >> 16);
    !(((sum & 0xffff) + (sum >> 16)) as u16)
}

/// Where the checksums of a packet stand.
struct Layout {
    /// Length of the IPv4 header; 0 for IPv6, whose header has no checksum.
    ipv4_header: usize,
    /// The upper layer's protocol, first and last byte, and its checksum's place there. `None`
    /// for fragments and for protocols without a checksum that is known here.
    upper: Option<Upper>,
}

struct Upper {
    protocol: u8,
    start: usize,
    end: usize,
    field: usize,
}

/// Where everything is in `packet`, or `None` when its lengths contradict each other.
fn layout(packet: &[u8]) -> Option<Layout> {
    let word = |at: usize| Some(u16::from_be_bytes([*packet.get(at)?, *packet.get(at + 1)?]));
    let (ipv4_header, protocol, start, end) = match packet.first()? >> 4 {
        4 => {
            let header = usize::from(packet[0] & 0x0f) * 4;
            let total = usize::from(word(2)?);
            if header < 20 || total < header || packet.len() < total {
                return None;
            }
            // More fragments follow, or this is not the first one.
            let whole = word(6)? & 0x3fff == 0;
            (header, whole.then_some(packet[9]), header, total)
        }
        6 => {
            let total = extension::IPV6_HEADER_LEN + usize::from(word(4)?);
            if packet.len() < total {
                return None;
            }
            let mut whole = true;
            let (protocol, start) = extension::walk(&packet[..total], |kind, _, header| {
                // Offset and more-fragments bit; an atomic fragment (RFC 6946) is whole.
                whole &= kind != extension::FRAGMENT || header[2] == 0 && header[3] & 0xf9 == 0;
                Ok::<(), ()>(())
            })
            .ok()?;
            (0, whole.then_some(protocol), start, total)
        }
        _ => return None,
    };
    let Some(protocol) = protocol else { return Some(Layout { ipv4_header, upper: None }) };
    let (field, shortest, end) = match (protocol, ipv4_header != 0) {
        (TCP, _) => (16, 20, end),
        (UDP, _) => {
            // What the datagram's own length leaves over is padding (RFC 768).
            let length = usize::from(word(start + 4)?);
            if length > end - start {
                return None;
            }
            (6, 8, start + length)
        }
        (ICMP, true) => (2, 4, end),
        (ICMPV6, false) => (2, 4, end),
        _ => return Some(Layout { ipv4_header, upper: None }),
    };
    if end - start < shortest {
        return None;
    }
    Some(Layout { ipv4_header, upper: Some(Upper { protocol, start, end, field }) })
}

/// The sum over the pseudo-header, where the protocol has one, and the upper layer.
fn upper_sum(packet: &[u8], ipv4: bool, upper: &Upper) -> Sum {
    pseudo_sum(packet, ipv4, upper).add(packet.get(upper.start..upper.end).unwrap_or_default())
}

/// The sum over the pseudo-header, where the protocol has one.
fn pseudo_sum(packet: &[u8], ipv4: bool, upper: &Upper) -> Sum {
    let pseudo = match (upper.protocol, ipv4) {
        (ICMP, _) => return Sum::default(),
        (_, true) => Sum::default().add(packet.get(12..20).unwrap_or_default()),
        (_, false) => Sum::default().add(packet.get(8..40).unwrap_or_default()),
    };
    // The length has 32 bits in IPv6's pseudo-header and 16 in IPv4's; no packet here is longer
    // than 65,575 bytes.
    let length = (upper.end - upper.start) as u32;
    pseudo.add_word((length >> 16) as u16).add_word(length as u16).add_word(upper.protocol.into())
}

/// Writes the checksums of a whole IP packet: the IPv4 header's, and that of TCP, UDP, ICMP or
/// ICMPv6 behind it, except in a fragment. A packet whose lengths contradict each other is left
/// as it is.
pub fn fill(packet: &mut [u8]) {
    let Some(layout) = layout(packet) else { return };
    let ipv4 = layout.ipv4_header != 0;
    if let Some(upper) = &layout.upper {
        write_word(packet, upper.start + upper.field, 0);
        let checksum = match !upper_sum(packet, ipv4, upper).fold() {
            // Zero would mean that there is none (RFC 768).
            0 if upper.protocol == UDP => 0xffff,
            checksum => checksum,
        };
        write_word(packet, upper.start + upper.field, checksum);
    }
    if ipv4 {
        fill_header(packet.get_mut(..layout.ipv4_header).unwrap_or_default());
    }
}

/// Writes a word that stands whole in `packet`.
fn write_word(packet: &mut [u8], at: usize, word: u16) {
    if let Some(field) = packet.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
        *field = word.to_be_bytes();
    }
}

/// The same for a UDP datagram that has no checksum of its own: zero, over IPv4 (RFC 768). Any
/// other packet gets all checksums.
pub fn fill_unchecked(packet: &mut [u8]) {
    match layout(packet) {
        Some(Layout {
            ipv4_header: header @ 1..,
            upper: Some(Upper { protocol: UDP, start, field, .. }),
        }) => {
            write_word(packet, start + field, 0);
            fill_header(packet.get_mut(..header).unwrap_or_default());
        }
        _ => fill(packet),
    }
}

/// Where TCP or UDP stands in a packet: its protocol, where its header begins, and where in that its
/// checksum stands. `None` for anything else, and for fragments.
pub(crate) fn transport(packet: &[u8]) -> Option<(u8, usize, usize)> {
    let Upper { protocol, start, end: _, field } = layout(packet)?.upper?;
    matches!(protocol, TCP | UDP).then_some((protocol, start, field))
}

/// How long the headers of a packet say that it is.
pub(crate) fn total_len(packet: &[u8]) -> Option<usize> {
    let word =
        |at: usize| Some(usize::from(u16::from_be_bytes([*packet.get(at)?, *packet.get(at + 1)?])));
    match packet.first()? >> 4 {
        4 => word(2),
        6 => Some(extension::IPV6_HEADER_LEN + word(4)?),
        _ => None,
    }
}

/// Writes the checksum of the IPv4 header and, in place of that of TCP or UDP, the sum of its
/// pseudo-header, from which a device goes on. Gives where TCP or UDP begins, and where in it the
/// field stands. `None` for any other packet, which is left as it is.
pub(crate) fn fill_partial(packet: &mut [u8]) -> Option<(usize, usize)> {
    let layout = layout(packet)?;
    let upper = layout.upper.filter(|upper| matches!(upper.protocol, TCP | UDP))?;
    let ipv4 = layout.ipv4_header != 0;
    let at = upper.start + upper.field;
    let sum = pseudo_sum(packet, ipv4, &upper).fold();
    *packet.get_mut(at..)?.first_chunk_mut()? = sum.to_be_bytes();
    if ipv4 {
        fill_header(packet.get_mut(..layout.ipv4_header)?);
    }
    Some((upper.start, upper.field))
}

/// Writes the checksum of the IPv4 header of a packet; IPv6 has none.
pub(crate) fn fill_ip(packet: &mut [u8]) {
    if let Some(Layout { ipv4_header: header @ 1.., .. }) = layout(packet) {
        fill_header(packet.get_mut(..header).unwrap_or_default());
    }
}

/// Writes the checksum of an IPv4 header, which must be whole.
pub(super) fn fill_header(header: &mut [u8]) {
    write_word(header, 10, 0);
    let checksum = !sum(header);
    write_word(header, 10, checksum);
}

/// Whether every checksum that [`fill`] would write is right. A UDP checksum of zero is for IPv4
/// (RFC 768), not for IPv6 (RFC 8200 section 8.1). False when the lengths contradict each other.
pub fn verify(packet: &[u8]) -> bool {
    verify_header(packet) && verify_upper(packet)
}

/// Whether the checksum of the IPv4 header is right; IPv6 has none.
pub(crate) fn verify_header(packet: &[u8]) -> bool {
    match packet.first().map(|first| (first >> 4, usize::from(first & 0x0f) * 4)) {
        Some((4, length)) => packet.get(..length).is_some_and(|header| sum(header) == 0xffff),
        Some((6, _)) => true,
        _ => false,
    }
}

/// Whether the upper layer's checksum is right.
pub(super) fn verify_upper(packet: &[u8]) -> bool {
    let Some(layout) = layout(packet) else { return false };
    let Some(upper) = &layout.upper else { return true };
    let ipv4 = layout.ipv4_header != 0;
    let at = upper.start + upper.field;
    if upper.protocol == UDP && packet.get(at..at + 2) == Some(&[0, 0]) {
        return ipv4;
    }
    upper_sum(packet, ipv4, upper).fold() == 0xffff
}

#[cfg(all(test, feature = "alloc"))]
mod tests;
