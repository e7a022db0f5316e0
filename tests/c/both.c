/*
 * Winsock's sockets here, the system's in another file of the same program.
 *
 *     both
 */
#include <winsock2.h>

#include <stdio.h>
#include <string.h>

#ifdef __cplusplus
extern "C"
#endif
int the_systems_sockets_work(void);

int main(void)
{
    WSADATA data;
    SOCKADDR_IN name;
    int length = sizeof name;
    char buffer[8];
    struct timeval soon = {5, 0};
    fd_set readable;
    SOCKET s;

    if (!the_systems_sockets_work())
        return 1;
    if (WSAStartup(MAKEWORD(2, 2), &data) != 0)
        return 2;
    s = socket(AF_INET, SOCK_DGRAM, IPPROTO_UDP);
    memset(&name, 0, sizeof name);
    name.sin_family = AF_INET;
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(s, (SOCKADDR *)&name, sizeof name) != 0)
        return 3;
    if (getsockname(s, (SOCKADDR *)&name, &length) != 0)
        return 4;
    if (sendto(s, "winsock", 7, 0, (SOCKADDR *)&name, sizeof name) != 7)
        return 5;
    FD_ZERO(&readable);
    FD_SET(s, &readable);
    if (select(0, &readable, NULL, NULL, &soon) != 1 || !FD_ISSET(s, &readable))
        return 6;
    if (recv(s, buffer, sizeof buffer, 0) != 7 || memcmp(buffer, "winsock", 7) != 0)
        return 7;
    if (!the_systems_sockets_work())
        return 8;
    closesocket(s);
    return WSACleanup();
}
