//! Families, types, protocols, options, ioctls and flags, with the numbers of the Windows headers.

mod ioctl;
mod ip;
mod message;
mod readiness;
mod socket;
mod tcp;
mod udp;

pub use ioctl::*;
pub use ip::*;
pub use message::*;
pub use readiness::*;
pub use socket::*;
pub use tcp::*;
pub use udp::*;

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
/// The longest UDP payload over IPv6, in bytes, as SO_MAX_MSG_SIZE reports it.
pub const MAX_DATAGRAM_V6: u32 = 65527;
