//! A host under test, a peer whose every segment the test writes itself, and what passed the cable
//! between them as an independent parser reads it.
//!
//! Segments are written as `FLAGS SEQ [ack N] [win N] [len N] [mss N] [scale N]`, with flags as tcpdump prints them
//! (`S` SYN, `F` FIN, `R` RST, `P` PSH, `.` ACK) and numbers relative to the first SYN of their
//! direction. Times are seconds since the scene began.

use std::cell::Cell;
use std::collections::HashMap;

use etherparse::{NetSlice, PacketBuilder, SlicedPacket, TcpOptionElement, TransportSlice};
use pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketOption;
use pcap_file::pcapng::{Block, PcapNgReader};
use tapsock_stack::config::{Config, OwnGroups};
use tapsock_stack::event::{Asked, Cause, CauseKind, Evidence, Happened, PacketEvidence};
use tapsock_stack::link::capture::SharedBuffer;
use tapsock_stack::port::{BindAddress, Family, Share, Transport};
use tapsock_stack::sim::{Conditions, Host, Pair, Router, World};
use tapsock_stack::tcp::{Connect, OpenError, Phase, Take, TcpStatus};
use tapsock_stack::time::{Duration, Instant};
use tapsock_stack::udp::Datagram;
use tapsock_stack::wire::{IpAddress, IpCidr, IpEndpoint};
use tapsock_stack::{ListenerId, TcpId, UdpId};

/// The first sequence number of scripted peers: a few bytes more and it wraps.
const PEER_ISN: u32 = 0xffff_fff0;

pub(crate) const HOST_MAC: [u8; 6] = Pair::hardware(1).0;
pub(crate) const PEER_MAC: [u8; 6] = Pair::hardware(2).0;

pub(crate) fn seconds(seconds: f64) -> Duration {
    Duration::from_micros((seconds * 1e6).round() as u64)
}

/// A frame of a capture.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) number: u64,
    pub(crate) at: Instant,
    pub(crate) out: bool,
    pub(crate) frame: Vec<u8>,
}

/// A TCP segment as etherparse reads it.
#[derive(Debug, Clone)]
pub(crate) struct Tcp {
    pub(crate) source: (IpAddress, u16),
    pub(crate) destination: (IpAddress, u16),
    pub(crate) flags: String,
    pub(crate) sequence: u32,
    pub(crate) acknowledgment: Option<u32>,
    pub(crate) window: u16,
    pub(crate) hop_limit: u8,
    pub(crate) mss: Option<u16>,
    pub(crate) payload: Vec<u8>,
}

impl Tcp {
    fn span(&self) -> u32 {
        let control = self.flags.chars().filter(|flag| matches!(flag, 'S' | 'F')).count();
        (self.payload.len() + control) as u32
    }
}

impl Seen {
    /// The segment in it, if it is one. Panics if the host sent it with a wrong checksum.
    pub(crate) fn tcp(&self) -> Option<Tcp> {
        let packet = SlicedPacket::from_ethernet(&self.frame).ok()?;
        let Some(TransportSlice::Tcp(tcp)) = packet.transport else { return None };
        let checksum = tcp.checksum();
        let (source, destination, hop_limit) = match packet.net? {
            NetSlice::Ipv4(ip) => {
                let header = ip.header();
                let expected =
                    tcp.calc_checksum_ipv4(header.source(), header.destination()).unwrap();
                assert!(!self.out || checksum == expected, "TCP checksum");
                let expected = header.to_header().calc_header_checksum();
                assert!(!self.out || header.header_checksum() == expected, "IPv4 checksum");
                let source = header.source_addr().into();
                (source, IpAddress::from(header.destination_addr()), header.ttl())
            }
            NetSlice::Ipv6(ip) => {
                let header = ip.header();
                let expected =
                    tcp.calc_checksum_ipv6(header.source(), header.destination()).unwrap();
                assert!(!self.out || checksum == expected, "TCP checksum");
                let source = header.source_addr().into();
                (source, header.destination_addr().into(), header.hop_limit())
            }
            NetSlice::Arp(_) => return None,
        };
        let mut flags = String::new();
        for (set, name) in [
            (tcp.syn(), 'S'),
            (tcp.fin(), 'F'),
            (tcp.rst(), 'R'),
            (tcp.psh(), 'P'),
            (tcp.ack(), '.'),
        ] {
            if set {
                flags.push(name);
            }
        }
        let mss = tcp.options_iterator().find_map(|option| match option {
            Ok(TcpOptionElement::MaximumSegmentSize(mss)) => Some(mss),
            _ => None,
        });
        Some(Tcp {
            source: (source, tcp.source_port()),
            destination: (destination, tcp.destination_port()),
            flags,
            sequence: tcp.sequence_number(),
            acknowledgment: tcp.ack().then(|| tcp.acknowledgment_number()),
            window: tcp.window_size(),
            hop_limit,
            mss,
            payload: tcp.payload().to_vec(),
        })
    }
}

/// What a host's cable carried.
#[derive(Debug)]
pub(crate) struct Capture {
    file: SharedBuffer,
    start: Instant,
    /// Frames that had passed before.
    before: u64,
    read: Cell<usize>,
    /// Bytes of the file when it was last read, so that looking often costs little.
    looked: Cell<usize>,
}

impl Capture {
    /// Captures from now on; now is second 0.
    pub(crate) fn new(host: &Host) -> Self {
        let file = SharedBuffer::new();
        host.capture(file.clone());
        let before = host.with(|stack, _| stack.link().frames());
        Self { file, before, start: host.world().now(), read: Cell::new(0), looked: Cell::new(0) }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.file.to_vec()
    }

    pub(crate) fn frames(&self) -> Vec<Seen> {
        let bytes = self.file.to_vec();
        let mut reader = PcapNgReader::new(&bytes[..]).unwrap();
        let mut frames = Vec::new();
        while let Some(block) = reader.next_block() {
            let Block::EnhancedPacket(packet) = block.unwrap() else { continue };
            let flags = packet.options.iter().find_map(|option| match option {
                EnhancedPacketOption::Flags(flags) => Some(*flags),
                _ => None,
            });
            frames.push(Seen {
                number: self.before + frames.len() as u64 + 1,
                at: Instant::from_micros(packet.timestamp.as_micros() as i64),
                out: flags.unwrap() & 3 == 2,
                frame: packet.data.to_vec(),
            });
        }
        frames
    }

    /// Every segment so far, and when it passed.
    pub(crate) fn segments(&self) -> Vec<(Seen, Tcp)> {
        self.frames().into_iter().filter_map(|seen| Some((seen.clone(), seen.tcp()?))).collect()
    }

    fn line(&self, seen: &Seen, tcp: &Tcp, bases: &mut HashMap<Way, u32>) -> String {
        let way = (tcp.source, tcp.destination);
        if tcp.flags.contains('S') && (seen.out || !bases.contains_key(&way)) {
            bases.insert(way, tcp.sequence);
        }
        let base = |way: &Way| bases.get(way).copied().unwrap_or(0);
        let sequence = tcp.sequence.wrapping_sub(base(&way));
        let at = (seen.at - self.start).total_micros() as f64 / 1e6;
        let arrow = if seen.out { '>' } else { '<' };
        let end = sequence.wrapping_add(tcp.span());
        let mut line = format!("{at} {arrow} {} {sequence}:{end}", tcp.flags);
        if let Some(acknowledgment) = tcp.acknowledgment {
            let back = base(&(tcp.destination, tcp.source));
            line += &format!(" ack {}", acknowledgment.wrapping_sub(back));
        }
        line
    }

    /// The segments since the last call, a line each; `only_out` leaves those of the peer out.
    pub(crate) fn lines(&self, only_out: bool) -> Vec<String> {
        let length = self.bytes().len();
        if self.looked.replace(length) == length {
            return Vec::new();
        }
        let segments = self.segments();
        let mut bases = HashMap::new();
        let lines: Vec<_> = segments
            .iter()
            .map(|(seen, tcp)| (seen.out, self.line(seen, tcp, &mut bases)))
            .collect();
        let read = self.read.replace(lines.len());
        let new = lines.into_iter().skip(read);
        new.filter(|(out, _)| *out || !only_out).map(|(_, line)| line).collect()
    }
}

type Way = ((IpAddress, u16), (IpAddress, u16));

/// The host under test at 10.0.0.1 and fd00::1, and a mute neighbor at 10.0.0.2 and fd00::2 that
/// speaks only when a [`Peer`] does.
pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) host: Host,
    pub(crate) capture: Capture,
    family: usize,
}

/// IPv4, and nothing special.
pub(crate) fn scene() -> Scene {
    Scene::new(Family::V4, |_| {})
}

impl Scene {
    pub(crate) fn new(family: Family, adjust: impl FnOnce(&mut Config)) -> Self {
        let world = World::new(1);
        let mut config = Config::new(Pair::hardware(1), 1);
        config.own_groups = OwnGroups::Unreported;
        adjust(&mut config);
        let [v4, v6] = Pair::addresses(1);
        let addresses = [IpCidr::new(v4, 24), IpCidr::new(v6, 64)];
        let host = world.host(config, &addresses, Conditions::GOOD);
        let [v4, v6] = Pair::addresses(2);
        let mute = Router::new(Pair::hardware(2)).with_address(v4).with_address(v6);
        world.device(mute);
        let family = usize::from(family == Family::V6);
        // The Ethernet address is learned before the scene begins, so that every segment leaves
        // at the time at which it is made.
        let remote = IpEndpoint::new(Pair::addresses(2)[family], 9);
        host.with(|stack, now| {
            let any = BindAddress::AnyDual;
            let binding = stack.bind(Transport::Udp, any, 0, Share::Default).unwrap();
            let socket = stack.udp_open(binding, 0, 0).unwrap();
            stack.udp_send(now, socket, remote, b"who are you").unwrap();
            stack.udp_close(socket);
            stack.unbind(binding);
        });
        world.run_until(Instant::from_secs(1));
        Self { capture: Capture::new(&host), world, host, family }
    }

    pub(crate) fn family(&self) -> Family {
        [Family::V4, Family::V6][self.family]
    }

    pub(crate) fn own(&self) -> IpAddress {
        Pair::addresses(1)[self.family]
    }

    pub(crate) fn remote(&self, port: u16) -> IpEndpoint {
        IpEndpoint::new(Pair::addresses(2)[self.family], port)
    }

    /// Seconds since the scene began.
    pub(crate) fn now(&self) -> f64 {
        self.since(self.world.now())
    }

    pub(crate) fn since(&self, at: Instant) -> f64 {
        (at - self.capture.start).total_micros() as f64 / 1e6
    }

    /// Lets time pass until second `at` and everything of that time be done.
    pub(crate) fn until(&self, at: f64) {
        assert!(at >= self.now(), "second {at} has passed");
        self.world.run_until(self.capture.start + seconds(at));
    }

    /// Does what is due now.
    pub(crate) fn settle(&self) {
        self.world.run_until(self.world.now());
    }

    /// The host sent exactly these segments since the last call.
    #[track_caller]
    pub(crate) fn sent<const N: usize>(&self, expected: [&str; N]) {
        self.settle();
        assert_eq!(self.capture.lines(true), expected.map(String::from));
    }

    pub(crate) fn status(&self, id: TcpId) -> TcpStatus {
        self.host.with(|stack, _| stack.tcp(id)).expect("the handle is stale")
    }

    pub(crate) fn phase(&self, id: TcpId) -> Phase {
        self.status(id).phase
    }

    pub(crate) fn cause(&self, id: TcpId) -> Cause {
        self.status(id).cause.expect("it has not failed")
    }

    /// The kind of failure, when it was decided, and the silence that decided it.
    pub(crate) fn silence(&self, id: TcpId) -> (CauseKind, f64, Asked, u32, f64) {
        let cause = self.cause(id);
        let Evidence::Silence(silence) = cause.evidence else { panic!("{cause}") };
        let waited = silence.waited.total_micros() as f64 / 1e6;
        (cause.kind, self.since(cause.at), silence.asked, silence.sent, waited)
    }

    /// The kind of failure, when it was decided, and the packet that decided it.
    pub(crate) fn packet(&self, id: TcpId) -> (CauseKind, f64, PacketEvidence) {
        let cause = self.cause(id);
        let Evidence::Packet(packet) = cause.evidence else { panic!("{cause}") };
        (cause.kind, self.since(cause.at), packet)
    }

    /// What happened to the sockets since the last call, joined.
    pub(crate) fn happened(&self) -> Happened {
        self.host.with(|stack, _| {
            let mut what = Happened::default();
            while let Some(event) = stack.next_event() {
                what |= event.what;
            }
            what
        })
    }

    pub(crate) fn connect_with(
        &self,
        adjust: impl FnOnce(&mut Connect),
    ) -> Result<(TcpId, Peer<'_>), OpenError> {
        let remote = self.remote(80);
        let local = IpEndpoint::new(self.own(), ephemeral(&self.host, remote));
        let mut request = Connect::new(local, remote);
        adjust(&mut request);
        let id = self.host.with(|stack, now| stack.tcp_connect(now, &request))?;
        let (host, port) = (request.local.port, request.remote.port);
        Ok((id, Peer { scene: self, host, port, address: request.remote.addr }))
    }

    /// An attempt at port 80 of the peer.
    pub(crate) fn connect(&self) -> (TcpId, Peer<'_>) {
        self.connect_with(|_| {}).unwrap()
    }

    /// A connection to port 80 of the peer whose handshake took no time.
    pub(crate) fn established(&self) -> (TcpId, Peer<'_>) {
        self.established_with(|_| {})
    }

    pub(crate) fn established_with(&self, adjust: impl FnOnce(&mut Connect)) -> (TcpId, Peer<'_>) {
        let (id, peer) = self.connect_with(adjust).unwrap();
        peer.sends("S. 0 ack 1");
        assert_eq!(self.phase(id), Phase::Connected);
        self.capture.lines(true);
        self.happened();
        (id, peer)
    }

    /// A listener on port 80.
    pub(crate) fn listen(&self, backlog: usize) -> ListenerId {
        listen(&self.host, self.family(), 80, backlog)
    }

    /// The peer as a client, from `port` of its own to port 80 of the host.
    pub(crate) fn client(&self, port: u16) -> Peer<'_> {
        Peer { scene: self, host: 80, port, address: self.remote(0).addr }
    }

    pub(crate) fn send(&self, id: TcpId, data: &[u8]) {
        let sent = self.host.with(|stack, now| stack.tcp_send(now, id, data, 1 << 20));
        assert_eq!(sent, Ok(data.len()));
    }

    /// Lets a frame that is no segment arrive.
    pub(crate) fn arrives(&self, frame: &[u8]) {
        self.host.inject(frame);
        self.settle();
    }

    /// A router at 10.0.0.254 or fd00::fe reports an error about `offending`, of which it quotes
    /// the IP header and `quote` bytes more.
    pub(crate) fn icmp(&self, kind: u8, code: u8, offending: &[u8], quote: usize) {
        self.arrives(&icmp(kind, code, [0; 4], offending, quote));
    }

    /// The last frame that the host sent.
    pub(crate) fn last_out(&self) -> Vec<u8> {
        let frames = self.capture.frames();
        frames.into_iter().rfind(|seen| seen.out).expect("nothing was sent").frame
    }
}

/// An ICMP or ICMPv6 error from a router about the packet in the frame `offending`.
pub(crate) fn icmp(kind: u8, code: u8, rest: [u8; 4], offending: &[u8], quote: usize) -> Vec<u8> {
    let packet = &offending[14..];
    let mut frame = Vec::new();
    let ethernet = PacketBuilder::ethernet2(PEER_MAC, HOST_MAC);
    if packet[0] >> 4 == 4 {
        let quoted = &packet[..packet.len().min(20 + quote)];
        let to = packet[12..16].try_into().unwrap();
        let builder = ethernet.ipv4([10, 0, 0, 254], to, 64).icmpv4_raw(kind, code, rest);
        builder.write(&mut frame, quoted).unwrap();
    } else {
        let quoted = &packet[..packet.len().min(40 + quote)];
        let to = packet[8..24].try_into().unwrap();
        let mut router = [0; 16];
        (router[0], router[15]) = (0xfd, 0xfe);
        let builder = ethernet.ipv6(router, to, 64).icmpv6_raw(kind, code, rest);
        builder.write(&mut frame, quoted).unwrap();
    }
    frame
}

/// The peer's side of one connection.
#[derive(Clone, Copy)]
pub(crate) struct Peer<'s> {
    pub(crate) scene: &'s Scene,
    /// The host's port.
    pub(crate) host: u16,
    /// The peer's own.
    pub(crate) port: u16,
    pub(crate) address: IpAddress,
}

impl Peer<'_> {
    /// Lets a segment arrive now, and the host do what it does at once.
    #[track_caller]
    pub(crate) fn sends(&self, segment: &str) {
        let frame = self.frame(segment);
        self.scene.arrives(&frame);
    }

    /// The host's first sequence number, from its last SYN; 0 before there is one.
    pub(crate) fn host_isn(&self) -> u32 {
        let mine =
            |tcp: &Tcp| tcp.source.1 == self.host && tcp.destination == (self.address, self.port);
        let segments = self.scene.capture.segments();
        let syn = segments
            .iter()
            .rev()
            .find(|(seen, tcp)| seen.out && mine(tcp) && tcp.flags.contains('S'));
        syn.map_or(0, |(_, tcp)| tcp.sequence)
    }

    /// A segment as a frame.
    #[track_caller]
    pub(crate) fn frame(&self, segment: &str) -> Vec<u8> {
        let mut words = segment.split(' ');
        let flags = words.next().unwrap();
        let sequence: i64 = words.next().unwrap().parse().unwrap();
        let (mut acknowledgment, mut window, mut length, mut mss) = (0i64, 65535, 0, 1460u16);
        let mut scale = None;
        while let Some(word) = words.next() {
            let number: i64 = words.next().unwrap().parse().unwrap();
            match word {
                "ack" => acknowledgment = number,
                "win" => window = number,
                "len" => length = number,
                "mss" => mss = number as u16,
                "scale" => scale = Some(TcpOptionElement::WindowScale(number as u8)),
                _ => panic!("{word} in {segment}"),
            }
        }
        let sequence = PEER_ISN.wrapping_add(sequence as u32);
        let ethernet = PacketBuilder::ethernet2(PEER_MAC, HOST_MAC);
        let ip = match (self.address, self.scene.own()) {
            (IpAddress::Ipv4(source), IpAddress::Ipv4(own)) => {
                ethernet.ipv4(source.octets(), own.octets(), 64)
            }
            (IpAddress::Ipv6(source), IpAddress::Ipv6(own)) => {
                ethernet.ipv6(source.octets(), own.octets(), 64)
            }
            _ => panic!("two families"),
        };
        let mut tcp = ip.tcp(self.port, self.host, sequence, window as u16);
        for flag in flags.chars() {
            tcp = match flag {
                'S' => tcp.syn(),
                'F' => tcp.fin(),
                'R' => tcp.rst(),
                'P' => tcp.psh(),
                '.' => tcp.ack(self.host_isn().wrapping_add(acknowledgment as u32)),
                _ => panic!("{flag} in {segment}"),
            };
        }
        if flags.contains('S') {
            let mss = TcpOptionElement::MaximumSegmentSize(mss);
            let options: Vec<_> = [mss].into_iter().chain(scale).collect();
            tcp = tcp.options(&options).unwrap();
        }
        let mut frame = Vec::new();
        tcp.write(&mut frame, &pattern(length as usize)).unwrap();
        frame
    }
}

/// Bytes that show when one is missing or in the wrong place.
pub(crate) fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index * 7 + index / 251) as u8).collect()
}

/// An ephemeral port of `host` for talking to `remote`.
pub(crate) fn ephemeral(host: &Host, remote: IpEndpoint) -> u16 {
    host.with(|stack, _| {
        let any = BindAddress::Any(Family::of(remote.addr));
        let binding = stack.bind_for(Transport::Tcp, any, remote, Share::Default).unwrap();
        stack.bound(binding).unwrap().1
    })
}

pub(crate) fn listen(host: &Host, family: Family, port: u16, backlog: usize) -> ListenerId {
    host.with(|stack, _| {
        let any = BindAddress::Any(family);
        let binding = stack.bind(Transport::Tcp, any, port, Share::Default).unwrap();
        stack.tcp_listen(binding, backlog, 0).unwrap()
    })
}

/// A connection attempt of a host of a [`Pair`], or of any other.
pub(crate) fn connect(host: &Host, remote: IpEndpoint) -> Result<TcpId, OpenError> {
    connect_with(host, remote, |_| {})
}

pub(crate) fn connect_with(
    host: &Host,
    remote: IpEndpoint,
    adjust: impl FnOnce(&mut Connect),
) -> Result<TcpId, OpenError> {
    let source = host.with(|stack, _| stack.source_for(remote.addr)).map_err(OpenError::Route)?;
    let local = IpEndpoint::new(source, ephemeral(host, remote));
    let mut request = Connect::new(local, remote);
    adjust(&mut request);
    host.with(|stack, now| stack.tcp_connect(now, &request))
}

/// A datagram socket with room for 64 KiB.
pub(crate) fn open_udp(host: &Host, address: BindAddress, port: u16) -> UdpId {
    host.with(|stack, _| {
        let binding = stack.bind(Transport::Udp, address, port, Share::Reuse).unwrap();
        stack.udp_open(binding, 65536, 0).unwrap()
    })
}

/// The oldest datagram, and what is known about it.
pub(crate) fn receive_udp(host: &Host, id: UdpId) -> Option<(Vec<u8>, Datagram)> {
    let mut buffer = vec![0; 65536];
    let datagram = host.with(|stack, _| stack.udp_recv(id, &mut buffer, Take::Consume))?;
    buffer.truncate(datagram.copied);
    Some((buffer, datagram))
}
