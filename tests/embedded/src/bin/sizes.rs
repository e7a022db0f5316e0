//! A program without text, for `scripts/size`: a listener, three connections and two datagram
//! sockets through the core of `wsa`.
#![no_std]
#![no_main]
#![allow(unsafe_code)]

#[cfg(feature = "faults")]
#[path = "../rules.rs"]
#[rustfmt::skip]
mod rules;

use core::net::{Ipv4Addr, SocketAddrV4};

use static_cell::ConstStaticCell;
use tapsock_embedded::{
    ADDRESS, GATEWAY, HARDWARE_ADDRESS, Nic, Outcome, clock, idle, machine, start,
};
use tapsock_stack::Stack;
use tapsock_stack::config::{Config, Route};
#[cfg(feature = "faults")]
use tapsock_stack::fault::{self, Script};
#[cfg(feature = "faults")]
use tapsock_stack::link::fault::Fault;
use tapsock_stack::storage::{Fixed, Memory};
use tapsock_stack::time::Instant;
use tapsock_stack::wire::{IpAddress, IpCidr};
use wsa::constants::{
    AF_INET, IPPROTO_TCP, IPPROTO_UDP, POLLRDNORM, SD_SEND, SOCK_DGRAM, SOCK_STREAM,
};
use wsa::engine::stepped::Stepped;
use wsa::engine::{Engine, Waited};
use wsa::{Arg, Error, MemoryMut, Process, WsaPollFd, sockaddr};

/// Sockets of TCP and of UDP, as scripts/size says them; bytes of a ring; packets that wait.
const STREAMS: usize = number(option_env!("TAPSOCK_STREAMS"), 4);
const DATAGRAMS: usize = number(option_env!("TAPSOCK_DATAGRAMS"), 2);
const SOCKETS: usize = STREAMS + DATAGRAMS;
const SLOTS: usize = (8 * SOCKETS).div_ceil(3).next_power_of_two();
const RING: usize = 2048;
const FRAME: usize = 1514;
const PACKETS: usize = 6;

type Tables = Fixed<'static, SOCKETS, SLOTS, FRAME, 0, STREAMS, DATAGRAMS>;
type Buffers = Memory<'static, STREAMS, RING, FRAME, PACKETS>;
#[cfg(not(feature = "faults"))]
type Wire = Nic;
#[cfg(feature = "faults")]
type Wire = Fault<'static, Nic>;
type Net = Stack<'static, Wire, Tables>;
type Clock = fn() -> Instant;
type Idle = fn(Option<Instant>) -> Waited;
type Board<'s> = Stepped<'static, Wire, Tables, Clock, Idle, &'s mut Net>;

/// Writes a number in decimal, by hand: formatting would be part of what is measured.
fn show(number: usize, end: u8) {
    for power in [10_000, 1_000, 100, 10, 1] {
        machine::write(b'0' + (number / power % 10) as u8);
    }
    machine::write(end);
}

/// A number in decimal.
const fn number(text: Option<&str>, absent: usize) -> usize {
    let Some(text) = text else { return absent };
    let (bytes, mut at, mut value) = (text.as_bytes(), 0, 0);
    while at < bytes.len() {
        value = 10 * value + (bytes[at] - b'0') as usize;
        at += 1;
    }
    value
}

static BUFFERS: ConstStaticCell<Buffers> = ConstStaticCell::new(Buffers::new());
/// As small as the script in the image allows.
#[cfg(feature = "faults")]
static FAULTS: ConstStaticCell<fault::Fixed<1, 8, 4, FRAME>> =
    ConstStaticCell::new(fault::Fixed::new());

/// What the memory is for, in bytes, for `image-report`. Never loaded, as nobody asks for it.
#[used]
#[unsafe(no_mangle)]
#[unsafe(link_section = ".report")]
static MEMORY: [u32; 6] = [
    (2 * STREAMS * RING) as u32,
    (PACKETS * FRAME) as u32,
    size_of::<Buffers>() as u32,
    size_of::<Net>() as u32,
    size_of::<Process<'static, Board<'static>>>() as u32,
    STREAMS as u32,
];

start!(|| {
    let outcome = match run() {
        Ok(()) => Outcome::Passed,
        Err(_) => Outcome::Failed,
    };
    show(machine::memory().stack, b'\n');
    outcome
});

#[cfg(not(feature = "faults"))]
fn wire() -> Result<Wire, Error> {
    Ok(Nic::new())
}

/// A link with an engine, of whose script the compiler knows nothing.
#[cfg(feature = "faults")]
fn wire() -> Result<Wire, Error> {
    let script = Script::new(1).with_rules(core::hint::black_box(rules::RULES));
    let memory = fault::Memory::fixed(FAULTS.take());
    let engine = fault::Engine::new(script, memory, clock()).map_err(|_| Error::WSAENOBUFS)?;
    Ok(Fault::new(Nic::new(), engine))
}

fn run() -> Result<(), Error> {
    let config = Config::new(HARDWARE_ADDRESS, 0x7a9_50c4);
    let wire = wire()?;
    // Both stay here, below everything that runs: a static would need a second place to be made in.
    let mut stack = Stack::new(config, wire, Tables::new(BUFFERS.take()), clock());
    let process = Process::new(Stepped::on(&mut stack, clock as Clock, idle as Idle));
    // What it took to make them is over.
    show(machine::memory().stack, b' ');
    machine::paint();
    process.engine().with(|access| {
        let everywhere = IpCidr::new(IpAddress::v4(0, 0, 0, 0), 0);
        let route = Route { destination: everywhere, gateway: Some(GATEWAY) };
        let _ = access.stack.add_address(ADDRESS);
        let _ = access.stack.add_route(route);
    });
    process.wsa_startup(0x0202);
    let listener = process.socket(AF_INET, SOCK_STREAM, IPPROTO_TCP)?;
    process.bind_to(listener, SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 4242))?;
    process.listen(listener, 2)?;
    let asks = process.socket(AF_INET, SOCK_DGRAM, IPPROTO_UDP)?;
    let answers = process.socket(AF_INET, SOCK_DGRAM, IPPROTO_UDP)?;
    process.connect_to(asks, SocketAddrV4::new(Ipv4Addr::new(10, 77, 0, 1), 7002))?;
    process.bind_to(answers, SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 53))?;
    let out = process.socket(AF_INET, SOCK_STREAM, IPPROTO_TCP)?;
    let name = sockaddr(SocketAddrV4::new(Ipv4Addr::new(10, 77, 0, 1), 7000));
    process.wsa_connect(
        out,
        name.memory(),
        name.len(),
        Arg::Null,
        Arg::Null,
        Arg::Null,
        Arg::Null,
    )?;
    process.set_nonblocking(out, true)?;
    process.send(out, b"sizes".into(), 0)?;
    let mut buffer = [0; 512];
    let mut from = [0; 16];
    let mut seen = [false; 3];
    while seen != [true; 3] {
        let mut fds = [listener, out, answers].map(|s| WsaPollFd::new(s, POLLRDNORM));
        process.wsa_poll(&mut fds, -1)?;
        if fds[0].revents != 0 {
            let s = process.accept(listener, MemoryMut::Null, None)?;
            let len = process.recv(s, (&mut buffer).into(), 0)?;
            process.send(s, buffer[..len].into(), 0)?;
            process.shutdown(s, SD_SEND)?;
            process.closesocket(s)?;
            seen[0] = true;
        }
        if fds[1].revents != 0 {
            let len = process.recv(out, (&mut buffer).into(), 0)?;
            process.send(asks, buffer[..len].into(), 0)?;
            seen[1] = true;
        }
        if fds[2].revents != 0 {
            let (name, mut len) = ((&mut from).into(), 16);
            let received =
                process.recvfrom(answers, (&mut buffer).into(), 0, name, Some(&mut len))?;
            process.sendto(answers, buffer[..received].into(), 0, (&from).into(), len)?;
            seen[2] = true;
        }
    }
    for s in [listener, out, asks, answers] {
        process.closesocket(s)?;
    }
    Ok(())
}
