//! Why an attempt failed: what routers say, what neighbors do not say, and what is known before
//! anything is sent.

use tapsock_stack::config::{ConnectPolicy, Route};
use tapsock_stack::event::{Asked, Cause, CauseKind, Evidence, Happened, PacketSummary, Silence};
use tapsock_stack::port::{BindAddress, Family, Share, Transport};
use tapsock_stack::sim::{Answer, Conditions, Pair, Router, World};
use tapsock_stack::tcp::{Connect, OpenError, Phase, RouteError, SendError, Take};
use tapsock_stack::wire::{IpAddress, IpCidr, IpEndpoint};
use tapsock_stack::{TcpId, UdpId};

use crate::scene::{Capture, Scene, connect, connect_with, icmp, listen, scene, seconds};

/// IPv4 type and code, and what it means while connecting. `None`: nothing.
const V4: [(u8, u8, Option<CauseKind>); 22] = [
    (3, 0, Some(CauseKind::NetUnreachable)),
    (3, 1, Some(CauseKind::HostUnreachable)),
    (3, 2, Some(CauseKind::Refused)),
    (3, 3, Some(CauseKind::Refused)),
    (3, 4, None),
    (3, 5, Some(CauseKind::HostUnreachable)),
    (3, 6, Some(CauseKind::NetUnreachable)),
    (3, 7, Some(CauseKind::HostUnreachable)),
    (3, 8, Some(CauseKind::HostUnreachable)),
    (3, 9, Some(CauseKind::NetUnreachable)),
    (3, 10, Some(CauseKind::HostUnreachable)),
    (3, 11, Some(CauseKind::NetUnreachable)),
    (3, 12, Some(CauseKind::HostUnreachable)),
    (3, 13, Some(CauseKind::HostUnreachable)),
    (3, 14, Some(CauseKind::HostUnreachable)),
    (3, 15, Some(CauseKind::HostUnreachable)),
    (4, 0, None),
    (5, 1, None),
    (11, 0, Some(CauseKind::HostUnreachable)),
    (11, 1, Some(CauseKind::HostUnreachable)),
    (12, 0, Some(CauseKind::HostUnreachable)),
    (3, 16, None),
];

/// The same for ICMPv6.
const V6: [(u8, u8, Option<CauseKind>); 12] = [
    (1, 0, Some(CauseKind::NetUnreachable)),
    (1, 1, Some(CauseKind::HostUnreachable)),
    (1, 2, Some(CauseKind::HostUnreachable)),
    (1, 3, Some(CauseKind::HostUnreachable)),
    (1, 4, Some(CauseKind::Refused)),
    (1, 5, Some(CauseKind::HostUnreachable)),
    (1, 6, Some(CauseKind::HostUnreachable)),
    (2, 0, None),
    (3, 0, Some(CauseKind::HostUnreachable)),
    (3, 1, Some(CauseKind::HostUnreachable)),
    (4, 0, Some(CauseKind::HostUnreachable)),
    (4, 1, Some(CauseKind::HostUnreachable)),
];

fn table(family: Family) -> &'static [(u8, u8, Option<CauseKind>)] {
    match family {
        Family::V4 => &V4,
        Family::V6 => &V6,
    }
}

#[test]
fn an_icmp_error_about_the_syn_ends_the_attempt_at_once_with_the_cause_of_its_code() {
    for family in [Family::V4, Family::V6] {
        for &(kind, code, expected) in table(family) {
            let scene = Scene::new(family, |_| {});
            let (id, _) = scene.connect();
            scene.until(0.25);
            scene.icmp(kind, code, &scene.last_out(), 8);
            let Some(expected) = expected else {
                assert_eq!(scene.phase(id), Phase::Connecting, "{kind}/{code}");
                assert_eq!(scene.status(id).soft_error, None, "{kind}/{code}");
                continue;
            };
            let (found, at, packet) = scene.packet(id);
            assert_eq!((found, at), (expected, 0.25), "{kind}/{code}");
            let PacketSummary::Icmp { source, kind: k, code: c, quoted_destination, .. } =
                packet.summary
            else {
                panic!()
            };
            let router = [IpAddress::v4(10, 0, 0, 254), "fd00::fe".parse().unwrap()];
            assert_eq!(source, router[usize::from(family == Family::V6)]);
            assert_eq!((k, c, quoted_destination), (kind, code, scene.remote(80)));
            let cited =
                scene.capture.frames().into_iter().find(|seen| seen.number == packet.number);
            let cited = cited.unwrap();
            let icmp = &cited.frame[14 + if family == Family::V4 { 20 } else { 40 }..];
            assert_eq!((cited.out, icmp[0], icmp[1]), (false, kind, code));
            scene.host.with(|stack, _| assert_eq!(stack.counters().icmp_matched, 1));
            scene.until(60.0);
            scene.sent(["0 > S 0:1"]);
        }
    }
}

#[test]
fn a_patient_attempt_remembers_the_icmp_error_and_ends_by_the_clock() {
    for family in [Family::V4, Family::V6] {
        for &(kind, code, expected) in table(family) {
            let scene = Scene::new(family, |_| {});
            let (id, _) =
                scene.connect_with(|request| request.policy = ConnectPolicy::PATIENT).unwrap();
            scene.icmp(kind, code, &scene.last_out(), 8);
            assert_eq!(scene.phase(id), Phase::Connecting, "{kind}/{code}");
            let remembered = scene.status(id).soft_error.map(|packet| packet.summary);
            let remembered = remembered.map(|summary| match summary {
                PacketSummary::Icmp { kind, code, .. } => (kind, code),
                PacketSummary::Tcp { .. } => panic!(),
            });
            assert_eq!(remembered, expected.map(|_| (kind, code)));
            assert_eq!(scene.happened().contains(Happened::SOFT_ERROR), expected.is_some());
            scene.until(21.0);
            assert_eq!(scene.silence(id), (CauseKind::TimedOut, 21.0, Asked::Syn, 5, 21.0));
            // What was remembered stays to be asked for.
            assert_eq!(scene.status(id).soft_error.is_some(), expected.is_some());
        }
    }
}

#[test]
fn an_icmp_error_is_soft_once_the_connection_stands() {
    for family in [Family::V4, Family::V6] {
        for &(kind, code, expected) in table(family) {
            let scene = Scene::new(family, |_| {});
            let (id, peer) = scene.established();
            scene.send(id, b"hello");
            scene.icmp(kind, code, &scene.last_out(), 8);
            assert_eq!(scene.phase(id), Phase::Connected, "{kind}/{code}");
            assert_eq!(scene.status(id).soft_error.is_some(), expected.is_some());
            peer.sends(". 1 ack 6");
            assert_eq!(scene.status(id).queued, 0);
        }
    }
}

#[test]
fn an_icmp_error_counts_only_if_it_quotes_what_is_in_flight() {
    for family in [Family::V4, Family::V6] {
        let scene = Scene::new(family, |_| {});
        let (id, _) = scene.connect();
        let syn = scene.last_out();
        let tcp = 14 + if family == Family::V4 { 20 } else { 40 };
        let unreachable = if family == Family::V4 { (3, 1) } else { (1, 3) };
        let with = |at: usize, delta: u8| {
            let mut frame = syn.clone();
            frame[at] = frame[at].wrapping_add(delta);
            frame
        };
        let wrong = [
            ("sequence + 1", with(tcp + 7, 1)),
            ("sequence - 1", with(tcp + 7, 255)),
            ("a sequence far away", with(tcp + 4, 128)),
            ("another source port", with(tcp + 1, 1)),
            ("another destination port", with(tcp + 3, 1)),
            ("another destination", with(tcp - 1, 1)),
        ];
        for (count, (what, frame)) in wrong.iter().enumerate() {
            scene.icmp(unreachable.0, unreachable.1, frame, 8);
            assert_eq!(scene.phase(id), Phase::Connecting, "{what}");
            let counted = scene.host.with(|stack, _| stack.counters().icmp_unmatched);
            assert_eq!(counted, count as u64 + 1, "{what}");
        }
        assert_eq!(scene.status(id).soft_error, None);
        // Its twin, which is right, and quotes no more than 8 bytes of the segment.
        scene.icmp(unreachable.0, unreachable.1, &syn, 8);
        assert_eq!(scene.cause(id).kind, CauseKind::HostUnreachable);
    }
}

#[test]
fn an_icmp_error_that_quotes_less_than_ports_and_sequence_is_nothing() {
    for quote in [0, 4, 7] {
        let scene = scene();
        let (id, _) = scene.connect();
        scene.icmp(3, 1, &scene.last_out(), quote);
        assert_eq!(scene.phase(id), Phase::Connecting, "{quote}");
    }
    for quote in [8, 20, 24, 500] {
        let scene = scene();
        let (id, _) = scene.connect();
        scene.icmp(3, 1, &scene.last_out(), quote);
        assert_eq!(scene.cause(id).kind, CauseKind::HostUnreachable, "{quote}");
    }
}

#[test]
fn an_icmp_error_about_acknowledged_data_is_nothing() {
    let scene = scene();
    let (id, peer) = scene.established();
    scene.send(id, b"hello");
    let data = scene.last_out();
    peer.sends(". 1 ack 6");
    scene.icmp(3, 1, &data, 8);
    assert_eq!(scene.status(id).soft_error, None);
    scene.host.with(|stack, _| {
        assert_eq!((stack.counters().icmp_matched, stack.counters().icmp_unmatched), (0, 1));
    });
}

#[test]
fn a_router_that_refuses_by_any_code_is_told_from_silence() {
    let world = World::new(1);
    let config = tapsock_stack::config::Config::new(Pair::hardware(1), 1);
    let own = IpCidr::new(Pair::addresses(1)[0], 24);
    let host = world.host(config, &[own], Conditions::GOOD);
    let net = |third: u8| IpCidr::new(IpAddress::v4(10, 9, third, 0), 24);
    let router = Router::new(Pair::hardware(254))
        .with_address(IpAddress::v4(10, 0, 0, 254))
        .with_answer(net(1), Answer::Error { kind: 3, code: 0 })
        .with_answer(net(2), Answer::Error { kind: 3, code: 1 })
        .with_answer(net(3), Answer::TimeExceeded)
        .with_answer(net(4), Answer::TooBig { mtu: 576 })
        .with_answer(net(5), Answer::Silence);
    let watch = router.watch();
    world.device(router);
    let default = Route {
        destination: IpCidr::new(IpAddress::v4(0, 0, 0, 0), 0),
        gateway: Some(IpAddress::v4(10, 0, 0, 254)),
    };
    host.with(|stack, _| stack.add_route(default)).unwrap();
    let attempts = [1, 2, 3, 4, 5]
        .map(|third| connect(&host, IpEndpoint::new(IpAddress::v4(10, 9, third, 1), 80)).unwrap());
    world.run_for(seconds(21.0));
    let kinds = attempts.map(|id| host.with(|stack, _| stack.tcp(id).unwrap().cause.unwrap().kind));
    assert_eq!(
        kinds,
        [
            CauseKind::NetUnreachable,
            CauseKind::HostUnreachable,
            CauseKind::HostUnreachable,
            CauseKind::TimedOut,
            CauseKind::TimedOut,
        ]
    );
    assert_eq!(watch.counters().errors, 3 + 5);
}

#[test]
fn a_stream_to_a_group_is_refused_and_no_frame_is_sent() {
    let scene = scene();
    let frames = scene.capture.frames().len();
    for address in ["239.1.1.1", "255.255.255.255", "10.0.0.255", "ff15::1"] {
        let remote = IpEndpoint::new(address.parse().unwrap(), 80);
        let own = scene.host.with(|stack, _| {
            let mut own = stack.addresses().iter().map(IpCidr::address);
            own.rfind(|own| own.version() == remote.addr.version()).unwrap()
        });
        let request = Connect::new(IpEndpoint::new(own, 7000), remote);
        let refused = scene.host.with(|stack, now| stack.tcp_connect(now, &request));
        assert_eq!(refused, Err(OpenError::Route(RouteError::NoRoute)), "{address}");
    }
    scene.until(30.0);
    assert_eq!(scene.capture.frames().len(), frames);
}

#[test]
fn nothing_is_opened_from_an_address_that_is_not_own() {
    let scene = scene();
    let (other, remote) = (IpAddress::v4(10, 0, 0, 9), scene.remote(80));
    let socket = udp(&scene, Family::V4, 5000);
    scene.host.with(|stack, now| {
        let refused = OpenError::Route(RouteError::NoRoute);
        let request = Connect::new(IpEndpoint::new(other, 7000), remote);
        assert_eq!(stack.tcp_connect(now, &request), Err(refused));
        assert_eq!(stack.udp_connect(socket, other, remote), Err(refused));
        assert_eq!(stack.udp(socket).unwrap().peer, None);
        stack.add_address(IpCidr::new(other, 24)).unwrap();
        assert!(stack.tcp_connect(now, &request).is_ok());
        assert_eq!(stack.udp_connect(socket, other, remote), Ok(()));
    });
}

#[test]
fn a_loopback_address_never_leaves_the_host() {
    let scene = scene();
    let frames = scene.capture.frames().len();
    for (own, remote) in [("127.0.0.1", "10.0.0.2"), ("::1", "fd00::2")] {
        let own: IpAddress = own.parse().unwrap();
        let remote = IpEndpoint::new(remote.parse().unwrap(), 80);
        scene.host.with(|stack, now| {
            let request = Connect::new(IpEndpoint::new(own, 7000), remote);
            let refused = Err(OpenError::Route(RouteError::NoRoute));
            assert_eq!(stack.tcp_connect(now, &request), refused);
            let address = BindAddress::Address(own);
            let binding = stack.bind(Transport::Udp, address, 5000, Share::Default).unwrap();
            let socket = stack.udp_open(binding, 100, 0).unwrap();
            assert_eq!(stack.udp_send(now, socket, remote, b"x"), Err(SendError::NoRoute));
        });
    }
    // Nor when the other end was this host's own and is no more.
    let moving = IpAddress::v4(10, 0, 0, 7);
    scene.host.with(|stack, now| {
        stack.add_address(IpCidr::new(moving, 24)).unwrap();
        let own = IpEndpoint::new(IpAddress::v4(127, 0, 0, 1), 7000);
        stack.tcp_connect(now, &Connect::new(own, IpEndpoint::new(moving, 80))).unwrap();
        stack.remove_address(moving);
    });
    scene.until(30.0);
    assert_eq!(scene.capture.frames().len(), frames);
}

#[test]
fn without_a_route_the_call_fails_and_no_frame_is_sent() {
    let scene = scene();
    let frames = scene.capture.frames().len();
    for address in ["192.0.2.1", "2001:db8::1"] {
        let remote = IpEndpoint::new(address.parse().unwrap(), 80);
        let refused = connect(&scene.host, remote);
        assert_eq!(refused, Err(OpenError::Route(RouteError::NoRoute)), "{address}");
    }
    let remote = IpEndpoint::new(IpAddress::v4(192, 0, 2, 1), 7);
    let socket = udp(&scene, Family::V4, 5000);
    let sent = scene.host.with(|stack, now| stack.udp_send(now, socket, remote, b"x"));
    assert_eq!(sent, Err(SendError::NoRoute));
    scene.until(5.0);
    assert_eq!(scene.capture.frames().len(), frames);
    assert_eq!(scene.host.with(|stack, _| stack.poll_at()), None);
}

#[test]
fn a_link_that_is_down_is_told_from_a_missing_route() {
    let scene = scene();
    scene.host.set_link_up(false);
    let refused = connect(&scene.host, scene.remote(80));
    assert_eq!(refused, Err(OpenError::Route(RouteError::LinkDown)));
    let nowhere = IpEndpoint::new(IpAddress::v4(192, 0, 2, 1), 80);
    assert_eq!(connect(&scene.host, nowhere), Err(OpenError::Route(RouteError::NoRoute)));
    // The loopback needs no link.
    let own = IpEndpoint::new(IpAddress::v4(127, 0, 0, 1), 80);
    listen(&scene.host, Family::V4, 80, 1);
    let id = connect(&scene.host, own).unwrap();
    scene.until(1.0);
    assert_eq!(scene.phase(id), Phase::Connected);
    scene.host.set_link_up(true);
    assert!(connect(&scene.host, scene.remote(80)).is_ok());
}

#[test]
fn a_neighbor_that_missed_all_three_questions_is_asked_anew_by_the_next_attempt() {
    let pair = Pair::new(1);
    listen(&pair.server, Family::V4, 80, 1);
    pair.server.set_link_up(false);
    let remote = IpEndpoint::new(Pair::addresses(2)[0], 80);
    let id = connect(&pair.client, remote).unwrap();
    pair.world.run_for(seconds(2.5));
    pair.server.set_link_up(true);
    pair.world.run_for(seconds(1.0));
    let status = pair.client.with(|stack, _| stack.tcp(id).unwrap());
    assert_eq!(status.cause.map(|cause| cause.kind), Some(CauseKind::HostUnreachable));
    let id = connect(&pair.client, remote).unwrap();
    pair.world.run_for(seconds(0.5));
    let status = pair.client.with(|stack, _| stack.tcp(id).unwrap());
    assert_eq!(status.phase, Phase::Connected);
}

fn arps(capture: &Capture) -> Vec<(f64, u8)> {
    let requests = capture.frames().into_iter().filter_map(|seen| {
        let packet = etherparse::SlicedPacket::from_ethernet(&seen.frame).ok()?;
        let Some(etherparse::NetSlice::Arp(arp)) = packet.net else { return None };
        let request = seen.out && arp.operation() == etherparse::ArpOperation::REQUEST;
        let target = *arp.target_protocol_addr().last()?;
        request.then_some((seen.at.total_micros() as f64 / 1e6, target))
    });
    requests.collect()
}

#[test]
fn a_neighbor_is_asked_three_times_a_second_apart_and_fails_for_everybody_who_waits() {
    let pair = Pair::new(1);
    let capture = Capture::new(&pair.client);
    let dead = |port| IpEndpoint::new(IpAddress::v4(10, 0, 0, 9), port);
    let first = connect(&pair.client, dead(80)).unwrap();
    pair.world.run_for(seconds(1.5));
    let second = connect(&pair.client, dead(81)).unwrap();
    let patient = connect_with(&pair.client, dead(82), |request| {
        request.policy = ConnectPolicy::PATIENT;
    })
    .unwrap();
    let socket = pair.client.with(|stack, now| {
        let any = BindAddress::Any(Family::V4);
        let binding = stack.bind(Transport::Udp, any, 5000, Share::Default).unwrap();
        let socket = stack.udp_open(binding, 1000, 0).unwrap();
        stack.udp_send(now, socket, dead(7), b"one").unwrap();
        stack.udp_send(now, socket, dead(7), b"two").unwrap();
        socket
    });
    pair.world.run_until(tapsock_stack::time::Instant::from_micros(2_999_999));
    for id in [first, second, patient] {
        assert_eq!(pair.client.with(|stack, _| stack.tcp(id).unwrap().phase), Phase::Connecting);
    }
    pair.world.run_for(seconds(0.000_001));
    let at = tapsock_stack::time::Instant::from_secs(3);
    let silence = Silence {
        asked: Asked::Arp,
        whom: IpAddress::v4(10, 0, 0, 9),
        sent: 3,
        since: tapsock_stack::time::Instant::ZERO,
        waited: seconds(3.0),
    };
    let evidence = Evidence::Silence(silence);
    let cause = Cause { kind: CauseKind::HostUnreachable, at, evidence };
    pair.client.with(|stack, _| {
        assert_eq!(stack.tcp(first).unwrap().cause, Some(cause));
        assert_eq!(stack.tcp(second).unwrap().cause, Some(cause));
        assert_eq!(stack.tcp(patient).unwrap().cause, None);
        assert_eq!(stack.udp(socket).unwrap().undeliverable, 2);
        assert_eq!(stack.counters().no_neighbor, 5);
    });
    assert_eq!(arps(&capture), [(0.0, 9), (1.0, 9), (2.0, 9)]);
    // Whoever is patient goes on asking with every SYN, and ends by the clock.
    pair.world.run_for(seconds(30.0));
    let cause = pair.client.with(|stack, _| stack.tcp(patient).unwrap().cause.unwrap());
    assert_eq!((cause.kind, cause.at.total_millis()), (CauseKind::TimedOut, 22_500));
    let Evidence::Silence(silence) = cause.evidence else { panic!() };
    // No SYN ever left, so all that was asked is the evidence: four times three requests.
    assert_eq!((silence.asked, silence.sent), (Asked::Arp, 12));
    assert_eq!(arps(&capture).len(), 12);
    assert!(capture.segments().is_empty());
}

#[test]
fn a_neighbor_is_solicited_three_times_at_its_own_multicast_address() {
    let pair = Pair::new(1);
    let capture = Capture::new(&pair.client);
    let remote = IpEndpoint::new(Pair::addresses(9)[1], 80);
    let id = connect(&pair.client, remote).unwrap();
    pair.world.run_for(seconds(10.0));
    let cause = pair.client.with(|stack, _| stack.tcp(id).unwrap().cause.unwrap());
    let Evidence::Silence(silence) = cause.evidence else { panic!() };
    assert_eq!((silence.asked, silence.sent), (Asked::NeighborSolicitation, 3));
    assert_eq!(silence.waited, seconds(3.0));
    let frames = capture.frames();
    let times: Vec<f64> = frames.iter().map(|seen| seen.at.total_micros() as f64 / 1e6).collect();
    assert_eq!(times, [0.0, 1.0, 2.0]);
    for seen in &frames {
        // RFC 4861, section 4.3, and RFC 2464, section 7: ff02::1:ff00:9.
        assert_eq!(seen.frame[..6], [0x33, 0x33, 0xff, 0, 0, 9]);
        let packet = etherparse::SlicedPacket::from_ethernet(&seen.frame).unwrap();
        let Some(etherparse::NetSlice::Ipv6(ip)) = packet.net else { panic!() };
        assert_eq!(ip.header().hop_limit(), 255);
        assert_eq!(ip.header().destination_addr().to_string(), "ff02::1:ff00:9");
        assert_eq!(ip.payload().payload[0], 135);
    }
}

#[test]
fn only_syns_that_left_are_evidence() {
    let scene = scene();
    let (id, _) = scene.connect();
    scene.until(0.5);
    scene.host.set_link_up(false);
    scene.until(5.0);
    scene.host.set_link_up(true);
    scene.until(21.0);
    // Those of second 1 and 3 met a link that was down.
    scene.sent(["0 > S 0:1", "7 > S 0:1", "15 > S 0:1"]);
    assert_eq!(scene.silence(id), (CauseKind::TimedOut, 21.0, Asked::Syn, 3, 21.0));
    assert_eq!(scene.host.with(|stack, _| stack.counters().link_down), 2);
}

fn many_dead_hosts(family: usize) {
    let pair = Pair::new(1);
    let listener = listen(&pair.server, [Family::V4, Family::V6][family], 80, 5);
    let attempt = |number: u8| {
        connect(&pair.client, IpEndpoint::new(Pair::addresses(number)[family], 80)).unwrap()
    };
    let dead: Vec<TcpId> = (11..19).map(attempt).collect();
    let live = attempt(2);
    pair.world.run_for(seconds(0.001));
    let status = pair.client.with(|stack, _| stack.tcp(live).unwrap());
    assert_eq!(status.phase, Phase::Connected, "no silent host delays another");
    assert!(pair.server.with(|stack, _| stack.tcp_accept(listener, 0)).is_some());
    pair.world.run_for(seconds(10.0));
    for (id, number) in dead.into_iter().zip(11..) {
        let cause = pair.client.with(|stack, _| stack.tcp(id).unwrap().cause.unwrap());
        assert_eq!(cause.kind, CauseKind::HostUnreachable);
        assert_eq!(cause.at.total_micros(), 3_000_000);
        let Evidence::Silence(silence) = cause.evidence else { panic!() };
        let asked = [Asked::Arp, Asked::NeighborSolicitation][family];
        assert_eq!((silence.asked, silence.sent), (asked, 3));
        assert_eq!(silence.whom, Pair::addresses(number)[family]);
    }
    assert_eq!(pair.client.with(|stack, _| stack.counters().no_neighbor), 8);
}

#[test]
fn eight_dead_hosts_fail_side_by_side_after_3_s_while_a_live_one_answers() {
    many_dead_hosts(0);
}

#[test]
fn eight_dead_hosts_fail_side_by_side_in_ipv6_too() {
    many_dead_hosts(1);
}

#[test]
fn a_dead_gateway_is_named_as_the_silent_one() {
    let pair = Pair::new(1);
    let gateway = IpAddress::v4(10, 0, 0, 254);
    let destination = IpCidr::new(IpAddress::v4(0, 0, 0, 0), 0);
    let route = Route { destination, gateway: Some(gateway) };
    pair.client.with(|stack, _| stack.add_route(route)).unwrap();
    let id = connect(&pair.client, IpEndpoint::new(IpAddress::v4(192, 0, 2, 1), 80)).unwrap();
    pair.world.run_for(seconds(3.0));
    let cause = pair.client.with(|stack, _| stack.tcp(id).unwrap().cause.unwrap());
    let Evidence::Silence(silence) = cause.evidence else { panic!() };
    assert_eq!((cause.kind, silence.whom), (CauseKind::HostUnreachable, gateway));
}

#[test]
fn a_late_answer_lets_one_syn_out_and_not_one_for_each_that_was_due() {
    let pair = Pair::over(1, Conditions { delay: seconds(0.8), ..Conditions::GOOD });
    let listener = listen(&pair.server, Family::V4, 80, 5);
    let capture = Capture::new(&pair.client);
    let every = tapsock_stack::config::SynTiming {
        initial: seconds(0.3),
        step_cap: seconds(0.3),
        retries: 20,
        total: None,
    };
    let remote = IpEndpoint::new(Pair::addresses(2)[0], 80);
    let id = connect_with(&pair.client, remote, |request| request.syn = Some(every)).unwrap();
    pair.world.run_for(seconds(1.7));
    // SYNs were due at 0, 0.3, 0.6, 0.9, 1.2 and 1.5 s; the answer came at 1.6 s.
    let syns = capture.lines(true);
    assert_eq!(syns, ["1.6001 > S 0:1"]);
    pair.world.run_for(seconds(10.0));
    assert_eq!(pair.client.with(|stack, _| stack.tcp(id).unwrap().phase), Phase::Connected);
    assert!(pair.server.with(|stack, _| stack.tcp_accept(listener, 0)).is_some());
}

fn udp(scene: &Scene, family: Family, port: u16) -> UdpId {
    scene.host.with(|stack, _| {
        let any = BindAddress::Any(family);
        let binding = stack.bind(Transport::Udp, any, port, Share::Default).unwrap();
        stack.udp_open(binding, 65536, 0).unwrap()
    })
}

#[test]
fn a_datagram_to_a_dead_port_is_reported_to_its_socket_and_to_no_other() {
    for family in [0, 1] {
        let pair = Pair::new(1);
        let remote = IpEndpoint::new(Pair::addresses(2)[family], 9);
        let open = |port| {
            pair.client.with(|stack, _| {
                let any = BindAddress::Any([Family::V4, Family::V6][family]);
                let binding = stack.bind(Transport::Udp, any, port, Share::Default).unwrap();
                stack.udp_open(binding, 65536, 0).unwrap()
            })
        };
        let (socket, other) = (open(5000), open(5001));
        for _ in 0..3 {
            let sent = pair.client.with(|stack, now| stack.udp_send(now, socket, remote, b"hello"));
            assert_eq!(sent, Ok(()));
            pair.world.run_for(seconds(0.1));
        }
        let counters = pair.server.with(|stack, _| stack.counters().clone());
        assert_eq!(counters.udp_unmatched, 3);
        pair.client.with(|stack, _| {
            assert_eq!(stack.udp(socket).unwrap().errors, 3);
            assert_eq!(stack.udp(other).unwrap().errors, 0);
            for _ in 0..3 {
                let error = stack.udp_error(socket).unwrap();
                assert_eq!((error.kind, error.remote), (CauseKind::Refused, remote));
            }
            assert_eq!(stack.udp_error(socket), None);
            assert_eq!(stack.counters().icmp_matched, 3);
        });
        // The other way round: the server's socket hears of the client's dead port.
        let server = pair.server.with(|stack, _| {
            let any = BindAddress::AnyDual;
            let binding = stack.bind(Transport::Udp, any, 9, Share::Default).unwrap();
            stack.udp_open(binding, 65536, 0).unwrap()
        });
        let back = IpEndpoint::new(Pair::addresses(1)[family], 6000);
        pair.server.with(|stack, now| stack.udp_send(now, server, back, b"hello")).unwrap();
        pair.world.run_for(seconds(0.1));
        let error = pair.server.with(|stack, _| stack.udp_error(server)).unwrap();
        assert_eq!((error.kind, error.remote), (CauseKind::Refused, back));
    }
}

#[test]
fn each_icmp_code_reaches_a_datagram_socket_as_its_kind() {
    for family in [Family::V4, Family::V6] {
        for &(kind, code, expected) in table(family) {
            let scene = Scene::new(family, |_| {});
            let socket = udp(&scene, family, 5000);
            let remote = scene.remote(7);
            scene.host.with(|stack, now| stack.udp_send(now, socket, remote, b"hello")).unwrap();
            scene.icmp(kind, code, &scene.last_out(), 8);
            let error = scene.host.with(|stack, _| stack.udp_error(socket));
            assert_eq!(error.map(|error| error.kind), expected, "{kind}/{code}");
            assert_eq!(scene.happened().contains(Happened::SOFT_ERROR), expected.is_some());
            // The socket is as good as before.
            let sent = scene.host.with(|stack, now| stack.udp_send(now, socket, remote, b"x"));
            assert_eq!(sent, Ok(()));
            let none =
                scene.host.with(|stack, _| stack.udp_recv(socket, &mut [0; 8], Take::Consume));
            assert!(none.is_none());
        }
    }
}

#[test]
fn an_icmp_error_about_an_icmp_error_or_from_a_multicast_source_is_nothing() {
    let scene = scene();
    let (id, _) = scene.connect();
    let syn = scene.last_out();
    let inner = icmp(3, 1, [0; 4], &syn, 8);
    scene.icmp(3, 1, &inner, 8);
    assert_eq!(scene.phase(id), Phase::Connecting);
    let mut forged = icmp(3, 1, [0; 4], &syn, 8);
    // From 224.0.0.254: the header's checksum made right by taking the difference from the ident.
    forged[26] = 224;
    let ident = u16::from_be_bytes([forged[18], forged[19]]).wrapping_sub((224 - 10) << 8);
    forged[18..20].copy_from_slice(&ident.to_be_bytes());
    scene.arrives(&forged);
    assert_eq!(scene.phase(id), Phase::Connecting);
    scene.host.with(|stack, _| assert_eq!(stack.counters().icmp_matched, 0));
}

#[test]
fn an_attempt_that_ends_while_its_neighbor_is_still_being_asked_says_so() {
    let pair = Pair::new(1);
    let dead = IpEndpoint::new(IpAddress::v4(10, 0, 0, 9), 80);
    let id = connect_with(&pair.client, dead, |request| {
        request.max_rt = Some(seconds(1.5));
    })
    .unwrap();
    pair.world.run_for(seconds(2.0));
    let cause = pair.client.with(|stack, _| stack.tcp(id).unwrap().cause.unwrap());
    assert_eq!(
        cause.to_string(),
        "timed out: silence: 2 ARP requests to 10.0.0.9 unanswered in 1.500 s"
    );
}
