//! Winsock 2 over a userspace TCP/UDP stack.
//!
//! A program calls [`Process::wsa_connect`] and gets exactly the documented result *because of
//! what happened on the wire*: a RST becomes WSAECONNREFUSED, an ICMP error WSAEHOSTUNREACH,
//! silence WSAETIMEDOUT, and every failure keeps the packet, or the silence, that caused it.
//!
//! From the outside in:
//!
//! - [`Process`] is one Winsock process, a value: startup count, versions, handles, profile. Its
//!   methods carry Winsock's own names. Any number of them live in one program.
//! - `start` (with `std`) makes a process on a TAP device or on loopback;
//!   `engine::stepped::Simulated` makes one on a host of a simulated network.
//! - [`engine`] says who advances the stack while a call waits: the waiting caller itself on a
//!   virtual clock or a microcontroller, or threads that share the work.
//! - `net` (with `std`) has `TcpStream`, `TcpListener` and `UdpSocket` in the shape of `std::net`.
//! - `embedded` (with the feature of this name) has the traits of embedded-io and embedded-nal.
//! - `config` (with `std`) reads one configuration from flags, the environment and a file.
//! - [`profile`] names each point where the reference documentation and observed Windows disagree.
//! - `ffi` (with the feature of this name) is the C library libwsa.
//! - [`address`], [`text`], [`memory`], [`constants`], [`qos`] and [`error`] are Winsock's vocabulary with
//!   its exact numbers. A caller's memory reaches this crate as a safe value that is null,
//!   unreadable, or bytes.
//!
//! The core uses neither `std` nor, without the `alloc` feature, a heap.
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

pub mod address;
#[cfg(feature = "std")]
pub mod config;
mod connect;
pub mod constants;
#[cfg(feature = "std")]
pub mod control;
#[cfg(feature = "embedded")]
pub mod embedded;
pub mod engine;
pub mod error;
#[cfg(feature = "ffi")]
pub mod ffi;
mod listen;
pub mod memory;
#[cfg(feature = "std")]
pub mod net;
mod process;
pub mod profile;
mod protocol;
pub mod qos;
mod readiness;
#[cfg(feature = "std")]
pub mod recording;
mod socket;
#[cfg(feature = "std")]
pub mod start;
pub mod text;
mod transfer;

pub use address::{SockAddr, sockaddr};
pub use error::{Error, Result};
pub use listen::Caller;
pub use memory::{Arg, Memory, MemoryMut, WsaBuf, WsaBufMut};
#[cfg(feature = "alloc")]
pub use process::Apc;
pub use process::{BlockingHook, Core, EventHandle, Process, SocketHandle, WsaData};
pub use profile::Profile;
pub use qos::{FlowSpec, Qos};
pub use readiness::{
    Alertable, Delivery, EventKind, FdSet, MessageCounters, MessageHook, Signal, SocketMessage,
    Step, WaitFor, WsaNetworkEvents, WsaPollFd,
};
pub use transfer::{MAX_BUFFERS, WsaMsg, WsaMsgMut};

/// The examples of the README, which are run as documentation tests.
#[cfg(all(doctest, feature = "std"))]
#[doc = include_str!("../../README.md")]
struct Readme;
