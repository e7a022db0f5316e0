//! A relay by the clock, between two links of the system.

use std::num::NonZeroU64;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Instant as Clock;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::thread::set_current_timer_slack;
use tapsock_stack::link::{Link, LinkError};
use tapsock_stack::time::{Duration, Instant};
use wsa::start::AnyLink;

use super::super::trouble::Trouble;
use super::{Conditions, Fates, HEADER, MTU, Relay};

/// How often it is asked whether the relay is to end.
const LOOK: Duration = Duration::from_millis(5);
/// Frames that are taken from an end before the other has its turn: what a clock that is read once
/// for all of them is wrong by is little beside the time that their bits take.
const BATCH: usize = 64;

/// A link, and what becomes readable when a frame has arrived.
pub(in crate::bench) struct Port {
    pub(in crate::bench) link: AnyLink,
    pub(in crate::bench) descriptor: OwnedFd,
}

impl Port {
    pub(in crate::bench) fn new(link: impl Link + AsFd + Send + 'static) -> Result<Self, Trouble> {
        let descriptor = link.as_fd().try_clone_to_owned();
        let descriptor = descriptor.map_err(Trouble::of("opening a port of the relay"))?;
        Ok(Self { link: Box::new(link), descriptor })
    }
}

/// A relay in a thread of its own. Ends when it is dropped.
pub(in crate::bench) struct Live {
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<[Fates; 2], Trouble>>>,
}

impl Live {
    /// Between two ports.
    pub(in crate::bench) fn start(
        conditions: Conditions,
        seed: u64,
        ports: [Port; 2],
    ) -> Result<Self, Trouble> {
        let ended = Arc::new(AtomicBool::new(false));
        let (relay, asked) = (Relay::new(conditions, seed), Arc::clone(&ended));
        let thread = thread::Builder::new().spawn(move || carry(relay, ports, &asked));
        let thread = thread.map_err(Trouble::of("starting the relay"))?;
        Ok(Self { ended, thread: Some(thread) })
    }

    /// Ends it, and gives what became of the frames of each side.
    ///
    /// # Errors
    /// Why it has ended before.
    pub(in crate::bench) fn end(mut self) -> Result<[Fates; 2], Trouble> {
        self.join()
    }

    fn join(&mut self) -> Result<[Fates; 2], Trouble> {
        self.ended.store(true, Ordering::Relaxed);
        let Some(thread) = self.thread.take() else { return Ok(Default::default()) };
        thread.join().unwrap_or_else(|_| Err(Trouble::new("the relay failed")))
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        // Whoever wants to know why it has ended asks.
        let _ = self.join();
    }
}

fn carry(
    mut relay: Relay,
    mut ports: [Port; 2],
    ended: &AtomicBool,
) -> Result<[Fates; 2], Trouble> {
    // The usual slack of 50 microseconds is nearly the time that a full frame takes.
    let _ = set_current_timer_slack(NonZeroU64::new(1));
    let began = Clock::now();
    let clock = || Instant::from_micros(i64::try_from(began.elapsed().as_micros()).unwrap_or(0));
    // One byte more than a frame has, so that a longer one is seen.
    let mut room = [0; HEADER + MTU + 1];
    while !ended.load(Ordering::Relaxed) {
        let mut more = false;
        for (side, port) in ports.iter_mut().enumerate() {
            let now = clock();
            for left in (0..BATCH).rev() {
                let Some(length) = port.link.receive(now, &mut room).map_err(gone)? else { break };
                if length == room.len() {
                    return Err(Trouble::new(format!(
                        "a frame of more than {} bytes came to the relay, where each is to be one \
                         packet; the device must not offload",
                        HEADER + MTU
                    )));
                }
                relay.send(now, side, room[..length].to_vec());
                more |= left == 0;
            }
            while let Some(frame) = relay.take(now, side) {
                match port.link.transmit(now, &frame) {
                    Ok(()) => {}
                    Err(LinkError::Busy) => relay.refuse(side),
                    Err(LinkError::Down) => return Err(gone(LinkError::Down)),
                }
            }
        }
        if more {
            continue;
        }
        let due = [0, 1].into_iter().filter_map(|side| relay.arrival(side)).min();
        let now = clock();
        wait(&ports, due.map_or(LOOK, |due| if due > now { due - now } else { Duration::ZERO }))?;
    }
    Ok(relay.fates())
}

/// Until a frame comes or this time is over.
fn wait(ports: &[Port; 2], time: Duration) -> Result<(), Trouble> {
    let time = time.min(LOOK);
    let time = Timespec { tv_sec: 0, tv_nsec: 1000 * time.total_micros() as i64 };
    let [near, far] = ports.each_ref().map(|port| PollFd::new(&port.descriptor, PollFlags::IN));
    match poll(&mut [near, far], Some(&time)) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(Trouble::of("waiting in the relay")(error.into())),
    }
}

fn gone(_: LinkError) -> Trouble {
    Trouble::new("a link of the relay is down: its device was taken away, or its stack has ended")
}
