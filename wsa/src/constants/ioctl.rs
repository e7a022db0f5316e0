//! Codes of ioctlsocket and WSAIoctl.

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
