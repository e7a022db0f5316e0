//! The C library libwsa: Winsock's functions for a C or C++ program, as `include/winsock2.h`
//! declares them.
//!
//! Each function here turns pointers into the safe values that [`Process`](crate::Process) takes,
//! calls the method of the same name on the one process that C needs, and writes back what came of
//! it. Nothing else happens here, and nowhere else in the crate is there a pointer.
//!
//! # Names
//!
//! Winsock and POSIX share names: `socket`, `bind`, `send`, `select`. A shared library that
//! exported a `send` would take the place of libc's in the whole program, for libraries that know
//! nothing of it and for Rust's own `std` inside libwsa, which would then call itself. So what has
//! the name of a function of POSIX is exported with `wsa_` in front of it, and the header gives the
//! declaration that name:
//!
//! ```c
//! int connect(SOCKET s, const struct sockaddr *name, int namelen) __asm__("wsa_connect");
//! ```
//!
//! The program says `connect`, the object file says `wsa_connect`, and whatever was compiled
//! against `<sys/socket.h>`, in the same program, still gets libc's. No macro is involved, so
//! members and methods that are called `connect` or `send` keep their names. What only Winsock has,
//! such as `WSAStartup` or `closesocket`, is exported under its own name. (`select` is declared by
//! `<stdlib.h>` already, with other types; there the header has to use a macro in C and an overload
//! in C++.)
//!
//! # Memory
//!
//! A pointer of the caller's is never followed here: the kernel copies, as it does for a system
//! call, and says when there is nothing to copy (`process_vm_readv` and `process_vm_writev` on this
//! very process). So null, unmapped and protected memory is WSAEFAULT, found before a call has any
//! effect, without a signal handler; misaligned pointers work; and no Rust reference ever points to
//! memory that another thread of the program may change or unmap. No pointer is kept past the call,
//! but for those to functions.
//!
//! What is sent is copied once, to where it waits to be sent, when that has room; a blocking call
//! looks at its buffers before it waits. Of a send on a stream whose buffers another thread unmaps
//! in the middle of the copy, what came before may be sent, and the call gives the number. The copy is
//! made while the stack is locked: memory whose pages another thread supplies (userfaultfd) must not
//! wait there for a call of this library.
//!
//! Whether memory can be written is asked with `madvise` (MADV_POPULATE_WRITE, since Linux 5.14), and
//! where that says nothing with an atomic operation that changes nothing, a futex's "or 0", once a
//! page.
//!
//! # Panics, errors, forks, the end
//!
//! No panic leaves a function: the call fails with WSASYSCALLFAILURE, and one line is logged. The
//! last error is the thread's; it exists before WSAStartup, and in a child.
//!
//! The process is made by the first WSAStartup, from the `TAPSOCK_*` variables and the file that
//! TAPSOCK_CONFIG names. If that is not possible, one line on standard error says why, and
//! WSAStartup returns WSASYSNOTREADY. After a fork the child has no stack: every call is
//! WSAENETDOWN there (WSAStartup: WSASYSNOTREADY), takes no lock, and does not disturb the parent.
//! A normal end of the program (a return from main, `exit`) closes what is open and waits until
//! what was sent has been delivered, at most [`linger`](tapsock_stack::config::Config::linger),
//! which is ten seconds; `_exit`, `abort` and signals do not.
//!
//! A function of the caller's that a call runs (a condition, a blocking hook) may not leave it by
//! `longjmp`. A C++ exception that it throws ends the program or the call, never in undefined
//! behavior.
#![allow(unsafe_code)]
#![allow(non_snake_case, non_camel_case_types, non_upper_case_globals)]
#![allow(clippy::upper_case_acronyms)]
// Their safety is that of a C function, which the header's readers know: any value of any pointer
// is allowed, what it leads to may be written where Winsock says so.
#![allow(clippy::missing_safety_doc, clippy::too_many_arguments)]

mod accept;
mod buffers;
mod connect;
mod evidence;
mod extension;
mod global;
mod guard;
mod hooks;
mod layout;
mod memory;
mod message;
mod options;
mod readiness;
mod select;
mod socket;
mod startup;
mod text;
mod transfer;
mod windows;

pub use accept::{ConditionProc, WSAAccept, accept};
pub use connect::{WSAConnect, connect};
pub use evidence::wsa_last_cause;
pub use hooks::{
    BlockingProc, WSACancelBlockingCall, WSAIsBlocking, WSASetBlockingHook, WSAUnhookBlockingHook,
};
pub use layout::{
    FD_SET, FLOWSPEC, GUID, IN_ADDR, IN6_ADDR, QOS, SOCKADDR, SOCKET, TIMEVAL, WSABUF, WSADATA,
    WSAEVENT, WSAMSG, WSANETWORKEVENTS, WSAPOLLFD, WSAPROTOCOL_INFO,
};
pub use message::{WSARecvMsg, WSASendMsg};
pub use options::{WSAIoctl, getsockopt, ioctlsocket, setsockopt};
pub use readiness::{
    WSAAsyncSelect, WSACloseEvent, WSACreateEvent, WSAEnumNetworkEvents, WSAEventSelect, WSAPoll,
    WSAResetEvent, WSASetEvent, WSAWaitForMultipleEvents, WsaMessage, wsa_next_message,
};
pub use select::{__WSAFDIsSet, select};
pub use socket::{
    WSARecvDisconnect, WSASendDisconnect, WSASocketA, WSASocketW, bind, closesocket, getpeername,
    getsockname, listen, shutdown, socket,
};
pub use startup::{WSACleanup, WSAGetLastError, WSASetLastError, WSAStartup};
pub use text::{
    WSAHtonl, WSAHtons, WSANtohl, WSANtohs, htonl, htons, in6addr_any, in6addr_loopback, inet_addr,
    inet_ntoa, inet_ntop, inet_pton, ntohl, ntohs,
};
pub use transfer::{WSARecv, WSARecvFrom, WSASend, WSASendTo, recv, recvfrom, send, sendto};
pub use windows::Sleep;

use core::ffi::c_int;

/// SOCKET_ERROR: what most functions return when they fail.
const SOCKET_ERROR: c_int = -1;
/// INVALID_SOCKET: what functions that make a socket return when they fail.
const INVALID_SOCKET: SOCKET = SOCKET::MAX;
