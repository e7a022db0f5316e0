//! Connections accepted by stock smoltcp's loop.

use std::sync::atomic::{AtomicBool, Ordering};

use smoltcp::socket::tcp::{Socket, State};

use super::super::super::trouble::Trouble;
use super::{LONGEST, Stock, prompt};

/// Bytes of a socket's buffers: what ours has where nothing is said.
const BUFFER: usize = 64 * 1024;

impl Stock {
    /// Accepts and closes connections at `port` until `ended`. Calls `ready` when it listens.
    ///
    /// smoltcp knows no queue of connections: a SYN without a socket that listens is answered by a
    /// RST. So there is a socket for each of `callers` and one for the connection before it, of which
    /// the loop may not have seen the end, and one for the call that ends a run.
    pub(in crate::bench) fn accept(
        mut self,
        port: u16,
        callers: usize,
        ended: &AtomicBool,
        ready: impl FnOnce(),
    ) -> Result<(), Trouble> {
        let refused = |error| Trouble::new(format!("smoltcp's listen failed: {error}"));
        let mut all = Vec::new();
        for _ in 0..2 * callers + 1 {
            let mut socket = prompt(BUFFER);
            socket.listen(port).map_err(refused)?;
            all.push(self.sockets.add(socket));
        }
        self.reach()?;
        ready();
        let mut done = Vec::new();
        while !ended.load(Ordering::Acquire) {
            for &handle in &all {
                let socket = self.sockets.get_mut::<Socket<'_>>(handle);
                match socket.state() {
                    State::Established | State::CloseWait => socket.close(),
                    State::TimeWait | State::Closed => done.push(handle),
                    _ => {}
                }
            }
            // The acknowledgment of the peer's FIN first. smoltcp rests for ten seconds in TIME-WAIT,
            // and leaves it to listen when it is told to.
            self.send_out();
            for handle in done.drain(..) {
                self.sockets.get_mut::<Socket<'_>>(handle).listen(port).map_err(refused)?;
            }
            self.exchange(usize::MAX, Some(LONGEST.into()))
                .map_err(Trouble::of("waiting for smoltcp's device"))?;
        }
        Ok(())
    }
}
