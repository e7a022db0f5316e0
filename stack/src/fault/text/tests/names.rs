//! The names of numbers, against the numbers themselves.

use alloc::format;

use super::*;

#[track_caller]
fn rule(line: &str) -> Rule {
    line.parse().unwrap_or_else(|error| panic!("{error}"))
}

/// RFC 792, RFC 1122 section 3.2.2.1, RFC 1812 section 5.2.7.1; RFC 4443 section 3.
#[test]
fn icmp_types_and_codes() {
    let types4 = [
        ("echo-reply", 0),
        ("unreachable", 3),
        ("source-quench", 4),
        ("redirect", 5),
        ("echo-request", 8),
        ("router-advertisement", 9),
        ("router-solicitation", 10),
        ("time-exceeded", 11),
        ("parameter-problem", 12),
        ("timestamp", 13),
        ("timestamp-reply", 14),
    ];
    let types6 = [
        ("unreachable", 1),
        ("packet-too-big", 2),
        ("time-exceeded", 3),
        ("parameter-problem", 4),
        ("echo-request", 128),
        ("echo-reply", 129),
        ("mld-query", 130),
        ("mld-report", 131),
        ("mld-done", 132),
        ("router-solicitation", 133),
        ("router-advertisement", 134),
        ("neighbor-solicitation", 135),
        ("neighbor-advertisement", 136),
        ("redirect", 137),
    ];
    for (proto, types) in [("icmp", &types4[..]), ("icmp6", &types6[..])] {
        for (name, number) in types {
            let line = format!("{proto} icmp-type={name} drop");
            assert_eq!(rule(&line).matches.icmp_type, Some(*number), "{line}");
            assert_eq!(rule(&format!("{proto} icmp-type={number} drop")).to_string(), line);
        }
    }
    let codes = [
        (
            "icmp",
            "unreachable",
            "net host protocol port frag-needed source-route-failed net-unknown host-unknown host-isolated net-prohibited host-prohibited net-tos host-tos admin-prohibited host-precedence-violation precedence-cutoff",
        ),
        ("icmp", "redirect", "net host net-tos host-tos"),
        ("icmp", "time-exceeded", "hop-limit reassembly"),
        ("icmp", "parameter-problem", "pointer missing-option bad-length"),
        (
            "icmp6",
            "unreachable",
            "no-route admin-prohibited beyond-scope address port policy-failed reject-route",
        ),
        ("icmp6", "time-exceeded", "hop-limit reassembly"),
        ("icmp6", "parameter-problem", "header-field next-header option"),
    ];
    for (proto, kind, names) in codes {
        for (number, name) in names.split(' ').enumerate() {
            let line = format!("{proto} icmp-type={kind} icmp-code={name} drop");
            assert_eq!(rule(&line).matches.icmp_code, Some(number as u8), "{line}");
            assert_eq!(rule(&line).to_string(), line);
        }
    }
    // Without the protocol, what means the same in both or is in one only.
    assert_eq!(rule("icmp-type=packet-too-big drop").matches.icmp_type, Some(2));
    assert_eq!(rule("icmp-type=11 icmp-code=reassembly drop").matches.icmp_code, Some(1));
}

#[test]
fn why_something_is_unreachable() {
    let codes = [
        ("net", 0, 0),
        ("host", 1, 3),
        ("protocol", 2, 0),
        ("port", 3, 4),
        ("source-route-failed", 5, 0),
        ("net-unknown", 6, 0),
        ("host-unknown", 7, 0),
        ("host-isolated", 8, 0),
        ("net-prohibited", 9, 1),
        ("host-prohibited", 10, 1),
        ("net-tos", 11, 0),
        ("host-tos", 12, 0),
        ("admin-prohibited", 13, 1),
        ("host-precedence-violation", 14, 1),
        ("precedence-cutoff", 15, 1),
        ("address", 1, 3),
        ("no-route", 1, 0),
        ("beyond-scope", 1, 2),
        ("policy-failed", 13, 5),
        ("reject-route", 13, 6),
        ("4", 4, 4),
        ("{icmp=13,icmp6=0}", 13, 0),
    ];
    for (code, v4, v6) in codes {
        let read = rule(&format!("forge-icmp={{type=unreachable,code={code}}}"));
        let error = IcmpFault::Unreachable { v4, v6 };
        let forge = Forge::Icmp { error, from: None, quote: QuoteSeq::InFlight };
        assert_eq!(*read.actions, [Action::Forge(forge)], "{code}");
    }
}

#[test]
fn options_protocols_and_ethertypes() {
    let options = [
        ("mss", 2),
        ("window-scale", 3),
        ("wscale", 3),
        ("sack-permitted", 4),
        ("sack-ok", 4),
        ("sack", 5),
        ("timestamps", 8),
        ("ts", 8),
        ("md5", 19),
        ("user-timeout", 28),
        ("auth", 29),
        ("mptcp", 30),
        ("fast-open", 34),
        ("tfo", 34),
        ("254", 254),
    ];
    for (name, kind) in options {
        let read = rule(&format!("option={name} drop"));
        assert_eq!(read.matches.option, Some(TcpOption(kind)), "{name}");
    }
    for (name, ethertype) in
        [("ipv4", 0x0800), ("ipv6", 0x86dd), ("arp", 0x0806), ("0x88cc", 0x88cc)]
    {
        let line = format!("ethertype={name} drop");
        assert_eq!(rule(&line).matches.ethertype, Some(ethertype));
        assert_eq!(rule(&line).to_string(), line);
    }
    assert_eq!(rule("proto=132 drop").matches.proto, Some(Proto::Ip(132)));
    assert!("proto=256 drop".parse::<Rule>().is_err());
}

#[test]
fn flags() {
    let names = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"];
    for (bit, name) in names.into_iter().enumerate() {
        let set = 1 << bit;
        let flags = |line: &str| rule(&format!("flags={line} drop")).matches.flags;
        assert_eq!(flags(&format!("+{name}")), Some(Flags::Some { set, clear: 0 }));
        assert_eq!(flags(&format!("-{name}")), Some(Flags::Some { set: 0, clear: set }));
        assert_eq!(flags(&format!("={}", name.to_lowercase())), Some(Flags::Exactly(set)));
    }
}
