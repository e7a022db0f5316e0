//! Sends and receives on the rings themselves.

use tapsock_stack::config::Config;
use tapsock_stack::event::Happened;
use tapsock_stack::link::{Link, NoLink};
use tapsock_stack::port::{BindAddress, Family, Share, Transport};
use tapsock_stack::sim::{Host, Pair};
use tapsock_stack::storage::{Fixed, Growable, Memory, Storage};
use tapsock_stack::tcp::{Close, Connect, Phase, ReceiveError, SendError, Take};
use tapsock_stack::time::Instant;
use tapsock_stack::wire::{EthernetAddress, IpAddress, IpEndpoint};
use tapsock_stack::{Progress, Stack, TcpId};

use crate::scene::{pattern, scene};

pub(crate) const RING: usize = 1000;
pub(crate) const OWN: IpAddress = IpAddress::v4(127, 0, 0, 1);

/// Two connected ends in one stack, with rings of [`RING`] bytes.
pub(crate) struct Both<'a, S: Storage<'a>> {
    pub(crate) stack: Stack<'a, NoLink, S>,
    pub(crate) near: TcpId,
    pub(crate) far: TcpId,
}

pub(crate) const NOW: Instant = Instant::ZERO;

impl<'a, S: Storage<'a>> Both<'a, S> {
    pub(crate) fn new(storage: S) -> Self {
        let mut config = Config::new(EthernetAddress([2, 0, 0, 0, 0, 1]), 1);
        (config.receive_buffer, config.transmit_buffer) = (RING, RING);
        let mut stack = Stack::new(config, NoLink, storage, NOW);
        let any = BindAddress::Any(Family::V4);
        let binding = stack.bind(Transport::Tcp, any, 80, Share::Default).unwrap();
        let listener = stack.tcp_listen(binding, 1, 0).unwrap();
        let (local, remote) = (IpEndpoint::new(OWN, 50_000), IpEndpoint::new(OWN, 80));
        let near = stack.tcp_connect(NOW, &Connect::new(local, remote)).unwrap();
        let mut both = Self { stack, near, far: near };
        both.settle();
        both.far = both.stack.tcp_accept(listener, 0).unwrap();
        both
    }

    pub(crate) fn settle(&mut self) {
        while self.stack.poll(NOW) == Progress::More {}
        while self.stack.next_event().is_some() {}
    }

    /// Writes `data` as far as the room that is offered goes; how long that was.
    pub(crate) fn write(&mut self, data: &[u8]) -> Result<(usize, usize), SendError> {
        let mut offered = 0;
        let written = self.stack.tcp_send_with(NOW, self.near, usize::MAX, |room| {
            offered = room.len();
            let fitting = data.len().min(room.len());
            room[..fitting].copy_from_slice(&data[..fitting]);
            fitting
        })?;
        Ok((written, offered))
    }

    /// Takes at most `most` bytes of what is offered; these, and how many were offered.
    fn read(&mut self, most: usize) -> Result<(Vec<u8>, usize), ReceiveError> {
        let (mut taken, mut offered) = (Vec::new(), 0);
        let number = self.stack.tcp_recv_with(NOW, self.far, |bytes| {
            offered = bytes.len();
            taken = bytes[..bytes.len().min(most)].to_vec();
            taken.len()
        })?;
        assert_eq!(number, taken.len());
        Ok((taken, offered))
    }
}

/// What both storages do alike.
fn goes_round_the_ring<'a, S: Storage<'a>>(mut both: Both<'a, S>) {
    let data = pattern(20 * RING);
    let (mut sent, mut received) = (0, Vec::new());
    let (mut shortest, mut longest) = (RING, 0);
    for step in 1.. {
        if received.len() == data.len() {
            break;
        }
        assert!(step < 1000, "it hangs");
        match both.write(&data[sent..data.len().min(sent + 300 + step % 7)]) {
            Ok((written, offered)) => {
                sent += written;
                (shortest, longest) = (shortest.min(offered), longest.max(offered));
            }
            Err(error) => assert_eq!(error, SendError::WouldBlock),
        }
        both.settle();
        if let Ok((bytes, _)) = both.read(200 + step % 11) {
            received.extend(bytes);
        }
        both.settle();
    }
    assert!(received == data);
    assert!(shortest < 300 && longest == RING, "{shortest} {longest}");
}

#[test]
fn bytes_go_round_the_ring_with_a_heap() {
    goes_round_the_ring(Both::new(Growable::default()));
}

#[test]
fn bytes_go_round_the_ring_without_a_heap() {
    let mut memory: Box<Memory<'_, 4, RING>> = Box::default();
    goes_round_the_ring(Both::new(Fixed::<4, 16, 1514>::new(&mut memory)));
}

#[test]
fn an_empty_ring_is_offered_whole_and_a_full_one_not_at_all() {
    let mut both = Both::new(Growable::default());
    assert_eq!(both.write(&[]), Ok((0, RING)));
    assert_eq!(both.write(&[1; RING - 1]), Ok((RING - 1, RING)));
    assert_eq!(both.write(&[2; 9]), Ok((1, 1)));
    assert_eq!(both.write(&[3]), Err(SendError::WouldBlock));
    both.settle();
    let (bytes, offered) = both.read(RING).unwrap();
    assert_eq!((bytes.len(), offered), (RING, RING));
    assert_eq!(bytes[RING - 2..], [1, 2]);
}

#[test]
fn what_wraps_comes_in_two_calls() {
    let mut both = Both::new(Growable::default());
    both.write(&[1; 600]).unwrap();
    both.settle();
    assert_eq!(both.read(500).unwrap(), (vec![1; 500], 600));
    both.settle();
    // The receiver's ring has 100 bytes at 500; the next 900 bytes begin at 600.
    both.write(&pattern(900)).unwrap();
    both.settle();
    let (first, offered) = both.read(usize::MAX).unwrap();
    assert_eq!((first.len(), offered), (500, 500));
    assert_eq!(first[..100], [1; 100]);
    let (second, offered) = both.read(usize::MAX).unwrap();
    assert_eq!((second.len(), offered), (500, 500));
    assert!([&first[100..], &second].concat() == pattern(900));
    assert_eq!(both.read(1), Err(ReceiveError::WouldBlock));
}

#[test]
fn a_closure_that_takes_nothing_changes_nothing() {
    let scene = scene();
    let (id, peer) = scene.established();
    let before = scene.capture.frames().len();
    let sent = scene.host.with(|stack, now| stack.tcp_send_with(now, id, 100, |_| 0));
    assert_eq!(sent, Ok(0));
    assert_eq!(scene.status(id).queued, 0);
    peer.sends(". 1 ack 1 len 5");
    for _ in 0..2 {
        let taken = scene.host.with(|stack, now| {
            stack.tcp_recv_with(now, id, |bytes| {
                assert_eq!(bytes, pattern(5));
                0
            })
        });
        assert_eq!(taken, Ok(0));
    }
    assert_eq!(scene.status(id).receivable, 5);
    let seen = scene.capture.frames();
    assert!(!seen[before..].iter().any(|frame| frame.out), "nothing was sent");
}

#[test]
fn a_closure_that_claims_too_much_is_taken_for_all() {
    let mut both = Both::new(Growable::default());
    let near = both.near;
    let written = both.stack.tcp_send_with(NOW, near, 1, |room| {
        room.fill(7);
        room.len() + 1
    });
    assert_eq!(written, Ok(RING));
    both.settle();
    let far = both.far;
    assert_eq!(both.stack.tcp_recv_with(NOW, far, |_| usize::MAX), Ok(RING));
    assert_eq!(both.read(1), Err(ReceiveError::WouldBlock));
}

#[test]
fn a_limit_is_judged_by_what_is_queued_before() {
    let mut both = Both::new(Growable::default());
    let near = both.near;
    let mut send = |limit| both.stack.tcp_send_with(NOW, near, limit, |room| room.len().min(10));
    // Nothing is acknowledged meanwhile.
    assert_eq!(send(0), Ok(10));
    assert_eq!(send(10), Err(SendError::WouldBlock));
    assert_eq!(send(11), Ok(10));
}

#[test]
fn what_an_earlier_send_has_beside_the_ring_goes_first() {
    let mut both = Both::new(Growable::default());
    let (near, far) = (both.near, both.far);
    let data = pattern(3 * RING);
    assert_eq!(both.stack.tcp_send(NOW, near, &data, 1), Ok(3 * RING));
    let mut received = Vec::new();
    let mut refused = 0;
    while received.len() < 3 * RING + 1 {
        match both.write(b"x") {
            // Only once the ring has all the rest of what was sent before.
            Ok((written, _)) => {
                assert_eq!(written, 1);
                assert!(received.len() > RING, "{}", received.len());
                break;
            }
            Err(error) => assert_eq!(error, SendError::WouldBlock),
        }
        refused += 1;
        both.settle();
        received.extend(both.read(RING / 2).unwrap().0);
        both.settle();
    }
    assert!(refused > 2);
    both.settle();
    let mut room = [0; RING];
    while let Ok(taken) = both.stack.tcp_recv(NOW, far, &mut room, Take::Consume) {
        received.extend(&room[..taken]);
        both.settle();
    }
    assert!(received == [&data[..], b"x"].concat());
}

#[test]
fn room_is_announced_and_a_window_opens_as_with_copies() {
    let pair = Pair::configured(1, tapsock_stack::sim::Conditions::GOOD, |config| {
        (config.receive_buffer, config.transmit_buffer) = (RING, RING);
    });
    let listener = crate::scene::listen(&pair.server, Family::V4, 80, 1);
    let remote = IpEndpoint::new(Pair::addresses(2)[0], 80);
    let near = crate::scene::connect(&pair.client, remote).unwrap();
    pair.world.run_for(crate::scene::seconds(0.1));
    let far = pair.server.with(|stack, _| stack.tcp_accept(listener, 0)).unwrap();
    let events = |host: &Host| {
        host.with(|stack, _| {
            let mut what = Happened::default();
            while let Some(event) = stack.next_event() {
                what |= event.what;
            }
            what
        })
    };
    let fill = || {
        pair.client.with(|stack, now| stack.tcp_send_with(now, near, usize::MAX, |room| room.len()))
    };
    // The receiver's ring, and then the sender's own.
    assert_eq!(fill(), Ok(RING));
    pair.world.run_for(crate::scene::seconds(0.1));
    assert!(events(&pair.client).contains(Happened::WRITABLE));
    assert!(events(&pair.server).contains(Happened::READABLE));
    assert_eq!(fill(), Ok(RING));
    assert_eq!(fill(), Err(SendError::WouldBlock));
    pair.world.run_for(crate::scene::seconds(0.1));
    assert!(!events(&pair.client).contains(Happened::WRITABLE), "the window is closed");
    let taken = pair.server.with(|stack, now| stack.tcp_recv_with(now, far, <[u8]>::len));
    assert_eq!(taken, Ok(RING));
    pair.world.run_for(crate::scene::seconds(0.1));
    assert!(events(&pair.client).contains(Happened::WRITABLE));
    assert_eq!(pair.server.with(|stack, _| stack.tcp(far).unwrap().receivable), RING);
}

#[test]
fn the_end_of_a_stream_and_errors_call_no_closure() {
    let scene = scene();
    let never_write = |_: &mut [u8]| -> usize { unreachable!("there is no room") };
    let never_read = |_: &[u8]| -> usize { unreachable!("there are no bytes") };
    let write = |id| scene.host.with(|stack, now| stack.tcp_send_with(now, id, 100, never_write));
    let read = |id| scene.host.with(|stack, now| stack.tcp_recv_with(now, id, never_read));

    let (attempt, _) = scene.connect();
    assert_eq!(write(attempt), Err(SendError::NotConnected));
    assert_eq!(read(attempt), Err(ReceiveError::NotConnected));

    let (id, peer) = scene.established();
    assert_eq!(read(id), Err(ReceiveError::WouldBlock));
    peer.sends("F. 1 ack 1 len 3");
    let taken = scene.host.with(|stack, now| stack.tcp_recv_with(now, id, <[u8]>::len));
    assert_eq!(taken, Ok(3));
    assert_eq!(read(id), Ok(0));
    // The other direction is open.
    let sent = scene.host.with(|stack, now| stack.tcp_send_with(now, id, 100, |_| 1));
    assert_eq!(sent, Ok(1));
    scene.host.with(|stack, now| stack.tcp_shutdown(now, id));
    assert_eq!(write(id), Err(SendError::Shutdown));

    let (id, peer) = scene.established();
    peer.sends("R. 1 ack 1");
    assert_eq!(scene.phase(id), Phase::Failed);
    assert_eq!(write(id), Err(SendError::Failed(scene.cause(id))));
    assert_eq!(read(id), Err(ReceiveError::Failed(scene.cause(id))));
    scene.host.with(|stack, now| stack.tcp_close(now, id, Close::Deliver));
    assert_eq!(write(id), Err(SendError::NotConnected));
    assert_eq!(read(id), Err(ReceiveError::NotConnected));
    assert!(scene.host.with(|stack, _| stack.link().is_up()));
}
