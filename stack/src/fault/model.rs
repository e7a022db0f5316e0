//! The link model: what a link does to all frames of a direction, in the words of tc-netem(8).
//!
//! It comes after the rules. The order is netem's: loss, duplication, corruption, the queue's
//! limit, then rate and delay, with reordering.

use smoltcp::time::{Duration, Instant};

use super::dist::{self, Distribution};
use crate::random::Random;

/// Bits in a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate(pub u64);

impl Rate {
    /// How long a frame of `length` bytes takes.
    pub fn time(self, length: usize) -> Duration {
        let bits = (length as u64).saturating_mul(8_000_000);
        Duration::from_micros(bits.div_ceil(self.0.max(1)))
    }
}

/// How long frames are held back.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Delay {
    /// On average.
    pub mean: Duration,
    /// How far it varies: the limit for [`Distribution::Uniform`], otherwise one standard
    /// deviation.
    pub jitter: Duration,
    /// How it varies.
    pub dist: Distribution,
    /// How much the random number of a frame depends on that of the one before, 0 to 1.
    pub correlation: f64,
}

impl Delay {
    /// Always the same.
    pub const fn fixed(mean: Duration) -> Self {
        Self { mean, jitter: Duration::ZERO, dist: Distribution::Uniform, correlation: 0.0 }
    }

    /// Around `mean`, evenly distributed up to `jitter` less and more.
    pub const fn uniform(mean: Duration, jitter: Duration) -> Self {
        Self { jitter, ..Self::fixed(mean) }
    }

    /// Whether it takes a random number.
    pub(super) fn is_random(&self) -> bool {
        self.jitter != Duration::ZERO
    }

    /// One value. `last` is the random number of the frame before and becomes that of this one.
    pub(super) fn sample(&self, random: &mut Random, last: &mut f64) -> Duration {
        if !self.is_random() {
            return self.mean;
        }
        let uniform = correlated(random.uniform(), self.correlation, last);
        let offset = self.jitter.total_micros() as f64 * dist::quantile(self.dist, uniform);
        // Saturates; a negative sum is no delay.
        Duration::from_micros((self.mean.total_micros() as f64 + offset) as u64)
    }
}

/// A number in 0..1 that depends on the one before, as in netem.
fn correlated(fresh: f64, correlation: f64, last: &mut f64) -> f64 {
    *last = fresh * (1.0 - correlation) + *last * correlation;
    *last
}

/// Which frames are lost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Loss {
    /// None.
    None,
    /// Each with this probability.
    Bernoulli {
        /// 0 to 1.
        prob: f64,
        /// How much one loss depends on the one before, 0 to 1.
        correlation: f64,
    },
    /// Bursts: a good and a bad state, each with a probability of loss of its own (E. N. Gilbert
    /// 1960, E. O. Elliott 1963). It begins in the good state.
    GilbertElliott {
        /// From good to bad, for each frame.
        p: f64,
        /// From bad to good, for each frame.
        r: f64,
        /// Probability of loss in the good state.
        good: f64,
        /// Probability of loss in the bad state.
        bad: f64,
    },
}

/// How much waits for the rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// As much as there are frames in the pool.
    None,
    /// So many bytes; what does not fit is lost (drop-tail). Without a rate nothing waits.
    Bytes(u32),
    /// So many frames, those that are delayed among them; what does not fit is lost (drop-tail).
    Packets(u32),
}

/// Which frames overtake those that are delayed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Overtaking {
    /// With which probability, 0 to 1.
    pub prob: f64,
    /// Only every frame of this number; 0 and 1 for any.
    pub gap: u32,
}

/// What a link does to the frames of one direction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Model {
    /// How fast.
    pub rate: Option<Rate>,
    /// How late.
    pub delay: Delay,
    /// Which frames are lost.
    pub loss: Loss,
    /// Which part of the frames arrives twice, 0 to 1.
    pub duplicate: f64,
    /// Which part of the frames has one bit turned over, 0 to 1.
    pub corrupt: f64,
    /// Which frames are not delayed.
    pub reorder: Option<Overtaking>,
    /// What waits for the rate.
    pub queue: Limit,
}

impl Model {
    /// A link that does nothing.
    pub const IDEAL: Self = Self {
        rate: None,
        delay: Delay::fixed(Duration::ZERO),
        loss: Loss::None,
        duplicate: 0.0,
        corrupt: 0.0,
        reorder: None,
        queue: Limit::None,
    };
}

/// What a link model decides by chance about one frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Chance {
    /// It is lost.
    pub lost: bool,
    /// It arrives twice.
    pub copied: bool,
    /// One of its bits is turned over.
    pub corrupt: bool,
    /// It is not delayed.
    pub overtakes: bool,
    /// Its copy is not delayed.
    pub copy_overtakes: bool,
}

/// One direction of a model, at work.
///
/// The random numbers of a frame follow from its number alone, so that what is decided about one
/// frame changes neither bits nor delays of another.
#[derive(Debug)]
pub(super) struct Lane {
    seed: u64,
    /// Frames so far.
    number: u64,
    bad: bool,
    last_loss: f64,
    last_delay: f64,
    counter: u32,
    busy_until: Instant,
}

/// What a model does to a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Carried {
    /// When it arrives; `None` when it is lost.
    pub(super) at: Option<Instant>,
    /// When its copy does.
    pub(super) copy: Option<Instant>,
    /// Which bit is turned over, as a random number.
    pub(super) corrupt: Option<u64>,
    /// It was lost to a full queue.
    pub(super) overflow: bool,
    /// What chance has decided, and about which frame.
    pub(super) chance: Chance,
    pub(super) number: u64,
}

impl Lane {
    pub(super) fn new(seed: u64, now: Instant) -> Self {
        Self {
            seed,
            number: 0,
            bad: false,
            last_loss: 0.0,
            last_delay: 0.0,
            counter: 0,
            busy_until: now,
        }
    }

    /// The number of the next frame.
    pub(super) fn next(&self) -> u64 {
        self.number + 1
    }

    /// Sends a frame of `length` bytes at `now`, with `waiting` frames before it. `forced` stands
    /// in for chance.
    pub(super) fn carry(
        &mut self,
        model: &Model,
        now: Instant,
        length: usize,
        waiting: usize,
        forced: Option<Chance>,
    ) -> Carried {
        self.number += 1;
        // All numbers are taken for every frame, whatever the model is and becomes of it.
        let mut random = Random::stream(self.seed, self.number);
        let lost = self.loses(model.loss, [random.uniform(), random.uniform()]);
        let copied = random.chance(model.duplicate);
        let corrupt = random.chance(model.corrupt);
        let bits = random.bits();
        let overtakes = [random.uniform(), random.uniform()];
        let delay = model.delay.sample(&mut random, &mut self.last_delay);
        // The next frame's depends on that of the frame, not on that of a copy.
        let copy_delay = model.delay.sample(&mut random, &mut self.last_delay.clone());
        let mut chance = Chance { lost, copied, corrupt, ..Chance::default() };
        if let Some(forced) = forced {
            chance = forced;
        }
        let mut carried = Carried {
            at: None,
            copy: None,
            corrupt: chance.corrupt.then_some(bits),
            overflow: false,
            chance,
            number: self.number,
        };
        if chance.lost {
            return carried;
        }
        let frame = Departing { now, length, waiting };
        if let Some(departure) = self.departs(model, &frame) {
            let overtakes = match forced {
                Some(forced) => forced.overtakes,
                None => self.overtakes(model, overtakes[0]),
            };
            carried.chance.overtakes = overtakes;
            carried.at = Some(if overtakes { departure } else { later(departure, delay) });
        }
        carried.overflow = carried.at.is_none();
        let frame = Departing { waiting: waiting + 1, ..frame };
        if chance.copied
            && carried.at.is_some()
            && let Some(departure) = self.departs(model, &frame)
        {
            let overtakes = match forced {
                Some(forced) => forced.copy_overtakes,
                None => self.overtakes(model, overtakes[1]),
            };
            carried.chance.copy_overtakes = overtakes;
            carried.copy = Some(if overtakes { departure } else { later(departure, copy_delay) });
        }
        carried
    }

    fn loses(&mut self, loss: Loss, chances: [f64; 2]) -> bool {
        match loss {
            Loss::None => false,
            Loss::Bernoulli { prob, correlation } => {
                correlated(chances[0], correlation, &mut self.last_loss) < prob
            }
            Loss::GilbertElliott { p, r, good, bad } => {
                let (change, lose) = if self.bad { (r, bad) } else { (p, good) };
                let (change, lose) = (chances[0] < change, chances[1] < lose);
                self.bad ^= change;
                lose
            }
        }
    }

    fn overtakes(&mut self, model: &Model, uniform: f64) -> bool {
        let Some(Overtaking { prob, gap }) = model.reorder else { return false };
        self.counter = self.counter.saturating_add(1);
        let overtakes = self.counter >= gap && uniform < prob;
        if overtakes {
            self.counter = 0;
        }
        overtakes
    }

    /// When a frame has left the queue; `None` when that had no room for it.
    fn departs(&mut self, model: &Model, frame: &Departing) -> Option<Instant> {
        let Departing { now, length, waiting } = *frame;
        let mut departure = now;
        if let Some(rate) = model.rate {
            if let Limit::Bytes(limit) = model.queue {
                let backlog = (self.busy_until.max(now) - now).total_micros();
                let bytes = u128::from(backlog) * u128::from(rate.0) / 8_000_000;
                if bytes + length as u128 > u128::from(limit) {
                    return None;
                }
            }
            departure = later(self.busy_until.max(now), rate.time(length));
        }
        if let Limit::Packets(limit) = model.queue
            && waiting >= limit as usize
        {
            return None;
        }
        self.busy_until = departure;
        Some(departure)
    }
}

/// A frame that comes to a queue.
struct Departing {
    now: Instant,
    length: usize,
    waiting: usize,
}

/// `instant + duration`, or the end of time.
pub(super) fn later(instant: Instant, duration: Duration) -> Instant {
    let duration = i64::try_from(duration.total_micros()).unwrap_or(i64::MAX);
    Instant::from_micros(instant.total_micros().saturating_add(duration))
}
