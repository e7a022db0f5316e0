//! bind, listen, accept, WSAAccept.

use wsa::{Memory, MemoryMut, SockAddr, SocketHandle, sockaddr};

use super::scene::*;

#[test]
fn bind_checks_its_name() {
    let scene = Scene::documented();
    let client = &scene.client;
    let s = tcp(client);
    let good = sockaddr(address("10.0.0.1:5000"));
    for (name, len, expected) in [
        (Memory::Null, 16, 10014),
        (Memory::Unreadable, 16, 10014),
        (good.memory(), 15, 10014),
        (good.memory(), 0, 10014),
        (Memory::Bytes(&[0xAD, 0xDE, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), 16, 10047),
    ] {
        assert_eq!(code(client.bind(s, name, len)), expected, "{name:?} {len}");
    }
    assert_eq!(code(bind(client, s, "192.0.2.77:5000")), 10049);
    assert_eq!(code(bind(client, s, "224.0.0.1:5000")), 10049);
    assert_eq!(code(client.local_name(s)), 10022);
    assert_eq!(code(bind(client, s, "10.0.0.1:5000")), 0);
    assert_eq!(code(bind(client, s, "10.0.0.1:5001")), 10022);
    assert_eq!(code(bind(client, tcp(client), "10.0.0.1:5000")), 10048);
    // Another address of the same port, and the wildcard, are free.
    assert_eq!(code(bind(client, tcp(client), "127.0.0.1:5000")), 0);
    assert_eq!(code(bind(client, tcp(client), "0.0.0.0:5000")), 0);
}

#[test]
fn bind_to_port_zero_takes_a_free_port() {
    let scene = Scene::documented();
    let s = tcp(&scene.client);
    bind(&scene.client, s, "0.0.0.0:0").unwrap();
    let name = scene.client.local_name(s).unwrap();
    assert_eq!(name.address.to_string(), "0.0.0.0");
    assert!(name.port >= 49152);
}

#[test]
fn reuse_needs_both_sides_and_exclusive_use_nobody() {
    let scene = Scene::documented();
    let client = &scene.client;
    let with = |option: Option<i32>| {
        let s = tcp(client);
        if let Some(option) = option {
            client.set_option(s, 0xFFFF, option, 1).unwrap();
        }
        s
    };
    let (reuse, exclusive) = (Some(4), Some(-5));
    for (first, second, expected) in [
        (None, None, 10048),
        (None, reuse, 10013),
        (reuse, None, 10048),
        (reuse, reuse, 0),
        (exclusive, None, 10048),
        (exclusive, reuse, 10013),
    ] {
        let (a, b) = (with(first), with(second));
        bind(client, a, "10.0.0.1:5000").unwrap();
        let got = code(bind(client, b, "10.0.0.1:5000"));
        assert_eq!(got, expected, "{first:?} {second:?}");
        client.closesocket(a).unwrap();
        client.closesocket(b).unwrap();
    }
}

#[test]
fn listen_wants_a_bound_stream() {
    let scene = Scene::documented();
    let client = &scene.client;
    assert_eq!(code(client.listen(tcp(client), 1)), 10022);
    assert_eq!(code(client.listen(udp(client), 1)), 10045);
    assert_eq!(code(client.listen(SocketHandle::INVALID, 1)), 10038);
    let s = listener(client, "0.0.0.0:0");
    assert_eq!(code(client.listen(s, 0x7FFF_FFFF)), 0);
    let (s, _) = scene.connected();
    assert_eq!(code(client.listen(s, 1)), 10056);
}

#[test]
fn accept_wants_a_listener() {
    let scene = Scene::documented();
    let client = &scene.client;
    assert_eq!(code(accept(client, tcp(client))), 10022);
    assert_eq!(code(accept(client, udp(client))), 10045);
    let s = listener(client, "0.0.0.0:0");
    client.set_nonblocking(s, true).unwrap();
    assert_eq!(code(accept(client, s)), 10035);
}

#[test]
fn accept_gives_the_peers_name_and_a_short_room_loses_no_connection() {
    let scene = Scene::documented();
    let (client, server) = (&scene.client, &scene.server);
    let listening = scene.listen(4000);
    let s = tcp(client);
    connect(client, s, "10.0.0.2:4000").unwrap();
    let (mut name, mut len) = ([0; 28], 3);
    let short = server.accept(listening, (&mut name).into(), Some(&mut len));
    assert_eq!(code(short), 10014);
    assert_eq!(len, 3);
    len = 28;
    let accepted = server.accept(listening, (&mut name).into(), Some(&mut len)).unwrap();
    assert_eq!(len, 16);
    let peer = SockAddr::decode(&name[..16]).unwrap();
    assert_eq!(peer, client.local_name(s).unwrap());
    assert_eq!(server.peer_name(accepted).unwrap(), peer);
    assert_eq!(server.local_name(accepted).unwrap().to_string(), "10.0.0.2:4000");
}

#[test]
fn an_accepted_socket_inherits() {
    let scene = Scene::documented();
    let server = &scene.server;
    let listening = scene.listen(4000);
    for (level, option, value) in
        [(0xFFFF, 8, 1), (0xFFFF, 0x1005, 111), (0xFFFF, 0x1006, 222), (6, 1, 1)]
    {
        server.set_option(listening, level, option, value).unwrap();
    }
    server.setsockopt(listening, 0xFFFF, 0x80, (&[1, 0, 9, 0]).into(), 4).unwrap();
    connect(&scene.client, tcp(&scene.client), "10.0.0.2:4000").unwrap();
    scene.run(100);
    server.set_nonblocking(listening, true).unwrap();
    let accepted = accept(server, listening).unwrap();
    assert_eq!(server.option(accepted, 0xFFFF, 8).unwrap(), 1);
    assert_eq!(server.option(accepted, 0xFFFF, 0x1005).unwrap(), 111);
    assert_eq!(server.option(accepted, 0xFFFF, 0x1006).unwrap(), 222);
    assert_eq!(server.option(accepted, 6, 1).unwrap(), 1);
    assert_eq!(server.option(accepted, 0xFFFF, 0x80).unwrap().to_ne_bytes(), [1, 0, 9, 0]);
    assert_eq!(server.option(accepted, 0xFFFF, 2).unwrap(), 0);
    assert_eq!(server.option(listening, 0xFFFF, 2).unwrap(), 1);
    // Non-blocking mode too.
    assert_eq!(code(recv(server, accepted)), 10035);
}

#[test]
fn a_condition_function_accepts_rejects_or_defers() {
    let scene = Scene::documented();
    let (client, server) = (&scene.client, &scene.server);
    let listening = scene.listen(4000);
    let (first, second) = (tcp(client), tcp(client));
    connect(client, first, "10.0.0.2:4000").unwrap();
    connect(client, second, "10.0.0.2:4000").unwrap();
    let mut seen = Vec::new();
    let mut ask = |answer| {
        let mut condition = |caller: &wsa::Caller| {
            seen.push(caller.caller);
            assert_eq!(caller.callee.to_string(), "10.0.0.2:4000");
            answer
        };
        code(server.wsa_accept(listening, MemoryMut::Null, None, Some(&mut condition)))
    };
    assert_eq!(ask(2), 11002);
    assert_eq!(ask(7), 10022);
    assert_eq!(ask(1), 10061);
    assert_eq!(ask(0), 0);
    let [a, b] = [first, second].map(|s| client.local_name(s).unwrap());
    assert_eq!(seen, [a, a, a, b]);
    scene.run(100);
    assert_eq!(code(recv(client, first)), 10054);
    client.set_nonblocking(second, true).unwrap();
    assert_eq!(code(recv(client, second)), 10035);
}

#[test]
fn a_connection_that_goes_away_while_it_is_asked_about_is_reset() {
    let scene = Scene::documented();
    let (client, server) = (&scene.client, &scene.server);
    let listening = scene.listen(4000);
    connect(client, tcp(client), "10.0.0.2:4000").unwrap();
    let mut condition = |_: &wsa::Caller| {
        // Another thread takes it.
        wsa::engine::stepped::as_thread(2, || accept(server, listening).unwrap());
        0
    };
    let taken = server.wsa_accept(listening, MemoryMut::Null, None, Some(&mut condition));
    assert_eq!(code(taken), 10054);
}

#[test]
fn a_full_backlog_refuses() {
    let scene = Scene::documented();
    let (client, server) = (&scene.client, &scene.server);
    let listening = tcp(server);
    bind(server, listening, "0.0.0.0:4000").unwrap();
    server.listen(listening, 2).unwrap();
    for expected in [0, 0, 10061] {
        assert_eq!(code(connect(client, tcp(client), "10.0.0.2:4000")), expected);
    }
    accept(server, listening).unwrap();
    assert_eq!(code(connect(client, tcp(client), "10.0.0.2:4000")), 0);
}

#[test]
fn a_blocking_accept_waits() {
    let scene = Scene::documented();
    let listening = scene.listen(4000);
    let client = scene.client.clone();
    scene.at(2500, move |_| {
        assert_eq!(code(connect(&client, tcp_nonblocking(&client), "10.0.0.2:4000")), 10035);
    });
    accept(&scene.server, listening).unwrap();
    assert!((scene.seconds() - 2.5).abs() < 0.1);
}

#[test]
fn names_need_room_after_the_state_is_judged() {
    let scene = Scene::documented();
    let client = &scene.client;
    let s = tcp(client);
    assert_eq!(code(client.getpeername(s, MemoryMut::Null, None)), 10057);
    assert_eq!(code(client.getsockname(s, MemoryMut::Null, None)), 10022);
    let (s, _) = scene.connected();
    let (mut name, mut len) = ([0xEE; 32], 15);
    assert_eq!(code(client.getpeername(s, (&mut name).into(), Some(&mut len))), 10014);
    assert_eq!(len, 15);
    assert_eq!(code(client.getsockname(s, (&mut name).into(), Some(&mut len))), 10014);
    assert_eq!(code(client.getpeername(s, MemoryMut::Null, Some(&mut len))), 10014);
    len = 32;
    client.getpeername(s, (&mut name).into(), Some(&mut len)).unwrap();
    assert_eq!(len, 16);
    assert_eq!(name[..16], [2, 0, 0x0F, 0xA0, 10, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(name[16], 0xEE);
}
