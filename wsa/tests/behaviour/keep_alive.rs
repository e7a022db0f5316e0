//! Keep-alive as a program sees it: when it asks, and what becomes of a peer that does not answer.

use wsa::SocketHandle;

use super::scene::*;

/// SO_KEEPALIVE with so many seconds of silence, seconds between probes, and probes.
fn keep_alive(process: &Wsa, s: SocketHandle, idle: u32, interval: u32, count: u32) {
    process.set_option(s, 6, 3, idle).unwrap();
    process.set_option(s, 6, 17, interval).unwrap();
    process.set_option(s, 6, 16, count).unwrap();
    process.set_option(s, 0xFFFF, 8, 1).unwrap();
}

#[test]
fn a_blocking_receive_ends_when_the_last_probe_is_unanswered() {
    let scene = Scene::documented();
    let client = &scene.client;
    let (s, _) = scene.connected();
    keep_alive(client, s, 10, 2, 3);
    let begun = scene.seconds();
    scene.server.engine().host().set_link_up(false);
    assert_eq!(code(recv(client, s)), 10052);
    // 10 s of silence, three probes 2 s apart, and 2 s for the last.
    let waited = scene.seconds() - begun;
    assert!((15.9..=16.0).contains(&waited), "{waited}");
    let cause = client.last_cause().unwrap().to_string();
    assert!(cause.starts_with("timed out: silence: 3 keep-alive probes to 10.0.0.2"), "{cause}");
    // Whoever comes later learns the same.
    assert_eq!((code(recv(client, s)), code(send(client, s, b"x"))), (10052, 10052));
    assert_eq!(client.option(s, 0xFFFF, 0x1007), Ok(0));
    assert_eq!(code(connect(client, s, "10.0.0.2:4000")), 10056);
}

#[test]
fn a_nonblocking_socket_learns_of_it_from_select() {
    let scene = Scene::documented();
    let client = &scene.client;
    let (s, _) = scene.connected();
    client.set_nonblocking(s, true).unwrap();
    keep_alive(client, s, 1, 1, 1);
    scene.run(1900);
    assert_eq!(code(recv(client, s)), 10035, "the probe was answered");
    scene.server.engine().host().set_link_up(false);
    scene.run(10_000);
    assert_eq!(code(recv(client, s)), 10052);
}

#[test]
fn a_peer_that_answers_keeps_the_connection_for_days() {
    let scene = Scene::documented();
    let (client, server) = (&scene.client, &scene.server);
    let (s, t) = scene.connected();
    keep_alive(client, s, 60, 1, 1);
    scene.run(3 * 24 * 3600 * 1000);
    send(client, s, b"still there").unwrap();
    assert_eq!(recv(server, t).unwrap(), b"still there");
}

#[test]
fn a_peer_that_has_forgotten_the_connection_resets_it() {
    let scene = Scene::documented();
    let (client, server) = (&scene.client, &scene.server);
    let (s, t) = scene.connected();
    keep_alive(client, s, 10, 1, 5);
    // The peer restarts: its reset is lost.
    server.set_option(t, 0xFFFF, 0x80, 1).unwrap();
    server.engine().host().set_link_up(false);
    server.closesocket(t).unwrap();
    server.engine().host().set_link_up(true);
    assert_eq!(code(recv(client, s)), 10054);
    assert!((9.0..10.1).contains(&scene.seconds()), "{}", scene.seconds());
}

#[test]
fn without_the_option_nobody_asks() {
    let scene = Scene::documented();
    let client = &scene.client;
    let (s, _) = scene.connected();
    keep_alive(client, s, 1, 1, 1);
    client.set_option(s, 0xFFFF, 8, 0).unwrap();
    client.set_nonblocking(s, true).unwrap();
    scene.server.engine().host().set_link_up(false);
    scene.run(24 * 3600 * 1000);
    assert_eq!(code(recv(client, s)), 10035);
}

#[test]
fn what_a_listener_says_of_keep_alive_holds_before_the_accept() {
    let scene = Scene::documented();
    let server = &scene.server;
    let listening = tcp(server);
    keep_alive(server, listening, 5, 1, 2);
    bind(server, listening, "0.0.0.0:80").unwrap();
    server.listen(listening, 5).unwrap();
    connect(&scene.client, tcp(&scene.client), "10.0.0.2:80").unwrap();
    scene.run(10);
    scene.client.engine().host().set_link_up(false);
    scene.run(6000);
    assert_eq!(server.engine().host().with(|stack, _| stack.sockets()), 2);
    scene.run(1500);
    // The dead client has left the queue.
    assert_eq!(server.engine().host().with(|stack, _| stack.sockets()), 1);
    server.set_nonblocking(listening, true).unwrap();
    assert_eq!(code(accept(server, listening)), 10035);
}
