//! Where the reference documentation and observed Windows disagree, and which of them holds.
//!
//! One field for each contradiction. [`Profile::DOCUMENTED`] is the reference page for WSAConnect
//! and its neighbours; [`Profile::WINDOWS`] is what current Windows does.

use tapsock_stack::config::{ConnectPolicy, OnError, OnReset};

use crate::error::Error;

/// What a datagram connect to a broadcast address does while SO_BROADCAST is off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BroadcastConnect {
    /// It fails with WSAEACCES.
    Refused,
    /// It succeeds, and so does send; only sendto is refused.
    Allowed,
}

/// When a stream connect to an address that can be no peer fails (broadcast, multicast, v4-mapped
/// on a socket of IPv6 alone).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnusableAddress {
    /// WSAEADDRNOTAVAIL from the call.
    AtOnce,
    /// A non-blocking call gives WSAEWOULDBLOCK first, then SO_ERROR has the code.
    Later,
}

/// What a datagram disconnect leaves of receiving without an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterDisconnect {
    /// recv and WSARecv are WSAENOTCONN until the next connect; recvfrom works.
    NotConnected,
    /// As on a bound socket that never was connected.
    AsBound,
}

/// What becomes of data that is unread when a stream's receiving direction is shut down, or that
/// comes afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnreadData {
    /// The connection is reset: the data cannot be delivered.
    Resets,
    /// It is acknowledged and kept as far as the receive buffer reaches; nobody can receive it, and
    /// the peer sees nothing.
    Kept,
}

/// When FD_CLOSE is reported while received data is still unread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseEvent {
    /// After the data was read.
    AfterData,
    /// At once.
    AtOnce,
}

/// What WSAPoll does with a handle of -1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PollNegative {
    /// The entry is ignored, revents is 0.
    Ignored,
    /// POLLNVAL.
    Invalid,
}

/// How the contradictions are resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Profile {
    /// A datagram connect to a broadcast address without SO_BROADCAST.
    pub broadcast_connect: BroadcastConnect,
    /// A RST in answer to a SYN: refused at once, or the SYN repeated every 500 ms until its
    /// retries are spent.
    pub on_reset: OnReset,
    /// An ICMP error while connecting: the end of the attempt by the table of codes, or only
    /// remembered, so that the attempt ends with WSAETIMEDOUT.
    pub on_icmp: OnError,
    /// A neighbor that answers neither ARP nor neighbor discovery: WSAEHOSTUNREACH after three
    /// requests, or only remembered.
    pub on_silent_neighbor: OnError,
    /// A stream connect to an address that can be no peer.
    pub unusable_address: UnusableAddress,
    /// The code of FD_CLOSE after the peer's reset: WSAECONNRESET or WSAECONNABORTED.
    pub close_event_after_reset: Error,
    /// FD_CLOSE while received data is unread.
    pub close_event: CloseEvent,
    /// WSAPoll with a handle of -1.
    pub poll_negative: PollNegative,
    /// recv after a datagram disconnect.
    pub after_disconnect: AfterDisconnect,
    /// Data for a stream whose receiving direction is shut down.
    pub unread_after_shutdown: UnreadData,
    /// The link administratively down, or lost, at call time: WSAENETDOWN or WSAEHOSTUNREACH.
    pub link_down: Error,
}

impl Profile {
    /// The reference documentation. The default.
    pub const DOCUMENTED: Self = Self {
        broadcast_connect: BroadcastConnect::Refused,
        on_reset: ConnectPolicy::IMMEDIATE.reset,
        on_icmp: ConnectPolicy::IMMEDIATE.icmp,
        on_silent_neighbor: ConnectPolicy::IMMEDIATE.neighbor,
        unusable_address: UnusableAddress::AtOnce,
        close_event_after_reset: Error::WSAECONNRESET,
        close_event: CloseEvent::AfterData,
        poll_negative: PollNegative::Ignored,
        after_disconnect: AfterDisconnect::NotConnected,
        unread_after_shutdown: UnreadData::Resets,
        link_down: Error::WSAENETDOWN,
    };

    /// Current Windows as observed.
    pub const WINDOWS: Self = Self {
        broadcast_connect: BroadcastConnect::Allowed,
        on_reset: ConnectPolicy::PATIENT.reset,
        on_icmp: ConnectPolicy::PATIENT.icmp,
        on_silent_neighbor: ConnectPolicy::PATIENT.neighbor,
        unusable_address: UnusableAddress::Later,
        close_event_after_reset: Error::WSAECONNABORTED,
        close_event: CloseEvent::AtOnce,
        poll_negative: PollNegative::Invalid,
        after_disconnect: AfterDisconnect::AsBound,
        unread_after_shutdown: UnreadData::Kept,
        link_down: Error::WSAEHOSTUNREACH,
    };

    /// How the stack shall take what it hears while connecting.
    pub const fn connect_policy(&self) -> ConnectPolicy {
        ConnectPolicy {
            reset: self.on_reset,
            icmp: self.on_icmp,
            neighbor: self.on_silent_neighbor,
        }
    }
}

impl Default for Profile {
    fn default() -> Self {
        Self::DOCUMENTED
    }
}
