//! The network in virtual time: a host, a peer and a router on one switch.

use tapsock_stack::config::{Config, OwnGroups, Route};
use tapsock_stack::port::{BindAddress, Binding, Family, Share, Transport};
use tapsock_stack::sim::{Answer, Conditions, Host, Router, World};
use tapsock_stack::wire::{EthernetAddress, IpAddress, IpCidr};
use wsa::config::{KERNEL_V4, KERNEL_V6, STACK_V4, STACK_V6};

use super::{Ip, Party, ROUTED, ROUTED_SIMULATED};
use crate::output::Failure;

const PEER: EthernetAddress = EthernetAddress([0x02, 0, 0, 0, 0, 0x01]);
const ROUTER: EthernetAddress = EthernetAddress([0x02, 0, 0, 0, 0, 0xfe]);
const ROUTER_V4: &str = "10.77.0.254";
const ROUTER_V6: &str = "fd77::fe";

/// A network of its own for one scene.
#[derive(Debug)]
pub(crate) struct Network {
    /// The host whose process plays.
    pub(crate) own: Host,
    /// The peer on the link, which does nothing yet.
    pub(crate) peer: Host,
}

impl Network {
    /// A network in which nothing has happened.
    ///
    /// # Errors
    /// Only when this program is wrong.
    pub(crate) fn new(config: Config, mtu: usize) -> Result<Self, Failure> {
        // No switch here listens, and frames are numbered from the first of a scene's own.
        let config = Config { own_groups: OwnGroups::Unreported, ..config };
        let world = World::new(config.seed);
        let conditions = Conditions { mtu, ..Conditions::GOOD };
        let own = world.host(config, &[STACK_V4, STACK_V6], conditions);

        let mut router =
            Router::new(ROUTER).with_address(address(ROUTER_V4)?).with_address(address(ROUTER_V6)?);
        for (party, ip, prefix) in ROUTED.into_iter().chain([ROUTED_SIMULATED]) {
            let destination: IpCidr = prefix.parse().map_err(|()| ours("a prefix"))?;
            router = router.with_answer(destination, answer(party, ip));
            let gateway = address(if ip == Ip::V4 { ROUTER_V4 } else { ROUTER_V6 })?;
            let route = Route { destination, gateway: Some(gateway) };
            own.with(|stack, _| stack.add_route(route)).map_err(|_| ours("a route"))?;
        }
        world.device(router);

        let peer = Config {
            seed: config.seed.wrapping_add(1),
            own_groups: OwnGroups::Unreported,
            ..Config::new(PEER, 0)
        };
        let peer = world.host(peer, &[KERNEL_V4, KERNEL_V6], conditions);
        Ok(Self { own, peer })
    }
}

/// A port of a host, at any of its addresses of a family.
///
/// # Errors
/// When another has it already.
pub(crate) fn bind(
    host: &Host,
    transport: Transport,
    family: Family,
    port: u16,
) -> Result<Binding, Failure> {
    let any = BindAddress::Any(family);
    let bound = host.with(|stack, _| stack.bind(transport, any, port, Share::Default));
    bound.map_err(|_| ours("a port"))
}

fn address(text: &str) -> Result<IpAddress, Failure> {
    text.parse().map_err(|()| ours("an address"))
}

/// What fails only when this program is wrong.
pub(crate) fn ours(what: &str) -> Failure {
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
