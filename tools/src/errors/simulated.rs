//! The stage in virtual time: a host, a peer and a router on one switch.

use std::sync::Arc;

use tapsock_stack::ListenerId;
use tapsock_stack::config::{Config, OwnGroups};
use tapsock_stack::link::capture::SharedBuffer;
use tapsock_stack::port::{BindAddress, Family, Share, Transport};
use tapsock_stack::sim::{Answer, Conditions, Host, Router, World};
use tapsock_stack::tcp::Close;
use tapsock_stack::time::Duration;
use tapsock_stack::wire::{EthernetAddress, IpAddress, IpCidr};
use wsa::Process;
use wsa::config::{KERNEL_V4, KERNEL_V6, STACK_V4, STACK_V6};
use wsa::engine::stepped::{Simulated, as_thread};

use super::row::Ip;
use super::stage::{LISTENING_PORT, Party, ROUTED, ROUTED_SIMULATED, Stage};
use crate::output::Failure;

const PEER: EthernetAddress = EthernetAddress([0x02, 0, 0, 0, 0, 0x01]);
const ROUTER: EthernetAddress = EthernetAddress([0x02, 0, 0, 0, 0, 0xfe]);
const ROUTER_V4: &str = "10.77.0.254";
const ROUTER_V6: &str = "fd77::fe";
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
}

impl SimulatedStage {
    pub(super) fn new(config: Config, mtu: usize) -> Result<Self, Failure> {
        // No switch here listens, and frames are numbered from the first of a row's own.
        let config = Config { own_groups: OwnGroups::Unreported, ..config };
        let world = World::new(config.seed);
        let conditions = Conditions { mtu, ..Conditions::GOOD };
        let own = world.host(config, &[STACK_V4, STACK_V6], conditions);
        let recording = SharedBuffer::new();
        own.capture(recording.clone());

        let mut router =
            Router::new(ROUTER).with_address(address(ROUTER_V4)?).with_address(address(ROUTER_V6)?);
        for (party, ip, prefix) in ROUTED.into_iter().chain([ROUTED_SIMULATED]) {
            let destination: IpCidr = prefix.parse().map_err(|()| ours("a prefix"))?;
            router = router.with_answer(destination, answer(party, ip));
            let gateway = address(if ip == Ip::V4 { ROUTER_V4 } else { ROUTER_V6 })?;
            let route = tapsock_stack::config::Route { destination, gateway: Some(gateway) };
            own.with(|stack, _| stack.add_route(route)).map_err(|_| ours("a route"))?;
        }
        world.device(router);

        let peer = Config {
            seed: config.seed.wrapping_add(1),
            own_groups: OwnGroups::Unreported,
            ..Config::new(PEER, 0)
        };
        let peer = world.host(peer, &[KERNEL_V4, KERNEL_V6], conditions);
        let listen = |family| {
            peer.with(|stack, _| {
                let any = BindAddress::Any(family);
                let binding = stack.bind(Transport::Tcp, any, LISTENING_PORT, Share::Default);
                let binding = binding.map_err(|_| ours("a port"))?;
                stack.tcp_listen(binding, 16, 0).map_err(|_| ours("a listener"))
            })
        };
        let listeners = [listen(Family::V4)?, listen(Family::V6)?];
        Ok(Self { process: Simulated::process(own), recording, peer, listeners })
    }
}

fn address(text: &str) -> Result<IpAddress, Failure> {
    text.parse().map_err(|()| ours("an address"))
}

/// What fails only when this program is wrong.
fn ours(what: &str) -> Failure {
    Failure::Told(format!("the simulated network lacks {what}"))
}

fn answer(party: Party, ip: Ip) -> Answer {
    match (party, ip) {
        (Party::NoWayOn, Ip::V4) => Answer::Error { kind: 3, code: 0 },
        (Party::NoWayOn, Ip::V6) => Answer::Error { kind: 1, code: 0 },
        (Party::HostUnreachable, Ip::V4) => Answer::Error { kind: 3, code: 1 },
        (Party::HostUnreachable, Ip::V6) => Answer::Error { kind: 1, code: 3 },
        (Party::Prohibited, Ip::V4) => Answer::Error { kind: 3, code: 13 },
        (Party::Prohibited, Ip::V6) => Answer::Error { kind: 1, code: 1 },
        (Party::PortUnreachable, Ip::V4) => Answer::Error { kind: 3, code: 3 },
        (Party::PortUnreachable, Ip::V6) => Answer::Error { kind: 1, code: 4 },
        (
            Party::Listening | Party::Closed | Party::Blackhole | Party::Nobody | Party::Unrouted,
            _,
        ) => Answer::Silence,
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

    fn take_link_away(&self) -> Result<(), Failure> {
        self.process.engine().host().set_link_up(false);
        Ok(())
    }
}
