//! Why a rule did or did not act, in words with the values of the script and of the frame.

use tapsock_stack::fault::{
    Chance, Count, Effect, Flags, Match, Name, Ports, Proto, Rule, Scope, Span, View, When, Why,
};
use tapsock_stack::link::Direction;
use tapsock_stack::time::Duration;

use super::evaluate::{Asked, Decision};
use crate::timeline::span;

/// Why a rule did or did not act on a frame.
pub(super) fn why(asked: &Asked, rule: &Rule, decision: &Decision, about: &About<'_>) -> String {
    let when = &rule.when;
    match asked.why {
        Why::Off => "did not act: it was switched off".into(),
        Why::NoMatch(field) => {
            let wanted = wanted(&rule.matches, field);
            let field = field_word(field);
            match has(field, about) {
                Some(has) => format!("did not match: it asks for {field} {wanted}, this has {has}"),
                None => format!("did not match: it asks for {field} {wanted}"),
            }
        }
        Why::Swallowed => "swallowed it: its blackhole was open".into(),
        Why::Time => format!("did not act: {} and this was at {}", time(when), about.time),
        Why::AfterRule => {
            let name = when.after_rule.unwrap_or(Name::NONE);
            format!("did not act: after = \"{name}\", and that had not fired yet")
        }
        Why::AfterBytes => {
            let bytes = when.after_bytes.unwrap_or(0);
            let flow = decision.flow;
            format!("did not act: after-bytes = {bytes}, and fewer had gone before in flow #{flow}")
        }
        Why::NotForced => {
            "did not act: a replay fires it on other frames, whatever its conditions".into()
        }
        Why::Count(number) => {
            let among = among(when.scope, decision.flow, about.direction);
            format!("did not act: {}, this was number {number} {among}", count(when.count))
        }
        Why::Prob => format!("did not act: prob = {}, and chance decided against it", when.prob),
        Why::Cooldown => {
            let cooldown = span(when.cooldown.unwrap_or(Duration::ZERO));
            format!("did not act: cooldown = {cooldown}, and it had fired less than that before")
        }
        Why::Budget => {
            let budget = when.budget.unwrap_or(0);
            format!("did not act: budget = {budget}, and that many times it had fired")
        }
        Why::Fired(number) => {
            let time = ordinal(number);
            let matched = ordinal(asked.matched);
            let did = effects(&asked.effects);
            format!("acted, for the {time} time, on the {matched} frame that it matches: {did}")
        }
    }
}

/// What is known about the frame.
pub(super) struct About<'v> {
    pub(super) view: View<'v>,
    pub(super) direction: Direction,
    /// When it entered, in words.
    pub(super) time: String,
    /// Whether rules above may have changed its bytes.
    pub(super) changed: bool,
}

fn effects(effects: &[(&'static str, Effect)]) -> String {
    let words: Vec<String> = effects.iter().map(|(action, it)| effect(action, it)).collect();
    if words.is_empty() { "nothing, it has no actions".into() } else { words.join(", ") }
}

fn effect(action: &str, effect: &Effect) -> String {
    let mut parts = Vec::new();
    if effect.delay != Duration::ZERO {
        parts.push(format!("held back for {}", span(effect.delay)));
    }
    if effect.held {
        parts.push("held back until something happens".into());
    }
    match effect.copies {
        0 => {}
        1 => parts.push("one copy follows".into()),
        copies => parts.push(format!("{copies} copies follow")),
    }
    if effect.split {
        parts.push("in two parts now".into());
    } else if effect.changed {
        parts.push("its bytes are changed".into());
    }
    match effect.forged {
        0 => {}
        1 => parts.push("one frame forged".into()),
        forged => parts.push(format!("{forged} frames forged")),
    }
    if effect.lost {
        parts.push(if action == "merge" { "part of another now" } else { "it is lost" }.into());
    }
    if effect.noted {
        parts.push("done".into());
    }
    let what = if parts.is_empty() { "nothing to do".to_string() } else { parts.join(", ") };
    format!("{action} ({what})")
}

/// 1st, 2nd, 3rd, 4th, 11th, 21st.
pub(super) fn ordinal(number: u64) -> String {
    let ending = match (number % 100, number % 10) {
        (11..=13, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

fn time(when: &When) -> String {
    match (when.from, when.until) {
        (Some(from), Some(until)) => format!("from = {}, until = {}", span(from), span(until)),
        (Some(from), None) => format!("from = {}", span(from)),
        (None, Some(until)) => format!("until = {}", span(until)),
        (None, None) => "outside its time".into(),
    }
}

fn count(count: Count) -> String {
    match count {
        Count::Any => "any".into(),
        Count::Nth(number) => format!("nth = {number}"),
        Count::First(last) => format!("first = {last}"),
        Count::Every(step) => format!("every = {step}"),
        Count::After(last) => format!("after = {last}"),
        Count::Range(first, last) => format!("range = {first}..={last}"),
        // A list of numbers, and what may come.
        other => format!("{other:?}"),
    }
}

fn among(scope: Scope, flow: u32, direction: Direction) -> String {
    match scope {
        Scope::Flow if flow == 0 => "of those without a flow".into(),
        Scope::Flow => format!("in flow #{flow}"),
        Scope::Rule => "of all that it counts".into(),
        Scope::Dir => format!("of its direction ({})", way(direction)),
    }
}

/// As scripts write a direction.
pub(super) fn way(direction: Direction) -> &'static str {
    match direction {
        Direction::Inbound => "rx",
        Direction::Outbound => "tx",
    }
}

/// As scripts write a field.
fn field_word(field: &'static str) -> &'static str {
    match field {
        "icmp_type" => "icmp-type",
        "icmp_code" => "icmp-code",
        "out_of_order" => "out-of-order",
        other => other,
    }
}

/// What a rule asks for in a field, in words.
fn wanted(matches: &Match, field: &str) -> String {
    let text = match field {
        "dir" => matches.dir.map(|dir| way(dir).to_string()),
        "ethertype" => matches.ethertype.map(|kind| format!("{kind:#06x}")),
        "proto" => matches.proto.map(proto),
        "src" => matches.src.map(|cidr| cidr.to_string()),
        "dst" => matches.dst.map(|cidr| cidr.to_string()),
        "sport" => matches.sport.as_ref().map(ports),
        "dport" => matches.dport.as_ref().map(ports),
        "flags" => matches.flags.map(wanted_flags),
        "seq" => matches.seq.map(range),
        "ack" => matches.ack.map(range),
        "win" => matches.win.map(range),
        "payload" => matches.payload.map(range),
        "length" => matches.length.map(range),
        "contains" => matches.contains.as_ref().map(|bytes| match std::str::from_utf8(bytes) {
            Ok(text) => format!("{text:?}"),
            Err(_) => format!("{bytes:02x?}"),
        }),
        "option" => matches.option.map(|option| format!("{}", option.0)),
        "icmp_type" => matches.icmp_type.map(|kind| kind.to_string()),
        "icmp_code" => matches.icmp_code.map(|code| code.to_string()),
        "ecn" => matches.ecn.map(|ecn| ecn_word(ecn.bits()).to_string()),
        "ttl" => matches.ttl.map(range),
        "fragment" => matches.fragment.map(|yes| yes.to_string()),
        "retransmission" => matches.retransmission.map(|yes| yes.to_string()),
        "out_of_order" => matches.out_of_order.map(|yes| yes.to_string()),
        "flow" => matches.flow.map(|flow| format!("#{flow}")),
        "tag" => matches.tag.map(|tag| tag.to_string()),
        _ => None,
    };
    text.unwrap_or_else(|| "something else".into())
}

/// What the frame has in that field, where that is certain.
fn has(field: &str, about: &About<'_>) -> Option<String> {
    let About { view, direction, changed, .. } = about;
    if field == "dir" {
        return Some(way(*direction).into());
    }
    if *changed {
        return None;
    }
    let missing = || "none".to_string();
    Some(match field {
        "ethertype" => format!("{:#06x}", view.ethertype()),
        "proto" => carries(view),
        "src" => view.source().map_or_else(missing, |it| it.to_string()),
        "dst" => view.destination().map_or_else(missing, |it| it.to_string()),
        "sport" => view.ports().map_or_else(missing, |it| it.0.to_string()),
        "dport" => view.ports().map_or_else(missing, |it| it.1.to_string()),
        "flags" => view.flags().map_or_else(missing, flags),
        "payload" => view.segment().map_or_else(missing, |bytes| format!("{} bytes", bytes.len())),
        "length" => format!("{} bytes", view.packet().len()),
        "icmp-type" => view.icmp().map_or_else(missing, |it| it.0.to_string()),
        "icmp-code" => view.icmp().map_or_else(missing, |it| it.1.to_string()),
        "ecn" => view.ecn().map_or_else(missing, |bits| ecn_word(bits).into()),
        "ttl" => view.ttl().map_or_else(missing, |it| it.to_string()),
        "fragment" => view.is_fragment().to_string(),
        _ => return None,
    })
}

fn range(span: Span) -> String {
    match (span.first, span.last) {
        (first, last) if first == last => first.to_string(),
        (first, u64::MAX) => format!("{first}.."),
        (first, last) => format!("{first}..={last}"),
    }
}

fn ports(ports: &Ports) -> String {
    ports.iter().map(|it| range(*it)).collect::<Vec<_>>().join(", ")
}

fn proto(proto: Proto) -> String {
    match proto {
        Proto::Tcp => "tcp",
        Proto::Udp => "udp",
        Proto::Icmp => "icmp",
        Proto::Icmp6 => "icmp6",
        Proto::Arp => "arp",
        Proto::Nd => "nd",
        Proto::IpFrag => "ip-frag",
        Proto::Ip(number) => return format!("ip {number}"),
    }
    .into()
}

fn carries(view: &View<'_>) -> String {
    let proto = if view.is_tcp() {
        Proto::Tcp
    } else if view.is_udp() {
        Proto::Udp
    } else if view.is_nd() {
        Proto::Nd
    } else if view.is_icmp() {
        Proto::Icmp
    } else if view.is_icmp6() {
        Proto::Icmp6
    } else if view.is_arp() {
        Proto::Arp
    } else if view.is_fragment() {
        Proto::IpFrag
    } else if let Some(number) = view.protocol() {
        Proto::Ip(number)
    } else {
        return format!("Ethernet type {:#06x}", view.ethertype());
    };
    self::proto(proto)
}

const FLAGS: [(u8, &str); 8] = [
    (2, "SYN"),
    (16, "ACK"),
    (1, "FIN"),
    (4, "RST"),
    (8, "PSH"),
    (32, "URG"),
    (64, "ECE"),
    (128, "CWR"),
];

fn flags(set: u8) -> String {
    let names = FLAGS.iter().filter(|(bit, _)| set & bit != 0).map(|(_, name)| *name);
    let names: Vec<&str> = names.collect();
    if names.is_empty() { "none".into() } else { names.join(" ") }
}

fn wanted_flags(wanted: Flags) -> String {
    let each = |sign: char, set: u8| {
        let names = FLAGS.iter().filter(move |(bit, _)| set & bit != 0);
        names.map(move |(_, name)| format!("{sign}{name}"))
    };
    match wanted {
        Flags::Some { set, clear } => {
            each('+', set).chain(each('-', clear)).collect::<Vec<_>>().join(" ")
        }
        Flags::Exactly(set) => format!("={}", flags(set)),
    }
}

fn ecn_word(bits: u8) -> &'static str {
    match bits & 3 {
        0 => "not-ect",
        1 => "ect1",
        2 => "ect0",
        _ => "ce",
    }
}

/// What the link model decided.
pub(super) fn model(decision: &Decision, direction: Direction) -> String {
    let Some((number, chance)) = decision.model else {
        return format!("none for {}, or the frame did not come to it", way(direction));
    };
    let Chance { lost, copied, corrupt, overtakes, .. } = chance;
    let mut parts = Vec::new();
    for (holds, words) in [
        (lost, "lost it"),
        (corrupt, "turned one bit over"),
        (copied, "made a copy"),
        (overtakes, "let it overtake others"),
    ] {
        if holds {
            parts.push(words.to_string());
        }
    }
    let told = decision.story.split("; ").find_map(|part| part.strip_prefix("link-model "));
    if let Some(delay) = told.and_then(|told| told.strip_prefix("delay=")) {
        let delay: Vec<&str> = delay.split(' ').take(2).collect();
        parts.push(format!("held it back for {}", delay.join(" ")));
    }
    if told.is_some_and(|told| told.contains("overflow")) {
        parts.push("had no room for it in its queue".into());
    }
    if parts.is_empty() {
        parts.push("let it pass as it was".into());
    }
    format!("{} ({} frame for {})", parts.join(", "), ordinal(number), way(direction))
}
