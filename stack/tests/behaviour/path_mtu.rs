//! Paths that take less than the link: what routers say about them, and what comes of it.

use std::sync::{Arc, Mutex};

use tapsock_stack::UdpId;
use tapsock_stack::link::Direction;
use tapsock_stack::port::{BindAddress, Family};
use tapsock_stack::sim::{Host, Pair, Verdict};
use tapsock_stack::tcp::{Phase, SendError, Take};
use tapsock_stack::udp::{Fragmentation, UdpOptions};
use tapsock_stack::wire::IpEndpoint;

use crate::datagrams::open;
use crate::scene::{Capture, Scene, connect, icmp, listen, pattern, seconds};

/// The error of a router that takes packets of `mtu` bytes, about the packet in `offending`, of
/// which it quotes the headers.
fn too_big(mtu: u16, offending: &[u8]) -> Vec<u8> {
    let [high, low] = mtu.to_be_bytes();
    match offending[14] >> 4 {
        4 => icmp(3, 4, [0, 0, high, low], offending, 8),
        _ => icmp(2, 0, [0, 0, high, low], offending, 8),
    }
}

/// The frames that the host sent since the capture had `before` frames.
fn sent_since(capture: &Capture, before: usize) -> Vec<Vec<u8>> {
    let frames = capture.frames().into_iter().skip(before);
    frames.filter(|seen| seen.out).map(|seen| seen.frame).collect()
}

/// How large the packets were, but for questions to neighbors and acknowledgments.
fn lengths(capture: &Capture, before: usize) -> Vec<usize> {
    let lengths = sent_since(capture, before).into_iter().map(|frame| frame.len() - 14);
    lengths.filter(|length| *length > 100).collect()
}

/// Sends a datagram to port 7 of the peer, and says how large its packets are.
fn send(scene: &Scene, id: UdpId, length: usize) -> Result<Vec<usize>, SendError> {
    let before = scene.capture.frames().len();
    let (remote, data) = (scene.remote(7), pattern(length));
    scene.host.with(|stack, now| stack.udp_send(now, id, remote, &data))?;
    scene.settle();
    Ok(lengths(&scene.capture, before))
}

/// How many errors reached a socket, did not, and made a path smaller.
fn heard(scene: &Scene) -> (u64, u64, u64) {
    scene.host.with(|stack, _| {
        let counters = stack.counters();
        (counters.icmp_matched, counters.icmp_unmatched, counters.path_mtu_lowered)
    })
}

fn path_mtu(scene: &Scene) -> usize {
    scene.host.with(|stack, now| stack.path_mtu(now, scene.remote(7).addr))
}

#[test]
fn datagrams_are_cut_for_the_path_for_ten_minutes() {
    for (family, payload, cut) in
        [(Family::V4, 1472, vec![1396, 124]), (Family::V6, 1452, vec![1400, 156])]
    {
        let scene = Scene::new(family, |_| {});
        let id = open(&scene.host, BindAddress::Any(family), 5000, 65536);
        assert_eq!(send(&scene, id, payload), Ok(vec![1500]));
        scene.arrives(&too_big(1400, &scene.last_out()));
        assert_eq!((heard(&scene), path_mtu(&scene)), ((1, 0, 1), 1400));
        // It is not fatal, and no error to the socket.
        assert_eq!(scene.host.with(|stack, _| stack.udp_error(id)), None);
        assert_eq!(send(&scene, id, payload), Ok(cut.clone()));
        scene.until(599.9);
        assert_eq!(send(&scene, id, payload), Ok(cut));
        scene.until(600.1);
        assert_eq!(path_mtu(&scene), 1500);
        assert_eq!(send(&scene, id, payload), Ok(vec![1500]));
    }
}

#[test]
fn only_who_quotes_what_was_sent_is_believed() {
    for family in [Family::V4, Family::V6] {
        let scene = Scene::new(family, |_| {});
        let id = open(&scene.host, BindAddress::Any(family), 5000, 65536);
        send(&scene, id, 1400).unwrap();
        let sent = scene.last_out();
        // A source port that nobody has.
        let mut other = sent.clone();
        other[if family == Family::V4 { 34 } else { 54 }] ^= 1;
        scene.arrives(&too_big(1300, &other));
        assert_eq!(heard(&scene), (0, 1, 0));
        // A router that says it takes what it did not take: heard, but of no consequence.
        scene.arrives(&too_big(1500, &sent));
        assert_eq!((heard(&scene), path_mtu(&scene)), ((1, 1, 0), 1500));
        // A second report that is larger than the first.
        scene.arrives(&too_big(1300, &sent));
        scene.arrives(&too_big(1350, &sent));
        assert_eq!((heard(&scene), path_mtu(&scene)), ((3, 1, 1), 1300));
    }
}

#[test]
fn a_path_has_a_least_size() {
    for (family, mtu, expected) in [
        (Family::V4, 552, 552),
        (Family::V4, 551, 552),
        (Family::V4, 68, 552),
        // RFC 1191, section 5: a router that does not know better.
        (Family::V4, 0, 1492),
        (Family::V6, 1280, 1280),
        (Family::V6, 1279, 1500),
        (Family::V6, 0, 1500),
    ] {
        let scene = Scene::new(family, |_| {});
        let id = open(&scene.host, BindAddress::Any(family), 5000, 65536);
        send(&scene, id, 1452).unwrap();
        // A packet of 1500 bytes in both families.
        if family == Family::V4 {
            send(&scene, id, 1472).unwrap();
        }
        scene.arrives(&too_big(mtu, &scene.last_out()));
        assert_eq!(path_mtu(&scene), expected, "{mtu}");
    }
}

#[test]
fn what_must_not_be_cut_is_refused_once_the_path_is_known_and_a_probe_is_not() {
    for (family, headers) in [(Family::V4, 28), (Family::V6, 48)] {
        let scene = Scene::new(family, |_| {});
        let id = open(&scene.host, BindAddress::Any(family), 5000, 65536);
        let set = |fragmentation| {
            let options = UdpOptions { fragmentation, ..UdpOptions::default() };
            scene.host.with(|stack, _| stack.udp_set(id, &options));
        };
        set(Fragmentation::Forbid);
        assert_eq!(send(&scene, id, 1500 - headers), Ok(vec![1500]));
        scene.arrives(&too_big(1400, &scene.last_out()));
        assert_eq!(send(&scene, id, 1401 - headers), Err(SendError::TooLong));
        assert_eq!(send(&scene, id, 1400 - headers), Ok(vec![1400]));
        set(Fragmentation::Probe);
        assert_eq!(send(&scene, id, 1500 - headers), Ok(vec![1500]));
        assert_eq!(send(&scene, id, 1501 - headers), Err(SendError::TooLong));
    }
}

#[test]
fn what_tcp_has_in_flight_goes_out_again_at_once_and_smaller() {
    for (family, mss, mtu) in [(Family::V4, 1460, 1000), (Family::V6, 1440, 1280)] {
        let scene = Scene::new(family, |_| {});
        let (id, peer) = scene.established();
        let data = pattern(2 * mss);
        scene.send(id, &data);
        scene.settle();
        let (before, segments) = (scene.capture.frames().len(), scene.capture.segments().len());
        let lost = scene.capture.frames().into_iter().find(|seen| seen.frame.len() == 1514);
        scene.arrives(&too_big(mtu, &lost.unwrap().frame));
        assert_eq!(heard(&scene), (1, 0, 1));
        let piece = usize::from(mtu) - (1500 - mss);
        let again: Vec<_> = scene.capture.segments().split_off(segments);
        let again: Vec<_> = again
            .iter()
            .map(|(seen, tcp)| (scene.since(seen.at), tcp.payload.len(), tcp.flags.as_str()))
            .collect();
        // Slow start begins anew with one segment, in two pieces.
        let expected = [(0.0, piece, "."), (0.0, mss - piece, ".")];
        assert_eq!(again, expected);
        assert!(lengths(&scene.capture, before).iter().all(|length| *length <= mtu.into()));
        peer.sends(&format!(". 1 ack {}", mss + 1));
        scene.settle();
        let last = scene.capture.segments().pop().unwrap().1;
        assert_eq!((last.payload.len(), last.flags.as_str()), (mss - piece, "P."));
        assert_eq!(last.payload[..], data[mss + piece..]);
        // A report about a packet that the router would have taken changes nothing.
        let before = scene.capture.frames().len();
        let sent = scene.capture.frames().into_iter().rfind(|seen| seen.out);
        scene.arrives(&too_big(mtu - 1, &sent.unwrap().frame));
        assert_eq!(lengths(&scene.capture, before), []);
        assert_eq!(scene.phase(id), Phase::Connected);
    }
}

#[test]
fn a_report_about_what_is_not_in_flight_changes_nothing() {
    let scene = Scene::new(Family::V4, |_| {});
    let (id, peer) = scene.established();
    scene.send(id, &pattern(1460));
    scene.settle();
    let sent = scene.last_out();
    peer.sends(". 1 ack 1461");
    scene.arrives(&too_big(1000, &sent));
    assert_eq!((heard(&scene), path_mtu(&scene)), ((0, 1, 0), 1500));
}

#[test]
fn a_new_connection_knows_the_path() {
    for (family, headers) in [(Family::V4, 40), (Family::V6, 60)] {
        let scene = Scene::new(family, |_| {});
        let id = open(&scene.host, BindAddress::Any(family), 5000, 65536);
        send(&scene, id, 1452).unwrap();
        scene.arrives(&too_big(1300, &scene.last_out()));
        let (id, peer) = scene.connect();
        let syn = scene.capture.segments().pop().unwrap().1;
        assert_eq!(syn.mss, Some(1300 - headers));
        peer.sends("S. 0 ack 1");
        let before = scene.capture.frames().len();
        scene.send(id, &pattern(1300 - usize::from(headers)));
        scene.settle();
        assert_eq!(lengths(&scene.capture, before), [1300]);
    }
}

#[test]
fn below_the_least_size_routers_may_cut_segments() {
    let scene = Scene::new(Family::V4, |_| {});
    let (id, _) = scene.established();
    scene.send(id, &pattern(1460));
    scene.settle();
    let first = scene.last_out();
    assert_eq!(first[20] & 0x40, 0x40);
    let before = scene.capture.frames().len();
    scene.arrives(&too_big(300, &first));
    let again = sent_since(&scene.capture, before);
    assert_eq!(lengths(&scene.capture, before), [552, 552, 476]);
    for frame in &again {
        assert_eq!(frame[20] & 0x40, 0);
        assert_ne!(frame[18..20], [0, 0]);
    }
}

/// Makes a router between the host and all others that takes packets of `mtu` bytes. Those that
/// it did not take are in the list.
fn narrow(host: &Host, mtu: usize) -> Arc<Mutex<Vec<Vec<u8>>>> {
    let refused = Arc::new(Mutex::new(Vec::new()));
    let list = Arc::clone(&refused);
    host.set_filter(move |frame, direction| {
        if direction == Direction::Outbound && frame.len() > mtu + 14 {
            list.lock().unwrap().push(frame.to_vec());
            return Verdict::Drop;
        }
        Verdict::Pass
    });
    refused
}

#[test]
fn a_megabyte_passes_a_narrow_path_in_little_time() {
    for (family, of, mtu) in [(0, Family::V4, 1000u16), (0, Family::V4, 552), (1, Family::V6, 1280)]
    {
        let pair = Pair::new(1);
        let listener = listen(&pair.server, of, 80, 1);
        let refused = narrow(&pair.client, mtu.into());
        let id = connect(&pair.client, IpEndpoint::new(Pair::addresses(2)[family], 80)).unwrap();
        pair.world.run_for(seconds(0.1));
        let accepted = pair.server.with(|stack, _| stack.tcp_accept(listener, 0)).unwrap();
        let data = pattern(1_000_000);
        let sent = pair.client.with(|stack, now| stack.tcp_send(now, id, &data, 2_000_000));
        assert_eq!(sent, Ok(1_000_000));
        let began = pair.world.now();
        let mut received = Vec::new();
        let mut buffer = vec![0; 65536];
        let mut reports = 0;
        while received.len() < data.len() {
            pair.world.run_for(seconds(0.0001));
            for packet in std::mem::take(&mut *refused.lock().unwrap()) {
                pair.client.inject(&too_big(mtu, &packet));
                reports += 1;
            }
            let taken = pair
                .server
                .with(|stack, now| stack.tcp_recv(now, accepted, &mut buffer, Take::Consume));
            received.extend_from_slice(&buffer[..taken.unwrap_or(0)]);
            assert!(pair.world.now() - began < seconds(10.0), "{} bytes", received.len());
        }
        assert!(received == data);
        // Nobody waited for a retransmission timer, which has a second at least.
        assert!(pair.world.now() - began < seconds(1.0));
        assert!((1..20).contains(&reports), "{reports}");
        pair.client.with(|stack, _| assert_eq!(stack.counters().path_mtu_lowered, 1));
    }
}
