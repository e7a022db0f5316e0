//! A whole script as TOML.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;
use core::str::FromStr;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use smoltcp::time::Duration;
use toml::de::{DeTable, ValueDeserializer};

use super::error::{Flaw, TextError};
use super::node::{Fields, Kind, Node, sentence};
use super::profile::Profile;
use super::read::{self, Names};
use super::value::{self, word, word_for};
use super::write;
use crate::fault::{Decide, Event, Model, Rule, Script};

/// The version of the language.
pub(super) const VERSION: u64 = 1;

const CLOCKS: [(&str, Clock); 2] = [("virtual", Clock::Virtual), ("real", Clock::Real)];
const DECIDE: [(&str, Decide); 2] = [("stream", Decide::Stream), ("hash", Decide::Hash)];

/// A script as a file says it.
///
/// `S` and `E` are what stands in its sections `[scenario]` and `[expect]`, which the stack does
/// not understand. They refuse unknown fields themselves.
#[derive(Debug, Clone, PartialEq)]
pub struct Document<S = Nothing, E = Nothing> {
    /// Decides everything random, if the script says it.
    pub seed: Option<u64>,
    /// Whose time passes.
    pub clock: Option<Clock>,
    /// Where decisions by chance come from, if not from where the clock suggests.
    pub decide: Option<Decide>,
    /// The link that `tx` and `rx` began with.
    pub profile: Option<&'static Profile>,
    /// The link, for what the stack sends: the profile with everything that `[link]` and
    /// `[link.tx]` say.
    pub tx: Model,
    /// The link, for what the stack receives.
    pub rx: Model,
    /// What runs.
    pub scenario: Option<S>,
    /// What must come of it.
    pub expect: Option<E>,
    /// From top to bottom.
    pub rules: Vec<Rule>,
    /// In the order of their times.
    pub events: Vec<Event>,
    /// The text that it was read from. All documents are equal in this.
    pub source: Source,
}

/// Whose time passes while a script runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// That of a simulation.
    Virtual,
    /// Everybody's.
    Real,
}

/// What stands in a section of which nothing is known: nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// The text of a document, for messages about it.
#[derive(Clone, Default)]
pub struct Source(Option<Arc<str>>);

impl Source {
    /// The text, if the document was read from one.
    pub fn text(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

impl PartialEq for Source {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(text) => write!(f, "{} bytes", text.len()),
            None => f.write_str("none"),
        }
    }
}

impl<S, E> Default for Document<S, E> {
    fn default() -> Self {
        Self {
            seed: None,
            clock: None,
            decide: None,
            profile: None,
            tx: Model::IDEAL,
            rx: Model::IDEAL,
            scenario: None,
            expect: None,
            rules: Vec::new(),
            events: Vec::new(),
            source: Source::default(),
        }
    }
}

impl<S, E> Document<S, E> {
    /// What an engine carries out, with the seed that the caller has chosen: most often the
    /// document's own.
    pub fn script(&self, seed: u64) -> Script<'static> {
        let mut script = Script::new(seed)
            .with_rules(self.rules.clone())
            .with_events(self.events.clone())
            .deciding(self.decides());
        (script.tx, script.rx) = (self.tx, self.rx);
        script
    }

    /// Where decisions by chance come from: with a real clock, from what a frame is.
    pub fn decides(&self) -> Decide {
        match (self.decide, self.clock) {
            (Some(decide), _) => decide,
            (None, Some(Clock::Real)) => Decide::Hash,
            (None, _) => Decide::Stream,
        }
    }
}

impl<S: DeserializeOwned, E: DeserializeOwned> Document<S, E> {
    /// Reads a script.
    ///
    /// # Errors
    /// The first thing that is wrong with it, and where.
    pub fn parse(text: &str) -> Result<Self, TextError> {
        read(text).map_err(|flaw| TextError::new(text, &flaw))
    }
}

impl<S: DeserializeOwned, E: DeserializeOwned> FromStr for Document<S, E> {
    type Err = TextError;
    fn from_str(text: &str) -> Result<Self, TextError> {
        Self::parse(text)
    }
}

pub(super) fn read<S: DeserializeOwned, E: DeserializeOwned>(
    text: &str,
) -> Result<Document<S, E>, Flaw> {
    let table = Node::table_of_toml(text)?;
    let root = Node::of_table(&table);
    let mut fields = Fields::of("the script", &root)?;
    version(&mut fields)?;
    let mut document = Document {
        seed: fields.read("seed", value::huge)?,
        clock: fields.read("clock", |key, node| word(key, node, &CLOCKS))?,
        decide: fields.read("decide", |key, node| word(key, node, &DECIDE))?,
        profile: fields
            .read("profile", |key, node| {
                let words = Profile::ALL.map(|profile| (profile.name, profile.name));
                let name = word(key, node, &words)?;
                Ok(Profile::named(name))
            })?
            .flatten(),
        source: Source(Some(text.into())),
        ..Document::default()
    };
    if let Some(profile) = document.profile {
        (document.tx, document.rx) = (profile.tx, profile.rx);
    }
    if let Some(node) = fields.take("link") {
        link(node, &mut document)?;
    }
    document.scenario = section(&mut fields, "scenario", table.get_ref())?;
    document.expect = section(&mut fields, "expect", table.get_ref())?;
    let mut names = Names::default();
    for node in tables(&mut fields, "rule")? {
        document.rules.push(read::rule(node, &mut names, None)?);
    }
    let mut last = Duration::ZERO;
    for node in tables(&mut fields, "event")? {
        let event = read::event(node, last, &mut names)?;
        last = event.at;
        document.events.push(event);
    }
    fields.finish()?;
    if document.rules.len() + document.events.len() >= usize::from(u16::MAX) {
        return Err(Flaw::new(&(0..0), "a script has at most 65,534 rules and events"));
    }
    names.check()?;
    Ok(document)
}

fn version(fields: &mut Fields<'_>) -> Result<(), Flaw> {
    let Some(node) = fields.take("version") else {
        return Err(Flaw::new(&(0..0), "a fault script says version = 1"));
    };
    match node.kind {
        Kind::Int(number) if number == i128::from(VERSION) => Ok(()),
        _ => {
            let noun = node.kind.noun();
            Err(Flaw::new(&node.at, format!("version is 1, the only one there is, not {noun}")))
        }
    }
}

/// What both directions say, then what each says.
fn link<S, E>(node: &Node, document: &mut Document<S, E>) -> Result<(), Flaw> {
    let mut fields = Fields::of("[link]", node)?;
    let (tx, rx) = (fields.take("tx"), fields.take("rx"));
    let both = fields.clone();
    document.tx = read::model(&mut fields, document.tx)?;
    document.rx = read::model(&mut both.clone(), document.rx)?;
    fields.finish()?;
    if let Some(node) = tx {
        let mut fields = Fields::of("[link.tx]", node)?;
        document.tx = read::model(&mut fields, document.tx)?;
        fields.finish()?;
    }
    if let Some(node) = rx {
        let mut fields = Fields::of("[link.rx]", node)?;
        document.rx = read::model(&mut fields, document.rx)?;
        fields.finish()?;
    }
    Ok(())
}

/// A section that somebody else understands.
fn section<T: DeserializeOwned>(
    fields: &mut Fields<'_>,
    key: &'static str,
    table: &DeTable<'_>,
) -> Result<Option<T>, Flaw> {
    let Some(node) = fields.take(key) else { return Ok(None) };
    let Some((_, value)) = table.iter().find(|(found, _)| found.get_ref() == key) else {
        return Ok(None);
    };
    match T::deserialize(ValueDeserializer::from(value.clone())) {
        Ok(section) => Ok(Some(section)),
        Err(error) => {
            let at: Range<usize> = error.span().unwrap_or_else(|| node.at.clone());
            Err(Flaw::new(&at, format!("[{key}]: {}", sentence(error.message()))))
        }
    }
}

/// The tables of a list of tables.
fn tables<'n>(fields: &mut Fields<'n>, key: &'static str) -> Result<&'n [Node], Flaw> {
    match fields.take(key) {
        None => Ok(&[]),
        Some(Node { kind: Kind::List(tables), .. }) => Ok(tables),
        Some(node) => {
            let message = format!("there may be several: write [[{key}]] in double brackets");
            Err(Flaw::new(&node.at, message))
        }
    }
}

impl<S: Serialize, E: Serialize> fmt::Display for Document<S, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Taken apart, so that a new field is not forgotten.
        let Self {
            seed,
            clock,
            decide,
            profile,
            tx,
            rx,
            scenario,
            expect,
            rules,
            events,
            source: _,
        } = self;
        let mut head = write::Table::default();
        head.put("version", value::number(VERSION));
        if let Some(seed) = seed {
            head.put("seed", value::hex(*seed));
        }
        if let Some(clock) = clock {
            head.put("clock", Node::text(word_for(clock, &CLOCKS)));
        }
        if let Some(decide) = decide {
            head.put("decide", Node::text(word_for(decide, &DECIDE)));
        }
        if let Some(profile) = profile {
            head.put("profile", Node::text(profile.name));
        }
        f.write_str(&write::lines(&head.node()))?;
        let usual =
            profile.map_or((Model::IDEAL, Model::IDEAL), |profile| (profile.tx, profile.rx));
        let (tx, rx) = (write::model(tx, &usual.0), write::model(rx, &usual.1));
        if tx == rx {
            links(f, "link", tx)?;
        } else {
            links(f, "link.tx", tx)?;
            links(f, "link.rx", rx)?;
        }
        sections(f, "scenario", scenario.as_ref())?;
        sections(f, "expect", expect.as_ref())?;
        for rule in rules {
            write!(f, "\n[[rule]]\n{}", write::lines(&write::rule(rule, true)))?;
        }
        for event in events {
            write!(f, "\n[[event]]\n{}", write::lines(&write::event(event)))?;
        }
        Ok(())
    }
}

fn links(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    entries: Vec<(&'static str, Node)>,
) -> fmt::Result {
    if entries.is_empty() {
        return Ok(());
    }
    let mut table = write::Table::default();
    for (key, value) in entries {
        table.put(key, value);
    }
    write!(f, "\n[{name}]\n{}", write::lines(&table.node()))
}

fn sections<T: Serialize>(f: &mut fmt::Formatter<'_>, key: &str, value: Option<&T>) -> fmt::Result {
    let Some(value) = value else { return Ok(()) };
    let named = [(key, value)].into_iter().collect::<alloc::collections::BTreeMap<_, _>>();
    match toml::to_string(&named) {
        Ok(text) => write!(f, "\n{text}"),
        // What cannot be written must not keep the rest from being read again.
        Err(error) => {
            let reason: String = error.to_string().replace(['\n', '\r'], " ");
            write!(f, "\n# [{key}] cannot be written: {reason}\n")
        }
    }
}
