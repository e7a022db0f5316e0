//! Families, types, protocols, options, ioctls and flags, with the numbers of the Windows headers.

/// No family; in a name of zero bytes it ends a datagram socket's association.
pub const AF_UNSPEC: i32 = 0;
/// IPv4.
pub const AF_INET: i32 = 2;
/// IPv6. (Linux has another number.)
pub const AF_INET6: i32 = 23;

/// A stream of bytes: TCP.
pub const SOCK_STREAM: i32 = 1;
/// Datagrams: UDP.
pub const SOCK_DGRAM: i32 = 2;

/// The level of IPv4 options; as a protocol, "the type's default".
pub const IPPROTO_IP: i32 = 0;
/// TCP, as a protocol and as a level of options.
pub const IPPROTO_TCP: i32 = 6;
/// UDP, as a protocol and as a level of options.
pub const IPPROTO_UDP: i32 = 17;
/// The level of IPv6 options.
pub const IPPROTO_IPV6: i32 = 41;
/// The level of options that every socket has.
pub const SOL_SOCKET: i32 = 0xFFFF;

/// The longest queue of connections that the stack allows.
pub const SOMAXCONN: i32 = 0x7FFF_FFFF;

/// shutdown: no more receives.
pub const SD_RECEIVE: i32 = 0;
/// shutdown: no more sends.
pub const SD_SEND: i32 = 1;
/// shutdown: neither.
pub const SD_BOTH: i32 = 2;

/// Condition function of WSAAccept: take the connection.
pub const CF_ACCEPT: i32 = 0;
/// Condition function of WSAAccept: refuse the connection.
pub const CF_REJECT: i32 = 1;
/// Condition function of WSAAccept: decide later.
pub const CF_DEFER: i32 = 2;

/// WSASocket: the socket supports overlapped operations.
pub const WSA_FLAG_OVERLAPPED: u32 = 0x01;
/// WSASocket: child processes do not inherit the handle.
pub const WSA_FLAG_NO_HANDLE_INHERIT: u32 = 0x80;

/// Out-of-band data.
pub const MSG_OOB: i32 = 0x1;
/// Receive without taking from the queue.
pub const MSG_PEEK: i32 = 0x2;
/// No routing; taken and ignored.
pub const MSG_DONTROUTE: i32 = 0x4;
/// Receive until the buffer is full.
pub const MSG_WAITALL: i32 = 0x8;

/// Debugging; taken and ignored.
pub const SO_DEBUG: i32 = 0x0001;
/// Whether the socket listens.
pub const SO_ACCEPTCONN: i32 = 0x0002;
/// Bind to an address in use.
pub const SO_REUSEADDR: i32 = 0x0004;
/// Probe idle connections.
pub const SO_KEEPALIVE: i32 = 0x0008;
/// No routing; taken and ignored.
pub const SO_DONTROUTE: i32 = 0x0010;
/// Allow datagrams to broadcast addresses.
pub const SO_BROADCAST: i32 = 0x0020;
/// What closesocket does with unsent data: a `linger` of two 16-bit numbers.
pub const SO_LINGER: i32 = 0x0080;
/// The reverse of [`SO_LINGER`], as a boolean.
pub const SO_DONTLINGER: i32 = !SO_LINGER;
/// Out-of-band data in the stream.
pub const SO_OOBINLINE: i32 = 0x0100;
/// Let nobody else bind to the address.
pub const SO_EXCLUSIVEADDRUSE: i32 = !SO_REUSEADDR;
/// Bytes that may be queued for sending.
pub const SO_SNDBUF: i32 = 0x1001;
/// Bytes that may be queued after receiving.
pub const SO_RCVBUF: i32 = 0x1002;
/// Longest blocking send, in milliseconds; 0 for no limit.
pub const SO_SNDTIMEO: i32 = 0x1005;
/// Longest blocking receive, in milliseconds; 0 for no limit.
pub const SO_RCVTIMEO: i32 = 0x1006;
/// The failure of the last non-blocking connect.
pub const SO_ERROR: i32 = 0x1007;
/// The type of the socket.
pub const SO_TYPE: i32 = 0x1008;
/// The longest datagram.
pub const SO_MAX_MSG_SIZE: i32 = 0x2003;
/// Ask the condition function before the handshake; taken and kept.
pub const SO_CONDITIONAL_ACCEPT: i32 = 0x3002;
/// Seconds since the connection was established; 0xFFFFFFFF without one.
pub const SO_CONNECT_TIME: i32 = 0x700C;

/// Send small segments at once.
pub const TCP_NODELAY: i32 = 1;
/// Seconds of idleness before the first keep-alive probe.
pub const TCP_KEEPALIVE: i32 = 3;
/// Seconds after which an attempt or an unacknowledged segment gives a connection up; -1 for
/// never.
pub const TCP_MAXRT: i32 = 5;
/// [`TCP_MAXRT`] in milliseconds.
pub const TCP_MAXRTMS: i32 = 14;
/// Any ICMP error ends a connection attempt with WSAEHOSTUNREACH.
pub const TCP_FAIL_CONNECT_ON_ICMP_ERROR: i32 = 18;
/// The ICMP error that ended the last connection attempt.
pub const TCP_ICMP_ERROR_INFO: i32 = 19;

/// Time to live of IPv4 packets.
pub const IP_TTL: i32 = 4;
/// Hop limit of IPv6 packets.
pub const IPV6_UNICAST_HOPS: i32 = 4;
/// Whether an IPv6 socket leaves IPv4 alone. On by default.
pub const IPV6_V6ONLY: i32 = 27;

/// Bytes that a receive would give.
pub const FIONREAD: u32 = 0x4004_667F;
/// Blocking (0) or non-blocking mode.
pub const FIONBIO: u32 = 0x8004_667E;
/// Whether all out-of-band data was read.
pub const SIOCATMARK: u32 = 0x4004_7307;
/// Whether a port unreachable fails the next receive with WSAECONNRESET. On by default.
pub const SIO_UDP_CONNRESET: u32 = 0x9800_000C;
/// Whether other ICMP errors fail the next receive. On by default.
pub const SIO_UDP_NETRESET: u32 = 0x9800_000F;
/// The SYN schedule of the next attempts: `TCP_INITIAL_RTO_PARAMETERS`.
pub const SIO_TCP_INITIAL_RTO: u32 = 0x9800_0011;

/// [`SIO_TCP_INITIAL_RTO`]: the default round trip time.
pub const TCP_INITIAL_RTO_DEFAULT_RTT: u16 = 0;
/// [`SIO_TCP_INITIAL_RTO`]: the administrator's round trip time.
pub const TCP_INITIAL_RTO_UNSPECIFIED_RTT: u16 = 0xFFFF;
/// [`SIO_TCP_INITIAL_RTO`]: the default number of SYN repetitions.
pub const TCP_INITIAL_RTO_DEFAULT_MAX_SYN_RETRANSMISSIONS: u8 = 0;
/// [`SIO_TCP_INITIAL_RTO`]: SYNs are not repeated.
pub const TCP_INITIAL_RTO_NO_SYN_RETRANSMISSIONS: u8 = 0xFE;
/// [`SIO_TCP_INITIAL_RTO`]: the administrator's number of SYN repetitions.
pub const TCP_INITIAL_RTO_UNSPECIFIED_MAX_SYN_RETRANSMISSIONS: u8 = 0xFF;

/// The smallest name of an [`AF_INET`] socket, in bytes: `sockaddr_in`.
pub const SOCKADDR_IN_LEN: usize = 16;
/// The smallest name of an [`AF_INET6`] socket, in bytes: `sockaddr_in6`.
pub const SOCKADDR_IN6_LEN: usize = 28;

/// The index of the stack's link, as `sin6_scope_id` of a link-local address names it.
pub const LINK_SCOPE_ID: u32 = 1;
/// The most caller data that WSAConnect looks at, in bytes.
pub const MAX_CONNECT_DATA: u32 = 1024;
/// SO_CONNECT_TIME of a socket that is not connected.
pub const NOT_CONNECTED_TIME: u32 = 0xFFFF_FFFF;
/// The longest UDP payload over IPv4, in bytes, as SO_MAX_MSG_SIZE reports it.
pub const MAX_DATAGRAM: u32 = 65507;
