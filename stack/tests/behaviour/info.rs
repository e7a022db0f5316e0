//! What a connection tells about itself in numbers.

use tapsock_stack::TcpId;
use tapsock_stack::port::Family;
use tapsock_stack::tcp::{Acknowledge, TcpInfo, TcpOptions, TcpState};

use crate::scene::{Scene, pattern, scene, seconds};

fn info(scene: &Scene, id: TcpId) -> TcpInfo {
    scene.host.with(|stack, _| stack.tcp_info(id)).unwrap()
}

#[test]
fn every_byte_is_counted_once_and_under_what_it_is() {
    let scene = scene();
    let (id, peer) = scene.established();
    scene.send(id, &pattern(3000));
    scene.settle();
    let sent = info(&scene, id);
    // No more than the initial congestion window.
    assert_eq!((sent.bytes_out, sent.bytes_in_flight), (1460, 1460));
    assert_eq!((sent.bytes_retransmitted, sent.timeout_episodes), (0, 0));
    for acknowledged in [1461, 2921, 3001] {
        scene.until(scene.now() + 0.1);
        peer.sends(&format!(". 1 ack {acknowledged}"));
    }
    let done = info(&scene, id);
    assert_eq!((done.bytes_out, done.bytes_in_flight), (3000, 0));
    assert_eq!(done.send_window, 65_535);
    peer.sends("P. 1 ack 3001 len 5");
    // A gap, and what fills it.
    peer.sends("P. 16 ack 3001 len 10");
    assert_eq!((info(&scene, id).bytes_in, info(&scene, id).bytes_reordered), (5, 10));
    peer.sends("P. 6 ack 3001 len 10");
    let info = info(&scene, id);
    assert_eq!((info.bytes_in, info.bytes_reordered), (25, 10));
    assert_eq!((info.state, info.duplicate_acks), (TcpState::Established, 0));
}

#[test]
fn a_time_out_is_an_episode_however_often_it_repeats() {
    let scene = scene();
    let (id, peer) = scene.established();
    scene.send(id, &pattern(100));
    scene.until(8.0);
    let lost = info(&scene, id);
    assert_eq!((lost.timeout_episodes, lost.bytes_retransmitted), (1, 300));
    assert_eq!((lost.bytes_out, lost.fast_retransmits), (100, 0));
    peer.sends(". 1 ack 101");
    scene.send(id, &pattern(100));
    scene.until(scene.now() + 20.0);
    assert_eq!(info(&scene, id).timeout_episodes, 2);
}

#[test]
fn three_duplicates_are_a_fast_retransmit_and_no_time_out() {
    let scene = scene();
    let (id, peer) = scene.established();
    scene.send(id, &pattern(2000));
    for _ in 0..3 {
        peer.sends(". 1 ack 1");
    }
    scene.settle();
    let info = info(&scene, id);
    assert_eq!((info.duplicate_acks, info.fast_retransmits, info.timeout_episodes), (3, 1, 0));
    assert_eq!(info.bytes_retransmitted, 1460);
}

#[test]
fn a_window_update_is_no_duplicate() {
    let scene = scene();
    let (id, peer) = scene.established();
    scene.send(id, &pattern(100));
    peer.sends(". 1 ack 1 win 60000");
    assert_eq!(info(&scene, id).duplicate_acks, 0);
    peer.sends(". 1 ack 1 win 60000");
    assert_eq!(info(&scene, id).duplicate_acks, 1);
    assert_eq!(info(&scene, id).send_window, 60_000);
}

#[test]
fn the_round_trip_is_smoothed_and_never_of_what_was_sent_twice() {
    let scene = scene();
    let (id, peer) = scene.connect();
    scene.until(0.2);
    peer.sends("S. 0 ack 1");
    let first = info(&scene, id);
    assert_eq!((first.rtt, first.min_rtt), (Some(seconds(0.2)), Some(seconds(0.2))));
    scene.send(id, b"hello");
    scene.until(0.3);
    peer.sends(". 1 ack 6");
    // 7/8 of 200 ms and 1/8 of 100 ms.
    let second = info(&scene, id);
    assert_eq!((second.rtt, second.min_rtt), (Some(seconds(0.1875)), Some(seconds(0.1))));
    scene.send(id, b"hello");
    scene.until(5.0);
    peer.sends(". 1 ack 11");
    assert_eq!(info(&scene, id).rtt, Some(seconds(0.1875)));
}

#[test]
fn a_syn_that_was_repeated_is_counted_and_not_timed() {
    let scene = scene();
    let (id, peer) = scene.connect();
    scene.until(3.5);
    assert_eq!(info(&scene, id).state, TcpState::SynSent);
    peer.sends("S. 0 ack 1");
    let info = info(&scene, id);
    assert_eq!((info.syn_retransmits, info.rtt), (2, None));
    assert!(info.connected_at.is_some());
}

#[test]
fn the_segment_size_is_the_smaller_of_the_two() {
    for (family, mss, expected) in [
        (Family::V4, 1000, 1000),
        (Family::V4, 9000, 1460),
        (Family::V6, 1000, 1000),
        (Family::V6, 9000, 1440),
    ] {
        let scene = Scene::new(family, |_| {});
        let (id, peer) = scene.connect();
        peer.sends(&format!("S. 0 ack 1 mss {mss}"));
        assert_eq!(info(&scene, id).mss, expected);
    }
}

#[test]
fn segments_are_acknowledged_at_once_where_that_is_asked() {
    let scene = scene();
    let (id, peer) = scene.established();
    peer.sends("P. 1 ack 1 len 5");
    scene.sent([]);
    scene.until(1.0);
    scene.sent(["0.01 > . 1:1 ack 6"]);
    let acknowledge = Acknowledge::AtOnce;
    let options = TcpOptions { acknowledge, ..TcpOptions::default() };
    scene.host.with(|stack, now| stack.tcp_set(now, id, &options));
    peer.sends("P. 6 ack 1 len 5");
    scene.sent(["1 > . 1:1 ack 11"]);
}

#[test]
fn small_segments_wait_for_the_acknowledgment_of_the_one_before_unless_told_not_to() {
    let scene = scene();
    let (id, peer) = scene.established();
    for data in [b"one", b"two", b"six"] {
        scene.send(id, data);
    }
    scene.sent(["0 > P. 1:4 ack 1"]);
    scene.until(0.5);
    peer.sends(". 1 ack 4");
    // What waited goes out in one segment.
    scene.sent(["0.5 > P. 4:10 ack 1"]);
    peer.sends(". 1 ack 10");
    let options = TcpOptions { nodelay: true, ..TcpOptions::default() };
    scene.host.with(|stack, now| stack.tcp_set(now, id, &options));
    for data in [b"one", b"two"] {
        scene.send(id, data);
    }
    scene.sent(["0.5 > P. 10:13 ack 1", "0.5 > P. 13:16 ack 1"]);
    // Whoever waits when it is switched on is let go.
    peer.sends(". 1 ack 16");
    scene.host.with(|stack, now| stack.tcp_set(now, id, &TcpOptions::default()));
    scene.send(id, b"one");
    scene.send(id, b"two");
    scene.sent(["0.5 > P. 16:19 ack 1"]);
    scene.host.with(|stack, now| stack.tcp_set(now, id, &options));
    scene.sent(["0.5 > P. 19:22 ack 1"]);
}
