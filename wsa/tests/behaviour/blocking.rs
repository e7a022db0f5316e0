//! What may interrupt a blocked call, and what a callback may not do.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tapsock_stack::sim::Repeat;
use tapsock_stack::time::{Duration, Instant};

use wsa::engine::stepped::as_thread;
use wsa::{BlockingHook, Error, FdSet, MemoryMut};

use super::scene::*;

#[test]
fn closesocket_on_another_thread_wakes_a_blocked_connect() {
    let scene = Scene::documented();
    let s = tcp(&scene.client);
    let client = scene.client.clone();
    scene.at(3000, move |_| as_thread(2, || client.closesocket(s).unwrap()));
    assert_eq!(code(connect(&scene.client, s, SILENT)), 10004);
    assert!((scene.seconds() - 3.0).abs() < 0.001);
    assert_eq!(code(connect(&scene.client, s, SILENT)), 10038);
}

#[test]
fn closesocket_on_another_thread_wakes_accept_recv_and_send() {
    let scene = Scene::documented();
    let client = scene.client.clone();
    let listening = listener(&client, "0.0.0.0:4000");
    let (s, _t) = {
        let s = tcp(&scene.server);
        connect(&scene.server, s, "10.0.0.1:4000").unwrap();
        (accept(&client, listening).unwrap(), s)
    };
    let close = |millis, s| {
        let client = scene.client.clone();
        scene.at(millis, move |_| as_thread(2, || client.closesocket(s).unwrap()));
    };
    close(1000, listening);
    assert_eq!(code(accept(&client, listening)), 10004);
    let u = udp(&client);
    bind(&client, u, "0.0.0.0:5000").unwrap();
    close(2000, u);
    assert_eq!(code(recv(&client, u)), 10004);
    // The peer takes nothing out, so one of the sends has to wait.
    close(60_000, s);
    let mut last = 0;
    for _ in 0..40 {
        last = code(send(&client, s, &[0; 16384]));
        if last != 0 {
            break;
        }
    }
    assert_eq!(last, 10004);
}

#[test]
fn a_network_in_which_nothing_will_ever_happen_ends_a_blocked_call() {
    let scene = Scene::documented();
    let listening = scene.listen(4000);
    assert_eq!(code(accept(&scene.server, listening)), 10004);
}

#[test]
fn hooks_are_for_1_1_processes() {
    let scene = Scene::documented();
    let client = &scene.client;
    let hook = || BlockingHook::Function(|| false);
    assert_eq!(code(client.wsa_set_blocking_hook(hook())), 10045);
    assert_eq!(code(client.wsa_unhook_blocking_hook()), 10045);
    assert_eq!(code(client.wsa_cancel_blocking_call()), 10045);
    let scene = Scene::version_1_1();
    let client = &scene.client;
    assert!(client.wsa_set_blocking_hook(hook()).unwrap().is_none());
    assert!(client.wsa_set_blocking_hook(hook()).unwrap().is_some());
    client.wsa_unhook_blocking_hook().unwrap();
    assert_eq!(code(client.wsa_cancel_blocking_call()), 10022);
    assert!(!client.wsa_is_blocking());
}

#[test]
fn a_hook_runs_while_a_call_waits_and_may_cancel_it() {
    let scene = Scene::version_1_1();
    let client = scene.client.clone();
    let runs = Arc::new(AtomicUsize::new(0));
    let (inside, count) = (client.clone(), runs.clone());
    let hook = move || {
        assert!(inside.wsa_is_blocking());
        if count.fetch_add(1, Ordering::Relaxed) == 5 {
            inside.wsa_cancel_blocking_call().unwrap();
        }
        false
    };
    client.wsa_set_blocking_hook(BlockingHook::new(hook)).unwrap();
    let s = tcp(&client);
    assert_eq!(code(connect(&client, s, SILENT)), 10004);
    assert_eq!(runs.load(Ordering::Relaxed), 6);
    assert!(scene.seconds() < 21.0);
    client.wsa_unhook_blocking_hook().unwrap();
    // The attempt is gone, and the socket may try again.
    scene.listen(4000);
    assert_eq!(code(connect(&client, s, "10.0.0.2:4000")), 0);
    assert_eq!(runs.load(Ordering::Relaxed), 6);
}

#[test]
fn a_hook_that_wants_to_go_on_for_ever_does_not_stop_the_call() {
    let scene = Scene::version_1_1();
    scene.client.wsa_set_blocking_hook(BlockingHook::Function(|| true)).unwrap();
    assert_eq!(code(connect(&scene.client, tcp(&scene.client), "10.0.0.2:81")), 10061);
}

#[test]
fn inside_a_hook_any_other_call_is_in_progress() {
    let scene = Scene::version_1_1();
    let client = scene.client.clone();
    let other = tcp(&client);
    let codes = Arc::new(Mutex::new(Vec::new()));
    let (inside, log) = (client.clone(), codes.clone());
    let hook = move || {
        log.lock().unwrap().extend([
            code(connect(&inside, other, "10.0.0.2:81")),
            code(accept(&inside, other)),
            code(recv(&inside, other)),
            code(inside.select(None, None, None, None)),
            // Another thread is free.
            as_thread(2, || code(connect(&inside, other, "0.0.0.0:0"))),
        ]);
        inside.wsa_cancel_blocking_call().unwrap();
        false
    };
    client.wsa_set_blocking_hook(BlockingHook::new(hook)).unwrap();
    assert_eq!(code(connect(&client, tcp(&client), SILENT)), 10004);
    assert_eq!(*codes.lock().unwrap(), [10036, 10036, 10036, 10036, 10049]);
}

#[test]
fn inside_a_condition_function_nothing_blocks() {
    let scene = Scene::documented();
    let server = &scene.server;
    let listening = scene.listen(4000);
    let idle = scene.listen(4001);
    let other = tcp(server);
    let (u, mut array) = (udp(server), [idle]);
    bind(server, u, "0.0.0.0:53").unwrap();
    connect(&scene.client, tcp(&scene.client), "10.0.0.2:4000").unwrap();
    let mut codes = Vec::new();
    let mut set = FdSet::of(&mut array);
    let mut condition = |_: &wsa::Caller| {
        codes = vec![
            code(connect(server, other, "10.0.0.1:81")),
            code(accept(server, idle)),
            code(recv(server, u)),
            code(server.select(Some(&mut set), None, None, None)),
            // What does not block is allowed.
            code(server.select(Some(&mut set), None, None, Some(Duration::ZERO))),
            code(server.peer_name(other)),
        ];
        0
    };
    server.wsa_accept(listening, MemoryMut::Null, None, Some(&mut condition)).unwrap();
    assert_eq!(codes, [10036, 10036, 10036, 10036, 0, 10057]);
    // Afterwards everything is as before.
    assert_eq!(code(connect(server, other, "10.0.0.1:81")), 10061);
}

#[test]
fn a_queued_apc_runs_while_connect_waits_and_the_wait_goes_on() {
    let scene = Scene::documented();
    let client = scene.client.clone();
    let me = client.thread();
    let log = Arc::new(Mutex::new(Vec::new()));
    for millis in [1000, 2000] {
        let (client, log) = (client.clone(), log.clone());
        scene.at(millis, move |world| {
            let (inside, world) = (client.clone(), world.clone());
            let apc = Box::new(move || {
                let blocked = code(connect(&inside, tcp(&inside), "10.0.0.2:81"));
                log.lock().unwrap().push((world.now().total_millis(), blocked));
            });
            assert!(client.queue_user_apc(me, apc));
        });
    }
    assert_eq!(code(connect(&client, tcp(&client), SILENT)), 10060);
    assert!((scene.seconds() - 21.0).abs() < 0.1);
    // A blocking call inside it would be one in another.
    assert_eq!(*log.lock().unwrap(), [(1000, 10036), (2000, 10036)]);
}

#[test]
fn an_apc_runs_in_recv_and_select_too_but_not_outside_a_wait() {
    let scene = Scene::documented();
    let client = scene.client.clone();
    let me = client.thread();
    let runs = Arc::new(AtomicUsize::new(0));
    let queue = || {
        let runs = runs.clone();
        client.queue_user_apc(me, Box::new(move || _ = runs.fetch_add(1, Ordering::Relaxed)));
    };
    queue();
    let s = udp(&client);
    bind(&client, s, "0.0.0.0:5000").unwrap();
    assert_eq!(runs.load(Ordering::Relaxed), 0);
    client.set_option(s, 0xFFFF, 0x1006, 500).unwrap();
    assert_eq!(code(recv(&client, s)), 10060);
    assert_eq!(runs.load(Ordering::Relaxed), 1);
    queue();
    queue();
    let mut array = [s];
    let mut set = FdSet::of(&mut array);
    let timeout = Some(Duration::from_millis(500));
    assert_eq!(client.select(Some(&mut set), None, None, timeout).unwrap(), 0);
    assert_eq!(runs.load(Ordering::Relaxed), 3);
}

#[test]
fn the_last_cleanup_wakes_blocked_calls() {
    let scene = Scene::documented();
    let client = scene.client.clone();
    scene.at(1000, move |_| as_thread(2, || client.wsa_cleanup().unwrap()));
    assert_eq!(code(connect(&scene.client, tcp(&scene.client), SILENT)), 10004);
}

#[test]
fn a_closesocket_that_would_linger_inside_a_condition_function_leaves_the_socket_open() {
    let scene = Scene::documented();
    let server = &scene.server;
    let (listening, lingering) = (scene.listen(4000), tcp(server));
    let peer = scene.client.clone();
    let far = tcp(&peer);
    bind(&peer, far, "0.0.0.0:4002").unwrap();
    peer.listen(far, 1).unwrap();
    connect(server, lingering, "10.0.0.1:4002").unwrap();
    // On, for five seconds, with data that nobody has acknowledged yet.
    server.set_option(lingering, 0xFFFF, 0x80, 0x0005_0001).unwrap();
    connect(&scene.client, tcp(&scene.client), "10.0.0.2:4000").unwrap();
    let mut codes = Vec::new();
    server.send(lingering, b"x".into(), 0).unwrap();
    let mut condition = |_: &wsa::Caller| {
        codes = vec![code(server.closesocket(lingering)), code(server.peer_name(lingering))];
        0
    };
    server.wsa_accept(listening, MemoryMut::Null, None, Some(&mut condition)).unwrap();
    assert_eq!(codes, [10036, 0]);
    // It carries data as before, and can be closed.
    scene.run(100);
    let accepted = accept(&peer, far).unwrap();
    let mut byte = [0];
    assert_eq!(peer.recv(accepted, (&mut byte).into(), 0), Ok(1));
    server.closesocket(lingering).unwrap();
}

#[test]
fn the_queue_of_apcs_has_an_end() {
    let scene = Scene::documented();
    let queue = || scene.client.queue_user_apc(7, Box::new(|| {}));
    assert_eq!((0..5000).filter(|_| queue()).count(), 4096);
}

/// A hook that cancels the call of a 1.1 process once the clock shows this many milliseconds.
fn cancel_at(scene: &Scene, millis: i64) {
    let (inside, world) = (scene.client.clone(), scene.world.clone());
    let hook = move || {
        if world.now().total_millis() >= millis {
            inside.wsa_cancel_blocking_call().unwrap();
        }
        false
    };
    scene.client.wsa_set_blocking_hook(BlockingHook::new(hook)).unwrap();
}

#[test]
fn a_cancelled_receive_gives_what_it_has_taken_and_only_an_empty_one_is_interrupted() {
    for (sent, expected) in [(&b"hello"[..], Ok(5)), (b"", Err(Error::WSAEINTR))] {
        let scene = Scene::version_1_1();
        let (s, t) = scene.connected();
        cancel_at(&scene, 1000);
        let server = scene.server.clone();
        scene.at(500, move |_| {
            if !sent.is_empty() {
                send(&server, t, sent).unwrap();
            }
        });
        // Something must go on happening for the hook to run in virtual time.
        scene.world.every(Instant::from_millis(0), Duration::from_millis(100), |_| Repeat::Again);
        let mut buffer = [0; 10];
        // MSG_WAITALL: ten bytes, of which five will never come.
        assert_eq!(scene.client.recv(s, (&mut buffer).into(), 8), expected);
        assert_eq!(&buffer[..sent.len()], sent);
    }
}

#[test]
fn startup_inside_a_hook_is_in_progress_and_counts_for_nothing() {
    let scene = Scene::version_1_1();
    let inside = scene.client.clone();
    let codes = Arc::new(Mutex::new(Vec::new()));
    let log = codes.clone();
    let hook = move || {
        log.lock().unwrap().push(inside.wsa_startup(0x0202).0);
        inside.wsa_cancel_blocking_call().unwrap();
        false
    };
    scene.client.wsa_set_blocking_hook(BlockingHook::new(hook)).unwrap();
    assert_eq!(code(connect(&scene.client, tcp(&scene.client), SILENT)), 10004);
    assert_eq!(*codes.lock().unwrap(), [10036]);
    // One startup, one cleanup, and no more.
    assert_eq!(code(scene.client.wsa_cleanup()), 0);
    assert_eq!(code(scene.client.wsa_cleanup()), 10093);
}
