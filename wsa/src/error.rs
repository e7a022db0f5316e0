//! Winsock's error codes, with the numbers of its headers.

use core::fmt;

/// A Winsock error code: what WSAGetLastError gives after a call failed.
///
/// Zero, "no error", is not an `Error`; where a code may be zero, plain `i32` stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Error(i32);

macro_rules! errors {
    ($($name:ident = $code:literal, $text:literal;)*) => {
        impl Error {
            $(#[doc = $text] pub const $name: Self = Self($code);)*

            /// All codes that have a name, in ascending order.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The name in the header, such as `WSAECONNREFUSED`, or `unknown`.
            pub const fn name(self) -> &'static str {
                match self.0 {
                    $($code => stringify!($name),)*
                    _ => "unknown",
                }
            }

            /// What the code says, in a few words.
            pub const fn text(self) -> &'static str {
                match self.0 {
                    $($code => $text,)*
                    _ => "unknown error",
                }
            }
        }
    };
}

errors! {
    WSA_INVALID_HANDLE = 6, "the handle is invalid";
    WSA_NOT_ENOUGH_MEMORY = 8, "not enough memory";
    WSA_INVALID_PARAMETER = 87, "a parameter is wrong";
    WSA_OPERATION_ABORTED = 995, "the overlapped operation was cancelled";
    WSA_IO_INCOMPLETE = 996, "the overlapped operation has not completed";
    WSA_IO_PENDING = 997, "the overlapped operation will complete later";
    WSAEINTR = 10004, "the blocking call was interrupted";
    WSAEBADF = 10009, "the handle is not of a file";
    WSAEACCES = 10013, "the socket's access rights forbid it";
    WSAEFAULT = 10014, "a pointer or a length is bad";
    WSAEINVAL = 10022, "an argument is invalid in the socket's state";
    WSAEMFILE = 10024, "too many sockets are open";
    WSAEWOULDBLOCK = 10035, "the operation cannot complete at once";
    WSAEINPROGRESS = 10036, "a blocking call is in progress";
    WSAEALREADY = 10037, "an attempt is in progress on the socket";
    WSAENOTSOCK = 10038, "the handle is not of a socket";
    WSAEDESTADDRREQ = 10039, "a destination address is required";
    WSAEMSGSIZE = 10040, "the datagram is too long";
    WSAEPROTOTYPE = 10041, "the protocol is of another type of socket";
    WSAENOPROTOOPT = 10042, "the option is unknown or unsupported";
    WSAEPROTONOSUPPORT = 10043, "the protocol does not support it";
    WSAESOCKTNOSUPPORT = 10044, "the type of socket is not supported";
    WSAEOPNOTSUPP = 10045, "the operation is not supported on this socket";
    WSAEPFNOSUPPORT = 10046, "the protocol family is not supported";
    WSAEAFNOSUPPORT = 10047, "the address family is not supported";
    WSAEADDRINUSE = 10048, "the address is in use";
    WSAEADDRNOTAVAIL = 10049, "the address is not available";
    WSAENETDOWN = 10050, "the network is down";
    WSAENETUNREACH = 10051, "the network is unreachable";
    WSAENETRESET = 10052, "the network dropped the connection or the datagram";
    WSAECONNABORTED = 10053, "the connection was given up by this side";
    WSAECONNRESET = 10054, "the connection was reset by the peer";
    WSAENOBUFS = 10055, "no buffer space or no ports are left";
    WSAEISCONN = 10056, "the socket is connected";
    WSAENOTCONN = 10057, "the socket is not connected";
    WSAESHUTDOWN = 10058, "the socket was shut down in that direction";
    WSAETOOMANYREFS = 10059, "too many references";
    WSAETIMEDOUT = 10060, "the peer did not answer in time";
    WSAECONNREFUSED = 10061, "the peer refused the connection";
    WSAELOOP = 10062, "the name cannot be translated";
    WSAENAMETOOLONG = 10063, "the name is too long";
    WSAEHOSTDOWN = 10064, "the host is down";
    WSAEHOSTUNREACH = 10065, "the host is unreachable";
    WSAENOTEMPTY = 10066, "the directory is not empty";
    WSAEPROCLIM = 10067, "too many processes";
    WSAEUSERS = 10068, "too many users";
    WSAEDQUOT = 10069, "the quota is spent";
    WSAESTALE = 10070, "the file handle is stale";
    WSAEREMOTE = 10071, "the item is not local";
    WSASYSNOTREADY = 10091, "the network subsystem is not ready";
    WSAVERNOTSUPPORTED = 10092, "the Winsock version is not supported";
    WSANOTINITIALISED = 10093, "WSAStartup was not called";
    WSAEDISCON = 10101, "the peer is disconnecting";
    WSAENOMORE = 10102, "there is nothing more";
    WSAECANCELLED = 10103, "the call was cancelled";
    WSAEINVALIDPROCTABLE = 10104, "the provider's procedure table is invalid";
    WSAEINVALIDPROVIDER = 10105, "the provider is invalid";
    WSAEPROVIDERFAILEDINIT = 10106, "the provider failed to initialize";
    WSASYSCALLFAILURE = 10107, "a system call failed";
    WSASERVICE_NOT_FOUND = 10108, "the service is unknown";
    WSATYPE_NOT_FOUND = 10109, "the class was not found";
    WSA_E_NO_MORE = 10110, "there is nothing more";
    WSA_E_CANCELLED = 10111, "the call was cancelled";
    WSAEREFUSED = 10112, "the query was refused";
    WSAHOST_NOT_FOUND = 11001, "the host is unknown";
    WSATRY_AGAIN = 11002, "try again later";
    WSANO_RECOVERY = 11003, "the query failed for good";
    WSANO_DATA = 11004, "the name has no data of the wanted type";
    WSA_QOS_RECEIVERS = 11005, "a reserve message arrived";
    WSA_QOS_SENDERS = 11006, "a path message arrived";
    WSA_QOS_NO_SENDERS = 11007, "there are no senders";
    WSA_QOS_NO_RECEIVERS = 11008, "there are no receivers";
    WSA_QOS_REQUEST_CONFIRMED = 11009, "the reserve was confirmed";
    WSA_QOS_ADMISSION_FAILURE = 11010, "resources are lacking";
    WSA_QOS_POLICY_FAILURE = 11011, "the policy forbids it";
    WSA_QOS_BAD_STYLE = 11012, "the style is unknown or conflicting";
    WSA_QOS_BAD_OBJECT = 11013, "a filter or provider object is bad";
    WSA_QOS_TRAFFIC_CTRL_ERROR = 11014, "the flow specification is bad";
    WSA_QOS_GENERIC_ERROR = 11015, "general failure";
    WSA_QOS_ESERVICETYPE = 11016, "the service type is invalid";
    WSA_QOS_EFLOWSPEC = 11017, "the flow specification is invalid";
    WSA_QOS_EPROVSPECBUF = 11018, "the provider buffer is invalid";
    WSA_QOS_EFILTERSTYLE = 11019, "the filter style is invalid";
    WSA_QOS_EFILTERTYPE = 11020, "the filter type is invalid";
    WSA_QOS_EFILTERCOUNT = 11021, "the number of filters is wrong";
    WSA_QOS_EOBJLENGTH = 11022, "the object length is invalid";
    WSA_QOS_EFLOWCOUNT = 11023, "the number of flows is wrong";
    WSA_QOS_EUNKOWNPSOBJ = 11024, "a provider object is unknown";
    WSA_QOS_EPOLICYOBJ = 11025, "the policy object is invalid";
    WSA_QOS_EFLOWDESC = 11026, "a flow descriptor is invalid";
    WSA_QOS_EPSFLOWSPEC = 11027, "the provider's flow specification is invalid";
    WSA_QOS_EPSFILTERSPEC = 11028, "the provider's filter is invalid";
    WSA_QOS_ESDMODEOBJ = 11029, "the discard mode object is invalid";
    WSA_QOS_ESHAPERATEOBJ = 11030, "the shaping rate object is invalid";
    WSA_QOS_RESERVED_PETYPE = 11031, "the policy element type is reserved";
}

impl Error {
    /// The error with this number, whether or not it has a name; `None` for 0.
    pub const fn from_code(code: i32) -> Option<Self> {
        if code == 0 { None } else { Some(Self(code)) }
    }

    /// The number.
    pub const fn code(self) -> i32 {
        self.0
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.name(), self.0)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.name(), self.0, self.text())
    }
}

impl core::error::Error for Error {}

/// What a Winsock call of this crate gives.
pub type Result<T, E = Error> = core::result::Result<T, E>;

#[cfg(all(test, feature = "std"))]
mod tests;
