//! Two hosts, quickly made.

use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr};

use super::cable::Conditions;
use super::host::Host;
use super::world::World;
use crate::config::{Config, OwnGroups};

/// Two hosts on one switch, with an IPv4 and an IPv6 address each.
#[derive(Debug, Clone)]
pub struct Pair {
    /// The network.
    pub world: World,
    /// 10.0.0.1/24 and fd00::1/64, Ethernet address 02:00:00:00:00:01.
    pub client: Host,
    /// 10.0.0.2/24 and fd00::2/64, Ethernet address 02:00:00:00:00:02.
    pub server: Host,
}

impl Pair {
    /// Two hosts on [good](Conditions::GOOD) cables.
    pub fn new(seed: u64) -> Self {
        Self::over(seed, Conditions::GOOD)
    }

    /// Two hosts of which the client's cable has these conditions and the server's is good, so
    /// that a frame meets the conditions once on its way.
    pub fn over(seed: u64, client: Conditions) -> Self {
        Self::configured(seed, client, |_| {})
    }

    /// As [`Pair::over`], with `adjust` applied to the configuration of both.
    pub fn configured(seed: u64, client: Conditions, adjust: impl Fn(&mut Config)) -> Self {
        let world = World::new(seed);
        let host = |number: u8, cable| {
            let mut config = Config::new(Self::hardware(number), seed.wrapping_add(number.into()));
            // There is no switch here that listens, and tests want silence until they speak.
            config.own_groups = OwnGroups::Unreported;
            adjust(&mut config);
            let [v4, v6] = Self::addresses(number);
            world.host(config, &[IpCidr::new(v4, 24), IpCidr::new(v6, 64)], cable)
        };
        let (client, server) = (host(1, client), host(2, Conditions::GOOD));
        Self { world, client, server }
    }

    /// The IPv4 and IPv6 address of host `number`, 1 for the client and 2 for the server.
    pub const fn addresses(number: u8) -> [IpAddress; 2] {
        [IpAddress::v4(10, 0, 0, number), IpAddress::v6(0xfd00, 0, 0, 0, 0, 0, 0, number as u16)]
    }

    /// The Ethernet address of host `number`.
    pub const fn hardware(number: u8) -> EthernetAddress {
        EthernetAddress([2, 0, 0, 0, 0, number])
    }
}
