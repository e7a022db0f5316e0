//! The party's end of a cable.

use alloc::boxed::Box;
use alloc::vec;
use core::ops::Range;
use core::{fmt, mem};
use std::io::{self, Write};
use std::time::SystemTime;

use smoltcp::time::{Duration, Instant};

use super::cable::plus;
use super::exclusive::Exclusive;
use super::nic::Nic;
use super::world::{Device, Node, WeakCore};
use crate::fault::Engine;
use crate::link::capture::Recorder;
use crate::link::fault::Gate;
use crate::link::tape::Heading;
use crate::link::{Direction, FrameMeta, Link, LinkError, Offload};

/// The most frames that a device takes in a step.
const TURN_LIMIT: usize = 64;

/// The end of a cable: the [`Link`] of a simulated host.
pub struct Port {
    wire: Wire,
    /// What breaks it, if anything does.
    faults: Option<Box<Gate<'static>>>,
    /// How many frames have passed.
    frames: u64,
    recorder: Option<Recorder<Box<dyn Write + Send>>>,
}

impl Port {
    pub(super) fn new(core: WeakCore, index: usize) -> Self {
        let wire = Wire { core, index, nic: None };
        Self { wire, faults: None, frames: 0, recorder: None }
    }

    /// Makes this end a device that completes checksums, cuts superframes into frames of the
    /// cable's MTU, and puts together what arrives at the same moment and belongs together; or
    /// takes that away again. A frame of which more is to come is never waited for.
    pub fn set_offload(&mut self, offload: Offload) {
        self.wire.nic = (offload != Offload::NONE).then(|| (Box::new(Nic::new()), offload));
    }

    /// Records every frame from now on into `writer` as pcapng, in place of an earlier recording.
    ///
    /// Virtual time zero is shown as the beginning of 1970. The number of a frame on this link is
    /// its number in the file when recording began before the first frame; it is always the
    /// packet identifier (`epb_packetid`).
    pub fn record(&mut self, writer: Box<dyn Write + Send>) {
        let recorder = Recorder::new(writer, "sim", SystemTime::UNIX_EPOCH);
        self.recorder = Some(recorder.counting_from(self.frames));
    }

    /// Breaks this end of the cable as `engine` says, in place of an earlier one, which it gives
    /// back. What that held back is lost. A recording shows what passes between the party and the
    /// engine.
    pub fn set_faults(&mut self, engine: Option<Engine<'static>>) -> Option<Engine<'static>> {
        let gate = engine.map(|engine| Box::new(Gate::new(engine)));
        mem::replace(&mut self.faults, gate).map(|gate| gate.engine)
    }

    /// What breaks it.
    pub fn faults(&mut self) -> Option<&mut Engine<'static>> {
        self.faults.as_mut().map(|gate| &mut gate.engine)
    }

    /// What a [`Tape`](crate::link::tape::Tape) or an
    /// [`EventLog`](crate::link::tape::EventLog) of this end's faults begins with, from now on;
    /// `script` is the text of the script.
    pub fn heading<'h>(&self, script: &'h str) -> Heading<'h> {
        Heading { mtu: self.wire.mtu(), frames: self.frames, ..Heading::new(script) }
    }

    /// How many frames have passed, in both directions.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Why the recording ended early, if it did.
    pub fn record_error(&self) -> Option<&io::Error> {
        self.recorder.as_ref()?.error()
    }

    /// Makes everything recorded so far reach its destination. Also done on drop.
    ///
    /// # Errors
    /// The error that ended the recording, or that of the writer now.
    pub fn flush_record(&mut self) -> io::Result<()> {
        self.recorder.as_mut().map_or(Ok(()), Recorder::flush)
    }

    /// The party needs nothing before `deadline`, except what waits for it already. Called with
    /// the party's own lock held, so that of two deadlines the newer stays.
    pub(super) fn sleep(&self, deadline: Option<Instant>) {
        if let Some(core) = self.wire.core.upgrade() {
            core.sleep(self.wire.index, deadline);
        }
    }

    fn passed(&mut self, now: Instant, direction: Direction, frame: &[u8]) {
        self.frames += 1;
        if let Some(recorder) = &mut self.recorder {
            recorder.frame(now, direction, frame);
        }
    }
}

impl Link for Port {
    fn mtu(&self) -> usize {
        self.faults.as_ref().map_or_else(|| self.wire.mtu(), |gate| gate.mtu(&self.wire))
    }

    fn is_up(&self) -> bool {
        self.wire.is_up() && self.faults.as_ref().is_none_or(|gate| gate.engine.link_is_up())
    }

    fn receive(&mut self, now: Instant, buffer: &mut [u8]) -> Result<Option<usize>, LinkError> {
        let received = match &mut self.faults {
            Some(gate) => gate.receive(&mut self.wire, now, buffer)?,
            None => self.wire.receive(now, buffer)?,
        };
        if let Some(length) = received {
            self.passed(now, Direction::Inbound, &buffer[..length]);
        }
        Ok(received)
    }

    fn transmit(&mut self, now: Instant, frame: &[u8]) -> Result<(), LinkError> {
        match &mut self.faults {
            Some(gate) => gate.transmit(&mut self.wire, now, frame)?,
            None => self.wire.transmit(now, frame)?,
        }
        self.passed(now, Direction::Outbound, frame);
        Ok(())
    }

    fn poll_at(&self) -> Option<Instant> {
        let faults = self.faults.as_ref().and_then(|gate| gate.poll_at());
        [faults, self.wire.poll_at()].into_iter().flatten().min()
    }

    fn offload(&self) -> Offload {
        match &self.faults {
            Some(gate) => gate.offload(&self.wire),
            None => self.wire.offload(),
        }
    }

    fn receive_offloaded(
        &mut self,
        now: Instant,
        buffer: &mut [u8],
    ) -> Result<Option<(Range<usize>, FrameMeta)>, LinkError> {
        let received = match &mut self.faults {
            Some(gate) => gate.receive_offloaded(&mut self.wire, now, buffer)?,
            None => self.wire.receive_offloaded(now, buffer)?,
        };
        if let Some((range, _)) = &received {
            self.passed(now, Direction::Inbound, &buffer[range.clone()]);
        }
        Ok(received)
    }

    fn transmit_offloaded(
        &mut self,
        now: Instant,
        frame: &[u8],
        meta: &FrameMeta,
    ) -> Result<(), LinkError> {
        match &mut self.faults {
            Some(gate) => gate.transmit_offloaded(&mut self.wire, now, frame, meta)?,
            None => self.wire.transmit_offloaded(now, frame, meta)?,
        }
        self.passed(now, Direction::Outbound, frame);
        Ok(())
    }
}

/// The cable itself, with a device on it or without.
#[derive(Debug)]
struct Wire {
    core: WeakCore,
    index: usize,
    nic: Option<(Box<Nic>, Offload)>,
}

/// The bare cable.
struct Cable<'w> {
    core: &'w WeakCore,
    index: usize,
}

impl Link for Wire {
    fn mtu(&self) -> usize {
        Cable { core: &self.core, index: self.index }.mtu()
    }

    fn is_up(&self) -> bool {
        Cable { core: &self.core, index: self.index }.is_up()
    }

    fn receive(&mut self, now: Instant, buffer: &mut [u8]) -> Result<Option<usize>, LinkError> {
        let mut cable = Cable { core: &self.core, index: self.index };
        match &mut self.nic {
            Some((nic, _)) => nic.receive(&mut cable, now, buffer),
            None => cable.receive(now, buffer),
        }
    }

    fn transmit(&mut self, now: Instant, frame: &[u8]) -> Result<(), LinkError> {
        Cable { core: &self.core, index: self.index }.transmit(now, frame)
    }

    fn poll_at(&self) -> Option<Instant> {
        self.nic.as_ref().filter(|(nic, _)| nic.holds()).map(|_| Instant::ZERO)
    }

    fn offload(&self) -> Offload {
        self.nic.as_ref().map_or(Offload::NONE, |(_, offload)| *offload)
    }

    fn receive_offloaded(
        &mut self,
        now: Instant,
        buffer: &mut [u8],
    ) -> Result<Option<(Range<usize>, FrameMeta)>, LinkError> {
        let mut cable = Cable { core: &self.core, index: self.index };
        match &mut self.nic {
            Some((nic, _)) => nic.receive_together(&mut cable, now, buffer),
            None => cable.receive_offloaded(now, buffer),
        }
    }

    fn transmit_offloaded(
        &mut self,
        now: Instant,
        frame: &[u8],
        meta: &FrameMeta,
    ) -> Result<(), LinkError> {
        let mut cable = Cable { core: &self.core, index: self.index };
        match &mut self.nic {
            Some((nic, offload)) if offload.covers(meta) => {
                nic.transmit(&mut cable, now, frame, meta)
            }
            _ => cable.transmit_offloaded(now, frame, meta),
        }
    }
}

impl Link for Cable<'_> {
    fn mtu(&self) -> usize {
        self.core.upgrade().map_or(1500, |core| core.mtu(self.index))
    }

    fn is_up(&self) -> bool {
        self.core.upgrade().is_some_and(|core| core.is_up(self.index))
    }

    fn receive(&mut self, _: Instant, buffer: &mut [u8]) -> Result<Option<usize>, LinkError> {
        let core = self.core.upgrade().ok_or(LinkError::Down)?;
        let Some(frame) = core.receive(self.index)? else { return Ok(None) };
        let length = frame.len().min(buffer.len());
        buffer[..length].copy_from_slice(&frame[..length]);
        Ok(Some(length))
    }

    fn transmit(&mut self, _: Instant, frame: &[u8]) -> Result<(), LinkError> {
        let core = self.core.upgrade().ok_or(LinkError::Down)?;
        core.transmit(self.index, frame)
    }
}

impl fmt::Debug for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Port")
            .field("wire", &self.wire)
            .field("faults", &self.faults)
            .field("frames", &self.frames)
            .finish_non_exhaustive()
    }
}

/// A [`Device`] on its port.
pub(super) struct DeviceNode {
    parts: Exclusive<(Box<dyn Device + Send>, Port)>,
}

impl DeviceNode {
    pub(super) fn new(device: Box<dyn Device + Send>, port: Port) -> Self {
        Self { parts: Exclusive::new((device, port)) }
    }
}

impl Node for DeviceNode {
    fn run(&self, now: Instant) {
        let mut parts = self.parts.enter();
        let (device, port) = &mut *parts;
        let mut buffer = vec![0; port.mtu() + 14 + 4];
        for _ in 0..TURN_LIMIT {
            let Ok(Some(length)) = port.receive(now, &mut buffer) else { break };
            // A device does not hear of an unplugged cable.
            device.receive(now, &buffer[..length], &mut |frame| {
                let _ = port.transmit(now, frame);
            });
        }
        if device.poll_at().is_some_and(|deadline| deadline <= now) {
            device.poll(now, &mut |frame| {
                let _ = port.transmit(now, frame);
            });
        }
        port.sleep(device.poll_at().map(|deadline| later(deadline, now)));
    }
}

/// The deadline of a party that has just been attended to. One that has passed already would
/// stop the clock for ever.
pub(super) fn later(deadline: Instant, now: Instant) -> Instant {
    deadline.max(plus(now, Duration::from_micros(1)))
}
