//! Tapes as a reader that is not ours reads them.

use alloc::collections::VecDeque;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use std::time::Duration as Wall;

use etherparse::PacketBuilder;
use pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketOption;
use pcap_file::pcapng::blocks::interface_description::InterfaceDescriptionOption;
use pcap_file::pcapng::blocks::interface_statistics::InterfaceStatisticsOption;
use pcap_file::pcapng::blocks::section_header::SectionHeaderOption;
use pcap_file::pcapng::{Block, PcapNgReader};
use smoltcp::time::{Duration, Instant};

use super::*;
use crate::fault::{
    Action, Checksums, Delay, Event, EventAct, Forge, IcmpFault, LinkFault, Loss, Match, Memory,
    Model, Name, NeighborFault, Part, QuoteSeq, Rule, Script, Switch, When,
};
use crate::link::capture::SharedBuffer;
use crate::link::fault::Fault;
use crate::link::{Link, LinkError};

/// A link that gives and takes what a test says.
#[derive(Debug, Default)]
struct Wire {
    arriving: VecDeque<Vec<u8>>,
    refuse: Option<LinkError>,
}

impl Link for Wire {
    fn mtu(&self) -> usize {
        1500
    }
    fn is_up(&self) -> bool {
        true
    }
    fn receive(&mut self, _: Instant, buffer: &mut [u8]) -> Result<Option<usize>, LinkError> {
        let Some(frame) = self.arriving.pop_front() else { return Ok(None) };
        buffer[..frame.len()].copy_from_slice(&frame);
        Ok(Some(frame.len()))
    }
    fn transmit(&mut self, _: Instant, _: &[u8]) -> Result<(), LinkError> {
        self.refuse.map_or(Ok(()), Err)
    }
}

/// A broken link, its tape and its log.
struct Bench {
    link: Fault<'static, Wire>,
    tape: Tape,
    log: EventLog,
    files: [SharedBuffer; 2],
    now: Instant,
}

impl Bench {
    fn new(rules: &[Rule]) -> Self {
        Self::of(Script::new(1).with_rules(rules.to_vec()))
    }

    fn of(script: Script<'static>) -> Self {
        let memory = Memory::growable(script.rules.len() + 1, 16, 64, 1600);
        let mut engine = Engine::new(script, memory, Instant::ZERO).unwrap();
        let files = [SharedBuffer::new(), SharedBuffer::new()];
        let heading = Heading::new("version = 1\n");
        let tape = Tape::start(&mut engine, files[0].clone(), &heading);
        let log = EventLog::start(&mut engine, files[1].clone(), &heading);
        let link = Fault::new(Wire::default(), engine);
        Self { link, tape, log, files, now: Instant::ZERO }
    }

    fn tx(&mut self, number: u8) -> Result<(), LinkError> {
        self.link.transmit(self.now, &udp(number))
    }

    fn rx(&mut self, number: u8) -> usize {
        self.link.link_mut().arriving.push_back(udp_back(number));
        self.receive()
    }

    fn receive(&mut self) -> usize {
        let mut buffer = [0; 2048];
        let mut count = 0;
        while let Ok(Some(_)) = self.link.receive(self.now, &mut buffer) {
            count += 1;
        }
        count
    }

    fn after(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
        self.receive();
    }

    fn tape(&self) -> Read {
        self.tape.flush().unwrap();
        read(&self.files[0].to_vec())
    }

    /// Where, which way, identifier and comments of each packet.
    fn packets(&self) -> Vec<String> {
        self.tape().packets.iter().map(Packet::to_string).collect()
    }

    fn log(&self) -> String {
        self.log.flush().unwrap();
        String::from_utf8(self.files[1].to_vec()).unwrap()
    }
}

const STACK: ([u8; 6], [u8; 4]) = ([2, 0, 0, 0, 0, 1], [10, 0, 0, 1]);
const PEER: ([u8; 6], [u8; 4]) = ([2, 0, 0, 0, 0, 2], [10, 0, 0, 2]);

fn udp(number: u8) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2(STACK.0, PEER.0).ipv4(STACK.1, PEER.1, 64);
    let mut frame = Vec::new();
    builder.udp(1000, 53).write(&mut frame, &[number; 8]).unwrap();
    frame
}

fn udp_back(number: u8) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2(PEER.0, STACK.0).ipv4(PEER.1, STACK.1, 64);
    let mut frame = Vec::new();
    builder.udp(53, 1000).write(&mut frame, &[number; 8]).unwrap();
    frame
}

struct Read {
    section: Vec<String>,
    interfaces: Vec<String>,
    packets: Vec<Packet>,
    notes: Vec<String>,
}

struct Packet {
    interface: u32,
    at: Wall,
    out: bool,
    id: Option<u64>,
    comments: Vec<String>,
    frame: Vec<u8>,
}

impl fmt::Display for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = if self.interface == 0 { "stack" } else { "wire" };
        let way = if self.out { ">" } else { "<" };
        let id = self.id.map_or("-".to_string(), |id| id.to_string());
        write!(f, "{side} {way} {id}: {}", self.comments.join(" | "))
    }
}

fn read(file: &[u8]) -> Read {
    let mut reader = PcapNgReader::new(file).unwrap();
    let mut section = Vec::new();
    for option in &reader.section().options {
        if let SectionHeaderOption::Comment(comment) = option {
            section.push(comment.to_string());
        }
    }
    let (mut interfaces, mut packets, mut notes) = (Vec::new(), Vec::new(), Vec::new());
    while let Some(block) = reader.next_block() {
        match block.unwrap() {
            Block::InterfaceDescription(interface) => {
                for option in &interface.options {
                    if let InterfaceDescriptionOption::IfName(name) = option {
                        interfaces.push(name.to_string());
                    }
                }
            }
            Block::InterfaceStatistics(block) => {
                for option in &block.options {
                    if let InterfaceStatisticsOption::Comment(comment) = option {
                        notes.push(comment.to_string());
                    }
                }
            }
            Block::EnhancedPacket(block) => {
                let (mut out, mut id, mut comments) = (None, None, Vec::new());
                for option in &block.options {
                    match option {
                        EnhancedPacketOption::Flags(flags) => out = Some(*flags == 2),
                        EnhancedPacketOption::Comment(text) => comments.push(text.to_string()),
                        EnhancedPacketOption::Unknown(option) if option.code == 5 => {
                            let bytes = option.value[..].try_into().unwrap();
                            id = Some(u64::from_le_bytes(bytes));
                        }
                        other => panic!("{other:?}"),
                    }
                }
                packets.push(Packet {
                    interface: block.interface_id,
                    at: block.timestamp,
                    out: out.unwrap(),
                    id,
                    comments,
                    frame: block.data.to_vec(),
                });
            }
            other => panic!("{other:?}"),
        }
    }
    Read { section, interfaces, packets, notes }
}

fn does(name: &'static str, action: Action) -> Rule {
    Rule::new(name).on(Match::TX).when(When::nth(1)).does(&[action])
}

#[test]
fn the_header_says_all_that_must_be_known_to_do_it_again() {
    let tape = Bench::new(&[]).tape();
    assert_eq!(tape.interfaces, ["stack", "wire"]);
    let version = env!("CARGO_PKG_VERSION");
    let line = format!(
        "tapsock {version} seed=0x1 clock=virtual decide=stream epoch=0 began=0.000000 entered=0 frames=0 \
         mtu=1500 rules=1 flows=16 held=64 frame=1600 script-bytes=12"
    );
    assert_eq!(tape.section, [line, "version = 1\n".to_string()]);
}

#[test]
fn a_link_has_its_name_before_its_sides() {
    let memory = Memory::growable(1, 1, 1, 1600);
    let mut engine = Engine::new(Script::new(1), memory, Instant::ZERO).unwrap();
    let file = SharedBuffer::new();
    let heading = Heading { link: "tap0", ..Heading::new("") };
    Tape::start(&mut engine, file.clone(), &heading).flush().unwrap();
    let tape = read(&file.to_vec());
    assert_eq!(tape.interfaces, ["tap0-stack", "tap0-wire"]);
    assert_eq!(tape.section.len(), 1, "an empty script is no comment");
}

#[test]
fn a_long_script_is_in_pieces_of_at_most_65535_bytes() {
    for (length, pieces) in [(65_535, 1), (65_536, 2), (200_000, 4)] {
        // Of letters of two bytes each, which are not cut in two.
        let script = format!("#{}", "\u{e9}".repeat((length - 1) / 2));
        let script = if script.len() < length { script + "x" } else { script };
        assert_eq!(script.len(), length);
        let memory = Memory::growable(1, 1, 1, 1600);
        let mut engine = Engine::new(Script::new(1), memory, Instant::ZERO).unwrap();
        let file = SharedBuffer::new();
        Tape::start(&mut engine, file.clone(), &Heading::new(&script)).flush().unwrap();
        let tape = read(&file.to_vec());
        assert_eq!(tape.section.len(), 1 + pieces, "{length}");
        assert!(tape.section[0].ends_with(&format!("script-bytes={length}")));
        assert_eq!(tape.section[1..].concat(), script);
    }
}

#[test]
fn a_frame_that_nobody_touches_is_on_both_sides_without_a_comment() {
    // Once with no rule switched on, once with one that does not fire.
    let idle = Rule::new("never").when(When::nth(9)).does(&[Action::Drop]);
    for rules in [&[][..], &[idle]] {
        let mut bench = Bench::new(rules);
        bench.tx(1).unwrap();
        assert_eq!(bench.rx(2), 1);
        bench.tx(3).unwrap();
        let expected =
            ["stack > 1: ", "wire > 1: ", "wire < 2: ", "stack < 2: ", "stack > 3: ", "wire > 3: "];
        assert_eq!(bench.packets(), expected);
    }
}

#[test]
fn frames_are_counted_whether_somebody_looks_or_not() {
    let memory = Memory::growable(1, 1, 1, 1600);
    let engine = Engine::new(Script::new(1), memory, Instant::ZERO).unwrap();
    let mut link = Fault::new(Wire::default(), engine);
    for number in 0..2 {
        link.transmit(Instant::ZERO, &udp(number)).unwrap();
    }
    assert_eq!(link.engine().sizes().entered, 2);
    let file = SharedBuffer::new();
    let tape = Tape::start(link.engine_mut(), file.clone(), &Heading::new(""));
    link.transmit(Instant::ZERO, &udp(3)).unwrap();
    tape.flush().unwrap();
    let tape = read(&file.to_vec());
    assert!(tape.section[0].contains(" entered=2 "), "{}", tape.section[0]);
    assert_eq!(tape.packets[0].id, Some(3));
}

#[test]
fn a_rule_that_is_removed_has_the_copies_that_it_made() {
    let copies = Action::Duplicate { copies: 1, delay: Duration::from_millis(5) };
    let mut bench = Bench::new(&[does("twice", copies), Rule::new("other")]);
    bench.tx(1).unwrap();
    let now = bench.now;
    bench.link.engine_mut().remove(0).unwrap();
    bench.link.engine_mut().note(now, "remove twice");
    bench.after(5);
    let packets = bench.packets();
    let copy = "wire > 1: at 0.000000 s: live remove twice | \
                copy 1 by a rule that is no more; delayed 5 ms";
    assert_eq!(packets.last().unwrap(), copy);
}

#[test]
fn a_dropped_frame_is_kept_where_it_entered() {
    let both = |name| Rule::new(name).when(When::nth(1)).does(&[Action::Drop]);
    let mut bench = Bench::new(&[Rule { matches: Match::TX, ..both("out") }, both("in")]);
    bench.tx(1).unwrap();
    bench.rx(2);
    bench.rx(3);
    let expected = [
        "stack > 1: rule=out fired=1 verdict=drop; frame=1",
        "wire < 2: rule=in fired=1 verdict=drop",
        "wire < 3: ",
        "stack < 3: ",
    ];
    assert_eq!(bench.packets(), expected);
}

#[test]
fn delays_copies_and_changes_name_who_made_them() {
    let delay = does("slow", Action::Delay(Delay::fixed(Duration::from_millis(40))));
    let copies = Action::Duplicate { copies: 2, delay: Duration::from_millis(1) };
    let bits = Action::Corrupt { at: Part::Payload, bits: 1, checksums: Checksums::Fix };
    let mut bench = Bench::new(&[delay]);
    bench.tx(1).unwrap();
    bench.after(40);
    let expected = [
        "stack > 1: rule=slow fired=1 delay=40 ms; frame=1",
        "wire > 1: delayed 40 ms by rule=slow",
    ];
    assert_eq!(bench.packets(), expected);
    assert_eq!(bench.tape().packets[1].at, Wall::from_millis(40));

    let mut bench = Bench::new(&[does("twice", copies)]);
    bench.tx(1).unwrap();
    bench.after(1);
    bench.after(1);
    let expected = [
        "stack > 1: rule=twice fired=1 copies=2; frame=1",
        "wire > 1: unchanged by rule=twice",
        "wire > 1: copy 1 by rule=twice; delayed 1 ms",
        "wire > 1: copy 2 by rule=twice; delayed 2 ms",
    ];
    assert_eq!(bench.packets(), expected);

    let mut bench = Bench::new(&[does("bits", bits)]);
    bench.tx(1).unwrap();
    let expected = [
        "stack > 1: rule=bits fired=1 corrupt=changed; frame=1",
        "wire > 1: changed by rule=bits (corrupt)",
    ];
    assert_eq!(bench.packets(), expected);
}

#[test]
fn an_action_that_did_nothing_says_so() {
    let mut bench = Bench::new(&[does("split", Action::Split(4))]);
    bench.tx(1).unwrap();
    let expected = [
        "stack > 1: rule=split fired=1 split=nothing; frame=1",
        "wire > 1: unchanged by rule=split",
    ];
    assert_eq!(bench.packets(), expected);
}

#[test]
fn a_forged_frame_has_one_side_and_no_identifier() {
    let forge =
        Forge::Icmp { error: IcmpFault::unreachable(1), from: None, quote: QuoteSeq::InFlight };
    let rule = Rule::new("icmp").on(Match::TX).does(&[Action::Forge(forge), Action::Drop]);
    let mut bench = Bench::new(&[rule]);
    bench.tx(1).unwrap();
    bench.after(0);
    let expected = [
        "stack > 1: rule=icmp fired=1 forge-icmp=1 verdict=drop; frame=1",
        "stack < -: forged by rule=icmp because of id=1; frame=2",
    ];
    assert_eq!(bench.packets(), expected);
}

#[test]
fn the_link_model_is_named() {
    let loss = Loss::Bernoulli { prob: 1.0, correlation: 0.0 };
    let mut bench = Bench::of(Script { tx: Model { loss, ..Model::IDEAL }, ..Script::new(1) });
    bench.tx(1).unwrap();
    assert_eq!(bench.packets(), ["stack > 1: link-model verdict=lost; frame=1"]);

    let delay = Delay::fixed(Duration::from_millis(3));
    let model = Model { delay, duplicate: 1.0, corrupt: 1.0, ..Model::IDEAL };
    let mut bench = Bench::of(Script { tx: model, ..Script::new(1) });
    bench.tx(1).unwrap();
    bench.after(3);
    let tape = bench.packets();
    assert_eq!(tape[0], "stack > 1: link-model delay=3 ms corrupt copies=1; frame=1");
    let mut left = [tape[1].clone(), tape[2].clone()];
    left.sort();
    assert_eq!(left[1], "wire > 1: delayed 3 ms by link-model; changed by link-model");
    assert!(left[0].starts_with("wire > 1: copy 1 by link-model; delayed 3 ms"), "{}", left[0]);
}

#[test]
fn what_a_link_that_goes_down_takes_with_it_is_noted() {
    let hold = Action::Hold { until: Name::literal("down"), limit: None };
    let at = Duration::from_millis(10);
    let down = EventAct::Link(LinkFault::Down(Some(Duration::from_millis(800))));
    let script = Script::new(1)
        .with_rules(vec![Rule::new("hold").on(Match::TX).when(When::nth(1)).does(&[hold])])
        .with_events(vec![Event { name: Name::literal("down"), at, act: down }]);
    let mut bench = Bench::of(script);
    bench.tx(1).unwrap();
    bench.after(10);
    assert_eq!(bench.tx(2), Err(LinkError::Down));
    assert_eq!(bench.rx(3), 0);
    bench.after(800);
    bench.tx(4).unwrap();
    let notes = [
        "event=down link down for 800 ms",
        "link down",
        "lost on its way to the wire: id=1 the frame: verdict=down, the link is down",
        "refused, the link is down: 50 bytes from the stack",
        "link up",
    ];
    let tape = bench.tape();
    assert_eq!(tape.notes, notes);
    let packets = bench.packets();
    assert_eq!(packets[0], "stack > 1: rule=hold fired=1 hold-until=held; frame=1");
    let said: Vec<String> =
        notes[..4].iter().map(|note| format!("at 0.010000 s: {note}")).collect();
    let lost = "verdict=down, the link is down";
    assert_eq!(packets[1], format!("wire < 2: {} | {lost}", said.join(" | ")));
    // The refused frame has no number: for the stack it was never sent.
    assert_eq!(packets[2], "stack > 3: at 0.810000 s: link up");
    assert_eq!(tape.packets.len(), 4);
}

#[test]
fn a_frame_that_the_link_refuses_was_never_sent() {
    let mut bench = Bench::new(&[Rule::new("idle").when(When::nth(99))]);
    bench.tx(1).unwrap();
    bench.link.link_mut().refuse = Some(LinkError::Down);
    assert_eq!(bench.tx(2), Err(LinkError::Down));
    bench.link.link_mut().refuse = None;
    bench.tx(3).unwrap();
    let packets = bench.packets();
    assert_eq!(packets.len(), 4, "{packets:?}");
    assert_eq!(packets[2].split(':').next(), Some("stack > 3"));
    assert_eq!(bench.tape().packets[2].frame, udp(3));
}

#[test]
fn live_changes_and_the_report_are_in_tape_and_log() {
    let rule = Rule::new("lose").when(When::nth(2)).does(&[Action::Drop]).expecting(1, 1);
    let mut bench = Bench::new(&[rule]);
    bench.tx(1).unwrap();
    bench.after(5);
    let now = bench.now;
    bench.link.engine_mut().switch(0, Switch::Off);
    bench.link.engine_mut().note(now, "disable lose");
    bench.tx(2).unwrap();
    bench.link.engine_mut().tell_report(now);
    let tape = bench.tape();
    let notes = [
        "live disable lose",
        "report rule=lose matched=1 fired=0 expected=1 does-not-hold",
        "totals entered=1 left=1",
    ];
    assert_eq!(tape.notes, notes);
    assert_eq!(tape.packets[2].comments, ["at 0.005000 s: live disable lose"]);
    let log = bench.log();
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!(lines[2], r#"{"t":0.005000,"what":"live","text":"disable lose"}"#);
    assert_eq!(
        lines[4],
        r#"{"t":0.005000,"what":"report","rule":"lose","matched":1,"fired":0,"swallowed":0,"expected":[1,1],"holds":false,"idle":true}"#
    );
    assert!(lines[5].starts_with(r#"{"t":0.005000,"what":"totals","entered":1,"left":1,"#));
}

#[test]
fn the_log_has_an_object_for_each_frame() {
    let delay = Action::Delay(Delay::fixed(Duration::from_millis(40)));
    let mut bench =
        Bench::new(&[does("slow", delay), does("lose \"it\"", Action::Drop), Rule::new("x")]);
    bench.tx(1).unwrap();
    bench.tx(2).unwrap();
    bench.after(40);
    let log = bench.log();
    let lines: Vec<&str> = log.lines().collect();
    assert!(lines[0].starts_with(r#"{"what":"begin","program":"tapsock "#), "{}", lines[0]);
    assert!(lines[0].ends_with(r#","script":"version = 1\n"}"#), "{}", lines[0]);
    assert_eq!(
        lines[1],
        r##"{"t":0.000000,"what":"frame","dir":"tx","id":1,"flow":1,"frame":1,"verdict":"drop","rule":"lose \"it\"","params":{"acts":[{"rule":"slow","matched":1,"fired":1,"did":[{"action":"delay","delay-us":40000}]},{"rule":"lose \"it\"","matched":1,"fired":1,"did":[{"action":"drop","lost":true}]}]},"before":"udp (8) 1000 > 53","after":null}"##
    );
    assert!(lines[2].contains(r#""id":2,"flow":1,"frame":2,"verdict":"pass","rule":"x""#));
    assert!(lines[2].ends_with(r#""before":"udp (8) 1000 > 53","after":"udp (8) 1000 > 53"}"#));
    assert_eq!(lines.len(), 3, "a frame that passes has one object");
}

#[test]
fn what_comes_out_later_has_an_object_of_its_own() {
    let delay = Action::Delay(Delay::fixed(Duration::from_millis(40)));
    let mut bench = Bench::new(&[does("slow", delay)]);
    bench.tx(1).unwrap();
    bench.after(40);
    let log = bench.log();
    let lines: Vec<&str> = log.lines().collect();
    assert!(lines[1].contains(r#""verdict":"later""#));
    assert!(lines[1].contains(r#""params":{"due":0.040000,"acts""#));
    assert_eq!(
        lines[2],
        r#"{"t":0.040000,"what":"frame","dir":"tx","id":1,"flow":1,"frame":null,"verdict":"left","rule":null,"params":{"made":"itself","of":1,"told":"delayed 40 ms by rule=slow"},"before":"udp (8) 1000 > 53","after":"udp (8) 1000 > 53"}"#
    );
}

#[test]
fn a_writer_that_fails_ends_the_recording_and_nothing_else() {
    struct Full(usize);
    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            match self.0.checked_sub(bytes.len()) {
                Some(left) => {
                    self.0 = left;
                    Ok(bytes.len())
                }
                None => Err(io::ErrorKind::StorageFull.into()),
            }
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    for room in [0, 700] {
        let memory = Memory::growable(1, 1, 1, 1600);
        let mut engine = Engine::new(Script::new(1), memory, Instant::ZERO).unwrap();
        let heading = Heading::new("");
        let tape = Tape::start(&mut engine, Full(room), &heading);
        let log = EventLog::start(&mut engine, Full(room), &heading);
        let mut link = Fault::new(Wire::default(), engine);
        for number in 0..10 {
            assert_eq!(link.transmit(Instant::ZERO, &udp(number)), Ok(()));
        }
        for (error, flushed) in [(tape.error(), tape.flush()), (log.error(), log.flush())] {
            assert_eq!(error.unwrap().kind(), io::ErrorKind::StorageFull, "{room}");
            assert!(flushed.is_err());
        }
    }
}

#[test]
fn by_either_clock_records_have_the_times_of_the_engine() {
    for clock in [ClockMode::Virtual, ClockMode::Real] {
        let memory = Memory::growable(1, 1, 1, 1600);
        let mut engine = Engine::new(Script::new(1), memory, Instant::ZERO).unwrap();
        let file = SharedBuffer::new();
        let heading = Heading { clock, ..Heading::new("") };
        let tape = Tape::start(&mut engine, file.clone(), &heading);
        let mut link = Fault::new(Wire::default(), engine);
        for (number, secs) in [(1, 100), (2, 200), (3, 150)] {
            link.transmit(Instant::from_secs(secs), &udp(number)).unwrap();
        }
        tape.flush().unwrap();
        let packets = read(&file.to_vec()).packets;
        let mut times: Vec<u64> = packets.iter().map(|packet| packet.at.as_secs()).collect();
        times.dedup();
        // Time does not run backwards.
        assert_eq!(times, [100, 200]);
    }
}

#[test]
fn a_silent_neighbor_by_an_event_is_an_event() {
    let silence = EventAct::Neighbor(NeighborFault::Silence, None);
    let event = Event { name: Name::NONE, at: Duration::ZERO, act: silence };
    let mut bench = Bench::of(Script::new(1).with_events(vec![event]));
    let mut question = vec![0xff; 6];
    question.extend(STACK.0);
    question.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
    question.extend(STACK.0);
    question.extend(STACK.1);
    question.extend([0; 6]);
    question.extend(PEER.1);
    bench.link.transmit(bench.now, &question).unwrap();
    let expected =
        ["stack > 1: at 0.000000 s: event=1 neighbor-silence | an event verdict=drop; frame=1"];
    assert_eq!(bench.packets(), expected);
    assert!(bench.log().contains(r#""before":"arp who-has 10.0.0.2 tell 10.0.0.1""#));
}

#[test]
fn the_direction_is_seen_from_the_stack_on_both_sides() {
    let mut bench = Bench::new(&[]);
    bench.rx(1);
    let ways: Vec<bool> = bench.tape().packets.iter().map(|packet| packet.out).collect();
    assert_eq!(ways, [false, false]);
}
