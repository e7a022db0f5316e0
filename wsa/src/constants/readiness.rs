//! Readiness: the bits of WSAPoll.

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
