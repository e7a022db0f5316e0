/* lwIP as a peer of the benchmark: one TCP connection on a TAP device over the raw API.
 *
 *   lwip DEVICE OWN PEER PORT tx|rx
 *
 * Says "ready" when it is connected and then, a hundred times a second, how many bytes it has
 * received. Ends with its standard input. */
#include <fcntl.h>
#include <net/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <lwip/etharp.h>
#include <lwip/netif.h>
#include <lwip/tcp.h>
#include <lwip/tcpip.h>
#include <netif/ethernet.h>

/* Frames of a turn, so that sending has its turn as well. */
enum { TURN = 256, FRAME = 1600, PATIENCE = 5000 };

static int device;
static int connected;
static int failed;
static uint64_t received;
static char piece[65535];

static void end(const char *what) {
    fprintf(stderr, "%s failed\n", what);
    exit(1);
}

static err_t output(struct netif *netif, struct pbuf *first) {
    struct iovec parts[16];
    int count = 0;
    (void)netif;
    for (struct pbuf *part = first; part != NULL && count < 16; part = part->next) {
        parts[count].iov_base = part->payload;
        parts[count].iov_len = part->len;
        count++;
    }
    return writev(device, parts, count) < 0 ? ERR_IF : ERR_OK;
}

static err_t set_up(struct netif *netif) {
    static const uint8_t mac[6] = {2, 0, 0, 0, 2, 78};
    netif->name[0] = 't';
    netif->name[1] = 'p';
    netif->output = etharp_output;
    netif->linkoutput = output;
    netif->mtu = 1500;
    netif->hwaddr_len = 6;
    memcpy(netif->hwaddr, mac, 6);
    netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET | NETIF_FLAG_LINK_UP;
    return ERR_OK;
}

static err_t on_connected(void *unused, struct tcp_pcb *pcb, err_t error) {
    (void)unused;
    (void)pcb;
    connected = error == ERR_OK;
    return ERR_OK;
}

static err_t on_received(void *unused, struct tcp_pcb *pcb, struct pbuf *data, err_t error) {
    (void)unused;
    if (data == NULL || error != ERR_OK) {
        failed = 1;
        return ERR_OK;
    }
    /* As a program reads it: into memory of its own. */
    received += pbuf_copy_partial(data, piece, data->tot_len, 0);
    tcp_recved(pcb, data->tot_len);
    pbuf_free(data);
    return ERR_OK;
}

static void on_error(void *unused, err_t error) {
    (void)unused;
    (void)error;
    failed = 1;
}

static void take(struct netif *netif) {
    static char frame[FRAME];
    for (int turn = 0; turn < TURN; turn++) {
        ssize_t length = read(device, frame, sizeof frame);
        if (length <= 0)
            return;
        struct pbuf *data = pbuf_alloc(PBUF_RAW, (u16_t)length, PBUF_RAM);
        if (data == NULL)
            return;
        pbuf_take(data, frame, (u16_t)length);
        if (ethernet_input(data, netif) != ERR_OK)
            pbuf_free(data);
    }
}

static uint64_t millis(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

int main(int argc, char **argv) {
    struct ifreq request;
    struct netif netif;
    ip4_addr_t own, peer, mask;
    ip_addr_t to;
    if (argc != 6 || !ip4addr_aton(argv[2], &own) || !ip4addr_aton(argv[3], &peer))
        end("reading the arguments");
    int sends = strcmp(argv[5], "tx") == 0;
    device = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
    memset(&request, 0, sizeof request);
    strncpy(request.ifr_name, argv[1], IFNAMSIZ - 1);
    request.ifr_flags = IFF_TAP | IFF_NO_PI;
    if (device < 0 || ioctl(device, TUNSETIFF, &request) < 0)
        end("opening the device");

    tcpip_init(NULL, NULL);
    LOCK_TCPIP_CORE();
    IP4_ADDR(&mask, 255, 255, 255, 0);
    if (netif_add(&netif, &own, &mask, &peer, NULL, set_up, ethernet_input) == NULL)
        end("adding the interface");
    netif_set_default(&netif);
    netif_set_up(&netif);
    struct tcp_pcb *pcb = tcp_new();
    if (pcb == NULL)
        end("making a connection");
    tcp_nagle_disable(pcb);
    tcp_recv(pcb, on_received);
    tcp_err(pcb, on_error);
    /* The kernel may take it for one of the run before. */
    if (tcp_bind(pcb, IP_ANY_TYPE, (u16_t)(40000 + getpid() % 20000)) != ERR_OK)
        end("binding");
    ip_addr_copy_from_ip4(to, peer);
    if (tcp_connect(pcb, &to, (u16_t)atoi(argv[4]), on_connected) != ERR_OK)
        end("connecting");
    UNLOCK_TCPIP_CORE();

    int told = 0;
    uint64_t due = 0, began = millis();
    for (;;) {
        struct pollfd both[2] = {{device, POLLIN, 0}, {0, POLLIN, 0}};
        poll(both, 2, 10);
        if (both[1].revents != 0)
            return 0;
        LOCK_TCPIP_CORE();
        take(&netif);
        if (connected && sends && !failed) {
            for (;;) {
                u32_t room = tcp_sndbuf(pcb);
                if (room == 0)
                    break;
                if (room > sizeof piece)
                    room = sizeof piece;
                if (tcp_write(pcb, piece, (u16_t)room, TCP_WRITE_FLAG_COPY) != ERR_OK)
                    break;
            }
            tcp_output(pcb);
        }
        UNLOCK_TCPIP_CORE();
        if (failed)
            end("the connection");
        if (connected && !told) {
            told = 1;
            puts("ready");
            fflush(stdout);
        }
        uint64_t now = millis();
        if (!connected && now - began > PATIENCE)
            end("connecting in five seconds");
        if (told && now >= due) {
            due = now + 10;
            printf("%llu\n", (unsigned long long)received);
            fflush(stdout);
        }
    }
}
