//! The words of the language.

use crate::fault::*;
use crate::link::Direction;

pub(super) const MATCH: [&str; 25] = [
    "dir",
    "ethertype",
    "proto",
    "src",
    "dst",
    "sport",
    "dport",
    "flags",
    "conn",
    "seq",
    "ack",
    "win",
    "payload",
    "length",
    "contains",
    "option",
    "icmp-type",
    "icmp-code",
    "ecn",
    "ttl",
    "fragment",
    "retransmission",
    "out-of-order",
    "flow",
    "tag",
];

pub(super) const WHEN: [&str; 13] = [
    "prob",
    "nth",
    "first",
    "every",
    "after",
    "range",
    "scope",
    "from",
    "until",
    "after-rule",
    "after-bytes",
    "cooldown",
    "budget",
];

pub(super) const ACTIONS: [&str; 31] = [
    "drop",
    "delay",
    "reorder",
    "duplicate",
    "corrupt",
    "truncate",
    "rate",
    "hold-until",
    "blackhole",
    "mark-ecn",
    "mark-ecn-ce",
    "set-ttl",
    "set-win",
    "set-mss",
    "strip-option",
    "split",
    "merge",
    "forge-rst",
    "forge-syn",
    "forge-fin",
    "forge-ack",
    "forge-icmp",
    "arp",
    "nd",
    "neighbor",
    "link",
    "flap",
    "mtu",
    "set-tag",
    "hook",
    "pass",
];

pub(super) const EVENTS: [&str; 9] =
    ["link", "flap", "mtu", "arp", "nd", "neighbor", "release", "switch-on", "switch-off"];

pub(super) const RULE: [&str; 6] = ["name", "then", "rematch", "switch", "expect", "outcome"];

/// Fields that may stand beside an action instead of within it, and beside which.
pub(super) const BESIDE: [(&str, &[&str]); 7] = [
    ("jitter", &["delay"]),
    ("dist", &["delay"]),
    ("correlation", &["delay"]),
    ("for", &["blackhole", "link", "arp", "nd", "neighbor"]),
    ("limit", &["hold-until", "reorder"]),
    ("mac", &["arp", "nd", "neighbor"]),
    ("count", &["arp", "nd", "neighbor", "flap"]),
];

pub(super) const DIRECTIONS: [(&str, Direction); 2] =
    [("rx", Direction::Inbound), ("tx", Direction::Outbound)];
pub(super) const CONNECTIONS: [(&str, Conn); 4] = [
    ("handshake", Conn::Handshake),
    ("established", Conn::Established),
    ("closing", Conn::Closing),
    ("closed", Conn::Closed),
];
pub(super) const ECN: [(&str, Ecn); 4] =
    [("not-ect", Ecn::NotEct), ("ect1", Ecn::Ect1), ("ect0", Ecn::Ect0), ("ce", Ecn::Ce)];
pub(super) const SCOPES: [(&str, Scope); 3] =
    [("flow", Scope::Flow), ("rule", Scope::Rule), ("dir", Scope::Dir)];
pub(super) const THEN: [(&str, Then); 3] =
    [("as-usual", Then::AsUsual), ("continue", Then::Continue), ("stop", Then::Stop)];
pub(super) const SWITCH: [(&str, Switch); 2] = [("on", Switch::On), ("off", Switch::Off)];
pub(super) const OUTCOMES: [(&str, Outcome); 4] = [
    ("challenge-ack", Outcome::ChallengeAck),
    ("rst", Outcome::Rst),
    ("retransmission", Outcome::Retransmission),
    ("silence", Outcome::Silence),
];
pub(super) const DISTRIBUTIONS: [(&str, Distribution); 4] = [
    ("uniform", Distribution::Uniform),
    ("normal", Distribution::Normal),
    ("pareto", Distribution::Pareto),
    ("paretonormal", Distribution::ParetoNormal),
];
pub(super) const PARTS: [(&str, Part); 4] = [
    ("any", Part::Any),
    ("ip", Part::Ip),
    ("transport", Part::Transport),
    ("payload", Part::Payload),
];
pub(super) const SIDES: [(&str, Side); 2] = [("stack", Side::Stack), ("peer", Side::Peer)];
pub(super) const SEQS: [(&str, Seq); 4] = [
    ("exact", Seq::Exact),
    ("in-window", Seq::InWindow),
    ("out-of-window", Seq::OutOfWindow),
    ("random", Seq::Random),
];
pub(super) const QUOTES: [(&str, QuoteSeq); 2] =
    [("in-flight", QuoteSeq::InFlight), ("stale", QuoteSeq::Stale)];

/// What an ICMP error is about, before its code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IcmpWord {
    Unreachable,
    FragmentationNeeded,
    TimeExceeded,
    SourceQuench,
}

pub(super) const ICMP_FAULTS: [(&str, IcmpWord); 5] = [
    ("unreachable", IcmpWord::Unreachable),
    ("frag-needed", IcmpWord::FragmentationNeeded),
    ("packet-too-big", IcmpWord::FragmentationNeeded),
    ("time-exceeded", IcmpWord::TimeExceeded),
    ("source-quench", IcmpWord::SourceQuench),
];

/// What neighbor resolution meets, before its parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NeighborWord {
    Silence,
    Wrong,
    Conflict,
    Flood,
}

pub(super) const NEIGHBOR_FAULTS: [(&str, NeighborWord); 4] = [
    ("silence", NeighborWord::Silence),
    ("wrong-mac", NeighborWord::Wrong),
    ("conflict", NeighborWord::Conflict),
    ("flood", NeighborWord::Flood),
];

/// Whether the link is up.
pub(super) const LINKS: [(&str, bool); 2] = [("up", true), ("down", false)];
/// Whether losses come in bursts.
pub(super) const LOSSES: [(&str, bool); 2] = [("bernoulli", false), ("gilbert-elliott", true)];
pub(super) const POLICIES: [(&str, ()); 1] = [("drop-tail", ())];
