/*
 * A program in the spelling of Windows: its headers, its types, its names. Prints a line for each
 * answer that is not the one of Windows.
 *
 *     windows
 */
#define FD_SETSIZE 1024
#include <WinSock2.h>
#include <WS2tcpip.h>
#include <Windows.h>
#include <MSTcpIP.h>
#include <MSWSock.h>

#include <stdio.h>
#include <string.h>

static int wrong;

#define CHECK(truth)                                                                               \
    do {                                                                                           \
        if (!(truth)) {                                                                            \
            printf("line %d: %s\n", __LINE__, #truth);                                             \
            wrong++;                                                                               \
        }                                                                                          \
    } while (0)

static VOID WINAPI memory(VOID)
{
    TCHAR text[MAX_PATH] = TEXT("text"), copy[MAX_PATH];
    LARGE_INTEGER number;

    CopyMemory(copy, text, sizeof text);
    CHECK(strcmp(copy, "text") == 0);
    MoveMemory(copy + 1, copy, 5);
    CHECK(strcmp(copy, "ttext") == 0);
    FillMemory(copy, 2, 'x');
    CHECK(strcmp(copy, "xxext") == 0);
    ZeroMemory(copy, sizeof copy);
    CHECK(copy[0] == 0 && copy[4] == 0 && ARRAYSIZE(copy) == 260);
    number.QuadPart = 0x123456789;
    CHECK(number.LowPart == 0x23456789 && number.HighPart == 1 && number.u.HighPart == 1);
}

static void waiting(void)
{
    HANDLE both[2];
    SOCKET s = socket(AF_INET, SOCK_DGRAM, IPPROTO_UDP);

    both[0] = WSACreateEvent();
    both[1] = WSACreateEvent();
    CHECK(WaitForSingleObject(both[1], 0) == WAIT_TIMEOUT);
    CHECK(WaitForSingleObject(both[1], 20) == WAIT_TIMEOUT);
    CHECK(SetEvent(both[1]));
    CHECK(WaitForSingleObject(both[1], INFINITE) == WAIT_OBJECT_0);
    CHECK(WaitForMultipleObjects(2, both, FALSE, INFINITE) == WAIT_OBJECT_0 + 1);
    CHECK(WaitForMultipleObjects(2, both, TRUE, 0) == WAIT_TIMEOUT);
    CHECK(ResetEvent(both[1]));
    CHECK(WaitForSingleObject(both[1], 0) == WAIT_TIMEOUT);
    CHECK(CloseHandle(both[0]) && CloseHandle(both[1]));
    CHECK(!CloseHandle(both[0]) && GetLastError() == ERROR_INVALID_HANDLE);
    CHECK(WaitForSingleObject(both[0], 0) == WAIT_FAILED);
    CHECK(GetLastError() == ERROR_INVALID_HANDLE);
    /* A socket is no event, and stays open. */
    CHECK(!CloseHandle((HANDLE)s) && GetLastError() == ERROR_INVALID_HANDLE);
    CHECK(closesocket(s) == 0);
    SetLastError(ERROR_IO_PENDING);
    CHECK(WSAGetLastError() == WSA_IO_PENDING);
    Sleep(1);
    CHECK(GetLastError() == ERROR_IO_PENDING);
    WSASetLastError(NO_ERROR);
    CHECK(GetLastError() == ERROR_SUCCESS);
}

/* What each of the functions of one kind says of an address, as a number in binary. */
static int kinds_of_v6(const char *text)
{
    IN6_ADDR address;

    if (InetPton(AF_INET6, text, &address) != 1)
        return -1;
    return IN6_IS_ADDR_UNSPECIFIED(&address) | IN6_IS_ADDR_LOOPBACK(&address) << 1 |
           IN6_IS_ADDR_MULTICAST(&address) << 2 | IN6_IS_ADDR_LINKLOCAL(&address) << 3 |
           IN6_IS_ADDR_SITELOCAL(&address) << 4 | IN6_IS_ADDR_GLOBAL(&address) << 5 |
           IN6_IS_ADDR_V4MAPPED(&address) << 6 | IN6_IS_ADDR_V4COMPAT(&address) << 7 |
           IN6_IS_ADDR_V4TRANSLATED(&address) << 8 | IN6_IS_ADDR_MC_NODELOCAL(&address) << 9 |
           IN6_IS_ADDR_MC_LINKLOCAL(&address) << 10 | IN6_IS_ADDR_MC_SITELOCAL(&address) << 11 |
           IN6_IS_ADDR_MC_ORGLOCAL(&address) << 12 | IN6_IS_ADDR_MC_GLOBAL(&address) << 13;
}

static int kinds_of_v4(const char *text)
{
    IN_ADDR address;

    if (InetPton(AF_INET, text, &address) != 1)
        return -1;
    return IN4_IS_ADDR_UNSPECIFIED(&address) | IN4_IS_ADDR_LOOPBACK(&address) << 1 |
           IN4_IS_ADDR_MULTICAST(&address) << 2 | IN4_IS_ADDR_LINKLOCAL(&address) << 3 |
           IN4_IS_ADDR_BROADCAST(&address) << 4 | IN4_IS_ADDR_RFC1918(&address) << 5 |
           IN4_IS_ADDR_MC_LINKLOCAL(&address) << 6 |
           (IN_MULTICAST(ntohl(address.s_addr)) ? 1 : 0) << 7;
}

static void addresses(void)
{
    SOCKADDR_IN6 name;
    char text[INET6_ADDRSTRLEN];

    CHECK(kinds_of_v6("::") == 1);
    CHECK(kinds_of_v6("::1") == 1 << 1);
    CHECK(kinds_of_v6("::2") == 1 << 7);
    CHECK(kinds_of_v6("::10.0.0.1") == 1 << 7);
    CHECK(kinds_of_v6("::ffff:10.0.0.1") == 1 << 6);
    CHECK(kinds_of_v6("::ffff:0:10.0.0.1") == 1 << 8);
    CHECK(kinds_of_v6("fe80::1") == 1 << 3);
    CHECK(kinds_of_v6("febf::1") == 1 << 3);
    CHECK(kinds_of_v6("fec0::1") == 1 << 4);
    CHECK(kinds_of_v6("2001:db8::1") == 1 << 5);
    CHECK(kinds_of_v6("fc00::1") == 0);
    CHECK(kinds_of_v6("ff01::1") == (1 << 2 | 1 << 9));
    CHECK(kinds_of_v6("ff12::1") == (1 << 2 | 1 << 10));
    CHECK(kinds_of_v6("ff05::1") == (1 << 2 | 1 << 11));
    CHECK(kinds_of_v6("ff08::1") == (1 << 2 | 1 << 12));
    CHECK(kinds_of_v6("ff0e::1") == (1 << 2 | 1 << 13));
    CHECK(kinds_of_v6("ff03::1") == 1 << 2);
    CHECK(kinds_of_v4("0.0.0.0") == 1);
    CHECK(kinds_of_v4("127.255.0.1") == 1 << 1);
    CHECK(kinds_of_v4("169.254.0.1") == 1 << 3);
    CHECK(kinds_of_v4("255.255.255.255") == 1 << 4);
    CHECK(kinds_of_v4("10.0.0.1") == 1 << 5);
    CHECK(kinds_of_v4("172.31.0.1") == 1 << 5);
    CHECK(kinds_of_v4("172.32.0.1") == 0);
    CHECK(kinds_of_v4("192.168.0.1") == 1 << 5);
    CHECK(kinds_of_v4("224.0.0.251") == (1 << 2 | 1 << 6 | 1 << 7));
    CHECK(kinds_of_v4("239.1.1.1") == (1 << 2 | 1 << 7));
    CHECK(kinds_of_v4("240.1.1.1") == 0);
    IN6ADDR_SETANY(&name);
    CHECK(IN6ADDR_ISANY(&name) && !IN6ADDR_ISLOOPBACK(&name) && name.sin6_port == 0);
    IN6ADDR_SETLOOPBACK(&name);
    CHECK(IN6ADDR_ISLOOPBACK(&name) && !IN6ADDR_ISANY(&name) && name.sin6_family == AF_INET6);
    CHECK(IN6_ADDR_EQUAL(&name.sin6_addr, &in6addr_loopback));
    CHECK(!IN6_ADDR_EQUAL(&name.sin6_addr, &in6addr_any));
    CHECK(InetNtop(AF_INET6, &name.sin6_addr, text, sizeof text) == text);
    CHECK(strcmp(text, "::1") == 0);
}

/* A set with more than 64 sockets in it. */
static void sets(void)
{
    static SOCKET sockets[1000];
    FD_SET writable;
    PFD_SET set = &writable;
    int at;

    FD_ZERO(set);
    for (at = 0; at < 1000; at++) {
        SOCKADDR_IN name;
        ZeroMemory(&name, sizeof name);
        name.sin_family = AF_INET;
        sockets[at] = socket(AF_INET, SOCK_DGRAM, IPPROTO_UDP);
        CHECK(bind(sockets[at], (PSOCKADDR)&name, sizeof name) == NO_ERROR);
        FD_SET(sockets[at], set);
    }
    CHECK(set->fd_count == 1000);
    CHECK(select(0, NULL, set, NULL, NULL) == 1000);
    CHECK(FD_ISSET(sockets[999], set));
    for (at = 0; at < 1000; at++)
        closesocket(sockets[at]);
}

int __cdecl main(void)
{
    WSADATA data;

    CHECK(WSAStartup(MAKEWORD(2, 2), &data) == ERROR_SUCCESS);
    memory();
    waiting();
    addresses();
    sets();
    CHECK(WSACleanup() == 0);
    printf("%d wrong\n", wrong);
    return wrong != 0;
}
