/*
 * The few types of Windows that Winsock's declarations need, with Windows's sizes: a `long` of
 * Windows has 32 bits everywhere, so LONG, DWORD and u_long are not C's `long` here.
 *
 * Included by winsock2.h.
 */
#ifndef WSA_WSATYPES_H
#define WSA_WSATYPES_H

#include <stddef.h>
#include <stdint.h>

/* A program's own FD_SETSIZE, before the system's takes its place. */
#if defined(FD_SETSIZE) && (!defined(__FD_SETSIZE) || FD_SETSIZE != __FD_SETSIZE)
#define WSA_FD_SETSIZE
enum { wsa_fd_setsize = FD_SETSIZE };
#undef FD_SETSIZE
#endif

/* Headers of the system that declare names which Winsock gives another meaning: select, fd_set,
 * timeval, pollfd, u_long. They come first, whatever the program's order is; see winsock2.h. */
#include <poll.h>
#include <stdlib.h>
#include <sys/select.h>
#include <sys/time.h>
#include <sys/types.h>
#include <unistd.h>

#ifndef FAR
#define FAR
#endif
#ifndef PASCAL
#define PASCAL
#endif
#ifndef CALLBACK
#define CALLBACK
#endif
#ifndef WINAPI
#define WINAPI
#endif
#define WSAAPI
#define WSPAPI

typedef uint8_t BYTE;
typedef uint8_t UCHAR;
typedef char CHAR;
typedef uint16_t WCHAR;
typedef uint16_t WORD;
typedef uint16_t USHORT;
typedef int16_t SHORT;
typedef int INT;
typedef unsigned int UINT;
typedef int32_t LONG;
typedef uint32_t ULONG;
typedef uint32_t DWORD;
typedef uint64_t ULONG64;
typedef uint64_t ULONGLONG;
typedef uint64_t DWORD64;
typedef int64_t LONGLONG;
typedef int32_t BOOL;
typedef uint8_t BOOLEAN;
typedef uintptr_t UINT_PTR;
typedef uintptr_t ULONG_PTR;
typedef uintptr_t DWORD_PTR;
typedef intptr_t LONG_PTR;
typedef void *PVOID;
typedef void *LPVOID;
typedef const void *LPCVOID;
typedef void *HANDLE;
typedef HANDLE *LPHANDLE;
typedef char *PSTR;
typedef char *LPSTR;
typedef const char *PCSTR;
typedef const char *LPCSTR;
typedef WCHAR *LPWSTR;
typedef const WCHAR *LPCWSTR;
typedef BYTE *LPBYTE;
typedef WORD *LPWORD;
typedef INT *LPINT;
typedef DWORD *LPDWORD;
typedef ULONG *PULONG;
typedef BOOL *LPBOOL;

/* The numbers of BSD. Where the system has them too, its u_long is longer than Windows's. */
typedef unsigned char wsa_u_char;
typedef unsigned short wsa_u_short;
typedef unsigned int wsa_u_int;
typedef uint32_t wsa_u_long;
#define u_char wsa_u_char
#define u_short wsa_u_short
#define u_int wsa_u_int
#define u_long wsa_u_long

#ifndef TRUE
#define TRUE 1
#endif
#ifndef FALSE
#define FALSE 0
#endif

#ifndef MAKEWORD
#define MAKEWORD(low, high) ((WORD)(((BYTE)(low)) | ((WORD)((BYTE)(high))) << 8))
#endif
#ifndef LOBYTE
#define LOBYTE(word) ((BYTE)((DWORD_PTR)(word) & 0xff))
#endif
#ifndef HIBYTE
#define HIBYTE(word) ((BYTE)((DWORD_PTR)(word) >> 8 & 0xff))
#endif
#ifndef MAKELONG
#define MAKELONG(low, high) ((LONG)(((WORD)(low)) | ((DWORD)((WORD)(high))) << 16))
#endif
#ifndef LOWORD
#define LOWORD(number) ((WORD)((DWORD_PTR)(number) & 0xffff))
#endif
#ifndef HIWORD
#define HIWORD(number) ((WORD)((DWORD_PTR)(number) >> 16 & 0xffff))
#endif

typedef struct _GUID {
    uint32_t Data1;
    uint16_t Data2;
    uint16_t Data3;
    uint8_t Data4[8];
} GUID;
typedef GUID *LPGUID;

/* Any function. What it takes and returns, its user knows. */
typedef int (*FARPROC)(void);

#endif
