//! Cables: what happens to a frame between a party and the switch.

use alloc::boxed::Box;
use alloc::vec::Vec;

use smoltcp::time::{Duration, Instant};

use crate::link::Direction;
use crate::random::Random;

/// How a cable treats frames, the same way in both directions.
///
/// A frame from one party to another passes two cables, so delays add up, and two lossy cables
/// lose more than one. Probabilities are between 0 and 1 and are decided for each frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Conditions {
    /// How long every frame takes. At least a microsecond is taken in any case, so that virtual
    /// time moves even where frames run in circles.
    pub delay: Duration,
    /// Up to this much is added, evenly distributed. Frames stay in order.
    pub jitter: Duration,
    /// How many bits pass in a second; `None` for no limit.
    pub rate: Option<u64>,
    /// The part of the frames that are lost.
    pub loss: f64,
    /// The part of the frames that arrive twice.
    pub duplicate: f64,
    /// The part of the frames that are held back by [`Conditions::reorder_by`], so that later
    /// ones overtake them.
    pub reorder: f64,
    /// How long a frame that is to be overtaken is held back.
    pub reorder_by: Duration,
    /// The most frames that are in one direction of the cable at a time; further ones are lost.
    pub capacity: usize,
    /// The largest IP packet in a frame, in bytes; at most 65535.
    pub mtu: usize,
}

impl Conditions {
    /// 50 us of delay, nothing lost, an MTU of 1500.
    pub const GOOD: Self = Self {
        delay: Duration::from_micros(50),
        jitter: Duration::ZERO,
        rate: None,
        loss: 0.0,
        duplicate: 0.0,
        reorder: 0.0,
        reorder_by: Duration::from_millis(2),
        capacity: 4096,
        mtu: 1500,
    };

    pub(super) fn within_bounds(mut self) -> Self {
        self.mtu = self.mtu.min(65535);
        self
    }
}

impl Default for Conditions {
    fn default() -> Self {
        Self::GOOD
    }
}

/// What a filter decides about a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on.
    Pass,
    /// It is lost.
    Drop,
    /// It goes on after this much time.
    Delay(Duration),
    /// This frame goes on in its place.
    Replace(Vec<u8>),
    /// It goes on twice.
    Duplicate,
}

/// Looks at every frame of a cable, at the end where the party is. No lock is held meanwhile, but
/// of that party's stack: the filter may ask the world for the time and give it actors.
pub type Filter = Box<dyn FnMut(&[u8], Direction) -> Verdict + Send>;

/// What became of the frames of one direction of a cable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CableCounters {
    /// Frames that entered.
    pub entered: u64,
    /// Frames that came out, copies included.
    pub arrived: u64,
    /// Lost by chance.
    pub lost: u64,
    /// Copies made by chance.
    pub duplicated: u64,
    /// Held back by chance.
    pub reordered: u64,
    /// Lost because the cable was full.
    pub overflowed: u64,
    /// Lost because they were larger than the MTU and an Ethernet header.
    pub oversized: u64,
    /// Dropped by the filter.
    pub filtered: u64,
    /// Lost because the cable was unplugged while they were on it.
    pub unplugged: u64,
}

/// One direction of a cable.
#[derive(Debug)]
pub(super) struct Lane {
    random: Random,
    /// Frames on the way or waiting to be taken.
    pub(super) inside: usize,
    /// When the last bit that was sent has left the sender.
    busy_until: Instant,
    /// When the last frame in order arrives; none in order arrives earlier.
    last_arrival: Instant,
    pub(super) counters: CableCounters,
}

impl Lane {
    pub(super) fn new(random: Random) -> Self {
        Self {
            random,
            inside: 0,
            busy_until: Instant::ZERO,
            last_arrival: Instant::ZERO,
            counters: CableCounters::default(),
        }
    }

    /// When the copies of a frame of `length` bytes, which enters at `now` or after the time that
    /// a filter holds it back, arrive. Counts them as inside.
    pub(super) fn enter(
        &mut self,
        now: Instant,
        held: Duration,
        conditions: &Conditions,
        length: usize,
    ) -> [Option<Instant>; 2] {
        self.counters.entered += 1;

        // Every number is drawn for every frame: see `Random::chance`.
        let lost = self.random.chance(conditions.loss);
        let duplicated = self.random.chance(conditions.duplicate);
        let reordered = self.random.chance(conditions.reorder);
        let jitter = self.random.below(conditions.jitter.total_micros().saturating_add(1));

        // An Ethernet header, and room for one VLAN tag.
        if length > conditions.mtu + 14 + 4 {
            self.counters.oversized += 1;
            return [None, None];
        }
        if self.inside >= conditions.capacity {
            self.counters.overflowed += 1;
            return [None, None];
        }

        let mut departure = now;
        if let Some(rate) = conditions.rate {
            let bits = (length as u64).saturating_mul(8_000_000);
            let duration = Duration::from_micros(bits.div_ceil(rate.max(1)));
            departure = plus(self.busy_until.max(now), duration);
            self.busy_until = departure;
        }
        // Lost after it took its time on the cable.
        if lost {
            self.counters.lost += 1;
            return [None, None];
        }

        let least = Duration::from_micros(1);
        let mut arrival = plus(departure, conditions.delay.max(least));
        arrival = plus(plus(arrival, Duration::from_micros(jitter)), held);
        if reordered {
            self.counters.reordered += 1;
            arrival = plus(arrival, conditions.reorder_by);
        } else if held == Duration::ZERO {
            arrival = arrival.max(self.last_arrival);
            self.last_arrival = arrival;
        }
        self.inside += 1;
        let copy = duplicated && self.inside < conditions.capacity;
        if copy {
            self.counters.duplicated += 1;
            self.inside += 1;
        }
        [Some(arrival), copy.then_some(arrival)]
    }
}

/// `instant + duration`, or the end of time.
pub(super) fn plus(instant: Instant, duration: Duration) -> Instant {
    let duration = i64::try_from(duration.total_micros()).unwrap_or(i64::MAX);
    Instant::from_micros(instant.total_micros().saturating_add(duration))
}
