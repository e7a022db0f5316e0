//! Time lines of engines on a link that gives and takes what a test says.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use etherparse::{PacketBuilder, TcpOptionElement};
use tapsock_stack::fault::{
    Action, Checksums, Delay, Engine, Event, EventAct, LinkFault, Loss, Match, Memory, Model, Name,
    Part, Rule, Script, When,
};
use tapsock_stack::link::fault::Fault;
use tapsock_stack::link::{Link, LinkError};

use super::*;

#[derive(Debug, Default)]
struct Wire(VecDeque<Vec<u8>>);

impl Link for Wire {
    fn mtu(&self) -> usize {
        1500
    }
    fn is_up(&self) -> bool {
        true
    }
    fn receive(&mut self, _: Instant, buffer: &mut [u8]) -> Result<Option<usize>, LinkError> {
        let Some(frame) = self.0.pop_front() else { return Ok(None) };
        buffer[..frame.len()].copy_from_slice(&frame);
        Ok(Some(frame.len()))
    }
    fn transmit(&mut self, _: Instant, _: &[u8]) -> Result<(), LinkError> {
        Ok(())
    }
}

struct Bench {
    link: Fault<'static, Wire>,
    lines: Arc<Mutex<Vec<String>>>,
    now: Instant,
}

impl Bench {
    fn new(script: Script<'static>) -> Self {
        let mut engine =
            Engine::new(script, Memory::growable(4, 4, 16, 1600), Instant::ZERO).unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&lines);
        engine.observe(TimeLine::new(Paint::NONE, move |line| {
            sink.lock().unwrap().push(line.to_string());
        }));
        Self { link: Fault::new(Wire::default(), engine), lines, now: Instant::ZERO }
    }

    fn tx(&mut self, frame: &[u8]) {
        self.link.transmit(self.now, frame).unwrap();
    }

    fn rx(&mut self, frame: &[u8]) {
        self.link.link_mut().0.push_back(frame.to_vec());
        self.after(0);
    }

    fn after(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
        let mut buffer = [0; 2048];
        while let Ok(Some(_)) = self.link.receive(self.now, &mut buffer) {}
    }

    fn lines(self) -> Vec<String> {
        drop(self.link);
        let lines = self.lines.lock().unwrap();
        lines.iter().map(|line| squeezed(line)).collect()
    }
}

/// With one bar in place of the spaces before the marks.
fn squeezed(line: &str) -> String {
    match line.find("   ") {
        Some(at) => format!("{} | {}", &line[..at], line[at..].trim_start()),
        None => line.to_string(),
    }
}

const STACK: ([u8; 6], [u8; 4]) = ([2, 0, 0, 0, 0, 1], [10, 0, 0, 1]);
const PEER: ([u8; 6], [u8; 4]) = ([2, 0, 0, 0, 0, 2], [10, 0, 0, 2]);

fn syn() -> Vec<u8> {
    let builder = PacketBuilder::ethernet2(STACK.0, PEER.0).ipv4(STACK.1, PEER.1, 64);
    let mut frame = Vec::new();
    let tcp = builder.tcp(1000, 80, 5_000, 65535).syn();
    let tcp = tcp.options(&[TcpOptionElement::MaximumSegmentSize(1460)]).unwrap();
    tcp.write(&mut frame, &[]).unwrap();
    frame
}

fn syn_ack() -> Vec<u8> {
    let builder = PacketBuilder::ethernet2(PEER.0, STACK.0).ipv4(PEER.1, STACK.1, 64);
    let mut frame = Vec::new();
    builder.tcp(80, 1000, 9_000, 64240).syn().ack(5_001).write(&mut frame, &[]).unwrap();
    frame
}

fn data(seq: u32, payload: &[u8]) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2(STACK.0, PEER.0).ipv4(STACK.1, PEER.1, 64);
    let mut frame = Vec::new();
    builder.tcp(1000, 80, seq, 502).ack(9_001).psh().write(&mut frame, payload).unwrap();
    frame
}

fn udp() -> Vec<u8> {
    let builder = PacketBuilder::ethernet2(STACK.0, PEER.0).ipv4(STACK.1, PEER.1, 64);
    let mut frame = Vec::new();
    builder.udp(1000, 53).write(&mut frame, &[0; 8]).unwrap();
    frame
}

#[test]
fn a_handshake_whose_first_syn_is_lost() {
    let slow = Action::Delay(Delay::fixed(Duration::from_millis(40)));
    let script = Script::new(1).with_rules(vec![
        Rule::new("lose-1st-syn").on(Match::TX).when(When::nth(1)).does(&[Action::Drop]),
        Rule::new("slow").on(Match::RX).does(&[slow]),
    ]);
    let mut bench = Bench::new(script);
    bench.tx(&syn());
    bench.after(1000);
    bench.tx(&syn());
    bench.rx(&syn_ack());
    bench.after(40);
    bench.tx(&data(5_001, &[1; 100]));
    let expected = [
        "0.000000 > S 0:0(0) win 65535 <mss 1460> | ✗ drop lose-1st-syn (1/1)",
        "1.000000 > S 0:0(0) win 65535 <mss 1460>",
        "1.000000 < S. 0:0(0) ack 1 win 64240 | ~ delay 40 ms slow (1/1)",
        "1.040000 < S. 0:0(0) ack 1 win 64240 | ~ delayed 40 ms by rule=slow",
        "1.040000 > P. 1:101(100) ack 1 win 502",
    ];
    assert_eq!(bench.lines(), expected);
}

#[test]
fn every_kind_of_mark() {
    let bits = Action::Corrupt { at: Part::Payload, bits: 1, checksums: Checksums::Fix };
    let copies = Action::Duplicate { copies: 1, delay: Duration::from_millis(1) };
    let script = Script::new(1).with_rules(vec![
        Rule::new("bits").when(When::nth(1)).does(&[bits]),
        Rule::new("twice").when(When::nth(2)).does(&[copies]),
        Rule::new("short").when(When::nth(3)).does(&[Action::Split(9)]),
        Rule::new("hole").when(When::nth(4)).does(&[Action::Blackhole(None)]),
    ]);
    let mut bench = Bench::new(script);
    for _ in 0..5 {
        bench.tx(&udp());
    }
    bench.after(1);
    let expected = [
        "0.000000 > udp (8) 1000 > 53 | ≠ corrupt bits (1/1)",
        "0.000000 > udp (8) 1000 > 53 | ≠ changed by rule=bits (corrupt)",
        "0.000000 > udp (8) 1000 > 53 | + duplicate 1 twice (1/2)",
        "0.000000 > udp (8) 1000 > 53 | · split did nothing short (1/3)",
        "0.000000 > udp (8) 1000 > 53 | ✗ blackhole hole (1/4)",
        "0.000000 > udp (8) 1000 > 53 | ✗ blackhole hole",
        "0.001000 > udp (8) 1000 > 53 | + copy 1 by rule=twice  ~ delayed 1 ms",
    ];
    assert_eq!(bench.lines(), expected);
}

#[test]
fn the_link_model_and_events_are_in_it() {
    let loss = Loss::Bernoulli { prob: 1.0, correlation: 0.0 };
    let at = Duration::from_millis(5);
    let act = EventAct::Link(LinkFault::Down(None));
    let script = Script { tx: Model { loss, ..Model::IDEAL }, ..Script::new(1) };
    let script = script.with_events(vec![Event { name: Name::NONE, at, act }]);
    let mut bench = Bench::new(script);
    bench.tx(&udp());
    bench.after(5);
    let expected = [
        "0.000000 > udp (8) 1000 > 53 | ✗ link-model lost",
        "0.005000 * event=1 link down",
        "0.005000 * link down",
    ];
    assert_eq!(bench.lines(), expected);
}

#[test]
fn lengths_of_time() {
    let cases = [(0, "0 ms"), (1, "1 us"), (999, "999 us"), (1_000, "1 ms"), (1_001, "1.001 ms")];
    for (micros, text) in cases {
        assert_eq!(span(Duration::from_micros(micros)), text);
    }
    assert_eq!(span(Duration::from_millis(999)), "999 ms");
    assert_eq!(span(Duration::from_secs(1)), "1 s");
    assert_eq!(seconds(Instant::from_micros(1_040_000)), "1.040000");
    assert_eq!(seconds(Instant::from_micros(-1)), "-0.000001");
}
