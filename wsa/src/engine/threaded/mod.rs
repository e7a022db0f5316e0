//! The engine for real threads and a real link: leader and follower.
//!
//! A caller that must wait and finds no leader becomes it: it sleeps on the link itself, serves
//! everybody until its own condition holds, and hands the role on. A background thread leads only
//! while no caller waits. A thread that owned the link and woke the callers would cost two more
//! changes of thread in every round trip; a caller that looks at the link itself costs none.
//!
//! A program that makes calls all the time looks at the link with each of them, and would only be
//! disturbed by a background thread that the same frames wake. So while there are calls, nobody
//! sleeps on the link between two of them: the background thread is on patrol, which means that it
//! looks every half a millisecond whether there were any, and leads again once there were none.
//!
//! Two orders matter, and both were learned from hangs. A caller claims the lead, and with it the
//! link, before the lock is given up for the first time: otherwise the background thread takes the
//! answer off the link while the caller sleeps on it. And whoever advances the stack while the
//! leader sleeps kicks it when the leader's condition has changed or its deadline has moved
//! forward: nothing on the link would wake it.

mod sleep;

use std::any::Any;
use std::boxed::Box;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError, Weak};
use std::thread::{JoinHandle, Thread};
use std::time::Instant as Clock;
use std::vec::Vec;
use std::{fmt, io};

use rustix::event::{EventfdFlags, PollFd, PollFlags, epoll, eventfd, poll};
use tapsock_stack::link::Link;
use tapsock_stack::storage::{ForkMark, Growable};
use tapsock_stack::time::{Duration, Instant};
use tapsock_stack::{Progress, Stack};

use self::sleep::{Found, Interest, Sleep, Wakes, earlier, kick, settle, timespec};
use super::{Access, Engine, Waited};
use crate::process::Core;

/// Turns of the stack that one visit makes at the most before others have a chance to lock.
const VISIT: usize = 8;

/// How often the background thread looks on patrol, and so the longest, doubled, that a frame lies
/// on the link after the last of many calls. Short against anybody's retransmission time-out; a
/// hundred times as long as what a look costs.
const PATROL: Duration = Duration::from_micros(500);

/// Calls in a patrol's time that make it worth its while.
const BUSY: u64 = 8;

/// How long frames may lie on the link on patrol, while every call ends with what it was made for. A
/// look that finds nothing costs as much as a small packet, and frames that are taken together are
/// answered together, which wakes their peer once. Who makes few calls has each frame at once.
const UNTAKEN: Duration = Duration::from_micros(100);

const KICK: epoll::EventData = epoll::EventData::new_u64(0);
const LINK: epoll::EventData = epoll::EventData::new_u64(1);

/// How long a link that reports an error is left alone.
const DEAD_LINK: Duration = Duration::from_millis(200);

/// Who sleeps on the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lead {
    /// The background thread.
    Background,
    /// A caller of [`Engine::wait`].
    Caller,
    /// Nobody for a moment: the next call looks at the link, or the patrol does.
    Nobody,
}

/// A caller that waits while another one leads.
#[derive(Debug)]
struct Follower {
    ticket: u64,
    thread: Thread,
    seen: u64,
    interest: Interest,
    woken: bool,
}

struct State<L: Link> {
    core: Core<'static, Growable>,
    stack: Stack<'static, L, Growable>,
    lead: Lead,
    followers: Vec<Follower>,
    leader_sleep: Option<Sleep>,
    background_sleep: Option<Sleep>,
    tickets: u64,
    /// The link wakes the background thread. Only then may that lead.
    watched: bool,
    /// The background thread is on patrol.
    patrol: bool,
    /// Calls so far, and how many there were when the background thread looked last, and when.
    calls: u64,
    looked: (u64, Instant),
    /// When frames were taken from the link last.
    taken: Instant,
    /// The core's epoch up to which followers have been woken.
    woken: u64,
    /// The follower that was woken to lead, by its ticket.
    successor: Option<u64>,
    ended: bool,
}

struct Shared<L: Link> {
    state: Mutex<State<L>>,
    /// The link, to sleep on; absent where there is only a loopback.
    link: Option<OwnedFd>,
    leader_kick: OwnedFd,
    background_kick: OwnedFd,
    /// What the background thread sleeps on: its kick, and the link while no caller leads.
    background_sleep: OwnedFd,
    started: Clock,
    /// Of the process that the stack belongs to.
    mark: ForkMark,
    /// The thread that a closure runs on which has access; 0 for none.
    inside: AtomicU64,
    /// How long a caller looks at the link before it sleeps, in microseconds.
    spin: AtomicU64,
    /// What lives as long as the stack works.
    companions: Mutex<Vec<Box<dyn Any + Send>>>,
}

/// Threads share a stack whose link is a file descriptor.
///
/// Dropping the engine closes what is still open and waits until the closed connections have
/// delivered what was sent on them. A process that is never dropped, such as one in a `static`,
/// calls [`Threaded::shut_down`] at its end instead.
pub struct Threaded<L: Link + Send + 'static> {
    shared: Arc<Shared<L>>,
    background: Option<JoinHandle<()>>,
}

impl<L: Link + Send + 'static> fmt::Debug for Threaded<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Threaded").field("link", &self.shared.link).finish_non_exhaustive()
    }
}

/// A closure that has access, on the thread that holds the lock. It ends also where it panics.
struct Inside<'s>(&'s AtomicU64);

impl<'s> Inside<'s> {
    fn enter(inside: &'s AtomicU64) -> Self {
        inside.store(thread_number(), Ordering::Relaxed);
        Self(inside)
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

impl<L: Link + Send + 'static> Threaded<L> {
    /// An engine over a stack that `make` builds with the time it is given.
    ///
    /// `link` is what becomes readable when a frame has arrived: a duplicate of the link's file
    /// descriptor. Without one the stack has only its loopback.
    ///
    /// # Errors
    /// When the system refuses an event descriptor or a thread.
    pub fn new(
        core: Core<'static, Growable>,
        link: Option<OwnedFd>,
        make: impl FnOnce(Instant) -> Stack<'static, L, Growable>,
    ) -> io::Result<Self> {
        let event = || eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK);
        let state = State {
            core,
            stack: make(Instant::ZERO),
            lead: Lead::Background,
            followers: Vec::new(),
            leader_sleep: None,
            background_sleep: None,
            tickets: 0,
            watched: link.is_some(),
            patrol: false,
            calls: 0,
            looked: (0, Instant::ZERO),
            taken: Instant::ZERO,
            woken: 0,
            successor: None,
            ended: false,
        };
        let background_kick = event()?;
        let background_sleep = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(&background_sleep, &background_kick, KICK, epoll::EventFlags::IN)?;
        if let Some(link) = &link {
            epoll::add(&background_sleep, link, LINK, epoll::EventFlags::IN)?;
        }
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            link,
            leader_kick: event()?,
            background_kick,
            background_sleep,
            started: Clock::now(),
            mark: ForkMark::new(),
            inside: AtomicU64::new(0),
            spin: AtomicU64::new(0),
            companions: Mutex::new(Vec::new()),
        });
        let background = {
            let shared = Arc::clone(&shared);
            std::thread::Builder::new()
                .name("tapsock".into())
                .spawn(move || shared.run_background())?
        };
        Ok(Self { shared, background: Some(background) })
    }

    /// The time of the stack's clock, which starts when the engine is made.
    pub fn now(&self) -> Instant {
        self.shared.now()
    }

    /// Lets a caller that must wait look at the link again and again for this time before it sleeps.
    /// It saves the time that waking up takes, for as much of a processor. None by default.
    pub fn set_spin(&self, spin: Duration) {
        self.shared.spin.store(spin.total_micros(), Ordering::Relaxed);
    }

    /// Access for a thread that does not keep the engine alive.
    pub fn handle(&self) -> Handle<L> {
        Handle(Arc::downgrade(&self.shared))
    }

    /// Keeps `companion`, which watches or serves the stack, until [`Threaded::dismiss`], or until
    /// the engine is shut down or dropped and everything was delivered.
    pub fn attach(&self, companion: impl Any + Send) {
        self.shared.companions().push(Box::new(companion));
    }

    /// Copies of everything of this type that is attached.
    pub fn attached<T: Any + Clone>(&self) -> Vec<T> {
        self.shared.companions().iter().filter_map(|it| it.downcast_ref::<T>().cloned()).collect()
    }

    /// Waits until every connection that was closed has delivered what was sent, or `budget` has
    /// passed. True when nothing is left to deliver.
    pub fn deliver(&self, budget: Duration) -> bool {
        // A budget beyond a day is one beyond anybody's patience.
        let end = self.now() + budget.min(Duration::from_secs(86_400));
        loop {
            let (left, seen) = self.with(|access| (access.stack.delivering(), access.core.epoch()));
            if left == 0 {
                return true;
            }
            let now = self.now();
            if now >= end {
                return false;
            }
            // A closed connection has no owner whose event could be waited for.
            self.wait(seen, &[], Some(end.min(now + Duration::from_millis(20))));
        }
    }

    /// The end of a process: closes what is still open, as closesocket would, and waits until
    /// everything has been delivered, at most
    /// [`Config::linger`](tapsock_stack::config::Config::linger).
    pub fn shut_down(&self) {
        // A process that ends leaves no open socket behind, whether it said so or not.
        let linger = self.with(|access| {
            access.close_all();
            access.stack.config().linger
        });
        if !self.deliver(linger) {
            log::warn!("a closed connection could not deliver everything within {linger}");
        }
        self.dismiss();
    }

    /// Drops what was attached, in that order: for the end of a program whose process other
    /// threads still hold.
    pub fn dismiss(&self) {
        let companions = std::mem::take(&mut *self.shared.companions());
        // Outside the lock: they may want to attach or to ask.
        drop(companions);
    }
}

/// Access to an engine that may have ended.
pub struct Handle<L: Link + Send + 'static>(Weak<Shared<L>>);

impl<L: Link + Send + 'static> fmt::Debug for Handle<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Handle").field(&self.0.strong_count()).finish()
    }
}

impl<L: Link + Send + 'static> Handle<L> {
    /// As [`Engine::with`]; `None` when the engine has ended.
    pub fn with<R>(&self, f: impl FnOnce(&mut Access<'_, 'static, L, Growable>) -> R) -> Option<R> {
        Some(self.0.upgrade()?.with(f))
    }
}

impl<L: Link + Send + 'static> Drop for Threaded<L> {
    fn drop(&mut self) {
        if self.is_down() {
            return;
        }
        self.shut_down();
        self.shared.lock().ended = true;
        kick(&self.shared.background_kick);
        if let Some(background) = self.background.take() {
            // A panic there was reported where it happened.
            let _ = background.join();
        }
    }
}

impl<L: Link + Send + 'static> Engine<'static> for Threaded<L> {
    type Link = L;
    type Storage = Growable;

    fn with<R>(&self, f: impl FnOnce(&mut Access<'_, 'static, L, Growable>) -> R) -> R {
        self.shared.with(f)
    }

    fn wait(&self, seen: u64, interest: &[u32], until: Option<Instant>) -> Waited {
        let shared = &*self.shared;
        let mut state = shared.lock();
        let mut succeeds = false;
        loop {
            let done = state.core.changed(seen, interest)
                || until.is_some_and(|until| until <= shared.now());
            if done {
                if succeeds && state.lead == Lead::Nobody {
                    shared.leave(state);
                }
                return Waited::Again;
            }
            if state.lead != Lead::Caller {
                state.lead = Lead::Caller;
                shared.watch(&mut state, false);
                shared.lead(state, seen, interest, until);
                return Waited::Again;
            }
            (state, succeeds) = shared.follow(state, seen, interest, until);
        }
    }

    fn thread(&self) -> u64 {
        thread_number()
    }

    fn is_down(&self) -> bool {
        self.shared.mark.is_inherited()
    }

    fn is_entered(&self) -> bool {
        let own = thread_number();
        // A thread's own number can only have been stored by itself.
        own != 0 && self.shared.inside.load(Ordering::Relaxed) == own
    }
}

impl<L: Link + Send + 'static> Shared<L> {
    fn lock(&self) -> MutexGuard<'_, State<L>> {
        // A caller's closure that panicked has been reported; the state is whole between calls.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<R>(&self, f: impl FnOnce(&mut Access<'_, 'static, L, Growable>) -> R) -> R {
        let mut state = self.lock();
        let now = self.now();
        let result = {
            let _inside = Inside::enter(&self.inside);
            let State { core, stack, .. } = &mut *state;
            f(&mut Access { core, stack, now })
        };
        state.calls += 1;
        let asked = state.core.take_asked();
        if asked || !state.patrol || now >= state.taken + UNTAKEN {
            state.advance(now);
        } else {
            state.settle(now);
        }
        let wakes = state.wakes();
        drop(state);
        self.wake(wakes);
        result
    }

    fn companions(&self) -> MutexGuard<'_, Vec<Box<dyn Any + Send>>> {
        self.companions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Instant {
        Instant::from_micros(self.started.elapsed().as_micros() as i64)
    }

    fn wake(&self, wakes: Wakes) {
        if wakes.leader {
            kick(&self.leader_kick);
        }
        if wakes.background {
            kick(&self.background_kick);
        }
        for thread in wakes.few.into_iter().flatten().chain(wakes.many) {
            thread.unpark();
        }
        if wakes.hook {
            super::deliver(|step| self.lock().core.delivery(step, thread_number()));
        }
    }

    /// Leads until the condition holds or `until` has passed, then hands the lead on.
    fn lead<'s>(
        &'s self,
        mut state: MutexGuard<'s, State<L>>,
        seen: u64,
        interest: &[u32],
        until: Option<Instant>,
    ) {
        let spin = Duration::from_micros(self.spin.load(Ordering::Relaxed));
        let spin_ends = (spin != Duration::ZERO).then(|| self.now() + spin);
        loop {
            let now = self.now();
            let more = state.advance(now) || spin_ends.is_some_and(|end| now < end);
            let done =
                state.core.changed(seen, interest) || until.is_some_and(|until| until <= now);
            if done {
                self.leave(state);
                return;
            }
            let wakes = state.wakes();
            let wake_at = earlier(state.stack.poll_at(), until);
            if !more {
                state.leader_sleep = Some(Sleep {
                    until: wake_at,
                    condition: Some((seen, Interest::new(interest))),
                    kicked: false,
                });
            }
            drop(state);
            self.wake(wakes);
            if !more {
                self.sleep_as_leader(wake_at);
            }
            state = self.lock();
            state.leader_sleep = None;
        }
    }

    /// A caller leads no more: another one does, or the background thread, or for a moment nobody.
    fn leave(&self, mut state: MutexGuard<'_, State<L>>) {
        let mut wakes = state.wakes();
        state.calls += 1;
        state.lead = Lead::Nobody;
        if let Some(next) = state.followers.iter_mut().find(|follower| !follower.woken) {
            next.woken = true;
            wakes.push(next.thread.clone());
            state.successor = Some(next.ticket);
        } else if !state.patrol {
            let now = self.now();
            let (calls, at) = state.looked;
            let lately = now < at + PATROL;
            if lately && state.calls - calls >= BUSY && self.link.is_some() {
                state.patrol = true;
                // It may sleep without an end. If it does not sleep, it will see for itself.
                wakes.background |= state.background_sleep.as_mut().is_some_and(Sleep::kick);
            } else {
                if !lately {
                    state.looked = (state.calls, now);
                }
                self.watch(&mut state, true);
                state.lead = Lead::Background;
                // It went to sleep without the stack's deadline.
                let next = state.stack.poll_at();
                wakes.background |= state.background_sleep.as_mut().is_some_and(|s| s.hurry(next));
            }
        }
        drop(state);
        self.wake(wakes);
    }

    /// Sleeps until woken by the leader, or until `until`; true when it was woken to lead.
    fn follow<'s>(
        &'s self,
        mut state: MutexGuard<'s, State<L>>,
        seen: u64,
        interest: &[u32],
        until: Option<Instant>,
    ) -> (MutexGuard<'s, State<L>>, bool) {
        state.tickets += 1;
        let ticket = state.tickets;
        let thread = std::thread::current();
        let interest = Interest::new(interest);
        state.followers.push(Follower { ticket, thread, seen, interest, woken: false });
        drop(state);
        loop {
            let now = self.now();
            match until {
                Some(until) if until > now => std::thread::park_timeout((until - now).into()),
                Some(_) => {}
                None => std::thread::park(),
            }
            let mut state = self.lock();
            let now = self.now();
            let expired = until.is_some_and(|until| until <= now);
            let Some(place) = state.followers.iter().position(|other| other.ticket == ticket)
            else {
                return (state, false);
            };
            // A park may end without a reason.
            if state.followers[place].woken || expired {
                state.followers.swap_remove(place);
                let succeeds = state.successor == Some(ticket);
                if succeeds {
                    state.successor = None;
                }
                return (state, succeeds);
            }
        }
    }

    fn run_background(&self) {
        let mut state = self.lock();
        while !state.ended {
            let now = self.now();
            let mut wake_at = None;
            let mut more = false;
            if state.patrol {
                self.patrol(&mut state, now);
            }
            if state.lead != Lead::Caller {
                more = state.advance(now);
                wake_at = state.stack.poll_at();
            }
            if state.patrol {
                wake_at = earlier(wake_at, Some(now + PATROL));
            }
            let wakes = state.wakes();
            if !more {
                state.background_sleep =
                    Some(Sleep { until: wake_at, condition: None, kicked: false });
            }
            let patrol = state.patrol;
            drop(state);
            self.wake(wakes);
            let mut found = if more { Found::Kick } else { self.sleep_in_background(wake_at) };
            state = loop {
                match self.state.try_lock() {
                    Ok(state) => break state,
                    // There is a call, then, which would have to wake this thread at its end.
                    Err(TryLockError::WouldBlock) if patrol && found == Found::Nothing => {
                        found = self.sleep_in_background(Some(self.now() + PATROL));
                    }
                    Err(_) => break self.lock(),
                }
            };
            state.background_sleep = None;
            if found == Found::Frame && !state.patrol && state.calls - state.looked.0 >= BUSY {
                // Frames wake this thread that callers would find by themselves.
                state.patrol = true;
                state.looked = (state.calls, self.now());
            }
        }
    }

    /// Leaves the link to the callers as long as there are any.
    fn patrol(&self, state: &mut State<L>, now: Instant) {
        let (calls, at) = state.looked;
        if now < at + PATROL {
            self.watch(state, false);
            if state.lead == Lead::Background {
                state.lead = Lead::Nobody;
            }
            return;
        }
        state.looked = (state.calls, now);
        if state.calls - calls < BUSY {
            state.patrol = false;
            if state.lead == Lead::Nobody {
                self.watch(state, true);
                state.lead = Lead::Background;
            }
        }
    }

    /// Lets the background thread see the link, or takes it out of its sight without waking it.
    fn watch(&self, state: &mut State<L>, link_too: bool) {
        if let Some(link) = &self.link
            && state.watched != link_too
        {
            state.watched = link_too;
            let flags = if link_too { epoll::EventFlags::IN } else { epoll::EventFlags::empty() };
            // The descriptor was added when the engine was made; there is nothing to fail.
            let _ = epoll::modify(&self.background_sleep, link, LINK, flags);
        }
    }

    fn left(&self, until: Option<Instant>) -> Option<Duration> {
        let now = self.now();
        until.map(|until| if until > now { until - now } else { Duration::ZERO })
    }

    /// Sleeps on the leader's kick and the link.
    fn sleep_as_leader(&self, until: Option<Instant>) {
        let left = self.left(until);
        let timeout = left.map(timespec);
        let kick = PollFd::new(&self.leader_kick, PollFlags::IN);
        // Interrupted by a signal is a wake-up like any other: the result does not matter.
        let kicked = if let Some(link) = &self.link {
            let mut both = [kick, PollFd::new(link, PollFlags::IN)];
            let _ = poll(&mut both, timeout.as_ref());
            let dead = PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL;
            if both[1].revents().intersects(dead) {
                self.pause(&self.leader_kick, left);
            }
            !both[0].revents().is_empty()
        } else {
            let mut one = [kick];
            let _ = poll(&mut one, timeout.as_ref());
            !one[0].revents().is_empty()
        };
        if kicked {
            settle(&self.leader_kick);
        }
    }

    /// Sleeps on the background thread's kick, and on the link where that is watched.
    fn sleep_in_background(&self, until: Option<Instant>) -> Found {
        let left = self.left(until);
        let timeout = left.map(timespec);
        let mut room = [MaybeUninit::<epoll::Event>::uninit(); 2];
        let Ok((events, _)) = epoll::wait(&self.background_sleep, &mut room, timeout.as_ref())
        else {
            return Found::Nothing;
        };
        let dead = epoll::EventFlags::ERR | epoll::EventFlags::HUP;
        let mut found = Found::Nothing;
        for event in events {
            if { event.data }.u64() == KICK.u64() {
                settle(&self.background_kick);
                if found == Found::Nothing {
                    found = Found::Kick;
                }
            } else if { event.flags }.intersects(dead) {
                self.pause(&self.background_kick, left);
            } else {
                found = Found::Frame;
            }
        }
        found
    }

    /// A device whose namespace is gone reports an error for ever: do not spin on it.
    fn pause(&self, kick: &OwnedFd, left: Option<Duration>) {
        let pause = timespec(left.map_or(DEAD_LINK, |left| left.min(DEAD_LINK)));
        let _ = poll(&mut [PollFd::new(kick, PollFlags::IN)], Some(&pause));
    }
}

impl<L: Link> State<L> {
    /// Advances the stack; true when it has more to do at once.
    fn advance(&mut self, now: Instant) -> bool {
        self.taken = now;
        self.visit(now, Stack::poll)
    }

    /// Does what a call has made due, and leaves the link to the next look.
    fn settle(&mut self, now: Instant) {
        self.visit(now, Stack::poll_egress);
    }

    fn visit(
        &mut self,
        now: Instant,
        poll: fn(&mut Stack<'static, L, Growable>, Instant) -> Progress,
    ) -> bool {
        for _ in 0..VISIT {
            let progress = poll(&mut self.stack, now);
            self.core.absorb(&mut self.stack, now);
            if progress == Progress::Idle {
                return false;
            }
        }
        true
    }

    /// Whom to wake for what has changed.
    fn wakes(&mut self) -> Wakes {
        let mut wakes = Wakes { hook: self.core.delivery_is_due(), ..Wakes::default() };
        let Self { core, followers, leader_sleep, background_sleep, woken, .. } = self;
        if core.epoch() != *woken {
            *woken = core.epoch();
            for follower in followers {
                if !follower.woken && core.changed(follower.seen, follower.interest.numbers()) {
                    follower.woken = true;
                    wakes.push(follower.thread.clone());
                }
            }
        }
        let next = self.stack.poll_at();
        if let Some(sleep) = leader_sleep {
            let changed = sleep
                .condition
                .as_ref()
                .is_some_and(|(seen, interest)| core.changed(*seen, interest.numbers()));
            wakes.leader = if changed { sleep.kick() } else { sleep.hurry(next) };
        }
        if self.lead != Lead::Caller
            && let Some(sleep) = background_sleep
        {
            wakes.background = sleep.hurry(next);
        }
        wakes
    }
}

/// The calling thread's identity.
fn thread_number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    std::thread_local! {
        static THREAD: u64 = NEXT.fetch_add(1, Ordering::Relaxed);
    }
    // Only a thread that is being torn down has no number any more.
    THREAD.try_with(|thread| *thread).unwrap_or(0)
}

#[cfg(test)]
mod tests;
