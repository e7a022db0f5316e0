//! SMSC LAN9118, as QEMU's MPS2 boards have it.

use tapsock_stack::link::{Link, LinkError};
use tapsock_stack::time::Instant;

use super::cortex_m::{listen_to, read_register as read, write_register as write};
use crate::HARDWARE_ADDRESS;

/// Its interrupt.
const INTERRUPT: u32 = 13;

const BASE: usize = 0x4020_0000;
const RX_DATA: usize = BASE;
const TX_DATA: usize = BASE + 0x20;
const RX_STATUS: usize = BASE + 0x40;
const TX_STATUS: usize = BASE + 0x48;
const BYTE_TEST: usize = BASE + 0x64;
const IRQ_CFG: usize = BASE + 0x54;
const INT_STS: usize = BASE + 0x58;
const INT_EN: usize = BASE + 0x5c;
const TX_CFG: usize = BASE + 0x70;
const HW_CFG: usize = BASE + 0x74;
const RX_FIFO_INF: usize = BASE + 0x7c;
const TX_FIFO_INF: usize = BASE + 0x80;
const MAC_COMMAND: usize = BASE + 0xa4;
const MAC_DATA: usize = BASE + 0xa8;

/// A frame's status waits in the FIFO.
const RECEIVED: u32 = 1 << 3;
/// Push-pull, active high, enabled.
const IRQ_ON: u32 = 1 << 8 | 1 << 4 | 1;

/// What Ethernet carries.
const MTU: usize = 1500;
/// The controller gives the checksum of a frame behind it.
const FCS: usize = 4;
/// Words before a frame to be sent, which say what it is.
const COMMAND_WORDS: u32 = 2;

/// The controller as a link, without copies of its own: its FIFOs are where frames wait.
#[derive(Debug)]
pub struct Nic(());

impl Nic {
    /// The controller, ready to send and receive.
    ///
    /// # Panics
    /// When there is none.
    pub fn new() -> Self {
        assert_eq!(read(BYTE_TEST), 0x8765_4321, "no LAN9118 at {BASE:#x}");
        write(HW_CFG, 1);
        while read(HW_CFG) & 1 != 0 {}
        write(INT_EN, 0);
        write(IRQ_CFG, IRQ_ON);
        write(TX_CFG, 2);
        let [a, b, c, d, e, f] = HARDWARE_ADDRESS.0;
        write_mac(2, u32::from_le_bytes([e, f, 0, 0]));
        write_mac(3, u32::from_le_bytes([a, b, c, d]));
        // Full duplex; transmitter and receiver on; groups pass.
        write_mac(1, 1 << 20 | 1 << 19 | 1 << 3 | 1 << 2);
        // Until it was told which level means an interrupt, it seemed to ask for one.
        listen_to(INTERRUPT);
        Self(())
    }
}

impl Default for Nic {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether a frame waits.
pub(super) fn is_pending() -> bool {
    read(RX_FIFO_INF) >> 16 & 0xff != 0
}

/// Frames interrupt from now on.
pub(super) fn unmask() {
    write(INT_STS, RECEIVED);
    write(INT_EN, RECEIVED);
}

/// Frames no longer interrupt.
pub(super) fn mask() {
    write(INT_EN, 0);
}

fn write_mac(register: u32, value: u32) {
    const BUSY: u32 = 1 << 31;
    write(MAC_DATA, value);
    write(MAC_COMMAND, BUSY | register);
    while read(MAC_COMMAND) & BUSY != 0 {}
}

impl Link for Nic {
    fn mtu(&self) -> usize {
        MTU
    }

    fn is_up(&self) -> bool {
        true
    }

    fn receive(&mut self, _: Instant, buffer: &mut [u8]) -> Result<Option<usize>, LinkError> {
        if !is_pending() {
            return Ok(None);
        }
        let len = (read(RX_STATUS) >> 16 & 0x3fff) as usize;
        for at in (0..len).step_by(4) {
            // All of it must be taken out, whether there is room or not.
            let word = read(RX_DATA).to_le_bytes();
            let room = buffer.get_mut(at..).unwrap_or_default();
            for (room, byte) in room.iter_mut().zip(word) {
                *room = byte;
            }
        }
        Ok(Some(len.saturating_sub(FCS).min(buffer.len())))
    }

    fn transmit(&mut self, _: Instant, frame: &[u8]) -> Result<(), LinkError> {
        let len = frame.len() as u32;
        let free = read(TX_FIFO_INF) & 0xffff;
        if free < len.next_multiple_of(4) + 4 * COMMAND_WORDS {
            return Err(LinkError::Busy);
        }
        const FIRST_AND_LAST: u32 = 1 << 13 | 1 << 12;
        write(TX_DATA, FIRST_AND_LAST | len);
        write(TX_DATA, len);
        for bytes in frame.chunks(4) {
            let mut word = [0; 4];
            word.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
            write(TX_DATA, u32::from_le_bytes(word));
        }
        // Nobody asks how it went, but the statuses must not pile up.
        while read(TX_FIFO_INF) >> 16 & 0xff != 0 {
            read(TX_STATUS);
        }
        Ok(())
    }
}
