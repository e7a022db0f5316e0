//! A Winsock process without an operating system: blocking calls that move a clock of their own.

use core::cell::Cell;
use core::net::Ipv4Addr;

use tapsock_stack::Stack;
use tapsock_stack::config::Config;
use tapsock_stack::link::NoLink;
use tapsock_stack::storage::{Fixed, Memory};
use tapsock_stack::time::Instant;
use tapsock_stack::wire::{EthernetAddress, IpEndpoint};
use wsa::constants::{AF_INET, IPPROTO_TCP, IPPROTO_UDP, SD_SEND, SOCK_DGRAM, SOCK_STREAM};
use wsa::engine::stepped::Stepped;
use wsa::engine::{Engine, Waited};
use wsa::{Error, MemoryMut, Process, SocketHandle};

const SOCKETS: usize = 4;
const RING: usize = 2048;

/// Two sockets of one process talk to each other; gives the number of the step that went wrong.
pub(crate) fn winsock(step: i32) -> Result<(), i32> {
    let mut memory = Memory::<SOCKETS, RING>::new();
    let config = Config::new(EthernetAddress([2, 0, 0, 0, 0, 1]), 2);
    let storage = Fixed::<SOCKETS, 16, 1514>::new(&mut memory);
    let stack = Stack::new(config, NoLink, storage, Instant::ZERO);
    let clock = Cell::new(Instant::ZERO);
    let idle = |until: Option<Instant>| match until {
        Some(until) => {
            clock.set(until);
            Waited::Again
        }
        None => Waited::Stuck,
    };
    let process = Process::new(Stepped::new(stack, || clock.get(), idle));
    if process.socket(AF_INET, SOCK_STREAM, IPPROTO_TCP) != Err(Error::WSANOTINITIALISED) {
        return Err(step);
    }
    if process.wsa_startup(0x0202).0 != 0 {
        return Err(step + 1);
    }
    stream(&process, step + 2)?;
    datagram(&process, step + 12)?;
    process.wsa_cleanup().map_err(|_| step + 19)
}

/// 127.0.0.1 with this port.
fn own(port: u16) -> IpEndpoint {
    IpEndpoint::new(Ipv4Addr::LOCALHOST.into(), port)
}

fn stream<'a, E: Engine<'a>>(process: &Process<'a, E>, step: i32) -> Result<(), i32> {
    let open = || process.socket(AF_INET, SOCK_STREAM, IPPROTO_TCP).map_err(|_| step);
    let (listener, client) = (open()?, open()?);
    // Nobody listens yet: the answer is a RST.
    if process.connect_to(client, own(7)) != Err(Error::WSAECONNREFUSED) {
        return Err(step + 1);
    }
    if process.last_cause().is_none() {
        return Err(step + 2);
    }
    process.bind_to(listener, own(7)).map_err(|_| step + 3)?;
    process.listen(listener, 1).map_err(|_| step + 4)?;
    process.connect_to(client, own(7)).map_err(|_| step + 5)?;
    let server = process.accept(listener, MemoryMut::Null, None).map_err(|_| step + 6)?;
    exchange(process, client, server, step + 7)?;
    exchange(process, server, client, step + 7)?;
    process.shutdown(client, SD_SEND).map_err(|_| step + 8)?;
    let mut buffer = [0; 16];
    if process.recv(server, MemoryMut::Bytes(&mut buffer), 0) != Ok(0) {
        return Err(step + 8);
    }
    for socket in [client, server, listener] {
        process.closesocket(socket).map_err(|_| step + 9)?;
    }
    Ok(())
}

fn datagram<'a, E: Engine<'a>>(process: &Process<'a, E>, step: i32) -> Result<(), i32> {
    let open = || process.socket(AF_INET, SOCK_DGRAM, IPPROTO_UDP).map_err(|_| step);
    let (one, other) = (open()?, open()?);
    process.bind_to(one, own(1111)).map_err(|_| step + 1)?;
    process.bind_to(other, own(2222)).map_err(|_| step + 1)?;
    process.connect_to(one, own(2222)).map_err(|_| step + 2)?;
    process.connect_to(other, own(1111)).map_err(|_| step + 3)?;
    exchange(process, one, other, step + 4)?;
    for socket in [one, other] {
        process.closesocket(socket).map_err(|_| step + 5)?;
    }
    Ok(())
}

fn exchange<'a, E: Engine<'a>>(
    process: &Process<'a, E>,
    from: SocketHandle,
    to: SocketHandle,
    step: i32,
) -> Result<(), i32> {
    let sent = process.send(from, b"no heap".into(), 0);
    let mut buffer = [0; 16];
    let received = process.recv(to, MemoryMut::Bytes(&mut buffer), 0);
    if sent == Ok(7) && received == Ok(7) && buffer.starts_with(b"no heap") {
        Ok(())
    } else {
        Err(step)
    }
}
