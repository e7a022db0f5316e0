/*
 * The system's sockets, with all the names that Winsock has too.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

#ifdef __cplusplus
extern "C"
#endif
int the_systems_sockets_work(void);

int the_systems_sockets_work(void)
{
    struct timeval soon = {5, 0};
    char buffer[8];
    int ends[2], type = 0;
    socklen_t length = sizeof type;
    fd_set readable;

    if (htons(0x1234) != 0x3412 || inet_addr("127.0.0.1") != htonl(0x7f000001))
        return 0;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
        return 0;
    if (send(ends[0], "posix", 5, 0) != 5)
        return 0;
    FD_ZERO(&readable);
    FD_SET(ends[1], &readable);
    if (select(ends[1] + 1, &readable, NULL, NULL, &soon) != 1)
        return 0;
    if (recv(ends[1], buffer, sizeof buffer, 0) != 5 || memcmp(buffer, "posix", 5) != 0)
        return 0;
    if (getsockopt(ends[0], SOL_SOCKET, SO_TYPE, &type, &length) != 0 || type != SOCK_STREAM)
        return 0;
    close(ends[0]);
    close(ends[1]);
    return 1;
}
