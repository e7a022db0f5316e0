//! A whole stack on the simulated network.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::fmt;
use std::io::{self, Write};

use smoltcp::time::Instant;
use smoltcp::wire::IpCidr;

use super::cable::{Conditions, Verdict};
use super::exclusive::Exclusive;
use super::port::{Port, later};
use super::world::{Node, PortId, World};
use crate::config::Config;
use crate::fault::{Engine, Memory, Script, ScriptError};
use crate::link::Direction;
use crate::link::tape::{EventLog, Tape};
use crate::stack::{Progress, Stack};
use crate::storage::Growable;

/// How often a host is polled in a step before others have their turn.
const ROUND_LIMIT: usize = 16;

/// A host on the simulated network: a stack and its cable. A handle: clones are the same host.
#[derive(Clone)]
pub struct Host {
    world: World,
    port: PortId,
    node: Arc<HostNode>,
}

impl World {
    /// Puts a host with these addresses on the switch.
    pub fn host(&self, config: Config, addresses: &[IpCidr], cable: Conditions) -> Host {
        let now = self.now();
        let (port, node) = self.attach(cable, |port| {
            let mut stack = Stack::new(config, port, Growable::default(), now);
            for &address in addresses {
                // Growable tables refuse nothing.
                let _ = stack.add_address(address);
            }
            Arc::new(HostNode { stack: Exclusive::new(stack) })
        });
        Host { world: self.clone(), port, node }
    }
}

impl Host {
    /// Calls `work` with exclusive access to the stack and the time of the virtual clock.
    ///
    /// Within it the world may be asked for the time and given actors, but neither stepped nor
    /// this host be entered again.
    ///
    /// # Panics
    /// When called within itself on the same host, which would wait for itself for ever.
    pub fn with<R>(
        &self,
        work: impl FnOnce(&mut Stack<'static, Port, Growable>, Instant) -> R,
    ) -> R {
        let mut stack = self.node.stack.enter();
        let now = self.world.now();
        let result = work(&mut stack, now);
        let deadline = stack.poll_at();
        stack.link().sleep(deadline);
        result
    }

    /// The world that it is in.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// Where its cable meets the switch.
    pub fn port(&self) -> PortId {
        self.port
    }

    /// Records every frame from now on: see [`Port::record`]. A
    /// [`SharedBuffer`](crate::link::capture::SharedBuffer) can be read while recording goes on.
    pub fn capture(&self, writer: impl Write + Send + 'static) {
        self.with(|stack, _| stack.link_mut().record(Box::new(writer)));
    }

    /// Makes everything captured so far reach its destination; also done when world and host are
    /// dropped.
    ///
    /// # Errors
    /// The error that ended the capture, or that of the writer now.
    pub fn flush_capture(&self) -> io::Result<()> {
        self.with(|stack, _| stack.link_mut().flush_record())
    }

    /// Plugs the cable in or out: see [`World::set_link_up`].
    pub fn set_link_up(&self, up: bool) {
        self.world.set_link_up(self.port, up);
    }

    /// Changes the conditions of the cable: see [`World::set_conditions`].
    pub fn set_conditions(&self, conditions: Conditions) {
        self.world.set_conditions(self.port, conditions);
    }

    /// Shows every frame to `filter`: see [`World::set_filter`].
    pub fn set_filter(&self, filter: impl FnMut(&[u8], Direction) -> Verdict + Send + 'static) {
        self.world.set_filter(self.port, filter);
    }

    /// Takes the filter away again.
    pub fn clear_filter(&self) {
        self.world.clear_filter(self.port);
    }

    /// Breaks the host's end of its cable as `script` says, from now on and until the guard is
    /// dropped. It remembers 64 flows, holds up to 1024 frames back, and has room for 64 rules
    /// that are added later. [`Port::set_faults`] gives other sizes.
    ///
    /// # Errors
    /// What is wrong with the script.
    pub fn faults(&self, script: Script<'static>) -> Result<Faults, ScriptError> {
        let rules = script.rules.len() + 64;
        let engine =
            Engine::new(script, Memory::growable(rules, 64, 1024, 2048), self.world.now())?;
        self.with(|stack, _| stack.link_mut().set_faults(Some(engine)));
        Ok(Faults { host: self.clone() })
    }

    /// Records both sides of the faults that are in place, from now on: what the stack sent and
    /// got, what was on the cable, and what was done to each frame. `script` is the text that the
    /// recording is to carry. `None` when no faults are in place.
    pub fn tape(&self, writer: impl Write + Send + 'static, script: &str) -> Option<Tape> {
        self.with(|stack, _| {
            let heading = stack.link().heading(script);
            Some(Tape::start(stack.link_mut().faults()?, writer, &heading))
        })
    }

    /// The same as one JSON object a line.
    pub fn event_log(&self, writer: impl Write + Send + 'static, script: &str) -> Option<EventLog> {
        self.with(|stack, _| {
            let heading = stack.link().heading(script);
            Some(EventLog::start(stack.link_mut().faults()?, writer, &heading))
        })
    }

    /// Lets `frame` arrive: see [`World::inject`].
    pub fn inject(&self, frame: &[u8]) {
        self.world.inject(self.port, frame);
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("port", &self.port).finish_non_exhaustive()
    }
}

/// Breaks a host's cable until it is dropped.
#[derive(Debug)]
#[must_use = "the faults end when this is dropped"]
pub struct Faults {
    host: Host,
}

impl Faults {
    /// Calls `work` with the engine and the time.
    ///
    /// # Panics
    /// When another engine was put in its place and taken away, and within [`Host::with`] on the
    /// same host.
    pub fn with<R>(&self, work: impl FnOnce(&mut Engine<'static>, Instant) -> R) -> R {
        self.host.with(|stack, now| {
            let engine = stack.link_mut().faults();
            work(engine.expect("the engine of this guard is in place"), now)
        })
    }

    /// How many frames the rule with this name matched, and how many times it fired. `None` when
    /// there is no such rule.
    pub fn hits(&self, rule: &str) -> Option<(u64, u64)> {
        self.with(|engine, _| {
            let hits = engine.hits(engine.rule(rule)?)?;
            Some((hits.matched, hits.fired))
        })
    }
}

impl Drop for Faults {
    fn drop(&mut self) {
        self.host.with(|stack, _| stack.link_mut().set_faults(None));
    }
}

/// The stack of a host.
struct HostNode {
    stack: Exclusive<Stack<'static, Port, Growable>>,
}

impl Node for HostNode {
    fn run(&self, now: Instant) {
        let mut stack = self.stack.enter();
        for _ in 0..ROUND_LIMIT {
            if stack.poll(now) == Progress::Idle {
                let deadline = stack.poll_at().map(|deadline| later(deadline, now));
                stack.link().sleep(deadline);
                return;
            }
        }
        stack.link().sleep(Some(now));
    }
}
