//! What a script has reached.

use std::collections::{BTreeMap, BTreeSet};

use tapsock_stack::Counters;
use tapsock_stack::tcp::TcpState as State;

/// The family of an ICMP error (4 or 6), its type and its code.
pub type IcmpKind = (u8, u8, u8);

/// What a script has reached.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Report {
    /// TCP states that a connection or listener was seen in.
    pub states: BTreeSet<&'static str>,
    /// Connections that a listener gave away.
    pub accepted: u64,
    /// ICMP errors that found the packet that they are about.
    pub matched: BTreeMap<IcmpKind, u64>,
    /// ICMP errors that changed nothing.
    pub unmatched: BTreeMap<IcmpKind, u64>,
    /// Bytes of streams that were received and were the right ones.
    pub verified: u64,
    /// Calls of Winsock, and the codes that they gave.
    pub codes: BTreeMap<i32, u64>,
    /// The stack's own counters at the end.
    pub counters: Counters,
    /// A hash of every frame that left and of when, of every result, and of every byte received.
    pub digest: u64,
}

/// A state as RFC 9293 writes it.
pub(crate) const fn state_name(state: State) -> &'static str {
    match state {
        State::Closed => "CLOSED",
        State::Listen => "LISTEN",
        State::SynSent => "SYN-SENT",
        State::SynReceived => "SYN-RECEIVED",
        State::Established => "ESTABLISHED",
        State::FinWait1 => "FIN-WAIT-1",
        State::FinWait2 => "FIN-WAIT-2",
        State::CloseWait => "CLOSE-WAIT",
        State::Closing => "CLOSING",
        State::LastAck => "LAST-ACK",
        State::TimeWait => "TIME-WAIT",
    }
}
