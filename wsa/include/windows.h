/*
 * The little of <windows.h> that programs with sockets use: types, errors, memory, Sleep, and waiting
 * for event objects. Ours, and not Windows: whatever else a program takes from there it has to bring.
 *
 * As on Windows, Winsock comes with it unless WIN32_LEAN_AND_MEAN is defined.
 */
#ifndef WSA_WINDOWS_H
#define WSA_WINDOWS_H
#define _WINDOWS_
#define _INC_WINDOWS

#include "wsatypes.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Errors. */

#define NO_ERROR 0
#define ERROR_SUCCESS 0
#define ERROR_INVALID_HANDLE 6
#define ERROR_NOT_ENOUGH_MEMORY 8
#define ERROR_NETNAME_DELETED 64
#define ERROR_INVALID_PARAMETER 87
#define ERROR_INSUFFICIENT_BUFFER 122
#define ERROR_MORE_DATA 234
#define ERROR_OPERATION_ABORTED 995
#define ERROR_IO_INCOMPLETE 996
#define ERROR_IO_PENDING 997
#define ERROR_CONNECTION_REFUSED 1225
#define ERROR_NETWORK_UNREACHABLE 1231
#define ERROR_HOST_UNREACHABLE 1232
#define ERROR_PORT_UNREACHABLE 1234
#define ERROR_CONNECTION_ABORTED 1236

int WSAGetLastError(void);
void WSASetLastError(int code);

/* The last error is one, whatever it is asked by. */
static inline DWORD GetLastError(void)
{
    return (DWORD)WSAGetLastError();
}

static inline void SetLastError(DWORD code)
{
    WSASetLastError((int)code);
}

/* Time, in milliseconds. INFINITE never ends. */

#define INFINITE 0xFFFFFFFF

void Sleep(DWORD milliseconds) __asm__("wsa_Sleep");

/* Event objects. WSACreateEvent makes them, and they are the only handles that can be waited for. */

#define INVALID_HANDLE_VALUE ((HANDLE)(LONG_PTR)-1)
#define MAXIMUM_WAIT_OBJECTS 64
#define WAIT_OBJECT_0 0x00000000
#define WAIT_IO_COMPLETION 0x000000C0
#define WAIT_TIMEOUT 258
#define WAIT_FAILED ((DWORD)0xFFFFFFFF)

BOOL WSASetEvent(HANDLE event);
BOOL WSAResetEvent(HANDLE event);
BOOL WSACloseEvent(HANDLE event);
DWORD WSAWaitForMultipleEvents(DWORD count, const HANDLE *events, BOOL all, DWORD timeout,
                               BOOL alertable);

static inline BOOL SetEvent(HANDLE event)
{
    return WSASetEvent(event);
}

static inline BOOL ResetEvent(HANDLE event)
{
    return WSAResetEvent(event);
}

static inline BOOL CloseHandle(HANDLE event)
{
    return WSACloseEvent(event);
}

static inline DWORD WaitForMultipleObjects(DWORD count, const HANDLE *events, BOOL all,
                                           DWORD timeout)
{
    return WSAWaitForMultipleEvents(count, events, all, timeout, FALSE);
}

static inline DWORD WaitForSingleObject(HANDLE event, DWORD timeout)
{
    return WSAWaitForMultipleEvents(1, &event, FALSE, timeout, FALSE);
}

/* Memory. */

#define ZeroMemory(to, length) ((void)memset((to), 0, (length)))
#define FillMemory(to, length, byte) ((void)memset((to), (byte), (length)))
#define CopyMemory(to, from, length) ((void)memcpy((to), (from), (length)))
#define MoveMemory(to, from, length) ((void)memmove((to), (from), (length)))
#define RtlZeroMemory(to, length) ZeroMemory(to, length)
#define RtlFillMemory(to, length, byte) FillMemory(to, length, byte)
#define RtlCopyMemory(to, from, length) CopyMemory(to, from, length)
#define RtlMoveMemory(to, from, length) MoveMemory(to, from, length)

#define MAX_PATH 260
#ifndef ARRAYSIZE
#define ARRAYSIZE(array) (sizeof(array) / sizeof((array)[0]))
#endif
#ifndef UNREFERENCED_PARAMETER
#define UNREFERENCED_PARAMETER(parameter) ((void)(parameter))
#endif
#if !defined(__cplusplus) && !defined(NOMINMAX)
#ifndef min
#define min(left, right) ((left) < (right) ? (left) : (right))
#endif
#ifndef max
#define max(left, right) ((left) > (right) ? (left) : (right))
#endif
#endif

#ifdef __cplusplus
}
#endif

#if !defined(WIN32_LEAN_AND_MEAN) && !defined(_WINSOCKAPI_)
#include "winsock2.h"
#endif

#endif
