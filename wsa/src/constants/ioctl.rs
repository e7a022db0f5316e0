//! Codes of ioctlsocket and WSAIoctl.

/// Bytes that a receive would give.
pub const FIONREAD: u32 = 0x4004_667F;
/// Blocking (0) or non-blocking mode.
pub const FIONBIO: u32 = 0x8004_667E;
/// Whether all out-of-band data was read.
pub const SIOCATMARK: u32 = 0x4004_7307;
/// Idle time and interval of keep-alive: `tcp_keepalive`.
pub const SIO_KEEPALIVE_VALS: u32 = 0x9800_0004;
/// Whether a port unreachable fails the next receive with WSAECONNRESET. On by default.
pub const SIO_UDP_CONNRESET: u32 = 0x9800_000C;
/// Whether other ICMP errors fail the next receive. On by default.
pub const SIO_UDP_NETRESET: u32 = 0x9800_000F;
/// A shorter way over the loopback. There is none shorter: taken and ignored.
pub const SIO_LOOPBACK_FAST_PATH: u32 = 0x9800_0010;
/// The SYN schedule of the next attempts: `TCP_INITIAL_RTO_PARAMETERS`.
pub const SIO_TCP_INITIAL_RTO: u32 = 0x9800_0011;

/// How many segments are acknowledged together: 1 or 2.
pub const SIO_TCP_SET_ACK_FREQUENCY: u32 = 0x9800_0017;
/// The numbers of a connection: `TCP_INFO_v0` or `TCP_INFO_v1`.
pub const SIO_TCP_INFO: u32 = 0xD800_0027;

/// Ties a handle of another interface to the socket; refused.
pub const SIO_ASSOCIATE_HANDLE: u32 = 0x8800_0001;
/// Lets a full queue lose its oldest message; refused.
pub const SIO_ENABLE_CIRCULAR_QUEUEING: u32 = 0x2800_0002;
/// Asks for a route to be found; refused.
pub const SIO_FIND_ROUTE: u32 = 0x4800_0003;
/// Discards what is queued for sending; refused.
pub const SIO_FLUSH: u32 = 0x2800_0004;
/// The broadcast address: a `sockaddr_in`.
pub const SIO_GET_BROADCAST_ADDRESS: u32 = 0x4800_0005;
/// The address of a function that only a provider has: a GUID in, a pointer out. For the C library
/// alone, whose functions have addresses.
pub const SIO_GET_EXTENSION_FUNCTION_POINTER: u32 = 0xC800_0006;
/// Gives a handle for another interface; refused.
pub const SIO_TRANSLATE_HANDLE: u32 = 0xC800_000D;
/// The local address from which a peer is reached.
pub const SIO_ROUTING_INTERFACE_QUERY: u32 = 0xC800_0014;
/// The local addresses: a `SOCKET_ADDRESS_LIST`.
pub const SIO_ADDRESS_LIST_QUERY: u32 = 0x4800_0016;
/// The socket of the base provider: the same one.
pub const SIO_BASE_HANDLE: u32 = 0x4800_0022;
/// The socket that WSASendMsg uses: the same one.
pub const SIO_BSP_HANDLE: u32 = 0x4800_001B;
/// The socket that select uses: the same one.
pub const SIO_BSP_HANDLE_SELECT: u32 = 0x4800_001C;
/// The socket that WSAPoll uses: the same one.
pub const SIO_BSP_HANDLE_POLL: u32 = 0x4800_001D;

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
