use alloc::vec::Vec;

use smoltcp::wire::IpEndpoint;

use super::*;
use crate::net::Transport;
use crate::net::icmp::Effect;
use crate::storage::{Fixed, Growable};

const V4: IpAddress = IpAddress::v4(198, 51, 100, 7);
const V6: IpAddress = IpAddress::v6(0x2001, 0xdb8, 0, 0, 0, 0, 0, 7);

fn error(destination: IpAddress, mtu: u32, quoted_len: usize) -> IcmpError {
    IcmpError {
        source: destination,
        kind: 3,
        code: 4,
        protocol: Transport::Udp,
        quoted_source: IpEndpoint::new(destination, 1),
        quoted_destination: IpEndpoint::new(destination, 2),
        quoted_sequence: None,
        effect: Effect::PathMtu,
        mtu,
        quoted_len,
    }
}

fn reported(destination: IpAddress, mtu: u32, quoted_len: usize) -> Option<(u16, bool)> {
    let path = PathMtu::reported(&error(destination, mtu, quoted_len))?;
    Some((path.mtu, path.below))
}

#[test]
fn a_report_is_smaller_than_what_it_quotes() {
    assert_eq!(reported(V4, 1400, 1401), Some((1400, false)));
    assert_eq!(reported(V4, 1400, 1400), None);
    assert_eq!(reported(V6, 1400, 1401), Some((1400, false)));
    assert_eq!(reported(V6, 1400, 1400), None);
    assert_eq!(reported(V6, u32::MAX, 65535), None);
}

#[test]
fn below_552_a_router_must_cut_and_below_1280_there_is_no_ipv6() {
    assert_eq!(reported(V4, 552, 1500), Some((552, false)));
    assert_eq!(reported(V4, 551, 1500), Some((552, true)));
    assert_eq!(reported(V4, 68, 552), Some((552, true)));
    assert_eq!(reported(V6, 1280, 1500), Some((1280, false)));
    assert_eq!(reported(V6, 1279, 1500), None);
    assert_eq!(reported(V6, 0, 1500), None);
}

#[test]
fn a_router_that_does_not_tell_makes_the_next_plateau_count() {
    for (quoted, expected) in [
        (1500, Some((1492, false))),
        (1492, Some((1006, false))),
        (1006, Some((552, true))),
        (69, Some((552, true))),
        (68, None),
        (0, None),
    ] {
        assert_eq!(reported(V4, 0, quoted), expected, "{quoted}");
    }
}

fn path(mtu: u16) -> PathMtu {
    PathMtu { mtu, below: false }
}

#[test]
fn a_path_only_becomes_smaller_until_ten_minutes_have_passed() {
    let mut paths: Paths<'_, Growable> = Paths::new([1, 2]);
    let second = Instant::from_secs;
    assert_eq!(paths.get(second(0), V4), None);
    assert!(paths.lower(second(0), V4, path(1400)));
    assert!(!paths.lower(second(1), V4, path(1400)));
    assert!(!paths.lower(second(1), V4, path(1450)));
    assert_eq!(paths.get(second(599), V4), Some(path(1400)));
    assert_eq!(paths.get(second(599), V6), None);
    assert_eq!(paths.get(second(600), V4), None);
    assert!(paths.lower(second(600), V4, path(1450)));
    // A smaller one begins its ten minutes anew.
    assert!(paths.lower(second(1000), V4, path(552)));
    assert!(paths.lower(second(1000), V4, PathMtu { mtu: 552, below: true }));
    assert!(!paths.lower(second(1000), V4, path(552)));
    assert_eq!(paths.get(second(1599), V4).unwrap().mtu, 552);
}

fn remembered<S: Storage<'static>>(paths: &mut Paths<'static, S>, hosts: u16) -> Vec<u16> {
    let host = |number: u16| IpAddress::v4(10, 0, (number >> 8) as u8, number as u8);
    for number in 0..hosts {
        // The first one stays in use.
        paths.get(Instant::ZERO, host(0));
        assert!(paths.lower(Instant::ZERO, host(number), path(1400)));
    }
    (0..hosts).filter(|&number| paths.get(Instant::ZERO, host(number)).is_some()).collect()
}

#[test]
fn the_least_recently_used_path_is_forgotten_first() {
    let mut growable: Paths<'static, Growable> = Paths::new([1, 2]);
    let kept = remembered(&mut growable, 300);
    assert_eq!(kept.len(), 256);
    assert_eq!((kept[0], kept[1], kept[255]), (0, 45, 299));

    let mut fixed: Paths<'static, Fixed<'static, 4, 16, 1514>> = Paths::new([1, 2]);
    let kept = remembered(&mut fixed, 300);
    // A hash table of 16 slots holds 12.
    assert_eq!(kept.len(), 12);
    assert_eq!((kept[0], kept[1], kept[11]), (0, 289, 299));
}
