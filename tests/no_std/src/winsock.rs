//! A Winsock process without an operating system: blocking calls that move a clock of their own.

use core::cell::Cell;
use core::net::Ipv4Addr;

use tapsock_stack::Stack;
use tapsock_stack::config::Config;
use tapsock_stack::link::NoLink;
use tapsock_stack::storage::{Fixed, Memory};
use tapsock_stack::time::Instant;
use tapsock_stack::wire::{EthernetAddress, IpEndpoint};
use wsa::constants::{
    AF_INET, CF_ACCEPT, FD_CONNECT, FD_WRITE, FIONREAD, IPPROTO_TCP, IPPROTO_UDP, POLLRDNORM,
    POLLWRNORM, SD_SEND, SO_CONNECT_TIME, SO_REUSEADDR, SOCK_DGRAM, SOCK_STREAM, SOL_SOCKET,
    WSA_INFINITE,
};
use wsa::engine::stepped::Stepped;
use wsa::engine::{Engine, Waited};
use wsa::{
    Alertable, Arg, BlockingHook, Caller, Error, EventKind, FdSet, Memory as Pointer, MemoryMut,
    MessageHook, Process, Qos, Signal, SocketHandle, WaitFor, WsaBuf, WsaBufMut, WsaNetworkEvents,
    WsaPollFd, sockaddr,
};

const SOCKETS: usize = 4;
const RING: usize = 2048;

/// Two sockets of one process talk to each other; gives the number of the step that went wrong.
pub(crate) fn winsock(step: i32) -> Result<(), i32> {
    let mut memory: Memory<'_, SOCKETS, RING> = Memory::new();
    let config = Config::new(EthernetAddress([2, 0, 0, 0, 0, 1]), 2);
    let storage = Fixed::<SOCKETS, 16, 1514>::new(&mut memory);
    let stack = Stack::new(config, NoLink, storage, Instant::ZERO);
    let clock = Cell::new(Instant::ZERO);
    let idle = |until: Option<Instant>| match until {
        Some(until) => {
            clock.set(until);
            Waited::Again
        }
        None => Waited::Stuck,
    };
    let process = Process::new(Stepped::new(stack, || clock.get(), idle));
    if process.socket(AF_INET, SOCK_STREAM, IPPROTO_TCP) != Err(Error::WSANOTINITIALISED) {
        return Err(step);
    }
    if process.wsa_startup(0x0202).0 != 0 {
        return Err(step + 1);
    }
    stream(&process, step + 2)?;
    datagram(&process, step + 12)?;
    surface(&process, step + 20)?;
    process.wsa_cleanup().map_err(|_| step + 19)
}

/// What the two conversations do not call: every argument of WSAConnect, a condition function, a
/// hook, select, options and ioctls.
fn surface<'a, E: Engine<'a>>(process: &Process<'a, E>, step: i32) -> Result<(), i32> {
    let open = || process.socket(AF_INET, SOCK_STREAM, IPPROTO_TCP).map_err(|_| step);
    let (listener, client) = (open()?, open()?);
    process.bind_to(listener, own(9)).map_err(|_| step + 1)?;
    process.listen(listener, 1).map_err(|_| step + 1)?;

    process.set_option(client, SOL_SOCKET, SO_REUSEADDR, 1).map_err(|_| step + 2)?;
    if process.option(client, SOL_SOCKET, SO_CONNECT_TIME) != Ok(u32::MAX) {
        return Err(step + 2);
    }
    process.set_nonblocking(client, true).map_err(|_| step + 3)?;
    let name = sockaddr(core::net::SocketAddr::from((Ipv4Addr::LOCALHOST, 9)));
    let mut room = [0; 4];
    let mut callee = WsaBufMut::new(&mut room);
    let connected = process.wsa_connect(
        client,
        name.memory(),
        name.len(),
        Arg::Null,
        Arg::Value(&mut callee),
        Arg::Value(Qos::BEST_EFFORT),
        Arg::Null,
    );
    if (connected, callee.len) != (Err(Error::WSAEWOULDBLOCK), 0) {
        return Err(step + 4);
    }
    let mut writable = [client];
    let mut write = FdSet::of(&mut writable);
    if process.select(None, Some(&mut write), None, None) != Ok(1) {
        return Err(step + 5);
    }
    notifications(process, client, step + 5)?;
    let mut condition = |_: &Caller| CF_ACCEPT;
    let condition: &mut dyn FnMut(&Caller) -> i32 = &mut condition;
    let server = process.wsa_accept(listener, MemoryMut::Null, None, Some(condition));
    let server = server.map_err(|_| step + 6)?;
    let mut count = 0;
    let asked = process.wsa_ioctl(
        server,
        FIONREAD,
        Pointer::Null,
        0,
        (&mut [0; 4]).into(),
        4,
        Some(&mut count),
    );
    if (asked, count) != (Ok(()), 4) {
        return Err(step + 7);
    }
    // Winsock 2 has no hooks.
    let hook = BlockingHook::Function(|| false);
    if process.wsa_set_blocking_hook(hook).err() != Some(Error::WSAEOPNOTSUPP) {
        return Err(step + 8);
    }
    for socket in [client, server, listener] {
        process.closesocket(socket).map_err(|_| step + 9)?;
    }
    Ok(())
}

/// What WSAPoll, an event object, a queue of messages and a hook say of a connection.
fn notifications<'a, E: Engine<'a>>(
    process: &Process<'a, E>,
    s: SocketHandle,
    step: i32,
) -> Result<(), i32> {
    let mut fds = [WsaPollFd::new(s, POLLWRNORM | POLLRDNORM)];
    if process.wsa_poll(&mut fds, -1) != Ok(1) || fds[0].revents != POLLWRNORM {
        return Err(step);
    }
    let event = process.wsa_create_event().map_err(|_| step)?;
    let auto = process.create_event(EventKind::AutoReset, Signal::Unset).map_err(|_| step)?;
    process.wsa_event_select(s, event, FD_WRITE | FD_CONNECT).map_err(|_| step)?;
    let (events, any) = ([auto, event], WaitFor::Any);
    let waited = process.wsa_wait_for_multiple_events(&events, any, WSA_INFINITE, Alertable::Yes);
    let mut found = WsaNetworkEvents::default();
    let fetched = process.wsa_enum_network_events(s, event, Arg::Value(&mut found));
    let bits = FD_WRITE | FD_CONNECT;
    if (waited, fetched, found.network_events) != (Ok(1), Ok(()), bits) {
        return Err(step);
    }
    process.wsa_async_select(s, 1, 2, FD_WRITE).map_err(|_| step)?;
    let posted = process.wait_message(WSA_INFINITE);
    if !matches!(posted, Ok(Some(message)) if message.event == FD_WRITE) {
        return Err(step);
    }
    process.set_message_hook(Some(MessageHook::Function(|_| {})));
    process.wsa_async_select(s, 1, 2, FD_WRITE).map_err(|_| step)?;
    process.set_message_hook(None);
    process.wsa_async_select(s, 0, 0, 0).map_err(|_| step)?;
    if process.next_message().is_some() {
        return Err(step);
    }
    for event in events {
        process.wsa_close_event(event).map_err(|_| step)?;
    }
    Ok(())
}

/// 127.0.0.1 with this port.
fn own(port: u16) -> IpEndpoint {
    IpEndpoint::new(Ipv4Addr::LOCALHOST.into(), port)
}

fn stream<'a, E: Engine<'a>>(process: &Process<'a, E>, step: i32) -> Result<(), i32> {
    let open = || process.socket(AF_INET, SOCK_STREAM, IPPROTO_TCP).map_err(|_| step);
    let (listener, client) = (open()?, open()?);
    // Nobody listens yet: the answer is a RST.
    if process.connect_to(client, own(7)) != Err(Error::WSAECONNREFUSED) {
        return Err(step + 1);
    }
    if process.last_cause().is_none() {
        return Err(step + 2);
    }
    process.bind_to(listener, own(7)).map_err(|_| step + 3)?;
    process.listen(listener, 1).map_err(|_| step + 4)?;
    process.connect_to(client, own(7)).map_err(|_| step + 5)?;
    let server = process.accept(listener, MemoryMut::Null, None).map_err(|_| step + 6)?;
    exchange(process, client, server, step + 7)?;
    exchange(process, server, client, step + 7)?;
    process.shutdown(client, SD_SEND).map_err(|_| step + 8)?;
    let mut buffer = [0; 16];
    if process.recv(server, MemoryMut::Bytes(&mut buffer), 0) != Ok(0) {
        return Err(step + 8);
    }
    for socket in [client, server, listener] {
        process.closesocket(socket).map_err(|_| step + 9)?;
    }
    Ok(())
}

fn datagram<'a, E: Engine<'a>>(process: &Process<'a, E>, step: i32) -> Result<(), i32> {
    let open = || process.socket(AF_INET, SOCK_DGRAM, IPPROTO_UDP).map_err(|_| step);
    let (one, other) = (open()?, open()?);
    process.bind_to(one, own(1111)).map_err(|_| step + 1)?;
    process.bind_to(other, own(2222)).map_err(|_| step + 1)?;
    process.connect_to(one, own(2222)).map_err(|_| step + 2)?;
    process.connect_to(other, own(1111)).map_err(|_| step + 3)?;
    exchange(process, one, other, step + 4)?;
    for socket in [one, other] {
        process.closesocket(socket).map_err(|_| step + 5)?;
    }
    Ok(())
}

fn exchange<'a, E: Engine<'a>>(
    process: &Process<'a, E>,
    from: SocketHandle,
    to: SocketHandle,
    step: i32,
) -> Result<(), i32> {
    let sent = process.send(from, b"no heap".into(), 0);
    let mut buffer = [0; 16];
    let received = process.recv(to, MemoryMut::Bytes(&mut buffer), 0);
    if sent != Ok(7) || received != Ok(7) || !buffer.starts_with(b"no heap") {
        return Err(step);
    }
    // The same with lists of buffers.
    let list = [WsaBuf::new(b"no "), WsaBuf::new(b"heap")];
    let (mut sent, mut received, mut flags) = (0, 0, 0);
    process.wsa_send(from, Arg::Value(&list), Some(&mut sent), 0).map_err(|_| step)?;
    let (mut front, mut back) = ([0; 5], [0; 5]);
    let mut rooms = [WsaBufMut::new(&mut front), WsaBufMut::new(&mut back)];
    let count = Some(&mut received);
    process.wsa_recv(to, Arg::Value(&mut rooms), count, Some(&mut flags)).map_err(|_| step)?;
    let whole = (sent, received) == (7, 7) && &front == b"no he" && back.starts_with(b"ap");
    if whole { Ok(()) } else { Err(step) }
}
