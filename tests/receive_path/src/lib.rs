//! Plays a script of frames, time and calls against a stack and a Winsock process over it, and
//! checks after each step what must always hold.
//!
//! A script is a sequence of [`Operation`]s, and any bytes are one: see [`operation`]. The fuzzer
//! of `tests/fuzz` makes them up, and the ordinary tests play the ones that it has found worth
//! keeping ([`pack`]) beside those that were written by hand ([`seeds`]). Frames are made by peers
//! that follow the conversation, so that a sequence number can be the expected one, at the edge of
//! the window, or half of the sequence space away; any of their fields can then be broken.
//!
//! What is checked: no panic and no arithmetic overflow; the stack comes to rest at each time, and
//! never asks to be called in the past for ever; whatever arrives has exactly one fate in the
//! counters; queues keep their bounds; every frame that leaves is well formed as an independent
//! parser reads it, with lengths and checksums, and comes from an own address that is no group;
//! what a connection receives is what its peer sent at that place of the stream, and what leaves
//! is what the caller sent; a call's code is the last error; and in the end everything can be
//! given back, and nothing is left, not even a deadline.
//!
//! The same script always sends the same bytes: [`Report::digest`].

mod flow;
mod network;
pub mod operation;
mod oracle;
pub mod pack;
mod packet;
mod player;
mod report;
mod script;
pub mod seeds;
mod wire;

use std::rc::Rc;

use tapsock_stack::Stack;
use tapsock_stack::config::{Config, Route};
use tapsock_stack::storage::{Fixed, Growable, Memory, Storage};
use tapsock_stack::time::Instant;
use tapsock_stack::wire::{IpAddress, IpCidr};
use wsa::engine::stepped::Stepped;
use wsa::{Process, Profile};

pub use operation::Operation;
pub use report::{IcmpKind, Report};

use player::Player;
use script::Script;
use wire::{Cable, Wire};

/// The tables of a stack without a heap.
const NO_HEAP: u8 = 1;
/// Windows as it is observed.
const WINDOWS: u8 = 2;
/// A process that negotiated version 1.1.
const OLD: u8 = 4;
/// A link that carries no more than IPv6 demands.
const NARROW: u8 = 8;
/// A link that completes checksums, and cuts and joins segments.
const OFFLOADING: u8 = 16;

/// Plays `input`, whose first byte says in which setting: 1 for tables without a heap, 2 for the
/// windows profile, 4 for a process of version 1.1, 8 for an MTU of 1280, 16 for an
/// offloading link.
///
/// # Panics
/// When something does not hold that must.
pub fn play(input: &[u8]) -> Report {
    let (setting, script) = input.split_first().map_or((0, input), |(first, rest)| (*first, rest));
    let mtu = if setting & NARROW == 0 { 1500 } else { 1280 };
    let wire = if setting & OFFLOADING == 0 { Wire::new(mtu) } else { Wire::offloading(mtu) };
    let script = Rc::new(Script::new(operation::read(script), wire));
    if setting & NO_HEAP == 0 {
        play_with(setting, script, Growable::limited(12))
    } else {
        let mut memory: Memory<'_, 6, 2048> = Memory::new();
        play_with(setting, script, Fixed::<6, 32, 1514>::new(&mut memory))
    }
}

fn play_with<'a, S: Storage<'a>>(setting: u8, script: Rc<Script>, storage: S) -> Report {
    let cable = Cable(Rc::clone(&script.wire));
    let mut stack = Stack::new(config(), cable, storage, Instant::ZERO);
    for address in network::own_addresses() {
        // Both tables have room for these.
        let _ = stack.add_address(address);
        let any = match address.address() {
            IpAddress::Ipv4(_) => IpAddress::v4(0, 0, 0, 0),
            IpAddress::Ipv6(_) => IpAddress::v6(0, 0, 0, 0, 0, 0, 0, 0),
        };
        let gateway = network::address_like(network::ROUTER, any);
        let _ = stack.add_route(Route { destination: IpCidr::new(any, 0), gateway: Some(gateway) });
    }
    let (clock, waiter) = (Rc::clone(&script), Rc::clone(&script));
    let engine = Stepped::new(stack, move || clock.now(), move |deadline| waiter.idle(deadline));
    let process = Process::new(engine);
    if setting & WINDOWS != 0 {
        process.set_profile(Profile::WINDOWS);
    }
    process.wsa_startup(if setting & OLD == 0 { 0x0202 } else { 0x0101 });
    Player::new(process, script).play()
}

/// Small limits, so that a script can reach them.
fn config() -> Config {
    let mut config = Config::new(network::OWN, 1);
    config.half_open_limit = 3;
    config.backlog_limit = 4;
    config.time_wait_limit = 3;
    config.send_total = 1 << 20;
    config.receive_buffer = 8192;
    config.transmit_buffer = 8192;
    config
}
