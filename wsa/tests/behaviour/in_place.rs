//! send_with and recv_with: WSASend and WSARecv on the socket's own buffers.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use wsa::engine::stepped::as_thread;
use wsa::memory::Arg;
use wsa::net::{Net, NetError};
use wsa::{Error, EventHandle, Process, SocketHandle, WsaNetworkEvents};

use super::scene::*;

const SOL_SOCKET: i32 = 0xffff;
const SO_SNDBUF: i32 = 0x1001;
const SO_SNDTIMEO: i32 = 0x1005;
const SO_RCVTIMEO: i32 = 0x1006;
const SD_RECEIVE: i32 = 0;
const SD_SEND: i32 = 1;
const READ: i32 = 0x01;
const WRITE: i32 = 0x02;
const RING: usize = 65_536;

fn set(process: &Wsa, s: SocketHandle, option: i32, value: u32) {
    process.set_option(s, SOL_SOCKET, option, value).unwrap();
}

/// Fills whatever room there is.
fn fill(process: &Wsa, s: SocketHandle) -> Result<usize, Error> {
    process.send_with(s, |room| {
        room.fill(1);
        room.len()
    })
}

fn never_write(_: &mut [u8]) -> usize {
    unreachable!("there is no room")
}

fn never_read(_: &[u8]) -> usize {
    unreachable!("there are no bytes")
}

/// What is recorded, which is fetched.
fn fetch(process: &Wsa, s: SocketHandle) -> i32 {
    let mut found = WsaNetworkEvents::default();
    process.wsa_enum_network_events(s, EventHandle::INVALID, Arg::Value(&mut found)).unwrap();
    found.network_events
}

#[test]
fn bytes_are_written_and_read_where_they_are() {
    let scene = Scene::documented();
    let (s, t) = scene.connected();
    let sent = scene.client.send_with(s, |room| {
        assert_eq!(room.len(), RING, "all of an empty ring");
        room[..5].copy_from_slice(b"hello");
        5
    });
    assert_eq!(sent, Ok(5));
    // A blocking call waits for them.
    let mut seen = Vec::new();
    let taken = scene.server.recv_with(t, |bytes| {
        seen.extend(bytes);
        2
    });
    assert_eq!((taken, &seen[..]), (Ok(2), &b"hello"[..]));
    assert_eq!(recv(&scene.server, t).unwrap(), b"llo");
}

#[test]
fn a_transfer_of_many_rings_between_blocking_calls() {
    let scene = Scene::documented();
    let (s, t) = scene.connected();
    let data: Vec<u8> = (0..700_000_u32).map(|n| (n * 7 / 3) as u8).collect();
    let (mut sent, mut received) = (0, Vec::<u8>::new());
    // One thread: what the sender cannot have is what the receiver can.
    scene.client.set_nonblocking(s, true).unwrap();
    while received.len() < data.len() {
        let rest = &data[sent..];
        match scene.client.send_with(s, |room| {
            let fitting = rest.len().min(room.len()).min(50_001);
            room[..fitting].copy_from_slice(&rest[..fitting]);
            fitting
        }) {
            Ok(written) => sent += written,
            Err(error) => assert_eq!(error, Error::WSAEWOULDBLOCK),
        }
        let before = received.len();
        let taken = scene.server.recv_with(t, |bytes| {
            received.extend(bytes);
            bytes.len()
        });
        assert_eq!(taken, Ok(received.len() - before));
    }
    assert!(received == data);
}

#[test]
fn the_end_of_the_stream_is_zero_bytes_without_a_closure() {
    let scene = Scene::documented();
    let (s, t) = scene.connected();
    send(&scene.client, s, b"last").unwrap();
    scene.client.shutdown(s, SD_SEND).unwrap();
    assert_eq!(scene.server.recv_with(t, |_| 0), Ok(0), "it looked, and took nothing");
    assert_eq!(scene.server.recv_with(t, <[u8]>::len), Ok(4));
    assert_eq!(scene.server.recv_with(t, never_read), Ok(0));
    assert_eq!(scene.client.send_with(s, never_write), Err(Error::WSAESHUTDOWN));
    scene.server.shutdown(t, SD_RECEIVE).unwrap();
    assert_eq!(scene.server.recv_with(t, never_read), Err(Error::WSAESHUTDOWN));
}

#[test]
fn errors_are_those_of_a_send_and_a_receive_and_call_no_closure() {
    let scene = Scene::unstarted(wsa::Profile::DOCUMENTED);
    let client = &scene.client;
    let both = |s| {
        let sent = client.send_with(s, never_write);
        assert_eq!(client.wsa_get_last_error(), code(sent));
        let received = client.recv_with(s, never_read);
        assert_eq!(client.wsa_get_last_error(), code(received));
        (code(sent), code(received))
    };
    let bad = SocketHandle::INVALID;
    assert_eq!(both(bad), (10093, 10093));
    client.wsa_startup(0x0202);
    scene.server.wsa_startup(0x0202);
    assert_eq!(both(bad), (10038, 10038));
    assert_eq!(both(udp(client)), (10045, 10045));
    assert_eq!(both(tcp(client)), (10057, 10057));
    let pending = tcp_nonblocking(client);
    assert_eq!(code(connect(client, pending, SILENT)), 10035);
    assert_eq!(both(pending), (10057, 10057));

    let (s, t) = scene.connected();
    scene.server.set_option(t, SOL_SOCKET, 0x0080, 1).unwrap();
    scene.server.closesocket(t).unwrap();
    scene.run(100);
    assert_eq!(both(s), (10054, 10054));
}

#[test]
fn time_limits_and_closesocket_end_a_wait() {
    let scene = Scene::documented();
    let (client, server) = (&scene.client, &scene.server);
    let (s, t) = scene.connected();
    set(server, t, SO_RCVTIMEO, 250);
    let before = scene.seconds();
    assert_eq!(server.recv_with(t, never_read), Err(Error::WSAETIMEDOUT));
    assert!((scene.seconds() - before - 0.25).abs() < 0.001);

    set(client, s, SO_SNDTIMEO, 400);
    // The receiver's ring, and the sender's own.
    for _ in 0..2 {
        assert_eq!(fill(client, s), Ok(RING));
        scene.run(1000);
    }
    let before = scene.seconds();
    assert_eq!(client.send_with(s, never_write), Err(Error::WSAETIMEDOUT));
    assert!((scene.seconds() - before - 0.4).abs() < 0.001);

    set(client, s, SO_SNDTIMEO, 0);
    let closer = scene.client.clone();
    let soon = (scene.seconds() * 1000.0) as i64 + 500;
    scene.at(soon, move |_| as_thread(2, || closer.closesocket(s).unwrap()));
    assert_eq!(client.send_with(s, never_write), Err(Error::WSAEINTR));
}

#[test]
fn a_receive_arms_its_event_again_as_long_as_bytes_are_left() {
    let scene = Scene::documented();
    let (s, t) = scene.connected();
    let event = scene.server.wsa_create_event().unwrap();
    scene.server.wsa_event_select(t, event, READ).unwrap();
    assert_eq!(scene.server.recv_with(t, never_read), Err(Error::WSAEWOULDBLOCK));
    send(&scene.client, s, b"two").unwrap();
    scene.run(10);
    assert_eq!(fetch(&scene.server, t), READ);
    assert_eq!(fetch(&scene.server, t), 0);
    for left in [READ, READ, 0] {
        assert_eq!(scene.server.recv_with(t, |_| 1), Ok(1));
        assert_eq!(fetch(&scene.server, t), left);
    }
    assert_eq!(scene.server.recv_with(t, never_read), Err(Error::WSAEWOULDBLOCK));
    assert_eq!(fetch(&scene.server, t), 0);
}

#[test]
fn a_send_arms_its_event_again_when_it_would_have_to_wait() {
    let scene = Scene::documented();
    let (client, server) = (&scene.client, &scene.server);
    let (s, t) = scene.connected();
    let event = client.wsa_create_event().unwrap();
    client.wsa_event_select(s, event, WRITE).unwrap();
    assert_eq!(fetch(client, s), WRITE);
    for _ in 0..2 {
        assert_eq!(fill(client, s), Ok(RING));
        scene.run(1000);
        assert_eq!(fetch(client, s), 0, "nobody was refused");
    }
    assert_eq!(client.send_with(s, never_write), Err(Error::WSAEWOULDBLOCK));
    assert_eq!(fetch(client, s), 0);
    assert_eq!(server.recv_with(t, <[u8]>::len), Ok(RING));
    scene.run(1000);
    assert_eq!(fetch(client, s), WRITE);
}

#[test]
fn bytes_beside_the_ring_make_a_writable_socket_wait_and_its_event_says_when_not() {
    let scene = Scene::documented();
    let (client, server) = (&scene.client, &scene.server);
    let (s, t) = scene.connected();
    // From now on more may be queued than the ring holds.
    set(client, s, SO_SNDBUF, 1_000_000);
    let event = client.wsa_create_event().unwrap();
    client.wsa_event_select(s, event, WRITE).unwrap();
    assert_eq!(fetch(client, s), WRITE);
    let data = vec![3; 4 * RING];
    assert_eq!(send(client, s, &data), Ok(4 * RING));
    scene.run(1000);
    for _ in 0..3 {
        assert_eq!(client.send_with(s, never_write), Err(Error::WSAEWOULDBLOCK));
        assert_eq!(fetch(client, s), 0, "a program that waits for the event does not spin");
    }
    let mut received = 0;
    while received < 4 * RING {
        received += server.recv_with(t, <[u8]>::len).unwrap();
    }
    scene.run(1000);
    assert_eq!(fetch(client, s), WRITE);
    assert_eq!(fill(client, s), Ok(RING));
}

#[test]
fn a_larger_send_buffer_before_the_connection_is_a_larger_ring() {
    for (buffer, ring) in [(65_537, 65_537), (1_000_000, 1_000_000), (65_535, RING), (0, RING)] {
        let scene = Scene::documented();
        let listening = scene.listen(4000);
        set(&scene.server, listening, SO_SNDBUF, buffer);
        let s = tcp(&scene.client);
        set(&scene.client, s, SO_SNDBUF, buffer);
        connect(&scene.client, s, "10.0.0.2:4000").unwrap();
        let t = accept(&scene.server, listening).unwrap();
        let room = |process: &Wsa, s| {
            let mut len = 0;
            let looked = process.send_with(s, |room| {
                len = room.len();
                0
            });
            assert_eq!(looked, Ok(0));
            len
        };
        assert_eq!(room(&scene.client, s), ring, "{buffer}");
        assert_eq!(room(&scene.server, t), ring, "{buffer}");
    }
}

#[test]
fn a_closure_that_panics_leaves_the_socket_as_it_was() {
    let scene = Scene::documented();
    let (s, t) = scene.connected();
    let panicking = std::panic::AssertUnwindSafe(|| {
        let _ = scene.client.send_with(s, |room| {
            room.fill(9);
            std::panic::resume_unwind(Box::new("in the closure"));
        });
    });
    assert!(std::panic::catch_unwind(panicking).is_err());
    send(&scene.client, s, b"after").unwrap();
    assert_eq!(recv(&scene.server, t).unwrap(), b"after");
}

#[test]
fn streams_have_them_in_the_shape_of_std() {
    let scene = Scene::documented();
    let client = Net::new(scene.client.clone()).unwrap();
    let server = Net::new(scene.server.clone()).unwrap();
    let listener = server.listen("[::]:4000").unwrap();
    for address in ["10.0.0.2:4000", "[fd00::2]:4000"] {
        let near = client.connect(address).unwrap();
        let (far, _) = listener.accept().unwrap();
        let written = near.write_with(|room| {
            room[..3].copy_from_slice(b"abc");
            3
        });
        assert_eq!(written.unwrap(), 3);
        let seen = Mutex::new(Vec::<u8>::new());
        let looked = AtomicBool::new(false);
        let read = far.read_with(|bytes| {
            looked.store(true, Ordering::Relaxed);
            seen.lock().unwrap().extend(bytes);
            bytes.len()
        });
        assert_eq!((read.unwrap(), looked.into_inner()), (3, true));
        assert_eq!(seen.into_inner().unwrap(), b"abc");
        far.shutdown(std::net::Shutdown::Read).unwrap();
        assert_eq!(far.read_with(never_read).unwrap(), 0);
        near.shutdown(std::net::Shutdown::Write).unwrap();
        let error = near.write_with(never_write).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
        assert_eq!(NetError::of(&error).unwrap().error(), Error::WSAESHUTDOWN);
    }
}

#[test]
fn a_call_from_a_closure_is_refused_where_it_would_wait_for_itself() {
    let mut configuration = wsa::config::Configuration::default();
    configuration.link = wsa::config::LinkChoice::Loopback;
    let process = wsa::start::start(&configuration, None, |_| {}).unwrap();
    assert_eq!(process.wsa_startup(0x0202).0, 0);
    let listening = process.socket(2, 1, 0).unwrap();
    process.bind_to(listening, address("127.0.0.1:7")).unwrap();
    process.listen(listening, 1).unwrap();
    let s = process.socket(2, 1, 0).unwrap();
    process.connect_to(s, address("127.0.0.1:7")).unwrap();
    let inside = |process: &Process<'static, _>| {
        assert_eq!(process.wsa_startup(0x0202).0, 10036);
        assert_eq!(code(process.send(s, (&b"x"[..]).into(), 0)), 10036);
        assert_eq!(code(process.closesocket(s)), 10036);
        assert_eq!(code(process.recv_with(s, never_read)), 10036);
        assert_eq!(process.wsa_get_last_error(), 10036);
        assert!(process.last_cause().is_none());
        assert!(!process.wsa_is_blocking());
    };
    let sent = process.send_with(s, |room| {
        inside(&process);
        room[0] = b'y';
        1
    });
    assert_eq!(sent, Ok(1));
    let t = process.accept(listening, wsa::MemoryMut::Null, None).unwrap();
    let received = process.recv_with(t, |bytes| {
        inside(&process);
        assert_eq!(bytes, b"y");
        1
    });
    assert_eq!(received, Ok(1));
    // Another thread merely waits, and after the closure everything is as before.
    std::thread::scope(|scope| {
        let sent = process.send_with(s, |_| {
            scope.spawn(|| process.send(s, (&b"z"[..]).into(), 0).unwrap());
            0
        });
        assert_eq!(sent, Ok(0));
    });
    assert_eq!(process.recv_with(t, <[u8]>::len), Ok(1));
}
