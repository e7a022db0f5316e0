//! The same seed sends the same bytes at the same times.

use tapsock_stack::port::{BindAddress, Family, Share, Transport};
use tapsock_stack::sim::{Conditions, Pair};
use tapsock_stack::tcp::{Close, Take};
use tapsock_stack::time::Duration;
use tapsock_stack::wire::IpEndpoint;

use crate::scene::{Capture, connect, listen, pattern, seconds};

/// What both cables carried in a run with a bit of everything, over a bad cable.
fn run(seed: u64) -> [Vec<u8>; 2] {
    let bad = Conditions {
        delay: Duration::from_millis(3),
        jitter: Duration::from_millis(2),
        loss: 0.03,
        duplicate: 0.02,
        reorder: 0.05,
        ..Conditions::GOOD
    };
    let pair = Pair::over(seed, bad);
    let captures = [Capture::new(&pair.client), Capture::new(&pair.server)];
    let listener = pair.server.with(|stack, _| {
        let binding = stack.bind(Transport::Tcp, BindAddress::AnyDual, 80, Share::Default).unwrap();
        stack.tcp_listen(binding, 16, 0).unwrap()
    });
    let mut attempts = Vec::new();
    for family in [0, 1] {
        for number in [2, 2, 2, 9, 10] {
            let remote = IpEndpoint::new(Pair::addresses(number)[family], 80);
            attempts.push(connect(&pair.client, remote).unwrap());
        }
        let closed = IpEndpoint::new(Pair::addresses(2)[family], 81);
        attempts.push(connect(&pair.client, closed).unwrap());
    }
    let mut accepted = Vec::new();
    for _ in 0..400 {
        pair.world.run_for(seconds(0.05));
        pair.server.with(|stack, now| {
            while let Some(id) = stack.tcp_accept(listener, 0) {
                stack.tcp_send(now, id, &pattern(20_000), 65536).unwrap();
                stack.tcp_shutdown(now, id);
                accepted.push(id);
            }
            for &id in &accepted {
                let _ = stack.tcp_recv(now, id, &mut [0; 4096], Take::Consume);
            }
        });
        pair.client.with(|stack, now| {
            for &id in &attempts {
                let _ = stack.tcp_send(now, id, &pattern(3000), 4096);
                let _ = stack.tcp_recv(now, id, &mut [0; 4096], Take::Consume);
            }
            while stack.next_event().is_some() {}
        });
    }
    pair.client.with(|stack, now| {
        for &id in &attempts {
            stack.tcp_close(now, id, Close::Deliver);
        }
    });
    pair.world.run_for(seconds(60.0));
    captures.map(|capture| capture.bytes())
}

#[test]
fn the_same_seed_sends_the_same_bytes() {
    let first = run(7);
    assert!(first[0].len() > 100_000, "{}", first[0].len());
    assert!(first == run(7));
}

#[test]
fn another_seed_sends_others() {
    let (seven, eight) = (run(7), run(8));
    assert!(seven[0] != eight[0] && seven[1] != eight[1]);
}

#[test]
fn only_the_seed_chooses_ports_and_sequence_numbers() {
    let first_syn = |seed| {
        let pair = Pair::new(seed);
        let capture = Capture::new(&pair.client);
        listen(&pair.server, Family::V4, 80, 1);
        connect(&pair.client, IpEndpoint::new(Pair::addresses(2)[0], 80)).unwrap();
        pair.world.run_for(seconds(0.1));
        let syn = &capture.segments()[0].1;
        (syn.source.1, syn.sequence)
    };
    assert_eq!(first_syn(1), first_syn(1));
    let mut ports: Vec<u16> = (0..20).map(|seed| first_syn(seed).0).collect();
    ports.sort_unstable();
    ports.dedup();
    assert!(ports.len() >= 19, "{ports:?}");
    assert!(ports.iter().all(|port| *port >= 49152));
}
