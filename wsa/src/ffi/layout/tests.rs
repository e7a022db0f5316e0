//! Layouts against those of the windows-sys crate, which come from Microsoft's metadata.

use core::mem::{align_of, offset_of, size_of};

use windows_sys::Win32::Networking::WinSock as windows;

use super::*;

macro_rules! same {
    ($ours:ty, $theirs:ty, $($field:ident),*) => {
        assert_eq!(size_of::<$ours>(), size_of::<$theirs>(), stringify!($ours));
        assert_eq!(align_of::<$ours>(), align_of::<$theirs>(), stringify!($ours));
        $(assert_eq!(
            offset_of!($ours, $field),
            offset_of!($theirs, $field),
            concat!(stringify!($ours), ".", stringify!($field)),
        );)*
    };
}

#[test]
fn structures_lie_in_memory_as_on_windows() {
    same!(WSADATA, windows::WSADATA, wVersion, wHighVersion, iMaxSockets, iMaxUdpDg);
    same!(WSADATA, windows::WSADATA, lpVendorInfo, szDescription, szSystemStatus);
    same!(SOCKADDR, windows::SOCKADDR, sa_family, sa_data);
    same!(IN_ADDR, windows::IN_ADDR,);
    same!(IN6_ADDR, windows::IN6_ADDR,);
    same!(WSABUF, windows::WSABUF, len, buf);
    same!(WSAMSG, windows::WSAMSG, name, namelen, lpBuffers, dwBufferCount, Control, dwFlags);
    same!(GUID, windows_sys::core::GUID,);
    same!(FLOWSPEC, windows::FLOWSPEC, TokenRate, TokenBucketSize, PeakBandwidth, Latency);
    same!(FLOWSPEC, windows::FLOWSPEC, DelayVariation, ServiceType, MaxSduSize, MinimumPolicedSize);
    same!(QOS, windows::QOS, SendingFlowspec, ReceivingFlowspec, ProviderSpecific);
    same!(TIMEVAL, windows::TIMEVAL, tv_sec, tv_usec);
    same!(FD_SET, windows::FD_SET, fd_count, fd_array);
    same!(WSAPOLLFD, windows::WSAPOLLFD, fd, events, revents);
    same!(WSANETWORKEVENTS, windows::WSANETWORKEVENTS, lNetworkEvents, iErrorCode);
    let info = size_of::<WSAPROTOCOL_INFO>();
    assert_eq!(info, offset_of!(windows::WSAPROTOCOL_INFOA, iProtocolMaxOffset));
    assert_eq!(info, offset_of!(windows::WSAPROTOCOL_INFOW, iProtocolMaxOffset));
    macro_rules! info {
        ($($field:ident),*) => {$(
            let ours = offset_of!(WSAPROTOCOL_INFO, $field);
            assert_eq!(ours, offset_of!(windows::WSAPROTOCOL_INFOA, $field));
            assert_eq!(ours, offset_of!(windows::WSAPROTOCOL_INFOW, $field));
        )*};
    }
    info!(ProviderId, dwCatalogEntryId, ProtocolChain, iVersion, iAddressFamily, iMaxSockAddr);
    info!(iMinSockAddr, iSocketType, iProtocol);
}
