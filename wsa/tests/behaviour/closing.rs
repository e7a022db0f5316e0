//! closesocket and linger.

use wsa::engine::stepped::as_thread;
use wsa::{Memory, MemoryMut, SocketHandle};

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
fn closesocket_delivers_in_the_background() {
    let scene = Scene::documented();
    let (s, t) = scene.connected();
    assert_eq!(send(&scene.client, s, &[1; 300_000]).unwrap(), 300_000);
    let start = scene.seconds();
    scene.client.closesocket(s).unwrap();
    assert_eq!(scene.seconds(), start, "it does not wait");
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
    server.recv(t, MemoryMut::Bytes(&mut buffer), 8).unwrap();
    scene.run(1000);
    assert_eq!(code(client.closesocket(s)), 0);
    assert_eq!(drain(server, t), Ok(0));
}

#[test]
fn with_nothing_to_deliver_no_socket_lingers() {
    for nonblocking in [false, true] {
        let scene = Scene::documented();
        let (s, t) = scene.connected();
        linger(&scene.client, s, 3);
        scene.client.set_nonblocking(s, nonblocking).unwrap();
        let start = scene.seconds();
        assert_eq!(code(scene.client.closesocket(s)), 0);
        assert_eq!(scene.seconds(), start);
        assert_eq!(drain(&scene.server, t), Ok(0));
    }
}

#[test]
fn a_non_blocking_socket_resets_at_once_when_it_lingers_for_no_time() {
    let scene = Scene::documented();
    let (s, t) = scene.connected();
    linger(&scene.client, s, 0);
    scene.client.set_nonblocking(s, true).unwrap();
    assert_eq!(send(&scene.client, s, &[1; 300_000]), Ok(300_000));
    assert_eq!(code(scene.client.closesocket(s)), 0);
    assert_eq!(drain(&scene.server, t), Err(10054));
}

#[test]
fn the_handle_of_a_socket_that_lingers_is_none_to_others() {
    let scene = Scene::documented();
    let (s, _t) = scene.connected();
    linger(&scene.client, s, 3);
    assert_eq!(send(&scene.client, s, &[1; 300_000]), Ok(300_000));
    let client = scene.client.clone();
    scene.at(1000, move |_| {
        as_thread(9, || {
            assert_eq!(code(recv(&client, s)), 10038);
            assert_eq!(code(client.shutdown(s, 1)), 10038);
            assert_eq!(code(client.closesocket(s)), 10038);
        });
    });
    let start = scene.seconds();
    scene.client.closesocket(s).unwrap();
    assert!((scene.seconds() - start - 3.0).abs() < 0.1);
}

#[test]
fn lingering_sends_the_fin_and_takes_what_the_peer_still_says() {
    let scene = Scene::documented();
    let (s, t) = scene.connected();
    linger(&scene.client, s, 10);
    assert_eq!(send(&scene.client, s, &[1; 300_000]), Ok(300_000));
    let server = scene.server.clone();
    scene.at(1000, move |_| assert_eq!(drain(&server, t), Ok(300_000)));
    scene.client.closesocket(s).unwrap();
    assert!(scene.seconds() < 3.0, "it ended with the delivery");
    // Nobody is left to read an answer.
    assert_eq!(code(send(&scene.server, t, b"answer")), 0);
    scene.run(100);
    assert_eq!(code(recv(&scene.server, t)), 10054);
}

#[test]
fn closing_with_unread_data_resets_behind_what_was_sent() {
    for (unread, end) in [(false, Ok(300_000)), (true, Err(10054))] {
        let scene = Scene::documented();
        let (s, t) = scene.connected();
        send(&scene.server, t, b"xy").unwrap();
        scene.run(100);
        assert_eq!(recv(&scene.client, s).unwrap(), b"xy");
        if unread {
            send(&scene.server, t, b"z").unwrap();
            scene.run(100);
        }
        assert_eq!(send(&scene.client, s, &[1; 300_000]), Ok(300_000));
        scene.client.closesocket(s).unwrap();
        let mut buffer = vec![0; 300_000];
        let received = scene.server.recv(t, MemoryMut::Bytes(&mut buffer), 8);
        assert_eq!(received.map_err(wsa::Error::code), Ok(300_000));
        scene.run(100);
        let then = drain(&scene.server, t).map(|more| 300_000 + more);
        assert_eq!(then, end);
        let host = scene.client.engine().host();
        let counted = host.with(|stack, _| stack.counters().unread_resets);
        assert_eq!(counted, u64::from(unread));
    }
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
