//! WSASend, WSASendTo, WSARecv, WSARecvFrom: lists of buffers, counts and flags.

use wsa::engine::stepped::as_thread;
use wsa::{Arg, MAX_BUFFERS, Memory, MemoryMut, SocketHandle, WsaBuf, WsaBufMut, sockaddr};

use super::scene::*;

const MSG_PEEK: i32 = 0x2;
const MSG_WAITALL: i32 = 0x8;
const MSG_PUSH_IMMEDIATE: i32 = 0x20;
const MSG_PARTIAL: i32 = 0x8000;

/// WSASend of these pieces: the code and lpNumberOfBytesSent, 77 before.
fn wsa_send(process: &Wsa, s: SocketHandle, pieces: &[&[u8]]) -> (i32, u32) {
    let list: Vec<_> = pieces.iter().map(|piece| WsaBuf::new(piece)).collect();
    send_list(process, s, Arg::Value(&list))
}

fn send_list(process: &Wsa, s: SocketHandle, list: Arg<&[WsaBuf<'_>]>) -> (i32, u32) {
    let mut sent = 77;
    let result = process.wsa_send(s, list, Some(&mut sent), 0);
    (code(result), sent)
}

/// What WSARecv gave.
#[derive(Debug, PartialEq)]
struct Received {
    code: i32,
    /// lpNumberOfBytesRecvd, 77 before.
    bytes: u32,
    /// lpFlags.
    flags: i32,
    /// What is in each buffer, `.` where nothing was written.
    buffers: Vec<String>,
}

/// WSARecv into buffers of these sizes.
fn wsa_recv(process: &Wsa, s: SocketHandle, sizes: &[usize], flags: i32) -> Received {
    let mut rooms: Vec<_> = sizes.iter().map(|&size| vec![b'.'; size]).collect();
    let mut list: Vec<_> = rooms.iter_mut().map(|room| WsaBufMut::new(room)).collect();
    let (mut bytes, mut flags) = (77, flags);
    let (count, all) = (Some(&mut bytes), Arg::Value(&mut list[..]));
    let code = code(process.wsa_recv(s, all, count, Some(&mut flags)));
    let lengths: Vec<_> = list.iter().map(|buffer| buffer.len as usize).collect();
    assert_eq!(lengths, sizes, "a receive leaves the lengths of the list alone");
    let buffers = rooms.into_iter().map(|room| String::from_utf8(room).unwrap()).collect();
    Received { code, bytes, flags, buffers }
}

fn got(bytes: u32, buffers: &[&str]) -> Received {
    let buffers = buffers.iter().map(ToString::to_string).collect();
    Received { code: 0, bytes, flags: 0, buffers }
}

#[test]
fn a_list_is_gathered_from_and_scattered_to_a_stream() {
    let scene = Scene::documented();
    let (s, t) = scene.connected();
    assert_eq!(wsa_send(&scene.client, s, &[b"to", b"", b"get", b"her"]), (0, 8));
    scene.run(10);
    assert_eq!(
        wsa_recv(&scene.server, t, &[1, 0, 4, 9], 0),
        got(8, &["t", "", "oget", "her......"])
    );
}

#[test]
fn a_list_on_a_stream_is_one_send_that_is_taken_whole() {
    let scene = Scene::documented();
    let (client, server) = (&scene.client, &scene.server);
    let (s, t) = scene.connected();
    client.set_nonblocking(s, true).unwrap();
    // The first ends within the ring of 65,536 bytes, the second reaches beyond it.
    let (first, second, third) = (vec![1; 60_000], vec![2; 60_000], vec![3; 60_000]);
    assert_eq!(wsa_send(client, s, &[&first, &second, &third]), (0, 180_000));
    assert_eq!(wsa_send(client, s, &[b"x"]), (10035, 77));
    client.closesocket(s).unwrap();
    let mut buffer = vec![0; 180_001];
    assert_eq!(server.recv(t, MemoryMut::Bytes(&mut buffer), MSG_WAITALL), Ok(180_000));
    assert!(buffer[..180_000] == [first, second, third].concat());
}

#[test]
fn a_datagram_is_the_concatenation_of_its_buffers() {
    let scene = Scene::documented();
    let (client, server) = (&scene.client, &scene.server);
    let (s, t) = (udp(client), udp(server));
    bind(server, t, "10.0.0.2:5000").unwrap();
    let name = sockaddr(address("10.0.0.2:5000"));
    let list = [WsaBuf::new(b"one "), WsaBuf::default(), WsaBuf::new(b"datagram")];
    let mut sent = 0;
    let (all, count) = (Arg::Value(&list[..]), Some(&mut sent));
    client.wsa_send_to(s, all, count, 0, name.memory(), name.len()).unwrap();
    assert_eq!(sent, 12);
    scene.run(10);
    let (mut front, mut back, mut from, mut fromlen) = ([0; 5], [0; 20], [0; 16], 16);
    let mut rooms = [WsaBufMut::new(&mut front), WsaBufMut::new(&mut back)];
    let (mut bytes, mut flags) = (0, MSG_PARTIAL);
    server
        .wsa_recv_from(
            t,
            Arg::Value(&mut rooms),
            Some(&mut bytes),
            Some(&mut flags),
            (&mut from).into(),
            Some(&mut fromlen),
        )
        .unwrap();
    assert_eq!((bytes, flags, fromlen), (12, 0, 16));
    assert_eq!((&front, &back[..7]), (b"one d", &b"atagram"[..]));
    assert_eq!(from[4..8], [10, 0, 0, 1]);
    // The same over the default peer, and the longest that fits a packet of the loopback.
    connect(client, s, "10.0.0.1:9").unwrap();
    let (half, more) = (vec![0; 32_754], vec![0; 32_755]);
    assert_eq!(wsa_send(client, s, &[&half, &half[1..]]), (0, 65_507));
    assert_eq!(wsa_send(client, s, &[&half, &more]), (10040, 77));
    assert_eq!(wsa_send(client, s, &[b"", b""]), (0, 0));
}

#[test]
fn on_a_stream_the_lists_with_names_ignore_them() {
    let scene = Scene::documented();
    let (s, t) = scene.connected();
    let name = sockaddr(address("192.0.2.9:9"));
    let mut count = 0;
    let list = [WsaBuf::new(b"hello")];
    let sent = Arg::Value(&list[..]);
    scene.client.wsa_send_to(s, sent, Some(&mut count), 0, name.memory(), name.len()).unwrap();
    assert_eq!(count, 5);
    let (mut buffer, mut from, mut fromlen, mut flags) = ([0; 8], [0xEE; 16], 3, 0);
    let mut rooms = [WsaBufMut::new(&mut buffer)];
    let (rooms, count, flags) = (Arg::Value(&mut rooms[..]), Some(&mut count), Some(&mut flags));
    let name = Some(&mut fromlen);
    scene.server.wsa_recv_from(t, rooms, count, flags, (&mut from).into(), name).unwrap();
    assert_eq!((from, fromlen), ([0xEE; 16], 3));
}

#[test]
fn what_is_wrong_with_a_list_and_in_which_order() {
    let scene = Scene::documented();
    let client = &scene.client;
    let (s, t) = scene.connected();
    let good = WsaBuf::new(b"good");
    let bad = WsaBuf { len: 1, buf: Memory::Null };
    let short = WsaBuf { len: 5, buf: b"four".into() };
    let huge = WsaBuf { len: u32::MAX, buf: Memory::Unreadable };
    let (most, more) = (vec![WsaBuf::default(); MAX_BUFFERS], vec![good; MAX_BUFFERS + 1]);
    let rows: [(&str, Arg<&[WsaBuf<'_>]>, i32); 9] = [
        ("no list", Arg::Null, 10014),
        ("an unreadable list", Arg::Unreadable, 10014),
        ("an empty list", Arg::Value(&[]), 10022),
        ("a bad first buffer", Arg::Value(&[bad, good]), 10014),
        ("a bad last buffer", Arg::Value(&[good, good, bad]), 10014),
        ("a buffer that is partly readable", Arg::Value(&[good, short]), 10014),
        ("as many bytes as a DWORD counts", Arg::Value(&[huge]), 10014),
        ("one more", Arg::Value(&[good, huge]), 10022),
        ("too many buffers", Arg::Value(&more), 10022),
    ];
    for (what, list, expected) in rows {
        assert_eq!(send_list(client, s, list), (expected, 77), "{what}");
        // A bad handle goes before all of it, a missing count before the list.
        assert_eq!(send_list(client, SocketHandle::INVALID, list), (10038, 77), "{what}");
        assert_eq!(code(client.wsa_send(s, list, None, 0)), 10014, "{what}");
    }
    assert_eq!(send_list(client, s, Arg::Value(&most)), (0, 0));
    let nothing = WsaBuf { len: 0, buf: Memory::Unreadable };
    assert_eq!(send_list(client, s, Arg::Value(&[nothing, good])), (0, 4));
    scene.run(100);
    // Of all these calls one has sent something.
    assert_eq!(recv(&scene.server, t).unwrap(), b"good");
}

#[test]
fn what_is_wrong_with_a_list_of_rooms_takes_nothing() {
    let scene = Scene::documented();
    let server = &scene.server;
    let (s, t) = scene.connected();
    send(&scene.client, s, b"abc").unwrap();
    scene.run(10);
    let mut room = [0; 4];
    for (expected, wrong) in [
        (10014, Some(WsaBufMut { len: 1, buf: MemoryMut::Null })),
        (10014, Some(WsaBufMut { len: 1, buf: MemoryMut::Unwritable })),
        (10022, Some(WsaBufMut { len: u32::MAX, buf: MemoryMut::Null })),
        (10022, None),
    ] {
        // Behind a good buffer, or no buffer at all.
        let good = wrong.is_some().then(|| WsaBufMut::new(&mut room));
        let mut list: Vec<_> = good.into_iter().chain(wrong).collect();
        let (mut bytes, mut flags) = (77, MSG_PEEK);
        let (count, all) = (Some(&mut bytes), Arg::Value(&mut list[..]));
        let result = server.wsa_recv(t, all, count, Some(&mut flags));
        assert_eq!((code(result), bytes, flags), (expected, 77, MSG_PEEK));
        let invalid = SocketHandle::INVALID;
        let (count, all) = (Some(&mut bytes), Arg::Value(&mut list[..]));
        assert_eq!(code(server.wsa_recv(invalid, all, count, Some(&mut flags))), 10038);
    }
    // Without lpNumberOfBytesRecvd, without lpFlags, without both; the handle goes first.
    let mut list = [WsaBufMut::new(&mut room)];
    for (bytes, flags) in [(false, true), (true, false), (false, false)] {
        for (handle, expected) in [(t, 10014), (SocketHandle::INVALID, 10038)] {
            let (mut count, mut in_out) = (77, 0);
            let count = Some(&mut count).filter(|_| bytes);
            let in_out = Some(&mut in_out).filter(|_| flags);
            let result = server.wsa_recv(handle, Arg::Value(&mut list), count, in_out);
            assert_eq!(code(result), expected);
        }
    }
    assert_eq!(wsa_recv(server, t, &[4], 0), got(3, &["abc."]));
}

#[test]
fn the_flags_of_a_receive() {
    let scene = Scene::documented();
    let (client, server) = (&scene.client, &scene.server);
    let (s, t) = scene.connected();
    let datagrams = udp(server);
    bind(server, datagrams, "10.0.0.2:5000").unwrap();
    let sender = udp(client);
    connect(client, sender, "10.0.0.2:5000").unwrap();
    let nonblocking = {
        let listening = scene.listen(4001);
        let near = tcp(client);
        connect(client, near, "10.0.0.2:4001").unwrap();
        let far = accept(server, listening).unwrap();
        send(client, near, b"abc").unwrap();
        server.set_nonblocking(far, true).unwrap();
        far
    };
    for _ in 0..9 {
        send(client, s, b"abc").unwrap();
        send(client, sender, b"abc").unwrap();
    }
    scene.run(10);
    // On a blocking stream, a non-blocking one, a datagram socket.
    let rows = [
        (0, [0, 0, 0]),
        (MSG_PEEK, [0, 0, 0]),
        (MSG_WAITALL, [0, 10045, 10045]),
        (MSG_WAITALL | MSG_PEEK, [10045, 10045, 10045]),
        (MSG_PUSH_IMMEDIATE, [0, 0, 10045]),
        (MSG_PARTIAL, [10045, 10045, 0]),
        (MSG_WAITALL | MSG_PARTIAL, [10045, 10045, 10045]),
        (0x1, [10022, 10022, 10045]),
        (0x4, [10045, 10045, 10045]),
        (0x4000, [10045, 10045, 10045]),
    ];
    for (flags, expected) in rows {
        // Small enough that there is always something left.
        let codes = [(t, 1), (nonblocking, 1), (datagrams, 3)].map(|(socket, room)| {
            let received = wsa_recv(server, socket, &[room], flags);
            if received.code != 0 {
                // What is refused leaves its arguments alone.
                assert_eq!((received.bytes, received.flags), (77, flags), "{flags:#x}");
                assert_eq!(received.buffers, [".".repeat(room)], "{flags:#x}");
            } else {
                assert_eq!(received.flags, 0, "{flags:#x}");
            }
            received.code
        });
        assert_eq!(codes, expected, "{flags:#x}");
    }
}

#[test]
fn the_flags_of_a_send() {
    let scene = Scene::documented();
    let client = &scene.client;
    let (s, _t) = scene.connected();
    let datagrams = udp(client);
    connect(client, datagrams, "10.0.0.2:5000").unwrap();
    let list = [WsaBuf::new(b"x")];
    for (flags, expected) in
        [(0, 0), (0x4, 0), (0x1, 10045), (MSG_PEEK, 10045), (MSG_PARTIAL, 10045)]
    {
        for socket in [s, datagrams] {
            let mut sent = 77;
            let result = client.wsa_send(socket, Arg::Value(&list), Some(&mut sent), flags);
            assert_eq!(code(result), expected, "{flags:#x}");
            assert_eq!(sent, if expected == 0 { 1 } else { 77 }, "{flags:#x}");
        }
    }
}

#[test]
fn a_datagram_longer_than_its_buffers_fills_them_and_the_rest_is_lost() {
    let scene = Scene::documented();
    let (client, server) = (&scene.client, &scene.server);
    let (s, t) = (udp(client), udp(server));
    bind(server, t, "10.0.0.2:5000").unwrap();
    connect(client, s, "10.0.0.2:5000").unwrap();
    for _ in 0..3 {
        send(client, s, b"truncated").unwrap();
    }
    send(client, s, b"next").unwrap();
    scene.run(10);
    let cut = |buffers: [&str; 2]| Received { code: 10040, flags: MSG_PARTIAL, ..got(8, &buffers) };
    // A peek sees the same and takes nothing.
    assert_eq!(wsa_recv(server, t, &[3, 5], MSG_PEEK), cut(["tru", "ncate"]));
    assert_eq!(wsa_recv(server, t, &[3, 5], 0), cut(["tru", "ncate"]));
    // One more byte of room is enough.
    assert_eq!(wsa_recv(server, t, &[3, 6], 0), got(9, &["tru", "ncated"]));
    // recvfrom fills the name as well.
    let (mut buffer, mut from, mut len) = ([0; 4], [0; 16], 16);
    let (room, name) = ((&mut buffer).into(), (&mut from).into());
    assert_eq!(code(server.recvfrom(t, room, 0, name, Some(&mut len))), 10040);
    assert_eq!((&buffer, &from[4..8], len), (b"trun", &[10, 0, 0, 1][..], 16));
    assert_eq!(recv(server, t).unwrap(), b"next");
}

#[test]
fn a_list_without_room_waits_until_something_is_there() {
    let scene = Scene::documented();
    let (client, server) = (scene.client.clone(), &scene.server);
    let (s, t) = scene.connected();
    let start = scene.seconds();
    scene.at(2000, move |_| assert_eq!(send(&client, s, b"x").unwrap(), 1));
    assert_eq!(wsa_recv(server, t, &[0], 0), got(0, &[""]));
    assert!(start < 2.0 && scene.seconds() >= 2.0);
    assert_eq!(wsa_recv(server, t, &[0, 0], MSG_WAITALL), got(0, &["", ""]));
    assert_eq!(recv(server, t).unwrap(), b"x");
    server.set_nonblocking(t, true).unwrap();
    assert_eq!(wsa_recv(server, t, &[0], 0).code, 10035);
    scene.client.set_option(s, 0xFFFF, 0x80, 1).unwrap();
    scene.client.closesocket(s).unwrap();
    scene.run(10);
    assert_eq!(wsa_recv(server, t, &[0], 0).code, 10054);
}

#[test]
fn a_send_without_bytes_waits_until_a_send_would_be_taken() {
    let scene = Scene::documented();
    let (client, server) = (&scene.client, &scene.server);
    let (s, t) = scene.connected();
    client.set_nonblocking(s, true).unwrap();
    assert_eq!(wsa_send(client, s, &[b""]), (0, 0));
    assert_eq!(send(client, s, &[0; 300_000]), Ok(300_000));
    assert_eq!(wsa_send(client, s, &[b""]), (10035, 77));
    client.closesocket(s).unwrap();
    // It was no part of the stream.
    let mut buffer = vec![0; 300_001];
    assert_eq!(server.recv(t, MemoryMut::Bytes(&mut buffer), MSG_WAITALL), Ok(300_000));
}

#[test]
fn a_peek_into_several_buffers_sees_what_a_receive_then_gets() {
    let scene = Scene::documented();
    let (client, server) = (&scene.client, &scene.server);
    let (s, t) = scene.connected();
    // The ring of 65,536 bytes begins anew within what is looked at.
    assert_eq!(send(client, s, &[b'-'; 65_530]), Ok(65_530));
    let mut skipped = vec![0; 65_530];
    assert_eq!(server.recv(t, MemoryMut::Bytes(&mut skipped), MSG_WAITALL), Ok(65_530));
    assert_eq!(send(client, s, b"0123456789abcdef"), Ok(16));
    scene.run(100);
    let expected = || got(16, &["01", "", "2345678", "9abcdef....."]);
    for flags in [MSG_PEEK, MSG_PEEK, 0] {
        assert_eq!(wsa_recv(server, t, &[2, 0, 7, 12], flags), expected());
    }
}

#[test]
fn a_filling_receive_that_something_ends_gives_what_it_got() {
    // What comes after three of six bytes, and what the next receive says of it.
    type End = fn(&Scene, SocketHandle, SocketHandle);
    let fin: End = |scene, s, _| scene.client.shutdown(s, 1).unwrap();
    let reset: End = |scene, s, _| {
        scene.client.set_option(s, 0xFFFF, 0x80, 1).unwrap();
        scene.client.closesocket(s).unwrap();
    };
    let shut: End = |scene, _, t| as_thread(9, || scene.server.shutdown(t, 0).unwrap());
    let closed: End = |scene, _, t| as_thread(9, || scene.server.closesocket(t).unwrap());
    let nothing: End = |_, _, _| {};
    for (end, then) in [(fin, 0), (reset, 10054), (shut, 10058), (closed, 10038), (nothing, 10060)]
    {
        let scene = Scene::documented();
        let (s, t) = scene.connected();
        scene.server.set_option(t, 0xFFFF, 0x1006, 5000).unwrap();
        send(&scene.client, s, b"abc").unwrap();
        let (client, server) = (scene.client.clone(), scene.server.clone());
        let world = scene.world.clone();
        scene.at(1000, move |_| end(&Scene { world, client, server }, s, t));
        let received = wsa_recv(&scene.server, t, &[2, 4], MSG_WAITALL);
        assert_eq!(received, got(3, &["ab", "c..."]), "{then}");
        let next = wsa_recv(&scene.server, t, &[2, 4], MSG_WAITALL);
        assert_eq!((next.code, next.buffers), (then, vec!["..".into(), "....".into()]));
    }
}
