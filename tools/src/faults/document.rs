//! From a document to what is run, and back.

use std::fs;
use std::path::Path;

use tapsock_stack::fault::text::{Clock, Document, Warning};

use super::expect::Expect;
use super::loaded;
use super::run::Case;
use super::scenario::Scenario;
use crate::output::Failure;

/// A script as its file says it.
pub type Text = Document<Scenario, Expect>;

/// A script out of a file.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The name of the file, without its ending.
    pub name: String,
    /// What it shows: the first sentence of the comment that it begins with.
    pub title: Option<String>,
    /// The script.
    pub document: Text,
    /// Its text.
    pub text: String,
}

impl Loaded {
    /// Reads a file.
    ///
    /// # Errors
    /// [`Failure::Usage`] with the place and a caret below what is wrong.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let text = fs::read(path).map_err(|error| {
            Failure::Usage(format!("{} cannot be read: {error}", path.display()))
        })?;
        let text = String::from_utf8(text)
            .map_err(|_| Failure::Usage(format!("{} is not UTF-8", path.display())))?;
        Self::parse(&path.display().to_string(), &loaded::name(path), text)
    }

    /// Reads a text; `file` is what messages call it.
    ///
    /// # Errors
    /// As [`Loaded::read`].
    pub fn parse(file: &str, name: &str, text: String) -> Result<Self, Failure> {
        let document =
            Text::parse(&text).map_err(|error| Failure::Usage(error.in_file(file).to_string()))?;
        let checked = document.scenario.as_ref().map_or(Ok(()), Scenario::check);
        checked
            .and_then(|()| document.expect.as_ref().map_or(Ok(()), Expect::check))
            .map_err(|wrong| Failure::Usage(format!("{file}: {wrong}")))?;
        Ok(Self { name: name.to_string(), title: loaded::title(&text), document, text })
    }

    /// What is run.
    pub fn case(&self) -> Case {
        case(&self.document)
    }

    /// What is allowed but hardly meant.
    pub fn warnings(&self) -> Vec<Warning> {
        self.document.lint()
    }

    /// Whether it is for virtual time alone.
    pub fn is_virtual(&self) -> bool {
        self.document.clock == Some(Clock::Virtual)
    }

    /// Names the text.
    pub fn hash(&self) -> u64 {
        loaded::hash(&self.text)
    }
}

/// What a document runs.
pub fn case(document: &Text) -> Case {
    Case {
        rules: document.rules.clone(),
        events: document.events.clone(),
        tx: document.tx,
        rx: document.rx,
        scenario: document.scenario.clone().unwrap_or_default(),
        expect: document.expect.clone(),
        decide: document.decide,
        forced: None,
    }
}

/// A case as a document. Forced decisions have no words.
pub fn document(case: &Case, seed: u64) -> Text {
    let Case { rules, events, tx, rx, scenario, expect, decide, forced: _ } = case;
    Document {
        seed: Some(seed),
        decide: *decide,
        tx: *tx,
        rx: *rx,
        scenario: Some(scenario.clone()),
        expect: expect.clone(),
        rules: rules.clone(),
        events: events.clone(),
        ..Document::default()
    }
}
