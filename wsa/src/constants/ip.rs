//! Options of IPPROTO_IP and IPPROTO_IPV6, and the control messages of WSARecvMsg and WSASendMsg
//! that have their numbers.

/// IPv4 options in packets: there are none, and none can be set.
pub const IP_OPTIONS: i32 = 1;
/// Whether the caller writes IP headers; of raw sockets.
pub const IP_HDRINCL: i32 = 2;
/// Type of service of IPv4 packets, 0 to 255. In control messages that of one datagram.
pub const IP_TOS: i32 = 3;
/// Time to live of IPv4 packets.
pub const IP_TTL: i32 = 4;
/// The interface for datagrams to IPv4 groups: one of its addresses, or its index as `0.x.x.x`,
/// both in network byte order; 0 for the default.
pub const IP_MULTICAST_IF: i32 = 9;
/// Time to live of datagrams to IPv4 groups. 1 by default.
pub const IP_MULTICAST_TTL: i32 = 10;
/// Whether the socket hears what this host sends to groups that it has joined. On by default.
pub const IP_MULTICAST_LOOP: i32 = 11;
/// Join a group: an `ip_mreq`.
pub const IP_ADD_MEMBERSHIP: i32 = 12;
/// Leave a group: an `ip_mreq`.
pub const IP_DROP_MEMBERSHIP: i32 = 13;
/// Hear a group from a source: an `ip_mreq_source`.
pub const IP_ADD_SOURCE_MEMBERSHIP: i32 = 15;
/// Do not hear a group from a source any more.
pub const IP_DROP_SOURCE_MEMBERSHIP: i32 = 16;
/// Do not hear a group that was joined from one source.
pub const IP_BLOCK_SOURCE: i32 = 17;
/// Hear it again.
pub const IP_UNBLOCK_SOURCE: i32 = 18;
/// Whether WSARecvMsg tells the destination address and the interface: an `in_pktinfo`.
pub const IP_PKTINFO: i32 = 19;
/// Whether WSARecvMsg tells the time to live.
pub const IP_HOPLIMIT: i32 = 21;
/// The same as [`IP_HOPLIMIT`].
pub const IP_RECVTTL: i32 = 21;
/// Whether the socket hears broadcasts. On by default.
pub const IP_RECEIVE_BROADCAST: i32 = 22;
/// Whether WSARecvMsg tells the index of the interface.
pub const IP_RECVIF: i32 = 24;
/// Whether WSARecvMsg tells the destination address.
pub const IP_RECVDSTADDR: i32 = 25;
/// The interface for what is sent: its index in network byte order; 0 for the default.
pub const IP_UNICAST_IF: i32 = 31;
/// A routing header; not supported.
pub const IP_RTHDR: i32 = 32;
/// Whether WSARecvMsg tells the type of service, as [`IP_TOS`].
pub const IP_RECVTOS: i32 = 40;

/// Join a group of either family: a `GROUP_REQ`.
pub const MCAST_JOIN_GROUP: i32 = 41;
/// Leave it: a `GROUP_REQ`.
pub const MCAST_LEAVE_GROUP: i32 = 42;
/// As [`IP_BLOCK_SOURCE`], with a `GROUP_SOURCE_REQ`.
pub const MCAST_BLOCK_SOURCE: i32 = 43;
/// As [`IP_UNBLOCK_SOURCE`], with a `GROUP_SOURCE_REQ`.
pub const MCAST_UNBLOCK_SOURCE: i32 = 44;
/// As [`IP_ADD_SOURCE_MEMBERSHIP`], with a `GROUP_SOURCE_REQ`.
pub const MCAST_JOIN_SOURCE_GROUP: i32 = 45;
/// As [`IP_DROP_SOURCE_MEMBERSHIP`], with a `GROUP_SOURCE_REQ`.
pub const MCAST_LEAVE_SOURCE_GROUP: i32 = 46;

/// Hop-by-hop options; not supported.
pub const IPV6_HOPOPTS: i32 = 1;
/// Whether the caller writes IPv6 headers; of raw sockets.
pub const IPV6_HDRINCL: i32 = 2;
/// Hop limit of IPv6 packets.
pub const IPV6_UNICAST_HOPS: i32 = 4;
/// The index of the interface for datagrams to IPv6 groups; 0 for the default.
pub const IPV6_MULTICAST_IF: i32 = 9;
/// Hop limit of datagrams to IPv6 groups. 1 by default, which -1 stands for.
pub const IPV6_MULTICAST_HOPS: i32 = 10;
/// As [`IP_MULTICAST_LOOP`].
pub const IPV6_MULTICAST_LOOP: i32 = 11;
/// Join a group: an `ipv6_mreq`.
pub const IPV6_JOIN_GROUP: i32 = 12;
/// The same as [`IPV6_JOIN_GROUP`].
pub const IPV6_ADD_MEMBERSHIP: i32 = 12;
/// Leave a group: an `ipv6_mreq`.
pub const IPV6_LEAVE_GROUP: i32 = 13;
/// The same as [`IPV6_LEAVE_GROUP`].
pub const IPV6_DROP_MEMBERSHIP: i32 = 13;
/// As [`IP_PKTINFO`]: an `in6_pktinfo`.
pub const IPV6_PKTINFO: i32 = 19;
/// Whether WSARecvMsg tells the hop limit.
pub const IPV6_HOPLIMIT: i32 = 21;
/// How far from here a sender may be: one of [`PROTECTION_LEVEL_UNRESTRICTED`],
/// [`PROTECTION_LEVEL_EDGERESTRICTED`], [`PROTECTION_LEVEL_RESTRICTED`]. Taken and kept: there is
/// no tunnel here through which anybody could come.
pub const IPV6_PROTECTION_LEVEL: i32 = 23;
/// As [`IP_RECVIF`].
pub const IPV6_RECVIF: i32 = 24;
/// As [`IP_RECVDSTADDR`].
pub const IPV6_RECVDSTADDR: i32 = 25;
/// Where the caller wants a checksum; of raw sockets.
pub const IPV6_CHECKSUM: i32 = 26;
/// Whether an IPv6 socket leaves IPv4 alone. On by default.
pub const IPV6_V6ONLY: i32 = 27;
/// The index of the interface for what is sent; 0 for the default.
pub const IPV6_UNICAST_IF: i32 = 31;
/// A routing header; not supported.
pub const IPV6_RTHDR: i32 = 32;
/// Whether WSARecvMsg tells a routing header; not supported.
pub const IPV6_RECVRTHDR: i32 = 38;
/// Traffic class of IPv6 packets, 0 to 255: the same value as [`IP_TOS`]. In control messages that
/// of one datagram.
pub const IPV6_TCLASS: i32 = 39;
/// Whether WSARecvMsg tells the traffic class, as [`IPV6_TCLASS`].
pub const IPV6_RECVTCLASS: i32 = 40;

/// [`IPV6_PROTECTION_LEVEL`]: everybody.
pub const PROTECTION_LEVEL_UNRESTRICTED: u32 = 10;
/// [`IPV6_PROTECTION_LEVEL`]: not through tunnels.
pub const PROTECTION_LEVEL_EDGERESTRICTED: u32 = 20;
/// [`IPV6_PROTECTION_LEVEL`]: the same site.
pub const PROTECTION_LEVEL_RESTRICTED: u32 = 30;

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
