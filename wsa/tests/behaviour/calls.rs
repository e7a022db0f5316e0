//! Every call with handles that mean nothing, before startup, after cleanup, from another thread,
//! and where nothing may wait. Arguments besides the handle are as wrong as they can be, so that
//! each code also says what is judged first.

use std::sync::{Arc, Mutex};

use tapsock_stack::time::Duration;
use wsa::engine::stepped::as_thread;
use wsa::{
    Alertable, Arg, BlockingHook, EventHandle, EventKind, FdSet, Memory, MemoryMut, Profile,
    Signal, SocketHandle, WaitFor, WsaBufMut, WsaMsgMut, WsaPollFd,
};

use super::scene::*;

/// What a call is called, and its code.
type Codes = Vec<(&'static str, i32)>;

const NULL: Memory<'static> = Memory::Null;

/// Memory that a call would write.
fn null() -> MemoryMut<'static> {
    MemoryMut::Null
}

/// The code of a call, which is the thread's last error too: 0 after success.
#[track_caller]
fn told<T>(process: &Wsa, result: wsa::Result<T>) -> i32 {
    let code = code(result);
    assert_eq!(process.wsa_get_last_error(), code);
    code
}

/// select with this socket in one of the three sets.
fn select_in(process: &Wsa, s: SocketHandle, which: usize) -> i32 {
    let mut array = [s];
    let mut set = FdSet::of(&mut array);
    let mut sets = [None, None, None];
    sets[which] = Some(&mut set);
    let [read, write, except] = sets;
    told(process, process.select(read, write, except, Some(Duration::ZERO)))
}

/// Every call that takes a socket. closesocket comes last.
fn of_socket(process: &Wsa, s: SocketHandle) -> Codes {
    let group = Memory::Bytes(&[239, 1, 1, 1, 0, 0, 0]);
    vec![
        ("bind", told(process, process.bind(s, NULL, -1))),
        ("connect", told(process, process.connect(s, NULL, -1))),
        (
            "WSAConnect",
            told(
                process,
                process.wsa_connect(
                    s,
                    NULL,
                    -1,
                    Arg::Unreadable,
                    Arg::Unreadable,
                    Arg::Unreadable,
                    Arg::Unreadable,
                ),
            ),
        ),
        ("listen", told(process, process.listen(s, -1))),
        ("accept", told(process, process.accept(s, null(), None))),
        ("WSAAccept", told(process, process.wsa_accept(s, null(), None, None))),
        ("send", told(process, process.send(s, NULL, -1))),
        ("sendto", told(process, process.sendto(s, NULL, -1, Memory::Unreadable, -1))),
        ("recv", told(process, process.recv(s, null(), -1))),
        ("recvfrom", told(process, process.recvfrom(s, null(), -1, MemoryMut::Unwritable, None))),
        ("WSASend", told(process, process.wsa_send(s, Arg::Null, None, -1))),
        (
            "WSASendTo",
            told(process, process.wsa_send_to(s, Arg::Null, None, -1, Memory::Unreadable, -1)),
        ),
        ("WSARecv", told(process, process.wsa_recv(s, Arg::Null, None, None))),
        (
            "WSARecvFrom",
            told(
                process,
                process.wsa_recv_from(s, Arg::Null, None, None, MemoryMut::Unwritable, None),
            ),
        ),
        ("WSARecvMsg", told(process, process.wsa_recv_msg(s, Arg::Null, None))),
        ("WSASendMsg", told(process, process.wsa_send_msg(s, Arg::Null, -1, None))),
        ("shutdown", told(process, process.shutdown(s, -1))),
        ("WSASendDisconnect", told(process, process.wsa_send_disconnect(s, Arg::Unreadable))),
        ("WSARecvDisconnect", told(process, process.wsa_recv_disconnect(s, Arg::Unreadable))),
        ("getsockname", told(process, process.getsockname(s, null(), None))),
        ("getpeername", told(process, process.getpeername(s, null(), None))),
        ("getsockopt", told(process, process.getsockopt(s, -1, -1, null(), None))),
        ("setsockopt", told(process, process.setsockopt(s, -1, -1, NULL, -1))),
        ("IP_ADD_MEMBERSHIP", told(process, process.setsockopt(s, 0, 12, group, 7))),
        ("IP_DROP_MEMBERSHIP", told(process, process.setsockopt(s, 0, 13, group, 7))),
        ("IPV6_ADD_MEMBERSHIP", told(process, process.setsockopt(s, 41, 12, group, 7))),
        ("IPV6_DROP_MEMBERSHIP", told(process, process.setsockopt(s, 41, 13, group, 7))),
        ("ioctlsocket", told(process, process.ioctlsocket(s, 0, Arg::Null))),
        ("WSAIoctl", told(process, process.wsa_ioctl(s, 0, NULL, 0, null(), 0, None))),
        ("select to read", select_in(process, s, 0)),
        ("select to write", select_in(process, s, 1)),
        ("select for failures", select_in(process, s, 2)),
        ("WSAPoll", told(process, process.wsa_poll(&mut [WsaPollFd::new(s, 0x100)], 0))),
        ("WSAEventSelect", told(process, process.wsa_event_select(s, EventHandle::INVALID, -1))),
        (
            "WSAEnumNetworkEvents",
            told(process, process.wsa_enum_network_events(s, EventHandle::INVALID, Arg::Null)),
        ),
        ("WSAAsyncSelect", told(process, process.wsa_async_select(s, 0, 0, -1))),
        ("closesocket", told(process, process.closesocket(s))),
    ]
}

/// Every call that takes an event object alone. WSACloseEvent comes last.
fn of_event(process: &Wsa, event: EventHandle) -> Codes {
    let wait = |wanted| {
        let alertable = Alertable::Yes;
        told(process, process.wsa_wait_for_multiple_events(&[event], wanted, 0, alertable))
    };
    vec![
        ("WSASetEvent", told(process, process.wsa_set_event(event))),
        ("WSAWaitForMultipleEvents for one", wait(WaitFor::Any)),
        ("WSAWaitForMultipleEvents for all", wait(WaitFor::All)),
        ("WSAResetEvent", told(process, process.wsa_reset_event(event))),
        ("WaitForSingleObject", told(process, process.wait_for_single(event, 0))),
        ("WSACloseEvent", told(process, process.wsa_close_event(event))),
    ]
}

/// Every call that takes no handle, but for those about blocking hooks. WSACleanup comes last.
fn of_nothing(process: &Wsa) -> Codes {
    vec![
        ("socket", told(process, process.socket(0xDEAD, 0xDEAD, 0xDEAD))),
        ("WSASocket", told(process, process.wsa_socket(0xDEAD, 0xDEAD, 0xDEAD, u32::MAX))),
        ("select", told(process, process.select(None, None, None, None))),
        ("WSAPoll", told(process, process.wsa_poll_at(Arg::Null, 0, 0))),
        ("WSAPoll of nothing", told(process, process.wsa_poll_at(Arg::Null, 7, 0))),
        ("WSACreateEvent", told(process, process.wsa_create_event())),
        ("CreateEvent", told(process, process.create_event(EventKind::AutoReset, Signal::Set))),
        (
            "WSAWaitForMultipleEvents",
            told(
                process,
                process.wsa_wait_for_multiple_events(&[], WaitFor::Any, 0, Alertable::Yes),
            ),
        ),
        ("GetMessage", told(process, process.wait_message(0))),
        ("WSACleanup", told(process, process.wsa_cleanup())),
    ]
}

/// Those about blocking hooks.
fn of_hooks(process: &Wsa) -> Codes {
    let hook = BlockingHook::Function(|| false);
    vec![
        ("WSASetBlockingHook", told(process, process.wsa_set_blocking_hook(hook))),
        ("WSAUnhookBlockingHook", told(process, process.wsa_unhook_blocking_hook())),
    ]
}

#[track_caller]
fn all_are(codes: &[(&'static str, i32)], expected: i32, what: &str) {
    for (call, code) in codes {
        assert_eq!(*code, expected, "{call}, {what}");
    }
}

/// The handle of a closed socket whose place another one has.
fn reused(process: &Wsa) -> SocketHandle {
    // A place that becomes free is used again last of all free ones; there is one alone.
    let first = udp(process);
    process.closesocket(first).unwrap();
    let second = udp(process);
    // Of the 2 + 20 + 9 bits of a handle, those of the place.
    assert_eq!(first.raw() & 0x3F_FFFF, second.raw() & 0x3F_FFFF);
    first
}

#[test]
fn before_startup_every_call_says_so_whatever_else_is_wrong() {
    let process = Scene::unstarted(Profile::DOCUMENTED).client;
    all_are(&of_socket(&process, SocketHandle::INVALID), 10093, "before startup");
    all_are(&of_event(&process, EventHandle::INVALID), 10093, "before startup");
    all_are(&of_nothing(&process), 10093, "before startup");
    all_are(&of_hooks(&process), 10093, "before startup");
    assert_eq!(code(process.wsa_cancel_blocking_call()), 10093);
    assert_eq!(process.wsa_get_last_error(), 10093);
    assert!(!process.wsa_is_blocking());
}

#[test]
fn after_the_last_cleanup_every_call_says_so_whatever_was_open() {
    let scene = Scene::documented();
    let client = &scene.client;
    let (s, event) = (scene.connected().0, client.wsa_create_event().unwrap());
    client.wsa_cleanup().unwrap();
    all_are(&of_socket(client, s), 10093, "after cleanup");
    all_are(&of_event(client, event), 10093, "after cleanup");
    all_are(&of_nothing(client), 10093, "after cleanup");
    all_are(&of_hooks(client), 10093, "after cleanup");
    assert_eq!(code(client.wsa_cancel_blocking_call()), 10093);
    // A new startup does not bring the socket back, but the event object is still there.
    assert_eq!(client.wsa_startup(0x0202).0, 0);
    all_are(&of_socket(client, s), 10038, "after another startup");
    all_are(&of_event(client, event), 0, "after another startup");
}

#[test]
fn a_handle_that_is_no_sockets_is_judged_before_everything_else() {
    let scene = Scene::documented();
    let client = &scene.client;
    let reused = reused(client);
    let closed = tcp(client);
    client.closesocket(closed).unwrap();
    let open = tcp(client);
    let anothers = udp(&scene.server);
    let event = client.wsa_create_event().unwrap();
    for (what, raw) in [
        ("INVALID_SOCKET", usize::MAX),
        ("zero", 0),
        ("never issued", 0x00AB_ACA8),
        ("a place that never was", open.raw() + 0x1000),
        ("another generation of a place", open.raw() ^ 0x7FC0_0000),
        ("not a multiple of four", open.raw() + 1),
        ("more than 32 bits", open.raw() | 1 << (usize::BITS - 8)),
        ("closed", closed.raw()),
        ("closed, and the place given to another", reused.raw()),
        ("an event object's", event.raw()),
    ] {
        all_are(&of_socket(client, SocketHandle::from_raw(raw)), 10038, what);
        assert_eq!(client.wsa_get_last_error(), 10038, "{what}");
    }
    // Another process's handles may be numbers that mean a socket here, so there is none here.
    scene.server.closesocket(anothers).unwrap();
    all_are(&of_socket(&scene.server, open), 10038, "another process's");
    // All of that has touched nobody else.
    assert_eq!(code(client.closesocket(open)), 0);
    assert_eq!(client.wait_for_single(event, 0), Ok(258));
}

#[test]
fn a_handle_that_is_no_event_objects_is_invalid_to_every_call() {
    let scene = Scene::documented();
    let client = &scene.client;
    let s = udp(client);
    let closed = client.wsa_create_event().unwrap();
    client.wsa_close_event(closed).unwrap();
    let open = client.wsa_create_event().unwrap();
    // The place of the closed one is the open one's now.
    assert_eq!(closed.raw() & 0x3F_FFFF, open.raw() & 0x3F_FFFF);
    for (what, raw) in [
        ("all ones", usize::MAX),
        ("never issued", 0x00AB_ACA8),
        ("a place that never was", open.raw() + 4),
        ("not a multiple of four", open.raw() + 1),
        ("closed, and the place given to another", closed.raw()),
        ("a socket's", s.raw()),
        ("WSA_INVALID_EVENT", 0),
    ] {
        let event = EventHandle::from_raw(raw);
        all_are(&of_event(client, event), 6, what);
        assert_eq!(client.wsa_get_last_error(), 6, "{what}");
        assert_eq!(code(client.wsa_event_select(s, event, 1)), 10022, "{what}");
        let mut found = wsa::WsaNetworkEvents::default();
        let fetched = client.wsa_enum_network_events(s, event, Arg::Value(&mut found));
        // WSA_INVALID_EVENT is no event object that could be reset, which is allowed.
        assert_eq!(code(fetched), if raw == 0 { 0 } else { 10022 }, "{what}");
    }
    all_are(&of_event(&scene.server, open), 6, "another process's");
    all_are(&of_event(client, open), 0, "its own");
}

/// What a connected stream says to each call, from whichever thread.
const ON_A_CONNECTION: [(&str, i32); 37] = [
    ("bind", 10014),
    ("connect", 10014),
    ("WSAConnect", 10014),
    ("listen", 10056),
    ("accept", 10022),
    ("WSAAccept", 10022),
    ("send", 10014),
    ("sendto", 10014),
    ("recv", 10014),
    ("recvfrom", 10014),
    ("WSASend", 10014),
    ("WSASendTo", 10014),
    ("WSARecv", 10014),
    ("WSARecvFrom", 10014),
    ("WSARecvMsg", 10045),
    ("WSASendMsg", 10045),
    ("shutdown", 10022),
    ("WSASendDisconnect", 10014),
    ("WSARecvDisconnect", 10014),
    ("getsockname", 10014),
    ("getpeername", 10014),
    ("getsockopt", 10022),
    ("setsockopt", 10014),
    ("IP_ADD_MEMBERSHIP", 10022),
    ("IP_DROP_MEMBERSHIP", 10022),
    ("IPV6_ADD_MEMBERSHIP", 10022),
    ("IPV6_DROP_MEMBERSHIP", 10022),
    ("ioctlsocket", 10014),
    ("WSAIoctl", 10014),
    ("select to read", 0),
    ("select to write", 0),
    ("select for failures", 0),
    ("WSAPoll", 0),
    ("WSAEventSelect", 10022),
    ("WSAEnumNetworkEvents", 10014),
    ("WSAAsyncSelect", 10022),
    ("closesocket", 0),
];

#[test]
fn a_handle_belongs_to_the_process_and_the_last_error_to_the_thread() {
    let scene = Scene::documented();
    let client = &scene.client;
    for thread in [client.thread(), 9] {
        let (s, t) = scene.connected();
        let event = as_thread(8, || client.wsa_create_event().unwrap());
        client.wsa_set_last_error(77);
        as_thread(thread, || {
            assert_eq!(of_socket(client, s), ON_A_CONNECTION);
            assert_eq!(client.wsa_get_last_error(), 0);
            all_are(&of_event(client, event), 0, "from another thread");
        });
        let untouched = if thread == 9 { 77 } else { 0 };
        assert_eq!(client.wsa_get_last_error(), untouched);
        // What was refused has neither shut nor reset the connection: the peer hears of the close.
        assert_eq!(recv(&scene.server, t).unwrap(), b"");
    }
}

#[test]
fn who_listens_accepts_and_connects_may_be_any_thread() {
    let scene = Scene::documented();
    let (client, server) = (&scene.client, &scene.server);
    let listening = as_thread(2, || scene.listen(4000));
    let s = as_thread(3, || tcp(client));
    as_thread(4, || connect(client, s, "10.0.0.2:4000").unwrap());
    let t = as_thread(5, || accept(server, listening).unwrap());
    as_thread(6, || send(client, s, b"x").unwrap());
    assert_eq!(recv(server, t).unwrap(), b"x");
}

#[test]
fn inside_a_hook_of_a_1_1_process_every_call_is_in_progress() {
    let scene = Scene::version_1_1();
    let client = scene.client.clone();
    let (s, event) = (scene.connected().0, client.wsa_create_event().unwrap());
    let codes = Arc::new(Mutex::new(Vec::new()));
    let (inside, log) = (client.clone(), codes.clone());
    let hook = move || {
        let mut codes = log.lock().unwrap();
        codes.extend(of_socket(&inside, s));
        codes.extend(of_socket(&inside, SocketHandle::INVALID));
        codes.extend(of_event(&inside, event));
        codes.extend(of_nothing(&inside));
        codes.extend(of_hooks(&inside));
        inside.wsa_cancel_blocking_call().unwrap();
        false
    };
    client.wsa_set_blocking_hook(BlockingHook::new(hook)).unwrap();
    assert_eq!(code(connect(&client, tcp(&client), SILENT)), 10004);
    let codes = std::mem::take(&mut *codes.lock().unwrap());
    assert_eq!(codes.len(), 37 + 37 + 6 + 10 + 2);
    all_are(&codes, 10036, "inside a hook");
    // None of them has done anything.
    assert_eq!(code(client.peer_name(s)), 0);
    assert_eq!(client.wait_for_single(event, 0), Ok(258));
}

/// Every call that would wait for something about a bound, blocking datagram socket to which
/// nothing comes, a stream on which nothing comes and nothing more can be sent, and an event.
fn waiting(process: &Wsa, u: SocketHandle, s: SocketHandle, event: EventHandle) -> Codes {
    let mut array = [u];
    let mut read = FdSet::of(&mut array);
    let mut room = [0; 8];
    let mut counts = (0, 0);
    let mut message = WsaMsgMut::default();
    let byte = [wsa::WsaBuf::new(b"x")];
    let mut list = [WsaBufMut::new(&mut room)];
    vec![
        ("recv", code(process.recv(u, (&mut [0; 8]).into(), 0))),
        ("recvfrom", code(process.recvfrom(u, (&mut [0; 8]).into(), 0, null(), None))),
        ("recv of a stream", code(process.recv(s, (&mut [0; 8]).into(), 8))),
        (
            "WSARecv",
            code(process.wsa_recv(
                u,
                Arg::Value(&mut list),
                Some(&mut counts.0),
                Some(&mut counts.1),
            )),
        ),
        (
            "WSARecvFrom",
            code(process.wsa_recv_from(
                u,
                Arg::Value(&mut list),
                Some(&mut counts.0),
                Some(&mut counts.1),
                null(),
                None,
            )),
        ),
        ("WSARecvMsg", {
            message.buffers = Arg::Value(&mut list);
            code(process.wsa_recv_msg(u, Arg::Value(&mut message), Some(&mut counts.0)))
        }),
        ("send", code(send(process, s, b"x"))),
        ("WSASend", code(process.wsa_send(s, Arg::Value(&byte), Some(&mut counts.0), 0))),
        ("select", code(process.select(Some(&mut read), None, None, None))),
        ("WSAPoll", code(process.wsa_poll(&mut [WsaPollFd::new(u, 0x100)], -1))),
        (
            "WSAWaitForMultipleEvents",
            code(process.wsa_wait_for_multiple_events(
                &[event],
                WaitFor::Any,
                0xFFFF_FFFF,
                Alertable::No,
            )),
        ),
        ("GetMessage", code(process.wait_message(0xFFFF_FFFF))),
    ]
}

/// The sockets and the event for [`waiting`], of the server.
fn idle(scene: &Scene) -> (SocketHandle, SocketHandle, EventHandle) {
    let server = &scene.server;
    let u = udp(server);
    bind(server, u, "0.0.0.0:53").unwrap();
    let (_, s) = scene.connected();
    assert_eq!(send(server, s, &[0; 300_000]), Ok(300_000));
    scene.run(1000);
    (u, s, server.wsa_create_event().unwrap())
}

#[test]
fn inside_a_condition_function_no_call_waits() {
    let scene = Scene::documented();
    let (u, s, event) = idle(&scene);
    let server = &scene.server;
    let listening = scene.listen(4001);
    connect(&scene.client, tcp(&scene.client), "10.0.0.2:4001").unwrap();
    scene.run(100);
    let mut codes = Vec::new();
    let mut condition = |_: &wsa::Caller| {
        codes = waiting(server, u, s, event);
        0
    };
    let start = scene.seconds();
    server.wsa_accept(listening, null(), None, Some(&mut condition)).unwrap();
    assert_eq!(codes.len(), 12);
    all_are(&codes, 10036, "inside a condition function");
    assert_eq!(scene.seconds(), start);
    // What does not wait does what it does everywhere.
    server.set_nonblocking(u, true).unwrap();
    let mut condition = |_: &wsa::Caller| {
        assert_eq!(code(recv(server, u)), 10035);
        assert_eq!(server.wsa_poll(&mut [WsaPollFd::new(u, 0x110)], 0), Ok(1));
        assert_eq!(server.wait_for_single(event, 0), Ok(258));
        0
    };
    connect(&scene.client, tcp(&scene.client), "10.0.0.2:4001").unwrap();
    server.wsa_accept(listening, null(), None, Some(&mut condition)).unwrap();
}
