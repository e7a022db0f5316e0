//! Sends of bytes that turn out not to be readable, or not any more.

use tapsock_stack::link::NoLink;
use tapsock_stack::port::{BindAddress, Family, Share, Transport};
use tapsock_stack::source::Source;
use tapsock_stack::storage::{Fixed, Growable, Memory, Storage};
use tapsock_stack::tcp::{SendError, Take};
use tapsock_stack::udp::Ancillary;
use tapsock_stack::wire::IpEndpoint;
use tapsock_stack::{Progress, Stack};

use crate::in_place::{Both, NOW, OWN, RING};
use crate::scene::pattern;

/// Bytes of which only the first can be read.
struct Torn<'d> {
    data: &'d [u8],
    readable: usize,
    /// They could when they were asked for, but another thread has taken them away since.
    vanish: bool,
}

impl Source for Torn<'_> {
    fn total(&self) -> usize {
        self.data.len()
    }

    fn copy(&self, skip: usize, into: &mut [u8]) -> bool {
        into.fill(0xEE);
        skip + into.len() <= self.readable && self.data.copy(skip, into)
    }

    fn is_readable(&self, skip: usize) -> bool {
        self.vanish || skip >= self.data.len() || self.readable == self.data.len()
    }
}

/// Where in the ring the next byte goes.
#[derive(Debug, Clone, Copy)]
enum Ring {
    /// At its beginning, with all of it free.
    Empty,
    /// 800 behind it, with 200 bytes free up to its end and 500 at its beginning.
    Divided,
    /// Nowhere, until the peer reads.
    Full,
    /// Nor even then: some bytes are beside the ring already.
    Exceeded,
}

impl Ring {
    /// Brings a new pair there, and says what the peer has still to receive.
    fn fill<'a, S: Storage<'a>>(self, both: &mut Both<'a, S>) -> Vec<u8> {
        let mut queued = Vec::new();
        let mut send = |both: &mut Both<'a, S>, len: usize| {
            let data = pattern(len);
            assert_eq!(both.stack.tcp_send(NOW, both.near, &data, usize::MAX), Ok(len));
            both.settle();
            queued.extend(data);
        };
        match self {
            Self::Empty => {}
            Self::Divided => {
                // A ring's worth at the peer, and 800 bytes here, of which 500 can then go.
                send(both, RING);
                send(both, 800);
                let mut room = [0; 500];
                assert_eq!(both.stack.tcp_recv(NOW, both.far, &mut room, Take::Consume), Ok(500));
                both.settle();
                queued.drain(..500);
                let offered = both.write(&[]).unwrap();
                assert_eq!(offered, (0, 200));
                assert_eq!(both.stack.tcp(both.near).unwrap().queued, 300);
            }
            Self::Full => (0..2).for_each(|_| send(both, RING)),
            Self::Exceeded => (0..3).for_each(|_| send(both, RING)),
        }
        queued
    }
}

/// Everything that the peer receives from now on.
fn drain<'a, S: Storage<'a>>(both: &mut Both<'a, S>) -> Vec<u8> {
    let (mut all, mut room) = (Vec::new(), [0; RING]);
    while let Ok(len) = both.stack.tcp_recv(NOW, both.far, &mut room, Take::Consume) {
        all.extend(&room[..len]);
        both.settle();
    }
    all
}

/// With each of the first bytes missing in turn nothing is sent, and with none everything.
fn sends_all_or_nothing<'a, S: Storage<'a>>(
    ring: Ring,
    len: usize,
    taken: Result<usize, SendError>,
    mut both: Both<'a, S>,
) {
    let mut expected = ring.fill(&mut both);
    let data = pattern(len);
    for readable in [0, 1, 199, 200, 201, 699, 700, 701, 999, 1000, 1001, len - 1] {
        if readable >= len {
            continue;
        }
        let torn = Torn { data: &data, readable, vanish: false };
        let error = if taken == Err(SendError::WouldBlock) {
            SendError::WouldBlock
        } else {
            SendError::Unreadable
        };
        let sent = both.stack.tcp_send_from(NOW, both.near, &torn, usize::MAX);
        assert_eq!(sent, Err(error), "{ring:?}: {readable} of {len}");
    }
    let whole = Torn { data: &data, readable: len, vanish: false };
    let sent = both.stack.tcp_send_from(NOW, both.near, &whole, usize::MAX);
    assert_eq!(sent, taken, "{ring:?}: {len}");
    expected.extend(&data[..sent.unwrap_or(0)]);
    both.settle();
    assert!(drain(&mut both) == expected, "{ring:?}: {len}");
}

#[test]
fn what_cannot_be_read_sends_nothing_wherever_it_begins() {
    for ring in [Ring::Empty, Ring::Divided, Ring::Full, Ring::Exceeded] {
        for len in [1, 200, 201, 700, 701, 1000, 1001, 2500] {
            sends_all_or_nothing(ring, len, Ok(len), Both::new(Growable::default()));
        }
    }
}

#[test]
fn nor_does_it_without_a_heap() {
    let rows = [
        (Ring::Empty, 1, Ok(1)),
        (Ring::Empty, 1000, Ok(1000)),
        (Ring::Empty, 1001, Ok(1000)),
        (Ring::Divided, 200, Ok(200)),
        (Ring::Divided, 201, Ok(201)),
        (Ring::Divided, 700, Ok(700)),
        (Ring::Divided, 701, Ok(700)),
        (Ring::Full, 1, Err(SendError::WouldBlock)),
    ];
    for (ring, len, taken) in rows {
        let mut memory: Box<Memory<'_, 4, RING>> = Box::default();
        let both = Both::new(Fixed::<4, 16, 1514>::new(&mut memory));
        sends_all_or_nothing(ring, len, taken, both);
    }
}

#[test]
fn of_what_vanishes_meanwhile_that_counts_which_is_in_the_ring() {
    // Of 2500 bytes, the first in one part or two, the others beside the ring.
    let rows = [
        (Ring::Empty, 0, Err(SendError::Unreadable)),
        (Ring::Empty, 999, Err(SendError::Unreadable)),
        (Ring::Empty, 1000, Ok(1000)),
        (Ring::Empty, 2499, Ok(1000)),
        (Ring::Empty, 2500, Ok(2500)),
        (Ring::Divided, 199, Err(SendError::Unreadable)),
        (Ring::Divided, 200, Ok(200)),
        (Ring::Divided, 699, Ok(200)),
        (Ring::Divided, 700, Ok(700)),
        (Ring::Divided, 2499, Ok(700)),
        (Ring::Full, 2499, Err(SendError::Unreadable)),
        (Ring::Exceeded, 2499, Err(SendError::Unreadable)),
    ];
    let data = pattern(2500);
    for (ring, readable, taken) in rows {
        let mut both = Both::new(Growable::default());
        let mut expected = ring.fill(&mut both);
        let torn = Torn { data: &data, readable, vanish: true };
        let sent = both.stack.tcp_send_from(NOW, both.near, &torn, usize::MAX);
        assert_eq!(sent, taken, "{ring:?}: {readable}");
        both.settle();
        expected.extend(&data[..sent.unwrap_or(0)]);
        assert_eq!(both.stack.tcp_send(NOW, both.near, b"next", usize::MAX), Ok(4));
        both.settle();
        expected.extend(b"next");
        assert!(drain(&mut both) == expected, "{ring:?}: {readable}");
    }
}

#[test]
fn a_list_may_have_its_bad_piece_anywhere() {
    let data = pattern(700);
    for (bad, readable) in (0..3).flat_map(|bad| [(bad, 0), (bad, 1), (bad, 699)]) {
        let mut both = Both::new(Growable::default());
        let queued = Ring::Divided.fill(&mut both);
        let pieces: [_; 3] = core::array::from_fn(|number| {
            let readable = if number == bad { readable } else { 700 };
            Torn { data: &data, readable, vanish: false }
        });
        let sent = both.stack.tcp_send_from(NOW, both.near, &&pieces[..], usize::MAX);
        assert_eq!(sent, Err(SendError::Unreadable), "{bad}, {readable}");
        assert!(drain(&mut both) == queued);
    }
}

#[test]
fn a_datagram_is_read_whole_or_not_sent() {
    let Both { mut stack, .. } = Both::new(Growable::default());
    let any = BindAddress::Any(Family::V4);
    let binding = stack.bind(Transport::Udp, any, 9, Share::Default).unwrap();
    let socket = stack.udp_open(binding, 65536, 0).unwrap();
    let to = IpEndpoint::new(OWN, 9);
    let data = pattern(3000);
    let send = |readable, stack: &mut Stack<'_, NoLink, Growable>| {
        let torn = Torn { data: &data, readable, vanish: true };
        stack.udp_send_from(NOW, socket, to, &Ancillary::default(), &torn)
    };
    assert_eq!(send(0, &mut stack), Err(SendError::Unreadable));
    assert_eq!(send(2999, &mut stack), Err(SendError::Unreadable));
    assert_eq!(send(3000, &mut stack), Ok(()));
    while stack.poll(NOW) == Progress::More {}
    let mut room = [0; 3001];
    assert_eq!(stack.udp_recv(socket, &mut room, Take::Consume).unwrap().len, 3000);
    assert!(room[..3000] == data);
    assert!(stack.udp_recv(socket, &mut room, Take::Consume).is_none());
}
