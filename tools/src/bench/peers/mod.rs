//! Who is measured: programs' ways to sockets of our own stack and of the kernel, which the same
//! client logic uses, and stock smoltcp, whose users write their own loop. And the kernel's servers
//! that all of them talk to.

mod host;
mod kernel;
mod own;
mod server;
mod stock;

pub(super) use self::host::{Datagrams, Host, PATIENCE, Stream};
pub(super) use self::kernel::Kernel;
pub(super) use self::own::Own;
pub(super) use self::server::{Server, Service};
pub(super) use self::stock::{Stock, Transfer};
