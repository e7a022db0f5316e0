//! The TAP device without any stack: superframes of datagrams, as large as they come, to and from
//! a socket of the kernel's. What a stack cannot exceed on this machine.

use std::io;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use nix::sys::socket::{setsockopt, sockopt};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tapsock_stack::link::Link;
use tapsock_stack::link::tap::Tap;

use super::super::lab::{Family, KERNEL_MAC, STACK_MAC, Way};
use super::super::trouble::Trouble;

/// Bytes of each datagram in a superframe: a full Ethernet frame.
const SEGMENT: u16 = 1472;
/// Bytes of a superframe's datagrams: as many whole ones as an IPv4 packet holds.
const PAYLOAD: usize = SEGMENT as usize * 44;
/// Of virtio_net_hdr, Ethernet, IPv4 and UDP.
const VNET: usize = 10;
const ETHERNET: usize = 14;
const IPV4: usize = 20;
const UDP: usize = 8;
/// Room for what the kernel has not read yet.
const ROOM: usize = 8 << 20;
/// How long a wait lasts at the most, so that the end of a run is seen.
const LOOK: Duration = Duration::from_millis(50);

/// The device without a stack.
pub(in crate::bench) struct Raw {
    tap: Tap,
    socket: UdpSocket,
}

impl Raw {
    pub(in crate::bench) fn open() -> Result<Self, Trouble> {
        let tap = Tap::open_offloading(Way::Own.device()).map_err(Trouble::from)?;
        if !tap.offload().checksum {
            return Err(Trouble::new("the kernel refuses a virtio-net header on TAP devices"));
        }
        let socket = UdpSocket::bind((Way::Own.peer(Family::V4), 0));
        let socket = socket.map_err(Trouble::of("making the kernel's end"))?;
        Ok(Self { tap, socket })
    }

    /// Writes superframes until `stop`, and counts the bytes that arrive at the kernel's socket.
    pub(in crate::bench) fn send(
        &self,
        stop: &AtomicBool,
        ready: impl FnOnce(),
        counted: &AtomicU64,
    ) -> Result<(), Trouble> {
        let failed = Trouble::of("setting up the kernel's end");
        setsockopt(&self.socket, sockopt::UdpGroSegment, &true).map_err(|e| failed(e.into()))?;
        let _ = setsockopt(&self.socket, sockopt::RcvBufForce, &ROOM);
        self.socket.set_read_timeout(Some(LOOK)).map_err(&failed)?;
        let port = self.socket.local_addr().map_err(&failed)?.port();
        let frame = superframe(port);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut room = vec![0; 65_536];
                while !stop.load(Ordering::Relaxed) {
                    if let Ok(length) = self.socket.recv(&mut room) {
                        counted.fetch_add(length as u64, Ordering::Relaxed);
                    }
                }
            });
            ready();
            while !stop.load(Ordering::Relaxed) {
                match rustix::io::write(&self.tap, &frame) {
                    Ok(_) => {}
                    Err(rustix::io::Errno::AGAIN | rustix::io::Errno::NOBUFS) => {}
                    Err(error) => return Err(Trouble::of("writing to the device")(error.into())),
                }
            }
            Ok(())
        })
    }

    /// Reads superframes until `stop`, as they come from a socket of the kernel's, and counts the
    /// bytes of their datagrams.
    pub(in crate::bench) fn receive(
        &self,
        stop: &AtomicBool,
        ready: impl FnOnce(),
        counted: &AtomicU64,
    ) -> Result<(), Trouble> {
        let failed = Trouble::of("setting up the kernel's end");
        setsockopt(&self.socket, sockopt::UdpGsoSegment, &i32::from(SEGMENT))
            .map_err(|error| failed(error.into()))?;
        self.socket.connect((Way::Own.own(Family::V4), 9)).map_err(&failed)?;
        self.socket.set_write_timeout(Some(LOOK)).map_err(&failed)?;
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let data = vec![0x5a; PAYLOAD];
                while !stop.load(Ordering::Relaxed) {
                    // What there is no room for is sent again.
                    let _ = self.socket.send(&data);
                }
            });
            ready();
            let mut room = vec![0; 80_000];
            while !stop.load(Ordering::Relaxed) {
                match rustix::io::read(&self.tap, &mut room) {
                    Ok(length) => {
                        let payload = length.saturating_sub(VNET + ETHERNET + IPV4 + UDP);
                        counted.fetch_add(payload as u64, Ordering::Relaxed);
                    }
                    Err(rustix::io::Errno::AGAIN) => wait(&self.tap)?,
                    Err(error) => return Err(Trouble::of("reading from the device")(error.into())),
                }
            }
            Ok(())
        })
    }
}

fn wait(tap: impl AsFd) -> Result<(), Trouble> {
    let look = Timespec { tv_sec: 0, tv_nsec: i64::from(LOOK.subsec_nanos()) };
    match poll(&mut [PollFd::new(&tap, PollFlags::IN)], Some(&look)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(Trouble::of("waiting for the device")(io::Error::from(error))),
    }
}

/// A superframe to the kernel's socket, with the header that says how it is to be cut.
fn superframe(port: u16) -> Vec<u8> {
    let (IpAddr::V4(from), IpAddr::V4(to)) = (Way::Own.own(Family::V4), Way::Own.peer(Family::V4))
    else {
        return Vec::new();
    };
    let (udp, total) = ((UDP + PAYLOAD) as u16, (IPV4 + UDP + PAYLOAD) as u16);
    // virtio_net_hdr: the checksum is to be completed, VIRTIO_NET_HDR_GSO_UDP_L4, and in the order of
    // this machine the lengths of the headers and of a segment, and where the checksum stands.
    let mut frame = vec![1, 5];
    let headers = (ETHERNET + IPV4 + UDP) as u16;
    for number in [headers, SEGMENT, (ETHERNET + IPV4) as u16, 6] {
        frame.extend(number.to_ne_bytes());
    }
    frame.extend(KERNEL_MAC);
    frame.extend(STACK_MAC);
    frame.extend([0x08, 0x00]);
    let mut ip = [0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 17, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    ip[2..4].copy_from_slice(&total.to_be_bytes());
    ip[12..16].copy_from_slice(&from.octets());
    ip[16..20].copy_from_slice(&to.octets());
    let sum = !folded(&ip);
    ip[10..12].copy_from_slice(&sum.to_be_bytes());
    frame.extend(ip);
    // The sum of the pseudo-header, as the kernel wants it (RFC 768).
    let sum = folded(&[pseudo(from, to).as_slice(), &[0, 17], &udp.to_be_bytes()].concat());
    for number in [40_000, port, udp, sum] {
        frame.extend(number.to_be_bytes());
    }
    frame.resize(frame.len() + PAYLOAD, 0xa5);
    frame
}

fn pseudo(from: Ipv4Addr, to: Ipv4Addr) -> [u8; 8] {
    let [a, b, c, d] = from.octets();
    let [e, f, g, h] = to.octets();
    [a, b, c, d, e, f, g, h]
}

/// The sum of RFC 1071, not inverted.
fn folded(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|word| match *word {
        [high, low] => u32::from(u16::from_be_bytes([high, low])),
        [high] => u32::from(high) << 8,
        _ => 0,
    });
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}
