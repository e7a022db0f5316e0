//! A whole process on a TAP device, with the Linux kernel as its peer.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::thread;

use tapsock_tests::{Kernel, Pattern, echo, sha256};
use wsa::SocketHandle;
use wsa::config::{Configuration, LinkChoice};
use wsa::engine::Engine;
use wsa::start::{ThreadedProcess, start};

const AF_INET: i32 = 2;
const AF_INET6: i32 = 23;
const SOCK_STREAM: i32 = 1;
const SOCK_DGRAM: i32 = 2;
const MEGABYTES_100: u64 = 100_000_000;

/// A process that has called WSAStartup, at 10.77.0.2 and fd77::2.
fn process(kernel: &Kernel) -> ThreadedProcess {
    let mut configuration = Configuration::default();
    configuration.link = LinkChoice::Tap(kernel.device().into());
    let process = start(&configuration, None, |_| {}).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(process.wsa_startup(0x0202).0, 0);
    process
}

fn family(address: SocketAddr) -> i32 {
    if address.is_ipv4() { AF_INET } else { AF_INET6 }
}

fn stream(process: &ThreadedProcess, address: SocketAddr) -> SocketHandle {
    let s = process.socket(family(address), SOCK_STREAM, 0).unwrap();
    process.connect_to(s, address).unwrap();
    s
}

fn send_all(process: &ThreadedProcess, s: SocketHandle, mut from: impl Read) {
    let mut buffer = vec![0; 65536];
    loop {
        match from.read(&mut buffer).unwrap() {
            0 => return,
            len => assert_eq!(process.send(s, buffer[..len].into(), 0).unwrap(), len),
        }
    }
}

/// The bytes of a socket until its peer's FIN.
struct Incoming<'p>(&'p ThreadedProcess, SocketHandle);

impl Read for Incoming<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.recv(self.1, buffer.into(), 0).map_err(|error| io::Error::other(error.to_string()))
    }
}

/// A datagram; a signal or a machine that was suspended may interrupt the wait for it.
fn heard(socket: &UdpSocket, buffer: &mut [u8]) -> (usize, SocketAddr) {
    loop {
        match socket.recv_from(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other.unwrap(),
        }
    }
}

/// Where a server of the kernel listens, and the stack's own address.
const BOTH: [(&str, &str); 2] = [("10.77.0.1:0", "10.77.0.2"), ("[fd77::1]:0", "[fd77::2]")];

#[test]
fn a_hundred_megabytes_arrive_at_the_kernel() {
    let Some(kernel) = Kernel::start() else { return };
    let process = process(&kernel);
    for (server, _) in BOTH {
        let (address, received) = kernel.tcp_once(server, sha256);
        let s = stream(&process, address);
        send_all(&process, s, Pattern::new(1, MEGABYTES_100));
        process.shutdown(s, 1).unwrap();
        let expected = sha256(Pattern::new(1, MEGABYTES_100)).unwrap();
        assert_eq!(received.join().unwrap().unwrap(), expected, "{server}");
        assert_eq!(expected.1, MEGABYTES_100);
        process.closesocket(s).unwrap();
    }
}

#[test]
fn a_hundred_megabytes_arrive_from_the_kernel() {
    let Some(kernel) = Kernel::start() else { return };
    let process = process(&kernel);
    for (server, _) in BOTH {
        let (address, sent) = kernel.tcp_once(server, |mut stream| {
            io::copy(&mut Pattern::new(2, MEGABYTES_100), &mut stream)?;
            stream.shutdown(Shutdown::Write)
        });
        let s = stream(&process, address);
        let received = sha256(Incoming(&process, s)).unwrap();
        sent.join().unwrap().unwrap();
        assert_eq!(received, sha256(Pattern::new(2, MEGABYTES_100)).unwrap(), "{server}");
        process.closesocket(s).unwrap();
    }
}

#[test]
fn the_kernel_connects_to_a_listener() {
    let Some(kernel) = Kernel::start() else { return };
    let process = process(&kernel);
    for (_, own) in BOTH {
        let address: SocketAddr = format!("{own}:8000").parse().unwrap();
        let listener = process.socket(family(address), SOCK_STREAM, 0).unwrap();
        process.bind_to(listener, address).unwrap();
        process.listen(listener, 5).unwrap();
        let client = thread::spawn(move || {
            let mut stream = TcpStream::connect(address)?;
            stream.write_all(b"hello")?;
            stream.shutdown(Shutdown::Write)?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            io::Result::Ok(answer)
        });
        let s = process.accept(listener, wsa::memory::MemoryMut::Null, None).unwrap();
        let mut heard = String::new();
        Incoming(&process, s).read_to_string(&mut heard).unwrap();
        // The peer's direction is closed; this one is not.
        assert_eq!(heard, "hello");
        process.send(s, b"and goodbye".into(), 0).unwrap();
        process.closesocket(s).unwrap();
        assert_eq!(client.join().unwrap().unwrap(), "and goodbye");
        process.closesocket(listener).unwrap();
    }
}

#[test]
fn two_hundred_connections_at_once_are_all_answered() {
    let Some(kernel) = Kernel::start() else { return };
    let process = Arc::new(process(&kernel));
    for (server, _) in BOTH {
        let address = kernel.tcp_server(server, echo).address();
        let threads: Vec<_> = (0..200u64)
            .map(|number| {
                let process = Arc::clone(&process);
                thread::spawn(move || {
                    let s = stream(&process, address);
                    send_all(&process, s, Pattern::new(number, 20_000));
                    process.shutdown(s, 1).unwrap();
                    let received = sha256(Incoming(&process, s)).unwrap();
                    assert_eq!(received, sha256(Pattern::new(number, 20_000)).unwrap());
                    process.closesocket(s).unwrap();
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
    }
}

#[test]
fn two_hundred_clients_of_the_kernel_are_served_at_once() {
    let Some(kernel) = Kernel::start() else { return };
    let process = Arc::new(process(&kernel));
    for (_, own) in BOTH {
        let address: SocketAddr = format!("{own}:8000").parse().unwrap();
        let listener = process.socket(family(address), SOCK_STREAM, 0).unwrap();
        process.bind_to(listener, address).unwrap();
        process.listen(listener, 200).unwrap();
        let clients: Vec<_> = (0..200u64)
            .map(|number| {
                thread::spawn(move || {
                    let mut stream = TcpStream::connect(address)?;
                    io::copy(&mut Pattern::new(number, 20_000), &mut stream)?;
                    stream.shutdown(Shutdown::Write)?;
                    sha256(stream)
                })
            })
            .collect();
        let servers: Vec<_> = (0..200)
            .map(|_| {
                let s = process.accept(listener, wsa::memory::MemoryMut::Null, None).unwrap();
                let process = Arc::clone(&process);
                thread::spawn(move || {
                    let mut bytes = Vec::new();
                    Incoming(&process, s).read_to_end(&mut bytes).unwrap();
                    send_all(&process, s, &bytes[..]);
                    process.closesocket(s).unwrap();
                })
            })
            .collect();
        for server in servers {
            server.join().unwrap();
        }
        for (number, client) in (0..200u64).zip(clients) {
            let expected = sha256(Pattern::new(number, 20_000)).unwrap();
            assert_eq!(client.join().unwrap().unwrap(), expected, "{own}");
        }
        process.closesocket(listener).unwrap();
    }
}

#[test]
fn a_reset_of_ours_is_told_to_the_kernel() {
    let Some(kernel) = Kernel::start() else { return };
    let process = process(&kernel);
    for (server, _) in BOTH {
        let (address, heard) = kernel.tcp_once(server, |mut stream| {
            stream.read_exact(&mut [0; 1000])?;
            stream.read(&mut [0; 16])
        });
        let s = stream(&process, address);
        process.send(s, (&[7; 1000][..]).into(), 0).unwrap();
        // On, for zero seconds: closesocket resets.
        process.set_option(s, 0xFFFF, 0x80, 1).unwrap();
        process.closesocket(s).unwrap();
        let error = heard.join().unwrap().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{server}");
    }
}

#[test]
fn a_reset_in_the_middle_is_told_to_the_receiver() {
    let Some(kernel) = Kernel::start() else { return };
    let process = process(&kernel);
    for (server, _) in BOTH {
        let (address, reset) = kernel.tcp_once(server, |mut stream| {
            let mut some = [0; 1000];
            stream.read_exact(&mut some)?;
            // Closed with a zero linger time the kernel sends RST.
            let linger = rustix::net::sockopt::set_socket_linger;
            linger(&stream, Some(std::time::Duration::ZERO))?;
            Ok(())
        });
        let s = stream(&process, address);
        process.send(s, (&[7; 1000][..]).into(), 0).unwrap();
        let mut buffer = [0; 16];
        let error = process.recv(s, (&mut buffer).into(), 0).unwrap_err();
        assert_eq!(error.code(), 10054);
        reset.join().unwrap().unwrap();
        let cause = process.cause(s).unwrap().to_string();
        assert!(cause.starts_with("reset by peer: frame "), "{cause}");
        assert!(cause.contains("RST"), "{cause}");
        process.closesocket(s).unwrap();
    }
}

#[test]
fn a_connected_datagram_socket_hears_its_peer_only() {
    let Some(kernel) = Kernel::start() else { return };
    let process = process(&kernel);
    for (server, own) in BOTH {
        let (peer, other) = (kernel.udp(server), kernel.udp(server));
        let address = peer.local_addr().unwrap();
        let s = process.socket(family(address), SOCK_DGRAM, 0).unwrap();
        process.connect_to(s, address).unwrap();
        let port = process.local_name(s).unwrap().endpoint().port;
        let filtered = || process.engine().with(|access| access.stack.counters().udp_filtered);
        let before = filtered();

        process.send(s, b"ping".into(), 0).unwrap();
        let mut buffer = [0; 64];
        let (len, from) = heard(&peer, &mut buffer);
        assert_eq!((&buffer[..len], from.port()), (&b"ping"[..], port));

        let to: SocketAddr = format!("{own}:{port}").parse().unwrap();
        other.send_to(b"forged", to).unwrap();
        peer.send_to(b"pong", to).unwrap();
        let len = process.recv(s, (&mut buffer).into(), 0).unwrap();
        assert_eq!(&buffer[..len], b"pong");
        assert_eq!(filtered() - before, 1);
        process.closesocket(s).unwrap();
    }
}

#[test]
fn a_datagram_to_a_closed_port_makes_the_next_receive_fail() {
    let Some(kernel) = Kernel::start() else { return };
    let process = process(&kernel);
    for address in ["10.77.0.1:9", "[fd77::1]:9"] {
        let address: SocketAddr = address.parse().unwrap();
        let s = process.socket(family(address), SOCK_DGRAM, 0).unwrap();
        process.connect_to(s, address).unwrap();
        process.send(s, b"anybody?".into(), 0).unwrap();
        let error = process.recv(s, (&mut [0; 16]).into(), 0).unwrap_err();
        assert_eq!(error.code(), 10054, "{address}");
        process.closesocket(s).unwrap();
    }
}

#[test]
fn the_kernel_is_told_that_a_datagram_port_is_closed() {
    let Some(kernel) = Kernel::start() else { return };
    let _process = process(&kernel);
    for (server, own) in BOTH {
        let socket = kernel.udp(server);
        socket.connect(format!("{own}:9")).unwrap();
        socket.send(b"anybody?").unwrap();
        let error = socket.recv(&mut [0; 16]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused, "{own}");
    }
}

#[test]
fn a_client_downloads_from_a_server_of_the_kernel() {
    let Some(kernel) = Kernel::start() else { return };
    let process = process(&kernel);
    let mut body = Vec::new();
    Pattern::new(3, 1_000_000).read_to_end(&mut body).unwrap();
    for (server, _) in BOTH {
        let server = kernel.tcp_server(server, tapsock_tests::serve_http(body.clone()));
        let s = stream(&process, server.address());
        process.send(s, b"GET / HTTP/1.0\r\n\r\n".into(), 0).unwrap();
        let mut answer = Vec::new();
        Incoming(&process, s).read_to_end(&mut answer).unwrap();
        assert!(answer.ends_with(&body));
        assert_eq!(
            answer.len(),
            body.len() + "HTTP/1.0 200 OK\r\nContent-Length: 1000000\r\n\r\n".len()
        );
        process.closesocket(s).unwrap();
    }
}

#[test]
fn a_program_that_sends_closes_and_returns_from_main_delivers_everything() {
    let Some(kernel) = Kernel::start() else { return };
    for (server, _) in BOTH {
        let (address, received) = kernel.tcp_once(server, sha256);
        // A program of its own, so that it is really main that returns.
        let ended = std::process::Command::new(env!("CARGO_BIN_EXE_send-and-return"))
            .args([kernel.device(), &address.to_string()])
            .status()
            .unwrap();
        assert!(ended.success());
        // sha256 reads until the FIN, and a RST would be an error.
        let expected = sha256(Pattern::new(4, 10_000_000)).unwrap();
        assert_eq!(received.join().unwrap().unwrap(), expected, "{server}");
        assert_eq!(expected.1, 10_000_000);
    }
}
