//! What options change on the wire, as the Linux kernel sees it.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::mpsc;

use pcap_file::pcapng::{Block, PcapNgReader};
use tapsock_tests::{Kernel, Pattern, echo};
use wsa::config::{Configuration, LinkChoice};
use wsa::start::{ThreadedProcess, start};
use wsa::{Memory, MemoryMut, SocketHandle};

const SOL_SOCKET: i32 = 0xFFFF;
const SO_KEEPALIVE: i32 = 8;
const SO_RCVBUF: i32 = 0x1002;
const SO_RCVTIMEO: i32 = 0x1006;
const IPPROTO_TCP: i32 = 6;
const TCP_KEEPIDLE: i32 = 3;
const TCP_MAXSEG: i32 = 4;
const TCP_KEEPCNT: i32 = 16;
const TCP_KEEPINTVL: i32 = 17;
const SIO_TCP_INFO: u32 = 0xD800_0027;

/// A process that has called WSAStartup, at 10.77.0.2 and fd77::2.
fn process_with(kernel: &Kernel, adjust: impl FnOnce(&mut Configuration)) -> ThreadedProcess {
    let mut configuration = Configuration::default();
    configuration.link = LinkChoice::Tap(kernel.device().into());
    adjust(&mut configuration);
    let process = start(&configuration, None, |_| {}).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(process.wsa_startup(0x0202).0, 0);
    process
}

fn process(kernel: &Kernel) -> ThreadedProcess {
    process_with(kernel, |_| {})
}

fn stream(process: &ThreadedProcess, address: SocketAddr) -> SocketHandle {
    let family = if address.is_ipv4() { 2 } else { 23 };
    process.socket(family, 1, 0).unwrap_or_else(|error| panic!("{error}: {address}"))
}

/// What the kernel knows about its established connection from `local`: the words of `ss -ti`,
/// of which those with a colon are a name and a number.
fn kernel_info(local: SocketAddr) -> HashMap<String, String> {
    let filter = format!("src {local}");
    let output = Command::new("ss")
        .args(["--tcp", "--info", "--memory", "--no-header", "--numeric", "--oneline"])
        .args(["state", "established", &filter])
        .output()
        .expect("ss of iproute2");
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().count(), 1, "one connection from {local}: {text}");
    let words = text.split_whitespace().filter_map(|word| word.split_once(':'));
    words.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn number(info: &HashMap<String, String>, name: &str) -> u64 {
    let value = info.get(name).unwrap_or_else(|| panic!("no {name} in {info:?}"));
    value.parse().unwrap_or_else(|_| panic!("{name} is {value}"))
}

/// TCP_INFO_v1 of a connection.
struct Info([u8; 136]);

impl Info {
    fn of(process: &ThreadedProcess, s: SocketHandle) -> Self {
        let (mut info, mut returned) = ([0; 136], 0);
        let version = 1u32.to_ne_bytes();
        process
            .wsa_ioctl(
                s,
                SIO_TCP_INFO,
                Memory::Bytes(&version),
                4,
                (&mut info).into(),
                136,
                Some(&mut returned),
            )
            .unwrap();
        assert_eq!(returned, 136);
        Self(info)
    }

    fn word(&self, at: usize) -> u64 {
        u32::from_ne_bytes(self.0[at..at + 4].try_into().unwrap()).into()
    }

    fn long(&self, at: usize) -> u64 {
        u64::from_ne_bytes(self.0[at..at + 8].try_into().unwrap())
    }
}

/// Receives what comes until there are `len` bytes.
fn receive(process: &ThreadedProcess, s: SocketHandle, len: u64) {
    let mut buffer = vec![0; 65536];
    let mut rest = len;
    while rest > 0 {
        match process.recv(s, (&mut buffer[..]).into(), 0).unwrap() {
            0 => panic!("{rest} bytes are missing"),
            received => rest -= received as u64,
        }
    }
}

#[test]
fn the_kernel_answers_keep_alive_probes_until_it_is_gone() {
    let Some(kernel) = Kernel::start() else { return };
    let process = process(&kernel);
    let address = kernel.tcp_server("10.77.0.1:0", echo).address();
    let s = stream(&process, address);
    // A second of silence, and one probe that has a second to be answered.
    for option in [TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT] {
        process.set_option(s, IPPROTO_TCP, option, 1).unwrap();
    }
    process.set_option(s, SOL_SOCKET, SO_KEEPALIVE, 1).unwrap();
    process.connect_to(s, address).unwrap();
    // Long enough for a connection whose first probe is unanswered to be over.
    process.set_option(s, SOL_SOCKET, SO_RCVTIMEO, 3500).unwrap();
    let mut byte = [0];
    let waited = process.recv(s, (&mut byte).into(), 0);
    assert_eq!(waited.map_err(wsa::Error::code), Err(10060));
    process.send(s, b"x".into(), 0).unwrap();
    assert_eq!(process.recv(s, (&mut byte).into(), 0), Ok(1));
    // A kernel that has another address by now says nothing.
    kernel.ip("address del 10.77.0.1/24 dev tapsock0");
    process.set_option(s, SOL_SOCKET, SO_RCVTIMEO, 20_000).unwrap();
    let ended = process.recv(s, (&mut byte).into(), 0);
    assert_eq!(ended.map_err(wsa::Error::code), Err(10052));
    let cause = process.last_cause().unwrap().to_string();
    assert!(cause.contains("1 keep-alive probe to 10.77.0.1 unanswered"), "{cause}");
}

#[test]
fn the_receive_buffer_is_the_window_that_the_kernel_sees() {
    let Some(kernel) = Kernel::start() else { return };
    let process = process(&kernel);
    let (tell, told) = mpsc::channel();
    let address = kernel
        .tcp_server("10.77.0.1:0", move |mut stream| {
            // A byte shows that the connection is established on both sides.
            stream.write_all(b"x")?;
            let _ = tell.send(stream.local_addr()?);
            stream.read_to_end(&mut Vec::new()).map(|_| ())
        })
        .address();
    for (size, window) in [(4096, 4096), (20_000, 20_000), (65_535, 65_535)] {
        let s = stream(&process, address);
        process.set_option(s, SOL_SOCKET, SO_RCVBUF, size).unwrap();
        process.connect_to(s, address).unwrap();
        receive(&process, s, 1);
        let local = told.recv().unwrap();
        assert_eq!(number(&kernel_info(local), "snd_wnd"), window, "connected, {size}");
        process.closesocket(s).unwrap();
        assert_eq!(stop_listing(local), 0);
    }
    // The same of a listener, from its SYN|ACK on.
    for (port, size) in [(8000, 4096), (8001, 20_000)] {
        let own: SocketAddr = format!("10.77.0.2:{port}").parse().unwrap();
        let listener = stream(&process, own);
        process.set_option(listener, SOL_SOCKET, SO_RCVBUF, size).unwrap();
        process.bind_to(listener, own).unwrap();
        process.listen(listener, 5).unwrap();
        let client = TcpStream::connect(own).unwrap();
        let info = kernel_info(client.local_addr().unwrap());
        assert_eq!(number(&info, "snd_wnd"), u64::from(size), "listening");
        process.accept(listener, MemoryMut::Null, None).unwrap();
    }
}

/// Waits until the kernel has no established connection from `local` any more, and says how many
/// it has.
fn stop_listing(local: SocketAddr) -> usize {
    let filter = format!("src {local}");
    for _ in 0..1000 {
        let output = Command::new("ss")
            .args(["--tcp", "--no-header", "--numeric", "state", "established", &filter])
            .output()
            .expect("ss of iproute2");
        if output.stdout.is_empty() {
            return 0;
        }
    }
    1
}

#[test]
fn the_segment_size_is_what_both_sides_agreed_on() {
    let Some(kernel) = Kernel::with_mtu(1400) else { return };
    let process = process_with(&kernel, |configuration| configuration.mtu = 1400);
    for (server, size) in [("10.77.0.1:0", 1360), ("[fd77::1]:0", 1340)] {
        let (tell, told) = mpsc::channel();
        let (address, served) = kernel.tcp_once(server, move |mut stream| {
            tell.send(stream.local_addr()?).map_err(io::Error::other)?;
            stream.read_to_end(&mut Vec::new())
        });
        let s = stream(&process, address);
        process.connect_to(s, address).unwrap();
        assert_eq!(process.option(s, IPPROTO_TCP, TCP_MAXSEG), Ok(size), "{server}");
        let info = kernel_info(told.recv().unwrap());
        assert_eq!(number(&info, "advmss"), u64::from(size), "{server}");
        assert_eq!(Info::of(&process, s).word(4), u64::from(size));
        process.closesocket(s).unwrap();
        served.join().unwrap().unwrap();
    }
}

#[test]
fn both_ends_count_the_same_bytes() {
    const THERE: u64 = 300_000;
    const BACK: u64 = 200_000;
    let Some(kernel) = Kernel::start() else { return };
    let process = process(&kernel);
    for server in ["10.77.0.1:0", "[fd77::1]:0"] {
        let (tell, told) = mpsc::channel();
        let (address, served) = kernel.tcp_once(server, move |mut stream| {
            io::copy(&mut (&stream).take(THERE), &mut io::sink())?;
            io::copy(&mut Pattern::new(1, BACK), &mut stream)?;
            tell.send(stream.local_addr()?).map_err(io::Error::other)?;
            // Until the stack closes.
            stream.read_to_end(&mut Vec::new())?;
            stream.shutdown(Shutdown::Write)
        });
        let s = stream(&process, address);
        process.connect_to(s, address).unwrap();
        let mut data = Vec::new();
        Pattern::new(2, THERE).read_to_end(&mut data).unwrap();
        assert_eq!(process.send(s, data[..].into(), 0), Ok(data.len()));
        receive(&process, s, BACK);
        let kernel_side = kernel_info(told.recv().unwrap());
        let own = Info::of(&process, s);
        assert_eq!(own.word(0), 4, "established");
        assert_eq!((own.long(48), own.long(56)), (THERE, BACK), "BytesOut, BytesIn");
        assert_eq!(number(&kernel_side, "bytes_received"), own.long(48), "{server}");
        assert_eq!(
            number(&kernel_side, "bytes_sent") - own_retransmissions(&kernel_side),
            own.long(56),
            "{server}"
        );
        // One machine and one cable: both measure less than a second.
        let (rtt, least) = (own.word(20), own.word(24));
        assert!(0 < least && least <= rtt && rtt < 1_000_000, "RttUs {rtt}, MinRttUs {least}");
        let (kernel_rtt, _) = kernel_side["rtt"].split_once('/').unwrap();
        assert!(kernel_rtt.parse::<f64>().unwrap() < 1000.0, "{kernel_rtt} ms");
        process.closesocket(s).unwrap();
        served.join().unwrap().unwrap();
    }
}

/// Bytes that the kernel sent again; it lists them only where there are any.
fn own_retransmissions(info: &HashMap<String, String>) -> u64 {
    info.get("bytes_retrans").map_or(0, |bytes| bytes.parse().unwrap())
}

#[test]
fn a_datagram_without_a_checksum_reaches_the_kernel() {
    let Some(kernel) = Kernel::start() else { return };
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("unchecked.pcapng");
    let process = process_with(&kernel, |configuration| configuration.capture = Some(file.clone()));
    let socket = kernel.udp("10.77.0.1:0");
    let s = process.socket(2, 2, 0).unwrap();
    process.connect_to(s, socket.local_addr().unwrap()).unwrap();
    let mut buffer = [0; 64];
    for unchecked in [0, 1] {
        process.set_option(s, 17, 1, unchecked).unwrap();
        process.send(s, [b'a' + unchecked as u8; 5][..].into(), 0).unwrap();
        let (len, _) = socket.recv_from(&mut buffer).unwrap();
        assert_eq!(buffer[..len], [b'a' + unchecked as u8; 5]);
    }
    drop(process);
    let bytes = std::fs::read(&file).unwrap();
    let mut reader = PcapNgReader::new(&bytes[..]).unwrap();
    let mut checksums = Vec::new();
    while let Some(block) = reader.next_block() {
        let Block::EnhancedPacket(packet) = block.unwrap() else { continue };
        // UDP over IPv4 without options.
        if packet.data[12..14] == [8, 0] && packet.data[23] == 17 {
            let data = &packet.data[14..];
            checksums.push((data[28], data[26..28] == [0, 0]));
        }
    }
    assert_eq!(checksums, [(b'a', false), (b'b', true)]);
}
