//! How connections end, and lists of buffers, on a TAP device with the Linux kernel as the peer.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;
use std::sync::mpsc;

use tapsock_tests::{Kernel, Pattern, sha256};
use wsa::config::{Configuration, LinkChoice};
use wsa::engine::Engine;
use wsa::net::{Net, TcpStream};
use wsa::start::{ThreadedProcess, start};
use wsa::{Arg, WsaBuf, WsaBufMut};

const MEGABYTES_5: u64 = 5_000_000;
/// 50 MiB.
const MEBIBYTES_50: u64 = 52_428_800;
/// Where a server of the kernel listens.
const BOTH: [&str; 2] = ["10.77.0.1:0", "[fd77::1]:0"];

/// A process at 10.77.0.2 and fd77::2, and its network.
fn network(kernel: &Kernel) -> (Arc<ThreadedProcess>, Net) {
    let mut configuration = Configuration::default();
    configuration.link = LinkChoice::Tap(kernel.device().into());
    let process = start(&configuration, None, |_| {}).unwrap_or_else(|error| panic!("{error}"));
    let process = Arc::new(process);
    let net = Net::new(Arc::clone(&process)).unwrap();
    (process, net)
}

fn pattern(seed: u64, len: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    Pattern::new(seed, len).read_to_end(&mut bytes).unwrap();
    bytes
}

fn unread_resets(process: &ThreadedProcess) -> u64 {
    process.engine().with(|access| access.stack.counters().unread_resets)
}

fn reset(error: &io::Error) -> bool {
    error.kind() == ErrorKind::ConnectionReset
}

#[test]
fn a_shutdown_with_data_under_way_ends_the_stream_behind_it() {
    let Some(kernel) = Kernel::start() else { return };
    let (_, net) = network(&kernel);
    for server in BOTH {
        let (address, heard) = kernel.tcp_once(server, |mut stream| {
            let heard = sha256(&mut stream)?;
            // This direction is still open.
            stream.write_all(b"all of it")?;
            Ok(heard)
        });
        let mut stream = net.connect(address).unwrap();
        stream.write_all(&pattern(1, MEGABYTES_5)).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, "all of it", "{server}");
        let expected = sha256(Pattern::new(1, MEGABYTES_5)).unwrap();
        assert_eq!(heard.join().unwrap().unwrap(), expected);
    }
}

#[test]
fn what_is_sent_after_the_kernels_fin_arrives() {
    let Some(kernel) = Kernel::start() else { return };
    let (_, net) = network(&kernel);
    for server in BOTH {
        let (address, heard) = kernel.tcp_once(server, |stream| {
            stream.shutdown(Shutdown::Write)?;
            sha256(&stream)
        });
        let mut stream = net.connect(address).unwrap();
        assert_eq!(stream.read(&mut [0; 8]).unwrap(), 0, "{server}");
        stream.write_all(&pattern(2, MEGABYTES_5)).unwrap();
        drop(stream);
        let expected = sha256(Pattern::new(2, MEGABYTES_5)).unwrap();
        assert_eq!(heard.join().unwrap().unwrap(), expected);
    }
}

#[test]
fn fifty_mebibytes_are_taken_in_one_call_and_delivered_behind_the_close() {
    let Some(kernel) = Kernel::start() else { return };
    let (process, net) = network(&kernel);
    let data = pattern(3, MEBIBYTES_50);
    for server in BOTH {
        let (address, heard) = kernel.tcp_once(server, sha256);
        let stream = net.connect(address).unwrap();
        stream.set_nonblocking(true).unwrap();
        assert_eq!(process.send(stream.socket(), (&data[..]).into(), 0), Ok(data.len()));
        assert_eq!(process.send(stream.socket(), b"x".into(), 0).unwrap_err().code(), 10035);
        drop(stream);
        let expected = sha256(&data[..]).unwrap();
        assert_eq!(heard.join().unwrap().unwrap(), expected, "{server}");
    }
}

#[test]
fn a_close_lingers_until_everything_is_delivered() {
    let Some(kernel) = Kernel::start() else { return };
    let (process, net) = network(&kernel);
    let data = pattern(4, MEBIBYTES_50);
    for server in BOTH {
        let (go, wait) = mpsc::channel();
        let (address, heard) = kernel.tcp_once(server, move |stream| {
            let _ = wait.recv();
            sha256(stream)
        });
        let stream = net.connect(address).unwrap();
        let s = stream.socket();
        stream.set_linger(Some(std::time::Duration::from_secs(60))).unwrap();
        // More than the kernel keeps for a reader who does not read yet.
        assert_eq!(process.send(s, (&data[..]).into(), 0), Ok(data.len()));
        // A non-blocking socket must not wait, and stays open.
        stream.set_nonblocking(true).unwrap();
        assert_eq!(process.closesocket(s).unwrap_err().code(), 10035, "{server}");
        stream.set_nonblocking(false).unwrap();
        go.send(()).unwrap();
        assert_eq!(process.closesocket(s), Ok(()));
        let delivering = process.engine().with(|access| access.stack.delivering());
        assert!(delivering <= 1, "at most the FIN is still on its way");
        let expected = sha256(&data[..]).unwrap();
        assert_eq!(heard.join().unwrap().unwrap(), expected);
    }
}

#[test]
fn a_linger_that_is_over_resets() {
    let Some(kernel) = Kernel::start() else { return };
    let (process, net) = network(&kernel);
    for server in BOTH {
        let (go, wait) = mpsc::channel();
        let (address, heard) = kernel.tcp_once(server, move |stream| {
            let _ = wait.recv();
            sha256(stream)
        });
        let stream = net.connect(address).unwrap();
        stream.set_linger(Some(std::time::Duration::from_secs(1))).unwrap();
        // More than the kernel keeps for a reader who does not read.
        let whole = pattern(5, MEBIBYTES_50);
        assert_eq!(process.send(stream.socket(), (&whole[..]).into(), 0), Ok(whole.len()));
        drop(stream);
        go.send(()).unwrap();
        assert!(reset(&heard.join().unwrap().unwrap_err()), "{server}");
    }
}

#[test]
fn a_close_with_unread_data_resets_behind_what_was_sent() {
    let Some(kernel) = Kernel::start() else { return };
    let (process, net) = network(&kernel);
    for (turn, server) in (1..).zip(BOTH) {
        let (address, heard) = kernel.tcp_once(server, |mut stream| {
            stream.write_all(b"a question")?;
            let mut answer = [0; 6];
            stream.read_exact(&mut answer)?;
            Ok((answer, stream.read(&mut [0; 8])))
        });
        let mut stream = net.connect(address).unwrap();
        stream.peek(&mut [0; 8]).unwrap();
        stream.write_all(b"answer").unwrap();
        drop(stream);
        let (answer, end) = heard.join().unwrap().unwrap();
        assert_eq!(&answer, b"answer");
        assert!(reset(&end.unwrap_err()), "{server}");
        assert_eq!(unread_resets(&process), turn);
    }
}

#[test]
fn data_after_the_close_meets_a_reset() {
    let Some(kernel) = Kernel::start() else { return };
    let (process, net) = network(&kernel);
    for (turn, server) in (1..).zip(BOTH) {
        let (address, heard) = kernel.tcp_once(server, |mut stream| {
            assert_eq!(stream.read(&mut [0; 8])?, 0, "the FIN");
            // The first is answered with the RST, which makes a later one fail.
            loop {
                if let Err(error) = stream.write_all(b"too late") {
                    return Ok(error.kind());
                }
            }
        });
        drop(net.connect(address).unwrap());
        let kind = heard.join().unwrap().unwrap();
        assert!(matches!(kind, ErrorKind::BrokenPipe | ErrorKind::ConnectionReset), "{kind}");
        assert_eq!(unread_resets(&process), turn, "{server}");
    }
}

#[test]
fn data_after_a_receive_shutdown_meets_a_reset_and_a_fin_does_not() {
    let Some(kernel) = Kernel::start() else { return };
    let (process, net) = network(&kernel);
    for (turn, server) in (1..).zip(BOTH) {
        for speaks in [false, true] {
            let (address, heard) = kernel.tcp_once(server, move |mut stream| {
                stream.read_exact(&mut [0; 2])?;
                if speaks {
                    stream.write_all(b"unwanted")?;
                } else {
                    stream.shutdown(Shutdown::Write)?;
                }
                stream.read(&mut [0; 8])
            });
            let mut stream = net.connect(address).unwrap();
            stream.shutdown(Shutdown::Read).unwrap();
            stream.write_all(b"go").unwrap();
            if speaks {
                assert!(reset(&heard.join().unwrap().unwrap_err()), "{server}");
                let sent = process.send(stream.socket(), b"x".into(), 0);
                assert_eq!(sent.unwrap_err().code(), 10053);
            } else {
                stream.shutdown(Shutdown::Write).unwrap();
                assert_eq!(heard.join().unwrap().unwrap(), 0);
                assert_eq!(unread_resets(&process), turn - 1);
            }
        }
        assert_eq!(unread_resets(&process), turn);
    }
}

#[test]
fn lists_of_buffers_are_one_datagram_and_one_piece_of_a_stream() {
    let Some(kernel) = Kernel::start() else { return };
    let (process, net) = network(&kernel);
    let list = [WsaBuf::new(b"lists "), WsaBuf::default(), WsaBuf::new(b"of buffers")];
    let mut sent = 0;
    for (server, own) in BOTH.into_iter().zip(["10.77.0.2:0", "[fd77::2]:0"]) {
        let peer = kernel.udp(server);
        let socket = net.bind_udp(own).unwrap();
        socket.connect(peer.local_addr().unwrap()).unwrap();
        let all = Arg::Value(&list[..]);
        process.wsa_send(socket.socket(), all, Some(&mut sent), 0).unwrap();
        assert_eq!(sent, 16);
        let mut buffer = [0; 64];
        let (len, from): (usize, SocketAddr) = peer.recv_from(&mut buffer).unwrap();
        assert_eq!(&buffer[..len], b"lists of buffers", "{server}");
        peer.send_to(b"and back", from).unwrap();
        let (mut front, mut back, mut received, mut flags) = ([0; 3], [0; 9], 0, 0);
        let mut rooms = [WsaBufMut::new(&mut front), WsaBufMut::new(&mut back)];
        let rooms = Arg::Value(&mut rooms[..]);
        let (count, flags) = (Some(&mut received), Some(&mut flags));
        process.wsa_recv(socket.socket(), rooms, count, flags).unwrap();
        assert_eq!((received, &front, &back[..5]), (8, b"and", &b" back"[..]));

        let (address, heard) = kernel.tcp_once(server, |mut stream| {
            let mut heard = String::new();
            stream.read_to_string(&mut heard)?;
            Ok(heard)
        });
        let stream: TcpStream = net.connect(address).unwrap();
        process.wsa_send(stream.socket(), Arg::Value(&list), Some(&mut sent), 0).unwrap();
        drop(stream);
        assert_eq!(heard.join().unwrap().unwrap(), "lists of buffers", "{server}");
    }
}
