//! shutdown, closesocket, linger.

use wsa::{Memory, SocketHandle};

use super::scene::*;

fn linger(process: &Wsa, s: SocketHandle, seconds: u16) {
    let [low, high] = seconds.to_ne_bytes();
    process.setsockopt(s, 0xFFFF, 0x80, Memory::Bytes(&[1, 0, low, high]), 4).unwrap();
}

/// Everything until the end of the stream, or the code that ends it.
fn drain(process: &Wsa, s: SocketHandle) -> Result<usize, i32> {
    let mut buffer = [0; 4096];
    let mut received = 0;
    loop {
        match process.recv(s, (&mut buffer).into(), 0) {
            Ok(0) => return Ok(received),
            Ok(len) => received += len,
            Err(error) => return Err(error.code()),
        }
    }
}

#[test]
fn shutdown_needs_a_connection_and_a_direction() {
    let scene = Scene::documented();
    let client = &scene.client;
    for how in [0, 1, 2] {
        assert_eq!(code(client.shutdown(tcp(client), how)), 10057);
        let listening = listener(client, "0.0.0.0:0");
        assert_eq!(code(client.shutdown(listening, how)), 10057);
    }
    let (s, _) = scene.connected();
    assert_eq!(code(client.shutdown(s, 3)), 10022);
    assert_eq!(code(client.shutdown(s, -1)), 10022);
}

#[test]
fn shutdown_may_be_repeated_and_closes_its_direction() {
    let scene = Scene::documented();
    let (client, server) = (&scene.client, &scene.server);
    let (s, t) = scene.connected();
    client.shutdown(s, 1).unwrap();
    client.shutdown(s, 1).unwrap();
    assert_eq!(code(send(client, s, b"x")), 10058);
    assert_eq!(recv(server, t).unwrap(), b"");
    // The other direction is open.
    send(server, t, b"still").unwrap();
    assert_eq!(recv(client, s).unwrap(), b"still");
    client.shutdown(s, 0).unwrap();
    assert_eq!(code(recv(client, s)), 10058);
    assert_eq!(client.peer_name(s).unwrap().to_string(), "10.0.0.2:4000");
}

#[test]
fn the_peer_sees_nothing_of_a_receive_shutdown() {
    let scene = Scene::documented();
    let (s, t) = scene.connected();
    scene.client.shutdown(s, 0).unwrap();
    send(&scene.client, s, b"x").unwrap();
    assert_eq!(recv(&scene.server, t).unwrap(), b"x");
    send(&scene.server, t, b"y").unwrap();
    scene.run(100);
    assert_eq!(code(send(&scene.server, t, b"y")), 0);
}

#[test]
fn closesocket_delivers_in_the_background() {
    let scene = Scene::documented();
    let (s, t) = scene.connected();
    assert_eq!(send(&scene.client, s, &[1; 300_000]).unwrap(), 300_000);
    scene.client.closesocket(s).unwrap();
    assert_eq!(scene.seconds(), scene.seconds());
    assert_eq!(drain(&scene.server, t), Ok(300_000));
}

#[test]
fn with_a_linger_of_zero_seconds_the_connection_is_reset() {
    let scene = Scene::documented();
    let (s, t) = scene.connected();
    linger(&scene.client, s, 0);
    scene.client.closesocket(s).unwrap();
    assert_eq!(drain(&scene.server, t), Err(10054));
}

#[test]
fn a_blocking_socket_lingers_until_everything_is_delivered() {
    let scene = Scene::documented();
    let (s, t) = scene.connected();
    linger(&scene.client, s, 30);
    assert_eq!(send(&scene.client, s, &[1; 300_000]).unwrap(), 300_000);
    let (server, start) = (scene.server.clone(), scene.seconds());
    scene.at(2000, move |_| assert_eq!(drain(&server, t), Ok(300_000)));
    scene.client.closesocket(s).unwrap();
    assert!(scene.seconds() - start > 1.0);
    assert!(scene.seconds() < 30.0);
}

#[test]
fn a_linger_that_is_over_resets_the_connection() {
    let scene = Scene::documented();
    let (s, t) = scene.connected();
    linger(&scene.client, s, 3);
    assert_eq!(send(&scene.client, s, &[1; 300_000]).unwrap(), 300_000);
    let start = scene.seconds();
    scene.client.closesocket(s).unwrap();
    assert!((scene.seconds() - start - 3.0).abs() < 0.1);
    scene.run(100);
    assert_eq!(drain(&scene.server, t), Err(10054));
}

#[test]
fn a_non_blocking_socket_that_would_have_to_linger_stays_open() {
    let scene = Scene::documented();
    let (client, server) = (&scene.client, &scene.server);
    let (s, t) = scene.connected();
    linger(client, s, 3);
    client.set_nonblocking(s, true).unwrap();
    assert_eq!(send(client, s, &[1; 300_000]).unwrap(), 300_000);
    assert_eq!(code(client.closesocket(s)), 10035);
    assert_eq!(code(client.peer_name(s)), 0);
    let mut buffer = vec![0; 300_000];
    server.recv(t, wsa::MemoryMut::Bytes(&mut buffer), 8).unwrap();
    scene.run(1000);
    assert_eq!(code(client.closesocket(s)), 0);
    assert_eq!(drain(server, t), Ok(0));
}

#[test]
fn closing_a_listener_resets_what_waits_and_frees_its_port() {
    let scene = Scene::documented();
    let listening = scene.listen(4000);
    let s = tcp(&scene.client);
    connect(&scene.client, s, "10.0.0.2:4000").unwrap();
    scene.run(100);
    scene.server.closesocket(listening).unwrap();
    scene.run(100);
    assert_eq!(code(recv(&scene.client, s)), 10054);
    scene.listen(4000);
}

#[test]
fn closing_a_connecting_socket_ends_the_attempt() {
    let scene = Scene::documented();
    let client = &scene.client;
    let s = tcp_nonblocking(client);
    bind(client, s, "0.0.0.0:5000").unwrap();
    assert_eq!(code(connect(client, s, SILENT)), 10035);
    client.closesocket(s).unwrap();
    let sent = client.engine().host().with(|stack, _| stack.counters().frames_out);
    scene.run(30_000);
    let later = client.engine().host().with(|stack, _| stack.counters().frames_out);
    assert!(later - sent <= 1, "{sent} {later}");
    bind(client, tcp(client), "0.0.0.0:5000").unwrap();
}
