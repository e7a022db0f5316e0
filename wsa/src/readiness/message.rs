//! The messages of WSAAsyncSelect: where there are windows, PostMessage would take them.
//!
//! They wait in one bounded queue of the process, or are handed to a hook of the host program. A
//! message that finds the queue full is not lost: its bit stays in the socket's record, the socket
//! stands in line, and the message is posted as soon as there is room.

use core::fmt;

use tapsock_stack::storage::{Fifo, Storage};

use super::Limit;
use super::network::{Bits, Target};
use crate::constants::WSA_INFINITE;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::process::{Core, Cue, MESSAGES, Process, SocketHandle, Turn};

/// The most messages that wait, as many as a Windows thread's own queue has.
const MOST_MESSAGES: usize = 10_000;

/// In this order the messages of one moment are posted: who is told of a connection first knows
/// that it may be written to.
const ORDER: [Bits; 9] = [
    Bits::CONNECT,
    Bits::ACCEPT,
    Bits::OOB,
    Bits::WRITE,
    Bits::READ,
    Bits::CLOSE,
    Bits::QOS,
    Bits::ROUTING_INTERFACE_CHANGE,
    Bits::ADDRESS_LIST_CHANGE,
];

/// One network event of one socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SocketMessage {
    /// The number that WSAAsyncSelect was given for a window.
    pub window: usize,
    /// The number that it was given for the message.
    pub message: u32,
    /// The socket, which may be closed by now: what is queued is not taken back.
    pub socket: SocketHandle,
    /// One of the `FD_` bits.
    pub event: i32,
    /// With what it happened; 0 is success.
    pub error: i32,
}

impl SocketMessage {
    /// wParam: the socket.
    pub const fn w_param(&self) -> usize {
        self.socket.raw()
    }

    /// lParam: WSAGETSELECTEVENT in its low word, WSAGETSELECTERROR in its high word.
    pub const fn l_param(&self) -> u32 {
        // All of Winsock's codes fit 16 bits.
        ((self.error as u32) << 16) | (self.event as u32 & 0xFFFF)
    }
}

/// Takes the messages in place of the queue.
///
/// It runs on whatever thread found out, after every lock is given up, one message at a time and
/// in their order. It may call Winsock; blocking calls are WSAEINPROGRESS in it. It should return
/// soon: that thread may be the one that everybody waits for. In a simulated network that is the
/// thread of the process's next call.
#[derive(Clone)]
pub enum MessageHook {
    /// A plain function.
    Function(fn(SocketMessage)),
    /// A closure.
    #[cfg(feature = "alloc")]
    Shared(alloc::sync::Arc<dyn Fn(SocketMessage) + Send + Sync>),
}

impl MessageHook {
    /// A hook from a closure.
    #[cfg(feature = "alloc")]
    pub fn new(hook: impl Fn(SocketMessage) + Send + Sync + 'static) -> Self {
        Self::Shared(alloc::sync::Arc::new(hook))
    }
}

impl fmt::Debug for MessageHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MessageHook")
    }
}

/// What happened to messages so far. Every counter only grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MessageCounters {
    /// Messages that went into the queue.
    pub posted: u64,
    /// How many times a socket found the queue full and had to stand in line.
    pub delayed: u64,
}

/// A message on its way to the hook.
#[derive(Debug)]
pub struct Delivery {
    hook: MessageHook,
    message: SocketMessage,
}

impl Delivery {
    /// Runs the hook. No lock may be held.
    pub fn run(self) {
        match self.hook {
            MessageHook::Function(hook) => hook(self.message),
            #[cfg(feature = "alloc")]
            MessageHook::Shared(hook) => hook(self.message),
        }
    }
}

/// What an engine asks of [`Core::delivery`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The first message, unless somebody else is delivering.
    Begin,
    /// The next one, after one was run.
    Next,
    /// None any more: the hook has panicked.
    Stop,
}

/// The messages of a process.
pub(crate) struct Messages<Q, L> {
    queue: Q,
    /// Sockets with something to post, while the queue is full.
    line: L,
    hook: Option<MessageHook>,
    /// A thread hands messages to the hook.
    is_delivering: bool,
    counters: MessageCounters,
    /// The epoch of the last message.
    posted_at: u64,
}

impl<Q: Fifo<SocketMessage>, L: Fifo<SocketHandle>> Messages<Q, L> {
    pub(crate) fn new() -> Self {
        Self {
            queue: Q::default(),
            line: L::default(),
            hook: None,
            is_delivering: false,
            counters: MessageCounters::default(),
            posted_at: 0,
        }
    }

    /// Whether a message was posted after the epoch `seen`.
    pub(crate) fn changed(&self, seen: u64) -> bool {
        self.posted_at > seen
    }

    pub(crate) fn stamp(&mut self, epoch: u64) {
        self.posted_at = epoch;
    }

    /// False when there is no room.
    fn post(&mut self, message: SocketMessage) -> bool {
        let posted = self.has_room() && self.queue.push_back(message).is_ok();
        self.counters.posted += u64::from(posted);
        posted
    }

    fn has_room(&self) -> bool {
        self.queue.len() < self.queue.limit().map_or(MOST_MESSAGES, |most| most.min(MOST_MESSAGES))
    }

    fn stand_in_line(&mut self, s: SocketHandle) -> bool {
        self.counters.delayed += 1;
        self.line.push_back(s).is_ok()
    }
}

impl<'a, S: Storage<'a>> Core<'a, S> {
    /// Posts what is recorded and wanted; what finds no room stays recorded.
    pub(super) fn post_recorded(&mut self, s: SocketHandle) {
        let Some(socket) = self.sockets.get_mut(s) else { return };
        let record = &mut socket.record;
        let Target::Window { window, message } = record.target else { return };
        record.recorded = record.recorded & record.mask;
        if record.queued || record.recorded.is_empty() {
            return;
        }
        for bit in ORDER {
            if !record.recorded.has(bit) {
                continue;
            }
            let (event, error) = (bit.get(), record.code(bit));
            if !self.messages.post(SocketMessage { window, message, socket: s, event, error }) {
                // A line is as long as there are sockets, and each stands in it once.
                record.queued = self.messages.stand_in_line(s);
                break;
            }
            record.recorded -= bit;
        }
        self.touch(MESSAGES);
    }

    /// Takes a socket out of the line. What is queued already stays.
    pub(crate) fn leave_line(&mut self, s: SocketHandle) {
        if let Some(socket) = self.sockets.get_mut(s)
            && core::mem::take(&mut socket.record.queued)
        {
            self.messages.line.retain(|other| *other != s);
        }
    }

    fn take_message(&mut self) -> Option<SocketMessage> {
        let message = self.messages.queue.pop_front()?;
        // There is room again for whoever stands in line.
        while self.messages.has_room()
            && let Some(s) = self.messages.line.pop_front()
        {
            if let Some(socket) = self.sockets.get_mut(s) {
                socket.record.queued = false;
            }
            self.post_recorded(s);
        }
        Some(message)
    }

    /// A message for the queue's reader; there is none while a hook takes them.
    fn read_message(&mut self) -> Option<SocketMessage> {
        if self.messages.hook.is_some() { None } else { self.take_message() }
    }

    /// Whether a message waits for the hook and nobody delivers.
    pub fn delivery_is_due(&self) -> bool {
        let messages = &self.messages;
        messages.hook.is_some() && !messages.is_delivering && !messages.queue.is_empty()
    }

    /// The message that the engine hands to the hook after it has unlocked. Who got one on
    /// `thread` goes on with [`Step::Next`] until there is none, as
    /// [`engine::deliver`](crate::engine::deliver) does: meanwhile nobody else delivers, so the
    /// order is kept.
    pub fn delivery(&mut self, step: Step, thread: u64) -> Option<Delivery> {
        let wanted = match step {
            Step::Begin => self.delivery_is_due(),
            Step::Next => true,
            Step::Stop => false,
        };
        let hook = self.messages.hook.clone().filter(|_| wanted);
        let delivery = hook.and_then(|hook| {
            let message = self.take_message()?;
            Some(Delivery { hook, message })
        });
        // Blocking calls inside the hook are refused, as in every callback.
        let began = step == Step::Begin && delivery.is_some();
        let ended = step != Step::Begin && delivery.is_none();
        if began || ended {
            self.messages.is_delivering = began;
            if let Some(record) = self.thread_mut(thread) {
                let callbacks = record.callbacks;
                record.callbacks = if began { callbacks + 1 } else { callbacks.saturating_sub(1) };
            }
        }
        delivery
    }
}

impl<'a, E: Engine<'a>> Process<'a, E> {
    /// Takes the oldest message, as PeekMessage with PM_REMOVE does. There is none while a hook
    /// takes them. Works before WSAStartup and after WSACleanup, and leaves the last error alone.
    pub fn next_message(&self) -> Option<SocketMessage> {
        self.look(|access| access.core.read_message())
    }

    /// The oldest message, which stays in the queue.
    pub fn peek_message(&self) -> Option<SocketMessage> {
        self.look(|access| {
            let messages = &access.core.messages;
            messages.queue.front().copied().filter(|_| messages.hook.is_none())
        })
    }

    /// Waits for a message and takes it, as GetMessage does; `None` after `timeout` milliseconds.
    /// WSA_INFINITE is for ever.
    ///
    /// # Errors
    /// WSANOTINITIALISED; WSAEINPROGRESS; WSAEINTR.
    pub fn wait_message(&self, timeout: u32) -> Result<Option<SocketMessage>> {
        let thread = self.thread();
        let mut limit = Limit::millis((timeout != WSA_INFINITE).then_some(timeout));
        self.block_undisturbed(&[MESSAGES], |access, cue| {
            if let Some(message) = access.core.read_message() {
                return Turn::Done(Ok(Some(message)));
            }
            if limit.is_over(access) {
                return Turn::Done(Ok(None));
            }
            if let Cue::GiveUp(error) = cue {
                return Turn::fail(error);
            }
            if access.core.in_callback(thread) {
                return Turn::fail(Error::WSAEINPROGRESS);
            }
            Turn::Wait(limit.end())
        })
    }

    /// From now on `hook` takes the messages, first those that wait; none puts them into the queue
    /// again. Gives the hook that was set before.
    pub fn set_message_hook(&self, hook: Option<MessageHook>) -> Option<MessageHook> {
        self.look(|access| core::mem::replace(&mut access.core.messages.hook, hook))
    }

    /// What happened to messages so far.
    pub fn message_counters(&self) -> MessageCounters {
        self.look(|access| Some(access.core.messages.counters)).unwrap_or_default()
    }
}
