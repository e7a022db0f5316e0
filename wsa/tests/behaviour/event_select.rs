//! WSAEventSelect and WSAEnumNetworkEvents: which event is recorded when, and what records it
//! again.
//!
//! Events that pending overlapped receives and accepts suppress, and those of out-of-band data,
//! are not there yet. No ioctl makes FD_QOS, FD_ROUTING_INTERFACE_CHANGE and
//! FD_ADDRESS_LIST_CHANGE happen.

use wsa::engine::stepped::as_thread;
use wsa::memory::Arg;
use wsa::{EventHandle, EventKind, MemoryMut, Signal, SocketHandle, WsaNetworkEvents, WsaPollFd};

use super::scene::*;

const READ: i32 = 0x01;
const WRITE: i32 = 0x02;
const ACCEPT: i32 = 0x08;
const CONNECT: i32 = 0x10;
const CLOSE: i32 = 0x20;
const ALL: i32 = 0x3FF;

/// Events and their codes, by ascending bits.
type Record = Vec<(i32, i32)>;

/// Fetches the record, resetting `event`. The codes of bits that are not set stay as they were.
fn fetch_with(process: &Wsa, s: SocketHandle, event: EventHandle) -> Record {
    const UNTOUCHED: i32 = -559_038_737;
    let mut found = WsaNetworkEvents { network_events: -1, error_code: [UNTOUCHED; 10] };
    process.wsa_enum_network_events(s, event, Arg::Value(&mut found)).unwrap();
    let record = (0..10)
        .filter(|bit| found.network_events & (1 << bit) != 0)
        .map(|bit| (1 << bit, found.error_code[bit]));
    let record: Record = record.collect();
    let bits: i32 = record.iter().map(|(bit, _)| bit).sum();
    assert_eq!(found.network_events, bits);
    for (bit, code) in found.error_code.iter().enumerate() {
        assert_eq!(*code == UNTOUCHED, bits & (1 << bit) == 0, "code {bit} is {code}");
    }
    record
}

fn fetch(process: &Wsa, s: SocketHandle) -> Record {
    fetch_with(process, s, EventHandle::INVALID)
}

/// A new event object for these events of the socket.
fn select(process: &Wsa, s: SocketHandle, mask: i32) -> EventHandle {
    let event = process.wsa_create_event().unwrap();
    process.wsa_event_select(s, event, mask).unwrap();
    event
}

fn is_set(process: &Wsa, event: EventHandle) -> bool {
    match process.wait_for_single(event, 0).unwrap() {
        0 => true,
        258 => false,
        other => panic!("{other}"),
    }
}

/// A connected pair of which the client's end is selected, with nothing recorded.
fn connected(scene: &Scene, mask: i32) -> (SocketHandle, SocketHandle, EventHandle) {
    let (s, t) = scene.connected();
    scene.run(100);
    let event = select(&scene.client, s, ALL);
    assert_eq!(fetch_with(&scene.client, s, event), [(WRITE, 0), (CONNECT, 0)]);
    scene.client.wsa_event_select(s, event, mask).unwrap();
    assert!(!is_set(&scene.client, event));
    (s, t, event)
}

#[test]
fn arguments_are_looked_at_before_anything_happens() {
    let scene = Scene::documented();
    let client = &scene.client;
    let s = udp(client);
    bind(client, s, "0.0.0.0:5000").unwrap();
    let event = client.wsa_create_event().unwrap();
    let closed = client.wsa_create_event().unwrap();
    client.wsa_close_event(closed).unwrap();
    let bad = SocketHandle::INVALID;
    assert_eq!(code(client.wsa_event_select(bad, EventHandle::INVALID, -1)), 10038);
    assert_eq!(code(client.wsa_event_select(s, event, 0x400)), 10022);
    assert_eq!(code(client.wsa_event_select(s, event, -1)), 10022);
    assert_eq!(code(client.wsa_event_select(s, EventHandle::INVALID, READ)), 10022);
    assert_eq!(code(client.wsa_event_select(s, closed, READ)), 10022);
    // None of these has selected anything, nor made the socket non-blocking.
    client.set_option(s, 0xFFFF, 0x1006, 100).unwrap();
    assert_eq!(code(recv(client, s)), 10060);
    // Without events the event object is ignored.
    client.wsa_event_select(s, closed, 0).unwrap();
    client.wsa_event_select(s, EventHandle::INVALID, 0).unwrap();
    client.wsa_event_select(s, event, ALL).unwrap();

    let mut found = WsaNetworkEvents::default();
    let mut fetch = |s, event| {
        let fetched = client.wsa_enum_network_events(s, event, Arg::Value(&mut found));
        (code(fetched), found.network_events)
    };
    assert_eq!(code(client.wsa_enum_network_events(bad, closed, Arg::Null)), 10038);
    assert_eq!(code(client.wsa_enum_network_events(s, closed, Arg::Null)), 10014);
    assert_eq!(code(client.wsa_enum_network_events(s, event, Arg::Unreadable)), 10014);
    assert_eq!(fetch(s, closed), (10022, 0));
    // None of these has fetched anything or reset the event.
    assert!(is_set(client, event));
    assert_eq!(fetch(s, event), (0, WRITE));
    client.wsa_cleanup().unwrap();
    assert_eq!(code(client.wsa_event_select(bad, event, -1)), 10093);
    assert_eq!(code(client.wsa_enum_network_events(bad, event, Arg::Null)), 10093);
}

#[test]
fn a_connect_records_connect_and_write_at_once_and_nothing_more() {
    let scene = Scene::documented();
    let client = &scene.client;
    scene.listen(4000);
    let s = tcp(client);
    let event = select(client, s, ALL);
    assert!(!is_set(client, event));
    assert_eq!(code(connect(client, s, "10.0.0.2:4000")), 10035);
    assert_eq!(fetch(client, s), []);
    assert_eq!(client.wait_for_single(event, 0xFFFF_FFFF), Ok(0));
    assert_eq!(fetch_with(client, s, event), [(WRITE, 0), (CONNECT, 0)]);
    assert!(!is_set(client, event));
    for _ in 0..5 {
        scene.run(1000);
        assert_eq!(fetch(client, s), []);
    }
    assert!(!is_set(client, event));
}

#[test]
fn documented_a_failed_connect_records_connect_alone_with_its_code() {
    for (name, expected, seconds) in [
        ("10.0.0.2:81", 10061, 0.0),
        (NOBODY, 10065, 3.0),
        (SILENT, 10060, 21.0),
        (NO_NET, 10051, 0.0),
    ] {
        let scene = Scene::documented();
        let client = &scene.client;
        let s = tcp(client);
        let event = select(client, s, ALL);
        assert_eq!(code(connect(client, s, name)), 10035);
        assert_eq!(client.wait_for_single(event, 0xFFFF_FFFF), Ok(0), "{name}");
        assert!((scene.seconds() - seconds).abs() < 0.1, "{name}: {}", scene.seconds());
        assert_eq!(fetch_with(client, s, event), [(CONNECT, expected)], "{name}");
        // Selecting again does not report it again.
        client.wsa_event_select(s, event, ALL).unwrap();
        scene.run(60_000);
        assert!(!is_set(client, event));
        assert_eq!(fetch(client, s), []);
        assert_eq!(client.option(s, 0xFFFF, 0x1007).unwrap(), expected as u32);
    }
}

#[test]
fn windows_a_failed_connect_records_connect_alone_with_its_code() {
    for (name, expected, seconds) in [
        ("10.0.0.2:81", 10061, 2.0),
        (NOBODY, 10060, 21.0),
        (SILENT, 10060, 21.0),
        (NO_NET, 10060, 21.0),
        ("255.255.255.255:80", 10049, 0.0),
    ] {
        let scene = Scene::windows();
        let client = &scene.client;
        let s = tcp(client);
        let event = select(client, s, ALL);
        assert_eq!(code(connect(client, s, name)), 10035, "{name}");
        assert_eq!(client.wait_for_single(event, 0xFFFF_FFFF), Ok(0), "{name}");
        assert!((scene.seconds() - seconds).abs() < 0.1, "{name}: {}", scene.seconds());
        assert_eq!(fetch_with(client, s, event), [(CONNECT, expected)], "{name}");
        client.wsa_event_select(s, event, ALL).unwrap();
        scene.run(60_000);
        assert!(!is_set(client, event));
        assert_eq!(fetch(client, s), []);
    }
}

#[test]
fn each_attempt_records_its_own_end() {
    let scene = Scene::documented();
    let client = &scene.client;
    scene.listen(4000);
    let s = tcp(client);
    let event = select(client, s, CONNECT | WRITE);
    assert_eq!(code(connect(client, s, "10.0.0.2:81")), 10035);
    assert_eq!(client.wait_for_single(event, 1000), Ok(0));
    assert_eq!(fetch_with(client, s, event), [(CONNECT, 10061)]);
    assert_eq!(code(connect(client, s, "10.0.0.2:82")), 10035);
    assert_eq!(client.wait_for_single(event, 1000), Ok(0));
    // A new attempt makes an end that nobody fetched uninteresting.
    client.wsa_reset_event(event).unwrap();
    assert_eq!(code(connect(client, s, "10.0.0.2:4000")), 10035);
    assert_eq!(fetch(client, s), []);
    assert_eq!(client.wait_for_single(event, 1000), Ok(0));
    assert_eq!(fetch(client, s), [(WRITE, 0), (CONNECT, 0)]);
}

#[test]
fn selecting_after_a_blocking_connect_still_records_its_end() {
    let scene = Scene::documented();
    let client = &scene.client;
    let (s, _t) = scene.connected();
    let event = select(client, s, ALL);
    assert!(is_set(client, event));
    assert_eq!(fetch(client, s), [(WRITE, 0), (CONNECT, 0)]);
    let refused = tcp(client);
    assert_eq!(code(connect(client, refused, "10.0.0.2:81")), 10061);
    let event = select(client, refused, ALL);
    assert!(is_set(client, event));
    assert_eq!(fetch(client, refused), [(CONNECT, 10061)]);
}

#[test]
fn a_mask_that_becomes_wider_reports_what_was_not_fetched() {
    let scene = Scene::documented();
    let client = &scene.client;
    scene.listen(4000);
    let s = tcp(client);
    let event = select(client, s, WRITE);
    assert_eq!(code(connect(client, s, "10.0.0.2:4000")), 10035);
    assert_eq!(client.wait_for_single(event, 1000), Ok(0));
    assert_eq!(fetch_with(client, s, event), [(WRITE, 0)]);
    client.wsa_event_select(s, event, WRITE | CONNECT).unwrap();
    assert!(is_set(client, event));
    assert_eq!(fetch_with(client, s, event), [(CONNECT, 0)]);
    client.wsa_event_select(s, event, ALL).unwrap();
    assert!(!is_set(client, event));
}

#[test]
fn the_same_mask_again_reports_nothing_twice() {
    let scene = Scene::documented();
    let client = &scene.client;
    let (s, t, event) = connected(&scene, ALL);
    send(&scene.server, t, b"xy").unwrap();
    scene.run(100);
    assert_eq!(fetch_with(client, s, event), [(READ, 0)]);
    for _ in 0..3 {
        client.wsa_event_select(s, event, ALL).unwrap();
        assert!(!is_set(client, event));
        assert_eq!(fetch(client, s), []);
    }
    // Nor after the selection was ended in between.
    client.wsa_event_select(s, EventHandle::INVALID, 0).unwrap();
    client.wsa_event_select(s, event, ALL).unwrap();
    assert!(!is_set(client, event));
    // What was reported but not fetched is reported to the next event object too.
    send(&scene.server, t, b"z").unwrap();
    scene.run(100);
    let other = select(client, s, READ);
    assert!(is_set(client, other));
    assert_eq!(fetch(client, s), [(READ, 0)]);
}

#[test]
fn what_happens_while_nothing_is_selected_is_reported_by_the_next_selection() {
    let scene = Scene::documented();
    let client = &scene.client;
    let (s, t, event) = connected(&scene, ALL);
    client.wsa_event_select(s, EventHandle::INVALID, 0).unwrap();
    send(&scene.server, t, b"x").unwrap();
    scene.run(100);
    assert!(!is_set(client, event));
    assert_eq!(fetch(client, s), []);
    client.wsa_event_select(s, event, READ).unwrap();
    assert!(is_set(client, event));
    assert_eq!(fetch(client, s), [(READ, 0)]);
}

#[test]
fn an_accepted_socket_inherits_the_selection_and_is_writable() {
    let scene = Scene::documented();
    let (client, server) = (&scene.client, &scene.server);
    let listening = scene.listen(4000);
    let event = select(server, listening, ALL);
    let s = tcp(client);
    connect(client, s, "10.0.0.2:4000").unwrap();
    send(client, s, b"x").unwrap();
    scene.run(100);
    assert_eq!(fetch_with(server, listening, event), [(ACCEPT, 0)]);
    let t = accept(server, listening).unwrap();
    assert!(is_set(server, event));
    assert_eq!(fetch_with(server, t, event), [(READ, 0), (WRITE, 0)]);
    assert_eq!(fetch(server, listening), []);
    // It is non-blocking, too, and stays so while it is selected.
    assert_eq!(recv(server, t).unwrap(), b"x");
    assert_eq!(code(recv(server, t)), 10035);
    assert_eq!(code(server.set_nonblocking(t, false)), 10022);
    // It is told of what happens to it.
    send(client, s, b"y").unwrap();
    assert_eq!(server.wait_for_single(event, 1000), Ok(0));
    assert_eq!(fetch(server, t), [(READ, 0)]);
}

#[test]
fn an_accepted_socket_may_select_for_itself() {
    let scene = Scene::documented();
    let (client, server) = (&scene.client, &scene.server);
    let listening = scene.listen(4000);
    let event = select(server, listening, ACCEPT);
    connect(client, tcp(client), "10.0.0.2:4000").unwrap();
    assert_eq!(server.wait_for_single(event, 1000), Ok(0));
    assert_eq!(fetch_with(server, listening, event), [(ACCEPT, 0)]);
    let t = accept(server, listening).unwrap();
    // The inherited mask does not have it.
    assert!(!is_set(server, event));
    let own = select(server, t, WRITE);
    assert!(is_set(server, own));
    assert!(!is_set(server, event));
    assert_eq!(fetch(server, t), [(WRITE, 0)]);
}

#[test]
fn a_datagram_socket_records_write_when_bound_and_again_with_connect() {
    let scene = Scene::documented();
    let client = &scene.client;
    let s = udp(client);
    let event = select(client, s, ALL);
    for _ in 0..5 {
        assert_eq!(fetch(client, s), []);
    }
    connect(client, s, "10.0.0.2:5000").unwrap();
    assert!(is_set(client, event));
    assert_eq!(fetch_with(client, s, event), [(WRITE, 0), (CONNECT, 0)]);
    assert_eq!(fetch(client, s), []);

    let s = udp(client);
    client.wsa_event_select(s, event, ALL).unwrap();
    bind(client, s, "0.0.0.0:6000").unwrap();
    assert!(is_set(client, event));
    assert_eq!(fetch_with(client, s, event), [(WRITE, 0)]);
    assert_eq!(fetch(client, s), []);
    connect(client, s, "10.0.0.2:5000").unwrap();
    assert_eq!(fetch_with(client, s, event), [(WRITE, 0), (CONNECT, 0)]);

    // sendto binds as well.
    let s = udp(client);
    client.wsa_event_select(s, event, ALL).unwrap();
    let name = wsa::sockaddr(address("10.0.0.2:5000"));
    client.sendto(s, b"x".into(), 0, name.memory(), name.len()).unwrap();
    assert!(is_set(client, event));
    assert_eq!(fetch(client, s), [(WRITE, 0)]);
}

#[test]
fn datagrams_and_errors_about_them_record_read() {
    let scene = Scene::documented();
    let (client, server) = (&scene.client, &scene.server);
    let s = udp(client);
    connect(client, s, "10.0.0.2:5000").unwrap();
    let event = select(client, s, READ);
    send(client, s, b"x").unwrap();
    assert_eq!(client.wait_for_single(event, 1000), Ok(0));
    assert_eq!(fetch_with(client, s, event), [(READ, 0)]);
    assert_eq!(code(recv(client, s)), 10054);
    assert!(!is_set(client, event));
    let t = udp(server);
    bind(server, t, "0.0.0.0:5000").unwrap();
    send(client, s, b"x").unwrap();
    scene.run(100);
    let mut name = [0; 16];
    let mut len = 16;
    let from = MemoryMut::Bytes(&mut name);
    server.recvfrom(t, (&mut [0; 8]).into(), 0, from, Some(&mut len)).unwrap();
    for text in [b"a", b"b"] {
        server.sendto(t, text.into(), 0, (&name).into(), len).unwrap();
    }
    scene.run(100);
    assert_eq!(fetch_with(client, s, event), [(READ, 0)]);
    // One is left, so the receive records it again; the second leaves none.
    assert_eq!(recv(client, s).unwrap(), b"a");
    assert_eq!(fetch_with(client, s, event), [(READ, 0)]);
    assert_eq!(recv(client, s).unwrap(), b"b");
    assert!(!is_set(client, event));
    assert_eq!(fetch(client, s), []);
}

#[test]
fn a_stream_that_never_connected_records_nothing() {
    let scene = Scene::documented();
    let client = &scene.client;
    let s = tcp(client);
    let event = select(client, s, READ | WRITE);
    for _ in 0..5 {
        assert_eq!(fetch_with(client, s, event), []);
    }
    bind(client, s, "0.0.0.0:6000").unwrap();
    assert!(!is_set(client, event));
    client.wsa_event_select(s, event, ALL).unwrap();
    client.listen(s, 5).unwrap();
    assert!(!is_set(client, event));
    assert_eq!(fetch(client, s), []);
}

#[test]
fn a_receive_that_leaves_data_records_read_again() {
    let scene = Scene::documented();
    let client = &scene.client;
    let (s, t, event) = connected(&scene, ALL);
    send(&scene.server, t, b"abc").unwrap();
    assert_eq!(client.wait_for_single(event, 1000), Ok(0));
    assert_eq!(fetch_with(client, s, event), [(READ, 0)]);
    assert_eq!(fetch_with(client, s, event), []);
    assert_eq!(client.recv(s, (&mut [0; 1]).into(), 0), Ok(1));
    assert!(is_set(client, event));
    assert_eq!(fetch_with(client, s, event), [(READ, 0)]);
    // Peeking is a receive.
    assert_eq!(client.recv(s, (&mut [0; 8]).into(), 2), Ok(2));
    assert_eq!(fetch_with(client, s, event), [(READ, 0)]);
    // So is one that fails.
    assert_eq!(code(client.recv(s, MemoryMut::Null, 0)), 10014);
    assert_eq!(fetch_with(client, s, event), [(READ, 0)]);
    // An unfetched record goes with the last of the data, the signal stays.
    assert_eq!(client.recv(s, (&mut [0; 1]).into(), 0), Ok(1));
    assert_eq!(client.recv(s, (&mut [0; 8]).into(), 0), Ok(1));
    assert!(is_set(client, event));
    assert_eq!(fetch_with(client, s, event), []);
    assert_eq!(code(recv(client, s)), 10035);
    assert!(!is_set(client, event));
}

#[test]
fn new_data_records_read_again_without_a_receive() {
    let scene = Scene::documented();
    let client = &scene.client;
    let (s, t, event) = connected(&scene, ALL);
    for text in [b"a", b"b", b"c"] {
        send(&scene.server, t, text).unwrap();
        assert_eq!(client.wait_for_single(event, 1000), Ok(0));
        assert_eq!(fetch_with(client, s, event), [(READ, 0)]);
    }
    assert_eq!(recv(client, s).unwrap(), b"abc");
}

#[test]
fn a_send_that_succeeds_leaves_a_recorded_write() {
    let scene = Scene::documented();
    let client = &scene.client;
    let (s, _t) = scene.connected();
    select(client, s, WRITE);
    send(client, s, b"x").unwrap();
    scene.run(100);
    assert_eq!(fetch(client, s), [(WRITE, 0)]);
    // And a send that succeeds does not record it again.
    send(client, s, b"x").unwrap();
    scene.run(100);
    assert_eq!(fetch(client, s), []);
}

#[test]
fn write_is_recorded_again_when_there_is_room_after_a_would_block() {
    let scene = Scene::documented();
    let (client, server) = (&scene.client, &scene.server);
    let (s, t, event) = connected(&scene, WRITE);
    while code(send(client, s, &[0; 65536])) == 0 {
        scene.run(100);
    }
    assert_eq!(client.wsa_get_last_error(), 10035);
    scene.run(100);
    assert!(!is_set(client, event));
    assert_eq!(fetch(client, s), []);
    server.set_nonblocking(t, true).unwrap();
    while !is_set(client, event) {
        let _ = recv(server, t);
        scene.run(1);
    }
    assert_eq!(fetch_with(client, s, event), [(WRITE, 0)]);
    // Once: more room is no news.
    while code(recv(server, t)) == 0 {
        scene.run(1);
    }
    scene.run(1000);
    assert!(!is_set(client, event));
    assert_eq!(code(send(client, s, b"x")), 0);
}

#[test]
fn accept_is_recorded_for_each_connection_and_again_while_one_waits() {
    let scene = Scene::documented();
    let (client, server) = (&scene.client, &scene.server);
    let listening = scene.listen(4000);
    let event = select(server, listening, ACCEPT);
    // Without an accept in between.
    for _ in 0..2 {
        connect(client, tcp(client), "10.0.0.2:4000").unwrap();
        assert_eq!(server.wait_for_single(event, 1000), Ok(0));
        assert_eq!(fetch_with(server, listening, event), [(ACCEPT, 0)]);
    }
    // The first accept leaves one, the second none.
    accept(server, listening).unwrap();
    assert!(is_set(server, event));
    assert_eq!(fetch_with(server, listening, event), [(ACCEPT, 0)]);
    accept(server, listening).unwrap();
    assert!(!is_set(server, event));
    assert_eq!(code(accept(server, listening)), 10035);
    assert_eq!(fetch(server, listening), []);
}

#[test]
fn a_deferred_accept_does_not_record_accept_again_but_a_failed_or_rejected_one_does() {
    let scene = Scene::documented();
    let (client, server) = (&scene.client, &scene.server);
    let listening = scene.listen(4000);
    let event = select(server, listening, ACCEPT);
    for _ in 0..2 {
        connect(client, tcp(client), "10.0.0.2:4000").unwrap();
    }
    scene.run(100);
    assert_eq!(fetch_with(server, listening, event), [(ACCEPT, 0)]);
    let answer = |verdict| {
        let mut condition = |_: &wsa::Caller| verdict;
        code(server.wsa_accept(listening, MemoryMut::Null, None, Some(&mut condition)))
    };
    assert_eq!(answer(2), 11002);
    assert!(!is_set(server, event));
    assert_eq!(fetch(server, listening), []);
    let (mut short, mut name) = (4, [0; 4]);
    assert_eq!(code(server.accept(listening, (&mut name).into(), Some(&mut short))), 10014);
    assert_eq!(fetch_with(server, listening, event), [(ACCEPT, 0)]);
    assert_eq!(answer(1), 10061);
    assert!(is_set(server, event));
    assert_eq!(fetch(server, listening), [(ACCEPT, 0)]);
}

#[test]
fn a_narrower_mask_leaves_the_signal_and_a_wider_one_signals_again() {
    let scene = Scene::documented();
    let (client, server) = (&scene.client, &scene.server);
    let listening = scene.listen(4000);
    let event = select(server, listening, ACCEPT | READ);
    connect(client, tcp(client), "10.0.0.2:4000").unwrap();
    scene.run(100);
    assert!(is_set(server, event));
    server.wsa_event_select(listening, event, READ).unwrap();
    assert!(is_set(server, event));
    // Not in the mask: neither returned nor cleared.
    assert_eq!(fetch(server, listening), []);
    server.wsa_reset_event(event).unwrap();
    server.wsa_event_select(listening, event, READ).unwrap();
    assert!(!is_set(server, event));
    server.wsa_event_select(listening, event, ACCEPT | READ).unwrap();
    assert!(is_set(server, event));
    assert_eq!(fetch(server, listening), [(ACCEPT, 0)]);
}

#[test]
fn the_peers_fin_records_close_once() {
    let scene = Scene::documented();
    let client = &scene.client;
    let (s, t, event) = connected(&scene, ALL);
    scene.server.closesocket(t).unwrap();
    assert_eq!(client.wait_for_single(event, 1000), Ok(0));
    assert_eq!(fetch_with(client, s, event), [(CLOSE, 0)]);
    assert_eq!(recv(client, s).unwrap(), b"");
    assert_eq!(recv(client, s).unwrap(), b"");
    scene.run(1000);
    assert!(!is_set(client, event));
    assert_eq!(fetch(client, s), []);
}

#[test]
fn documented_close_comes_after_the_data_was_read() {
    let scene = Scene::documented();
    let client = &scene.client;
    let (s, t, event) = connected(&scene, ALL);
    send(&scene.server, t, b"xy").unwrap();
    scene.server.closesocket(t).unwrap();
    scene.run(100);
    assert_eq!(fetch_with(client, s, event), [(READ, 0)]);
    assert_eq!(client.recv(s, (&mut [0; 1]).into(), 0), Ok(1));
    assert_eq!(fetch_with(client, s, event), [(READ, 0)]);
    assert_eq!(client.recv(s, (&mut [0; 1]).into(), 0), Ok(1));
    assert!(is_set(client, event));
    assert_eq!(fetch_with(client, s, event), [(CLOSE, 0)]);
}

#[test]
fn windows_close_comes_before_the_data_is_read() {
    let scene = Scene::windows();
    let client = &scene.client;
    let (s, t, event) = connected(&scene, ALL);
    send(&scene.server, t, b"xy").unwrap();
    scene.server.closesocket(t).unwrap();
    scene.run(100);
    assert_eq!(fetch_with(client, s, event), [(READ, 0), (CLOSE, 0)]);
    assert_eq!(client.recv(s, (&mut [0; 1]).into(), 0), Ok(1));
    assert_eq!(fetch_with(client, s, event), [(READ, 0)]);
    assert_eq!(client.recv(s, (&mut [0; 1]).into(), 0), Ok(1));
    assert!(!is_set(client, event));
    assert_eq!(fetch_with(client, s, event), []);
}

/// The code of FD_CLOSE after the peer's RST.
fn after_reset(scene: &Scene) -> Record {
    let client = &scene.client;
    let (s, t, event) = connected(scene, ALL);
    let linger = [1, 0, 0, 0];
    scene.server.setsockopt(t, 0xFFFF, 0x80, (&linger).into(), 4).unwrap();
    scene.server.closesocket(t).unwrap();
    assert_eq!(client.wait_for_single(event, 1000), Ok(0));
    let record = fetch_with(client, s, event);
    assert_eq!(code(recv(client, s)), 10054);
    assert_eq!(code(send(client, s, b"x")), 10054);
    assert!(!is_set(client, event));
    record
}

#[test]
fn documented_the_peers_reset_records_close_with_10054() {
    assert_eq!(after_reset(&Scene::documented()), [(CLOSE, 10054)]);
}

#[test]
fn windows_the_peers_reset_records_close_with_10053() {
    assert_eq!(after_reset(&Scene::windows()), [(CLOSE, 10053)]);
}

#[test]
fn a_connection_that_is_given_up_records_close_with_10053() {
    for scene in [Scene::documented(), Scene::windows()] {
        let client = &scene.client;
        let (s, _t, event) = connected(&scene, ALL);
        scene.server.engine().host().set_link_up(false);
        send(client, s, b"x").unwrap();
        assert_eq!(client.wait_for_single(event, 0xFFFF_FFFF), Ok(0));
        assert_eq!(fetch(client, s), [(CLOSE, 10053)]);
    }
}

#[test]
fn shutdown_of_the_receiving_side_records_nothing_and_of_both_leaves_the_peers_fin() {
    let scene = Scene::documented();
    let client = &scene.client;
    let (s, t, event) = connected(&scene, ALL);
    client.shutdown(s, 0).unwrap();
    scene.run(1000);
    assert!(!is_set(client, event));
    client.shutdown(s, 2).unwrap();
    scene.run(1000);
    assert!(!is_set(client, event));
    scene.server.closesocket(t).unwrap();
    assert_eq!(client.wait_for_single(event, 1000), Ok(0));
    assert_eq!(fetch(client, s), [(CLOSE, 0)]);
}

#[test]
fn a_selected_socket_is_non_blocking_until_the_selection_ends() {
    let scene = Scene::documented();
    let client = &scene.client;
    let s = udp(client);
    bind(client, s, "0.0.0.0:5000").unwrap();
    let event = select(client, s, READ);
    assert_eq!(code(recv(client, s)), 10035);
    let blocking = |on: u32| {
        let mut argument = on;
        code(client.ioctlsocket(s, 0x8004_667E, Arg::Value(&mut argument)))
    };
    let ioctl = |on: u32| {
        let (input, mut returned) = (on.to_ne_bytes(), 0);
        let output = MemoryMut::Null;
        let input = (&input).into();
        code(client.wsa_ioctl(s, 0x8004_667E, input, 4, output, 0, Some(&mut returned)))
    };
    assert_eq!([blocking(0), ioctl(0), blocking(1), ioctl(1)], [10022, 10022, 0, 0]);
    client.wsa_event_select(s, event, 0).unwrap();
    assert_eq!(code(recv(client, s)), 10035);
    assert_eq!([blocking(0), ioctl(0)], [0, 0]);
    client.wsa_event_select(s, event, 0).unwrap();
    assert_eq!(code(recv(client, s)), 10035);
}

#[test]
fn looking_at_a_socket_does_not_signal_its_event_again() {
    let scene = Scene::documented();
    let client = &scene.client;
    let (s, t, _) = connected(&scene, ALL);
    let event = client.create_event(EventKind::AutoReset, Signal::Unset).unwrap();
    client.wsa_event_select(s, event, READ).unwrap();
    send(&scene.server, t, b"x").unwrap();
    assert_eq!(client.wait_for_single(event, 1000), Ok(0));
    let mut fds = [WsaPollFd::new(s, 0x110)];
    assert_eq!(client.wsa_poll(&mut fds, 0), Ok(1));
    assert_eq!(fds[0].revents, 0x110);
    assert!(!is_set(client, event));
    let mut array = [s];
    let mut read = wsa::FdSet::of(&mut array);
    let zero = Some(tapsock_stack::time::Duration::ZERO);
    assert_eq!(client.select(Some(&mut read), None, None, zero), Ok(1));
    assert!(!is_set(client, event));
    // The record is still there to be fetched.
    assert_eq!(fetch(client, s), [(READ, 0)]);
}

#[test]
fn many_sockets_may_share_one_event() {
    let scene = Scene::documented();
    let client = &scene.client;
    let event = client.create_event(EventKind::AutoReset, Signal::Unset).unwrap();
    let sockets: Vec<_> = (0..100).map(|_| tcp(client)).collect();
    for s in &sockets {
        client.wsa_event_select(*s, event, CONNECT).unwrap();
        assert_eq!(code(connect(client, *s, "10.0.0.2:81")), 10035);
    }
    scene.run(1000);
    assert_eq!(client.wait_for_single(event, 0), Ok(0));
    assert_eq!(client.wait_for_single(event, 0), Ok(258));
    for s in sockets {
        assert_eq!(fetch(client, s), [(CONNECT, 10061)]);
    }
}

#[test]
fn a_closed_socket_signals_nothing_and_a_closed_event_is_no_harm() {
    let scene = Scene::documented();
    let client = scene.client.clone();
    let (s, t, event) = connected(&scene, ALL);
    let closer = client.clone();
    scene.at(2000, move |_| as_thread(2, || closer.closesocket(s).unwrap()));
    assert_eq!(client.wait_for_single(event, 5000), Ok(258));
    let (s, _, event) = (t, (), client.wsa_create_event().unwrap());
    client.wsa_close_event(event).unwrap();
    let server = &scene.server;
    let gone = server.wsa_create_event().unwrap();
    server.wsa_event_select(s, gone, ALL).unwrap();
    server.wsa_close_event(gone).unwrap();
    scene.run(1000);
    assert_eq!(fetch(server, s), [(WRITE, 0), (CLOSE, 0)]);
}
