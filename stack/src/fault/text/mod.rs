//! The language of fault scripts: TOML files and rules on one line.

mod document;
mod error;
mod line;
mod names;
mod node;
mod profile;
mod read;
mod value;
mod words;
mod write;

#[cfg(test)]
mod tests;

pub use document::{Clock, Document, Nothing, Source};
pub use error::TextError;
pub use profile::Profile;
