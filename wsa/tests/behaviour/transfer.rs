//! send and recv on streams.

use tapsock_stack::sim::{Conditions, Pair};
use wsa::engine::stepped::Simulated;
use wsa::{Memory, MemoryMut, SocketHandle, sockaddr};

use super::scene::*;

#[test]
fn a_stream_that_is_not_connected_transfers_nothing() {
    let scene = Scene::documented();
    let client = &scene.client;
    for s in [tcp(client), listener(client, "0.0.0.0:0")] {
        assert_eq!(code(send(client, s, b"x")), 10057);
        assert_eq!(code(recv(client, s)), 10057);
    }
    assert_eq!(code(send(client, SocketHandle::INVALID, b"x")), 10038);
}

#[test]
fn a_bad_handle_beats_a_bad_buffer() {
    let scene = Scene::documented();
    let client = &scene.client;
    let invalid = SocketHandle::INVALID;
    assert_eq!(code(client.send(invalid, Memory::Null, 0)), 10038);
    assert_eq!(code(client.recv(invalid, MemoryMut::Null, 0)), 10038);
    let (s, _) = scene.connected();
    assert_eq!(code(client.send(s, Memory::Null, 0)), 10014);
    assert_eq!(code(client.recv(s, MemoryMut::Unwritable, 0)), 10014);
}

#[test]
fn a_huge_non_blocking_send_is_taken_whole_and_delivered_after_the_close() {
    let scene = Scene::documented();
    let (client, server) = (&scene.client, &scene.server);
    let (s, t) = scene.connected();
    client.set_nonblocking(s, true).unwrap();
    // 50 MiB.
    let data: Vec<u8> = (0..52_428_800_u32).map(|at| (at % 251) as u8).collect();
    assert_eq!(send(client, s, &data).unwrap(), 52_428_800);
    assert_eq!(code(send(client, s, b"x")), 10035);
    client.closesocket(s).unwrap();
    let mut received = Vec::new();
    let mut buffer = vec![0; 65536];
    loop {
        match server.recv(t, MemoryMut::Bytes(&mut buffer), 0).unwrap() {
            0 => break,
            len => received.extend_from_slice(&buffer[..len]),
        }
    }
    assert!(received == data);
}

#[test]
fn a_blocking_send_waits_until_less_than_the_send_buffer_is_queued() {
    let scene = Scene::documented();
    let (s, t) = scene.connected();
    assert_eq!(send(&scene.client, s, &[1; 300_000]).unwrap(), 300_000);
    let server = scene.server.clone();
    scene.at(2000, move |_| {
        let mut buffer = vec![0; 300_000];
        let received = server.recv(t, MemoryMut::Bytes(&mut buffer), 8).unwrap();
        assert_eq!(received, 300_000);
    });
    assert_eq!(send(&scene.client, s, b"then").unwrap(), 4);
    assert!(scene.seconds() >= 2.0);
    assert_eq!(recv(&scene.server, t).unwrap(), b"then");
}

#[test]
fn time_limits_end_transfers() {
    let scene = Scene::documented();
    let client = &scene.client;
    let (s, _t) = scene.connected();
    client.set_option(s, 0xFFFF, 0x1006, 100).unwrap();
    client.set_option(s, 0xFFFF, 0x1005, 200).unwrap();
    let start = scene.seconds();
    assert_eq!(code(recv(client, s)), 10060);
    assert!((scene.seconds() - start - 0.1).abs() < 0.001);
    assert_eq!(send(client, s, &[1; 300_000]).unwrap(), 300_000);
    let start = scene.seconds();
    assert_eq!(code(send(client, s, b"x")), 10060);
    assert!((scene.seconds() - start - 0.2).abs() < 0.001);
}

#[test]
fn peek_leaves_the_data_and_waitall_fills_the_buffer() {
    let scene = Scene::documented();
    let (s, t) = scene.connected();
    send(&scene.client, s, b"abc").unwrap();
    let mut buffer = [0; 3];
    assert_eq!(scene.server.recv(t, (&mut buffer).into(), 2).unwrap(), 3);
    assert_eq!(&buffer, b"abc");
    let client = scene.client.clone();
    scene.at(3000, move |_| assert_eq!(send(&client, s, b"defg").unwrap(), 4));
    let mut buffer = [0; 6];
    assert_eq!(scene.server.recv(t, (&mut buffer).into(), 8).unwrap(), 6);
    assert_eq!(&buffer, b"abcdef");
    assert_eq!(recv(&scene.server, t).unwrap(), b"g");
    // The end of the stream ends it too.
    scene.client.closesocket(s).unwrap();
    assert_eq!(scene.server.recv(t, (&mut buffer).into(), 8).unwrap(), 0);
}

#[test]
fn flags_that_mean_nothing_here() {
    let scene = Scene::documented();
    let (client, (s, _)) = (&scene.client, scene.connected());
    let mut buffer = [0; 4];
    assert_eq!(code(client.recv(s, (&mut buffer).into(), 1)), 10022);
    assert_eq!(code(client.recv(s, (&mut buffer).into(), 0x4000)), 10045);
    assert_eq!(code(client.send(s, b"x".into(), 1)), 10045);
    assert_eq!(code(client.send(s, b"x".into(), 4)), 0);
}

#[test]
fn on_a_stream_addresses_are_ignored() {
    let scene = Scene::documented();
    let (client, server) = (&scene.client, &scene.server);
    let (s, t) = scene.connected();
    let name = sockaddr(address("192.0.2.9:9"));
    let sent = client.sendto(s, b"hello".into(), 0, name.memory(), name.len());
    assert_eq!(sent.unwrap(), 5);
    let (mut buffer, mut from, mut len) = ([0; 8], [0xEE; 16], 3);
    let (room, from_room) = ((&mut buffer).into(), (&mut from).into());
    assert_eq!(server.recvfrom(t, room, 0, from_room, Some(&mut len)).unwrap(), 5);
    assert_eq!((from, len), ([0xEE; 16], 3));
}

#[test]
fn an_empty_receive_waits_for_something_to_be_there() {
    let scene = Scene::documented();
    let (s, t) = scene.connected();
    let client = scene.client.clone();
    scene.at(1000, move |_| assert_eq!(send(&client, s, b"x").unwrap(), 1));
    assert_eq!(scene.server.recv(t, (&mut []).into(), 0).unwrap(), 0);
    assert!(scene.seconds() >= 1.0);
    assert_eq!(recv(&scene.server, t).unwrap(), b"x");
}

#[test]
fn an_established_connection_gives_up_on_a_silent_peer() {
    let scene = Scene::documented();
    let (s, _) = scene.connected();
    scene.server.engine().host().set_link_up(false);
    send(&scene.client, s, b"anyone?").unwrap();
    assert_eq!(code(recv(&scene.client, s)), 10060);
    let cause = scene.client.last_cause().unwrap();
    assert!(cause.to_string().contains("retransmission"), "{cause}");
    assert_eq!(code(send(&scene.client, s, b"x")), 10060);
}

#[test]
fn what_a_filling_receive_has_got_before_its_time_limit_is_not_lost() {
    let scene = Scene::documented();
    let (s, t) = scene.connected();
    scene.server.set_option(t, 0xFFFF, 0x1006, 500).unwrap();
    send(&scene.client, s, b"abc").unwrap();
    let mut buffer = [0; 6];
    assert_eq!(scene.server.recv(t, (&mut buffer).into(), 8).unwrap(), 3);
    assert_eq!(&buffer[..3], b"abc");
    assert_eq!(code(scene.server.recv(t, (&mut buffer).into(), 8)), 10060);
}

#[test]
fn absurd_buffer_sizes_do_no_harm() {
    let scene = Scene::documented();
    let client = &scene.client;
    let listening = scene.listen(4000);
    for size in [0, 1, u32::MAX] {
        let s = tcp(client);
        for option in [0x1001, 0x1002] {
            client.set_option(s, 0xFFFF, option, size).unwrap();
            assert_eq!(client.option(s, 0xFFFF, option).unwrap(), size);
        }
        connect(client, s, "10.0.0.2:4000").unwrap();
        let t = accept(&scene.server, listening).unwrap();
        send(client, s, b"there").unwrap();
        assert_eq!(recv(&scene.server, t).unwrap(), b"there");
        send(&scene.server, t, b"back").unwrap();
        assert_eq!(recv(client, s).unwrap(), b"back");
    }
}

#[test]
fn all_sockets_together_queue_at_most_a_total() {
    let pair = Pair::configured(7, Conditions::GOOD, |config| config.send_total = 100_000);
    let (client, server) = (Simulated::process(pair.client), Simulated::process(pair.server));
    assert_eq!((client.wsa_startup(0x0202).0, server.wsa_startup(0x0202).0), (0, 0));
    let listening = listener(&server, "0.0.0.0:4000");
    let sockets = [(); 2].map(|()| {
        let s = tcp(&client);
        connect(&client, s, "10.0.0.2:4000").unwrap();
        accept(&server, listening).unwrap();
        s
    });
    // Each ring takes 65,536 bytes; what is beyond them counts.
    assert_eq!(send(&client, sockets[0], &vec![0; 65_536 + 100_000]), Ok(165_536));
    assert_eq!(code(send(&client, sockets[1], &vec![0; 65_536 + 1])), 10055);
    // What was refused has left nothing behind, and what fits its ring is taken.
    assert_eq!(send(&client, sockets[1], &vec![0; 65_536]), Ok(65_536));
}
