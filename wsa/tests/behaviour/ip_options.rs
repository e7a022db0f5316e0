//! Options of IPPROTO_IP and IPPROTO_IPV6, as tables.

use wsa::{Memory, SocketHandle};

use super::scene::*;

const IP: i32 = 0;
const IPV6: i32 = 41;

/// What getsockopt gives: its length and the number, or a code.
fn get(process: &Wsa, s: SocketHandle, level: i32, option: i32) -> Result<(i32, u32), i32> {
    let (mut value, mut len) = ([0; 4], 4);
    match process.getsockopt(s, level, option, (&mut value).into(), Some(&mut len)) {
        Ok(()) => Ok((len, u32::from_ne_bytes(value))),
        Err(error) => Err(error.code()),
    }
}

const fn number(value: u32) -> Result<(i32, u32), i32> {
    Ok((4, value))
}

/// An option, what a new socket gives, and the code of setting it to 1.
type Row = (i32, Result<(i32, u32), i32>, i32);

/// setsockopt with 1 as its bytes stand in an interface's index in network byte order.
const NETWORK_ORDER: [i32; 2] = [9, 31];

#[track_caller]
fn check(process: &Wsa, new: fn(&Wsa) -> SocketHandle, level: i32, rows: &[Row]) {
    for (option, expected, code_of_set) in rows {
        let s = new(process);
        assert_eq!(get(process, s, level, *option), *expected, "get {option}");
        let one = if level == IP && NETWORK_ORDER.contains(option) {
            1_u32.to_be_bytes()
        } else {
            1_u32.to_ne_bytes()
        };
        let set = code(process.setsockopt(s, level, *option, Memory::Bytes(&one), 4));
        assert_eq!(set, *code_of_set, "set {option}");
        if set == 0 {
            let now = get(process, s, level, *option);
            assert_eq!(now, number(u32::from_ne_bytes(one)), "get {option} after set");
        } else {
            assert_eq!(get(process, s, level, *option), *expected, "{option} is left alone");
        }
        process.closesocket(s).unwrap();
    }
}

#[test]
fn every_option_of_ipv4_datagrams() {
    let scene = Scene::documented();
    check(
        &scene.client,
        udp,
        IP,
        &[
            (1, Ok((0, 0)), 10042),  // IP_OPTIONS
            (2, Err(10022), 10022),  // IP_HDRINCL
            (3, number(0), 0),       // IP_TOS
            (4, number(64), 0),      // IP_TTL
            (9, number(0), 0),       // IP_MULTICAST_IF
            (10, number(1), 0),      // IP_MULTICAST_TTL
            (11, number(1), 0),      // IP_MULTICAST_LOOP
            (12, Err(10042), 10014), // IP_ADD_MEMBERSHIP
            (13, Err(10042), 10014), // IP_DROP_MEMBERSHIP
            (15, Err(10042), 10014), // IP_ADD_SOURCE_MEMBERSHIP
            (16, Err(10042), 10014), // IP_DROP_SOURCE_MEMBERSHIP
            (17, Err(10042), 10014), // IP_BLOCK_SOURCE
            (18, Err(10042), 10014), // IP_UNBLOCK_SOURCE
            (19, number(0), 0),      // IP_PKTINFO
            (21, number(0), 0),      // IP_HOPLIMIT, IP_RECVTTL
            (22, number(1), 0),      // IP_RECEIVE_BROADCAST
            (24, number(0), 0),      // IP_RECVIF
            (25, number(0), 0),      // IP_RECVDSTADDR
            (31, number(0), 0),      // IP_UNICAST_IF
            (32, Err(10042), 10042), // IP_RTHDR
            (40, number(0), 0),      // IP_RECVTOS
            (41, Err(10042), 10014), // MCAST_JOIN_GROUP
            (46, Err(10042), 10014), // MCAST_LEAVE_SOURCE_GROUP
            (47, Err(10042), 10042),
            (0x7777, Err(10042), 10042),
        ],
    );
}

#[test]
fn every_option_of_an_ipv4_stream() {
    let scene = Scene::documented();
    check(
        &scene.client,
        tcp,
        IP,
        &[
            (1, Ok((0, 0)), 10042),
            (2, Err(10022), 10022),
            (3, number(0), 0),
            (4, number(64), 0),
            (9, Err(10022), 10022),
            (10, Err(10022), 10022),
            (11, Err(10022), 10022),
            (12, Err(10042), 10022),
            (13, Err(10042), 10022),
            (15, Err(10042), 10022),
            (18, Err(10042), 10022),
            (19, Err(10022), 10022),
            (21, Err(10022), 10022),
            (22, Err(10022), 10022),
            (24, Err(10022), 10022),
            (25, Err(10022), 10022),
            (31, number(0), 0),
            (32, Err(10042), 10042),
            (40, Err(10022), 10022),
            (41, Err(10042), 10022),
        ],
    );
}

#[test]
fn every_option_of_ipv6_datagrams() {
    let scene = Scene::documented();
    check(
        &scene.client,
        udp6,
        IPV6,
        &[
            (1, Err(10042), 10042),  // IPV6_HOPOPTS
            (2, Err(10022), 10022),  // IPV6_HDRINCL
            (4, number(64), 0),      // IPV6_UNICAST_HOPS
            (9, number(0), 0),       // IPV6_MULTICAST_IF
            (10, number(1), 0),      // IPV6_MULTICAST_HOPS
            (11, number(1), 0),      // IPV6_MULTICAST_LOOP
            (12, Err(10042), 10014), // IPV6_JOIN_GROUP
            (13, Err(10042), 10014), // IPV6_LEAVE_GROUP
            (19, number(0), 0),      // IPV6_PKTINFO
            (21, number(0), 0),      // IPV6_HOPLIMIT
            (23, number(10), 10022), // IPV6_PROTECTION_LEVEL
            (24, number(0), 0),      // IPV6_RECVIF
            (25, number(0), 0),      // IPV6_RECVDSTADDR
            (26, Err(10022), 10022), // IPV6_CHECKSUM
            (27, number(1), 0),      // IPV6_V6ONLY
            (31, number(0), 0),      // IPV6_UNICAST_IF
            (32, Err(10042), 10042), // IPV6_RTHDR
            (38, Err(10042), 10042), // IPV6_RECVRTHDR
            (39, number(0), 0),      // IPV6_TCLASS
            (40, number(0), 0),      // IPV6_RECVTCLASS
            (41, Err(10042), 10014), // MCAST_JOIN_GROUP
            (46, Err(10042), 10014), // MCAST_LEAVE_SOURCE_GROUP
        ],
    );
}

#[test]
fn every_option_of_an_ipv6_stream() {
    let scene = Scene::documented();
    check(
        &scene.client,
        tcp6,
        IPV6,
        &[
            (4, number(64), 0),
            (9, Err(10022), 10022),
            (10, Err(10022), 10022),
            (11, Err(10022), 10022),
            (12, Err(10042), 10022),
            (13, Err(10042), 10022),
            (19, Err(10022), 10022),
            (21, Err(10022), 10022),
            (23, number(10), 10022),
            (24, Err(10022), 10022),
            (25, Err(10022), 10022),
            (27, number(1), 0),
            (31, number(0), 0),
            (39, number(0), 0),
            (40, Err(10022), 10022),
            (41, Err(10042), 10022),
        ],
    );
}

#[test]
fn levels_belong_to_families() {
    let scene = Scene::documented();
    let client = &scene.client;
    assert_eq!(code(client.option(udp(client), IPV6, 39)), 10022);
    assert_eq!(code(client.option(udp6(client), IP, 3)), 10022);
    // A dual socket has both.
    let dual = udp6(client);
    client.set_option(dual, IPV6, 27, 0).unwrap();
    client.set_option(dual, IP, 3, 0x20).unwrap();
    assert_eq!(client.option(dual, IPV6, 39).unwrap(), 0x20);
}

#[test]
fn bounds() {
    let scene = Scene::documented();
    let client = &scene.client;
    let (four, six) = (udp(client), udp6(client));
    for (s, level, option, value, expected) in [
        (four, IP, 3, 255, 0),
        (four, IP, 3, 256, 10022),
        (four, IP, 4, 255, 0),
        (four, IP, 4, 256, 10022),
        (four, IP, 10, 0, 0),
        (four, IP, 10, 255, 0),
        (four, IP, 10, 256, 10022),
        (six, IPV6, 10, u32::MAX, 0),
        (six, IPV6, 10, u32::MAX - 1, 10022),
        (six, IPV6, 4, u32::MAX, 0),
        (six, IPV6, 39, 256, 10022),
        (six, IPV6, 23, 20, 0),
        (six, IPV6, 23, 30, 0),
        (six, IPV6, 23, 31, 10022),
        (six, IPV6, 9, 1, 0),
        (six, IPV6, 9, 2, 10049),
        (six, IPV6, 31, 2, 10049),
    ] {
        assert_eq!(code(client.set_option(s, level, option, value)), expected, "{option} {value}");
    }
    assert_eq!(client.option(six, IPV6, 10).unwrap(), 1);
    // Interfaces by address or by index, in network byte order.
    for (option, bytes, expected) in [
        (9, [10, 0, 0, 1], 0),
        (9, [10, 0, 0, 2], 10049),
        (9, [127, 0, 0, 1], 10049),
        (9, [0, 0, 0, 1], 0),
        (9, [0, 0, 0, 2], 10049),
        (9, [0, 0, 0, 0], 0),
        (31, [0, 0, 0, 1], 0),
        (31, [1, 0, 0, 0], 10049),
    ] {
        let set = client.setsockopt(four, IP, option, Memory::Bytes(&bytes), 4);
        assert_eq!(code(set), expected, "{option} {bytes:?}");
    }
    // No options are what there is; any others are not supported.
    assert_eq!(code(client.setsockopt(four, IP, 1, Memory::Bytes(&[]), 0)), 0);
    assert_eq!(code(client.setsockopt(four, IP, 1, Memory::Bytes(&[1; 4]), 4)), 10042);
}

/// `ip_mreq` and `ip_mreq_source`.
fn mreq(parts: &[[u8; 4]]) -> Vec<u8> {
    parts.concat()
}

const GROUP: [u8; 4] = [239, 1, 1, 1];
const OTHER: [u8; 4] = [239, 1, 1, 2];
const PEER: [u8; 4] = [10, 0, 0, 2];
const ANY: [u8; 4] = [0; 4];

#[test]
fn memberships_one_after_the_other() {
    let scene = Scene::documented();
    let client = &scene.client;
    let s = udp(client);
    let set = |option, bytes: &[u8]| {
        code(client.setsockopt(s, IP, option, bytes.into(), bytes.len() as i32))
    };
    assert_eq!(set(12, &mreq(&[GROUP, ANY])), 10022, "unbound");
    bind(client, s, "0.0.0.0:5000").unwrap();
    for (option, parts, expected) in [
        (12, &[GROUP][..], 10014),
        (12, &[PEER, ANY], 10049),
        (12, &[GROUP, PEER], 10049),
        (12, &[GROUP, [127, 0, 0, 1]], 10049),
        (12, &[GROUP, [0, 0, 0, 2]], 10049),
        (13, &[GROUP, ANY], 10049),
        (12, &[GROUP, ANY], 0),
        (12, &[GROUP, ANY], 10022),
        (12, &[GROUP, [10, 0, 0, 1]], 10022),
        (12, &[OTHER, [10, 0, 0, 1]], 0),
        (15, &[GROUP, PEER, ANY], 10022),
        (17, &[GROUP, PEER, ANY], 0),
        (17, &[GROUP, PEER, ANY], 10049),
        (18, &[GROUP, PEER, ANY], 0),
        (18, &[GROUP, PEER, ANY], 10049),
        (17, &[GROUP, PEER], 10014),
        (17, &[GROUP, OTHER, ANY], 10049),
        (13, &[GROUP, ANY], 0),
        (13, &[GROUP, ANY], 10049),
        (17, &[GROUP, PEER, ANY], 10022),
        (15, &[GROUP, PEER, ANY], 0),
        (15, &[GROUP, PEER, ANY], 10049),
        (12, &[GROUP, ANY], 10022),
        (16, &[GROUP, PEER, ANY], 0),
        (16, &[GROUP, PEER, ANY], 10049),
        (13, &[OTHER, [0, 0, 0, 1]], 0),
    ] {
        assert_eq!(set(option, &mreq(parts)), expected, "{option} {parts:?}");
    }
}

#[test]
fn ipv6_memberships_and_those_of_either_family() {
    let scene = Scene::documented();
    let client = &scene.client;
    let s = udp6(client);
    bind(client, s, "[::]:5000").unwrap();
    let set = |option, bytes: &[u8]| {
        code(client.setsockopt(s, IPV6, option, bytes.into(), bytes.len() as i32))
    };
    let mut request = [0; 20];
    request[..2].copy_from_slice(&[0xff, 0x02]);
    request[15] = 0x99;
    assert_eq!(set(12, &request[..19]), 10014);
    request[16] = 2;
    assert_eq!(set(12, &request), 10049);
    request[16] = 1;
    assert_eq!(set(12, &request), 0);
    assert_eq!(set(12, &request), 10022);
    assert_eq!(set(13, &request), 0);
    assert_eq!(set(13, &request), 10049);
    request[0] = 0xfd;
    assert_eq!(set(12, &request), 10049);

    let name = |text: &str| wsa::sockaddr(address(text)).as_ref().to_vec();
    let structure = |len: usize, names: &[&str]| {
        let mut bytes = vec![0; len];
        for (at, text) in names.iter().enumerate() {
            let encoded = name(text);
            bytes[8 + 128 * at..][..encoded.len()].copy_from_slice(&encoded);
        }
        bytes
    };
    assert_eq!(set(41, &structure(135, &["[ff02::99]:0"])), 10014);
    assert_eq!(set(41, &structure(136, &["239.1.1.1:0"])), 10022);
    assert_eq!(set(41, &structure(136, &["[ff02::99]:0"])), 0);
    assert_eq!(set(43, &structure(264, &["[ff02::99]:0", "[fd00::2]:0"])), 0);
    assert_eq!(set(44, &structure(264, &["[ff02::99]:0", "[fd00::2]:0"])), 0);
    assert_eq!(set(42, &structure(136, &["[ff02::99]:0"])), 0);
    assert_eq!(set(45, &structure(264, &["[ff02::99]:0", "[fd00::2]:0"])), 0);
    assert_eq!(set(46, &structure(264, &["[ff02::99]:0", "[fd00::2]:0"])), 0);
    assert_eq!(set(46, &structure(264, &["[ff02::99]:0", "[fd00::2]:0"])), 10049);
}
