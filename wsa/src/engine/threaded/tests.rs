use std::sync::atomic::AtomicUsize;

use tapsock_stack::config::Config;
use tapsock_stack::link::LinkError;
use tapsock_stack::wire::EthernetAddress;

use super::*;
use crate::constants::{AF_INET, FIONREAD, IPPROTO_UDP, SOCK_DGRAM};
use crate::error::Error;
use crate::memory::Arg;
use crate::process::Process;
use crate::readiness::{WsaNetworkEvents, WsaPollFd};

/// A link on which nothing ever arrives, and which counts how often that is asked.
#[derive(Debug, Clone, Default)]
struct Silent(Arc<AtomicUsize>);

impl Silent {
    fn looks(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Link for Silent {
    fn mtu(&self) -> usize {
        1500
    }

    fn is_up(&self) -> bool {
        true
    }

    fn receive(&mut self, _: Instant, _: &mut [u8]) -> Result<Option<usize>, LinkError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(None)
    }

    fn transmit(&mut self, _: Instant, _: &[u8]) -> Result<(), LinkError> {
        Ok(())
    }
}

fn process(link: &Silent) -> Process<'static, Threaded<Silent>> {
    let config = Config::new(EthernetAddress([2, 0, 0, 0, 0, 1]), 1);
    let link = link.clone();
    let engine =
        Threaded::new(Core::new(), None, |now| Stack::new(config, link, Growable::default(), now));
    let process = Process::new(engine.unwrap());
    assert_eq!(process.wsa_startup(0x0202).0, 0);
    process
}

const CALLS: usize = 2000;

/// As if there had been many calls. Without a link's descriptor that is for good.
fn patrol(process: &Process<'static, Threaded<Silent>>) {
    process.engine().shared.lock().patrol = true;
}

#[test]
fn on_patrol_calls_that_want_nothing_from_the_link_leave_it_alone() {
    let link = Silent::default();
    let process = process(&link);
    let s = process.socket(AF_INET, SOCK_DGRAM, IPPROTO_UDP).unwrap();
    let looks = link.looks();
    for _ in 0..CALLS {
        process.set_nonblocking(s, true).unwrap();
    }
    assert!(link.looks() - looks >= CALLS, "who is not on patrol has every frame at once");
    patrol(&process);
    let (looks, begun) = (link.looks(), process.engine().now());
    for _ in 0..CALLS {
        process.set_nonblocking(s, true).unwrap();
    }
    let periods = (process.engine().now() - begun).total_micros() / UNTAKEN.total_micros();
    let looks = link.looks() - looks;
    // However slow this machine is; and the background thread may have looked for itself.
    assert!(looks as u64 <= periods + 3, "{looks} looks in {periods} periods");
}

#[test]
fn a_call_that_ends_for_want_of_a_packet_has_the_link_looked_at_for_the_next() {
    let link = Silent::default();
    let process = process(&link);
    let s = process.socket(AF_INET, SOCK_DGRAM, IPPROTO_UDP).unwrap();
    process.set_nonblocking(s, true).unwrap();
    process.bind_to(s, "127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap()).unwrap();
    patrol(&process);
    let looks = link.looks();
    for _ in 0..CALLS {
        assert_eq!(process.recv(s, (&mut [0; 8]).into(), 0), Err(Error::WSAEWOULDBLOCK));
    }
    assert!(link.looks() - looks >= CALLS);
    let looks = link.looks();
    for _ in 0..CALLS {
        let mut asked = [WsaPollFd::new(s, crate::constants::POLLRDNORM)];
        assert_eq!(process.wsa_poll(&mut asked, 0), Ok(0));
    }
    assert!(link.looks() - looks >= CALLS);
    let looks = link.looks();
    let event = process.wsa_create_event().unwrap();
    process.wsa_event_select(s, event, 1).unwrap();
    let mut found = WsaNetworkEvents::default();
    for _ in 0..CALLS {
        let mut bytes = 9;
        process.ioctlsocket(s, FIONREAD, Arg::Value(&mut bytes)).unwrap();
        process.wsa_enum_network_events(s, event, Arg::Value(&mut found)).unwrap();
        assert_eq!((bytes, found.network_events), (0, 0));
    }
    assert!(link.looks() - looks >= 2 * CALLS);
}
