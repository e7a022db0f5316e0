//! What connections cost in memory, as the system counts it. One test, as other threads would be
//! counted as well.

use std::fs;

use tapsock_stack::TcpId;
use tapsock_stack::port::{BindAddress, Family, Share, Transport};
use tapsock_stack::sim::{Conditions, Pair};
use tapsock_stack::tcp::{Close, Connect, Take};
use tapsock_stack::time::Duration;
use tapsock_stack::wire::IpEndpoint;

const CONNECTIONS: usize = 3000;
const BATCH: usize = 500;

#[test]
fn connections_cost_memory_while_they_are_used() {
    stacks_leave_nothing_behind();

    let pair = Pair::configured(1, Conditions::GOOD, |_| {});
    let listener = pair.server.with(|stack, _| {
        let any = BindAddress::Any(Family::V4);
        let binding = stack.bind(Transport::Tcp, any, 80, Share::Default).unwrap();
        stack.tcp_listen(binding, BATCH, 0).unwrap()
    });
    let [local, remote] = [Pair::addresses(1)[0], Pair::addresses(2)[0]];
    let mut ends: Vec<(TcpId, TcpId)> = Vec::with_capacity(CONNECTIONS);
    let empty = resident();
    let each = |more: u64| more.saturating_sub(empty) / (2 * CONNECTIONS as u64);
    for batch in 0..CONNECTIONS / BATCH {
        let clients: Vec<_> = (0..BATCH)
            .map(|number| {
                let local = IpEndpoint::new(local, (1024 + batch * BATCH + number) as u16);
                let request = Connect::new(local, IpEndpoint::new(remote, 80));
                pair.client.with(|stack, now| stack.tcp_connect(now, &request)).unwrap()
            })
            .collect();
        pair.world.run_for(Duration::from_millis(50));
        for client in clients {
            let server = pair.server.with(|stack, _| stack.tcp_accept(listener, 0)).unwrap();
            ends.push((client, server));
        }
        drain(&pair);
    }
    let established = each(resident());
    assert!(established <= 1500, "{established} bytes for each idle end");

    // All at once, so that all have memory at the same time.
    for &(client, _) in &ends {
        pair.client.with(|stack, now| stack.tcp_send(now, client, &[7; 100], 100)).unwrap();
    }
    pair.world.run_for(Duration::from_millis(50));
    for &(_, server) in &ends {
        pair.server.with(|stack, now| {
            let mut request = [0; 200];
            let taken = stack.tcp_recv(now, server, &mut request, Take::Consume);
            assert_eq!((taken, &request[..100]), (Ok(100), &[7; 100][..]));
            stack.tcp_send(now, server, &[9; 1000], 1000).unwrap();
        });
    }
    pair.world.run_for(Duration::from_millis(50));
    for &(client, _) in &ends {
        let mut answer = [0; 2000];
        let taken =
            pair.client.with(|stack, now| stack.tcp_recv(now, client, &mut answer, Take::Consume));
        assert_eq!((taken, &answer[..1000]), (Ok(1000), &[9; 1000][..]));
    }
    drain(&pair);
    let used = each(resident());
    assert!((5000..12_000).contains(&used), "{used} bytes for each used end: a page each way");
    pair.world.run_for(Duration::from_secs(5));
    let idle = each(resident());
    assert!(idle <= 3000, "{idle} bytes for each end that was used and is idle");

    for &(client, server) in &ends {
        pair.client.with(|stack, now| stack.tcp_close(now, client, Close::Reset));
        pair.server.with(|stack, now| stack.tcp_close(now, server, Close::Silent));
    }
    pair.world.run_for(Duration::from_secs(5));
    assert_eq!(pair.client.with(|stack, _| stack.sockets()), 0);
}

/// Hundreds of stacks, each with connections that had something in their rings and were left open.
fn stacks_leave_nothing_behind() {
    let round = |seed| {
        let pair = Pair::new(seed);
        let remote = IpEndpoint::new(Pair::addresses(2)[0], 80);
        let listener = pair.server.with(|stack, _| {
            let any = BindAddress::Any(Family::V4);
            let binding = stack.bind(Transport::Tcp, any, 80, Share::Default).unwrap();
            stack.tcp_listen(binding, 10, 0).unwrap()
        });
        for port in 1..=3 {
            let local = IpEndpoint::new(Pair::addresses(1)[0], port);
            let request = Connect::new(local, remote);
            let id = pair.client.with(|stack, now| stack.tcp_connect(now, &request)).unwrap();
            pair.world.run_for(Duration::from_millis(1));
            pair.client.with(|stack, now| stack.tcp_send(now, id, &[1; 60_000], 60_000)).unwrap();
            pair.world.run_for(Duration::from_millis(20));
        }
        let accepted = pair.server.with(|stack, _| stack.tcp_accept(listener, 0));
        assert!(accepted.is_some());
    };
    (0..20).for_each(round);
    let before = [resident(), address_space()];
    (20..320).for_each(round);
    let after = [resident(), address_space()];
    assert!(after[0] < before[0] + (8 << 20), "resident: {before:?}, then {after:?}");
    assert!(after[1] < before[1] + (64 << 20), "address space: {before:?}, then {after:?}");
}

fn drain(pair: &Pair) {
    for host in [&pair.client, &pair.server] {
        host.with(|stack, _| while stack.next_event().is_some() {});
    }
}

/// Bytes of this process that are in memory.
fn resident() -> u64 {
    let text = fs::read_to_string("/proc/self/smaps_rollup").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("Rss:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().trim().parse::<u64>().unwrap() * 1024
}

/// Bytes that this process has mapped.
fn address_space() -> u64 {
    let text = fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').next().unwrap().parse::<u64>().unwrap() * 4096
}
