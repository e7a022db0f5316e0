//! What a packet costs where there are many sockets, and where links can fail.

use std::cell::RefCell;
use std::process::Command;
use std::rc::Rc;
use std::{env, io};

use rustix::time::{ClockId, clock_gettime};

use super::super::cable::{End, Rig};
use super::super::runner::Pace;
use super::super::trouble::Trouble;
use super::{Bound, Comparison, Figure, Rounds};

/// Sockets of the side that the others are compared with.
const FEW: usize = 10;
/// The most sockets of a quick run.
const QUICK: usize = 1000;
/// Segments of a measurement. A round's time is that of this many.
const SEGMENTS: usize = 20_000;
/// The same where they go over every connection in turn.
const MESSAGES: usize = 10_000;
/// Of what is counted by callgrind: the difference of two runs leaves out the start and the
/// handshake.
const COUNTED: (usize, usize) = (1000, 5000);

pub(super) fn comparisons() -> Vec<Comparison> {
    let mut all = Vec::new();
    let few = Sockets::new(FEW);
    for (many, word) in [(1000, "1k"), (10_000, "10k"), (100_000, "100k")] {
        let what =
            format!("processor time of a packet with {many} sockets, one busy flow, in memory");
        let figure = Figure::new(format!("packet_cost_{word}"), what, "ns", "10 sockets");
        let figure = if many == 100_000 { figure.must(Bound::AtMost(1.3)) } else { figure };
        let (own, peer) = (Sockets::new(many), few.clone());
        all.push(Comparison::new(
            vec![figure],
            move |_, pace, _| own.busy(pace),
            move |_, pace, _| peer.busy(pace),
        ));
    }
    let what = "processor time of a packet with 100000 sockets that send in turn, in memory";
    let own = Sockets::new(100_000);
    all.push(Comparison::new(
        vec![Figure::new("packet_cost_turns_100k", what, "ns", "10 sockets")],
        move |_, pace, round| own.in_turn(pace, round),
        move |_, pace, round| few.in_turn(pace, round),
    ));
    all.push(links());
    all
}

/// Two stacks with many connections, made when they are first needed.
#[derive(Clone)]
struct Sockets {
    count: usize,
    rig: Rc<RefCell<Option<Rig<End>>>>,
}

impl Sockets {
    fn new(count: usize) -> Self {
        Self { count, rig: Rc::default() }
    }

    /// Nanoseconds of this thread for each packet of what `work` does.
    fn cost(
        &self,
        pace: &Pace,
        work: impl FnOnce(&mut Rig<End>) -> Result<(), Trouble>,
    ) -> Result<Vec<f64>, Trouble> {
        let mut kept = self.rig.borrow_mut();
        let rig = match &mut *kept {
            Some(rig) => rig,
            none => none.insert(Rig::bare()?),
        };
        rig.connect(if pace.quick { self.count.min(QUICK) } else { self.count })?;
        let (before, packets) = (nanoseconds(), rig.packets());
        work(rig)?;
        let (used, packets) = (nanoseconds() - before, rig.packets() - packets);
        Ok(vec![used / packets as f64])
    }

    /// All of it over the first connection.
    fn busy(&self, pace: &Pace) -> Result<Vec<f64>, Trouble> {
        let segments = if pace.quick { SEGMENTS / 20 } else { SEGMENTS };
        self.cost(pace, |rig| rig.transfer(0, segments))
    }

    /// A little over each, so that nothing of a connection is in a cache when its turn comes.
    fn in_turn(&self, pace: &Pace, round: usize) -> Result<Vec<f64>, Trouble> {
        let messages = if pace.quick { MESSAGES / 20 } else { MESSAGES };
        self.cost(pace, |rig| rig.messages(round * messages, messages))
    }
}

/// Processor time of this thread.
fn nanoseconds() -> f64 {
    let used = clock_gettime(ClockId::ThreadCPUTime);
    used.tv_sec as f64 * 1e9 + used.tv_nsec as f64
}

/// Instructions of a packet with links that do nothing, and without them: the fault engine, which
/// every process has, and a capture whose file takes nothing any more.
fn links() -> Comparison {
    let what =
        "instructions of a packet with an idle fault engine and an idle capture, by callgrind";
    let figure = Figure::new("idle_links", what, "instr.", "a bare link");
    let mut comparison = Comparison::new(
        vec![figure.must(Bound::AtMost(1.05))],
        |_, pace, _| instructions("idle", pace),
        |_, pace, _| instructions("none", pace),
    );
    // What is counted is the same every time.
    comparison.rounds = Rounds::Once;
    comparison
}

fn instructions(mode: &str, pace: &Pace) -> Result<Vec<f64>, Trouble> {
    let (few, many) = if pace.quick { (COUNTED.0 / 10, COUNTED.1 / 10) } else { COUNTED };
    let (before, packets_before) = callgrind(mode, few)?;
    let (after, packets) = callgrind(mode, many)?;
    Ok(vec![(after - before) / (packets - packets_before)])
}

/// Instructions and packets of a transfer by this program under callgrind.
fn callgrind(mode: &str, segments: usize) -> Result<(f64, f64), Trouble> {
    let this = env::current_exe().map_err(Trouble::of("finding this program"))?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(this)
        .args(["bench", "--part", &format!("transfer:{mode}:{segments}")])
        .output()
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                Trouble::new("valgrind is missing; run: sudo apt-get install valgrind")
            }
            _ => Trouble::of("valgrind")(error),
        })?;
    let said = String::from_utf8_lossy(&output.stderr);
    let collected = said.lines().find_map(|line| line.split_once("Collected : "));
    let instructions = collected.and_then(|(_, number)| number.trim().parse().ok());
    let packets = String::from_utf8_lossy(&output.stdout).trim().parse().ok();
    instructions.zip(packets).ok_or_else(|| {
        let last = said.lines().last().unwrap_or("nothing");
        Trouble::new(format!("callgrind gave no number of instructions, but said: {last}"))
    })
}
