/*
 * Every function with nothing but bad arguments: what stands before all arguments must be said.
 */
#include <winsock2.h>
#include <ws2tcpip.h>
#include <mswsock.h>
#include <wsa.h>

#include <stdio.h>
#include <string.h>

static int wrong;

/* WSARecvMsg, from when there is a process that gives its address. */
static LPFN_WSARECVMSG receive_message;

static void check(int line, const char *call, long long result, long long wanted, int code)
{
    int error = WSAGetLastError();
    if (result == wanted && error == code)
        return;
    printf("line %d: %s gave %lld and error %d, not %lld and %d\n", line, call, result, error,
           wanted, code);
    wrong++;
}

/* A call that returns this value and leaves this last error, which it has to set. */
#define IS(call, wanted, code)                                                                     \
    do {                                                                                           \
        WSASetLastError(-7);                                                                       \
        check(__LINE__, #call, (long long)(call), (long long)(wanted), (code));                    \
    } while (0)
#define FAILS(call, code) IS(call, SOCKET_ERROR, code)

/* All that take a handle; `bad` leads nowhere. */
static void every_call_on(SOCKET s, int code, void *bad)
{
    SOCKADDR *name = (SOCKADDR *)bad;
    DWORD *number = (DWORD *)bad;
    int *length = (int *)bad;
    WSABUF *buffers = (WSABUF *)bad;

    FAILS(bind(s, name, 16), code);
    FAILS(listen(s, 1), code);
    IS(accept(s, name, length), INVALID_SOCKET, code);
    IS(WSAAccept(s, name, length, NULL, 0), INVALID_SOCKET, code);
    FAILS(connect(s, name, 16), code);
    FAILS(WSAConnect(s, name, 16, buffers, buffers, (QOS *)bad, (QOS *)bad), code);
    FAILS(getsockname(s, name, length), code);
    FAILS(getpeername(s, name, length), code);
    FAILS(send(s, (char *)bad, 1, 0), code);
    FAILS(send(s, (char *)bad, 0x7fffffff, 0), code);
    FAILS(sendto(s, (char *)bad, 1, 0, name, 16), code);
    FAILS(recv(s, (char *)bad, 1, 0), code);
    FAILS(recv(s, (char *)bad, 0x7fffffff, MSG_WAITALL), code);
    FAILS(recvfrom(s, (char *)bad, 1, 0, name, length), code);
    FAILS(WSASend(s, buffers, 1, number, 0, NULL, NULL), code);
    FAILS(WSASend(s, buffers, 0, number, 0, NULL, NULL), code);
    FAILS(WSASend(s, buffers, 0xffffffff, number, 0, NULL, NULL), code);
    FAILS(WSASendTo(s, buffers, 1, number, 0, name, 16, NULL, NULL), code);
    FAILS(WSARecv(s, buffers, 1, number, number, NULL, NULL), code);
    FAILS(WSARecvFrom(s, buffers, 1, number, number, name, length, NULL, NULL), code);
    FAILS(WSASendMsg(s, (WSAMSG *)bad, 0, number, NULL, NULL), code);
    FAILS(WSASendMsg(s, (WSAMSG *)bad, 0xffffffff, number, (WSAOVERLAPPED *)bad, NULL), code);
    if (receive_message != NULL)
        FAILS(receive_message(s, (WSAMSG *)bad, number, (WSAOVERLAPPED *)bad, NULL), code);
    FAILS(WSAEventSelect(s, (WSAEVENT)bad, FD_READ), code);
    FAILS(WSAEnumNetworkEvents(s, (WSAEVENT)bad, (WSANETWORKEVENTS *)bad), code);
    FAILS(WSAAsyncSelect(s, bad, 0, -1), code);
    FAILS(WSASendDisconnect(s, buffers), code);
    FAILS(WSARecvDisconnect(s, buffers), code);
    FAILS(shutdown(s, 99), code);
    FAILS(getsockopt(s, SOL_SOCKET, SO_TYPE, (char *)bad, length), code);
    FAILS(setsockopt(s, SOL_SOCKET, SO_KEEPALIVE, (char *)bad, 4), code);
    FAILS(ioctlsocket(s, FIONBIO, number), code);
    FAILS(WSAIoctl(s, FIONREAD, bad, 4, bad, 4, number, NULL, NULL), code);
    FAILS(WSAIoctl(s, SIO_GET_EXTENSION_FUNCTION_POINTER, bad, 16, bad, 8, number, NULL, NULL),
          code);
    FAILS(WSAHtonl(s, 1, number), code);
    FAILS(WSAHtons(s, 1, (u_short *)bad), code);
    FAILS(WSANtohl(s, 1, number), code);
    FAILS(WSANtohs(s, 1, (u_short *)bad), code);
    FAILS(closesocket(s), code);
}

/* All that need a process. */
static void every_call(int code, void *bad)
{
    every_call_on(INVALID_SOCKET, code, bad);
    every_call_on(4, code, NULL);
    IS(socket(99, 99, 99), INVALID_SOCKET, code);
    IS(WSASocketA(99, 99, 99, (WSAPROTOCOL_INFOA *)bad, 0, 0), INVALID_SOCKET, code);
    IS(WSASocketW(99, 99, 99, (WSAPROTOCOL_INFOW *)bad, 0, 0), INVALID_SOCKET, code);
    FAILS(select(0, (fd_set *)bad, NULL, NULL, NULL), code);
    FAILS(select(0, (fd_set *)0, (fd_set *)0, (fd_set *)0, (struct timeval *)bad), code);
    FAILS(WSAPoll((WSAPOLLFD *)bad, 1, 0), code);
    IS(WSACreateEvent() == NULL, 1, code);
    IS(WSASetEvent((WSAEVENT)bad), FALSE, code);
    IS(WSAResetEvent((WSAEVENT)bad), FALSE, code);
    IS(WSACloseEvent((WSAEVENT)bad), FALSE, code);
    IS(WSAWaitForMultipleEvents(1, (WSAEVENT *)bad, FALSE, 0, FALSE), WSA_WAIT_FAILED, code);
    FAILS(wsa_next_message((struct wsa_message *)bad, 0), code);
    IS(WSASetBlockingHook(NULL) == NULL, 1, code);
    FAILS(WSAUnhookBlockingHook(), code);
    FAILS(WSACancelBlockingCall(), code);
    FAILS(WSACleanup(), code);
    IS(WSAIsBlocking(), 0, -7);
}
