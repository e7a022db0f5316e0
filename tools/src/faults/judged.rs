//! A run against what was expected of it, also where it was expected to fail.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::Deserialize;

use super::run::Run;
use crate::output::Failure;

/// What is to be thought of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// All expectations hold.
    Pass,
    /// One does not.
    Fail,
    /// One does not, and that is known.
    Xfail,
    /// All hold, but the script is listed as one that fails.
    Xpass,
}

impl Verdict {
    /// As it is printed.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pass => "PASS",
            Self::Fail => "FAIL",
            Self::Xfail => "XFAIL",
            Self::Xpass => "XPASS",
        }
    }

    /// Whether all is as it should be.
    pub const fn is_good(self) -> bool {
        matches!(self, Self::Pass | Self::Xfail)
    }
}

/// A script that was run.
#[derive(Debug, Clone)]
pub struct Judged {
    /// The script's name: that of its file.
    pub name: String,
    /// What it shows.
    pub title: Option<String>,
    /// What is to be thought of it.
    pub verdict: Verdict,
    /// What came of it.
    pub run: Run,
    /// Why it is expected to fail.
    pub reason: Option<String>,
    /// What comes without its faults, if that was asked for: it must not hold.
    pub twin: Option<Run>,
    /// What everything random was derived from.
    pub seed: u64,
    /// Which text it is.
    pub hash: u64,
}

impl Judged {
    pub(super) fn verdict(run: &Run, twin: Option<&Run>, reason: Option<&str>) -> Verdict {
        let holds = run.holds() && !twin.is_some_and(Run::holds);
        match (holds, reason) {
            (true, None) => Verdict::Pass,
            (false, None) => Verdict::Fail,
            (false, Some(_)) => Verdict::Xfail,
            (true, Some(_)) => Verdict::Xpass,
        }
    }
}

/// The file in a folder of scripts that names those which are expected to fail.
pub const EXPECTED_FAILURES: &str = "expected-failures.toml";

/// The scripts of a folder that are expected to fail, with the reasons.
#[derive(Debug, Clone, Default)]
pub struct ExpectedFailures(BTreeMap<String, String>);

impl ExpectedFailures {
    /// Those of the folder that the script `path` is in. None where there is no list.
    ///
    /// # Errors
    /// A list that cannot be read, or that says something else.
    pub fn beside(path: &Path) -> Result<Self, Failure> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Entry {
            reason: String,
        }
        let list: PathBuf = path.with_file_name(EXPECTED_FAILURES);
        let text = match fs::read_to_string(&list) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => {
                return Err(Failure::Usage(format!("{} cannot be read: {error}", list.display())));
            }
        };
        let entries: BTreeMap<String, Entry> = toml::from_str(&text).map_err(|error| {
            Failure::Usage(format!("{}: {}", list.display(), error.message().trim()))
        })?;
        Ok(Self(entries.into_iter().map(|(name, entry)| (name, entry.reason)).collect()))
    }

    /// Why the script of this name is expected to fail.
    pub fn reason(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The names in it.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}
