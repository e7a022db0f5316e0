//! Flows: which were seen, how far each has come, and what is new about a frame.
//!
//! At most as many as there is memory for; beyond it the one that was quiet for longest is
//! forgotten. Hash chains and the order of use run through the entries themselves, by index.

use core::hash::Hasher;

use siphasher::sip::SipHasher13;
use smoltcp::wire::IpAddress;

use super::memory::Table;
use super::rule::Conn;
use super::view::View;
use crate::link::Direction;

pub(super) const NONE: u16 = u16::MAX;

/// How many different packets of a flow are known at a time, in each direction.
const KNOWN: usize = 8;

/// Memory for one flow.
#[derive(Debug, Clone, Copy)]
pub struct FlowState {
    key: Option<Key>,
    pub(super) number: u32,
    pub(super) tag: u32,
    conn: Option<Conn>,
    /// By [`side`].
    pub(super) sides: [FlowSide; 2],
    /// First entry of the hash chain that has this entry's number.
    chain: u16,
    /// Next entry of the chain that this entry is in.
    next: u16,
    newer: u16,
    older: u16,
}

impl FlowState {
    /// Memory that is not in use.
    pub const EMPTY: Self = Self {
        key: None,
        number: 0,
        tag: 0,
        conn: None,
        sides: [FlowSide::EMPTY; 2],
        chain: NONE,
        next: NONE,
        newer: NONE,
        older: NONE,
    };
}

/// The ends of a flow, the stack's first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    protocol: u8,
    local: (IpAddress, u16),
    remote: (IpAddress, u16),
}

/// What was seen of one direction of a flow.
#[derive(Debug, Clone, Copy)]
pub(super) struct FlowSide {
    /// The first sequence number.
    pub(super) first: Option<u32>,
    /// The sequence number behind everything seen.
    pub(super) next: u32,
    /// The last acknowledgment.
    pub(super) ack: Option<u32>,
    /// The last window, in bytes.
    pub(super) window: u32,
    /// As it stood in the header.
    pub(super) raw_window: u16,
    scale: Option<u8>,
    bytes: u64,
    retransmissions: u16,
    /// The sequence number behind its FIN.
    fin: Option<u32>,
    /// The other side has acknowledged it.
    fin_acked: bool,
    known: [(u32, u16); KNOWN],
    cursor: u8,
}

impl FlowSide {
    const EMPTY: Self = Self {
        first: None,
        next: 0,
        ack: None,
        window: 0,
        raw_window: 0,
        scale: None,
        bytes: 0,
        retransmissions: 0,
        fin: None,
        fin_acked: false,
        known: [(0, 0); KNOWN],
        cursor: 0,
    };

    /// The how-manieth time a packet with this identity is sent.
    fn times(&mut self, identity: u32, retransmission: bool) -> u16 {
        if let Some((_, count)) =
            self.known.iter_mut().find(|(known, count)| *known == identity && *count > 0)
        {
            *count = count.saturating_add(1);
            return *count;
        }
        // One that was forgotten must not look like the first again, or a decision by hash would
        // lose it for ever.
        let count = if retransmission { self.retransmissions.saturating_add(1) } else { 1 };
        if let Some(place) = self.known.get_mut(usize::from(self.cursor)) {
            *place = (identity, count);
        }
        self.cursor = (self.cursor + 1) % KNOWN as u8;
        count
    }
}

/// The index of a direction.
pub(super) const fn side(direction: Direction) -> usize {
    match direction {
        Direction::Inbound => 0,
        Direction::Outbound => 1,
    }
}

/// What is known about a frame from what came before it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Track {
    /// Its flow's place.
    pub(super) flow: Option<u16>,
    /// A flow that was forgotten for it.
    pub(super) forgotten: Option<u16>,
    pub(super) number: u32,
    pub(super) retransmission: bool,
    pub(super) out_of_order: bool,
    pub(super) conn: Option<Conn>,
    /// Relative.
    pub(super) seq: Option<u32>,
    pub(super) ack: Option<u32>,
    /// Scaled.
    pub(super) window: Option<u32>,
    /// Payload bytes of its flow and direction before it.
    pub(super) bytes_before: u64,
    /// What it is, apart from its time and order.
    pub(super) identity: u64,
    /// The how-manieth time it is sent.
    pub(super) times: u16,
}

#[derive(Debug)]
pub(super) struct Flows<'a> {
    slots: Table<'a, FlowState>,
    key: [u64; 2],
    used: u16,
    newest: u16,
    oldest: u16,
    numbers: u32,
    pub(super) forgotten: u64,
}

impl<'a> Flows<'a> {
    pub(super) fn new(mut slots: Table<'a, FlowState>, key: [u64; 2]) -> Self {
        slots.fill(FlowState::EMPTY);
        Self { slots, key, used: 0, newest: NONE, oldest: NONE, numbers: 0, forgotten: 0 }
    }

    pub(super) fn get(&self, index: u16) -> Option<&FlowState> {
        self.slots.get(usize::from(index))
    }

    pub(super) fn get_mut(&mut self, index: u16) -> Option<&mut FlowState> {
        self.slots.get_mut(usize::from(index))
    }

    /// How many flows there is memory for.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// The place of a frame's flow, if it is known.
    pub(super) fn find(&self, view: &View<'_>, direction: Direction) -> Option<u16> {
        let key = key(view, direction)?;
        self.lookup(&key, self.chain(&key)?)
    }

    /// The entry that has the head of a key's hash chain.
    fn chain(&self, key: &Key) -> Option<u16> {
        let size = self.slots.len().min(usize::from(NONE)) as u64;
        let mut hasher = SipHasher13::new_with_keys(self.key[0], self.key[1]);
        hash_key(key, &mut hasher);
        Some(hasher.finish().checked_rem(size)? as u16)
    }

    fn lookup(&self, key: &Key, chain: u16) -> Option<u16> {
        let mut at = self.get(chain)?.chain;
        while let Some(flow) = self.get(at) {
            if flow.key == Some(*key) {
                return Some(at);
            }
            at = flow.next;
        }
        None
    }

    /// Notes a frame.
    pub(super) fn track(&mut self, view: &View<'_>, direction: Direction) -> Track {
        let key = key(view, direction);
        let mut track = Track { identity: self.identity(key, view, direction), ..Track::default() };
        let Some(key) = key else { return track };
        let Some((index, forgotten)) = self.entry(key) else { return track };
        (track.flow, track.forgotten) = (Some(index), forgotten);
        let Some(flow) = self.get_mut(index) else { return track };
        track.number = flow.number;
        let [inbound, outbound] = &mut flow.sides;
        let (own, other) = match direction {
            Direction::Inbound => (inbound, outbound),
            Direction::Outbound => (outbound, inbound),
        };
        track.bytes_before = own.bytes;
        match (view.seq(), view.flags(), view.window()) {
            (Some(seq), Some(flags), Some(window)) => {
                segment(view, (seq, flags, window), own, other, &mut track);
                flow.conn = Some(reached(flow.conn, flags, own, other));
                track.conn = flow.conn;
            }
            _ => own.bytes = own.bytes.saturating_add(view.payload().len() as u64),
        }
        track.times = own.times(track.identity as u32, track.retransmission);
        track
    }

    /// A number for what a frame is: for TCP the flow, sequence numbers, length and flags; for
    /// anything else the flow and how the packet's contents begin.
    fn identity(&self, key: Option<Key>, view: &View<'_>, direction: Direction) -> u64 {
        let mut hasher = SipHasher13::new_with_keys(0x7461_7073, 0x6f63_6b00);
        hasher.write_u8(side(direction) as u8);
        if let Some(key) = key {
            hash_key(&key, &mut hasher);
        }
        if let (Some(seq), Some(flags), Some(window)) = (view.seq(), view.flags(), view.window()) {
            hasher.write_u32(seq);
            hasher.write_u8(flags);
            hasher.write_u32(view.payload().len() as u32);
            if view.span() == 0 {
                hasher.write_u32(view.ack().unwrap_or(0));
                hasher.write_u16(window);
            }
        } else {
            let contents = view.frame().get(view.at.transport..view.at.end).unwrap_or(&[]);
            hasher.write_u32(contents.len() as u32);
            hasher.write(contents.get(..64).unwrap_or(contents));
        }
        hasher.finish()
    }

    /// The place of a flow, and that of the one that was forgotten for it: the same.
    fn entry(&mut self, key: Key) -> Option<(u16, Option<u16>)> {
        let chain = self.chain(&key)?;
        if let Some(at) = self.lookup(&key, chain) {
            self.unlink(at);
            self.link_newest(at);
            return Some((at, None));
        }
        let size = self.slots.len().min(usize::from(NONE)) as u16;
        let (index, forgotten) = if self.used < size {
            self.used += 1;
            (self.used - 1, None)
        } else {
            let oldest = self.oldest;
            self.forget(oldest);
            (oldest, Some(oldest))
        };
        self.numbers = self.numbers.wrapping_add(1);
        let number = self.numbers;
        let next = self.get(chain)?.chain;
        let slot = self.get_mut(index)?;
        *slot = FlowState { key: Some(key), number, chain: slot.chain, ..FlowState::EMPTY };
        slot.next = next;
        self.get_mut(chain)?.chain = index;
        self.link_newest(index);
        Some((index, forgotten))
    }

    /// Takes a flow out of its hash chain and out of the order of use.
    fn forget(&mut self, gone: u16) {
        self.forgotten += 1;
        self.unlink(gone);
        let Some(&FlowState { key: Some(key), next, .. }) = self.get(gone) else { return };
        let Some(chain) = self.chain(&key) else { return };
        let Some(head) = self.get_mut(chain) else { return };
        if head.chain == gone {
            head.chain = next;
            return;
        }
        let mut at = head.chain;
        while let Some(flow) = self.get_mut(at) {
            if flow.next == gone {
                flow.next = next;
                return;
            }
            at = flow.next;
        }
    }

    fn unlink(&mut self, index: u16) {
        let Some(&FlowState { newer, older, .. }) = self.get(index) else { return };
        match self.get_mut(newer) {
            Some(flow) => flow.older = older,
            None => self.newest = older,
        }
        match self.get_mut(older) {
            Some(flow) => flow.newer = newer,
            None => self.oldest = newer,
        }
    }

    fn link_newest(&mut self, index: u16) {
        let before = self.newest;
        if let Some(flow) = self.get_mut(index) {
            (flow.newer, flow.older) = (NONE, before);
        }
        match self.get_mut(before) {
            Some(flow) => flow.newer = index,
            None => self.oldest = index,
        }
        self.newest = index;
    }
}

fn key(view: &View<'_>, direction: Direction) -> Option<Key> {
    let (source, destination) = (view.source()?, view.destination()?);
    let (sport, dport) = view.ports().unwrap_or((0, 0));
    let protocol = view.protocol().unwrap_or(0);
    let (source, destination) = ((source, sport), (destination, dport));
    Some(match direction {
        Direction::Inbound => Key { protocol, local: destination, remote: source },
        Direction::Outbound => Key { protocol, local: source, remote: destination },
    })
}

/// By hand, so that the same bytes are hashed on every machine.
fn hash_key(key: &Key, hasher: &mut SipHasher13) {
    hasher.write_u8(key.protocol);
    for (address, port) in [key.local, key.remote] {
        match address {
            IpAddress::Ipv4(address) => hasher.write(&address.octets()),
            #[cfg(feature = "ipv6")]
            IpAddress::Ipv6(address) => hasher.write(&address.octets()),
        }
        hasher.write(&port.to_be_bytes());
    }
}

/// Notes a TCP segment.
fn segment(
    view: &View<'_>,
    (seq, flags, window): (u32, u8, u16),
    own: &mut FlowSide,
    other: &mut FlowSide,
    track: &mut Track,
) {
    let (span, payload) = (view.span(), view.payload().len() as u32);
    let syn = flags & 2 != 0;
    // A new connection on the same ports begins anew.
    if syn && flags & 16 == 0 && own.first.is_some_and(|first| first != seq) {
        (*own, *other) = (FlowSide::EMPTY, FlowSide::EMPTY);
        track.bytes_before = 0;
    }
    if own.first.is_none() {
        // Without its SYN, what comes first counts as the first byte.
        own.first = Some(if syn { seq } else { seq.wrapping_sub(1) });
        own.next = seq;
    }
    if syn {
        own.scale = view.window_scale();
    }
    // Serial arithmetic (RFC 1982).
    let ahead = seq.wrapping_sub(own.next) as i32;
    track.retransmission = span > 0 && ahead < 0;
    track.out_of_order = span > 0 && ahead > 0;
    track.seq = own.first.map(|first| seq.wrapping_sub(first));
    let end = seq.wrapping_add(span);
    let gained = end.wrapping_sub(own.next) as i32;
    // A RST may carry any number; it moves nothing.
    if gained > 0 && flags & 4 == 0 {
        own.next = end;
        own.bytes = own.bytes.saturating_add(u64::from(payload.min(gained as u32)));
    }
    if track.retransmission {
        own.retransmissions = own.retransmissions.saturating_add(1);
    }
    if flags & 1 != 0 {
        own.fin = Some(end);
    }
    if let Some(ack) = view.ack() {
        own.ack = Some(ack);
        other.fin_acked |= other.fin.is_some_and(|fin| ack.wrapping_sub(fin) as i32 >= 0);
        if other.first.is_none() {
            other.first = Some(ack.wrapping_sub(1));
            other.next = ack;
        }
        track.ack = other.first.map(|first| ack.wrapping_sub(first));
    }
    let shift = match (own.scale, other.scale) {
        (Some(shift), Some(_)) if !syn => shift,
        _ => 0,
    };
    (own.window, own.raw_window) = (u32::from(window) << shift, window);
    track.window = Some(own.window);
}

/// The state that a segment brings a connection to.
fn reached(before: Option<Conn>, flags: u8, own: &FlowSide, other: &FlowSide) -> Conn {
    let (syn, rst, ack) = (flags & 2 != 0, flags & 4 != 0, flags & 16 != 0);
    if rst {
        return Conn::Closed;
    }
    match before {
        // One that was closed begins anew.
        None | Some(Conn::Closed) if syn => return Conn::Handshake,
        Some(Conn::Handshake) if syn || !ack => return Conn::Handshake,
        Some(Conn::Closed) => return Conn::Closed,
        _ => {}
    }
    match (own.fin, other.fin) {
        (Some(_), Some(_)) if own.fin_acked && other.fin_acked => Conn::Closed,
        (None, None) => Conn::Established,
        _ => Conn::Closing,
    }
}
