//! Scripts that were written by hand, one for each thing that the corpus must reach.

mod offload;
mod packets;
mod tcp;
mod winsock;

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
    tcp::tcp(&mut add);
    packets::datagrams(&mut add);
    packets::causes(&mut add);
    packets::below(&mut add);
    winsock::winsock(&mut add);
    winsock::readiness(&mut add);
    packets::groups(&mut add);
    offload::offload(&mut |name, script| {
        for (suffix, setting) in [("", 16), ("-no-heap", 17), ("-narrow", 24)] {
            scripts.push((format!("{name}{suffix}"), setting, script.clone()));
        }
    });
    scripts
}

type Add<'s> = dyn FnMut(&str, Vec<Operation>) + 's;

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
