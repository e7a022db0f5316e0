//! Datagrams and segments that are larger than what carries them, with the Linux kernel as the peer
//! and as the router.

use std::fs;
use std::io::{self, Read};
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketType, ipproto};
use tapsock_tests::{Kernel, PATIENCE, Pattern, sha256};
use tapsock_tools::namespace;
use wsa::SocketHandle;
use wsa::config::{Configuration, LinkChoice};
use wsa::start::{ThreadedProcess, start};

const AF_INET: i32 = 2;
const AF_INET6: i32 = 23;
const SOCK_STREAM: i32 = 1;
const SOCK_DGRAM: i32 = 2;
const WSAEMSGSIZE: i32 = 10040;
const MEGABYTE: u64 = 1_000_000;

/// A process that has called WSAStartup, at 10.77.0.2 and fd77::2, with the kernel as its router.
fn process(kernel: &Kernel) -> ThreadedProcess {
    let mut configuration = Configuration::default();
    configuration.link = LinkChoice::Tap(kernel.device().into());
    configuration.gateways = vec!["10.77.0.1".parse().unwrap(), "fd77::1".parse().unwrap()];
    let process = start(&configuration, None, |_| {}).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(process.wsa_startup(0x0202).0, 0);
    process
}

fn socket(process: &ThreadedProcess, address: SocketAddr, kind: i32) -> SocketHandle {
    let family = if address.is_ipv4() { AF_INET } else { AF_INET6 };
    let s = process.socket(family, kind, 0).unwrap();
    process.connect_to(s, address).unwrap();
    s
}

fn bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    Pattern::new(seed, length as u64).read_to_end(&mut bytes).unwrap();
    bytes
}

/// A datagram; a signal or a machine that was suspended may interrupt the wait for it.
fn heard(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
    loop {
        match socket.recv_from(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

#[test]
fn datagrams_of_all_sizes_are_equal_both_ways() {
    let Some(kernel) = Kernel::start() else { return };
    let process = process(&kernel);
    for (server, frame, longest) in [("10.77.0.1:0", 1472, 65507), ("[fd77::1]:0", 1452, 65527)] {
        let socket_there = kernel.udp(server);
        let address = socket_there.local_addr().unwrap();
        let s = socket(&process, address, SOCK_DGRAM);
        let (mut there, mut here) = (vec![0; 70_000], vec![0; 70_000]);
        for length in [10, 1000, frame, frame + 1, 2000, 4000, 9000, 30_000, longest - 1, longest] {
            let data = bytes(length as u64, length);
            assert_eq!(process.send(s, data[..].into(), 0), Ok(length));
            let (received, from) = heard(&socket_there, &mut there).unwrap();
            assert!(there[..received] == data, "{length} bytes to {server}");
            assert_eq!(socket_there.send_to(&data, from).unwrap(), length);
            let received = process.recv(s, (&mut here[..]).into(), 0).unwrap();
            assert!(here[..received] == data, "{length} bytes from {server}");
        }
        let refused = process.send(s, vec![0; longest + 1][..].into(), 0).unwrap_err();
        assert_eq!(refused.code(), WSAEMSGSIZE);
        process.closesocket(s).unwrap();
    }
}

#[test]
fn the_largest_pings_of_the_kernel_are_answered() {
    let Some(kernel) = Kernel::start() else { return };
    let _process = process(&kernel);
    namespace::set("net/ipv4/ping_group_range", "0 0").unwrap();
    for (family, protocol, request, answer, to, longest) in [
        (AddressFamily::INET, ipproto::ICMP, 8, 0, "10.77.0.2:0", 65507),
        (AddressFamily::INET6, ipproto::ICMPV6, 128, 129, "[fd77::2]:0", 65487),
    ] {
        let socket = rustix::net::socket(family, SocketType::DGRAM, Some(protocol)).unwrap();
        rustix::net::sockopt::set_socket_timeout(
            &socket,
            rustix::net::sockopt::Timeout::Recv,
            Some(PATIENCE),
        )
        .unwrap();
        rustix::net::connect(&socket, &to.parse::<SocketAddr>().unwrap()).unwrap();
        for length in [56, 1473, 20_000, longest] {
            let mut message = vec![request, 0, 0, 0, 0, 0, 0, 1];
            message.extend(bytes(1, length));
            assert_eq!(rustix::net::send(&socket, &message, SendFlags::empty()), Ok(length + 8));
            let mut heard = vec![0; 70_000];
            let (received, _) =
                rustix::net::recv(&socket, &mut heard[..], RecvFlags::empty()).unwrap();
            assert_eq!((received, heard[0]), (length + 8, answer));
            assert!(heard[8..received] == message[8..], "{length} bytes from {to}");
        }
    }
}

/// A host behind the kernel: in a namespace of its own, at 10.88.0.2 and fd88::2, over a link that
/// takes packets of `mtu` bytes from the router.
struct Far {
    ready: Receiver<()>,
    task: Sender<Task>,
    thread: JoinHandle<()>,
}

type Task = Box<dyn FnOnce() + Send>;

impl Far {
    fn new(kernel: &Kernel, mtu: usize) -> Self {
        let (tell, told) = channel();
        let (task, tasks) = channel::<Task>();
        let (done, ready) = channel();
        let thread = thread::spawn(move || {
            namespace::enter().unwrap_or_else(|error| panic!("{error}"));
            let link = fs::read_link("/proc/thread-self").unwrap();
            tell.send(link.file_name().unwrap().to_str().unwrap().to_string()).unwrap();
            while let Ok(task) = tasks.recv() {
                task();
                done.send(()).unwrap();
            }
        });
        let id = told.recv().unwrap();
        namespace::forward().unwrap();
        kernel.ip("link add near type veth peer name far");
        kernel.ip(&format!("link set dev far netns {id}"));
        let far = Self { ready, task, thread };
        far.runs(|| {
            for arguments in [
                "address add 10.88.0.2/24 dev far",
                "address add fd88::2/64 dev far nodad",
                "link set dev far up",
                "route add default via 10.88.0.1",
                "route add default via fd88::1",
            ] {
                namespace::ip(arguments).unwrap_or_else(|error| panic!("{error}"));
            }
        });
        kernel.ip(&format!("link set dev near mtu {mtu} up"));
        kernel.ip("address add 10.88.0.1/24 dev near");
        if mtu >= 1280 {
            kernel.ip("address add fd88::1/64 dev near nodad");
        }
        far
    }

    /// Runs this on the far host, and waits until it is done.
    fn runs(&self, task: impl FnOnce() + Send + 'static) {
        self.task.send(Box::new(task)).unwrap();
        self.ready.recv_timeout(PATIENCE).expect("the far host does not get ready");
    }

    /// What `task` gives on the far host.
    fn gives<T: Send + 'static>(&self, task: impl FnOnce() -> T + Send + 'static) -> T {
        let (sender, receiver) = channel();
        self.runs(move || sender.send(task()).unwrap());
        receiver.recv().unwrap()
    }

    fn ends(self, kernel: &Kernel) {
        kernel.ip("link delete dev near");
        drop(self.task);
        self.thread.join().unwrap();
    }
}

#[test]
fn a_megabyte_passes_a_router_that_takes_less_than_the_link() {
    let Some(kernel) = Kernel::start() else { return };
    let process = process(&kernel);
    for (mtu, to, level, option) in [(1000, "10.88.0.2", 0, 73), (1280, "fd88::2", 41, 72)] {
        let far = Far::new(&kernel, mtu);
        let to: IpAddr = to.parse().unwrap();
        // A socket belongs to the namespace of the thread that made it.
        let listener = far.gives(move || TcpListener::bind((to, 0)).unwrap());
        let address = listener.local_addr().unwrap();
        let received = thread::spawn(move || {
            let (stream, _) = listener.accept()?;
            stream.set_read_timeout(Some(PATIENCE))?;
            sha256(stream)
        });
        let s = socket(&process, address, SOCK_STREAM);
        for part in bytes(1, MEGABYTE as usize).chunks(50_000) {
            assert_eq!(process.send(s, part.into(), 0), Ok(part.len()));
        }
        process.shutdown(s, 1).unwrap();
        let expected = sha256(Pattern::new(1, MEGABYTE)).unwrap();
        assert_eq!(received.join().unwrap().unwrap(), expected, "{to} over {mtu}");
        assert_eq!(process.option(s, level, option), Ok(mtu as u32));
        process.closesocket(s).unwrap();
        far.ends(&kernel);
    }
}

#[test]
fn datagrams_find_the_size_of_the_path_behind_a_router() {
    let Some(kernel) = Kernel::start() else { return };
    let process = process(&kernel);
    let far = Far::new(&kernel, 1280);
    for (to, level, dont_fragment, mtu, headers) in
        [("10.88.0.2:0", 0, 14, 73, 28), ("[fd88::2]:0", 41, 14, 72, 48)]
    {
        let there = far.gives(move || UdpSocket::bind(to).unwrap());
        there.set_read_timeout(Some(PATIENCE)).unwrap();
        let s = socket(&process, there.local_addr().unwrap(), SOCK_DGRAM);
        assert_eq!(process.option(s, level, mtu), Ok(1500));
        process.set_option(s, level, dont_fragment, 1).unwrap();
        // The first is lost, and the router says why.
        let data = bytes(2, 1500 - headers);
        assert_eq!(process.send(s, data[..].into(), 0), Ok(data.len()));
        // What the router sent before it passed this on has arrived before the answer to it.
        let mut buffer = vec![0; 70_000];
        assert_eq!(process.send(s, b"small"[..].into(), 0), Ok(5));
        let (received, from) = heard(&there, &mut buffer).unwrap();
        there.send_to(&buffer[..received], from).unwrap();
        assert_eq!(process.recv(s, (&mut buffer[..]).into(), 0), Ok(5));
        assert_eq!(process.option(s, level, mtu), Ok(1280));
        let refused = process.send(s, data[..1281 - headers].into(), 0).unwrap_err();
        assert_eq!(refused.code(), WSAEMSGSIZE);
        for length in [1280 - headers, 60_000] {
            if length == 60_000 {
                // In pieces that pass.
                process.set_option(s, level, dont_fragment, 0).unwrap();
            }
            let data = bytes(3, length);
            assert_eq!(process.send(s, data[..].into(), 0), Ok(length));
            let (received, _) = heard(&there, &mut buffer).unwrap();
            assert!(buffer[..received] == data, "{length} bytes to {to}");
        }
        process.closesocket(s).unwrap();
    }
    far.ends(&kernel);
}
