//! Two stacks on a link that hands superframes over as they are, and devices that say nonsense.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::ops::Range;
use std::rc::Rc;
use std::time::SystemTime;

use etherparse::PacketBuilder;
use tapsock_stack::config::{Config, OwnGroups};
use tapsock_stack::event::CauseKind;
use tapsock_stack::fault::{Engine, Memory};
use tapsock_stack::link::capture::{Capture, SharedBuffer};
use tapsock_stack::link::fault::Fault;
use tapsock_stack::link::offload::{Segments, Sums, finish};
use tapsock_stack::link::{ChecksumStatus, FrameMeta, Gso, GsoKind, Link, LinkError, Offload};
use tapsock_stack::net::{Reason, checksum};
use tapsock_stack::port::{BindAddress, Family, Share, Transport};
use tapsock_stack::sim::Pair;
use tapsock_stack::storage::Growable;
use tapsock_stack::tcp::{Connect, Phase, Take};
use tapsock_stack::time::{Duration, Instant};
use tapsock_stack::udp::UdpStatus;
use tapsock_stack::wire::{IpCidr, IpEndpoint};
use tapsock_stack::{Progress, Stack, TcpId, UdpId};

use super::{FAMILIES, later};
use crate::scene::pattern;

type Frames = Rc<RefCell<VecDeque<(Vec<u8>, FrameMeta)>>>;

/// One end of the link, and what the test changes about it meanwhile.
#[derive(Debug, Clone, Default)]
struct End {
    inbox: Frames,
    outbox: Frames,
    offload: Rc<Cell<Offload>>,
    /// How many calls to send are refused from now on.
    busy: Rc<Cell<usize>>,
    down: Rc<Cell<bool>>,
    gone: Rc<Cell<bool>>,
    /// Takes one frame of this many; 0 for all.
    stutter: Rc<Cell<usize>>,
    offered: usize,
}

impl End {
    fn pair() -> [Self; 2] {
        let (left, right) = (End::default(), End::default());
        let (inbox, outbox) = (Rc::clone(&left.outbox), Rc::clone(&left.inbox));
        let right = End { inbox, outbox, ..right };
        left.offload.set(Offload::ALL);
        right.offload.set(Offload::ALL);
        [left, right]
    }

    fn take(&mut self, frame: &[u8], meta: &FrameMeta) -> Result<(), LinkError> {
        if self.down.get() {
            return Err(LinkError::Down);
        }
        self.offered += 1;
        let stutters = self.stutter.get() > 0 && !self.offered.is_multiple_of(self.stutter.get());
        if self.busy.get() > 0 || stutters {
            self.busy.set(self.busy.get().saturating_sub(1));
            return Err(LinkError::Busy);
        }
        self.outbox.borrow_mut().push_back((frame.to_vec(), *meta));
        Ok(())
    }

    fn give(&self, buffer: &mut [u8], frame: &[u8]) -> usize {
        let length = frame.len().min(buffer.len());
        buffer[..length].copy_from_slice(&frame[..length]);
        length
    }
}

impl Link for End {
    fn mtu(&self) -> usize {
        1500
    }

    fn is_up(&self) -> bool {
        !self.down.get()
    }

    fn is_gone(&self) -> bool {
        self.gone.get()
    }

    fn receive(&mut self, _: Instant, buffer: &mut [u8]) -> Result<Option<usize>, LinkError> {
        let Some((mut frame, meta)) = self.inbox.borrow_mut().pop_front() else { return Ok(None) };
        if meta.gso.is_none() {
            finish(&mut frame, &meta);
            return Ok(Some(self.give(buffer, &frame)));
        }
        let mut segments = Segments::of(&frame, &meta, Sums::Fill).unwrap();
        let mut pieces = VecDeque::new();
        while let Some(range) = segments.piece(&mut frame) {
            pieces.push_back((frame[range].to_vec(), FrameMeta::WHOLE));
            segments.advance();
        }
        let mut inbox = self.inbox.borrow_mut();
        while let Some(piece) = pieces.pop_back() {
            inbox.push_front(piece);
        }
        drop(inbox);
        self.receive(Instant::ZERO, buffer)
    }

    fn transmit(&mut self, _: Instant, frame: &[u8]) -> Result<(), LinkError> {
        self.take(frame, &FrameMeta::WHOLE)
    }

    fn offload(&self) -> Offload {
        self.offload.get()
    }

    fn receive_offloaded(
        &mut self,
        _: Instant,
        buffer: &mut [u8],
    ) -> Result<Option<(Range<usize>, FrameMeta)>, LinkError> {
        if self.down.get() {
            return Err(LinkError::Down);
        }
        let Some((frame, meta)) = self.inbox.borrow_mut().pop_front() else { return Ok(None) };
        Ok(Some((0..self.give(buffer, &frame), meta)))
    }

    fn transmit_offloaded(
        &mut self,
        _: Instant,
        frame: &[u8],
        meta: &FrameMeta,
    ) -> Result<(), LinkError> {
        assert!(self.offload.get().covers(meta), "nobody asked for {meta:?}");
        self.take(frame, meta)
    }
}

/// A stack at address `number` of a [`Pair`].
fn stack<L: Link>(number: u8, link: L) -> Stack<'static, L, Growable> {
    let mut config = Config::new(Pair::hardware(number), number.into());
    config.own_groups = OwnGroups::Unreported;
    config.data_retries = 15;
    let mut stack = Stack::new(config, link, Growable::default(), Instant::ZERO);
    let [v4, v6] = Pair::addresses(number);
    stack.add_address(IpCidr::new(v4, 24)).unwrap();
    stack.add_address(IpCidr::new(v6, 64)).unwrap();
    stack
}

/// A client and a server, and a connection from one to the other.
struct Two<L: Link> {
    client: Stack<'static, L, Growable>,
    server: Stack<'static, End, Growable>,
    now: Instant,
    ids: [TcpId; 2],
}

impl<L: Link> Two<L> {
    fn new(family: Family, client: L, server: End) -> Self {
        let (mut client, mut server) = (stack(1, client), stack(2, server));
        let index = usize::from(family == Family::V6);
        let any = BindAddress::Any(family);
        let binding = server.bind(Transport::Tcp, any, 80, Share::Default).unwrap();
        let listener = server.tcp_listen(binding, 1, 0).unwrap();
        let ends = [1, 2].map(|number| Pair::addresses(number)[index]);
        let (local, remote) = (IpEndpoint::new(ends[0], 4000), IpEndpoint::new(ends[1], 80));
        let mut request = Connect::new(local, remote);
        request.transmit_buffer = Some(200_000);
        let id = client.tcp_connect(Instant::ZERO, &request).unwrap();
        let mut two = Self { client, server, now: Instant::ZERO, ids: [id, id] };
        two.run(100);
        two.ids[1] = two.server.tcp_accept(listener, 0).unwrap();
        two
    }

    /// Lets `millis` pass, in steps of a tenth of one.
    fn run(&mut self, millis: usize) {
        for _ in 0..millis * 10 {
            self.now += Duration::from_micros(100);
            while self.client.poll(self.now) == Progress::More {}
            while self.server.poll(self.now) == Progress::More {}
        }
    }

    /// Sends from the client for at most a minute, while the server reads; `each` is done before
    /// every step.
    fn pass(&mut self, data: &[u8], mut each: impl FnMut(&mut Self)) {
        let sent = self.client.tcp_send(self.now, self.ids[0], data, 1 << 22);
        assert_eq!(sent, Ok(data.len()));
        let (mut received, mut buffer) = (Vec::new(), vec![0; 1 << 20]);
        for _ in 0..60_000 {
            each(self);
            self.run(1);
            let taken = self.server.tcp_recv(self.now, self.ids[1], &mut buffer, Take::Consume);
            received.extend_from_slice(&buffer[..taken.unwrap_or(0)]);
            if received.len() >= data.len() {
                break;
            }
        }
        assert!(received == data, "{} of {} bytes", received.len(), data.len());
    }
}

#[test]
fn superframes_pass_from_stack_to_stack() {
    for family in FAMILIES {
        let [left, right] = End::pair();
        let mut two = Two::new(family, left, right);
        two.pass(&pattern(2_000_000), |_| {});
        let (client, server) = (two.client.counters(), two.server.counters());
        assert!(client.superframes_out > 20, "{client:?}");
        assert_eq!(client.superframes_out, server.superframes_in);
        assert_eq!(server.dropped.total(), 0);
        assert_eq!(server.arrived(), server.accounted());
        assert!(client.frames_out < 200, "{client:?}");
        // Every segment is the peer's, whatever they came in.
        let info = two.client.tcp_info(two.ids[0]).unwrap();
        assert_eq!((info.bytes_out, info.bytes_retransmitted), (2_000_000, 0));
        assert_eq!(two.server.tcp_info(two.ids[1]).unwrap().bytes_in, 2_000_000);
    }
}

#[test]
fn a_link_that_ceases_to_cut_gets_what_waits_for_it_in_segments() {
    for family in FAMILIES {
        let [left, right] = End::pair();
        let (offload, busy, stutter) =
            (left.offload.clone(), left.busy.clone(), left.stutter.clone());
        let on_wire = Rc::clone(&left.outbox);
        let mut two = Two::new(family, left, right);
        two.pass(&pattern(300_000), |_| {});
        let before = two.client.counters().clone();

        // The first superframe waits; then the link cuts no more, and takes every other frame.
        busy.set(1);
        two.client.tcp_send(two.now, two.ids[0], &pattern(60_000), 1 << 22).unwrap();
        assert!(two.client.counters().superframes_out > before.superframes_out);
        assert!(on_wire.borrow().is_empty());
        offload.set(Offload::NONE);
        stutter.set(2);
        let mut frames = Vec::new();
        for _ in 0..10_000 {
            two.now += Duration::from_micros(100);
            while two.client.poll(two.now) == Progress::More {}
            frames.extend(on_wire.borrow().iter().cloned());
            while two.server.poll(two.now) == Progress::More {}
        }
        let mut buffer = vec![0; 100_000];
        let received = two.server.tcp_recv(two.now, two.ids[1], &mut buffer, Take::Consume);
        assert_eq!(received, Ok(60_000));
        assert!(buffer[..60_000] == pattern(60_000));
        assert!(frames.len() > 40, "{}", frames.len());
        for (frame, meta) in &frames {
            assert!(frame.len() <= 1514);
            assert!(meta.is_whole());
            assert!(checksum::verify(&frame[14..]));
        }
        // Nothing had to be sent again.
        let info = two.client.tcp_info(two.ids[0]).unwrap();
        assert_eq!(info.bytes_retransmitted, 0);
        assert_eq!(two.client.counters().link_overrun, 0);
    }
}

#[test]
fn bursts_of_a_busy_link_are_survived() {
    for family in FAMILIES {
        let [left, right] = End::pair();
        let (ours, theirs) = (left.busy.clone(), right.busy.clone());
        let mut two = Two::new(family, left, right);
        let mut step = 0;
        two.pass(&pattern(1_000_000), |_| {
            step += 1;
            if step % 7 == 0 {
                ours.set(30);
                theirs.set(11);
            }
        });
        assert_eq!(two.client.counters().link_down, 0);
    }
}

#[test]
fn a_link_that_changes_its_mind_loses_nothing() {
    let [left, right] = End::pair();
    let (offload, stutter) = (left.offload.clone(), left.stutter.clone());
    let mut two = Two::new(Family::V4, left, right);
    stutter.set(3);
    let sums = Offload { checksum: true, ..Offload::NONE };
    let mut step = 0;
    two.pass(&pattern(1_000_000), |_| {
        step += 1;
        offload.set([Offload::ALL, Offload::NONE, sums][step % 3]);
    });
}

#[test]
fn a_link_that_goes_away_under_superframes_fails_what_uses_it() {
    let [left, right] = End::pair();
    let down = left.down.clone();
    let mut two = Two::new(Family::V4, left, right);
    two.pass(&pattern(100_000), |_| {});
    down.set(true);
    two.client.tcp_send(two.now, two.ids[0], &pattern(60_000), 1 << 22).unwrap();
    assert!(two.client.counters().link_down > 0);
    let remote = IpEndpoint::new(Pair::addresses(2)[0], 80);
    let error = two.client.source_for(remote.addr).unwrap_err();
    assert_eq!(error, tapsock_stack::tcp::RouteError::LinkDown);
    // Back again: what was lost is repeated.
    down.set(false);
    two.run(5000);
    let mut buffer = vec![0; 100_000];
    let received = two.server.tcp_recv(two.now, two.ids[1], &mut buffer, Take::Consume);
    assert_eq!(received, Ok(60_000));
    assert_eq!(two.client.tcp(two.ids[0]).unwrap().phase, Phase::Connected);
}

#[test]
fn connections_over_a_link_that_is_gone_fail_and_those_of_the_loopback_go_on() {
    let [left, right] = End::pair();
    let (down, gone) = (left.down.clone(), left.gone.clone());
    let mut two = Two::new(Family::V4, decorated(left, SharedBuffer::new()), right);
    let own = Pair::addresses(1)[0];
    let (now, any) = (two.now, BindAddress::Address(own));
    let binding = two.client.bind(Transport::Tcp, any, 81, Share::Default).unwrap();
    let listener = two.client.tcp_listen(binding, 1, 0).unwrap();
    let request = Connect::new(IpEndpoint::new(own, 82), IpEndpoint::new(own, 81));
    let inside = two.client.tcp_connect(now, &request).unwrap();
    two.run(10);
    two.client.tcp_accept(listener, 0).unwrap();
    down.set(true);
    two.run(10);
    assert_eq!(two.client.tcp(two.ids[0]).unwrap().phase, Phase::Connected);
    gone.set(true);
    two.run(10);
    let failed = two.client.tcp(two.ids[0]).unwrap();
    assert_eq!(failed.cause.map(|cause| cause.kind), Some(CauseKind::LinkDown));
    assert_eq!(two.client.tcp(inside).unwrap().phase, Phase::Connected);
}

/// With everything around it that has nothing to do.
fn decorated(end: End, file: SharedBuffer) -> Box<dyn Link> {
    let capture = Capture::new(end, file, "wire", SystemTime::UNIX_EPOCH);
    let memory = Memory::growable(64, 64, 1024, 2048);
    let engine = Engine::new(tapsock_stack::fault::Script::new(7), memory, Instant::ZERO).unwrap();
    Box::new(Fault::new(capture, engine))
}

#[test]
fn decorators_hand_superframes_on_until_they_have_something_to_do() {
    let [left, right] = End::pair();
    let file = SharedBuffer::new();
    let mut two = Two::new(Family::V4, decorated(left, file.clone()), right);
    two.pass(&pattern(300_000), |_| {});
    assert!(two.client.counters().superframes_out > 0);

    let [left, right] = End::pair();
    let capture = Capture::new(left, file, "wire", SystemTime::UNIX_EPOCH);
    let memory = Memory::growable(64, 64, 1024, 2048);
    let engine = Engine::new(later(), memory, Instant::ZERO).unwrap();
    let mut two = Two::new(Family::V4, Fault::new(capture, engine), right);
    two.pass(&pattern(300_000), |_| {});
    assert_eq!(two.client.counters().superframes_out, 0);
    assert_eq!(two.client.link().offload(), Offload::NONE);
    assert_eq!(two.client.link().link().offload(), Offload::ALL);
}

/// A stack alone, with a UDP socket on port 53, and its link.
struct Alone {
    stack: Stack<'static, End, Growable>,
    socket: UdpId,
    inbox: Frames,
    now: Instant,
}

impl Alone {
    fn new() -> Self {
        let [left, _] = End::pair();
        let inbox = Rc::clone(&left.inbox);
        let mut stack = stack(1, left);
        let any = BindAddress::AnyDual;
        let binding = stack.bind(Transport::Udp, any, 53, Share::Default).unwrap();
        let socket = stack.udp_open(binding, 1 << 20, 0).unwrap();
        Self { stack, socket, inbox, now: Instant::ZERO }
    }

    fn arrives(&mut self, frame: &[u8], meta: FrameMeta) {
        self.inbox.borrow_mut().push_back((frame.to_vec(), meta));
        self.now += Duration::from_millis(1);
        while self.stack.poll(self.now) == Progress::More {}
        let counters = self.stack.counters();
        assert_eq!(counters.arrived(), counters.accounted());
    }

    fn queued(&self) -> UdpStatus {
        self.stack.udp(self.socket).unwrap()
    }

    fn receive(&mut self) -> Option<Vec<u8>> {
        let mut buffer = vec![0; 65536];
        let datagram = self.stack.udp_recv(self.socket, &mut buffer, Take::Consume)?;
        buffer.truncate(datagram.copied);
        Some(buffer)
    }
}

/// A datagram to port 53 with the checksum that a device still has to complete.
fn datagram(data: &[u8]) -> (Vec<u8>, FrameMeta) {
    let mut frame = Vec::new();
    let ethernet = PacketBuilder::ethernet2(Pair::hardware(2).0, Pair::hardware(1).0);
    let builder = ethernet.ipv4([10, 0, 0, 2], [10, 0, 0, 1], 64).udp(5353, 53);
    builder.write(&mut frame, data).unwrap();
    // Whatever stands there is no checksum.
    frame[40] ^= 0x55;
    let checksum = ChecksumStatus::Partial { start: 34, offset: 6 };
    (frame, FrameMeta { checksum, gso: None })
}

#[test]
fn a_checksum_is_trusted_only_where_the_device_vouches_for_it() {
    let (frame, partial) = datagram(b"hello");
    for (meta, delivered) in [
        (FrameMeta::WHOLE, false),
        (FrameMeta { checksum: ChecksumStatus::Valid, gso: None }, true),
        (partial, true),
    ] {
        let mut alone = Alone::new();
        alone.arrives(&frame, meta);
        assert_eq!(alone.receive(), delivered.then(|| b"hello".to_vec()), "{meta:?}");
        let wrong = alone.stack.counters().dropped.by(Reason::Checksum);
        assert_eq!(wrong, u64::from(!delivered));
    }
    // Nobody vouches for the header of IPv4.
    let mut alone = Alone::new();
    let mut broken = frame;
    broken[24] ^= 1;
    alone.arrives(&broken, partial);
    assert_eq!(alone.stack.counters().dropped.by(Reason::HeaderChecksum), 1);
}

#[test]
fn nonsense_of_a_device_is_counted_and_the_next_frame_is_fine() {
    let (frame, partial) = datagram(&pattern(3000));
    let gso = Gso { kind: GsoKind::Udp, size: 1000, header: 42 };
    let good = FrameMeta { gso: Some(gso), ..partial };
    let with = |gso| FrameMeta { gso: Some(gso), ..partial };
    let at = |start, offset| FrameMeta {
        checksum: ChecksumStatus::Partial { start, offset },
        gso: None,
    };
    let mut alone = Alone::new();
    let nonsense = [
        with(Gso { size: 0, ..gso }),
        with(Gso { kind: GsoKind::Tcp4, ..gso }),
        with(Gso { kind: GsoKind::Tcp6, ..gso }),
        with(Gso { kind: GsoKind::Unknown(3), ..gso }),
        with(Gso { header: u16::MAX, ..gso }),
        FrameMeta { checksum: ChecksumStatus::Whole, ..good },
        at(0, 0),
        at(34, 16),
        at(33, 6),
        at(u16::MAX, u16::MAX),
    ];
    for (count, meta) in nonsense.into_iter().enumerate() {
        alone.arrives(&frame, meta);
        let dropped = alone.stack.counters().dropped.by(Reason::Offload);
        assert_eq!(dropped, count as u64 + 1, "{meta:?}");
    }
    assert_eq!(alone.queued().waiting, 0);
    // Frames that are cut short, in every way.
    for length in 0..60 {
        alone.arrives(&frame[..length], good);
        alone.arrives(&frame[..length], FrameMeta::WHOLE);
    }
    alone.arrives(&frame, good);
    for part in pattern(3000).chunks(1000) {
        assert_eq!(alone.receive().as_deref(), Some(part));
    }
    assert_eq!(alone.receive(), None);
    let counters = alone.stack.counters();
    assert_eq!((counters.datagrams, counters.coalesced), (3, 2));
}

#[test]
fn pieces_as_small_as_a_byte_are_still_datagrams() {
    let (frame, partial) = datagram(&pattern(300));
    let gso = Some(Gso { kind: GsoKind::Udp, size: 1, header: 42 });
    let mut alone = Alone::new();
    alone.arrives(&frame, FrameMeta { gso, ..partial });
    for byte in pattern(300) {
        assert_eq!(alone.receive(), Some(vec![byte]));
    }
    assert_eq!(alone.stack.counters().coalesced, 299);
}
