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
fn missing_and_empty_sets_are_nothing_to_wait_for() {
    let scene = Scene::documented();
    let client = &scene.client;
    let zero = Some(Duration::ZERO);
    for timeout in [None, zero] {
        assert_eq!(code(client.select(None, None, None, timeout)), 10022);
        let (mut a, mut b, mut c) = (FdSet::of(&mut []), FdSet::of(&mut []), FdSet::of(&mut []));
        assert_eq!(code(client.select(Some(&mut a), None, None, timeout)), 10022);
        let all = (Some(&mut a), Some(&mut b), Some(&mut c));
        assert_eq!(code(client.select(all.0, all.1, all.2, timeout)), 10022);
    }
    // One set with one socket is enough.
    let (mut empty, mut array) = (FdSet::of(&mut []), [tcp(client)]);
    let mut set = FdSet::of(&mut array);
    assert_eq!(client.select(Some(&mut empty), None, Some(&mut set), zero), Ok(0));
}

#[test]
fn a_bad_handle_in_any_set_leaves_all_sets_as_they_were() {
    let scene = Scene::documented();
    let client = &scene.client;
    // Writable, so that there would be something to say.
    let s = udp(client);
    let closed = udp(client);
    client.closesocket(closed).unwrap();
    for bad in [SocketHandle::INVALID, SocketHandle::from_raw(0), closed] {
        for which in 0..3 {
            let mut arrays = [[s, s, s]; 3];
            arrays[which][1] = bad;
            let before = arrays;
            let [a, b, c] = &mut arrays;
            let (mut read, mut write, mut except) = (FdSet::of(a), FdSet::of(b), FdSet::of(c));
            let sets = (Some(&mut read), Some(&mut write), Some(&mut except));
            assert_eq!(code(client.select(sets.0, sets.1, sets.2, None)), 10038, "{bad}");
            let after = [&read, &write, &except].map(|set| set.sockets().to_vec());
            assert_eq!(after, before.map(|array| array.to_vec()), "{bad} in set {which}");
        }
    }
}

#[test]
fn what_is_left_is_counted_over_all_sets() {
    let scene = Scene::documented();
    let client = &scene.client;
    let (s, t) = scene.connected();
    send(&scene.server, t, b"x").unwrap();
    scene.run(100);
    let (idle, refused) = (tcp(client), tcp(client));
    assert_eq!(code(connect(client, refused, "10.0.0.2:81")), 10061);
    let mut arrays = [[idle, s, refused]; 3];
    let [a, b, c] = &mut arrays;
    let (mut read, mut write, mut except) = (FdSet::of(a), FdSet::of(b), FdSet::of(c));
    let sets = (Some(&mut read), Some(&mut write), Some(&mut except));
    assert_eq!(client.select(sets.0, sets.1, sets.2, None), Ok(3));
    assert_eq!((read.sockets(), write.sockets()), (&[s][..], &[s][..]));
    assert_eq!(except.sockets(), [refused]);
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
