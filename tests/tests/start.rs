//! How a process begins on a TAP device, and what it leaves in a capture however it ends.

use std::net::SocketAddr;
use std::{env, fs, process};

use tapsock_tests::Kernel;
use wsa::Error;
use wsa::config::{Configuration, LinkChoice};
use wsa::constants::{AF_INET, SOCK_STREAM};
use wsa::start::start;

fn on(device: &str) -> Configuration {
    let mut configuration = Configuration::default();
    configuration.link = LinkChoice::Tap(device.into());
    configuration
}

#[test]
fn a_capture_is_whole_while_the_process_still_runs() {
    let Some(kernel) = Kernel::start() else { return };
    let path = env::temp_dir().join(format!("tapsock-start-{}.pcapng", process::id()));
    let mut configuration = on(kernel.device());
    configuration.capture = Some(path.clone());
    let wsa = start(&configuration, None, |_| {}).unwrap();
    wsa.wsa_startup(0x0202);
    let s = wsa.socket(AF_INET, SOCK_STREAM, 0).unwrap();
    let refused = wsa.connect_to(s, "10.77.0.1:9".parse::<SocketAddr>().unwrap());
    assert_eq!(refused, Err(Error::WSAECONNREFUSED));

    let bytes = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let mut reader = pcap_file::pcapng::PcapNgReader::new(&bytes[..]).unwrap();
    let mut last = Vec::new();
    while let Some(block) = reader.next_block() {
        if let pcap_file::pcapng::Block::EnhancedPacket(packet) = block.unwrap() {
            last = packet.data.to_vec();
        }
    }
    // Ethernet, IPv4, then the flags of TCP.
    assert_eq!(last[47] & 0x04, 0x04, "the RST that decided is the last frame");
}

#[test]
fn a_device_that_is_down_or_was_not_there_is_an_error_that_says_what_to_run() {
    let Some(kernel) = Kernel::start() else { return };
    let error = start(&on("nosuch0"), None, |_| {}).unwrap_err().to_string();
    assert_eq!(error, "nosuch0 is down; run: sudo scripts/tap up nosuch0");
    kernel.ip(&format!("link set {} down", kernel.device()));
    let error = start(&on(kernel.device()), None, |_| {}).unwrap_err().to_string();
    let device = kernel.device();
    assert_eq!(error, format!("{device} is down; run: sudo scripts/tap up {device}"));
    kernel.ip(&format!("link set {} up", kernel.device()));
    assert!(start(&on(kernel.device()), None, |_| {}).is_ok());
}

#[test]
fn a_private_link_is_not_for_programs_that_use_the_library() {
    let error = start(&Configuration::default(), None, |_| {}).unwrap_err().to_string();
    assert_eq!(
        error,
        "there is no link: set TAPSOCK_LINK to tap:NAME (scripts/tap up makes one) or to \
         loopback; private is for the command tapsock alone"
    );
}
