//! Changing frames in place.
//!
//! Checksums are made right again after a change only if they were right before it, or a corrupt
//! packet would become a valid one.

use super::rule::{Checksums, Ecn, Field, Lengths, Part, TcpOption};
use super::view::View;
use crate::net::checksum;
use crate::random::Random;

const NOP: u8 = 1;

/// Calls `change` with the frame and, if the checksums of its packet were right, makes them right
/// again.
fn keeping_checksums(frame: &mut [u8], change: impl FnOnce(&mut [u8])) {
    let valid = checksum::verify(View::new(frame).packet());
    change(frame);
    if valid {
        fill(frame);
    }
}

/// Writes the checksums of the IP packet in a frame.
pub(super) fn fill(frame: &mut [u8]) {
    let at = View::new(frame).at;
    if let Some(packet) = frame.get_mut(at.network..at.end) {
        checksum::fill(packet);
    }
}

fn put(frame: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(place) = frame.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}

/// Sets a header field where the frame has it.
pub(super) fn set(frame: &mut [u8], field: Field) {
    let view = View::new(frame);
    let (network, transport) = (view.at.network, view.at.transport);
    match field {
        Field::Ttl(ttl) => {
            let at = if view.is_ipv4() {
                network + 8
            } else if view.is_ipv6() {
                network + 7
            } else {
                return;
            };
            keeping_checksums(frame, |frame| put(frame, at, &[ttl]));
        }
        Field::Win(window) if view.is_tcp() => {
            let window = window.to_be_bytes();
            keeping_checksums(frame, |frame| put(frame, transport + 14, &window));
        }
        Field::Mss(mss) => {
            if let Some(option) = view.option(TcpOption::MSS.0)
                && option.len() == 4
            {
                let mss = mss.to_be_bytes();
                keeping_checksums(frame, |frame| put(frame, option.start + 2, &mss));
            }
        }
        Field::Win(_) => {}
    }
}

/// Sets the ECN field of an IP packet.
pub(super) fn mark(frame: &mut [u8], ecn: Ecn) {
    let view = View::new(frame);
    let at = view.at.network + 1;
    let shift = if view.is_ipv4() {
        0
    } else if view.is_ipv6() {
        4
    } else {
        return;
    };
    keeping_checksums(frame, |frame| {
        if let Some(class) = frame.get_mut(at) {
            *class = *class & !(3 << shift) | ecn.bits() << shift;
        }
    });
}

/// Replaces a TCP option by padding.
pub(super) fn strip(frame: &mut [u8], option: TcpOption) {
    if let Some(range) = View::new(frame).option(option.0) {
        keeping_checksums(frame, |frame| {
            if let Some(option) = frame.get_mut(range) {
                option.fill(NOP);
            }
        });
    }
}

/// Turns `bits` different bits over, as far as there are so many.
pub(super) fn corrupt(
    frame: &mut [u8],
    at: Part,
    bits: u8,
    checksums: Checksums,
    random: &mut Random,
) {
    let layout = View::new(frame).at;
    let range = match at {
        Part::Any => layout.network..frame.len(),
        Part::Ip => layout.network..layout.transport,
        Part::Transport => layout.transport..layout.payload,
        Part::Payload => layout.payload..layout.end,
        Part::Byte(at) => usize::from(at)..usize::from(at) + 1,
    };
    let Some(part) = frame.get_mut(range) else { return };
    let total = part.len() as u64 * 8;
    let first = random.below(total);
    for index in 0..u64::from(bits).min(total) {
        let bit = (first + index * stride(total)) % total;
        if let Some(byte) = part.get_mut((bit / 8) as usize) {
            *byte ^= 1 << (bit % 8);
        }
    }
    if checksums == Checksums::Fix {
        fill(frame);
    }
}

/// A step that meets every one of `total` bits before it meets one again: it has no divisor in
/// common with it.
fn stride(total: u64) -> u64 {
    // Each number below is prime; no part has so many bits that all divide it.
    [1009, 1013, 1019, 1021, 1031, 1033]
        .into_iter()
        .find(|prime| !total.is_multiple_of(*prime))
        .unwrap_or(1)
}

/// Cuts a frame and gives its new length.
pub(super) fn truncate(frame: &mut [u8], to: usize, lengths: Lengths) -> usize {
    if to >= frame.len() {
        return frame.len();
    }
    let Some(frame) = frame.get_mut(..to) else { return 0 };
    if lengths == Lengths::Fix {
        fix_lengths(frame);
        fill(frame);
    }
    to
}

/// Writes the length fields of IP and UDP for a packet that ends where the frame ends.
pub(super) fn fix_lengths(frame: &mut [u8]) {
    let view = View::new(frame);
    let (at, udp) = (view.at, view.is_udp());
    let (v4, v6) = (view.is_ipv4(), view.is_ipv6());
    let total = frame.len() - at.network;
    let short = |length: usize| (length.min(usize::from(u16::MAX)) as u16).to_be_bytes();
    if v4 {
        put(frame, at.network + 2, &short(total));
    } else if v6 {
        put(frame, at.network + 4, &short(total.saturating_sub(40)));
    }
    if udp {
        let length = frame.len() - at.transport;
        put(frame, at.transport + 4, &short(length));
    }
}

/// Writes the second part of a TCP segment, which begins `at` bytes into its payload, into `room`
/// and gives its length and that of the first part, which stays in `frame`. `None` when there are
/// no two parts.
pub(super) fn split(frame: &mut [u8], at: usize, room: &mut [u8]) -> Option<(usize, usize)> {
    let view = View::new(frame);
    let (payload, end) = (view.at.payload, view.at.end);
    let transport = view.at.transport;
    let seq = view.seq()?;
    let flags = view.flags()?;
    let syn = u32::from(flags & 2 != 0);
    if at == 0 || view.payload().len() <= at || !checksum::verify(view.packet()) {
        return None;
    }
    let second = payload + (end - payload - at);
    let target = room.get_mut(..second)?;
    target.get_mut(..payload)?.copy_from_slice(frame.get(..payload)?);
    target.get_mut(payload..)?.copy_from_slice(frame.get(payload + at..end)?);
    put(target, transport + 4, &seq.wrapping_add(syn).wrapping_add(at as u32).to_be_bytes());
    // A SYN stays with the first part, FIN and PSH go with the second.
    put(target, transport + 13, &[flags & !2]);
    fix_lengths(target);
    fill(target);
    put(frame, transport + 13, &[flags & !(1 | 8)]);
    let first = frame.get_mut(..payload + at)?;
    fix_lengths(first);
    fill(first);
    Some((payload + at, second))
}

/// Appends the payload of `next` to the segment of `length` bytes in `room`, and gives the new
/// length. `None`, with nothing changed, when it does not follow it or does not fit into `limit`.
pub(super) fn merge(room: &mut [u8], length: usize, next: &[u8], limit: usize) -> Option<usize> {
    let first = View::new(room.get(..length)?);
    let second = View::new(next);
    let fits = first.seq()?.wrapping_add(first.span()) == second.seq()?
        && (first.flags()? | second.flags()?) & (2 | 4) == 0
        && first.flags()? & 1 == 0
        && checksum::verify(first.packet())
        && checksum::verify(second.packet());
    let (end, transport) = (first.at.end, first.at.transport);
    let merged = end + second.payload().len();
    if !fits || merged > limit || merged > room.len() {
        return None;
    }
    let flags = [first.flags()? | second.flags()?];
    room.get_mut(end..merged)?.copy_from_slice(second.payload());
    // What it says about the other direction is newer.
    let newer = next.get(second.at.transport + 8..second.at.transport + 12)?;
    put(room, transport + 8, newer);
    let window = next.get(second.at.transport + 14..second.at.transport + 16)?;
    put(room, transport + 14, window);
    put(room, transport + 13, &flags);
    let frame = room.get_mut(..merged)?;
    fix_lengths(frame);
    fill(frame);
    Some(merged)
}
