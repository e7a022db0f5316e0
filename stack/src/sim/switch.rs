//! A learning Ethernet switch.

use alloc::collections::BTreeMap;

use smoltcp::wire::{EthernetAddress, EthernetFrame};

/// The most addresses that the switch remembers. Frames to others are flooded.
const LEARNED_LIMIT: usize = 4096;

/// Where a frame goes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Forward {
    To(usize),
    /// To every port but the one that it came from.
    Flood,
    /// Nowhere: it is no frame, or its destination is where it came from.
    Nowhere,
}

/// Learns source addresses, forwards by destination.
#[derive(Debug, Default)]
pub(super) struct Switch {
    learned: BTreeMap<EthernetAddress, usize>,
}

impl Switch {
    pub(super) fn forward(&mut self, from: usize, frame: &[u8]) -> Forward {
        let Ok(frame) = EthernetFrame::new_checked(frame) else { return Forward::Nowhere };
        let source = frame.src_addr();
        if source.is_unicast()
            && (self.learned.len() < LEARNED_LIMIT || self.learned.contains_key(&source))
        {
            self.learned.insert(source, from);
        }
        let destination = frame.dst_addr();
        if !destination.is_unicast() {
            return Forward::Flood;
        }
        match self.learned.get(&destination) {
            Some(&port) if port == from => Forward::Nowhere,
            Some(&port) => Forward::To(port),
            None => Forward::Flood,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(destination: u8, source: u8) -> [u8; 14] {
        let mut frame = [0; 14];
        frame[..6].copy_from_slice(&[2, 0, 0, 0, 0, destination]);
        frame[6..12].copy_from_slice(&[2, 0, 0, 0, 0, source]);
        frame
    }

    #[test]
    fn floods_until_it_has_learned() {
        let mut switch = Switch::default();
        assert_eq!(switch.forward(0, &frame(2, 1)), Forward::Flood);
        assert_eq!(switch.forward(1, &frame(1, 2)), Forward::To(0));
        assert_eq!(switch.forward(0, &frame(2, 1)), Forward::To(1));
    }

    #[test]
    fn follows_an_address_that_moves() {
        let mut switch = Switch::default();
        switch.forward(0, &frame(9, 1));
        switch.forward(2, &frame(9, 1));
        assert_eq!(switch.forward(1, &frame(1, 2)), Forward::To(2));
    }

    #[test]
    fn a_destination_behind_the_same_port_needs_no_forwarding() {
        let mut switch = Switch::default();
        switch.forward(0, &frame(9, 1));
        assert_eq!(switch.forward(0, &frame(1, 2)), Forward::Nowhere);
    }

    #[test]
    fn broadcast_and_multicast_are_flooded_and_never_learned() {
        let mut switch = Switch::default();
        let mut broadcast = frame(0, 1);
        broadcast[..6].fill(0xff);
        assert_eq!(switch.forward(0, &broadcast), Forward::Flood);
        let mut multicast = frame(0, 2);
        multicast[0] = 0x33;
        assert_eq!(switch.forward(1, &multicast), Forward::Flood);
        let mut forged = frame(1, 0);
        forged[6] = 0x33;
        assert_eq!(switch.forward(1, &forged), Forward::To(0));
        let mut to_forged = frame(0, 1);
        to_forged[0] = 0x33;
        assert_eq!(switch.forward(0, &to_forged), Forward::Flood);
    }

    #[test]
    fn what_is_shorter_than_a_header_goes_nowhere() {
        assert_eq!(Switch::default().forward(0, &[0; 13]), Forward::Nowhere);
    }

    #[test]
    fn memory_is_bounded() {
        let mut switch = Switch::default();
        let mut flood = [0; 14];
        flood[..6].fill(0xff);
        for number in 0..2 * LEARNED_LIMIT as u16 {
            flood[6] = 2;
            flood[10..12].copy_from_slice(&number.to_be_bytes());
            switch.forward(0, &flood);
        }
        assert_eq!(switch.learned.len(), LEARNED_LIMIT);
    }
}
