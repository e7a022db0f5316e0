//! The cost of a packet does not depend on the number of sockets, and storms of them pass.

use std::ops::Sub;

use tapsock_stack::config::{Config, FullBacklog};
use tapsock_stack::event::{CauseKind, Happened};
use tapsock_stack::port::{BindAddress, Family, Share, Transport};
use tapsock_stack::sim::{Conditions, Host, Pair};
use tapsock_stack::stack::TURN;
use tapsock_stack::tcp::{Close, Connect, Phase, Take};
use tapsock_stack::time::Duration;
use tapsock_stack::wire::IpEndpoint;
use tapsock_stack::{ListenerId, TcpId};

/// Local ports, from 1024 on, of one address to one destination.
const PORTS: usize = 64_000;

/// A host is polled so many times in a step of its world.
const ROUNDS: usize = 16;

/// Two hosts and the connections between them.
struct Many {
    pair: Pair,
    listeners: Vec<ListenerId>,
    clients: Vec<TcpId>,
    servers: Vec<TcpId>,
}

/// What a host has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Work {
    frames: u64,
    sockets: u64,
}

impl Sub for Work {
    type Output = Self;
    fn sub(self, before: Self) -> Self {
        Self { frames: self.frames - before.frames, sockets: self.sockets - before.sockets }
    }
}

impl Many {
    /// Hosts with room for `count` connections, of which there is none yet.
    fn new(count: usize, adjust: impl Fn(&mut Config)) -> Self {
        // Whatever is sent at once has room on the cables.
        let conditions = Conditions { capacity: 1 << 20, ..Conditions::GOOD };
        let pair = Pair::configured(1, conditions, |config| {
            config.backlog_limit = u16::MAX;
            config.half_open_limit = u16::MAX;
            adjust(config);
        });
        pair.server.set_conditions(conditions);
        let listeners = (0..count.div_ceil(PORTS)).map(|number| listen(&pair.server, number));
        Self { listeners: listeners.collect(), pair, clients: Vec::new(), servers: Vec::new() }
    }

    /// The same with all of them, by as many handshakes.
    fn established(count: usize) -> Self {
        let mut many = Self::new(count, |_| {});
        while many.clients.len() < count {
            many.begin(500.min(count - many.clients.len()));
            many.pair.world.run_for(Duration::from_millis(20));
            many.accept();
        }
        assert_eq!(many.servers.len(), count);
        assert!(many.clients.iter().all(|&client| many.phase(client) == Phase::Connected));
        many
    }

    /// Begins `count` attempts.
    fn begin(&mut self, count: usize) {
        for number in self.clients.len()..self.clients.len() + count {
            let local = IpEndpoint::new(Pair::addresses(1)[0], 1024 + (number % PORTS) as u16);
            let remote = IpEndpoint::new(Pair::addresses(2)[0], 80 + (number / PORTS) as u16);
            let connect = Connect::new(local, remote);
            let id = self.pair.client.with(|stack, now| stack.tcp_connect(now, &connect));
            self.clients.push(id.unwrap());
        }
    }

    /// Takes whatever waits to be accepted, and every event.
    fn accept(&mut self) {
        for &listener in &self.listeners {
            self.pair.server.with(|stack, _| {
                self.servers.extend(std::iter::from_fn(|| stack.tcp_accept(listener, 0)));
            });
        }
        self.events();
    }

    /// Takes every event; those of the client, joined.
    fn events(&self) -> Happened {
        let take = |host: &Host| {
            host.with(|stack, _| {
                let events = std::iter::from_fn(|| stack.next_event());
                events.fold(Happened::default(), |all, event| all | event.what)
            })
        };
        take(&self.pair.server);
        take(&self.pair.client)
    }

    fn phase(&self, client: TcpId) -> Phase {
        self.pair.client.with(|stack, _| stack.tcp(client)).unwrap().phase
    }

    fn work(&self) -> [Work; 2] {
        [&self.pair.client, &self.pair.server].map(|host| {
            host.with(|stack, _| {
                let counters = stack.counters();
                Work { frames: counters.frames_in, sockets: counters.sockets_touched }
            })
        })
    }

    /// Lets time pass, and looks after each step that no turn has done more than it may.
    #[track_caller]
    fn run_bounded(&mut self, time: Duration) {
        let end = self.pair.world.now() + time;
        let mut before = self.work();
        // However it ends: what is left of the time passes below.
        let _ = self.pair.world.run_while(|world| {
            let after = self.work();
            for (after, before) in after.into_iter().zip(before) {
                let Work { frames, sockets } = after - before;
                assert!(frames <= (ROUNDS * TURN) as u64, "{frames} frames in a step");
                // For each frame, each deadline and each of what they left to be done.
                assert!(sockets <= (8 * ROUNDS * TURN) as u64, "{sockets} sockets in a step");
            }
            before = after;
            world.now() < end
        });
        self.pair.world.run_until(end);
    }

    /// What a hundred bytes cost that go there and back one by one, on the connection in the middle.
    fn exchange(&self) -> [Work; 2] {
        let middle = self.clients.len() / 2;
        let client = (&self.pair.client, self.clients[middle]);
        let server = (&self.pair.server, self.server_of(middle));
        let before = self.work();
        for _ in 0..100 {
            for ((from, sender), (to, receiver)) in [(client, server), (server, client)] {
                from.with(|stack, now| stack.tcp_send(now, sender, b"x", 2048)).unwrap();
                self.pair.world.run_for(Duration::from_millis(20));
                let mut byte = [0];
                let taken =
                    to.with(|stack, now| stack.tcp_recv(now, receiver, &mut byte, Take::Consume));
                assert_eq!(taken, Ok(1));
            }
        }
        let [client, server] = self.work();
        [client - before[0], server - before[1]]
    }

    /// The other end of a connection.
    fn server_of(&self, number: usize) -> TcpId {
        let local = self.pair.client.with(|stack, _| stack.tcp(self.clients[number])).unwrap();
        let is_end = |&&server: &&TcpId| {
            let end = self.pair.server.with(|stack, _| stack.tcp(server)).unwrap();
            (end.remote, end.local) == (local.local, local.remote)
        };
        *self.servers.iter().find(is_end).unwrap()
    }

    fn sockets(&self) -> [usize; 2] {
        [&self.pair.client, &self.pair.server].map(|host| host.with(|stack, _| stack.sockets()))
    }
}

fn listen(host: &Host, number: usize) -> ListenerId {
    host.with(|stack, _| {
        let any = BindAddress::Any(Family::V4);
        let port = 80 + number as u16;
        let binding = stack.bind(Transport::Tcp, any, port, Share::Default).unwrap();
        stack.tcp_listen(binding, usize::MAX, 0).unwrap()
    })
}

#[test]
fn a_hundred_thousand_connections_cost_no_packet_anything_and_close_at_once() {
    let few = Many::established(10).exchange();
    assert!(few.iter().all(|work| work.frames <= 400 && work.sockets < 2000), "{few:?}");
    let mut many = Many::established(100_000);
    assert_eq!(many.exchange(), few);

    // Idle connections have no deadline: nothing is done for them while time passes.
    many.pair.world.run_for(Duration::from_secs(5));
    let before = many.work();
    many.pair.world.run_for(Duration::from_secs(3600));
    assert_eq!(many.work(), before);

    // Both sides close all of them, one side first.
    for &client in &many.clients {
        many.pair.client.with(|stack, now| stack.tcp_close(now, client, Close::Deliver));
    }
    many.run_bounded(Duration::from_millis(500));
    for &server in &many.servers {
        let end = many.pair.server.with(|stack, _| stack.tcp(server)).unwrap();
        assert!(end.peer_closed && end.cause.is_none(), "{end:?}");
        many.pair.server.with(|stack, now| stack.tcp_close(now, server, Close::Deliver));
    }
    many.run_bounded(Duration::from_secs(2));
    many.events();
    assert_eq!(many.sockets(), [0, many.listeners.len()]);
    assert_eq!(
        [&many.pair.client, &many.pair.server]
            .map(|host| { host.with(|stack, _| stack.delivering()) }),
        [0, 0]
    );
    // And all of it again where it was.
    let again = Many { clients: Vec::new(), servers: Vec::new(), ..many };
    again.pair.world.run_for(Duration::from_secs(61));
    let mut again = again;
    again.begin(1000);
    again.pair.world.run_for(Duration::from_millis(50));
    again.accept();
    assert_eq!(again.servers.len(), 1000);
}

#[test]
fn twenty_thousand_handshakes_at_once_are_all_completed() {
    let mut many = Many::new(20_000, |_| {});
    many.begin(20_000);
    many.run_bounded(Duration::from_millis(100));
    many.accept();
    assert_eq!(many.servers.len(), 20_000);
    assert!(many.clients.iter().all(|&client| many.phase(client) == Phase::Connected));
    // No SYN was needed twice.
    let frames = many.work()[1].frames;
    assert!(frames <= 40_010, "{frames}");
}

/// The outcome of 20,000 attempts at once, of which a listener holds so many half open and so many
/// to be accepted, when nobody accepts before the end.
fn storm(half_open: u16, backlog: u16, full: FullBacklog) -> (Many, usize) {
    let mut many = Many::new(20_000, |config| {
        (config.half_open_limit, config.backlog_limit) = (half_open, backlog);
        config.full_backlog = full;
    });
    many.begin(20_000);
    many.run_bounded(Duration::from_secs(30));
    assert!(many.events().contains(Happened::FAILED));
    many.accept();
    let connected =
        many.clients.iter().filter(|&&client| many.phase(client) == Phase::Connected).count();
    (many, connected)
}

#[test]
fn of_a_storm_of_handshakes_what_a_listener_has_no_room_for_is_told_or_ends_in_time() {
    for (full, kind) in
        [(FullBacklog::Reset, CauseKind::Refused), (FullBacklog::Drop, CauseKind::TimedOut)]
    {
        let (many, connected) = storm(100, 300, full);
        assert_eq!((connected, many.servers.len()), (300, 300));
        let kinds: Vec<_> = many
            .clients
            .iter()
            .filter_map(|&client| many.pair.client.with(|stack, _| stack.tcp(client))?.cause)
            .map(|cause| cause.kind)
            .collect();
        assert_eq!(kinds.len(), 19_700);
        assert!(kinds.iter().all(|&found| found == kind), "{full:?}");
        let counters = many.pair.server.with(|stack, _| stack.counters().clone());
        assert!(counters.half_open_full >= 19_900, "{counters:?}");
        assert!(counters.backlog_full > 0);
        assert_eq!(counters.arrived(), counters.accounted());
        // Those that were accepted, and the listener: nothing is left of the others.
        assert_eq!(many.sockets()[1], 301);
    }
}
