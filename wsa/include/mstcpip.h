/*
 * What <mstcpip.h> of Windows adds for libwsa: ioctls of TCP and UDP.
 */
#ifndef WSA_MSTCPIP_H
#define WSA_MSTCPIP_H

#include "winsock2.h"

#define SIO_RCVALL _WSAIOW(IOC_VENDOR, 1)
#define SIO_RCVALL_MCAST _WSAIOW(IOC_VENDOR, 2)
#define SIO_RCVALL_IGMPMCAST _WSAIOW(IOC_VENDOR, 3)
#define SIO_KEEPALIVE_VALS _WSAIOW(IOC_VENDOR, 4)
#define SIO_ABSORB_RTRALERT _WSAIOW(IOC_VENDOR, 5)
#define SIO_UCAST_IF _WSAIOW(IOC_VENDOR, 6)
#define SIO_LIMIT_BROADCASTS _WSAIOW(IOC_VENDOR, 7)
#define SIO_INDEX_BIND _WSAIOW(IOC_VENDOR, 8)
#define SIO_INDEX_MCASTIF _WSAIOW(IOC_VENDOR, 9)
#define SIO_INDEX_ADD_MCAST _WSAIOW(IOC_VENDOR, 10)
#define SIO_INDEX_DEL_MCAST _WSAIOW(IOC_VENDOR, 11)
#define SIO_UDP_CONNRESET _WSAIOW(IOC_VENDOR, 12)
#define SIO_UDP_NETRESET _WSAIOW(IOC_VENDOR, 15)
#define SIO_LOOPBACK_FAST_PATH _WSAIOW(IOC_VENDOR, 16)
#define SIO_TCP_INITIAL_RTO _WSAIOW(IOC_VENDOR, 17)
#define SIO_TCP_SET_ACK_FREQUENCY _WSAIOW(IOC_VENDOR, 23)
#define SIO_TCP_INFO _WSAIORW(IOC_VENDOR, 39)
#define SIO_ACQUIRE_PORT_RESERVATION _WSAIOW(IOC_VENDOR, 100)
#define SIO_RELEASE_PORT_RESERVATION _WSAIOW(IOC_VENDOR, 101)
#define SIO_ASSOCIATE_PORT_RESERVATION _WSAIOW(IOC_VENDOR, 102)

struct tcp_keepalive {
    ULONG onoff;
    ULONG keepalivetime;
    ULONG keepaliveinterval;
};

#define TCP_INITIAL_RTO_UNSPECIFIED_RTT ((USHORT)-1)
#define TCP_INITIAL_RTO_UNSPECIFIED_MAX_SYN_RETRANSMISSIONS ((UCHAR)-1)
#define TCP_INITIAL_RTO_DEFAULT_RTT 0
#define TCP_INITIAL_RTO_DEFAULT_MAX_SYN_RETRANSMISSIONS 0
#define TCP_INITIAL_RTO_NO_SYN_RETRANSMISSIONS ((UCHAR)-2)

typedef struct _TCP_INITIAL_RTO_PARAMETERS {
    USHORT Rtt;
    UCHAR MaxSynRetransmissions;
} TCP_INITIAL_RTO_PARAMETERS, *PTCP_INITIAL_RTO_PARAMETERS;

/* What an IPv4 address is. They compare bytes, so that the order of the host does not matter. */

static inline int IN4_ADDR_EQUAL(const struct in_addr *left, const struct in_addr *right)
{
    return left->s_addr == right->s_addr;
}

static inline int IN4_IS_ADDR_UNSPECIFIED(const struct in_addr *address)
{
    return address->s_addr == 0;
}

static inline int IN4_IS_ADDR_LOOPBACK(const struct in_addr *address)
{
    return address->S_un.S_un_b.s_b1 == 127;
}

static inline int IN4_IS_ADDR_BROADCAST(const struct in_addr *address)
{
    return address->s_addr == 0xffffffff;
}

static inline int IN4_IS_ADDR_MULTICAST(const struct in_addr *address)
{
    return (address->S_un.S_un_b.s_b1 & 0xf0) == 0xe0;
}

static inline int IN4_IS_ADDR_LINKLOCAL(const struct in_addr *address)
{
    return address->S_un.S_un_b.s_b1 == 169 && address->S_un.S_un_b.s_b2 == 254;
}

/* 224.0.0.0/24. */
static inline int IN4_IS_ADDR_MC_LINKLOCAL(const struct in_addr *address)
{
    return address->S_un.S_un_b.s_b1 == 224 && address->S_un.S_un_b.s_b2 == 0 &&
           address->S_un.S_un_b.s_b3 == 0;
}

/* 10/8, 172.16/12, 192.168/16. */
static inline int IN4_IS_ADDR_RFC1918(const struct in_addr *address)
{
    u_char first = address->S_un.S_un_b.s_b1, second = address->S_un.S_un_b.s_b2;
    return first == 10 || (first == 172 && (second & 0xf0) == 16) || (first == 192 && second == 168);
}

#endif
