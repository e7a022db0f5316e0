//! The ends of a relay in virtual time, for our stack and for smoltcp.

use std::cell::RefCell;
use std::rc::Rc;

use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use tapsock_stack::link::{Link, LinkError};
use tapsock_stack::time::Instant;

use super::{Conditions, HEADER, MTU, Relay};

/// One of the two ends. Clones are the same end.
#[derive(Clone)]
pub(in crate::bench) struct End {
    relay: Rc<RefCell<Relay>>,
    side: usize,
}

impl Relay {
    /// The two ends of a new one.
    pub(in crate::bench) fn ends(conditions: Conditions, seed: u64) -> [End; 2] {
        let relay = Rc::new(RefCell::new(Self::new(conditions, seed)));
        [0, 1].map(|side| End { relay: Rc::clone(&relay), side })
    }
}

impl End {
    /// When the next frame arrives here.
    pub(in crate::bench) fn arrival(&self) -> Option<Instant> {
        self.relay.borrow().arrival(self.side)
    }

    fn take(&self, now: Instant) -> Option<Vec<u8>> {
        self.relay.borrow_mut().take(now, self.side)
    }

    fn send(&self, now: Instant, frame: Vec<u8>) {
        self.relay.borrow_mut().send(now, self.side, frame);
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
pub(in crate::bench) struct Arrived(Vec<u8>);

impl RxToken for Arrived {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

/// A frame that smoltcp sends.
pub(in crate::bench) struct Departing {
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
