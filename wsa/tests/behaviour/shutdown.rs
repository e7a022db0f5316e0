//! shutdown in every combination, on both ends, with and without data under way.

use tapsock_stack::event::CauseKind;
use wsa::{Arg, Memory, MemoryMut, SocketHandle, WsaBuf, WsaBufMut};

use super::scene::*;

const RECEIVE: i32 = 0;
const SEND: i32 = 1;
const BOTH: i32 = 2;
const MSG_WAITALL: i32 = 0x8;

fn nonblocking(scene: &Scene) -> (SocketHandle, SocketHandle) {
    let (s, t) = scene.connected();
    scene.client.set_nonblocking(s, true).unwrap();
    scene.server.set_nonblocking(t, true).unwrap();
    (s, t)
}

/// 0 for the end of the stream, else a code.
fn hears(process: &Wsa, s: SocketHandle) -> i32 {
    match recv(process, s) {
        Ok(bytes) => {
            assert_eq!(bytes, b"", "nothing was sent");
            0
        }
        Err(error) => error.code(),
    }
}

fn frames(process: &Wsa) -> u64 {
    process.engine().host().with(|stack, _| stack.counters().frames_out)
}

fn resets(process: &Wsa) -> u64 {
    process.engine().host().with(|stack, _| stack.counters().unread_resets)
}

#[test]
fn each_direction_of_each_end_in_each_order() {
    // What this end and the other one shut down; then what this end's recv and send give, and
    // those of the other. Nothing but FINs is on its way.
    let rows = [
        (RECEIVE, RECEIVE, [10058, 0], [10058, 0]),
        (RECEIVE, SEND, [10058, 0], [10035, 10058]),
        (RECEIVE, BOTH, [10058, 0], [10058, 10058]),
        (SEND, RECEIVE, [10035, 10058], [10058, 0]),
        (SEND, SEND, [0, 10058], [0, 10058]),
        (SEND, BOTH, [0, 10058], [10058, 10058]),
        (BOTH, RECEIVE, [10058, 10058], [10058, 0]),
        (BOTH, SEND, [10058, 10058], [0, 10058]),
        (BOTH, BOTH, [10058, 10058], [10058, 10058]),
    ];
    for (this, other, near, far) in rows {
        for client_first in [true, false] {
            for settled in [true, false] {
                let scene = Scene::windows();
                let (client, server) = (&scene.client, &scene.server);
                let (s, t) = nonblocking(&scene);
                let calls = [(client, s, this), (server, t, other)];
                let order = if client_first { [0, 1] } else { [1, 0] };
                for (process, socket, how) in order.map(|which| calls[which]) {
                    process.shutdown(socket, how).unwrap();
                    // One FIN arrives before the other leaves, or both cross.
                    scene.run(if settled { 100 } else { 0 });
                }
                scene.run(100);
                let what = (this, other, client_first, settled);
                let outcome =
                    |process, socket| [hears(process, socket), code(send(process, socket, b"x"))];
                assert_eq!(outcome(client, s), near, "{what:?}");
                assert_eq!(outcome(server, t), far, "{what:?}");
                // Names stay, nothing is connected anew, and repeating it is no error.
                assert_eq!(client.peer_name(s).unwrap().to_string(), "10.0.0.2:4000");
                assert_eq!(code(connect(client, s, "10.0.0.2:4000")), 10056, "{what:?}");
                assert_eq!(code(client.shutdown(s, this)), 0, "{what:?}");
                assert_eq!((resets(client), resets(server)), (0, 0), "{what:?}");
            }
        }
    }
}

#[test]
fn a_fin_follows_the_last_byte_and_not_sooner() {
    for how in [SEND, BOTH] {
        let scene = Scene::documented();
        let (client, server) = (&scene.client, &scene.server);
        let (s, t) = scene.connected();
        // More than the peer's window of 65,536 and the ring of as much.
        assert_eq!(send(client, s, &[7; 200_000]).unwrap(), 200_000);
        client.shutdown(s, how).unwrap();
        assert_eq!(code(send(client, s, b"x")), 10058);
        scene.run(1000);
        let mut buffer = vec![0; 199_999];
        assert_eq!(server.recv(t, MemoryMut::Bytes(&mut buffer), MSG_WAITALL), Ok(199_999));
        scene.run(1000);
        assert_eq!(recv(server, t).unwrap(), [7]);
        assert_eq!(recv(server, t).unwrap(), b"");
        assert_eq!(recv(server, t).unwrap(), b"", "again");
    }
}

#[test]
fn without_data_a_fin_leaves_at_once_and_only_for_the_sending_direction() {
    let scene = Scene::documented();
    let (client, server) = (&scene.client, &scene.server);
    let (s, t) = nonblocking(&scene);
    scene.run(1000);
    let before = frames(client);
    for how in [3, -1] {
        assert_eq!(code(client.shutdown(s, how)), 10022);
    }
    client.shutdown(s, RECEIVE).unwrap();
    scene.run(1000);
    assert_eq!(frames(client), before, "a receive shutdown is silent");
    assert_eq!(hears(server, t), 10035);
    client.shutdown(s, SEND).unwrap();
    scene.run(1);
    assert_eq!(frames(client), before + 1);
    assert_eq!(hears(server, t), 0);
    for how in [SEND, BOTH, SEND] {
        client.shutdown(s, how).unwrap();
    }
    scene.run(1000);
    assert_eq!(frames(client), before + 1, "there is one FIN");
}

#[test]
fn a_half_closed_connection_carries_data_the_other_way_whoever_began() {
    let scene = Scene::documented();
    let (client, server) = (&scene.client, &scene.server);
    for client_begins in [true, false] {
        let (s, t) = scene.connected();
        let ends = [(client, s), (server, t)];
        let [(from, near), (to, far)] = if client_begins { ends } else { [ends[1], ends[0]] };
        from.shutdown(near, SEND).unwrap();
        assert_eq!(recv(to, far).unwrap(), b"");
        assert_eq!(send(to, far, &[5; 200_000]).unwrap(), 200_000);
        to.shutdown(far, SEND).unwrap();
        let mut buffer = vec![0; 200_001];
        assert_eq!(from.recv(near, MemoryMut::Bytes(&mut buffer), MSG_WAITALL), Ok(200_000));
        from.closesocket(near).unwrap();
        to.closesocket(far).unwrap();
        scene.run(100);
        assert_eq!((resets(client), resets(server)), (0, 0));
    }
}

#[test]
fn data_after_a_receive_shutdown_resets_the_connection_as_documented() {
    for (how, unread) in [(RECEIVE, true), (RECEIVE, false), (BOTH, true), (BOTH, false)] {
        let scene = Scene::documented();
        let (client, server) = (&scene.client, &scene.server);
        let (s, t) = nonblocking(&scene);
        if unread {
            send(server, t, b"too late").unwrap();
            scene.run(100);
        }
        client.shutdown(s, how).unwrap();
        if !unread {
            scene.run(100);
            assert_eq!(resets(client), 0, "only data resets");
            send(server, t, b"too late").unwrap();
        }
        scene.run(100);
        let what = (how, unread);
        assert_eq!(resets(client), 1, "{what:?}");
        // The direction first, then the connection.
        assert_eq!(code(recv(client, s)), 10058, "{what:?}");
        assert_eq!(code(send(client, s, b"x")), if how == BOTH { 10058 } else { 10053 });
        assert_eq!(client.cause(s).unwrap().kind, CauseKind::Aborted);
        assert_eq!(code(recv(server, t)), 10054, "{what:?}");
        assert_eq!(code(send(server, t, b"x")), 10054, "{what:?}");
    }
}

#[test]
fn data_after_a_receive_shutdown_is_kept_for_nobody_on_windows() {
    for how in [RECEIVE, BOTH] {
        let scene = Scene::windows();
        let (client, server) = (&scene.client, &scene.server);
        let (s, t) = nonblocking(&scene);
        send(server, t, b"unread").unwrap();
        scene.run(100);
        client.shutdown(s, how).unwrap();
        send(server, t, b"late").unwrap();
        scene.run(100);
        assert_eq!(code(recv(client, s)), 10058);
        assert_eq!(code(send(server, t, b"later")), 0);
        assert_eq!((resets(client), resets(server)), (0, 0));
        // The close tells the peer, as nobody will ever read it.
        client.closesocket(s).unwrap();
        scene.run(100);
        assert_eq!(code(recv(server, t)), 10054);
    }
}

#[test]
fn a_receive_that_waits_ends_with_the_shutdown_of_another_thread() {
    for (how, expected) in [(RECEIVE, 10058), (BOTH, 10058)] {
        let scene = Scene::documented();
        let (s, _t) = scene.connected();
        let client = scene.client.clone();
        scene.at(500, move |_| {
            wsa::engine::stepped::as_thread(9, || client.shutdown(s, how).unwrap());
        });
        assert_eq!(code(recv(&scene.client, s)), expected);
        assert!((scene.seconds() - 0.5).abs() < 0.001);
    }
}

#[test]
fn a_send_that_waits_ends_with_the_shutdown_of_another_thread() {
    let scene = Scene::documented();
    let (s, t) = scene.connected();
    assert_eq!(send(&scene.client, s, &[1; 300_000]), Ok(300_000));
    let client = scene.client.clone();
    scene.at(500, move |_| {
        wsa::engine::stepped::as_thread(9, || client.shutdown(s, SEND).unwrap());
    });
    assert_eq!(code(send(&scene.client, s, b"never")), 10058);
    // What was taken before is delivered, what was refused is not.
    let mut buffer = vec![0; 300_001];
    assert_eq!(scene.server.recv(t, MemoryMut::Bytes(&mut buffer), MSG_WAITALL), Ok(300_000));
}

#[test]
fn a_datagram_socket_needs_no_peer_and_goes_on_queueing() {
    let scene = Scene::documented();
    let (client, server) = (&scene.client, &scene.server);
    let (s, t) = (udp(client), udp(server));
    bind(server, t, "10.0.0.2:5000").unwrap();
    connect(client, s, "10.0.0.2:5000").unwrap();
    server.shutdown(t, RECEIVE).unwrap();
    send(client, s, b"queued").unwrap();
    scene.run(10);
    assert_eq!(code(recv(server, t)), 10058);
    let waiting = server.engine().host().with(|stack, _| stack.counters().udp_unmatched);
    assert_eq!(waiting, 0, "no ICMP error is made of it");
    client.shutdown(s, SEND).unwrap();
    assert_eq!(code(send(client, s, b"x")), 10058);
    let (unbound, listening) = (udp(client), listener(client, "0.0.0.0:0"));
    for how in [RECEIVE, SEND, BOTH] {
        assert_eq!(code(client.shutdown(unbound, how)), 0);
        assert_eq!(code(client.shutdown(listening, how)), 10057);
        assert_eq!(code(client.shutdown(SocketHandle::INVALID, how)), 10038);
    }
    assert_eq!(code(client.shutdown(SocketHandle::INVALID, 3)), 10038);
    assert_eq!(code(client.shutdown(unbound, 3)), 10022);
}

#[test]
fn the_disconnects_shut_down_and_take_no_data() {
    let scene = Scene::documented();
    let (client, server) = (&scene.client, &scene.server);
    let (s, t) = scene.connected();
    let unconnected = tcp(client);
    let data = WsaBuf::new(b"bye");
    let bad = WsaBuf { len: 3, buf: Memory::Null };
    let rows = [
        (SocketHandle::INVALID, Arg::Unreadable, 10038),
        (s, Arg::Unreadable, 10014),
        (s, Arg::Value(bad), 10014),
        (s, Arg::Value(data), 10042),
        (unconnected, Arg::Value(data), 10042),
        (unconnected, Arg::Null, 10057),
    ];
    for (socket, data, expected) in rows {
        assert_eq!(code(client.wsa_send_disconnect(socket, data)), expected, "{data:?}");
        let mut room = [0; 3];
        let mut buffer = match data {
            Arg::Value(WsaBuf { buf: Memory::Null, .. }) => {
                WsaBufMut { len: 3, buf: MemoryMut::Unwritable }
            }
            _ => WsaBufMut::new(&mut room),
        };
        let room = match data {
            Arg::Null => Arg::Null,
            Arg::Unreadable => Arg::Unreadable,
            Arg::Value(_) => Arg::Value(&mut buffer),
        };
        assert_eq!(code(client.wsa_recv_disconnect(socket, room)), expected, "{data:?}");
    }
    // What was refused has closed nothing.
    send(server, t, b"still").unwrap();
    assert_eq!(recv(client, s).unwrap(), b"still");
    assert_eq!(code(send(client, s, b"open")), 0);
    assert_eq!(recv(server, t).unwrap(), b"open");

    client.wsa_send_disconnect(s, Arg::Value(WsaBuf::default())).unwrap();
    assert_eq!(code(send(client, s, b"x")), 10058);
    assert_eq!(recv(server, t).unwrap(), b"");
    client.wsa_recv_disconnect(s, Arg::Null).unwrap();
    assert_eq!(code(recv(client, s)), 10058);
    assert_eq!(code(client.wsa_send_disconnect(udp(client), Arg::Null)), 0);
}
