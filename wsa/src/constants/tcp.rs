//! Options of IPPROTO_TCP.

/// Send small segments at once.
pub const TCP_NODELAY: i32 = 1;
/// Urgent data as RFC 1122 has it. There is none here: off, and refused.
pub const TCP_EXPEDITED_1122: i32 = 2;
/// Seconds of idleness before the first keep-alive probe.
pub const TCP_KEEPALIVE: i32 = 3;
/// [`TCP_KEEPALIVE`] under its newer name.
pub const TCP_KEEPIDLE: i32 = TCP_KEEPALIVE;
/// The largest payload of a segment to the peer, in bytes. Can only be read.
pub const TCP_MAXSEG: i32 = 4;
/// Seconds after which an attempt or an unacknowledged segment gives a connection up; -1 for
/// never.
pub const TCP_MAXRT: i32 = 5;
/// Urgent data as RFC 1122 has it. There is none here: off, and refused.
pub const TCP_STDURG: i32 = 6;
/// The SYN of an attempt is not repeated.
pub const TCP_NOSYNRETRIES: i32 = 9;
/// Time stamps of RFC 7323. There are none here: off, and refused.
pub const TCP_TIMESTAMPS: i32 = 10;
/// The congestion controller. There is no choice here: refused.
pub const TCP_CONGESTION_ALGORITHM: i32 = 12;
/// A late acknowledgment of the FIN. There is none here: off, and refused.
pub const TCP_DELAY_FIN_ACK: i32 = 13;
/// [`TCP_MAXRT`] in milliseconds.
pub const TCP_MAXRTMS: i32 = 14;
/// Data in the SYN (RFC 7413). There is none here: off, and refused.
pub const TCP_FASTOPEN: i32 = 15;
/// Keep-alive probes without an answer before the connection is given up, 1 to 255.
pub const TCP_KEEPCNT: i32 = 16;
/// Seconds between keep-alive probes.
pub const TCP_KEEPINTVL: i32 = 17;
/// Any ICMP error ends a connection attempt with WSAEHOSTUNREACH.
pub const TCP_FAIL_CONNECT_ON_ICMP_ERROR: i32 = 18;
/// The ICMP error that ended the last connection attempt.
pub const TCP_ICMP_ERROR_INFO: i32 = 19;
/// Urgent data as BSD has it. There is none here: refused.
pub const TCP_BSDURGENT: i32 = 0x7000;
