//! What the peer does, and what it has seen: the same for a simulated host and for the kernel.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tapsock_stack::time::Duration;
use wsa::config::{STACK_V4, STACK_V6};

use super::program::pattern;
use super::scenario::{Program, Scenario, Way};
use crate::stage::{Ip, LISTENING_PORT};

/// What the peer is to do.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    /// What it does on a connection.
    pub(super) service: Service,
    /// What it sends on connections that it makes itself.
    pub(super) sends: Arc<Vec<u8>>,
    /// Whether it listens, and after which time.
    pub(super) listens: Option<Duration>,
    /// When it forgets a connection, counted from the connection's beginning.
    pub(super) forgets: Option<Duration>,
    /// When it begins to receive, counted from the same.
    pub(super) reads: Duration,
    /// How long it waits for anything at all.
    pub(super) patience: Duration,
    /// Where the process listens, for [`Program::Listen`].
    pub(super) dials: SocketAddr,
}

/// What the peer does on a connection.
#[derive(Debug, Clone)]
pub(super) enum Service {
    /// Sends back what comes, and closes when the other side has.
    Echo,
    /// Keeps what comes, and closes when the other side has.
    Collect,
    /// Sends this and closes.
    Give(Arc<Vec<u8>>),
    /// Sends this, closes that direction, and keeps what comes until the other side has closed.
    Ask(Arc<Vec<u8>>),
}

impl Plan {
    pub(super) fn new(scenario: &Scenario, seed: u64, patience: Duration) -> Self {
        let data = Arc::new(pattern(seed, scenario.length()));
        let service = match (&scenario.program, scenario.direction) {
            (Program::Transfer, Way::Up) => Service::Collect,
            (Program::Transfer, Way::Down) => Service::Give(Arc::clone(&data)),
            _ => Service::Echo,
        };
        let (own, sends) = match scenario.ip {
            Ip::V4 => (STACK_V4.address(), data),
            Ip::V6 => (STACK_V6.address(), data),
        };
        Self {
            service,
            sends,
            listens: match scenario.program {
                Program::Listen => None,
                _ => Some(scenario.listen_after.map_or(Duration::ZERO, |time| time.0)),
            },
            forgets: scenario.forget_after.map(|time| time.0),
            reads: scenario.read_after.map_or(Duration::ZERO, |time| time.0),
            patience,
            dials: SocketAddr::new(own.into(), LISTENING_PORT),
        }
    }
}

/// What the peer has collected. A handle: clones are the same log.
#[derive(Debug, Clone, Default)]
pub(super) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn bytes(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what came.
    pub(super) fn keep(&self, bytes: &[u8]) {
        self.bytes().extend_from_slice(bytes);
    }

    /// All that came.
    pub(super) fn collected(&self) -> Vec<u8> {
        self.bytes().clone()
    }
}
