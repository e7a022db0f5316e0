//! A thousand connects at once on a TAP device, watched through event objects that they share.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::thread;

use tapsock_stack::config::Route;
use tapsock_tests::Kernel;
use tapsock_tools::namespace::Fate;
use wsa::config::{Configuration, LinkChoice};
use wsa::memory::Arg;
use wsa::start::{ThreadedProcess, start};
use wsa::{Alertable, EventHandle, SocketHandle, WaitFor, WsaNetworkEvents};

const SOCKETS: usize = 1000;
const EVENTS: usize = 64;
/// How many of the attempts somebody is to accept.
const ACCEPTED: usize = SOCKETS / 3;

const FD_WRITE: i32 = 0x02;
const FD_CONNECT: i32 = 0x10;
const FD_ALL_EVENTS: i32 = 0x3FF;
const IPPROTO_TCP: i32 = 6;
const TCP_MAXRTMS: i32 = 14;

fn fetch(process: &ThreadedProcess, s: SocketHandle) -> Vec<(i32, i32)> {
    let mut found = WsaNetworkEvents::default();
    process.wsa_enum_network_events(s, EventHandle::INVALID, Arg::Value(&mut found)).unwrap();
    let bits = (0..10).filter(|bit| found.network_events & (1 << bit) != 0);
    bits.map(|bit| (1 << bit, found.error_code[bit])).collect()
}

#[test]
fn a_thousand_attempts_each_end_once_and_right() {
    let Some(kernel) = Kernel::start() else { return };
    kernel.routes(&[(Fate::Blackhole, "10.81.0.0/24")]);
    let mut configuration = Configuration::default();
    configuration.link = LinkChoice::Tap(kernel.device().into());
    let (destination, gateway) = ("10.81.0.0/24".parse().unwrap(), "10.77.0.1".parse().unwrap());
    configuration.routes.push(Route { destination, gateway: Some(gateway) });
    let process = start(&configuration, None, |_| {}).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(process.wsa_startup(0x0202).0, 0);

    let listener = TcpListener::bind("10.77.0.1:0").unwrap();
    // A second listen has a backlog for all of them.
    rustix::net::listen(&listener, SOCKETS as i32).unwrap();
    let accepting = listener.local_addr().unwrap();
    let closed = {
        let listener = TcpListener::bind("10.77.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let silent: SocketAddr = "10.81.0.1:9".parse().unwrap();
    let peer = thread::spawn(move || {
        let accept = |_| listener.accept().map(|(stream, _)| stream);
        (0..ACCEPTED).map(accept).collect::<io::Result<Vec<_>>>()
    });

    let events: Vec<_> = (0..EVENTS).map(|_| process.wsa_create_event().unwrap()).collect();
    let sockets: Vec<_> = (0..SOCKETS).map(|_| process.socket(2, 1, 0).unwrap()).collect();
    for (index, &s) in sockets.iter().enumerate() {
        process.wsa_event_select(s, events[index % EVENTS], FD_ALL_EVENTS).unwrap();
        let address = [closed, accepting, silent][index % 3];
        if address == silent {
            // Long enough for every other attempt on a busy machine, and soon over.
            process.set_option(s, IPPROTO_TCP, TCP_MAXRTMS, 3000).unwrap();
        }
        assert_eq!(process.connect_to(s, address).unwrap_err().code(), 10035);
    }

    let mut ends = vec![Vec::new(); SOCKETS];
    let mut ended = 0;
    loop {
        // When all have ended, whatever comes within a second would be too much.
        let timeout = if ended < SOCKETS { 30_000 } else { 1000 };
        let any = WaitFor::Any;
        let waited = process.wsa_wait_for_multiple_events(&events, any, timeout, Alertable::No);
        let event = match waited.unwrap() {
            258 => break,
            index => index as usize,
        };
        process.wsa_reset_event(events[event]).unwrap();
        for index in (event..SOCKETS).step_by(EVENTS) {
            let record = fetch(&process, sockets[index]);
            if !record.is_empty() {
                ended += usize::from(ends[index].is_empty());
                ends[index].push(record);
            }
        }
    }
    let expected: [&[(i32, i32)]; 3] =
        [&[(FD_CONNECT, 10061)], &[(FD_WRITE, 0), (FD_CONNECT, 0)], &[(FD_CONNECT, 10060)]];
    for (index, ends) in ends.iter().enumerate() {
        assert_eq!(*ends, [expected[index % 3]], "socket {index}");
    }
    assert_eq!(peer.join().unwrap().unwrap().len(), ACCEPTED);
}
