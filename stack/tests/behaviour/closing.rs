//! Closing: both directions, in every order, and the rest afterwards.

use tapsock_stack::Counters;
use tapsock_stack::TcpId;
use tapsock_stack::event::{CauseKind, Happened};
use tapsock_stack::port::Family;
use tapsock_stack::sim::Pair;
use tapsock_stack::tcp::{Close, OpenError, Phase, ReceiveError, SendError, Take};
use tapsock_stack::time::Duration;
use tapsock_stack::wire::IpEndpoint;

use crate::scene::{Peer, Scene, connect, listen, pattern, scene, seconds};

fn shutdown(scene: &Scene, id: TcpId) {
    scene.host.with(|stack, now| stack.tcp_shutdown(now, id));
}

fn close(scene: &Scene, id: TcpId, how: Close) {
    scene.host.with(|stack, now| stack.tcp_close(now, id, how));
}

fn receive(scene: &Scene, id: TcpId) -> Result<usize, ReceiveError> {
    scene.host.with(|stack, now| stack.tcp_recv(now, id, &mut [0; 100_000], Take::Consume))
}

fn counters(scene: &Scene) -> Counters {
    scene.host.with(|stack, _| stack.counters().clone())
}

fn sockets(scene: &Scene) -> usize {
    scene.host.with(|stack, _| stack.sockets())
}

/// A connection whose active close is complete: it rests in TIME-WAIT.
fn resting(scene: &Scene) -> (TcpId, Peer<'_>) {
    let (id, peer) = scene.established();
    shutdown(scene, id);
    peer.sends("F. 1 ack 2");
    scene.capture.lines(true);
    scene.happened();
    (id, peer)
}

#[test]
fn the_active_close_in_order() {
    for family in [Family::V4, Family::V6] {
        let scene = Scene::new(family, |_| {});
        let (id, peer) = scene.established();
        shutdown(&scene, id);
        scene.sent(["0 > F. 1:2 ack 1"]);
        let sent = scene.host.with(|stack, now| stack.tcp_send(now, id, b"late", 100));
        assert_eq!(sent, Err(SendError::Shutdown));
        peer.sends(". 1 ack 2");
        assert_eq!(receive(&scene, id), Err(ReceiveError::WouldBlock));
        peer.sends("F. 1 ack 2");
        scene.sent(["0 > . 2:2 ack 2"]);
        let happened = scene.happened();
        assert!(happened.contains(Happened::PEER_CLOSED | Happened::FINISHED), "{happened:?}");
        assert_eq!(receive(&scene, id), Ok(0));
        assert_eq!(scene.phase(id), Phase::Connected, "it did not fail");
        scene.until(120.0);
        scene.sent([]);
    }
}

#[test]
fn the_last_fin_is_acknowledged_at_once_though_an_acknowledgment_of_data_waits() {
    let scene = scene();
    let (id, peer) = scene.established();
    shutdown(&scene, id);
    scene.sent(["0 > F. 1:2 ack 1"]);
    peer.sends("P. 1 ack 2 len 100");
    peer.sends("F. 101 ack 2");
    // Nothing sends it later: the socket is laid aside, and the program may end.
    scene.sent(["0 > . 2:2 ack 102"]);
    assert!(scene.happened().contains(Happened::FINISHED));
    scene.until(120.0);
    scene.sent([]);
}

#[test]
fn the_passive_close_in_order() {
    let scene = scene();
    let (id, peer) = scene.established();
    peer.sends("F. 1 ack 1");
    assert_eq!(scene.happened(), Happened::PEER_CLOSED);
    assert_eq!(receive(&scene, id), Ok(0));
    scene.until(0.1);
    scene.capture.lines(true);
    shutdown(&scene, id);
    scene.sent(["0.1 > F. 1:2 ack 2"]);
    peer.sends(". 2 ack 2");
    assert!(scene.happened().contains(Happened::FINISHED));
    // LAST-ACK leaves nothing behind: the tuple is free at once.
    peer.sends(". 2 ack 2");
    scene.sent(["0.1 > R 2:2"]);
    scene.until(120.0);
    scene.sent([]);
}

#[test]
fn a_half_closed_connection_carries_data_the_other_way() {
    let scene = scene();
    let (id, peer) = scene.established();
    shutdown(&scene, id);
    peer.sends(". 1 ack 2");
    scene.until(100.0);
    peer.sends("P. 1 ack 2 len 1000");
    assert_eq!(receive(&scene, id), Ok(1000));
    scene.until(200.0);
    peer.sends("F. 1001 ack 2 len 500");
    assert_eq!(receive(&scene, id), Ok(500));
    assert_eq!(receive(&scene, id), Ok(0));
    // The other half.
    let other = Scene::new(Family::V4, |_| {});
    let (id, peer) = other.established();
    peer.sends("F. 1 ack 1");
    other.until(100.0);
    other.capture.lines(true);
    other.send(id, &pattern(1000));
    shutdown(&other, id);
    other.sent(["100 > P. 1:1001 ack 2", "100 > F. 1001:1002 ack 2"]);
    peer.sends(". 2 ack 1002");
    assert!(other.happened().contains(Happened::FINISHED));
}

#[test]
fn both_sides_close_at_once() {
    let scene = scene();
    let (id, peer) = scene.established();
    shutdown(&scene, id);
    // CLOSING: the peer's FIN crosses ours.
    peer.sends("F. 1 ack 1");
    scene.until(0.05);
    scene.sent(["0 > F. 1:2 ack 1", "0 > . 2:2 ack 2"]);
    assert_eq!(receive(&scene, id), Ok(0));
    assert!(!scene.happened().contains(Happened::FINISHED));
    peer.sends(". 2 ack 2");
    assert!(scene.happened().contains(Happened::FINISHED));
    // It rests: a repeated FIN is answered.
    peer.sends("F. 1 ack 2");
    scene.sent(["0.05 > . 2:2 ack 2"]);
}

#[test]
fn a_fin_that_is_lost_is_repeated_whatever_is_acknowledged_meanwhile() {
    for duplicates in [0, 1, 3, 10] {
        let scene = scene();
        let (id, peer) = scene.established();
        shutdown(&scene, id);
        scene.sent(["0 > F. 1:2 ack 1"]);
        // The FIN never arrived, and the peer repeats what it has.
        for _ in 0..duplicates {
            peer.sends(". 1 ack 1");
        }
        scene.until(8.0);
        scene.sent(["1 > F. 1:2 ack 1", "3 > F. 1:2 ack 1", "7 > F. 1:2 ack 1"]);
        peer.sends(". 1 ack 2");
        scene.until(100.0);
        scene.sent([]);
        assert_eq!(scene.phase(id), Phase::Connected);
    }
}

#[test]
fn a_fin_lost_in_closing_is_repeated_too() {
    let scene = scene();
    let (id, peer) = scene.established();
    shutdown(&scene, id);
    peer.sends("F. 1 ack 1");
    for _ in 0..5 {
        peer.sends(". 2 ack 1");
    }
    scene.until(0.5);
    scene.capture.lines(true);
    scene.until(4.0);
    scene.sent(["1 > F. 1:2 ack 2", "3 > F. 1:2 ack 2"]);
    peer.sends(". 2 ack 2");
    assert!(scene.happened().contains(Happened::FINISHED));
}

#[test]
fn a_fin_lost_in_last_ack_is_repeated_and_given_up_after_five_times() {
    let scene = scene();
    let (id, peer) = scene.established();
    peer.sends("F. 1 ack 1");
    shutdown(&scene, id);
    for _ in 0..5 {
        peer.sends(". 2 ack 1");
    }
    scene.until(200.0);
    let lines = scene.capture.lines(true);
    let fins: Vec<_> = lines.iter().filter(|line| line.contains(" F")).collect();
    assert_eq!(fins.len(), 1 + 5, "{lines:?}");
    assert_eq!(scene.cause(id).kind, CauseKind::TimedOut);
}

#[test]
fn time_wait_answers_a_repeated_fin_and_ends_after_60_s() {
    let scene = scene();
    let (_, peer) = resting(&scene);
    scene.until(59.9);
    peer.sends("F. 1 ack 2");
    scene.sent(["59.9 > . 2:2 ack 2"]);
    assert_eq!(counters(&scene).time_wait_answers, 1);
    // Our record ends a minute after it began: RFC 9293 would begin anew at each FIN, but the
    // peer had its answer.
    scene.until(60.0);
    peer.sends("F. 1 ack 2");
    scene.sent(["60 > R 2:2"]);
    assert_eq!(counters(&scene).time_wait_answers, 1);
}

#[test]
fn time_wait_ignores_resets() {
    let scene = scene();
    let (_, peer) = resting(&scene);
    for reset in ["R 2", "R. 2 ack 2", "R 1", "R 100"] {
        peer.sends(reset);
    }
    scene.sent([]);
    // RFC 1337: it still answers.
    peer.sends("F. 1 ack 2");
    scene.sent(["0 > . 2:2 ack 2"]);
}

#[test]
fn time_wait_says_nothing_to_a_bare_acknowledgment_and_where_it_stands_to_data() {
    let scene = scene();
    let (_, peer) = resting(&scene);
    peer.sends(". 2 ack 2");
    scene.sent([]);
    peer.sends("P. 1 ack 2 len 5");
    scene.sent(["0 > . 2:2 ack 2"]);
}

#[test]
fn the_tuple_in_time_wait_is_in_use_and_afterwards_free() {
    let scene = scene();
    let (id, _) = resting(&scene);
    let local = scene.status(id).local;
    close(&scene, id, Close::Deliver);
    assert_eq!(sockets(&scene), 0);
    let again = || scene.connect_with(|request| request.local = local).map(|(id, _)| id);
    assert_eq!(again(), Err(OpenError::InUse));
    scene.until(59.999);
    assert_eq!(again(), Err(OpenError::InUse));
    scene.until(60.0);
    assert!(again().is_ok());
    scene.sent(["60 > S 0:1"]);
}

/// A listener's connection that the host closed first.
fn rested_server(scene: &Scene) -> Peer<'_> {
    let listener = scene.listen(5);
    let peer = scene.client(5000);
    peer.sends("S 0");
    peer.sends(". 1 ack 1");
    let id = scene.host.with(|stack, _| stack.tcp_accept(listener, 0)).unwrap();
    close(scene, id, Close::Deliver);
    peer.sends("F. 1 ack 2");
    scene.capture.lines(true);
    assert_eq!(scene.host.with(|stack, _| stack.delivering()), 0);
    peer
}

#[test]
fn time_wait_gives_way_to_a_newer_syn_and_not_to_an_older() {
    let scene = scene();
    let peer = rested_server(&scene);
    for old in ["S 0", "S 1", "S 2", "S -1000"] {
        peer.sends(old);
    }
    let answers = scene.capture.lines(true);
    assert_eq!(answers, ["0 > . 2:2 ack 2"; 4]);
    assert_eq!(counters(&scene).time_wait_reused, 0);
    // RFC 1122, section 4.2.2.13.
    peer.sends("S 3");
    let answers = scene.capture.lines(true);
    assert_eq!(answers, ["0 > S. 0:1 ack 4"]);
    assert_eq!(counters(&scene).time_wait_reused, 1);
    scene.happened();
    peer.sends(". 4 ack 1");
    assert_eq!(scene.happened(), Happened::ACCEPTABLE);
}

#[test]
fn at_most_so_many_tuples_rest_and_the_oldest_goes_first() {
    let scene = Scene::new(Family::V4, |config| config.time_wait_limit = 3);
    let mut peers = Vec::new();
    for _ in 0..5 {
        let (id, peer) = scene.established();
        shutdown(&scene, id);
        peer.sends("F. 1 ack 2");
        close(&scene, id, Close::Deliver);
        peers.push(peer);
    }
    scene.capture.lines(true);
    for peer in &peers {
        peer.sends("F. 1 ack 2");
    }
    let answers = scene.capture.lines(true);
    let resets = answers.iter().filter(|line| line.contains(" R ")).count();
    assert_eq!((resets, counters(&scene).time_wait_answers), (2, 3));
    assert!(answers[0].contains(" R ") && answers[1].contains(" R "));
}

#[test]
fn without_room_to_rest_a_close_is_still_a_close() {
    let scene = Scene::new(Family::V4, |config| config.time_wait_limit = 0);
    let (id, peer) = scene.established();
    shutdown(&scene, id);
    peer.sends("F. 1 ack 2");
    scene.sent(["0 > F. 1:2 ack 1", "0 > . 2:2 ack 2"]);
    assert!(scene.happened().contains(Happened::FINISHED));
}

#[test]
fn a_closed_connection_delivers_a_megabyte_and_then_its_fin() {
    for family in [0, 1] {
        let pair = Pair::new(1);
        let listener = listen(&pair.server, [Family::V4, Family::V6][family], 80, 5);
        let remote = IpEndpoint::new(Pair::addresses(2)[family], 80);
        let client = connect(&pair.client, remote).unwrap();
        pair.world.run_for(seconds(0.01));
        let server = pair.server.with(|stack, _| stack.tcp_accept(listener, 0)).unwrap();
        let data = pattern(1_000_000);
        pair.client.with(|stack, now| {
            assert_eq!(stack.tcp_send(now, client, &data, 65536), Ok(1_000_000));
            stack.tcp_close(now, client, Close::Deliver);
            assert!(stack.tcp(client).is_none());
            assert_eq!((stack.delivering(), stack.sockets()), (1, 1));
        });
        let mut received = Vec::new();
        let mut buffer = vec![0; 65536];
        loop {
            pair.world.run_for(seconds(0.001));
            match pair
                .server
                .with(|stack, now| stack.tcp_recv(now, server, &mut buffer, Take::Consume))
            {
                Ok(0) => break,
                Ok(taken) => received.extend_from_slice(&buffer[..taken]),
                Err(ReceiveError::WouldBlock) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
        assert!(received == data);
        pair.server.with(|stack, now| stack.tcp_close(now, server, Close::Deliver));
        pair.world.run_for(seconds(0.01));
        for host in [&pair.client, &pair.server] {
            assert_eq!(host.with(|stack, _| stack.delivering()), 0);
        }
        assert_eq!(pair.client.with(|stack, _| stack.sockets()), 0);
    }
}

#[test]
fn the_handle_of_a_closed_connection_is_stale_while_it_still_delivers() {
    let scene = scene();
    let (id, peer) = scene.established();
    scene.send(id, b"on its way");
    close(&scene, id, Close::Deliver);
    peer.sends("P. 1 ack 1 len 10");
    assert!(scene.host.with(|stack, _| stack.tcp(id).is_none()));
    assert_eq!(receive(&scene, id), Err(ReceiveError::NotConnected));
    let sent = scene.host.with(|stack, now| stack.tcp_send(now, id, b"more", 100));
    assert_eq!(sent, Err(SendError::NotConnected));
    shutdown(&scene, id);
    close(&scene, id, Close::Reset);
    assert_eq!(scene.host.with(|stack, _| stack.delivering()), 1);
    peer.sends("F. 11 ack 12");
    assert_eq!(scene.host.with(|stack, _| stack.delivering()), 0);
    assert!(scene.happened().is_empty(), "nobody is left to hear of it");
}

#[test]
fn data_after_the_close_is_answered_with_a_reset() {
    let scene = scene();
    let (id, peer) = scene.established();
    close(&scene, id, Close::Deliver);
    scene.sent(["0 > F. 1:2 ack 1"]);
    peer.sends(". 1 ack 2");
    scene.sent([]);
    peer.sends("P. 1 ack 2 len 10");
    let sent = scene.capture.lines(true);
    assert_eq!(sent.len(), 1, "{sent:?}");
    assert!(sent[0].contains("R. 2:2"), "{sent:?}");
    assert_eq!((sockets(&scene), counters(&scene).unread_resets), (0, 1));
    // The peer's own FIN is no data.
    let (id, peer) = scene.established();
    close(&scene, id, Close::Deliver);
    peer.sends("F. 1 ack 2");
    scene.capture.lines(true);
    assert_eq!((sockets(&scene), counters(&scene).unread_resets), (0, 1));
}

#[test]
fn a_close_with_unread_data_is_a_reset_and_without_it_a_fin() {
    let scene = scene();
    let (id, peer) = scene.established();
    peer.sends("P. 1 ack 1 len 10");
    scene.capture.lines(true);
    close(&scene, id, Close::Deliver);
    let sent = scene.capture.lines(true);
    assert!(sent.len() == 1 && sent[0].contains("R. 1:1"), "{sent:?}");
    assert_eq!((sockets(&scene), counters(&scene).unread_resets), (0, 1));
    let (id, peer) = scene.established();
    peer.sends("P. 1 ack 1 len 10");
    assert_eq!(receive(&scene, id), Ok(10));
    scene.capture.lines(true);
    close(&scene, id, Close::Deliver);
    let sent = scene.capture.lines(true);
    assert!(sent.len() == 1 && sent[0].contains("F. 1:2"), "{sent:?}");
    assert_eq!(counters(&scene).unread_resets, 1);
}

#[test]
fn what_was_sent_before_a_close_with_unread_data_is_delivered_before_the_reset() {
    let scene = scene();
    let (id, peer) = scene.established();
    scene.send(id, &pattern(1000));
    peer.sends("P. 1 ack 1 len 10");
    close(&scene, id, Close::Deliver);
    for at in (11..200_000).step_by(1000) {
        peer.sends(&format!("P. {at} ack 1 len 1000"));
        scene.until(scene.now() + 0.001);
    }
    // The window never closed, although nobody reads, and there was no RST.
    let sent = scene.capture.segments();
    assert!(sent.iter().all(|(_, segment)| !segment.flags.contains('R')), "delivered first");
    let ours = sent.iter().filter(|(seen, _)| seen.out);
    assert!(ours.clone().all(|(_, segment)| !segment.flags.contains('F')), "no end in order");
    let last = sent.into_iter().rfind(|(seen, _)| seen.out).unwrap().1;
    assert_eq!((last.window, counters(&scene).unread_resets), (65535, 0));
    assert_eq!(scene.host.with(|stack, _| stack.delivering()), 1);
    scene.capture.lines(true);
    peer.sends(". 200011 ack 1001");
    let sent = scene.capture.lines(true);
    assert!(sent.len() == 1 && sent[0].contains("R. "), "{sent:?}");
    assert_eq!((sockets(&scene), counters(&scene).unread_resets), (0, 1));
    assert_eq!(scene.host.with(|stack, _| stack.delivering()), 0);
}

#[test]
fn data_for_an_owner_who_reads_no_more_resets_the_connection() {
    for waiting in [true, false] {
        let scene = scene();
        let (id, peer) = scene.established();
        if waiting {
            peer.sends("P. 1 ack 1 len 10");
        }
        scene.capture.lines(true);
        scene.host.with(|stack, now| stack.tcp_stop_receiving(now, id));
        if !waiting {
            scene.sent([]);
            // Sending goes on, and so does hearing what arrived.
            scene.send(id, b"abc");
            scene.happened();
            peer.sends(". 1 ack 4");
            assert!(scene.happened().contains(Happened::WRITABLE));
            scene.capture.lines(true);
            peer.sends("P. 1 ack 4 len 10");
        }
        let sent = scene.capture.lines(true);
        assert!(sent.len() == 1 && sent[0].contains("R. "), "{sent:?}");
        assert_eq!(scene.cause(id).kind, CauseKind::Aborted);
        let what = scene.cause(id).to_string();
        assert_eq!(what.contains("left unread"), waiting, "{what}");
        assert!(scene.happened().contains(Happened::FAILED));
        assert_eq!(counters(&scene).unread_resets, 1);
        // Once more does nothing.
        scene.host.with(|stack, now| stack.tcp_stop_receiving(now, id));
        assert_eq!(counters(&scene).unread_resets, 1);
    }
}

#[test]
fn a_reset_close_resets() {
    let scene = scene();
    let (id, peer) = scene.established();
    scene.send(id, b"never acknowledged");
    close(&scene, id, Close::Reset);
    scene.sent(["0 > P. 1:19 ack 1", "0 > R. 19:19 ack 1"]);
    assert_eq!(sockets(&scene), 0);
    scene.until(100.0);
    scene.sent([]);
    peer.sends(". 1 ack 19");
    scene.sent(["100 > R 19:19"]);
}

#[test]
fn a_reset_behind_data_that_was_never_sent_has_the_number_of_what_was() {
    let scene = scene();
    let (id, peer) = scene.established();
    peer.sends(". 1 ack 1 win 1000");
    scene.send(id, &pattern(5000));
    let sent = scene.capture.lines(true);
    assert_eq!(sent, ["0 > . 1:1001 ack 1"]);
    close(&scene, id, Close::Reset);
    // The peer expects 1001 and takes a RST only there (RFC 5961, section 3.2).
    scene.sent(["0 > R. 1001:1001 ack 1"]);
}

#[test]
fn the_peers_reset_ends_a_connection_with_the_packet_as_evidence() {
    let scene = scene();
    let (id, peer) = scene.established();
    scene.until(5.0);
    peer.sends("R 1");
    let (kind, at, packet) = scene.packet(id);
    assert_eq!((kind, at), (CauseKind::Reset, 5.0));
    assert!(packet.number > 0);
    assert!(scene.happened().contains(Happened::FAILED));
    assert!(matches!(receive(&scene, id), Err(ReceiveError::Failed(_))));
    let sent = scene.host.with(|stack, now| stack.tcp_send(now, id, b"late", 100));
    assert!(matches!(sent, Err(SendError::Failed(_))));
    scene.until(100.0);
    scene.sent([]);
}

#[test]
fn a_reset_counts_only_at_the_number_that_is_expected() {
    // RFC 5961, section 3.2: elsewhere in the window it draws a challenge, outside it nothing.
    let scene = scene();
    let (id, peer) = scene.established();
    for wrong in ["R 0", "R -100", "R 70000"] {
        peer.sends(wrong);
        assert_eq!(scene.phase(id), Phase::Connected, "{wrong}");
    }
    scene.capture.lines(true);
    peer.sends("R 100");
    assert_eq!(scene.phase(id), Phase::Connected);
    scene.sent(["0 > . 1:1 ack 1"]);
    peer.sends("R 1");
    assert_eq!(scene.cause(id).kind, CauseKind::Reset);
}

#[test]
fn a_syn_within_a_connection_draws_a_challenge_and_ends_nothing() {
    for syn in ["S 0", "S 1", "S 100", "S 5000000", "S. 0 ack 1", "S. 1 ack 1"] {
        let scene = scene();
        let (id, peer) = scene.established();
        peer.sends(syn);
        // RFC 5961, section 4.2.
        scene.sent(["0 > . 1:1 ack 1"]);
        assert_eq!(scene.phase(id), Phase::Connected, "{syn}");
        peer.sends("P. 1 ack 1 len 10");
        assert_eq!(receive(&scene, id), Ok(10));
    }
}

#[test]
fn a_reset_that_comes_to_a_half_closed_connection_ends_it() {
    let scene = scene();
    let (id, peer) = scene.established();
    shutdown(&scene, id);
    peer.sends(". 1 ack 2");
    peer.sends("R 1");
    assert_eq!(scene.cause(id).kind, CauseKind::Reset);
}

#[test]
fn a_reset_in_last_ack_is_the_end_and_nobody_is_left() {
    let scene = scene();
    let (id, peer) = scene.established();
    peer.sends("F. 1 ack 1");
    close(&scene, id, Close::Deliver);
    assert_eq!(scene.host.with(|stack, _| stack.delivering()), 1);
    peer.sends("R 2");
    assert_eq!(scene.host.with(|stack, _| (stack.delivering(), stack.sockets())), (0, 0));
}

#[test]
fn a_released_connection_does_not_wait_for_the_peers_fin_for_ever() {
    let scene = scene();
    let (id, peer) = scene.established();
    scene.until(10.0);
    close(&scene, id, Close::Deliver);
    peer.sends(". 1 ack 2");
    scene.until(69.9);
    assert_eq!(scene.host.with(|stack, _| stack.delivering()), 1);
    scene.until(70.0);
    assert_eq!(scene.host.with(|stack, _| (stack.delivering(), stack.sockets())), (0, 0));
}

#[test]
fn a_released_connection_that_nobody_answers_ends() {
    let scene = scene();
    let (id, _) = scene.established();
    scene.send(id, b"last words");
    close(&scene, id, Close::Deliver);
    scene.until(200.0);
    assert_eq!(scene.host.with(|stack, _| (stack.delivering(), stack.sockets())), (0, 0));
    // Sent once, repeated five times.
    let lines = scene.capture.lines(true);
    let data = lines.iter().filter(|line| line.contains(" 1:11 ") || line.contains(" 1:12 "));
    assert_eq!(data.count(), 6, "{lines:?}");
    assert_eq!(scene.host.with(|stack, _| stack.poll_at()), None);
}

#[test]
fn a_released_connection_whose_peer_never_opens_its_window_ends() {
    let scene = scene();
    let (id, peer) = scene.established();
    peer.sends(". 1 ack 1 win 0");
    scene.send(id, b"never taken");
    close(&scene, id, Close::Deliver);
    for _ in 0..10_000 {
        scene.until(scene.now() + 10.0);
        if scene.host.with(|stack, _| stack.delivering()) == 0 {
            return;
        }
        // It answers every probe and takes nothing.
        if scene.capture.lines(true).iter().any(|line| line.contains('>')) {
            peer.sends(". 1 ack 1 win 0");
        }
    }
    panic!("held for {} s", scene.now());
}

#[test]
fn closing_a_failed_connection_sends_nothing() {
    for how in [Close::Deliver, Close::Reset, Close::Silent] {
        let scene = scene();
        let (id, peer) = scene.established();
        peer.sends("R 1");
        close(&scene, id, how);
        assert_eq!(sockets(&scene), 0);
        scene.until(100.0);
        scene.sent([]);
    }
}

#[test]
fn shutting_down_during_the_handshake_closes_behind_it() {
    let scene = scene();
    let (id, peer) = scene.connect();
    shutdown(&scene, id);
    scene.sent(["0 > S 0:1"]);
    peer.sends("S. 0 ack 1");
    let lines = scene.capture.lines(true);
    assert_eq!(lines.last().unwrap(), "0 > F. 1:2 ack 1");
}

#[test]
fn a_closed_tuple_rests_as_long_as_it_is_told() {
    let scene = Scene::new(Family::V4, |config| config.time_wait = Duration::from_secs(5));
    let (_, peer) = resting(&scene);
    scene.until(4.9);
    peer.sends("F. 1 ack 2");
    scene.sent(["4.9 > . 2:2 ack 2"]);
    scene.until(5.0);
    peer.sends("F. 1 ack 2");
    scene.sent(["5 > R 2:2"]);
}
