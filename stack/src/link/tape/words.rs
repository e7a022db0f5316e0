//! Short words for what a script did, which people read and programs look for.

use alloc::format;
use alloc::string::{String, ToString};

use smoltcp::time::{Duration, Instant};

use crate::fault::{
    Action, Event, EventAct, Field, Forge, Hits, LinkFault, Name, NeighborFault, Verdict,
};
use crate::fault::{Counters, Switch};

/// What an action is called in stories and logs: as scripts call it.
pub fn action_word(action: &Action) -> &'static str {
    match action {
        Action::Drop => "drop",
        Action::Delay(_) => "delay",
        Action::Reorder { .. } => "reorder",
        Action::Duplicate { .. } => "duplicate",
        Action::Corrupt { .. } => "corrupt",
        Action::Truncate { .. } => "truncate",
        Action::Rate(_) => "rate",
        Action::Hold { .. } => "hold-until",
        Action::Blackhole(_) => "blackhole",
        Action::Mark(_) => "mark-ecn",
        Action::Set(Field::Ttl(_)) => "set-ttl",
        Action::Set(Field::Win(_)) => "set-win",
        Action::Set(Field::Mss(_)) => "set-mss",
        Action::Strip(_) => "strip-option",
        Action::Split(_) => "split",
        Action::Merge(_) => "merge",
        Action::Forge(Forge::Rst { .. }) => "forge-rst",
        Action::Forge(Forge::Syn { .. }) => "forge-syn",
        Action::Forge(Forge::Fin { .. }) => "forge-fin",
        Action::Forge(Forge::Ack { .. }) => "forge-ack",
        Action::Forge(Forge::Icmp { .. }) => "forge-icmp",
        Action::Neighbor(fault) => neighbor(fault),
        Action::Link(_) => "link",
        Action::Mtu(_) => "mtu",
        Action::Tag(_) => "set-tag",
        Action::Hook(_) => "hook",
    }
}

fn neighbor(fault: &NeighborFault) -> &'static str {
    match fault {
        NeighborFault::Silence => "neighbor-silence",
        NeighborFault::Wrong(_) => "neighbor-wrong",
        NeighborFault::Conflict(_) => "neighbor-conflict",
        NeighborFault::Flood(_) => "neighbor-flood",
    }
}

/// What became of a frame, in one word.
pub(super) fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Later(_) => "later",
        Verdict::Drop(_) => "drop",
        Verdict::Merge(_) => "merge",
        Verdict::Lost => "lost",
        Verdict::Overflow => "overflow",
        Verdict::Exhausted => "exhausted",
        Verdict::TooLarge => "too-large",
        Verdict::Down => "down",
    }
}

/// A length of time in the largest unit that says it exactly, from `us` to `s`.
pub(super) fn span(duration: Duration) -> String {
    let micros = duration.total_micros();
    match micros {
        0 => "0 ms".into(),
        _ if micros.is_multiple_of(1_000_000) => format!("{} s", micros / 1_000_000),
        _ if micros.is_multiple_of(1_000) => format!("{} ms", micros / 1_000),
        1..1_000 => format!("{micros} us"),
        _ => format!("{}.{:03} ms", micros / 1_000, micros % 1_000),
    }
}

/// A time in seconds with microseconds.
pub(super) fn seconds(at: Instant) -> String {
    let micros = at.total_micros();
    let sign = if micros < 0 { "-" } else { "" };
    let micros = micros.unsigned_abs();
    format!("{sign}{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

/// An event of the time line.
pub(super) fn event(index: u16, event: &Event) -> String {
    let name = if event.name == Name::NONE {
        format!("{}", u32::from(index) + 1)
    } else {
        event.name.to_string()
    };
    let what = match event.act {
        EventAct::Link(fault) => link(fault),
        EventAct::Mtu(Some(mtu)) => format!("mtu {mtu}"),
        EventAct::Mtu(None) => "mtu of the link again".into(),
        EventAct::Neighbor(fault, length) => match length {
            Some(length) => format!("{} for {}", neighbor(&fault), span(length)),
            None => neighbor(&fault).into(),
        },
        EventAct::Release => "release".into(),
        EventAct::Switch(rule, Switch::On) => format!("enable {rule}"),
        EventAct::Switch(rule, Switch::Off) => format!("disable {rule}"),
    };
    format!("event={name} {what}")
}

fn link(fault: LinkFault) -> String {
    match fault {
        LinkFault::Up => "link up".into(),
        LinkFault::Down(None) => "link down".into(),
        LinkFault::Down(Some(length)) => format!("link down for {}", span(length)),
        LinkFault::Flap { period, count } => {
            format!("flap period={} count={count}", span(period))
        }
    }
}

/// How a rule has fared.
pub(super) fn hits(hits: &Hits<'_>) -> String {
    let Hits { name, matched, fired, swallowed, expected } = *hits;
    let mut text = format!("report rule={name} matched={matched} fired={fired}");
    if swallowed > 0 {
        text += &format!(" swallowed={swallowed}");
    }
    match expected {
        Some(span) if span.first == span.last => text += &format!(" expected={}", span.first),
        Some(span) if span.last == u64::MAX => text += &format!(" expected={}..", span.first),
        Some(span) => text += &format!(" expected={}..={}", span.first, span.last),
        None => {}
    }
    text + match (hits.holds(), hits.idle()) {
        (false, _) => " does-not-hold",
        (true, true) => " never-fired",
        (true, false) => "",
    }
}

/// All counters that are not 0.
pub(super) fn totals(counters: &Counters) -> String {
    let mut text = String::from("totals");
    for (name, value) in counters.named().filter(|(_, value)| *value > 0) {
        text += &format!(" {name}={value}");
    }
    text
}
