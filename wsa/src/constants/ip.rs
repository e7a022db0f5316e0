//! Options of IPPROTO_IP and IPPROTO_IPV6.

/// Time to live of IPv4 packets.
pub const IP_TTL: i32 = 4;
/// Hop limit of IPv6 packets.
pub const IPV6_UNICAST_HOPS: i32 = 4;
/// Whether an IPv6 socket leaves IPv4 alone. On by default.
pub const IPV6_V6ONLY: i32 = 27;
