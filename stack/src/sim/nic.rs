//! A device that works for the stack: cuts what it sends, and puts together what it receives.

use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

use smoltcp::time::Instant;

use crate::link::offload::{LARGEST_FRAME, Segments, Sums, finish};
use crate::link::{ChecksumStatus, FrameMeta, Gso, GsoKind, Link, LinkError};
use crate::net::checksum;
use crate::net::ethernet::HEADER_LEN;

const ACK: u8 = 0x10;
const PSH: u8 = 0x08;

/// The device, without the cable that it is on.
#[derive(Debug)]
pub(super) struct Nic {
    /// A frame that has arrived, but does not continue the one before it.
    next: Option<Vec<u8>>,
    room: Vec<u8>,
}

impl Nic {
    pub(super) fn new() -> Self {
        Self { next: None, room: vec![0; LARGEST_FRAME] }
    }

    /// Whether a frame waits here.
    pub(super) fn holds(&self) -> bool {
        self.next.is_some()
    }

    /// Sends `frame` as frames of the cable, all of them or, on an error, the first ones.
    pub(super) fn transmit(
        &mut self,
        cable: &mut impl Link,
        now: Instant,
        frame: &[u8],
        meta: &FrameMeta,
    ) -> Result<(), LinkError> {
        let Some(room) = self.room.get_mut(..frame.len()) else { return Ok(()) };
        room.copy_from_slice(frame);
        if meta.gso.is_none() {
            finish(room, meta);
            return cable.transmit(now, room);
        }
        // What cannot be cut is lost, as in a device that nobody can ask.
        let Ok(mut segments) = Segments::of(room, meta, Sums::Fill) else { return Ok(()) };
        while let Some(piece) = segments.piece(room) {
            cable.transmit(now, room.get(piece).unwrap_or_default())?;
            segments.advance();
        }
        Ok(())
    }

    /// Takes the next frame of the cable.
    pub(super) fn receive(
        &mut self,
        cable: &mut impl Link,
        now: Instant,
        buffer: &mut [u8],
    ) -> Result<Option<usize>, LinkError> {
        let Some(held) = self.next.take() else { return cable.receive(now, buffer) };
        let length = held.len().min(buffer.len());
        buffer[..length].copy_from_slice(&held[..length]);
        Ok(Some(length))
    }

    /// Takes the next frame of the cable, and those that continue it, as one.
    pub(super) fn receive_together(
        &mut self,
        cable: &mut impl Link,
        now: Instant,
        buffer: &mut [u8],
    ) -> Result<Option<(Range<usize>, FrameMeta)>, LinkError> {
        let Some(mut length) = self.receive(cable, now, buffer)? else { return Ok(None) };
        let Some(first) = buffer.get(..length).and_then(Piece::of) else {
            return Ok(Some((0..length, FrameMeta::WHOLE)));
        };
        let (size, mut pieces, mut last) = (first.payload, 1usize, first.ends);
        while !last && size > 0 {
            let Some(arrived) = cable.receive(now, &mut self.room)? else { break };
            let next = self.room.get(..arrived).unwrap_or_default();
            let payload = Piece::of(next).filter(|piece| {
                let room = length + piece.payload <= buffer.len().min(HEADER_LEN + 65535);
                room && piece.payload > 0
                    && piece.payload <= size
                    && piece.continues(next, &first, buffer, pieces * size)
            });
            let Some(piece) = payload else {
                self.next = Some(next.to_vec());
                break;
            };
            let end = length + piece.payload;
            let data = next.get(first.header..first.header + piece.payload).unwrap_or_default();
            if let Some(room) = buffer.get_mut(length..end) {
                room.copy_from_slice(data);
            }
            (length, pieces) = (end, pieces + 1);
            last = piece.ends || piece.payload < size;
            if piece.ends
                && first.tcp
                && let Some(flags) = buffer.get_mut(first.transport + 13)
            {
                *flags |= PSH;
            }
        }
        // Padding behind the packet was cut off with the first frame that was longer.
        if pieces == 1 {
            return Ok(Some((0..length, FrameMeta { checksum: ChecksumStatus::Valid, gso: None })));
        }
        let Some(packet) = buffer.get_mut(HEADER_LEN..length) else { return Ok(None) };
        let total = packet.len();
        let ipv4 = packet[0] >> 4 == 4;
        // No longer than was asked for above.
        if ipv4 {
            packet[2..4].copy_from_slice(&(total as u16).to_be_bytes());
        } else {
            packet[4..6].copy_from_slice(&((total - 40) as u16).to_be_bytes());
        }
        if !first.tcp {
            let at = first.transport - HEADER_LEN + 4;
            let long = (total - (first.transport - HEADER_LEN)) as u16;
            packet[at..at + 2].copy_from_slice(&long.to_be_bytes());
        }
        let Some((start, offset)) = checksum::fill_partial(packet) else { return Ok(None) };
        let (start, offset) = ((HEADER_LEN + start) as u16, offset as u16);
        let kind = match (first.tcp, ipv4) {
            (true, true) => GsoKind::Tcp4,
            (true, false) => GsoKind::Tcp6,
            (false, _) => GsoKind::Udp,
        };
        let gso = Gso { kind, size: size as u16, header: first.header as u16 };
        let checksum = ChecksumStatus::Partial { start, offset };
        Ok(Some((0..length, FrameMeta { checksum, gso: Some(gso) })))
    }
}

/// A frame that others may continue, or that may continue another: whole, with right checksums, of
/// TCP with nothing but ACK and PSH set, or of UDP.
#[derive(Debug, Clone, Copy)]
struct Piece {
    tcp: bool,
    /// Where TCP or UDP begins in the frame, and where its payload does.
    transport: usize,
    header: usize,
    payload: usize,
    sequence: u32,
    /// Nothing continues it.
    ends: bool,
}

impl Piece {
    fn of(frame: &[u8]) -> Option<Self> {
        let packet = frame.get(HEADER_LEN..)?;
        let (protocol, start, field) = checksum::transport(packet)?;
        // A frame with padding is so short that it is not worth the trouble.
        let whole = checksum::total_len(packet)? == packet.len() && checksum::verify(packet);
        let zero = packet.get(start + field..start + field + 2)? == [0, 0];
        if !whole || zero {
            return None;
        }
        let data = packet.get(start..)?;
        let tcp = protocol == checksum::TCP;
        let header = if tcp { usize::from(data.get(12)? >> 4) * 4 } else { 8 };
        let flags = if tcp { *data.get(13)? } else { ACK };
        if flags & !PSH != ACK {
            return None;
        }
        Some(Self {
            tcp,
            transport: HEADER_LEN + start,
            header: HEADER_LEN + start + header,
            payload: data.len().checked_sub(header)?,
            sequence: u32::from_be_bytes(data.get(4..8)?.try_into().ok()?),
            ends: flags & PSH != 0,
        })
    }

    /// Whether `frame`, which this is, continues `first`, of which `sent` bytes stand in `buffer`.
    fn continues(&self, frame: &[u8], first: &Self, buffer: &[u8], sent: usize) -> bool {
        let same = |from: usize, to: usize| frame.get(from..to) == buffer.get(from..to);
        let ip = HEADER_LEN;
        // Lengths, identification and checksums differ.
        let network = match frame.get(ip).map(|first| first >> 4) {
            Some(4) => same(0, ip + 2) && same(ip + 6, ip + 10) && same(ip + 12, first.transport),
            _ => same(0, ip + 4) && same(ip + 6, first.transport),
        };
        let at = first.transport;
        let transport = if first.tcp {
            self.sequence == first.sequence.wrapping_add(sent as u32)
                && same(at, at + 4)
                && same(at + 8, at + 13)
                && same(at + 14, at + 16)
                && same(at + 18, first.header)
        } else {
            same(at, at + 4)
        };
        self.tcp == first.tcp && self.header == first.header && network && transport
    }
}
