//! A hundred thousand datagrams from a thousand sources, at a socket with one peer.

use std::alloc::System;
use std::cell::Cell;
use std::net::{SocketAddr, UdpSocket};
use std::rc::Rc;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time;

use etherparse::PacketBuilder;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use tapsock_stack::config::Config;
use tapsock_stack::link::{Link, LinkError};
use tapsock_stack::port::{BindAddress, Share, Transport};
use tapsock_stack::storage::Growable;
use tapsock_stack::tcp::Take;
use tapsock_stack::time::Instant;
use tapsock_stack::wire::{EthernetAddress, IpAddress, IpCidr, IpEndpoint};
use tapsock_stack::{Counters, Progress, Stack};
use tapsock_tests::{Kernel, PATIENCE};
use wsa::config::{Configuration, LinkChoice};
use wsa::constants::{AF_INET, SO_RCVBUF, SOCK_DGRAM, SOL_SOCKET};
use wsa::engine::stepped::Stepped;
use wsa::engine::{Engine, Waited};
use wsa::start::start;
use wsa::{Error, Process};

const SENT: usize = 100_000;
const SOURCES: usize = 1000;
const HOST: IpAddress = IpAddress::v4(10, 0, 0, 1);
const HOST_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Bytes of heap in use.
fn heap() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated.saturating_sub(stats.bytes_deallocated)
}

/// Only one of these tests may allocate at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A link on which each source's datagram arrives in turn until `left` is used up, and whatever is
/// sent is lost. The first source is the peer.
#[derive(Debug)]
struct Storm {
    frames: Vec<Vec<u8>>,
    left: Rc<Cell<usize>>,
}

impl Storm {
    fn new(payload: usize) -> (Self, Rc<Cell<usize>>) {
        let left = Rc::new(Cell::new(SENT));
        let frames = (0..SOURCES).map(|source| frame(source, payload)).collect();
        (Self { frames, left: Rc::clone(&left) }, left)
    }
}

/// A source's address and port: half of them differ from the peer by port alone.
fn source(number: usize) -> ([u8; 4], u16) {
    match number % 2 {
        0 => ([10, 0, 0, 2], 7000 + number as u16),
        _ => ([10, 1, (number >> 8) as u8, number as u8], 7000),
    }
}

fn frame(number: usize, payload: usize) -> Vec<u8> {
    let (address, port) = source(number);
    let mut frame = Vec::new();
    PacketBuilder::ethernet2([2, 0, 0, 0, 0, 2], HOST_MAC)
        .ipv4(address, [10, 0, 0, 1], 64)
        .udp(port, 5000)
        .write(&mut frame, &vec![7; payload])
        .unwrap();
    frame
}

impl Link for Storm {
    fn mtu(&self) -> usize {
        1500
    }
    fn is_up(&self) -> bool {
        true
    }
    fn receive(&mut self, _: Instant, buffer: &mut [u8]) -> Result<Option<usize>, LinkError> {
        let left = self.left.get();
        if left == 0 {
            return Ok(None);
        }
        self.left.set(left - 1);
        let frame = &self.frames[(SENT - left) % SOURCES];
        buffer[..frame.len()].copy_from_slice(frame);
        Ok(Some(frame.len()))
    }
    fn transmit(&mut self, _: Instant, _: &[u8]) -> Result<(), LinkError> {
        Ok(())
    }
}

fn stack(storm: Storm) -> Stack<'static, Storm, Growable> {
    let config = Config::new(EthernetAddress(HOST_MAC), 1);
    let mut stack = Stack::new(config, storm, Growable::default(), Instant::ZERO);
    stack.add_address(IpCidr::new(HOST, 24)).unwrap();
    stack
}

fn fates(counters: &Counters) -> [u64; 4] {
    let Counters { datagrams, udp_filtered, udp_overflowed, udp_unmatched, .. } = *counters;
    [datagrams, udp_filtered, udp_overflowed, udp_unmatched]
}

/// What the stack's socket gets of datagrams of this size into a queue of this many bytes, if
/// nobody reads before the storm is over; and the most heap that it took.
fn storm_over_a_stack(payload: usize, queue: usize) -> (usize, [u64; 4], usize) {
    let _alone = alone();
    let (storm, left) = Storm::new(payload);
    let mut stack = stack(storm);
    let binding =
        stack.bind(Transport::Udp, BindAddress::Address(HOST), 5000, Share::Default).unwrap();
    let socket = stack.udp_open(binding, queue, 0).unwrap();
    let (address, port) = source(0);
    let [a, b, c, d] = address;
    let peer = IpEndpoint::new(IpAddress::v4(a, b, c, d), port);
    stack.udp_connect(socket, HOST, peer).unwrap();
    let before = heap();
    let mut most = 0;
    while stack.poll(Instant::ZERO) == Progress::More || left.get() > 0 {
        most = most.max(heap().saturating_sub(before));
        let status = stack.udp(socket).unwrap();
        assert!(status.bytes <= queue, "{status:?}");
    }
    let status = stack.udp(socket).unwrap();
    assert_eq!(status.filtered + status.overflowed + status.waiting as u64, SENT as u64);
    let mut received = 0;
    let mut buffer = [0; 2000];
    while let Some(datagram) = stack.udp_recv(socket, &mut buffer, Take::Consume) {
        assert_eq!((datagram.remote, datagram.len), (peer, payload));
        received += 1;
    }
    let counters = stack.counters();
    assert_eq!((counters.arrived(), counters.accounted()), (SENT as u64, SENT as u64));
    (received, fates(counters), most)
}

#[test]
fn only_the_peer_of_a_connected_socket_is_queued() {
    let (received, fates, most) = storm_over_a_stack(100, 65_536);
    assert_eq!((received, fates), (100, [100, 99_900, 0, 0]));
    assert!(most < 65_536, "{most} bytes of heap");
}

#[test]
fn beyond_its_bytes_a_queue_takes_no_more() {
    // 100 datagrams of 1000 bytes are one too many.
    let (received, fates, most) = storm_over_a_stack(1000, 99_999);
    assert_eq!((received, fates), (99, [99, 99_900, 1, 0]));
    // The bytes, and what each datagram is kept in.
    assert!(most < 99_999 + 65_536, "{most} bytes of heap");
    let (received, fates, _) = storm_over_a_stack(1000, 100_000);
    assert_eq!((received, fates), (100, [100, 99_900, 0, 0]));
}

#[test]
fn a_process_reads_what_its_peer_sent_and_nothing_else() {
    let _alone = alone();
    let (storm, left) = Storm::new(100);
    let engine = Stepped::new(stack(storm), || Instant::ZERO, |_| Waited::Stuck);
    left.set(0);
    let process = Process::new(engine);
    assert_eq!(process.wsa_startup(0x0202).0, 0);
    let s = process.socket(AF_INET, SOCK_DGRAM, 0).unwrap();
    process.set_nonblocking(s, true).unwrap();
    process.set_option(s, SOL_SOCKET, SO_RCVBUF, 5000).unwrap();
    process.bind_to(s, "10.0.0.1:5000".parse::<SocketAddr>().unwrap()).unwrap();
    process.connect_to(s, "10.0.0.2:7000".parse::<SocketAddr>().unwrap()).unwrap();
    left.set(SENT);
    let before = heap();
    while left.get() > 0 {
        process.engine().poll();
        assert!(heap() - before < 65_536, "{} bytes of heap", heap() - before);
    }
    let mut buffer = [0; 200];
    let mut received = 0;
    loop {
        match process.recv(s, (&mut buffer).into(), 0) {
            Ok(len) => assert_eq!((len, buffer[..100] == [7; 100]), (100, true)),
            Err(error) => {
                assert_eq!(error, Error::WSAEWOULDBLOCK);
                break;
            }
        }
        received += 1;
    }
    let fates = process.engine().with(|access| fates(access.stack.counters()));
    assert_eq!((received, fates), (50, [50, 99_900, 50, 0]));
}

#[test]
fn the_kernel_sends_the_storm_over_a_tap_device() {
    let _alone = alone();
    let Some(kernel) = Kernel::start() else { return };
    let mut configuration = Configuration::default();
    configuration.link = LinkChoice::Tap(kernel.device().into());
    let process = start(&configuration, None, |_| {}).unwrap();
    assert_eq!(process.wsa_startup(0x0202).0, 0);
    let s = process.socket(AF_INET, SOCK_DGRAM, 0).unwrap();
    process.set_nonblocking(s, true).unwrap();
    process.bind_to(s, "10.77.0.2:5000".parse::<SocketAddr>().unwrap()).unwrap();
    let peer = kernel.udp("10.77.0.1:7000");
    process.connect_to(s, peer.local_addr().unwrap()).unwrap();
    let fates = || process.engine().with(|access| fates(access.stack.counters()));

    let send = |socket: &UdpSocket, text: &[u8]| {
        assert_eq!(socket.send_to(text, "10.77.0.2:5000").unwrap(), text.len());
    };
    let mut sent = 0;
    // The kernel queues 1000 frames for the device: no more than these may be under way.
    let caught_up = |sent: u64| {
        let patience = time::Instant::now();
        while fates().iter().sum::<u64>() < sent {
            assert!(patience.elapsed() < PATIENCE, "{sent} sent, and of them {:?}", fates());
            thread::yield_now();
        }
    };
    for number in 1..SOURCES {
        let stranger = kernel.udp(&format!("10.77.0.1:{}", 20_000 + number));
        for _ in 0..100 {
            send(&stranger, b"from a stranger");
        }
        sent += 100;
        if number % 10 == 0 || number == 1 {
            send(&peer, b"from the peer");
            sent += 1;
        }
        caught_up(sent);
    }
    assert_eq!(sent, SENT as u64);
    assert_eq!(fates(), [100, 99_900, 0, 0]);
    let mut buffer = [0; 100];
    for _ in 0..100 {
        let len = process.recv(s, (&mut buffer).into(), 0).unwrap();
        assert_eq!(&buffer[..len], b"from the peer");
    }
    assert_eq!(process.recv(s, (&mut buffer).into(), 0), Err(Error::WSAEWOULDBLOCK));
    let balance = process.engine().with(|access| {
        let counters = access.stack.counters();
        (counters.arrived(), counters.accounted())
    });
    assert_eq!(balance.0, balance.1);
}
