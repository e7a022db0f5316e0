//! Who is measured: programs' ways to sockets of our own stack and of the kernel, which the same
//! client logic uses, stock smoltcp and lwIP, whose users write their own loops, and the bare TAP
//! device. And the kernel's servers that they talk to.

mod flight;
mod host;
mod kernel;
mod lwip;
mod own;
mod raw;
mod server;
mod stock;

pub(super) use self::flight::{Await, Sockets};
pub(super) use self::host::{Client, Datagrams, Host, PATIENCE, Site, Stream};
pub(super) use self::kernel::Kernel;
pub(super) use self::lwip::Lwip;
pub(super) use self::own::Own;
pub(super) use self::raw::Raw;
pub(super) use self::server::{Server, Service};
pub(super) use self::stock::{Stock, StockSite, Transfer};
