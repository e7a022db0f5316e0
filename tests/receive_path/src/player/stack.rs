//! Calls of the stack itself.

use tapsock_stack::config::{ConnectPolicy, Route};
use tapsock_stack::port::{BindAddress, Family, Share, Transport};
use tapsock_stack::storage::Storage;
use tapsock_stack::tcp::{Close, Connect, KeepAlive, SendError, Take, TcpOptions};
use tapsock_stack::time::Duration;
use tapsock_stack::udp::Membership;
use tapsock_stack::wire::IpCidr;
use wsa::engine::Engine;

use super::{HANDLES, Player, Reader, pick, place};
use crate::flow::Tuple;
use crate::network::{address, address_like, endpoint};
use crate::operation::Operation;
use crate::wire::{Cable, local_port};

/// The owner of sockets that no process has.
const NOBODY: u32 = u32::MAX;

/// The most bytes that a connection may have queued before a send must wait.
const LIMIT: usize = 100_000;

impl<'a, E, S> Player<'a, E>
where
    S: Storage<'a>,
    E: Engine<'a, Link = Cable, Storage = S>,
{
    /// Does a call of the stack. `None` when there is no such handle, and for other operations.
    pub(super) fn stack_call(&mut self, operation: &Operation) -> Option<()> {
        match *operation {
            Operation::Bind { transport, address, local, share } => {
                self.bind(transport, address, local, share);
            }
            Operation::Unbind { binding } => {
                let binding = pick(&self.held.bindings, binding)?;
                // A binding is given back when its sockets are closed, and not before.
                if self.is_free(binding) {
                    self.stack(|stack, _| stack.unbind(binding));
                }
            }
            Operation::Listen { binding, backlog } => {
                let binding = pick(&self.held.bindings, binding)?;
                let made = self.stack(|stack, _| stack.tcp_listen(binding, backlog.into(), NOBODY));
                self.note(made.is_ok());
                self.held.listeners.extend(made);
            }
            Operation::Connect { from, port, to, remote, how } => {
                self.connect(from, port, to, remote, how);
            }
            Operation::Accept { listener } => {
                let listener = pick(&self.held.listeners, listener)?;
                let accepted = self.stack(|stack, _| stack.tcp_accept(listener, NOBODY));
                self.note(accepted.is_some());
                self.report.accepted += u64::from(accepted.is_some());
                self.held.connections.push(accepted?);
                self.begin(self.held.connections.len() - 1);
            }
            Operation::Reject { listener } => {
                let listener = pick(&self.held.listeners, listener)?;
                self.stack(|stack, now| stack.tcp_reject(now, listener));
            }
            Operation::Backlog { listener, backlog } => {
                let listener = pick(&self.held.listeners, listener)?;
                self.stack(|stack, _| stack.set_backlog(listener, backlog.into()));
            }
            Operation::CloseListener { listener } => {
                let listener = pick(&self.held.listeners, listener)?;
                self.stack(|stack, now| stack.close_listener(now, listener));
            }
            Operation::Send { connection, len } => self.send(connection, len)?,
            Operation::Receive { connection, len, peek } => self.receive(connection, len, peek)?,
            Operation::Shutdown { connection } => {
                let id = pick(&self.held.connections, connection)?;
                self.stack(|stack, now| stack.tcp_shutdown(now, id));
            }
            Operation::Close { connection, how } => {
                let id = pick(&self.held.connections, connection)?;
                let how = [Close::Deliver, Close::Reset, Close::Silent][usize::from(how % 3)];
                self.stack(|stack, now| stack.tcp_close(now, id, how));
            }
            Operation::Set { connection, nodelay, keep_alive, max_rt, hop_limit } => {
                let seconds =
                    |seconds: u8| (seconds != 0).then_some(Duration::from_secs(seconds.into()));
                let options = TcpOptions {
                    nodelay: nodelay % 2 == 1,
                    keep_alive: seconds(keep_alive)
                        .map(|idle| KeepAlive { idle, ..KeepAlive::DEFAULT }),
                    max_rt: seconds(max_rt),
                    hop_limit: Some(hop_limit),
                    ..TcpOptions::default()
                };
                let id = pick(&self.held.connections, connection)?;
                self.stack(|stack, now| stack.tcp_set(now, id, &options));
            }
            Operation::OpenDatagram { binding, room } => {
                let binding = pick(&self.held.bindings, binding)?;
                let room = usize::from(room) * 100;
                let made = self.stack(|stack, _| stack.udp_open(binding, room, NOBODY));
                self.note(made.is_ok());
                self.held.datagrams.extend(made);
            }
            Operation::ConnectDatagram { socket, from, to, port } => {
                let id = pick(&self.held.datagrams, socket)?;
                let remote = endpoint(to, 6000 + u16::from(port));
                let local = address(from);
                let done = self.stack(|stack, _| stack.udp_connect(id, local, remote));
                self.note(done.is_ok());
            }
            Operation::DisconnectDatagram { socket } => {
                let id = pick(&self.held.datagrams, socket)?;
                self.stack(|stack, _| stack.udp_disconnect(id));
            }
            Operation::SendDatagram { socket, to, port, len } => {
                let id = pick(&self.held.datagrams, socket)?;
                let remote = endpoint(to, 6000 + u16::from(port));
                let data = vec![len as u8; len.into()];
                let sent = self.stack(|stack, now| stack.udp_send(now, id, remote, &data));
                self.note(sent.is_ok());
            }
            Operation::ReceiveDatagram { socket, len } => {
                let id = pick(&self.held.datagrams, socket)?;
                let mut buffer = vec![0; len.into()];
                let (received, error) = self.stack(|stack, _| {
                    (stack.udp_recv(id, &mut buffer, Take::Consume), stack.udp_error(id))
                });
                self.note((received.map(|datagram| datagram.len), error.is_some(), buffer));
            }
            Operation::CloseDatagram { socket } => {
                let id = pick(&self.held.datagrams, socket)?;
                self.stack(|stack, _| stack.udp_close(id));
            }
            Operation::Address { address: place, remove } => {
                let own = address(place);
                if remove % 2 == 1 {
                    self.stack(|stack, _| stack.remove_address(own));
                } else {
                    self.script.wire.borrow_mut().own.push(own);
                    let bits = if own.is_unspecified() { 0 } else { 24 };
                    let _ = self.stack(|stack, _| stack.add_address(IpCidr::new(own, bits)));
                }
            }
            Operation::Route { to, bits, gateway, remove } => {
                let to = address(to);
                let most = if Family::of(to) == Family::V4 { 32 } else { 128 };
                let destination = IpCidr::new(to, bits % (most + 1));
                let gateway = Some(address_like(gateway, to));
                self.stack(|stack, _| {
                    if remove % 2 == 1 {
                        stack.remove_route(destination);
                    } else {
                        let _ = stack.add_route(Route { destination, gateway });
                    }
                });
            }
            Operation::Membership { socket, group, change, source } => {
                let id = pick(&self.held.datagrams, socket)?;
                let group = address(group);
                let source = address_like(source, group);
                let change = match change % 6 {
                    0 => Membership::Join,
                    1 => Membership::Leave,
                    2 => Membership::JoinSource(source),
                    3 => Membership::LeaveSource(source),
                    4 => Membership::Block(source),
                    _ => Membership::Unblock(source),
                };
                let done = self.stack(|stack, _| stack.udp_membership(id, group, change));
                self.note(done.is_ok());
            }
            _ => return None,
        }
        Some(())
    }

    /// Whether nothing is open on a binding any more.
    fn is_free(&self, binding: tapsock_stack::port::Binding) -> bool {
        self.stack(|stack, _| {
            let Some((_, port)) = stack.bound(binding) else { return true };
            !stack.netstat().any(|row| row.port == port)
        })
    }

    fn bind(&mut self, transport: u8, place: u8, local: u8, share: u8) {
        let transport = [Transport::Tcp, Transport::Udp][usize::from(transport % 2)];
        let bound = match place {
            240.. => BindAddress::AnyDual,
            230.. => BindAddress::Any(Family::V6),
            220.. => BindAddress::Any(Family::V4),
            place => BindAddress::Address(address(place)),
        };
        let share = [Share::Default, Share::Reuse, Share::Exclusive][usize::from(share % 3)];
        if self.held.bindings.len() < HANDLES {
            let port = local_port(local);
            let held = self.stack(|stack, _| stack.bind(transport, bound, port, share));
            self.note(held.is_ok());
            self.held.bindings.extend(held);
        }
    }

    fn connect(&mut self, from: u8, port: u8, to: u8, remote: u8, how: u8) {
        let remote = endpoint(to, 80 + u16::from(remote));
        let own = address_like(from, remote.addr);
        // The address must be the stack's own.
        if !self.stack(|stack, _| stack.is_own_address(own)) {
            return;
        }
        let local = tapsock_stack::wire::IpEndpoint::new(own, 7000 + u16::from(port));
        let mut request = Connect::new(local, remote);
        if how & 1 != 0 {
            request.policy = ConnectPolicy::PATIENT;
        }
        if how & 2 != 0 {
            request.max_rt = Some(Duration::from_millis(300));
        }
        request.owner = NOBODY;
        let made = self.stack(|stack, now| stack.tcp_connect(now, &request));
        self.note(made.is_ok());
        if let Ok(id) = made {
            self.script.wire.borrow_mut().streams.remove(&(local, remote));
            self.held.connections.push(id);
        }
    }

    fn tuple(&self, place: usize) -> Option<Tuple> {
        let id = *self.held.connections.get(place)?;
        let status = self.stack(|stack, _| stack.tcp(id))?;
        status.connected_at?;
        Some((status.local, status.remote))
    }

    fn begin(&mut self, place: usize) {
        if let Some(tuple) = self.tuple(place) {
            self.begin_reading(Reader::Stack(place), tuple);
        }
    }

    fn send(&mut self, connection: u8, len: u16) -> Option<()> {
        let id = pick(&self.held.connections, connection)?;
        let tuple = place(&self.held.connections, connection).and_then(|place| self.tuple(place));
        let data = self.stream(tuple, len);
        let sent = self.stack(|stack, now| stack.tcp_send(now, id, &data, LIMIT));
        self.note(sent.is_ok());
        match sent {
            Ok(taken) => {
                assert!(taken <= data.len(), "more was taken than was there");
                self.streamed(tuple, Some(taken));
            }
            Err(SendError::TooLong | SendError::NoRoute | SendError::LinkDown) => {
                panic!("a stream has no such error")
            }
            Err(_) => {}
        }
        Some(())
    }

    fn receive(&mut self, connection: u8, len: u16, peek: u8) -> Option<()> {
        let place = place(&self.held.connections, connection)?;
        let id = self.held.connections[place];
        let reader = Reader::Stack(place);
        if !self.readers.contains_key(&reader) {
            self.begin(place);
        }
        let mut buffer = vec![0; len.into()];
        let take = if peek % 2 == 1 { Take::Peek } else { Take::Consume };
        let loopback = self
            .tuple(place)
            .is_some_and(|(_, remote)| self.stack(|stack, _| stack.is_own_address(remote.addr)));
        let received = self.stack(|stack, now| stack.tcp_recv(now, id, &mut buffer, take));
        if let Ok(received) = received
            && !loopback
        {
            self.check_received(reader, &buffer[..received], take == Take::Peek);
        }
        Some(())
    }
}
