//! What the boards have in common.

use tapsock_stack::time::Instant;
use tapsock_stack::wire::{EthernetAddress, IpAddress, IpCidr};
use wsa::engine::Waited;

use crate::machine;

/// The board's Ethernet address.
pub const HARDWARE_ADDRESS: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 2]);
/// Its IPv4 address.
pub const ADDRESS: IpCidr = IpCidr::new(IpAddress::v4(10, 77, 0, 2), 24);
/// The router at the other end of the wire.
pub const GATEWAY: IpAddress = IpAddress::v4(10, 77, 0, 1);

/// The time since the start.
pub fn clock() -> Instant {
    Instant::from_micros(machine::micros() as i64)
}

/// Sleeps until a frame has arrived, or a moment passed. Waking too early is harmless, so it does
/// not matter until when.
pub fn idle(_until: Option<Instant>) -> Waited {
    machine::sleep();
    Waited::Again
}

/// What nobody outside can guess. A board with a random number generator asks that; this one has
/// only the time that its start took.
pub fn random() -> u64 {
    (machine::micros() + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
