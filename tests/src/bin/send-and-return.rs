//! Sends 10 MB in one call, closes, cleans up and returns from main at once.
//!
//! `send-and-return DEVICE ADDRESS:PORT`; the address belongs to the kernel behind the TAP device.

use std::io::Read;
use std::net::SocketAddr;
use std::process::ExitCode;

use tapsock_tests::Pattern;
use wsa::config::{Configuration, LinkChoice};
use wsa::start::start;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("send-and-return: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(device), Some(peer)) = (arguments.next(), arguments.next()) else {
        return Err("usage: send-and-return DEVICE ADDRESS:PORT".into());
    };
    let peer: SocketAddr = peer.parse()?;
    let mut data = Vec::new();
    Pattern::new(4, 10_000_000).read_to_end(&mut data)?;

    let mut configuration = Configuration::default();
    configuration.link = LinkChoice::Tap(device);
    let process = start(&configuration, None, |_| {})?;
    process.wsa_startup(0x0202);
    let s = process.socket(if peer.is_ipv4() { 2 } else { 23 }, 1, 0)?;
    process.connect_to(s, peer)?;
    process.send(s, data.as_slice().into(), 0)?;
    process.closesocket(s)?;
    process.wsa_cleanup()?;
    Ok(())
}
