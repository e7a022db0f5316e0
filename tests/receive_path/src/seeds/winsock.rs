//! Calls of Winsock.

use super::*;

pub(super) fn winsock(add: &mut Add<'_>) {
    add(
        "wsa-server",
        vec![
            WsaSocket { kind: 0 },
            WsaBind { socket: 0, address: UNSPECIFIED, local: 0 },
            WsaListen { socket: 0, backlog: 3 },
            WsaSelect { sets: 7, timeout: 0 },
            open(0, 0, 0, 1),
            exact(0, ACK),
            WsaSelect { sets: 1, timeout: 255 },
            WsaAccept { socket: 0, condition: 9 },
            data(0, 200),
            WsaNames { socket: 1, room: 28 },
            WsaRecv { socket: 1, len: 50, flags: 2 },
            WsaRecvFrom { socket: 1, len: 500, flags: 0, room: 28 },
            WsaSend { socket: 1, len: 900, flags: 0 },
            exact(0, ACK | FIN),
            WsaRecv { socket: 1, len: 50, flags: 0 },
            WsaShutdown { socket: 1, how: 2 },
            exact(0, ACK),
            WsaClose { socket: 1 },
            WsaClose { socket: 0 },
        ],
    );
    for condition in 0..4 {
        add(
            &format!("wsa-condition-{condition}"),
            vec![
                WsaSocket { kind: 1 },
                WsaBind { socket: 0, address: UNSPECIFIED + 1, local: 0 },
                WsaListen { socket: 0, backlog: -1 },
                open(1, 0, 0, 1),
                exact(0, ACK),
                WsaAccept { socket: 0, condition },
                WsaAccept { socket: 0, condition: 0 },
            ],
        );
    }
    add(
        "wsa-blocking-client",
        vec![
            WsaSocket { kind: 4 },
            WsaConnect { socket: 0, to: PEER, port: 0 },
            Segment {
                flow: 0,
                flags: SYN | ACK,
                sequence: 2,
                sequence_by: 0,
                acknowledgment: 0,
                acknowledgment_by: 0,
                window: 0,
                len: 0,
                options: 1,
            },
            WsaSend { socket: 0, len: 100, flags: 0 },
            WsaRecv { socket: 0, len: 100, flags: 8 },
            exact(0, ACK),
            data(0, 60),
            Wait { unit: MILLI, count: 50 },
            data(0, 60),
            WsaSetOption { socket: 0, level: 0, option: 0x1006, value: vec![100, 0, 0, 0] },
            WsaRecv { socket: 0, len: 1000, flags: 8 },
            WsaSetOption { socket: 0, level: 0, option: 0x80, value: vec![1, 0, 1, 0] },
            WsaClose { socket: 0 },
        ],
    );
    for to in [PEER, FAR, NOBODY, BROADCAST, GROUP, LOOPBACK, UNSPECIFIED, HOST] {
        add(
            &format!("wsa-connect-{to}"),
            vec![
                WsaSocket { kind: 0 },
                WsaConnect { socket: 0, to, port: 0 },
                WsaSelect { sets: 7, timeout: 200 },
                exact(0, RST | ACK),
                WsaSelect { sets: 7, timeout: 200 },
                WsaOption { socket: 0, level: 0, option: 0x1007, room: 4 },
                WsaConnect { socket: 0, to, port: 1 },
            ],
        );
    }
    for family in [0, 1] {
        add(
            &format!("wsa-datagrams-{family}"),
            vec![
                WsaSocket { kind: 2 + family },
                WsaBind { socket: 0, address: HOST + family, local: 2 },
                Datagram { from: PEER + family, to: HOST + family, port: 0, local: 2, len: 40 },
                WsaRecvFrom { socket: 0, len: 10, flags: 0, room: 28 },
                WsaSendTo { socket: 0, to: PEER + family, port: 0, len: 30, flags: 0 },
                Error {
                    from: PEER + family,
                    about: 0,
                    kind: 3 - 2 * family,
                    code: 3 + family,
                    quote: 0,
                    word: 0,
                },
                WsaRecv { socket: 0, len: 10, flags: 0 },
                WsaConnect { socket: 0, to: PEER + family, port: 0 },
                WsaSend { socket: 0, len: 3000, flags: 0 },
                Datagram { from: OTHER + family, to: HOST + family, port: 0, local: 2, len: 40 },
                WsaIoctlSocket { socket: 0, command: 1, argument: 0 },
                WsaConnectName { socket: 0, len: 16, name: vec![0; 16] },
                WsaClose { socket: 0 },
            ],
        );
    }
    add(
        "wsa-options",
        vec![WsaSocket { kind: 0 }, WsaSocket { kind: 3 }]
            .into_iter()
            .chain((0..6u8).flat_map(|level| {
                [1, 4, 8, 0x20, 0x80, 0x1001, 0x1002, 0x1005, 0x1007, 0x3005, 0xfffb]
                    .into_iter()
                    .flat_map(move |option| {
                        let value = vec![1, 0, 0, 0];
                        [
                            WsaSetOption { socket: level, level, option, value },
                            WsaOption { socket: level, level, option, room: 4 },
                        ]
                    })
            }))
            .collect(),
    );
    add(
        "wsa-lifetime",
        vec![
            WsaStartup { version: 2 },
            WsaAnySocket { family: 2, kind: 1, protocol: 17, flags: 1 },
            WsaAnySocket { family: 23, kind: 1, protocol: 6, flags: 1 },
            WsaIoctl { socket: 0, code: 0x9800_000c, input: vec![0; 4], room: 4 },
            WsaIoctl {
                socket: 0,
                code: 0x9800_0004,
                input: vec![1, 0, 0, 0, 0, 16, 0, 0, 0, 1, 0, 0],
                room: 0,
            },
            WsaCleanup {},
            WsaCleanup {},
            WsaCleanup {},
            WsaSocket { kind: 0 },
            WsaStartup { version: 5 },
            WsaSocket { kind: 0 },
        ],
    );
}

pub(super) fn readiness(add: &mut Add<'_>) {
    add(
        "wsa-events",
        vec![
            WsaSocket { kind: 0 },
            WsaSocket { kind: 0 },
            WsaEvent { call: 0, event: 0 },
            WsaEvent { call: 0, event: 0 },
            WsaBind { socket: 0, address: UNSPECIFIED, local: 0 },
            WsaListen { socket: 0, backlog: 3 },
            WsaEventSelect { socket: 0, event: 0, events: 0x3f },
            WsaEventSelect { socket: 1, event: 1, events: 0x3f },
            WsaConnect { socket: 1, to: PEER, port: 3 },
            open(0, 0, 0, 1),
            exact(1, ACK),
            WsaWait { how: 0, timeout: 200 },
            WsaEnum { socket: 0, event: 0 },
            WsaAccept { socket: 0, condition: 9 },
            data(1, 20),
            exact(0, RST | ACK),
            WsaWait { how: 1, timeout: 255 },
            WsaEnum { socket: 1, event: 1 },
            WsaEnum { socket: 2, event: 200 },
            WsaPoll { events: 0x310, timeout: 50 },
            WsaRecv { socket: 2, len: 9, flags: 0 },
            exact(1, FIN | ACK),
            WsaEvent { call: 1, event: 0 },
            WsaEvent { call: 2, event: 0 },
            WsaEvent { call: 3, event: 0 },
            WsaWait { how: 2, timeout: 3 },
        ],
    );
    add(
        "wsa-messages",
        vec![
            WsaSocket { kind: 2 },
            WsaBind { socket: 0, address: HOST, local: 2 },
            WsaAsyncSelect { socket: 0, window: 1, events: 0x3f },
            Datagram { from: PEER, to: HOST, port: 0, local: 2, len: 40 },
            WsaMessages { count: 9 },
            WsaRecvList { socket: 0, first: 10, second: 60, flags: 0 },
            Datagram { from: PEER, to: HOST, port: 0, local: 2, len: 40 },
            WsaMessages { count: 9 },
            WsaClose { socket: 0 },
            WsaMessages { count: 9 },
        ],
    );
    add(
        "wsa-lists",
        vec![
            WsaSocket { kind: 0 },
            WsaConnect { socket: 0, to: PEER, port: 0 },
            Segment {
                flow: 0,
                flags: SYN | ACK,
                sequence: 2,
                sequence_by: 0,
                acknowledgment: 0,
                acknowledgment_by: 0,
                window: 0,
                len: 0,
                options: 1,
            },
            WsaPoll { events: 0x310, timeout: 0 },
            WsaSendList { socket: 0, first: 100, second: 3000, flags: 0 },
            exact(0, ACK),
            data(0, 250),
            WsaRecvList { socket: 0, first: 3, second: 400, flags: 2 },
            WsaRecvList { socket: 0, first: 0, second: 90, flags: 0 },
            WsaRecvList { socket: 0, first: 90, second: 5000, flags: 8 },
        ],
    );
}
