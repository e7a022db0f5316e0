//! A writer of pcapng files, as small as this crate's needs.
//!
//! Format: draft-ietf-opsawg-pcapng. One section, one Ethernet interface, nanosecond times,
//! little-endian. Each block leaves in a single write, so that a file that is cut off ends at a
//! block in almost all cases, and readers show everything before it.

use alloc::vec::Vec;
use std::io::{self, Write};

use smoltcp::time::Instant;

use super::Direction;

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const ENHANCED_PACKET: u32 = 6;
const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;
const LINKTYPE_ETHERNET: u16 = 1;

const OPTION_END: u16 = 0;
const SHB_HARDWARE: u16 = 2;
const SHB_USERAPPL: u16 = 4;
const IF_NAME: u16 = 2;
const IF_TSRESOL: u16 = 9;
const EPB_FLAGS: u16 = 2;
const EPB_PACKETID: u16 = 5;

/// Writes one section with one Ethernet interface.
#[derive(Debug)]
pub struct Pcapng<W: Write> {
    writer: W,
    /// Wall-clock time of [`Instant::ZERO`], in nanoseconds since 1970.
    epoch: u64,
    block: Vec<u8>,
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
        let mut this = Self { writer, epoch, block: Vec::new() };

        this.begin(SECTION_HEADER);
        this.u32(BYTE_ORDER_MAGIC);
        this.u16(1); // major version
        this.u16(0); // minor version
        this.bytes(&u64::MAX.to_le_bytes()); // section length unknown
        this.option(SHB_HARDWARE, b"virtual Ethernet");
        this.option(SHB_USERAPPL, concat!("tapsock ", env!("CARGO_PKG_VERSION")).as_bytes());
        this.option(OPTION_END, &[]);
        this.end()?;

        this.begin(INTERFACE_DESCRIPTION);
        this.u16(LINKTYPE_ETHERNET);
        this.u16(0); // reserved
        this.u32(0); // no snapshot limit
        this.option(IF_NAME, interface.as_bytes());
        this.option(IF_TSRESOL, &[9]); // 10^-9 s
        this.option(OPTION_END, &[]);
        this.end()?;
        Ok(this)
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
        let micros = u64::try_from(at.total_micros()).unwrap_or(0);
        let time = self.epoch.saturating_add(micros.saturating_mul(1000));
        let length = u32::try_from(frame.len()).unwrap_or(u32::MAX);
        let flags: u32 = match direction {
            Direction::Inbound => 1,
            Direction::Outbound => 2,
        };

        self.begin(ENHANCED_PACKET);
        self.u32(0); // interface
        self.u32((time >> 32) as u32);
        self.u32(time as u32);
        self.u32(length); // captured
        self.u32(length); // on the link
        self.bytes(frame);
        self.option(EPB_FLAGS, &flags.to_le_bytes());
        self.option(EPB_PACKETID, &number.to_le_bytes());
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
