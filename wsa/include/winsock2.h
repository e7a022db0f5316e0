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
 * same file, before or after, is <sys/socket.h> and what includes it (<netinet/in.h>, <arpa/inet.h>,
 * <netdb.h>, <net/if.h>, <sys/un.h>): the two are different answers to the same question. The first
 * error says so; what follows it says nothing more. Other files of the same program may use them;
 * they get the system's sockets. In this file, fd_set, FD_SET, select, struct timeval, struct pollfd
 * and u_long are Winsock's.
 *
 * FD_SETSIZE, how many sockets a set holds, is 64. A program that wants more defines it before this
 * header, and after those of the system that it includes before this one: <sys/select.h>, which
 * <stdlib.h> includes, would put the system's in its place, without a word. -DWSA_FD_SETSIZE=1024 on
 * the command line says it whatever the order is.
 *
 * Sizes are those of 64-bit Windows: SOCKET has the width of a pointer, and u_long, DWORD, LONG and
 * BOOL have 32 bits, where C's long has 64. So the argument of FIONBIO is a u_long, never a long.
 */
#ifndef WSA_WINSOCK2_H
#define WSA_WINSOCK2_H
#define _WINSOCK2API_
#define _WINSOCKAPI_

#ifdef _SYS_SOCKET_H
#error "<winsock2.h> cannot be used in a file that includes <sys/socket.h>, <netinet/in.h>, <arpa/inet.h> or <netdb.h>"
#endif
/* Said by the system's header that comes later: its first declaration has this name. */
#define __socket_type                                                                              \
    _Pragma("GCC error \"<sys/socket.h>, <netinet/in.h>, <arpa/inet.h>, <netdb.h> cannot be used in a file that includes <winsock2.h>\"") __socket_type

#include "windows.h"
#include "wsaconst.h"

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

#define fd_set wsa_fd_set
typedef struct wsa_fd_set {
    u_int fd_count;
    SOCKET fd_array[FD_SETSIZE];
} fd_set, FD_SET, *PFD_SET, *LPFD_SET;

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

#define WSA_INVALID_EVENT ((WSAEVENT)0)
#define WSA_MAXIMUM_WAIT_EVENTS 64
#define WSA_WAIT_FAILED ((DWORD)0xFFFFFFFF)
#define WSA_WAIT_EVENT_0 ((DWORD)0)
#define WSA_WAIT_IO_COMPLETION ((DWORD)0xC0)
#define WSA_WAIT_TIMEOUT ((DWORD)258)
#define WSA_INFINITE ((DWORD)0xFFFFFFFF)

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

/* Classes of addresses, in host byte order; of use today is IN_MULTICAST alone. */
#define IN_CLASSA(address) (((LONG)(address) & 0x80000000) == 0)
#define IN_CLASSA_NET 0xff000000
#define IN_CLASSA_NSHIFT 24
#define IN_CLASSA_HOST 0x00ffffff
#define IN_CLASSA_MAX 128
#define IN_CLASSB(address) (((LONG)(address) & 0xc0000000) == 0x80000000)
#define IN_CLASSB_NET 0xffff0000
#define IN_CLASSB_NSHIFT 16
#define IN_CLASSB_HOST 0x0000ffff
#define IN_CLASSB_MAX 65536
#define IN_CLASSC(address) (((LONG)(address) & 0xe0000000) == 0xc0000000)
#define IN_CLASSC_NET 0xffffff00
#define IN_CLASSC_NSHIFT 8
#define IN_CLASSC_HOST 0x000000ff
#define IN_CLASSD(address) (((LONG)(address) & 0xf0000000) == 0xe0000000)
#define IN_CLASSD_NET 0xf0000000
#define IN_CLASSD_NSHIFT 28
#define IN_CLASSD_HOST 0x0fffffff
#define IN_MULTICAST(address) IN_CLASSD(address)

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

typedef OVERLAPPED WSAOVERLAPPED, *LPWSAOVERLAPPED;

typedef struct linger {
    u_short l_onoff;
    u_short l_linger;
} LINGER, *PLINGER, *LPLINGER;

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

/* There are no windows here: the number of one comes back with each message, which wsa_next_message
 * of wsa.h gives. */
int WSAAsyncSelect(SOCKET s, HWND window, u_int message, LONG events);

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
