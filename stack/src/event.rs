//! Events, and the causes of failures with their evidence.
//!
//! A failure is never only a code. [`Cause`] says what kind it is, when it was decided, and which
//! packet or which silence decided it, so that a reader can look the packet up in a capture.

use core::fmt;

use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{IpAddress, IpEndpoint};

use crate::{ListenerId, TcpId, UdpId};

/// A socket of the stack, whatever its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SocketRef {
    /// A TCP connection.
    Tcp(TcpId),
    /// A TCP listener.
    Listener(ListenerId),
    /// A UDP socket.
    Udp(UdpId),
}

/// Something about `socket` changed; its state has the details.
///
/// Events of one socket that were not fetched yet are joined into one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// Whose state changed.
    pub socket: SocketRef,
    /// The number that the owner gave with `set_owner`.
    pub owner: u32,
    /// What happened since the last event of this socket.
    pub what: Happened,
}

/// A set of things that happened to a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Happened(u16);

impl Happened {
    /// The handshake completed.
    pub const CONNECTED: Self = Self(1);
    /// A connection attempt or an established connection failed; it has a [`Cause`].
    pub const FAILED: Self = Self(2);
    /// Data or a datagram arrived.
    pub const READABLE: Self = Self(4);
    /// Room to send appeared.
    pub const WRITABLE: Self = Self(8);
    /// The peer closed its direction.
    pub const PEER_CLOSED: Self = Self(16);
    /// A connection waits to be accepted.
    pub const ACCEPTABLE: Self = Self(32);
    /// An ICMP error arrived that did not end anything.
    pub const SOFT_ERROR: Self = Self(64);
    /// Everything sent before a close was delivered and the close acknowledged.
    pub const FINISHED: Self = Self(128);

    /// Whether everything in `other` is in `self`.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether nothing happened.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl core::ops::BitOr for Happened {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl core::ops::BitOrAssign for Happened {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

/// Why something failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cause {
    /// What kind of failure it is.
    pub kind: CauseKind,
    /// When it was decided.
    pub at: Instant,
    /// What decided it.
    pub evidence: Evidence,
}

/// The kinds of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CauseKind {
    /// The peer answered a SYN with RST, or with an ICMP error that says that nobody listens.
    Refused,
    /// The peer reset an established connection.
    Reset,
    /// Nobody answered within the budget.
    TimedOut,
    /// A router said that the network cannot be reached, or there is no route to it.
    NetUnreachable,
    /// A router said that the host cannot be reached, or the neighbor does not answer.
    HostUnreachable,
    /// The link went away.
    LinkDown,
    /// This side gave the connection up.
    Aborted,
}

/// What decided a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    /// A packet that arrived.
    Packet(PacketEvidence),
    /// Packets that were not answered.
    Silence(Silence),
    /// The routing table has no entry for this destination.
    NoRoute(IpAddress),
    /// A state of this side, in a few words.
    Local(&'static str),
}

/// A packet and where to find it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PacketEvidence {
    /// The frame's number on the link, as in a capture of it; 0 for a packet that never left
    /// this stack (loopback).
    pub number: u64,
    /// When it arrived.
    pub at: Instant,
    /// What it said.
    pub summary: PacketSummary,
}

/// One line about a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PacketSummary {
    /// A TCP segment.
    Tcp {
        /// Sender.
        source: IpEndpoint,
        /// Receiver.
        destination: IpEndpoint,
        /// The flags, as in the 13th and 14th byte of the header (FIN 1, SYN 2, RST 4, ACK 16).
        flags: u8,
        /// Sequence number on the wire.
        sequence: u32,
        /// Acknowledgment number on the wire; meaningful with the ACK flag.
        acknowledgment: u32,
        /// Payload bytes.
        length: u16,
    },
    /// An ICMP or ICMPv6 error.
    Icmp {
        /// The router or host that sent it.
        source: IpAddress,
        /// Type field.
        kind: u8,
        /// Code field.
        code: u8,
        /// Sender of the quoted packet.
        quoted_source: IpEndpoint,
        /// Receiver of the quoted packet.
        quoted_destination: IpEndpoint,
    },
}

/// What was sent in vain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Silence {
    /// What was asked.
    pub asked: Asked,
    /// Whom.
    pub whom: IpAddress,
    /// How many times.
    pub sent: u32,
    /// When the first was sent.
    pub since: Instant,
    /// How long was waited in all.
    pub waited: Duration,
}

impl Silence {
    /// This silence and the one that followed it, as one.
    #[must_use]
    pub fn and_then(self, next: Self) -> Self {
        let waited = next.since + next.waited - self.since;
        Self { sent: self.sent + next.sent, since: self.since, waited, ..next }
    }
}

/// What an unanswered packet asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// SYN segments.
    Syn,
    /// ARP requests.
    Arp,
    /// ICMPv6 neighbor solicitations.
    NeighborSolicitation,
    /// One data or FIN segment, retransmitted.
    Retransmission,
    /// Probes of a closed window.
    Probe,
    /// Probes of an idle connection.
    KeepAlive,
}

impl fmt::Display for CauseKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "refused",
            Self::Reset => "reset by peer",
            Self::TimedOut => "timed out",
            Self::NetUnreachable => "network unreachable",
            Self::HostUnreachable => "host unreachable",
            Self::LinkDown => "link down",
            Self::Aborted => "aborted",
        })
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.evidence)
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Packet(packet) => packet.fmt(f),
            Self::Silence(silence) => silence.fmt(f),
            Self::NoRoute(destination) => write!(f, "no route to {destination}"),
            Self::Local(text) => f.write_str(text),
        }
    }
}

impl fmt::Display for PacketEvidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.at.total_millis();
        match self.number {
            0 => write!(f, "loopback packet at {}.{:03} s: ", millis / 1000, millis % 1000)?,
            number => {
                write!(f, "frame {number} at {}.{:03} s: ", millis / 1000, millis % 1000)?;
            }
        }
        self.summary.fmt(f)
    }
}

/// An endpoint with brackets around an IPv6 address (RFC 5952, section 6).
pub(crate) struct Shown<'e>(pub(crate) &'e IpEndpoint);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let IpEndpoint { addr, port } = self.0;
        match addr {
            IpAddress::Ipv4(addr) => write!(f, "{addr}:{port}"),
            #[cfg(feature = "ipv6")]
            IpAddress::Ipv6(addr) => write!(f, "[{addr}]:{port}"),
        }
    }
}

impl fmt::Display for PacketSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { source, destination, flags, sequence, acknowledgment, length } => {
                write!(f, "{} > {} [", Shown(source), Shown(destination))?;
                let names = [(2, "SYN"), (1, "FIN"), (4, "RST"), (8, "PSH"), (16, "ACK")];
                let mut first = true;
                for (bit, name) in names {
                    if flags & bit != 0 {
                        f.write_str(if first { "" } else { "," })?;
                        f.write_str(name)?;
                        first = false;
                    }
                }
                write!(f, "] seq {sequence}")?;
                if flags & 16 != 0 {
                    write!(f, " ack {acknowledgment}")?;
                }
                write!(f, " len {length}")
            }
            Self::Icmp { source, kind, code, quoted_source, quoted_destination } => {
                let family = match source {
                    IpAddress::Ipv4(_) => "ICMP",
                    #[cfg(feature = "ipv6")]
                    IpAddress::Ipv6(_) => "ICMPv6",
                };
                write!(
                    f,
                    "{source} {family} {kind}/{code} about {} > {}",
                    Shown(quoted_source),
                    Shown(quoted_destination)
                )
            }
        }
    }
}

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.asked {
            Asked::Syn => "SYN",
            Asked::Arp => "ARP request",
            Asked::NeighborSolicitation => "neighbor solicitation",
            Asked::Retransmission => "retransmission",
            Asked::Probe => "probe",
            Asked::KeepAlive => "keep-alive probe",
        };
        let plural = if self.sent == 1 { "" } else { "s" };
        let millis = self.waited.total_millis();
        write!(
            f,
            "silence: {} {what}{plural} to {} unanswered in {}.{:03} s",
            self.sent,
            self.whom,
            millis / 1000,
            millis % 1000
        )
    }
}
