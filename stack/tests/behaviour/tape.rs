//! Tapes of whole hosts in virtual time: complete, numbered as the stack counts, the same again.

use pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketOption;
use pcap_file::pcapng::{Block, PcapNgReader};
use tapsock_stack::event::{CauseKind, Evidence, PacketSummary};
use tapsock_stack::fault::{
    AckOf, Action, Checksums, Count, Decide, Delay, Flags, Forge, Hits, Loss, Match, Model, Part,
    Proto, Rule, SYN, Script, Seq, Side, Span, When,
};
use tapsock_stack::link::capture::SharedBuffer;
use tapsock_stack::port::Family;
use tapsock_stack::sim::Pair;
use tapsock_stack::tcp::{Phase, Take};
use tapsock_stack::time::Duration;
use tapsock_stack::wire::IpEndpoint;

use crate::scene::{connect, listen, pattern};

const TCP: Option<Proto> = Some(Proto::Tcp);

/// Interface, time in nanoseconds, identifier, bytes.
type Packet = (u32, u128, Option<u64>, Vec<u8>);

fn packets(file: &[u8]) -> Vec<Packet> {
    let mut reader = PcapNgReader::new(file).unwrap();
    let mut packets = Vec::new();
    while let Some(block) = reader.next_block() {
        let Block::EnhancedPacket(block) = block.unwrap() else { continue };
        let id = block.options.iter().find_map(|option| match option {
            EnhancedPacketOption::Unknown(option) if option.code == 5 => {
                Some(u64::from_le_bytes(option.value[..].try_into().unwrap()))
            }
            _ => None,
        });
        packets.push((block.interface_id, block.timestamp.as_nanos(), id, block.data.to_vec()));
    }
    packets
}

fn on_side(packets: &[Packet], side: u32) -> Vec<&Packet> {
    packets.iter().filter(|packet| packet.0 == side).collect()
}

/// What is recorded of a transfer of 40,000 bytes.
struct Recorded {
    tape: Vec<u8>,
    log: Vec<u8>,
    /// By the plain captures of both hosts.
    client: Vec<u8>,
    server: Vec<u8>,
}

fn every(step: u32) -> When {
    When { count: Count::Every(step), ..When::ALWAYS }
}

/// A transfer over a link that loses, delays, copies, reorders, changes and forges.
fn transfer(seed: u64, decide: Decide) -> Recorded {
    let data = Match { proto: TCP, payload: Some(Span::from(1)), ..Match::ANY };
    let out = Match { dir: Match::TX.dir, ..data };
    let short = Duration::from_millis(30);
    let rules = vec![
        Rule::new("lose").on(data).when(When::prob(0.1)).does(&[Action::Drop]),
        Rule::new("reorder").on(data).does(&[Action::Reorder { prob: 0.2, gap: 2, limit: short }]),
        Rule::new("twice")
            .on(data)
            .when(When::prob(0.2))
            .does(&[Action::Duplicate { copies: 2, delay: Duration::from_millis(1) }]),
        Rule::new("bits").on(data).when(When::prob(0.1)).does(&[Action::Corrupt {
            at: Part::Payload,
            bits: 1,
            checksums: Checksums::Leave,
        }]),
        Rule::new("split").on(out).when(every(7)).does(&[Action::Split(100)]),
        Rule::new("merge").on(out).when(every(5)).does(&[Action::Merge(short)]),
        Rule::new("acks")
            .on(out)
            .when(every(9))
            .does(&[Action::Forge(Forge::Ack { to: Side::Stack, ack: AckOf::Duplicate(2) })]),
    ];
    let model = Model {
        delay: Delay::uniform(Duration::from_millis(20), Duration::from_millis(5)),
        loss: Loss::Bernoulli { prob: 0.02, correlation: 0.0 },
        duplicate: 0.02,
        ..Model::IDEAL
    };
    let pair = Pair::new(7);
    let script = Script::new(seed).with_rules(rules).deciding(decide);
    let script = Script { tx: model, rx: model, ..script };
    let faults = pair.client.faults(script).unwrap();
    let files: [SharedBuffer; 4] = std::array::from_fn(|_| SharedBuffer::new());
    let [tape, log, client, server] = &files;
    let recording = pair.client.tape(tape.clone(), "").unwrap();
    let logging = pair.client.event_log(log.clone(), "").unwrap();
    pair.client.capture(client.clone());
    pair.server.capture(server.clone());
    let listener = listen(&pair.server, Family::V4, 80, 5);
    let [address, _] = Pair::addresses(2);
    let id = connect(&pair.client, IpEndpoint::new(address, 80)).unwrap();
    let expected = pattern(40_000);
    pair.world.run_for(Duration::from_secs(4));
    let accepted = pair.server.with(|stack, _| stack.tcp_accept(listener, 0)).unwrap();
    let sent = pair.client.with(|stack, now| stack.tcp_send(now, id, &expected, 1 << 20));
    assert_eq!(sent, Ok(40_000));
    let (mut received, mut buffer) = (Vec::new(), vec![0; 65536]);
    for _ in 0..2_000 {
        pair.world.run_for(Duration::from_millis(100));
        let read = |stack: &mut tapsock_stack::Stack<'static, _, _>, now| {
            stack.tcp_recv(now, accepted, &mut buffer, Take::Consume)
        };
        if let Ok(length) = pair.server.with(read) {
            received.extend_from_slice(&buffer[..length]);
        }
    }
    assert!(received == expected, "{} bytes", received.len());
    faults.with(|engine, now| {
        let idle: Vec<_> = engine.report().filter(Hits::idle).collect();
        assert!(idle.is_empty(), "{idle:?}");
        engine.tell_report(now);
    });
    recording.flush().unwrap();
    logging.flush().unwrap();
    let [tape, log, client, server] = files.map(|file| file.to_vec());
    Recorded { tape, log, client, server }
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    for decide in [Decide::Stream, Decide::Hash] {
        let once = transfer(1, decide);
        let again = transfer(1, decide);
        assert!(once.tape == again.tape && once.log == again.log);
        let other = transfer(2, decide);
        assert!(once.tape != other.tape && once.log != other.log);
    }
}

#[test]
fn both_sides_are_complete_and_in_order() {
    let recorded = transfer(1, Decide::Stream);
    let tape = packets(&recorded.tape);
    let without_id = |packets: Vec<&Packet>| -> Vec<(u128, Vec<u8>)> {
        packets.into_iter().map(|packet| (packet.1, packet.3.clone())).collect()
    };
    // The stack's side is frame for frame what the plain capture between stack and engine has.
    let client = packets(&recorded.client);
    assert!(without_id(on_side(&tape, 0)) == without_id(on_side(&client, 0)));
    // And the wire's what the host at the other end of the cable saw; its times are others.
    let only_bytes = |packets: Vec<&Packet>| -> Vec<Vec<u8>> {
        let mut bytes: Vec<Vec<u8>> = packets.into_iter().map(|it| it.3.clone()).collect();
        bytes.sort();
        bytes
    };
    let server = packets(&recorded.server);
    assert!(only_bytes(on_side(&tape, 1)) == only_bytes(on_side(&server, 0)));
    assert!(tape.windows(2).all(|pair| pair[0].1 <= pair[1].1), "time runs backwards");
}

#[test]
fn frame_n_of_the_evidence_is_the_nth_packet_of_the_stack_side() {
    // The first SYN is lost, the ARP answer comes three times, the second SYN meets a forged RST.
    let syn = Match { proto: TCP, flags: Some(Flags::Some { set: SYN, clear: 0 }), ..Match::TX };
    let arp = Match { proto: Some(Proto::Arp), ..Match::RX };
    let refuse = Forge::Rst { to: Side::Stack, seq: Seq::Exact };
    let rules = vec![
        Rule::new("lose").on(syn).when(When::nth(1)).does(&[Action::Drop]),
        Rule::new("twice")
            .on(arp)
            .does(&[Action::Duplicate { copies: 2, delay: Duration::from_millis(1) }]),
        Rule::new("refuse").on(syn).does(&[Action::Forge(refuse), Action::Drop]),
    ];
    let pair = Pair::new(7);
    let _faults = pair.client.faults(Script::new(7).with_rules(rules)).unwrap();
    let file = SharedBuffer::new();
    let tape = pair.client.tape(file.clone(), "").unwrap();
    listen(&pair.server, Family::V4, 80, 5);
    let [server, _] = Pair::addresses(2);
    let id = connect(&pair.client, IpEndpoint::new(server, 80)).unwrap();
    let phase = || pair.client.with(|stack, _| stack.tcp(id).unwrap().phase);
    let _ = pair.world.run_while(|_| phase() == Phase::Connecting);
    let cause = pair.client.with(|stack, _| stack.tcp(id).unwrap().cause).unwrap();
    assert_eq!(cause.kind, CauseKind::Refused);
    let Evidence::Packet(evidence) = cause.evidence else { panic!("{:?}", cause.evidence) };
    let PacketSummary::Tcp { sequence, acknowledgment, .. } = evidence.summary else {
        panic!("{:?}", evidence.summary)
    };
    tape.flush().unwrap();
    let packets = packets(&file.to_vec());
    let stack = on_side(&packets, 0);
    let cited = stack[evidence.number as usize - 1];
    assert_eq!(cited.1, evidence.at.total_micros() as u128 * 1000);
    assert_eq!(cited.2, None, "it is forged");
    assert_eq!(cited.3[38..42], sequence.to_be_bytes());
    assert_eq!(cited.3[42..46], acknowledgment.to_be_bytes());
    assert_eq!(cited.3[47] & 4, 4, "RST");
    // ARP asked, answered three times, SYN, SYN, RST.
    assert_eq!(evidence.number, 7);
}

#[test]
fn without_faults_there_is_nothing_to_record() {
    let pair = Pair::new(7);
    assert!(pair.client.tape(SharedBuffer::new(), "").is_none());
    assert!(pair.client.event_log(SharedBuffer::new(), "").is_none());
}
