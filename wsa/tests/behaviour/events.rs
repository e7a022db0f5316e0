//! Event objects, and waiting for them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use wsa::engine::stepped::as_thread;
use wsa::{Alertable, EventHandle, EventKind, Result, Signal, SocketHandle, WaitFor};

use super::scene::*;

const FOR_EVER: u32 = 0xFFFF_FFFF;

fn auto(process: &Wsa) -> EventHandle {
    process.create_event(EventKind::AutoReset, Signal::Unset).unwrap()
}

/// Which of them is signalled, without waiting.
fn any(process: &Wsa, events: &[EventHandle]) -> Result<u32> {
    process.wsa_wait_for_multiple_events(events, WaitFor::Any, 0, Alertable::No)
}

fn all(process: &Wsa, events: &[EventHandle]) -> Result<u32> {
    process.wsa_wait_for_multiple_events(events, WaitFor::All, 0, Alertable::No)
}

#[test]
fn a_created_event_is_unset_and_stays_set_until_it_is_reset() {
    let scene = Scene::documented();
    let client = &scene.client;
    let event = client.wsa_create_event().unwrap();
    assert_eq!(client.wait_for_single(event, 0), Ok(258));
    client.wsa_set_event(event).unwrap();
    assert_eq!(client.wait_for_single(event, 0), Ok(0));
    assert_eq!(client.wait_for_single(event, FOR_EVER), Ok(0));
    client.wsa_reset_event(event).unwrap();
    assert_eq!(client.wait_for_single(event, 0), Ok(258));
    client.wsa_close_event(event).unwrap();
    assert_eq!(client.wsa_get_last_error(), 0);
}

#[test]
fn an_event_may_be_created_set() {
    let scene = Scene::documented();
    let client = &scene.client;
    let manual = client.create_event(EventKind::ManualReset, Signal::Set).unwrap();
    let auto = client.create_event(EventKind::AutoReset, Signal::Set).unwrap();
    assert_eq!([0, 0].map(|_| client.wait_for_single(manual, 0).unwrap()), [0, 0]);
    assert_eq!([0, 0].map(|_| client.wait_for_single(auto, 0).unwrap()), [0, 258]);
}

#[test]
fn handles_that_mean_nothing_are_invalid() {
    let scene = Scene::documented();
    let client = &scene.client;
    let closed = client.wsa_create_event().unwrap();
    client.wsa_close_event(closed).unwrap();
    let socket = EventHandle::from_raw(tcp(client).raw());
    for event in [EventHandle::INVALID, EventHandle::from_raw(usize::MAX), closed, socket] {
        assert_eq!(code(client.wsa_set_event(event)), 6, "{event}");
        assert_eq!(code(client.wsa_reset_event(event)), 6, "{event}");
        assert_eq!(code(client.wsa_close_event(event)), 6, "{event}");
        assert_eq!(code(client.wait_for_single(event, 0)), 6, "{event}");
        assert_eq!(client.wsa_get_last_error(), 6);
    }
}

#[test]
fn handles_of_events_and_sockets_are_never_equal() {
    let scene = Scene::documented();
    let client = &scene.client;
    let mut given = Vec::new();
    for _ in 0..500 {
        let (event, socket) = (client.wsa_create_event().unwrap(), udp(client));
        given.extend([event.raw(), socket.raw()]);
        // An event's handle is no socket's.
        assert_eq!(code(client.closesocket(SocketHandle::from_raw(event.raw()))), 10038);
    }
    assert!(given.iter().all(|raw| raw % 4 == 0 && *raw > 0 && i32::try_from(*raw).is_ok()));
    given.sort_unstable();
    given.dedup();
    assert_eq!(given.len(), 1000);
}

#[test]
fn a_closed_handle_does_not_come_to_mean_the_next_event() {
    let scene = Scene::documented();
    let client = &scene.client;
    let first = client.wsa_create_event().unwrap();
    client.wsa_close_event(first).unwrap();
    let second = client.wsa_create_event().unwrap();
    assert_ne!(first, second);
    assert_eq!(code(client.wsa_set_event(first)), 6);
    assert_eq!(client.wait_for_single(second, 0), Ok(258));
}

#[test]
fn the_table_of_events_ends_at_65536() {
    let scene = Scene::documented();
    let client = &scene.client;
    let events: Vec<_> = (0..65_536).map(|_| client.wsa_create_event().unwrap()).collect();
    assert_eq!(code(client.wsa_create_event()), 8);
    assert_eq!(code(client.create_event(EventKind::AutoReset, Signal::Set)), 8);
    // Sockets have handles of their own, and a closed event makes room.
    tcp(client);
    client.wsa_close_event(events[77]).unwrap();
    client.wsa_create_event().unwrap();
}

#[test]
fn events_need_a_startup_and_outlive_the_cleanup() {
    let scene = Scene::documented();
    let client = &scene.client;
    let event = client.wsa_create_event().unwrap();
    client.wsa_set_event(event).unwrap();
    client.wsa_cleanup().unwrap();
    assert_eq!(code(client.wsa_create_event()), 10093);
    assert_eq!(code(client.wsa_set_event(event)), 10093);
    assert_eq!(code(client.wsa_reset_event(event)), 10093);
    assert_eq!(code(client.wsa_close_event(event)), 10093);
    assert_eq!(code(any(client, &[])), 10093);
    assert_eq!(client.wsa_startup(0x0202).0, 0);
    assert_eq!(client.wait_for_single(event, 0), Ok(0));
}

#[test]
fn one_to_64_events_may_be_waited_for() {
    let scene = Scene::documented();
    let client = &scene.client;
    let events: Vec<_> = (0..65).map(|_| client.wsa_create_event().unwrap()).collect();
    client.wsa_set_event(events[63]).unwrap();
    assert_eq!(any(client, &events[..64]), Ok(63));
    assert_eq!(code(any(client, &events)), 87);
    assert_eq!(code(any(client, &[])), 87);
    assert_eq!(code(all(client, &[])), 87);
    assert_eq!(any(client, &events[63..64]), Ok(0));
}

#[test]
fn the_lowest_index_counts_and_only_its_signal_is_taken() {
    let scene = Scene::documented();
    let client = &scene.client;
    let events = [auto(client), auto(client), auto(client)];
    client.wsa_set_event(events[2]).unwrap();
    client.wsa_set_event(events[1]).unwrap();
    assert_eq!(any(client, &events), Ok(1));
    assert_eq!(any(client, &events), Ok(2));
    assert_eq!(any(client, &events), Ok(258));
}

#[test]
fn a_wait_for_all_takes_all_signals_or_none() {
    let scene = Scene::documented();
    let client = &scene.client;
    let manual = client.wsa_create_event().unwrap();
    let events = [auto(client), manual, auto(client)];
    client.wsa_set_event(events[0]).unwrap();
    client.wsa_set_event(manual).unwrap();
    assert_eq!(all(client, &events), Ok(258));
    // Nothing was taken.
    assert_eq!(any(client, &events[..1]), Ok(0));
    client.wsa_set_event(events[0]).unwrap();
    client.wsa_set_event(events[2]).unwrap();
    assert_eq!(all(client, &events), Ok(0));
    assert_eq!(any(client, &events), Ok(1));
    assert_eq!([events[0], events[2]].map(|event| any(client, &[event]).unwrap()), [258, 258]);
}

#[test]
fn a_wait_for_all_lasts_until_the_last_is_set() {
    let scene = Scene::documented();
    let client = &scene.client;
    let events = [auto(client), auto(client)];
    for (millis, event) in [(1000, events[1]), (2000, events[0])] {
        let setter = client.clone();
        scene.at(millis, move |_| as_thread(2, || setter.wsa_set_event(event).unwrap()));
    }
    let waited =
        client.wsa_wait_for_multiple_events(&events, WaitFor::All, FOR_EVER, Alertable::No);
    assert_eq!(waited, Ok(0));
    assert_eq!(scene.world.now().total_millis(), 2000);
}

#[test]
fn a_timeout_is_258_and_no_failure() {
    let scene = Scene::documented();
    let client = &scene.client;
    let event = client.wsa_create_event().unwrap();
    assert_eq!(client.wait_for_single(event, 1234), Ok(258));
    assert_eq!(client.wsa_get_last_error(), 0);
    assert_eq!(scene.world.now().total_millis(), 1234);
    // The longest that has an end.
    assert_eq!(client.wait_for_single(event, 0xFFFF_FFFE), Ok(258));
    assert_eq!(scene.world.now().total_millis(), 1234 + 0xFFFF_FFFE);
    // Nobody will ever set it.
    assert_eq!(code(client.wait_for_single(event, FOR_EVER)), 10004);
}

#[test]
fn an_event_closed_during_the_wait_ends_it() {
    let scene = Scene::documented();
    let client = &scene.client;
    let events = [client.wsa_create_event().unwrap(), client.wsa_create_event().unwrap()];
    let closer = client.clone();
    scene.at(500, move |_| as_thread(2, || closer.wsa_close_event(events[1]).unwrap()));
    let waited =
        client.wsa_wait_for_multiple_events(&events, WaitFor::Any, FOR_EVER, Alertable::No);
    assert_eq!(code(waited), 6);
    assert_eq!(scene.world.now().total_millis(), 500);
}

#[test]
fn a_set_that_is_reset_at_once_still_lets_go_who_waited() {
    let scene = Scene::documented();
    let client = &scene.client;
    let event = client.wsa_create_event().unwrap();
    let pulse = client.clone();
    scene.at(500, move |_| {
        as_thread(2, || {
            pulse.wsa_set_event(event).unwrap();
            pulse.wsa_reset_event(event).unwrap();
        });
    });
    assert_eq!(client.wait_for_single(event, 1000), Ok(0));
    assert_eq!(scene.world.now().total_millis(), 500);
    // Who comes later finds it reset.
    assert_eq!(client.wait_for_single(event, 1000), Ok(258));
    // An auto-reset event lets go one of those that look while it is set, and nobody did.
    let event = auto(client);
    let pulse = client.clone();
    scene.at(1600, move |_| {
        as_thread(2, || {
            pulse.wsa_set_event(event).unwrap();
            pulse.wsa_reset_event(event).unwrap();
        });
    });
    assert_eq!(client.wait_for_single(event, 1000), Ok(258));
}

#[test]
fn an_apc_ends_an_alertable_wait_and_no_other() {
    let scene = Scene::documented();
    let client = &scene.client;
    let event = client.wsa_create_event().unwrap();
    let ran = Arc::new(AtomicUsize::new(0));
    let queue = |process: &Wsa, thread| {
        let ran = Arc::clone(&ran);
        let apc = move || _ = ran.fetch_add(1, Ordering::Relaxed);
        assert!(process.queue_user_apc(thread, Box::new(apc)));
    };
    let (me, other) = (client.thread(), client.clone());
    queue(client, me);
    queue(client, me);
    // A wait that is not alertable leaves it where it is.
    assert_eq!(client.wait_for_single(event, 100), Ok(258));
    assert_eq!(ran.load(Ordering::Relaxed), 0);
    let wait = |timeout| {
        client.wsa_wait_for_multiple_events(&[event], WaitFor::Any, timeout, Alertable::Yes)
    };
    // All that are queued run, also before a timeout of zero.
    assert_eq!(wait(0), Ok(192));
    assert_eq!(client.wsa_get_last_error(), 0);
    assert_eq!(ran.load(Ordering::Relaxed), 2);
    assert_eq!(wait(0), Ok(258));
    // A signal that is there already comes first.
    queue(client, me);
    client.wsa_set_event(event).unwrap();
    assert_eq!(wait(0), Ok(0));
    assert_eq!(ran.load(Ordering::Relaxed), 2);
    client.wsa_reset_event(event).unwrap();
    assert_eq!(wait(FOR_EVER), Ok(192));
    // One that is queued during the wait ends it too.
    let count = Arc::clone(&ran);
    scene.at(5000, move |_| {
        let apc = move || _ = count.fetch_add(1, Ordering::Relaxed);
        assert!(other.queue_user_apc(me, Box::new(apc)));
    });
    assert_eq!(wait(FOR_EVER), Ok(192));
    assert_eq!(scene.world.now().total_millis(), 5000);
    assert_eq!(ran.load(Ordering::Relaxed), 4);
}

#[test]
fn an_apc_may_not_wait_and_one_that_it_queues_runs_in_the_next_wait() {
    let scene = Scene::documented();
    let client = &scene.client;
    let event = client.wsa_create_event().unwrap();
    let me = client.thread();
    let found = Arc::new(Mutex::new(Vec::new()));
    let (process, seen) = (client.clone(), Arc::clone(&found));
    let again = Arc::clone(&found);
    let apc = move || {
        seen.lock().unwrap().push(code(process.wait_for_single(event, 10)));
        seen.lock().unwrap().push(code(process.wait_for_single(event, 0)));
        let next = move || again.lock().unwrap().push(7);
        assert!(process.queue_user_apc(me, Box::new(next)));
    };
    assert!(client.queue_user_apc(me, Box::new(apc)));
    let wait = || client.wsa_wait_for_multiple_events(&[event], WaitFor::Any, 0, Alertable::Yes);
    assert_eq!(wait(), Ok(192));
    assert_eq!(*found.lock().unwrap(), [10036, 0]);
    assert_eq!(wait(), Ok(192));
    assert_eq!(*found.lock().unwrap(), [10036, 0, 7]);
    assert_eq!(wait(), Ok(258));
}

#[test]
fn a_wait_runs_no_blocking_hook() {
    let scene = Scene::version_1_1();
    let client = &scene.client;
    let event = client.wsa_create_event().unwrap();
    let hook = wsa::BlockingHook::new(|| panic!("a wait for an event is no call of version 1.1"));
    client.wsa_set_blocking_hook(hook).unwrap();
    assert_eq!(client.wait_for_single(event, 1000), Ok(258));
}
