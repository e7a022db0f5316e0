//! Datagrams to many, and what WSARecvMsg and WSASendMsg say about one.

use tapsock_stack::config::Route;
use tapsock_stack::sim::{Answer, Router};
use tapsock_stack::wire::{EthernetAddress, IpAddress};
use wsa::{Arg, Memory, MemoryMut, SocketHandle, WsaBuf, WsaBufMut, WsaMsg, WsaMsgMut, sockaddr};

use super::scene::*;

const REUSE: (i32, i32) = (0xFFFF, 4);
const BROADCAST: (i32, i32) = (0xFFFF, 0x20);

/// A bound, non-blocking datagram socket that shares its port.
fn shared(process: &Wsa, name: &str) -> SocketHandle {
    let s = if name.starts_with('[') { udp6(process) } else { udp(process) };
    process.set_option(s, REUSE.0, REUSE.1, 1).unwrap();
    bind(process, s, name).unwrap();
    process.set_nonblocking(s, true).unwrap();
    s
}

fn send_to(process: &Wsa, s: SocketHandle, name: &str) -> i32 {
    let name = sockaddr(address(name));
    code(process.sendto(s, b"to many".into(), 0, name.memory(), name.len()))
}

fn join(process: &Wsa, s: SocketHandle, v6: bool) {
    if v6 {
        let mut request = [0; 20];
        (request[0], request[1], request[15]) = (0xff, 2, 0x99);
        process.setsockopt(s, 41, 12, Memory::Bytes(&request), 20).unwrap();
    } else {
        let request = [239, 1, 1, 1, 0, 0, 0, 0];
        process.setsockopt(s, 0, 12, Memory::Bytes(&request), 8).unwrap();
    }
}

const GROUPS: [(&str, &str, bool); 2] =
    [("0.0.0.0:5000", "239.1.1.1:5000", false), ("[::]:5000", "[ff02::99]:5000", true)];

#[test]
fn every_socket_on_the_port_hears_a_broadcast_the_senders_own_too() {
    for to in ["255.255.255.255:5000", "10.0.0.255:5000"] {
        let scene = Scene::documented();
        let (client, server) = (&scene.client, &scene.server);
        let own = [shared(client, "0.0.0.0:5000"), shared(client, "10.0.0.1:5000")];
        let others = [shared(server, "0.0.0.0:5000"), shared(server, "10.0.0.2:5000")];
        let deaf = shared(server, "0.0.0.0:5000");
        server.set_option(deaf, 0, 22, 0).unwrap();
        assert_eq!(send_to(client, own[0], to), 10013);
        client.set_option(own[0], BROADCAST.0, BROADCAST.1, 1).unwrap();
        assert_eq!(send_to(client, own[0], to), 0);
        scene.run(10);
        for (process, s) in own.map(|s| (client, s)).into_iter().chain(others.map(|s| (server, s)))
        {
            assert_eq!(recv(process, s).unwrap(), b"to many");
            assert_eq!(code(recv(process, s)), 10035);
        }
        assert_eq!(code(recv(server, deaf)), 10035, "IP_RECEIVE_BROADCAST is off");
    }
}

#[test]
fn members_hear_a_group_until_they_leave_or_close() {
    for (name, group, v6) in GROUPS {
        let scene = Scene::documented();
        let (client, server) = (&scene.client, &scene.server);
        let sender = shared(client, name);
        let (member, other) = (shared(server, name), shared(server, name));
        join(server, member, v6);
        assert_eq!(send_to(client, sender, group), 0);
        scene.run(10);
        assert_eq!(recv(server, member).unwrap(), b"to many");
        assert_eq!(code(recv(server, other)), 10035);
        let is_member = || {
            let group = address(group).ip().into();
            server.engine().host().with(|stack, _| stack.is_member(group))
        };
        join(server, other, v6);
        server.closesocket(member).unwrap();
        assert!(is_member());
        server.closesocket(other).unwrap();
        assert!(!is_member());
    }
}

#[test]
fn the_loop_option_is_the_receivers() {
    for (name, group, v6) in GROUPS {
        let scene = Scene::documented();
        let client = &scene.client;
        let level = if v6 { 41 } else { 0 };
        let (sender, member) = (shared(client, name), shared(client, name));
        join(client, member, v6);
        // The sender's own setting says nothing about others.
        client.set_option(sender, level, 11, 0).unwrap();
        assert_eq!(send_to(client, sender, group), 0);
        scene.run(10);
        assert_eq!(recv(client, member).unwrap(), b"to many");
        client.set_option(member, level, 11, 0).unwrap();
        assert_eq!(send_to(client, sender, group), 0);
        scene.run(10);
        assert_eq!(code(recv(client, member)), 10035);
    }
}

/// What WSARecvMsg gave.
#[derive(Debug, PartialEq, Default)]
struct Message {
    code: i32,
    data: Vec<u8>,
    from: String,
    flags: i32,
    /// Level, type, data.
    control: Vec<(i32, i32, Vec<u8>)>,
    control_len: u32,
}

/// WSARecvMsg with room for `data` and `control` bytes.
fn recv_msg(process: &Wsa, s: SocketHandle, data: usize, control: usize, flags: i32) -> Message {
    let (mut name, mut room, mut messages) = ([0; 28], vec![0; data], vec![0; control]);
    let mut buffers = [WsaBufMut::new(&mut room)];
    let mut received = 0;
    let mut message = WsaMsgMut {
        name: MemoryMut::Bytes(&mut name),
        namelen: 28,
        buffers: Arg::Value(&mut buffers),
        control: WsaBufMut::new(&mut messages),
        flags,
    };
    let result = process.wsa_recv_msg(s, Arg::Value(&mut message), Some(&mut received));
    let (namelen, control_len, flags) = (message.namelen, message.control.len, message.flags);
    room.truncate(received as usize);
    let from = wsa::SockAddr::decode(&name[..namelen as usize]);
    let mut parsed = Vec::new();
    let mut at = 0;
    while result.is_ok() && at < control_len as usize {
        let len = u64::from_ne_bytes(messages[at..at + 8].try_into().unwrap()) as usize;
        let number = |at: usize| i32::from_ne_bytes(messages[at..at + 4].try_into().unwrap());
        let data = messages[at + 16..at + len].to_vec();
        parsed.push((number(at + 8), number(at + 12), data));
        at += len.next_multiple_of(8);
    }
    Message {
        code: code(result),
        data: room,
        from: from.map_or(String::new(), |name| name.to_string()),
        flags,
        control: parsed,
        control_len,
    }
}

#[test]
fn a_message_tells_what_was_asked_for() {
    let scene = Scene::documented();
    let (client, server) = (&scene.client, &scene.server);
    let int = |value: i32| value.to_ne_bytes().to_vec();
    for (name, to, level) in
        [("0.0.0.0:5000", "10.0.0.2:5000", 0), ("[::]:5000", "[fd00::2]:5000", 41)]
    {
        let (sender, s) = (shared(client, name), shared(server, name));
        let class = if level == 0 { 3 } else { 39 };
        client.set_option(sender, level, 4, 9).unwrap();
        client.set_option(sender, level, class, 0xb8).unwrap();
        assert_eq!(send_to(client, sender, to), 0);
        scene.run(10);
        let bare = recv_msg(server, s, 64, 256, 0);
        assert_eq!((bare.code, bare.flags, bare.control_len), (0, 0, 0));
        assert_eq!(bare.data, b"to many");
        for option in [19, 21, 40, 24, 25] {
            server.set_option(s, level, option, 1).unwrap();
        }
        assert_eq!(send_to(client, sender, to), 0);
        scene.run(10);
        let message = recv_msg(server, s, 64, 256, 0);
        let (own, from) = if level == 0 {
            (vec![10, 0, 0, 2], "10.0.0.1:5000")
        } else {
            (vec![0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2], "[fd00::1]:5000")
        };
        assert_eq!(message.from, from);
        assert_eq!(
            message.control,
            [
                (level, 19, [own.clone(), int(1)].concat()),
                (level, 21, int(9)),
                (level, class, int(0xb8)),
                (level, 24, int(1)),
                (level, 25, own),
            ]
        );
    }
}

#[test]
fn a_message_says_whether_it_was_to_many() {
    let scene = Scene::documented();
    let (client, server) = (&scene.client, &scene.server);
    let sender = shared(client, "0.0.0.0:5000");
    client.set_option(sender, BROADCAST.0, BROADCAST.1, 1).unwrap();
    let s = shared(server, "0.0.0.0:5000");
    join(server, s, false);
    server.set_option(s, 0, 25, 1).unwrap();
    for (to, flags, local) in [
        ("10.0.0.2:5000", 0, [10, 0, 0, 2]),
        ("10.0.0.255:5000", 0x400, [10, 0, 0, 255]),
        ("255.255.255.255:5000", 0x400, [255; 4]),
        ("239.1.1.1:5000", 0x800, [239, 1, 1, 1]),
    ] {
        assert_eq!(send_to(client, sender, to), 0);
        scene.run(10);
        let message = recv_msg(server, s, 64, 64, 0);
        assert_eq!((message.flags, &message.control[..]), (flags, &[(0, 25, local.to_vec())][..]));
    }
}

#[test]
fn what_has_no_room_is_said_and_lost() {
    let scene = Scene::documented();
    let (client, server) = (&scene.client, &scene.server);
    let (sender, s) = (shared(client, "0.0.0.0:5000"), shared(server, "0.0.0.0:5000"));
    server.set_option(s, 0, 19, 1).unwrap();
    server.set_option(s, 0, 21, 1).unwrap();
    // in_pktinfo takes 24 bytes, the time to live begins at 24 and takes 20.
    for (data, control, expected) in [
        (7, 44, (0, 7, 0, 44)),
        (6, 44, (10040, 6, 0x100, 44)),
        (7, 43, (10040, 7, 0x200, 24)),
        (7, 23, (10040, 7, 0x200, 0)),
        (6, 0, (10040, 6, 0x300, 0)),
    ] {
        assert_eq!(send_to(client, sender, "10.0.0.2:5000"), 0);
        scene.run(10);
        let peeked = recv_msg(server, s, 64, 64, 2);
        assert_eq!((peeked.code, peeked.data.len()), (0, 7), "MSG_PEEK");
        let message = recv_msg(server, s, data, control, 0);
        let Message { code, data, flags, control_len, .. } = message;
        assert_eq!((code, data.len(), flags, control_len), expected);
        assert_eq!(recv_msg(server, s, 64, 64, 0).code, 10035, "it is gone");
    }
}

#[test]
fn a_bad_message_is_refused_and_nothing_is_taken() {
    let scene = Scene::documented();
    let (client, server) = (&scene.client, &scene.server);
    let (sender, s) = (shared(client, "0.0.0.0:5000"), shared(server, "0.0.0.0:5000"));
    assert_eq!(send_to(client, sender, "10.0.0.2:5000"), 0);
    scene.run(10);
    let mut received = 77;
    assert_eq!(code(server.wsa_recv_msg(s, Arg::Null, Some(&mut received))), 10014);
    assert_eq!(code(server.wsa_recv_msg(SocketHandle::INVALID, Arg::Null, None)), 10038);
    let try_with = |adjust: &dyn Fn(&mut WsaMsgMut<'_, '_>), count: bool| {
        let (mut name, mut room, mut control) = ([0; 16], [0; 64], [0; 64]);
        let mut buffers = [WsaBufMut::new(&mut room)];
        let mut message = WsaMsgMut {
            name: MemoryMut::Bytes(&mut name),
            namelen: 16,
            buffers: Arg::Value(&mut buffers),
            control: WsaBufMut::new(&mut control),
            flags: 0,
        };
        adjust(&mut message);
        let mut received = 77;
        let counted = count.then_some(&mut received);
        let result = code(server.wsa_recv_msg(s, Arg::Value(&mut message), counted));
        assert_eq!(received, if result == 0 { 7 } else { 77 });
        result
    };
    assert_eq!(try_with(&|_| {}, false), 10014);
    assert_eq!(try_with(&|message| message.namelen = 15, true), 10014);
    assert_eq!(try_with(&|message| message.control.buf = MemoryMut::Unwritable, true), 10014);
    assert_eq!(try_with(&|message| message.buffers = Arg::Null, true), 10014);
    assert_eq!(try_with(&|message| message.flags = 8, true), 10045);
    assert_eq!(try_with(&|_| {}, true), 0);
    let mut message = WsaMsgMut::default();
    let stream = tcp(server);
    let result = server.wsa_recv_msg(stream, Arg::Value(&mut message), Some(&mut received));
    assert_eq!(code(result), 10045);
    assert_eq!(code(server.wsa_send_msg(stream, Arg::Null, 0, Some(&mut received))), 10045);
}

/// A WSACMSGHDR and its data, padded.
fn control(level: i32, kind: i32, data: &[u8]) -> Vec<u8> {
    let mut bytes = (16 + data.len() as u64).to_ne_bytes().to_vec();
    bytes.extend(level.to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(data);
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes
}

fn send_msg(process: &Wsa, s: SocketHandle, to: Option<&str>, control: &[u8]) -> i32 {
    let name = to.map(|to| sockaddr(address(to)));
    let buffers = [WsaBuf::new(b"to "), WsaBuf::new(b"many")];
    let message = WsaMsg {
        name: name.as_ref().map_or(Memory::Null, |name| name.memory()),
        namelen: name.as_ref().map_or(0, wsa::address::Encoded::len),
        buffers: Arg::Value(&buffers),
        control: WsaBuf::new(control),
    };
    let mut sent = 99;
    let result = code(process.wsa_send_msg(s, Arg::Value(&message), 0, Some(&mut sent)));
    assert_eq!(sent, if result == 0 { 7 } else { 99 });
    result
}

#[test]
fn a_message_chooses_its_source_time_to_live_and_class() {
    let scene = Scene::documented();
    let (client, server) = (&scene.client, &scene.server);
    client.engine().host().with(|stack, _| {
        stack.add_address("192.168.5.1/24".parse().unwrap()).unwrap();
    });
    let int = |value: i32| value.to_ne_bytes().to_vec();
    let (sender, s) = (shared(client, "0.0.0.0:5000"), shared(server, "0.0.0.0:5000"));
    let to = Some("10.0.0.2:5000");
    for option in [21, 40] {
        server.set_option(s, 0, option, 1).unwrap();
    }
    let source = |octets: [u8; 4]| control(0, 19, &[octets, 1_u32.to_ne_bytes()].concat());
    let everything =
        [source([192, 168, 5, 1]), control(0, 21, &int(3)), control(0, 3, &int(0x10))].concat();
    for (bytes, from, hops, class) in [
        (&[][..], "10.0.0.1:5000", 64, 0),
        (&everything, "192.168.5.1:5000", 3, 0x10),
        (&source([0; 4]), "10.0.0.1:5000", 64, 0),
        // The last message may end without its padding.
        (&control(0, 21, &int(7))[..20], "10.0.0.1:5000", 7, 0),
    ] {
        assert_eq!(send_msg(client, sender, to, bytes), 0);
        scene.run(10);
        let message = recv_msg(server, s, 64, 64, 0);
        assert_eq!((&*message.data, &*message.from), (&b"to many"[..], from));
        assert_eq!(message.control, [(0, 21, int(hops)), (0, 3, int(class))]);
    }
    let short = control(0, 19, &[10, 0, 0, 1]);
    let other_link = control(0, 19, &[10, 0, 0, 1, 2, 0, 0, 0]);
    let mut endless = control(0, 21, &int(7));
    endless[0] = 25;
    let mut tiny = control(0, 21, &int(7));
    tiny[0] = 15;
    let v6 = control(41, 19, &[vec![0xfd], vec![0; 14], vec![1], int(1)].concat());
    for (bytes, expected) in [
        (source([10, 0, 0, 2]), 10049),
        (other_link, 10049),
        (v6, 10022),
        (short, 10022),
        (endless, 10022),
        (tiny, 10022),
        (vec![0; 15], 10022),
        (control(0, 77, &int(1)), 10022),
        (control(0, 21, &int(256)), 10022),
        (control(0, 21, &int(-1)), 10022),
    ] {
        assert_eq!(send_msg(client, sender, to, &bytes), expected, "{bytes:?}");
    }
    // Without a name to the peer, if there is one.
    assert_eq!(send_msg(client, sender, None, &[]), 10057);
    connect(client, sender, "10.0.0.2:5000").unwrap();
    assert_eq!(send_msg(client, sender, None, &[]), 0);
    assert_eq!(send_msg(client, sender, Some("255.255.255.255:5000"), &[]), 10013);
}

/// SIO_UDP_CONNRESET or SIO_UDP_NETRESET.
fn ioctl(process: &Wsa, s: SocketHandle, code: u32, on: u32) {
    let mut returned = 0;
    let (value, null) = (on.to_ne_bytes(), MemoryMut::Null);
    process.wsa_ioctl(s, code, Memory::Bytes(&value), 4, null, 0, Some(&mut returned)).unwrap();
}

const CONNRESET: u32 = 0x9800_000C;
const NETRESET: u32 = 0x9800_000F;

fn readable(process: &Wsa, s: SocketHandle) -> bool {
    let mut flags = [wsa::WsaPollFd { fd: s, events: 0x100, revents: 0 }];
    process.wsa_poll(&mut flags, 0).unwrap();
    flags[0].revents != 0
}

#[test]
fn one_error_for_each_unreachable_port_and_the_socket_goes_on() {
    let scene = Scene::documented();
    let (client, server) = (&scene.client, &scene.server);
    let s = shared(client, "0.0.0.0:5000");
    let peer = shared(server, "0.0.0.0:6000");
    for port in [1, 2, 3] {
        assert_eq!(send_to(client, s, &format!("10.0.0.2:{port}")), 0);
    }
    scene.run(10);
    assert_eq!(send_to(server, peer, "10.0.0.1:5000"), 0);
    scene.run(10);
    assert!(readable(client, s));
    for _ in 0..3 {
        assert_eq!(send_to(client, s, "10.0.0.2:6000"), 0, "sending does not mind");
        assert_eq!(code(recv(client, s)), 10054);
    }
    assert_eq!(recv(client, s).unwrap(), b"to many");
    assert_eq!(code(recv(client, s)), 10035);
    assert!(!readable(client, s));
}

#[test]
fn errors_that_are_not_wanted_are_no_errors() {
    let scene = Scene::documented();
    let client = &scene.client;
    let s = shared(client, "0.0.0.0:5000");
    // A closed port, a network and a host without a way.
    let attempt = || {
        for to in ["10.0.0.2:9", NO_NET, NO_HOST] {
            assert_eq!(send_to(client, s, to), 0);
        }
        scene.run(10);
        let codes: Vec<i32> = std::iter::from_fn(|| {
            let is_readable = readable(client, s);
            let code = code(recv(client, s));
            assert_eq!(is_readable, code != 10035);
            is_readable.then_some(code)
        })
        .collect();
        codes
    };
    // The neighbor is asked once.
    assert_eq!(send_to(client, s, "10.0.0.2:9"), 0);
    scene.run(10);
    assert_eq!(code(recv(client, s)), 10054);
    assert_eq!(attempt(), [10054, 10051, 10065]);
    ioctl(client, s, CONNRESET, 0);
    assert_eq!(attempt(), [10051, 10065]);
    ioctl(client, s, NETRESET, 0);
    assert_eq!(attempt(), [0_i32; 0]);
    ioctl(client, s, CONNRESET, 1);
    assert_eq!(attempt(), [10054]);
    ioctl(client, s, NETRESET, 1);
    assert_eq!(attempt(), [10054, 10051, 10065]);
    // What waits goes when it is not wanted any more.
    assert_eq!(send_to(client, s, "10.0.0.2:9"), 0);
    scene.run(10);
    assert!(readable(client, s));
    ioctl(client, s, CONNRESET, 0);
    assert!(!readable(client, s));
}

#[test]
fn the_code_of_every_icmp_error() {
    let scene = Scene::documented();
    let client = &scene.client;
    let errors = [
        (3, 0, 10051),
        (3, 1, 10065),
        (3, 2, 10051),
        (3, 3, 10054),
        (3, 5, 10065),
        (3, 6, 10051),
        (3, 9, 10051),
        (3, 13, 10065),
        (11, 0, 10052),
        (11, 1, 10052),
        (12, 0, 10052),
    ];
    let gateway = IpAddress::v4(10, 0, 0, 253);
    let mut router = Router::new(EthernetAddress([2, 0, 0, 0, 0, 253])).with_address(gateway);
    for (number, (kind, code, _)) in errors.into_iter().enumerate() {
        let destination = format!("172.16.{number}.0/24").parse().unwrap();
        router = router.with_answer(destination, Answer::Error { kind, code });
        let route = Route { destination, gateway: Some(gateway) };
        client.engine().host().with(|stack, _| stack.add_route(route).unwrap());
    }
    scene.world.device(router);
    let s = shared(client, "0.0.0.0:5000");
    for (number, (kind, icmp_code, expected)) in errors.into_iter().enumerate() {
        assert_eq!(send_to(client, s, &format!("172.16.{number}.1:9")), 0);
        scene.run(10);
        assert_eq!(code(recv(client, s)), expected, "{kind}/{icmp_code}");
        assert_eq!(code(recv(client, s)), 10035);
    }
}
