/*
 * The types of Windows that programs with sockets use, with Windows's sizes: a `long` of
 * Windows has 32 bits everywhere, so LONG, DWORD and u_long are not C's `long` here.
 *
 * Included by windows.h and winsock2.h.
 */
#ifndef WSA_WSATYPES_H
#define WSA_WSATYPES_H

#include <stddef.h>
#include <stdint.h>

/* A program's own FD_SETSIZE, kept while the system's takes its place. The system's own is written
 * as __FD_SETSIZE, which tells the two apart even where they are the same number. */
#ifdef FD_SETSIZE
#pragma push_macro("__FD_SETSIZE")
#undef __FD_SETSIZE
#define __FD_SETSIZE 0
#if FD_SETSIZE > 0
#define WSA_OWN_FD_SETSIZE
#pragma push_macro("FD_SETSIZE")
#undef FD_SETSIZE
#endif
#pragma pop_macro("__FD_SETSIZE")
#endif

/* Headers of the system that declare names which Winsock gives another meaning: select, fd_set,
 * timeval, pollfd, u_long. They come first, whatever the program's order is; see winsock2.h. */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/time.h>
#include <sys/types.h>
#include <unistd.h>

#undef FD_SETSIZE
#ifdef WSA_FD_SETSIZE
#define FD_SETSIZE WSA_FD_SETSIZE
#elif defined(WSA_OWN_FD_SETSIZE)
#pragma pop_macro("FD_SETSIZE")
#else
#define FD_SETSIZE 64
#endif

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
#ifndef WINAPIV
#define WINAPIV
#endif
#ifndef APIENTRY
#define APIENTRY
#endif
#ifndef __cdecl
#define __cdecl
#endif
#ifndef __stdcall
#define __stdcall
#endif
#define WSAAPI
#define WSPAPI

#ifndef VOID
#define VOID void
#endif
#ifndef CONST
#define CONST const
#endif

typedef int8_t INT8;
typedef int16_t INT16;
typedef int32_t INT32, LONG32;
typedef int64_t INT64, LONG64, LONGLONG;
typedef uint8_t UINT8, BYTE, UCHAR, BOOLEAN;
typedef uint16_t UINT16, WORD, USHORT, WCHAR, ATOM;
typedef uint32_t UINT32, ULONG32, DWORD32, DWORD, ULONG;
typedef uint64_t UINT64, ULONG64, DWORD64, DWORDLONG, ULONGLONG;
typedef char CHAR;
typedef int16_t SHORT;
typedef int INT;
typedef unsigned int UINT;
typedef int32_t LONG, BOOL;
typedef float FLOAT;
typedef intptr_t INT_PTR, LONG_PTR, SSIZE_T, LPARAM, LRESULT;
typedef uintptr_t UINT_PTR, ULONG_PTR, DWORD_PTR, SIZE_T, WPARAM;

typedef void *PVOID, *LPVOID;
typedef const void *LPCVOID;
typedef void *HANDLE, *HWND, *HINSTANCE, *HMODULE;
typedef HANDLE *PHANDLE, *LPHANDLE;
typedef char *PCHAR, *PSTR, *LPSTR;
typedef const char *PCSTR, *LPCSTR;
typedef WCHAR *PWCHAR, *PWSTR, *LPWSTR;
typedef const WCHAR *PCWSTR, *LPCWSTR;
typedef BYTE *PBYTE, *LPBYTE;
typedef UCHAR *PUCHAR;
typedef WORD *PWORD, *LPWORD;
typedef SHORT *PSHORT;
typedef USHORT *PUSHORT;
typedef INT *PINT, *LPINT;
typedef UINT *PUINT;
typedef LONG *PLONG, *LPLONG;
typedef ULONG *PULONG;
typedef DWORD *PDWORD, *LPDWORD;
typedef BOOL *PBOOL, *LPBOOL;
typedef BOOLEAN *PBOOLEAN;
typedef SIZE_T *PSIZE_T;
typedef LONGLONG *PLONGLONG;
typedef ULONGLONG *PULONGLONG;
typedef ULONG_PTR *PULONG_PTR;
typedef DWORD_PTR *PDWORD_PTR;

/* Text is narrow. Where a program wants UNICODE there is no TCHAR: Windows's wide characters have 16
 * bits, and C's string literals L"..." have 32 here. */
#ifndef UNICODE
typedef char TCHAR, *PTCHAR, *PTSTR, *LPTSTR;
typedef const char *PCTSTR, *LPCTSTR;
#ifndef TEXT
#define TEXT(text) text
#endif
#endif

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

/* Both ways of writing the halves. Members without a name are not in C99, but every compiler has
 * them. */
typedef union _LARGE_INTEGER {
    __extension__ struct {
        DWORD LowPart;
        LONG HighPart;
    };
    struct {
        DWORD LowPart;
        LONG HighPart;
    } u;
    LONGLONG QuadPart;
} LARGE_INTEGER, *PLARGE_INTEGER;

typedef union _ULARGE_INTEGER {
    __extension__ struct {
        DWORD LowPart;
        DWORD HighPart;
    };
    struct {
        DWORD LowPart;
        DWORD HighPart;
    } u;
    ULONGLONG QuadPart;
} ULARGE_INTEGER, *PULARGE_INTEGER;

typedef struct _OVERLAPPED {
    ULONG_PTR Internal;
    ULONG_PTR InternalHigh;
    __extension__ union {
        __extension__ struct {
            DWORD Offset;
            DWORD OffsetHigh;
        };
        PVOID Pointer;
    };
    HANDLE hEvent;
} OVERLAPPED, *POVERLAPPED, *LPOVERLAPPED;

typedef struct _GUID {
    uint32_t Data1;
    uint16_t Data2;
    uint16_t Data3;
    uint8_t Data4[8];
} GUID, *LPGUID;

/* Any function. What it takes and returns, its user knows. */
typedef int (*FARPROC)(void);

#endif
