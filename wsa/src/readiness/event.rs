//! Event objects, and waiting for them.

use tapsock_stack::storage::Storage;

use super::Limit;
use crate::constants::{
    WSA_INFINITE, WSA_MAXIMUM_WAIT_EVENTS, WSA_WAIT_EVENT_0, WSA_WAIT_IO_COMPLETION,
    WSA_WAIT_TIMEOUT,
};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::process::{Core, Cue, EventHandle, Handle, Process, Turn};

/// What ends the signal of an event object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// Only WSAResetEvent, or WSAEnumNetworkEvents. All that wait go on.
    ManualReset,
    /// Also the first wait that it ends: one of those that wait goes on.
    AutoReset,
}

/// Whether a new event object has its signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// It has.
    Set,
    /// It has not.
    Unset,
}

/// How many of the event objects a wait needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitFor {
    /// One. The lowest index counts.
    Any,
    /// All, signalled at the same time.
    All,
}

/// Whether an APC ends a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alertable {
    /// APCs of the thread run, and the wait is over.
    Yes,
    /// APCs stay queued.
    No,
}

/// An event object.
#[derive(Debug)]
pub(crate) struct Event {
    kind: EventKind,
    signalled: bool,
    /// The epoch in which it was set the last time.
    set_at: u64,
}

impl<'a, S: Storage<'a>> Core<'a, S> {
    /// Signals an event object; nothing where the handle is stale.
    pub(crate) fn set_event(&mut self, handle: EventHandle) {
        let Some(number) = handle.number().filter(|_| self.events.get(handle).is_some()) else {
            return;
        };
        self.touch(number);
        let epoch = self.epoch();
        if let Some(event) = self.events.get_mut(handle) {
            event.signalled = true;
            event.set_at = epoch;
        }
    }

    /// Takes the signal of an event object away.
    pub(crate) fn reset_event(&mut self, handle: EventHandle) -> Result<()> {
        let event = self.events.get_mut(handle).ok_or(Error::WSA_INVALID_HANDLE)?;
        event.signalled = false;
        Ok(())
    }

    /// Whether a wait that began after the epoch `since` may end because of this event object. A
    /// signal that all get counts also where it was taken away before this caller could look.
    fn is_signalled(&self, handle: EventHandle, since: Option<u64>) -> Result<bool> {
        let event = self.events.get(handle).ok_or(Error::WSA_INVALID_HANDLE)?;
        let passed =
            event.kind == EventKind::ManualReset && since.is_some_and(|since| event.set_at > since);
        Ok(event.signalled || passed)
    }

    /// The end of a wait takes the signal of an auto-reset event.
    fn take_signal(&mut self, handle: EventHandle) {
        if let Some(event) = self.events.get_mut(handle)
            && event.kind == EventKind::AutoReset
        {
            event.signalled = false;
        }
    }

    /// What a wait for these event objects ends with, if it does.
    fn try_events(
        &mut self,
        events: &[EventHandle],
        wanted: WaitFor,
        since: Option<u64>,
    ) -> Result<Option<u32>> {
        let mut first = None;
        let mut all = true;
        for (index, &event) in events.iter().enumerate() {
            // A set and a reset of one event are no moment at which all were signalled.
            let since = since.filter(|_| wanted == WaitFor::Any);
            if self.is_signalled(event, since)? {
                first = first.or(Some(index));
            } else {
                all = false;
            }
        }
        match (wanted, first) {
            (WaitFor::Any, Some(index)) => self.take_signal(events[index]),
            (WaitFor::All, Some(0)) if all => {
                for &event in events {
                    self.take_signal(event);
                }
            }
            _ => return Ok(None),
        }
        Ok(first.map(|index| WSA_WAIT_EVENT_0 + index as u32))
    }
}

impl<'a, E: Engine<'a>> Process<'a, E> {
    /// WSACreateEvent: a manual-reset event object without a signal. It lives until
    /// [`Process::wsa_close_event`], also after the last WSACleanup.
    ///
    /// # Errors
    /// WSANOTINITIALISED; WSAEINPROGRESS; WSA_NOT_ENOUGH_MEMORY when the table is full.
    pub fn wsa_create_event(&self) -> Result<EventHandle> {
        self.create_event(EventKind::ManualReset, Signal::Unset)
    }

    /// CreateEvent without a name: an event object of either kind, with its signal or without.
    /// Whatever takes an event object takes this one.
    ///
    /// # Errors
    /// As [`Process::wsa_create_event`].
    pub fn create_event(&self, kind: EventKind, signal: Signal) -> Result<EventHandle> {
        self.call(|access| {
            let event = Event { kind, signalled: signal == Signal::Set, set_at: 0 };
            Ok(access.core.events.insert(event).ok_or(Error::WSA_NOT_ENOUGH_MEMORY)?)
        })
    }

    /// WSASetEvent: gives it its signal.
    ///
    /// # Errors
    /// WSANOTINITIALISED; WSAEINPROGRESS; WSA_INVALID_HANDLE.
    pub fn wsa_set_event(&self, event: EventHandle) -> Result<()> {
        self.call(|access| {
            access.core.events.get(event).ok_or(Error::WSA_INVALID_HANDLE)?;
            access.core.set_event(event);
            Ok(())
        })
    }

    /// WSAResetEvent: takes its signal away.
    ///
    /// # Errors
    /// As [`Process::wsa_set_event`].
    pub fn wsa_reset_event(&self, event: EventHandle) -> Result<()> {
        self.call(|access| Ok(access.core.reset_event(event)?))
    }

    /// WSACloseEvent: the handle means nothing any more. Who waits for it fails with
    /// WSA_INVALID_HANDLE; sockets that would signal it do not.
    ///
    /// # Errors
    /// As [`Process::wsa_set_event`].
    pub fn wsa_close_event(&self, event: EventHandle) -> Result<()> {
        self.call(|access| {
            access.core.events.remove(event).ok_or(Error::WSA_INVALID_HANDLE)?;
            if let Some(number) = event.number() {
                access.core.touch(number);
            }
            Ok(())
        })
    }

    /// WSAWaitForMultipleEvents: waits until one of `events`, or all of them, have their signal,
    /// or `timeout` milliseconds have passed; WSA_INFINITE is for ever, zero looks once.
    ///
    /// Gives WSA_WAIT_EVENT_0 and the index of the event (with [`WaitFor::All`] always 0),
    /// WSA_WAIT_TIMEOUT, or WSA_WAIT_IO_COMPLETION after APCs ran. An auto-reset event loses its
    /// signal to the wait that it ends; a wait for all takes the signals of all of them or none.
    ///
    /// # Errors
    /// WSANOTINITIALISED; WSAEINPROGRESS; WSA_INVALID_PARAMETER for no events or more than 64;
    /// WSA_INVALID_HANDLE, also for one that is closed during the wait; WSAEINTR.
    pub fn wsa_wait_for_multiple_events(
        &self,
        events: &[EventHandle],
        wanted: WaitFor,
        timeout: u32,
        alertable: Alertable,
    ) -> Result<u32> {
        let thread = self.thread();
        let mut interest = heapless::Vec::<u32, WSA_MAXIMUM_WAIT_EVENTS>::new();
        // Of more events than there is room for, none is waited for.
        interest
            .extend(events.iter().take(WSA_MAXIMUM_WAIT_EVENTS).filter_map(|event| event.number()));
        let mut limit = Limit::millis((timeout != WSA_INFINITE).then_some(timeout));
        let mut since = None;
        let outcome = self.block_undisturbed(&interest, |access, cue| {
            if !(1..=WSA_MAXIMUM_WAIT_EVENTS).contains(&events.len()) {
                return Turn::fail(Error::WSA_INVALID_PARAMETER);
            }
            match access.core.try_events(events, wanted, since) {
                Ok(None) => {}
                Ok(Some(ended)) => return Turn::Done(Ok(ended)),
                Err(error) => return Turn::fail(error),
            }
            if let Cue::GiveUp(error) = cue {
                return Turn::fail(error);
            }
            since.get_or_insert_with(|| access.core.epoch());
            let in_callback = access.core.in_callback(thread);
            let alerted = alertable == Alertable::Yes && access.core.is_alerted(thread);
            match (limit.is_over(access), alerted) {
                (_, true) if !in_callback => Turn::Done(Ok(WSA_WAIT_IO_COMPLETION)),
                (true, _) => Turn::Done(Ok(WSA_WAIT_TIMEOUT)),
                (false, _) if in_callback => Turn::fail(Error::WSAEINPROGRESS),
                (false, _) => Turn::Wait(limit.end()),
            }
        });
        #[cfg(feature = "alloc")]
        if outcome == Ok(WSA_WAIT_IO_COMPLETION) {
            self.run_apcs(thread);
        }
        outcome
    }

    /// WaitForSingleObject on an event object.
    ///
    /// # Errors
    /// As [`Process::wsa_wait_for_multiple_events`].
    pub fn wait_for_single(&self, event: EventHandle, timeout: u32) -> Result<u32> {
        self.wsa_wait_for_multiple_events(&[event], WaitFor::Any, timeout, Alertable::No)
    }
}
