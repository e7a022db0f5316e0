/*
 * What <mswsock.h> of Windows adds for libwsa: functions that WSAIoctl gives for their GUIDs.
 *
 *     LPFN_WSARECVMSG receive;
 *     GUID which = WSAID_WSARECVMSG;
 *     DWORD bytes;
 *     WSAIoctl(s, SIO_GET_EXTENSION_FUNCTION_POINTER, &which, sizeof which, &receive, sizeof receive,
 *              &bytes, NULL, NULL);
 */
#ifndef WSA_MSWSOCK_H
#define WSA_MSWSOCK_H
#define _MSWSOCK_

#include "winsock2.h"

typedef INT (*LPFN_WSARECVMSG)(SOCKET s, LPWSAMSG message, LPDWORD received,
                               LPWSAOVERLAPPED overlapped,
                               LPWSAOVERLAPPED_COMPLETION_ROUTINE routine);
typedef INT (*LPFN_WSASENDMSG)(SOCKET s, LPWSAMSG message, DWORD flags, LPDWORD sent,
                               LPWSAOVERLAPPED overlapped,
                               LPWSAOVERLAPPED_COMPLETION_ROUTINE routine);

#define WSAID_WSARECVMSG                                                                           \
    {0xf689d7c8, 0x6f1f, 0x436b, {0x8a, 0x53, 0xe5, 0x4f, 0xe3, 0x51, 0xc3, 0x22}}
#define WSAID_WSASENDMSG                                                                           \
    {0xa441e712, 0x754f, 0x43ca, {0x84, 0xa7, 0x0d, 0xee, 0x44, 0xcf, 0x60, 0x6d}}

#endif
