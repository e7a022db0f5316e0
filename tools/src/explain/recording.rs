//! A recording of both sides of a fault script, as [`tape`](tapsock_stack::link::tape) writes it.
//!
//! What cannot be read ends the reading, and whatever was read before it counts. No bytes make
//! this panic.

use tapsock_stack::link::Direction;
use tapsock_stack::link::tape::Side;
use tapsock_stack::time::Instant;

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;
const INTERFACE_DESCRIPTION: u32 = 1;
const INTERFACE_STATISTICS: u32 = 5;
const ENHANCED_PACKET: u32 = 6;
/// Packets of other kinds, which Wireshark numbers as well.
const OTHER_PACKETS: [u32; 2] = [2, 3];
const OPT_COMMENT: u16 = 1;
const IF_NAME: u16 = 2;
const IF_TSRESOL: u16 = 9;
const EPB_FLAGS: u16 = 2;
const EPB_PACKETID: u16 = 5;

/// A packet of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Packet {
    /// As Wireshark numbers it; the first is 1.
    pub(super) number: u64,
    pub(super) side: Side,
    /// The stack's number of the frame, of packets on its side.
    pub(super) frame: Option<u64>,
    /// Since the beginning of the clock.
    pub(super) at: Instant,
    pub(super) direction: Direction,
    pub(super) id: Option<u64>,
    /// What was said about it, without the notes that stand at it.
    pub(super) story: Option<String>,
    pub(super) bytes: Vec<u8>,
}

impl Packet {
    /// Whether its frame enters the script here.
    pub(super) fn enters(&self) -> bool {
        match self.side {
            Side::Stack => self.direction == Direction::Outbound,
            Side::Wire => self.direction == Direction::Inbound,
        }
    }
}

/// What is in the file, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Item {
    /// The packet with this index.
    Packet(usize),
    /// What happened without a packet.
    Note(Instant, String),
}

/// The file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Recording {
    pub(super) heading: Heading,
    /// The text of the script.
    pub(super) script: String,
    pub(super) packets: Vec<Packet>,
    pub(super) items: Vec<Item>,
    /// How it ends, if not as it should: the end of a sentence.
    pub(super) damage: Option<String>,
}

/// What has to be known to do the same again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Heading {
    pub(super) version: String,
    pub(super) seed: u64,
    pub(super) by_hash: bool,
    /// Wall-clock time of the clock's beginning, in nanoseconds since 1970.
    epoch: u64,
    /// When the engine was made, in microseconds of its clock.
    pub(super) began: i64,
    /// How many frames had entered it before.
    pub(super) entered: u64,
    /// How many frames the stack had counted before.
    pub(super) frames: u64,
    pub(super) mtu: usize,
    pub(super) rules: usize,
    pub(super) flows: usize,
    pub(super) held: usize,
    pub(super) frame: usize,
    script_bytes: usize,
}

/// No time of a file is taken to be later, in microseconds: sums of times must not overflow.
const LATEST: i64 = 1 << 60;

/// The most memory of each kind that an engine is made with again, in bytes.
const MEMORY: usize = 256 << 20;

impl Heading {
    /// Whether an engine of these sizes can be made. They come from a file.
    fn is_reasonable(&self) -> bool {
        let counts = self.rules.checked_mul(self.flows).and_then(|it| it.checked_mul(4));
        let bytes = self.held.checked_mul(self.frame);
        [counts, bytes].into_iter().all(|size| size.is_some_and(|size| size <= MEMORY))
            && self.rules <= usize::from(u16::MAX)
            && self.flows <= usize::from(u16::MAX)
            && self.held <= usize::from(u16::MAX)
    }
}

/// Why a file cannot be explained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// It is no pcapng file.
    NotPcapng,
    /// It is one of the other byte order.
    Swapped,
    /// It carries no fault script.
    NoScript,
    /// The sizes in its heading are nonsense.
    TooLarge,
}

/// Reads a file.
pub(super) fn read(file: &[u8]) -> Result<Recording, Unreadable> {
    match (u32_at(file, 0), u32_at(file, 8)) {
        (Some(SECTION_HEADER), Some(BYTE_ORDER_MAGIC)) => {}
        (Some(SECTION_HEADER), Some(magic)) if magic == BYTE_ORDER_MAGIC.swap_bytes() => {
            return Err(Unreadable::Swapped);
        }
        _ => return Err(Unreadable::NotPcapng),
    }
    let mut reader = Reader::default();
    let mut rest = file;
    while !rest.is_empty() {
        let block = u32_at(rest, 4).map(|total| total as usize).and_then(|total| {
            let body = rest.get(8..total.checked_sub(4)?)?;
            rest.get(total..).map(|after| (body, after))
        });
        let Some((body, after)) = block else {
            let packets = reader.numbers;
            reader.recording.damage = Some(format!("it is cut off behind packet {packets}"));
            break;
        };
        let kind = u32_at(rest, 0).unwrap_or(0);
        rest = after;
        reader.block(kind, body)?;
    }
    if !reader.has_heading {
        return Err(Unreadable::NoScript);
    }
    if !reader.recording.heading.is_reasonable() {
        return Err(Unreadable::TooLarge);
    }
    Ok(reader.recording)
}

#[derive(Debug, Default)]
struct Reader {
    recording: Recording,
    has_heading: bool,
    /// Side and nanoseconds of a tick of each interface.
    interfaces: Vec<(Option<Side>, u64)>,
    numbers: u64,
    frames: u64,
}

impl Reader {
    fn block(&mut self, kind: u32, body: &[u8]) -> Result<(), Unreadable> {
        match kind {
            SECTION_HEADER => {
                let texts = comments(body.get(16..).unwrap_or_default());
                let Some((heading, script)) = header(&texts) else {
                    return Err(Unreadable::NoScript);
                };
                self.frames = heading.frames;
                (self.recording.heading, self.recording.script) = (heading, script);
                self.has_heading = true;
            }
            INTERFACE_DESCRIPTION => self.interface(body),
            INTERFACE_STATISTICS => {
                for text in comments(body.get(12..).unwrap_or_default()) {
                    let at = self.time(body);
                    self.recording.items.push(Item::Note(at, text));
                }
            }
            ENHANCED_PACKET => {
                self.numbers += 1;
                if let Some(packet) = self.packet(body) {
                    self.recording.items.push(Item::Packet(self.recording.packets.len()));
                    self.recording.packets.push(packet);
                }
            }
            other if OTHER_PACKETS.contains(&other) => self.numbers += 1,
            _ => {}
        }
        Ok(())
    }

    fn interface(&mut self, body: &[u8]) {
        // Microseconds where nothing else is said.
        let (mut side, mut nanos) = (None, 1000);
        for (code, value) in options(body.get(8..).unwrap_or_default()) {
            match (code, value) {
                // The link's name may stand before it.
                (IF_NAME, name) if name == b"stack" || name.ends_with(b"-stack") => {
                    side = Some(Side::Stack);
                }
                (IF_NAME, name) if name == b"wire" || name.ends_with(b"-wire") => {
                    side = Some(Side::Wire);
                }
                (IF_TSRESOL, &[exponent @ 0..=9]) => nanos = 10u64.pow(9 - u32::from(exponent)),
                _ => {}
            }
        }
        self.interfaces.push((side, nanos));
    }

    /// The time of a block that begins with its interface and the time.
    fn time(&self, body: &[u8]) -> Instant {
        let interface = u32_at(body, 0).unwrap_or(0) as usize;
        let (_, nanos) = self.interfaces.get(interface).copied().unwrap_or((None, 1));
        let [high, low] = [4, 8].map(|at| u64::from(u32_at(body, at).unwrap_or(0)));
        let time = (high << 32 | low).saturating_mul(nanos);
        let micros = time.saturating_sub(self.recording.heading.epoch) / 1000;
        Instant::from_micros(i64::try_from(micros).unwrap_or(LATEST).min(LATEST))
    }

    fn packet(&mut self, body: &[u8]) -> Option<Packet> {
        let at = self.time(body);
        let (side, _) = *self.interfaces.get(u32_at(body, 0)? as usize)?;
        let side = side?;
        let length = u32_at(body, 12)? as usize;
        let bytes = body.get(20..20usize.checked_add(length)?)?.to_vec();
        let (mut direction, mut id, mut story) = (Direction::Inbound, None, None);
        for (code, value) in options(body.get(20 + length.next_multiple_of(4)..)?) {
            match code {
                EPB_FLAGS if u32_at(value, 0)? & 3 == 2 => direction = Direction::Outbound,
                EPB_PACKETID => {
                    let (low, high) = (u32_at(value, 0)?, u32_at(value, 4)?);
                    id = Some(u64::from(high) << 32 | u64::from(low));
                }
                OPT_COMMENT => {
                    let text = String::from_utf8_lossy(value);
                    if !is_note(&text) {
                        story = Some(text.into_owned());
                    }
                }
                _ => {}
            }
        }
        let frame = (side == Side::Stack).then(|| {
            self.frames += 1;
            self.frames
        });
        let number = self.numbers;
        Some(Packet { number, side, frame, at, direction, id, story, bytes })
    }
}

/// Whether a comment of a packet is a note that stands at it: `at 0.010000 s: link down`.
fn is_note(text: &str) -> bool {
    let time = text.strip_prefix("at ").and_then(|rest| rest.split_once(" s: "));
    time.is_some_and(|(time, _)| time.parse::<f64>().is_ok())
}

/// Heading and script in the comments of a section header.
fn header(texts: &[String]) -> Option<(Heading, String)> {
    let line = texts.iter().position(|text| text.starts_with("tapsock ") && has_length(text))?;
    let heading = heading(&texts[line])?;
    let mut script = texts[line + 1..].concat();
    // Comments of others may follow.
    if !script.is_char_boundary(heading.script_bytes.min(script.len())) {
        return None;
    }
    script.truncate(heading.script_bytes);
    (script.len() == heading.script_bytes).then_some((heading, script))
}

fn has_length(text: &str) -> bool {
    text.contains(" script-bytes=")
}

fn heading(line: &str) -> Option<Heading> {
    let mut words = line.split_whitespace().skip(1);
    let mut heading = Heading { version: words.next()?.to_string(), ..Heading::default() };
    for (key, value) in words.filter_map(|word| word.split_once('=')) {
        match key {
            "seed" => heading.seed = u64::from_str_radix(value.strip_prefix("0x")?, 16).ok()?,
            "decide" => heading.by_hash = value == "hash",
            "epoch" => heading.epoch = value.parse().ok()?,
            "began" => {
                let (seconds, micros) = value.split_once('.')?;
                let (seconds, micros): (i64, i64) = (seconds.parse().ok()?, micros.parse().ok()?);
                let began = seconds.checked_mul(1_000_000)?.checked_add(micros)?;
                heading.began = began.clamp(0, LATEST);
            }
            "entered" => heading.entered = value.parse().ok()?,
            "frames" => heading.frames = value.parse().ok()?,
            "mtu" => heading.mtu = value.parse().ok()?,
            "rules" => heading.rules = value.parse().ok()?,
            "flows" => heading.flows = value.parse().ok()?,
            "held" => heading.held = value.parse().ok()?,
            "frame" => heading.frame = value.parse().ok()?,
            "script-bytes" => heading.script_bytes = value.parse().ok()?,
            _ => {}
        }
    }
    Some(heading)
}

fn comments(bytes: &[u8]) -> Vec<String> {
    let texts = options(bytes).filter(|(code, _)| *code == OPT_COMMENT);
    texts.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).collect()
}

/// Code and value of each option.
fn options(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let (code, size) = (u16_at(bytes, 0)?, usize::from(u16_at(bytes, 2)?));
        let value = bytes.get(4..4 + size)?;
        bytes = bytes.get(4 + size.next_multiple_of(4)..).unwrap_or_default();
        (code != 0).then_some((code, value))
    })
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}
