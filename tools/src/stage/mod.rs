//! Where scenes are played: the hosts, the router and the silence around one stack.
//!
//! There are two stages: `simulated` in virtual time, and `tap` with the Linux kernel as the peer
//! and as the router. Both have the same addresses, so that what is played is one piece of
//! code for both. What the peer does is up to whoever uses the stage.

pub(crate) mod simulated;
pub(crate) mod tap;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use serde::{Deserialize, Serialize};
use wsa::constants::{AF_INET, AF_INET6};

/// Where scenes are played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Medium {
    /// Simulated hosts in virtual time.
    #[default]
    Simulated,
    /// A TAP device with the Linux kernel as the peer, each in a network namespace of its own.
    /// Without root the process must have entered a user namespace by
    /// [`namespace::enter`](crate::namespace::enter) before it had threads.
    Tap,
}

/// An address family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ip {
    /// IPv4.
    #[default]
    V4,
    /// IPv6.
    V6,
}

impl Ip {
    /// AF_INET or AF_INET6.
    pub(crate) const fn family(self) -> i32 {
        match self {
            Self::V4 => AF_INET,
            Self::V6 => AF_INET6,
        }
    }
}

/// A party out there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Party {
    /// On the link, with a listening port.
    #[default]
    Listening,
    /// On the link, with a closed port.
    Closed,
    /// Behind a router that says nothing.
    Blackhole,
    /// Behind a router that has no way on.
    NoWayOn,
    /// Behind a router that says that the host is unreachable. IPv4 only.
    HostUnreachable,
    /// Behind a router that lets nobody through.
    Prohibited,
    /// Behind a router that says that nobody listens. IPv4 only, and only where it is simulated.
    PortUnreachable,
    /// An address on the link that nobody has.
    Nobody,
    /// An address to which no route leads.
    Unrouted,
}

/// The port on which the peer listens.
pub(crate) const LISTENING_PORT: u16 = 7777;
/// A port on which nobody listens.
const CLOSED_PORT: u16 = 9;

impl Party {
    /// Its name in scripts.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Listening => "listening",
            Self::Closed => "closed",
            Self::Blackhole => "blackhole",
            Self::NoWayOn => "no-way-on",
            Self::HostUnreachable => "host-unreachable",
            Self::Prohibited => "prohibited",
            Self::PortUnreachable => "port-unreachable",
            Self::Nobody => "nobody",
            Self::Unrouted => "unrouted",
        }
    }

    /// Where it is.
    pub(crate) fn address(self, ip: Ip) -> SocketAddr {
        let port = if self == Self::Listening { LISTENING_PORT } else { CLOSED_PORT };
        let address: IpAddr = match (self, ip) {
            (Self::Listening | Self::Closed, Ip::V4) => PEER_V4.into(),
            (Self::Listening | Self::Closed, Ip::V6) => PEER_V6.into(),
            (Self::Blackhole, Ip::V4) => Ipv4Addr::new(192, 0, 2, 1).into(),
            (Self::Blackhole, Ip::V6) => documentation(0xb),
            (Self::NoWayOn, Ip::V4) => Ipv4Addr::new(198, 51, 100, 1).into(),
            (Self::NoWayOn | Self::HostUnreachable | Self::PortUnreachable, Ip::V6) => {
                documentation(0xe)
            }
            (Self::HostUnreachable, Ip::V4) => Ipv4Addr::new(203, 0, 113, 1).into(),
            (Self::Prohibited, Ip::V4) => Ipv4Addr::new(198, 18, 0, 1).into(),
            (Self::Prohibited, Ip::V6) => documentation(0xa),
            (Self::PortUnreachable, Ip::V4) => Ipv4Addr::new(198, 19, 0, 1).into(),
            (Self::Nobody, Ip::V4) => Ipv4Addr::new(10, 77, 0, 99).into(),
            (Self::Nobody, Ip::V6) => Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 0x99).into(),
            (Self::Unrouted, Ip::V4) => Ipv4Addr::new(100, 64, 0, 1).into(),
            (Self::Unrouted, Ip::V6) => documentation(0xffff),
        };
        SocketAddr::new(address, port)
    }
}

/// The peer on the link.
pub(crate) const PEER_V4: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
/// The peer on the link, IPv6.
pub(crate) const PEER_V6: Ipv6Addr = Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 1);

/// The prefixes behind the router, and who is there.
pub(crate) const ROUTED: [(Party, Ip, &str); 7] = [
    (Party::Blackhole, Ip::V4, "192.0.2.0/24"),
    (Party::NoWayOn, Ip::V4, "198.51.100.0/24"),
    (Party::HostUnreachable, Ip::V4, "203.0.113.0/24"),
    (Party::Prohibited, Ip::V4, "198.18.0.0/24"),
    (Party::Blackhole, Ip::V6, "2001:db8:b::/48"),
    (Party::NoWayOn, Ip::V6, "2001:db8:e::/48"),
    (Party::Prohibited, Ip::V6, "2001:db8:a::/48"),
];
/// The one more that only a simulated router plays.
pub(crate) const ROUTED_SIMULATED: (Party, Ip, &str) =
    (Party::PortUnreachable, Ip::V4, "198.19.0.0/24");

/// A host in a network of the prefix for examples (RFC 3849).
fn documentation(network: u16) -> IpAddr {
    Ipv6Addr::new(0x2001, 0xdb8, network, 0, 0, 0, 0, 1).into()
}

#[cfg(test)]
mod tests {
    use tapsock_stack::wire::{IpAddress, IpCidr};

    use super::*;

    #[test]
    fn parties_behind_the_router_are_in_their_prefixes_and_others_in_none() {
        let routed = [&ROUTED[..], &[ROUTED_SIMULATED]].concat();
        for (party, ip, prefix) in &routed {
            let prefix: IpCidr = prefix.parse().unwrap();
            assert!(prefix.contains_addr(&IpAddress::from(party.address(*ip).ip())), "{party:?}");
        }
        for party in [Party::Listening, Party::Closed, Party::Nobody, Party::Unrouted] {
            for ip in [Ip::V4, Ip::V6] {
                let address = IpAddress::from(party.address(ip).ip());
                let inside = routed.iter().any(|(_, _, prefix)| {
                    prefix.parse::<IpCidr>().unwrap().contains_addr(&address)
                });
                assert!(!inside, "{party:?}");
            }
        }
    }
}
