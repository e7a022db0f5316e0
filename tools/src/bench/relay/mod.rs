//! A relay between two ends, the same for every stack: a rate, a delay, a queue that is full some
//! time, and losses that follow from the seed.
//!
//! [`Relay`] is what frames meet on their way, with the time as an argument. [`End`] is an end of
//! it for a stack in virtual time; [`Live`] carries frames between two links by the clock, of which
//! a [`Port`] is each.

mod ends;
mod live;
#[cfg(test)]
mod tests;
mod wire;

use std::collections::VecDeque;

use tapsock_stack::sim::Random;
use tapsock_stack::time::{Duration, Instant};

pub(super) use self::ends::End;
pub(super) use self::live::{Live, Port};
pub(super) use self::wire::Wire;

/// The largest IP packet in a frame.
pub(super) const MTU: usize = 1500;
const HEADER: usize = 14;

/// What a frame meets on its way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Conditions {
    /// Bits in a second.
    pub(super) rate: f64,
    /// There and back, without the time that the rate takes.
    pub(super) round_trip: Duration,
    /// The part of the frames that are lost, in either direction.
    pub(super) loss: f64,
    /// The most bytes that wait for their turn in a direction.
    pub(super) queue: usize,
}

/// What became of the frames that an end has sent. Those that are in none of the other numbers have
/// arrived, or are on their way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Fates {
    /// All of them.
    pub(super) sent: u64,
    /// Lost by chance.
    pub(super) lost: u64,
    /// Lost because the queue was full.
    pub(super) crowded: u64,
    /// Not taken by the link to the other end.
    pub(super) refused: u64,
}

/// One direction.
struct Lane {
    random: Random,
    /// Frames on the way, with the time of their arrival, in order.
    flying: VecDeque<(Instant, Vec<u8>)>,
    /// When the last bit of the frames so far has left, in microseconds.
    busy_until: f64,
    fates: Fates,
}

/// Both directions. The lane of a side is what it sends.
pub(super) struct Relay {
    conditions: Conditions,
    lanes: [Lane; 2],
}

impl Relay {
    fn new(conditions: Conditions, seed: u64) -> Self {
        let lanes = [0, 1].map(|number| Lane {
            random: Random::stream(seed, number),
            flying: VecDeque::new(),
            busy_until: 0.0,
            fates: Fates::default(),
        });
        Self { conditions, lanes }
    }

    /// Takes a frame that `side` sends.
    fn send(&mut self, now: Instant, side: usize, frame: Vec<u8>) {
        let Conditions { rate, round_trip, loss, queue } = self.conditions;
        let Some(lane) = self.lanes.get_mut(side) else { return };
        lane.fates.sent += 1;
        // Drawn for every frame, so that what is full does not change whose turn it is.
        let lost = lane.random.chance(loss);
        let now = now.total_micros() as f64;
        let begins = lane.busy_until.max(now);
        let waiting = (begins - now) * 1e-6 * rate / 8.0;
        if waiting > queue as f64 {
            lane.fates.crowded += 1;
            return;
        }
        lane.busy_until = begins + frame.len() as f64 * 8e6 / rate;
        if lost {
            lane.fates.lost += 1;
            return;
        }
        let arrives = lane.busy_until + round_trip.total_micros() as f64 / 2.0;
        lane.flying.push_back((Instant::from_micros(arrives.ceil() as i64), frame));
    }

    /// When the next frame arrives at `side`.
    fn arrival(&self, side: usize) -> Option<Instant> {
        self.lanes.get(1 - side)?.flying.front().map(|(at, _)| *at)
    }

    /// The next frame that has arrived at `side` by now.
    fn take(&mut self, now: Instant, side: usize) -> Option<Vec<u8>> {
        let flying = &mut self.lanes.get_mut(1 - side)?.flying;
        if flying.front()?.0 > now {
            return None;
        }
        flying.pop_front().map(|(_, frame)| frame)
    }

    /// The link at `side` did not take what has arrived there.
    fn refuse(&mut self, side: usize) {
        if let Some(lane) = self.lanes.get_mut(1 - side) {
            lane.fates.refused += 1;
        }
    }

    /// Of the frames of each side.
    fn fates(&self) -> [Fates; 2] {
        self.lanes.each_ref().map(|lane| lane.fates)
    }
}
