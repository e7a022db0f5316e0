//! How a stream's connection attempt ends, when, and because of what. Each difference between
//! the profiles has a test for either.

use tapsock_stack::event::{Asked, CauseKind, Evidence, PacketSummary};
use tapsock_stack::sim::{Answer, Router};
use tapsock_stack::wire::{EthernetAddress, IpAddress};

use super::scene::*;

/// The code of a blocking connect, and the seconds that it took.
fn timed(scene: &Scene, name: &str) -> (i32, f64) {
    let start = scene.seconds();
    let s = if name.starts_with('[') { tcp6(&scene.client) } else { tcp(&scene.client) };
    let code = code(connect(&scene.client, s, name));
    (code, ((scene.seconds() - start) * 10.0).round() / 10.0)
}

fn evidence(scene: &Scene) -> Evidence {
    scene.client.last_cause().expect("a cause").evidence
}

#[test]
fn a_stream_carries_bytes_both_ways() {
    let scene = Scene::documented();
    let (s, t) = scene.connected();
    assert_eq!(send(&scene.client, s, b"hello").unwrap(), 5);
    assert_eq!(recv(&scene.server, t).unwrap(), b"hello");
    assert_eq!(send(&scene.server, t, b"world").unwrap(), 5);
    assert_eq!(recv(&scene.client, s).unwrap(), b"world");
    scene.client.closesocket(s).unwrap();
    assert_eq!(recv(&scene.server, t).unwrap(), b"");
}

#[test]
fn a_reset_refuses_at_once_as_documented() {
    let scene = Scene::documented();
    assert_eq!(timed(&scene, "10.0.0.2:81"), (10061, 0.0));
    let Evidence::Packet(packet) = evidence(&scene) else { panic!("no packet") };
    let PacketSummary::Tcp { flags, .. } = packet.summary else { panic!("no segment") };
    assert_eq!(flags & 4, 4, "RST");
    assert_eq!(timed(&scene, "[fd00::2]:81"), (10061, 0.0));
    assert_eq!(timed(&scene, "127.0.0.1:81"), (10061, 0.0));
}

#[test]
fn a_reset_refuses_after_four_repetitions_on_windows() {
    let scene = Scene::windows();
    assert_eq!(timed(&scene, "10.0.0.2:81"), (10061, 2.0));
    assert_eq!(timed(&scene, "127.0.0.1:81"), (10061, 2.0));
}

#[test]
fn a_listener_that_appears_in_time_is_connected_to_on_windows() {
    let scene = Scene::windows();
    let server = scene.server.clone();
    scene.at(1200, move |_| {
        listener(&server, "0.0.0.0:81");
    });
    assert_eq!(timed(&scene, "10.0.0.2:81"), (0, 1.5));
}

#[test]
fn icmp_errors_decide_at_once_as_documented() {
    let scene = Scene::documented();
    assert_eq!(timed(&scene, NO_NET), (10051, 0.0));
    let Evidence::Packet(packet) = evidence(&scene) else { panic!("no packet") };
    assert!(matches!(packet.summary, PacketSummary::Icmp { kind: 3, code: 0, .. }));
    assert_eq!(timed(&scene, NO_HOST), (10065, 0.0));
}

#[test]
fn icmp_errors_are_remembered_on_windows() {
    let scene = Scene::windows();
    assert_eq!(timed(&scene, NO_NET), (10060, 21.0));
    assert_eq!(timed(&scene, NO_HOST), (10060, 21.0));
}

/// A router at 10.0.0.253 and fd00::fd that answers whatever goes through it with this error.
fn behind_a_router(scene: &Scene, kind: u8, number: u8) {
    let router = Router::new(EthernetAddress([2, 0, 0, 0, 0, 253]))
        .with_address(IpAddress::v4(10, 0, 0, 253))
        .with_address(IpAddress::v6(0xfd00, 0, 0, 0, 0, 0, 0, 0xfd))
        .with_answer(
            "0.0.0.0/0".parse::<tapsock_stack::wire::IpCidr>().unwrap(),
            Answer::Error { kind, code: number },
        )
        .with_answer(
            "::/0".parse::<tapsock_stack::wire::IpCidr>().unwrap(),
            Answer::Error { kind, code: number },
        );
    scene.world.device(router);
    scene.client.engine().host().with(|stack, _| {
        for (destination, gateway) in [("0.0.0.0/0", "10.0.0.253"), ("::/0", "fd00::fd")] {
            let route = tapsock_stack::config::Route {
                destination: destination.parse().unwrap(),
                gateway: Some(gateway.parse().unwrap()),
            };
            stack.add_route(route).unwrap();
        }
    });
}

#[test]
fn every_icmp_unreachable_code_has_its_error() {
    for number in 0..=15 {
        let expected = match number {
            0 | 6 | 9 | 11 => (10051, 0.0),
            1 | 5 | 7 | 8 | 10 | 12..=15 => (10065, 0.0),
            2 | 3 => (10061, 0.0),
            // About the size of packets: the attempt goes on.
            _ => (10060, 21.0),
        };
        let scene = Scene::documented();
        behind_a_router(&scene, 3, number);
        assert_eq!(timed(&scene, "8.8.8.8:80"), expected, "ICMP 3/{number}");
    }
}

#[test]
fn every_icmpv6_unreachable_code_has_its_error() {
    for number in 0..=6 {
        let expected = match number {
            0 => 10051,
            4 => 10061,
            _ => 10065,
        };
        let scene = Scene::documented();
        behind_a_router(&scene, 1, number);
        assert_eq!(timed(&scene, "[2001:db8::1]:80"), (expected, 0.0), "ICMPv6 1/{number}");
    }
}

#[test]
fn time_exceeded_and_parameter_problem_are_host_unreachable() {
    for (kind, name) in [(11, "8.8.8.8:80"), (12, "8.8.8.8:80")] {
        let scene = Scene::documented();
        behind_a_router(&scene, kind, 0);
        assert_eq!(timed(&scene, name), (10065, 0.0), "ICMP {kind}");
    }
    for kind in [3, 4] {
        let scene = Scene::documented();
        behind_a_router(&scene, kind, 0);
        assert_eq!(timed(&scene, "[2001:db8::1]:80"), (10065, 0.0), "ICMPv6 {kind}");
    }
}

#[test]
fn a_silent_neighbor_is_host_unreachable_after_three_requests_as_documented() {
    let scene = Scene::documented();
    assert_eq!(timed(&scene, NOBODY), (10065, 3.0));
    let Evidence::Silence(silence) = evidence(&scene) else { panic!("no silence") };
    assert_eq!((silence.asked, silence.sent), (Asked::Arp, 3));
    assert_eq!(timed(&scene, "[fd00::99]:80"), (10065, 3.0));
    let Evidence::Silence(silence) = evidence(&scene) else { panic!("no silence") };
    assert_eq!((silence.asked, silence.sent), (Asked::NeighborSolicitation, 3));
}

#[test]
fn a_silent_neighbor_is_a_timeout_on_windows() {
    let scene = Scene::windows();
    assert_eq!(timed(&scene, NOBODY), (10060, 21.0));
    assert_eq!(timed(&scene, "[fd00::99]:80"), (10060, 21.0));
    let Evidence::Silence(silence) = evidence(&scene) else { panic!("no silence") };
    assert_eq!(silence.asked, Asked::NeighborSolicitation);
}

#[test]
fn silence_is_a_timeout_after_21_seconds() {
    for scene in [Scene::documented(), Scene::windows()] {
        assert_eq!(timed(&scene, SILENT), (10060, 21.0));
        let Evidence::Silence(silence) = evidence(&scene) else { panic!("no silence") };
        assert_eq!((silence.asked, silence.sent), (Asked::Syn, 5));
    }
}

#[test]
fn no_route_is_known_at_once_also_to_a_non_blocking_call() {
    for scene in [Scene::documented(), Scene::windows()] {
        let client = &scene.client;
        assert_eq!(timed(&scene, "8.8.8.8:80"), (10051, 0.0));
        assert!(matches!(evidence(&scene), Evidence::NoRoute(_)));
        assert_eq!(code(connect(client, tcp_nonblocking(client), "8.8.8.8:80")), 10051);
        assert_eq!(code(connect(client, udp(client), "8.8.8.8:80")), 10051);
        assert_eq!(code(connect(client, tcp6(client), "[2001:db8::1]:80")), 10051);
    }
}

#[test]
fn a_lost_link_is_network_down_as_documented() {
    let scene = Scene::documented();
    scene.client.engine().host().set_link_up(false);
    assert_eq!(timed(&scene, "10.0.0.2:80"), (10050, 0.0));
    assert_eq!(scene.client.last_cause().unwrap().kind, CauseKind::LinkDown);
    assert_eq!(code(connect(&scene.client, udp(&scene.client), "10.0.0.2:80")), 10050);
    // The loopback needs no link.
    assert_eq!(timed(&scene, "127.0.0.1:80"), (10061, 0.0));
}

#[test]
fn a_way_that_appears_within_the_budget_is_taken_by_the_next_repetition() {
    for (appears, expected) in [(5000, (0, 7.0)), (20_000, (10060, 21.0))] {
        let scene = Scene::documented();
        scene.listen(4000);
        let detour = "10.0.0.2/32".parse().unwrap();
        let host = scene.client.engine().host().clone();
        // The router swallows what goes its way.
        let gateway = Some("10.0.0.254".parse().unwrap());
        let route = tapsock_stack::config::Route { destination: detour, gateway };
        host.with(|stack, _| stack.add_route(route).unwrap());
        scene.at(appears, move |_| host.with(|stack, _| stack.remove_route(detour)));
        assert_eq!(timed(&scene, "10.0.0.2:4000"), expected);
    }
}

#[test]
fn an_established_connection_outlives_a_link_that_comes_back() {
    let scene = Scene::documented();
    let (s, t) = scene.connected();
    let host = scene.client.engine().host();
    host.set_link_up(false);
    let sent = code(send(&scene.client, s, b"hello"));
    scene.run(1500);
    host.set_link_up(true);
    scene.run(5000);
    assert_eq!((sent, recv(&scene.server, t).unwrap()), (0, b"hello".to_vec()));
}

#[test]
fn a_lost_link_is_host_unreachable_on_windows() {
    let scene = Scene::windows();
    scene.client.engine().host().set_link_up(false);
    assert_eq!(timed(&scene, "10.0.0.2:80"), (10065, 0.0));
    assert_eq!(code(connect(&scene.client, udp(&scene.client), "10.0.0.2:80")), 10065);
}

#[test]
fn with_the_option_any_icmp_error_is_host_unreachable_and_can_be_read() {
    for scene in [Scene::documented(), Scene::windows()] {
        let client = &scene.client;
        let s = tcp(client);
        client.set_option(s, 6, 18, 1).unwrap();
        assert_eq!(code(connect(client, s, NO_NET)), 10065);
        assert!(scene.seconds() < 1.0);
        let mut info = [0xEE; 36];
        let mut len = 36;
        client.getsockopt(s, 6, 19, (&mut info).into(), Some(&mut len)).unwrap();
        assert_eq!(len, 36);
        assert_eq!(info[..2], 2_u16.to_ne_bytes());
        assert_eq!(info[4..8], [10, 0, 0, 254]);
        assert_eq!(info[28..34], [1, 0, 0, 0, 3, 0]);
        // Until the next attempt.
        assert_eq!(code(connect(client, s, "10.0.0.2:81")), 10061);
        client.getsockopt(s, 6, 19, (&mut info).into(), Some(&mut len)).unwrap();
        assert_eq!(len, 0);
    }
}

fn initial_rto(scene: &Scene, rtt: u16, retries: u8) -> wsa::SocketHandle {
    let s = tcp(&scene.client);
    let [low, high] = rtt.to_ne_bytes();
    let mut returned = 99;
    scene
        .client
        .wsa_ioctl(
            s,
            0x9800_0011,
            (&[low, high, retries, 0]).into(),
            4,
            wsa::MemoryMut::Null,
            0,
            Some(&mut returned),
        )
        .unwrap();
    assert_eq!(returned, 0);
    s
}

#[test]
fn the_number_of_syn_repetitions_is_the_length_of_the_timeout() {
    for (retries, seconds) in [(0, 21.0), (2, 7.0), (6, 123.0), (0xFE, 1.0), (0xFF, 21.0)] {
        let scene = Scene::documented();
        let s = initial_rto(&scene, 0, retries);
        assert_eq!(code(connect(&scene.client, s, SILENT)), 10060);
        assert!((scene.seconds() - seconds).abs() < 0.1, "{retries}: {}", scene.seconds());
    }
}

#[test]
fn the_first_step_is_three_round_trips() {
    let scene = Scene::documented();
    let s = initial_rto(&scene, 100, 1);
    assert_eq!(code(connect(&scene.client, s, SILENT)), 10060);
    // 0.3 s and 0.6 s.
    assert!((scene.seconds() - 0.9).abs() < 0.1, "{}", scene.seconds());
}

#[test]
fn the_refusal_on_windows_takes_as_long_as_the_repetitions() {
    for (retries, seconds) in [(2, 1.0), (4, 2.0), (0xFE, 0.0)] {
        let scene = Scene::windows();
        let s = initial_rto(&scene, 0, retries);
        assert_eq!(code(connect(&scene.client, s, "10.0.0.2:81")), 10061);
        assert!((scene.seconds() - seconds).abs() < 0.1, "{retries}: {}", scene.seconds());
    }
}

#[test]
fn initial_rto_is_checked() {
    let scene = Scene::documented();
    let client = &scene.client;
    let mut returned = 0;
    let mut ioctl = |s, input: wsa::Memory<'_>, in_len, out_len| {
        let null = wsa::MemoryMut::Null;
        code(client.wsa_ioctl(s, 0x9800_0011, input, in_len, null, out_len, Some(&mut returned)))
    };
    let s = tcp(client);
    assert_eq!(ioctl(s, wsa::Memory::Null, 4, 0), 10014);
    assert_eq!(ioctl(s, (&[0; 3]).into(), 3, 0), 10014);
    assert_eq!(ioctl(s, (&[0; 4]).into(), 4, 4), 10022);
    assert_eq!(ioctl(udp(client), (&[0; 4]).into(), 4, 0), 10045);
    scene.listen(4000);
    connect(client, s, "10.0.0.2:4000").unwrap();
    assert_eq!(ioctl(s, (&[0; 4]).into(), 4, 0), 10022);
}

#[test]
fn tcp_maxrt_is_the_whole_budget() {
    for (option, value, seconds) in [(5, 5, 5.0), (14, 2500, 2.5), (5, 60, 60.0)] {
        let scene = Scene::documented();
        let s = tcp(&scene.client);
        scene.client.set_option(s, 6, option, value).unwrap();
        assert_eq!(code(connect(&scene.client, s, SILENT)), 10060);
        assert!((scene.seconds() - seconds).abs() < 0.1, "{value}: {}", scene.seconds());
    }
}

#[test]
fn after_tcp_maxrt_it_is_a_timeout_whatever_resets_were_seen() {
    let scene = Scene::windows();
    let s = tcp(&scene.client);
    scene.client.set_option(s, 6, 14, 1200).unwrap();
    assert_eq!(code(connect(&scene.client, s, "10.0.0.2:81")), 10060);
    assert!((scene.seconds() - 1.2).abs() < 0.1, "{}", scene.seconds());
}

#[test]
fn with_tcp_maxrt_of_minus_one_nobody_gives_up() {
    let scene = Scene::documented();
    let client = &scene.client;
    let s = tcp_nonblocking(client);
    client.set_option(s, 6, 5, u32::MAX).unwrap();
    assert_eq!(code(connect(client, s, SILENT)), 10035);
    scene.run(3_600_000);
    assert_eq!(code(connect(client, s, SILENT)), 10037);
}

#[test]
fn every_failure_may_be_retried_on_the_same_socket() {
    let scene = Scene::documented();
    let client = &scene.client;
    let listening = scene.listen(4000);
    let s = tcp(client);
    for (name, expected) in [
        ("10.0.0.2:81", 10061),
        (NO_NET, 10051),
        (NO_HOST, 10065),
        (NOBODY, 10065),
        (SILENT, 10060),
        ("8.8.8.8:80", 10051),
        ("127.0.0.1:81", 10061),
        ("0.0.0.0:80", 10049),
        ("10.0.0.2:4000", 0),
    ] {
        assert_eq!(code(connect(client, s, name)), expected, "{name}");
    }
    let accepted = accept(&scene.server, listening).unwrap();
    send(client, s, b"at last").unwrap();
    assert_eq!(recv(&scene.server, accepted).unwrap(), b"at last");
}

#[test]
fn an_explicit_name_stays_after_a_failure() {
    let scene = Scene::documented();
    let client = &scene.client;
    let s = tcp(client);
    bind(client, s, "0.0.0.0:5000").unwrap();
    assert_eq!(code(connect(client, s, "10.0.0.2:81")), 10061);
    assert_eq!(client.local_name(s).unwrap().to_string(), "0.0.0.0:5000");
    assert_eq!(code(connect(client, s, "127.0.0.1:81")), 10061);
    assert_eq!(code(connect(client, s, "10.0.0.2:81")), 10061);
}

#[test]
fn a_process_is_both_ends() {
    let scene = Scene::documented();
    let client = &scene.client;
    for name in ["127.0.0.1:4000", "127.9.9.9:4000", "10.0.0.1:4000"] {
        let listening = listener(client, "0.0.0.0:4000");
        let s = tcp(client);
        connect(client, s, name).unwrap();
        let accepted = accept(client, listening).unwrap();
        send(client, s, b"self").unwrap();
        assert_eq!(recv(client, accepted).unwrap(), b"self");
        for s in [listening, s, accepted] {
            client.closesocket(s).unwrap();
        }
    }
    let listening = listener(client, "[::1]:4000");
    let s = tcp6(client);
    connect(client, s, "[::1]:4000").unwrap();
    accept(client, listening).unwrap();
}

#[test]
fn an_established_connection_gives_up_after_five_retransmissions_or_tcp_maxrt() {
    // Repeated after 1, 2, 4, 8 and 16 s and given up after 32 more; or after TCP_MAXRT seconds.
    for (max_rt, seconds) in [(None, 63.0), (Some(10), 10.0)] {
        let scene = Scene::documented();
        let client = &scene.client;
        let (s, _) = scene.connected();
        if let Some(limit) = max_rt {
            client.set_option(s, 6, 5, limit).unwrap();
        }
        scene.server.engine().host().set_link_up(false);
        let began = scene.seconds();
        send(client, s, b"anybody there?").unwrap();
        assert_eq!(code(recv(client, s)), 10060);
        assert_eq!(((scene.seconds() - began) * 10.0).round() / 10.0, seconds);
        let cause = client.cause(s).unwrap();
        let Evidence::Silence(silence) = cause.evidence else { panic!("no silence") };
        assert_eq!((cause.kind, silence.asked), (CauseKind::TimedOut, Asked::Retransmission));
        if max_rt.is_none() {
            assert_eq!(silence.sent, 5);
        }
        // What comes after is told the same.
        assert_eq!(code(send(client, s, b"hello?")), 10060);
    }
}

#[test]
fn a_socket_on_the_loopback_address_reaches_nobody_else() {
    for (own, peer) in [("127.0.0.1:0", "10.0.0.2:80"), ("[::1]:0", "[fd00::2]:80")] {
        let scene = Scene::documented();
        let client = &scene.client;
        let (s, u) = if own.starts_with('[') {
            (tcp6(client), udp6(client))
        } else {
            (tcp(client), udp(client))
        };
        bind(client, s, own).unwrap();
        assert_eq!(code(connect(client, s, peer)), 10049, "WSAEADDRNOTAVAIL");
        bind(client, u, own).unwrap();
        let name = wsa::sockaddr(address(peer));
        let sent = client.sendto(u, (b"x").into(), 0, name.memory(), name.len());
        assert_eq!(code(sent), 10049, "WSAEADDRNOTAVAIL");
        let out = client.engine().host().with(|stack, _| stack.counters().frames_out);
        // Not even a question for a neighbor.
        scene.run(5000);
        assert_eq!(client.engine().host().with(|stack, _| stack.counters().frames_out), out);
    }
}
