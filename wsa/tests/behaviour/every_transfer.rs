//! What all receives have in common, and all sends, whichever of them a program calls.

use wsa::engine::stepped::as_thread;
use wsa::{Arg, Memory, MemoryMut, SocketHandle, WsaBuf, WsaBufMut, WsaMsg, WsaMsgMut, sockaddr};

use super::scene::*;

type Call = fn(&Wsa, SocketHandle) -> i32;

/// WSARecv or WSARecvFrom into eight bytes. A call that fails leaves its counts alone.
fn receive_list(process: &Wsa, s: SocketHandle, from: bool) -> i32 {
    let (mut room, mut bytes, mut in_out) = ([0; 8], 77, 0);
    let mut list = [WsaBufMut::new(&mut room)];
    let (all, count, flags) = (Arg::Value(&mut list[..]), Some(&mut bytes), Some(&mut in_out));
    let result = if from {
        process.wsa_recv_from(s, all, count, flags, MemoryMut::Null, None)
    } else {
        process.wsa_recv(s, all, count, flags)
    };
    assert_eq!((bytes == 77, in_out), (result.is_err(), 0));
    code(result)
}

/// Every receive, into eight bytes.
const RECEIVES: [(&str, Call); 5] = [
    ("recv", |process, s| code(recv(process, s))),
    ("recvfrom", |process, s| {
        code(process.recvfrom(s, (&mut [0; 8]).into(), 0, MemoryMut::Null, None))
    }),
    ("WSARecv", |process, s| receive_list(process, s, false)),
    ("WSARecvFrom", |process, s| receive_list(process, s, true)),
    ("WSARecvMsg", |process, s| {
        let (mut room, mut bytes) = ([0; 8], 77);
        let mut list = [WsaBufMut::new(&mut room)];
        let mut message = WsaMsgMut { buffers: Arg::Value(&mut list), ..Default::default() };
        let result = process.wsa_recv_msg(s, Arg::Value(&mut message), Some(&mut bytes));
        assert_eq!(bytes == 77, result.is_err());
        code(result)
    }),
];

/// Every send, of one byte to the peer.
const SENDS: [(&str, Call); 5] = [
    ("send", |process, s| code(send(process, s, b"x"))),
    ("sendto", |process, s| code(process.sendto(s, b"x".into(), 0, Memory::Null, 0))),
    ("WSASend", |process, s| {
        let (list, mut bytes) = ([WsaBuf::new(b"x")], 77);
        let result = process.wsa_send(s, Arg::Value(&list), Some(&mut bytes), 0);
        assert_eq!(bytes, if result.is_err() { 77 } else { 1 });
        code(result)
    }),
    ("WSASendTo", |process, s| {
        let (list, mut bytes) = ([WsaBuf::new(b"x")], 77);
        let (all, count) = (Arg::Value(&list[..]), Some(&mut bytes));
        let result = process.wsa_send_to(s, all, count, 0, Memory::Null, 0);
        assert_eq!(bytes, if result.is_err() { 77 } else { 1 });
        code(result)
    }),
    ("WSASendMsg", |process, s| {
        let (list, mut bytes) = ([WsaBuf::new(b"x")], 77);
        let message = WsaMsg { buffers: Arg::Value(&list), ..Default::default() };
        let result = process.wsa_send_msg(s, Arg::Value(&message), 0, Some(&mut bytes));
        assert_eq!(bytes, if result.is_err() { 77 } else { 1 });
        code(result)
    }),
];

/// Each of the calls on a socket of its own, against its own code.
#[track_caller]
fn each(calls: &[(&str, Call)], expected: &[i32], ask: impl Fn(Call) -> i32) {
    for ((name, call), expected) in calls.iter().zip(expected) {
        assert_eq!(ask(*call), *expected, "{name}");
    }
}

fn bound(process: &Wsa) -> SocketHandle {
    let s = udp(process);
    bind(process, s, "0.0.0.0:0").unwrap();
    s
}

#[test]
fn on_a_stream_that_is_not_connected_there_is_nothing_to_transfer() {
    let scene = Scene::documented();
    let client = &scene.client;
    let pending = tcp_nonblocking(client);
    assert_eq!(code(connect(client, pending, SILENT)), 10035);
    let refused = tcp(client);
    assert_eq!(code(connect(client, refused, "10.0.0.2:81")), 10061);
    for s in [tcp(client), listener(client, "0.0.0.0:0"), pending, refused] {
        // Messages are for datagrams.
        let codes = [10057, 10057, 10057, 10057, 10045];
        each(&RECEIVES, &codes, |call| call(client, s));
        each(&SENDS, &codes, |call| call(client, s));
    }
}

#[test]
fn a_datagram_socket_receives_when_it_is_bound_and_sends_when_it_has_a_peer() {
    let scene = Scene::documented();
    let client = &scene.client;
    each(&RECEIVES, &[10022; 5], |call| call(client, udp(client)));
    each(&SENDS, &[10057; 5], |call| call(client, udp(client)));
    each(&SENDS, &[10057; 5], |call| call(client, bound(client)));
    each(&SENDS, &[0; 5], |call| {
        let s = udp(client);
        connect(client, s, "10.0.0.2:53").unwrap();
        call(client, s)
    });
}

#[test]
fn a_non_blocking_receive_does_not_wait() {
    let scene = Scene::documented();
    let client = &scene.client;
    let nonblocking = |s| {
        client.set_nonblocking(s, true).unwrap();
        s
    };
    each(&RECEIVES, &[10035; 5], |call| call(client, nonblocking(bound(client))));
    each(&RECEIVES[..4], &[10035; 4], |call| call(client, nonblocking(scene.connected().0)));
}

#[test]
fn a_non_blocking_send_does_not_wait_for_room() {
    let scene = Scene::documented();
    let client = &scene.client;
    each(&SENDS[..4], &[10035; 4], |call| {
        let (s, _) = scene.connected();
        client.set_nonblocking(s, true).unwrap();
        assert_eq!(send(client, s, &[0; 300_000]), Ok(300_000));
        call(client, s)
    });
}

#[test]
fn a_time_limit_ends_every_receive() {
    for stream in [false, true] {
        let calls = if stream { &RECEIVES[..4] } else { &RECEIVES[..] };
        each(calls, &[10060; 5], |call| {
            let scene = Scene::documented();
            let client = &scene.client;
            let s = if stream { scene.connected().0 } else { bound(client) };
            scene.run(1000 - scene.world.now().total_millis() as u64);
            client.set_option(s, 0xFFFF, 0x1006, 100).unwrap();
            let start = scene.world.now();
            let code = call(client, s);
            assert_eq!(scene.world.now() - start, tapsock_stack::time::Duration::from_millis(100));
            code
        });
    }
}

#[test]
fn a_time_limit_ends_every_send() {
    each(&SENDS[..4], &[10060; 4], |call| {
        let scene = Scene::documented();
        let client = &scene.client;
        let (s, _) = scene.connected();
        client.set_option(s, 0xFFFF, 0x1005, 100).unwrap();
        assert_eq!(send(client, s, &[0; 300_000]), Ok(300_000));
        let start = scene.world.now();
        let code = call(client, s);
        assert_eq!(scene.world.now() - start, tapsock_stack::time::Duration::from_millis(100));
        code
    });
}

#[test]
fn what_is_shut_is_shut_for_every_call() {
    let scene = Scene::documented();
    let client = &scene.client;
    for how in [0, 1, 2] {
        let shut = |s| {
            client.set_nonblocking(s, true).unwrap();
            client.shutdown(s, how).unwrap();
            s
        };
        let (receives, sends) = match how {
            0 => (10058, 0),
            1 => (10035, 10058),
            _ => (10058, 10058),
        };
        let peered = || {
            let s = udp(client);
            connect(client, s, "10.0.0.2:53").unwrap();
            shut(s)
        };
        each(&RECEIVES, &[receives; 5], |call| call(client, peered()));
        each(&SENDS, &[sends; 5], |call| call(client, peered()));
        each(&RECEIVES[..4], &[receives; 4], |call| call(client, shut(scene.connected().0)));
        each(&SENDS[..4], &[sends; 4], |call| call(client, shut(scene.connected().0)));
    }
}

#[test]
fn after_the_peers_reset_every_call_says_so_again_and_again() {
    let scene = Scene::documented();
    let client = &scene.client;
    let (s, t) = scene.connected();
    scene.server.set_option(t, 0xFFFF, 0x80, 1).unwrap();
    scene.server.closesocket(t).unwrap();
    scene.run(100);
    for _ in 0..2 {
        each(&RECEIVES[..4], &[10054; 4], |call| call(client, s));
        each(&SENDS[..4], &[10054; 4], |call| call(client, s));
    }
}

/// A socket that was connected to the server's port 53, and is not any more.
fn disconnected(process: &Wsa) -> SocketHandle {
    let s = udp(process);
    connect(process, s, "10.0.0.2:53").unwrap();
    process.connect(s, Memory::Bytes(&[0; 16]), 16).unwrap();
    process.set_nonblocking(s, true).unwrap();
    s
}

#[test]
fn after_a_disconnect_only_receives_with_a_name_work_as_documented() {
    let scene = Scene::documented();
    let client = &scene.client;
    let codes = [10057, 10035, 10057, 10035, 10035];
    each(&RECEIVES, &codes, |call| call(client, disconnected(client)));
    each(&SENDS, &[10057; 5], |call| call(client, disconnected(client)));
}

#[test]
fn after_a_disconnect_every_receive_works_on_windows() {
    let scene = Scene::windows();
    let client = &scene.client;
    each(&RECEIVES, &[10035; 5], |call| call(client, disconnected(client)));
    each(&SENDS, &[10057; 5], |call| call(client, disconnected(client)));
}

#[test]
fn an_error_about_a_datagram_fails_the_next_receive_whichever_it_is() {
    each(&RECEIVES, &[10054; 5], |call| {
        let scene = Scene::documented();
        let client = &scene.client;
        let s = udp(client);
        client.set_nonblocking(s, true).unwrap();
        let name = sockaddr(address("10.0.0.2:99"));
        client.sendto(s, b"x".into(), 0, name.memory(), name.len()).unwrap();
        scene.run(100);
        let code = call(client, s);
        // Once.
        assert_eq!(call(client, s), 10035);
        code
    });
}

#[test]
fn what_another_thread_does_ends_every_receive_that_waits() {
    // closesocket, the last cleanup, and shutdown: what the call gives, and what the next one.
    type End = fn(&Wsa, SocketHandle);
    let ends: [(End, i32, i32); 3] = [
        (|process, s| process.closesocket(s).unwrap(), 10004, 10038),
        (|process, _| process.wsa_cleanup().unwrap(), 10004, 10093),
        (|process, s| process.shutdown(s, 0).unwrap(), 10058, 10058),
    ];
    for stream in [false, true] {
        let calls = if stream { &RECEIVES[..4] } else { &RECEIVES[..] };
        for (end, expected, then) in ends {
            each(calls, &[expected; 5], |call| {
                let scene = Scene::documented();
                let client = scene.client.clone();
                let s = if stream { scene.connected().0 } else { bound(&client) };
                scene.at(1000, move |_| as_thread(2, || end(&client, s)));
                let code = call(&scene.client, s);
                assert_eq!(scene.world.now().total_millis(), 1000);
                assert_eq!(call(&scene.client, s), then);
                code
            });
        }
    }
}
