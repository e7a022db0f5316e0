use alloc::string::{String, ToString};
use std::time::Instant as WallClock;

use pcap_file::pcapng::{Block, PcapNgReader};
use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr, IpEndpoint};

use super::*;
use crate::config::{Config, Route};
use crate::event::{CauseKind, Evidence};
use crate::link::capture::SharedBuffer;
use crate::link::{Link, LinkError};
use crate::port::{BindAddress, Family, Share, Transport};
use crate::sim::{Answer, Conditions, Host, Pair, Router, Stepped, Verdict};
use crate::tcp::{Close, Connect, Phase, ReceiveError, SendError, Take};
use crate::{ListenerId, TcpId};

fn listen(host: &Host, family: Family, port: u16) -> ListenerId {
    host.with(|stack, _| {
        let address = BindAddress::Any(family);
        let binding = stack.bind(Transport::Tcp, address, port, Share::Default).unwrap();
        stack.tcp_listen(binding, 5, 0).unwrap()
    })
}

fn connect(host: &Host, remote: IpEndpoint) -> TcpId {
    host.with(|stack, now| {
        let source = stack.source_for(remote.addr).unwrap();
        let address = BindAddress::Any(Family::of(remote.addr));
        let binding = stack.bind_for(Transport::Tcp, address, remote, Share::Default).unwrap();
        let local = IpEndpoint::new(source, stack.bound(binding).unwrap().1);
        stack.tcp_connect(now, &Connect::new(local, remote)).unwrap()
    })
}

fn phase(host: &Host, id: TcpId) -> Phase {
    host.with(|stack, _| stack.tcp(id).unwrap().phase)
}

/// Sends `data` from one end to the other and closes. What arrived, and how it ended.
fn transfer(pair: &Pair, data: &[u8], family: usize) -> (Vec<u8>, Option<CauseKind>) {
    let remote = IpEndpoint::new(Pair::addresses(2)[family], 80);
    let listener = listen(&pair.server, Family::of(remote.addr), 80);
    let sender = connect(&pair.client, remote);
    let (mut receiver, mut sent, mut closed) = (None, 0, false);
    let mut arrived = Vec::new();
    loop {
        let stepped = pair.world.step();
        if !closed {
            pair.client.with(|stack, now| {
                match stack.tcp_send(now, sender, &data[sent..], 65536) {
                    Ok(taken) => sent += taken,
                    Err(SendError::Failed(_) | SendError::WouldBlock | SendError::NotConnected) => {
                    }
                    Err(error) => panic!("{error:?}"),
                }
                if sent == data.len() {
                    stack.tcp_close(now, sender, Close::Deliver);
                    closed = true;
                }
            });
        }
        let end = pair.server.with(|stack, now| {
            if receiver.is_none() {
                receiver = stack.tcp_accept(listener, 0);
            }
            let id = receiver?;
            let mut buffer = [0; 4096];
            loop {
                match stack.tcp_recv(now, id, &mut buffer, Take::Consume) {
                    Ok(0) => return Some(None),
                    Ok(length) => arrived.extend(&buffer[..length]),
                    Err(ReceiveError::WouldBlock) => return None,
                    Err(ReceiveError::Failed(cause)) => return Some(Some(cause.kind)),
                    Err(error) => panic!("{error:?}"),
                }
            }
        });
        if let Some(end) = end {
            return (arrived, end);
        }
        assert_eq!(stepped, Stepped::Progressed, "nothing will ever happen again");
    }
}

fn data(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index * 7 + index / 251) as u8).collect()
}

#[test]
fn two_hosts_connect_over_ipv4_and_ipv6() {
    for address in Pair::addresses(2) {
        let pair = Pair::new(1);
        let remote = IpEndpoint::new(address, 80);
        let listener = listen(&pair.server, Family::of(address), 80);
        let id = connect(&pair.client, remote);
        pair.world.run_until(Instant::from_secs(1));
        assert_eq!(phase(&pair.client, id), Phase::Connected);
        assert!(pair.server.with(|stack, _| stack.tcp_accept(listener, 0)).is_some());
        // 200 us a round trip: for the server's address, for the handshake, and, where the server
        // did not learn the client's from its question, for that one.
        let connected = pair.client.with(|stack, _| stack.tcp(id).unwrap().connected_at.unwrap());
        assert!([at(400), at(600)].contains(&connected), "{connected}");
    }
}

#[test]
fn a_stream_arrives_intact() {
    let data = data(1_000_000);
    for family in [0, 1] {
        let pair = Pair::new(1);
        let (arrived, end) = transfer(&pair, &data, family);
        assert_eq!((arrived == data, end), (true, None));
    }
}

#[test]
fn a_stream_arrives_intact_over_a_bad_cable() {
    let data = data(100_000);
    let bad = Conditions {
        delay: us(2000),
        jitter: us(1000),
        loss: 0.03,
        duplicate: 0.03,
        reorder: 0.03,
        ..Conditions::GOOD
    };
    for seed in 0..20 {
        let pair = Pair::over(seed, bad);
        let (arrived, end) = transfer(&pair, &data, seed as usize % 2);
        assert_eq!((arrived == data, end), (true, None), "seed {seed}");
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let bad = Conditions { jitter: us(500), loss: 0.05, reorder: 0.05, ..Conditions::GOOD };
    let run = |seed| {
        let files = [SharedBuffer::new(), SharedBuffer::new()];
        let pair = Pair::over(seed, bad);
        pair.client.capture(files[0].clone());
        pair.server.capture(files[1].clone());
        transfer(&pair, &data(50_000), 0);
        files.map(|file| file.to_vec())
    };
    let first = run(11);
    assert!(first[0].len() > 50_000);
    assert!(first == run(11));
    assert!(first != run(12));
}

#[test]
fn twenty_one_seconds_of_silence_cost_next_to_nothing() {
    let pair = Pair::new(1);
    // The SYN arrives; nothing comes back.
    pair.server.set_filter(
        |frame, _| {
            if frame[12..14] == [8, 6] { Verdict::Pass } else { Verdict::Drop }
        },
    );
    let began = WallClock::now();
    let id = connect(&pair.client, IpEndpoint::new(Pair::addresses(2)[0], 80));
    let pending = |_: &World| phase(&pair.client, id) == Phase::Connecting;
    assert_eq!(pair.world.run_while(pending), Stepped::Progressed);
    assert_eq!(pair.world.now().secs(), 21);
    let cause = pair.client.with(|stack, _| stack.tcp(id).unwrap().cause.unwrap());
    assert_eq!(cause.kind, CauseKind::TimedOut);
    // Generous, for a machine that does other things too.
    assert!(began.elapsed().as_secs() < 2);
}

#[test]
fn a_world_of_idle_hosts_comes_to_rest() {
    let pair = Pair::new(1);
    transfer(&pair, &data(1000), 0);
    assert_eq!(pair.world.run_while(|_| true), Stepped::Idle);
}

/// Number and bytes of every frame of a capture.
fn frames(file: &SharedBuffer) -> Vec<Vec<u8>> {
    let bytes = file.to_vec();
    let mut reader = PcapNgReader::new(&bytes[..]).unwrap();
    let mut frames = Vec::new();
    while let Some(block) = reader.next_block() {
        if let Block::EnhancedPacket(packet) = block.unwrap() {
            frames.push(packet.data.to_vec());
        }
    }
    frames
}

#[test]
fn evidence_cites_the_frame_of_that_number_in_the_capture() {
    let pair = Pair::new(1);
    let file = SharedBuffer::new();
    pair.client.capture(file.clone());
    let id = connect(&pair.client, IpEndpoint::new(Pair::addresses(2)[0], 9));
    assert_eq!(pair.world.run_while(|_| true), Stepped::Idle);
    let cause = pair.client.with(|stack, _| stack.tcp(id).unwrap().cause.unwrap());
    assert_eq!(cause.kind, CauseKind::Refused);
    let Evidence::Packet(packet) = cause.evidence else { panic!("{cause}") };
    let frames = frames(&file);
    let cited = &frames[packet.number as usize - 1];
    let cited = etherparse::SlicedPacket::from_ethernet(cited).unwrap();
    let Some(etherparse::TransportSlice::Tcp(segment)) = cited.transport else { panic!() };
    assert!(segment.rst() && segment.ack());
    assert_eq!(pair.client.with(|stack, _| stack.link().frames()), frames.len() as u64);
}

#[test]
fn a_capture_that_begins_late_keeps_the_numbers_of_the_link() {
    let pair = Pair::new(1);
    let remote = IpEndpoint::new(Pair::addresses(2)[0], 9);
    connect(&pair.client, remote);
    assert_eq!(pair.world.run_while(|_| true), Stepped::Idle);
    let before = pair.client.with(|stack, _| stack.link().frames());
    let file = SharedBuffer::new();
    pair.client.capture(file.clone());
    connect(&pair.client, remote);
    assert_eq!(pair.world.run_while(|_| true), Stepped::Idle);
    // SYN and RST; the neighbor is known. epb_packetid is option 5, of 8 bytes.
    assert_eq!(frames(&file).len(), 2);
    let option = [&[5, 0, 8, 0][..], &(before + 1).to_le_bytes()].concat();
    assert!(file.to_vec().windows(option.len()).any(|window| window == option));
}

#[test]
fn a_router_says_what_cannot_be_reached() {
    let pair = Pair::new(1);
    let router = Router::new(EthernetAddress([2, 0, 0, 0, 0, 0xfe]))
        .with_address(IpAddress::v4(10, 0, 0, 254))
        .with_address(IpAddress::v6(0xfd00, 0, 0, 0, 0, 0, 0, 0xfe))
        .with_answer(
            IpCidr::new(IpAddress::v4(192, 0, 2, 0), 24),
            Answer::Error { kind: 3, code: 1 },
        )
        .with_answer(
            IpCidr::new(IpAddress::v6(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
            Answer::Error { kind: 1, code: 0 },
        );
    let watch = router.watch();
    pair.world.device(router);
    pair.client.with(|stack, _| {
        for (prefix, gateway) in [
            (IpCidr::new(IpAddress::v4(0, 0, 0, 0), 0), IpAddress::v4(10, 0, 0, 254)),
            (
                IpCidr::new(IpAddress::v6(0, 0, 0, 0, 0, 0, 0, 0), 0),
                IpAddress::v6(0xfd00, 0, 0, 0, 0, 0, 0, 0xfe),
            ),
        ] {
            stack.add_route(Route { destination: prefix, gateway: Some(gateway) }).unwrap();
        }
    });
    let v4 = connect(&pair.client, IpEndpoint::new(IpAddress::v4(192, 0, 2, 1), 80));
    let v6 = IpAddress::v6(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
    let v6 = connect(&pair.client, IpEndpoint::new(v6, 80));
    pair.world.run_until(Instant::from_secs(1));
    let kinds = pair
        .client
        .with(|stack, _| [v4, v6].map(|id| stack.tcp(id).unwrap().cause.map(|cause| cause.kind)));
    assert_eq!(kinds, [Some(CauseKind::HostUnreachable), Some(CauseKind::NetUnreachable)]);
    assert_eq!(watch.counters().errors, 2);
    assert_eq!(watch.counters().resolutions, 2);
}

#[test]
fn an_unplugged_host_has_no_link() {
    let pair = Pair::new(1);
    pair.client.set_link_up(false);
    let remote = Pair::addresses(2)[0];
    pair.client.with(|stack, now| {
        assert!(!stack.link().is_up());
        assert!(stack.source_for(remote).is_err());
        assert_eq!(stack.link_mut().transmit(now, &frame(2, 1, 60)), Err(LinkError::Down));
        assert_eq!(stack.link_mut().receive(now, &mut [0; 60]), Err(LinkError::Down));
    });
    pair.client.set_link_up(true);
    listen(&pair.server, Family::V4, 80);
    let id = connect(&pair.client, IpEndpoint::new(remote, 80));
    pair.world.run_for(us(1_000_000));
    assert_eq!(phase(&pair.client, id), Phase::Connected);
}

#[test]
fn an_actor_may_block_while_its_caller_blocks() {
    let pair = Pair::new(1);
    let notes = Notes::default();
    let listener = listen(&pair.server, Family::V4, 80);
    let (server, inner) = (pair.server.clone(), notes.clone());
    // The server side is an actor that blocks in accept and then sends.
    pair.world.at(Instant::ZERO, move |world| {
        let mut accepted = None;
        let stepped = world.run_while(|_| {
            accepted = server.with(|stack, _| stack.tcp_accept(listener, 0));
            accepted.is_none()
        });
        assert_eq!(stepped, Stepped::Progressed);
        inner.note("accepted");
        server.with(|stack, now| stack.tcp_send(now, accepted.unwrap(), b"hello", 65536)).unwrap();
    });
    let id = connect(&pair.client, IpEndpoint::new(Pair::addresses(2)[0], 80));
    let mut buffer = [0; 16];
    let mut received = Err(ReceiveError::WouldBlock);
    let stepped = pair.world.run_while(|_| {
        received =
            pair.client.with(|stack, now| stack.tcp_recv(now, id, &mut buffer, Take::Consume));
        received.is_err()
    });
    assert_eq!(stepped, Stepped::Progressed);
    assert_eq!(received, Ok(5));
    assert_eq!(notes.all(), ["accepted"]);
}

/// The message of a panic within `work`.
fn panic_of(work: impl FnOnce() + Send + 'static) -> String {
    let panic = std::thread::spawn(work).join().unwrap_err();
    match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => panic.downcast::<&str>().unwrap().to_string(),
    }
}

#[test]
fn waiting_for_oneself_is_a_panic_and_not_a_hang() {
    let pair = Pair::new(1);
    let host = pair.client.clone();
    let entered = panic_of(move || host.with(|_, _| host.with(|_, _| {})));
    assert!(entered.contains("from within its own code"), "{entered}");

    let pair = Pair::new(1);
    let stepped = panic_of(move || {
        pair.client.with(|_, _| {
            let _ = pair.world.step();
        });
    });
    assert!(stepped.contains("from within its own code"), "{stepped}");
}

#[test]
fn what_the_closure_of_a_host_may_do() {
    let pair = Pair::new(1);
    let notes = Notes::default();
    pair.client.with(|_, now| {
        assert_eq!(pair.world.now(), now);
        pair.world.after(us(5), notes.actor("given from within"));
        // Another host is another lock.
        pair.server.with(|stack, _| assert!(stack.poll_at().is_none()));
    });
    pair.world.run_for(us(5));
    assert_eq!(notes.all(), ["given from within"]);
}

#[test]
fn a_datagram_to_many_hosts() {
    let world = World::new(1);
    let hosts: Vec<Host> = (1..=10)
        .map(|number| {
            let config = Config::new(Pair::hardware(number), number.into());
            let address = IpCidr::new(Pair::addresses(number)[0], 24);
            world.host(config, &[address], Conditions::GOOD)
        })
        .collect();
    let sockets: Vec<_> = hosts
        .iter()
        .map(|host| {
            host.with(|stack, _| {
                let any = BindAddress::Any(Family::V4);
                let binding = stack.bind(Transport::Udp, any, 7, Share::Default).unwrap();
                stack.udp_open(binding, 65536, 0).unwrap()
            })
        })
        .collect();
    for number in 2..=10 {
        let remote = IpEndpoint::new(Pair::addresses(number)[0], 7);
        hosts[0].with(|stack, now| stack.udp_send(now, sockets[0], remote, b"hello")).unwrap();
    }
    assert_eq!(world.run_while(|_| true), Stepped::Idle);
    for (host, socket) in hosts.iter().zip(&sockets).skip(1) {
        assert_eq!(host.with(|stack, _| stack.udp(*socket).unwrap().waiting), 1);
    }
}

#[test]
fn a_host_outlives_nothing_but_its_world() {
    let pair = Pair::new(1);
    let Pair { world, client, server } = pair;
    drop(world);
    // Hosts keep the world.
    listen(&server, Family::V4, 80);
    let id = connect(&client, IpEndpoint::new(Pair::addresses(2)[0], 80));
    client.world().run_for(us(1000));
    assert_eq!(phase(&client, id), Phase::Connected);
}
