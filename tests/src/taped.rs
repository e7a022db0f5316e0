//! Two simulated hosts that talk over a link which a fault script breaks, and the recordings of it.

use tapsock_stack::fault::text::{Document, Nothing};
use tapsock_stack::fault::{Answer, Engine, HookCall};
use tapsock_stack::link::capture::SharedBuffer;
use tapsock_stack::port::{BindAddress, Family, Share, Transport};
use tapsock_stack::sim::{Host, Pair, Repeat};
use tapsock_stack::tcp::{Connect, Take};
use tapsock_stack::time::{Duration, Instant};
use tapsock_stack::wire::{IpAddress, IpEndpoint};
use tapsock_stack::{ListenerId, TcpId, UdpId};

/// What was recorded.
#[derive(Debug)]
pub struct Taped {
    /// Both sides of the script, as pcapng.
    pub tape: Vec<u8>,
    /// The same as JSON, one object a line.
    pub log: Vec<u8>,
}

/// How long each side talks.
const LENGTH: Duration = Duration::from_secs(30);
/// No protocol that a reader of captures knows has it.
const PORT: u16 = 40_001;

/// Lets two hosts talk for 30 seconds over a link that `script` breaks at the client's end: the
/// client connects over IPv4 and IPv6, sends 5,000 bytes on each, which the server sends back, and
/// a datagram every second. What comes of it is the script's affair.
///
/// # Panics
/// When the script cannot be read or carried out.
pub fn tape(script: &str, seed: u64) -> Taped {
    let document: Document<Nothing, Nothing> =
        script.parse().unwrap_or_else(|error| panic!("{error}"));
    let pair = Pair::new(7);
    let faults =
        pair.client.faults(document.script(seed)).unwrap_or_else(|error| panic!("{error}"));
    faults.with(|engine, _| {
        engine.hook(|_: &HookCall<'_>, _: &mut [u8]| Answer::Delay(Duration::from_millis(2)));
    });
    let (tape, log) = (SharedBuffer::new(), SharedBuffer::new());
    let recordings =
        (pair.client.tape(tape.clone(), script), pair.client.event_log(log.clone(), script));
    let (Some(taping), Some(logging)) = recordings else { panic!("there are faults") };
    talk(&pair);
    faults.with(Engine::tell_report);
    taping.flush().unwrap_or_else(|error| panic!("{error}"));
    logging.flush().unwrap_or_else(|error| panic!("{error}"));
    Taped { tape: tape.to_vec(), log: log.to_vec() }
}

fn talk(pair: &Pair) {
    let mut server = Server::new(&pair.server);
    let mut clients: Vec<Client> =
        Pair::addresses(2).into_iter().filter_map(|to| Client::new(&pair.client, to)).collect();
    let every = Duration::from_millis(10);
    let end = pair.world.now() + LENGTH;
    pair.world.every(Instant::ZERO, every, move |world| {
        server.turn();
        for client in &mut clients {
            client.turn(world.now());
        }
        // What repeats for ever would keep the world for ever.
        if world.now() < end { Repeat::Again } else { Repeat::Stop }
    });
    pair.world.run_for(LENGTH);
}

struct Server {
    host: Host,
    listeners: Vec<ListenerId>,
    connections: Vec<TcpId>,
    room: Vec<u8>,
}

impl Server {
    fn new(host: &Host) -> Self {
        let listen = |family| {
            host.with(|stack, _| {
                let any = BindAddress::Any(family);
                let binding = stack.bind(Transport::Tcp, any, PORT, Share::Default).ok()?;
                stack.tcp_listen(binding, 4, 0).ok()
            })
        };
        let listeners = [Family::V4, Family::V6].into_iter().filter_map(listen).collect();
        Self { host: host.clone(), listeners, connections: Vec::new(), room: vec![0; 65536] }
    }

    fn turn(&mut self) {
        let Self { host, listeners, connections, room } = self;
        host.with(|stack, now| {
            for &listener in &*listeners {
                connections.extend(stack.tcp_accept(listener, 0));
            }
            for &id in &*connections {
                if let Ok(length) = stack.tcp_recv(now, id, room, Take::Consume) {
                    let _ = stack.tcp_send(now, id, &room[..length], 1 << 20);
                }
            }
        });
    }
}

struct Client {
    host: Host,
    id: TcpId,
    socket: UdpId,
    to: IpAddress,
    sent: bool,
    next: Instant,
    room: Vec<u8>,
}

impl Client {
    fn new(host: &Host, to: IpAddress) -> Option<Self> {
        let remote = IpEndpoint::new(to, PORT);
        host.with(|stack, now| {
            let source = stack.source_for(to).ok()?;
            let any = BindAddress::Any(Family::of(to));
            let binding = stack.bind_for(Transport::Tcp, any, remote, Share::Default).ok()?;
            let port = stack.bound(binding)?.1;
            let request = Connect::new(IpEndpoint::new(source, port), remote);
            let id = stack.tcp_connect(now, &request).ok()?;
            let binding = stack.bind(Transport::Udp, any, 5_000, Share::Default).ok()?;
            let socket = stack.udp_open(binding, 65536, 0).ok()?;
            let (host, sent, room) = (host.clone(), false, vec![0; 65536]);
            Some(Self { host, id, socket, to, sent, next: Instant::ZERO, room })
        })
    }

    fn turn(&mut self, now: Instant) {
        let Self { host, id, socket, to, sent, next, room } = self;
        host.with(|stack, _| {
            *sent |= !*sent && stack.tcp_send(now, *id, &[0x5a; 5_000], 1 << 20).is_ok();
            let _ = stack.tcp_recv(now, *id, room, Take::Consume);
            if *next <= now {
                *next = now + Duration::from_secs(1);
                let _ = stack.udp_send(
                    now,
                    *socket,
                    IpEndpoint::new(*to, 40_000),
                    b"a datagram of a test",
                );
            }
        });
    }
}
