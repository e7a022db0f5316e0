//! Client logic that is the same for every host: threads that work until they are told to stop.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use super::super::peers::{PATIENCE, Site};
use super::super::trouble::Trouble;

/// What the threads of a run share.
#[derive(Debug, Default)]
pub(super) struct Run {
    stop: AtomicBool,
    ready: AtomicUsize,
    /// What is counted: bytes, connections, answers.
    pub(super) counted: AtomicU64,
}

/// How long the threads may take until they work.
const START: Duration = Duration::from_secs(10);
/// Where nothing is counted before everything runs evenly: slow starts are over by then.
const WARM: f64 = 0.3;

impl Run {
    pub(super) fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    pub(super) const fn stop(&self) -> &AtomicBool {
        &self.stop
    }

    /// One more thread works.
    pub(super) fn is_ready(&self) {
        self.ready.fetch_add(1, Ordering::Release);
    }

    pub(super) fn count(&self, more: u64) {
        self.counted.fetch_add(more, Ordering::Relaxed);
    }
}

/// Lets `threads` threads work at `site` for `seconds` after a part of it to get going, and gives
/// what `count` grew by in a second.
pub(super) fn rate<P: Site>(
    site: &P,
    threads: usize,
    seconds: f64,
    count: impl Fn(&Run) -> u64,
    work: impl Fn(&Run, &P::Client) -> Result<(), Trouble> + Sync,
) -> Result<f64, Trouble> {
    measure(threads, seconds, count, |run| work(run, &site.enter()?))
}

/// The same for threads that get no sockets.
pub(super) fn measure(
    threads: usize,
    seconds: f64,
    count: impl Fn(&Run) -> u64,
    work: impl Fn(&Run) -> Result<(), Trouble> + Sync,
) -> Result<f64, Trouble> {
    let run = Run::default();
    thread::scope(|scope| {
        let (run, work) = (&run, &work);
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(move || {
                    let done = work(run);
                    // Nobody waits for one that has failed.
                    run.is_ready();
                    done
                })
            })
            .collect();
        let began = Instant::now();
        while run.ready.load(Ordering::Acquire) < threads && began.elapsed() < START {
            thread::sleep(Duration::from_micros(200));
        }
        thread::sleep(Duration::from_secs_f64((seconds * WARM).min(0.3)));
        let (from, before) = (Instant::now(), count(run));
        let (took, counted) = loop {
            thread::sleep(Duration::from_secs_f64(seconds));
            let (took, counted) = (from.elapsed(), count(run) - before);
            // After a loss there may be silence for longer than a round takes.
            let hopeless = took > PATIENCE || workers.iter().all(ScopedJoinHandle::is_finished);
            if counted > 0 || hopeless {
                break (took, counted);
            }
        };
        run.stop.store(true, Ordering::Relaxed);
        for worker in workers {
            worker.join().unwrap_or_else(|_| Err(Trouble::new("a client failed")))?;
        }
        if counted == 0 {
            return Err(Trouble::new("nothing was done within the time of a round"));
        }
        Ok(counted as f64 / took.as_secs_f64())
    })
}
