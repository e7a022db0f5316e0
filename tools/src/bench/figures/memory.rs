//! What idle connections cost in memory. The peers are processes of the kernel's side, each within
//! its limit of open files and with an address of its own.

use std::net::Ipv4Addr;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Resource, getrlimit};
use tapsock_stack::wire::{IpAddress, IpCidr};

use super::super::lab::Way;
use super::super::players::Player;
use super::super::runner::Pace;
use super::super::trouble::Trouble;
use super::{Bound, Comparison, Figure, Measured, Rounds};
use crate::namespace;

/// Connections, and those of a quick run.
const CONNECTIONS: (usize, usize) = (100_000, 500);
/// The most that one process makes from its address: half of the ports that the kernel takes by
/// itself.
const EACH: usize = 14_000;
/// Open files that are none of a caller's connections.
const FILES: usize = 32;
/// How long a hundred thousand handshakes or requests may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long everything rests after the requests: the memory of rings is given back within three
/// seconds.
const REST: Duration = Duration::from_secs(5);

pub(super) fn comparisons() -> Vec<Comparison> {
    let words = "resident bytes of an idle connection after";
    let fresh = Figure::new("idle_connection_bytes", format!("{words} its handshake"), "bytes", "");
    let used = Figure::new(
        "idle_connection_bytes_used",
        format!("{words} a request, its answer and 5 s of rest"),
        "bytes",
        "",
    );
    let figures =
        vec![fresh.must(Bound::AtMost(1500.0)), used.must(Bound::AtMost(3000.0)).index(1)];
    let mut comparison = Comparison::alone(figures, |_, pace, _| measure(pace));
    // What is counted hardly changes, and a hundred thousand handshakes take their time.
    comparison.rounds = Rounds::Once;
    vec![comparison]
}

/// What the holding process says of itself.
struct Held {
    connections: usize,
    resident: f64,
}

fn held(holder: &mut Player) -> Result<Held, Trouble> {
    holder.say("measure")?;
    let line = holder.hear(PATIENCE)?;
    let numbers = line.split_once(' ').and_then(|(connections, resident)| {
        Some(Held { connections: connections.parse().ok()?, resident: resident.parse().ok()? })
    });
    numbers.ok_or_else(|| Trouble::new(format!("a part of the benchmark said {line:?}")))
}

fn measure(pace: &Pace) -> Result<Measured, Trouble> {
    let wanted = if pace.quick { CONNECTIONS.1 } else { CONNECTIONS.0 };
    let files = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
    let each = EACH.min(usize::try_from(files).unwrap_or(EACH).saturating_sub(FILES)).max(1);
    let mut holder = Player::start("hold")?;
    let port = holder.hear(PATIENCE)?;
    let before = held(&mut holder)?;
    let mut callers = Vec::new();
    let mut left = wanted;
    for number in 0..wanted.div_ceil(each).min(100) {
        let address = Ipv4Addr::new(10, 77, 0, 100 + number as u8);
        add(address)?;
        let count = left.min(each);
        left -= count;
        callers.push(Player::start(&format!("call:{address}:{port}:{count}"))?);
    }
    let (mut made, mut limit) = (0, None);
    for caller in &callers {
        let line = caller.hear(PATIENCE)?;
        let (count, stopped) = line.split_once(' ').unwrap_or((&line, ""));
        made += count.parse::<usize>().unwrap_or(0);
        if !stopped.is_empty() {
            limit = Some(stopped.to_string());
        }
    }
    let fresh = until(&mut holder, made)?;
    let each = |now: &Held| (now.resident - before.resident) / made as f64;
    let first = each(&fresh);
    for caller in &mut callers {
        caller.say("ask")?;
    }
    holder.say("answer")?;
    holder.hear(PATIENCE)?;
    let mut answered = 0;
    for caller in &callers {
        answered += caller.hear(PATIENCE)?.parse::<usize>().unwrap_or(0);
    }
    if answered != made {
        return Err(Trouble::new(format!("only {answered} of {made} requests were answered")));
    }
    thread::sleep(REST);
    let used = each(&held(&mut holder)?);
    let note = match limit {
        None => format!("{made} connections"),
        Some(limit) => format!("{made} connections, no more than that because of: {limit}"),
    };
    Ok(Measured { values: vec![first, used], note: Some(note) })
}

/// Waits until everything that was made is held.
fn until(holder: &mut Player, made: usize) -> Result<Held, Trouble> {
    let began = Instant::now();
    loop {
        let now = held(holder)?;
        if made == 0 || now.connections > made {
            return Err(Trouble::new("no connection could be made"));
        }
        if now.connections == made {
            return Ok(now);
        }
        if began.elapsed() > PATIENCE {
            let held = now.connections;
            return Err(Trouble::new(format!("only {held} of {made} connections were accepted")));
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// Gives the kernel one more address, unless an earlier run has done so.
fn add(address: Ipv4Addr) -> Result<(), Trouble> {
    let device = Way::Own.device();
    namespace::ip(&format!(
        "address replace {} dev {device}",
        IpCidr::new(IpAddress::from(address), 24)
    ))
    .map_err(Trouble::from)
}
