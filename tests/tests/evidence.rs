//! The evidence of every row of the errors table, looked up in the row's capture by parsers that
//! share no code with the stack.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use etherparse::{
    ArpOperation, Icmpv4Slice, Icmpv6Slice, IpNumber, LaxPacketHeaders, NetSlice, SlicedPacket,
    TransportHeader, TransportSlice,
};
use pcap_file::pcapng::{Block, PcapNgReader};
use tapsock_tools::errors::{Medium, Outcome, run};
use wsa::config::{Configuration, ProfileChoice};

/// A frame as the capture has it.
struct Frame {
    sent: bool,
    bytes: Vec<u8>,
}

fn frames(recording: &[u8]) -> Vec<Frame> {
    let mut reader = PcapNgReader::new(recording).unwrap();
    let mut frames = Vec::new();
    while let Some(block) = reader.next_block() {
        if let Block::EnhancedPacket(packet) = block.unwrap() {
            let sent = packet.options.iter().any(|option| {
                matches!(option, pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketOption::Flags(flags) if flags & 3 == 2)
            });
            frames.push(Frame { sent, bytes: packet.data.to_vec() });
        }
    }
    frames
}

fn addresses(packet: &SlicedPacket<'_>) -> Option<(IpAddr, IpAddr)> {
    match packet.net.as_ref()? {
        NetSlice::Ipv4(ip) => {
            let header = ip.header();
            Some((header.source_addr().into(), header.destination_addr().into()))
        }
        NetSlice::Ipv6(ip) => {
            let header = ip.header();
            Some((header.source_addr().into(), header.destination_addr().into()))
        }
        NetSlice::Arp(_) => None,
    }
}

fn endpoint(address: IpAddr, port: u16) -> String {
    std::net::SocketAddr::new(address, port).to_string()
}

/// What the cited frame says, in the words of the evidence.
fn said(frame: &[u8]) -> Vec<String> {
    let packet = SlicedPacket::from_ethernet(frame).unwrap();
    let (source, destination) = addresses(&packet).expect("the cited frame is an IP packet");
    match packet.transport.as_ref().expect("the cited frame has a transport") {
        TransportSlice::Tcp(tcp) => {
            let mut flags = Vec::new();
            for (set, name) in
                [(tcp.syn(), "SYN"), (tcp.fin(), "FIN"), (tcp.rst(), "RST"), (tcp.ack(), "ACK")]
            {
                if set {
                    flags.push(name);
                }
            }
            vec![
                format!(
                    "{} > {} [{}]",
                    endpoint(source, tcp.source_port()),
                    endpoint(destination, tcp.destination_port()),
                    flags.join(",")
                ),
                format!("seq {}", tcp.sequence_number()),
            ]
        }
        TransportSlice::Icmpv4(icmp) => {
            let mut words = vec![format!("{source} > {destination} ICMP"), icmp_code(icmp)];
            words.push(quoted(icmp.payload()));
            words
        }
        TransportSlice::Icmpv6(icmp) => {
            let (kind, code) = (icmp.type_u8(), icmp.code_u8());
            vec![
                format!("{source} > {destination} ICMPv6"),
                format!("({kind}/{code})"),
                quoted(icmpv6_quote(icmp)),
            ]
        }
        TransportSlice::Udp(_) | TransportSlice::Igmp(_) => panic!("no row rests on these"),
    }
}

fn icmp_code(icmp: &Icmpv4Slice<'_>) -> String {
    format!("({}/{})", icmp.type_u8(), icmp.code_u8())
}

fn icmpv6_quote<'s>(icmp: &Icmpv6Slice<'s>) -> &'s [u8] {
    icmp.payload()
}

/// The flow of a quoted packet, which may be cut off after eight bytes of TCP.
fn quoted(packet: &[u8]) -> String {
    let quote = LaxPacketHeaders::from_ip(packet).unwrap();
    let (source, destination, protocol) = match quote.net.unwrap() {
        etherparse::NetHeaders::Ipv4(ip, _) => (
            IpAddr::V4(Ipv4Addr::from(ip.source)),
            IpAddr::V4(Ipv4Addr::from(ip.destination)),
            ip.protocol,
        ),
        etherparse::NetHeaders::Ipv6(ip, _) => (
            IpAddr::V6(Ipv6Addr::from(ip.source)),
            IpAddr::V6(Ipv6Addr::from(ip.destination)),
            ip.next_header,
        ),
        etherparse::NetHeaders::Arp(_) => panic!("ARP is not quoted"),
    };
    assert_eq!(protocol, IpNumber::TCP);
    let ports = match quote.transport {
        Some(TransportHeader::Tcp(tcp)) => [tcp.source_port, tcp.destination_port],
        // Eight bytes are no whole header; the ports are the first four of them.
        _ => {
            let tcp = &packet[if source.is_ipv4() { 20 } else { 40 }..];
            [u16::from_be_bytes([tcp[0], tcp[1]]), u16::from_be_bytes([tcp[2], tcp[3]])]
        }
    };
    format!("about TCP {} > {}", endpoint(source, ports[0]), endpoint(destination, ports[1]))
}

/// Whom a frame asks, if it asks: a SYN, an ARP request, a neighbor solicitation.
fn asked(frame: &[u8]) -> Option<IpAddr> {
    let packet = SlicedPacket::from_ethernet(frame).ok()?;
    if let Some(NetSlice::Arp(arp)) = &packet.net {
        let target: [u8; 4] = arp.target_protocol_addr().try_into().ok()?;
        return (arp.operation() == ArpOperation::REQUEST).then(|| IpAddr::from(target));
    }
    let (_, destination) = addresses(&packet)?;
    match packet.transport.as_ref()? {
        TransportSlice::Tcp(tcp) if tcp.syn() && !tcp.ack() => Some(destination),
        TransportSlice::Icmpv6(icmp) if icmp.type_u8() == 135 => {
            let target: [u8; 16] = icmp.payload().get(..16)?.try_into().ok()?;
            Some(IpAddr::from(target))
        }
        _ => None,
    }
}

fn from_whom(frame: &[u8]) -> Option<IpAddr> {
    let packet = SlicedPacket::from_ethernet(frame).ok()?;
    if let Some(NetSlice::Arp(arp)) = &packet.net {
        let sender: [u8; 4] = arp.sender_protocol_addr().try_into().ok()?;
        return Some(IpAddr::from(sender));
    }
    addresses(&packet).map(|(source, _)| source)
}

fn check(outcome: &Outcome, profile: ProfileChoice, wrong: &mut String) {
    let case = format!("{} {}", outcome.row.error.code(), outcome.row.case);
    let evidence = &outcome.evidence;
    let frames = frames(&outcome.recording);
    if let Some(number) = evidence.frame {
        let Some(frame) = frames.get(number as usize - 1) else {
            writeln!(wrong, "{case}: there is no frame {number}").unwrap();
            return;
        };
        for words in said(&frame.bytes) {
            if !evidence.summary.contains(&words) {
                writeln!(wrong, "{case}: frame {number} says {words}, not {}", evidence.summary)
                    .unwrap();
            }
        }
    }
    let network = outcome.row.is_network(profile);
    if network && evidence.frame.is_none() && evidence.silence.is_none() {
        // Decided before anything was sent; a private network has no other traffic of ours.
        if frames.iter().any(|frame| frame.sent && asked(&frame.bytes).is_some()) {
            writeln!(wrong, "{case}: something was sent").unwrap();
        }
    }
    if let Some(silence) = &evidence.silence {
        let whom: IpAddr = silence.whom.into();
        let asking: Vec<_> =
            frames.iter().filter(|frame| frame.sent && asked(&frame.bytes) == Some(whom)).collect();
        if asking.len() != silence.sent as usize {
            writeln!(wrong, "{case}: asked {} times, not {}", asking.len(), silence.sent).unwrap();
        }
        if frames.iter().any(|frame| !frame.sent && from_whom(&frame.bytes) == Some(whom)) {
            writeln!(wrong, "{case}: {whom} was not silent").unwrap();
        }
    }
}

fn check_all(medium: Medium, configuration: &Configuration) {
    let (mut cited, mut silent, mut wrong) = (0, 0, String::new());
    run(medium, configuration, 11, |outcome| {
        cited += u32::from(outcome.evidence.frame.is_some());
        silent += u32::from(outcome.evidence.silence.is_some());
        check(outcome, configuration.profile, &mut wrong);
        Ok(())
    })
    .unwrap();
    assert!(wrong.is_empty(), "\n{wrong}");
    assert!(cited >= 10, "only {cited} rows cite a frame");
    assert!(silent >= 5, "only {silent} rows rest on silence");
}

#[test]
fn an_independent_parser_finds_what_each_row_cites() {
    for profile in [ProfileChoice::Documented, ProfileChoice::Windows] {
        let mut configuration = Configuration::default();
        configuration.profile = profile;
        check_all(Medium::Simulated, &configuration);
    }
}

#[test]
fn it_finds_it_on_a_tap_device_too() {
    // Each row makes a namespace of its own; that this is possible is asked here.
    if tapsock_tests::Kernel::start().is_some() {
        check_all(Medium::Tap, &Configuration::default());
    }
}
