//! Flags of a send or receive.

/// Out-of-band data.
pub const MSG_OOB: i32 = 0x1;
/// Receive without taking from the queue.
pub const MSG_PEEK: i32 = 0x2;
/// No routing; taken and ignored.
pub const MSG_DONTROUTE: i32 = 0x4;
/// Receive until the buffer is full.
pub const MSG_WAITALL: i32 = 0x8;
/// What WSARecvMsg says of a datagram longer than its buffers.
pub const MSG_TRUNC: i32 = 0x100;
/// What WSARecvMsg says of control messages that had no room.
pub const MSG_CTRUNC: i32 = 0x200;
/// What WSARecvMsg says of a datagram to a broadcast address.
pub const MSG_BCAST: i32 = 0x400;
/// What WSARecvMsg says of a datagram to a group.
pub const MSG_MCAST: i32 = 0x800;
/// Receive what is there at once; taken and ignored.
pub const MSG_PUSH_IMMEDIATE: i32 = 0x20;
/// A part of a message: what WSARecv says of a datagram longer than its buffers.
pub const MSG_PARTIAL: i32 = 0x8000;
