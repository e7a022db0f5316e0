//! `wsa::net`: what programs that know `std::net` rely on.

use std::io::{ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr};
use std::time::Duration;

use tapsock_stack::sim::Pair;
use wsa::Error;
use wsa::engine::stepped::Simulated;
use wsa::net::{Net, NetError, TcpListener, TcpStream, UdpSocket};

use super::scene::*;

/// The networks of the client and the server.
fn nets(scene: &Scene) -> (Net, Net) {
    (Net::new(scene.client.clone()).unwrap(), Net::new(scene.server.clone()).unwrap())
}

/// The client's end and the server's.
fn streams(scene: &Scene) -> (TcpStream, TcpStream) {
    let (client, server) = nets(scene);
    let listener = server.listen("0.0.0.0:4000").unwrap();
    let near = client.connect("10.0.0.2:4000").unwrap();
    let (far, peer) = listener.accept().unwrap();
    assert_eq!(peer, near.local_addr().unwrap());
    assert_eq!(far.local_addr().unwrap(), near.peer_addr().unwrap());
    (near, far)
}

/// The kind, Winsock's number, and whether something on the wire decided it.
#[track_caller]
fn failure<T: std::fmt::Debug>(result: std::io::Result<T>) -> (ErrorKind, i32, bool) {
    let error = result.unwrap_err();
    let inside = NetError::of(&error).expect("a NetError");
    (error.kind(), inside.code(), inside.cause().is_some())
}

fn millis(millis: u64) -> Option<Duration> {
    Some(Duration::from_millis(millis))
}

#[test]
fn bytes_go_both_ways_on_owned_and_shared_streams() {
    let scene = Scene::documented();
    let (mut near, far) = streams(&scene);
    near.write_all(b"there and ").unwrap();
    (&near).write_all(b"back").unwrap();
    near.flush().unwrap();
    near.shutdown(Shutdown::Write).unwrap();
    let mut heard = String::new();
    (&far).read_to_string(&mut heard).unwrap();
    assert_eq!(heard, "there and back");
    (&far).write_all(b"again").unwrap();
    drop(far);
    let mut answer = Vec::new();
    near.read_to_end(&mut answer).unwrap();
    assert_eq!(answer, b"again");
}

#[test]
fn vectored_reads_and_writes_use_all_their_buffers() {
    let scene = Scene::documented();
    let (mut near, mut far) = streams(&scene);
    let slices = [b"" as &[u8], b"vec", b"", b"tored"].map(IoSlice::new);
    assert_eq!(near.write_vectored(&slices).unwrap(), 8);
    scene.run(10);
    let (mut one, mut two, mut none) = ([0; 2], [0; 9], []);
    let mut rooms =
        [IoSliceMut::new(&mut none), IoSliceMut::new(&mut one), IoSliceMut::new(&mut two)];
    assert_eq!(far.read_vectored(&mut rooms).unwrap(), 8);
    assert_eq!((&one, &two[..6]), (b"ve", &b"ctored"[..]));
    // More than go at once are taken in part, as the trait allows.
    let many = vec![IoSlice::new(b"xy"); 17];
    assert_eq!(near.write_vectored(&many).unwrap(), 32);
    assert_eq!(near.write_vectored(&[]).unwrap(), 0);
    assert_eq!(far.read_vectored(&mut []).unwrap(), 0);
}

#[test]
fn nothing_is_read_and_written_without_waiting() {
    let scene = Scene::documented();
    let (mut near, _far) = streams(&scene);
    let start = scene.seconds();
    assert_eq!(near.read(&mut []).unwrap(), 0);
    assert_eq!(near.peek(&mut []).unwrap(), 0);
    assert_eq!(near.write(&[]).unwrap(), 0);
    assert_eq!(scene.seconds(), start);
}

#[test]
fn a_write_takes_a_mebibyte_at_the_most() {
    let scene = Scene::documented();
    let (mut near, _far) = streams(&scene);
    let most = vec![0; (1 << 20) + 1];
    assert_eq!(near.write(&most).unwrap(), 1 << 20);
    let (mut near, _far) = streams(&Scene::documented());
    let halves = [&most[..1 << 19], &most[..(1 << 19) + 1]].map(IoSlice::new);
    assert_eq!(near.write_vectored(&halves).unwrap(), 1 << 20);
}

#[test]
fn peek_leaves_what_it_shows() {
    let scene = Scene::documented();
    let (mut near, mut far) = streams(&scene);
    near.write_all(b"abc").unwrap();
    let mut buffer = [0; 8];
    assert_eq!(far.peek(&mut buffer).unwrap(), 3);
    assert_eq!(far.read(&mut buffer).unwrap(), 3);
    assert_eq!(&buffer[..3], b"abc");
}

#[test]
fn time_limits_are_timed_out_and_zero_is_none() {
    let scene = Scene::documented();
    let (mut near, _far) = streams(&scene);
    assert_eq!((near.read_timeout().unwrap(), near.write_timeout().unwrap()), (None, None));
    assert_eq!(near.set_read_timeout(millis(0)).unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(near.set_write_timeout(millis(0)).unwrap_err().kind(), ErrorKind::InvalidInput);
    // Whole milliseconds, rounded up.
    for (limit, kept) in [(1, 1), (1_000_000, 1), (1_000_001, 2)] {
        near.set_read_timeout(Some(Duration::from_nanos(limit))).unwrap();
        assert_eq!(near.read_timeout().unwrap(), millis(kept));
    }
    near.set_read_timeout(Some(Duration::MAX)).unwrap();
    assert_eq!(near.read_timeout().unwrap(), millis(u32::MAX.into()));
    near.set_read_timeout(millis(250)).unwrap();
    near.set_write_timeout(millis(500)).unwrap();
    let start = scene.seconds();
    assert_eq!(failure(near.read(&mut [0; 8])), (ErrorKind::TimedOut, 10060, false));
    assert!((scene.seconds() - start - 0.25).abs() < 0.001);
    near.write_all(&[0; 300_000]).unwrap();
    assert_eq!(failure(near.write(b"x")), (ErrorKind::TimedOut, 10060, false));
    assert!((scene.seconds() - start - 0.75).abs() < 0.001);
    near.set_read_timeout(None).unwrap();
    assert_eq!(near.read_timeout().unwrap(), None);
}

#[test]
fn a_stream_that_must_not_wait_would_block() {
    let scene = Scene::documented();
    let (mut near, _far) = streams(&scene);
    near.set_nonblocking(true).unwrap();
    assert_eq!(failure(near.read(&mut [0; 8])), (ErrorKind::WouldBlock, 10035, false));
    near.write_all(&[0; 300_000]).unwrap();
    assert_eq!(failure(near.write(b"x")), (ErrorKind::WouldBlock, 10035, false));
}

#[test]
fn a_failed_connect_says_why() {
    let scene = Scene::documented();
    let (client, _) = nets(&scene);
    let rows = [
        ("10.0.0.2:80", ErrorKind::ConnectionRefused, 10061, true),
        (NO_HOST, ErrorKind::HostUnreachable, 10065, true),
        (NO_NET, ErrorKind::NetworkUnreachable, 10051, true),
        (SILENT, ErrorKind::TimedOut, 10060, true),
        ("8.8.8.8:53", ErrorKind::NetworkUnreachable, 10051, true),
        ("10.0.0.2:0", ErrorKind::AddrNotAvailable, 10049, false),
    ];
    for (name, kind, code, caused) in rows {
        assert_eq!(failure(client.connect(name)), (kind, code, caused), "{name}");
    }
    let error = client.connect("10.0.0.2:80").unwrap_err().to_string();
    assert!(error.starts_with("WSAECONNREFUSED (10061): "), "{error}");
    assert!(error.contains("; refused: frame "), "{error}");
    // Every socket was closed again.
    assert_eq!(scene.client.engine().host().with(|stack, _| stack.sockets()), 0);
}

#[test]
fn a_connect_with_a_time_limit_ends_by_it_or_by_the_wire() {
    let scene = Scene::documented();
    let (client, server) = nets(&scene);
    let listener = server.listen("10.0.0.2:4000").unwrap();
    let within = |name: &str, limit| client.connect_timeout(&address(name), limit);
    let limit = Duration::from_millis(1500);
    let start = scene.seconds();
    assert_eq!(failure(within(SILENT, limit)), (ErrorKind::TimedOut, 10060, false));
    assert!((scene.seconds() - start - 1.5).abs() < 0.001);
    let refused = (ErrorKind::ConnectionRefused, 10061, true);
    assert_eq!(failure(within("10.0.0.2:80", limit)), refused);
    let zero = within("10.0.0.2:4000", Duration::ZERO).unwrap_err();
    assert_eq!(zero.kind(), ErrorKind::InvalidInput);
    let mut stream = within("10.0.0.2:4000", limit).unwrap();
    let (mut accepted, _) = listener.accept().unwrap();
    // It is a blocking one.
    scene.world.after(tapsock_stack::time::Duration::from_secs(1), move |_| {
        accepted.write_all(b"late").unwrap();
    });
    assert_eq!(stream.read(&mut [0; 8]).unwrap(), 4);
    assert!(stream.take_error().unwrap().is_none());
}

#[test]
fn addresses_are_tried_in_order_and_names_are_not_looked_up() {
    let scene = Scene::documented();
    let (client, server) = nets(&scene);
    let _listener = server.listen(("10.0.0.2".parse::<Ipv4Addr>().unwrap(), 4000)).unwrap();
    let addresses = ["10.0.0.2:80", "10.0.0.2:4000", NOBODY].map(address);
    let stream = client.connect(&addresses[..]).unwrap();
    assert_eq!(stream.peer_addr().unwrap(), addresses[1]);
    assert!(scene.seconds() < 0.1, "the third, who is silent, was not asked");
    let last = client.connect(&[addresses[2], addresses[0]][..]);
    assert_eq!(failure(last), (ErrorKind::ConnectionRefused, 10061, true));
    for wrong in ["localhost:80", "10.0.0.2", "", "[fd00::2]"] {
        let error = client.connect(wrong).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{wrong}");
        assert!(error.to_string().contains("is no address"), "{error}");
    }
    assert_eq!(client.connect(&[][..]).unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn clones_share_one_connection_that_ends_with_the_last() {
    let scene = Scene::documented();
    let (near, far) = streams(&scene);
    let mut clone = near.try_clone().unwrap();
    clone.set_nonblocking(true).unwrap();
    assert_eq!(failure((&near).read(&mut [0; 8])).0, ErrorKind::WouldBlock);
    assert_eq!(near.socket(), clone.socket());
    drop(near);
    clone.write_all(b"still").unwrap();
    let mut buffer = [0; 8];
    assert_eq!((&far).read(&mut buffer).unwrap(), 5);
    drop(clone);
    assert_eq!((&far).read(&mut buffer).unwrap(), 0);
}

#[test]
fn a_direction_that_was_shut_down_has_ended() {
    let scene = Scene::documented();
    let (mut near, mut far) = streams(&scene);
    near.shutdown(Shutdown::Read).unwrap();
    assert_eq!(near.read(&mut [0; 8]).unwrap(), 0);
    near.write_all(b"x").unwrap();
    near.shutdown(Shutdown::Write).unwrap();
    assert_eq!(failure(near.write(b"x")), (ErrorKind::BrokenPipe, 10058, false));
    assert_eq!(far.read(&mut [0; 8]).unwrap(), 1);
    assert_eq!(far.read(&mut [0; 8]).unwrap(), 0);
    far.shutdown(Shutdown::Both).unwrap();
    assert_eq!(far.read(&mut [0; 8]).unwrap(), 0);
}

#[test]
fn a_reset_is_told_with_its_packet() {
    let scene = Scene::documented();
    let (mut near, far) = streams(&scene);
    far.set_linger(Some(Duration::ZERO)).unwrap();
    drop(far);
    assert_eq!(failure(near.read(&mut [0; 8])), (ErrorKind::ConnectionReset, 10054, true));
    assert_eq!(failure(near.write(b"x")), (ErrorKind::ConnectionReset, 10054, true));
}

#[test]
fn dropping_a_stream_that_would_have_to_linger_delivers_in_the_background() {
    let scene = Scene::documented();
    let (mut near, mut far) = streams(&scene);
    near.set_linger(millis(2500)).unwrap();
    assert_eq!(near.linger().unwrap(), millis(3000), "whole seconds, rounded up");
    near.set_nonblocking(true).unwrap();
    near.write_all(&[0; 300_000]).unwrap();
    let start = scene.seconds();
    drop(near);
    assert_eq!(scene.seconds(), start);
    assert_eq!(std::io::copy(&mut far, &mut std::io::sink()).unwrap(), 300_000);
}

#[test]
fn options_are_kept() {
    let scene = Scene::documented();
    let (near, _far) = streams(&scene);
    assert!(!near.nodelay().unwrap());
    near.set_nodelay(true).unwrap();
    assert!(near.nodelay().unwrap());
    near.set_ttl(9).unwrap();
    assert_eq!(near.ttl().unwrap(), 9);
    assert_eq!(failure(near.set_ttl(256)), (ErrorKind::InvalidInput, 10022, false));
    assert_eq!(near.linger().unwrap(), None);
    near.set_linger(Some(Duration::MAX)).unwrap();
    assert_eq!(near.linger().unwrap(), Some(Duration::from_secs(65_535)));
    near.set_linger(None).unwrap();
    assert_eq!(near.linger().unwrap(), None);
    let v6 = nets(&scene).0.bind_udp("[fd00::1]:0").unwrap();
    v6.set_ttl(3).unwrap();
    assert_eq!(v6.ttl().unwrap(), 3);
}

#[test]
fn a_listener_gives_its_connections_one_after_the_other() {
    let scene = Scene::documented();
    let (client, server) = nets(&scene);
    let listener = server.listen("[::]:4000").unwrap();
    assert_eq!(listener.local_addr().unwrap(), address("[::]:4000"));
    assert_eq!(failure(server.listen("[::]:4000")).1, 10048);
    listener.set_nonblocking(true).unwrap();
    assert_eq!(failure(listener.accept()), (ErrorKind::WouldBlock, 10035, false));
    // Both families, and the accepted streams wait although the listener does not.
    let _clients = ["10.0.0.2:4000", "[fd00::2]:4000"].map(|name| client.connect(name).unwrap());
    scene.run(10);
    let accepted: Vec<_> = listener.incoming().take(3).collect();
    let peers: Vec<_> = accepted
        .iter()
        .map(|stream| stream.as_ref().map(|stream| stream.peer_addr().unwrap().ip().to_string()))
        .map(|peer| peer.map_err(std::io::Error::kind))
        .collect();
    let v4 = Ok("::ffff:10.0.0.1".into());
    assert_eq!(peers, [v4, Ok("fd00::1".into()), Err(ErrorKind::WouldBlock)]);
    let mut first = accepted.into_iter().next().unwrap().unwrap();
    first.set_read_timeout(millis(10)).unwrap();
    assert_eq!(failure(first.read(&mut [0; 8])).0, ErrorKind::TimedOut);
    let again: TcpListener = listener.try_clone().unwrap();
    drop(listener);
    client.connect("10.0.0.2:4000").unwrap();
    drop(again);
    assert_eq!(failure(client.connect("10.0.0.2:4000")).0, ErrorKind::ConnectionRefused);
}

#[test]
fn datagrams_go_to_and_come_from_whom_they_say() {
    let scene = Scene::documented();
    let (client, server) = nets(&scene);
    let near = client.bind_udp("10.0.0.1:0").unwrap();
    let far = server.bind_udp("[::]:5000").unwrap();
    let name = near.local_addr().unwrap();
    assert_eq!(near.send_to(b"hello", "10.0.0.2:5000").unwrap(), 5);
    let mut buffer = [0; 8];
    for _ in 0..2 {
        let (len, from) = far.peek_from(&mut buffer).unwrap();
        assert_eq!(&buffer[..len], b"hello");
        assert_eq!(from.ip().to_canonical(), name.ip());
    }
    assert_eq!(far.peek(&mut buffer).unwrap(), 5);
    let (_, from) = far.recv_from(&mut buffer).unwrap();
    far.send_to(b"back", from).unwrap();
    assert_eq!(near.recv(&mut buffer).unwrap(), 4);

    assert_eq!(failure(near.send(b"x")), (ErrorKind::NotConnected, 10057, false));
    assert_eq!(failure(near.peer_addr()), (ErrorKind::NotConnected, 10057, false));
    near.connect("10.0.0.2:5000").unwrap();
    assert_eq!(near.peer_addr().unwrap(), address("10.0.0.2:5000"));
    near.send(b"too long for it").unwrap();
    scene.run(10);
    assert_eq!(failure(far.recv(&mut buffer)), (ErrorKind::InvalidInput, 10040, false));
    near.set_read_timeout(millis(100)).unwrap();
    assert_eq!(failure(near.recv(&mut buffer)), (ErrorKind::TimedOut, 10060, false));
    near.set_nonblocking(true).unwrap();
    assert_eq!(failure(near.recv(&mut buffer)), (ErrorKind::WouldBlock, 10035, false));

    let broadcast = "10.0.0.255:5000";
    assert!(!near.broadcast().unwrap());
    let refused = (ErrorKind::PermissionDenied, 10013, false);
    assert_eq!(failure(near.send_to(b"x", broadcast)), refused);
    near.set_broadcast(true).unwrap();
    assert!(near.broadcast().unwrap());
    near.connect("10.0.0.2:9").unwrap();
    near.send(b"anybody?").unwrap();
    scene.run(10);
    assert_eq!(failure(near.recv(&mut buffer)), (ErrorKind::ConnectionReset, 10054, true));
}

#[test]
fn a_datagram_to_a_group_is_heard_by_whoever_joined_it_until_they_leave() {
    let scene = Scene::documented();
    let (client, server) = nets(&scene);
    let (group, any) = (Ipv4Addr::new(239, 1, 1, 1), Ipv4Addr::UNSPECIFIED);
    let sender = client.bind_udp("10.0.0.1:0").unwrap();
    let member = server.bind_udp("0.0.0.0:5000").unwrap();
    member.set_read_timeout(millis(50)).unwrap();
    member.join_multicast_v4(&group, &any).unwrap();
    let again = member.join_multicast_v4(&group, &any);
    assert_eq!(failure(again), (ErrorKind::InvalidInput, 10022, false));

    assert_eq!(
        (sender.multicast_ttl_v4().unwrap(), sender.multicast_loop_v4().unwrap()),
        (1, true)
    );
    sender.set_multicast_ttl_v4(255).unwrap();
    let beyond = sender.set_multicast_ttl_v4(256);
    assert_eq!(failure(beyond), (ErrorKind::InvalidInput, 10022, false));
    let mut buffer = [0; 8];
    sender.send_to(b"all", "239.1.1.1:5000").unwrap();
    let (len, from) = member.recv_from(&mut buffer).unwrap();
    assert_eq!((&buffer[..len], from), (&b"all"[..], sender.local_addr().unwrap()));

    member.leave_multicast_v4(&group, &any).unwrap();
    sender.send_to(b"all", "239.1.1.1:5000").unwrap();
    assert_eq!(member.recv(&mut buffer).unwrap_err().kind(), ErrorKind::TimedOut);
    let gone = member.leave_multicast_v4(&group, &any);
    assert_eq!(failure(gone), (ErrorKind::AddrNotAvailable, 10049, false));
}

#[test]
fn whoever_does_not_want_to_hear_its_own_host_in_a_group_does_not() {
    let scene = Scene::documented();
    let net = nets(&scene).0;
    let group = "ff02::99".parse().unwrap();
    let socket = net.bind_udp("[::]:5000").unwrap();
    socket.set_read_timeout(millis(50)).unwrap();
    socket.join_multicast_v6(&group, 0).unwrap();
    let mut buffer = [0; 8];
    socket.send_to(b"me", "[ff02::99]:5000").unwrap();
    assert_eq!(socket.recv(&mut buffer).unwrap(), 2);
    socket.set_multicast_loop_v6(false).unwrap();
    assert!(!socket.multicast_loop_v6().unwrap());
    socket.send_to(b"me", "[ff02::99]:5000").unwrap();
    assert_eq!(socket.recv(&mut buffer).unwrap_err().kind(), ErrorKind::TimedOut);
    socket.leave_multicast_v6(&group, 0).unwrap();
}

#[test]
fn what_nothing_will_ever_end_is_a_deadlock() {
    let scene = Scene::documented();
    let (mut near, _far) = streams(&scene);
    let mut buffer = [0; 8];
    // A retry after Interrupted, as read_exact makes it, would never end.
    let error = near.read_exact(&mut buffer).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Deadlock);
    assert_eq!(NetError::of(&error).map(NetError::error), Some(Error::WSAEINTR));
}

#[test]
fn sockets_that_calls_have_made_are_taken_in() {
    let scene = Scene::documented();
    let (s, t) = scene.connected();
    let (client, server) = nets(&scene);
    let (near, mut far) = (TcpStream::adopt(&client, s), TcpStream::adopt(&server, t));
    assert_eq!(near.socket(), s);
    (&near).write_all(b"taken in").unwrap();
    drop(near);
    assert_eq!(code(scene.client.peer_name(s)), 10038);
    let mut heard = String::new();
    far.read_to_string(&mut heard).unwrap();
    assert_eq!(heard, "taken in");
    let datagrams = udp(&scene.client);
    bind(&scene.client, datagrams, "10.0.0.1:5000").unwrap();
    let datagrams = UdpSocket::adopt(&client, datagrams);
    assert_eq!(datagrams.local_addr().unwrap(), address("10.0.0.1:5000"));
}

#[test]
fn a_network_lasts_as_long_as_its_last_socket() {
    let pair = Pair::new(7);
    let process = Simulated::process(pair.client);
    let net = Net::new(process.clone()).unwrap();
    let other = net.clone();
    let socket = net.bind_udp("10.0.0.1:0").unwrap();
    drop(net);
    let clone = socket.try_clone().unwrap();
    drop((other, socket));
    let name: SocketAddr = clone.local_addr().unwrap();
    assert_eq!(name.ip().to_string(), "10.0.0.1");
    assert_eq!(code(process.socket(2, 2, 0)), 0);
    drop(clone);
    assert_eq!(code(process.socket(2, 2, 0)), 10093);
}
