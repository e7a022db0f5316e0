//! The offloading TAP device against the Linux kernel: the same bytes as on the plain one, and what
//! comes of nonsense.

use std::cell::RefCell;
use std::fs;
use std::io::{self, Read};
use std::net::{SocketAddr, UdpSocket};
use std::ops::Range;
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::UdpGsoSegment;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tapsock_stack::Counters;
use tapsock_stack::fault::{Action, Count, Match, Proto, Record, Rule, Switch, When};
use tapsock_stack::link::tap::Tap;
use tapsock_stack::link::{ChecksumStatus, FrameMeta, Gso, GsoKind, Link, LinkError, Offload};
use tapsock_stack::net::Reason;
use tapsock_stack::sim::Random;
use tapsock_stack::time::Instant;
use tapsock_tests::{Kernel, Pattern, sha256};
use tun_tap::{Iface, Mode};
use wsa::config::{Configuration, LinkChoice};
use wsa::engine::Engine;
use wsa::start::{Start, ThreadedProcess, start_on};
use wsa::{Error, SocketHandle};

const AF_INET: i32 = 2;
const AF_INET6: i32 = 23;
const SOCK_STREAM: i32 = 1;
const SOCK_DGRAM: i32 = 2;
const SOL_SOCKET: i32 = 0xffff;
const SO_SNDBUF: i32 = 0x1001;
const SO_RCVBUF: i32 = 0x1002;
const MEGABYTES_20: u64 = 20_000_000;

fn open(kernel: &Kernel, offload: bool) -> Tap {
    let device = kernel.device();
    let tap = if offload { Tap::open_offloading(device) } else { Tap::open(device) }.unwrap();
    let expected = if offload { Offload::ALL } else { Offload::NONE };
    assert_eq!(tap.offload(), expected);
    tap
}

/// A process that has called WSAStartup, at 10.77.0.2 and fd77::2.
fn process_on(kernel: &Kernel, tap: Tap) -> ThreadedProcess {
    let mut configuration = Configuration::default();
    configuration.link = LinkChoice::Tap(kernel.device().into());
    let descriptor = tap.as_fd().try_clone_to_owned().unwrap();
    let process = start_on(&configuration, Box::new(tap), Some(descriptor), |_| {}).unwrap();
    assert_eq!(process.wsa_startup(0x0202).0, 0);
    process
}

fn socket(process: &ThreadedProcess, address: SocketAddr, kind: i32) -> SocketHandle {
    process.socket(if address.is_ipv4() { AF_INET } else { AF_INET6 }, kind, 0).unwrap()
}

fn counters(process: &ThreadedProcess) -> Counters {
    process.engine().with(|access| access.stack.counters().clone())
}

/// Frames that were not what they should be. Those to groups that nobody joined are.
fn damaged(counters: &Counters) -> u64 {
    [Reason::Checksum, Reason::HeaderChecksum, Reason::TotalLength, Reason::Offload]
        .map(|reason| counters.dropped.by(reason))
        .iter()
        .sum()
}

/// The bytes of a socket until its peer's FIN, by calls of random sizes.
struct Incoming<'p>(&'p ThreadedProcess, SocketHandle, Random);

impl Read for Incoming<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Self(process, s, random) = self;
        let most = 1 + random.below(buffer.len() as u64) as usize;
        let buffer = &mut buffer[..most];
        process.recv(*s, buffer.into(), 0).map_err(|error| io::Error::other(error.to_string()))
    }
}

fn send_all(process: &ThreadedProcess, s: SocketHandle, mut from: impl Read, random: &mut Random) {
    let mut buffer = vec![0; 200_000];
    loop {
        let most = [100, 10_000, 200_000][random.below(3) as usize];
        let piece = 1 + random.below(most) as usize;
        match from.read(&mut buffer[..piece]).unwrap() {
            0 => return,
            len => assert_eq!(process.send(s, buffer[..len].into(), 0).unwrap(), len),
        }
    }
}

/// What the kernel counted about bad checksums of this protocol in this thread's namespace.
fn checksum_errors(protocol: &str) -> u64 {
    let snmp = fs::read_to_string("/proc/thread-self/net/snmp").unwrap();
    let mut lines = snmp.lines().filter(|line| line.starts_with(protocol));
    let (names, values) = (lines.next().unwrap(), lines.next().unwrap());
    let place = names.split(' ').position(|name| name == "InCsumErrors").unwrap();
    values.split(' ').nth(place).unwrap().parse().unwrap()
}

#[test]
fn streams_are_equal_both_ways_with_offload_and_without() {
    let Some(kernel) = Kernel::start() else { return };
    for (round, (server, buffer)) in [
        ("10.77.0.1:0", 262_144_i32),
        ("[fd77::1]:0", 262_144),
        ("10.77.0.1:0", 9_000),
        ("[fd77::1]:0", 65_536),
    ]
    .into_iter()
    .enumerate()
    {
        for offload in [false, true] {
            let process = process_on(&kernel, open(&kernel, offload));
            let mut random = Random::stream(round as u64, 1);
            let length = if buffer < 10_000 { MEGABYTES_20 / 60 } else { MEGABYTES_20 };
            // The kernel's end reads everything, then sends as much.
            let (address, there) = kernel.tcp_once(server, move |mut stream| {
                let received = sha256((&mut stream).take(length))?;
                io::copy(&mut Pattern::new(2, length), &mut stream)?;
                Ok(received)
            });
            let s = socket(&process, address, SOCK_STREAM);
            for option in [SO_SNDBUF, SO_RCVBUF] {
                let value = buffer.to_le_bytes();
                process.setsockopt(s, SOL_SOCKET, option, value[..].into(), 4).unwrap();
            }
            process.connect_to(s, address).unwrap();
            send_all(&process, s, Pattern::new(1, length), &mut random);
            let here = sha256(Incoming(&process, s, random)).unwrap();
            assert_eq!(there.join().unwrap().unwrap(), sha256(Pattern::new(1, length)).unwrap());
            assert_eq!(here, sha256(Pattern::new(2, length)).unwrap());
            process.closesocket(s).unwrap();

            let counters = counters(&process);
            let superframes = [counters.superframes_out, counters.superframes_in];
            if offload {
                assert!(superframes.iter().all(|&count| count > 10), "{server}: {counters:?}");
            } else {
                assert_eq!(superframes, [0, 0]);
            }
            assert_eq!(damaged(&counters), 0, "{:?}", counters.dropped);
            assert_eq!(checksum_errors("Tcp:"), 0);
        }
    }
}

#[test]
fn datagrams_of_one_superframe_are_received_one_by_one() {
    let Some(kernel) = Kernel::start() else { return };
    let process = process_on(&kernel, open(&kernel, true));
    for there in ["10.77.0.1:0", "[fd77::1]:0"] {
        let there = kernel.udp(there);
        let address = there.local_addr().unwrap();
        let s = socket(&process, address, SOCK_DGRAM);
        process.connect_to(s, address).unwrap();
        process.send(s, b"hello"[..].into(), 0).unwrap();
        let mut buffer = vec![0; 70_000];
        let (length, from) = there.recv_from(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"hello");

        let before = counters(&process);
        let mut data = Vec::new();
        Pattern::new(3, 30_100).read_to_end(&mut data).unwrap();
        setsockopt(&there, UdpGsoSegment, &1000).unwrap();
        assert_eq!(there.send_to(&data, from).unwrap(), data.len());
        for part in data.chunks(1000) {
            let length = process.recv(s, (&mut buffer[..]).into(), 0).unwrap();
            assert!(buffer[..length] == *part, "{length} bytes");
        }
        let after = counters(&process);
        assert_eq!(after.coalesced - before.coalesced, 30);
        assert_eq!(after.superframes_in - before.superframes_in, 1);
        assert_eq!(after.arrived(), after.accounted());
        process.closesocket(s).unwrap();
    }
    assert_eq!(damaged(&counters(&process)), 0);
}

#[test]
fn datagrams_of_all_sizes_have_checksums_that_the_kernel_finds_right() {
    let Some(kernel) = Kernel::start() else { return };
    let process = process_on(&kernel, open(&kernel, true));
    for there in ["10.77.0.1:0", "[fd77::1]:0"] {
        let there = kernel.udp(there);
        let address = there.local_addr().unwrap();
        let s = socket(&process, address, SOCK_DGRAM);
        process.connect_to(s, address).unwrap();
        let mut buffer = vec![0; 70_000];
        for length in [0, 1, 1452, 1453, 1472, 1473, 4000, 65_507] {
            let mut data = Vec::new();
            Pattern::new(4, length).read_to_end(&mut data).unwrap();
            process.send(s, data[..].into(), 0).unwrap();
            let (received, from) = there.recv_from(&mut buffer).unwrap();
            assert!(buffer[..received] == data, "{length} bytes");
            there.send_to(&data, from).unwrap();
            let received = process.recv(s, (&mut buffer[..]).into(), 0).unwrap();
            assert!(buffer[..received] == data, "{length} bytes back");
        }
        process.closesocket(s).unwrap();
    }
    assert_eq!(checksum_errors("Udp:"), 0);
    assert_eq!(damaged(&counters(&process)), 0);
}

/// The kernel sends ten datagrams of 1000 bytes in one call, to a host that it need not ask for.
fn burst(kernel: &Kernel) {
    kernel.ip(&format!("neigh replace 10.77.0.2 lladdr 02:00:00:00:00:02 dev {}", kernel.device()));
    let from: UdpSocket = kernel.udp("10.77.0.1:0");
    setsockopt(&from, UdpGsoSegment, &1000).unwrap();
    from.send_to(&[7; 10_000], "10.77.0.2:9").unwrap();
}

/// The sizes of the frames in which they arrive.
fn sizes(mut receive: impl FnMut(&mut [u8]) -> Range<usize>) -> Vec<usize> {
    const HEADERS: usize = 14 + 20 + 8;
    let (mut sizes, mut buffer) = (Vec::new(), vec![0; 70_000]);
    while sizes.iter().map(|size| size - HEADERS).sum::<usize>() < 10_000 {
        let range = receive(&mut buffer);
        let frame = &buffer[range];
        // Only IPv4 to the port that they are for.
        if frame[12..14] == [8, 0] && frame[36..38] == [0, 9] {
            sizes.push(frame.len());
        }
    }
    sizes
}

/// The next frame, in whichever way.
fn next<T>(tap: &mut Tap, receive: impl Fn(&mut Tap) -> Result<Option<T>, LinkError>) -> T {
    loop {
        if let Some(received) = receive(tap).unwrap() {
            return received;
        }
        let patience = Timespec { tv_sec: 30, tv_nsec: 0 };
        let readable = poll(&mut [PollFd::new(tap, PollFlags::IN)], Some(&patience)).unwrap();
        assert!(readable > 0, "nothing arrives");
    }
}

#[test]
fn frames_come_as_they_are_wanted() {
    let Some(kernel) = Kernel::start() else { return };
    let mut tap = open(&kernel, true);
    burst(&kernel);
    let together = sizes(|buffer| {
        let buffer = RefCell::new(buffer);
        next(&mut tap, |tap| tap.receive_offloaded(Instant::ZERO, &mut buffer.borrow_mut())).0
    });
    assert_eq!(together, [10_042]);
    burst(&kernel);
    let apart = sizes(|buffer| {
        let buffer = RefCell::new(buffer);
        0..next(&mut tap, |tap| tap.receive(Instant::ZERO, &mut buffer.borrow_mut()))
    });
    assert_eq!(apart, [1042; 10]);
}

#[test]
fn a_device_that_was_offloading_gives_the_next_program_frames_as_on_a_wire() {
    let Some(kernel) = Kernel::start() else { return };
    drop(open(&kernel, true));
    // A program of others, which knows nothing of superframes.
    let iface = Iface::without_packet_info(kernel.device(), Mode::Tap).unwrap();
    burst(&kernel);
    assert_eq!(sizes(|buffer| 0..iface.recv(buffer).unwrap()), [1042; 10]);
}

#[test]
fn a_device_that_a_killed_program_left_offloading_is_plain_for_the_plain_link() {
    let Some(kernel) = Kernel::start() else { return };
    let mut holder = Command::new(env!("CARGO_BIN_EXE_hold-device"))
        .arg(kernel.device())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = [0; 4];
    holder.stdout.as_mut().unwrap().read_exact(&mut said).unwrap();
    assert_eq!(&said, b"open");
    holder.kill().unwrap();
    holder.wait().unwrap();
    let mut tap = open(&kernel, false);
    burst(&kernel);
    let apart = sizes(|buffer| {
        let buffer = RefCell::new(buffer);
        0..next(&mut tap, |tap| tap.receive(Instant::ZERO, &mut buffer.borrow_mut()))
    });
    assert_eq!(apart, [1042; 10]);
}

#[test]
fn a_rule_that_comes_while_superframes_pass_sees_frames_as_on_a_wire() {
    let Some(kernel) = Kernel::start() else { return };
    let tap = open(&kernel, true);
    let mut configuration = Configuration::default();
    configuration.link = LinkChoice::Tap(kernel.device().into());
    // One in 200, which both sides survive, once somebody switches it on.
    let tcp = Match { proto: Some(Proto::Tcp), ..Match::RX };
    let rule = Rule::new("lose").on(tcp).when(When { count: Count::Every(200), ..When::ALWAYS });
    configuration.fault = vec![Rule { switch: Switch::Off, ..rule.does(&[Action::Drop]) }];
    let descriptor = tap.as_fd().try_clone_to_owned().unwrap();
    let mut start = Start::new(&configuration).unwrap();
    let longest = Arc::new(Mutex::new([0; 2]));
    let watch = Arc::clone(&longest);
    start.faults().unwrap().engine.observe(move |record: &Record<'_>| {
        let mut longest = watch.lock().unwrap();
        match record {
            Record::Bypass { frame, .. } => longest[0] = frame.len().max(longest[0]),
            Record::Verdict { frame, .. } => longest[1] = frame.len().max(longest[1]),
            _ => {}
        }
    });
    let process = start.on(Box::new(tap), Some(descriptor), |_| {}).unwrap();
    assert_eq!(process.wsa_startup(0x0202).0, 0);

    let length = 6_000_000;
    let (address, there) = kernel.tcp_once("10.77.0.1:0", move |mut stream| {
        io::copy(&mut Pattern::new(2, length), &mut stream)?;
        let received = sha256(&mut stream)?;
        Ok(received)
    });
    let s = socket(&process, address, SOCK_STREAM);
    process.connect_to(s, address).unwrap();
    let mut received = Incoming(&process, s, Random::stream(1, 2)).take(length);
    let switch = |switch| {
        process.engine().with(|access| access.stack.link_mut().engine_mut().switch(0, switch));
    };
    let mut data = Vec::new();
    for (part, state) in [(2_000_000, Switch::On), (2_000_000, Switch::Off)] {
        (&mut received).take(part).read_to_end(&mut data).unwrap();
        switch(state);
    }
    received.read_to_end(&mut data).unwrap();
    assert_eq!(sha256(&data[..]).unwrap(), sha256(Pattern::new(2, length)).unwrap());
    // And the other way, with nothing to do.
    let mut random = Random::stream(1, 3);
    send_all(&process, s, Pattern::new(1, length), &mut random);
    process.shutdown(s, 1).unwrap();
    assert_eq!(there.join().unwrap().unwrap(), sha256(Pattern::new(1, length)).unwrap());

    let [idle, active] = *longest.lock().unwrap();
    assert!(idle > 20_000, "{idle}");
    assert_eq!(active, 1514);
    let dropped = process.engine().with(|access| {
        let engine = access.stack.link_mut().engine_mut();
        engine.hits(0).unwrap().fired
    });
    assert!(dropped > 3, "{dropped}");
}

#[test]
fn nonsense_is_refused_by_the_kernel_and_the_link_goes_on_without_superframes() {
    let Some(kernel) = Kernel::start() else { return };
    let mut tap = open(&kernel, true);
    let mut frame = vec![0; 3000];
    frame[12] = 0x08;
    let checksum = ChecksumStatus::Partial { start: 34, offset: 16 };
    let impossible = Gso { kind: GsoKind::Tcp4, size: 0, header: 54 };
    let meta = FrameMeta { checksum, gso: Some(impossible) };
    let refused = tap.transmit_offloaded(Instant::ZERO, &frame, &meta);
    assert_eq!(refused, Err(LinkError::Busy));
    assert_eq!(tap.offload(), Offload { checksum: true, ..Offload::NONE });
    let beyond = ChecksumStatus::Partial { start: 34, offset: u16::MAX };
    let meta = FrameMeta { checksum: beyond, gso: None };
    assert_eq!(tap.transmit_offloaded(Instant::ZERO, &frame, &meta), Err(LinkError::Busy));
    assert_eq!(tap.offload(), Offload::NONE);
    assert!(tap.is_up());
    assert_eq!(tap.short_writes(), 0);

    // And a stack on it is as good as on the plain one.
    let process = process_on(&kernel, tap);
    let length = 3_000_000;
    let (address, there) = kernel.tcp_once("10.77.0.1:0", sha256);
    let s = socket(&process, address, SOCK_STREAM);
    process.connect_to(s, address).unwrap();
    send_all(&process, s, Pattern::new(1, length), &mut Random::stream(1, 1));
    process.shutdown(s, 1).unwrap();
    assert_eq!(there.join().unwrap().unwrap(), sha256(Pattern::new(1, length)).unwrap());
    assert_eq!(counters(&process).superframes_out, 0);
}

#[test]
fn a_device_that_is_deleted_underneath_is_the_cause() {
    let Some(kernel) = Kernel::start() else { return };
    let process = process_on(&kernel, open(&kernel, true));
    let (address, _there) = kernel.tcp_once("10.77.0.1:0", sha256);
    let s = socket(&process, address, SOCK_STREAM);
    process.connect_to(s, address).unwrap();
    let mut random = Random::stream(1, 1);
    send_all(&process, s, Pattern::new(1, 2_000_000), &mut random);
    // One connection whose owner waits, and one that is asked afterwards.
    let (address, _there) = kernel.tcp_once("10.77.0.1:0", |mut there| there.read(&mut [0; 8]));
    let waiting = socket(&process, address, SOCK_STREAM);
    process.connect_to(waiting, address).unwrap();
    let ended = thread::scope(|scope| {
        let received = scope.spawn(|| process.recv(waiting, (&mut [0; 8]).into(), 0));
        kernel.remove_device();
        received.join().unwrap()
    });
    assert_eq!(ended, Err(Error::WSAENETDOWN));
    assert_eq!(process.send(s, b"more"[..].into(), 0), Err(Error::WSAENETDOWN));
    let cause = process.last_cause().expect("a cause").to_string();
    assert!(cause.contains("the device of the link is gone"), "{cause}");

    let other = socket(&process, address, SOCK_STREAM);
    assert_eq!(process.connect_to(other, address), Err(Error::WSAENETDOWN));
    let cause = process.last_cause().expect("a cause").to_string();
    assert!(cause.contains("link"), "{cause}");
    let datagrams = socket(&process, address, SOCK_DGRAM);
    let sent = process
        .connect_to(datagrams, address)
        .and_then(|()| process.send(datagrams, b"hello"[..].into(), 0));
    assert_eq!(sent, Err(Error::WSAENETDOWN));
}
