//! The terminal: lines on standard output and standard error, colour, width, and how a program
//! that cannot go on says so.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

/// Why the program ends with another exit status than 0.
#[derive(Debug)]
pub enum Failure {
    /// A row does not hold, a connection failed: what was to be said about it has been said.
    Failed,
    /// The same with one sentence to say.
    Told(String),
    /// The command line, a variable or a file says something that cannot be.
    Usage(String),
    /// A right, a device or a program is missing.
    Environment(String),
    /// Whoever read standard output has closed it: nothing is left to be said.
    Closed,
}

impl Failure {
    /// The exit status: 1 for a failure, 2 for usage and configuration, 3 for the environment,
    /// and 141, as of a program that SIGPIPE ended, when standard output was closed.
    pub const fn status(&self) -> u8 {
        match self {
            Self::Failed | Self::Told(_) => 1,
            Self::Usage(_) => 2,
            Self::Environment(_) => 3,
            Self::Closed => 141,
        }
    }

    /// The sentence for standard error, if there is one.
    pub fn sentence(&self) -> Option<&str> {
        match self {
            Self::Failed | Self::Closed => None,
            Self::Told(text) | Self::Usage(text) | Self::Environment(text) => Some(text),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sentence().unwrap_or("failed"))
    }
}

impl std::error::Error for Failure {}

/// Writes a line to standard output.
///
/// # Errors
/// [`Failure::Closed`] when nobody reads it any more.
pub fn line(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.write_all(b"\n")) {
        Ok(()) => out.flush().map_err(|error| of_stdout(&error)),
        Err(error) => Err(of_stdout(&error)),
    }
}

/// The exit status of a program that SIGINT ended.
pub(crate) const INTERRUPTED: i32 = 130;

/// Writes a line to standard error. That nobody reads it is no reason to stop.
pub fn note(text: &str) {
    let mut err = io::stderr().lock();
    let _ = err.write_all(text.as_bytes()).and_then(|()| err.write_all(b"\n"));
}

/// What a failed write to standard output means.
pub fn of_stdout(error: &io::Error) -> Failure {
    if error.kind() == io::ErrorKind::BrokenPipe {
        Failure::Closed
    } else {
        Failure::Told(format!("standard output cannot be written ({error}); redirect it elsewhere"))
    }
}

/// A Winsock call that failed although it leads nowhere yet.
pub fn of_call(name: &str, error: wsa::Error) -> Failure {
    Failure::Told(format!("{name} failed with {error}"))
}

/// The same over `wsa::net`.
pub fn of_io(name: &str, error: &io::Error) -> Failure {
    Failure::Told(format!("{name} failed with {error}"))
}

/// Writes a value to standard output as one line of JSON.
///
/// # Errors
/// As [`line()`].
pub fn json(value: &impl serde::Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(value)
        .map_err(|error| Failure::Told(format!("this cannot be written as JSON: {error}")))?;
    line(&text)
}

/// The colours of a stream, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paint {
    on: bool,
}

/// What a piece of text is to look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ink {
    /// As it should be.
    Good,
    /// Not as it should be.
    Bad,
    /// Of less importance.
    Dim,
    /// A heading.
    Strong,
}

impl Paint {
    /// Colour for standard output, if it is a terminal and nobody asked for none
    /// (<https://no-color.org>).
    pub fn stdout() -> Self {
        Self { on: io::stdout().is_terminal() && wanted() }
    }

    /// The same for standard error.
    pub fn stderr() -> Self {
        Self { on: io::stderr().is_terminal() && wanted() }
    }

    /// No colour.
    pub const NONE: Self = Self { on: false };

    /// `text` in `ink`.
    pub fn paint(self, ink: Ink, text: &str) -> String {
        if !self.on {
            return text.to_string();
        }
        let code = match ink {
            Ink::Good => "32",
            Ink::Bad => "1;31",
            Ink::Dim => "2",
            Ink::Strong => "1",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

fn wanted() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    !is_set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Breaks `text` at spaces into lines of at most `width` characters. A longer word stays whole.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// A time in seconds with milliseconds.
pub fn seconds(micros: i64) -> String {
    let millis = micros / 1000;
    format!("{}.{:03} s", millis / 1000, millis % 1000)
}

/// Refuses to write over what is read.
///
/// # Errors
/// [`Failure::Usage`] when `output` is one of `inputs`, by whatever path.
pub(crate) fn refuse_input(output: &Path, inputs: &[PathBuf]) -> Result<(), Failure> {
    // A file that is not there yet is none that is read.
    let Ok(real) = output.canonicalize() else { return Ok(()) };
    if inputs.iter().any(|input| input.canonicalize().is_ok_and(|input| input == real)) {
        return Err(Failure::Usage(format!(
            "{} is what is read and would be written over; name another file",
            output.display()
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_at_spaces_and_long_words_stay_whole() {
        assert_eq!(wrap("one two  three", 7), ["one two", "three"]);
        assert_eq!(wrap("unbreakable a b", 3), ["unbreakable", "a b"]);
        assert_eq!(wrap("", 10), Vec::<String>::new());
    }

    #[test]
    fn colour_is_only_where_it_is_wanted() {
        assert_eq!(Paint::NONE.paint(Ink::Bad, "no"), "no");
        assert_eq!(Paint { on: true }.paint(Ink::Good, "ok"), "\x1b[32mok\x1b[0m");
    }

    #[test]
    fn each_failure_has_its_status() {
        assert_eq!(Failure::Failed.status(), 1);
        assert_eq!(Failure::Usage(String::new()).status(), 2);
        assert_eq!(Failure::Environment(String::new()).status(), 3);
    }
}
