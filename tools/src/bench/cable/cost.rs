//! What a packet costs a stack in instructions: a full segment sent, a full segment received, and a
//! small one that has to find its connection among many. `scripts/instructions` has callgrind look
//! at the function `measured` and at nothing else.

use std::str::FromStr;

use tapsock_stack::link::Link;
use tapsock_stack::storage::Growable;
use tapsock_stack::tcp::Take;
use tapsock_stack::time::{Duration, Instant};
use tapsock_stack::{Progress, Stack};

use super::{BUFFER, PAYLOAD, Rig, gone};
use crate::bench::trouble::Trouble;

/// Longer than an acknowledgment is held back.
const LATER: Duration = Duration::from_millis(20);

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::bench) enum Counted {
    /// A full segment is sent, and its acknowledgment taken in.
    Transmit,
    /// A full segment is taken in and read.
    Receive,
    /// A segment of one byte is taken in.
    Demux,
}

impl FromStr for Counted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "transmit" => Ok(Self::Transmit),
            "receive" => Ok(Self::Receive),
            "demux" => Ok(Self::Demux),
            _ => Err(format!("{text:?} is not transmit, receive or demux")),
        }
    }
}

#[inline(never)]
fn measured<R>(work: impl FnOnce() -> R) -> R {
    work()
}

/// Sends this many segments over as many connections in turn.
pub(in crate::bench) fn packets(
    what: Counted,
    connections: usize,
    segments: usize,
) -> Result<(), Trouble> {
    let mut rig = Rig::bare()?;
    rig.connect(connections.max(1))?;
    for number in 0..segments {
        rig.segment(what, number)?;
    }
    Ok(())
}

impl<L: Link> Rig<L> {
    fn segment(&mut self, what: Counted, number: usize) -> Result<(), Trouble> {
        let place = number.checked_rem(self.connections.len()).unwrap_or(0);
        let &[from, to] = self.connections.get(place).ok_or_else(gone)?;
        let Self { now, client, server, room, .. } = self;
        let data = &[0xa5; PAYLOAD][..if what == Counted::Demux { 1 } else { PAYLOAD }];
        let send = |client: &mut Stack<'static, L, Growable>| {
            let sent = client.tcp_send(*now, from, data, BUFFER);
            let idle = client.poll(*now) == Progress::Idle;
            at_once(idle && sent == Ok(data.len()))
        };
        let mut read = |server: &mut Stack<'static, L, Growable>| {
            at_once(server.tcp_recv(*now, to, room, Take::Consume) == Ok(data.len()))
        };
        match what {
            Counted::Transmit => {
                measured(|| send(client))?;
                settle(server, *now);
                read(server)?;
            }
            Counted::Receive => {
                send(client)?;
                measured(|| {
                    settle(server, *now);
                    read(server)
                })?;
            }
            Counted::Demux => {
                send(client)?;
                measured(|| settle(server, *now));
                read(server)?;
            }
        }
        // Late acknowledgments, which belong to the sending.
        *now += LATER;
        settle(server, *now);
        if what == Counted::Transmit {
            measured(|| settle(client, *now));
        } else {
            settle(client, *now);
        }
        while client.next_event().is_some() {}
        while server.next_event().is_some() {}
        Ok(())
    }
}

fn settle<L: Link>(stack: &mut Stack<'static, L, Growable>, now: Instant) {
    while stack.poll(now) == Progress::More {}
}

fn at_once(done: bool) -> Result<(), Trouble> {
    done.then_some(()).ok_or_else(|| Trouble::new("a segment in memory did not pass at once"))
}
