//! A thousand connects at once, watched through event objects that they share.

use wsa::memory::Arg;
use wsa::{Alertable, EventHandle, SocketHandle, WaitFor, WsaNetworkEvents};

use super::scene::*;

/// What a socket's attempt came to: the events of its record with their codes, and when.
type End = (Vec<(i32, i32)>, f64);

/// Who is to refuse, keep silent and accept.
const NAMES: [&str; 3] = ["10.0.0.2:81", SILENT, "10.0.0.2:4000"];

fn fetch(process: &Wsa, s: SocketHandle) -> Vec<(i32, i32)> {
    let mut found = WsaNetworkEvents::default();
    process.wsa_enum_network_events(s, EventHandle::INVALID, Arg::Value(&mut found)).unwrap();
    let bits = (0..10).filter(|bit| found.network_events & (1 << bit) != 0);
    bits.map(|bit| (1 << bit, found.error_code[bit])).collect()
}

/// Launches all attempts, and follows them until a minute passes in which nothing happens.
fn watch(scene: &Scene) -> (Vec<SocketHandle>, Vec<Vec<End>>) {
    let client = &scene.client;
    // Only so many SYNs can wait for a neighbor that was never heard of.
    for name in ["10.0.0.2:99", SILENT] {
        let name = wsa::sockaddr(address(name));
        client.sendto(udp(client), b"".into(), 0, name.memory(), name.len()).unwrap();
    }
    scene.run(1000);
    let began = scene.seconds();
    let events: Vec<_> = (0..64).map(|_| client.wsa_create_event().unwrap()).collect();
    let sockets: Vec<_> = (0..1000).map(|_| tcp(client)).collect();
    for (index, s) in sockets.iter().enumerate() {
        client.wsa_event_select(*s, events[index % 64], 0x3FF).unwrap();
        assert_eq!(code(connect(client, *s, NAMES[index % 3])), 10035);
    }
    let mut ends = vec![Vec::new(); 1000];
    let mut waits = 0;
    loop {
        let any = WaitFor::Any;
        let waited = client.wsa_wait_for_multiple_events(&events, any, 60_000, Alertable::No);
        let event = match waited.unwrap() {
            258 => break,
            index => index as usize,
        };
        waits += 1;
        client.wsa_reset_event(events[event]).unwrap();
        for index in (event..1000).step_by(64) {
            let record = fetch(client, sockets[index]);
            if !record.is_empty() {
                ends[index].push((record, scene.seconds() - began));
            }
        }
    }
    // Event objects are not signalled again and again: three ends, and some share an instant.
    assert!(waits <= 64 * 16, "{waits} waits");
    (sockets, ends)
}

fn accepting(scene: &Scene) -> SocketHandle {
    let listening = tcp(&scene.server);
    bind(&scene.server, listening, "0.0.0.0:4000").unwrap();
    scene.server.listen(listening, 1000).unwrap();
    listening
}

/// All that the server can accept.
fn accepted(scene: &Scene, listening: SocketHandle) -> usize {
    scene.server.set_nonblocking(listening, true).unwrap();
    std::iter::from_fn(|| accept(&scene.server, listening).ok()).count()
}

/// Each attempt ended once, with the events of its kind, at these seconds.
fn check(ends: &[Vec<End>], seconds: [f64; 3]) {
    let expected: [&[(i32, i32)]; 3] =
        [&[(0x10, 10061)], &[(0x10, 10060)], &[(0x02, 0), (0x10, 0)]];
    for (index, ends) in ends.iter().enumerate() {
        let [(record, at)] = &ends[..] else { panic!("socket {index} ended so: {ends:?}") };
        assert_eq!(record, expected[index % 3], "socket {index}");
        assert!((at - seconds[index % 3]).abs() < 0.1, "socket {index} at {at} s");
    }
}

#[test]
fn documented_a_thousand_attempts_each_end_once_and_right() {
    let scene = Scene::documented();
    let listening = accepting(&scene);
    let (sockets, ends) = watch(&scene);
    check(&ends, [0.0, 21.0, 0.0]);
    assert_eq!(accepted(&scene, listening), 333);
    for (index, s) in sockets.into_iter().enumerate() {
        let expected = [10061, 10060, 0][index % 3];
        assert_eq!(scene.client.option(s, 0xFFFF, 0x1007).unwrap(), expected);
    }
}

#[test]
fn windows_a_thousand_attempts_each_end_once_and_right() {
    let scene = Scene::windows();
    let listening = accepting(&scene);
    let (_, ends) = watch(&scene);
    check(&ends, [2.0, 21.0, 0.0]);
    assert_eq!(accepted(&scene, listening), 333);
}
