//! The TOML file: every name once, as a text, a number, or a list of them.

use std::fmt;
use std::string::{String, ToString};
use std::vec::Vec;

use serde::Deserialize;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use toml::Spanned;

use super::source::{ConfigError, Given, Origin, Setting};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    link: Option<Spanned<Values>>,
    address: Option<Spanned<Values>>,
    gateway: Option<Spanned<Values>>,
    route: Option<Spanned<Values>>,
    mac: Option<Spanned<Values>>,
    mtu: Option<Spanned<Values>>,
    offload: Option<Spanned<Values>>,
    spin: Option<Spanned<Values>>,
    dns: Option<Spanned<Values>>,
    profile: Option<Spanned<Values>>,
    timing: Option<Spanned<Values>>,
    seed: Option<Spanned<Values>>,
    capture: Option<Spanned<Values>>,
    faults: Option<Spanned<Values>>,
    fault: Option<Spanned<Values>>,
    events: Option<Spanned<Values>>,
    control: Option<Spanned<Values>>,
}

/// One value or several, as texts.
struct Values(Vec<String>);

impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Texts;

        impl<'de> Visitor<'de> for Texts {
            type Value = Values;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, a whole number, or a list of these")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Values, E> {
                Ok(Values(Vec::from([text.to_string()])))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Values, E> {
                Ok(Values(Vec::from([number.to_string()])))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Values, E> {
                Ok(Values(Vec::from([number.to_string()])))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Values, A::Error> {
                let mut texts = Vec::new();
                while let Some(Values(more)) = list.next_element()? {
                    texts.extend(more);
                }
                Ok(Values(texts))
            }
        }

        deserializer.deserialize_any(Texts)
    }
}

/// Reads `text`, the contents of the file called `name` in messages.
pub(super) fn read(name: &str, text: &str) -> Result<Given, ConfigError> {
    let line_of = |at: usize| 1 + text.bytes().take(at).filter(|&byte| byte == b'\n').count();
    let file: File = toml::from_str(text).map_err(|error| ConfigError::File {
        file: name.to_string(),
        line: line_of(error.span().map_or(0, |span| span.start)),
        // Only the first line: the others draw the place, which the line number says already.
        why: error.message().lines().collect::<Vec<_>>().join(", "),
    })?;

    let File {
        link,
        address,
        gateway,
        route,
        mac,
        mtu,
        offload,
        spin,
        dns,
        profile,
        timing,
        seed,
        capture,
        faults,
        fault,
        events,
        control,
    } = file;
    let mut given = Given::new();
    for (setting, values) in [
        (Setting::Link, link),
        (Setting::Address, address),
        (Setting::Gateway, gateway),
        (Setting::Route, route),
        (Setting::Mac, mac),
        (Setting::Mtu, mtu),
        (Setting::Offload, offload),
        (Setting::Spin, spin),
        (Setting::Dns, dns),
        (Setting::Profile, profile),
        (Setting::Timing, timing),
        (Setting::Seed, seed),
        (Setting::Capture, capture),
        (Setting::Faults, faults),
        (Setting::Fault, fault),
        (Setting::Events, events),
        (Setting::Control, control),
    ] {
        if let Some(values) = values {
            let line = line_of(values.span().start);
            let origin = Origin::File { name: name.to_string(), line };
            given.set(setting, values.into_inner().0, origin);
        }
    }
    Ok(given)
}
