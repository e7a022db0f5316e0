//! A FIN that comes alone: acknowledged at once, or with what goes the other way.

use tapsock_stack::config::LoneFin;
use tapsock_stack::port::Family;
use tapsock_stack::tcp::{Acknowledge, Close, TcpOptions};

use crate::scene::{Scene, scene};

fn delaying(family: Family) -> Scene {
    Scene::new(family, |config| config.lone_fin = LoneFin::Delayed)
}

#[test]
fn it_is_acknowledged_after_ten_milliseconds_where_nothing_goes_the_other_way() {
    for family in [Family::V4, Family::V6] {
        let scene = delaying(family);
        let (_, peer) = scene.established();
        peer.sends("F. 1 ack 1");
        scene.until(0.009_999);
        scene.sent([]);
        scene.until(0.01);
        scene.sent(["0.01 > . 1:1 ack 2"]);
        scene.until(10.0);
        scene.sent([]);
    }
}

#[test]
fn a_close_in_answer_acknowledges_it() {
    for family in [Family::V4, Family::V6] {
        let scene = delaying(family);
        let (id, peer) = scene.established();
        peer.sends("F. 1 ack 1");
        scene.until(0.005);
        scene.host.with(|stack, now| stack.tcp_close(now, id, Close::Deliver));
        scene.sent(["0.005 > F. 1:2 ack 2"]);
        peer.sends(". 2 ack 2");
        scene.until(10.0);
        scene.sent([]);
        assert_eq!(scene.host.with(|stack, _| stack.sockets()), 0);
    }
}

#[test]
fn so_does_data() {
    let scene = delaying(Family::V4);
    let (id, peer) = scene.established();
    peer.sends("F. 1 ack 1");
    scene.until(0.005);
    scene.send(id, b"answer");
    scene.sent(["0.005 > P. 1:7 ack 2"]);
    peer.sends(". 2 ack 7");
    scene.until(1.0);
    scene.sent([]);
}

#[test]
fn a_fin_that_is_repeated_meanwhile_is_acknowledged() {
    let scene = delaying(Family::V4);
    let (_, peer) = scene.established();
    peer.sends("F. 1 ack 1");
    scene.until(0.005);
    peer.sends("F. 1 ack 1");
    scene.sent(["0.005 > . 1:1 ack 2"]);
}

#[test]
fn everything_else_is_acknowledged_as_ever() {
    // With data before it.
    let data = delaying(Family::V4);
    let (_, peer) = data.established();
    peer.sends("FP. 1 ack 1 len 3");
    let with_data = {
        data.settle();
        data.capture.lines(true)
    };
    let plain = scene();
    let (_, peer) = plain.established();
    peer.sends("FP. 1 ack 1 len 3");
    plain.settle();
    assert_eq!(plain.capture.lines(true), with_data);

    // Where everything is at once.
    let scene = delaying(Family::V4);
    let (id, peer) = scene.established();
    let options = TcpOptions { acknowledge: Acknowledge::AtOnce, ..TcpOptions::default() };
    scene.host.with(|stack, now| stack.tcp_set(now, id, &options));
    peer.sends("F. 1 ack 1");
    scene.sent(["0 > . 1:1 ack 2"]);
}

#[test]
fn a_stack_that_was_not_told_otherwise_does_not_wait() {
    let scene = scene();
    let (_, peer) = scene.established();
    peer.sends("F. 1 ack 1");
    scene.sent(["0 > . 1:1 ack 2"]);
}
