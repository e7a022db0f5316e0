//! The words of a script: what a rule matches, when it fires, and what it does.
//!
//! Everything here is plain data without lifetimes, so that a table of rules is a constant of a
//! microcontroller as well as what a reader of files produces. Names follow tc-netem(8) where it
//! has a word.

use smoltcp::time::Duration;
use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr};

use super::model::{Delay, Rate};
use super::short::{Name, Short};
use super::when::When;
use crate::link::Direction;

/// One rule: a frame that `matches`, at a moment that `when` names, meets `actions`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rule {
    /// Unique in its script. The rule's random numbers follow from it.
    pub name: Name,
    /// Which frames it is about.
    pub matches: Match,
    /// Which of those it fires on.
    pub when: When,
    /// What it does, in order.
    pub actions: Actions,
    /// Whether the rules below it see the frame as well.
    pub then: Then,
    /// Whether copies that it makes meet the rules themselves.
    pub rematch: Rematch,
    /// How many times it must fire for the run to be as intended; `None` for any number.
    pub expect: Option<Span>,
    /// What must come of it, for whoever runs the script to check; the engine does not.
    pub outcome: Option<Outcome>,
    /// Whether it begins switched on.
    pub switch: Switch,
}

/// The actions of a rule.
pub type Actions = Short<Action, 4>;

impl Rule {
    /// A rule for every frame that does nothing yet, to be completed by the methods below or by
    /// naming fields.
    ///
    /// # Panics
    /// When the name is longer than [`Name::LONGEST`]; in a constant that is an error at compile
    /// time.
    pub const fn new(name: &'static str) -> Self {
        Self::named(Name::literal(name))
    }

    /// As [`Rule::new`], with a name that was checked before.
    pub const fn named(name: Name) -> Self {
        Self {
            name,
            matches: Match::ANY,
            when: When::ALWAYS,
            actions: Short::empty(Action::Drop),
            then: Then::AsUsual,
            rematch: Rematch::No,
            expect: None,
            outcome: None,
            switch: Switch::On,
        }
    }

    /// Says which frames it is about.
    #[must_use]
    pub const fn on(mut self, matches: Match) -> Self {
        self.matches = matches;
        self
    }

    /// Says when it fires.
    #[must_use]
    pub const fn when(mut self, when: When) -> Self {
        self.when = when;
        self
    }

    /// Says what it does, in place of what was said before.
    ///
    /// # Panics
    /// With more than four actions; in a constant that is an error at compile time.
    #[must_use]
    pub const fn does(mut self, actions: &[Action]) -> Self {
        self.actions = match Short::of(Action::Drop, actions) {
            Some(actions) => actions,
            None => panic!("a rule has at most four actions"),
        };
        self
    }

    /// Says how many times it must fire.
    #[must_use]
    pub const fn expecting(mut self, first: u64, last: u64) -> Self {
        self.expect = Some(Span { first, last });
        self
    }
}

/// Whether a rule takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switch {
    /// It does.
    On,
    /// It does not until somebody switches it on.
    Off,
}

/// What must come of a rule, each time it fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The stack answers a segment that it must not believe with an acknowledgment of what it
    /// expects (RFC 5961).
    ChallengeAck,
    /// It answers with a RST.
    Rst,
    /// It sends the same again.
    Retransmission,
    /// It says nothing.
    Silence,
}

/// Whether the rules below a rule that fired see the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// A frame that is dropped, swallowed or replaced ends there, any other goes on.
    AsUsual,
    /// The rules below see it in any case, and count it.
    Continue,
    /// The rules below do not see it.
    Stop,
}

/// Whether copies made by a rule meet the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rematch {
    /// They do not.
    No,
    /// They meet all rules from the top, but are not copied again.
    Yes,
}

/// A range of numbers, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The least.
    pub first: u64,
    /// The greatest.
    pub last: u64,
}

impl Span {
    /// From `first` to `last`, both included.
    pub const fn new(first: u64, last: u64) -> Self {
        Self { first, last }
    }

    /// This number and no other.
    pub const fn only(number: u64) -> Self {
        Self { first: number, last: number }
    }

    /// This number and all above it.
    pub const fn from(first: u64) -> Self {
        Self { first, last: u64::MAX }
    }

    /// Whether `number` is in it.
    pub const fn contains(self, number: u64) -> bool {
        self.first <= number && number <= self.last
    }

    /// Whether no number is in it.
    pub const fn is_empty(self) -> bool {
        self.first > self.last
    }
}

/// A set of ports: at most eight ranges.
pub type Ports = Short<Span, 8>;

/// Some ports; `None` for more than eight ranges.
pub const fn ports(ranges: &[Span]) -> Option<Ports> {
    Short::of(Span::only(0), ranges)
}

/// One port.
pub const fn port(number: u16) -> Option<Ports> {
    ports(&[Span::only(number as u64)])
}

/// Bytes to look for: at most 64.
pub type Pattern = Short<u8, 64>;

/// What a frame must be for a rule to be about it. Everything that is `None` is not asked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Match {
    /// Which way it goes: inbound is rx, outbound tx.
    pub dir: Option<Direction>,
    /// Its EtherType, behind a VLAN tag if there is one.
    pub ethertype: Option<u16>,
    /// What it carries.
    pub proto: Option<Proto>,
    /// Sender, of IP and of ARP.
    pub src: Option<IpCidr>,
    /// Receiver, of IP and of ARP.
    pub dst: Option<IpCidr>,
    /// Source port of TCP or UDP.
    pub sport: Option<Ports>,
    /// Destination port of TCP or UDP.
    pub dport: Option<Ports>,
    /// TCP flags.
    pub flags: Option<Flags>,
    /// The state of its TCP connection, as far as frames show it.
    pub conn: Option<Conn>,
    /// TCP sequence number, relative to the first of its direction: the SYN has 0.
    pub seq: Option<Span>,
    /// TCP acknowledgment number, relative to the first sequence number of the other direction.
    /// Only segments with ACK have one.
    pub ack: Option<Span>,
    /// TCP window in bytes, scaled where both ends scale.
    pub win: Option<Span>,
    /// Bytes behind the TCP or UDP header. A frame without such a header does not match.
    pub payload: Option<Span>,
    /// Bytes of the IP packet, or of what the frame carries.
    pub length: Option<Span>,
    /// Bytes that occur in the payload, of any protocol.
    pub contains: Option<Pattern>,
    /// A TCP option that is present.
    pub option: Option<TcpOption>,
    /// Type of ICMP or ICMPv6.
    pub icmp_type: Option<u8>,
    /// Code of ICMP or ICMPv6.
    pub icmp_code: Option<u8>,
    /// The ECN field.
    pub ecn: Option<Ecn>,
    /// Time to live or hop limit.
    pub ttl: Option<Span>,
    /// Whether it is a fragment.
    pub fragment: Option<bool>,
    /// Whether it is a TCP segment of which some was seen before.
    pub retransmission: Option<bool>,
    /// Whether it is a TCP segment before which something is missing.
    pub out_of_order: Option<bool>,
    /// Number of its flow; the first that was seen is 1.
    pub flow: Option<u32>,
    /// The tag that its flow was given.
    pub tag: Option<u32>,
}

impl Match {
    /// Every frame.
    pub const ANY: Self = Self {
        dir: None,
        ethertype: None,
        proto: None,
        src: None,
        dst: None,
        sport: None,
        dport: None,
        flags: None,
        conn: None,
        seq: None,
        ack: None,
        win: None,
        payload: None,
        length: None,
        contains: None,
        option: None,
        icmp_type: None,
        icmp_code: None,
        ecn: None,
        ttl: None,
        fragment: None,
        retransmission: None,
        out_of_order: None,
        flow: None,
        tag: None,
    };
    /// Frames towards the stack.
    pub const RX: Self = Self { dir: Some(Direction::Inbound), ..Self::ANY };
    /// Frames from the stack.
    pub const TX: Self = Self { dir: Some(Direction::Outbound), ..Self::ANY };
}

impl Default for Match {
    fn default() -> Self {
        Self::ANY
    }
}

/// What a frame carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proto {
    /// TCP, over either IP.
    Tcp,
    /// UDP, over either IP.
    Udp,
    /// ICMP for IPv4.
    Icmp,
    /// ICMPv6, neighbor discovery included.
    Icmp6,
    /// ARP.
    Arp,
    /// Neighbor discovery: ICMPv6 types 133 to 137 (RFC 4861).
    Nd,
    /// A fragment of either IP.
    IpFrag,
    /// Any other protocol over IP, by its number.
    Ip(u8),
}

/// How far a TCP connection is, seen from the link: the state that the frame brings it to.
///
/// Forged frames do not count, and a RST counts whatever its number is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conn {
    /// SYN and SYN-ACK, and their retransmissions.
    Handshake,
    /// From the acknowledgment of the SYN-ACK on. So is a connection of which the beginning was not
    /// seen.
    Established,
    /// From the first FIN on.
    Closing,
    /// From the acknowledgment of the second FIN on, and from a RST on.
    Closed,
}

/// TCP flags that must and must not be set, as in byte 13 of the header: FIN 1, SYN 2, RST 4,
/// PSH 8, ACK 16, URG 32, ECE 64, CWR 128.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flags {
    /// All of `set` and none of `clear`.
    Some {
        /// Must be set.
        set: u8,
        /// Must be clear.
        clear: u8,
    },
    /// These and no others.
    Exactly(u8),
}

/// FIN in [`Flags`].
pub const FIN: u8 = 1;
/// SYN in [`Flags`].
pub const SYN: u8 = 2;
/// RST in [`Flags`].
pub const RST: u8 = 4;
/// PSH in [`Flags`].
pub const PSH: u8 = 8;
/// ACK in [`Flags`].
pub const ACK: u8 = 16;
/// URG in [`Flags`].
pub const URG: u8 = 32;

/// A TCP option, by its kind (IANA "TCP Option Kind Numbers").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpOption(pub u8);

impl TcpOption {
    /// Maximum segment size (RFC 9293).
    pub const MSS: Self = Self(2);
    /// Window scale (RFC 7323).
    pub const WINDOW_SCALE: Self = Self(3);
    /// Selective acknowledgment permitted (RFC 2018).
    pub const SACK_PERMITTED: Self = Self(4);
    /// Selective acknowledgment (RFC 2018).
    pub const SACK: Self = Self(5);
    /// Timestamps (RFC 7323).
    pub const TIMESTAMPS: Self = Self(8);
}

/// The ECN field (RFC 3168, section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ecn {
    /// 00: the transport knows no ECN.
    NotEct,
    /// 01.
    Ect1,
    /// 10.
    Ect0,
    /// 11: congestion experienced.
    Ce,
}

impl Ecn {
    /// The two bits.
    pub const fn bits(self) -> u8 {
        match self {
            Self::NotEct => 0,
            Self::Ect1 => 1,
            Self::Ect0 => 2,
            Self::Ce => 3,
        }
    }
}

/// What a rule does to a frame that it fires on.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Action {
    /// It is lost.
    Drop,
    /// It is held back. Times of several rules add up; frames overtake each other where times
    /// differ.
    Delay(Delay),
    /// With probability `prob` it is held back until `gap` later frames of its direction have
    /// gone on, or `limit` has passed.
    Reorder {
        /// Probability, 0 to 1.
        prob: f64,
        /// How many frames overtake it.
        gap: u16,
        /// The longest it waits.
        limit: Duration,
    },
    /// It goes on `copies` times more, each `delay` after the one before.
    Duplicate {
        /// How many more.
        copies: u8,
        /// Between two of them.
        delay: Duration,
    },
    /// `bits` of it are turned over.
    Corrupt {
        /// Where.
        at: Part,
        /// How many.
        bits: u8,
        /// What becomes of the checksums.
        checksums: Checksums,
    },
    /// It ends after this many bytes, the Ethernet header among them. A shorter one stays as it is.
    Truncate {
        /// How many bytes stay.
        to: u16,
        /// What becomes of the lengths in its headers.
        lengths: Lengths,
    },
    /// The frames of this rule take turns at this rate.
    Rate(Rate),
    /// It is held until the rule or event of this name fires, or `limit` has passed.
    Hold {
        /// Which one.
        until: Name,
        /// The longest it waits; `None` for ever.
        limit: Option<Duration>,
    },
    /// It is lost, and so is everything else that the rule matches for this long; `None` for
    /// ever.
    Blackhole(Option<Duration>),
    /// Its ECN field becomes this, whatever it was. [`Ecn::Ce`] is a mark of congestion.
    Mark(Ecn),
    /// A field of its headers becomes this.
    Set(Field),
    /// A TCP option is replaced by padding (NOP).
    Strip(TcpOption),
    /// A TCP segment becomes two, the first with this many bytes of payload. One with no more
    /// than that stays as it is.
    Split(u16),
    /// A TCP segment waits up to this long for the one that follows it in its flow and becomes
    /// one with it.
    Merge(Duration),
    /// Other frames appear.
    Forge(Forge),
    /// An ARP or neighbor discovery message meets this. Other frames stay as they are.
    Neighbor(NeighborFault),
    /// The link changes state.
    Link(LinkFault),
    /// The link carries packets of at most this many bytes; larger ones are lost. `None` for the
    /// link's own size again.
    Mtu(Option<u16>),
    /// Its flow gets this tag.
    Tag(u32),
    /// The closure of the engine decides; the number is for it.
    Hook(u32),
}

/// Part of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// All behind the Ethernet header.
    Any,
    /// The IP header with its options and extensions.
    Ip,
    /// The header of the transport.
    Transport,
    /// What is behind the headers.
    Payload,
    /// The byte at this place, counted from the beginning of the frame.
    Byte(u16),
}

/// What becomes of checksums when a frame is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksums {
    /// They stay, so that a receiver notices.
    Leave,
    /// They are made right, so that it does not.
    Fix,
}

/// What becomes of length fields when a frame is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lengths {
    /// They stay, so that a receiver notices.
    Leave,
    /// They and the checksums are made right, so that it does not.
    Fix,
}

/// A header field and its new value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// Time to live or hop limit.
    Ttl(u8),
    /// The window field of TCP, unscaled.
    Win(u16),
    /// The maximum segment size option of a SYN, where it has one.
    Mss(u16),
}

/// An end of the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The stack.
    Stack,
    /// Whoever is beyond the link.
    Peer,
}

/// A frame that nobody sent, made from the one that the rule fired on. That one stays as it is;
/// where both go the same way, the forged frame goes first. It meets no rule and no link model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forge {
    /// A RST of the frame's TCP flow.
    Rst {
        /// To whom; it comes from the other.
        to: Side,
        /// Where its sequence number is, seen from there.
        seq: Seq,
    },
    /// A SYN in the frame's TCP flow.
    Syn {
        /// To whom.
        to: Side,
        /// Where its sequence number is.
        seq: Seq,
    },
    /// A FIN of the frame's TCP flow.
    Fin {
        /// To whom.
        to: Side,
        /// Where its sequence number is.
        seq: Seq,
    },
    /// Acknowledgments in the frame's TCP flow.
    Ack {
        /// To whom.
        to: Side,
        /// Of what.
        ack: AckOf,
    },
    /// An ICMP or ICMPv6 error about the frame, to its sender.
    Icmp {
        /// What it says.
        error: IcmpFault,
        /// From whom; `None` for the frame's destination.
        from: Option<IpAddress>,
        /// What it quotes.
        quote: QuoteSeq,
    },
}

/// Where a sequence number is, in the eyes of its receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seq {
    /// The next that it expects.
    Exact,
    /// Within its window, but not the next.
    InWindow,
    /// Beyond its window.
    OutOfWindow,
    /// Anywhere.
    Random,
}

/// What a forged acknowledgment acknowledges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AckOf {
    /// The same as the last one, so many times.
    Duplicate(u8),
    /// So many bytes that were never sent.
    Beyond(u32),
}

/// What an ICMP error says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IcmpFault {
    /// Destination unreachable, with the code of the packet's family.
    Unreachable {
        /// With type 3 (RFC 792, RFC 1122, RFC 1812).
        v4: u8,
        /// With type 1 (RFC 4443).
        v6: u8,
    },
    /// The packet is larger than the next link's MTU: 3/4 (RFC 1191) or type 2 (RFC 8201).
    FragmentationNeeded(u16),
    /// Time exceeded with this code: type 11 or type 3.
    TimeExceeded(u8),
    /// Source quench, type 4 (deprecated by RFC 6633). IPv6 has none, so that nothing appears.
    SourceQuench,
}

impl IcmpFault {
    /// Destination unreachable with this code in either family.
    pub const fn unreachable(code: u8) -> Self {
        Self::Unreachable { v4: code, v6: code }
    }
}

/// Which sequence number the packet quoted by an ICMP error has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuoteSeq {
    /// That of the packet, which is in flight.
    InFlight,
    /// One that was never sent, so that the receiver must not believe it (RFC 5927, section 4.1).
    Stale,
}

/// What neighbor resolution meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NeighborFault {
    /// The message is lost.
    Silence,
    /// A question is answered with this address and goes no further; an answer says this address.
    Wrong(EthernetAddress),
    /// Somebody with this address claims to be the sender.
    Conflict(EthernetAddress),
    /// So many messages about hosts that do not exist go to the sender.
    Flood(u16),
}

/// How the state of the link changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkFault {
    /// It goes down, for this long or until it is put up again. What was held back is lost.
    Down(Option<Duration>),
    /// It comes up.
    Up,
    /// It goes down for half of `period` and up for the other half, `count` times.
    Flap {
        /// From one loss to the next.
        period: Duration,
        /// How many times.
        count: u32,
    },
}

/// Something that happens by the clock and not because of a frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Event {
    /// Unique in its script, also among the rules; [`Name::NONE`] when nobody refers to it.
    pub name: Name,
    /// When, since the engine was made.
    pub at: Duration,
    /// What.
    pub act: EventAct,
}

/// What an event does.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum EventAct {
    /// The link changes state.
    Link(LinkFault),
    /// The link carries packets of at most this many bytes, or what it carries by itself.
    Mtu(Option<u16>),
    /// ARP and neighbor discovery meet this for so long, `None` for ever. A conflict and a flood
    /// happen once: against the stack, as far as its addresses are known from what it sent.
    Neighbor(NeighborFault, Option<Duration>),
    /// Nothing but what waits for it ([`Action::Hold`]).
    Release,
    /// The rule of this name is switched.
    Switch(Name, Switch),
}
