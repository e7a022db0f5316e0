//! As many connections on a TAP device as this process may have descriptors for the kernel's ends:
//! they are accepted, cost little, answer, cost little again, and are closed all at once.

use std::fs;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Instant;

use rustix::process::{Resource, getrlimit};
use tapsock_stack::time::Duration;
use tapsock_tests::{Kernel, PATIENCE};
use wsa::config::{Configuration, LinkChoice};
use wsa::engine::Engine;
use wsa::net::Net;
use wsa::start::{ThreadedProcess, start};

/// Nothing new is learned beyond it, and the kernel has so many ports for one destination.
const MOST: usize = 20_000;
/// Descriptors for everything else.
const SPARE: usize = 200;

/// How many connections wait to be accepted at the most: fewer than a listener takes.
const WAITING: usize = 32;

/// Bytes of this process that are in memory, other than its files. What the kernel has of its ends
/// is not among them.
fn resident() -> u64 {
    let text = fs::read_to_string("/proc/self/smaps_rollup").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("Anonymous:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().trim().parse::<u64>().unwrap() * 1024
}

fn wait_until(process: &ThreadedProcess, what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < PATIENCE, "{what} takes too long");
        let (now, seen) = process.engine().with(|access| (access.now, access.core.epoch()));
        process.engine().wait(seen, &[], Some(now + Duration::from_millis(50)));
    }
}

#[test]
fn a_crowd_is_accepted_costs_little_and_leaves_at_once() {
    let Some(kernel) = Kernel::start() else { return };
    let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX) as usize;
    let crowd = MOST.min(descriptors.saturating_sub(SPARE));
    let mut configuration = Configuration::default();
    configuration.link = LinkChoice::Tap(kernel.device().into());
    let process = start(&configuration, None, |_| {}).unwrap_or_else(|error| panic!("{error}"));
    let process = Arc::new(process);
    let net = Net::new(Arc::clone(&process)).unwrap();
    let listener = net.listen("10.77.0.2:4000").unwrap();

    let (to_main, ends) = sync_channel(WAITING);
    let clients = thread::spawn(move || -> io::Result<()> {
        for _ in 0..crowd {
            let Ok(()) = to_main.send(TcpStream::connect("10.77.0.2:4000")?) else { break };
        }
        Ok(())
    });
    let mut peers: Vec<TcpStream> = Vec::with_capacity(crowd);
    let mut streams = Vec::with_capacity(crowd);
    let empty = resident();
    let each = || resident().saturating_sub(empty) / crowd as u64;
    // An attempt that fails ends the channel, and the test.
    for peer in ends {
        peer.set_read_timeout(Some(PATIENCE)).unwrap();
        peers.push(peer);
        streams.push(listener.accept().unwrap().0);
    }
    clients.join().unwrap().unwrap();
    assert_eq!((streams.len(), peers.len()), (crowd, crowd));
    let established = each();

    for peer in &mut peers {
        peer.write_all(&[7; 100]).unwrap();
    }
    for stream in &mut streams {
        let mut request = [0; 100];
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.read_exact(&mut request).unwrap();
        assert_eq!(request, [7; 100]);
        stream.write_all(&[9; 500]).unwrap();
    }
    for peer in &mut peers {
        let mut answer = [0; 500];
        peer.read_exact(&mut answer).unwrap();
        assert_eq!(answer, [9; 500]);
    }
    let returned = || process.engine().with(|access| access.stack.counters().rings_returned);
    wait_until(&process, "giving memory back", || returned() >= crowd as u64);
    let used = each();

    drop(streams);
    for peer in &mut peers {
        assert_eq!(peer.read(&mut [0; 10]).unwrap(), 0, "the stack's FIN, and no RST");
    }
    drop(peers);
    let delivering = || process.engine().with(|access| access.stack.delivering());
    wait_until(&process, "closing", || delivering() == 0);
    assert_eq!(process.engine().with(|access| access.stack.sockets()), 1, "the listener");

    // The stack's part, the Winsock socket, and the stream of `wsa::net` around it.
    assert!(established <= 1600, "{established} bytes for each idle connection of {crowd}");
    assert!(used <= 3000, "{used} bytes for each used and idle connection of {crowd}");
}
