use std::os::fd::AsFd;
use std::thread;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tapsock_stack::link::{Link, LinkError};
use tapsock_stack::time::{Duration, Instant};

use super::*;

const ALL: Conditions =
    Conditions { rate: 1e9, round_trip: Duration::ZERO, loss: 0.0, queue: 1 << 20 };

fn frames(end: &End, now: Instant) -> usize {
    let mut end = end.clone();
    let mut room = [0; 2000];
    let mut count = 0;
    while Link::receive(&mut end, now, &mut room).unwrap().is_some() {
        count += 1;
    }
    count
}

#[test]
fn a_relay_takes_the_time_of_its_rate_and_of_half_a_round_trip() {
    let conditions =
        Conditions { rate: 8e6, round_trip: Duration::from_millis(10), loss: 0.0, queue: 10_000 };
    let [mut near, far] = Relay::ends(conditions, 1);
    for _ in 0..2 {
        Link::transmit(&mut near, Instant::ZERO, &[0; 1000]).unwrap();
    }
    // A byte takes a microsecond.
    assert_eq!(far.arrival(), Some(Instant::from_micros(6000)));
    assert_eq!(frames(&far, Instant::from_micros(5999)), 0);
    assert_eq!(frames(&far, Instant::from_micros(6000)), 1);
    assert_eq!(frames(&far, Instant::from_micros(6999)), 0);
    assert_eq!(frames(&far, Instant::from_micros(7000)), 1);
    assert_eq!(near.arrival(), None);
}

#[test]
fn a_relay_loses_what_its_queue_has_no_room_for() {
    let conditions = Conditions { rate: 8e6, round_trip: Duration::ZERO, loss: 0.0, queue: 3000 };
    let [mut near, far] = Relay::ends(conditions, 1);
    for _ in 0..10 {
        Link::transmit(&mut near, Instant::ZERO, &[0; 1000]).unwrap();
    }
    // With 3000 bytes waiting there is still a place, with 4000 there is none.
    assert_eq!(frames(&far, Instant::from_secs(1)), 4);
}

#[test]
fn a_seed_decides_which_frames_a_relay_loses() {
    let conditions =
        Conditions { rate: 1e9, round_trip: Duration::ZERO, loss: 0.1, queue: 1 << 20 };
    let lost = |seed| {
        let [mut near, far] = Relay::ends(conditions, seed);
        let sent = (0..500).map(|_| {
            Link::transmit(&mut near, Instant::ZERO, &[0; 100]).unwrap();
            frames(&far, Instant::from_secs(1)) == 1
        });
        sent.collect::<Vec<bool>>()
    };
    assert_eq!(lost(1), lost(1));
    assert_ne!(lost(1), lost(2));
    let arrived = lost(1).into_iter().filter(|arrived| *arrived).count();
    assert!((420..480).contains(&arrived), "{arrived}");
}

#[test]
fn a_frame_that_is_lost_is_counted_under_one_reason() {
    let mut relay = Relay::new(Conditions { rate: 8e6, loss: 0.5, queue: 3000, ..ALL }, 1);
    for _ in 0..10 {
        relay.send(Instant::ZERO, 0, vec![0; 1000]);
    }
    relay.send(Instant::ZERO, 1, vec![0; 1000]);
    let mut arrived = 0;
    while relay.take(Instant::from_secs(1), 1).is_some() {
        arrived += 1;
    }
    let [Fates { sent, lost, crowded, refused }, other] = relay.fates();
    assert_eq!((sent, crowded, refused), (10, 6, 0));
    assert_eq!(lost + arrived, 4);
    assert!(lost > 0 && arrived > 0, "{lost} {arrived}");
    assert_eq!((other.sent, other.crowded), (1, 0));
}

#[test]
fn what_a_link_does_not_take_is_counted_where_it_came_from() {
    let mut relay = Relay::new(ALL, 1);
    relay.send(Instant::ZERO, 0, vec![0; 100]);
    assert!(relay.take(Instant::from_secs(1), 1).is_some());
    relay.refuse(1);
    let refused = Fates { sent: 1, refused: 1, ..Fates::default() };
    assert_eq!(relay.fates(), [refused, Fates::default()]);
}

/// A frame that is told from others by its number.
fn numbered(number: usize) -> Vec<u8> {
    vec![number as u8; 60 + number]
}

/// The next frame at an end of a wire, for which it waits.
fn next(wire: &mut Wire) -> Vec<u8> {
    let patience = Timespec { tv_sec: 20, tv_nsec: 0 };
    let ready = poll(&mut [PollFd::new(&wire.as_fd(), PollFlags::IN)], Some(&patience));
    assert_eq!(ready, Ok(1), "nothing has come");
    let mut room = [0; 2000];
    let length = wire.receive(Instant::ZERO, &mut room).unwrap().unwrap();
    room[..length].to_vec()
}

#[test]
fn a_wire_keeps_frames_apart_and_in_order() {
    let [mut near, mut far] = Wire::pair().unwrap();
    let mut room = [0; 2000];
    assert_eq!(far.receive(Instant::ZERO, &mut room), Ok(None));
    for number in 0..3 {
        near.transmit(Instant::ZERO, &numbered(number)).unwrap();
    }
    far.transmit(Instant::ZERO, &numbered(9)).unwrap();
    for number in 0..3 {
        assert_eq!(next(&mut far), numbered(number));
    }
    assert_eq!(far.receive(Instant::ZERO, &mut room), Ok(None));
    assert_eq!(next(&mut near), numbered(9));
}

#[test]
fn a_wire_that_is_full_takes_frames_again_when_some_were_read() {
    let [mut near, mut far] = Wire::pair().unwrap();
    let frame = [0; HEADER + MTU];
    let mut taken = 0;
    while near.transmit(Instant::ZERO, &frame).is_ok() {
        taken += 1;
        assert!(taken < 1_000_000, "it has no end");
    }
    assert!(taken > 0);
    assert_eq!(near.transmit(Instant::ZERO, &frame), Err(LinkError::Busy));
    for _ in 0..taken {
        assert_eq!(next(&mut far).len(), frame.len());
    }
    assert_eq!(near.transmit(Instant::ZERO, &frame), Ok(()));
}

#[test]
fn a_wire_whose_other_end_is_gone_is_down_behind_what_was_sent() {
    let [mut near, mut far] = Wire::pair().unwrap();
    near.transmit(Instant::ZERO, &numbered(1)).unwrap();
    drop(near);
    assert_eq!(next(&mut far), numbered(1));
    let mut room = [0; 2000];
    assert!(far.is_up() && !far.is_gone());
    assert_eq!(far.receive(Instant::ZERO, &mut room), Err(LinkError::Down));
    assert!(!far.is_up() && far.is_gone());
    assert_eq!(far.transmit(Instant::ZERO, &numbered(1)), Err(LinkError::Down));
}

#[test]
fn a_wire_is_also_gone_for_who_only_sends() {
    let [mut near, far] = Wire::pair().unwrap();
    near.transmit(Instant::ZERO, &numbered(1)).unwrap();
    drop(far);
    assert!(!near.is_gone());
    assert_eq!(near.transmit(Instant::ZERO, &numbered(1)), Err(LinkError::Down));
    assert!(near.is_gone());
}

/// A relay by the clock, and the ends of the wires to it.
fn live(conditions: Conditions, seed: u64) -> (Live, [Wire; 2]) {
    let [left, near] = Wire::pair().unwrap();
    let [right, far] = Wire::pair().unwrap();
    let ports = [near, far].map(|wire| Port::new(wire).unwrap());
    (Live::start(conditions, seed, ports).unwrap(), [left, right])
}

#[test]
fn by_the_clock_those_frames_are_lost_that_are_in_virtual_time() {
    let conditions = Conditions { loss: 0.3, ..ALL };
    for side in [0, 1] {
        let mut model = Relay::new(conditions, 5);
        let mut survivors = Vec::new();
        for number in 0..100 {
            model.send(Instant::ZERO, side, numbered(number));
            if model.take(Instant::from_secs(1), 1 - side).is_some() {
                survivors.push(number);
            }
        }
        let last = *survivors.last().unwrap();
        assert!((60..80).contains(&survivors.len()), "{survivors:?}");
        let (relay, mut wires) = live(conditions, 5);
        for number in 0..=last {
            wires[side].transmit(Instant::ZERO, &numbered(number)).unwrap();
        }
        for number in &survivors {
            assert_eq!(next(&mut wires[1 - side]), numbered(*number));
        }
        let sent = last as u64 + 1;
        let lost = sent - survivors.len() as u64;
        let mut fates = [Fates::default(); 2];
        fates[side] = Fates { sent, lost, ..Fates::default() };
        assert_eq!(relay.end(), Ok(fates));
    }
}

#[test]
fn a_relay_by_the_clock_holds_frames_back() {
    // Far more than a test takes: what has come by the end has not waited for its time.
    let conditions = Conditions { round_trip: Duration::from_secs(7200), ..ALL };
    let [mut left, near] = Wire::pair().unwrap();
    let [mut right, far] = Wire::pair().unwrap();
    let untaken = near.as_fd().try_clone_to_owned().unwrap();
    left.transmit(Instant::ZERO, &numbered(1)).unwrap();
    let ports = [near, far].map(|wire| Port::new(wire).unwrap());
    let relay = Live::start(conditions, 1, ports).unwrap();
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    while poll(&mut [PollFd::new(&untaken, PollFlags::IN)], Some(&now)) == Ok(1) {
        thread::yield_now();
    }
    let held = Fates { sent: 1, ..Fates::default() };
    assert_eq!(relay.end(), Ok([held, Fates::default()]));
    let mut room = [0; 2000];
    assert_eq!(right.receive(Instant::ZERO, &mut room), Err(LinkError::Down));
}

/// Waits until the relay has let this end go.
fn let_go(end: &mut Wire) {
    let patience = Timespec { tv_sec: 20, tv_nsec: 0 };
    let ready = poll(&mut [PollFd::new(&end.as_fd(), PollFlags::IN)], Some(&patience));
    assert_eq!(ready, Ok(1));
    assert_eq!(end.receive(Instant::ZERO, &mut [0; 2000]), Err(LinkError::Down));
}

#[test]
fn a_relay_whose_link_is_gone_says_so_and_lets_the_other_go() {
    let (relay, [left, mut right]) = live(ALL, 1);
    drop(left);
    let_go(&mut right);
    assert_eq!(
        relay.end().unwrap_err().to_string(),
        "a link of the relay is down: its device was taken away, or its stack has ended"
    );
}

#[test]
fn a_relay_takes_a_whole_packet_and_refuses_more_than_one() {
    let (relay, [mut left, mut right]) = live(ALL, 1);
    left.transmit(Instant::ZERO, &[7; HEADER + MTU]).unwrap();
    assert_eq!(next(&mut right), [7; HEADER + MTU]);
    left.transmit(Instant::ZERO, &[7; HEADER + MTU + 1]).unwrap();
    let_go(&mut right);
    assert_eq!(
        relay.end().unwrap_err().to_string(),
        "a frame of more than 1514 bytes came to the relay, where each is to be one packet; the \
         device must not offload"
    );
}
