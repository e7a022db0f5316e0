use super::*;
use crate::link::Direction;
use crate::sim::{CableCounters, Conditions, Stepped, Verdict};

/// `count` numbered frames from station 1 to station 2, ten microseconds apart, over a cable of
/// these conditions and a good one.
fn send(seed: u64, conditions: Conditions, count: u16) -> (World, PortId, Log) {
    let world = World::new(seed);
    let frames = (0..count).map(|number| (at(i64::from(number) * 10), numbered(2, 1, number)));
    let (sender, _) = probe(&world, frames);
    let (_, log) = probe(&world, []);
    world.set_conditions(sender, conditions);
    assert_eq!(world.run_while(|_| true), Stepped::Idle);
    (world, sender, log)
}

fn outbound(world: &World, port: PortId) -> CableCounters {
    world.counters(port, Direction::Outbound)
}

#[test]
fn delays_of_both_cables_add_up() {
    let (_, _, log) = send(1, Conditions { delay: us(1000), ..Conditions::GOOD }, 2);
    assert_eq!(times(&log), [1050, 1060]);
}

#[test]
fn no_cable_is_without_delay() {
    let (_, _, log) = send(1, Conditions { delay: Duration::ZERO, ..Conditions::GOOD }, 1);
    assert_eq!(times(&log), [51]);
}

#[test]
fn all_none_and_some_of_the_frames_are_lost() {
    for (loss, least, most) in [(0.0, 1000, 1000), (1.0, 0, 0), (0.1, 850, 950)] {
        let (world, sender, log) = send(1, Conditions { loss, ..Conditions::GOOD }, 1000);
        let arrived = log.lock().unwrap().len();
        assert!((least..=most).contains(&arrived), "{loss}: {arrived}");
        let counters = outbound(&world, sender);
        assert_eq!(counters.entered, 1000);
        assert_eq!(counters.arrived, arrived as u64);
        assert_eq!(counters.lost, 1000 - arrived as u64);
    }
}

#[test]
fn duplicates_arrive_twice() {
    let (world, sender, log) = send(1, Conditions { duplicate: 1.0, ..Conditions::GOOD }, 3);
    assert_eq!(numbers(&log), [0, 0, 1, 1, 2, 2]);
    assert_eq!(outbound(&world, sender).duplicated, 3);
}

#[test]
fn frames_held_back_are_overtaken() {
    let conditions = Conditions { reorder: 0.2, reorder_by: us(35), ..Conditions::GOOD };
    let (world, sender, log) = send(3, conditions, 100);
    let mut arrived = numbers(&log);
    assert!(!arrived.is_sorted(), "{arrived:?}");
    assert!((5..=40).contains(&outbound(&world, sender).reordered));
    // Three later frames can overtake in 35 us, and nothing is lost.
    for (place, number) in arrived.iter().enumerate() {
        assert!(place.abs_diff(usize::from(*number)) <= 3 + 3, "{arrived:?}");
    }
    arrived.sort_unstable();
    assert_eq!(arrived, (0..100).collect::<Vec<_>>());
}

#[test]
fn jitter_spreads_frames_and_keeps_their_order() {
    let (_, _, log) = send(1, Conditions { jitter: us(500), ..Conditions::GOOD }, 100);
    assert!(numbers(&log).is_sorted());
    let times = times(&log);
    assert!(times[99] > 990 + 100, "{}", times[99]);
    assert!(times.iter().zip(0..).all(|(time, number)| *time <= number * 10 + 100 + 990 + 500));
}

#[test]
fn a_slow_cable_takes_its_time_for_each_bit() {
    // 16 bytes at 128 kbit/s are a millisecond.
    let (_, _, log) = send(1, Conditions { rate: Some(128_000), ..Conditions::GOOD }, 3);
    assert_eq!(times(&log), [1100, 2100, 3100]);
}

#[test]
fn a_full_cable_drops_what_comes_last() {
    let conditions = Conditions { rate: Some(128_000), capacity: 5, ..Conditions::GOOD };
    let (world, sender, log) = send(1, conditions, 20);
    assert_eq!(numbers(&log), [0, 1, 2, 3, 4]);
    assert_eq!(outbound(&world, sender).overflowed, 15);
}

#[test]
fn frames_beyond_the_mtu_are_lost() {
    let world = World::new(1);
    let frames = [1514, 1518, 1519].map(|length| (Instant::ZERO, frame(2, 1, length)));
    let (sender, _) = probe(&world, frames);
    let (_, log) = probe(&world, []);
    assert_eq!(world.run_while(|_| true), Stepped::Idle);
    let lengths: Vec<usize> = log.lock().unwrap().iter().map(|(_, frame)| frame.len()).collect();
    assert_eq!(lengths, [1514, 1518]);
    assert_eq!(outbound(&world, sender).oversized, 1);
}

#[test]
fn an_unplugged_cable_loses_what_is_on_it() {
    let world = World::new(1);
    let (sender, _) = probe(&world, [10, 200, 400].map(|time| (at(time), numbered(2, 1, 0))));
    let (receiver, log) = probe(&world, []);
    world.at(at(50), move |world| world.set_link_up(receiver, false));
    world.at(at(300), move |world| world.set_link_up(receiver, true));
    assert_eq!(world.run_while(|_| true), Stepped::Idle);
    // The first is on its way when the cable goes; the second finds none; the third arrives.
    assert_eq!(times(&log), [500]);
    assert_eq!(outbound(&world, sender).arrived, 3);
    let inbound = world.counters(receiver, Direction::Inbound);
    assert_eq!((inbound.entered, inbound.arrived, inbound.unplugged), (1, 1, 0));
}

#[test]
fn frames_between_the_switch_and_an_unplugged_party_are_counted() {
    let world = World::new(1);
    probe(&world, [(Instant::ZERO, numbered(2, 1, 0))]);
    let (receiver, log) = probe(&world, []);
    world.at(at(75), move |world| world.set_link_up(receiver, false));
    assert_eq!(world.run_while(|_| true), Stepped::Idle);
    assert!(times(&log).is_empty());
    assert_eq!(world.counters(receiver, Direction::Inbound).unplugged, 1);
}

#[test]
fn the_switch_learns() {
    let world = World::new(1);
    let (_, first) = probe(&world, [(at(0), numbered(2, 1, 1)), (at(2000), numbered(2, 1, 3))]);
    let (_, second) = probe(&world, [(at(1000), numbered(1, 2, 2))]);
    let (_, third) = probe(&world, []);
    assert_eq!(world.run_while(|_| true), Stepped::Idle);
    assert_eq!(numbers(&first), [2]);
    assert_eq!(numbers(&second), [1, 3]);
    assert_eq!(numbers(&third), [1], "flooded only before station 2 was known");
}

#[test]
fn a_filter_decides_at_the_end_of_the_party() {
    let world = World::new(1);
    let frames = (0..6).map(|number| (at(i64::from(number) * 10), numbered(2, 1, number)));
    let (sender, _) = probe(&world, frames);
    let (receiver, log) = probe(&world, []);
    world.set_filter(sender, |frame, direction| {
        assert_eq!(direction, Direction::Outbound);
        match frame[15] {
            0 => Verdict::Drop,
            1 => Verdict::Delay(us(1000)),
            2 => Verdict::Replace(numbered(2, 1, 22)),
            3 => Verdict::Duplicate,
            _ => Verdict::Pass,
        }
    });
    world.set_filter(receiver, |frame, direction| {
        assert_eq!(direction, Direction::Inbound);
        match frame[15] {
            4 => Verdict::Drop,
            5 => Verdict::Delay(us(2000)),
            _ => Verdict::Pass,
        }
    });
    assert_eq!(world.run_while(|_| true), Stepped::Idle);
    assert_eq!(numbers(&log), [22, 3, 3, 1, 5]);
    assert_eq!(times(&log), [120, 130, 130, 1110, 2150]);
    assert_eq!(outbound(&world, sender).filtered, 1);
    assert_eq!(world.counters(receiver, Direction::Inbound).filtered, 1);
}

#[test]
fn every_verdict_works_inbound() {
    let world = World::new(1);
    probe(&world, (0..4).map(|number| (at(i64::from(number) * 10), numbered(2, 1, number))));
    let (receiver, log) = probe(&world, []);
    let (reader, clock) = (Notes::default(), world.clone());
    let notes = reader.clone();
    world.set_filter(receiver, move |frame, _| {
        // The world may be asked and given actors from here.
        clock.at(clock.now(), notes.actor("seen"));
        match frame[15] {
            0 => Verdict::Replace(numbered(2, 1, 9)),
            1 => Verdict::Duplicate,
            2 => Verdict::Drop,
            _ => Verdict::Pass,
        }
    });
    assert_eq!(world.run_while(|_| true), Stepped::Idle);
    assert_eq!(numbers(&log), [9, 1, 1, 3]);
    assert_eq!(reader.all().len(), 4);
    // The world and its filter hold each other.
    world.clear_filter(receiver);
}

#[test]
fn an_injected_frame_passes_conditions_and_filter_by() {
    let world = World::new(1);
    let (receiver, log) = probe(&world, []);
    world.set_conditions(receiver, Conditions { loss: 1.0, ..Conditions::GOOD });
    world.set_filter(receiver, |_, _| Verdict::Drop);
    world.inject(receiver, &numbered(2, 1, 7));
    assert_eq!(world.run_while(|_| true), Stepped::Idle);
    assert_eq!(numbers(&log), [7]);
    assert_eq!(times(&log), [0]);
}

#[test]
fn the_seed_alone_decides() {
    let bad =
        Conditions { jitter: us(300), loss: 0.2, duplicate: 0.2, reorder: 0.2, ..Conditions::GOOD };
    let run = |seed| {
        let (_, _, log) = send(seed, bad, 200);
        log.lock().unwrap().clone()
    };
    assert_eq!(run(5), run(5));
    assert_ne!(run(5), run(6));
}

#[test]
fn one_probability_does_not_shift_another() {
    let run = |duplicate| {
        let (_, _, log) = send(5, Conditions { loss: 0.2, duplicate, ..Conditions::GOOD }, 200);
        let mut numbers = numbers(&log);
        numbers.dedup();
        numbers
    };
    assert_eq!(run(0.0), run(0.5));
}

#[test]
fn the_cables_have_streams_of_their_own() {
    let lossy = Conditions { loss: 0.5, ..Conditions::GOOD };
    let survivors = |noise: u16| {
        let world = World::new(9);
        let (sender, _) =
            probe(&world, (0..100).map(|n| (at(i64::from(n) * 10), numbered(2, 1, n))));
        let (_, log) = probe(&world, []);
        let (third, _) = probe(&world, (0..noise).map(|n| (at(i64::from(n)), numbered(2, 3, n))));
        world.set_conditions(sender, lossy);
        world.set_conditions(third, Conditions { loss: 1.0, ..Conditions::GOOD });
        assert_eq!(world.run_while(|_| true), Stepped::Idle);
        numbers(&log)
    };
    assert_eq!(survivors(0), survivors(50));
}

#[test]
fn frames_in_a_circle_do_not_stop_the_clock() {
    /// Sends back whatever arrives, to the one who sent it.
    struct Mirror;
    impl Device for Mirror {
        fn receive(&mut self, _: Instant, frame: &[u8], send: &mut dyn FnMut(&[u8])) {
            let mut frame = frame.to_vec();
            let (to, from) = frame[..12].split_at_mut(6);
            to.swap_with_slice(from);
            send(&frame);
        }
    }
    let world = World::new(1);
    let instant = Conditions { delay: Duration::ZERO, ..Conditions::GOOD };
    for _ in 0..2 {
        let port = world.device(Mirror);
        world.set_conditions(port, instant);
    }
    world.inject(PortId(0), &frame(2, 1, 60));
    world.run_until(at(1000));
    assert_eq!(world.now(), at(1000));
}

#[test]
fn extreme_conditions_do_no_harm() {
    let forever = Duration::MAX;
    let conditions = Conditions {
        delay: forever,
        jitter: forever,
        rate: Some(0),
        loss: f64::NAN,
        duplicate: f64::INFINITY,
        reorder: 1.0,
        reorder_by: forever,
        capacity: usize::MAX,
        mtu: usize::MAX,
    };
    let (world, sender, log) = send(1, conditions, 3);
    assert_eq!(world.conditions(sender).mtu, 65535);
    assert_eq!(numbers(&log).len(), 6, "at the end of time");
    world.after(forever, |_| {});
    world.run_for(forever);
}

#[test]
fn a_port_of_another_world_is_no_port() {
    let world = World::new(1);
    let (port, _) = probe(&world, []);
    let other = World::new(1);
    other.set_conditions(port, Conditions::GOOD);
    other.set_link_up(port, false);
    other.set_filter(port, |_, _| Verdict::Drop);
    other.clear_filter(port);
    other.inject(port, &frame(2, 1, 60));
    assert_eq!(other.conditions(port), Conditions::GOOD);
    assert_eq!(other.counters(port, Direction::Inbound), CableCounters::default());
    assert_eq!(other.step(), Stepped::Idle);
}

#[test]
fn a_filter_that_holds_the_world_can_be_cleared() {
    let world = World::new(1);
    let (port, _) = probe(&world, []);
    let held = world.clone();
    world.set_filter(port, move |_, _| {
        let _ = held.now();
        Verdict::Pass
    });
    world.clear_filter(port);
    assert_eq!(Arc::strong_count(&world.core), 1);
}
