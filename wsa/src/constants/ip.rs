//! Options of IPPROTO_IP and IPPROTO_IPV6.

/// Time to live of IPv4 packets.
pub const IP_TTL: i32 = 4;
/// Hop limit of IPv6 packets.
pub const IPV6_UNICAST_HOPS: i32 = 4;
/// Whether an IPv6 socket leaves IPv4 alone. On by default.
pub const IPV6_V6ONLY: i32 = 27;
/// Whether the datagrams of a socket stay whole or are refused. Datagram sockets only.
pub const IP_DONTFRAGMENT: i32 = 14;
/// The same over IPv6.
pub const IPV6_DONTFRAG: i32 = 14;
/// What the socket does about the largest packet of its path.
pub const IP_MTU_DISCOVER: i32 = 71;
/// The same over IPv6.
pub const IPV6_MTU_DISCOVER: i32 = 71;
/// The largest packet of the path to the peer, in bytes; only to be read.
pub const IP_MTU: i32 = 73;
/// The same over IPv6.
pub const IPV6_MTU: i32 = 72;

/// The value of IP_MTU_DISCOVER before any is set: datagrams are cut, streams find the size.
pub const IP_PMTUDISC_NOT_SET: u32 = 0;
/// What is longer than the path takes is refused to its sender.
pub const IP_PMTUDISC_DO: u32 = 1;
/// What is longer than the path takes is cut.
pub const IP_PMTUDISC_DONT: u32 = 2;
/// Only what is longer than the link takes is refused, whatever is known about the path.
pub const IP_PMTUDISC_PROBE: u32 = 3;
