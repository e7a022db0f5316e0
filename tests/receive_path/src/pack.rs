//! A corpus in one file: a name and an input in hexadecimal digits on each line, sorted.
//!
//! Empty lines and lines that begin with `#` say nothing.

use std::fmt::Write;

/// A named input.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Letters, digits and dashes.
    pub name: String,
    /// The input.
    pub input: Vec<u8>,
}

/// The entries of a file.
///
/// # Errors
/// A sentence about the first line that is none.
pub fn read(text: &str) -> Result<Vec<Entry>, String> {
    let lines = text.lines().enumerate().filter(|(_, line)| {
        let line = line.trim();
        !line.is_empty() && !line.starts_with('#')
    });
    lines
        .map(|(number, line)| {
            entry(line).ok_or(format!("line {}: a name and hexadecimal digits", number + 1))
        })
        .collect()
}

fn entry(line: &str) -> Option<Entry> {
    let (name, digits) = line.trim().split_once(' ')?;
    let digits = digits.trim().as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let input = digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok())
        .collect::<Option<_>>()?;
    Some(Entry { name: name.to_string(), input })
}

/// The lines of `entries`.
pub fn write(entries: &[Entry]) -> String {
    let mut text = String::new();
    for Entry { name, input } in entries {
        text.push_str(name);
        text.push(' ');
        for byte in input {
            // Writing to a string does not fail.
            let _ = write!(text, "{byte:02x}");
        }
        text.push('\n');
    }
    text
}
