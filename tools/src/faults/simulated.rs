//! Scenes in virtual time, and the peer as a host that is looked after every millisecond.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tapsock_stack::config::Config;
use tapsock_stack::fault::Engine;
use tapsock_stack::port::{Family, Transport};
use tapsock_stack::sim::{Host, Repeat, World};
use tapsock_stack::tcp::{Close, Connect, Phase, ReceiveError, SendError, Take};
use tapsock_stack::time::{Duration, Instant};
use tapsock_stack::wire::IpEndpoint;
use tapsock_stack::{ListenerId, TcpId, UdpId};
use wsa::Process;
use wsa::config::{KERNEL_V4, KERNEL_V6};
use wsa::engine::stepped::{Simulated, as_thread};

use super::peer::{Log, Plan, Service};
use super::program::Scene;
use crate::output::Failure;
use crate::stage::LISTENING_PORT;
use crate::stage::simulated::{Network, bind, ours};

/// The thread that acts while another is blocked.
const OTHER_THREAD: u64 = 2;
/// How often the peer's program looks after its connections.
const TURN: Duration = Duration::from_millis(1);
/// How often while it has none.
const LEISURE: Duration = Duration::from_millis(10);
/// What it takes or sends in one go.
const CHUNK: usize = 16 << 10;
/// What it queues on a connection at the most.
const QUEUE: usize = 64 << 10;
/// The local port of the connection that it makes.
const CLIENT_PORT: u16 = 50_000;
/// How long it knows that the process listens before it connects.
const MEANWHILE: Duration = Duration::from_millis(1);

/// A network of its own for one scene.
pub(super) struct SimulatedScene {
    process: Arc<Process<'static, Simulated>>,
    world: World,
    peer: Host,
    plan: Plan,
    log: Log,
    over: Arc<AtomicBool>,
}

impl SimulatedScene {
    /// A scene whose process's cable is broken as `engine` says.
    pub(super) fn new(
        config: Config,
        mtu: usize,
        engine: Engine<'static>,
        plan: Plan,
    ) -> Result<Self, Failure> {
        let Network { own, peer } = Network::new(config, mtu)?;
        own.with(|stack, _| stack.link_mut().set_faults(Some(engine)));
        let world = own.world().clone();
        let scene = Self {
            process: Simulated::process(own),
            world,
            peer,
            plan,
            log: Log::default(),
            over: Arc::default(),
        };
        if let Some(delay) = scene.plan.listens {
            scene.open(delay)?;
        }
        Ok(scene)
    }

    /// Lets the peer listen, for connections and for datagrams, after this much time.
    fn open(&self, delay: Duration) -> Result<(), Failure> {
        let streams = [
            bind(&self.peer, Transport::Tcp, Family::V4, LISTENING_PORT)?,
            bind(&self.peer, Transport::Tcp, Family::V6, LISTENING_PORT)?,
        ];
        let datagrams = [
            bind(&self.peer, Transport::Udp, Family::V4, LISTENING_PORT)?,
            bind(&self.peer, Transport::Udp, Family::V6, LISTENING_PORT)?,
        ];
        let mut program = self.program();
        let listen = move |world: &World| {
            let opened = program.host.with(|stack, _| {
                let mut listeners = Vec::new();
                for binding in streams {
                    listeners.push(stack.tcp_listen(binding, 16, 0).ok()?);
                }
                let mut sockets = Vec::new();
                for binding in datagrams {
                    sockets.push(stack.udp_open(binding, 1 << 20, 0).ok()?);
                }
                Some((listeners, sockets))
            });
            // A host with growable tables has room for four sockets.
            if let Some((listeners, sockets)) = opened {
                (program.listeners, program.sockets) = (listeners, sockets);
                program.start(world);
            }
        };
        if delay == Duration::ZERO {
            listen(&self.world);
        } else {
            self.world.after(delay, listen);
        }
        Ok(())
    }

    fn program(&self) -> PeerProgram {
        PeerProgram {
            host: self.peer.clone(),
            plan: self.plan.clone(),
            log: self.log.clone(),
            over: Arc::clone(&self.over),
            listeners: Vec::new(),
            sockets: Vec::new(),
            served: Vec::new(),
        }
    }

    /// What breaks the link.
    pub(super) fn with_engine<R>(
        &self,
        look: impl FnOnce(&mut Engine<'static>) -> R,
    ) -> Result<R, Failure> {
        let host = self.process.engine().host();
        host.with(|stack, _| stack.link_mut().faults().map(look)).ok_or_else(|| ours("an engine"))
    }
}

impl Drop for SimulatedScene {
    fn drop(&mut self) {
        // What waits for its time holds the world, which holds what waits.
        self.over.store(true, Ordering::Release);
        self.world.run_for(LEISURE);
    }
}

impl Scene for SimulatedScene {
    type Engine = Simulated;

    fn process(&self) -> &Arc<Process<'static, Simulated>> {
        &self.process
    }

    fn log(&self) -> &Log {
        &self.log
    }

    fn dial(&self) {
        let program = self.program();
        self.world.after(MEANWHILE, move |world| program.dial(world));
    }

    fn later(&self, delay: Duration, act: Box<dyn FnOnce() + Send>) {
        self.world.after(delay, |_| as_thread(OTHER_THREAD, act));
    }
}

/// The peer's program.
struct PeerProgram {
    host: Host,
    plan: Plan,
    log: Log,
    over: Arc<AtomicBool>,
    listeners: Vec<ListenerId>,
    sockets: Vec<UdpId>,
    served: Vec<Served>,
}

/// A connection of the peer's.
struct Served {
    id: TcpId,
    service: Service,
    opened: Instant,
    /// What came and was not sent back yet.
    waiting: Vec<u8>,
    /// How much of what is given was sent.
    given: usize,
    closing: bool,
}

impl Served {
    fn new(id: TcpId, service: Service, opened: Instant) -> Self {
        Self { id, service, opened, waiting: Vec::new(), given: 0, closing: false }
    }
}

type PeerStack<'s> = &'s mut tapsock_stack::Stack<
    'static,
    tapsock_stack::sim::Port,
    tapsock_stack::storage::Growable,
>;

impl PeerProgram {
    fn dial(mut self, world: &World) {
        let remote = IpEndpoint::from(self.plan.dials);
        let own = match remote.addr {
            tapsock_stack::wire::IpAddress::Ipv4(_) => KERNEL_V4.address(),
            tapsock_stack::wire::IpAddress::Ipv6(_) => KERNEL_V6.address(),
        };
        let request = Connect::new(IpEndpoint::new(own, CLIENT_PORT), remote);
        let now = world.now();
        let opened = self.host.with(|stack, now| stack.tcp_connect(now, &request));
        // The peer is on the same link: it has a way.
        let Ok(id) = opened else { return };
        let data = Service::Ask(Arc::clone(&self.plan.sends));
        self.served.push(Served::new(id, data, now));
        self.start(world);
    }

    /// Looks after the connections from now on.
    fn start(mut self, world: &World) {
        let mut last = world.now();
        world.every(world.now(), TURN, move |world| {
            if self.over.load(Ordering::Acquire) {
                return Repeat::Stop;
            }
            let now = world.now();
            if !self.served.is_empty() || now >= last + LEISURE {
                last = now;
                self.turn();
            }
            Repeat::Again
        });
    }

    fn turn(&mut self) {
        let Self { host, plan, log, listeners, sockets, served, .. } = self;
        host.with(|stack, now| {
            for listener in listeners.iter() {
                while let Some(id) = stack.tcp_accept(*listener, 0) {
                    served.push(Served::new(id, plan.service.clone(), now));
                }
            }
            served.retain_mut(|one| serve(stack, now, one, plan, log));
            let mut datagram = vec![0; 65536];
            for socket in sockets.iter() {
                while let Some(came) = stack.udp_recv(*socket, &mut datagram, Take::Consume) {
                    // What cannot be answered is not.
                    let _ = stack.udp_send(now, *socket, came.remote, &datagram[..came.copied]);
                }
            }
        });
    }
}

/// Does what is due on a connection. Says whether there is more to come.
fn serve(stack: PeerStack<'_>, now: Instant, one: &mut Served, plan: &Plan, log: &Log) -> bool {
    let Some(status) = stack.tcp(one.id) else { return false };
    if status.phase == Phase::Connecting {
        return true;
    }
    let failed = status.phase == Phase::Failed;
    if failed || plan.forgets.is_some_and(|time| now >= one.opened + time) {
        stack.tcp_close(now, one.id, Close::Silent);
        return false;
    }
    if now >= one.opened + plan.reads {
        receive(stack, now, one, log);
    }
    let out = match &one.service {
        Service::Give(data) | Service::Ask(data) => data.get(one.given..).unwrap_or_default(),
        Service::Echo | Service::Collect => &one.waiting[..],
    };
    if !out.is_empty() {
        match stack.tcp_send(now, one.id, &out[..out.len().min(CHUNK)], QUEUE) {
            Ok(sent) => match one.service {
                Service::Give(_) | Service::Ask(_) => one.given += sent,
                Service::Echo | Service::Collect => drop(one.waiting.drain(..sent)),
            },
            Err(SendError::WouldBlock) => {}
            Err(_) => {
                stack.tcp_close(now, one.id, Close::Silent);
                return false;
            }
        }
    }
    let ends = match &one.service {
        Service::Give(data) => one.given == data.len(),
        Service::Ask(data) => {
            if one.given == data.len() && !status.sent_fin {
                stack.tcp_shutdown(now, one.id);
            }
            one.closing
        }
        Service::Echo | Service::Collect => one.closing && one.waiting.is_empty(),
    };
    if ends {
        stack.tcp_close(now, one.id, Close::Deliver);
    }
    !ends
}

fn receive(stack: PeerStack<'_>, now: Instant, one: &mut Served, log: &Log) {
    let mut buffer = [0; CHUNK];
    while one.waiting.len() < QUEUE && !one.closing {
        match stack.tcp_recv(now, one.id, &mut buffer, Take::Consume) {
            Ok(0) => one.closing = true,
            Ok(length) => match one.service {
                Service::Echo => one.waiting.extend_from_slice(&buffer[..length]),
                Service::Collect | Service::Ask(_) => log.keep(&buffer[..length]),
                Service::Give(_) => {}
            },
            Err(ReceiveError::WouldBlock) => return,
            Err(ReceiveError::NotConnected | ReceiveError::Failed(_)) => return,
        }
    }
}
