//! TCP over smoltcp: connections, listeners and four-tuples at rest.
//!
//! A connection owns one smoltcp socket in a set of its own ([`Cell`]). What smoltcp lacks stands
//! around it: the handshake's timer, the segment stage, the backlog of a listener, TIME-WAIT as a
//! small record, and a cause for every failure.

pub(crate) mod handshake;
pub(crate) mod info;
pub(crate) mod keep_alive;
pub(crate) mod moment;
pub(crate) mod recovery;
pub(crate) mod segment;
pub(crate) mod stage;

use smoltcp::socket::tcp::State;
pub use smoltcp::socket::tcp::State as TcpState;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{IpEndpoint, TcpSeqNumber};

use crate::config::{ConnectPolicy, SynTiming};
use crate::demux::Flow;
use crate::event::{Cause, Happened, PacketEvidence, Silence};
use crate::net::mark;
use crate::port::{BindAddress, BindError, Binding};
use crate::storage::{Cell, Chain, Rare, Storage};
use crate::waiting::WaitingId;
use crate::{ListenerId, TcpId};
use handshake::Handshake;
pub use info::TcpInfo;
pub use keep_alive::KeepAlive;
use keep_alive::Prober;
use moment::Moment;
use stage::Stage;

/// A connection attempt.
#[derive(Debug, Clone, Copy)]
pub struct Connect {
    /// This side. The address is one of the stack's own; the port is not checked against
    /// bindings.
    pub local: IpEndpoint,
    /// The other side.
    pub remote: IpEndpoint,
    /// SYN schedule; the stack's own where absent.
    pub syn: Option<SynTiming>,
    /// What the attempt does with errors.
    pub policy: ConnectPolicy,
    /// How long the attempt, and later any one segment, may go unanswered. Replaces the counts
    /// and the total of the schedule. The longest duration means for ever.
    pub max_rt: Option<Duration>,
    /// IPv6 flow label of every packet, 20 bits.
    pub flow_label: u32,
    /// Time to live or hop limit of all segments; see [`TcpOptions::hop_limit`].
    pub hop_limit: Option<u8>,
    /// Type of service or traffic class of all segments.
    pub traffic_class: u8,
    /// Receive buffer in bytes; the stack's own size where absent.
    pub receive_buffer: Option<usize>,
    /// Transmit ring in bytes; the stack's own size where absent.
    pub transmit_buffer: Option<usize>,
    /// Comes back in events.
    pub owner: u32,
}

impl Connect {
    /// An attempt with the stack's own schedule and buffers, in which every error counts at once.
    pub const fn new(local: IpEndpoint, remote: IpEndpoint) -> Self {
        Self {
            local,
            remote,
            syn: None,
            policy: ConnectPolicy::IMMEDIATE,
            max_rt: None,
            flow_label: 0,
            hop_limit: None,
            traffic_class: 0,
            receive_buffer: None,
            transmit_buffer: None,
            owner: 0,
        }
    }
}

/// Why a destination cannot be reached from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouteError {
    /// No route matches.
    NoRoute,
    /// A route matches, but the link is down.
    LinkDown,
}

/// Why a socket could not be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenError {
    /// The four-tuple belongs to another connection, or rests in TIME-WAIT.
    InUse,
    /// No socket, or no memory, is left.
    Exhausted,
    /// The destination cannot be reached.
    Route(RouteError),
    /// The handle is stale.
    Stale,
}

impl From<BindError> for OpenError {
    fn from(error: BindError) -> Self {
        match error {
            BindError::Exhausted => Self::Exhausted,
            BindError::InUse | BindError::Denied | BindError::NotOwn => Self::InUse,
        }
    }
}

/// Why nothing was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendError {
    /// As many bytes as allowed are queued. Call again after a WRITABLE event.
    WouldBlock,
    /// There is no connection (yet), or no peer.
    NotConnected,
    /// This direction was closed.
    Shutdown,
    /// The connection failed.
    Failed(Cause),
    /// The bytes that all sockets may queue together are spent.
    NoBuffers,
    /// The datagram does not fit.
    TooLong,
    /// No route matches.
    NoRoute,
    /// The link is down.
    LinkDown,
    /// Some of the bytes cannot be read.
    Unreadable,
}

/// Why nothing was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceiveError {
    /// Nothing is there yet. Call again after a READABLE or PEER_CLOSED event.
    WouldBlock,
    /// There is no connection (yet).
    NotConnected,
    /// The connection failed.
    Failed(Cause),
}

/// Whether received bytes stay where they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Take {
    /// They are taken out.
    Consume,
    /// They stay.
    Peek,
}

/// How a connection is let go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Close {
    /// What was sent is delivered in the background, then the connection ends in order. Where data
    /// is unread, or comes afterwards, it ends with a RST behind what was sent, so that the peer
    /// knows that its data was lost (RFC 1122, section 4.2.2.13).
    Deliver,
    /// The peer gets a RST, and what was not delivered is lost.
    Reset,
    /// Nothing is sent.
    Silent,
}

/// Where a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The handshake is under way.
    Connecting,
    /// It was completed; one or both directions may be closed since.
    Connected,
    /// It failed, and there is a cause.
    Failed,
}

/// What there is to know about a connection.
#[derive(Debug, Clone, Copy)]
pub struct TcpStatus {
    /// Where it stands.
    pub phase: Phase,
    /// This side.
    pub local: IpEndpoint,
    /// The other side.
    pub remote: IpEndpoint,
    /// Bytes that a receive would give now.
    pub receivable: usize,
    /// The peer closed its direction.
    pub fin_received: bool,
    /// The peer closed its direction and everything before was received.
    pub peer_closed: bool,
    /// This side's direction was closed.
    pub sent_fin: bool,
    /// Bytes accepted from sends and not acknowledged yet.
    pub queued: usize,
    /// Free bytes in the transmit ring.
    pub room: usize,
    /// Why it failed.
    pub cause: Option<Cause>,
    /// The last ICMP error that did not end it.
    pub soft_error: Option<PacketEvidence>,
    /// When the handshake completed.
    pub connected_at: Option<Instant>,
    /// SYNs, or SYN|ACKs, that were sent.
    pub handshake_segments: u32,
    /// smoltcp's state, for reports.
    pub state: Option<State>,
}

/// Options of a connection that can change at any time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TcpOptions {
    /// Small segments are sent although others are unacknowledged (no Nagle algorithm).
    pub nodelay: bool,
    /// An idle connection is probed, and given up when nobody answers.
    pub keep_alive: Option<KeepAlive>,
    /// When received data is acknowledged.
    pub acknowledge: Acknowledge,
    /// How long any one segment may go unanswered; see [`Connect::max_rt`].
    pub max_rt: Option<Duration>,
    /// Time to live or hop limit, 1 to 255; 64 where absent. 0 counts as absent.
    pub hop_limit: Option<u8>,
    /// Type of service or traffic class of every segment from now on (RFC 2474).
    pub traffic_class: u8,
}

/// When received data is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Acknowledge {
    /// With data that goes the other way, every second full segment, or after 10 ms.
    #[default]
    Delayed,
    /// Every segment at once.
    AtOnce,
}

/// What connections get that a listener accepts. It holds for the handshake already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ListenerOptions {
    /// Receive buffer in bytes; the stack's own size where absent, and where buffers are fixed.
    pub receive_buffer: Option<usize>,
    /// Transmit ring in bytes; likewise.
    pub transmit_buffer: Option<usize>,
    /// Everything else.
    pub options: TcpOptions,
}

/// Whose side of the handshake a connection is on, and who has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// It was opened, or accepted, by an owner who holds its handle.
    Owned,
    /// A listener holds it, half open or waiting to be accepted.
    Waiting(ListenerId),
    /// Its owner let it go; it still delivers.
    Released,
}

pub(crate) struct Connection<'a, S: Storage<'a>> {
    /// Absent once the connection failed.
    pub(crate) cell: Option<Cell<'a>>,
    pub(crate) local: IpEndpoint,
    pub(crate) remote: IpEndpoint,
    pub(crate) role: Role,
    /// The peer began.
    pub(crate) passive: bool,
    /// Absent where they are the default ones.
    pub(crate) options: S::Rare<TcpOptions>,
    /// Present until the handshake has ended.
    pub(crate) handshake: S::Rare<Handshake>,
    pub(crate) handshake_segments: u32,
    pub(crate) stage: Stage,
    pub(crate) prober: Prober,
    pub(crate) chain: S::Chain,
    /// The owner closed this direction; the FIN follows what is queued.
    pub(crate) shutdown: bool,
    /// The owner will read nothing any more.
    pub(crate) receive_shutdown: bool,
    /// Data came that nobody read or will read.
    pub(crate) unread: bool,
    /// Both ends are in this stack.
    pub(crate) on_loopback: bool,
    /// The demultiplexer knows it.
    pub(crate) attached: bool,
    pub(crate) connected_at: Moment,
    /// Absent until something goes wrong.
    pub(crate) trouble: S::Rare<Trouble>,
    /// When a released connection is given up.
    pub(crate) release_ends: Moment,
    pub(crate) waiting: Option<WaitingId>,
    /// The exclusive binding under which it was accepted.
    pub(crate) holds: Option<Binding>,
    pub(crate) owner: u32,
    pub(crate) happened: Happened,
    pub(crate) dirty: bool,
    /// Its rings have memory that is to be asked for when they rest.
    pub(crate) lent: bool,
    /// What had passed when they last gave it back.
    pub(crate) returned: u32,
}

/// What went wrong with a connection.
#[derive(Debug, Default)]
pub(crate) struct Trouble {
    /// What it failed with.
    cause: Option<Cause>,
    /// The last ICMP error that did not end it.
    pub(crate) soft_error: Option<PacketEvidence>,
    /// What a neighbor did not answer.
    pub(crate) neighbor_silence: Option<Silence>,
}

impl<'a, S: Storage<'a>> Connection<'a, S> {
    pub(crate) fn flow(&self) -> Flow {
        Flow { local: self.local, remote: self.remote }
    }

    pub(crate) fn cause(&self) -> Option<Cause> {
        self.trouble.get()?.cause
    }

    pub(crate) fn trouble(&self) -> Option<&Trouble> {
        self.trouble.get()
    }

    pub(crate) fn trouble_mut(&mut self) -> &mut Trouble {
        self.trouble.get_or_default()
    }

    pub(crate) fn fail(&mut self, cause: Cause) {
        self.trouble_mut().cause = Some(cause);
    }

    pub(crate) fn options(&self) -> TcpOptions {
        self.options.get().copied().unwrap_or_default()
    }

    pub(crate) fn set_options(&mut self, options: &TcpOptions) {
        self.options.take();
        if *options != TcpOptions::default() {
            self.options.put(*options);
        }
    }

    pub(crate) fn state(&self) -> State {
        self.cell.as_ref().map_or(State::Closed, |cell| cell.socket().state())
    }

    /// Whether smoltcp must not be asked for egress: its SYN or SYN|ACK is out and repeated by the
    /// handshake's own timer. It ends with the state, not with the handshake: in a simultaneous
    /// open the SYN|ACK is smoltcp's to send.
    pub(crate) fn withheld(&self) -> bool {
        self.handshake.get().is_some_and(Handshake::started)
            && match self.state() {
                State::SynSent | State::Listen => true,
                State::SynReceived => self.passive,
                _ => false,
            }
    }

    /// Moves bytes from the chain into the ring, and closes this direction behind the last.
    pub(crate) fn feed(&mut self) {
        let Some(cell) = &mut self.cell else { return };
        let socket = cell.socket_mut();
        self.chain.drain(|part| socket.send_slice(part).unwrap_or(0));
        // An end in order would say that everything was read.
        let resets = self.unread && self.role == Role::Released;
        if self.shutdown
            && !resets
            && self.chain.is_empty()
            && matches!(socket.state(), State::Established | State::CloseWait)
        {
            socket.close();
        }
    }

    pub(crate) fn queued(&self) -> usize {
        self.chain.len() + self.cell.as_ref().map_or(0, |cell| cell.socket().send_queue())
    }

    pub(crate) fn phase(&self) -> Phase {
        match (self.cause(), self.connected_at.get()) {
            (Some(_), _) => Phase::Failed,
            (None, Some(_)) => Phase::Connected,
            (None, None) => Phase::Connecting,
        }
    }

    pub(crate) fn status(&self) -> TcpStatus {
        let socket = self.cell.as_ref().map(Cell::socket);
        let fin_received = matches!(
            self.state(),
            State::CloseWait | State::Closing | State::LastAck | State::TimeWait
        ) || (self.cell.is_some()
            && self.connected_at.is_some()
            && self.state() == State::Closed);
        let receivable = socket.map_or(0, smoltcp::socket::tcp::Socket::recv_queue);
        TcpStatus {
            phase: self.phase(),
            local: self.local,
            remote: self.remote,
            receivable,
            fin_received,
            peer_closed: fin_received && receivable == 0,
            sent_fin: self.shutdown,
            queued: self.queued(),
            room: socket.map_or(0, |socket| socket.send_capacity() - socket.send_queue()),
            cause: self.cause(),
            soft_error: self.trouble().and_then(|trouble| trouble.soft_error),
            connected_at: self.connected_at.get(),
            handshake_segments: self
                .handshake
                .get()
                .map_or(self.handshake_segments, Handshake::sent),
            state: socket.map(smoltcp::socket::tcp::Socket::state),
        }
    }

    /// Gives a packet what all packets of the connection have, whoever wrote it.
    pub(crate) fn mark(&self, packet: &mut [u8]) {
        let options = self.options();
        mark::set_traffic_class(packet, options.traffic_class);
        if let Some(limit) = options.hop_limit.filter(|&limit| limit != 0) {
            segment::set_hop_limit(packet, limit);
        }
        if self.stage.flow_label() != 0 {
            segment::set_flow_label(packet, self.stage.flow_label());
        }
    }

    /// The numbers of the connection.
    pub(crate) fn info(&self) -> TcpInfo {
        let status = self.status();
        TcpInfo {
            state: self.state(),
            connected_at: self.connected_at.get(),
            receive_buffer: self.cell.as_ref().map_or(0, |cell| cell.socket().recv_capacity()),
            syn_retransmits: status.handshake_segments.saturating_sub(1),
            ..self.stage.info()
        }
    }

    /// A number that changes with every byte that passes the rings.
    pub(crate) fn passed(&self) -> u32 {
        let measure = &self.stage.measure;
        (measure.bytes_in + measure.bytes_reordered + measure.bytes_out) as u32
    }

    /// Whether nothing is in the rings: nothing unread, nothing unacknowledged, and nothing that
    /// waits for what is missing before it.
    pub(crate) fn is_empty(&self) -> bool {
        let empty =
            |cell: &Cell<'_>| cell.socket().recv_queue() == 0 && cell.socket().send_queue() == 0;
        self.stage.is_whole() && self.cell.as_ref().is_some_and(empty)
    }

    /// When an idle connection is probed, or given up because nobody answers.
    pub(crate) fn probe_at(&self) -> Option<Instant> {
        let keep = self.options.get()?.keep_alive.as_ref()?;
        // What waits to be sent or to be acknowledged has timers of its own.
        let idle = matches!(self.state(), State::Established | State::CloseWait | State::FinWait2)
            && self.queued() == 0
            && self.stage.is_idle();
        (idle && self.role != Role::Released).then(|| self.prober.due(keep))
    }

    /// Applies the options to the socket.
    pub(crate) fn apply(&mut self) {
        let (options, on_loopback) = (self.options(), self.on_loopback);
        let Some(cell) = &mut self.cell else { return };
        let socket = cell.socket_mut();
        // smoltcp's own time-out closes idle connections; ours counts what is unanswered.
        socket.set_timeout(None);
        socket.set_nagle_enabled(!options.nodelay);
        socket.set_hop_limit(options.hop_limit.filter(|&limit| limit != 0));
        if on_loopback || options.acknowledge == Acknowledge::AtOnce {
            // Nothing is lost and nothing is far on the loopback; waiting only costs time.
            socket.set_ack_delay(None);
        } else {
            socket.set_ack_delay(Some(ACK_DELAY));
        }
    }
}

/// How long an acknowledgment waits for data to travel with.
pub(crate) const ACK_DELAY: Duration = Duration::from_millis(10);

/// The congestion controller: CUBIC needs floating-point functions that only std has.
pub(crate) fn congestion_control(on_loopback: bool) -> smoltcp::socket::tcp::CongestionControl {
    use smoltcp::socket::tcp::CongestionControl;
    if on_loopback {
        return CongestionControl::None;
    }
    #[cfg(feature = "std")]
    return CongestionControl::Cubic;
    #[cfg(not(feature = "std"))]
    return CongestionControl::Reno;
}

/// A listener: a record, no socket.
pub(crate) struct Listener<'a, S: Storage<'a>> {
    pub(crate) binding: Binding,
    pub(crate) options: ListenerOptions,
    /// The listener that began before this one at the same place, and the next one after it: only
    /// the last gets connections.
    pub(crate) under: Option<ListenerId>,
    pub(crate) over: Option<ListenerId>,
    pub(crate) address: BindAddress,
    pub(crate) port: u16,
    pub(crate) backlog: usize,
    pub(crate) half_open: usize,
    pub(crate) queue: S::Queue<TcpId>,
    pub(crate) owner: u32,
    pub(crate) happened: Happened,
}

/// A four-tuple in TIME-WAIT (RFC 9293, section 3.3.2): what is needed to answer for it.
#[derive(Debug)]
pub(crate) struct Rest {
    pub(crate) local: IpEndpoint,
    pub(crate) remote: IpEndpoint,
    pub(crate) next: TcpSeqNumber,
    pub(crate) expected: TcpSeqNumber,
    pub(crate) window: u16,
    pub(crate) ends: Instant,
}

impl Rest {
    pub(crate) fn flow(&self) -> Flow {
        Flow { local: self.local, remote: self.remote }
    }
}
