//! Flags of a send or receive.

/// Out-of-band data.
pub const MSG_OOB: i32 = 0x1;
/// Receive without taking from the queue.
pub const MSG_PEEK: i32 = 0x2;
/// No routing; taken and ignored.
pub const MSG_DONTROUTE: i32 = 0x4;
/// Receive until the buffer is full.
pub const MSG_WAITALL: i32 = 0x8;
