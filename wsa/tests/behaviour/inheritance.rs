//! What an accepted socket has from its listener.

use wsa::{Memory, SocketHandle};

use super::scene::*;

/// Options that an accepted socket inherits: name, level, number, a value that is not the default.
const INHERITED: [(&str, i32, i32, u32); 20] = [
    ("SO_DEBUG", 0xFFFF, 1, 1),
    ("SO_REUSEADDR", 0xFFFF, 4, 1),
    ("SO_KEEPALIVE", 0xFFFF, 8, 1),
    ("SO_DONTROUTE", 0xFFFF, 0x10, 1),
    ("SO_LINGER", 0xFFFF, 0x80, 0x0005_0001),
    ("SO_OOBINLINE", 0xFFFF, 0x100, 1),
    ("SO_SNDBUF", 0xFFFF, 0x1001, 4096),
    ("SO_RCVBUF", 0xFFFF, 0x1002, 4096),
    ("SO_SNDTIMEO", 0xFFFF, 0x1005, 1234),
    ("SO_RCVTIMEO", 0xFFFF, 0x1006, 1234),
    ("SO_CONDITIONAL_ACCEPT", 0xFFFF, 0x3002, 1),
    ("TCP_NODELAY", 6, 1, 1),
    ("TCP_KEEPIDLE", 6, 3, 77),
    ("TCP_MAXRT", 6, 5, 77),
    ("TCP_NOSYNRETRIES", 6, 9, 1),
    ("TCP_KEEPCNT", 6, 16, 7),
    ("TCP_KEEPINTVL", 6, 17, 7),
    ("TCP_FAIL_CONNECT_ON_ICMP_ERROR", 6, 18, 1),
    ("IP_TTL", 0, 4, 9),
    ("SO_EXCLUSIVEADDRUSE", 0xFFFF, -5, 1),
];

/// A listener with an option set before bind, before listen or after it.
fn accepted(scene: &Scene, when: usize, set: impl Fn(SocketHandle)) -> SocketHandle {
    let server = &scene.server;
    let listening = tcp(server);
    let step = |at: usize| {
        if at == when {
            set(listening);
        }
    };
    step(0);
    bind(server, listening, "0.0.0.0:80").unwrap();
    step(1);
    server.listen(listening, 5).unwrap();
    step(2);
    connect(&scene.client, tcp(&scene.client), "10.0.0.2:80").unwrap();
    scene.run(10);
    accept(server, listening).unwrap()
}

#[test]
fn options_are_inherited_whenever_they_were_set() {
    for (name, level, option, value) in INHERITED {
        for when in 0..3 {
            if name == "SO_EXCLUSIVEADDRUSE" && when > 0 {
                continue;
            }
            let scene = Scene::documented();
            let server = &scene.server;
            let default = server.option(tcp(server), level, option).unwrap();
            assert_ne!(default, value, "{name}");
            let s = accepted(&scene, when, |s| server.set_option(s, level, option, value).unwrap());
            assert_eq!(server.option(s, level, option), Ok(value), "{name} at step {when}");
        }
    }
}

#[test]
fn what_is_set_after_the_accept_concerns_one_of_the_two() {
    let scene = Scene::documented();
    let server = &scene.server;
    let listening = scene.listen(80);
    connect(&scene.client, tcp(&scene.client), "10.0.0.2:80").unwrap();
    let s = accept(server, listening).unwrap();
    server.set_option(listening, 6, 1, 1).unwrap();
    server.set_option(s, 0xFFFF, 8, 1).unwrap();
    assert_eq!((server.option(s, 6, 1), server.option(listening, 0xFFFF, 8)), (Ok(0), Ok(0)));
}

#[test]
fn the_blocking_mode_is_inherited() {
    for nonblocking in [true, false] {
        let scene = Scene::documented();
        let server = &scene.server;
        let s = accepted(&scene, 0, |s| server.set_nonblocking(s, nonblocking).unwrap());
        server.set_option(s, 0xFFFF, 0x1006, 50).unwrap();
        let expected = if nonblocking { 10035 } else { 10060 };
        assert_eq!(code(recv(server, s)), expected);
    }
}

#[test]
fn what_a_listener_is_and_was_is_not_inherited() {
    let scene = Scene::documented();
    let server = &scene.server;
    // A listener whose earlier attempt to connect has failed.
    let listening = tcp_nonblocking(server);
    bind(server, listening, "0.0.0.0:80").unwrap();
    assert_eq!(code(connect(server, listening, "10.0.0.1:9")), 10035);
    scene.run(100);
    assert_eq!(server.option(listening, 0xFFFF, 0x1007), Ok(10061));
    server.listen(listening, 5).unwrap();
    connect(&scene.client, tcp(&scene.client), "10.0.0.2:80").unwrap();
    scene.run(10);
    let s = accept(server, listening).unwrap();
    assert_eq!(server.option(s, 0xFFFF, 0x1007), Ok(0), "SO_ERROR");
    assert_eq!(server.option(s, 0xFFFF, 2), Ok(0), "SO_ACCEPTCONN");
    assert_eq!(server.option(listening, 0xFFFF, 0x1007), Ok(10061));
}

/// The listener's receive buffer is what a client is told from the first answer on.
#[test]
fn a_client_is_told_of_the_listeners_receive_buffer() {
    let scene = Scene::documented();
    let server = &scene.server;
    let sizes = [(0, 536), (535, 536), (536, 536), (8192, 8192), (65_535, 65_535)];
    for (index, (asked, window)) in sizes.into_iter().enumerate() {
        let port = 80 + index as u16;
        let listening = tcp(server);
        server.set_option(listening, 0xFFFF, 0x1002, asked).unwrap();
        bind(server, listening, &format!("0.0.0.0:{port}")).unwrap();
        server.listen(listening, 5).unwrap();
        let s = tcp(&scene.client);
        scene.client.set_option(s, 0xFFFF, 0x1001, 1 << 20).unwrap();
        connect(&scene.client, s, &format!("10.0.0.2:{port}")).unwrap();
        // Before anybody accepts: no more than the buffer holds is taken from the client.
        scene.client.set_nonblocking(s, true).unwrap();
        send(&scene.client, s, &vec![7; 200_000]).unwrap();
        scene.run(5000);
        let accepted = accept(server, listening).unwrap();
        let mut waiting = 0;
        server.ioctlsocket(accepted, 0x4004_667F, wsa::Arg::Value(&mut waiting)).unwrap();
        assert_eq!(waiting, window, "SO_RCVBUF {asked}");
        assert_eq!(server.option(accepted, 0xFFFF, 0x1002), Ok(asked));
    }
}

#[test]
fn an_inherited_linger_resets() {
    let scene = Scene::documented();
    let server = &scene.server;
    let reset = Memory::Bytes(&[1, 0, 0, 0]);
    let s = accepted(&scene, 1, |s| server.setsockopt(s, 0xFFFF, 0x80, reset, 4).unwrap());
    server.closesocket(s).unwrap();
    scene.run(10);
    // The client's only socket, closed or reset: it is found by its peer's last word.
    assert_eq!(server.engine().host().with(|stack, _| stack.sockets()), 1, "only the listener");
}
