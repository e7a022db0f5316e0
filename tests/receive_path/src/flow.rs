//! What the peers know of each TCP four-tuple from the segments that they saw.

use tapsock_stack::wire::IpEndpoint;

/// The first sequence numbers that a script can name: near each place where arithmetic wraps.
const INITIAL: [u32; 6] = [0xffff_fff0, 0, 0x7fff_fff0, 0x8000_0000, 1, 0xdead_beef];

/// The two ends, the stack's first.
pub(crate) type Tuple = (IpEndpoint, IpEndpoint);

/// One four-tuple, as the peer sees it.
#[derive(Debug, Clone)]
pub(crate) struct Flow {
    pub(crate) local: IpEndpoint,
    pub(crate) remote: IpEndpoint,
    /// The peer's first sequence number.
    pub(crate) initial: u32,
    /// The stack's first sequence number.
    pub(crate) stack_initial: Option<u32>,
    /// The peer's first sequence number that the stack has acknowledged since it sent its own.
    pub(crate) agreed: Option<u32>,
    /// Behind the last byte that the stack sent.
    sent: u32,
    /// What the stack expects next.
    acknowledged: Option<u32>,
    /// The window that the stack announced.
    window: u32,
    shift: u8,
    /// Behind the last byte that the peer sent.
    next: u32,
    /// What the peer acknowledged last.
    heard: u32,
}

impl Flow {
    pub(crate) fn new(local: IpEndpoint, remote: IpEndpoint, initial: u8) -> Self {
        let initial = INITIAL[usize::from(initial) % INITIAL.len()];
        Self {
            local,
            remote,
            initial,
            stack_initial: None,
            agreed: None,
            sent: 0,
            acknowledged: None,
            window: 0,
            shift: 0,
            next: initial,
            heard: 0,
        }
    }

    /// The peer begins anew. What the stack stands at is not forgotten: it may not take the SYN.
    pub(crate) fn reopen(&mut self, initial: u8) {
        self.initial = INITIAL[usize::from(initial) % INITIAL.len()];
        self.next = self.initial;
    }

    pub(crate) fn tuple(&self) -> Tuple {
        (self.local, self.remote)
    }

    /// The stack sent a segment of `span` numbers.
    pub(crate) fn observe(&mut self, segment: &Observed) {
        let Observed { flags, sequence, acknowledgment, window, shift, span } = *segment;
        let end = sequence.wrapping_add(span);
        if flags & 2 != 0 && self.stack_initial != Some(sequence) {
            self.stack_initial = Some(sequence);
            self.agreed = None;
            self.acknowledged = None;
            self.sent = end;
            self.heard = sequence;
            self.shift = shift;
        }
        if flags & 4 != 0 {
            return;
        }
        if end.wrapping_sub(self.sent) as i32 > 0 {
            self.sent = end;
        }
        if flags & 16 != 0 {
            self.acknowledged = Some(acknowledgment);
            let shift = if flags & 2 == 0 { self.shift } else { 0 };
            self.window = u32::from(window) << shift.min(14);
            // The first one after the stack's SYN, or its SYN itself, acknowledges the peer's SYN.
            if self.agreed.is_none() && self.stack_initial.is_some() {
                self.agreed = Some(acknowledgment.wrapping_sub(1));
            }
        }
    }

    /// The sequence number that a script means.
    pub(crate) fn sequence(&self, base: u8, by: i8) -> u32 {
        let expected = self.acknowledged.unwrap_or(self.initial);
        let base = match base % 8 {
            0 => expected,
            1 => expected.wrapping_add(self.window),
            2 => self.initial,
            3 => expected.wrapping_add(1 << 31),
            4 => self.initial.wrapping_add(1 << 31),
            5 => 0,
            6 => expected.wrapping_sub(1),
            _ => self.next,
        };
        base.wrapping_add_signed(by.into())
    }

    /// The acknowledgment number that a script means.
    pub(crate) fn acknowledgment(&self, base: u8, by: i8) -> u32 {
        let initial = self.stack_initial.unwrap_or(0);
        let base = match base % 8 {
            0 => self.sent,
            1 => initial.wrapping_add(1),
            2 => initial,
            3 => self.sent.wrapping_add(1 << 31),
            4 => self.heard,
            5 => 0,
            6 => self.sent.wrapping_sub(1),
            _ => initial.wrapping_add(1 << 31),
        };
        base.wrapping_add_signed(by.into())
    }

    /// The peer sent a segment.
    pub(crate) fn said(&mut self, sequence: u32, span: u32, acknowledgment: Option<u32>) {
        let end = sequence.wrapping_add(span);
        if end.wrapping_sub(self.next) as i32 > 0 {
            self.next = end;
        }
        if let Some(acknowledgment) = acknowledgment {
            self.heard = acknowledgment;
        }
    }
}

/// A segment of the stack's, as etherparse reads it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Observed {
    pub(crate) flags: u8,
    pub(crate) sequence: u32,
    pub(crate) acknowledgment: u32,
    pub(crate) window: u16,
    pub(crate) shift: u8,
    pub(crate) span: u32,
}

/// The byte that every honest peer sends at this sequence number.
pub(crate) fn peer_byte(sequence: u32) -> u8 {
    (sequence.wrapping_mul(0x9e37_79b1) >> 24) as u8
}

/// The byte that the stack's caller sends at this place of a stream.
pub(crate) fn own_byte(at: u32) -> u8 {
    (at.wrapping_mul(0x85eb_ca6b) >> 24) as u8 ^ 0x5a
}
