use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::vec::Vec;

use etherparse::PacketBuilder;

use super::*;
use crate::net::checksum;

/// A file in place of that of the device, and the other end of it.
fn device() -> (Vnet, UnixDatagram) {
    let (ours, theirs) = UnixDatagram::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    theirs.set_nonblocking(true).unwrap();
    (Vnet::on(OwnedFd::from(ours), Offload::ALL), theirs)
}

/// A superframe of `payload` bytes, and what the kernel says about it.
fn superframe(payload: usize) -> (Vec<u8>, FrameMeta) {
    let mut frame = Vec::new();
    let builder = PacketBuilder::ethernet2([2; 6], [4; 6]).ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64);
    let data: Vec<u8> = (0..payload).map(|index| (index * 7) as u8).collect();
    builder.tcp(80, 81, 1000, 500).ack(5).write(&mut frame, &data).unwrap();
    let (start, offset) = checksum::fill_partial(&mut frame[14..]).unwrap();
    let checksum = ChecksumStatus::Partial { start: 14 + start as u16, offset: offset as u16 };
    let gso = Gso { kind: GsoKind::Tcp4, size: 1000, header: 54 };
    (frame, FrameMeta { checksum, gso: Some(gso) })
}

fn arrive(theirs: &UnixDatagram, frame: &[u8], meta: &FrameMeta) {
    theirs.send(&[&encode(meta)[..], frame].concat()).unwrap();
}

#[test]
fn headers_are_read_as_they_are_written() {
    let gso = |kind| Some(Gso { kind, size: 1448, header: 66 });
    let partial = ChecksumStatus::Partial { start: 34, offset: 16 };
    for meta in [
        FrameMeta::WHOLE,
        FrameMeta { checksum: ChecksumStatus::Valid, gso: None },
        FrameMeta { checksum: partial, gso: None },
        FrameMeta { checksum: partial, gso: gso(GsoKind::Tcp4) },
        FrameMeta { checksum: partial, gso: gso(GsoKind::Tcp6) },
        FrameMeta { checksum: partial, gso: gso(GsoKind::Udp) },
        FrameMeta { checksum: partial, gso: gso(GsoKind::Unknown(3)) },
    ] {
        assert_eq!(decode(encode(&meta)), meta);
    }
}

#[test]
fn the_header_is_that_of_linux() {
    let meta = FrameMeta {
        checksum: ChecksumStatus::Partial { start: 34, offset: 16 },
        gso: Some(Gso { kind: GsoKind::Tcp6, size: 0x0102, header: 0x0304 }),
    };
    let [h0, h1] = 0x0304_u16.to_ne_bytes();
    let [s0, s1] = 0x0102_u16.to_ne_bytes();
    let [c0, c1] = 34_u16.to_ne_bytes();
    let [o0, o1] = 16_u16.to_ne_bytes();
    assert_eq!(encode(&meta), [1, 4, h0, h1, s0, s1, c0, c1, o0, o1]);
    // Explicit congestion notification is the sender's own business.
    let mut header = encode(&meta);
    header[1] |= 0x80;
    assert_eq!(decode(header), meta);
    assert_eq!(decode([2, 0, 9, 9, 9, 9, 9, 9, 9, 9]).checksum, ChecksumStatus::Valid);
}

#[test]
fn a_superframe_is_one_frame_or_as_many_as_on_a_wire() {
    let (mut vnet, theirs) = device();
    let (frame, meta) = superframe(2500);
    let mut buffer = vec![0; ARRIVAL];

    arrive(&theirs, &frame, &meta);
    let (range, received) = vnet.receive_offloaded(&mut buffer).unwrap();
    assert_eq!((&buffer[range], received), (&frame[..], meta));

    arrive(&theirs, &frame, &meta);
    for (payload, more) in [(1000, true), (1000, true), (500, false)] {
        assert_eq!(vnet.receive(&mut buffer).unwrap(), 54 + payload);
        assert!(checksum::verify(&buffer[14..54 + payload]));
        assert_eq!(vnet.has_more(), more);
    }
    let error = vnet.receive(&mut buffer).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
}

#[test]
fn who_changes_over_in_the_middle_of_a_superframe_misses_nothing() {
    let (mut vnet, theirs) = device();
    let (frame, meta) = superframe(2500);
    arrive(&theirs, &frame, &meta);
    arrive(&theirs, &frame, &meta);
    let mut buffer = vec![0; ARRIVAL];
    assert_eq!(vnet.receive(&mut buffer).unwrap(), 1054);
    assert_eq!(vnet.receive_offloaded(&mut buffer).unwrap(), (0..1054, FrameMeta::WHOLE));
    assert_eq!(vnet.receive_offloaded(&mut buffer).unwrap(), (0..554, FrameMeta::WHOLE));
    assert_eq!(vnet.receive_offloaded(&mut buffer).unwrap(), (HEADER..HEADER + frame.len(), meta));
}

#[test]
fn a_partial_checksum_is_finished_for_who_wants_frames_as_on_a_wire() {
    let (mut vnet, theirs) = device();
    let (frame, meta) = superframe(100);
    arrive(&theirs, &frame, &FrameMeta { gso: None, ..meta });
    let mut buffer = [0; 1514];
    assert_eq!(vnet.receive(&mut buffer).unwrap(), frame.len());
    assert!(checksum::verify(&buffer[14..frame.len()]));
}

#[test]
fn what_contradicts_its_header_is_no_frame() {
    let (mut vnet, theirs) = device();
    let (frame, meta) = superframe(2500);
    let gso = meta.gso.unwrap();
    for gso in [
        Gso { size: 0, ..gso },
        Gso { kind: GsoKind::Udp, ..gso },
        Gso { kind: GsoKind::Unknown(77), ..gso },
        Gso { header: u16::MAX, ..gso },
    ] {
        arrive(&theirs, &frame, &FrameMeta { gso: Some(gso), ..meta });
        let mut buffer = [0; 1514];
        assert_eq!(vnet.receive(&mut buffer).unwrap(), STUB, "{gso:?}");
        assert!(!vnet.has_more());
    }
}

#[test]
fn short_reads_are_empty_frames() {
    let (mut vnet, theirs) = device();
    let mut buffer = vec![0; ARRIVAL];
    for (length, expected) in [(0, 0), (1, 0), (9, 0), (10, 0), (11, 1)] {
        theirs.send(&vec![0; length]).unwrap();
        let (range, meta) = vnet.receive_offloaded(&mut buffer).unwrap();
        assert_eq!((range.len(), meta), (expected, FrameMeta::WHOLE), "{length}");
        theirs.send(&vec![0; length]).unwrap();
        assert_eq!(vnet.receive(&mut buffer).unwrap(), expected, "{length}");
    }
}

#[test]
fn a_frame_that_is_larger_than_the_buffer_is_truncated() {
    let (mut vnet, theirs) = device();
    let (frame, meta) = superframe(2500);
    arrive(&theirs, &frame, &meta);
    assert_eq!(vnet.receive(&mut [0; 100]).unwrap(), 100);
}

#[test]
fn a_full_queue_is_reported_and_nothing_is_lost() {
    let (mut vnet, theirs) = device();
    let (frame, meta) = superframe(2500);
    let mut sent = 0;
    let error = loop {
        match vnet.transmit(&frame, &meta) {
            Ok(()) => sent += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    assert!(sent > 0);
    let mut buffer = vec![0; ARRIVAL];
    for _ in 0..sent {
        let length = theirs.recv(&mut buffer).unwrap();
        assert_eq!(buffer[..10], encode(&meta));
        assert_eq!(buffer[10..length], frame);
    }
    vnet.transmit(&frame, &meta).unwrap();
    assert_eq!(vnet.offload(), Offload::ALL);
}

#[test]
fn short_writes_are_counted() {
    // A pipe takes what it has room for.
    let (reader, writer) = io::pipe().unwrap();
    rustix::io::ioctl_fionbio(&writer, true).unwrap();
    let mut vnet = Vnet::on(writer.into(), Offload::ALL);
    let frame = vec![0; ARRIVAL];
    while vnet.transmit(&frame, &FrameMeta::WHOLE).is_ok() {}
    assert_eq!(vnet.short_writes(), 1);
    drop(reader);
    let error = vnet.transmit(&frame, &FrameMeta::WHOLE).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
}
