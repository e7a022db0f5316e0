//! Any frame and any sequence of calls: nothing panics, nothing hangs, and what was received is
//! what was sent.

use etherparse::PacketBuilder;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use tapsock_stack::config::{Config, ConnectPolicy, Route};
use tapsock_stack::link::NoLink;
use tapsock_stack::port::{BindAddress, Binding, Family, Share, Transport};
use tapsock_stack::storage::{Fixed, Growable, Memory, Storage};
use tapsock_stack::tcp::{Close, Connect, KeepAlive, Phase, Take, TcpOptions};
use tapsock_stack::time::{Duration, Instant};
use tapsock_stack::udp::Membership;
use tapsock_stack::wire::{EthernetAddress, IpAddress, IpCidr, IpEndpoint};
use tapsock_stack::{ListenerId, Progress, Stack, TcpId, UdpId};

use crate::scene::{HOST_MAC, PEER_MAC, Peer, Scene, icmp, scene};

/// `count` cases, the same in every run; SEED=n gives others, CASES=n more of them.
fn cases(count: u32) -> ProptestConfig {
    let number = |name| std::env::var(name).ok().and_then(|value| value.parse().ok());
    ProptestConfig {
        cases: number("CASES").unwrap_or(u64::from(count)) as u32,
        rng_seed: RngSeed::Fixed(number("SEED").unwrap_or(1)),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// A host with something in every state that a frame could meet.
fn busy() -> (Scene, Vec<TcpId>) {
    let scene = scene();
    let listener = scene.listen(3);
    scene.client(6000).sends("S 0");
    let client = scene.client(6001);
    client.sends("S 0");
    client.sends(". 1 ack 1");
    let mut ids = vec![scene.connect().0, scene.established().0];
    ids.extend(scene.host.with(|stack, _| stack.tcp_accept(listener, 0)));
    let (closing, peer) = scene.established();
    scene.host.with(|stack, now| stack.tcp_shutdown(now, closing));
    peer.sends("F. 1 ack 2");
    ids.push(closing);
    scene.host.with(|stack, _| {
        let any = BindAddress::Any(Family::V4);
        let binding = stack.bind(Transport::Udp, any, 5000, Share::Default).unwrap();
        stack.udp_open(binding, 1000, 0).unwrap();
    });
    (scene, ids)
}

fn still_works(scene: &Scene) {
    scene.until(scene.now() + 100.0);
    let (id, peer) = scene.connect();
    peer.sends("S. 0 ack 1");
    assert_eq!(scene.phase(id), Phase::Connected);
}

proptest! {
    #![proptest_config(cases(100))]

    #[test]
    fn any_bytes_as_frames(frames in vec(vec(any::<u8>(), 0..120), 1..20)) {
        let (scene, _) = busy();
        for frame in frames {
            scene.arrives(&frame);
        }
        still_works(&scene);
    }

    #[test]
    fn any_packet_behind_a_right_ethernet_header(
        packets in vec((any::<bool>(), vec(any::<u8>(), 0..120)), 1..20),
    ) {
        let (scene, _) = busy();
        for (v6, packet) in packets {
            let mut frame = Vec::from(HOST_MAC);
            frame.extend(PEER_MAC);
            frame.extend(if v6 { [0x86, 0xdd] } else { [8, 0] });
            frame.push(if v6 { 0x60 } else { 0x45 });
            frame.extend(packet);
            scene.arrives(&frame);
        }
        still_works(&scene);
    }

    #[test]
    fn a_good_frame_with_a_few_bytes_changed(
        changes in vec((0usize..3, vec((any::<usize>(), any::<u8>()), 1..4)), 1..30),
    ) {
        let (scene, _) = busy();
        let peer = scene.client(6001);
        let udp = {
            let mut frame = Vec::new();
            PacketBuilder::ethernet2(PEER_MAC, HOST_MAC)
                .ipv4([10, 0, 0, 2], [10, 0, 0, 1], 64)
                .udp(7, 5000)
                .write(&mut frame, b"hello")
                .unwrap();
            frame
        };
        let error = icmp(3, 1, [0; 4], &scene.last_out(), 8);
        let good = [peer.frame("P. 1 ack 1 len 20"), udp, error];
        for (which, changes) in changes {
            let mut frame = good[which].clone();
            for (at, value) in changes {
                let at = at % frame.len();
                frame[at] = value;
            }
            scene.arrives(&frame);
        }
        still_works(&scene);
    }

    #[test]
    fn any_tcp_options(options in vec(any::<u8>(), 0..40), syn in any::<bool>()) {
        let (scene, _) = busy();
        let mut options = options;
        options.truncate(options.len() / 4 * 4);
        let tcp = PacketBuilder::ethernet2(PEER_MAC, HOST_MAC)
            .ipv4([10, 0, 0, 2], [10, 0, 0, 1], 64)
            .tcp(if syn { 7000 } else { 6001 }, 80, 0xffff_fff1, 1000);
        let tcp = if syn { tcp.syn() } else { tcp.ack(scene.client(6001).host_isn() + 1) };
        let mut frame = Vec::new();
        tcp.options_raw(&options).unwrap().write(&mut frame, b"").unwrap();
        scene.arrives(&frame);
        scene.client(7000).sends(". 1 ack 1 win 1");
        still_works(&scene);
    }
}

/// The byte of the peer's stream at `at`, counted from the first after its SYN.
fn byte(at: i64) -> u8 {
    (at * 31 + at / 256) as u8
}

/// A segment whose payload is a piece of the peer's one stream, wherever it stands.
fn piece(scene: &Scene, peer: &Peer<'_>, piece: &Piece) {
    let Piece { flags, sequence, acknowledgment, window, length } = *piece;
    let names = ["F", "S", "R", "P", "."];
    let flags: String =
        (0..5).filter(|bit| flags & (1 << bit) != 0).map(|bit| names[bit as usize]).collect();
    if flags.is_empty() {
        return;
    }
    let mut frame =
        peer.frame(&format!("{flags} {sequence} ack {acknowledgment} win {window} len {length}"));
    let start = frame.len() - length;
    for (index, place) in frame[start..].iter_mut().enumerate() {
        *place = byte(sequence - 1 + index as i64);
    }
    // The checksum of what it is now.
    let (ip, tcp) = (14, 34);
    frame[tcp + 16..tcp + 18].fill(0);
    let mut sum: u32 = 6 + (frame.len() - tcp) as u32;
    let mut add = |bytes: &[u8]| {
        for pair in bytes.chunks(2) {
            sum += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
        }
    };
    add(&frame[ip + 12..ip + 20]);
    add(&frame[tcp..]);
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    frame[tcp + 16..tcp + 18].copy_from_slice(&(!(sum as u16)).to_be_bytes());
    scene.arrives(&frame);
}

#[derive(Debug, Clone, Copy)]
struct Piece {
    flags: u8,
    sequence: i64,
    acknowledgment: i64,
    window: u16,
    length: usize,
}

impl Piece {
    /// Cut where the stream of an honest peer ends, which is where its FIN stands.
    fn honest(mut self) -> Self {
        let room = usize::try_from(END - self.sequence).unwrap_or(0);
        self.length = self.length.min(room);
        if self.length != room {
            self.flags &= !1;
        }
        self
    }
}

/// The sequence number of an honest peer's FIN.
const END: i64 = 150;

#[derive(Debug, Clone, Copy)]
enum Act {
    Piece(Piece),
    Send(usize),
    Receive(usize),
    Shutdown,
    Wait(u64),
}

fn act() -> impl Strategy<Value = Act> {
    let near = prop_oneof![4 => -3i64..200, 1 => -70_000i64..70_000, 1 => any::<i32>().prop_map(i64::from)];
    let flags = prop_oneof![6 => Just(0x10u8), 3 => Just(0x18), 1 => Just(0x11), 1 => 0u8..32];
    let window = prop_oneof![Just(0u16), Just(1), Just(65535), any::<u16>()];
    prop_oneof![
        8 => (flags, near.clone(), near, window, 0usize..100).prop_map(
            |(flags, sequence, acknowledgment, window, length)| Act::Piece(Piece {
                flags, sequence, acknowledgment, window, length,
            }),
        ),
        2 => (1usize..5000).prop_map(Act::Send),
        2 => (1usize..300).prop_map(Act::Receive),
        1 => Just(Act::Shutdown),
        2 => (0u64..20_000).prop_map(Act::Wait),
    ]
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn whatever_a_peer_sends_only_its_stream_is_received(
        acts in vec(act(), 1..60),
        passive in any::<bool>(),
        honest in prop::bool::weighted(0.8),
    ) {
        let scene = scene();
        let (id, peer) = if passive {
            let listener = scene.listen(1);
            let peer = scene.client(6000);
            peer.sends("S 0");
            peer.sends(". 1 ack 1");
            (scene.host.with(|stack, _| stack.tcp_accept(listener, 0)).unwrap(), peer)
        } else {
            scene.established()
        };
        let mut received = 0i64;
        let mut ended = false;
        let mut buffer = [0; 300];
        for act in acts {
            match act {
                Act::Piece(segment) if honest => piece(&scene, &peer, &segment.honest()),
                Act::Piece(segment) => piece(&scene, &peer, &segment),
                Act::Send(length) => {
                    let data = vec![0; length];
                    let _ = scene.host.with(|stack, now| stack.tcp_send(now, id, &data, 65536));
                }
                Act::Receive(length) => {
                    let taken = scene.host.with(|stack, now| {
                        stack.tcp_recv(now, id, &mut buffer[..length], Take::Consume)
                    });
                    prop_assert!(!ended || !matches!(taken, Ok(1..)), "the end is the end");
                    if taken == Ok(0) {
                        ended = true;
                        prop_assert!(!honest || received == END - 1);
                    }
                    for place in &buffer[..taken.unwrap_or(0)] {
                        prop_assert!(!honest || *place == byte(received), "at {}", received);
                        received += 1;
                    }
                }
                Act::Shutdown => scene.host.with(|stack, now| stack.tcp_shutdown(now, id)),
                Act::Wait(millis) => scene.until(scene.now() + millis as f64 / 1e3),
            }
        }
        // However it stands now, it ends.
        scene.host.with(|stack, now| stack.tcp_close(now, id, Close::Deliver));
        scene.until(scene.now() + 600.0);
        let left = scene.host.with(|stack, _| (stack.delivering(), stack.sockets()));
        prop_assert_eq!(left, (0, usize::from(passive)));
        prop_assert_eq!(scene.host.with(|stack, _| stack.poll_at()), None);
    }
}

/// Brings a connection into a state; gives it with the numbers that both sides are at.
fn in_state<'s>(scene: &'s Scene, state: &str) -> (TcpId, Peer<'s>, u32, u32) {
    if state == "SYN-SENT" {
        let (id, peer) = scene.connect();
        return (id, peer, 0, 1);
    }
    if state == "SYN-RECEIVED" {
        let (id, peer) = scene.connect();
        peer.sends("S 0");
        return (id, peer, 1, 1);
    }
    let (id, peer) = scene.established();
    let shutdown = || scene.host.with(|stack, now| stack.tcp_shutdown(now, id));
    let (theirs, ours) = match state {
        "ESTABLISHED" => (1, 1),
        "FIN-WAIT-1" => {
            shutdown();
            (1, 1)
        }
        "FIN-WAIT-2" => {
            shutdown();
            peer.sends(". 1 ack 2");
            (1, 2)
        }
        "CLOSE-WAIT" => {
            peer.sends("F. 1 ack 1");
            (2, 1)
        }
        "CLOSING" => {
            shutdown();
            peer.sends("F. 1 ack 1");
            (2, 1)
        }
        "LAST-ACK" => {
            peer.sends("F. 1 ack 1");
            shutdown();
            (2, 1)
        }
        "TIME-WAIT" => {
            shutdown();
            peer.sends("F. 1 ack 2");
            (2, 2)
        }
        _ => panic!("{state}"),
    };
    (id, peer, theirs, ours)
}

#[test]
fn in_every_state_only_the_right_reset_kills() {
    for state in [
        "SYN-SENT",
        "SYN-RECEIVED",
        "ESTABLISHED",
        "FIN-WAIT-1",
        "FIN-WAIT-2",
        "CLOSE-WAIT",
        "CLOSING",
        "LAST-ACK",
        "TIME-WAIT",
    ] {
        for flags in 1..32u8 {
            for offset in [-1000i64, -1, 0, 1, 1000, 100_000, i64::from(i32::MAX)] {
                let scene = scene();
                let (id, peer, theirs, ours) = in_state(&scene, state);
                let segment = Piece {
                    flags,
                    sequence: i64::from(theirs) + offset,
                    acknowledgment: i64::from(ours),
                    window: 1000,
                    length: 10,
                };
                piece(&scene, &peer, &segment);
                let reset = flags & 4 != 0 && flags & 2 == 0;
                let exact = match state {
                    // RFC 9293, section 3.10.7.3: there it is the acknowledgment that counts.
                    "SYN-SENT" => flags & 16 != 0,
                    "TIME-WAIT" => false,
                    _ => offset == 0,
                };
                let failed = scene.phase(id) == Phase::Failed;
                assert_eq!(failed, reset && exact, "{state}: {segment:?}");
                scene.until(1.0);
            }
        }
    }
}

/// A call, with numbers that choose among the handles that there are and were.
#[derive(Debug, Clone, Copy)]
enum Call {
    Bind { udp: bool, port: u16, address: u8, share: u8 },
    Unbind(usize),
    Listen(usize, usize),
    Connect { local: u16, remote: u16, address: u8, patient: bool, max_rt: Option<u64> },
    Accept(usize),
    Pending(usize),
    Reject(usize),
    Backlog(usize, usize),
    CloseListener(usize),
    Send(usize, usize, usize),
    Receive(usize, usize, bool),
    Shutdown(usize),
    Close(usize, u8),
    Set { id: usize, nodelay: bool, keep_alive: Option<u64>, max_rt: Option<u64>, hops: u8 },
    Open(usize, usize),
    ConnectDatagram(usize, u16, u8),
    Disconnect(usize),
    SendDatagram(usize, u16, u8, usize),
    ReceiveDatagram(usize, usize),
    CloseDatagram(usize),
    Member(usize, u8, u8),
    Address(u8, bool),
    Route(u8, bool),
    Pass(u64),
}

fn call() -> impl Strategy<Value = Call> {
    let index = 0usize..12;
    let port = prop_oneof![Just(0u16), 80u16..84, any::<u16>()];
    let millis = proptest::option::of(prop_oneof![Just(0u64), 1u64..100_000, Just(u64::MAX)]);
    let size = prop_oneof![Just(0usize), 1usize..100, 1usize..100_000, Just(usize::MAX)];
    let length = prop_oneof![Just(0usize), 1usize..100, 1usize..70_000];
    prop_oneof![
        (any::<bool>(), port.clone(), 0u8..6, 0u8..3)
            .prop_map(|(udp, port, address, share)| Call::Bind { udp, port, address, share }),
        index.clone().prop_map(Call::Unbind),
        (index.clone(), size.clone()).prop_map(|(id, backlog)| Call::Listen(id, backlog)),
        (port.clone(), port.clone(), 0u8..6, any::<bool>(), millis.clone()).prop_map(
            |(local, remote, address, patient, max_rt)| Call::Connect {
                local,
                remote,
                address,
                patient,
                max_rt,
            },
        ),
        index.clone().prop_map(Call::Accept),
        index.clone().prop_map(Call::Pending),
        index.clone().prop_map(Call::Reject),
        (index.clone(), size.clone()).prop_map(|(id, backlog)| Call::Backlog(id, backlog)),
        index.clone().prop_map(Call::CloseListener),
        (index.clone(), length.clone(), size.clone())
            .prop_map(|(id, length, limit)| Call::Send(id, length, limit)),
        (index.clone(), length.clone(), any::<bool>())
            .prop_map(|(id, length, peek)| Call::Receive(id, length, peek)),
        index.clone().prop_map(Call::Shutdown),
        (index.clone(), 0u8..3).prop_map(|(id, how)| Call::Close(id, how)),
        (index.clone(), any::<bool>(), millis.clone(), millis, any::<u8>()).prop_map(
            |(id, nodelay, keep_alive, max_rt, hops)| Call::Set {
                id,
                nodelay,
                keep_alive,
                max_rt,
                hops,
            },
        ),
        (index.clone(), size).prop_map(|(id, bytes)| Call::Open(id, bytes)),
        (index.clone(), port.clone(), 0u8..6)
            .prop_map(|(id, port, address)| Call::ConnectDatagram(id, port, address)),
        index.clone().prop_map(Call::Disconnect),
        (index.clone(), port, 0u8..8, length.clone())
            .prop_map(|(id, port, address, length)| Call::SendDatagram(id, port, address, length)),
        (index.clone(), length).prop_map(|(id, length)| Call::ReceiveDatagram(id, length)),
        index.clone().prop_map(Call::CloseDatagram),
        (index, 4u8..8, 0u8..6).prop_map(|(id, group, what)| Call::Member(id, group, what)),
        (0u8..6, any::<bool>()).prop_map(|(address, add)| Call::Address(address, add)),
        (0u8..6, any::<bool>()).prop_map(|(address, add)| Call::Route(address, add)),
        prop_oneof![Just(0u64), 1u64..1000, 1u64..100_000].prop_map(Call::Pass),
    ]
}

fn address(number: u8) -> IpAddress {
    match number {
        0 => IpAddress::v4(127, 0, 0, 1),
        1 => IpAddress::v6(0, 0, 0, 0, 0, 0, 0, 1),
        2 => IpAddress::v4(10, 0, 0, 1),
        3 => IpAddress::v4(0, 0, 0, 0),
        4 => IpAddress::v4(255, 255, 255, 255),
        5 => IpAddress::v6(0xff02, 0, 0, 0, 0, 0, 0, 1),
        6 => IpAddress::v4(239, 1, 1, 1),
        _ => IpAddress::v6(0xff02, 0, 0, 0, 0, 0, 0, 0x1234),
    }
}

/// Everything a caller holds, stale or not.
#[derive(Default)]
struct Held {
    bindings: Vec<Binding>,
    listeners: Vec<ListenerId>,
    connections: Vec<TcpId>,
    datagrams: Vec<UdpId>,
}

fn pick<T: Copy>(handles: &[T], index: usize) -> Option<T> {
    if handles.is_empty() { None } else { Some(handles[index % handles.len()]) }
}

fn perform<'a, S: Storage<'a>>(
    stack: &mut Stack<'a, NoLink, S>,
    held: &mut Held,
    now: &mut Instant,
    call: Call,
) -> Option<()> {
    let time = |millis: u64| Duration::from_micros(millis.saturating_mul(1000));
    match call {
        Call::Bind { udp, port, address: number, share } => {
            let transport = if udp { Transport::Udp } else { Transport::Tcp };
            let bound = match number {
                3 => BindAddress::Any(Family::V4),
                4 => BindAddress::Any(Family::V6),
                5 => BindAddress::AnyDual,
                _ => BindAddress::Address(address(number)),
            };
            let share = [Share::Default, Share::Reuse, Share::Exclusive][usize::from(share)];
            held.bindings.extend(stack.bind(transport, bound, port, share));
        }
        Call::Unbind(id) => stack.unbind(pick(&held.bindings, id)?),
        Call::Listen(id, backlog) => {
            held.listeners.extend(stack.tcp_listen(pick(&held.bindings, id)?, backlog, 0));
        }
        Call::Connect { local, remote, address: number, patient, max_rt } => {
            let own = address(number % 3);
            let mut request =
                Connect::new(IpEndpoint::new(own, local), IpEndpoint::new(address(number), remote));
            request.max_rt = max_rt.map(time);
            if patient {
                request.policy = ConnectPolicy::PATIENT;
            }
            held.connections.extend(stack.tcp_connect(*now, &request));
        }
        Call::Accept(id) => {
            held.connections.extend(stack.tcp_accept(pick(&held.listeners, id)?, 0));
        }
        Call::Pending(id) => {
            let (pending, _) = stack.tcp_pending(pick(&held.listeners, id)?)?;
            held.connections.push(pending);
        }
        Call::Reject(id) => stack.tcp_reject(*now, pick(&held.listeners, id)?),
        Call::Backlog(id, backlog) => stack.set_backlog(pick(&held.listeners, id)?, backlog),
        Call::CloseListener(id) => stack.close_listener(*now, pick(&held.listeners, id)?),
        Call::Send(id, length, limit) => {
            let id = pick(&held.connections, id)?;
            let _ = stack.tcp_send(*now, id, &vec![1; length], limit);
        }
        Call::Receive(id, length, peek) => {
            let take = if peek { Take::Peek } else { Take::Consume };
            let id = pick(&held.connections, id)?;
            let _ = stack.tcp_recv(*now, id, &mut vec![0; length], take);
        }
        Call::Shutdown(id) => stack.tcp_shutdown(*now, pick(&held.connections, id)?),
        Call::Close(id, how) => {
            let how = [Close::Deliver, Close::Reset, Close::Silent][usize::from(how)];
            stack.tcp_close(*now, pick(&held.connections, id)?, how);
        }
        Call::Set { id, nodelay, keep_alive, max_rt, hops } => {
            let options = TcpOptions {
                nodelay,
                keep_alive: keep_alive.map(|idle| KeepAlive {
                    idle: time(idle),
                    interval: time(idle),
                    count: hops,
                }),
                max_rt: max_rt.map(time),
                hop_limit: Some(hops),
                traffic_class: hops,
                ..TcpOptions::default()
            };
            stack.tcp_set(*now, pick(&held.connections, id)?, &options);
        }
        Call::Open(id, bytes) => {
            held.datagrams.extend(stack.udp_open(pick(&held.bindings, id)?, bytes, 0));
        }
        Call::ConnectDatagram(id, port, number) => {
            let remote = IpEndpoint::new(address(number), port);
            let _ = stack.udp_connect(pick(&held.datagrams, id)?, address(number % 3), remote);
        }
        Call::Disconnect(id) => stack.udp_disconnect(pick(&held.datagrams, id)?),
        Call::SendDatagram(id, port, number, length) => {
            let (id, remote) = (pick(&held.datagrams, id)?, IpEndpoint::new(address(number), port));
            let _ = stack.udp_send(*now, id, remote, &vec![1; length]);
        }
        Call::ReceiveDatagram(id, length) => {
            let id = pick(&held.datagrams, id)?;
            let _ = stack.udp_recv(id, &mut vec![0; length], Take::Consume);
            let _ = stack.udp_error(id);
        }
        Call::CloseDatagram(id) => stack.udp_close(pick(&held.datagrams, id)?),
        Call::Member(id, group, what) => {
            let source = address(2);
            let change = [
                Membership::Join,
                Membership::Leave,
                Membership::JoinSource(source),
                Membership::LeaveSource(source),
                Membership::Block(source),
                Membership::Unblock(source),
            ][usize::from(what)];
            let _ = stack.udp_membership(pick(&held.datagrams, id)?, address(group), change);
        }
        Call::Address(number, true) => {
            let _ = stack.add_address(IpCidr::new(address(number), 24));
        }
        Call::Address(number, false) => stack.remove_address(address(number)),
        Call::Route(number, add) => {
            let destination = IpCidr::new(address(number), 0);
            if add {
                let _ = stack.add_route(Route { destination, gateway: Some(address(number)) });
            } else {
                stack.remove_route(destination);
            }
        }
        Call::Pass(millis) => pass(stack, now, time(millis)),
    }
    Some(())
}

/// Lets time pass as a caller would; panics when the stack asks to be called for ever.
fn pass<'a, S: Storage<'a>>(stack: &mut Stack<'a, NoLink, S>, now: &mut Instant, by: Duration) {
    let end = *now + by;
    let mut idle = 0;
    loop {
        let mut turns = 0;
        while stack.poll(*now) == Progress::More {
            turns += 1;
            assert!(turns < 10_000, "it never comes to rest");
        }
        while stack.next_event().is_some() {}
        match stack.poll_at() {
            Some(at) if at <= end => {
                idle = if at <= *now { idle + 1 } else { 0 };
                assert!(idle < 100, "it wants to be called at {at}, and it is {now}");
                *now = at.max(*now);
            }
            _ => break,
        }
    }
    *now = end;
}

fn play<'a, S: Storage<'a>>(stack: &mut Stack<'a, NoLink, S>, calls: &[Call]) {
    let mut held = Held::default();
    let mut now = Instant::ZERO;
    for &call in calls {
        let _ = perform(stack, &mut held, &mut now, call);
        let _ = stack.poll_at();
    }
    // Whatever was done, everything can be given back.
    let Held { bindings, listeners, connections, datagrams } = held;
    listeners.into_iter().for_each(|id| stack.close_listener(now, id));
    connections.into_iter().for_each(|id| stack.tcp_close(now, id, Close::Deliver));
    datagrams.into_iter().for_each(|id| stack.udp_close(id));
    bindings.into_iter().for_each(|binding| stack.unbind(binding));
    pass(stack, &mut now, Duration::from_secs(1000));
    assert_eq!((stack.sockets(), stack.delivering()), (0, 0));
    assert_eq!(stack.poll_at(), None);
}

proptest! {
    #![proptest_config(cases(500))]

    #[test]
    fn any_calls_on_a_stack_with_a_heap(calls in vec(call(), 1..80)) {
        let mut config = Config::new(EthernetAddress(HOST_MAC), 1);
        config.send_total = 1 << 20;
        play(&mut Stack::new(config, NoLink, Growable::limited(12), Instant::ZERO), &calls);
    }

    #[test]
    fn any_calls_on_a_stack_without_one(calls in vec(call(), 1..80)) {
        let mut memory: Memory<'_, 4, 512, 1294> = Memory::new();
        let config = Config::new(EthernetAddress(HOST_MAC), 1);
        let storage = Fixed::<4, 16, 1294>::new(&mut memory);
        play(&mut Stack::new(config, NoLink, storage, Instant::ZERO), &calls);
    }
}

#[test]
fn a_host_that_is_flooded_with_everything_at_once_still_serves() {
    let (scene, _) = busy();
    let peer = scene.client(6001);
    for round in 0..2000i64 {
        let piece = Piece {
            flags: (round % 32) as u8,
            sequence: round * 7919 % 70_000,
            acknowledgment: round % 3,
            window: (round * 31) as u16,
            length: (round % 100) as usize,
        };
        if piece.flags & 4 == 0 && piece.flags & 31 != 0 {
            let names: String = ["F", "S", "R", "P", "."]
                .iter()
                .enumerate()
                .filter(|(bit, _)| piece.flags & (1 << bit) != 0)
                .map(|(_, name)| *name)
                .collect();
            let Piece { sequence, acknowledgment, length, .. } = piece;
            let text = format!("{names} {sequence} ack {acknowledgment} len {length}");
            scene.host.inject(&peer.frame(&text));
        }
    }
    scene.settle();
    still_works(&scene);
}
