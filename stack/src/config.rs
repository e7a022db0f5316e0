//! What a stack is told when it is made.

use smoltcp::time::Duration;
use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr};

/// When SYNs are repeated and when an attempt is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SynTiming {
    /// From the first SYN to the second. Doubles from then on.
    pub initial: Duration,
    /// How many times a SYN is repeated.
    pub retries: u8,
    /// The longest step between two SYNs.
    pub step_cap: Duration,
    /// When the attempt ends at the latest, counted from the first SYN; `None` for when the
    /// schedule is spent.
    pub total: Option<Duration>,
}

impl SynTiming {
    /// Windows 10 and later as measured: SYNs at 0, 1, 3, 7 and 15 s, the end at 21 s.
    pub const WINDOWS_10: Self = Self {
        initial: Duration::from_millis(1000),
        retries: 4,
        step_cap: Duration::from_secs(60),
        total: Some(Duration::from_secs(21)),
    };
    /// Windows 7: SYNs at 0, 3 and 9 s, the end at 21 s.
    pub const WINDOWS_7: Self = Self {
        initial: Duration::from_millis(3000),
        retries: 2,
        step_cap: Duration::from_secs(60),
        total: Some(Duration::from_secs(21)),
    };
    /// RFC 6298 doubling with six repetitions: the end at 123 s, as the step cap makes the last
    /// wait 60 s.
    pub const RFC_6298: Self = Self {
        initial: Duration::from_millis(1000),
        retries: 6,
        step_cap: Duration::from_secs(60),
        total: None,
    };
    /// For tests in real time: SYNs at 0, 20, 60 and 140 ms, the end at 300 ms.
    pub const TEST: Self = Self {
        initial: Duration::from_millis(20),
        retries: 3,
        step_cap: Duration::from_secs(1),
        total: Some(Duration::from_millis(300)),
    };

    /// The wait after SYN number `sent` (1 for the first).
    pub fn step(&self, sent: u32) -> Duration {
        let doubled =
            self.initial.total_micros().saturating_mul(1 << sent.saturating_sub(1).min(32));
        Duration::from_micros(doubled).min(self.step_cap)
    }
}

/// What a RST in answer to a SYN does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnReset {
    /// The attempt fails at once.
    Fail,
    /// The SYN is repeated after this delay until the retries are spent; then the attempt fails
    /// as refused.
    Retry(Duration),
}

/// What an error that is not from the peer itself does to a connection attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnError {
    /// The attempt fails at once.
    Fail,
    /// It is remembered, and the attempt goes on.
    Remember,
}

/// How a connection attempt takes what it hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectPolicy {
    /// A RST from the peer.
    pub reset: OnReset,
    /// An ICMP error about the SYN.
    pub icmp: OnError,
    /// A neighbor that does not answer ARP or neighbor discovery.
    pub neighbor: OnError,
}

impl ConnectPolicy {
    /// Every error ends the attempt at once.
    pub const IMMEDIATE: Self =
        Self { reset: OnReset::Fail, icmp: OnError::Fail, neighbor: OnError::Fail };
    /// A RST makes the SYN be repeated every 500 ms; other errors are remembered.
    pub const PATIENT: Self = Self {
        reset: OnReset::Retry(Duration::from_millis(500)),
        icmp: OnError::Remember,
        neighbor: OnError::Remember,
    };
}

/// What a SYN gets when the accept queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FullBacklog {
    /// A RST.
    #[default]
    Reset,
    /// Silence.
    Drop,
}

/// When a FIN is acknowledged that comes without data, to a side that has nothing on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LoneFin {
    /// At once.
    #[default]
    AtOnce,
    /// With whatever goes the other way, or after 10 ms. Who closes in answer, as most do, saves a
    /// segment. Connections that acknowledge everything at once
    /// ([`Acknowledge::AtOnce`](crate::tcp::Acknowledge)) do so here too.
    Delayed,
}

/// What becomes of the solicited-node groups of own IPv6 addresses (RFC 4291, section 2.7.1).
/// Either way the host belongs to them, and answers queries about them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OwnGroups {
    /// An MLD report goes out when an address is added, so that switches which listen to MLD let
    /// neighbor solicitations through (RFC 3810, section 4).
    #[default]
    Reported,
    /// Nothing is said unasked, which keeps simulated networks silent until somebody talks.
    Unreported,
}

/// A route: packets to `destination` go to `gateway`, or to their own destination where there is
/// none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// The prefix.
    pub destination: IpCidr,
    /// The router, which must be on the link.
    pub gateway: Option<IpAddress>,
}

/// What a stack is told when it is made. Addresses and routes are given to the stack afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// The Ethernet address of the link.
    pub hardware_address: EthernetAddress,
    /// Everything random is derived from it. Must be unpredictable outside simulations.
    pub seed: u64,
    /// SYN schedule of connections that name none.
    pub syn: SynTiming,
    /// The most connections that a listener holds half open.
    pub half_open_limit: u16,
    /// The longest accept queue that a listener may ask for.
    pub backlog_limit: u16,
    /// What a full accept queue does.
    pub full_backlog: FullBacklog,
    /// How long a four-tuple rests after an active close (2 MSL).
    pub time_wait: Duration,
    /// The most four-tuples that rest; beyond it the oldest rests for less than the full time.
    pub time_wait_limit: usize,
    /// How many times a segment is retransmitted in vain before an established connection is
    /// given up.
    pub data_retries: u8,
    /// How long a closed connection may take to deliver what was sent.
    pub linger: Duration,
    /// Receive buffer of a connection, in bytes, where the caller names none.
    pub receive_buffer: usize,
    /// Transmit ring of a connection, in bytes, where the caller names none.
    pub transmit_buffer: usize,
    /// The most bytes that all sockets together hold beyond their rings.
    pub send_total: usize,
    /// Whether switches are told of the groups that own IPv6 addresses imply.
    pub own_groups: OwnGroups,
    /// When a FIN that comes alone is acknowledged.
    pub lone_fin: LoneFin,
}

impl Config {
    /// The defaults, with this Ethernet address and seed.
    pub const fn new(hardware_address: EthernetAddress, seed: u64) -> Self {
        Self {
            hardware_address,
            seed,
            syn: SynTiming::WINDOWS_10,
            half_open_limit: 1024,
            backlog_limit: 1024,
            full_backlog: FullBacklog::Reset,
            time_wait: Duration::from_secs(60),
            time_wait_limit: 65_536,
            data_retries: 5,
            linger: Duration::from_secs(10),
            receive_buffer: 65536,
            transmit_buffer: 65536,
            send_total: 1 << 30,
            own_groups: OwnGroups::Reported,
            lone_fin: LoneFin::AtOnce,
        }
    }
}
