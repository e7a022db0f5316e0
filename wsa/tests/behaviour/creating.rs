//! socket and WSASocket: what may be created, and what is deduced.

use super::scene::*;

/// Family, type, protocol; then the code, or the type and family of what was created.
type Row = (i32, i32, i32, Result<(u32, u8), i32>);

const TCP: Result<(u32, u8), i32> = Ok((1, 2));
const UDP: Result<(u32, u8), i32> = Ok((2, 2));
const TCP6: Result<(u32, u8), i32> = Ok((1, 23));
const UDP6: Result<(u32, u8), i32> = Ok((2, 23));

const ROWS: [Row; 36] = [
    (2, 1, 6, TCP),
    (2, 1, 0, TCP),
    (2, 0, 6, TCP),
    (2, 0, 0, TCP),
    (2, 2, 17, UDP),
    (2, 2, 0, UDP),
    (2, 0, 17, UDP),
    (23, 1, 6, TCP6),
    (23, 1, 0, TCP6),
    (23, 0, 6, TCP6),
    (23, 2, 17, UDP6),
    (23, 2, 0, UDP6),
    (23, 0, 17, UDP6),
    // Without a family the protocol says what is meant, and must be there.
    (0, 1, 6, TCP),
    (0, 0, 6, TCP),
    (0, 2, 17, UDP),
    (0, 0, 17, UDP),
    (0, 0, 0, Err(10022)),
    (0, 1, 0, Err(10022)),
    (0, 2, 0, Err(10022)),
    (0, 0, 0xDEAD, Err(10043)),
    (0, 1, 0xDEAD, Err(10043)),
    // The type, then the family, then the protocol.
    (0xDEAD, 0xDEAD, 6, Err(10044)),
    (0xDEAD, 0xDEAD, 0xDEAD, Err(10044)),
    (2, 0xDEAD, 6, Err(10044)),
    (0, 0xDEAD, 0, Err(10044)),
    (2, -1, 6, Err(10044)),
    (2, 5, 6, Err(10044)),
    (0xDEAD, 1, 6, Err(10047)),
    (0xDEAD, 0, 6, Err(10047)),
    (-1, 1, 0xDEAD, Err(10047)),
    (2, 1, 17, Err(10043)),
    (2, 2, 6, Err(10043)),
    (23, 1, 17, Err(10043)),
    (2, 0, 0xDEAD, Err(10043)),
    (2, 1, -1, Err(10043)),
];

#[test]
fn what_is_judged_first_and_what_is_deduced() {
    let scene = Scene::documented();
    let client = &scene.client;
    for (af, ty, protocol, expected) in ROWS {
        let overlapped = client.wsa_socket(af, ty, protocol, 1);
        for made in [client.socket(af, ty, protocol), client.wsa_socket(af, ty, protocol, 0)]
            .into_iter()
            .chain([overlapped])
        {
            let found = made.map_err(wsa::Error::code).map(|s| {
                let ty = client.option(s, 0xFFFF, 0x1008).unwrap();
                // The family is in SO_PROTOCOL_INFOA.
                let (mut info, mut len) = ([0; 372], 372);
                client.getsockopt(s, 0xFFFF, 0x2004, (&mut info).into(), Some(&mut len)).unwrap();
                (ty, info[76])
            });
            assert_eq!(found, expected, "({af}, {ty}, {protocol})");
        }
    }
}
