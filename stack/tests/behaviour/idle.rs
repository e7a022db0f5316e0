//! What rests gives its memory back, and nothing that is still needed.

use tapsock_stack::TcpId;
use tapsock_stack::tcp::Take;

use crate::scene::{Scene, pattern, scene};

fn returned(scene: &Scene) -> u64 {
    scene.host.with(|stack, _| stack.counters().rings_returned)
}

fn receive(scene: &Scene, id: TcpId) -> Vec<u8> {
    let mut bytes = vec![0; 100_000];
    let taken = scene.host.with(|stack, now| stack.tcp_recv(now, id, &mut bytes, Take::Consume));
    bytes.truncate(taken.unwrap_or(0));
    bytes
}

#[test]
fn rings_that_were_never_used_have_nothing_to_give() {
    let scene = scene();
    scene.established();
    scene.until(100.0);
    assert_eq!(returned(&scene), 0);
    assert_eq!(scene.host.with(|stack, _| stack.poll_at()), None);
}

#[test]
fn rings_give_their_memory_back_once_they_rest_and_work_again() {
    let scene = scene();
    let (id, peer) = scene.established();
    for round in 0..3 {
        let (there, back) = (1 + 100 * round, 1 + 200 * round);
        peer.sends(&format!("P. {there} ack {back} len 100"));
        assert_eq!(receive(&scene, id), pattern(100));
        scene.send(id, &pattern(200));
        scene.until(scene.now() + 0.1);
        peer.sends(&format!(". {} ack {}", there + 100, back + 200));
        assert_eq!(returned(&scene), round as u64);
        scene.until(scene.now() + 0.8);
        assert_eq!(returned(&scene), round as u64, "within a second of rest");
        scene.until(scene.now() + 2.0);
        assert_eq!(returned(&scene), round as u64 + 1);
    }
    let payloads = scene.capture.segments().into_iter().filter(|(seen, _)| seen.out);
    let sent: Vec<u8> = payloads.flat_map(|(_, tcp)| tcp.payload).collect();
    assert_eq!(sent, pattern(200).repeat(3));
    assert_eq!(scene.host.with(|stack, _| stack.poll_at()), None, "once, not for ever");
}

#[test]
fn a_busy_connection_keeps_its_rings() {
    let scene = scene();
    let (id, peer) = scene.established();
    for round in 0..40 {
        peer.sends(&format!("P. {} ack 1 len 100", 1 + 100 * round));
        receive(&scene, id);
        scene.until(scene.now() + 0.25);
    }
    assert_eq!(returned(&scene), 0);
}

#[test]
fn what_is_unread_stays() {
    let scene = scene();
    let (id, peer) = scene.established();
    peer.sends("P. 1 ack 1 len 1000");
    scene.until(30.0);
    assert_eq!(returned(&scene), 0);
    assert_eq!(receive(&scene, id), pattern(1000));
    scene.until(33.0);
    assert_eq!(returned(&scene), 1, "read, it is of no use any more");
}

#[test]
fn what_waits_for_the_bytes_before_it_stays() {
    let scene = scene();
    let (id, peer) = scene.established();
    peer.sends("P. 1 ack 1 len 50");
    assert_eq!(receive(&scene, id).len(), 50);
    peer.sends("P. 1051 ack 1 len 500");
    peer.sends("P. 1551 ack 1 len 500");
    scene.until(30.0);
    assert_eq!(returned(&scene), 0);
    peer.sends("P. 51 ack 1 len 1000");
    let expected = [pattern(1000), pattern(500), pattern(500)].concat();
    assert_eq!(receive(&scene, id), expected);
    scene.until(33.0);
    assert_eq!(returned(&scene), 1);
}

#[test]
fn what_is_not_acknowledged_stays() {
    let scene = scene();
    let (id, peer) = scene.established();
    scene.send(id, &pattern(700));
    scene.until(5.0);
    assert_eq!(returned(&scene), 0);
    let copies: Vec<_> = scene.capture.segments();
    let copies: Vec<_> = copies.into_iter().filter(|(_, tcp)| !tcp.payload.is_empty()).collect();
    assert!(copies.len() > 2);
    assert!(copies.iter().all(|(_, tcp)| tcp.payload == pattern(700)));
    peer.sends(". 1 ack 701");
    scene.until(8.0);
    assert_eq!(returned(&scene), 1);
}
