//! WSARecvMsg and WSASendMsg: a datagram with its name, a list of buffers and control messages.

use tapsock_stack::net::Delivery;
use tapsock_stack::source::Source;
use tapsock_stack::udp::Ancillary;

use super::Receipt;
use super::control;
use super::list::{Scatter, gather};
use super::vectored::report;
use crate::constants::{MSG_BCAST, MSG_CTRUNC, MSG_MCAST, MSG_TRUNC};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::memory::{Arg, Memory, MemoryMut, WsaBuf, WsaBufMut};
use crate::process::{Process, SocketHandle};

/// A WSAMSG that WSASendMsg reads.
#[derive(Debug, Clone, Copy, Default)]
pub struct WsaMsg<'l, 'm, B = WsaBuf<'m>> {
    /// Whom to send to; null for the peer.
    pub name: Memory<'m>,
    /// Bytes of the name.
    pub namelen: i32,
    /// What to send.
    pub buffers: Arg<&'l [B]>,
    /// Control messages; none with a length of 0.
    pub control: WsaBuf<'m>,
}

/// A WSAMSG that WSARecvMsg fills.
#[derive(Debug, Default)]
pub struct WsaMsgMut<'l, 'm> {
    /// Room for the sender's name; null for none.
    pub name: MemoryMut<'m>,
    /// Bytes of that room, and afterwards of the name.
    pub namelen: i32,
    /// Room for the data.
    pub buffers: Arg<&'l mut [WsaBufMut<'m>]>,
    /// Room for control messages; its length is afterwards that of what was written.
    pub control: WsaBufMut<'m>,
    /// MSG_PEEK or 0, and afterwards MSG_TRUNC, MSG_CTRUNC, MSG_BCAST, MSG_MCAST.
    pub flags: i32,
}

impl<'a, E: Engine<'a>> Process<'a, E> {
    /// WSARecvMsg without an overlapped structure: receives a datagram into the buffers of
    /// `message`, with its sender's name and what the socket's options ask to be told, each as a
    /// control message: IP_PKTINFO, IP_HOPLIMIT, IP_TOS, IP_RECVIF, IP_RECVDSTADDR or the same of
    /// IPv6, in this order.
    ///
    /// A datagram longer than the buffers (MSG_TRUNC), or more control messages than there is room
    /// for (MSG_CTRUNC), make the call WSAEMSGSIZE; the datagram is consumed, and everything is
    /// filled with what there is room for.
    ///
    /// # Errors
    /// As [`Process::recvfrom`] and [`Process::wsa_recv`]; WSAEOPNOTSUPP for a stream; WSAEFAULT
    /// for a bad `message`, and for a control buffer that cannot be written. Nothing is changed
    /// then.
    pub fn wsa_recv_msg(
        &self,
        s: SocketHandle,
        message: Arg<&mut WsaMsgMut<'_, '_>>,
        bytes_received: Option<&mut u32>,
    ) -> Result<()> {
        let wrong_type = if self.is_datagram(s) { None } else { Some(Error::WSAEOPNOTSUPP) };
        let Arg::Value(message) = message else {
            let error = wrong_type.unwrap_or(Error::WSAEFAULT);
            let mut receipt = Receipt::default();
            return self.receive_scattered(s, Err(error), 0, None, &mut receipt).map(|_| ());
        };
        let WsaMsgMut { name, namelen, buffers, control, flags } = message;
        let buffers = match buffers {
            Arg::Value(buffers) => Arg::Value(&mut **buffers),
            Arg::Null => Arg::Null,
            Arg::Unreadable => Arg::Unreadable,
        };
        let list = if let Some(error) = wrong_type {
            Err(error)
        } else if bytes_received.is_none() || !control.is_writable() {
            Err(Error::WSAEFAULT)
        } else {
            Scatter::checked(buffers)
        };
        let mut receipt = Receipt::default();
        let from = Some((name.reborrow(), Some(namelen)));
        let outcome = self.receive_scattered(s, list, *flags, from, &mut receipt);
        let Some((datagram, told)) = receipt.about else { return outcome.map(|_| ()) };
        let written = control::write(control.room(), told, &datagram);
        // As long as the room at the most, whose length was a DWORD.
        control.len = written.len as u32;
        report(bytes_received, receipt.copied);
        *flags = match datagram.delivery {
            Delivery::Own => 0,
            Delivery::Broadcast => MSG_BCAST,
            Delivery::Multicast => MSG_MCAST,
        };
        if receipt.truncated {
            *flags |= MSG_TRUNC;
        }
        if written.truncated {
            *flags |= MSG_CTRUNC;
            return self.call(|_| Err(Error::WSAEMSGSIZE.into()));
        }
        outcome.map(|_| ())
    }

    /// WSASendMsg without an overlapped structure: sends the bytes of all buffers of `message` as
    /// one datagram, as [`Process::wsa_send_to`] does, or to the peer where there is no name. Its
    /// control messages count for this datagram alone: IP_PKTINFO or IPV6_PKTINFO gives the
    /// source, IP_HOPLIMIT and IP_TOS, or the same of IPv6, what they are called.
    ///
    /// # Errors
    /// As [`Process::wsa_send_to`]; WSAEOPNOTSUPP for a stream; WSAEFAULT for a bad `message`;
    /// WSAEINVAL for control messages that are malformed or unknown; WSAEADDRNOTAVAIL for a
    /// source that is not this host's.
    pub fn wsa_send_msg(
        &self,
        s: SocketHandle,
        message: Arg<&WsaMsg<'_, '_>>,
        flags: i32,
        bytes_sent: Option<&mut u32>,
    ) -> Result<()> {
        self.send_message_of(s, message, flags, bytes_sent)
    }

    /// The same with buffers of any kind.
    pub(crate) fn send_message_of<'m, B: Source>(
        &self,
        s: SocketHandle,
        message: Arg<&WsaMsg<'_, 'm, B>>,
        flags: i32,
        bytes_sent: Option<&mut u32>,
    ) -> Result<()> {
        let mut ancillary = Ancillary::default();
        let (name, namelen) =
            message.value().map_or((Memory::Null, 0), |message| (message.name, message.namelen));
        let list = match message {
            _ if !self.is_datagram(s) => Err(Error::WSAEOPNOTSUPP),
            Arg::Value(message) if bytes_sent.is_some() && message.control.is_there() => {
                gather(message.buffers).and_then(|list| {
                    // Bad control messages are no worse than buffers that cannot be read.
                    ancillary = control::read(message.control.bytes()).map_err(|error| {
                        if list.is_readable(0) { error } else { Error::WSAEFAULT }
                    })?;
                    Ok(list)
                })
            }
            _ => Err(Error::WSAEFAULT),
        };
        let sent = self.send_message(s, list, flags, name, namelen, &ancillary)?;
        report(bytes_sent, sent);
        Ok(())
    }
}
