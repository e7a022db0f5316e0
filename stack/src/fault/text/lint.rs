//! What is allowed but hardly meant.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use serde::de::IgnoredAny;
use smoltcp::time::Duration;
use smoltcp::wire::IpCidr;

use super::document::{Document, Nothing, read};
use super::error::{Flaw, TextError};
use super::node::{Kind, Node};
use crate::fault::*;
use crate::link::Direction;

/// Something in a script that is allowed but hardly meant. Shown like a [`TextError`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// What kind of thing.
    pub lint: Lint,
    /// The sentence, the place and the line. Of a document that was not read from a text, or was
    /// changed since, the line is the one that its `Display` gives without the sections.
    pub text: TextError,
}

impl Warning {
    /// Says where the text is from, to be shown before the line.
    #[must_use]
    pub fn in_file(mut self, file: impl Into<String>) -> Self {
        self.text = self.text.in_file(file);
        self
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

/// The kinds of warnings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lint {
    /// A rule above lets nothing through to this one.
    Unreachable,
    /// Chance decides, and nobody says the seed.
    NoSeed,
    /// Frames are counted where their order differs between runs.
    CountByHash,
    /// A damaged frame is one that the receiver drops.
    CorruptIsLoss,
    /// What is delayed fills the memory.
    NoQueueLimit,
    /// It looks for frames that a rule forges, and those meet no rules.
    ForgedMeetsNoRule,
    /// The action does nothing to what the rule matches.
    NoEffect,
    /// No frame has what the match asks for.
    NoMatch,
    /// What is held stays held.
    NeverReleased,
    /// The conditions never hold.
    NeverFires,
    /// It is switched off for good.
    NeverOn,
    /// It calls a closure, which only a program of one's own can give.
    NeedsHook,
}

impl<S, E> Document<S, E> {
    /// Looks for what is allowed but hardly meant, from top to bottom.
    pub fn lint(&self) -> Vec<Warning> {
        let text = self.text();
        let Ok(table) = Node::table_of_toml(&text) else { return Vec::new() };
        let places = Places { root: Node::of_table(&table) };
        let mut report = Report { text: &text, warnings: Vec::new() };
        for (direction, model) in [("tx", &self.tx), ("rx", &self.rx)] {
            self.lint_link(&mut report, &places, direction, model);
        }
        for index in 0..self.rules.len() {
            self.lint_rule(&mut report, &places, index);
        }
        let mut warnings = report.warnings;
        warnings.sort_by_key(|(start, _)| *start);
        warnings.dedup_by(|one, other| one.1.lint == other.1.lint && one.0 == other.0);
        warnings.into_iter().map(|(_, warning)| warning).collect()
    }

    /// The text that this was read from if it still says the same, otherwise what says the same.
    fn text(&self) -> String {
        if let Some(text) = self.source.text()
            && let Ok(read) = read::<IgnoredAny, IgnoredAny>(text)
            && (read.seed, read.clock, read.decide) == (self.seed, self.clock, self.decide)
            && (read.tx, read.rx) == (self.tx, self.rx)
            && (&read.rules, &read.events) == (&self.rules, &self.events)
        {
            return text.to_string();
        }
        let plain: Document<Nothing, Nothing> = Document {
            seed: self.seed,
            clock: self.clock,
            decide: self.decide,
            profile: self.profile,
            tx: self.tx,
            rx: self.rx,
            rules: self.rules.clone(),
            events: self.events.clone(),
            ..Document::default()
        };
        plain.to_string()
    }

    fn lint_link(&self, report: &mut Report<'_>, places: &Places, direction: &str, model: &Model) {
        if model.delay.mean != Duration::ZERO && model.queue == Limit::None {
            report.warn(
                Lint::NoQueueLimit,
                places.link(direction, "delay"),
                "nothing limits how much is delayed but the memory; say queue, as a real link has one",
            );
        }
        let random = [
            ("loss", model.loss != Loss::None),
            ("duplicate", model.duplicate > 0.0),
            ("corrupt", model.corrupt > 0.0),
            ("reorder", model.reorder.is_some()),
            ("delay", model.delay.jitter != Duration::ZERO),
        ];
        if self.seed.is_none()
            && let Some((key, _)) = random.into_iter().find(|(_, random)| *random)
        {
            report.warn(Lint::NoSeed, places.link(direction, key), NO_SEED);
        }
    }

    fn lint_rule(&self, report: &mut Report<'_>, places: &Places, index: usize) {
        let Some(rule) = self.rules.get(index) else { return };
        let at = |path: &[&str]| places.rule(index, path);
        if let Some(above) = self.covers(index) {
            let name = above.name;
            let message = format!(
                "the rule \"{name}\" above ends the way of every frame that this one matches"
            );
            report.warn(Lint::Unreachable, at(&["name"]), message);
        }
        if rule.switch == Switch::Off && !self.switched(rule.name, Switch::On) {
            let message = "it is switched off and no event switches it on; only somebody at a running engine can";
            report.warn(Lint::NeverOn, at(&["switch"]), message);
        }
        self.lint_when(report, &at, &rule.when, &rule.matches);
        if let Some((key, message)) = impossible(&rule.matches) {
            report.warn(Lint::NoMatch, at(&["match", key]), message);
        }
        let kinds = Kinds::of(&rule.matches);
        for (number, action) in rule.actions.iter().enumerate() {
            let place = || places.action(index, number);
            if let Action::Corrupt { checksums: Checksums::Leave, .. } = action
                && rule.matches.proto != Some(Proto::Arp)
            {
                let message = "whoever receives a frame with a wrong checksum drops it, so that this is plain loss; say fix-checksums = true for damage that is believed";
                report.warn(Lint::CorruptIsLoss, place(), message);
            }
            if let Action::Hook(hook) = action {
                let message = format!(
                    "hook {hook} is a closure of a program of one's own; run from the command \
                     line there is none and this does nothing"
                );
                report.warn(Lint::NeedsHook, place(), message);
            }
            if let Some(needed) = kinds.useless(action) {
                let message =
                    format!("this action changes {needed} only, which the match excludes");
                report.warn(Lint::NoEffect, place(), message);
            }
            if let Action::Hold { until, limit: None } = action
                && let Some(reason) = self.silent(*until)
            {
                let message = format!(
                    "what is held until \"{until}\" stays held for ever: {reason}; say limit"
                );
                report.warn(Lint::NeverReleased, place(), message);
            }
        }
        let forger = self.rules.iter().find(|forger| forges_for(forger, &rule.matches));
        if let Some(forger) = forger {
            let message = format!(
                "forged frames meet no rules: this one does not see those of \"{}\"",
                forger.name
            );
            let key = if rule.matches.flags.is_some() { "flags" } else { "proto" };
            report.warn(Lint::ForgedMeetsNoRule, at(&["match", key]), message);
        }
    }

    fn lint_when(
        &self,
        report: &mut Report<'_>,
        at: &dyn Fn(&[&str]) -> Range<usize>,
        when: &When,
        matches: &Match,
    ) {
        if when.budget == Some(0) {
            report.warn(
                Lint::NeverFires,
                at(&["when", "budget"]),
                "with a budget of 0 it never fires",
            );
        }
        if when.prob == 0.0 {
            report.warn(
                Lint::NeverFires,
                at(&["when", "prob"]),
                "with probability 0 it never fires",
            );
        }
        if let (Some(from), Some(until)) = (when.from, when.until)
            && from >= until
        {
            let message = "until is not later than from, so that it never fires";
            report.warn(Lint::NeverFires, at(&["when", "until"]), message);
        }
        if let Some(before) = when.after_rule
            && let Some(reason) = self.silent(before)
        {
            let message = format!("it waits for \"{before}\" for ever: {reason}");
            report.warn(Lint::NeverFires, at(&["when", "after-rule"]), message);
        }
        if self.seed.is_none() && when.prob > 0.0 && when.prob < 1.0 {
            report.warn(Lint::NoSeed, at(&["when", "prob"]), NO_SEED);
        }
        // Within a flow, handshakes come in the same order in every run.
        let syn = matches!(matches.flags, Some(Flags::Some { set, .. } | Flags::Exactly(set)) if set & SYN != 0);
        let handshake = syn || matches.conn == Some(Conn::Handshake);
        let steady = when.scope == Scope::Flow && handshake;
        if self.decides() == Decide::Hash && when.count != Count::Any && !steady {
            let key = match when.count {
                Count::First(_) => "first",
                Count::Every(_) => "every",
                Count::After(_) => "after",
                Count::Range(..) => "range",
                _ => "nth",
            };
            let message = format!(
                "the order of frames differs between runs in real time, and so does which of them {key} means"
            );
            report.warn(Lint::CountByHash, at(&["when", key]), message);
        }
    }

    /// The rule above that lets nothing through to this one.
    fn covers(&self, index: usize) -> Option<&Rule> {
        let below = self.rules.get(index)?;
        let above = self.rules.get(..index)?;
        // From below, as a rule that changes frames may make what the rules above it did not see.
        above.iter().rev().take_while(|rule| !rule.actions.iter().any(changes)).find(|rule| {
            let ends = match rule.then {
                Then::Stop => true,
                Then::AsUsual => rule.actions.iter().any(is_terminal),
                Then::Continue => false,
            };
            let always = When { scope: Scope::Rule, ..rule.when } == When::ALWAYS;
            let on = rule.switch == Switch::On && !self.switched(rule.name, Switch::Off);
            ends && always && on && includes(&rule.matches, &below.matches)
        })
    }

    fn switched(&self, rule: Name, switch: Switch) -> bool {
        self.events.iter().any(|event| event.act == EventAct::Switch(rule, switch))
    }

    /// Why the rule of this name never fires, if it never does.
    fn silent(&self, name: Name) -> Option<&'static str> {
        let index = self.rules.iter().position(|rule| rule.name == name)?;
        let rule = self.rules.get(index)?;
        if rule.switch == Switch::Off && !self.switched(name, Switch::On) {
            return Some("that rule is switched off");
        }
        if rule.when.budget == Some(0) || rule.when.prob == 0.0 {
            return Some("that rule never fires");
        }
        if self.covers(index).is_some() {
            return Some("no frame reaches that rule");
        }
        impossible(&rule.matches).map(|_| "that rule matches nothing")
    }
}

const NO_SEED: &str =
    "chance decides differently in each run without a seed; say seed = 1, or any other number";

struct Report<'t> {
    text: &'t str,
    /// With the place, to sort by.
    warnings: Vec<(usize, Warning)>,
}

impl Report<'_> {
    fn warn(&mut self, lint: Lint, at: Range<usize>, message: impl Into<String>) {
        let text = TextError::new(self.text, &Flaw::new(&at, message));
        self.warnings.push((at.start, Warning { lint, text }));
    }
}

/// Where things are in a text.
struct Places {
    root: Node,
}

impl Places {
    /// Follows keys as far as they lead.
    fn follow(mut node: &Node, path: &[&str]) -> Range<usize> {
        for key in path {
            match node.entry(key) {
                Some(entry) => node = &entry.value,
                None => break,
            }
        }
        node.at.clone()
    }

    fn rule(&self, index: usize, path: &[&str]) -> Range<usize> {
        let rules = self.root.entry("rule").map(|entry| &entry.value.kind);
        match rules {
            Some(Kind::List(rules)) => {
                rules.get(index).map_or(0..0, |rule| Self::follow(rule, path))
            }
            _ => 0..0,
        }
    }

    fn action(&self, index: usize, number: usize) -> Range<usize> {
        let rules = self.root.entry("rule").map(|entry| &entry.value.kind);
        let Some(Kind::List(rules)) = rules else { return 0..0 };
        let Some(said) = rules.get(index).and_then(|rule| rule.entry("do")) else { return 0..0 };
        match &said.value.kind {
            Kind::List(items) => items.get(number).unwrap_or(&said.value).at.clone(),
            _ => said.value.at.clone(),
        }
    }

    fn link(&self, direction: &str, key: &str) -> Range<usize> {
        let link = self.root.entry("link").map(|entry| &entry.value);
        let own = link.and_then(|link| link.entry(direction)).map(|entry| &entry.value);
        let said =
            own.and_then(|own| own.entry(key)).or_else(|| link.and_then(|link| link.entry(key)));
        match said.or_else(|| self.root.entry("profile")) {
            Some(entry) => entry.value.at.clone(),
            None => 0..0,
        }
    }
}

fn is_terminal(action: &Action) -> bool {
    matches!(action, Action::Drop | Action::Blackhole(_))
}

/// Whether an action changes what the rules below see.
fn changes(action: &Action) -> bool {
    matches!(
        action,
        Action::Corrupt { .. }
            | Action::Truncate { .. }
            | Action::Mark(_)
            | Action::Set(_)
            | Action::Strip(_)
            | Action::Split(_)
            | Action::Neighbor(_)
            | Action::Tag(_)
            | Action::Hook(_)
    )
}

/// Whether every frame that `below` takes is one that `above` takes.
fn includes(above: &Match, below: &Match) -> bool {
    // Taken apart, so that a new field is not forgotten.
    let Match {
        dir,
        ethertype,
        proto,
        src,
        dst,
        sport,
        dport,
        flags,
        conn,
        seq,
        ack,
        win,
        payload,
        length,
        contains,
        option,
        icmp_type,
        icmp_code,
        ecn,
        ttl,
        fragment,
        retransmission,
        out_of_order,
        flow,
        tag,
    } = above;
    fn same<T: PartialEq>(above: &Option<T>, below: &Option<T>) -> bool {
        above.is_none() || above == below
    }
    fn within<T>(above: &Option<T>, below: &Option<T>, holds: impl Fn(&T, &T) -> bool) -> bool {
        match (above, below) {
            (None, _) => true,
            (Some(above), Some(below)) => holds(above, below),
            (Some(_), None) => false,
        }
    }
    let span = |one: &Span, other: &Span| one.first <= other.first && other.last <= one.last;
    let ports = |one: &Ports, other: &Ports| {
        other.iter().all(|inner| one.iter().any(|outer| span(outer, inner)))
    };
    let cidr = |one: &IpCidr, other: &IpCidr| match (one, other) {
        (IpCidr::Ipv4(one), IpCidr::Ipv4(other)) => one.contains_subnet(other),
        (IpCidr::Ipv6(one), IpCidr::Ipv6(other)) => one.contains_subnet(other),
        _ => false,
    };
    let protos =
        |one: &Proto, other: &Proto| one == other || (*one, *other) == (Proto::Icmp6, Proto::Nd);
    let bytes = |one: &Pattern, other: &Pattern| {
        one.is_empty() || other.windows(one.len()).any(|window| *window == **one)
    };
    same(dir, &below.dir)
        && same(ethertype, &below.ethertype)
        && within(proto, &below.proto, protos)
        && within(src, &below.src, cidr)
        && within(dst, &below.dst, cidr)
        && within(sport, &below.sport, ports)
        && within(dport, &below.dport, ports)
        && within(flags, &below.flags, |one, other| wider(*one, *other))
        && same(conn, &below.conn)
        && within(seq, &below.seq, span)
        && within(ack, &below.ack, span)
        && within(win, &below.win, span)
        && within(payload, &below.payload, span)
        && within(length, &below.length, span)
        && within(contains, &below.contains, bytes)
        && same(option, &below.option)
        && same(icmp_type, &below.icmp_type)
        && same(icmp_code, &below.icmp_code)
        && same(ecn, &below.ecn)
        && within(ttl, &below.ttl, span)
        && same(fragment, &below.fragment)
        && same(retransmission, &below.retransmission)
        && same(out_of_order, &below.out_of_order)
        && same(flow, &below.flow)
        && same(tag, &below.tag)
}

fn wider(above: Flags, below: Flags) -> bool {
    match (above, below) {
        (Flags::Exactly(one), Flags::Exactly(other)) => one == other,
        (Flags::Exactly(_), Flags::Some { .. }) => false,
        (Flags::Some { set, clear }, Flags::Exactly(exact)) => {
            exact & set == set && exact & clear == 0
        }
        (Flags::Some { set, clear }, Flags::Some { set: more, clear: fewer }) => {
            more & set == set && fewer & clear == clear
        }
    }
}

/// What a frame may be, as far as a match says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Kinds {
    tcp: bool,
    ip: bool,
    neighbor: bool,
}

impl Kinds {
    fn of(matches: &Match) -> Self {
        let tcp = asks_tcp(matches).is_some();
        let v4 = matches.ethertype.is_none_or(|ethertype| ethertype == 0x0800);
        let v6 = matches.ethertype.is_none_or(|ethertype| ethertype == 0x86dd);
        let arp = matches.ethertype.is_none_or(|ethertype| ethertype == 0x0806);
        match matches.proto {
            _ if tcp => Self { tcp: true, ip: true, neighbor: false },
            Some(Proto::Tcp | Proto::Ip(6)) => Self { tcp: true, ip: true, neighbor: false },
            Some(Proto::Arp) => Self { tcp: false, ip: false, neighbor: true },
            Some(Proto::Nd | Proto::Icmp6 | Proto::Ip(58)) => {
                Self { tcp: false, ip: true, neighbor: true }
            }
            // A first fragment has the header.
            Some(Proto::IpFrag) => Self { tcp: true, ip: true, neighbor: false },
            Some(_) => Self { tcp: false, ip: true, neighbor: false },
            None => Self { tcp: v4 || v6, ip: v4 || v6, neighbor: v6 || arp },
        }
    }

    /// What an action works on, if a frame cannot be that.
    fn useless(self, action: &Action) -> Option<&'static str> {
        let (needed, fits) = match action {
            Action::Set(Field::Win(_) | Field::Mss(_))
            | Action::Strip(_)
            | Action::Split(_)
            | Action::Merge(_)
            | Action::Forge(
                Forge::Rst { .. } | Forge::Syn { .. } | Forge::Fin { .. } | Forge::Ack { .. },
            ) => ("TCP segments", self.tcp),
            Action::Set(Field::Ttl(_)) | Action::Mark(_) | Action::Forge(Forge::Icmp { .. }) => {
                ("IP packets", self.ip)
            }
            Action::Neighbor(_) => ("ARP and neighbor discovery", self.neighbor),
            _ => return None,
        };
        (!fits).then_some(needed)
    }
}

/// A field that only TCP segments have.
fn asks_tcp(matches: &Match) -> Option<&'static str> {
    let fields = [
        ("flags", matches.flags.is_some()),
        ("conn", matches.conn.is_some()),
        ("seq", matches.seq.is_some()),
        ("ack", matches.ack.is_some()),
        ("win", matches.win.is_some()),
        ("option", matches.option.is_some()),
        ("retransmission", matches.retransmission == Some(true)),
        ("out-of-order", matches.out_of_order == Some(true)),
    ];
    fields.into_iter().find(|(_, asked)| *asked).map(|(field, _)| field)
}

/// A field that no frame of the wanted protocol has, and what to say.
fn impossible(matches: &Match) -> Option<(&'static str, String)> {
    let proto = matches.proto?;
    let tcp = matches!(proto, Proto::Tcp | Proto::Ip(6) | Proto::IpFrag);
    let ports = tcp || matches!(proto, Proto::Udp | Proto::Ip(17));
    let icmp = matches!(proto, Proto::Icmp | Proto::Icmp6 | Proto::Nd | Proto::Ip(1 | 58));
    let asked = |asked: bool, key| asked.then_some(key);
    let (key, whose) = if let Some(key) = asks_tcp(matches).filter(|_| !tcp) {
        (key, "TCP")
    } else if let Some(key) = asked(matches.sport.is_some() && !ports, "sport")
        .or(asked(matches.dport.is_some() && !ports, "dport"))
    {
        (key, "TCP and UDP")
    } else if let Some(key) = asked(matches.icmp_type.is_some() && !icmp, "icmp-type")
        .or(asked(matches.icmp_code.is_some() && !icmp, "icmp-code"))
    {
        (key, "ICMP")
    } else {
        return None;
    };
    Some((
        key,
        format!("only {whose} has {key}, and proto asks for something else: no frame matches"),
    ))
}

/// Whether a rule forges frames of the kind that a match looks for.
fn forges_for(forger: &Rule, matches: &Match) -> bool {
    let towards = |to: Side| match to {
        Side::Stack => Direction::Inbound,
        Side::Peer => Direction::Outbound,
    };
    let goes = |direction: Direction| matches.dir.is_none_or(|dir| dir == direction);
    let wants = |flag: u8| match matches.flags {
        Some(Flags::Some { set, .. } | Flags::Exactly(set)) => set & flag != 0,
        None => false,
    };
    let icmp = matches!(matches.proto, Some(Proto::Icmp | Proto::Icmp6));
    forger.actions.iter().any(|action| match action {
        Action::Forge(Forge::Rst { to, .. }) => wants(RST) && goes(towards(*to)),
        Action::Forge(Forge::Syn { to, .. }) => wants(SYN) && !wants(ACK) && goes(towards(*to)),
        Action::Forge(Forge::Fin { to, .. }) => wants(FIN) && goes(towards(*to)),
        // Back to where the frame came from.
        Action::Forge(Forge::Icmp { .. }) => icmp && forger.matches.dir != matches.dir,
        _ => false,
    })
}
