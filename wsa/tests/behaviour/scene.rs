//! Scenes for tests in virtual time.

use std::sync::Arc;

use tapsock_stack::config::Route;
use tapsock_stack::sim::{Answer, Pair, Router, World};
use tapsock_stack::time::{Duration, Instant};
use tapsock_stack::wire::{EthernetAddress, IpAddress, IpCidr};
use wsa::constants::{AF_INET, AF_INET6, SOCK_DGRAM, SOCK_STREAM};
use wsa::engine::stepped::Simulated;
use wsa::{Process, Profile, Result, SocketHandle};

/// A process on a simulated host.
pub(crate) type Wsa = Arc<Process<'static, Simulated>>;

/// An address that belongs to nobody on the client's link.
pub(crate) const NOBODY: &str = "10.0.0.99:80";
/// An address behind a router that swallows everything.
pub(crate) const SILENT: &str = "192.0.2.1:80";
/// An address behind a router that says that the network is unreachable (3/0).
pub(crate) const NO_NET: &str = "198.51.100.1:80";
/// An address behind a router that says that the host is unreachable (3/1).
pub(crate) const NO_HOST: &str = "203.0.113.1:80";
/// An address behind a router that says of every packet that it takes 1,400 bytes at the most.
pub(crate) const NARROW: &str = "192.0.3.1:80";

/// Two processes on two hosts, 10.0.0.1 and 10.0.0.2, and a router.
pub(crate) struct Scene {
    pub(crate) world: World,
    /// 10.0.0.1 and fd00::1.
    pub(crate) client: Wsa,
    /// 10.0.0.2 and fd00::2.
    pub(crate) server: Wsa,
}

fn cidr(text: &str) -> IpCidr {
    text.parse().unwrap()
}

impl Scene {
    /// Both processes have started version 2.2.
    pub(crate) fn new(profile: Profile) -> Self {
        let scene = Self::unstarted(profile);
        assert_eq!(scene.client.wsa_startup(0x0202).0, 0);
        assert_eq!(scene.server.wsa_startup(0x0202).0, 0);
        scene
    }

    pub(crate) fn documented() -> Self {
        Self::new(Profile::DOCUMENTED)
    }

    pub(crate) fn windows() -> Self {
        Self::new(Profile::WINDOWS)
    }

    /// The client has negotiated version 1.1.
    pub(crate) fn version_1_1() -> Self {
        let scene = Self::unstarted(Profile::DOCUMENTED);
        assert_eq!(scene.client.wsa_startup(0x0101).0, 0);
        assert_eq!(scene.server.wsa_startup(0x0202).0, 0);
        scene
    }

    /// No process has called WSAStartup.
    pub(crate) fn unstarted(profile: Profile) -> Self {
        let pair = Pair::new(7);
        let router = EthernetAddress([2, 0, 0, 0, 0, 254]);
        let gateway = IpAddress::v4(10, 0, 0, 254);
        let unreachable = |kind, code| Answer::Error { kind, code };
        pair.world.device(
            Router::new(router)
                .with_address(gateway)
                .with_answer(cidr("192.0.2.0/24"), Answer::Silence)
                .with_answer(cidr("192.0.3.0/24"), Answer::TooBig { mtu: 1400 })
                .with_answer(cidr("198.51.100.0/24"), unreachable(3, 0))
                .with_answer(cidr("203.0.113.0/24"), unreachable(3, 1)),
        );
        for host in [&pair.client, &pair.server] {
            for prefix in ["192.0.2.0/24", "192.0.3.0/24", "198.51.100.0/24", "203.0.113.0/24"] {
                let route = Route { destination: cidr(prefix), gateway: Some(gateway) };
                host.with(|stack, _| stack.add_route(route).unwrap());
            }
        }
        let process = |host| {
            let process = Simulated::process(host);
            process.set_profile(profile);
            process
        };
        let (client, server) = (process(pair.client), process(pair.server));
        Self { world: pair.world, client, server }
    }

    /// Virtual seconds since the beginning.
    pub(crate) fn seconds(&self) -> f64 {
        self.world.now().total_micros() as f64 / 1e6
    }

    /// Runs everything of the next `millis`.
    pub(crate) fn run(&self, millis: u64) {
        self.world.run_for(Duration::from_millis(millis));
    }

    /// A listener of the server on this port, on all addresses.
    pub(crate) fn listen(&self, port: u16) -> SocketHandle {
        listener(&self.server, &format!("0.0.0.0:{port}"))
    }

    /// A connected pair: the client's and the server's end.
    pub(crate) fn connected(&self) -> (SocketHandle, SocketHandle) {
        let listening = self.listen(4000);
        let s = tcp(&self.client);
        connect(&self.client, s, "10.0.0.2:4000").unwrap();
        let accepted = accept(&self.server, listening).unwrap();
        self.server.closesocket(listening).unwrap();
        (s, accepted)
    }

    /// Runs `actor` at this virtual time.
    pub(crate) fn at(&self, millis: i64, actor: impl FnOnce(&World) + Send + 'static) {
        self.world.at(Instant::from_millis(millis), actor);
    }
}

pub(crate) fn tcp(process: &Wsa) -> SocketHandle {
    process.socket(AF_INET, SOCK_STREAM, 0).unwrap()
}

pub(crate) fn udp(process: &Wsa) -> SocketHandle {
    process.socket(AF_INET, SOCK_DGRAM, 0).unwrap()
}

pub(crate) fn tcp6(process: &Wsa) -> SocketHandle {
    process.socket(AF_INET6, SOCK_STREAM, 0).unwrap()
}

pub(crate) fn udp6(process: &Wsa) -> SocketHandle {
    process.socket(AF_INET6, SOCK_DGRAM, 0).unwrap()
}

/// A non-blocking stream.
pub(crate) fn tcp_nonblocking(process: &Wsa) -> SocketHandle {
    let s = tcp(process);
    process.set_nonblocking(s, true).unwrap();
    s
}

pub(crate) fn listener(process: &Wsa, name: &str) -> SocketHandle {
    let s = if name.starts_with('[') { tcp6(process) } else { tcp(process) };
    bind(process, s, name).unwrap();
    process.listen(s, 100).unwrap();
    s
}

pub(crate) fn address(name: &str) -> core::net::SocketAddr {
    name.parse().unwrap()
}

pub(crate) fn connect(process: &Wsa, s: SocketHandle, name: &str) -> Result<()> {
    process.connect_to(s, address(name))
}

pub(crate) fn bind(process: &Wsa, s: SocketHandle, name: &str) -> Result<()> {
    process.bind_to(s, address(name))
}

pub(crate) fn accept(process: &Wsa, s: SocketHandle) -> Result<SocketHandle> {
    process.accept(s, wsa::MemoryMut::Null, None)
}

pub(crate) fn send(process: &Wsa, s: SocketHandle, data: &[u8]) -> Result<usize> {
    process.send(s, data.into(), 0)
}

/// Receives at most 64 bytes.
pub(crate) fn recv(process: &Wsa, s: SocketHandle) -> Result<Vec<u8>> {
    let mut buffer = [0; 64];
    let received = process.recv(s, (&mut buffer).into(), 0)?;
    Ok(buffer[..received].to_vec())
}

/// The number of an error; 0 for success.
#[track_caller]
pub(crate) fn code<T>(result: Result<T>) -> i32 {
    result.map_or_else(wsa::Error::code, |_| 0)
}
