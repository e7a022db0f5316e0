//! Scripts that were written by hand, one for each thing that the corpus must reach.

use crate::network::{
    BROADCAST, FAR, GROUP, HOST, LOOPBACK, NOBODY, OTHER, PEER, ROUTER, UNSPECIFIED,
};
use crate::operation::Operation::{self, *};
use crate::operation::write;
use crate::pack::Entry;

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const PSH: u8 = 8;
const ACK: u8 = 16;

/// Milliseconds, seconds and hours, as units of [`Wait`].
const MILLI: u8 = 3;
const SECOND: u8 = 6;
const HOUR: u8 = 10;

/// The exact segment that the stack expects, with these flags.
fn exact(flow: u8, flags: u8) -> Operation {
    Segment {
        flow,
        flags,
        sequence: 0,
        sequence_by: 0,
        acknowledgment: 0,
        acknowledgment_by: 0,
        window: 0,
        len: 0,
        options: 0,
    }
}

/// The same with payload.
fn data(flow: u8, len: u8) -> Operation {
    shifted(flow, ACK | PSH, 0, len)
}

/// The same with another sequence number.
fn shifted(flow: u8, flags: u8, by: i8, len: u8) -> Operation {
    Segment {
        flow,
        flags,
        sequence: 0,
        sequence_by: by,
        acknowledgment: 0,
        acknowledgment_by: 0,
        window: 0,
        len,
        options: 0,
    }
}

/// A SYN of a peer to port 80.
fn open(family: u8, port: u8, initial: u8, options: u8) -> Operation {
    Open { from: PEER + family, to: HOST + family, port, local: 0, initial, options }
}

/// A listener on port 80 of both families.
fn listening() -> Vec<Operation> {
    vec![Bind { transport: 0, address: 240, local: 0, share: 0 }, Listen { binding: 0, backlog: 4 }]
}

/// A connection that a peer opened and that was accepted.
fn accepted(family: u8, initial: u8, options: u8) -> Vec<Operation> {
    let mut script = listening();
    script.extend([open(family, 0, initial, options), exact(0, ACK), Accept { listener: 0 }]);
    script
}

/// A connection that the stack opened.
fn connected(family: u8, options: u8) -> Vec<Operation> {
    vec![
        Connect { from: HOST + family, port: 0, to: PEER + family, remote: 0, how: 0 },
        Segment {
            flow: 0,
            flags: SYN | ACK,
            sequence: 2,
            sequence_by: 0,
            acknowledgment: 0,
            acknowledgment_by: 0,
            window: 0,
            len: 0,
            options,
        },
    ]
}

fn datagram_socket(family: u8) -> Vec<Operation> {
    vec![
        Bind { transport: 1, address: HOST + family, local: 2, share: 0 },
        OpenDatagram { binding: 0, room: 20 },
    ]
}

fn with(mut script: Vec<Operation>, more: impl IntoIterator<Item = Operation>) -> Vec<Operation> {
    script.extend(more);
    script
}

/// Each ICMP error that RFC 792, RFC 1812 and RFC 4443 name, with the family's place.
fn errors() -> Vec<(u8, u8, u8)> {
    let v4 = (0..16).map(|code| (3, code)).chain([(4, 0)]).chain((0..4).map(|code| (5, code)));
    let v4 = v4.chain([(11, 0), (11, 1), (12, 0), (12, 1), (12, 2)]);
    let v6 = (0..7).map(|code| (1, code)).chain([(2, 0), (3, 0), (3, 1)]);
    let v6 = v6.chain((0..3).map(|code| (4, code)));
    let v4 = v4.map(|(kind, code)| (0, kind, code));
    v4.chain(v6.map(|(kind, code)| (1, kind, code))).collect()
}

/// The words after type and code that make sense: the next hop's MTU.
fn word(family: u8, kind: u8, code: u8) -> u32 {
    match (family, kind, code) {
        (0, 3, 4) => 1400,
        (1, 2, _) => 1400,
        _ => 0,
    }
}

/// The scripts, with names that say what they are about and the setting that they are played in.
fn scripts() -> Vec<(String, u8, Vec<Operation>)> {
    let mut scripts: Vec<(String, u8, Vec<Operation>)> = Vec::new();
    let mut add = |name: &str, script: Vec<Operation>| {
        for (suffix, setting) in [("", 0), ("-no-heap", 1)] {
            scripts.push((format!("{name}{suffix}"), setting, script.clone()));
        }
    };
    tcp(&mut add);
    datagrams(&mut add);
    causes(&mut add);
    below(&mut add);
    winsock(&mut add);
    readiness(&mut add);
    groups(&mut add);
    scripts
}

type Add<'s> = dyn FnMut(&str, Vec<Operation>) + 's;

fn tcp(add: &mut Add<'_>) {
    for (family, name) in [(0, "v4"), (1, "v6")] {
        add(&format!("listen-{name}"), listening());
        add(
            &format!("accepted-{name}"),
            with(
                accepted(family, 0, 1),
                [
                    data(0, 100),
                    Receive { connection: 0, len: 64, peek: 1 },
                    Receive { connection: 0, len: 64, peek: 0 },
                    Send { connection: 0, len: 3000 },
                    exact(0, ACK),
                    Wait { unit: SECOND, count: 3 },
                    exact(0, ACK),
                    Receive { connection: 0, len: 64, peek: 0 },
                ],
            ),
        );
        add(
            &format!("connected-{name}"),
            with(
                connected(family, 1),
                [
                    Send { connection: 0, len: 20_000 },
                    exact(0, ACK),
                    exact(0, ACK),
                    data(0, 250),
                    Receive { connection: 0, len: 5000, peek: 0 },
                ],
            ),
        );
        add(
            &format!("refused-{name}"),
            with(
                vec![Connect {
                    from: HOST + family,
                    port: 0,
                    to: PEER + family,
                    remote: 0,
                    how: 0,
                }],
                [exact(0, RST | ACK), Send { connection: 0, len: 1 }],
            ),
        );
    }
    add(
        "syn-sent-in-vain",
        vec![
            Connect { from: HOST, port: 0, to: PEER, remote: 0, how: 0 },
            Wait { unit: SECOND, count: 30 },
        ],
    );
    add(
        "syn-received-in-vain",
        with(listening(), [open(0, 0, 0, 0), Wait { unit: SECOND, count: 60 }]),
    );
    add(
        "simultaneous-open",
        vec![
            Connect { from: HOST, port: 0, to: PEER, remote: 0, how: 0 },
            exact(0, SYN),
            exact(0, SYN | ACK),
            exact(0, ACK),
        ],
    );
    add(
        "fin-wait-time-wait",
        with(
            connected(0, 1),
            [
                Close { connection: 0, how: 0 },
                exact(0, ACK),
                exact(0, FIN | ACK),
                Repeat { which: 0 },
                exact(0, RST),
                Segment {
                    flow: 0,
                    flags: SYN,
                    sequence: 0,
                    sequence_by: 100,
                    acknowledgment: 0,
                    acknowledgment_by: 0,
                    window: 0,
                    len: 0,
                    options: 0,
                },
                Wait { unit: SECOND, count: 100 },
            ],
        ),
    );
    add(
        "closing",
        with(
            connected(0, 0),
            [
                Shutdown { connection: 0 },
                Segment {
                    flow: 0,
                    flags: FIN | ACK,
                    sequence: 0,
                    sequence_by: 0,
                    acknowledgment: 6,
                    acknowledgment_by: 0,
                    window: 0,
                    len: 0,
                    options: 0,
                },
                exact(0, ACK),
            ],
        ),
    );
    add(
        "close-wait-last-ack",
        with(
            accepted(0, 2, 1),
            [
                exact(0, FIN | ACK),
                Send { connection: 0, len: 10 },
                Close { connection: 0, how: 0 },
                exact(0, ACK),
            ],
        ),
    );
    add("time-wait-reused", {
        let mut script = accepted(0, 4, 0);
        script.extend([
            Shutdown { connection: 0 },
            exact(0, FIN | ACK),
            data(0, 0),
            open(0, 0, 5, 0),
            exact(0, ACK),
        ]);
        script
    });
    add(
        "reset-by-peer",
        with(
            accepted(1, 3, 6),
            [data(0, 10), exact(0, RST), Receive { connection: 0, len: 10, peek: 0 }],
        ),
    );
    add(
        "numbers-at-every-edge",
        with(
            accepted(0, 0, 1),
            (0..8u8).flat_map(|base| {
                [-1, 0, 1].into_iter().flat_map(move |by| {
                    [ACK, ACK | FIN, RST, SYN, SYN | ACK].into_iter().map(move |flags| Segment {
                        flow: 0,
                        flags,
                        sequence: base,
                        sequence_by: by,
                        acknowledgment: base,
                        acknowledgment_by: by,
                        window: base,
                        len: u8::from(by == 1) * 5,
                        options: base,
                    })
                })
            }),
        ),
    );
    add(
        "out-of-order",
        with(
            accepted(0, 0, 1),
            [
                shifted(0, ACK, 40, 20),
                shifted(0, ACK, 80, 20),
                shifted(0, ACK | FIN, 100, 0),
                shifted(0, ACK, 0, 40),
                shifted(0, ACK, 0, 60),
                Receive { connection: 0, len: 500, peek: 0 },
                shifted(0, ACK | FIN, 0, 0),
            ],
        ),
    );
    add(
        "window-closed",
        with(
            connected(0, 1),
            [
                Segment {
                    flow: 0,
                    flags: ACK,
                    sequence: 0,
                    sequence_by: 0,
                    acknowledgment: 0,
                    acknowledgment_by: 0,
                    window: 1,
                    len: 0,
                    options: 0,
                },
                Send { connection: 0, len: 500 },
                Wait { unit: SECOND, count: 20 },
                exact(0, ACK),
                Wait { unit: HOUR, count: 1 },
            ],
        ),
    );
    add(
        "kept-alive",
        with(
            connected(1, 1),
            [
                Set { connection: 0, nodelay: 1, keep_alive: 2, max_rt: 9, hop_limit: 3 },
                Wait { unit: SECOND, count: 3 },
                exact(0, ACK),
                Wait { unit: SECOND, count: 40 },
            ],
        ),
    );
    add(
        "peer-vanishes",
        with(connected(0, 1), [Send { connection: 0, len: 5000 }, Wait { unit: HOUR, count: 1 }]),
    );
    add("full-backlog", {
        let mut script = listening();
        script.push(Backlog { listener: 0, backlog: 1 });
        for port in 0..6 {
            script.extend([open(0, port, port, port), exact(port, ACK)]);
        }
        script.extend([Reject { listener: 0 }, CloseListener { listener: 0 }]);
        script
    });
    let far = |by| Segment {
        flow: 0,
        flags: ACK,
        sequence: 1,
        sequence_by: by,
        acknowledgment: 0,
        acknowledgment_by: 0,
        window: 0,
        len: 1,
        options: 0,
    };
    add(
        "beyond-the-first-window",
        vec![
            WsaSocket { kind: 0 },
            WsaBind { socket: 0, address: UNSPECIFIED, local: 0 },
            WsaListen { socket: 0, backlog: 3 },
            open(0, 0, 0, 1),
            far(1),
            far(0),
            far(-1),
            WsaAccept { socket: 0, condition: 9 },
        ],
    );
    add("half-open-flood", with(listening(), (0..12).map(|port| open(1, port, port, port))));
    add(
        "to-itself",
        with(
            listening(),
            [
                Connect { from: HOST, port: 0, to: HOST, remote: 0, how: 0 },
                Accept { listener: 0 },
                Send { connection: 0, len: 4000 },
                Receive { connection: 1, len: 5000, peek: 0 },
                Close { connection: 1, how: 0 },
                Connect { from: LOOPBACK + 1, port: 1, to: LOOPBACK + 1, remote: 0, how: 0 },
                Connect { from: LOOPBACK, port: 2, to: LOOPBACK, remote: 9, how: 0 },
            ],
        ),
    );
    for options in 0..12 {
        add(&format!("options-{options}"), with(accepted(0, 0, options), [data(0, 9)]));
    }
}

fn datagrams(add: &mut Add<'_>) {
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

fn causes(add: &mut Add<'_>) {
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

fn below(add: &mut Add<'_>) {
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

fn winsock(add: &mut Add<'_>) {
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

fn readiness(add: &mut Add<'_>) {
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

fn groups(add: &mut Add<'_>) {
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

/// The scripts as entries of a corpus.
pub fn entries() -> Vec<Entry> {
    let scripts = scripts().into_iter();
    scripts
        .map(|(name, setting, script)| {
            let mut input = vec![setting];
            input.extend(write(&script));
            Entry { name: format!("seed-{name}"), input }
        })
        .collect()
}
