//! No bytes make a picture panic, or anything but XML.

use std::sync::LazyLock;

use proptest::collection::vec;
use proptest::prelude::*;

use super::file::two_sides;
use super::scene;
use crate::output::Paint;
use crate::trace::picture::Picture;
use crate::trace::{analyse, capture, flow, list, shown_side};

/// Draws every flow of a file, on every side that it has.
fn draw(file: &[u8]) {
    let Ok(capture) = capture::read(file) else { return };
    let flows = flow::sort(&capture);
    let side = shown_side(&capture, None).unwrap();
    let analysed = analyse(&flows, side);
    assert_eq!(list::table(&analysed, Paint::NONE).len(), analysed.len() + 1);
    for (flow, analysis) in analysed.iter().take(4) {
        let picture =
            Picture { file: "x", capture: &capture, flows: &flows, flow, analysis, packets: 20 };
        let svg = picture.svg();
        assert!(!svg.contains("NaN"));
        roxmltree::Document::parse(&svg).unwrap();
    }
}

static WHOLE: LazyLock<[Vec<u8>; 4]> = LazyLock::new(|| {
    let one = scene::lossy(3, 8000);
    let mut pcap = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0];
    pcap.extend([0; 8]);
    pcap.extend([0, 0, 1, 0, 1, 0, 0, 0]);
    for packet in capture::read(&one).unwrap().packets {
        let length = (packet.bytes.len() as u32).to_le_bytes();
        let micros = (packet.at as u32 / 1000).to_le_bytes();
        pcap.extend([&[0; 4][..], &micros, &length, &length, &packet.bytes].concat());
    }
    [two_sides(&one), one, pcap, scene::taped()]
});

#[test]
fn the_files_that_are_mutated_are_sound() {
    for file in WHOLE.iter() {
        let capture = capture::read(file).unwrap();
        assert_eq!(capture.damage, None);
        assert_eq!(flow::sort(&capture).flows.len(), 1);
        draw(file);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn changed_bytes(which in 0usize..4, changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..24)) {
        let mut file = WHOLE[which].clone();
        for (at, byte) in changes {
            let at = at.index(file.len());
            file[at] = byte;
        }
        draw(&file);
    }

    #[test]
    fn changed_headers(which in 0usize..4, changes in vec((0usize..400, any::<u8>()), 1..6), length in any::<prop::sample::Index>()) {
        let mut file = WHOLE[which].clone();
        for (at, byte) in changes {
            file[at] = byte;
        }
        file.truncate(length.index(file.len()));
        draw(&file);
    }

    #[test]
    fn arbitrary_packets(packets in vec((any::<u64>(), 0u32..2, vec(any::<u8>(), 0..80), ".{0,40}"), 0..12)) {
        let mut file = super::file::File::new(true).interface("stack", 1, None).interface("wire", 1, Some(0));
        for (time, interface, mut bytes, comment) in packets {
            // Most are TCP over IPv4 from some port to some other.
            if bytes.len() > 40 {
                bytes[12..16].copy_from_slice(&[8, 0, 0x45, 0]);
                bytes[20..22].fill(0);
                bytes[23] = 6;
                bytes[26..34].fill(1);
                bytes[34..38].copy_from_slice(&[0, 1, 0, 2]);
            }
            let comment = format!("rule={comment} verdict=drop");
            let comments = [comment.as_str()];
            let options = super::file::Options { direction: None, id: Some(time % 3), comments: &comments };
            file.packet(interface, time, &bytes, &options);
        }
        draw(&file.bytes);
    }

    #[test]
    fn noise(mut bytes in vec(any::<u8>(), 0..300), magic in 0usize..4) {
        let magics = [[0x0a, 0x0d, 0x0d, 0x0a], [0xd4, 0xc3, 0xb2, 0xa1], [0xa1, 0xb2, 0x3c, 0x4d], [0; 4]];
        for (byte, magic) in bytes.iter_mut().zip(magics[magic]) {
            *byte = magic;
        }
        draw(&bytes);
    }
}
