//! Files as packets.

use pcap_file::DataLink;
use tapsock_stack::link::Direction;

use super::file::{File, Options, two_sides};
use super::scene::{self, Tcp};
use crate::trace::capture::{Capture, Packet, Side, read};
use crate::trace::comment::{self, Mark};
use crate::trace::packet::{Seen, look};

fn syn() -> Vec<u8> {
    Tcp::new(0, "S", 7, 0).frame()
}

fn times(capture: &Capture) -> Vec<i64> {
    capture.packets.iter().map(|packet| packet.at).collect()
}

#[test]
fn both_byte_orders_say_the_same() {
    let options = Options {
        direction: Some(Direction::Outbound),
        id: Some(0x1_0000_0002),
        comments: &["so"],
    };
    let read_back = |big| {
        let mut file = File::new(big).interface("tap0-stack", 1, Some(9));
        file.packet(0, 5, &syn(), &options);
        file.packet(0, 12, &syn(), &Options::default());
        read(&file.bytes).unwrap()
    };
    let capture = read_back(false);
    assert_eq!(capture, read_back(true));
    assert_eq!(times(&capture), [0, 7]);
    let packet = &capture.packets[0];
    assert_eq!((packet.number, packet.id, packet.side), (1, Some(0x1_0000_0002), Side::Stack));
    assert_eq!((packet.direction, packet.link), (Some(Direction::Outbound), DataLink::ETHERNET));
    assert_eq!((&packet.bytes, &packet.comments), (&syn(), &vec!["so".to_string()]));
    assert_eq!(capture.packets[1].direction, None);
}

#[test]
fn each_resolution_gives_nanoseconds() {
    for (resolution, step, nanos) in [
        (None, 3, 3_000),
        (Some(6), 3, 3_000),
        (Some(9), 3, 3),
        (Some(0), 3, 3_000_000_000),
        (Some(12), 3_000, 3),
        (Some(0x80 | 10), 1024, 1_000_000_000),
        (Some(0x80), 2, 2_000_000_000),
    ] {
        let mut file = File::new(false).interface("eth0", 1, resolution);
        file.packet(0, 0, &syn(), &Options::default());
        file.packet(0, step, &syn(), &Options::default());
        assert_eq!(times(&read(&file.bytes).unwrap()), [0, nanos], "{resolution:?}");
    }
}

#[test]
fn pcap_files_are_read_in_both_orders_and_resolutions() {
    for (magic, unit) in [(0xa1b2_c3d4u32, 1000), (0xa1b2_3c4d, 1)] {
        for big in [false, true] {
            let order = |word: u32| if big { word.to_be_bytes() } else { word.to_le_bytes() };
            let version = if big { [0, 2, 0, 4] } else { [2, 0, 4, 0] };
            let mut file = [&order(magic)[..], &version].concat();
            for word in [0, 0, 96, 1] {
                file.extend(order(word));
            }
            for fraction in [10, 30] {
                let frame = syn();
                // Longer on the wire than the snapshot length: tcpdump cuts it off.
                for word in [1_700_000_000, fraction, frame.len() as u32, 2000] {
                    file.extend(order(word));
                }
                file.extend(frame);
            }
            let capture = read(&file).unwrap();
            assert_eq!(times(&capture), [0, 20 * unit], "{magic:#x} {big}");
            assert_eq!(capture.packets[1].bytes, syn());
            assert_eq!(capture.damage, None);
        }
    }
}

#[test]
fn what_is_no_capture_says_why() {
    assert_eq!(read(b""), Err("it is empty"));
    let neither = "it begins with neither a pcapng nor a pcap header";
    assert_eq!(read(b"GIF89a..............."), Err(neither));
    assert_eq!(read(&[0x0a, 0x0d, 0x0d, 0x0a]), Err("its pcapng section header is broken"));
    assert_eq!(read(&[0xd4, 0xc3, 0xb2, 0xa1, 2]), Err("its pcap header is broken"));
}

#[test]
fn a_file_that_is_cut_off_gives_what_is_before_the_cut() {
    let whole = scene::of(&[(0, Tcp::new(0, "S", 7, 0)), (1, Tcp::new(1, "SA", 9, 8))]);
    assert_eq!(read(&whole).unwrap().damage, None);
    let cut = read(&whole[..whole.len() - 1]).unwrap();
    assert_eq!(cut.packets.len(), 1);
    assert_eq!(cut.damage.as_deref(), Some("it is cut off behind packet 1"));
    let mut broken = whole.clone();
    // The length at the end of the last block.
    let end = broken.len();
    broken[end - 4] ^= 4;
    let damage = read(&broken).unwrap().damage;
    assert_eq!(damage.as_deref(), Some("it is damaged behind packet 1"));
}

#[test]
fn a_packet_that_cannot_be_read_leaves_the_others() {
    let mut file = File::new(false).interface("eth0", 1, None);
    file.packet(0, 1, &syn(), &Options::default());
    file.packet(7, 2, &syn(), &Options::default());
    file.packet(0, 3, &syn(), &Options::default());
    let capture = read(&file.bytes).unwrap();
    let numbers: Vec<u64> = capture.packets.iter().map(|packet| packet.number).collect();
    assert_eq!(numbers, [1, 3]);
    assert_eq!(capture.damage.as_deref(), Some("1 of its 3 packets cannot be read"));
}

#[test]
fn notes_have_the_time_of_their_block() {
    let mut file = File::new(true).interface("stack", 1, Some(9)).interface("wire", 1, Some(9));
    file.packet(1, 100, &syn(), &Options::default());
    file.note(0, 150, "link down");
    let capture = read(&file.bytes).unwrap();
    assert_eq!((capture.notes[0].at, capture.notes[0].text.as_str()), (50, "link down"));
    assert_eq!(capture.packets[0].side, Side::Wire);
}

#[test]
fn packets_are_in_the_order_of_their_times() {
    let mut file = File::new(false).interface("eth0", 1, None);
    for time in [5, 9, 7] {
        file.packet(0, time, &syn(), &Options::default());
    }
    let capture = read(&file.bytes).unwrap();
    assert_eq!(times(&capture), [0, 2000, 4000]);
    assert_eq!(capture.packets[1].number, 3);
}

#[test]
fn other_link_types_and_tags_are_looked_behind() {
    let frame = syn();
    let ip = &frame[14..];
    let with = |before: &[u8], bytes: &[u8]| [before, bytes].concat();
    let mut sll = vec![0; 14];
    sll.extend([8, 0]);
    let mut sll2 = vec![8, 0];
    sll2.resize(20, 0);
    for (link, bytes) in [
        (DataLink::ETHERNET, frame.clone()),
        (DataLink::ETHERNET, [&frame[..12], &[0x81, 0, 0, 5], &frame[12..]].concat()),
        (DataLink::LINUX_SLL, with(&sll, ip)),
        (DataLink::LINUX_SLL2, with(&sll2, ip)),
        (DataLink::RAW, ip.to_vec()),
        (DataLink::NULL, with(&[2, 0, 0, 0], ip)),
    ] {
        let Seen::Tcp(segment) = look(link, &bytes) else { panic!("{link:?}") };
        assert_eq!((segment.seq, segment.syn, segment.ack), (7, true, None));
    }
    assert_eq!(look(DataLink::BLUETOOTH_HCI_H4, &frame), Seen::Other);
}

#[test]
fn a_segment_that_was_cut_off_keeps_its_length() {
    let frame = Tcp::new(0, "AP", 7, 3).len(900).frame();
    let Seen::Tcp(segment) = look(DataLink::ETHERNET, &frame[..60]) else { panic!() };
    assert_eq!(segment.length, 900);
    // Ethernet pads a short one, which is no payload.
    let mut short = Tcp::new(0, "A", 7, 3).frame();
    short.resize(60, 0);
    let Seen::Tcp(segment) = look(DataLink::ETHERNET, &short) else { panic!() };
    assert_eq!(segment.length, 0);
}

fn marks(comment: &str) -> Vec<Mark> {
    comment::marks(&[comment.to_string()])
}

#[test]
fn comments_name_the_rule_and_what_it_did() {
    let lose = &marks("rule=lose-1st-synack fired=1 verdict=drop; frame=4")[0];
    assert_eq!((lose.name.as_str(), lose.fired, lose.loss), ("lose-1st-synack", Some(1), true));
    assert_eq!(lose.words(), "lose-1st-synack (1): drop");
    let two = marks("rule=slow fired=3 delay=40 ms; link-model verdict=lost");
    assert_eq!(two.len(), 2);
    assert_eq!((two[0].words(), two[0].loss), ("slow (3): delay=40 ms".to_string(), false));
    assert_eq!((two[1].words(), two[1].loss), ("link-model: lost".to_string(), true));
    let swallowed = &marks("rule=hole swallowed verdict=drop")[0];
    assert!(swallowed.loss);
    assert!(marks("verdict=down, the link is down")[0].loss);
    let forged = &marks("forged by rule=refuse because of id=12; frame=2")[0];
    assert_eq!((forged.name.as_str(), forged.forged), ("refuse", true));
}

#[test]
fn what_became_of_a_copy_or_stands_elsewhere_is_no_loss() {
    assert!(!marks("on a copy: rule=lose fired=1 verdict=drop")[0].loss);
    for nothing in [
        "a copy by rule=twice: link-model verdict=lost",
        "delayed 40 ms by rule=slow",
        "link-model delay=3 ms; frame=2",
        "at 0.010000 s: link down",
        "a remark of somebody's: verdict unknown",
        "",
    ] {
        assert_eq!(marks(nothing), [], "{nothing}");
    }
}

#[test]
fn a_held_frame_that_was_lost_is_known_by_its_identifier() {
    let note = "lost on its way to the wire: id=7 the frame: rule=hole verdict=drop";
    let (id, mark) = comment::lost_later(note).unwrap();
    assert_eq!((id, mark.name.as_str(), mark.loss), (7, "hole", true));
    let copy = "lost on its way to the wire: id=7 a copy by rule=twice: link-model verdict=lost";
    assert_eq!(comment::lost_later(copy), None);
}

#[test]
fn a_capture_of_two_sides_knows_which_packets_enter() {
    let capture = read(&two_sides(&scene::lossy(3, 5000))).unwrap();
    let lost = |side| {
        let packets = capture.packets.iter().filter(move |packet| packet.side == side);
        packets
            .filter(|packet| comment::marks(&packet.comments).iter().any(|mark| mark.loss))
            .count()
    };
    assert_eq!(lost(Side::Stack), 1);
    assert!(lost(Side::Wire) >= 1);
    let lost = |packet: &&Packet| comment::marks(&packet.comments).iter().any(|mark| mark.loss);
    assert!(capture.packets.iter().filter(lost).all(Packet::enters));
}
