//! What other calls say while a connection attempt is under way.

use tapsock_stack::time::Duration;

use wsa::FdSet;

use super::scene::*;

#[test]
fn during_an_attempt_the_local_name_has_a_port_and_an_address() {
    let scene = Scene::documented();
    let client = &scene.client;
    let s = tcp_nonblocking(client);
    bind(client, s, "0.0.0.0:0").unwrap();
    assert_eq!(code(connect(client, s, SILENT)), 10035);
    let name = client.local_name(s).unwrap();
    assert_ne!(name.port, 0);
    assert_eq!(name.address.to_string(), "10.0.0.1");
}

#[test]
fn during_an_attempt_the_peer_is_its_target() {
    let scene = Scene::documented();
    let client = &scene.client;
    let s = tcp_nonblocking(client);
    assert_eq!(code(connect(client, s, SILENT)), 10035);
    assert_eq!(client.peer_name(s).unwrap().to_string(), SILENT);
    scene.run(22_000);
    assert_eq!(code(client.peer_name(s)), 10057);
}

#[test]
fn during_an_attempt_nothing_can_be_sent_or_received() {
    let scene = Scene::documented();
    let client = &scene.client;
    let s = tcp_nonblocking(client);
    assert_eq!(code(connect(client, s, SILENT)), 10035);
    assert_eq!(code(send(client, s, b"x")), 10057);
    assert_eq!(code(recv(client, s)), 10057);
    assert_eq!(code(client.shutdown(s, 1)), 10057);
    assert_eq!(code(client.listen(s, 1)), 10022);
}

#[test]
fn during_an_attempt_another_connect_is_refused_and_the_first_goes_on() {
    let scene = Scene::documented();
    let client = &scene.client;
    let s = tcp_nonblocking(client);
    bind(client, s, "0.0.0.0:0").unwrap();
    assert_eq!(code(connect(client, s, SILENT)), 10035);
    let name = client.local_name(s).unwrap();
    assert_eq!(code(connect(client, s, SILENT)), 10037);
    assert_eq!(code(connect(client, s, "10.0.0.2:81")), 10037);
    assert_eq!(client.local_name(s).unwrap(), name);
    assert_eq!(client.peer_name(s).unwrap().to_string(), SILENT);
    scene.run(22_000);
    assert_eq!(client.option(s, 0xFFFF, 0x1007).unwrap(), 10060);
}

#[test]
fn during_an_attempt_select_finds_nothing() {
    let scene = Scene::documented();
    let client = &scene.client;
    let s = tcp_nonblocking(client);
    assert_eq!(code(connect(client, s, SILENT)), 10035);
    let (mut a, mut b, mut c) = ([s], [s], [s]);
    let (mut read, mut write, mut except) =
        (FdSet::of(&mut a), FdSet::of(&mut b), FdSet::of(&mut c));
    let found = client.select(
        Some(&mut read),
        Some(&mut write),
        Some(&mut except),
        Some(Duration::from_secs(5)),
    );
    assert_eq!(found.unwrap(), 0);
    assert!(read.sockets().is_empty() && write.sockets().is_empty());
    assert!(except.sockets().is_empty());
    assert!((scene.seconds() - 5.0).abs() < 0.001);
}

#[test]
fn a_blocking_connect_heeds_no_receive_or_send_timeout() {
    let scene = Scene::documented();
    let client = &scene.client;
    let s = tcp(client);
    client.set_option(s, 0xFFFF, 0x1005, 100).unwrap();
    client.set_option(s, 0xFFFF, 0x1006, 100).unwrap();
    assert_eq!(code(connect(client, s, SILENT)), 10060);
    assert!((scene.seconds() - 21.0).abs() < 0.1);
}

#[test]
fn a_wildcard_name_becomes_concrete_with_the_connection() {
    let scene = Scene::documented();
    let client = &scene.client;
    scene.listen(4000);
    let s = tcp(client);
    bind(client, s, "0.0.0.0:5000").unwrap();
    assert_eq!(client.local_name(s).unwrap().to_string(), "0.0.0.0:5000");
    connect(client, s, "10.0.0.2:4000").unwrap();
    assert_eq!(client.local_name(s).unwrap().to_string(), "10.0.0.1:5000");
}

#[test]
fn an_address_that_was_bound_is_kept() {
    let scene = Scene::documented();
    let client = &scene.client;
    listener(client, "127.0.0.1:4000");
    let s = tcp(client);
    bind(client, s, "127.0.0.5:5000").unwrap();
    connect(client, s, "127.0.0.1:4000").unwrap();
    assert_eq!(client.local_name(s).unwrap().to_string(), "127.0.0.5:5000");
}

#[test]
fn the_time_of_a_connection_counts_from_its_establishment_on_both_ends() {
    let scene = Scene::documented();
    let (client, server) = (&scene.client, &scene.server);
    let time = |process: &Wsa, s| process.option(s, 0xFFFF, 0x700C).unwrap();
    let fresh = tcp(client);
    assert_eq!(time(client, fresh), 0xFFFF_FFFF);
    let (s, t) = scene.connected();
    assert_eq!(time(client, s), 0);
    assert_eq!(time(server, t), 0);
    scene.run(3500);
    assert_eq!(time(client, s), 3);
    assert_eq!(time(server, t), 3);
    let s = udp(client);
    connect(client, s, "10.0.0.2:53").unwrap();
    assert_eq!(time(client, s), 0xFFFF_FFFF);
}

#[test]
fn an_attempt_on_a_blocking_socket_waits_and_one_on_a_non_blocking_socket_does_not() {
    let scene = Scene::documented();
    let client = &scene.client;
    let listening = scene.listen(4000);
    let s = tcp_nonblocking(client);
    assert_eq!(code(connect(client, s, "10.0.0.2:4000")), 10035);
    assert_eq!(scene.seconds(), 0.0);
    let mut array = [s];
    let mut write = FdSet::of(&mut array);
    assert_eq!(client.select(None, Some(&mut write), None, None).unwrap(), 1);
    assert!(accept(&scene.server, listening).is_ok());
    // Also to a live listener on the loopback.
    listener(client, "127.0.0.1:4000");
    let s = tcp_nonblocking(client);
    assert_eq!(code(connect(client, s, "127.0.0.1:4000")), 10035);
}

#[test]
fn a_bound_address_that_means_nothing_to_the_peer_is_not_available() {
    let scene = Scene::documented();
    let client = &scene.client;
    for make in [tcp, udp] {
        let s = make(client);
        bind(client, s, "127.0.0.1:0").unwrap();
        assert_eq!(code(connect(client, s, "10.0.0.2:4000")), 10049);
    }
    for make in [tcp6, udp6] {
        let s = make(client);
        client.set_option(s, 41, 27, 0).unwrap();
        bind(client, s, "[::ffff:0.0.0.0]:0").unwrap();
        assert_eq!(code(connect(client, s, "[fd00::2]:4000")), 10049);
        let s = make(client);
        client.set_option(s, 41, 27, 0).unwrap();
        bind(client, s, "[fd00::1]:0").unwrap();
        assert_eq!(code(connect(client, s, "[::ffff:10.0.0.2]:4000")), 10049);
    }
}
