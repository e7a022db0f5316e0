use alloc::vec;
use alloc::vec::Vec;

use etherparse::{NetSlice, PacketBuilder, SlicedPacket, TransportSlice};

use super::*;

/// Bytes that show when one is missing or in the wrong place.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index * 7 + index / 251) as u8).collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    V4,
    V6,
}

fn ethernet_ip(family: Family) -> etherparse::PacketBuilderStep<etherparse::IpHeaders> {
    let ethernet = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
    match family {
        Family::V4 => {
            let mut header =
                etherparse::Ipv4Header::new(0, 64, 6.into(), [10, 0, 0, 1], [10, 0, 0, 2]).unwrap();
            header.identification = 0xfffe;
            header.dont_fragment = true;
            ethernet.ip(etherparse::IpHeaders::Ipv4(header, Default::default()))
        }
        Family::V6 => ethernet.ipv6([1; 16], [2; 16], 64),
    }
}

/// A superframe of TCP with every flag that matters, a sequence number that wraps, and options.
fn tcp(family: Family, payload: &[u8]) -> Vec<u8> {
    let mut header = etherparse::TcpHeader::new(80, 1234, 0xffff_ff00, 500);
    (header.ack, header.psh, header.fin, header.cwr) = (true, true, true, true);
    header.acknowledgment_number = 77;
    header.set_options_raw(&[1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2]).unwrap();
    let mut frame = Vec::new();
    ethernet_ip(family).tcp_header(header).write(&mut frame, payload).unwrap();
    frame
}

fn udp(family: Family, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    ethernet_ip(family).udp(5353, 53).write(&mut frame, payload).unwrap();
    frame
}

/// What the stack or the kernel says about a frame that begins with these headers.
fn meta(frame: &mut [u8], kind: GsoKind, size: u16) -> FrameMeta {
    let (start, offset) = checksum::fill_partial(&mut frame[14..]).unwrap();
    let (start, offset) = (14 + start as u16, offset as u16);
    let header = start + if kind == GsoKind::Udp { 8 } else { 32 };
    FrameMeta {
        checksum: ChecksumStatus::Partial { start, offset },
        gso: Some(Gso { kind, size, header }),
    }
}

fn tcp_kind(family: Family) -> GsoKind {
    if family == Family::V4 { GsoKind::Tcp4 } else { GsoKind::Tcp6 }
}

fn cut(frame: &mut [u8], meta: &FrameMeta) -> Vec<Vec<u8>> {
    let mut segments = Segments::of(frame, meta, Sums::Fill).unwrap();
    let mut pieces = Vec::new();
    while let Some(range) = segments.piece(frame) {
        let piece = frame[range].to_vec();
        // Until it is on its way it can be had again.
        let again = segments.piece(frame).unwrap();
        assert_eq!(frame[again], piece);
        pieces.push(piece);
        segments.advance();
    }
    assert!(segments.is_done());
    assert_eq!(pieces.len(), segments.count());
    pieces
}

#[test]
fn segments_are_what_the_sender_would_have_sent_without_a_device() {
    for (family, length, size) in
        [(Family::V4, 3500, 1400), (Family::V6, 3500, 1400), (Family::V4, 2800, 1400)]
    {
        let payload = pattern(length);
        let mut frame = tcp(family, &payload);
        let meta = meta(&mut frame, tcp_kind(family), size);
        let pieces = cut(&mut frame, &meta);
        let expected: Vec<&[u8]> = payload.chunks(size.into()).collect();
        assert_eq!(pieces.len(), expected.len());
        for (index, (piece, expected)) in pieces.iter().zip(&expected).enumerate() {
            let parsed = SlicedPacket::from_ethernet(piece).unwrap();
            let Some(TransportSlice::Tcp(tcp)) = parsed.transport else { panic!("no TCP") };
            assert_eq!(tcp.payload(), *expected);
            let sequence = 0xffff_ff00_u32.wrapping_add(index as u32 * u32::from(size));
            assert_eq!(tcp.sequence_number(), sequence);
            assert_eq!((tcp.acknowledgment_number(), tcp.window_size()), (77, 500));
            let (first, last) = (index == 0, index + 1 == pieces.len());
            assert_eq!((tcp.psh(), tcp.fin(), tcp.cwr(), tcp.ack()), (last, last, first, true));
            assert_eq!(tcp.options().len(), 12);
            match parsed.net.unwrap() {
                NetSlice::Ipv4(ip) => {
                    let header = ip.header();
                    assert_eq!(header.identification(), 0xfffe_u16.wrapping_add(index as u16));
                    assert!(header.dont_fragment());
                    let sum = header.to_header().calc_header_checksum();
                    assert_eq!(header.header_checksum(), sum);
                    let sum = tcp.calc_checksum_ipv4(header.source(), header.destination());
                    assert_eq!(tcp.checksum(), sum.unwrap());
                }
                NetSlice::Ipv6(ip) => {
                    let header = ip.header();
                    let sum = tcp.calc_checksum_ipv6(header.source(), header.destination());
                    assert_eq!(tcp.checksum(), sum.unwrap());
                }
                NetSlice::Arp(_) => panic!("ARP"),
            }
        }
    }
}

#[test]
fn datagrams_come_apart_as_they_were_sent() {
    for family in [Family::V4, Family::V6] {
        let payload = pattern(2501);
        let mut frame = udp(family, &payload);
        let meta = meta(&mut frame, GsoKind::Udp, 1000);
        let pieces = cut(&mut frame, &meta);
        for (piece, expected) in pieces.iter().zip([1000, 1000, 501]) {
            assert!(checksum::verify(&piece[14..]));
            let parsed = SlicedPacket::from_ethernet(piece).unwrap();
            let Some(TransportSlice::Udp(udp)) = parsed.transport else { panic!("no UDP") };
            assert_eq!((udp.payload().len(), udp.length()), (expected, 8 + expected as u16));
        }
        let joined: Vec<u8> = pieces.iter().flat_map(|p| p[p.len().min(14)..].to_vec()).collect();
        assert!(joined.len() > 2501);
        assert_eq!(pieces.len(), 3);
    }
}

#[test]
fn a_superframe_of_one_piece_or_none_is_one_frame() {
    for (length, size) in [(0, 1400), (1, 1400), (1400, 1400), (1400, u16::MAX)] {
        let payload = pattern(length);
        let mut frame = tcp(Family::V4, &payload);
        let whole = frame.clone();
        let meta = meta(&mut frame, GsoKind::Tcp4, size);
        assert_eq!(cut(&mut frame, &meta), [whole], "{length} in pieces of {size}");
    }
    let payload = pattern(1401);
    let mut frame = tcp(Family::V4, &payload);
    let meta = meta(&mut frame, GsoKind::Tcp4, 1400);
    assert_eq!(cut(&mut frame, &meta).len(), 2);
}

#[test]
fn headers_may_keep_their_checksum_from_who_does_not_look() {
    let mut frame = udp(Family::V4, &pattern(100));
    let meta = meta(&mut frame, GsoKind::Udp, 60);
    let mut segments = Segments::of(&frame, &meta, Sums::Header).unwrap();
    let range = segments.piece(&mut frame).unwrap();
    assert!(checksum::verify_header(&frame[range.clone()][14..]));
    assert!(!checksum::verify(&frame[range][14..]));
    segments.advance();
}

#[test]
fn what_a_device_says_has_to_agree_with_the_frame() {
    let mut frame = tcp(Family::V4, &pattern(3000));
    let good = meta(&mut frame, GsoKind::Tcp4, 1400);
    assert_eq!(good.check(&frame), Ok(Checksums::Header));
    let gso = good.gso.unwrap();
    let with = |gso| FrameMeta { gso: Some(gso), ..good };
    let partial =
        |start, offset| FrameMeta { checksum: ChecksumStatus::Partial { start, offset }, ..good };
    let length = frame.len() as u16;
    for (what, meta, expected) in [
        ("the smallest size", with(Gso { size: 1, ..gso }), true),
        ("no size", with(Gso { size: 0, ..gso }), false),
        ("all headers", with(Gso { header: length, ..gso }), true),
        ("more headers than frame", with(Gso { header: length + 1, ..gso }), false),
        ("IPv6", with(Gso { kind: GsoKind::Tcp6, ..gso }), false),
        ("UDP", with(Gso { kind: GsoKind::Udp, ..gso }), false),
        ("UFO, which is gone", with(Gso { kind: GsoKind::Unknown(3), ..gso }), false),
        ("verified", FrameMeta { checksum: ChecksumStatus::Valid, ..good }, true),
        ("nobody vouches", FrameMeta { checksum: ChecksumStatus::Whole, ..good }, false),
        ("starts early", partial(33, 16), false),
        ("starts right", partial(34, 16), true),
        ("starts late", partial(35, 16), false),
        ("starts behind the frame", partial(u16::MAX, 16), false),
        ("field of UDP", partial(34, 6), false),
        ("field behind the frame", partial(34, u16::MAX), false),
    ] {
        let checks = if expected { Ok(Checksums::Header) } else { Err(Reason::Offload) };
        assert_eq!(meta.check(&frame), checks, "{what}");
        let cuts = Segments::of(&frame, &meta, Sums::Fill).map(|_| ());
        assert_eq!(cuts, checks.map(|_| ()), "{what}");
    }
}

#[test]
fn frames_of_which_a_device_says_nothing_are_verified() {
    let frame = tcp(Family::V4, &pattern(10));
    let check = |checksum| FrameMeta { checksum, gso: None }.check(&frame);
    assert_eq!(check(ChecksumStatus::Whole), Ok(Checksums::Verify));
    assert_eq!(check(ChecksumStatus::Valid), Ok(Checksums::Header));
    // Whatever it is about, nothing else has a checksum that a device completes.
    let arp = [0; 60];
    let meta = FrameMeta { checksum: ChecksumStatus::Whole, gso: None };
    assert_eq!(meta.check(&arp), Ok(Checksums::Verify));
    let meta = FrameMeta { checksum: ChecksumStatus::Partial { start: 34, offset: 16 }, gso: None };
    assert_eq!(meta.check(&arp), Err(Reason::Offload));
}

#[test]
fn a_wrong_header_checksum_is_not_made_right() {
    let mut frame = tcp(Family::V4, &pattern(3000));
    let meta = meta(&mut frame, GsoKind::Tcp4, 1400);
    frame[24] ^= 1;
    let cuts = Segments::of(&frame, &meta, Sums::Fill).map(|_| ());
    assert_eq!(cuts, Err(Reason::HeaderChecksum));
}

#[test]
fn a_datagram_that_is_shorter_than_its_packet_is_not_cut() {
    let mut frame = udp(Family::V4, &pattern(3000));
    let meta = meta(&mut frame, GsoKind::Udp, 1000);
    assert!(Segments::of(&frame, &meta, Sums::Fill).is_ok());
    let length = u16::from_be_bytes([frame[38], frame[39]]) - 1;
    frame[38..40].copy_from_slice(&length.to_be_bytes());
    assert_eq!(Segments::of(&frame, &meta, Sums::Fill).map(|_| ()), Err(Reason::Offload));
}

#[test]
fn no_part_of_a_frame_is_too_short() {
    for family in [Family::V4, Family::V6] {
        let mut frame = tcp(family, &pattern(300));
        let meta = meta(&mut frame, tcp_kind(family), 100);
        for length in 0..frame.len() {
            let part = &frame[..length];
            assert_eq!(meta.check(part), Err(Reason::Offload), "{length}");
            let header = FrameMeta { gso: None, ..meta }.check(part);
            assert_eq!(header, Err(Reason::Offload), "{length}");
        }
    }
}

#[test]
fn a_data_offset_beyond_the_segment_is_not_cut() {
    let mut frame = tcp(Family::V4, &[]);
    let meta = meta(&mut frame, GsoKind::Tcp4, 100);
    assert!(Segments::of(&frame, &meta, Sums::Fill).is_ok());
    // 60 bytes, of which 32 are there.
    frame[46] = 0xf0;
    assert_eq!(Segments::of(&frame, &meta, Sums::Fill).map(|_| ()), Err(Reason::Offload));
}

#[test]
fn a_link_is_given_no_more_than_it_does() {
    let checksum = ChecksumStatus::Partial { start: 34, offset: 16 };
    let gso = |kind| FrameMeta { checksum, gso: Some(Gso { kind, size: 1, header: 54 }) };
    let partial = FrameMeta { checksum, gso: None };
    let only_sums = Offload { checksum: true, ..Offload::NONE };
    let (v4, v6) = (gso(GsoKind::Tcp4), gso(GsoKind::Tcp6));
    for (offload, expected) in [
        (Offload::NONE, [true, false, false, false]),
        (only_sums, [true, true, false, false]),
        (Offload { tcp4: true, ..only_sums }, [true, true, true, false]),
        (Offload { tcp6: true, ..only_sums }, [true, true, false, true]),
        (Offload::ALL, [true; 4]),
    ] {
        let covered = [FrameMeta::WHOLE, partial, v4, v6].map(|meta| offload.covers(&meta));
        assert_eq!(covered, expected, "{offload:?}");
    }
    for kind in [GsoKind::Udp, GsoKind::Unknown(9)] {
        assert!(!Offload::ALL.covers(&gso(kind)), "{kind:?}");
    }
    let (v4, v6) = (IpAddress::v4(1, 2, 3, 4), IpAddress::v6(1, 2, 3, 4, 5, 6, 7, 8));
    // A packet cannot be cut by who does not complete the checksums.
    let without = Offload { checksum: false, ..Offload::ALL };
    assert_eq!([without.cuts(v4), without.cuts(v6)], [false, false]);
    let only_v6 = Offload { tcp4: false, ..Offload::ALL };
    assert_eq!([only_v6.cuts(v4), only_v6.cuts(v6)], [false, true]);
}

#[test]
fn a_checksum_is_finished_for_who_wants_it_whole() {
    let mut frame = tcp(Family::V6, &pattern(99));
    let whole = frame.clone();
    let meta = FrameMeta { gso: None, ..meta(&mut frame, GsoKind::Tcp6, 1) };
    assert_ne!(frame, whole);
    finish(&mut frame, &meta);
    assert_eq!(frame, whole);
    let mut arp = vec![7; 60];
    finish(&mut arp, &meta);
    assert_eq!(arp, [7; 60]);
}
