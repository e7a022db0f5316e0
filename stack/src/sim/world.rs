//! The virtual clock, what is due on it, and the one switch.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::{fmt, mem};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use smoltcp::time::{Duration, Instant};

use super::cable::{CableCounters, Conditions, Filter, Lane, Verdict, plus};
use super::port::{DeviceNode, Port};
use super::switch::{Forward, Switch};
use crate::link::{Direction, LinkError};
use crate::random::Random;

/// The most frames, and the most parties, that one step attends to.
const STEP_LIMIT: usize = 64;

/// A simulated network. A handle: clones are the same world.
#[derive(Clone)]
pub struct World {
    pub(super) core: Arc<Core>,
}

/// What [`World::step`] did.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stepped {
    /// Some work, or the clock moved.
    Progressed,
    /// Nothing: nothing is due now and no deadline is left. Unless somebody outside acts,
    /// nothing will ever happen again.
    Idle,
}

/// Whether a repeating actor goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// It is called again after its period.
    Again,
    /// It is not called again.
    Stop,
}

/// Where a cable meets the switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PortId(pub(super) usize);

/// A scripted party on the switch, which answers frames without being a whole stack.
///
/// It must not step the world from within its methods.
pub trait Device {
    /// A frame has arrived, whoever it is addressed to. `send` sends one.
    fn receive(&mut self, now: Instant, frame: &[u8], send: &mut dyn FnMut(&[u8]));

    /// The time of [`Device::poll_at`] has come.
    fn poll(&mut self, now: Instant, send: &mut dyn FnMut(&[u8])) {
        let _ = (now, send);
    }

    /// When [`Device::poll`] is to be called. Asked after each call of the others.
    fn poll_at(&self) -> Option<Instant> {
        None
    }
}

impl World {
    /// An empty network at [`Instant::ZERO`]. `seed` decides everything random about the cables.
    pub fn new(seed: u64) -> Self {
        Self { core: Arc::new(Core { state: Mutex::new(State::new(seed)) }) }
    }

    /// The time of the virtual clock.
    pub fn now(&self) -> Instant {
        self.core.lock().now
    }

    /// Puts a scripted party on the switch, by a cable in [good](Conditions::GOOD) condition.
    pub fn device(&self, device: impl Device + Send + 'static) -> PortId {
        self.attach(Conditions::GOOD, |port| Arc::new(DeviceNode::new(Box::new(device), port))).0
    }

    /// Runs `actor` when the clock shows `time`, or in one of the next steps when that has
    /// passed.
    ///
    /// Actors run one after the other, in the order of their times and then of their
    /// registration, and after the frames and timers of the same instant. An actor that blocks, by
    /// stepping the world itself, holds up whoever called the step that runs it, and nobody else.
    ///
    /// Until it runs, the world keeps what it holds: a handle of the world in it keeps the world.
    pub fn at(&self, time: Instant, actor: impl FnOnce(&Self) + Send + 'static) {
        let mut state = self.core.lock();
        let sequence = state.next_sequence();
        state.actors.insert((time, sequence), Box::new(actor));
    }

    /// Runs `actor` when `delay` has passed.
    pub fn after(&self, delay: Duration, actor: impl FnOnce(&Self) + Send + 'static) {
        self.at(plus(self.now(), delay), actor);
    }

    /// Runs `actor` for the first time at `first` and then again every `period`, which is at
    /// least a microsecond, until it says [`Repeat::Stop`]. A world with such an actor is never
    /// [`Stepped::Idle`].
    pub fn every(
        &self,
        first: Instant,
        period: Duration,
        mut actor: impl FnMut(&Self) -> Repeat + Send + 'static,
    ) {
        let period = period.max(Duration::from_micros(1));
        self.at(first, move |world| {
            if actor(world) == Repeat::Again {
                world.every(plus(first, period), period, actor);
            }
        });
    }

    /// Does the next piece of work: lets the frames arrive that are due and attends to the
    /// parties that are; if there are none, runs one actor; if there is none, moves the clock to
    /// the next deadline. The work of a step is bounded.
    ///
    /// # Panics
    /// When called within [`Host::with`](super::Host::with) of a host that is due, or by a device.
    pub fn step(&self) -> Stepped {
        self.step_within(None)
    }

    /// As [`World::step`], but the clock moves at most to `limit`: for a caller that waits until
    /// then. [`Stepped::Idle`] once the clock shows `limit` and everything of that time is done.
    pub fn step_until(&self, limit: Instant) -> Stepped {
        self.step_within(Some(limit))
    }

    /// Steps until everything up to and including `time` is done, and moves the clock to `time`.
    pub fn run_until(&self, time: Instant) {
        while self.step_until(time) == Stepped::Progressed {}
    }

    /// Steps until everything of the next `duration` is done.
    pub fn run_for(&self, duration: Duration) {
        self.run_until(plus(self.now(), duration));
    }

    /// Steps as long as `condition` holds. Tells whether it was the condition that ended it
    /// ([`Stepped::Progressed`]) or that nothing will ever happen again ([`Stepped::Idle`]).
    pub fn run_while(&self, mut condition: impl FnMut(&Self) -> bool) -> Stepped {
        while condition(self) {
            if self.step() == Stepped::Idle {
                return Stepped::Idle;
            }
        }
        Stepped::Progressed
    }

    // A port of another world has no cable here: nothing happens to it, and nothing is known of
    // it.

    /// The conditions of the cable at `port`.
    pub fn conditions(&self, port: PortId) -> Conditions {
        self.core.lock().ports.get(port.0).map_or(Conditions::GOOD, |entry| entry.conditions)
    }

    /// Changes the conditions of the cable at `port` for the frames that enter it from now on.
    pub fn set_conditions(&self, port: PortId, conditions: Conditions) {
        if let Some(entry) = self.core.lock().ports.get_mut(port.0) {
            entry.conditions = conditions.within_bounds();
        }
    }

    /// Plugs the cable at `port` in or out. What is on it when it is unplugged is lost.
    pub fn set_link_up(&self, port: PortId, up: bool) {
        let mut state = self.core.lock();
        let now = state.now;
        let Some(entry) = state.ports.get_mut(port.0) else { return };
        if entry.up != up {
            entry.up = up;
            let lost = entry.inbox.len();
            entry.inbox.clear();
            entry.outward.inside -= lost;
            entry.outward.counters.arrived -= lost as u64;
            entry.outward.counters.unplugged += lost as u64;
            // The party is to notice.
            state.set_deadline(port.0, Some(now));
        }
    }

    /// Shows every frame of the cable at `port` to `filter`, in place of an earlier one.
    ///
    /// The world keeps the filter: one that holds the world in turn is only freed by
    /// [`World::clear_filter`].
    pub fn set_filter(
        &self,
        port: PortId,
        filter: impl FnMut(&[u8], Direction) -> Verdict + Send + 'static,
    ) {
        let filter: Filter = Box::new(filter);
        let filter = Some(Arc::new(Mutex::new(filter)));
        self.exchange_filter(port, filter);
    }

    /// Takes the filter away again.
    pub fn clear_filter(&self, port: PortId) {
        self.exchange_filter(port, None);
    }

    fn exchange_filter(&self, port: PortId, filter: Option<Arc<Mutex<Filter>>>) {
        let mut state = self.core.lock();
        let old = match state.ports.get_mut(port.0) {
            Some(entry) => mem::replace(&mut entry.filter, filter),
            None => filter,
        };
        // What it holds may be a handle of this world, whose lock must be free by then.
        drop(state);
        drop(old);
    }

    /// Lets `frame` arrive at the party behind `port` in one of the next steps, as if from the
    /// switch. The conditions and the filter of the cable are passed by.
    pub fn inject(&self, port: PortId, frame: &[u8]) {
        let mut state = self.core.lock();
        let now = state.now;
        let Some(entry) = state.ports.get_mut(port.0) else { return };
        entry.outward.inside += 1;
        let frame = Bytes::copy_from_slice(frame);
        let (port, direction) = (port.0, Direction::Inbound);
        state.launch(now, Flight { port, direction, frame, filter: false });
    }

    /// What became of the frames towards the party at `port` (inbound) or from it (outbound).
    pub fn counters(&self, port: PortId, direction: Direction) -> CableCounters {
        let state = self.core.lock();
        state.ports.get(port.0).map_or(CableCounters::default(), |entry| match direction {
            Direction::Inbound => entry.outward.counters,
            Direction::Outbound => entry.homeward.counters,
        })
    }

    /// Makes a port and the party behind it.
    pub(super) fn attach<N: Node + 'static>(
        &self,
        conditions: Conditions,
        make: impl FnOnce(Port) -> Arc<N>,
    ) -> (PortId, Arc<N>) {
        let index = {
            let mut state = self.core.lock();
            let index = state.ports.len();
            let seed = state.seed;
            let stream = |number| Lane::new(Random::stream(seed, 2 * index as u64 + number));
            state.ports.push(PortState {
                node: None,
                conditions: conditions.within_bounds(),
                up: true,
                inbox: VecDeque::new(),
                homeward: stream(0),
                outward: stream(1),
                filter: None,
                deadline: None,
            });
            index
        };
        // Without the lock, as making a stack may ask the port for its MTU.
        let node = make(Port::new(Arc::downgrade(&self.core), index));
        let mut state = self.core.lock();
        let now = state.now;
        state.ports[index].node = Some(node.clone());
        state.set_deadline(index, Some(now));
        (PortId(index), node)
    }

    fn step_within(&self, limit: Option<Instant>) -> Stepped {
        let mut worked = false;

        for _ in 0..STEP_LIMIT {
            let Some(flight) = self.core.lock().arriving() else { break };
            worked = true;
            self.core.arrive(flight);
        }
        let (now, due) = self.core.lock().take_due();
        for node in due {
            worked = true;
            node.run(now);
        }
        if worked {
            return Stepped::Progressed;
        }

        // Two statements, so that the lock is released before the actor runs.
        let actor = self.core.lock().take_actor();
        if let Some(actor) = actor {
            actor(self);
            return Stepped::Progressed;
        }

        self.core.lock().advance(limit)
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.core.lock();
        f.debug_struct("World")
            .field("now", &state.now)
            .field("ports", &state.ports.len())
            .field("flights", &state.flights.len())
            .field("actors", &state.actors.len())
            .finish_non_exhaustive()
    }
}

/// What hangs on a port.
pub(super) trait Node: Send + Sync {
    /// Takes what has arrived, does what is due, and tells the world its next deadline by
    /// [`Core::sleep`].
    fn run(&self, now: Instant);
}

/// What the handles of a world share.
///
/// Lock order: a party's own lock, then this one. This one is never held while anything but this
/// module's code runs.
pub(super) struct Core {
    state: Mutex<State>,
}

type Actor = Box<dyn FnOnce(&World) + Send>;

struct State {
    seed: u64,
    now: Instant,
    /// Breaks ties in `flights` and `actors`.
    sequence: u64,
    flights: BTreeMap<(Instant, u64), Flight>,
    actors: BTreeMap<(Instant, u64), Actor>,
    /// The deadlines of the ports that have one.
    due: BTreeSet<(Instant, usize)>,
    ports: Vec<PortState>,
    switch: Switch,
}

struct PortState {
    /// `None` only while the party is being made.
    node: Option<Arc<dyn Node>>,
    conditions: Conditions,
    up: bool,
    /// Frames that have arrived and were not taken yet.
    inbox: VecDeque<Bytes>,
    /// From the party to the switch.
    homeward: Lane,
    /// From the switch to the party.
    outward: Lane,
    filter: Option<Arc<Mutex<Filter>>>,
    /// Its entry in `due`.
    deadline: Option<Instant>,
}

/// A frame on a cable.
struct Flight {
    port: usize,
    /// Seen from the party.
    direction: Direction,
    frame: Bytes,
    /// Whether the filter at the party's end must still be asked.
    filter: bool,
}

impl State {
    fn new(seed: u64) -> Self {
        Self {
            seed,
            now: Instant::ZERO,
            sequence: 0,
            flights: BTreeMap::new(),
            actors: BTreeMap::new(),
            due: BTreeSet::new(),
            ports: Vec::new(),
            switch: Switch::default(),
        }
    }

    fn next_sequence(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }

    fn launch(&mut self, arrival: Instant, flight: Flight) {
        let sequence = self.next_sequence();
        self.flights.insert((arrival, sequence), flight);
    }

    /// Puts a frame on a cable.
    fn enter(&mut self, port: usize, direction: Direction, held: Duration, frame: &Bytes) {
        let now = self.now;
        let entry = &mut self.ports[port];
        let lane = match direction {
            Direction::Inbound => &mut entry.outward,
            Direction::Outbound => &mut entry.homeward,
        };
        let arrivals = lane.enter(now, held, &entry.conditions, frame.len());
        for arrival in arrivals.into_iter().flatten() {
            let filter = direction == Direction::Inbound;
            self.launch(arrival, Flight { port, direction, frame: frame.clone(), filter });
        }
    }

    /// The next flight that ends by now.
    fn arriving(&mut self) -> Option<Flight> {
        let next = self.flights.first_entry()?;
        (next.key().0 <= self.now).then(|| next.remove())
    }

    /// The frame reaches the switch.
    fn forward(&mut self, flight: &Flight) {
        match self.switch.forward(flight.port, &flight.frame) {
            Forward::Nowhere => {}
            Forward::To(port) => self.hand_out(port, &flight.frame),
            Forward::Flood => {
                for port in (0..self.ports.len()).filter(|port| *port != flight.port) {
                    self.hand_out(port, &flight.frame);
                }
            }
        }
    }

    fn hand_out(&mut self, port: usize, frame: &Bytes) {
        if self.ports[port].up {
            self.enter(port, Direction::Inbound, Duration::ZERO, frame);
        }
    }

    /// The frame reaches the party.
    fn put_in(&mut self, port: usize, frame: Bytes) {
        let entry = &mut self.ports[port];
        entry.outward.counters.arrived += 1;
        entry.inbox.push_back(frame);
        let now = self.now;
        self.set_deadline(port, Some(now));
    }

    fn set_deadline(&mut self, port: usize, deadline: Option<Instant>) {
        let entry = &mut self.ports[port];
        if entry.deadline == deadline {
            return;
        }
        if let Some(old) = entry.deadline.take() {
            self.due.remove(&(old, port));
        }
        entry.deadline = deadline;
        if let Some(new) = deadline {
            self.due.insert((new, port));
        }
    }

    /// The parties that are due, whose deadlines are thereby used up.
    fn take_due(&mut self) -> (Instant, Vec<Arc<dyn Node>>) {
        let now = self.now;
        let ports: Vec<usize> = self
            .due
            .iter()
            .take_while(|(deadline, _)| *deadline <= now)
            .take(STEP_LIMIT)
            .map(|(_, port)| *port)
            .collect();
        let mut nodes = Vec::with_capacity(ports.len());
        for port in ports {
            self.set_deadline(port, None);
            nodes.extend(self.ports[port].node.clone());
        }
        (now, nodes)
    }

    fn take_actor(&mut self) -> Option<Actor> {
        let next = self.actors.first_entry()?;
        (next.key().0 <= self.now).then(|| next.remove())
    }

    fn advance(&mut self, limit: Option<Instant>) -> Stepped {
        let next = [
            self.flights.first_key_value().map(|((time, _), _)| *time),
            self.actors.first_key_value().map(|((time, _), _)| *time),
            self.due.first().map(|(time, _)| *time),
        ];
        // Where something has become due meanwhile, by another thread, the clock stays.
        match (next.into_iter().flatten().min(), limit) {
            (None, None) => return Stepped::Idle,
            (Some(next), None) => self.now = self.now.max(next),
            (Some(next), Some(limit)) if next <= limit => self.now = self.now.max(next),
            (_, Some(limit)) if self.now < limit => self.now = limit,
            (_, Some(_)) => return Stepped::Idle,
        }
        Stepped::Progressed
    }
}

impl Core {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Poisoned means that a thread panicked within this module. What is shown then is for
        // the report of a test that has failed anyway.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A frame has reached the end of its cable.
    fn arrive(&self, mut flight: Flight) {
        let mut state = self.lock();
        let port = flight.port;
        let entry = &mut state.ports[port];
        let lane = match flight.direction {
            Direction::Inbound => &mut entry.outward,
            Direction::Outbound => &mut entry.homeward,
        };
        if !entry.up {
            lane.inside -= 1;
            lane.counters.unplugged += 1;
            return;
        }
        if flight.direction == Direction::Outbound {
            lane.inside -= 1;
            lane.counters.arrived += 1;
            state.forward(&flight);
            return;
        }
        let filter = if flight.filter { entry.filter.clone() } else { None };
        let Some(filter) = filter else {
            state.put_in(port, flight.frame);
            return;
        };
        drop(state);
        let verdict = judge(&filter, &flight.frame, Direction::Inbound);

        let mut state = self.lock();
        let entry = &mut state.ports[port];
        match verdict {
            Verdict::Pass => state.put_in(port, flight.frame),
            Verdict::Replace(frame) => state.put_in(port, frame.into()),
            Verdict::Duplicate => {
                entry.outward.inside += 1;
                state.put_in(port, flight.frame.clone());
                state.put_in(port, flight.frame);
            }
            Verdict::Drop => {
                entry.outward.inside -= 1;
                entry.outward.counters.filtered += 1;
            }
            Verdict::Delay(delay) => {
                flight.filter = false;
                let arrival = plus(state.now, delay);
                state.launch(arrival, flight);
            }
        }
    }

    // What ports and parties ask for.

    /// The party at `port` sends a frame.
    pub(super) fn transmit(&self, port: usize, frame: &[u8]) -> Result<(), LinkError> {
        let filter = {
            let state = self.lock();
            let entry = &state.ports[port];
            if !entry.up {
                return Err(LinkError::Down);
            }
            entry.filter.clone()
        };
        let verdict = match filter {
            Some(filter) => judge(&filter, frame, Direction::Outbound),
            None => Verdict::Pass,
        };

        let mut state = self.lock();
        let original = || Bytes::copy_from_slice(frame);
        let (frame, held, copies) = match verdict {
            Verdict::Pass => (original(), Duration::ZERO, 1),
            Verdict::Duplicate => (original(), Duration::ZERO, 2),
            Verdict::Delay(delay) => (original(), delay, 1),
            Verdict::Replace(frame) => (frame.into(), Duration::ZERO, 1),
            Verdict::Drop => {
                state.ports[port].homeward.counters.filtered += 1;
                return Ok(());
            }
        };
        for _ in 0..copies {
            state.enter(port, Direction::Outbound, held, &frame);
        }
        Ok(())
    }

    /// Takes the next frame that has arrived at `port`.
    pub(super) fn receive(&self, port: usize) -> Result<Option<Bytes>, LinkError> {
        let mut state = self.lock();
        let entry = &mut state.ports[port];
        if !entry.up {
            return Err(LinkError::Down);
        }
        let frame = entry.inbox.pop_front();
        if frame.is_some() {
            entry.outward.inside -= 1;
        }
        Ok(frame)
    }

    pub(super) fn mtu(&self, port: usize) -> usize {
        self.lock().ports[port].conditions.mtu
    }

    pub(super) fn is_up(&self, port: usize) -> bool {
        self.lock().ports[port].up
    }

    /// See [`Port::sleep`].
    pub(super) fn sleep(&self, port: usize, deadline: Option<Instant>) {
        let mut state = self.lock();
        let now = state.now;
        let deadline = if state.ports[port].inbox.is_empty() { deadline } else { Some(now) };
        state.set_deadline(port, deadline);
    }
}

fn judge(filter: &Mutex<Filter>, frame: &[u8], direction: Direction) -> Verdict {
    // A filter that panicked is asked again: what it left behind is the caller's own.
    let mut filter = filter.lock().unwrap_or_else(PoisonError::into_inner);
    filter(frame, direction)
}

/// How a port finds its world, which may be gone.
pub(super) type WeakCore = Weak<Core>;
