//! Options of IPPROTO_UDP.

/// Datagrams over IPv4 go out without a checksum.
pub const UDP_NOCHECKSUM: i32 = 1;
/// The reverse of [`UDP_NOCHECKSUM`].
pub const UDP_CHECKSUM_COVERAGE: i32 = 20;
