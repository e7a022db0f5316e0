//! Whether a frame is what a rule is about.

use smoltcp::wire::{IpAddress, IpCidr};

use super::flow::Track;
use super::rule::{Flags, Match, Ports, Proto, Span};
use super::view::View;
use crate::link::Direction;

/// Says by which field a frame does not match.
pub(super) fn mismatch(
    matches: &Match,
    view: &View<'_>,
    direction: Direction,
    track: &Track,
    tag: u32,
) -> Option<&'static str> {
    // Taken apart, so that a new field is not forgotten. What is asked most often comes first.
    let Match {
        dir,
        ethertype,
        proto,
        src,
        dst,
        sport,
        dport,
        flags,
        conn,
        seq,
        ack,
        win,
        payload,
        length,
        contains,
        option,
        icmp_type,
        icmp_code,
        ecn,
        ttl,
        fragment,
        retransmission,
        out_of_order,
        flow,
        tag: wanted_tag,
    } = matches;
    let checks: [(&'static str, bool); 8] = [
        ("dir", dir.is_none_or(|wanted| wanted == direction)),
        ("ethertype", ethertype.is_none_or(|wanted| wanted == view.ethertype())),
        ("proto", proto.is_none_or(|wanted| is(view, wanted))),
        ("src", src.as_ref().is_none_or(|wanted| within(wanted, view.source()))),
        ("dst", dst.as_ref().is_none_or(|wanted| within(wanted, view.destination()))),
        ("sport", sport.as_ref().is_none_or(|set| any(set, view.ports().map(|ports| ports.0)))),
        ("dport", dport.as_ref().is_none_or(|set| any(set, view.ports().map(|ports| ports.1)))),
        ("flags", flags.is_none_or(|wanted| view.flags().is_some_and(|set| wear(wanted, set)))),
    ];
    if let Some((field, _)) = checks.into_iter().find(|(_, holds)| !holds) {
        return Some(field);
    }
    let span = |wanted: &Option<Span>, value: Option<u64>| {
        wanted.is_none_or(|span| value.is_some_and(|value| span.contains(value)))
    };
    let same = |wanted: &Option<bool>, value: bool| wanted.is_none_or(|wanted| wanted == value);
    let (kind, code) = view.icmp().unzip();
    let packet = view.packet().len() as u64;
    let checks: [(&'static str, bool); 17] = [
        ("conn", conn.is_none_or(|wanted| track.conn == Some(wanted))),
        ("seq", span(seq, track.seq.map(u64::from))),
        ("ack", span(ack, track.ack.map(u64::from))),
        ("win", span(win, track.window.map(u64::from))),
        ("payload", span(payload, view.segment().map(|bytes| bytes.len() as u64))),
        ("length", span(length, Some(packet))),
        ("contains", contains.as_ref().is_none_or(|bytes| view.contains(bytes))),
        ("option", option.is_none_or(|option| view.option(option.0).is_some())),
        ("icmp-type", icmp_type.is_none_or(|wanted| kind == Some(wanted))),
        ("icmp-code", icmp_code.is_none_or(|wanted| code == Some(wanted))),
        ("ecn", ecn.is_none_or(|wanted| view.ecn() == Some(wanted.bits()))),
        ("ttl", span(ttl, view.ttl().map(u64::from))),
        ("fragment", same(fragment, view.is_fragment())),
        ("retransmission", same(retransmission, track.retransmission)),
        ("out-of-order", same(out_of_order, track.out_of_order)),
        ("flow", flow.is_none_or(|wanted| wanted == track.number)),
        ("tag", wanted_tag.is_none_or(|wanted| wanted == tag)),
    ];
    checks.into_iter().find(|(_, holds)| !holds).map(|(field, _)| field)
}

fn is(view: &View<'_>, proto: Proto) -> bool {
    match proto {
        Proto::Tcp => view.is_tcp(),
        Proto::Udp => view.is_udp(),
        Proto::Icmp => view.is_icmp(),
        Proto::Icmp6 => view.is_icmp6(),
        Proto::Arp => view.is_arp(),
        Proto::Nd => view.is_nd(),
        Proto::IpFrag => view.is_fragment(),
        Proto::Ip(number) => view.protocol() == Some(number),
    }
}

/// By hand: a prefix of any length contains addresses of its own family only.
fn within(prefix: &IpCidr, address: Option<IpAddress>) -> bool {
    match (prefix, address) {
        (IpCidr::Ipv4(prefix), Some(IpAddress::Ipv4(address))) => prefix.contains_addr(&address),
        #[cfg(feature = "ipv6")]
        (IpCidr::Ipv6(prefix), Some(IpAddress::Ipv6(address))) => prefix.contains_addr(&address),
        _ => false,
    }
}

fn any(set: &Ports, port: Option<u16>) -> bool {
    port.is_some_and(|port| set.iter().any(|range| range.contains(port.into())))
}

fn wear(wanted: Flags, flags: u8) -> bool {
    match wanted {
        Flags::Some { set, clear } => flags & set == set && flags & clear == 0,
        Flags::Exactly(exact) => flags == exact,
    }
}
