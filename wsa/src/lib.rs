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
//! - [`engine`] says who advances the stack while a call waits: the waiting caller itself on a
//!   virtual clock or a microcontroller, or threads that share the work.
//! - [`profile`] names each point where the reference documentation and observed Windows disagree.
//! - [`address`], [`constants`] and [`error`] are Winsock's vocabulary with its exact numbers.
//!
//! The core uses neither `std` nor, without the `alloc` feature, a heap.
#![no_std]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

#[cfg(feature = "std")]
pub mod config;
pub mod engine;
mod process;

pub use process::{Core, Process};
