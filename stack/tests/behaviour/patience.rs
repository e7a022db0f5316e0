//! When an established connection is given up, and when it is not.

use tapsock_stack::TcpId;
use tapsock_stack::event::{Asked, CauseKind, Happened};
use tapsock_stack::port::Family;
use tapsock_stack::tcp::{KeepAlive, Phase, TcpOptions};
use tapsock_stack::time::Duration;

use crate::scene::{Scene, pattern, scene};

const HOUR: f64 = 3600.0;

fn set(scene: &Scene, id: TcpId, options: TcpOptions) {
    scene.host.with(|stack, now| stack.tcp_set(now, id, &options));
}

/// Seconds, seconds, probes.
fn keep_alive(idle: u64, interval: u64, count: u8) -> TcpOptions {
    let (idle, interval) = (Duration::from_secs(idle), Duration::from_secs(interval));
    TcpOptions { keep_alive: Some(KeepAlive { idle, interval, count }), ..Default::default() }
}

#[test]
fn a_vanished_peer_gets_five_retransmissions_and_then_the_connection_times_out() {
    for family in [Family::V4, Family::V6] {
        let scene = Scene::new(family, |_| {});
        let (id, _) = scene.established();
        scene.send(id, b"hello");
        scene.until(62.9);
        assert_eq!(scene.phase(id), Phase::Connected);
        scene.until(63.0);
        scene.sent([
            "0 > P. 1:6 ack 1",
            "1 > P. 1:6 ack 1",
            "3 > P. 1:6 ack 1",
            "7 > P. 1:6 ack 1",
            "15 > P. 1:6 ack 1",
            "31 > P. 1:6 ack 1",
        ]);
        assert_eq!(scene.silence(id), (CauseKind::TimedOut, 63.0, Asked::Retransmission, 5, 63.0));
        assert!(scene.happened().contains(Happened::FAILED));
        scene.until(HOUR);
        scene.sent([]);
    }
}

#[test]
fn the_number_of_retransmissions_is_what_was_configured() {
    let scene = Scene::new(Family::V4, |config| config.data_retries = 2);
    let (id, _) = scene.established();
    scene.send(id, b"hello");
    scene.until(7.0);
    scene.sent(["0 > P. 1:6 ack 1", "1 > P. 1:6 ack 1", "3 > P. 1:6 ack 1"]);
    assert_eq!(scene.silence(id), (CauseKind::TimedOut, 7.0, Asked::Retransmission, 2, 7.0));
}

#[test]
fn every_acknowledgment_begins_the_count_anew() {
    let scene = scene();
    let (id, peer) = scene.established();
    for round in 0..10u32 {
        let begin = scene.now();
        scene.send(id, b"hello");
        // Four of the five retransmissions.
        scene.until(begin + 20.0);
        peer.sends(&format!(". 1 ack {}", 1 + 5 * (round + 1)));
        assert_eq!(scene.status(id).queued, 0);
    }
    assert_eq!(scene.phase(id), Phase::Connected);
    assert!(scene.happened().contains(Happened::WRITABLE));
}

#[test]
fn what_else_the_peer_says_does_not_hide_that_it_takes_nothing() {
    let scene = scene();
    let (id, peer) = scene.established();
    scene.send(id, b"hello");
    // Data of its own, each time acknowledging nothing of ours.
    for second in 1..63 {
        scene.until(f64::from(second));
        peer.sends(&format!("P. {second} ack 1 len 1"));
    }
    scene.until(63.0);
    assert_eq!(scene.cause(id).kind, CauseKind::TimedOut);
}

#[test]
fn a_budget_replaces_the_count() {
    let scene = scene();
    let (id, _) = scene.established();
    set(&scene, id, TcpOptions { max_rt: Some(Duration::from_secs(10)), ..Default::default() });
    scene.until(100.0);
    scene.send(id, b"hello");
    scene.until(109.9);
    assert_eq!(scene.phase(id), Phase::Connected);
    scene.until(110.0);
    scene.sent([
        "100 > P. 1:6 ack 1",
        "101 > P. 1:6 ack 1",
        "103 > P. 1:6 ack 1",
        "107 > P. 1:6 ack 1",
    ]);
    assert_eq!(scene.silence(id), (CauseKind::TimedOut, 110.0, Asked::Retransmission, 3, 10.0));
}

#[test]
fn a_budget_of_the_attempt_holds_for_the_connection_too() {
    let scene = scene();
    let (id, _) = scene.established_with(|request| {
        request.max_rt = Some(Duration::from_secs(2));
    });
    scene.send(id, b"hello");
    scene.until(2.0);
    assert_eq!(scene.silence(id), (CauseKind::TimedOut, 2.0, Asked::Retransmission, 1, 2.0));
}

#[test]
fn a_budget_without_end_never_gives_up() {
    let scene = scene();
    let (id, peer) = scene.established();
    set(&scene, id, TcpOptions { max_rt: Some(Duration::MAX), ..Default::default() });
    scene.send(id, b"hello");
    scene.until(24.0 * HOUR);
    assert_eq!(scene.phase(id), Phase::Connected);
    // 63 s to the first step of a minute, then one a minute.
    let sent = scene.capture.lines(true).len();
    assert!((1430..1450).contains(&sent), "{sent}");
    peer.sends(". 1 ack 6");
    assert_eq!(scene.status(id).queued, 0);
}

#[test]
fn a_budget_is_of_silence_and_not_of_age() {
    let scene = scene();
    let (id, peer) = scene.established();
    set(&scene, id, TcpOptions { max_rt: Some(Duration::from_secs(3)), ..Default::default() });
    scene.send(id, &pattern(14_600));
    for step in 1..=10 {
        scene.until(2.0 * f64::from(step));
        peer.sends(&format!(". 1 ack {}", 1 + 1460 * step));
    }
    assert_eq!((scene.phase(id), scene.status(id).queued), (Phase::Connected, 0));
    scene.until(HOUR);
    assert_eq!(scene.phase(id), Phase::Connected);
}

#[test]
fn a_closed_window_is_probed_for_hours_while_the_peer_answers() {
    let scene = scene();
    let (id, peer) = scene.established();
    peer.sends(". 1 ack 1 win 0");
    scene.send(id, &pattern(100));
    let mut probes = Vec::new();
    let mut passed = 0.0;
    while passed < 5.0 * HOUR {
        passed += 1.0;
        scene.until(passed);
        let lines = scene.capture.lines(true);
        if lines.iter().any(|line| line.contains(" > ")) {
            probes.push(passed);
            peer.sends(". 1 ack 1 win 0");
        }
    }
    assert_eq!(scene.phase(id), Phase::Connected);
    // Backed off (RFC 9293, section 3.8.6.1) to one a minute.
    assert!((290..320).contains(&probes.len()), "{}", probes.len());
    let last = &probes[probes.len() - 2..];
    assert!(last[1] - last[0] <= 60.0);
    // The window opens, and everything arrives.
    peer.sends(". 1 ack 1 win 1000");
    scene.until(passed + 0.1);
    let segments = scene.capture.segments();
    let last = &segments.last().unwrap().1;
    assert_eq!(last.payload.len(), 100);
    assert_eq!(last.payload, pattern(100));
}

#[test]
fn a_closed_window_that_nobody_stands_behind_any_more_is_given_up() {
    let scene = scene();
    let (id, peer) = scene.established();
    peer.sends(". 1 ack 1 win 0");
    scene.send(id, &pattern(100));
    scene.until(HOUR);
    let (kind, _, asked, sent, _) = scene.silence(id);
    assert_eq!((kind, asked, sent), (CauseKind::TimedOut, Asked::Probe, 5));
    let probes = scene.capture.segments();
    let probes = probes.iter().filter(|(seen, tcp)| seen.out && tcp.payload.len() == 1);
    assert_eq!(probes.count(), 5);
}

#[test]
fn a_peer_that_stops_answering_probes_is_given_up_five_probes_later() {
    let scene = scene();
    let (id, peer) = scene.established();
    peer.sends(". 1 ack 1 win 0");
    scene.send(id, &pattern(100));
    let mut answered = 0;
    while answered < 10 {
        scene.until(scene.now() + 1.0);
        if scene.capture.lines(true).iter().any(|line| line.contains(" > ")) {
            peer.sends(". 1 ack 1 win 0");
            answered += 1;
        }
    }
    scene.until(scene.now() + HOUR);
    let (kind, _, asked, sent, _) = scene.silence(id);
    assert_eq!((kind, asked, sent), (CauseKind::TimedOut, Asked::Probe, 5));
}

#[test]
fn a_window_update_that_was_lost_is_found_by_the_probe() {
    let scene = scene();
    let (id, peer) = scene.established();
    peer.sends(". 1 ack 1 win 0");
    scene.send(id, &pattern(100));
    // The window opened long ago, and the answer to a probe says so.
    scene.until(16.0);
    scene.sent(["0 > . 1:2 ack 1", "2 > . 1:2 ack 1", "6 > . 1:2 ack 1", "14 > . 1:2 ack 1"]);
    peer.sends(". 1 ack 1 win 500");
    scene.until(16.1);
    assert!(scene.capture.lines(true).iter().any(|line| line.contains("1:101")));
}

#[test]
fn an_idle_connection_is_never_closed_and_sends_nothing() {
    let scene = scene();
    let (id, peer) = scene.established();
    peer.sends("P. 1 ack 1 len 5");
    scene.send(id, b"hello");
    peer.sends(". 6 ack 6");
    scene.until(1.0);
    scene.capture.lines(true);
    assert_eq!(scene.host.with(|stack, _| stack.poll_at()), None, "not even a timer");
    scene.until(30.0 * 24.0 * HOUR);
    scene.sent([]);
    assert_eq!(scene.phase(id), Phase::Connected);
    peer.sends("P. 6 ack 6 len 5");
    assert_eq!(scene.status(id).receivable, 10);
}

#[test]
fn keep_alive_probes_that_are_answered_keep_a_connection() {
    let scene = scene();
    let (id, peer) = scene.established();
    set(&scene, id, keep_alive(10, 3, 5));
    for round in 1..=100 {
        scene.until(10.0 * f64::from(round) + 0.001);
        let lines = scene.capture.lines(true);
        assert_eq!(lines.len(), 1, "{lines:?}");
        peer.sends(". 1 ack 1");
    }
    assert_eq!(scene.phase(id), Phase::Connected);
    // Without data of the connection's own.
    assert_eq!(scene.status(id).queued, 0);
}

#[test]
fn keep_alive_probes_that_nobody_answers_end_it() {
    for family in [Family::V4, Family::V6] {
        let scene = Scene::new(family, |_| {});
        let (id, _) = scene.established();
        set(&scene, id, keep_alive(10, 3, 4));
        scene.until(21.9);
        assert_eq!(scene.phase(id), Phase::Connected);
        scene.until(22.0);
        scene.sent([
            "10 > . 0:0 ack 1",
            "13 > . 0:0 ack 1",
            "16 > . 0:0 ack 1",
            "19 > . 0:0 ack 1",
        ]);
        assert_eq!(scene.silence(id), (CauseKind::TimedOut, 22.0, Asked::KeepAlive, 4, 12.0));
        assert!(scene.happened().contains(Happened::FAILED));
        scene.until(HOUR);
        scene.sent([]);
    }
}

#[test]
fn the_defaults_are_two_hours_a_second_and_ten_probes() {
    let scene = scene();
    let (id, _) = scene.established();
    let keep_alive = Some(KeepAlive::DEFAULT);
    set(&scene, id, TcpOptions { keep_alive, ..Default::default() });
    scene.until(7209.9);
    assert_eq!(scene.capture.lines(true).len(), 10);
    scene.until(7210.0);
    assert_eq!(scene.silence(id), (CauseKind::TimedOut, 7210.0, Asked::KeepAlive, 10, 10.0));
}

#[test]
fn any_segment_of_the_peer_begins_its_silence_anew() {
    let scene = scene();
    let (id, peer) = scene.established();
    set(&scene, id, keep_alive(10, 1, 3));
    scene.until(9.0);
    peer.sends("P. 1 ack 1 len 5");
    scene.until(12.0);
    scene.sent(["9.01 > . 1:1 ack 6"]);
    // Two of three answers are lost.
    scene.until(21.5);
    scene.sent(["19 > . 0:0 ack 6", "20 > . 0:0 ack 6", "21 > . 0:0 ack 6"]);
    peer.sends(". 6 ack 1");
    scene.until(31.4);
    scene.sent([]);
    scene.until(31.5);
    scene.sent(["31.5 > . 0:0 ack 6"]);
    assert_eq!(scene.phase(id), Phase::Connected);
}

#[test]
fn what_is_sent_is_repeated_and_not_probed() {
    let scene = scene();
    let (id, peer) = scene.established();
    set(&scene, id, keep_alive(2, 1, 1));
    scene.send(id, b"hello");
    scene.until(10.0);
    scene.sent(["0 > P. 1:6 ack 1", "1 > P. 1:6 ack 1", "3 > P. 1:6 ack 1", "7 > P. 1:6 ack 1"]);
    peer.sends(". 1 ack 6");
    scene.until(12.0);
    scene.sent(["12 > . 5:5 ack 1"]);
}

#[test]
fn probing_may_be_switched_off_and_begins_anew_when_it_is_switched_on() {
    let scene = scene();
    let (id, _) = scene.established();
    set(&scene, id, keep_alive(10, 3, 2));
    scene.until(11.0);
    scene.sent(["10 > . 0:0 ack 1"]);
    set(&scene, id, TcpOptions::default());
    scene.until(100.0);
    scene.sent([]);
    assert_eq!(scene.host.with(|stack, _| stack.poll_at()), None, "no timer is left");
    set(&scene, id, keep_alive(10, 3, 2));
    scene.until(109.9);
    scene.sent([]);
    scene.until(113.0);
    scene.sent(["110 > . 0:0 ack 1", "113 > . 0:0 ack 1"]);
    scene.until(116.0);
    assert_eq!(scene.silence(id), (CauseKind::TimedOut, 116.0, Asked::KeepAlive, 2, 6.0));
}

#[test]
fn probes_and_challenges_have_the_hop_limit_of_their_connection() {
    let scene = scene();
    let (id, peer) = scene.established();
    set(&scene, id, TcpOptions { hop_limit: Some(7), ..keep_alive(1, 1, 1) });
    scene.until(1.0);
    assert_eq!(scene.capture.segments().last().unwrap().1.hop_limit, 7);
    peer.sends("S 100");
    scene.sent(["1 > . 0:0 ack 1", "1 > . 1:1 ack 1"]);
    assert_eq!(scene.capture.segments().last().unwrap().1.hop_limit, 7);
}

#[test]
fn a_budget_bears_with_whoever_answers() {
    let scene = scene();
    let (id, peer) = scene.established();
    let max_rt = Some(Duration::from_secs(30));
    set(&scene, id, TcpOptions { max_rt, ..keep_alive(10, 10, 5) });
    let answer = |window: u32, until: f64| {
        while scene.now() < until {
            scene.until(scene.now() + 1.0);
            if !scene.capture.lines(true).is_empty() {
                peer.sends(&format!(". 1 ack 1 win {window}"));
            }
        }
    };
    answer(65535, 200.0);
    assert_eq!(scene.phase(id), Phase::Connected, "idle");
    peer.sends(". 1 ack 1 win 0");
    scene.send(id, &pattern(100));
    answer(0, 400.0);
    assert_eq!(scene.phase(id), Phase::Connected, "the window is closed");
    let last = scene.now();
    scene.until(last + 100.0);
    let (kind, at, asked, _, waited) = scene.silence(id);
    assert_eq!((kind, asked, waited), (CauseKind::TimedOut, Asked::Probe, 30.0));
    assert!(at - last < 90.0);
}

#[test]
fn a_peer_that_takes_nothing_of_what_was_sent_and_says_so_is_alive() {
    let scene = scene();
    let (id, peer) = scene.established();
    scene.send(id, &pattern(1000));
    // Its buffer is full: it drops the segment and says that there is no room.
    while scene.now() < HOUR {
        scene.until(scene.now() + 1.0);
        if !scene.capture.lines(true).is_empty() {
            peer.sends(". 1 ack 1 win 0");
        }
    }
    assert_eq!(scene.phase(id), Phase::Connected);
    scene.until(scene.now() + HOUR);
    assert_eq!(scene.cause(id).kind, CauseKind::TimedOut);
}

#[test]
fn a_keep_alive_probe_of_the_peer_is_answered() {
    let scene = scene();
    let (_, peer) = scene.established();
    peer.sends("P. 1 ack 1 len 5");
    scene.until(1.0);
    scene.capture.lines(true);
    for at in [100.0, 200.0, 300.0] {
        scene.until(at);
        peer.sends(". 5 ack 1");
        let lines = scene.capture.lines(true);
        assert_eq!(lines, [format!("{at} > . 1:1 ack 6")]);
    }
    scene.until(400.0);
    peer.sends(". 5 ack 1 len 1");
    scene.sent(["400 > . 1:1 ack 6"]);
}

#[test]
fn a_peer_that_acknowledges_a_byte_at_a_time_is_not_given_up() {
    let scene = scene();
    let (id, peer) = scene.established();
    scene.send(id, &pattern(60));
    for byte in 1..=60 {
        scene.until(50.0 * f64::from(byte));
        peer.sends(&format!(". 1 ack {}", 1 + byte));
    }
    assert_eq!((scene.phase(id), scene.status(id).queued), (Phase::Connected, 0));
}

#[test]
fn a_neighbor_that_vanishes_under_a_connection_ends_it_as_a_silence() {
    use tapsock_stack::sim::Pair;
    use tapsock_stack::wire::IpEndpoint;
    let pair = Pair::new(1);
    crate::scene::listen(&pair.server, Family::V4, 80, 5);
    let remote = IpEndpoint::new(Pair::addresses(2)[0], 80);
    let id = crate::scene::connect(&pair.client, remote).unwrap();
    pair.world.run_for(crate::scene::seconds(1.0));
    pair.server.set_link_up(false);
    // Long enough for the neighbor to be asked anew, in vain.
    pair.world.run_for(crate::scene::seconds(120.0));
    pair.client.with(|stack, now| stack.tcp_send(now, id, b"hello", 100)).unwrap();
    pair.world.run_for(crate::scene::seconds(100.0));
    let cause = pair.client.with(|stack, _| stack.tcp(id).unwrap().cause.unwrap());
    assert_eq!(cause.kind, CauseKind::TimedOut);
}
