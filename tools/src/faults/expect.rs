//! `[expect]`: what must come of a run.

use std::fmt;

use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tapsock_stack::event::{Cause, Evidence};
use tapsock_stack::tcp::TcpInfo;
use tapsock_stack::time::Duration;
use wsa::Error;

use super::run::Run;
use super::units::{Size, Time};
use crate::output::seconds;

/// What must come of a run. What is not said may be anything.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Expect {
    /// How it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<Ending>,
    /// Which call ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    /// What the cause is: `packet`, `silence`, `route` or `local`, or texts that it contains.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<Texts>,
    /// At most so long after the first call that the network has to do with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within: Option<Time>,
    /// At least so long after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Time>,
    /// How many bytes the program has received.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub received: Option<Size>,
    /// How many segments were answered by a challenge ACK (RFC 5961).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub challenges: Option<u64>,
    /// What the connection's numbers must be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tcp: Option<Tcp>,
}

/// Numbers of the connection when the run ends. All but the MSS may be greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Tcp {
    /// The largest payload of a segment to the peer, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mss: Option<u16>,
    /// The shortest round-trip time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_rtt: Option<Time>,
    /// Bytes sent again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retransmitted: Option<Size>,
    /// Bytes that arrived before something that was sent earlier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reordered: Option<Size>,
    /// Segments sent again because of duplicate acknowledgments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fast_retransmits: Option<u32>,
    /// Times that the retransmission timer ran out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeouts: Option<u32>,
    /// Duplicate acknowledgments received.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duplicate_acks: Option<u32>,
    /// SYNs sent again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub syn_retransmits: Option<u32>,
}

impl Tcp {
    /// What does not hold, each in a sentence.
    fn judge(&self, info: Option<&TcpInfo>) -> Vec<String> {
        let Self {
            mss,
            min_rtt,
            retransmitted,
            reordered,
            fast_retransmits,
            timeouts,
            duplicate_acks,
            syn_retransmits,
        } = *self;
        let Some(info) = info else {
            return vec!["tcp: there is no connection that could be asked".into()];
        };
        let mut failures = Vec::new();
        if let Some(due) = mss.filter(|due| *due != info.mss) {
            failures.push(format!("tcp: the MSS is {}, {due} is due", info.mss));
        }
        let rtt = info.min_rtt.map_or(0, |rtt| rtt.total_micros());
        if let Some(due) = min_rtt.filter(|due| due.0.total_micros() > rtt) {
            let rtt = Time(Duration::from_micros(rtt));
            failures.push(format!("tcp: the shortest round trip took {rtt}, {due} is due"));
        }
        let bytes = |due: Option<Size>| due.map(|due| due.0 as u64);
        let least = [
            ("bytes sent again", bytes(retransmitted), info.bytes_retransmitted),
            ("bytes received out of order", bytes(reordered), info.bytes_reordered),
            ("fast retransmits", fast_retransmits.map(u64::from), info.fast_retransmits.into()),
            ("retransmission time-outs", timeouts.map(u64::from), info.timeout_episodes.into()),
            ("duplicate ACKs", duplicate_acks.map(u64::from), info.duplicate_acks.into()),
            ("SYNs sent again", syn_retransmits.map(u64::from), info.syn_retransmits.into()),
        ];
        for (what, due, was) in least {
            if let Some(due) = due.filter(|due| *due > was) {
                failures.push(format!("tcp: {was} {what}, at least {due} are due"));
            }
        }
        failures
    }
}

/// How a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The connection was made.
    Connected,
    /// All bytes arrived as they were sent.
    Delivered,
    /// A connection was accepted, and as many bytes as its client sent were sent back.
    Accepted,
    /// All datagrams were answered, or recv has given bytes.
    Received,
    /// As many bytes arrived as were sent, but not the same.
    Differs,
    /// The peer closed its side before everything had arrived.
    Closed,
    /// A call had not come back when the run was ended.
    Blocked,
    /// A call failed with this code.
    Code(Error),
    /// A command ended with this status: 0 for success.
    Exited(u8),
}

impl Ending {
    const WORDS: [(&'static str, Self); 7] = [
        ("connected", Self::Connected),
        ("delivered", Self::Delivered),
        ("accepted", Self::Accepted),
        ("received", Self::Received),
        ("differs", Self::Differs),
        ("closed", Self::Closed),
        ("blocked", Self::Blocked),
    ];

    /// The word, or the name of the code.
    pub fn name(self) -> &'static str {
        match self {
            Self::Code(error) => error.name(),
            Self::Exited(_) => "exited",
            other => {
                Self::WORDS.iter().find(|(_, ending)| *ending == other).map_or("", |(word, _)| word)
            }
        }
    }

    /// The ending that is called so.
    pub fn named(name: &str) -> Option<Self> {
        let word = Self::WORDS.iter().find(|(word, _)| *word == name).map(|(_, ending)| *ending);
        let exit = name.strip_prefix("exit ").and_then(|status| status.parse().ok());
        let word = word.or(exit.map(Self::Exited));
        let code = || Error::ALL.iter().find(|error| error.name() == name);
        word.or_else(|| code().map(|error| Self::Code(*error)))
    }

    /// The Winsock code; 0 for one that is no failure of a call.
    pub fn code(self) -> i32 {
        match self {
            Self::Code(error) => error.code(),
            _ => 0,
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(status) => f.pad(&format!("exit {status}")),
            other => f.pad(other.name()),
        }
    }
}

impl<'de> Deserialize<'de> for Ending {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Word;
        impl Visitor<'_> for Word {
            type Value = Ending;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "connected, delivered, accepted, received, differs, closed, blocked, a \
                     Winsock code such as WSAETIMEDOUT, or for a command exit 0",
                )
            }
            fn visit_str<E: de::Error>(self, name: &str) -> Result<Ending, E> {
                let wrong = || E::invalid_value(de::Unexpected::Str(name), &self);
                Ending::named(name).ok_or_else(wrong)
            }
        }
        deserializer.deserialize_str(Word)
    }
}

impl Serialize for Ending {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One text, or several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Texts(pub Vec<String>);

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Texts;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a list of texts")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Texts, E> {
                Ok(Texts(vec![text.to_string()]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Texts, A::Error> {
                let mut texts = Vec::new();
                while let Some(text) = list.next_element()? {
                    texts.push(text);
                }
                Ok(Texts(texts))
            }
        }
        deserializer.deserialize_any(List)
    }
}

impl Serialize for Texts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0[..] {
            [one] => one.serialize(serializer),
            several => several.serialize(serializer),
        }
    }
}

/// What kind of evidence it is, in the words of scripts.
fn kind(cause: &Cause) -> &'static str {
    match cause.evidence {
        Evidence::Packet(_) => "packet",
        Evidence::Silence(_) => "silence",
        Evidence::NoRoute(_) => "route",
        Evidence::Local(_) => "local",
    }
}

const KINDS: [&str; 4] = ["packet", "silence", "route", "local"];

impl Expect {
    /// Says what cannot be.
    ///
    /// # Errors
    /// One sentence.
    pub fn check(&self) -> Result<(), String> {
        match (self.not_before, self.within) {
            (Some(least), Some(most)) if least > most => {
                Err(format!("expect: not-before is {least}, which is after within, {most}"))
            }
            _ => Ok(()),
        }
    }

    /// What does not hold, each in a sentence. Empty when all does.
    pub fn judge(&self, run: &Run) -> Vec<String> {
        let Self { result, call, cause, within, not_before, received, challenges, tcp } = self;
        let mut failures = Vec::new();
        if let Some(due) = result.filter(|due| *due != run.ending) {
            failures.push(format!("{due} is due, but the result is {}", run.outcome()));
        }
        if let Some(due) = call.as_deref().filter(|due| *due != run.call) {
            failures.push(format!("{due} is to decide it, but {} did", run.call));
        }
        for text in cause.iter().flat_map(|texts| &texts.0) {
            let holds = match &run.cause {
                Some(cause) if KINDS.contains(&text.as_str()) => kind(cause) == text,
                Some(cause) => cause.to_string().contains(text),
                None => false,
            };
            if !holds {
                let told = run.cause.map_or("there is none".into(), |cause| cause.to_string());
                failures.push(format!("the cause must be or contain \"{text}\", but: {told}"));
            }
        }
        let took = seconds(run.took.total_micros() as i64);
        if let Some(most) = within.filter(|most| run.took > most.0) {
            failures.push(format!("it took {took}, and must take at most {most}"));
        }
        if let Some(least) = not_before.filter(|least| run.took < least.0) {
            failures.push(format!("it took {took}, and must take at least {least}"));
        }
        if let Some(due) = received.filter(|due| due.0 != run.received) {
            failures.push(format!("{} bytes were received, {} are due", run.received, due.0));
        }
        if let Some(due) = challenges.filter(|due| *due != run.challenges) {
            failures.push(format!("{} challenge ACKs were sent, {due} are due", run.challenges));
        }
        failures.extend(tcp.iter().flat_map(|tcp| tcp.judge(run.tcp.as_ref())));
        failures
    }

    /// In a few words, for lists.
    pub fn summary(&self) -> String {
        let mut parts = Vec::new();
        if let Some(result) = self.result {
            parts.push(result.to_string());
        }
        if let Some(call) = &self.call {
            parts.push(format!("by {call}"));
        }
        if let Some(texts) = &self.cause {
            parts.push(format!("cause {}", texts.0.join(" and ")));
        }
        if let Some(least) = self.not_before {
            parts.push(format!("after {least}"));
        }
        if let Some(most) = self.within {
            parts.push(format!("within {most}"));
        }
        if let Some(size) = self.received {
            parts.push(format!("{size} received"));
        }
        if let Some(count) = self.challenges {
            parts.push(format!("{count} challenge ACKs"));
        }
        if self.tcp.is_some() {
            parts.push("numbers of the connection".into());
        }
        if parts.is_empty() { "nothing".into() } else { parts.join(", ") }
    }
}
