//! Datagrams that are longer than a frame: cut on their way out, put together on their way in.

use etherparse::defrag::IpDefragPool;
use etherparse::{NetSlice, PacketBuilder, SlicedPacket};
use tapsock_stack::config::{Config, OwnGroups};
use tapsock_stack::event::Happened;
use tapsock_stack::link::{Link, LinkError};
use tapsock_stack::net::Reason;
use tapsock_stack::net::fragment::{Cut, FRAGMENT_HEADER_LEN};
use tapsock_stack::port::{BindAddress, Family, Share, Transport};
use tapsock_stack::sim::{Conditions, Pair, Verdict};
use tapsock_stack::storage::{Fixed, Growable, Memory, Storage};
use tapsock_stack::tcp::SendError;
use tapsock_stack::time::Instant;
use tapsock_stack::udp::{Fragmentation, UdpOptions};
use tapsock_stack::wire::{EthernetAddress, IpAddress, IpCidr, IpEndpoint};
use tapsock_stack::{Stack, UdpId};

use crate::datagrams::open;
use crate::scene::{Capture, HOST_MAC, PEER_MAC, Scene, pattern, receive_udp as receive, seconds};

/// The families, the longest datagram of one frame, the longest of all, and its fragments.
const FAMILIES: [(usize, Family, usize, usize, u64); 2] =
    [(0, Family::V4, 1472, 65507, 45), (1, Family::V6, 1452, 65527, 46)];

#[test]
fn datagrams_up_to_64_kib_go_both_ways() {
    for (family, of, frame, longest, most) in FAMILIES {
        let pair = Pair::new(1);
        let client = open(&pair.client, BindAddress::Any(of), 5000, 65536);
        let server = open(&pair.server, BindAddress::Any(of), 7, 65536);
        let to = IpEndpoint::new(Pair::addresses(2)[family], 7);
        let back = IpEndpoint::new(Pair::addresses(1)[family], 5000);
        let frames = || pair.client.with(|stack, _| stack.counters().frames_out);
        // Whom to send frames to is known before they are counted.
        pair.client.with(|stack, now| stack.udp_send(now, client, to, b"")).unwrap();
        pair.world.run_for(seconds(0.01));
        receive(&pair.server, server).unwrap();
        for (length, fragments) in [(frame, 1), (frame + 1, 2), (20_000, 14), (longest, most)] {
            let (data, before) = (pattern(length), frames());
            pair.client.with(|stack, now| stack.udp_send(now, client, to, &data)).unwrap();
            pair.world.run_for(seconds(0.01));
            assert_eq!(frames() - before, fragments, "{length}");
            let (received, about) = receive(&pair.server, server).unwrap();
            assert!(received == data, "{length}");
            assert_eq!((about.remote, about.local), (back, to.addr));
            pair.server.with(|stack, now| stack.udp_send(now, server, back, &data)).unwrap();
            pair.world.run_for(seconds(0.01));
            assert!(receive(&pair.client, client).unwrap().0 == data, "{length}");
        }
        let data = pattern(longest + 1);
        let own = IpEndpoint::new(Pair::addresses(1)[family], 5000);
        for remote in [to, own] {
            let sent = pair.client.with(|stack, now| stack.udp_send(now, client, remote, &data));
            assert_eq!(sent, Err(SendError::TooLong));
        }
        // To itself a host sends whole packets.
        let data = pattern(longest);
        pair.client.with(|stack, now| stack.udp_send(now, client, own, &data)).unwrap();
        pair.world.run_for(seconds(0.01));
        assert!(receive(&pair.client, client).unwrap().0 == data);
        for host in [&pair.client, &pair.server] {
            host.with(|stack, _| {
                let counters = stack.counters();
                assert_eq!((counters.fragmented, counters.reassembled), (3, 3));
                assert_eq!((counters.dropped.total(), counters.reassembly_expired), (0, 0));
            });
        }
    }
}

#[test]
fn a_datagram_that_waits_for_its_neighbor_is_cut_when_it_leaves() {
    for (family, of, _, longest, _) in FAMILIES {
        let pair = Pair::new(1);
        let client = open(&pair.client, BindAddress::Any(of), 5000, 65536);
        let server = open(&pair.server, BindAddress::Any(of), 7, 65536);
        let to = IpEndpoint::new(Pair::addresses(2)[family], 7);
        let data = pattern(longest);
        pair.client.with(|stack, now| stack.udp_send(now, client, to, &data)).unwrap();
        pair.world.run_for(seconds(0.01));
        assert!(receive(&pair.server, server).unwrap().0 == data);
    }
}

#[test]
fn fragments_that_overtake_or_repeat_each_other_make_the_same_datagrams() {
    for (family, of, ..) in FAMILIES {
        let conditions = Conditions { reorder: 0.3, duplicate: 0.2, ..Conditions::GOOD };
        let pair = Pair::over(1, conditions);
        let client = open(&pair.client, BindAddress::Any(of), 5000, 65536);
        let server = open(&pair.server, BindAddress::Any(of), 7, 1 << 20);
        let to = IpEndpoint::new(Pair::addresses(2)[family], 7);
        let mut sent: Vec<_> = (0..20).map(|number| pattern(3000 + 2000 * number)).collect();
        for data in &sent {
            pair.client.with(|stack, now| stack.udp_send(now, client, to, data)).unwrap();
        }
        pair.world.run_for(seconds(0.1));
        let mut received: Vec<_> =
            std::iter::from_fn(|| receive(&pair.server, server)).map(|(data, _)| data).collect();
        received.sort_by_key(Vec::len);
        received.dedup();
        sent.sort_by_key(Vec::len);
        assert!(received == sent);
    }
}

/// The fragments, in frames, of the whole packet for the host.
fn cut(packet: &[u8], number: u32) -> Vec<Vec<u8>> {
    let mut buffer = [&[0; 14], packet, &[0; FRAGMENT_HEADER_LEN]].concat();
    if packet[0] >> 4 == 4 {
        // It may be cut, and has a number.
        let [.., high, low] = number.to_be_bytes();
        buffer[14 + 4..14 + 8].copy_from_slice(&[high, low, 0, 0]);
    }
    let mut cut = Cut::new(&mut buffer, 14..14 + packet.len(), 1500, number).unwrap();
    let mut frames = Vec::new();
    while let Some(range) = cut.next(&mut buffer) {
        let ethertype: [u8; 2] = if packet[0] >> 4 == 4 { [8, 0] } else { [0x86, 0xdd] };
        frames.push([&HOST_MAC[..], &PEER_MAC, &ethertype, &buffer[range]].concat());
    }
    frames
}

/// A datagram from port 7 of the peer to port 5000 of the host, in frames.
fn datagram(scene: &Scene, number: u32, data: &[u8]) -> Vec<Vec<u8>> {
    let mut packet = Vec::new();
    match (scene.remote(7).addr, scene.own()) {
        (IpAddress::Ipv4(peer), IpAddress::Ipv4(own)) => {
            PacketBuilder::ipv4(peer.octets(), own.octets(), 64)
                .udp(7, 5000)
                .write(&mut packet, data)
        }
        (IpAddress::Ipv6(peer), IpAddress::Ipv6(own)) => {
            PacketBuilder::ipv6(peer.octets(), own.octets(), 64)
                .udp(7, 5000)
                .write(&mut packet, data)
        }
        _ => panic!("two families"),
    }
    .unwrap();
    cut(&packet, number)
}

fn listening(family: Family) -> (Scene, UdpId) {
    let scene = Scene::new(family, |_| {});
    let id = open(&scene.host, BindAddress::Any(family), 5000, 65536);
    (scene, id)
}

fn dropped(scene: &Scene, reason: Reason) -> u64 {
    scene.host.with(|stack, _| stack.counters().dropped.by(reason))
}

/// ICMP errors that the host sent: type, code, and the quoted packet.
fn errors(capture: &Capture) -> Vec<(u8, u8, Vec<u8>)> {
    let sent = capture.frames().into_iter().filter(|seen| seen.out);
    let read = |frame: Vec<u8>| match (frame[12], frame[23], frame[20]) {
        (8, 1, _) => Some((frame[34], frame[35], frame[42..].to_vec())),
        (0x86, _, 58) => Some((frame[54], frame[55], frame[62..].to_vec())),
        _ => None,
    };
    sent.filter_map(|seen| read(seen.frame)).filter(|(kind, ..)| *kind < 128).collect()
}

#[test]
fn without_one_fragment_nothing_arrives_and_after_60_seconds_nothing_is_left() {
    // An error has at most 576 bytes over IPv4 and 1280 over IPv6, with its own headers.
    for (family, kind, quote) in [(Family::V4, 11, 576 - 28), (Family::V6, 3, 1280 - 48)] {
        let (scene, id) = listening(family);
        let mut fragments = datagram(&scene, 1, &pattern(4000));
        let missing = fragments.remove(1);
        for fragment in &fragments {
            scene.arrives(fragment);
        }
        scene.until(59.999);
        assert!(receive(&scene.host, id).is_none());
        assert_eq!(errors(&scene.capture), []);
        scene.until(60.0);
        // RFC 792 and RFC 4443, section 3.3: fragment reassembly time exceeded.
        let quoted = fragments[0][14..14 + quote].to_vec();
        assert_eq!(errors(&scene.capture), [(kind, 1, quoted)]);
        scene.host.with(|stack, _| assert_eq!(stack.counters().reassembly_expired, 1));
        // Too late; and without the first fragment nobody is told.
        scene.arrives(&missing);
        scene.until(130.0);
        assert!(receive(&scene.host, id).is_none());
        assert_eq!(errors(&scene.capture).len(), 1);
        scene.host.with(|stack, now| {
            assert_eq!(stack.counters().reassembly_expired, 2);
            assert!(stack.poll_at().is_none_or(|at| at > now));
        });
    }
}

#[test]
fn a_sender_hears_that_its_datagram_lost_a_fragment() {
    for (family, of, ..) in FAMILIES {
        let pair = Pair::new(1);
        let client = open(&pair.client, BindAddress::Any(of), 5000, 65536);
        let server = open(&pair.server, BindAddress::Any(of), 7, 65536);
        let to = IpEndpoint::new(Pair::addresses(2)[family], 7);
        let mut large = 0;
        pair.client.set_filter(move |frame, _| {
            large += u32::from(frame.len() > 1000);
            if large == 2 { Verdict::Drop } else { Verdict::Pass }
        });
        pair.client.with(|stack, now| stack.udp_send(now, client, to, &pattern(4000))).unwrap();
        pair.world.run_for(seconds(61.0));
        assert!(receive(&pair.server, server).is_none());
        let error = pair.client.with(|stack, _| stack.udp_error(client)).unwrap();
        assert_eq!((error.in_transit, error.remote), (true, to));
    }
}

#[test]
fn an_overlap_ends_the_datagram_and_another_one_arrives() {
    for family in [Family::V4, Family::V6] {
        let (scene, id) = listening(family);
        let fragments = datagram(&scene, 1, &pattern(4000));
        // The same place in the same datagram, and other data.
        let forged = datagram(&scene, 1, &[0; 4000]);
        for frame in [&fragments[0], &forged[0], &fragments[1], &fragments[2]] {
            scene.arrives(frame);
        }
        for frame in datagram(&scene, 2, &pattern(3000)) {
            scene.arrives(&frame);
        }
        assert_eq!(scene.happened(), Happened::READABLE);
        assert!(receive(&scene.host, id).unwrap().0 == pattern(3000));
        assert!(receive(&scene.host, id).is_none());
        assert_eq!(dropped(&scene, Reason::FragmentOverlap), 1);
        assert_eq!(dropped(&scene, Reason::FragmentAbandoned), 2);
        // Nobody is told (RFC 8200, section 4.5).
        scene.until(100.0);
        assert_eq!(errors(&scene.capture), []);
        scene.host.with(|stack, _| assert_eq!(stack.counters().reassembly_expired, 0));
    }
}

#[test]
fn ten_thousand_datagrams_that_never_become_whole_do_not_stop_one_that_does() {
    for family in [Family::V4, Family::V6] {
        let (scene, id) = listening(family);
        let firsts: Vec<_> =
            (10..10_010).map(|number| datagram(&scene, number, &pattern(3000)).remove(0)).collect();
        let whole = datagram(&scene, 1, &pattern(3000));
        for frame in &firsts[..5000] {
            scene.arrives(frame);
        }
        // With 127 newer ones it lives, with 128 it would not.
        scene.arrives(&whole[0]);
        for frame in &firsts[5000..5127] {
            scene.arrives(frame);
        }
        for frame in &whole[1..] {
            scene.arrives(frame);
        }
        assert!(receive(&scene.host, id).unwrap().0 == pattern(3000));
        let evicted = || scene.host.with(|stack, _| stack.counters().reassembly_evicted);
        assert_eq!(evicted(), 5000);
        scene.arrives(&whole[0]);
        for frame in &firsts[5127..] {
            scene.arrives(frame);
        }
        for frame in &whole[1..] {
            scene.arrives(frame);
        }
        assert!(receive(&scene.host, id).is_none());
        // The first one too, and once more for those that came too late.
        assert_eq!(evicted(), 10_002 - 128);
        // All that is left expires at once; the allowance of 50 errors is not exceeded.
        scene.until(100.0);
        scene.host.with(|stack, _| {
            let counters = stack.counters();
            assert_eq!(counters.reassembly_expired, 128);
            assert_eq!(counters.icmp_withheld, 127 - 50);
        });
        assert_eq!(errors(&scene.capture).len(), 50);
    }
}

#[test]
fn fragments_of_wrong_lengths_are_answered_over_ipv6_alone() {
    for (family, expected) in [(Family::V4, None), (Family::V6, Some((4, 0)))] {
        let (scene, _) = listening(family);
        let mut frame = datagram(&scene, 1, &pattern(3000)).remove(0);
        frame.pop();
        if family == Family::V4 {
            let sum = u16::from_be_bytes([frame[24], frame[25]]);
            frame[17] -= 1;
            frame[24..26].copy_from_slice(&(sum + 1).to_be_bytes());
        } else {
            frame[19] -= 1;
        }
        scene.arrives(&frame);
        assert_eq!(dropped(&scene, Reason::FragmentLength), 1);
        let sent = errors(&scene.capture).first().map(|(kind, code, _)| (*kind, *code));
        assert_eq!(sent, expected);
    }
}

/// The payload that the fragments among these frames make, as etherparse reads them.
fn reassembled(frames: &[Vec<u8>]) -> Option<Vec<u8>> {
    let mut pool = IpDefragPool::<(), ()>::new();
    let mut whole = None;
    for frame in frames {
        assert!(frame.len() <= 1514);
        let packet = SlicedPacket::from_ethernet(frame).unwrap();
        if let Some(NetSlice::Ipv4(ip)) = &packet.net {
            assert!(!ip.header().dont_fragment());
        }
        whole = pool.process_sliced_packet(&packet, (), ()).unwrap().or(whole);
    }
    whole.map(|whole| whole.payload)
}

#[test]
fn the_largest_pings_are_answered() {
    for family in [Family::V4, Family::V6] {
        let (scene, _) = listening(family);
        let mut packet = Vec::new();
        match (scene.remote(7).addr, scene.own()) {
            (IpAddress::Ipv4(peer), IpAddress::Ipv4(own)) => {
                PacketBuilder::ipv4(peer.octets(), own.octets(), 64)
                    .icmpv4_echo_request(1, 2)
                    .write(&mut packet, &pattern(65507))
            }
            (IpAddress::Ipv6(peer), IpAddress::Ipv6(own)) => {
                PacketBuilder::ipv6(peer.octets(), own.octets(), 64)
                    .icmpv6_echo_request(1, 2)
                    .write(&mut packet, &pattern(65487))
            }
            _ => panic!("two families"),
        }
        .unwrap();
        for frame in cut(&packet, 1) {
            scene.arrives(&frame);
        }
        let answers: Vec<_> = scene
            .capture
            .frames()
            .into_iter()
            .filter(|seen| seen.out)
            .map(|seen| seen.frame)
            .collect();
        let answer = reassembled(&answers).unwrap();
        assert_eq!(answer[0], if family == Family::V4 { 0 } else { 129 });
        assert!(answer[8..] == packet[packet.len() - answer.len() + 8..]);
    }
}

#[test]
fn a_ping_whose_answer_smoltcp_cannot_write_is_not_answered() {
    let (scene, _) = listening(Family::V6);
    let mut packet = Vec::new();
    let (IpAddress::Ipv6(peer), IpAddress::Ipv6(own)) = (scene.remote(7).addr, scene.own()) else {
        panic!("IPv6")
    };
    PacketBuilder::ipv6(peer.octets(), own.octets(), 64)
        .icmpv6_echo_request(1, 2)
        .write(&mut packet, &pattern(65488))
        .unwrap();
    for frame in cut(&packet, 1) {
        scene.arrives(&frame);
    }
    scene.host.with(|stack, _| assert_eq!(stack.counters().reassembled, 1));
    assert!(scene.capture.frames().iter().all(|seen| !seen.out));
}

#[test]
fn a_segment_in_fragments_is_a_segment() {
    for family in [Family::V4, Family::V6] {
        let scene = Scene::new(family, |_| {});
        let (id, peer) = scene.established();
        // A router between us has cut it.
        let frame = peer.frame("P. 1 ack 1 len 3000");
        for fragment in cut(&frame[14..], 9) {
            scene.arrives(&fragment);
        }
        assert_eq!(scene.status(id).receivable, 3000);
        scene.until(0.01);
        scene.sent(["0.01 > . 1:1 ack 3001"]);
    }
}

#[test]
fn what_must_not_be_cut_is_refused_to_its_sender() {
    for (family, of, frame, ..) in FAMILIES {
        let pair = Pair::new(1);
        let client = open(&pair.client, BindAddress::Any(of), 5000, 65536);
        let server = open(&pair.server, BindAddress::Any(of), 7, 65536);
        let to = IpEndpoint::new(Pair::addresses(2)[family], 7);
        let capture = Capture::new(&pair.client);
        for fragmentation in [Fragmentation::Forbid, Fragmentation::Probe, Fragmentation::Allow] {
            let options = UdpOptions { fragmentation, ..UdpOptions::default() };
            pair.client.with(|stack, _| stack.udp_set(client, &options));
            let send = |length| {
                let data = pattern(length);
                pair.client.with(|stack, now| stack.udp_send(now, client, to, &data))
            };
            let allowed = fragmentation == Fragmentation::Allow;
            let refused = if allowed { Ok(()) } else { Err(SendError::TooLong) };
            assert_eq!(send(frame + 1), refused, "{fragmentation:?}");
            assert_eq!(send(frame), Ok(()));
            pair.world.run_for(seconds(0.01));
            let last = capture.frames().into_iter().rfind(|seen| seen.out).unwrap().frame;
            if of == Family::V4 {
                // Whoever lets routers cut it gives it a number, or 0 says that nobody does
                // (RFC 6864, section 4.1).
                assert_eq!(last[20] & 0x40 == 0, allowed);
                assert_eq!(last[18..20] != [0, 0], allowed);
            }
            // The loopback takes it, whatever may be done with it.
            let own = IpEndpoint::new(Pair::addresses(1)[family], 9);
            let sent = pair
                .client
                .with(|stack, now| stack.udp_send(now, client, own, &pattern(frame + 1)));
            assert_eq!(sent, Ok(()));
        }
        assert_eq!(receive(&pair.server, server).unwrap().0.len(), frame);
    }
}

/// A link that takes so many frames more.
#[derive(Debug)]
struct Slow {
    room: usize,
    taken: Vec<usize>,
}

impl Link for Slow {
    fn mtu(&self) -> usize {
        1500
    }
    fn is_up(&self) -> bool {
        true
    }
    fn receive(&mut self, _: Instant, _: &mut [u8]) -> Result<Option<usize>, LinkError> {
        Ok(None)
    }
    fn transmit(&mut self, _: Instant, frame: &[u8]) -> Result<(), LinkError> {
        self.room = self.room.checked_sub(1).ok_or(LinkError::Busy)?;
        self.taken.push(frame.len() - 14);
        Ok(())
    }
}

/// A host on a slow link, with a socket.
fn slow<S: Storage<'static>>(storage: S, room: usize) -> (Stack<'static, Slow, S>, UdpId) {
    let mut config = Config::new(EthernetAddress(HOST_MAC), 1);
    config.own_groups = OwnGroups::Unreported;
    let mut stack = Stack::new(config, Slow { room, taken: Vec::new() }, storage, Instant::ZERO);
    stack.add_address(IpCidr::new(IpAddress::v4(10, 0, 0, 1), 24)).unwrap();
    let any = BindAddress::Any(Family::V4);
    let binding = stack.bind(Transport::Udp, any, 5000, Share::Default).unwrap();
    let id = stack.udp_open(binding, 0, 0).unwrap();
    (stack, id)
}

const EVERYBODY: IpEndpoint = IpEndpoint::new(IpAddress::v4(10, 0, 0, 255), 7);

#[test]
fn a_link_that_is_busy_gets_all_fragments_of_a_datagram_or_none() {
    let (mut stack, id) = slow(Growable::default(), 50);
    let longest = pattern(65507);
    // 50 frames are taken, and 256 wait: room for 6 datagrams of 45 and for 36 frames.
    for number in 0..7 {
        stack.udp_send(Instant::ZERO, id, EVERYBODY, &longest).unwrap();
        let lost = if number == 6 { 45 } else { 0 };
        assert_eq!(stack.counters().link_overrun, lost, "{number}");
    }
    for _ in 0..37 {
        stack.udp_send(Instant::ZERO, id, EVERYBODY, b"small").unwrap();
    }
    assert_eq!(stack.counters().link_overrun, 46);
    stack.link_mut().room = 1000;
    let _ = stack.poll(Instant::from_millis(10));
    assert_eq!(stack.link().taken.len(), 6 * 45 + 36);
    assert_eq!((stack.counters().frames_out, stack.counters().fragmented), (306, 6));
}

#[test]
fn without_a_heap_a_datagram_fits_its_buffer_or_is_refused() {
    let memory: &'static mut Memory<'static, 4, 512, 3014> = Box::leak(Box::new(Memory::new()));
    let (mut stack, id) = slow(Fixed::<4, 16, 3014>::new(memory), 1000);
    // 3,000 bytes of packet, less 8 that cutting takes and 28 of headers.
    let sent = stack.udp_send(Instant::ZERO, id, EVERYBODY, &pattern(2964));
    assert_eq!(sent, Ok(()));
    assert_eq!(stack.link().taken, [1500, 1500, 32]);
    let sent = stack.udp_send(Instant::ZERO, id, EVERYBODY, &pattern(2965));
    assert_eq!(sent, Err(SendError::TooLong));
}
