//! Flows, relative numbers, retransmissions, windows.

use etherparse::TcpOptionElement::{MaximumSegmentSize, SelectiveAcknowledgement, WindowScale};

use super::scene::{self, Tcp};
use crate::trace::analysis::{Analysis, Kind, follow};
use crate::trace::capture::{Side, read};
use crate::trace::flow::{Flow, Flows, sort};

fn flows(segments: &[(u64, Tcp)]) -> Flows {
    sort(&read(&scene::of(segments)).unwrap())
}

fn one(segments: &[(u64, Tcp)]) -> (Flow, Analysis) {
    let mut flows = flows(segments).flows;
    assert_eq!(flows.len(), 1);
    let flow = flows.remove(0);
    let analysis = follow(&flow, Side::Interface(0));
    (flow, analysis)
}

/// A handshake with these initial numbers, at 0, 1 and 2 ms.
fn handshake(client: u32, server: u32) -> Vec<(u64, Tcp)> {
    let (next, answer) = (client.wrapping_add(1), server.wrapping_add(1));
    vec![
        (0, Tcp::new(0, "S", client, 0)),
        (1, Tcp::new(1, "SA", server, next)),
        (2, Tcp::new(0, "A", next, answer)),
    ]
}

fn kinds(analysis: &Analysis, end: usize) -> Vec<Kind> {
    analysis.tracks[end].sent.iter().map(|sent| sent.kind).collect()
}

#[test]
fn numbers_are_relative_to_the_syn_and_do_not_wrap_around() {
    let initial = u32::MAX - 1000;
    let mut segments = handshake(initial, 0x8000_0000);
    for index in 0..4u32 {
        let seq = initial.wrapping_add(1 + index * 1000);
        segments.push((10 + u64::from(index), Tcp::new(0, "A", seq, 0x8000_0001).len(1000)));
        let ack = seq.wrapping_add(1000);
        segments.push((20 + u64::from(index), Tcp::new(1, "A", 0x8000_0001, ack)));
    }
    let (flow, analysis) = one(&segments);
    let sent: Vec<(i64, i64)> =
        analysis.tracks[0].sent.iter().map(|sent| (sent.seq, sent.end)).collect();
    assert_eq!(sent, [(0, 1), (1, 1001), (1001, 2001), (2001, 3001), (3001, 4001)]);
    let acks: Vec<i64> = analysis.tracks[0].acknowledged.iter().map(|told| told.ack).collect();
    assert_eq!(acks, [1, 1001, 2001, 3001, 4001]);
    assert_eq!(kinds(&analysis, 0), [Kind::New; 5]);
    assert_eq!(flow.entries[2].ack, Some(1));
}

#[test]
fn a_connection_from_the_middle_begins_with_1() {
    let (flow, analysis) =
        one(&[(0, Tcp::new(0, "A", 5000, 9000).len(100)), (1, Tcp::new(1, "A", 9000, 5100))]);
    assert_eq!((flow.entries[0].seq, flow.entries[0].ack), (1, Some(1)));
    assert_eq!((flow.entries[1].seq, flow.entries[1].ack), (1, Some(101)));
    assert_eq!((analysis.began.as_str(), analysis.ended.as_str()), ("in the middle", "open"));
}

#[test]
fn a_flow_is_opened_by_who_sent_the_syn() {
    let (flow, _) = one(&[(0, Tcp::new(1, "SA", 9, 8)), (1, Tcp::new(0, "A", 8, 10))]);
    assert_eq!(flow.ends[0], "10.0.0.1:1000".parse().unwrap());
}

#[test]
fn a_syn_with_another_number_after_the_end_begins_a_new_flow() {
    let mut segments = handshake(100, 500);
    segments.push((3, Tcp::new(1, "RA", 501, 101)));
    let before = segments.len();
    segments.push((9, Tcp::new(0, "S", 100, 0)));
    assert_eq!(flows(&segments).flows.len(), 1, "the same SYN again");
    segments[before].1.seq = 101;
    let flows = flows(&segments).flows;
    assert_eq!((flows.len(), flows[1].number, flows[1].entries.len()), (2, 2, 1));
    assert_eq!(flows[1].entries[0].seq, 0);
}

#[test]
fn data_again_is_a_retransmission() {
    let mut segments = handshake(0, 0);
    segments.push((10, Tcp::new(0, "A", 1, 1).len(100)));
    segments.push((11, Tcp::new(0, "A", 101, 1).len(100)));
    segments.push((300, Tcp::new(0, "A", 1, 1).len(100)));
    // A part of it is new.
    segments.push((310, Tcp::new(0, "A", 101, 1).len(200)));
    segments.push((320, Tcp::new(0, "FA", 301, 1)));
    segments.push((900, Tcp::new(0, "FA", 301, 1)));
    let (_, analysis) = one(&segments);
    let again = Kind::Retransmission;
    let expected = [Kind::New, Kind::New, Kind::New, again, again, Kind::New, again];
    assert_eq!(kinds(&analysis, 0), expected);
    let track = &analysis.tracks[0];
    assert_eq!((track.bytes, track.segments, track.retransmissions), (500, 4, 3));
}

#[test]
fn a_syn_again_is_a_retransmission() {
    let segments = [0, 1000, 3000].map(|at| (at, Tcp::new(0, "S", 77, 0)));
    let (_, analysis) = one(&segments);
    let again = Kind::Retransmission;
    assert_eq!(kinds(&analysis, 0), [Kind::New, again, again]);
    assert_eq!((analysis.began.as_str(), analysis.ended.as_str()), ("SYN", "no answer"));
}

#[test]
fn what_fills_a_hole_was_overtaken_within_3_ms_and_is_sent_again_after() {
    for (late, kind) in [(3, Kind::OutOfOrder), (4, Kind::Retransmission)] {
        let mut segments = handshake(0, 0);
        segments.push((10, Tcp::new(0, "A", 101, 1).len(100)));
        segments.push((10 + late, Tcp::new(0, "A", 1, 1).len(100)));
        assert_eq!(kinds(&one(&segments).1, 0)[2], kind, "{late} ms");
    }
}

#[test]
fn keep_alives_and_window_probes_are_neither() {
    let mut segments = handshake(0, 0);
    segments.push((10, Tcp::new(0, "A", 1, 1).len(100)));
    // Not acknowledged yet, so the last byte again is a retransmission.
    segments.push((20, Tcp::new(0, "A", 100, 1).len(1)));
    segments.push((30, Tcp::new(1, "A", 1, 101)));
    segments.push((40, Tcp::new(0, "A", 100, 1).len(1)));
    segments.push((50, Tcp::new(0, "A", 100, 1)));
    segments.push((60, Tcp::new(1, "A", 1, 101).window(0)));
    segments.push((70, Tcp::new(0, "A", 101, 1).len(1)));
    segments.push((80, Tcp::new(1, "A", 1, 101).window(0)));
    segments.push((90, Tcp::new(1, "A", 1, 101).window(500)));
    segments.push((91, Tcp::new(0, "A", 101, 1).len(50)));
    let (_, analysis) = one(&segments);
    let expected = [
        Kind::New,
        Kind::New,
        Kind::Retransmission,
        Kind::KeepAlive,
        Kind::KeepAlive,
        Kind::WindowProbe,
        Kind::New,
    ];
    assert_eq!(kinds(&analysis, 0), expected);
}

#[test]
fn windows_are_scaled_when_both_syns_say_so() {
    let window = |client: Option<u8>, server: Option<u8>| {
        let mut segments = handshake(0, 0);
        for (index, scale) in [client, server].into_iter().enumerate() {
            let options: Vec<_> = scale.map(WindowScale).into_iter().collect();
            segments[index].1 = segments[index].1.clone().options(&options).window(900);
        }
        segments.push((10, Tcp::new(0, "A", 1, 1).len(10)));
        segments.push((11, Tcp::new(1, "A", 1, 11).window(100)));
        let (_, analysis) = one(&segments);
        let told = &analysis.tracks[0].acknowledged;
        (told[0].window, told[1].window)
    };
    // That of the SYN-ACK itself is never scaled.
    assert_eq!(window(Some(2), Some(7)), (900, 12_800));
    assert_eq!(window(Some(2), None), (900, 100));
    assert_eq!(window(None, Some(7)), (900, 100));
    // RFC 7323: more than 14 counts as 14.
    assert_eq!(window(Some(0), Some(15)), window(Some(0), Some(14)));
    assert_ne!(window(Some(0), Some(14)), window(Some(0), Some(13)));
}

#[test]
fn sack_blocks_and_duplicates_are_counted_from_the_syn() {
    let initial = u32::MAX - 50;
    let mut segments = handshake(initial, 0);
    segments[0].1 = segments[0].1.clone().options(&[MaximumSegmentSize(1460)]);
    let next = initial.wrapping_add(1);
    for index in 0..4u32 {
        let seq = next.wrapping_add(index * 100);
        segments.push((10, Tcp::new(0, "A", seq, 1).len(100)));
    }
    segments.push((20, Tcp::new(1, "A", 1, next)));
    let block = (next.wrapping_add(100), next.wrapping_add(200));
    let sack = SelectiveAcknowledgement(block, [None; 3]);
    segments.push((21, Tcp::new(1, "A", 1, next).options(std::slice::from_ref(&sack))));
    segments.push((22, Tcp::new(1, "A", 1, next).options(&[sack])));
    let (flow, analysis) = one(&segments);
    let told = &analysis.tracks[0].acknowledged;
    let duplicates: Vec<u32> = told.iter().map(|told| told.duplicate).collect();
    assert_eq!(duplicates, [0, 1, 2, 3]);
    assert_eq!(flow.entries[told[2].entry].sack, [(101, 201)]);
    assert_eq!(flow.entries[0].segment.mss, Some(1460));
}

#[test]
fn each_beginning_and_end_has_its_words() {
    let words = |segments: &[(u64, Tcp)]| {
        let (_, analysis) = one(segments);
        format!("{}; {}", analysis.began, analysis.ended)
    };
    let mut segments = handshake(0, 0);
    assert_eq!(words(&segments), "handshake; open");
    segments.push((10, Tcp::new(1, "FA", 1, 1)));
    assert_eq!(words(&segments), "handshake; FIN from 10.0.0.2:80 alone");
    segments.push((11, Tcp::new(0, "FA", 1, 2)));
    assert_eq!(words(&segments), "handshake; FIN from both");
    segments.push((12, Tcp::new(1, "R", 2, 0)));
    assert_eq!(words(&segments), "handshake; RST from 10.0.0.2:80");
    let simultaneous = [(0, Tcp::new(0, "S", 0, 0)), (1, Tcp::new(1, "S", 0, 0))];
    assert_eq!(words(&simultaneous), "simultaneous open; open");
}

#[test]
fn a_simulated_transfer_is_understood() {
    let capture = read(&scene::lossy(7, 120_000)).unwrap();
    let flows = sort(&capture).flows;
    let analysis = follow(&flows[0], Side::Interface(0));
    assert_eq!(flows[0].local, Some(0));
    let track = &analysis.tracks[0];
    assert_eq!(track.sent.last().unwrap().end, 120_002);
    assert_eq!(track.acknowledged.last().unwrap().ack, 120_002);
    assert!(track.retransmissions > 0);
    // What was sent again is all that was sent beyond the data.
    let again = track.sent.iter().filter(|sent| sent.kind == Kind::Retransmission);
    let again: i64 = again.map(|sent| sent.end - sent.seq).sum();
    assert_eq!(track.bytes, 120_000 + again as u64);
    assert_eq!((analysis.began.as_str(), analysis.ended.as_str()), ("handshake", "FIN from both"));
}
