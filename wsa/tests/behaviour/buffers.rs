//! SO_SNDBUF, SO_RCVBUF, TCP_NODELAY and UDP_NOCHECKSUM: what they change.

use std::sync::{Arc, Mutex};

use tapsock_stack::link::Direction;
use tapsock_stack::sim::{Conditions, Pair, Verdict};
use wsa::engine::stepped::{Simulated, as_thread};
use wsa::{Arg, SocketHandle};

use super::scene::*;

const SO_SNDBUF: i32 = 0x1001;
const SO_RCVBUF: i32 = 0x1002;

fn readable(process: &Wsa, s: SocketHandle) -> u32 {
    let mut bytes = 0;
    process.ioctlsocket(s, 0x4004_667F, Arg::Value(&mut bytes)).unwrap();
    bytes
}

/// IP packets that a process sends from now on.
fn sent(process: &Wsa) -> Arc<Mutex<Vec<Vec<u8>>>> {
    let frames = Arc::new(Mutex::new(Vec::new()));
    let into = Arc::clone(&frames);
    process.engine().host().set_filter(move |frame, direction| {
        if direction == Direction::Outbound && frame[12..14] == [8, 0] {
            into.lock().unwrap().push(frame[14..].to_vec());
        }
        Verdict::Pass
    });
    frames
}

/// How many sends of 1,000 bytes are taken while the peer takes nothing.
fn sends(scene: &Scene, s: SocketHandle) -> usize {
    (0..1000).take_while(|_| send(&scene.client, s, &[7; 1000]).is_ok()).count()
}

#[test]
fn a_send_is_taken_while_fewer_bytes_than_the_send_buffer_are_queued() {
    for (size, expected) in
        [(0, 1), (1, 1), (1000, 1), (1001, 2), (2000, 2), (2001, 3), (200_000, 200)]
    {
        let scene = Scene::documented();
        let (s, _) = scene.connected();
        scene.client.set_nonblocking(s, true).unwrap();
        scene.client.set_option(s, 0xFFFF, SO_SNDBUF, size).unwrap();
        scene.server.engine().host().set_link_up(false);
        assert_eq!(sends(&scene, s), expected, "SO_SNDBUF {size}");
        assert_eq!(code(send(&scene.client, s, b"x")), 10035);
        assert_eq!(scene.client.option(s, 0xFFFF, SO_SNDBUF), Ok(size));
    }
}

#[test]
fn a_larger_send_buffer_counts_at_once() {
    let scene = Scene::documented();
    let (s, _) = scene.connected();
    scene.client.set_nonblocking(s, true).unwrap();
    scene.client.set_option(s, 0xFFFF, SO_SNDBUF, 1000).unwrap();
    scene.server.engine().host().set_link_up(false);
    assert_eq!(sends(&scene, s), 1);
    scene.client.set_option(s, 0xFFFF, SO_SNDBUF, 3000).unwrap();
    assert_eq!(sends(&scene, s), 2);
    // A smaller one takes nothing away.
    scene.client.set_option(s, 0xFFFF, SO_SNDBUF, 0).unwrap();
    assert_eq!(sends(&scene, s), 0);
    scene.server.engine().host().set_link_up(true);
    scene.run(10_000);
    assert_eq!(sends(&scene, s), 1);
}

/// Nothing else ever makes room here, so who waits for it has to hear of the option.
#[test]
fn a_larger_send_buffer_wakes_who_waits_for_room() {
    const FD_WRITE: i32 = 2;
    let full = || {
        let scene = Scene::documented();
        let (s, _) = scene.connected();
        let client = scene.client.clone();
        client.set_nonblocking(s, true).unwrap();
        client.set_option(s, 0xFFFF, SO_SNDBUF, 1000).unwrap();
        scene.server.engine().host().set_link_up(false);
        assert_eq!(sends(&scene, s), 1);
        let larger = client.clone();
        scene.at(500, move |_| {
            as_thread(2, || larger.set_option(s, 0xFFFF, SO_SNDBUF, 3000).unwrap());
        });
        (scene, client, s)
    };
    let (scene, client, s) = full();
    let mut array = [s];
    let mut write = wsa::FdSet::of(&mut array);
    assert_eq!(client.select(None, Some(&mut write), None, None), Ok(1));
    assert_eq!(scene.world.now().total_millis(), 500);

    let (scene, client, s) = full();
    assert_eq!(client.wsa_poll(&mut [wsa::WsaPollFd::new(s, 0x10)], -1), Ok(1));
    assert_eq!(scene.world.now().total_millis(), 500);

    let (scene, client, s) = full();
    client.set_option(s, 0xFFFF, 0x1005, 5000).unwrap();
    client.set_nonblocking(s, false).unwrap();
    assert_eq!(send(&client, s, &[7; 1000]), Ok(1000));
    assert_eq!(scene.world.now().total_millis(), 500);

    let (scene, client, s) = full();
    let event = client.wsa_create_event().unwrap();
    client.wsa_event_select(s, event, FD_WRITE).unwrap();
    assert_eq!(client.wait_for_single(event, 5000), Ok(0));
    assert_eq!(scene.world.now().total_millis(), 500);

    let (scene, client, s) = full();
    client.wsa_async_select(s, 1, 1, FD_WRITE).unwrap();
    let message = client.wait_message(5000).unwrap().unwrap();
    assert_eq!((message.socket, message.event), (s, FD_WRITE));
    assert_eq!(scene.world.now().total_millis(), 500);
}

/// The receive buffer of who connects; inheritance.rs has that of a listener.
#[test]
fn the_receive_buffer_is_the_window_of_the_next_attempt() {
    for (asked, window) in [(0, 536), (536, 536), (10_000, 10_000), (100_000, 100_000)] {
        let scene = Scene::documented();
        let (client, server) = (&scene.client, &scene.server);
        let listening = scene.listen(80);
        let s = tcp(client);
        client.set_option(s, 0xFFFF, SO_RCVBUF, asked).unwrap();
        connect(client, s, "10.0.0.2:80").unwrap();
        let t = accept(server, listening).unwrap();
        server.set_nonblocking(t, true).unwrap();
        send(server, t, &vec![7; 300_000]).unwrap();
        scene.run(20_000);
        assert_eq!(readable(client, s), window, "SO_RCVBUF {asked}");
        // Too late for this connection: it is stored, told and without effect.
        client.set_option(s, 0xFFFF, SO_RCVBUF, 200_000).unwrap();
        scene.run(20_000);
        assert_eq!(readable(client, s), window);
        assert_eq!(client.option(s, 0xFFFF, SO_RCVBUF), Ok(200_000));
    }
}

#[test]
fn a_huge_receive_buffer_is_not_allocated() {
    let scene = Scene::documented();
    let client = &scene.client;
    let listening = scene.listen(80);
    let s = tcp(client);
    client.set_option(s, 0xFFFF, SO_RCVBUF, u32::MAX).unwrap();
    connect(client, s, "10.0.0.2:80").unwrap();
    accept(&scene.server, listening).unwrap();
    let mut info = [0; 88];
    let mut returned = 0;
    let version = [0; 4];
    client
        .wsa_ioctl(
            s,
            0xD800_0027,
            (&version).into(),
            4,
            (&mut info).into(),
            88,
            Some(&mut returned),
        )
        .unwrap();
    assert_eq!(u32::from_ne_bytes(info[44..48].try_into().unwrap()), 16 << 20);
}

#[test]
fn a_datagram_sockets_receive_buffer_counts_at_once() {
    let scene = Scene::documented();
    let (client, server) = (&scene.client, &scene.server);
    let (u, v) = (udp(client), udp(server));
    bind(server, v, "0.0.0.0:53").unwrap();
    connect(client, u, "10.0.0.2:53").unwrap();
    send(client, u, b"").unwrap();
    scene.run(100);
    assert_eq!(recv(server, v).unwrap(), b"");
    let queued = |size: u32| {
        server.set_option(v, 0xFFFF, SO_RCVBUF, size).unwrap();
        for _ in 0..20 {
            send(client, u, &[7; 500]).unwrap();
        }
        scene.run(100);
        server.set_nonblocking(v, true).unwrap();
        let mut buffer = [0; 1000];
        (0..).take_while(|_| server.recv(v, (&mut buffer).into(), 0).is_ok()).count()
    };
    // At least 536 bytes, which is one of these.
    assert_eq!([0, 999, 1000, 5000, 100_000].map(queued), [1, 1, 2, 10, 20]);
}

#[test]
fn small_segments_wait_for_each_other_unless_told_not_to() {
    for (no_delay, expected) in [(0, vec![1, 9]), (1, vec![1; 10])] {
        let scene = Scene::documented();
        let (s, _) = scene.connected();
        scene.run(100);
        scene.client.set_option(s, 6, 1, no_delay).unwrap();
        let packets = sent(&scene.client);
        for _ in 0..10 {
            send(&scene.client, s, b"x").unwrap();
        }
        scene.run(1000);
        let payloads: Vec<usize> = packets
            .lock()
            .unwrap()
            .iter()
            .map(|packet| packet.len() - 20 - usize::from(packet[32] >> 4) * 4)
            .filter(|&payload| payload > 0)
            .collect();
        assert_eq!(payloads, expected, "TCP_NODELAY {no_delay}");
    }
}

#[test]
fn a_datagram_goes_without_a_checksum_where_it_may_and_arrives() {
    for (unchecked, when) in [(0, 0), (1, 0), (1, 1)] {
        let scene = Scene::documented();
        let (client, server) = (&scene.client, &scene.server);
        let (u, v) = (udp(client), udp(server));
        bind(server, v, "0.0.0.0:53").unwrap();
        if when == 0 {
            client.set_option(u, 17, 1, unchecked).unwrap();
        }
        connect(client, u, "10.0.0.2:53").unwrap();
        if when == 1 {
            client.set_option(u, 17, 1, unchecked).unwrap();
        }
        let packets = sent(client);
        send(client, u, b"hello").unwrap();
        assert_eq!(recv(server, v).unwrap(), b"hello");
        let packets = packets.lock().unwrap();
        let [.., packet] = &packets[..] else { panic!("nothing was sent") };
        assert_eq!(packet[26..28] == [0, 0], unchecked == 1);
    }
}

#[test]
fn a_dual_socket_has_checksums_over_both_families() {
    let scene = Scene::documented();
    let u = udp6(&scene.client);
    assert_eq!(code(scene.client.set_option(u, 17, 1, 1)), 10042);
}

#[test]
fn a_syn_is_not_repeated_where_the_socket_says_so() {
    let scene = Scene::documented();
    let s = tcp(&scene.client);
    scene.client.set_option(s, 6, 9, 1).unwrap();
    assert_eq!(code(connect(&scene.client, s, SILENT)), 10060);
    assert_eq!(scene.seconds(), 1.0);
    let cause = scene.client.last_cause().unwrap().to_string();
    assert!(cause.contains("1 SYN to 192.0.2.1 unanswered"), "{cause}");
}

#[test]
fn a_receive_ring_is_the_stacks_own_unless_so_rcvbuf_was_set() {
    let pair = Pair::configured(7, Conditions::GOOD, |config| config.receive_buffer = 200_000);
    let (client, server) = (Simulated::process(pair.client), Simulated::process(pair.server));
    client.wsa_startup(0x0202);
    server.wsa_startup(0x0202);
    for (given, ring) in [(None, 200_000), (Some(65_536), 65_536), (Some(300_000), 300_000)] {
        let listening = listener(&server, "0.0.0.0:4000");
        let s = tcp(&client);
        for (process, s) in [(&server, listening), (&client, s)] {
            if let Some(given) = given {
                process.set_option(s, 0xffff, 0x1002, given).unwrap();
            }
            assert_eq!(process.option(s, 0xffff, 0x1002), Ok(given.unwrap_or(65_536)));
        }
        connect(&client, s, "10.0.0.2:4000").unwrap();
        let t = accept(&server, listening).unwrap();
        assert_eq!(client.tcp_info(s).unwrap().receive_buffer, ring);
        assert_eq!(server.tcp_info(t).unwrap().receive_buffer, ring);
        server.closesocket(listening).unwrap();
    }
}
