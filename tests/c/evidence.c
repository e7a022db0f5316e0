/*
 * A client that says, when it cannot connect, not only the code but what decided it.
 *
 *     evidence ADDRESS PORT
 */
#include <winsock2.h>
#include <ws2tcpip.h>
#include <wsa.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
    WSADATA data;
    SOCKADDR_IN server;
    char cause[256];
    SOCKET s;

    if (argc != 3) {
        fprintf(stderr, "usage: evidence ADDRESS PORT\n");
        return 2;
    }
    if (WSAStartup(MAKEWORD(2, 2), &data) != 0)
        return 1;
    memset(&server, 0, sizeof server);
    server.sin_family = AF_INET;
    server.sin_port = htons((u_short)atoi(argv[2]));
    if (inet_pton(AF_INET, argv[1], &server.sin_addr) != 1)
        return 1;
    s = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
    if (connect(s, (SOCKADDR *)&server, sizeof server) == SOCKET_ERROR) {
        if (wsa_last_cause(cause, sizeof cause) > 0)
            printf("error %d, %s\n", WSAGetLastError(), cause);
        else
            printf("error %d\n", WSAGetLastError());
    }
    closesocket(s);
    return WSACleanup();
}
