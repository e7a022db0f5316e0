//! Groups: who hears what is sent to one, what leaves for one, and what routers are told.

use etherparse::{NetSlice, PacketBuilder, SlicedPacket};
use tapsock_stack::UdpId;
use tapsock_stack::net::{Delivery, Origin, Reason};
use tapsock_stack::port::{BindAddress, Family};
use tapsock_stack::sim::{Host, Pair};
use tapsock_stack::stack::Counters;
use tapsock_stack::udp::{Membership, MembershipError, UdpOptions};
use tapsock_stack::wire::{IpAddress, IpCidr, IpEndpoint};

use crate::scene::{PEER_MAC, Scene, open_udp, receive_udp, scene, seconds};

const ANY: BindAddress = BindAddress::Any(Family::V4);
const GROUP: IpAddress = IpAddress::v4(239, 1, 1, 1);
const OTHER: IpAddress = IpAddress::v4(239, 1, 1, 2);
/// It has the Ethernet address of `GROUP`.
const TWIN: IpAddress = IpAddress::v4(238, 129, 1, 1);
const GROUP_V6: IpAddress = IpAddress::v6(0xff02, 0, 0, 0, 0, 0, 0, 0x1234);

const GROUPS: [(Family, IpAddress); 2] = [(Family::V4, GROUP), (Family::V6, GROUP_V6)];

fn join(host: &Host, id: UdpId, group: IpAddress) {
    change(host, id, group, Membership::Join).unwrap();
}

fn change(
    host: &Host,
    id: UdpId,
    group: IpAddress,
    change: Membership,
) -> Result<(), MembershipError> {
    host.with(|stack, _| stack.udp_membership(id, group, change))
}

/// A datagram from port 7 of 10.0.0.`source` to port 5000 of an IPv4 group.
fn datagram(source: u8, group: IpAddress) -> Vec<u8> {
    let IpAddress::Ipv4(group) = group else { panic!("not IPv4") };
    let [_, b, c, d] = group.octets();
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(PEER_MAC, [1, 0, 0x5e, b & 0x7f, c, d])
        .ipv4([10, 0, 0, source], group.octets(), 1)
        .udp(7, 5000)
        .write(&mut frame, b"to the group")
        .unwrap();
    frame
}

fn waiting<const N: usize>(host: &Host, ids: [UdpId; N]) -> [usize; N] {
    ids.map(|id| host.with(|stack, _| stack.udp(id).unwrap().waiting))
}

fn counters(scene: &Scene) -> Counters {
    scene.host.with(|stack, _| stack.counters().clone())
}

/// What the host said about groups since second `after`: the record type and the last byte of the
/// group of each IGMPv3 report.
fn reports(scene: &Scene) -> Vec<(u8, u8)> {
    let frames = scene.capture.frames().into_iter().filter(|seen| seen.out);
    frames
        .filter_map(|seen| {
            let sliced = SlicedPacket::from_ethernet(&seen.frame).ok()?;
            let NetSlice::Ipv4(ip) = sliced.net? else { return None };
            let message = ip.payload().payload;
            (ip.header().protocol().0 == 2).then(|| (message[8], message[15]))
        })
        .collect()
}

#[test]
fn only_members_hear_a_group() {
    let scene = scene();
    let own = BindAddress::Address(scene.own());
    let members = [
        open_udp(&scene.host, ANY, 5000),
        open_udp(&scene.host, BindAddress::AnyDual, 5000),
        open_udp(&scene.host, own, 5000),
    ];
    let others = [open_udp(&scene.host, ANY, 5000), open_udp(&scene.host, ANY, 5001)];
    members.into_iter().for_each(|id| join(&scene.host, id, GROUP));
    join(&scene.host, others[0], OTHER);
    join(&scene.host, others[1], GROUP);
    scene.arrives(&datagram(2, GROUP));
    assert_eq!(waiting(&scene.host, members), [1; 3]);
    assert_eq!(waiting(&scene.host, others), [0; 2]);
    let (data, about) = receive_udp(&scene.host, members[0]).unwrap();
    assert_eq!((&*data, about.local, about.hop_limit), (&b"to the group"[..], GROUP, 1));
    assert_eq!((about.delivery, about.origin), (Delivery::Multicast, Origin::Link));
    let counters = counters(&scene);
    assert_eq!((counters.udp_copies, counters.udp_unmatched), (3, 0));
}

#[test]
fn frames_for_groups_that_nobody_joined_end_at_the_first_look() {
    let scene = scene();
    let id = open_udp(&scene.host, ANY, 5000);
    join(&scene.host, id, GROUP);
    let dropped = |reason| counters(&scene).dropped.by(reason);
    scene.arrives(&datagram(2, OTHER));
    assert_eq!((dropped(Reason::EthernetGroup), dropped(Reason::NotMember)), (1, 0));
    scene.arrives(&datagram(2, TWIN));
    assert_eq!((dropped(Reason::EthernetGroup), dropped(Reason::NotMember)), (1, 1));
    assert_eq!(waiting(&scene.host, [id]), [0]);
    change(&scene.host, id, GROUP, Membership::Leave).unwrap();
    scene.until(5.0);
    scene.arrives(&datagram(2, GROUP));
    assert_eq!((dropped(Reason::EthernetGroup), dropped(Reason::NotMember)), (2, 1));
    // A host that belongs to it has sockets that do not want it.
    let other = open_udp(&scene.host, ANY, 6000);
    join(&scene.host, other, GROUP);
    scene.arrives(&datagram(2, GROUP));
    assert_eq!((counters(&scene).udp_unmatched, counters(&scene).udp_copies), (1, 0));
}

#[test]
fn a_connected_member_hears_only_its_peer() {
    let scene = scene();
    let id = open_udp(&scene.host, ANY, 5000);
    join(&scene.host, id, GROUP);
    let remote = IpEndpoint::new(IpAddress::v4(10, 0, 0, 2), 7);
    scene.host.with(|stack, _| stack.udp_connect(id, scene.own(), remote)).unwrap();
    scene.arrives(&datagram(2, GROUP));
    scene.arrives(&datagram(3, GROUP));
    let counters = counters(&scene);
    assert_eq!((counters.udp_copies, counters.udp_filtered), (1, 1));
}

#[test]
fn sources_are_named_or_blocked() {
    let scene = scene();
    let source = |last| IpAddress::v4(10, 0, 0, last);
    let named = open_udp(&scene.host, ANY, 5000);
    let blocking = open_udp(&scene.host, ANY, 5000);
    change(&scene.host, named, GROUP, Membership::JoinSource(source(2))).unwrap();
    join(&scene.host, blocking, GROUP);
    change(&scene.host, blocking, GROUP, Membership::Block(source(2))).unwrap();
    scene.arrives(&datagram(2, GROUP));
    assert_eq!(waiting(&scene.host, [named, blocking]), [1, 0]);
    scene.arrives(&datagram(3, GROUP));
    assert_eq!(waiting(&scene.host, [named, blocking]), [1, 1]);
    change(&scene.host, blocking, GROUP, Membership::Unblock(source(2))).unwrap();
    change(&scene.host, named, GROUP, Membership::JoinSource(source(3))).unwrap();
    change(&scene.host, named, GROUP, Membership::LeaveSource(source(2))).unwrap();
    scene.arrives(&datagram(2, GROUP));
    assert_eq!(waiting(&scene.host, [named, blocking]), [1, 2]);
}

#[test]
fn what_can_be_no_membership() {
    use MembershipError::{Address, Mode, Stale, Unchanged};
    let scene = scene();
    let id = open_udp(&scene.host, ANY, 5000);
    let source = IpAddress::v4(10, 0, 0, 2);
    for (group, wanted, error) in [
        (source, Membership::Join, Address),
        (GROUP_V6, Membership::Join, Address),
        (GROUP, Membership::JoinSource(OTHER), Address),
        (GROUP, Membership::JoinSource(IpAddress::v4(0, 0, 0, 0)), Address),
        (GROUP, Membership::JoinSource(Pair::addresses(2)[1]), Address),
        (GROUP, Membership::Leave, Unchanged),
        (GROUP, Membership::Block(source), Mode),
    ] {
        assert_eq!(change(&scene.host, id, group, wanted), Err(error), "{group} {wanted:?}");
    }
    join(&scene.host, id, GROUP);
    assert_eq!(change(&scene.host, id, GROUP, Membership::Join), Err(Mode));
    scene.host.with(|stack, _| stack.udp_close(id));
    assert_eq!(change(&scene.host, id, GROUP, Membership::Join), Err(Stale));
}

#[test]
fn routers_hear_of_the_first_member_and_of_the_last() {
    let scene = scene();
    let ids = [5000, 5001].map(|port| open_udp(&scene.host, ANY, port));
    ids.into_iter().for_each(|id| join(&scene.host, id, GROUP));
    scene.until(5.0);
    assert_eq!(reports(&scene), [(4, 1), (4, 1)]);
    scene.host.with(|stack, _| stack.udp_close(ids[0]));
    scene.until(10.0);
    assert_eq!(reports(&scene).len(), 2);
    // Closing leaves.
    scene.host.with(|stack, _| stack.udp_close(ids[1]));
    assert!(!scene.host.with(|stack, _| stack.is_member(GROUP)));
    scene.until(15.0);
    assert_eq!(reports(&scene)[2..], [(3, 1), (3, 1)]);
    scene.until(100.0);
    assert_eq!(reports(&scene).len(), 4);
}

#[test]
fn a_group_is_heard_on_the_link_and_by_own_members_but_not_beyond() {
    for (family, group) in GROUPS {
        let pair = Pair::new(1);
        let any = BindAddress::Any(family);
        let sender = open_udp(&pair.client, any, 5000);
        let deaf = open_udp(&pair.client, any, 7);
        let member = open_udp(&pair.client, any, 7);
        let peer = open_udp(&pair.server, any, 7);
        join(&pair.client, member, group);
        join(&pair.client, deaf, group);
        join(&pair.server, peer, group);
        let not_looped = UdpOptions { multicast_loop: false, ..UdpOptions::default() };
        pair.client.with(|stack, _| stack.udp_set(deaf, &not_looped));
        let to = IpEndpoint::new(group, 7);
        pair.client.with(|stack, now| stack.udp_send(now, sender, to, b"hello")).unwrap();
        pair.world.run_for(seconds(0.01));
        assert_eq!(waiting(&pair.client, [member, deaf]), [1, 0]);
        let (data, about) = receive_udp(&pair.server, peer).unwrap();
        assert_eq!((&*data, about.local, about.hop_limit), (&b"hello"[..], group, 1));
        let about = receive_udp(&pair.client, member).unwrap().1;
        assert_eq!((about.origin, about.delivery), (Origin::Loopback, Delivery::Multicast));
        // What others send reaches whoever does not want to hear its own host.
        let sender = open_udp(&pair.server, any, 5000);
        pair.server.with(|stack, now| stack.udp_send(now, sender, to, b"hello")).unwrap();
        pair.world.run_for(seconds(0.01));
        assert_eq!(waiting(&pair.client, [member, deaf]), [1, 1]);
    }
}

#[test]
fn a_hop_limit_of_zero_and_the_smallest_scope_stay_in_the_host() {
    let inside = IpAddress::v6(0xff01, 0, 0, 0, 0, 0, 0, 0x1234);
    for (family, group, multicast_hop_limit, frames) in [
        (Family::V4, GROUP, 0, 0),
        (Family::V4, GROUP, 1, 1),
        (Family::V6, GROUP_V6, 0, 0),
        (Family::V6, GROUP_V6, 1, 1),
        (Family::V6, inside, 1, 0),
    ] {
        let pair = Pair::new(1);
        let id = open_udp(&pair.client, BindAddress::Any(family), 7);
        join(&pair.client, id, group);
        pair.world.run_for(seconds(5.0));
        let before = pair.client.with(|stack, _| stack.counters().frames_out);
        let options = UdpOptions { multicast_hop_limit, ..UdpOptions::default() };
        let to = IpEndpoint::new(group, 7);
        pair.client.with(|stack, now| {
            stack.udp_set(id, &options);
            stack.udp_send(now, id, to, b"hello").unwrap();
        });
        pair.world.run_for(seconds(0.01));
        assert_eq!(waiting(&pair.client, [id]), [1]);
        let sent = pair.client.with(|stack, _| stack.counters().frames_out) - before;
        assert_eq!(sent, frames, "{group} {multicast_hop_limit}");
    }
}

#[test]
fn the_source_is_the_bound_address_or_the_one_that_was_asked_for() {
    let pair = Pair::new(1);
    let second = IpAddress::v4(192, 168, 5, 1);
    pair.client.with(|stack, _| stack.add_address(IpCidr::new(second, 24)).unwrap());
    let peer = open_udp(&pair.server, ANY, 7);
    join(&pair.server, peer, GROUP);
    let to = IpEndpoint::new(GROUP, 7);
    let wildcard = open_udp(&pair.client, ANY, 5000);
    let bound = open_udp(&pair.client, BindAddress::Address(second), 5001);
    let asked = UdpOptions { multicast_source: Some(second), ..UdpOptions::default() };
    let plain = UdpOptions::default();
    let v6 = UdpOptions { multicast_source: Some(Pair::addresses(1)[1]), ..plain };
    for (id, options, source) in [
        (wildcard, plain, Pair::addresses(1)[0]),
        (wildcard, asked, second),
        (wildcard, v6, Pair::addresses(1)[0]),
        (bound, plain, second),
    ] {
        pair.client.with(|stack, now| {
            stack.udp_set(id, &options);
            stack.udp_send(now, id, to, b"hello").unwrap();
        });
        pair.world.run_for(seconds(0.01));
        assert_eq!(receive_udp(&pair.server, peer).unwrap().1.remote.addr, source);
    }
    // It counts for groups alone.
    pair.client.with(|stack, now| {
        stack.udp_set(wildcard, &asked);
        stack.udp_send(now, wildcard, IpEndpoint::new(Pair::addresses(2)[0], 7), b"x").unwrap();
    });
    pair.world.run_for(seconds(0.01));
    assert_eq!(receive_udp(&pair.server, peer).unwrap().1.remote.addr, Pair::addresses(1)[0]);
}

#[test]
fn a_closed_port_in_a_group_says_nothing() {
    let scene = scene();
    let id = open_udp(&scene.host, ANY, 6000);
    join(&scene.host, id, GROUP);
    scene.until(5.0);
    let frames = scene.capture.frames().len();
    scene.arrives(&datagram(2, GROUP));
    scene.until(6.0);
    assert_eq!(scene.capture.frames().len(), frames + 1, "silence");
    assert_eq!(counters(&scene).udp_unmatched, 1);
}
