//! smoltcp's interface, driven one packet and one socket at a time.
//!
//! It runs on IP packets ([`Medium::Ip`]) with the largest MTU there is and accepts every address:
//! Ethernet, addresses, routes, the link's MTU and all checksums are this crate's own business.
//!
//! smoltcp fixes what a device does when the interface is made. As a link may begin or cease at any
//! time to cut superframes, there are two interfaces: a connection has all its state in its own
//! socket, and either of them may ask it for the next packet.

use core::fmt;
#[cfg(feature = "std")]
use core::num::NonZeroUsize;

use smoltcp::iface::{Config, Interface, SocketSet};
use smoltcp::phy::{self, Checksum, Device, DeviceCapabilities, Medium};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::HardwareAddress;

#[cfg(feature = "std")]
use crate::link::offload::LARGEST_PACKET;

/// Longer than any retransmission time-out of smoltcp, which has 60 seconds for the longest.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(61);

pub(crate) struct Ip {
    interface: Interface,
    /// The same, for a link that cuts what is longer than a segment.
    #[cfg(feature = "std")]
    cut: Interface,
    mtu: usize,
}

/// The most payload that a socket may put into a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Size {
    /// That of a segment.
    Segment,
    /// Whatever there is: the packet will be cut. Builds without the `std` feature have no use for
    /// it and make segments.
    Superframe,
}

impl fmt::Debug for Ip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ip").field("mtu", &self.mtu).finish_non_exhaustive()
    }
}

impl Ip {
    /// An interface for packets of at most `room` bytes.
    pub(crate) fn new(seed: u64, room: usize, now: Instant) -> Self {
        let mtu = room.min(usize::from(u16::MAX));
        let make = |cuts| {
            let mut config = Config::new(HardwareAddress::Ip);
            config.random_seed = seed;
            let mut device = OneShot { packet: None, reply: &mut [], written: 0, mtu, cuts };
            let mut interface = Interface::new(config, &mut device, now);
            interface.set_any_ip(true);
            interface
        };
        Self {
            interface: make(false),
            #[cfg(feature = "std")]
            cut: make(true),
            mtu,
        }
    }

    /// Hands `packet` to the socket in `sockets` and gives the length of the answer that was
    /// written to `reply`, 0 for none.
    pub(crate) fn ingress(
        &mut self,
        now: Instant,
        sockets: &mut SocketSet<'_>,
        packet: &[u8],
        reply: &mut [u8],
    ) -> usize {
        let mut device =
            OneShot { packet: Some(packet), reply, written: 0, mtu: self.mtu, cuts: false };
        // Its result says "changed" for every packet; the socket's own state is the answer.
        let _ = self.interface.poll_ingress_single(now, &mut device, sockets);
        device.written
    }

    /// Lets the socket in `sockets` write at most one packet and gives its length, 0 for none.
    pub(crate) fn egress(
        &mut self,
        now: Instant,
        sockets: &mut SocketSet<'_>,
        packet: &mut [u8],
        size: Size,
    ) -> usize {
        let mtu = self.mtu;
        let (interface, cuts) = match size {
            Size::Segment => (&mut self.interface, false),
            #[cfg(feature = "std")]
            Size::Superframe => (&mut self.cut, true),
            #[cfg(not(feature = "std"))]
            Size::Superframe => (&mut self.interface, false),
        };
        let mut device = OneShot { packet: None, reply: packet, written: 0, mtu, cuts };
        let _ = interface.poll_egress(now, &mut device, sockets);
        device.written
    }

    /// Lets the retransmission timer of the socket in `sockets` run out now, so that it sends
    /// again what is not acknowledged.
    pub(crate) fn expire(&mut self, now: Instant, sockets: &mut SocketSet<'_>) {
        // The timer is smoltcp's own. It acts on it before it asks for room to write to, and
        // keeps no time from a call that gets none.
        let mtu = self.mtu;
        let mut device = OneShot { packet: None, reply: &mut [], written: 1, mtu, cuts: false };
        let _ = self.interface.poll_egress(now + LONGEST_TIMEOUT, &mut device, sockets);
    }

    /// When the socket in `sockets` wants to write; an instant in the past for at once.
    pub(crate) fn poll_at(&mut self, now: Instant, sockets: &SocketSet<'_>) -> Option<Instant> {
        self.interface.poll_at(now, sockets)
    }

    /// An interface whose first connection begins with this sequence number.
    ///
    /// smoltcp takes the number out of its own random numbers, and can be told nothing but their
    /// seed. So this is the seed from which the number follows.
    pub(crate) fn beginning_with(&self, now: Instant, sequence: u32) -> Interface {
        let mut config = Config::new(HardwareAddress::Ip);
        config.random_seed = seed_of(sequence);
        let mtu = self.mtu;
        let mut device = OneShot { packet: None, reply: &mut [], written: 0, mtu, cuts: false };
        Interface::new(config, &mut device, now)
    }
}

/// The seed of an sPCG32 of which the second number is `number`: the first one is what an interface
/// takes for itself.
fn seed_of(number: u32) -> u64 {
    const FACTOR: u64 = 0xbb2e_fcec_3c39_611d;
    const ADDEND: u64 = 0x7590_ef39;
    // The inverse of an odd number modulo 2^64, by Newton's method: the number of right bits doubles
    // with each step, from 3.
    const INVERSE: u64 = {
        let mut inverse = FACTOR;
        let mut step = 0;
        while step < 5 {
            inverse = inverse.wrapping_mul(2_u64.wrapping_sub(FACTOR.wrapping_mul(inverse)));
            step += 1;
        }
        inverse
    };
    let before = |state: u64| state.wrapping_sub(ADDEND).wrapping_mul(INVERSE);
    let output = |state: u64| (state >> (29 - (state >> 61))) as u32;
    // With zeros at the top the output is what begins at bit 29; the bits below are free.
    let mut first = before((u64::from(number) << 29) | 1);
    if (output(first) ^ (output(first) >> 16)) as u16 == 0 {
        // An interface would take a second number for itself.
        first = before((u64::from(number) << 29) | 2);
    }
    before(first)
}

/// A device that holds one packet on its way in and takes one on its way out.
struct OneShot<'f> {
    packet: Option<&'f [u8]>,
    reply: &'f mut [u8],
    written: usize,
    mtu: usize,
    /// Whether it says that it cuts.
    cuts: bool,
}

struct Arriving<'f>(&'f [u8]);

struct Departing<'d> {
    room: &'d mut [u8],
    written: &'d mut usize,
}

impl phy::RxToken for Arriving<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(self.0)
    }
}

impl phy::TxToken for Departing<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, write: F) -> R {
        // smoltcp never exceeds the MTU that it was told, which is at most the room.
        let len = len.min(self.room.len());
        *self.written = len;
        write(&mut self.room[..len])
    }
}

impl Device for OneShot<'_> {
    type RxToken<'d>
        = Arriving<'d>
    where
        Self: 'd;
    type TxToken<'d>
        = Departing<'d>
    where
        Self: 'd;

    fn receive(&mut self, _: Instant) -> Option<(Arriving<'_>, Departing<'_>)> {
        let packet = self.packet.take()?;
        Some((Arriving(packet), Departing { room: self.reply, written: &mut self.written }))
    }

    fn transmit(&mut self, _: Instant) -> Option<Departing<'_>> {
        if self.written > 0 {
            return None;
        }
        Some(Departing { room: self.reply, written: &mut self.written })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = self.mtu;
        // The packet sanity check has verified what arrives, and whatever leaves for the link is
        // filled in last, once, after every change.
        capabilities.checksum.ipv4 = Checksum::None;
        capabilities.checksum.tcp = Checksum::None;
        capabilities.checksum.udp = Checksum::None;
        capabilities.checksum.icmpv4 = Checksum::None;
        #[cfg(feature = "ipv6")]
        {
            capabilities.checksum.icmpv6 = Checksum::None;
        }
        if self.cuts {
            cut_superframes(&mut capabilities);
        }
        capabilities
    }
}

/// Tells smoltcp that the device cuts what it gives it.
#[cfg(feature = "std")]
fn cut_superframes(capabilities: &mut DeviceCapabilities) {
    let most = NonZeroUsize::new(capabilities.max_transmission_unit.min(LARGEST_PACKET));
    capabilities.segmentation.tcpv4 = most;
    capabilities.segmentation.tcpv6 = most;
}

/// smoltcp cannot be told in this build.
#[cfg(not(feature = "std"))]
fn cut_superframes(_: &mut DeviceCapabilities) {}
