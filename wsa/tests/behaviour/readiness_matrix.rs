//! Every condition of a socket as each of the four mechanisms shows it.
//!
//! Conditions of out-of-band data are not there yet.

use tapsock_stack::time::Duration;

use wsa::memory::Arg;
use wsa::{EventHandle, FdSet, SocketHandle, WsaNetworkEvents, WsaPollFd};

use super::scene::*;

/// Events and their codes.
type Events = &'static [(i32, i32)];

/// A condition, how it comes about, and what is seen of it.
struct Row {
    condition: &'static str,
    /// Whose socket it is, and the socket.
    make: fn(&Scene) -> (Wsa, SocketHandle),
    /// In which of the three sets select leaves it.
    select: &'static str,
    /// What WSAPoll answers when everything is asked.
    poll: i16,
    /// What a first WSAEventSelect for everything records.
    recorded: Events,
    /// What WSAAsyncSelect for everything posts.
    posted: Events,
}

const READ: (i32, i32) = (0x01, 0);
const WRITE: (i32, i32) = (0x02, 0);
const ACCEPT: (i32, i32) = (0x08, 0);
const CONNECT: (i32, i32) = (0x10, 0);
const CLOSE: (i32, i32) = (0x20, 0);

fn select(process: &Wsa, s: SocketHandle) -> String {
    let (mut a, mut b, mut c) = ([s], [s], [s]);
    let (mut read, mut write, mut except) =
        (FdSet::of(&mut a), FdSet::of(&mut b), FdSet::of(&mut c));
    let sets = (Some(&mut read), Some(&mut write), Some(&mut except));
    let count = process.select(sets.0, sets.1, sets.2, Some(Duration::ZERO)).unwrap();
    let sets = [(&read, 'r'), (&write, 'w'), (&except, 'x')];
    let found: String =
        sets.into_iter().filter_map(|(set, name)| set.is_set(s).then_some(name)).collect();
    assert_eq!(count, found.len());
    found
}

fn poll(process: &Wsa, s: SocketHandle) -> i16 {
    let mut fds = [WsaPollFd::new(s, 0x310)];
    let count = process.wsa_poll(&mut fds, 0).unwrap();
    assert_eq!(count, usize::from(fds[0].revents != 0));
    fds[0].revents
}

fn recorded(process: &Wsa, s: SocketHandle) -> Vec<(i32, i32)> {
    let event = process.wsa_create_event().unwrap();
    process.wsa_event_select(s, event, 0x3FF).unwrap();
    let signalled = process.wait_for_single(event, 0).unwrap() == 0;
    let mut found = WsaNetworkEvents::default();
    process.wsa_enum_network_events(s, EventHandle::INVALID, Arg::Value(&mut found)).unwrap();
    assert_eq!(signalled, found.network_events != 0);
    let bits = (0..10).filter(|bit| found.network_events & (1 << bit) != 0);
    bits.map(|bit| (1 << bit, found.error_code[bit])).collect()
}

fn posted(process: &Wsa, s: SocketHandle) -> Vec<(i32, i32)> {
    process.wsa_async_select(s, 1, 1, 0x3FF).unwrap();
    std::iter::from_fn(|| process.next_message())
        .map(|message| (message.event, message.error))
        .collect()
}

/// Each row in a scene of its own, twice, so that looking changes nothing.
fn check(scene: fn() -> Scene, rows: &[Row]) {
    for row in rows {
        let scene = scene();
        let (process, s) = (row.make)(&scene);
        scene.run(100);
        for _ in 0..2 {
            assert_eq!(select(&process, s), row.select, "{}: select", row.condition);
            assert_eq!(poll(&process, s), row.poll, "{}: WSAPoll", row.condition);
        }
        assert_eq!(recorded(&process, s), row.recorded, "{}: WSAEventSelect", row.condition);
        assert_eq!(posted(&process, s), row.posted, "{}: WSAAsyncSelect", row.condition);
        assert_eq!(select(&process, s), row.select, "{}: select afterwards", row.condition);
    }
}

fn attempt(scene: &Scene, name: &str, expected: i32) -> (Wsa, SocketHandle) {
    let s = tcp_nonblocking(&scene.client);
    assert_eq!(code(connect(&scene.client, s, name)), expected);
    (scene.client.clone(), s)
}

/// The client's end of a connection of which `act` does something with both ends.
fn connection(
    scene: &Scene,
    act: impl FnOnce(&Wsa, SocketHandle, &Wsa, SocketHandle),
) -> (Wsa, SocketHandle) {
    let (s, t) = scene.connected();
    act(&scene.client, s, &scene.server, t);
    (scene.client.clone(), s)
}

fn reset(process: &Wsa, s: SocketHandle) {
    process.setsockopt(s, 0xFFFF, 0x80, (&[1, 0, 0, 0]).into(), 4).unwrap();
    process.closesocket(s).unwrap();
}

/// A datagram socket of the client, bound to 5000, to which `act` does something.
fn datagrams(scene: &Scene, act: impl FnOnce(&Wsa, SocketHandle)) -> (Wsa, SocketHandle) {
    let s = udp(&scene.client);
    bind(&scene.client, s, "0.0.0.0:5000").unwrap();
    act(&scene.client, s);
    (scene.client.clone(), s)
}

/// What both profiles have in common.
const COMMON: &[Row] = &[
    Row {
        condition: "a stream that never connected",
        make: |scene| (scene.client.clone(), tcp(&scene.client)),
        select: "",
        poll: 0,
        recorded: &[],
        posted: &[],
    },
    Row {
        condition: "an attempt that is pending",
        make: |scene| attempt(scene, SILENT, 10035),
        select: "",
        poll: 0,
        recorded: &[],
        posted: &[],
    },
    Row {
        condition: "an attempt that nobody answered",
        make: |scene| {
            let pending = attempt(scene, SILENT, 10035);
            scene.run(30_000);
            pending
        },
        select: "x",
        poll: 0x13,
        recorded: &[(0x10, 10060)],
        posted: &[],
    },
    Row {
        condition: "an attempt that was refused",
        make: |scene| {
            let pending = attempt(scene, "10.0.0.2:81", 10035);
            scene.run(3000);
            pending
        },
        select: "x",
        poll: 0x13,
        recorded: &[(0x10, 10061)],
        posted: &[],
    },
    Row {
        condition: "a blocking attempt that was refused",
        make: |scene| {
            let s = tcp(&scene.client);
            assert_eq!(code(connect(&scene.client, s, "10.0.0.2:81")), 10061);
            assert_eq!(scene.client.option(s, 0xFFFF, 0x1007).unwrap(), 0);
            (scene.client.clone(), s)
        },
        select: "x",
        poll: 0x13,
        recorded: &[(0x10, 10061)],
        posted: &[],
    },
    Row {
        condition: "an attempt after a refused one",
        make: |scene| {
            let (process, s) = attempt(scene, "10.0.0.2:81", 10035);
            scene.run(3000);
            assert_eq!(code(connect(&process, s, SILENT)), 10035);
            (process, s)
        },
        select: "",
        poll: 0,
        recorded: &[],
        posted: &[],
    },
    Row {
        condition: "a listener",
        make: |scene| (scene.server.clone(), scene.listen(4000)),
        select: "",
        poll: 0,
        recorded: &[],
        posted: &[],
    },
    Row {
        condition: "a listener for whom a connection waits",
        make: |scene| {
            let listening = scene.listen(4000);
            connect(&scene.client, tcp(&scene.client), "10.0.0.2:4000").unwrap();
            (scene.server.clone(), listening)
        },
        select: "r",
        poll: 0x100,
        recorded: &[ACCEPT],
        posted: &[ACCEPT],
    },
    Row {
        condition: "a listener whose attempt to connect was refused",
        make: |scene| {
            let s = tcp(&scene.client);
            bind(&scene.client, s, "0.0.0.0:6000").unwrap();
            assert_eq!(code(connect(&scene.client, s, "10.0.0.2:81")), 10061);
            scene.client.listen(s, 5).unwrap();
            (scene.client.clone(), s)
        },
        select: "x",
        poll: 0x13,
        recorded: &[(0x10, 10061)],
        posted: &[],
    },
    Row {
        condition: "a connection",
        make: |scene| connection(scene, |_, _, _, _| {}),
        select: "w",
        poll: 0x10,
        recorded: &[WRITE, CONNECT],
        posted: &[WRITE],
    },
    Row {
        condition: "an accepted connection",
        make: |scene| (scene.server.clone(), scene.connected().1),
        select: "w",
        poll: 0x10,
        recorded: &[WRITE],
        posted: &[WRITE],
    },
    Row {
        condition: "a connection with data",
        make: |scene| {
            connection(scene, |_, _, server, t| {
                send(server, t, b"x").unwrap();
            })
        },
        select: "rw",
        poll: 0x110,
        recorded: &[READ, WRITE, CONNECT],
        posted: &[WRITE, READ],
    },
    Row {
        condition: "a connection whose send buffer is full",
        make: |scene| {
            connection(scene, |client, s, _, _| {
                client.set_nonblocking(s, true).unwrap();
                while code(send(client, s, &[0; 65536])) == 0 {
                    scene.run(100);
                }
                assert_eq!(client.wsa_get_last_error(), 10035);
            })
        },
        select: "",
        poll: 0,
        recorded: &[CONNECT],
        posted: &[],
    },
    Row {
        condition: "the peer's FIN",
        make: |scene| connection(scene, |_, _, server, t| server.shutdown(t, 1).unwrap()),
        select: "rw",
        poll: 0x12,
        recorded: &[WRITE, CONNECT, CLOSE],
        posted: &[WRITE, CLOSE],
    },
    Row {
        condition: "the peer's FIN behind data that was read",
        make: |scene| {
            connection(scene, |client, s, server, t| {
                send(server, t, b"x").unwrap();
                server.closesocket(t).unwrap();
                assert_eq!(recv(client, s).unwrap(), b"x");
            })
        },
        select: "rw",
        poll: 0x12,
        recorded: &[WRITE, CONNECT, CLOSE],
        posted: &[WRITE, CLOSE],
    },
    Row {
        condition: "SD_RECEIVE",
        make: |scene| connection(scene, |client, s, _, _| client.shutdown(s, 0).unwrap()),
        select: "w",
        poll: 0x10,
        recorded: &[WRITE, CONNECT],
        posted: &[WRITE],
    },
    Row {
        condition: "SD_RECEIVE at the other end",
        make: |scene| connection(scene, |_, _, server, t| server.shutdown(t, 0).unwrap()),
        select: "w",
        poll: 0x10,
        recorded: &[WRITE, CONNECT],
        posted: &[WRITE],
    },
    Row {
        condition: "SD_BOTH and then the peer's FIN",
        make: |scene| {
            connection(scene, |client, s, server, t| {
                client.shutdown(s, 2).unwrap();
                scene.run(100);
                server.closesocket(t).unwrap();
            })
        },
        select: "rw",
        poll: 0x12,
        recorded: &[WRITE, CONNECT, CLOSE],
        posted: &[WRITE, CLOSE],
    },
    Row {
        condition: "a datagram socket",
        make: |scene| (scene.client.clone(), udp(&scene.client)),
        select: "w",
        poll: 0x10,
        recorded: &[],
        posted: &[WRITE],
    },
    Row {
        condition: "a bound datagram socket",
        make: |scene| datagrams(scene, |_, _| {}),
        select: "w",
        poll: 0x10,
        recorded: &[WRITE],
        posted: &[WRITE],
    },
    Row {
        condition: "a connected datagram socket",
        make: |scene| datagrams(scene, |client, s| connect(client, s, "10.0.0.2:5000").unwrap()),
        select: "w",
        poll: 0x10,
        recorded: &[WRITE, CONNECT],
        posted: &[WRITE],
    },
    Row {
        condition: "a datagram",
        make: |scene| {
            datagrams(scene, |_, _| {
                let name = wsa::sockaddr(address("10.0.0.1:5000"));
                let t = udp(&scene.server);
                // An empty one counts.
                scene.server.sendto(t, b"".into(), 0, name.memory(), name.len()).unwrap();
            })
        },
        select: "rw",
        poll: 0x110,
        recorded: &[READ, WRITE],
        posted: &[WRITE, READ],
    },
    Row {
        condition: "an error about a datagram",
        make: |scene| {
            datagrams(scene, |client, s| {
                connect(client, s, "10.0.0.2:99").unwrap();
                send(client, s, b"x").unwrap();
            })
        },
        select: "rw",
        poll: 0x110,
        recorded: &[READ, WRITE, CONNECT],
        posted: &[WRITE, READ],
    },
];

#[test]
fn documented_what_the_profiles_have_in_common() {
    check(Scene::documented, COMMON);
}

#[test]
fn windows_what_the_profiles_have_in_common() {
    check(Scene::windows, COMMON);
}

fn fin_and_data(scene: &Scene) -> (Wsa, SocketHandle) {
    connection(scene, |_, _, server, t| {
        send(server, t, b"x").unwrap();
        server.closesocket(t).unwrap();
    })
}

fn peers_reset(scene: &Scene) -> (Wsa, SocketHandle) {
    let (client, s) = connection(scene, |_, _, server, t| reset(server, t));
    scene.run(100);
    assert_eq!(client.option(s, 0xFFFF, 0x1007).unwrap(), 0);
    assert_eq!((code(recv(&client, s)), code(send(&client, s, b"x"))), (10054, 10054));
    (client, s)
}

#[test]
fn documented_where_the_profiles_differ() {
    check(
        Scene::documented,
        &[
            Row {
                condition: "the peer's FIN behind data",
                make: fin_and_data,
                select: "rw",
                poll: 0x112,
                recorded: &[READ, WRITE, CONNECT],
                posted: &[WRITE, READ],
            },
            Row {
                condition: "the peer's RST",
                make: peers_reset,
                select: "rw",
                poll: 0x13,
                recorded: &[CONNECT, (0x20, 10054)],
                posted: &[(0x20, 10054)],
            },
        ],
    );
}

#[test]
fn windows_where_the_profiles_differ() {
    check(
        Scene::windows,
        &[
            Row {
                condition: "the peer's FIN behind data",
                make: fin_and_data,
                select: "rw",
                poll: 0x112,
                recorded: &[READ, WRITE, CONNECT, CLOSE],
                posted: &[WRITE, READ, CLOSE],
            },
            Row {
                condition: "the peer's RST",
                make: peers_reset,
                select: "rw",
                poll: 0x13,
                recorded: &[CONNECT, (0x20, 10053)],
                posted: &[(0x20, 10053)],
            },
        ],
    );
}
