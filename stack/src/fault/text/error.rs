//! What is wrong with a text, and where.

use alloc::string::String;
use core::fmt;
use core::ops::Range;

/// The most characters of a line that are shown.
const SHOWN: usize = 100;

/// What is wrong at a place of a text, before the place is a line and a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Flaw {
    /// In bytes.
    pub(super) at: Range<usize>,
    pub(super) message: String,
}

impl Flaw {
    pub(super) fn new(at: &Range<usize>, message: impl Into<String>) -> Self {
        Self { at: at.clone(), message: message.into() }
    }
}

/// Why a text is no script or no rule, and where.
///
/// Shown, it is the sentence after the line and column, then the line itself with carets below
/// what is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextError {
    /// One sentence.
    pub message: String,
    /// The first is 1.
    pub line: usize,
    /// In characters; the first is 1.
    pub column: usize,
    /// Where the text is from.
    pub file: Option<String>,
    snippet: Snippet,
}

impl TextError {
    pub(super) fn new(text: &str, flaw: &Flaw) -> Self {
        let place = Place::of(text, &flaw.at);
        Self {
            message: flaw.message.clone(),
            line: place.line,
            column: place.column,
            file: None,
            snippet: place.snippet,
        }
    }

    /// Says where the text is from, to be shown before the line.
    #[must_use]
    pub fn in_file(mut self, file: impl Into<String>) -> Self {
        self.file = Some(file.into());
        self
    }
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(f, "{file}:{}:{}: ", self.line, self.column)?,
            None => write!(f, "line {}, column {}: ", self.line, self.column)?,
        }
        writeln!(f, "{}", self.message)?;
        self.snippet.show(f, self.line)
    }
}

impl core::error::Error for TextError {}

/// Where something is in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) snippet: Snippet,
}

impl Place {
    pub(super) fn of(text: &str, at: &Range<usize>) -> Self {
        let start = boundary(text, at.start);
        let end = boundary(text, at.end).max(start);
        let (before, from) = text.split_at(start);
        let begin = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.matches('\n').count() + 1;
        let prefix = &before[begin..];
        let length = from.find('\n').unwrap_or(from.len());
        let rest = from[..length].trim_end_matches('\r');
        let marked = &rest[..boundary(rest, end - start)];
        let snippet = Snippet::new(prefix, marked, &rest[marked.len()..]);
        Self { line, column: prefix.chars().count() + 1, snippet }
    }
}

/// A line, and what is below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Snippet {
    line: String,
    carets: String,
}

impl Snippet {
    fn new(prefix: &str, marked: &str, rest: &str) -> Self {
        let (mut line, mut carets) = (String::new(), String::new());
        let hidden = prefix.chars().count().saturating_sub(SHOWN / 2);
        if hidden > 0 {
            line.push_str("...");
            carets.push_str("   ");
        }
        let mut room = SHOWN;
        let mut cut = false;
        let parts = [(prefix, hidden, ' '), (marked, 0, '^'), (rest, 0, '\0')];
        for (part, skip, mark) in parts {
            for character in part.chars().skip(skip) {
                if room == 0 {
                    cut = true;
                    break;
                }
                room -= 1;
                let (shown, width) = visible(character);
                line.push(shown);
                match mark {
                    // So that tabs above and below are equally wide.
                    ' ' if shown == '\t' => carets.push('\t'),
                    '\0' => {}
                    mark => carets.extend(core::iter::repeat_n(mark, width)),
                }
            }
        }
        if cut {
            line.push_str("...");
        }
        if !carets.ends_with('^') {
            carets.push('^');
        }
        Self { line, carets }
    }

    pub(super) fn show(&self, f: &mut fmt::Formatter<'_>, number: usize) -> fmt::Result {
        let mut digits = 1;
        let mut left = number;
        while left >= 10 {
            (left, digits) = (left / 10, digits + 1);
        }
        writeln!(f, "{:digits$} |", "")?;
        writeln!(f, "{number} | {}", self.line)?;
        write!(f, "{:digits$} | {}", "", self.carets)
    }
}

/// A character as it is shown, and how many columns it takes: what would move the cursor or change
/// colors is replaced.
fn visible(character: char) -> (char, usize) {
    match character {
        '\t' => ('\t', 1),
        character if character.is_control() => ('\u{fffd}', 1),
        '\u{300}'..='\u{36f}' | '\u{200b}'..='\u{200f}' | '\u{fe00}'..='\u{fe0f}' => (character, 0),
        // Marks that reorder a line.
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => ('\u{fffd}', 1),
        '\u{1100}'..='\u{115f}'
        | '\u{2e80}'..='\u{a4cf}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}'
        | '\u{ff00}'..='\u{ff60}'
        | '\u{ffe0}'..='\u{ffe6}'
        | '\u{1f300}'..='\u{1faff}'
        | '\u{20000}'..='\u{3fffd}' => (character, 2),
        character => (character, 1),
    }
}

/// The nearest beginning of a character at or before a place.
fn boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}
