//! Many threads in one process: nobody waits for what has happened already.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

use tapsock_stack::time::Duration;
use tapsock_tests::{Kernel, echo};
use wsa::config::{Configuration, LinkChoice};
use wsa::memory::MemoryMut;
use wsa::start::{ThreadedProcess, start};
use wsa::{
    Alertable, Arg, BlockingHook, EventHandle, EventKind, FdSet, MessageHook, Signal, SocketHandle,
    WaitFor, WsaNetworkEvents,
};

const THREADS: usize = 8;
const ROUNDS: u32 = 500;

fn started(link: LinkChoice, version: u16) -> ThreadedProcess {
    let mut configuration = Configuration::default();
    if link == LinkChoice::Loopback {
        configuration.addresses.clear();
    }
    configuration.link = link;
    let process = start(&configuration, None, |_| {}).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(process.wsa_startup(version).0, 0);
    process
}

fn stream(process: &ThreadedProcess, address: SocketAddr) -> SocketHandle {
    let s = process.socket(2, 1, 0).unwrap();
    process.connect_to(s, address).unwrap();
    process.set_option(s, 6, 1, 1).unwrap();
    s
}

fn receive_exactly(process: &ThreadedProcess, s: SocketHandle, buffer: &mut [u8]) {
    let mut filled = 0;
    while filled < buffer.len() {
        let len = process.recv(s, (&mut buffer[filled..]).into(), 0).unwrap();
        assert!(len > 0, "the peer closed");
        filled += len;
    }
}

fn ping(process: &ThreadedProcess, s: SocketHandle) {
    for round in 0..ROUNDS {
        let sent = round.to_le_bytes();
        assert_eq!(process.send(s, (&sent).into(), 0), Ok(4));
        let mut back = [0; 4];
        receive_exactly(process, s, &mut back);
        assert_eq!(back, sent);
    }
    process.closesocket(s).unwrap();
}

#[test]
fn both_ends_of_eight_connections_talk_in_sixteen_threads() {
    let process = Arc::new(started(LinkChoice::Loopback, 0x0202));
    let address: SocketAddr = "127.0.0.1:7".parse().unwrap();
    let listener = process.socket(2, 1, 0).unwrap();
    process.bind_to(listener, address).unwrap();
    process.listen(listener, 16).unwrap();
    let server = {
        let process = Arc::clone(&process);
        thread::spawn(move || {
            let servers: Vec<_> = (0..THREADS)
                .map(|_| {
                    let s = process.accept(listener, MemoryMut::Null, None).unwrap();
                    let process = Arc::clone(&process);
                    thread::spawn(move || {
                        let mut buffer = [0; 64];
                        loop {
                            match process.recv(s, (&mut buffer).into(), 0).unwrap() {
                                0 => break,
                                len => process.send(s, buffer[..len].into(), 0).unwrap(),
                            };
                        }
                        process.closesocket(s).unwrap();
                    })
                })
                .collect();
            for server in servers {
                server.join().unwrap();
            }
        })
    };
    let clients: Vec<_> = (0..THREADS)
        .map(|_| {
            let process = Arc::clone(&process);
            thread::spawn(move || ping(&process, stream(&process, address)))
        })
        .collect();
    for client in clients {
        client.join().unwrap();
    }
    server.join().unwrap();
}

#[test]
fn eight_threads_ping_the_kernel_while_one_selects() {
    let Some(kernel) = Kernel::start() else { return };
    let process = Arc::new(started(LinkChoice::Tap(kernel.device().into()), 0x0202));
    let address = kernel.tcp_server("10.77.0.1:0", echo).address();
    let selected = stream(&process, address);
    let clients: Vec<_> = (0..THREADS)
        .map(|_| {
            let process = Arc::clone(&process);
            thread::spawn(move || ping(&process, stream(&process, address)))
        })
        .collect();
    for _ in 0..50 {
        let mut one = [selected];
        let mut read = FdSet::of(&mut one);
        let ready = process.select(Some(&mut read), None, None, Some(Duration::from_millis(1)));
        assert_eq!(ready, Ok(0));
    }
    process.send(selected, b"x".into(), 0).unwrap();
    let mut one = [selected];
    let mut read = FdSet::of(&mut one);
    assert_eq!(process.select(Some(&mut read), None, None, None), Ok(1));
    for client in clients {
        client.join().unwrap();
    }
}

#[test]
fn closing_a_socket_ends_a_receive_that_blocks_on_it_in_another_thread() {
    let Some(kernel) = Kernel::start() else { return };
    let process = Arc::new(started(LinkChoice::Tap(kernel.device().into()), 0x0202));
    let address = kernel.tcp_server("10.77.0.1:0", echo).address();
    for _ in 0..50 {
        let s = stream(&process, address);
        let blocked = {
            let process = Arc::clone(&process);
            thread::spawn(move || process.recv(s, (&mut [0; 8]).into(), 0))
        };
        process.closesocket(s).unwrap();
        // Either it was inside the call already, or it came too late.
        let code = blocked.join().unwrap().unwrap_err().code();
        assert!(code == 10004 || code == 10038, "{code}");
    }
}

#[test]
fn a_blocking_hook_runs_again_and_again_until_it_cancels_the_call() {
    let process = Arc::new(started(LinkChoice::Loopback, 0x0101));
    let listener = process.socket(2, 1, 0).unwrap();
    process.bind_to(listener, "127.0.0.1:7".parse::<SocketAddr>().unwrap()).unwrap();
    process.listen(listener, 1).unwrap();
    let runs = Arc::new(AtomicU32::new(0));
    let hook = {
        let (process, runs) = (Arc::downgrade(&process), Arc::clone(&runs));
        BlockingHook::new(move || {
            if runs.fetch_add(1, Ordering::Relaxed) == 5
                && let Some(process) = process.upgrade()
            {
                process.wsa_cancel_blocking_call().unwrap();
            }
            false
        })
    };
    process.wsa_set_blocking_hook(hook).unwrap();
    // Nobody connects: only the hook can end this.
    let code = process.accept(listener, MemoryMut::Null, None).unwrap_err().code();
    assert_eq!((code, runs.load(Ordering::Relaxed)), (10004, 6));
}

const FOR_EVER: u32 = 0xFFFF_FFFF;
const FD_READ: i32 = 0x01;
const FD_WRITE: i32 = 0x02;
const FD_ACCEPT: i32 = 0x08;
const FD_CONNECT: i32 = 0x10;
const FD_CLOSE: i32 = 0x20;

fn auto_reset(process: &ThreadedProcess) -> EventHandle {
    process.create_event(EventKind::AutoReset, Signal::Unset).unwrap()
}

fn listening(process: &ThreadedProcess) -> (SocketHandle, SocketAddr) {
    let address: SocketAddr = "127.0.0.1:7".parse().unwrap();
    let listener = process.socket(2, 1, 0).unwrap();
    process.bind_to(listener, address).unwrap();
    process.listen(listener, 16).unwrap();
    (listener, address)
}

#[test]
fn two_threads_wake_each_other_by_event_objects() {
    let process = Arc::new(started(LinkChoice::Loopback, 0x0202));
    let (ping, pong) = (auto_reset(&process), auto_reset(&process));
    let other = {
        let process = Arc::clone(&process);
        thread::spawn(move || {
            for _ in 0..ROUNDS {
                assert_eq!(process.wait_for_single(ping, FOR_EVER), Ok(0));
                process.wsa_set_event(pong).unwrap();
            }
        })
    };
    for _ in 0..ROUNDS {
        process.wsa_set_event(ping).unwrap();
        assert_eq!(process.wait_for_single(pong, FOR_EVER), Ok(0));
    }
    other.join().unwrap();
}

/// Nobody reads, so nothing but the option ever makes room.
#[test]
fn a_larger_send_buffer_wakes_the_thread_that_waits_for_room() {
    let process = Arc::new(started(LinkChoice::Loopback, 0x0202));
    let (_listener, address) = listening(&process);
    let s = stream(&process, address);
    process.set_nonblocking(s, true).unwrap();
    while process.send(s, (&[0; 65_536]).into(), 0).is_ok() {}
    let (about_to_wait, waits) = mpsc::channel();
    let waiting = Arc::clone(&process);
    let selecting = thread::spawn(move || {
        for _ in 0..THREADS {
            waiting.set_option(s, 0xFFFF, 0x1001, 1).unwrap();
            about_to_wait.send(()).unwrap();
            let mut array = [s];
            let mut write = FdSet::of(&mut array);
            assert_eq!(waiting.select(None, Some(&mut write), None, None), Ok(1));
        }
    });
    while waits.recv().is_ok() {
        process.set_option(s, 0xFFFF, 0x1001, u32::MAX).unwrap();
    }
    selecting.join().unwrap();
}

#[test]
fn an_auto_reset_event_lets_one_thread_go_and_a_manual_reset_event_all() {
    let process = Arc::new(started(LinkChoice::Loopback, 0x0202));
    let (one, all) = (auto_reset(&process), process.wsa_create_event().unwrap());
    let (gone, goes) = mpsc::channel();
    let waiting: Vec<_> = (0..THREADS)
        .map(|_| {
            let (process, gone) = (Arc::clone(&process), gone.clone());
            thread::spawn(move || {
                let events = [one, all];
                let any = WaitFor::Any;
                let waited =
                    process.wsa_wait_for_multiple_events(&events, any, FOR_EVER, Alertable::No);
                gone.send(waited.unwrap()).unwrap();
            })
        })
        .collect();
    for _ in 0..3 {
        process.wsa_set_event(one).unwrap();
        assert_eq!(goes.recv().unwrap(), 0);
    }
    process.wsa_set_event(all).unwrap();
    assert!((3..THREADS).all(|_| goes.recv().unwrap() == 1));
    for thread in waiting {
        thread.join().unwrap();
    }
}

/// Waits for the event, and gives what was recorded about the socket.
fn next_events(process: &ThreadedProcess, s: SocketHandle, event: EventHandle) -> i32 {
    assert_eq!(process.wait_for_single(event, FOR_EVER), Ok(0));
    let mut found = WsaNetworkEvents::default();
    process.wsa_enum_network_events(s, event, Arg::Value(&mut found)).unwrap();
    found.network_events
}

#[test]
fn a_server_and_a_client_talk_by_network_events_alone() {
    let process = Arc::new(started(LinkChoice::Loopback, 0x0202));
    let (listener, address) = listening(&process);
    let server = {
        let process = Arc::clone(&process);
        thread::spawn(move || {
            let event = process.wsa_create_event().unwrap();
            process.wsa_event_select(listener, event, FD_ACCEPT).unwrap();
            assert_eq!(next_events(&process, listener, event), FD_ACCEPT);
            let s = process.accept(listener, MemoryMut::Null, None).unwrap();
            let own = process.wsa_create_event().unwrap();
            process.wsa_event_select(s, own, FD_READ | FD_CLOSE).unwrap();
            let mut buffer = [0; 64];
            loop {
                let events = next_events(&process, s, own);
                if events & FD_READ != 0 {
                    let len = process.recv(s, (&mut buffer).into(), 0).unwrap();
                    assert_eq!(process.send(s, buffer[..len].into(), 0), Ok(len));
                }
                if events & FD_CLOSE != 0 {
                    process.closesocket(s).unwrap();
                    return;
                }
            }
        })
    };
    let s = process.socket(2, 1, 0).unwrap();
    let event = process.wsa_create_event().unwrap();
    process.wsa_event_select(s, event, FD_CONNECT | FD_READ | FD_CLOSE).unwrap();
    assert_eq!(process.connect_to(s, address).unwrap_err().code(), 10035);
    assert_eq!(next_events(&process, s, event), FD_CONNECT);
    for round in 0..ROUNDS {
        let sent = round.to_le_bytes();
        assert_eq!(process.send(s, (&sent).into(), 0), Ok(4));
        while next_events(&process, s, event) & FD_READ == 0 {}
        let mut back = [0; 4];
        assert_eq!(process.recv(s, (&mut back).into(), 0), Ok(4));
        assert_eq!(back, sent);
    }
    process.shutdown(s, 1).unwrap();
    while next_events(&process, s, event) & FD_CLOSE == 0 {}
    server.join().unwrap();
}

#[test]
fn messages_reach_the_thread_that_waits_for_them() {
    let process = Arc::new(started(LinkChoice::Loopback, 0x0202));
    let (_, address) = listening(&process);
    let reader = {
        let process = Arc::clone(&process);
        let next = move || process.wait_message(FOR_EVER).unwrap().unwrap().event;
        thread::spawn(move || [next(), next()])
    };
    let s = process.socket(2, 1, 0).unwrap();
    process.wsa_async_select(s, 1, 1, FD_CONNECT | FD_WRITE).unwrap();
    assert_eq!(process.connect_to(s, address).unwrap_err().code(), 10035);
    assert_eq!(reader.join().unwrap(), [FD_CONNECT, FD_WRITE]);
}

#[test]
fn a_hook_is_told_on_whatever_thread_and_may_call() {
    let Some(kernel) = Kernel::start() else { return };
    let process = Arc::new(started(LinkChoice::Tap(kernel.device().into()), 0x0202));
    let address = kernel.tcp_server("10.77.0.1:0", echo).address();
    let (told, tells) = mpsc::channel();
    let hook = {
        let process = Arc::downgrade(&process);
        MessageHook::new(move |message| {
            let Some(process) = process.upgrade() else { return };
            let mut buffer = [0; 8];
            let done = match message.event {
                FD_WRITE => process.send(message.socket, b"x".into(), 0),
                FD_READ => process.recv(message.socket, (&mut buffer).into(), 0),
                _ => Ok(0),
            };
            // The test may have seen enough.
            let _ = told.send((message.event, message.error, done));
        })
    };
    process.set_message_hook(Some(hook));
    let s = process.socket(2, 1, 0).unwrap();
    process.wsa_async_select(s, 1, 1, FD_CONNECT | FD_WRITE | FD_READ).unwrap();
    assert_eq!(process.connect_to(s, address).unwrap_err().code(), 10035);
    let heard: Vec<_> = (0..3).map(|_| tells.recv().unwrap()).collect();
    assert_eq!(heard, [(FD_CONNECT, 0, Ok(0)), (FD_WRITE, 0, Ok(1)), (FD_READ, 0, Ok(1))]);
    process.set_message_hook(None);
}

#[test]
fn what_comes_after_many_calls_is_served_although_there_are_none() {
    let Some(kernel) = Kernel::start() else { return };
    let process = started(LinkChoice::Tap(kernel.device().into()), 0x0202);
    let listener = process.socket(2, 1, 0).unwrap();
    process.bind_to(listener, SocketAddr::from(([10, 77, 0, 2], 7))).unwrap();
    process.listen(listener, 100).unwrap();
    let echoing = kernel.udp("10.77.0.1:0");
    let to = echoing.local_addr().unwrap();
    let echo = thread::spawn(move || {
        let mut buffer = [0; 64];
        while let Ok((len, from)) = echoing.recv_from(&mut buffer) {
            if len == 0 {
                return;
            }
            echoing.send_to(&buffer[..len], from).unwrap();
        }
    });
    let u = process.socket(2, 2, 0).unwrap();
    process.connect_to(u, to).unwrap();
    for round in 0..50 {
        // So many that nobody sleeps on the link between two of them: some that wait, and some
        // that ask again and again.
        for _ in 0..40 {
            process.send(u, (&[1; 8]).into(), 0).unwrap();
            process.set_nonblocking(u, round % 2 == 0).unwrap();
            let mut buffer = [0; 64];
            while process.recv(u, (&mut buffer).into(), 0).is_err() {}
        }
        // And now no call at all: the handshake is the background thread's.
        drop(kernel.tcp_client("10.77.0.2:7").unwrap());
    }
    process.send(u, (&[]).into(), 0).unwrap();
    echo.join().unwrap();
    for _ in 0..50 {
        process.accept(listener, MemoryMut::Null, None).unwrap();
    }
}

#[test]
fn a_call_that_spins_before_it_sleeps_gets_what_comes_early_and_late() {
    let Some(kernel) = Kernel::start() else { return };
    let server = kernel.tcp_server("10.77.0.1:0", echo);
    let mut configuration = Configuration::default();
    configuration.link = LinkChoice::Tap(kernel.device().into());
    for micros in [0, 1, 50, 10_000] {
        configuration.spin = Duration::from_micros(micros);
        let process = start(&configuration, None, |_| {}).unwrap_or_else(|e| panic!("{e}"));
        process.wsa_startup(0x0202);
        ping(&process, stream(&process, server.address()));
    }
}
