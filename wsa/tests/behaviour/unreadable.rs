//! Sends of what cannot be read: WSAEFAULT before everything but WSAENOTSOCK, and nothing is done.

use wsa::{Arg, Memory, SocketHandle, WsaBuf, WsaMsg, sockaddr};

use super::scene::*;

const MSG_OOB: i32 = 0x1;
const SD_SEND: i32 = 1;

/// A list of which the last buffer, or the only one, cannot be read.
const LISTS: [&[WsaBuf<'_>]; 2] = [
    &[WsaBuf { len: 5, buf: Memory::Unreadable }],
    &[
        WsaBuf { len: 4, buf: Memory::Bytes(b"good") },
        WsaBuf { len: 0, buf: Memory::Unreadable },
        WsaBuf { len: 5, buf: Memory::Bytes(b"four") },
    ],
];

/// WSASend, and WSASendTo where a name is given, of both lists.
fn refused(process: &Wsa, s: SocketHandle, flags: i32, to: Option<&str>) -> [i32; 2] {
    LISTS.map(|list| {
        let (list, mut sent) = (Arg::Value(list), 77);
        let result = match to {
            None => process.wsa_send(s, list, Some(&mut sent), flags),
            Some(to) => {
                let name = sockaddr(address(to));
                process.wsa_send_to(s, list, Some(&mut sent), flags, name.memory(), name.len())
            }
        };
        assert_eq!(sent, 77);
        code(result)
    })
}

#[test]
fn it_comes_before_what_is_wrong_with_the_socket() {
    let scene = Scene::documented();
    let client = &scene.client;
    let (s, t) = scene.connected();
    assert_eq!(refused(client, SocketHandle::INVALID, 0, None), [10038; 2]);
    assert_eq!(refused(client, tcp(client), 0, None), [10014; 2]);
    assert_eq!(refused(client, udp(client), 0, None), [10014; 2]);
    assert_eq!(refused(client, s, MSG_OOB, None), [10014; 2]);
    client.shutdown(s, SD_SEND).unwrap();
    assert_eq!(refused(client, s, 0, None), [10014; 2]);
    // That the connection failed is said to whoever comes with something that can be read.
    let far = &scene.server;
    far.set_nonblocking(t, true).unwrap();
    // SO_LINGER of no seconds: a RST.
    client.setsockopt(s, 0xFFFF, 0x80, (&[1, 0, 0, 0]).into(), 4).unwrap();
    client.closesocket(s).unwrap();
    scene.run(10);
    assert_eq!(refused(far, t, 0, None), [10014; 2]);
    assert_eq!(code(send(far, t, b"x")), 10054);
}

#[test]
fn a_stream_that_would_have_to_wait_does_not() {
    let scene = Scene::documented();
    let client = &scene.client;
    let (s, t) = scene.connected();
    // A ring's worth at the peer and more than SO_SNDBUF here.
    let data = vec![7; 300_000];
    assert_eq!(send(client, s, &data), Ok(data.len()));
    scene.run(100);
    let before = scene.seconds();
    assert_eq!(refused(client, s, 0, None), [10014; 2]);
    assert_eq!(scene.seconds(), before);
    client.set_nonblocking(s, true).unwrap();
    assert_eq!(code(send(client, s, b"x")), 10035);
    assert_eq!(refused(client, s, 0, None), [10014; 2]);
    client.closesocket(s).unwrap();
    let mut buffer = vec![0; 300_001];
    assert_eq!(scene.server.recv(t, (&mut buffer[..]).into(), 0x8), Ok(data.len()));
}

#[test]
fn a_datagram_leaves_its_socket_unbound() {
    let scene = Scene::documented();
    let client = &scene.client;
    let s = udp(client);
    let (mut name, mut len) = ([0; 16], 16);
    // No bad flag, name, address or length goes before it.
    let names = ["10.0.0.2:5000", "10.0.0.2:0", "255.255.255.255:9", "203.0.113.1:9"];
    for (flags, to) in [(MSG_OOB, names[0])].into_iter().chain(names.map(|name| (0, name))) {
        assert_eq!(refused(client, s, flags, Some(to)), [10014; 2], "{to}");
        assert_eq!(code(client.getsockname(s, (&mut name).into(), Some(&mut len))), 10022);
    }
    let long = [WsaBuf { len: 70_000, buf: Memory::Unreadable }];
    let to = sockaddr(address("10.0.0.2:5000"));
    let (list, mut sent) = (Arg::Value(&long[..]), 77);
    let result = client.wsa_send_to(s, list, Some(&mut sent), 0, to.memory(), to.len());
    assert_eq!((code(result), sent), (10014, 77));
    // Nor do bad control messages.
    for control in [&[][..], &[1; 3]] {
        let message = WsaMsg {
            name: to.memory(),
            namelen: to.len(),
            buffers: Arg::Value(LISTS[1]),
            control: WsaBuf::new(control),
        };
        let result = client.wsa_send_msg(s, Arg::Value(&message), 0, Some(&mut sent));
        assert_eq!((code(result), sent), (10014, 77));
    }
    assert_eq!(code(client.getsockname(s, (&mut name).into(), Some(&mut len))), 10022);
}
