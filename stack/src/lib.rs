//! A userspace TCP/UDP stack over smoltcp that says why a connection failed.
//!
//! From the outside in:
//!
//! - [`Stack`] is the one type that callers hold. It takes `now` in every call, never blocks, and
//!   says with [`Stack::poll_at`] when to call [`Stack::poll`] again and with
//!   [`Stack::next_event`] what happened.
//! - [`link`] is where Ethernet frames come from and go to: a TAP device, the cable of a simulated
//!   network, and decorators around any of them. [`sim`] is that network, with a virtual clock.
//! - [`net`] knows Ethernet, neighbors, routes and addresses, lets only sane packets through, puts
//!   fragments together and cuts what a path does not take, and reads ICMP errors.
//! - [`tcp`] and [`udp`] are the sockets: smoltcp's TCP with a handshake timer, a segment stage, a
//!   backlog and TIME-WAIT around it; and UDP with the peer filter where datagrams arrive.
//! - [`event`] says what happened, and [`event::Cause`] why: which packet or which silence.
//! - [`port`], [`timer`], [`table`], [`slab`] and [`storage`] are what the others stand on.
//!
//! A packet comes in through link, Ethernet, sanity check and demultiplexer to the one socket that
//! it is for, and that socket is the only one that smoltcp is asked about: it stands in a socket
//! set of its own. So the cost of a packet does not depend on how many sockets there are.
//!
//! Nothing here reads a clock or a random device: the time and the seed are arguments, and the
//! same calls with the same seed send the same bytes. Without the `std` feature the crate needs no
//! operating system, without `alloc` no heap; [`storage::Storage`] chooses the tables and buffers.
#![no_std]
// Without IPv6 much of what belongs to it is only not called.
#![cfg_attr(
    not(feature = "ipv6"),
    allow(dead_code, unused_imports, unused_mut, unused_variables, unreachable_patterns)
)]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

pub mod config;
mod demux;

pub mod event;
pub mod fault;
mod interface;
pub mod link;
pub mod net;
pub mod port;
pub mod random;
#[cfg(feature = "std")]
pub mod sim;
pub mod slab;
pub mod source;
pub mod stack;
pub mod storage;
pub mod table;
pub mod tcp;
pub mod timer;
pub mod udp;
mod waiting;

pub use stack::{Counters, Progress, SocketRow, Stack};

pub use smoltcp::time;
pub use smoltcp::wire;

/// Marks handles of TCP connections.
#[derive(Debug)]
pub enum TcpKind {}
/// Marks handles of TCP listeners.
#[derive(Debug)]
pub enum ListenerKind {}
/// Marks handles of UDP sockets.
#[derive(Debug)]
pub enum UdpKind {}

/// A TCP connection, or an attempt at one.
pub type TcpId = slab::Id<TcpKind>;
/// A TCP listener.
pub type ListenerId = slab::Id<ListenerKind>;
/// A UDP socket.
pub type UdpId = slab::Id<UdpKind>;
