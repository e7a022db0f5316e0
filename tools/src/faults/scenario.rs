//! `[scenario]`: what runs while the network is broken.

use std::fmt;

use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tapsock_stack::time::Duration;
use wsa::config::{ProfileChoice, TimingChoice};

use super::units::{Size, Time};
use crate::stage::{Ip, Medium, Party};

/// What runs, against whom, and what the peer does.
///
/// Without this section a script runs `connect` to the listening peer over IPv4.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Scenario {
    /// What runs.
    pub program: Program,
    /// Against whom. `listen` has the listening peer as its client.
    #[serde(skip_serializing_if = "is_default")]
    pub to: Party,
    /// Over which IP.
    #[serde(skip_serializing_if = "is_default")]
    pub ip: Ip,
    /// How much is sent: in all by `transfer` (64 KiB) and by the client of `listen` (nothing),
    /// in each datagram by `datagram` (32 bytes).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<Size>,
    /// Which way `transfer` sends.
    #[serde(skip_serializing_if = "is_default")]
    pub direction: Way,
    /// How many datagrams `datagram` sends, each after the answer to the one before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// Connects without blocking, then waits with select.
    #[serde(skip_serializing_if = "is_default")]
    pub nonblocking: bool,
    /// After `connect` there is a recv.
    #[serde(skip_serializing_if = "is_default")]
    pub receive: bool,
    /// How long nothing is done between the connection and what follows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle: Option<Time>,
    /// Documented or actual behaviour, in place of the configured one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<Profile>,
    /// The schedule of the attempt, in place of the configured one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timing: Option<Timing>,
    /// TCP_MAXRTMS: how long an attempt, and later a segment, may go unanswered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_rt: Option<Time>,
    /// Probes of an idle connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_alive: Option<KeepAlive>,
    /// SO_RCVTIMEO.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receive_timeout: Option<Time>,
    /// The peer begins to listen so long after the beginning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen_after: Option<Time>,
    /// The peer forgets a connection without a word, so long after it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forget_after: Option<Time>,
    /// The peer's program does not receive before so long after the connection was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_after: Option<Time>,
    /// After which the run is ended: 5 min in virtual time and 20 s in real time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<Time>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            program: Program::Connect,
            to: Party::Listening,
            ip: Ip::V4,
            bytes: None,
            direction: Way::Echo,
            count: None,
            nonblocking: false,
            receive: false,
            idle: None,
            profile: None,
            timing: None,
            max_rt: None,
            keep_alive: None,
            receive_timeout: None,
            listen_after: None,
            forget_after: None,
            read_after: None,
            limit: None,
        }
    }
}

/// What runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Program {
    /// WSAConnect.
    Connect,
    /// WSAConnect, then send, shutdown and recv, and every byte is compared.
    Transfer,
    /// bind, listen, accept; the peer connects, and what it sends is sent back.
    Listen,
    /// WSAConnect of a datagram socket; then send and recv, which the peer answers.
    Datagram,
    /// A program that uses the C library, with its arguments.
    Command(Vec<String>),
}

impl Program {
    /// Its name, or the command.
    pub fn name(&self) -> &str {
        match self {
            Self::Connect => "connect",
            Self::Transfer => "transfer",
            Self::Listen => "listen",
            Self::Datagram => "datagram",
            Self::Command(words) => words.first().map_or("", String::as_str),
        }
    }
}

impl<'de> Deserialize<'de> for Program {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Words;
        impl<'de> Visitor<'de> for Words {
            type Value = Program;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "\"connect\", \"transfer\", \"listen\", \"datagram\", or a command as \
                     [\"name\", \"argument\"]",
                )
            }
            fn visit_str<E: de::Error>(self, name: &str) -> Result<Program, E> {
                match name {
                    "connect" => Ok(Program::Connect),
                    "transfer" => Ok(Program::Transfer),
                    "listen" => Ok(Program::Listen),
                    "datagram" => Ok(Program::Datagram),
                    _ => Err(E::invalid_value(de::Unexpected::Str(name), &self)),
                }
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Program, A::Error> {
                let mut words = Vec::new();
                while let Some(word) = list.next_element()? {
                    words.push(word);
                }
                if words.is_empty() {
                    return Err(de::Error::invalid_length(0, &self));
                }
                Ok(Program::Command(words))
            }
        }
        deserializer.deserialize_any(Words)
    }
}

impl Serialize for Program {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Command(words) => words.serialize(serializer),
            named => serializer.serialize_str(named.name()),
        }
    }
}

/// Which way a transfer goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// There and back.
    #[default]
    Echo,
    /// To the peer.
    Up,
    /// From the peer.
    Down,
}

/// Whose codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// What is documented.
    Documented,
    /// What Windows does.
    Windows,
}

impl From<Profile> for ProfileChoice {
    fn from(profile: Profile) -> Self {
        match profile {
            Profile::Documented => Self::Documented,
            Profile::Windows => Self::Windows,
        }
    }
}

/// The schedule of a connection attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Timing {
    /// Windows 10: gives up after 21 s.
    Win10,
    /// Windows 7: gives up after 21 s, with fewer SYNs.
    Win7,
    /// RFC 6298: gives up after 123 s.
    Rfc6298,
    /// Gives up after 300 ms.
    Test,
}

impl From<Timing> for TimingChoice {
    fn from(timing: Timing) -> Self {
        match timing {
            Timing::Win10 => Self::Win10,
            Timing::Win7 => Self::Win7,
            Timing::Rfc6298 => Self::Rfc6298,
            Timing::Test => Self::Test,
        }
    }
}

/// Probes of an idle connection, in whole seconds as Winsock's options have them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct KeepAlive {
    /// Silence before the first.
    pub idle: Time,
    /// From one to the next.
    pub interval: Time,
    /// How many go unanswered before the connection is given up.
    pub count: u8,
}

/// The most bytes that a scenario sends: they are kept to be compared.
const MOST: usize = 256 << 20;
/// The longest datagram over IPv4.
const LONGEST_DATAGRAM: usize = 65507;

impl Scenario {
    /// Says what cannot be.
    ///
    /// # Errors
    /// One sentence about the first field that has no meaning.
    pub fn check(&self) -> Result<(), String> {
        let program = self.program.name();
        let is = |programs: &[Program]| programs.contains(&self.program);
        let streams = [Program::Connect, Program::Transfer, Program::Listen];
        let calls = [Program::Connect, Program::Transfer, Program::Datagram];
        let fields: [(&str, bool, &[Program]); 12] = [
            ("to", self.to != Party::Listening, &calls),
            (
                "bytes",
                self.bytes.is_some(),
                &[Program::Transfer, Program::Listen, Program::Datagram],
            ),
            ("direction", self.direction != Way::Echo, &[Program::Transfer]),
            ("count", self.count.is_some(), &[Program::Datagram]),
            ("nonblocking", self.nonblocking, &[Program::Connect, Program::Transfer]),
            ("receive", self.receive, &[Program::Connect]),
            ("max-rt", self.max_rt.is_some(), &[Program::Connect, Program::Transfer]),
            ("keep-alive", self.keep_alive.is_some(), &streams[..2]),
            ("listen-after", self.listen_after.is_some(), &calls),
            ("forget-after", self.forget_after.is_some(), &streams[..2]),
            ("read-after", self.read_after.is_some(), &[Program::Transfer]),
            ("idle", self.idle.is_some(), &calls),
        ];
        if let Some((field, ..)) = fields.iter().find(|(_, given, of)| *given && !is(of)) {
            return Err(format!("scenario: {field} has no meaning for program {program}"));
        }
        let bytes = self.bytes.map_or(0, |size| size.0);
        let most = if self.program == Program::Datagram { LONGEST_DATAGRAM } else { MOST };
        if bytes > most {
            return Err(format!("scenario: bytes is {bytes} but must be at most {most}"));
        }
        if self.program == Program::Transfer && self.bytes == Some(Size(0)) {
            return Err("scenario: bytes is 0, and a transfer of nothing shows nothing".into());
        }
        if self.count.is_some_and(|count| !(1..=100_000).contains(&count)) {
            return Err("scenario: count must be from 1 to 100000".into());
        }
        if let Some(probes) = self.keep_alive {
            for (field, time) in [("idle", probes.idle), ("interval", probes.interval)] {
                let micros = time.0.total_micros();
                if micros == 0 || !micros.is_multiple_of(1_000_000) {
                    return Err(format!(
                        "scenario: keep-alive.{field} is {time} but must be whole seconds"
                    ));
                }
            }
            if probes.count == 0 {
                return Err("scenario: keep-alive.count must be from 1 to 255".into());
            }
        }
        for (field, time) in [("max-rt", self.max_rt), ("receive-timeout", self.receive_timeout)] {
            if time.is_some_and(|time| time.0.total_millis() == 0) {
                return Err(format!("scenario: {field} must be at least 1 ms"));
            }
        }
        if self.limit.is_some_and(|limit| limit.0 == Duration::ZERO) {
            return Err("scenario: limit must be longer than nothing".into());
        }
        Ok(())
    }

    /// After which the run is ended on this medium.
    pub(super) fn limit(&self, medium: Medium) -> Duration {
        let usual = match medium {
            Medium::Simulated => Duration::from_secs(300),
            Medium::Tap => Duration::from_secs(20),
        };
        self.limit.map_or(usual, |limit| limit.0)
    }

    /// How many bytes are sent: in all, or in a datagram.
    pub(super) fn length(&self) -> usize {
        let usual = match self.program {
            Program::Transfer => 64 << 10,
            Program::Datagram => 32,
            Program::Connect | Program::Listen | Program::Command(_) => 0,
        };
        self.bytes.map_or(usual, |bytes| bytes.0)
    }

    /// In a few words, for lists.
    pub fn summary(&self) -> String {
        let ip = match self.ip {
            Ip::V4 => "IPv4",
            Ip::V6 => "IPv6",
        };
        let mut text = match &self.program {
            Program::Command(words) => format!("command {}", words.join(" ")),
            Program::Listen => format!("listen, {ip}"),
            named if self.to == Party::Listening => format!("{}, {ip}", named.name()),
            named => format!("{} to {}, {ip}", named.name(), self.to.name()),
        };
        if let Some(bytes) = self.bytes {
            text.push_str(&format!(", {bytes}"));
        }
        if self.profile == Some(Profile::Windows) {
            text.push_str(", as on Windows");
        }
        text
    }
}
