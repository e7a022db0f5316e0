//! The helpers themselves, before anything is built on them.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::process::Command;
use std::thread;

use tapsock_tests::{KERNEL, KERNEL_6, Kernel, Pattern, echo, serve_http, sha256};
use tapsock_tools::namespace::Fate;
use tun_tap::{Iface, Mode};

#[test]
fn each_test_thread_has_a_namespace_of_its_own() {
    let Some(kernel) = Kernel::start() else { return };
    let first = kernel.udp("10.77.0.1:7777");
    // The same device, addresses and port once more, in the namespace of another thread.
    let second = thread::spawn(|| {
        let Some(kernel) = Kernel::start() else { return false };
        kernel.udp("10.77.0.1:7777").local_addr().is_ok()
    });
    assert!(second.join().unwrap());
    assert_eq!(first.local_addr().unwrap().to_string(), "10.77.0.1:7777");
}

#[test]
fn a_thread_that_a_test_starts_is_in_the_same_namespace() {
    let Some(kernel) = Kernel::start() else { return };
    for address in [KERNEL, KERNEL_6] {
        let server = kernel.tcp_server(&format!("{address}:0"), echo);
        let mut stream = kernel.tcp_client(&server.address().to_string()).unwrap();
        stream.write_all(b"hello").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut back = String::new();
        stream.read_to_string(&mut back).unwrap();
        assert_eq!(back, "hello");
    }
}

#[test]
fn frames_of_the_kernel_come_out_of_the_device() {
    let Some(kernel) = Kernel::start() else { return };
    let device = Iface::without_packet_info(kernel.device(), Mode::Tap).unwrap();
    kernel.udp("10.77.0.1:0").send_to(b"x", "10.77.0.2:9").unwrap();
    let mut frame = [0; 1514];
    // Beside multicast listener reports, the first thing it says is an ARP request for the stack.
    while frame[12..14] != [0x08, 0x06] {
        device.recv(&mut frame).unwrap();
        assert_ne!(frame[12..14], [0x08, 0x00], "an IPv4 packet before its address is known");
    }
    assert_eq!(frame[38..42], [10, 77, 0, 2]);
}

#[test]
fn a_device_that_is_taken_away_is_gone() {
    let Some(kernel) = Kernel::start() else { return };
    let device = Iface::without_packet_info(kernel.device(), Mode::Tap).unwrap();
    kernel.remove_device();
    assert!(device.send(&[0; 60]).is_err());
}

#[test]
fn fates_of_routes_are_what_the_kernel_shows() {
    let Some(kernel) = Kernel::start() else { return };
    kernel.routes(&[
        (Fate::Blackhole, "10.81.0.0/24"),
        (Fate::Unreachable, "10.82.0.0/24"),
        (Fate::Prohibit, "10.83.0.0/24"),
        (Fate::Throw, "10.84.0.0/24"),
        (Fate::Unreachable, "fd82::/64"),
    ]);
    let shown = Command::new("ip").args(["route", "show"]).output().unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    for line in
        ["blackhole 10.81.0.0/24", "unreachable 10.82.0.0/24", "prohibit 10.83.0.0/24", "throw"]
    {
        assert!(shown.contains(line), "{shown}");
    }
}

#[test]
fn curl_downloads_from_the_http_server() {
    let Some(kernel) = Kernel::start() else { return };
    let mut body = Vec::new();
    Pattern::new(1, 100_000).read_to_end(&mut body).unwrap();
    let server = kernel.tcp_server("10.77.0.1:0", serve_http(body.clone()));
    let url = format!("http://{}/file", server.address());
    let output = Command::new("curl").args(["--silent", "--show-error", &url]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stdout == body);
}

#[test]
fn a_pattern_does_not_depend_on_how_it_is_read() {
    let whole = sha256(Pattern::new(7, 1001)).unwrap();
    assert_eq!(whole.1, 1001);
    let mut bytes = Vec::new();
    let mut pattern = Pattern::new(7, 1001);
    let mut piece = [0; 3];
    loop {
        match pattern.read(&mut piece).unwrap() {
            0 => break,
            len => bytes.extend_from_slice(&piece[..len]),
        }
    }
    assert_eq!(sha256(&bytes[..]).unwrap(), whole);
    assert_ne!(sha256(Pattern::new(8, 1001)).unwrap(), whole);
}

#[test]
fn sha256_is_sha256() {
    let (digest, len) = sha256(&b"abc"[..]).unwrap();
    assert_eq!(len, 3);
    assert_eq!(digest[..4], [0xba, 0x78, 0x16, 0xbf]);
}
