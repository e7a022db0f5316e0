//! The option values of a socket, and how they travel between the caller's memory and here.

use tapsock_stack::config::SynTiming;
use tapsock_stack::tcp::{Acknowledge, KeepAlive, ListenerOptions, TcpOptions};
use tapsock_stack::time::Duration;
use tapsock_stack::udp::{UdpChecksum, UdpOptions};

use super::ip::IpOptions;
use super::mtu::PathMtu;
use crate::error::{Error, Result};
use crate::memory::{Memory, MemoryMut};
use crate::socket::usual::Common;

/// The option values of one socket.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Options {
    pub(crate) reuse: bool,
    pub(crate) exclusive: bool,
    pub(crate) keep_alive: bool,
    pub(crate) broadcast: bool,
    pub(crate) oob_inline: bool,
    pub(crate) dont_route: bool,
    pub(crate) debug: bool,
    pub(crate) conditional_accept: bool,
    pub(crate) overlapped: bool,
    /// Seconds, where SO_LINGER is on.
    pub(crate) linger: Option<u16>,
    /// Bytes.
    pub(crate) send_buffer: u32,
    /// Bytes.
    pub(crate) receive_buffer: u32,
    /// Whether the caller has set it. Otherwise a connection has a ring of the stack's own size, as
    /// on Windows, where the window grows beyond what SO_RCVBUF says.
    pub(crate) receive_buffer_given: bool,
    /// Milliseconds, 0 for no limit.
    pub(crate) send_timeout: u32,
    /// Milliseconds, 0 for no limit.
    pub(crate) receive_timeout: u32,
    pub(crate) no_delay: bool,
    pub(crate) probing: Probing,
    /// TCP_NOSYNRETRIES.
    pub(crate) no_syn_retries: bool,
    /// SIO_TCP_SET_ACK_FREQUENCY.
    pub(crate) acknowledge: Acknowledge,
    /// Taken as said: ephemeral ports are unpredictable with it and without it.
    pub(crate) randomize_port: bool,
    /// Taken as said: an ephemeral port belongs to its address alone with it and without it.
    pub(crate) port_scalability: bool,
    /// UDP_NOCHECKSUM.
    pub(crate) unchecked: bool,
    pub(crate) max_rt: MaxRt,
    pub(crate) fail_on_icmp: bool,
    pub(crate) hop_limit: Option<u8>,
    pub(crate) ip: IpOptions,
    pub(crate) v6_only: bool,
    pub(crate) path_mtu: PathMtu,
    pub(crate) initial_rto: InitialRto,
    pub(crate) udp_conn_reset: bool,
    pub(crate) udp_net_reset: bool,
}

/// What SO_KEEPALIVE does when it is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Probing {
    /// Milliseconds of silence before the first probe.
    pub(crate) idle: u64,
    /// Milliseconds between probes.
    pub(crate) interval: u64,
    pub(crate) count: u8,
}

impl Probing {
    const DEFAULT: Self = {
        let KeepAlive { idle, interval, count } = KeepAlive::DEFAULT;
        Self { idle: idle.total_millis(), interval: interval.total_millis(), count }
    };
}

/// TCP_MAXRT and TCP_MAXRTMS, one value in two units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum MaxRt {
    /// Not set: the schedule and the number of retries decide.
    #[default]
    Default,
    /// Milliseconds in all.
    Millis(u32),
    /// Never give up.
    Forever,
}

/// SIO_TCP_INITIAL_RTO.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct InitialRto {
    /// A third of the first step, in milliseconds.
    pub(crate) rtt: Option<u16>,
    /// How many times a SYN is repeated.
    pub(crate) retries: Option<u8>,
}

impl Common for Options {
    const COMMON: &'static Self = &Self {
        reuse: false,
        exclusive: false,
        keep_alive: false,
        broadcast: false,
        oob_inline: false,
        dont_route: false,
        debug: false,
        conditional_accept: false,
        overlapped: false,
        linger: None,
        send_buffer: SEND_BUFFER,
        receive_buffer: 65536,
        receive_buffer_given: false,
        send_timeout: 0,
        receive_timeout: 0,
        no_delay: false,
        probing: Probing::DEFAULT,
        no_syn_retries: false,
        acknowledge: Acknowledge::Delayed,
        randomize_port: false,
        port_scalability: false,
        unchecked: false,
        max_rt: MaxRt::Default,
        fail_on_icmp: false,
        hop_limit: None,
        ip: IpOptions::DEFAULT,
        v6_only: true,
        path_mtu: PathMtu::DEFAULT,
        initial_rto: InitialRto { rtt: None, retries: None },
        udp_conn_reset: true,
        udp_net_reset: true,
    };
}

impl Options {
    /// How an established connection shall behave.
    pub(crate) fn for_connection(&self) -> TcpOptions {
        TcpOptions {
            nodelay: self.no_delay,
            keep_alive: self.keep_alive.then(|| KeepAlive {
                idle: Duration::from_millis(self.probing.idle),
                interval: Duration::from_millis(self.probing.interval),
                count: self.probing.count,
            }),
            acknowledge: self.acknowledge,
            max_rt: match self.max_rt {
                MaxRt::Default => None,
                MaxRt::Millis(millis) => Some(Duration::from_millis(u64::from(millis))),
                MaxRt::Forever => Some(Duration::MAX),
            },
            hop_limit: self.hop_limit,
            traffic_class: self.ip.traffic_class,
        }
    }

    /// How a datagram socket shall send.
    pub(crate) fn for_datagrams(&self) -> UdpOptions {
        UdpOptions {
            hop_limit: self.hop_limit_or_default(),
            multicast_hop_limit: self.ip.multicast_hop_limit,
            traffic_class: self.ip.traffic_class,
            multicast_source: self.ip.multicast_source(),
            multicast_loop: self.ip.multicast_loop,
            broadcasts: self.ip.receive_broadcast,
            refusals: self.udp_conn_reset,
            failures: self.udp_net_reset,
            checksum: self.checksum(),
            fragmentation: self.path_mtu.fragmentation(),
        }
    }

    /// The SYN schedule of an attempt, where the socket changes the stack's own.
    ///
    /// A number of repetitions that was asked for is also the end of the attempt: the default
    /// limit on the whole goes with the default number.
    pub(crate) fn syn_timing(&self, default: SynTiming) -> Option<SynTiming> {
        let mut timing = default;
        if let Some(rtt) = self.initial_rto.rtt {
            timing.initial = Duration::from_millis(3 * u64::from(rtt));
        }
        if let Some(retries) = self.initial_rto.retries {
            timing.retries = retries;
            timing.total = None;
        }
        if self.no_syn_retries {
            timing.retries = 0;
            timing.total = None;
        }
        (timing != default).then_some(timing)
    }

    /// Room for received bytes as the stack is asked for it. A number of the caller's is not a
    /// reason to allocate without bound, nor to leave a peer no window at all.
    pub(crate) fn receive_room(&self) -> usize {
        self.receive_buffer.clamp(LEAST_RECEIVE_BUFFER, MOST_RECEIVE_BUFFER) as usize
    }

    /// The ring for bytes that are received, where the caller has said how large.
    pub(crate) fn receive_ring(&self) -> Option<usize> {
        self.receive_buffer_given.then(|| self.receive_room())
    }

    /// The ring for bytes that are sent, where the caller wants more than the stack has anyway.
    /// What a send has beyond the ring is kept beside it, and copied once more.
    pub(crate) fn transmit_room(&self) -> Option<usize> {
        (self.send_buffer > SEND_BUFFER).then(|| self.send_buffer.min(MOST_SEND_BUFFER) as usize)
    }

    /// UDP_NOCHECKSUM as the stack has it.
    fn checksum(&self) -> UdpChecksum {
        if self.unchecked { UdpChecksum::ZeroOverIpv4 } else { UdpChecksum::Always }
    }

    /// What connections get that a listener accepts, from their handshake on.
    pub(crate) fn for_listener(&self) -> ListenerOptions {
        ListenerOptions {
            receive_buffer: self.receive_ring(),
            transmit_buffer: self.transmit_room(),
            options: self.for_connection(),
        }
    }

    /// Time to live or hop limit of what is sent.
    pub(crate) fn hop_limit_or_default(&self) -> u8 {
        self.hop_limit.unwrap_or(DEFAULT_HOP_LIMIT)
    }
}

/// Time to live where no option sets another.
const DEFAULT_HOP_LIMIT: u8 = 64;

/// The smallest receive buffer, in bytes: one segment of the smallest MTU of IPv4 hosts.
const LEAST_RECEIVE_BUFFER: u32 = 536;
/// The largest receive buffer, in bytes.
const MOST_RECEIVE_BUFFER: u32 = 16 << 20;
/// SO_SNDBUF where nobody has set it.
const SEND_BUFFER: u32 = 65_536;
/// The same bound for what is sent.
const MOST_SEND_BUFFER: u32 = 16 << 20;

/// What setsockopt's caller gives: no more of it is looked at than the option takes.
#[derive(Debug, Clone, Copy)]
pub(in crate::socket) struct Given<'m> {
    value: Memory<'m>,
    len: usize,
}

impl<'m> Given<'m> {
    /// # Errors
    /// WSAEFAULT for a negative length and for memory of which nothing can be read.
    pub(super) fn new(value: Memory<'m>, optlen: i32) -> Result<Self> {
        let len = usize::try_from(optlen).map_err(|_| Error::WSAEFAULT)?;
        value.read(len.min(1)).ok_or(Error::WSAEFAULT)?;
        Ok(Self { value, len })
    }

    /// The same of a length that cannot be negative. Nothing is read yet.
    pub(in crate::socket) const fn sized(value: Memory<'m>, len: usize) -> Self {
        Self { value, len }
    }

    /// All of it, unread.
    pub(in crate::socket) const fn memory(self) -> (Memory<'m>, usize) {
        (self.value, self.len)
    }

    /// The first `N` bytes; more may be given.
    pub(in crate::socket) fn bytes<const N: usize>(self) -> Result<[u8; N]> {
        let bytes = if self.len < N { None } else { self.value.read(N) };
        bytes.and_then(|bytes| bytes.try_into().ok()).ok_or(Error::WSAEFAULT)
    }

    /// A 32-bit number.
    pub(in crate::socket) fn number(self) -> Result<u32> {
        Ok(u32::from_ne_bytes(self.bytes()?))
    }

    /// A boolean, which may be shorter than four bytes.
    pub(super) fn flag(self) -> Result<bool> {
        let bytes = if self.len == 0 { None } else { self.value.read(self.len.min(4)) };
        Ok(bytes.ok_or(Error::WSAEFAULT)?.iter().any(|byte| *byte != 0))
    }
}

/// Where getsockopt's caller wants the value.
#[derive(Debug)]
pub(super) struct Wanted<'m> {
    value: MemoryMut<'m>,
    optlen: Option<&'m mut i32>,
}

impl<'m> Wanted<'m> {
    pub(super) fn new(value: MemoryMut<'m>, optlen: Option<&'m mut i32>) -> Self {
        Self { value, optlen }
    }

    /// Writes all of `bytes` and their number.
    pub(super) fn bytes(mut self, bytes: &[u8]) -> Result<()> {
        let optlen = self.optlen.ok_or(Error::WSAEFAULT)?;
        let room = usize::try_from(*optlen).map_err(|_| Error::WSAEFAULT)?;
        if room < bytes.len() {
            return Err(Error::WSAEFAULT);
        }
        self.value.write(bytes.len()).ok_or(Error::WSAEFAULT)?.copy_from_slice(bytes);
        *optlen = bytes.len() as i32;
        Ok(())
    }

    /// Writes a 32-bit number.
    pub(super) fn number(self, number: u32) -> Result<()> {
        self.bytes(&number.to_ne_bytes())
    }

    /// Writes a boolean, of one byte where there is no room for four.
    pub(super) fn flag(self, flag: bool) -> Result<()> {
        match self.optlen.as_deref() {
            Some(1..4) => self.bytes(&[u8::from(flag)]),
            _ => self.number(u32::from(flag)),
        }
    }
}
