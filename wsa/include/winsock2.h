/*
 * Winsock 2 over a userspace TCP/UDP stack: what <winsock2.h> of Windows declares, as far as libwsa
 * has it.
 *
 *     cc program.c $(pkg-config --cflags --libs wsa)
 *
 * Beside the system's headers. Winsock and POSIX share names with different meanings. This header
 * includes what <stdlib.h>, <unistd.h> and their like pull in before it takes the names over, so
 * <stdio.h>, <stdlib.h>, <string.h>, <unistd.h>, <poll.h>, <pthread.h>, <sys/types.h>,
 * <sys/select.h>, <sys/time.h> may be included before it and after it. What cannot be used in the
 * same file is <sys/socket.h> and what includes it (<netinet/in.h>, <arpa/inet.h>, <netdb.h>,
 * <net/if.h>): the two are different answers to the same question. Other files of the same program
 * may use them; they get the system's sockets. In this file, fd_set, FD_SET, select, struct timeval,
 * struct pollfd and u_long are Winsock's.
 *
 * Sizes are those of 64-bit Windows: SOCKET has the width of a pointer, and u_long, DWORD, LONG and
 * BOOL have 32 bits, where C's long has 64. So the argument of FIONBIO is a u_long, never a long.
 */
#ifndef WSA_WINSOCK2_H
#define WSA_WINSOCK2_H
#define _WINSOCK2API_
#define _WINSOCKAPI_

#if defined(_SYS_SOCKET_H) || defined(_NETINET_IN_H) || defined(_ARPA_INET_H)
#error "<winsock2.h> cannot be used in a file that includes <sys/socket.h>, <netinet/in.h> or <arpa/inet.h>"
#endif

#include "wsatypes.h"

/* A function that shares its name with one of POSIX has the name wsa_... in the library. */
#define WSA_NAMED(name) __asm__("wsa_" #name)

#ifdef __cplusplus
extern "C" {
#endif

/* Sockets and sets of them. */

typedef UINT_PTR SOCKET;
typedef unsigned int GROUP;
typedef u_short ADDRESS_FAMILY;

#define INVALID_SOCKET ((SOCKET)(~(SOCKET)0))
#define SOCKET_ERROR (-1)

/* How many a set holds. A program that wants more says so before it includes any header. */
#undef FD_SETSIZE
#ifdef WSA_FD_SETSIZE
#define FD_SETSIZE wsa_fd_setsize
#else
#define FD_SETSIZE 64
#endif

#define fd_set wsa_fd_set
typedef struct wsa_fd_set {
    u_int fd_count;
    SOCKET fd_array[FD_SETSIZE];
} fd_set;

int __WSAFDIsSet(SOCKET s, fd_set *set);

static inline void wsa_fd_clr(SOCKET s, fd_set *set)
{
    u_int at, kept = 0;
    for (at = 0; at < set->fd_count; at++)
        if (set->fd_array[at] != s)
            set->fd_array[kept++] = set->fd_array[at];
    set->fd_count = kept;
}

static inline void wsa_fd_set_(SOCKET s, fd_set *set)
{
    u_int at;
    for (at = 0; at < set->fd_count; at++)
        if (set->fd_array[at] == s)
            return;
    if (set->fd_count < FD_SETSIZE)
        set->fd_array[set->fd_count++] = s;
}

#undef FD_CLR
#undef FD_ISSET
#undef FD_SET
#undef FD_ZERO
#define FD_CLR(fd, set) wsa_fd_clr((SOCKET)(fd), (set))
#define FD_SET(fd, set) wsa_fd_set_((SOCKET)(fd), (set))
#define FD_ZERO(set) ((void)((set)->fd_count = 0))
#define FD_ISSET(fd, set) __WSAFDIsSet((SOCKET)(fd), (set))

#define timeval wsa_timeval
struct timeval {
    LONG tv_sec;
    LONG tv_usec;
};
typedef struct timeval TIMEVAL, *PTIMEVAL, *LPTIMEVAL;
#undef timerisset
#undef timercmp
#undef timerclear
#define timerisset(tvp) ((tvp)->tv_sec || (tvp)->tv_usec)
#define timercmp(tvp, uvp, cmp)                                                                    \
    ((tvp)->tv_sec cmp(uvp)->tv_sec ||                                                             \
     ((tvp)->tv_sec == (uvp)->tv_sec && (tvp)->tv_usec cmp(uvp)->tv_usec))
#define timerclear(tvp) ((tvp)->tv_sec = (tvp)->tv_usec = 0)

/* WSAPoll's bits differ from poll's. */
#undef POLLRDNORM
#undef POLLRDBAND
#undef POLLIN
#undef POLLPRI
#undef POLLWRNORM
#undef POLLOUT
#undef POLLWRBAND
#undef POLLERR
#undef POLLHUP
#undef POLLNVAL
#define POLLRDNORM 0x0100
#define POLLRDBAND 0x0200
#define POLLIN (POLLRDNORM | POLLRDBAND)
#define POLLPRI 0x0400
#define POLLWRNORM 0x0010
#define POLLOUT (POLLWRNORM)
#define POLLWRBAND 0x0020
#define POLLERR 0x0001
#define POLLHUP 0x0002
#define POLLNVAL 0x0004

#define pollfd wsa_pollfd
typedef struct pollfd {
    SOCKET fd;
    SHORT events;
    SHORT revents;
} WSAPOLLFD, *PWSAPOLLFD, *LPWSAPOLLFD;

/* Events. */

typedef HANDLE WSAEVENT, *LPWSAEVENT;
typedef void *HWND;

#define WSA_INVALID_EVENT ((WSAEVENT)0)
#define WSA_MAXIMUM_WAIT_EVENTS 64
#define WSA_WAIT_FAILED ((DWORD)0xFFFFFFFF)
#define WSA_WAIT_EVENT_0 ((DWORD)0)
#define WSA_WAIT_IO_COMPLETION ((DWORD)0xC0)
#define WSA_WAIT_TIMEOUT ((DWORD)258)
#define WSA_INFINITE ((DWORD)0xFFFFFFFF)
#ifndef INFINITE
#define INFINITE WSA_INFINITE
#endif

#define FD_READ_BIT 0
#define FD_WRITE_BIT 1
#define FD_OOB_BIT 2
#define FD_ACCEPT_BIT 3
#define FD_CONNECT_BIT 4
#define FD_CLOSE_BIT 5
#define FD_QOS_BIT 6
#define FD_GROUP_QOS_BIT 7
#define FD_ROUTING_INTERFACE_CHANGE_BIT 8
#define FD_ADDRESS_LIST_CHANGE_BIT 9
#define FD_MAX_EVENTS 10
#define FD_READ (1 << FD_READ_BIT)
#define FD_WRITE (1 << FD_WRITE_BIT)
#define FD_OOB (1 << FD_OOB_BIT)
#define FD_ACCEPT (1 << FD_ACCEPT_BIT)
#define FD_CONNECT (1 << FD_CONNECT_BIT)
#define FD_CLOSE (1 << FD_CLOSE_BIT)
#define FD_QOS (1 << FD_QOS_BIT)
#define FD_GROUP_QOS (1 << FD_GROUP_QOS_BIT)
#define FD_ROUTING_INTERFACE_CHANGE (1 << FD_ROUTING_INTERFACE_CHANGE_BIT)
#define FD_ADDRESS_LIST_CHANGE (1 << FD_ADDRESS_LIST_CHANGE_BIT)
#define FD_ALL_EVENTS ((1 << FD_MAX_EVENTS) - 1)

typedef struct _WSANETWORKEVENTS {
    LONG lNetworkEvents;
    int iErrorCode[FD_MAX_EVENTS];
} WSANETWORKEVENTS, *LPWSANETWORKEVENTS;

#define WSAGETSELECTEVENT(lParam) LOWORD(lParam)
#define WSAGETSELECTERROR(lParam) HIWORD(lParam)

/* Addresses. */

typedef struct in_addr {
    union {
        struct {
            u_char s_b1, s_b2, s_b3, s_b4;
        } S_un_b;
        struct {
            u_short s_w1, s_w2;
        } S_un_w;
        u_long S_addr;
    } S_un;
} IN_ADDR, *PIN_ADDR, *LPIN_ADDR;
#define s_addr S_un.S_addr
#define s_host S_un.S_un_b.s_b2
#define s_net S_un.S_un_b.s_b1
#define s_imp S_un.S_un_w.s_w2
#define s_impno S_un.S_un_b.s_b4
#define s_lh S_un.S_un_b.s_b3

typedef struct sockaddr {
    ADDRESS_FAMILY sa_family;
    CHAR sa_data[14];
} SOCKADDR, *PSOCKADDR, *LPSOCKADDR;

typedef struct sockaddr_in {
    ADDRESS_FAMILY sin_family;
    USHORT sin_port;
    IN_ADDR sin_addr;
    CHAR sin_zero[8];
} SOCKADDR_IN, *PSOCKADDR_IN, *LPSOCKADDR_IN;

typedef struct _SOCKET_ADDRESS {
    LPSOCKADDR lpSockaddr;
    INT iSockaddrLength;
} SOCKET_ADDRESS, *PSOCKET_ADDRESS, *LPSOCKET_ADDRESS;

typedef struct _SOCKET_ADDRESS_LIST {
    INT iAddressCount;
    SOCKET_ADDRESS Address[1];
} SOCKET_ADDRESS_LIST, *PSOCKET_ADDRESS_LIST, *LPSOCKET_ADDRESS_LIST;

typedef struct sockaddr_storage {
    ADDRESS_FAMILY ss_family;
    CHAR __ss_pad1[6];
    int64_t __ss_align;
    CHAR __ss_pad2[112];
} SOCKADDR_STORAGE, *PSOCKADDR_STORAGE, *LPSOCKADDR_STORAGE;

#define INADDR_ANY ((ULONG)0x00000000)
#define INADDR_LOOPBACK 0x7f000001
#define INADDR_BROADCAST ((ULONG)0xffffffff)
#define INADDR_NONE 0xffffffff
#define ADDR_ANY INADDR_ANY

/* Startup. */

#define WINSOCK_VERSION MAKEWORD(2, 2)
#define WSADESCRIPTION_LEN 256
#define WSASYS_STATUS_LEN 128

typedef struct WSAData {
    WORD wVersion;
    WORD wHighVersion;
    unsigned short iMaxSockets;
    unsigned short iMaxUdpDg;
    char *lpVendorInfo;
    char szDescription[WSADESCRIPTION_LEN + 1];
    char szSystemStatus[WSASYS_STATUS_LEN + 1];
} WSADATA, *LPWSADATA;

/* Buffers, qualities of service, protocols. */

typedef struct _WSABUF {
    ULONG len;
    CHAR *buf;
} WSABUF, *LPWSABUF;

typedef struct _WSAMSG {
    LPSOCKADDR name;
    INT namelen;
    LPWSABUF lpBuffers;
    ULONG dwBufferCount;
    WSABUF Control;
    ULONG dwFlags;
} WSAMSG, *PWSAMSG, *LPWSAMSG;

/* Control messages: a header each, data behind it, and padding up to the next. WSA_CMSG_LEN is what
 * belongs into cmsg_len for so many bytes of data, WSA_CMSG_SPACE what they take in the buffer. */

typedef struct _WSACMSGHDR {
    size_t cmsg_len;
    INT cmsg_level;
    INT cmsg_type;
} WSACMSGHDR, *PWSACMSGHDR, *LPWSACMSGHDR;

#define WSA_CMSGHDR_ALIGN(length) (((size_t)(length) + 7) & ~(size_t)7)
#define WSA_CMSGDATA_ALIGN(length) WSA_CMSGHDR_ALIGN(length)
#define WSA_CMSG_LEN(length) (sizeof(WSACMSGHDR) + (size_t)(length))
#define WSA_CMSG_SPACE(length) (sizeof(WSACMSGHDR) + WSA_CMSGHDR_ALIGN(length))
#define WSA_CMSG_DATA(header) ((UCHAR *)((WSACMSGHDR *)(header) + 1))
#define WSA_CMSG_FIRSTHDR(message) wsa_cmsg_at((message), 0)
#define WSA_CMSG_NXTHDR(message, header) wsa_cmsg_behind((message), (header))

/* The header at a place of the control buffer, if there is one. */
static inline WSACMSGHDR *wsa_cmsg_at(const WSAMSG *message, size_t at)
{
    if (at + sizeof(WSACMSGHDR) > message->Control.len)
        return NULL;
    return (WSACMSGHDR *)(void *)(message->Control.buf + at);
}

static inline WSACMSGHDR *wsa_cmsg_behind(const WSAMSG *message, const WSACMSGHDR *header)
{
    size_t at;
    if (header == NULL)
        return wsa_cmsg_at(message, 0);
    if (header->cmsg_len < sizeof(WSACMSGHDR) || header->cmsg_len > message->Control.len)
        return NULL;
    at = (size_t)((const char *)header - message->Control.buf);
    return wsa_cmsg_at(message, at + WSA_CMSGHDR_ALIGN(header->cmsg_len));
}

typedef ULONG SERVICETYPE;
typedef struct _flowspec {
    ULONG TokenRate;
    ULONG TokenBucketSize;
    ULONG PeakBandwidth;
    ULONG Latency;
    ULONG DelayVariation;
    SERVICETYPE ServiceType;
    ULONG MaxSduSize;
    ULONG MinimumPolicedSize;
} FLOWSPEC, *PFLOWSPEC, *LPFLOWSPEC;

typedef struct _QualityOfService {
    FLOWSPEC SendingFlowspec;
    FLOWSPEC ReceivingFlowspec;
    WSABUF ProviderSpecific;
} QOS, *LPQOS;

#define QOS_NOT_SPECIFIED 0xFFFFFFFF
#define SERVICETYPE_NOTRAFFIC 0x00000000
#define SERVICETYPE_BESTEFFORT 0x00000001
#define SERVICETYPE_CONTROLLEDLOAD 0x00000002
#define SERVICETYPE_GUARANTEED 0x00000003
#define SERVICETYPE_NOCHANGE 0x00000006
#define SERVICETYPE_QUALITATIVE 0x0000000D

#define MAX_PROTOCOL_CHAIN 7
#define BASE_PROTOCOL 1
#define LAYERED_PROTOCOL 0
#define WSAPROTOCOL_LEN 255

typedef struct _WSAPROTOCOLCHAIN {
    int ChainLen;
    DWORD ChainEntries[MAX_PROTOCOL_CHAIN];
} WSAPROTOCOLCHAIN, *LPWSAPROTOCOLCHAIN;

typedef struct _WSAPROTOCOL_INFOA {
    DWORD dwServiceFlags1;
    DWORD dwServiceFlags2;
    DWORD dwServiceFlags3;
    DWORD dwServiceFlags4;
    DWORD dwProviderFlags;
    GUID ProviderId;
    DWORD dwCatalogEntryId;
    WSAPROTOCOLCHAIN ProtocolChain;
    int iVersion;
    int iAddressFamily;
    int iMaxSockAddr;
    int iMinSockAddr;
    int iSocketType;
    int iProtocol;
    int iProtocolMaxOffset;
    int iNetworkByteOrder;
    int iSecurityScheme;
    DWORD dwMessageSize;
    DWORD dwProviderReserved;
    CHAR szProtocol[WSAPROTOCOL_LEN + 1];
} WSAPROTOCOL_INFOA, *LPWSAPROTOCOL_INFOA;

typedef struct _WSAPROTOCOL_INFOW {
    DWORD dwServiceFlags1;
    DWORD dwServiceFlags2;
    DWORD dwServiceFlags3;
    DWORD dwServiceFlags4;
    DWORD dwProviderFlags;
    GUID ProviderId;
    DWORD dwCatalogEntryId;
    WSAPROTOCOLCHAIN ProtocolChain;
    int iVersion;
    int iAddressFamily;
    int iMaxSockAddr;
    int iMinSockAddr;
    int iSocketType;
    int iProtocol;
    int iProtocolMaxOffset;
    int iNetworkByteOrder;
    int iSecurityScheme;
    DWORD dwMessageSize;
    DWORD dwProviderReserved;
    WCHAR szProtocol[WSAPROTOCOL_LEN + 1];
} WSAPROTOCOL_INFOW, *LPWSAPROTOCOL_INFOW;

typedef struct _OVERLAPPED {
    ULONG_PTR Internal;
    ULONG_PTR InternalHigh;
    union {
        struct {
            DWORD Offset;
            DWORD OffsetHigh;
        } s;
        PVOID Pointer;
    } u;
    HANDLE hEvent;
} OVERLAPPED, WSAOVERLAPPED, *LPWSAOVERLAPPED;

/* Families, types, protocols. */

#define AF_UNSPEC 0
#define AF_UNIX 1
#define AF_INET 2
#define AF_IPX 6
#define AF_NETBIOS 17
#define AF_INET6 23
#define AF_IRDA 26
#define AF_BTH 32
#define PF_UNSPEC AF_UNSPEC
#define PF_UNIX AF_UNIX
#define PF_INET AF_INET
#define PF_IPX AF_IPX
#define PF_INET6 AF_INET6

#define SOCK_STREAM 1
#define SOCK_DGRAM 2
#define SOCK_RAW 3
#define SOCK_RDM 4
#define SOCK_SEQPACKET 5

#define IPPROTO_IP 0
#define IPPROTO_ICMP 1
#define IPPROTO_IGMP 2
#define IPPROTO_TCP 6
#define IPPROTO_UDP 17
#define IPPROTO_IPV6 41
#define IPPROTO_ICMPV6 58
#define IPPROTO_RAW 255

#define SOMAXCONN 0x7fffffff
#define FROM_PROTOCOL_INFO (-1)

#define SD_RECEIVE 0x00
#define SD_SEND 0x01
#define SD_BOTH 0x02

#define CF_ACCEPT 0x0000
#define CF_REJECT 0x0001
#define CF_DEFER 0x0002

#define SG_UNCONSTRAINED_GROUP 0x01
#define SG_CONSTRAINED_GROUP 0x02

#define WSA_FLAG_OVERLAPPED 0x01
#define WSA_FLAG_MULTIPOINT_C_ROOT 0x02
#define WSA_FLAG_MULTIPOINT_C_LEAF 0x04
#define WSA_FLAG_MULTIPOINT_D_ROOT 0x08
#define WSA_FLAG_MULTIPOINT_D_LEAF 0x10
#define WSA_FLAG_ACCESS_SYSTEM_SECURITY 0x40
#define WSA_FLAG_NO_HANDLE_INHERIT 0x80
#define WSA_FLAG_REGISTERED_IO 0x100

/* Flags of sends and receives. */

#define MSG_OOB 0x1
#define MSG_PEEK 0x2
#define MSG_DONTROUTE 0x4
#define MSG_WAITALL 0x8
#define MSG_INTERRUPT 0x10
#define MSG_PUSH_IMMEDIATE 0x20
#define MSG_TRUNC 0x0100
#define MSG_CTRUNC 0x0200
#define MSG_BCAST 0x0400
#define MSG_MCAST 0x0800
#define MSG_PARTIAL 0x8000

/* Options of every socket. */

#define SOL_SOCKET 0xffff
#define SO_DEBUG 0x0001
#define SO_ACCEPTCONN 0x0002
#define SO_REUSEADDR 0x0004
#define SO_KEEPALIVE 0x0008
#define SO_DONTROUTE 0x0010
#define SO_BROADCAST 0x0020
#define SO_USELOOPBACK 0x0040
#define SO_LINGER 0x0080
#define SO_OOBINLINE 0x0100
#define SO_DONTLINGER ((int)(~SO_LINGER))
#define SO_EXCLUSIVEADDRUSE ((int)(~SO_REUSEADDR))
#define SO_SNDBUF 0x1001
#define SO_RCVBUF 0x1002
#define SO_SNDLOWAT 0x1003
#define SO_RCVLOWAT 0x1004
#define SO_SNDTIMEO 0x1005
#define SO_RCVTIMEO 0x1006
#define SO_ERROR 0x1007
#define SO_TYPE 0x1008
#define SO_BSP_STATE 0x1009
#define SO_GROUP_ID 0x2001
#define SO_GROUP_PRIORITY 0x2002
#define SO_MAX_MSG_SIZE 0x2003
#define SO_PROTOCOL_INFOA 0x2004
#define SO_PROTOCOL_INFOW 0x2005
#define PVD_CONFIG 0x3001
#define SO_CONDITIONAL_ACCEPT 0x3002
#define SO_RANDOMIZE_PORT 0x3005
#define SO_PORT_SCALABILITY 0x3006
#define SO_REUSE_UNICASTPORT 0x3007
#define SO_REUSE_MULTICASTPORT 0x3008
#define SO_OPENTYPE 0x7008
#define SO_MAXDG 0x7009
#define SO_MAXPATHDG 0x700A
#define SO_UPDATE_ACCEPT_CONTEXT 0x700B
#define SO_CONNECT_TIME 0x700C
#define SO_UPDATE_CONNECT_CONTEXT 0x7010
#define TCP_BSDURGENT 0x7000
#define SO_SYNCHRONOUS_ALERT 0x10
#define SO_SYNCHRONOUS_NONALERT 0x20

#define TCP_NODELAY 0x0001

typedef struct linger {
    u_short l_onoff;
    u_short l_linger;
} LINGER, *PLINGER, *LPLINGER;

/* Ioctls. Their codes say the size of a Windows long, which is 4. */

#define IOCPARM_MASK 0x7f
#define IOC_VOID 0x20000000
#define IOC_OUT 0x40000000
#define IOC_IN 0x80000000
#define IOC_INOUT (IOC_IN | IOC_OUT)
#define IOC_UNIX 0x00000000
#define IOC_WS2 0x08000000
#define IOC_PROTOCOL 0x10000000
#define IOC_VENDOR 0x18000000
#define SIO_BSP_HANDLE _WSAIOR(IOC_WS2, 27)
#define SIO_BSP_HANDLE_SELECT _WSAIOR(IOC_WS2, 28)
#define SIO_BSP_HANDLE_POLL _WSAIOR(IOC_WS2, 29)
#define SIO_BASE_HANDLE _WSAIOR(IOC_WS2, 34)
#define _WSAIO(x, y) (IOC_VOID | (x) | (y))
#define _WSAIOR(x, y) (IOC_OUT | (x) | (y))
#define _WSAIOW(x, y) (IOC_IN | (x) | (y))
#define _WSAIORW(x, y) (IOC_INOUT | (x) | (y))

/* As a long of Windows, which is what ioctlsocket takes: the top bit is the sign. */
#define FIONREAD ((LONG)0x4004667F)
#define FIONBIO ((LONG)0x8004667E)
#define FIOASYNC ((LONG)0x8004667D)
#define SIOCATMARK ((LONG)0x40047307)

#define SIO_ASSOCIATE_HANDLE _WSAIOW(IOC_WS2, 1)
#define SIO_ENABLE_CIRCULAR_QUEUEING _WSAIO(IOC_WS2, 2)
#define SIO_FIND_ROUTE _WSAIOR(IOC_WS2, 3)
#define SIO_FLUSH _WSAIO(IOC_WS2, 4)
#define SIO_GET_BROADCAST_ADDRESS _WSAIOR(IOC_WS2, 5)
#define SIO_GET_EXTENSION_FUNCTION_POINTER _WSAIORW(IOC_WS2, 6)
#define SIO_GET_QOS _WSAIORW(IOC_WS2, 7)
#define SIO_GET_GROUP_QOS _WSAIORW(IOC_WS2, 8)
#define SIO_MULTIPOINT_LOOPBACK _WSAIOW(IOC_WS2, 9)
#define SIO_MULTICAST_SCOPE _WSAIOW(IOC_WS2, 10)
#define SIO_SET_QOS _WSAIOW(IOC_WS2, 11)
#define SIO_SET_GROUP_QOS _WSAIOW(IOC_WS2, 12)
#define SIO_TRANSLATE_HANDLE _WSAIORW(IOC_WS2, 13)
#define SIO_ROUTING_INTERFACE_QUERY _WSAIORW(IOC_WS2, 20)
#define SIO_ROUTING_INTERFACE_CHANGE _WSAIOW(IOC_WS2, 21)
#define SIO_ADDRESS_LIST_QUERY _WSAIOR(IOC_WS2, 22)
#define SIO_ADDRESS_LIST_CHANGE _WSAIO(IOC_WS2, 23)
#define SIO_QUERY_TARGET_PNP_HANDLE _WSAIOR(IOC_WS2, 24)
#define SIO_ADDRESS_LIST_SORT _WSAIORW(IOC_WS2, 25)

/* Errors. */

#define WSA_INVALID_HANDLE 6
#define WSA_NOT_ENOUGH_MEMORY 8
#define WSA_INVALID_PARAMETER 87
#define WSA_OPERATION_ABORTED 995
#define WSA_IO_INCOMPLETE 996
#define WSA_IO_PENDING 997
#define WSAEINTR 10004
#define WSAEBADF 10009
#define WSAEACCES 10013
#define WSAEFAULT 10014
#define WSAEINVAL 10022
#define WSAEMFILE 10024
#define WSAEWOULDBLOCK 10035
#define WSAEINPROGRESS 10036
#define WSAEALREADY 10037
#define WSAENOTSOCK 10038
#define WSAEDESTADDRREQ 10039
#define WSAEMSGSIZE 10040
#define WSAEPROTOTYPE 10041
#define WSAENOPROTOOPT 10042
#define WSAEPROTONOSUPPORT 10043
#define WSAESOCKTNOSUPPORT 10044
#define WSAEOPNOTSUPP 10045
#define WSAEPFNOSUPPORT 10046
#define WSAEAFNOSUPPORT 10047
#define WSAEADDRINUSE 10048
#define WSAEADDRNOTAVAIL 10049
#define WSAENETDOWN 10050
#define WSAENETUNREACH 10051
#define WSAENETRESET 10052
#define WSAECONNABORTED 10053
#define WSAECONNRESET 10054
#define WSAENOBUFS 10055
#define WSAEISCONN 10056
#define WSAENOTCONN 10057
#define WSAESHUTDOWN 10058
#define WSAETOOMANYREFS 10059
#define WSAETIMEDOUT 10060
#define WSAECONNREFUSED 10061
#define WSAELOOP 10062
#define WSAENAMETOOLONG 10063
#define WSAEHOSTDOWN 10064
#define WSAEHOSTUNREACH 10065
#define WSAENOTEMPTY 10066
#define WSAEPROCLIM 10067
#define WSAEUSERS 10068
#define WSAEDQUOT 10069
#define WSAESTALE 10070
#define WSAEREMOTE 10071
#define WSASYSNOTREADY 10091
#define WSAVERNOTSUPPORTED 10092
#define WSANOTINITIALISED 10093
#define WSAEDISCON 10101
#define WSAENOMORE 10102
#define WSAECANCELLED 10103
#define WSAEINVALIDPROCTABLE 10104
#define WSAEINVALIDPROVIDER 10105
#define WSAEPROVIDERFAILEDINIT 10106
#define WSASYSCALLFAILURE 10107
#define WSASERVICE_NOT_FOUND 10108
#define WSATYPE_NOT_FOUND 10109
#define WSA_E_NO_MORE 10110
#define WSA_E_CANCELLED 10111
#define WSAEREFUSED 10112
#define WSAHOST_NOT_FOUND 11001
#define WSATRY_AGAIN 11002
#define WSANO_RECOVERY 11003
#define WSANO_DATA 11004
#define WSA_QOS_RECEIVERS 11005
#define WSA_QOS_SENDERS 11006
#define WSA_QOS_NO_SENDERS 11007
#define WSA_QOS_NO_RECEIVERS 11008
#define WSA_QOS_REQUEST_CONFIRMED 11009
#define WSA_QOS_ADMISSION_FAILURE 11010
#define WSA_QOS_POLICY_FAILURE 11011
#define WSA_QOS_BAD_STYLE 11012
#define WSA_QOS_BAD_OBJECT 11013
#define WSA_QOS_TRAFFIC_CTRL_ERROR 11014
#define WSA_QOS_GENERIC_ERROR 11015
#define WSA_QOS_ESERVICETYPE 11016
#define WSA_QOS_EFLOWSPEC 11017
#define WSA_QOS_EPROVSPECBUF 11018
#define WSA_QOS_EFILTERSTYLE 11019
#define WSA_QOS_EFILTERTYPE 11020
#define WSA_QOS_EFILTERCOUNT 11021
#define WSA_QOS_EOBJLENGTH 11022
#define WSA_QOS_EFLOWCOUNT 11023
#define WSA_QOS_EUNKOWNPSOBJ 11024
#define WSA_QOS_EPOLICYOBJ 11025
#define WSA_QOS_EFLOWDESC 11026
#define WSA_QOS_EPSFLOWSPEC 11027
#define WSA_QOS_EPSFILTERSPEC 11028
#define WSA_QOS_ESDMODEOBJ 11029
#define WSA_QOS_ESHAPERATEOBJ 11030
#define WSA_QOS_RESERVED_PETYPE 11031

/* Functions. */

typedef int (*LPCONDITIONPROC)(LPWSABUF caller_id, LPWSABUF caller_data, LPQOS sqos, LPQOS gqos,
                               LPWSABUF callee_id, LPWSABUF callee_data, GROUP *group,
                               DWORD_PTR callback_data);
typedef void (*LPWSAOVERLAPPED_COMPLETION_ROUTINE)(DWORD error, DWORD transferred,
                                                   LPWSAOVERLAPPED overlapped, DWORD flags);

int WSAStartup(WORD version, LPWSADATA data);
int WSACleanup(void);
int WSAGetLastError(void);
void WSASetLastError(int code);

SOCKET socket(int af, int type, int protocol) WSA_NAMED(socket);
SOCKET WSASocketA(int af, int type, int protocol, LPWSAPROTOCOL_INFOA info, GROUP group,
                  DWORD flags);
SOCKET WSASocketW(int af, int type, int protocol, LPWSAPROTOCOL_INFOW info, GROUP group,
                  DWORD flags);
int closesocket(SOCKET s);
int shutdown(SOCKET s, int how) WSA_NAMED(shutdown);

int WSASendDisconnect(SOCKET s, LPWSABUF data);
int WSARecvDisconnect(SOCKET s, LPWSABUF data);

int bind(SOCKET s, const struct sockaddr *name, int namelen) WSA_NAMED(bind);
int listen(SOCKET s, int backlog) WSA_NAMED(listen);
SOCKET accept(SOCKET s, struct sockaddr *name, int *namelen) WSA_NAMED(accept);
SOCKET WSAAccept(SOCKET s, struct sockaddr *name, int *namelen, LPCONDITIONPROC condition,
                 DWORD_PTR callback_data);
int connect(SOCKET s, const struct sockaddr *name, int namelen) WSA_NAMED(connect);
int WSAConnect(SOCKET s, const struct sockaddr *name, int namelen, LPWSABUF caller_data,
               LPWSABUF callee_data, LPQOS sqos, LPQOS gqos);
int getsockname(SOCKET s, struct sockaddr *name, int *namelen) WSA_NAMED(getsockname);
int getpeername(SOCKET s, struct sockaddr *name, int *namelen) WSA_NAMED(getpeername);

int send(SOCKET s, const char *buf, int len, int flags) WSA_NAMED(send);
int recv(SOCKET s, char *buf, int len, int flags) WSA_NAMED(recv);
int sendto(SOCKET s, const char *buf, int len, int flags, const struct sockaddr *to, int tolen)
    WSA_NAMED(sendto);
int recvfrom(SOCKET s, char *buf, int len, int flags, struct sockaddr *from, int *fromlen)
    WSA_NAMED(recvfrom);

/* With a list of buffers. There are no overlapped operations yet: overlapped and routine are NULL,
 * anything else is WSAEOPNOTSUPP. */
int WSASend(SOCKET s, LPWSABUF buffers, DWORD count, LPDWORD sent, DWORD flags,
            LPWSAOVERLAPPED overlapped, LPWSAOVERLAPPED_COMPLETION_ROUTINE routine);
int WSASendTo(SOCKET s, LPWSABUF buffers, DWORD count, LPDWORD sent, DWORD flags,
              const struct sockaddr *to, int tolen, LPWSAOVERLAPPED overlapped,
              LPWSAOVERLAPPED_COMPLETION_ROUTINE routine);
int WSARecv(SOCKET s, LPWSABUF buffers, DWORD count, LPDWORD received, LPDWORD flags,
            LPWSAOVERLAPPED overlapped, LPWSAOVERLAPPED_COMPLETION_ROUTINE routine);
int WSARecvFrom(SOCKET s, LPWSABUF buffers, DWORD count, LPDWORD received, LPDWORD flags,
                struct sockaddr *from, int *fromlen, LPWSAOVERLAPPED overlapped,
                LPWSAOVERLAPPED_COMPLETION_ROUTINE routine);

/* With control messages too. WSARecvMsg is what WSAIoctl gives for its GUID; see mswsock.h. */
int WSASendMsg(SOCKET s, LPWSAMSG message, DWORD flags, LPDWORD sent, LPWSAOVERLAPPED overlapped,
               LPWSAOVERLAPPED_COMPLETION_ROUTINE routine);

int wsa_select(int nfds, fd_set *readfds, fd_set *writefds, fd_set *exceptfds,
               const struct timeval *timeout);

int WSAPoll(LPWSAPOLLFD fds, ULONG count, INT timeout);

WSAEVENT WSACreateEvent(void);
BOOL WSASetEvent(WSAEVENT event);
BOOL WSAResetEvent(WSAEVENT event);
BOOL WSACloseEvent(WSAEVENT event);
DWORD WSAWaitForMultipleEvents(DWORD count, const WSAEVENT *events, BOOL all, DWORD timeout,
                               BOOL alertable);
int WSAEventSelect(SOCKET s, WSAEVENT event, LONG events);
int WSAEnumNetworkEvents(SOCKET s, WSAEVENT event, LPWSANETWORKEVENTS found);

/* There are no windows here: what WSAAsyncSelect is given as one comes back with each message, which
 * wsa_next_message takes as GetMessage does: 1 for a message, 0 after the time, or SOCKET_ERROR. */
struct wsa_message {
    HWND hwnd;
    UINT message;
    UINT_PTR wParam;
    LONG_PTR lParam;
};
int WSAAsyncSelect(SOCKET s, HWND window, u_int message, LONG events);
int wsa_next_message(struct wsa_message *message, DWORD timeout);

int getsockopt(SOCKET s, int level, int option, char *value, int *optlen) WSA_NAMED(getsockopt);
int setsockopt(SOCKET s, int level, int option, const char *value, int optlen)
    WSA_NAMED(setsockopt);
int ioctlsocket(SOCKET s, LONG command, u_long *argument);
int WSAIoctl(SOCKET s, DWORD code, LPVOID input, DWORD in_len, LPVOID output, DWORD out_len,
             LPDWORD returned, LPWSAOVERLAPPED overlapped,
             LPWSAOVERLAPPED_COMPLETION_ROUTINE routine);

BOOL WSAIsBlocking(void);
int WSACancelBlockingCall(void);
FARPROC WSASetBlockingHook(FARPROC hook);
int WSAUnhookBlockingHook(void);

u_long htonl(u_long number) WSA_NAMED(htonl);
u_short htons(u_short number) WSA_NAMED(htons);
u_long ntohl(u_long number) WSA_NAMED(ntohl);
u_short ntohs(u_short number) WSA_NAMED(ntohs);
int WSAHtonl(SOCKET s, u_long number, u_long *to);
int WSAHtons(SOCKET s, u_short number, u_short *to);
int WSANtohl(SOCKET s, u_long number, u_long *to);
int WSANtohs(SOCKET s, u_short number, u_short *to);

u_long inet_addr(const char *text) WSA_NAMED(inet_addr);
char *inet_ntoa(struct in_addr address) WSA_NAMED(inet_ntoa);

#ifdef __cplusplus
}

/* The system's select stays what it is: this one takes Winsock's sets. */
static inline int select(int nfds, fd_set *readfds, fd_set *writefds, fd_set *exceptfds,
                         const struct timeval *timeout)
{
    return wsa_select(nfds, readfds, writefds, exceptfds, timeout);
}
#else
#define select wsa_select
#endif

#ifdef UNICODE
#define WSASocket WSASocketW
typedef WSAPROTOCOL_INFOW WSAPROTOCOL_INFO, *LPWSAPROTOCOL_INFO;
#else
#define WSASocket WSASocketA
typedef WSAPROTOCOL_INFOA WSAPROTOCOL_INFO, *LPWSAPROTOCOL_INFO;
#endif

#endif
