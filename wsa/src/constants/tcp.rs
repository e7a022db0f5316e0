//! Options of IPPROTO_TCP.

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
