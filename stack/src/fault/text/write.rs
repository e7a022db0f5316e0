//! From rules, events and link models to a tree of values, and from that to TOML.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::{self, Write};

use smoltcp::time::Duration;

use super::node::{Entry, Kind, Node};
use super::value::{
    flags_of, hardware_of, number, pattern_of, ports_of, range_of, rate_of, share_of, size_of,
    time_of, word_for,
};
use super::{names, words};
use crate::fault::*;

/// A table of these entries.
pub(super) fn table<const N: usize>(entries: [(&str, Node); N]) -> Node {
    let mut table = Table::default();
    for (key, value) in entries {
        table.put(key, value);
    }
    table.node()
}

/// A table that is being written.
#[derive(Debug, Default)]
pub(super) struct Table(Vec<Entry>);

impl Table {
    pub(super) fn put(&mut self, key: &str, value: Node) {
        self.0.push(Entry { key: key.to_owned(), at: 0..0, value });
    }

    /// Only if there is a value.
    fn maybe<T>(&mut self, key: &str, value: Option<T>, write: impl FnOnce(T) -> Node) {
        if let Some(value) = value {
            self.put(key, write(value));
        }
    }

    /// Only if it is not what is meant anyway.
    fn unless<T: PartialEq + Copy>(
        &mut self,
        key: &str,
        value: T,
        usual: T,
        write: impl FnOnce(T) -> Node,
    ) {
        if value != usual {
            self.put(key, write(value));
        }
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn node(self) -> Node {
        Node::new(Kind::Table(self.0))
    }
}

fn word<T: PartialEq>(words: &'static [(&'static str, T)]) -> impl Fn(T) -> Node {
    move |value| Node::text(word_for(&value, words))
}

fn boolean(value: bool) -> Node {
    Node::new(Kind::Bool(value))
}

fn text(name: Name) -> Node {
    Node::text(name.as_str())
}

/// A rule as a table. Its name is left out if `named` is false.
pub(super) fn rule(rule: &Rule, named: bool) -> Node {
    let Rule { name, matches, when, actions, then, rematch, expect, outcome, switch } = rule;
    let mut table = Table::default();
    if named {
        table.put("name", text(*name));
    }
    let matches = self::matches(matches);
    if !matches.is_empty() {
        table.put("match", matches.node());
    }
    let when = self::when(when);
    if !when.is_empty() {
        table.put("when", when.node());
    }
    let mut said: Vec<Node> = actions.iter().map(|one| action(one).node()).map(plain).collect();
    let said = match said.len() {
        0 => Node::text("pass"),
        1 => said.remove(0),
        _ => Node::new(Kind::List(said)),
    };
    table.put("do", said);
    table.unless("then", *then, Then::AsUsual, word(&words::THEN));
    table.unless("rematch", *rematch == Rematch::Yes, false, boolean);
    table.unless("switch", *switch, Switch::On, word(&words::SWITCH));
    let mut expected = Table::default();
    expected.maybe("hits", *expect, range_of);
    expected.maybe("outcome", *outcome, word(&words::OUTCOMES));
    if !expected.is_empty() {
        table.put("expect", expected.node());
    }
    table.node()
}

/// An action that needs no value is a word.
fn plain(node: Node) -> Node {
    match &node.kind {
        Kind::Table(entries) => match &entries[..] {
            [Entry { key, value: Node { kind: Kind::Bool(true), .. }, .. }] => {
                Node::text(key.as_str())
            }
            _ => node,
        },
        _ => node,
    }
}

fn matches(matches: &Match) -> Table {
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
    } = *matches;
    let mut table = Table::default();
    table.maybe("dir", dir, word(&words::DIRECTIONS));
    table.maybe("ethertype", ethertype, names::ethertype_of);
    table.maybe("proto", proto, names::proto_of);
    table.maybe("src", src, |cidr| Node::text(cidr.to_string()));
    table.maybe("dst", dst, |cidr| Node::text(cidr.to_string()));
    table.maybe("sport", sport, |ports| ports_of(&ports));
    table.maybe("dport", dport, |ports| ports_of(&ports));
    table.maybe("flags", flags, flags_of);
    table.maybe("conn", conn, word(&words::CONNECTIONS));
    let spans =
        [("seq", seq), ("ack", ack), ("win", win), ("payload", payload), ("length", length)];
    for (key, span) in spans {
        table.maybe(key, span, range_of);
    }
    table.maybe("contains", contains, |pattern| pattern_of(&pattern));
    table.maybe("option", option, names::option_of);
    table.maybe("icmp-type", icmp_type, |kind| names::icmp_type_of(kind, proto));
    table.maybe("icmp-code", icmp_code, |code| names::icmp_code_of(code, proto, icmp_type));
    table.maybe("ecn", ecn, word(&words::ECN));
    table.maybe("ttl", ttl, range_of);
    table.maybe("fragment", fragment, boolean);
    table.maybe("retransmission", retransmission, boolean);
    table.maybe("out-of-order", out_of_order, boolean);
    table.maybe("flow", flow, Node::int);
    table.maybe("tag", tag, Node::int);
    table
}

fn when(when: &When) -> Table {
    let When { prob, count, scope, from, until, after_rule, after_bytes, cooldown, budget } = *when;
    let mut table = Table::default();
    table.unless("prob", prob, 1.0, share_of);
    match count {
        Count::Any => {}
        Count::Nth(number) => table.put("nth", Node::int(number)),
        Count::Among(list) => {
            table.put("nth", Node::new(Kind::List(list.iter().copied().map(Node::int).collect())));
        }
        Count::First(last) => table.put("first", Node::int(last)),
        Count::Every(step) => table.put("every", Node::int(step)),
        Count::After(last) => table.put("after", Node::int(last)),
        Count::Range(first, last) => {
            table.put("range", Node::words(format!("{first}..={last}")));
        }
    }
    table.unless("scope", scope, Scope::Rule, word(&words::SCOPES));
    table.maybe("from", from, time_of);
    table.maybe("until", until, time_of);
    table.maybe("after-rule", after_rule, text);
    table.maybe("after-bytes", after_bytes, number);
    table.maybe("cooldown", cooldown, time_of);
    table.maybe("budget", budget, number);
    table
}

/// An action as its key and what stands beside it.
pub(super) fn action(action: &Action) -> Table {
    let mut table = Table::default();
    match *action {
        Action::Drop => table.put("drop", boolean(true)),
        Action::Delay(delay) => table.put("delay", self::delay(delay)),
        Action::Reorder { prob, gap, limit } => table.put(
            "reorder",
            self::table([
                ("prob", share_of(prob)),
                ("gap", Node::int(gap)),
                ("limit", time_of(limit)),
            ]),
        ),
        Action::Duplicate { copies, delay } => {
            let mut inner = Table::default();
            inner.put("n", Node::int(copies));
            inner.unless("delay", delay, Duration::ZERO, time_of);
            table.put("duplicate", inner.node());
        }
        Action::Corrupt { at, bits, checksums } => {
            let at = match at {
                Part::Byte(place) => Node::int(place),
                part => Node::text(word_for(&part, &words::PARTS)),
            };
            let mut inner = Table::default();
            inner.put("at", at);
            inner.put("bits", Node::int(bits));
            inner.unless("fix-checksums", checksums == Checksums::Fix, false, boolean);
            table.put("corrupt", inner.node());
        }
        Action::Truncate { to, lengths } => {
            let mut inner = Table::default();
            inner.put("to", Node::int(to));
            inner.unless("fix-lengths", lengths == Lengths::Fix, false, boolean);
            table.put("truncate", inner.node());
        }
        Action::Rate(rate) => table.put("rate", rate_of(rate)),
        Action::Hold { until, limit } => {
            table.put("hold-until", text(until));
            table.maybe("limit", limit, time_of);
        }
        Action::Blackhole(length) => {
            table.put("blackhole", length.map_or_else(|| boolean(true), time_of));
        }
        Action::Mark(ecn) => table.put("mark-ecn", word(&words::ECN)(ecn)),
        Action::Set(Field::Ttl(ttl)) => table.put("set-ttl", Node::int(ttl)),
        Action::Set(Field::Win(window)) => table.put("set-win", Node::int(window)),
        Action::Set(Field::Mss(mss)) => table.put("set-mss", Node::int(mss)),
        Action::Strip(option) => table.put("strip-option", names::option_of(option)),
        Action::Split(at) => table.put("split", Node::int(at)),
        Action::Merge(limit) => table.put("merge", time_of(limit)),
        Action::Forge(forge) => self::forge(&mut table, forge),
        Action::Neighbor(fault) => neighbor(&mut table, fault),
        Action::Link(fault) => link(&mut table, fault),
        Action::Mtu(mtu) => table.put("mtu", self::mtu(mtu)),
        Action::Tag(tag) => table.put("set-tag", Node::int(tag)),
        Action::Hook(hook) => table.put("hook", Node::int(hook)),
    }
    table
}

pub(super) fn delay(delay: Delay) -> Node {
    let Delay { mean, jitter, dist, correlation } = delay;
    let mut table = Table::default();
    table.put("mean", time_of(mean));
    table.unless("jitter", jitter, Duration::ZERO, time_of);
    table.unless("dist", dist, Distribution::Uniform, word(&words::DISTRIBUTIONS));
    table.unless("correlation", correlation, 0.0, share_of);
    match &table.0[..] {
        [_] => time_of(mean),
        _ => table.node(),
    }
}

fn forge(table: &mut Table, forge: Forge) {
    let segment =
        |to, seq| self::table([("to", word(&words::SIDES)(to)), ("seq", word(&words::SEQS)(seq))]);
    match forge {
        Forge::Rst { to, seq } => table.put("forge-rst", segment(to, seq)),
        Forge::Syn { to, seq } => table.put("forge-syn", segment(to, seq)),
        Forge::Fin { to, seq } => table.put("forge-fin", segment(to, seq)),
        Forge::Ack { to, ack } => {
            let ack = match ack {
                AckOf::Duplicate(count) => ("dup-ack", Node::int(count)),
                AckOf::Beyond(bytes) => ("ack-beyond", Node::int(bytes)),
            };
            table.put("forge-ack", self::table([("to", word(&words::SIDES)(to)), ack]));
        }
        Forge::Icmp { error, from, quote } => {
            let mut inner = Table::default();
            let (kind, detail) = match error {
                IcmpFault::Unreachable { v4, v6 } => {
                    ("unreachable", Some(("code", names::unreachable_of(v4, v6))))
                }
                IcmpFault::FragmentationNeeded(mtu) => {
                    ("frag-needed", Some(("mtu", Node::int(mtu))))
                }
                IcmpFault::TimeExceeded(code) => {
                    let found = names::EXCEEDED.iter().find(|(_, number)| *number == code);
                    let code = found.map_or_else(|| Node::int(code), |(name, _)| Node::text(*name));
                    ("time-exceeded", Some(("code", code)))
                }
                IcmpFault::SourceQuench => ("source-quench", None),
            };
            inner.put("type", Node::text(kind));
            if let Some((key, value)) = detail {
                inner.put(key, value);
            }
            inner.maybe("from", from, |from| Node::text(from.to_string()));
            inner.unless("quote-seq", quote, QuoteSeq::InFlight, word(&words::QUOTES));
            table.put("forge-icmp", inner.node());
        }
    }
}

fn neighbor(table: &mut Table, fault: NeighborFault) {
    let (word, detail) = match fault {
        NeighborFault::Silence => ("silence", None),
        NeighborFault::Wrong(hardware) => ("wrong-mac", Some(("mac", hardware_of(hardware)))),
        NeighborFault::Conflict(hardware) => ("conflict", Some(("mac", hardware_of(hardware)))),
        NeighborFault::Flood(count) => ("flood", Some(("count", Node::int(count)))),
    };
    table.put("neighbor", Node::text(word));
    if let Some((key, value)) = detail {
        table.put(key, value);
    }
}

fn link(table: &mut Table, fault: LinkFault) {
    match fault {
        LinkFault::Down(length) => {
            table.put("link", Node::text("down"));
            table.maybe("for", length, time_of);
        }
        LinkFault::Up => table.put("link", Node::text("up")),
        LinkFault::Flap { period, count } => table
            .put("flap", self::table([("period", time_of(period)), ("count", Node::int(count))])),
    }
}

fn mtu(mtu: Option<u16>) -> Node {
    mtu.map_or_else(|| Node::text("link"), Node::int)
}

/// An event as a table.
pub(super) fn event(event: &Event) -> Node {
    let Event { name, at, act } = *event;
    let mut table = Table::default();
    table.unless("name", name, Name::NONE, text);
    table.put("at", time_of(at));
    let mut act_table = Table::default();
    match act {
        EventAct::Link(fault) => link(&mut act_table, fault),
        EventAct::Mtu(mtu) => act_table.put("mtu", self::mtu(mtu)),
        EventAct::Neighbor(fault, length) => {
            neighbor(&mut act_table, fault);
            act_table.maybe("for", length, time_of);
        }
        EventAct::Release => act_table.put("release", boolean(true)),
        EventAct::Switch(rule, Switch::On) => act_table.put("switch-on", text(rule)),
        EventAct::Switch(rule, Switch::Off) => act_table.put("switch-off", text(rule)),
    }
    table.put("do", plain(act_table.node()));
    table.node()
}

/// What of a link model differs from `usual`.
pub(super) fn model(model: &Model, usual: &Model) -> Vec<(&'static str, Node)> {
    let Model { rate, delay, loss, duplicate, corrupt, reorder, queue } = *model;
    let mut table = Vec::new();
    if rate != usual.rate {
        table.push(("rate", rate.map_or_else(|| Node::text("unlimited"), rate_of)));
    }
    if delay != usual.delay {
        table.push(("delay", self::delay(delay)));
    }
    if loss != usual.loss {
        table.push(("loss", self::loss(loss)));
    }
    if duplicate != usual.duplicate {
        table.push(("duplicate", share_of(duplicate)));
    }
    if corrupt != usual.corrupt {
        table.push(("corrupt", share_of(corrupt)));
    }
    if reorder != usual.reorder {
        let node = match reorder {
            None => Node::text("none"),
            Some(Overtaking { prob, gap }) => {
                self::table([("prob", share_of(prob)), ("gap", Node::int(gap))])
            }
        };
        table.push(("reorder", node));
    }
    if queue != usual.queue {
        let limit = match queue {
            Limit::None => Node::text("none"),
            Limit::Bytes(bytes) => size_of(bytes),
            Limit::Packets(packets) => Node::words(format!("{packets} packets")),
        };
        table.push(("queue", self::table([("limit", limit), ("policy", Node::text("drop-tail"))])));
    }
    table
}

fn loss(loss: Loss) -> Node {
    match loss {
        Loss::None => Node::text("none"),
        Loss::Bernoulli { prob, correlation: 0.0 } => share_of(prob),
        Loss::Bernoulli { prob, correlation } => {
            table([("prob", share_of(prob)), ("correlation", share_of(correlation))])
        }
        Loss::GilbertElliott { p, r, good, bad } => table([
            ("model", Node::text("gilbert-elliott")),
            ("p", share_of(p)),
            ("r", share_of(r)),
            ("good", share_of(good)),
            ("bad", share_of(bad)),
        ]),
    }
}

/// A value on one line, as TOML.
pub(super) fn toml(out: &mut dyn Write, node: &Node) -> fmt::Result {
    match &node.kind {
        Kind::Text(text) | Kind::Words(text) => quoted(out, text),
        Kind::Int(number) => write!(out, "{number}"),
        Kind::Hex(number) => write!(out, "{number:#x}"),
        Kind::Float(number) => float(out, *number),
        Kind::Bool(value) => write!(out, "{value}"),
        Kind::List(items) => {
            out.write_char('[')?;
            for (index, item) in items.iter().enumerate() {
                out.write_str(if index == 0 { "" } else { ", " })?;
                toml(out, item)?;
            }
            out.write_char(']')
        }
        Kind::Table(entries) => {
            out.write_char('{')?;
            for (index, Entry { key, value, .. }) in entries.iter().enumerate() {
                write!(out, "{}{key} = ", if index == 0 { " " } else { ", " })?;
                toml(out, value)?;
            }
            out.write_str(" }")
        }
        Kind::Strange => Err(fmt::Error),
    }
}

/// The shortest number that is read as the same.
pub(super) fn float(out: &mut dyn Write, number: f64) -> fmt::Result {
    write!(out, "{number:?}")
}

/// A text in quotes, as TOML and the one-line form read it.
pub(super) fn quoted(out: &mut dyn Write, text: &str) -> fmt::Result {
    out.write_char('"')?;
    for character in text.chars() {
        match character {
            '"' => out.write_str("\\\"")?,
            '\\' => out.write_str("\\\\")?,
            character if character.is_control() => {
                write!(out, "\\u{:04x}", u32::from(character))?;
            }
            character => out.write_char(character)?,
        }
    }
    out.write_char('"')
}

/// A table over several lines.
pub(super) fn lines(node: &Node) -> String {
    let mut text = String::new();
    if let Kind::Table(entries) = &node.kind {
        for Entry { key, value, .. } in entries {
            text.push_str(key);
            text.push_str(" = ");
            // Writing to a text does not fail, and nothing strange is ever written.
            let _ = toml(&mut text, value);
            text.push('\n');
        }
    }
    text
}
