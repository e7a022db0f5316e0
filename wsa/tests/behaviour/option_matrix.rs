//! Every option on every type and family of socket, both ways.

use wsa::{Memory, SocketHandle};

use super::scene::*;

/// A line: what it is, level, number, the value that is set, then what getsockopt and setsockopt
/// give on a stream and a datagram socket of IPv4, and on both of IPv6.
type Row = (&'static str, i32, i32, u32, [i32; 4], [i32; 4]);

const ALL: [i32; 4] = [0; 4];
const UNKNOWN: [i32; 4] = [10042; 4];
const NO_LEVEL: [i32; 4] = [10022; 4];
const STREAM: [i32; 4] = [0, 10042, 0, 10042];
const DATAGRAM: [i32; 4] = [10042, 0, 10042, 0];
/// A level that only streams have.
const TCP: [i32; 4] = [0, 10022, 0, 10022];
const TCP_UNKNOWN: [i32; 4] = [10042, 10022, 10042, 10022];
/// A level that only datagram sockets have, and of those here IPv4 alone.
const UDP_V4: [i32; 4] = [10022, 0, 10022, 10042];
const UDP_UNKNOWN: [i32; 4] = [10022, 10042, 10022, 10042];

const ROWS: [Row; 73] = [
    ("SO_DEBUG", 0xFFFF, 1, 1, ALL, ALL),
    ("SO_ACCEPTCONN", 0xFFFF, 2, 1, STREAM, UNKNOWN),
    ("SO_REUSEADDR", 0xFFFF, 4, 1, ALL, ALL),
    ("SO_KEEPALIVE", 0xFFFF, 8, 1, STREAM, STREAM),
    ("SO_DONTROUTE", 0xFFFF, 0x10, 1, [0, 0, 10042, 10042], [0, 0, 10042, 10042]),
    ("SO_BROADCAST", 0xFFFF, 0x20, 1, DATAGRAM, DATAGRAM),
    ("SO_USELOOPBACK", 0xFFFF, 0x40, 1, NO_LEVEL, NO_LEVEL),
    ("SO_LINGER", 0xFFFF, 0x80, 1, STREAM, STREAM),
    ("SO_OOBINLINE", 0xFFFF, 0x100, 1, STREAM, STREAM),
    ("SO_DONTLINGER", 0xFFFF, !0x80, 1, STREAM, STREAM),
    ("SO_EXCLUSIVEADDRUSE", 0xFFFF, !4, 1, ALL, ALL),
    ("SO_SNDBUF", 0xFFFF, 0x1001, 1, ALL, ALL),
    ("SO_RCVBUF", 0xFFFF, 0x1002, 1, ALL, ALL),
    ("SO_SNDLOWAT", 0xFFFF, 0x1003, 1, NO_LEVEL, NO_LEVEL),
    ("SO_RCVLOWAT", 0xFFFF, 0x1004, 1, NO_LEVEL, NO_LEVEL),
    ("SO_SNDTIMEO", 0xFFFF, 0x1005, 1, ALL, ALL),
    ("SO_RCVTIMEO", 0xFFFF, 0x1006, 1, ALL, ALL),
    ("SO_ERROR", 0xFFFF, 0x1007, 1, ALL, UNKNOWN),
    ("SO_TYPE", 0xFFFF, 0x1008, 1, ALL, UNKNOWN),
    ("SO_BSP_STATE", 0xFFFF, 0x1009, 1, UNKNOWN, UNKNOWN),
    ("SO_GROUP_ID", 0xFFFF, 0x2001, 1, UNKNOWN, UNKNOWN),
    ("SO_GROUP_PRIORITY", 0xFFFF, 0x2002, 1, UNKNOWN, UNKNOWN),
    ("SO_MAX_MSG_SIZE", 0xFFFF, 0x2003, 1, DATAGRAM, UNKNOWN),
    ("SO_PROTOCOL_INFOA", 0xFFFF, 0x2004, 1, ALL, UNKNOWN),
    ("SO_PROTOCOL_INFOW", 0xFFFF, 0x2005, 1, ALL, UNKNOWN),
    ("PVD_CONFIG", 0xFFFF, 0x3001, 1, UNKNOWN, UNKNOWN),
    ("SO_CONDITIONAL_ACCEPT", 0xFFFF, 0x3002, 1, STREAM, STREAM),
    ("SO_RANDOMIZE_PORT", 0xFFFF, 0x3005, 1, ALL, ALL),
    ("SO_PORT_SCALABILITY", 0xFFFF, 0x3006, 1, ALL, ALL),
    ("SO_REUSE_UNICASTPORT", 0xFFFF, 0x3007, 1, UNKNOWN, UNKNOWN),
    ("SO_REUSE_MULTICASTPORT", 0xFFFF, 0x3008, 1, UNKNOWN, UNKNOWN),
    ("SO_CONNDATA", 0xFFFF, 0x7000, 1, UNKNOWN, UNKNOWN),
    ("SO_CONNOPT", 0xFFFF, 0x7001, 1, UNKNOWN, UNKNOWN),
    ("SO_DISCDATA", 0xFFFF, 0x7002, 1, UNKNOWN, UNKNOWN),
    ("SO_DISCOPT", 0xFFFF, 0x7003, 1, UNKNOWN, UNKNOWN),
    ("SO_CONNDATALEN", 0xFFFF, 0x7004, 1, UNKNOWN, UNKNOWN),
    ("SO_CONNOPTLEN", 0xFFFF, 0x7005, 1, UNKNOWN, UNKNOWN),
    ("SO_DISCDATALEN", 0xFFFF, 0x7006, 1, UNKNOWN, UNKNOWN),
    ("SO_DISCOPTLEN", 0xFFFF, 0x7007, 1, UNKNOWN, UNKNOWN),
    ("SO_OPENTYPE", 0xFFFF, 0x7008, 0x20, ALL, ALL),
    ("SO_MAXDG", 0xFFFF, 0x7009, 1, UNKNOWN, UNKNOWN),
    ("SO_MAXPATHDG", 0xFFFF, 0x700A, 1, UNKNOWN, UNKNOWN),
    ("SO_CONNECT_TIME", 0xFFFF, 0x700C, 1, ALL, UNKNOWN),
    ("no such option", 0xFFFF, 0x7777, 1, UNKNOWN, UNKNOWN),
    ("TCP_NODELAY", 6, 1, 1, TCP, TCP),
    ("TCP_EXPEDITED_1122 on", 6, 2, 1, TCP, TCP_UNKNOWN),
    ("TCP_EXPEDITED_1122 off", 6, 2, 0, TCP, TCP),
    ("TCP_KEEPIDLE", 6, 3, 1, TCP, TCP),
    ("TCP_MAXSEG", 6, 4, 1000, TCP, TCP_UNKNOWN),
    ("TCP_MAXRT", 6, 5, 1, TCP, TCP),
    ("TCP_STDURG on", 6, 6, 1, TCP, TCP_UNKNOWN),
    ("TCP_STDURG off", 6, 6, 0, TCP, TCP),
    ("TCP_NOURG", 6, 7, 1, TCP_UNKNOWN, TCP_UNKNOWN),
    ("TCP_ATMARK", 6, 8, 1, TCP_UNKNOWN, TCP_UNKNOWN),
    ("TCP_NOSYNRETRIES", 6, 9, 1, TCP, TCP),
    ("TCP_TIMESTAMPS on", 6, 10, 1, TCP, TCP_UNKNOWN),
    ("TCP_TIMESTAMPS off", 6, 10, 0, TCP, TCP),
    ("TCP_OFFLOAD_PREFERENCE", 6, 11, 1, TCP_UNKNOWN, TCP_UNKNOWN),
    ("TCP_CONGESTION_ALGORITHM", 6, 12, 1, TCP_UNKNOWN, TCP_UNKNOWN),
    ("TCP_DELAY_FIN_ACK on", 6, 13, 1, TCP, TCP_UNKNOWN),
    ("TCP_DELAY_FIN_ACK off", 6, 13, 0, TCP, TCP),
    ("TCP_MAXRTMS", 6, 14, 1, TCP, TCP),
    ("TCP_FASTOPEN on", 6, 15, 1, TCP, TCP_UNKNOWN),
    ("TCP_FASTOPEN off", 6, 15, 0, TCP, TCP),
    ("TCP_KEEPCNT", 6, 16, 1, TCP, TCP),
    ("TCP_KEEPINTVL", 6, 17, 1, TCP, TCP),
    ("TCP_FAIL_CONNECT_ON_ICMP_ERROR", 6, 18, 1, TCP, TCP),
    ("TCP_ICMP_ERROR_INFO", 6, 19, 1, TCP, TCP_UNKNOWN),
    ("TCP_BSDURGENT", 6, 0x7000, 1, TCP_UNKNOWN, TCP_UNKNOWN),
    ("UDP_NOCHECKSUM", 17, 1, 1, UDP_V4, UDP_V4),
    ("UDP_SEND_MSG_SIZE", 17, 2, 1, UDP_UNKNOWN, UDP_UNKNOWN),
    ("UDP_CHECKSUM_COVERAGE", 17, 20, 1, UDP_V4, UDP_V4),
    ("no such level", 0xBAD, 1, 1, NO_LEVEL, NO_LEVEL),
];

fn sockets(process: &Wsa) -> [SocketHandle; 4] {
    [tcp(process), udp(process), tcp6(process), udp6(process)]
}

#[test]
fn options_by_type_and_family() {
    for (name, level, option, value, readable, writable) in ROWS {
        let scene = Scene::documented();
        let process = &scene.client;
        let mut room = [0; 1024];
        let read = sockets(process).map(|s| {
            let mut len = 1024;
            code(process.getsockopt(s, level, option, (&mut room).into(), Some(&mut len)))
        });
        assert_eq!(read, readable, "getsockopt {name}");
        let written = sockets(process).map(|s| code(process.set_option(s, level, option, value)));
        assert_eq!(written, writable, "setsockopt {name}");
    }
}

/// What was set is what is read.
#[test]
fn values_come_back() {
    let scene = Scene::documented();
    let process = &scene.client;
    for (level, option, values) in [
        (0xFFFF, 1, [1, 0]),
        (0xFFFF, 4, [1, 0]),
        (0xFFFF, !4, [1, 0]),
        (0xFFFF, 8, [1, 0]),
        (0xFFFF, 0x10, [1, 0]),
        (0xFFFF, 0x80, [0x0005_0001, 0]),
        (0xFFFF, 0x100, [1, 0]),
        (0xFFFF, !0x80, [0, 1]),
        (0xFFFF, 0x1001, [0, u32::MAX]),
        (0xFFFF, 0x1002, [0, u32::MAX]),
        (0xFFFF, 0x1005, [1, u32::MAX]),
        (0xFFFF, 0x1006, [1, u32::MAX]),
        (0xFFFF, 0x3002, [1, 0]),
        (6, 1, [1, 0]),
        (6, 3, [1, u32::MAX]),
        (6, 5, [77, u32::MAX]),
        (6, 9, [1, 0]),
        (6, 14, [77, u32::MAX]),
        (6, 16, [1, 255]),
        (6, 17, [1, u32::MAX]),
        (6, 18, [1, 0]),
    ] {
        let s = tcp(process);
        for value in values {
            process.set_option(s, level, option, value).unwrap();
            assert_eq!(process.option(s, level, option), Ok(value), "{level} {option:#x}");
        }
    }
    let s = udp(process);
    process.set_option(s, 17, 1, 1).unwrap();
    assert_eq!((process.option(s, 17, 1), process.option(s, 17, 20)), (Ok(1), Ok(0)));
    process.set_option(s, 17, 20, 1).unwrap();
    assert_eq!((process.option(s, 17, 1), process.option(s, 17, 20)), (Ok(0), Ok(1)));
}

#[test]
fn values_out_of_range_are_refused() {
    let scene = Scene::documented();
    let process = &scene.client;
    let s = tcp(process);
    for (option, value, expected) in [
        (3, 0, 10022),
        (3, 1, 0),
        (16, 0, 10022),
        (16, 1, 0),
        (16, 255, 0),
        (16, 256, 10022),
        (17, 0, 10022),
        (17, 1, 0),
    ] {
        assert_eq!(code(process.set_option(s, 6, option, value)), expected, "{option} {value}");
    }
    let defaults = [3, 17, 16].map(|option| process.option(tcp(process), 6, option));
    assert_eq!(defaults, [Ok(7200), Ok(1), Ok(10)]);
}

/// The code and the length that getsockopt gives for a length, and the code of setsockopt.
#[test]
fn lengths() {
    let scene = Scene::documented();
    let process = &scene.client;
    // A boolean, a number, a linger, TCP_NODELAY, and a structure.
    for (name, level, option, get, set) in [
        ("SO_KEEPALIVE", 0xFFFF, 8, [-1, 1, 1, 1, 4, 4, 4], [-1, 0, 0, 0, 0, 0, 0]),
        ("SO_RCVTIMEO", 0xFFFF, 0x1006, [-1, -1, -1, -1, 4, 4, 4], [-1, -1, -1, -1, 0, 0, 0]),
        ("SO_LINGER", 0xFFFF, 0x80, [-1, -1, -1, -1, 4, 4, 4], [-1, -1, -1, -1, 0, 0, 0]),
        ("TCP_NODELAY", 6, 1, [-1, 1, 1, 1, 4, 4, 4], [-1, 0, 0, 0, 0, 0, 0]),
    ] {
        let s = tcp(process);
        for (index, len) in [0, 1, 2, 3, 4, 5, 128].into_iter().enumerate() {
            let (mut room, mut given) = ([0xEE; 128], len);
            let found = process.getsockopt(s, level, option, (&mut room).into(), Some(&mut given));
            let expected = if get[index] < 0 { (10014, len) } else { (0, get[index]) };
            assert_eq!((code(found), given), expected, "getsockopt {name} {len}");
            let written = if get[index] < 0 { 0 } else { get[index] as usize };
            assert!(room[written..].iter().all(|&byte| byte == 0xEE), "{name} {len}");
            let value = [1; 128];
            let found = process.setsockopt(s, level, option, Memory::Bytes(&value), len);
            let expected = if set[index] < 0 { 10014 } else { 0 };
            assert_eq!(code(found), expected, "setsockopt {name} {len}");
        }
        for len in [-1, i32::MIN] {
            let (mut room, mut given) = ([0; 4], len);
            let found = process.getsockopt(s, level, option, (&mut room).into(), Some(&mut given));
            assert_eq!((code(found), given), (10014, len));
            let found = process.setsockopt(s, level, option, Memory::Bytes(&[1; 4]), len);
            assert_eq!(code(found), 10014);
        }
    }
    let (s, mut room) = (tcp(process), [0; 628]);
    for (option, len, expected) in [
        (0x2004, 371, (10014, 371)),
        (0x2004, 372, (0, 372)),
        (0x2004, 628, (0, 372)),
        (0x2005, 627, (10014, 627)),
        (0x2005, 628, (0, 628)),
    ] {
        let mut given = len;
        let found = process.getsockopt(s, 0xFFFF, option, (&mut room).into(), Some(&mut given));
        assert_eq!((code(found), given), expected, "{option:#x} {len}");
    }
}

#[test]
fn a_refused_value_changes_nothing() {
    let scene = Scene::documented();
    let process = &scene.client;
    let s = tcp(process);
    process.set_option(s, 6, 16, 7).unwrap();
    assert_eq!(code(process.set_option(s, 6, 16, 1000)), 10022);
    assert_eq!(process.option(s, 6, 16), Ok(7));
    process.set_option(s, 0xFFFF, 0x1006, 500).unwrap();
    let short = process.setsockopt(s, 0xFFFF, 0x1006, Memory::Bytes(&[1, 1, 1]), 3);
    assert_eq!(code(short), 10014);
    assert_eq!(process.option(s, 0xFFFF, 0x1006), Ok(500));
}

#[test]
fn the_protocol_is_told_in_both_widths() {
    let scene = Scene::documented();
    let process = &scene.client;
    let int = |info: &[u8], at: usize| i32::from_ne_bytes(info[at..at + 4].try_into().unwrap());
    for (s, flags, family, name_len, ty, number, message, name) in [
        (tcp(process), 0x26, 2, 16, 1, 6, 0, "Tapsock [TCP/IP]"),
        (udp(process), 0x609, 2, 16, 2, 17, 65507, "Tapsock [UDP/IP]"),
        (tcp6(process), 0x26, 23, 28, 1, 6, 0, "Tapsock [TCP/IPv6]"),
        (udp6(process), 0x609, 23, 28, 2, 17, 65527, "Tapsock [UDP/IPv6]"),
    ] {
        let (mut narrow, mut wide) = ([0xEE; 372], [0xEE; 628]);
        let mut len = 372;
        process.getsockopt(s, 0xFFFF, 0x2004, (&mut narrow).into(), Some(&mut len)).unwrap();
        let mut len = 628;
        process.getsockopt(s, 0xFFFF, 0x2005, (&mut wide).into(), Some(&mut len)).unwrap();
        assert_eq!(narrow[..116], wide[..116], "only the name has characters");
        let fields = [0, 4, 16, 40, 72, 76, 80, 84, 88, 92, 96, 100, 104, 108, 112];
        let expected =
            [flags, 0, 8, 1, 2, family, name_len, name_len, ty, number, 0, 0, 0, message, 0];
        assert_eq!(fields.map(|at| int(&narrow, at)), expected, "{name}");
        assert_eq!(&narrow[116..116 + name.len() + 1], [name.as_bytes(), &[0]].concat());
        let text: Vec<u16> =
            wide[116..].chunks(2).map(|two| u16::from_ne_bytes([two[0], two[1]])).collect();
        let end = text.iter().position(|&unit| unit == 0).unwrap();
        assert_eq!(String::from_utf16(&text[..end]).unwrap(), name);
    }
    let max = |s| process.option(s, 0xFFFF, 0x2003);
    assert_eq!((max(udp(process)), max(udp6(process))), (Ok(65507), Ok(65527)));
}

#[test]
fn the_open_type_needs_no_socket_and_belongs_to_the_thread() {
    use wsa::engine::stepped::as_thread;
    let scene = Scene::documented();
    let process = &scene.client;
    assert_eq!(process.option(SocketHandle::INVALID, 0xFFFF, 0x7008), Ok(0));
    process.set_option(SocketHandle::INVALID, 0xFFFF, 0x7008, 0x20).unwrap();
    assert_eq!(process.option(SocketHandle::INVALID, 0xFFFF, 0x7008), Ok(0x20));
    assert_eq!(process.option(tcp(process), 0xFFFF, 0x7008), Ok(0x20));
    let other = as_thread(7, || process.option(SocketHandle::INVALID, 0xFFFF, 0x7008));
    assert_eq!(other, Ok(0));
    assert_eq!(code(process.option(SocketHandle::INVALID, 0xFFFF, 8)), 10038);
    let null = process.setsockopt(SocketHandle::INVALID, 0xFFFF, 0x7008, Memory::Null, 4);
    assert_eq!(code(null), 10014);
}

#[test]
fn what_is_read_says_where_the_socket_stands() {
    let scene = Scene::documented();
    let (client, server) = (&scene.client, &scene.server);
    let read = |process: &Wsa, s, option| process.option(s, 0xFFFF, option).unwrap();
    let listening = scene.listen(80);
    assert_eq!((read(server, listening, 2), read(server, listening, 0x1008)), (1, 1));
    let s = tcp(client);
    assert_eq!((read(client, s, 2), read(client, s, 0x700C)), (0, u32::MAX));
    connect(client, s, "10.0.0.2:80").unwrap();
    let accepted = accept(server, listening).unwrap();
    assert_eq!((read(client, s, 0x700C), read(server, accepted, 0x700C)), (0, 0));
    assert_eq!((read(client, s, 2), read(server, accepted, 2)), (0, 0));
    scene.run(3999);
    assert_eq!(read(client, s, 0x700C), 3);
    scene.run(1);
    assert_eq!((read(client, s, 0x700C), read(server, accepted, 0x700C)), (4, 4));
    assert_eq!((read(client, s, 0x1007), read(client, s, 0x1008)), (0, 1));
    // Connected or not, a datagram socket has no age.
    let u = udp(client);
    connect(client, u, "10.0.0.2:53").unwrap();
    assert_eq!((read(client, u, 0x700C), read(client, u, 0x1008)), (u32::MAX, 2));
    // A listener and an unbound socket have none either.
    assert_eq!(read(server, listening, 0x700C), u32::MAX);
}

#[test]
fn dont_linger_is_the_reverse_of_linger() {
    let scene = Scene::documented();
    let process = &scene.client;
    let s = tcp(process);
    let both = || {
        let [on, _, low, high] = process.option(s, 0xFFFF, 0x80).unwrap().to_ne_bytes();
        let seconds = u16::from_ne_bytes([low, high]);
        (on, seconds, process.option(s, 0xFFFF, !0x80).unwrap())
    };
    assert_eq!(both(), (0, 0, 1));
    process.setsockopt(s, 0xFFFF, 0x80, Memory::Bytes(&[1, 0, 7, 0]), 4).unwrap();
    assert_eq!(both(), (1, 7, 0));
    process.set_option(s, 0xFFFF, !0x80, 1).unwrap();
    assert_eq!(both(), (0, 0, 1));
    process.set_option(s, 0xFFFF, !0x80, 0).unwrap();
    assert_eq!(both(), (1, 0, 0));
    // Off forgets the time.
    process.setsockopt(s, 0xFFFF, 0x80, Memory::Bytes(&[0, 0, 7, 0]), 4).unwrap();
    assert_eq!(both(), (0, 0, 1));
}

#[test]
fn the_segment_size_is_the_links_until_a_peer_has_said_less() {
    let scene = Scene::documented();
    let read = |process: &Wsa, s| process.option(s, 6, 4).unwrap();
    let (client, server) = (&scene.client, &scene.server);
    assert_eq!((read(client, tcp(client)), read(client, tcp6(client))), (1460, 1440));
    let (s, t) = scene.connected();
    assert_eq!((read(client, s), read(server, t)), (1460, 1460));
}
