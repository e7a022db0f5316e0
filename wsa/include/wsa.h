/*
 * What libwsa has beside Winsock. A program that uses these functions is not one for Windows any more.
 */
#ifndef WSA_WSA_H
#define WSA_WSA_H

#include "winsock2.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Why the calling thread's last call failed: the packet that decided it, or the packets that nobody
 * answered, as one sentence, such as
 *
 *     refused: frame 4 at 0.002 s: 10.77.0.1:9 > 10.77.0.2:49152 [RST,ACK] ...
 *
 * It belongs to the failure whose code WSAGetLastError gives, and like that it is only meaningful
 * directly after the call that failed: another call, and WSASetLastError, may put an end to it.
 *
 * Returns the length of the whole sentence in bytes, without the NUL; 0, and an empty text, when the
 * failure was not decided on the wire (a wrong argument, WSAEWOULDBLOCK). As much of it as fits into
 * `size` bytes with its NUL is written to `text`; with size 0 nothing is written and text may be NULL.
 * SOCKET_ERROR with WSAEFAULT when size is negative or the memory cannot be written, and with
 * WSAENETDOWN in the child of a fork. Otherwise the last error stays what it is. */
int wsa_last_cause(char *text, int size);

/* There are no windows here: what WSAAsyncSelect is given as one comes back with each message, which
 * wsa_next_message takes as GetMessage does: 1 for a message, 0 after `timeout` milliseconds, or
 * SOCKET_ERROR. */
struct wsa_message {
    HWND hwnd;
    UINT message;
    UINT_PTR wParam;
    LONG_PTR lParam;
};
int wsa_next_message(struct wsa_message *message, DWORD timeout);

#ifdef __cplusplus
}
#endif

#endif
