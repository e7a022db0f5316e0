//! The checks of a connect: each alone, and each against its neighbors.

use std::sync::Arc;

use wsa::{Arg, BlockingHook, FlowSpec, Memory, Qos, SocketHandle, WsaBuf, WsaBufMut, sockaddr};

use super::scene::*;

/// WSAConnect with everything that can be wrong, and the length of the callee data afterwards.
struct Call<'m> {
    s: SocketHandle,
    name: Memory<'m>,
    namelen: i32,
    caller: Arg<WsaBuf<'m>>,
    callee: Callee,
    sqos: Arg<Qos<'m>>,
    gqos: Arg<Qos<'m>>,
}

#[derive(Clone, Copy)]
enum Callee {
    Absent,
    Unreadable,
    NullBuffer(u32),
    Room,
}

impl<'m> Call<'m> {
    fn new(s: SocketHandle, name: &'m wsa::address::Encoded) -> Self {
        Self {
            s,
            name: name.memory(),
            namelen: name.len(),
            caller: Arg::Null,
            callee: Callee::Absent,
            sqos: Arg::Null,
            gqos: Arg::Null,
        }
    }

    /// The code, and what became of the callee data's length, 7 before.
    fn run(self, process: &Wsa) -> (i32, u32) {
        let mut bytes = [0; 7];
        let mut room = match self.callee {
            Callee::NullBuffer(len) => WsaBufMut { len, buf: wsa::MemoryMut::Null },
            _ => WsaBufMut::new(&mut bytes),
        };
        let callee = match self.callee {
            Callee::Absent => Arg::Null,
            Callee::Unreadable => Arg::Unreadable,
            Callee::NullBuffer(_) | Callee::Room => Arg::Value(&mut room),
        };
        let result = process.wsa_connect(
            self.s,
            self.name,
            self.namelen,
            self.caller,
            callee,
            self.sqos,
            self.gqos,
        );
        (code(result), room.len)
    }
}

fn live() -> wsa::address::Encoded {
    sockaddr(address("10.0.0.2:4000"))
}

fn guaranteed() -> Qos<'static> {
    Qos { sending: FlowSpec::of_type(3), ..Qos::BEST_EFFORT }
}

#[test]
fn row_1_nothing_works_before_wsastartup_and_nothing_else_is_reported() {
    let scene = Scene::unstarted(wsa::Profile::DOCUMENTED);
    let client = &scene.client;
    assert_eq!(code(client.connect(SocketHandle::INVALID, Memory::Null, -1)), 10093);
    assert_eq!(client.wsa_get_last_error(), 10093);
}

#[test]
fn row_2_inside_a_blocking_hook_of_a_1_1_process_comes_before_the_handle() {
    let scene = Scene::version_1_1();
    let client = scene.client.clone();
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let (inside, log) = (client.clone(), seen.clone());
    let hook = move || {
        log.lock().unwrap().push(code(inside.connect(SocketHandle::INVALID, Memory::Null, -1)));
        false
    };
    client.wsa_set_blocking_hook(BlockingHook::new(hook)).unwrap();
    assert_eq!(code(connect(&client, tcp(&client), SILENT)), 10060);
    let seen = seen.lock().unwrap();
    assert!(!seen.is_empty());
    assert!(seen.iter().all(|code| *code == 10036));
}

#[test]
fn row_1_comes_before_row_2() {
    let scene = Scene::version_1_1();
    let client = scene.client.clone();
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let (inside, log) = (client.clone(), seen.clone());
    let hook = move || {
        // Another thread of the process cleans up while this one waits.
        wsa::engine::stepped::as_thread(2, || _ = inside.wsa_cleanup());
        log.lock().unwrap().push(code(connect(&inside, SocketHandle::INVALID, SILENT)));
        false
    };
    client.wsa_set_blocking_hook(BlockingHook::new(hook)).unwrap();
    assert_eq!(code(connect(&client, tcp(&client), SILENT)), 10004);
    assert_eq!(seen.lock().unwrap()[0], 10093);
}

#[test]
fn row_3_a_bad_handle_beats_bad_pointers() {
    let scene = Scene::documented();
    let client = &scene.client;
    let closed = tcp(client);
    client.closesocket(closed).unwrap();
    for s in [
        SocketHandle::INVALID,
        SocketHandle::from_raw(0),
        SocketHandle::from_raw(3),
        SocketHandle::from_raw(0x1234_5678),
        closed,
    ] {
        assert_eq!(code(client.connect(s, Memory::Null, -1)), 10038, "{s:?}");
        assert_eq!(code(client.connect(s, Memory::Unreadable, 16)), 10038, "{s:?}");
    }
}

#[test]
fn row_4_a_name_that_cannot_be_read() {
    let scene = Scene::documented();
    let client = &scene.client;
    let name = live();
    let s = tcp(client);
    for (name, namelen) in [
        (Memory::Null, 16),
        (Memory::Null, 0),
        (Memory::Unreadable, 16),
        (name.memory(), 15),
        (name.memory(), 0),
        (name.memory(), -1),
        (Memory::Bytes(&[2, 0, 0, 80]), 16),
    ] {
        assert_eq!(code(client.connect(s, name, namelen)), 10014, "{name:?} {namelen}");
    }
}

#[test]
fn row_4_the_length_is_judged_by_the_socket_and_beats_the_family() {
    let scene = Scene::documented();
    let client = &scene.client;
    let s = tcp6(client);
    let v4 = live();
    assert_eq!(code(client.connect(s, v4.memory(), 16)), 10014);
    // sockaddr_in6 as it was before it had a scope.
    let v6 = sockaddr(address("[fd00::2]:4000"));
    assert_eq!(code(client.connect(s, v6.memory(), 24)), 10014);
}

#[test]
fn row_4_a_longer_name_is_accepted_and_its_tail_ignored() {
    let scene = Scene::documented();
    scene.listen(4000);
    let mut storage = [0xEE; 128];
    storage[..16].copy_from_slice(live().as_ref());
    let s = tcp(&scene.client);
    assert_eq!(code(scene.client.connect(s, Memory::Bytes(&storage), 128)), 0);
}

#[test]
fn row_4_data_and_qos_that_cannot_be_read() {
    let scene = Scene::documented();
    let client = &scene.client;
    let s = tcp(client);
    let name = live();
    let long = [0; 1025];
    for caller in [
        Arg::Unreadable,
        Arg::Value(WsaBuf { len: 1, buf: Memory::Null }),
        Arg::Value(WsaBuf { len: 1, buf: Memory::Unreadable }),
        Arg::Value(WsaBuf { len: 4, buf: Memory::Bytes(b"abc") }),
        Arg::Value(WsaBuf::new(&long)),
    ] {
        let call = Call { caller, ..Call::new(s, &name) };
        assert_eq!(call.run(client).0, 10014, "{caller:?}");
    }
    for callee in [Callee::Unreadable, Callee::NullBuffer(1)] {
        let call = Call { callee, ..Call::new(s, &name) };
        assert_eq!(call.run(client).0, 10014);
    }
    let objects = Qos { provider_specific: WsaBuf { len: 8, buf: Memory::Null }, ..guaranteed() };
    for sqos in [Arg::Unreadable, Arg::Value(objects)] {
        let call = Call { sqos, ..Call::new(s, &name) };
        assert_eq!(call.run(client).0, 10014, "{sqos:?}");
    }
}

#[test]
fn rows_4_and_5_a_bad_name_or_bad_data_beats_a_groups_qos() {
    let scene = Scene::documented();
    let client = &scene.client;
    let s = tcp(client);
    let name = live();
    let group = Arg::Value(Qos::BEST_EFFORT);
    let call = Call { name: Memory::Null, gqos: group, ..Call::new(s, &name) };
    assert_eq!(call.run(client).0, 10014);
    let call = Call { caller: Arg::Unreadable, gqos: group, ..Call::new(s, &name) };
    assert_eq!(call.run(client).0, 10014);
    let call = Call { gqos: group, ..Call::new(s, &name) };
    assert_eq!(call.run(client).0, 10022);
    let call = Call { gqos: Arg::Unreadable, ..Call::new(s, &name) };
    assert_eq!(call.run(client).0, 10022);
}

#[test]
fn row_5_beats_the_state_of_the_socket() {
    let scene = Scene::documented();
    let (s, _) = scene.connected();
    let name = live();
    let call = Call { gqos: Arg::Value(Qos::BEST_EFFORT), ..Call::new(s, &name) };
    assert_eq!(call.run(&scene.client).0, 10022);
    let s = tcp_nonblocking(&scene.client);
    assert_eq!(code(connect(&scene.client, s, SILENT)), 10035);
    let call = Call { gqos: Arg::Value(Qos::BEST_EFFORT), ..Call::new(s, &name) };
    assert_eq!(call.run(&scene.client).0, 10022);
    // And that of a datagram socket, which is to lose its peer.
    let zero = Call { name: Memory::Bytes(&[0; 16]), ..Call::new(udp(&scene.client), &name) };
    let call = Call { gqos: Arg::Value(Qos::BEST_EFFORT), ..zero };
    assert_eq!(call.run(&scene.client).0, 10022);
}

#[test]
fn rows_6_to_8_the_state_of_a_stream_beats_its_names_family() {
    let scene = Scene::documented();
    let client = &scene.client;
    let other = Memory::Bytes(&[23, 0, 0, 80, 10, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0]);
    let (connected, _) = scene.connected();
    let connecting = tcp_nonblocking(client);
    assert_eq!(code(connect(client, connecting, SILENT)), 10035);
    let listening = listener(client, "0.0.0.0:0");
    for (s, expected) in [(listening, 10022), (connecting, 10037), (connected, 10056)] {
        assert_eq!(code(client.connect(s, other, 16)), expected);
    }
}

#[test]
fn row_6_a_listener_cannot_connect_even_to_itself() {
    let scene = Scene::documented();
    let listening = listener(&scene.client, "127.0.0.1:80");
    assert_eq!(code(connect(&scene.client, listening, "127.0.0.1:80")), 10022);
    // The state comes before what is wrong with the name.
    assert_eq!(code(connect(&scene.client, listening, "0.0.0.0:0")), 10022);
}

#[test]
fn row_7_an_attempt_under_way_is_left_alone() {
    let scene = Scene::documented();
    let client = &scene.client;
    scene.listen(4000);
    let s = tcp_nonblocking(client);
    assert_eq!(code(connect(client, s, "10.0.0.2:4000")), 10035);
    assert_eq!(code(connect(client, s, "10.0.0.2:4000")), 10037);
    assert_eq!(code(connect(client, s, "0.0.0.0:0")), 10037);
    scene.run(100);
    assert_eq!(code(send(client, s, b"x")), 0);
}

#[test]
fn row_7_a_process_that_ever_negotiated_1_1_is_told_so_otherwise() {
    let scene = Scene::documented();
    let client = &scene.client;
    assert_eq!(client.wsa_startup(0x0101).0, 0);
    client.wsa_cleanup().unwrap();
    let s = tcp_nonblocking(client);
    assert_eq!(code(connect(client, s, SILENT)), 10035);
    assert_eq!(code(connect(client, s, SILENT)), 10022);
}

#[test]
fn row_8_connected_is_connected_for_good() {
    let scene = Scene::documented();
    let (s, t) = scene.connected();
    assert_eq!(code(connect(&scene.client, s, "10.0.0.2:4000")), 10056);
    assert_eq!(code(connect(&scene.server, t, "10.0.0.1:4000")), 10056);
    // The state comes before what is wrong with the name.
    assert_eq!(code(connect(&scene.client, s, "0.0.0.0:0")), 10056);
    for how in [0, 1, 2] {
        scene.client.shutdown(s, how).unwrap();
        scene.server.shutdown(t, how).unwrap();
    }
    scene.run(1000);
    assert_eq!(code(connect(&scene.client, s, "10.0.0.2:4000")), 10056);
    assert_eq!(code(connect(&scene.server, t, "10.0.0.1:4000")), 10056);
}

#[test]
fn row_8_also_after_the_peers_reset() {
    let scene = Scene::documented();
    let (s, t) = scene.connected();
    let reset = [1, 0, 0, 0];
    scene.server.setsockopt(t, 0xFFFF, 0x80, Memory::Bytes(&reset), 4).unwrap();
    scene.server.closesocket(t).unwrap();
    scene.run(100);
    assert_eq!(code(recv(&scene.client, s)), 10054);
    assert_eq!(code(connect(&scene.client, s, "10.0.0.2:4000")), 10056);
}

#[test]
fn row_9_an_all_zero_name_ends_an_association_before_its_family_is_judged() {
    let scene = Scene::documented();
    let client = &scene.client;
    let s = udp(client);
    connect(client, s, "10.0.0.2:53").unwrap();
    assert_eq!(code(client.connect(s, Memory::Bytes(&[0; 16]), 16)), 0);
    assert_eq!(code(client.peer_name(s)), 10057);
    let s = udp6(client);
    connect(client, s, "[fd00::2]:53").unwrap();
    assert_eq!(code(client.connect(s, Memory::Bytes(&[0; 16]), 16)), 0);
    assert_eq!(code(client.peer_name(s)), 10057);
    connect(client, s, "[fd00::2]:53").unwrap();
    assert_eq!(code(client.connect(s, Memory::Bytes(&[0; 28]), 28)), 0);
    assert_eq!(code(client.peer_name(s)), 10057);
}

#[test]
fn row_10_another_family() {
    let scene = Scene::documented();
    let client = &scene.client;
    let mut name = [0; 28];
    name[..16].copy_from_slice(live().as_ref());
    for family in [0xDEAD_u16, 23, 17] {
        name[..2].copy_from_slice(&family.to_ne_bytes());
        assert_eq!(code(client.connect(tcp(client), Memory::Bytes(&name), 28)), 10047);
        assert_eq!(code(client.connect(udp(client), Memory::Bytes(&name), 28)), 10047);
    }
    name[..2].copy_from_slice(&2_u16.to_ne_bytes());
    assert_eq!(code(client.connect(tcp6(client), Memory::Bytes(&name), 28)), 10047);
    assert_eq!(code(client.connect(udp6(client), Memory::Bytes(&name), 28)), 10047);
}

#[test]
fn row_10_beats_an_unusable_address() {
    let scene = Scene::documented();
    let client = &scene.client;
    let mut name = [0; 16];
    name[..2].copy_from_slice(&23_u16.to_ne_bytes());
    // The address and the port are zero.
    assert_eq!(code(client.connect(tcp(client), Memory::Bytes(&name), 16)), 10047);
    assert_eq!(code(client.connect(udp(client), Memory::Bytes(&name), 16)), 10047);
}

#[test]
fn row_11_beats_the_broadcast_rule() {
    let scene = Scene::documented();
    assert_eq!(code(connect(&scene.client, udp(&scene.client), "255.255.255.255:0")), 10049);
}

#[test]
fn row_11_beats_qos_and_data() {
    let scene = Scene::documented();
    let name = sockaddr(address("10.0.0.2:0"));
    let s = tcp(&scene.client);
    let call = Call {
        sqos: Arg::Value(guaranteed()),
        caller: Arg::Value(WsaBuf::new(b"hello")),
        ..Call::new(s, &name)
    };
    assert_eq!(call.run(&scene.client).0, 10049);
}

#[test]
fn row_12_broadcast_without_permission_beats_qos() {
    let scene = Scene::documented();
    let name = sockaddr(address("10.0.0.255:53"));
    let s = udp(&scene.client);
    let call = Call { sqos: Arg::Value(guaranteed()), ..Call::new(s, &name) };
    assert_eq!(call.run(&scene.client).0, 10013);
}

#[test]
fn row_13_qos_beats_data() {
    let scene = Scene::documented();
    let name = live();
    let s = tcp(&scene.client);
    let call = Call {
        sqos: Arg::Value(guaranteed()),
        caller: Arg::Value(WsaBuf::new(b"hello")),
        ..Call::new(s, &name)
    };
    assert_eq!(call.run(&scene.client).0, 10045);
}

#[test]
fn row_14_caller_data_beats_the_route() {
    let scene = Scene::documented();
    let nowhere = sockaddr(address("8.8.8.8:80"));
    let s = tcp(&scene.client);
    let caller = Arg::Value(WsaBuf::new(b"hello"));
    let call = Call { caller, ..Call::new(s, &nowhere) };
    assert_eq!(call.run(&scene.client).0, 10043);
    assert_eq!(Call::new(s, &nowhere).run(&scene.client).0, 10051);
}

#[test]
fn rows_15_and_16_are_one_step_and_leave_nothing_bound() {
    let scene = Scene::documented();
    let client = &scene.client;
    let s = tcp_nonblocking(client);
    assert_eq!(code(connect(client, s, "8.8.8.8:80")), 10051);
    assert_eq!(code(client.local_name(s)), 10022);
    let s = udp(client);
    assert_eq!(code(connect(client, s, "8.8.8.8:80")), 10051);
    assert_eq!(code(client.local_name(s)), 10022);
    let s = tcp6(client);
    assert_eq!(code(connect(client, s, "[2001:db8::1]:80")), 10051);
    assert_eq!(code(client.local_name(s)), 10022);
}

#[test]
fn row_15_the_same_four_tuple_again_is_in_use() {
    let scene = Scene::documented();
    let client = &scene.client;
    scene.listen(4000);
    let reusing = || {
        let s = tcp(client);
        client.set_option(s, 0xFFFF, 4, 1).unwrap();
        bind(client, s, "0.0.0.0:5000").unwrap();
        s
    };
    let (first, second) = (reusing(), reusing());
    connect(client, first, "10.0.0.2:4000").unwrap();
    assert_eq!(code(connect(client, second, "10.0.0.2:4000")), 10048);
    // Bound as before, to the wildcard.
    assert_eq!(client.local_name(second).unwrap().to_string(), "0.0.0.0:5000");
    assert_eq!(code(connect(client, second, "10.0.0.2:4001")), 10061);
}

#[test]
fn row_15_a_wildcard_bind_meets_a_clash_only_when_it_becomes_concrete() {
    let scene = Scene::documented();
    let client = &scene.client;
    let (holder, s) = (tcp(client), tcp(client));
    bind(client, holder, "10.0.0.1:5000").unwrap();
    bind(client, s, "0.0.0.0:5000").unwrap();
    assert_eq!(code(connect(client, s, "10.0.0.2:4000")), 10048);
    assert_eq!(client.local_name(s).unwrap().to_string(), "0.0.0.0:5000");
    client.closesocket(holder).unwrap();
    assert_eq!(code(connect(client, s, "10.0.0.2:4000")), 10061);
}

#[test]
fn row_15_an_exclusive_use_in_the_way_is_denied() {
    let scene = Scene::documented();
    let client = &scene.client;
    let (holder, s) = (tcp(client), tcp(client));
    client.set_option(s, 0xFFFF, 4, 1).unwrap();
    bind(client, s, "0.0.0.0:5000").unwrap();
    bind(client, holder, "10.0.0.1:5000").unwrap();
    // A plain bind of the concrete address does not let itself be shared.
    assert_eq!(code(connect(client, s, "10.0.0.2:4000")), 10013);
    assert_eq!(client.local_name(s).unwrap().to_string(), "0.0.0.0:5000");
}

#[test]
fn row_15_no_ports_left() {
    let scene = Scene::documented();
    let client = &scene.client;
    for _ in 49152..=65535 {
        bind(client, tcp(client), "0.0.0.0:0").unwrap();
    }
    let s = tcp(client);
    assert_eq!(code(connect(client, s, "10.0.0.2:4000")), 10055);
    assert_eq!(code(client.local_name(s)), 10022);
}

#[test]
fn row_17_callee_data_gets_no_bytes_whatever_the_wire_says() {
    let scene = Scene::documented();
    let client = &scene.client;
    scene.listen(4000);
    let room = |s, name| Call { callee: Callee::Room, ..Call::new(s, name) };
    let (open, shut) = (live(), sockaddr(address("10.0.0.2:81")));
    assert_eq!(room(tcp(client), &open).run(client), (0, 0));
    assert_eq!(room(tcp(client), &shut).run(client), (10061, 0));
    assert_eq!(room(tcp_nonblocking(client), &open).run(client), (10035, 0));
    assert_eq!(room(udp(client), &open).run(client), (0, 0));
}

#[test]
fn a_refused_argument_leaves_callee_data_and_socket_alone() {
    let scene = Scene::documented();
    let client = &scene.client;
    let s = tcp(client);
    let name = live();
    let room = || Call { callee: Callee::Room, ..Call::new(s, &name) };
    let nowhere = sockaddr(address("8.8.8.8:80"));
    let zero = sockaddr(address("0.0.0.0:80"));
    let calls = [
        (Call { name: Memory::Null, ..room() }, 10014),
        (Call { gqos: Arg::Value(Qos::BEST_EFFORT), ..room() }, 10022),
        (Call { name: zero.memory(), ..room() }, 10049),
        (Call { sqos: Arg::Value(guaranteed()), ..room() }, 10045),
        (Call { caller: Arg::Value(WsaBuf::new(b"x")), ..room() }, 10043),
        (Call { name: nowhere.memory(), ..room() }, 10051),
    ];
    for (call, expected) in calls {
        assert_eq!(call.run(client), (expected, 7));
        assert_eq!(client.wsa_get_last_error(), expected);
        assert_eq!(code(client.local_name(s)), 10022);
    }
}

#[test]
fn success_writes_zero_into_the_last_error() {
    let scene = Scene::documented();
    scene.listen(4000);
    scene.client.wsa_set_last_error(4711);
    assert_eq!(scene.client.wsa_get_last_error(), 4711);
    connect(&scene.client, tcp(&scene.client), "10.0.0.2:4000").unwrap();
    assert_eq!(scene.client.wsa_get_last_error(), 0);
}
