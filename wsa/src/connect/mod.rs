//! connect and WSAConnect.
//!
//! A call goes through three stages. The [`ladder`] looks at its arguments and at the socket and
//! changes nothing. Then a way to the peer is reserved: route, source address, port; when that
//! fails nothing stays bound. Then a datagram socket is associated at once, and for a stream the
//! handshake is launched, which a blocking call waits for.

mod datagram;
mod ladder;
mod reserve;

pub(crate) use reserve::share_of;

use tapsock_stack::config::OnError;
use tapsock_stack::link::Link;
use tapsock_stack::storage::Storage;
use tapsock_stack::tcp::{Close, Connect};

use self::ladder::{Question, Step};
use crate::address::SockAddr;
use crate::engine::{Access, Engine};
use crate::error::{Error, Result};
use crate::memory::{Arg, Memory, WsaBuf, WsaBufMut};
use crate::process::{Cue, Fault, Process, SocketHandle, Turn};
use crate::qos::Qos;
use crate::socket::{Awaited, State, Usual};

/// The arguments of a connect, as the caller gave them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arguments<'m> {
    pub(crate) s: SocketHandle,
    pub(crate) name: Memory<'m>,
    pub(crate) namelen: i32,
    pub(crate) caller_data: Arg<WsaBuf<'m>>,
    /// Whether the callee data argument leads to where bytes can be written.
    pub(crate) callee_data_is_writable: bool,
    pub(crate) sqos: Arg<Qos<'m>>,
    pub(crate) gqos_is_null: bool,
}

/// How a call that was not refused goes on.
enum Begun {
    /// It has succeeded.
    Finished,
    /// A non-blocking attempt is under way.
    Launched,
    /// A blocking one is.
    Awaited,
}

impl<'a, E: Engine<'a>> Process<'a, E> {
    /// connect: WSAConnect without data and quality of service.
    ///
    /// # Errors
    /// As [`Process::wsa_connect`].
    pub fn connect(&self, s: SocketHandle, name: Memory<'_>, namelen: i32) -> Result<()> {
        self.wsa_connect(s, name, namelen, Arg::Null, Arg::Null, Arg::Null, Arg::Null)
    }

    /// connect to an address as a Rust value.
    ///
    /// # Errors
    /// As [`Process::wsa_connect`].
    pub fn connect_to(&self, s: SocketHandle, address: impl Into<SockAddr>) -> Result<()> {
        let name = address.into().encode();
        self.connect(s, name.memory(), name.len())
    }

    /// WSAConnect: connects a stream, or gives a datagram socket its peer, or takes it away again
    /// (an all-zero name).
    ///
    /// TCP carries no data with its handshake: `callee_data` gets the length 0 when the call
    /// returns success or WSAEWOULDBLOCK, or when the attempt fails on the wire, and is left
    /// alone when an argument is refused. No argument is kept past the call.
    ///
    /// # Errors
    /// In this order, each without any effect on the socket:
    /// WSANOTINITIALISED; WSAEINPROGRESS inside a blocking call of a 1.1 process or inside a
    /// callback; WSAENOTSOCK; WSAEFAULT for the name, the data and the quality of service;
    /// WSAEINVAL for a group's quality of service and for a listener; WSAEALREADY (WSAEINVAL in a
    /// 1.1 process) while an attempt is under way; WSAEISCONN; WSAEAFNOSUPPORT; WSAEADDRNOTAVAIL;
    /// WSAEACCES for a broadcast address without SO_BROADCAST; WSAEOPNOTSUPP for a quality of
    /// service that cannot be had; WSAEPROTONOSUPPORT for caller data; then WSAENETUNREACH,
    /// WSAENETDOWN, WSAEADDRINUSE, WSAEACCES or WSAENOBUFS when there is no way or no port.
    ///
    /// After that WSAEWOULDBLOCK on a non-blocking stream, or what the wire said: WSAECONNREFUSED,
    /// WSAETIMEDOUT, WSAENETUNREACH, WSAEHOSTUNREACH; or WSAEINTR. Every failure may be retried
    /// on the same socket.
    #[allow(clippy::too_many_arguments)]
    pub fn wsa_connect(
        &self,
        s: SocketHandle,
        name: Memory<'_>,
        namelen: i32,
        caller_data: Arg<WsaBuf<'_>>,
        callee_data: Arg<&mut WsaBufMut<'_>>,
        sqos: Arg<Qos<'_>>,
        gqos: Arg<Qos<'_>>,
    ) -> Result<()> {
        let arguments = Arguments {
            s,
            name,
            namelen,
            caller_data,
            callee_data_is_writable: match &callee_data {
                Arg::Null => true,
                Arg::Unreadable => false,
                Arg::Value(data) => data.is_writable(),
            },
            sqos,
            gqos_is_null: gqos.is_null(),
        };
        let thread = self.thread();
        let interest = [s.index().unwrap_or(u32::MAX)];
        let mut launched = false;
        let mut answered = false;
        let outcome = self.block_unadmitted(&interest, |access, cue| {
            if launched {
                return access.attempt_outcome(s, cue);
            }
            match access.begin_connect(thread, &arguments) {
                Ok(Begun::Finished) => {
                    answered = true;
                    Turn::Done(Ok(()))
                }
                Ok(Begun::Launched) => {
                    answered = true;
                    Turn::fail(Error::WSAEWOULDBLOCK)
                }
                Ok(Begun::Awaited) => {
                    launched = true;
                    answered = true;
                    access.attempt_outcome(s, cue)
                }
                Err(fault) => {
                    if fault.error == Error::WSAEALREADY {
                        // Who asks once more waits for the answer.
                        access.core.ask();
                    }
                    Turn::Done(Err(fault))
                }
            }
        });
        if answered && let Arg::Value(data) = callee_data {
            data.len = 0;
        }
        outcome
    }
}

impl<'a, L: Link, S: Storage<'a>> Access<'_, 'a, L, S> {
    fn begin_connect(&mut self, thread: u64, arguments: &Arguments<'_>) -> Result<Begun, Fault> {
        // What has happened meanwhile is not an effect of this call.
        self.settle(arguments.s);
        let question = Question { core: &*self.core, stack: &*self.stack, thread, arguments };
        match ladder::climb(&question)? {
            Step::Disconnect => {
                self.disconnect_datagram(arguments.s)?;
                Ok(Begun::Finished)
            }
            Step::Associate(peer) => {
                self.connect_datagram(arguments.s, peer)?;
                Ok(Begun::Finished)
            }
            Step::Launch(peer) => self.launch(arguments.s, peer),
            Step::FailLater(error) => {
                let s = arguments.s;
                let socket = self.core.socket_mut(s)?;
                socket.forget_icmp();
                socket.record.restart();
                self.fail_attempt(s, error.into(), Awaited::Later);
                self.touch(s);
                Ok(Begun::Launched)
            }
        }
    }

    /// The handshake begins. On failure the socket is as it was before.
    fn launch(&mut self, s: SocketHandle, peer: SockAddr) -> Result<Begun, Fault> {
        let remote = peer.endpoint();
        let reserved = self.reserve_stream(s, remote)?;
        let profile = self.core.profile;
        let default_timing = self.stack.config().syn;
        let socket = self.core.socket(s)?;
        let options = &socket.options;
        let mut policy = profile.connect_policy();
        if options.fail_on_icmp {
            policy.icmp = OnError::Fail;
        }
        let established = options.for_connection();
        let request = Connect {
            local: reserved.local,
            remote,
            syn: options.syn_timing(default_timing),
            policy,
            max_rt: established.max_rt,
            flow_label: peer.flow_label(),
            hop_limit: established.hop_limit,
            traffic_class: established.traffic_class,
            receive_buffer: options.receive_ring(),
            transmit_buffer: options.transmit_room(),
            owner: s.index().unwrap_or(u32::MAX),
        };
        let id = match self.stack.tcp_connect(self.now, &request) {
            Ok(id) => id,
            Err(error) => {
                self.give_back(s, reserved);
                return Err(self.open_fault(error, remote.addr));
            }
        };
        self.keep(s, reserved);
        let socket = self.core.socket_mut(s)?;
        let awaited = if socket.nonblocking { Awaited::Later } else { Awaited::ByCall };
        socket.state = State::Connecting(id, awaited);
        socket.peer = Some(peer);
        socket.outcome = Usual::default();
        socket.forget_icmp();
        socket.record.restart();
        Ok(match awaited {
            Awaited::Later => Begun::Launched,
            Awaited::ByCall => Begun::Awaited,
        })
    }

    /// What has become of the attempt that a call waits for.
    fn attempt_outcome(&mut self, s: SocketHandle, cue: Cue) -> Turn<()> {
        self.settle(s);
        // closesocket on another thread takes the socket away.
        let Ok(socket) = self.core.socket_mut(s) else { return Turn::fail(Error::WSAEINTR) };
        if let Some(outcome) = *core::mem::take(&mut socket.outcome) {
            return Turn::Done(outcome);
        }
        let State::Connecting(id, _) = socket.state else { return Turn::fail(Error::WSAEINTR) };
        if let Cue::GiveUp(error) = cue {
            self.stack.tcp_close(self.now, id, Close::Silent);
            self.fail_attempt(s, error.into(), Awaited::ByCall);
            return Turn::fail(error);
        }
        Turn::Wait(None)
    }
}
