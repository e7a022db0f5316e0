//! Times and sizes as scripts write them.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tapsock_stack::time::Duration;

/// A length of time with its unit: `"200 ms"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub Duration);

/// A number of bytes: `1500`, or with a unit `"64 KiB"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub usize);

/// Units of time, in microseconds. The longest that divides a time shows it.
const TIMES: [(&str, u64); 5] =
    [("h", 3_600_000_000), ("min", 60_000_000), ("s", 1_000_000), ("ms", 1000), ("us", 1)];
/// Units of size, in bytes.
const SIZES: [(&str, u64); 6] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("MB", 1_000_000),
    ("kB", 1000),
    ("B", 1),
];

/// `"1.5 s"` in the smallest of `units`.
fn parse(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '_'))?;
    let (number, unit) = text.split_at(end);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim_start())?;
    let number = number.replace('_', "");
    let (whole, part) = number.split_once('.').unwrap_or((&number, ""));
    let whole = whole.parse::<u64>().ok()?.checked_mul(*factor)?;
    if part.is_empty() {
        return (!number.ends_with('.')).then_some(whole);
    }
    if part.len() > 9 {
        return None;
    }
    let scale = 10_u64.pow(part.len() as u32);
    let part = part.parse::<u64>().ok()?.checked_mul(*factor)?;
    // Nothing smaller than the smallest unit is lost silently.
    if part % scale != 0 {
        return None;
    }
    whole.checked_add(part / scale)
}

fn show(value: u64, units: &[(&str, u64)], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let fits = |factor: u64| value != 0 && value.is_multiple_of(factor);
    let (unit, factor) = units.iter().find(|(_, factor)| fits(*factor)).unwrap_or(&("s", 1));
    write!(f, "{} {unit}", value / factor)
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(self.0.total_micros(), &TIMES, f)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 { f.write_str("0 B") } else { show(self.0 as u64, &SIZES, f) }
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Time;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a time with its unit (us, ms, s, min, h), such as \"200 ms\"")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Time, E> {
                let micros = parse(text, &TIMES);
                let wrong = || E::invalid_value(serde::de::Unexpected::Str(text), &self);
                micros.map(|micros| Time(Duration::from_micros(micros))).ok_or_else(wrong)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Size;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of bytes, such as 1500 or \"64 KiB\"")
            }
            fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Size, E> {
                let wrong = |_| E::invalid_value(serde::de::Unexpected::Signed(number), &self);
                usize::try_from(number).map(Size).map_err(wrong)
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Size, E> {
                let bytes = parse(text, &SIZES).and_then(|bytes| usize::try_from(bytes).ok());
                let wrong = || E::invalid_value(serde::de::Unexpected::Str(text), &self);
                bytes.map(Size).ok_or_else(wrong)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_need_a_unit_and_sizes_may_have_one() {
        let time = |text| parse(text, &TIMES);
        assert_eq!(time("200 ms"), Some(200_000));
        assert_eq!(time("1.5s"), Some(1_500_000));
        assert_eq!(time("2 min"), Some(120_000_000));
        for wrong in ["200", "", "ms", "1,5 s", "-1 s", "1. s", "0.5 us", "1 S", "99999999999999 h"]
        {
            assert_eq!(time(wrong), None, "{wrong}");
        }
        assert_eq!(parse("64 KiB", &SIZES), Some(65536));
        assert_eq!(parse("1_000 B", &SIZES), Some(1000));
    }

    #[test]
    fn what_is_shown_is_read_again() {
        for micros in [1, 999, 1000, 1_500_000, 60_000_000, 90_000_000, 7_200_000_000] {
            let text = Time(Duration::from_micros(micros)).to_string();
            assert_eq!(parse(&text, &TIMES), Some(micros), "{text}");
        }
        for bytes in [1, 1000, 1024, 1500, 1 << 20] {
            let text = Size(bytes).to_string();
            assert_eq!(parse(&text, &SIZES), Some(bytes as u64), "{text}");
        }
        assert_eq!(Time(Duration::ZERO).to_string(), "0 s");
        assert_eq!(Size(0).to_string(), "0 B");
    }
}
