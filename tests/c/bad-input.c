/*
 * Bad pointers, bad lengths and bad handles for every function, on the stack's loopback. Prints a
 * line for each answer that is not the documented one.
 *
 *     bad-input
 */
#define _DEFAULT_SOURCE
#include "every-call.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

#define PAGE 4096

/* Memory that leads nowhere, can only be read, and ends where memory does. */
static char *nowhere, *readonly, *edge;

static void make_memory(void)
{
    char *pages = (char *)mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                               -1, 0);
    if (pages == (char *)MAP_FAILED)
        exit(2);
    edge = pages + PAGE;
    nowhere = pages + PAGE;
    readonly = pages + 2 * PAGE;
    mprotect(nowhere, PAGE, PROT_NONE);
    mprotect(readonly, PAGE, PROT_READ);
    mprotect(pages + 3 * PAGE, PAGE, PROT_NONE);
}

static SOCKADDR_IN loopback(unsigned short port)
{
    SOCKADDR_IN name;
    memset(&name, 0, sizeof name);
    name.sin_family = AF_INET;
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    name.sin_port = htons(port);
    return name;
}

static SOCKADDR_IN6 loopback6(unsigned short port)
{
    SOCKADDR_IN6 name;
    memset(&name, 0, sizeof name);
    name.sin6_family = AF_INET6;
    name.sin6_addr = in6addr_loopback;
    name.sin6_port = htons(port);
    return name;
}

static SOCKET open_bound(int type)
{
    SOCKADDR_IN name = loopback(0);
    SOCKET s = socket(AF_INET, type, 0);
    IS(bind(s, (SOCKADDR *)&name, sizeof name), 0, 0);
    return s;
}

static SOCKADDR_IN name_of(SOCKET s)
{
    SOCKADDR_IN name;
    int length = sizeof name;
    IS(getsockname(s, (SOCKADDR *)&name, &length), 0, 0);
    return name;
}

static void startup(void)
{
    WSADATA data;
    int at;
    void *bad[3];

    bad[0] = NULL, bad[1] = nowhere, bad[2] = readonly;
    for (at = 0; at < 3; at++) {
        if (WSAStartup(MAKEWORD(2, 2), (WSADATA *)bad[at]) != WSAEFAULT ||
            WSAStartup(MAKEWORD(0, 2), (WSADATA *)bad[at]) != WSAVERNOTSUPPORTED) {
            printf("WSAStartup takes a bad pointer\n");
            wrong++;
        }
    }
    if (WSAStartup(MAKEWORD(2, 2), (WSADATA *)(edge - sizeof(WSADATA) + 1)) != WSAEFAULT)
        wrong++;
    /* None of these counts. */
    every_call(WSANOTINITIALISED, nowhere);
    memset(&data, 0xaa, sizeof data);
    if (WSAStartup(MAKEWORD(2, 2), &data) != 0 || data.wVersion != 0x0202 ||
        data.wHighVersion != 0x0202 || strcmp(data.szDescription, "WinSock 2.0") != 0 ||
        strcmp(data.szSystemStatus, "Running") != 0 || data.iMaxSockets != 0 ||
        *(unsigned char *)&data.lpVendorInfo != 0xaa) {
        printf("WSAStartup fills the structure wrongly\n");
        wrong++;
    }
}

/* What a call reads: null, nowhere, and one byte too near to nowhere. */
static void pointers_that_are_read(void)
{
    SOCKET u = open_bound(SOCK_DGRAM), t = socket(AF_INET, SOCK_STREAM, 0);
    SOCKADDR_IN to = name_of(u), *odd = (SOCKADDR_IN *)(edge - 33);
    WSABUF data, list[2];
    DWORD sent = 99;
    QOS qos;
    u_long on = 1;
    int at;
    void *bad[3];

    bad[0] = NULL, bad[1] = nowhere, bad[2] = edge - 15;
    for (at = 0; at < 3; at++) {
        SOCKADDR *name = (SOCKADDR *)bad[at];
        FAILS(bind(t, name, 16), WSAEFAULT);
        FAILS(connect(t, name, 16), WSAEFAULT);
        FAILS(connect(u, name, 16), WSAEFAULT);
        FAILS(WSAConnect(t, name, 16, NULL, NULL, NULL, NULL), WSAEFAULT);
        if (at > 0)
            FAILS(sendto(u, "x", 1, 0, name, 16), WSAEFAULT);
        FAILS(send(u, (char *)bad[at], 16, 0), WSAEFAULT);
        FAILS(sendto(u, (char *)bad[at], 16, 0, (SOCKADDR *)&to, sizeof to), WSAEFAULT);
        FAILS(sendto(u, (char *)bad[at], 70000, 0, (SOCKADDR *)&to, sizeof to), WSAEFAULT);
        FAILS(setsockopt(t, SOL_SOCKET, SO_LINGER, at < 2 ? (char *)bad[at] : edge - 3, 4),
              WSAEFAULT);
        FAILS(WSASend(u, (WSABUF *)bad[at], 1, &sent, 0, NULL, NULL), WSAEFAULT);
        FAILS(WSASend(u, (WSABUF *)bad[at], 65537, &sent, 0, NULL, NULL), WSAEINVAL);
        FAILS(WSASend(u, (WSABUF *)bad[at], 0, &sent, 0, NULL, NULL), WSAEINVAL);
        list[0].len = 1, list[0].buf = edge - 1;
        list[1].len = 16, list[1].buf = (char *)bad[at];
        FAILS(WSASend(u, list, 2, &sent, 0, NULL, NULL), WSAEFAULT);
        FAILS(WSASendTo(u, list, 2, &sent, 0, (SOCKADDR *)&to, sizeof to, NULL, NULL), WSAEFAULT);
        list[1].len = 0xffffffff;
        FAILS(WSASend(u, list, 2, &sent, 0, NULL, NULL), WSAEINVAL);
        data.len = 16, data.buf = (char *)bad[at];
        FAILS(WSAConnect(t, (SOCKADDR *)&to, 16, &data, NULL, NULL, NULL), WSAEFAULT);
        memset(&qos, 0, sizeof qos);
        qos.ProviderSpecific = data;
        FAILS(WSAConnect(t, (SOCKADDR *)&to, 16, NULL, NULL, &qos, NULL), WSAEFAULT);
        FAILS(WSAConnect(u, (SOCKADDR *)&to, 16, NULL, NULL, &qos, NULL), WSAEFAULT);
        IS(inet_pton(AF_INET, at < 2 ? (char *)bad[at] : nowhere, &on), -1, WSAEFAULT);
        IS(inet_ntop(AF_INET, at < 2 ? bad[at] : edge - 3, (char *)&data, 16) == NULL, 1,
           WSAEFAULT);
        IS(inet_addr((char *)bad[at]), INADDR_NONE, -7);
    }
    /* No bytes are no bytes, wherever they are. */
    IS(sendto(u, NULL, 0, 0, (SOCKADDR *)&to, sizeof to), 0, 0);
    IS(sendto(u, nowhere, 0, 0, (SOCKADDR *)&to, sizeof to), 0, 0);
    FAILS(send(u, "x", -1, 0), WSAEFAULT);
    FAILS(WSAConnect(t, (SOCKADDR *)&to, 16, (WSABUF *)nowhere, NULL, NULL, NULL), WSAEFAULT);
    FAILS(WSAConnect(t, (SOCKADDR *)&to, 16, NULL, NULL, (QOS *)nowhere, NULL), WSAEFAULT);
    FAILS(WSAConnect(t, (SOCKADDR *)&to, 16, NULL, NULL, NULL, (QOS *)nowhere), WSAEINVAL);
    data.len = 16, data.buf = edge - 16;
    FAILS(WSAConnect(t, (SOCKADDR *)&to, 16, &data, NULL, NULL, NULL), WSAEPROTONOSUPPORT);
    data.len = 1025, data.buf = edge - 1025;
    FAILS(WSAConnect(t, (SOCKADDR *)&to, 16, &data, NULL, NULL, NULL), WSAEFAULT);
    IS(WSASocketA(-1, -1, -1, (WSAPROTOCOL_INFOA *)nowhere, 0, 0), INVALID_SOCKET, WSAEFAULT);
    /* Misaligned is not bad, and neither is memory that can only be read. */
    memcpy((void *)odd, &to, sizeof to);
    IS(sendto(u, "x", 1, 0, (SOCKADDR *)(void *)odd, 16), 1, 0);
    IS(sendto(u, readonly, 5, 0, (SOCKADDR *)&to, sizeof to), 5, 0);
    closesocket(u);
    closesocket(t);
}

/* Sends on a stream that meet what cannot be read at their beginning, in their middle, at their end:
 * nothing is sent, however long they are, and in however many buffers. */
static void holes_in_what_is_sent(void)
{
    enum { LARGE = 300 * PAGE, PIECES = 40 };
    static const size_t lengths[] = {1, PAGE, 3 * PAGE, 40 * PAGE, LARGE};
    SOCKET listener = open_bound(SOCK_STREAM), t = socket(AF_INET, SOCK_STREAM, 0), accepted;
    SOCKADDR_IN server = name_of(listener);
    char *memory = (char *)mmap(NULL, LARGE + PAGE, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *got = (char *)malloc(LARGE);
    WSABUF list[PIECES + 1];
    DWORD sent = 99;
    u_long on = 1;
    size_t at, length, hole, received;
    int piece, result;

    if (memory == (char *)MAP_FAILED || got == NULL)
        exit(2);
    for (at = 0; at < LARGE; at++)
        memory[at] = (char)(at * 31 + at / PAGE);
    IS(listen(listener, 1), 0, 0);
    IS(connect(t, (SOCKADDR *)&server, sizeof server), 0, 0);
    accepted = accept(listener, NULL, NULL);
    for (at = 0; at < sizeof lengths / sizeof *lengths; at++) {
        length = lengths[at];
        /* The hole is the first page, one in the middle, the last, and the one behind it. */
        for (piece = 0; piece < 4; piece++) {
            hole = piece * ((length - 1) / PAGE) / 2;
            if (piece == 3)
                hole = (length + PAGE - 1) / PAGE;
            mprotect(memory + hole * PAGE, PAGE, PROT_NONE);
            if (piece < 3) {
                FAILS(send(t, memory, (int)length, 0), WSAEFAULT);
                FAILS(sendto(t, memory, (int)length, 0, NULL, 0), WSAEFAULT);
            } else {
                FAILS(send(t, memory, (int)(hole * PAGE + 1), 0), WSAEFAULT);
            }
            /* The same in pieces, between which there are empty ones that lead nowhere. */
            for (result = 0; result < PIECES; result += 2) {
                size_t from = length * result / PIECES, to = length * (result + 2) / PIECES;
                list[result].len = 0, list[result].buf = result % 4 ? nowhere : NULL;
                list[result + 1].len = (u_long)(to - from), list[result + 1].buf = memory + from;
            }
            list[PIECES].len = piece == 3, list[PIECES].buf = memory + hole * PAGE;
            FAILS(WSASend(t, list, PIECES + 1, &sent, 0, NULL, NULL), WSAEFAULT);
            FAILS(WSASendTo(t, list, PIECES + 1, &sent, 0, NULL, 0, NULL, NULL), WSAEFAULT);
            mprotect(memory + hole * PAGE, PAGE, PROT_READ | PROT_WRITE);
        }
        /* Whole again, it is sent whole, once from one buffer and once from many. */
        list[PIECES].len = 0;
        for (piece = 0; piece < 2; piece++) {
            if (piece == 0)
                IS(send(t, memory, (int)length, 0), length, 0);
            else
                IS(WSASend(t, list, PIECES + 1, &sent, 0, NULL, NULL), 0, 0);
            memset(got, 0, length);
            for (received = 0; received < length; received += result) {
                result = recv(accepted, got + received, (int)(length - received), 0);
                if (result <= 0)
                    break;
            }
            IS(received, length, -7);
            IS(memcmp(got, memory, length), 0, -7);
        }
        IS(sent, length, -7);
        sent = 99;
    }
    /* A send that would have to wait is refused all the same, and what can be read has to wait. */
    IS(ioctlsocket(t, FIONBIO, &on), 0, 0);
    IS(ioctlsocket(accepted, FIONBIO, &on), 0, 0);
    while (send(t, memory, LARGE, 0) == LARGE)
        ;
    FAILS(send(t, memory, LARGE, 0), WSAEWOULDBLOCK);
    FAILS(send(t, nowhere, 1, 0), WSAEFAULT);
    FAILS(send(t, edge - 1, 2, 0), WSAEFAULT);
    FAILS(send(t, memory, LARGE, 0x1000), WSAEOPNOTSUPP);
    FAILS(send(t, nowhere, LARGE, 0x1000), WSAEFAULT);
    FAILS(recv(accepted, nowhere, 1, 0), WSAEFAULT);
    closesocket(accepted);
    closesocket(t);
    closesocket(listener);
    munmap(memory, LARGE + PAGE);
    free(got);
}

/* What a call writes: also memory that can only be read. A refused call has done nothing. */
static void pointers_that_are_written(void)
{
    SOCKET u = open_bound(SOCK_DGRAM), t = socket(AF_INET, SOCK_STREAM, 0);
    SOCKET listener = open_bound(SOCK_STREAM), peer, accepted;
    SOCKADDR_IN to = name_of(u), server = name_of(listener), name;
    SOCKADDR *room = (SOCKADDR *)&name;
    u_long number = 99, *odd = (u_long *)(void *)(edge - 5);
    DWORD flags = 0, count = 99;
    WSABUF list[2];
    int at, length = 16;
    char buffer[16], *bad[4];

    bad[0] = NULL, bad[1] = nowhere, bad[2] = readonly, bad[3] = edge - 3;
    IS(listen(listener, 4), 0, 0);
    IS(connect(t, (SOCKADDR *)&server, sizeof server), 0, 0);
    IS(ioctlsocket(u, FIONBIO, &number), 0, 0);
    IS(sendto(u, "abcdef", 6, 0, (SOCKADDR *)&to, sizeof to), 6, 0);
    for (at = 0; at < 4; at++) {
        FAILS(getsockname(u, (SOCKADDR *)bad[at], &length), WSAEFAULT);
        FAILS(getsockname(u, room, (int *)bad[at]), WSAEFAULT);
        FAILS(getpeername(t, (SOCKADDR *)bad[at], &length), WSAEFAULT);
        FAILS(getpeername(t, room, (int *)bad[at]), WSAEFAULT);
        if (at > 0)
            IS(accept(listener, (SOCKADDR *)bad[at], &length), INVALID_SOCKET, WSAEFAULT);
        IS(accept(listener, room, (int *)bad[at]), INVALID_SOCKET, WSAEFAULT);
        FAILS(getsockopt(u, SOL_SOCKET, SO_TYPE, bad[at], &length), WSAEFAULT);
        FAILS(getsockopt(u, SOL_SOCKET, SO_TYPE, buffer, (int *)bad[at]), WSAEFAULT);
        FAILS(ioctlsocket(u, FIONREAD, (u_long *)bad[at]), WSAEFAULT);
        FAILS(WSAIoctl(u, FIONREAD, NULL, 0, bad[at], 4, &number, NULL, NULL), WSAEFAULT);
        FAILS(WSAIoctl(u, FIONREAD, NULL, 0, &number, 4, (DWORD *)bad[at], NULL, NULL), WSAEFAULT);
        FAILS(recv(u, bad[at], 6, 0), WSAEFAULT);
        FAILS(recvfrom(u, bad[at], 6, 0, NULL, NULL), WSAEFAULT);
        if (at > 0)
            FAILS(recvfrom(u, buffer, 6, 0, (SOCKADDR *)bad[at], &length), WSAEFAULT);
        FAILS(recvfrom(u, buffer, 6, 0, room, (int *)bad[at]), WSAEFAULT);
        list[0].len = 2, list[0].buf = buffer;
        list[1].len = 6, list[1].buf = bad[at];
        FAILS(WSARecv(u, list, 2, &count, &flags, NULL, NULL), WSAEFAULT);
        FAILS(WSARecvFrom(u, list, 2, &count, &flags, room, &length, NULL, NULL), WSAEFAULT);
        FAILS(WSARecv(u, list, 1, (DWORD *)bad[at], &flags, NULL, NULL), WSAEFAULT);
        FAILS(WSARecv(u, list, 1, &count, (DWORD *)bad[at], NULL, NULL), WSAEFAULT);
        FAILS(WSASend(u, list, 1, (DWORD *)bad[at], 0, NULL, NULL), WSAEFAULT);
        FAILS(WSAHtonl(u, 1, (u_long *)bad[at]), WSAEFAULT);
        FAILS(WSANtohl(u, 1, (u_long *)bad[at]), WSAEFAULT);
        FAILS(WSAHtons(u, 1, (u_short *)(at < 3 ? bad[at] : edge - 1)), WSAEFAULT);
        FAILS(WSANtohs(u, 1, (u_short *)(at < 3 ? bad[at] : edge - 1)), WSAEFAULT);
        IS(inet_pton(AF_INET, "1.2.3.4", bad[at]), -1, WSAEFAULT);
        IS(inet_ntop(AF_INET, &to.sin_addr, bad[at], 16) == NULL, 1,
           at == 0 ? WSA_INVALID_PARAMETER : WSAEFAULT);
        /* Callee data, and the length in its WSABUF. */
        {
            WSABUF callee;
            SOCKET fresh = socket(AF_INET, SOCK_STREAM, 0);
            callee.len = 4, callee.buf = bad[at];
            FAILS(WSAConnect(fresh, (SOCKADDR *)&server, 16, NULL, &callee, NULL, NULL),
                  WSAEFAULT);
            if (callee.len != 4)
                wrong++;
            if (at > 0)
                FAILS(WSAConnect(fresh, (SOCKADDR *)&server, 16, NULL, (WSABUF *)(void *)bad[at],
                                 NULL, NULL),
                      WSAEFAULT);
            closesocket(fresh);
        }
        if (length != 16 || count != 99 || flags != 0) {
            printf("a refused call has written something\n");
            wrong++;
        }
    }
    list[0].len = 16;
    FAILS(WSARecv(u, list, 1, &count, &flags, (WSAOVERLAPPED *)nowhere, NULL), WSAEOPNOTSUPP);
    FAILS(WSASend(u, list, 1, &count, 0, (WSAOVERLAPPED *)nowhere, NULL), WSAEOPNOTSUPP);
    /* Nothing was lost, and misaligned is not bad. */
    IS(ioctlsocket(u, FIONREAD, odd), 0, 0);
    memcpy(&number, (void *)odd, 4);
    if (number != 6)
        wrong++;
    memset(&name, 0xaa, sizeof name);
    length = 16;
    IS(recvfrom(u, buffer, 16, 0, room, &length), 6, 0);
    if (memcmp(buffer, "abcdef", 6) != 0 || length != 16 || memcmp(&name, &to, 16) != 0)
        wrong++;
    accepted = accept(listener, (SOCKADDR *)(edge - 17), &length);
    if (accepted == INVALID_SOCKET || memcmp(edge - 17, "\2\0", 2) != 0)
        wrong++;
    /* A stream leaves the name alone. */
    IS(send(accepted, "xyz", 3, 0), 3, 0);
    memset(&name, 0xaa, sizeof name);
    length = 7;
    FAILS(recvfrom(t, nowhere, 3, 0, room, &length), WSAEFAULT);
    IS(recvfrom(t, edge - 3, 3, 0, room, &length), 3, 0);
    if (memcmp(edge - 3, "xyz", 3) != 0 || length != 7 || name.sin_family != 0xaaaa)
        wrong++;
    FAILS(recv(t, buffer, -1, 0), WSAEFAULT);
    peer = socket(AF_INET, SOCK_STREAM, 0);
    {
        WSABUF callee;
        callee.len = 16, callee.buf = buffer;
        IS(WSAConnect(peer, (SOCKADDR *)&server, 16, NULL, &callee, NULL, NULL), 0, 0);
        if (callee.len != 0)
            wrong++;
    }
    closesocket(peer);
    closesocket(accepted);
    closesocket(t);
    closesocket(listener);
    closesocket(u);
}

static void routine(DWORD error, DWORD transferred, WSAOVERLAPPED *overlapped, DWORD flags)
{
    (void)error, (void)transferred, (void)overlapped, (void)flags;
    wrong++;
}

/* What WSAIoctl says about a function whose GUID is there. */
static int extension(SOCKET s, void *guid, DWORD length, void *to, DWORD room, DWORD *returned)
{
    return WSAIoctl(s, SIO_GET_EXTENSION_FUNCTION_POINTER, guid, length, to, room, returned, NULL,
                    NULL);
}

static void extensions(void)
{
    SOCKET u = open_bound(SOCK_DGRAM), t = socket(AF_INET, SOCK_STREAM, 0);
    GUID which = WSAID_WSARECVMSG, other = WSAID_WSASENDMSG, unknown = WSAID_WSARECVMSG;
    LPFN_WSASENDMSG send_message = NULL;
    DWORD returned = 99;
    int at;
    char *bad[4];

    unknown.Data4[7] ^= 1;
    bad[0] = NULL, bad[1] = nowhere, bad[2] = edge - 15, bad[3] = readonly;
    for (at = 0; at < 3; at++)
        FAILS(extension(u, bad[at], 16, &receive_message, 8, &returned), WSAEFAULT);
    FAILS(extension(u, &which, 0, &receive_message, 8, &returned), WSAEFAULT);
    FAILS(extension(u, &which, 15, &receive_message, 8, &returned), WSAEFAULT);
    FAILS(extension(u, &unknown, 16, &receive_message, 8, &returned), WSAEINVAL);
    FAILS(WSAIoctl(u, SIO_GET_EXTENSION_FUNCTION_POINTER, &which, 16, &receive_message, 8,
                   &returned, (WSAOVERLAPPED *)nowhere, NULL),
          WSAEOPNOTSUPP);
    bad[2] = edge - 3;
    for (at = 0; at < 4; at++)
        FAILS(extension(u, &which, 16, &receive_message, 8, (DWORD *)(void *)bad[at]), WSAEFAULT);
    IS(returned, 99, -7);
    bad[2] = edge - 7;
    for (at = 0; at < 4; at++) {
        returned = 99;
        FAILS(extension(u, &which, 16, bad[at], 8, &returned), WSAEFAULT);
        IS(returned, 8, -7);
    }
    returned = 99;
    FAILS(extension(u, &which, 16, &receive_message, 7, &returned), WSAEFAULT);
    IS(returned, 8, -7);
    IS(receive_message == NULL, 1, -7);
    /* On any socket, misaligned, and with more than is needed. */
    returned = 99;
    memcpy(edge - 17, &which, 16);
    IS(extension(t, edge - 17, 17, &receive_message, 9, &returned), 0, 0);
    IS(returned, 8, -7);
    returned = 99;
    IS(extension(u, &other, 16, edge - 8, 8, &returned), 0, 0);
    IS(returned, 8, -7);
    memcpy(&send_message, edge - 8, 8);
    IS(send_message == WSASendMsg, 1, -7);
    closesocket(u);
    closesocket(t);
}

/* WSASendMsg: whatever is bad, nothing is sent. */
static void sent_messages(void)
{
    SOCKET u = open_bound(SOCK_DGRAM), t = socket(AF_INET, SOCK_STREAM, 0);
    SOCKADDR_IN to = name_of(u);
    WSABUF data;
    WSAMSG good, message;
    WSACMSGHDR *header;
    DWORD sent = 99;
    u_long number = 99;
    int at;
    char *bad[3], *control = edge - WSA_CMSG_SPACE(sizeof(INT));

    data.len = 1, data.buf = edge - 1;
    memset(&good, 0, sizeof good);
    good.name = (SOCKADDR *)&to, good.namelen = sizeof to;
    good.lpBuffers = &data, good.dwBufferCount = 1;
    IS(sizeof(WSAMSG), 56, -7);
    bad[0] = NULL, bad[1] = nowhere, bad[2] = edge - 15;
    for (at = 0; at < 3; at++) {
        FAILS(WSASendMsg(u, (WSAMSG *)(void *)(at < 2 ? bad[at] : edge - 55), 0, &sent, NULL, NULL),
              WSAEFAULT);
        message = good, message.name = (SOCKADDR *)(void *)bad[at];
        if (at > 0)
            FAILS(WSASendMsg(u, &message, 0, &sent, NULL, NULL), WSAEFAULT);
        message = good, message.lpBuffers = (WSABUF *)(void *)bad[at];
        FAILS(WSASendMsg(u, &message, 0, &sent, NULL, NULL), WSAEFAULT);
        message.dwBufferCount = 65537;
        FAILS(WSASendMsg(u, &message, 0, &sent, NULL, NULL), WSAEINVAL);
        message.dwBufferCount = 0;
        FAILS(WSASendMsg(u, &message, 0, &sent, NULL, NULL), WSAEINVAL);
        /* A stream has no messages, whatever is in them. */
        FAILS(WSASendMsg(t, &message, 0, &sent, NULL, NULL), WSAEOPNOTSUPP);
        message = good, message.Control.len = 16, message.Control.buf = bad[at];
        FAILS(WSASendMsg(u, &message, 0, &sent, NULL, NULL), WSAEFAULT);
        message.Control.len = 0xffffffff;
        FAILS(WSASendMsg(u, &message, 0, &sent, NULL, NULL), WSAEFAULT);
        data.len = 16, data.buf = bad[at];
        FAILS(WSASendMsg(u, &good, 0, &sent, NULL, NULL), WSAEFAULT);
        data.len = 1, data.buf = edge - 1;
        FAILS(WSASendMsg(u, &good, 0, (DWORD *)(void *)(at < 2 ? bad[at] : readonly), NULL, NULL),
              WSAEFAULT);
    }
    FAILS(WSASendMsg(u, &good, 0, &sent, (WSAOVERLAPPED *)nowhere, NULL), WSAEOPNOTSUPP);
    FAILS(WSASendMsg(u, &good, 0, &sent, NULL, routine), WSAEOPNOTSUPP);
    FAILS(WSASend(u, &data, 1, &sent, 0, NULL, routine), WSAEOPNOTSUPP);
    FAILS(WSASendMsg(u, &good, MSG_OOB, &sent, NULL, NULL), WSAEOPNOTSUPP);
    message = good, message.namelen = 15;
    FAILS(WSASendMsg(u, &message, 0, &sent, NULL, NULL), WSAEFAULT);
    message.namelen = -1;
    FAILS(WSASendMsg(u, &message, 0, &sent, NULL, NULL), WSAEFAULT);
    /* Control messages, each wrong in another way. */
    message = good, message.Control.buf = control;
    message.Control.len = WSA_CMSG_SPACE(sizeof(INT));
    header = WSA_CMSG_FIRSTHDR(&message);
    memset(header, 0, WSA_CMSG_SPACE(sizeof(INT)));
    FAILS(WSASendMsg(u, &message, 0, &sent, NULL, NULL), WSAEINVAL);
    header->cmsg_level = IPPROTO_IP, header->cmsg_type = IP_TTL;
    header->cmsg_len = WSA_CMSG_LEN(sizeof(INT));
    FAILS(WSASendMsg(u, &message, 0, &sent, NULL, NULL), WSAEINVAL);
    header->cmsg_type = IP_HOPLIMIT, header->cmsg_len = ~(size_t)0;
    FAILS(WSASendMsg(u, &message, 0, &sent, NULL, NULL), WSAEINVAL);
    header->cmsg_len = WSA_CMSG_LEN(sizeof(INT)), message.Control.len = 15;
    FAILS(WSASendMsg(u, &message, 0, &sent, NULL, NULL), WSAEINVAL);
    IS(sent, 99, -7);
    IS(ioctlsocket(u, FIONREAD, &number), 0, 0);
    IS(number, 0, -7);
    /* The last of them needs no padding; misaligned, and where it can only be read, is not bad. */
    message.Control.len = WSA_CMSG_LEN(sizeof(INT));
    IS(WSASendMsg(u, &message, 0, &sent, NULL, NULL), 0, 0);
    IS(sent, 1, -7);
    data.len = 5, data.buf = readonly;
    memcpy(edge - 57, &good, sizeof good);
    IS(WSASendMsg(u, (WSAMSG *)(void *)(edge - 57), 0, &sent, NULL, NULL), 0, 0);
    IS(sent, 5, -7);
    closesocket(u);
    closesocket(t);
}

/* WSARecvMsg: whatever is bad, nothing is received and nothing written. */
static void received_messages(void)
{
    SOCKET u = open_bound(SOCK_DGRAM), t = socket(AF_INET, SOCK_STREAM, 0);
    SOCKADDR_IN to = name_of(u), name;
    WSABUF data;
    WSAMSG good, message;
    WSACMSGHDR *header;
    IN_PKTINFO info;
    DWORD received = 99;
    u_long on = 1;
    int at;
    char buffer[16], *bad[4], control[64];

    IS(setsockopt(u, IPPROTO_IP, IP_PKTINFO, (char *)&on, sizeof on), 0, 0);
    IS(ioctlsocket(u, FIONBIO, &on), 0, 0);
    IS(sendto(u, "abcdef", 6, 0, (SOCKADDR *)&to, sizeof to), 6, 0);
    memset(&good, 0, sizeof good);
    data.len = 16, data.buf = buffer;
    good.name = (SOCKADDR *)&name, good.namelen = sizeof name;
    good.lpBuffers = &data, good.dwBufferCount = 1;
    good.Control.len = sizeof control, good.Control.buf = control;
    bad[0] = NULL, bad[1] = nowhere, bad[2] = readonly, bad[3] = edge - 15;
    for (at = 0; at < 4; at++) {
        FAILS(receive_message(u, (WSAMSG *)(void *)(at < 3 ? bad[at] : edge - 55), &received, NULL,
                              NULL),
              WSAEFAULT);
        FAILS(receive_message(u, &good, (DWORD *)(void *)(at < 3 ? bad[at] : edge - 3), NULL, NULL),
              WSAEFAULT);
        message = good, message.name = (SOCKADDR *)(void *)bad[at];
        if (at > 0)
            FAILS(receive_message(u, &message, &received, NULL, NULL), WSAEFAULT);
        message = good, message.lpBuffers = (WSABUF *)(void *)(at == 2 ? nowhere : bad[at]);
        FAILS(receive_message(u, &message, &received, NULL, NULL), WSAEFAULT);
        message.dwBufferCount = 65537;
        FAILS(receive_message(u, &message, &received, NULL, NULL), WSAEINVAL);
        message.dwBufferCount = 0;
        FAILS(receive_message(u, &message, &received, NULL, NULL), WSAEINVAL);
        FAILS(receive_message(t, &message, &received, NULL, NULL), WSAEOPNOTSUPP);
        message = good, message.Control.len = 16, message.Control.buf = bad[at];
        FAILS(receive_message(u, &message, &received, NULL, NULL), WSAEFAULT);
        message.Control.len = 0xffffffff;
        FAILS(receive_message(u, &message, &received, NULL, NULL), WSAEFAULT);
        /* All of the room has to be there, also where less would be enough. */
        message.Control.len = 2048, message.Control.buf = edge - 2047;
        FAILS(receive_message(u, &message, &received, NULL, NULL), WSAEFAULT);
        data.buf = bad[at];
        FAILS(receive_message(u, &good, &received, NULL, NULL), WSAEFAULT);
        data.buf = buffer;
    }
    FAILS(receive_message(u, &good, &received, (WSAOVERLAPPED *)nowhere, NULL), WSAEOPNOTSUPP);
    FAILS(receive_message(u, &good, &received, NULL, routine), WSAEOPNOTSUPP);
    message = good, message.namelen = 15;
    FAILS(receive_message(u, &message, &received, NULL, NULL), WSAEFAULT);
    message = good, message.dwFlags = MSG_OOB;
    FAILS(receive_message(u, &message, &received, NULL, NULL), WSAEOPNOTSUPP);
    IS(message.namelen == 16 && message.Control.len == 64 && message.dwFlags == MSG_OOB, 1, -7);
    IS(received, 99, -7);
    /* Nothing was lost. Too little room for the control message, with a look that takes nothing. */
    memset(control, 0xaa, sizeof control);
    message = good, message.dwFlags = MSG_PEEK, message.Control.len = 23;
    FAILS(receive_message(u, &message, &received, NULL, NULL), WSAEMSGSIZE);
    IS(received, 6, -7);
    IS(message.dwFlags, MSG_CTRUNC, -7);
    IS(message.Control.len, 0, -7);
    IS((unsigned char)control[0], 0xaa, -7);
    IS(WSA_CMSG_FIRSTHDR(&message) == NULL, 1, -7);
    /* Too little room for the data, and a name that is not wanted. */
    message = good, message.dwFlags = MSG_PEEK, message.name = NULL, data.len = 5;
    message.Control.len = 24;
    memset(buffer, 0xaa, sizeof buffer);
    FAILS(receive_message(u, &message, &received, NULL, NULL), WSAEMSGSIZE);
    IS(received, 5, -7);
    IS(memcmp(buffer, "abcde\xaa", 6), 0, -7);
    IS(message.dwFlags, MSG_TRUNC, -7);
    IS(message.Control.len, 24, -7);
    /* Misaligned, and each at the end of what is there. */
    data.len = 6, data.buf = edge - 6;
    message = good, message.Control.len = 24, message.Control.buf = edge - 6 - 25;
    memset(&name, 0xaa, sizeof name);
    memcpy(edge - 101, &message, sizeof message);
    IS(receive_message(u, (WSAMSG *)(void *)(edge - 101), &received, NULL, NULL), 0, 0);
    memcpy(&message, edge - 101, sizeof message);
    IS(received, 6, -7);
    IS(memcmp(edge - 6, "abcdef", 6), 0, -7);
    IS(memcmp(&name, &to, sizeof to), 0, -7);
    IS(message.namelen, 16, -7);
    IS(message.dwFlags, 0, -7);
    IS(message.Control.len, 24, -7);
    memcpy(control, message.Control.buf, 24);
    message.Control.buf = control;
    header = WSA_CMSG_FIRSTHDR(&message);
    IS(header->cmsg_len, 24, -7);
    IS(header->cmsg_level, IPPROTO_IP, -7);
    IS(header->cmsg_type, IP_PKTINFO, -7);
    memcpy(&info, WSA_CMSG_DATA(header), sizeof info);
    IS(info.ipi_addr.s_addr, htonl(INADDR_LOOPBACK), -7);
    IS(info.ipi_ifindex, 1, -7);
    IS(WSA_CMSG_NXTHDR(&message, header) == NULL, 1, -7);
    IS(WSA_CMSG_NXTHDR(&message, (WSACMSGHDR *)NULL) == header, 1, -7);
    message = good;
    FAILS(receive_message(u, &message, &received, NULL, NULL), WSAEWOULDBLOCK);
    closesocket(u);
    closesocket(t);
}

/* Every length from 0 to 128, of a name that ends where memory does. */
static void lengths(void)
{
    int length, got;
    SOCKADDR_IN to;
    SOCKADDR_IN6 to6;
    SOCKET u = open_bound(SOCK_DGRAM), u6 = socket(AF_INET6, SOCK_DGRAM, 0);

    to = name_of(u);
    to6 = loopback6(0);
    IS(bind(u6, (SOCKADDR *)&to6, sizeof to6), 0, 0);
    got = sizeof to6;
    IS(getsockname(u6, (SOCKADDR *)&to6, &got), 0, 0);
    for (length = 0; length <= 128; length++) {
        int code = length < 16 ? WSAEFAULT : 0, code6 = length < 28 ? WSAEFAULT : 0;
        SOCKADDR *name = (SOCKADDR *)(edge - 16), *name6 = (SOCKADDR *)(edge - 28);
        SOCKADDR_IN any = loopback(0);
        SOCKADDR_IN6 any6 = loopback6(0);
        SOCKET s = socket(AF_INET, SOCK_DGRAM, 0), s6 = socket(AF_INET6, SOCK_DGRAM, 0);

        memcpy(name, &any, 16);
        IS(bind(s, name, length), code ? -1 : 0, code);
        memcpy(name6, &any6, 28);
        IS(bind(s6, name6, length), code6 ? -1 : 0, code6);
        memcpy(name, &to, 16);
        IS(connect(s, name, length), code ? -1 : 0, code);
        IS(WSAConnect(s, name, length, NULL, NULL, NULL, NULL), code ? -1 : 0, code);
        IS(sendto(s, "x", 1, 0, name, length), code ? -1 : 1, code);
        memcpy(name6, &to6, 28);
        IS(connect(s6, name6, length), code6 ? -1 : 0, code6);
        IS(sendto(s6, "x", 1, 0, name6, length), code6 ? -1 : 1, code6);
        if (code6 == 0) {
            got = length;
            IS(getpeername(s6, name6, &got), 0, 0);
            IS(got, 28, -7);
        }
        got = length;
        IS(getsockname(u, name, &got), code ? -1 : 0, code);
        IS(got, code ? length : 16, -7);
        got = length;
        IS(getsockname(u6, name6, &got), code6 ? -1 : 0, code6);
        IS(got, code6 ? length : 28, -7);
        IS(sendto(u, "x", 1, 0, (SOCKADDR *)&to, sizeof to), 1, 0);
        got = length;
        IS(recvfrom(u, edge - 64, 1, 0, name, &got), code ? -1 : 1, code);
        IS(got, code ? length : 16, -7);
        closesocket(s);
        closesocket(s6);
    }
    FAILS(bind(socket(AF_INET, SOCK_STREAM, 0), (SOCKADDR *)&to, -1), WSAEFAULT);
    closesocket(u);
    closesocket(u6);
}

static void sets(void)
{
    SOCKET u = open_bound(SOCK_DGRAM);
    fd_set set, big_set, *big, *at_edge;
    struct timeval now = {0, 0}, negative = {-1, 0}, *odd;
    u_int at;

    FD_ZERO(&set);
    FAILS(select(0, &set, NULL, NULL, &now), WSAEINVAL);
    FAILS(select(0, (fd_set *)NULL, (fd_set *)NULL, (fd_set *)NULL, &now), WSAEINVAL);
    FD_SET(u, &set);
    FAILS(select(0, &set, NULL, NULL, &negative), WSAEINVAL);
    FAILS(select(0, &set, NULL, NULL, (struct timeval *)nowhere), WSAEFAULT);
    FAILS(select(0, (fd_set *)nowhere, NULL, NULL, &now), WSAEFAULT);
    FAILS(select(0, NULL, (fd_set *)readonly, NULL, &now), WSAEFAULT);
    memset(edge - 8, 0, 8);
    FAILS(select(0, NULL, NULL, (fd_set *)(edge - 8), &now), WSAEINVAL);
    memset(edge - 8, 0xff, 8);
    FAILS(select(0, NULL, NULL, (fd_set *)(edge - 8), &now), WSAEFAULT);
    IS(__WSAFDIsSet(u, (fd_set *)nowhere), 0, -7);
    IS(__WSAFDIsSet(u, NULL), 0, -7);
    IS(__WSAFDIsSet(u, (fd_set *)readonly), 0, -7);
    IS(__WSAFDIsSet(u, &set), 1, -7);
    /* Only as many places as count need be there. */
    at_edge = (fd_set *)(void *)(edge - 16);
    memcpy((void *)at_edge, &set, 16);
    odd = (struct timeval *)(void *)(edge - 16 - 9);
    memcpy((void *)odd, &now, sizeof now);
    IS(select(0, NULL, at_edge, NULL, odd), 1, 0);
    IS(select(0, &set, NULL, NULL, &now), 0, 0);
    IS(set.fd_count, 0, -7);
    /* One set in two places gets what is ready in either sense. */
    FD_SET(u, &set);
    IS(select(0, &set, &set, NULL, &now), 1, 0);
    IS(FD_ISSET(u, &set), 1, -7);
    /* More sockets than a fd_set of 64 has room for. */
    big = (fd_set *)malloc(sizeof(fd_set) + 200 * sizeof(SOCKET));
    for (at = 0; at < 200; at++)
        ((SOCKET *)((char *)big + 8))[at] = socket(AF_INET, SOCK_DGRAM, 0);
    big->fd_count = 200;
    memcpy(&big_set, big, sizeof big_set);
    IS(select(0, NULL, big, NULL, NULL), 200, 0);
    IS(big->fd_count, 200, -7);
    IS(memcmp((char *)big + 8, big_set.fd_array, sizeof big_set.fd_array), 0, -7);
    for (at = 0; at < 200; at++)
        closesocket(((SOCKET *)((char *)big + 8))[at]);
    FAILS(select(0, NULL, big, NULL, NULL), WSAENOTSOCK);
    IS(big->fd_count, 200, -7);
    free(big);
    closesocket(u);
}

static void readiness(void)
{
    SOCKET u = open_bound(SOCK_DGRAM);
    WSAEVENT event = WSACreateEvent();
    WSANETWORKEVENTS happened;
    WSAPOLLFD polled, *odd = (WSAPOLLFD *)(void *)(edge - sizeof polled - 1);
    WSABUF data;
    int at;
    char *bad[4];

    bad[0] = NULL, bad[1] = nowhere, bad[2] = readonly, bad[3] = edge - 3;
    for (at = 0; at < 4; at++) {
        FAILS(WSAPoll((WSAPOLLFD *)(void *)bad[at], 1, 0), WSAEFAULT);
        FAILS(WSAPoll((WSAPOLLFD *)(void *)bad[at], 0x7fffffff, 0), WSAEFAULT);
        FAILS(WSAPoll((WSAPOLLFD *)(void *)bad[at], 0, 0), WSAEINVAL);
        FAILS(WSAEnumNetworkEvents(u, event, (WSANETWORKEVENTS *)(void *)bad[at]), WSAEFAULT);
        FAILS(wsa_next_message((struct wsa_message *)(void *)bad[at], 0), WSAEFAULT);
        FAILS(WSAEventSelect(u, (WSAEVENT)bad[at], FD_READ), WSAEINVAL);
        IS(WSASetEvent((WSAEVENT)bad[at]), FALSE, WSA_INVALID_HANDLE);
        IS(WSAResetEvent((WSAEVENT)bad[at]), FALSE, WSA_INVALID_HANDLE);
        IS(WSACloseEvent((WSAEVENT)bad[at]), FALSE, WSA_INVALID_HANDLE);
        if (at != 2)
            IS(WSAWaitForMultipleEvents(1, (WSAEVENT *)(void *)bad[at], FALSE, 0, FALSE),
               WSA_WAIT_FAILED, WSA_INVALID_PARAMETER);
        IS(WSAWaitForMultipleEvents(65, (WSAEVENT *)(void *)bad[at], FALSE, 0, FALSE),
           WSA_WAIT_FAILED, WSA_INVALID_PARAMETER);
        IS(WSAWaitForMultipleEvents(0, (WSAEVENT *)(void *)bad[at], FALSE, 0, FALSE),
           WSA_WAIT_FAILED, WSA_INVALID_PARAMETER);
        data.len = 4, data.buf = bad[at];
        if (at < 2)
            FAILS(WSASendDisconnect(u, &data), WSAEFAULT);
        if (at == 1)
            FAILS(WSASendDisconnect(u, (WSABUF *)(void *)bad[at]), WSAEFAULT);
        FAILS(WSARecvDisconnect(u, &data), WSAEFAULT);
        if (at > 0)
            FAILS(WSARecvDisconnect(u, (WSABUF *)(void *)bad[at]), WSAEFAULT);
    }
    /* A handle of one kind is none of the other. */
    FAILS(WSAEventSelect((SOCKET)event, event, FD_READ), WSAENOTSOCK);
    FAILS(WSAEventSelect(u, (WSAEVENT)u, FD_READ), WSAEINVAL);
    /* Misaligned is not bad. */
    polled.fd = u, polled.events = POLLWRNORM, polled.revents = -1;
    memcpy((void *)odd, &polled, sizeof polled);
    IS(WSAPoll(odd, 1, 0), 1, 0);
    memcpy(&polled, (void *)odd, sizeof polled);
    IS(polled.revents, POLLWRNORM, -7);
    polled.fd = 4, polled.revents = -1;
    FAILS(WSAPoll(&polled, 1, 0), WSAENOTSOCK);
    IS(polled.revents, POLLNVAL, -7);
    /* What did not happen leaves its code alone. */
    IS(WSAEventSelect(u, event, FD_WRITE | FD_READ), 0, 0);
    IS(WSAWaitForMultipleEvents(1, &event, TRUE, WSA_INFINITE, FALSE), WSA_WAIT_EVENT_0, 0);
    memset(&happened, 0xaa, sizeof happened);
    IS(WSAEnumNetworkEvents(u, event, &happened), 0, 0);
    IS(happened.lNetworkEvents, FD_WRITE, -7);
    IS(happened.iErrorCode[FD_WRITE_BIT], 0, -7);
    IS(happened.iErrorCode[FD_READ_BIT], (int)0xaaaaaaaa, -7);
    IS(WSAWaitForMultipleEvents(1, &event, FALSE, 0, FALSE), WSA_WAIT_TIMEOUT, 0);
    IS(WSACloseEvent(event), TRUE, 0);
    IS(WSACloseEvent(event), FALSE, WSA_INVALID_HANDLE);
    closesocket(u);
}

static void messages(void)
{
    SOCKET u = open_bound(SOCK_DGRAM);
    struct wsa_message message;

    IS(wsa_next_message(&message, 0), 0, 0);
    IS(WSAAsyncSelect(u, (HWND)7, 1024, FD_WRITE), 0, 0);
    IS(wsa_next_message(&message, WSA_INFINITE), 1, 0);
    IS(message.hwnd == (HWND)7, 1, -7);
    IS(message.message, 1024, -7);
    IS(message.wParam == u, 1, -7);
    IS(WSAGETSELECTEVENT(message.lParam), FD_WRITE, -7);
    IS(WSAGETSELECTERROR(message.lParam), 0, -7);
    closesocket(u);
}

static void *close_it(void *s)
{
    IS(closesocket(*(SOCKET *)s), 0, 0);
    return NULL;
}

static void handles(void)
{
    static const SOCKET never[] = {0, 1, 2, 3, 4, 5, 0x7ffffffc, 0xfffffffc, ~(SOCKET)0 - 3};
    SOCKET closed, next[64];
    pthread_t thread;
    size_t at;

    for (at = 0; at < sizeof never / sizeof *never; at++)
        every_call_on(never[at], WSAENOTSOCK, nowhere);
    every_call_on(INVALID_SOCKET, WSAENOTSOCK, readonly);
    closed = socket(AF_INET, SOCK_STREAM, 0);
    if (pthread_create(&thread, NULL, close_it, &closed) != 0 || pthread_join(thread, NULL) != 0)
        wrong++;
    every_call_on(closed, WSAENOTSOCK, NULL);
    /* A place that is used again has another handle. */
    for (at = 0; at < 64; at++)
        next[at] = socket(AF_INET, SOCK_STREAM, 0);
    every_call_on(closed, WSAENOTSOCK, nowhere);
    for (at = 0; at < 64; at++)
        IS(closesocket(next[at]), 0, 0);
}

/* The evidence of a failure, into every kind of memory. It leaves the last error alone. */
static void evidence(void)
{
    SOCKET s = socket(AF_INET, SOCK_STREAM, 0);
    SOCKADDR_IN nobody;
    char whole[256], piece[8];
    int length;

    memset(&nobody, 0, sizeof nobody);
    nobody.sin_family = AF_INET;
    nobody.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    nobody.sin_port = htons(9);
    IS(wsa_last_cause(whole, sizeof whole), 0, -7);
    IS(strlen(whole), 0, -7);
    FAILS(connect(s, (SOCKADDR *)&nobody, sizeof nobody), WSAECONNREFUSED);
    length = wsa_last_cause(NULL, 0);
    check(__LINE__, "wsa_last_cause", length > 40, 1, WSAECONNREFUSED);
    check(__LINE__, "whole", wsa_last_cause(whole, sizeof whole), length, WSAECONNREFUSED);
    check(__LINE__, "strlen", (long long)strlen(whole), length, WSAECONNREFUSED);
    check(__LINE__, "strncmp", strncmp(whole, "refused: ", 9), 0, WSAECONNREFUSED);
    /* To the last byte that there is, and not one more. */
    memset(piece, 'x', sizeof piece);
    check(__LINE__, "piece", wsa_last_cause(piece, 5), length, WSAECONNREFUSED);
    check(__LINE__, "piece", memcmp(piece, "refu\0xxx", 8), 0, WSAECONNREFUSED);
    check(__LINE__, "edge", wsa_last_cause(edge - length - 1, length + 1), length, WSAECONNREFUSED);
    check(__LINE__, "edge", strcmp(edge - length - 1, whole), 0, WSAECONNREFUSED);
    check(__LINE__, "edge", wsa_last_cause(edge - length - 1, 4096), length, WSAECONNREFUSED);
    check(__LINE__, "edge", wsa_last_cause(edge - 1, 1), length, WSAECONNREFUSED);
    check(__LINE__, "edge", *(edge - 1), 0, WSAECONNREFUSED);
    check(__LINE__, "edge", wsa_last_cause(edge - length, length + 1), SOCKET_ERROR, WSAEFAULT);
    /* Now the last error is another one, which nothing on the wire has decided. */
    check(__LINE__, "other", wsa_last_cause(whole, sizeof whole), 0, WSAEFAULT);
    FAILS(connect(s, (SOCKADDR *)&nobody, sizeof nobody), WSAECONNREFUSED);
    IS(inet_pton(99, "", whole), -1, WSAEAFNOSUPPORT);
    check(__LINE__, "other", wsa_last_cause(NULL, 0), 0, WSAEAFNOSUPPORT);
    FAILS(connect(s, (SOCKADDR *)&nobody, sizeof nobody), WSAECONNREFUSED);
    FAILS(wsa_last_cause(NULL, 1), WSAEFAULT);
    FAILS(wsa_last_cause(nowhere, 1), WSAEFAULT);
    FAILS(wsa_last_cause(readonly, 1), WSAEFAULT);
    FAILS(wsa_last_cause(whole, -1), WSAEFAULT);
    closesocket(s);
}

static int bad_verdict(LPWSABUF caller, LPWSABUF data, LPQOS sqos, LPQOS gqos, LPWSABUF callee,
                       LPWSABUF answer, GROUP *group, DWORD_PTR expected)
{
    SOCKADDR_IN *from = (SOCKADDR_IN *)(void *)caller->buf;
    SOCKADDR_IN *to = (SOCKADDR_IN *)(void *)callee->buf;
    if (caller->len != 16 || callee->len != 16 || data != NULL || sqos != NULL || gqos != NULL ||
        answer->len != 0 || *group != 0 || from->sin_family != AF_INET ||
        ntohs(to->sin_port) != expected)
        wrong++;
    /* It may do with them what it likes. */
    memset(caller->buf, 0xff, caller->len);
    caller->buf = nowhere;
    callee->len = 0xffffffff;
    return 12345;
}

static void condition(void)
{
    SOCKET listener = open_bound(SOCK_STREAM), t = socket(AF_INET, SOCK_STREAM, 0);
    SOCKADDR_IN server = name_of(listener);

    IS(listen(listener, 1), 0, 0);
    IS(connect(t, (SOCKADDR *)&server, sizeof server), 0, 0);
    IS(WSAAccept(listener, NULL, NULL, bad_verdict, ntohs(server.sin_port)), INVALID_SOCKET,
       WSAEINVAL);
    IS(accept(listener, NULL, NULL) != INVALID_SOCKET, 1, 0);
    closesocket(listener);
    closesocket(t);
}

int main(void)
{
    make_memory();
    every_call(WSANOTINITIALISED, nowhere);
    every_call(WSANOTINITIALISED, NULL);
    startup();
    pointers_that_are_read();
    holes_in_what_is_sent();
    pointers_that_are_written();
    extensions();
    sent_messages();
    received_messages();
    lengths();
    sets();
    readiness();
    messages();
    handles();
    condition();
    evidence();
    IS(WSACleanup(), 0, 0);
    every_call(WSANOTINITIALISED, nowhere);
    printf("%d wrong\n", wrong);
    return wrong != 0;
}
