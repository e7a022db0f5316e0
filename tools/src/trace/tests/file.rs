//! Capture files, written with every freedom that the formats leave.

use tapsock_stack::link::Direction;

use crate::trace::capture;

/// A pcapng file that grows.
pub(super) struct File {
    pub(super) bytes: Vec<u8>,
    big: bool,
}

impl File {
    pub(super) fn new(big: bool) -> Self {
        let mut this = Self { bytes: Vec::new(), big };
        let mut body = this.u32(0x1a2b_3c4d);
        body.extend(this.u16(1));
        body.extend(this.u16(0));
        body.extend([0xff; 8]);
        this.block(0x0a0d_0d0a, &body);
        this
    }

    fn u16(&self, value: u16) -> Vec<u8> {
        if self.big { value.to_be_bytes().to_vec() } else { value.to_le_bytes().to_vec() }
    }

    fn u32(&self, value: u32) -> Vec<u8> {
        if self.big { value.to_be_bytes().to_vec() } else { value.to_le_bytes().to_vec() }
    }

    fn block(&mut self, kind: u32, body: &[u8]) {
        let length = u32::try_from(body.len() + 12).unwrap();
        let parts = [self.u32(kind), self.u32(length), body.to_vec(), self.u32(length)];
        self.bytes.extend(parts.concat());
    }

    fn option(&self, code: u16, value: &[u8]) -> Vec<u8> {
        let mut option = self.u16(code);
        option.extend(self.u16(u16::try_from(value.len()).unwrap()));
        option.extend(value);
        option.resize(option.len().next_multiple_of(4), 0);
        option
    }

    /// An interface; `resolution` is `if_tsresol`, without one microseconds.
    pub(super) fn interface(mut self, name: &str, link: u16, resolution: Option<u8>) -> Self {
        let mut body = self.u16(link);
        body.extend(self.u16(0));
        body.extend(self.u32(0));
        body.extend(self.option(2, name.as_bytes()));
        if let Some(resolution) = resolution {
            body.extend(self.option(9, &[resolution]));
        }
        body.extend(self.option(0, &[]));
        self.block(1, &body);
        self
    }

    /// A note at `time`, in the unit of its interface.
    pub(super) fn note(&mut self, interface: u32, time: u64, text: &str) {
        let mut body = self.u32(interface);
        body.extend(self.u32((time >> 32) as u32));
        body.extend(self.u32(time as u32));
        body.extend(self.option(1, text.as_bytes()));
        body.extend(self.option(0, &[]));
        self.block(5, &body);
    }

    /// A packet at `time`, in the unit of its interface.
    pub(super) fn packet(
        &mut self,
        interface: u32,
        time: u64,
        bytes: &[u8],
        options: &Options<'_>,
    ) {
        let mut body = self.u32(interface);
        body.extend(self.u32((time >> 32) as u32));
        body.extend(self.u32(time as u32));
        let length = u32::try_from(bytes.len()).unwrap();
        body.extend(self.u32(length));
        body.extend(self.u32(length));
        body.extend(bytes);
        body.resize(body.len().next_multiple_of(4), 0);
        if let Some(direction) = options.direction {
            let flags = match direction {
                Direction::Inbound => 1,
                Direction::Outbound => 2,
            };
            body.extend(self.option(2, &self.u32(flags)));
        }
        if let Some(id) = options.id {
            let id = if self.big { id.to_be_bytes() } else { id.to_le_bytes() };
            body.extend(self.option(5, &id));
        }
        for comment in options.comments {
            body.extend(self.option(1, comment.as_bytes()));
        }
        if options.direction.is_some() || options.id.is_some() || !options.comments.is_empty() {
            body.extend(self.option(0, &[]));
        }
        self.block(6, &body);
    }
}

/// What a packet has beside its bytes.
#[derive(Default)]
pub(super) struct Options<'o> {
    pub(super) direction: Option<Direction>,
    pub(super) id: Option<u64>,
    pub(super) comments: &'o [&'o str],
}

/// A capture with both sides of a fault, out of one of the stack's side: the first SYN is lost on
/// its way out, data is delayed there by 30 ms, acknowledgments are lost on their way in, a RST is
/// forged at the end, and the link goes down for a while.
pub(super) fn two_sides(one: &[u8]) -> Vec<u8> {
    let packets = capture::read(one).unwrap().packets;
    let mut file = File::new(false).interface("stack", 1, Some(9)).interface("wire", 1, Some(9));
    let mut syns = 0;
    for (index, packet) in packets.iter().enumerate() {
        let id = Some(index as u64 + 1);
        let direction = packet.direction;
        let at = packet.at as u64;
        let is_out = direction == Some(Direction::Outbound);
        let flags = packet.bytes.get(47).copied().unwrap_or(0);
        let mut comments: &[&str] = &[];
        let mut lost = false;
        let mut delay = 0;
        if packet.bytes[12..14] == [8, 0] {
            if is_out && flags & 2 != 0 {
                syns += 1;
                lost = syns == 1;
                comments = &["rule=lose-1st-syn fired=1 verdict=drop; frame=2"];
            } else if is_out && packet.bytes.len() > 200 {
                delay = 30_000_000;
                comments = &["rule=slow<&wire> fired=2 delay=30 ms; frame=9"];
            } else if !is_out && index % 9 == 4 {
                lost = true;
                comments = &["rule=lose-acks fired=1 verdict=drop"];
            }
        }
        let options = Options { direction, id, comments };
        let (near, far) = if is_out { (0, 1) } else { (1, 0) };
        file.packet(near, at, &packet.bytes, &options);
        if !lost {
            let told: &[&str] =
                if delay > 0 { &["delayed 30 ms by rule=slow<&wire>"] } else { &[] };
            let options = Options { direction, id, comments: told };
            file.packet(far, at + delay, &packet.bytes, &options);
        }
        if index == packets.len() / 2 {
            file.note(0, at + 1, "event=cut link down for 20 ms");
            file.note(0, at + 1, "link down");
            file.note(0, at + 20_000_000, "link up");
        }
    }
    // The last packet of the peer again, as a RST without anything.
    let last = packets.iter().rev().find(|packet| packet.direction == Some(Direction::Inbound));
    if let Some(last) = last {
        let mut reset = last.bytes.clone();
        reset[47] = 0x14;
        let direction = last.direction;
        let comments = &["forged by rule=refuse because of id=12; frame=40"][..];
        let options = Options { direction, id: None, comments };
        file.packet(0, last.at as u64 + 3_000_000_000, &reset, &options);
    }
    file.bytes
}
