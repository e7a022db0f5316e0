/*
 * Sends 10 MB in one call, closes, cleans up and returns from main at once.
 *
 *     send-and-return ADDRESS PORT [idle]
 *
 * With "idle", another thread waits in recv on a socket of its own until the very end.
 */
#include <winsock2.h>

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LENGTH 10000000

static char bytes[LENGTH];

/* Eight bytes of a stream without visible pattern, by SplitMix64. */
static uint64_t word(uint64_t seed, uint64_t at)
{
    uint64_t mixed = seed + at * UINT64_C(0x9e3779b97f4a7c15);
    mixed = (mixed ^ mixed >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ mixed >> 27) * UINT64_C(0x94d049bb133111eb);
    return mixed ^ mixed >> 31;
}

static void *idle(void *argument)
{
    SOCKADDR_IN any;
    char byte;
    SOCKET s = socket(AF_INET, SOCK_DGRAM, IPPROTO_UDP);

    memset(&any, 0, sizeof any);
    any.sin_family = AF_INET;
    bind(s, (SOCKADDR *)&any, sizeof any);
    pthread_mutex_unlock((pthread_mutex_t *)argument);
    recv(s, &byte, 1, 0);
    return NULL;
}

int main(int argc, char **argv)
{
    static pthread_mutex_t begun = PTHREAD_MUTEX_INITIALIZER;
    WSADATA data;
    SOCKADDR_IN peer;
    SOCKET s;
    uint64_t at;

    if (argc < 3) {
        fprintf(stderr, "usage: send-and-return ADDRESS PORT [idle]\n");
        return 2;
    }
    for (at = 0; at < LENGTH / 8; at++) {
        uint64_t eight = word(4, at);
        memcpy(bytes + 8 * at, &eight, 8);
    }
    if (WSAStartup(MAKEWORD(2, 2), &data) != 0)
        return 1;
    if (argc > 3) {
        pthread_t thread;
        pthread_mutex_lock(&begun);
        if (pthread_create(&thread, NULL, idle, &begun) != 0)
            return 1;
        pthread_mutex_lock(&begun);
    }
    memset(&peer, 0, sizeof peer);
    peer.sin_family = AF_INET;
    peer.sin_addr.s_addr = inet_addr(argv[1]);
    peer.sin_port = htons((u_short)atoi(argv[2]));
    s = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
    if (connect(s, (SOCKADDR *)&peer, sizeof peer) != 0 || send(s, bytes, LENGTH, 0) != LENGTH) {
        fprintf(stderr, "send-and-return: error %d\n", WSAGetLastError());
        return 1;
    }
    if (closesocket(s) != 0 || (argc == 3 && WSACleanup() != 0))
        return 1;
    return 0;
}
