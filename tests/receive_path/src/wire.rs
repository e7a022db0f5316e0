//! The link of the stack under test, and the peers on it.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::hash::{DefaultHasher, Hash};
use std::ops::Range;
use std::rc::Rc;

use tapsock_stack::link::offload::{Segments, Sums, finish};
use tapsock_stack::link::{ChecksumStatus, FrameMeta, Gso, GsoKind, Link, LinkError, Offload};
use tapsock_stack::time::Instant;
use tapsock_stack::wire::{IpAddress, IpEndpoint};

use crate::flow::{Flow, Tuple, own_byte, peer_byte};
use crate::network::{
    LOCAL_PORTS, OWN, address, address_like, endpoint, hardware, is_neighbor, own_addresses,
};
use crate::operation::Operation;
use crate::oracle::{self, Sent};
use crate::packet::{
    self, Breakage, Cut, Dressing, ICMP, ICMPV6, Packet, TCP, Tcp, UDP, fill_header_checksum,
};

/// Packets and frames that are kept to be quoted or repeated.
const KEPT: usize = 16;

/// The most flows that the peers follow.
const FLOWS: usize = 64;

/// What the script and the stack share.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) mtu: usize,
    waiting: VecDeque<(Vec<u8>, FrameMeta)>,
    offload: Offload,
    /// What the device says about the next frame.
    meta: Option<FrameMeta>,
    /// Frames that the stack took.
    pub(crate) taken: u64,
    up: bool,
    busy: u8,
    pub(crate) mute: bool,
    pub(crate) flows: Vec<Flow>,
    dressing: Dressing,
    options: Option<Vec<u8>>,
    /// The latest packets of the stack, the last one first.
    sent: VecDeque<Vec<u8>>,
    /// The latest frames of the script, the last one first.
    injected: VecDeque<Vec<u8>>,
    /// Every address that the stack has or had.
    pub(crate) own: Vec<IpAddress>,
    /// Nothing arrived that a peer who follows the rules would not send.
    pub(crate) honest: bool,
    /// How many bytes the callers have sent on a connection, where that is known.
    pub(crate) streams: BTreeMap<Tuple, Option<u32>>,
    /// Everything that left, and when.
    pub(crate) digest: DefaultHasher,
}

impl Wire {
    pub(crate) fn new(mtu: usize) -> Self {
        let link_local = address(crate::network::BROADCAST + 1);
        let own = own_addresses().map(|cidr| cidr.address()).into_iter().chain([link_local]);
        Self {
            mtu,
            waiting: VecDeque::new(),
            offload: Offload::NONE,
            meta: None,
            taken: 0,
            up: true,
            busy: 0,
            mute: false,
            flows: Vec::new(),
            dressing: Dressing::default(),
            options: None,
            sent: VecDeque::new(),
            injected: VecDeque::new(),
            own: own.collect(),
            honest: true,
            streams: BTreeMap::new(),
            digest: DefaultHasher::new(),
        }
    }

    /// The same with a device that works for the stack.
    pub(crate) fn offloading(mtu: usize) -> Self {
        Self { offload: Offload::ALL, ..Self::new(mtu) }
    }

    /// Whether every frame was taken.
    pub(crate) fn is_quiet(&self) -> bool {
        self.waiting.is_empty()
    }

    /// 4 or 6: the family of the script's latest frame.
    pub(crate) fn last_family(&self) -> u8 {
        let v6 = self.injected.front().is_some_and(|frame| frame.get(12) == Some(&0x86));
        if v6 { 6 } else { 4 }
    }

    pub(crate) fn flow(&self, tuple: Tuple) -> Option<&Flow> {
        self.flows.iter().find(|flow| flow.tuple() == tuple)
    }

    fn flow_mut(&mut self, local: IpEndpoint, remote: IpEndpoint) -> &mut Flow {
        let found = self.flows.iter().position(|flow| flow.tuple() == (local, remote));
        let at = found.unwrap_or_else(|| {
            if self.flows.len() == FLOWS {
                self.flows.remove(0);
            }
            self.flows.push(Flow::new(local, remote, 0));
            self.flows.len() - 1
        });
        &mut self.flows[at]
    }

    /// Makes the link work again.
    pub(crate) fn mend(&mut self) {
        (self.up, self.busy, self.mute) = (true, 0, false);
    }

    /// Does what the script says about frames and the link; false for other operations.
    pub(crate) fn perform(&mut self, operation: &Operation) -> bool {
        match *operation {
            Operation::Open { from, to, port, local, initial, options } => {
                let local = local_endpoint(to, local);
                let remote = IpEndpoint::new(address_like(from, local.addr), peer_port(port));
                self.flow_mut(local, remote).reopen(initial);
                let sequence = (2, 0);
                let numbers = Numbers { flags: 2, sequence, options, ..Numbers::default() };
                self.segment(local, remote, &numbers);
            }
            Operation::Segment {
                flow,
                flags,
                sequence,
                sequence_by,
                acknowledgment,
                acknowledgment_by,
                window,
                len,
                options,
            } => {
                let Some((local, remote)) = self.pick_flow(flow) else { return true };
                let numbers = Numbers {
                    flags,
                    sequence: (sequence, sequence_by),
                    acknowledgment: (acknowledgment, acknowledgment_by),
                    window,
                    len,
                    options,
                };
                self.segment(local, remote, &numbers);
            }
            Operation::Options { ref bytes } => self.options = Some(bytes.clone()),
            Operation::Datagram { from, to, port, local, len } => {
                let local = local_endpoint(to, local);
                let source = address_like(from, local.addr);
                let payload = vec![port; usize::from(len)];
                let upper = packet::udp(peer_port(port), local.port, &payload);
                self.send(source, local.addr, UDP, upper);
            }
            Operation::Error { from, about, kind, code, quote, word } => {
                self.error(from, about, [kind, code], quote, word);
            }
            Operation::Message { from, to, kind, code, ref body } => {
                let destination = address(to);
                let mut upper = vec![kind, code, 0, 0];
                upper.extend(body);
                self.send(address_like(from, destination), destination, icmp(destination), upper);
            }
            Operation::Arp { operation, sender, hardware: whose, target } => {
                let v4 = address(0);
                let sender = (hardware(address(whose)), address_like(sender, v4));
                let target = (OWN, address_like(target, v4));
                let frame = packet::arp(u16::from(operation % 4), sender, target);
                self.inject(frame);
            }
            Operation::Discovery { kind, from, to, target, flags, ref options } => {
                let v6 = address(1);
                let mut upper = vec![kind, 0, 0, 0, flags, 0, 0, 0];
                upper.extend(packet::octets(address_like(target, v6)));
                upper.extend(options);
                self.send(address_like(from, v6), address_like(to, v6), ICMPV6, upper);
            }
            Operation::Protocol { from, to, protocol, ref body } => {
                self.honest &= protocol != TCP;
                let destination = address(to);
                let source = address_like(from, destination);
                self.send(source, destination, protocol, body.clone());
            }
            Operation::Frame { ref bytes } => {
                self.honest = false;
                self.inject(bytes.clone());
            }
            Operation::Packet { ref bytes } => {
                self.honest = false;
                let v6 = bytes.first().is_some_and(|first| first >> 4 == 6);
                let peer = hardware(address(crate::network::PEER));
                let kind: [u8; 2] = if v6 { [0x86, 0xdd] } else { [8, 0] };
                let mut frame = [&OWN.0[..], &peer.0[..], &kind[..], bytes].concat();
                fill_header_checksum(&mut frame[14..]);
                self.inject(frame);
            }
            Operation::Dress { what, value } => self.dressing.changes.push((what, value)),
            Operation::Extend { header, ref bytes } => {
                // What a route ends with is up to the sender; all else is the receiver's to skip.
                if self.dressing.extensions.len() < 20 {
                    self.dressing.extensions.push((header, bytes.clone()));
                }
            }
            Operation::Break { how, at, value } => {
                self.dressing.breakages.push(Breakage { how, at, value });
            }
            Operation::Fragment { size, order, identification } => {
                self.dressing.cut = Some(Cut { size, order, identification });
            }
            Operation::Repeat { which } => {
                let frame = self.injected.get(usize::from(which) % KEPT).cloned();
                if let Some(frame) = frame {
                    self.inject(frame);
                }
            }
            Operation::Link { state } => match state {
                0 => self.up = true,
                1 => self.up = false,
                frames => self.busy = frames,
            },
            Operation::Offload { flags, kind, size, header, start, offset } => {
                let checksum = match flags % 4 {
                    0 => ChecksumStatus::Whole,
                    2 => ChecksumStatus::Valid,
                    _ => ChecksumStatus::Partial { start, offset },
                };
                let kind = match kind {
                    0 => None,
                    1 => Some(GsoKind::Tcp4),
                    4 => Some(GsoKind::Tcp6),
                    5 => Some(GsoKind::Udp),
                    other => Some(GsoKind::Unknown(other)),
                };
                let gso = kind.map(|kind| Gso { kind, size, header });
                self.meta = Some(FrameMeta { checksum, gso });
            }
            Operation::Mute { state } => self.mute = state % 2 == 1,
            _ => return false,
        }
        true
    }

    fn pick_flow(&self, flow: u8) -> Option<(IpEndpoint, IpEndpoint)> {
        let count = self.flows.len();
        if count == 0 {
            return None;
        }
        Some(self.flows[usize::from(flow) % count].tuple())
    }

    fn segment(&mut self, local: IpEndpoint, remote: IpEndpoint, numbers: &Numbers) {
        let options = self.options.take();
        let honest_options = options.is_none();
        let flow = self.flow_mut(local, remote);
        let (base, by) = numbers.sequence;
        let sequence = flow.sequence(base, by);
        let (base, by) = numbers.acknowledgment;
        let acknowledgment = flow.acknowledgment(base, by);
        let control = u32::from(numbers.flags & 1) + u32::from(numbers.flags >> 1 & 1);
        let payload: Vec<u8> = (0..payload_len(numbers.len))
            .map(|at| peer_byte(sequence.wrapping_add(u32::from(numbers.flags >> 1 & 1) + at)))
            .collect();
        let acknowledges = (numbers.flags & 16 != 0).then_some(acknowledgment);
        flow.said(sequence, payload.len() as u32 + control, acknowledges);
        let options = options.unwrap_or_else(|| tcp_options(numbers.options, sequence));
        let tcp = Tcp {
            source: remote.port,
            destination: local.port,
            sequence,
            acknowledgment,
            flags: numbers.flags,
            window: window(numbers.window),
            options: &options,
            payload: &payload,
        };
        let upper = tcp.write();
        self.honest &= honest_options || numbers.flags & 2 == 0 || payload.is_empty();
        self.send(remote.addr, local.addr, TCP, upper);
    }

    fn error(&mut self, from: u8, about: u8, kind: [u8; 2], quote: u8, word: u32) {
        let about = usize::from(about) % KEPT;
        let Some(offending) = self.sent.get(about).cloned() else { return };
        let header_len = match offending.first().map(|first| first >> 4) {
            Some(4) => usize::from(offending[0] & 0x0f) * 4,
            _ => 40,
        };
        let quote = if quote == 0 { 8 } else { usize::from(quote) };
        let quoted = &offending[..offending.len().min(header_len + quote)];
        let destination = packet_source(&offending);
        let mut upper = vec![kind[0], kind[1], 0, 0];
        upper.extend(word.to_be_bytes());
        upper.extend(quoted);
        self.send(address_like(from, destination), destination, icmp(destination), upper);
    }

    fn send(&mut self, source: IpAddress, destination: IpAddress, protocol: u8, upper: Vec<u8>) {
        let dressing = std::mem::take(&mut self.dressing);
        self.honest &= dressing.is_honest();
        for frame in dressing.frames(Packet { source, destination, protocol, upper }) {
            self.inject(frame);
        }
    }

    fn inject(&mut self, frame: Vec<u8>) {
        self.injected.push_front(frame.clone());
        self.injected.truncate(KEPT);
        let meta = match self.meta.take() {
            // A plain link has nothing to say.
            Some(meta) if self.offload != Offload::NONE => fitting(&frame, meta),
            _ => FrameMeta::WHOLE,
        };
        self.waiting.push_back((frame, meta));
    }

    /// Nothing leaves while the link is down or busy.
    fn admits(&mut self) -> Result<(), LinkError> {
        if !self.up {
            return Err(LinkError::Down);
        }
        if self.busy > 0 {
            self.busy -= 1;
            return Err(LinkError::Busy);
        }
        Ok(())
    }

    /// The stack sends a frame.
    ///
    /// # Panics
    /// When the frame is not what it must be.
    fn departs(&mut self, now: Instant, frame: &[u8]) {
        (now.total_micros(), frame).hash(&mut self.digest);
        match oracle::check(frame, self.mtu, &self.own) {
            Err(rule) => panic!("{rule}: {frame:02x?}"),
            Ok(Sent::Question(neighbor)) => self.answer(neighbor),
            Ok(Sent::Segment { local, remote, observed, payload }) => {
                let flow = self.flow_mut(local, remote);
                let before = flow.stack_initial;
                flow.observe(&observed);
                if flow.stack_initial != before {
                    // Another connection between the same two: its stream begins anew.
                    self.streams.remove(&(local, remote));
                }
                self.check_payload(local, remote, observed.sequence, payload);
                self.keep(frame);
            }
            Ok(Sent::Other) => self.keep(frame),
        }
    }

    /// What leaves is what the caller sent, at its place in the stream.
    fn check_payload(&self, local: IpEndpoint, remote: IpEndpoint, sequence: u32, payload: &[u8]) {
        let Some(flow) = self.flow((local, remote)) else { return };
        let Some(initial) = flow.stack_initial else { return };
        if payload.len() <= 1 || self.streams.get(&(local, remote)) == Some(&None) {
            // One byte may be a keep-alive's, which stands before everything.
            return;
        }
        let start = sequence.wrapping_sub(initial).wrapping_sub(1);
        for (at, &byte) in (start..).zip(payload) {
            assert_eq!(byte, own_byte(at), "byte {at} of {local} > {remote} is another");
        }
    }

    fn keep(&mut self, frame: &[u8]) {
        self.sent.push_front(frame[14..].to_vec());
        self.sent.truncate(KEPT);
    }

    /// A neighbor answers a question for its Ethernet address.
    fn answer(&mut self, neighbor: IpAddress) {
        if self.mute || !is_neighbor(neighbor) {
            return;
        }
        let found = hardware(neighbor);
        match neighbor {
            IpAddress::Ipv4(_) => {
                let frame = packet::arp(2, (found, neighbor), (OWN, address(0)));
                self.waiting.push_back((frame, FrameMeta::WHOLE));
            }
            IpAddress::Ipv6(_) => {
                let mut upper = vec![136, 0, 0, 0, 0x60, 0, 0, 0];
                upper.extend(packet::octets(neighbor));
                upper.extend([2, 1]);
                upper.extend(found.0);
                let packet =
                    Packet { source: neighbor, destination: address(1), protocol: ICMPV6, upper };
                let frames = Dressing::default().frames(packet).into_iter();
                self.waiting.extend(frames.map(|frame| (frame, FrameMeta::WHOLE)));
            }
        }
    }
}

/// What a script says about a segment.
#[derive(Debug, Default)]
struct Numbers {
    flags: u8,
    sequence: (u8, i8),
    acknowledgment: (u8, i8),
    window: u8,
    len: u8,
    options: u8,
}

fn peer_port(port: u8) -> u16 {
    6000 + u16::from(port)
}

pub(crate) fn local_endpoint(place: u8, local: u8) -> IpEndpoint {
    endpoint(place, local_port(local))
}

/// One of the ports of the table, or, from 128 on, one at the beginning of the ephemeral range.
pub(crate) fn local_port(local: u8) -> u16 {
    match local {
        128.. => 49152 + u16::from(local - 128),
        _ => LOCAL_PORTS[usize::from(local) % LOCAL_PORTS.len()],
    }
}

fn payload_len(len: u8) -> u32 {
    match len {
        0..=200 => len.into(),
        _ => 200 + u32::from(len - 200) * 22,
    }
}

fn window(window: u8) -> u16 {
    match window {
        0 => 64240,
        1 => 0,
        2 => 1,
        3 => 65535,
        more => u16::from(more) * 64,
    }
}

fn tcp_options(options: u8, sequence: u32) -> Vec<u8> {
    let block = |from: u32, to: u32| [from.to_be_bytes(), to.to_be_bytes()].concat();
    match options % 12 {
        1 => vec![2, 4, 5, 0xb4, 1, 3, 3, 7, 1, 1, 4, 2],
        2 => vec![2, 4, 2, 0x18],
        3 => vec![2, 4, 0, 1],
        4 => vec![2, 4, 0, 0],
        5 => vec![3, 3, 15, 1],
        6 => vec![1, 1, 8, 10, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0],
        7 => [vec![1, 1, 5, 10], block(sequence.wrapping_add(100), sequence.wrapping_add(200))]
            .concat(),
        8 => [vec![1, 1, 5, 10], block(sequence.wrapping_add(200), sequence)].concat(),
        9 => vec![2, 0, 0, 0],
        10 => vec![0xff, 1, 1, 1],
        11 => vec![0x50, 40],
        _ => Vec::new(),
    }
}

fn icmp(destination: IpAddress) -> u8 {
    match destination {
        IpAddress::Ipv4(_) => ICMP,
        IpAddress::Ipv6(_) => ICMPV6,
    }
}

/// The source of a packet that the oracle has read.
fn packet_source(packet: &[u8]) -> IpAddress {
    match packet.first().map(|first| first >> 4) {
        Some(4) => IpAddress::v4(packet[12], packet[13], packet[14], packet[15]),
        _ => {
            let mut octets = [0; 16];
            octets.copy_from_slice(&packet[8..24]);
            std::net::Ipv6Addr::from(octets).into()
        }
    }
}

/// What a device says that finds the checksum by itself, where the script leaves that to it.
fn fitting(frame: &[u8], meta: FrameMeta) -> FrameMeta {
    if meta.checksum != (ChecksumStatus::Partial { start: 0, offset: 0 }) {
        return meta;
    }
    let packet = frame.get(14..).unwrap_or_default();
    let v6 = packet.first().is_some_and(|first| first >> 4 == 6);
    let (header, protocol) = match (v6, packet.first().zip(packet.get(9)).zip(packet.get(6))) {
        (true, Some((_, next))) => (40, *next),
        (false, Some(((first, protocol), _))) => (u16::from(first & 0x0f) * 4, *protocol),
        (_, None) => (0, 0),
    };
    let offset = if protocol == UDP { 6 } else { 16 };
    FrameMeta { checksum: ChecksumStatus::Partial { start: 14 + header, offset }, ..meta }
}

/// The stack's end of the link.
#[derive(Debug, Clone)]
pub(crate) struct Cable(pub(crate) Rc<RefCell<Wire>>);

impl Link for Cable {
    fn mtu(&self) -> usize {
        self.0.borrow().mtu
    }

    fn is_up(&self) -> bool {
        self.0.borrow().up
    }

    fn receive(&mut self, _: Instant, buffer: &mut [u8]) -> Result<Option<usize>, LinkError> {
        let mut wire = self.0.borrow_mut();
        if !wire.up {
            return Err(LinkError::Down);
        }
        let Some((mut frame, meta)) = wire.waiting.pop_front() else { return Ok(None) };
        if meta.gso.is_some() {
            let mut pieces = VecDeque::new();
            if let Ok(mut segments) = Segments::of(&frame, &meta, Sums::Fill) {
                while let Some(range) = segments.piece(&mut frame) {
                    pieces.push_back((frame[range].to_vec(), FrameMeta::WHOLE));
                    segments.advance();
                }
            }
            match pieces.pop_front() {
                Some((first, _)) => frame = first,
                // What cannot be cut is given so that its loss is counted.
                None => frame.truncate(14),
            }
            while let Some(piece) = pieces.pop_back() {
                wire.waiting.push_front(piece);
            }
        }
        wire.taken += 1;
        let len = frame.len().min(buffer.len());
        buffer[..len].copy_from_slice(&frame[..len]);
        Ok(Some(len))
    }

    fn transmit(&mut self, now: Instant, frame: &[u8]) -> Result<(), LinkError> {
        let mut wire = self.0.borrow_mut();
        wire.admits()?;
        wire.departs(now, frame);
        Ok(())
    }

    fn offload(&self) -> Offload {
        self.0.borrow().offload
    }

    fn receive_offloaded(
        &mut self,
        _: Instant,
        buffer: &mut [u8],
    ) -> Result<Option<(Range<usize>, FrameMeta)>, LinkError> {
        let mut wire = self.0.borrow_mut();
        if !wire.up {
            return Err(LinkError::Down);
        }
        let Some((frame, meta)) = wire.waiting.pop_front() else { return Ok(None) };
        wire.taken += 1;
        let len = frame.len().min(buffer.len());
        buffer[..len].copy_from_slice(&frame[..len]);
        Ok(Some((0..len, meta)))
    }

    fn transmit_offloaded(
        &mut self,
        now: Instant,
        frame: &[u8],
        meta: &FrameMeta,
    ) -> Result<(), LinkError> {
        let mut wire = self.0.borrow_mut();
        assert!(wire.offload.covers(meta), "nobody offered {meta:?}");
        wire.admits()?;
        let mut frame = frame.to_vec();
        if meta.gso.is_none() {
            finish(&mut frame, meta);
            wire.departs(now, &frame);
            return Ok(());
        }
        // The oracle looks at what comes of it.
        let segments = Segments::of(&frame, meta, Sums::Fill);
        let mut segments = segments.unwrap_or_else(|reason| panic!("{reason}: {frame:02x?}"));
        while let Some(range) = segments.piece(&mut frame) {
            wire.departs(now, &frame[range]);
            segments.advance();
        }
        Ok(())
    }
}
