//! WSAPoll. Out-of-band data, and with it POLLRDBAND, is not there yet.

use wsa::engine::stepped::as_thread;
use wsa::memory::Arg;
use wsa::{SocketHandle, WsaPollFd};

use super::scene::*;

/// POLLRDNORM, POLLRDBAND and POLLWRNORM: all that may be asked.
const ALL: i16 = 0x310;

/// What WSAPoll answers about `s` without waiting, when everything is asked.
fn now(process: &Wsa, s: SocketHandle) -> i16 {
    let mut fds = [WsaPollFd::new(s, ALL)];
    let count = process.wsa_poll(&mut fds, 0).unwrap();
    assert_eq!(count, usize::from(fds[0].revents != 0));
    assert_eq!(process.wsa_get_last_error(), 0);
    fds[0].revents
}

/// A handle that was never given away.
fn never() -> SocketHandle {
    SocketHandle::from_raw(0x00AB_ACA8)
}

#[test]
fn no_array_and_no_entries() {
    let scene = Scene::documented();
    let client = &scene.client;
    assert_eq!(code(client.wsa_poll_at(Arg::Null, 0, 0)), 10022);
    assert_eq!(code(client.wsa_poll_at(Arg::Null, 1, 0)), 10014);
    assert_eq!(code(client.wsa_poll_at(Arg::Unreadable, 1, 0)), 10014);
    assert_eq!(code(client.wsa_poll_at(Arg::Unreadable, 0, 0)), 10022);
    let mut fds = [WsaPollFd::new(udp(client), 0x10)];
    assert_eq!(code(client.wsa_poll_at(Arg::Value(&mut fds), 0, 0)), 10022);
    assert_eq!(code(client.wsa_poll_at(Arg::Value(&mut fds), 2, 0)), 10014);
    assert_eq!(client.wsa_poll_at(Arg::Value(&mut fds), 1, 0), Ok(1));
    assert_eq!(client.wsa_get_last_error(), 0);
    client.wsa_cleanup().unwrap();
    assert_eq!(code(client.wsa_poll_at(Arg::Null, 0, 0)), 10093);
    assert_eq!(code(client.wsa_poll(&mut fds, 0)), 10093);
}

#[test]
fn three_bits_may_be_asked_and_no_other() {
    let scene = Scene::documented();
    let client = &scene.client;
    let s = udp(client);
    for bit in 0..16 {
        let asked = 1 << bit;
        let mut fds = [WsaPollFd { fd: s, events: asked, revents: 0x55 }];
        let expected = if asked & 0x310 == 0 { 10022 } else { 0 };
        assert_eq!(code(client.wsa_poll(&mut fds, 0)), expected, "{asked:#x}");
        // A refused call leaves the answers as they were.
        assert_eq!(fds[0].revents == 0x55, expected != 0, "{asked:#x}");
    }
    // Nobody asks an invalid handle.
    let mut fds = [WsaPollFd::new(never(), 0x400), WsaPollFd::new(s, 0x10)];
    assert_eq!(client.wsa_poll(&mut fds, 0), Ok(1));
    // One wrong question refuses the whole call.
    let mut fds = [WsaPollFd::new(s, 0x10), WsaPollFd::new(s, 0x410)];
    assert_eq!(code(client.wsa_poll(&mut fds, 0)), 10022);
    assert_eq!(fds[0].revents, 0);
}

#[test]
fn only_what_is_asked_is_answered_but_for_errors() {
    let scene = Scene::documented();
    let client = &scene.client;
    let s = udp(client);
    let ask = |s, events| {
        let mut fds = [WsaPollFd::new(s, events)];
        let count = client.wsa_poll(&mut fds, 0).unwrap();
        (count, fds[0].revents)
    };
    assert_eq!(ask(s, 0x100), (0, 0));
    assert_eq!(ask(s, 0x010), (1, 0x10));
    let refused = tcp(client);
    assert_eq!(code(connect(client, refused, "10.0.0.2:81")), 10061);
    assert_eq!(ask(refused, 0), (1, 0x03));
    assert_eq!(ask(refused, 0x100), (1, 0x03));
    assert_eq!(ask(refused, 0x110), (1, 0x13));
}

#[test]
fn invalid_handles_are_marked_but_not_counted() {
    let scene = Scene::documented();
    let client = &scene.client;
    let idle = tcp(client);
    let ready = udp(client);
    // {invalid, idle}: nothing to report, and the call waits.
    let mut fds = [WsaPollFd::new(never(), 0x100), WsaPollFd::new(idle, 0x100)];
    assert_eq!(client.wsa_poll(&mut fds, 250), Ok(0));
    assert_eq!((fds[0].revents, fds[1].revents), (4, 0));
    assert_eq!(scene.world.now().total_millis(), 250);
    // {invalid, ready}: one.
    let mut fds = [WsaPollFd::new(never(), 0x100), WsaPollFd::new(ready, 0x10)];
    assert_eq!(client.wsa_poll(&mut fds, -1), Ok(1));
    assert_eq!((fds[0].revents, fds[1].revents), (4, 0x10));
    // All invalid.
    let closed = tcp(client);
    client.closesocket(closed).unwrap();
    let mut fds = [WsaPollFd::new(never(), 0x100), WsaPollFd::new(closed, 0x10)];
    assert_eq!(code(client.wsa_poll(&mut fds, -1)), 10038);
    assert_eq!((fds[0].revents, fds[1].revents), (4, 4));
}

#[test]
fn the_answers_are_overwritten_whatever_they_were() {
    let scene = Scene::documented();
    let idle = tcp(&scene.client);
    let mut fds = [
        WsaPollFd { fd: idle, events: 0x100, revents: -1 },
        WsaPollFd { fd: SocketHandle::INVALID, events: 0x100, revents: -1 },
        WsaPollFd { fd: never(), events: 0x100, revents: 0x100 },
    ];
    assert_eq!(scene.client.wsa_poll(&mut fds, 0), Ok(0));
    assert_eq!(fds.map(|entry| entry.revents), [0, 0, 4]);
}

#[test]
fn documented_a_negative_handle_is_ignored() {
    let scene = Scene::documented();
    let ready = udp(&scene.client);
    let mut fds = [WsaPollFd::new(SocketHandle::INVALID, 0x10), WsaPollFd::new(ready, 0x10)];
    assert_eq!(scene.client.wsa_poll(&mut fds, 0), Ok(1));
    assert_eq!(fds.map(|entry| entry.revents), [0, 0x10]);
    // At least one entry must be of a socket.
    assert_eq!(code(scene.client.wsa_poll(&mut fds[..1], -1)), 10038);
    assert_eq!(fds[0].revents, 0);
}

#[test]
fn windows_a_negative_handle_is_invalid() {
    let scene = Scene::windows();
    let ready = udp(&scene.client);
    let mut fds = [WsaPollFd::new(SocketHandle::INVALID, 0x10), WsaPollFd::new(ready, 0x10)];
    assert_eq!(scene.client.wsa_poll(&mut fds, 0), Ok(1));
    assert_eq!(fds.map(|entry| entry.revents), [4, 0x10]);
    assert_eq!(code(scene.client.wsa_poll(&mut fds[..1], -1)), 10038);
    assert_eq!(fds[0].revents, 4);
}

#[test]
fn a_timeout_is_in_milliseconds_and_minus_one_is_for_ever() {
    let scene = Scene::documented();
    let client = &scene.client;
    let mut fds = [WsaPollFd::new(tcp(client), 0x110)];
    assert_eq!(client.wsa_poll(&mut fds, 0), Ok(0));
    assert_eq!(scene.world.now().total_millis(), 0);
    assert_eq!(client.wsa_poll(&mut fds, 1234), Ok(0));
    assert_eq!(scene.world.now().total_millis(), 1234);
    // Nothing will ever happen here, and only a wait without an end can tell.
    assert_eq!(code(client.wsa_poll(&mut fds, -1)), 10004);
    assert_eq!(code(client.wsa_poll(&mut fds, i32::MIN)), 10004);
}

#[test]
fn a_pending_attempt_says_nothing_and_its_end_wakes() {
    let scene = Scene::documented();
    let client = &scene.client;
    let (slow, refused) = (tcp_nonblocking(client), tcp_nonblocking(client));
    assert_eq!(code(connect(client, slow, SILENT)), 10035);
    assert_eq!(code(connect(client, refused, NOBODY)), 10035);
    let mut fds = [WsaPollFd::new(slow, 0x310), WsaPollFd::new(refused, 0x310)];
    assert_eq!(client.wsa_poll(&mut fds, -1), Ok(1));
    assert_eq!(fds.map(|entry| entry.revents), [0, 0x13]);
    assert!((scene.seconds() - 3.0).abs() < 0.1);
    let mut fds = [WsaPollFd::new(slow, 0x310)];
    assert_eq!(client.wsa_poll(&mut fds, -1), Ok(1));
    assert!((scene.seconds() - 21.0).abs() < 0.1);
    // It stays so, and reading the code changes nothing.
    assert_eq!(client.option(slow, 0xFFFF, 0x1007).unwrap(), 10060);
    assert_eq!(client.option(slow, 0xFFFF, 0x1007).unwrap(), 10060);
    assert_eq!(now(client, slow), 0x13);
}

#[test]
fn a_blocking_refused_connect_shows_although_so_error_is_0() {
    let scene = Scene::documented();
    let client = &scene.client;
    let s = tcp(client);
    assert_eq!(code(connect(client, s, "10.0.0.2:81")), 10061);
    assert_eq!(client.option(s, 0xFFFF, 0x1007).unwrap(), 0);
    assert_eq!(now(client, s), 0x13);
    scene.listen(4000);
    connect(client, s, "10.0.0.2:4000").unwrap();
    assert_eq!(now(client, s), 0x10);
}

#[test]
fn a_socket_closed_during_the_wait_is_pollnval_and_counts() {
    let scene = Scene::documented();
    let client = scene.client.clone();
    let (s, other) = (tcp(&client), tcp(&client));
    let closer = client.clone();
    scene.at(1000, move |_| as_thread(2, || closer.closesocket(s).unwrap()));
    let mut fds = [WsaPollFd::new(s, 0x110), WsaPollFd::new(other, 0x110)];
    assert_eq!(client.wsa_poll(&mut fds, -1), Ok(1));
    assert_eq!(fds.map(|entry| entry.revents), [4, 0]);
    assert_eq!(scene.world.now().total_millis(), 1000);
}

#[test]
fn the_last_cleanup_during_the_wait_closes_all() {
    let scene = Scene::documented();
    let client = scene.client.clone();
    let s = tcp(&client);
    let cleaner = client.clone();
    scene.at(1000, move |_| as_thread(2, || cleaner.wsa_cleanup().unwrap()));
    let mut fds = [WsaPollFd::new(s, 0x110)];
    assert_eq!(client.wsa_poll(&mut fds, -1), Ok(1));
    assert_eq!(fds[0].revents, 4);
}

#[test]
fn each_entry_counts_also_of_one_socket_twice() {
    let scene = Scene::documented();
    let s = udp(&scene.client);
    let mut fds = [WsaPollFd::new(s, 0x10), WsaPollFd::new(s, 0x10), WsaPollFd::new(s, 0x100)];
    assert_eq!(scene.client.wsa_poll(&mut fds, 0), Ok(2));
}

#[test]
fn a_thousand_sockets_in_one_call() {
    let scene = Scene::documented();
    let client = &scene.client;
    let mut fds: Vec<_> = (0..1000).map(|_| WsaPollFd::new(tcp(client), 0x110)).collect();
    let last = udp(client);
    fds.push(WsaPollFd::new(last, 0x100));
    assert_eq!(client.wsa_poll(&mut fds, 10), Ok(0));
    bind(client, last, "0.0.0.0:5000").unwrap();
    let u = udp(&scene.server);
    let name = wsa::sockaddr(address("10.0.0.1:5000"));
    scene.server.sendto(u, b"x".into(), 0, name.memory(), name.len()).unwrap();
    assert_eq!(client.wsa_poll(&mut fds, -1), Ok(1));
    assert_eq!(fds[1000].revents, 0x100);
}
