//! Many threads in one process: nobody waits for what has happened already.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use tapsock_stack::time::Duration;
use tapsock_tests::{Kernel, echo};
use wsa::config::{Configuration, LinkChoice};
use wsa::memory::MemoryMut;
use wsa::start::{ThreadedProcess, start};
use wsa::{BlockingHook, FdSet, SocketHandle};

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
