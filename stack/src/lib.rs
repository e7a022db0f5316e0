//! A userspace TCP/UDP stack that says why a connection failed.
#![no_std]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

pub mod config;
pub mod event;
mod interface;
pub mod link;
pub mod net;
pub mod port;
#[cfg(feature = "std")]
pub mod sim;
pub mod slab;
pub mod stack;
pub mod storage;
pub mod table;
pub mod tcp;
pub mod timer;
pub mod udp;

pub use stack::{Counters, Progress, Stack};

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
