//! Datagrams up to 64 KiB, the options about the size of packets, and WSAEMSGSIZE.

use super::scene::*;

/// The levels, and their options: don't fragment, MTU discovery, MTU.
const IP: (i32, i32, i32, i32) = (0, 14, 71, 73);
const IPV6: (i32, i32, i32, i32) = (41, 14, 71, 72);

/// A connected pair of datagram sockets, the client's and the server's.
fn pair(scene: &Scene, six: bool) -> (wsa::SocketHandle, wsa::SocketHandle) {
    let (client, server) = (&scene.client, &scene.server);
    let (u, v) = if six { (udp6(client), udp6(server)) } else { (udp(client), udp(server)) };
    bind(server, v, if six { "[::]:53" } else { "0.0.0.0:53" }).unwrap();
    connect(client, u, if six { "[fd00::2]:53" } else { "10.0.0.2:53" }).unwrap();
    (u, v)
}

/// Sends a datagram of this many bytes, and gives those that arrive.
fn carried(scene: &Scene, u: wsa::SocketHandle, v: wsa::SocketHandle, length: usize) -> Vec<u8> {
    let data: Vec<u8> = (0..length).map(|index| (index * 7 + index / 251) as u8).collect();
    assert_eq!(send(&scene.client, u, &data), Ok(length));
    scene.run(10);
    let mut buffer = vec![0; 70_000];
    let received = scene.server.recv(v, (&mut buffer[..]).into(), 0).unwrap();
    assert!(buffer[..received] == data);
    buffer.truncate(received);
    buffer
}

#[test]
fn the_longest_datagram_arrives_and_one_byte_more_is_wsaemsgsize() {
    for (six, frame, longest) in [(false, 1472, 65507), (true, 1452, 65527)] {
        let scene = Scene::documented();
        let (u, v) = pair(&scene, six);
        for length in [frame, frame + 1, longest] {
            assert_eq!(carried(&scene, u, v, length).len(), length);
        }
        assert_eq!(code(send(&scene.client, u, &vec![0; longest + 1])), 10040);
        // SO_MAX_MSG_SIZE says so beforehand.
        assert_eq!(scene.client.option(u, 0xFFFF, 0x2003), Ok(longest as u32));
        // The refused one has left nothing behind.
        assert_eq!(carried(&scene, u, v, 1).len(), 1);
    }
}

#[test]
fn a_refused_sendto_leaves_the_socket_unbound() {
    let scene = Scene::documented();
    let u = udp(&scene.client);
    let name = wsa::sockaddr(address("10.0.0.2:53"));
    let sent = scene.client.sendto(u, vec![0; 65508][..].into(), 0, name.memory(), name.len());
    assert_eq!(code(sent), 10040);
    assert_eq!(code(scene.client.getsockname(u, wsa::MemoryMut::Null, None)), 10022);
}

#[test]
fn dont_fragment_makes_what_is_longer_than_a_frame_an_error() {
    for (six, frame, (level, dont_fragment, discover, _)) in [(false, 1472, IP), (true, 1452, IPV6)]
    {
        let scene = Scene::documented();
        let (u, v) = pair(&scene, six);
        let set = |option, value| scene.client.set_option(u, level, option, value).unwrap();
        let refused = |expected: i32| {
            let sent = send(&scene.client, u, &vec![0; frame + 1]);
            assert_eq!(code(sent), expected);
            if expected == 0 {
                scene.run(10);
                scene.server.recv(v, (&mut [0; 2000][..]).into(), 0).unwrap();
            }
            assert_eq!(carried(&scene, u, v, frame).len(), frame);
        };
        assert_eq!(scene.client.option(u, level, dont_fragment), Ok(0));
        assert_eq!(scene.client.option(u, level, discover), Ok(0));
        refused(0);
        set(dont_fragment, 1);
        assert_eq!(scene.client.option(u, level, dont_fragment), Ok(1));
        refused(10040);
        set(dont_fragment, 0);
        refused(0);
        // IP_PMTUDISC_DO, IP_PMTUDISC_DONT, IP_PMTUDISC_PROBE, IP_PMTUDISC_NOT_SET.
        for (value, expected) in [(1, 10040), (2, 0), (3, 10040), (0, 0)] {
            set(discover, value);
            assert_eq!(scene.client.option(u, level, discover), Ok(value));
            refused(expected);
        }
        assert_eq!(code(scene.client.set_option(u, level, discover, 4)), 10022);
        assert_eq!(scene.client.option(u, level, discover), Ok(0));
    }
}

#[test]
fn the_mtu_of_the_path_is_known_while_there_is_a_peer() {
    let scene = Scene::documented();
    let client = &scene.client;
    for (six, (level, .., mtu)) in [(false, IP), (true, IPV6)] {
        let (u, alone) =
            if six { (udp6(client), tcp6(client)) } else { (udp(client), tcp(client)) };
        for s in [u, alone] {
            assert_eq!(code(client.option(s, level, mtu)), 10057);
            // Only to be read.
            assert_eq!(code(client.set_option(s, level, mtu, 1500)), 10042);
        }
        connect(client, u, if six { "[fd00::2]:53" } else { "10.0.0.2:53" }).unwrap();
        assert_eq!(client.option(u, level, mtu), Ok(1500));
        connect(client, u, if six { "[::1]:53" } else { "127.0.0.1:53" }).unwrap();
        assert_eq!(client.option(u, level, mtu), Ok(65535));
    }
    let (s, t) = scene.connected();
    assert_eq!(client.option(s, 0, 73), Ok(1500));
    assert_eq!(scene.server.option(t, 0, 73), Ok(1500));
    let attempt = tcp_nonblocking(client);
    assert_eq!(code(connect(client, attempt, SILENT)), 10035);
    assert_eq!(code(client.option(attempt, 0, 73)), 10057);
}

#[test]
fn streams_find_the_size_of_their_path_and_cannot_be_told_not_to() {
    let scene = Scene::documented();
    let client = &scene.client;
    for (s, (level, dont_fragment, discover, _)) in [(tcp(client), IP), (tcp6(client), IPV6)] {
        assert_eq!(code(client.option(s, level, dont_fragment)), 10042);
        assert_eq!(code(client.set_option(s, level, dont_fragment, 1)), 10042);
        for (value, expected) in [(0, 0), (1, 0), (2, 10042), (3, 10042), (4, 10022)] {
            assert_eq!(code(client.set_option(s, level, discover, value)), expected, "{value}");
        }
        assert_eq!(client.option(s, level, discover), Ok(1));
    }
}

#[test]
fn a_router_that_takes_less_makes_the_mtu_smaller() {
    let scene = Scene::documented();
    let client = &scene.client;
    let u = udp(client);
    connect(client, u, NARROW).unwrap();
    client.set_option(u, 0, 14, 1).unwrap();
    assert_eq!(client.option(u, 0, 73), Ok(1500));
    assert_eq!(send(client, u, &[0; 1472]), Ok(1472));
    scene.run(10);
    assert_eq!(client.option(u, 0, 73), Ok(1400));
    assert_eq!(code(send(client, u, &[0; 1373])), 10040);
    assert_eq!(send(client, u, &[0; 1372]), Ok(1372));
    // It is no error of the socket.
    client.set_nonblocking(u, true).unwrap();
    assert_eq!(code(recv(client, u)), 10035);
}
