//! An engine on a scripted link, with frames that an independent builder makes and reads.

mod actions;
mod determinism;
mod fields;
mod live;
mod neighbors;
mod properties;
mod replay;
mod scripts;
mod timing;

use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;

use etherparse::{
    IpHeaders, PacketBuilder, PacketBuilderStep, SlicedPacket, TcpHeader, TcpHeaderSlice, TcpSlice,
    TransportSlice,
};
use smoltcp::time::{Duration, Instant};

use super::*;
use crate::link::fault::Fault;
use crate::link::{Direction, Link, LinkError};

const STACK_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
const PEER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];
const STACK: [u8; 4] = [10, 0, 0, 1];
const PEER: [u8; 4] = [10, 0, 0, 2];
const STACK6: [u8; 16] = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
const PEER6: [u8; 16] = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];

/// A link that gives and takes what a test says.
#[derive(Debug, Default)]
struct Wire {
    arriving: VecDeque<Vec<u8>>,
    sent: Vec<Vec<u8>>,
    busy: bool,
    down: bool,
}

impl Link for Wire {
    fn mtu(&self) -> usize {
        1500
    }
    fn is_up(&self) -> bool {
        !self.down
    }
    fn receive(&mut self, _: Instant, buffer: &mut [u8]) -> Result<Option<usize>, LinkError> {
        let Some(frame) = self.arriving.pop_front() else { return Ok(None) };
        buffer[..frame.len()].copy_from_slice(&frame);
        Ok(Some(frame.len()))
    }
    fn transmit(&mut self, _: Instant, frame: &[u8]) -> Result<(), LinkError> {
        if self.busy {
            return Err(LinkError::Busy);
        }
        self.sent.push(frame.to_vec());
        Ok(())
    }
}

struct Bench {
    link: Fault<'static, Wire>,
    now: Instant,
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

impl Bench {
    fn new(rules: &[Rule]) -> Self {
        Self::of(Script::new(1).with_rules(rules.to_vec()))
    }

    fn of(script: Script<'static>) -> Self {
        Self::sized(script, 16, 64)
    }

    fn sized(script: Script<'static>, flows: usize, frames: usize) -> Self {
        let rules = script.rules.len() + 2;
        let memory = Memory::growable(rules, flows, frames, 1600);
        let engine = Engine::new(script, memory, Instant::ZERO).unwrap();
        Self { link: Fault::new(Wire::default(), engine), now: Instant::ZERO }
    }

    fn engine(&mut self) -> &mut Engine<'static> {
        self.link.engine_mut()
    }

    /// Sends a frame and gives what is on the wire now.
    fn tx(&mut self, frame: &[u8]) -> Vec<Vec<u8>> {
        self.link.transmit(self.now, frame).unwrap();
        core::mem::take(&mut self.link.link_mut().sent)
    }

    /// Lets a frame arrive and gives what the stack receives now.
    fn rx(&mut self, frame: &[u8]) -> Vec<Vec<u8>> {
        self.link.link_mut().arriving.push_back(frame.to_vec());
        self.received()
    }

    fn received(&mut self) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        let mut buffer = vec![0; 2048];
        while let Ok(Some(length)) = self.link.receive(self.now, &mut buffer) {
            frames.push(buffer[..length].to_vec());
        }
        frames
    }

    /// Lets time pass and gives what is on the wire then.
    fn after(&mut self, millis: u64) -> Vec<Vec<u8>> {
        self.now += self::millis(millis);
        let received = self.received();
        assert_eq!(received, Vec::<Vec<u8>>::new(), "towards the stack");
        core::mem::take(&mut self.link.link_mut().sent)
    }

    /// Matched and fired, of the rule with this index.
    fn hits(&self, rule: usize) -> (u64, u64) {
        let hits = self.link.engine().hits(rule).unwrap();
        (hits.matched, hits.fired)
    }
}

/// A TCP segment from the stack to the peer, or the other way round.
#[derive(Debug, Clone)]
struct Tcp {
    direction: Direction,
    flags: u8,
    ports: (u16, u16),
    seq: u32,
    ack: u32,
    window: u16,
    payload: Vec<u8>,
}

/// Out of the stack, from port 1000 to 80.
fn out(flags: u8, seq: u32) -> Tcp {
    let (ports, ack) = ((1000, 80), if flags & ACK != 0 { 501 } else { 0 });
    let payload = Vec::new();
    Tcp { direction: Direction::Outbound, flags, ports, seq, ack, window: 1024, payload }
}

/// Into the stack, from port 80 to 1000.
fn back(flags: u8, seq: u32) -> Tcp {
    let (ports, ack) = ((80, 1000), if flags & ACK != 0 { 101 } else { 0 });
    let payload = Vec::new();
    Tcp { direction: Direction::Inbound, flags, ports, seq, ack, window: 2048, payload }
}

impl Tcp {
    fn with(mut self, payload: &[u8]) -> Self {
        self.payload = payload.to_vec();
        self
    }

    fn builder(&self, ip: PacketBuilderStep<IpHeaders>) -> PacketBuilderStep<TcpHeader> {
        let mut tcp = ip.tcp(self.ports.0, self.ports.1, self.seq, self.window);
        for (flag, bit) in [("F", FIN), ("S", SYN), ("R", RST), ("P", PSH)] {
            if self.flags & bit != 0 {
                tcp = match flag {
                    "F" => tcp.fin(),
                    "S" => tcp.syn(),
                    "R" => tcp.rst(),
                    _ => tcp.psh(),
                };
            }
        }
        if self.flags & ACK != 0 {
            tcp = tcp.ack(self.ack);
        }
        if self.flags & SYN != 0 {
            tcp = tcp
                .options(&[
                    etherparse::TcpOptionElement::MaximumSegmentSize(1460),
                    etherparse::TcpOptionElement::SelectiveAcknowledgementPermitted,
                ])
                .unwrap();
        }
        tcp
    }

    fn v4(&self) -> Vec<u8> {
        let (macs, ips) = match self.direction {
            Direction::Outbound => ((STACK_MAC, PEER_MAC), (STACK, PEER)),
            Direction::Inbound => ((PEER_MAC, STACK_MAC), (PEER, STACK)),
        };
        let ip = PacketBuilder::ethernet2(macs.0, macs.1).ipv4(ips.0, ips.1, 64);
        let mut frame = Vec::new();
        let tcp = self.builder(ip);
        tcp.write(&mut frame, &self.payload).unwrap();
        frame
    }

    fn v6(&self) -> Vec<u8> {
        let (macs, ips) = match self.direction {
            Direction::Outbound => ((STACK_MAC, PEER_MAC), (STACK6, PEER6)),
            Direction::Inbound => ((PEER_MAC, STACK_MAC), (PEER6, STACK6)),
        };
        let ip = PacketBuilder::ethernet2(macs.0, macs.1).ipv6(ips.0, ips.1, 64);
        let mut frame = Vec::new();
        let tcp = self.builder(ip);
        tcp.write(&mut frame, &self.payload).unwrap();
        frame
    }
}

/// A datagram out of the stack.
fn udp(sport: u16, dport: u16, payload: &[u8]) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2(STACK_MAC, PEER_MAC).ipv4(STACK, PEER, 64);
    let mut frame = Vec::new();
    builder.udp(sport, dport).write(&mut frame, payload).unwrap();
    frame
}

/// An ARP request of the stack for the peer.
fn arp_request() -> Vec<u8> {
    arp(1, (STACK_MAC, STACK), ([0; 6], PEER), [0xff; 6])
}

fn arp(
    operation: u8,
    sender: ([u8; 6], [u8; 4]),
    target: ([u8; 6], [u8; 4]),
    to: [u8; 6],
) -> Vec<u8> {
    let mut frame = to.to_vec();
    frame.extend(sender.0);
    frame.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, operation]);
    frame.extend(sender.0);
    frame.extend(sender.1);
    frame.extend(target.0);
    frame.extend(target.1);
    frame
}

/// The segment in a frame, whose checksums must be right.
#[track_caller]
fn tcp_of(frame: &[u8]) -> TcpSlice<'_> {
    let packet = SlicedPacket::from_ethernet(frame).unwrap();
    assert!(valid(frame), "checksums");
    match packet.transport {
        Some(TransportSlice::Tcp(tcp)) => tcp,
        other => panic!("{other:?}"),
    }
}

/// Whether the checksums of the packet in a frame are right.
fn valid(frame: &[u8]) -> bool {
    use etherparse::NetSlice;
    let Ok(packet) = SlicedPacket::from_ethernet(frame) else { return false };
    match (packet.net, packet.transport) {
        (Some(NetSlice::Ipv4(ip)), transport) => {
            let header = ip.header().to_header();
            let own = header.calc_header_checksum() == header.header_checksum;
            own && match transport {
                Some(TransportSlice::Tcp(tcp)) => {
                    let sum = tcp.calc_checksum_ipv4(header.source, header.destination);
                    sum == Ok(tcp.checksum())
                }
                Some(TransportSlice::Udp(udp)) => {
                    let sum = udp.to_header().calc_checksum_ipv4_raw(
                        header.source,
                        header.destination,
                        udp.payload(),
                    );
                    sum == Ok(udp.checksum())
                }
                Some(TransportSlice::Icmpv4(icmp)) => {
                    icmp.icmp_type().calc_checksum(icmp.payload()) == icmp.checksum()
                }
                _ => true,
            }
        }
        (Some(NetSlice::Ipv6(ip)), transport) => {
            let (source, destination) = (ip.header().source(), ip.header().destination());
            match transport {
                Some(TransportSlice::Tcp(tcp)) => {
                    tcp.calc_checksum_ipv6(source, destination) == Ok(tcp.checksum())
                }
                Some(TransportSlice::Icmpv6(icmp)) => icmp.is_checksum_valid(source, destination),
                _ => true,
            }
        }
        _ => true,
    }
}

/// The header of the segment in a frame.
fn header_of(frame: &[u8]) -> TcpHeaderSlice<'_> {
    let start = if frame[12..14] == [8, 0] { 34 } else { 54 };
    TcpHeaderSlice::from_slice(&frame[start..]).unwrap()
}

/// A rule that drops.
const fn drops(matches: Match) -> Rule {
    Rule::new("r").on(matches).does(&[Action::Drop])
}
