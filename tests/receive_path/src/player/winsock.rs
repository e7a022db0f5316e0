//! Calls of Winsock.

use tapsock_stack::storage::Storage;
use tapsock_stack::time::Duration;
use wsa::constants::{AF_INET, AF_INET6, FIONBIO, FIONREAD, SIOCATMARK, SOCK_DGRAM, SOCK_STREAM};
use wsa::engine::Engine;
use wsa::{Arg, Error, FdSet, MemoryMut, SocketHandle, WsaBuf, WsaBufMut, WsaMsg, WsaMsgMut};

use super::{HANDLES, Player, Reader, pick};
use crate::flow::Tuple;
use crate::network::{address, socket_address};
use crate::operation::Operation;
use crate::wire::{Cable, local_port};

/// The levels of options, and one that there is not.
const LEVELS: [i32; 6] = [0xffff, 6, 17, 0, 41, 255];

impl<'a, E, S> Player<'a, E>
where
    S: Storage<'a>,
    E: Engine<'a, Link = Cable, Storage = S>,
{
    /// Does a call of Winsock. `None` when there is no such socket, and for other operations.
    pub(super) fn wsa_call(&mut self, operation: &Operation) -> Option<()> {
        match *operation {
            Operation::WsaStartup { version } => {
                let major = if version % 2 == 0 { 2 } else { 1 };
                let version = u16::from(version / 2) << 8 | major;
                let (code, _) = self.process.wsa_startup(version);
                self.note(code);
            }
            Operation::WsaCleanup {} => {
                let done = self.process.wsa_cleanup();
                self.ended(&done);
            }
            Operation::WsaSocket { kind } => self.socket(kind),
            Operation::WsaAnySocket { family, kind, protocol, flags } => {
                if self.held.sockets.len() < HANDLES {
                    let (family, kind) = (i32::from(family), i32::from(kind));
                    let made = self.process.wsa_socket(
                        family,
                        kind,
                        i32::from(protocol),
                        u32::from(flags),
                    );
                    self.ended(&made);
                    self.held.sockets.extend(made);
                }
            }
            Operation::WsaBind { socket, address: place, local } => {
                let s = pick(&self.held.sockets, socket)?;
                let name = socket_address(address(place), local_port(local));
                let done = self.process.bind_to(s, name);
                self.ended(&done);
            }
            Operation::WsaListen { socket, backlog } => {
                let s = pick(&self.held.sockets, socket)?;
                let done = self.process.listen(s, backlog.into());
                self.ended(&done);
            }
            Operation::WsaAccept { socket, condition } => self.accept(socket, condition)?,
            Operation::WsaConnect { socket, to, port } => {
                let s = pick(&self.held.sockets, socket)?;
                let name = socket_address(address(to), 80 + u16::from(port));
                let done = self.process.connect_to(s, name);
                self.ended(&done);
                if done.is_ok() || done == Err(Error::WSAEWOULDBLOCK) {
                    self.readers.remove(&Reader::Winsock(s));
                    self.forget_stream(s);
                }
            }
            Operation::WsaConnectName { socket, len, ref name } => {
                let s = pick(&self.held.sockets, socket)?;
                let done = self.process.connect(s, name[..].into(), len.into());
                self.ended(&done);
                if done.is_ok() || done == Err(Error::WSAEWOULDBLOCK) {
                    self.readers.remove(&Reader::Winsock(s));
                    self.forget_stream(s);
                }
            }
            Operation::WsaSend { socket, len, flags } => {
                let s = pick(&self.held.sockets, socket)?;
                let tuple = self.names(s);
                let data = self.stream(tuple, len);
                let sent = self.process.send(s, data[..].into(), flags.into());
                self.sent(tuple, &sent);
            }
            Operation::WsaSendTo { socket, to, port, len, flags } => {
                let s = pick(&self.held.sockets, socket)?;
                let name = wsa::sockaddr(socket_address(address(to), 6000 + u16::from(port)));
                let tuple = self.names(s);
                let data = self.stream(tuple, len);
                let sent = self.process.sendto(
                    s,
                    data[..].into(),
                    flags.into(),
                    name.memory(),
                    name.len(),
                );
                self.sent(tuple, &sent);
            }
            Operation::WsaRecv { socket, len, flags } => {
                let s = pick(&self.held.sockets, socket)?;
                self.begin_socket(s);
                let mut buffer = vec![0; len.into()];
                let got = self.process.recv(s, (&mut buffer[..]).into(), flags.into());
                self.ended(&got);
                self.received(s, &buffer, got.unwrap_or(0), flags);
            }
            Operation::WsaRecvFrom { socket, len, flags, room } => {
                let s = pick(&self.held.sockets, socket)?;
                self.begin_socket(s);
                let (mut buffer, mut name) = (vec![0; len.into()], vec![0; room.into()]);
                let mut namelen = i32::from(room);
                let got = self.process.recvfrom(
                    s,
                    (&mut buffer[..]).into(),
                    flags.into(),
                    (&mut name[..]).into(),
                    Some(&mut namelen),
                );
                self.ended(&got);
                self.received(s, &buffer, got.unwrap_or(0), flags);
            }
            Operation::WsaShutdown { socket, how } => {
                let s = pick(&self.held.sockets, socket)?;
                let done = self.process.shutdown(s, how.into());
                self.ended(&done);
            }
            Operation::WsaClose { socket } => {
                let s = pick(&self.held.sockets, socket)?;
                let done = self.process.closesocket(s);
                self.ended(&done);
            }
            Operation::WsaSetOption { socket, level, option, ref value } => {
                let s = pick(&self.held.sockets, socket)?;
                let level = LEVELS[usize::from(level) % LEVELS.len()];
                let len = value.len() as i32;
                let done = self.process.setsockopt(s, level, signed(option), value[..].into(), len);
                self.ended(&done);
            }
            Operation::WsaOption { socket, level, option, room } => {
                let s = pick(&self.held.sockets, socket)?;
                let level = LEVELS[usize::from(level) % LEVELS.len()];
                let (mut value, mut len) = (vec![0; room.into()], i32::from(room));
                let value = MemoryMut::from(&mut value[..]);
                let done = self.process.getsockopt(s, level, signed(option), value, Some(&mut len));
                self.ended(&done);
            }
            Operation::WsaIoctlSocket { socket, command, mut argument } => {
                let s = pick(&self.held.sockets, socket)?;
                let command = match command {
                    0 => FIONBIO,
                    1 => FIONREAD,
                    2 => SIOCATMARK,
                    other => other.into(),
                };
                let done = self.process.ioctlsocket(s, command, Arg::Value(&mut argument));
                self.ended(&done);
            }
            Operation::WsaIoctl { socket, code, ref input, room } => {
                let s = pick(&self.held.sockets, socket)?;
                let (mut output, mut returned) = (vec![0; room.into()], 0);
                let done = self.process.wsa_ioctl(
                    s,
                    code,
                    input[..].into(),
                    input.len() as u32,
                    MemoryMut::from(&mut output[..]),
                    room.into(),
                    Some(&mut returned),
                );
                self.ended(&done);
            }
            Operation::WsaSelect { sets, timeout } => self.select(sets, timeout),
            Operation::WsaNames { socket, room } => {
                let s = pick(&self.held.sockets, socket)?;
                let (mut name, mut len) = (vec![0; room.into()], i32::from(room));
                let memory = MemoryMut::from(&mut name[..]);
                let done = self.process.getsockname(s, memory, Some(&mut len));
                self.ended(&done);
                let memory = MemoryMut::from(&mut name[..]);
                let done = self.process.getpeername(s, memory, Some(&mut len));
                self.ended(&done);
                self.note((name, self.process.cause(s).is_some()));
            }
            Operation::WsaSendList { socket, first, second, flags } => {
                let s = pick(&self.held.sockets, socket)?;
                let tuple = self.names(s);
                let data = self.stream(tuple, first.saturating_add(second));
                let (first, second) = data.split_at(first.into());
                let list = [WsaBuf::new(first), WsaBuf::new(second)];
                let mut taken = 0;
                let sent =
                    self.process.wsa_send(s, Arg::Value(&list), Some(&mut taken), flags.into());
                self.sent(tuple, &sent.map(|()| taken as usize));
            }
            Operation::WsaRecvList { socket, first, second, flags } => {
                let s = pick(&self.held.sockets, socket)?;
                self.begin_socket(s);
                let mut buffer = vec![0; usize::from(first) + usize::from(second)];
                let (head, tail) = buffer.split_at_mut(first.into());
                let mut list = [WsaBufMut::new(head), WsaBufMut::new(tail)];
                let (mut len, mut said) = (0, i32::from(flags));
                let list = Arg::Value(&mut list[..]);
                let got = self.process.wsa_recv(s, list, Some(&mut len), Some(&mut said));
                self.ended(&got);
                let len = got.map_or(0, |()| len as usize);
                self.received(s, &buffer, len, flags);
            }
            Operation::WsaSendMsg { socket, to, port, len, ref control } => {
                let s = pick(&self.held.sockets, socket)?;
                let name = wsa::sockaddr(socket_address(address(to), 6000 + u16::from(port)));
                let data = vec![7; len.into()];
                let message = WsaMsg {
                    name: name.memory(),
                    namelen: name.len(),
                    buffers: Arg::Value(&[WsaBuf::new(&data)]),
                    control: WsaBuf::new(control),
                };
                let mut sent = 0;
                let done = self.process.wsa_send_msg(s, Arg::Value(&message), 0, Some(&mut sent));
                self.ended(&done);
            }
            Operation::WsaRecvMsg { socket, len, control, flags } => {
                let s = pick(&self.held.sockets, socket)?;
                let (mut buffer, mut name) = (vec![0; len.into()], [0; 28]);
                let mut told = vec![0; control.into()];
                let mut list = [WsaBufMut::new(&mut buffer)];
                let mut message = WsaMsgMut {
                    name: (&mut name).into(),
                    namelen: 28,
                    buffers: Arg::Value(&mut list),
                    control: WsaBufMut::new(&mut told),
                    flags: flags.into(),
                };
                let mut got = 0;
                let done = self.process.wsa_recv_msg(s, Arg::Value(&mut message), Some(&mut got));
                self.ended(&done);
                self.note((got, buffer, told));
            }
            _ => return None,
        }
        Some(())
    }

    /// A call has ended: its code is the last error, and part of the digest.
    pub(super) fn ended<T>(&mut self, outcome: &wsa::Result<T>) {
        let code = outcome.as_ref().err().map_or(0, |error| error.code());
        assert_eq!(self.process.wsa_get_last_error(), code, "the last error is this call's");
        *self.report.codes.entry(code).or_default() += 1;
        self.note(code);
    }

    fn socket(&mut self, kind: u8) {
        if self.held.sockets.len() >= HANDLES {
            return;
        }
        let family = if kind & 1 == 0 { AF_INET } else { AF_INET6 };
        let type_ = if kind & 2 == 0 { SOCK_STREAM } else { SOCK_DGRAM };
        let made = self.process.socket(family, type_, 0);
        self.ended(&made);
        if let Ok(s) = made {
            if kind & 4 == 0 {
                let done = self.process.set_nonblocking(s, true);
                self.ended(&done);
            }
            self.held.sockets.push(s);
        }
    }

    fn accept(&mut self, socket: u8, condition: u8) -> Option<()> {
        let s = pick(&self.held.sockets, socket)?;
        let mut answer = |_: &wsa::Caller| i32::from(condition);
        let condition: Option<&mut dyn FnMut(&wsa::Caller) -> i32> =
            if condition < 4 { Some(&mut answer) } else { None };
        let accepted = self.process.wsa_accept(s, MemoryMut::Null, None, condition);
        self.ended(&accepted);
        let accepted = accepted.ok()?;
        self.report.accepted += 1;
        self.held.sockets.push(accepted);
        self.begin_socket(accepted);
        Some(())
    }

    fn select(&mut self, sets: u8, timeout: u8) {
        let handles = || self.held.sockets.clone();
        let (mut read, mut write, mut except) = (handles(), handles(), handles());
        let mut read = FdSet::of(&mut read);
        let mut write = FdSet::of(&mut write);
        let mut except = FdSet::of(&mut except);
        let timeout = (timeout != 255).then(|| Duration::from_millis(10 * u64::from(timeout)));
        let ready = self.process.select(
            (sets & 1 != 0).then_some(&mut read),
            (sets & 2 != 0).then_some(&mut write),
            (sets & 4 != 0).then_some(&mut except),
            timeout,
        );
        self.ended(&ready);
        self.note(ready.unwrap_or(0));
    }

    /// The two ends of a connected stream.
    fn names(&self, s: SocketHandle) -> Option<Tuple> {
        let local = self.process.local_name(s).ok()?.endpoint();
        Some((local, self.process.peer_name(s).ok()?.endpoint()))
    }

    fn forget_stream(&mut self, s: SocketHandle) {
        if let Some(tuple) = self.names(s) {
            self.script.wire.borrow_mut().streams.remove(&tuple);
        }
    }

    fn begin_socket(&mut self, s: SocketHandle) {
        let reader = Reader::Winsock(s);
        if !self.readers.contains_key(&reader)
            && let Some(tuple) = self.names(s)
        {
            self.begin_reading(reader, tuple);
        }
    }

    fn sent(&mut self, tuple: Option<Tuple>, sent: &wsa::Result<usize>) {
        self.ended(sent);
        // What a call that was given up has sent before, only the peer knows.
        let taken = match sent {
            Ok(taken) => Some(*taken),
            Err(Error::WSAEINTR | Error::WSAETIMEDOUT) => None,
            Err(_) => Some(0),
        };
        self.streamed(tuple, taken);
    }

    fn received(&mut self, s: SocketHandle, buffer: &[u8], len: usize, flags: u8) {
        let stream = self.process.option(s, 0xffff, 0x1008) == Ok(SOCK_STREAM as u32);
        let loopback = self
            .names(s)
            .is_some_and(|(_, remote)| self.stack(|stack, _| stack.is_own_address(remote.addr)));
        if stream && !loopback {
            self.check_received(Reader::Winsock(s), &buffer[..len], flags & 2 != 0);
        } else {
            self.note((len, &buffer[..len]));
        }
    }
}

/// Options are ints, and some of them negative.
fn signed(option: u16) -> i32 {
    i32::from(option as i16)
}
