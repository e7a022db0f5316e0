//! Without a heap: a process whose tables and rings are small and full.

use std::boxed::Box;
use std::cell::Cell;
use std::net::{Ipv4Addr, SocketAddrV4};

use tapsock_stack::Stack;
use tapsock_stack::config::Config;
use tapsock_stack::link::NoLink;
use tapsock_stack::storage::{Fixed, Memory};
use tapsock_stack::time::Instant;
use tapsock_stack::wire::EthernetAddress;
use wsa::engine::stepped::Stepped;
use wsa::engine::{Engine, Waited};
use wsa::{Error, MemoryMut, Process, SocketHandle, WsaPollFd};

const AF_INET: i32 = 2;
const SOCK_STREAM: i32 = 1;
const SOCK_DGRAM: i32 = 2;
const POLLWRNORM: i16 = 0x0010;

const SOCKETS: usize = 4;
const RING: usize = 1000;

/// Runs `test` with a process of four sockets and rings of a thousand bytes.
fn with_process(test: impl FnOnce(&dyn Calls)) {
    let mut memory: Box<Memory<'_, SOCKETS, RING>> = Box::default();
    let config = Config::new(EthernetAddress([2, 0, 0, 0, 0, 1]), 1);
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
    assert_eq!(process.wsa_startup(0x0202).0, 0);
    test(&process);
}

/// The calls of this file, whatever the engine is.
trait Calls {
    fn open(&self, ty: i32) -> Result<SocketHandle, Error>;
    fn bind(&self, s: SocketHandle, port: u16) -> Result<(), Error>;
    fn listen(&self, s: SocketHandle) -> Result<(), Error>;
    fn connect(&self, s: SocketHandle, port: u16) -> Result<(), Error>;
    fn accept(&self, s: SocketHandle) -> Result<SocketHandle, Error>;
    fn send(&self, s: SocketHandle, data: &[u8]) -> Result<usize, Error>;
    fn recv(&self, s: SocketHandle, buffer: &mut [u8]) -> Result<usize, Error>;
    fn close(&self, s: SocketHandle);
    fn nonblocking(&self, s: SocketHandle);
    fn is_writable(&self, s: SocketHandle) -> bool;
    fn events(&self) -> usize;
}

fn local(port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)
}

impl<'a, E: Engine<'a>> Calls for Process<'a, E> {
    fn open(&self, ty: i32) -> Result<SocketHandle, Error> {
        self.socket(AF_INET, ty, 0)
    }
    fn bind(&self, s: SocketHandle, port: u16) -> Result<(), Error> {
        self.bind_to(s, local(port))
    }
    fn listen(&self, s: SocketHandle) -> Result<(), Error> {
        Process::listen(self, s, 5)
    }
    fn connect(&self, s: SocketHandle, port: u16) -> Result<(), Error> {
        self.connect_to(s, local(port))
    }
    fn accept(&self, s: SocketHandle) -> Result<SocketHandle, Error> {
        Process::accept(self, s, MemoryMut::Null, None)
    }
    fn send(&self, s: SocketHandle, data: &[u8]) -> Result<usize, Error> {
        Process::send(self, s, data.into(), 0)
    }
    fn recv(&self, s: SocketHandle, buffer: &mut [u8]) -> Result<usize, Error> {
        Process::recv(self, s, buffer.into(), 0)
    }
    fn close(&self, s: SocketHandle) {
        self.closesocket(s).unwrap();
    }
    fn nonblocking(&self, s: SocketHandle) {
        self.set_nonblocking(s, true).unwrap();
    }
    fn is_writable(&self, s: SocketHandle) -> bool {
        let mut fds = [WsaPollFd::new(s, POLLWRNORM)];
        self.wsa_poll(&mut fds, 0).unwrap();
        fds[0].revents & POLLWRNORM != 0
    }
    fn events(&self) -> usize {
        (0..100).take_while(|_| self.wsa_create_event().is_ok()).count()
    }
}

#[test]
fn the_table_of_sockets_is_full_and_says_so() {
    with_process(|process| {
        for _ in 0..3 {
            let all: Vec<_> = (0..SOCKETS).map(|_| process.open(SOCK_DGRAM).unwrap()).collect();
            assert_eq!(process.open(SOCK_DGRAM).err(), Some(Error::WSAEMFILE));
            assert_eq!(process.open(SOCK_STREAM).err(), Some(Error::WSAEMFILE));
            all.into_iter().for_each(|s| process.close(s));
        }
        assert_eq!(process.events(), SOCKETS);
    });
}

#[test]
fn a_connection_that_has_no_place_at_the_other_end_is_refused_or_reset_and_nothing_leaks() {
    with_process(|process| {
        for round in 0..20 {
            let listener = process.open(SOCK_STREAM).unwrap();
            process.bind(listener, 7).unwrap();
            process.listen(listener).unwrap();
            let clients: Vec<_> =
                (1..SOCKETS).map(|_| process.open(SOCK_STREAM).unwrap()).collect();
            // Three clients need three more sockets of the stack at the other end: the third
            // attempt finds none, at one end or the other.
            let outcomes: Vec<_> =
                clients.iter().map(|&client| process.connect(client, 7)).collect();
            assert_eq!(outcomes[..2], [Ok(()), Ok(())], "round {round}");
            assert_eq!(outcomes[2], Err(Error::WSAENOBUFS), "round {round}");
            // There is a connection, but no handle for it.
            assert_eq!(process.accept(listener).err(), Some(Error::WSAEMFILE));
            clients.into_iter().for_each(|s| process.close(s));
            process.close(listener);
        }
    });
}

#[test]
fn fewer_places_for_a_kind_than_handles_are_no_buffers() {
    let mut memory: Box<Memory<'_, 2, RING>> = Box::default();
    let config = Config::new(EthernetAddress([2, 0, 0, 0, 0, 1]), 1);
    // Four handles, two connections, one datagram socket.
    let storage = Fixed::<SOCKETS, 16, 1514, 0, 2, 1>::new(&mut memory);
    let stack = Stack::new(config, NoLink, storage, Instant::ZERO);
    let process = Process::new(Stepped::new(stack, || Instant::ZERO, |_| Waited::Stuck));
    process.wsa_startup(0x0202);
    for _ in 0..3 {
        let [first, second] = [(); 2].map(|()| process.open(SOCK_DGRAM).unwrap());
        Calls::bind(&process, first, 53).unwrap();
        assert_eq!(Calls::bind(&process, second, 54).err(), Some(Error::WSAENOBUFS));
        process.close(first);
        Calls::bind(&process, second, 54).unwrap();
        process.close(second);

        let listener = process.open(SOCK_STREAM).unwrap();
        Calls::bind(&process, listener, 7).unwrap();
        Calls::listen(&process, listener).unwrap();
        let [first, second] = [(); 2].map(|()| process.open(SOCK_STREAM).unwrap());
        Calls::connect(&process, first, 7).unwrap();
        // Both places are taken by the two ends of the first connection.
        assert_eq!(Calls::connect(&process, second, 7).err(), Some(Error::WSAENOBUFS));
        for s in [first, second, listener] {
            process.close(s);
        }
    }
}

#[test]
fn a_full_ring_is_not_writable_until_the_peer_has_read() {
    with_process(|process| {
        let listener = process.open(SOCK_STREAM).unwrap();
        process.bind(listener, 7).unwrap();
        process.listen(listener).unwrap();
        let client = process.open(SOCK_STREAM).unwrap();
        process.connect(client, 7).unwrap();
        let server = process.accept(listener).unwrap();
        process.nonblocking(client);
        let mut sent = 0;
        while process.is_writable(client) {
            // What is called writable takes at least a byte.
            sent += process.send(client, &[1; 300]).unwrap();
            assert!(sent <= 2 * RING);
        }
        assert_eq!(process.send(client, &[1]).err(), Some(Error::WSAEWOULDBLOCK));
        assert_eq!(sent, 2 * RING, "a ring at each end");
        let mut buffer = [0; 2 * RING];
        let mut received = 0;
        while received < sent {
            received += process.recv(server, &mut buffer).unwrap();
        }
        assert!(process.is_writable(client));
    });
}
