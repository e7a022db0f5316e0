//! smoltcp's devices as links, and links as smoltcp's devices.
//!
//! Many drivers of Ethernet controllers are written for smoltcp. [`FromPhy`] makes each of them a
//! link. [`ToPhy`] is the other way around: whoever uses smoltcp directly can have this crate's
//! decorators, such as the fault engine, around a device.

use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::Instant;

use super::{Link, LinkError};

/// What stands before a packet in a frame.
const HEADER: usize = 14;

/// A device of smoltcp's as a link. Its medium must be Ethernet; over any other it never sends or
/// receives, as what it carries are no frames.
#[derive(Debug, Clone, Copy, Default)]
pub struct FromPhy<D> {
    device: D,
    down: bool,
}

impl<D: Device> FromPhy<D> {
    /// The device as a link that is up.
    pub const fn new(device: D) -> Self {
        Self { device, down: false }
    }

    /// Says whether there is a carrier, which smoltcp's devices do not tell.
    pub fn set_up(&mut self, up: bool) {
        self.down = !up;
    }

    /// The device.
    pub const fn device(&self) -> &D {
        &self.device
    }

    /// The device, mutably.
    pub const fn device_mut(&mut self) -> &mut D {
        &mut self.device
    }
}

impl<D: Device> Link for FromPhy<D> {
    fn mtu(&self) -> usize {
        // With smoltcp an Ethernet device counts the header.
        self.device.capabilities().max_transmission_unit.saturating_sub(HEADER)
    }

    fn is_up(&self) -> bool {
        !self.down && self.device.capabilities().medium == Medium::Ethernet
    }

    fn receive(&mut self, now: Instant, buffer: &mut [u8]) -> Result<Option<usize>, LinkError> {
        if !self.is_up() {
            return Err(LinkError::Down);
        }
        let Some((received, _)) = self.device.receive(now) else { return Ok(None) };
        Ok(Some(received.consume(|frame| {
            let len = frame.len().min(buffer.len());
            buffer.iter_mut().zip(frame).for_each(|(to, from)| *to = *from);
            len
        })))
    }

    fn transmit(&mut self, now: Instant, frame: &[u8]) -> Result<(), LinkError> {
        if !self.is_up() {
            return Err(LinkError::Down);
        }
        let token = self.device.transmit(now).ok_or(LinkError::Busy)?;
        token.consume(frame.len(), |room| {
            room.iter_mut().zip(frame).for_each(|(to, from)| *to = *from);
        });
        Ok(())
    }
}

/// A link as a device of smoltcp's, for frames of at most `F` bytes.
///
/// A device has to say that it takes a frame before there is one. So what the link then refuses is
/// lost, as it is on a wire, and counted.
#[derive(Debug)]
pub struct ToPhy<L, const F: usize> {
    link: L,
    received: [u8; F],
    sent: [u8; F],
    lost: u64,
}

impl<L: Link, const F: usize> ToPhy<L, F> {
    /// The link as a device.
    pub const fn new(link: L) -> Self {
        Self { link, received: [0; F], sent: [0; F], lost: 0 }
    }

    /// The link.
    pub const fn link(&self) -> &L {
        &self.link
    }

    /// The link, mutably.
    pub const fn link_mut(&mut self) -> &mut L {
        &mut self.link
    }

    /// How many frames the link did not take.
    pub const fn lost(&self) -> u64 {
        self.lost
    }
}

/// A frame that a link has received.
#[derive(Debug)]
pub struct Received<'d>(&'d [u8]);

impl RxToken for Received<'_> {
    fn consume<R, G: FnOnce(&[u8]) -> R>(self, f: G) -> R {
        f(self.0)
    }
}

/// Room for a frame that a link shall send.
#[derive(Debug)]
pub struct Room<'d, L> {
    link: &'d mut L,
    room: &'d mut [u8],
    lost: &'d mut u64,
    now: Instant,
}

impl<L: Link> TxToken for Room<'_, L> {
    fn consume<R, G: FnOnce(&mut [u8]) -> R>(self, len: usize, f: G) -> R {
        // smoltcp asks for no more than the capabilities allow.
        let len = len.min(self.room.len());
        let (frame, _) = self.room.split_at_mut(len);
        let result = f(frame);
        if self.link.transmit(self.now, frame).is_err() {
            *self.lost += 1;
        }
        result
    }
}

impl<L: Link, const F: usize> Device for ToPhy<L, F> {
    type RxToken<'d>
        = Received<'d>
    where
        Self: 'd;
    type TxToken<'d>
        = Room<'d, L>
    where
        Self: 'd;

    fn receive(&mut self, now: Instant) -> Option<(Received<'_>, Room<'_, L>)> {
        let len = self.link.receive(now, &mut self.received).ok().flatten()?;
        let Self { link, received, sent, lost } = self;
        Some((Received(received.get(..len)?), Room { link, room: sent, lost, now }))
    }

    fn transmit(&mut self, now: Instant) -> Option<Room<'_, L>> {
        let Self { link, sent, lost, .. } = self;
        link.is_up().then_some(Room { link, room: sent, lost, now })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = self.link.mtu().saturating_add(HEADER).min(F);
        capabilities
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keeps one frame, and takes none while it has one.
    #[derive(Debug, Default)]
    struct Slot(Option<heapless::Vec<u8, 1514>>);

    impl Link for Slot {
        fn mtu(&self) -> usize {
            1500
        }
        fn is_up(&self) -> bool {
            true
        }
        fn receive(&mut self, _: Instant, buffer: &mut [u8]) -> Result<Option<usize>, LinkError> {
            let Some(frame) = self.0.take() else { return Ok(None) };
            let len = frame.len().min(buffer.len());
            buffer[..len].copy_from_slice(&frame[..len]);
            Ok(Some(len))
        }
        fn transmit(&mut self, _: Instant, frame: &[u8]) -> Result<(), LinkError> {
            if self.0.is_some() {
                return Err(LinkError::Busy);
            }
            self.0 = heapless::Vec::from_slice(frame).ok();
            Ok(())
        }
    }

    const NOW: Instant = Instant::ZERO;

    #[test]
    fn a_frame_passes_a_link_that_was_a_device_that_was_a_link() {
        let mut link = FromPhy::new(ToPhy::<_, 1514>::new(Slot::default()));
        assert_eq!(link.mtu(), 1500);
        assert_eq!(link.receive(NOW, &mut [0; 100]), Ok(None));
        assert_eq!(link.transmit(NOW, &[7; 60]), Ok(()));
        let mut buffer = [0; 100];
        assert_eq!(link.receive(NOW, &mut buffer), Ok(Some(60)));
        assert_eq!((buffer[59], buffer[60]), (7, 0));
        assert_eq!(link.receive(NOW, &mut buffer), Ok(None));
    }

    #[test]
    fn a_frame_longer_than_the_buffer_is_cut_to_it() {
        let mut link = FromPhy::new(ToPhy::<_, 1514>::new(Slot::default()));
        link.transmit(NOW, &[7; 60]).unwrap();
        assert_eq!(link.receive(NOW, &mut [0; 59]), Ok(Some(59)));
    }

    #[test]
    fn what_the_link_refuses_is_lost_and_counted() {
        let mut device = ToPhy::<_, 1514>::new(Slot::default());
        for _ in 0..3 {
            device.transmit(NOW).unwrap().consume(60, |frame| frame.fill(7));
        }
        assert_eq!(device.lost(), 2);
    }

    #[test]
    fn the_room_of_a_device_bounds_its_mtu() {
        assert_eq!(
            ToPhy::<_, 1400>::new(Slot::default()).capabilities().max_transmission_unit,
            1400
        );
        assert_eq!(
            ToPhy::<_, 9000>::new(Slot::default()).capabilities().max_transmission_unit,
            1514
        );
    }

    #[test]
    fn a_link_without_a_carrier_is_down_and_of_another_medium_for_good() {
        let mut link = FromPhy::new(ToPhy::<_, 1514>::new(Slot::default()));
        link.set_up(false);
        assert_eq!(link.transmit(NOW, &[7; 60]), Err(LinkError::Down));
        assert_eq!(link.receive(NOW, &mut [0; 60]), Err(LinkError::Down));
        link.set_up(true);
        assert_eq!(link.transmit(NOW, &[7; 60]), Ok(()));
    }
}
