//! The embedded traits, over simulated hosts.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use embedded_io::{Error as _, ErrorKind, Read, ReadReady, Write, WriteReady};
use embedded_nal::{TcpClientStack, TcpFullStack, UdpClientStack, UdpFullStack};
use tapsock_stack::sim::Pair;
use wsa::Error;
use wsa::embedded::{Connection, Network};
use wsa::engine::stepped::Simulated;

type Process = Arc<wsa::Process<'static, Simulated>>;

/// 10.0.0.1 and 10.0.0.2.
fn pair() -> (Pair, Process, Process) {
    let pair = Pair::new(3);
    let (client, server) =
        (Simulated::process(pair.client.clone()), Simulated::process(pair.server.clone()));
    client.wsa_startup(0x0202);
    server.wsa_startup(0x0202);
    (pair, client, server)
}

fn server_at(port: u16) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 2], port))
}

/// Calls until it no longer would block, and lets the network go on in between.
fn settled<T>(pair: &Pair, mut call: impl FnMut() -> nb::Result<T, Error>) -> Result<T, Error> {
    for _ in 0..10_000 {
        match call() {
            Ok(value) => return Ok(value),
            Err(nb::Error::Other(error)) => return Err(error),
            Err(nb::Error::WouldBlock) => {
                let _ = pair.world.step();
            }
        }
    }
    panic!("it never comes to an end");
}

#[test]
fn a_driver_that_knows_embedded_nal_alone_talks_over_streams() {
    let (pair, client, server) = pair();
    let (mut near, mut far) = (Network::new(&client), Network::new(&server));
    let mut listener = TcpClientStack::socket(&mut far).unwrap();
    TcpFullStack::bind(&mut far, &mut listener, 7).unwrap();
    far.listen(&mut listener).unwrap();
    assert!(matches!(far.accept(&mut listener), Err(nb::Error::WouldBlock)));

    let mut a = TcpClientStack::socket(&mut near).unwrap();
    let early = TcpClientStack::send(&mut near, &mut a, b"early");
    assert_eq!(early, Err(nb::Error::Other(Error::WSAENOTCONN)));
    settled(&pair, || TcpClientStack::connect(&mut near, &mut a, server_at(7))).unwrap();
    let (mut b, peer) = settled(&pair, || far.accept(&mut listener)).unwrap();
    assert_eq!(peer.ip().to_string(), "10.0.0.1");

    assert_eq!(TcpClientStack::send(&mut near, &mut a, b"hello"), Ok(5));
    let mut buffer = [0; 16];
    let len = settled(&pair, || TcpClientStack::receive(&mut far, &mut b, &mut buffer)).unwrap();
    assert_eq!(&buffer[..len], b"hello");
    assert_eq!(TcpClientStack::receive(&mut far, &mut b, &mut buffer), Err(nb::Error::WouldBlock));
    TcpClientStack::close(&mut near, a).unwrap();
    let end = settled(&pair, || TcpClientStack::receive(&mut far, &mut b, &mut buffer));
    assert_eq!(end, Ok(0));
    TcpClientStack::close(&mut far, b).unwrap();
    TcpClientStack::close(&mut far, listener).unwrap();
}

#[test]
fn a_refused_connect_says_so_once_and_may_be_tried_again() {
    let (pair, client, _server) = pair();
    let mut near = Network::new(&client);
    let mut a = TcpClientStack::socket(&mut near).unwrap();
    for _ in 0..2 {
        let outcome = settled(&pair, || TcpClientStack::connect(&mut near, &mut a, server_at(9)));
        assert_eq!(outcome, Err(Error::WSAECONNREFUSED));
    }
}

#[test]
fn and_over_datagrams() {
    let (pair, client, server) = pair();
    let (mut near, mut far) = (Network::new(&client), Network::new(&server));
    let mut b = UdpClientStack::socket(&mut far).unwrap();
    UdpFullStack::bind(&mut far, &mut b, 53).unwrap();
    let mut a = UdpClientStack::socket(&mut near).unwrap();
    UdpClientStack::connect(&mut near, &mut a, server_at(53)).unwrap();
    UdpClientStack::send(&mut near, &mut a, b"question").unwrap();
    let mut buffer = [0; 16];
    let (len, from) =
        settled(&pair, || UdpClientStack::receive(&mut far, &mut b, &mut buffer)).unwrap();
    assert_eq!(&buffer[..len], b"question");
    far.send_to(&mut b, from, b"answer").unwrap();
    let (len, from) =
        settled(&pair, || UdpClientStack::receive(&mut near, &mut a, &mut buffer)).unwrap();
    assert_eq!((&buffer[..len], from), (&b"answer"[..], server_at(53)));
    UdpClientStack::close(&mut near, a).unwrap();
    UdpClientStack::close(&mut far, b).unwrap();
}

#[test]
fn a_connection_reads_and_writes_as_embedded_io_does() {
    let (pair, client, server) = pair();
    let listener = server.socket(2, 1, 6).unwrap();
    server.bind_to(listener, SocketAddr::from(([0, 0, 0, 0], 7))).unwrap();
    server.listen(listener, 1).unwrap();
    let mut near = Connection::open(&client, server_at(7)).unwrap();
    let s = server.accept(listener, wsa::MemoryMut::Null, None).unwrap();
    let mut far = Connection::from_socket(&server, s);

    assert!(near.write_ready().unwrap() && !near.read_ready().unwrap());
    near.write_all(b"embedded").unwrap();
    near.flush().unwrap();
    near.finish().unwrap();
    let mut buffer = [0; 8];
    far.read_exact(&mut buffer).unwrap();
    assert_eq!(&buffer, b"embedded");
    assert_eq!(far.read(&mut buffer), Ok(0));
    drop(far);
    while pair.world.now().secs() < 1 && !near.read_ready().unwrap() {
        let _ = pair.world.step();
    }
    assert_eq!(near.read(&mut buffer), Ok(0), "out of scope it is closed");

    let refused = Connection::open(&client, server_at(9)).err().unwrap();
    assert_eq!((refused, refused.kind()), (Error::WSAECONNREFUSED, ErrorKind::ConnectionRefused));
}

/// Counts how many times a task was woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Runs a future: polls it only after it was woken, and lets the network go on meanwhile.
fn block_on<T>(pair: &Pair, process: &Process, future: impl Future<Output = T>) -> T {
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    let mut seen = usize::MAX;
    for _ in 0..10_000 {
        let count = woken.0.load(Ordering::Relaxed);
        if count != seen {
            seen = count;
            if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
                return value;
            }
        }
        let _ = pair.world.step();
        // A host of a simulated network hears of its events with the next call.
        process.wsa_is_blocking();
    }
    panic!("nobody wakes it");
}

#[test]
fn the_stack_wakes_a_task_when_its_socket_can_go_on() {
    use embedded_io_async::{Read, Write};
    use embedded_nal_async::TcpConnect;

    let (pair, client, server) = pair();
    let listener = server.socket(2, 1, 6).unwrap();
    server.bind_to(listener, SocketAddr::from(([0, 0, 0, 0], 7))).unwrap();
    server.listen(listener, 1).unwrap();
    let network = Network::new(&client);
    let mut near = block_on(&pair, &client, network.connect(server_at(7))).unwrap();
    let s = server.accept(listener, wsa::MemoryMut::Null, None).unwrap();

    // Nothing to read: it waits, and the peer's data wakes it.
    let mut buffer = [0; 16];
    let received = block_on(&pair, &client, async {
        let mut read = pin!(Read::read(&mut near, &mut buffer));
        let mut sent = false;
        std::future::poll_fn(|context| {
            let outcome = read.as_mut().poll(context);
            if !sent {
                sent = true;
                assert!(outcome.is_pending());
                server.send(s, b"now".as_slice().into(), 0).unwrap();
            }
            outcome
        })
        .await
    });
    assert_eq!(received, Ok(3));
    assert_eq!(block_on(&pair, &client, Write::write(&mut near, b"thanks")), Ok(6));
    assert_eq!(server.recv(s, (&mut buffer).into(), 0), Ok(6));

    // A ring that is full: writing waits until the peer has read.
    let bulk = vec![7; 1 << 20];
    block_on(&pair, &client, async {
        let mut write = pin!(async {
            for part in bulk.chunks(1 << 14) {
                Write::write_all(&mut near, part).await.unwrap();
            }
        });
        server.set_nonblocking(s, true).unwrap();
        let mut left = bulk.len();
        let mut room = vec![0; 1 << 16];
        let mut written = false;
        std::future::poll_fn(|context| {
            written = written || write.as_mut().poll(context).is_ready();
            while let Ok(len) = server.recv(s, room.as_mut_slice().into(), 0) {
                left -= len;
            }
            if written && left == 0 {
                return Poll::Ready(());
            }
            if written {
                context.waker().wake_by_ref();
            }
            Poll::Pending
        })
        .await;
    });

    // And a failure wakes it too.
    let refused = block_on(&pair, &client, network.connect(server_at(9)));
    assert_eq!(refused.err(), Some(Error::WSAECONNREFUSED));
}
