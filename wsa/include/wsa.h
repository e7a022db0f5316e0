/*
 * What libwsa has beside Winsock. A program that uses these functions is not one for Windows any more.
 */
#ifndef WSA_WSA_H
#define WSA_WSA_H

#include "winsock2.h"

#ifdef __cplusplus
extern "C" {
#endif

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
