/*
 * A server with one thread: sends back what comes, on any number of non-blocking connections, until
 * as many as it was told to serve have ended.
 *
 *     select-server ADDRESS PORT CONNECTIONS
 */
#include <winsock2.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST 32
#define ROOM 4096

struct connection {
    SOCKET s;
    int length, sent, ended;
    char data[ROOM];
};

static struct connection connections[MOST];
static int count;

static int failed(const char *call)
{
    fprintf(stderr, "select-server: %s: error %d\n", call, WSAGetLastError());
    return 1;
}

static int welcome(SOCKET listener)
{
    u_long on = 1;
    SOCKADDR_IN peer;
    int length = sizeof peer;
    SOCKET s = accept(listener, (SOCKADDR *)&peer, &length);

    if (s == INVALID_SOCKET)
        return WSAGetLastError() == WSAEWOULDBLOCK ? 0 : failed("accept");
    if (count == MOST) {
        closesocket(s);
        return 0;
    }
    if (ioctlsocket(s, FIONBIO, &on) == SOCKET_ERROR)
        return failed("ioctlsocket");
    memset(&connections[count], 0, sizeof connections[count]);
    connections[count++].s = s;
    return 0;
}

/* Whether the connection goes on. */
static int serve(struct connection *c, int readable, int writable)
{
    int done;

    if (readable && c->sent == c->length && !c->ended) {
        done = recv(c->s, c->data, ROOM, 0);
        if (done == SOCKET_ERROR)
            return WSAGetLastError() == WSAEWOULDBLOCK;
        c->length = done;
        c->sent = 0;
        c->ended = done == 0;
    }
    if (writable && c->sent < c->length) {
        done = send(c->s, c->data + c->sent, c->length - c->sent, 0);
        if (done == SOCKET_ERROR)
            return WSAGetLastError() == WSAEWOULDBLOCK;
        c->sent += done;
    }
    return !c->ended;
}

static int run(SOCKET listener, int wanted)
{
    fd_set readable, writable;
    int at, ended = 0;

    while (ended < wanted) {
        FD_ZERO(&readable);
        FD_ZERO(&writable);
        FD_SET(listener, &readable);
        for (at = 0; at < count; at++) {
            struct connection *c = &connections[at];
            if (c->sent < c->length)
                FD_SET(c->s, &writable);
            else
                FD_SET(c->s, &readable);
        }
        if (select(0, &readable, &writable, NULL, NULL) == SOCKET_ERROR)
            return failed("select");
        for (at = 0; at < count; at++) {
            struct connection *c = &connections[at];
            if (serve(c, FD_ISSET(c->s, &readable), FD_ISSET(c->s, &writable)))
                continue;
            closesocket(c->s);
            connections[at--] = connections[--count];
            ended++;
        }
        if (FD_ISSET(listener, &readable) && welcome(listener) != 0)
            return 1;
    }
    return 0;
}

int select_server(const char *address, unsigned short port, int wanted,
                  void (*ready)(unsigned short port));
int select_server(const char *address, unsigned short port, int wanted,
                  void (*ready)(unsigned short port))
{
    WSADATA data;
    SOCKADDR_IN name;
    int length = sizeof name;
    u_long on = 1;
    SOCKET listener;
    int status;

    status = WSAStartup(MAKEWORD(2, 2), &data);
    if (status != 0) {
        fprintf(stderr, "select-server: WSAStartup: error %d\n", status);
        return 1;
    }
    memset(&name, 0, sizeof name);
    name.sin_family = AF_INET;
    name.sin_port = htons(port);
    name.sin_addr.s_addr = inet_addr(address);
    listener = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
    if (listener == INVALID_SOCKET)
        return failed("socket");
    if (bind(listener, (SOCKADDR *)&name, sizeof name) == SOCKET_ERROR)
        return failed("bind");
    if (listen(listener, SOMAXCONN) == SOCKET_ERROR)
        return failed("listen");
    if (ioctlsocket(listener, FIONBIO, &on) == SOCKET_ERROR)
        return failed("ioctlsocket");
    if (getsockname(listener, (SOCKADDR *)&name, &length) == SOCKET_ERROR)
        return failed("getsockname");
    ready(ntohs(name.sin_port));
    status = run(listener, wanted);
    closesocket(listener);
    WSACleanup();
    return status;
}

#ifndef WITHOUT_MAIN
static void say(unsigned short port)
{
    printf("%u\n", port);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: select-server ADDRESS PORT CONNECTIONS\n");
        return 2;
    }
    return select_server(argv[1], (unsigned short)atoi(argv[2]), atoi(argv[3]), say);
}
#endif
