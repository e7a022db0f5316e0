//! Ioctls about addresses.

use tapsock_stack::link::Link;
use tapsock_stack::storage::Storage;
use tapsock_stack::wire::{IpAddress, IpCidr, IpEndpoint, Ipv4Address};

use super::Output;
use crate::address::{self, Family, Name, ShortZero, SockAddr};
use crate::constants::LINK_SCOPE_ID;
use crate::engine::Access;
use crate::error::{Error, Result};
use crate::process::{Fault, SocketHandle};
use crate::socket::is_link_local;
use crate::socket::options::Given;

/// The most addresses in a SOCKET_ADDRESS_LIST. More are left out.
const MOST: usize = 16;
/// Bytes of a pointer.
const POINTER: usize = size_of::<usize>();
/// The count and what aligns the entries behind it; then a pointer and a padded length each.
const ENTRIES_AT: usize = POINTER;
const ENTRY: usize = 2 * POINTER;

impl<'a, L: Link, S: Storage<'a>> Access<'_, 'a, L, S> {
    pub(super) fn broadcast_address(&self, s: SocketHandle, output: Output<'_>) -> Result<()> {
        let socket = self.core.socket(s)?;
        if socket.family != Family::V4 || socket.is_stream() {
            // Neither has a broadcast.
            *output.returned = 0;
            return Err(Error::WSAEOPNOTSUPP);
        }
        let name = SockAddr::new(IpAddress::Ipv4(Ipv4Address::BROADCAST), 0);
        output.bytes(name.encode().as_ref())
    }

    /// The address from which packets to the name in `input` go out.
    pub(super) fn routing_interface(
        &self,
        s: SocketHandle,
        input: Given<'_>,
        output: Output<'_>,
    ) -> Result<(), Fault> {
        let socket = self.core.socket(s)?;
        let (memory, len) = input.memory();
        let len = i32::try_from(len).unwrap_or(i32::MAX);
        let Name::Address(peer) = address::parse(socket.family, memory, len, ShortZero::Refused)?
        else {
            return Err(Error::WSAEAFNOSUPPORT.into());
        };
        if peer.is_v4_mapped() && !socket.is_dual() {
            return Err(Error::WSAEADDRNOTAVAIL.into());
        }
        let source = self.source_for(peer.wire_address())?;
        output.bytes(local_name(socket.family, source).encode().as_ref())?;
        Ok(())
    }

    /// SOCKET_ADDRESS_LIST: a count, that many pairs of pointer and length, then the names.
    pub(super) fn address_list(&self, s: SocketHandle, output: Output<'_>) -> Result<()> {
        let socket = self.core.socket(s)?;
        let family = socket.family;
        let names = self.stack.addresses().iter().map(IpCidr::address);
        let names = names
            .filter(|address| match address {
                IpAddress::Ipv4(_) => family == Family::V4,
                #[cfg(feature = "ipv6")]
                IpAddress::Ipv6(_) => family != Family::V4,
            })
            .take(MOST);
        let name_len = family.name_len();
        let count = names.clone().count();
        let first = ENTRIES_AT + count * ENTRY;
        let mut list = [0; ENTRIES_AT + MOST * (ENTRY + 28)];
        let mut put = |at: usize, bytes: &[u8]| list[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &(count as i32).to_ne_bytes());
        for (index, address) in names.enumerate() {
            let at = first + index * name_len;
            put(ENTRIES_AT + index * ENTRY, &at.to_ne_bytes());
            put(ENTRIES_AT + index * ENTRY + POINTER, &(name_len as i32).to_ne_bytes());
            put(at, local_name(family, address).encode().as_ref());
        }
        output.bytes(&list[..first + count * name_len])
    }
}

/// An address of this stack, without a port.
fn local_name(family: Family, address: IpAddress) -> SockAddr {
    let mut name = SockAddr::of_endpoint(family, IpEndpoint::new(address, 0));
    if is_link_local(name.address) {
        name.scope_id = LINK_SCOPE_ID;
    }
    name
}
