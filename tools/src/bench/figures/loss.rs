//! Goodput over a link that loses, in virtual time: what a stack does about a loss, without what a
//! machine does to a clock.
//!
//! Both ends are the same stack. The sender has always something to send, the receiver takes
//! everything at once.

use smoltcp::iface::{Config as StockConfig, Interface, SocketHandle, SocketSet};
use smoltcp::socket::tcp::{CongestionControl, Socket, SocketBuffer};
use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr, IpEndpoint};
use tapsock_stack::config::{Config, OwnGroups};
use tapsock_stack::port::{BindAddress, Share, Transport};
use tapsock_stack::storage::Growable;
use tapsock_stack::tcp::{Connect, Phase, Take};
use tapsock_stack::time::{Duration, Instant};
use tapsock_stack::{ListenerId, Progress, Stack, TcpId};

use super::super::relay::{Conditions, End, Relay};
use super::super::trouble::Trouble;
use super::{Bound, Comparison, Figure, Rounds, peer};

/// Bytes of each socket's buffers.
const BUFFER: usize = 64 * 1024;
const RATE: f64 = 200e6;
/// Bytes that wait for the rate, beyond which a frame is lost.
const QUEUE: usize = 256 * 1024;
/// Virtual time of a run, also of a quick one: what is lost from the handshake and the first window
/// takes seconds.
const LENGTH: Duration = Duration::from_secs(10);
const PORT: u16 = 9;
/// The least step, so that time moves whatever an end says.
const STEP: Duration = Duration::from_micros(1);

/// Per cents of loss and milliseconds of a round trip.
pub(super) fn grid() -> impl Iterator<Item = (f64, u64)> {
    [1, 20].into_iter().flat_map(|millis| [0.0, 0.1, 1.0, 3.0].map(|percent| (percent, millis)))
}

/// Those of a place in the grid.
pub(super) fn conditions(percent: f64, millis: u64) -> Conditions {
    let round_trip = Duration::from_millis(millis);
    Conditions { rate: RATE, round_trip, loss: percent / 100.0, queue: QUEUE }
}

/// The seed of a round.
pub(super) fn seed(round: usize) -> u64 {
    round as u64 + 1
}

pub(super) fn comparisons() -> Vec<Comparison> {
    let compare = |(percent, millis)| {
        let conditions = conditions(percent, millis);
        let what = format!(
            "goodput at {percent} % loss and {millis} ms, 64 KiB buffers, 200 Mbit/s, in virtual \
             time"
        );
        let demanded = percent == 1.0 && millis == 1;
        let name = match demanded {
            true => "goodput_loss_smoltcp".to_string(),
            false => format!("goodput_loss_{percent}_{millis}ms_smoltcp"),
        };
        let figure = Figure::new(name, what, "Mbit/s", peer::SMOLTCP_RENO);
        let figure = if demanded { figure.must(Bound::AtLeast(3.0)) } else { figure };
        let mut comparison = Comparison::new(
            vec![figure],
            move |_, _, round| run::<Ours>(conditions, round),
            move |_, _, round| run::<Stock>(conditions, round),
        );
        comparison.rounds = Rounds::Seeds;
        comparison
    };
    grid().map(compare).collect()
}

/// A stack at one end.
trait Party: Sized {
    fn new(host: u8, end: End, seed: u64) -> Result<Self, Trouble>;

    /// Begins to connect to the other host.
    fn connect(&mut self, now: Instant) -> Result<(), Trouble>;

    /// Begins to listen.
    fn listen(&mut self) -> Result<(), Trouble>;

    /// Does what is due, sends what there is room for, and gives how many bytes were received.
    fn turn(&mut self, now: Instant) -> Result<usize, Trouble>;

    /// When there is something to do.
    fn due(&mut self, now: Instant) -> Option<Instant>;
}

/// Megabits in a second of the receiver.
fn run<P: Party>(conditions: Conditions, round: usize) -> Result<Vec<f64>, Trouble> {
    let seed = seed(round);
    let [near, far] = Relay::ends(conditions, seed);
    let mut now = Instant::ZERO;
    let mut sender = P::new(1, near.clone(), seed)?;
    let mut receiver = P::new(2, far.clone(), seed)?;
    receiver.listen()?;
    sender.connect(now)?;
    let mut received = 0;
    while now < Instant::ZERO + LENGTH {
        sender.turn(now)?;
        received += receiver.turn(now)?;
        let due = [near.arrival(), far.arrival(), sender.due(now), receiver.due(now)];
        let due = due.into_iter().flatten().min();
        let Some(due) = due else { return Err(Trouble::new("a transfer came to a halt")) };
        now = due.max(now + STEP);
    }
    if received == 0 {
        return Err(Trouble::new("nothing was transferred"));
    }
    Ok(vec![received as f64 * 8e-6 / (LENGTH.total_micros() as f64 * 1e-6)])
}

const fn address(host: u8) -> IpAddress {
    IpAddress::v4(10, 0, 0, host)
}

/// Our stack.
struct Ours {
    stack: Stack<'static, End, Growable>,
    listener: Option<ListenerId>,
    connection: Option<TcpId>,
    room: Vec<u8>,
}

impl Party for Ours {
    fn new(host: u8, end: End, seed: u64) -> Result<Self, Trouble> {
        let hardware = EthernetAddress([2, 0, 0, 0, 0, host]);
        let mut config = Config::new(hardware, seed.wrapping_add(host.into()));
        config.own_groups = OwnGroups::Unreported;
        (config.receive_buffer, config.transmit_buffer) = (BUFFER, BUFFER);
        let mut stack = Stack::new(config, end, Growable::default(), Instant::ZERO);
        stack.add_address(IpCidr::new(address(host), 24)).map_err(Trouble::debug)?;
        Ok(Self { stack, listener: None, connection: None, room: vec![0xa5; BUFFER] })
    }

    fn connect(&mut self, now: Instant) -> Result<(), Trouble> {
        let (own, to) = (IpEndpoint::new(address(1), 40_000), IpEndpoint::new(address(2), PORT));
        let id = self.stack.tcp_connect(now, &Connect::new(own, to)).map_err(Trouble::debug)?;
        self.connection = Some(id);
        Ok(())
    }

    fn listen(&mut self) -> Result<(), Trouble> {
        let any = BindAddress::Address(address(2));
        let binding =
            self.stack.bind(Transport::Tcp, any, PORT, Share::Default).map_err(Trouble::debug)?;
        self.listener = Some(self.stack.tcp_listen(binding, 1, 0).map_err(Trouble::debug)?);
        Ok(())
    }

    fn turn(&mut self, now: Instant) -> Result<usize, Trouble> {
        let Self { stack, listener, connection, room } = self;
        while stack.poll(now) == Progress::More {}
        while stack.next_event().is_some() {}
        if let (None, Some(listener)) = (&connection, *listener) {
            *connection = stack.tcp_accept(listener, 0);
        }
        let Some(id) = *connection else { return Ok(0) };
        let status = stack.tcp(id).ok_or_else(|| Trouble::new("the connection is gone"))?;
        if let Some(cause) = status.cause {
            return Err(Trouble::from(cause));
        }
        if status.phase != Phase::Connected {
            return Ok(0);
        }
        if listener.is_none() {
            if let Some(piece) = room.get(..status.room).filter(|piece| !piece.is_empty()) {
                stack.tcp_send(now, id, piece, usize::MAX).map_err(Trouble::debug)?;
            }
            return Ok(0);
        }
        let mut received = 0;
        while let Ok(length @ 1..) = stack.tcp_recv(now, id, room, Take::Consume) {
            received += length;
        }
        Ok(received)
    }

    fn due(&mut self, _: Instant) -> Option<Instant> {
        self.stack.poll_at()
    }
}

/// smoltcp as its documentation has one use it.
struct Stock {
    end: End,
    interface: Interface,
    sockets: SocketSet<'static>,
    socket: SocketHandle,
    listens: bool,
    room: Vec<u8>,
}

impl Party for Stock {
    fn new(host: u8, mut end: End, seed: u64) -> Result<Self, Trouble> {
        let mut config = StockConfig::new(EthernetAddress([2, 0, 0, 0, 0, host]).into());
        config.random_seed = seed.wrapping_add(host.into());
        let mut interface = Interface::new(config, &mut end, Instant::ZERO);
        interface.update_ip_addrs(|addresses| {
            // smoltcp has room for two.
            let _ = addresses.push(IpCidr::new(address(host), 24));
        });
        let buffer = || SocketBuffer::new(vec![0; BUFFER]);
        let mut socket = Socket::new(buffer(), buffer());
        socket.set_congestion_control(CongestionControl::Reno);
        let mut sockets = SocketSet::new(Vec::new());
        let socket = sockets.add(socket);
        let room = vec![0xa5; BUFFER];
        Ok(Self { end, interface, sockets, socket, listens: false, room })
    }

    fn connect(&mut self, _: Instant) -> Result<(), Trouble> {
        let socket = self.sockets.get_mut::<Socket<'_>>(self.socket);
        let to = IpEndpoint::new(address(2), PORT);
        socket.connect(self.interface.context(), to, 40_000).map_err(Trouble::from)
    }

    fn listen(&mut self) -> Result<(), Trouble> {
        self.listens = true;
        self.sockets.get_mut::<Socket<'_>>(self.socket).listen(PORT).map_err(Trouble::from)
    }

    fn turn(&mut self, now: Instant) -> Result<usize, Trouble> {
        let Self { end, interface, sockets, socket, listens, room } = self;
        let mut received = 0;
        interface.poll(now, end, sockets);
        let socket = sockets.get_mut::<Socket<'_>>(*socket);
        if *listens {
            while socket.can_recv() {
                received += socket.recv_slice(room).map_err(Trouble::from)?;
            }
        } else if socket.can_send() {
            socket.send_slice(room).map_err(Trouble::from)?;
        } else if !socket.is_open() {
            return Err(Trouble::new("smoltcp gave the connection up"));
        }
        // What was just given to it goes out now, and a window that has opened is told.
        interface.poll(now, end, sockets);
        Ok(received)
    }

    fn due(&mut self, now: Instant) -> Option<Instant> {
        self.interface.poll_at(now, &self.sockets)
    }
}
