/*
 * The server and the clients in one program, each in a thread of its own, on the stack's loopback.
 *
 *     pair
 */
#include <pthread.h>
#include <stdio.h>

int client(const char *address, unsigned short port, const char *text);
int event_client(const char *address, unsigned short port, const char *text);
int select_server(const char *address, unsigned short port, int wanted,
                  void (*ready)(unsigned short port));

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t listening = PTHREAD_COND_INITIALIZER;
static unsigned short port;

static void ready(unsigned short where)
{
    pthread_mutex_lock(&lock);
    port = where;
    pthread_cond_signal(&listening);
    pthread_mutex_unlock(&lock);
}

static void *serve(void *wanted)
{
    static int failed = 1;
    if (select_server("127.0.0.1", 0, *(int *)wanted, ready) != 0)
        return &failed;
    return NULL;
}

int main(void)
{
    pthread_t server;
    void *failed;
    int wanted = 2;

    if (pthread_create(&server, NULL, serve, &wanted) != 0)
        return 1;
    pthread_mutex_lock(&lock);
    while (port == 0)
        pthread_cond_wait(&listening, &lock);
    pthread_mutex_unlock(&lock);
    if (client("127.0.0.1", port, "from one thread to another\n") != 0)
        return 1;
    if (event_client("127.0.0.1", port, "and once more, with events\n") != 0)
        return 1;
    if (pthread_join(server, &failed) != 0 || failed != NULL)
        return 1;
    return 0;
}
