//! The texts before they are parsed, and where each one comes from.

use std::fmt;
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

/// What the names of all variables begin with.
pub(super) const PREFIX: &str = "TAPSOCK_";
/// Names the file.
pub(super) const FILE_VARIABLE: &str = "TAPSOCK_CONFIG";
/// Variables that are no settings but belong to the programs and tests.
const OTHER_VARIABLES: [&str; 3] = [FILE_VARIABLE, "TAPSOCK_REQUIRE_TAP", "TAPSOCK_SKIP_TAP"];

/// One name of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the table at the top of the module says what each one means")]
pub enum Setting {
    Link,
    Address,
    Gateway,
    Route,
    Mac,
    Mtu,
    Offload,
    Spin,
    Dns,
    Profile,
    Timing,
    Seed,
    Capture,
    Faults,
    Fault,
    Events,
    Control,
}

impl Setting {
    /// All of them, in the order in which they are shown and checked.
    pub const ALL: [Self; 17] = [
        Self::Link,
        Self::Address,
        Self::Gateway,
        Self::Route,
        Self::Mac,
        Self::Mtu,
        Self::Offload,
        Self::Spin,
        Self::Dns,
        Self::Profile,
        Self::Timing,
        Self::Seed,
        Self::Capture,
        Self::Faults,
        Self::Fault,
        Self::Events,
        Self::Control,
    ];

    /// The name in the file, and behind `--` the flag.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Address => "address",
            Self::Gateway => "gateway",
            Self::Route => "route",
            Self::Mac => "mac",
            Self::Mtu => "mtu",
            Self::Offload => "offload",
            Self::Spin => "spin",
            Self::Dns => "dns",
            Self::Profile => "profile",
            Self::Timing => "timing",
            Self::Seed => "seed",
            Self::Capture => "capture",
            Self::Faults => "faults",
            Self::Fault => "fault",
            Self::Events => "events",
            Self::Control => "control",
        }
    }

    /// The name of the environment variable.
    pub fn variable(self) -> String {
        format!("{PREFIX}{}", self.name().to_ascii_uppercase())
    }

    /// Whether it takes any number of values.
    pub const fn is_list(self) -> bool {
        matches!(self, Self::Address | Self::Gateway | Self::Route | Self::Dns | Self::Fault)
    }

    /// What stands between the values of a list in a variable. Rules have commas of their own.
    const fn separator(self) -> char {
        if matches!(self, Self::Fault) { ';' } else { ',' }
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A flag of the command line.
    Flag,
    /// A `TAPSOCK_*` variable.
    Variable,
    /// The file.
    File {
        /// Its name.
        name: String,
        /// The line, counted from 1.
        line: usize,
    },
    /// Nobody gave it.
    Default,
}

impl Origin {
    /// What a setting is called there.
    fn name(&self, setting: Setting, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => write!(f, "--{setting}"),
            Self::Variable => f.write_str(&setting.variable()),
            Self::File { name, line } => write!(f, "{setting} in {name}, line {line},"),
            Self::Default => write!(f, "{setting} by default"),
        }
    }
}

/// Why there is no configuration. Displayed as one sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// A value is not what its name calls for.
    Value {
        /// The name.
        setting: Setting,
        /// The value as it was given.
        text: String,
        /// Where it was given.
        origin: Origin,
        /// What would be right, to be read after "must be".
        expected: String,
    },
    /// A fault rule is wrong.
    Rule {
        /// Where it was given.
        origin: Origin,
        /// What is wrong with it, with the place shown.
        why: String,
    },
    /// A `TAPSOCK_*` variable with a name that means nothing.
    UnknownVariable {
        /// Its name.
        variable: String,
    },
    /// A `TAPSOCK_*` variable whose value is not UTF-8.
    NotText {
        /// Its name.
        variable: String,
    },
    /// The file is not TOML, or has a name that means nothing.
    File {
        /// Its name.
        file: String,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong there.
        why: String,
    },
    /// The file cannot be read.
    Unreadable {
        /// Its name.
        file: String,
        /// The answer of the operating system.
        why: String,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value { setting, text, origin, expected } => {
                origin.name(*setting, f)?;
                write!(f, " is {text:?} but must be {expected}")
            }
            Self::Rule { origin, why } => {
                origin.name(Setting::Fault, f)?;
                write!(f, ": {why}")
            }
            Self::UnknownVariable { variable } => {
                write!(f, "{variable} is not a setting; there are")?;
                for (at, setting) in Setting::ALL.iter().enumerate() {
                    let comma = if at == 0 { "" } else { "," };
                    write!(f, "{comma} {}", setting.variable())?;
                }
                write!(f, " and {FILE_VARIABLE}")
            }
            Self::NotText { variable } => {
                write!(f, "the value of {variable} is not UTF-8 but must be text")
            }
            Self::File { file, line, why } => write!(f, "{file}, line {line}: {why}"),
            Self::Unreadable { file, why } => {
                write!(f, "the configuration file {file} cannot be read: {why}")
            }
        }
    }
}

impl std::error::Error for ConfigError {}

/// The texts that one name was given, all by one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Texts {
    pub(super) texts: Vec<String>,
    pub(super) origin: Origin,
}

/// What was given, as texts: by the flags of a command line, or by all sources together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Given {
    /// The file that `--config` names.
    pub file: Option<String>,
    settings: [Option<Texts>; Setting::ALL.len()],
}

impl Given {
    /// Nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the values of a flag. None of them changes nothing.
    pub fn flag<T: ToString>(&mut self, setting: Setting, values: impl IntoIterator<Item = T>) {
        for value in values {
            let texts = self.settings[setting as usize]
                .get_or_insert_with(|| Texts { texts: Vec::new(), origin: Origin::Flag });
            texts.texts.push(value.to_string());
        }
    }

    /// These texts as the variables of a program that is to be configured alike.
    pub fn variables(&self) -> impl Iterator<Item = (String, String)> {
        let file = self.file.clone().map(|file| (FILE_VARIABLE.to_string(), file));
        let settings = Setting::ALL.into_iter().filter_map(|setting| {
            let Texts { texts, .. } = self.texts(setting)?;
            let mut separator = [0; 4];
            let separator = setting.separator().encode_utf8(&mut separator);
            Some((setting.variable(), texts.join(separator)))
        });
        file.into_iter().chain(settings)
    }

    pub(super) fn set(&mut self, setting: Setting, texts: Vec<String>, origin: Origin) {
        self.settings[setting as usize] = Some(Texts { texts, origin });
    }

    pub(super) fn texts(&self, setting: Setting) -> Option<&Texts> {
        self.settings[setting as usize].as_ref()
    }

    /// Puts what `first` has in the place of what is here.
    pub(super) fn prefer(&mut self, first: &Self) {
        for (here, there) in self.settings.iter_mut().zip(&first.settings) {
            if there.is_some() {
                here.clone_from(there);
            }
        }
    }
}

/// The `TAPSOCK_*` variables. An empty one counts as none.
pub(super) fn from_environment(
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Given, ConfigError> {
    let mut given = Given::new();
    for (variable, value) in environment {
        if !variable.starts_with(PREFIX) || OTHER_VARIABLES.contains(&variable.as_str()) {
            continue;
        }
        let Some(setting) = Setting::ALL.into_iter().find(|known| known.variable() == variable)
        else {
            return Err(ConfigError::UnknownVariable { variable });
        };
        if value.is_empty() {
            continue;
        }
        let texts = if setting.is_list() {
            value.split(setting.separator()).map(|one| one.trim().to_string()).collect()
        } else {
            Vec::from([value])
        };
        given.set(setting, texts, Origin::Variable);
    }
    Ok(given)
}
