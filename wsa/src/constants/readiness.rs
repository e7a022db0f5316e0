//! Readiness: network events, event objects, and the bits of WSAPoll.

/// Network event: something may be received.
pub const FD_READ: i32 = 1 << FD_READ_BIT;
/// Network event: a send would take something.
pub const FD_WRITE: i32 = 1 << FD_WRITE_BIT;
/// Network event: out-of-band data may be received.
pub const FD_OOB: i32 = 1 << FD_OOB_BIT;
/// Network event: a connection waits to be accepted.
pub const FD_ACCEPT: i32 = 1 << FD_ACCEPT_BIT;
/// Network event: a connection attempt has ended.
pub const FD_CONNECT: i32 = 1 << FD_CONNECT_BIT;
/// Network event: the connection was closed or reset.
pub const FD_CLOSE: i32 = 1 << FD_CLOSE_BIT;
/// Network event: the quality of service has changed.
pub const FD_QOS: i32 = 1 << FD_QOS_BIT;
/// Network event: reserved; never happens.
pub const FD_GROUP_QOS: i32 = 1 << FD_GROUP_QOS_BIT;
/// Network event: another interface leads to a destination.
pub const FD_ROUTING_INTERFACE_CHANGE: i32 = 1 << FD_ROUTING_INTERFACE_CHANGE_BIT;
/// Network event: the list of local addresses has changed.
pub const FD_ADDRESS_LIST_CHANGE: i32 = 1 << FD_ADDRESS_LIST_CHANGE_BIT;
/// How many network events there are.
pub const FD_MAX_EVENTS: usize = 10;
/// All network events.
pub const FD_ALL_EVENTS: i32 = (1 << FD_MAX_EVENTS) - 1;

/// The place of [`FD_READ`] among the error codes of a WSANETWORKEVENTS.
pub const FD_READ_BIT: usize = 0;
/// The place of [`FD_WRITE`] there.
pub const FD_WRITE_BIT: usize = 1;
/// The place of [`FD_OOB`] there.
pub const FD_OOB_BIT: usize = 2;
/// The place of [`FD_ACCEPT`] there.
pub const FD_ACCEPT_BIT: usize = 3;
/// The place of [`FD_CONNECT`] there.
pub const FD_CONNECT_BIT: usize = 4;
/// The place of [`FD_CLOSE`] there.
pub const FD_CLOSE_BIT: usize = 5;
/// The place of [`FD_QOS`] there.
pub const FD_QOS_BIT: usize = 6;
/// The place of [`FD_GROUP_QOS`] there.
pub const FD_GROUP_QOS_BIT: usize = 7;
/// The place of [`FD_ROUTING_INTERFACE_CHANGE`] there.
pub const FD_ROUTING_INTERFACE_CHANGE_BIT: usize = 8;
/// The place of [`FD_ADDRESS_LIST_CHANGE`] there.
pub const FD_ADDRESS_LIST_CHANGE_BIT: usize = 9;

/// The most event objects that one call waits for.
pub const WSA_MAXIMUM_WAIT_EVENTS: usize = 64;
/// WSAWaitForMultipleEvents: the first event object; the others follow.
pub const WSA_WAIT_EVENT_0: u32 = 0;
/// WSAWaitForMultipleEvents: an APC ran.
pub const WSA_WAIT_IO_COMPLETION: u32 = 0xC0;
/// WSAWaitForMultipleEvents: the time has passed.
pub const WSA_WAIT_TIMEOUT: u32 = 258;
/// WSAWaitForMultipleEvents: it failed.
pub const WSA_WAIT_FAILED: u32 = 0xFFFF_FFFF;
/// WSAWaitForMultipleEvents: without an end.
pub const WSA_INFINITE: u32 = 0xFFFF_FFFF;

/// WSAPoll: normal data may be received, or a connection accepted.
pub const POLLRDNORM: i16 = 0x0100;
/// WSAPoll: priority data may be received.
pub const POLLRDBAND: i16 = 0x0200;
/// WSAPoll: [`POLLRDNORM`] and [`POLLRDBAND`].
pub const POLLIN: i16 = POLLRDNORM | POLLRDBAND;
/// WSAPoll: a name that may not be asked for.
pub const POLLPRI: i16 = 0x0400;
/// WSAPoll: a send would take something.
pub const POLLWRNORM: i16 = 0x0010;
/// WSAPoll: [`POLLWRNORM`].
pub const POLLOUT: i16 = POLLWRNORM;
/// WSAPoll: a name that may not be asked for.
pub const POLLWRBAND: i16 = 0x0020;
/// WSAPoll, only in the answer: the connection or the attempt failed.
pub const POLLERR: i16 = 0x0001;
/// WSAPoll, only in the answer: the peer has closed or reset the connection.
pub const POLLHUP: i16 = 0x0002;
/// WSAPoll, only in the answer: the handle is of no socket.
pub const POLLNVAL: i16 = 0x0004;
