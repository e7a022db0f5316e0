use super::*;
use crate::sim::{Repeat, Stepped};

#[test]
fn an_empty_world_is_idle_at_zero() {
    let world = World::new(1);
    assert_eq!(world.step(), Stepped::Idle);
    assert_eq!(world.now(), Instant::ZERO);
}

#[test]
fn actors_run_in_the_order_of_time_and_then_of_registration() {
    let world = World::new(1);
    let notes = Notes::default();
    world.at(Instant::from_secs(2), notes.actor("late"));
    world.at(Instant::from_secs(1), notes.actor("first"));
    world.at(Instant::from_secs(1), notes.actor("second"));
    world.after(us(500), notes.actor("soon"));
    assert_eq!(world.run_while(|_| true), Stepped::Idle);
    assert_eq!(notes.all(), ["soon", "first", "second", "late"]);
    assert_eq!(world.now(), Instant::from_secs(2));
}

#[test]
fn one_step_runs_one_actor() {
    let world = World::new(1);
    let notes = Notes::default();
    world.at(Instant::ZERO, notes.actor("one"));
    world.at(Instant::ZERO, notes.actor("two"));
    assert_eq!(world.step(), Stepped::Progressed);
    assert_eq!(notes.all(), ["one"]);
}

#[test]
fn a_time_that_has_passed_is_now() {
    let world = World::new(1);
    let notes = Notes::default();
    world.run_until(Instant::from_secs(5));
    world.at(Instant::from_secs(1), notes.actor("late"));
    assert_eq!(world.step(), Stepped::Progressed);
    assert_eq!(notes.all(), ["late"]);
    assert_eq!(world.now(), Instant::from_secs(5));
}

#[test]
fn the_clock_stops_at_the_limit() {
    let world = World::new(1);
    let notes = Notes::default();
    world.at(Instant::from_secs(1), notes.actor("at the limit"));
    world.at(at(1_000_001), notes.actor("behind the limit"));
    world.run_until(Instant::from_secs(1));
    assert_eq!(notes.all(), ["at the limit"]);
    assert_eq!(world.now(), Instant::from_secs(1));
    assert_eq!(world.step_until(Instant::from_secs(1)), Stepped::Idle);
    world.run_for(us(1));
    assert_eq!(notes.all(), ["at the limit", "behind the limit"]);
}

#[test]
fn a_wait_with_nothing_to_come_ends_at_its_limit() {
    let world = World::new(1);
    let limit = Instant::from_secs(7);
    assert_eq!(world.step_until(limit), Stepped::Progressed);
    assert_eq!(world.now(), limit);
    assert_eq!(world.step_until(limit), Stepped::Idle);
}

#[test]
fn a_repeating_actor_keeps_its_period_until_it_stops() {
    let world = World::new(1);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    world.every(at(10), us(100), move |world| {
        let mut log = log.lock().unwrap();
        log.push(world.now().total_micros());
        if log.len() == 3 { Repeat::Stop } else { Repeat::Again }
    });
    assert_eq!(world.run_while(|_| true), Stepped::Idle);
    assert_eq!(*seen.lock().unwrap(), [10, 110, 210]);
}

#[test]
fn a_period_of_zero_lets_time_move() {
    let world = World::new(1);
    world.every(Instant::ZERO, Duration::ZERO, |_| Repeat::Again);
    world.run_until(at(10));
    assert_eq!(world.now(), at(10));
}

#[test]
fn an_actor_may_step_the_world_itself() {
    let world = World::new(1);
    let notes = Notes::default();
    let outer = notes.clone();
    world.at(Instant::from_secs(1), move |world| {
        outer.note("blocks");
        world.run_until(Instant::from_secs(3));
        outer.note("unblocked");
    });
    let inner = notes.clone();
    world.at(Instant::from_secs(2), move |world| {
        inner.note("in between");
        world.after(us(1), inner.actor("registered in between"));
    });
    world.at(Instant::from_secs(4), notes.actor("after all"));
    world.run_until(Instant::from_secs(2));
    assert_eq!(notes.all(), ["blocks", "in between", "registered in between", "unblocked"]);
    // The actor went beyond the limit of the run that called it; time does not go back.
    assert_eq!(world.now(), Instant::from_secs(3));
    assert_eq!(world.run_while(|_| true), Stepped::Idle);
    assert_eq!(notes.all().last(), Some(&"after all"));
}

#[test]
fn frames_and_timers_of_an_instant_come_before_its_actors() {
    let world = World::new(1);
    let notes = Notes::default();
    let (_, log) = probe(&world, []);
    // 50 us to the switch and 50 us from it.
    probe(&world, [(Instant::ZERO, frame(1, 2, 60))]);
    let order = notes.clone();
    world.at(at(100), move |_| {
        assert_eq!(log.lock().unwrap().len(), 1);
        order.note("ran");
    });
    assert_eq!(world.run_while(|_| true), Stepped::Idle);
    assert_eq!(notes.all(), ["ran"]);
}

#[test]
fn run_while_tells_what_ended_it() {
    let world = World::new(1);
    world.at(Instant::from_secs(1), |_| {});
    let second = Instant::from_secs(1);
    assert_eq!(world.run_while(|world| world.now() < second), Stepped::Progressed);
    assert_eq!(world.run_while(|_| true), Stepped::Idle);
}

#[test]
fn handles_may_go_to_other_threads() {
    fn check<T: Send + Sync + Clone>() {}
    check::<World>();
    check::<crate::sim::Host>();
    let world = World::new(1);
    let clone = world.clone();
    std::thread::spawn(move || clone.run_until(Instant::from_secs(1))).join().unwrap();
    assert_eq!(world.now(), Instant::from_secs(1));
}

#[test]
fn a_dropped_world_frees_its_parties() {
    struct Dropped(Arc<Mutex<bool>>);
    impl Device for Dropped {
        fn receive(&mut self, _: Instant, _: &[u8], _: &mut dyn FnMut(&[u8])) {}
    }
    impl Drop for Dropped {
        fn drop(&mut self) {
            *self.0.lock().unwrap() = true;
        }
    }
    let dropped = Arc::new(Mutex::new(false));
    let world = World::new(1);
    world.device(Dropped(dropped.clone()));
    drop(world);
    assert!(*dropped.lock().unwrap());
}
