//! From a tree of values to rules, events and link models.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use smoltcp::time::Duration;
use smoltcp::wire::EthernetAddress;

use super::error::Flaw;
use super::node::{Entry, Fields, Kind, Node, choice, shortened};
use super::value::{
    self, boolean, byte, hardware, huge, long, name, ordinal, range, share, short, time, word,
};
use super::{names, words};
use crate::fault::*;

type Read<T> = Result<T, Flaw>;

/// Who claims an address where a script names nobody: locally administered, and unlikely to be
/// anybody's.
pub(super) const STRANGER: EthernetAddress = EthernetAddress([0x02, 0, 0, 0, 0xde, 0xad]);

/// How many messages a flood has where a script does not say.
pub(super) const FLOOD: u16 = 100;

/// How long a frame that is to be overtaken waits at the longest where a script does not say.
pub(super) const REORDER_LIMIT: Duration = Duration::from_millis(1000);

/// What refers to a rule or an event by name.
#[derive(Debug)]
struct Reference {
    name: Name,
    at: Range<usize>,
    /// Whether an event will do as well.
    event_too: bool,
}

/// What has a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    Rule,
    Event,
}

/// The names that were read, where, and who refers to them.
#[derive(Debug, Default)]
pub(super) struct Names {
    known: BTreeMap<String, Kept>,
    references: Vec<Reference>,
}

impl Names {
    fn define(&mut self, name: Name, node: &Node, kept: Kept) -> Read<()> {
        if self.known.insert(name.as_str().to_owned(), kept).is_some() {
            let message = format!("another rule or event has the name \"{name}\"");
            return Err(Flaw::new(&node.at, message));
        }
        Ok(())
    }

    fn refer(&mut self, name: Name, node: &Node, event_too: bool) {
        self.references.push(Reference { name, at: node.at.clone(), event_too });
    }

    /// Looks for what does not exist.
    pub(super) fn check(&self) -> Read<()> {
        for Reference { name, at, event_too } in &self.references {
            let fits = |kept: &Kept| *event_too || *kept == Kept::Rule;
            if !self.known.get(name.as_str()).is_some_and(fits) {
                let fitting = self.known.iter().filter(|(_, kept)| fits(kept));
                let known: Vec<&str> = fitting.map(|(known, _)| known.as_str()).collect();
                let noun = if *event_too { "rule or event" } else { "rule" };
                let choice = choice(name.as_str(), &known);
                return Err(Flaw::new(at, format!("no {noun} has the name \"{name}\"{choice}")));
            }
        }
        Ok(())
    }
}

/// A rule. Without a name, `unnamed` gives it one.
pub(super) fn rule(
    node: &Node,
    names: &mut Names,
    unnamed: Option<fn(&Rule) -> Name>,
) -> Read<Rule> {
    let mut fields = Fields::of("a rule", node)?;
    let name_node = fields.take("name");
    let mut rule = Rule::named(Name::NONE);
    if let Some(node) = fields.take("match") {
        rule.matches = matches(node)?;
    }
    if let Some(node) = fields.take("when") {
        rule.when = when(node, names)?;
    }
    rule.actions = fields.need("do", |_, node| actions(node, names))?;
    if let Some(then) = fields.read("then", |key, node| word(key, node, &words::THEN))? {
        rule.then = then;
    }
    if let Some(true) = fields.read("rematch", boolean)? {
        rule.rematch = Rematch::Yes;
    }
    if let Some(switch) = fields.read("switch", |key, node| word(key, node, &words::SWITCH))? {
        rule.switch = switch;
    }
    if let Some(node) = fields.take("expect") {
        let mut fields = Fields::or("expect", "hits", node)?;
        rule.expect = fields.read("hits", |key, node| range(key, node, u64::MAX))?;
        rule.outcome = fields.read("outcome", |key, node| word(key, node, &words::OUTCOMES))?;
        fields.finish()?;
    }
    fields.finish()?;
    match (name_node, unnamed) {
        (Some(node), _) => {
            rule.name = name("name", node)?;
            names.define(rule.name, node, Kept::Rule)?;
        }
        (None, Some(unnamed)) => {
            rule.name = unnamed(&rule);
            names.define(rule.name, node, Kept::Rule)?;
        }
        (None, None) => return Err(Flaw::new(&node.at, "a rule needs \"name\"")),
    }
    Ok(rule)
}

pub(super) fn matches(node: &Node) -> Read<Match> {
    let mut fields = Fields::of("match", node)?;
    let limited = |most: u64| move |key: &str, node: &Node| range(key, node, most);
    let long_range = limited(u32::MAX.into());
    let proto = fields.read("proto", names::proto)?;
    let icmp_type = fields.read("icmp-type", |key, node| names::icmp_type(key, node, proto))?;
    let matches = Match {
        dir: fields.read("dir", |key, node| word(key, node, &words::DIRECTIONS))?,
        ethertype: fields.read("ethertype", names::ethertype)?,
        proto,
        src: fields.read("src", value::cidr)?,
        dst: fields.read("dst", value::cidr)?,
        sport: fields.read("sport", value::ports)?,
        dport: fields.read("dport", value::ports)?,
        flags: fields.read("flags", value::flags)?,
        conn: fields.read("conn", |key, node| word(key, node, &words::CONNECTIONS))?,
        seq: fields.read("seq", long_range)?,
        ack: fields.read("ack", long_range)?,
        win: fields.read("win", long_range)?,
        payload: fields.read("payload", long_range)?,
        length: fields.read("length", long_range)?,
        contains: fields.read("contains", value::pattern)?,
        option: fields.read("option", names::option)?,
        icmp_type,
        icmp_code: fields
            .read("icmp-code", |key, node| names::icmp_code(key, node, proto, icmp_type))?,
        ecn: fields.read("ecn", |key, node| word(key, node, &words::ECN))?,
        ttl: fields.read("ttl", limited(u8::MAX.into()))?,
        fragment: fields.read("fragment", boolean)?,
        retransmission: fields.read("retransmission", boolean)?,
        out_of_order: fields.read("out-of-order", boolean)?,
        flow: fields.read("flow", flow)?,
        tag: fields.read("tag", long)?,
    };
    fields.finish()?;
    Ok(matches)
}

/// A flow's number, also in the form "#3".
fn flow(key: &str, node: &Node) -> Read<u32> {
    match &node.kind {
        Kind::Text(text) if text.starts_with('#') => {
            let number = Node { at: node.at.clone(), kind: Kind::Text(text[1..].into()) };
            ordinal(key, &number)
        }
        _ => ordinal(key, node),
    }
}

fn when(node: &Node, names: &mut Names) -> Read<When> {
    let mut fields = Fields::of("when", node)?;
    let mut when = When::ALWAYS;
    if let Some(prob) = fields.read("prob", share)? {
        when.prob = prob;
    }
    let mut count: Option<&str> = None;
    for key in ["nth", "first", "every", "after", "range"] {
        let Some(node) = fields.take(key) else { continue };
        let found = match key {
            "nth" => {
                let list = value::ordinals(key, node)?;
                match (&node.kind, &*list) {
                    (Kind::List(_), _) | (_, [_, _, ..]) => Count::Among(list),
                    (_, [number]) => Count::Nth(*number),
                    _ => continue,
                }
            }
            "first" => Count::First(ordinal(key, node)?),
            "every" => Count::Every(ordinal(key, node)?),
            "after" => match after(node, &mut when, names)? {
                Some(number) => Count::After(number),
                None => continue,
            },
            _ => {
                let span = range(key, node, u32::MAX.into())?;
                if span.first == 0 {
                    return Err(Flaw::new(&node.at, "range begins with 1, the first frame"));
                }
                let last = u32::try_from(span.last).unwrap_or(u32::MAX);
                Count::Range(span.first as u32, last)
            }
        };
        if let Some(other) = count {
            return Err(Flaw::new(&node.at, format!("{other} and {key} exclude each other")));
        }
        count = Some(key);
        when.count = found;
    }
    if let Some(scope) = fields.read("scope", |key, node| word(key, node, &words::SCOPES))? {
        when.scope = scope;
    }
    when.from = fields.read("from", time)?;
    if let Some(node) = fields.take("until") {
        let until = time("until", node)?;
        if when.from.is_some_and(|from| until <= from) {
            return Err(Flaw::new(
                &node.at,
                "until is not later than from, so that it never fires",
            ));
        }
        when.until = Some(until);
    }
    if let Some(node) = fields.take("after-rule") {
        after_rule("after-rule", node, &mut when, names)?;
    }
    when.after_bytes = fields.read("after-bytes", value::bytes)?;
    when.cooldown = fields.read("cooldown", time)?;
    when.budget = fields.read("budget", huge)?;
    fields.finish()?;
    Ok(when)
}

/// `5`, or `{ rule = "x" }`, or both.
fn after(node: &Node, when: &mut When, names: &mut Names) -> Read<Option<u32>> {
    let mut fields = Fields::or("after", "count", node)?;
    if let Some(node) = fields.take("rule") {
        after_rule("rule", node, when, names)?;
    }
    let count = fields.read("count", long)?;
    fields.finish()?;
    Ok(count)
}

fn after_rule(key: &str, node: &Node, when: &mut When, names: &mut Names) -> Read<()> {
    let wanted = name(key, node)?;
    if when.after_rule.is_some() {
        return Err(Flaw::new(&node.at, "the rule to wait for is said twice"));
    }
    when.after_rule = Some(wanted);
    names.refer(wanted, node, false);
    Ok(())
}

/// An action with what belongs to it.
struct Word<'n> {
    key: &'n str,
    at: Range<usize>,
    value: Option<&'n Node>,
    beside: Vec<&'n Entry>,
}

impl<'n> Word<'n> {
    /// Its fields; a single value is the field named `first`.
    fn fields(&self, what: &'static str, first: &'static str) -> Read<Fields<'n>> {
        let mut fields = match self.value {
            None => Fields::none(what, &self.at),
            Some(Node { kind: Kind::Bool(true), .. }) => Fields::none(what, &self.at),
            Some(node) => Fields::or(what, first, node)?,
        };
        for entry in &self.beside {
            fields.add(&entry.key, &entry.at, &entry.value);
        }
        Ok(fields)
    }

    /// An action without fields.
    fn bare(&self, what: &'static str) -> Read<()> {
        match self.value {
            None | Some(Node { kind: Kind::Bool(true), .. }) => self.fields(what, "")?.finish(),
            Some(Node { kind: Kind::Table(_), .. }) => self.fields(what, "")?.finish(),
            Some(node) => Err(Flaw::new(
                &node.at,
                format!("{what} has no value, and cannot be {}", node.kind.noun()),
            )),
        }
    }

    /// The one value of an action.
    fn single<T>(
        &self,
        what: &'static str,
        read: impl FnOnce(&str, &'n Node) -> Read<T>,
    ) -> Read<T> {
        let mut fields = Fields::none(what, &self.at);
        for entry in &self.beside {
            fields.add(&entry.key, &entry.at, &entry.value);
        }
        let value = match self.value {
            Some(node) => read(what, node)?,
            None => return Err(Flaw::new(&self.at, format!("{what} needs a value"))),
        };
        fields.finish()?;
        Ok(value)
    }
}

/// The actions of a rule, or what an event does, as words.
fn said(node: &Node) -> Read<Vec<Word<'_>>> {
    let mut said: Vec<Word<'_>> = Vec::new();
    let items = match &node.kind {
        Kind::List(items) => &items[..],
        _ => core::slice::from_ref(node),
    };
    for item in items {
        match &item.kind {
            Kind::Text(text) => {
                said.push(Word { key: text, at: item.at.clone(), value: None, beside: Vec::new() });
            }
            Kind::Table(entries) => {
                let before = said.len();
                for entry in entries {
                    let key = entry.key.as_str();
                    let owner = words::BESIDE.iter().find(|(beside, _)| *beside == key);
                    match (owner, said.get_mut(before..).and_then(<[_]>::last_mut)) {
                        (Some((_, owners)), Some(last)) if owners.contains(&last.key) => {
                            last.beside.push(entry);
                        }
                        _ => said.push(Word {
                            key,
                            at: entry.at.clone(),
                            value: Some(&entry.value),
                            beside: Vec::new(),
                        }),
                    }
                }
            }
            kind => {
                let message = format!("do is an action such as \"drop\", not {}", kind.noun());
                return Err(Flaw::new(&item.at, message));
            }
        }
    }
    Ok(said)
}

fn actions(node: &Node, names: &mut Names) -> Read<Actions> {
    let mut actions = Actions::empty(Action::Drop);
    let said = said(node)?;
    if said.is_empty() {
        return Err(Flaw::new(&node.at, "do needs an action; to do nothing, say \"pass\""));
    }
    for word in said {
        if word.key == "pass" {
            word.bare("pass")?;
            continue;
        }
        if actions.push(action(&word, names)?).is_err() {
            return Err(Flaw::new(&word.at, "a rule has at most four actions"));
        }
    }
    Ok(actions)
}

fn action(word: &Word<'_>, names: &mut Names) -> Read<Action> {
    Ok(match word.key {
        "drop" => {
            word.bare("drop")?;
            Action::Drop
        }
        "delay" => Action::Delay(delay(word.fields("delay", "mean")?)?),
        "reorder" => {
            let mut fields = word.fields("reorder", "prob")?;
            let prob = fields.read("prob", share)?.unwrap_or(1.0);
            let gap = fields.read("gap", short)?.unwrap_or(1);
            let limit = fields.read("limit", time)?.unwrap_or(REORDER_LIMIT);
            fields.finish()?;
            Action::Reorder { prob, gap, limit }
        }
        "duplicate" => {
            let mut fields = word.fields("duplicate", "n")?;
            let copies = fields.read("n", byte)?.unwrap_or(1);
            let delay = fields.read("delay", time)?.unwrap_or(Duration::ZERO);
            fields.finish()?;
            Action::Duplicate { copies, delay }
        }
        "corrupt" => {
            let mut fields = word.fields("corrupt", "at")?;
            let at = fields.read("at", part)?.unwrap_or(Part::Any);
            let bits = fields.read("bits", byte)?.unwrap_or(1);
            let fix = fields.read("fix-checksums", boolean)?.unwrap_or(false);
            fields.finish()?;
            let checksums = if fix { Checksums::Fix } else { Checksums::Leave };
            Action::Corrupt { at, bits, checksums }
        }
        "truncate" => {
            let mut fields = word.fields("truncate", "to")?;
            let to = fields.need("to", short)?;
            let fix = fields.read("fix-lengths", boolean)?.unwrap_or(false);
            fields.finish()?;
            Action::Truncate { to, lengths: if fix { Lengths::Fix } else { Lengths::Leave } }
        }
        "rate" => Action::Rate(word.single("rate", value::rate)?),
        "hold-until" => {
            let mut fields = word.fields("hold-until", "name")?;
            let until = fields.need("name", |key, node| {
                let until = name(key, node)?;
                names.refer(until, node, true);
                Ok(until)
            })?;
            let limit = fields.read("limit", time)?;
            fields.finish()?;
            Action::Hold { until, limit }
        }
        "blackhole" => {
            let mut fields = word.fields("blackhole", "for")?;
            let length = fields.read("for", time)?;
            fields.finish()?;
            Action::Blackhole(length)
        }
        "mark-ecn" => Action::Mark(match word.value {
            None => Ecn::Ce,
            Some(_) => word.single("mark-ecn", |key, node| self::word(key, node, &words::ECN))?,
        }),
        "mark-ecn-ce" => {
            word.bare("mark-ecn-ce")?;
            Action::Mark(Ecn::Ce)
        }
        "set-ttl" => Action::Set(Field::Ttl(word.single("set-ttl", byte)?)),
        "set-win" => Action::Set(Field::Win(word.single("set-win", short)?)),
        "set-mss" => Action::Set(Field::Mss(word.single("set-mss", short)?)),
        "strip-option" => Action::Strip(word.single("strip-option", names::option)?),
        "split" => Action::Split(word.single("split", short)?),
        "merge" => Action::Merge(word.single("merge", time)?),
        "forge-rst" => {
            let (to, seq) = segment(word.fields("forge-rst", "to")?)?;
            Action::Forge(Forge::Rst { to, seq })
        }
        "forge-syn" => {
            let (to, seq) = segment(word.fields("forge-syn", "to")?)?;
            Action::Forge(Forge::Syn { to, seq })
        }
        "forge-fin" => {
            let (to, seq) = segment(word.fields("forge-fin", "to")?)?;
            Action::Forge(Forge::Fin { to, seq })
        }
        "forge-ack" => Action::Forge(forge_ack(word)?),
        "forge-icmp" => Action::Forge(forge_icmp(word)?),
        "arp" | "nd" | "neighbor" => {
            let (fault, length) = neighbor(word)?;
            if length.is_some() {
                let message = "a rule's neighbor fault lasts as long as the rule fires; \"for\" is for events";
                return Err(Flaw::new(&word.at, message));
            }
            Action::Neighbor(fault)
        }
        "link" | "flap" => Action::Link(link(word)?),
        "mtu" => Action::Mtu(word.single("mtu", mtu)?),
        "set-tag" => Action::Tag(word.single("set-tag", long)?),
        "hook" => Action::Hook(word.single("hook", long)?),
        other => return Err(unknown("action", other, &word.at, &words::ACTIONS)),
    })
}

fn unknown(noun: &str, word: &str, at: &Range<usize>, known: &[&str]) -> Flaw {
    if let Some((_, owners)) = words::BESIDE.iter().find(|(beside, _)| *beside == word) {
        return misplaced(word, at, owners);
    }
    let choice = choice(word, known);
    Flaw::new(at, format!("there is no {noun} \"{}\"{choice}", shortened(word)))
}

/// A field that stands beside nothing that it belongs to.
pub(super) fn misplaced(key: &str, at: &Range<usize>, owners: &[&str]) -> Flaw {
    let owners = owners.join(", ");
    Flaw::new(at, format!("{key} stands behind the action that it belongs to: {owners}"))
}

pub(super) fn delay(mut fields: Fields<'_>) -> Read<Delay> {
    let delay = Delay {
        mean: fields.need("mean", |_, node| time("delay", node))?,
        jitter: fields.read("jitter", time)?.unwrap_or(Duration::ZERO),
        dist: fields
            .read("dist", |key, node| word(key, node, &words::DISTRIBUTIONS))?
            .unwrap_or(Distribution::Uniform),
        correlation: fields.read("correlation", share)?.unwrap_or(0.0),
    };
    fields.finish()?;
    Ok(delay)
}

/// A part by name, or the number of a byte.
fn part(key: &str, node: &Node) -> Read<Part> {
    match node.kind {
        Kind::Int(_) => short(key, node).map(Part::Byte),
        _ => word(key, node, &words::PARTS),
    }
}

fn segment(mut fields: Fields<'_>) -> Read<(Side, Seq)> {
    let to = fields.read("to", |key, node| word(key, node, &words::SIDES))?.unwrap_or(Side::Stack);
    let seq = fields.read("seq", |key, node| word(key, node, &words::SEQS))?.unwrap_or(Seq::Exact);
    fields.finish()?;
    Ok((to, seq))
}

fn forge_ack(word: &Word<'_>) -> Read<Forge> {
    let mut fields = word.fields("forge-ack", "to")?;
    let to =
        fields.read("to", |key, node| self::word(key, node, &words::SIDES))?.unwrap_or(Side::Stack);
    let duplicate = fields.read("dup-ack", byte)?;
    let ack = match (duplicate, fields.take("ack-beyond")) {
        (Some(_), Some(node)) => {
            return Err(Flaw::new(&node.at, "dup-ack and ack-beyond exclude each other"));
        }
        (None, Some(node)) => AckOf::Beyond(long("ack-beyond", node)?),
        (duplicate, None) => AckOf::Duplicate(duplicate.unwrap_or(1)),
    };
    fields.finish()?;
    Ok(Forge::Ack { to, ack })
}

fn forge_icmp(word: &Word<'_>) -> Read<Forge> {
    let mut fields = word.fields("forge-icmp", "type")?;
    let kind = fields.need("type", |key, node| self::word(key, node, &words::ICMP_FAULTS))?;
    let error = match kind {
        words::IcmpWord::Unreachable => fields.need("code", names::unreachable)?,
        words::IcmpWord::FragmentationNeeded => {
            IcmpFault::FragmentationNeeded(fields.need("mtu", short)?)
        }
        words::IcmpWord::TimeExceeded => {
            IcmpFault::TimeExceeded(fields.read("code", exceeded)?.unwrap_or(0))
        }
        words::IcmpWord::SourceQuench => IcmpFault::SourceQuench,
    };
    let from = fields.read("from", value::address)?;
    let quote = fields
        .read("quote-seq", |key, node| self::word(key, node, &words::QUOTES))?
        .unwrap_or(QuoteSeq::InFlight);
    fields.finish()?;
    Ok(Forge::Icmp { error, from, quote })
}

fn exceeded(key: &str, node: &Node) -> Read<u8> {
    match node.kind {
        Kind::Int(_) => byte(key, node),
        _ => word(key, node, &names::EXCEEDED),
    }
}

fn neighbor(word: &Word<'_>) -> Read<(NeighborFault, Option<Duration>)> {
    let mut fields = word.fields("neighbor", "fault")?;
    let kind = fields.need("fault", |key, node| self::word(key, node, &words::NEIGHBOR_FAULTS))?;
    let fault = match kind {
        words::NeighborWord::Silence => NeighborFault::Silence,
        words::NeighborWord::Wrong => {
            NeighborFault::Wrong(fields.read("mac", hardware)?.unwrap_or(STRANGER))
        }
        words::NeighborWord::Conflict => {
            NeighborFault::Conflict(fields.read("mac", hardware)?.unwrap_or(STRANGER))
        }
        words::NeighborWord::Flood => {
            NeighborFault::Flood(fields.read("count", short)?.unwrap_or(FLOOD))
        }
    };
    let length = fields.read("for", time)?;
    fields.finish()?;
    Ok((fault, length))
}

fn link(word: &Word<'_>) -> Read<LinkFault> {
    if word.key == "flap" {
        let mut fields = word.fields("flap", "period")?;
        let period = fields.need("period", |key, node| match time(key, node)? {
            Duration::ZERO => {
                Err(Flaw::new(&node.at, format!("{key} is more than 0, for example \"1 s\"")))
            }
            period => Ok(period),
        })?;
        let count = fields.read("count", long)?.unwrap_or(1);
        fields.finish()?;
        return Ok(LinkFault::Flap { period, count });
    }
    let mut fields = word.fields("link", "state")?;
    let up = fields.need("state", |key, node| self::word(key, node, &words::LINKS))?;
    let fault = if up { LinkFault::Up } else { LinkFault::Down(fields.read("for", time)?) };
    fields.finish()?;
    Ok(fault)
}

fn mtu(key: &str, node: &Node) -> Read<Option<u16>> {
    match &node.kind {
        Kind::Text(text) if text == "link" => Ok(None),
        _ => value::whole(key, node, 1, u16::MAX.into()).map(|mtu| Some(mtu as u16)),
    }
}

/// An event; its time is not before `last`.
pub(super) fn event(node: &Node, last: Duration, names: &mut Names) -> Read<Event> {
    let mut fields = Fields::of("an event", node)?;
    let at = fields.need("at", |key, node| {
        let at = time(key, node)?;
        if at < last {
            return Err(Flaw::new(&node.at, "events are in the order of their times, and this one is earlier than the one above it"));
        }
        Ok(at)
    })?;
    let mut own = Name::NONE;
    if let Some(node) = fields.take("name") {
        own = name("name", node)?;
        names.define(own, node, Kept::Event)?;
    }
    let act = fields.need("do", |_, node| {
        let said = said(node)?;
        match &said[..] {
            [word] => event_act(word, names),
            [_, second, ..] => {
                Err(Flaw::new(&second.at, "an event does one thing; write another event"))
            }
            [] => Err(Flaw::new(
                &node.at,
                "an event does something; to release what is held, say \"release\"",
            )),
        }
    })?;
    fields.finish()?;
    Ok(Event { name: own, at, act })
}

fn event_act(word: &Word<'_>, names: &mut Names) -> Read<EventAct> {
    let mut switch = |key, switch| {
        word.single(key, |key, node| {
            let rule = name(key, node)?;
            names.refer(rule, node, false);
            Ok(EventAct::Switch(rule, switch))
        })
    };
    Ok(match word.key {
        "link" | "flap" => EventAct::Link(link(word)?),
        "mtu" => EventAct::Mtu(word.single("mtu", mtu)?),
        "arp" | "nd" | "neighbor" => {
            let (fault, length) = neighbor(word)?;
            EventAct::Neighbor(fault, length)
        }
        "release" => {
            word.bare("release")?;
            EventAct::Release
        }
        "switch-on" => switch("switch-on", Switch::On)?,
        "switch-off" => switch("switch-off", Switch::Off)?,
        other => return Err(unknown("event", other, &word.at, &words::EVENTS)),
    })
}

/// The keys of a link model, laid over `model`.
pub(super) fn model(fields: &mut Fields<'_>, mut model: Model) -> Read<Model> {
    if let Some(node) = fields.take("rate") {
        model.rate = match &node.kind {
            Kind::Text(text) if text == "unlimited" => None,
            _ => Some(value::rate("rate", node)?),
        };
    }
    if let Some(node) = fields.take("delay") {
        model.delay = delay(Fields::or("delay", "mean", node)?)?;
    }
    if let Some(node) = fields.take("loss") {
        model.loss = loss(node)?;
    }
    if let Some(duplicate) = fields.read("duplicate", share)? {
        model.duplicate = duplicate;
    }
    if let Some(corrupt) = fields.read("corrupt", share)? {
        model.corrupt = corrupt;
    }
    if let Some(node) = fields.take("reorder") {
        model.reorder = overtaking(node)?;
    }
    if let Some(node) = fields.take("queue") {
        model.queue = queue(node)?;
    }
    Ok(model)
}

fn loss(node: &Node) -> Read<Loss> {
    match &node.kind {
        Kind::Text(text) if text == "none" => return Ok(Loss::None),
        Kind::Table(_) => {}
        _ => {
            let prob = share("loss", node)?;
            return Ok(Loss::Bernoulli { prob, correlation: 0.0 });
        }
    }
    let mut fields = Fields::of("loss", node)?;
    let bursts = fields.read("model", |key, node| word(key, node, &words::LOSSES))?;
    let loss = if bursts.unwrap_or(node.entry("p").is_some()) {
        Loss::GilbertElliott {
            p: fields.need("p", share)?,
            r: fields.need("r", share)?,
            good: fields.read("good", share)?.unwrap_or(0.0),
            bad: fields.read("bad", share)?.unwrap_or(1.0),
        }
    } else {
        Loss::Bernoulli {
            prob: fields.need("prob", share)?,
            correlation: fields.read("correlation", share)?.unwrap_or(0.0),
        }
    };
    fields.finish()?;
    Ok(loss)
}

fn overtaking(node: &Node) -> Read<Option<Overtaking>> {
    if matches!(&node.kind, Kind::Text(text) if text == "none") {
        return Ok(None);
    }
    let mut fields = Fields::or("reorder", "prob", node)?;
    let prob = fields.need("prob", share)?;
    let gap = fields.read("gap", long)?.unwrap_or(1);
    fields.finish()?;
    Ok(Some(Overtaking { prob, gap }))
}

fn queue(node: &Node) -> Read<Limit> {
    let mut fields = Fields::or("queue", "limit", node)?;
    let limit = fields.need("limit", |key, node| {
        let text = match &node.kind {
            Kind::Text(text) => text.as_str(),
            kind => {
                let message = format!(
                    "{key} needs a unit after {}, as in \"64 KiB\" or \"100 packets\"",
                    kind.noun()
                );
                return Err(Flaw::new(&node.at, message));
            }
        };
        if text == "none" {
            return Ok(Limit::None);
        }
        match text.strip_suffix("packets") {
            Some(number) => {
                let number = Node { at: node.at.clone(), kind: Kind::Text(String::from(number)) };
                long(key, &number).map(Limit::Packets)
            }
            None if text.chars().all(|character| character.is_ascii_digit()) => {
                let message =
                    format!("{key} needs a unit after {text}, as in \"64 KiB\" or \"100 packets\"");
                Err(Flaw::new(&node.at, message))
            }
            None => value::size(key, node).map(Limit::Bytes),
        }
    })?;
    fields.read("policy", |key, node| word(key, node, &words::POLICIES))?;
    fields.finish()?;
    Ok(limit)
}
