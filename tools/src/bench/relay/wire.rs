//! A wire between two links of this process, which one can sleep on.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socketpair, sockopt,
};
use tapsock_stack::link::{Link, LinkError};
use tapsock_stack::time::Instant;

use super::super::trouble::Trouble;
use super::MTU;

/// Bytes that lie on a wire in a direction, with what the kernel needs to keep them: some hundred
/// frames, as at a TAP device.
const ROOM: usize = 2 << 20;

/// An end of a wire. It becomes readable when a frame has arrived, and when the other end is gone.
pub(in crate::bench) struct Wire {
    /// Of a pair that keeps frames apart and in order.
    socket: OwnedFd,
    /// The other end is.
    gone: bool,
}

impl Wire {
    /// Both ends of a new one.
    pub(in crate::bench) fn pair() -> Result<[Self; 2], Trouble> {
        let failed = |error: Errno| Trouble::of("making a wire to the relay")(error.into());
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let pair = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None);
        let (near, far) = pair.map_err(failed)?;
        for socket in [&near, &far] {
            // Without the right to so much it is what everybody may have.
            let _ = sockopt::set_socket_send_buffer_size(socket, ROOM);
            let _ = sockopt::set_socket_send_buffer_size_force(socket, ROOM);
        }
        Ok([near, far].map(|socket| Self { socket, gone: false }))
    }

    fn down(&mut self) -> LinkError {
        self.gone = true;
        LinkError::Down
    }
}

impl AsFd for Wire {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Link for Wire {
    fn mtu(&self) -> usize {
        MTU
    }

    fn is_up(&self) -> bool {
        !self.gone
    }

    fn is_gone(&self) -> bool {
        self.gone
    }

    fn receive(&mut self, _: Instant, buffer: &mut [u8]) -> Result<Option<usize>, LinkError> {
        match recv(&self.socket, buffer, RecvFlags::empty()) {
            // No frame is empty.
            Ok((0, _)) => Err(self.down()),
            Ok((length, _)) => Ok(Some(length)),
            Err(Errno::AGAIN | Errno::INTR) => Ok(None),
            Err(_) => Err(self.down()),
        }
    }

    fn transmit(&mut self, _: Instant, frame: &[u8]) -> Result<(), LinkError> {
        match send(&self.socket, frame, SendFlags::NOSIGNAL) {
            Ok(_) => Ok(()),
            Err(Errno::AGAIN | Errno::INTR | Errno::NOBUFS | Errno::NOMEM) => Err(LinkError::Busy),
            Err(_) => Err(self.down()),
        }
    }
}
