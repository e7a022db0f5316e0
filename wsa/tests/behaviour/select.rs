//! select.

use tapsock_stack::time::Duration;

use wsa::engine::stepped::as_thread;
use wsa::{FdSet, SocketHandle};

use super::scene::*;

/// What select leaves in the three sets, each of which starts with `s`, without waiting.
fn now(process: &Wsa, s: SocketHandle) -> String {
    let (mut a, mut b, mut c) = ([s], [s], [s]);
    let (mut read, mut write, mut except) =
        (FdSet::of(&mut a), FdSet::of(&mut b), FdSet::of(&mut c));
    let sets = (Some(&mut read), Some(&mut write), Some(&mut except));
    let count = process.select(sets.0, sets.1, sets.2, Some(Duration::ZERO)).unwrap();
    let found: String = [(&read, 'r'), (&write, 'w'), (&except, 'x')]
        .into_iter()
        .filter_map(|(set, name)| set.is_set(s).then_some(name))
        .collect();
    assert_eq!(count, found.len());
    found
}

#[test]
fn a_stream_that_never_connected_is_in_no_set() {
    let scene = Scene::documented();
    let s = tcp(&scene.client);
    assert_eq!(now(&scene.client, s), "");
    bind(&scene.client, s, "0.0.0.0:0").unwrap();
    assert_eq!(now(&scene.client, s), "");
}

#[test]
fn a_listener_is_readable_while_a_connection_waits() {
    let scene = Scene::documented();
    let listening = scene.listen(4000);
    assert_eq!(now(&scene.server, listening), "");
    connect(&scene.client, tcp(&scene.client), "10.0.0.2:4000").unwrap();
    scene.run(100);
    assert_eq!(now(&scene.server, listening), "r");
    accept(&scene.server, listening).unwrap();
    assert_eq!(now(&scene.server, listening), "");
}

#[test]
fn a_connection_is_writable_and_readable_with_data_or_the_peers_end() {
    let scene = Scene::documented();
    let (client, server) = (&scene.client, &scene.server);
    let (s, t) = scene.connected();
    assert_eq!(now(client, s), "w");
    assert_eq!(now(server, t), "w");
    send(server, t, b"x").unwrap();
    scene.run(100);
    assert_eq!(now(client, s), "rw");
    recv(client, s).unwrap();
    assert_eq!(now(client, s), "w");
    server.shutdown(t, 1).unwrap();
    scene.run(100);
    assert_eq!(now(client, s), "rw");
    assert_eq!(recv(client, s).unwrap(), b"");
    assert_eq!(now(client, s), "rw");
}

#[test]
fn a_full_send_buffer_is_not_writable_until_the_peer_reads() {
    let scene = Scene::documented();
    let (client, server) = (&scene.client, &scene.server);
    let (s, t) = scene.connected();
    client.set_nonblocking(s, true).unwrap();
    while code(send(client, s, &[0; 65536])) == 0 {
        scene.run(100);
    }
    assert_eq!(client.wsa_get_last_error(), 10035);
    assert_eq!(now(client, s), "");
    server.set_nonblocking(t, true).unwrap();
    while code(recv(server, t)) == 0 {
        scene.run(1);
    }
    assert_eq!(now(client, s), "w");
}

#[test]
fn datagram_sockets_are_writable_and_readable_with_a_datagram_or_an_error() {
    let scene = Scene::documented();
    let client = &scene.client;
    let s = udp(client);
    assert_eq!(now(client, s), "w");
    connect(client, s, "10.0.0.2:99").unwrap();
    assert_eq!(now(client, s), "w");
    send(client, s, b"x").unwrap();
    scene.run(100);
    assert_eq!(now(client, s), "rw");
    assert_eq!(code(recv(client, s)), 10054);
    assert_eq!(now(client, s), "w");
}

#[test]
fn empty_sets_and_bad_handles() {
    let scene = Scene::documented();
    let client = &scene.client;
    assert_eq!(code(client.select(None, None, None, None)), 10022);
    let mut empty = FdSet::of(&mut []);
    assert_eq!(code(client.select(Some(&mut empty), None, None, None)), 10022);
    let s = udp(client);
    let mut array = [s, SocketHandle::INVALID, s];
    let mut set = FdSet::of(&mut array);
    assert_eq!(code(client.select(None, Some(&mut set), None, None)), 10038);
    assert_eq!(set.sockets(), [s, SocketHandle::INVALID, s]);
}

#[test]
fn duplicates_collapse_and_200_sockets_are_reported_in_order() {
    let scene = Scene::documented();
    let client = &scene.client;
    let s = udp(client);
    let mut array = [s, s, s];
    let mut set = FdSet::of(&mut array);
    assert_eq!(client.select(None, Some(&mut set), None, None).unwrap(), 1);
    assert_eq!(set.sockets(), [s]);
    let many: Vec<_> = (0..200).map(|_| udp(client)).collect();
    let mut array = many.clone();
    let mut set = FdSet::of(&mut array);
    assert_eq!(client.select(None, Some(&mut set), None, None).unwrap(), 200);
    assert_eq!(set.sockets(), many);
}

#[test]
fn a_timeout_empties_the_sets() {
    let scene = Scene::documented();
    let client = &scene.client;
    let mut array = [tcp(client)];
    let mut set = FdSet::of(&mut array);
    let timeout = Some(Duration::from_millis(1234));
    assert_eq!(client.select(Some(&mut set), None, None, timeout).unwrap(), 0);
    assert!(set.sockets().is_empty());
    assert_eq!(scene.world.now().total_millis(), 1234);
}

#[test]
fn a_socket_closed_by_another_thread_is_readable_or_no_socket() {
    let scene = Scene::documented();
    let client = &scene.client;
    let close_at = |millis, s| {
        let client = client.clone();
        scene.at(millis, move |_| as_thread(2, || client.closesocket(s).unwrap()));
    };
    let s = tcp(client);
    close_at(1000, s);
    let mut array = [s];
    let mut read = FdSet::of(&mut array);
    assert_eq!(client.select(Some(&mut read), None, None, None).unwrap(), 1);
    assert!(read.is_set(s));
    let s = tcp(client);
    close_at(2000, s);
    let mut array = [s];
    let mut except = FdSet::of(&mut array);
    assert_eq!(code(client.select(None, None, Some(&mut except), None)), 10038);
}

#[test]
fn select_wakes_for_whichever_socket_is_first() {
    let scene = Scene::documented();
    let client = &scene.client;
    let (slow, refused) = (tcp_nonblocking(client), tcp_nonblocking(client));
    assert_eq!(code(connect(client, slow, SILENT)), 10035);
    assert_eq!(code(connect(client, refused, NOBODY)), 10035);
    let mut array = [slow, refused];
    let mut except = FdSet::of(&mut array);
    assert_eq!(client.select(None, None, Some(&mut except), None).unwrap(), 1);
    assert_eq!(except.sockets(), [refused]);
    assert!((scene.seconds() - 3.0).abs() < 0.1);
    assert_eq!(client.option(refused, 0xFFFF, 0x1007).unwrap(), 10065);
}

#[test]
fn a_timeout_beyond_the_end_of_time_is_for_ever() {
    for timeout in [Duration::from_micros(i64::MAX as u64), Duration::MAX] {
        let scene = Scene::documented();
        let listening = scene.listen(4000);
        let peer = scene.client.clone();
        scene.world.after(Duration::from_secs(1_000_000), move |_| {
            let s = tcp(&peer);
            peer.set_nonblocking(s, true).unwrap();
            let _ = connect(&peer, s, "10.0.0.2:4000");
        });
        let mut array = [listening];
        let mut read = FdSet::of(&mut array);
        assert_eq!(scene.server.select(Some(&mut read), None, None, Some(timeout)), Ok(1));
    }
}
