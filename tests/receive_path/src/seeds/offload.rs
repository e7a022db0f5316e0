//! Superframes, and devices that say nonsense about them.

use super::*;

/// What a device says that knows what it does; the checksum is where it belongs.
fn device(kind: u8, size: u16) -> Operation {
    Offload { flags: 1, kind, size, header: 54, start: 0, offset: 0 }
}

pub(super) fn offload(add: &mut Add<'_>) {
    for (family, tcp, name) in [(0, 1, "v4"), (1, 4, "v6")] {
        add(
            &format!("superframes-{name}"),
            with(
                accepted(family, 0, 1),
                [
                    device(tcp, 500),
                    data(0, 255),
                    Receive { connection: 0, len: 5000, peek: 0 },
                    device(tcp, 1),
                    data(0, 100),
                    device(0, 0),
                    data(0, 100),
                    Receive { connection: 0, len: 5000, peek: 0 },
                    Send { connection: 0, len: 8000 },
                    exact(0, ACK),
                    Link { state: 3 },
                    Send { connection: 0, len: 8000 },
                    Wait { unit: MILLI, count: 20 },
                    exact(0, ACK),
                    Wait { unit: SECOND, count: 3 },
                    exact(0, ACK),
                ],
            ),
        );
        add(
            &format!("superframes-path-{name}"),
            with(
                connected(family, 1),
                [
                    Send { connection: 0, len: 8000 },
                    exact(0, ACK),
                    Send { connection: 0, len: 8000 },
                    Error {
                        from: ROUTER,
                        about: 0,
                        kind: if family == 0 { 3 } else { 2 },
                        code: if family == 0 { 4 } else { 0 },
                        quote: 0,
                        word: 1300,
                    },
                    Wait { unit: SECOND, count: 1 },
                    exact(0, ACK),
                    exact(0, ACK),
                ],
            ),
        );
        let arrives =
            |len| Datagram { from: PEER + family, to: HOST + family, port: 7, local: 2, len };
        let says = |flags, kind, size, header, start, offset| Offload {
            flags,
            kind,
            size,
            header,
            start,
            offset,
        };
        add(
            &format!("datagrams-together-{name}"),
            with(
                datagram_socket(family),
                [
                    device(5, 300),
                    arrives(1000),
                    ReceiveDatagram { socket: 0, len: 500 },
                    ReceiveDatagram { socket: 0, len: 500 },
                    ReceiveDatagram { socket: 0, len: 500 },
                    ReceiveDatagram { socket: 0, len: 500 },
                    device(5, 1),
                    arrives(100),
                    device(5, 1400),
                    arrives(60_000),
                    ReceiveDatagram { socket: 0, len: 2000 },
                ],
            ),
        );
        add(
            &format!("offload-nonsense-{name}"),
            with(
                datagram_socket(family),
                [
                    says(1, 5, 0, 42, 0, 0),
                    arrives(1000),
                    says(1, 5, 100, u16::MAX, 0, 0),
                    arrives(1000),
                    says(1, 3, 100, 42, 0, 0),
                    arrives(1000),
                    says(1, tcp, 100, 42, 0, 0),
                    arrives(1000),
                    says(0, 5, 100, 42, 0, 0),
                    arrives(1000),
                    says(2, 5, 100, 42, 0, 0),
                    arrives(1000),
                    says(1, 0, 0, 0, u16::MAX, u16::MAX),
                    arrives(10),
                    says(1, 0, 0, 0, 1, 0),
                    arrives(10),
                    says(1, 5, 100, 42, 0, 0),
                    Arp { operation: 1, sender: PEER, hardware: PEER, target: HOST },
                    says(1, 5, 100, 42, 0, 0),
                    Frame { bytes: vec![0; 13] },
                    says(1, 5, 100, 42, 0, 0),
                    Fragment { size: 10, order: 0, identification: 1 },
                    arrives(1000),
                    arrives(10),
                    ReceiveDatagram { socket: 0, len: 2000 },
                ],
            ),
        );
    }
}
