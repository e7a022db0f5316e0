//! Packets on their way out that are longer than their path takes: cut into fragments (RFC 791
//! section 3.2, RFC 8200 section 4.5), and identified.

use core::hash::{Hash, Hasher};
use core::ops::Range;

use siphasher::sip::SipHasher13;
use smoltcp::wire::IpAddress;

use super::checksum;
use super::extension::{self, IPV6_HEADER_LEN};

/// Bytes of an IPv4 header without options: none that this host sends has any.
const IPV4_HEADER_LEN: usize = 20;
/// Bytes of an IPv6 fragment header.
pub const FRAGMENT_HEADER_LEN: usize = 8;

/// Lets routers cut an IPv4 packet: takes its "don't fragment" away and identifies it. Leaves one
/// of IPv6, which no router cuts, as it is.
pub(super) fn allow(packet: &mut [u8], identification: u32) {
    if let Some(header) = packet.first_chunk_mut::<IPV4_HEADER_LEN>()
        && header[0] >> 4 == 4
    {
        header[4..6].copy_from_slice(&(identification as u16).to_be_bytes());
        header[6] &= !0x40;
    }
}

/// Whether routers may cut this packet, and so may this host: false for "don't fragment". Nobody
/// forbids it in an IPv6 packet.
pub(super) fn is_allowed(packet: &[u8]) -> bool {
    match packet.first_chunk::<IPV4_HEADER_LEN>() {
        Some(header) if header[0] >> 4 == 4 => header[6] & 0x40 == 0,
        Some(_) => true,
        None => false,
    }
}

/// The numbers that tell the fragments of one packet from those of another.
///
/// Whoever can guess them can put wrong fragments between ours (RFC 7739 section 3). Numbers that
/// were random would repeat too soon, as IPv4 has only 65,536 of them (RFC 6864 section 4). So
/// they count up from a secret of each pair of hosts, by counters that few pairs share
/// (RFC 7739 section 5.3).
#[derive(Debug)]
pub(super) struct Identifications {
    key: [u64; 2],
    counters: [u32; 64],
}

impl Identifications {
    pub(super) fn new(key: [u64; 2]) -> Self {
        Self { key, counters: [0; 64] }
    }

    /// The next number from `source` to `destination`.
    pub(super) fn next(&mut self, source: IpAddress, destination: IpAddress) -> u32 {
        let mut hasher = SipHasher13::new_with_keys(self.key[0], self.key[1]);
        (source, destination).hash(&mut hasher);
        let hash = hasher.finish();
        // The two halves of the hash serve as two secrets.
        let counter = &mut self.counters[(hash >> 32) as usize % 64];
        *counter = counter.wrapping_add(1);
        (hash as u32).wrapping_add(*counter)
    }
}

/// A packet that is being cut.
///
/// The fragments come into being where the packet stands, each header before its data, in place
/// of what was sent already: nothing is copied, and no second buffer is needed.
#[derive(Debug)]
pub struct Cut {
    /// The header of every fragment but for its lengths and its place.
    header: heapless::Vec<u8, { IPV6_HEADER_LEN + FRAGMENT_HEADER_LEN }>,
    /// Where the data of the next fragment begins in the buffer.
    next: usize,
    /// Where the packet's data begins and ends.
    data: Range<usize>,
    /// Bytes of data in every fragment but the last: a multiple of eight.
    step: usize,
}

impl Cut {
    /// Cuts the packet at `range` of `buffer` into fragments of at most `mtu` bytes, which must be
    /// at least 1280 for IPv6 and 68 for IPv4. `None` when it is no packet that can be cut; an
    /// IPv6 packet needs [`FRAGMENT_HEADER_LEN`] bytes behind it in the buffer. Its checksums must
    /// be right already.
    pub fn new(
        buffer: &mut [u8],
        range: Range<usize>,
        mtu: usize,
        identification: u32,
    ) -> Option<Self> {
        let packet = buffer.get(range.clone())?;
        let mut header = heapless::Vec::new();
        let data = match packet.first()? >> 4 {
            4 => {
                if packet[0] != 0x45 || !is_allowed(packet) {
                    return None;
                }
                header.extend_from_slice(packet.get(..IPV4_HEADER_LEN)?).ok()?;
                range.start + IPV4_HEADER_LEN..range.end
            }
            6 => {
                header.extend_from_slice(packet.get(..IPV6_HEADER_LEN)?).ok()?;
                let protocol = core::mem::replace(&mut header[6], extension::FRAGMENT);
                header.extend_from_slice(&[protocol, 0, 0, 0]).ok()?;
                header.extend_from_slice(&identification.to_be_bytes()).ok()?;
                // The first fragment's header is longer than the one that stands there.
                let start = range.start + IPV6_HEADER_LEN;
                let moved = start + FRAGMENT_HEADER_LEN..range.end + FRAGMENT_HEADER_LEN;
                buffer.get(moved.clone())?;
                buffer.copy_within(start..range.end, moved.start);
                moved
            }
            _ => return None,
        };
        let step = mtu.checked_sub(header.len())? / 8 * 8;
        (step > 0).then_some(Self { header, next: data.start, data, step })
    }

    /// How many fragments it makes in all.
    pub fn count(&self) -> usize {
        self.data.len().div_ceil(self.step)
    }

    /// Makes the next fragment in `buffer`, and says where it stands. What stands before it in the
    /// buffer is of no use any more.
    pub fn next(&mut self, buffer: &mut [u8]) -> Option<Range<usize>> {
        let offset = self.next - self.data.start;
        let end = self.data.end.min(self.next + self.step);
        if self.next >= end {
            return None;
        }
        let range = self.next.checked_sub(self.header.len())?..end;
        let more = end < self.data.end;
        self.next = end;
        let fragment = buffer.get_mut(range.clone())?;
        // Neither is longer than the packet was, whose length has 16 bits.
        let (length, offset) = (fragment.len() as u16, offset as u16);
        let (header, _) = fragment.split_at_mut(self.header.len());
        header.copy_from_slice(&self.header);
        if self.header.len() == IPV4_HEADER_LEN {
            header[2..4].copy_from_slice(&length.to_be_bytes());
            let place = (offset / 8) | (u16::from(more) << 13);
            header[6..8].copy_from_slice(&place.to_be_bytes());
            checksum::fill_header(header);
        } else {
            let payload = length - IPV6_HEADER_LEN as u16;
            header[4..6].copy_from_slice(&payload.to_be_bytes());
            let place = offset | u16::from(more);
            header[IPV6_HEADER_LEN + 2..IPV6_HEADER_LEN + 4].copy_from_slice(&place.to_be_bytes());
        }
        Some(range)
    }
}

#[cfg(all(test, feature = "alloc"))]
mod tests;
