//! Connections in a simulated network, as captures.

use tapsock_stack::TcpId;
use tapsock_stack::fault::{
    ACK, AckOf, Action, Checksums, Count, Delay, Event, EventAct, Flags, Forge, LinkFault, Match,
    Model, Name, Part, Rule, SYN, Script, Side as FaultSide, Span, When,
};
use tapsock_stack::link::capture::SharedBuffer;
use tapsock_stack::port::{BindAddress, Family, Share, Transport};
use tapsock_stack::sim::{Conditions, Host, Pair};
use tapsock_stack::tcp::{Connect, Take};
use tapsock_stack::time::{Duration, Instant};
use tapsock_stack::wire::IpEndpoint;

use super::file::{File, Options};

/// A pair of hosts, of which the client's side is captured.
pub(super) struct Scene {
    pub(super) pair: Pair,
    capture: SharedBuffer,
    client: TcpId,
    listener: tapsock_stack::ListenerId,
    server: Option<TcpId>,
}

impl Scene {
    pub(super) fn new(seed: u64, conditions: Conditions, buffers: usize) -> Self {
        let pair = Pair::configured(seed, conditions, |config| {
            config.receive_buffer = buffers;
            config.transmit_buffer = buffers;
        });
        let capture = SharedBuffer::new();
        pair.client.capture(capture.clone());
        let any = BindAddress::AnyDual;
        let listener = pair.server.with(|stack, _| {
            let binding = stack.bind(Transport::Tcp, any, 80, Share::Default).unwrap();
            stack.tcp_listen(binding, 4, 0).unwrap()
        });
        let remote = IpEndpoint::new(Pair::addresses(2)[0], 80);
        let client = pair.client.with(|stack, now| {
            let any = BindAddress::Any(Family::V4);
            let binding = stack.bind_for(Transport::Tcp, any, remote, Share::Default).unwrap();
            let local = IpEndpoint::new(Pair::addresses(1)[0], stack.bound(binding).unwrap().1);
            stack.tcp_connect(now, &Connect::new(local, remote)).unwrap()
        });
        Self { pair, capture, client, listener, server: None }
    }

    /// Lets the client send `bytes` and close, and the server read for as long as `reads` allows,
    /// until nothing happens any more or a virtual minute is over.
    pub(super) fn transfer(mut self, bytes: usize, reads: impl Fn(Instant) -> bool) -> Vec<u8> {
        let (mut sent, mut closed, mut over) = (0, false, false);
        let piece = [0x55; 8192];
        let limit = Instant::from_secs(60);
        while self.pair.world.now() < limit {
            self.pair.world.run_for(Duration::from_millis(1));
            self.accept();
            let client = self.client;
            self.pair.client.with(|stack, now| {
                while sent < bytes {
                    let most = piece.len().min(bytes - sent);
                    match stack.tcp_send(now, client, &piece[..most], 65536) {
                        Ok(taken) if taken > 0 => sent += taken,
                        _ => return,
                    }
                }
                if !closed {
                    stack.tcp_shutdown(now, client);
                    closed = true;
                }
            });
            if let Some(server) = self.server
                && !over
                && reads(self.pair.world.now())
            {
                over = read(&self.pair.server, server);
            }
        }
        self.capture.to_vec()
    }

    fn accept(&mut self) {
        if self.server.is_none() {
            let listener = self.listener;
            self.server = self.pair.server.with(|stack, _| stack.tcp_accept(listener, 0));
        }
    }
}

/// Reads everything; closes and tells when the peer has closed.
fn read(host: &Host, id: TcpId) -> bool {
    host.with(|stack, now| {
        let mut buffer = [0; 4096];
        loop {
            match stack.tcp_recv(now, id, &mut buffer, Take::Consume) {
                Ok(0) => {
                    stack.tcp_shutdown(now, id);
                    return true;
                }
                Ok(_) => {}
                Err(_) => return false,
            }
        }
    })
}

/// A transfer of which frames are lost.
pub(super) fn lossy(seed: u64, bytes: usize) -> Vec<u8> {
    let delay = Duration::from_millis(20);
    let rate = Some(8_000_000);
    let conditions = Conditions { delay, loss: 0.03, rate, ..Conditions::GOOD };
    Scene::new(seed, conditions, 32_768).transfer(bytes, |_| true)
}

/// A transfer to a server that does not read for two seconds, and so closes its window.
pub(super) fn slow_reader() -> Vec<u8> {
    let delay = Duration::from_millis(5);
    let conditions = Conditions { delay, ..Conditions::GOOD };
    let reads = |now| now > Instant::from_millis(2500);
    Scene::new(5, conditions, 8192).transfer(30_000, reads)
}

/// A segment between 10.0.0.1:1000 and 10.0.0.2:80, with whatever is set before it is written.
#[derive(Debug, Clone, Default)]
pub(super) struct Tcp {
    /// 0 for the client's, 1 for the server's.
    pub(super) from: usize,
    pub(super) flags: &'static str,
    pub(super) seq: u32,
    pub(super) ack: u32,
    pub(super) window: u16,
    pub(super) length: usize,
    pub(super) options: Vec<etherparse::TcpOptionElement>,
}

impl Tcp {
    /// `flags` are the initials of SYN, ACK, FIN, RST and PSH.
    pub(super) fn new(from: usize, flags: &'static str, seq: u32, ack: u32) -> Self {
        Self { from, flags, seq, ack, window: 1000, length: 0, options: Vec::new() }
    }

    pub(super) fn len(self, length: usize) -> Self {
        Self { length, ..self }
    }

    pub(super) fn window(self, window: u16) -> Self {
        Self { window, ..self }
    }

    pub(super) fn options(self, options: &[etherparse::TcpOptionElement]) -> Self {
        Self { options: options.to_vec(), ..self }
    }

    pub(super) fn frame(&self) -> Vec<u8> {
        let (client, server) = (([10, 0, 0, 1], 1000), ([10, 0, 0, 2], 80));
        let (from, to) = if self.from == 0 { (client, server) } else { (server, client) };
        let builder = etherparse::PacketBuilder::ethernet2([2; 6], [4; 6]).ipv4(from.0, to.0, 64);
        let mut builder = builder.tcp(from.1, to.1, self.seq, self.window);
        for flag in self.flags.chars() {
            builder = match flag {
                'S' => builder.syn(),
                'A' => builder.ack(self.ack),
                'F' => builder.fin(),
                'R' => builder.rst(),
                _ => builder.psh(),
            };
        }
        let builder = builder.options(&self.options).unwrap();
        let mut frame = Vec::new();
        builder.write(&mut frame, &vec![0; self.length]).unwrap();
        frame
    }
}

/// A capture of these segments at these milliseconds, as tcpdump writes it: without directions and
/// in microseconds.
pub(super) fn of(segments: &[(u64, Tcp)]) -> Vec<u8> {
    let mut file = File::new(false).interface("eth0", 1, None);
    for (millis, segment) in segments {
        file.packet(0, millis * 1000, &segment.frame(), &Options::default());
    }
    file.bytes
}

/// A transfer whose SYN and SYN-ACK are lost at first, of which a rule then loses, delays, copies,
/// changes and splits segments, and whose link is down for a while; both sides as the stack
/// records them.
pub(super) fn taped() -> Vec<u8> {
    let data = Match { dir: Match::TX.dir, payload: Some(Span::from(1)), ..Match::ANY };
    let syn = |dir, ack| {
        let flags = if ack {
            Flags::Some { set: SYN | ACK, clear: 0 }
        } else {
            Flags::Some { set: SYN, clear: ACK }
        };
        Match { dir, flags: Some(flags), ..Match::ANY }
    };
    let every = |step| When { count: Count::Every(step), ..When::ALWAYS };
    let millis = Duration::from_millis;
    let bits = Action::Corrupt { at: Part::Payload, bits: 1, checksums: Checksums::Leave };
    let acks = Forge::Ack { to: FaultSide::Stack, ack: AckOf::Duplicate(1) };
    let rules = vec![
        Rule::new("lose-1st-syn")
            .on(syn(Match::TX.dir, false))
            .when(When::nth(1))
            .does(&[Action::Drop]),
        Rule::new("lose-1st-synack")
            .on(syn(Match::RX.dir, true))
            .when(When::nth(1))
            .does(&[Action::Drop]),
        Rule::new("lose").on(data).when(every(13)).does(&[Action::Drop]),
        Rule::new("slow").on(data).when(every(8)).does(&[Action::Delay(Delay::fixed(millis(60)))]),
        Rule::new("twice")
            .on(data)
            .when(When::nth(4))
            .does(&[Action::Duplicate { copies: 1, delay: millis(2) }]),
        Rule::new("bits").on(data).when(When::nth(7)).does(&[bits]),
        Rule::new("split").on(data).when(When::nth(10)).does(&[Action::Split(500)]),
        Rule::new("dup-acks").on(data).when(When::nth(17)).does(&[Action::Forge(acks)]),
    ];
    let down = EventAct::Link(LinkFault::Down(Some(millis(700))));
    let event = Event { name: Name::literal("unplugged"), at: millis(4400), act: down };
    let delay = Delay::uniform(millis(15), millis(3));
    let model = Model { delay, ..Model::IDEAL };
    let script = Script::new(7).with_rules(rules).with_events(vec![event]);
    let script = Script { tx: model, rx: model, ..script };
    let scene = Scene::new(7, Conditions::GOOD, 16_384);
    let faults = scene.pair.client.faults(script).unwrap();
    let buffer = SharedBuffer::new();
    let tape = scene.pair.client.tape(buffer.clone(), "").unwrap();
    scene.transfer(60_000, |_| true);
    tape.flush().unwrap();
    drop(faults);
    buffer.to_vec()
}
