//! The protocols that there are, as WSAPROTOCOL_INFO describes them.

use crate::address::Family;
use crate::constants::{IPPROTO_TCP, IPPROTO_UDP, SOCK_DGRAM, SOCK_STREAM};
use crate::constants::{MAX_DATAGRAM, MAX_DATAGRAM_V6};
use crate::socket::Kind;

/// dwServiceFlags1: there are no connections.
const XP1_CONNECTIONLESS: u32 = 0x0000_0001;
/// What is sent arrives.
const XP1_GUARANTEED_DELIVERY: u32 = 0x0000_0002;
/// And in order.
const XP1_GUARANTEED_ORDER: u32 = 0x0000_0004;
/// Bounds of messages are kept.
const XP1_MESSAGE_ORIENTED: u32 = 0x0000_0008;
/// A connection ends in two phases.
const XP1_GRACEFUL_CLOSE: u32 = 0x0000_0020;
/// Messages may be broadcast.
const XP1_SUPPORT_BROADCAST: u32 = 0x0000_0200;
/// Messages may be multicast.
const XP1_SUPPORT_MULTIPOINT: u32 = 0x0000_0400;

/// dwProviderFlags: a protocol of 0 means this one.
const PFL_MATCHES_PROTOCOL_ZERO: u32 = 0x0000_0008;

/// ProviderId of TCP/IP, by which programs know the base provider: E70F1AA0-AB8B-11CF-8CA3-
/// 00805F48A192.
const PROVIDER_V4: [u8; 16] = guid(0xE70F_1AA0, 0xAB8B, 0x11CF, 0x8CA3_0080_5F48_A192);
/// The same of IPv6: F9EAB0C0-26D4-11D0-BBBF-00AA006C34E4.
const PROVIDER_V6: [u8; 16] = guid(0xF9EA_B0C0, 0x26D4, 0x11D0, 0xBBBF_00AA_006C_34E4);

/// Characters of szProtocol, its end included.
const NAME: usize = 256;
/// Where szProtocol begins.
const NAME_AT: usize = 116;
/// Size of a WSAPROTOCOL_INFOA in bytes.
pub(crate) const PROTOCOL_INFO_A: usize = NAME_AT + NAME;
/// Size of a WSAPROTOCOL_INFOW in bytes.
pub(crate) const PROTOCOL_INFO_W: usize = NAME_AT + 2 * NAME;

/// How each character of szProtocol is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Characters {
    /// One byte.
    Narrow,
    /// Two bytes: UTF-16.
    Wide,
}

/// What WSAPROTOCOL_INFO says of the protocol of one kind of socket.
pub(crate) struct Protocol {
    pub(crate) family: Family,
    pub(crate) kind: Kind,
}

impl Protocol {
    fn name(&self) -> &'static [u8] {
        match (self.kind, self.family) {
            (Kind::Stream, Family::V4) => b"Tapsock [TCP/IP]",
            (Kind::Datagram, Family::V4) => b"Tapsock [UDP/IP]",
            #[cfg(feature = "ipv6")]
            (Kind::Stream, Family::V6) => b"Tapsock [TCP/IPv6]",
            #[cfg(feature = "ipv6")]
            (Kind::Datagram, Family::V6) => b"Tapsock [UDP/IPv6]",
        }
    }

    fn service_flags(&self) -> u32 {
        match self.kind {
            Kind::Stream => XP1_GUARANTEED_DELIVERY | XP1_GUARANTEED_ORDER | XP1_GRACEFUL_CLOSE,
            Kind::Datagram => {
                XP1_CONNECTIONLESS
                    | XP1_MESSAGE_ORIENTED
                    | XP1_SUPPORT_BROADCAST
                    | XP1_SUPPORT_MULTIPOINT
            }
        }
    }

    /// Any number is a catalog's own; here they count from 1001, as Windows' do.
    fn catalog_entry(&self) -> u32 {
        match (self.family, self.kind) {
            (Family::V4, Kind::Stream) => 1001,
            (Family::V4, Kind::Datagram) => 1002,
            #[cfg(feature = "ipv6")]
            (Family::V6, Kind::Stream) => 1003,
            #[cfg(feature = "ipv6")]
            (Family::V6, Kind::Datagram) => 1004,
        }
    }

    /// SO_MAX_MSG_SIZE, and dwMessageSize: 0 for a stream, which has none.
    pub(crate) fn longest_message(&self) -> u32 {
        match (self.kind, self.family) {
            (Kind::Stream, _) => 0,
            (Kind::Datagram, Family::V4) => MAX_DATAGRAM,
            #[cfg(feature = "ipv6")]
            (Kind::Datagram, Family::V6) => MAX_DATAGRAM_V6,
        }
    }

    /// A WSAPROTOCOL_INFOA.
    pub(crate) fn narrow(&self) -> [u8; PROTOCOL_INFO_A] {
        self.encode(Characters::Narrow)
    }

    /// A WSAPROTOCOL_INFOW.
    pub(crate) fn wide(&self) -> [u8; PROTOCOL_INFO_W] {
        self.encode(Characters::Wide)
    }

    /// dwServiceFlags1 to 4 at 0, dwProviderFlags at 16, ProviderId at 20, dwCatalogEntryId at 36,
    /// ProtocolChain at 40 (a length and seven entries), iVersion at 72, iAddressFamily at 76,
    /// iMaxSockAddr, iMinSockAddr, iSocketType, iProtocol, iProtocolMaxOffset, iNetworkByteOrder,
    /// iSecurityScheme, dwMessageSize, dwProviderReserved, szProtocol at 116.
    fn encode<const N: usize>(&self, characters: Characters) -> [u8; N] {
        let mut info = [0; N];
        let mut put = |at: usize, bytes: &[u8]| {
            if let Some(field) = info.get_mut(at..at + bytes.len()) {
                field.copy_from_slice(bytes);
            }
        };
        let (ty, number) = match self.kind {
            Kind::Stream => (SOCK_STREAM, IPPROTO_TCP),
            Kind::Datagram => (SOCK_DGRAM, IPPROTO_UDP),
        };
        let name_len = self.family.name_len() as i32;
        put(0, &self.service_flags().to_ne_bytes());
        put(16, &PFL_MATCHES_PROTOCOL_ZERO.to_ne_bytes());
        put(20, if self.family == Family::V4 { &PROVIDER_V4 } else { &PROVIDER_V6 });
        put(36, &self.catalog_entry().to_ne_bytes());
        // A chain of one: the base protocol.
        put(40, &1i32.to_ne_bytes());
        put(72, &2i32.to_ne_bytes());
        put(76, &self.family.number().to_ne_bytes());
        put(80, &name_len.to_ne_bytes());
        put(84, &name_len.to_ne_bytes());
        put(88, &ty.to_ne_bytes());
        put(92, &number.to_ne_bytes());
        put(108, &self.longest_message().to_ne_bytes());
        for (index, &character) in self.name().iter().enumerate() {
            match characters {
                Characters::Narrow => put(NAME_AT + index, &[character]),
                Characters::Wide => {
                    put(NAME_AT + 2 * index, &u16::from(character).to_ne_bytes());
                }
            }
        }
        info
    }
}

/// A GUID in memory: three numbers in the machine's byte order, then eight bytes as written.
const fn guid(first: u32, second: u16, third: u16, rest: u64) -> [u8; 16] {
    let (first, second, third) = (first.to_ne_bytes(), second.to_ne_bytes(), third.to_ne_bytes());
    let rest = rest.to_be_bytes();
    let [a, b, c, d] = first;
    let [e, f] = second;
    let [g, h] = third;
    let [i, j, k, l, m, n, o, p] = rest;
    [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]
}
