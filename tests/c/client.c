/*
 * A blocking client: sends a text, closes its direction, and prints what comes back.
 *
 *     client ADDRESS PORT TEXT
 */
#include <winsock2.h>
#include <ws2tcpip.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failed(const char *call)
{
    fprintf(stderr, "client: %s: error %d\n", call, WSAGetLastError());
    return 1;
}

static int talk(SOCKET s, const char *text)
{
    char buffer[4096];
    int received;

    if (send(s, text, (int)strlen(text), 0) == SOCKET_ERROR)
        return failed("send");
    if (shutdown(s, SD_SEND) == SOCKET_ERROR)
        return failed("shutdown");
    while ((received = recv(s, buffer, sizeof buffer, 0)) > 0)
        fwrite(buffer, 1, (size_t)received, stdout);
    return received == SOCKET_ERROR ? failed("recv") : 0;
}

int client(const char *address, unsigned short port, const char *text);
int client(const char *address, unsigned short port, const char *text)
{
    WSADATA data;
    SOCKADDR_IN server;
    SOCKET s;
    int status;

    status = WSAStartup(MAKEWORD(2, 2), &data);
    if (status != 0) {
        fprintf(stderr, "client: WSAStartup: error %d\n", status);
        return 1;
    }
    memset(&server, 0, sizeof server);
    server.sin_family = AF_INET;
    server.sin_port = htons(port);
    if (inet_pton(AF_INET, address, &server.sin_addr) != 1) {
        fprintf(stderr, "client: %s is no address\n", address);
        return 1;
    }
    s = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
    if (s == INVALID_SOCKET)
        return failed("socket");
    if (connect(s, (SOCKADDR *)&server, sizeof server) == SOCKET_ERROR)
        status = failed("connect");
    else
        status = talk(s, text);
    closesocket(s);
    WSACleanup();
    return status;
}

#ifndef WITHOUT_MAIN
int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: client ADDRESS PORT TEXT\n");
        return 2;
    }
    return client(argv[1], (unsigned short)atoi(argv[2]), argv[3]);
}
#endif
