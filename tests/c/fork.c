/*
 * A connection, then a child, which has no stack, and a parent that goes on.
 *
 *     fork ADDRESS PORT    of a server that sends back what it gets
 */
#include "every-call.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static int child(SOCKET s)
{
    WSADATA data;

    every_call_on(s, WSAENETDOWN, NULL);
    every_call(WSAENETDOWN, NULL);
    FAILS(wsa_last_cause(NULL, 0), WSAENETDOWN);
    if (WSAStartup(MAKEWORD(2, 2), &data) != WSASYSNOTREADY)
        wrong++;
    fflush(stdout);
    return wrong != 0;
}

int main(int argc, char **argv)
{
    WSADATA data;
    SOCKADDR_IN server;
    char buffer[16];
    int status, at;
    SOCKET s;
    pid_t forked;

    if (argc != 3) {
        fprintf(stderr, "usage: fork ADDRESS PORT\n");
        return 2;
    }
    /* Before there is a stack, a child is nothing special. */
    forked = fork();
    if (forked == 0)
        exit(WSAStartup(MAKEWORD(0, 0), &data) != WSAVERNOTSUPPORTED);
    if (waitpid(forked, &status, 0) != forked || status != 0)
        return 3;
    if (WSAStartup(MAKEWORD(2, 2), &data) != 0)
        return 4;
    memset(&server, 0, sizeof server);
    server.sin_family = AF_INET;
    server.sin_addr.s_addr = inet_addr(argv[1]);
    server.sin_port = htons((u_short)atoi(argv[2]));
    s = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
    if (connect(s, (SOCKADDR *)&server, sizeof server) != 0)
        return 5;
    for (at = 0; at < 3; at++) {
        forked = fork();
        /* Its end runs what runs at the end, which must not wait for the parent's stack. */
        if (forked == 0)
            exit(child(s));
        if (waitpid(forked, &status, 0) != forked || status != 0)
            return 6;
        if (send(s, "still here", 10, 0) != 10)
            return 7;
        if (recv(s, buffer, 10, MSG_WAITALL) != 10 || memcmp(buffer, "still here", 10) != 0)
            return 8;
    }
    closesocket(s);
    WSACleanup();
    return 0;
}
