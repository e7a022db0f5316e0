use alloc::vec;
use alloc::vec::Vec;

use etherparse::PacketBuilder;
use proptest::prelude::*;

use super::*;
use crate::net::sanity::{self, Addresses, Checksums, Context, Origin, Upper};
use crate::storage::{Fixed, Growable};

const OWN4: [u8; 4] = [10, 0, 0, 1];
const PEER4: [u8; 4] = [10, 0, 0, 2];
const OWN6: [u8; 16] = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
const PEER6: [u8; 16] = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Version {
    V4,
    V6,
}
use Version::{V4, V6};

struct Own;

impl Addresses for Own {
    fn is_own(&self, address: IpAddress) -> bool {
        matches!(address, IpAddress::Ipv4(own) if own.octets() == OWN4)
            || matches!(address, IpAddress::Ipv6(own) if own.octets() == OWN6)
    }
    fn is_broadcast(&self, address: IpAddress) -> bool {
        matches!(address, IpAddress::Ipv4(all) if all.octets() == [10, 0, 0, 255])
    }
}

fn check(packet: &[u8]) -> Result<Parsed, Reason> {
    let (origin, checksums) = (Origin::Link, Checksums::Verify);
    sanity::check(packet, &Context { origin, checksums, addresses: &Own })
}

fn data(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index * 7 + index / 251) as u8).collect()
}

/// A whole datagram of `payload` bytes.
fn packet(version: Version, payload: usize) -> Vec<u8> {
    let mut packet = Vec::new();
    match version {
        V4 => PacketBuilder::ipv4(PEER4, OWN4, 61).udp(5000, 53).write(&mut packet, &data(payload)),
        V6 => PacketBuilder::ipv6(PEER6, OWN6, 61).udp(5000, 53).write(&mut packet, &data(payload)),
    }
    .unwrap();
    if version == V4 {
        // A packet that may be cut.
        packet[4..8].copy_from_slice(&[0, 0, 0, 0]);
        checksum::fill(&mut packet);
    }
    packet
}

/// The part from `start` to `stop` of what `whole` has behind its IP header.
fn part(whole: &[u8], number: u32, start: usize, stop: usize) -> Vec<u8> {
    if whole[0] >> 4 == 4 {
        let body = &whole[20..];
        let mut fragment = [&whole[..20], &body[start..stop.min(body.len())]].concat();
        let more = u16::from(stop < body.len()) << 13;
        let total = fragment.len() as u16;
        fragment[2..4].copy_from_slice(&total.to_be_bytes());
        fragment[4..6].copy_from_slice(&(number as u16).to_be_bytes());
        fragment[6..8].copy_from_slice(&(more | (start / 8) as u16).to_be_bytes());
        checksum::fill(&mut fragment);
        fragment
    } else {
        let body = &whole[40..];
        let mut header = [whole[6], 0, 0, 0, 0, 0, 0, 0];
        let more = u16::from(stop < body.len());
        header[2..4].copy_from_slice(&(more | start as u16).to_be_bytes());
        header[4..].copy_from_slice(&number.to_be_bytes());
        let mut fragment = [&whole[..40], &header, &body[start..stop.min(body.len())]].concat();
        let payload = (fragment.len() - 40) as u16;
        fragment[4..6].copy_from_slice(&payload.to_be_bytes());
        fragment[6] = 44;
        fragment
    }
}

/// `whole` in fragments of `step` bytes.
fn parts(whole: &[u8], number: u32, step: usize) -> Vec<Vec<u8>> {
    let body = whole.len() - if whole[0] >> 4 == 4 { 20 } else { 40 };
    (0..body).step_by(step).map(|start| part(whole, number, start, start + step)).collect()
}

type Subject = Reassembly<'static, Growable>;
type Taken = Result<Option<Vec<u8>>, Reason>;

fn take<S: Storage<'static>>(
    reassembly: &mut Reassembly<'static, S>,
    second: i64,
    fragment: &[u8],
) -> Taken {
    let parsed = check(fragment)?;
    let Upper::Fragment(header) = parsed.upper else { panic!("no fragment: {parsed:?}") };
    let whole = reassembly.take(Instant::from_secs(second), &parsed, header, fragment)?;
    Ok(whole.map(|mut whole| {
        let mut packet = whole.packet().to_vec();
        assert!(checksum::verify_header(&packet));
        if packet[0] >> 4 == 4 {
            // The number of the fragments is of no use any more, and was not in the original.
            packet[4..6].fill(0);
            checksum::fill(&mut packet);
        }
        packet
    }))
}

fn all(reassembly: &mut Subject, fragments: &[Vec<u8>]) -> Vec<Taken> {
    fragments.iter().map(|fragment| take(reassembly, 0, fragment)).collect()
}

#[test]
fn the_packet_is_as_before_it_was_cut() {
    for (version, longest) in [(V4, 65507), (V6, 65527)] {
        for payload in [1473, 2992, 9000, longest] {
            let whole = packet(version, payload);
            let mut fragments = parts(&whole, 7, 1448);
            let mut reassembly = Subject::default();
            let last = fragments.pop().unwrap();
            assert!(all(&mut reassembly, &fragments).iter().all(|taken| *taken == Ok(None)));
            assert_eq!(take(&mut reassembly, 0, &last), Ok(Some(whole)));
            assert_eq!(reassembly.held(), (0, 0));
            assert_eq!(reassembly.poll_at(), None);
        }
    }
}

#[test]
fn order_does_not_matter_and_datagrams_do_not_mix() {
    for version in [V4, V6] {
        let (one, two) = (packet(version, 5000), packet(version, 6000));
        let mut reassembly = Subject::default();
        let (ones, twos) = (parts(&one, 1, 1448), parts(&two, 2, 1448));
        let mut whole = Vec::new();
        for index in (0..5).rev() {
            for fragments in [&ones, &twos] {
                if let Some(fragment) = fragments.get(index) {
                    whole.extend(take(&mut reassembly, 0, fragment).unwrap());
                }
            }
        }
        assert_eq!(whole, [one, two]);
    }
}

#[test]
fn ipv4_tells_packets_apart_by_protocol_and_ipv6_does_not() {
    let whole = packet(V4, 2000);
    let [first, mut last] = <[_; 2]>::try_from(parts(&whole, 1, 1448)).unwrap();
    last[9] = 99;
    checksum::fill(&mut last);
    let mut reassembly = Subject::default();
    assert_eq!(take(&mut reassembly, 0, &first), Ok(None));
    assert_eq!(take(&mut reassembly, 0, &last), Ok(None));
    assert_eq!(reassembly.held().0, 2);

    // RFC 8200 section 4.5: only the first fragment's next header counts.
    let whole = packet(V6, 2000);
    let [first, mut last] = <[_; 2]>::try_from(parts(&whole, 1, 1448)).unwrap();
    last[40] = 99;
    assert_eq!(take(&mut reassembly, 0, &first), Ok(None));
    assert_eq!(take(&mut reassembly, 0, &last), Ok(Some(whole)));
}

#[test]
fn headers_are_those_of_the_first_fragment() {
    // Options that are copied into no other fragment: record route.
    let whole = packet(V4, 2000);
    let [first, last] = <[_; 2]>::try_from(parts(&whole, 1, 1448)).unwrap();
    let mut first = [&first[..20], &[7, 3, 4, 0], &first[20..]].concat();
    first[0] = 0x46;
    let total = first.len() as u16;
    first[2..4].copy_from_slice(&total.to_be_bytes());
    checksum::fill(&mut first);
    let mut reassembly = Subject::default();
    take(&mut reassembly, 0, &last).unwrap();
    let made = take(&mut reassembly, 0, &first).unwrap().unwrap();
    assert_eq!(made.len(), whole.len() + 4);
    assert_eq!((&made[20..24], &made[24..]), (&[7, 3, 4, 0][..], &whole[20..]));
    assert_eq!(check(&made).unwrap().header_len, 24);

    // Destination options on the way of an IPv6 fragment end with it.
    let whole = packet(V6, 2000);
    let [first, last] = <[_; 2]>::try_from(parts(&whole, 1, 1448)).unwrap();
    let mut first = [&first[..40], &[44, 0, 1, 4, 0, 0, 0, 0], &first[40..]].concat();
    first[6] = 60;
    let payload = (first.len() - 40) as u16;
    first[4..6].copy_from_slice(&payload.to_be_bytes());
    take(&mut reassembly, 0, &first).unwrap();
    assert_eq!(take(&mut reassembly, 0, &last), Ok(Some(whole)));
}

#[test]
fn a_repeated_fragment_is_ignored_and_a_changed_one_ends_the_packet() {
    for version in [V4, V6] {
        let whole = packet(version, 4000);
        let fragments = parts(&whole, 1, 1448);
        let mut reassembly = Subject::default();
        for fragment in &fragments[..2] {
            assert_eq!(take(&mut reassembly, 0, fragment), Ok(None));
            assert_eq!(take(&mut reassembly, 0, fragment), Err(Reason::FragmentDuplicate));
        }
        assert_eq!(take(&mut reassembly, 0, &fragments[2]), Ok(Some(whole)));

        let mut changed = fragments[1].clone();
        *changed.last_mut().unwrap() ^= 1;
        assert_eq!(take(&mut reassembly, 0, &fragments[0]), Ok(None));
        assert_eq!(take(&mut reassembly, 0, &fragments[1]), Ok(None));
        assert_eq!(take(&mut reassembly, 0, &changed), Err(Reason::FragmentOverlap));
        // Nothing is left of it, and nothing begins anew.
        assert_eq!(reassembly.held(), (1, 0));
        for fragment in &fragments {
            let taken = take(&mut reassembly, 59, fragment);
            assert_eq!(taken, Err(Reason::FragmentAbandoned));
        }
        assert!(reassembly.expired(Instant::from_secs(60)).is_none());
        assert_eq!(reassembly.held(), (0, 0));
    }
}

#[test]
fn any_overlap_ends_the_packet() {
    for version in [V4, V6] {
        let whole = packet(version, 4000);
        // After [800, 1600): begins inside, ends inside, lies inside, lies around, shares a bound.
        for (start, stop) in [(1592, 2400), (0, 808), (808, 1592), (792, 1608), (800, 1608)] {
            let mut reassembly = Subject::default();
            assert_eq!(take(&mut reassembly, 0, &part(&whole, 1, 800, 1600)), Ok(None));
            let taken = take(&mut reassembly, 0, &part(&whole, 1, start, stop));
            assert_eq!(taken, Err(Reason::FragmentOverlap), "{start}..{stop}");
        }
        // Its neighbors do not overlap it.
        for (start, stop) in [(1600, 2400), (0, 800)] {
            let mut reassembly = Subject::default();
            assert_eq!(take(&mut reassembly, 0, &part(&whole, 1, 800, 1600)), Ok(None));
            assert_eq!(take(&mut reassembly, 0, &part(&whole, 1, start, stop)), Ok(None));
        }
    }
}

#[test]
fn nothing_stands_behind_the_end() {
    for version in [V4, V6] {
        let long = packet(version, 4000);
        let short = packet(version, 1592);
        let last = part(&short, 1, 800, 1600);
        // Two different ends, in either order; data behind the end; an end inside of the data.
        let other_end = part(&packet(version, 1593), 1, 1600, 2400);
        for (one, two) in [
            (&last, &other_end),
            (&other_end, &last),
            (&last, &part(&long, 1, 1600, 2400)),
            (&part(&long, 1, 1600, 2400), &last),
        ] {
            let mut reassembly = Subject::default();
            assert_eq!(take(&mut reassembly, 0, one), Ok(None));
            assert_eq!(take(&mut reassembly, 0, two), Err(Reason::FragmentEnd));
            assert_eq!(reassembly.held(), (1, 0));
        }
    }
}

#[test]
fn a_packet_has_60_seconds_from_its_first_fragment() {
    for version in [V4, V6] {
        let whole = packet(version, 4000);
        let fragments = parts(&whole, 1, 1448);
        let mut reassembly = Subject::default();
        take(&mut reassembly, 100, &fragments[0]).unwrap();
        take(&mut reassembly, 159, &fragments[1]).unwrap();
        assert_eq!(reassembly.poll_at(), Some(Instant::from_secs(160)));
        assert!(reassembly.expired(Instant::from_millis(159_999)).is_none());
        let Some(Expired::Begun(mut first)) = reassembly.expired(Instant::from_secs(160)) else {
            panic!("the first fragment is there")
        };
        assert_eq!(first.packet(), &fragments[0][..]);
        assert_eq!((reassembly.poll_at(), reassembly.held()), (None, (0, 0)));

        take(&mut reassembly, 200, &fragments[1]).unwrap();
        let expired = reassembly.expired(Instant::from_secs(260));
        assert!(matches!(expired, Some(Expired::Headless)));
    }
}

#[test]
fn nobody_is_told_about_a_packet_for_everybody() {
    let mut whole = packet(V4, 4000);
    whole[16..20].copy_from_slice(&[10, 0, 0, 255]);
    let mut reassembly = Subject::default();
    take(&mut reassembly, 0, &part(&whole, 1, 0, 1448)).unwrap();
    assert!(matches!(reassembly.expired(Instant::from_secs(60)), Some(Expired::Headless)));
}

#[test]
fn the_oldest_packet_makes_room_for_the_newest() {
    let whole = packet(V6, 2000);
    let mut reassembly = Subject::default();
    for number in 0..128 {
        assert_eq!(take(&mut reassembly, 0, &part(&whole, number, 0, 1448)), Ok(None));
    }
    assert_eq!((reassembly.held().0, reassembly.evicted()), (128, 0));
    assert_eq!(take(&mut reassembly, 0, &part(&whole, 128, 0, 1448)), Ok(None));
    assert_eq!((reassembly.held().0, reassembly.evicted()), (128, 1));
    // The second is there still, and the first began anew.
    assert!(take(&mut reassembly, 0, &part(&whole, 1, 1448, 9999)).unwrap().is_some());
    assert_eq!(take(&mut reassembly, 0, &part(&whole, 0, 1448, 9999)), Ok(None));
}

#[test]
fn all_packets_together_hold_at_most_4_mib() {
    let whole = packet(V6, 65527);
    let mut reassembly = Subject::default();
    // Each of these few bytes wants the room of everything before them.
    for number in 0..127 {
        assert_eq!(take(&mut reassembly, 0, &part(&whole, number, 65528, 99999)), Ok(None));
        assert!(reassembly.held().1 <= 4 << 20);
    }
    // 60 + 65,535 bytes each.
    assert_eq!(reassembly.held(), (63, 63 * 65595));
    assert_eq!(reassembly.evicted(), 64);
}

#[test]
fn a_packet_has_at_most_128_fragments() {
    for version in [V4, V6] {
        let mut reassembly = Subject::default();
        let whole = packet(version, 128 * 16 - 8);
        let mut taken = all(&mut reassembly, &parts(&whole, 1, 16));
        assert_eq!(taken.len(), 128);
        assert_eq!(taken.pop(), Some(Ok(Some(whole))));

        let whole = packet(version, 129 * 16 - 8);
        let mut taken = all(&mut reassembly, &parts(&whole, 2, 16));
        assert_eq!(taken.pop(), Some(Err(Reason::FragmentBound)));
        assert_eq!(reassembly.held(), (1, 0));
    }
}

#[test]
fn a_fixed_storage_has_its_own_bounds() {
    // 1,514 - 60 bytes of data.
    let mut small: Reassembly<'_, Fixed<'_, 4, 16, 1514>> = Reassembly::default();
    let whole = packet(V4, 1446);
    assert_eq!(take(&mut small, 0, &part(&whole, 1, 0, 1200)), Ok(None));
    assert_eq!(take(&mut small, 0, &part(&whole, 1, 1200, 9999)), Ok(Some(whole)));
    let longer = packet(V4, 1447);
    assert_eq!(take(&mut small, 0, &part(&longer, 2, 0, 1200)), Ok(None));
    let taken = take(&mut small, 0, &part(&longer, 2, 1200, 9999));
    assert_eq!(taken, Err(Reason::FragmentBound));
    for number in 3..9 {
        assert_eq!(take(&mut small, 0, &part(&longer, number, 0, 1200)), Ok(None));
    }
    // The abandoned one was not evicted.
    assert_eq!((small.held().0, small.evicted()), (2, 4));

    let mut none: Reassembly<'_, Fixed<'_, 4, 16, 1514, 0>> = Reassembly::default();
    let taken = take(&mut none, 0, &part(&longer, 1, 0, 1200));
    assert_eq!(taken, Err(Reason::FragmentBound));
    assert_eq!(none.poll_at(), None);
}

/// Where to cut a body of `len` bytes, and in which order the parts arrive.
fn cuts(len: usize, marks: &[bool]) -> Vec<(usize, usize)> {
    let mut bounds = vec![0];
    let places = (8..len).step_by(8);
    bounds.extend(places.zip(marks).filter(|(_, mark)| **mark).map(|(place, _)| place));
    bounds.push(len);
    bounds.windows(2).map(|pair| (pair[0], pair[1])).collect()
}

fn version() -> impl Strategy<Value = Version> {
    prop_oneof![Just(V4), Just(V6)]
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(500)
    })]

    #[test]
    fn any_cut_in_any_order_makes_the_same_packet(
        version in version(),
        payload in 9usize..1016,
        marks in proptest::collection::vec(any::<bool>(), 127),
        order in proptest::collection::vec(any::<u16>(), 128),
    ) {
        let whole = packet(version, payload);
        let cuts = cuts(8 + payload, &marks);
        prop_assume!(cuts.len() > 1);
        let mut fragments: Vec<_> = cuts
            .iter()
            .zip(&order)
            .map(|(&(start, stop), order)| (*order, part(&whole, 1, start, stop)))
            .collect();
        fragments.sort();
        let mut reassembly = Subject::default();
        let mut made = Vec::new();
        for (_, fragment) in &fragments {
            made.push(take(&mut reassembly, 0, fragment));
        }
        prop_assert_eq!(made.pop(), Some(Ok(Some(whole))));
        prop_assert!(made.iter().all(|taken| *taken == Ok(None)));
        prop_assert_eq!(reassembly.held(), (0, 0));
    }

    #[test]
    fn what_overlaps_is_never_delivered(
        version in version(),
        marks in proptest::collection::vec(any::<bool>(), 31),
        start in 0usize..30,
        len in 1usize..9,
        flip: bool,
        order in proptest::collection::vec(any::<u16>(), 40),
    ) {
        let whole = packet(version, 248);
        let cuts = cuts(256, &marks);
        let stop = (start + len).min(31) * 8;
        let start = start * 8;
        prop_assume!(cuts.len() > 1 && start < stop && !cuts.contains(&(start, stop)));
        let mut forged = part(&whole, 1, start, stop);
        if flip {
            *forged.last_mut().unwrap() ^= 1;
            if version == V4 {
                checksum::fill(&mut forged);
            }
        }
        let mut fragments: Vec<_> = cuts
            .iter()
            .zip(&order)
            .map(|(&(start, stop), order)| (*order, (start, stop), part(&whole, 1, start, stop)))
            .collect();
        fragments.push((order[39], (start, stop), forged));
        fragments.sort();
        let mut reassembly = Subject::default();
        let mut there: Vec<(usize, usize)> = Vec::new();
        let mut overlapped = false;
        for (_, (start, stop), fragment) in &fragments {
            overlapped |= there.iter().any(|&(other, end)| *start < end && other < *stop);
            there.push((*start, *stop));
            if let Ok(Some(_)) = take(&mut reassembly, 0, fragment) {
                // The forged one may fit in where others are missing still.
                prop_assert!(!overlapped);
                there.clear();
            }
        }
        prop_assert!(!overlapped || reassembly.held().1 == 0);
    }
}
