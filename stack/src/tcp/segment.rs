//! A TCP segment inside an IP packet, read and edited in place.
//!
//! The packets that come here passed the sanity check or were written by smoltcp, so their
//! lengths agree; a packet that is no TCP segment after all is `None`, never a panic.

use smoltcp::wire::{IpAddress, IpEndpoint, Ipv4Packet, TcpPacket, TcpSeqNumber};

use crate::event::PacketSummary;
use crate::net::Parsed;
use crate::net::sanity::TcpHeader;

/// FIN flag of RFC 9293, section 3.1.
pub(crate) const FIN: u8 = 1;
/// SYN flag.
pub(crate) const SYN: u8 = 2;
/// RST flag.
pub(crate) const RST: u8 = 4;
/// PSH flag.
const PSH: u8 = 8;
/// ACK flag.
pub(crate) const ACK: u8 = 16;

/// Where the TCP option "maximum segment size" keeps its kind (RFC 9293, section 3.2).
const OPTION_END: u8 = 0;
const OPTION_NOP: u8 = 1;
const OPTION_MSS: u8 = 2;
const OPTION_WINDOW_SCALE: u8 = 3;

/// The header fields of a segment, and where its TCP header begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) source: IpEndpoint,
    pub(crate) destination: IpEndpoint,
    pub(crate) sequence: TcpSeqNumber,
    pub(crate) acknowledgment: TcpSeqNumber,
    pub(crate) flags: u8,
    pub(crate) window: u16,
    /// Payload bytes.
    pub(crate) payload: usize,
    offset: usize,
    header: usize,
}

/// The sequence number `bytes` after this one. smoltcp's own addition panics beyond half of the
/// sequence space, which no segment and no window is long enough for, but no compiler knows that.
pub(crate) fn past(sequence: TcpSeqNumber, bytes: usize) -> TcpSeqNumber {
    TcpSeqNumber(sequence.0.wrapping_add(bytes as i32))
}

impl Segment {
    /// Reads a segment that smoltcp wrote: an IP header without extensions, then TCP.
    pub(crate) fn parse(packet: &[u8]) -> Option<Self> {
        let (source, destination, offset, end): (IpAddress, IpAddress, usize, usize) =
            match packet.first()? >> 4 {
                4 => {
                    let ip = Ipv4Packet::new_checked(packet).ok()?;
                    let header = usize::from(ip.header_len());
                    let total = usize::from(ip.total_len());
                    (ip.src_addr().into(), ip.dst_addr().into(), header, total)
                }
                #[cfg(feature = "ipv6")]
                6 => {
                    let ip = smoltcp::wire::Ipv6Packet::new_checked(packet).ok()?;
                    (ip.src_addr().into(), ip.dst_addr().into(), ip.header_len(), ip.total_len())
                }
                _ => return None,
            };
        let bytes = packet.get(offset..end)?;
        let tcp = TcpPacket::new_checked(bytes).ok()?;
        let header = usize::from(tcp.header_len());
        Some(Self {
            source: IpEndpoint::new(source, tcp.src_port()),
            destination: IpEndpoint::new(destination, tcp.dst_port()),
            sequence: tcp.seq_number(),
            acknowledgment: tcp.ack_number(),
            flags: *bytes.get(13)?,
            window: tcp.window_len(),
            payload: bytes.len().checked_sub(header)?,
            offset,
            header,
        })
    }

    /// The segment of a sane packet that begins with its IP header.
    pub(crate) fn of(parsed: &Parsed, tcp: &TcpHeader) -> Self {
        Self {
            source: IpEndpoint::new(parsed.source, tcp.source_port),
            destination: IpEndpoint::new(parsed.destination, tcp.destination_port),
            sequence: TcpSeqNumber(tcp.sequence as i32),
            acknowledgment: TcpSeqNumber(tcp.acknowledgment as i32),
            flags: tcp.flags,
            window: tcp.window,
            payload: parsed.payload().len(),
            offset: parsed.header_len,
            header: tcp.header_len,
        }
    }

    /// Whether all of `flags` are set.
    pub(crate) fn has(&self, flags: u8) -> bool {
        self.flags & flags == flags
    }

    /// How much sequence space the segment takes: payload, SYN and FIN.
    pub(crate) fn span(&self) -> usize {
        self.payload + usize::from(self.has(SYN)) + usize::from(self.has(FIN))
    }

    /// The sequence number after the segment.
    pub(crate) fn end(&self) -> TcpSeqNumber {
        past(self.sequence, self.span())
    }

    /// One line about the segment.
    pub(crate) fn summary(&self) -> PacketSummary {
        PacketSummary::Tcp {
            source: self.source,
            destination: self.destination,
            flags: self.flags & 0x3f,
            sequence: self.sequence.0 as u32,
            acknowledgment: self.acknowledgment.0 as u32,
            length: self.payload.min(usize::from(u16::MAX)) as u16,
        }
    }

    fn option(&self, packet: &[u8], kind: u8) -> Option<core::ops::Range<usize>> {
        let end = self.offset + self.header;
        let mut at = self.offset + 20;
        while at < end {
            match *packet.get(at)? {
                OPTION_END => return None,
                OPTION_NOP => at += 1,
                found => {
                    let length = usize::from(*packet.get(at + 1)?);
                    if length < 2 || at + length > end {
                        return None;
                    }
                    if found == kind {
                        return Some(at + 2..at + length);
                    }
                    at += length;
                }
            }
        }
        None
    }

    /// The shift of the window scale option, at most 14 (RFC 7323, section 2.3).
    pub(crate) fn window_scale(&self, packet: &[u8]) -> Option<u8> {
        let option = self.option(packet, OPTION_WINDOW_SCALE)?;
        packet.get(option.start).map(|shift| (*shift).min(14))
    }

    /// The maximum segment size option.
    pub(crate) fn mss(&self, packet: &[u8]) -> Option<u16> {
        match packet.get(self.option(packet, OPTION_MSS)?)? {
            [high, low] => Some(u16::from_be_bytes([*high, *low])),
            _ => None,
        }
    }

    /// Overwrites the sequence number. The checksum is not updated.
    pub(crate) fn set_sequence(&mut self, packet: &mut [u8], sequence: TcpSeqNumber) {
        self.sequence = sequence;
        self.overwrite(packet, 4, &sequence.0.to_be_bytes());
    }

    /// Overwrites the acknowledgment number. The checksum is not updated.
    pub(crate) fn set_acknowledgment(&mut self, packet: &mut [u8], acknowledgment: TcpSeqNumber) {
        self.acknowledgment = acknowledgment;
        self.overwrite(packet, 8, &acknowledgment.0.to_be_bytes());
    }

    /// Overwrites the window field. The checksum is not updated.
    pub(crate) fn set_window(&mut self, packet: &mut [u8], window: u16) {
        self.window = window;
        self.overwrite(packet, 14, &window.to_be_bytes());
    }

    /// Makes a SYN|ACK the bare acknowledgment in it. The checksum is not updated.
    pub(crate) fn strip_syn(&mut self, packet: &mut [u8]) {
        self.strip(packet, SYN);
        self.set_sequence(packet, past(self.sequence, 1));
    }

    /// Takes flags away. The checksum is not updated.
    pub(crate) fn strip(&mut self, packet: &mut [u8], flags: u8) {
        self.flags &= !flags;
        self.overwrite(packet, 13, &[self.flags]);
    }

    fn overwrite(&self, packet: &mut [u8], at: usize, bytes: &[u8]) {
        let start = self.offset + at;
        if let Some(field) = packet.get_mut(start..start + bytes.len()) {
            field.copy_from_slice(bytes);
        }
    }

    /// Lowers the maximum segment size option to `limit`. The checksum is not updated.
    pub(crate) fn clamp_mss(&self, packet: &mut [u8], limit: u16) {
        if let Some(option) = self.option(packet, OPTION_MSS)
            && let Some(bytes) = packet.get_mut(option)
            && let [high, low] = bytes
            && u16::from_be_bytes([*high, *low]) > limit
        {
            [*high, *low] = limit.to_be_bytes();
        }
    }
}

/// A segment that is being split into smaller ones.
///
/// They come into being where it stands, each header before its data, in place of what was sent
/// already.
#[derive(Debug)]
pub(crate) struct Pieces {
    /// The headers of IP and TCP: at most 60 bytes each.
    header: heapless::Vec<u8, 120>,
    /// Where in it the header of TCP begins.
    tcp: usize,
    sequence: TcpSeqNumber,
    flags: u8,
    /// Payload bytes in all, those of the pieces made so far, and those of each piece.
    payload: usize,
    done: usize,
    step: usize,
}

impl Pieces {
    /// Splits a segment into packets of at most `most` bytes, each with no more than a peer takes
    /// that named this segment size, which does not count options (RFC 6691). `None` when it
    /// need not be split, or its header alone is too long.
    pub(crate) fn of(packet: &[u8], most: usize, mss: usize) -> Option<Self> {
        if packet.len() <= most.min(mss) {
            return None;
        }
        let segment = Segment::parse(packet)?;
        let header = segment.offset + segment.header;
        let options = segment.header - 20;
        let step = most.saturating_sub(header).min(mss.saturating_sub(options));
        if step == 0 || segment.payload <= step {
            return None;
        }
        Some(Self {
            header: heapless::Vec::from_slice(packet.get(..header)?).ok()?,
            tcp: segment.offset,
            sequence: segment.sequence,
            flags: segment.flags,
            payload: segment.payload,
            done: 0,
            step,
        })
    }

    /// Bytes of payload in every piece but the last.
    pub(crate) fn step(&self) -> usize {
        self.step
    }

    /// Bytes of the headers of IP and TCP.
    pub(crate) fn header_len(&self) -> usize {
        self.header.len()
    }

    /// Makes the next piece in `frame`, where the segment stood behind `room` bytes, and says
    /// where it stands with as much room before it. The checksums are left out.
    pub(crate) fn next(
        &mut self,
        frame: &mut [u8],
        room: usize,
    ) -> Option<core::ops::Range<usize>> {
        let len = self.step.min(self.payload - self.done);
        if len == 0 {
            return None;
        }
        let start = room + self.done;
        let packet = frame.get_mut(start..start + self.header.len() + len)?;
        let total = packet.len();
        packet.get_mut(..self.header.len())?.copy_from_slice(&self.header);
        match packet.first()? >> 4 {
            4 => packet.get_mut(2..4)?.copy_from_slice(&(total as u16).to_be_bytes()),
            _ => packet.get_mut(4..6)?.copy_from_slice(&((total - 40) as u16).to_be_bytes()),
        }
        let sequence = self.sequence + self.done;
        let at = self.tcp;
        packet.get_mut(at + 4..at + 8)?.copy_from_slice(&sequence.0.to_be_bytes());
        self.done += len;
        if self.done < self.payload {
            // Only the last one ends what the segment ended.
            *packet.get_mut(at + 13)? = self.flags & !(FIN | PSH);
        }
        Some(start - room..start + total)
    }
}

/// Writes `label` (20 bits) into the header of an IPv6 packet (RFC 6437).
pub(crate) fn set_flow_label(packet: &mut [u8], label: u32) {
    if let Some([first, second, third, fourth]) = packet.first_chunk_mut::<4>()
        && *first >> 4 == 6
    {
        let [_, high, middle, low] = label.to_be_bytes();
        *second = (*second & 0xf0) | (high & 0x0f);
        *third = middle;
        *fourth = low;
    }
}

/// Writes the time to live or hop limit. The checksum is not updated.
pub(crate) fn set_hop_limit(packet: &mut [u8], hop_limit: u8) {
    let at = match packet.first().map(|first| first >> 4) {
        Some(4) => 8,
        _ => 7,
    };
    if let Some(field) = packet.get_mut(at) {
        *field = hop_limit;
    }
}

/// Writes a bare acknowledgment as an IP packet, and gives its length. The checksums are left out.
pub(crate) fn write_ack(
    packet: &mut [u8],
    local: IpEndpoint,
    remote: IpEndpoint,
    next: TcpSeqNumber,
    expected: TcpSeqNumber,
    window: u16,
) -> Option<usize> {
    use smoltcp::phy::ChecksumCapabilities;
    use smoltcp::wire::{IpProtocol, IpRepr, TcpControl, TcpPacket, TcpRepr};
    let tcp = TcpRepr {
        src_port: local.port,
        dst_port: remote.port,
        control: TcpControl::None,
        seq_number: next,
        ack_number: Some(expected),
        window_len: window,
        window_scale: None,
        max_seg_size: None,
        sack_permitted: false,
        sack_ranges: [None; 3],
        timestamp: None,
        payload: &[],
    };
    let ip = IpRepr::new(local.addr, remote.addr, IpProtocol::Tcp, tcp.buffer_len(), 64);
    let len = ip.buffer_len();
    let packet = packet.get_mut(..len)?;
    let checksums = ChecksumCapabilities::ignored();
    ip.emit(&mut *packet, &checksums);
    let header = ip.header_len();
    let mut segment = TcpPacket::new_unchecked(packet.get_mut(header..)?);
    tcp.emit(&mut segment, &local.addr, &remote.addr, &checksums);
    Some(len)
}
