//! Connections: every state, every edge of the sequence space, every end.

use super::*;

pub(super) fn tcp(add: &mut Add<'_>) {
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
