use super::*;
use crate::storage::{Fixed, Growable};

type Table = Routes<'static, Growable>;

fn ip(text: &str) -> IpAddress {
    let address: core::net::IpAddr = text.parse().unwrap();
    address.into()
}

fn cidr(text: &str) -> IpCidr {
    let (address, length) = text.split_once('/').unwrap();
    IpCidr::new(ip(address), length.parse().unwrap())
}

fn table(addresses: &[&str], routes: &[(&str, &str)]) -> Table {
    let mut table = Table::default();
    for address in addresses {
        table.add_address(cidr(address)).unwrap();
    }
    for (destination, gateway) in routes {
        let route = Route { destination: cidr(destination), gateway: Some(ip(gateway)) };
        table.add_route(route).unwrap();
    }
    table
}

fn via(text: &str) -> Hop {
    Hop::Via(ip(text))
}

#[test]
fn the_longest_prefix_wins_in_whatever_order_it_was_added() {
    let routes = [
        ("0.0.0.0/0", "10.0.0.1"),
        ("192.168.1.0/24", "10.0.0.3"),
        ("192.168.0.0/16", "10.0.0.2"),
        ("192.168.1.7/32", "10.0.0.4"),
        ("::/0", "fd00::1"),
        ("2001:db8::/32", "fd00::2"),
    ];
    let mut reversed = routes;
    reversed.reverse();
    for routes in [routes, reversed] {
        let table = table(&["10.0.0.9/24", "fd00::9/64"], &routes);
        assert_eq!(table.hop(ip("8.8.8.8")), via("10.0.0.1"));
        assert_eq!(table.hop(ip("192.168.2.1")), via("10.0.0.2"));
        assert_eq!(table.hop(ip("192.168.1.1")), via("10.0.0.3"));
        assert_eq!(table.hop(ip("192.168.1.7")), via("10.0.0.4"));
        assert_eq!(table.hop(ip("10.0.0.77")), via("10.0.0.77"));
        assert_eq!(table.hop(ip("2001:db8::5")), via("fd00::2"));
        assert_eq!(table.hop(ip("2001:db9::5")), via("fd00::1"));
        assert_eq!(table.hop(ip("fd00::77")), via("fd00::77"));
    }
}

#[test]
fn without_a_route_there_is_no_hop() {
    let table = table(&["10.0.0.9/24"], &[]);
    assert_eq!(table.hop(ip("10.0.1.1")), Hop::NoRoute);
    assert_eq!(table.hop(ip("fd00::1")), Hop::NoRoute);
    assert_eq!(table.hop(ip("0.0.0.0")), Hop::NoRoute);
    assert_eq!(table.hop(ip("240.0.0.1")), Hop::NoRoute);
    assert_eq!(table.hop(ip("::ffff:10.0.0.1")), Hop::NoRoute);
    assert_eq!(table.source_for(ip("10.0.1.1")), None);
}

#[test]
fn no_default_route_leads_to_what_is_no_host() {
    let table =
        table(&["10.0.0.9/24", "fd00::9/64"], &[("0.0.0.0/0", "10.0.0.1"), ("::/0", "fd00::1")]);
    for address in ["0.0.0.0", "0.1.2.3", "240.0.0.1", "::", "::ffff:8.8.8.8"] {
        assert_eq!(table.hop(ip(address)), Hop::NoRoute, "{address}");
    }
    assert_eq!(table.hop(ip("223.255.255.254")), via("10.0.0.1"));
}

#[test]
fn own_addresses_are_local() {
    let table = table(&["10.0.0.9/24", "fd00::9/64"], &[]);
    for own in ["10.0.0.9", "fd00::9", "127.0.0.1", "127.5.5.5", "::1"] {
        assert!(table.is_own(ip(own)), "{own}");
        assert_eq!(table.hop(ip(own)), Hop::Local, "{own}");
    }
    assert!(!table.is_own(ip("10.0.0.8")));
    assert!(!table.is_added(ip("127.0.0.1")));
    assert_eq!(table.source_for(ip("10.0.0.9")), Some(ip("10.0.0.9")));
    assert_eq!(table.source_for(ip("127.5.5.5")), Some(ip("127.0.0.1")));
    assert_eq!(table.source_for(ip("::1")), Some(ip("::1")));
}

#[test]
fn a_prefix_of_31_or_32_bits_has_no_broadcast_address() {
    for (address, broadcast, expected) in [
        ("10.0.0.9/24", "10.0.0.255", Hop::Broadcast),
        ("10.0.0.9/30", "10.0.0.11", Hop::Broadcast),
        ("10.0.0.8/31", "10.0.0.9", via("10.0.0.9")),
        ("10.0.0.9/32", "10.0.0.10", Hop::NoRoute),
        ("10.0.0.9/8", "10.255.255.255", Hop::Broadcast),
        ("fd00::9/64", "fd00::ffff:ffff:ffff:ffff", via("fd00::ffff:ffff:ffff:ffff")),
    ] {
        assert_eq!(table(&[address], &[]).hop(ip(broadcast)), expected, "{address}");
    }
    assert!(table(&[], &[]).is_broadcast(ip("255.255.255.255")));
    assert_eq!(table(&[], &[]).hop(ip("224.0.0.1")), Hop::Multicast);
    assert_eq!(table(&[], &[]).hop(ip("ff02::1")), Hop::Multicast);
}

#[test]
fn the_source_is_the_address_of_the_next_hops_prefix() {
    let table = table(
        &["10.0.0.9/24", "192.168.5.9/24", "10.0.1.9/24"],
        &[("0.0.0.0/0", "192.168.5.1"), ("172.16.0.0/12", "10.0.1.1")],
    );
    assert_eq!(table.source_for(ip("8.8.8.8")), Some(ip("192.168.5.9")));
    assert_eq!(table.source_for(ip("172.16.1.1")), Some(ip("10.0.1.9")));
    assert_eq!(table.source_for(ip("10.0.0.1")), Some(ip("10.0.0.9")));
    assert_eq!(table.source_for(ip("192.168.5.255")), Some(ip("192.168.5.9")));
    assert_eq!(table.source_for(ip("255.255.255.255")), Some(ip("10.0.0.9")));
    assert_eq!(table.source_for(ip("224.0.0.251")), Some(ip("10.0.0.9")));
}

#[test]
fn a_link_local_source_is_for_link_local_destinations() {
    let mut both = table(&["fe80::9/64", "fd00::9/64", "2001:db8::9/64"], &[("::/0", "fe80::1")]);
    assert_eq!(both.source_for(ip("fe80::1")), Some(ip("fe80::9")));
    assert_eq!(both.source_for(ip("ff02::1")), Some(ip("fe80::9")));
    // Organization-wide groups are farther than the link.
    assert_eq!(both.source_for(ip("ff08::1")), Some(ip("fd00::9")));
    // The router is on fe80::/64, which is no reason for a link-local source.
    assert_eq!(both.source_for(ip("2001:4860::1")), Some(ip("2001:db8::9")));
    assert_eq!(both.source_for(ip("fd12::1")), Some(ip("fd00::9")));
    both.remove_address(ip("2001:db8::9"));
    both.remove_address(ip("fd00::9"));
    assert_eq!(both.source_for(ip("2001:4860::1")), Some(ip("fe80::9")));
    both.remove_address(ip("fe80::9"));
    assert_eq!(both.source_for(ip("2001:4860::1")), None);
}

#[test]
fn a_prefix_goes_with_the_last_address_that_has_it() {
    let mut table = table(&["10.0.0.9/24", "10.0.0.10/24"], &[]);
    assert_eq!(table.routes().count(), 1);
    assert!(table.remove_address(ip("10.0.0.9")));
    assert_eq!(table.hop(ip("10.0.0.1")), via("10.0.0.1"));
    assert!(table.remove_address(ip("10.0.0.10")));
    assert_eq!(table.hop(ip("10.0.0.1")), Hop::NoRoute);
    assert!(!table.remove_address(ip("10.0.0.10")));
}

#[test]
fn an_address_added_again_takes_the_new_prefix() {
    let mut table = table(&["10.0.0.9/24"], &[]);
    table.add_address(cidr("10.0.0.9/16")).unwrap();
    assert_eq!(table.addresses(), [cidr("10.0.0.9/16")]);
    assert_eq!(table.hop(ip("10.0.7.1")), via("10.0.7.1"));
    table.add_address(cidr("10.0.0.9/24")).unwrap();
    assert_eq!(table.hop(ip("10.0.7.1")), Hop::NoRoute);
}

#[test]
fn a_route_of_the_caller_hides_the_implied_one_until_it_is_removed() {
    let mut table = table(&["10.0.0.9/24"], &[("10.0.0.0/24", "10.0.0.1")]);
    assert_eq!(table.hop(ip("10.0.0.5")), via("10.0.0.1"));
    let other = Route { destination: cidr("10.0.0.99/24"), gateway: Some(ip("10.0.0.2")) };
    table.add_route(other).unwrap();
    assert_eq!(table.hop(ip("10.0.0.5")), via("10.0.0.2"));
    assert!(table.remove_route(cidr("10.0.0.0/24")));
    assert!(!table.remove_route(cidr("10.0.0.0/24")));
    assert_eq!(table.hop(ip("10.0.0.5")), via("10.0.0.5"));
}

#[test]
fn a_router_that_is_this_host_leads_nowhere() {
    let table = table(&["10.0.0.9/24"], &[("0.0.0.0/0", "10.0.0.9")]);
    assert_eq!(table.hop(ip("8.8.8.8")), Hop::NoRoute);
}

#[test]
fn what_no_host_can_have_is_not_added() {
    let not = ["0.0.0.0/8", "255.255.255.255/32", "224.0.0.1/4", "127.0.0.1/8", "::1/128", "::/0"];
    let table = table(&not, &[]);
    assert!(table.addresses().is_empty());
    assert_eq!(table.routes().count(), 0);
}

#[test]
fn a_full_table_refuses_and_keeps_what_it_has() {
    let mut table: Routes<'_, Fixed<'_, 4, 16, 1514>> = Routes::default();
    for host in 1..=16 {
        let address = Ipv4Address::new(10, 0, host, 1);
        table.add_address(IpCidr::new(address.into(), 24)).unwrap();
    }
    assert_eq!(table.add_address(cidr("10.1.0.1/24")), Err(Exhausted));
    assert_eq!(table.add_address(cidr("10.0.1.2/24")), Err(Exhausted));
    assert_eq!(table.addresses().len(), 16);
    assert_eq!(table.routes().count(), 16);
    assert_eq!(table.hop(ip("10.1.0.5")), Hop::NoRoute);
    let route = Route { destination: cidr("0.0.0.0/0"), gateway: None };
    assert_eq!(table.add_route(route), Err(Exhausted));
}

#[test]
fn the_link_local_address_is_made_from_the_ethernet_address() {
    let hardware = EthernetAddress([0x02, 0x11, 0x22, 0x33, 0x44, 0x55]);
    assert_eq!(link_local(hardware), cidr("fe80::11:22ff:fe33:4455/64"));
}
