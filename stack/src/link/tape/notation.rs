//! One line about a frame, in the notation of packetdrill.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::format;
use alloc::string::{String, ToString};

use smoltcp::wire::{EthernetAddress, IpAddress, Ipv6Address};

use crate::fault::View;
use crate::link::Direction;

/// The most flows whose first sequence numbers are known at a time.
const FLOWS: usize = 4096;

/// Says what frames are, with sequence numbers relative to the first of their flow and direction.
///
/// TCP as packetdrill has it, such as `S 0:0(0) win 65535 <mss 1460>` and
/// `P. 1:101(100) ack 1 win 502`; the rest in short words. From the second flow on, its number
/// stands before (`#2`).
#[derive(Debug, Default)]
pub struct Notation {
    flows: BTreeMap<Key, Flow>,
    order: VecDeque<Key>,
    numbers: u64,
}

/// Protocol, and the ends, the stack's first.
type Key = (u8, (IpAddress, u16), (IpAddress, u16));

#[derive(Debug, Clone, Copy)]
struct Flow {
    number: u64,
    /// The first sequence number of what the stack gets, and of what it sends.
    first: [Option<u32>; 2],
}

impl Notation {
    /// Nothing is known yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// One line about a frame, which goes in `direction`.
    pub fn line(&mut self, frame: &[u8], direction: Direction) -> String {
        let view = View::new(frame);
        let Some((source, destination)) = view.source().zip(view.destination()) else {
            let kind = view.ethertype();
            return format!("{} bytes of Ethernet type {kind:#06x}", frame.len());
        };
        if view.is_arp() {
            return arp(&view, source, destination);
        }
        if view.is_icmp() || view.is_icmp6() {
            return icmp(&view, source, destination);
        }
        let Some((sport, dport)) = view.ports() else {
            let protocol = view.protocol().unwrap_or(0);
            let what = if view.is_fragment() { "fragment of " } else { "" };
            let length = view.payload().len();
            return format!("{what}ip proto {protocol} ({length}) {source} > {destination}");
        };
        let flow = self.flow(&view, (source, sport), (destination, dport), direction);
        let number = if flow.number > 1 { format!("#{} ", flow.number) } else { String::new() };
        let fragment = if view.is_fragment() { " first fragment" } else { "" };
        if view.is_tcp() {
            format!("{number}{}{fragment}", tcp(&view, flow, direction))
        } else {
            format!("{number}udp ({}) {sport} > {dport}{fragment}", view.payload().len())
        }
    }

    fn flow(
        &mut self,
        view: &View<'_>,
        source: (IpAddress, u16),
        destination: (IpAddress, u16),
        direction: Direction,
    ) -> Flow {
        let protocol = view.protocol().unwrap_or(0);
        let key = match direction {
            Direction::Inbound => (protocol, destination, source),
            Direction::Outbound => (protocol, source, destination),
        };
        let known = self.flows.get(&key).copied();
        let mut flow = known.unwrap_or_else(|| {
            self.numbers += 1;
            Flow { number: self.numbers, first: [None; 2] }
        });
        if let (Some(seq), Some(flags)) = (view.seq(), view.flags()) {
            let (own, other) = sides(direction);
            let syn = flags & 2 != 0;
            // A new connection on the same ports begins anew.
            if syn && flags & 16 == 0 && flow.first[own].is_some_and(|first| first != seq) {
                flow.first = [None; 2];
            }
            let first = if syn { seq } else { seq.wrapping_sub(1) };
            flow.first[own].get_or_insert(first);
            if let Some(ack) = view.ack() {
                flow.first[other].get_or_insert(ack.wrapping_sub(1));
            }
        }
        if known.is_none() {
            self.order.push_back(key);
            if self.order.len() > FLOWS
                && let Some(oldest) = self.order.pop_front()
            {
                self.flows.remove(&oldest);
            }
        }
        self.flows.insert(key, flow);
        flow
    }
}

/// The index of a direction and of the other one.
fn sides(direction: Direction) -> (usize, usize) {
    match direction {
        Direction::Inbound => (0, 1),
        Direction::Outbound => (1, 0),
    }
}

fn tcp(view: &View<'_>, flow: Flow, direction: Direction) -> String {
    let (own, other) = sides(direction);
    let flags = view.flags().unwrap_or(0);
    let relative = |number: Option<u32>, side: usize| {
        number.map(|it| it.wrapping_sub(flow.first[side].unwrap_or(0)))
    };
    let letters = [(2, 'S'), (1, 'F'), (4, 'R'), (8, 'P'), (32, 'U'), (64, 'E'), (128, 'W')];
    let mut text: String =
        letters.iter().filter(|(bit, _)| flags & bit != 0).map(|(_, letter)| *letter).collect();
    if flags & 16 != 0 {
        text.push('.');
    }
    if text.is_empty() {
        text.push('-');
    }
    let (seq, length) = (relative(view.seq(), own).unwrap_or(0), view.payload().len());
    text += &format!(" {seq}:{}({length})", seq.wrapping_add(length as u32));
    if let Some(ack) = relative(view.ack(), other) {
        text += &format!(" ack {ack}");
    }
    text += &format!(" win {}", view.window().unwrap_or(0));
    let options = options(view, flow.first[other].unwrap_or(0));
    if !options.is_empty() {
        text += &format!(" <{options}>");
    }
    text
}

fn options(view: &View<'_>, acknowledged: u32) -> String {
    let mut known = [String::new(), String::new(), String::new(), String::new(), String::new()];
    let value = |kind: u8| view.option(kind).and_then(|range| view.frame().get(range)?.get(2..));
    let long = |bytes: &[u8]| u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    if let Some([high, low]) = value(2) {
        known[0] = format!("mss {}", u16::from_be_bytes([*high, *low]));
    }
    if value(4).is_some() {
        known[1] = "sackOK".into();
    }
    if let Some(stamps) = value(8)
        && let (Some(own), Some(echo)) = (stamps.get(..4), stamps.get(4..8))
    {
        known[2] = format!("TS val {} ecr {}", long(own), long(echo));
    }
    if let Some([shift]) = value(3) {
        known[3] = format!("wscale {shift}");
    }
    if let Some(blocks) = value(5) {
        known[4] = String::from("sack");
        for block in blocks.chunks_exact(8) {
            let from = long(&block[..4]).wrapping_sub(acknowledged);
            let to = long(&block[4..]).wrapping_sub(acknowledged);
            known[4] += &format!(" {from}:{to}");
        }
    }
    let mut text = String::new();
    for option in known.iter().filter(|option| !option.is_empty()) {
        if !text.is_empty() {
            text.push(',');
        }
        text += option;
    }
    text
}

fn arp(view: &View<'_>, sender: IpAddress, target: IpAddress) -> String {
    match view.arp_operation() {
        Some(1) if sender == target => format!("arp announce {sender}"),
        Some(1) => format!("arp who-has {target} tell {sender}"),
        Some(2) => {
            let hardware = view.packet().get(8..14).map(EthernetAddress::from_bytes);
            format!("arp {sender} is-at {}", colons(hardware))
        }
        operation => format!("arp operation {}", operation.unwrap_or(0)),
    }
}

fn colons(address: Option<EthernetAddress>) -> String {
    address.map_or_else(|| "?".into(), |address| address.to_string().replace('-', ":"))
}

fn icmp(view: &View<'_>, source: IpAddress, destination: IpAddress) -> String {
    let (kind, code) = view.icmp().unwrap_or((0, 0));
    let v4 = view.is_icmp();
    // The payload begins behind type, code and checksum.
    let rest = view.payload();
    let target = rest.get(4..20).and_then(|octets| <[u8; 16]>::try_from(octets).ok());
    let target = target.map_or_else(|| "?".to_string(), |it| Ipv6Address::from(it).to_string());
    let mtu = |at: usize| match rest.get(at..at + 2) {
        Some([high, low]) => u16::from_be_bytes([*high, *low]),
        _ => 0,
    };
    let name = if v4 { "icmp" } else { "icmp6" };
    let what = match (v4, kind) {
        (true, 0) | (false, 129) => "echo-reply".into(),
        (true, 8) | (false, 128) => "echo-request".into(),
        (true, 3) if code == 4 => format!("frag-needed mtu {}", mtu(2)),
        (false, 2) => format!("packet-too-big mtu {}", mtu(2)),
        (true, 3) | (false, 1) => format!("unreachable {}", unreachable(v4, code)),
        (true, 4) => "source-quench".into(),
        (true, 11) | (false, 3) => format!("time-exceeded {code}"),
        (false, 135) => return format!("nd who-has {target} tell {source}"),
        (false, 136) => {
            let hardware = match rest.get(20..28) {
                Some([2, 1, address @ ..]) => Some(EthernetAddress::from_bytes(address)),
                _ => None,
            };
            return format!("nd {target} is-at {}", colons(hardware));
        }
        _ => format!("{kind}/{code}"),
    };
    format!("{name} {what} {source} > {destination}")
}

/// As packetdrill and iptables call them.
fn unreachable(v4: bool, code: u8) -> String {
    let name = match (v4, code) {
        (true, 0) => "net",
        (true, 1) => "host",
        (true, 2) => "protocol",
        (true, 3) => "port",
        (true, 9 | 10 | 13) => "admin-prohibited",
        (false, 0) => "no-route",
        (false, 1) => "admin-prohibited",
        (false, 3) => "address",
        (false, 4) => "port",
        _ => return format!("code {code}"),
    };
    name.into()
}
