//! A simulated network: hosts, cables, a switch, a virtual clock, actors.
//!
//! A [`World`] has one switch. Every [`Host`], which is a whole
//! [`Stack`](crate::Stack), and every scripted [`Device`] hangs on it by a cable of its own, with [`Conditions`] and a
//! filter of its own. Nothing happens by itself: [`World::step`] does the next piece of work, and
//! when none is due it moves the virtual clock to the next deadline, so that 21 s of silence cost
//! microseconds. The other parties of a scene are actors, closures that run at a time of the
//! virtual clock between two pieces of work ([`World::at`]).
//!
//! Everything is a function of the seed and of the calls made: same seed, same bytes.
//!
//! ```
//! use tapsock_stack::sim::{Stepped, World};
//! use tapsock_stack::time::Instant;
//!
//! let world = World::new(1);
//! world.at(Instant::from_secs(21), |world| assert_eq!(world.now(), Instant::from_secs(21)));
//! while world.step() == Stepped::Progressed {}
//! assert_eq!(world.now(), Instant::from_secs(21));
//! ```
//!
//! # Locks and re-entrancy
//!
//! A world and its hosts are handles that can be cloned and sent between threads. No lock is held
//! while an actor runs: an actor may call the world and its hosts as it likes and may itself call
//! [`World::step`], as a blocking call inside an actor does. What a host's lock does cover is the
//! closure of [`Host::with`]: within it the world may be asked for the time and given actors, but
//! must not be stepped, and the same host not be entered again.

mod cable;
mod exclusive;
mod host;
mod nic;
mod pair;
mod port;

mod router;
mod switch;
mod world;

#[cfg(test)]
mod tests;

pub use crate::random::Random;
pub use cable::{CableCounters, Conditions, Filter, Verdict};
pub use host::{Faults, Host};
pub use pair::Pair;
pub use port::Port;
pub use router::{Answer, Router, RouterCounters, RouterWatch};
pub use world::{Device, PortId, Repeat, Stepped, World};
