//! Options of SOL_SOCKET.

/// Debugging; taken and ignored.
pub const SO_DEBUG: i32 = 0x0001;
/// Whether the socket listens.
pub const SO_ACCEPTCONN: i32 = 0x0002;
/// Bind to an address in use.
pub const SO_REUSEADDR: i32 = 0x0004;
/// Probe idle connections.
pub const SO_KEEPALIVE: i32 = 0x0008;
/// No routing; taken and ignored, and refused for [`AF_INET6`](super::AF_INET6).
pub const SO_DONTROUTE: i32 = 0x0010;
/// Allow datagrams to broadcast addresses.
pub const SO_BROADCAST: i32 = 0x0020;
/// Send over the loopback; refused.
pub const SO_USELOOPBACK: i32 = 0x0040;
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
/// Fewest free bytes that make a socket writable; refused.
pub const SO_SNDLOWAT: i32 = 0x1003;
/// Fewest received bytes that make a socket readable; refused.
pub const SO_RCVLOWAT: i32 = 0x1004;
/// Longest blocking send, in milliseconds; 0 for no limit.
pub const SO_SNDTIMEO: i32 = 0x1005;
/// Longest blocking receive, in milliseconds; 0 for no limit.
pub const SO_RCVTIMEO: i32 = 0x1006;
/// The failure of the last non-blocking connect.
pub const SO_ERROR: i32 = 0x1007;
/// The type of the socket.
pub const SO_TYPE: i32 = 0x1008;
/// The addresses and the type in one structure; refused.
pub const SO_BSP_STATE: i32 = 0x1009;
/// Reserved; refused.
pub const SO_GROUP_ID: i32 = 0x2001;
/// Reserved; refused.
pub const SO_GROUP_PRIORITY: i32 = 0x2002;
/// The longest datagram.
pub const SO_MAX_MSG_SIZE: i32 = 0x2003;
/// The protocol, as a WSAPROTOCOL_INFOA.
pub const SO_PROTOCOL_INFOA: i32 = 0x2004;
/// The protocol, as a WSAPROTOCOL_INFOW.
pub const SO_PROTOCOL_INFOW: i32 = 0x2005;
/// Ask the condition function before the handshake. It is always asked afterwards: taken and kept,
/// and whoever is rejected sees a connection that is reset.
pub const SO_CONDITIONAL_ACCEPT: i32 = 0x3002;
/// Take an ephemeral port that cannot be guessed. They all are so: taken and kept.
pub const SO_RANDOMIZE_PORT: i32 = 0x3005;
/// Let other local addresses have the same ephemeral port. They may anyway: taken and kept.
pub const SO_PORT_SCALABILITY: i32 = 0x3006;
/// Put off the choice of an ephemeral port to the connect; refused.
pub const SO_REUSE_UNICASTPORT: i32 = 0x3007;
/// Share a port for multicast; refused.
pub const SO_REUSE_MULTICASTPORT: i32 = 0x3008;
/// What socket makes on this thread: 0 for overlapped sockets. Needs no socket.
pub const SO_OPENTYPE: i32 = 0x7008;
/// [`SO_OPENTYPE`]: sockets that wait alertably.
pub const SO_SYNCHRONOUS_ALERT: u32 = 0x10;
/// [`SO_OPENTYPE`]: sockets that wait.
pub const SO_SYNCHRONOUS_NONALERT: u32 = 0x20;
/// Seconds since the connection was established; 0xFFFFFFFF without one.
pub const SO_CONNECT_TIME: i32 = 0x700C;
