//! Listening: the two queues, what a full one does, and what becomes of those who wait in them.

use tapsock_stack::config::FullBacklog;
use tapsock_stack::event::Happened;
use tapsock_stack::port::{BindAddress, BindError, Family, Share, Transport};
use tapsock_stack::sim::Pair;
use tapsock_stack::tcp::{Close, ListenerOptions, Phase, Take, TcpOptions};
use tapsock_stack::wire::{IpAddress, IpEndpoint};
use tapsock_stack::{Counters, ListenerId};

use crate::scene::{Peer, Scene, connect, listen, pattern, scene, seconds};

fn counters(scene: &Scene) -> Counters {
    scene.host.with(|stack, _| stack.counters().clone())
}

/// A handshake that takes no time.
fn handshake(peer: &Peer<'_>) {
    peer.sends("S 0");
    peer.sends(". 1 ack 1");
}

#[test]
fn a_client_is_accepted_with_its_addresses() {
    for family in [Family::V4, Family::V6] {
        let scene = Scene::new(family, |_| {});
        let listener = scene.listen(5);
        let peer = scene.client(5000);
        peer.sends("S 0");
        scene.sent(["0 > S. 0:1 ack 1"]);
        assert!(scene.host.with(|stack, _| stack.tcp_pending(listener)).is_none());
        assert!(scene.happened().is_empty());
        peer.sends(". 1 ack 1");
        assert_eq!(scene.happened(), Happened::ACCEPTABLE);
        let (pending, status) = scene.host.with(|stack, _| stack.tcp_pending(listener)).unwrap();
        assert_eq!(status.remote, scene.remote(5000));
        assert_eq!(status.local, IpEndpoint::new(scene.own(), 80));
        let id = scene.host.with(|stack, _| stack.tcp_accept(listener, 7)).unwrap();
        assert_eq!(id, pending);
        assert!(scene.host.with(|stack, _| stack.tcp_accept(listener, 7)).is_none());
        peer.sends("P. 1 ack 1 len 5");
        let event = scene.host.with(|stack, _| stack.next_event()).unwrap();
        assert_eq!((event.owner, event.what), (7, Happened::READABLE));
    }
}

#[test]
fn data_that_came_before_accept_waits_for_it() {
    let scene = scene();
    let listener = scene.listen(5);
    let peer = scene.client(5000);
    handshake(&peer);
    peer.sends("P. 1 ack 1 len 10");
    peer.sends("F. 11 ack 1");
    // The listener's owner hears of the client, not of what the client does.
    assert_eq!(scene.happened(), Happened::ACCEPTABLE);
    let id = scene.host.with(|stack, _| stack.tcp_accept(listener, 7)).unwrap();
    let event = scene.host.with(|stack, _| stack.next_event()).unwrap();
    assert_eq!((event.owner, event.what), (7, Happened::READABLE | Happened::PEER_CLOSED));
    let mut buffer = [0; 16];
    let take = |buffer: &mut [u8]| {
        scene.host.with(|stack, now| stack.tcp_recv(now, id, buffer, Take::Consume))
    };
    assert_eq!(take(&mut buffer), Ok(10));
    assert_eq!(&buffer[..10], pattern(10));
    assert_eq!(take(&mut buffer), Ok(0));
}

#[test]
fn the_syn_ack_is_repeated_by_the_schedule_and_then_the_client_is_forgotten() {
    let scene = scene();
    scene.listen(5);
    scene.client(5000).sends("S 0");
    assert_eq!(scene.host.with(|stack, _| stack.sockets()), 2);
    scene.until(20.9);
    assert_eq!(scene.host.with(|stack, _| stack.sockets()), 2);
    scene.until(21.0);
    scene.sent([
        "0 > S. 0:1 ack 1",
        "1 > S. 0:1 ack 1",
        "3 > S. 0:1 ack 1",
        "7 > S. 0:1 ack 1",
        "15 > S. 0:1 ack 1",
    ]);
    assert_eq!(scene.host.with(|stack, _| stack.sockets()), 1);
    assert!(scene.happened().is_empty(), "nobody hears of a client that never was");
    scene.until(600.0);
    scene.sent([]);
}

#[test]
fn a_repeated_syn_is_answered_by_the_same_syn_ack() {
    let scene = scene();
    let listener = scene.listen(5);
    let peer = scene.client(5000);
    peer.sends("S 0");
    scene.until(0.5);
    peer.sends("S 0");
    scene.sent(["0 > S. 0:1 ack 1", "0.5 > S. 0:1 ack 1"]);
    peer.sends(". 1 ack 1");
    assert!(scene.host.with(|stack, _| stack.tcp_accept(listener, 0)).is_some());
    assert!(scene.host.with(|stack, _| stack.tcp_accept(listener, 0)).is_none());
    scene.until(60.0);
    scene.sent([]);
}

#[test]
fn a_reset_takes_a_half_open_connection_away() {
    let scene = scene();
    let listener = scene.listen(5);
    let peer = scene.client(5000);
    peer.sends("S 0");
    peer.sends("R 1");
    assert_eq!(scene.host.with(|stack, _| stack.sockets()), 1);
    scene.until(60.0);
    scene.sent(["0 > S. 0:1 ack 1"]);
    assert!(scene.happened().is_empty());
    // The same client may come again.
    handshake(&peer);
    assert!(scene.host.with(|stack, _| stack.tcp_accept(listener, 0)).is_some());
}

#[test]
fn a_reset_with_the_wrong_number_does_not() {
    let scene = scene();
    let listener = scene.listen(5);
    let peer = scene.client(5000);
    peer.sends("S 0");
    peer.sends("R -5");
    peer.sends("R 100000");
    peer.sends(". 1 ack 1");
    assert!(scene.host.with(|stack, _| stack.tcp_accept(listener, 0)).is_some());
}

#[test]
fn an_acknowledgment_of_another_syn_ack_is_reset() {
    let scene = scene();
    let listener = scene.listen(5);
    let peer = scene.client(5000);
    peer.sends("S 0");
    peer.sends(". 1 ack 2");
    // RFC 9293, section 3.10.7.4: a RST with the number that it acknowledged.
    scene.sent(["0 > S. 0:1 ack 1", "0 > R 2:2"]);
    peer.sends(". 1 ack 1");
    assert!(scene.host.with(|stack, _| stack.tcp_accept(listener, 0)).is_some());
}

#[test]
fn an_icmp_error_does_not_take_a_half_open_connection_away() {
    let scene = scene();
    let listener = scene.listen(5);
    let peer = scene.client(5000);
    peer.sends("S 0");
    scene.icmp(3, 1, &scene.last_out(), 8);
    peer.sends(". 1 ack 1");
    assert!(scene.host.with(|stack, _| stack.tcp_accept(listener, 0)).is_some());
}

#[test]
fn a_full_accept_queue_refuses_and_room_in_it_accepts_again() {
    let scene = scene();
    let listener = scene.listen(2);
    for port in [5000, 5001] {
        handshake(&scene.client(port));
    }
    scene.capture.lines(true);
    scene.client(5002).sends("S 0");
    scene.sent(["0 > R. 0:0 ack 1"]);
    assert_eq!(counters(&scene).backlog_full, 1);
    assert!(scene.host.with(|stack, _| stack.tcp_accept(listener, 0)).is_some());
    handshake(&scene.client(5003));
    for port in [5001, 5003] {
        let id = scene.host.with(|stack, _| stack.tcp_accept(listener, 0)).unwrap();
        assert_eq!(scene.status(id).remote.port, port, "first come, first served");
    }
    assert_eq!(counters(&scene).backlog_full, 1);
}

#[test]
fn a_full_accept_queue_is_silent_where_that_is_set() {
    let scene = Scene::new(Family::V4, |config| config.full_backlog = FullBacklog::Drop);
    let listener = scene.listen(1);
    handshake(&scene.client(5000));
    scene.capture.lines(true);
    scene.client(5001).sends("S 0");
    scene.until(1.0);
    scene.sent([]);
    assert_eq!(counters(&scene).backlog_full, 1);
    // The client's next SYN finds room.
    scene.host.with(|stack, _| stack.tcp_accept(listener, 0)).unwrap();
    scene.client(5001).sends("S 0");
    scene.sent(["1 > S. 0:1 ack 1"]);
}

#[test]
fn whoever_completes_last_for_a_queue_that_others_filled_is_reset() {
    let scene = scene();
    let listener = scene.listen(1);
    let (fast, slow) = (scene.client(5000), scene.client(5001));
    slow.sends("S 0");
    handshake(&fast);
    scene.capture.lines(true);
    slow.sends(". 1 ack 1");
    let lines = scene.capture.lines(true);
    assert_eq!(lines, ["0 > R. 1:1 ack 1"]);
    assert_eq!(counters(&scene).accept_overrun, 1);
    assert!(scene.host.with(|stack, _| stack.tcp_accept(listener, 0)).is_some());
    assert!(scene.host.with(|stack, _| stack.tcp_accept(listener, 0)).is_none());
}

#[test]
fn the_backlog_can_grow_and_shrink() {
    let scene = scene();
    let listener = scene.listen(1);
    handshake(&scene.client(5000));
    scene.host.with(|stack, _| stack.set_backlog(listener, 3));
    handshake(&scene.client(5001));
    handshake(&scene.client(5002));
    scene.host.with(|stack, _| stack.set_backlog(listener, 1));
    scene.client(5003).sends("S 0");
    assert_eq!(counters(&scene).backlog_full, 1);
    // Who is in the queue stays in it.
    for _ in 0..3 {
        assert!(scene.host.with(|stack, _| stack.tcp_accept(listener, 0)).is_some());
    }
    assert!(scene.host.with(|stack, _| stack.tcp_accept(listener, 0)).is_none());
}

#[test]
fn a_full_queue_of_half_open_connections_drops() {
    let scene = Scene::new(Family::V4, |config| config.half_open_limit = 2);
    let listener = scene.listen(5);
    for port in [5000, 5001, 5002] {
        scene.client(port).sends("S 0");
    }
    assert_eq!(scene.capture.lines(true).len(), 2);
    assert_eq!(counters(&scene).half_open_full, 1);
    // One completes, and the next SYN is answered.
    scene.client(5000).sends(". 1 ack 1");
    scene.client(5002).sends("S 0");
    scene.sent(["0 > S. 0:1 ack 1"]);
    assert!(scene.host.with(|stack, _| stack.tcp_accept(listener, 0)).is_some());
    assert_eq!(counters(&scene).half_open_full, 1);
}

#[test]
fn a_rejected_client_gets_a_reset() {
    let scene = scene();
    let listener = scene.listen(5);
    let peer = scene.client(5000);
    handshake(&peer);
    scene.capture.lines(true);
    scene.host.with(|stack, now| stack.tcp_reject(now, listener));
    scene.sent(["0 > R. 1:1 ack 1"]);
    assert_eq!(scene.host.with(|stack, _| stack.sockets()), 1);
}

#[test]
fn whoever_waits_to_be_accepted_is_the_listeners_to_close() {
    let scene = scene();
    let listener = scene.listen(5);
    handshake(&scene.client(5000));
    let (id, _) = scene.host.with(|stack, _| stack.tcp_pending(listener)).unwrap();
    scene.host.with(|stack, now| stack.tcp_close(now, id, Close::Silent));
    let accepted = scene.host.with(|stack, _| stack.tcp_accept(listener, 0));
    assert_eq!(accepted, Some(id));
}

#[test]
fn a_client_that_begins_anew_with_another_number_connects() {
    let scene = scene();
    let listener = scene.listen(5);
    let peer = scene.client(5000);
    peer.sends("S 0");
    // It crashed, came back, and does not know the answer to its old SYN.
    peer.sends("S 5000");
    scene.sent(["0 > S. 0:1 ack 1", "0 > S. 0:1 ack 1"]);
    peer.sends("R 1");
    scene.until(1.0);
    peer.sends("S 5000");
    scene.sent(["1 > S. 0:1 ack 5001"]);
    peer.sends(". 5001 ack 1");
    assert!(scene.host.with(|stack, _| stack.tcp_accept(listener, 0)).is_some());
}

#[test]
fn a_client_that_resets_while_it_waits_leaves_the_queue() {
    let scene = scene();
    let listener = scene.listen(1);
    let peer = scene.client(5000);
    handshake(&peer);
    peer.sends("R 1");
    assert!(scene.host.with(|stack, _| stack.tcp_pending(listener)).is_none());
    handshake(&scene.client(5001));
    let id = scene.host.with(|stack, _| stack.tcp_accept(listener, 0)).unwrap();
    assert_eq!(scene.status(id).remote.port, 5001);
}

#[test]
fn a_closed_listener_resets_whoever_waits_and_whoever_comes() {
    let scene = scene();
    let listener = scene.listen(5);
    let (half, queued) = (scene.client(5000), scene.client(5001));
    half.sends("S 0");
    handshake(&queued);
    scene.capture.lines(true);
    scene.host.with(|stack, now| stack.close_listener(now, listener));
    let reset = scene.capture.segments();
    let reset = &reset.last().unwrap().1;
    assert_eq!((&*reset.flags, reset.destination.1), ("R.", 5001));
    scene.capture.lines(true);
    // A half-open one hears it when it completes.
    half.sends(". 1 ack 1");
    let lines = scene.capture.lines(true);
    assert_eq!(lines, ["0 > R. 1:1 ack 1"]);
    scene.client(5002).sends("S 0");
    scene.sent(["0 > R. 0:0 ack 1"]);
    scene.until(60.0);
    scene.sent([]);
    assert_eq!(scene.host.with(|stack, _| stack.sockets()), 0);
}

#[test]
fn a_half_open_connection_of_a_closed_listener_expires() {
    let scene = scene();
    let listener = scene.listen(5);
    scene.client(5000).sends("S 0");
    scene.host.with(|stack, now| stack.close_listener(now, listener));
    scene.until(60.0);
    assert_eq!(scene.host.with(|stack, _| stack.sockets()), 0);
}

#[test]
fn a_port_can_be_listened_on_again_while_old_connections_go_on() {
    let pair = Pair::new(1);
    let remote = IpEndpoint::new(Pair::addresses(2)[0], 80);
    let (listener, binding) = pair.server.with(|stack, _| {
        let any = BindAddress::Any(Family::V4);
        let binding = stack.bind(Transport::Tcp, any, 80, Share::Default).unwrap();
        (stack.tcp_listen(binding, 5, 0).unwrap(), binding)
    });
    let client = connect(&pair.client, remote).unwrap();
    pair.world.run_for(seconds(0.1));
    let server = pair.server.with(|stack, _| stack.tcp_accept(listener, 0)).unwrap();
    pair.server.with(|stack, now| {
        stack.close_listener(now, listener);
        stack.unbind(binding);
    });
    let again: ListenerId = listen(&pair.server, Family::V4, 80, 5);
    pair.client.with(|stack, now| stack.tcp_send(now, client, b"still here", 100)).unwrap();
    pair.world.run_for(seconds(0.1));
    let mut buffer = [0; 16];
    let taken =
        pair.server.with(|stack, now| stack.tcp_recv(now, server, &mut buffer, Take::Consume));
    assert_eq!(taken, Ok(10));
    let next = connect(&pair.client, remote).unwrap();
    pair.world.run_for(seconds(0.1));
    assert!(pair.server.with(|stack, _| stack.tcp_accept(again, 0)).is_some());
    assert_eq!(pair.client.with(|stack, _| stack.tcp(next).unwrap().phase), Phase::Connected);
}

#[test]
fn the_most_specific_listener_gets_the_client() {
    let scene = scene();
    let bind = |address, owner| {
        scene.host.with(|stack, _| {
            let binding = stack.bind(Transport::Tcp, address, 80, Share::Default).unwrap();
            stack.tcp_listen(binding, 5, owner).unwrap()
        })
    };
    let any = bind(BindAddress::Any(Family::V4), 1);
    let own = bind(BindAddress::Address(IpAddress::v4(10, 0, 0, 1)), 2);
    handshake(&scene.client(5000));
    assert!(scene.host.with(|stack, _| stack.tcp_accept(any, 0)).is_none());
    assert!(scene.host.with(|stack, _| stack.tcp_accept(own, 0)).is_some());
    scene.host.with(|stack, now| stack.close_listener(now, own));
    handshake(&scene.client(5001));
    assert!(scene.host.with(|stack, _| stack.tcp_accept(any, 0)).is_some());
}

#[test]
fn a_dual_listener_serves_both_families() {
    for family in [Family::V4, Family::V6] {
        let scene = Scene::new(family, |_| {});
        let listener = scene.host.with(|stack, _| {
            let binding =
                stack.bind(Transport::Tcp, BindAddress::AnyDual, 80, Share::Default).unwrap();
            stack.tcp_listen(binding, 5, 0).unwrap()
        });
        handshake(&scene.client(5000));
        assert!(scene.host.with(|stack, _| stack.tcp_accept(listener, 0)).is_some());
    }
}

#[test]
fn a_flood_of_forged_syns_stays_bounded_and_a_client_connects_once_it_ebbs() {
    let scene = Scene::new(Family::V4, |config| config.half_open_limit = 64);
    let listener = scene.listen(8);
    for source in 0..1000u16 {
        let forged = Peer {
            address: IpAddress::v4(10, 0, 0, 100 + (source % 100) as u8),
            port: 1024 + source,
            ..scene.client(0)
        };
        let frame = forged.frame("S 0");
        scene.host.inject(&frame);
        scene.settle();
        assert!(scene.host.with(|stack, _| stack.sockets()) <= 65);
    }
    assert_eq!(counters(&scene).half_open_full, 1000 - 64);
    // Their neighbors answer no ARP request, so they are gone after 3 s.
    scene.client(5000).sends("S 0");
    assert_eq!(counters(&scene).half_open_full, 1000 - 63);
    scene.until(3.0);
    assert_eq!(scene.host.with(|stack, _| stack.sockets()), 1);
    handshake(&scene.client(5000));
    assert!(scene.host.with(|stack, _| stack.tcp_accept(listener, 0)).is_some());
}

#[test]
fn a_flood_from_behind_a_neighbor_that_answers_ebbs_after_21_s() {
    let scene = Scene::new(Family::V4, |config| config.half_open_limit = 64);
    let listener = scene.listen(8);
    for port in 1024..2024 {
        let frame = scene.client(port).frame("S 0");
        scene.host.inject(&frame);
    }
    scene.until(20.9);
    assert_eq!(scene.host.with(|stack, _| stack.sockets()), 65);
    scene.client(5000).sends("S 0");
    scene.until(21.5);
    assert_eq!(scene.host.with(|stack, _| stack.sockets()), 1);
    // 64 clients, five SYN|ACKs each, and nothing for the others.
    assert_eq!(scene.capture.lines(true).len(), 64 * 5);
    handshake(&scene.client(5000));
    assert!(scene.host.with(|stack, _| stack.tcp_accept(listener, 0)).is_some());
}

#[test]
fn whatever_is_no_syn_gets_a_reset_from_a_listener_and_a_reset_nothing() {
    let scene = scene();
    scene.listen(5);
    scene.client(5000).sends(". 1 ack 1");
    scene.sent(["0 > R 1:1"]);
    scene.client(5001).sends("F. 1 ack 7 len 3");
    scene.sent(["0 > R 7:7"]);
    scene.client(5002).sends("R 1");
    scene.client(5003).sends("R. 1 ack 1");
    scene.sent([]);
    assert_eq!(counters(&scene).tcp_unmatched, 4);
    assert_eq!(scene.host.with(|stack, _| stack.sockets()), 1);
}

#[test]
fn an_accepted_connection_outlives_its_listener() {
    let scene = scene();
    let listener = scene.listen(5);
    let peer = scene.client(5000);
    handshake(&peer);
    let id = scene.host.with(|stack, _| stack.tcp_accept(listener, 0)).unwrap();
    scene.host.with(|stack, now| stack.close_listener(now, listener));
    scene.capture.lines(true);
    scene.send(id, b"hello");
    scene.sent(["0 > P. 1:6 ack 1"]);
    scene.host.with(|stack, now| stack.tcp_close(now, id, Close::Reset));
    scene.sent(["0 > R. 6:6 ack 1"]);
}

/// A listener on every address whose port others may share.
fn shared_listener(scene: &Scene, address: BindAddress, owner: u32) -> ListenerId {
    scene.host.with(|stack, _| {
        let binding = stack.bind(Transport::Tcp, address, 80, Share::Reuse).unwrap();
        stack.tcp_listen(binding, 5, owner).unwrap()
    })
}

/// Who has a connection from this port of the peer, of `listeners`.
fn taker(scene: &Scene, port: u16, listeners: &[ListenerId]) -> Vec<usize> {
    handshake(&scene.client(port));
    let waiting = |id: ListenerId| scene.host.with(|stack, _| stack.tcp_accept(id, 0)).is_some();
    (0..listeners.len()).filter(|&index| waiting(listeners[index])).collect()
}

#[test]
fn of_listeners_that_share_a_port_the_last_has_it_until_it_ends() {
    let scene = scene();
    let any = BindAddress::Any(Family::V4);
    let listeners = [0, 1, 2].map(|owner| shared_listener(&scene, any, owner));
    assert_eq!(taker(&scene, 5000, &listeners), [2]);
    // One in the middle ends, and nobody notices.
    let close = |id| scene.host.with(|stack, now| stack.close_listener(now, id));
    close(listeners[1]);
    assert_eq!(taker(&scene, 5001, &listeners), [2]);
    close(listeners[2]);
    assert_eq!(taker(&scene, 5002, &listeners), [0]);
    close(listeners[0]);
    scene.client(5003).sends("S 0");
    assert_eq!(counters(&scene).tcp_unmatched, 1);
}

#[test]
fn the_first_of_listeners_that_share_a_port_may_end_first() {
    let scene = scene();
    let any = BindAddress::Any(Family::V4);
    let listeners = [0, 1].map(|owner| shared_listener(&scene, any, owner));
    scene.host.with(|stack, now| stack.close_listener(now, listeners[0]));
    assert_eq!(taker(&scene, 5000, &listeners), [1]);
    scene.host.with(|stack, now| stack.close_listener(now, listeners[1]));
    scene.client(5001).sends("S 0");
    assert_eq!(counters(&scene).tcp_unmatched, 1);
}

#[test]
fn the_most_specific_listener_has_the_connection_whoever_came_last() {
    let scene = scene();
    let addresses = [BindAddress::Address(scene.own()), BindAddress::Any(Family::V4)];
    let listeners = addresses.map(|address| shared_listener(&scene, address, 0));
    assert_eq!(taker(&scene, 5000, &listeners), [0]);
}

#[test]
fn a_connection_has_its_listeners_buffers_and_options_from_the_handshake_on() {
    let scene = scene();
    let listener = scene.listen(5);
    let options = ListenerOptions {
        receive_buffer: Some(4000),
        transmit_buffer: Some(2000),
        options: TcpOptions { hop_limit: Some(9), traffic_class: 0x28, ..TcpOptions::default() },
    };
    scene.host.with(|stack, _| stack.listener_set(listener, &options));
    let peer = scene.client(5000);
    handshake(&peer);
    let (_, syn) = scene.capture.segments().into_iter().find(|(seen, _)| seen.out).unwrap();
    assert_eq!((syn.window, syn.hop_limit, syn.flags.as_str()), (4000, 9, "S."));
    let id = scene.host.with(|stack, _| stack.tcp_accept(listener, 0)).unwrap();
    let info = scene.host.with(|stack, _| stack.tcp_info(id)).unwrap();
    assert_eq!((info.receive_buffer, info.receive_window), (4000, 4000));
    assert_eq!(scene.status(id).room, 2000);
    // What changes later is for whoever comes later.
    scene.host.with(|stack, _| stack.listener_set(listener, &ListenerOptions::default()));
    handshake(&scene.client(5001));
    let late = scene.host.with(|stack, _| stack.tcp_accept(listener, 0)).unwrap();
    let info = scene.host.with(|stack, _| stack.tcp_info(late)).unwrap();
    assert_eq!((info.receive_buffer, info.receive_window), (65_536, 65_535));
}

#[test]
fn an_exclusive_port_is_held_by_what_was_accepted_until_it_ends() {
    for reset in [true, false] {
        let scene = scene();
        let any = BindAddress::Any(Family::V4);
        let bind = |share| scene.host.with(|stack, _| stack.bind(Transport::Tcp, any, 80, share));
        let binding = bind(Share::Exclusive).unwrap();
        let listener = scene.host.with(|stack, _| stack.tcp_listen(binding, 5, 0)).unwrap();
        let peer = scene.client(5000);
        handshake(&peer);
        let id = scene.host.with(|stack, now| {
            let id = stack.tcp_accept(listener, 0).unwrap();
            stack.close_listener(now, listener);
            stack.unbind(binding);
            id
        });
        assert_eq!(bind(Share::Exclusive), Err(BindError::InUse));
        let beside = bind(Share::Default).unwrap();
        scene.host.with(|stack, _| stack.unbind(beside));
        if reset {
            peer.sends("R. 1 ack 1");
        } else {
            // An orderly end: TIME-WAIT does not hold the port.
            scene.host.with(|stack, now| stack.tcp_close(now, id, Close::Deliver));
            assert_eq!(bind(Share::Exclusive), Err(BindError::InUse));
            peer.sends("F. 1 ack 2");
        }
        scene.settle();
        assert!(bind(Share::Exclusive).is_ok(), "reset: {reset}");
    }
}
