//! A writer of pcapng files, as small as this crate's needs.
//!
//! Format: draft-ietf-opsawg-pcapng. One section, Ethernet interfaces, nanosecond times,
//! little-endian. Each block leaves in a single write, so that a file that is cut off ends at a
//! block in almost all cases, and readers show everything before it.

use alloc::vec::Vec;
use std::io::{self, Write};

use smoltcp::time::Instant;

use super::Direction;

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const INTERFACE_STATISTICS: u32 = 5;
const ENHANCED_PACKET: u32 = 6;
const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;
const LINKTYPE_ETHERNET: u16 = 1;

const OPTION_END: u16 = 0;
const OPT_COMMENT: u16 = 1;
const SHB_HARDWARE: u16 = 2;
const SHB_USERAPPL: u16 = 4;
const IF_NAME: u16 = 2;
const IF_TSRESOL: u16 = 9;
const EPB_FLAGS: u16 = 2;
const EPB_PACKETID: u16 = 5;

/// The most bytes of one comment: the length field has 16 bits.
const COMMENT_LIMIT: usize = u16::MAX as usize;

/// One frame of a file with several interfaces.
#[derive(Debug, Clone, Copy)]
pub struct Packet<'p> {
    /// Where it was seen: what [`Pcapng::interface`] gave.
    pub interface: u32,
    /// When.
    pub at: Instant,
    /// Which way it went, seen from the stack.
    pub direction: Direction,
    /// Which frame it is: the same frame has the same number on every interface.
    pub id: Option<u64>,
    /// What is to be said about it. Longer ones than 65,535 bytes become several.
    pub comments: &'p [&'p str],
    /// Its bytes.
    pub frame: &'p [u8],
}

/// Writes one section with Ethernet interfaces.
#[derive(Debug)]
pub struct Pcapng<W: Write> {
    writer: W,
    /// Wall-clock time of [`Instant::ZERO`], in nanoseconds since 1970.
    epoch: u64,
    block: Vec<u8>,
    interfaces: u32,
}

impl<W: Write> Pcapng<W> {
    /// Writes the section header and the description of an interface called `interface`.
    ///
    /// `epoch` is the wall-clock time of [`Instant::ZERO`] in nanoseconds since 1970; 0 suits
    /// virtual time.
    ///
    /// # Errors
    /// What the writer reports.
    pub fn new(writer: W, interface: &str, epoch: u64) -> io::Result<Self> {
        let mut this = Self::section(writer, epoch, &[])?;
        this.interface(interface)?;
        Ok(this)
    }

    /// Writes the section header with these comments, and no interface yet.
    ///
    /// # Errors
    /// What the writer reports.
    pub fn section(writer: W, epoch: u64, comments: &[&str]) -> io::Result<Self> {
        let mut this = Self { writer, epoch, block: Vec::new(), interfaces: 0 };
        this.begin(SECTION_HEADER);
        this.u32(BYTE_ORDER_MAGIC);
        this.u16(1); // major version
        this.u16(0); // minor version
        this.bytes(&u64::MAX.to_le_bytes()); // section length unknown
        this.comments(comments);
        this.option(SHB_HARDWARE, b"virtual Ethernet");
        this.option(SHB_USERAPPL, concat!("tapsock ", env!("CARGO_PKG_VERSION")).as_bytes());
        this.option(OPTION_END, &[]);
        this.end()?;
        Ok(this)
    }

    /// Writes the description of one more interface and gives its number, for [`Packet`].
    ///
    /// # Errors
    /// What the writer reports.
    pub fn interface(&mut self, name: &str) -> io::Result<u32> {
        self.begin(INTERFACE_DESCRIPTION);
        self.u16(LINKTYPE_ETHERNET);
        self.u16(0); // reserved
        self.u32(0); // no snapshot limit
        self.option(IF_NAME, name.as_bytes());
        self.option(IF_TSRESOL, &[9]); // 10^-9 s
        self.option(OPTION_END, &[]);
        self.end()?;
        self.interfaces += 1;
        Ok(self.interfaces - 1)
    }

    /// Writes one whole frame. `number` is its number on the link, which the file also carries
    /// as the packet's identifier.
    ///
    /// # Errors
    /// What the writer reports. Nothing more may be written afterwards: the file may end within
    /// a block.
    pub fn frame(
        &mut self,
        at: Instant,
        direction: Direction,
        number: u64,
        frame: &[u8],
    ) -> io::Result<()> {
        let (id, comments) = (Some(number), &[][..]);
        self.packet(&Packet { interface: 0, at, direction, id, comments, frame })
    }

    /// Writes one whole frame of a file with several interfaces.
    ///
    /// # Errors
    /// As [`Pcapng::frame`].
    pub fn packet(&mut self, packet: &Packet<'_>) -> io::Result<()> {
        let Packet { interface, at, direction, id, comments, frame } = *packet;
        let length = u32::try_from(frame.len()).unwrap_or(u32::MAX);
        let flags: u32 = match direction {
            Direction::Inbound => 1,
            Direction::Outbound => 2,
        };

        self.begin(ENHANCED_PACKET);
        self.u32(interface);
        self.time(at);
        self.u32(length); // captured
        self.u32(length); // on the link
        self.bytes(frame);
        self.comments(comments);
        self.option(EPB_FLAGS, &flags.to_le_bytes());
        if let Some(id) = id {
            self.option(EPB_PACKETID, &id.to_le_bytes());
        }
        self.option(OPTION_END, &[]);
        self.end()
    }

    /// Writes what happened at a time without a frame: an interface statistics block that has
    /// nothing but comments. Readers number no packet for it.
    ///
    /// # Errors
    /// As [`Pcapng::frame`].
    pub fn note(&mut self, interface: u32, at: Instant, comments: &[&str]) -> io::Result<()> {
        self.begin(INTERFACE_STATISTICS);
        self.u32(interface);
        self.time(at);
        self.comments(comments);
        self.option(OPTION_END, &[]);
        self.end()
    }

    /// Flushes the writer.
    ///
    /// # Errors
    /// What the writer reports.
    pub fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }

    fn begin(&mut self, kind: u32) {
        self.block.clear();
        self.u32(kind);
        self.u32(0); // total length, known at the end
    }

    fn end(&mut self) -> io::Result<()> {
        let total = (self.block.len() + 4) as u32;
        self.block[4..8].copy_from_slice(&total.to_le_bytes());
        self.u32(total);
        self.writer.write_all(&self.block)
    }

    fn time(&mut self, at: Instant) {
        let micros = u64::try_from(at.total_micros()).unwrap_or(0);
        let time = self.epoch.saturating_add(micros.saturating_mul(1000));
        self.u32((time >> 32) as u32);
        self.u32(time as u32);
    }

    fn comments(&mut self, comments: &[&str]) {
        for comment in comments {
            let mut rest = *comment;
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(rest.floor_char_boundary(COMMENT_LIMIT));
                self.option(OPT_COMMENT, piece.as_bytes());
                rest = after;
            }
        }
    }

    fn option(&mut self, code: u16, value: &[u8]) {
        // The length field has 16 bits; only an interface name could be longer.
        let value = &value[..value.len().min(usize::from(u16::MAX))];
        self.u16(code);
        self.u16(value.len() as u16);
        self.bytes(value);
    }

    /// Appends `value` and pads it to 32 bits.
    fn bytes(&mut self, value: &[u8]) {
        self.block.extend_from_slice(value);
        self.block.resize(self.block.len().next_multiple_of(4), 0);
    }

    fn u16(&mut self, value: u16) {
        self.block.extend_from_slice(&value.to_le_bytes());
    }

    fn u32(&mut self, value: u32) {
        self.block.extend_from_slice(&value.to_le_bytes());
    }
}
