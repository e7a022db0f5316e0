/*
 * A client that waits for network events only: connects without blocking, sends a text, and prints
 * what comes back until the server closes.
 *
 *     event-client ADDRESS PORT TEXT
 */
#include <winsock2.h>
#include <ws2tcpip.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failed(const char *call, int error)
{
    fprintf(stderr, "event-client: %s: error %d\n", call, error);
    return 1;
}

static int print_all(SOCKET s)
{
    char buffer[4096];
    int received;

    while ((received = recv(s, buffer, sizeof buffer, 0)) > 0)
        fwrite(buffer, 1, (size_t)received, stdout);
    if (received == SOCKET_ERROR && WSAGetLastError() != WSAEWOULDBLOCK)
        return failed("recv", WSAGetLastError());
    return 0;
}

static int talk(SOCKET s, WSAEVENT event, const char *text)
{
    int length = (int)strlen(text), sent = 0, connected = 0;

    for (;;) {
        WSANETWORKEVENTS happened;
        DWORD which = WSAWaitForMultipleEvents(1, &event, FALSE, 30000, FALSE);
        if (which == WSA_WAIT_TIMEOUT)
            return failed("WSAWaitForMultipleEvents", WSAETIMEDOUT);
        if (which != WSA_WAIT_EVENT_0)
            return failed("WSAWaitForMultipleEvents", WSAGetLastError());
        if (WSAEnumNetworkEvents(s, event, &happened) == SOCKET_ERROR)
            return failed("WSAEnumNetworkEvents", WSAGetLastError());
        if (happened.lNetworkEvents & FD_CONNECT) {
            if (happened.iErrorCode[FD_CONNECT_BIT] != 0)
                return failed("connect", happened.iErrorCode[FD_CONNECT_BIT]);
            connected = 1;
        }
        if (connected && sent < length && happened.lNetworkEvents & FD_WRITE) {
            int done = send(s, text + sent, length - sent, 0);
            if (done == SOCKET_ERROR && WSAGetLastError() != WSAEWOULDBLOCK)
                return failed("send", WSAGetLastError());
            if (done > 0)
                sent += done;
            if (sent == length && shutdown(s, SD_SEND) == SOCKET_ERROR)
                return failed("shutdown", WSAGetLastError());
        }
        if (happened.lNetworkEvents & (FD_READ | FD_CLOSE) && print_all(s) != 0)
            return 1;
        if (happened.lNetworkEvents & FD_CLOSE) {
            if (happened.iErrorCode[FD_CLOSE_BIT] != 0)
                return failed("close", happened.iErrorCode[FD_CLOSE_BIT]);
            return 0;
        }
    }
}

int event_client(const char *address, unsigned short port, const char *text);
int event_client(const char *address, unsigned short port, const char *text)
{
    WSADATA data;
    SOCKADDR_IN server;
    WSAEVENT event;
    SOCKET s;
    int status;

    status = WSAStartup(MAKEWORD(2, 2), &data);
    if (status != 0)
        return failed("WSAStartup", status);
    memset(&server, 0, sizeof server);
    server.sin_family = AF_INET;
    server.sin_port = htons(port);
    if (inet_pton(AF_INET, address, &server.sin_addr) != 1) {
        fprintf(stderr, "event-client: %s is no address\n", address);
        return 1;
    }
    s = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
    if (s == INVALID_SOCKET)
        return failed("socket", WSAGetLastError());
    event = WSACreateEvent();
    if (event == WSA_INVALID_EVENT)
        return failed("WSACreateEvent", WSAGetLastError());
    if (WSAEventSelect(s, event, FD_CONNECT | FD_READ | FD_WRITE | FD_CLOSE) == SOCKET_ERROR)
        return failed("WSAEventSelect", WSAGetLastError());
    if (connect(s, (SOCKADDR *)&server, sizeof server) == SOCKET_ERROR &&
        WSAGetLastError() != WSAEWOULDBLOCK)
        status = failed("connect", WSAGetLastError());
    else
        status = talk(s, event, text);
    closesocket(s);
    WSACloseEvent(event);
    WSACleanup();
    return status;
}

#ifndef WITHOUT_MAIN
int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: event-client ADDRESS PORT TEXT\n");
        return 2;
    }
    return event_client(argv[1], (unsigned short)atoi(argv[2]), argv[3]);
}
#endif
