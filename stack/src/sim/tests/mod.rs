//! The simulated network, piece by piece and with whole stacks on it.

mod cable;
mod clock;
mod host;
mod router;

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use std::sync::Mutex;

use smoltcp::time::{Duration, Instant};

use super::{Device, PortId, World};

fn at(micros: i64) -> Instant {
    Instant::from_micros(micros)
}

fn us(micros: u64) -> Duration {
    Duration::from_micros(micros)
}

/// What arrived at a [`Probe`], and when.
type Log = Arc<Mutex<Vec<(Instant, Vec<u8>)>>>;

/// A device that sends frames at given times and writes down what arrives.
struct Probe {
    to_send: VecDeque<(Instant, Vec<u8>)>,
    log: Log,
}

impl Device for Probe {
    fn receive(&mut self, now: Instant, frame: &[u8], _: &mut dyn FnMut(&[u8])) {
        self.log.lock().unwrap().push((now, frame.to_vec()));
    }

    fn poll(&mut self, now: Instant, send: &mut dyn FnMut(&[u8])) {
        while self.to_send.front().is_some_and(|(time, _)| *time <= now) {
            send(&self.to_send.pop_front().unwrap().1);
        }
    }

    fn poll_at(&self) -> Option<Instant> {
        self.to_send.front().map(|(time, _)| *time)
    }
}

/// Puts a probe on the switch.
fn probe(world: &World, to_send: impl IntoIterator<Item = (Instant, Vec<u8>)>) -> (PortId, Log) {
    let log = Log::default();
    let probe = Probe { to_send: to_send.into_iter().collect(), log: log.clone() };
    (world.device(probe), log)
}

/// A frame between stations, padded to `length`, of an ethertype for experiments.
fn frame(to: u8, from: u8, length: usize) -> Vec<u8> {
    let mut frame = Vec::from([2, 0, 0, 0, 0, to, 2, 0, 0, 0, 0, from, 0x88, 0xb5]);
    frame.resize(length, 0);
    frame
}

/// As [`frame`], with a number as its contents.
fn numbered(to: u8, from: u8, number: u16) -> Vec<u8> {
    let mut frame = frame(to, from, 14);
    frame.extend(number.to_be_bytes());
    frame
}

/// The numbers of [`numbered`] frames, in order of arrival.
fn numbers(log: &Log) -> Vec<u16> {
    let log = log.lock().unwrap();
    log.iter().map(|(_, frame)| u16::from_be_bytes([frame[14], frame[15]])).collect()
}

/// When frames arrived.
fn times(log: &Log) -> Vec<i64> {
    log.lock().unwrap().iter().map(|(time, _)| time.total_micros()).collect()
}

/// Notes in the order in which they were made.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<&'static str>>>);

impl Notes {
    fn note(&self, what: &'static str) {
        self.0.lock().unwrap().push(what);
    }

    fn all(&self) -> Vec<&'static str> {
        self.0.lock().unwrap().clone()
    }

    /// An actor that makes a note.
    fn actor(&self, what: &'static str) -> Box<dyn FnOnce(&World) + Send> {
        let notes = self.clone();
        Box::new(move |_| notes.note(what))
    }
}
