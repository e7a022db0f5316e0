//! The stage in virtual time.

use std::sync::Arc;

use tapsock_stack::ListenerId;
use tapsock_stack::config::Config;
use tapsock_stack::fault::Script;
use tapsock_stack::link::capture::SharedBuffer;
use tapsock_stack::port::{Family, Transport};
use tapsock_stack::sim::{Faults, Host};
use tapsock_stack::tcp::Close;
use tapsock_stack::time::Duration;
use wsa::Process;
use wsa::engine::stepped::{Simulated, as_thread};

use super::stage::Stage;
use crate::output::Failure;
use crate::report::Report;
use crate::stage::LISTENING_PORT;
use crate::stage::simulated::{Network, bind, ours};

/// The thread that acts while another is blocked.
const OTHER_THREAD: u64 = 2;
/// In which a frame has reached the peer.
const MEANWHILE: Duration = Duration::from_millis(10);

/// A network of its own for one row.
pub(super) struct SimulatedStage {
    process: Arc<Process<'static, Simulated>>,
    recording: SharedBuffer,
    peer: Host,
    listeners: [ListenerId; 2],
    /// The faults last as long.
    faults: Option<Faults>,
}

impl SimulatedStage {
    /// With `faults` the host's end of its cable is broken from the beginning.
    pub(super) fn new(
        config: Config,
        mtu: usize,
        faults: Option<Script<'static>>,
    ) -> Result<Self, Failure> {
        let Network { own, peer } = Network::new(config, mtu)?;
        let faults = faults.map(|script| own.faults(script)).transpose();
        let faults = faults.map_err(|error| Failure::Usage(error.to_string()))?;
        let recording = SharedBuffer::new();
        own.capture(recording.clone());
        let listen = |family| {
            let binding = bind(&peer, Transport::Tcp, family, LISTENING_PORT)?;
            let listener = peer.with(|stack, _| stack.tcp_listen(binding, 16, 0));
            listener.map_err(|_| ours("a listener"))
        };
        let listeners = [listen(Family::V4)?, listen(Family::V6)?];
        let process = Simulated::process(own);
        Ok(Self { process, recording, peer, listeners, faults })
    }
}

impl Stage for SimulatedStage {
    type Engine = Simulated;

    fn process(&self) -> &Arc<Process<'static, Simulated>> {
        &self.process
    }

    fn recording(&self) -> Vec<u8> {
        self.recording.to_vec()
    }

    fn epoch(&self) -> Duration {
        Duration::ZERO
    }

    fn later(&self, delay: Duration, act: Box<dyn FnOnce() + Send>) {
        self.process.engine().world().after(delay, |_| as_thread(OTHER_THREAD, act));
    }

    fn let_peer_close(&self) {
        let peer = self.peer.clone();
        let listeners = self.listeners;
        // When the FIN of this side has arrived there.
        self.process.engine().world().after(MEANWHILE, move |_| {
            peer.with(|stack, now| {
                for listener in listeners {
                    if let Some(connection) = stack.tcp_accept(listener, 0) {
                        stack.tcp_close(now, connection, Close::Deliver);
                    }
                }
            });
        });
    }

    fn faults(&self) -> Report {
        let report = |faults: &Faults| faults.with(|engine, _| Report::of(engine));
        self.faults.as_ref().map(report).unwrap_or_default()
    }

    fn take_link_away(&self) -> Result<(), Failure> {
        self.process.engine().host().set_link_up(false);
        Ok(())
    }
}
