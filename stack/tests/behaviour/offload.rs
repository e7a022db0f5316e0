//! Links that do some of the stack's work: what is on the cable and in the streams is the same.

use std::sync::{Arc, Mutex};

use tapsock_stack::fault::{Action, Match, Proto, Rule, Script, When};
use tapsock_stack::link::offload::LARGEST_PACKET;
use tapsock_stack::link::{Direction, Link, Offload};
use tapsock_stack::port::{BindAddress, Family};
use tapsock_stack::sim::{Conditions, Host, Pair, Random, Verdict};
use tapsock_stack::tcp::{Phase, ReceiveError, SendError, Take};
use tapsock_stack::time::{Duration, Instant};
use tapsock_stack::udp::{UdpChecksum, UdpOptions};
use tapsock_stack::wire::IpEndpoint;
use tapsock_stack::{Counters, TcpId};

use crate::scene::{Capture, connect_with, icmp, listen, open_udp, pattern, receive_udp, seconds};

const FAMILIES: [Family; 2] = [Family::V4, Family::V6];

fn offload(host: &Host, offload: Offload) {
    host.with(|stack, _| stack.link_mut().set_offload(offload));
}

fn counters(host: &Host) -> Counters {
    host.with(|stack, _| stack.counters().clone())
}

fn server(family: Family, port: u16) -> IpEndpoint {
    IpEndpoint::new(Pair::addresses(2)[usize::from(family == Family::V6)], port)
}

/// What a transfer is like.
#[derive(Debug, Clone)]
struct Transfer {
    family: Family,
    length: usize,
    conditions: Conditions,
    /// MTU of the server's cable, and so the size of the segments.
    mtu: usize,
    buffers: [usize; 2],
    seed: u64,
}

/// Sends in both directions at once by calls of random sizes; what arrived where, and how it was
/// counted.
fn transfer(transfer: &Transfer, offloads: [Offload; 2]) -> ([Vec<u8>; 2], [Counters; 2]) {
    let Transfer { family, length, conditions, mtu, buffers, seed } = transfer.clone();
    let pair = Pair::configured(seed, conditions, |config| config.data_retries = 15);
    let cable = pair.server.port();
    pair.world.set_conditions(cable, Conditions { mtu, ..Conditions::GOOD });
    for (host, what) in [&pair.client, &pair.server].into_iter().zip(offloads) {
        offload(host, what);
    }
    let listener = listen(&pair.server, family, 80, 1);
    pair.server.with(|stack, _| {
        let options = tapsock_stack::tcp::ListenerOptions {
            receive_buffer: Some(buffers[1]),
            transmit_buffer: Some(buffers[1]),
            ..Default::default()
        };
        stack.listener_set(listener, &options);
    });
    let id = connect_with(&pair.client, server(family, 80), |request| {
        request.receive_buffer = Some(buffers[0]);
        request.transmit_buffer = Some(buffers[0]);
    })
    .unwrap();
    let mut random = Random::stream(seed, 5);
    let data = [pattern(length), pattern(length / 2)];
    let mut ends = [Some(id), None];
    let (mut sent, mut received) = ([0; 2], [Vec::new(), Vec::new()]);
    let mut finished = [false; 2];
    let mut closed = [false; 2];
    while finished != [true; 2] {
        assert!(pair.world.now() < Instant::from_secs(20_000), "{transfer:?} hangs");
        pair.world.run_until(pair.world.now() + Duration::from_micros(1 + random.below(3000)));
        if ends[1].is_none() {
            ends[1] = pair.server.with(|stack, _| stack.tcp_accept(listener, 0));
        }
        for (end, host) in [&pair.client, &pair.server].into_iter().enumerate() {
            let Some(id) = ends[end] else { continue };
            turn(host, id, &mut random, &data[end], &mut sent[end], &mut closed[end]);
            finished[end] |= take(host, id, &mut random, &mut received[end]);
        }
    }
    let [at_client, at_server] = received;
    assert_eq!(at_server.len(), data[0].len(), "{transfer:?}");
    assert!(at_server == data[0] && at_client == data[1], "{transfer:?}");
    let counted = [counters(&pair.client), counters(&pair.server)];
    for counters in &counted {
        assert_eq!(counters.arrived(), counters.accounted(), "{transfer:?}");
    }
    ([at_client, at_server], counted)
}

fn turn(
    host: &Host,
    id: TcpId,
    random: &mut Random,
    data: &[u8],
    sent: &mut usize,
    closed: &mut bool,
) {
    host.with(|stack, now| {
        let status = stack.tcp(id).unwrap();
        assert_eq!(status.cause, None);
        if status.phase != Phase::Connected {
            return;
        }
        if *sent == data.len() {
            if !*closed {
                stack.tcp_shutdown(now, id);
                *closed = true;
            }
            return;
        }
        // Sometimes a byte, sometimes everything.
        let most = [1, 3000, 200_000][random.below(3) as usize];
        let piece = 1 + random.below(most.min((data.len() - *sent) as u64));
        match stack.tcp_send(now, id, &data[*sent..*sent + piece as usize], 300_000) {
            Ok(taken) => *sent += taken,
            Err(SendError::WouldBlock) => {}
            Err(other) => panic!("{other:?}"),
        }
    });
}

fn take(host: &Host, id: TcpId, random: &mut Random, received: &mut Vec<u8>) -> bool {
    host.with(|stack, now| {
        let mut buffer = vec![0; 1 + random.below(100_000) as usize];
        match stack.tcp_recv(now, id, &mut buffer, Take::Consume) {
            Ok(0) => true,
            Ok(taken) => {
                received.extend_from_slice(&buffer[..taken]);
                false
            }
            Err(ReceiveError::WouldBlock | ReceiveError::NotConnected) => false,
            Err(other) => panic!("{other:?}"),
        }
    })
}

const EVERY: [[Offload; 2]; 4] = [
    [Offload::NONE, Offload::NONE],
    [Offload::ALL, Offload::NONE],
    [Offload::NONE, Offload::ALL],
    [Offload::ALL, Offload::ALL],
];

#[test]
fn streams_are_the_same_with_and_without() {
    for seed in 0..12 {
        let mut random = Random::stream(seed, 6);
        let mut pick = |among: &[usize]| among[random.below(among.len() as u64) as usize];
        let case = Transfer {
            family: FAMILIES[(seed % 2) as usize],
            length: 1 + pick(&[1, 5000, 150_000, 400_000]),
            mtu: pick(&[1280, 1500, 9000]),
            buffers: [pick(&[4096, 65_536, 262_144]), pick(&[4096, 65_536, 262_144])],
            conditions: Conditions {
                mtu: pick(&[1400, 1500, 9000]),
                loss: pick(&[0, 1, 30]) as f64 / 1000.0,
                reorder: pick(&[0, 20]) as f64 / 1000.0,
                duplicate: pick(&[0, 10]) as f64 / 1000.0,
                delay: Duration::from_micros(pick(&[20, 3000]) as u64),
                ..Conditions::GOOD
            },
            seed,
        };
        let results = EVERY.map(|offloads| transfer(&case, offloads).0);
        assert!(results.iter().all(|result| *result == results[0]), "{case:?}");
    }
}

fn bulk(family: Family, conditions: Conditions) -> Transfer {
    let buffers = [262_144; 2];
    Transfer { family, length: 1 << 20, conditions, mtu: 1500, buffers, seed: 1 }
}

#[test]
fn a_megabyte_takes_few_superframes() {
    for family in FAMILIES {
        let case = bulk(family, Conditions::GOOD);
        let (_, [plain, _]) = transfer(&case, EVERY[0]);
        assert_eq!((plain.superframes_out, plain.superframes_in), (0, 0));
        let (_, [client, server]) = transfer(&case, EVERY[3]);
        assert!(client.superframes_out > 10 && client.superframes_in > 10, "{client:?}");
        assert!(client.frames_out * 3 < plain.frames_out, "{client:?} {plain:?}");
        assert_eq!(server.dropped.total(), 0);
        assert_eq!(client.dropped.total(), 0);
    }
}

/// The payloads of the segments that the client's cable carried out.
fn segments_out(capture: &Capture) -> Vec<(u32, usize)> {
    let mine = |(seen, tcp): (crate::scene::Seen, crate::scene::Tcp)| {
        (seen.out && !tcp.payload.is_empty()).then_some((tcp.sequence, tcp.payload.len()))
    };
    capture.segments().into_iter().filter_map(mine).collect()
}

/// A connection of the client whose send buffer takes 200 kB, and the server's end of it.
fn connected(pair: &Pair, family: Family) -> (TcpId, TcpId) {
    let listener = listen(&pair.server, family, 80, 1);
    let id = connect_with(&pair.client, server(family, 80), |request| {
        request.transmit_buffer = Some(200_000);
    })
    .unwrap();
    pair.world.run_until(pair.world.now() + seconds(1.0));
    let accepted = pair.server.with(|stack, _| stack.tcp_accept(listener, 0)).unwrap();
    (id, accepted)
}

fn send(host: &Host, id: TcpId, data: &[u8]) {
    let sent = host.with(|stack, now| stack.tcp_send(now, id, data, 1 << 20));
    assert_eq!(sent, Ok(data.len()));
}

/// Sends from the client for at most ten seconds, while the server reads, and lets the dust settle.
fn pass(pair: &Pair, [from, to]: [TcpId; 2], data: &[u8]) {
    send(&pair.client, from, data);
    let mut received = Vec::new();
    for _ in 0..10_000 {
        pair.world.run_until(pair.world.now() + Duration::from_millis(1));
        let mut buffer = vec![0; 1 << 20];
        match pair.server.with(|stack, now| stack.tcp_recv(now, to, &mut buffer, Take::Consume)) {
            Ok(taken) => received.extend_from_slice(&buffer[..taken]),
            Err(error) => assert_eq!(error, ReceiveError::WouldBlock),
        }
        if received.len() >= data.len() {
            break;
        }
    }
    pair.world.run_until(pair.world.now() + seconds(0.1));
    assert!(received == data, "{} of {} bytes", received.len(), data.len());
}

#[test]
fn no_segment_is_larger_than_the_peer_takes() {
    for (family, headers) in [(Family::V4, 40), (Family::V6, 60)] {
        for (own, peers, expected) in [(1500, 1500, 1500), (9000, 1500, 1500), (1500, 9000, 1500)] {
            let pair = Pair::new(3);
            for (host, mtu) in [(&pair.client, own), (&pair.server, peers)] {
                let conditions = Conditions { mtu, ..Conditions::GOOD };
                pair.world.set_conditions(host.port(), conditions);
            }
            offload(&pair.client, Offload::ALL);
            let on_cable = Capture::new(&pair.server);
            let (id, accepted) = connected(&pair, family);
            pass(&pair, [id, accepted], &pattern(300_000));
            assert!(counters(&pair.client).superframes_out > 0);
            let arrived = on_cable.segments().into_iter().filter(|(seen, _)| !seen.out);
            let most = arrived.map(|(_, tcp)| tcp.payload.len()).max();
            assert_eq!(most, Some(expected - headers), "{own} {peers}");
        }
    }
}

#[test]
fn the_capture_shows_superframes_as_tcpdump_would() {
    let pair = Pair::new(4);
    let (id, accepted) = connected(&pair, Family::V4);
    offload(&pair.client, Offload::ALL);
    pass(&pair, [id, accepted], &pattern(100_000));
    let capture = Capture::new(&pair.client);
    let before = counters(&pair.client);
    pass(&pair, [id, accepted], &pattern(100_000));
    let largest = capture.frames().iter().map(|seen| seen.frame.len()).max().unwrap();
    assert!(largest > 20_000, "{largest}");
    assert!(largest <= 14 + LARGEST_PACKET);
    // A superframe is one frame in every count.
    let after = counters(&pair.client);
    let passed = |counters: &Counters| counters.frames_in + counters.frames_out;
    assert_eq!(capture.frames().len() as u64, passed(&after) - passed(&before));
    let frames = pair.client.with(|stack, _| stack.link().frames());
    assert_eq!(frames, passed(&after));
}

/// A script that has something to do, but nothing yet.
fn later() -> Script<'static> {
    let tcp = Match { proto: Some(Proto::Tcp), ..Match::TX };
    let rule = Rule::new("later").on(tcp).when(When::nth(1_000_000)).does(&[Action::Drop]);
    Script::new(7).with_rules(vec![rule])
}

#[test]
fn an_active_script_sees_frames_as_they_are_on_a_wire() {
    for family in FAMILIES {
        let pair = Pair::new(5);
        offload(&pair.client, Offload::ALL);
        offload(&pair.server, Offload::ALL);
        let (id, accepted) = connected(&pair, family);
        let data = pattern(150_000);
        pass(&pair, [id, accepted], &data);
        pass(&pair, [id, accepted], &data);
        let before = counters(&pair.client);
        assert!(before.superframes_out > 0);

        // From here on something is to happen, if only in a year.
        let capture = Capture::new(&pair.client);
        let faults = pair.client.faults(later()).unwrap();
        assert_eq!(pair.client.with(|stack, _| stack.link().offload()), Offload::NONE);
        pass(&pair, [id, accepted], &data);
        assert_eq!(counters(&pair.client).superframes_out, before.superframes_out);
        let all = segments_out(&capture);
        assert!(all.len() > 100 && all.iter().all(|(_, payload)| *payload <= 1460));
        let largest = capture.frames().iter().map(|seen| seen.frame.len()).max();
        assert_eq!(largest, Some(1514));

        drop(faults);
        pass(&pair, [id, accepted], &data);
        assert!(counters(&pair.client).superframes_out > before.superframes_out);
    }
}

#[test]
fn a_path_that_shrinks_under_superframes_in_flight_loses_nothing() {
    for (family, mtu) in [(Family::V4, 1000), (Family::V6, 1300)] {
        let pair = Pair::new(6);
        offload(&pair.client, Offload::ALL);
        let (id, accepted) = connected(&pair, family);
        pass(&pair, [id, accepted], &pattern(150_000));
        let reported = Arc::new(Mutex::new(0));
        let (count, world, port) = (Arc::clone(&reported), pair.world.clone(), pair.client.port());
        pair.client.set_filter(move |frame, direction| {
            if direction == Direction::Inbound || frame.len() <= 14 + mtu {
                return Verdict::Pass;
            }
            let mut count = count.lock().unwrap();
            *count += 1;
            if *count == 1 {
                let [high, low] = (mtu as u16).to_be_bytes();
                let error = match family {
                    Family::V4 => icmp(3, 4, [0, 0, high, low], frame, 8),
                    Family::V6 => icmp(2, 0, [0, 0, high, low], frame, 8),
                };
                world.after(Duration::from_micros(10), move |world| world.inject(port, &error));
            }
            Verdict::Drop
        });
        pass(&pair, [id, accepted], &pattern(200_000));
        let counters = counters(&pair.client);
        assert_eq!(counters.path_mtu_lowered, 1);
        // Only what was in flight when the report came was too large.
        let lost = *reported.lock().unwrap();
        assert!((1..=160).contains(&lost), "{lost}");
        assert_eq!(counters.too_big, 0);
    }
}

#[test]
fn what_routers_may_cut_is_numbered_here_and_not_by_a_device() {
    let pair = Pair::new(6);
    offload(&pair.client, Offload::ALL);
    let (id, accepted) = connected(&pair, Family::V4);
    pass(&pair, [id, accepted], &pattern(50_000));
    let capture = Capture::new(&pair.client);
    let (world, port) = (pair.world.clone(), pair.client.port());
    let reported = Arc::new(Mutex::new(false));
    pair.client.set_filter(move |frame, direction| {
        if direction == Direction::Inbound || frame.len() <= 14 + 552 {
            return Verdict::Pass;
        }
        if !std::mem::replace(&mut *reported.lock().unwrap(), true) {
            // Less than is believed: segments of 552 bytes go out, and are cut on their way.
            let error = icmp(3, 4, [0, 0, 1, 0x2c], frame, 8);
            world.after(Duration::from_micros(10), move |world| world.inject(port, &error));
        }
        Verdict::Drop
    });
    pass(&pair, [id, accepted], &pattern(50_000));
    let out: Vec<Vec<u8>> =
        capture.frames().into_iter().filter(|seen| seen.out).map(|seen| seen.frame).collect();
    let cuttable = || out.iter().filter(|frame| frame.len() > 100 && frame[20] & 0x40 == 0);
    assert!(cuttable().count() > 90, "{}", cuttable().count());
    assert!(cuttable().all(|frame| frame.len() <= 14 + 552));
    let mut numbers: Vec<[u8; 2]> = cuttable().map(|frame| [frame[18], frame[19]]).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), cuttable().count());
}

#[test]
fn fragments_of_a_datagram_share_a_checksum_that_is_whole() {
    for family in FAMILIES {
        let pair = Pair::new(8);
        offload(&pair.client, Offload::ALL);
        let any = BindAddress::Any(family);
        let from = open_udp(&pair.client, any, 5000);
        let to = open_udp(&pair.server, any, 5001);
        for length in [0, 1, 1400, 1453, 1473, 4000, 60_000] {
            let data = pattern(length);
            let remote = server(family, 5001);
            pair.client.with(|stack, now| stack.udp_send(now, from, remote, &data)).unwrap();
            pair.world.run_until(pair.world.now() + seconds(0.1));
            let (received, _) = receive_udp(&pair.server, to).expect("it arrives");
            assert!(received == data, "{length}");
        }
        assert_eq!(counters(&pair.server).dropped.total(), 0);
    }
}

#[test]
fn a_datagram_without_a_checksum_has_none() {
    let pair = Pair::new(8);
    offload(&pair.client, Offload::ALL);
    let any = BindAddress::Any(Family::V4);
    let from = open_udp(&pair.client, any, 5000);
    let to = open_udp(&pair.server, any, 5001);
    let capture = Capture::new(&pair.server);
    let mut sums = Vec::new();
    for checksum in [UdpChecksum::ZeroOverIpv4, UdpOptions::default().checksum] {
        let options = UdpOptions { checksum, ..UdpOptions::default() };
        pair.client.with(|stack, _| stack.udp_set(from, &options));
        let remote = server(Family::V4, 5001);
        pair.client.with(|stack, now| stack.udp_send(now, from, remote, b"datagram")).unwrap();
        pair.world.run_until(pair.world.now() + seconds(0.1));
        receive_udp(&pair.server, to).expect("it arrives");
        let frame = capture.frames().pop().unwrap().frame;
        sums.push(u16::from_be_bytes([frame[40], frame[41]]));
    }
    assert_eq!(sums[0], 0);
    assert_ne!(sums[1], 0);
}

#[test]
fn datagrams_that_arrive_together_stay_apart() {
    for family in FAMILIES {
        let pair = Pair::new(9);
        offload(&pair.server, Offload::ALL);
        let any = BindAddress::Any(family);
        let from = open_udp(&pair.client, any, 5000);
        let to = open_udp(&pair.server, any, 5001);
        let remote = server(family, 5001);
        let send = |data: &[u8]| {
            pair.client.with(|stack, now| stack.udp_send(now, from, remote, data)).unwrap();
        };
        // The neighbor is asked for first.
        send(b"first");
        pair.world.run_until(pair.world.now() + seconds(0.1));
        assert_eq!(receive_udp(&pair.server, to).unwrap().0, b"first");
        let lengths = [500, 500, 500, 20, 500, 501, 0, 7];
        for (index, length) in lengths.into_iter().enumerate() {
            send(&vec![index as u8; length]);
        }
        pair.world.run_until(pair.world.now() + seconds(0.1));
        for (index, length) in lengths.into_iter().enumerate() {
            let (data, datagram) = receive_udp(&pair.server, to).expect("it arrives");
            assert_eq!(data, vec![index as u8; length]);
            assert_eq!(datagram.remote.port, 5000);
        }
        let counters = counters(&pair.server);
        assert_eq!(counters.datagrams, 9);
        // The first four came as one frame, and of 500 and 501 the first alone.
        assert_eq!((counters.superframes_in, counters.coalesced), (1, 3));
        assert_eq!(counters.arrived(), counters.accounted());
    }
}

mod wire;
