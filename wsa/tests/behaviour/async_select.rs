//! WSAAsyncSelect: what is posted when, and what posts it again.
//!
//! Events that pending overlapped receives and accepts suppress, and those of out-of-band data,
//! are not there yet.

use std::sync::{Arc, Mutex};

use wsa::engine::stepped::as_thread;
use wsa::{EventHandle, MemoryMut, MessageHook, SocketHandle, SocketMessage};

use super::scene::*;

const READ: i32 = 0x01;
const WRITE: i32 = 0x02;
const ACCEPT: i32 = 0x08;
const CONNECT: i32 = 0x10;
const CLOSE: i32 = 0x20;
const ALL: i32 = 0x3FF;

const WINDOW: usize = 0x1_0203;
const MESSAGE: u32 = 0x401;

fn select(process: &Wsa, s: SocketHandle, mask: i32) {
    process.wsa_async_select(s, WINDOW, MESSAGE, mask).unwrap();
}

/// Takes every message, all of which must be of this socket: events and codes.
fn take(process: &Wsa, s: SocketHandle) -> Vec<(i32, i32)> {
    let mut taken = Vec::new();
    while let Some(message) = process.next_message() {
        assert_eq!((message.window, message.message, message.socket), (WINDOW, MESSAGE, s));
        taken.push((message.event, message.error));
    }
    taken
}

/// A connected pair of which the client's end is selected for everything.
fn connected(scene: &Scene) -> (SocketHandle, SocketHandle) {
    let (s, t) = scene.connected();
    scene.run(100);
    select(&scene.client, s, ALL);
    assert_eq!(take(&scene.client, s), [(WRITE, 0)]);
    (s, t)
}

#[test]
fn arguments_are_looked_at_before_anything_happens() {
    let scene = Scene::documented();
    let client = &scene.client;
    let s = udp(client);
    let ask = |s, window, events| code(client.wsa_async_select(s, window, MESSAGE, events));
    assert_eq!(ask(SocketHandle::INVALID, 0, -1), 10038);
    assert_eq!(ask(s, WINDOW, 0x400), 10022);
    assert_eq!(ask(s, WINDOW, -1), 10022);
    assert_eq!(ask(s, 0, READ), 10022);
    assert_eq!(take(client, s), []);
    bind(client, s, "0.0.0.0:5000").unwrap();
    client.set_option(s, 0xFFFF, 0x1006, 100).unwrap();
    assert_eq!(code(recv(client, s)), 10060);
    assert_eq!(ask(s, 0, 0), 0);
    client.wsa_cleanup().unwrap();
    assert_eq!(ask(s, 0, -1), 10093);
}

#[test]
fn a_message_has_the_socket_the_event_and_the_error_in_its_words() {
    let message = SocketMessage {
        window: WINDOW,
        message: MESSAGE,
        socket: SocketHandle::from_raw(0x40_0004),
        event: CONNECT,
        error: 10061,
    };
    assert_eq!((message.w_param(), message.l_param()), (0x40_0004, 0x274D_0010));
}

#[test]
fn a_connect_posts_connect_and_then_write() {
    let scene = Scene::documented();
    let client = &scene.client;
    scene.listen(4000);
    let s = tcp(client);
    select(client, s, ALL);
    assert_eq!(code(connect(client, s, "10.0.0.2:4000")), 10035);
    assert_eq!(take(client, s), []);
    scene.run(100);
    assert_eq!(take(client, s), [(CONNECT, 0), (WRITE, 0)]);
    scene.run(1000);
    assert_eq!(take(client, s), []);
}

#[test]
fn a_failed_connect_posts_connect_alone_with_its_code() {
    for (name, expected) in
        [("10.0.0.2:81", 10061), (NOBODY, 10065), (SILENT, 10060), (NO_NET, 10051)]
    {
        let scene = Scene::documented();
        let client = &scene.client;
        let s = tcp(client);
        select(client, s, ALL);
        assert_eq!(code(connect(client, s, name)), 10035);
        scene.run(60_000);
        assert_eq!(take(client, s), [(CONNECT, expected)], "{name}");
        select(client, s, ALL);
        assert_eq!(take(client, s), []);
    }
}

#[test]
fn selecting_after_a_blocking_connect_posts_write_alone() {
    let scene = Scene::documented();
    let client = &scene.client;
    let (s, _t) = scene.connected();
    select(client, s, ALL);
    assert_eq!(take(client, s), [(WRITE, 0)]);
}

#[test]
fn the_end_of_an_attempt_that_was_not_selected_is_lost_and_write_is_posted_again() {
    let scene = Scene::documented();
    let client = &scene.client;
    scene.listen(4000);
    let s = tcp(client);
    select(client, s, WRITE);
    assert_eq!(code(connect(client, s, "10.0.0.2:4000")), 10035);
    scene.run(100);
    assert_eq!(take(client, s), [(WRITE, 0)]);
    select(client, s, WRITE | CONNECT);
    assert_eq!(take(client, s), [(WRITE, 0)]);
}

#[test]
fn calling_it_again_posts_again_what_holds() {
    let scene = Scene::windows();
    let (client, server) = (&scene.client, &scene.server);
    let (s, t) = connected(&scene);
    send(server, t, b"xy").unwrap();
    server.shutdown(t, 1).unwrap();
    scene.run(100);
    assert_eq!(take(client, s), [(READ, 0), (CLOSE, 0)]);
    for _ in 0..2 {
        select(client, s, ALL);
        assert_eq!(take(client, s), [(WRITE, 0), (READ, 0), (CLOSE, 0)]);
    }
    select(client, s, READ);
    assert_eq!(take(client, s), [(READ, 0)]);
    // A listener, likewise.
    let listening = listener(client, "0.0.0.0:4001");
    select(client, listening, ALL);
    assert_eq!(take(client, listening), []);
    connect(server, tcp(server), "10.0.0.1:4001").unwrap();
    scene.run(100);
    assert_eq!(take(client, listening), [(ACCEPT, 0)]);
    select(client, listening, ALL);
    assert_eq!(take(client, listening), [(ACCEPT, 0)]);
}

#[test]
fn new_data_and_connections_are_not_posted_while_the_last_were_not_acted_on() {
    let scene = Scene::documented();
    let (client, server) = (&scene.client, &scene.server);
    let (s, t) = connected(&scene);
    for expected in [&[(READ, 0)][..], &[], &[]] {
        send(server, t, b"x").unwrap();
        scene.run(100);
        assert_eq!(take(client, s), expected);
    }
    // A receive that leaves data posts, the last does not, and then new data does.
    assert_eq!(client.recv(s, (&mut [0; 2]).into(), 0), Ok(2));
    assert_eq!(take(client, s), [(READ, 0)]);
    assert_eq!(client.recv(s, (&mut [0; 2]).into(), 0), Ok(1));
    assert_eq!(take(client, s), []);
    send(server, t, b"x").unwrap();
    scene.run(100);
    assert_eq!(take(client, s), [(READ, 0)]);

    let listening = listener(client, "0.0.0.0:4001");
    select(client, listening, ALL);
    for expected in [&[(ACCEPT, 0)][..], &[]] {
        connect(server, tcp(server), "10.0.0.1:4001").unwrap();
        scene.run(100);
        assert_eq!(take(client, listening), expected);
    }
    let accepted = accept(client, listening).unwrap();
    let posted = [client.next_message().unwrap(), client.next_message().unwrap()];
    assert_eq!(
        posted.map(|message| (message.socket, message.event)),
        [(accepted, WRITE), (listening, ACCEPT)]
    );
}

#[test]
fn a_receive_that_fails_posts_read_again() {
    let scene = Scene::documented();
    let client = &scene.client;
    let (s, t) = connected(&scene);
    send(&scene.server, t, b"x").unwrap();
    scene.run(100);
    assert_eq!(take(client, s), [(READ, 0)]);
    assert_eq!(code(client.recv(s, MemoryMut::Null, 0)), 10014);
    assert_eq!(take(client, s), [(READ, 0)]);
    assert_eq!(code(client.recv(s, (&mut [0; 1]).into(), 1)), 10022);
    assert_eq!(take(client, s), [(READ, 0)]);
}

#[test]
fn a_datagram_socket_is_writable_from_the_start() {
    let scene = Scene::documented();
    let client = &scene.client;
    let s = udp(client);
    select(client, s, ALL);
    assert_eq!(take(client, s), [(WRITE, 0)]);
    bind(client, s, "0.0.0.0:5000").unwrap();
    assert_eq!(take(client, s), []);
    connect(client, s, "10.0.0.2:5000").unwrap();
    assert_eq!(take(client, s), [(CONNECT, 0), (WRITE, 0)]);
    send(client, s, b"x").unwrap();
    scene.run(100);
    assert_eq!(take(client, s), [(READ, 0)]);
    assert_eq!(code(recv(client, s)), 10054);
    assert_eq!(take(client, s), []);
}

#[test]
fn write_is_posted_again_when_there_is_room_after_a_would_block() {
    let scene = Scene::documented();
    let (client, server) = (&scene.client, &scene.server);
    let (s, t) = connected(&scene);
    while code(send(client, s, &[0; 65536])) == 0 {
        scene.run(100);
    }
    assert_eq!(client.wsa_get_last_error(), 10035);
    assert_eq!(take(client, s), []);
    server.set_nonblocking(t, true).unwrap();
    for _ in 0..100_000 {
        let _ = recv(server, t);
        scene.run(1);
        if let Some(message) = client.next_message() {
            assert_eq!(message.event, WRITE);
            break;
        }
    }
    assert_eq!(code(send(client, s, b"x")), 0);
    scene.run(1000);
    assert_eq!(take(client, s), []);
}

#[test]
fn an_accepted_socket_inherits_the_window() {
    let scene = Scene::documented();
    let (client, server) = (&scene.client, &scene.server);
    let listening = scene.listen(4000);
    select(server, listening, ALL);
    connect(client, tcp(client), "10.0.0.2:4000").unwrap();
    scene.run(100);
    assert_eq!(take(server, listening), [(ACCEPT, 0)]);
    let t = accept(server, listening).unwrap();
    assert_eq!(take(server, t), [(WRITE, 0)]);
    assert_eq!(code(recv(server, t)), 10035);
    assert_eq!(code(server.set_nonblocking(t, false)), 10022);
}

#[test]
fn documented_close_is_posted_after_the_data_was_read() {
    let scene = Scene::documented();
    let client = &scene.client;
    let (s, t) = connected(&scene);
    send(&scene.server, t, b"x").unwrap();
    scene.server.closesocket(t).unwrap();
    scene.run(100);
    assert_eq!(take(client, s), [(READ, 0)]);
    assert_eq!(recv(client, s).unwrap(), b"x");
    assert_eq!(take(client, s), [(CLOSE, 0)]);
    assert_eq!(recv(client, s).unwrap(), b"");
    assert_eq!(take(client, s), []);
}

#[test]
fn windows_close_is_posted_before_the_data_is_read() {
    let scene = Scene::windows();
    let client = &scene.client;
    let (s, t) = connected(&scene);
    send(&scene.server, t, b"x").unwrap();
    scene.server.closesocket(t).unwrap();
    scene.run(100);
    assert_eq!(take(client, s), [(READ, 0), (CLOSE, 0)]);
    assert_eq!(recv(client, s).unwrap(), b"x");
    assert_eq!(take(client, s), []);
}

/// What the peer's RST posts.
fn after_reset(scene: &Scene) -> Vec<(i32, i32)> {
    let (s, t) = connected(scene);
    scene.server.setsockopt(t, 0xFFFF, 0x80, (&[1, 0, 0, 0]).into(), 4).unwrap();
    scene.server.closesocket(t).unwrap();
    scene.run(100);
    take(&scene.client, s)
}

#[test]
fn documented_the_peers_reset_posts_close_with_10054() {
    assert_eq!(after_reset(&Scene::documented()), [(CLOSE, 10054)]);
}

#[test]
fn windows_the_peers_reset_posts_close_with_10053() {
    assert_eq!(after_reset(&Scene::windows()), [(CLOSE, 10053)]);
}

#[test]
fn queued_messages_survive_the_end_of_the_selection_the_socket_and_the_startup() {
    let scene = Scene::documented();
    let client = &scene.client;
    let s = udp(client);
    select(client, s, WRITE);
    client.wsa_async_select(s, WINDOW, MESSAGE, 0).unwrap();
    assert_eq!(take(client, s), [(WRITE, 0)]);
    select(client, s, WRITE);
    client.closesocket(s).unwrap();
    client.wsa_cleanup().unwrap();
    assert_eq!(client.peek_message().map(|message| message.event), Some(WRITE));
    assert_eq!(take(client, s), [(WRITE, 0)]);
    assert_eq!(client.peek_message(), None);
}

#[test]
fn the_end_of_the_selection_posts_nothing_more_and_lets_the_socket_block() {
    let scene = Scene::documented();
    let client = &scene.client;
    let (s, t) = connected(&scene);
    assert_eq!(code(client.set_nonblocking(s, false)), 10022);
    client.wsa_async_select(s, 0, 0, 0).unwrap();
    send(&scene.server, t, b"x").unwrap();
    scene.run(100);
    assert_eq!(take(client, s), []);
    assert_eq!(recv(client, s).unwrap(), b"x");
    assert_eq!(code(recv(client, s)), 10035);
    client.set_nonblocking(s, false).unwrap();
}

#[test]
fn each_of_the_two_selections_ends_the_other() {
    let scene = Scene::documented();
    let (client, server) = (&scene.client, &scene.server);
    let (s, t) = connected(&scene);
    let event = client.wsa_create_event().unwrap();
    client.wsa_event_select(s, event, ALL).unwrap();
    // The new selection is told of what holds.
    assert_eq!(client.wait_for_single(event, 0), Ok(0));
    client.wsa_reset_event(event).unwrap();
    send(server, t, b"x").unwrap();
    scene.run(100);
    assert_eq!(take(client, s), []);
    assert_eq!(client.wait_for_single(event, 0), Ok(0));
    client.wsa_reset_event(event).unwrap();
    select(client, s, ALL);
    assert_eq!(take(client, s), [(WRITE, 0), (READ, 0)]);
    assert_eq!(recv(client, s).unwrap(), b"x");
    send(server, t, b"x").unwrap();
    scene.run(100);
    assert_eq!(take(client, s), [(READ, 0)]);
    assert_eq!(client.wait_for_single(event, 0), Ok(258));
    // While messages are posted there is nothing to fetch.
    let mut found = wsa::WsaNetworkEvents { network_events: -1, error_code: [7; 10] };
    let fetched = wsa::Arg::Value(&mut found);
    client.wsa_enum_network_events(s, EventHandle::INVALID, fetched).unwrap();
    assert_eq!((found.network_events, found.error_code), (0, [7; 10]));
}

#[test]
fn a_wait_ends_with_the_next_message() {
    let scene = Scene::documented();
    let client = &scene.client;
    let s = tcp(client);
    select(client, s, ALL);
    assert_eq!(client.wait_message(500), Ok(None));
    assert_eq!(scene.world.now().total_millis(), 500);
    assert_eq!(code(connect(client, s, NOBODY)), 10035);
    let message = client.wait_message(0xFFFF_FFFF).unwrap().unwrap();
    assert_eq!((message.event, message.error), (CONNECT, 10065));
    assert_eq!(scene.world.now().total_millis(), 3500);
    assert_eq!(client.wait_message(0), Ok(None));
    assert_eq!(code(client.wait_message(0xFFFF_FFFF)), 10004);
    client.wsa_cleanup().unwrap();
    assert_eq!(code(client.wait_message(0)), 10093);
}

#[test]
fn a_full_queue_delays_messages_and_loses_none() {
    let scene = Scene::documented();
    let client = &scene.client;
    // 10,000 messages fill it.
    let filler = udp(client);
    for _ in 0..10_000 {
        select(client, filler, WRITE);
    }
    assert_eq!((client.message_counters().posted, client.message_counters().delayed), (10_000, 0));
    let (first, second, third) = (udp(client), udp(client), udp(client));
    connect(client, first, "10.0.0.2:5000").unwrap();
    for s in [first, second, third] {
        select(client, s, ALL);
    }
    assert_eq!((client.message_counters().posted, client.message_counters().delayed), (10_000, 3));
    // What happens to a socket that stands in line already joins what it waits with.
    send(client, first, b"x").unwrap();
    scene.run(100);
    assert_eq!(client.message_counters().delayed, 3);
    // One that is closed does not stand in it any more.
    client.closesocket(second).unwrap();
    let filled = |_| client.next_message().unwrap().socket;
    assert!((0..10_000).map(filled).all(|s| s == filler));
    let rest: Vec<_> = std::iter::from_fn(|| client.next_message())
        .map(|message| (message.socket, message.event))
        .collect();
    // With room for one, the first posts one and goes to the end of the line.
    assert_eq!(rest, [(first, WRITE), (third, WRITE), (first, READ)]);
    assert_eq!((client.message_counters().posted, client.message_counters().delayed), (10_003, 4));
}

#[test]
fn a_hook_takes_the_messages_in_their_order_and_may_call() {
    let scene = Scene::documented();
    let client = &scene.client;
    scene.listen(4000);
    let s = tcp(client);
    let u = udp(client);
    select(client, u, WRITE);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let hook = {
        let (process, seen) = (client.clone(), Arc::clone(&seen));
        MessageHook::new(move |message| {
            // Messages that this posts come after those that are there.
            if message.event == CONNECT {
                select(&process, u, WRITE);
            }
            let waited = code(process.wait_message(10));
            seen.lock().unwrap().push((message.socket, message.event, waited));
        })
    };
    // What waits already is the hook's as well.
    assert!(client.set_message_hook(Some(hook)).is_none());
    assert_eq!(std::mem::take(&mut *seen.lock().unwrap()), [(u, WRITE, 10036)]);
    select(client, s, ALL);
    assert_eq!(code(connect(client, s, "10.0.0.2:4000")), 10035);
    scene.run(100);
    assert_eq!(client.next_message(), None);
    assert_eq!(*seen.lock().unwrap(), [(s, CONNECT, 10036), (s, WRITE, 10036), (u, WRITE, 10036)]);
    // The thread that delivered is none of a callback any more.
    assert_eq!(client.wait_message(0), Ok(None));
    assert!(client.set_message_hook(None).is_some());
    select(client, u, WRITE);
    assert_eq!(take(client, u), [(WRITE, 0)]);
}

#[test]
fn a_hook_that_panics_takes_only_its_own_message_with_it() {
    let scene = Scene::documented();
    let client = scene.client.clone();
    let (u, v) = (udp(&client), udp(&client));
    client.set_message_hook(Some(MessageHook::Function(|_| panic!("a hook of the test"))));
    let selecting = client.clone();
    let panicked = std::thread::spawn(move || select(&selecting, u, WRITE)).join();
    assert!(panicked.is_err());
    client.set_message_hook(None);
    as_thread(2, || select(&client, v, WRITE));
    assert_eq!(take(&client, v), [(WRITE, 0)]);
}
