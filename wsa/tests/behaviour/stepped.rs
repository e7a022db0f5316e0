//! The engine for any stack, driven by the caller's clock: here a stack without a link.

use core::cell::Cell;

use tapsock_stack::Stack;
use tapsock_stack::config::Config;
use tapsock_stack::link::NoLink;
use tapsock_stack::storage::Growable;
use tapsock_stack::time::Instant;
use tapsock_stack::wire::EthernetAddress;
use wsa::engine::Waited;
use wsa::engine::stepped::Stepped;
use wsa::{MemoryMut, Process};

use super::scene::{address, code};

#[test]
fn a_blocked_call_sleeps_in_the_callers_idle_function_until_its_deadline() {
    let clock = Cell::new(Instant::ZERO);
    let config = Config::new(EthernetAddress([2, 0, 0, 0, 0, 1]), 1);
    let stack: Stack<'static, _, _> = Stack::new(config, NoLink, Growable::default(), clock.get());
    let idle = |until: Option<Instant>| match until {
        Some(until) => {
            clock.set(until);
            Waited::Again
        }
        None => Waited::Stuck,
    };
    let process = Process::new(Stepped::new(stack, || clock.get(), idle));
    assert_eq!(process.wsa_startup(0x0202).0, 0);
    let tcp = || process.socket(2, 1, 6).unwrap();

    assert_eq!(code(process.connect_to(tcp(), address("127.0.0.1:80"))), 10061);
    assert_eq!(code(process.connect_to(tcp(), address("10.0.0.1:80"))), 10051);

    let listening = tcp();
    process.bind_to(listening, address("127.0.0.1:80")).unwrap();
    process.listen(listening, 1).unwrap();
    // Nobody will ever come.
    assert_eq!(code(process.accept(listening, MemoryMut::Null, None)), 10004);
    let s = tcp();
    process.connect_to(s, address("127.0.0.1:80")).unwrap();
    let t = process.accept(listening, MemoryMut::Null, None).unwrap();
    assert_eq!(process.send(s, b"hello".into(), 0).unwrap(), 5);
    let mut buffer = [0; 5];
    assert_eq!(process.recv(t, (&mut buffer).into(), 8).unwrap(), 5);
    assert_eq!(&buffer, b"hello");

    let before = clock.get();
    process.set_option(t, 0xFFFF, 0x1006, 750).unwrap();
    assert_eq!(code(process.recv(t, (&mut buffer).into(), 0)), 10060);
    assert_eq!((clock.get() - before).total_millis(), 750);
    assert!(process.engine().poll().is_none_or(|next| next > clock.get()));
}
