//! Fragments on their way in: put together, for both families (RFC 791 section 3.2, RFC 8200
//! section 4.5).
//!
//! Each packet that is being put together has a place in a list that is kept in the order of
//! arrival, so that the first one is the oldest, and the next to expire. Everything is bounded:
//! when a bound is met, the oldest goes.
//!
//! No fragment may overlap another one (RFC 5722, and the same for IPv4, where overlaps serve
//! attackers only). One that repeats an earlier one byte for byte was duplicated on its way and is
//! ignored; any other overlap abandons the whole packet, and what arrives of it later is dropped
//! too, until its time is over.

use smoltcp::time::{Duration, Instant};
use smoltcp::wire::IpAddress;

use super::checksum;
use super::extension::{self, IPV6_HEADER_LEN};
use super::sanity::{Delivery, FragmentHeader, Parsed, Reason};
use crate::storage::{List, Packet, Storage};

/// How long fragments wait for the others of their packet, from the first that arrived
/// (RFC 8200 section 4.5; RFC 1122 section 3.3.2 wants 60 to 120 seconds).
pub const TIMEOUT: Duration = Duration::from_secs(60);
/// The most packets that are put together at a time, where the storage grows.
pub const PACKETS: usize = 128;
/// The most bytes of all packets that are being put together.
pub const BYTES: usize = 4 << 20;
/// The most fragments of a packet. With 128 the largest packet may come in pieces of 512 bytes,
/// which is less than the 576 that every IPv4 host accepts (RFC 791 section 3.1).
pub const FRAGMENTS: usize = 128;

/// Room for the headers before the data: an IPv4 header with all options, or an IPv6 header and
/// a fragment header.
const ROOM: usize = 60;

/// Which packet a fragment belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Key {
    identification: u32,
    /// `None` for IPv6, where only the first fragment's counts.
    protocol: Option<u8>,
    source: IpAddress,
    destination: IpAddress,
}

/// Where a fragment stands in its packet; the data of no packet is longer than 65,535 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    start: u16,
    stop: u16,
}

/// A packet of which something is missing.
struct Partial<P> {
    key: Key,
    expires: Instant,
    /// Room for the headers, then the data; `None` once the packet was abandoned.
    bytes: Option<P>,
    /// The fragments that are there, in order.
    spans: heapless::Vec<Span, FRAGMENTS>,
    received: usize,
    /// Where the data ends, once the last fragment is there.
    end: Option<usize>,
    /// Bytes of headers before the data: those of the first fragment, 0 until it is there.
    header_len: usize,
    delivery: Delivery,
}

/// A packet that is complete, or what there is of one that never will be.
#[derive(Debug)]
pub struct Reassembled<P> {
    bytes: P,
    start: usize,
    end: usize,
}

impl<P: Packet> Reassembled<P> {
    /// The packet, which begins with its IP header.
    pub fn packet(&mut self) -> &mut [u8] {
        // Both were checked when they were set; an empty packet is dropped by the next check.
        self.bytes.as_mut().get_mut(self.start..self.end).unwrap_or_default()
    }
}

/// A packet whose time was over before it was complete.
#[derive(Debug)]
pub enum Expired<P> {
    /// Its first fragment is there. The sender is to be told, by an error that quotes it.
    Begun(Reassembled<P>),
    /// Without the first fragment, or for a group, nobody is told.
    Headless,
}

/// All packets of which something is missing.
pub(super) struct Reassembly<'a, S: Storage<'a>> {
    partials: S::Partials<Partial<S::Packet>>,
    /// What all of them hold.
    bytes: usize,
    evicted: u64,
}

impl<'a, S: Storage<'a>> Default for Reassembly<'a, S> {
    fn default() -> Self {
        Self { partials: S::Partials::default(), bytes: 0, evicted: 0 }
    }
}

impl<'a, S: Storage<'a>> Reassembly<'a, S> {
    /// Takes a fragment that passed the checks, and gives the packet that it completes.
    ///
    /// # Errors
    /// Why it was dropped. All but a duplicate take their packet with them.
    pub(super) fn take(
        &mut self,
        now: Instant,
        parsed: &Parsed,
        fragment: FragmentHeader,
        packet: &[u8],
    ) -> Result<Option<Reassembled<S::Packet>>, Reason> {
        if !self.has_places() {
            return Err(Reason::FragmentBound);
        }
        let index = self.find(now, parsed, fragment).ok_or(Reason::FragmentBound)?;
        let data = packet.get(parsed.payload()).unwrap_or_default();
        let partial = self.partials.get_mut(index).ok_or(Reason::FragmentBound)?;
        let place = partial.place(fragment, data).and_then(|place| {
            place.map_or(Ok(None), |place| {
                if partial.spans.is_full() { Err(Reason::FragmentBound) } else { Ok(Some(place)) }
            })
        });
        let place = match place {
            Ok(Some(place)) => place,
            Ok(None) => return Err(Reason::FragmentDuplicate),
            Err(reason) => {
                self.abandon(index);
                return Err(reason);
            }
        };
        let stop = fragment.offset + data.len();
        let Some(index) = self.make_room(index, ROOM + stop) else {
            return Err(Reason::FragmentBound);
        };
        let partial = self.partials.get_mut(index).ok_or(Reason::FragmentBound)?;
        partial.insert(place, fragment, parsed, packet, data);
        if partial.end != Some(partial.received) {
            return Ok(None);
        }
        self.remove(index).map(Partial::complete).transpose()
    }

    /// Whether packets are put together at all. Known when the program is compiled, so that where
    /// they are not, nothing is left of what does it.
    fn has_places(&self) -> bool {
        self.partials.limit() != Some(0)
    }

    /// When the oldest packet expires.
    pub(super) fn poll_at(&self) -> Option<Instant> {
        self.partials.first().map(|partial| partial.expires)
    }

    /// Gives up the oldest packet whose time is over; call again until `None`.
    pub(super) fn expired(&mut self, now: Instant) -> Option<Expired<S::Packet>> {
        if !self.has_places() {
            return None;
        }
        while self.partials.first().is_some_and(|partial| partial.expires <= now) {
            let partial = self.remove(0)?;
            let start = ROOM - partial.header_len;
            let first = match partial.spans.first() {
                Some(first) if partial.header_len > 0 && partial.delivery == Delivery::Own => {
                    Some(ROOM + usize::from(first.stop))
                }
                _ => None,
            };
            // An abandoned one was counted when it was abandoned.
            let Some(bytes) = partial.bytes else { continue };
            return Some(match first {
                Some(end) => Expired::Begun(Reassembled { bytes, start, end }),
                None => Expired::Headless,
            });
        }
        None
    }

    /// How many packets were given up for newer ones.
    pub(super) fn evicted(&self) -> u64 {
        self.evicted
    }

    /// How many packets are being put together, and the bytes that they hold.
    pub(super) fn held(&self) -> (usize, usize) {
        (self.partials.len(), self.bytes)
    }

    /// The packet of this fragment, or a new one; `None` when the storage has no place for any.
    fn find(&mut self, now: Instant, parsed: &Parsed, fragment: FragmentHeader) -> Option<usize> {
        let Parsed { source, destination, delivery, .. } = *parsed;
        let protocol = match source {
            IpAddress::Ipv4(_) => Some(parsed.protocol.into()),
            #[cfg(feature = "ipv6")]
            IpAddress::Ipv6(_) => None,
        };
        let identification = fragment.identification;
        let key = Key { identification, protocol, source, destination };
        if let Some(index) = self.partials.iter().position(|partial| partial.key == key) {
            return Some(index);
        }
        let most = self.partials.limit().unwrap_or(PACKETS).min(PACKETS);
        if self.partials.len() >= most {
            self.evict(0);
        }
        let partial = Partial {
            key,
            expires: now + TIMEOUT,
            bytes: S::Packet::copy_from(&[0; ROOM]),
            spans: heapless::Vec::new(),
            received: 0,
            end: None,
            header_len: 0,
            delivery,
        };
        let len = partial.len();
        self.partials.push(partial).ok()?;
        self.bytes += len;
        Some(self.partials.len() - 1)
    }

    /// Makes the packet at `index` have `len` bytes, and gives its index afterwards; `None` when
    /// there is no such room and the packet was abandoned.
    fn make_room(&mut self, index: usize, len: usize) -> Option<usize> {
        let mut index = index;
        let held = self.partials.get(index)?.len();
        let more = len.saturating_sub(held);
        while self.bytes + more > BYTES && self.partials.len() > 1 {
            let oldest = usize::from(index == 0);
            self.evict(oldest);
            index -= usize::from(oldest < index);
        }
        let bytes = self.partials.get_mut(index)?.bytes.as_mut();
        if more > 0 && !bytes.is_some_and(|bytes| bytes.resize(len)) {
            self.abandon(index);
            return None;
        }
        self.bytes += more;
        Some(index)
    }

    fn evict(&mut self, index: usize) {
        // An abandoned one was counted when it was abandoned.
        self.evicted +=
            u64::from(self.remove(index).is_some_and(|partial| partial.bytes.is_some()));
    }

    /// Gives up what there is of a packet, and remembers that it was given up.
    fn abandon(&mut self, index: usize) {
        let Some(partial) = self.partials.get_mut(index) else { return };
        self.bytes -= partial.len();
        partial.bytes = None;
        partial.spans.clear();
    }

    /// Takes a packet out; the others stay in order.
    fn remove(&mut self, index: usize) -> Option<Partial<S::Packet>> {
        let partial = self.partials.remove_at(index)?;
        self.bytes -= partial.len();
        Some(partial)
    }
}

impl<P: Packet> Partial<P> {
    /// Bytes that it holds.
    fn len(&self) -> usize {
        self.bytes.as_ref().map_or(0, |bytes| bytes.as_ref().len())
    }

    /// Where in the list of fragments this one belongs; `Ok(None)` when it is there already.
    fn place(&self, fragment: FragmentHeader, data: &[u8]) -> Result<Option<usize>, Reason> {
        let Some(bytes) = &self.bytes else { return Err(Reason::FragmentAbandoned) };
        let (start, stop) = (fragment.offset, fragment.offset + data.len());
        let last = self.spans.last().map_or(0, |span| usize::from(span.stop));
        let beyond = match self.end {
            Some(end) if fragment.more => stop > end,
            Some(end) => stop != end,
            None => !fragment.more && stop < last,
        };
        if beyond {
            return Err(Reason::FragmentEnd);
        }
        match self.spans.binary_search_by_key(&start, |span| span.start.into()) {
            Ok(index) => {
                let same = usize::from(self.spans[index].stop) == stop
                    && bytes.as_ref().get(ROOM + start..ROOM + stop) == Some(data);
                if same { Ok(None) } else { Err(Reason::FragmentOverlap) }
            }
            Err(index) => {
                let before = index.checked_sub(1).and_then(|before| self.spans.get(before));
                let overlaps = before.is_some_and(|before| usize::from(before.stop) > start)
                    || self.spans.get(index).is_some_and(|after| usize::from(after.start) < stop);
                if overlaps { Err(Reason::FragmentOverlap) } else { Ok(Some(index)) }
            }
        }
    }

    /// Adds a fragment, for which there is room.
    fn insert(
        &mut self,
        place: usize,
        fragment: FragmentHeader,
        parsed: &Parsed,
        packet: &[u8],
        data: &[u8],
    ) {
        let (start, stop) = (fragment.offset, fragment.offset + data.len());
        // The sanity check lets no fragment end beyond 65,535, and there is a place in the list.
        let _ = self.spans.insert(place, Span { start: start as u16, stop: stop as u16 });
        self.received += data.len();
        if !fragment.more {
            self.end = Some(stop);
        }
        let Some(bytes) = self.bytes.as_mut().map(P::as_mut) else { return };
        if let Some(room) = bytes.get_mut(ROOM + start..ROOM + stop) {
            room.copy_from_slice(data);
        }
        if start == 0 {
            self.header_len = keep_header(bytes, parsed, packet).unwrap_or(0);
        }
    }

    /// The whole packet, with the headers of its first fragment (RFC 8200 section 4.5).
    fn complete(self) -> Result<Reassembled<P>, Reason> {
        let (mut bytes, end) = match (self.bytes, self.end) {
            (Some(bytes), Some(end)) => (bytes, ROOM + end),
            _ => return Err(Reason::FragmentAbandoned),
        };
        let data = end - ROOM;
        let room = bytes.as_mut();
        let start = match self.key.source {
            IpAddress::Ipv4(_) => {
                let start = ROOM - self.header_len;
                // The first fragment may have more options than the others.
                let total = u16::try_from(self.header_len + data);
                let total = total.map_err(|_| Reason::FragmentOffset)?;
                let header = room.get_mut(start..ROOM).ok_or(Reason::FragmentHeaders)?;
                if header.len() < 20 {
                    return Err(Reason::FragmentHeaders);
                }
                header[2..4].copy_from_slice(&total.to_be_bytes());
                // Nothing remains of "more fragments" and the offset, which is 0.
                header[6] &= 0x40;
                checksum::fill_header(header);
                start
            }
            #[cfg(feature = "ipv6")]
            IpAddress::Ipv6(_) => {
                let start = ROOM - IPV6_HEADER_LEN;
                let protocol = room[ROOM - 8];
                room.copy_within(start - 8..ROOM - 8, start);
                // At most 65,535, or the sanity check would have dropped the last fragment.
                room[start + 4..start + 6].copy_from_slice(&(data as u16).to_be_bytes());
                room[start + 6] = protocol;
                start
            }
        };
        Ok(Reassembled { bytes, start, end })
    }
}

/// Keeps the headers of a first fragment before its data, so that it can be quoted, and gives
/// their length. Of IPv6 the extension headers before the fragment header, which were for the
/// fragment's way, are left out.
fn keep_header(bytes: &mut [u8], parsed: &Parsed, packet: &[u8]) -> Option<usize> {
    match parsed.source {
        IpAddress::Ipv4(_) => {
            let start = ROOM.checked_sub(parsed.header_len)?;
            bytes.get_mut(start..ROOM)?.copy_from_slice(packet.get(..parsed.header_len)?);
            Some(parsed.header_len)
        }
        #[cfg(feature = "ipv6")]
        IpAddress::Ipv6(_) => {
            let fragment = packet.get(parsed.header_len.checked_sub(8)?..parsed.header_len)?;
            let header = bytes.get_mut(ROOM - 8 - IPV6_HEADER_LEN..ROOM)?;
            header[..IPV6_HEADER_LEN].copy_from_slice(packet.get(..IPV6_HEADER_LEN)?);
            header[IPV6_HEADER_LEN..].copy_from_slice(fragment);
            // No longer than the payload that it came from.
            let payload = (8 + parsed.total_len - parsed.header_len) as u16;
            header[4..6].copy_from_slice(&payload.to_be_bytes());
            header[6] = extension::FRAGMENT;
            Some(8 + IPV6_HEADER_LEN)
        }
    }
}

#[cfg(all(test, feature = "alloc"))]
mod tests;
