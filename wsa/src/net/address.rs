//! Where to connect or to bind to.

use std::borrow::ToOwned;
use std::format;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::string::String;
use std::vec;
use std::vec::Vec;

/// What stands for addresses: `std::net::ToSocketAddrs` without names, which are none of this
/// stack's before somebody has asked for their addresses.
pub trait ToAddresses {
    /// The addresses, to be tried in this order.
    ///
    /// # Errors
    /// `InvalidInput` for text that is no address with a port.
    fn to_addresses(&self) -> io::Result<Vec<SocketAddr>>;
}

impl ToAddresses for str {
    fn to_addresses(&self) -> io::Result<Vec<SocketAddr>> {
        match self.parse() {
            Ok(address) => Ok(vec![address]),
            Err(_) => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("{self:?} is no address: give digits and a port, as in 10.77.0.1:80"),
            )),
        }
    }
}

impl ToAddresses for String {
    fn to_addresses(&self) -> io::Result<Vec<SocketAddr>> {
        self.as_str().to_addresses()
    }
}

impl ToAddresses for [SocketAddr] {
    fn to_addresses(&self) -> io::Result<Vec<SocketAddr>> {
        Ok(self.to_owned())
    }
}

impl<T: ToAddresses + ?Sized> ToAddresses for &T {
    fn to_addresses(&self) -> io::Result<Vec<SocketAddr>> {
        (**self).to_addresses()
    }
}

/// What is one address.
macro_rules! one {
    ($($type:ty),*) => {$(
        impl ToAddresses for $type {
            fn to_addresses(&self) -> io::Result<Vec<SocketAddr>> {
                Ok(vec![(*self).into()])
            }
        }
    )*};
}

one!(SocketAddr, SocketAddrV4, SocketAddrV6, (IpAddr, u16), (Ipv4Addr, u16), (Ipv6Addr, u16));
