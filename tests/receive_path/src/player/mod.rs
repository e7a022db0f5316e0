//! Plays a script against a stack and a process over it, and checks after each step.

mod readiness;
mod stack;
mod winsock;

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::rc::Rc;

use tapsock_stack::port::Binding;
use tapsock_stack::storage::Storage;
use tapsock_stack::tcp::Close;
use tapsock_stack::time::{Duration, Instant};
use tapsock_stack::{Counters, ListenerId, Progress, Stack, TcpId, UdpId};
use wsa::engine::{Access, Engine};
use wsa::{EventHandle, Process, SocketHandle};

use crate::flow::{Tuple, own_byte, peer_byte};
use crate::operation::Operation;
use crate::report::{Report, state_name};
use crate::script::{Script, wait};
use crate::wire::Cable;

/// How often a stack may say in a row that there is more to do at the same time.
const TURNS: u32 = 4_000;

/// How often in a row a deadline may lie in the past.
const OVERDUE: u32 = 100;

/// How long everything takes that ends by itself.
const END: Duration = Duration::from_secs(2_000);

/// Handles that a script was given, by kind. Stale ones stay: they must do no harm.
#[derive(Debug, Default)]
struct Held {
    bindings: Vec<Binding>,
    listeners: Vec<ListenerId>,
    connections: Vec<TcpId>,
    datagrams: Vec<UdpId>,
    sockets: Vec<SocketHandle>,
    events: Vec<EventHandle>,
}

/// The most handles of a kind; further ones are closed at once by the end of the script.
const HANDLES: usize = 24;

/// Whose stream is being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reader {
    Stack(TcpIdOrder),
    Winsock(SocketHandle),
}

/// A place in the list of connections.
type TcpIdOrder = usize;

pub(crate) struct Player<'a, E: Engine<'a>> {
    process: Process<'a, E>,
    script: Rc<Script>,
    held: Held,
    /// The sequence number of the byte that a reader gets next.
    readers: BTreeMap<Reader, u32>,
    report: Report,
}

/// The place among `handles` that a number means.
fn place<T>(handles: &[T], number: u8) -> Option<usize> {
    usize::from(number).checked_rem(handles.len())
}

/// The entry of `handles` that a number means.
fn pick<T: Copy>(handles: &[T], number: u8) -> Option<T> {
    place(handles, number).map(|place| handles[place])
}

impl<'a, E, S> Player<'a, E>
where
    S: Storage<'a>,
    E: Engine<'a, Link = Cable, Storage = S>,
{
    pub(crate) fn new(process: Process<'a, E>, script: Rc<Script>) -> Self {
        let report = Report::default();
        Self { process, script, held: Held::default(), readers: BTreeMap::new(), report }
    }

    /// Plays everything and gives what was reached.
    ///
    /// # Panics
    /// When something does not hold that must.
    pub(crate) fn play(mut self) -> Report {
        self.settle();
        while let Some(operation) = self.script.next() {
            let before = self.counters();
            self.perform(&operation);
            self.settle();
            self.check();
            self.note_error(&operation, &before);
        }
        self.end();
        self.report.counters = self.counters();
        self.report.digest = self.script.wire.borrow().digest.finish();
        self.report
    }

    fn with<R>(&self, work: impl FnOnce(&mut Access<'_, 'a, Cable, S>) -> R) -> R {
        self.process.engine().with(work)
    }

    /// Calls the stack itself.
    fn stack<R>(&self, work: impl FnOnce(&mut Stack<'a, Cable, S>, Instant) -> R) -> R {
        self.with(|access| work(access.stack, access.now))
    }

    fn counters(&self) -> Counters {
        self.stack(|stack, _| stack.counters().clone())
    }

    fn perform(&mut self, operation: &Operation) {
        if let Operation::Wait { unit, count } = *operation {
            self.pass(wait(unit, count));
            return;
        }
        if self.script.wire.borrow_mut().perform(operation) {
            return;
        }
        // A handle that there is not (yet) leaves nothing to be done.
        let _ = self
            .stack_call(operation)
            .or_else(|| self.wsa_call(operation))
            .or_else(|| self.readiness_call(operation));
    }

    /// Notes a result for the digest.
    fn note(&self, what: impl Hash) {
        what.hash(&mut self.script.wire.borrow_mut().digest);
    }

    /// Polls until nothing is left to do at this time.
    fn settle(&mut self) {
        let Self { process, report, .. } = self;
        process.engine().with(|access| {
            let now = access.now;
            let busy = (0..TURNS).all(|_| access.stack.poll(now) == Progress::More);
            assert!(!busy, "it never comes to rest");
            for state in access.stack.netstat().filter_map(|row| row.state) {
                report.states.insert(state_name(state));
            }
        });
    }

    /// Lets time pass as a caller would, as far as the budget lasts.
    fn pass(&mut self, by: Duration) {
        let end = self.script.now() + by;
        let mut overdue = 0;
        loop {
            self.settle();
            let now = self.script.now();
            let Some(at) = self.stack(|stack, _| stack.poll_at()).filter(|&at| at <= end) else {
                break;
            };
            overdue = if at <= now { overdue + 1 } else { 0 };
            assert!(overdue < OVERDUE, "it wants to be called at {at}, and it is {now}");
            if !self.script.spend() {
                return;
            }
            self.script.set_now(at);
        }
        self.script.set_now(end);
        self.settle();
    }

    /// What must hold whenever the stack is at rest.
    fn check(&self) {
        let (taken, quiet) = {
            let wire = self.script.wire.borrow();
            (wire.taken, wire.is_quiet())
        };
        let counters = self.counters();
        assert_eq!(counters.frames_in, taken, "every frame is counted");
        if quiet {
            let (arrived, accounted) = (counters.arrived(), counters.accounted());
            assert_eq!(arrived, accounted, "each arrival has one fate: {counters:?}");
        }
        self.stack(|stack, _| {
            for &id in &self.held.datagrams {
                let Some(status) = stack.udp(id) else { continue };
                assert!(status.waiting <= 4096, "{status:?}");
                assert!(status.bytes <= 65_536 || status.waiting == 1, "{status:?}");
                assert_eq!(status.next_len.is_some(), status.waiting > 0, "{status:?}");
            }
            for &id in &self.held.connections {
                let Some(status) = stack.tcp(id) else { continue };
                assert!(status.queued <= 2 << 20, "{status:?}");
                assert!(status.receivable <= 1 << 20, "{status:?}");
            }
        });
    }

    /// Notes whether an ICMP error found the packet that it is about.
    fn note_error(&mut self, operation: &Operation, before: &Counters) {
        let Operation::Error { kind, code, .. } = *operation else { return };
        let after = self.counters();
        let family = self.script.wire.borrow().last_family();
        if after.icmp_matched > before.icmp_matched {
            *self.report.matched.entry((family, kind, code)).or_default() += 1;
        } else if after.icmp_unmatched > before.icmp_unmatched {
            *self.report.unmatched.entry((family, kind, code)).or_default() += 1;
        }
    }

    /// Whatever was done, everything can be given back and comes to an end.
    fn end(&mut self) {
        self.script.wire.borrow_mut().mend();
        self.script.refill();
        while self.process.wsa_cleanup().is_ok() {}
        let Held { bindings, listeners, connections, datagrams, sockets: _, events: _ } =
            std::mem::take(&mut self.held);
        self.stack(|stack, now| {
            listeners.into_iter().for_each(|id| stack.close_listener(now, id));
            connections.into_iter().for_each(|id| stack.tcp_close(now, id, Close::Deliver));
            datagrams.into_iter().for_each(|id| stack.udp_close(id));
            bindings.into_iter().for_each(|binding| stack.unbind(binding));
        });
        self.pass(END);
        if !self.script.is_within_budget() {
            return;
        }
        self.stack(|stack, now| {
            let rows: Vec<_> = stack.netstat().map(|row| row.to_string()).collect();
            assert!(rows.is_empty(), "left at {now}: {rows:?}");
            assert_eq!((stack.sockets(), stack.delivering()), (0, 0));
            assert_eq!(stack.poll_at(), None, "nothing is left to wait for");
        });
        self.check();
    }

    /// A connection has begun to be read.
    fn begin_reading(&mut self, reader: Reader, tuple: Tuple) {
        let agreed = self.script.wire.borrow().flow(tuple).and_then(|flow| flow.agreed);
        if let Some(initial) = agreed {
            self.readers.insert(reader, initial.wrapping_add(1));
        }
    }

    /// Bytes were received: they are those that every honest peer sends at this place.
    fn check_received(&mut self, reader: Reader, bytes: &[u8], keep: bool) {
        self.note((reader_number(reader), bytes));
        if !self.script.wire.borrow().honest {
            return;
        }
        let Some(next) = self.readers.get_mut(&reader) else { return };
        let mut sequence = *next;
        for &byte in bytes {
            assert_eq!(byte, peer_byte(sequence), "the byte with number {sequence} is another");
            sequence = sequence.wrapping_add(1);
        }
        self.report.verified += bytes.len() as u64;
        if !keep {
            *next = sequence;
        }
    }

    /// What a caller sends next on a connection.
    fn stream(&self, tuple: Option<Tuple>, len: u16) -> Vec<u8> {
        let start = tuple.and_then(|tuple| *self.script.wire.borrow().streams.get(&tuple)?);
        let start = start.unwrap_or(0);
        (0..u32::from(len)).map(|at| own_byte(start.wrapping_add(at))).collect()
    }

    /// Notes how much of it was taken; `None` where nobody knows.
    fn streamed(&self, tuple: Option<Tuple>, taken: Option<usize>) {
        let Some(tuple) = tuple else { return };
        let mut wire = self.script.wire.borrow_mut();
        let sent = wire.streams.entry(tuple).or_insert(Some(0));
        *sent = sent.zip(taken).map(|(sent, taken)| sent.wrapping_add(taken as u32));
    }
}

fn reader_number(reader: Reader) -> usize {
    match reader {
        Reader::Stack(place) => place,
        Reader::Winsock(handle) => handle.raw(),
    }
}
