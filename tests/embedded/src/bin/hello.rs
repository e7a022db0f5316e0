//! Connects to 10.77.0.1:7000, says hello, shows what comes back, and why if nothing does.
#![no_std]
#![no_main]

use core::net::{Ipv4Addr, SocketAddrV4};

use static_cell::ConstStaticCell;
use tapsock_embedded::{self as board, Nic, Outcome, clock, idle, say};
use tapsock_stack::Stack;
use tapsock_stack::config::Config;
use tapsock_stack::storage::{Fixed, Memory};
use wsa::constants::{AF_INET, IPPROTO_TCP, SOCK_STREAM};
use wsa::engine::stepped::Stepped;
use wsa::{Error, Process};

// Two sockets, hash tables of 8 slots, frames of 1514 bytes, no fragments; 1 KiB each way.
type Tables = Fixed<'static, 2, 8, 1514, 0>;
static BUFFERS: ConstStaticCell<Memory<'static, 2, 1024>> = ConstStaticCell::new(Memory::new());

board::start!(|| {
    let config = Config::new(board::HARDWARE_ADDRESS, board::random());
    let mut stack = Stack::new(config, Nic::new(), Tables::new(BUFFERS.take()), clock());
    let added = stack.add_address(board::ADDRESS);
    let process = Process::new(Stepped::on(&mut stack, clock, idle));
    process.wsa_startup(0x0202);
    let outcome = added.map_err(|_| Error::WSAENOBUFS).and_then(|()| {
        let s = process.socket(AF_INET, SOCK_STREAM, IPPROTO_TCP)?;
        process.connect_to(s, SocketAddrV4::new(Ipv4Addr::new(10, 77, 0, 1), 7000))?;
        process.send(s, b"hello".into(), 0)?;
        let mut buffer = [0; 64];
        let len = process.recv(s, (&mut buffer).into(), 0)?;
        say!("{}", core::str::from_utf8(&buffer[..len]).unwrap_or("no text"));
        process.closesocket(s)
    });
    if let Err(error) = outcome {
        say!("{error}: {:?}", process.last_cause());
        return Outcome::Failed;
    }
    Outcome::Passed
});
