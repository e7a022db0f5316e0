//! Datagram sockets: their peer, their queue, their errors.

use wsa::{Arg, Memory, MemoryMut, Qos, SocketHandle, WsaBuf, WsaBufMut, sockaddr};

use super::scene::*;

const ZERO: [u8; 16] = [0; 16];

fn disconnect(process: &Wsa, s: SocketHandle) -> i32 {
    code(process.connect(s, Memory::Bytes(&ZERO), 16))
}

fn send_to(process: &Wsa, s: SocketHandle, data: &[u8], name: &str) -> i32 {
    let name = sockaddr(address(name));
    code(process.sendto(s, data.into(), 0, name.memory(), name.len()))
}

/// recvfrom: the bytes and the sender.
fn recv_from(process: &Wsa, s: SocketHandle) -> wsa::Result<(Vec<u8>, String)> {
    let (mut buffer, mut name, mut len) = ([0; 64], [0; 28], 28);
    let received =
        process.recvfrom(s, (&mut buffer).into(), 0, (&mut name).into(), Some(&mut len))?;
    let from = wsa::SockAddr::decode(&name[..len as usize]).unwrap();
    Ok((buffer[..received].to_vec(), from.to_string()))
}

/// A bound, non-blocking datagram socket.
fn bound(process: &Wsa, name: &str) -> SocketHandle {
    let s = if name.starts_with('[') { udp6(process) } else { udp(process) };
    bind(process, s, name).unwrap();
    process.set_nonblocking(s, true).unwrap();
    s
}

#[test]
fn connect_binds_an_unbound_socket() {
    let scene = Scene::documented();
    let client = &scene.client;
    let s = udp(client);
    assert_eq!(code(client.local_name(s)), 10022);
    connect(client, s, "10.0.0.2:53").unwrap();
    let name = client.local_name(s).unwrap();
    assert_eq!(name.address.to_string(), "10.0.0.1");
    assert_ne!(name.port, 0);
    assert_eq!(client.peer_name(s).unwrap().to_string(), "10.0.0.2:53");
}

#[test]
fn connecting_again_and_disconnecting_always_succeed() {
    let scene = Scene::documented();
    let client = &scene.client;
    let s = udp(client);
    connect(client, s, "10.0.0.2:53").unwrap();
    connect(client, s, "10.0.0.2:53").unwrap();
    connect(client, s, "10.0.0.99:54").unwrap();
    assert_eq!(client.peer_name(s).unwrap().to_string(), "10.0.0.99:54");
    assert_eq!(disconnect(client, s), 0);
    assert_eq!(code(client.peer_name(s)), 10057);
    assert_eq!(disconnect(client, s), 0);
    // The port stays.
    assert_ne!(client.local_name(s).unwrap().port, 0);
}

#[test]
fn only_the_peers_datagrams_arrive() {
    let scene = Scene::documented();
    let (client, server) = (&scene.client, &scene.server);
    let s = bound(client, "0.0.0.0:5000");
    let (peer, other) = (bound(server, "0.0.0.0:53"), bound(server, "0.0.0.0:54"));
    connect(client, s, "10.0.0.2:53").unwrap();
    assert_eq!(send_to(server, other, b"other", "10.0.0.1:5000"), 0);
    assert_eq!(send_to(server, peer, b"peer", "10.0.0.1:5000"), 0);
    scene.run(100);
    assert_eq!(recv(client, s).unwrap(), b"peer");
    assert_eq!(code(recv(client, s)), 10035);
    let filtered = client.engine().host().with(|stack, _| stack.counters().udp_filtered);
    assert_eq!(filtered, 1);
}

#[test]
fn the_first_connect_drops_what_others_had_sent_and_keeps_the_peers() {
    let scene = Scene::documented();
    let (client, server) = (&scene.client, &scene.server);
    let s = bound(client, "0.0.0.0:5000");
    let (peer, other) = (bound(server, "0.0.0.0:53"), bound(server, "0.0.0.0:54"));
    assert_eq!(send_to(server, other, b"other", "10.0.0.1:5000"), 0);
    assert_eq!(send_to(server, peer, b"peer", "10.0.0.1:5000"), 0);
    scene.run(100);
    connect(client, s, "10.0.0.2:53").unwrap();
    assert_eq!(recv(client, s).unwrap(), b"peer");
    assert_eq!(code(recv(client, s)), 10035);
}

#[test]
fn connecting_to_another_peer_flushes_the_queue_and_to_the_same_does_not() {
    let scene = Scene::documented();
    let (client, server) = (&scene.client, &scene.server);
    let s = bound(client, "0.0.0.0:5000");
    let peer = bound(server, "0.0.0.0:53");
    connect(client, s, "10.0.0.2:53").unwrap();
    assert_eq!(send_to(server, peer, b"one", "10.0.0.1:5000"), 0);
    assert_eq!(send_to(server, peer, b"two", "10.0.0.1:5000"), 0);
    scene.run(100);
    connect(client, s, "10.0.0.2:53").unwrap();
    assert_eq!(recv(client, s).unwrap(), b"one");
    connect(client, s, "10.0.0.2:99").unwrap();
    assert_eq!(code(recv(client, s)), 10035);
}

#[test]
fn after_a_disconnect_send_needs_an_address_and_recvfrom_still_works() {
    for scene in [Scene::documented(), Scene::windows()] {
        let (client, server) = (&scene.client, &scene.server);
        let s = bound(client, "0.0.0.0:5000");
        let (peer, other) = (bound(server, "0.0.0.0:53"), bound(server, "0.0.0.0:54"));
        connect(client, s, "10.0.0.2:53").unwrap();
        assert_eq!(send_to(server, peer, b"queued", "10.0.0.1:5000"), 0);
        scene.run(100);
        assert_eq!(disconnect(client, s), 0);
        assert_eq!(code(send(client, s, b"x")), 10057);
        assert_eq!(recv_from(client, s).unwrap(), (b"queued".into(), "10.0.0.2:53".into()));
        // Anybody may send to it again.
        assert_eq!(send_to(server, other, b"other", "10.0.0.1:5000"), 0);
        scene.run(100);
        assert_eq!(recv_from(client, s).unwrap(), (b"other".into(), "10.0.0.2:54".into()));
        assert_eq!(send_to(client, s, b"reply", "10.0.0.2:54"), 0);
    }
}

#[test]
fn after_a_disconnect_recv_is_not_connected_as_documented() {
    let scene = Scene::documented();
    let client = &scene.client;
    let s = bound(client, "0.0.0.0:5000");
    connect(client, s, "10.0.0.2:53").unwrap();
    assert_eq!(disconnect(client, s), 0);
    assert_eq!(code(recv(client, s)), 10057);
    connect(client, s, "10.0.0.2:53").unwrap();
    assert_eq!(code(recv(client, s)), 10035);
}

#[test]
fn after_a_disconnect_recv_is_as_on_a_bound_socket_on_windows() {
    let scene = Scene::windows();
    let client = &scene.client;
    let s = bound(client, "0.0.0.0:5000");
    connect(client, s, "10.0.0.2:53").unwrap();
    assert_eq!(disconnect(client, s), 0);
    assert_eq!(code(recv(client, s)), 10035);
}

#[test]
fn before_any_connect() {
    let scene = Scene::documented();
    let client = &scene.client;
    let s = udp(client);
    client.set_nonblocking(s, true).unwrap();
    assert_eq!(code(send(client, s, b"x")), 10057);
    assert_eq!(code(recv(client, s)), 10022);
    bind(client, s, "0.0.0.0:0").unwrap();
    assert_eq!(code(send(client, s, b"x")), 10057);
    assert_eq!(code(recv(client, s)), 10035);
}

#[test]
fn sendto_binds_but_sets_no_peer() {
    let scene = Scene::documented();
    let (client, server) = (&scene.client, &scene.server);
    let peer = bound(server, "0.0.0.0:53");
    let s = udp(client);
    assert_eq!(code(client.local_name(s)), 10022);
    assert_eq!(send_to(client, s, b"x", "10.0.0.2:53"), 0);
    let port = client.local_name(s).unwrap().port;
    assert_ne!(port, 0);
    assert_eq!(code(client.peer_name(s)), 10057);
    scene.run(100);
    assert_eq!(recv_from(server, peer).unwrap(), (b"x".into(), format!("10.0.0.1:{port}")));
}

#[test]
fn sendto_checks_its_name() {
    let scene = Scene::documented();
    let client = &scene.client;
    let s = udp(client);
    assert_eq!(send_to(client, s, b"x", "0.0.0.0:53"), 10049);
    assert_eq!(send_to(client, s, b"x", "10.0.0.2:0"), 10049);
    assert_eq!(send_to(client, s, b"x", "10.0.0.255:53"), 10013);
    assert_eq!(send_to(client, s, b"x", "8.8.8.8:53"), 10051);
    let name = sockaddr(address("10.0.0.2:53"));
    assert_eq!(code(client.sendto(s, b"x".into(), 0, name.memory(), 15)), 10014);
    assert_eq!(code(client.sendto(s, b"x".into(), 0, Memory::Unreadable, 16)), 10014);
    assert_eq!(code(client.sendto(s, b"x".into(), 0, Memory::Bytes(&ZERO), 16)), 10047);
    assert_eq!(code(client.sendto(s, b"x".into(), 0, Memory::Null, 0)), 10057);
    // Nothing of this has bound the socket.
    assert_eq!(code(client.local_name(s)), 10022);
}

#[test]
fn connection_data_is_ignored_even_where_it_is_bad() {
    let scene = Scene::documented();
    let client = &scene.client;
    let name = sockaddr(address("10.0.0.2:53"));
    for caller in [
        Arg::Unreadable,
        Arg::Value(WsaBuf { len: 5, buf: Memory::Null }),
        Arg::Value(WsaBuf::new(b"hello")),
    ] {
        let mut room = WsaBufMut { len: 7, buf: MemoryMut::Null };
        let callee = Arg::Value(&mut room);
        let s = udp(client);
        let result =
            client.wsa_connect(s, name.memory(), name.len(), caller, callee, Arg::Null, Arg::Null);
        assert_eq!(code(result), 0);
        assert_eq!(room.len, 0);
    }
}

#[test]
fn qos_counts_as_on_a_stream() {
    let scene = Scene::documented();
    let client = &scene.client;
    let name = sockaddr(address("10.0.0.2:53"));
    let connect = |sqos| {
        let s = udp(client);
        let (null, none) = (Arg::Null, Arg::Null);
        let result = client.wsa_connect(s, name.memory(), 16, null, none, sqos, Arg::Null);
        code(result)
    };
    let guaranteed = Qos { sending: wsa::FlowSpec::of_type(3), ..Qos::BEST_EFFORT };
    assert_eq!(connect(Arg::Value(Qos::BEST_EFFORT)), 0);
    assert_eq!(connect(Arg::Value(guaranteed)), 10045);
    assert_eq!(connect(Arg::Unreadable), 10014);
}

#[test]
fn a_closed_port_fails_the_next_receive_once_for_each_message() {
    let scene = Scene::documented();
    let client = &scene.client;
    let s = bound(client, "0.0.0.0:5000");
    assert_eq!(send_to(client, s, b"one", "10.0.0.2:99"), 0);
    assert_eq!(send_to(client, s, b"two", "10.0.0.2:98"), 0);
    scene.run(100);
    assert_eq!(code(recv(client, s)), 10054);
    let cause = client.last_cause().unwrap();
    assert!(cause.to_string().contains("ICMP 3/3"), "{cause}");
    assert_eq!(code(recv(client, s)), 10054);
    assert_eq!(code(recv(client, s)), 10035);
    // The socket is not damaged.
    let peer = bound(&scene.server, "0.0.0.0:53");
    assert_eq!(send_to(&scene.server, peer, b"x", "10.0.0.1:5000"), 0);
    scene.run(100);
    assert_eq!(recv(client, s).unwrap(), b"x");
}

#[test]
fn a_closed_port_is_not_reported_where_the_caller_does_not_want_it() {
    let scene = Scene::documented();
    let client = &scene.client;
    let s = bound(client, "0.0.0.0:5000");
    let mut returned = 0;
    let off = Memory::Bytes(&[0; 4]);
    client.wsa_ioctl(s, 0x9800_000C, off, 4, MemoryMut::Null, 0, Some(&mut returned)).unwrap();
    assert_eq!(send_to(client, s, b"one", "10.0.0.2:99"), 0);
    scene.run(100);
    assert_eq!(code(recv(client, s)), 10035);
}

#[test]
fn a_datagram_longer_than_the_buffer_fills_it_and_is_lost() {
    let scene = Scene::documented();
    let (client, server) = (&scene.client, &scene.server);
    let s = bound(client, "0.0.0.0:5000");
    let peer = bound(server, "0.0.0.0:53");
    for data in [&b"abcdef"[..], b"", b"ghi"] {
        assert_eq!(send_to(server, peer, data, "10.0.0.1:5000"), 0);
    }
    scene.run(100);
    let mut buffer = [0; 4];
    assert_eq!(code(client.recv(s, (&mut buffer).into(), 2)), 10040);
    assert_eq!(code(client.recv(s, (&mut buffer).into(), 0)), 10040);
    assert_eq!(&buffer, b"abcd");
    // An empty datagram is a valid one.
    assert_eq!(client.recv(s, (&mut buffer).into(), 0).unwrap(), 0);
    assert_eq!(client.recv(s, (&mut buffer).into(), 2).unwrap(), 3);
    assert_eq!(client.recv(s, (&mut buffer).into(), 0).unwrap(), 3);
    assert_eq!(&buffer[..3], b"ghi");
    assert_eq!(code(client.recv(s, (&mut buffer).into(), 0)), 10035);
}

#[test]
fn a_datagram_that_cannot_be_one_is_too_long() {
    let scene = Scene::documented();
    let s = udp(&scene.client);
    connect(&scene.client, s, "127.0.0.1:53").unwrap();
    assert_eq!(code(send(&scene.client, s, &[0; 65508])), 10040);
    assert_eq!(send(&scene.client, s, &[0; 65507]).unwrap(), 65507);
}

#[test]
fn recvfrom_wants_room_for_the_name_before_it_takes_anything() {
    let scene = Scene::documented();
    let (client, server) = (&scene.client, &scene.server);
    let s = bound(client, "0.0.0.0:5000");
    let peer = bound(server, "0.0.0.0:53");
    assert_eq!(send_to(server, peer, b"x", "10.0.0.1:5000"), 0);
    scene.run(100);
    let (mut buffer, mut name, mut len) = ([0; 4], [0; 16], 15);
    let (room, from) = ((&mut buffer).into(), (&mut name).into());
    assert_eq!(code(client.recvfrom(s, room, 0, from, Some(&mut len))), 10014);
    assert_eq!(len, 15);
    assert_eq!(recv_from(client, s).unwrap(), (b"x".into(), "10.0.0.2:53".into()));
}

#[test]
fn a_blocking_receive_waits_for_its_datagram() {
    let scene = Scene::documented();
    let (client, server) = (scene.client.clone(), scene.server.clone());
    let s = udp(&client);
    bind(&client, s, "0.0.0.0:5000").unwrap();
    let peer = bound(&server, "0.0.0.0:53");
    scene.at(1500, move |_| assert_eq!(send_to(&server, peer, b"late", "10.0.0.1:5000"), 0));
    assert_eq!(recv(&client, s).unwrap(), b"late");
    assert!((scene.seconds() - 1.5).abs() < 0.1);
}

#[test]
fn shutdown_needs_no_peer() {
    let scene = Scene::documented();
    let client = &scene.client;
    let s = bound(client, "0.0.0.0:5000");
    client.shutdown(s, 0).unwrap();
    assert_eq!(code(recv(client, s)), 10058);
    assert_eq!(send_to(client, s, b"x", "10.0.0.2:53"), 0);
    client.shutdown(s, 1).unwrap();
    assert_eq!(send_to(client, s, b"x", "10.0.0.2:53"), 10058);
    connect(client, s, "10.0.0.2:53").unwrap();
    assert_eq!(code(send(client, s, b"x")), 10058);
}

#[test]
fn datagrams_over_ipv6_and_from_a_dual_stack_socket() {
    let scene = Scene::documented();
    let (client, server) = (&scene.client, &scene.server);
    let peer = udp6(server);
    server.set_option(peer, 41, 27, 0).unwrap();
    bind(server, peer, "[::]:53").unwrap();
    let (v4, v6) = (udp(client), udp6(client));
    bind(client, v4, "10.0.0.1:5000").unwrap();
    bind(client, v6, "[fd00::1]:5000").unwrap();
    assert_eq!(send_to(client, v4, b"four", "10.0.0.2:53"), 0);
    scene.run(100);
    assert_eq!(send_to(client, v6, b"six", "[fd00::2]:53"), 0);
    scene.run(100);
    let four = (b"four".to_vec(), "[::ffff:10.0.0.1]:5000".to_string());
    assert_eq!(recv_from(server, peer).unwrap(), four);
    assert_eq!(recv_from(server, peer).unwrap(), (b"six".into(), "[fd00::1]:5000".into()));
    assert_eq!(send_to(server, peer, b"back", "[::ffff:10.0.0.1]:5000"), 0);
    assert_eq!(recv(client, v4).unwrap(), b"back");
}
