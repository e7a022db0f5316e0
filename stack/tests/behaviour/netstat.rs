//! What a report of all sockets shows, and that whatever arrives is counted exactly once.

use tapsock_stack::port::{BindAddress, Family, Share, Transport};
use tapsock_stack::tcp::Close;
use tapsock_stack::wire::IpEndpoint;

use crate::scene::{Scene, scene};

fn rows(scene: &Scene) -> Vec<String> {
    scene.settle();
    scene.host.with(|stack, _| stack.netstat().map(|row| row.to_string()).collect())
}

/// What arrived, and the sum of what became of it.
fn balance(scene: &Scene) -> (u64, u64) {
    scene.settle();
    scene.host.with(|stack, _| (stack.counters().arrived(), stack.counters().accounted()))
}

#[test]
fn a_listener_shows_its_half_open_and_its_waiting_connections() {
    let scene = scene();
    scene.listen(2);
    scene.client(6000).sends("S 0");
    let waiting = scene.client(6001);
    waiting.sends("S 0");
    waiting.sends(". 1 ack 1");
    assert_eq!(
        rows(&scene),
        [
            "tcp 0.0.0.0:80 *:* LISTEN",
            "tcp 10.0.0.1:80 10.0.0.2:6000 SYN-RECEIVED",
            "tcp 10.0.0.1:80 10.0.0.2:6001 ESTABLISHED",
        ]
    );
}

#[test]
fn a_closed_connection_shows_until_its_time_wait_has_passed() {
    let scene = scene();
    let (id, peer) = scene.established();
    let port = scene.status(id).local.port;
    let state = || {
        let row = rows(&scene).pop();
        row.map(|row| row.replace(&port.to_string(), "PORT"))
    };
    scene.host.with(|stack, now| stack.tcp_close(now, id, Close::Deliver));
    assert_eq!(state().unwrap(), "tcp 10.0.0.1:PORT 10.0.0.2:80 FIN-WAIT-1");
    peer.sends(". 1 ack 2");
    assert_eq!(state().unwrap(), "tcp 10.0.0.1:PORT 10.0.0.2:80 FIN-WAIT-2");
    peer.sends("F. 1 ack 2");
    assert_eq!(state().unwrap(), "tcp 10.0.0.1:PORT 10.0.0.2:80 TIME-WAIT");
    scene.until(60.1);
    assert_eq!(state(), None);
}

#[test]
fn a_connection_that_failed_is_closed_until_its_owner_closes_it() {
    let scene = scene();
    let (id, peer) = scene.established();
    peer.sends("R 1");
    let rows = || rows(&scene);
    assert!(rows()[0].ends_with("10.0.0.2:80 CLOSED"), "{:?}", rows());
    scene.host.with(|stack, now| stack.tcp_close(now, id, Close::Silent));
    assert_eq!(rows().len(), 0);
}

#[test]
fn datagram_sockets_show_their_peer_once_they_have_one() {
    let scene = Scene::new(Family::V6, |_| {});
    let id = scene.host.with(|stack, _| {
        let any = BindAddress::Any(Family::V6);
        let binding = stack.bind(Transport::Udp, any, 5000, Share::Default).unwrap();
        stack.udp_open(binding, 1000, 0).unwrap()
    });
    assert_eq!(rows(&scene), ["udp [::]:5000 *:*"]);
    let (own, peer) = (scene.own(), scene.remote(7));
    scene.host.with(|stack, _| stack.udp_connect(id, own, peer)).unwrap();
    assert_eq!(rows(&scene), ["udp [fd00::1]:5000 [fd00::2]:7"]);
}

#[test]
fn whatever_arrives_is_counted_under_exactly_one_fate() {
    let scene = scene();
    let start = balance(&scene);
    assert_eq!(start.0, start.1);
    scene.listen(1);
    let first = scene.client(6000);
    first.sends("S 0");
    first.sends(". 1 ack 1");
    scene.client(6001).sends("S 0");
    scene.client(6002).sends(". 5 ack 5");
    scene.arrives(&[0; 60]);
    let counters = scene.host.with(|stack, _| stack.counters().clone());
    assert_eq!(counters.arrived() - start.0, 5);
    assert_eq!(counters.accounted() - start.1, 5);
    assert_eq!((counters.segments, counters.backlog_full, counters.tcp_unmatched), (2, 1, 1));
    assert_eq!(counters.dropped.total(), 1);
}

#[test]
fn a_queue_that_filled_during_a_handshake_is_an_overrun() {
    let scene = scene();
    scene.listen(1);
    let (first, second) = (scene.client(6000), scene.client(6001));
    first.sends("S 0");
    second.sends("S 0");
    first.sends(". 1 ack 1");
    second.sends(". 1 ack 1");
    let counters = scene.host.with(|stack, _| stack.counters().clone());
    assert_eq!((counters.accept_overrun, counters.backlog_full), (1, 0));
    assert_eq!(balance(&scene).0, balance(&scene).1);
}

#[test]
fn what_a_stack_sends_to_itself_is_counted_too() {
    let scene = scene();
    scene.listen(1);
    let own = scene.own();
    let port = scene.host.with(|stack, now| {
        let to = IpEndpoint::new(own, 80);
        let from = IpEndpoint::new(own, 9000);
        stack.tcp_connect(now, &tapsock_stack::tcp::Connect::new(from, to)).unwrap();
        from.port
    });
    let (arrived, accounted) = balance(&scene);
    assert_eq!((arrived, port), (accounted, 9000));
    assert!(rows(&scene).contains(&"tcp 10.0.0.1:9000 10.0.0.1:80 ESTABLISHED".to_string()));
}
