//! A capture file as packets: pcapng of ours and of others, and the older pcap of tcpdump.
//!
//! What cannot be read ends the reading, and whatever was read before it counts. No bytes make
//! this panic.

use pcap_file::pcap::PcapParser;
use pcap_file::pcapng::PcapNgParser;
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption,
};
use pcap_file::{DataLink, Endianness, PcapError, TsResolution};
use tapsock_stack::link::Direction;

/// Which side of a fault a packet was recorded on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Side {
    /// What the stack sent and what reached it.
    Stack,
    /// What was on the wire.
    Wire,
    /// The interface with this number, of a capture that knows no sides.
    Interface(u32),
}

/// A captured packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Packet {
    /// Its number in the file, as Wireshark counts: the first is 1.
    pub number: u64,
    /// What the two sides of one frame have in common.
    pub id: Option<u64>,
    /// Where it was recorded.
    pub side: Side,
    /// When, in nanoseconds since the first packet of the file. A clock that was set back makes it
    /// negative.
    pub at: i64,
    /// Which way it went, where the capture says so.
    pub direction: Option<Direction>,
    /// What its bytes begin with.
    pub link: DataLink,
    /// What was captured of it.
    pub bytes: Vec<u8>,
    /// Its comments.
    pub comments: Vec<String>,
}

/// What happened without a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Note {
    /// When, as [`Packet::at`].
    pub(super) at: i64,
    /// What.
    pub(super) text: String,
}

/// The packets of a file in the order of their times.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Capture {
    /// The packets.
    pub packets: Vec<Packet>,
    /// What happened without a packet, in the order of the file.
    pub notes: Vec<Note>,
    /// Why not everything in the file is among them, as the end of a sentence.
    pub damage: Option<String>,
}

impl Packet {
    /// Whether it was recorded where its frame begins: at the stack on its way out, on the wire
    /// on its way in, and anywhere in a capture of one side.
    pub(super) fn enters(&self) -> bool {
        let outbound = self.direction == Some(Direction::Outbound);
        match self.side {
            Side::Stack => outbound,
            Side::Wire => !outbound,
            Side::Interface(_) => true,
        }
    }
}

const INTERFACE_STATISTICS: u32 = 5;
const ENHANCED_PACKET: u32 = 6;
const OPTION_COMMENT: u16 = 1;
const EPB_FLAGS: u16 = 2;
const EPB_PACKETID: u16 = 5;

/// Reads a capture.
///
/// # Errors
/// Why `file` is no capture at all, as the end of a sentence.
pub(super) fn read(file: &[u8]) -> Result<Capture, &'static str> {
    let magic: [u8; 4] = file.get(..4).and_then(|magic| magic.try_into().ok()).unwrap_or_default();
    let mut capture = match u32::from_be_bytes(magic) {
        0x0a0d_0d0a => pcapng(file)?,
        0xa1b2_c3d4 | 0xd4c3_b2a1 | 0xa1b2_3c4d | 0x4d3c_b2a1 => pcap(file)?,
        _ if file.is_empty() => return Err("it is empty"),
        _ => return Err("it begins with neither a pcapng nor a pcap header"),
    };
    if let Some(first) = capture.packets.first().map(|packet| packet.at) {
        for packet in &mut capture.packets {
            packet.at = packet.at.saturating_sub(first);
        }
        for note in &mut capture.notes {
            note.at = note.at.saturating_sub(first);
        }
    }
    capture.packets.sort_by_key(|packet| (packet.at, packet.number));
    Ok(capture)
}

/// An interface of a pcapng section.
struct Interface {
    side: Side,
    link: DataLink,
    /// `if_tsresol`.
    resolution: u8,
    /// `if_tsoffset`, in seconds.
    offset: u64,
}

impl Interface {
    fn new(number: u32, block: &InterfaceDescriptionBlock<'_>) -> Self {
        // Microseconds, where nothing else is said.
        let side = Side::Interface(number);
        let mut this = Self { side, link: block.linktype, resolution: 6, offset: 0 };
        for option in &block.options {
            match option {
                // The link's name may stand before it: "tap0-stack".
                InterfaceDescriptionOption::IfName(name) => match name.rsplit('-').next() {
                    Some("stack") => this.side = Side::Stack,
                    Some("wire") => this.side = Side::Wire,
                    _ => {}
                },
                InterfaceDescriptionOption::IfTsResol(resolution) => this.resolution = *resolution,
                InterfaceDescriptionOption::IfTsOffset(offset) => this.offset = *offset,
                _ => {}
            }
        }
        this
    }

    fn nanos(&self, time: u64) -> i64 {
        let (time, exponent) = (u128::from(time), u32::from(self.resolution & 0x7f));
        let nanos = if self.resolution & 0x80 != 0 {
            time.saturating_mul(1_000_000_000).checked_shr(exponent).unwrap_or(0)
        } else if exponent <= 9 {
            time.saturating_mul(10u128.pow(9 - exponent))
        } else {
            10u128.checked_pow(exponent - 9).map_or(0, |divisor| time / divisor)
        };
        let offset = u128::from(self.offset).saturating_mul(1_000_000_000);
        i64::try_from(nanos.saturating_add(offset)).unwrap_or(i64::MAX)
    }
}

fn pcapng(file: &[u8]) -> Result<Capture, &'static str> {
    let (mut rest, mut parser) =
        PcapNgParser::new(file).map_err(|_| "its pcapng section header is broken")?;
    let mut capture = Capture::default();
    let mut number = 0;
    let mut skipped = 0u64;
    while !rest.is_empty() {
        let (after, block) = match parser.next_raw_block(rest) {
            Ok(read) => read,
            Err(error) => {
                capture.damage = Some(ends(&error, number));
                return Ok(capture);
            }
        };
        rest = after;
        let order = Order(parser.section().endianness);
        if block.type_ == INTERFACE_STATISTICS {
            notes(&block.body, order, parser.interfaces(), &mut capture.notes);
        }
        if block.type_ != ENHANCED_PACKET {
            // Packets without a time and obsolete ones count, but cannot be drawn.
            let packet = matches!(block.type_, 2 | 3);
            number += u64::from(packet);
            skipped += u64::from(packet);
            continue;
        }
        number += 1;
        match enhanced_packet(&block.body, order, parser.interfaces(), number) {
            Some(packet) => capture.packets.push(packet),
            None => skipped += 1,
        }
    }
    if skipped > 0 {
        capture.damage = Some(format!("{skipped} of its {number} packets cannot be read"));
    }
    Ok(capture)
}

/// How a damaged file ends, behind `packets` packets.
fn ends(error: &PcapError, packets: u64) -> String {
    match error {
        PcapError::IncompleteBuffer => format!("it is cut off behind packet {packets}"),
        _ => format!("it is damaged behind packet {packets}"),
    }
}

/// Numbers of a section.
#[derive(Clone, Copy)]
struct Order(Endianness);

impl Order {
    fn u16(self, bytes: &[u8], at: usize) -> Option<u16> {
        let bytes = bytes.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(match self.0 {
            Endianness::Big => u16::from_be_bytes(bytes),
            Endianness::Little => u16::from_le_bytes(bytes),
        })
    }

    fn u32(self, bytes: &[u8], at: usize) -> Option<u32> {
        let bytes = bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(match self.0 {
            Endianness::Big => u32::from_be_bytes(bytes),
            Endianness::Little => u32::from_le_bytes(bytes),
        })
    }

    /// The options of a block, up to the last that is whole.
    fn options(self, mut rest: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
        std::iter::from_fn(move || {
            let (code, size) = (self.u16(rest, 0)?, usize::from(self.u16(rest, 2)?));
            let value = rest.get(4..4 + size).filter(|_| code != 0)?;
            rest = rest.get(4 + size.next_multiple_of(4)..).unwrap_or_default();
            Some((code, value))
        })
    }

    fn u64(self, bytes: &[u8]) -> Option<u64> {
        let bytes = bytes.try_into().ok()?;
        Some(match self.0 {
            Endianness::Big => u64::from_be_bytes(bytes),
            Endianness::Little => u64::from_le_bytes(bytes),
        })
    }
}

/// Reads the body itself, as the crate gives up a whole packet for one odd option, and has no
/// packet identifiers in either byte order.
fn enhanced_packet(
    body: &[u8],
    order: Order,
    interfaces: &[InterfaceDescriptionBlock<'static>],
    number: u64,
) -> Option<Packet> {
    let (interface, at) = place(body, order, interfaces)?;
    let length = usize::try_from(order.u32(body, 12)?).ok()?;
    let data = body.get(20..)?;
    let bytes = data.get(..length)?.to_vec();
    let mut packet = Packet {
        number,
        id: None,
        side: interface.side,
        at,
        direction: None,
        link: interface.link,
        bytes,
        comments: Vec::new(),
    };
    for (code, value) in order.options(data.get(length.next_multiple_of(4)..).unwrap_or_default()) {
        match code {
            OPTION_COMMENT => packet.comments.push(String::from_utf8_lossy(value).into_owned()),
            EPB_FLAGS => {
                packet.direction = match order.u32(value, 0).unwrap_or(0) & 3 {
                    1 => Some(Direction::Inbound),
                    2 => Some(Direction::Outbound),
                    _ => None,
                };
            }
            EPB_PACKETID => packet.id = order.u64(value),
            _ => {}
        }
    }
    Some(packet)
}

/// The interface and the time with which a packet and a statistics block begin.
fn place(
    body: &[u8],
    order: Order,
    interfaces: &[InterfaceDescriptionBlock<'static>],
) -> Option<(Interface, i64)> {
    let index = order.u32(body, 0)?;
    let interface = Interface::new(index, interfaces.get(usize::try_from(index).ok()?)?);
    let time = u64::from(order.u32(body, 4)?) << 32 | u64::from(order.u32(body, 8)?);
    let at = interface.nanos(time);
    Some((interface, at))
}

/// The comments of a statistics block are what happened at its time.
fn notes(
    body: &[u8],
    order: Order,
    interfaces: &[InterfaceDescriptionBlock<'static>],
    notes: &mut Vec<Note>,
) {
    let Some((_, at)) = place(body, order, interfaces) else { return };
    let options = order.options(body.get(12..).unwrap_or_default());
    let comments = options.filter(|(code, _)| *code == OPTION_COMMENT);
    notes.extend(
        comments.map(|(_, text)| Note { at, text: String::from_utf8_lossy(text).into_owned() }),
    );
}

fn pcap(file: &[u8]) -> Result<Capture, &'static str> {
    let (mut rest, parser) = PcapParser::new(file).map_err(|_| "its pcap header is broken")?;
    let header = parser.header();
    let unit = match header.ts_resolution {
        TsResolution::MicroSecond => 1000,
        TsResolution::NanoSecond => 1,
    };
    let mut capture = Capture::default();
    let mut number = 0;
    while !rest.is_empty() {
        let (after, packet) = match parser.next_raw_packet(rest) {
            Ok(read) => read,
            Err(error) => {
                capture.damage = Some(ends(&error, number));
                break;
            }
        };
        rest = after;
        number += 1;
        capture.packets.push(Packet {
            number,
            id: None,
            side: Side::Interface(0),
            at: i64::from(packet.ts_sec) * 1_000_000_000 + i64::from(packet.ts_frac) * unit,
            direction: None,
            link: header.datalink,
            bytes: packet.data.into_owned(),
            comments: Vec::new(),
        });
    }
    Ok(capture)
}
