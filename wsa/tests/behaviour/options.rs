//! getsockopt, setsockopt, ioctlsocket, WSAIoctl.

use wsa::{Arg, Memory, MemoryMut, SocketHandle};

use super::scene::*;

#[test]
fn options_are_checked() {
    let scene = Scene::documented();
    let client = &scene.client;
    let (s, u) = (tcp(client), udp(client));
    assert_eq!(code(client.option(s, 0xFFFF, 0x7777)), 10042);
    assert_eq!(code(client.option(s, 0xBAD, 4)), 10022);
    assert_eq!(code(client.option(SocketHandle::INVALID, 0xBAD, 4)), 10038);
    assert_eq!(code(client.set_option(s, 0xFFFF, 0x7777, 1)), 10042);
    assert_eq!(code(client.set_option(s, 0xBAD, 4, 1)), 10022);
    assert_eq!(code(client.setsockopt(s, 0xFFFF, 4, Memory::Null, 4)), 10014);
    assert_eq!(code(client.setsockopt(s, 0xFFFF, 4, Memory::Bytes(&[1; 4]), 0)), 10014);
    assert_eq!(code(client.setsockopt(s, 0xFFFF, 0x1006, Memory::Bytes(&[1; 4]), 3)), 10014);
    assert_eq!(code(client.set_option(u, 6, 1, 1)), 10022);
    assert_eq!(code(client.set_option(s, 41, 27, 1)), 10022);
    // What can only be read.
    for option in [0x1007, 0x1008, 2, 0x700C] {
        assert_eq!(code(client.set_option(s, 0xFFFF, option, 1)), 10042, "{option:#x}");
    }
    let mut len = 3;
    let mut room = [0; 4];
    let short = client.getsockopt(s, 0xFFFF, 0x1008, (&mut room).into(), Some(&mut len));
    assert_eq!((code(short), len), (10014, 3));
    assert_eq!(code(client.getsockopt(s, 0xFFFF, 0x1008, (&mut room).into(), None)), 10014);
    let mut len = 4;
    let null = client.getsockopt(s, 0xFFFF, 0x1008, MemoryMut::Null, Some(&mut len));
    assert_eq!(code(null), 10014);
}

#[test]
fn booleans_may_be_one_byte() {
    let scene = Scene::documented();
    let client = &scene.client;
    let s = udp(client);
    client.setsockopt(s, 0xFFFF, 0x20, Memory::Bytes(&[1]), 1).unwrap();
    let (mut value, mut len) = ([9; 4], 1);
    client.getsockopt(s, 0xFFFF, 0x20, (&mut value).into(), Some(&mut len)).unwrap();
    assert_eq!((value, len), ([1, 9, 9, 9], 1));
    assert_eq!(client.option(s, 0xFFFF, 0x20).unwrap(), 1);
    // TCP_NODELAY looks at the low byte alone.
    let s = tcp(client);
    client.setsockopt(s, 6, 1, Memory::Bytes(&[0, 1]), 2).unwrap();
    assert_eq!(client.option(s, 6, 1).unwrap(), 0);
    client.setsockopt(s, 6, 1, Memory::Bytes(&[1]), 1).unwrap();
    assert_eq!(client.option(s, 6, 1).unwrap(), 1);
}

#[test]
fn types_and_defaults() {
    let scene = Scene::documented();
    let client = &scene.client;
    let (s, u, six) = (tcp(client), udp(client), tcp6(client));
    assert_eq!(client.option(s, 0xFFFF, 0x1008).unwrap(), 1);
    assert_eq!(client.option(u, 0xFFFF, 0x1008).unwrap(), 2);
    assert_eq!(client.option(u, 0xFFFF, 0x20).unwrap(), 0);
    assert_eq!(client.option(s, 0xFFFF, 0x700C).unwrap(), 0xFFFF_FFFF);
    assert_eq!(client.option(six, 41, 27).unwrap(), 1);
    assert_eq!(client.option(s, 0xFFFF, !0x80).unwrap(), 1);
    for value in [0, 77, u32::MAX] {
        client.set_option(s, 6, 5, value).unwrap();
        assert_eq!(client.option(s, 6, 5).unwrap(), value);
    }
    client.set_option(s, 6, 14, 1500).unwrap();
    assert_eq!(client.option(s, 6, 14).unwrap(), 1500);
    assert_eq!(client.option(s, 6, 5).unwrap(), 2);
}

#[test]
fn reuse_and_exclusive_use_exclude_each_other() {
    let scene = Scene::documented();
    let client = &scene.client;
    let s = tcp(client);
    client.set_option(s, 0xFFFF, 4, 1).unwrap();
    assert_eq!(code(client.set_option(s, 0xFFFF, -5, 1)), 10022);
    client.set_option(s, 0xFFFF, 4, 0).unwrap();
    client.set_option(s, 0xFFFF, -5, 1).unwrap();
    assert_eq!(code(client.set_option(s, 0xFFFF, 4, 1)), 10022);
}

#[test]
fn some_options_are_too_late_after_bind() {
    let scene = Scene::documented();
    let client = &scene.client;
    let s = tcp6(client);
    bind(client, s, "[::]:0").unwrap();
    assert_eq!(code(client.set_option(s, 41, 27, 0)), 10022);
    assert_eq!(code(client.set_option(s, 0xFFFF, -5, 1)), 10022);
}

#[test]
fn linger_is_two_short_numbers() {
    let scene = Scene::documented();
    let client = &scene.client;
    let s = tcp(client);
    client.setsockopt(s, 0xFFFF, 0x80, Memory::Bytes(&[1, 0, 0x2C, 1]), 4).unwrap();
    assert_eq!(client.option(s, 0xFFFF, 0x80).unwrap().to_ne_bytes(), [1, 0, 0x2C, 1]);
    assert_eq!(client.option(s, 0xFFFF, !0x80).unwrap(), 0);
    client.set_option(s, 0xFFFF, !0x80, 1).unwrap();
    assert_eq!(client.option(s, 0xFFFF, 0x80).unwrap(), 0);
    assert_eq!(code(client.set_option(udp(client), 0xFFFF, 0x80, 1)), 10042);
}

#[test]
fn ioctls_are_checked() {
    let scene = Scene::documented();
    let client = &scene.client;
    let s = tcp(client);
    let mut value = 1;
    assert_eq!(code(client.ioctlsocket(SocketHandle::INVALID, 0x8004_667E, Arg::Null)), 10038);
    assert_eq!(code(client.ioctlsocket(s, 0x8004_667E, Arg::Null)), 10014);
    assert_eq!(code(client.ioctlsocket(s, 0x8004_667E, Arg::Unreadable)), 10014);
    assert_eq!(code(client.ioctlsocket(s, 0x1234_5678, Arg::Value(&mut value))), 10022);
    let (input, null) = (Memory::Bytes(&[1, 0, 0, 0]), || MemoryMut::Null);
    let mut returned = 7;
    assert_eq!(code(client.wsa_ioctl(s, 0x8004_667E, input, 4, null(), 0, None)), 10014);
    let unknown = client.wsa_ioctl(s, 0x1234_5678, input, 4, null(), 0, Some(&mut returned));
    assert_eq!(code(unknown), 10045);
    client.wsa_ioctl(s, 0x8004_667E, input, 4, null(), 0, Some(&mut returned)).unwrap();
    assert_eq!(returned, 0);
    assert_eq!(code(connect(client, s, SILENT)), 10035);
}

#[test]
fn fionread_counts_a_streams_bytes_and_the_next_datagram() {
    let scene = Scene::documented();
    let (client, server) = (&scene.client, &scene.server);
    let readable = |process: &Wsa, s| {
        let mut value = 99;
        process.ioctlsocket(s, 0x4004_667F, Arg::Value(&mut value)).unwrap();
        value
    };
    assert_eq!(readable(client, tcp(client)), 0);
    let (s, t) = scene.connected();
    send(client, s, b"12345").unwrap();
    send(client, s, b"678").unwrap();
    scene.run(1000);
    assert_eq!(readable(server, t), 8);
    let (u, v) = (udp(client), udp(server));
    bind(server, v, "0.0.0.0:53").unwrap();
    connect(client, u, "10.0.0.2:53").unwrap();
    send(client, u, b"12345").unwrap();
    send(client, u, b"678").unwrap();
    scene.run(100);
    assert_eq!(readable(server, v), 5);
}

#[test]
fn keep_alive_probes_need_some_time_between_them() {
    let scene = Scene::documented();
    let s = tcp(&scene.client);
    assert_eq!(code(scene.client.set_option(s, 6, 3, 0)), 10022);
    assert_eq!(code(scene.client.set_option(s, 6, 3, 1)), 0);
}
