//! What stays of a failed attempt: SO_ERROR and the except set.

use tapsock_stack::time::Duration;

use wsa::{FdSet, SocketHandle};

use super::scene::*;

/// Which of the three sets select leaves the socket in, within `millis`.
fn ready(process: &Wsa, s: SocketHandle, millis: u64) -> (usize, &'static str) {
    let (mut a, mut b, mut c) = ([s], [s], [s]);
    let (mut read, mut write, mut except) =
        (FdSet::of(&mut a), FdSet::of(&mut b), FdSet::of(&mut c));
    let timeout = Some(Duration::from_millis(millis));
    let found = process.select(Some(&mut read), Some(&mut write), Some(&mut except), timeout);
    let sets = match (read.is_set(s), write.is_set(s), except.is_set(s)) {
        (false, false, false) => "",
        (true, false, false) => "r",
        (false, true, false) => "w",
        (false, false, true) => "x",
        (true, true, false) => "rw",
        _ => "other",
    };
    (found.unwrap(), sets)
}

fn so_error(process: &Wsa, s: SocketHandle) -> u32 {
    process.option(s, 0xFFFF, 0x1007).unwrap()
}

/// A non-blocking, bound socket whose attempt was refused.
fn refused_later(scene: &Scene) -> SocketHandle {
    let client = &scene.client;
    let s = tcp_nonblocking(client);
    bind(client, s, "127.0.0.1:5000").unwrap();
    assert_eq!(code(connect(client, s, "127.0.0.1:81")), 10035);
    assert_eq!(ready(client, s, 5000), (1, "x"));
    s
}

fn both() -> [Scene; 2] {
    [Scene::documented(), Scene::windows()]
}

#[test]
fn a_failed_attempt_is_in_the_except_set_alone() {
    for scene in both() {
        refused_later(&scene);
    }
}

#[test]
fn reading_so_error_does_not_clear_it() {
    for scene in both() {
        let s = refused_later(&scene);
        assert_eq!(so_error(&scene.client, s), 10061);
        assert_eq!(so_error(&scene.client, s), 10061);
    }
}

#[test]
fn the_except_set_shows_a_failure_every_time() {
    for scene in both() {
        let s = refused_later(&scene);
        for _ in 0..3 {
            assert_eq!(ready(&scene.client, s, 0), (1, "x"));
        }
    }
}

#[test]
fn another_attempt_is_taken_and_does_not_reset_so_error() {
    for scene in both() {
        let client = &scene.client;
        let s = refused_later(&scene);
        assert_eq!(code(connect(client, s, "127.0.0.1:81")), 10035);
        assert_eq!(so_error(client, s), 10061);
        assert_eq!(ready(client, s, 5000), (1, "x"));
        assert_eq!(so_error(client, s), 10061);
    }
}

#[test]
fn while_another_attempt_is_pending_no_set_shows_the_old_failure() {
    let scene = Scene::documented();
    let client = &scene.client;
    let s = tcp_nonblocking(client);
    assert_eq!(code(connect(client, s, "10.0.0.2:81")), 10035);
    assert_eq!(ready(client, s, 5000), (1, "x"));
    assert_eq!(code(connect(client, s, SILENT)), 10035);
    assert_eq!(ready(client, s, 1000), (0, ""));
    assert_eq!(so_error(client, s), 10061);
    assert_eq!(ready(client, s, 30_000), (1, "x"));
    assert_eq!(so_error(client, s), 10060);
}

#[test]
fn only_a_connection_resets_so_error() {
    for scene in both() {
        let client = &scene.client;
        let s = refused_later(&scene);
        listener(client, "127.0.0.1:4000");
        assert_eq!(code(connect(client, s, "127.0.0.1:4000")), 10035);
        assert_eq!(ready(client, s, 5000), (1, "w"));
        assert_eq!(so_error(client, s), 0);
    }
}

#[test]
fn a_bound_socket_may_listen_after_a_failed_attempt_and_keeps_its_record() {
    for scene in both() {
        let client = &scene.client;
        let s = refused_later(&scene);
        client.listen(s, 1).unwrap();
        let peer = tcp(client);
        connect(client, peer, "127.0.0.1:5000").unwrap();
        let accepted = accept(client, s).unwrap();
        send(client, peer, b"x").unwrap();
        client.set_nonblocking(accepted, false).unwrap();
        assert_eq!(recv(client, accepted).unwrap(), b"x");
        assert_eq!(so_error(client, s), 10061);
        assert_eq!(ready(client, s, 0), (1, "x"));
    }
}

#[test]
fn a_blocking_refusal_leaves_so_error_zero_and_the_except_set() {
    for scene in both() {
        let client = &scene.client;
        let s = tcp(client);
        assert_eq!(code(connect(client, s, "127.0.0.1:81")), 10061);
        assert_eq!(so_error(client, s), 0);
        assert_eq!(ready(client, s, 0), (1, "x"));
    }
}

#[test]
fn after_a_blocking_refusal_the_write_set_stays_empty() {
    let scene = Scene::documented();
    let client = &scene.client;
    let s = tcp(client);
    assert_eq!(code(connect(client, s, "127.0.0.1:81")), 10061);
    let start = scene.seconds();
    let mut array = [s];
    let mut write = FdSet::of(&mut array);
    let timeout = Some(Duration::from_millis(50));
    assert_eq!(client.select(None, Some(&mut write), None, timeout).unwrap(), 0);
    assert!((scene.seconds() - start - 0.05).abs() < 0.001);
}

#[test]
fn after_a_blocking_refusal_a_non_blocking_attempt_reaches_a_live_listener() {
    for scene in both() {
        let client = &scene.client;
        let s = tcp(client);
        assert_eq!(code(connect(client, s, "127.0.0.1:81")), 10061);
        let listening = listener(client, "127.0.0.1:4000");
        client.set_nonblocking(s, true).unwrap();
        assert_eq!(code(connect(client, s, "127.0.0.1:4000")), 10035);
        accept(client, listening).unwrap();
        assert_eq!(ready(client, s, 1000), (1, "w"));
    }
}

#[test]
fn a_reset_of_a_connection_is_no_failed_attempt() {
    let scene = Scene::documented();
    let (s, t) = scene.connected();
    scene.server.setsockopt(t, 0xFFFF, 0x80, (&[1, 0, 0, 0]).into(), 4).unwrap();
    scene.server.closesocket(t).unwrap();
    scene.run(100);
    assert_eq!(so_error(&scene.client, s), 0);
    assert_eq!(ready(&scene.client, s, 0), (2, "rw"));
    assert_eq!(code(recv(&scene.client, s)), 10054);
    assert_eq!(code(send(&scene.client, s, b"x")), 10054);
    assert_eq!(so_error(&scene.client, s), 0);
}

#[test]
fn the_evidence_of_a_failure_that_nobody_waited_for_is_kept_with_the_socket() {
    let scene = Scene::documented();
    let s = refused_later(&scene);
    let cause = scene.client.cause(s).unwrap();
    assert_eq!(cause.kind, tapsock_stack::event::CauseKind::Refused);
}
