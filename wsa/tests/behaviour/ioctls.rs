//! Every ioctl on every type and family of socket, and what they give.

use wsa::{Memory, MemoryMut, SocketHandle};

use super::scene::*;

const SIO_KEEPALIVE_VALS: u32 = 0x9800_0004;
const SIO_TCP_INFO: u32 = 0xD800_0027;

/// The code, and how many bytes came back.
fn ioctl(
    process: &Wsa,
    s: SocketHandle,
    command: u32,
    input: &[u8],
    output: &mut [u8],
) -> (i32, u32) {
    let mut returned = 77;
    let (in_len, out_len) = (input.len() as u32, output.len() as u32);
    let found = process.wsa_ioctl(
        s,
        command,
        input.into(),
        in_len,
        output.into(),
        out_len,
        Some(&mut returned),
    );
    (code(found), returned)
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

/// A line: what it is, its code, input, room for output, then what a stream and a datagram socket
/// of IPv4 and both of IPv6 give, as the error and the number of bytes.
type Row = (&'static str, u32, &'static [u8], usize, [(i32, u32); 4]);

const OFF: [(i32, u32); 4] = [(10045, 0); 4];
const NOT_TCP_IP: [(i32, u32); 4] = [(10042, 0); 4];
const DONE: [(i32, u32); 4] = [(0, 0); 4];
const STREAM: [(i32, u32); 4] = [(0, 0), (10045, 0), (0, 0), (10045, 0)];
const DATAGRAM: [(i32, u32); 4] = [(10045, 0), (0, 0), (10045, 0), (0, 0)];
const NUMBER: [(i32, u32); 4] = [(0, 4); 4];
const HANDLE: [(i32, u32); 4] = [(0, size_of::<usize>() as u32); 4];

const ONE: &[u8] = &[1, 0, 0, 0];

#[test]
fn ioctls_by_type_and_family() {
    let rows: [Row; 35] = [
        ("FIONREAD", 0x4004_667F, &[], 4, NUMBER),
        ("FIONBIO", 0x8004_667E, ONE, 0, DONE),
        ("FIOASYNC", 0x8004_667D, ONE, 0, OFF),
        ("SIOCATMARK", 0x4004_7307, &[], 4, [(0, 4), (10022, 77), (0, 4), (10022, 77)]),
        ("SIO_ASSOCIATE_HANDLE", 0x8800_0001, ONE, 0, NOT_TCP_IP),
        ("SIO_ENABLE_CIRCULAR_QUEUEING", 0x2800_0002, &[], 0, NOT_TCP_IP),
        ("SIO_FIND_ROUTE", 0x4800_0003, ONE, 64, NOT_TCP_IP),
        ("SIO_FLUSH", 0x2800_0004, &[], 0, NOT_TCP_IP),
        (
            "SIO_GET_BROADCAST_ADDRESS",
            0x4800_0005,
            &[],
            16,
            [(10045, 0), (0, 16), (10045, 0), (10045, 0)],
        ),
        ("SIO_GET_EXTENSION_FUNCTION_POINTER", 0xC800_0006, &[0; 16], 8, OFF),
        ("SIO_GET_QOS", 0xC800_0007, &[], 80, OFF),
        ("SIO_GET_GROUP_QOS", 0xC800_0008, &[], 80, OFF),
        ("SIO_SET_QOS", 0x8800_000B, &[0; 80], 0, OFF),
        ("SIO_SET_GROUP_QOS", 0x8800_000C, &[0; 80], 0, OFF),
        ("SIO_TRANSLATE_HANDLE", 0xC800_000D, ONE, 8, NOT_TCP_IP),
        ("SIO_ROUTING_INTERFACE_CHANGE", 0x8800_0015, &[0; 16], 0, OFF),
        ("SIO_ADDRESS_LIST_CHANGE", 0x2800_0017, &[], 0, OFF),
        ("SIO_QUERY_TARGET_PNP_HANDLE", 0x4800_0018, &[], 8, OFF),
        ("SIO_ADDRESS_LIST_SORT", 0xC800_0019, &[0; 8], 64, OFF),
        ("SIO_BSP_HANDLE", 0x4800_001B, &[], 8, HANDLE),
        ("SIO_BASE_HANDLE", 0x4800_0022, &[], 8, HANDLE),
        ("SIO_RCVALL", 0x9800_0001, ONE, 0, OFF),
        ("SIO_RCVALL_MCAST", 0x9800_0002, ONE, 0, OFF),
        ("SIO_RCVALL_IGMPMCAST", 0x9800_0003, ONE, 0, OFF),
        (
            "SIO_KEEPALIVE_VALS",
            SIO_KEEPALIVE_VALS,
            &[1, 0, 0, 0, 9, 0, 0, 0, 9, 0, 0, 0],
            0,
            STREAM,
        ),
        ("SIO_UDP_CONNRESET", 0x9800_000C, ONE, 0, DATAGRAM),
        ("SIO_UDP_NETRESET", 0x9800_000F, ONE, 0, DATAGRAM),
        ("SIO_LOOPBACK_FAST_PATH", 0x9800_0010, ONE, 0, STREAM),
        ("SIO_TCP_INITIAL_RTO", 0x9800_0011, &[0; 4], 0, STREAM),
        ("SIO_TCP_SET_ACK_FREQUENCY", 0x9800_0017, ONE, 0, STREAM),
        ("SIO_TCP_INFO", SIO_TCP_INFO, &[0; 4], 88, [(0, 88), (10045, 0), (0, 88), (10045, 0)]),
        ("SIO_ACQUIRE_PORT_RESERVATION", 0x9800_0064, &[0; 8], 16, OFF),
        ("SIO_RELEASE_PORT_RESERVATION", 0x9800_0065, &[0; 8], 0, OFF),
        ("SIO_ASSOCIATE_PORT_RESERVATION", 0x9800_0066, &[0; 8], 0, OFF),
        ("no such code", 0x1234_5678, ONE, 4, OFF),
    ];
    for (name, command, input, room, expected) in rows {
        let scene = Scene::documented();
        let process = &scene.client;
        let sockets = [tcp(process), udp(process), tcp6(process), udp6(process)];
        let mut output = vec![0; room];
        let found = sockets.map(|s| ioctl(process, s, command, input, &mut output));
        assert_eq!(found, expected, "{name}");
        let bad = ioctl(process, SocketHandle::INVALID, command, input, &mut output);
        assert_eq!(bad, (10038, 77), "{name}");
        let null =
            process.wsa_ioctl(sockets[0], command, Memory::Null, 0, MemoryMut::Null, 0, None);
        assert_eq!(code(null), 10014, "{name}");
    }
}

/// The shortest input that is taken; a byte less is WSAEFAULT.
#[test]
fn inputs_must_be_whole() {
    for (name, command, whole) in [
        ("FIONBIO", 0x8004_667E, 4),
        ("SIO_KEEPALIVE_VALS", SIO_KEEPALIVE_VALS, 12),
        ("SIO_LOOPBACK_FAST_PATH", 0x9800_0010, 4),
        ("SIO_TCP_INITIAL_RTO", 0x9800_0011, 4),
        ("SIO_TCP_SET_ACK_FREQUENCY", 0x9800_0017, 1),
        ("SIO_ROUTING_INTERFACE_QUERY", 0xC800_0014, 16),
    ] {
        let scene = Scene::documented();
        let process = &scene.client;
        let mut input = [0; 64];
        input[..16].copy_from_slice(&[2, 0, 0, 80, 10, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0]);
        if whole != 16 {
            input[..12].copy_from_slice(&[1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0]);
        }
        let mut room = [0; 16];
        let output = &mut room[..if whole == 16 { 16 } else { 0 }];
        let s = tcp(process);
        assert_eq!(ioctl(process, s, command, &input[..whole - 1], output).0, 10014, "{name}");
        assert_eq!(ioctl(process, s, command, &input[..whole], output).0, 0, "{name}");
        assert_eq!(ioctl(process, s, command, &input[..], output).0, 0, "{name}");
    }
}

/// Where the room is too small, the call says how much would do, and writes nothing.
#[test]
fn outputs_say_what_they_need() {
    let pointer = size_of::<usize>() as u32;
    let list = pointer + 2 * pointer + 16;
    let peer = [2, 0, 0, 80, 10, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0];
    let rows: [(&str, u32, &[u8], u32); 7] = [
        ("FIONREAD", 0x4004_667F, &[], 4),
        ("SIO_GET_BROADCAST_ADDRESS", 0x4800_0005, &[], 16),
        ("SIO_ROUTING_INTERFACE_QUERY", 0xC800_0014, &peer, 16),
        ("SIO_ADDRESS_LIST_QUERY", 0x4800_0016, &[], list),
        ("SIO_BASE_HANDLE", 0x4800_0022, &[], pointer),
        ("SIO_TCP_INFO version 0", SIO_TCP_INFO, &[0; 4], 88),
        ("SIO_TCP_INFO version 1", SIO_TCP_INFO, ONE, 136),
    ];
    for (name, command, input, needed) in rows {
        let scene = Scene::documented();
        let process = &scene.client;
        let s = if name.starts_with("SIO_TCP") { tcp(process) } else { udp(process) };
        let mut room = vec![0xEE; needed as usize + 8];
        let short = &mut room[..needed as usize - 1];
        assert_eq!(ioctl(process, s, command, input, short), (10014, needed), "{name}");
        assert!(room.iter().all(|&byte| byte == 0xEE), "{name}");
        assert_eq!(ioctl(process, s, command, input, &mut room), (0, needed), "{name}");
    }
}

#[test]
fn keep_alive_values_are_milliseconds_and_count_where_they_switch_on() {
    let scene = Scene::documented();
    let process = &scene.client;
    let s = tcp(process);
    let read =
        || [(0xFFFF, 8), (6, 3), (6, 17), (6, 16)].map(|(l, o)| process.option(s, l, o).unwrap());
    let set = |values: [u32; 3]| ioctl(process, s, SIO_KEEPALIVE_VALS, &words(&values), &mut []).0;
    assert_eq!(set([1, 1500, 2000]), 0);
    // Whole seconds, rounded up.
    assert_eq!(read(), [1, 2, 2, 10]);
    assert_eq!(set([0, 9000, 9000]), 0);
    assert_eq!(read(), [0, 2, 2, 10]);
    assert_eq!((set([1, 0, 1000]), set([1, 1000, 0])), (10022, 10022));
    assert_eq!(read(), [0, 2, 2, 10]);
    assert_eq!(set([1, u32::MAX, u32::MAX]), 0);
    assert_eq!(read(), [1, 4_294_968, 4_294_968, 10]);
}

#[test]
fn acknowledgments_are_of_one_segment_or_two() {
    let scene = Scene::documented();
    let process = &scene.client;
    let set = |count: u8| ioctl(process, tcp(process), 0x9800_0017, &[count, 0, 0, 0], &mut []).0;
    assert_eq!([0, 1, 2, 3, 255].map(set), [10022, 0, 0, 10022, 10022]);
}

#[test]
fn the_fast_path_and_the_syn_schedule_are_asked_for_before_the_connection() {
    let scene = Scene::documented();
    let (s, _) = scene.connected();
    for command in [0x9800_0010, 0x9800_0011] {
        assert_eq!(ioctl(&scene.client, s, command, &[0; 4], &mut []).0, 10022);
    }
    let mut room = [0; 4];
    assert_eq!(ioctl(&scene.client, tcp(&scene.client), 0x9800_0011, &[0; 4], &mut room).0, 10022);
}

#[test]
fn addresses_are_told_by_family() {
    let scene = Scene::documented();
    let process = &scene.client;
    let pointer = size_of::<usize>();
    for (s, family, name_len, own) in [
        (tcp(process), 2, 16, &["10.0.0.1:0"][..]),
        (udp6(process), 23, 28, &["[fe80::ff:fe00:1]:0", "[fd00::1]:0"][..]),
    ] {
        let mut list = [0xEE; 256];
        let (found, returned) = ioctl(process, s, 0x4800_0016, &[], &mut list);
        let names = pointer * (1 + 2 * own.len());
        assert_eq!((found, returned as usize), (0, names + own.len() * name_len));
        let int = |at: usize| i32::from_ne_bytes(list[at..at + 4].try_into().unwrap());
        assert_eq!(int(0), own.len() as i32);
        for (index, own) in own.iter().enumerate() {
            let entry = pointer * (1 + 2 * index);
            let at = usize::from_ne_bytes(list[entry..entry + pointer].try_into().unwrap());
            assert_eq!((at, int(entry + pointer)), (names + index * name_len, name_len as i32));
            let name = &list[at..at + name_len];
            assert_eq!(u16::from_ne_bytes([name[0], name[1]]), family);
            let link_local = own.starts_with("[fe80");
            let mut expected = wsa::SockAddr::from(address(own));
            expected.scope_id = u32::from(link_local);
            assert_eq!(wsa::SockAddr::decode(name), Some(expected));
        }
    }
    let mut name = [0; 16];
    assert_eq!(ioctl(process, udp(process), 0x4800_0005, &[], &mut name), (0, 16));
    assert_eq!(name, [2, 0, 0, 0, 255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn the_way_to_a_peer_begins_at_an_address_or_nowhere() {
    let scene = Scene::documented();
    let process = &scene.client;
    let query = |s, input: &[u8]| {
        let mut name = [0; 28];
        let (found, returned) = ioctl(process, s, 0xC800_0014, input, &mut name);
        (found, returned, name)
    };
    let to = |address: [u8; 4]| {
        let mut name = [0; 16];
        name[..2].copy_from_slice(&2u16.to_ne_bytes());
        name[4..8].copy_from_slice(&address);
        name
    };
    for (peer, from) in [
        ([10, 0, 0, 2], [10, 0, 0, 1]),
        ([192, 0, 2, 1], [10, 0, 0, 1]),
        ([127, 0, 0, 1], [127, 0, 0, 1]),
    ] {
        let (found, returned, name) = query(udp(process), &to(peer));
        assert_eq!((found, returned, &name[4..8]), (0, 16, &from[..]), "{peer:?}");
    }
    assert_eq!(query(udp(process), &to([172, 16, 0, 1])).0, 10051);
    let mut wrong = to([10, 0, 0, 2]);
    wrong[0] = 99;
    assert_eq!(query(udp(process), &wrong).0, 10047);
    assert_eq!(query(udp6(process), &to([10, 0, 0, 2])).0, 10014);
    let mut mapped = [0; 28];
    mapped[..2].copy_from_slice(&23u16.to_ne_bytes());
    mapped[18..24].copy_from_slice(&[0xFF, 0xFF, 10, 0, 0, 2]);
    let dual = udp6(process);
    assert_eq!(query(dual, &mapped).0, 10049);
    process.set_option(dual, 41, 27, 0).unwrap();
    let (found, returned, name) = query(dual, &mapped);
    assert_eq!((found, returned, &name[18..24]), (0, 28, &[0xFF, 0xFF, 10, 0, 0, 1][..]));
    process.engine().host().set_link_up(false);
    assert_eq!(query(udp(process), &to([10, 0, 0, 2])).0, 10050);
}

#[test]
fn the_base_handle_is_the_socket() {
    let scene = Scene::documented();
    let s = tcp(&scene.client);
    for command in [0x4800_0022, 0x4800_001B, 0x4800_001C, 0x4800_001D] {
        let mut handle = [0; size_of::<usize>()];
        assert_eq!(ioctl(&scene.client, s, command, &[], &mut handle).0, 0);
        assert_eq!(usize::from_ne_bytes(handle), s.raw());
    }
}

/// A TCP_INFO_v1 by the offsets of its fields.
struct Info([u8; 136]);

impl Info {
    fn of(process: &Wsa, s: SocketHandle) -> Self {
        let mut info = [0xEE; 136];
        assert_eq!(ioctl(process, s, SIO_TCP_INFO, ONE, &mut info), (0, 136));
        Self(info)
    }

    fn word(&self, at: usize) -> u32 {
        u32::from_ne_bytes(self.0[at..at + 4].try_into().unwrap())
    }

    fn long(&self, at: usize) -> u64 {
        u64::from_ne_bytes(self.0[at..at + 8].try_into().unwrap())
    }

    fn state(&self) -> u32 {
        self.word(0)
    }
}

/// The offsets that these tests read at, against those of Microsoft's metadata.
#[test]
fn a_tcp_info_lies_in_memory_as_on_windows() {
    use core::mem::offset_of;
    use windows_sys::Win32::Networking::WinSock::{TCP_INFO_v0 as V0, TCP_INFO_v1 as V1};
    assert_eq!((size_of::<V0>(), size_of::<V1>()), (88, 136));
    macro_rules! at {
        ($($field:ident)*) => {
            [$((offset_of!(V0, $field), offset_of!(V1, $field))),*]
        };
    }
    let found = at!(State Mss ConnectionTimeMs TimestampsEnabled RttUs MinRttUs BytesInFlight Cwnd
        SndWnd RcvWnd RcvBuf BytesOut BytesIn BytesReordered BytesRetrans FastRetrans DupAcksIn
        TimeoutEpisodes SynRetrans);
    let expected = [0, 4, 8, 16, 20, 24, 28, 32, 36, 40, 44, 48, 56, 64, 68, 72, 76, 80, 84]
        .map(|at| (at, at));
    assert_eq!(found, expected);
}

#[test]
fn a_connection_tells_its_numbers() {
    let scene = Scene::documented();
    let (client, server) = (&scene.client, &scene.server);
    let (s, t) = scene.connected();
    send(client, s, &[7; 3000]).unwrap();
    scene.run(2500);
    let info = Info::of(client, s);
    assert_eq!((info.state(), info.word(4)), (4, 1460), "State, Mss");
    assert!((2500..3000).contains(&info.long(8)), "ConnectionTimeMs {}", info.long(8));
    assert_eq!(info.0[16], 0, "TimestampsEnabled");
    let (rtt, least) = (info.word(20), info.word(24));
    assert!(0 < least && least <= rtt, "RttUs {rtt}, MinRttUs {least}");
    assert_eq!((info.word(28), info.word(32)), (0, 0), "BytesInFlight, Cwnd");
    assert_eq!((info.word(40), info.word(44)), (65_536, 65_536), "RcvWnd, RcvBuf");
    assert_eq!((info.long(48), info.long(56)), (3000, 0), "BytesOut, BytesIn");
    assert_eq!([64, 68, 72, 76, 80].map(|at| info.word(at)), [0; 5]);
    assert_eq!(info.0[84], 0, "SynRetrans");
    assert!(info.0[85..].iter().all(|&byte| byte == 0), "what limited the sender is not known");
    let other = Info::of(server, t);
    assert_eq!((other.long(48), other.long(56)), (0, 3000));
    assert_eq!(info.word(36), other.word(40), "SndWnd is the other's RcvWnd");
    // Version 0 is the beginning of version 1.
    let mut short = [0; 88];
    assert_eq!(ioctl(client, s, SIO_TCP_INFO, &[0; 4], &mut short), (0, 88));
    assert_eq!(short[..], Info::of(client, s).0[..88]);
    assert_eq!(ioctl(client, s, SIO_TCP_INFO, &[2, 0, 0, 0], &mut [0; 136]).0, 10022);
}

#[test]
fn lost_segments_are_counted() {
    let scene = Scene::documented();
    let (s, _) = scene.connected();
    scene.server.engine().host().set_link_up(false);
    send(&scene.client, s, &[7; 100]).unwrap();
    scene.run(4000);
    let info = Info::of(&scene.client, s);
    assert_eq!((info.word(28), info.long(48)), (100, 100), "BytesInFlight, BytesOut");
    assert_eq!((info.word(68), info.word(80)), (200, 1), "BytesRetrans, TimeoutEpisodes");
}

#[test]
fn every_state_has_its_number() {
    let scene = Scene::documented();
    let (client, server) = (&scene.client, &scene.server);
    assert_eq!(Info::of(client, tcp(client)).state(), 0, "no connection");
    let listening = scene.listen(80);
    assert_eq!(Info::of(server, listening).state(), 1, "LISTEN");
    let silent = tcp_nonblocking(client);
    assert_eq!(code(connect(client, silent, SILENT)), 10035);
    scene.run(3500);
    let info = Info::of(client, silent);
    assert_eq!((info.state(), info.0[84]), (2, 2), "SYN-SENT, SynRetrans");
    let s = tcp(client);
    connect(client, s, "10.0.0.2:80").unwrap();
    let t = accept(server, listening).unwrap();
    let both = || (Info::of(client, s).state(), Info::of(server, t).state());
    assert_eq!(both(), (4, 4), "ESTABLISHED");
    client.shutdown(s, 1).unwrap();
    assert_eq!(both().0, 5, "FIN-WAIT-1");
    scene.run(100);
    assert_eq!(both(), (6, 7), "FIN-WAIT-2, CLOSE-WAIT");
    server.shutdown(t, 1).unwrap();
    assert_eq!(both().1, 9, "LAST-ACK");
    scene.run(100);
    assert_eq!(both(), (10, 0), "TIME-WAIT, CLOSED");
}
