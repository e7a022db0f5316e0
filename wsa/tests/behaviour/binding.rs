//! bind: which names a socket may have, and beside whom.

use wsa::{Memory, SocketHandle};

use super::scene::*;

const SOL_SOCKET: i32 = 0xFFFF;
const SO_REUSEADDR: i32 = 4;
const SO_EXCLUSIVEADDRUSE: i32 = -5;

type Make = fn(&Wsa) -> SocketHandle;

/// How a socket asks for its port.
#[derive(Debug, Clone, Copy)]
enum Sharing {
    Default,
    Reuse,
    Exclusive,
}

use Sharing::{Default, Exclusive, Reuse};

fn share(process: &Wsa, s: SocketHandle, sharing: Sharing) {
    match sharing {
        Default => {}
        Reuse => process.set_option(s, SOL_SOCKET, SO_REUSEADDR, 1).unwrap(),
        Exclusive => process.set_option(s, SOL_SOCKET, SO_EXCLUSIVEADDRUSE, 1).unwrap(),
    }
}

/// The code of the second of two binds.
fn second(make: Make, first: (&str, Sharing), then: (&str, Sharing)) -> i32 {
    let scene = Scene::documented();
    let process = &scene.client;
    let (one, other) = (make(process), make(process));
    share(process, one, first.1);
    share(process, other, then.1);
    bind(process, one, first.0).unwrap();
    code(bind(process, other, then.0))
}

/// The documented table of SO_REUSEADDR and SO_EXCLUSIVEADDRUSE: who is bound, and what a second
/// bind gets to the wildcard and to the address, for each of the three ways to ask.
#[test]
fn two_sockets_on_one_port() {
    let rows = [
        ("any", Default, [10048, 0, 10013, 0, 10048, 0]),
        ("one", Default, [0, 10048, 0, 10013, 10048, 10048]),
        ("any", Reuse, [10048, 0, 0, 0, 10048, 0]),
        ("one", Reuse, [0, 10048, 0, 0, 10048, 10048]),
        ("any", Exclusive, [10048, 10013, 10013, 10013, 10048, 10013]),
        ("one", Exclusive, [0, 10048, 0, 10013, 10048, 10048]),
    ];
    let kinds: [(Make, &str, &str); 4] = [
        (tcp, "0.0.0.0:5000", "10.0.0.1:5000"),
        (udp, "0.0.0.0:5000", "10.0.0.1:5000"),
        (tcp6, "[::]:5000", "[fd00::1]:5000"),
        (udp6, "[::]:5000", "[fd00::1]:5000"),
    ];
    for (make, any, one) in kinds {
        let name = |which| if which == "any" { any } else { one };
        for (held, sharing, expected) in rows {
            let found = [Default, Reuse, Exclusive]
                .map(|then| {
                    [any, one].map(|wanted| second(make, (name(held), sharing), (wanted, then)))
                })
                .concat();
            assert_eq!(found, expected, "{} {sharing:?}", name(held));
        }
    }
}

#[test]
fn sockets_of_other_addresses_families_and_types_do_not_meet() {
    for sharing in [Default, Reuse, Exclusive] {
        let scene = Scene::documented();
        let process = &scene.client;
        for (make, name) in [
            (tcp as Make, "10.0.0.1:5000"),
            (tcp, "127.0.0.1:5000"),
            (tcp, "10.0.0.1:5001"),
            (udp, "10.0.0.1:5000"),
            (tcp6, "[fd00::1]:5000"),
            (tcp6, "[::1]:5000"),
            (udp6, "[fd00::1]:5000"),
        ] {
            let s = make(process);
            share(process, s, sharing);
            assert_eq!(code(bind(process, s, name)), 0, "{name} {sharing:?}");
        }
    }
}

/// A dual socket's wildcard against wildcards and addresses of both families, either first.
#[test]
fn a_dual_wildcard_meets_both_families() {
    fn dual(process: &Wsa) -> SocketHandle {
        let s = tcp6(process);
        process.set_option(s, 41, 27, 0).unwrap();
        s
    }
    for (make, name, dual_first, dual_second) in [
        (tcp as Make, "0.0.0.0:5000", 10048, 10048),
        (tcp, "10.0.0.1:5000", 0, 0),
        (tcp6, "[::]:5000", 10048, 10048),
        (tcp6, "[fd00::1]:5000", 0, 0),
        (dual, "[::]:5000", 10048, 10048),
        (dual, "[::ffff:10.0.0.1]:5000", 0, 0),
        (dual, "[::ffff:0.0.0.0]:5000", 10048, 10048),
    ] {
        let scene = Scene::documented();
        let process = &scene.client;
        bind(process, dual(process), "[::]:5000").unwrap();
        assert_eq!(code(bind(process, make(process), name)), dual_first, "{name} second");
        bind(process, make(process), &name.replace("5000", "5001")).unwrap();
        let found = bind(process, dual(process), "[::]:5001");
        assert_eq!(code(found), dual_second, "{name} first");
    }
    // A socket of IPv6 alone leaves the other family to others.
    let scene = Scene::documented();
    bind(&scene.client, tcp6(&scene.client), "[::]:5000").unwrap();
    assert_eq!(code(bind(&scene.client, tcp(&scene.client), "0.0.0.0:5000")), 0);
}

/// A name as bytes: a family, port 5000, an address.
fn raw(family: u16, len: usize, address: &[u8]) -> Vec<u8> {
    let mut name = vec![0; len.max(28)];
    name[..2].copy_from_slice(&family.to_ne_bytes());
    name[2..4].copy_from_slice(&5000u16.to_be_bytes());
    let at = if family == 23 { 8 } else { 4 };
    name[at..at + address.len()].copy_from_slice(address);
    name
}

#[test]
fn the_name_is_judged_before_the_port_is_asked_for() {
    let own4 = &[10, 0, 0, 1][..];
    let own6 = "fd00::1".parse::<std::net::Ipv6Addr>().unwrap().octets();
    let rows: [(Make, u16, i32, &[u8], i32); 15] = [
        (tcp, 2, 16, own4, 0),
        (tcp, 2, 28, own4, 0),
        (tcp, 2, 15, own4, 10014),
        (tcp, 2, 0, own4, 10014),
        (tcp, 2, -1, own4, 10014),
        (tcp, 0xDEAD, 16, own4, 10047),
        (tcp, 0, 16, own4, 10047),
        (tcp, 23, 28, &own6, 10047),
        (tcp, 2, 16, &[10, 0, 0, 2], 10049),
        (udp, 2, 16, &[192, 0, 2, 1], 10049),
        (tcp6, 23, 28, &own6, 0),
        (tcp6, 23, 27, &own6, 10014),
        // Length before family; the structure of an older header is too short as well.
        (tcp6, 2, 16, own4, 10014),
        (tcp6, 23, 24, &own6, 10014),
        (udp6, 2, 28, own4, 10047),
    ];
    for (make, family, len, address, expected) in rows {
        let scene = Scene::documented();
        let process = &scene.client;
        let s = make(process);
        let name = raw(family, usize::try_from(len).unwrap_or(0), address);
        let found = code(process.bind(s, Memory::Bytes(&name), len));
        assert_eq!(found, expected, "family {family}, length {len}, {address:?}");
        // What was refused has left the socket as it was.
        assert_eq!(code(process.local_name(s)), if expected == 0 { 0 } else { 10022 });
    }
    let scene = Scene::documented();
    let s = tcp(&scene.client);
    for memory in [Memory::Null, Memory::Unreadable, Memory::Bytes(&[2, 0, 0])] {
        assert_eq!(code(scene.client.bind(s, memory, 16)), 10014);
    }
    assert_eq!(code(scene.client.bind(SocketHandle::INVALID, Memory::Null, 0)), 10038);
}

#[test]
fn a_socket_is_bound_once() {
    let scene = Scene::documented();
    let process = &scene.client;
    for make in [tcp, udp] {
        let s = make(process);
        bind(process, s, "0.0.0.0:0").unwrap();
        let name = process.local_name(s).unwrap();
        assert_eq!(code(bind(process, s, "0.0.0.0:5000")), 10022);
        // Also by connect and sendto.
        assert_eq!(process.local_name(s).unwrap(), name);
    }
    let s = udp(process);
    connect(process, s, "10.0.0.2:53").unwrap();
    assert_eq!(code(bind(process, s, "0.0.0.0:5000")), 10022);
    let s = tcp_nonblocking(process);
    assert_eq!(code(connect(process, s, SILENT)), 10035);
    assert_eq!(code(bind(process, s, "0.0.0.0:5000")), 10022);
}

#[test]
fn a_port_is_free_again_when_its_socket_is_closed() {
    for sharing in [Default, Reuse, Exclusive] {
        let scene = Scene::documented();
        let process = &scene.client;
        for _ in 0..2 {
            let s = tcp(process);
            share(process, s, sharing);
            bind(process, s, "0.0.0.0:5000").unwrap();
            process.listen(s, 5).unwrap();
            process.closesocket(s).unwrap();
        }
    }
}

/// A server that is restarted: its connections may still live, or rest in TIME-WAIT.
#[test]
fn connections_and_time_wait_keep_only_exclusive_sockets_off_a_port() {
    for (sharing, alive, time_wait) in [(Default, 0, 0), (Reuse, 0, 0), (Exclusive, 10048, 0)] {
        let scene = Scene::documented();
        let server = &scene.server;
        let bound = || {
            let s = tcp(server);
            share(server, s, sharing);
            (bind(server, s, "0.0.0.0:80"), s)
        };
        let (first, listening) = bound();
        first.unwrap();
        server.listen(listening, 5).unwrap();
        let s = tcp(&scene.client);
        connect(&scene.client, s, "10.0.0.2:80").unwrap();
        let accepted = accept(server, listening).unwrap();
        server.closesocket(listening).unwrap();
        let (again, second) = bound();
        assert_eq!(code(again), alive, "{sharing:?}, connected");
        server.closesocket(second).unwrap();
        // The server's side closes first, so that it is the one in TIME-WAIT.
        server.closesocket(accepted).unwrap();
        scene.run(10);
        scene.client.closesocket(s).unwrap();
        scene.run(1000);
        assert_eq!(code(bound().0), time_wait, "{sharing:?}, TIME-WAIT");
    }
}

#[test]
fn a_four_tuple_in_time_wait_is_in_use_for_a_connect() {
    let scene = Scene::documented();
    let client = &scene.client;
    let listening = scene.listen(80);
    let connected = || {
        let s = tcp(client);
        bind(client, s, "10.0.0.1:5000").unwrap();
        (connect(client, s, "10.0.0.2:80"), s)
    };
    let (first, s) = connected();
    first.unwrap();
    let accepted = accept(&scene.server, listening).unwrap();
    client.closesocket(s).unwrap();
    scene.run(10);
    scene.server.closesocket(accepted).unwrap();
    scene.run(1000);
    // bind is free to have the port, connect is not to have the peer.
    let (again, s) = connected();
    assert_eq!(code(again), 10048);
    scene.run(60_000);
    assert_eq!(code(connect(client, s, "10.0.0.2:80")), 0);
}

#[test]
fn the_most_specific_socket_gets_what_arrives() {
    let scene = Scene::documented();
    let server = &scene.server;
    let dual = tcp6(server);
    server.set_option(dual, 41, 27, 0).unwrap();
    share(server, dual, Reuse);
    bind(server, dual, "[::]:80").unwrap();
    let any = tcp(server);
    share(server, any, Reuse);
    bind(server, any, "0.0.0.0:80").unwrap();
    let one = tcp(server);
    bind(server, one, "10.0.0.2:80").unwrap();
    let all = [one, any, dual];
    for s in all {
        server.listen(s, 5).unwrap();
        server.set_nonblocking(s, true).unwrap();
    }
    let taker = |name: &str| {
        let s = if name.starts_with('[') { tcp6(&scene.client) } else { tcp(&scene.client) };
        connect(&scene.client, s, name).unwrap();
        scene.run(10);
        all.map(|s| code(accept(server, s)))
    };
    assert_eq!(taker("10.0.0.2:80"), [0, 10035, 10035]);
    assert_eq!(taker("[fd00::2]:80"), [10035, 10035, 0]);
    server.closesocket(one).unwrap();
    let taker = |name: &str| {
        connect(&scene.client, tcp(&scene.client), name).unwrap();
        scene.run(10);
        [any, dual].map(|s| code(accept(server, s)))
    };
    assert_eq!(taker("10.0.0.2:80"), [0, 10035]);
}

#[test]
fn whoever_listens_last_with_reuse_steals_the_connections() {
    let scene = Scene::documented();
    let server = &scene.server;
    let listeners = [0, 1].map(|_| {
        let s = tcp(server);
        share(server, s, Reuse);
        bind(server, s, "0.0.0.0:80").unwrap();
        server.set_nonblocking(s, true).unwrap();
        s
    });
    // What counts is listen, not bind.
    for s in [listeners[1], listeners[0]] {
        server.listen(s, 5).unwrap();
    }
    let taker = || {
        connect(&scene.client, tcp(&scene.client), "10.0.0.2:80").unwrap();
        scene.run(10);
        listeners.map(|s| code(accept(server, s)))
    };
    assert_eq!(taker(), [0, 10035]);
    server.closesocket(listeners[0]).unwrap();
    assert_eq!(taker(), [10038, 0]);
}

#[test]
fn an_ephemeral_port_never_steals() {
    let scene = Scene::documented();
    let process = &scene.client;
    let mut ports = std::collections::BTreeSet::new();
    for _ in 0..1000 {
        let s = udp(process);
        share(process, s, Reuse);
        bind(process, s, "0.0.0.0:0").unwrap();
        ports.insert(process.local_name(s).unwrap().port);
    }
    assert_eq!(ports.len(), 1000);
    assert!(ports.iter().all(|port| (49_152..=65_535).contains(port)));
}

#[test]
fn options_about_ports_are_set_before_bind() {
    let scene = Scene::documented();
    let process = &scene.client;
    let s = udp(process);
    for option in [0x3005, 0x3006] {
        process.set_option(s, SOL_SOCKET, option, 1).unwrap();
        assert_eq!(process.option(s, SOL_SOCKET, option), Ok(1));
    }
    bind(process, s, "0.0.0.0:0").unwrap();
    for option in [0x3005, 0x3006, SO_EXCLUSIVEADDRUSE] {
        assert_eq!(code(process.set_option(s, SOL_SOCKET, option, 0)), 10022, "{option:#x}");
    }
    for option in [0x3007, 0x3008] {
        assert_eq!(code(process.option(s, SOL_SOCKET, option)), 10042, "{option:#x}");
        assert_eq!(code(process.set_option(s, SOL_SOCKET, option, 1)), 10042, "{option:#x}");
    }
}
