//! State and MTU of a Linux network interface, asked for by rtnetlink.
//!
//! The socket keeps to the network namespace in which it was made, whichever thread asks and
//! wherever that thread has gone since. Neither /sys/class/net nor /proc/net does.

use alloc::vec::Vec;
use std::io;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with,
};

// <linux/netlink.h>, <linux/rtnetlink.h>, <linux/if_link.h>, <linux/if.h>
const NLM_F_REQUEST: u16 = 1;
const NLMSG_ERROR: u16 = 2;
const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_EXT_MASK: u16 = 29;
const RTEXT_FILTER_SKIP_STATS: u32 = 1 << 3;
const IFF_UP: u32 = 1;

const MESSAGE_HEADER: usize = 16;
const LINK_HEADER: usize = 16;
const ATTRIBUTE_HEADER: usize = 4;

/// What is known about an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct InterfaceState {
    pub(super) index: u32,
    /// Administratively up.
    pub(super) up: bool,
    pub(super) mtu: usize,
}

/// A socket to ask about one interface, whatever it is renamed to.
#[derive(Debug)]
pub(super) struct Interface {
    socket: OwnedFd,
    index: u32,
    sequence: u32,
}

impl Interface {
    /// Finds the interface called `name` in the network namespace of the calling thread.
    pub(super) fn named(name: &str) -> io::Result<(Self, InterfaceState)> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        // No protocol means the first: NETLINK_ROUTE is 0.
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
        let mut this = Self { socket, index: 0, sequence: 0 };
        let state = this.ask(Some(name))?;
        this.index = state.index;
        Ok((this, state))
    }

    /// The state now.
    ///
    /// # Errors
    /// ENODEV when the interface is gone.
    pub(super) fn state(&mut self) -> io::Result<InterfaceState> {
        self.ask(None)
    }

    fn ask(&mut self, name: Option<&str>) -> io::Result<InterfaceState> {
        self.sequence = self.sequence.wrapping_add(1);
        let request = request(self.sequence, self.index, name);
        send(&self.socket, &request, SendFlags::empty())?;
        // The kernel answers within the send: the reply waits already. Replies to earlier
        // requests that failed halfway are passed over.
        let mut buffer = [0; 8192];
        loop {
            let (length, _) = recv(&self.socket, &mut buffer, RecvFlags::empty())?;
            if let Some(answer) = parse(&buffer[..length], self.sequence) {
                return answer.map_err(io::Error::from);
            }
        }
    }
}

fn request(sequence: u32, index: u32, name: Option<&str>) -> Vec<u8> {
    let mut message = Vec::with_capacity(64);
    message.extend(0_u32.to_ne_bytes()); // length, known at the end
    message.extend(RTM_GETLINK.to_ne_bytes());
    message.extend(NLM_F_REQUEST.to_ne_bytes());
    message.extend(sequence.to_ne_bytes());
    message.extend(0_u32.to_ne_bytes()); // from whom: the kernel knows
    message.extend([0; 4]); // family and type: any
    message.extend(index.to_ne_bytes());
    message.extend([0; 8]); // flags and their mask
    attribute(&mut message, IFLA_EXT_MASK, &RTEXT_FILTER_SKIP_STATS.to_ne_bytes());
    if let Some(name) = name {
        let mut value = name.as_bytes().to_vec();
        value.push(0);
        attribute(&mut message, IFLA_IFNAME, &value);
    }
    let length = message.len() as u32;
    message[..4].copy_from_slice(&length.to_ne_bytes());
    message
}

fn attribute(message: &mut Vec<u8>, kind: u16, value: &[u8]) {
    message.extend(((ATTRIBUTE_HEADER + value.len()) as u16).to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend(value);
    message.resize(message.len().next_multiple_of(4), 0);
}

/// The answer to request `sequence`, or `None` when `message` is something else.
fn parse(message: &[u8], sequence: u32) -> Option<Result<InterfaceState, Errno>> {
    if u32_at(message, 8)? != sequence {
        return None;
    }
    match u16_at(message, 4)? {
        NLMSG_ERROR => {
            let code = u32_at(message, MESSAGE_HEADER)? as i32;
            Some(Err(Errno::from_raw_os_error(code.wrapping_neg())))
        }
        RTM_NEWLINK => {
            let index = u32_at(message, MESSAGE_HEADER + 4)?;
            let flags = u32_at(message, MESSAGE_HEADER + 8)?;
            let mtu = attribute_u32(message.get(MESSAGE_HEADER + LINK_HEADER..)?, IFLA_MTU)?;
            Some(Ok(InterfaceState { index, up: flags & IFF_UP != 0, mtu: mtu as usize }))
        }
        _ => None,
    }
}

fn attribute_u32(mut attributes: &[u8], wanted: u16) -> Option<u32> {
    loop {
        let length = usize::from(u16_at(attributes, 0)?);
        let kind = u16_at(attributes, 2)?;
        if kind == wanted {
            return u32_at(attributes.get(..length)?, ATTRIBUTE_HEADER);
        }
        attributes = attributes.get(length.max(ATTRIBUTE_HEADER).next_multiple_of(4)..)?;
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_interface() {
        let (mut interface, first) = Interface::named("lo").unwrap();
        assert_eq!(first.index, 1);
        assert!(first.mtu >= 1280, "{first:?}");
        assert_eq!(interface.state().unwrap(), first);
    }

    #[test]
    fn an_interface_that_does_not_exist() {
        let error = Interface::named("no-such-link").unwrap_err();
        assert_eq!(error.raw_os_error(), Some(Errno::NODEV.raw_os_error()));
    }

    #[test]
    fn answers_that_are_cut_off_are_no_answers() {
        let mut message = request(7, 3, None);
        message[4..6].copy_from_slice(&RTM_NEWLINK.to_ne_bytes());
        attribute(&mut message, IFLA_MTU, &1400_u32.to_ne_bytes());
        let state = InterfaceState { index: 3, up: false, mtu: 1400 };
        assert_eq!(parse(&message, 7), Some(Ok(state)));
        assert_eq!(parse(&message, 8), None);
        for length in 0..message.len() {
            assert_eq!(parse(&message[..length], 7), None, "{length}");
        }
    }
}
