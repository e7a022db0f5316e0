//! Reading recordings and finding words, without the command line.

use tapsock_stack::fault::{Engine, Match, Memory, Proto, Rule, Scope, Switch, When, Why, port};
use tapsock_stack::link::capture::SharedBuffer;
use tapsock_stack::link::fault::Fault;
use tapsock_stack::link::tape::{Heading, Tape};
use tapsock_stack::link::{Direction, Link, LinkError};
use tapsock_stack::time::{Duration, Instant};

use super::evaluate::{Asked, Decision};
use super::words::{About, ordinal, why};
use super::*;

/// A link that takes everything and gives nothing.
struct Sink;

impl Link for Sink {
    fn mtu(&self) -> usize {
        1500
    }
    fn is_up(&self) -> bool {
        true
    }
    fn receive(&mut self, _: Instant, _: &mut [u8]) -> Result<Option<usize>, LinkError> {
        Ok(None)
    }
    fn transmit(&mut self, _: Instant, _: &[u8]) -> Result<(), LinkError> {
        Ok(())
    }
}

const SCRIPT: &str =
    "version = 1\n\n[[rule]]\nname = \"second\"\nwhen = { nth = 2 }\ndo = \"drop\"\n";

fn datagram() -> Vec<u8> {
    let builder = etherparse::PacketBuilder::ethernet2([2; 6], [4; 6]);
    let mut frame = Vec::new();
    let builder = builder.ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64).udp(1000, 53);
    builder.write(&mut frame, b"hello").unwrap();
    frame
}

/// A link that is broken by [`SCRIPT`], and its recording.
fn taped(work: impl FnOnce(&mut Fault<'static, Sink>)) -> Vec<u8> {
    let document: Document<IgnoredAny, IgnoredAny> = SCRIPT.parse().unwrap();
    let memory = Memory::growable(3, 4, 4, 1600);
    let mut engine = Engine::new(document.script(3), memory, Instant::ZERO).unwrap();
    let file = SharedBuffer::new();
    let tape = Tape::start(&mut engine, file.clone(), &Heading::new(SCRIPT));
    let mut link = Fault::new(Sink, engine);
    work(&mut link);
    tape.flush().unwrap();
    file.to_vec()
}

fn send(link: &mut Fault<'static, Sink>, millis: i64) {
    let _ = link.transmit(Instant::from_millis(millis), &datagram());
}

fn of_packet(recording: &Recording, number: u64) -> String {
    let packet = recording.packets.iter().find(|it| it.number == number).unwrap();
    explain(recording, packet).unwrap().lines(Paint::NONE).join("\n")
}

#[test]
fn a_recording_gives_back_what_it_was_made_of() {
    let file = taped(|link| {
        send(link, 1);
        send(link, 2);
    });
    let recording = recording::read(&file).unwrap();
    assert_eq!(recording.script, SCRIPT);
    let heading = &recording.heading;
    assert_eq!((heading.seed, heading.mtu, heading.rules), (3, 1500, 3));
    assert_eq!((heading.flows, heading.held, heading.frame), (4, 4, 1600));
    let numbers: Vec<_> = recording.packets.iter().map(|it| (it.number, it.frame, it.id)).collect();
    assert_eq!(numbers, [(1, Some(1), Some(1)), (2, None, Some(1)), (3, Some(2), Some(2))]);
    assert_eq!(recording.packets[2].bytes, datagram());
    assert_eq!(recording.packets[2].at, Instant::from_millis(2));
}

#[test]
fn no_part_of_a_file_makes_reading_fail_badly() {
    let file = taped(|link| (0..4).for_each(|millis| send(link, millis)));
    let whole = recording::read(&file).unwrap();
    for length in 0..file.len() {
        match recording::read(&file[..length]) {
            Ok(part) => assert!(part.packets.len() <= whole.packets.len()),
            Err(why) => assert!(matches!(why, Unreadable::NotPcapng | Unreadable::NoScript)),
        }
    }
    for at in 0..file.len() {
        for value in [0x00, 0xff] {
            let mut bad = file.clone();
            bad[at] = value;
            let Ok(recording) = recording::read(&bad) else { continue };
            for packet in &recording.packets {
                let _ = explain(&recording, packet);
            }
        }
    }
}

#[test]
fn live_changes_are_made_again() {
    let file = taped(|link| {
        send(link, 0);
        let now = Instant::from_millis(5);
        link.engine_mut().switch(0, Switch::Off);
        link.engine_mut().note(now, "disable second");
        send(link, 6);
        let now = Instant::from_millis(7);
        let rule: Rule = "name=third tx udp drop".parse().unwrap();
        link.engine_mut().add(rule, now).unwrap();
        link.engine_mut().note(now, "add name=third tx udp drop");
        send(link, 8);
    });
    let recording = recording::read(&file).unwrap();
    let second = of_packet(&recording, 3);
    // It was the only rule, so that the engine looked at nothing any more.
    let why = "second  was not asked: nothing in the script was switched on";
    assert!(second.contains(why), "{second}");
    assert!(!second.contains("not certain"), "{second}");
    let third = of_packet(&recording, 5);
    assert!(third.contains("third   acted, for the 1st time"), "{third}");
    assert!(third.contains("outcome: it was dropped by \"third\""), "{third}");
    assert!(!third.contains("not certain"), "{third}");
}

#[test]
fn what_cannot_be_made_again_is_doubted() {
    let file = taped(|link| {
        link.engine_mut().note(Instant::ZERO, "turn the moon around");
        send(link, 1);
    });
    let text = of_packet(&recording::read(&file).unwrap(), 1);
    let doubt = "not certain: the live change \"turn the moon around\" could not be made again";
    assert!(text.contains(doubt), "{text}");

    // The rule was there, but the recording does not know that it was switched off.
    let file = taped(|link| {
        link.engine_mut().switch(0, Switch::Off);
        send(link, 1);
        send(link, 2);
    });
    let text = of_packet(&recording::read(&file).unwrap(), 3);
    assert!(text.contains("not certain: the recording says \"\" and the script"), "{text}");
}

#[test]
fn a_recording_that_begins_late_says_so() {
    let document: Document<IgnoredAny, IgnoredAny> = SCRIPT.parse().unwrap();
    let memory = Memory::growable(3, 4, 4, 1600);
    let engine = Engine::new(document.script(3), memory, Instant::ZERO).unwrap();
    let mut link = Fault::new(Sink, engine);
    send(&mut link, 0);
    let file = SharedBuffer::new();
    let heading = Heading { frames: 1, ..Heading::new(SCRIPT) };
    let tape = Tape::start(link.engine_mut(), file.clone(), &heading);
    send(&mut link, 1);
    tape.flush().unwrap();
    let recording = recording::read(&file.to_vec()).unwrap();
    assert_eq!(recording.packets[0].frame, Some(2));
    let text = of_packet(&recording, 1);
    assert!(text.contains("not certain: 1 frames had met the script before"), "{text}");
    assert!(text.contains("not certain: the recording says \"rule=second fired=1"), "{text}");
}

fn said(rule: &Rule, why: Why) -> String {
    let frame = datagram();
    let view = tapsock_stack::fault::View::new(&frame);
    let about =
        About { view, direction: Direction::Outbound, time: "1.000000 s".into(), changed: false };
    let asked = Asked { rule: 0, copy: false, matched: 3, why, effects: Vec::new() };
    let decision = Decision {
        flow: 2,
        bypassed: false,
        verdict: tapsock_stack::fault::Verdict::Pass,
        asked: Vec::new(),
        model: None,
        story: String::new(),
        rules: Default::default(),
    };
    self::why(&asked, rule, &decision, &about)
}

#[test]
fn each_reason_has_words_with_its_values() {
    let rule = Rule::new("r");
    let of = |when| Rule { when, ..rule };
    let second = Duration::from_secs(1);
    let on = |matches| Rule { matches, ..rule };
    let cases = [
        (said(&rule, Why::Off), "did not act: it was switched off"),
        (
            said(&on(Match { dport: port(80), ..Match::ANY }), Why::NoMatch("dport")),
            "did not match: it asks for dport 80, this has 53",
        ),
        (
            said(&on(Match { proto: Some(Proto::Tcp), ..Match::ANY }), Why::NoMatch("proto")),
            "did not match: it asks for proto tcp, this has udp",
        ),
        (
            said(&on(Match { icmp_type: Some(3), ..Match::ANY }), Why::NoMatch("icmp_type")),
            "did not match: it asks for icmp-type 3, this has none",
        ),
        (
            said(
                &on(Match { retransmission: Some(true), ..Match::ANY }),
                Why::NoMatch("retransmission"),
            ),
            "did not match: it asks for retransmission true",
        ),
        (said(&rule, Why::Swallowed), "swallowed it: its blackhole was open"),
        (
            said(&of(When { from: Some(second * 2), ..When::ALWAYS }), Why::Time),
            "did not act: from = 2 s and this was at 1.000000 s",
        ),
        (
            said(&of(When { after_bytes: Some(9), ..When::ALWAYS }), Why::AfterBytes),
            "did not act: after-bytes = 9, and fewer had gone before in flow #2",
        ),
        (
            said(&of(When::nth(3).per_flow()), Why::Count(2)),
            "did not act: nth = 3, this was number 2 in flow #2",
        ),
        (
            said(&of(When { scope: Scope::Dir, ..When::nth(3) }), Why::Count(2)),
            "did not act: nth = 3, this was number 2 of its direction (tx)",
        ),
        (
            said(&of(When::prob(0.25)), Why::Prob),
            "did not act: prob = 0.25, and chance decided against it",
        ),
        (
            said(&of(When { cooldown: Some(second), ..When::ALWAYS }), Why::Cooldown),
            "did not act: cooldown = 1 s, and it had fired less than that before",
        ),
        (
            said(&of(When { budget: Some(4), ..When::ALWAYS }), Why::Budget),
            "did not act: budget = 4, and that many times it had fired",
        ),
        (
            said(&rule, Why::Fired(2)),
            "acted, for the 2nd time, on the 3rd frame that it matches: nothing, it has no actions",
        ),
    ];
    for (said, expected) in cases {
        assert_eq!(said, expected);
    }
}

#[test]
fn ordinals() {
    let cases = [1, 2, 3, 4, 11, 12, 13, 21, 22, 101, 111, 112].map(ordinal);
    let expected = [
        "1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "22nd", "101st", "111th",
        "112th",
    ];
    assert_eq!(cases, expected);
}
