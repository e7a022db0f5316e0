//! Structures as `include/winsock2.h` lays them out.
//!
//! They are read and written as bytes, at whatever address; a pointer inside one is an address to
//! be handed to the kernel, nothing more.

use core::ffi::{c_char, c_int, c_void};

/// SOCKET: a handle.
pub type SOCKET = usize;

/// WSAEVENT: a handle of an event object, as a pointer that leads nowhere.
pub type WSAEVENT = *mut c_void;

/// What WSAStartup fills. The order of fields is that of 64-bit Windows.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct WSADATA {
    /// The version that holds from now on.
    pub wVersion: u16,
    /// The highest version there is.
    pub wHighVersion: u16,
    /// For version 1 programs: a number of sockets.
    pub iMaxSockets: u16,
    /// For version 1 programs: a length of datagrams.
    pub iMaxUdpDg: u16,
    /// Never written.
    pub lpVendorInfo: *mut c_char,
    /// What this implementation is.
    pub szDescription: [u8; 257],
    /// What state it is in.
    pub szSystemStatus: [u8; 129],
}

/// A name of any family; how long it is, another argument says.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct SOCKADDR {
    /// AF_INET or AF_INET6.
    pub sa_family: u16,
    /// The rest of a name.
    pub sa_data: [u8; 14],
}

/// An IPv4 address in network byte order.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct IN_ADDR {
    /// The four octets, as they are in memory.
    pub S_addr: u32,
}

/// An IPv6 address in network byte order.
#[repr(C, align(2))]
#[derive(Debug, Clone, Copy)]
pub struct IN6_ADDR {
    /// The sixteen octets.
    pub Byte: [u8; 16],
}

/// A buffer.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct WSABUF {
    /// Length in bytes.
    pub len: u32,
    /// The bytes.
    pub buf: *mut c_char,
}

/// A datagram with its name, its buffers and its control messages.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct WSAMSG {
    /// The name, or room for it.
    pub name: *mut SOCKADDR,
    /// Its length in bytes.
    pub namelen: c_int,
    /// The buffers.
    pub lpBuffers: *mut WSABUF,
    /// How many there are.
    pub dwBufferCount: u32,
    /// The control messages, or room for them.
    pub Control: WSABUF,
    /// MSG_ bits.
    pub dwFlags: u32,
}

/// A number that is unlike all others, here of a function.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GUID {
    /// The first 32 bits.
    pub Data1: u32,
    /// The next 16.
    pub Data2: u16,
    /// The next 16.
    pub Data3: u16,
    /// The rest, as they are written.
    pub Data4: [u8; 8],
}

/// One direction's wishes.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct FLOWSPEC {
    /// Bytes a second.
    pub TokenRate: u32,
    /// Bytes.
    pub TokenBucketSize: u32,
    /// Bytes a second.
    pub PeakBandwidth: u32,
    /// Microseconds.
    pub Latency: u32,
    /// Microseconds.
    pub DelayVariation: u32,
    /// A SERVICETYPE_ number.
    pub ServiceType: u32,
    /// Bytes.
    pub MaxSduSize: u32,
    /// Bytes.
    pub MinimumPolicedSize: u32,
}

/// A quality of service.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct QOS {
    /// What this side sends.
    pub SendingFlowspec: FLOWSPEC,
    /// What this side receives.
    pub ReceivingFlowspec: FLOWSPEC,
    /// Objects for the provider.
    pub ProviderSpecific: WSABUF,
}

/// A length of time in two 32-bit numbers.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct TIMEVAL {
    /// Seconds.
    pub tv_sec: i32,
    /// Microseconds.
    pub tv_usec: i32,
}

/// A set of sockets, which the program may have made longer.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct FD_SET {
    /// How many of the array count.
    pub fd_count: u32,
    /// The sockets.
    pub fd_array: [SOCKET; 64],
}

/// An entry of WSAPoll.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct WSAPOLLFD {
    /// The socket.
    pub fd: SOCKET,
    /// What is asked.
    pub events: i16,
    /// The answer.
    pub revents: i16,
}

/// What happened to a socket.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct WSANETWORKEVENTS {
    /// The FD_ bits.
    pub lNetworkEvents: i32,
    /// A code for each.
    pub iErrorCode: [c_int; 10],
}

/// The beginning of WSAPROTOCOL_INFOA and of WSAPROTOCOL_INFOW, which differ behind it.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct WSAPROTOCOL_INFO {
    /// Four words of service flags, and the provider's.
    pub dwFlags: [u32; 5],
    /// A GUID.
    pub ProviderId: [u32; 4],
    /// The entry in the catalog.
    pub dwCatalogEntryId: u32,
    /// A length and seven entries.
    pub ProtocolChain: [u32; 8],
    /// The protocol's version.
    pub iVersion: c_int,
    /// The family.
    pub iAddressFamily: c_int,
    /// The longest name, in bytes.
    pub iMaxSockAddr: c_int,
    /// The shortest name, in bytes.
    pub iMinSockAddr: c_int,
    /// The type.
    pub iSocketType: c_int,
    /// The protocol.
    pub iProtocol: c_int,
}

/// A structure of integers and addresses, for which all bytes are values.
///
/// # Safety
/// No bit pattern of the right size may be invalid.
pub(super) unsafe trait Plain: Copy {}

// SAFETY: integers, arrays of integers, and addresses that are never followed.
unsafe impl Plain for u32 {}
// SAFETY: as above.
unsafe impl Plain for i32 {}
// SAFETY: as above.
unsafe impl Plain for WSABUF {}
// SAFETY: as above.
unsafe impl Plain for WSAMSG {}
// SAFETY: as above.
unsafe impl Plain for GUID {}
// SAFETY: as above.
unsafe impl Plain for QOS {}
// SAFETY: as above.
unsafe impl Plain for TIMEVAL {}
// SAFETY: as above.
unsafe impl Plain for usize {}
// SAFETY: as above.
unsafe impl Plain for WSAPOLLFD {}
// SAFETY: as above.
unsafe impl Plain for WSANETWORKEVENTS {}
// SAFETY: as above.
unsafe impl Plain for WSAPROTOCOL_INFO {}

/// An address, as far as only the kernel will look at it.
pub(super) type Address = *const c_void;

#[cfg(test)]
mod tests;
