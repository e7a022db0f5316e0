//! The file of a TAP device that has the header of virtio-net before each frame.
//!
//! A large frame is written in two pieces with its header, so that it is copied once; a small one is
//! copied behind its header, because two pieces cost the kernel more than the copy. What is read
//! has its header in front.

// The calls below that no safe API offers.
#![allow(unsafe_code)]

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec;
use core::ops::Range;
use std::fs::File;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::{Errno, writev};
use rustix::ioctl::{IntegerSetter, Opcode, Setter, Updater, ioctl, opcode};

use super::offload::{
    ARRIVAL, ChecksumStatus, FrameMeta, Gso, GsoKind, Offload, Segments, Sums, finish,
};

// <linux/if_tun.h>; the ifreq of TUNSETIFF is longer than its number says.
const TUNSETIFF: Opcode = opcode::write::<i32>(b'T', 202);
const TUNSETOFFLOAD: Opcode = opcode::write::<u32>(b'T', 208);
const TUNSETVNETHDRSZ: Opcode = opcode::write::<i32>(b'T', 216);
const IFF_TAP: u16 = 0x0002;
const IFF_NO_PI: u16 = 0x1000;
const IFF_VNET_HDR: u16 = 0x4000;
const TUN_F_CSUM: usize = 0x01;
const TUN_F_TSO4: usize = 0x02;
const TUN_F_TSO6: usize = 0x04;
const TUN_F_USO4: usize = 0x20;
const TUN_F_USO6: usize = 0x40;

// <linux/virtio_net.h>
const NEEDS_CSUM: u8 = 1;
const DATA_VALID: u8 = 2;
const GSO_NONE: u8 = 0;
const GSO_TCPV4: u8 = 1;
const GSO_TCPV6: u8 = 4;
const GSO_UDP_L4: u8 = 5;
/// The sender uses explicit congestion notification: of no consequence for who receives.
const GSO_ECN: u8 = 0x80;

/// Bytes of `struct virtio_net_hdr`, in the byte order of this machine.
const HEADER: usize = 10;

/// The largest frame that is copied to be one piece with its header.
const SMALL: usize = 256;

/// What is left of a frame that contradicts its header: not enough for anybody to take it for
/// one.
const STUB: usize = 14;

/// `struct ifreq`, as far as it is used here. Its union is 24 bytes long where pointers have
/// eight, and 16 elsewhere.
#[repr(C)]
struct Request {
    name: [u8; 16],
    flags: u16,
    rest: [u8; 22],
}

/// The file, and the superframe that is being cut for who takes none.
#[derive(Debug)]
pub(super) struct Vnet {
    fd: OwnedFd,
    offload: Offload,
    room: Box<[u8]>,
    /// Where in `room` the superframe is.
    superframe: Range<usize>,
    segments: Option<Segments>,
    short_writes: u64,
    /// A small frame behind its header.
    small: [u8; HEADER + SMALL],
}

impl Vnet {
    /// Attaches to the TAP device `name` with everything that the kernel offers, and gives the
    /// name that it has.
    ///
    /// # Errors
    /// What the kernel says. It may know the device and not the header: a plain attachment may
    /// succeed.
    pub(super) fn attach(node: File, name: &str) -> io::Result<(Self, String)> {
        let mut request = Request { name: [0; 16], flags: 0, rest: [0; 22] };
        // The name was checked: it leaves room for the terminating zero.
        for (to, from) in request.name.iter_mut().take(15).zip(name.bytes()) {
            *to = from;
        }
        request.flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
        // SAFETY: the kernel reads and writes a `struct ifreq`, which `Request` is as long as.
        unsafe { ioctl(&node, Updater::<TUNSETIFF, Request>::new(&mut request))? };
        // A device that outlives its programs may have had another.
        // SAFETY: the kernel reads an int.
        unsafe { ioctl(&node, Setter::<TUNSETVNETHDRSZ, i32>::new(HEADER as i32))? };
        let tcp = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
        // Datagrams put together are of use to who receives only, and newer than the rest.
        if set_offload(node.as_fd(), tcp | TUN_F_USO4 | TUN_F_USO6).is_err() {
            set_offload(node.as_fd(), tcp)?;
        }
        let end = request.name.iter().position(|&byte| byte == 0).unwrap_or(request.name.len());
        let name = String::from_utf8_lossy(&request.name[..end]).to_string();
        Ok((Self::on(node.into(), Offload::ALL), name))
    }

    /// On any file that keeps messages apart.
    pub(super) fn on(fd: OwnedFd, offload: Offload) -> Self {
        let room = vec![0; ARRIVAL].into_boxed_slice();
        let small = [0; HEADER + SMALL];
        Self { fd, offload, room, superframe: 0..0, segments: None, short_writes: 0, small }
    }

    pub(super) fn offload(&self) -> Offload {
        self.offload
    }

    /// Whether there is more of a frame that was read already.
    pub(super) fn has_more(&self) -> bool {
        self.segments.is_some()
    }

    /// How many frames the kernel took only a part of.
    pub(super) fn short_writes(&self) -> u64 {
        self.short_writes
    }

    /// Reads the next frame as it would be on a wire.
    pub(super) fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(length) = self.next_piece(buffer) {
            return Ok(length);
        }
        let (range, meta) = read(&self.fd, &mut self.room)?;
        let length = range.len();
        let frame = self.room.get_mut(range.clone()).unwrap_or_default();
        if meta.gso.is_some() {
            self.superframe = range;
            self.segments = Segments::of(frame, &meta, Sums::Fill).ok();
            // One that cannot be cut is given so that its loss is counted.
            return Ok(self.next_piece(buffer).unwrap_or(length.min(STUB).min(buffer.len())));
        }
        finish(frame, &meta);
        let length = length.min(buffer.len());
        buffer[..length].copy_from_slice(&frame[..length]);
        Ok(length)
    }

    /// Reads the next frame as the kernel has it.
    pub(super) fn receive_offloaded(
        &mut self,
        buffer: &mut [u8],
    ) -> io::Result<(Range<usize>, FrameMeta)> {
        match self.next_piece(buffer) {
            Some(length) => Ok((0..length, FrameMeta::WHOLE)),
            None => read(&self.fd, buffer),
        }
    }

    fn next_piece(&mut self, buffer: &mut [u8]) -> Option<usize> {
        let segments = self.segments.as_mut()?;
        let frame = self.room.get_mut(self.superframe.clone()).unwrap_or_default();
        let piece = segments.piece(frame).and_then(|range| frame.get(range));
        let length = piece.map(|piece| {
            let length = piece.len().min(buffer.len());
            buffer[..length].copy_from_slice(&piece[..length]);
            length
        });
        segments.advance();
        if length.is_none() || segments.is_done() {
            self.segments = None;
        }
        length
    }

    /// Writes a frame. A kernel that takes no such frame is not asked to again: see
    /// [`Vnet::offload`], and offer it whole.
    pub(super) fn transmit(&mut self, frame: &[u8], meta: &FrameMeta) -> io::Result<()> {
        let header = encode(meta);
        let end = HEADER + frame.len();
        let written = if let Some(room) = self.small.get_mut(..end) {
            // One piece is less work for the kernel than two, and a small frame is soon copied.
            room[..HEADER].copy_from_slice(&header);
            room[HEADER..].copy_from_slice(frame);
            rustix::io::write(&self.fd, room)
        } else {
            writev(&self.fd, &[IoSlice::new(&header), IoSlice::new(frame)])
        };
        match written {
            Ok(written) => {
                // It is out, and of no use to anybody. Like a frame that is lost later.
                self.short_writes += u64::from(written < HEADER + frame.len());
                Ok(())
            }
            Err(Errno::INVAL | Errno::MSGSIZE | Errno::OPNOTSUPP) if !meta.is_whole() => {
                if meta.gso.is_some() {
                    (self.offload.tcp4, self.offload.tcp6) = (false, false);
                } else {
                    self.offload = Offload::NONE;
                }
                Err(Errno::AGAIN.into())
            }
            Err(error) => Err(error.into()),
        }
    }
}

impl Drop for Vnet {
    fn drop(&mut self) {
        // A device that outlives this program would give the next one superframes, which may
        // know nothing of them: the kernel remembers.
        let _ = set_offload(self.fd.as_fd(), 0);
    }
}

impl AsFd for Vnet {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Says what the kernel may leave to who reads from this TAP device.
pub(super) fn set_offload(fd: BorrowedFd<'_>, flags: usize) -> io::Result<()> {
    // SAFETY: the kernel takes the argument as a number.
    unsafe { ioctl(fd, IntegerSetter::<TUNSETOFFLOAD>::new_usize(flags))? };
    Ok(())
}

fn read(fd: &OwnedFd, buffer: &mut [u8]) -> io::Result<(Range<usize>, FrameMeta)> {
    let end = rustix::io::read(fd, &mut *buffer)?;
    // A message that is shorter than the header is an empty frame, and counted as one.
    let Some(header) = buffer.get(..end).and_then(<[u8]>::first_chunk) else {
        return Ok((0..0, FrameMeta::WHOLE));
    };
    Ok((HEADER..end, decode(*header)))
}

/// What a header says. Nothing of it is checked here.
pub(super) fn decode(header: [u8; HEADER]) -> FrameMeta {
    let [flags, kind, h0, h1, s0, s1, c0, c1, o0, o1] = header;
    let checksum = if flags & NEEDS_CSUM != 0 {
        let (start, offset) = (u16::from_ne_bytes([c0, c1]), u16::from_ne_bytes([o0, o1]));
        ChecksumStatus::Partial { start, offset }
    } else if flags & DATA_VALID != 0 {
        ChecksumStatus::Valid
    } else {
        ChecksumStatus::Whole
    };
    let kind = match kind & !GSO_ECN {
        GSO_NONE => None,
        GSO_TCPV4 => Some(GsoKind::Tcp4),
        GSO_TCPV6 => Some(GsoKind::Tcp6),
        GSO_UDP_L4 => Some(GsoKind::Udp),
        other => Some(GsoKind::Unknown(other)),
    };
    let (header, size) = (u16::from_ne_bytes([h0, h1]), u16::from_ne_bytes([s0, s1]));
    FrameMeta { checksum, gso: kind.map(|kind| Gso { kind, size, header }) }
}

pub(super) fn encode(meta: &FrameMeta) -> [u8; HEADER] {
    let (flags, start, offset) = match meta.checksum {
        ChecksumStatus::Whole => (0, 0, 0),
        ChecksumStatus::Valid => (DATA_VALID, 0, 0),
        ChecksumStatus::Partial { start, offset } => (NEEDS_CSUM, start, offset),
    };
    let (kind, size, length) = match meta.gso {
        None => (GSO_NONE, 0, 0),
        Some(Gso { kind, size, header }) => {
            let kind = match kind {
                GsoKind::Tcp4 => GSO_TCPV4,
                GsoKind::Tcp6 => GSO_TCPV6,
                GsoKind::Udp => GSO_UDP_L4,
                GsoKind::Unknown(kind) => kind,
            };
            (kind, size, header)
        }
    };
    let [h0, h1] = length.to_ne_bytes();
    let [s0, s1] = size.to_ne_bytes();
    let [c0, c1] = start.to_ne_bytes();
    let [o0, o1] = offset.to_ne_bytes();
    [flags, kind, h0, h1, s0, s1, c0, c1, o0, o1]
}

#[cfg(test)]
mod tests;
