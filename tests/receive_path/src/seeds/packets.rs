//! Datagrams, fragments, groups, ICMP errors, and what ends below the sockets.

use super::*;

pub(super) fn datagrams(add: &mut Add<'_>) {
    for (family, name) in [(0, "v4"), (1, "v6")] {
        let arrives = |from: u8, len| Datagram {
            from: from + family,
            to: HOST + family,
            port: 7,
            local: 2,
            len,
        };
        add(
            &format!("datagrams-{name}"),
            with(
                datagram_socket(family),
                [
                    arrives(PEER, 100),
                    arrives(FAR, 0),
                    ReceiveDatagram { socket: 0, len: 50 },
                    ConnectDatagram { socket: 0, from: HOST + family, to: PEER + family, port: 7 },
                    arrives(OTHER, 100),
                    arrives(PEER, 1400),
                    arrives(PEER, 1400),
                    arrives(PEER, 1400),
                    SendDatagram { socket: 0, to: PEER + family, port: 7, len: 1000 },
                    ReceiveDatagram { socket: 0, len: 2000 },
                    DisconnectDatagram { socket: 0 },
                    SendDatagram { socket: 0, to: FAR + family, port: 8, len: 10 },
                    SendDatagram { socket: 0, to: NOBODY + family, port: 8, len: 10 },
                    SendDatagram { socket: 0, to: GROUP + family, port: 8, len: 10 },
                    SendDatagram { socket: 0, to: PEER + family, port: 8, len: 9000 },
                    Wait { unit: SECOND, count: 9 },
                ],
            ),
        );
        add(
            &format!("closed-port-{name}"),
            vec![Datagram { from: PEER + family, to: HOST + family, port: 1, local: 3, len: 600 }],
        );
        for (order, what) in [
            "in-order",
            "reversed",
            "twice",
            "overlapping",
            "no-last",
            "no-first",
            "too-far",
            "odd",
        ]
        .into_iter()
        .enumerate()
        {
            add(
                &format!("fragments-{name}-{what}"),
                with(
                    datagram_socket(family),
                    [
                        Fragment { size: 60, order: order as u8, identification: 1 },
                        arrives(PEER, 1900),
                        ReceiveDatagram { socket: 0, len: 2000 },
                        Wait { unit: SECOND, count: 100 },
                    ],
                ),
            );
        }
    }
    add(
        "to-groups",
        with(
            vec![
                Bind { transport: 1, address: 240, local: 2, share: 0 },
                OpenDatagram { binding: 0, room: 90 },
            ],
            (BROADCAST..UNSPECIFIED).map(|to| Datagram {
                from: PEER,
                to,
                port: 1,
                local: 2,
                len: 30,
            }),
        ),
    );
}

pub(super) fn groups(add: &mut Add<'_>) {
    for family in [0, 1] {
        let told = Datagram { from: PEER + family, to: GROUP + family, port: 1, local: 2, len: 30 };
        let change = |change| Membership { socket: 0, group: GROUP + family, change, source: PEER };
        let query = if family == 0 {
            [
                Extend { header: 0, bytes: vec![148, 4, 0, 0] },
                Dress { what: 0, value: 1 },
                Protocol {
                    from: ROUTER,
                    to: GROUP + 2,
                    protocol: 2,
                    body: vec![0x11, 10, 0, 0, 0, 0, 0, 0, 2, 10, 0, 0],
                },
            ]
        } else {
            [
                Extend { header: 0, bytes: vec![5, 2, 0, 0, 1, 0] },
                Dress { what: 0, value: 1 },
                Message { from: 13, to: 17, kind: 130, code: 0, body: vec![0; 24] },
            ]
        };
        let mut script = vec![
            Bind { transport: 1, address: 240, local: 2, share: 1 },
            OpenDatagram { binding: 0, room: 9 },
            told.clone(),
            change(0),
            Wait { unit: SECOND, count: 3 },
            told.clone(),
            SendDatagram { socket: 0, to: GROUP + family, port: 1, len: 2000 },
        ];
        script.extend(query);
        script.extend([
            Wait { unit: SECOND, count: 20 },
            change(4),
            told.clone(),
            change(5),
            change(1),
            change(2),
            told.clone(),
            change(3),
            told,
        ]);
        add(&format!("groups-{family}"), script);
    }
    add(
        "wsa-groups",
        vec![
            WsaSocket { kind: 2 },
            WsaBind { socket: 0, address: UNSPECIFIED, local: 2 },
            WsaSetOption { socket: 0, level: 3, option: 12, value: vec![239, 1, 1, 1, 0, 0, 0, 0] },
            WsaSetOption { socket: 0, level: 3, option: 19, value: vec![1, 0, 0, 0] },
            Datagram { from: PEER, to: GROUP, port: 1, local: 2, len: 30 },
            WsaRecvMsg { socket: 0, len: 20, control: 64, flags: 0 },
            WsaSendMsg { socket: 0, to: GROUP, port: 1, len: 30, control: vec![] },
            WsaSendMsg {
                socket: 0,
                to: PEER,
                port: 1,
                len: 3000,
                control: vec![
                    20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0,
                ],
            },
            WsaSetOption { socket: 0, level: 3, option: 13, value: vec![239, 1, 1, 1, 0, 0, 0, 0] },
        ],
    );
}

pub(super) fn causes(add: &mut Add<'_>) {
    for (family, kind, code) in errors() {
        let report = |about| Error {
            from: ROUTER + family,
            about,
            kind,
            code,
            quote: 0,
            word: word(family, kind, code),
        };
        let name = format!("icmp-v{}-{kind}-{code}", 4 + 2 * family);
        add(
            &name,
            with(
                datagram_socket(family),
                [
                    SendDatagram { socket: 0, to: FAR + family, port: 0, len: 30 },
                    Connect { from: HOST + family, port: 0, to: FAR + family, remote: 0, how: 1 },
                    report(0),
                    report(1),
                    ReceiveDatagram { socket: 0, len: 10 },
                    Connect { from: HOST + family, port: 1, to: FAR + family, remote: 0, how: 0 },
                    report(0),
                    Wait { unit: SECOND, count: 30 },
                ],
            ),
        );
    }
    add(
        "icmp-about-others",
        with(
            connected(0, 0),
            [
                Send { connection: 0, len: 100 },
                Break { how: 0, at: 30, value: 1 },
                Error { from: ROUTER, about: 0, kind: 3, code: 1, quote: 0, word: 0 },
                Break { how: 4, at: 50, value: 0 },
                Error { from: ROUTER, about: 0, kind: 3, code: 1, quote: 0, word: 0 },
                Error { from: ROUTER, about: 0, kind: 3, code: 4, quote: 200, word: 68 },
                Error { from: ROUTER, about: 0, kind: 3, code: 4, quote: 200, word: 0 },
                Wait { unit: SECOND, count: 100 },
            ],
        ),
    );
}

pub(super) fn below(add: &mut Add<'_>) {
    add(
        "neighbors",
        vec![
            Arp { operation: 1, sender: PEER, hardware: PEER, target: HOST },
            Arp { operation: 2, sender: ROUTER, hardware: OTHER, target: HOST },
            Arp { operation: 1, sender: HOST, hardware: PEER, target: HOST },
            Discovery {
                kind: 135,
                from: PEER,
                to: HOST,
                target: HOST,
                flags: 0,
                options: vec![1, 1, 2, 0, 0, 0, 0, 2],
            },
            Discovery {
                kind: 136,
                from: PEER,
                to: HOST,
                target: PEER,
                flags: 0x60,
                options: vec![2, 1, 2, 0, 0, 0, 0, 2],
            },
            Discovery {
                kind: 134,
                from: PEER,
                to: GROUP,
                target: PEER,
                flags: 0,
                options: vec![3, 4],
            },
            Discovery { kind: 137, from: PEER, to: HOST, target: PEER, flags: 0, options: vec![] },
            Discovery {
                kind: 135,
                from: UNSPECIFIED,
                to: 23,
                target: HOST,
                flags: 0,
                options: vec![],
            },
            Mute { state: 1 },
            Connect { from: HOST, port: 0, to: NOBODY, remote: 0, how: 0 },
            Connect { from: HOST + 1, port: 0, to: NOBODY + 1, remote: 0, how: 1 },
            Wait { unit: SECOND, count: 30 },
        ],
    );
    add(
        "echo-and-others",
        vec![
            Message { from: PEER, to: HOST, kind: 8, code: 0, body: vec![1, 2, 3, 4, 5] },
            Message { from: PEER, to: HOST + 1, kind: 128, code: 0, body: vec![1, 2, 3, 4, 5] },
            Message { from: PEER, to: BROADCAST, kind: 8, code: 0, body: vec![1, 2, 3, 4, 5] },
            Message { from: PEER, to: HOST, kind: 8, code: 0, body: vec![] },
            Protocol { from: PEER, to: HOST, protocol: 47, body: vec![0; 30] },
            Protocol { from: PEER, to: HOST + 1, protocol: 47, body: vec![0; 30] },
            Protocol { from: PEER, to: HOST + 1, protocol: 59, body: vec![] },
        ],
    );
    add(
        "extended",
        with(datagram_socket(1), {
            let arrives = Datagram { from: PEER, to: HOST + 1, port: 1, local: 2, len: 20 };
            [
                (0, vec![1, 4, 0, 0, 0, 0]),
                (60, vec![0xc2, 4, 0, 0, 0, 0]),
                (43, vec![0; 6]),
                (43, vec![0, 1]),
                (51, vec![0; 6]),
            ]
            .into_iter()
            .flat_map(move |(header, bytes)| [Extend { header, bytes }, arrives.clone()])
        }),
    );
    add(
        "ipv4-options",
        with(datagram_socket(0), {
            let arrives = Datagram { from: PEER, to: HOST, port: 1, local: 2, len: 20 };
            [
                vec![1, 1, 1, 0],
                vec![148, 4, 0, 0],
                vec![131, 7, 4, 1, 2, 3, 4],
                vec![7, 0],
                vec![7, 60],
            ]
            .into_iter()
            .flat_map(move |bytes| [Extend { header: 0, bytes }, arrives.clone()])
        }),
    );
    add(
        "broken",
        with(
            datagram_socket(0),
            (0..40u16).flat_map(|at| {
                [
                    Break { how: (at % 5) as u8, at: at * 3, value: 1 << (at % 8) },
                    Datagram { from: PEER, to: HOST, port: 1, local: 2, len: 20 },
                ]
            }),
        ),
    );
    add(
        "dressed",
        with(
            datagram_socket(0),
            (0..5u8).flat_map(|what| {
                (0..4u8).flat_map(move |value| {
                    [
                        Dress { what, value },
                        Datagram { from: PEER, to: HOST, port: 1, local: 2, len: 20 },
                    ]
                })
            }),
        ),
    );
    add(
        "impossible-sources",
        with(
            listening(),
            (0..30u8).map(|from| Open {
                from,
                to: HOST,
                port: from,
                local: 0,
                initial: 0,
                options: 0,
            }),
        ),
    );
    add(
        "link-trouble",
        with(
            connected(0, 1),
            [
                Link { state: 5 },
                Send { connection: 0, len: 6000 },
                Wait { unit: MILLI, count: 2 },
                Wait { unit: MILLI, count: 50 },
                Link { state: 1 },
                Wait { unit: SECOND, count: 2 },
                Connect { from: HOST, port: 3, to: PEER, remote: 0, how: 0 },
                Link { state: 0 },
                Wait { unit: SECOND, count: 2 },
                exact(0, ACK),
            ],
        ),
    );
    add(
        "addresses-and-routes",
        with(
            connected(0, 1),
            [
                Address { address: FAR, remove: 0 },
                Address { address: HOST, remove: 1 },
                Send { connection: 0, len: 10 },
                exact(0, ACK),
                Route { to: FAR, bits: 8, gateway: PEER, remove: 0 },
                Connect { from: FAR, port: 1, to: OTHER, remote: 0, how: 0 },
                Route { to: FAR, bits: 8, gateway: PEER, remove: 1 },
            ],
        ),
    );
    add(
        "anything",
        vec![
            Frame { bytes: vec![0; 60] },
            Packet {
                bytes: vec![0x45, 0, 0, 20, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 2, 10, 0, 0, 1],
            },
            Packet { bytes: vec![0x60; 60] },
        ],
    );
}
