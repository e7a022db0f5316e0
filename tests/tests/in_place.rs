//! Transfers without a copy against the Linux kernel, from threads that block.

use std::io::{self, Read};
use std::thread;

use tapsock_tests::{Kernel, Pattern, sha256};
use wsa::config::{Configuration, LinkChoice, OffloadChoice};
use wsa::net::{Net, TcpStream};
use wsa::start::start;

const LENGTH: u64 = 20_000_000;

/// Reads by looking at what is there.
struct InPlace<'s>(&'s TcpStream);

impl Read for InPlace<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read_with(|bytes| {
            let len = bytes.len().min(buffer.len());
            buffer[..len].copy_from_slice(&bytes[..len]);
            len
        })
    }
}

#[test]
fn streams_arrive_whole_in_both_directions_at_once() {
    let Some(kernel) = Kernel::start() else { return };
    for (server, offload) in [
        ("10.77.0.1:0", OffloadChoice::On),
        ("[fd77::1]:0", OffloadChoice::On),
        ("10.77.0.1:0", OffloadChoice::Off),
        ("[fd77::1]:0", OffloadChoice::Off),
    ] {
        let mut configuration = Configuration::default();
        configuration.link = LinkChoice::Tap(kernel.device().into());
        configuration.offload = offload;
        let process = start(&configuration, None, |_| {}).unwrap_or_else(|e| panic!("{e}"));
        let net = Net::new(process.into()).unwrap();
        let (address, there) = kernel.tcp_once(server, |stream| {
            let mut out = stream.try_clone()?;
            let sender = thread::spawn(move || {
                io::copy(&mut Pattern::new(2, LENGTH), &mut out)?;
                out.shutdown(std::net::Shutdown::Write)
            });
            let received = sha256(stream)?;
            sender.join().unwrap()?;
            Ok(received)
        });
        let stream = net.connect(address).unwrap();
        let writer = stream.try_clone().unwrap();
        let sender = thread::spawn(move || {
            let mut pattern = Pattern::new(1, LENGTH);
            while writer.write_with(|room| pattern.read(room).unwrap()).unwrap() > 0 {}
            writer.shutdown(std::net::Shutdown::Write).unwrap();
        });
        let here = sha256(InPlace(&stream)).unwrap();
        sender.join().unwrap();
        assert_eq!(here, sha256(Pattern::new(2, LENGTH)).unwrap(), "{server}");
        let there = there.join().unwrap().unwrap();
        assert_eq!(there, sha256(Pattern::new(1, LENGTH)).unwrap(), "{server}");
    }
}
