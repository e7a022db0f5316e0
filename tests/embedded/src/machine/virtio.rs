//! A virtio network device, as QEMU's microvm has it.
#![allow(unsafe_code)]

use core::ptr::NonNull;
use core::sync::atomic::{AtomicUsize, Ordering};

use static_cell::ConstStaticCell;
use tapsock_stack::link::{Link, LinkError};
use tapsock_stack::time::Instant;
use virtio_drivers::device::net::VirtIONetRaw;
use virtio_drivers::transport::mmio::MmioTransport;
use virtio_drivers::transport::{DeviceType, Transport};
use virtio_drivers::{BufferDirection, Hal, PAGE_SIZE, PhysAddr};

/// Where microvm has its devices, how far apart, and the most of them.
const DEVICES: usize = 0xfeb0_0000;
const DEVICE: usize = 512;
const MOST_DEVICES: usize = 24;
const MTU: usize = 1500;
/// Frames that the device may fill.
const QUEUE: usize = 16;
/// A frame and the device's header, in whole words.
const ROOM: usize = 1544;
/// Pages that the device's queues take.
const PAGES: usize = 8;

#[repr(align(4096))]
struct Pages([[u8; PAGE_SIZE]; PAGES]);

/// Memory is where it seems to be: all addresses are physical ones.
#[derive(Debug)]
struct Flat;

// SAFETY: the pages are handed out once each, zeroed, and never taken back; memory is mapped to
// itself, so that shared buffers need nothing.
unsafe impl Hal for Flat {
    fn dma_alloc(pages: usize, _: BufferDirection) -> (PhysAddr, NonNull<u8>) {
        struct Arena(core::cell::UnsafeCell<Pages>);
        // SAFETY: there is one thread.
        unsafe impl Sync for Arena {}
        static ARENA: Arena = Arena(core::cell::UnsafeCell::new(Pages([[0; PAGE_SIZE]; PAGES])));
        static USED: AtomicUsize = AtomicUsize::new(0);
        let first = USED.fetch_add(pages, Ordering::Relaxed);
        assert!(first + pages <= PAGES, "the device wants more than {PAGES} pages");
        // SAFETY: the arena is a place, which is not read here.
        let arena = unsafe { &raw mut (*ARENA.0.get()).0 };
        let address = arena as usize + first * PAGE_SIZE;
        // The arena is not at address 0.
        let pointer = NonNull::new(address as *mut u8).unwrap_or(NonNull::dangling());
        (address as PhysAddr, pointer)
    }
    unsafe fn dma_dealloc(_: PhysAddr, _: NonNull<u8>, _: usize) -> i32 {
        0
    }
    unsafe fn mmio_phys_to_virt(address: PhysAddr, _: usize) -> NonNull<u8> {
        NonNull::new(address as *mut u8).unwrap_or(NonNull::dangling())
    }
    unsafe fn share(buffer: NonNull<[u8]>, _: BufferDirection) -> PhysAddr {
        buffer.cast::<u8>().as_ptr() as PhysAddr
    }
    unsafe fn unshare(_: PhysAddr, _: NonNull<[u8]>, _: BufferDirection) {}
}

/// The device as a link.
pub struct Nic {
    device: VirtIONetRaw<Flat, MmioTransport<'static>, QUEUE>,
    /// What the device fills; a buffer's place is its token.
    frames: &'static mut [[u8; ROOM]; QUEUE],
    tokens: [u16; QUEUE],
}

impl Nic {
    /// The device, ready to send and receive.
    ///
    /// # Panics
    /// When there is none.
    pub fn new() -> Self {
        static FRAMES: ConstStaticCell<[[u8; ROOM]; QUEUE]> =
            ConstStaticCell::new([[0; ROOM]; QUEUE]);
        let Some(transport) = (0..MOST_DEVICES).find_map(transport) else {
            panic!("no virtio network device at {DEVICES:#x}")
        };
        let Ok(device) = VirtIONetRaw::new(transport) else { panic!("the device refuses") };
        let mut nic = Self { device, frames: FRAMES.take(), tokens: [0; QUEUE] };
        (0..QUEUE).for_each(|place| nic.offer(place));
        nic
    }

    /// Lets the device fill this buffer.
    fn offer(&mut self, place: usize) {
        // SAFETY: the buffer lives for ever and is not looked at before the device returns it.
        let token = unsafe { self.device.receive_begin(&mut self.frames[place]) };
        let Ok(token) = token else { panic!("the device's queue is full") };
        self.tokens[place] = token;
    }
}

impl Default for Nic {
    fn default() -> Self {
        Self::new()
    }
}

impl core::fmt::Debug for Nic {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Nic")
    }
}

fn transport(number: usize) -> Option<MmioTransport<'static>> {
    let header = NonNull::new((DEVICES + number * DEVICE) as *mut _)?;
    // SAFETY: microvm has a device, or an empty place for one, at each of these addresses.
    let transport = unsafe { MmioTransport::new(header, DEVICE) }.ok()?;
    (transport.device_type() == DeviceType::Network).then_some(transport)
}

impl Link for Nic {
    fn mtu(&self) -> usize {
        MTU
    }

    fn is_up(&self) -> bool {
        true
    }

    fn receive(&mut self, _: Instant, buffer: &mut [u8]) -> Result<Option<usize>, LinkError> {
        let Some(token) = self.device.poll_receive() else { return Ok(None) };
        let Some(place) = self.tokens.iter().position(|known| *known == token) else {
            return Err(LinkError::Down);
        };
        let frame = &mut self.frames[place];
        // SAFETY: the buffer is the one that got this token.
        let received = unsafe { self.device.receive_complete(token, frame) };
        let Ok((header, len)) = received else { return Err(LinkError::Down) };
        let len = len.min(buffer.len());
        buffer[..len].copy_from_slice(&frame[header..header + len]);
        self.offer(place);
        Ok(Some(len))
    }

    fn transmit(&mut self, _: Instant, frame: &[u8]) -> Result<(), LinkError> {
        self.device.send(frame).map_err(|_| LinkError::Down)
    }
}
