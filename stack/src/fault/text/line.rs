//! A rule on one line, as for a command line: `tx tcp dport=80 nth=3 drop`.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write};
use core::hash::Hasher;
use core::ops::Range;
use core::str::FromStr;

use siphasher::sip::SipHasher13;

use super::error::{Flaw, TextError};
use super::node::{Entry, Kind, Node, choice, shortened};
use super::read::{self, Names, misplaced};
use super::{names, words, write};
use crate::fault::{Name, Rule};

/// How deep lists and tables may be within each other.
const DEEPEST: usize = 8;

impl FromStr for Rule {
    type Err = TextError;

    /// Reads the one-line form. Names of other rules are taken as they are: whoever adds the rule to
    /// a script finds out whether they exist.
    fn from_str(text: &str) -> Result<Self, TextError> {
        let rule = tree(text)
            .and_then(|tree| read::rule(&tree, &mut Names::default(), Some(default_name)));
        rule.map_err(|flaw| TextError::new(text, &flaw))
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = self.name != default_name(self);
        line(f, &write::rule(self, named))
    }
}

/// The name of a rule that was given none: its own text, with what is too long made short.
fn default_name(rule: &Rule) -> Name {
    let mut text = String::new();
    // Writing to a text does not fail.
    let _ = line(&mut text, &write::rule(rule, false));
    let mut plain = String::new();
    for character in text.chars() {
        match character {
            character if character.is_ascii_alphanumeric() || character == '.' => {
                plain.push(character);
            }
            _ if plain.ends_with('-') || plain.is_empty() => {}
            _ => plain.push('-'),
        }
    }
    let plain = plain.trim_end_matches('-');
    if let Some(name) = Name::new(plain).filter(|_| text.len() == plain.len() && !plain.is_empty())
    {
        return name;
    }
    // Something was left out: what tells it from others with the same beginning.
    let mut hasher = SipHasher13::new();
    hasher.write(text.as_bytes());
    let short: String = plain.chars().take(Name::LONGEST - 9).collect();
    let short = format!("{}-{:08x}", short.trim_end_matches('-'), hasher.finish() as u32);
    Name::new(short.trim_start_matches('-')).unwrap_or(Name::NONE)
}

/// The tree that the same rule has in TOML.
fn tree(text: &str) -> Result<Node, Flaw> {
    let mut words = Words { text, at: 0 };
    let (mut rule, mut matches, mut when) = (Vec::new(), Vec::new(), Vec::new());
    let mut expect = Vec::new();
    let mut actions: Vec<Node> = Vec::new();
    while let Some((key, at)) = words.key()? {
        let value = words.value_after_key()?;
        let end = words.at;
        let Some(value) = value else {
            let yes = Node { at: at.clone(), kind: Kind::Bool(true) };
            match key {
                "tx" | "rx" => put(&mut matches, "dir", &at, spelled(key, &at))?,
                "fragment" | "retransmission" | "out-of-order" => put(&mut matches, key, &at, yes)?,
                "rematch" => put(&mut rule, key, &at, yes)?,
                _ if names::is_proto(key) => put(&mut matches, "proto", &at, spelled(key, &at))?,
                _ if words::ACTIONS.contains(&key) => actions.push(spelled(key, &at)),
                _ => return Err(unknown(key, &at)),
            }
            continue;
        };
        let beside = words::BESIDE.iter().find(|(beside, _)| *beside == key);
        match (beside, actions.last_mut()) {
            (Some((_, owners)), Some(last)) => {
                if attach(last, owners, key, &at, &value) {
                    continue;
                }
                return Err(misplaced(key, &at, owners));
            }
            (Some((_, owners)), None) => return Err(misplaced(key, &at, owners)),
            (None, _) => {}
        }
        match key {
            "expect" => put(&mut expect, "hits", &at, value)?,
            "outcome" => put(&mut expect, key, &at, value)?,
            _ if words::RULE.contains(&key) => put(&mut rule, key, &at, value)?,
            _ if words::MATCH.contains(&key) => put(&mut matches, key, &at, value)?,
            _ if words::WHEN.contains(&key) => put(&mut when, key, &at, value)?,
            _ if words::ACTIONS.contains(&key) => {
                let entry = Entry { key: key.to_owned(), at: at.clone(), value };
                actions.push(Node { at: at.start..end, kind: Kind::Table(Vec::from([entry])) });
            }
            _ => return Err(unknown(key, &at)),
        }
    }
    let whole = 0..text.len();
    if actions.is_empty() {
        let message = "the line does not say what is done: add an action, such as drop";
        return Err(Flaw::new(&(text.trim_end().len()..text.len()), message));
    }
    let entry = |key: &str, kind: Kind| Entry {
        key: key.to_owned(),
        at: whole.clone(),
        value: Node { at: whole.clone(), kind },
    };
    for (key, entries) in [("match", matches), ("when", when), ("expect", expect)] {
        if !entries.is_empty() {
            rule.push(entry(key, Kind::Table(entries)));
        }
    }
    rule.push(entry("do", Kind::List(actions)));
    Ok(Node { at: whole, kind: Kind::Table(rule) })
}

fn spelled(word: &str, at: &Range<usize>) -> Node {
    Node { at: at.clone(), kind: Kind::Text(word.to_owned()) }
}

fn put(table: &mut Vec<Entry>, key: &str, at: &Range<usize>, value: Node) -> Result<(), Flaw> {
    if table.iter().any(|entry| entry.key == key) {
        return Err(Flaw::new(at, format!("{key} is said twice")));
    }
    table.push(Entry { key: key.to_owned(), at: at.clone(), value });
    Ok(())
}

/// Puts a field beside the action that it belongs to.
fn attach(last: &mut Node, owners: &[&str], key: &str, at: &Range<usize>, value: &Node) -> bool {
    let entry = Entry { key: key.to_owned(), at: at.clone(), value: value.clone() };
    match &mut last.kind {
        Kind::Text(owner) if owners.contains(&owner.as_str()) => {
            let yes = Node { at: last.at.clone(), kind: Kind::Bool(true) };
            let owner = Entry { key: owner.clone(), at: last.at.clone(), value: yes };
            last.kind = Kind::Table(Vec::from([owner, entry]));
            true
        }
        Kind::Table(entries)
            if entries.first().is_some_and(|owner| owners.contains(&owner.key.as_str())) =>
        {
            entries.push(entry);
            true
        }
        _ => false,
    }
}

fn unknown(word: &str, at: &Range<usize>) -> Flaw {
    let mut known: Vec<&str> = Vec::from(["tx", "rx", "tcp", "udp", "icmp", "icmp6", "ip-frag"]);
    known.extend(words::MATCH);
    known.extend(words::WHEN);
    known.extend(words::ACTIONS);
    known.extend(words::RULE);
    let choice = choice(word, &known);
    let known = known.contains(&word);
    let word = shortened(word);
    if known {
        return Flaw::new(at, format!("{word} needs a value: {word}=..."));
    }
    Flaw::new(at, format!("there is no word \"{word}\"{choice}"))
}

/// A line, word by word.
struct Words<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Words<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn skip(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    /// What is before the next character for which `end` holds.
    fn until(&mut self, end: impl Fn(char) -> bool) -> (&'t str, Range<usize>) {
        let rest = self.rest();
        let word = &rest[..rest.find(end).unwrap_or(rest.len())];
        let start = self.at;
        self.at += word.len();
        (word, start..self.at)
    }

    /// The next key or word, and its place.
    fn key(&mut self) -> Result<Option<(&'t str, Range<usize>)>, Flaw> {
        self.skip();
        if self.rest().is_empty() {
            return Ok(None);
        }
        let (key, at) = self.until(|character| character == '=' || character.is_whitespace());
        if key.is_empty() {
            return Err(Flaw::new(&(at.start..at.start + 1), "before = is the name of a field"));
        }
        Ok(Some((key, at)))
    }

    /// The value behind a key, if it has one.
    fn value_after_key(&mut self) -> Result<Option<Node>, Flaw> {
        if !self.rest().starts_with('=') {
            return Ok(None);
        }
        self.at += 1;
        let value = self.value(0)?;
        if !self.rest().is_empty() && !self.rest().starts_with(char::is_whitespace) {
            let at = self.at..self.text.len();
            return Err(Flaw::new(&at, "a space comes after a value"));
        }
        Ok(Some(value))
    }

    fn value(&mut self, depth: usize) -> Result<Node, Flaw> {
        let start = self.at;
        if depth > DEEPEST {
            return Err(Flaw::new(
                &(start..start + 1),
                "lists and tables are too deep in each other",
            ));
        }
        let kind = match self.rest().chars().next() {
            Some('"') => self.string()?,
            Some('[') => {
                self.at += 1;
                let mut items = Vec::new();
                while self.another(']', start, items.is_empty())? {
                    items.push(self.value(depth + 1)?);
                }
                Kind::List(items)
            }
            Some('{') => {
                self.at += 1;
                let mut entries = Vec::new();
                while self.another('}', start, entries.is_empty())? {
                    let (key, at) = self
                        .until(|character| character.is_whitespace() || "=,]}".contains(character));
                    self.skip();
                    if key.is_empty() || !self.rest().starts_with('=') {
                        return Err(Flaw::new(&at, "a table has key=value, with commas between"));
                    }
                    self.at += 1;
                    self.skip();
                    let value = self.value(depth + 1)?;
                    put(&mut entries, key, &at, value)?;
                }
                Kind::Table(entries)
            }
            _ => {
                let (word, at) = self.until(|character| {
                    character.is_whitespace() || (depth > 0 && ",]}".contains(character))
                });
                if word.is_empty() {
                    return Err(Flaw::new(&at, "a value is missing; an empty text is \"\""));
                }
                bare(word)
            }
        };
        Ok(Node { at: start..self.at, kind })
    }

    /// Whether a list or table goes on.
    fn another(&mut self, end: char, start: usize, first: bool) -> Result<bool, Flaw> {
        self.skip();
        if self.rest().starts_with(end) {
            self.at += 1;
            return Ok(false);
        }
        if !first {
            if !self.rest().starts_with(',') {
                return Err(Flaw::new(&(start..self.at), format!("a comma or {end} is missing")));
            }
            self.at += 1;
            self.skip();
        }
        if self.rest().is_empty() {
            return Err(Flaw::new(&(start..self.at), format!("{end} is missing")));
        }
        Ok(true)
    }

    /// A text in quotes, with the escapes of TOML.
    fn string(&mut self) -> Result<Kind, Flaw> {
        let start = self.at;
        let mut text = String::new();
        let mut characters = self.rest().char_indices().skip(1);
        while let Some((index, character)) = characters.next() {
            let at = start + index;
            match character {
                '"' => {
                    self.at = at + 1;
                    return Ok(Kind::Text(text));
                }
                '\\' => {
                    let escape = characters.next().map_or('\0', |(_, escape)| escape);
                    let digits = match escape {
                        'u' => 4,
                        'U' => 8,
                        _ => 0,
                    };
                    let mut code = 0_u32;
                    for _ in 0..digits {
                        let digit = characters.next().and_then(|(_, digit)| digit.to_digit(16));
                        code = digit.map_or(u32::MAX, |digit| (code << 4) | digit);
                        if digit.is_none() {
                            break;
                        }
                    }
                    let meant = match escape {
                        '"' | '\\' => Some(escape),
                        'n' => Some('\n'),
                        't' => Some('\t'),
                        'r' => Some('\r'),
                        'u' | 'U' => char::from_u32(code),
                        _ => None,
                    };
                    let Some(meant) = meant else {
                        let message = "after \\ comes one of \" \\ n t r u0000 U00000000";
                        return Err(Flaw::new(&(at..at + 1), message));
                    };
                    text.push(meant);
                }
                character => text.push(character),
            }
        }
        Err(Flaw::new(&(start..self.text.len()), "the closing \" is missing"))
    }
}

/// A value without quotes.
fn bare(word: &str) -> Kind {
    match word {
        "true" => return Kind::Bool(true),
        "false" => return Kind::Bool(false),
        _ => {}
    }
    let (sign, digits) = match word.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, word.strip_prefix('+').unwrap_or(word)),
    };
    if !digits.starts_with(|first: char| first.is_ascii_digit()) {
        return Kind::Text(word.to_owned());
    }
    let plain: String = digits.chars().filter(|digit| *digit != '_').collect();
    let prefixes = [("0x", 16), ("0o", 8), ("0b", 2), ("", 10)];
    for (prefix, radix) in prefixes {
        if let Some(digits) = plain.strip_prefix(prefix)
            && !digits.is_empty()
            && digits.chars().all(|digit| digit.is_digit(radix))
            && let Ok(number) = i128::from_str_radix(digits, radix)
        {
            return Kind::Int(sign * number);
        }
    }
    let decimal = plain.chars().all(|one| one.is_ascii_digit() || ".eE+-".contains(one));
    match plain.parse::<f64>() {
        Ok(number) if decimal => Kind::Float(f64::from(sign as i8) * number),
        _ => Kind::Text(word.to_owned()),
    }
}

/// Writes the tree of a rule on one line.
fn line(out: &mut dyn Write, rule: &Node) -> fmt::Result {
    let mut first = true;
    let mut space = |out: &mut dyn Write| {
        let space = if first { "" } else { " " };
        first = false;
        out.write_str(space)
    };
    let part = |key| match rule.entry(key).map(|entry| &entry.value.kind) {
        Some(Kind::Table(entries)) => &entries[..],
        _ => &[],
    };
    if let Some(name) = rule.entry("name") {
        space(out)?;
        pair(out, name)?;
    }
    for entry in part("match") {
        space(out)?;
        match (&*entry.key, &entry.value.kind) {
            ("dir" | "proto", Kind::Text(word)) => out.write_str(word)?,
            (key, Kind::Bool(true)) => out.write_str(key)?,
            _ => pair(out, entry)?,
        }
    }
    for entry in part("when") {
        space(out)?;
        pair(out, entry)?;
    }
    let said = rule.entry("do").map(|entry| &entry.value);
    let said = match said {
        Some(Node { kind: Kind::List(said), .. }) => &said[..],
        Some(one) => core::slice::from_ref(one),
        None => &[],
    };
    for action in said {
        match &action.kind {
            Kind::Text(word) => {
                space(out)?;
                out.write_str(word)?;
            }
            Kind::Table(entries) => {
                for entry in entries {
                    space(out)?;
                    match &entry.value.kind {
                        Kind::Bool(true) => out.write_str(&entry.key)?,
                        _ => pair(out, entry)?,
                    }
                }
            }
            _ => {}
        }
    }
    for key in ["then", "rematch", "switch"] {
        let Some(entry) = rule.entry(key) else { continue };
        space(out)?;
        match entry.value.kind {
            Kind::Bool(true) => out.write_str(key)?,
            _ => pair(out, entry)?,
        }
    }
    for entry in part("expect") {
        space(out)?;
        let key = if entry.key == "hits" { "expect" } else { &entry.key };
        write!(out, "{key}=")?;
        value(out, &entry.value)?;
    }
    Ok(())
}

fn pair(out: &mut dyn Write, entry: &Entry) -> fmt::Result {
    write!(out, "{}=", entry.key)?;
    value(out, &entry.value)
}

/// A value without spaces.
fn value(out: &mut dyn Write, node: &Node) -> fmt::Result {
    match &node.kind {
        Kind::Text(text) => word(out, text),
        Kind::Words(text) => {
            let text: String = text.chars().filter(|character| *character != ' ').collect();
            word(out, &text)
        }
        Kind::List(items) => {
            out.write_char('[')?;
            for (index, item) in items.iter().enumerate() {
                out.write_str(if index == 0 { "" } else { "," })?;
                value(out, item)?;
            }
            out.write_char(']')
        }
        Kind::Table(entries) => {
            out.write_char('{')?;
            for (index, entry) in entries.iter().enumerate() {
                out.write_str(if index == 0 { "" } else { "," })?;
                pair(out, entry)?;
            }
            out.write_char('}')
        }
        _ => write::toml(out, node),
    }
}

/// A text, in quotes where it would be read as something else without.
fn word(out: &mut dyn Write, text: &str) -> fmt::Result {
    let odd = |character: char| {
        character.is_whitespace() || character.is_control() || ",[]{}\"".contains(character)
    };
    if text.is_empty() || text.contains(odd) || !matches!(bare(text), Kind::Text(_)) {
        return write::quoted(out, text);
    }
    out.write_str(text)
}
