//! Goodput over a link that loses, by the clock, with the kernel as the peer: the same relay as in
//! virtual time, between a TAP device of the kernel that receives and either our stack or a TAP
//! device of the kernel that sends.
//!
//! There is one flow. Who receives is the same for both, and so is the window that it offers. Where
//! nothing is lost the rate is the limit after a round trip of 1 ms, with 191 Mbit/s of payload, and
//! the window after one of 20 ms, with 93 Mbit/s.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rustix::net::sockopt::set_socket_send_buffer_size;
use tapsock_stack::link::tap::Tap;

use super::super::lab::{Family, Lab, Way};
use super::super::peers::{Host, Kernel, Own, Server, Stream};
use super::super::relay::{Conditions, Fates, Live, Port, Wire};
use super::super::runner::Pace;
use super::super::trouble::Trouble;
use super::loss::{conditions, grid, seed};
use super::{Comparison, Figure, Measured, Rounds, client, peer};

/// Bytes of the receiving socket's buffer. Linux makes a window of 240 KB of it, for which there is
/// room in the relay's queue: where nothing is lost by chance, nothing is lost.
const RECEIVE_BUFFER: usize = 176 * 1024;
/// Bytes of the sending socket's: so many that only the window limits what is under way.
const SEND_BUFFER: i32 = 512 * 1024;
/// Bytes of a write: what is sent in a fraction of a second even where most is lost.
const PIECE: usize = 16 * 1024;
/// Round trips before anything is counted: slow starts end early where a clock is not exact, and
/// CUBIC takes its time from there to the window.
const WARM: u32 = 30;
/// How much longer a side is measured than in other figures, as a loss costs several round trips.
const LONGER: f64 = 2.0;

pub(super) fn comparisons() -> Vec<Comparison> {
    let compare = |(percent, millis)| {
        let run = Run { conditions: conditions(percent, millis) };
        let what = format!(
            "goodput to the kernel at {percent} % loss and {millis} ms, 240 KB window, 200 Mbit/s, \
             by the clock"
        );
        let name = format!("goodput_loss_{percent}_{millis}ms_kernel");
        Comparison {
            figures: vec![Figure::new(name, what, "Mbit/s", peer::RELAYED)],
            measured: 1,
            rounds: Rounds::Timed,
            own: Box::new(move |_, pace, round| run.own(pace, round)),
            peer: Some(Box::new(move |lab, pace, round| run.kernel(lab, pace, round))),
        }
    };
    grid().map(compare).collect()
}

/// A transfer.
#[derive(Debug, Clone, Copy)]
struct Run {
    conditions: Conditions,
}

impl Run {
    fn own(self, pace: &Pace, round: usize) -> Result<Measured, Trouble> {
        let [near, far] = Wire::pair()?;
        let relay = self.relay(round, Port::new(near)?)?;
        let own = Own::relayed(SEND_BUFFER as usize, Port::new(far)?)?;
        self.transfer(&own, relay, pace, |stream| own.set_send_buffer(stream, SEND_BUFFER))
    }

    fn kernel(self, lab: &Lab, pace: &Pace, round: usize) -> Result<Measured, Trouble> {
        let relay = self.relay(round, Port::new(lab.open_relayed()?)?)?;
        self.transfer(&Kernel::relayed(lab), relay, pace, |stream| {
            let set = set_socket_send_buffer_size(stream, SEND_BUFFER as usize);
            set.map_err(|error| Trouble::of("setting SO_SNDBUF")(error.into()))
        })
    }

    /// One from `sender` to the kernel that receives.
    fn relay(self, round: usize, sender: Port) -> Result<Live, Trouble> {
        let receiver = Tap::open(Way::Relay.device()).map_err(Trouble::from)?;
        Live::start(self.conditions, seed(round), [sender, Port::new(receiver)?])
    }

    /// Megabits in a second at the receiver, over a connection for which `prepare` sets the send
    /// buffer.
    fn transfer<H: Host>(
        self,
        host: &H,
        relay: Live,
        pace: &Pace,
        prepare: impl Fn(&H::Stream) -> Result<(), Trouble> + Sync,
    ) -> Result<Measured, Trouble> {
        let server = Server::sink(RECEIVE_BUFFER, Family::V4)?;
        let to = SocketAddr::new(host.peer(Family::V4), server.port());
        let warm = WARM * Duration::from(self.conditions.round_trip);
        let seconds = LONGER * pace.seconds;
        let bytes = client::rate(
            &host,
            1,
            seconds,
            |_| server.counted(),
            |run, host| {
                let connected = host.connect(to);
                let mut stream = connected.map_err(Trouble::of("connecting through the relay"))?;
                stream.prepare().map_err(Trouble::of("setting up a connection"))?;
                prepare(&stream)?;
                let mut send = || -> io::Result<()> {
                    let begun = Instant::now();
                    while begun.elapsed() < warm {
                        stream.write_all(&[0xa5; PIECE])?;
                    }
                    run.is_ready();
                    while !run.is_over() {
                        stream.write_all(&[0xa5; PIECE])?;
                    }
                    Ok(())
                };
                send().map_err(Trouble::of("a transfer through the relay"))
            },
        );
        // Where the relay has failed, that is why the transfer did.
        let fates = relay.end()?;
        Ok(Measured { values: vec![bytes? * 8e-6], note: note(fates) })
    }
}

/// What was lost although chance did not demand it.
fn note(fates: [Fates; 2]) -> Option<String> {
    let lost: u64 = fates.iter().map(|fates| fates.crowded + fates.refused).sum();
    (lost > 0).then(|| format!("{lost} frames of a round found no room in the relay"))
}
