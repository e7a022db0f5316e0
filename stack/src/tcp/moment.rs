//! An instant that may be absent, in the room of an instant: a connection has several.

use smoltcp::time::Instant;

/// An instant, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment(i64);

impl Moment {
    /// No instant. Nothing happens so long before the beginning of a clock.
    pub(crate) const NONE: Self = Self(i64::MIN);

    pub(crate) fn get(self) -> Option<Instant> {
        (self != Self::NONE).then(|| Instant::from_micros(self.0))
    }

    pub(crate) fn is_some(self) -> bool {
        self != Self::NONE
    }
}

impl Default for Moment {
    fn default() -> Self {
        Self::NONE
    }
}

impl From<Instant> for Moment {
    fn from(at: Instant) -> Self {
        Self(at.total_micros())
    }
}

impl From<Option<Instant>> for Moment {
    fn from(at: Option<Instant>) -> Self {
        at.map_or(Self::NONE, Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_stays_what_it_is_and_none_stays_none() {
        for micros in [i64::MIN + 1, -1, 0, 1, i64::MAX] {
            let at = Instant::from_micros(micros);
            assert_eq!(Moment::from(at).get(), Some(at));
        }
        assert_eq!(Moment::from(None).get(), None);
        assert_eq!(Moment::default(), Moment::NONE);
    }
}
