/* HOST:PORT; see host_port.h. */
#include "base/host_port.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 64 };

int host_port_parse(const char *option, const char *text, struct host_port *ret, struct err *err)
{
    const char *colon = strrchr(text, ':');
    const char *host = text;
    size_t digits = colon == NULL ? 0 : strlen(colon + 1);
    if (digits == 0 || digits > 5 || strspn(colon + 1, "0123456789") != digits || atoi(colon + 1) > 65535)
        return err_set(err, "%s %.100s: want HOST:PORT with a port from 0 to 65535", option, text);
    size_t len = (size_t)(colon - text);
    if (len >= 2 && host[0] == '[' && host[len - 1] == ']') {
        host++;
        len -= 2;
    }
    char address[sizeof(struct in6_addr)];
    int written = snprintf(ret->host, sizeof ret->host, "%.*s", (int)(len < 100 ? len : 100), host);
    if (strcmp(ret->host, "localhost") == 0)
        (void)snprintf(ret->host, sizeof ret->host, "127.0.0.1");
    if (written >= (int)sizeof ret->host ||
        (inet_pton(AF_INET, ret->host, address) != 1 && inet_pton(AF_INET6, ret->host, address) != 1))
        return err_set(err, "%s %.100s: the host must be an IP address or localhost", option, text);
    ret->port = atoi(colon + 1);
    return 0;
}

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static socklen_t fill_address(const struct host_port *at, union address *address)
{
    memset(address, 0, sizeof *address);
    if (inet_pton(AF_INET, at->host, &address->v4.sin_addr) == 1) {
        address->v4.sin_family = AF_INET;
        address->v4.sin_port = htons((uint16_t)at->port);
        return sizeof address->v4;
    }
    (void)inet_pton(AF_INET6, at->host, &address->v6.sin6_addr);
    address->v6.sin6_family = AF_INET6;
    address->v6.sin6_port = htons((uint16_t)at->port);
    return sizeof address->v6;
}

int host_port_listen(const char *option, const struct host_port *at, int *ret_port, struct err *err)
{
    union address address;
    socklen_t len = fill_address(at, &address);
    int on = 1;
    int fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    /* A port that was just left is free; one that somebody listens on is not. */
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(fd, &address.any, len) != 0 || listen(fd, BACKLOG) != 0 ||
        getsockname(fd, &address.any, &len) != 0) {
        (void)err_set(err, "%s %s:%d: %s", option, at->host, at->port, strerror(errno));
        if (fd >= 0)
            (void)close(fd);
        return -1;
    }
    *ret_port = ntohs(address.any.sa_family == AF_INET ? address.v4.sin_port : address.v6.sin6_port);
    return fd;
}

bool host_port_is_loopback(const struct host_port *at)
{
    union address address;
    (void)fill_address(at, &address);
    if (address.any.sa_family == AF_INET)
        return ntohl(address.v4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    return IN6_IS_ADDR_LOOPBACK(&address.v6.sin6_addr);
}

void host_port_format(const char *host, int port, struct strbuf *out)
{
    bool is_v6 = strchr(host, ':') != NULL;
    strbuf_appendf(out, "%s%s%s:%d", is_v6 ? "[" : "", host, is_v6 ? "]" : "", port);
}
