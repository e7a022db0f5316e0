//! A relay between two ends in virtual time, the same for every stack: a rate, a delay, a queue
//! that is full some time, and losses that follow from the seed.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use tapsock_stack::link::{Link, LinkError};
use tapsock_stack::sim::Random;
use tapsock_stack::time::{Duration, Instant};

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

/// One direction.
struct Lane {
    random: Random,
    /// Frames on the way, with the time of their arrival, in order.
    flying: VecDeque<(Instant, Vec<u8>)>,
    /// When the last bit of the frames so far has left, in microseconds.
    busy_until: f64,
}

/// Both directions.
pub(super) struct Relay {
    conditions: Conditions,
    lanes: [Lane; 2],
}

/// One of the two ends. Clones are the same end.
#[derive(Clone)]
pub(super) struct End {
    relay: Rc<RefCell<Relay>>,
    side: usize,
}

impl Relay {
    /// The two ends of a new one.
    pub(super) fn ends(conditions: Conditions, seed: u64) -> [End; 2] {
        let lanes = [0, 1].map(|number| Lane {
            random: Random::stream(seed, number),
            flying: VecDeque::new(),
            busy_until: 0.0,
        });
        let relay = Rc::new(RefCell::new(Self { conditions, lanes }));
        [0, 1].map(|side| End { relay: Rc::clone(&relay), side })
    }

    fn enter(&mut self, now: Instant, lane: usize, frame: Vec<u8>) {
        let Conditions { rate, round_trip, loss, queue } = self.conditions;
        let Some(lane) = self.lanes.get_mut(lane) else { return };
        // Drawn for every frame, so that what is full does not change whose turn it is.
        let lost = lane.random.chance(loss);
        let now = now.total_micros() as f64;
        let begins = lane.busy_until.max(now);
        let waiting = (begins - now) * 1e-6 * rate / 8.0;
        if waiting > queue as f64 {
            return;
        }
        lane.busy_until = begins + frame.len() as f64 * 8e6 / rate;
        if !lost {
            let arrives = lane.busy_until + round_trip.total_micros() as f64 / 2.0;
            lane.flying.push_back((Instant::from_micros(arrives.ceil() as i64), frame));
        }
    }
}

impl End {
    /// When the next frame arrives here.
    pub(super) fn arrival(&self) -> Option<Instant> {
        let relay = self.relay.borrow();
        relay.lanes.get(1 - self.side)?.flying.front().map(|(at, _)| *at)
    }

    fn take(&self, now: Instant) -> Option<Vec<u8>> {
        let mut relay = self.relay.borrow_mut();
        let flying = &mut relay.lanes.get_mut(1 - self.side)?.flying;
        if flying.front()?.0 > now {
            return None;
        }
        flying.pop_front().map(|(_, frame)| frame)
    }

    fn send(&self, now: Instant, frame: Vec<u8>) {
        self.relay.borrow_mut().enter(now, self.side, frame);
    }
}

impl Link for End {
    fn mtu(&self) -> usize {
        MTU
    }

    fn is_up(&self) -> bool {
        true
    }

    fn receive(&mut self, now: Instant, buffer: &mut [u8]) -> Result<Option<usize>, LinkError> {
        let Some(frame) = self.take(now) else { return Ok(None) };
        let length = frame.len().min(buffer.len());
        buffer[..length].copy_from_slice(&frame[..length]);
        Ok(Some(length))
    }

    fn transmit(&mut self, now: Instant, frame: &[u8]) -> Result<(), LinkError> {
        self.send(now, frame.to_vec());
        Ok(())
    }
}

impl Device for End {
    type RxToken<'a> = Arrived;
    type TxToken<'a> = Departing;

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        (capabilities.medium, capabilities.max_transmission_unit) =
            (Medium::Ethernet, MTU + HEADER);
        capabilities
    }

    fn receive(&mut self, now: Instant) -> Option<(Arrived, Departing)> {
        Some((Arrived(self.take(now)?), Departing { end: self.clone(), now }))
    }

    fn transmit(&mut self, now: Instant) -> Option<Departing> {
        Some(Departing { end: self.clone(), now })
    }
}

/// A frame that smoltcp takes.
pub(super) struct Arrived(Vec<u8>);

impl RxToken for Arrived {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

/// A frame that smoltcp sends.
pub(super) struct Departing {
    end: End,
    now: Instant,
}

impl TxToken for Departing {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, f: F) -> R {
        let mut frame = vec![0; length];
        let result = f(&mut frame);
        self.end.send(self.now, frame);
        result
    }
}
