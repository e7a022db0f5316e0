//! What TOML and the one-line form have in common: a tree of values that know where they stand.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::Flaw;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub(super) at: Range<usize>,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Text(String),
    /// A text in which spaces mean nothing. Only written, never read.
    Words(String),
    Int(i128),
    /// As [`Kind::Int`], to be written in base 16.
    Hex(u64),
    Float(f64),
    Bool(bool),
    List(Vec<Node>),
    Table(Vec<Entry>),
    /// Something that no field has: a date.
    Strange,
}

/// A key with its value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) at: Range<usize>,
    pub(super) value: Node,
}

impl Kind {
    /// What it is, in a sentence.
    pub(super) fn noun(&self) -> String {
        match self {
            Self::Text(text) | Self::Words(text) => format!("\"{}\"", shortened(text)),
            Self::Int(number) => number.to_string(),
            Self::Hex(number) => format!("{number:#x}"),
            Self::Float(number) => number.to_string(),
            Self::Bool(value) => value.to_string(),
            Self::List(_) => "a list".to_owned(),
            Self::Table(_) => "a table".to_owned(),
            Self::Strange => "a date".to_owned(),
        }
    }
}

/// What of a text is repeated in a sentence.
pub(super) fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(40).flat_map(char::escape_debug).collect();
    if text.chars().nth(40).is_some() {
        short.push_str("...");
    }
    short
}

impl Node {
    /// A value that was not read.
    pub(super) fn new(kind: Kind) -> Self {
        Self { at: 0..0, kind }
    }

    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::new(Kind::Text(text.into()))
    }

    pub(super) fn words(text: impl Into<String>) -> Self {
        Self::new(Kind::Words(text.into()))
    }

    pub(super) fn int(number: impl Into<i128>) -> Self {
        Self::new(Kind::Int(number.into()))
    }

    /// The entry with this key of a table.
    pub(super) fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.kind {
            Kind::Table(entries) => entries.iter().find(|entry| entry.key == key),
            _ => None,
        }
    }

    /// A TOML document, not yet as a tree.
    pub(super) fn table_of_toml(text: &str) -> Result<Spanned<DeTable<'_>>, Flaw> {
        DeTable::parse(text).map_err(|error| {
            let at = error.span().unwrap_or(0..0);
            Flaw::new(&at, sentence(error.message()))
        })
    }

    /// Its tree.
    pub(super) fn of_table(table: &Spanned<DeTable<'_>>) -> Self {
        Self { at: table.span(), kind: of_table(table.get_ref()) }
    }
}

/// What the parser of TOML says, on one line.
pub(super) fn sentence(message: &str) -> String {
    let mut words = message.split_whitespace();
    let mut line = words.next().unwrap_or("this is no TOML").to_owned();
    for word in words {
        line.push(' ');
        line.push_str(word);
    }
    line
}

fn of_table(table: &DeTable<'_>) -> Kind {
    let mut entries: Vec<Entry> = table
        .iter()
        .map(|(key, value)| Entry {
            key: key.get_ref().to_string(),
            at: key.span(),
            value: of_value(value.span(), value.get_ref()),
        })
        .collect();
    // In the order in which they were written.
    entries.sort_by_key(|entry| entry.at.start);
    Kind::Table(entries)
}

fn of_value(at: Range<usize>, value: &DeValue<'_>) -> Node {
    let kind = match value {
        DeValue::String(text) => Kind::Text(text.to_string()),
        DeValue::Integer(integer) => {
            match i128::from_str_radix(integer.as_str(), integer.radix()) {
                Ok(number) => Kind::Int(number),
                // More than any field takes.
                Err(_) => Kind::Int(i128::MAX),
            }
        }
        DeValue::Float(float) => match float.as_str().parse() {
            Ok(number) => Kind::Float(number),
            Err(_) => Kind::Strange,
        },
        DeValue::Boolean(value) => Kind::Bool(*value),
        DeValue::Datetime(_) => Kind::Strange,
        DeValue::Array(items) => {
            Kind::List(items.iter().map(|item| of_value(item.span(), item.get_ref())).collect())
        }
        DeValue::Table(table) => of_table(table),
    };
    Node { at, kind }
}

/// The fields of a table, which are taken one by one; what is left is unknown.
#[derive(Debug, Clone)]
pub(super) struct Fields<'n> {
    /// Whose, in a sentence.
    what: &'static str,
    pub(super) at: Range<usize>,
    left: Vec<(&'n str, &'n Range<usize>, &'n Node)>,
    known: Vec<&'static str>,
}

impl<'n> Fields<'n> {
    /// The fields of a table.
    pub(super) fn of(what: &'static str, node: &'n Node) -> Result<Self, Flaw> {
        let mut fields = Self::none(what, &node.at);
        match &node.kind {
            Kind::Table(entries) => {
                entries.iter().for_each(|entry| fields.add(&entry.key, &entry.at, &entry.value));
                Ok(fields)
            }
            kind => Err(Flaw::new(&node.at, format!("{what} is a table, not {}", kind.noun()))),
        }
    }

    /// The fields of a table, or the one named `first` when there is no table.
    pub(super) fn or(
        what: &'static str,
        first: &'static str,
        node: &'n Node,
    ) -> Result<Self, Flaw> {
        if let Kind::Table(_) = node.kind {
            return Self::of(what, node);
        }
        let mut fields = Self::none(what, &node.at);
        fields.add(first, &node.at, node);
        Ok(fields)
    }

    /// No fields.
    pub(super) fn none(what: &'static str, at: &Range<usize>) -> Self {
        Self { what, at: at.clone(), left: Vec::new(), known: Vec::new() }
    }

    pub(super) fn add(&mut self, key: &'n str, at: &'n Range<usize>, node: &'n Node) {
        self.left.push((key, at, node));
    }

    pub(super) fn take(&mut self, key: &'static str) -> Option<&'n Node> {
        self.known.push(key);
        let index = self.left.iter().position(|(found, ..)| *found == key)?;
        Some(self.left.remove(index).2)
    }

    pub(super) fn read<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&str, &'n Node) -> Result<T, Flaw>,
    ) -> Result<Option<T>, Flaw> {
        self.take(key).map(|node| read(key, node)).transpose()
    }

    /// As [`Fields::read`], of a field that must be there.
    pub(super) fn need<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&str, &'n Node) -> Result<T, Flaw>,
    ) -> Result<T, Flaw> {
        match self.read(key, read)? {
            Some(value) => Ok(value),
            None => Err(Flaw::new(&self.at, format!("{} needs \"{key}\"", self.what))),
        }
    }

    /// Refuses what nobody has taken.
    pub(super) fn finish(self) -> Result<(), Flaw> {
        let Some((key, at, _)) = self.left.first() else { return Ok(()) };
        if self.known.contains(key) {
            return Err(Flaw::new(at, format!("\"{key}\" is said twice")));
        }
        let choice = choice(key, &self.known);
        let key = shortened(key);
        Err(Flaw::new(at, format!("{} has no \"{key}\"{choice}", self.what)))
    }
}

/// What would be right in place of a word: the nearest, or all.
pub(super) fn choice(word: &str, known: &[&str]) -> String {
    let near = known.iter().map(|right| (distance(word, right), *right)).min();
    match near {
        Some((steps, right)) if steps <= 1 + right.len() / 4 => {
            format!("; did you mean \"{right}\"?")
        }
        // A longer list helps nobody.
        _ if known.len() > 40 => String::new(),
        _ => {
            let mut list = String::new();
            for (index, right) in known.iter().enumerate() {
                list.push_str(match index {
                    0 => "; it is one of ",
                    _ => ", ",
                });
                list.push_str(right);
            }
            list
        }
    }
}

/// How many letters must be exchanged, inserted, left out or swapped with their neighbor.
fn distance(one: &str, other: &str) -> usize {
    let one: Vec<char> = one.chars().take(32).collect();
    let other: Vec<char> = other.chars().take(32).collect();
    let width = other.len() + 1;
    let mut rows: Vec<Vec<usize>> = Vec::from([(0..width).collect()]);
    for (i, letter) in one.iter().enumerate() {
        let mut row = Vec::from([i + 1]);
        for (j, wanted) in other.iter().enumerate() {
            let exchange = rows[i][j] + usize::from(letter != wanted);
            let mut least = exchange.min(rows[i][j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *letter == other[j - 1] && one[i - 1] == *wanted {
                least = least.min(rows[i - 1][j - 1] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[one.len()][other.len()]
}
