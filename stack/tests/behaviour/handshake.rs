//! Opening connections: the SYN schedule, its answer, and what it teaches the estimator.

use tapsock_stack::config::{ConnectPolicy, SynTiming};
use tapsock_stack::event::{Asked, CauseKind, Happened, PacketSummary};
use tapsock_stack::link::Direction;
use tapsock_stack::port::Family;
use tapsock_stack::sim::{Conditions, Pair, Verdict};
use tapsock_stack::tcp::{Close, Phase};
use tapsock_stack::time::Duration;
use tapsock_stack::wire::{IpAddress, IpEndpoint};

use crate::scene::{Capture, Scene, connect_with, ephemeral, listen, pattern, scene, seconds};

#[test]
fn windows_10_sends_syns_at_0_1_3_7_and_15_s_and_gives_up_at_21_s() {
    for family in [Family::V4, Family::V6] {
        let scene = Scene::new(family, |_| {});
        let (id, _) = scene.connect();
        scene.until(20.999_999);
        assert_eq!(scene.phase(id), Phase::Connecting);
        scene.until(21.0);
        scene.sent(["0 > S 0:1", "1 > S 0:1", "3 > S 0:1", "7 > S 0:1", "15 > S 0:1"]);
        assert_eq!(scene.silence(id), (CauseKind::TimedOut, 21.0, Asked::Syn, 5, 21.0));
        assert!(scene.happened().contains(Happened::FAILED));
        scene.until(600.0);
        scene.sent([]);
    }
}

#[test]
fn windows_7_sends_syns_at_0_3_and_9_s_and_gives_up_at_21_s() {
    let scene = scene();
    let (id, _) = scene.connect_with(|request| request.syn = Some(SynTiming::WINDOWS_7)).unwrap();
    scene.until(21.0);
    scene.sent(["0 > S 0:1", "3 > S 0:1", "9 > S 0:1"]);
    assert_eq!(scene.silence(id), (CauseKind::TimedOut, 21.0, Asked::Syn, 3, 21.0));
}

#[test]
fn rfc_6298_sends_seven_syns_and_gives_up_at_123_s() {
    let scene = scene();
    let (id, _) = scene.connect_with(|request| request.syn = Some(SynTiming::RFC_6298)).unwrap();
    scene.until(122.9);
    assert_eq!(scene.phase(id), Phase::Connecting);
    scene.until(123.0);
    scene.sent([
        "0 > S 0:1",
        "1 > S 0:1",
        "3 > S 0:1",
        "7 > S 0:1",
        "15 > S 0:1",
        "31 > S 0:1",
        "63 > S 0:1",
    ]);
    assert_eq!(scene.silence(id), (CauseKind::TimedOut, 123.0, Asked::Syn, 7, 123.0));
}

#[test]
fn a_schedule_faster_than_a_second_is_kept_too() {
    let scene = scene();
    let (id, _) = scene.connect_with(|request| request.syn = Some(SynTiming::TEST)).unwrap();
    scene.until(0.3);
    scene.sent(["0 > S 0:1", "0.02 > S 0:1", "0.06 > S 0:1", "0.14 > S 0:1"]);
    assert_eq!(scene.silence(id), (CauseKind::TimedOut, 0.3, Asked::Syn, 4, 0.3));
}

#[test]
fn without_retries_one_syn_is_all() {
    let scene = scene();
    let once = SynTiming { retries: 0, ..SynTiming::WINDOWS_10 };
    let (id, _) = scene.connect_with(|request| request.syn = Some(once)).unwrap();
    scene.until(30.0);
    scene.sent(["0 > S 0:1"]);
    assert_eq!(scene.silence(id), (CauseKind::TimedOut, 1.0, Asked::Syn, 1, 1.0));
}

#[test]
fn the_total_budget_replaces_the_count_of_syns() {
    let scene = scene();
    let (short, _) =
        scene.connect_with(|request| request.max_rt = Some(Duration::from_secs(5))).unwrap();
    scene.until(5.0);
    scene.sent(["0 > S 0:1", "1 > S 0:1", "3 > S 0:1"]);
    assert_eq!(scene.silence(short), (CauseKind::TimedOut, 5.0, Asked::Syn, 3, 5.0));
}

#[test]
fn without_an_end_a_syn_is_sent_every_minute() {
    let scene = scene();
    let (id, peer) = scene.connect_with(|request| request.max_rt = Some(Duration::MAX)).unwrap();
    scene.until(3600.0);
    assert_eq!(scene.phase(id), Phase::Connecting);
    // 0, 1, 3, 7, 15, 31, 63, and then each minute: 123, 183, ...
    assert_eq!(scene.capture.lines(true).len(), 7 + 58);
    peer.sends("S. 0 ack 1");
    assert_eq!(scene.phase(id), Phase::Connected);
    scene.sent(["3600 > . 1:1 ack 1"]);
}

#[test]
fn every_copy_of_the_syn_is_the_same_segment() {
    let scene = scene();
    scene.connect();
    scene.until(20.0);
    let syns = scene.capture.segments();
    assert_eq!(syns.len(), 5);
    for (seen, syn) in &syns {
        assert_eq!(seen.frame, syns[0].0.frame);
        assert_eq!((syn.mss, syn.hop_limit), (Some(1460), 64));
    }
    let v6 = Scene::new(Family::V6, |_| {});
    v6.connect();
    assert_eq!(v6.capture.segments()[0].1.mss, Some(1440));
}

#[test]
fn the_answer_to_any_copy_connects() {
    for (answered, copies) in [(0.5, 1), (2.9, 2), (20.9, 5)] {
        let scene = scene();
        let (id, peer) = scene.connect();
        scene.until(answered);
        peer.sends("S. 0 ack 1");
        let status = scene.status(id);
        assert_eq!((status.phase, status.handshake_segments), (Phase::Connected, copies));
        assert_eq!(scene.since(status.connected_at.unwrap()), answered);
        let happened = scene.happened();
        assert!(happened.contains(Happened::CONNECTED | Happened::WRITABLE));
        scene.until(60.0);
        let lines = scene.capture.lines(true);
        assert_eq!(lines.len(), copies as usize + 1);
        assert_eq!(lines[copies as usize], format!("{answered} > . 1:1 ack 1"));
    }
}

#[test]
fn an_answer_to_another_syn_is_refused_and_the_attempt_goes_on() {
    let scene = scene();
    let (id, peer) = scene.connect();
    peer.sends("S. 0 ack 2");
    // RFC 9293, section 3.10.7.3: an unacceptable acknowledgment is answered with a RST.
    scene.sent(["0 > S 0:1", "0 > R 2:2"]);
    assert_eq!(scene.phase(id), Phase::Connecting);
    peer.sends("S. 0 ack 1");
    assert_eq!(scene.phase(id), Phase::Connected);
}

/// The seconds between the first data segment, which is lost, and its repetition, when the first
/// `lost` SYNs (or, of a passive side, SYN|ACKs) are lost as well.
fn first_retransmission(lost: u32, syn: SynTiming, passive: bool) -> f64 {
    let pair = Pair::configured(1, Conditions::GOOD, |config| config.syn = syn);
    let (sender, receiver) =
        if passive { (&pair.server, &pair.client) } else { (&pair.client, &pair.server) };
    let capture = Capture::new(sender);
    let mut left = lost;
    let mut first_data = true;
    sender.set_filter(move |frame, direction| {
        let Ok(packet) = etherparse::SlicedPacket::from_ethernet(frame) else {
            return Verdict::Pass;
        };
        let Some(etherparse::TransportSlice::Tcp(tcp)) = packet.transport else {
            return Verdict::Pass;
        };
        if direction == Direction::Inbound {
            return Verdict::Pass;
        }
        let lose = if tcp.syn() && left > 0 {
            left -= 1;
            true
        } else {
            !tcp.payload().is_empty() && core::mem::take(&mut first_data)
        };
        if lose { Verdict::Drop } else { Verdict::Pass }
    });
    let listener = listen(&pair.server, Family::V4, 80, 5);
    let remote = IpEndpoint::new(Pair::addresses(2)[0], 80);
    let client = connect_with(&pair.client, remote, |request| request.syn = Some(syn)).unwrap();
    pair.world.run_for(seconds(19.0));
    let server = pair.server.with(|stack, _| stack.tcp_accept(listener, 0)).unwrap();
    let id = if passive { server } else { client };
    sender.with(|stack, now| stack.tcp_send(now, id, b"lost", 65536)).unwrap();
    pair.world.run_for(seconds(30.0));
    let times: Vec<f64> = capture
        .segments()
        .iter()
        .filter(|(seen, tcp)| seen.out && !tcp.payload.is_empty())
        .map(|(seen, _)| seen.at.total_micros() as f64 / 1e6)
        .collect();
    assert_eq!(times.len(), 2, "{times:?}");
    let received = receiver.with(|stack, _| {
        let id = if passive { client } else { server };
        stack.tcp(id).unwrap().receivable
    });
    assert_eq!(received, 4);
    times[1] - times[0]
}

#[test]
fn a_round_trip_of_a_repeated_syn_never_reaches_the_estimator() {
    let every = |millis| SynTiming {
        initial: Duration::from_millis(millis),
        step_cap: Duration::from_millis(millis),
        retries: 10,
        total: None,
    };
    for passive in [false, true] {
        for (lost, timing) in [
            (0, SynTiming::WINDOWS_10),
            (2, every(300)),
            (4, every(500)),
            (2, SynTiming::WINDOWS_10),
            (3, SynTiming::WINDOWS_10),
            (1, SynTiming::WINDOWS_7),
        ] {
            let gap = first_retransmission(lost, timing, passive);
            assert_eq!(format!("{gap:.3}"), "1.000", "{lost} lost of {timing:?}, {passive}");
        }
    }
}

#[test]
fn two_hosts_that_open_towards_each_other_share_one_connection() {
    for family in [0, 1] {
        let pair = Pair::new(1);
        let [here, there] = [1, 2].map(|number| Pair::addresses(number)[family]);
        let (left, right) = (IpEndpoint::new(here, 7000), IpEndpoint::new(there, 8000));
        let open = |host: &tapsock_stack::sim::Host, local, remote| {
            connect_with(host, remote, |request| request.local = local).unwrap()
        };
        let one = open(&pair.client, left, right);
        let other = open(&pair.server, right, left);
        pair.world.run_for(seconds(0.01));
        for (host, id) in [(&pair.client, one), (&pair.server, other)] {
            assert_eq!(host.with(|stack, _| stack.tcp(id).unwrap().phase), Phase::Connected);
        }
        let data = pattern(10_000);
        for (host, id) in [(&pair.client, one), (&pair.server, other)] {
            let sent = host.with(|stack, now| stack.tcp_send(now, id, &data, 65536));
            assert_eq!(sent, Ok(10_000));
        }
        pair.world.run_for(seconds(5.0));
        for (host, id) in [(&pair.client, one), (&pair.server, other)] {
            let mut buffer = vec![0; 20_000];
            let taken = host.with(|stack, now| {
                stack.tcp_recv(now, id, &mut buffer, tapsock_stack::tcp::Take::Consume)
            });
            assert_eq!(taken, Ok(10_000));
            assert_eq!(&buffer[..10_000], data);
        }
    }
}

#[test]
fn a_simultaneous_open_on_the_wire() {
    let scene = scene();
    let (id, peer) = scene.connect();
    peer.sends("S 0");
    // RFC 9293, figure 8.
    scene.sent(["0 > S 0:1", "0 > S. 0:1 ack 1"]);
    assert_eq!(scene.phase(id), Phase::Connecting);
    scene.until(0.1);
    peer.sends("S. 0 ack 1");
    assert_eq!(scene.phase(id), Phase::Connected);
    scene.send(id, b"hello");
    scene.until(0.2);
    let lines = scene.capture.lines(true);
    assert_eq!(lines.last().unwrap(), "0.1 > P. 1:6 ack 1");
}

#[test]
fn a_simultaneous_open_that_goes_silent_ends_like_any_attempt() {
    let scene = scene();
    let (id, peer) = scene.connect();
    peer.sends("S 0");
    scene.until(600.0);
    let cause = scene.cause(id);
    assert_eq!((cause.kind, scene.since(cause.at)), (CauseKind::TimedOut, 21.0));
}

#[test]
fn a_socket_that_connects_to_itself_talks_to_itself() {
    for address in [IpAddress::v4(127, 0, 0, 1), Pair::addresses(1)[1]] {
        let scene = scene();
        let own = IpEndpoint::new(address, 7000);
        let id = connect_with(&scene.host, own, |request| request.local = own).unwrap();
        scene.until(1.0);
        assert_eq!(scene.phase(id), Phase::Connected);
        scene.send(id, b"to myself");
        scene.until(2.0);
        let mut buffer = [0; 16];
        let taken = scene.host.with(|stack, now| {
            stack.tcp_recv(now, id, &mut buffer, tapsock_stack::tcp::Take::Consume)
        });
        assert_eq!(taken, Ok(9));
        assert_eq!(&buffer[..9], b"to myself");
        assert!(scene.capture.frames().is_empty(), "nothing of it is on the wire");
    }
}

#[test]
fn a_reset_ends_an_attempt_at_once_when_it_acknowledges_the_syn() {
    let scene = scene();
    let (id, peer) = scene.connect();
    scene.until(0.25);
    for wrong in ["R. 0 ack 0", "R. 0 ack 2", "R 0", "R 1"] {
        peer.sends(wrong);
        assert_eq!(scene.phase(id), Phase::Connecting, "{wrong}");
    }
    peer.sends("R. 0 ack 1");
    let (kind, at, packet) = scene.packet(id);
    assert_eq!((kind, at), (CauseKind::Refused, 0.25));
    let PacketSummary::Tcp { flags, length, .. } = packet.summary else { panic!() };
    assert_eq!((flags, length), (0x14, 0));
    // The capture has it under that number.
    let cited = &scene.capture.frames()[0..][..];
    let cited = cited.iter().find(|seen| seen.number == packet.number).unwrap().tcp().unwrap();
    assert_eq!(cited.flags, "R.");
    assert_eq!(cited.source, (Pair::addresses(2)[0], 80));
    scene.until(60.0);
    scene.sent(["0 > S 0:1"]);
}

#[test]
fn a_patient_attempt_repeats_a_refused_syn_every_500_ms_and_ends_after_2_s() {
    let scene = scene();
    let (id, peer) = scene.connect_with(|request| request.policy = ConnectPolicy::PATIENT).unwrap();
    for attempt in 0..5 {
        scene.until(0.5 * f64::from(attempt));
        assert_eq!(scene.phase(id), Phase::Connecting);
        peer.sends("R. 0 ack 1");
    }
    scene.sent(["0 > S 0:1", "0.5 > S 0:1", "1 > S 0:1", "1.5 > S 0:1", "2 > S 0:1"]);
    let (kind, at, _) = scene.packet(id);
    assert_eq!((kind, at), (CauseKind::Refused, 2.0));
}

#[test]
fn a_patient_attempt_reaches_a_listener_that_appears_meanwhile() {
    let pair = Pair::new(1);
    let remote = IpEndpoint::new(Pair::addresses(2)[0], 80);
    let patient = |request: &mut tapsock_stack::tcp::Connect| {
        request.policy = ConnectPolicy::PATIENT;
    };
    let id = connect_with(&pair.client, remote, patient).unwrap();
    pair.world.run_for(seconds(1.2));
    let phase = || pair.client.with(|stack, _| stack.tcp(id).unwrap().phase);
    assert_eq!(phase(), Phase::Connecting);
    let refused = pair.server.with(|stack, _| stack.counters().tcp_unmatched);
    assert_eq!(refused, 3);
    let listener = listen(&pair.server, Family::V4, 80, 5);
    pair.world.run_for(seconds(0.5));
    assert_eq!(phase(), Phase::Connected);
    assert!(pair.server.with(|stack, _| stack.tcp_accept(listener, 0)).is_some());
}

#[test]
fn a_patient_attempt_of_which_only_some_syns_are_refused_goes_on() {
    let scene = scene();
    let (id, peer) = scene.connect_with(|request| request.policy = ConnectPolicy::PATIENT).unwrap();
    peer.sends("R. 0 ack 1");
    // Silence from here on: the fifth SYN is the last.
    scene.until(60.0);
    let kind = scene.cause(id).kind;
    assert_eq!(kind, CauseKind::TimedOut);
    assert_eq!(scene.capture.lines(true).len(), 5);
}

#[test]
fn a_budget_without_end_outlasts_every_refusal() {
    let scene = scene();
    let (id, peer) = scene
        .connect_with(|request| {
            request.policy = ConnectPolicy::PATIENT;
            request.max_rt = Some(Duration::MAX);
        })
        .unwrap();
    for attempt in 0..100 {
        scene.until(0.5 * f64::from(attempt));
        peer.sends("R. 0 ack 1");
    }
    assert_eq!(scene.phase(id), Phase::Connecting);
    assert_eq!(scene.capture.lines(true).len(), 100);
}

#[test]
fn a_four_tuple_is_used_once() {
    let scene = scene();
    let local = IpEndpoint::new(scene.own(), ephemeral(&scene.host, scene.remote(80)));
    let (id, _) = scene.connect_with(|request| request.local = local).unwrap();
    let again = scene.connect_with(|request| request.local = local);
    assert_eq!(again.err(), Some(tapsock_stack::tcp::OpenError::InUse));
    scene.host.with(|stack, now| stack.tcp_close(now, id, Close::Silent));
    assert!(scene.connect_with(|request| request.local = local).is_ok());
    scene.sent(["0 > S 0:1", "0 > S 0:1"]);
}

#[test]
fn an_attempt_that_is_let_go_is_silent() {
    let scene = scene();
    let (id, peer) = scene.connect();
    scene.host.with(|stack, now| stack.tcp_close(now, id, Close::Silent));
    assert!(scene.host.with(|stack, _| stack.tcp(id).is_none()));
    assert_eq!(scene.host.with(|stack, _| stack.sockets()), 0);
    scene.until(60.0);
    scene.sent(["0 > S 0:1"]);
    // Whoever answers late is told that nobody waits any more.
    peer.sends("S. 0 ack 1");
    scene.sent(["60 > R 1:1"]);
    assert_eq!(scene.host.with(|stack, _| stack.counters().tcp_unmatched), 1);
}

#[test]
fn a_wrong_acknowledgment_before_the_handshake_ends_is_reset_and_not_remembered() {
    // The last two lie exactly half of the sequence space apart, where each is before the other.
    for forged in
        [[". 1 ack 2 win 1", ". 1 ack 0 win 1"], [". 1 ack 2147483647 win 1", ". 0 ack -1"]]
    {
        let scene = scene();
        scene.listen(5);
        let peer = scene.client(5000);
        peer.sends("S 0");
        for segment in forged {
            peer.sends(segment);
        }
        let resets = scene.capture.lines(true).iter().filter(|line| line.contains("> R")).count();
        assert_eq!(resets, 2, "{:?}", scene.capture.lines(true));
    }
}

#[test]
fn data_beyond_the_window_of_our_syn_is_refused_although_later_windows_are_scaled() {
    // It has room for 65536 bytes, and a SYN can announce 65535.
    let scene = scene();
    scene.listen(5);
    let peer = scene.client(5000);
    peer.sends("S 0 scale 7");
    scene.capture.lines(true);
    peer.sends("P. 65536 ack 1 len 1");
    scene.sent(["0 > . 1:1 ack 1"]);
    peer.sends("P. 65536 ack 1 len 1000");
    peer.sends("P. 1 ack 1 len 100");
    let id = scene.host.with(|stack, _| stack.netstat().count());
    assert_eq!(id, 2);
    scene.until(1.0);
    scene.sent(["0.01 > . 1:1 ack 101"]);
    assert_eq!(scene.host.with(|stack, _| stack.counters().challenges), 1);
}

#[test]
fn data_up_to_the_end_of_the_window_of_our_syn_is_kept() {
    let scene = scene();
    let listener = scene.listen(5);
    let peer = scene.client(5000);
    peer.sends("S 0 scale 7");
    scene.capture.lines(true);
    // The last byte of the window, and then all before it.
    peer.sends("P. 65535 ack 1 len 1");
    for at in 0..46 {
        peer.sends(&format!("P. {} ack 1 len 1424", 1 + at * 1424));
    }
    peer.sends("P. 65505 ack 1 len 30");
    let id = scene.host.with(|stack, _| stack.tcp_accept(listener, 0)).unwrap();
    assert_eq!(scene.status(id).receivable, 65535);
}

#[test]
fn the_first_sequence_number_grows_between_two_connections_of_a_four_tuple() {
    for family in [Family::V4, Family::V6] {
        let scene = Scene::new(family, |_| {});
        let begin = |at: f64, port: u16| {
            scene.until(at);
            let (id, peer) = scene.connect_with(|request| request.local.port = port).unwrap();
            let first = peer.host_isn();
            scene.host.with(|stack, now| stack.tcp_close(now, id, Close::Silent));
            first
        };
        let first = begin(1.0, 50_000);
        // 15,625,000 in a second, to the microsecond.
        assert_eq!(begin(2.0, 50_000).wrapping_sub(first), 15_625_000);
        assert_eq!(begin(2.000_008, 50_000).wrapping_sub(first), 15_625_125);
        // It came round.
        assert_eq!(begin(301.0, 50_000).wrapping_sub(first), (15_625_000_u64 * 300) as u32);
        // Nobody knows another four-tuple's from it.
        let other = begin(301.0, 50_001).wrapping_sub(begin(301.0, 50_000));
        assert!(!(0..1_000_000).contains(&other) && other.wrapping_neg() > 1_000_000, "{other}");
    }
}
