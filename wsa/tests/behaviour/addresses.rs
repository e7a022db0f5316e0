//! Which addresses can be a peer.

use wsa::{Memory, SocketHandle};

use super::scene::*;

const SO_ERROR: (i32, i32) = (0xFFFF, 0x1007);

fn so_error(process: &Wsa, s: SocketHandle) -> u32 {
    process.option(s, SO_ERROR.0, SO_ERROR.1).unwrap()
}

#[test]
fn address_zero_and_port_zero_are_unusable_at_once() {
    for scene in [Scene::documented(), Scene::windows()] {
        let client = &scene.client;
        for name in ["0.0.0.0:80", "10.0.0.2:0", "0.0.0.0:0"] {
            assert_eq!(code(connect(client, tcp(client), name)), 10049, "{name}");
            assert_eq!(code(connect(client, tcp_nonblocking(client), name)), 10049, "{name}");
            assert_eq!(code(connect(client, udp(client), name)), 10049, "{name}");
        }
        for name in ["[::]:80", "[fd00::2]:0"] {
            assert_eq!(code(connect(client, tcp6(client), name)), 10049, "{name}");
            assert_eq!(code(connect(client, udp6(client), name)), 10049, "{name}");
        }
    }
}

#[test]
fn a_stream_name_of_zero_bytes_is_an_unusable_address_not_another_family() {
    let scene = Scene::documented();
    let client = &scene.client;
    assert_eq!(code(client.connect(tcp(client), Memory::Bytes(&[0; 16]), 16)), 10049);
    assert_eq!(code(client.connect(tcp6(client), Memory::Bytes(&[0; 28]), 28)), 10049);
    // Too short for the family all the same.
    assert_eq!(code(client.connect(tcp6(client), Memory::Bytes(&[0; 16]), 16)), 10014);
}

#[test]
fn family_zero_with_an_address_is_another_family() {
    let scene = Scene::documented();
    let client = &scene.client;
    let name = [0, 0, 0, 80, 10, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(code(client.connect(tcp(client), Memory::Bytes(&name), 16)), 10047);
    assert_eq!(code(client.connect(udp(client), Memory::Bytes(&name), 16)), 10047);
}

const NO_PEERS: [&str; 3] = ["255.255.255.255:80", "10.0.0.255:80", "224.0.0.1:80"];

#[test]
fn tcp_to_broadcast_or_multicast_is_unusable_at_once_as_documented() {
    let scene = Scene::documented();
    let client = &scene.client;
    for name in NO_PEERS {
        assert_eq!(code(connect(client, tcp(client), name)), 10049, "{name}");
        let s = tcp_nonblocking(client);
        assert_eq!(code(connect(client, s, name)), 10049, "{name}");
        assert_eq!(so_error(client, s), 0);
    }
    let s = tcp6(client);
    assert_eq!(code(connect(client, s, "[ff02::1]:80")), 10049);
}

#[test]
fn tcp_to_broadcast_or_multicast_fails_later_on_windows() {
    let scene = Scene::windows();
    let client = &scene.client;
    for name in NO_PEERS {
        assert_eq!(code(connect(client, tcp(client), name)), 10049, "{name}");
        let s = tcp_nonblocking(client);
        assert_eq!(code(connect(client, s, name)), 10035, "{name}");
        assert_eq!(so_error(client, s), 10049, "{name}");
    }
    let name = "[ff02::1]:80";
    assert_eq!(code(connect(client, tcp6(client), name)), 10049);
    let s = tcp6(client);
    client.set_nonblocking(s, true).unwrap();
    assert_eq!(code(connect(client, s, name)), 10035);
    assert_eq!(so_error(client, s), 10049);
}

#[test]
fn a_v4_mapped_address_needs_a_dual_stack_socket() {
    let scene = Scene::documented();
    let client = &scene.client;
    scene.listen(4000);
    let s = tcp6(client);
    assert_eq!(code(connect(client, s, "[::ffff:10.0.0.2]:4000")), 10049);
    client.set_nonblocking(s, true).unwrap();
    assert_eq!(code(connect(client, s, "[::ffff:10.0.0.2]:4000")), 10049);
    assert_eq!(code(connect(client, udp6(client), "[::ffff:10.0.0.2]:4000")), 10049);
}

#[test]
fn a_v4_mapped_address_without_dual_stack_fails_later_on_windows() {
    let scene = Scene::windows();
    let client = &scene.client;
    let s = tcp6(client);
    assert_eq!(code(connect(client, s, "[::ffff:10.0.0.2]:4000")), 10049);
    client.set_nonblocking(s, true).unwrap();
    assert_eq!(code(connect(client, s, "[::ffff:10.0.0.2]:4000")), 10035);
    assert_eq!(so_error(client, s), 10049);
}

#[test]
fn a_dual_stack_socket_connects_over_ipv4_and_names_are_v4_mapped() {
    let scene = Scene::documented();
    let client = &scene.client;
    let listening = scene.listen(4000);
    let s = tcp6(client);
    client.set_option(s, 41, 27, 0).unwrap();
    connect(client, s, "[::ffff:10.0.0.2]:4000").unwrap();
    assert_eq!(client.peer_name(s).unwrap().to_string(), "[::ffff:10.0.0.2]:4000");
    let local = client.local_name(s).unwrap().to_string();
    assert!(local.starts_with("[::ffff:10.0.0.1]:"), "{local}");
    let accepted = accept(&scene.server, listening).unwrap();
    assert!(scene.server.peer_name(accepted).unwrap().to_string().starts_with("10.0.0.1:"));
}

#[test]
fn a_dual_stack_socket_also_connects_over_ipv6() {
    let scene = Scene::documented();
    let client = &scene.client;
    let listening = listener(&scene.server, "[::]:4000");
    let s = tcp6(client);
    client.set_option(s, 41, 27, 0).unwrap();
    connect(client, s, "[fd00::2]:4000").unwrap();
    assert!(client.local_name(s).unwrap().to_string().starts_with("[fd00::1]:"));
    assert!(accept(&scene.server, listening).is_ok());
}

#[test]
fn an_unknown_scope_is_unusable_and_zero_means_the_only_link() {
    let scene = Scene::documented();
    let client = &scene.client;
    for (host, process) in [("fe80::1", client), ("fe80::2", &scene.server)] {
        let cidr = format!("{host}/64").parse().unwrap();
        let engine = process.engine();
        engine.host().with(|stack, _| stack.add_address(cidr).unwrap());
    }
    let listening = listener(&scene.server, "[::]:4000");
    assert_eq!(code(connect(client, tcp6(client), "[fe80::2%7]:4000")), 10049);
    for name in ["[fe80::2%0]:4000", "[fe80::2%1]:4000"] {
        let s = tcp6(client);
        connect(client, s, name).unwrap();
        assert_eq!(client.peer_name(s).unwrap().to_string(), address(name).to_string());
        assert!(client.local_name(s).unwrap().to_string().starts_with("[fe80::1%1]:"));
        accept(&scene.server, listening).unwrap();
    }
}

#[test]
fn flow_label_and_scope_come_back_from_getpeername_and_the_label_is_on_every_packet() {
    use core::net::SocketAddrV6;
    use std::sync::{Arc, Mutex};
    use tapsock_stack::sim::Verdict;

    let scene = Scene::documented();
    let client = &scene.client;
    listener(&scene.server, "[::]:4000");
    let labels = Arc::new(Mutex::new(Vec::new()));
    let log = labels.clone();
    client.engine().host().set_filter(move |frame, direction| {
        let ipv6_tcp = frame.get(12..14) == Some(&[0x86, 0xDD]) && frame.get(20) == Some(&6);
        if ipv6_tcp && direction == tapsock_stack::link::Direction::Outbound {
            let first = u32::from_be_bytes(frame[14..18].try_into().unwrap());
            log.lock().unwrap().push(first & 0xF_FFFF);
        }
        Verdict::Pass
    });
    let name = SocketAddrV6::new("fd00::2".parse().unwrap(), 4000, 0x12345, 0);
    let s = tcp6(client);
    client.connect_to(s, name).unwrap();
    send(client, s, b"hello").unwrap();
    scene.run(100);
    assert_eq!(client.peer_name(s).unwrap().flow_info, 0x12345);
    let labels = labels.lock().unwrap();
    assert!(labels.len() >= 3);
    assert!(labels.iter().all(|label| *label == 0x12345), "{labels:x?}");
}

#[test]
fn datagrams_take_any_unicast_or_multicast_peer_at_once() {
    let scene = Scene::documented();
    let client = &scene.client;
    let s = udp(client);
    client.set_nonblocking(s, true).unwrap();
    for name in ["10.0.0.2:53", NOBODY, SILENT, "127.0.0.1:9", "224.0.0.1:53"] {
        assert_eq!(code(connect(client, s, name)), 0, "{name}");
        assert_eq!(client.peer_name(s).unwrap().to_string(), name);
    }
}

#[test]
fn datagrams_to_a_broadcast_address_need_permission_as_documented() {
    let scene = Scene::documented();
    let client = &scene.client;
    for name in ["255.255.255.255:53", "10.0.0.255:53"] {
        let s = udp(client);
        assert_eq!(code(connect(client, s, name)), 10013, "{name}");
        assert_eq!(code(client.local_name(s)), 10022);
        client.set_option(s, 0xFFFF, 0x20, 1).unwrap();
        assert_eq!(code(connect(client, s, name)), 0, "{name}");
    }
}

#[test]
fn datagrams_connect_to_a_broadcast_address_without_permission_on_windows() {
    let scene = Scene::windows();
    let client = &scene.client;
    for name in ["255.255.255.255:53", "10.0.0.255:53"] {
        let s = udp(client);
        assert_eq!(code(connect(client, s, name)), 0, "{name}");
        assert_eq!(client.option(s, 0xFFFF, 0x20).unwrap(), 0);
        // send may, sendto may not, connected or not; and what send sends is heard.
        let to = wsa::sockaddr(address(name));
        for sender in [s, udp(client)] {
            let refused = client.sendto(sender, b"x".into(), 0, to.memory(), to.len());
            assert_eq!(code(refused), 10013, "{name}");
        }
        let hears = udp(&scene.server);
        bind(&scene.server, hears, "0.0.0.0:53").unwrap();
        assert_eq!(send(client, s, b"heard"), Ok(5), "{name}");
        assert_eq!(recv(&scene.server, hears).unwrap(), b"heard");
        scene.server.closesocket(hears).unwrap();
    }
}

#[test]
fn only_the_whole_structure_ends_an_association_not_the_address_alone() {
    let scene = Scene::documented();
    let client = &scene.client;
    let s = udp(client);
    connect(client, s, "10.0.0.2:53").unwrap();
    assert_eq!(code(connect(client, s, "0.0.0.0:53")), 10049);
    assert_eq!(client.peer_name(s).unwrap().to_string(), "10.0.0.2:53");
}
