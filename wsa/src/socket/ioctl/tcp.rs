//! Ioctls of streams.

use tapsock_stack::link::Link;
use tapsock_stack::storage::Storage;
use tapsock_stack::tcp::{Acknowledge, TcpInfo, TcpState};
use tapsock_stack::time::Duration;

use super::Output;
use crate::constants::*;
use crate::engine::Access;
use crate::error::{Error, Result};
use crate::process::SocketHandle;
use crate::socket::options::{Given, InitialRto, Probing};
use crate::socket::{Socket, State};

/// Size of a TCP_INFO_v0 in bytes.
const TCP_INFO_V0: usize = 88;
/// Size of a TCP_INFO_v1 in bytes.
const TCP_INFO_V1: usize = 136;

impl<'a, L: Link, S: Storage<'a>> Access<'_, 'a, L, S> {
    pub(super) fn tcp_ioctl(
        &mut self,
        s: SocketHandle,
        code: u32,
        input: Given<'_>,
        output: Output<'_>,
    ) -> Result<()> {
        self.settle(s);
        let socket = self.core.socket_mut(s)?;
        match code {
            SIO_KEEPALIVE_VALS => set_keep_alive(socket, input.bytes()?)?,
            SIO_TCP_INITIAL_RTO => {
                let parameters = input.bytes()?;
                if output.len != 0 {
                    return Err(Error::WSAEINVAL);
                }
                set_initial_rto(socket, parameters)?;
            }
            SIO_LOOPBACK_FAST_PATH => {
                input.number()?;
                if socket.state != State::Idle {
                    return Err(Error::WSAEINVAL);
                }
            }
            SIO_TCP_SET_ACK_FREQUENCY => {
                let [count] = input.bytes()?;
                socket.options.acknowledge = match count {
                    1 => Acknowledge::AtOnce,
                    2 => Acknowledge::Delayed,
                    _ => return Err(Error::WSAEINVAL),
                };
            }
            _ => return self.tcp_info(s, input, output),
        }
        self.apply_options(s)?;
        output.nothing();
        Ok(())
    }

    fn tcp_info(&self, s: SocketHandle, version: Given<'_>, output: Output<'_>) -> Result<()> {
        let version = version.number()?;
        let info = match self.core.socket(s)?.state {
            State::Connecting(id, _) | State::Connected(id) => {
                self.stack.tcp_info(id).map(Known::Connection)
            }
            State::Listening(_) => Some(Known::Listener),
            State::Idle | State::Datagram(_) => None,
        };
        let age = match info {
            Some(Known::Connection(TcpInfo { connected_at: Some(at), .. })) if self.now > at => {
                self.now - at
            }
            _ => Duration::ZERO,
        };
        let encoded = encode(info.as_ref(), age);
        match version {
            0 => output.bytes(&encoded[..TCP_INFO_V0]),
            1 => output.bytes(&encoded),
            _ => Err(Error::WSAEINVAL),
        }
    }
}

enum Known {
    Listener,
    Connection(TcpInfo),
}

/// A TCP_INFO_v1, of which TCP_INFO_v0 is the beginning. 0 stands for what is not known: whether
/// there are time stamps (there are none), the congestion window, and what limited the sender.
///
/// State at 0, Mss at 4, ConnectionTimeMs at 8, TimestampsEnabled at 16, RttUs at 20, MinRttUs at
/// 24, BytesInFlight at 28, Cwnd at 32, SndWnd at 36, RcvWnd at 40, RcvBuf at 44, BytesOut at 48,
/// BytesIn at 56, BytesReordered at 64, BytesRetrans at 68, FastRetrans at 72, DupAcksIn at 76,
/// TimeoutEpisodes at 80, SynRetrans at 84, then what version 1 adds.
fn encode(known: Option<&Known>, age: Duration) -> [u8; TCP_INFO_V1] {
    let mut encoded = [0; TCP_INFO_V1];
    let mut put = |at: usize, bytes: &[u8]| encoded[at..at + bytes.len()].copy_from_slice(bytes);
    let info = match known {
        None => return encoded,
        Some(Known::Listener) => {
            put(0, &state_number(TcpState::Listen).to_ne_bytes());
            return encoded;
        }
        Some(Known::Connection(info)) => info,
    };
    let micros = |time: Option<Duration>| clamp(time.map_or(0, |time| time.total_micros()));
    put(0, &state_number(info.state).to_ne_bytes());
    put(4, &u32::from(info.mss).to_ne_bytes());
    put(8, &age.total_millis().to_ne_bytes());
    put(20, &micros(info.rtt));
    put(24, &micros(info.min_rtt));
    put(28, &clamp(info.bytes_in_flight as u64));
    put(36, &clamp(info.send_window as u64));
    put(40, &clamp(info.receive_window as u64));
    put(44, &clamp(info.receive_buffer as u64));
    put(48, &info.bytes_out.to_ne_bytes());
    put(56, &info.bytes_in.to_ne_bytes());
    put(64, &clamp(info.bytes_reordered));
    put(68, &clamp(info.bytes_retransmitted));
    put(72, &info.fast_retransmits.to_ne_bytes());
    put(76, &info.duplicate_acks.to_ne_bytes());
    put(80, &info.timeout_episodes.to_ne_bytes());
    put(84, &[u8::try_from(info.syn_retransmits).unwrap_or(u8::MAX)]);
    encoded
}

/// The number in a field of 32 bits, or the largest that fits.
fn clamp(number: u64) -> [u8; 4] {
    u32::try_from(number).unwrap_or(u32::MAX).to_ne_bytes()
}

/// TCPSTATE.
fn state_number(state: TcpState) -> u32 {
    match state {
        TcpState::Closed => 0,
        TcpState::Listen => 1,
        TcpState::SynSent => 2,
        TcpState::SynReceived => 3,
        TcpState::Established => 4,
        TcpState::FinWait1 => 5,
        TcpState::FinWait2 => 6,
        TcpState::CloseWait => 7,
        TcpState::Closing => 8,
        TcpState::LastAck => 9,
        TcpState::TimeWait => 10,
    }
}

/// tcp_keepalive: a switch, the idle time and the interval in milliseconds, 32 bits each. The
/// times count only where it switches on.
fn set_keep_alive(socket: &mut Socket, values: [u8; 12]) -> Result<()> {
    let [switch, idle, interval] = [0, 4, 8].map(|at| {
        let [a, b, c, d] = [values[at], values[at + 1], values[at + 2], values[at + 3]];
        u32::from_ne_bytes([a, b, c, d])
    });
    let options = &mut socket.options;
    if switch != 0 {
        if idle == 0 || interval == 0 {
            return Err(Error::WSAEINVAL);
        }
        let (idle, interval) = (u64::from(idle), u64::from(interval));
        options.probing = Probing { idle, interval, ..options.probing };
    }
    options.keep_alive = switch != 0;
    Ok(())
}

/// TCP_INITIAL_RTO_PARAMETERS: a third of the first step in milliseconds as 16 bits, the number
/// of repetitions as 8 bits, a byte of padding.
fn set_initial_rto(socket: &mut Socket, parameters: [u8; 4]) -> Result<()> {
    if socket.state != State::Idle {
        return Err(Error::WSAEINVAL);
    }
    let [low, high, retries, _] = parameters;
    let rtt = match u16::from_ne_bytes([low, high]) {
        TCP_INITIAL_RTO_DEFAULT_RTT | TCP_INITIAL_RTO_UNSPECIFIED_RTT => None,
        rtt => Some(rtt),
    };
    let retries = match retries {
        TCP_INITIAL_RTO_DEFAULT_MAX_SYN_RETRANSMISSIONS
        | TCP_INITIAL_RTO_UNSPECIFIED_MAX_SYN_RETRANSMISSIONS => None,
        TCP_INITIAL_RTO_NO_SYN_RETRANSMISSIONS => Some(0),
        retries => Some(retries),
    };
    socket.options.initial_rto = InitialRto { rtt, retries };
    Ok(())
}
