/*
 * Sends a datagram with a hop limit of its own to a socket that is bound to no address, and prints
 * what that socket is told about it: its destination, the interface, the hop limit.
 *
 *     packet-info ADDRESS
 */
#include <winsock2.h>
#include <ws2tcpip.h>
#include <mswsock.h>

#include <stdio.h>
#include <string.h>

static int failed(const char *call)
{
    fprintf(stderr, "packet-info: %s: error %d\n", call, WSAGetLastError());
    return 1;
}

static int send_to(SOCKET s, SOCKADDR_IN *to, char *text, INT hops)
{
    WSABUF data;
    WSAMSG message;
    WSACMSGHDR *header;
    DWORD sent;
    union {
        WSACMSGHDR first;
        char bytes[WSA_CMSG_SPACE(sizeof(INT))];
    } control;

    memset(&message, 0, sizeof message);
    memset(&control, 0, sizeof control);
    data.buf = text, data.len = (ULONG)strlen(text);
    message.name = (SOCKADDR *)to, message.namelen = sizeof *to;
    message.lpBuffers = &data, message.dwBufferCount = 1;
    message.Control.buf = control.bytes, message.Control.len = sizeof control;
    header = WSA_CMSG_FIRSTHDR(&message);
    header->cmsg_level = IPPROTO_IP;
    header->cmsg_type = IP_HOPLIMIT;
    header->cmsg_len = WSA_CMSG_LEN(sizeof hops);
    memcpy(WSA_CMSG_DATA(header), &hops, sizeof hops);
    if (WSASendMsg(s, &message, 0, &sent, NULL, NULL) == SOCKET_ERROR)
        return failed("WSASendMsg");
    return 0;
}

static int print_next(SOCKET s, LPFN_WSARECVMSG receive)
{
    char text[64], address[INET_ADDRSTRLEN];
    SOCKADDR_IN from;
    WSABUF data;
    WSAMSG message;
    WSACMSGHDR *header;
    DWORD received;
    union {
        WSACMSGHDR first;
        char bytes[WSA_CMSG_SPACE(sizeof(IN_PKTINFO)) + WSA_CMSG_SPACE(sizeof(INT))];
    } control;

    memset(&message, 0, sizeof message);
    data.buf = text, data.len = sizeof text;
    message.name = (SOCKADDR *)&from, message.namelen = sizeof from;
    message.lpBuffers = &data, message.dwBufferCount = 1;
    message.Control.buf = control.bytes, message.Control.len = sizeof control;
    if (receive(s, &message, &received, NULL, NULL) == SOCKET_ERROR)
        return failed("WSARecvMsg");
    printf("%.*s from %s, flags %u\n", (int)received, text,
           inet_ntop(AF_INET, &from.sin_addr, address, sizeof address), (unsigned)message.dwFlags);
    for (header = WSA_CMSG_FIRSTHDR(&message); header != NULL;
         header = WSA_CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level == IPPROTO_IP && header->cmsg_type == IP_PKTINFO) {
            IN_PKTINFO info;
            memcpy(&info, WSA_CMSG_DATA(header), sizeof info);
            printf("destination %s, interface %u\n",
                   inet_ntop(AF_INET, &info.ipi_addr, address, sizeof address),
                   (unsigned)info.ipi_ifindex);
        } else if (header->cmsg_level == IPPROTO_IP && header->cmsg_type == IP_HOPLIMIT) {
            INT hops;
            memcpy(&hops, WSA_CMSG_DATA(header), sizeof hops);
            printf("hop limit %d\n", hops);
        } else {
            printf("level %d, type %d\n", header->cmsg_level, header->cmsg_type);
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    WSADATA data;
    SOCKADDR_IN name;
    LPFN_WSARECVMSG receive;
    GUID which = WSAID_WSARECVMSG;
    DWORD bytes, on = 1;
    int length = sizeof name;
    char text[] = "hello";
    SOCKET s;

    if (argc != 2) {
        fprintf(stderr, "usage: packet-info ADDRESS\n");
        return 2;
    }
    if (WSAStartup(MAKEWORD(2, 2), &data) != 0)
        return 1;
    s = socket(AF_INET, SOCK_DGRAM, IPPROTO_UDP);
    if (s == INVALID_SOCKET)
        return failed("socket");
    if (WSAIoctl(s, SIO_GET_EXTENSION_FUNCTION_POINTER, &which, sizeof which, &receive,
                 sizeof receive, &bytes, NULL, NULL) == SOCKET_ERROR)
        return failed("WSAIoctl");
    if (setsockopt(s, IPPROTO_IP, IP_PKTINFO, (char *)&on, sizeof on) == SOCKET_ERROR ||
        setsockopt(s, IPPROTO_IP, IP_HOPLIMIT, (char *)&on, sizeof on) == SOCKET_ERROR)
        return failed("setsockopt");
    memset(&name, 0, sizeof name);
    name.sin_family = AF_INET;
    if (bind(s, (SOCKADDR *)&name, sizeof name) == SOCKET_ERROR)
        return failed("bind");
    if (getsockname(s, (SOCKADDR *)&name, &length) == SOCKET_ERROR)
        return failed("getsockname");
    name.sin_addr.s_addr = inet_addr(argv[1]);
    if (send_to(s, &name, text, 9) != 0 || print_next(s, receive) != 0)
        return 1;
    closesocket(s);
    return WSACleanup();
}
