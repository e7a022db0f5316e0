//! Calls of Winsock that say what a socket is ready for.

use tapsock_stack::storage::Storage;
use wsa::constants::WSA_INFINITE;
use wsa::engine::Engine;
use wsa::{Alertable, Arg, EventHandle, WaitFor, WsaNetworkEvents, WsaPollFd};

use super::{HANDLES, Player, pick};
use crate::operation::Operation;
use crate::wire::Cable;

/// The message that window messages have.
const MESSAGE: u32 = 0x400;

impl<'a, E, S> Player<'a, E>
where
    S: Storage<'a>,
    E: Engine<'a, Link = Cable, Storage = S>,
{
    /// Does one of these calls. `None` when there is no such socket, and for other operations.
    pub(super) fn readiness_call(&mut self, operation: &Operation) -> Option<()> {
        match *operation {
            Operation::WsaPoll { events, timeout } => {
                let sockets = self.held.sockets.iter();
                let mut entries: Vec<_> =
                    sockets.map(|&s| WsaPollFd::new(s, events as i16)).collect();
                let timeout = if timeout == 255 { -1 } else { 10 * i32::from(timeout) };
                let ready = self.process.wsa_poll(&mut entries, timeout);
                self.ended(&ready);
                let answers: Vec<_> = entries.iter().map(|entry| entry.revents).collect();
                self.note((ready.unwrap_or(0), answers));
            }
            Operation::WsaEvent { call, event } => self.event(call, event)?,
            Operation::WsaEventSelect { socket, event, events } => {
                let s = pick(&self.held.sockets, socket)?;
                let event = pick(&self.held.events, event).unwrap_or(EventHandle::INVALID);
                let done = self.process.wsa_event_select(s, event, events.into());
                self.ended(&done);
            }
            Operation::WsaEnum { socket, event } => {
                let s = pick(&self.held.sockets, socket)?;
                let event = pick(&self.held.events, event).filter(|_| event < 128);
                let event = event.unwrap_or(EventHandle::INVALID);
                let mut found = WsaNetworkEvents::default();
                let done = self.process.wsa_enum_network_events(s, event, Arg::Value(&mut found));
                self.ended(&done);
                self.note((found.network_events, found.error_code));
            }
            Operation::WsaWait { how, timeout } => {
                let wanted = if how & 1 == 0 { WaitFor::Any } else { WaitFor::All };
                let alertable = if how & 2 == 0 { Alertable::No } else { Alertable::Yes };
                let timeout = if timeout == 255 { WSA_INFINITE } else { 10 * u32::from(timeout) };
                let events = &self.held.events;
                let ended =
                    self.process.wsa_wait_for_multiple_events(events, wanted, timeout, alertable);
                self.ended(&ended);
                self.note(ended.unwrap_or(0));
            }
            Operation::WsaAsyncSelect { socket, window, events } => {
                let s = pick(&self.held.sockets, socket)?;
                let done = self.process.wsa_async_select(s, window.into(), MESSAGE, events.into());
                self.ended(&done);
            }
            Operation::WsaMessages { count } => {
                for _ in 0..count {
                    let message = self.process.next_message();
                    self.note(message.is_some());
                    message?;
                }
            }
            _ => return None,
        }
        Some(())
    }

    fn event(&mut self, call: u8, event: u8) -> Option<()> {
        if call.is_multiple_of(4) {
            if self.held.events.len() < HANDLES {
                let made = self.process.wsa_create_event();
                self.ended(&made);
                self.held.events.extend(made);
            }
            return Some(());
        }
        let event = pick(&self.held.events, event)?;
        let done = match call % 4 {
            1 => self.process.wsa_set_event(event),
            2 => self.process.wsa_reset_event(event),
            _ => self.process.wsa_close_event(event),
        };
        self.ended(&done);
        Some(())
    }
}
