//! What a device can do for the stack: checksums, and cutting a superframe into segments.
//!
//! A superframe is a frame that carries the payload of many TCP segments, or of many datagrams,
//! behind one set of headers, with a [`Gso`] that says how to cut it. The terms are those of
//! `struct virtio_net_hdr`. Where a link has none of this, or a decorator needs frames as they
//! are on the wire, [`Segments`] does in software what a device would.

use core::ops::Range;

use smoltcp::wire::IpAddress;

use crate::net::{Checksums, Reason, checksum, ethernet};

/// Bytes of the largest IP packet that is given to a device for cutting. With an Ethernet header
/// of 14 bytes it makes 65,535, which every device takes.
pub const LARGEST_PACKET: usize = 65521;

/// Bytes of the largest superframe that a device may deliver: an Ethernet header, an IPv6 header,
/// and what its length field can say.
pub const LARGEST_FRAME: usize = 14 + 40 + 65535;

/// Bytes of a buffer in which every such frame has room, with what a device may say before it.
pub const ARRIVAL: usize = LARGEST_FRAME + 16;

/// What a link does for whoever sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Offload {
    /// Completes the checksums of TCP and UDP.
    pub checksum: bool,
    /// Cuts packets of up to [`LARGEST_PACKET`] bytes into TCP segments over IPv4. Not without
    /// `checksum`.
    pub tcp4: bool,
    /// The same over IPv6.
    pub tcp6: bool,
}

impl Offload {
    /// Nothing: whole frames of at most the link's MTU, with all checksums.
    pub const NONE: Self = Self { checksum: false, tcp4: false, tcp6: false };
    /// Everything.
    pub const ALL: Self = Self { checksum: true, tcp4: true, tcp6: true };

    /// Whether packets of TCP to `address` are cut.
    pub const fn cuts(self, address: IpAddress) -> bool {
        self.checksum
            && match address {
                IpAddress::Ipv4(_) => self.tcp4,
                #[cfg(feature = "ipv6")]
                IpAddress::Ipv6(_) => self.tcp6,
            }
    }

    /// Whether a frame may be given away like this.
    pub const fn covers(self, meta: &FrameMeta) -> bool {
        let checksum = match meta.checksum {
            ChecksumStatus::Whole | ChecksumStatus::Valid => true,
            ChecksumStatus::Partial { .. } => self.checksum,
        };
        let gso = match meta.gso {
            None => true,
            Some(Gso { kind: GsoKind::Tcp4, .. }) => self.tcp4,
            Some(Gso { kind: GsoKind::Tcp6, .. }) => self.tcp6,
            Some(Gso { kind: GsoKind::Udp | GsoKind::Unknown(_), .. }) => false,
        };
        checksum && gso
    }
}

/// How much of the checksum of TCP or UDP stands in a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ChecksumStatus {
    /// All of it. Of a frame that arrives nobody has verified it.
    #[default]
    Whole,
    /// All of it, and the device has verified it (`VIRTIO_NET_HDR_F_DATA_VALID`).
    Valid,
    /// The sum of the pseudo-header (`VIRTIO_NET_HDR_F_NEEDS_CSUM`). Such a frame has never been on
    /// a wire.
    Partial {
        /// Where in the frame the sum begins (`csum_start`).
        start: u16,
        /// Where the field stands, counted from there (`csum_offset`).
        offset: u16,
    },
}

/// What the payload of a superframe is cut into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GsoKind {
    /// TCP segments over IPv4.
    Tcp4,
    /// TCP segments over IPv6.
    Tcp6,
    /// Datagrams, over either.
    Udp,
    /// Something else, by its `gso_type`.
    Unknown(u8),
}

/// How a superframe is to be cut (generic segmentation offload).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gso {
    /// Into what.
    pub kind: GsoKind,
    /// Bytes of payload in every piece but the last (`gso_size`).
    pub size: u16,
    /// Bytes of all headers from that of Ethernet on (`hdr_len`). Of a frame that arrives a hint:
    /// Linux says how much of it stands in one place.
    pub header: u16,
}

/// What is known about a frame beside its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FrameMeta {
    /// Its checksum.
    pub checksum: ChecksumStatus,
    /// Set for a superframe.
    pub gso: Option<Gso>,
}

impl FrameMeta {
    /// A frame as it is on the wire.
    pub const WHOLE: Self = Self { checksum: ChecksumStatus::Whole, gso: None };

    /// Whether there is nothing left to do on the frame.
    pub const fn is_whole(&self) -> bool {
        self.gso.is_none() && !matches!(self.checksum, ChecksumStatus::Partial { .. })
    }

    /// What is left to verify in `frame`, which has arrived with this.
    ///
    /// # Errors
    /// [`Reason::Offload`] when the two contradict each other: a checksum that does not stand
    /// where that of TCP or UDP does, or pieces of no size, of another protocol, or of a packet
    /// that nobody vouches for.
    pub fn check(&self, frame: &[u8]) -> Result<Checksums, Reason> {
        let packet = frame.get(ethernet::HEADER_LEN..).unwrap_or_default();
        if let Some(gso) = &self.gso {
            let kind = match (checksum::transport(packet), packet.first().map(|first| first >> 4)) {
                (Some((checksum::TCP, ..)), Some(4)) => GsoKind::Tcp4,
                (Some((checksum::TCP, ..)), Some(6)) => GsoKind::Tcp6,
                (Some((checksum::UDP, ..)), _) => GsoKind::Udp,
                _ => return Err(Reason::Offload),
            };
            let untrusted = self.checksum == ChecksumStatus::Whole;
            if gso.kind != kind
                || gso.size == 0
                || usize::from(gso.header) > frame.len()
                || untrusted
            {
                return Err(Reason::Offload);
            }
        }
        match self.checksum {
            ChecksumStatus::Whole => Ok(Checksums::Verify),
            ChecksumStatus::Valid => Ok(Checksums::Header),
            ChecksumStatus::Partial { start, offset } => match checksum::transport(packet) {
                Some((_, at, field))
                    if usize::from(start) == ethernet::HEADER_LEN + at
                        && usize::from(offset) == field =>
                {
                    Ok(Checksums::Header)
                }
                _ => Err(Reason::Offload),
            },
        }
    }
}

/// Puts the whole checksums into a frame that has `meta` and is no superframe. A frame whose
/// lengths contradict each other is left as it is.
pub fn finish(frame: &mut [u8], meta: &FrameMeta) {
    if matches!(meta.checksum, ChecksumStatus::Partial { .. })
        && let Some(packet) = frame.get_mut(ethernet::HEADER_LEN..)
    {
        checksum::fill(packet);
    }
}

/// Which checksums [`Segments`] writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sums {
    /// All of them.
    Fill,
    /// That of the IPv4 header, as nobody looks at the other.
    Header,
}

/// Bytes of the longest headers that are repeated: those of Ethernet, of IPv6 with some
/// extensions, and of TCP with all options.
const HEADERS: usize = 192;

/// A superframe that is being cut.
///
/// The pieces come into being where it stands, each header before its payload, in place of what
/// was given away already.
#[derive(Debug)]
pub struct Segments {
    headers: heapless::Vec<u8, HEADERS>,
    /// Where in them the header of TCP or UDP begins.
    transport: usize,
    kind: GsoKind,
    /// Bytes of payload in all, those of the pieces given so far, and those of each piece.
    payload: usize,
    done: usize,
    step: usize,
    sums: Sums,
}

/// FIN and PSH, which only the last piece has.
const LAST_FLAGS: u8 = 0x01 | 0x08;
/// CWR, which only the first has (RFC 3168, section 6.1.2).
const FIRST_FLAGS: u8 = 0x80;

impl Segments {
    /// Begins to cut `frame`.
    ///
    /// # Errors
    /// [`Reason::Offload`] when it is no superframe or cannot be cut; [`Reason::HeaderChecksum`]
    /// when the checksum of its IPv4 header is wrong, as the pieces would have right ones.
    pub fn of(frame: &[u8], meta: &FrameMeta, sums: Sums) -> Result<Self, Reason> {
        meta.check(frame)?;
        let gso = meta.gso.ok_or(Reason::Offload)?;
        let packet = frame.get(ethernet::HEADER_LEN..).ok_or(Reason::Offload)?;
        if !checksum::verify_header(packet) {
            return Err(Reason::HeaderChecksum);
        }
        let (protocol, start, _) = checksum::transport(packet).ok_or(Reason::Offload)?;
        let end = checksum::total_len(packet).ok_or(Reason::Offload)?;
        let data = packet.get(start..end).ok_or(Reason::Offload)?;
        let header = match protocol {
            checksum::TCP => data.get(12).map_or(0, |offset| usize::from(offset >> 4) * 4).max(20),
            _ => 8,
        };
        let payload = data.len().checked_sub(header).ok_or(Reason::Offload)?;
        if protocol == checksum::UDP && data.get(4..6) != Some(&(data.len() as u16).to_be_bytes()) {
            return Err(Reason::Offload);
        }
        let transport = ethernet::HEADER_LEN + start;
        let headers = frame.get(..transport + header).ok_or(Reason::Offload)?;
        Ok(Self {
            headers: heapless::Vec::from_slice(headers).map_err(|_| Reason::Offload)?,
            transport,
            kind: gso.kind,
            payload,
            done: 0,
            step: gso.size.into(),
            sums,
        })
    }

    /// Whether every piece was given.
    pub fn is_done(&self) -> bool {
        self.done > 0 && self.done >= self.payload
    }

    /// How many pieces there are in all.
    pub fn count(&self) -> usize {
        self.payload.div_ceil(self.step).max(1)
    }

    /// Makes the next piece in `buffer`, which the superframe stands at the beginning of, and says
    /// where; the same piece again until [`Segments::advance`]. `None` behind the last.
    pub fn piece(&self, buffer: &mut [u8]) -> Option<Range<usize>> {
        if self.is_done() {
            return None;
        }
        let len = self.step.min(self.payload - self.done);
        let range = self.done..self.done + self.headers.len() + len;
        let frame = buffer.get_mut(range.clone())?;
        frame.get_mut(..self.headers.len())?.copy_from_slice(&self.headers);
        let (packet, transport) =
            (frame.get_mut(ethernet::HEADER_LEN..)?, self.transport - ethernet::HEADER_LEN);
        // Neither is longer than the superframe, whose length has 16 bits.
        let total = packet.len();
        if packet.first()? >> 4 == 4 {
            packet.get_mut(2..4)?.copy_from_slice(&(total as u16).to_be_bytes());
            let first = u16::from_be_bytes([*packet.get(4)?, *packet.get(5)?]);
            let identification = first.wrapping_add(self.done.checked_div(self.step)? as u16);
            packet.get_mut(4..6)?.copy_from_slice(&identification.to_be_bytes());
        } else {
            packet.get_mut(4..6)?.copy_from_slice(&((total - 40) as u16).to_be_bytes());
        }
        if self.kind == GsoKind::Udp {
            let length = (total - transport) as u16;
            packet.get_mut(transport + 4..transport + 6)?.copy_from_slice(&length.to_be_bytes());
        } else {
            let first = packet.get(transport + 4..transport + 8)?;
            let first = u32::from_be_bytes(first.try_into().ok()?);
            let sequence = first.wrapping_add(self.done as u32);
            packet.get_mut(transport + 4..transport + 8)?.copy_from_slice(&sequence.to_be_bytes());
            let flags = packet.get_mut(transport + 13)?;
            if self.done + len < self.payload {
                *flags &= !LAST_FLAGS;
            }
            if self.done > 0 {
                *flags &= !FIRST_FLAGS;
            }
        }
        match self.sums {
            Sums::Fill => checksum::fill(packet),
            Sums::Header => checksum::fill_ip(packet),
        }
        Some(range)
    }

    /// The piece made last is on its way.
    pub fn advance(&mut self) {
        // A superframe without payload is one piece.
        self.done = (self.done + self.step).min(self.payload.max(1));
    }
}

#[cfg(all(test, feature = "std"))]
mod tests;
