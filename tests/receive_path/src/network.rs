//! Who is who on the link: the stack under test and the hosts around it.

use std::net::{IpAddr, SocketAddr};

use tapsock_stack::wire::{EthernetAddress, IpAddress, IpCidr, IpEndpoint};

/// The Ethernet address of the stack.
pub(crate) const OWN: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 1]);
/// The Ethernet address of the gateway, and of whoever has no other.
pub(crate) const GATEWAY: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 0xfe]);

/// Every address that a script can name. Even places are IPv4, odd ones IPv6.
const ADDRESSES: [&str; 30] = [
    "10.0.0.1",
    "fd00::1",
    "10.0.0.2",
    "fd00::2",
    "10.0.0.3",
    "fd00::3",
    "203.0.113.1",
    "2001:db8::1",
    "10.0.0.254",
    "fd00::fe",
    "10.0.0.255",
    "fe80::ff:fe00:1",
    "255.255.255.255",
    "fe80::ff:fe00:2",
    "239.1.1.1",
    "ff15::1",
    "224.0.0.1",
    "ff02::1",
    "0.0.0.0",
    "::",
    "127.0.0.1",
    "::1",
    "224.0.0.22",
    "ff02::1:ff00:1",
    "10.0.0.99",
    "fd00::99",
    "240.0.0.1",
    "::ffff:10.0.0.2",
    "10.0.1.1",
    "ff02::16",
];

/// The place of the stack's IPv4 address; its IPv6 address follows.
pub(crate) const HOST: u8 = 0;
/// The place of a peer on the link; its IPv6 address follows.
pub(crate) const PEER: u8 = 2;
/// The place of another peer.
pub(crate) const OTHER: u8 = 4;
/// The place of a host behind the gateway.
pub(crate) const FAR: u8 = 6;
/// The place of the gateway.
pub(crate) const ROUTER: u8 = 8;
/// The place of the subnet's broadcast address; the stack's link-local address follows.
pub(crate) const BROADCAST: u8 = 10;
/// The place of a group of each family.
pub(crate) const GROUP: u8 = 14;
/// The place of the unspecified addresses.
pub(crate) const UNSPECIFIED: u8 = 18;
/// The place of the loopback addresses.
pub(crate) const LOOPBACK: u8 = 20;
/// The place of an address that nobody has.
pub(crate) const NOBODY: u8 = 24;

/// The local ports that a script can name.
pub(crate) const LOCAL_PORTS: [u16; 6] = [80, 81, 5000, 5001, 0, 65535];

pub(crate) fn address(place: u8) -> IpAddress {
    let text = ADDRESSES[usize::from(place) % ADDRESSES.len()];
    // Each of the table's lines is an address.
    text.parse::<IpAddr>().map_or(IpAddress::v4(0, 0, 0, 0), IpAddress::from)
}

/// The address at `place`, or its neighbor in the table, whichever is of the family of `like`.
pub(crate) fn address_like(place: u8, like: IpAddress) -> IpAddress {
    let found = address(place);
    if found.version() == like.version() {
        return found;
    }
    address((place % ADDRESSES.len() as u8) ^ 1)
}

pub(crate) fn endpoint(place: u8, port: u16) -> IpEndpoint {
    IpEndpoint::new(address(place), port)
}

pub(crate) fn socket_address(address: IpAddress, port: u16) -> SocketAddr {
    match address {
        IpAddress::Ipv4(address) => SocketAddr::new(IpAddr::V4(address), port),
        IpAddress::Ipv6(address) => SocketAddr::new(IpAddr::V6(address), port),
    }
}

/// What the stack is given when it is made.
pub(crate) fn own_addresses() -> [IpCidr; 2] {
    [IpCidr::new(address(HOST), 24), IpCidr::new(address(HOST + 1), 64)]
}

/// The Ethernet address under which a neighbor is reached.
pub(crate) fn hardware(address: IpAddress) -> EthernetAddress {
    match address.to_string().as_str() {
        "10.0.0.1" | "fd00::1" | "fe80::ff:fe00:1" => OWN,
        "10.0.0.2" | "fd00::2" | "fe80::ff:fe00:2" => EthernetAddress([2, 0, 0, 0, 0, 2]),
        "10.0.0.3" | "fd00::3" => EthernetAddress([2, 0, 0, 0, 0, 3]),
        _ => GATEWAY,
    }
}

/// Whether somebody on the link has this address and answers for it.
pub(crate) fn is_neighbor(address: IpAddress) -> bool {
    matches!(
        address.to_string().as_str(),
        "10.0.0.2"
            | "fd00::2"
            | "fe80::ff:fe00:2"
            | "10.0.0.3"
            | "fd00::3"
            | "10.0.0.254"
            | "fd00::fe"
    )
}
