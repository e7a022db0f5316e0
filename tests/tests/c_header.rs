//! The headers of libwsa: numbers and layouts against windows-sys, which comes from Microsoft's
//! metadata, and each dialect of C and C++ with the system's headers around them.

use std::fmt::Write;
use std::fs;
use std::mem::{align_of, offset_of, size_of};
use std::path::{Path, PathBuf};
use std::process::Command;

use windows_sys::Win32::Foundation as foundation;
use windows_sys::Win32::Networking::WinSock as windows;
use windows_sys::Win32::System::IO as io;

const HEADERS: &str = "#include <winsock2.h>\n#include <ws2tcpip.h>\n#include <mstcpip.h>\n\
                       #include <mswsock.h>\n#include <windows.h>\n#include <winsock.h>\n\
                       #include <wsa.h>\n";

fn include() -> PathBuf {
    // The tests are a folder of the workspace.
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("wsa/include")
}

/// The compiler's call for a text, of which nothing is kept.
fn compiler(name: &str, compiler: &str, text: &str) -> Command {
    // Tests run at the same time; a file belongs to one of them.
    let test = std::thread::current().name().unwrap_or("main").to_owned();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("headers").join(test);
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join(name);
    fs::write(&file, text).unwrap();
    let mut words = compiler.split_whitespace();
    let mut command = Command::new(words.next().unwrap());
    command.args(words).args(["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only"]);
    command.arg("-I").arg(include()).arg(&file);
    command
}

fn compiles(name: &str, dialect: &str, text: &str) {
    let mut command = compiler(name, dialect, text);
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
}

/// A name and its lower 32 bits.
macro_rules! numbers {
    ($module:ident: $($name:ident),* $(,)?) => {
        vec![$((stringify!($name), $module::$name as u32)),*]
    };
}

/// Assertions about a structure of the same name, or of the one behind `as`.
macro_rules! layout {
    ($text:ident, $ours:literal, $theirs:ty, $($field:ident),* $(,)?) => {
        let (size, align) = (size_of::<$theirs>(), align_of::<$theirs>());
        let name = $ours;
        writeln!($text, "_Static_assert(sizeof({name}) == {size}, \"{name}\");").unwrap();
        writeln!($text, "_Static_assert(_Alignof({name}) == {align}, \"{name}\");").unwrap();
        $({
            let (field, at) = (stringify!($field), offset_of!($theirs, $field));
            let text = format!("offsetof({name}, {field}) == {at}, \"{name}.{field}\"");
            writeln!($text, "_Static_assert({text});").unwrap();
        })*
    };
}

fn numbers() -> Vec<(&'static str, u32)> {
    let mut numbers = numbers_of_winsock();
    numbers.extend(numbers![
        foundation:
        TRUE,
        FALSE,
        NO_ERROR,
        ERROR_SUCCESS,
        ERROR_INVALID_HANDLE,
        ERROR_NOT_ENOUGH_MEMORY,
        ERROR_NETNAME_DELETED,
        ERROR_INVALID_PARAMETER,
        ERROR_INSUFFICIENT_BUFFER,
        ERROR_MORE_DATA,
        ERROR_OPERATION_ABORTED,
        ERROR_IO_INCOMPLETE,
        ERROR_IO_PENDING,
        ERROR_CONNECTION_REFUSED,
        ERROR_NETWORK_UNREACHABLE,
        ERROR_HOST_UNREACHABLE,
        ERROR_PORT_UNREACHABLE,
        ERROR_CONNECTION_ABORTED,
        WAIT_OBJECT_0,
        WAIT_IO_COMPLETION,
        WAIT_TIMEOUT,
        WAIT_FAILED,
        MAX_PATH,
    ]);
    numbers
}

fn numbers_of_winsock() -> Vec<(&'static str, u32)> {
    numbers![
        windows:
        SOCKET_ERROR,
        FD_SETSIZE,
        POLLRDNORM,
        POLLRDBAND,
        POLLIN,
        POLLPRI,
        POLLWRNORM,
        POLLOUT,
        POLLWRBAND,
        POLLERR,
        POLLHUP,
        POLLNVAL,
        WSA_MAXIMUM_WAIT_EVENTS,
        WSA_WAIT_FAILED,
        WSA_WAIT_EVENT_0,
        WSA_WAIT_IO_COMPLETION,
        WSA_WAIT_TIMEOUT,
        WSA_INFINITE,
        FD_READ_BIT,
        FD_WRITE_BIT,
        FD_OOB_BIT,
        FD_ACCEPT_BIT,
        FD_CONNECT_BIT,
        FD_CLOSE_BIT,
        FD_QOS_BIT,
        FD_GROUP_QOS_BIT,
        FD_ROUTING_INTERFACE_CHANGE_BIT,
        FD_ADDRESS_LIST_CHANGE_BIT,
        FD_MAX_EVENTS,
        FD_READ,
        FD_WRITE,
        FD_OOB,
        FD_ACCEPT,
        FD_CONNECT,
        FD_CLOSE,
        INADDR_ANY,
        INADDR_LOOPBACK,
        INADDR_BROADCAST,
        INADDR_NONE,
        ADDR_ANY,
        WSADESCRIPTION_LEN,
        WSASYS_STATUS_LEN,
        MAX_PROTOCOL_CHAIN,
        BASE_PROTOCOL,
        LAYERED_PROTOCOL,
        WSAPROTOCOL_LEN,
        AF_UNSPEC,
        AF_UNIX,
        AF_INET,
        AF_IPX,
        AF_NETBIOS,
        AF_INET6,
        AF_IRDA,
        PF_UNIX,
        PF_IPX,
        SOCK_STREAM,
        SOCK_DGRAM,
        SOCK_RAW,
        SOCK_RDM,
        SOCK_SEQPACKET,
        IPPROTO_IP,
        IPPROTO_ICMP,
        IPPROTO_IGMP,
        IPPROTO_TCP,
        IPPROTO_UDP,
        IPPROTO_IPV6,
        IPPROTO_ICMPV6,
        IPPROTO_RAW,
        FROM_PROTOCOL_INFO,
        SD_RECEIVE,
        SD_SEND,
        SD_BOTH,
        CF_ACCEPT,
        CF_REJECT,
        CF_DEFER,
        SG_UNCONSTRAINED_GROUP,
        SG_CONSTRAINED_GROUP,
        WSA_FLAG_OVERLAPPED,
        WSA_FLAG_MULTIPOINT_C_ROOT,
        WSA_FLAG_MULTIPOINT_C_LEAF,
        WSA_FLAG_MULTIPOINT_D_ROOT,
        WSA_FLAG_MULTIPOINT_D_LEAF,
        WSA_FLAG_ACCESS_SYSTEM_SECURITY,
        WSA_FLAG_NO_HANDLE_INHERIT,
        WSA_FLAG_REGISTERED_IO,
        MSG_OOB,
        MSG_PEEK,
        MSG_DONTROUTE,
        MSG_WAITALL,
        MSG_INTERRUPT,
        MSG_PUSH_IMMEDIATE,
        MSG_TRUNC,
        MSG_CTRUNC,
        MSG_BCAST,
        MSG_MCAST,
        MSG_PARTIAL,
        SOL_SOCKET,
        SO_DEBUG,
        SO_ACCEPTCONN,
        SO_REUSEADDR,
        SO_KEEPALIVE,
        SO_DONTROUTE,
        SO_BROADCAST,
        SO_USELOOPBACK,
        SO_LINGER,
        SO_OOBINLINE,
        SO_DONTLINGER,
        SO_EXCLUSIVEADDRUSE,
        SO_SNDBUF,
        SO_RCVBUF,
        SO_SNDLOWAT,
        SO_RCVLOWAT,
        SO_SNDTIMEO,
        SO_RCVTIMEO,
        SO_ERROR,
        SO_TYPE,
        SO_BSP_STATE,
        SO_GROUP_ID,
        SO_GROUP_PRIORITY,
        SO_MAX_MSG_SIZE,
        SO_PROTOCOL_INFOA,
        SO_PROTOCOL_INFOW,
        PVD_CONFIG,
        SO_CONDITIONAL_ACCEPT,
        SO_RANDOMIZE_PORT,
        SO_PORT_SCALABILITY,
        SO_REUSE_UNICASTPORT,
        SO_REUSE_MULTICASTPORT,
        SO_OPENTYPE,
        SO_MAXDG,
        SO_MAXPATHDG,
        SO_UPDATE_ACCEPT_CONTEXT,
        SO_CONNECT_TIME,
        SO_UPDATE_CONNECT_CONTEXT,
        TCP_BSDURGENT,
        SO_SYNCHRONOUS_ALERT,
        SO_SYNCHRONOUS_NONALERT,
        TCP_NODELAY,
        IOCPARM_MASK,
        IOC_VOID,
        IOC_OUT,
        IOC_IN,
        IOC_INOUT,
        IOC_UNIX,
        IOC_WS2,
        IOC_PROTOCOL,
        IOC_VENDOR,
        SIO_BSP_HANDLE,
        SIO_BSP_HANDLE_SELECT,
        SIO_BSP_HANDLE_POLL,
        SIO_BASE_HANDLE,
        FIONREAD,
        FIONBIO,
        FIOASYNC,
        SIOCATMARK,
        SIO_ASSOCIATE_HANDLE,
        SIO_ENABLE_CIRCULAR_QUEUEING,
        SIO_FIND_ROUTE,
        SIO_FLUSH,
        SIO_GET_BROADCAST_ADDRESS,
        SIO_GET_EXTENSION_FUNCTION_POINTER,
        SIO_GET_QOS,
        SIO_GET_GROUP_QOS,
        SIO_MULTIPOINT_LOOPBACK,
        SIO_MULTICAST_SCOPE,
        SIO_SET_QOS,
        SIO_SET_GROUP_QOS,
        SIO_TRANSLATE_HANDLE,
        SIO_ROUTING_INTERFACE_QUERY,
        SIO_ROUTING_INTERFACE_CHANGE,
        SIO_ADDRESS_LIST_QUERY,
        SIO_ADDRESS_LIST_CHANGE,
        SIO_QUERY_TARGET_PNP_HANDLE,
        SIO_ADDRESS_LIST_SORT,
        WSA_INVALID_HANDLE,
        WSA_NOT_ENOUGH_MEMORY,
        WSA_INVALID_PARAMETER,
        WSA_OPERATION_ABORTED,
        WSA_IO_INCOMPLETE,
        WSA_IO_PENDING,
        WSAEINTR,
        WSAEBADF,
        WSAEACCES,
        WSAEFAULT,
        WSAEINVAL,
        WSAEMFILE,
        WSAEWOULDBLOCK,
        WSAEINPROGRESS,
        WSAEALREADY,
        WSAENOTSOCK,
        WSAEDESTADDRREQ,
        WSAEMSGSIZE,
        WSAEPROTOTYPE,
        WSAENOPROTOOPT,
        WSAEPROTONOSUPPORT,
        WSAESOCKTNOSUPPORT,
        WSAEOPNOTSUPP,
        WSAEPFNOSUPPORT,
        WSAEAFNOSUPPORT,
        WSAEADDRINUSE,
        WSAEADDRNOTAVAIL,
        WSAENETDOWN,
        WSAENETUNREACH,
        WSAENETRESET,
        WSAECONNABORTED,
        WSAECONNRESET,
        WSAENOBUFS,
        WSAEISCONN,
        WSAENOTCONN,
        WSAESHUTDOWN,
        WSAETOOMANYREFS,
        WSAETIMEDOUT,
        WSAECONNREFUSED,
        WSAELOOP,
        WSAENAMETOOLONG,
        WSAEHOSTDOWN,
        WSAEHOSTUNREACH,
        WSAENOTEMPTY,
        WSAEPROCLIM,
        WSAEUSERS,
        WSAEDQUOT,
        WSAESTALE,
        WSAEREMOTE,
        WSASYSNOTREADY,
        WSAVERNOTSUPPORTED,
        WSANOTINITIALISED,
        WSAEDISCON,
        WSAENOMORE,
        WSAECANCELLED,
        WSAEINVALIDPROCTABLE,
        WSAEINVALIDPROVIDER,
        WSAEPROVIDERFAILEDINIT,
        WSASYSCALLFAILURE,
        WSASERVICE_NOT_FOUND,
        WSATYPE_NOT_FOUND,
        WSA_E_NO_MORE,
        WSA_E_CANCELLED,
        WSAEREFUSED,
        WSAHOST_NOT_FOUND,
        WSATRY_AGAIN,
        WSANO_RECOVERY,
        WSANO_DATA,
        WSA_QOS_RECEIVERS,
        WSA_QOS_SENDERS,
        WSA_QOS_NO_SENDERS,
        WSA_QOS_NO_RECEIVERS,
        WSA_QOS_REQUEST_CONFIRMED,
        WSA_QOS_ADMISSION_FAILURE,
        WSA_QOS_POLICY_FAILURE,
        WSA_QOS_BAD_STYLE,
        WSA_QOS_BAD_OBJECT,
        WSA_QOS_TRAFFIC_CTRL_ERROR,
        WSA_QOS_GENERIC_ERROR,
        WSA_QOS_ESERVICETYPE,
        WSA_QOS_EFLOWSPEC,
        WSA_QOS_EPROVSPECBUF,
        WSA_QOS_EFILTERSTYLE,
        WSA_QOS_EFILTERTYPE,
        WSA_QOS_EFILTERCOUNT,
        WSA_QOS_EOBJLENGTH,
        WSA_QOS_EFLOWCOUNT,
        WSA_QOS_EUNKOWNPSOBJ,
        WSA_QOS_EPOLICYOBJ,
        WSA_QOS_EFLOWDESC,
        WSA_QOS_EPSFLOWSPEC,
        WSA_QOS_EPSFILTERSPEC,
        WSA_QOS_ESDMODEOBJ,
        WSA_QOS_ESHAPERATEOBJ,
        WSA_QOS_RESERVED_PETYPE,
        IP_OPTIONS,
        IP_HDRINCL,
        IP_TOS,
        IP_TTL,
        IP_MULTICAST_IF,
        IP_MULTICAST_TTL,
        IP_MULTICAST_LOOP,
        IP_ADD_MEMBERSHIP,
        IP_DROP_MEMBERSHIP,
        IP_DONTFRAGMENT,
        IP_ADD_SOURCE_MEMBERSHIP,
        IP_DROP_SOURCE_MEMBERSHIP,
        IP_BLOCK_SOURCE,
        IP_UNBLOCK_SOURCE,
        IP_PKTINFO,
        IP_HOPLIMIT,
        IP_RECVTTL,
        IP_RECEIVE_BROADCAST,
        IP_RECVIF,
        IP_RECVDSTADDR,
        IP_IFLIST,
        IP_UNICAST_IF,
        IP_RTHDR,
        IP_RECVTOS,
        IP_ECN,
        IP_MTU_DISCOVER,
        IP_MTU,
        IP_RECVERR,
        IP_USER_MTU,
        IP_PMTUDISC_NOT_SET,
        IP_PMTUDISC_DO,
        IP_PMTUDISC_DONT,
        IP_PMTUDISC_PROBE,
        IP_PMTUDISC_MAX,
        MCAST_JOIN_GROUP,
        MCAST_LEAVE_GROUP,
        MCAST_BLOCK_SOURCE,
        MCAST_UNBLOCK_SOURCE,
        MCAST_JOIN_SOURCE_GROUP,
        MCAST_LEAVE_SOURCE_GROUP,
        IPV6_HOPOPTS,
        IPV6_HDRINCL,
        IPV6_UNICAST_HOPS,
        IPV6_MULTICAST_IF,
        IPV6_MULTICAST_HOPS,
        IPV6_MULTICAST_LOOP,
        IPV6_JOIN_GROUP,
        IPV6_ADD_MEMBERSHIP,
        IPV6_LEAVE_GROUP,
        IPV6_DROP_MEMBERSHIP,
        IPV6_DONTFRAG,
        IPV6_PKTINFO,
        IPV6_HOPLIMIT,
        IPV6_PROTECTION_LEVEL,
        IPV6_RECVIF,
        IPV6_RECVDSTADDR,
        IPV6_CHECKSUM,
        IPV6_V6ONLY,
        IPV6_UNICAST_IF,
        IPV6_RTHDR,
        IPV6_RECVRTHDR,
        IPV6_TCLASS,
        IPV6_RECVTCLASS,
        IPV6_MTU_DISCOVER,
        IPV6_MTU,
        PROTECTION_LEVEL_UNRESTRICTED,
        PROTECTION_LEVEL_EDGERESTRICTED,
        PROTECTION_LEVEL_RESTRICTED,
        TCP_EXPEDITED_1122,
        TCP_KEEPALIVE,
        TCP_KEEPIDLE,
        TCP_MAXSEG,
        TCP_MAXRT,
        TCP_STDURG,
        TCP_NOURG,
        TCP_ATMARK,
        TCP_NOSYNRETRIES,
        TCP_TIMESTAMPS,
        TCP_OFFLOAD_PREFERENCE,
        TCP_CONGESTION_ALGORITHM,
        TCP_DELAY_FIN_ACK,
        TCP_MAXRTMS,
        TCP_FASTOPEN,
        TCP_KEEPCNT,
        TCP_KEEPINTVL,
        TCP_FAIL_CONNECT_ON_ICMP_ERROR,
        TCP_ICMP_ERROR_INFO,
        UDP_NOCHECKSUM,
        UDP_CHECKSUM_COVERAGE,
        INET_ADDRSTRLEN,
        INET6_ADDRSTRLEN,
        SIO_KEEPALIVE_VALS,
        SIO_UDP_CONNRESET,
        SIO_UDP_NETRESET,
        SIO_LOOPBACK_FAST_PATH,
        SIO_TCP_INITIAL_RTO,
        SIO_TCP_SET_ACK_FREQUENCY,
        SIO_TCP_INFO,
        TCP_INITIAL_RTO_DEFAULT_RTT,
        TCP_INITIAL_RTO_DEFAULT_MAX_SYN_RETRANSMISSIONS,
        IN_CLASSA_NET,
        IN_CLASSA_NSHIFT,
        IN_CLASSA_HOST,
        IN_CLASSA_MAX,
        IN_CLASSB_NET,
        IN_CLASSB_NSHIFT,
        IN_CLASSB_HOST,
        IN_CLASSB_MAX,
        IN_CLASSC_NET,
        IN_CLASSC_NSHIFT,
        IN_CLASSC_HOST,
        IN_CLASSD_NET,
        IN_CLASSD_NSHIFT,
        IN_CLASSD_HOST,
        AF_IMPLINK,
        AF_PUP,
        AF_CHAOS,
        AF_NS,
        AF_ISO,
        AF_OSI,
        AF_ECMA,
        AF_DATAKIT,
        AF_CCITT,
        AF_SNA,
        AF_DECnet,
        AF_DLI,
        AF_LAT,
        AF_HYLINK,
        AF_APPLETALK,
        AF_VOICEVIEW,
        AF_FIREFOX,
        AF_UNKNOWN1,
        AF_BAN,
        AF_ATM,
        AF_CLUSTER,
        AF_12844,
        AF_NETDES,
        AF_TCNPROCESS,
        AF_MAX,
        AF_TCNMESSAGE,
        AF_ICLFXBM,
        AF_LINK,
        AF_HYPERV,
        PF_IMPLINK,
        PF_PUP,
        PF_CHAOS,
        PF_NS,
        PF_ISO,
        PF_OSI,
        PF_ECMA,
        PF_DATAKIT,
        PF_CCITT,
        PF_SNA,
        PF_DECnet,
        PF_DLI,
        PF_LAT,
        PF_HYLINK,
        PF_APPLETALK,
        PF_VOICEVIEW,
        PF_FIREFOX,
        PF_UNKNOWN1,
        PF_BAN,
        PF_ATM,
        PF_IRDA,
        PF_MAX,
        IPPROTO_HOPOPTS,
        IPPROTO_GGP,
        IPPROTO_IPV4,
        IPPROTO_ST,
        IPPROTO_CBT,
        IPPROTO_EGP,
        IPPROTO_IGP,
        IPPROTO_PUP,
        IPPROTO_IDP,
        IPPROTO_RDP,
        IPPROTO_ROUTING,
        IPPROTO_FRAGMENT,
        IPPROTO_ESP,
        IPPROTO_AH,
        IPPROTO_NONE,
        IPPROTO_DSTOPTS,
        IPPROTO_ND,
        IPPROTO_ICLFXBM,
        IPPROTO_PIM,
        IPPROTO_PGM,
        IPPROTO_RM,
        IPPROTO_L2TP,
        IPPROTO_SCTP,
        IPPROTO_MAX,
        IPPORT_TCPMUX,
        IPPORT_ECHO,
        IPPORT_DISCARD,
        IPPORT_SYSTAT,
        IPPORT_DAYTIME,
        IPPORT_NETSTAT,
        IPPORT_QOTD,
        IPPORT_MSP,
        IPPORT_CHARGEN,
        IPPORT_FTP_DATA,
        IPPORT_FTP,
        IPPORT_TELNET,
        IPPORT_SMTP,
        IPPORT_TIMESERVER,
        IPPORT_NAMESERVER,
        IPPORT_WHOIS,
        IPPORT_MTP,
        IPPORT_TFTP,
        IPPORT_RJE,
        IPPORT_FINGER,
        IPPORT_TTYLINK,
        IPPORT_SUPDUP,
        IPPORT_POP3,
        IPPORT_NTP,
        IPPORT_EPMAP,
        IPPORT_NETBIOS_NS,
        IPPORT_NETBIOS_DGM,
        IPPORT_NETBIOS_SSN,
        IPPORT_IMAP,
        IPPORT_SNMP,
        IPPORT_SNMP_TRAP,
        IPPORT_IMAP3,
        IPPORT_LDAP,
        IPPORT_HTTPS,
        IPPORT_MICROSOFT_DS,
        IPPORT_BIFFUDP,
        IPPORT_EXECSERVER,
        IPPORT_LOGINSERVER,
        IPPORT_WHOSERVER,
        IPPORT_CMDSERVER,
        IPPORT_EFSSERVER,
        IPPORT_ROUTESERVER,
        IPPORT_REGISTERED_MIN,
        IPPORT_RESERVED,
        IPPORT_REGISTERED_MAX,
        IPPORT_DYNAMIC_MIN,
        IPPORT_DYNAMIC_MAX,
        XP1_CONNECTIONLESS,
        XP1_GUARANTEED_DELIVERY,
        XP1_GUARANTEED_ORDER,
        XP1_MESSAGE_ORIENTED,
        XP1_PSEUDO_STREAM,
        XP1_GRACEFUL_CLOSE,
        XP1_EXPEDITED_DATA,
        XP1_CONNECT_DATA,
        XP1_DISCONNECT_DATA,
        XP1_SUPPORT_BROADCAST,
        XP1_SUPPORT_MULTIPOINT,
        XP1_MULTIPOINT_CONTROL_PLANE,
        XP1_MULTIPOINT_DATA_PLANE,
        XP1_QOS_SUPPORTED,
        XP1_INTERRUPT,
        XP1_UNI_SEND,
        XP1_UNI_RECV,
        XP1_IFS_HANDLES,
        XP1_PARTIAL_MESSAGE,
        XP1_SAN_SUPPORT_SDP,
        PFL_MULTIPLE_PROTO_ENTRIES,
        PFL_RECOMMENDED_PROTO_ENTRY,
        PFL_HIDDEN,
        PFL_MATCHES_PROTOCOL_ZERO,
        PFL_NETWORKDIRECT_PROVIDER,
        BIGENDIAN,
        LITTLEENDIAN,
        SECURITY_PROTOCOL_NONE,
        MSG_ERRQUEUE,
        MSG_MAXIOVLEN,
        SO_PAUSE_ACCEPT,
        SO_COMPARTMENT_ID,
        SO_TIMESTAMP,
        SO_TIMESTAMP_ID,
        SO_ORIGINAL_DST,
        SO_CONNDATA,
        SO_CONNOPT,
        SO_DISCDATA,
        SO_DISCOPT,
        SO_CONNDATALEN,
        SO_CONNOPTLEN,
        SO_DISCDATALEN,
        SO_DISCOPTLEN,
        SIOCSHIWAT,
        SIOCGHIWAT,
        SIOCSLOWAT,
        SIOCGLOWAT,
        WSABASEERR,
        WSA_SECURE_HOST_NOT_FOUND,
        WSA_IPSEC_NAME_POLICY_ERROR,
        IP_PROTECTION_LEVEL,
        IP_ADD_IFLIST,
        IP_DEL_IFLIST,
        IP_GET_IFLIST,
        IP_RECVRTHDR,
        IP_TCLASS,
        IP_RECVTCLASS,
        IP_ORIGINAL_ARRIVAL_IF,
        IP_RECVECN,
        IP_PKTINFO_EX,
        IP_NRT_INTERFACE,
        IP_UNSPECIFIED_USER_MTU,
        IP_DEFAULT_MULTICAST_TTL,
        IP_DEFAULT_MULTICAST_LOOP,
        IP_MAX_MEMBERSHIPS,
        IPV6_IFLIST,
        IPV6_ADD_IFLIST,
        IPV6_DEL_IFLIST,
        IPV6_GET_IFLIST,
        IPV6_ECN,
        IPV6_RECVECN,
        IPV6_PKTINFO_EX,
        IPV6_NRT_INTERFACE,
        IPV6_RECVERR,
        IPV6_USER_MTU,
        SOL_IP,
        SOL_IPV6,
        PROTECTION_LEVEL_DEFAULT,
        TCP_OFFLOAD_NO_PREFERENCE,
        TCP_OFFLOAD_NOT_PREFERRED,
        TCP_OFFLOAD_PREFERRED,
        UDP_SEND_MSG_SIZE,
        UDP_RECV_MAX_COALESCED_SIZE,
        UDP_COALESCED_INFO,
        SIO_RCVALL,
        SIO_RCVALL_MCAST,
        SIO_RCVALL_IGMPMCAST,
        SIO_ABSORB_RTRALERT,
        SIO_UCAST_IF,
        SIO_LIMIT_BROADCASTS,
        SIO_INDEX_BIND,
        SIO_INDEX_MCASTIF,
        SIO_INDEX_ADD_MCAST,
        SIO_INDEX_DEL_MCAST,
        SIO_ACQUIRE_PORT_RESERVATION,
        SIO_RELEASE_PORT_RESERVATION,
        SIO_ASSOCIATE_PORT_RESERVATION,
        MCAST_INCLUDE,
        MCAST_EXCLUDE,
    ]
}

/// What windows-sys has not, or has as something else than the number that the headers define.
const ELSEWHERE: &[&str] = &[
    "INVALID_SOCKET",
    "WSA_INVALID_EVENT",
    "INVALID_HANDLE_VALUE",
    "INFINITE",
    "MAXIMUM_WAIT_OBJECTS",
    "__FD_SETSIZE",
    "VOID",
    "CONST",
    "SO_PROTOCOL_INFO",
    "PF_BTH",
    "FD_QOS",
    "FD_GROUP_QOS",
    "FD_ROUTING_INTERFACE_CHANGE",
    "FD_ADDRESS_LIST_CHANGE",
    "FD_ALL_EVENTS",
    "WINSOCK_VERSION",
    "QOS_NOT_SPECIFIED",
    "SERVICETYPE_NOTRAFFIC",
    "SERVICETYPE_BESTEFFORT",
    "SERVICETYPE_CONTROLLEDLOAD",
    "SERVICETYPE_GUARANTEED",
    "SERVICETYPE_NOCHANGE",
    "SERVICETYPE_QUALITATIVE",
    "AF_BTH",
    "PF_UNSPEC",
    "PF_INET",
    "PF_INET6",
    "IN6ADDR_ANY_INIT",
    "IN6ADDR_LOOPBACK_INIT",
    "WSAID_WSARECVMSG",
    "WSAID_WSASENDMSG",
    "TCP_INITIAL_RTO_UNSPECIFIED_RTT",
    "TCP_INITIAL_RTO_NO_SYN_RETRANSMISSIONS",
    "SOMAXCONN",
    "TCP_INITIAL_RTO_UNSPECIFIED_MAX_SYN_RETRANSMISSIONS",
];

#[test]
fn numbers_are_those_of_windows() {
    let mut text = String::from(HEADERS);
    for (name, number) in numbers() {
        writeln!(text, "_Static_assert((ULONG)({name}) == {number}u, \"{name}\");").unwrap();
    }
    // From the reference of each.
    for (name, number) in [
        ("QOS_NOT_SPECIFIED", 0xFFFF_FFFFu32),
        ("SERVICETYPE_NOTRAFFIC", 0),
        ("SERVICETYPE_BESTEFFORT", 1),
        ("SERVICETYPE_CONTROLLEDLOAD", 2),
        ("SERVICETYPE_GUARANTEED", 3),
        ("SERVICETYPE_QUALITATIVE", 0xD),
        ("AF_BTH", 32),
        ("PF_BTH", 32),
        ("PF_INET6", 23),
        ("INFINITE", 0xFFFF_FFFF),
        ("MAXIMUM_WAIT_OBJECTS", 64),
        ("SO_PROTOCOL_INFO", 0x2004),
        ("TCP_INITIAL_RTO_UNSPECIFIED_RTT", 0xFFFF),
        ("TCP_INITIAL_RTO_UNSPECIFIED_MAX_SYN_RETRANSMISSIONS", 0xFF),
        ("TCP_INITIAL_RTO_NO_SYN_RETRANSMISSIONS", 0xFE),
        ("SOMAXCONN", 0x7FFF_FFFF),
        ("FD_ALL_EVENTS", 0x3FF),
        ("WINSOCK_VERSION", 0x0202),
    ] {
        writeln!(text, "_Static_assert((ULONG)({name}) == {number}u, \"{name}\");").unwrap();
    }
    // As on Windows with 64 bits, for the lengths of in_pktinfo and in6_pktinfo.
    for (text_of, size) in [("LEN(8)", 24), ("SPACE(8)", 24), ("LEN(20)", 36), ("SPACE(20)", 40)] {
        writeln!(text, "_Static_assert(WSA_CMSG_{text_of} == {size}, \"{text_of}\");").unwrap();
    }
    text.push_str("_Static_assert(INVALID_SOCKET == ~(SOCKET)0, \"INVALID_SOCKET\");\n");
    compiles("numbers.c", "gcc -std=c11", &text);
}

#[test]
fn functions_are_asked_for_by_the_guids_of_windows() {
    let text = fs::read_to_string(include().join("mswsock.h")).unwrap();
    for (name, guid) in [
        ("WSAID_WSARECVMSG", windows::WSAID_WSARECVMSG),
        ("WSAID_WSASENDMSG", windows::WSAID_WSASENDMSG),
    ] {
        let (_, value) = text.split_once(&format!("#define {name} ")).unwrap();
        let (value, _) = value.split_once("}}").unwrap();
        let value: String = value.chars().filter(|c| !c.is_whitespace() && *c != '\\').collect();
        let rest = guid.data4.map(|byte| format!("{byte:#04x}")).join(",");
        let (first, second, third) = (guid.data1, guid.data2, guid.data3);
        assert_eq!(value, format!("{{{first:#010x},{second:#06x},{third:#06x},{{{rest}"), "{name}");
    }
}

#[test]
fn no_number_is_unchecked() {
    let checked = numbers();
    for header in [
        "winsock2.h",
        "wsaconst.h",
        "wsatypes.h",
        "windows.h",
        "ws2tcpip.h",
        "mstcpip.h",
        "mswsock.h",
    ] {
        let text = fs::read_to_string(include().join(header)).unwrap();
        for line in text.lines().filter_map(|line| line.strip_prefix("#define ")) {
            let Some((name, value)) = line.split_once(' ') else { continue };
            let is_number =
                name.chars().all(|c| c.is_ascii_uppercase() || "_0123456789".contains(c));
            if !is_number || value.is_empty() || ELSEWHERE.contains(&name) {
                continue;
            }
            assert!(checked.iter().any(|(known, _)| *known == name), "{header}: {name}");
        }
    }
}

#[test]
fn structures_lie_in_memory_as_on_windows() {
    let mut text = String::from(HEADERS);
    layout!(text, "WSADATA", windows::WSADATA, wVersion, wHighVersion, iMaxSockets, iMaxUdpDg);
    layout!(text, "WSADATA", windows::WSADATA, lpVendorInfo, szDescription, szSystemStatus);
    layout!(text, "WSABUF", windows::WSABUF, len, buf);
    layout!(text, "WSAMSG", windows::WSAMSG, name, namelen, lpBuffers, dwBufferCount, Control);
    layout!(text, "WSAMSG", windows::WSAMSG, dwFlags);
    layout!(text, "WSACMSGHDR", windows::CMSGHDR, cmsg_len, cmsg_level, cmsg_type);
    layout!(text, "FLOWSPEC", windows::FLOWSPEC, TokenRate, TokenBucketSize, PeakBandwidth);
    layout!(text, "FLOWSPEC", windows::FLOWSPEC, Latency, DelayVariation, ServiceType);
    layout!(text, "FLOWSPEC", windows::FLOWSPEC, MaxSduSize, MinimumPolicedSize);
    layout!(text, "QOS", windows::QOS, SendingFlowspec, ReceivingFlowspec, ProviderSpecific);
    layout!(text, "struct in_addr", windows::IN_ADDR, S_un);
    layout!(text, "struct in6_addr", windows::IN6_ADDR, u);
    layout!(text, "struct sockaddr", windows::SOCKADDR, sa_family, sa_data);
    layout!(text, "struct sockaddr_in", windows::SOCKADDR_IN, sin_family, sin_port, sin_addr);
    layout!(text, "struct sockaddr_in", windows::SOCKADDR_IN, sin_zero);
    layout!(text, "struct sockaddr_in6", windows::SOCKADDR_IN6, sin6_family, sin6_port);
    layout!(text, "struct sockaddr_in6", windows::SOCKADDR_IN6, sin6_flowinfo, sin6_addr);
    let scope = offset_of!(windows::SOCKADDR_IN6, Anonymous);
    let scope = format!("offsetof(SOCKADDR_IN6, sin6_scope_id) == {scope}, \"sin6_scope_id\"");
    writeln!(text, "_Static_assert({scope});").unwrap();
    layout!(text, "struct sockaddr_storage", windows::SOCKADDR_STORAGE, ss_family);
    layout!(text, "SOCKADDR_INET", windows::SOCKADDR_INET, Ipv4, Ipv6, si_family);
    layout!(text, "SOCKET_ADDRESS", windows::SOCKET_ADDRESS, lpSockaddr, iSockaddrLength);
    layout!(text, "SOCKET_ADDRESS_LIST", windows::SOCKET_ADDRESS_LIST, iAddressCount, Address);
    layout!(text, "struct timeval", windows::TIMEVAL, tv_sec, tv_usec);
    layout!(text, "fd_set", windows::FD_SET, fd_count, fd_array);
    layout!(text, "LINGER", windows::LINGER, l_onoff, l_linger);
    layout!(text, "WSAPOLLFD", windows::WSAPOLLFD, fd, events, revents);
    layout!(text, "WSANETWORKEVENTS", windows::WSANETWORKEVENTS, lNetworkEvents, iErrorCode);
    layout!(text, "WSAOVERLAPPED", io::OVERLAPPED, Internal, InternalHigh, hEvent);
    layout!(text, "IP_MREQ", windows::IP_MREQ, imr_multiaddr, imr_interface);
    layout!(text, "IP_MREQ_SOURCE", windows::IP_MREQ_SOURCE, imr_multiaddr, imr_sourceaddr);
    layout!(text, "IP_MREQ_SOURCE", windows::IP_MREQ_SOURCE, imr_interface);
    layout!(text, "IPV6_MREQ", windows::IPV6_MREQ, ipv6mr_multiaddr, ipv6mr_interface);
    layout!(text, "GROUP_REQ", windows::GROUP_REQ, gr_interface, gr_group);
    layout!(text, "GROUP_SOURCE_REQ", windows::GROUP_SOURCE_REQ, gsr_interface, gsr_group);
    layout!(text, "GROUP_SOURCE_REQ", windows::GROUP_SOURCE_REQ, gsr_source);
    layout!(text, "IN_PKTINFO", windows::IN_PKTINFO, ipi_addr, ipi_ifindex);
    layout!(text, "IN6_PKTINFO", windows::IN6_PKTINFO, ipi6_addr, ipi6_ifindex);
    layout!(text, "ICMP_ERROR_INFO", windows::ICMP_ERROR_INFO, srcaddress, protocol, code);
    layout!(text, "WSAPROTOCOL_INFOA", windows::WSAPROTOCOL_INFOA, dwServiceFlags1, ProviderId);
    layout!(text, "WSAPROTOCOL_INFOA", windows::WSAPROTOCOL_INFOA, ProtocolChain, iAddressFamily);
    layout!(text, "WSAPROTOCOL_INFOA", windows::WSAPROTOCOL_INFOA, iProtocol, szProtocol);
    layout!(text, "WSAPROTOCOL_INFOW", windows::WSAPROTOCOL_INFOW, iSocketType, dwMessageSize);
    layout!(text, "WSAPROTOCOL_INFOW", windows::WSAPROTOCOL_INFOW, dwProviderReserved, szProtocol);
    layout!(text, "TCP_INITIAL_RTO_PARAMETERS", windows::TCP_INITIAL_RTO_PARAMETERS, Rtt);
    // What has no structure there: the traps of a system whose long has 64 bits.
    for (name, size) in [
        ("u_long", 4),
        ("DWORD", 4),
        ("LONG", 4),
        ("BOOL", 4),
        ("GROUP", 4),
        ("SOCKET", 8),
        ("WSAEVENT", 8),
        ("u_short", 2),
        ("WORD", 2),
        ("WCHAR", 2),
        ("struct tcp_keepalive", 12),
    ] {
        writeln!(text, "_Static_assert(sizeof({name}) == {size}, \"{name}\");").unwrap();
    }
    compiles("layouts.c", "gcc -std=c11", &text);
}

/// A program that uses what the system's headers and Winsock's both have a name for.
const PROGRAM: &str = "
int main(void)
{
    fd_set set;
    struct timeval now = {0, 0};
    struct pollfd one;
    u_long on = 1;
    u_char byte = 1;
    SOCKET s = socket(AF_INET6, SOCK_STREAM, IPPROTO_TCP);
    FD_ZERO(&set);
    FD_SET(s, &set);
    one.fd = s;
    one.events = POLLIN;
    one.revents = byte;
    if (ioctlsocket(s, FIONBIO, &on) != 0 || WSAPoll(&one, 1, 0) != 0)
        return 1;
    if (IN6_IS_ADDR_LOOPBACK(&in6addr_any) || IN6_IS_ADDR_V4MAPPED(&in6addr_any))
        return 2;
    return select(0, &set, NULL, NULL, &now) + FD_ISSET(s, &set) + (int)htons(1);
}
";

/// A program that knows no other header than that of version 1.1.
const PROGRAM_OF_V4: &str = "
int main(void)
{
    SOCKET s = socket(AF_INET, SOCK_STREAM, 0);
    return closesocket(s) + (int)GetLastError();
}
";

const SYSTEM: &str = "#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>
";

#[test]
fn the_systems_headers_may_stand_before_and_after() {
    for (dialect, file) in [
        ("gcc -std=c99", "order.c"),
        ("gcc -std=c11", "order.c"),
        ("gcc -std=gnu17 -D_GNU_SOURCE", "order.c"),
        ("g++ -std=c++11", "order.cpp"),
        ("g++ -std=c++17", "order.cpp"),
    ] {
        compiles(file, dialect, &format!("{HEADERS}{PROGRAM}"));
        compiles(file, dialect, &format!("{HEADERS}{SYSTEM}{PROGRAM}"));
        compiles(file, dialect, &format!("{SYSTEM}{HEADERS}{PROGRAM}"));
    }
    let standard = "#include <functional>\n#include <iostream>\n#include <thread>\n";
    compiles("std.cpp", "g++ -std=c++17", &format!("{HEADERS}{standard}{PROGRAM}"));
    compiles("std.cpp", "g++ -std=c++17", &format!("{standard}{HEADERS}{PROGRAM}"));
    // Members and functions of the program's may have the names of Winsock's functions.
    let method = "struct Bus { void connect(); void send(int); int bind(int, int); };\n";
    compiles("method.cpp", "g++ -std=c++17", &format!("{HEADERS}{method}{PROGRAM}"));
}

#[test]
fn a_set_is_as_large_as_the_program_says() {
    let check = |number: u32| {
        let size = 8 + 8 * number;
        format!(
            "#if FD_SETSIZE != {number}\n#error not the number\n#endif\n\
             #ifdef __cplusplus\n#define _Static_assert static_assert\n#endif\n\
             _Static_assert(sizeof(fd_set) == {size}, \"\");\n{PROGRAM}"
        )
    };
    for (dialect, file) in [("gcc -std=c11", "set.c"), ("g++ -std=c++17", "set.cpp")] {
        for around in ["", SYSTEM] {
            compiles(file, dialect, &format!("{around}{HEADERS}{}", check(64)));
            compiles(file, dialect, &format!("{HEADERS}{around}{}", check(64)));
        }
        // The system's own number is 1024.
        for number in [1, 63, 64, 65, 100, 512, 1023, 1024, 2048] {
            let define = format!("#define FD_SETSIZE {number}\n");
            let text = format!("{define}{HEADERS}{SYSTEM}{}", check(number));
            compiles(file, dialect, &text);
            compiles(file, dialect, &format!("{SYSTEM}#undef FD_SETSIZE\n{text}"));
            compiles(file, dialect, &format!("#include <stdio.h>\n#include <stdint.h>\n{text}"));
            let text = format!("{HEADERS}{SYSTEM}{}", check(number));
            compiles(file, &format!("{dialect} -DFD_SETSIZE={number}"), &text);
            // The only one that <stdlib.h> in front cannot take away.
            let own = format!("{dialect} -DWSA_FD_SETSIZE={number}");
            compiles(file, &own, &text);
            compiles(file, &own, &format!("{SYSTEM}{text}"));
        }
        let taken = format!("#define FD_SETSIZE 500\n{SYSTEM}{HEADERS}{}", check(64));
        compiles(file, dialect, &taken);
    }
}

#[test]
fn each_header_stands_alone() {
    for header in fs::read_dir(include()).unwrap() {
        let header = header.unwrap().file_name().into_string().unwrap();
        for (dialect, file) in [("gcc -std=c99", "alone.c"), ("g++ -std=c++11", "alone.cpp")] {
            let text = format!("#include <{header}>\n#include <{header}>\nDWORD there = 1;\n");
            compiles(file, dialect, &text);
            compiles(file, &format!("{dialect} -DUNICODE"), &text);
            compiles(file, &format!("{dialect} -DWIN32_LEAN_AND_MEAN"), &text);
        }
    }
    // As on Windows: with Winsock or without, and in front of it.
    compiles("whole.c", "gcc -std=c11", &format!("#include <windows.h>\n{PROGRAM_OF_V4}"));
    let lean = format!("#define WIN32_LEAN_AND_MEAN\n#include <windows.h>\n{HEADERS}{PROGRAM}");
    compiles("lean.c", "gcc -std=c11", &lean);
    let posix = "#define WIN32_LEAN_AND_MEAN\n#include <windows.h>\n#include <sys/socket.h>\n\
                 int main(void) { return socket(AF_INET, SOCK_STREAM, 0) < 0; }\n";
    compiles("posix.c", "gcc -std=c11", posix);
}

#[test]
fn the_systems_sockets_in_the_same_file_are_refused_in_so_many_words() {
    for dialect in ["gcc -x c", "g++"] {
        for header in ["sys/socket.h", "netinet/in.h", "arpa/inet.h", "netdb.h"] {
            let (ours, theirs) = ("#include <winsock2.h>\n", format!("#include <{header}>\n"));
            for text in [format!("{ours}{theirs}"), format!("{theirs}{ours}")] {
                let output = compiler("mixed.cpp", dialect, &text).output().unwrap();
                let errors = String::from_utf8(output.stderr).unwrap();
                let first = errors.lines().find(|line| line.contains("error:")).unwrap();
                assert!(first.contains("cannot be used in a file that includes <"), "{errors}");
            }
        }
    }
}
