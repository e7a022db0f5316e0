//! Why something could not be measured.

use std::fmt;
use std::io;

/// One sentence for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trouble {
    words: String,
    /// A peer is not installed, which nobody has to have.
    excused: bool,
}

impl Trouble {
    /// `what` says what went wrong, and what would be right.
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self { words: what.into(), excused: false }
    }

    /// A peer that is left out, and what would have to be installed.
    pub(super) fn left_out(what: impl Into<String>) -> Self {
        Self { words: what.into(), excused: true }
    }

    /// Whether all is well without the figure.
    pub(super) const fn is_excused(&self) -> bool {
        self.excused
    }

    /// A call of the system, or of a stack, that failed.
    pub(super) fn of(what: &str) -> impl Fn(io::Error) -> Self + '_ {
        move |error| Self::new(format!("{what} failed: {error}"))
    }

    /// What the stack says to programs alone.
    pub(super) fn debug(error: impl fmt::Debug) -> Self {
        Self::new(format!("a call of the stack failed: {error:?}"))
    }

    /// Anything else that says itself what went wrong.
    pub(super) fn from(error: impl fmt::Display) -> Self {
        Self::new(error.to_string())
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}
