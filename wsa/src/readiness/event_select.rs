//! WSAEventSelect and WSAEnumNetworkEvents.

use tapsock_stack::link::Link;
use tapsock_stack::storage::Storage;

use super::network::{Bits, Record, Target};
use crate::constants::FD_MAX_EVENTS;
use crate::engine::{Access, Engine};
use crate::error::{Error, Result};
use crate::memory::Arg;
use crate::process::{EventHandle, Process, SocketHandle};

/// WSANETWORKEVENTS: what happened to a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WsaNetworkEvents {
    /// The `FD_` bits.
    pub network_events: i32,
    /// A code for each bit, at the place that its `_BIT` constant names. Those of bits that are
    /// not set are left as they were.
    pub error_code: [i32; FD_MAX_EVENTS],
}

impl<'a, E: Engine<'a>> Process<'a, E> {
    /// WSAEventSelect: from now on `event` is signalled when one of `events` (`FD_` bits) is
    /// recorded about the socket, at once where one is already. The socket is non-blocking from
    /// now on.
    ///
    /// It takes the place of an earlier WSAEventSelect or WSAAsyncSelect. The record stays: what
    /// was reported is not reported again, and what was not is. With no `events` the selection
    /// ends, whatever `event` is; until then the socket cannot be made blocking.
    ///
    /// # Errors
    /// WSANOTINITIALISED; WSAEINPROGRESS; WSAENOTSOCK; WSAEINVAL for a bit that means nothing, and
    /// for an event object that does not exist.
    pub fn wsa_event_select(&self, s: SocketHandle, event: EventHandle, events: i32) -> Result<()> {
        self.call(|access| {
            access.core.socket(s)?;
            let mask = Bits::new(events).ok_or(Error::WSAEINVAL)?;
            if mask.is_empty() {
                access.select_network_events(s, Target::Nobody, mask);
                return Ok(());
            }
            access.core.events.get(event).ok_or(Error::WSAEINVAL)?;
            access.select_network_events(s, Target::Event(event), mask);
            Ok(())
        })
    }

    /// WSAEnumNetworkEvents: fetches what was recorded of the events that the socket is selected
    /// for, and takes it out of the record. The signal of `event` is taken away in the same
    /// moment; [`EventHandle::INVALID`] is none.
    ///
    /// Of `found` only the codes of the bits that are set are written.
    ///
    /// # Errors
    /// WSANOTINITIALISED; WSAEINPROGRESS; WSAENOTSOCK; WSAEFAULT for `found`; WSAEINVAL for an
    /// event object that does not exist. Nothing is fetched then.
    pub fn wsa_enum_network_events(
        &self,
        s: SocketHandle,
        event: EventHandle,
        found: Arg<&mut WsaNetworkEvents>,
    ) -> Result<()> {
        self.call(|access| {
            access.core.socket(s)?;
            let Arg::Value(found) = found else { return Err(Error::WSAEFAULT.into()) };
            if event != EventHandle::INVALID {
                access.core.reset_event(event).map_err(|_| Error::WSAEINVAL)?;
            }
            access.fetch_network_events(s, found)?;
            Ok(())
        })
    }
}

impl<'a, L: Link, S: Storage<'a>> Access<'_, 'a, L, S> {
    fn select_network_events(&mut self, s: SocketHandle, target: Target, mask: Bits) {
        self.settle(s);
        self.core.leave_line(s);
        let Ok(socket) = self.core.socket_mut(s) else { return };
        socket.nonblocking = true;
        let record = &mut socket.record;
        if record.is_window() {
            // What was posted is no record of what was reported.
            *record = Record::default();
        }
        (record.target, record.mask, record.kept) = (target, mask, true);
        self.record(s, Bits::NONE);
        // What was recorded before counts as well.
        let Ok(socket) = self.core.socket(s) else { return };
        let waits = socket.record.recorded & mask;
        if let Target::Event(event) = target
            && !waits.is_empty()
        {
            self.core.set_event(event);
        }
    }

    fn fetch_network_events(
        &mut self,
        s: SocketHandle,
        found: &mut WsaNetworkEvents,
    ) -> Result<()> {
        self.settle(s);
        let record = &mut self.core.socket_mut(s)?.record;
        let fetched = match record.target {
            Target::Event(_) => record.recorded & record.mask,
            // A window is told by messages.
            Target::Window { .. } | Target::Nobody => Bits::NONE,
        };
        record.recorded -= fetched;
        let nothing = fetched.is_empty();
        found.network_events = fetched.get();
        for (place, code) in found.error_code.iter_mut().enumerate() {
            if let Some(bit) = Bits::new(1 << place).filter(|bit| fetched.has(*bit)) {
                *code = record.code(bit);
            }
        }
        if nothing {
            self.core.ask();
        }
        Ok(())
    }
}
