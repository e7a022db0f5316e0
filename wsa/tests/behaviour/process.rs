//! WSAStartup, WSACleanup, handles, last errors.

use wsa::engine::stepped::as_thread;
use wsa::{Arg, FdSet, Profile, SocketHandle};

use super::scene::*;

fn unstarted() -> Wsa {
    Scene::unstarted(Profile::DOCUMENTED).client
}

#[test]
fn versions() {
    for (asked, code, got, sockets, datagram) in [
        (0x0202, 0, 0x0202, 0, 0),
        (0x0002, 0, 0x0002, 0, 0),
        (0x0102, 0, 0x0102, 0, 0),
        (0x0302, 0, 0x0202, 0, 0),
        (0x0003, 0, 0x0202, 0, 0),
        (0x0001, 0, 0x0001, 32767, 65467),
        (0x0101, 0, 0x0101, 32767, 65467),
        (0x0201, 0, 0x0101, 32767, 65467),
        (0x0200, 10092, 0x0202, 0, 0),
        (0x0000, 10092, 0x0202, 0, 0),
    ] {
        let (result, data) = unstarted().wsa_startup(asked);
        assert_eq!(result, code, "{asked:#06x}");
        assert_eq!(data.version, got, "{asked:#06x}");
        assert_eq!(data.high_version, 0x0202);
        assert_eq!((data.max_sockets, data.max_udp_dg), (sockets, datagram));
        assert_eq!((data.description, data.system_status), ("WinSock 2.0", "Running"));
    }
}

#[test]
fn the_version_is_judged_before_the_pointer() {
    let process = unstarted();
    assert_eq!(process.wsa_startup_into(0x0200, Arg::Null), 10092);
    assert_eq!(process.wsa_startup_into(0x0202, Arg::Null), 10014);
    assert_eq!(process.wsa_startup_into(0x0202, Arg::Unreadable), 10014);
    // None of them counts.
    assert_eq!(code(process.wsa_cleanup()), 10093);
}

#[test]
fn every_startup_needs_its_cleanup() {
    let process = unstarted();
    process.wsa_startup(0x0202);
    process.wsa_startup(0x0202);
    process.wsa_cleanup().unwrap();
    let s = tcp(&process);
    process.wsa_cleanup().unwrap();
    assert_eq!(code(process.wsa_cleanup()), 10093);
    process.wsa_startup(0x0202);
    assert_eq!(code(connect(&process, s, "127.0.0.1:80")), 10038);
}

#[test]
fn the_last_error_belongs_to_a_process_and_a_thread() {
    let scene = Scene::documented();
    let (client, server) = (&scene.client, &scene.server);
    assert_eq!(code(client.shutdown(tcp(client), 1)), 10057);
    assert_eq!(client.wsa_get_last_error(), 10057);
    assert_eq!(server.wsa_get_last_error(), 0);
    as_thread(5, || {
        assert_eq!(client.wsa_get_last_error(), 0);
        client.wsa_set_last_error(77);
        assert_eq!(client.wsa_get_last_error(), 77);
    });
    assert_eq!(client.wsa_get_last_error(), 10057);
}

#[test]
fn the_last_error_can_be_set_before_startup() {
    let process = unstarted();
    process.wsa_set_last_error(123);
    assert_eq!(process.wsa_get_last_error(), 123);
}

#[test]
fn thousands_of_threads_do_not_make_the_process_grow_without_bound() {
    let process = unstarted();
    for thread in 0..5000 {
        as_thread(thread, || process.wsa_set_last_error(thread as i32));
    }
    assert_eq!(as_thread(4999, || process.wsa_get_last_error()), 4999);
    assert_eq!(as_thread(0, || process.wsa_get_last_error()), 0);
}

#[test]
fn handles_are_multiples_of_four_never_zero_and_never_come_back_soon() {
    let scene = Scene::documented();
    let client = &scene.client;
    let mut seen = Vec::new();
    for _ in 0..500 {
        let s = tcp(client);
        assert_eq!(s.raw() % 4, 0);
        assert_ne!(s.raw(), 0);
        assert!(i32::try_from(s.raw()).is_ok());
        assert!(!seen.contains(&s));
        seen.push(s);
        client.closesocket(s).unwrap();
    }
    for s in seen {
        assert_eq!(code(client.closesocket(s)), 10038);
    }
}

#[test]
fn one_process_knows_nothing_of_anothers_handles() {
    let scene = Scene::documented();
    let s = tcp(&scene.client);
    assert_eq!(code(scene.server.closesocket(s)), 10038);
    scene.client.closesocket(s).unwrap();
}

#[test]
fn the_last_cleanup_closes_everything_and_delivers_what_was_sent() {
    let scene = Scene::documented();
    let (s, t) = scene.connected();
    send(&scene.client, s, &[7; 50_000]).unwrap();
    scene.client.wsa_cleanup().unwrap();
    let mut received = 0;
    let mut buffer = [0; 4096];
    loop {
        match scene.server.recv(t, (&mut buffer).into(), 0).unwrap() {
            0 => break,
            len => received += len,
        }
    }
    assert_eq!(received, 50_000);
}

#[test]
fn an_fd_set_is_an_array_without_duplicates() {
    let [a, b, c] = [4, 8, 12].map(SocketHandle::from_raw);
    let mut array = [SocketHandle::INVALID; 2];
    let mut set = FdSet::new(&mut array);
    for s in [a, a, b, c] {
        set.set(s);
    }
    assert_eq!(set.sockets(), [a, b]);
    set.clear(a);
    assert_eq!(set.sockets(), [b]);
    set.zero();
    assert!(!set.is_set(b));
}
