//! What a row needs of where it is provoked.

use std::sync::Arc;

use tapsock_stack::time::Duration;
use wsa::Process;
use wsa::engine::Engine;

use crate::output::Failure;
use crate::report::Report;

/// A process with a network around it, for one row.
pub(super) trait Stage {
    /// What advances the process's stack.
    type Engine: Engine<'static> + Send + Sync + 'static;

    /// The process, which has called nothing yet.
    fn process(&self) -> &Arc<Process<'static, Self::Engine>>;

    /// What passed the link so far, as pcapng.
    fn recording(&self) -> Vec<u8>;

    /// What the recording's clock shows when the stack's begins.
    fn epoch(&self) -> Duration;

    /// Runs `act` as another thread of the process, `delay` from now.
    fn later(&self, delay: Duration, act: Box<dyn FnOnce() + Send>);

    /// Lets the peer close its side of the connection to it that waits to be accepted, once this
    /// side is closed.
    fn let_peer_close(&self);

    /// How the rules that break the link have fared.
    fn faults(&self) -> Report;

    /// Takes the device away for good.
    ///
    /// # Errors
    /// When that cannot be done.
    fn take_link_away(&self) -> Result<(), Failure>;
}
