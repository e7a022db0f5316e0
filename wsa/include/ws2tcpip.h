/*
 * What <ws2tcpip.h> of Windows adds to <winsock2.h>: IPv6, addresses as text, the options of IP and
 * TCP.
 */
#ifndef WSA_WS2TCPIP_H
#define WSA_WS2TCPIP_H
#define _WS2TCPIP_H_

#include "winsock2.h"

#ifdef __cplusplus
extern "C" {
#endif

/* IPv6. */

typedef struct in6_addr {
    union {
        UCHAR Byte[16];
        USHORT Word[8];
    } u;
} IN6_ADDR, *PIN6_ADDR, *LPIN6_ADDR;
#define in_addr6 in6_addr
#define _S6_un u
#define _S6_u8 Byte
#define s6_addr _S6_un._S6_u8
#define s6_bytes u.Byte
#define s6_words u.Word

typedef struct sockaddr_in6 {
    ADDRESS_FAMILY sin6_family;
    USHORT sin6_port;
    ULONG sin6_flowinfo;
    IN6_ADDR sin6_addr;
    ULONG sin6_scope_id;
} SOCKADDR_IN6, *PSOCKADDR_IN6, *LPSOCKADDR_IN6, SOCKADDR_IN6_LH, *PSOCKADDR_IN6_LH;

typedef union _SOCKADDR_INET {
    SOCKADDR_IN Ipv4;
    SOCKADDR_IN6 Ipv6;
    ADDRESS_FAMILY si_family;
} SOCKADDR_INET, *PSOCKADDR_INET;

extern const struct in6_addr in6addr_any WSA_NAMED(in6addr_any);
extern const struct in6_addr in6addr_loopback WSA_NAMED(in6addr_loopback);
#define IN6ADDR_ANY_INIT {{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}}}
#define IN6ADDR_LOOPBACK_INIT {{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}}}

/* The bytes from `first` to before `end` are all zero. */
static inline int wsa_in6_is_zero(const struct in6_addr *address, int first, int end)
{
    int at;
    for (at = first; at < end; at++)
        if (address->s6_addr[at] != 0)
            return 0;
    return 1;
}

static inline int IN6_ADDR_EQUAL(const struct in6_addr *left, const struct in6_addr *right)
{
    int at;
    for (at = 0; at < 16; at++)
        if (left->s6_addr[at] != right->s6_addr[at])
            return 0;
    return 1;
}

static inline int IN6_IS_ADDR_UNSPECIFIED(const struct in6_addr *address)
{
    return wsa_in6_is_zero(address, 0, 16);
}

static inline int IN6_IS_ADDR_LOOPBACK(const struct in6_addr *address)
{
    return wsa_in6_is_zero(address, 0, 15) && address->s6_addr[15] == 1;
}

static inline int IN6_IS_ADDR_MULTICAST(const struct in6_addr *address)
{
    return address->s6_addr[0] == 0xff;
}

static inline int IN6_IS_ADDR_LINKLOCAL(const struct in6_addr *address)
{
    return address->s6_addr[0] == 0xfe && (address->s6_addr[1] & 0xc0) == 0x80;
}

static inline int IN6_IS_ADDR_SITELOCAL(const struct in6_addr *address)
{
    return address->s6_addr[0] == 0xfe && (address->s6_addr[1] & 0xc0) == 0xc0;
}

/* By the first four bits, as on Windows: neither all zero nor all one. */
static inline int IN6_IS_ADDR_GLOBAL(const struct in6_addr *address)
{
    return (address->s6_addr[0] & 0xf0) != 0 && (address->s6_addr[0] & 0xf0) != 0xf0;
}

static inline int IN6_IS_ADDR_V4MAPPED(const struct in6_addr *address)
{
    return wsa_in6_is_zero(address, 0, 10) && address->s6_addr[10] == 0xff &&
           address->s6_addr[11] == 0xff;
}

/* An IPv4 address behind 96 zero bits; :: and ::1 are not meant. */
static inline int IN6_IS_ADDR_V4COMPAT(const struct in6_addr *address)
{
    return wsa_in6_is_zero(address, 0, 12) &&
           !(wsa_in6_is_zero(address, 12, 15) && address->s6_addr[15] <= 1);
}

static inline int IN6_IS_ADDR_V4TRANSLATED(const struct in6_addr *address)
{
    return wsa_in6_is_zero(address, 0, 8) && address->s6_addr[8] == 0xff &&
           address->s6_addr[9] == 0xff && wsa_in6_is_zero(address, 10, 12);
}

/* A multicast address of this scope (RFC 4291, section 2.7). */
static inline int wsa_in6_has_scope(const struct in6_addr *address, int scope)
{
    return IN6_IS_ADDR_MULTICAST(address) && (address->s6_addr[1] & 0xf) == scope;
}

#define IN6_IS_ADDR_MC_NODELOCAL(address) wsa_in6_has_scope((address), 0x1)
#define IN6_IS_ADDR_MC_LINKLOCAL(address) wsa_in6_has_scope((address), 0x2)
#define IN6_IS_ADDR_MC_SITELOCAL(address) wsa_in6_has_scope((address), 0x5)
#define IN6_IS_ADDR_MC_ORGLOCAL(address) wsa_in6_has_scope((address), 0x8)
#define IN6_IS_ADDR_MC_GLOBAL(address) wsa_in6_has_scope((address), 0xe)

static inline void IN6_SET_ADDR_UNSPECIFIED(struct in6_addr *address)
{
    *address = in6addr_any;
}

static inline void IN6_SET_ADDR_LOOPBACK(struct in6_addr *address)
{
    *address = in6addr_loopback;
}

/* A wildcard or loopback address of IPv6, with port 0. */
static inline void IN6ADDR_SETANY(struct sockaddr_in6 *name)
{
    name->sin6_family = AF_INET6;
    name->sin6_port = 0;
    name->sin6_flowinfo = 0;
    name->sin6_addr = in6addr_any;
    name->sin6_scope_id = 0;
}

static inline void IN6ADDR_SETLOOPBACK(struct sockaddr_in6 *name)
{
    IN6ADDR_SETANY(name);
    name->sin6_addr = in6addr_loopback;
}

static inline int IN6ADDR_ISANY(const struct sockaddr_in6 *name)
{
    return IN6_IS_ADDR_UNSPECIFIED(&name->sin6_addr);
}

static inline int IN6ADDR_ISLOOPBACK(const struct sockaddr_in6 *name)
{
    return IN6_IS_ADDR_LOOPBACK(&name->sin6_addr);
}

/* Multicast. */

typedef struct ip_mreq {
    IN_ADDR imr_multiaddr;
    IN_ADDR imr_interface;
} IP_MREQ, *PIP_MREQ;

typedef struct ip_mreq_source {
    IN_ADDR imr_multiaddr;
    IN_ADDR imr_sourceaddr;
    IN_ADDR imr_interface;
} IP_MREQ_SOURCE, *PIP_MREQ_SOURCE;

typedef struct ipv6_mreq {
    IN6_ADDR ipv6mr_multiaddr;
    ULONG ipv6mr_interface;
} IPV6_MREQ, *PIPV6_MREQ;

typedef struct group_req {
    ULONG gr_interface;
    SOCKADDR_STORAGE gr_group;
} GROUP_REQ, *PGROUP_REQ;

typedef struct group_source_req {
    ULONG gsr_interface;
    SOCKADDR_STORAGE gsr_group;
    SOCKADDR_STORAGE gsr_source;
} GROUP_SOURCE_REQ, *PGROUP_SOURCE_REQ;

/* Where a datagram went to, and on which interface it came. */

typedef struct in_pktinfo {
    IN_ADDR ipi_addr;
    ULONG ipi_ifindex;
} IN_PKTINFO, *PIN_PKTINFO;

typedef struct in6_pktinfo {
    IN6_ADDR ipi6_addr;
    ULONG ipi6_ifindex;
} IN6_PKTINFO, *PIN6_PKTINFO;

/* Options of IPv4. */

#define IP_OPTIONS 1
#define IP_HDRINCL 2
#define IP_TOS 3
#define IP_TTL 4
#define IP_MULTICAST_IF 9
#define IP_MULTICAST_TTL 10
#define IP_MULTICAST_LOOP 11
#define IP_ADD_MEMBERSHIP 12
#define IP_DROP_MEMBERSHIP 13
#define IP_DONTFRAGMENT 14
#define IP_ADD_SOURCE_MEMBERSHIP 15
#define IP_DROP_SOURCE_MEMBERSHIP 16
#define IP_BLOCK_SOURCE 17
#define IP_UNBLOCK_SOURCE 18
#define IP_PKTINFO 19
#define IP_HOPLIMIT 21
#define IP_RECVTTL 21
#define IP_RECEIVE_BROADCAST 22
#define IP_PROTECTION_LEVEL 23
#define IP_RECVIF 24
#define IP_RECVDSTADDR 25
#define IP_IFLIST 28
#define IP_ADD_IFLIST 29
#define IP_DEL_IFLIST 30
#define IP_UNICAST_IF 31
#define IP_RTHDR 32
#define IP_GET_IFLIST 33
#define IP_RECVRTHDR 38
#define IP_TCLASS 39
#define IP_RECVTOS 40
#define IP_RECVTCLASS 40
#define IP_ORIGINAL_ARRIVAL_IF 47
#define IP_ECN 50
#define IP_RECVECN 50
#define IP_PKTINFO_EX 51
#define IP_MTU_DISCOVER 71
#define IP_MTU 73
#define IP_NRT_INTERFACE 74
#define IP_RECVERR 75
#define IP_USER_MTU 76
#define IP_UNSPECIFIED_USER_MTU 0xffffffff
#define IP_DEFAULT_MULTICAST_TTL 1
#define IP_DEFAULT_MULTICAST_LOOP 1
#define IP_MAX_MEMBERSHIPS 20

/* Values of IP_MTU_DISCOVER and IPV6_MTU_DISCOVER. */

typedef enum _PMTUD_STATE {
    IP_PMTUDISC_NOT_SET,
    IP_PMTUDISC_DO,
    IP_PMTUDISC_DONT,
    IP_PMTUDISC_PROBE,
    IP_PMTUDISC_MAX
} PMTUD_STATE, *PPMTUD_STATE;

/* Options of IPv4 and IPv6. */

typedef enum { MCAST_INCLUDE = 0, MCAST_EXCLUDE } MULTICAST_MODE_TYPE;

#define MCAST_JOIN_GROUP 41
#define MCAST_LEAVE_GROUP 42
#define MCAST_BLOCK_SOURCE 43
#define MCAST_UNBLOCK_SOURCE 44
#define MCAST_JOIN_SOURCE_GROUP 45
#define MCAST_LEAVE_SOURCE_GROUP 46

/* Options of IPv6. */

#define IPV6_HOPOPTS 1
#define IPV6_HDRINCL 2
#define IPV6_UNICAST_HOPS 4
#define IPV6_MULTICAST_IF 9
#define IPV6_MULTICAST_HOPS 10
#define IPV6_MULTICAST_LOOP 11
#define IPV6_JOIN_GROUP 12
#define IPV6_ADD_MEMBERSHIP IPV6_JOIN_GROUP
#define IPV6_LEAVE_GROUP 13
#define IPV6_DROP_MEMBERSHIP IPV6_LEAVE_GROUP
#define IPV6_DONTFRAG 14
#define IPV6_PKTINFO 19
#define IPV6_HOPLIMIT 21
#define IPV6_PROTECTION_LEVEL 23
#define IPV6_RECVIF 24
#define IPV6_RECVDSTADDR 25
#define IPV6_CHECKSUM 26
#define IPV6_V6ONLY 27
#define IPV6_IFLIST 28
#define IPV6_ADD_IFLIST 29
#define IPV6_DEL_IFLIST 30
#define IPV6_UNICAST_IF 31
#define IPV6_RTHDR 32
#define IPV6_GET_IFLIST 33
#define IPV6_RECVRTHDR 38
#define IPV6_TCLASS 39
#define IPV6_RECVTCLASS 40
#define IPV6_ECN 50
#define IPV6_RECVECN 50
#define IPV6_PKTINFO_EX 51
#define IPV6_MTU_DISCOVER 71
#define IPV6_MTU 72
#define IPV6_NRT_INTERFACE 74
#define IPV6_RECVERR 75
#define IPV6_USER_MTU 76

#define SOL_IP 0xfffb
#define SOL_IPV6 0xfffa

#define PROTECTION_LEVEL_UNRESTRICTED 10
#define PROTECTION_LEVEL_EDGERESTRICTED 20
#define PROTECTION_LEVEL_RESTRICTED 30
#define PROTECTION_LEVEL_DEFAULT PROTECTION_LEVEL_EDGERESTRICTED

/* Options of TCP and UDP. */

#define TCP_EXPEDITED_1122 0x0002
#define TCP_KEEPALIVE 3
#define TCP_KEEPIDLE TCP_KEEPALIVE
#define TCP_MAXSEG 4
#define TCP_MAXRT 5
#define TCP_STDURG 6
#define TCP_NOURG 7
#define TCP_ATMARK 8
#define TCP_NOSYNRETRIES 9
#define TCP_TIMESTAMPS 10
#define TCP_OFFLOAD_PREFERENCE 11
#define TCP_CONGESTION_ALGORITHM 12
#define TCP_DELAY_FIN_ACK 13
#define TCP_MAXRTMS 14
#define TCP_FASTOPEN 15
#define TCP_KEEPCNT 16
#define TCP_KEEPINTVL 17
#define TCP_FAIL_CONNECT_ON_ICMP_ERROR 18
#define TCP_ICMP_ERROR_INFO 19
#define TCP_OFFLOAD_NO_PREFERENCE 0
#define TCP_OFFLOAD_NOT_PREFERRED 1
#define TCP_OFFLOAD_PREFERRED 2
#define UDP_NOCHECKSUM 1
#define UDP_SEND_MSG_SIZE 2
#define UDP_RECV_MAX_COALESCED_SIZE 3
#define UDP_COALESCED_INFO 3
#define UDP_CHECKSUM_COVERAGE 20

typedef struct icmp_error_info {
    SOCKADDR_INET srcaddress;
    INT protocol;
    UCHAR type;
    UCHAR code;
} ICMP_ERROR_INFO, *PICMP_ERROR_INFO;

/* Addresses as text. */

#define INET_ADDRSTRLEN 22
#define INET6_ADDRSTRLEN 65

INT inet_pton(INT family, const char *text, void *address) WSA_NAMED(inet_pton);
const char *inet_ntop(INT family, const void *address, char *text, size_t len) WSA_NAMED(inet_ntop);
#define InetPtonA inet_pton
#define InetNtopA inet_ntop
#ifndef UNICODE
#define InetPton InetPtonA
#define InetNtop InetNtopA
#endif

#ifdef __cplusplus
}
#endif

#endif
