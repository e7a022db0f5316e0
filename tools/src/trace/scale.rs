//! Axes: where a value lies, and at which values a line is drawn.

/// Maps an interval of values to one of coordinates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scale {
    from: f64,
    to: f64,
    first: f64,
    last: f64,
}

impl Scale {
    /// `from..to` to `first..last`. An empty interval becomes a small one.
    pub(super) fn new(from: f64, to: f64, first: f64, last: f64) -> Self {
        let to = if to > from { to } else { from + 1.0 };
        Self { from, to, first, last }
    }

    /// The coordinate of a value.
    pub(super) fn place(&self, value: f64) -> f64 {
        let part = (value - self.from) / (self.to - self.from);
        self.first + part * (self.last - self.first)
    }

    /// The coordinate of a value, or the nearer end of the axis.
    pub(super) fn clamped(&self, value: f64) -> f64 {
        self.place(value.clamp(self.from, self.to))
    }

    /// At most about `most` round values, at least `least` apart.
    pub(super) fn ticks(&self, most: f64, least: f64) -> Ticks {
        let step = round_step((self.to - self.from) / most.max(1.0)).max(least);
        let first = (self.from / step).ceil() as i64;
        let last = (self.to / step).floor() as i64;
        Ticks { step, next: first, last: last.min(first.saturating_add(100)) }
    }
}

/// The next larger of 1, 2 and 5 times a power of ten.
fn round_step(least: f64) -> f64 {
    let power = 10f64.powf(least.max(f64::MIN_POSITIVE).log10().floor());
    [1.0, 2.0, 5.0]
        .into_iter()
        .map(|times| times * power)
        .find(|&step| step >= least * 0.999_999)
        .unwrap_or(10.0 * power)
}

/// Round values in ascending order.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ticks {
    /// How far they are apart.
    pub step: f64,
    next: i64,
    last: i64,
}

impl Iterator for Ticks {
    type Item = f64;

    fn next(&mut self) -> Option<f64> {
        if self.next > self.last {
            return None;
        }
        let value = self.next as f64 * self.step;
        self.next += 1;
        Some(value)
    }
}

/// A whole number in groups of three digits.
pub(super) fn grouped(number: i128) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::new();
    if number < 0 {
        text.push('-');
    }
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A duration in nanoseconds, in the unit that makes it short.
pub(super) fn short_time(nanos: i64) -> String {
    let seconds = nanos as f64 / 1e9;
    match nanos.unsigned_abs() {
        0..1_000 => format!("{nanos} ns"),
        1_000..999_500 => format!("{} us", rounded(seconds * 1e6)),
        999_500..999_500_000 => format!("{} ms", rounded(seconds * 1e3)),
        _ => format!("{} s", rounded(seconds)),
    }
}

/// Two decimals below 10, one below 100; zeros at the end only where there is one place.
fn rounded(value: f64) -> String {
    match value.abs() {
        below if below < 9.995 => {
            let text = format!("{value:.2}");
            text.strip_suffix('0').unwrap_or(&text).to_string()
        }
        below if below < 99.95 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

/// A number of things: "1 segment", "2 segments".
pub(super) fn counted(number: u64, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {thing}{plural}", grouped(number.into()))
}

/// An amount of bytes, in the unit that makes it short.
pub(super) fn short_bytes(bytes: u64) -> String {
    match bytes {
        0..10_000 => counted(bytes, "byte"),
        10_000..10_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}
