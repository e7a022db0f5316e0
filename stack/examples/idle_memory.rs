//! What an idle connection costs in memory: real handshakes between two stacks in virtual time.
//!
//! ```text
//! cargo run --release -p tapsock-stack --example idle_memory -- CONNECTIONS
//! ```
//!
//! Both ends of each connection are in this process, so the resident bytes that it has more than
//! before are divided by twice CONNECTIONS. They are asked for when all are established, after one
//! request and its answer on each and a pause, and after all were closed.

use std::env;
use std::error::Error;
use std::fs;

use tapsock_stack::port::{BindAddress, Family, Share, Transport};
use tapsock_stack::sim::{Conditions, Pair};
use tapsock_stack::tcp::{Close, Connect, Take};
use tapsock_stack::time::Duration;
use tapsock_stack::wire::IpEndpoint;
use tapsock_stack::{ListenerId, TcpId};

/// Handshakes that are under way at a time: a listener holds no more half open.
const BATCH: usize = 1000;
/// Local ports, from 1024 on, of one address to one destination.
const PORTS: usize = 64_000;

fn main() -> Result<(), Box<dyn Error>> {
    let usage = "usage: idle_memory CONNECTIONS, such as 100000";
    let connections: usize = env::args().nth(1).ok_or(usage)?.parse().map_err(|_| usage)?;
    let pair = Pair::configured(1, Conditions::GOOD, |_| {});
    let listeners = connections.div_ceil(PORTS);
    let listeners =
        (0..listeners).map(|number| listen(&pair, number)).collect::<Result<Vec<_>, _>>()?;
    let empty = resident()?;
    let mut ends = Vec::with_capacity(connections);
    while ends.len() < connections {
        let batch = ends.len()..connections.min(ends.len() + BATCH);
        let clients = batch.map(|number| connect(&pair, number)).collect::<Result<Vec<_>, _>>()?;
        pair.world.run_for(Duration::from_millis(50));
        let mut servers = Vec::with_capacity(BATCH);
        for &listener in &listeners {
            pair.server.with(|stack, _| {
                servers.extend(std::iter::from_fn(|| stack.tcp_accept(listener, 0)));
            });
        }
        let before = ends.len();
        ends.extend(clients.iter().copied().zip(servers));
        drain(&pair);
        if ends.len() != before + clients.len() {
            return Err("not every handshake was completed".into());
        }
    }
    let report = |what: &str| -> Result<(), Box<dyn Error>> {
        let more = resident()?.saturating_sub(empty);
        println!("{what}: {} bytes for each end", more / (2 * connections) as u64);
        Ok(())
    };
    report("established")?;
    for ends in ends.chunks(BATCH) {
        talk(&pair, ends)?;
    }
    report("one request and answer on each")?;
    pair.world.run_for(Duration::from_secs(5));
    report("the same, idle")?;
    for ends in ends.chunks(BATCH) {
        for &(client, server) in ends {
            pair.client.with(|stack, now| stack.tcp_close(now, client, Close::Deliver));
            pair.server.with(|stack, now| stack.tcp_close(now, server, Close::Deliver));
        }
        pair.world.run_for(Duration::from_millis(50));
    }
    pair.world.run_for(Duration::from_secs(70));
    report("closed")?;
    Ok(())
}

fn listen(pair: &Pair, number: usize) -> Result<ListenerId, Box<dyn Error>> {
    pair.server.with(|stack, _| {
        let any = BindAddress::Any(Family::V4);
        let binding = stack
            .bind(Transport::Tcp, any, 80 + number as u16, Share::Default)
            .map_err(|error| format!("{error:?}"))?;
        stack.tcp_listen(binding, BATCH, 0).map_err(|error| format!("{error:?}").into())
    })
}

fn connect(pair: &Pair, number: usize) -> Result<TcpId, Box<dyn Error>> {
    let local = IpEndpoint::new(Pair::addresses(1)[0], 1024 + (number % PORTS) as u16);
    let remote = IpEndpoint::new(Pair::addresses(2)[0], 80 + (number / PORTS) as u16);
    pair.client
        .with(|stack, now| stack.tcp_connect(now, &Connect::new(local, remote)))
        .map_err(|error| format!("connection {number}: {error:?}").into())
}

fn drain(pair: &Pair) {
    for host in [&pair.client, &pair.server] {
        host.with(|stack, _| while stack.next_event().is_some() {});
    }
}

/// A request of 100 bytes and an answer of 1000 on each.
fn talk(pair: &Pair, ends: &[(TcpId, TcpId)]) -> Result<(), Box<dyn Error>> {
    for (bytes, there) in [(100, true), (1000, false)] {
        let (from, to) =
            if there { (&pair.client, &pair.server) } else { (&pair.server, &pair.client) };
        let order = |&(client, server): &(TcpId, TcpId)| {
            if there { (client, server) } else { (server, client) }
        };
        for (sender, _) in ends.iter().map(order) {
            from.with(|stack, now| stack.tcp_send(now, sender, &vec![7; bytes], 65_536))
                .map_err(|error| format!("{error:?}"))?;
        }
        pair.world.run_for(Duration::from_millis(50));
        for (_, receiver) in ends.iter().map(order) {
            let mut room = [0; 2000];
            let taken =
                to.with(|stack, now| stack.tcp_recv(now, receiver, &mut room, Take::Consume));
            if taken != Ok(bytes) {
                return Err(format!("{taken:?} in place of {bytes} bytes").into());
            }
        }
        drain(pair);
    }
    pair.world.run_for(Duration::from_millis(50));
    Ok(())
}

/// Bytes of this process that are in memory.
fn resident() -> Result<u64, Box<dyn Error>> {
    let text = fs::read_to_string("/proc/self/smaps_rollup")?;
    let line = text.lines().find_map(|line| line.strip_prefix("Rss:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let kibibytes: u64 =
        kibibytes.ok_or("/proc/self/smaps_rollup has no line \"Rss:\"")?.trim().parse()?;
    Ok(kibibytes * 1024)
}
