//! The state of a process: no locks, no packets, no clock.

use core::fmt;
use core::marker::PhantomData;

use tapsock_stack::storage::Storage;

/// All Winsock state of one process.
///
/// An engine keeps it beside the stack and hands both out together. It never looks inside.
pub struct Core<'a, S: Storage<'a>> {
    /// Counts everything that may end a wait.
    epoch: u64,
    /// The epoch of the last change that concerns every waiting caller.
    touched_all: u64,
    _storage: PhantomData<&'a S>,
}

impl<'a, S: Storage<'a>> Default for Core<'a, S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<'a, S: Storage<'a>> Core<'a, S> {
    /// The state of a process that has not called WSAStartup.
    pub fn new() -> Self {
        Self { epoch: 0, touched_all: 0, _storage: PhantomData }
    }

    /// The number of changes so far that may have ended somebody's wait.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Whether something changed after the epoch `seen` that concerns a caller interested in the
    /// sockets `interest`.
    pub fn changed(&self, seen: u64, interest: &[u32]) -> bool {
        let _ = interest;
        self.touched_all > seen
    }
}

impl<'a, S: Storage<'a>> fmt::Debug for Core<'a, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core").field("epoch", &self.epoch).finish_non_exhaustive()
    }
}
